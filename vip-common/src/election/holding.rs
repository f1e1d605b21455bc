//! Taking the addresses, keeping them for a successor, and letting go of them.

use core::time::Duration;

use super::action::{Action, Report, Why};
use super::active::{Active, Addresses, Announced};
use super::letting_go::LettingGo;
use super::router::VirtualRouter;
use super::standing::Giving;
use super::state::{Heard, State};
use crate::time::MonoTime;

/// After a failed installation we stay out for this long, and twice as long
/// after each further one in a row: a router that cannot hold the address
/// should not take it from one that can every few seconds.
const FIRST_RETRY: Duration = Duration::from_secs(10);

/// The longest wait is [`FIRST_RETRY`] doubled this often, 320 s.
const RETRY_DOUBLINGS: u32 = 5;

impl VirtualRouter {
    pub(super) fn become_active(&mut self, now: MonoTime, why: Why) {
        if self.standing.is_humble() {
            self.standing.recover();
            self.recount();
        }
        self.advertise();
        self.withhold(false);
        // What we still keep is the installation that it was.
        let addresses = if self.letting_go.take().is_some() {
            self.announce(self.params.garp.repeat);
            Addresses::Installed(Announced::begun(now, &self.params.garp))
        } else {
            self.generation = self.generation.wrapping_add(1);
            let generation = self.generation;
            self.actions.push(Action::InstallAddresses { generation });
            Addresses::Installing
        };
        let active = Active::entered(now, addresses, &self.counted);
        self.enter(State::Active(active), why);
    }

    pub(super) fn installed(&mut self, now: MonoTime, generation: u32) {
        match &mut self.state {
            State::Active(active) => {
                // Of an earlier generation, the removal is on its way already.
                if generation == self.generation
                    && matches!(active.addresses, Addresses::Installing)
                {
                    let announced = Announced::begun(now, &self.params.garp);
                    active.addresses = Addresses::Installed(announced);
                    self.failed_installs = 0;
                    self.announce(self.params.garp.repeat);
                }
            }
            // Put back while we keep them: as it should be.
            State::Initialize(_) | State::Backup(_) if self.letting_go.is_some() => {}
            State::Initialize(_) | State::Backup(_) => self.remove_addresses(generation),
        }
    }

    /// An Active Router without its addresses would keep others from serving
    /// them.
    pub(super) fn install_failed(&mut self, now: MonoTime, generation: u32) {
        if generation != self.generation {
            return;
        }
        if !matches!(self.state, State::Active(_)) {
            return self.drop_now(now);
        }
        let wait = FIRST_RETRY * (1 << self.failed_installs.min(RETRY_DOUBLINGS));
        self.failed_installs = self.failed_installs.saturating_add(1);
        self.standing.out_until = Some(now + wait);
        self.settle(now, Giving::AtOnce);
    }

    /// Whether the addresses are, or may be, in the kernel because we want it.
    pub(super) fn holds(&self) -> bool {
        self.letting_go.is_some() || matches!(self.state, State::Active(_))
    }

    /// No longer Active: the addresses stay for whoever follows, if they ever
    /// served.
    pub(super) fn keep_for(&mut self, now: MonoTime, successor: Option<Heard>) {
        let State::Active(active) = &self.state else {
            return;
        };
        if matches!(active.addresses, Addresses::Installing) {
            return self.remove_addresses(self.generation);
        }
        let going = match successor {
            Some(to) => LettingGo::yielded(now, to, &self.params),
            None => LettingGo::left(now, &self.params, self.standing.returns()),
        };
        self.letting_go = Some(going);
        self.withhold(successor.is_some());
        self.weigh_claim();
    }

    /// Whether the last claim of our addresses is the successor's.
    pub(super) fn weigh_claim(&mut self) {
        if let (Some(going), Some(stamp)) = (&mut self.letting_go, self.last_claim) {
            going.note_claim(stamp);
        }
    }

    /// An advert, while we keep the addresses.
    pub(super) fn watch_successor(&mut self, heard: Heard) {
        let Some(going) = &mut self.letting_go else {
            return;
        };
        if heard.stamp < going.since {
            return;
        }
        let Heard {
            source, priority, ..
        } = heard;
        let known = going.successor;
        if priority.is_resign() {
            if known.is_some_and(|known| known.source == source) {
                going.forget_successor();
                self.withhold(false);
            }
            return;
        }
        // Of several the latest; what was claimed since the first one spoke
        // counts.
        let stamp = known.map_or(heard.stamp, |known| known.stamp);
        going.successor = Some(Heard { stamp, ..heard });
        going.abandoned = false;
        let news = !core::mem::replace(&mut going.reported, true);
        self.withhold(true);
        self.weigh_claim();
        if news {
            self.report(Report::SuccessorHeard { source, priority });
        }
    }

    /// What is due for the addresses that we keep.
    pub(super) fn let_go_in_time(&mut self, now: MonoTime) {
        let Some(going) = &mut self.letting_go else {
            return;
        };
        if now >= going.until {
            if !going.returns || going.successor.is_some() {
                if going.provoke.take().is_some() {
                    self.provoke();
                }
                self.drop_now(now);
            } else if going.waits {
                going.abandoned = true;
            } else {
                self.come_back(now);
            }
        } else if going.is_done(now) {
            if going.waits {
                going.ready = true;
            } else {
                self.drop_now(now);
            }
        } else if going.provoke.is_some_and(|at| now >= at) {
            going.provoke = None;
            self.provoke();
        }
    }

    /// An advert of ours makes a better successor answer, and announce the
    /// addresses.
    fn provoke(&mut self) {
        let ours = (self.counted.priority, self.primary);
        let going = self.letting_go.as_ref();
        if matches!(self.state, State::Backup(_))
            && let Some(heard) = going.and_then(|going| going.successor)
            && (heard.priority, heard.source) > ours
        {
            self.advertise();
        }
    }

    /// Whatever we keep goes now.
    pub(super) fn drop_now(&mut self, now: MonoTime) {
        let Some(going) = self.letting_go.take() else {
            return;
        };
        self.remove_addresses(self.generation);
        self.report(Report::LetGo {
            claimed: going.claimed.is_some(),
            held: now.since(going.since),
        });
    }

    pub(super) fn remove_addresses(&mut self, generation: u32) {
        self.actions.push(Action::RemoveAddresses { generation });
    }

    pub(super) fn withhold(&mut self, on: bool) {
        if core::mem::replace(&mut self.withheld, on) != on {
            self.actions.push(Action::Withhold { on });
        }
    }
}
