//! What routers have, and what is always there: put into the kernel and taken out
//! of it.

use std::sync::Arc;

use vip_common::ids::Family;

use super::{Hands, Note, Outcome};
use crate::config;
use crate::kernel::{AT_ONCE, Assignment, InstallError, Placed};

/// How many addresses are added first, so that neighbours hear of some soon: each takes
/// the kernel 15 us.
const FIRST: usize = 8;

/// What a router has, or the host.
#[derive(PartialEq, Default, Debug)]
pub(super) struct Estate {
    pub(super) addresses: Vec<Assignment>,
    pub(super) routes: Vec<config::Route>,
    pub(super) rules: Vec<config::Rule>,
}

impl Estate {
    pub(super) fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// Leaves out what another one has too.
    pub(super) fn leave(&mut self, other: &Self) {
        self.addresses.retain(|one| !other.addresses.contains(one));
        self.routes.retain(|one| !other.routes.contains(one));
        self.rules.retain(|one| !other.rules.contains(one));
    }
}

/// What the kernel would not do of what it was asked to place.
fn complaints(placed: Placed) -> impl Iterator<Item = String> {
    let failures = placed.failures.into_iter();
    let failures = failures.map(|failure| format!("cannot add {failure}"));
    failures.chain(placed.unlisted)
}

impl Hands {
    pub(super) fn install(&mut self, slot: usize, generation: u32) -> Option<Outcome> {
        let wanted = self.assignments(slot);
        let mut failures = Vec::new();
        let (first, others) = wanted.split_at(wanted.len().min(FIRST));
        let mut there = 0;
        for some in std::iter::once(first).chain(others.chunks(AT_ONCE)) {
            match self.kernel.install(some) {
                Ok(_) => {}
                Err(error) => failures.extend(error.failures),
            }
            there += some.len();
            if failures.is_empty() && there < wanted.len() {
                // Those that are there can be announced; where there is no room for
                // this they are with the others.
                let _ = self.outcomes.send(Outcome::Begun {
                    slot,
                    generation,
                    there,
                    of: wanted.len(),
                });
            }
        }
        self.installed[slot].addresses = wanted;
        if failures.is_empty() {
            // Whoever is to be told of the addresses need not wait for the rest.
            let done = Outcome::Installed { slot, generation };
            let wanted = self.outcomes.send_patiently(done);
            self.settle(slot);
            if wanted {
                self.place_company(slot);
            }
            return None;
        }
        let why = InstallError { failures }.to_string();
        (self.tell)(Note::Addresses { slot, why });
        self.settle(slot);
        Some(Outcome::NotInstalled { slot, generation })
    }

    fn settle(&mut self, slot: usize) {
        let why = self.kernel.settle();
        let was_unlisted = std::mem::replace(&mut self.unlisted, why.is_some());
        if let Some(why) = why.filter(|_| !was_unlisted) {
            (self.tell)(Note::Addresses { slot, why });
        }
    }

    /// Routes and rules that go with a router's addresses. The role does not hang
    /// on them, as in keepalived.
    pub(super) fn place_company(&mut self, slot: usize) {
        let router = &self.plan.routers[slot];
        let estate = &mut self.installed[slot];
        estate.routes.clone_from(&router.routes);
        estate.rules.clone_from(&router.rules);
        let mut placed = Vec::new();
        if !estate.routes.is_empty() {
            placed.push(self.kernel.install_routes(&estate.routes));
        }
        if !estate.rules.is_empty() {
            placed.push(self.kernel.install_rules(&estate.rules));
        }
        for placed in placed {
            for why in complaints(placed) {
                (self.tell)(Note::Addresses { slot, why });
            }
        }
    }

    /// The addresses of a router on the interfaces that there are.
    pub(super) fn assignments(&self, slot: usize) -> Vec<Assignment> {
        let ifindex_of = |port: usize| self.held[port].as_ref().map(|held| held.link.index);
        self.plan.routers[slot].assignments(ifindex_of)
    }

    pub(super) fn remove(&mut self, slot: usize) {
        let gone = std::mem::take(&mut self.installed[slot]);
        self.take_off(slot, gone);
    }

    /// Takes away what was a router's, but for what another one has by now.
    pub(super) fn take_off(&mut self, slot: usize, mut gone: Estate) {
        for kept in &self.installed {
            gone.leave(kept);
        }
        let mut failures = Vec::new();
        if !gone.rules.is_empty() {
            failures.extend(self.kernel.remove_rules(&gone.rules));
        }
        if !gone.routes.is_empty() {
            failures.extend(self.kernel.remove_routes(&gone.routes));
        }
        for failure in failures {
            let why = format!("cannot remove {failure}");
            (self.tell)(Note::Addresses { slot, why });
        }
        if gone.addresses.is_empty() {
            return;
        }
        let quiet = self.to_be_quiet(&gone);
        for (name, _) in &quiet {
            self.kernel.hush_vmac(name);
        }
        if let Err(error) = self.kernel.remove(&gone.addresses) {
            let why = error.to_string();
            (self.tell)(Note::Addresses { slot, why });
        }
        for (name, families) in &quiet {
            self.kernel.wake_vmac(name, families);
        }
    }

    /// The interfaces with a virtual MAC that lose their last addresses, IPv6 ones
    /// among them.
    fn to_be_quiet(&self, gone: &Estate) -> Vec<(String, Vec<Family>)> {
        let mut quiet = Vec::new();
        for (port, own) in &self.made {
            let (Some(planned), Some(held)) = (self.plan.ports.get(*port), &self.held[*port])
            else {
                continue;
            };
            let here = |one: &&Assignment| one.ifindex == held.link.index;
            let mut going = gone.addresses.iter().filter(here);
            let mut others = self.installed.iter().flat_map(|kept| &kept.addresses);
            if going.any(|one| one.address.is_ipv6())
                && !others.any(|one| here(&one))
                && let Some(made) = &planned.vmac
            {
                quiet.push((own.vmac.name.clone(), made.families.clone()));
            }
        }
        quiet
    }

    /// Puts what is always there onto the interfaces that there are, and takes off
    /// what is not to be there any more.
    pub(super) fn place_statics(&mut self) {
        let plan = Arc::clone(&self.plan);
        let ifindex_of = |port: usize| self.held[port].as_ref().map(|held| held.link.index);
        let wanted = Estate {
            addresses: plan.statics.assignments(ifindex_of),
            routes: plan.statics.routes.clone(),
            rules: plan.statics.rules.clone(),
        };
        if self.statics == wanted {
            return;
        }
        let mut gone = std::mem::replace(&mut self.statics, wanted);
        gone.leave(&self.statics);
        let mut complaints_all = Vec::new();
        if let Err(error) = self.kernel.remove(&gone.addresses) {
            complaints_all.push(error.to_string());
        }
        let failures = self.kernel.remove_rules(&gone.rules);
        let failures = failures
            .into_iter()
            .chain(self.kernel.remove_routes(&gone.routes));
        complaints_all.extend(failures.map(|failure| format!("cannot remove {failure}")));
        if let Err(error) = self.kernel.install(&self.statics.addresses) {
            complaints_all.push(error.to_string());
        }
        complaints_all.extend(self.kernel.settle());
        complaints_all.extend(complaints(self.kernel.install_routes(&self.statics.routes)));
        complaints_all.extend(complaints(self.kernel.install_rules(&self.statics.rules)));
        for why in complaints_all {
            (self.tell)(Note::Statics { why });
        }
    }
}
