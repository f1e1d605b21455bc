//! Counters of the packet-socket rung: what the maps are to the program at the
//! NIC. Written by the engine, read by anybody, without locks.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use vip_common::ids::MacAddr;
use vip_common::layout::{
    self, CLAIM_BUDGET_NANOS, Claim, Counter, Octets, Refused, RefusedKey, WATCH_BUDGET_NANOS,
};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use super::cell::Together;

/// How many refused sources are remembered.
const SOURCES: usize = 256;

/// Counters, claims and refused sources of all routers.
pub(super) struct Ledger {
    counters: Box<[AtomicU64]>,
    claims: Box<[ClaimCell]>,
    refused: Box<[RefusedCell]>,
}

/// Somebody's claim of an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// When.
    pub(super) stamp: MonoTime,
    /// Of which address.
    pub(super) address: Octets,
    /// Whose.
    pub(super) mac: MacAddr,
    /// Whether he is a stranger; only those are remembered.
    pub(super) stranger: bool,
    /// Whether the address is watched.
    pub(super) watched: bool,
}

#[derive(Default)]
struct ClaimCell {
    /// When one was last told.
    told: AtomicU64,
    /// Stamp, count, MAC, and the address in two halves.
    last: Together<5>,
}

/// Stamp, count, slot and reason with a mark that the place is taken, and the
/// source in two halves.
type RefusedCell = Together<5>;

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

    /// Notes a claim; whether the budget lets it be told.
    pub(super) fn note_claim(&self, slot: u32, heard: Heard) -> bool {
        let Some(cell) = self.claims.get(slot as usize) else {
            return false;
        };
        let stamp = heard.stamp.as_nanos();
        if heard.stranger {
            let [_, count, ..] = cell.last.mine();
            let [high, low] = halves(heard.address);
            cell.last
                .write([stamp, count + 1, mac_number(heard.mac), high, low]);
        }
        let budget = if heard.watched {
            WATCH_BUDGET_NANOS
        } else {
            CLAIM_BUDGET_NANOS
        };
        let told = cell.told.load(Ordering::Relaxed);
        let tell = told == 0 || stamp.saturating_sub(told) >= budget;
        if tell {
            cell.told.store(stamp, Ordering::Relaxed);
        }
        tell
    }

    /// The last claim of an address of the router by a stranger; `None` if there
    /// was none.
    pub(super) fn claim(&self, slot: u32) -> Option<Claim> {
        let cell = self.claims.get(slot as usize)?;
        let [stamp, count, mac, high, low] = cell.last.read()?;
        let [_, _, mac @ ..] = mac.to_be_bytes();
        (count > 0).then(|| Claim {
            stamp,
            told: cell.told.load(Ordering::Relaxed),
            count,
            address: joined(high, low),
            mac: MacAddr(mac),
            pad: [0; 2],
        })
    }

    /// Notes whose advert was refused. The source that was silent longest gives
    /// its place to a new one.
    pub(super) fn note_refused(
        &self,
        slot: u32,
        stamp: MonoTime,
        source: IpAddr,
        reason: RejectReason,
    ) {
        let what = pack(slot, reason);
        let [high, low] = halves(layout::octets(source));
        let same = |cell: &&RefusedCell| {
            let [_, _, there @ ..] = cell.mine();
            there == [what, high, low]
        };
        let silence = |cell: &&RefusedCell| {
            let [stamp, ..] = cell.mine();
            stamp
        };
        let found = self.refused.iter().find(same);
        let count = found.map_or(0, |cell| {
            let [_, count, ..] = cell.mine();
            count
        });
        if let Some(cell) = found.or_else(|| self.refused.iter().min_by_key(silence)) {
            cell.write([stamp.as_nanos(), count + 1, what, high, low]);
        }
    }

    /// Whose adverts were refused.
    pub(super) fn refused(&self) -> impl Iterator<Item = (RefusedKey, Refused)> {
        self.refused.iter().filter_map(|cell| {
            let [stamp, count, what, high, low] = cell.read()?;
            let (slot, reason) = unpack(what)?;
            let key = RefusedKey {
                slot,
                source: joined(high, low),
                reason,
            };
            Some((key, Refused { count, stamp }))
        })
    }
}

fn mac_number(mac: MacAddr) -> u64 {
    mac.0
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn halves(octets: Octets) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, low @ ..] = octets;
    [
        u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        u64::from_be_bytes(low),
    ]
}

fn joined(high: u64, low: u64) -> Octets {
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

/// Slot and reason, and a mark that the place is taken.
fn pack(slot: u32, reason: RejectReason) -> u64 {
    1 << 63 | u64::from(reason as u8) << 32 | u64::from(slot)
}

fn unpack(word: u64) -> Option<(u32, u32)> {
    let [mark, _, _, reason, slot @ ..] = word.to_be_bytes();
    (mark & 0x80 != 0).then(|| (u32::from_be_bytes(slot), u32::from(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn at(nanos: u64) -> MonoTime {
        MonoTime::from_nanos(nanos)
    }

    #[test]
    fn claims_are_told_once_a_second() {
        let ledger = Ledger::new(2);
        let mac = MacAddr([2, 3, 4, 5, 6, 7]);
        let address = layout::mapped([10, 0, 0, 1]);
        let heard = |nanos| Heard {
            stamp: at(nanos),
            address,
            mac,
            stranger: true,
            watched: false,
        };
        let note = |nanos| ledger.note_claim(1, heard(nanos));
        assert!(note(5));
        assert!(!note(CLAIM_BUDGET_NANOS));
        assert!(note(CLAIM_BUDGET_NANOS + 5));
        let claim = ledger.claim(1).unwrap();
        assert_eq!((claim.count, claim.mac, claim.address), (3, mac, address));
        assert_eq!(claim.told, CLAIM_BUDGET_NANOS + 5);
        assert_eq!(ledger.claim(0), None);
        assert!(!ledger.note_claim(2, heard(5)), "no room");
    }

    #[test]
    fn claims_of_a_watched_address_are_told_at_once_and_are_no_strangers() {
        let ledger = Ledger::new(1);
        let note = |nanos, stranger| {
            let heard = Heard {
                stamp: at(nanos),
                address: layout::octets(IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1])),
                mac: MacAddr([2, 3, 4, 5, 6, 7]),
                stranger,
                watched: true,
            };
            ledger.note_claim(0, heard)
        };
        assert!(note(5, true));
        assert!(!note(WATCH_BUDGET_NANOS, false));
        assert!(note(WATCH_BUDGET_NANOS + 5, false));
        let claim = ledger.claim(0).unwrap();
        assert_eq!((claim.count, claim.stamp), (1, 5));
        assert_eq!(claim.address(), IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1]));
    }

    #[test]
    fn refused_sources_are_kept_apart_and_the_oldest_goes() {
        let ledger = Ledger::new(1);
        // Every other one of IPv6, and alike in the last bytes.
        let source = |n: usize| match u32::try_from(n).unwrap() {
            n if n % 2 == 0 => IpAddr::from(Ipv4Addr::from(n)),
            n => IpAddr::from(Ipv6Addr::from(u128::from(n - 1) | 0xfe80 << 112)),
        };
        for n in 0..SOURCES {
            ledger.note_refused(0, at(n as u64 + 1), source(n), RejectReason::Ttl);
        }
        ledger.note_refused(0, at(1_000), source(0), RejectReason::Ttl);
        ledger.note_refused(0, at(1_001), source(0), RejectReason::Type);
        let all: Vec<_> = ledger.refused().collect();
        assert_eq!(all.len(), SOURCES);
        let of = |n: usize, reason: RejectReason| {
            all.iter()
                .find(|(key, _)| key.source() == source(n) && key.reason == u32::from(reason as u8))
                .map(|(_, refused)| (refused.count, refused.stamp))
        };
        assert_eq!(of(0, RejectReason::Ttl), Some((2, 1_000)));
        assert_eq!(of(0, RejectReason::Type), Some((1, 1_001)));
        assert_eq!(of(1, RejectReason::Ttl), None, "it was silent longest");
        assert_eq!(of(2, RejectReason::Ttl), Some((1, 3)));
        assert!(all.iter().all(|(key, _)| key.slot == 0));
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
