//! What repeats itself, counted until something else happens.

use std::net::IpAddr;
use std::time::Duration;

use vip_common::election::Heard;
use vip_common::reject::RejectReason;
use vip_common::time::{Centis, MonoTime};

use super::{Event, REFUSAL_PAUSE};

/// A router's part in the record.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct Run {
    /// What goes on: [`Event::Followed`] or [`Event::Spoke`], growing.
    going: Option<Event>,
    /// Whether what the election was told last is in there, and no record of its own.
    pub(super) quiet: bool,
    /// Whether an advert that is in the record is on its way out.
    pub(super) awaits: bool,
    /// When the last advert was given to the interface.
    pub(super) given: Option<MonoTime>,
    /// How the last advert went out.
    pub(super) errno: Option<i32>,
    /// Where the election was written last, and when.
    pub(super) kept: Option<(u64, MonoTime)>,
    /// The adverts that were refused.
    pub(super) refused: Refusals,
    /// The count of the sender that was heard last.
    pub(super) number: Number,
    /// When the role was taken, until the first of what follows has come of it:
    /// our advert, and an announcement.
    pub(super) began: Began,
    /// Who was succeeded because of its silence, and how many adverts it owed by then.
    pub(super) silent: Option<(IpAddr, u64)>,
}

/// A takeover that is under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Began {
    pub(super) advert: Option<MonoTime>,
    pub(super) addresses: Option<MonoTime>,
    pub(super) arp: Option<MonoTime>,
}

impl Run {
    /// Ends what goes on.
    pub(super) fn take(&mut self) -> Option<Event> {
        self.going.take()
    }

    /// Whether an advert is one more of the same.
    pub(super) fn follows(&self, heard: Heard, every: Centis) -> bool {
        matches!(self.going, Some(Event::Followed { source, priority, interval, .. })
            if (source, priority, interval) == (heard.source, heard.priority, every))
    }

    /// Counts an advert, and so many before it that were recognised at the NIC.
    pub(super) fn follow(
        &mut self,
        heard: Heard,
        every: Centis,
        now: MonoTime,
        recognised: u64,
        one_before: Option<MonoTime>,
    ) {
        let more = recognised.max(1);
        let going = self.going.get_or_insert(Event::Followed {
            source: heard.source,
            priority: heard.priority,
            interval: every,
            count: 0,
            known: 0,
            first: heard.stamp,
            before: None,
            last: heard.stamp,
            longest: Duration::ZERO,
            told: now,
            proven: None,
        });
        if let Event::Followed {
            count,
            known,
            before,
            last,
            longest,
            told,
            proven,
            ..
        } = going
        {
            let newest = if recognised > 1 { one_before } else { None };
            let ahead = newest.or((*count > 0).then_some(*last));
            if let Some(ahead) = ahead {
                *longest = (*longest).max(heard.stamp.since(ahead));
            }
            *before = ahead;
            *last = heard.stamp;
            *count += more;
            *known += recognised;
            *told = now;
            *proven = None;
        }
    }

    /// The ear was proven. Whether that is in the run.
    pub(super) fn prove(&mut self, now: MonoTime) -> bool {
        match &mut self.going {
            Some(Event::Followed { proven, .. }) if proven.is_none() => {
                *proven = Some(now);
                true
            }
            _ => false,
        }
    }

    /// Whether what goes on are adverts of ours.
    pub(super) fn speaks(&self) -> bool {
        matches!(self.going, Some(Event::Spoke { .. }))
    }

    /// Counts an advert of ours that was due then.
    pub(super) fn speak(&mut self, now: MonoTime, due: MonoTime) {
        let going = self.going.get_or_insert(Event::Spoke {
            count: 0,
            first: now,
            last: now,
            latest: Duration::ZERO,
        });
        if let Event::Spoke {
            count,
            last,
            latest,
            ..
        } = going
        {
            *count += 1;
            *last = now;
            *latest = (*latest).max(now.since(due));
        }
    }
}

/// Refusals since the last record of one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Refusals {
    written: Option<(MonoTime, RejectReason)>,
    count: u32,
}

impl Refusals {
    /// One more; how many there are where they are to be written.
    pub(super) fn take(&mut self, now: MonoTime, reason: RejectReason) -> Option<u32> {
        self.count = self.count.saturating_add(1);
        let is_fresh = self
            .written
            .is_some_and(|(at, before)| before == reason && now.since(at) < REFUSAL_PAUSE);
        if is_fresh {
            return None;
        }
        self.written = Some((now, reason));
        Some(std::mem::take(&mut self.count))
    }
}

/// How a sender counts its adverts in the IPv4 identification: `vip` and keepalived
/// do, each instance for itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Number {
    last: Option<(IpAddr, u16, MonoTime)>,
    /// Adverts since then that were recognised at the NIC, whose number is not known.
    since: u64,
    /// How often in a row the count was right.
    right: u8,
}

impl Number {
    /// So often in a row, and it counts adverts.
    const SURE: u8 = 2;
    /// A greater step than this is another beginning.
    const FAR: u16 = u16::MAX / 2;
    /// So many may be sent beside those that are due.
    const EXTRA: u16 = 1;
    /// After so many that were recognised at the NIC the count shows by itself that it is one.
    const MANY: u64 = 2;

    /// Who was heard last.
    pub(super) fn source(&self) -> Option<IpAddr> {
        self.last.map(|(source, ..)| source)
    }

    /// Adverts of the sender that were recognised at the NIC.
    pub(super) fn add(&mut self, source: IpAddr, stamp: MonoTime, known: u64) {
        if let Some((who, _, at)) = &mut self.last
            && *who == source
            && known > 0
        {
            *at = stamp;
            self.since += known;
        }
    }

    /// An advert with its number: the one before it of the same sender, and how many
    /// that sender has sent in between.
    pub(super) fn see(
        &mut self,
        source: IpAddr,
        stamp: MonoTime,
        interval: Centis,
        number: u16,
    ) -> Option<(MonoTime, Option<u16>)> {
        let before = self.last.replace((source, number, stamp));
        let since = std::mem::take(&mut self.since);
        let Some((_, then, at)) = before.filter(|(who, ..)| *who == source) else {
            self.right = 0;
            return None;
        };
        let step = number.wrapping_sub(then).wrapping_sub(since as u16);
        let was_sure = self.right >= Self::SURE;
        // Nobody who counts otherwise, or has begun anew, comes this near by chance. Some
        // are sent between two that are due: a priority that changes is told at once.
        let most = stamp.since(at).as_nanos() / interval.span().as_nanos().max(1) + 2;
        let near = u128::from(step) <= most + u128::from(Self::EXTRA);
        let goes_on = near && (1..Self::FAR).contains(&step);
        self.right = if step == 1 {
            self.right.saturating_add(1)
        } else if goes_on && was_sure {
            self.right
        } else {
            0
        };
        let is_count = was_sure || since >= Self::MANY;
        Some((at, (goes_on && is_count).then(|| step - 1)))
    }
}
