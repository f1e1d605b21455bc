//! Runs an election again on what it was told, and compares what it wants.

use std::fmt;
use std::time::Duration;

use vip_common::election::{Action, Input, VirtualRouter};
use vip_common::time::MonoTime;

use super::recording::{Moment, Recording, Start};
use crate::engine::record::Event;

/// No deadline of ours is longer; what a file says beyond is not to be reckoned with.
const LONGEST: Duration = Duration::from_hours(24 * 366);

/// What the election wanted, then and now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// How many actions were the same before that.
    pub same: usize,
    /// What was recorded there, and when.
    pub then: Option<(MonoTime, Action)>,
    /// What is wanted now.
    pub now: Option<(MonoTime, Action)>,
}

/// What came of a replay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// How many actions were compared.
    pub actions: usize,
    /// Where they differ first.
    pub difference: Option<Difference>,
}

/// Why nothing can be replayed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotReplayed {
    /// The recording begins without an election.
    #[error("the recording holds no election to begin with: what was before had been overwritten")]
    NoStart,
    /// Something in it cannot be.
    #[error("the recording cannot be true: {0}")]
    Impossible(&'static str),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Option<(MonoTime, Action)>| {
            side.as_ref().map_or_else(
                || "nothing".to_owned(),
                |(at, action)| format!("{at:?} {action:?}"),
            )
        };
        writeln!(
            f,
            "the election decides otherwise after {} actions",
            self.same
        )?;
        writeln!(f, "- {}", side(&self.then))?;
        write!(f, "+ {}", side(&self.now))
    }
}

/// Replays a recording.
///
/// # Errors
/// When it cannot be.
pub fn replay(recording: &Recording) -> Result<Outcome, NotReplayed> {
    let Start { moment, election } = recording.start.as_ref().ok_or(NotReplayed::NoStart)?;
    let moments = recording
        .moments
        .get(*moment..)
        .ok_or(NotReplayed::Impossible("it begins after its end"))?;
    if election.params().group_succession > LONGEST || election.params().preempt_delay > LONGEST {
        return Err(NotReplayed::Impossible("a delay is longer than a year"));
    }
    let mut then = Vec::new();
    let mut now = Vec::new();
    let mut election = election.clone();
    for Moment { at, event } in moments {
        step(&mut election, *at, event, &mut now)?;
        if let Event::Wants(action) = event {
            then.push((*at, *action));
        }
    }
    Ok(compare(&then, &now))
}

fn step(
    election: &mut VirtualRouter,
    at: MonoTime,
    event: &Event,
    wanted: &mut Vec<(MonoTime, Action)>,
) -> Result<(), NotReplayed> {
    match *event {
        Event::Told(input) => {
            election.handle_input(at, input);
            take(election, at, wanted);
        }
        Event::Timed { .. } => {
            election.handle_timeout(at);
            take(election, at, wanted);
        }
        Event::Reconfigured(params) => {
            if params.group_succession > LONGEST {
                return Err(NotReplayed::Impossible("a delay is longer than a year"));
            }
            election.reconfigure(at, params);
            take(election, at, wanted);
        }
        Event::Followed {
            source,
            priority,
            interval,
            last,
            told,
            proven,
            ..
        } => {
            let input = Input::AdvertArrived {
                stamp: last,
                source,
                priority,
                interval,
            };
            election.handle_input(told, input);
            take(election, told, wanted);
            if let Some(proven) = proven {
                election.handle_input(proven, Input::EarProven);
                take(election, proven, wanted);
            }
        }
        Event::Spoke { count, last, .. } => speak(election, count, last, wanted)?,
        Event::Renewed
        | Event::Wants(_)
        | Event::Sent { .. }
        | Event::Announced { .. }
        | Event::Refused { .. }
        | Event::Resumed { .. }
        | Event::Late { .. } => {}
    }
    Ok(())
}

fn take(election: &mut VirtualRouter, at: MonoTime, wanted: &mut Vec<(MonoTime, Action)>) {
    while let Some(action) = election.poll_action() {
        wanted.push((at, action));
    }
}

/// Adverts of our own, each in its time. What else is wanted meanwhile is a difference.
fn speak(
    election: &mut VirtualRouter,
    count: u64,
    last: MonoTime,
    wanted: &mut Vec<(MonoTime, Action)>,
) -> Result<(), NotReplayed> {
    /// A year of adverts at the shortest interval.
    const MOST: u64 = 100 * 3_600 * 24 * 366;
    if count > MOST {
        return Err(NotReplayed::Impossible(
            "it counts more adverts than there are",
        ));
    }
    for left in (0..count).rev() {
        let due = election.poll_timeout().unwrap_or(last);
        let at = if left == 0 { last } else { due };
        election.handle_timeout(at);
        let mut adverts = 0;
        while let Some(action) = election.poll_action() {
            if adverts == 0 && matches!(action, Action::SendAdvert { .. }) {
                adverts += 1;
            } else {
                wanted.push((at, action));
            }
        }
        if adverts == 0 {
            return Err(NotReplayed::Impossible(
                "it counts an advert that the election does not send",
            ));
        }
    }
    Ok(())
}

fn compare(then: &[(MonoTime, Action)], now: &[(MonoTime, Action)]) -> Outcome {
    let same = then
        .iter()
        .zip(now)
        .take_while(|((_, then), (_, now))| then == now)
        .count();
    let (then_next, now_next) = (then.get(same).copied(), now.get(same).copied());
    let is_same = then_next.is_none() && now_next.is_none();
    Outcome {
        actions: same,
        difference: (!is_same).then_some(Difference {
            same,
            then: then_next,
            now: now_next,
        }),
    }
}
