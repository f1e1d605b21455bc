//! What a page is made of, read once.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::engine::meter::{Counts, Histogram, Meter, Reading};
use crate::engine::rt;
use crate::services::status::{Instance, Status};
use crate::services::view::two_masters;
use crate::services::{Services, State};

/// How everything stands at a moment.
#[derive(Clone, Debug)]
pub(in crate::services) struct Gathered {
    pub(super) status: Status,
    /// What there is of each instance of the status document beside that, in its order.
    pub(super) more: Vec<More>,
    /// Lines of the log that were dropped.
    pub(super) log_dropped: u64,
    /// When the configuration that runs was taken, in s since 1970.
    pub(super) taken_at: f64,
    /// When the daemon started, in s since 1970.
    pub(super) started_at: f64,
    pub(super) scrapes: u64,
    pub(super) turned_away: u64,
}

/// What the status document does not say of an instance.
#[derive(Clone, Debug)]
pub(super) struct More {
    pub(super) lateness: Counts,
    pub(super) gaps: Counts,
    /// By the phases of a takeover; nothing before the first.
    pub(super) phases: Vec<Counts>,
    pub(super) reading: Reading,
    /// Whether another program of this host speaks for it.
    pub(super) double: bool,
    /// Times that two masters were seen.
    pub(super) two_masters: u64,
    /// `garp_master_delay`.
    pub(super) garp_delay: Duration,
}

impl Gathered {
    pub(super) fn of(services: &Services, state: &State) -> Self {
        let mut status = services.view(state);
        let routers = services.plan.routers.iter().enumerate();
        // One that is gone keeps its name until it has left.
        let slots: HashMap<&str, usize> = routers
            .filter(|(_, router)| !router.vacant)
            .map(|(slot, router)| (&*router.name, slot))
            .collect();
        let mut more = Vec::new();
        status.instances.retain(|instance| {
            let slot = slots.get(&*instance.name).copied();
            let found = slot.and_then(|slot| of(services, state, slot));
            let is_there = found.is_some();
            more.extend(found);
            is_there
        });
        let ago = |span: Duration| {
            let then = SystemTime::now() - span;
            then.duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64()
        };
        Self {
            status,
            more,
            log_dropped: services.log.dropped(),
            taken_at: ago(state.renewal.taken_at.unwrap_or(state.started).elapsed()),
            started_at: ago(state.started.elapsed()),
            scrapes: services.metrics.scrapes,
            turned_away: services.turned_away(),
        }
    }

    /// Each instance, and what there is beside.
    pub(super) fn instances(&self) -> impl Iterator<Item = (&Instance, &More)> {
        self.status.instances.iter().zip(&self.more)
    }
}

fn of(services: &Services, state: &State, slot: usize) -> Option<More> {
    let meter = services.published.meter(slot)?;
    let router = services.plan.routers.get(slot)?;
    let name = &*router.name;
    Some(More {
        lateness: meter.lateness.read(),
        gaps: meter.gaps.read(),
        phases: phases(meter),
        reading: meter.read(),
        double: state.doubles.contains(&slot),
        two_masters: services.metrics.episodes.two_masters(name),
        garp_delay: router.params.garp.delay,
    })
}

fn phases(meter: &Meter) -> Vec<Counts> {
    let counts: Vec<_> = meter.phases.iter().map(Histogram::read).collect();
    let is_empty = counts.iter().all(|one| one.count == 0);
    if is_empty { Vec::new() } else { counts }
}

/// What begins and ends between two scrapes.
#[derive(Debug, Default)]
pub(super) struct Episodes {
    /// By instance: whether there were two masters at the last look, and how often that
    /// has begun.
    two: HashMap<String, (bool, u64)>,
}

impl Episodes {
    pub(super) fn look(&mut self, services: &Services) {
        let now = rt::now();
        for (slot, router) in services.plan.routers.iter().enumerate() {
            let Some(seen) = services.published.read(slot) else {
                continue;
            };
            let are_two = !router.vacant && two_masters(router, &seen, now);
            match self.two.get_mut(&*router.name) {
                Some((were_two, begun)) => {
                    *begun += u64::from(are_two && !*were_two);
                    *were_two = are_two;
                }
                None if are_two => {
                    self.two.insert(router.name.clone(), (true, 1));
                }
                None => {}
            }
        }
        let named = |name: &String| services.plan.routers.iter().any(|one| one.name == *name);
        self.two.retain(|name, _| named(name));
    }

    fn two_masters(&self, name: &str) -> u64 {
        self.two.get(name).map_or(0, |(_, begun)| *begun)
    }
}
