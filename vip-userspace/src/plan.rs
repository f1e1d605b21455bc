//! What this daemon runs: the configuration laid out in slots and ports, the
//! same for engine, hands and services, never changed while they run.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use vip_common::election::Params;
use vip_common::ids::{Family, MacAddr, Priority, Vrid};
use vip_common::layout::{AddressEntry, AddressKey, RouterEntry, RouterKey};
use vip_common::wire::vrrp::Expect;

use crate::config::{self, Configuration, Instance};
use crate::kernel::Assignment;

/// Everything.
#[derive(Debug)]
pub struct Plan {
    /// The interfaces, each once.
    pub ports: Vec<PortPlan>,
    /// The virtual routers; the index is the slot.
    pub routers: Vec<RouterPlan>,
}

/// One logical interface, known by its name.
#[derive(Debug)]
pub struct PortPlan {
    /// Its name.
    pub name: String,
    /// Slots of the routers on it.
    pub routers: Vec<usize>,
}

/// An address that moves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VirtualAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of its prefix, 0 to 32.
    pub prefix: u8,
    /// Its label, up to 15 bytes.
    pub label: Option<String>,
    /// Its scope as the kernel numbers it; 0 is global.
    pub scope: u8,
    /// Its broadcast address, where one is asked for.
    pub broadcast: Option<Ipv4Addr>,
}

impl VirtualAddress {
    /// `None` for IPv6, which makes its instance unusable.
    fn new(line: &config::VirtualAddress) -> Option<Self> {
        Some(Self {
            address: v4(line.address)?,
            prefix: line.prefix,
            label: line.label.clone(),
            scope: line.scope,
            broadcast: line.broadcast,
        })
    }
}

fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    }
}

/// One virtual router.
#[derive(Debug)]
pub struct RouterPlan {
    /// The instance's name in the configuration.
    pub name: String,
    /// Index of its interface.
    pub port: usize,
    /// What the election needs.
    pub params: Params,
    /// What an advert must look like.
    pub expect: Expect,
    /// The group that it speaks to.
    pub group: Ipv4Addr,
    /// `mcast_src_ip`, where the interface's own address is not wanted.
    pub source: Option<Ipv4Addr>,
    /// The addresses in its adverts.
    pub addresses: Vec<VirtualAddress>,
    /// The same, as an advert lists them.
    pub listed: Vec<IpAddr>,
    /// The addresses that move with it but are not in its adverts.
    pub excluded: Vec<VirtualAddress>,
    /// Why it cannot take part, if it cannot.
    pub unusable: Option<String>,
}

impl Plan {
    /// Lays out a configuration.
    #[must_use]
    pub fn new(configuration: &Configuration) -> Self {
        let mut ports: Vec<PortPlan> = Vec::new();
        let mut routers = Vec::new();
        for instance in &configuration.instances {
            let known = ports
                .iter()
                .position(|port| port.name == instance.interface);
            let port = known.unwrap_or_else(|| {
                ports.push(PortPlan {
                    name: instance.interface.clone(),
                    routers: Vec::new(),
                });
                ports.len() - 1
            });
            ports[port].routers.push(routers.len());
            routers.push(RouterPlan::new(instance, port));
        }
        Self { ports, routers }
    }

    /// The VRIDs that run on a port; an unusable instance has none to speak of.
    #[must_use]
    pub fn vrids(&self, port: usize) -> Vec<Vrid> {
        let routers = self.ports[port]
            .routers
            .iter()
            .map(|slot| &self.routers[*slot]);
        routers
            .filter(|router| router.unusable.is_none())
            .map(|router| router.params.vrid)
            .collect()
    }
}

impl RouterPlan {
    fn new(instance: &Instance, port: usize) -> Self {
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
        let elsewhere = instance
            .addresses
            .iter()
            .chain(&instance.excluded)
            .find_map(|address| {
                address
                    .device
                    .as_ref()
                    .filter(|device| **device != instance.interface)
            });
        let unusable = instance.unusable.clone().or_else(|| {
            elsewhere.map(|device| {
                format!("an address on another interface ({device}) is not supported yet")
            })
        });
        let of_v4 = |list: &[config::VirtualAddress]| -> Vec<VirtualAddress> {
            list.iter().filter_map(VirtualAddress::new).collect()
        };
        let mut excluded = of_v4(&instance.excluded);
        let unusable = unusable.or_else(|| {
            (excluded.len() < instance.excluded.len())
                .then(|| "an excluded IPv6 address is not supported yet".to_owned())
        });
        let mut addresses = of_v4(&instance.addresses);
        let listed = addresses.iter().map(|one| one.address.into()).collect();
        // What stands there twice is advertised twice and installed once.
        let mut seen = HashSet::new();
        addresses.retain(|one| seen.insert(one.address));
        excluded.retain(|one| seen.insert(one.address));
        Self {
            name: instance.name.clone(),
            port,
            params,
            expect,
            group: v4(instance.group).unwrap_or(Ipv4Addr::UNSPECIFIED),
            source: instance.source.and_then(v4),
            listed,
            addresses,
            excluded,
            unusable,
        }
    }

    /// Addresses that move with this router, advertised ones first.
    pub fn all_addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.addresses.iter().chain(&self.excluded)
    }

    /// The addresses as the kernel is asked for them.
    #[must_use]
    pub fn assignments(&self, ifindex: u32) -> Vec<Assignment> {
        let assignment = |address: &VirtualAddress| Assignment {
            ifindex,
            address: address.address,
            prefix: address.prefix,
            broadcast: address.broadcast,
            scope: address.scope,
            label: address.label.clone(),
        };
        self.all_addresses().map(assignment).collect()
    }

    /// What the program at the NIC is told of this router. `broadcast` is the
    /// one of our subnet, where it has one.
    #[must_use]
    pub fn entry(
        &self,
        slot: u32,
        ifindex: u32,
        primary: Ipv4Addr,
        broadcast: Option<Ipv4Addr>,
        mac: MacAddr,
    ) -> (RouterKey, RouterEntry) {
        let entry = RouterEntry {
            slot,
            group: self.group.octets(),
            primary: primary.octets(),
            broadcast: broadcast.unwrap_or(Ipv4Addr::UNSPECIFIED).octets(),
            mac,
            version: self.params.version.get(),
            min_ttl: 255,
        };
        (RouterKey::new(ifindex, Family::V4, self.params.vrid), entry)
    }

    /// What the program at the NIC is told of this router's addresses.
    pub fn address_entries(
        &self,
        slot: u32,
        ifindex: u32,
        mac: MacAddr,
    ) -> impl Iterator<Item = (AddressKey, AddressEntry)> {
        self.all_addresses().map(move |address| {
            let key = AddressKey {
                ifindex,
                address: address.address.octets(),
            };
            (
                key,
                AddressEntry {
                    slot,
                    own: mac,
                    active: MacAddr::ZERO,
                },
            )
        })
    }

    /// The priority in the configuration.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.params.priority
    }
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
        let installed: Vec<_> = router.assignments(1);
        let installed: Vec<_> = installed
            .iter()
            .map(|one| (one.address, one.prefix))
            .collect();
        let address = |last| Ipv4Addr::new(192, 0, 2, last);
        assert_eq!(installed, [(address(1), 24), (address(2), 32)]);
    }
}
