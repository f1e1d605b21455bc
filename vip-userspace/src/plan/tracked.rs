//! What routers go by beside their own interface: other interfaces, and trackers.

use std::collections::HashMap;

use vip_common::election::Params;

use super::{GroupPlan, Plan, RouterPlan};
use crate::config::estate::Weight;
use crate::config::trackers::{Kind, Tracked as Named, Tracker};
use crate::config::{Configuration, TrackedInterface};

/// Something that a router goes by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tracked {
    /// The interface of a port.
    Port(usize),
    /// A tracker, by its place in [`Plan::trackers`].
    Tracker(usize),
}

/// A tracker and its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackerPlan {
    /// Its number in this run of the daemon. A reload keeps that of a tracker which
    /// is watched as before; no other one ever gets it.
    pub id: u32,
    /// What it is.
    pub tracker: Tracker,
    /// The number of the one that had its name before the reload and was watched in
    /// another way: what that one has found holds until this one has looked.
    pub former: Option<u32>,
}

impl Plan {
    /// Numbers the trackers of a configuration: those that are what they were keep
    /// their numbers.
    pub(super) fn number_trackers(&mut self, before: &Self, configuration: &Configuration) {
        self.next_tracker = before.next_tracker;
        for tracker in &configuration.trackers {
            let same = before.trackers.iter().find(|one| one.tracker == *tracker);
            let id = same.map_or(self.next_tracker, |same| same.id);
            self.next_tracker += u32::from(same.is_none());
            let former = before.trackers.iter().find(|one| {
                let kind = one.tracker.watch.kind();
                one.tracker.name == tracker.name && kind == tracker.watch.kind()
            });
            self.trackers.push(TrackerPlan {
                id,
                tracker: tracker.clone(),
                former: former.filter(|_| same.is_none()).map(|one| one.id),
            });
        }
    }

    /// The place of a tracker by its number.
    #[must_use]
    pub fn tracker(&self, id: u32) -> Option<usize> {
        self.trackers.iter().position(|one| one.id == id)
    }

    /// What a person calls something that a router goes by.
    #[must_use]
    pub fn tracked_name(&self, tracked: Tracked) -> &str {
        match tracked {
            Tracked::Port(port) => self.ports.get(port).map_or("", |port| &port.name),
            Tracked::Tracker(at) => {
                let tracker = self.trackers.get(at);
                tracker.map_or("", |one| &one.tracker.name)
            }
        }
    }

    /// The name of what something about a router is about: of this, where it is
    /// known, else of the interface that it is heard on.
    #[must_use]
    pub fn concerned(&self, router: &RouterPlan, what: Option<Tracked>) -> &str {
        let own = self.tracked_name(Tracked::Port(router.port));
        match what.map(|what| self.tracked_name(what)) {
            None | Some("") => own,
            Some(name) => name,
        }
    }

    /// What an instance or a group goes by, in places of this plan.
    pub(super) fn lay_out_tracked(
        &mut self,
        interfaces: &[TrackedInterface],
        trackers: &[Named],
    ) -> Vec<(Tracked, Weight)> {
        let interfaces = interfaces.iter();
        let mut all: Vec<_> = interfaces
            .map(|one| (Tracked::Port(self.port(&one.interface)), one.weight))
            .collect();
        let places: HashMap<(Kind, &str), usize> = self
            .trackers
            .iter()
            .enumerate()
            .map(|(at, one)| ((one.tracker.watch.kind(), &*one.tracker.name), at))
            .collect();
        let named = trackers.iter().filter_map(|one| {
            let at = places.get(&(one.kind, &*one.name))?;
            Some((Tracked::Tracker(*at), one.weight))
        });
        all.extend(named);
        all
    }

    /// Who belongs together, and what is tracked for whole groups.
    pub(super) fn form_groups(&mut self, configuration: &Configuration, slots: &[usize]) {
        for group in &configuration.sync_groups {
            let member = |name: &String| {
                let instances = &configuration.instances;
                let at = instances.iter().position(|one| one.name == *name)?;
                slots.get(at).copied()
            };
            let members: Vec<usize> = group.members.iter().filter_map(member).collect();
            let mut tracked = self.lay_out_tracked(&group.track_interfaces, &group.trackers);
            // Where weights count in a group, they count for all of its members.
            if group.weights {
                let theirs = members.iter().flat_map(|slot| &self.routers[*slot].tracked);
                tracked.extend(theirs.copied());
            }
            tracked.sort_by_key(|(what, weight)| (*what, weight.value, weight.reverse));
            tracked.dedup();
            let successions = members.iter().map(|slot| &self.routers[*slot].params);
            let slowest = successions.map(Params::succession).max();
            for slot in &members {
                let router = &mut self.routers[*slot];
                router.params.group_succession = slowest.unwrap_or_default();
                router.group_of = Some(self.groups.len());
                router.params.grouped = true;
                let all = tracked.iter().filter(|one| !router.tracked.contains(one));
                let all: Vec<_> = all.copied().collect();
                router.tracked.extend(all);
            }
            self.groups.push(GroupPlan {
                name: group.name.clone(),
                members,
            });
        }
    }

    /// The routers that go by a tracker.
    pub fn tracked_by(&self, at: usize) -> impl Iterator<Item = usize> {
        let routers = self.routers.iter().enumerate();
        routers
            .filter(move |(_, router)| {
                let mut all = router.tracked.iter();
                all.any(|(what, _)| *what == Tracked::Tracker(at))
            })
            .map(|(slot, _)| slot)
    }
}
