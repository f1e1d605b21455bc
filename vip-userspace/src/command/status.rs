//! `vip status`: what a running daemon says of itself.

use std::io::Write;
use std::time::Duration;

use crate::cli::StatusArgs;
use crate::error::{Exit, Failure};
use crate::services::control;
use crate::services::status::{Instance, Peer, Status};
use crate::words;

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
        .any(|one| one.two_masters || one.conflicts.iter().any(recent));
    Ok(if two { Exit::TwoClaimants } else { Exit::Done })
}

/// A claim that is old has been dealt with, or the claimant has gone.
fn recent(conflict: &crate::services::status::Conflict) -> bool {
    conflict.ns_ago < 60_000_000_000
}

/// The text for people.
#[must_use]
pub fn render(status: &Status) -> String {
    let mut lines = Vec::new();
    for one in &status.instances {
        instance(one, &mut lines);
    }
    for port in &status.dataplane {
        let why = if port.why.is_empty() {
            String::new()
        } else {
            format!(" ({})", port.why)
        };
        lines.push(format!("{}: heard by {}{why}", port.interface, port.rung));
    }
    let counters = status.counters.iter().filter(|(_, count)| **count > 0);
    let counters: Vec<String> = counters
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    if !counters.is_empty() {
        lines.push(format!("counters: {}", counters.join(", ")));
    }
    lines.extend(
        status
            .warnings
            .iter()
            .map(|warning| format!("WARNING: {warning}")),
    );
    lines.join("\n") + "\n"
}

fn instance(one: &Instance, lines: &mut Vec<String>) {
    lines.push(format!("{}: {}: {}", one.name, one.state, one.reason));
    let priority = if one.priority == one.effective_priority {
        format!("priority {}", one.priority)
    } else {
        format!(
            "priority {} (configured {})",
            one.effective_priority, one.priority
        )
    };
    lines.push(format!(
        "  {}, VRID {}, VRRP version {}, {priority}",
        one.interface, one.vrid, one.version
    ));
    lines.push(format!("  addresses: {}", one.addresses.join(", ")));
    if let Some(master) = &one.master {
        lines.push(format!(
            "  master: {} (priority {})",
            master.address, master.priority
        ));
    }
    if one.two_masters {
        lines
            .push("  TWO MASTERS: another router advertises for this VRID at the same time".into());
    }
    for conflict in &one.conflicts {
        let ago = words::span(Duration::from_nanos(conflict.ns_ago));
        let (address, mac, count) = (conflict.address, &conflict.mac, conflict.count);
        lines.push(format!(
            "  CONFLICT: {address} is claimed by {mac} ({count} x, last {ago} ago)"
        ));
    }
    lines.extend(one.peers.iter().map(|one| format!("  {}", peer(one))));
}

fn peer(one: &Peer) -> String {
    let mut text = format!("hears {}", one.address);
    if let (Some(priority), Some(ago)) = (one.priority, one.accepted_ns_ago) {
        let ago = words::span(Duration::from_nanos(ago));
        text += &format!(" (priority {priority}, {} x, last {ago} ago)", one.accepted);
    }
    if let Some(words) = &one.refusal_words {
        text += &format!(", refuses it: {words}, {} x", one.refused);
    }
    if one.other_addresses {
        text += ", which names other addresses than we do";
    }
    text
}
