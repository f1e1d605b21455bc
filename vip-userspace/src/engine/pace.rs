//! Gratuitous ARP and neighbour advertisements at the pace that the
//! configuration allows: at once, or spaced out on interfaces that ask for it
//! (`vrrp_garp_interval`, `garp_group`); and now and again on interfaces that
//! carry addresses of a router and none of its adverts (`garp_extra_if`).

use std::net::IpAddr;

use vip_common::election::State;
use vip_common::time::MonoTime;

use super::{Engine, Report, tracepoints};
use crate::kernel::sender::AT_ONCE;

/// When a group of interfaces may take the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    garp_from: MonoTime,
    gna_from: MonoTime,
}

/// What a router still has to announce.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Owed {
    /// The place of the next frame in its announcements.
    pub(super) next: usize,
    /// How many are left.
    pub(super) left: usize,
    /// How many addresses were to be announced before all of them were there.
    pub(super) early: usize,
}

impl Engine {
    /// Announces all addresses of a router, so many times over.
    pub(super) fn announce(&mut self, slot: usize, rounds: u8) {
        if !self.is_active(slot) {
            return;
        }
        let router = &mut self.routers[slot];
        let all = router.announcements().len();
        let left = all * usize::from(rounds);
        // A burst takes in what was left of the one before, and what it began with.
        let before = router.owed.left;
        let sent = router.owed.early.saturating_sub(before).min(left);
        router.owed = Owed {
            next: sent,
            left: (left - sent).max(before),
            early: 0,
        };
        let now = super::rt::now();
        self.announce_owed(slot, now);
        self.report(Report::Announced { slot, rounds });
    }

    /// Announces the first `there` addresses of a router, which gets the others now: the
    /// beginning of the first round.
    pub(super) fn announce_first(&mut self, slot: usize, there: usize) {
        let owed = &mut self.routers[slot].owed;
        let fresh = there.saturating_sub(owed.early);
        // What is left of a burst before is more than these.
        if owed.left > owed.early || fresh == 0 {
            return;
        }
        if owed.early == 0 {
            owed.next = 0;
        }
        owed.left += fresh;
        owed.early = there;
        let now = super::rt::now();
        self.announce_owed(slot, now);
    }

    /// Sends what may be sent now of what a router owes.
    pub(super) fn announce_owed(&mut self, slot: usize, now: MonoTime) {
        // Whoever has left the role would take the neighbours away from who has it.
        if !self.is_active(slot) {
            self.routers[slot].owed.left = 0;
            return;
        }
        self.touch(slot);
        let before = self.routers[slot].seen.announced;
        while let Some((port, due)) = self.next_announcement(slot)
            && due <= now
        {
            let paced = self.pace_of(port).is_some();
            let router = &self.routers[slot];
            let address = router.announced_address();
            let mut frames: [&[u8]; AT_ONCE] = [&[]; AT_ONCE];
            let room = if paced { 1 } else { AT_ONCE }.min(router.owed.left);
            let from_here = router.announcements().iter().cycle().skip(router.owed.next);
            let by_port = from_here.take(room).take_while(|(by, _)| *by == port);
            let mut count = 0;
            for (place, (_, frame)) in frames.iter_mut().zip(by_port) {
                *place = frame.as_bytes();
                count += 1;
            }
            // One that is lost is repeated: that is what the rounds are for.
            let sent = self.ports[port].attached.as_ref().map_or(count, |port| {
                let sent = port.sender.send_some(&frames[..count]);
                sent.unwrap_or(1).clamp(1, count.max(1))
            });
            if count == 0 {
                break;
            }
            tracepoints::arp_sent(slot, sent);
            let router = &mut self.routers[slot];
            let all = router.announcements().len();
            router.owed.next = (router.owed.next + sent) % all;
            router.owed.left -= sent;
            router.seen.announced += sent as u64;
            self.take_pace(port, address, now);
        }
        let sent = self.routers[slot].seen.announced - before;
        self.note_announced(slot, sent);
    }

    /// Whether a router has the role: who keeps addresses for a successor has not.
    pub(super) fn is_active(&self, slot: usize) -> bool {
        matches!(self.routers[slot].election.state(), State::Active(_))
    }

    /// The next thing to announce of a router: by which port, and when.
    pub(super) fn next_announcement(&self, slot: usize) -> Option<(usize, MonoTime)> {
        let router = &self.routers[slot];
        if router.owed.left == 0 {
            return None;
        }
        let (port, _) = router.announcements().get(router.owed.next)?;
        let due = self.pace_of(*port).map_or(MonoTime::ZERO, |pace| {
            let pace = self.paces[pace];
            match router.announced_address() {
                Some(IpAddr::V6(_)) => pace.gna_from,
                _ => pace.garp_from,
            }
        });
        Some((*port, due))
    }

    fn pace_of(&self, port: usize) -> Option<usize> {
        let planned = &self.plan.ports[port];
        let heard = planned.vmac.as_ref().map_or(port, |made| made.base);
        let pace = self.plan.ports[heard].pace?;
        (pace < self.paces.len()).then_some(pace)
    }

    fn take_pace(&mut self, port: usize, address: Option<IpAddr>, now: MonoTime) {
        let Some(pace) = self.pace_of(port) else {
            return;
        };
        let planned = &self.plan.paces[pace];
        match address {
            Some(IpAddr::V6(_)) => self.paces[pace].gna_from = now + planned.gna,
            _ => self.paces[pace].garp_from = now + planned.garp,
        }
    }

    /// Does what is due of it.
    pub(super) fn announce_due(&mut self, slot: usize, now: MonoTime) {
        self.announce_owed(slot, now);
        if self.routers[slot].extra_due.is_some_and(|due| due <= now) {
            self.announce_elsewhere(slot);
            self.routers[slot].extra_due = None;
        }
    }

    /// Sees to it that a router that is Active announces on its other interfaces.
    pub(super) fn plan_extra(&mut self, slot: usize) {
        let Some(extra) = self.plan.routers[slot].extra_garp else {
            return;
        };
        let is_active = self.is_active(slot);
        let router = &mut self.routers[slot];
        router.extra_due = match (is_active, router.extra_due) {
            (true, None) => Some(super::rt::now() + extra.every),
            (true, due) => due,
            (false, _) => None,
        };
    }

    /// Once on each interface that carries addresses and no adverts.
    fn announce_elsewhere(&mut self, slot: usize) {
        let plan = &self.plan.routers[slot];
        let all = plan.extra_garp.is_some_and(|extra| extra.all);
        let router = &mut self.routers[slot];
        let mut sent = 0;
        for (port, frame) in router.announcements() {
            let has_vmac = self.plan.ports[*port].vmac.is_some();
            let speaks = *port == plan.port || *port == plan.home;
            if speaks || !(all || has_vmac) {
                continue;
            }
            if let Some(port) = &self.ports[*port].attached {
                let _ = port.sender.send(frame.as_bytes());
                sent += 1;
            }
        }
        router.seen.announced += sent;
    }
}
