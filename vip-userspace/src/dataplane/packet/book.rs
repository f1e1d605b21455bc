//! The judgement of one interface's frames behind a packet socket: what the
//! program at the NIC does with its maps.

use std::collections::BTreeSet;
use std::net::IpAddr;

use vip_common::ids::{Family, MacAddr};
use vip_common::layout::{self, AddressEntry, AddressKey, Octets, RouterEntry, RouterKey};
use vip_common::reject::RejectReason;
use vip_common::wire::admit::{self, Kind};
use vip_common::wire::neighbour::{self, Notice};
use vip_common::wire::{self, eth, ndisc};

use super::super::ear::AddressNote;

/// What a frame turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing of ours, or nothing that is news.
    Untouched,
    /// An advert that may pass to the election.
    Taken {
        /// The router it is for.
        slot: u32,
    },
    /// Says that it is for one of our routers, and cannot be.
    Refused {
        /// The router it names.
        slot: u32,
        /// The source it gives.
        source: IpAddr,
        /// Why.
        reason: RejectReason,
    },
    /// Somebody asks who has one of our addresses.
    Asked {
        /// The router that holds it.
        slot: u32,
    },
    /// Somebody says that one of our addresses is his.
    Claimed {
        /// The router that holds it.
        slot: u32,
        /// The address.
        address: Octets,
        /// Who.
        mac: MacAddr,
        /// Whether he is neither we nor the Active Router.
        stranger: bool,
        /// Whether the address is watched.
        watched: bool,
    },
}

/// The routers and addresses of one interface.
#[derive(Clone, Debug)]
pub struct Book {
    /// By family and VRID.
    routers: Vec<((u8, u8), RouterEntry)>,
    addresses: Vec<(Octets, AddressEntry)>,
}

impl Book {
    /// Of what belongs to this interface; the rest is left out.
    #[must_use]
    pub fn new(
        ifindex: u32,
        routers: &[(RouterKey, RouterEntry)],
        addresses: &[(AddressKey, AddressEntry)],
    ) -> Self {
        let mut routers: Vec<_> = routers
            .iter()
            .filter(|(key, _)| key.ifindex == ifindex)
            .map(|(key, entry)| ((key.family, key.vrid), *entry))
            .collect();
        routers.sort_by_key(|(key, _)| *key);
        let mut addresses: Vec<_> = addresses
            .iter()
            .filter(|(key, _)| key.ifindex == ifindex)
            .map(|(key, entry)| (key.address, *entry))
            .collect();
        addresses.sort_by_key(|(address, _)| *address);
        Self { routers, addresses }
    }

    /// The VRIDs of the routers of a family.
    pub(super) fn vrids(&self, family: Family) -> impl Iterator<Item = u8> + '_ {
        let of_family = self.routers.iter().map(|(key, _)| *key);
        of_family.filter_map(move |(of, vrid)| (of == family as u8).then_some(vrid))
    }

    /// The MACs of the groups that frames for us are sent to: those of the routers,
    /// and those by which neighbours ask for the IPv6 addresses.
    pub(super) fn groups(&self) -> BTreeSet<MacAddr> {
        let of_router = |((_, _), entry): &(_, RouterEntry)| {
            (!entry.has(RouterEntry::UNICAST)).then(|| group_mac(layout::address(entry.group)))
        };
        let asked_by = |(address, _): &(Octets, _)| match layout::address(*address) {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(eth::group_mac_v6(ndisc::solicited_node(address))),
        };
        let routers = self.routers.iter().filter_map(of_router);
        routers
            .chain(self.addresses.iter().filter_map(asked_by))
            .collect()
    }

    /// The addresses.
    pub(super) fn addresses(&self) -> impl ExactSizeIterator<Item = Octets> + '_ {
        self.addresses.iter().map(|(address, _)| *address)
    }

    /// Judges one frame; `frame_len` is its length on the wire, of which `frame`
    /// may be only the beginning.
    #[must_use]
    pub fn judge(&self, frame: &[u8], frame_len: usize) -> Verdict {
        let head = wire::head(frame);
        match admit::kind(&head, frame_len) {
            Kind::Other => Verdict::Untouched,
            Kind::Advert(family, vrid) => {
                let Some(router) = self.router((family as u8, vrid.get())) else {
                    return Verdict::Untouched;
                };
                let slot = router.slot;
                match admit::admit(&head, frame_len, router) {
                    Ok(()) => Verdict::Taken { slot },
                    Err(reason) => Verdict::Refused {
                        slot,
                        source: source(&head),
                        reason,
                    },
                }
            }
            Kind::Neighbour => {
                neighbour::read(&head).map_or(Verdict::Untouched, |notice| self.heed(&notice))
            }
        }
    }

    fn heed(&self, notice: &Notice) -> Verdict {
        if let Some(entry) = self.address(notice.claims) {
            let stranger = notice.mac != entry.own && notice.mac != entry.active;
            let watched = entry.has(AddressEntry::WATCHED);
            if stranger || watched {
                return Verdict::Claimed {
                    slot: entry.slot,
                    address: notice.claims,
                    mac: notice.mac,
                    stranger,
                    watched,
                };
            }
        }
        match self.address(notice.asks) {
            Some(entry) if !notice.is_probe() => Verdict::Asked { slot: entry.slot },
            _ => Verdict::Untouched,
        }
    }

    /// What is to be made of an address from now on.
    pub(super) fn note_address(&mut self, address: Octets, note: AddressNote) {
        let found = self
            .addresses
            .binary_search_by_key(&address, |(address, _)| *address);
        if let Ok(index) = found
            && let Some((_, entry)) = self.addresses.get_mut(index)
        {
            entry.active = note.active;
            entry.flags = note.flags();
        }
    }

    fn router(&self, key: (u8, u8)) -> Option<&RouterEntry> {
        let index = self
            .routers
            .binary_search_by_key(&key, |(key, _)| *key)
            .ok()?;
        self.routers.get(index).map(|(_, entry)| entry)
    }

    fn address(&self, address: Octets) -> Option<&AddressEntry> {
        let index = self
            .addresses
            .binary_search_by_key(&address, |(address, _)| *address)
            .ok()?;
        self.addresses.get(index).map(|(_, entry)| entry)
    }
}

/// The MAC that carries a multicast group.
fn group_mac(group: IpAddr) -> MacAddr {
    match group {
        IpAddr::V4(group) => eth::group_mac(group),
        IpAddr::V6(group) => eth::group_mac_v6(group),
    }
}

/// The source that a refused frame gives; whatever lies there, for a list of the
/// refused and nothing else.
fn source(head: &[u8; wire::HEAD]) -> IpAddr {
    layout::address(admit::source(head))
}
