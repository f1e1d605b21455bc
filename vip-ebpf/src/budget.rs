//! Whether an advert may wake the engine, or is one of too many
//! ([`vip_common::layout::budget`]).
//!
//! Processors that spend at the same time may both go by what was there before;
//! what they can gain is one advert for each of them.

use core::ptr::addr_of_mut;

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LruHashMap};
use vip_common::layout::budget::{Budget, CALM, INTRUDERS, SIGNED, SOURCE, STRANGERS};
use vip_common::layout::{BUDGETED_SOURCES, Buckets, RouterEntry, SourceKey, halves, mac_word};
use vip_common::reject::RejectReason;
use vip_common::wire::{HEAD, admit};

use crate::known;
use crate::packet::{Extent, Packet};

/// Of all adverts.
#[map(name = "CALM")]
static ALL: Array<u64> = Array::with_max_entries(1, 0);

/// By router.
#[map]
static BUCKETS: Array<Buckets> = Array::with_max_entries(1, 0);

/// By router and source. The least recent goes.
#[map]
static SOURCES: LruHashMap<SourceKey, u64> = LruHashMap::with_max_entries(BUDGETED_SOURCES, 0);

/// Whether this advert, which came at `now` and is not known, may go up. `KNOWS` as
/// for [`crate::conclude`].
#[inline(always)]
pub fn spend<P: Packet, const KNOWS: bool>(
    packet: &P,
    head: &[u8; HEAD],
    router: &RouterEntry,
    extent: Extent,
    now: u64,
) -> Result<(), RejectReason> {
    let Some(all) = ALL.get_ptr_mut(0) else {
        return Ok(());
    };
    // SAFETY: buckets live while the program runs.
    if unsafe { pay(all, CALM, now) } {
        return Ok(());
    }
    // What does not add up is not to spend what is another's.
    if KNOWS && !known::adds_up(packet, head, router, extent) {
        return Err(RejectReason::Checksum);
    }
    let slot = router.slot;
    let Some(buckets) = BUCKETS.get_ptr_mut(slot) else {
        return Ok(());
    };
    let source = admit::source(head);
    let followed = if KNOWS { known::followed(slot) } else { None };
    // Whoever forges its address alone does not spend what is its own.
    let sender = (halves(&source), mac_word(admit::source_mac(head)));
    let is_ok = if KNOWS && followed == Some(sender) && known::was_last(slot) {
        // SAFETY: as above.
        unsafe { pay(addr_of_mut!((*buckets).again), SOURCE, now) }
    } else if followed == Some(sender) {
        let budget = if router.has(RouterEntry::SIGNED) {
            SIGNED
        } else {
            SOURCE
        };
        // SAFETY: as above.
        unsafe { pay(addr_of_mut!((*buckets).followed), budget, now) }
    } else {
        let others = if followed.is_some() {
            INTRUDERS
        } else {
            STRANGERS
        };
        of_source(SourceKey { slot, source }, now)
            // SAFETY: as above.
            && unsafe { pay(addr_of_mut!((*buckets).others), others, now) }
    };
    if is_ok {
        Ok(())
    } else {
        Err(RejectReason::Budget)
    }
}

/// Pays from a source's bucket.
#[inline(always)]
fn of_source(key: SourceKey, now: u64) -> bool {
    match SOURCES.get_ptr_mut(key) {
        // SAFETY: it lives while the program runs; if its place goes to another
        // source just now, that one begins with less.
        Some(bucket) => unsafe { pay(bucket, SOURCE, now) },
        None => {
            // Where there is no room the bucket of all others still holds.
            let _ = SOURCES.insert(key, now.saturating_add(SOURCE.gap), 0);
            true
        }
    }
}

/// Pays from a bucket; `false` if there is not enough in it.
///
/// # Safety
///
/// It is of a map.
#[inline(always)]
unsafe fn pay(bucket: *mut u64, budget: Budget, now: u64) -> bool {
    // SAFETY: the caller's word.
    let before = unsafe { bucket.read_volatile() };
    match budget.spend(before, now) {
        Some(after) => {
            // SAFETY: as above.
            unsafe { bucket.write_volatile(after) };
            true
        }
        None => false,
    }
}
