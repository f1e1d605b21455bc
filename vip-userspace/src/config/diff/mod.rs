//! What is different between two configurations.
//!
//! The one comparison: a reload asks it what to change, `vip check` asks it what
//! two nodes of a group disagree about. It compares what the files come to, not
//! how they are written.

mod show;

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use vip_common::election::Garp;
use vip_common::ids::{Priority, Version, Vrid};
use vip_common::time::Centis;
use vip_common::wire::vrrp::{Auth, ChecksumDialect};

use super::estate::{ExtraGarp, GarpGroup, Hmac, Unicast, Vmac};
use super::reaction::{Notify, ScriptRules, Telling};
use super::trackers::{Kind, Tracked, Tracker};
use super::{Configuration, Instance, Route, Rule, SyncGroup, TrackedInterface, VirtualAddress};

/// One value in two configurations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sides<T> {
    /// In the first.
    pub old: T,
    /// In the second.
    pub new: T,
}

/// One difference between two configurations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// `router_id` differs.
    RouterId(Sides<Option<String>>),
    /// A time of `global_defs` differs; zero is none. This is its keyword.
    Time(&'static str, Sides<Duration>),
    /// The groups differ whose gratuitous ARP is spaced out together.
    GarpGroups(Sides<Vec<GarpGroup>>),
    /// The addresses that are always there differ.
    StaticAddresses(Lists),
    /// The routes do.
    StaticRoutes(Lists<Route>),
    /// The rules do.
    StaticRules(Lists<Rule>),
    /// What is watched differs, or only one of both watches it.
    Tracker {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// What it is in each.
        sides: Box<Sides<Option<Tracker>>>,
    },
    /// How scripts are run.
    Scripts(Box<Sides<ScriptRules>>),
    /// The pipes that take every change of state.
    Telling(Box<Sides<Telling>>),
    /// A sync group differs, or only one of both has it.
    SyncGroup {
        /// Its name.
        group: String,
        /// What it is in each.
        sides: Box<Sides<Option<SyncGroup>>>,
    },
    /// An instance that only the second has.
    Added {
        /// Its name.
        instance: String,
    },
    /// An instance that only the first has.
    Removed {
        /// Its name.
        instance: String,
    },
    /// An instance that both have.
    Changed {
        /// Its name.
        instance: String,
        /// What differs.
        difference: Difference,
    },
}

/// What differs between two instances.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// The interface.
    Interface(Sides<String>),
    /// The virtual router identifier.
    Vrid(Sides<Vrid>),
    /// The protocol version.
    Version(Sides<Version>),
    /// The priority.
    Priority(Sides<Priority>),
    /// The interval between adverts.
    Interval(Sides<Centis>),
    /// Whether it takes over from a lower priority.
    Preempt(Sides<bool>),
    /// The password, or whether there is one. It is never shown.
    Auth(Sides<Auth>),
    /// The group it speaks to.
    Group(Sides<IpAddr>),
    /// The source of its adverts.
    Source(&'static str, Sides<Option<IpAddr>>),
    /// The addresses in its adverts.
    Addresses(Lists),
    /// The addresses that move with them.
    Excluded(Lists),
    /// The schedule of gratuitous ARP.
    Garp(Sides<Garp>),
    /// How many missed adverts make the Active Router dead.
    DownTimerAdverts(Sides<u8>),
    /// How long it waits before it takes over from a lower priority.
    PreemptDelay(Sides<Duration>),
    /// Something that is on or off; this is its keyword.
    Switch(&'static str, Sides<bool>),
    /// Signed adverts. Keys are never shown.
    Hmac(Box<Sides<Option<Hmac>>>),
    /// The peers that it speaks to one by one.
    Unicast(Box<Sides<Option<Unicast>>>),
    /// Which bytes its checksums cover.
    Dialect(Sides<ChecksumDialect>),
    /// Routes that come and go with the addresses.
    Routes(Lists<Route>),
    /// Rules that do.
    Rules(Lists<Rule>),
    /// The interface with a virtual MAC.
    Vmac(Box<Sides<Option<Vmac>>>),
    /// The interfaces that must be up.
    TrackInterfaces(Lists<TrackedInterface>),
    /// What else it goes by.
    Trackers(Lists<Tracked>),
    /// What it runs when it changes.
    Notify(Box<Sides<Notify>>),
    /// Gratuitous ARP on interfaces without adverts.
    GarpExtraIf(Sides<Option<ExtraGarp>>),
    /// Why it cannot run.
    Unusable(Sides<Option<String>>),
}

/// How two lists differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lists<T = VirtualAddress> {
    /// What only the second has.
    pub added: Vec<T>,
    /// What only the first has.
    pub removed: Vec<T>,
    /// Whether what both have stands in another order.
    pub reordered: bool,
}

/// What leads from `old` to `new`, in the order of `old`, what is new last.
/// Instances are the same where their names are.
#[must_use]
pub fn diff(old: &Configuration, new: &Configuration) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend(sides(&old.router_id, &new.router_id).map(Change::RouterId));
    for (keyword, before, after) in [
        ("vrrp_startup_delay", old.startup_delay, new.startup_delay),
        (
            "vrrp_delay_after_boot",
            old.delay_after_boot,
            new.delay_after_boot,
        ),
        ("vrrp_garp_interval", old.garp_interval, new.garp_interval),
        ("vrrp_gna_interval", old.gna_interval, new.gna_interval),
    ] {
        let found = sides(&before, &after);
        changes.extend(found.map(|sides| Change::Time(keyword, sides)));
    }
    changes.extend(sides(&old.garp_groups, &new.garp_groups).map(Change::GarpGroups));
    let addresses = addresses(&old.static_addresses, &new.static_addresses);
    changes.extend(addresses.map(Change::StaticAddresses));
    changes.extend(routes(&old.static_routes, &new.static_routes).map(Change::StaticRoutes));
    changes.extend(rules(&old.static_rules, &new.static_rules).map(Change::StaticRules));
    changes.extend(trackers(old, new));
    let scripts = sides(&old.scripts, &new.scripts).map(Box::new);
    changes.extend(scripts.map(Change::Scripts));
    let telling = sides(&old.telling, &new.telling).map(Box::new);
    changes.extend(telling.map(Change::Telling));
    changes.extend(groups(old, new));
    let by_name: HashMap<&str, &Instance> = named(new).collect();
    for (name, before) in named(old) {
        let Some(after) = by_name.get(name) else {
            changes.push(Change::Removed {
                instance: name.to_owned(),
            });
            continue;
        };
        let found = differences(before, after);
        changes.extend(found.into_iter().map(|difference| Change::Changed {
            instance: name.to_owned(),
            difference,
        }));
    }
    let known: HashMap<&str, &Instance> = named(old).collect();
    changes.extend(
        named(new)
            .filter(|(name, _)| !known.contains_key(name))
            .map(|(name, _)| Change::Added {
                instance: name.to_owned(),
            }),
    );
    changes
}

fn named(configuration: &Configuration) -> impl Iterator<Item = (&str, &Instance)> {
    let instances = configuration.instances.iter();
    instances.map(|instance| (instance.name.as_str(), instance))
}

/// What differs between the trackers, by kind and name.
fn trackers(old: &Configuration, new: &Configuration) -> Vec<Change> {
    let key = |one: &Tracker| (one.watch.kind(), one.name.clone());
    let by_key = |configuration: &Configuration| -> HashMap<_, Tracker> {
        let all = configuration.trackers.iter();
        all.map(|one| (key(one), one.clone())).collect()
    };
    let (before, after) = (by_key(old), by_key(new));
    let come = new.trackers.iter().map(key);
    let come = come.filter(|key| !before.contains_key(key));
    let all = old.trackers.iter().map(key).chain(come);
    all.filter_map(|key| {
        let sides = sides(&before.get(&key).cloned(), &after.get(&key).cloned())?;
        let (kind, name) = key;
        Some(Change::Tracker {
            kind,
            name,
            sides: Box::new(sides),
        })
    })
    .collect()
}

/// What differs between the sync groups, by name.
fn groups(old: &Configuration, new: &Configuration) -> Vec<Change> {
    let find = |groups: &[SyncGroup], name: &str| {
        let found = groups.iter().find(|group| group.name == name);
        found.cloned()
    };
    let gone_or_changed = old.sync_groups.iter().map(|group| &group.name);
    let come = new.sync_groups.iter().map(|group| &group.name);
    let come = come.filter(|name| find(&old.sync_groups, name).is_none());
    gone_or_changed
        .chain(come)
        .filter_map(|name| {
            let sides = sides(&find(&old.sync_groups, name), &find(&new.sync_groups, name))?;
            Some(Change::SyncGroup {
                group: name.clone(),
                sides: Box::new(sides),
            })
        })
        .collect()
}

/// What differs between two instances, their names and places apart.
#[must_use]
pub fn differences(old: &Instance, new: &Instance) -> Vec<Difference> {
    let found = [
        sides(&old.interface, &new.interface).map(Difference::Interface),
        sides(&old.vrid, &new.vrid).map(Difference::Vrid),
        sides(&old.version, &new.version).map(Difference::Version),
        sides(&old.priority, &new.priority).map(Difference::Priority),
        sides(&old.interval, &new.interval).map(Difference::Interval),
        sides(&old.preempt, &new.preempt).map(Difference::Preempt),
        sides(&old.preempt_delay, &new.preempt_delay).map(Difference::PreemptDelay),
        sides(&old.auth, &new.auth).map(Difference::Auth),
        sides(&old.hmac, &new.hmac)
            .map(Box::new)
            .map(Difference::Hmac),
        sides(&old.group, &new.group).map(Difference::Group),
        sides(&old.unicast, &new.unicast)
            .map(Box::new)
            .map(Difference::Unicast),
        sides(&old.source, &new.source).map(|sides| Difference::Source(source_word(new), sides)),
        sides(&old.dialect, &new.dialect).map(Difference::Dialect),
        addresses(&old.addresses, &new.addresses).map(Difference::Addresses),
        addresses(&old.excluded, &new.excluded).map(Difference::Excluded),
        routes(&old.routes, &new.routes).map(Difference::Routes),
        rules(&old.rules, &new.rules).map(Difference::Rules),
        sides(&old.vmac, &new.vmac)
            .map(Box::new)
            .map(Difference::Vmac),
        tracked(&old.track_interfaces, &new.track_interfaces).map(Difference::TrackInterfaces),
        lists(&old.trackers, &new.trackers, |one| {
            (one.kind, one.name.clone())
        })
        .map(Difference::Trackers),
        sides(&old.notify, &new.notify)
            .map(Box::new)
            .map(Difference::Notify),
        sides(&old.garp, &new.garp).map(Difference::Garp),
        sides(&old.garp_extra_if, &new.garp_extra_if).map(Difference::GarpExtraIf),
        sides(&old.down_timer_adverts, &new.down_timer_adverts).map(Difference::DownTimerAdverts),
        sides(&old.unusable, &new.unusable).map(Difference::Unusable),
    ];
    let switches = |one: &Instance| {
        [
            ("lower_prio_no_advert", one.lower_prio_no_advert),
            ("higher_prio_send_advert", one.higher_prio_send_advert),
            ("owner_ignore_adverts", one.owner_ignore_adverts),
            ("track_src_ip", one.track_source),
            ("accept", one.accept),
            ("promote_secondaries", one.promote_secondaries),
            ("dont_track_primary", one.dont_track_primary),
        ]
    };
    let switched = switches(old).into_iter().zip(switches(new));
    let switched = switched.filter_map(|((keyword, old), (_, new))| {
        let sides = sides(&old, &new)?;
        Some(Difference::Switch(keyword, sides))
    });
    found.into_iter().flatten().chain(switched).collect()
}

fn sides<T: Clone + PartialEq>(old: &T, new: &T) -> Option<Sides<T>> {
    (old != new).then(|| Sides {
        old: old.clone(),
        new: new.clone(),
    })
}

fn addresses(old: &[VirtualAddress], new: &[VirtualAddress]) -> Option<Lists> {
    lists(old, new, |one| one.address)
}

fn routes(old: &[Route], new: &[Route]) -> Option<Lists<Route>> {
    lists(old, new, |one| one.destination.address)
}

fn rules(old: &[Rule], new: &[Rule]) -> Option<Lists<Rule>> {
    lists(old, new, |one| one.preference)
}

fn tracked(old: &[TrackedInterface], new: &[TrackedInterface]) -> Option<Lists<TrackedInterface>> {
    lists(old, new, |one| one.interface.clone())
}

/// Lists may be long, and each is looked through for each entry of the other one:
/// by `key`, which equal entries share.
fn lists<T: Clone + PartialEq, K: Hash + Eq>(
    old: &[T],
    new: &[T],
    key: impl Fn(&T) -> K,
) -> Option<Lists<T>> {
    if old == new {
        return None;
    }
    let by_key = |list| {
        let mut map: HashMap<K, Vec<&T>> = HashMap::new();
        for one in list {
            map.entry(key(one)).or_default().push(one);
        }
        map
    };
    let (before, after) = (by_key(old), by_key(new));
    let part = |these: &[T], those: &HashMap<K, Vec<&T>>, common: bool| {
        let these = these.iter().filter(|one| {
            let same = those.get(&key(one));
            same.is_some_and(|same| same.contains(one)) == common
        });
        these.cloned().collect::<Vec<_>>()
    };
    Some(Lists {
        added: part(new, &before, false),
        removed: part(old, &after, false),
        reordered: part(old, &after, true) != part(new, &before, true),
    })
}

/// The word that says where the adverts of an instance come from.
const fn source_word(instance: &Instance) -> &'static str {
    if instance.unicast.is_some() {
        "unicast_src_ip"
    } else {
        "mcast_src_ip"
    }
}

#[cfg(test)]
mod source_tests {
    use super::*;

    #[test]
    fn the_word_for_the_source_is_the_one_in_use() {
        let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nWORD 192.0.2.7\n\
            BLOCK\nvirtual_ipaddress {\n192.0.2.1/24\n}\n}\n";
        for (word, block) in [
            ("mcast_src_ip", ""),
            ("unicast_src_ip", "unicast_peer {\n192.0.2.9\n}"),
        ] {
            let text = text.replace("WORD", word).replace("BLOCK", block);
            let of = |text: &str| crate::config::parse(text, "test").configuration;
            let (old, new) = (of(&text), of(&text.replace("2.7", "2.8")));
            let said: Vec<String> = differences(&old.instances[0], &new.instances[0])
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(said, [format!("{word}: 192.0.2.7 -> 192.0.2.8")]);
        }
    }
}
