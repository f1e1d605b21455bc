//! What the other daemon does, as far as it can be seen from outside: the adverts that
//! leave this host, and whether the virtual addresses are on their interfaces.

use std::time::Duration;

use vip_common::ids::Priority;
use vip_common::time::MonoTime;

/// After how many intervals others take over from who is silent, some skew left out.
const MISSED: u32 = 3;

/// The role of the other daemon has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Change {
    /// When.
    pub at: MonoTime,
    /// Whether it is MASTER from then on.
    pub master: bool,
    /// By what that was seen.
    pub sign: Sign,
}

/// By what a change of role was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sign {
    /// It has sent an advert.
    Spoke {
        /// With this priority.
        priority: Priority,
    },
    /// It has sent priority 0.
    Resigned,
    /// It sends no adverts any more and has removed the addresses.
    Removed,
    /// It has sent none for so long that others take over.
    Silent,
    /// The addresses have come; its adverts do not leave by this interface.
    Came,
    /// They have gone.
    Went,
}

/// One instance of the other daemon.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    interval: Duration,
    /// Whether it is MASTER.
    pub master: bool,
    /// Its last advert, and that one's priority.
    last: Option<(MonoTime, Priority)>,
    /// Whether any of the addresses is there.
    has: bool,
    /// Since when that is so.
    since: Option<MonoTime>,
}

impl Observed {
    /// One that nothing is known of; MASTERs of it advertise once in this interval.
    pub(super) const fn new(interval: Duration) -> Self {
        Self {
            interval,
            master: false,
            last: None,
            has: false,
            since: None,
        }
    }

    /// MASTERs advertise once in this interval from now on.
    pub(super) const fn pace(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Another process is looked at from now on, of which no advert has been seen yet.
    pub(super) const fn forget(&mut self) {
        self.master = self.has;
        self.last = None;
    }

    /// After how long without an advert who has removed the addresses is not MASTER.
    pub(super) fn patience(&self) -> Duration {
        self.interval + self.interval / 4 + Duration::from_millis(50)
    }

    /// When it has given up: some time after it removed the addresses, else when others
    /// take over from who is silent. An advert that is only late is none of that.
    fn gave_up(&self, last: MonoTime, now: MonoTime) -> Option<(MonoTime, Sign)> {
        let removed = self.since.filter(|since| !self.has && *since > last);
        let (at, due, sign) = match removed {
            Some(removed) => (removed, last + self.patience(), Sign::Removed),
            None => {
                let at = last + self.interval * MISSED;
                (at, at, Sign::Silent)
            }
        };
        (now > due).then_some((at, sign))
    }

    /// The priority that it speaks with, while it is MASTER.
    pub(super) fn priority(&self) -> Option<Priority> {
        let (_, priority) = self.last.filter(|_| self.master)?;
        Some(priority)
    }

    /// It has sent an advert. First, perhaps, what the silence before has meant.
    pub(super) fn spoke(
        &mut self,
        at: MonoTime,
        priority: Priority,
    ) -> impl Iterator<Item = Change> + use<> {
        let before = self.look(at);
        self.last = Some((at, priority));
        let master = !priority.is_resign();
        let changed = self.become_(master).then_some(Change {
            at,
            master,
            sign: if master {
                Sign::Spoke { priority }
            } else {
                Sign::Resigned
            },
        });
        before.into_iter().chain(changed)
    }

    /// Whether any of the addresses is there. That counts by itself only where no
    /// adverts are seen: they may leave by another interface.
    pub(super) fn addresses(&mut self, at: MonoTime, has: bool) -> Option<Change> {
        if std::mem::replace(&mut self.has, has) == has {
            return None;
        }
        self.since = Some(at);
        (self.last.is_none() && self.become_(has)).then_some(Change {
            at,
            master: has,
            sign: if has { Sign::Came } else { Sign::Went },
        })
    }

    /// What its silence means.
    pub(super) fn look(&mut self, now: MonoTime) -> Option<Change> {
        let (last, _) = self.last?;
        let (at, sign) = self.gave_up(last, now).filter(|_| self.master)?;
        self.master = false;
        Some(Change {
            at,
            master: false,
            sign,
        })
    }

    fn become_(&mut self, master: bool) -> bool {
        std::mem::replace(&mut self.master, master) != master
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_secs(100) + Duration::from_millis(millis)
    }

    fn one() -> Observed {
        Observed::new(SECOND)
    }

    fn spoke(observed: &mut Observed, millis: u64, priority: u8) -> Vec<(MonoTime, bool)> {
        let changes = observed.spoke(at(millis), Priority::from_wire(priority));
        changes.map(|one| (one.at, one.master)).collect()
    }

    #[test]
    fn whoever_advertises_is_master_from_the_first_advert_to_priority_0() {
        let mut seen = one();
        assert_eq!(spoke(&mut seen, 0, 100), [(at(0), true)]);
        assert_eq!(seen.addresses(at(3), true), None);
        assert_eq!(spoke(&mut seen, 1000, 90), []);
        assert_eq!(seen.priority(), Some(Priority::from_wire(90)));
        assert_eq!(spoke(&mut seen, 1500, 0), [(at(1500), false)]);
        assert_eq!(seen.addresses(at(1502), false), None);
        assert_eq!(seen.priority(), None);
        assert_eq!(seen.look(at(9000)), None);
    }

    #[test]
    fn silence_is_dated_back_to_when_the_addresses_went() {
        let mut seen = one();
        spoke(&mut seen, 0, 100);
        seen.addresses(at(1), true);
        spoke(&mut seen, 1000, 100);
        assert_eq!(seen.addresses(at(1400), false), None);
        assert_eq!(seen.look(at(2300)), None, "it may only be late");
        let left = seen.look(at(2301)).unwrap();
        assert_eq!((left.at, left.master), (at(1400), false));
        assert_eq!(left.sign, Sign::Removed);
        assert_eq!(seen.look(at(9000)), None);
    }

    #[test]
    fn who_is_stopped_has_left_when_others_take_over() {
        let mut seen = one();
        seen.addresses(at(0), true);
        spoke(&mut seen, 1, 100);
        assert_eq!(seen.look(at(3001)), None);
        let left = seen.look(at(3002)).unwrap();
        assert_eq!((left.at, left.sign), (at(3001), Sign::Silent));
    }

    #[test]
    fn an_advert_that_is_late_is_no_change() {
        let mut seen = one();
        assert_eq!(spoke(&mut seen, 1, 100), [(at(1), true)]);
        seen.addresses(at(2), true);
        assert_eq!(spoke(&mut seen, 2900, 100), []);
        // Somebody else has removed the addresses, and it goes on.
        seen.addresses(at(2950), false);
        assert_eq!(spoke(&mut seen, 4000, 100), []);
        assert_eq!(spoke(&mut seen, 6900, 100), []);
    }

    #[test]
    fn a_hole_is_told_before_the_advert_that_ends_it() {
        let mut seen = one();
        spoke(&mut seen, 0, 100);
        assert_eq!(
            spoke(&mut seen, 5000, 100),
            [(at(3000), false), (at(5000), true)]
        );
    }

    #[test]
    fn addresses_alone_count_where_no_advert_is_seen() {
        let mut seen = one();
        let came = seen.addresses(at(0), true).unwrap();
        assert_eq!((came.at, came.master, came.sign), (at(0), true, Sign::Came));
        assert_eq!(seen.look(at(9000)), None);
        let went = seen.addresses(at(9000), false).unwrap();
        assert_eq!(
            (went.at, went.master, went.sign),
            (at(9000), false, Sign::Went)
        );
        // Its first advert says that they can be seen.
        spoke(&mut seen, 9500, 100);
        assert_eq!(seen.addresses(at(9501), true), None);
    }
}
