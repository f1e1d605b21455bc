//! The flight recorder's first half: what each election was told, what it wanted and
//! what came of it, in memory of a fixed size.
//!
//! The engine writes plain bytes into a ring of [records](Record), without waiting,
//! allocating or asking the system; services read it at any time, and what is written
//! anew under their eyes they leave out. What repeats itself is not written again and
//! again: adverts of the master that is followed, and our own as master, are counted in a
//! [`Run`] and written when something else happens. So a ring that is full of news
//! goes back for minutes, and a host on which nothing happens writes nothing.
//!
//! Before the first news about a router in a while its whole election is written, so that
//! what follows can be [replayed](crate::services::recorder::replay).

mod ring;
mod run;

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vip_common::election::{Action, Heard, Input, Params, State, StateName, VirtualRouter, Why};
use vip_common::ids::Priority;
use vip_common::reject::RejectReason;
use vip_common::time::{Centis, MonoTime};
use vip_common::wire::eth;

use super::meter::Phase;
use super::{Engine, rt};
pub use ring::{Entry, Kept, Record};
use run::Began;
pub(super) use run::Run;

/// The election of a router is written again when it was last written so long ago.
const FRESH: Duration = Duration::from_secs(10);
/// Refusals of a router are written no more often; those between are counted.
const REFUSAL_PAUSE: Duration = Duration::from_secs(1);
/// A wake-up that was later than this is news,
const LATE: Duration = Duration::from_millis(1);
/// told so often at most; the latest of those between counts.
const LATE_PAUSE: Duration = Duration::from_millis(100);

/// Something that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Another router has this number from now on: a reload gave it away.
    Renewed,
    /// The election was told this.
    Told(Input),
    /// The election was told that time has passed.
    Timed {
        /// When it should have been.
        due: Option<MonoTime>,
    },
    /// It goes by these parameters from now on.
    Reconfigured(Params),
    /// It wants this done.
    Wants(Action),
    /// Adverts of the router that is followed, all of which said the same.
    Followed {
        /// Whose.
        source: IpAddr,
        /// With what priority.
        priority: Priority,
        /// At what interval.
        interval: Centis,
        /// How many.
        count: u64,
        /// How many of them were recognised at the NIC, so that the engine knows their
        /// number, and when the last two of them came.
        known: u64,
        /// When the first one was at the NIC.
        first: MonoTime,
        /// When the last one but one was.
        before: Option<MonoTime>,
        /// When the last one was.
        last: MonoTime,
        /// The longest gap between two that are known one by one.
        longest: Duration,
        /// When the election was told of the last.
        told: MonoTime,
        /// When the ear was proven after that.
        proven: Option<MonoTime>,
    },
    /// Adverts of ours, each sent when it was due.
    Spoke {
        /// How many.
        count: u64,
        /// When the election wanted the first.
        first: MonoTime,
        /// When it wanted the last.
        last: MonoTime,
        /// The latest was so late.
        latest: Duration,
    },
    /// An advert was given to the interface.
    Sent {
        /// The system's error number, where it was not taken.
        errno: Option<i32>,
    },
    /// Gratuitous ARP, or neighbour advertisements, went out.
    Announced {
        /// How many frames.
        frames: u32,
        /// How many are still to come.
        left: u32,
    },
    /// Adverts were refused by the election's side: the NIC let them pass.
    Refused {
        /// Who sent the last.
        source: IpAddr,
        /// Why it was refused.
        reason: RejectReason,
        /// How many since the last record of this kind.
        count: u32,
    },
    /// The first advert of a sender after a gap, by its IPv4 identification.
    Resumed {
        /// Who.
        source: IpAddr,
        /// The advert before it.
        last: MonoTime,
        /// How many it has sent in between, by its own count; `None` if it has begun
        /// to count anew, or does not count adverts.
        missed: Option<u16>,
    },
    /// The engine did not run when it meant to.
    Late {
        /// The latest wake-up.
        longest: Duration,
        /// How many late ones.
        count: u32,
    },
}

impl Event {
    /// Whether the election is told something by it, of which actions may follow.
    #[must_use]
    pub const fn moves_election(&self) -> bool {
        match self {
            Self::Told(_)
            | Self::Timed { .. }
            | Self::Reconfigured(_)
            | Self::Followed { .. }
            | Self::Spoke { .. } => true,
            Self::Renewed
            | Self::Wants(_)
            | Self::Sent { .. }
            | Self::Announced { .. }
            | Self::Refused { .. }
            | Self::Resumed { .. }
            | Self::Late { .. } => false,
        }
    }
}

/// Wake-ups that were late, until they are written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lates {
    longest: Duration,
    count: u32,
    written: MonoTime,
}

impl Engine {
    /// Tells an election something, and does what it wants.
    pub(super) fn tell(&mut self, slot: usize, now: MonoTime, input: Input) {
        self.tell_of(slot, now, input, (0, None));
    }

    /// The same of an advert that came several times: so many of them were recognised at the
    /// NIC, and when the last one but one did.
    pub(super) fn tell_of(
        &mut self,
        slot: usize,
        now: MonoTime,
        input: Input,
        (known, before): (u64, Option<MonoTime>),
    ) {
        let router = &mut self.routers[slot];
        let quiet = match input {
            Input::AdvertArrived {
                stamp,
                source,
                priority,
                interval,
            } => {
                router.run.number.add(source, stamp, known);
                let heard = Heard {
                    source,
                    priority,
                    stamp: stamp.min(now),
                };
                let quiet = router.election.goes_on_with(heard, interval);
                if quiet && !router.run.follows(heard, interval) {
                    let done = router.run.take();
                    self.write_run(slot, now, done);
                }
                if quiet {
                    let run = &mut self.routers[slot].run;
                    run.follow(heard, interval, now, known, before);
                }
                quiet
            }
            // It matters to a Backup alone, and to one that has not asked only until it
            // hears the next advert.
            Input::EarProven => match router.election.state() {
                State::Active(_) | State::Initialize(_) => true,
                State::Backup(_) => router.run.prove(now),
            },
            Input::BecameAble { .. }
            | Input::BecameUnable { .. }
            | Input::AddressesInstalled { .. }
            | Input::AddressesFailed { .. }
            | Input::AddressesRemoved { .. }
            | Input::Slept
            | Input::AddressClaimed { .. }
            | Input::PriorityChanged { .. }
            | Input::Drained { .. }
            | Input::Undrained
            | Input::Taken { .. }
            | Input::Untaken
            | Input::SiblingContested
            | Input::GroupOrdered { .. }
            | Input::ShutDown => false,
        };
        self.routers[slot].run.quiet = quiet;
        if !quiet {
            self.write(slot, now, Event::Told(input));
        }
        self.routers[slot].election.handle_input(now, input);
        self.perform(slot, now);
    }

    /// Tells an election that time has passed, and does what it wants.
    pub(super) fn tell_time(&mut self, slot: usize, now: MonoTime) {
        let router = &mut self.routers[slot];
        let due = router.election.poll_timeout();
        let quiet = router.election.only_advertises(now);
        if quiet && !router.run.speaks() {
            let done = router.run.take();
            self.write_run(slot, now, done);
        }
        let router = &mut self.routers[slot];
        router.run.quiet = quiet;
        if quiet {
            router.run.speak(now, due.map_or(now, |due| due.min(now)));
        } else {
            self.write(slot, now, Event::Timed { due });
        }
        self.routers[slot].election.handle_timeout(now);
        self.perform(slot, now);
    }

    /// Gives an election other parameters, and does what it wants.
    pub(super) fn tell_params(&mut self, slot: usize, now: MonoTime, params: Params) {
        self.routers[slot].run.quiet = false;
        self.write(slot, now, Event::Reconfigured(params));
        self.routers[slot].election.reconfigure(now, params);
        self.perform(slot, now);
    }

    /// The election wants something done.
    pub(super) fn note_wanted(&mut self, slot: usize, now: MonoTime, action: Action) {
        let run = &mut self.routers[slot].run;
        let is_advert = matches!(action, Action::SendAdvert { .. });
        if run.quiet && is_advert {
            return;
        }
        run.awaits |= is_advert;
        self.note(slot, now, &Event::Wants(action));
    }

    /// An advert was given to the interface, or was not taken. Told where it is news.
    pub(super) fn note_given(&mut self, slot: usize, errno: Option<i32>) {
        let run = &mut self.routers[slot].run;
        if errno.is_none() {
            run.given = Some(rt::now());
            if let Some(began) = run.began.advert.take() {
                self.pass(slot, Phase::Advert, began);
            }
        }
        let run = &mut self.routers[slot].run;
        let awaited = std::mem::take(&mut run.awaits);
        let before = std::mem::replace(&mut run.errno, errno);
        if awaited || before != errno {
            self.note(slot, rt::now(), &Event::Sent { errno });
        }
    }

    /// A state has changed: the phases of a takeover begin.
    pub(super) fn note_change(&mut self, slot: usize, now: MonoTime, to: StateName, why: Why) {
        let is_active = to == StateName::Active;
        let began = is_active.then_some(now);
        let run = &mut self.routers[slot].run;
        // The first advert is wanted ahead of the news of the change, and may be out by now.
        let given = run.given.filter(|given| *given >= now);
        run.began = Began {
            advert: began.filter(|_| given.is_none()),
            addresses: began,
            arp: began,
        };
        if is_active
            && let Some(given) = given
            && let Some(meter) = self.published.meter(slot)
        {
            meter.pass(Phase::Advert, given.since(now));
        }
        let Some(deadline) = why.deadline().filter(|_| is_active) else {
            return;
        };
        if let Why::ActiveDownTimerExpired {
            last_advert: Some(_),
            ..
        } = why
        {
            let router = &mut self.routers[slot];
            let due = u64::from(router.election.params().down_timer_adverts);
            router.run.silent = router.run.number.source().map(|source| (source, due));
        }
        if let Some(meter) = self.published.meter(slot) {
            if let Some(last) = why.last_advert() {
                meter.pass(Phase::Detect, deadline.since(last));
            }
            meter.pass(Phase::Decide, now.since(deadline));
        }
    }

    /// The kernel has all addresses.
    pub(super) fn note_installed(&mut self, slot: usize) {
        if let Some(began) = self.routers[slot].run.began.addresses.take() {
            self.pass(slot, Phase::Addresses, began);
        }
    }

    fn pass(&self, slot: usize, phase: Phase, began: MonoTime) {
        if let Some(meter) = self.published.meter(slot) {
            meter.pass(phase, rt::now().since(began));
        }
    }

    /// Announcements went out.
    pub(super) fn note_announced(&mut self, slot: usize, frames: u64) {
        if frames == 0 {
            return;
        }
        if let Some(began) = self.routers[slot].run.began.arp.take() {
            self.pass(slot, Phase::Arp, began);
        }
        let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let left = self.routers[slot].owed.left;
        let event = Event::Announced {
            frames: count(frames),
            left: u32::try_from(left).unwrap_or(u32::MAX),
        };
        self.note(slot, rt::now(), &event);
    }

    /// An advert was refused.
    pub(super) fn note_refusal(&mut self, slot: usize, source: IpAddr, reason: RejectReason) {
        let now = rt::now();
        let run = &mut self.routers[slot].run;
        let is_news = run.refused.take(now, reason);
        if let Some(count) = is_news {
            self.note(
                slot,
                now,
                &Event::Refused {
                    source,
                    reason,
                    count,
                },
            );
        }
    }

    /// An advert is about to be told of: its number says what was lost before it.
    pub(super) fn note_number(
        &mut self,
        slot: usize,
        (source, stamp, interval): (IpAddr, MonoTime, Centis),
        frame: &[u8],
    ) {
        let Some(number) = identification(frame) else {
            return;
        };
        // What was recognised at the NIC has been counted by then.
        self.catch_up(slot);
        let seen = self.routers[slot]
            .run
            .number
            .see(source, stamp, interval, number);
        if let Some((last, missed)) = seen.filter(|(last, _)| {
            let gap = stamp.since(*last);
            gap > interval.span() * 3 / 2
        }) {
            self.count_lost(slot, source, (stamp.since(last), interval), missed);
            let event = Event::Resumed {
                source,
                last,
                missed,
            };
            self.note(slot, rt::now(), &event);
        }
    }

    /// A sender speaks again after such a gap. Whoever was not followed owed nothing.
    fn count_lost(
        &mut self,
        slot: usize,
        source: IpAddr,
        (gap, interval): (Duration, Centis),
        missed: Option<u16>,
    ) {
        let router = &mut self.routers[slot];
        let follows = router.followed().is_some_and(|one| one.address == source);
        let silent = router.run.silent.take_if(|(who, _)| *who == source);
        let due = match silent {
            Some((_, due)) => due,
            None if follows => adverts_in(gap, interval),
            None => return,
        };
        if let Some(meter) = self.published.meter(slot) {
            meter.lose(due, missed);
        }
    }

    /// How late the engine has woken.
    pub(super) fn note_lateness(&mut self) {
        let lates = &mut self.lates;
        if self.overslept < LATE && lates.count == 0 {
            return;
        }
        if self.overslept >= LATE {
            lates.count = lates.count.saturating_add(1);
            lates.longest = lates.longest.max(self.overslept);
        }
        let now = rt::now();
        if now.since(lates.written) < LATE_PAUSE {
            return;
        }
        let Lates { longest, count, .. } = *lates;
        *lates = Lates {
            written: now,
            ..Lates::default()
        };
        let event = Event::Late { longest, count };
        self.published.record().put(now, Record::ALL, &event);
    }

    /// A reload has given a router's number to another one.
    pub(super) fn note_renewed(&self, slot: usize) {
        self.note(slot, rt::now(), &Event::Renewed);
    }

    /// Something that the election need not know of.
    fn note(&self, slot: usize, now: MonoTime, event: &Event) {
        let slot = u32::try_from(slot).unwrap_or(Record::ALL);
        self.published.record().put(now, slot, event);
    }

    /// Something that the election is about to be told: after what has been counted
    /// until now, and after the election itself where it was not written for a while.
    fn write(&mut self, slot: usize, now: MonoTime, event: Event) {
        let done = self.routers[slot].run.take();
        self.write_run(slot, now, done);
        let router = &mut self.routers[slot];
        let record = self.published.record();
        let kept = router.run.kept;
        let is_fresh =
            kept.is_some_and(|(place, at)| record.is_young(place) && now.since(at) < FRESH);
        if !is_fresh {
            router.run.kept = Some((record.head(), now));
            self.keep(slot, now);
        }
        self.note(slot, now, &event);
    }

    fn write_run(&self, slot: usize, now: MonoTime, done: Option<Event>) {
        if let Some(event) = done {
            self.note(slot, now, &event);
        }
    }

    fn keep(&self, slot: usize, now: MonoTime) {
        let number = u32::try_from(slot).unwrap_or(Record::ALL);
        let election: &VirtualRouter = &self.routers[slot].election;
        self.published.record().keep(now, number, election);
    }
}

/// How many adverts were due in a gap between two.
fn adverts_in(gap: Duration, interval: Centis) -> u64 {
    let every = interval.span().as_nanos().max(1);
    let spans = (gap.as_nanos() + every / 2) / every;
    u64::try_from(spans.saturating_sub(1)).unwrap_or(u64::MAX)
}

/// The identification in the IPv4 header of a frame.
fn identification(frame: &[u8]) -> Option<u16> {
    let is_v4 = frame.get(12..eth::LEN)? == eth::TYPE_IPV4.to_be_bytes();
    let number = frame.get(eth::LEN + 4..eth::LEN + 6)?;
    is_v4.then(|| u16::from_be_bytes([number[0], number[1]]))
}

#[cfg(test)]
mod tests;
