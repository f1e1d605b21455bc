//! What a virtual router is configured with.

use core::time::Duration;

use crate::ids::{Priority, Version, Vrid};
use crate::time::{Centis, MonoTime, active_down_interval, skew_time};

/// The configuration of one virtual router, as far as the election needs it
/// (RFC 9568 section 6.1). Changed by
/// [`VirtualRouter::reconfigure`](super::VirtualRouter::reconfigure).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// Virtual Router Identifier.
    pub vrid: Vrid,
    /// Protocol version spoken.
    pub version: Version,
    /// Election priority; 255 is the address owner's.
    pub priority: Priority,
    /// Our own interval between adverts as Active.
    pub adver_interval: Centis,
    /// As Active: where on the clock the adverts after the first one lie, an interval
    /// from each other. Routers that share it are sent together, and the second advert
    /// comes sooner than an interval after the first. Without it they lie on a grid from
    /// the first, which is what RFC 9568 says and what a single router does.
    pub beat: Option<Duration>,
    /// Preempt_Mode: whether we replace an Active Router of lower priority.
    /// The address owner always does.
    pub preempt: bool,
    /// For how long an Active Router of lower priority is left alone once it
    /// has been heard (keepalived's `preempt_delay`); zero not at all. It does
    /// not delay a takeover from one that is silent.
    pub preempt_delay: Duration,
    /// How many missed adverts make an Active Router dead: 1 to 100, in RFC
    /// 9568 the constant 3.
    pub down_timer_adverts: u8,
    /// Until then no part is taken and no advert is heeded (keepalived's
    /// `vrrp_startup_delay`); [`MonoTime::ZERO`] for no delay. Of a router that
    /// runs already it cannot be changed.
    pub startup_until: MonoTime,
    /// As Active: a lower priority is not answered with an advert. Priority
    /// zero still is.
    pub lower_prio_no_advert: bool,
    /// One last advert is sent before we yield to a higher priority, so that
    /// the winner knows of us and announces the addresses anew.
    pub higher_prio_send_advert: bool,
    /// As address owner: nobody else's adverts are heeded.
    pub owner_ignore_adverts: bool,
    /// Member of a sync group: the role is taken and the start made when the
    /// [group](super::group) says so.
    pub grouped: bool,
    /// Of a member of a sync group: the longest [`Params::succession`] of all, since
    /// they are succeeded together; zero otherwise.
    pub group_succession: Duration,
    /// When and how often gratuitous ARP is sent.
    pub garp: Garp,
}

impl Params {
    /// What must be said, and for everything else what holds where nothing is:
    /// preempting, three adverts, no delays, in no group.
    #[must_use]
    pub fn new(vrid: Vrid, version: Version, priority: Priority, adver_interval: Centis) -> Self {
        Self {
            vrid,
            version,
            priority,
            adver_interval,
            beat: None,
            preempt: true,
            preempt_delay: Duration::ZERO,
            down_timer_adverts: 3,
            startup_until: MonoTime::ZERO,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            owner_ignore_adverts: false,
            grouped: false,
            group_succession: Duration::ZERO,
            garp: Garp::default(),
        }
    }

    /// When the next advert is due after the first one, which was sent `now`: never more
    /// than an interval later.
    #[must_use]
    pub fn second_advert(&self, now: MonoTime) -> MonoTime {
        let interval = self.adver_interval.span();
        let Some(beat) = self.beat else {
            return now + interval;
        };
        let into = (now + interval).since(MonoTime::ZERO + beat).as_nanos();
        let past = into.checked_rem(interval.as_nanos()).unwrap_or(0);
        now + interval - Duration::from_nanos(u64::try_from(past).unwrap_or(0))
    }

    /// Whether this router owns the virtual addresses.
    #[must_use]
    pub const fn is_owner(&self) -> bool {
        self.priority.get() == Priority::OWNER.get()
    }

    /// Preempt_Mode with the owner's exception (RFC 9568 section 6.1).
    #[must_use]
    pub const fn preempts(&self) -> bool {
        self.preempt || self.is_owner()
    }

    /// Skew_Time for an Active Router that advertises at this interval.
    #[must_use]
    pub fn skew_time(&self, active_adver_interval: Centis) -> Duration {
        skew_time(self.version, self.priority, active_adver_interval)
    }

    /// How long a successor, which hears that we leave, may take until it speaks:
    /// the longest Skew_Time, that of priority 1 and a little more. In version 3
    /// that is an interval; in version 2 a second, however long the interval is.
    #[must_use]
    pub fn succession(&self) -> Duration {
        let interval = self.adver_interval.span();
        let own = match self.version {
            Version::V2 => interval.min(Duration::from_secs(1)),
            Version::V3 => interval,
        };
        own.max(self.group_succession)
    }

    /// Active_Down_Interval for an Active Router that advertises at this
    /// interval.
    #[must_use]
    pub fn active_down_interval(&self, active_adver_interval: Centis) -> Duration {
        active_down_interval(
            self.version,
            self.priority,
            active_adver_interval,
            self.down_timer_adverts,
        )
    }

    /// Active_Adver_Interval after an advert that carries this interval.
    /// Version 2 does not learn: an advert with another interval than ours
    /// was refused before it came here (RFC 3768 section 7.1).
    #[must_use]
    pub const fn learned(&self, advertised: Centis) -> Centis {
        match self.version {
            Version::V2 => self.adver_interval,
            Version::V3 => advertised,
        }
    }
}

/// The schedule of gratuitous ARP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Garp {
    /// Rounds over all addresses once they are installed; zero sends none.
    pub repeat: u8,
    /// When the burst is repeated, for switches and hosts that missed it;
    /// zero never repeats.
    pub delay: Duration,
    /// Period of further rounds for as long as we are Active.
    pub refresh: Option<Duration>,
    /// Rounds per refresh; zero sends none.
    pub refresh_repeat: u8,
    /// Rounds at once after an advert of a router of lower priority that
    /// believes to be Active too; zero sends none.
    pub lower_prio_repeat: u8,
    /// When that burst is repeated; zero never repeats.
    pub lower_prio_delay: Duration,
}

impl Default for Garp {
    /// keepalived's defaults: five rounds, five more after five seconds, no
    /// refresh.
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: None,
            refresh_repeat: 1,
            lower_prio_repeat: 5,
            lower_prio_delay: Duration::from_secs(5),
        }
    }
}
