//! Counters of the packet-socket rung: what the maps are to the program at the
//! NIC. Written by the engine, read by anybody, without locks.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};

use vip_common::ids::MacAddr;
use vip_common::layout::{CLAIM_BUDGET_NANOS, Claim, Counter, Refused, RefusedKey};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

/// How many refused sources are remembered.
const SOURCES: usize = 256;

/// Counters, claims and refused sources of all routers.
pub(super) struct Ledger {
    counters: Box<[AtomicU64]>,
    claims: Box<[ClaimCell]>,
    refused: Box<[RefusedCell]>,
}

#[derive(Default)]
struct ClaimCell {
    stamp: AtomicU64,
    told: AtomicU64,
    count: AtomicU64,
    /// MAC in the low six bytes, so that it is read as it was written.
    mac: AtomicU64,
    address: AtomicU64,
}

/// One source; the key's zero is an empty cell, since no source is 0.0.0.0 with
/// slot 0 and reason 0 without the mark.
#[derive(Default)]
struct RefusedCell {
    key: AtomicU64,
    count: AtomicU64,
    stamp: AtomicU64,
}

impl Ledger {
    /// With room for so many routers; everything is allocated here.
    pub(super) fn new(capacity: u32) -> Self {
        let capacity = capacity as usize;
        let counters = capacity * Counter::PER_ROUTER as usize;
        Self {
            counters: std::iter::repeat_with(AtomicU64::default)
                .take(counters)
                .collect(),
            claims: std::iter::repeat_with(ClaimCell::default)
                .take(capacity)
                .collect(),
            refused: std::iter::repeat_with(RefusedCell::default)
                .take(SOURCES)
                .collect(),
        }
    }

    /// One more.
    pub(super) fn count(&self, slot: u32, counter: Counter) {
        if let Some(cell) = self.counters.get(counter.index(slot) as usize) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many so far.
    pub(super) fn counter(&self, slot: u32, counter: Counter) -> u64 {
        self.counters
            .get(counter.index(slot) as usize)
            .map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    /// Notes a stranger's claim; whether the budget lets it be told.
    pub(super) fn note_claim(
        &self,
        slot: u32,
        stamp: MonoTime,
        address: [u8; 4],
        mac: MacAddr,
    ) -> bool {
        let Some(cell) = self.claims.get(slot as usize) else {
            return false;
        };
        let stamp = stamp.as_nanos();
        cell.count.fetch_add(1, Ordering::Relaxed);
        cell.stamp.store(stamp, Ordering::Relaxed);
        cell.address
            .store(u64::from(u32::from_be_bytes(address)), Ordering::Relaxed);
        cell.mac.store(mac_number(mac), Ordering::Relaxed);
        let told = cell.told.load(Ordering::Relaxed);
        let tell = told == 0 || stamp.saturating_sub(told) >= CLAIM_BUDGET_NANOS;
        if tell {
            cell.told.store(stamp, Ordering::Relaxed);
        }
        tell
    }

    /// The last claim of an address of the router; `None` if there was none.
    pub(super) fn claim(&self, slot: u32) -> Option<Claim> {
        let cell = self.claims.get(slot as usize)?;
        let count = cell.count.load(Ordering::Relaxed);
        let [_, _, mac @ ..] = cell.mac.load(Ordering::Relaxed).to_be_bytes();
        let [_, _, _, _, address @ ..] = cell.address.load(Ordering::Relaxed).to_be_bytes();
        (count > 0).then(|| Claim {
            stamp: cell.stamp.load(Ordering::Relaxed),
            told: cell.told.load(Ordering::Relaxed),
            count,
            address,
            mac: MacAddr(mac),
            pad: [0; 6],
        })
    }

    /// Notes whose advert was refused. The source that was silent longest gives
    /// its place to a new one.
    pub(super) fn note_refused(
        &self,
        slot: u32,
        stamp: MonoTime,
        source: Ipv4Addr,
        reason: RejectReason,
    ) {
        let key = pack(slot, source, reason);
        let found = self
            .refused
            .iter()
            .find(|cell| cell.key.load(Ordering::Relaxed) == key);
        let cell = found.or_else(|| {
            let oldest = self
                .refused
                .iter()
                .min_by_key(|cell| cell.stamp.load(Ordering::Relaxed))?;
            oldest.count.store(0, Ordering::Relaxed);
            oldest.key.store(key, Ordering::Relaxed);
            Some(oldest)
        });
        if let Some(cell) = cell {
            cell.stamp.store(stamp.as_nanos(), Ordering::Relaxed);
            cell.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whose adverts for the router were refused.
    pub(super) fn refused(&self, slot: u32) -> impl Iterator<Item = (RefusedKey, Refused)> {
        self.refused.iter().filter_map(move |cell| {
            let key = unpack(cell.key.load(Ordering::Relaxed))?;
            let refused = Refused {
                count: cell.count.load(Ordering::Relaxed),
                stamp: cell.stamp.load(Ordering::Relaxed),
            };
            (key.slot == slot && refused.count > 0).then_some((key, refused))
        })
    }
}

fn mac_number(mac: MacAddr) -> u64 {
    mac.0
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// One word of a key: a mark that it is taken, slot, reason, source.
fn pack(slot: u32, source: Ipv4Addr, reason: RejectReason) -> u64 {
    1 << 63
        | u64::from(slot & 0x007f_ffff) << 40
        | u64::from(reason as u8) << 32
        | u64::from(u32::from(source))
}

fn unpack(word: u64) -> Option<RefusedKey> {
    let [high, middle, low, reason, source @ ..] = word.to_be_bytes();
    (high & 0x80 != 0).then(|| RefusedKey {
        slot: u32::from_be_bytes([0, high & 0x7f, middle, low]),
        source,
        reason: u32::from(reason),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> MonoTime {
        MonoTime::from_nanos(nanos)
    }

    #[test]
    fn claims_are_told_once_a_second() {
        let ledger = Ledger::new(2);
        let mac = MacAddr([2, 3, 4, 5, 6, 7]);
        let note = |nanos| ledger.note_claim(1, at(nanos), [10, 0, 0, 1], mac);
        assert!(note(5));
        assert!(!note(CLAIM_BUDGET_NANOS));
        assert!(note(CLAIM_BUDGET_NANOS + 5));
        let claim = ledger.claim(1).unwrap();
        assert_eq!(
            (claim.count, claim.mac, claim.address),
            (3, mac, [10, 0, 0, 1])
        );
        assert_eq!(claim.told, CLAIM_BUDGET_NANOS + 5);
        assert_eq!(ledger.claim(0), None);
        assert!(!ledger.note_claim(2, at(5), [10, 0, 0, 1], mac), "no room");
    }

    #[test]
    fn refused_sources_are_kept_apart_and_the_oldest_goes() {
        let ledger = Ledger::new(1);
        let source = |n: usize| Ipv4Addr::from(u32::try_from(n).unwrap());
        for n in 0..SOURCES {
            ledger.note_refused(0, at(n as u64 + 1), source(n), RejectReason::Ttl);
        }
        ledger.note_refused(0, at(1_000), source(0), RejectReason::Ttl);
        ledger.note_refused(0, at(1_001), source(0), RejectReason::Type);
        let all: Vec<_> = ledger.refused(0).collect();
        assert_eq!(all.len(), SOURCES);
        let of = |n: usize, reason: RejectReason| {
            all.iter()
                .find(|(key, _)| {
                    key.source == source(n).octets() && key.reason == u32::from(reason as u8)
                })
                .map(|(_, refused)| (refused.count, refused.stamp))
        };
        assert_eq!(of(0, RejectReason::Ttl), Some((2, 1_000)));
        assert_eq!(of(0, RejectReason::Type), Some((1, 1_001)));
        assert_eq!(of(1, RejectReason::Ttl), None, "it was silent longest");
        assert_eq!(of(2, RejectReason::Ttl), Some((1, 3)));
        assert_eq!(ledger.refused(1).count(), 0);
    }

    #[test]
    fn counters_are_one_router_s_own() {
        let ledger = Ledger::new(2);
        ledger.count(1, Counter::Taken);
        ledger.count(7, Counter::Taken);
        assert_eq!(ledger.counter(1, Counter::Taken), 1);
        assert_eq!(ledger.counter(0, Counter::Taken), 0);
        assert_eq!(ledger.counter(7, Counter::Taken), 0);
    }
}
