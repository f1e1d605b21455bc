//! What else must be well: interfaces and trackers that a router's priority, or its
//! part, depends on.

use vip_common::election::{Fault, State};
use vip_common::ids::Priority;

use super::{Engine, Hindrance, Input, Report, Verdict};
use crate::config::estate::Weight;
use crate::config::trackers::Kind;
use crate::plan::Tracked;

/// What one thing makes of a router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Effect {
    /// Its priority changes by this.
    Adds(i32),
    /// It takes no part.
    Bars,
    /// Nothing is known yet.
    Unknown,
}

/// What all that a router tracks makes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Sum {
    /// What its priority changes by, whether it takes part or not.
    points: i32,
    /// The first that bars it.
    bars: Option<Tracked>,
    /// The last of which nothing is known yet.
    unknown: Option<Tracked>,
}

fn sum(effects: impl Iterator<Item = (Tracked, Effect)>) -> Sum {
    let mut sum = Sum::default();
    for (tracked, effect) in effects {
        match effect {
            Effect::Adds(points) => sum.points = sum.points.saturating_add(points),
            Effect::Bars => sum.bars = sum.bars.or(Some(tracked)),
            Effect::Unknown => sum.unknown = Some(tracked),
        }
    }
    sum
}

impl Engine {
    /// A tracker has found something.
    pub(super) fn judged(&mut self, tracker: u32, verdict: Verdict) {
        // It may come from one of before a reload.
        let Some(at) = self.plan.tracker(tracker) else {
            return;
        };
        if std::mem::replace(&mut self.verdicts[at], verdict) == verdict {
            return;
        }
        let plan = std::sync::Arc::clone(&self.plan);
        for slot in plan.tracked_by(at) {
            self.settle_router(&plan, slot);
        }
    }

    /// Tells a router what is tracked makes of its priority, if that is news.
    pub(super) fn settle_priority(&mut self, slot: usize) {
        // Who leaves goes by no tracker any more.
        if self.plan.routers[slot].vacant {
            return;
        }
        // In FAULT too, as in keepalived: status shows what counts.
        let Ok(priority) = self.priority_of(slot, self.tracked_sum(slot).points) else {
            return;
        };
        let router = &mut self.routers[slot];
        if std::mem::replace(&mut router.told_priority, priority) != priority {
            self.report(Report::Priority { slot, priority });
            self.input(slot, Input::PriorityChanged { priority });
        }
    }

    /// The priority that what is tracked makes of a router's own, 1 to 254. The
    /// owner of an address keeps its own. What has not been looked at yet, since a
    /// reload brought it, changes nothing for a router that takes part.
    ///
    /// # Errors
    /// [`Fault::Tracked`] where something has failed that it cannot do without, and
    /// [`Fault::Starting`] where that is not known yet.
    pub(super) fn tracked_priority(&self, slot: usize) -> Result<Priority, Hindrance> {
        let state = self.routers[slot].election.state();
        let takes_part = !matches!(state, State::Initialize(_));
        let Sum {
            points,
            bars,
            unknown,
        } = self.tracked_sum(slot);
        if let Some(tracked) = bars {
            return Err(Hindrance::by(tracked, Fault::Tracked));
        }
        if let Some(tracked) = unknown.filter(|_| !takes_part) {
            return Err(Hindrance::by(tracked, Fault::Starting));
        }
        self.priority_of(slot, points)
    }

    fn priority_of(&self, slot: usize, points: i32) -> Result<Priority, Hindrance> {
        let params = &self.plan.routers[slot].params;
        if params.is_owner() {
            return Ok(Priority::OWNER);
        }
        let sum = i32::from(params.priority.get()).saturating_add(points);
        let priority = u8::try_from(sum.clamp(1, 254)).unwrap_or(u8::MAX - 1);
        Priority::new(priority).ok_or(Fault::Unusable.into())
    }

    fn tracked_sum(&self, slot: usize) -> Sum {
        let tracked = self.plan.routers[slot].tracked.iter();
        sum(tracked.map(|(tracked, weight)| (*tracked, self.effect(*tracked, *weight))))
    }

    fn effect(&self, tracked: Tracked, weight: Weight) -> Effect {
        match tracked {
            Tracked::Port(port) => {
                let port = &self.ports[port];
                if port.link.is_none() && !port.looked_at {
                    return Effect::Unknown;
                }
                let is_up = port.link.is_some_and(|link| link.running);
                stands(is_up, weight)
            }
            Tracked::Tracker(at) => {
                let verdict = self.verdicts.get(at).copied().unwrap_or_default();
                let planned = self.plan.trackers.get(at);
                let kind = planned.map(|one| one.tracker.watch.kind());
                // As in keepalived, a file is read before anything is decided.
                if verdict == Verdict::Unknown && kind == Some(Kind::File) {
                    return Effect::Unknown;
                }
                judge(verdict, weight)
            }
        }
    }
}

/// What a tracker adds to a priority; `None` where it bars, or will perhaps.
#[must_use]
pub fn points(verdict: Verdict, weight: Weight) -> Option<i32> {
    match judge(verdict, weight) {
        Effect::Adds(points) => Some(points),
        Effect::Bars | Effect::Unknown => None,
    }
}

fn judge(verdict: Verdict, weight: Weight) -> Effect {
    match verdict {
        Verdict::Well => stands(true, weight),
        Verdict::Failed => stands(false, weight),
        Verdict::Number(number) => counts(number, weight),
        Verdict::Ignored => Effect::Adds(0),
        // As in keepalived, it is waited for only where a failure bars.
        Verdict::Unknown if weight.value == 0 => Effect::Unknown,
        Verdict::Unknown => Effect::Adds(0),
    }
}

/// What is well or has failed: a weight above 0 is added for the one, below 0 for
/// the other, and with `reverse` taken off instead; without one a failure bars, with
/// `reverse` success.
fn stands(is_well: bool, weight: Weight) -> Effect {
    match (is_well, weight.value) {
        (_, 0) if is_well == weight.reverse => Effect::Bars,
        (true, 1..) | (false, ..0) => Effect::Adds(if weight.reverse {
            -i32::from(weight.value)
        } else {
            weight.value.into()
        }),
        (_, 0) | (true, ..0) | (false, 1..) => Effect::Adds(0),
    }
}

/// What the number in a file counts: itself times the weight, and -254 or less bars.
/// Without a weight every number but 0 does.
fn counts(number: i32, weight: Weight) -> Effect {
    if weight.value == 0 {
        return if (number == 0) == weight.reverse {
            Effect::Bars
        } else {
            Effect::Adds(0)
        };
    }
    let value = i64::from(weight.value) * if weight.reverse { -1 } else { 1 };
    match i64::from(number) * value {
        ..=-254 => Effect::Bars,
        points => Effect::Adds(i32::try_from(points.min(253)).unwrap_or(253)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn weight(value: i16, reverse: bool) -> Weight {
        Weight { value, reverse }
    }

    #[test]
    fn a_failure_takes_off_adds_nothing_or_bars() {
        for (is_well, value, reverse, effect) in [
            (true, 0, false, Effect::Adds(0)),
            (false, 0, false, Effect::Bars),
            (true, 0, true, Effect::Bars),
            (false, 0, true, Effect::Adds(0)),
            (true, 5, false, Effect::Adds(5)),
            (false, 5, false, Effect::Adds(0)),
            (true, -5, false, Effect::Adds(0)),
            (false, -5, false, Effect::Adds(-5)),
            (true, 5, true, Effect::Adds(-5)),
            (false, 5, true, Effect::Adds(0)),
            (true, -5, true, Effect::Adds(0)),
            (false, -5, true, Effect::Adds(5)),
        ] {
            assert_eq!(stands(is_well, weight(value, reverse)), effect);
        }
    }

    #[test]
    fn who_is_barred_is_weighed_all_the_same() {
        let [one, two, three, four] = [0, 1, 2, 3].map(Tracked::Tracker);
        let found = sum([
            (one, Effect::Adds(-20)),
            (two, Effect::Bars),
            (three, Effect::Unknown),
            (four, Effect::Adds(5)),
        ]
        .into_iter());
        let expected = Sum {
            points: -15,
            bars: Some(two),
            unknown: Some(three),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_number_counts_times_its_weight() {
        for (number, value, reverse, effect) in [
            (0, 0, false, Effect::Adds(0)),
            (3, 0, false, Effect::Bars),
            (0, 0, true, Effect::Bars),
            (3, 0, true, Effect::Adds(0)),
            (3, 10, false, Effect::Adds(30)),
            (-3, 10, false, Effect::Adds(-30)),
            (3, 10, true, Effect::Adds(-30)),
            (-253, 1, false, Effect::Adds(-253)),
            (-254, 1, false, Effect::Bars),
            (i32::MAX, 254, false, Effect::Adds(253)),
            (i32::MIN, 254, false, Effect::Bars),
        ] {
            assert_eq!(counts(number, weight(value, reverse)), effect);
        }
    }
}
