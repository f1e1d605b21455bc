//! How a new configuration takes the place of the running one: asked for by a
//! signal or a client, read on a thread of its own, judged, handed to the engine.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::control::Reply;
use super::follow::{Event, Kind};
use super::log::Level;
use super::obey::{CarriedOver, respond};
use super::protocol::Answer;
use super::reload::{self, Candidate, Refused, Seen, Source, runnable};
use super::{HeardBy, Services, State};
use crate::config::{ReadError, Severity};
use crate::engine::Command;
use crate::engine::published::Standing;
use crate::engine::router::FORMER_FOR;
use crate::error::Exit;
use crate::plan::Plan;
use vip_common::election::Fault;

/// How long reading may take: a file on a disk that does not answer is given up.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long the engine, which never waits, may take to say that it goes by a plan.
const UNHEARD: Duration = Duration::from_secs(10);

const UNCHANGED: &str = "the running configuration stays, nothing was changed";

/// What was asked for.
#[derive(Debug)]
struct Wanted {
    /// Only to say what it would do.
    dry_run: bool,
    /// Who asked; none is SIGHUP.
    reply: Option<oneshot::Sender<Reply>>,
}

#[derive(Debug)]
struct Reading {
    wanted: Wanted,
    since: Instant,
    task: JoinHandle<Result<Candidate, ReadError>>,
}

/// How the last reload went, for `vip status`.
#[derive(Clone, Debug)]
pub(super) struct Last {
    /// Why it was refused; nothing where it was taken.
    pub refused: Vec<String>,
    /// When.
    pub at: Instant,
}

/// A configuration that the engine has been told of and has not taken yet.
#[derive(Debug)]
struct Adopting {
    wanted: Wanted,
    candidate: Candidate,
    since: Instant,
    /// What everybody else but the engine went by before.
    before: Arc<Plan>,
    orders: CarriedOver,
    said: Vec<String>,
}

/// Reloads that wait, the one that is under way, and how the last one went.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    waiting: VecDeque<Wanted>,
    reading: Option<Reading>,
    adopting: Option<Adopting>,
    /// How the last one went.
    pub last: Option<Last>,
    /// When one was taken last.
    pub taken_at: Option<Instant>,
}

/// What came of reading; nothing where the thread ended before its time.
type Read = Option<Result<Candidate, ReadError>>;

impl Renewal {
    /// The file that is being read, as soon as it is.
    pub(super) async fn read(&mut self) -> Read {
        match &mut self.reading {
            Some(reading) => (&mut reading.task).await.ok(),
            None => pending().await,
        }
    }
}

/// Reads a file, and looks whether what it has run can be.
async fn read(source: Source) -> Result<Candidate, ReadError> {
    let read = tokio::task::spawn_blocking(move || source.read()).await;
    let mut candidate = match read {
        Ok(read) => read?,
        // Whoever waits for this hears of it in the same way.
        Err(lost) => match lost.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => pending().await,
        },
    };
    candidate.runnable = runnable(candidate.configuration.clone()).await;
    Ok(candidate)
}

impl Services {
    /// Puts a reload into the queue. Of signals that nobody has looked at yet one
    /// is as good as many.
    pub(super) fn want_reload(
        &self,
        state: &mut State,
        dry_run: bool,
        reply: Option<oneshot::Sender<Reply>>,
    ) {
        let waiting = &mut state.renewal.waiting;
        if reply.is_some() || !waiting.iter().any(|wanted| wanted.reply.is_none()) {
            waiting.push_back(Wanted { dry_run, reply });
        }
        self.read_next(state);
    }

    /// Begins with the next one, if none is under way.
    fn read_next(&self, state: &mut State) {
        let renewal = &mut state.renewal;
        if renewal.reading.is_some() || renewal.adopting.is_some() {
            return;
        }
        let Some(wanted) = renewal.waiting.pop_front() else {
            return;
        };
        if !wanted.dry_run {
            let by = if wanted.reply.is_some() {
                "vip reload"
            } else {
                "SIGHUP"
            };
            let line = format!("{by}: reads {} again", self.source.path().display());
            self.log.line(Level::Info, &line);
            // An init system that waits for the end of a reload waits from now on.
            if let Ok(now) = NotifyState::monotonic_usec_now() {
                let _ = sd_notify::notify(&[NotifyState::Reloading, now]);
            }
        }
        let source = self.source.clone();
        renewal.reading = Some(Reading {
            wanted,
            since: Instant::now(),
            task: tokio::spawn(read(source)),
        });
    }

    /// Gives up what cannot be waited for any longer.
    pub(super) fn mind_renewal(&mut self, state: &mut State) {
        let slow = |reading: &Reading| reading.since.elapsed() > PATIENCE;
        if state.renewal.reading.as_ref().is_some_and(slow) {
            self.renew(state, None);
        }
        // It says so where it cannot take a plan; that it has may be dropped with
        // other reports that nobody had room for.
        let unheard = |adopting: &Adopting| adopting.since.elapsed() > UNHEARD;
        if state.renewal.adopting.as_ref().is_some_and(unheard) {
            self.adopted(state, true);
        }
    }

    /// Goes on with a file that was read, or could not be.
    pub(super) fn renew(&mut self, state: &mut State, read: Read) {
        let Some(Reading { wanted, .. }) = state.renewal.reading.take() else {
            return;
        };
        match self.judged(state, read) {
            Err(refused) => self.conclude(state, wanted, Err(refused)),
            Ok((candidate, said)) if wanted.dry_run => {
                drop(candidate);
                self.conclude(state, wanted, Ok(said));
            }
            Ok((candidate, said)) => self.hand_over(state, wanted, candidate, said),
        }
    }

    /// Has everybody go by another plan, the engine last.
    fn hand_over(
        &mut self,
        state: &mut State,
        wanted: Wanted,
        candidate: Candidate,
        said: Vec<String>,
    ) {
        let plan = Arc::new(self.plan_for(&candidate));
        let refused = |why: &str| {
            Err(Refused {
                exit: Exit::No,
                said: vec![why.to_owned(), UNCHANGED.to_owned()],
            })
        };
        let addresses = plan
            .routers
            .iter()
            .map(|router| router.all_addresses().count());
        if plan.routers.len() > self.published.len() || addresses.sum::<usize>() > self.room {
            let why = "a daemon that runs has no room for so many more instances or addresses: restart vip, or reload again when those that were taken out have left";
            self.conclude(state, wanted, refused(why));
            return;
        }
        // Interfaces of the new plan are followed before the engine asks for them.
        self.current.set(Arc::clone(&plan));
        self.notify.cast(&plan, &candidate.configuration);
        if self
            .commands
            .send(Command::Adopt(Arc::clone(&plan)))
            .is_err()
        {
            self.current.set(Arc::clone(&self.plan));
            self.notify.cast(&self.plan, &self.running.configuration);
            self.conclude(
                state,
                wanted,
                refused("the engine does not answer at the moment"),
            );
            return;
        }
        let ports = plan.ports.len();
        state.ports.resize_with(ports, HeardBy::default);
        state.voices.resize_with(ports, || None);
        // Slots keep their meaning, so that reports made before can be told by it.
        let before = std::mem::replace(&mut self.plan, plan);
        let mut orders = self.carried_over(&before);
        self.tell_engine(std::mem::take(&mut orders.commands));
        state.renewal.adopting = Some(Adopting {
            wanted,
            candidate,
            since: Instant::now(),
            before,
            orders,
            said,
        });
    }

    /// The running plan with the places that a candidate needs.
    fn plan_for(&self, candidate: &Candidate) -> Plan {
        let has_left = |slot| {
            let seen = self.published.read(slot);
            seen.is_some_and(|seen| seen.standing == Standing::Initialize(Fault::ShutDown))
        };
        self.plan.after(&candidate.configuration, has_left)
    }

    /// The engine goes by the new plan, or cannot.
    pub(super) fn adopted(&mut self, state: &mut State, taken: bool) {
        let Some(adopting) = state.renewal.adopting.take() else {
            return;
        };
        let Adopting {
            wanted,
            candidate,
            since: _,
            before,
            orders,
            said,
        } = adopting;
        if taken {
            self.running = candidate;
            self.note_former_secrets(state, &before);
            self.notify.reloaded(&self.running.configuration);
            let scripts = &self.running.configuration.scripts;
            state.watchers.adopt(&self.plan, scripts);
            self.carry_over(&orders);
            self.shadow_reloaded();
            self.conclude(state, wanted, Ok(said));
        } else {
            self.plan = before;
            self.current.set(Arc::clone(&self.plan));
            self.notify.cast(&self.plan, &self.running.configuration);
            let refused = Refused {
                exit: Exit::Failed,
                said: vec![
                    "too much is under way to take it: reload again in a moment".into(),
                    UNCHANGED.into(),
                ],
            };
            self.conclude(state, wanted, Err(refused));
        }
    }

    /// From now on the secrets of before are accepted for a while, where they are
    /// others.
    fn note_former_secrets(&self, state: &mut State, before: &Plan) {
        let until = Instant::now() + FORMER_FOR;
        let pairs = before.routers.iter().zip(&self.plan.routers);
        for (slot, (then, now)) in pairs.enumerate() {
            if then.vacant || now.vacant {
                state.formers.remove(&slot);
            } else if then.expect.auth != now.expect.auth || then.hmac != now.hmac {
                state.formers.insert(slot, until);
            }
        }
    }

    /// Says how it went, and begins with the next one.
    fn conclude(&mut self, state: &mut State, wanted: Wanted, done: Result<Vec<String>, Refused>) {
        let Wanted { dry_run, reply } = wanted;
        if !dry_run {
            let _ = sd_notify::notify(&[NotifyState::Ready]);
            let (level, word, said) = match &done {
                Ok(said) => (Level::Notice, "reloaded", said),
                Err(refused) => (Level::Error, "not reloaded", &refused.said),
            };
            for line in said {
                let line = format!("{word}: {line}");
                self.log
                    .tell(Event::new(Kind::Reload, level, line).state(word));
            }
            if done.is_ok() {
                state.renewal.taken_at = Some(Instant::now());
            }
            let refused = done.as_ref().err().map(|refused| refused.said.clone());
            state.renewal.last = Some(Last {
                refused: refused.unwrap_or_default(),
                at: Instant::now(),
            });
        }
        let answer = match done {
            Ok(said) => Answer::done(said),
            Err(refused) => Answer::refused(refused.exit, refused.said),
        };
        if let Some(reply) = reply {
            respond(reply, &answer);
        }
        self.read_next(state);
    }

    fn judged(&self, state: &State, read: Read) -> Result<(Candidate, Vec<String>), Refused> {
        let path = self.source.path();
        let name = path.display();
        let unread = |why: String| Refused {
            exit: Exit::Configuration,
            said: vec![why, UNCHANGED.into()],
        };
        let candidate = match read {
            None => {
                return Err(unread(format!(
                    "{name} could not be read within {} s: where it lies does not answer",
                    PATIENCE.as_secs()
                )));
            }
            Some(Err(error)) => return Err(unread(error.to_string())),
            Some(Ok(candidate)) => candidate,
        };
        reload::judge(path, &self.running, &candidate)?;
        for remark in &candidate.remarks {
            if remark.severity == Severity::Warning && !self.running.remarks.contains(remark) {
                self.log.line(Level::Warning, &remark.headline);
            }
        }
        let known = self.known(state);
        let said = reload::plan(&self.running, &candidate, &known, |name| self.seen(name));
        Ok((candidate, said))
    }

    fn seen(&self, instance: &str) -> Option<Seen> {
        let mut routers = self.plan.routers.iter();
        let slot = routers.position(|router| !router.vacant && router.name == instance)?;
        Some(Seen {
            standing: self.published.read(slot)?.standing,
            order: self.orders.of(instance).map(|order| order.what),
        })
    }
}
