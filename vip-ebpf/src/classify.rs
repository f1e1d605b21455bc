//! What is it, and is it ours?

use vip_common::ids::{Family, Vrid};
use vip_common::layout::{AddressEntry, AddressKey, Octets, RouterKey};
use vip_common::wire::HEAD;
use vip_common::wire::admit::{self, Kind};
use vip_common::wire::neighbour::{self, Notice};

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
        Kind::Advert(family, vrid) => advert(packet, &head, extent, family, vrid),
        Kind::Neighbour => {
            neighbour::read(&head).map_or(Verdict::UNTOUCHED, |notice| heed(packet, &notice))
        }
    }
}

/// An advert that names a VRID: other people's pass untouched.
#[inline(always)]
fn advert<P: Packet>(
    packet: &P,
    head: &[u8; HEAD],
    extent: Extent,
    family: Family,
    vrid: Vrid,
) -> Verdict {
    let key = RouterKey::new(packet.ifindex(), family, vrid);
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

/// A neighbour's word: a claim of one of our addresses, or a request for one.
#[inline(always)]
fn heed<P: Packet>(packet: &P, notice: &Notice) -> Verdict {
    let ifindex = packet.ifindex();
    let mut verdict = Verdict::UNTOUCHED;
    if let Some(entry) = entry(ifindex, notice.claims) {
        let stranger = notice.mac != entry.own && notice.mac != entry.active;
        let watched = entry.has(AddressEntry::WATCHED);
        if stranger || watched {
            verdict = watch::tell_claim(ifindex, entry.slot, notice, stranger, watched);
        }
    }
    if let Some(entry) = entry(ifindex, notice.asks) {
        if entry.has(AddressEntry::WITHHELD) {
            // Whatever it claims is told; nobody here shall answer.
            verdict = Verdict {
                slot: entry.slot,
                what: What::Withheld,
            };
        } else if !notice.is_probe() && matches!(verdict.what, What::Untouched) {
            verdict = Verdict {
                slot: entry.slot,
                what: What::Asked,
            };
        }
    }
    verdict
}

#[inline(always)]
fn entry(ifindex: u32, address: Octets) -> Option<AddressEntry> {
    // SAFETY: as for the routers.
    unsafe { ADDRESSES.get(AddressKey { ifindex, address }) }.copied()
}
