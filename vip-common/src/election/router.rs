//! The machine: from what happened to what is to be done.

use core::cmp::Ordering;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use super::action::{Action, ActionQueue, Fault, Input, Report, Why};
use super::params::Params;
use super::state::{Active, Addresses, Announced, Backup, Ear, Heard, Initialize, State};
use crate::ids::Priority;
use crate::time::{Centis, MonoTime};

/// After a failed installation we stay out for this long, and twice as long
/// after each further one in a row: a router that cannot hold the address
/// should not take it from one that can every few seconds.
const FIRST_RETRY: Duration = Duration::from_secs(10);

/// The longest wait is [`FIRST_RETRY`] doubled this often, 320 s.
const RETRY_DOUBLINGS: u32 = 5;

/// One virtual router's part in the election. See the [module](super) for how
/// to drive it.
#[derive(Clone, Debug)]
pub struct VirtualRouter {
    params: Params,
    primary: IpAddr,
    state: State,
    generation: u32,
    failed_installs: u32,
    clock: MonoTime,
    actions: ActionQueue,
}

/// Who holds the addresses, as far as a router knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ActiveRouter {
    /// Its primary address.
    pub address: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Its last advert: arrival of theirs, or departure of ours.
    pub last_advert: MonoTime,
}

impl VirtualRouter {
    /// In Initialize, until [`Input::BecameAble`].
    #[must_use]
    pub fn new(params: Params) -> Self {
        Self {
            params,
            primary: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            state: State::Initialize(Initialize {
                fault: Fault::Starting,
                retry: None,
            }),
            generation: 0,
            failed_installs: 0,
            clock: MonoTime::ZERO,
            actions: ActionQueue::default(),
        }
    }

    /// Something happened.
    pub fn handle_input(&mut self, now: MonoTime, input: Input) {
        let now = self.begin(now);
        match input {
            Input::BecameAble { primary } => self.became_able(now, primary),
            Input::BecameUnable { fault } => self.leave(fault, None, Why::Fault(fault)),
            Input::AdvertArrived {
                stamp,
                source,
                priority,
                interval,
            } => {
                let heard = Heard {
                    source,
                    priority,
                    stamp: stamp.min(now),
                };
                let interval = self.params.learned(interval);
                match self.state {
                    State::Initialize(_) => {}
                    State::Backup(_) => self.heard_as_backup(heard, interval),
                    State::Active(_) => self.heard_as_active(now, heard, interval),
                }
            }
            Input::AddressesInstalled { generation } => self.installed(now, generation),
            Input::AddressesFailed { generation } => self.install_failed(now, generation),
            Input::AddressesRemoved { generation: _ } => {}
            Input::EarProven => self.ear_proven(now),
            Input::Slept => {
                if let State::Backup(backup) = &mut self.state {
                    backup.slept(now, &self.params);
                }
            }
            Input::ShutDown => self.leave(Fault::ShutDown, None, Why::ShutDown),
        }
    }

    /// Time passed. Before [`VirtualRouter::poll_timeout`] this does nothing.
    pub fn handle_timeout(&mut self, now: MonoTime) {
        let now = self.begin(now);
        match &mut self.state {
            State::Initialize(initialize) => {
                if initialize.retry.is_some_and(|retry| now >= retry) {
                    self.take_part(now);
                }
            }
            State::Backup(backup) => {
                if now >= backup.deadline && backup.believes(now, &self.params) {
                    self.take_over(now);
                } else if backup.asks(now) {
                    backup.ear = Ear::Asked { at: now };
                    self.actions.push(Action::ProveEar);
                }
            }
            State::Active(active) => {
                if active.take_due_advert(now, &self.params) {
                    let priority = self.params.priority;
                    self.actions.push(Action::SendAdvert { priority });
                }
                if let Addresses::Installed(announced) = &mut active.addresses {
                    let rounds = announced.take_due(now, &self.params.garp);
                    self.announce(rounds);
                }
            }
        }
    }

    /// When to call [`VirtualRouter::handle_timeout`], if nothing happens
    /// before; it may lie in the past.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoTime> {
        self.state.next_deadline()
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop()
    }

    /// The state, with the deadlines in it.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What the router was configured with.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The address we speak from; unspecified until the first
    /// [`Input::BecameAble`].
    #[must_use]
    pub fn primary(&self) -> IpAddr {
        self.primary
    }

    /// The priority that counts at present.
    #[must_use]
    pub fn effective_priority(&self) -> Priority {
        self.params.priority
    }

    /// The generation of the addresses: that of the last
    /// [`Action::InstallAddresses`], zero before the first.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// When the state ends by itself if nothing is heard: the end of the
    /// Active_Down_Timer as Backup, of a retry in Initialize.
    #[must_use]
    pub fn deadline(&self) -> Option<MonoTime> {
        match &self.state {
            State::Initialize(initialize) => initialize.retry,
            State::Backup(backup) => Some(backup.deadline),
            State::Active(_) => None,
        }
    }

    /// Who is Active: ourselves, or the one last heard that has not resigned.
    #[must_use]
    pub fn active(&self) -> Option<ActiveRouter> {
        match &self.state {
            State::Initialize(_) => None,
            State::Backup(backup) => backup
                .discarded
                .or(backup.accepted)
                .filter(|heard| !heard.priority.is_resign())
                .map(|heard| ActiveRouter {
                    address: heard.source,
                    priority: heard.priority,
                    last_advert: heard.stamp,
                }),
            State::Active(active) => Some(ActiveRouter {
                address: self.primary,
                priority: self.params.priority,
                last_advert: active.last_advert,
            }),
        }
    }

    fn begin(&mut self, now: MonoTime) -> MonoTime {
        debug_assert!(self.actions.has_room(), "actions were not taken");
        self.clock = self.clock.max(now);
        self.clock
    }

    fn became_able(&mut self, now: MonoTime, primary: IpAddr) {
        match self.state {
            State::Initialize(Initialize {
                fault: Fault::ShutDown,
                ..
            }) => {}
            // A failed installation is not mended by a link that is still up.
            State::Initialize(Initialize { retry: Some(_), .. })
            | State::Backup(_)
            | State::Active(_) => self.primary = primary,
            State::Initialize(Initialize { retry: None, .. }) => {
                self.primary = primary;
                self.take_part(now);
            }
        }
    }

    /// The Startup event (RFC 9568 section 6.4.1).
    fn take_part(&mut self, now: MonoTime) {
        if self.params.is_owner() {
            self.become_active(now, Why::AddressOwner);
            return;
        }
        let why = match self.state {
            State::Initialize(Initialize {
                fault: Fault::Starting,
                ..
            }) => Why::Started,
            State::Initialize(Initialize { fault, .. }) => Why::Recovered { fault },
            State::Backup(_) | State::Active(_) => return,
        };
        self.enter(State::Backup(Backup::entered(now, &self.params)), why);
    }

    /// To Initialize, from wherever we are, letting go of what we hold.
    fn leave(&mut self, fault: Fault, retry: Option<MonoTime>, why: Why) {
        match &self.state {
            State::Initialize(initialize) => {
                let same = initialize.fault == fault && initialize.retry.is_none();
                if same || initialize.fault == Fault::ShutDown {
                    return;
                }
            }
            State::Backup(_) => {}
            State::Active(_) => {
                let priority = Priority::RESIGN;
                self.actions.push(Action::SendAdvert { priority });
                self.remove_addresses(self.generation);
            }
        }
        self.enter(State::Initialize(Initialize { fault, retry }), why);
    }

    /// RFC 9568 section 6.4.2.
    fn heard_as_backup(&mut self, heard: Heard, interval: Centis) {
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        if !backup.is_news(heard.stamp) {
            return;
        }
        if heard.priority.is_resign() {
            backup.accept_resign(heard, &self.params);
            self.report(Report::ResignHeard {
                source: heard.source,
            });
        } else if heard.priority < self.params.priority && self.params.preempts() {
            backup.discard(heard, &self.params);
        } else {
            backup.accept(heard, interval, &self.params);
        }
    }

    /// RFC 9568 section 6.4.3.
    fn heard_as_active(&mut self, now: MonoTime, heard: Heard, interval: Centis) {
        let State::Active(active) = &mut self.state else {
            return;
        };
        let Heard {
            source, priority, ..
        } = heard;
        // Priority zero is the lowest of all and needs no case of its own.
        let theirs = priority
            .cmp(&self.params.priority)
            .then(source.cmp(&self.primary));
        match theirs {
            Ordering::Greater => {
                let why = if priority > self.params.priority {
                    Why::HigherPriority { source, priority }
                } else {
                    Why::HigherAddress { source, priority }
                };
                self.remove_addresses(self.generation);
                let backup = Backup::yielded(now, heard, interval, &self.params);
                self.enter(State::Backup(backup), why);
            }
            Ordering::Equal => self.report(Report::SameAddressHeard { source }),
            // Sent before it could hear our first advert.
            Ordering::Less if heard.stamp < active.since => {}
            Ordering::Less => {
                if active.take_answer(now, &self.params) {
                    if priority.is_resign() {
                        active.next_advert = now + self.params.adver_interval.span();
                    }
                    let priority = self.params.priority;
                    self.actions.push(Action::SendAdvert { priority });
                }
                if priority.is_resign() {
                    self.report(Report::ResignHeard { source });
                    return;
                }
                if let Addresses::Installed(announced) = &mut active.addresses
                    && announced.take_provoked(now, &self.params.garp)
                {
                    self.announce(self.params.garp.repeat);
                }
                self.report(Report::LowerPriorityHeard { source, priority });
            }
        }
    }

    fn ear_proven(&mut self, now: MonoTime) {
        if let State::Backup(backup) = &mut self.state
            && !self.params.is_owner()
        {
            backup.ear = Ear::Proven { at: now };
        }
    }

    /// The Active_Down_Timer ended, and we believe it.
    fn take_over(&mut self, now: MonoTime) {
        let State::Backup(backup) = &self.state else {
            return;
        };
        let deadline = backup.deadline;
        let why = match (backup.discarded, backup.accepted) {
            (Some(lower), _) => Why::Preempting {
                source: lower.source,
                priority: lower.priority,
                deadline,
            },
            (None, Some(last)) if last.priority.is_resign() => Why::ActiveResigned {
                source: last.source,
                stamp: last.stamp,
                deadline,
            },
            (None, last) => Why::ActiveDownTimerExpired {
                last_advert: last.map(|heard| heard.stamp),
                deadline,
            },
        };
        self.become_active(now, why);
    }

    fn become_active(&mut self, now: MonoTime, why: Why) {
        self.generation = self.generation.wrapping_add(1);
        let priority = self.params.priority;
        let generation = self.generation;
        self.actions.push(Action::SendAdvert { priority });
        self.actions.push(Action::InstallAddresses { generation });
        self.enter(State::Active(Active::entered(now, &self.params)), why);
    }

    fn installed(&mut self, now: MonoTime, generation: u32) {
        let State::Active(active) = &mut self.state else {
            self.remove_addresses(generation);
            return;
        };
        // Of an earlier generation, the removal is on its way already.
        if generation == self.generation && matches!(active.addresses, Addresses::Installing) {
            active.addresses = Addresses::Installed(Announced::begun(now, &self.params.garp));
            self.failed_installs = 0;
            self.announce(self.params.garp.repeat);
        }
    }

    /// An Active Router without its addresses would keep others from serving
    /// them.
    fn install_failed(&mut self, now: MonoTime, generation: u32) {
        if generation != self.generation || !matches!(self.state, State::Active(_)) {
            return;
        }
        let wait = FIRST_RETRY * (1 << self.failed_installs.min(RETRY_DOUBLINGS));
        self.failed_installs = self.failed_installs.saturating_add(1);
        let retry = now + wait;
        self.leave(
            Fault::AddressesNotInstalled,
            Some(retry),
            Why::AddressesFailed { retry },
        );
    }

    fn remove_addresses(&mut self, generation: u32) {
        self.actions.push(Action::RemoveAddresses { generation });
    }

    fn announce(&mut self, rounds: u8) {
        if rounds > 0 {
            self.actions.push(Action::Announce { rounds });
        }
    }

    fn report(&mut self, report: Report) {
        self.actions.push(Action::Report(report));
    }

    fn enter(&mut self, state: State, why: Why) {
        let (from, to) = (self.state.name(), state.name());
        self.state = state;
        self.report(Report::Transition { from, to, why });
    }
}
