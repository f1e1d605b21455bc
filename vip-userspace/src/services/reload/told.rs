//! What a new configuration does to what runs, in words.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::Candidate;
use crate::config::diff::{self, Change, Difference, Lists, Sides};
use crate::config::{Configuration, Instance, SyncGroup, VirtualAddress};
use crate::engine::published::Standing;
use crate::services::foresight::{Awaited, Foreseen, Known};
use crate::services::orders::What;
use crate::words;
use vip_common::ids::{Version, Vrid};

/// How an instance of the running configuration stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Its state.
    pub standing: Standing,
    /// What is ordered of it.
    pub order: Option<What>,
}

/// What leads from one configuration to the other, a line for each instance that
/// changes; `seen` is how an instance of the old one stands now, `known` how its
/// trackers do. A router is the same one where interface, family and VRID are,
/// whatever its name is.
#[must_use]
pub(in crate::services) fn plan(
    running: &Candidate,
    candidate: &Candidate,
    known: &Known,
    seen: impl Fn(&str) -> Option<Seen>,
) -> Vec<String> {
    let (old, new) = (&running.configuration, &candidate.configuration);
    let after = candidate.runnable.known(known);
    let foresight = candidate.foresight(running, known, &after);
    let foreseen = |one: &Instance| {
        let foresight = foresight.as_ref();
        foresight.map_or_else(Foreseen::default, |foresight| foresight.of(one))
    };
    let mut lines: Vec<String> = diff::diff(old, new)
        .iter()
        .filter(|change| {
            // Those of instances are told by router.
            !matches!(
                change,
                Change::Added { .. } | Change::Removed { .. } | Change::Changed { .. }
            )
        })
        .map(|change| {
            if let Change::SyncGroup { group, sides } = change {
                together(change, group, sides)
            } else {
                format!("{change}, no change of state")
            }
        })
        .collect();
    let before: HashMap<Identity<'_>, &Instance> = identified(old).collect();
    let after: HashMap<Identity<'_>, &Instance> = identified(new).collect();
    let by_name: HashMap<&str, &Instance> = named(new).collect();
    let mut told = HashSet::new();
    for (identity, one) in identified(old) {
        let seen = seen(&one.name);
        if let Some(same) = after.get(&identity) {
            told.insert(&*same.name);
            lines.extend(changed(one, same, seen, &foreseen(same), false));
            continue;
        }
        // By the same name, but another router.
        let other = by_name
            .get(&*one.name)
            .filter(|other| !before.contains_key(&identity_of(other)));
        if let Some(other) = other {
            told.insert(&*other.name);
            lines.extend(changed(one, other, seen, &foreseen(other), true));
        } else if is_active(seen) {
            let name = &one.name;
            lines.push(format!("({name}) goes: hands over, then ends (now MASTER)"));
        } else {
            lines.push(format!("({}) goes: ends{}", one.name, now(seen)));
        }
    }
    for (name, one) in named(new).filter(|(name, _)| !told.contains(name)) {
        let foreseen = foreseen(one);
        lines.push(match &foreseen.fault {
            Some(why) => format!("({name}) is new: FAULT at once, since {why}"),
            None => format!(
                "({name}) is new: starts as BACKUP{}",
                first_waits(&foreseen)
            ),
        });
    }
    if lines.is_empty() && !candidate.runnable.refuses_more(known) {
        lines.push("nothing differs from what runs".into());
    }
    lines.extend_from_slice(&candidate.runnable.said);
    lines
}

/// A sync group that comes, goes or changes.
fn together(change: &Change, name: &str, sides: &Sides<Option<SyncGroup>>) -> String {
    match (&sides.old, &sides.new) {
        (Some(gone), None) => {
            let members = gone.members.join(" ");
            format!("sync group {name} goes: {members} go each for itself from now on")
        }
        (None, Some(come)) => {
            let members = come.members.join(" ");
            format!("sync group {name} is new: {members} go together from now on")
        }
        _ => format!("{change}, its members go together"),
    }
}

fn is_active(seen: Option<Seen>) -> bool {
    seen.is_some_and(|seen| seen.standing == Standing::Active)
}

fn is_out(seen: Option<Seen>) -> bool {
    seen.is_some_and(|seen| matches!(seen.standing, Standing::Initialize(_)))
}

/// What one that begins waits for.
fn first_waits(foreseen: &Foreseen) -> String {
    let names = results(foreseen.awaits.iter().filter(|one| one.bars));
    if names.is_empty() {
        return names;
    }
    format!(" after the first result of {names}")
}

fn results<'a>(awaited: impl Iterator<Item = &'a Awaited>) -> String {
    let names: Vec<&str> = awaited.map(|one| &*one.name).collect();
    names.join(", ")
}

/// What makes a router the same one; instances that cannot run have their names.
type Identity<'a> = (&'a str, bool, Vrid, Option<&'a str>);

fn identity_of(instance: &Instance) -> Identity<'_> {
    (
        &instance.interface,
        instance.is_ipv6(),
        instance.vrid,
        instance.unusable.as_ref().map(|_| &*instance.name),
    )
}

fn identified(configuration: &Configuration) -> impl Iterator<Item = (Identity<'_>, &Instance)> {
    let instances = configuration.instances.iter();
    instances.map(|instance| (identity_of(instance), instance))
}

fn named(configuration: &Configuration) -> impl Iterator<Item = (&str, &Instance)> {
    let instances = configuration.instances.iter();
    instances.map(|instance| (&*instance.name, instance))
}

fn now(seen: Option<Seen>) -> String {
    seen.map_or_else(String::new, |seen| {
        format!(" (now {})", words::state(seen.standing))
    })
}

/// The line of an instance that is in both; none where it is the same in both, and
/// nothing follows for it.
fn changed(
    old: &Instance,
    new: &Instance,
    seen: Option<Seen>,
    foreseen: &Foreseen,
    anew: bool,
) -> Option<String> {
    let differences = diff::differences(old, new);
    let renamed = (old.name != new.name).then(|| format!("was named {}", old.name));
    let told = |difference| told(difference, old, new);
    let mut parts: Vec<String> = renamed
        .into_iter()
        .chain(differences.iter().map(told))
        .collect();
    if parts.is_empty() && *foreseen == Foreseen::default() {
        return None;
    }
    let elects = differences
        .iter()
        .any(|difference| matches!(difference, Difference::Priority(_) | Difference::Preempt(_)));
    let order = seen.and_then(|seen| seen.order);
    parts.push(match (anew, &foreseen.fault, order) {
        (_, _, Some(What::Drained)) => "no change of state: it is drained".into(),
        (true, Some(why), _) => format!("begins anew in FAULT, since {why}{}", now(seen)),
        (true, None, _) if is_active(seen) => format!(
            "hands over, then begins anew as BACKUP{} (now MASTER)",
            first_waits(foreseen)
        ),
        (true, None, _) => format!("begins anew as BACKUP{}{}", first_waits(foreseen), now(seen)),
        (false, Some(why), _) => format!("FAULT at once, since {why}{}", now(seen)),
        (false, None, Some(What::Taken)) if elects || foreseen.priority.is_some() => {
            let name = &new.name;
            format!("no change of state: it is taken, which counts until 'vip untake {name}'")
        }
        (false, None, _) if foreseen.relieved && is_out(seen) => format!(
            "nothing keeps it out any more, BACKUP{}{}",
            first_waits(foreseen),
            now(seen)
        ),
        (false, None, _) => match foreseen.priority {
            Some(priority) => format!(
                "what it tracks makes its priority {priority}, the election decides with it from now on{}",
                now(seen)
            ),
            None if elects => format!("the election decides with it from now on{}", now(seen)),
            None if foreseen.awaits.is_empty() => "no change of state".into(),
            None => {
                let all = foreseen.awaits.iter();
                let names = results(all);
                format!("no change of state before the first result of {names}")
            }
        },
    });
    let follows = parts.pop().unwrap_or_default();
    let what = parts.join("; ");
    let gap = if what.is_empty() { "" } else { ", " };
    Some(format!("({}) {what}{gap}{follows}", new.name))
}

/// A difference as something that happens.
fn told(difference: &Difference, old: &Instance, new: &Instance) -> String {
    if let Difference::Addresses(lists) = difference {
        moved(lists, "", old, new)
    } else if let Difference::Excluded(lists) = difference {
        moved(lists, " (not in adverts)", old, new)
    } else if let Difference::Routes(lists) = difference {
        come_and_go(lists, "route")
    } else if let Difference::Rules(lists) = difference {
        come_and_go(lists, "rule")
    } else if let Difference::TrackInterfaces(lists) = difference {
        come_and_go(lists, "tracked interface")
    } else if let Difference::Trackers(lists) = difference {
        come_and_go(lists, "tracker")
    } else if matches!(difference, Difference::Auth(_) | Difference::Hmac(_)) {
        format!("{difference}; the old one is still accepted, not sent, for 10m")
    } else if matches!(difference, Difference::Vmac(_)) {
        format!("{difference}; its addresses go to {OTHER_MAC}")
    } else if refused_by_others(difference, new) {
        format!("{difference}; other nodes refuse it until theirs is the same")
    } else {
        difference.to_string()
    }
}

/// What a change of the MAC means for those who send to an address.
const OTHER_MAC: &str =
    "another MAC: packets are lost until switches and neighbours have learned it";

/// Whether neighbours that were not reloaded yet do not take our adverts: those of
/// version 2 hold the interval against their own.
fn refused_by_others(difference: &Difference, new: &Instance) -> bool {
    matches!(difference, Difference::Version(_))
        || matches!(difference, Difference::Interval(_)) && new.version == Version::V2
}

/// What comes with the addresses and goes with them.
fn come_and_go<T: fmt::Display>(lists: &Lists<T>, what: &str) -> String {
    let each = |verb: &str, list: &[T]| -> Vec<String> {
        let parts = list.iter().map(|one| format!("{verb} {what} {one}"));
        parts.collect()
    };
    let mut parts = each("adds", &lists.added);
    parts.extend(each("removes", &lists.removed));
    if lists.reordered {
        parts.push(format!("orders each {what} anew"));
    }
    parts.join(", ")
}

fn moved(lists: &Lists, what: &str, old: &Instance, new: &Instance) -> String {
    let find = |list: &[VirtualAddress], one: &VirtualAddress| {
        let mut list = list.iter();
        list.find(|other| (other.address, other.prefix) == (one.address, one.prefix))
            .cloned()
    };
    let list = |verb: &str, list: &[VirtualAddress], others: &[VirtualAddress]| {
        let alone = list.iter().filter(|one| find(others, one).is_none());
        let addresses: Vec<String> = alone.map(placed).collect();
        (!addresses.is_empty()).then(|| format!("{verb} {}{what}", addresses.join(", ")))
    };
    let mut parts = Vec::new();
    parts.extend(list("adds", &lists.added, &lists.removed));
    parts.extend(list("removes", &lists.removed, &lists.added));
    for after in &lists.added {
        let Some(before) = find(&lists.removed, after) else {
            continue;
        };
        let address = words::address(after.address, after.prefix);
        let from = before.device.as_ref().unwrap_or(&old.interface);
        let to = after.device.as_ref().unwrap_or(&new.interface);
        parts.push(if from != to {
            format!("moves {address}{what} from {from} to {to}")
        } else if before.vmac != after.vmac {
            format!("moves {address}{what} to {OTHER_MAC}")
        } else {
            format!("sets {address}{what} anew")
        });
    }
    parts.extend(
        lists
            .reordered
            .then(|| format!("orders the addresses anew{what}")),
    );
    parts.join(", ")
}

/// An address, and where it goes if that is not the instance's interface.
fn placed(one: &VirtualAddress) -> String {
    let device = one.device.as_ref();
    let device = device.map_or_else(String::new, |device| format!(" dev {device}"));
    words::address(one.address, one.prefix) + &device
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SEED, candidate, judged};
    use super::*;
    use crate::config::trackers::Kind;
    use crate::engine::Verdict;
    use crate::services::foresight::Condition;
    use crate::watch::board;
    use vip_common::election::Fault;

    fn planned(new: &str, standing: Standing) -> Vec<String> {
        judged(SEED, new).unwrap();
        let (old, new) = (candidate(SEED), candidate(new));
        let order = None;
        plan(&old, &new, &Known::default(), |_| {
            Some(Seen { standing, order })
        })
    }

    #[test]
    fn an_address_more_is_no_change_of_state() {
        let more = SEED.replace(
            "192.168.8.100/24",
            "192.168.8.100/24\n        192.168.8.101/24",
        );
        assert_eq!(
            planned(&more, Standing::Active),
            ["(VI_1) adds 192.168.8.101/24, no change of state"]
        );
        let other = SEED.replace("192.168.8.100/24", "192.168.8.101/24");
        assert_eq!(
            planned(&other, Standing::Active),
            ["(VI_1) adds 192.168.8.101/24, removes 192.168.8.100/24, no change of state"]
        );
    }

    #[test]
    fn routes_and_what_is_tracked_are_no_change_of_state() {
        let plain = SEED.replace(
            "priority 100",
            "priority 100\n    virtual_routes {\n        10.1.0.0/16 via 192.168.8.7 dev eth0\n    }",
        );
        assert_eq!(
            planned(&plain, Standing::Active),
            ["(VI_1) adds route 10.1.0.0/16 via 192.168.8.7 dev eth0, no change of state"]
        );
        let tracked = SEED.replace(
            "priority 100",
            "priority 100\n    track_interface {\n        eth1 weight -20\n    }",
        );
        assert_eq!(
            planned(&tracked, Standing::Active),
            ["(VI_1) adds tracked interface eth1 weight -20, no change of state"]
        );
    }

    #[test]
    fn what_a_tracker_is_known_to_have_found_follows_at_once() {
        let defined = format!("vrrp_script chk {{\n    script /bin/false\n}}\n{SEED}");
        let with = |line: &str| {
            let list = format!("priority 100\n    track_script {{\n        {line}\n    }}");
            defined.replace("priority 100", &list)
        };
        let name = (Kind::Script, "chk".to_owned());
        let failed = Known::from([(name, board::Seen::new(Verdict::Failed))]);
        let order = None;
        let told = |old: &str, new: &str, known: &Known, standing| {
            let (old, new) = (candidate(old), candidate(new));
            let lines = plan(&old, &new, known, |_| Some(Seen { standing, order }));
            lines.last().cloned().unwrap_or_default()
        };
        let (plain, barred) = (&*defined, &*with("chk"));
        assert_eq!(
            told(plain, barred, &failed, Standing::Active),
            "(VI_1) adds tracker vrrp_script chk, FAULT at once, since script chk failed: it has not succeeded yet; ends when it is well (now MASTER)"
        );
        assert_eq!(
            told(plain, &with("chk weight -20"), &failed, Standing::Active),
            "(VI_1) adds tracker vrrp_script chk weight -20, what it tracks makes its priority 80, the election decides with it from now on (now MASTER)"
        );
        assert_eq!(
            told(plain, barred, &Known::default(), Standing::Active),
            "(VI_1) adds tracker vrrp_script chk, no change of state before the first result of script chk"
        );
        let fault = Standing::Initialize(Fault::Tracked);
        assert_eq!(
            told(barred, plain, &failed, fault),
            "(VI_1) removes tracker vrrp_script chk, nothing keeps it out any more, BACKUP (now FAULT)"
        );
    }

    #[test]
    fn an_address_that_changes_its_interface_says_from_where_to_where() {
        let there = SEED.replace("192.168.8.100/24", "192.168.8.100/24 dev eth1");
        assert_eq!(
            planned(&there, Standing::Active),
            ["(VI_1) moves 192.168.8.100/24 from eth0 to eth1, no change of state"]
        );
        let more = SEED.replace(
            "192.168.8.100/24",
            "192.168.8.100/24\n        192.168.8.101/24 dev eth1",
        );
        assert_eq!(
            planned(&more, Standing::Active),
            ["(VI_1) adds 192.168.8.101/24 dev eth1, no change of state"]
        );
        let label = SEED.replace("192.168.8.100/24", "192.168.8.100/24 label eth0:x");
        assert_eq!(
            planned(&label, Standing::Active),
            ["(VI_1) sets 192.168.8.100/24 anew, no change of state"]
        );
    }

    #[test]
    fn what_tracking_makes_at_once_is_foretold() {
        let tracked = |line: &str| {
            let block = format!("priority 100\n    track_interface {{\n        {line}\n    }}");
            SEED.replace("priority 100", &block)
        };
        let planned = |line: &str| {
            let mut new = candidate(&tracked(line));
            let host = [("eth0", Condition::Running), ("eth1", Condition::NoCarrier)];
            let host = host.map(|(name, how)| (name.to_owned(), how));
            new.host = Some(host.into_iter().collect());
            let standing = Standing::Active;
            let order = None;
            plan(&candidate(SEED), &new, &Known::default(), |_| {
                Some(Seen { standing, order })
            })
        };
        assert_eq!(
            planned("eth1"),
            [
                "(VI_1) adds tracked interface eth1, FAULT at once, since eth1 has no carrier (now MASTER)"
            ]
        );
        assert_eq!(
            planned("eth1 weight -20"),
            [
                "(VI_1) adds tracked interface eth1 weight -20, what it tracks makes its priority 80, the election decides with it from now on (now MASTER)"
            ]
        );
    }

    #[test]
    fn what_is_ordered_goes_on_whatever_the_priority_is() {
        let other = SEED.replace("priority 100", "priority 101");
        let planned = |standing, what| {
            let order = Some(what);
            let seen = Seen { standing, order };
            plan(
                &candidate(SEED),
                &candidate(&other),
                &Known::default(),
                |_| Some(seen),
            )
        };
        assert_eq!(
            planned(Standing::Active, What::Taken),
            [
                "(VI_1) priority: 100 -> 101, no change of state: it is taken, which counts until 'vip untake VI_1'"
            ]
        );
        let drained = Standing::Initialize(vip_common::election::Fault::Drained);
        assert_eq!(
            planned(drained, What::Drained),
            ["(VI_1) priority: 100 -> 101, no change of state: it is drained"]
        );
    }

    #[test]
    fn a_virtual_mac_is_another_one_for_those_who_send() {
        let made = SEED.replace("interface eth0", "interface eth0\n    use_vmac");
        let said = planned(&made, Standing::Active);
        assert!(
            said[0].contains("its addresses go to another MAC: packets are lost until"),
            "{said:?}"
        );
        assert!(said[0].ends_with("no change of state"), "{said:?}");
    }

    #[test]
    fn a_sync_group_comes_changes_and_goes() {
        let two = format!(
            "{SEED}\n{}",
            SEED.replace("VI_1", "VI_2").replace("51", "52")
        );
        let group = |members: &str| {
            format!("vrrp_sync_group G {{\n    group {{\n        {members}\n    }}\n}}\n{two}")
        };
        let said = |old: &str, new: &str| {
            plan(&candidate(old), &candidate(new), &Known::default(), |_| {
                None
            })
        };
        assert_eq!(
            said(&two, &group("VI_1\nVI_2")),
            ["sync group G is new: VI_1 VI_2 go together from now on"]
        );
        assert_eq!(
            said(&group("VI_1\nVI_2"), &two),
            ["sync group G goes: VI_1 VI_2 go each for itself from now on"]
        );
        assert_eq!(
            said(&group("VI_1\nVI_2"), &group("VI_2\nVI_1")),
            ["sync group G: VI_1 VI_2 -> VI_2 VI_1, its members go together"]
        );
    }

    #[test]
    fn what_is_the_same_is_no_change() {
        let same = format!("# another comment\n{SEED}");
        assert_eq!(
            planned(&same, Standing::Active),
            ["nothing differs from what runs"]
        );
    }

    #[test]
    fn a_password_is_changed_and_not_shown() {
        let other = SEED.replace("1111", "secret99");
        let said = planned(&other, Standing::Backup);
        assert_eq!(
            said,
            [
                "(VI_1) authentication: another one; the old one is still accepted, not sent, for 10m, no change of state"
            ]
        );
    }

    #[test]
    fn another_priority_is_the_elections_and_another_vrid_begins_anew() {
        let other = SEED.replace("priority 100", "priority 101");
        assert_eq!(
            planned(&other, Standing::Active),
            ["(VI_1) priority: 100 -> 101, the election decides with it from now on (now MASTER)"]
        );
        let other = other.replace("virtual_router_id 51", "virtual_router_id 52");
        assert_eq!(
            planned(&other, Standing::Active),
            [
                "(VI_1) virtual_router_id: 51 -> 52; priority: 100 -> 101, hands over, then begins anew as BACKUP (now MASTER)"
            ]
        );
    }

    #[test]
    fn what_the_others_do_not_take_yet_is_said() {
        let other = SEED.replace("advert_int 1", "advert_int 2");
        let said = planned(&other, Standing::Active);
        assert!(
            said[0].contains("other nodes refuse it until theirs is the same"),
            "{said:?}"
        );
        let third = SEED.replace("state MASTER", "version 3");
        let faster = third.replace("advert_int 1", "advert_int 0.5");
        let (old, new) = (candidate(&third), candidate(&faster));
        let said = plan(&old, &new, &Known::default(), |_| None);
        assert!(!said[0].contains("refuse"), "{said:?}");
    }

    #[test]
    fn instances_come_and_go() {
        let other = SEED.replace("VI_1", "VI_2").replace("51", "52");
        assert_eq!(
            planned(&other, Standing::Active),
            [
                "(VI_1) goes: hands over, then ends (now MASTER)",
                "(VI_2) is new: starts as BACKUP"
            ]
        );
        assert_eq!(
            planned(&other, Standing::Backup)[0],
            "(VI_1) goes: ends (now BACKUP)"
        );
    }

    #[test]
    fn another_name_is_the_same_router() {
        let other = SEED.replace("VI_1", "WEB");
        assert_eq!(
            planned(&other, Standing::Active),
            ["(WEB) was named VI_1, no change of state"]
        );
    }
}
