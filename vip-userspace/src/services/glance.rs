//! How all instances stand, in short: what `vip top` asks for several times a second,
//! also of a thousand instances. It is read from memory; all else, and all words, are in
//! the details only.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use vip_common::ids::Family;
use vip_common::layout::Counter;
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use super::control::Reply;
use super::follow::{self, Event, Kind};
use super::log::Level;
use super::status::{Hearing, Instance, Master, Tracker};
use super::{Services, State, view};
use crate::engine::published::{Snapshot, Standing};
use crate::engine::rt;
use crate::plan::RouterPlan;
use crate::words;

/// The number that changes when a reader of the document would break.
pub const SCHEMA: u32 = 1;

/// How all instances stand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Glance {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the daemon.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// All instances, in the order of the configuration.
    pub instances: Vec<Row>,
    /// What else there is, if it was asked for.
    #[serde(default)]
    pub more: Option<More>,
}

/// One instance in short. Counters begin with the daemon.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Name in the configuration.
    pub name: String,
    /// Interface.
    pub interface: String,
    /// Virtual router identifier.
    pub vrid: u8,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// `MASTER`, `BACKUP`, `FAULT` or `INIT`.
    pub state: String,
    /// For how long, in ns.
    pub since_ns: u64,
    /// Priority in the election now.
    pub priority: u8,
    /// Who is master, ourselves included.
    pub master: Option<Master>,
    /// Our time between adverts, in ns.
    pub interval_ns: u64,
    /// Until this state ends if nothing is heard, in ns from now.
    pub deadline_ns: Option<i64>,
    /// How long ago the master that a BACKUP follows was heard, in ns.
    pub heard_ns_ago: Option<u64>,
    /// From its advert before to that one, in ns.
    pub gap_ns: Option<u64>,
    /// How many of its adverts were accepted.
    pub accepted: u64,
    /// Adverts that were due and did not come, the first of each silence.
    pub missed: u64,
    /// Silences that ended when less than an interval was left.
    pub narrow: u64,
    /// The least that was ever left when an advert came, in ns.
    pub margin_ns: Option<u64>,
    /// Adverts that were refused, by the NIC or the controller.
    pub refused: u64,
    /// Our adverts.
    pub sent: u64,
    /// How late they were, all together, in ns.
    pub late_ns: u64,
    /// Whether two routers say at the same time that they are master.
    pub two_masters: bool,
    /// `drained` or `taken`, where a person has ordered that.
    pub order: Option<String>,
}

/// What there is beside that.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct More {
    /// The instances that were named, as in the status document.
    pub details: Vec<Instance>,
    /// What is watched.
    pub trackers: Vec<Tracker>,
    /// How each interface is heard.
    pub dataplane: Vec<Hearing>,
    /// What a person should look into.
    pub warnings: Vec<String>,
}

impl Services {
    /// All in short, and `detail` in full.
    pub(super) fn glance(&self, state: &State, detail: Option<&[String]>) -> Glance {
        let now = rt::now();
        let rows = view::present(self).map(|(slot, router, seen)| {
            let reading = self.published.meter(slot);
            let late = reading.map_or(0, |meter| meter.lateness.read().sum);
            let reading = reading.map(|meter| meter.read());
            let followed = followed(&seen);
            let heard = followed.and_then(|peer| peer.last_accepted);
            Row {
                name: router.name.clone(),
                interface: self.plan.ports[router.port].name.clone(),
                vrid: router.params.vrid.get(),
                family: match router.family {
                    Family::V4 => "ipv4".into(),
                    Family::V6 => "ipv6".into(),
                },
                state: words::state(seen.standing).into(),
                since_ns: view::nanos(now.since(seen.since)),
                priority: seen.priority.get(),
                master: view::master(router, &seen, now),
                interval_ns: view::nanos(router.params.adver_interval.span()),
                deadline_ns: seen.deadline.map(|deadline| view::until(now, deadline)),
                heard_ns_ago: heard.map(|at| view::nanos(now.since(at))),
                gap_ns: followed.and_then(|peer| {
                    let (last, before) = (peer.last_accepted?, peer.accepted_before?);
                    Some(view::nanos(last.since(before)))
                }),
                accepted: followed.map_or(0, |peer| peer.accepted.into()),
                missed: reading.map_or(0, |reading| reading.missed),
                narrow: reading.map_or(0, |reading| reading.narrow),
                margin_ns: reading.and_then(|reading| reading.margin),
                refused: self.refused(slot) + seen.refused.iter().sum::<u64>(),
                sent: seen.sent,
                late_ns: late,
                two_masters: view::two_masters(router, &seen, now),
                order: self
                    .orders
                    .of(&router.name)
                    .map(|order| view::ordered(order.what).into()),
            }
        });
        Glance {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            instances: rows.collect(),
            more: detail.map(|names| self.more(state, names, now)),
        }
    }

    /// How many adverts for a router the NIC has refused.
    fn refused(&self, slot: usize) -> u64 {
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        let reasons = RejectReason::ALL.iter();
        reasons
            .map(|reason| self.gauges.counter(slot, Counter::Rejected(*reason)))
            .sum()
    }

    fn more(&self, state: &State, names: &[String], now: MonoTime) -> More {
        let names: HashSet<&str> = names.iter().map(String::as_str).collect();
        let mut refused = self.gauges.refused();
        let details = view::present(self)
            .filter(|(_, router, _)| names.contains(&*router.name))
            .map(|(slot, router, seen)| {
                let number = u32::try_from(slot).unwrap_or(u32::MAX);
                let refused = refused.remove(&number).unwrap_or_default();
                view::instance(self, state, slot, router, &seen, (&refused, now))
            });
        More {
            details: details.collect(),
            trackers: self.trackers(state),
            dataplane: view::dataplane(self, state),
            warnings: view::warnings(self, state),
        }
    }

    /// What is told first to whoever begins to follow.
    pub(super) fn followed(&self, state: &State, past: usize, standing: bool) -> Reply {
        let (kept, live) = self.log.hub().follow(past);
        let mut answer: Vec<u8> = kept.iter().flat_map(|event| follow::line(event)).collect();
        if standing {
            let now = rt::now();
            for (_, router, seen) in view::present(self) {
                answer.extend(follow::line(&self.stands(state, router, &seen, now)));
            }
            for port in view::dataplane(self, state) {
                let text = format!("{}: heard by {}", port.interface, port.rung);
                let event = Event::new(Kind::Standing, Level::Info, text)
                    .interface(&port.interface)
                    .state(port.rung)
                    .reason(port.why);
                answer.extend(follow::line(&event));
            }
            for one in self.trackers(state) {
                let stands = one.number.map_or(one.state, |number| number.to_string());
                let text = format!("{} {}: {stands}", one.kind, one.name);
                let event = Event::new(Kind::Standing, Level::Info, text)
                    .tracker(&one.kind, &one.name)
                    .state(stands)
                    .reason(one.last.map(|last| last.what).unwrap_or_default());
                answer.extend(follow::line(&event));
            }
        }
        let (version, process) = (env!("CARGO_PKG_VERSION"), std::process::id());
        let text = format!("follows vip {version} (process {process})");
        answer.extend(follow::line(&Event::new(
            Kind::Following,
            Level::Info,
            text,
        )));
        Reply {
            answer,
            then: Some(live),
        }
    }

    fn stands(&self, state: &State, router: &RouterPlan, seen: &Snapshot, now: MonoTime) -> Event {
        let word = words::state(seen.standing);
        let reason = view::reason_of(self, state, router, seen, now);
        let text = format!("({}) {word}: {reason}", router.name);
        let mut event = Event::new(Kind::Standing, Level::Info, text)
            .instance(&router.name)
            .interface(&self.plan.ports[router.port].name)
            .state(word)
            .priority(seen.priority.get())
            .reason(reason);
        event.source = view::master(router, seen, now).map(|master| master.address);
        event
    }
}

/// The peer that a Backup follows.
fn followed(seen: &Snapshot) -> Option<&crate::engine::published::Peer> {
    let (Standing::Backup, Some((address, _))) = (seen.standing, seen.active) else {
        return None;
    };
    let mut peers = seen.peers.iter().flatten();
    peers.find(|peer| peer.address == address)
}
