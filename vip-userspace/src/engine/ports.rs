//! The interfaces as the engine sees them come, change and go, and what that means
//! for the routers that need them.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use nix::sys::epoll::{EpollEvent, EpollFlags};
use vip_common::election::{Fault, Input, State};
use vip_common::time::MonoTime;

use super::{
    ATTACH_RETRY, AttachedPort, Engine, Hindrance, LinkFacts, OwnedEar, Port, Report, Request, rt,
};
use crate::dataplane::Ear;
use crate::kernel::hands::{Attached, Spent};
use crate::plan::Plan;

impl Engine {
    pub(super) fn link_changed(&mut self, index: usize, link: Option<LinkFacts>) {
        // The link reader may know of a plan before we do.
        let Some(port) = self.ports.get_mut(index) else {
            return;
        };
        let before = std::mem::replace(&mut port.link, link);
        // One that is only tracked need not be attached.
        port.looked_at |= link.is_none() || !self.plan.ports[index].is_needed();
        let gone = port
            .attached
            .as_ref()
            .map(|attached| attached.facts.ifindex);
        if let Some(gone) = gone.filter(|gone| link.is_none_or(|link| link.ifindex != *gone)) {
            // A renamed interface still carries the farewell.
            self.settle(index);
            self.detach(index);
            self.ask(Request::Detach {
                port: index,
                ifindex: gone,
            });
        }
        if let Some(link) = link
            && self.plan.ports[index].is_needed()
        {
            let port = &self.ports[index];
            let same = port
                .attached
                .as_ref()
                .is_some_and(|attached| same_face(attached.facts, link));
            if !same && port.asked.is_none_or(|asked| !same_face(asked, link)) {
                self.attach(index);
            }
            let came_back = link.running && before.is_some_and(|before| !before.running);
            if came_back && same {
                self.ask(Request::Rejoin { port: index });
            }
            let is_made = self.plan.ports[index].vmac.is_some();
            let went_down = !link.running && before.is_some_and(|before| before.running);
            if went_down && same && is_made {
                // The hands set it up again, or say that it is not ours to set up.
                self.attach(index);
            }
            self.put_mac_back(index, before, link);
        }
        self.settle(index);
    }

    /// Somebody has given an interface with a virtual MAC another one; the hands, who
    /// are asked to attach it anew, give it its own again.
    fn put_mac_back(&mut self, index: usize, before: Option<LinkFacts>, link: LinkFacts) {
        let plan = Arc::clone(&self.plan);
        let Some(made) = &plan.ports[index].vmac else {
            return;
        };
        let Some(before) = before.filter(|before| before.mac != link.mac) else {
            return;
        };
        for slot in plan.ports[index].needed_by.iter().copied() {
            if before.mac == made.vmac.mac {
                self.touch(slot);
                self.routers[slot].seen.put_back += 1;
                self.report(Report::MacPutBack { slot });
            } else if link.mac == made.vmac.mac && self.routers[slot].seen.installed {
                // Neighbours may have learned the other one.
                self.announce(slot, plan.routers[slot].params.garp.repeat);
            }
        }
    }

    pub(super) fn attach(&mut self, index: usize) {
        self.retry(index, None);
        let port = &mut self.ports[index];
        let Some(link) = port.link else { return };
        port.asked = Some(link);
        self.ask(Request::Attach {
            port: index,
            ifindex: link.ifindex,
        });
    }

    /// When to try to attach it again, or not.
    pub(super) fn retry(&mut self, index: usize, at: Option<MonoTime>) {
        self.ports[index].retry_at = at;
        self.retries.set(index, at);
    }

    /// Forgets how a port heard and spoke.
    pub(super) fn detach(&mut self, index: usize) {
        let port = &mut self.ports[index];
        let sender = port.attached.take().map(|attached| attached.sender);
        self.spent.extend(sender.map(Spent::Sender));
        port.proving = false;
        port.deaf = false;
        port.face = port.face.wrapping_add(1);
        self.take_ears_out(index);
    }

    pub(super) fn listen(&mut self, port: Option<usize>, ear: Box<dyn Ear>) -> io::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, 0);
        match self.epoll.add(ear.as_fd(), event) {
            Ok(()) => {
                self.ears.push(OwnedEar { port, ear });
                Ok(())
            }
            Err(error) => {
                self.spent.push(Spent::Ear(ear));
                Err(error.into())
            }
        }
    }

    /// Listens no more by a port's own ears.
    pub(super) fn take_ears_out(&mut self, index: usize) {
        let own = |owned: &mut OwnedEar| owned.port == Some(index);
        for owned in self.ears.extract_if(.., own) {
            // It stays open for a while, and is not to wake anybody.
            let _ = self.epoll.delete(owned.ear.as_fd());
            self.spent.push(Spent::Ear(owned.ear));
        }
    }

    pub(super) fn attached(&mut self, attached: Attached) {
        let Attached {
            port: index,
            ifindex,
            mac,
            own,
            others,
            sender,
            ear,
        } = attached;
        let port = &mut self.ports[index];
        let is_new = port.attached.is_none();
        port.looked_at = true;
        port.unmade = false;
        port.asked = None;
        port.deaf = false;
        let Some(link) = port.link.filter(|link| link.ifindex == ifindex) else {
            self.spent.extend(sender.map(Spent::Sender));
            self.spent.extend(ear.map(Spent::Ear));
            self.ask(Request::Detach {
                port: index,
                ifindex,
            });
            return;
        };
        let (sender, old) = match (sender, port.attached.take()) {
            (None, Some(before)) if before.facts.ifindex == ifindex => (Some(before.sender), None),
            (sender, before) => (sender, before.map(|before| before.sender)),
        };
        self.spent.extend(old.map(Spent::Sender));
        let Some(sender) = sender else {
            // We have let go of it in between: from the start, then.
            self.retry(index, Some(rt::now() + ATTACH_RETRY));
            self.spent.extend(ear.map(Spent::Ear));
            self.ask(Request::Detach {
                port: index,
                ifindex,
            });
            return;
        };
        port.attached = Some(AttachedPort {
            facts: LinkFacts {
                ifindex,
                mac,
                own,
                others,
                ..link
            },
            sender,
            mute: false,
        });
        port.face = port.face.wrapping_add(1);
        match ear {
            Some(ear) => self.hear_by(index, ear),
            None => self.note_again(index),
        }
        // The link may have changed while the hands were at it.
        if self.ports[index]
            .attached
            .as_ref()
            .is_some_and(|attached| !same_face(attached.facts, link))
        {
            self.attach(index);
        }
        self.settle(index);
        // Who is Active could not have its addresses here before.
        let plan = Arc::clone(&self.plan);
        for slot in plan.ports[index].needed_by.iter().filter(|_| is_new) {
            let router = &plan.routers[*slot];
            if router.all_addresses().any(|one| one.port == index) {
                self.install_again(*slot, router.params.garp.repeat);
            }
        }
    }

    /// Listens by an ear of the port's own, in place of the one it had.
    pub(super) fn hear_by(&mut self, index: usize, ear: Box<dyn Ear>) {
        self.take_ears_out(index);
        if self.ports[index].attached.is_none() {
            // Its interface has gone in between.
            return self.spent.push(Spent::Ear(ear));
        }
        if self.listen(Some(index), ear).is_err() {
            self.detach(index);
            self.retry(index, Some(rt::now() + ATTACH_RETRY));
        }
        self.note_again(index);
    }

    /// Says of each address that is heard of on a port what is to be made of it: an
    /// ear that has just come knows nothing.
    fn note_again(&mut self, index: usize) {
        let plan = Arc::clone(&self.plan);
        for (slot, router) in plan.routers.iter().enumerate() {
            if router.all_addresses().any(|one| one.heard == index) {
                self.routers[slot].noted = None;
                self.tell_active(slot);
            }
        }
    }

    /// Tells the routers that need a port whether they can take part.
    pub(super) fn settle(&mut self, index: usize) {
        let plan = Arc::clone(&self.plan);
        let port = &plan.ports[index];
        for slot in port.needed_by.iter().chain(&port.tracked_by) {
            self.settle_router(&plan, *slot);
        }
    }

    pub(super) fn settle_router(&mut self, plan: &Plan, slot: usize) {
        let able = self.able(slot);
        self.settle_priority(slot);
        let face = self.face(slot);
        let (router, ports) = (&mut self.routers[slot], &self.ports);
        if router.told == able && router.built_for == face {
            return;
        }
        let facts_of = |port: usize| {
            let attached = ports.get(port)?.attached.as_ref()?;
            let made = plan.ports.get(port)?.vmac.as_ref();
            // Who speaks by a virtual MAC does so also while the hands are giving it
            // to its interface.
            let mac = made.map_or(attached.facts.mac, |made| made.vmac.mac);
            Some(LinkFacts {
                mac,
                ..attached.facts
            })
        };
        let is_virtual = |port: usize| plan.ports.get(port).is_some_and(|one| one.vmac.is_some());
        let before = (router.built_for.is_some(), router.mac);
        let able = able.and_then(|primary| {
            if router.built_for != face {
                let built = router.build(&plan.routers[slot], primary, facts_of, is_virtual);
                router.built_for = face;
                built.map_err(|_| Fault::Unusable)?;
            }
            Ok(primary)
        });
        let moved = before.0 && before.1 != router.mac;
        router.told = able;
        match able {
            Ok(primary) => {
                self.input(slot, Input::BecameAble { primary });
                self.routers[slot].hindered_by = None;
            }
            Err(Hindrance { fault, about }) => {
                router.hindered_by = about;
                self.input(slot, Input::BecameUnable { fault });
            }
        }
        if moved && self.routers[slot].seen.installed {
            self.announce(slot, plan.routers[slot].params.garp.repeat);
        }
    }

    /// Has a router begin anew.
    pub(super) fn restart(&mut self, slot: usize) {
        let fault = Fault::Starting;
        if self.plan.routers.get(slot).is_none_or(|one| one.vacant) {
            return;
        }
        self.routers[slot].told = Err(fault.into());
        self.input(slot, Input::BecameUnable { fault });
        self.settle_router(&Arc::clone(&self.plan), slot);
    }

    /// What its frames depend on of its interfaces; `None` while one of them is not
    /// attached.
    pub(super) fn face(&self, slot: usize) -> Option<u64> {
        let mut face = u64::from(self.epoch);
        for port in self.plan.routers[slot].ports() {
            face = face.wrapping_mul(0x0100_0000_01b3) ^ u64::from(self.ports[port].face);
        }
        // Without these two there is nothing to build for.
        let plan = &self.plan.routers[slot];
        let there = |port: usize| self.ports[port].attached.is_some();
        (there(plan.port) && there(plan.home)).then_some(face)
    }

    /// The address to take part with, or what is in the way.
    pub(super) fn able(&self, slot: usize) -> Result<IpAddr, Hindrance> {
        let plan = &self.plan.routers[slot];
        if plan.unusable.is_some() {
            return Err(Fault::Unusable.into());
        }
        let port = &self.ports[plan.port];
        let here = |fault| Hindrance::at(plan.port, fault);
        let absent = |port: &Port| {
            if port.looked_at {
                Fault::NoInterface
            } else {
                Fault::Starting
            }
        };
        let link = port.link.ok_or_else(|| here(absent(port)))?;
        if !link.running && !plan.dont_track_primary {
            return Err(here(Fault::LinkDown));
        }
        let own = link.own.of(plan.family);
        let primary = plan.source.or(own).ok_or(here(Fault::NoAddress))?;
        let router = &self.routers[slot];
        if router.lacks_source {
            return Err(here(Fault::NoAddress));
        }
        // A silence that we cannot vouch for is no ground for a takeover. Who is
        // Active goes on while the next rung is tried.
        let state = self.routers[slot].election.state();
        let is_active = matches!(state, State::Active(_));
        let takes_part = !matches!(state, State::Initialize(_));
        if port.deaf && !is_active {
            return Err(here(Fault::EarDeaf));
        }
        for index in plan.ports() {
            let port = &self.ports[index];
            // Who has the addresses goes on with them while a reload's new
            // interface, for another one, is being looked at.
            let can_wait = takes_part && index != plan.port && index != plan.home;
            if can_wait && port.attached.is_none() && !port.looked_at {
                continue;
            }
            let is_made = self.plan.ports[index].vmac.is_some();
            let missing = if is_made && !port.unmade {
                Fault::Starting
            } else {
                absent(port)
            };
            let there = |fault| Hindrance::at(index, fault);
            let link = port.link.ok_or(there(missing))?;
            match &port.attached {
                // Another MAC or address of the same interface is no reason to
                // leave: the NIC is being told, and frames are built anew then.
                Some(attached) if attached.facts.ifindex == link.ifindex => {}
                _ if port.unmade && !link.running => return Err(there(Fault::LinkDown)),
                _ if port.retry_at.is_some() => return Err(there(Fault::EarDeaf)),
                _ => return Err(there(Fault::Starting)),
            }
        }
        self.tracked_priority(slot)?;
        // From an address that is not there nothing is sent to a peer.
        if plan.unicast.is_some() && router.to_peers.is_none() {
            return Err(here(Fault::NoAddress));
        }
        Ok(primary)
    }
}

/// Whether frames built and entries made for one are right for the other.
fn same_face(one: LinkFacts, other: LinkFacts) -> bool {
    let face = |facts: LinkFacts| (facts.ifindex, facts.mac, facts.own, facts.others);
    face(one) == face(other)
}
