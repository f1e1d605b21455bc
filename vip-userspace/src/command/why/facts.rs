//! What a recording shows, before anything is concluded from it.

use std::net::IpAddr;
use std::time::Duration;

use vip_common::election::{Action, Input, Report};
use vip_common::ids::Priority;
use vip_common::reject::RejectReason;
use vip_common::time::{Centis, MonoTime};

use crate::engine::record::Event;
use crate::services::recorder::recording::Recording;

/// What was heard of one router before the change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) source: IpAddr,
    pub(super) priority: Priority,
    pub(super) interval: Centis,
    pub(super) count: u64,
    /// How many of those are known by their number and the last two stamps alone.
    pub(super) known: u64,
    pub(super) last: MonoTime,
    /// The longest gap between two that are known one by one.
    pub(super) longest: Duration,
}

/// Adverts that were refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refused {
    pub(super) source: IpAddr,
    pub(super) reason: RejectReason,
    pub(super) count: u64,
    pub(super) last: MonoTime,
    pub(super) at_nic: bool,
}

/// The first advert of a router after a gap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Resumed {
    pub(super) at: MonoTime,
    pub(super) source: IpAddr,
    pub(super) last: MonoTime,
    pub(super) missed: Option<u16>,
}

/// All of it, in the order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// By sender.
    pub(super) heard: Vec<Heard>,
    pub(super) refused: Vec<Refused>,
    pub(super) resumed: Vec<Resumed>,
    /// Our own interval.
    pub(super) interval: Option<Duration>,
    /// When the ear was asked for a proof, and when it was given.
    pub(super) asked: Option<MonoTime>,
    pub(super) proven: Option<MonoTime>,
    /// When we found that we had not run, and the latest wake-ups.
    pub(super) slept: Option<MonoTime>,
    pub(super) late: Vec<(MonoTime, Duration)>,
    /// Our priority before it changed the last time, and after it.
    pub(super) reweighed: Option<(MonoTime, Priority, Priority)>,
    /// Our own priority at the change.
    pub(super) ours: Option<Priority>,
    /// What followed from the change: the first of each.
    pub(super) advert: Option<(MonoTime, Option<i32>)>,
    pub(super) installed: Option<MonoTime>,
    pub(super) install_failed: Option<MonoTime>,
    pub(super) announced: Option<MonoTime>,
    pub(super) announced_all: Option<MonoTime>,
    pub(super) let_go: Option<(MonoTime, bool, Duration)>,
    pub(super) successor: Option<(MonoTime, IpAddr, Priority)>,
    /// Whether adverts could not be sent before the change.
    pub(super) mute: Option<(MonoTime, i32)>,
}

impl Facts {
    pub(super) fn of(recording: &Recording) -> Self {
        let at = recording.change.at();
        let until = next_change(recording);
        let mut facts = Self::default();
        let start = recording.start.as_ref();
        facts.interval = start.map(|start| start.election.params().adver_interval.span());
        facts.ours = start.map(|start| start.election.effective_priority());
        for moment in &recording.moments {
            facts.take(moment.at, &moment.event, (at, until));
        }
        for one in &recording.refused {
            facts.refused.push(Refused {
                source: one.source,
                reason: one.reason,
                count: one.count,
                last: one.last,
                at_nic: true,
            });
        }
        facts
    }

    fn take(&mut self, when: MonoTime, event: &Event, (change, until): (MonoTime, MonoTime)) {
        let before = when <= change;
        let after = when >= change && when < until;
        match *event {
            Event::Followed {
                source,
                priority,
                interval,
                count,
                known,
                last,
                longest,
                ..
            } if last <= change => {
                self.hear(Heard {
                    source,
                    priority,
                    interval,
                    count,
                    known,
                    last,
                    longest,
                });
            }
            Event::Told(input) => self.told(when, input, (change, until)),
            Event::Wants(Action::ProveEar) if before => self.asked = Some(when),
            Event::Wants(Action::Report(Report::LetGo { claimed, held })) if after => {
                self.let_go.get_or_insert((when, claimed, held));
            }
            Event::Wants(Action::Report(Report::SuccessorHeard { source, priority })) if after => {
                self.successor.get_or_insert((when, source, priority));
            }
            Event::Reconfigured(params) if before => {
                self.reweigh(when, params.priority);
            }
            Event::Sent { errno } if after => {
                self.advert.get_or_insert((when, errno));
            }
            Event::Sent { errno } if before => self.mute = errno.map(|errno| (when, errno)),
            Event::Announced { left, .. } if after => {
                self.announced.get_or_insert(when);
                if left == 0 {
                    self.announced_all.get_or_insert(when);
                }
            }
            Event::Refused {
                source,
                reason,
                count,
            } => self.refuse(when, source, reason, count),
            Event::Resumed {
                source,
                last,
                missed,
            } => self.resumed.push(Resumed {
                at: when,
                source,
                last,
                missed,
            }),
            Event::Late { longest, .. } => self.late.push((when, longest)),
            Event::Followed { .. }
            | Event::Sent { .. }
            | Event::Renewed
            | Event::Wants(_)
            | Event::Timed { .. }
            | Event::Spoke { .. }
            | Event::Reconfigured(_)
            | Event::Announced { .. } => {}
        }
    }

    fn told(&mut self, when: MonoTime, input: Input, (change, until): (MonoTime, MonoTime)) {
        let before = when <= change;
        let after = when >= change && when < until;
        match input {
            Input::AdvertArrived {
                stamp,
                source,
                priority,
                interval,
            } if before => self.hear(Heard {
                source,
                priority,
                interval,
                count: 1,
                known: 0,
                last: stamp,
                longest: Duration::ZERO,
            }),
            Input::EarProven if before => self.proven = Some(when),
            Input::Slept if before => self.slept = Some(when),
            Input::PriorityChanged { priority } | Input::Taken { priority } if before => {
                self.reweigh(when, priority);
            }
            Input::AddressesInstalled { .. } if after => {
                self.installed.get_or_insert(when);
            }
            Input::AddressesFailed { .. } if after => {
                self.install_failed.get_or_insert(when);
            }
            Input::BecameAble { .. }
            | Input::BecameUnable { .. }
            | Input::AdvertArrived { .. }
            | Input::AddressesInstalled { .. }
            | Input::AddressesFailed { .. }
            | Input::AddressesRemoved { .. }
            | Input::EarProven
            | Input::Slept
            | Input::AddressClaimed { .. }
            | Input::PriorityChanged { .. }
            | Input::Drained { .. }
            | Input::Undrained
            | Input::Taken { .. }
            | Input::Untaken
            | Input::SiblingContested
            | Input::GroupOrdered { .. }
            | Input::ShutDown => {}
        }
    }

    fn reweigh(&mut self, when: MonoTime, priority: Priority) {
        let before = self.ours.replace(priority);
        if let Some(before) = before.filter(|before| *before != priority) {
            self.reweighed = Some((when, before, priority));
        }
    }

    fn hear(&mut self, new: Heard) {
        let known = self.heard.iter_mut().find(|one| one.source == new.source);
        let Some(known) = known else {
            return self.heard.push(new);
        };
        let gap = new.last.since(known.last);
        *known = Heard {
            count: known.count.saturating_add(new.count),
            known: known.known.saturating_add(new.known),
            longest: if new.count == 1 {
                known.longest.max(gap)
            } else {
                known.longest.max(new.longest)
            },
            ..new
        };
    }

    fn refuse(&mut self, when: MonoTime, source: IpAddr, reason: RejectReason, count: u32) {
        let same = |one: &&mut Refused| (one.source, one.reason) == (source, reason);
        match self.refused.iter_mut().find(same) {
            Some(known) => {
                known.count = known.count.saturating_add(count.into());
                known.last = known.last.max(when);
            }
            None => self.refused.push(Refused {
                source,
                reason,
                count: count.into(),
                last: when,
                at_nic: false,
            }),
        }
    }

    /// The router of this address.
    pub(super) fn heard_of(&self, source: IpAddr) -> Option<&Heard> {
        self.heard.iter().find(|one| one.source == source)
    }

    /// The one that was heard last.
    pub(super) fn last_heard(&self) -> Option<&Heard> {
        self.heard.iter().max_by_key(|one| one.last)
    }

    /// The one whose advert came then, else the one that was heard last before.
    pub(super) fn heard_at(&self, last: MonoTime) -> Option<Heard> {
        let exactly = self.heard.iter().find(|one| one.last == last);
        let before = self.heard.iter().filter(|one| one.last <= last);
        exactly
            .or_else(|| before.max_by_key(|one| one.last))
            .copied()
    }

    /// The worst wake-up in a span.
    pub(super) fn latest(&self, from: MonoTime, to: MonoTime) -> Option<Duration> {
        let all = self.late.iter();
        let within = all.filter(|(at, _)| *at >= from && *at <= to);
        within.map(|(_, late)| *late).max()
    }
}

/// When the state changed again: what came then follows from that.
fn next_change(recording: &Recording) -> MonoTime {
    let at = recording.change.at();
    let moments = recording.moments.iter();
    let mut later = moments.filter(|moment| {
        let event = &moment.event;
        let is_change = matches!(
            event,
            Event::Wants(Action::Report(Report::Transition { .. }))
        );
        is_change && moment.at > at
    });
    let never = MonoTime::from_nanos(u64::MAX);
    later.next().map_or(never, |moment| moment.at)
}
