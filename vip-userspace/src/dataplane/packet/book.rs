//! The judgement of one interface's frames behind a packet socket: what the
//! program at the NIC does with its maps.

use std::net::Ipv4Addr;

use vip_common::ids::{Family, MacAddr};
use vip_common::layout::{AddressEntry, AddressKey, RouterEntry, RouterKey};
use vip_common::reject::RejectReason;
use vip_common::wire::admit::{self, Kind};
use vip_common::wire::{self, arp};

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
        source: Ipv4Addr,
        /// Why.
        reason: RejectReason,
    },
    /// Somebody asks who has one of our addresses.
    Asked {
        /// The router that holds it.
        slot: u32,
    },
    /// A stranger says that one of our addresses is his.
    Claimed {
        /// The router that holds it.
        slot: u32,
        /// The address.
        address: [u8; 4],
        /// The stranger.
        mac: MacAddr,
    },
}

/// The routers and addresses of one interface.
#[derive(Clone, Debug)]
pub struct Book {
    /// By VRID.
    routers: Vec<(u8, RouterEntry)>,
    addresses: Vec<([u8; 4], AddressEntry)>,
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
            .filter(|(key, _)| key.ifindex == ifindex && key.family == Family::V4 as u8)
            .map(|(key, entry)| (key.vrid, *entry))
            .collect();
        routers.sort_by_key(|(vrid, _)| *vrid);
        let mut addresses: Vec<_> = addresses
            .iter()
            .filter(|(key, _)| key.ifindex == ifindex)
            .map(|(key, entry)| (key.address, *entry))
            .collect();
        addresses.sort_by_key(|(address, _)| *address);
        Self { routers, addresses }
    }

    /// The VRIDs of the routers.
    pub(super) fn vrids(&self) -> impl ExactSizeIterator<Item = u8> + '_ {
        self.routers.iter().map(|(vrid, _)| *vrid)
    }

    /// The addresses.
    pub(super) fn addresses(&self) -> impl ExactSizeIterator<Item = [u8; 4]> + '_ {
        self.addresses.iter().map(|(address, _)| *address)
    }

    /// Judges one frame; `frame_len` is its length on the wire, of which `frame`
    /// may be only the beginning.
    #[must_use]
    pub fn judge(&self, frame: &[u8], frame_len: usize) -> Verdict {
        let head = wire::head(frame);
        match admit::kind(&head, frame_len) {
            Kind::Other => Verdict::Untouched,
            Kind::Advert(vrid) => {
                let Some(router) = self.router(vrid.get()) else {
                    return Verdict::Untouched;
                };
                let slot = router.slot;
                match admit::admit(&head, frame_len, router) {
                    Ok(()) => Verdict::Taken { slot },
                    Err(reason) => Verdict::Refused {
                        slot,
                        source: source(frame),
                        reason,
                    },
                }
            }
            Kind::Arp => arp::parse(&head).map_or(Verdict::Untouched, |arp| self.claim(&arp)),
        }
    }

    fn claim(&self, arp: &arp::Arp) -> Verdict {
        if let Some(address) = arp.claims()
            && let Some(entry) = self.address(address)
            && arp.sender_mac != entry.own
            && arp.sender_mac != entry.active
        {
            return Verdict::Claimed {
                slot: entry.slot,
                address,
                mac: arp.sender_mac,
            };
        }
        match arp.asks_for().and_then(|address| self.address(address)) {
            Some(entry) => Verdict::Asked { slot: entry.slot },
            None => Verdict::Untouched,
        }
    }

    /// Whose ARP for an address is no news from now on.
    pub(super) fn note_active(&mut self, address: [u8; 4], active: MacAddr) {
        let found = self
            .addresses
            .binary_search_by_key(&address, |(address, _)| *address);
        if let Ok(index) = found
            && let Some((_, entry)) = self.addresses.get_mut(index)
        {
            entry.active = active;
        }
    }

    fn router(&self, vrid: u8) -> Option<&RouterEntry> {
        let index = self
            .routers
            .binary_search_by_key(&vrid, |(vrid, _)| *vrid)
            .ok()?;
        self.routers.get(index).map(|(_, entry)| entry)
    }

    fn address(&self, address: [u8; 4]) -> Option<&AddressEntry> {
        let index = self
            .addresses
            .binary_search_by_key(&address, |(address, _)| *address)
            .ok()?;
        self.addresses.get(index).map(|(_, entry)| entry)
    }
}

/// The source that a refused frame gives; whatever lies there, for a list of the
/// refused and nothing else.
fn source(frame: &[u8]) -> Ipv4Addr {
    let octets = frame.get(26..30).and_then(<[u8]>::first_chunk::<4>);
    octets.map_or(Ipv4Addr::UNSPECIFIED, |octets| Ipv4Addr::from(*octets))
}
