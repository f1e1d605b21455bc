//! Differences in words.

use std::fmt;
use std::time::Duration;

use vip_common::election::Garp;
use vip_common::wire::vrrp::{Auth, ChecksumDialect};

use super::super::estate::{
    AntiReplay, ExtraGarp, GarpGroup, Hmac, HmacMode, OldChecksum, Unicast, Vmac,
};
use super::super::reaction::{Notify, Telling};
use super::super::trackers::Tracked;
use super::super::{Route, Rule, SyncGroup, TrackedInterface, VirtualAddress};
use super::{Change, Difference, Lists, Sides};

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
            Self::Addresses(_) => "virtual_ipaddress",
            Self::Excluded(_) => "virtual_ipaddress_excluded",
            Self::Garp(_) => "garp_master_*",
            Self::DownTimerAdverts(_) => "down_timer_adverts",
            Self::PreemptDelay(_) => "preempt_delay",
            Self::Source(keyword, _) | Self::Switch(keyword, _) => keyword,
            Self::Hmac(_) => "auth_hmac",
            Self::Unicast(_) => "unicast_peer",
            Self::Dialect(_) => "v3_checksum_as_v2",
            Self::Routes(_) => "virtual_routes",
            Self::Rules(_) => "virtual_rules",
            Self::Vmac(_) => "use_vmac",
            Self::TrackInterfaces(_) => "track_interface",
            Self::Trackers(_) => "trackers",
            Self::Notify(_) => "notify",
            Self::GarpExtraIf(_) => "garp_extra_if",
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
            Self::Source(_, sides) => Some(sides.each(|source| optional(source.as_ref()))),
            Self::Addresses(_)
            | Self::Excluded(_)
            | Self::Routes(_)
            | Self::Rules(_)
            | Self::TrackInterfaces(_)
            | Self::Trackers(_) => None,
            Self::Notify(sides) => Some(sides.each(reactions)),
            Self::PreemptDelay(sides) => Some(sides.each(|delay| seconds(*delay))),
            Self::Switch(_, sides) => Some(sides.each(|on| switch(*on))),
            Self::Hmac(sides) => Some(sides.each(|hmac| hmac.as_ref().map_or_else(none, signed))),
            Self::Unicast(sides) => Some(sides.each(|one| one.as_ref().map_or_else(none, peers))),
            Self::Dialect(sides) => Some(sides.each(|dialect| dialect_of(*dialect).to_owned())),
            Self::Vmac(sides) => Some(sides.each(|vmac| vmac.as_ref().map_or_else(none, vmac_of))),
            Self::GarpExtraIf(sides) => Some(sides.each(|extra| extra.map_or_else(none, every))),
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

fn none() -> String {
    "none".to_owned()
}

fn optional(value: Option<&impl ToString>) -> String {
    value.map_or_else(none, ToString::to_string)
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

fn signed(hmac: &Hmac) -> String {
    let Hmac {
        keys,
        active,
        anti_replay,
        mode,
    } = hmac;
    let ids: Vec<String> = keys.iter().map(|key| key.id.to_string()).collect();
    let mode = match mode {
        HmacMode::ReceiveOnly => "receive-only",
        HmacMode::Permissive => "permissive",
        HmacMode::Enforce => "enforce",
    };
    let replay = match anti_replay {
        AntiReplay::Time(window) => format!("time within {window} s"),
        AntiReplay::Monotonic => "monotonic".to_owned(),
    };
    format!("keys {}, active {active}, {mode}, {replay}", ids.join(" "))
}

fn peers(unicast: &Unicast) -> String {
    let Unicast {
        peers,
        ttl,
        check_source,
        old_checksum,
    } = unicast;
    let peers: Vec<String> = peers
        .iter()
        .map(|peer| match (peer.min_ttl, peer.max_ttl) {
            (0, u8::MAX) => peer.address.to_string(),
            (min, max) => format!("{} (TTL {min} to {max})", peer.address),
        })
        .collect();
    let checked = if *check_source { ", checked" } else { "" };
    let old = match old_checksum {
        OldChecksum::Auto => "",
        OldChecksum::Always => ", old checksums",
        OldChecksum::Never => ", no old checksums",
    };
    format!("{}, TTL {ttl}{checked}{old}", peers.join(" "))
}

fn dialect_of(dialect: ChecksumDialect) -> &'static str {
    match dialect {
        ChecksumDialect::PseudoHeader => "off",
        ChecksumDialect::MessageOnly => "on",
        ChecksumDialect::OldUnicast => "as up to 1.3.6",
    }
}

fn vmac_of(vmac: &Vmac) -> String {
    let Vmac {
        name,
        mac,
        transmit_from_base,
        group,
    } = vmac;
    let base = if *transmit_from_base {
        ", adverts from the interface below"
    } else {
        ""
    };
    let group = group.map_or_else(String::new, |group| format!(", group {group}"));
    format!("{name} {mac}{base}{group}")
}

fn every(extra: ExtraGarp) -> String {
    let all = if extra.all { "all " } else { "" };
    format!("{all}{}", seconds(extra.every))
}

fn garp(garp: &Garp) -> String {
    let Garp {
        repeat,
        delay,
        refresh,
        refresh_repeat,
        lower_prio_repeat,
        lower_prio_delay,
    } = garp;
    let refresh = refresh.map_or(0.0, |period| period.as_secs_f64());
    format!(
        "repeat {repeat}, delay {} s, refresh {refresh} s, refresh_repeat {refresh_repeat}, lower_prio_repeat {lower_prio_repeat}, lower_prio_delay {} s",
        delay.as_secs_f64(),
        lower_prio_delay.as_secs_f64()
    )
}

/// What is run at a change.
fn reactions(notify: &Notify) -> String {
    let Notify {
        master,
        backup,
        fault,
        stop,
        deleted,
        any,
        master_rx_lower_pri,
        priority_changes,
    } = notify;
    let scripts = [
        ("notify_master", master.as_ref()),
        ("notify_backup", backup.as_ref()),
        ("notify_fault", fault.as_ref()),
        ("notify_stop", stop.as_ref()),
        ("notify_deleted", deleted.as_ref().and_then(Option::as_ref)),
        ("notify", any.as_ref()),
        ("notify_master_rx_lower_pri", master_rx_lower_pri.as_ref()),
    ];
    let scripts = scripts.into_iter();
    let mut parts: Vec<String> = scripts
        .filter_map(|(word, command)| Some(format!("{word} {}", command?)))
        .collect();
    if *deleted == Some(None) {
        parts.push("notify_deleted".into());
    }
    if *priority_changes {
        parts.push("notify_priority_changes".into());
    }
    if parts.is_empty() {
        none()
    } else {
        parts.join(", ")
    }
}

fn pipes(telling: &Telling) -> String {
    let Telling {
        fifos,
        states_on_reload,
    } = telling;
    let mut parts: Vec<String> = fifos
        .iter()
        .map(|fifo| {
            let reader = fifo.script.as_ref();
            let reader = reader.map_or_else(String::new, |script| format!(" read by {script}"));
            format!("{}{reader}", fifo.path)
        })
        .collect();
    if *states_on_reload {
        parts.push("states after a reload".into());
    }
    if parts.is_empty() {
        none()
    } else {
        parts.join(", ")
    }
}

fn group(group: &SyncGroup) -> String {
    let SyncGroup {
        name: _,
        members,
        weights,
        track_interfaces,
        trackers,
        notify,
    } = group;
    let mut text = members.join(" ");
    for tracked in track_interfaces {
        text.push_str(&format!(", tracks {tracked}"));
    }
    for tracked in trackers {
        text.push_str(&format!(", tracks {tracked}"));
    }
    if *notify != Notify::default() {
        text.push_str(&format!(", {}", reactions(notify)));
    }
    if *weights {
        text.push_str(", with weights");
    }
    text
}

fn spaced(groups: &[GarpGroup]) -> String {
    let groups: Vec<String> = groups
        .iter()
        .map(|group| {
            format!(
                "{} every {} and {}",
                group.interfaces.join(" "),
                seconds(group.garp_interval),
                seconds(group.gna_interval)
            )
        })
        .collect();
    if groups.is_empty() {
        none()
    } else {
        groups.join(", ")
    }
}

/// An entry of a list, in few words.
trait Entry {
    fn brief(&self) -> String;
}

impl Entry for VirtualAddress {
    fn brief(&self) -> String {
        format!("{}/{}", self.address, self.prefix)
    }
}

impl Entry for Route {
    fn brief(&self) -> String {
        self.to_string()
    }
}

impl Entry for Rule {
    fn brief(&self) -> String {
        self.to_string()
    }
}

impl Entry for TrackedInterface {
    fn brief(&self) -> String {
        self.to_string()
    }
}

impl Entry for Tracked {
    fn brief(&self) -> String {
        self.to_string()
    }
}

impl<T: Entry> fmt::Display for Lists<T> {
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
                write!(f, "{gap}{sign}{}", one.brief())?;
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
        let list: Option<&dyn fmt::Display> = match self {
            Self::Addresses(lists) | Self::Excluded(lists) => Some(lists),
            Self::Routes(lists) => Some(lists),
            Self::Rules(lists) => Some(lists),
            Self::TrackInterfaces(lists) => Some(lists),
            Self::Trackers(lists) => Some(lists),
            Self::Interface(_)
            | Self::Vrid(_)
            | Self::Version(_)
            | Self::Priority(_)
            | Self::Interval(_)
            | Self::Preempt(_)
            | Self::PreemptDelay(_)
            | Self::Auth(_)
            | Self::Hmac(_)
            | Self::Group(_)
            | Self::Unicast(_)
            | Self::Source(..)
            | Self::Dialect(_)
            | Self::Vmac(_)
            | Self::Notify(_)
            | Self::Garp(_)
            | Self::GarpExtraIf(_)
            | Self::DownTimerAdverts(_)
            | Self::Switch(..)
            | Self::Unusable(_) => None,
        };
        if let Some(list) = list {
            return write!(f, "{keyword}: {list}");
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
            Self::Time(keyword, sides) => {
                let (old, new) = sides.each(|time| seconds(*time));
                write!(f, "{keyword}: {old} -> {new}")
            }
            Self::GarpGroups(sides) => {
                let (old, new) = sides.each(|groups| spaced(groups));
                write!(f, "garp_group: {old} -> {new}")
            }
            Self::StaticAddresses(lists) => write!(f, "static_ipaddress: {lists}"),
            Self::StaticRoutes(lists) => write!(f, "static_routes: {lists}"),
            Self::StaticRules(lists) => write!(f, "static_rules: {lists}"),
            Self::Tracker { kind, name, sides } => {
                let what = match (&sides.old, &sides.new) {
                    (None, _) => "added",
                    (_, None) => "removed",
                    (Some(_), Some(_)) => "another one",
                };
                write!(f, "{} {name}: {what}", kind.keyword())
            }
            Self::Scripts(_) => f.write_str("script_user, enable_script_security: others"),
            Self::Telling(sides) => {
                let (old, new) = sides.each(pipes);
                write!(f, "notify_fifo: {old} -> {new}")
            }
            Self::SyncGroup { group: name, sides } => {
                let (old, new) = sides.each(|one| one.as_ref().map_or_else(none, group));
                write!(f, "sync group {name}: {old} -> {new}")
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
