//! How a sender numbers its packets: the only thing on the wire that tells an advert
//! that was never sent from one that was lost.
//!
//! keepalived and vip count each virtual router's adverts by one; to several unicast
//! peers each of them sees steps of their number. Others leave the number to their
//! kernel, which takes it from a counter that all traffic shares, or leaves it zero.
//! So the habit is learnt from adverts that came in time, and until it is known, and
//! where it is none that helps, that is said instead of a guess.

use std::fmt;

/// Equal steps in a row that make a habit.
const ENOUGH: u32 = 3;
/// Different steps after which there seems to be none.
const PATIENCE: u32 = 8;
/// The longest step of a habit: more peers than that has nobody.
const LONGEST_STEP: u16 = 256;

/// What is known of a sender's numbering.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Habit {
    /// Too few adverts have come in time so far.
    Learning,
    /// Each advert's number is by so many more than that of the one before.
    Counts(u16),
    /// It is always the same number.
    Constant(u16),
    /// There is no rule: a random number, or a counter shared with other traffic.
    Irregular,
    /// IPv6 has none.
    Absent,
}

impl fmt::Display for Habit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Learning => {
                f.write_str("too few of its adverts were seen to know how it numbers them")
            }
            Self::Counts(1) => f.write_str("it counts its adverts"),
            Self::Counts(step) => write!(f, "it counts its adverts by {step}"),
            Self::Constant(0) => f.write_str("its identification is always zero"),
            Self::Constant(number) => write!(f, "its identification is always {number}"),
            Self::Irregular => f.write_str(
                "its identification follows no rule: it is random, or shared with other traffic",
            ),
            Self::Absent => f.write_str("IPv6 has no identification"),
        }
    }
}

/// What the number of an advert tells of those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Steps {
    /// So many were sent since the last one, this one included.
    Sent(u32),
    /// It has the number of the last one: the same packet once more.
    Again,
    /// From this number: the sender has begun anew, or is another one.
    Jumped(u16),
    /// Nothing.
    Unknown(Habit),
}

/// The numbering of one sender.
#[derive(Clone, Debug)]
pub struct Numbering {
    last: Option<u16>,
    habit: Habit,
    step: u16,
    in_a_row: u32,
    different: u32,
}

impl Numbering {
    /// Begins with the first advert's number.
    #[must_use]
    pub const fn new(first: Option<u16>) -> Self {
        Self {
            last: first,
            habit: match first {
                Some(_) => Habit::Learning,
                None => Habit::Absent,
            },
            step: 0,
            in_a_row: 0,
            different: 0,
        }
    }

    /// What is known so far.
    #[must_use]
    pub const fn habit(&self) -> Habit {
        self.habit
    }

    /// The next advert's number. `in_time` says that none can be missing between the
    /// two, `most` how many could have been sent.
    pub fn note(&mut self, ident: Option<u16>, in_time: bool, most: u32) -> Steps {
        let (Some(last), Some(now)) = (self.last, ident) else {
            return Steps::Unknown(Habit::Absent);
        };
        self.last = ident;
        let delta = now.wrapping_sub(last);
        if let Habit::Counts(step) = self.habit {
            if delta == 0 {
                return Steps::Again;
            }
            let steps = u32::from(delta / step);
            if delta.is_multiple_of(step) && steps <= most {
                return Steps::Sent(steps);
            }
            self.forget();
            return Steps::Jumped(last);
        }
        if in_time {
            self.learn(delta, now);
        }
        Steps::Unknown(self.habit)
    }

    fn forget(&mut self) {
        self.habit = Habit::Learning;
        (self.step, self.in_a_row, self.different) = (0, 0, 0);
    }

    fn learn(&mut self, delta: u16, now: u16) {
        if delta == self.step && self.in_a_row > 0 {
            self.in_a_row += 1;
        } else {
            (self.step, self.in_a_row) = (delta, 1);
            self.different += 1;
            if !matches!(self.habit, Habit::Learning) || self.different > PATIENCE {
                self.habit = Habit::Irregular;
            }
        }
        if self.in_a_row >= ENOUGH {
            self.different = 0;
            self.habit = match delta {
                0 => Habit::Constant(now),
                1..=LONGEST_STEP => Habit::Counts(delta),
                _ => Habit::Irregular,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(numbers: &[u16]) -> Numbering {
        let mut numbering = Numbering::new(Some(numbers[0]));
        for number in &numbers[1..] {
            numbering.note(Some(*number), true, 1);
        }
        numbering
    }

    #[test]
    fn one_who_counts_is_known_after_three_steps() {
        assert_eq!(learnt(&[7, 8, 9]).habit(), Habit::Learning);
        let mut numbering = learnt(&[0xfffe, 0xffff, 0, 1]);
        assert_eq!(numbering.habit(), Habit::Counts(1));
        assert_eq!(numbering.note(Some(2), false, 5), Steps::Sent(1));
        assert_eq!(numbering.note(Some(5), false, 5), Steps::Sent(3));
        assert_eq!(numbering.note(Some(5), false, 5), Steps::Again);
    }

    #[test]
    fn with_two_peers_each_sees_steps_of_two() {
        let mut numbering = learnt(&[10, 12, 14, 16]);
        assert_eq!(numbering.note(Some(20), false, 5), Steps::Sent(2));
        assert_eq!(numbering.note(Some(21), false, 5), Steps::Jumped(20));
        assert_eq!(numbering.habit(), Habit::Learning);
    }

    #[test]
    fn one_who_has_begun_anew_is_learnt_anew() {
        let mut numbering = learnt(&[100, 101, 102, 103]);
        assert_eq!(numbering.note(Some(1), false, 20), Steps::Jumped(103));
        for number in 2..=4 {
            assert_eq!(
                numbering.note(Some(number), true, 1),
                Steps::Unknown(if number == 4 {
                    Habit::Counts(1)
                } else {
                    Habit::Learning
                })
            );
        }
    }

    #[test]
    fn what_tells_nothing_is_said_to() {
        assert_eq!(learnt(&[0, 0, 0, 0]).habit(), Habit::Constant(0));
        let random = [5, 900, 17, 40_000, 3, 77, 1200, 9, 31, 8000];
        assert_eq!(learnt(&random).habit(), Habit::Irregular);
        let mut six = Numbering::new(None);
        assert_eq!(six.note(None, true, 1), Steps::Unknown(Habit::Absent));
        // Late adverts teach nothing.
        let mut late = Numbering::new(Some(1));
        for number in 2..20 {
            late.note(Some(number), false, 9);
        }
        assert_eq!(late.habit(), Habit::Learning);
    }

    #[test]
    fn a_habit_may_be_taken_up_later() {
        let random = [
            5, 900, 17, 40_000, 3, 77, 1200, 9, 31, 8000, 8001, 8002, 8003,
        ];
        assert_eq!(learnt(&random).habit(), Habit::Counts(1));
    }
}
