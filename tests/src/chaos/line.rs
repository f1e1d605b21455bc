//! What is true of a host over time, and how long combinations of it lasted.

use vip_common::time::MonoTime;

use crate::pulse::Run;

/// Something that is true or not, with the moments at which it changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(Vec<(MonoTime, bool)>);

impl Line {
    /// From changes in order.
    pub(super) fn of(changes: Vec<(MonoTime, bool)>) -> Self {
        Self(changes)
    }

    /// From now on it is so.
    pub(super) fn set(&mut self, at: MonoTime, value: bool) {
        self.0.push((at, value));
    }

    /// Whether it was true at a moment; false before the first change.
    pub(super) fn at(&self, moment: MonoTime) -> bool {
        let after = self.0.partition_point(|(at, _)| *at <= moment);
        after > 0 && self.0[after - 1].1
    }

    /// The moments at which it may have changed.
    pub(super) fn moments(&self) -> impl Iterator<Item = MonoTime> {
        self.0.iter().map(|(at, _)| *at)
    }
}

/// The runs of `holds` between the first of `moments` and the last. It is asked
/// at each of them and does not change between two.
pub(super) fn runs(moments: &[MonoTime], holds: impl Fn(MonoTime) -> bool) -> Vec<Run> {
    let mut all: Vec<Run> = Vec::new();
    for pair in moments.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        if !holds(from) {
            continue;
        }
        match all.last_mut().filter(|run| run.to == from) {
            Some(run) => run.to = to,
            None => all.push(Run { from, to }),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn a_run_goes_on_over_changes_that_do_not_matter() {
        let one = Line::of(vec![(at(1), true), (at(4), false), (at(6), true)]);
        let other = Line::of(vec![(at(2), true), (at(3), true), (at(8), false)]);
        let mut moments: Vec<_> = one.moments().chain(other.moments()).collect();
        moments.push(at(9));
        moments.sort_unstable();
        let both = runs(&moments, |moment| one.at(moment) && other.at(moment));
        let run = |from, to| Run {
            from: at(from),
            to: at(to),
        };
        assert_eq!(both, [run(2, 4), run(6, 8)]);
        assert!(!one.at(at(0)));
    }
}
