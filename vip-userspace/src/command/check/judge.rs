//! What a difference between two nodes means to their group.

use std::collections::HashSet;
use std::hash::Hash;
use std::mem::discriminant;
use std::net::IpAddr;

use vip_common::ids::Version;

use crate::config::diff::{Difference, Lists};
use crate::config::estate::{Hmac, HmacMode, Key};
use crate::config::{Instance, Route, Severity, VirtualAddress, Vmac};

/// What to say of a difference.
pub(super) struct Judged {
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) help: String,
    /// The addresses that it is about, on the later and on the earlier node.
    pub(super) addresses: (Option<IpAddr>, Option<IpAddr>),
}

impl Judged {
    pub(super) fn new(severity: Severity, message: String, help: &str) -> Self {
        Self {
            severity,
            message,
            help: help.to_owned(),
            addresses: (None, None),
        }
    }
}

/// What a difference means to the group; `None` where nodes may well differ.
pub(super) fn judge(difference: &Difference, first: &Instance, other: &Instance) -> Option<Judged> {
    let name = &other.name;
    let keyword = difference.keyword();
    let differs = difference.values().map(|(there, here)| {
        format!("`{name}`: {keyword} is {here} here and {there} on the other node")
    });
    let judged =
        |severity, message: Option<String>, help: &str| Some(Judged::new(severity, message?, help));
    let deaf = "the nodes refuse each other's adverts, and both become master";
    match difference {
        Difference::Vrid(_) => judged(
            Severity::Error,
            differs,
            "the nodes do not know each other, and both become master; give both the same VRID",
        ),
        Difference::Version(_) => judged(Severity::Error, differs, deaf),
        Difference::Interval(_) if other.version == Version::V2 => {
            judged(Severity::Error, differs, deaf)
        }
        Difference::Interval(_) => judged(
            Severity::Warning,
            differs,
            "with version 3 a backup follows the master's, so takeovers take as long as the master says",
        ),
        Difference::Auth(sides) => {
            let message = if discriminant(&sides.old) == discriminant(&sides.new) {
                Some(format!(
                    "`{name}`: the password is another one on the other node"
                ))
            } else {
                differs
            };
            judged(Severity::Error, message, deaf)
        }
        Difference::Group(_) => judged(
            Severity::Error,
            differs,
            "the nodes do not hear each other, and both become master",
        ),
        Difference::Source(..) | Difference::Priority(_) | Difference::Interface(_) => None,
        Difference::Addresses(lists) => addresses(name, keyword, lists, Severity::Error),
        Difference::Excluded(lists) => addresses(name, keyword, lists, Severity::Warning),
        Difference::DownTimerAdverts(_) => judged(
            Severity::Warning,
            differs,
            "the nodes wait differently long before they take over",
        ),
        Difference::Preempt(_) => preempt(first, other),
        Difference::Dialect(_) => judged(
            Severity::Warning,
            differs,
            "vip takes both kinds of checksums; keepalived may refuse the one that it does not send",
        ),
        Difference::Hmac(sides) => signed(name, sides.old.as_ref(), sides.new.as_ref())
            .map(|(message, help)| Judged::new(Severity::Error, message, help)),
        Difference::Vmac(sides) => vmac(name, sides.old.as_ref(), sides.new.as_ref()),
        Difference::Routes(lists) => {
            let destination = |route: &Route| (route.destination.address, route.destination.prefix);
            company(name, keyword, lists, destination)
        }
        Difference::Rules(lists) => company(name, keyword, lists, |rule| rule.preference),
        Difference::Switch("accept", _) => judged(
            Severity::Warning,
            differs,
            "after a takeover, packets to the address are answered otherwise than before",
        ),
        // Each node's own business, or what `peers` says of it.
        Difference::PreemptDelay(_)
        | Difference::Switch(..)
        | Difference::Unicast(_)
        | Difference::TrackInterfaces(_)
        | Difference::Trackers(_)
        | Difference::Notify(_)
        | Difference::Garp(_)
        | Difference::GarpExtraIf(_)
        | Difference::Unusable(_) => None,
    }
}

/// Lists of addresses that differ. Their order means nothing to a receiver.
fn addresses(name: &str, keyword: &str, lists: &Lists, severity: Severity) -> Option<Judged> {
    let only = |these: &[VirtualAddress], those: &[VirtualAddress]| {
        let known: HashSet<_> = those.iter().map(|one| one.address).collect();
        let these = these.iter().map(|one| one.address);
        these.filter(|one| !known.contains(one)).collect::<Vec<_>>()
    };
    let here = only(&lists.added, &lists.removed);
    let there = only(&lists.removed, &lists.added);
    if here.is_empty() && there.is_empty() {
        // Device and label are each node's own business.
        let (here, there) = lists.added.iter().find_map(|here| {
            let mut there = lists.removed.iter();
            let there = there.find(|there| there.address == here.address)?;
            (here.prefix != there.prefix).then_some((here, there))
        })?;
        let message = format!(
            "`{name}`: {} has prefix /{} here and /{} on the other node",
            here.address, here.prefix, there.prefix
        );
        let help = "a takeover would change the routes of the subnet, too";
        return Some(Judged {
            addresses: (Some(here.address), Some(there.address)),
            ..Judged::new(Severity::Warning, message, help)
        });
    }
    let mut parts = Vec::new();
    for (list, on) in [(&here, "here"), (&there, "on the other node")] {
        match list.as_slice() {
            [] => {}
            [one] => parts.push(format!("{one} only {on}")),
            [one, rest @ ..] => parts.push(format!("{one} and {} more only {on}", rest.len())),
        }
    }
    let message = format!("`{name}`: {keyword} differs: {}", parts.join(", "));
    let help = if keyword == "virtual_ipaddress" {
        "an address that one node does not know is gone after a takeover, and keepalived up to 2.3.2 refuses adverts with other addresses than its own"
    } else {
        "an address that one node does not know is gone after a takeover"
    };
    Some(Judged {
        addresses: (here.first().copied(), there.first().copied()),
        ..Judged::new(severity, message, help)
    })
}

/// `nopreempt` on one node only.
fn preempt(first: &Instance, other: &Instance) -> Option<Judged> {
    let (lower, higher) = if first.priority < other.priority {
        (first, other)
    } else {
        (other, first)
    };
    // It is the node of higher priority that could take over again.
    let useless = !lower.preempt && higher.preempt && lower.priority < higher.priority;
    useless.then(|| {
        let message = format!(
            "`{}`: nopreempt only on the node of lower priority changes nothing: the one with {} takes over again",
            other.name, higher.priority
        );
        let help = "nopreempt counts on the node of higher priority; write it on both";
        Judged::new(Severity::Warning, message, help)
    })
}

/// Signed adverts of two nodes that cannot talk; what keeps them from it, and what to
/// do.
fn signed(name: &str, there: Option<&Hmac>, here: Option<&Hmac>) -> Option<(String, &'static str)> {
    for (from, to, sender, receiver) in [
        (there, here, "the other node", "this node"),
        (here, there, "this node", "the other node"),
    ] {
        let signs = from.filter(|hmac| hmac.mode != HmacMode::ReceiveOnly);
        let why = match (signs, to) {
            (None, Some(to)) if to.mode == HmacMode::Enforce => (
                format!(
                    "`{name}`: {sender} does not sign its adverts, and {receiver} takes signed ones only"
                ),
                "write `mode permissive` on both until both sign, then `mode enforce`",
            ),
            (Some(_), None) => (
                format!(
                    "`{name}`: {sender} signs its adverts (auth_hmac), and {receiver} cannot read such ones"
                ),
                "a signed advert is too long for a node without auth_hmac; write `mode receive-only` first, on all nodes",
            ),
            (Some(from), Some(to)) if !to.keys.iter().any(|key| is_active(from, key)) => {
                let id = from.active;
                let message = if to.keys.iter().any(|key| key.id == id) {
                    format!("`{name}`: key {id} of auth_hmac is another one on the other node")
                } else {
                    format!(
                        "`{name}`: {sender} signs with key {id}, which {receiver} does not have"
                    )
                };
                (
                    message,
                    "give all nodes the new key first, and name it in `active_key` then",
                )
            }
            _ => continue,
        };
        return Some(why);
    }
    None
}

/// Whether this is the key that signs.
fn is_active(hmac: &Hmac, key: &Key) -> bool {
    key.id == hmac.active && hmac.keys.contains(key)
}

/// Virtual MACs that differ. That only one node has one is fine: its frames tell.
fn vmac(name: &str, there: Option<&Vmac>, here: Option<&Vmac>) -> Option<Judged> {
    match (there, here) {
        (Some(there), Some(here)) if there.mac != here.mac => Some(Judged::new(
            Severity::Warning,
            format!(
                "`{name}`: the virtual MAC is {} here and {} on the other node",
                here.mac, there.mac
            ),
            "with the same one on both, nobody needs to learn a new one at a takeover",
        )),
        (Some(_), Some(_)) | (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            let side = if here.is_some() {
                "this node"
            } else {
                "the other node"
            };
            Some(Judged::new(
                Severity::Note,
                format!("`{name}`: only {side} has a virtual MAC (use_vmac)"),
                "the MAC of the address changes at each takeover; gratuitous ARP tells it",
            ))
        }
    }
}

/// Routes or rules that only one node brings along.
fn company<T, K: Hash + Eq>(
    name: &str,
    keyword: &str,
    lists: &Lists<T>,
    key: impl Fn(&T) -> K,
) -> Option<Judged> {
    // Interfaces and tables are each node's own business.
    let keys = |list: &[T]| list.iter().map(&key).collect::<HashSet<_>>();
    let (here, there) = (keys(&lists.added), keys(&lists.removed));
    if here == there {
        return None;
    }
    let count = here.symmetric_difference(&there).count();
    Some(Judged::new(
        Severity::Warning,
        format!("`{name}`: {keyword} differs in {count} of its lines"),
        "what one node does not bring is gone after a takeover",
    ))
}
