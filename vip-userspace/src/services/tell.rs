//! What the engine, the hands and the NIC have to say, as lines of the log.

use std::io;
use std::mem::{Discriminant, discriminant};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use vip_common::election::{self, Fault, StateName};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use super::follow::{Event, Kind as Happened};
use super::log::Level;
use super::view::is_settled;
use super::{HeardBy, Services, State};
use crate::dataplane::Wanted;
use crate::engine::published::Standing;
use crate::engine::{Hold, Report};
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
        state.outlook.stir();
        self.notify.report(&report, &self.published);
        self.note_story(state, &report);
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
                self.tell(slot, Happened::PutBack, Level::Warning, text);
            }
            Report::MacPutBack { slot } => {
                let text = "its virtual MAC was changed by another program; put back";
                self.tell(slot, Happened::PutBack, Level::Warning, text);
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
                if self.shadow.is_some() {
                    return self.decided(state, slot, at, about, report);
                }
                self.election(state, slot, at, about, report);
                self.mind_orders(slot, report);
            }
            // What a shadow sends goes nowhere, and it installs nothing.
            Report::Announced { .. } | Report::Holds { .. } if self.shadow.is_some() => {}
            Report::Announced { slot, .. } => {
                let router = &self.plan.routers[slot];
                let lines = router.all_addresses().map(|one| {
                    let interface = &self.plan.ports[one.port].name;
                    let what = if one.address.is_ipv4() {
                        "gratuitous ARP"
                    } else {
                        "neighbour advertisement"
                    };
                    let line = format!("Sending {what} on {interface} for {}", one.address);
                    (Level::Info, line)
                });
                let lines: Vec<_> = lines.collect();
                let text = "its addresses are announced to the network";
                let event = self.about(slot, Happened::Announced, Level::Info, text);
                self.log.tell_in(event.count(lines.len() as u64), &lines);
            }
            Report::Refused {
                slot,
                source,
                reason,
            } => {
                let event = self.refusal(slot, source, reason);
                self.log.tell(event);
            }
            Report::OtherList { slot, source } => {
                let text = format!(
                    "{source} names other addresses for this VRID than we do; accepted, but one of the two configurations is wrong"
                );
                let event = self.about(slot, Happened::OtherAddresses, Level::Warning, &text);
                self.log.tell(event.source(source));
            }
            Report::Claimed { slot, address, mac } => {
                if state.told.insert((slot, address, mac)) {
                    let text = format!(
                        "{address} is claimed by {mac}, which is neither ours nor the master's: find that host, or two will answer for the address"
                    );
                    let mut event = self.about(slot, Happened::Conflict, Level::Warning, &text);
                    (event.address, event.mac) = (Some(address), Some(mac.to_string()));
                    self.log.tell(event);
                }
            }
            Report::NotSent { slot, errno } => {
                let error = io::Error::from_raw_os_error(errno);
                let text = format!("an advert could not be sent: {error}");
                self.tell(slot, Happened::NotSent, Level::Warning, &text);
            }
            Report::Priority { slot, priority } => {
                let text = format!("priority {priority}, by what it tracks");
                let event = self.about(slot, Happened::Priority, Level::Info, &text);
                self.log.tell(event.priority(priority.get()));
            }
            Report::Holds { slot, hold } => {
                let (state, text) = match hold {
                    Hold::Free => ("removed", "its addresses are removed"),
                    Hold::Asked => ("installing", "its addresses are being installed"),
                    Hold::Held => ("installed", "the kernel has its addresses"),
                    Hold::Leaving => ("removing", "its addresses are being removed"),
                };
                let event = self.about(slot, Happened::Addresses, Level::Info, text);
                self.log.whisper(event.state(state));
            }
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
                self.log.tell(Event::new(Happened::Up, Level::Info, line));
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
        let seen = self.published.read(slot);
        let ours = seen.map_or(router.priority(), |seen| seen.priority);
        match report {
            election::Report::Transition { from, to, why } => {
                let told_to = matches!(why, election::Why::Taken);
                let mut lines = Vec::with_capacity(3);
                if from == StateName::Backup && to == StateName::Active && !told_to {
                    let line = format!("({}) Receive advertisement timeout", router.name);
                    lines.push((Level::Notice, line));
                }
                let entering = words::transition(&router.name, from, to, why);
                lines.push((Level::Notice, entering.clone()));
                let text = self.why_moved(state, slot, at, about, why);
                lines.push((Level::Info, format!("({}) {text}", router.name)));
                let mut event = Event::new(
                    Happened::Transition,
                    Level::Notice,
                    format!("{entering}: {text}"),
                )
                .instance(&router.name)
                .interface(&self.plan.ports[router.port].name)
                .state(entered(to, why))
                .priority(ours.get())
                .reason(text);
                event.from = left(from, why).map(Into::into);
                self.log.tell_in(event, &lines);
            }
            election::Report::LowerPriorityHeard { source, priority } => {
                if seen.is_some_and(|seen| is_settled(router, &seen, at)) {
                    let text = format!(
                        "TWO MASTERS: {source} advertises with priority {priority}, ours is {ours}; answered, it should give up"
                    );
                    let event = self.about(slot, Happened::TwoMasters, Level::Warning, &text);
                    self.log.tell(event.source(source).priority(priority.get()));
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
                let event = self.about(slot, Happened::Conflict, Level::Warning, &text);
                self.log.tell(event.source(source));
            }
            election::Report::ResignHeard { source } => {
                let text = format!("{source} says that it leaves (priority 0)");
                let event = self.about(slot, Happened::Resigned, Level::Info, &text);
                self.log.tell(event.source(source));
            }
            election::Report::ResignIgnored { source, active } => {
                let text = format!(
                    "{source} says that it leaves (priority 0); {active} is MASTER and goes on, nothing is to be taken over"
                );
                let event = self.about(slot, Happened::Resigned, Level::Info, &text);
                self.log.tell(event.source(source));
            }
            election::Report::SuccessorHeard { source, priority } => {
                let text = format!("{source} has taken over with priority {priority}");
                let event = self.about(slot, Happened::Successor, Level::Info, &text);
                self.log.tell(event.source(source).priority(priority.get()));
            }
            election::Report::LetGo { claimed, held } => {
                let held = words::span(held);
                let text = if claimed {
                    format!("addresses removed {held} after the role: the successor has them")
                } else {
                    format!("addresses removed {held} after the role: nobody has announced them")
                };
                self.tell(slot, Happened::Addresses, Level::Info, &text);
            }
            election::Report::TakeOutranked { source, priority } => {
                let text =
                    format!("does not take over: {source} is MASTER with priority {priority}");
                self.say(slot, Level::Warning, &text);
            }
        }
    }

    /// Why a router's state has changed; `about` is what is, or was, in the way.
    pub(super) fn why_moved(
        &self,
        state: &State,
        slot: usize,
        at: MonoTime,
        about: Option<Tracked>,
        why: election::Why,
    ) -> String {
        let router = &self.plan.routers[slot];
        let interface = self.plan.concerned(router, about);
        let seen = self.published.read(slot);
        let ours = seen.map_or(router.priority(), |seen| seen.priority);
        let tracker = self.in_the_way(state, about);
        match (why, tracker) {
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
        }
    }

    /// A line about one instance.
    pub(super) fn say(&self, slot: usize, level: Level, text: &str) {
        self.tell(slot, Happened::Log, level, text);
    }

    /// The same, of a kind that programs know.
    pub(super) fn tell(&self, slot: usize, kind: Happened, level: Level, text: &str) {
        self.log.tell(self.about(slot, kind, level, text));
    }

    /// What has happened to one instance.
    pub(super) fn about(&self, slot: usize, kind: Happened, level: Level, text: &str) -> Event {
        let router = &self.plan.routers[slot];
        Event::new(kind, level, format!("({}) {text}", router.name))
            .instance(&router.name)
            .interface(&self.plan.ports[router.port].name)
    }

    fn refusal(&self, slot: usize, source: IpAddr, reason: RejectReason) -> Event {
        let text = format!("hears {source}, refuses it: {reason}");
        let mut event = self.about(slot, Happened::Refused, Level::Warning, &text);
        event.refusal = Some(reason.label().into());
        event.source(source).reason(reason.words())
    }

    /// How a port is heard from now on.
    fn hearing(&self, port: usize, level: Level, text: String, state: &str, why: &str) {
        let event = Event::new(Happened::Hearing, level, text)
            .interface(&self.plan.ports[port].name)
            .state(state)
            .reason(why);
        self.log.tell(event);
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
                let text = format!("hears {name} by {rung}{because}");
                self.hearing(port, Level::Info, text, &rung.to_string(), &why);
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
                let text = format!("cannot hear {name}: {why}; tried again every few seconds");
                self.hearing(port, Level::Error, text, "none", &why);
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
                let text = format!("{name} is no longer heard: {why}; no takeover on that silence");
                self.hearing(port, Level::Error, text, "none", &why);
                state.ports[port] = HeardBy { rung: None, why };
            }
            Note::Addresses { slot, why } => {
                let event = self.about(slot, Happened::Kernel, Level::Error, &why);
                self.log.tell(event.reason(&*why));
                state.troubles.insert(slot, (why, Instant::now()));
            }
            Note::Statics { why } => {
                let line = format!("static address, route or rule: {why}");
                let event = Event::new(Happened::Kernel, Level::Warning, line);
                self.log.tell(event.reason(why));
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
        let refused = self.gauges.refused();
        for slot in 0..self.plan.routers.len() {
            let number = u32::try_from(slot).unwrap_or(u32::MAX);
            for (key, _) in refused.get(&number).into_iter().flatten() {
                let source = key.source();
                let reason = u8::try_from(key.reason)
                    .ok()
                    .and_then(RejectReason::from_number);
                let full = state.refusals.len() >= MOST_REFUSALS;
                let Some(reason) = reason.filter(|_| !full) else {
                    continue;
                };
                if state.refusals.insert((slot, source, key.reason)) {
                    self.log.tell(self.refusal(slot, source, reason));
                }
            }
        }
    }
}

/// The word for a state that was entered.
fn entered(to: StateName, why: election::Why) -> &'static str {
    let standing = match to {
        StateName::Active => Standing::Active,
        StateName::Backup => Standing::Backup,
        StateName::Initialize => Standing::Initialize(if let election::Why::Fault(fault) = why {
            fault
        } else if matches!(why, election::Why::Drained) {
            Fault::Drained
        } else if matches!(why, election::Why::ShutDown) {
            Fault::ShutDown
        } else {
            Fault::AddressesNotInstalled
        }),
    };
    words::state(standing)
}

/// The word for the state that was left, where it is known which one that was.
fn left(from: StateName, why: election::Why) -> Option<&'static str> {
    match from {
        StateName::Active => Some(words::state(Standing::Active)),
        StateName::Backup => Some(words::state(Standing::Backup)),
        StateName::Initialize => {
            if let election::Why::Recovered { fault } = why {
                Some(words::state(Standing::Initialize(fault)))
            } else if matches!(why, election::Why::Started) {
                Some(words::state(Standing::Initialize(Fault::Starting)))
            } else {
                None
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
