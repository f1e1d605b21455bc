//! What is different between two configurations.
//!
//! The one comparison: a reload asks it what to change, `vip check` asks it what
//! two nodes of a group disagree about. It compares what the files come to, not
//! how they are written.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use vip_common::election::Garp;
use vip_common::ids::{Priority, Version, Vrid};
use vip_common::time::Centis;
use vip_common::wire::vrrp::Auth;

use super::{Configuration, Instance, VirtualAddress};

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
    Source(Sides<Option<IpAddr>>),
    /// The addresses in its adverts.
    Addresses(Lists),
    /// The addresses that move with them.
    Excluded(Lists),
    /// The schedule of gratuitous ARP.
    Garp(Sides<Garp>),
    /// How many missed adverts make the Active Router dead.
    DownTimerAdverts(Sides<u8>),
    /// Why it cannot run.
    Unusable(Sides<Option<String>>),
}

/// How two lists of addresses differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lists {
    /// What only the second has.
    pub added: Vec<VirtualAddress>,
    /// What only the first has.
    pub removed: Vec<VirtualAddress>,
    /// Whether what both have stands in another order.
    pub reordered: bool,
}

/// What leads from `old` to `new`, in the order of `old`, what is new last.
/// Instances are the same where their names are.
#[must_use]
pub fn diff(old: &Configuration, new: &Configuration) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend(sides(&old.router_id, &new.router_id).map(Change::RouterId));
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
        sides(&old.auth, &new.auth).map(Difference::Auth),
        sides(&old.group, &new.group).map(Difference::Group),
        sides(&old.source, &new.source).map(Difference::Source),
        lists(&old.addresses, &new.addresses).map(Difference::Addresses),
        lists(&old.excluded, &new.excluded).map(Difference::Excluded),
        sides(&old.garp, &new.garp).map(Difference::Garp),
        sides(&old.down_timer_adverts, &new.down_timer_adverts).map(Difference::DownTimerAdverts),
        sides(&old.unusable, &new.unusable).map(Difference::Unusable),
    ];
    found.into_iter().flatten().collect()
}

fn sides<T: Clone + PartialEq>(old: &T, new: &T) -> Option<Sides<T>> {
    (old != new).then(|| Sides {
        old: old.clone(),
        new: new.clone(),
    })
}

fn lists(old: &[VirtualAddress], new: &[VirtualAddress]) -> Option<Lists> {
    if old == new {
        return None;
    }
    let (before, after) = (by_address(old), by_address(new));
    let part = |these: &[VirtualAddress], those: &ByAddress<'_>, common: bool| {
        let these = these.iter().filter(|one| {
            let same = those.get(&one.address);
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

/// A list may be long, and is looked through for each of another one.
type ByAddress<'a> = HashMap<IpAddr, Vec<&'a VirtualAddress>>;

fn by_address(list: &[VirtualAddress]) -> ByAddress<'_> {
    let mut map = ByAddress::new();
    for one in list {
        map.entry(one.address).or_default().push(one);
    }
    map
}

impl Difference {
    /// The word of the configuration that decides it.
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Interface(_) => "interface",
            Self::Vrid(_) => "virtual_router_id",
            Self::Version(_) => "version",
            Self::Priority(_) => "priority",
            Self::Interval(_) => "advert_int",
            Self::Preempt(_) => "nopreempt",
            Self::Auth(_) => "authentication",
            Self::Group(_) => "mcast_dst_ip",
            Self::Source(_) => "mcast_src_ip",
            Self::Addresses(_) => "virtual_ipaddress",
            Self::Excluded(_) => "virtual_ipaddress_excluded",
            Self::Garp(_) => "garp_master_*",
            Self::DownTimerAdverts(_) => "down_timer_adverts",
            Self::Unusable(_) => "usable",
        }
    }

    /// The two values, old and new, as a person reads them; none for lists.
    #[must_use]
    pub fn values(&self) -> Option<(String, String)> {
        match self {
            Self::Interface(sides) => Some(sides.each(Clone::clone)),
            Self::Vrid(sides) => Some(sides.each(ToString::to_string)),
            Self::Version(sides) => Some(sides.each(|version| version.get().to_string())),
            Self::Priority(sides) => Some(sides.each(ToString::to_string)),
            Self::Interval(sides) => Some(sides.each(ToString::to_string)),
            Self::Preempt(sides) => Some(sides.each(|preempt| switch(!preempt))),
            Self::Auth(sides) => Some(sides.each(|auth| match auth {
                Auth::None => "none".to_owned(),
                Auth::Password(_) => "a password".to_owned(),
            })),
            Self::Group(sides) => Some(sides.each(ToString::to_string)),
            Self::Source(sides) => Some(sides.each(|source| optional(source.as_ref()))),
            Self::Addresses(_) | Self::Excluded(_) => None,
            Self::Garp(sides) => Some(sides.each(garp)),
            Self::DownTimerAdverts(sides) => Some(sides.each(ToString::to_string)),
            Self::Unusable(sides) => Some(sides.each(|why| match why {
                Some(why) => format!("no: {why}"),
                None => "yes".to_owned(),
            })),
        }
    }
}

impl<T> Sides<T> {
    fn each(&self, show: impl Fn(&T) -> String) -> (String, String) {
        (show(&self.old), show(&self.new))
    }
}

fn switch(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

fn optional(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn garp(garp: &Garp) -> String {
    let Garp {
        repeat,
        delay,
        refresh,
        refresh_repeat,
        lower_prio_repeat: _,
        lower_prio_delay: _,
    } = garp;
    let refresh = refresh.map_or(0.0, |period| period.as_secs_f64());
    format!(
        "repeat {repeat}, delay {} s, refresh {refresh} s, refresh_repeat {refresh_repeat}",
        delay.as_secs_f64()
    )
}

impl fmt::Display for Lists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            added,
            removed,
            reordered,
        } = self;
        let mut first = true;
        for (sign, list) in [('-', removed), ('+', added)] {
            for one in list {
                let gap = if first { "" } else { " " };
                write!(f, "{gap}{sign}{}/{}", one.address, one.prefix)?;
                first = false;
            }
        }
        match (reordered, first) {
            (true, true) => f.write_str("another order"),
            (true, false) => f.write_str(", another order"),
            (false, _) => Ok(()),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keyword = self.keyword();
        if let Self::Addresses(lists) | Self::Excluded(lists) = self {
            return write!(f, "{keyword}: {lists}");
        }
        match self.values() {
            Some((old, new)) if old == new => write!(f, "{keyword}: another one"),
            Some((old, new)) => write!(f, "{keyword}: {old} -> {new}"),
            None => f.write_str(keyword),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RouterId(sides) => {
                let (old, new) = sides.each(|id| optional(id.as_ref()));
                write!(f, "router_id: {old} -> {new}")
            }
            Self::Added { instance } => write!(f, "({instance}) added"),
            Self::Removed { instance } => write!(f, "({instance}) removed"),
            Self::Changed {
                instance,
                difference,
            } => write!(f, "({instance}) {difference}"),
        }
    }
}
