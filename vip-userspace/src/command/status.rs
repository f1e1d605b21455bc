//! `vip status`: what a running daemon says of itself.

use std::io::Write;

use crate::cli::StatusArgs;
use crate::error::{Exit, Failure};
use crate::services::control;
use crate::services::text::render;

/// Asks and prints. Exit code 8 where two claimants of one address are seen.
///
/// # Errors
/// No daemon answers, or it does not know the instance.
pub fn run(arguments: &StatusArgs) -> Result<Exit, Failure> {
    let mut status = control::ask_status(&arguments.runtime_dir)?;
    if let Some(name) = &arguments.instance {
        let known: Vec<String> = status
            .instances
            .iter()
            .map(|one| one.name.clone())
            .collect();
        status.instances.retain(|one| one.name == *name);
        if status.instances.is_empty() {
            let message = format!("no instance {name} here; there is {}", known.join(", "));
            return Err(Failure::new(Exit::No, message));
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
