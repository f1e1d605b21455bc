//! How many adverts may wake the engine: what a flood of well-formed ones, by
//! whomever and for as many routers as it likes, cannot go beyond.
//!
//! As long as few come, one bucket for all of them is all that is looked at
//! ([`CALM`]). When that is empty, every advert must add up, and the router that is
//! followed has a bucket of its own, which no other can empty; anybody else
//! pays from that of his address ([`SOURCE`]) and then from that of all others who
//! speak to the router ([`STRANGERS`], [`INTRUDERS`]). The known advert pays nothing.
//! The one that was known last, in every byte, has a bucket of its own as well: whoever
//! forges all that he can of the followed router, both its addresses, and says something
//! else, ends what is lent, but does not keep its next advert from being heard.
//!
//! All rates hold whatever the interval, which in version 3 is the sender's to
//! choose: the shortest there is is 10 ms.

use super::Octets;

/// How many may come at once, and how often one more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// In ns for each.
    pub gap: u64,
    /// At once.
    pub burst: u64,
}

/// Of all adverts of all routers: what the engine hears without being held up.
pub const CALM: Budget = Budget {
    gap: 100_000,
    burst: 64,
};

/// Of one source to one router: four times what the shortest interval takes.
pub const SOURCE: Budget = Budget {
    gap: 2_500_000,
    burst: 16,
};

/// Of the one that a router follows whose adverts are signed. Forgeries with a signature
/// spend it too, which only the engine can tell: as many as it can look at.
pub const SIGNED: Budget = Budget {
    gap: 100_000,
    burst: 64,
};

/// Of all sources to a router that follows none.
pub const STRANGERS: Budget = Budget {
    gap: 1_000_000,
    burst: 64,
};

/// Of all sources to a router but the one that it follows: enough for another that
/// takes over at the shortest interval, twice.
pub const INTRUDERS: Budget = Budget {
    gap: 5_000_000,
    burst: 64,
};

impl Budget {
    /// A bucket after one more at `now`; `None` if there is no room for it. A bucket
    /// is the time at which it will be full again; zero is a full one.
    #[inline(always)]
    #[must_use]
    pub const fn spend(self, bucket: u64, now: u64) -> Option<u64> {
        let start = if bucket > now { bucket } else { now };
        let after = start.saturating_add(self.gap);
        if after - now <= self.gap * self.burst {
            Some(after)
        } else {
            None
        }
    }
}

/// The buckets of one router.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Buckets {
    /// Of the source that it follows.
    pub followed: u64,
    /// Of that source's advert that was known last.
    pub again: u64,
    /// Of all others.
    pub others: u64,
}

/// Whose bucket it is in `SOURCES`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct SourceKey {
    /// The router's number.
    pub slot: u32,
    /// The source.
    pub source: Octets,
}

/// How many sources `SOURCES` remembers. One that is forgotten begins anew; what it
/// can gain is bounded by the bucket of all strangers.
pub const BUDGETED_SOURCES: u32 = 1024;

const _: () = {
    assert!(size_of::<Buckets>() == 24);
    assert!(size_of::<SourceKey>() == 20);
};

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of those that come at these times pass.
    fn passed(budget: Budget, times: impl Iterator<Item = u64>) -> u64 {
        let (mut bucket, mut count) = (0, 0);
        for now in times {
            if let Some(after) = budget.spend(bucket, now) {
                (bucket, count) = (after, count + 1);
            }
        }
        count
    }

    #[test]
    fn at_once_comes_a_burst_and_then_one_for_each_gap() {
        for budget in [CALM, SOURCE, SIGNED, STRANGERS, INTRUDERS] {
            let at_once = core::iter::repeat_n(1_000_000_000, 1000);
            assert_eq!(passed(budget, at_once), budget.burst);
            // A thousand for each gap, ten gaps long.
            let flood = (0..10_000).map(|n| 1_000_000_000 + n * budget.gap / 1000);
            let count = passed(budget, flood);
            assert!(
                (budget.burst + 9..=budget.burst + 10).contains(&count),
                "{count}"
            );
        }
    }

    #[test]
    fn whoever_keeps_the_pace_always_passes() {
        for budget in [CALM, SOURCE, SIGNED, STRANGERS, INTRUDERS] {
            let paced = (0..10_000).map(|n| 1_000_000_000 + n * budget.gap);
            assert_eq!(passed(budget, paced), 10_000);
        }
        // Four of the shortest interval, all at its end.
        let adverts = (0..4000).map(|n| 1_000_000_000 + n / 4 * 10_000_000);
        assert_eq!(passed(SOURCE, adverts), 4000);
    }

    #[test]
    fn an_exhausted_bucket_fills_again() {
        let first = core::iter::repeat_n(1_000_000_000, 100);
        let later = core::iter::repeat_n(1_000_000_000 + 16 * SOURCE.gap, 100);
        assert_eq!(passed(SOURCE, first.chain(later)), 32);
    }

    #[test]
    fn no_time_overflows() {
        assert_eq!(SOURCE.spend(u64::MAX, 0), None);
        assert_eq!(SOURCE.spend(u64::MAX, u64::MAX), Some(u64::MAX));
        assert_eq!(SOURCE.spend(0, 0), Some(SOURCE.gap));
    }
}
