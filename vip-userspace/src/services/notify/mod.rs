//! Scripts that are run and pipes that are written when something changes.
//!
//! The engine's reports become words about instances and sync groups (`teller`), which
//! a thread of its own writes to pipes (`pipe`) and has scripts run for (`queue`,
//! `runner`). Whoever reports waits for none of it.
//!
//! # What keepalived does
//!
//! As keepalived 2.2.7 was seen to do, and as it is done here:
//!
//! * `notify_master`, `_backup`, `_fault`, `_stop`, `_deleted` and
//!   `_master_rx_lower_pri` get the words that they are configured with, nothing more.
//!   `notify` gets `INSTANCE` or `GROUP`, the name, the state and the priority behind
//!   them: that in the election, 0 for a group. `notify` is not run for
//!   `MASTER_RX_LOWER_PRI`.
//! * The specific script is started before `notify`. It runs in a process group of its
//!   own, is ended with the daemon, has the mask 0177 and the daemon's environment and
//!   directory.
//! * A line of a pipe is `INSTANCE "name" STATE priority`. There are lines too for
//!   `MASTER_RX_LOWER_PRI`, and with `notify_priority_changes` `MASTER_PRIORITY` and
//!   `BACKUP_PRIORITY`. No script is run for those two, and nothing is written while
//!   an instance is in FAULT.
//! * At the start everybody is told of: first instances in FAULT, then groups, then the
//!   other instances, each in the order of the configuration. An address owner is told
//!   MASTER at once.
//! * Later a group is told of when the last of its members has come to a state, after
//!   that member.
//! * A reload tells nothing of whatever stays as it is; what is new is told of as at
//!   the start. An instance that is gone is told DELETED, to scripts and pipes, where
//!   `notify_deleted` stands in it, with or without a script. Where it does not, `notify`
//!   and the pipes are told FAULT, `notify_fault` is not run, and nothing is told where
//!   FAULT was told last. A group that is gone is not told of.
//! * At the end STOP is told of the instances, those in FAULT too, then of the groups,
//!   when the addresses are gone. Scripts are waited for 1 s.
//! * A pipe is made with mode 0600 for `script_user` or whoever is named. One that is
//!   there is used as it is, and stays when the daemon ends; one that was made is
//!   removed. The program that reads it has its path as last argument and is started
//!   anew by a reload.
//!
//! # What is different
//!
//! * Scripts of one subject run one after the other; keepalived starts them side by
//!   side, in whatever order the scheduler has.
//! * A state that has passed before the addresses had come or gone is not told.
//!   keepalived's installation is part of the transition.
//! * Drained, an instance is told to be BACKUP. keepalived has no such order.
//! * `IFS` and `LD_*` are taken out of the environment, as newer keepalived does. What
//!   a script writes goes to the log; keepalived's goes nowhere.
//! * A reader of a pipe that ends is started again, and sees STOP: it is told to end
//!   when it has read all. keepalived ends it first.
//! * `fifo_write_vrrp_states_on_reload` writes all states, as the manual says;
//!   keepalived 2.2.7 writes groups and instances in FAULT only.

mod board;
mod event;
mod pipe;
mod queue;
mod reader;
mod runner;
mod shown;
mod teller;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use vip_common::election;

pub use board::{Board, PipeRecord, Record, Run};
pub use event::{Event, Kind, Subject, Word};
pub use pipe::MOST_LINES;
pub use queue::{MOST_WAITING, PATIENCE, PATIENCE_OF_A_MASTER};
pub use runner::{AT_THE_END, LAST_LINES, LAST_SCRIPT};
pub use shown::{PipeState, ScriptRun, Scripts};

use crate::config::Configuration;
use crate::engine::Report;
use crate::engine::published::{Published, Snapshot};
use crate::plan::Plan;
use crate::services::log::{Level, Log};
use board::Shared;
use runner::{Order, Runner, Settings};
use teller::{Cast, Teller};

/// Words on their way to the thread that runs scripts.
const UNDER_WAY: usize = 1024;
/// Words that wait for room on it.
const HELD: usize = 1024;
/// The longest that the end of the daemon waits for scripts and readers of pipes.
pub const FAREWELL: Duration = Duration::from_secs(5);

/// The services' end of it.
#[derive(Debug)]
pub struct Notify {
    teller: Teller,
    orders: mpsc::Sender<Order>,
    /// What there was no room for.
    held: VecDeque<Order>,
    board: Shared,
    end: oneshot::Sender<Vec<Event>>,
    ended: std_mpsc::Receiver<()>,
    log: Log,
    /// Whether nobody is told anything.
    muted: bool,
}

/// What is left to be told when all else has ended.
#[derive(Debug)]
pub struct Farewell {
    last: Vec<Event>,
    end: oneshot::Sender<Vec<Event>>,
    ended: std_mpsc::Receiver<()>,
    log: Log,
}

impl Notify {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(log: &Log) -> io::Result<Self> {
        let (orders_in, orders) = mpsc::channel(UNDER_WAY);
        let (end_in, end) = oneshot::channel();
        let (ended_in, ended) = std_mpsc::channel();
        let board = Shared::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (told, shown) = (log.clone(), board.clone());
        std::thread::Builder::new()
            .name("vip-notify".into())
            .spawn(move || {
                let runner = Runner::new(told, shown);
                runtime.block_on(runner.run(orders, end));
                // A disk that does not answer holds up no farewell. What still runs is
                // killed with it, before anybody hears that this is the end: the daemon
                // may be gone right after.
                runtime.shutdown_background();
                let _ = ended_in.send(());
            })?;
        Ok(Self {
            teller: Teller::default(),
            orders: orders_in,
            held: VecDeque::new(),
            board,
            end: end_in,
            ended,
            log: log.clone(),
            muted: false,
        })
    }

    /// The same, which tells nobody anything: no script is run, no pipe is made
    /// (`vip run --shadow`).
    #[must_use]
    pub fn muted(self) -> Self {
        Self {
            muted: true,
            ..self
        }
    }

    /// What is run and written from now on.
    fn configure(&mut self, configuration: &Configuration) {
        let instances = configuration.instances.iter();
        let groups = configuration.sync_groups.iter();
        let subject = |kind, name: &String| Subject {
            kind,
            name: name.clone(),
        };
        let subjects = instances
            .clone()
            .map(|one| (subject(Kind::Instance, &one.name), &one.notify));
        let groups = groups.map(|one| (subject(Kind::Group, &one.name), &one.notify));
        let subjects: Vec<_> = subjects.chain(groups).collect();
        let commands = subjects.iter().flat_map(|(subject, notify)| {
            let commands = notify.commands();
            commands.map(|(keyword, command)| (subject.clone(), keyword, command.clone()))
        });
        let settings = Settings {
            scripts: configuration.scripts.clone(),
            telling: configuration.telling.clone(),
            commands: commands.collect(),
            subjects: subjects.iter().map(|(one, _)| one.clone()).collect(),
        };
        self.order(Order::Configure(Box::new(settings)));
    }

    /// Who there is from now on, and what is run for them: before the engine is told of
    /// a plan, so that nothing that it reports of it is lost.
    pub fn cast(&mut self, plan: &Plan, configuration: &Configuration) {
        if self.muted {
            return;
        }
        self.configure(configuration);
        self.teller.recast(Cast::of(plan, configuration));
        self.tell();
    }

    /// A reload has been taken.
    pub fn reloaded(&mut self, configuration: &Configuration) {
        if configuration.telling.states_on_reload && !self.muted {
            self.teller.again();
            self.tell();
        }
    }

    /// What the engine reports. `published` is what it shows.
    pub fn report(&mut self, report: &Report, published: &Published) {
        if self.muted {
            return;
        }
        match *report {
            Report::Election { slot, report, .. } => {
                self.weigh(slot, published);
                match report {
                    election::Report::Transition { to, why, .. } => {
                        self.teller.moved(slot, to, why);
                    }
                    election::Report::LowerPriorityHeard { .. } => self.teller.contested(slot),
                    election::Report::SameAddressHeard { .. }
                    | election::Report::ResignHeard { .. }
                    | election::Report::ResignIgnored { .. }
                    | election::Report::SuccessorHeard { .. }
                    | election::Report::LetGo { .. }
                    | election::Report::TakeOutranked { .. } => {}
                }
            }
            Report::Holds { slot, hold } => {
                self.weigh(slot, published);
                self.teller.holds(slot, hold);
            }
            Report::Priority { slot, priority } => self.teller.reweighed(slot, priority.get()),
            Report::Up => self.teller.up(),
            Report::Announced { .. }
            | Report::Refused { .. }
            | Report::OtherList { .. }
            | Report::PutBack { .. }
            | Report::MacPutBack { .. }
            | Report::Claimed { .. }
            | Report::NotSent { .. }
            | Report::Adopted
            | Report::NotAdopted => return,
        }
        self.tell();
    }

    /// Once a second: whether a report was lost, and whatever there was no room for.
    pub fn look(&mut self, seen: impl Fn(usize) -> Option<Snapshot>) {
        if self.muted {
            return;
        }
        self.teller.look(seen);
        self.tell();
    }

    /// What has become of scripts and pipes.
    #[must_use]
    pub fn board(&self) -> Board {
        self.board.with(|board| board.clone())
    }

    /// The daemon ends: what is left to be told is told when the addresses are gone.
    #[must_use]
    pub fn leave(mut self) -> Farewell {
        let mut last: Vec<Event> = Vec::new();
        for order in self.held {
            if let Order::Tell(event) = order {
                last.push(event);
            }
        }
        last.extend(self.teller.farewell());
        Farewell {
            last,
            end: self.end,
            ended: self.ended,
            log: self.log,
        }
    }

    fn weigh(&mut self, slot: usize, published: &Published) {
        if let Some(seen) = published.read(slot) {
            self.teller.note_priority(slot, seen.priority.get());
        }
    }

    fn tell(&mut self) {
        for event in self.teller.take() {
            self.order(Order::Tell(event));
        }
        while let Some(order) = self.held.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(back)) = self.orders.try_send(order) {
                self.held.push_front(back);
                return;
            }
        }
    }

    fn order(&mut self, order: Order) {
        self.held.push_back(order);
        if self.held.len() > HELD {
            self.thin_out();
        }
    }

    /// Keeps the last word about everybody, and the last configuration.
    fn thin_out(&mut self) {
        let mut last: HashMap<Option<Subject>, usize> = HashMap::new();
        let about = |order: &Order| match order {
            Order::Tell(event) => Some(event.subject.clone()),
            Order::Configure(_) => None,
        };
        for (at, order) in self.held.iter().enumerate() {
            last.insert(about(order), at);
        }
        let before = self.held.len();
        let mut at = 0..before;
        self.held.retain(|order| {
            at.next()
                .is_some_and(|at| last.get(&about(order)) == Some(&at))
        });
        let left_out = u64::try_from(before - self.held.len()).unwrap_or(0);
        self.board.with(|board| board.left_out += left_out);
        let text = format!("scripts and pipes do not keep up: {left_out} changes are not told");
        self.log.line(Level::Warning, &text);
    }
}

impl Farewell {
    /// Tells the end and waits for it, [`FAREWELL`] at most.
    pub fn tell(self) {
        let _ = self.end.send(self.last);
        if self.ended.recv_timeout(FAREWELL).is_err() {
            let text = "scripts or readers of pipes are still there; they are left";
            self.log.line(Level::Warning, text);
        }
    }
}
