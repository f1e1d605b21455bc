//! `vip status`: what a running daemon says of itself.

use std::io::Write;

use crate::cli::StatusArgs;
use crate::error::{Exit, Failure};
use crate::services::control;
use crate::services::follow::{Event, Follower, Kind};
use crate::services::text::render;

/// Asks and prints. Exit code 8 where two claimants of one address are seen.
///
/// # Errors
/// No daemon answers, or it does not know the instance.
pub fn run(arguments: &StatusArgs) -> Result<Exit, Failure> {
    if arguments.follow {
        return follow(arguments);
    }
    let mut status = control::ask_status(&arguments.runtime_dir)?;
    if let Some(name) = &arguments.instance {
        let known: Vec<String> = status
            .instances
            .iter()
            .map(|one| one.name.clone())
            .collect();
        status.instances.retain(|one| one.name == *name);
        if status.instances.is_empty() {
            return Err(unknown(name, &known));
        }
    }
    if let Some(wanted) = &arguments.is {
        let all = status
            .instances
            .iter()
            .all(|one| one.state.eq_ignore_ascii_case(wanted));
        return Ok(if all { Exit::Done } else { Exit::No });
    }
    let text = if arguments.json {
        serde_json::to_string_pretty(&status).map_err(anyhow::Error::from)? + "\n"
    } else {
        render(&status)
    };
    // A reader that has seen enough (head, less) is no failure.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    let two = status
        .instances
        .iter()
        .any(|one| one.two_masters || !one.foreign.is_empty() || one.conflicts.iter().any(recent));
    Ok(if two { Exit::TwoClaimants } else { Exit::Done })
}

/// A claim that is old has been dealt with, or the claimant has gone.
fn recent(conflict: &crate::services::status::Conflict) -> bool {
    conflict.ns_ago < 60_000_000_000
}

fn unknown(name: &str, known: &[String]) -> Failure {
    let message = format!("no instance {name} here; there is {}", known.join(", "));
    Failure::new(Exit::No, message)
}

/// Prints how everything stands, then a line for each event. Exit code 6 when the
/// daemon has ended, 0 when the reader has.
fn follow(arguments: &StatusArgs) -> Result<Exit, Failure> {
    let mut follower = Follower::begin(&arguments.runtime_dir, 0, true)?;
    let wanted = arguments.instance.as_deref();
    let mut known = Vec::new();
    let mut out = std::io::stdout().lock();
    let mut last = None;
    while let Some(followed) = follower.next_event()? {
        let event = followed.event;
        if let (Kind::Standing, Some(name)) = (event.event, &event.instance) {
            known.push(name.clone());
        }
        if let (Kind::Following, Some(name)) = (event.event, wanted)
            && !known.iter().any(|one| one == name)
        {
            return Err(unknown(name, &known));
        }
        if !concerns(&event, wanted) {
            continue;
        }
        let line = if arguments.json {
            followed.line + "\n"
        } else {
            format!("{} {}\n", event.at, event.text)
        };
        let written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        if written.is_err() {
            return Ok(Exit::Done);
        }
        last = Some(event.event);
    }
    let how = if last == Some(Kind::Leaving) {
        "the daemon has left"
    } else {
        "the daemon has gone without a word"
    };
    Err(Failure::new(Exit::NoDaemon, how))
}

/// Whether an event is one of those that are wanted: of one instance, what happens to
/// it, and what happens to the stream.
fn concerns(event: &Event, wanted: Option<&str>) -> bool {
    let of_the_stream = matches!(event.event, Kind::Following | Kind::Lost | Kind::Leaving);
    wanted.is_none() || of_the_stream || event.instance.as_deref() == wanted
}
