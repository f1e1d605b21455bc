//! Puts the status document together from what the engine publishes, the NIC
//! counts and the hands have said.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use vip_common::election::Fault;
use vip_common::ids::{Family, Priority};
use vip_common::layout::{Counter, Refused, RefusedKey};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use super::notify::{Board, Kind, PipeState, Record, Scripts};
use super::orders::{BootTime, What};
use super::status::{
    Conflict, Hearing, Instance, Master, Ordered, Peer, Reload, SCHEMA, Scheduling, Status, Trouble,
};
use super::{HeardBy, Services, State};
use crate::engine::published::{self, Snapshot, Standing};
use crate::engine::rt;
use crate::plan::{PortPlan, RouterPlan};
use crate::words;

pub(super) fn status(services: &Services, state: &State) -> Status {
    let now = rt::now();
    let board = services.notify.board();
    let mut counters = BTreeMap::from([
        ("scripts_left_out".to_owned(), board.left_out),
        ("pipe_lines_lost".into(), lost_lines(&board)),
    ]);
    let mut refused = services.gauges.refused();
    let mut instances = Vec::new();
    for (slot, router, snapshot) in present(services) {
        let number = u32::try_from(slot).unwrap_or(u32::MAX);
        let refused = refused.remove(&number).unwrap_or_default();
        let mut instance = instance(services, state, slot, router, &snapshot, (&refused, now));
        let record = of(&board, Kind::Instance, &router.name);
        if let Some(record) = record {
            for (name, count) in script_counters(record) {
                instance.counters.insert(name.into(), count);
            }
        }
        instance.scripts = record.map(Scripts::from);
        if services.shadow.is_some() {
            instance.is_only_thought();
        }
        for (name, count) in &instance.counters {
            *counters.entry(name.clone()).or_insert(0) += count;
        }
        instances.push(instance);
    }
    let reload = state.renewal.last.as_ref().map(|last| Reload {
        taken: last.refused.is_empty(),
        refused: last.refused.clone(),
        ns_ago: nanos(last.at.elapsed()),
    });
    let group_scripts = services.plan.groups.iter().filter_map(|group| {
        let record = of(&board, Kind::Group, &group.name)?;
        for (name, count) in script_counters(record) {
            *counters.entry(name.to_owned()).or_insert(0) += count;
        }
        Some((group.name.clone(), Scripts::from(record)))
    });
    let group_scripts = group_scripts.collect();
    Status {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        instances,
        dataplane: dataplane(services, state),
        trackers: services.trackers(state),
        counters,
        scheduling: Some(Scheduling {
            class: services.scheduling.class.to_string(),
            why: services.scheduling.to_string(),
        }),
        warnings: warnings(services, state),
        reload,
        group_scripts,
        pipes: board.pipes.iter().map(PipeState::from).collect(),
        shadow: services.shown(),
    }
}

/// The routers that are there, in the order of the configuration.
pub(super) fn present(services: &Services) -> impl Iterator<Item = (usize, &RouterPlan, Snapshot)> {
    in_order(services).into_iter().filter_map(|slot| {
        let router = services.plan.routers.get(slot)?;
        let snapshot = services.published.read(slot)?;
        (!has_left(router, &snapshot)).then_some((slot, router, snapshot))
    })
}

/// How each interface is heard that is there for anything.
pub(super) fn dataplane(services: &Services, state: &State) -> Vec<Hearing> {
    let hearing = |(port, plan): (&HeardBy, &PortPlan)| Hearing {
        interface: plan.name.clone(),
        rung: port
            .rung
            .map_or_else(|| "none".into(), |rung| rung.to_string()),
        why: port.why.clone(),
    };
    let ports = state.ports.iter().zip(&services.plan.ports);
    ports
        .filter(|(_, plan)| is_used(services, plan))
        .map(hearing)
        .collect()
}

/// What a person should look into.
pub(super) fn warnings(services: &Services, state: &State) -> Vec<String> {
    let mut warnings = services.warnings.clone();
    if !state.doubles.is_empty() {
        let doubles = present(services).filter(|(slot, ..)| state.doubles.contains(slot));
        warnings.extend(doubles.map(|(_, router, _)| {
            format!(
                "another program on this host sends adverts for {}; stop one of the two",
                router.name
            )
        }));
    }
    let last = state.renewal.last.as_ref();
    if let Some(refused) = last.filter(|last| !last.refused.is_empty()) {
        warnings.push(format!(
            "the last reload was refused {} ago, the configuration of before runs: {}",
            words::span(refused.at.elapsed()),
            refused.refused.first().map_or("", String::as_str)
        ));
    }
    warnings
}

/// Who is master, ourselves included.
pub(super) fn master(router: &RouterPlan, seen: &Snapshot, now: MonoTime) -> Option<Master> {
    let master = match seen.standing {
        Standing::Active => seen.primary.map(|own| (own, seen.priority)),
        Standing::Backup => seen.active,
        // Who takes no part follows nobody; it hears all the same.
        Standing::Initialize(_) => speaker(router, seen, now),
    };
    master.map(|(address, priority)| Master {
        address,
        priority: priority.get(),
    })
}

/// Why a router stands where it does, and what ends it.
pub(super) fn reason_of(
    services: &Services,
    state: &State,
    router: &RouterPlan,
    seen: &Snapshot,
    now: MonoTime,
) -> String {
    let obstacle = Obstacle {
        name: services.plan.concerned(router, seen.hindered_by),
        tracker: services.in_the_way(state, seen.hindered_by),
    };
    reason(router, &obstacle, seen, now)
}

/// Whether it is gone from the configuration and has left.
fn has_left(router: &RouterPlan, seen: &Snapshot) -> bool {
    router.vacant && seen.standing == Standing::Initialize(Fault::ShutDown)
}

/// Whether an interface is there for anything still. One that a reload has left
/// without routers keeps its place in the plan.
fn is_used(services: &Services, port: &PortPlan) -> bool {
    let mut slots = port.needed_by.iter().chain(&port.tracked_by);
    port.has_statics
        || slots.any(|slot| {
            let seen = services.published.read(*slot);
            seen.is_none_or(|seen| !has_left(&services.plan.routers[*slot], &seen))
        })
}

fn of<'a>(board: &'a Board, kind: Kind, name: &str) -> Option<&'a Record> {
    let mut subjects = board.subjects.iter();
    let of = subjects.find(|(subject, _)| subject.kind == kind && subject.name == name);
    of.map(|(_, record)| record)
        .filter(|record| record.runs > 0 || record.left_out > 0)
}

fn script_counters(record: &Record) -> [(&'static str, u64); 4] {
    [
        ("scripts_run", record.runs),
        ("scripts_failed", record.failed),
        ("scripts_ended", record.overran),
        ("scripts_left_out", record.left_out),
    ]
}

fn lost_lines(board: &Board) -> u64 {
    board.pipes.iter().map(|pipe| pipe.lost).sum()
}

/// Who was last heard as master since this router takes no part.
fn speaker(router: &RouterPlan, seen: &Snapshot, now: MonoTime) -> Option<(IpAddr, Priority)> {
    let params = &router.params;
    let down = params.active_down_interval(params.adver_interval);
    let heard = |peer: &published::Peer| {
        let at = peer.last_accepted?;
        let speaks = !peer.priority.is_resign() && at > seen.since && now.since(at) < down;
        speaks.then_some((at, peer.address, peer.priority))
    };
    let last = seen.peers.iter().flatten().filter_map(heard).max()?;
    Some((last.1, last.2))
}

/// The slots in the order of the configuration, then those that it has no more.
fn in_order(services: &Services) -> Vec<usize> {
    let names = services.running.configuration.instances.iter();
    let places: HashMap<&str, usize> = names
        .enumerate()
        .map(|(place, instance)| (&*instance.name, place))
        .collect();
    let routers = &services.plan.routers;
    let mut slots: Vec<usize> = (0..routers.len()).collect();
    slots.sort_by_key(|slot| {
        let place = places.get(&*routers[*slot].name).copied();
        (routers[*slot].vacant, place.unwrap_or(usize::MAX), *slot)
    });
    slots
}

pub(super) fn instance(
    services: &Services,
    state: &State,
    slot: usize,
    router: &RouterPlan,
    seen: &Snapshot,
    (refused, now): (&[(RefusedKey, Refused)], MonoTime),
) -> Instance {
    let interface = &services.plan.ports[router.port].name;
    let number = u32::try_from(slot).unwrap_or(u32::MAX);
    Instance {
        name: router.name.clone(),
        interface: interface.clone(),
        vrid: router.params.vrid.get(),
        family: match router.family {
            Family::V4 => "ipv4".into(),
            Family::V6 => "ipv6".into(),
        },
        version: router.params.version.get(),
        state: words::state(seen.standing).into(),
        reason: reason_of(services, state, router, seen, now),
        since_ns: nanos(now.since(seen.since)),
        priority: router.priority().get(),
        effective_priority: seen.priority.get(),
        master: master(router, seen, now),
        deadline_ns: seen.deadline.map(|deadline| until(now, deadline)),
        addresses: router
            .all_addresses()
            .map(|one| words::address(one.address, one.prefix))
            .collect(),
        installed: seen.installed,
        peers: peers(seen, refused, now),
        two_masters: two_masters(router, seen, now),
        conflicts: conflicts(services, number, seen, now),
        foreign: services.foreign(state, slot),
        counters: counters(services, number, seen),
        hands_over: hands_over(seen),
        priority_reason: priority_reason(services, state, router, seen),
        sync_group: router
            .group_of
            .and_then(|group| services.plan.groups.get(group))
            .map(|group| group.name.clone()),
        unicast_peers: router.unicast.as_ref().map_or_else(Vec::new, |unicast| {
            unicast.peers.iter().map(|peer| peer.address).collect()
        }),
        former_secret_left_ns: state
            .formers
            .get(&slot)
            .and_then(|until| until.checked_duration_since(Instant::now()))
            .map(nanos),
        scripts: None,
        trouble: state.troubles.get(&slot).map(|(what, at)| Trouble {
            what: what.clone(),
            ns_ago: nanos(at.elapsed()),
        }),
        order: services.orders.of(&router.name).map(|order| Ordered {
            what: ordered(order.what).into(),
            left_ns: order.until.map(|until| nanos(until.since(BootTime::now()))),
        }),
    }
}

/// The word for an order.
pub(super) const fn ordered(what: What) -> &'static str {
    match what {
        What::Drained => "drained",
        What::Taken => "taken",
    }
}

/// Whether it serves on for a successor.
fn hands_over(seen: &Snapshot) -> bool {
    seen.installed && seen.standing != Standing::Active
}

/// Why its priority in the election is another than the configured one.
fn priority_reason(
    services: &Services,
    state: &State,
    router: &RouterPlan,
    seen: &Snapshot,
) -> Option<String> {
    if seen.priority == router.priority() {
        return None;
    }
    let order = services.orders.of(&router.name);
    if order.is_some_and(|order| order.what == What::Taken) {
        return Some("taken".into());
    }
    let difference = i32::from(seen.priority.get()) - i32::from(router.priority().get());
    let counted = services.counted(state, router, difference);
    (!counted.is_empty()).then_some(counted)
}

/// What is in the way of a router.
struct Obstacle<'a> {
    /// The name of the interface, or of the tracker.
    name: &'a str,
    /// What the tracker has found, where it is one.
    tracker: Option<String>,
}

impl Obstacle<'_> {
    fn words(&self, fault: Fault, router: &RouterPlan) -> String {
        match (fault, &self.tracker) {
            (Fault::Tracked | Fault::Starting, Some(tracker)) => tracker.clone(),
            _ => words::fault(fault, router, self.name),
        }
    }
}

/// Why it stands where it does, and what ends it.
fn reason(router: &RouterPlan, obstacle: &Obstacle, seen: &Snapshot, now: MonoTime) -> String {
    let since = words::span(now.since(seen.since));
    let takes_over = || {
        let left = seen
            .deadline
            .map_or(Duration::ZERO, |deadline| deadline.since(now));
        if left.is_zero() && router.group_of.is_some() {
            return "its time has come, and it waits for the rest of its sync group".to_owned();
        }
        format!("takes over in {} if nothing is heard", words::span(left))
    };
    match seen.standing {
        Standing::Active if seen.installed => format!("holds the address for {since}"),
        Standing::Active => format!("the addresses are being installed, for {since}"),
        Standing::Backup => match seen.active {
            Some((address, priority)) if priority < seen.priority && router.params.preempts() => {
                format!("replaces {address} (priority {priority}); {}", takes_over())
            }
            Some((address, priority)) => {
                format!("follows {address} (priority {priority}); {}", takes_over())
            }
            None => format!("hears no master; {}", takes_over()),
        },
        Standing::Initialize(Fault::Drained | Fault::ShutDown) if hands_over(seen) => {
            format!("hands over: serves until another one does, for {since}")
        }
        Standing::Initialize(fault) => {
            let retry = match (fault, seen.deadline) {
                (Fault::AddressesNotInstalled | Fault::StartupDelay, Some(retry)) => {
                    format!(", in {}", words::span(retry.since(now)))
                }
                _ => String::new(),
            };
            // Out by order, and not only by that.
            let besides = match (fault, seen.obstacle) {
                (Fault::Drained, Some(other)) if other != Fault::Starting => {
                    format!("; besides, {}", obstacle.words(other, router))
                }
                _ => String::new(),
            };
            format!(
                "{}{besides}{retry} (for {since})",
                obstacle.words(fault, router)
            )
        }
    }
}

fn peers(seen: &Snapshot, refused: &[(RefusedKey, Refused)], now: MonoTime) -> Vec<Peer> {
    let ago = |at: Option<MonoTime>| at.map(|at| nanos(now.since(at)));
    let accepted = |peer: &published::Peer| Peer {
        address: peer.address,
        priority: peer.last_accepted.map(|_| peer.priority.get()),
        accepted_ns_ago: ago(peer.last_accepted),
        accepted: peer.accepted.into(),
        refused: peer.refused.into(),
        refusal: peer.reason.map(|reason| reason.label().into()),
        refusal_words: peer.reason.map(|reason| reason.words().into()),
        refused_ns_ago: ago(peer.last_refused),
        other_addresses: peer.other_list,
    };
    let mut peers: Vec<Peer> = seen.peers.iter().flatten().map(accepted).collect();
    // What the NIC refuses never reaches the engine.
    for (key, refused) in refused {
        let address = key.source();
        let Some(reason) = u8::try_from(key.reason)
            .ok()
            .and_then(RejectReason::from_number)
        else {
            continue;
        };
        let at = peers
            .iter()
            .position(|peer| peer.address == address)
            .unwrap_or_else(|| {
                peers.push(accepted(&published::Peer::new(address)));
                peers.len() - 1
            });
        let peer = &mut peers[at];
        let ns_ago = nanos(now.since(MonoTime::from_nanos(refused.stamp)));
        peer.refused += refused.count;
        if peer.refused_ns_ago.is_none_or(|before| ns_ago < before) {
            peer.refused_ns_ago = Some(ns_ago);
            peer.refusal = Some(reason.label().into());
            peer.refusal_words = Some(reason.words().into());
        }
    }
    peers.sort_by_key(|peer| peer.address);
    peers
}

/// Whether two routers speak as master at the same time: a peer while we are
/// master ourselves and it should have heard us, or two peers in turn. One that
/// hands over to another speaks before it, never between its adverts.
pub(super) fn two_masters(router: &RouterPlan, seen: &Snapshot, now: MonoTime) -> bool {
    let params = &router.params;
    let down = params.active_down_interval(params.adver_interval);
    let speaks = |peer: &&published::Peer| {
        !peer.priority.is_resign() && peer.last_accepted.is_some_and(|at| now.since(at) < down)
    };
    let mut speaking = seen.peers.iter().flatten().filter(speaks);
    match seen.standing {
        Standing::Active => speaking.any(|peer| {
            let at = peer.last_accepted;
            at.is_some_and(|at| is_settled(router, seen, at))
        }),
        Standing::Backup => {
            let speaking: Vec<_> = speaking.collect();
            let in_turn = |one: &published::Peer, other: &published::Peer| {
                one.accepted_before.is_some() && other.last_accepted > one.accepted_before
            };
            let pairs = speaking
                .iter()
                .flat_map(|one| speaking.iter().map(move |other| (one, other)));
            pairs.into_iter().any(|(one, other)| {
                one.address < other.address && in_turn(one, other) && in_turn(other, one)
            })
        }
        Standing::Initialize(_) => false,
    }
}

/// Whether a master has been one for so long that nobody else should speak as one
/// any more: for an interval. Before, whoever it has replaced may have missed its
/// first advert, or speaks once more to have it announce the addresses.
pub(super) fn is_settled(router: &RouterPlan, seen: &Snapshot, at: MonoTime) -> bool {
    at > seen.since + router.params.adver_interval.span()
}

fn conflicts(services: &Services, slot: u32, seen: &Snapshot, now: MonoTime) -> Vec<Conflict> {
    // Who takes no part leaves the addresses to others; what was claimed before we
    // held or watched them was another's to claim.
    let concerns = |stamp: u64| {
        !matches!(seen.standing, Standing::Initialize(_))
            && MonoTime::from_nanos(stamp) >= seen.since
    };
    // Before the first advert of the Active Router its ARP is a stranger's.
    let claim = services
        .gauges
        .claim(slot)
        .filter(|claim| claim.count > 0 && claim.mac != seen.active_mac && concerns(claim.stamp));
    let conflict = claim.map(|claim| Conflict {
        address: claim.address(),
        mac: claim.mac.to_string(),
        count: claim.count,
        ns_ago: nanos(now.since(MonoTime::from_nanos(claim.stamp))),
    });
    conflict.into_iter().collect()
}

fn counters(services: &Services, slot: u32, seen: &Snapshot) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::from([
        ("adverts_sent".into(), seen.sent),
        ("adverts_not_sent".into(), seen.unsent),
        ("gratuitous_arps_sent".into(), seen.announced),
        ("became_master".into(), seen.takeovers),
        ("accepted_by_former_secret".into(), seen.by_former),
        ("addresses_put_back".into(), seen.put_back),
    ]);
    for (name, counter) in [
        ("adverts_taken", Counter::Taken),
        ("adverts_known", Counter::Known),
        ("ring_full", Counter::RingFull),
        ("arp_requests", Counter::Asked),
        ("arp_claims", Counter::Claimed),
        ("requests_withheld", Counter::Withheld),
    ] {
        counters.insert(name.into(), services.gauges.counter(slot, counter));
    }
    for reason in RejectReason::ALL {
        let count = services.gauges.counter(slot, Counter::Rejected(*reason))
            + seen.refused[*reason as usize];
        counters.insert(format!("rejected_{}", reason.label()), count);
    }
    counters
}

pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn until(now: MonoTime, deadline: MonoTime) -> i64 {
    let signed = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    if deadline >= now {
        signed(deadline.since(now))
    } else {
        -signed(now.since(deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::plan::{Plan, Tracked};

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 8, 4));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 8, 6));

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_nanos(1_000_000_000_000 + millis * 1_000_000)
    }

    fn heard(address: IpAddr, before: u64, last: u64) -> Option<published::Peer> {
        Some(published::Peer {
            priority: Priority::DEFAULT,
            last_accepted: Some(at(last)),
            accepted_before: Some(at(before)),
            ..published::Peer::new(address)
        })
    }

    fn plan() -> Plan {
        let text = include_str!("../../../tests/seed/nodeB.conf");
        Plan::new(&config::parse(text, "nodeB.conf").configuration)
    }

    fn as_seen(standing: Standing, peers: &[Option<published::Peer>], now: u64) -> bool {
        let plan = plan();
        let mut seen = Snapshot::new(Priority::DEFAULT);
        seen.standing = standing;
        seen.since = at(0);
        seen.peers[..peers.len()].copy_from_slice(peers);
        two_masters(&plan.routers[0], &seen, at(now))
    }

    #[test]
    fn two_who_speak_in_turn_are_two_masters() {
        let both = [heard(A, 3_000, 4_000), heard(B, 3_500, 4_500)];
        assert!(as_seen(Standing::Backup, &both, 4_600));
    }

    #[test]
    fn one_who_hands_over_to_the_other_is_not() {
        let handed = [heard(A, 3_000, 4_000), heard(B, 4_010, 5_010)];
        assert!(!as_seen(Standing::Backup, &handed, 5_100));
    }

    #[test]
    fn a_master_who_is_not_alone_says_so_until_the_other_is_silent() {
        let other = [heard(A, 3_000, 4_000)];
        assert!(as_seen(Standing::Active, &other, 4_100));
        assert!(!as_seen(Standing::Active, &other, 8_000));
    }

    #[test]
    fn whom_a_master_has_just_replaced_is_no_second_one() {
        assert!(!as_seen(Standing::Active, &[heard(A, 0, 900)], 1_000));
    }

    #[test]
    fn who_has_just_become_master_blames_nobody() {
        let plan = plan();
        let mut seen = Snapshot::new(Priority::DEFAULT);
        (seen.standing, seen.since) = (Standing::Active, at(0));
        let settled = |now| is_settled(&plan.routers[0], &seen, at(now));
        // The one before speaks again 10 ms after our first advert, where our
        // addresses take that long.
        assert!(!settled(11));
        assert!(!settled(1_000));
        assert!(settled(1_001));
    }

    #[test]
    fn every_state_has_a_reason_and_what_ends_it() {
        let plan = plan();
        let obstacle = Obstacle {
            name: "eth0",
            tracker: None,
        };
        let of = |seen: &Snapshot| reason(&plan.routers[0], &obstacle, seen, at(1_500));
        let mut seen = Snapshot::new(Priority::from_wire(90));
        seen.since = at(0);
        seen.deadline = Some(at(3_500));
        seen.standing = Standing::Backup;
        assert_eq!(
            of(&seen),
            "hears no master; takes over in 2.000 s if nothing is heard"
        );
        seen.active = Some((A, Priority::from_wire(100)));
        assert_eq!(
            of(&seen),
            "follows 192.168.8.4 (priority 100); takes over in 2.000 s if nothing is heard"
        );
        seen.active = Some((A, Priority::from_wire(80)));
        assert_eq!(
            of(&seen),
            "replaces 192.168.8.4 (priority 80); takes over in 2.000 s if nothing is heard"
        );
        // Another member of its sync group is content as it is.
        let mut grouped = plan.routers[0].clone();
        grouped.group_of = Some(0);
        seen.deadline = Some(at(1_400));
        assert_eq!(
            reason(&grouped, &obstacle, &seen, at(1_500)),
            "replaces 192.168.8.4 (priority 80); its time has come, and it waits for the rest of its sync group"
        );
        seen.deadline = Some(at(3_500));
        seen.standing = Standing::Active;
        assert_eq!(of(&seen), "the addresses are being installed, for 1.500 s");
        seen.installed = true;
        assert_eq!(of(&seen), "holds the address for 1.500 s");
        seen.standing = Standing::Initialize(Fault::LinkDown);
        assert_eq!(
            of(&seen),
            "eth0 is down or has no carrier; ends when the link is up (for 1.500 s)"
        );
        seen.standing = Standing::Initialize(Fault::Drained);
        seen.installed = false;
        let drained = "drained: stays out until told otherwise";
        assert_eq!(of(&seen), format!("{drained} (for 1.500 s)"));
        seen.obstacle = Some(Fault::LinkDown);
        assert_eq!(
            of(&seen),
            format!(
                "{drained}; besides, eth0 is down or has no carrier; ends when the link is up (for 1.500 s)"
            )
        );
    }

    #[test]
    fn the_interface_that_is_in_the_way_is_named() {
        let text = include_str!("../../../tests/seed/nodeB.conf");
        let text = text.replace(
            "priority",
            "track_interface {\n        eth3\n    }\n    priority",
        );
        let plan = Plan::new(&config::parse(&text, "nodeB.conf").configuration);
        let router = &plan.routers[0];
        assert_eq!(plan.concerned(router, None), "eth0");
        let tracked = plan.ports.iter().position(|port| port.name == "eth3");
        let interface = plan.concerned(router, tracked.map(Tracked::Port));
        assert_eq!(
            words::fault(Fault::Tracked, router, interface),
            "eth3, which is tracked, is down or fails; ends when it is well"
        );
        assert_eq!(plan.concerned(router, Some(Tracked::Port(99))), "eth0");
    }
}
