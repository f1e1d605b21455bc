//! What others on the LAN say of our VRIDs and addresses, heard with the ear and
//! the judgement that the daemon has.
//!
//! The question for each address is asked in the name of our own address. A probe
//! without sender (RFC 5227) would be taken for a claim by those who defend theirs,
//! a vip among them, and this is only a check.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use vip_common::ids::{Family, MacAddr, Priority};
use vip_common::reject::RejectReason;
use vip_common::wire::announce::Announcement;
use vip_common::wire::vrrp;

use super::Report;
use crate::config::{Instance, Severity};
use crate::dataplane::{Ear, EarEvent, Ears, Left, Wanted};
use crate::engine::Own;
use crate::kernel::hands::{listening, own_addresses};
use crate::kernel::{FrameSender, Link};
use crate::plan::{Plan, RouterPlan};

/// How long is listened if nobody says: a little more than an interval, but at
/// least and at most this long.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(3);

/// Addresses that are asked for on one interface: a question is a broadcast.
const MOST_ASKED: usize = 256;

/// An advert that was accepted.
struct Spoken {
    mac: MacAddr,
    priority: Priority,
    addresses: Vec<IpAddr>,
}

impl Spoken {
    fn names(&self, own: IpAddr) -> bool {
        self.addresses.contains(&own)
    }
}

/// What was heard of one router.
#[derive(Default)]
struct Heard {
    /// By source, the last one.
    accepted: BTreeMap<IpAddr, Spoken>,
    refused: BTreeMap<IpAddr, RejectReason>,
    /// Who says that an address is his.
    claims: BTreeMap<IpAddr, BTreeSet<MacAddr>>,
}

/// An interface that is listened on.
struct Listener<'a> {
    link: &'a Link,
    port: usize,
    ear: Box<dyn Ear>,
    sender: Option<FrameSender>,
    own: Own,
}

/// Listens on the interfaces of the plan, all at once, and says what was heard.
pub(super) fn judge(
    report: &mut Report<'_>,
    plan: &Plan,
    links: &[(usize, &Link)],
    listen: Option<Duration>,
) {
    let span = listen.unwrap_or_else(|| default_span(plan));
    if span.is_zero() || links.is_empty() {
        return;
    }
    let mut listeners = Vec::new();
    let Some(mut ears) = open_ears(plan) else {
        return;
    };
    for (port, link) in links {
        match open(plan, *port, link, &mut ears) {
            Ok(Some(listener)) => listeners.push(listener),
            Ok(None) => {}
            Err(why) => {
                let message = format!("cannot listen on {}: {why}", link.name);
                let help = "whether VRIDs and addresses are free was not looked at";
                report.of_file(Severity::Note, message, help);
            }
        }
    }
    let heard = listen_for(plan, &mut listeners, span);
    for listener in &listeners {
        let routers = &plan.ports[listener.port].routers;
        let addresses = routers
            .iter()
            .flat_map(|slot| plan.routers[*slot].all_addresses());
        let beyond = addresses.count().saturating_sub(MOST_ASKED);
        if beyond > 0 {
            let message = format!(
                "{beyond} of the addresses on {} were not asked for on the LAN",
                listener.link.name
            );
            report.of_file(Severity::Note, message, "each question is a broadcast");
        }
        for slot in &plan.ports[listener.port].routers {
            let (Some(router), Some(instance)) =
                (plan.routers.get(*slot), report.instances().get(*slot))
            else {
                continue;
            };
            if router.unusable.is_none() {
                tell(
                    report,
                    instance,
                    router,
                    listener.link,
                    heard.get(slot),
                    span,
                );
            }
        }
    }
}

fn default_span(plan: &Plan) -> Duration {
    let intervals = plan.routers.iter().map(|one| one.params.adver_interval);
    let longest = intervals.map(|one| one.span()).max().unwrap_or(LEAST);
    (longest + longest / 4).clamp(LEAST, MOST)
}

/// The packet sockets' side of the ears, with a number for each address besides
/// those of the routers: claims are told once a second for each number.
fn open_ears(plan: &Plan) -> Option<Ears> {
    let addresses: usize = plan
        .routers
        .iter()
        .map(|router| router.all_addresses().count())
        .sum();
    let numbers = u32::try_from(plan.routers.len() + addresses).ok()?;
    Ears::load(Wanted::Off, numbers, numbers)
        .ok()
        .map(|(ears, _)| ears)
}

/// Opens the ear of a port; none where the daemon could not listen either, which
/// has been said.
fn open<'a>(
    plan: &Plan,
    port: usize,
    link: &'a Link,
    ears: &mut Ears,
) -> Result<Option<Listener<'a>>, String> {
    let own = own_addresses(plan, port, link);
    let mut wanted = listening(plan, port, link, own, &HashSet::new());
    let speaks = own.v4.is_some() || own.v6.is_some();
    if !speaks || !link.running {
        return Ok(None);
    }
    let routers = u32::try_from(plan.routers.len()).unwrap_or(u32::MAX);
    for ((_, entry), number) in wanted.addresses.iter_mut().zip(routers..) {
        entry.slot = number;
    }
    // What is on this host is not asked for on the LAN.
    wanted.addresses.retain(|(key, _)| {
        let mut held = link.addresses.iter();
        !held.any(|(held, _)| vip_common::layout::octets(*held) == key.address)
    });
    let attached = ears.attach(&wanted).map_err(|error| error.to_string())?;
    Ok(attached.ear.map(|ear| Listener {
        link,
        port,
        ear,
        sender: FrameSender::open(link.index).ok(),
        own,
    }))
}

/// Asks for the addresses, twice, and hears until the time is over.
fn listen_for(
    plan: &Plan,
    listeners: &mut [Listener<'_>],
    span: Duration,
) -> BTreeMap<usize, Heard> {
    let mut heard: BTreeMap<usize, Heard> = BTreeMap::new();
    let began = Instant::now();
    let mut asked = 0;
    loop {
        let passed = began.elapsed();
        // The second question in time for its answer.
        if asked == 0 || (asked == 1 && passed >= span / 2) {
            asked += 1;
            listeners.iter().for_each(|one| ask(plan, one));
        }
        for listener in &mut *listeners {
            drain(plan, listener, &mut heard);
        }
        let left = span.saturating_sub(passed);
        if left.is_zero() || listeners.is_empty() {
            return heard;
        }
        let next = if asked == 1 { left.min(span / 2) } else { left };
        let patience = u16::try_from(next.as_millis() + 1).unwrap_or(u16::MAX);
        let mut ears: Vec<_> = listeners
            .iter()
            .map(|one| PollFd::new(one.ear.as_fd(), PollFlags::POLLIN))
            .collect();
        let _ = poll(&mut ears, PollTimeout::from(patience));
    }
}

fn ask(plan: &Plan, listener: &Listener<'_>) {
    let Some(sender) = &listener.sender else {
        return;
    };
    let routers = &plan.ports[listener.port].routers;
    let addresses = routers
        .iter()
        .flat_map(|slot| plan.routers[*slot].all_addresses());
    for address in addresses.take(MOST_ASKED) {
        let wanted = address.address;
        let own = listener.own.of(Family::of(wanted));
        let question = own.and_then(|own| Announcement::question(listener.link.mac, own, wanted));
        if let Some(question) = question {
            // One that does not get out is not answered.
            let _ = sender.send(question.as_bytes());
        }
    }
}

fn drain(plan: &Plan, listener: &mut Listener<'_>, heard: &mut BTreeMap<usize, Heard>) {
    let routers = &plan.ports[listener.port].routers;
    let number = |slot: u32| usize::try_from(slot).unwrap_or(usize::MAX);
    loop {
        let left = listener.ear.drain(&mut |event| match event {
            EarEvent::Advert { slot, frame, .. } => {
                let slot = number(slot);
                if let Some(router) = plan.routers.get(slot) {
                    note_advert(router, frame, heard.entry(slot).or_default());
                }
            }
            EarEvent::Refused {
                slot,
                source,
                reason,
            } => {
                let heard = heard.entry(number(slot)).or_default();
                heard.refused.insert(source, reason);
            }
            EarEvent::Claim { address, mac, .. } => {
                let holds = |slot: &&usize| {
                    let mut all = plan.routers[**slot].all_addresses();
                    all.any(|one| one.address == address)
                };
                if let Some(slot) = routers.iter().find(holds) {
                    let heard = heard.entry(*slot).or_default();
                    heard.claims.entry(address).or_default().insert(mac);
                }
            }
            // Of what is lent to an ear, and nothing is.
            EarEvent::Silence { .. } => {}
        });
        if left == Left::Nothing {
            return;
        }
    }
}

fn note_advert(router: &RouterPlan, frame: &[u8], heard: &mut Heard) {
    let Some((header, mac, body)) = vrrp::locate(frame) else {
        return;
    };
    let source = header.source;
    match vrrp::decode(header.source, header.destination, body, &router.expect) {
        Ok(advert) => {
            let spoken = Spoken {
                mac,
                priority: advert.priority,
                addresses: advert.addresses.iter().collect(),
            };
            heard.accepted.insert(source, spoken);
        }
        Err(reason) => {
            heard.refused.insert(source, reason);
        }
    }
}

/// Says what was heard of one router.
fn tell(
    report: &mut Report<'_>,
    instance: &Instance,
    router: &RouterPlan,
    link: &Link,
    heard: Option<&Heard>,
    span: Duration,
) {
    let (name, vrid) = (&link.name, router.params.vrid);
    let Some(heard) = heard else {
        let interval = router.params.adver_interval;
        if span < interval.span() {
            let message = format!(
                "nothing was heard of VRID {vrid} on {name} in {} s, but a master speaks every {interval} only",
                span.as_secs_f64()
            );
            let help = format!("--listen {}", interval.span().as_secs() + 1);
            report.of(
                Severity::Note,
                instance,
                "virtual_router_id",
                message,
                &help,
            );
        }
        return;
    };
    for (source, spoken) in &heard.accepted {
        let (severity, message, help) = accepted(router, name, *source, spoken);
        report.of(severity, instance, "virtual_router_id", message, help);
    }
    for (source, reason) in &heard.refused {
        let message = format!(
            "{source} speaks for VRID {vrid} on {name}, and its adverts would be refused: {reason}"
        );
        let help = "if it is a node of this group, make both alike; if not, take another VRID";
        report.of(
            Severity::Error,
            instance,
            "virtual_router_id",
            message,
            help,
        );
    }
    let masters: Vec<MacAddr> = heard.accepted.values().map(|one| one.mac).collect();
    for (address, claimants) in &heard.claims {
        let family = if router.family == Family::V4 { 1 } else { 2 };
        let virtual_mac = MacAddr([0, 0, 0x5e, 0, family, vrid.get()]);
        for mac in claimants {
            // The master has it, as it should; or who is refused above, most likely.
            let refused = masters.is_empty() && !heard.refused.is_empty();
            if masters.contains(mac) || *mac == virtual_mac || refused {
                continue;
            }
            let message = if masters.is_empty() {
                format!(
                    "{address} is in use on {name}: {mac} answers for it, and nobody speaks for VRID {vrid}"
                )
            } else {
                format!(
                    "{address} is in use on {name}: {mac} answers for it, which is not the master"
                )
            };
            let help = "take another address, or free it there first; if it is this group's master, the virtual_router_id is not the same here; if that node has lost its daemon, `vip release` there";
            report.of_address(Severity::Error, instance, *address, message, help);
        }
    }
}

/// What a valid advert of somebody else means.
fn accepted(
    router: &RouterPlan,
    interface: &str,
    source: IpAddr,
    spoken: &Spoken,
) -> (Severity, String, &'static str) {
    let vrid = router.params.vrid;
    let priority = spoken.priority;
    let common = router.listed.iter().any(|own| spoken.names(*own));
    let same = router.listed.len() == spoken.addresses.len()
        && router.listed.iter().all(|own| spoken.names(*own));
    let listed = || match spoken.addresses.as_slice() {
        [] => "no address".to_owned(),
        [one] => one.to_string(),
        [one, rest @ ..] => format!("{one} and {} more", rest.len()),
    };
    if !common {
        let message = format!(
            "VRID {vrid} is in use on {interface}: {source} (priority {priority}) speaks for {} with it",
            listed()
        );
        let help = "two groups with one VRID take the addresses from each other: take another VRID";
        return (Severity::Error, message, help);
    }
    if !same {
        let message = format!(
            "{source} (priority {priority}) speaks for VRID {vrid} on {interface}, with other addresses than here: {}",
            listed()
        );
        let help = "what one node does not know is gone after a takeover; make the lists alike";
        return (Severity::Warning, message, help);
    }
    if priority == router.params.priority {
        let message = format!(
            "{source} speaks for VRID {vrid} on {interface} with the same priority, {priority}"
        );
        let help = "if it is another node, the higher address decides between the two; give them different priorities";
        return (Severity::Warning, message, help);
    }
    let message =
        format!("{source} is master of VRID {vrid} on {interface} now, with priority {priority}");
    (Severity::Note, message, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn router(priority: u8) -> RouterPlan {
        let text = format!(
            "vrrp_instance A {{\ninterface e0\nvirtual_router_id 7\npriority {priority}\nvirtual_ipaddress {{\n192.0.2.1/24\n192.0.2.2/24\n}}\n}}\n"
        );
        Plan::new(&config::parse(&text, "t").configuration)
            .routers
            .remove(0)
    }

    #[test]
    fn what_an_advert_of_somebody_else_means() {
        let judged = |addresses: &[u8], priority| {
            let spoken = Spoken {
                mac: MacAddr::ZERO,
                priority: Priority::from_wire(priority),
                addresses: addresses
                    .iter()
                    .map(|last| IpAddr::from([192, 0, 2, *last]))
                    .collect(),
            };
            accepted(&router(100), "e0", [192, 0, 2, 9].into(), &spoken).0
        };
        assert_eq!(judged(&[2, 1], 90), Severity::Note);
        assert_eq!(judged(&[1, 2], 100), Severity::Warning);
        assert_eq!(judged(&[1], 90), Severity::Warning);
        assert_eq!(judged(&[1, 2, 3], 90), Severity::Warning);
        assert_eq!(judged(&[3], 90), Severity::Error);
        assert_eq!(judged(&[], 90), Severity::Error);
    }

    #[test]
    fn listens_a_little_longer_than_an_interval_within_bounds() {
        let span = |interval: &str| {
            let text = format!(
                "vrrp_instance A {{\nversion 3\ninterface e0\nvirtual_router_id 7\nadvert_int {interval}\nvirtual_ipaddress {{\n192.0.2.1\n}}\n}}\n"
            );
            default_span(&Plan::new(&config::parse(&text, "t").configuration))
        };
        assert_eq!(span("0.1"), LEAST);
        assert_eq!(span("2"), Duration::from_millis(2500));
        assert_eq!(span("10"), MOST);
    }
}
