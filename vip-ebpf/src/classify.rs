//! What is it, and is it ours?

use vip_common::ids::{Family, Vrid};
use vip_common::layout::{AddressEntry, AddressKey, RouterKey};
use vip_common::wire::admit::{self, Kind};
use vip_common::wire::{HEAD, arp};

use crate::maps::{ADDRESSES, ROUTERS};
use crate::packet::Packet;
use crate::watch;
use crate::{Verdict, What};

/// EtherType and IPv4 protocol lie within the first 24 bytes.
const GLANCE: usize = 24;

/// Judges one frame.
#[inline(always)]
pub fn classify<P: Packet>(packet: &P) -> Verdict {
    if is_ordinary(packet) || packet.is_tagged() {
        return Verdict::UNTOUCHED;
    }
    let frame_len = packet.len();
    let mut head = [0; HEAD];
    // SAFETY: as long as is said.
    if !unsafe { packet.load::<HEAD>(head.as_mut_ptr(), frame_len) } {
        return Verdict::UNTOUCHED;
    }
    match admit::kind(&head, frame_len as usize) {
        Kind::Other => Verdict::UNTOUCHED,
        Kind::Advert(vrid) => advert(packet, &head, frame_len, vrid),
        Kind::Arp => arp::parse(&head).map_or(Verdict::UNTOUCHED, |arp| claim(packet, &arp)),
    }
}

/// A glance at the frame in place, which nearly all traffic gets no more than:
/// whether it is something else than VRRP over IPv4 or ARP. A frame too short
/// to tell is looked at closely.
#[inline(always)]
fn is_ordinary<P: Packet>(packet: &P) -> bool {
    const IPV4: [u8; 2] = [0x08, 0x00];
    const ARP: [u8; 2] = [0x08, 0x06];
    const VRRP: u8 = 112;
    let start = packet.start();
    if start + GLANCE > packet.end() {
        return false;
    }
    // SAFETY: the bytes lie before the end, as was just seen.
    let (ether_type, protocol) = unsafe {
        (
            *((start + 12) as *const [u8; 2]),
            *((start + 23) as *const u8),
        )
    };
    match ether_type {
        IPV4 => protocol != VRRP,
        ARP => false,
        _ => true,
    }
}

/// An advert that names a VRID: other people's pass untouched.
#[inline(always)]
fn advert<P: Packet>(packet: &P, head: &[u8; HEAD], frame_len: u64, vrid: Vrid) -> Verdict {
    let key = RouterKey::new(packet.ifindex(), Family::V4, vrid);
    // SAFETY: the controller replaces an entry as a whole; one that is read while
    // it goes away judges one frame by the old rules.
    let Some(router) = (unsafe { ROUTERS.get(key) }) else {
        return Verdict::UNTOUCHED;
    };
    let slot = router.slot;
    match admit::admit(head, frame_len as usize, router) {
        Ok(()) => watch::tell_advert(packet, slot, frame_len),
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
