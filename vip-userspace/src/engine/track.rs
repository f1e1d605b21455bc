//! What else must be up: interfaces that a router's priority, or its part, depends
//! on.

use vip_common::election::{Fault, State};
use vip_common::ids::Priority;

use super::{Engine, Input};

impl Engine {
    /// Tells a router what is tracked makes of its priority, if that is news.
    pub(super) fn settle_priority(&mut self, slot: usize) {
        let Ok(priority) = self.tracked_priority(slot) else {
            return;
        };
        let router = &mut self.routers[slot];
        if std::mem::replace(&mut router.told_priority, priority) != priority {
            self.input(slot, Input::PriorityChanged { priority });
        }
    }

    /// The priority that what is tracked makes of a router's own, 1 to 254. The
    /// owner of an address keeps its own. What has not been looked at yet, since a
    /// reload brought it, changes nothing for a router that takes part.
    ///
    /// # Errors
    /// [`Fault::Tracked`] where something is down that it cannot do without, and
    /// [`Fault::Starting`] where that is not known yet.
    pub(super) fn tracked_priority(&self, slot: usize) -> Result<Priority, Fault> {
        let plan = &self.plan.routers[slot];
        let state = self.routers[slot].election.state();
        let takes_part = !matches!(state, State::Initialize(_));
        let mut sum = i32::from(plan.params.priority.get());
        for (port, weight) in &plan.tracked {
            let port = &self.ports[*port];
            if port.link.is_none() && !port.looked_at {
                if takes_part {
                    continue;
                }
                return Err(Fault::Starting);
            }
            let is_up = port.link.is_some_and(|link| link.running) != weight.reverse;
            match (is_up, weight.value) {
                (false, 0) => return Err(Fault::Tracked),
                (true, value @ 1..) | (false, value @ ..0) => sum += i32::from(value),
                (true, ..=0) | (false, 1..) => {}
            }
        }
        if plan.params.is_owner() {
            return Ok(Priority::OWNER);
        }
        let priority = u8::try_from(sum.clamp(1, 254)).unwrap_or(u8::MAX - 1);
        Priority::new(priority).ok_or(Fault::Unusable)
    }
}
