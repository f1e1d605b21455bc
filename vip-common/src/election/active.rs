//! Active: adverts on their grid, and the announcements of the addresses.

use core::time::Duration;

use super::params::{Garp, Params};
use crate::time::{Centis, MonoTime};

/// Holding the addresses.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
    /// As address owner: another owner that does not give up.
    pub(super) rival: Option<Rival>,
}

/// Another router that advertises the owner's priority, although its address
/// is lower than ours and it should have yielded.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Rival {
    since: MonoTime,
    last: MonoTime,
    /// Adverts of ours that it had the time to hear.
    adverts: u8,
}

impl Rival {
    /// So many of our adverts, and so much more than an interval, should have
    /// sufficed.
    const ADVERTS: u8 = 2;
}

impl Active {
    /// Having sent an advert.
    pub(super) fn entered(now: MonoTime, addresses: Addresses, params: &Params) -> Self {
        Self {
            since: now,
            last_advert: now,
            next_advert: params.second_advert(now),
            addresses,
            last_answer: None,
            owed_answer: None,
            rival: None,
        }
    }

    /// Other intervals from now on. The next advert is not later than it would
    /// have been: with the old interval the others know when to miss it.
    pub(super) fn recount(&mut self, now: MonoTime, params: &Params) {
        let next = self.last_advert + params.adver_interval.span();
        self.next_advert = self.next_advert.min(next.max(now));
        if let Addresses::Installed(announced) = &mut self.addresses {
            announced.recount(now, &params.garp);
        }
    }

    /// As owner we heard another owner that should yield. Whether it had time
    /// enough to do so.
    pub(super) fn outlasts(&mut self, now: MonoTime, theirs: Centis, params: &Params) -> bool {
        let slower = params.adver_interval.max(theirs).span();
        let fresh = Rival {
            since: now,
            last: now,
            adverts: 0,
        };
        let rival = match &mut self.rival {
            Some(rival) if now.since(rival.last) <= slower * 3 => rival,
            stale => stale.insert(fresh),
        };
        rival.last = now;
        rival.adverts >= Rival::ADVERTS && now.since(rival.since) >= slower * 6 / 5
    }

    fn count_advert(&mut self) {
        if let Some(rival) = &mut self.rival {
            rival.adverts = rival.adverts.saturating_add(1);
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
        self.count_advert();
        true
    }

    /// See [`super::VirtualRouter::only_advertises`].
    pub(super) fn only_advertises(&self, now: MonoTime, params: &Params) -> bool {
        let next = self.next_advert + params.adver_interval.span();
        let else_due = self.addresses.next_deadline();
        (self.next_advert..next).contains(&now)
            && self.owed_answer.is_none()
            && else_due.is_none_or(|due| now < due)
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
                self.count_advert();
                true
            }
        }
    }

    pub(super) fn next_deadline(&self) -> MonoTime {
        [self.owed_answer, self.addresses.next_deadline()]
            .into_iter()
            .flatten()
            .fold(self.next_advert, MonoTime::min)
    }
}

/// How far the addresses of an Active Router have come.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
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
            Self::Installed(announced) => [
                announced.again,
                announced.contested,
                announced.reminder,
                announced.refresh,
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }
}

/// The schedule of gratuitous ARP for installed addresses.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Announced {
    /// When the addresses were last announced.
    pub last: MonoTime,
    /// When the burst is repeated.
    pub again: Option<MonoTime>,
    /// When a burst that another claimant provoked is repeated.
    pub contested: Option<MonoTime>,
    /// When those are reminded who did not take the last burst in.
    pub reminder: Option<MonoTime>,
    /// When another claimant was last answered with a single round.
    answered: Option<MonoTime>,
    /// When the next refresh is due.
    pub refresh: Option<MonoTime>,
}

impl Announced {
    /// A neighbour that took in another claim within the last second (Linux's
    /// `locktime`) ignores ours: after a contest we say it once more.
    const CONTESTED: Duration = Duration::from_millis(1100);
    /// Bursts that somebody else can provoke are at least this far apart.
    const BURST_PAUSE: Duration = Duration::from_secs(1);
    /// Single rounds too, but sooner: somebody may wait for one, and nobody
    /// gets one without an answer.
    const ANSWER_PAUSE: Duration = Duration::from_millis(10);

    pub(super) fn begun(now: MonoTime, garp: &Garp) -> Self {
        Self {
            last: now,
            again: Self::after(now, garp.repeat, garp.delay),
            contested: None,
            reminder: None,
            answered: None,
            refresh: Self::period(garp).map(|period| now + period),
        }
    }

    /// A burst provoked by another claimant: whether it may be sent now. The
    /// repetition after it is scheduled in any case, once.
    pub(super) fn take_provoked(&mut self, now: MonoTime, garp: &Garp) -> bool {
        if self.contested.is_none() {
            self.contested = Self::after(now, garp.lower_prio_repeat, garp.lower_prio_delay);
        }
        if self.reminder.is_none() && garp.lower_prio_repeat > 0 {
            self.reminder = Some(now + Self::CONTESTED);
        }
        let allowed = now >= self.last + Self::BURST_PAUSE;
        if allowed {
            self.last = now;
        }
        allowed
    }

    /// A single round for another claimant that was answered: it keeps the
    /// addresses until it sees that we have them. Whether it may be sent now.
    pub(super) fn take_answer(&mut self, now: MonoTime, garp: &Garp) -> bool {
        let last = self.answered.map_or(self.last, |at| at.max(self.last));
        let allowed = garp.lower_prio_repeat > 0 && now >= last + Self::ANSWER_PAUSE;
        if allowed {
            self.answered = Some(now);
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
        if self.contested.is_some_and(|contested| now >= contested) {
            self.contested = None;
            rounds = rounds.max(garp.lower_prio_repeat);
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

    /// Another schedule from now on; what is over is not begun again.
    fn recount(&mut self, now: MonoTime, garp: &Garp) {
        let next = Self::period(garp).map(|period| (self.last + period).max(now));
        self.refresh = match (self.refresh, next) {
            (Some(before), Some(next)) => Some(before.min(next)),
            (_, next) => next,
        };
    }

    fn after(now: MonoTime, rounds: u8, delay: Duration) -> Option<MonoTime> {
        (rounds > 0 && !delay.is_zero()).then(|| now + delay)
    }

    fn period(garp: &Garp) -> Option<Duration> {
        garp.refresh
            .filter(|period| garp.refresh_repeat > 0 && !period.is_zero())
    }
}
