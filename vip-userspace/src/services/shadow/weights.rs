//! The priorities that the two would speak with, held against each other.

use std::time::Duration;

use vip_common::ids::Priority;
use vip_common::time::MonoTime;

/// What is known of the priorities of one instance.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Weights {
    /// Since when they differ.
    apart: Option<MonoTime>,
    /// What was told, until they are the same again.
    told: Option<(Priority, Priority)>,
}

/// What is new of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Weighed {
    /// The shadow's, and the other's.
    Differ(Priority, Priority),
    /// Both have this one again.
    Same(Priority),
}

impl Weights {
    /// Looks at both; the other's is known while it speaks. They may differ for as long as
    /// `tolerance`.
    pub(super) fn look(
        &mut self,
        now: MonoTime,
        vip: Priority,
        other: Option<Priority>,
        tolerance: Duration,
    ) -> Option<Weighed> {
        let Some(other) = other else {
            self.apart = None;
            return None;
        };
        if vip == other {
            self.apart = None;
            return self.told.take().map(|_| Weighed::Same(vip));
        }
        let since = *self.apart.get_or_insert(now);
        let pair = (vip, other);
        if now.since(since) <= tolerance || self.told == Some(pair) {
            return None;
        }
        self.told = Some(pair);
        Some(Weighed::Differ(vip, other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_priority_is_told_once_when_it_lasts() {
        let tolerance = Duration::from_millis(1100);
        let mut weights = Weights::default();
        let mut look = |millis, vip, other: Option<u8>| {
            let now = MonoTime::ZERO + Duration::from_millis(millis);
            let other = other.map(Priority::from_wire);
            weights.look(now, Priority::from_wire(vip), other, tolerance)
        };
        let [low, high] = [90, 100].map(Priority::from_wire);
        assert_eq!(look(0, 100, Some(100)), None);
        // A check that the other one has not made yet.
        assert_eq!(look(1000, 90, Some(100)), None);
        assert_eq!(look(2100, 90, Some(100)), None);
        assert_eq!(look(2200, 90, Some(90)), None);
        assert_eq!(look(3000, 90, Some(100)), None);
        assert_eq!(look(4200, 90, Some(100)), Some(Weighed::Differ(low, high)));
        assert_eq!(look(9000, 90, Some(100)), None);
        assert_eq!(look(9100, 90, None), None);
        assert_eq!(look(9200, 100, Some(100)), Some(Weighed::Same(high)));
        assert_eq!(look(9300, 100, Some(100)), None);
    }
}
