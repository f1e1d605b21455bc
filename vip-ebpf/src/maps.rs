//! The maps, as [`vip_common::layout`] describes them. The controller sizes
//! those that grow with the number of routers before it loads the programs.

use core::arch::asm;

use aya_ebpf::bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, RingBuf};
use vip_common::layout::{
    AddressEntry, AddressKey, Claim, Counter, REFUSED_SOURCES, RING_BYTES, Refused, RefusedKey,
    RouterEntry, RouterKey,
};

/// Which VRIDs are ours, and what their adverts must look like.
#[map]
pub static ROUTERS: HashMap<RouterKey, RouterEntry> = HashMap::with_max_entries(1, 0);

/// Which addresses are ours, and who may speak for them. There is room for many more
/// than there are, for a reload: it takes memory only when it is used.
#[map]
pub static ADDRESSES: HashMap<AddressKey, AddressEntry> =
    HashMap::with_max_entries(1, BPF_F_NO_PREALLOC);

/// The last stranger who claimed an address, by router.
#[map]
pub static CLAIMS: Array<Claim> = Array::with_max_entries(1, 0);

/// Whose adverts are refused and why. The least recent source goes, so that
/// forged sources cost nothing but each other's places.
#[map]
pub static REFUSED: LruHashMap<RefusedKey, Refused> =
    LruHashMap::with_max_entries(REFUSED_SOURCES, 0);

/// Counters by router. Whoever reads them reads many: without a system call for each.
#[map]
pub static COUNTERS: Array<u64> = Array::with_max_entries(Counter::PER_ROUTER, BPF_F_MMAPABLE);

/// What the engine is to hear of at once.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// One more.
#[inline(always)]
pub fn count(counter: Counter, slot: u32) {
    if let Some(cell) = COUNTERS.get_ptr_mut(counter.index(slot)) {
        add_one(cell);
    }
}

/// Adds one to a number that other processors add to as well. The language's
/// own atomics have no addition on this target.
#[inline(always)]
pub fn add_one(cell: *mut u64) {
    // SAFETY: a number in a map: aligned, and alive while the program runs.
    unsafe { asm!("lock *(u64 *)({cell} + 0) += {one}", cell = in(reg) cell, one = in(reg) 1_u64) };
}
