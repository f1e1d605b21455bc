//! What everybody may read: counters, refusals, claims.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use vip_common::layout::{Claim, Counter, Refused, RefusedKey};

use super::ledger::Ledger;
use super::mapping::Mapping;
use super::object::{Claims, RefusedSources};

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
    pub(super) counters: Mapping,
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
            let cell = maps.counters.element(counter.index(slot));
            let cell = cell.and_then(<[_]>::first);
            cell.map_or(0, |cell| cell.load(Ordering::Relaxed))
        });
        at_nic + inner.ledger.counter(slot, counter)
    }

    /// Whose adverts for the routers were refused, why, how often and when last; by
    /// router, the latest first. One walk for all, since each looks at all there are.
    #[must_use]
    pub fn refused(&self) -> HashMap<u32, Vec<(RefusedKey, Refused)>> {
        let inner = &*self.0;
        let maps = inner.maps.as_ref();
        // An entry that goes away under the walk is a source that was evicted.
        let at_nic = maps.map(|maps| maps.refused.iter().filter_map(Result::ok));
        let at_nic = at_nic.into_iter().flatten();
        let at_nic = at_nic.map(|(key, value)| (key.0, value.0));
        let mut refused: HashMap<u32, Vec<_>> = HashMap::new();
        for one in inner.ledger.refused().chain(at_nic) {
            refused.entry(one.0.slot).or_default().push(one);
        }
        for of_router in refused.values_mut() {
            of_router.sort_by_key(|(_, refused)| std::cmp::Reverse(refused.stamp));
        }
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
