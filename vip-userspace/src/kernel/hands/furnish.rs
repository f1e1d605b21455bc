//! What interfaces are furnished with before anything is installed on them:
//! virtual MACs, switches, packets that are refused.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use vip_common::ids::Family;

use super::{Hands, Held, Note, Outcome};
use crate::config;
use crate::plan::{Plan, RouterPlan};

/// An interface with a virtual MAC, as it was made.
pub(super) struct Made {
    /// Its index.
    pub(super) index: u32,
    /// That of the interface below.
    pub(super) base: u32,
    /// What was asked for.
    pub(super) vmac: config::Vmac,
    /// The families whose addresses live on it.
    pub(super) families: Vec<Family>,
}

impl Hands {
    /// Whether anybody needs a port still, who leaves included.
    pub(super) fn is_needed(&self, port: usize) -> bool {
        let needed_by = &self.plan.ports[port].needed_by;
        needed_by.iter().any(|slot| !self.forgotten.contains(slot))
    }

    /// Sees to it that the interfaces with a virtual MAC are there, that packets to
    /// addresses that are not to be accepted are refused, and that switches stand as
    /// the plan wants them; takes back what it does not want any more.
    pub(super) fn furnish(&mut self) {
        let plan = Arc::clone(&self.plan);
        self.make_vmacs(&plan);
        self.promote(&plan);
        let refusing = plan
            .routers
            .iter()
            .filter(|router| router.runs() && !router.accept && !router.params.is_owner());
        let refused: BTreeSet<IpAddr> = refusing
            .flat_map(RouterPlan::all_addresses)
            .map(|one| one.address)
            .collect();
        if refused != self.refused {
            match self.kernel.refuse_packets(&refused) {
                Ok(()) => self.refused = refused,
                Err(error) => self.lack(usize::MAX, &error.to_string()),
            }
        }
    }

    pub(super) fn make_vmacs(&mut self, plan: &Plan) {
        let unwanted = self.made.iter().filter(|(port, own)| {
            let same = plan
                .ports
                .get(**port)
                .filter(|planned| planned.name == own.vmac.name);
            same.is_none_or(|planned| planned.vmac.is_none() || !self.is_needed(**port))
        });
        let unwanted: Vec<usize> = unwanted.map(|(port, _)| *port).collect();
        for port in unwanted {
            if let Some(own) = self.made.remove(&port) {
                self.kernel.remove_vmac(&own.vmac.name);
            }
        }
        for (port, own) in &self.made {
            let wanted = plan.ports.get(*port).and_then(|port| port.vmac.as_ref());
            if wanted.is_some_and(|made| made.vmac.mac != own.vmac.mac) {
                self.kernel.free_mac(&own.vmac.name);
            }
        }
        let fallen = self.fallen();
        for (port, planned) in plan.ports.iter().enumerate() {
            let Some(made) = &planned.vmac else { continue };
            let Some(base) = &self.held[made.base] else {
                continue;
            };
            let base = base.link.index;
            let stands = |own: &Made| {
                own.base == base && own.vmac == made.vmac && own.families == made.families
            };
            if !self.is_needed(port)
                || self.made.get(&port).is_some_and(stands) && !fallen.contains(&port)
            {
                continue;
            }
            match self.kernel.ensure_vmac(base, &made.vmac, &made.families) {
                Ok(index) => {
                    if self.lacking.remove(&port).is_some() {
                        (self.tell)(Note::Made { port });
                    }
                    let own = Made {
                        index,
                        base,
                        vmac: made.vmac.clone(),
                        families: made.families.clone(),
                    };
                    self.made.insert(port, own);
                    // What was known of the one before does not hold for another.
                    let other = |held: &mut Held| held.link.index != index;
                    if let Some(before) = self.held[port].take_if(other) {
                        self.ears.detach(before.link.index);
                    }
                }
                Err(error) => {
                    self.made.remove(&port);
                    self.lack_vmac(port, error.to_string());
                }
            }
        }
    }

    /// The ports whose interface with a virtual MAC is not as it was made: somebody
    /// has removed it, renamed it, set it down, given it another MAC.
    fn fallen(&mut self) -> BTreeSet<usize> {
        let made = self.made.values();
        let expected: Vec<_> = made.map(|own| (own.index, own.base, &own.vmac)).collect();
        if expected.is_empty() {
            return BTreeSet::new();
        }
        // Where the kernel does not say, the next look will.
        let stands = self.kernel.vmacs_stand(&expected).unwrap_or_default();
        let ports = self.made.keys().zip(stands);
        let fallen = ports.filter(|(_, stands)| !stands);
        fallen.map(|(port, _)| *port).collect()
    }

    /// Whether a port can be used as far as its virtual MAC is concerned, seeing to it
    /// first: an interface that only has the right name would be spoken on in vain.
    pub(super) fn has_its_mac(&mut self, port: usize) -> bool {
        let plan = Arc::clone(&self.plan);
        let planned = plan.ports.get(port);
        if planned.is_none_or(|planned| planned.vmac.is_none()) {
            return true;
        }
        self.make_vmacs(&plan);
        self.made.contains_key(&port)
    }

    fn lack_vmac(&mut self, port: usize, why: String) {
        if self.lacking.get(&port) != Some(&why) {
            self.lacking.insert(port, why.clone());
            (self.tell)(Note::NotMade { port, why });
            let _ = self.outcomes.send_patiently(Outcome::NotMade { port });
        }
    }

    pub(super) fn promote(&mut self, plan: &Plan) {
        let mut wanted = BTreeSet::new();
        for router in &plan.routers {
            if router.runs() && router.promote_secondaries {
                wanted.extend(
                    router
                        .all_addresses()
                        .map(|one| plan.ports[one.port].name.clone()),
                );
            }
        }
        for name in self.promoting.difference(&wanted) {
            self.kernel.stop_promoting(name);
        }
        self.promoting.retain(|name| wanted.contains(name));
        for (port, planned) in plan.ports.iter().enumerate() {
            let name = &planned.name;
            let there = self.held[port].is_some();
            if !there || !wanted.contains(name) || self.promoting.contains(name) {
                continue;
            }
            match self.kernel.promote_secondaries(name) {
                Ok(()) => {
                    self.promoting.insert(name.clone());
                }
                Err(error) => self.lack(port, &error.to_string()),
            }
        }
    }

    /// Tells once what cannot be had; it is tried again each second.
    pub(super) fn lack(&mut self, port: usize, why: &str) {
        if self.lacking.get(&port).is_none_or(|before| before != why) {
            self.lacking.insert(port, why.to_owned());
            let why = why.to_owned();
            (self.tell)(Note::Degraded { why });
        }
    }
}
