//! What we were told, whatever the state: what keeps us out, what counts
//! instead of the configured priority, and what follows from its changes.

use super::action::{Action, Fault, Report, Why};
use super::backup::Backup;
use super::group::{Holding, Order, Part, Stance};
use super::params::Params;
use super::router::VirtualRouter;
use super::state::{Initialize, State};
use crate::ids::Priority;
use crate::time::MonoTime;

/// What we were told.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Standing {
    /// What the shell says is in the way.
    pub(super) obstacle: Option<Fault>,
    /// After a failed installation: when we try again.
    pub(super) out_until: Option<MonoTime>,
    /// To stay out, and whether even without a successor.
    pub(super) drained: Option<bool>,
    /// To leave.
    pub(super) left: bool,
    /// Kept out by another member of the group.
    pub(super) held_out: bool,
    /// Whether it ever took part.
    took_part: bool,
    /// Since when it has been in a group, if it has not always been.
    pub(super) grouped_at: MonoTime,
    pub(super) tracked: Option<Priority>,
    pub(super) taken: Option<Priority>,
    /// As owner, below another owner who does not give up.
    humbled: bool,
}

/// How the addresses are given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Giving {
    /// They are removed at once.
    AtOnce,
    /// They are kept for a successor.
    Softly,
}

impl Standing {
    pub(super) const fn new() -> Self {
        Self {
            obstacle: Some(Fault::Starting),
            out_until: None,
            drained: None,
            left: false,
            held_out: false,
            took_part: false,
            grouped_at: MonoTime::ZERO,
            tracked: None,
            taken: None,
            humbled: false,
        }
    }

    pub(super) fn humble(&mut self) {
        self.humbled = true;
    }

    pub(super) fn recover(&mut self) {
        self.humbled = false;
    }

    pub(super) fn is_humble(&self) -> bool {
        self.humbled
    }

    /// Whether a leave is taken back where nobody follows.
    pub(super) fn returns(&self) -> bool {
        self.drained == Some(false) && !self.left
    }

    /// What is configured, with what counts instead.
    fn count(&self, configured: Params) -> Params {
        let mut counted = configured;
        if configured.is_owner() {
            if self.humbled {
                (counted.priority, counted.preempt) = (below_owner(Priority::OWNER), true);
            }
        } else if let Some(taken) = self.taken {
            counted.priority = below_owner(taken);
            counted.preempt = true;
            counted.preempt_delay = core::time::Duration::ZERO;
        } else if let Some(tracked) = self.tracked {
            counted.priority = below_owner(tracked);
        }
        counted
    }
}

/// The nearest priority that is neither the owner's nor that of a leave.
fn below_owner(priority: Priority) -> Priority {
    Priority::from_wire(priority.get().clamp(1, Priority::OWNER.get() - 1))
}

impl VirtualRouter {
    /// How this member of a [sync group](super::group) stands.
    #[must_use]
    pub fn stance(&self) -> Stance {
        let part = match &self.state {
            _ if self.standing.left => Part::Left,
            // What is wrong with it counts for the others even where it is drained.
            State::Initialize(_) => {
                let own = self.hindrance(self.clock);
                match own.or_else(|| self.impediment(self.clock)) {
                    Some(out) if out.fault == Fault::Starting && !self.standing.took_part => {
                        Part::New
                    }
                    Some(out) => Part::Unable(out.fault),
                    None => Part::Ready {
                        held: self.standing.held_out,
                    },
                }
            }
            State::Backup(backup) if backup.is_wanting() => Part::Wanting,
            State::Backup(backup) if backup.fell => Part::FellBack,
            State::Backup(backup) => match backup.follows() {
                None => Part::Backup,
                Some((heard, interval)) => {
                    let since = backup.since.max(self.standing.grouped_at);
                    let patience = self.params.active_down_interval(interval);
                    let settled = heard.stamp > since + patience;
                    Part::Follows { settled }
                }
            },
            State::Active(_) => Part::Active,
        };
        let holding = match &self.letting_go {
            None => Holding::Nothing,
            Some(going) if going.abandoned => Holding::Abandoned,
            Some(going) if going.ready => Holding::Claimed,
            Some(_) => Holding::Waiting,
        };
        let active = self.active();
        Stance {
            part,
            holding,
            active: active.map(|active| (active.priority, active.address)),
        }
    }

    /// What of our own is in the way, what was ordered first: it holds whatever else
    /// comes and goes.
    fn impediment(&self, now: MonoTime) -> Option<Initialize> {
        let standing = &self.standing;
        let startup = self.params.startup_until;
        let out = |fault, retry| Some(Initialize { fault, retry });
        if standing.left {
            out(Fault::ShutDown, None)
        } else if standing.drained.is_some() {
            out(Fault::Drained, None)
        } else if let Some(hindrance) = self.hindrance(now) {
            Some(hindrance)
        } else if now < startup && matches!(self.state, State::Initialize(_)) {
            out(Fault::StartupDelay, Some(startup))
        } else {
            None
        }
    }

    /// What is wrong, whatever was ordered.
    fn hindrance(&self, now: MonoTime) -> Option<Initialize> {
        let standing = &self.standing;
        if let Some(fault) = standing.obstacle {
            return Some(Initialize { fault, retry: None });
        }
        let retry = standing.out_until.filter(|retry| now < *retry)?;
        Some(Initialize {
            fault: Fault::AddressesNotInstalled,
            retry: Some(retry),
        })
    }

    /// Takes part or takes none, as is right now.
    pub(super) fn settle(&mut self, now: MonoTime, giving: Giving) {
        let group = Initialize {
            fault: Fault::Group,
            retry: None,
        };
        let out = self
            .impediment(now)
            .or(self.standing.held_out.then_some(group));
        match (out, &mut self.state) {
            (Some(out), _) => self.leave(now, out, giving),
            // The group says when.
            (None, State::Initialize(initialize)) if self.params.grouped => initialize.retry = None,
            (None, State::Initialize(_)) => self.take_part(now),
            (None, State::Backup(_) | State::Active(_)) => {}
        }
    }

    /// The Startup event (RFC 9568 section 6.4.1).
    fn take_part(&mut self, now: MonoTime) {
        let State::Initialize(Initialize { fault, .. }) = self.state else {
            return;
        };
        self.standing.out_until = None;
        self.standing.took_part = true;
        let unfollowed = self
            .letting_go
            .as_ref()
            .is_some_and(|going| going.successor.is_none());
        let why = if fault == Fault::Starting {
            Why::Started
        } else {
            Why::Recovered { fault }
        };
        let at_once = if self.params.is_owner() {
            Some(Why::AddressOwner)
        } else {
            unfollowed.then_some(why)
        };
        match at_once {
            Some(why) if !self.params.grouped => self.become_active(now, why),
            summoned => {
                let mut backup = Backup::entered(now, &self.counted);
                backup.summoned = summoned;
                self.enter(State::Backup(backup), why);
            }
        }
    }

    /// To Initialize, from wherever we are, or to another reason there.
    fn leave(&mut self, now: MonoTime, out: Initialize, giving: Giving) {
        if matches!(&self.state, State::Initialize(same) if *same == out) {
            return;
        }
        if matches!(self.state, State::Active(_)) {
            let priority = Priority::RESIGN;
            self.actions.push(Action::SendAdvert { priority });
            match giving {
                Giving::AtOnce => self.remove_addresses(self.generation),
                Giving::Softly => self.keep_for(now, None),
            }
        }
        let why = match (out.fault, out.retry) {
            (Fault::AddressesNotInstalled, Some(retry)) => Why::AddressesFailed { retry },
            (Fault::Drained, _) => Why::Drained,
            (Fault::ShutDown, _) => Why::ShutDown,
            (fault, _) => Why::Fault(fault),
        };
        self.enter(State::Initialize(out), why);
    }

    /// The Active_Down_Timer ended, and we believe it.
    pub(super) fn take_over(&mut self, now: MonoTime) {
        let State::Backup(backup) = &self.state else {
            return;
        };
        let deadline = backup.deadline;
        let why = match (backup.summoned, backup.discarded, backup.accepted) {
            (Some(why), ..) => why,
            (None, Some(lower), _) => Why::Preempting {
                source: lower.source,
                priority: lower.priority,
                deadline,
            },
            (None, None, Some(last)) if last.priority.is_resign() => Why::ActiveResigned {
                source: last.source,
                stamp: last.stamp,
                deadline,
            },
            (None, None, last) => Why::ActiveDownTimerExpired {
                last_advert: last.map(|heard| heard.stamp),
                deadline,
                proven: backup.proven_late(),
            },
        };
        self.become_active(now, why);
    }

    pub(super) fn drained(&mut self, now: MonoTime, force: bool) {
        let force = force || self.standing.drained == Some(true);
        self.standing.drained = Some(force);
        if force {
            self.return_no_more(now);
        }
        // What is wrong with the others is asked again when the drain ends.
        self.standing.held_out = false;
        self.settle(now, Giving::Softly);
    }

    /// What is kept goes in its time even if nobody comes.
    pub(super) fn return_no_more(&mut self, now: MonoTime) {
        if let Some(going) = &mut self.letting_go {
            going.returns = false;
            if going.abandoned {
                self.drop_now(now);
            }
        }
    }

    /// Drained, and nobody came.
    pub(super) fn come_back(&mut self, now: MonoTime) {
        self.standing.drained = None;
        if self.impediment(now).is_none() && !self.standing.held_out {
            self.become_active(now, Why::NoSuccessor);
        } else {
            self.drop_now(now);
            self.settle(now, Giving::AtOnce);
        }
    }

    pub(super) fn taken(&mut self, now: MonoTime, priority: Priority) {
        self.standing.taken = Some(priority);
        self.recount();
        if !matches!(self.state, State::Backup(_)) {
            return;
        }
        let ours = (self.counted.priority, self.primary);
        if let Some(active) = self.active()
            && (active.priority, active.address) >= ours
        {
            let (source, priority) = (active.address, active.priority);
            return self.report(Report::TakeOutranked { source, priority });
        }
        if let (State::Backup(backup), true) = (&mut self.state, self.params.grouped) {
            backup.summoned = Some(Why::Taken);
        } else {
            self.become_active(now, Why::Taken);
        }
    }

    pub(super) fn untaken(&mut self) {
        self.standing.taken = None;
        self.recount();
        if let State::Backup(backup) = &mut self.state {
            backup.summoned = backup.summoned.filter(|why| *why != Why::Taken);
        }
    }

    /// What counts may have changed.
    pub(super) fn recount(&mut self) {
        self.counted = self.standing.count(self.params);
        if let State::Backup(backup) = &mut self.state {
            backup.recount(&self.counted);
        }
    }

    pub(super) fn ordered(&mut self, now: MonoTime, order: Order) {
        match order {
            // One with a reason of its own keeps that one.
            Order::StayOut => {
                if self.impediment(now).is_none() {
                    self.standing.held_out = true;
                    self.drop_now(now);
                    self.settle(now, Giving::AtOnce);
                }
            }
            Order::Join => {
                self.standing.held_out = false;
                if self.impediment(now).is_none() {
                    self.take_part(now);
                }
            }
            Order::FallBack => {
                if matches!(self.state, State::Active(_)) {
                    let priority = Priority::RESIGN;
                    self.actions.push(Action::SendAdvert { priority });
                    self.keep_for(now, None);
                    let mut backup = Backup::entered(now, &self.counted);
                    backup.fell = true;
                    self.enter(State::Backup(backup), Why::GroupFellBack);
                }
            }
            Order::TakeOver => {
                if matches!(&self.state, State::Backup(backup) if backup.is_wanting()) {
                    self.take_over(now);
                }
            }
            Order::LetGo => {
                let going = self.letting_go.as_ref();
                if going.is_some_and(|going| going.ready || going.abandoned) {
                    self.drop_now(now);
                }
            }
            Order::Return => {
                if self.standing.returns() {
                    self.come_back(now);
                } else if self
                    .letting_go
                    .as_ref()
                    .is_some_and(|going| going.abandoned)
                {
                    self.drop_now(now);
                }
            }
        }
    }
}
