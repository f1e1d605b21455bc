//! The flight recorder's second half: when a state has changed, what the engine has
//! [recorded](crate::engine::record) around it is written to a file, for `vip why`.
//!
//! A file is written when the addresses are announced, or given up, and once more
//! with the next change, or some seconds later, if more has become known: that the silent master speaks
//! again, for instance, and how many adverts of it were lost on the way. All of it is bounded: how
//! many changes wait, how fast files are written, how many are kept. What a slow or full disk holds up
//! is a thread that nobody waits for.

pub mod archive;
pub mod recording;
pub mod replay;
mod waits;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};
use vip_common::election::{self, Action, StateName, Why};
use vip_common::layout::{Counter, Refused, RefusedKey};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use super::log::{Level, Log};
use super::{Services, State};
use crate::dataplane::Gauges;
use crate::engine::published::Published;
use crate::engine::record::{Entry, Event, Kept, Record};
use crate::engine::{Report, rt};
use crate::plan::{Plan, Tracked};
use archive::Archive;
use recording::{About, Change, Moment, Recording, Refusal, SCHEMA, Start};
use waits::Waits;

/// What happened so long before a change is part of its story.
const BEFORE: Duration = Duration::from_secs(60);
/// What happens so long after it is, too.
const AFTER: Duration = Duration::from_secs(10);
/// When it is written at the latest where announcements are waited for,
const ANNOUNCED_BY: Duration = Duration::from_secs(3);
/// and where they are not.
const SETTLED_BY: Duration = Duration::from_millis(500);
/// When what was waited for has come, so long after it.
const GRACE: Duration = Duration::from_millis(30);
/// What is younger may be half written: an input without what followed from it.
const YOUNG: Duration = Duration::from_millis(10);
/// So many changes wait to be written at most.
const MOST_WAITING: usize = 64;
/// So many files are written in a row,
const AT_ONCE: usize = 16;
/// with such a pause after them.
const PAUSE: Duration = Duration::from_millis(200);
/// So many moments of a recording are kept on each side of the change.
const MOST_MOMENTS: usize = 400;
/// Two masters are one story for so long.
const ONE_STORY: Duration = Duration::from_secs(60);
/// Whoever has taken over is contradicted once or twice by adverts that were on their way:
/// for so long that is no story of its own.
const CROSSING: Duration = Duration::from_millis(300);
/// The end of the daemon is told of so many instances.
const MOST_FAREWELLS: usize = 16;

/// A change that is to be written.
#[derive(Clone, Debug)]
struct Waiting {
    slot: u32,
    change: Change,
    about: About,
    hindered_by: Option<String>,
    trouble: Option<String>,
    rung: String,
    utc: String,
    due: Instant,
    /// Where its last record was when it was first written.
    written: Option<u64>,
}

/// Changes that are to be written.
#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// How many found no room since one was written.
    left_out: u64,
}

impl Queue {
    /// A change is to be written, unless too many are already.
    fn add(&mut self, waiting: Waiting) {
        // What explains an earlier change has come, perhaps.
        for one in &mut self.waiting {
            if one.slot == waiting.slot && one.written.is_some() {
                one.due = one.due.min(waiting.due);
            }
        }
        // The second look at an old one gives way to a new one.
        if self.waiting.len() >= MOST_WAITING
            && let Some(at) = self.waiting.iter().position(|one| one.written.is_some())
        {
            self.waiting.swap_remove(at);
        }
        if self.waiting.len() >= MOST_WAITING {
            self.left_out += 1;
            return;
        }
        self.waiting.push(waiting);
    }

    /// Whether only new ones are in it, and as many as there may be.
    fn is_full(&self) -> bool {
        let new = |one: &&Waiting| one.written.is_none();
        self.waiting.iter().filter(new).count() >= MOST_WAITING
    }

    /// What is waited for has come.
    fn hasten(&mut self, slot: usize) {
        let due = Instant::now() + GRACE;
        let of_it = |one: &&mut Waiting| one.slot as usize == slot && one.written.is_none();
        for one in self.waiting.iter_mut().filter(of_it) {
            one.due = one.due.min(due);
        }
    }

    /// Takes out those that are due, and not too many of them.
    fn take(&mut self, is_due: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let (mut due, mut rest) = (Vec::new(), Vec::new());
        for one in std::mem::take(&mut self.waiting) {
            let is_due = due.len() < AT_ONCE && is_due(&one);
            if is_due { &mut due } else { &mut rest }.push(one);
        }
        self.waiting = rest;
        due
    }
}

/// Writes down why.
pub struct Recorder {
    archive: Archive,
    published: Arc<Published>,
    gauges: Gauges,
    scheduling: String,
    shadow: bool,
    log: Log,
    queue: Queue,
    waits: Waits,
    writing: Option<JoinHandle<std::io::Result<()>>>,
    rest_until: Instant,
    /// When a router last was not the only master.
    contested: HashMap<usize, MonoTime>,
    /// Whether the last attempt failed, which is said once.
    failed: bool,
}

impl Recorder {
    /// Nothing has happened yet. What a `shadow` writes says that it is of one.
    #[must_use]
    pub fn new(
        archive: Archive,
        published: Arc<Published>,
        gauges: Gauges,
        scheduling: String,
        shadow: bool,
        log: Log,
    ) -> Self {
        Self {
            archive,
            published,
            gauges,
            scheduling,
            shadow,
            log,
            queue: Queue::default(),
            waits: Waits::default(),
            writing: None,
            rest_until: Instant::now(),
            contested: HashMap::new(),
            failed: false,
        }
    }

    /// Once a second.
    pub(super) fn sample(&mut self) {
        self.waits.sample(rt::now());
    }

    /// Returns when there is something to [write](Self::write).
    pub(super) async fn due(&mut self) {
        if let Some(writing) = &mut self.writing {
            let done = writing.await;
            self.writing = None;
            self.rest_until = Instant::now() + PAUSE;
            self.written(done.unwrap_or_else(|error| Err(std::io::Error::other(error))));
        }
        let next = self.queue.waiting.iter().map(|one| one.due).min();
        match next {
            Some(due) => sleep_until(due.max(self.rest_until)).await,
            None => std::future::pending().await,
        }
    }

    fn written(&mut self, done: std::io::Result<()>) {
        let failed = done.is_err();
        if let Err(error) = done
            && !self.failed
        {
            let line = format!(
                "cannot write down why states change: {}: {error}; 'vip why' does not know of it until that is mended",
                self.archive.directory().display()
            );
            self.log.line(Level::Warning, &line);
        }
        self.failed = failed;
    }

    /// Writes what is due, on another thread.
    pub(super) fn write(&mut self) {
        if self.writing.is_some() {
            return;
        }
        let until = rt::now() - YOUNG;
        let documents = self.documents(until, |one, now| one.due <= now);
        if documents.is_empty() {
            return;
        }
        let archive = self.archive.clone();
        self.writing = Some(spawn_blocking(move || {
            documents.iter().try_for_each(|one| archive.keep(one))
        }));
    }

    /// Those that are due, as they are written, with what happened until then.
    fn documents(
        &mut self,
        until: MonoTime,
        is_due: impl Fn(&Waiting, Instant) -> bool,
    ) -> Vec<Recording> {
        let now = Instant::now();
        let due = self.queue.take(|one| is_due(one, now));
        if due.is_empty() {
            return Vec::new();
        }
        let record = self.published.record();
        let entries =
            record.look(|slot| slot == Record::ALL || due.iter().any(|one| one.slot == slot));
        let refused = self.gauges.refused();
        let mut documents = Vec::new();
        for mut one in due {
            let of_it: Vec<_> = entries
                .iter()
                .filter(|entry| entry.slot == one.slot || entry.slot == Record::ALL)
                .filter(|entry| entry.at <= until)
                .collect();
            let own = of_it.iter().rev().find(|entry| entry.slot == one.slot);
            let last = own.map_or(0, |entry| entry.place);
            if one.written == Some(last) {
                continue;
            }
            documents.push(self.document(&one, &of_it, refused.get(&one.slot)));
            if one.written.is_none() {
                one.written = Some(last);
                let passed = rt::now().since(one.change.at());
                one.due = now + AFTER.saturating_sub(passed);
                if self.queue.waiting.len() < MOST_WAITING / 2 {
                    self.queue.waiting.push(one);
                }
            }
        }
        documents
    }

    fn document(
        &mut self,
        one: &Waiting,
        entries: &[&Entry],
        refused: Option<&Vec<(RefusedKey, Refused)>>,
    ) -> Recording {
        let at = one.change.at();
        let (from, to) = (at - BEFORE, at + AFTER);
        let renewed = |entry: &&Entry| matches!(entry.kept, Kept::Event(Event::Renewed));
        let begun = entries
            .iter()
            .rposition(|entry| entry.at <= at && renewed(entry));
        let within: Vec<_> = entries
            .iter()
            .skip(begun.map_or(0, |begun| begun + 1))
            .filter(|entry| entry.at >= from && entry.at <= to)
            .collect();
        let middle = within.partition_point(|entry| entry.at <= at);
        let first = middle.saturating_sub(MOST_MOMENTS);
        let end = within.len().min(middle + MOST_MOMENTS);
        let mut start = None;
        let mut moments = Vec::new();
        for entry in within.get(first..end).unwrap_or_default() {
            match &entry.kept {
                Kept::Election(election) if start.is_none() => {
                    start = Some(Start {
                        moment: moments.len(),
                        election: (**election).clone(),
                    });
                }
                Kept::Election(_) => {}
                Kept::Event(event) => moments.push(Moment {
                    at: entry.at,
                    event: *event,
                }),
            }
        }
        if end < within.len() {
            // What the last of them led to is missing.
            let last = moments.iter().rposition(|one| one.event.moves_election());
            moments.truncate(last.unwrap_or(0));
            start = start.filter(|start| start.moment <= moments.len());
        }
        let refused = refused.into_iter().flatten();
        let refused = refused.filter_map(|(key, refused)| {
            let reason = u8::try_from(key.reason).ok();
            let last = MonoTime::from_nanos(refused.stamp);
            let reason = reason.and_then(RejectReason::from_number)?;
            (last >= from).then_some(Refusal {
                source: key.source(),
                reason,
                count: refused.count,
                last,
            })
        });
        Recording {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            host: host(),
            utc: one.utc.clone(),
            instance: one.about.clone(),
            change: one.change,
            shadow: self.shadow,
            hindered_by: one.hindered_by.clone(),
            trouble: one.trouble.clone(),
            start,
            moments,
            cut: first > 0 || end < within.len(),
            refused: refused.take(MOST_FAREWELLS).collect(),
            ring_full: self.gauges.counter(one.slot, Counter::RingFull),
            waits: self.waits.within(from, to),
            rung: one.rung.clone(),
            scheduling: self.scheduling.clone(),
            left_out: std::mem::take(&mut self.queue.left_out),
        }
    }

    /// The services end; what is left to be written is written after the engine has.
    pub(super) fn leave(self, plan: Arc<Plan>) -> LastPage {
        LastPage {
            recorder: self,
            plan,
        }
    }

    fn finish(mut self, plan: &Plan) {
        let ends = self.farewells(plan);
        self.queue.waiting.retain(|one| one.written.is_none());
        self.queue.waiting.extend(ends);
        while !self.queue.waiting.is_empty() {
            let documents = self.documents(rt::now(), |_, _| true);
            let archive = &self.archive;
            let done = documents.iter().try_for_each(|one| archive.keep(one));
            self.queue.waiting.retain(|one| one.written.is_none());
            if done.is_err() {
                return self.written(done);
            }
        }
    }

    fn farewells(&self, plan: &Plan) -> Vec<Waiting> {
        let entries = self.published.record().look(|slot| slot != Record::ALL);
        let mut ends: Vec<Waiting> = Vec::new();
        for entry in entries.iter().rev() {
            let Kept::Event(Event::Wants(Action::Report(election::Report::Transition {
                from,
                to,
                why: Why::ShutDown,
            }))) = entry.kept
            else {
                continue;
            };
            let slot = entry.slot as usize;
            if ends.len() >= MOST_FAREWELLS || plan.routers.get(slot).is_none_or(|one| one.vacant) {
                continue;
            }
            // Who had no part in anything has no story.
            if from == StateName::Initialize {
                continue;
            }
            let at = entry.at;
            let change = Change::State {
                at,
                from,
                to,
                why: Why::ShutDown,
            };
            ends.push(Waiting {
                slot: entry.slot,
                change,
                about: about(plan, slot),
                hindered_by: None,
                trouble: None,
                rung: String::new(),
                utc: utc(at),
                due: Instant::now(),
                written: None,
            });
        }
        ends
    }
}

/// What is left to be written when the daemon ends.
pub struct LastPage {
    recorder: Recorder,
    plan: Arc<Plan>,
}

impl LastPage {
    /// Writes what waits, and that the instances were told to stop. To be called when the
    /// engine has ended; it may take its time.
    pub fn write(self) {
        self.recorder.finish(&self.plan);
    }
}

/// The name of this host.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map(|name| name.trim().to_owned()).unwrap_or_default()
}

/// A moment on the clock of the wall.
fn utc(at: MonoTime) -> String {
    let wall = SystemTime::now() - rt::now().since(at);
    humantime::format_rfc3339_micros(wall).to_string()
}

fn about(plan: &Plan, slot: usize) -> About {
    let router = &plan.routers[slot];
    let group = router.group_of.and_then(|group| plan.groups.get(group));
    About {
        name: router.name.clone(),
        vrid: router.params.vrid.get(),
        interface: plan.ports[router.port].name.clone(),
        addresses: router.all_addresses().map(|one| one.address).collect(),
        sync_group: group.map(|group| group.name.clone()),
    }
}

impl Services {
    /// The engine has said something that may have a story.
    pub(super) fn note_story(&mut self, state: &State, report: &Report) {
        if let Report::Announced { slot, .. } = *report {
            return self.recorder.queue.hasten(slot);
        }
        let Report::Election {
            slot,
            at,
            about,
            report,
        } = *report
        else {
            return;
        };
        if matches!(report, election::Report::LetGo { .. }) {
            self.recorder.queue.hasten(slot);
        } else if let election::Report::Transition { from, to, why } = report {
            let change = Change::State { at, from, to, why };
            // The start of a daemon has no story before somebody is Active.
            if from != StateName::Initialize || to != StateName::Backup {
                self.note_change(state, slot, about, change);
            }
        } else if let election::Report::LowerPriorityHeard { source, priority } = report {
            let change = Change::TwoMasters {
                at,
                source,
                priority,
            };
            self.note_change(state, slot, about, change);
        }
    }

    fn note_change(&mut self, state: &State, slot: usize, what: Option<Tracked>, change: Change) {
        if self.recorder.queue.is_full() {
            self.recorder.queue.left_out += 1;
            return;
        }
        let at = change.at();
        if matches!(change, Change::TwoMasters { .. }) {
            let mut others = self.recorder.queue.waiting.iter();
            let crossed =
                others.any(|one| one.slot as usize == slot && at.since(one.change.at()) < CROSSING);
            let before = self.recorder.contested.get(&slot);
            if crossed || before.is_some_and(|before| at.since(*before) < ONE_STORY) {
                return;
            }
            self.recorder.contested.insert(slot, at);
        }
        let router = &self.plan.routers[slot];
        let interface = self.plan.concerned(router, what).to_owned();
        let hindered_by = self.in_the_way(state, what).or(Some(interface));
        let trouble = state.troubles.get(&slot);
        let rung = state.ports.get(router.port).and_then(|port| port.rung);
        let to_active = matches!(
            change,
            Change::State {
                to: StateName::Active,
                ..
            }
        );
        let bound = if to_active { ANNOUNCED_BY } else { SETTLED_BY };
        self.recorder.queue.add(Waiting {
            slot: u32::try_from(slot).unwrap_or(Record::ALL),
            change,
            about: about(&self.plan, slot),
            hindered_by,
            trouble: trouble.map(|(why, _)| why.clone()),
            rung: rung.map_or_else(String::new, |rung| rung.to_string()),
            utc: utc(at),
            due: Instant::now() + bound,
            written: None,
        });
    }
}

#[cfg(test)]
mod tests;
