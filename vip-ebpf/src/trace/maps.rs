//! The maps, as [`vip_common::layout::trace`] describes them.

use core::arch::asm;

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, RingBuf};
use vip_common::layout::Octets;
use vip_common::layout::trace::{CLAIMED_ADDRESSES, KernelShape, SIGHTS_RING_BYTES};

/// How the running kernel lays out a packet.
#[map]
pub static KERNEL: Array<KernelShape> = Array::with_max_entries(1, 0);

/// The virtual addresses whose claims are looked at.
#[map]
pub static CLAIMED: HashMap<Octets, u8> = HashMap::with_max_entries(CLAIMED_ADDRESSES, 0);

/// How many sights found no room in the ring.
#[map]
static LOST: Array<u64> = Array::with_max_entries(1, 0);

/// What was seen.
#[map]
pub static SIGHTS: RingBuf = RingBuf::with_byte_size(SIGHTS_RING_BYTES, 0);

/// One more that found no room.
#[inline(always)]
pub fn count_lost() {
    if let Some(cell) = LOST.get_ptr_mut(0) {
        // SAFETY: a number in a map: aligned, and alive while the program runs. The
        // language's own atomics have no addition on this target.
        unsafe {
            asm!("lock *(u64 *)({cell} + 0) += {one}", cell = in(reg) cell, one = in(reg) 1_u64);
        }
    }
}
