//! The three states, each with the deadlines that belong to it: a Backup
//! cannot own an advert timer, because there is no place to keep one.

use core::net::IpAddr;
use core::time::Duration;

use super::action::Fault;
use super::params::{Garp, Params};
use crate::ids::Priority;
use crate::time::{Centis, MonoTime};

/// State of a virtual router (RFC 9568 section 6.3).
#[derive(Clone, Debug)]
pub enum State {
    /// Takes no part.
    Initialize(Initialize),
    /// Watches the Active Router.
    Backup(Backup),
    /// Holds the addresses.
    Active(Active),
}

impl State {
    /// The name alone.
    #[must_use]
    pub const fn name(&self) -> StateName {
        match self {
            Self::Initialize(_) => StateName::Initialize,
            Self::Backup(_) => StateName::Backup,
            Self::Active(_) => StateName::Active,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<MonoTime> {
        match self {
            Self::Initialize(initialize) => initialize.retry,
            Self::Backup(backup) => Some(backup.next_deadline()),
            Self::Active(active) => Some(active.next_deadline()),
        }
    }
}

/// The name of a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StateName {
    /// Takes no part.
    Initialize,
    /// Watches the Active Router.
    Backup,
    /// Holds the addresses.
    Active,
}

/// Taking no part, for a reason.
#[derive(Clone, Copy, Debug)]
pub struct Initialize {
    /// The reason.
    pub fault: Fault,
    /// When we take part again by ourselves; otherwise we wait to be told.
    pub retry: Option<MonoTime>,
}

/// An advert that was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Who sent it.
    pub source: IpAddr,
    /// With what priority.
    pub priority: Priority,
    /// When it arrived.
    pub stamp: MonoTime,
}

/// Watching the Active Router.
#[derive(Clone, Debug)]
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
    /// When the Active_Down_Timer ends. It is counted from the arrival of the
    /// last accepted advert, whenever that was processed.
    pub deadline: MonoTime,
    /// What we know of our own hearing.
    pub ear: Ear,
}

impl Backup {
    /// Nobody was heard yet: a whole Active_Down_Interval from now.
    pub(super) fn entered(now: MonoTime, params: &Params) -> Self {
        Self::silent_since(now, now, params.adver_interval, None, params)
    }

    /// Having been Active, we heard a better one.
    pub(super) fn yielded(now: MonoTime, heard: Heard, interval: Centis, params: &Params) -> Self {
        Self::silent_since(now, heard.stamp, interval, Some(heard), params)
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
            deadline,
            ear: Ear::doubted_from(silence, interval, deadline, params),
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
        *self = Self::silent_since(since, stamp, interval, Some(heard), params);
    }

    /// The Active Router leaves: only Skew_Time is left, or less.
    pub(super) fn accept_resign(&mut self, heard: Heard, params: &Params) {
        let skewed = heard.stamp + params.skew_time(self.active_adver_interval);
        self.deadline = self.deadline.min(skewed);
        self.accepted = Some(heard);
        self.discarded = None;
        self.hear(heard.stamp, params);
    }

    /// An advert of a router that we are about to replace: the timer runs on.
    pub(super) fn discard(&mut self, heard: Heard, params: &Params) {
        self.discarded = Some(heard);
        self.hear(heard.stamp, params);
    }

    /// We were not running: the silence begins anew, and ends after one interval
    /// and Skew_Time, unless it would have ended later anyway.
    pub(super) fn slept(&mut self, now: MonoTime, params: &Params) {
        let interval = self.active_adver_interval;
        let chance = now + interval.span() + params.skew_time(interval);
        self.deadline = self.deadline.max(chance);
        self.ear = Ear::doubted_from(now, interval, self.deadline, params);
    }

    /// Whatever is heard shows that the ear was alive then.
    fn hear(&mut self, stamp: MonoTime, params: &Params) {
        let never = MonoTime::from_nanos(u64::MAX);
        self.ear = Ear::doubted_from(stamp, self.active_adver_interval, never, params);
    }

    /// Whether the silence can be believed to be the network's and not ours.
    pub(super) fn believes(&self, now: MonoTime, params: &Params) -> bool {
        match self.ear {
            Ear::Unasked { ask } => now < ask,
            Ear::Asked { .. } => false,
            // A proof vouches for one silence, not for what was slept through
            // long after it.
            Ear::Proven { at } => {
                now.since(at) <= params.active_down_interval(self.active_adver_interval)
            }
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

    fn next_deadline(&self) -> MonoTime {
        match self.ear {
            Ear::Unasked { ask } => ask.min(self.deadline),
            Ear::Asked { at } => self.deadline.max(at + self.active_adver_interval.span()),
            Ear::Proven { .. } | Ear::NotDoubted => self.deadline,
        }
    }
}

/// What a Backup knows of its own hearing. A silence is evidence against the
/// Active Router only where an advert would have been heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

/// Holding the addresses.
#[derive(Clone, Debug)]
pub struct Active {
    /// When we became Active.
    pub since: MonoTime,
    /// When our last advert was sent.
    pub last_advert: MonoTime,
    /// When the next one is due: on a grid from `since`, so that lateness
    /// does not add up.
    pub next_advert: MonoTime,
    /// How far the addresses have come.
    pub addresses: Addresses,
    /// When an advert was last sent out of turn, as an answer.
    pub(super) last_answer: Option<MonoTime>,
    /// When the next answer may be sent, if one is owed.
    pub(super) owed_answer: Option<MonoTime>,
}

impl Active {
    pub(super) fn entered(now: MonoTime, params: &Params) -> Self {
        Self {
            since: now,
            last_advert: now,
            next_advert: now + params.adver_interval.span(),
            addresses: Addresses::Installing,
            last_answer: None,
            owed_answer: None,
        }
    }

    /// Whether an advert is due; if so it counts as sent.
    pub(super) fn take_due_advert(&mut self, now: MonoTime, params: &Params) -> bool {
        let interval = params.adver_interval.span();
        let owed = self.owed_answer.is_some_and(|owed| now >= owed);
        let due = now >= self.next_advert;
        if !owed && !due {
            return false;
        }
        if owed {
            self.last_answer = Some(now);
        }
        if due {
            // What was missed is not made up for: one advert says it all.
            let next = self.next_advert + interval;
            self.next_advert = if now < next { next } else { now + interval };
        }
        self.last_advert = now;
        self.owed_answer = None;
        true
    }

    /// Whether an answer may be sent now; if so it counts as sent. If not, it
    /// is owed, so that a flood is not amplified and yet no router goes
    /// unanswered: one answer per half interval.
    pub(super) fn take_answer(&mut self, now: MonoTime, params: &Params) -> bool {
        let pause = params.adver_interval.span() / 2;
        match self.last_answer {
            Some(last) if now < last + pause => {
                self.owed_answer = Some(last + pause);
                false
            }
            _ => {
                self.last_answer = Some(now);
                self.last_advert = now;
                self.owed_answer = None;
                true
            }
        }
    }

    fn next_deadline(&self) -> MonoTime {
        [self.owed_answer, self.addresses.next_deadline()]
            .into_iter()
            .flatten()
            .fold(self.next_advert, MonoTime::min)
    }
}

/// How far the addresses of an Active Router have come.
#[derive(Clone, Debug)]
pub enum Addresses {
    /// Not acknowledged yet; announcing them would be a lie.
    Installing,
    /// In the kernel, and announced.
    Installed(Announced),
}

impl Addresses {
    fn next_deadline(&self) -> Option<MonoTime> {
        match self {
            Self::Installing => None,
            Self::Installed(announced) => [announced.again, announced.reminder, announced.refresh]
                .into_iter()
                .flatten()
                .min(),
        }
    }
}

/// The schedule of gratuitous ARP for installed addresses.
#[derive(Clone, Debug)]
pub struct Announced {
    /// When the addresses were last announced.
    pub last: MonoTime,
    /// When the burst is repeated.
    pub again: Option<MonoTime>,
    /// When those are reminded who did not take the last burst in.
    pub reminder: Option<MonoTime>,
    /// When the next refresh is due.
    pub refresh: Option<MonoTime>,
}

impl Announced {
    /// A neighbour that took in another claim within the last second (Linux's
    /// `locktime`) ignores ours: after a contest we say it once more.
    const CONTESTED: Duration = Duration::from_millis(1100);
    /// Bursts that somebody else can provoke are at least this far apart.
    const BURST_PAUSE: Duration = Duration::from_secs(1);

    pub(super) fn begun(now: MonoTime, garp: &Garp) -> Self {
        Self {
            last: now,
            again: Self::repetition(now, garp),
            reminder: None,
            refresh: Self::period(garp).map(|period| now + period),
        }
    }

    /// A burst provoked by another claimant: whether it may be sent now. The
    /// repetition after it is scheduled in any case, once.
    pub(super) fn take_provoked(&mut self, now: MonoTime, garp: &Garp) -> bool {
        if self.again.is_none() {
            self.again = Self::repetition(now, garp);
        }
        if self.reminder.is_none() && garp.repeat > 0 {
            self.reminder = Some(now + Self::CONTESTED);
        }
        let allowed = now >= self.last + Self::BURST_PAUSE;
        if allowed {
            self.last = now;
        }
        allowed
    }

    /// The rounds that are due; they count as sent.
    pub(super) fn take_due(&mut self, now: MonoTime, garp: &Garp) -> u8 {
        let mut rounds = 0;
        if self.again.is_some_and(|again| now >= again) {
            self.again = None;
            rounds = garp.repeat;
        }
        if self.reminder.is_some_and(|reminder| now >= reminder) {
            self.reminder = None;
            rounds = rounds.max(1);
        }
        if let (Some(refresh), Some(period)) = (self.refresh, Self::period(garp))
            && now >= refresh
        {
            let next = refresh + period;
            self.refresh = Some(if now < next { next } else { now + period });
            rounds = rounds.max(garp.refresh_repeat);
        }
        if rounds > 0 {
            self.last = now;
        }
        rounds
    }

    fn repetition(now: MonoTime, garp: &Garp) -> Option<MonoTime> {
        (garp.repeat > 0 && !garp.delay.is_zero()).then(|| now + garp.delay)
    }

    fn period(garp: &Garp) -> Option<Duration> {
        garp.refresh
            .filter(|period| garp.refresh_repeat > 0 && !period.is_zero())
    }
}
