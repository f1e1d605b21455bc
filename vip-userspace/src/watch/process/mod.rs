//! `vrrp_track_process`: processes that must run, or must not.
//!
//! Each one that matches is held by a descriptor, which tells of its end whatever
//! namespaces it lives in. New ones are told of by tracepoints of the kernel, which
//! also tell of an end before a large process has given back its memory; without
//! them `/proc` is read over and over.

mod herald;
mod people;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Pid;
use tokio::sync::{OnceCell, broadcast};
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use self::herald::{Event, Wanted};
use super::board::Reporter;
use super::pidfd;
use crate::config::trackers::Process;
use crate::engine::Verdict;
use crate::services::{log::Level, watched};

pub(super) use self::herald::Heralds;

/// How often `/proc` is read where the kernel does not tell of new processes.
const POLL: Duration = Duration::from_millis(500);
/// How often where it does, all the same.
const IDLE: Duration = Duration::from_secs(10);
/// From the word of a new process to the look for it: it may become another program.
const SETTLE: Duration = Duration::from_millis(10);
/// Reading `/proc` takes at most one part in so many of the time: some programs make
/// threads without end.
const SHARE: u32 = 50;

/// The kernel's word, asked for when the first one needs it, and kept.
pub(super) type Voices = Arc<OnceCell<Result<Arc<Heralds>, String>>>;

/// Watches them until it is dropped.
pub(super) async fn watch(process: Process, voices: Voices, mut reporter: Reporter) {
    reporter.begin().await;
    let heard = voices.get_or_init(async || Heralds::start()).await;
    let mut crowd = Crowd::new(process, heard.as_ref().ok().cloned());
    match (heard, &crowd.deaf) {
        (Ok(_), None) => reporter.works_by("tracepoints of the kernel, and pidfds"),
        (Ok(_), Some(why)) | (Err(why), _) => {
            reporter.works_by(format!("pidfds, and /proc read twice a second: {why}"));
        }
    }
    let mut judge = Judge::new(&crowd.process);
    loop {
        if crowd.look_at <= Instant::now() {
            crowd.look().await;
        }
        let count = crowd.members.len();
        if let Some(change) = judge.counted(count, Instant::now()) {
            announce(&crowd.process, &change, &mut reporter).await;
        }
        let wait = judge
            .due()
            .map_or(crowd.look_at, |due| due.min(crowd.look_at));
        let event = tokio::select! {
            biased;
            event = crowd.event() => event,
            () = sleep_until(wait) => continue,
        };
        crowd.heard(event).await;
    }
}

/// Says how many there are, and whether that is well.
async fn announce(process: &Process, change: &Change, reporter: &mut Reporter) {
    let verdict = if change.is_well {
        Verdict::Well
    } else {
        Verdict::Failed
    };
    let what = format!("{} run, {}", change.count, wanted(process));
    reporter.found(verdict, change.is_well, what).await;
    let (name, before, now) = (reporter.name(), change.before, change.count);
    let (word, level) = if change.is_well {
        ("up", Level::Info)
    } else {
        ("down", Level::Notice)
    };
    let line = format!(
        "Process {name}, number of current processes changed from {before} to {now}, quorum {word}"
    );
    reporter.say(level, line).await;
}

/// How many must run, in words.
fn wanted(process: &Process) -> String {
    match (process.quorum, process.quorum_max) {
        (_, Some(0)) => "none may".into(),
        (least, None) => format!("{least} must"),
        (least, Some(most)) if least >= most => format!("exactly {most} must"),
        (least, Some(most)) => format!("{least} to {most} must"),
    }
}

/// The processes that match.
struct Crowd {
    process: Process,
    heralds: Option<Arc<Heralds>>,
    /// What the kernel was asked to tell of.
    wanted: Vec<Wanted>,
    events: Option<broadcast::Receiver<Event>>,
    /// Why the kernel does not tell, although it could be asked.
    deaf: Option<String>,
    members: HashMap<i32, Member>,
    /// Tasks that wait for the end of members.
    ends: JoinSet<i32>,
    /// When `/proc` is read next.
    look_at: Instant,
    /// Before that it is not read.
    rests_until: Instant,
}

/// One that matches; whoever waits for its end stops when it is forgotten.
struct Member {
    wait: AbortHandle,
    _wanted: Option<Wanted>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.wait.abort();
    }
}

impl Crowd {
    fn new(process: Process, heralds: Option<Arc<Heralds>>) -> Self {
        let now = Instant::now();
        let mut crowd = Self {
            process,
            // Listens before it looks: nobody comes in between.
            events: heralds.as_ref().map(|heralds| heralds.listen()),
            heralds,
            wanted: Vec::new(),
            deaf: None,
            members: HashMap::new(),
            ends: JoinSet::new(),
            look_at: now,
            rests_until: now,
        };
        let reads_command = people::reads_command(&crowd.process);
        let name = crowd.process.name.clone();
        // Which name the kernel gives to a command is not known before it runs.
        crowd.want((!reads_command).then_some(name.as_bytes()));
        crowd
    }

    fn want(&mut self, name: Option<&[u8]>) {
        let Some(heralds) = &self.heralds else { return };
        match heralds.want(name) {
            Ok(wanted) => self.wanted.push(wanted),
            Err(why) => {
                self.deaf = Some(why);
                self.events = None;
            }
        }
    }

    /// Reads all of `/proc`.
    async fn look(&mut self) {
        let began = Instant::now();
        let process = self.process.clone();
        let Ok(all) = spawn_blocking(move || people::all(&process)).await else {
            return;
        };
        self.members
            .retain(|pid, _| all.iter().any(|one| one.as_raw() == *pid));
        for pid in all {
            self.add(pid).await;
        }
        let now = Instant::now();
        self.rests_until = now + (now - began) * SHARE;
        let pause = if self.events.is_some() { IDLE } else { POLL };
        self.look_at = now + pause;
    }

    /// Takes a process that matches in, and waits for its end from now on.
    async fn add(&mut self, pid: Pid) {
        if self.members.contains_key(&pid.as_raw()) {
            return;
        }
        let Ok(end) = pidfd::open(pid).and_then(watched) else {
            return;
        };
        // Its number may have become another's before it was held.
        let process = self.process.clone();
        let held = move || (people::is_one(pid, &process), people::name(pid));
        let Ok((true, name)) = spawn_blocking(held).await else {
            return;
        };
        // Its children may match too, and its end is told of by its name.
        let heralds = self.heralds.as_ref();
        let wanted = heralds
            .zip(name)
            .filter(|_| people::reads_command(&self.process))
            .and_then(|(heralds, name)| heralds.want(Some(&name)).ok());
        let wait = self.ends.spawn(async move {
            drop(end.readable().await);
            pid.as_raw()
        });
        let member = Member {
            wait,
            _wanted: wanted,
        };
        self.members.insert(pid.as_raw(), member);
    }

    /// Waits until something may have changed. Nothing is lost where it is dropped.
    async fn event(&mut self) -> Event {
        let Self { events, ends, .. } = self;
        let told = async {
            match events {
                Some(events) => events.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // What was forgotten ends as well, and means nothing.
            Some(ended) = ends.join_next() => ended.map_or(Event::Nothing, Event::Ended),
            event = told => match event {
                Ok(event) => event,
                Err(broadcast::error::RecvError::Lagged(_)) => Event::Forked,
                Err(broadcast::error::RecvError::Closed) => {
                    self.events = None;
                    Event::Forked
                }
            },
        }
    }

    async fn heard(&mut self, event: Event) {
        match event {
            Event::Ended(pid) => drop(self.members.remove(&pid)),
            Event::Began(pid) => self.examine(Pid::from_raw(pid)).await,
            Event::Forked => {
                let soon = (Instant::now() + SETTLE).max(self.rests_until);
                self.look_at = self.look_at.min(soon);
            }
            Event::Nothing => {}
        }
    }

    /// Looks at one process that may be another than it was.
    async fn examine(&mut self, pid: Pid) {
        let process = self.process.clone();
        let is_one = spawn_blocking(move || people::is_one(pid, &process)).await;
        if is_one.unwrap_or(false) {
            self.add(pid).await;
        } else {
            self.members.remove(&pid.as_raw());
        }
    }
}

/// Decides from when on a number counts.
#[derive(Debug)]
struct Judge {
    least: usize,
    most: usize,
    fork_delay: Duration,
    terminate_delay: Duration,
    /// What was said last; nothing before the first look.
    said: Option<bool>,
    /// The number when that was said.
    said_at: usize,
    /// The number now.
    count: usize,
    /// When the number will count, where it is another answer.
    due: Option<Instant>,
}

/// A number that counts.
#[derive(PartialEq, Eq, Debug)]
struct Change {
    before: usize,
    count: usize,
    is_well: bool,
}

impl Judge {
    fn new(process: &Process) -> Self {
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            least: number(process.quorum),
            most: process.quorum_max.map_or(usize::MAX, number),
            fork_delay: process.fork_delay,
            terminate_delay: process.terminate_delay,
            said: None,
            said_at: 0,
            count: 0,
            due: None,
        }
    }

    /// Whether so many are well. More than allowed are not, and where none is allowed
    /// none need run.
    fn is_well(&self, count: usize) -> bool {
        count >= self.least.min(self.most) && count <= self.most
    }

    fn counted(&mut self, count: usize, now: Instant) -> Option<Change> {
        let has_grown = count > self.count;
        self.count = count;
        let is_well = self.is_well(count);
        if self.said == Some(is_well) {
            self.due = None;
            return None;
        }
        let due = match (self.said, self.due) {
            // The first look counts at once.
            (None, _) => now,
            (Some(_), Some(due)) => due,
            (Some(_), None) if has_grown => now + self.fork_delay,
            (Some(_), None) => now + self.terminate_delay,
        };
        if now < due {
            self.due = Some(due);
            return None;
        }
        self.due = None;
        self.said = Some(is_well);
        let before = std::mem::replace(&mut self.said_at, count);
        Some(Change {
            before,
            count,
            is_well,
        })
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(quorum: u32, quorum_max: Option<u32>, fork: u64, terminate: u64) -> Judge {
        Judge::new(&Process {
            name: "x".into(),
            parameters: None,
            full_command: false,
            quorum,
            quorum_max,
            fork_delay: Duration::from_millis(fork),
            terminate_delay: Duration::from_millis(terminate),
        })
    }

    /// What is said at these times, in ms, with so many running.
    fn said(mut judge: Judge, course: &[(u64, usize)]) -> Vec<(u64, bool)> {
        let begin = Instant::now();
        let mut said = Vec::new();
        for (at, count) in course {
            let now = begin + Duration::from_millis(*at);
            if let Some(change) = judge.counted(*count, now) {
                assert_eq!(change.count, *count);
                said.push((*at, change.is_well));
            }
        }
        said
    }

    #[test]
    fn the_first_number_counts_at_once_and_others_after_their_delay() {
        let course = [
            (0, 0),
            (10, 1),
            (59, 1),
            (60, 1),
            (70, 0),
            (169, 0),
            (170, 0),
        ];
        assert_eq!(
            said(judge(1, None, 50, 100), &course),
            [(0, false), (60, true), (170, false)]
        );
        assert_eq!(
            said(judge(1, None, 0, 0), &course),
            [(0, false), (10, true), (70, false)]
        );
    }

    #[test]
    fn who_comes_back_in_time_was_never_away() {
        let course = [
            (0, 2),
            (10, 0),
            (50, 1),
            (100, 1),
            (200, 1),
            (210, 0),
            (309, 0),
        ];
        assert_eq!(said(judge(1, None, 0, 100), &course), [(0, true)]);
    }

    #[test]
    fn too_many_are_as_bad_as_too_few() {
        let course = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 3), (5, 1)];
        assert_eq!(
            said(judge(2, Some(3), 0, 0), &course),
            [(0, false), (1, true), (3, false), (4, true), (5, false)]
        );
        // None may run.
        let course = [(0, 0), (1, 1), (2, 0)];
        assert_eq!(
            said(judge(1, Some(0), 0, 0), &course),
            [(0, true), (1, false), (2, true)]
        );
    }

    #[test]
    fn the_delay_is_that_of_who_came_or_went() {
        // One too many comes, and goes.
        let course = [
            (0, 1),
            (10, 2),
            (59, 2),
            (60, 2),
            (70, 1),
            (80, 1),
            (170, 1),
        ];
        assert_eq!(
            said(judge(1, Some(1), 50, 100), &course),
            [(0, true), (60, false), (170, true)]
        );
        let mut judge = judge(1, None, 50, 100);
        let now = Instant::now();
        assert!(judge.counted(1, now).is_some());
        assert_eq!(judge.counted(0, now), None);
        assert_eq!(judge.due(), Some(now + Duration::from_millis(100)));
        assert_eq!(judge.counted(1, now), None);
        assert_eq!(judge.due(), None);
    }
}
