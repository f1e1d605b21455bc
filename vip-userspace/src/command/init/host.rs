//! What the host has to offer: its interfaces, and which one leads outside.

use std::net::Ipv4Addr;

use crate::kernel::{Inventory, Link};

/// The interfaces of a host.
#[derive(Default, Debug)]
pub(super) struct Host {
    pub(super) links: Vec<Link>,
    /// The interface of the default route.
    pub(super) default: Option<String>,
}

impl Host {
    /// This host. What it does not tell is not there: nothing that is asked of
    /// it is necessary.
    pub(super) fn here() -> Self {
        let links = Inventory::open()
            .and_then(|mut inventory| inventory.all())
            .unwrap_or_default();
        let routes = std::fs::read_to_string("/proc/self/net/route").unwrap_or_default();
        Self {
            links,
            default: default_route(&routes),
        }
    }

    /// The interfaces that could reach another node.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| link.name != "lo")
    }

    pub(super) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// Whether an interface is there and has an address.
    pub(super) fn has_addresses(&self, interface: &str) -> bool {
        self.link(interface)
            .is_some_and(|link| link.ipv4().next().is_some())
    }

    /// The prefix length of the interface's subnet that an address is in; the
    /// smallest subnet where it is in several.
    pub(super) fn subnet_of(&self, interface: &str, address: Ipv4Addr) -> Option<u8> {
        self.link(interface)?
            .ipv4()
            .filter(|(own, prefix)| {
                let hosts = u32::MAX.checked_shr(u32::from(*prefix)).unwrap_or(0);
                own.to_bits() | hosts == address.to_bits() | hosts
            })
            .map(|(_, prefix)| prefix)
            .max()
    }

    /// The interface that has this address now.
    pub(super) fn holder(&self, address: Ipv4Addr) -> Option<&str> {
        let has = |link: &&Link| link.has(address.into());
        self.links.iter().find(has).map(|link| link.name.as_str())
    }

    /// The address that a node here would speak from.
    pub(super) fn own_address(
        &self,
        interface: &str,
        virtual_addresses: &[(Ipv4Addr, u8)],
    ) -> Option<Ipv4Addr> {
        let virtual_addresses: Vec<Ipv4Addr> = virtual_addresses
            .iter()
            .map(|(address, _)| *address)
            .collect();
        self.link(interface)?.primary_address(&virtual_addresses)
    }

    /// The interface to suggest: that of the default route, else the first that
    /// runs and has an address.
    pub(super) fn suggestion(&self) -> Option<&str> {
        let default = self
            .default
            .as_deref()
            .filter(|name| self.link(name).is_some());
        default.or_else(|| {
            self.candidates()
                .find(|link| link.running && link.ipv4().next().is_some())
                .map(|link| link.name.as_str())
        })
    }
}

/// The interface of the best default route in the kernel's table of IPv4
/// routes (`/proc/net/route`).
fn default_route(table: &str) -> Option<String> {
    const INTERFACE: usize = 0;
    const DESTINATION: usize = 1;
    const METRIC: usize = 6;
    const MASK: usize = 7;
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_zero = |field: usize| fields.get(field).is_some_and(|f| *f == "00000000");
            if !is_zero(DESTINATION) || !is_zero(MASK) {
                return None;
            }
            let metric: u32 = fields.get(METRIC)?.parse().ok()?;
            Some((metric, (*fields.get(INTERFACE)?).to_owned()))
        })
        .min_by_key(|(metric, _)| *metric)
        .map(|(_, interface)| interface)
}

#[cfg(test)]
pub(super) mod tests {
    use vip_common::ids::MacAddr;

    use super::*;

    fn link(index: u32, name: &str, running: bool, addresses: &[(Ipv4Addr, u8)]) -> Link {
        Link {
            name: name.into(),
            index,
            mac: MacAddr::ZERO,
            up: running,
            running,
            mtu: 1500,
            kind: None,
            has_vlans: false,
            addresses: addresses
                .iter()
                .map(|(address, prefix)| ((*address).into(), *prefix))
                .collect(),
            tentative: Vec::new(),
        }
    }

    /// eth0 as it should be, eth1 down, eth2 without address.
    pub(in super::super) fn host() -> Host {
        Host {
            links: vec![
                link(1, "lo", true, &[(Ipv4Addr::LOCALHOST, 8)]),
                link(2, "eth1", false, &[(Ipv4Addr::new(10, 0, 0, 5), 16)]),
                link(3, "eth0", true, &[(Ipv4Addr::new(192, 168, 8, 11), 24)]),
                link(4, "eth2", true, &[]),
            ],
            default: None,
        }
    }

    #[test]
    fn the_best_default_route_counts() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth3\t00000000\t0108A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
            eth0\t00000000\t0108A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            eth1\t00000000\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n\
            eth0\t0008A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
            torn\t00000000\n";
        assert_eq!(default_route(table).as_deref(), Some("eth0"));
        assert_eq!(default_route(""), None);
    }

    #[test]
    fn the_suggestion_is_there_and_runs() {
        let mut host = host();
        assert_eq!(host.suggestion(), Some("eth0"));
        host.default = Some("eth1".into());
        assert_eq!(host.suggestion(), Some("eth1"), "the default route wins");
        host.default = Some("gone".into());
        assert_eq!(host.suggestion(), Some("eth0"));
        assert_eq!(Host::default().suggestion(), None);
    }

    #[test]
    fn the_smallest_subnet_that_holds_an_address() {
        let mut host = host();
        let address = Ipv4Addr::new(192, 168, 8, 100);
        assert_eq!(host.subnet_of("eth0", address), Some(24));
        assert_eq!(host.subnet_of("eth1", address), None);
        assert_eq!(host.subnet_of("none", address), None);
        host.links[2]
            .addresses
            .push((Ipv4Addr::new(192, 168, 1, 1).into(), 16));
        host.links[2]
            .addresses
            .push((Ipv4Addr::new(192, 168, 8, 100).into(), 32));
        assert_eq!(
            host.subnet_of("eth0", Ipv4Addr::new(192, 168, 8, 7)),
            Some(24)
        );
        assert_eq!(
            host.subnet_of("eth0", Ipv4Addr::new(192, 168, 9, 7)),
            Some(16)
        );
        assert_eq!(
            host.own_address("eth0", &[(Ipv4Addr::new(192, 168, 8, 11), 24)]),
            Some(Ipv4Addr::new(192, 168, 1, 1))
        );
    }
}
