//! Backup: watching the Active Router, and one's own hearing.

use core::net::IpAddr;
use core::time::Duration;

use super::action::Why;
use super::params::Params;
use super::state::Heard;
use crate::time::{Centis, MonoTime};

/// Watching the Active Router.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Backup {
    /// When we became Backup.
    pub since: MonoTime,
    /// Active_Adver_Interval: how often the Active Router speaks.
    pub active_adver_interval: Centis,
    /// The last advert that was accepted, priority zero included.
    pub accepted: Option<Heard>,
    /// The last advert that was discarded for its lower priority, if it is
    /// newer than the last accepted one: its sender is about to be replaced.
    pub discarded: Option<Heard>,
    /// The interval in that one.
    discarded_interval: Centis,
    /// When the Active_Down_Timer ends. It is counted from the arrival of the
    /// last accepted advert, whenever that was processed.
    pub deadline: MonoTime,
    /// What we know of our own hearing.
    pub ear: Ear,
    /// Until when an Active Router of lower priority is left alone, once one
    /// was heard.
    pub preempt_at: Option<MonoTime>,
    /// Since when nobody who counts was heard.
    silence: MonoTime,
    /// When we last found that we had not run.
    slept: Option<MonoTime>,
    /// The timer does not end before this one, which was running for a better
    /// router.
    least: Option<MonoTime>,
    /// In a sync group: the timer ended, and the others are waited for.
    wants: bool,
    /// In a sync group: the role is wanted without waiting for the timer.
    pub(super) summoned: Option<Why>,
    /// In a sync group: we were Active, and fell back.
    pub(super) fell: bool,
}

impl Backup {
    /// Nobody was heard yet: a whole Active_Down_Interval from now.
    pub(super) fn entered(now: MonoTime, params: &Params) -> Self {
        Self::silent_since(now, now, params.adver_interval, None, params)
    }

    /// Having been Active, we heard a better one.
    pub(super) fn yielded(now: MonoTime, heard: Heard, interval: Centis, params: &Params) -> Self {
        Self {
            fell: params.grouped,
            ..Self::silent_since(now, heard.stamp, interval, Some(heard), params)
        }
    }

    fn silent_since(
        now: MonoTime,
        silence: MonoTime,
        interval: Centis,
        accepted: Option<Heard>,
        params: &Params,
    ) -> Self {
        let deadline = silence + params.active_down_interval(interval);
        Self {
            since: now,
            active_adver_interval: interval,
            accepted,
            discarded: None,
            discarded_interval: interval,
            deadline,
            ear: Ear::doubted_from(silence, interval, deadline, params),
            preempt_at: None,
            silence,
            slept: None,
            least: None,
            wants: false,
            summoned: None,
            fell: false,
        }
    }

    /// An advert counts only if nothing newer is known already: a stale one
    /// neither buys a dead router another interval nor shortens a live one's.
    pub(super) fn is_news(&self, stamp: MonoTime) -> bool {
        let known = self.accepted.map_or(self.since, |heard| heard.stamp);
        stamp >= known && self.discarded.is_none_or(|heard| stamp >= heard.stamp)
    }

    /// An advert of the Active Router: the silence starts anew.
    pub(super) fn accept(&mut self, heard: Heard, interval: Centis, params: &Params) {
        let (since, stamp) = (self.since, heard.stamp);
        // Whoever is as good as we are ends the wait to preempt a worse one.
        let worse = heard.priority < params.priority;
        // The last word of a router that yields to the one we follow is not to
        // make us miss that one: its interval may be much shorter.
        let followed = self.accepted.filter(|followed| {
            let outranks = (followed.priority, followed.source) > (heard.priority, heard.source);
            outranks && followed.source != heard.source
        });
        let goes_on = self
            .accepted
            .is_some_and(|before| before.source == heard.source);
        let least = match followed {
            Some(_) => Some(self.deadline),
            None => self.least.filter(|least| goes_on && *least > stamp),
        };
        *self = Self {
            preempt_at: self.preempt_at.filter(|_| worse),
            fell: self.fell,
            least,
            ..Self::silent_since(since, stamp, interval, Some(heard), params)
        };
        self.deadline = self.deadline.max(least.unwrap_or(MonoTime::ZERO));
    }

    /// Whether a lower priority is left alone for now: from the first one heard
    /// for as long as the configuration says.
    pub(super) fn spares(&mut self, stamp: MonoTime, params: &Params) -> bool {
        if params.preempt_delay.is_zero() {
            return false;
        }
        let at = *self.preempt_at.get_or_insert(stamp + params.preempt_delay);
        stamp < at
    }

    /// Who is followed, if it is another one than this that leaves and has not said
    /// itself that it does.
    pub(super) fn outlives(&self, leaving: IpAddr) -> Option<IpAddr> {
        let followed = self
            .accepted
            .filter(|followed| !followed.priority.is_resign() && followed.source != leaving)?;
        Some(followed.source)
    }

    /// The Active Router leaves: only Skew_Time is left, or less, unless the timer of a
    /// better one is running yet.
    pub(super) fn accept_resign(&mut self, heard: Heard, params: &Params) {
        self.accepted = Some(heard);
        self.discarded = None;
        let skewed = heard.stamp + params.skew_time(self.active_adver_interval);
        let least = self.least.unwrap_or(MonoTime::ZERO);
        self.deadline = self.deadline.min(skewed).max(least);
        self.slept = None;
        self.hear(heard.stamp, params);
    }

    /// An advert of a router that we are about to replace: the timer runs on.
    pub(super) fn discard(&mut self, heard: Heard, interval: Centis, params: &Params) {
        (self.discarded, self.discarded_interval) = (Some(heard), interval);
        self.hear(heard.stamp, params);
    }

    /// We were not running: the silence begins anew, and ends after one interval
    /// and Skew_Time, unless it would have ended later anyway.
    pub(super) fn slept(&mut self, now: MonoTime, params: &Params) {
        let interval = self.active_adver_interval;
        let chance = now + interval.span() + params.skew_time(interval);
        self.deadline = self.deadline.max(chance);
        self.slept = Some(now);
        self.wants = false;
        self.ear = Ear::doubted_from(now, interval, self.deadline, params);
    }

    /// Priority or configuration changed: the timer is counted anew from the
    /// same silence. What was learned from the Active Router stays, and one that
    /// was to be replaced may now be one to follow.
    pub(super) fn recount(&mut self, params: &Params) {
        if let Some(heard) = self.discarded
            && !(heard.priority < params.priority && params.preempts())
        {
            return self.accept(heard, self.discarded_interval, params);
        }
        self.active_adver_interval = match self.accepted {
            Some(_) => params.learned(self.active_adver_interval),
            None => params.adver_interval,
        };
        let interval = self.active_adver_interval;
        let before = self.deadline;
        self.deadline = self.silence + params.active_down_interval(interval);
        if let Some(resign) = self.accepted.filter(|heard| heard.priority.is_resign()) {
            let skewed = resign.stamp + params.skew_time(interval);
            self.deadline = self.deadline.min(skewed);
        }
        self.deadline = self.deadline.max(self.least.unwrap_or(MonoTime::ZERO));
        if let Some(slept) = self.slept {
            let chance = slept + interval.span() + params.skew_time(interval);
            self.deadline = self.deadline.max(chance);
        }
        self.wants &= params.grouped && self.deadline <= before;
        self.summoned = self.summoned.filter(|_| params.grouped);
        match &mut self.ear {
            ear if params.is_owner() => *ear = Ear::NotDoubted,
            Ear::NotDoubted => {
                self.ear = Ear::doubted_from(self.silence, interval, self.deadline, params);
            }
            Ear::Unasked { ask } if *ask <= before => *ask = (*ask).min(self.deadline),
            Ear::Unasked { .. } | Ear::Asked { .. } | Ear::Proven { .. } => {}
        }
    }

    /// The ear was proven alive.
    pub(super) fn prove(&mut self, now: MonoTime, params: &Params) {
        let good = params.active_down_interval(self.active_adver_interval);
        self.ear = Ear::Proven {
            at: now,
            good_until: now + good + Duration::from_nanos(1),
        };
    }

    /// When the ear was proven, if the deadline had to wait for that.
    pub(super) fn proven_late(&self) -> Option<MonoTime> {
        match self.ear {
            Ear::Proven { at, .. } => Some(at).filter(|at| *at > self.deadline),
            Ear::Unasked { .. } | Ear::Asked { .. } | Ear::NotDoubted => None,
        }
    }

    /// Whatever is heard shows that the ear was alive then.
    fn hear(&mut self, stamp: MonoTime, params: &Params) {
        let never = MonoTime::from_nanos(u64::MAX);
        self.ear = Ear::doubted_from(stamp, self.active_adver_interval, never, params);
    }

    /// In a group: the timer ended.
    pub(super) fn want(&mut self) {
        self.wants = true;
    }

    /// In a group: whether we would take over.
    pub(super) fn is_wanting(&self) -> bool {
        self.wants || self.summoned.is_some()
    }

    /// In a group: the last advert of the router that is followed, and its interval,
    /// if one speaks that is not about to be replaced and has not said that it leaves.
    pub(super) fn follows(&self) -> Option<(Heard, Centis)> {
        let followed = self.accepted.filter(|heard| !heard.priority.is_resign());
        followed
            .filter(|_| self.discarded.is_none())
            .map(|heard| (heard, self.active_adver_interval))
    }

    /// See [`super::VirtualRouter::steadily_follows`].
    pub(super) fn steadily_follows(&self) -> Option<Heard> {
        let unmoved = !self.is_wanting()
            && self.preempt_at.is_none()
            && self.slept.is_none()
            && self.least.is_none();
        let (heard, _) = self.follows().filter(|_| unmoved)?;
        Some(heard)
    }

    /// In a group: the proof of our hearing is too old to go on with; a new one
    /// decides.
    pub(super) fn doubt(&mut self, now: MonoTime) {
        self.wants &= self.believes(now);
    }

    /// Whether the silence can be believed to be the network's and not ours.
    pub(super) fn believes(&self, now: MonoTime) -> bool {
        match self.ear {
            Ear::Unasked { ask } => now < ask,
            Ear::Asked { .. } => false,
            // A proof vouches for one silence, not for what was slept through
            // long after it.
            Ear::Proven { good_until, .. } => now < good_until,
            Ear::NotDoubted => true,
        }
    }

    /// Whether the ear is to be asked for now, given that its silence is not
    /// believed.
    pub(super) fn asks(&self, now: MonoTime) -> bool {
        match self.ear {
            Ear::Unasked { ask } => now >= ask,
            Ear::Asked { at } => {
                now >= self.deadline && now >= at + self.active_adver_interval.span()
            }
            Ear::Proven { .. } => now >= self.deadline,
            Ear::NotDoubted => false,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<MonoTime> {
        if self.summoned.is_some() {
            return None;
        }
        match self.ear {
            Ear::Unasked { ask } if self.wants => Some(ask),
            Ear::Proven { good_until, .. } if self.wants => Some(good_until),
            Ear::NotDoubted if self.wants => None,
            Ear::Unasked { ask } => Some(ask.min(self.deadline)),
            Ear::Asked { at } => Some(self.deadline.max(at + self.active_adver_interval.span())),
            Ear::Proven { .. } | Ear::NotDoubted => Some(self.deadline),
        }
    }
}

/// What a Backup knows of its own hearing. A silence is evidence against the
/// Active Router only where an advert would have been heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Ear {
    /// The silence is too short to doubt.
    Unasked {
        /// When it will not be any more.
        ask: MonoTime,
    },
    /// Asked for a proof, without answer so far.
    Asked {
        /// When.
        at: MonoTime,
    },
    /// It was alive within this silence.
    Proven {
        /// When that was said.
        at: MonoTime,
        /// Until when it says anything about this silence: for as long as an
        /// Active Router may be silent.
        good_until: MonoTime,
    },
    /// The address owner needs no proof.
    NotDoubted,
}

impl Ear {
    /// One advert missed, and half an interval beyond it; at the latest at
    /// the deadline that would be believed.
    fn doubted_from(
        silence: MonoTime,
        interval: Centis,
        deadline: MonoTime,
        params: &Params,
    ) -> Self {
        if params.is_owner() {
            return Self::NotDoubted;
        }
        let ask = silence + interval.span() * 3 / 2;
        Self::Unasked {
            ask: ask.min(deadline),
        }
    }
}
