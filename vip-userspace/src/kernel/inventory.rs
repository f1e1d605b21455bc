//! Which interfaces there are, and what they are like.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use vip_common::ids::{Family, MacAddr};

use super::message::{AddressRecord, LinkRecord};
use super::netlink::RouteSocket;

pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_DELLINK: u16 = 17;
pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_DELADDR: u16 = 21;

/// A logical interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its name, by which people and configurations know it.
    pub name: String,
    /// Its index; a new one each time it is created.
    pub index: u32,
    /// Its MAC; zero where it has none of six bytes.
    pub mac: MacAddr,
    /// Whether it is set up (`IFF_UP`).
    pub up: bool,
    /// Whether it can carry frames: up, with carrier, and held operational
    /// by the kernel (`IFF_RUNNING` and `IFF_LOWER_UP`).
    pub running: bool,
    /// Largest packet, in bytes.
    pub mtu: u32,
    /// What kind of logical device it is (`vlan`, `bond`, `veth` …); none for
    /// hardware.
    pub kind: Option<String>,
    /// Whether a VLAN interface of this namespace sits on it.
    pub has_vlans: bool,
    /// Its addresses with their prefix lengths, those first that stand first in
    /// their subnet; IPv4 before IPv6.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Those of them that cannot be spoken from, or not yet: the kernel is still
    /// looking for another holder, or has found one. IPv6 only.
    pub tentative: Vec<IpAddr>,
}

impl Link {
    /// Its IPv4 addresses with their prefix lengths.
    pub fn ipv4(&self) -> impl Iterator<Item = (Ipv4Addr, u8)> {
        let addresses = self.addresses.iter();
        addresses.filter_map(|(address, prefix)| match address {
            IpAddr::V4(address) => Some((*address, *prefix)),
            IpAddr::V6(_) => None,
        })
    }

    /// Whether it has this address.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|(own, _)| *own == address)
    }

    /// The address to speak from: the first IPv4 address that is not one of
    /// `virtual_addresses`.
    #[must_use]
    pub fn primary_address(&self, virtual_addresses: &[Ipv4Addr]) -> Option<Ipv4Addr> {
        self.ipv4()
            .map(|(address, _)| address)
            .find(|address| !virtual_addresses.contains(address))
    }

    /// The address to speak from in a family, passing over those that are
    /// `somebody's` by election: the first of IPv4, the first link-local one of
    /// IPv6 (RFC 9568 5.1.2.1) of which the kernel is sure.
    #[must_use]
    pub fn own_address(
        &self,
        family: Family,
        somebodys: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let mut addresses = self.addresses.iter().map(|(address, _)| *address);
        addresses.find(|address| {
            let fits = match address {
                IpAddr::V4(_) => family == Family::V4,
                IpAddr::V6(address) => family == Family::V6 && address.is_unicast_link_local(),
            };
            fits && !self.tentative.contains(address) && !somebodys(*address)
        })
    }

    /// The broadcast address of the subnet that one of its addresses is in; a
    /// subnet of one or two addresses has none (RFC 3021).
    #[must_use]
    pub fn broadcast_of(&self, own: Ipv4Addr) -> Option<Ipv4Addr> {
        let (_, prefix) = self.ipv4().find(|(address, _)| *address == own)?;
        let hosts = u32::MAX.checked_shr(u32::from(prefix))?;
        (hosts >= 3).then(|| Ipv4Addr::from_bits(own.to_bits() | hosts))
    }
}

/// Asks the kernel which interfaces there are.
pub struct Inventory {
    socket: RouteSocket,
}

impl Inventory {
    /// For the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// When there is no netlink socket to be had.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            socket: RouteSocket::open(0)?,
        })
    }

    /// All interfaces, by index.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer.
    pub fn all(&mut self) -> io::Result<Vec<Link>> {
        Ok(self.tables()?.links())
    }

    /// The interface of this name, if there is one.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer.
    pub fn by_name(&mut self, name: &str) -> io::Result<Option<Link>> {
        Ok(self.all()?.into_iter().find(|link| link.name == name))
    }

    /// The indices of the interfaces on which an XDP program is, whoever put it
    /// there.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer.
    pub fn with_xdp(&mut self) -> io::Result<Vec<u32>> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        self.socket.dump(&request, |message| {
            (message.kind == RTM_NEWLINK)
                .then(|| message.link_with_xdp())
                .flatten()
        })
    }

    pub(super) fn tables(&mut self) -> io::Result<Tables> {
        let mut tables = Tables {
            links: dump_links(&mut self.socket)?,
            addresses: BTreeMap::new(),
        };
        for record in dump_addresses(&mut self.socket, 0)? {
            tables
                .addresses
                .entry(record.ifindex)
                .or_default()
                .push(record);
        }
        Ok(tables)
    }

    pub(super) fn addresses(&mut self, ifindex: u32) -> io::Result<Vec<AddressRecord>> {
        dump_addresses(&mut self.socket, ifindex)
    }
}

/// The kernel's tables as last read.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) links: BTreeMap<u32, LinkRecord>,
    pub(super) addresses: BTreeMap<u32, Vec<AddressRecord>>,
}

impl Tables {
    /// What they come to, by index.
    pub(super) fn links(&self) -> Vec<Link> {
        self.links
            .keys()
            .filter_map(|index| self.link(*index))
            .collect()
    }

    /// What they say of one interface.
    pub(super) fn link(&self, index: u32) -> Option<Link> {
        let record = self.links.get(&index)?;
        let set = |flag: i32| record.flags & flag.cast_unsigned() != 0;
        let addresses = self
            .addresses
            .get(&record.index)
            .map(Vec::as_slice)
            .unwrap_or_default();
        // A stable sort: what the kernel has first stays first among its like.
        let mut addresses: Vec<&AddressRecord> = addresses.iter().collect();
        addresses.sort_by_key(|record| (record.address.is_ipv6(), record.is_secondary()));
        Some(Link {
            name: record.name.clone(),
            index: record.index,
            mac: MacAddr(record.mac),
            up: set(libc::IFF_UP),
            running: set(libc::IFF_UP) && set(libc::IFF_RUNNING) && set(libc::IFF_LOWER_UP),
            mtu: record.mtu,
            kind: record.kind.clone(),
            has_vlans: self.links.values().any(|other| {
                other.below == Some(record.index) && other.kind.as_deref() == Some("vlan")
            }),
            tentative: addresses
                .iter()
                .filter(|record| record.is_tentative())
                .map(|record| record.address)
                .collect(),
            addresses: addresses
                .into_iter()
                .map(|record| (record.address, record.prefix))
                .collect(),
        })
    }
}

fn dump_links(socket: &mut RouteSocket) -> io::Result<BTreeMap<u32, LinkRecord>> {
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    let links = socket.dump(&request, |message| {
        if message.kind == RTM_NEWLINK {
            message.link()
        } else {
            None
        }
    })?;
    Ok(links
        .into_iter()
        .map(|record| (record.index, record))
        .collect())
}

/// The addresses of one interface, or of all for 0, in the kernel's order.
pub(super) fn dump_addresses(
    socket: &mut RouteSocket,
    ifindex: u32,
) -> io::Result<Vec<AddressRecord>> {
    let mut request = AddressMessage::default();
    request.header.family = AddressFamily::Unspec;
    request.header.index = ifindex;
    socket.dump(&RouteNetlinkMessage::GetAddress(request), |message| {
        if message.kind != RTM_NEWADDR {
            return None;
        }
        // Kernels before 4.20 answer with those of all interfaces.
        message
            .address()
            .filter(|record| ifindex == 0 || record.ifindex == ifindex)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(index: u32, kind: Option<&str>, below: Option<u32>) -> LinkRecord {
        LinkRecord {
            index,
            flags: 0,
            name: format!("l{index}"),
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            kind: kind.map(str::to_owned),
            below,
        }
    }

    #[test]
    fn a_subnet_has_a_broadcast_address_from_four_addresses_on() {
        let own = Ipv4Addr::new(10, 0, 0, 5);
        let broadcast = |prefix| {
            let link = Link {
                name: "l1".to_owned(),
                index: 1,
                mac: MacAddr::ZERO,
                up: true,
                running: true,
                mtu: 1500,
                kind: None,
                has_vlans: false,
                addresses: vec![(own.into(), prefix)],
                tentative: vec![],
            };
            assert_eq!(link.broadcast_of(Ipv4Addr::new(10, 0, 0, 6)), None);
            link.broadcast_of(own)
        };
        assert_eq!(broadcast(24), Some(Ipv4Addr::new(10, 0, 0, 255)));
        assert_eq!(broadcast(22), Some(Ipv4Addr::new(10, 0, 3, 255)));
        assert_eq!(broadcast(30), Some(Ipv4Addr::new(10, 0, 0, 7)));
        assert_eq!(broadcast(31), None);
        assert_eq!(broadcast(32), None);
        assert_eq!(broadcast(0), Some(Ipv4Addr::BROADCAST));
    }

    fn address(last: u8, flags: i32) -> AddressRecord {
        AddressRecord {
            ifindex: 1,
            address: Ipv4Addr::new(10, 0, 0, last).into(),
            peer: None,
            prefix: 24,
            scope: 0,
            flags: flags.cast_unsigned(),
            broadcast: None,
            label: None,
            metric: None,
            lifetimes: None,
            mark: 0,
        }
    }

    #[test]
    fn only_vlans_make_a_parent_of_vlans() {
        let mut tables = Tables::default();
        tables.links.insert(1, record(1, None, None));
        tables.links.insert(2, record(2, Some("macvlan"), Some(1)));
        assert!(!tables.links()[0].has_vlans);
        tables.links.insert(3, record(3, Some("vlan"), Some(1)));
        assert!(tables.links()[0].has_vlans);
    }

    #[test]
    fn it_runs_only_when_the_cable_carries() {
        let mut tables = Tables::default();
        for (flags, running) in [
            (libc::IFF_UP, false),
            (libc::IFF_UP | libc::IFF_RUNNING, false),
            (libc::IFF_RUNNING | libc::IFF_LOWER_UP, false),
            (libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_LOWER_UP, true),
        ] {
            tables.links.insert(
                1,
                LinkRecord {
                    flags: flags.cast_unsigned(),
                    ..record(1, None, None)
                },
            );
            assert_eq!(tables.links()[0].running, running, "{flags:#x}");
        }
    }

    #[test]
    fn a_virtual_address_is_never_spoken_from() {
        let mut tables = Tables::default();
        tables.links.insert(1, record(1, None, None));
        tables.addresses.insert(
            1,
            vec![
                address(2, libc::IFA_F_SECONDARY as i32),
                address(100, 0),
                address(1, 0),
            ],
        );
        let links = tables.links();
        let [link] = links.as_slice() else {
            panic!("{links:?}")
        };
        assert_eq!(
            link.primary_address(&[]),
            Some(Ipv4Addr::new(10, 0, 0, 100))
        );
        assert_eq!(
            link.primary_address(&[Ipv4Addr::new(10, 0, 0, 100)]),
            Some(Ipv4Addr::new(10, 0, 0, 1))
        );
        let taken = [1, 100].map(|last| Ipv4Addr::new(10, 0, 0, last));
        assert_eq!(
            link.primary_address(&taken),
            Some(Ipv4Addr::new(10, 0, 0, 2)),
            "a secondary beats none"
        );
        assert_eq!(
            tables.links()[0].primary_address(&[taken[0], taken[1], Ipv4Addr::new(10, 0, 0, 2)]),
            None
        );
    }
}
