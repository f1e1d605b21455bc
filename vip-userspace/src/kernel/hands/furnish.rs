//! What interfaces are furnished with before anything is installed on them:
//! virtual MACs, switches, packets that are refused.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Hands, Note};
use crate::plan::{Plan, RouterPlan};

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
        let unwanted = self.made.iter().filter(|(port, name)| {
            let same = plan
                .ports
                .get(**port)
                .filter(|planned| planned.name == **name);
            same.is_none_or(|planned| planned.vmac.is_none() || !self.is_needed(**port))
        });
        let unwanted: Vec<usize> = unwanted.map(|(port, _)| *port).collect();
        for port in unwanted {
            if let Some(name) = self.made.remove(&port) {
                self.kernel.remove_vmac(&name);
            }
        }
        for (port, planned) in plan.ports.iter().enumerate() {
            let Some(made) = &planned.vmac else { continue };
            let Some(base) = &self.held[made.base] else {
                continue;
            };
            if self.made.contains_key(&port) || !self.is_needed(port) {
                continue;
            }
            match self
                .kernel
                .ensure_vmac(base.link.index, &made.vmac, &made.families)
            {
                Ok(_) => {
                    self.made.insert(port, planned.name.clone());
                    self.lacking.remove(&port);
                }
                Err(error) => self.lack(port, &error.to_string()),
            }
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
