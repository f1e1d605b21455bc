//! What everybody may read: counters, refusals, claims.

use std::sync::Arc;

use vip_common::layout::{Claim, Counter, Refused, RefusedKey};

use super::ledger::Ledger;
use super::object::{Claims, Counters, RefusedSources};

/// Readings of the ear, the program's and the packet sockets' together. Cheap to
/// clone. Reading asks the kernel and allocates, so it is not for the engine.
#[derive(Clone)]
pub struct Gauges(Arc<Inner>);

struct Inner {
    maps: Option<Maps>,
    ledger: Arc<Ledger>,
}

/// The program's own counters.
pub(super) struct Maps {
    pub(super) counters: Counters,
    pub(super) refused: RefusedSources,
    pub(super) claims: Claims,
}

impl Gauges {
    pub(super) fn new(maps: Option<Maps>, ledger: Arc<Ledger>) -> Self {
        Self(Arc::new(Inner { maps, ledger }))
    }

    /// A counter of the router of this number.
    #[must_use]
    pub fn counter(&self, slot: u32, counter: Counter) -> u64 {
        let inner = &*self.0;
        let at_nic = inner.maps.as_ref().map_or(0, |maps| {
            maps.counters.get(&counter.index(slot), 0).unwrap_or(0)
        });
        at_nic + inner.ledger.counter(slot, counter)
    }

    /// Whose adverts for the router were refused, why, how often and when
    /// last; the latest first.
    #[must_use]
    pub fn refused(&self, slot: u32) -> Vec<(RefusedKey, Refused)> {
        let inner = &*self.0;
        let mut refused: Vec<_> = inner.ledger.refused(slot).collect();
        if let Some(maps) = &inner.maps {
            // An entry that goes away under the walk is a source that was evicted.
            let at_nic = maps.refused.iter().filter_map(Result::ok);
            refused.extend(
                at_nic
                    .map(|(key, value)| (key.0, value.0))
                    .filter(|(key, _)| key.slot == slot),
            );
        }
        refused.sort_by_key(|(_, refused)| std::cmp::Reverse(refused.stamp));
        refused
    }

    /// The last stranger who claimed an address of the router.
    #[must_use]
    pub fn claim(&self, slot: u32) -> Option<Claim> {
        let inner = &*self.0;
        let at_nic = inner
            .maps
            .as_ref()
            .and_then(|maps| maps.claims.get(&slot, 0).ok())
            .map(|claim| claim.0)
            .filter(|claim| claim.count > 0);
        let here = inner.ledger.claim(slot);
        match (at_nic, here) {
            (Some(at_nic), Some(here)) => {
                let count = at_nic.count + here.count;
                let last = if here.stamp > at_nic.stamp {
                    here
                } else {
                    at_nic
                };
                Some(Claim { count, ..last })
            }
            (at_nic, here) => at_nic.or(here),
        }
    }
}
