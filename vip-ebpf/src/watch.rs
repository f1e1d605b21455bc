//! What is told of a frame that is ours.

use core::ptr::addr_of_mut;

use aya_ebpf::helpers::bpf_ktime_get_ns;
use vip_common::layout::{
    CLAIM_BUDGET_NANOS, ClaimNews, EventHeader, EventKind, LARGE_FRAME, LargeEvent, Refused,
    RefusedKey, SMALL_FRAME, SmallEvent, WATCH_BUDGET_NANOS,
};
use vip_common::reject::RejectReason;
use vip_common::wire::neighbour::Notice;
use vip_common::wire::{HEAD, admit};

use crate::maps::{CLAIMS, EVENTS, REFUSED, add_one};
use crate::packet::{Extent, Packet};
use crate::{Verdict, What};

/// Copies an advert whole into the ring, with its stamp, and wakes the engine.
#[inline(always)]
pub fn tell_advert<P: Packet>(packet: &P, slot: u32, extent: Extent, stamp: u64) -> Verdict {
    let told = if extent.len <= SMALL_FRAME as u64 {
        tell_small(packet, slot, extent, stamp)
    } else {
        tell_large(packet, slot, extent, stamp)
    };
    let what = if told { What::Taken } else { What::Lost };
    Verdict { slot, what }
}

macro_rules! tell {
    ($name:ident, $record:ty, $room:expr) => {
        /// `false` if the ring is full.
        #[inline(always)]
        fn $name<P: Packet>(packet: &P, slot: u32, extent: Extent, stamp: u64) -> bool {
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
        source: admit::source(head),
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

/// Remembers a stranger's claim, and sends any claim up when the router's budget
/// allows.
#[inline(always)]
pub fn tell_claim(
    ifindex: u32,
    slot: u32,
    notice: &Notice,
    stranger: bool,
    watched: bool,
) -> Verdict {
    let stamp = now();
    let Some(claim) = CLAIMS.get_ptr_mut(slot) else {
        return Verdict::UNTOUCHED;
    };
    if stranger {
        // SAFETY: the value lives while the program runs. Processors that write at
        // the same time may mix two claims or send both up; neither decides
        // anything.
        unsafe {
            add_one(addr_of_mut!((*claim).count));
            addr_of_mut!((*claim).stamp).write(stamp);
            addr_of_mut!((*claim).address).write(notice.claims);
            addr_of_mut!((*claim).mac).write(notice.mac);
        }
    }
    let budget = if watched {
        WATCH_BUDGET_NANOS
    } else {
        CLAIM_BUDGET_NANOS
    };
    // SAFETY: as above.
    let told = unsafe { addr_of_mut!((*claim).told).read() };
    if told == 0 || stamp - told >= budget {
        send_claim(stamp, ifindex, slot, notice);
        // SAFETY: as above.
        unsafe { addr_of_mut!((*claim).told).write(stamp) };
    }
    let what = if stranger {
        What::Claimed
    } else {
        What::Untouched
    };
    Verdict { slot, what }
}

/// The record of a claim.
#[inline(always)]
fn send_claim(stamp: u64, ifindex: u32, slot: u32, notice: &Notice) {
    // A full ring loses it; a stranger's stays in the map.
    if let Some(mut record) = EVENTS.reserve::<SmallEvent>(0) {
        let at = record.as_mut_ptr();
        // SAFETY: the record is ours until it is submitted, and its frame has
        // room for the news, which may begin anywhere.
        unsafe {
            addr_of_mut!((*at).header).write(EventHeader {
                stamp,
                slot,
                ifindex,
                len: size_of::<ClaimNews>() as u32,
                kind: EventKind::Claim as u32,
            });
            addr_of_mut!((*at).frame)
                .cast::<ClaimNews>()
                .write(ClaimNews {
                    address: notice.claims,
                    mac: notice.mac,
                });
        }
        record.submit(0);
    }
}

/// The moment, on `CLOCK_MONOTONIC`.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper has no conditions.
    unsafe { bpf_ktime_get_ns() }
}
