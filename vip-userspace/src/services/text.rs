//! The status document as people read it.

use std::time::Duration;

use super::notify::PipeState;
use super::status::{Instance, Peer, Status, Tracker};
use crate::words;

/// The text for people.
#[must_use]
pub fn render(status: &Status) -> String {
    let mut lines = Vec::new();
    if let Some(shadow) = &status.shadow {
        lines.extend(shadow.lines());
        lines.push("what vip would do:".into());
    }
    for one in &status.instances {
        instance(one, &mut lines);
    }
    lines.extend(status.trackers.iter().map(tracker));
    for (name, scripts) in &status.group_scripts {
        lines.push(format!("sync group {name}:"));
        let ran = scripts.lines().into_iter();
        lines.extend(ran.map(|line| format!("  {line}")));
    }
    lines.extend(status.pipes.iter().map(PipeState::line));
    for port in &status.dataplane {
        let why = if port.why.is_empty() {
            String::new()
        } else {
            format!(" ({})", port.why)
        };
        lines.push(format!("{}: heard by {}{why}", port.interface, port.rung));
    }
    let engine = status.scheduling.as_ref();
    lines.extend(
        engine
            .filter(|engine| engine.class != "deadline")
            .map(|engine| engine.why.clone()),
    );
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

/// One instance, line by line.
#[must_use]
pub fn instance_lines(one: &Instance) -> Vec<String> {
    let mut lines = Vec::new();
    instance(one, &mut lines);
    lines
}

fn instance(one: &Instance, lines: &mut Vec<String>) {
    lines.push(format!("{}: {}: {}", one.name, one.state, one.reason));
    let priority = if one.priority == one.effective_priority {
        format!("priority {}", one.priority)
    } else {
        let why = one.priority_reason.as_ref();
        let why = why.map_or_else(String::new, |why| format!(", {why}"));
        format!(
            "priority {} (configured {}{why})",
            one.effective_priority, one.priority
        )
    };
    let family = if one.family == "ipv6" { ", IPv6" } else { "" };
    lines.push(format!(
        "  {}, VRID {}, VRRP version {}{family}, {priority}",
        one.interface, one.vrid, one.version
    ));
    if !one.unicast_peers.is_empty() {
        let peers: Vec<String> = one.unicast_peers.iter().map(ToString::to_string).collect();
        lines.push(format!("  speaks to {}", peers.join(", ")));
    }
    if let Some(group) = &one.sync_group {
        lines.push(format!("  moves with sync group {group}"));
    }
    if let Some(left) = one.former_secret_left_ns {
        let left = Duration::from_secs(Duration::from_nanos(left).as_secs());
        let used = one.counters.get("accepted_by_former_secret").unwrap_or(&0);
        lines.push(format!(
            "  the password or key of before the reload is accepted for another {} ({used} x so far)",
            humantime::format_duration(left)
        ));
    }
    if let Some(trouble) = &one.trouble {
        let ago = words::span(Duration::from_nanos(trouble.ns_ago));
        lines.push(format!("  KERNEL: {} ({ago} ago)", trouble.what));
    }
    if let Some(ordered) = &one.order {
        let undo = if ordered.is_drained() {
            "vip undrain"
        } else {
            "vip untake"
        };
        let left = ordered.left_ns.map_or_else(String::new, |left| {
            let left = Duration::from_secs(Duration::from_nanos(left).as_secs());
            format!("for another {}, or ", humantime::format_duration(left))
        });
        lines.push(format!(
            "  {}: {left}until '{undo} {}'",
            ordered.what, one.name
        ));
    }
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
    for one_here in &one.foreign {
        let (address, interface) = (one_here.address, &one_here.interface);
        lines.push(format!(
            "  CONFLICT: {}",
            words::foreign(address, interface, &one.state)
        ));
    }
    if let Some(scripts) = &one.scripts {
        let ran = scripts.lines().into_iter();
        lines.extend(ran.map(|line| format!("  {line}")));
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

fn tracker(one: &Tracker) -> String {
    let span = |ns| words::span(Duration::from_nanos(ns));
    let state = match one.number {
        Some(number) => number.to_string(),
        None => one.state.clone(),
    };
    let mut text = format!(
        "{} {}: {state} for {}",
        one.kind,
        one.name,
        span(one.since_ns)
    );
    if let Some(last) = &one.last {
        text += &format!("; {} {} ago", last.what, span(last.ns_ago));
    }
    if one.failures > 0 {
        text += &format!(", {} of {} failed", one.failures, one.runs);
    } else if one.runs > 0 {
        text += &format!(", {} x", one.runs);
    }
    if one.skipped > 0 {
        text += &format!(", {} left out", one.skipped);
    }
    if let Some(took) = one.took.filter(|took| took.max_ns > 0) {
        text += &format!(
            ", takes {} ({} to {}, p99 {}, jitter {})",
            span(took.avg_ns),
            span(took.min_ns),
            span(took.max_ns),
            span(took.p99_ns),
            span(took.jitter_ns)
        );
    }
    if !one.mechanism.is_empty() {
        text += &format!(" ({})", one.mechanism);
    }
    text
}
