//! Between what is watched and the engine: findings are passed on, and put into words
//! for people.

use std::time::Duration;

use tokio::time::Instant;

use super::follow::{Event, Kind};
use super::foresight::Known;
use super::log::Level;
use super::status::{Found, Took, Tracker};
use super::{Services, State};
use crate::engine::{Command, Verdict, points};
use crate::plan::{RouterPlan, Tracked};
use crate::watch::board::{Seen, Told};
use crate::words;

impl Services {
    /// Takes what a tracker has found.
    pub(super) fn found(&mut self, state: &mut State, told: Told) {
        match told {
            Told::Line { level, text } => self.log.line(level, &text),
            Told::Judged { tracker, verdict } => {
                self.tell_verdict(state, tracker, verdict);
                state.unjudged.insert(tracker, verdict);
                self.pass_judgement(state);
            }
        }
    }

    /// Tells those who follow how a tracker stands now.
    fn tell_verdict(&self, state: &State, id: u32, verdict: Verdict) {
        let Some(planned) = self.plan.trackers.iter().find(|one| one.id == id) else {
            return;
        };
        let (kind, name) = (
            words::tracker_kind(planned.tracker.watch.kind()),
            &planned.tracker.name,
        );
        let stands = match verdict {
            Verdict::Number(number) => number.to_string(),
            Verdict::Unknown | Verdict::Well | Verdict::Failed | Verdict::Ignored => {
                words::verdict(verdict).into()
            }
        };
        let seen = state.watchers.seen(id);
        let found = seen.and_then(|seen| seen.last).map(|last| last.what);
        let text = format!("{kind} {name}: {stands}");
        let event = Event::new(Kind::Tracker, Level::Info, text)
            .tracker(kind, name)
            .state(stands)
            .reason(found.unwrap_or_default());
        self.log.whisper(event);
    }

    /// Tells the engine what was found, as far as it has room; the rest comes with the
    /// next finding, or the next second.
    pub(super) fn pass_judgement(&mut self, state: &mut State) {
        let commands = &mut self.commands;
        state.unjudged.retain(|tracker, verdict| {
            let (tracker, verdict) = (*tracker, *verdict);
            let judge = Command::Judge { tracker, verdict };
            commands.send(judge).is_err()
        });
    }

    /// Where a tracker is in the way of a router: how, and what ends it.
    pub(super) fn in_the_way(&self, state: &State, about: Option<Tracked>) -> Option<String> {
        let Tracked::Tracker(at) = about? else {
            return None;
        };
        let planned = self.plan.trackers.get(at)?;
        let seen = state.watchers.seen(planned.id)?;
        let kind = planned.tracker.watch.kind();
        Some(words::tracker_bars(kind, &planned.tracker.name, &seen))
    }

    /// How a tracker stands that was in the way of a router and is not any more.
    pub(super) fn looked_at(&self, state: &State, about: Option<Tracked>) -> Option<String> {
        let Tracked::Tracker(at) = about? else {
            return None;
        };
        let planned = self.plan.trackers.get(at)?;
        let seen = state.watchers.seen(planned.id)?;
        let kind = planned.tracker.watch.kind();
        Some(words::tracker_admits(
            kind,
            &planned.tracker.name,
            seen.verdict,
        ))
    }

    /// Who makes the priority of a router another one than the configured one.
    pub(super) fn counted(&self, state: &State, router: &RouterPlan, difference: i32) -> String {
        let mut parts = Vec::new();
        let mut rest = difference;
        for (what, weight) in &router.tracked {
            let Tracked::Tracker(at) = what else { continue };
            let Some(planned) = self.plan.trackers.get(*at) else {
                continue;
            };
            let verdict = state.watchers.seen(planned.id).map(|seen| seen.verdict);
            let counts = points(verdict.unwrap_or_default(), *weight).unwrap_or(0);
            if counts != 0 {
                let kind = words::tracker_kind(planned.tracker.watch.kind());
                parts.push(format!("{kind} {} {counts:+}", planned.tracker.name));
                rest -= counts;
            }
        }
        let ports = router.tracked.iter();
        let ports =
            ports.filter(|(what, weight)| matches!(what, Tracked::Port(_)) && weight.value != 0);
        let ports: Vec<&str> = ports
            .map(|(what, _)| self.plan.tracked_name(*what))
            .collect();
        // What is cut off at 1 and 254 is nobody's.
        if rest != 0 && !ports.is_empty() {
            let (noun, names) = (words::interfaces(ports.len()), ports.join(", "));
            parts.push(format!("{noun} {names} {rest:+}"));
        }
        parts.join(", ")
    }

    /// How all trackers stand, by kind and name.
    pub(super) fn known(&self, state: &State) -> Known {
        let planned = self.plan.trackers.iter();
        let all = planned.filter_map(|one| {
            let name = (one.tracker.watch.kind(), one.tracker.name.clone());
            Some((name, state.watchers.seen(one.id)?))
        });
        all.collect()
    }

    /// All trackers, for the status document.
    pub(super) fn trackers(&self, state: &State) -> Vec<Tracker> {
        let planned = self.plan.trackers.iter();
        let all = planned.filter_map(|one| {
            let seen = state.watchers.seen(one.id)?;
            let kind = words::tracker_kind(one.tracker.watch.kind());
            Some(tracker(kind, &one.tracker.name, &seen))
        });
        all.collect()
    }
}

fn tracker(kind: &str, name: &str, seen: &Seen) -> Tracker {
    let ago = |at: Instant| nanos(at.elapsed());
    Tracker {
        kind: kind.into(),
        name: name.into(),
        state: words::verdict(seen.verdict).into(),
        number: match seen.verdict {
            Verdict::Number(number) => Some(number),
            Verdict::Unknown | Verdict::Well | Verdict::Failed | Verdict::Ignored => None,
        },
        since_ns: ago(seen.since),
        mechanism: seen.mechanism.clone(),
        last: seen.last.as_ref().map(|last| Found {
            well: last.is_well,
            what: last.what.clone(),
            ns_ago: ago(last.at),
            took_ns: nanos(last.took),
        }),
        runs: seen.runs,
        failures: seen.failures,
        in_a_row: seen.in_a_row,
        skipped: seen.skipped,
        took: seen.took.summary().map(|took| Took {
            min_ns: nanos(took.min),
            avg_ns: nanos(took.avg),
            p99_ns: nanos(took.p99),
            max_ns: nanos(took.max),
            jitter_ns: nanos(took.jitter),
        }),
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
