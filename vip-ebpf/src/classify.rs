//! What is it, and is it ours?

use core::mem::MaybeUninit;

use vip_common::ids::{Family, Vrid};
use vip_common::layout::{AddressEntry, AddressKey, Octets, RouterKey};
use vip_common::wire::HEAD;
use vip_common::wire::admit::{self, Kind};
use vip_common::wire::neighbour::{self, Notice};

use crate::maps::{ADDRESSES, ROUTERS};
use crate::packet::{Extent, Packet};
use crate::{Verdict, What};
use crate::{budget, known, watch};

/// The head of a frame.
pub type HeadWords = [u64; HEAD / 8];

const _: () = assert!(size_of::<HeadWords>() == HEAD);

/// Clears it word by word: left to itself the compiler calls a function that clears
/// byte by byte, which costs more than all that is done with an advert.
#[inline(always)]
fn clear(words: &mut MaybeUninit<HeadWords>) {
    let first = words.as_mut_ptr().cast::<u64>();
    for number in 0..HEAD / 8 {
        // SAFETY: within the array.
        unsafe { first.add(number).write_volatile(0) };
    }
}

/// Judges one frame. `KNOWS` as for [`crate::conclude`].
#[inline(always)]
pub fn classify<P: Packet, const KNOWS: bool>(packet: &P) -> Verdict {
    if packet.is_ordinary() {
        return Verdict::UNTOUCHED;
    }
    let extent = packet.extent();
    let mut words = MaybeUninit::uninit();
    clear(&mut words);
    // SAFETY: as long as is said.
    if !unsafe { packet.load::<HEAD>(extent, words.as_mut_ptr().cast()) } {
        return Verdict::UNTOUCHED;
    }
    // SAFETY: every byte was written.
    let words = unsafe { words.assume_init_ref() };
    // SAFETY: the same bytes.
    let head: &[u8; HEAD] = unsafe { &*words.as_ptr().cast() };
    match admit::kind(head, extent.len as usize) {
        Kind::Other => Verdict::UNTOUCHED,
        Kind::Advert(family, vrid) => advert::<P, KNOWS>(packet, words, extent, family, vrid),
        Kind::Neighbour => {
            neighbour::read(head).map_or(Verdict::UNTOUCHED, |notice| heed(packet, &notice))
        }
    }
}

/// An advert that names a VRID: other people's pass untouched.
#[inline(always)]
fn advert<P: Packet, const KNOWS: bool>(
    packet: &P,
    words: &HeadWords,
    extent: Extent,
    family: Family,
    vrid: Vrid,
) -> Verdict {
    // SAFETY: the same bytes.
    let head: &[u8; HEAD] = unsafe { &*words.as_ptr().cast() };
    let key = RouterKey::new(packet.ifindex(), family, vrid);
    // SAFETY: the controller replaces an entry as a whole; one that is read while
    // it goes away judges one frame by the old rules.
    let Some(router) = (unsafe { ROUTERS.get(key) }) else {
        return Verdict::UNTOUCHED;
    };
    let slot = router.slot;
    if let Err(reason) = admit::admit(head, extent.len as usize, router) {
        return watch::note_refused(head, slot, reason);
    }
    let stamp = watch::now();
    if KNOWS && known::note(packet, words, slot, extent, stamp) {
        return Verdict {
            slot,
            what: What::Known,
        };
    }
    match budget::spend::<P, KNOWS>(packet, head, router, extent, stamp) {
        Ok(()) => watch::tell_advert(packet, slot, extent, stamp),
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
