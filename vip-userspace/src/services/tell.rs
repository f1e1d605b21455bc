//! What the engine, the hands and the NIC have to say, as lines of the log.

use std::io;
use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use vip_common::election::{self, Fault, StateName};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use super::log::Level;
use super::view::is_settled;
use super::{HeardBy, Services, State};
use crate::dataplane::Wanted;
use crate::engine::Report;
use crate::error::{Exit, Failure};
use crate::kernel::hands::Note;
use crate::plan::Tracked;
use crate::words;

/// How many refusals by source and reason are told in a daemon's life: forged
/// sources must not fill the log.
const MOST_REFUSALS: usize = 256;

/// A kind of lines that a neighbour can provoke at will.
pub(super) type Kind = (Discriminant<Report>, Option<Discriminant<election::Report>>);

/// Lines of one kind that are written in [`Budget::SPAN`].
pub(super) struct Budget {
    since: Instant,
    most: u32,
    written: u32,
    left_out: u64,
}

impl Budget {
    const SPAN: Duration = Duration::from_secs(10);
    const LINES: u32 = 10;

    /// One that nothing was written of yet, with room for `most` lines.
    pub(super) const fn new(now: Instant, most: u32) -> Self {
        Self {
            since: now,
            most,
            written: 0,
            left_out: 0,
        }
    }

    /// Whether one more may be written, and how many were left out before it.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) >= Self::SPAN {
            (self.since, self.written) = (now, 0);
        }
        if self.written == self.most {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Services {
    pub(super) fn report(&mut self, state: &mut State, report: Report) {
        self.notify.report(&report, &self.published);
        if report.is_provoked() {
            let inner = if let Report::Election { report, .. } = &report {
                Some(discriminant(report))
            } else {
                None
            };
            let now = Instant::now();
            let fresh = || Budget::new(now, Budget::LINES);
            let budget = state
                .budgets
                .entry((discriminant(&report), inner))
                .or_insert_with(fresh);
            match budget.take(now) {
                None => return,
                Some(0) => {}
                Some(left_out) => {
                    self.log.line(
                        Level::Warning,
                        &format!("{left_out} lines like the next one were left out"),
                    );
                }
            }
        }
        match report {
            Report::PutBack { slot } => {
                let text = "an address was removed by another program; put back";
                self.say(slot, Level::Warning, text);
            }
            Report::MacPutBack { slot } => {
                let text = "its virtual MAC was changed by another program; put back";
                self.say(slot, Level::Warning, text);
            }
            Report::Election {
                slot,
                at,
                about,
                report,
            } => {
                if let election::Report::Transition {
                    to: StateName::Active,
                    ..
                } = report
                {
                    state.troubles.remove(&slot);
                }
                self.election(state, slot, at, about, report);
                self.mind_orders(slot, report);
            }
            Report::Announced { slot, .. } => {
                let router = &self.plan.routers[slot];
                for one in router.all_addresses() {
                    let interface = &self.plan.ports[one.port].name;
                    let what = if one.address.is_ipv4() {
                        "gratuitous ARP"
                    } else {
                        "neighbour advertisement"
                    };
                    let line = format!("Sending {what} on {interface} for {}", one.address);
                    self.log.line(Level::Info, &line);
                }
            }
            Report::Refused {
                slot,
                source,
                reason,
            } => {
                self.say(
                    slot,
                    Level::Warning,
                    &format!("hears {source}, refuses it: {reason}"),
                );
            }
            Report::OtherList { slot, source } => {
                let text = format!(
                    "{source} names other addresses for this VRID than we do; accepted, but one of the two configurations is wrong"
                );
                self.say(slot, Level::Warning, &text);
            }
            Report::Claimed { slot, address, mac } => {
                if state.told.insert((slot, address, mac)) {
                    let text = format!(
                        "{address} is claimed by {mac}, which is neither ours nor the master's: find that host, or two will answer for the address"
                    );
                    self.say(slot, Level::Warning, &text);
                }
            }
            Report::NotSent { slot, errno } => {
                let error = io::Error::from_raw_os_error(errno);
                self.say(
                    slot,
                    Level::Warning,
                    &format!("an advert could not be sent: {error}"),
                );
            }
            Report::Priority { slot, priority } => {
                let text = format!("priority {priority}, by what it tracks");
                self.say(slot, Level::Info, &text);
            }
            // For scripts.
            Report::Holds { .. } => {}
            Report::Adopted => self.adopted(state, true),
            Report::NotAdopted => self.adopted(state, false),
            Report::Up => {
                state.up = true;
                let ports: Vec<String> = state
                    .ports
                    .iter()
                    .zip(&self.plan.ports)
                    // An instance without interface has a port without name; on
                    // some interfaces addresses live, and nothing is to be heard.
                    .filter(|(_, plan)| !plan.name.is_empty() && !plan.routers.is_empty())
                    .map(|(port, plan)| {
                        let rung = port
                            .rung
                            .map_or_else(|| "not heard".into(), |rung| rung.to_string());
                        format!("{} ({rung})", plan.name)
                    })
                    .collect();
                let routers = self.plan.routers.iter().filter(|one| !one.vacant).count();
                let line = format!(
                    "vip {} is up: {routers} instance{} on {}",
                    env!("CARGO_PKG_VERSION"),
                    if routers == 1 { "" } else { "s" },
                    ports.join(", ")
                );
                self.log.line(Level::Info, &line);
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
            }
        }
    }

    /// Says what an election says; `about` is what is, or was, in the way.
    pub(super) fn election(
        &self,
        state: &State,
        slot: usize,
        at: MonoTime,
        about: Option<Tracked>,
        report: election::Report,
    ) {
        let router = &self.plan.routers[slot];
        let interface = self.plan.concerned(router, about);
        let seen = self.published.read(slot);
        let ours = seen.map_or(router.priority(), |seen| seen.priority);
        match report {
            election::Report::Transition { from, to, why } => {
                let told_to = matches!(why, election::Why::Taken);
                if from == StateName::Backup && to == StateName::Active && !told_to {
                    self.log.line(
                        Level::Notice,
                        &format!("({}) Receive advertisement timeout", router.name),
                    );
                }
                self.log.line(
                    Level::Notice,
                    &words::transition(&router.name, from, to, why),
                );
                let tracker = self.in_the_way(state, about);
                let text = match (why, tracker) {
                    (election::Why::Fault(Fault::Tracked), Some(tracker)) => {
                        format!("entering FAULT state ({tracker})")
                    }
                    (election::Why::Started, Some(_)) => {
                        let rest = words::why(why, router, interface, ours, at);
                        self.looked_at(state, about)
                            .map_or_else(|| rest.clone(), |tracker| format!("{tracker}; {rest}"))
                    }
                    (
                        election::Why::Recovered {
                            fault: Fault::Tracked,
                        },
                        Some(_),
                    ) => self.looked_at(state, about).map_or_else(
                        || words::why(why, router, interface, ours, at),
                        |tracker| format!("recovered: {tracker}"),
                    ),
                    _ => words::why(why, router, interface, ours, at),
                };
                self.say(slot, Level::Info, &text);
            }
            election::Report::LowerPriorityHeard { source, priority } => {
                if seen.is_some_and(|seen| is_settled(router, &seen, at)) {
                    let text = format!(
                        "TWO MASTERS: {source} advertises with priority {priority}, ours is {ours}; answered, it should give up"
                    );
                    self.say(slot, Level::Warning, &text);
                } else {
                    let text = format!(
                        "{source} speaks once more with priority {priority}: it waits for our announcement before it lets go"
                    );
                    self.say(slot, Level::Info, &text);
                }
            }
            election::Report::SameAddressHeard { source } => {
                let text = format!(
                    "an advert came from our own address {source}: another host has it, or the network returns our frames"
                );
                self.say(slot, Level::Warning, &text);
            }
            election::Report::ResignHeard { source } => {
                self.say(
                    slot,
                    Level::Info,
                    &format!("{source} says that it leaves (priority 0)"),
                );
            }
            election::Report::SuccessorHeard { source, priority } => {
                let text = format!("{source} has taken over with priority {priority}");
                self.say(slot, Level::Info, &text);
            }
            election::Report::LetGo { claimed, held } => {
                let held = words::span(held);
                let text = if claimed {
                    format!("addresses removed {held} after the role: the successor has them")
                } else {
                    format!("addresses removed {held} after the role: nobody has announced them")
                };
                self.say(slot, Level::Info, &text);
            }
            election::Report::TakeOutranked { source, priority } => {
                let text =
                    format!("does not take over: {source} is MASTER with priority {priority}");
                self.say(slot, Level::Warning, &text);
            }
        }
    }

    /// A line about one instance.
    pub(super) fn say(&self, slot: usize, level: Level, text: &str) {
        self.log
            .line(level, &format!("({}) {text}", self.plan.routers[slot].name));
    }

    pub(super) fn note(&self, state: &mut State, note: Note) -> Option<Failure> {
        let explicit = !matches!(self.wanted, Wanted::Auto);
        match note {
            Note::Hears {
                port,
                ifindex,
                rung,
                why,
            } => {
                let name = &self.plan.ports[port].name;
                let because = if why.is_empty() {
                    String::new()
                } else {
                    format!(": {why}")
                };
                self.log
                    .line(Level::Info, &format!("hears {name} by {rung}{because}"));
                state.ports[port] = HeardBy {
                    rung: Some(rung),
                    why,
                };
                self.listen_for_doubles(state, port, ifindex);
            }
            Note::CannotHear { port, why } => {
                let name = &self.plan.ports[port].name;
                if explicit && !state.up {
                    let message = format!(
                        "cannot hear {name} as asked for: {why}; leave the choice to --xdp auto"
                    );
                    return Some(Failure::new(Exit::Host, message));
                }
                self.log.line(
                    Level::Error,
                    &format!("cannot hear {name}: {why}; tried again every few seconds"),
                );
                state.ports[port] = HeardBy { rung: None, why };
            }
            Note::NotMade { port, why } => {
                self.log.line(Level::Warning, &why);
                state.ports[port] = HeardBy { rung: None, why };
            }
            Note::Made { port } => {
                let name = &self.plan.ports[port].name;
                self.log.line(Level::Info, &format!("{name} can be used"));
                state.ports[port].why.clear();
            }
            Note::LostEar { port, why } => {
                let name = &self.plan.ports[port].name;
                self.log.line(
                    Level::Error,
                    &format!("{name} is no longer heard: {why}; no takeover on that silence"),
                );
                state.ports[port] = HeardBy { rung: None, why };
            }
            Note::Addresses { slot, why } => {
                self.say(slot, Level::Error, &why);
                state.troubles.insert(slot, (why, Instant::now()));
            }
            Note::Statics { why } => {
                let line = format!("static address, route or rule: {why}");
                self.log.line(Level::Warning, &line);
            }
            Note::Claimed { slot } => {
                let router = &self.plan.routers[slot];
                let message = format!(
                    "({}) another vip in this network namespace runs VRID {} on {}; stop it, or take the instance out of one of the two configurations",
                    router.name, router.params.vrid, self.plan.ports[router.port].name
                );
                if !state.up {
                    return Some(Failure::new(Exit::Taken, message));
                }
                self.log.line(Level::Error, &message);
            }
            Note::Degraded { why } => self.log.line(Level::Warning, &why),
        }
        None
    }

    /// What the NIC refuses wakes nobody: it is looked up, and each source and
    /// reason is told once.
    pub(super) fn tell_refusals(&self, state: &mut State) {
        for slot in 0..self.plan.routers.len() {
            for (key, _) in self.gauges.refused(u32::try_from(slot).unwrap_or(u32::MAX)) {
                let source = key.source();
                let reason = u8::try_from(key.reason)
                    .ok()
                    .and_then(RejectReason::from_number);
                let full = state.refusals.len() >= MOST_REFUSALS;
                let Some(reason) = reason.filter(|_| !full) else {
                    continue;
                };
                if state.refusals.insert((slot, source, key.reason)) {
                    self.say(
                        slot,
                        Level::Warning,
                        &format!("hears {source}, refuses it: {reason}"),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_neighbour_provokes_is_written_up_to_a_bound_and_counted_beyond() {
        let start = Instant::now();
        let mut budget = Budget::new(start, Budget::LINES);
        let written = (0..100).filter(|_| budget.take(start).is_some()).count();
        assert_eq!(written, 10);
        assert_eq!(budget.take(start + Budget::SPAN), Some(90));
        assert_eq!(budget.take(start + Budget::SPAN), Some(0));
    }
}
