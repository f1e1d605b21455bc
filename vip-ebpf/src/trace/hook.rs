//! A frame at TCX, on its way in or out.

use core::mem::MaybeUninit;
use core::ptr::addr_of_mut;

use aya_ebpf::helpers::bpf_ktime_get_ns;
use vip_common::layout::trace::{LargeSight, SightHeader, SightKind, SmallSight};
use vip_common::layout::{LARGE_FRAME, SMALL_FRAME};
use vip_common::wire::HEAD;
use vip_common::wire::admit::{self, Kind};
use vip_common::wire::neighbour;

use crate::maps::{CLAIMED, SIGHTS, count_lost};
use crate::packet::{Extent, Packet};

/// Tells of it, if it is an advert of anybody's, or claims an address of one.
#[inline(always)]
pub fn look<P: Packet>(packet: &P, kind: SightKind) {
    if packet.is_ordinary() {
        return;
    }
    let extent = packet.extent();
    let mut words = MaybeUninit::<[u64; HEAD / 8]>::uninit();
    let first = words.as_mut_ptr().cast::<u64>();
    // Word by word: left to itself the compiler calls a function that clears byte by
    // byte.
    for number in 0..HEAD / 8 {
        // SAFETY: within the array.
        unsafe { first.add(number).write_volatile(0) };
    }
    // SAFETY: as long as is said.
    if !unsafe { packet.load::<HEAD>(extent, words.as_mut_ptr().cast()) } {
        return;
    }
    // SAFETY: every byte was written.
    let head: &[u8; HEAD] = unsafe { &*words.as_ptr().cast() };
    let wanted = match admit::kind(head, extent.len as usize) {
        Kind::Other => false,
        Kind::Advert(..) => true,
        Kind::Neighbour => neighbour::read(head).is_some_and(|notice| {
            // SAFETY: the value is not used.
            unsafe { CLAIMED.get(notice.claims) }.is_some()
        }),
    };
    if !wanted {
        return;
    }
    if extent.len <= SMALL_FRAME as u64 {
        tell_small(packet, extent, kind);
    } else {
        tell_large(packet, extent, kind);
    }
}

macro_rules! tell {
    ($name:ident, $record:ty, $room:expr) => {
        /// Copies it into the ring, as far as there is room.
        #[inline(always)]
        fn $name<P: Packet>(packet: &P, extent: Extent, kind: SightKind) {
            let Some(mut record) = SIGHTS.reserve::<$record>(0) else {
                count_lost();
                return;
            };
            let at = record.as_mut_ptr();
            // SAFETY: the record is ours until it is submitted, and its frame as
            // long as is said. What is left of it beyond `len` is read by nobody.
            let copied = unsafe {
                addr_of_mut!((*at).header).write(SightHeader {
                    stamp: bpf_ktime_get_ns(),
                    location: 0,
                    ifindex: packet.ifindex(),
                    len: extent.len.min($room as u64) as u32,
                    frame_len: extent.len as u32,
                    reason: 0,
                    kind: kind as u32,
                    pad: 0,
                });
                packet.load::<$room>(extent, addr_of_mut!((*at).frame).cast())
            };
            if copied {
                record.submit(0);
            } else {
                record.discard(0);
            }
        }
    };
}

tell!(tell_small, SmallSight, SMALL_FRAME);
tell!(tell_large, LargeSight, LARGE_FRAME);
