//! Addresses that are kept for a successor: make before break.

use core::time::Duration;

use super::params::Params;
use super::state::Heard;
use crate::time::MonoTime;

/// The role is given up, the addresses still serve: after a leave on purpose,
/// or having yielded, and in any state but Active.
///
/// They go when another router has announced that it has them, and
/// [`LettingGo::LINGER`] has passed, in which clients that sent to us before
/// they heard of it are still served. They go at [`LettingGo::until`] in any
/// case, and at once if we become unable to take part.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LettingGo {
    /// When the role was given up.
    pub since: MonoTime,
    /// When they go at the latest.
    pub until: MonoTime,
    /// Who speaks as Active since then: its first advert.
    pub successor: Option<Heard>,
    /// When it claimed the addresses.
    pub claimed: Option<MonoTime>,
    /// Whether the role is taken back if nobody comes for it.
    pub(super) returns: bool,
    /// Whether that is so: nobody has come.
    pub(super) abandoned: bool,
    /// Whether somebody took over was reported.
    pub(super) reported: bool,
    /// When a successor that has not claimed anything is made to.
    pub(super) provoke: Option<MonoTime>,
    /// Whether the end waits for the other members of a group.
    pub(super) waits: bool,
    /// Whether it only waits for them.
    pub(super) ready: bool,
}

impl LettingGo {
    /// How long clients are still served after the successor's claim.
    pub const LINGER: Duration = Duration::from_millis(20);
    /// How long a successor may take beyond
    /// [`Params::succession`](super::Params::succession).
    pub const GRACE: Duration = Duration::from_millis(100);

    /// A successor that has had the addresses all along, because the network
    /// was split, does not announce them until it hears us. One that has just
    /// taken over has announced them by then.
    const PROVOKE: Duration = Duration::from_millis(10);

    /// Having left: nobody has come yet.
    pub(super) fn left(now: MonoTime, params: &Params, returns: bool) -> Self {
        let waits = params.grouped;
        Self {
            since: now,
            until: now + params.succession() + Self::GRACE,
            successor: None,
            claimed: None,
            returns,
            abandoned: false,
            reported: false,
            provoke: None,
            waits,
            ready: false,
        }
    }

    /// Having heard a better one.
    pub(super) fn yielded(now: MonoTime, to: Heard, params: &Params) -> Self {
        Self {
            successor: Some(to),
            reported: true,
            provoke: Some(now + Self::PROVOKE),
            ..Self::left(now, params, false)
        }
    }

    /// Whether the successor has them for long enough.
    pub(super) fn is_done(&self, now: MonoTime) -> bool {
        self.claimed.is_some_and(|at| now >= at + Self::LINGER)
    }

    /// Somebody claimed the addresses. Before its first advert that is nobody
    /// who follows us.
    pub(super) fn note_claim(&mut self, stamp: MonoTime) {
        if self.claimed.is_none() && self.successor.is_some_and(|heard| stamp >= heard.stamp) {
            self.claimed = Some(stamp);
            self.provoke = None;
        }
    }

    /// The successor leaves as well: we wait for another one.
    pub(super) fn forget_successor(&mut self) {
        (self.successor, self.claimed, self.provoke) = (None, None, None);
        self.ready = false;
    }

    /// We did not run, and may not have heard who came: what would be taken
    /// back is not, before somebody had the time to speak again.
    pub(super) fn slept(&mut self, now: MonoTime, params: &Params) {
        if self.returns && self.successor.is_none() && !self.abandoned {
            self.until = self.until.max(now + params.adver_interval.span());
        }
    }

    pub(super) fn next_deadline(&self) -> Option<MonoTime> {
        if self.abandoned {
            return None;
        }
        let done = self.claimed.map(|at| at + Self::LINGER);
        [Some(self.until), done.filter(|_| !self.ready), self.provoke]
            .into_iter()
            .flatten()
            .min()
    }
}
