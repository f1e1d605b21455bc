//! What is it, and is it ours?

use vip_common::ids::{Family, Vrid};
use vip_common::layout::{AddressEntry, AddressKey, RouterKey};
use vip_common::wire::admit::{self, Kind};
use vip_common::wire::{HEAD, arp};

use crate::maps::{ADDRESSES, ROUTERS};
use crate::packet::{Extent, Packet};
use crate::watch;
use crate::{Verdict, What};

/// Judges one frame.
#[inline(always)]
pub fn classify<P: Packet>(packet: &P) -> Verdict {
    if packet.is_ordinary() {
        return Verdict::UNTOUCHED;
    }
    let extent = packet.extent();
    let mut head = [0; HEAD];
    // SAFETY: as long as is said.
    if !unsafe { packet.load::<HEAD>(extent, head.as_mut_ptr()) } {
        return Verdict::UNTOUCHED;
    }
    match admit::kind(&head, extent.len as usize) {
        Kind::Other => Verdict::UNTOUCHED,
        Kind::Advert(vrid) => advert(packet, &head, extent, vrid),
        Kind::Arp => arp::parse(&head).map_or(Verdict::UNTOUCHED, |arp| claim(packet, &arp)),
    }
}

/// An advert that names a VRID: other people's pass untouched.
#[inline(always)]
fn advert<P: Packet>(packet: &P, head: &[u8; HEAD], extent: Extent, vrid: Vrid) -> Verdict {
    let key = RouterKey::new(packet.ifindex(), Family::V4, vrid);
    // SAFETY: the controller replaces an entry as a whole; one that is read while
    // it goes away judges one frame by the old rules.
    let Some(router) = (unsafe { ROUTERS.get(key) }) else {
        return Verdict::UNTOUCHED;
    };
    let slot = router.slot;
    match admit::admit(head, extent.len as usize, router) {
        Ok(()) => watch::tell_advert(packet, slot, extent),
        Err(reason) => watch::note_refused(head, slot, reason),
    }
}

/// ARP: a claim of one of our addresses, or a request for one.
#[inline(always)]
fn claim<P: Packet>(packet: &P, arp: &arp::Arp) -> Verdict {
    let ifindex = packet.ifindex();
    if let Some(address) = arp.claims()
        && let Some(entry) = entry(ifindex, address)
        && arp.sender_mac != entry.own
        && arp.sender_mac != entry.active
    {
        return watch::tell_claim(ifindex, entry.slot, address, arp.sender_mac);
    }
    match arp.asks_for().and_then(|address| entry(ifindex, address)) {
        Some(entry) => Verdict {
            slot: entry.slot,
            what: What::Asked,
        },
        None => Verdict::UNTOUCHED,
    }
}

#[inline(always)]
fn entry(ifindex: u32, address: [u8; 4]) -> Option<AddressEntry> {
    // SAFETY: as for the routers.
    unsafe { ADDRESSES.get(AddressKey { ifindex, address }) }.copied()
}
