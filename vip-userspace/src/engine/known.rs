//! The advert that a router knows: lent to the program at the NIC, so that the same
//! one again wakes nobody ([`Memory`]).
//!
//! What comes meanwhile is taken note of there, with its time, and told to the
//! election before anything else is: before every input, every deadline, and every
//! look at a sync group. So the election knows no less, only later, and nothing is
//! decided in between. Whatever it is told besides that ends the loan; the next advert
//! of the router that is followed is an event then, and begins another.

use std::net::IpAddr;
use std::time::Duration;

use vip_common::ids::{MacAddr, Priority};
use vip_common::layout::KNOWN_BYTES;
use vip_common::time::{Centis, MonoTime};

use super::{Engine, Input, rt};
use crate::dataplane::Known;

#[cfg(test)]
mod tests;

/// How many intervals the engine sleeps at most where the program at the NIC watches
/// for a silence: should that ever fail, a takeover is late by this.
const MOST_INTERVALS: u32 = 64;
/// The same as a time.
const LONGEST_SLEEP: Duration = Duration::from_secs(2);

/// What a router has lent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loan {
    /// Its number.
    lending: u64,
    advert: Understood,
    /// How many of those that came are known to the election.
    told: u64,
    /// How much had been told to the election when it last said what of it holds.
    turn: u64,
    /// When to look at it where the program at the NIC watches for the silence; before
    /// it does the deadline is the election's.
    look_at: Option<MonoTime>,
}

/// What an advert says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Understood {
    pub(super) source: IpAddr,
    pub(super) priority: Priority,
    pub(super) interval: Centis,
}

/// An advert that may be lent, as long as nothing else happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    advert: Understood,
    stamp: MonoTime,
    turn: u64,
    len: usize,
    frame: [u8; KNOWN_BYTES],
}

/// A router's part in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lending {
    loan: Option<Loan>,
    offer: Option<Offer>,
    /// Counts what the election is told.
    turn: u64,
    /// Whom the program at the NIC takes for the one that is followed.
    follows: Option<(IpAddr, MacAddr)>,
    /// The MAC that the adverts of the one come from that keeps the router Backup.
    mac: MacAddr,
}

impl Lending {
    /// Something has happened by which the verdict on the same advert may be another:
    /// the election was told something, or goes by another configuration.
    pub(super) fn turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
    }

    /// What keeps the router Backup has come from this MAC.
    pub(super) fn obey(&mut self, mac: MacAddr) {
        self.mac = mac;
    }

    /// The number of the loan, and how many of what came of it the election knows.
    pub(super) fn told(&self) -> Option<(u64, u64)> {
        self.loan.map(|loan| (loan.lending, loan.told))
    }

    /// When to look at the router next, in place of its deadline.
    pub(super) fn look_at(&self) -> Option<MonoTime> {
        let holds = self.loan.filter(|loan| loan.turn == self.turn);
        holds.and_then(|loan| loan.look_at)
    }
}

impl Engine {
    /// An advert was accepted just now, and may be lent.
    pub(super) fn offer(&mut self, slot: usize, advert: Understood, stamp: MonoTime, bytes: &[u8]) {
        if self.memory.is_none() || bytes.len() > KNOWN_BYTES {
            return;
        }
        let lending = &mut self.routers[slot].lending;
        let mut frame = [0; KNOWN_BYTES];
        frame[..bytes.len()].copy_from_slice(bytes);
        lending.offer = Some(Offer {
            advert,
            stamp,
            turn: lending.turn,
            len: bytes.len(),
            frame,
        });
    }

    /// Tells the election what has come of the advert that its router has lent.
    pub(super) fn catch_up(&mut self, slot: usize) {
        let router = &mut self.routers[slot];
        let (Some(memory), Some(loan)) = (&self.memory, &mut router.lending.loan) else {
            return;
        };
        let number = u32::try_from(slot).unwrap_or(u32::MAX);
        let Some(repeats) = memory.repeats(number) else {
            return;
        };
        if repeats.lending != loan.lending || repeats.count == loan.told {
            return;
        }
        let count = repeats.count.wrapping_sub(loan.told);
        loan.told = repeats.count;
        let holds = loan.turn == router.lending.turn;
        let Understood {
            source,
            priority,
            interval,
        } = loan.advert;
        let takeover = router.takeover();
        let (span, other_list) = router.note_repeats(source, &repeats, count);
        if let (Some(span), Some(meter)) = (span, self.published.meter(slot)) {
            let mean = span / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
            let last = repeats.before.map(|before| repeats.stamp.since(before));
            if let Some(takeover) = takeover {
                // It was due as long after the advert that was told last, which came a
                // span before, as after any other.
                let patience = takeover.since(repeats.stamp - span);
                meter.recognise(patience.saturating_sub(mean.max(last.unwrap_or_default())));
            }
            meter.gaps.note(mean, count);
            meter.other_list(if other_list { count } else { 0 });
        }
        let now = rt::now();
        let stamp = repeats.stamp;
        let input = Input::AdvertArrived {
            stamp,
            source,
            priority,
            interval,
        };
        self.tell_of(slot, now, input, (count, repeats.before));
        let router = &mut self.routers[slot];
        let followed = router.election.steadily_follows();
        let turn = router.lending.turn;
        if holds
            && followed.is_some_and(|heard| heard.stamp == stamp)
            && let Some(loan) = &mut router.lending.loan
        {
            loan.turn = turn;
            let sleep = interval.span() * MOST_INTERVALS;
            loan.look_at = Some(now + sleep.min(LONGEST_SLEEP).max(interval.span() * 2));
        }
        self.follow_group(slot);
    }

    /// The time has come to look at a router: it goes by its deadline again unless
    /// something has come.
    pub(super) fn look(&mut self, slot: usize, now: MonoTime) {
        self.catch_up(slot);
        if let Some(loan) = &mut self.routers[slot].lending.loan {
            loan.look_at = loan.look_at.filter(|at| *at > now);
        }
    }

    /// The program at the NIC has waited for the next one in vain.
    pub(super) fn heard_silence(&mut self, slot: usize, stamp: MonoTime) {
        if slot >= self.routers.len() {
            return;
        }
        self.catch_up(slot);
        let router = &mut self.routers[slot];
        // Perhaps one has come since.
        let last = router.election.steadily_follows();
        if last.is_none_or(|last| last.stamp < stamp)
            && let Some(loan) = &mut router.lending.loan
        {
            loan.look_at = None;
        }
        self.touch(slot);
    }

    /// Ends the loans that do not hold any more, of routers that were touched, and
    /// lends what was offered.
    pub(super) fn settle_loans(&mut self) {
        if self.memory.is_none() {
            return;
        }
        let mut at = 0;
        // What comes of one may touch others.
        while let Some(slot) = self.touched.get(at).copied() {
            self.settle_loan(slot);
            at += 1;
        }
    }

    /// Whatever a slot's router has lent is lent no more, and it follows nobody.
    pub(super) fn call_in(&self, slot: usize) {
        if let (Some(memory), Ok(number)) = (&self.memory, u32::try_from(slot)) {
            memory.lend(number, None);
            memory.follow(number, None);
        }
    }

    fn settle_loan(&mut self, slot: usize) {
        let Some(memory) = self.memory.clone() else {
            return;
        };
        let number = u32::try_from(slot).unwrap_or(u32::MAX);
        let lending = &self.routers[slot].lending;
        if lending.loan.is_some_and(|loan| loan.turn != lending.turn) {
            memory.lend(number, None);
            // What came before that.
            self.catch_up(slot);
            self.routers[slot].lending.loan = None;
        }
        let router = &mut self.routers[slot];
        let mac = router.lending.mac;
        let follows = router.election.obeyed().map(|address| (address, mac));
        if router.lending.follows != follows {
            memory.follow(number, follows);
            router.lending.follows = follows;
        }
        let Some(offer) = self.routers[slot].lending.offer.take() else {
            return;
        };
        let router = &mut self.routers[slot];
        let followed = router.election.steadily_follows();
        let is_followed = followed
            .is_some_and(|heard| heard.stamp == offer.stamp && heard.source == offer.advert.source);
        if !is_followed || offer.turn != router.lending.turn || router.lending.loan.is_some() {
            return;
        }
        let Some(due) = router.election.poll_timeout() else {
            return;
        };
        let known = Known {
            frame: &offer.frame[..offer.len],
            silence: due.since(offer.stamp),
        };
        router.lending.loan = memory.lend(number, Some(known)).map(|lending| Loan {
            lending,
            advert: offer.advert,
            told: 0,
            turn: offer.turn,
            look_at: None,
        });
    }
}
