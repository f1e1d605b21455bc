//! Two roles held against each other: that of the shadow and that of the other daemon.
//!
//! It goes by when things happened, not by when they became known: what has happened
//! waits for `settles`, within which the other side's part of it is known too.

use std::time::Duration;

use vip_common::time::MonoTime;

/// Between a start and a start anew of the shadow, at least: until then what the engine
/// reports may be of before.
const AT_LEAST: Duration = Duration::from_millis(500);

/// One of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    /// The shadow.
    Vip = 0,
    /// The other daemon.
    Other = 1,
}

impl Who {
    const fn other(self) -> Self {
        match self {
            Self::Vip => Self::Other,
            Self::Other => Self::Vip,
        }
    }
}

/// Somebody became MASTER, or ceased to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Move {
    /// When.
    pub at: MonoTime,
    /// Who.
    pub who: Who,
    /// Whether it is MASTER from then on.
    pub master: bool,
    /// Why, or by what that was seen, in words.
    pub why: String,
}

/// What the comparison has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// Both did the same.
    Agreed {
        /// The shadow's.
        vip: Move,
        /// The other's.
        other: Move,
    },
    /// One did what the other did not.
    Differs(Difference),
    /// After a difference that lasted, both are the same again.
    AgainOne {
        /// For how long they were not.
        after: Duration,
        /// Whether they are MASTER.
        master: bool,
    },
}

/// One did what the other did not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Difference {
    /// What was done.
    pub done: Move,
    /// For how long, where it was undone before the other followed.
    pub undone_after: Option<Duration>,
    /// Whether the other one is MASTER.
    pub other_is_master: bool,
}

#[derive(Clone, Debug)]
enum Phase {
    /// Not compared: there is no other daemon, or it is not known.
    Paused,
    /// Not compared yet: both find to where they belong. That is over when both are
    /// MASTER, which nobody becomes by accident, or else at `until`.
    Settling { from: MonoTime, until: MonoTime },
    /// The same.
    One,
    /// Not the same since the move of one of them.
    Apart { by: Move, told: bool },
}

/// The comparison of one instance.
#[derive(Clone, Debug)]
pub(super) struct Compare {
    /// How much later the other may do the same.
    tolerance: Duration,
    /// After how long all is known of what has happened.
    settles: Duration,
    /// Whether the two, by [`Who`], are MASTER.
    master: [bool; 2],
    /// What has happened and is not judged yet, in its order.
    waiting: Vec<Move>,
    phase: Phase,
}

impl Compare {
    /// One that compares nothing yet.
    pub(super) const fn new(tolerance: Duration, settles: Duration) -> Self {
        Self {
            tolerance,
            settles,
            master: [false; 2],
            waiting: Vec::new(),
            phase: Phase::Paused,
        }
    }

    /// How much later the other may do the same.
    pub(super) const fn tolerance(&self) -> Duration {
        self.tolerance
    }

    /// As [`Compare::new`], of one that goes on.
    pub(super) const fn allow(&mut self, tolerance: Duration, settles: Duration) {
        (self.tolerance, self.settles) = (tolerance, settles);
    }

    /// There is nothing to compare until [`Compare::settle`].
    pub(super) fn pause(&mut self) {
        self.phase = Phase::Paused;
        for one in self.waiting.drain(..) {
            self.master[one.who as usize] = one.master;
        }
    }

    /// Both begin anew, and know by then where they belong.
    pub(super) fn settle(&mut self, now: MonoTime, within: Duration) {
        self.phase = Phase::Settling {
            from: now + AT_LEAST,
            until: now + AT_LEAST + within,
        };
    }

    /// Whether it compares.
    pub(super) const fn compares(&self) -> bool {
        matches!(self.phase, Phase::One | Phase::Apart { .. })
    }

    /// Since when one does what the other does not, once that was told.
    pub(super) fn apart_since(&self) -> Option<MonoTime> {
        match &self.phase {
            Phase::Apart { by, told } => told.then_some(by.at),
            Phase::Paused | Phase::Settling { .. } | Phase::One => None,
        }
    }

    /// Whether one of them is MASTER, as far as is known.
    pub(super) fn is_master(&self, who: Who) -> bool {
        let mut moves = self.waiting.iter().rev();
        let last = moves.find(|one| one.who == who);
        last.map_or(self.master[who as usize], |last| last.master)
    }

    /// Somebody's role has changed.
    pub(super) fn moved(&mut self, one: Move) {
        let at = self.waiting.partition_point(|known| known.at <= one.at);
        self.waiting.insert(at, one);
    }

    /// Judges what is known for certain by now.
    pub(super) fn judge(&mut self, now: MonoTime) -> Vec<Found> {
        let until = MonoTime::from_nanos(
            now.as_nanos()
                .saturating_sub(u64::try_from(self.settles.as_nanos()).unwrap_or(u64::MAX)),
        );
        let certain = self.waiting.partition_point(|known| known.at <= until);
        let mut found = Vec::new();
        for one in self.waiting.drain(..certain).collect::<Vec<_>>() {
            found.extend(self.pass(one.at));
            found.extend(self.weigh(one));
        }
        found.extend(self.pass(until));
        found
    }

    fn is_one(&self) -> bool {
        self.master[0] == self.master[1]
    }

    /// Nothing has happened up to then.
    fn pass(&mut self, at: MonoTime) -> Option<Found> {
        match &mut self.phase {
            Phase::Settling { from, until } => {
                let both = self.master == [true; 2];
                if both && at >= *from || at >= *until && self.master[0] == self.master[1] {
                    self.phase = Phase::One;
                } else if at >= *until {
                    let since = *until;
                    return Some(self.part(since));
                }
                None
            }
            Phase::Apart { by, told } if !*told && at > by.at + self.tolerance => {
                *told = true;
                let other_is_master = self.master[by.who.other() as usize];
                Some(Found::Differs(Difference {
                    done: by.clone(),
                    undone_after: None,
                    other_is_master,
                }))
            }
            Phase::Paused | Phase::One | Phase::Apart { .. } => None,
        }
    }

    /// They never were the same.
    fn part(&mut self, at: MonoTime) -> Found {
        let by = Move {
            at,
            who: Who::Vip,
            master: self.master[0],
            why: String::new(),
        };
        self.phase = Phase::Apart {
            by: by.clone(),
            told: true,
        };
        Found::Differs(Difference {
            done: by,
            undone_after: None,
            other_is_master: self.master[1],
        })
    }

    fn weigh(&mut self, one: Move) -> Option<Found> {
        if std::mem::replace(&mut self.master[one.who as usize], one.master) == one.master {
            return None;
        }
        let is_one = self.is_one();
        let compares = self.compares();
        let before = match &mut self.phase {
            Phase::One if !is_one => {
                self.phase = Phase::Apart {
                    by: one,
                    told: false,
                };
                return None;
            }
            before if compares && is_one => std::mem::replace(before, Phase::One),
            Phase::Paused | Phase::Settling { .. } | Phase::One | Phase::Apart { .. } => {
                return None;
            }
        };
        let Phase::Apart { by, told } = before else {
            return None;
        };
        Some(if told {
            Found::AgainOne {
                after: one.at.since(by.at),
                master: one.master,
            }
        } else if by.who == one.who {
            Found::Differs(Difference {
                undone_after: Some(one.at.since(by.at)),
                other_is_master: one.master,
                done: by,
            })
        } else if by.who == Who::Vip {
            Found::Agreed {
                vip: by,
                other: one,
            }
        } else {
            Found::Agreed {
                vip: one,
                other: by,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Who::{Other, Vip};
    use super::*;

    const TOLERANCE: Duration = Duration::from_millis(1100);
    const SETTLES: Duration = Duration::from_millis(1500);

    fn at(millis: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_secs(100) + Duration::from_millis(millis)
    }

    fn by(who: Who, millis: u64, master: bool) -> Move {
        Move {
            at: at(millis),
            who,
            master,
            why: "told".into(),
        }
    }

    /// Both BACKUP, and compared from 0 on.
    fn begun() -> Compare {
        let mut compare = Compare::new(TOLERANCE, SETTLES);
        compare.settle(MonoTime::ZERO, Duration::ZERO);
        assert!(!compare.compares());
        assert_eq!(compare.judge(at(0)), []);
        assert!(compare.compares());
        compare
    }

    #[test]
    fn the_same_within_the_tolerance_agrees_whoever_was_first() {
        for (vip, other) in [(1000, 1040), (1040, 1000), (1000, 2100)] {
            let mut compare = begun();
            compare.moved(by(Vip, vip, true));
            compare.moved(by(Other, other, true));
            let found = Found::Agreed {
                vip: by(Vip, vip, true),
                other: by(Other, other, true),
            };
            assert_eq!(compare.judge(at(5000)), [found]);
            assert_eq!(compare.judge(at(9000)), []);
        }
    }

    #[test]
    fn what_becomes_known_late_counts_from_when_it_was() {
        let mut compare = begun();
        compare.moved(by(Vip, 1000, false));
        compare.moved(by(Vip, 1000, true));
        assert_eq!(compare.judge(at(2499)), [], "the other's part may come yet");
        compare.moved(by(Other, 980, true));
        assert!(matches!(
            compare.judge(at(2500))[..],
            [Found::Agreed { .. }]
        ));
    }

    #[test]
    fn what_only_one_did_is_told_once_and_its_end_too() {
        for who in [Vip, Other] {
            let mut compare = begun();
            compare.moved(by(who, 1000, true));
            assert_eq!(compare.judge(at(3600)), []);
            assert_eq!(compare.apart_since(), None);
            let found = Found::Differs(Difference {
                done: by(who, 1000, true),
                undone_after: None,
                other_is_master: false,
            });
            assert_eq!(compare.judge(at(3601)), [found]);
            assert_eq!(compare.judge(at(9000)), []);
            assert_eq!(compare.apart_since(), Some(at(1000)));
            compare.moved(by(who.other(), 9000, true));
            let found = Found::AgainOne {
                after: Duration::from_secs(8),
                master: true,
            };
            assert_eq!(compare.judge(at(20_000)), [found]);
            assert_eq!(compare.apart_since(), None);
        }
    }

    #[test]
    fn a_takeover_that_is_undone_differs_however_short_it_was() {
        let mut compare = begun();
        compare.moved(by(Vip, 1000, true));
        compare.moved(by(Vip, 1020, false));
        let found = Found::Differs(Difference {
            done: by(Vip, 1000, true),
            undone_after: Some(Duration::from_millis(20)),
            other_is_master: false,
        });
        assert_eq!(compare.judge(at(5000)), [found]);
        assert_eq!(compare.apart_since(), None);
    }

    #[test]
    fn while_both_settle_nothing_differs() {
        let mut compare = Compare::new(TOLERANCE, SETTLES);
        compare.settle(at(0), Duration::from_secs(4));
        compare.moved(by(Other, 10, true));
        assert_eq!(compare.judge(at(5000)), []);
        assert!(!compare.compares());
        compare.moved(by(Vip, 3700, true));
        assert_eq!(compare.judge(at(5200)), []);
        assert!(compare.compares(), "both are MASTER");

        let mut compare = Compare::new(TOLERANCE, SETTLES);
        compare.settle(at(0), Duration::from_secs(4));
        compare.moved(by(Other, 10, true));
        let found = Found::Differs(Difference {
            done: Move {
                why: String::new(),
                ..by(Vip, 4500, false)
            },
            undone_after: None,
            other_is_master: true,
        });
        assert_eq!(compare.judge(at(6000)), [found]);
    }

    #[test]
    fn while_it_pauses_nothing_differs_either() {
        let mut compare = begun();
        compare.moved(by(Other, 1000, true));
        compare.pause();
        assert_eq!(compare.judge(at(9000)), []);
        assert!(!compare.compares());
    }
}
