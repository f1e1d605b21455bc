//! From what the election wants to the wire and to the hands: the only place
//! where effects begin.

use vip_common::election::{self, Action};
use vip_common::time::MonoTime;

use super::{Engine, Hold, Input, Report, Request, tracepoints};

impl Engine {
    /// Does what the election wants, in its order. This is the only place
    /// where effects begin.
    pub(super) fn perform(&mut self, slot: usize, now: MonoTime) {
        self.touch(slot);
        self.routers[slot].lending.turn();
        while let Some(action) = self.routers[slot].election.poll_action() {
            // An advert silences the others: nothing that is done overtakes one, but for
            // a request that takes the hands longer than the advert.
            if !matches!(
                action,
                Action::SendAdvert { .. } | Action::InstallAddresses { .. } | Action::Report(_)
            ) {
                self.send_waiting();
            }
            self.note_wanted(slot, now, action);
            match action {
                Action::SendAdvert { priority } => self.send_advert(slot, priority),
                Action::Announce { rounds } => self.announce(slot, rounds),
                Action::InstallAddresses { generation } => self.install(slot, generation),
                Action::RemoveAddresses { generation } => self.remove(slot, generation),
                // The ears are told with the next look at the routers.
                Action::Withhold { on } => self.routers[slot].withheld = on,
                Action::ProveEar => {
                    if let Some(meter) = self.published.meter(slot) {
                        meter.miss();
                    }
                    self.prove(slot);
                }
                Action::Report(report) => {
                    if let election::Report::Transition { from, to, why } = report {
                        tracepoints::state_changed(slot, from, to);
                        self.note_change(slot, now, to, why);
                    }
                    if matches!(report, election::Report::LowerPriorityHeard { .. }) {
                        self.contested(slot, now);
                    }
                    let about = self.routers[slot].hindered_by;
                    self.report(Report::Election {
                        slot,
                        at: now,
                        about,
                        report,
                    });
                }
            }
        }
        if !self.outbox.open {
            self.send_waiting();
        }
    }

    fn install(&mut self, slot: usize, generation: u32) {
        self.routers[slot].holds = true;
        self.routers[slot].owed.early = 0;
        // This is the way to the first announcement: the hands begin while the advert is on
        // its way, which the kernel may follow through a whole bridge before it returns.
        let asked = self.ask(Request::Install { slot, generation });
        self.send_waiting();
        self.linger = self.vigil.linger(super::rt::now());
        self.report_hold(slot, Hold::Asked);
        if !asked {
            self.input(slot, Input::AddressesFailed { generation });
        }
    }

    /// Whoever manages this host's network has removed an address that the
    /// neighbours still send to.
    pub(super) fn put_back(&mut self, slot: usize) {
        if self.install_again(slot, 1) {
            self.touch(slot);
            self.routers[slot].seen.put_back += 1;
            self.report(Report::PutBack { slot });
        }
    }

    /// Asks for the addresses of a router that has them, for those that are
    /// missing; `false` if it has none, or has just asked, or gives them up.
    pub(super) fn install_again(&mut self, slot: usize, rounds: u8) -> bool {
        if !self.is_active(slot) {
            return false;
        }
        let router = &mut self.routers[slot];
        let generation = router.election.generation();
        if !router.seen.installed || !router.holds || router.owed_rounds >= rounds.max(1) {
            return false;
        }
        router.owed_rounds = rounds.max(1);
        router.owed.early = 0;
        self.ask(Request::Install { slot, generation })
    }

    fn remove(&mut self, slot: usize, generation: u32) {
        let router = &mut self.routers[slot];
        router.seen.installed = false;
        router.owed_rounds = 0;
        if std::mem::take(&mut router.holds) {
            self.ask(Request::Remove { slot, generation });
            self.report_hold(slot, Hold::Leaving);
        }
    }

    pub(super) fn report_hold(&mut self, slot: usize, hold: Hold) {
        self.report(Report::Holds { slot, hold });
    }

    /// Silence has begun: is it the link's, or our own ear's? And does
    /// somebody who sends no adverts answer for our addresses?
    fn prove(&mut self, slot: usize) {
        let index = self.plan.routers[slot].port;
        let port = &mut self.ports[index];
        let Some(attached) = &port.attached else {
            return;
        };
        let ifindex = attached.facts.ifindex;
        let router = &mut self.routers[slot];
        if !std::mem::replace(&mut router.asked, true) && router.followed().is_none() {
            for frame in router.questions() {
                let _ = attached.sender.send(frame.as_bytes());
            }
        }
        if !std::mem::replace(&mut port.proving, true) {
            self.ask(Request::Prove {
                port: index,
                ifindex,
            });
        }
    }
}
