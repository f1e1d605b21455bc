//! The machine: from what happened to what is to be done.

use core::net::{IpAddr, Ipv4Addr};

use super::action::{Action, ActionQueue, Fault, Input, Report, Why};
use super::active::Addresses;
use super::backup::Ear;
use super::letting_go::LettingGo;
use super::params::Params;
use super::standing::{Giving, Standing};
use super::state::{Heard, Initialize, State};
use crate::ids::Priority;
use crate::time::{Centis, MonoTime};

/// One virtual router's part in the election. See the [module](super) for how
/// to drive it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VirtualRouter {
    /// As configured.
    pub(super) params: Params,
    /// The same, with the priority and the preemption that count at present.
    pub(super) counted: Params,
    pub(super) primary: IpAddr,
    pub(super) state: State,
    pub(super) letting_go: Option<LettingGo>,
    pub(super) standing: Standing,
    /// Whether answers are withheld at the NIC.
    pub(super) withheld: bool,
    pub(super) last_other: Option<Heard>,
    /// When somebody else last claimed our addresses.
    pub(super) last_claim: Option<MonoTime>,
    pub(super) generation: u32,
    pub(super) failed_installs: u32,
    pub(super) clock: MonoTime,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) actions: ActionQueue,
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
            counted: params,
            primary: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            state: State::Initialize(Initialize {
                fault: Fault::Starting,
                retry: None,
            }),
            letting_go: None,
            standing: Standing::new(),
            withheld: false,
            last_other: None,
            last_claim: None,
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
            Input::BecameAble { primary } => {
                if !self.standing.left {
                    self.primary = primary;
                    self.standing.obstacle = None;
                    self.settle(now, Giving::AtOnce);
                }
            }
            Input::BecameUnable { fault } => {
                self.drop_now(now);
                self.standing.obstacle = Some(fault);
                self.standing.out_until = None;
                self.settle(now, Giving::AtOnce);
            }
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
                self.heard(now, heard, interval);
            }
            Input::AddressesInstalled { generation } => self.installed(now, generation),
            Input::AddressesFailed { generation } => self.install_failed(now, generation),
            Input::AddressesRemoved { generation } => {
                if generation == self.generation && !self.holds() {
                    self.withhold(false);
                }
            }
            Input::EarProven => self.ear_proven(now),
            Input::Slept => self.slept(now),
            Input::AddressClaimed { stamp } => {
                self.last_claim = self.last_claim.max(Some(stamp.min(now)));
                self.weigh_claim();
            }
            Input::PriorityChanged { priority } => {
                self.standing.tracked = Some(priority);
                self.recount();
            }
            Input::Drained { force } => self.drained(now, force),
            Input::Undrained => {
                self.standing.drained = None;
                self.settle(now, Giving::Softly);
            }
            Input::Taken { priority } => self.taken(now, priority),
            Input::Untaken => self.untaken(),
            Input::SiblingContested => self.contested(now, false),
            Input::GroupOrdered { order } => self.ordered(now, order),
            Input::ShutDown => {
                self.standing.left = true;
                self.return_no_more(now);
                self.settle(now, Giving::Softly);
            }
        }
    }

    /// Time passed. Before [`VirtualRouter::poll_timeout`] this does nothing.
    pub fn handle_timeout(&mut self, now: MonoTime) {
        let now = self.begin(now);
        let before = self.state.name();
        match &mut self.state {
            State::Initialize(initialize) => {
                if initialize.retry.is_some_and(|retry| now >= retry) {
                    self.settle(now, Giving::AtOnce);
                }
            }
            State::Backup(backup) => {
                backup.doubt(now);
                if backup.is_wanting() {
                    // The group says when.
                } else if now >= backup.deadline && backup.believes(now) {
                    if self.params.grouped {
                        // Perhaps it keeps what it is about to let go of.
                        return backup.want();
                    }
                    self.take_over(now);
                } else if backup.asks(now) {
                    backup.ear = Ear::Asked { at: now };
                    self.actions.push(Action::ProveEar);
                }
            }
            State::Active(active) => {
                if active.take_due_advert(now, &self.counted) {
                    self.advertise();
                }
                if let State::Active(active) = &mut self.state
                    && let Addresses::Installed(announced) = &mut active.addresses
                {
                    let rounds = announced.take_due(now, &self.params.garp);
                    self.announce(rounds);
                }
            }
        }
        if self.state.name() == before {
            self.let_go_in_time(now);
        }
    }

    /// Another configuration from now on, with the least change: no state
    /// changes by it, what was learned stays, an advert that is due is never
    /// later than it would have been, and timers are counted anew from what
    /// they were counted from.
    ///
    /// The VRID stays: another one is another router. The priority that was last
    /// tracked ([`Input::PriorityChanged`]) counts until another one is told,
    /// and so does what was commanded.
    pub fn reconfigure(&mut self, now: MonoTime, params: Params) {
        let now = self.begin(now);
        let startup_until = self.params.startup_until;
        if params.grouped && !self.params.grouped {
            self.standing.grouped_at = now;
        }
        self.params = Params {
            startup_until,
            ..params
        };
        self.recount();
        if let State::Active(active) = &mut self.state {
            active.recount(now, &self.counted);
        }
        if let Some(going) = &mut self.letting_go {
            going.waits &= params.grouped;
        }
        if !params.grouped {
            self.standing.held_out = false;
            self.settle(now, Giving::AtOnce);
        }
    }

    /// When to call [`VirtualRouter::handle_timeout`], if nothing happens
    /// before; it may lie in the past.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoTime> {
        let going = self.letting_go.as_ref().and_then(LettingGo::next_deadline);
        let state = self.state.next_deadline();
        [state, going].into_iter().flatten().min()
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

    /// The priority that counts at present, the one in our adverts.
    #[must_use]
    pub fn effective_priority(&self) -> Priority {
        self.counted.priority
    }

    /// The generation of the addresses: that of the last
    /// [`Action::InstallAddresses`], zero before the first.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// What we keep for a successor, having given up the role. While there is
    /// something, claims of our addresses are to be told
    /// ([`Input::AddressClaimed`]), and a daemon that leaves waits.
    #[must_use]
    pub fn letting_go(&self) -> Option<&LettingGo> {
        self.letting_go.as_ref()
    }

    /// Whether we keep addresses for a successor.
    #[must_use]
    pub fn is_letting_go(&self) -> bool {
        self.letting_go.is_some()
    }

    /// Whether answers are to be withheld, as the last [`Action::Withhold`]
    /// said.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        self.withheld
    }

    /// The last accepted advert of another router that did not leave with it,
    /// in whatever state we were. Without one, nobody is known who could
    /// succeed us.
    #[must_use]
    pub fn last_other(&self) -> Option<Heard> {
        self.last_other
    }

    /// Whether we were told to stay out.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.standing.drained.is_some()
    }

    /// The priority that we were told to take over with, while that holds.
    #[must_use]
    pub fn taken_priority(&self) -> Option<Priority> {
        self.standing.taken
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

    /// The last advert of the router that we follow as Backup, if another one that
    /// says the same would do no more than begin the same silence anew, whenever it
    /// comes: nobody is about to be replaced, to leave, to be preempted in a while,
    /// or to be succeeded by us.
    #[must_use]
    pub fn steadily_follows(&self) -> Option<Heard> {
        match &self.state {
            State::Backup(backup) if self.letting_go.is_none() => backup.steadily_follows(),
            State::Backup(_) | State::Initialize(_) | State::Active(_) => None,
        }
    }

    /// Whether this advert would do no more than begin the same silence anew: it is one
    /// more of those that are [followed steadily](Self::steadily_follows).
    #[must_use]
    pub fn goes_on_with(&self, heard: Heard, interval: Centis) -> bool {
        let State::Backup(backup) = &self.state else {
            return false;
        };
        let is_replaced = heard.priority < self.counted.priority && self.counted.preempts();
        let followed = self.steadily_follows();
        !is_replaced
            && !heard.priority.is_resign()
            && self.params.learned(interval) == backup.active_adver_interval
            && followed.is_some_and(|last| {
                (last.source, last.priority) == (heard.source, heard.priority)
                    && last.stamp <= heard.stamp
            })
    }

    /// Whether [`VirtualRouter::handle_timeout`] would now do nothing but send the advert
    /// that is due on its grid.
    #[must_use]
    pub fn only_advertises(&self, now: MonoTime) -> bool {
        match &self.state {
            State::Active(active) if self.letting_go.is_none() => {
                active.only_advertises(now, &self.counted)
            }
            State::Active(_) | State::Backup(_) | State::Initialize(_) => false,
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
                priority: self.counted.priority,
                last_advert: active.last_advert,
            }),
        }
    }

    /// Whose adverts keep us Backup: the last one that was accepted and has not
    /// resigned, whoever was heard since whose advert was discarded.
    #[must_use]
    pub fn obeyed(&self) -> Option<IpAddr> {
        match &self.state {
            State::Backup(backup) => backup
                .accepted
                .filter(|heard| !heard.priority.is_resign())
                .map(|heard| heard.source),
            State::Initialize(_) | State::Active(_) => None,
        }
    }

    fn begin(&mut self, now: MonoTime) -> MonoTime {
        debug_assert!(self.actions.has_room(), "actions were not taken");
        self.clock = self.clock.max(now);
        self.clock
    }

    pub(super) fn advertise(&mut self) {
        let priority = self.counted.priority;
        self.actions.push(Action::SendAdvert { priority });
    }

    pub(super) fn announce(&mut self, rounds: u8) {
        if rounds > 0 {
            self.actions.push(Action::Announce { rounds });
        }
    }

    pub(super) fn report(&mut self, report: Report) {
        self.actions.push(Action::Report(report));
    }

    pub(super) fn enter(&mut self, state: State, why: Why) {
        let (from, to) = (self.state.name(), state.name());
        self.state = state;
        self.report(Report::Transition { from, to, why });
    }
}
