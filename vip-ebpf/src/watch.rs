//! What is told of a frame that is ours.

use core::ptr::addr_of_mut;

use aya_ebpf::helpers::bpf_ktime_get_ns;
use vip_common::ids::MacAddr;
use vip_common::layout::{
    CLAIM_BUDGET_NANOS, EventHeader, EventKind, LARGE_FRAME, LargeEvent, Refused, RefusedKey,
    SMALL_FRAME, SmallEvent,
};
use vip_common::reject::RejectReason;
use vip_common::wire::HEAD;

use crate::maps::{CLAIMS, EVENTS, REFUSED, add_one};
use crate::packet::{Extent, Packet};
use crate::{Verdict, What};

/// Source address in a frame that was refused: a name for the list of the
/// refused and nothing else, so a malformed header may put anything there.
const SOURCE: usize = 14 + 12;

/// Stamps an advert, copies it whole into the ring and wakes the engine.
#[inline(always)]
pub fn tell_advert<P: Packet>(packet: &P, slot: u32, extent: Extent) -> Verdict {
    let told = if extent.len <= SMALL_FRAME as u64 {
        tell_small(packet, slot, extent)
    } else {
        tell_large(packet, slot, extent)
    };
    let what = if told { What::Taken } else { What::Lost };
    Verdict { slot, what }
}

macro_rules! tell {
    ($name:ident, $record:ty, $room:expr) => {
        /// `false` if the ring is full.
        #[inline(always)]
        fn $name<P: Packet>(packet: &P, slot: u32, extent: Extent) -> bool {
            let stamp = now();
            let Some(mut record) = EVENTS.reserve::<$record>(0) else {
                return false;
            };
            let at = record.as_mut_ptr();
            // What lies beyond the room is padding: the longest advert that may
            // pass takes 14 + 60 + 8 + 255 * 4 + 8 bytes.
            let len = extent.len.min($room as u64);
            // SAFETY: the record is ours until it is submitted, and its frame as
            // long as is said. What is left of it beyond `len` is read by nobody.
            let copied = unsafe {
                addr_of_mut!((*at).header).write(EventHeader {
                    stamp,
                    slot,
                    ifindex: packet.ifindex(),
                    len: len as u32,
                    kind: EventKind::Advert as u32,
                });
                packet.load::<$room>(extent, addr_of_mut!((*at).frame).cast())
            };
            if copied {
                record.submit(0);
            } else {
                record.discard(0);
            }
            copied
        }
    };
}

tell!(tell_small, SmallEvent, SMALL_FRAME);
tell!(tell_large, LargeEvent, LARGE_FRAME);

/// Remembers whose advert was refused.
#[inline(always)]
pub fn note_refused(head: &[u8; HEAD], slot: u32, reason: RejectReason) -> Verdict {
    let key = RefusedKey {
        slot,
        source: [
            head[SOURCE],
            head[SOURCE + 1],
            head[SOURCE + 2],
            head[SOURCE + 3],
        ],
        reason: reason as u32,
    };
    let stamp = now();
    match REFUSED.get_ptr_mut(key) {
        Some(refused) => {
            // SAFETY: the value lives while the program runs; if its place goes to
            // another source just now, that one's count is one too high.
            unsafe {
                add_one(addr_of_mut!((*refused).count));
                addr_of_mut!((*refused).stamp).write(stamp);
            }
        }
        None => {
            // Where there is no room the counter by reason still tells.
            let _ = REFUSED.insert(key, Refused { count: 1, stamp }, 0);
        }
    }
    Verdict {
        slot,
        what: What::Refused(reason),
    }
}

/// Remembers a stranger's claim, and sends it up when the router's budget
/// allows.
#[inline(always)]
pub fn tell_claim(ifindex: u32, slot: u32, address: [u8; 4], mac: MacAddr) -> Verdict {
    let stamp = now();
    let Some(claim) = CLAIMS.get_ptr_mut(slot) else {
        return Verdict::UNTOUCHED;
    };
    // SAFETY: the value lives while the program runs. Processors that write at
    // the same time may mix two claims or send both up; neither decides anything.
    let told = unsafe {
        add_one(addr_of_mut!((*claim).count));
        addr_of_mut!((*claim).stamp).write(stamp);
        addr_of_mut!((*claim).address).write(address);
        addr_of_mut!((*claim).mac).write(mac);
        addr_of_mut!((*claim).told).read()
    };
    if told == 0 || stamp - told >= CLAIM_BUDGET_NANOS {
        send_claim(stamp, ifindex, slot, address, mac);
        // SAFETY: as above.
        unsafe { addr_of_mut!((*claim).told).write(stamp) };
    }
    Verdict {
        slot,
        what: What::Claimed,
    }
}

/// The record of a claim: address and MAC in place of a frame.
#[inline(always)]
fn send_claim(stamp: u64, ifindex: u32, slot: u32, address: [u8; 4], mac: MacAddr) {
    // A full ring loses it; it stays in the map.
    if let Some(mut record) = EVENTS.reserve::<SmallEvent>(0) {
        let at = record.as_mut_ptr();
        // SAFETY: the record is ours until it is submitted, and its frame has
        // room for both.
        unsafe {
            addr_of_mut!((*at).header).write(EventHeader {
                stamp,
                slot,
                ifindex,
                len: 10,
                kind: EventKind::Claim as u32,
            });
            let frame = addr_of_mut!((*at).frame).cast::<u8>();
            frame.cast::<[u8; 4]>().write(address);
            frame.add(4).cast::<MacAddr>().write(mac);
        }
        record.submit(0);
    }
}

/// The moment, on `CLOCK_MONOTONIC`.
#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper has no conditions.
    unsafe { bpf_ktime_get_ns() }
}
