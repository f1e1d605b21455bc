//! Sync groups: after each change of a member, what follows for the others.

use vip_common::election::{Input, group};
use vip_common::time::MonoTime;

use super::{Engine, rt};

/// No chain of consequences is longer: each order ends what led to it.
const MOST_ORDERS: usize = 8;

impl Engine {
    /// The members of a router's sync group in their order; itself where it is in
    /// none.
    pub(super) fn company(&self, slot: usize) -> Vec<usize> {
        let plan = &self.plan;
        let group = plan.routers[slot].group_of;
        group.map_or_else(|| vec![slot], |group| plan.groups[group].members.clone())
    }

    /// Tells a router and its whole sync group the same, before anything else
    /// follows from it.
    pub(super) fn input_to_group(&mut self, slot: usize, input: Input) {
        // An order may be for a plan that could not be taken.
        if slot >= self.routers.len() {
            return;
        }
        let before = std::mem::replace(&mut self.ordering, true);
        for member in self.company(slot) {
            self.input(member, input);
        }
        self.ordering = before;
        self.follow_group(slot);
    }

    /// Tells all routers to leave for good.
    pub(super) fn shut_down(&mut self) {
        self.leaving = true;
        self.ordering = true;
        for slot in 0..self.routers.len() {
            self.input(slot, Input::ShutDown);
        }
        self.ordering = false;
        for slot in 0..self.routers.len() {
            self.follow_group(slot);
        }
    }

    /// Another host is Active beside a router of ours: the others of its sync
    /// group say too where their addresses are.
    pub(super) fn contested(&mut self, slot: usize, now: MonoTime) {
        let Some(group) = self.plan.routers[slot].group_of else {
            return;
        };
        let plan = std::sync::Arc::clone(&self.plan);
        for member in &plan.groups[group].members {
            if *member != slot {
                self.catch_up(*member);
                self.tell(*member, now, Input::SiblingContested);
            }
        }
    }

    /// Does what follows for the sync group of a router that has changed.
    pub(super) fn follow_group(&mut self, slot: usize) {
        let Some(group) = self.plan.routers[slot].group_of else {
            return;
        };
        // What a member's actions lead to is seen at the next turn.
        if std::mem::replace(&mut self.ordering, true) {
            return;
        }
        let plan = std::sync::Arc::clone(&self.plan);
        let members = &plan.groups[group].members;
        for member in members {
            self.catch_up(*member);
        }
        for _ in 0..MOST_ORDERS {
            let stances = members
                .iter()
                .map(|member| self.routers[*member].election.stance());
            let Some(order) = group::order(stances) else {
                break;
            };
            for member in members {
                let now = rt::now();
                self.tell(*member, now, Input::GroupOrdered { order });
            }
        }
        self.ordering = false;
    }
}
