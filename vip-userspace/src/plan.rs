//! What this daemon runs: the configuration laid out in slots and ports, the
//! same for engine, hands and services, never changed while they run. A reload
//! makes [another plan](Plan::after), in which what goes on keeps its place.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError, RwLock};

use vip_common::election::Params;
use vip_common::ids::{Family, MacAddr, Priority, Vrid};
use vip_common::layout::{AddressEntry, AddressKey, RouterEntry, RouterKey, octets};
use vip_common::wire::vrrp::Expect;

use crate::config::{self, Configuration, Instance};
use crate::kernel::Assignment;

/// Everything.
#[derive(Debug, Default)]
pub struct Plan {
    /// The interfaces, each once. One that nothing needs any more keeps its place.
    pub ports: Vec<PortPlan>,
    /// The virtual routers; the index is the slot.
    pub routers: Vec<RouterPlan>,
}

/// One logical interface, known by its name: routers are heard on it, or their
/// addresses live there.
#[derive(Clone, Debug, Default)]
pub struct PortPlan {
    /// Its name.
    pub name: String,
    /// Slots of the routers that are heard on it.
    pub routers: Vec<usize>,
    /// Slots of the routers that need it for anything, those included.
    pub needed_by: Vec<usize>,
}

impl PortPlan {
    /// Whether anything needs it.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        !self.needed_by.is_empty()
    }
}

/// An address that moves, and where it lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlacedAddress {
    /// Index of the interface.
    pub port: usize,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix, 0 to 32, or 0 to 128.
    pub prefix: u8,
    /// As the configuration has it.
    pub line: config::VirtualAddress,
}

/// One virtual router.
#[derive(Clone, Debug)]
pub struct RouterPlan {
    /// The instance's name in the configuration.
    pub name: String,
    /// Whether it speaks IPv4 or IPv6.
    pub family: Family,
    /// Index of the interface on which its adverts are heard.
    pub port: usize,
    /// Index of the interface that it speaks on, and where its addresses live
    /// unless they say otherwise. The same but for a virtual MAC's.
    pub home: usize,
    /// What the election needs.
    pub params: Params,
    /// What an advert must look like.
    pub expect: Expect,
    /// The group that it speaks to.
    pub group: IpAddr,
    /// `mcast_src_ip`, where the interface's own address is not wanted.
    pub source: Option<IpAddr>,
    /// The addresses in its adverts.
    pub addresses: Vec<PlacedAddress>,
    /// The same, as an advert lists them.
    pub listed: Vec<IpAddr>,
    /// The addresses that move with it but are not in its adverts.
    pub excluded: Vec<PlacedAddress>,
    /// Why it cannot take part, if it cannot.
    pub unusable: Option<String>,
    /// Whether it is gone from the configuration: it leaves, or has left.
    pub vacant: bool,
}

/// The plan that holds, for everybody but the engine and the hands, who are told.
#[derive(Clone, Debug)]
pub struct Current(Arc<RwLock<Arc<Plan>>>);

impl Current {
    /// The first one.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self(Arc::new(RwLock::new(plan)))
    }

    /// It.
    #[must_use]
    pub fn get(&self) -> Arc<Plan> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another one holds.
    pub fn set(&self, plan: Arc<Plan>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = plan;
    }
}

/// What makes a router the same one after a reload.
type Identity<'a> = (&'a str, Family, Vrid, Option<&'a str>);

impl Plan {
    /// Lays out a configuration.
    #[must_use]
    pub fn new(configuration: &Configuration) -> Self {
        Self::default().after(configuration, |_| false)
    }

    /// Lays out a configuration so that routers and interfaces that were there
    /// before keep their places. A router is the same if interface, family and
    /// VRID are; `is_free` says of a vacant slot whether its router has left.
    #[must_use]
    pub fn after(&self, configuration: &Configuration, is_free: impl Fn(usize) -> bool) -> Self {
        let ports = self.ports.iter().map(|port| PortPlan {
            name: port.name.clone(),
            ..PortPlan::default()
        });
        let mut plan = Self {
            ports: ports.collect(),
            routers: Vec::with_capacity(self.routers.len()),
        };
        let instances = &configuration.instances;
        let mut slots: Vec<Option<usize>> = vec![None; instances.len()];
        let mut taken = HashSet::new();
        for (at, instance) in instances.iter().enumerate() {
            let same = self.routers.iter().position(|router| {
                !router.vacant && self.identity(router) == identity_of(instance)
            });
            slots[at] = same.filter(|slot| taken.insert(*slot));
        }
        for (slot, router) in self.routers.iter().enumerate() {
            plan.routers.push(RouterPlan {
                vacant: true,
                ..router.clone()
            });
            if router.vacant && !taken.contains(&slot) && is_free(slot) {
                let new = slots.iter_mut().find(|slot| slot.is_none());
                if let Some(new) = new {
                    *new = Some(slot);
                    taken.insert(slot);
                }
            }
        }
        for (instance, slot) in instances.iter().zip(slots) {
            let router = plan.lay_out(instance);
            match slot.and_then(|slot| plan.routers.get_mut(slot)) {
                Some(place) => *place = router,
                None => plan.routers.push(router),
            }
        }
        plan.tell_ports();
        plan
    }

    fn identity<'a>(&'a self, router: &'a RouterPlan) -> Identity<'a> {
        (
            &self.ports[router.port].name,
            router.family,
            router.params.vrid,
            router.unusable.as_ref().map(|_| &*router.name),
        )
    }

    /// The place of an interface, a new one if need be.
    fn port(&mut self, name: &str) -> usize {
        let known = self.ports.iter().position(|port| port.name == name);
        known.unwrap_or_else(|| {
            self.ports.push(PortPlan {
                name: name.to_owned(),
                ..PortPlan::default()
            });
            self.ports.len() - 1
        })
    }

    fn lay_out(&mut self, instance: &Instance) -> RouterPlan {
        let port = self.port(&instance.interface);
        let home = port;
        let params = Params {
            vrid: instance.vrid,
            version: instance.version,
            priority: instance.priority,
            adver_interval: instance.interval,
            preempt: instance.preempt,
            down_timer_adverts: instance.down_timer_adverts,
            garp: instance.garp,
        };
        let expect = Expect {
            family: Family::V4,
            vrid: instance.vrid,
            version: instance.version,
            interval: instance.interval,
            auth: instance.auth,
            old_unicast: false,
        };
        // What stands there twice is advertised twice and installed once.
        let mut seen = HashSet::new();
        let mut placed = |plan: &mut Self, lines: &[config::VirtualAddress]| {
            let mut all = Vec::with_capacity(lines.len());
            for line in lines {
                let port = line.device.as_ref().map_or(home, |name| plan.port(name));
                if seen.insert((port, line.address)) {
                    all.push(PlacedAddress {
                        port,
                        address: line.address,
                        prefix: line.prefix,
                        line: line.clone(),
                    });
                }
            }
            all
        };
        RouterPlan {
            name: instance.name.clone(),
            family: Family::of(instance.group),
            port,
            home,
            params,
            expect,
            group: instance.group,
            source: instance.source,
            listed: instance.addresses.iter().map(|one| one.address).collect(),
            addresses: placed(self, &instance.addresses),
            excluded: placed(self, &instance.excluded),
            unusable: instance.unusable.clone(),
            vacant: false,
        }
    }

    /// Which routers need which ports. One that leaves still does.
    fn tell_ports(&mut self) {
        for (slot, router) in self.routers.iter().enumerate() {
            self.ports[router.port].routers.push(slot);
            let mut needed: Vec<usize> = router.ports().collect();
            needed.sort_unstable();
            needed.dedup();
            for port in needed {
                self.ports[port].needed_by.push(slot);
            }
        }
    }

    /// The VRIDs of a family that run on a port; an unusable instance has none to
    /// speak of.
    #[must_use]
    pub fn vrids(&self, port: usize, family: Family) -> Vec<Vrid> {
        let routers = self.ports[port]
            .routers
            .iter()
            .map(|slot| &self.routers[*slot]);
        routers
            .filter(|router| router.runs() && router.family == family)
            .map(|router| router.params.vrid)
            .collect()
    }
}

fn identity_of(instance: &Instance) -> Identity<'_> {
    (
        &instance.interface,
        Family::of(instance.group),
        instance.vrid,
        instance.unusable.as_ref().map(|_| &*instance.name),
    )
}

impl RouterPlan {
    /// Whether it takes part: it can, and is wanted.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.unusable.is_none() && !self.vacant
    }

    /// Addresses that move with this router, advertised ones first.
    pub fn all_addresses(&self) -> impl Iterator<Item = &PlacedAddress> {
        self.addresses.iter().chain(&self.excluded)
    }

    /// The interfaces that it needs, some of them perhaps several times.
    pub fn ports(&self) -> impl Iterator<Item = usize> {
        let own = [self.port, self.home];
        own.into_iter()
            .chain(self.all_addresses().map(|one| one.port))
    }

    /// The addresses as the kernel is asked for them; `ifindex_of` says which
    /// interface a port is. Those of one that is not there are left out.
    #[must_use]
    pub fn assignments(&self, ifindex_of: impl Fn(usize) -> Option<u32>) -> Vec<Assignment> {
        let assignment =
            |placed: &PlacedAddress| Some(Assignment::of(ifindex_of(placed.port)?, &placed.line));
        self.all_addresses().filter_map(assignment).collect()
    }

    /// What the program at the NIC is told of this router. `broadcast` is the
    /// one of our subnet, where it has one.
    #[must_use]
    pub fn entry(
        &self,
        slot: u32,
        ifindex: u32,
        primary: IpAddr,
        broadcast: Option<Ipv4Addr>,
        mac: MacAddr,
    ) -> Option<(RouterKey, RouterEntry)> {
        if Family::of(primary) != self.family {
            return None;
        }
        let entry = RouterEntry {
            slot,
            group: octets(self.group),
            primary: octets(primary),
            broadcast: broadcast.unwrap_or(Ipv4Addr::UNSPECIFIED).octets(),
            mac,
            version: self.params.version.get(),
            min_ttl: 255,
            max_ttl: 255,
            flags: 0,
            pad: 0,
        };
        Some((
            RouterKey::new(ifindex, self.family, self.params.vrid),
            entry,
        ))
    }

    /// The priority in the configuration.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.params.priority
    }
}

/// What the program at the NIC is told of an address that lives on an interface,
/// whose own MAC is `mac`.
#[must_use]
pub const fn address_entry(
    address: IpAddr,
    slot: u32,
    ifindex: u32,
    mac: MacAddr,
) -> (AddressKey, AddressEntry) {
    (
        AddressKey::new(ifindex, address),
        AddressEntry::new(slot, mac),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn what_stands_twice_is_advertised_twice_and_installed_once() {
        let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n192.0.2.1/24\n192.0.2.1\n}\nvirtual_ipaddress_excluded {\n192.0.2.1\n192.0.2.2\n}\n}\n";
        let plan = Plan::new(&config::parse(text, "t").configuration);
        let router = &plan.routers[0];
        assert_eq!(router.listed.len(), 2);
        let installed: Vec<_> = router.assignments(|_| Some(1));
        let installed: Vec<_> = installed
            .iter()
            .map(|one| (one.address, one.prefix))
            .collect();
        let address = |last| IpAddr::from([192, 0, 2, last]);
        assert_eq!(installed, [(address(1), 24), (address(2), 32)]);
    }
}
