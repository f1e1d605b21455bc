//! Several files as nodes of one group: what they disagree about.
//!
//! Nodes find each other on the wire by VRID and not by name, so instances are the
//! same virtual router where their VRIDs are, and only what is left over is matched
//! by name. A router on one node only has nobody to take over.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::mem::discriminant;
use std::net::IpAddr;

use vip_common::ids::{Priority, Version};

use super::written::Written;
use super::{Checked, peers};
use crate::config::diff::{Difference, Lists, differences};
use crate::config::section::Setting;
use crate::config::{Instance, Location, Problem, Severity, VirtualAddress};

/// How many problems are said; beyond them files are not of one group.
const MOST_SAID: usize = 200;

/// An instance: index of the node, index in its file.
type Member = (usize, usize);

/// Holds the files against each other; what is found is added to the later one of
/// the two that disagree.
pub(super) fn compare(checked: &mut [Checked]) {
    if checked.len() < 2 {
        return;
    }
    let group = Group {
        nodes: checked,
        written: checked
            .iter()
            .map(|node| node.loaded.as_ref().map(Written::new))
            .collect(),
    };
    let mut found = Vec::new();
    for router in group.routers() {
        group.judge(&router, &mut found);
        if found.len() >= MOST_SAID {
            break;
        }
    }
    found.truncate(MOST_SAID);
    for (node, problem) in found {
        if let Some(node) = checked.get_mut(node) {
            node.problems.push(problem);
        }
    }
}

struct Group<'a> {
    nodes: &'a [Checked],
    /// Where things are written, by node; nothing of a file that could not be read.
    written: Vec<Option<Written<'a>>>,
}

impl<'a> Group<'a> {
    fn instances(&self, node: usize) -> &'a [Instance] {
        let loaded = self.nodes.get(node).and_then(|node| node.loaded.as_ref());
        loaded.map_or(&[], |loaded| &loaded.configuration.instances)
    }

    /// What makes an instance one router on the wire; none for what has no VRID to
    /// speak of.
    fn router(&self, node: usize, instance: &Instance) -> Option<(u8, bool)> {
        let written = self.written.get(node)?.as_ref()?;
        written
            .has_vrid(instance)
            .then(|| (instance.vrid.get(), instance.is_ipv6()))
    }

    fn instance(&self, (node, index): Member) -> Option<&'a Instance> {
        self.instances(node).get(index)
    }

    /// The virtual routers of the group, each with an instance per node at most.
    fn routers(&self) -> Vec<Vec<Member>> {
        let mut routers: Vec<Vec<Member>> = Vec::new();
        for node in 0..self.nodes.len() {
            let mut matching = Matching::new(&routers, self.instances(node).len());
            // From what must be the same router to what was probably meant to be.
            matching.by(self, node, |node, one| {
                Some((one.name.as_str(), self.router(node, one)?))
            });
            matching.by(self, node, |node, one| {
                Some((one.interface.as_str(), self.router(node, one)?))
            });
            matching.by(self, node, |node, one| {
                Some((one.addresses.first()?.address, self.router(node, one)?))
            });
            matching.by(self, node, |node, one| self.router(node, one));
            matching.by(self, node, |_, one| Some(one.name.as_str()));
            matching.by(self, node, |_, one| Some(one.addresses.first()?.address));
            let Matching { taken, .. } = matching;
            for (index, router) in taken.into_iter().enumerate() {
                match router.and_then(|router| routers.get_mut(router)) {
                    Some(router) => router.push((node, index)),
                    None => routers.push(vec![(node, index)]),
                }
            }
        }
        routers
    }

    /// Says what the nodes disagree about in one router.
    fn judge(&self, router: &[Member], found: &mut Vec<(usize, Problem)>) {
        let [first, others @ ..] = router else {
            return;
        };
        let Some(reference) = self.instance(*first) else {
            return;
        };
        if others.is_empty() {
            found.extend(self.alone(*first, reference));
            return;
        }
        for other in others {
            let Some(instance) = self.instance(*other) else {
                continue;
            };
            // Without a VRID an instance is not whole, which has been said.
            if self.router(first.0, reference).is_none() || self.router(other.0, instance).is_none()
            {
                continue;
            }
            for difference in differences(reference, instance) {
                let Some(judged) = judge(&difference, reference, instance) else {
                    continue;
                };
                let keyword = difference.keyword();
                found.extend(self.problem(judged, keyword, *first, *other));
            }
            let node = |member: Member, instance| {
                peers::Node::new(instance, self.setting(member, "unicast_peer"))
            };
            let (there, here) = (node(*first, reference), node(*other, instance));
            for (keyword, judged) in peers::judge(&there, &here) {
                found.extend(self.problem(judged, keyword, *first, *other));
            }
        }
        found.extend(self.same_priority(router));
        found.extend(self.all_masters(router));
    }

    /// All nodes say `state MASTER`.
    fn all_masters(&self, router: &[Member]) -> Option<(usize, Problem)> {
        let [first, .., last] = router else {
            return None;
        };
        let is_master = |member: &Member| {
            let setting = self.setting(*member, "state");
            setting.and_then(|setting| setting.value.choice()) == Some("MASTER")
        };
        if !router.iter().all(is_master) {
            return None;
        }
        let judged = Judged::new(
            Severity::Note,
            format!(
                "`{}`: all nodes say `state MASTER`, which decides nothing",
                self.instance(*last)?.name
            ),
            "the priority decides; BACKUP on all of them is the usual",
        );
        self.problem(judged, "state", *first, *last)
    }

    /// A router that one node has.
    fn alone(&self, member: Member, instance: &Instance) -> Option<(usize, Problem)> {
        // What is not whole says enough itself, and so does a file that could not
        // be read.
        self.router(member.0, instance)?;
        if self.nodes.iter().any(|node| node.loaded.is_none()) {
            return None;
        }
        let message = format!(
            "no other node has `{}` (VRID {}): nobody takes over from it",
            instance.name, instance.vrid
        );
        let at = self.spot(member, "vrrp_instance")?;
        let problem = Problem::at(Severity::Warning, at, message);
        let help = "matched by VRID, then by name; add it to another node";
        Some((member.0, problem.with_help(help)))
    }

    /// Two nodes of the same priority.
    fn same_priority(&self, router: &[Member]) -> Vec<(usize, Problem)> {
        let mut holders: HashMap<Priority, Member> = HashMap::new();
        let mut found = Vec::new();
        for member in router {
            let Some(instance) = self.instance(*member) else {
                continue;
            };
            if self.router(member.0, instance).is_none() {
                continue;
            }
            let Some(first) = holders.get(&instance.priority) else {
                holders.insert(instance.priority, *member);
                continue;
            };
            let (name, priority) = (&instance.name, instance.priority);
            let judged = if priority == Priority::OWNER {
                Judged::new(
                    Severity::Error,
                    format!(
                        "`{name}`: both nodes say that they own the address (priority {priority})"
                    ),
                    "both are master from their start; give 255 to one, or to none",
                )
            } else {
                Judged::new(
                    Severity::Warning,
                    format!("`{name}`: both nodes have priority {priority}"),
                    "the higher address of the interface decides then, which nobody wrote down; give them different ones",
                )
            };
            found.extend(self.problem(judged, "priority", *first, *member));
        }
        found
    }

    /// Shown at the later node, with the place of the earlier one.
    fn problem(
        &self,
        judged: Judged,
        keyword: &str,
        first: Member,
        other: Member,
    ) -> Option<(usize, Problem)> {
        let (here, there) = judged.addresses;
        let spot = |member, address: Option<IpAddr>| {
            let exact = address.and_then(|address| self.address(member, address));
            exact.or_else(|| self.spot(member, keyword))
        };
        let at = spot(other, here)?;
        let mut problem = Problem::at(judged.severity, at, judged.message).with_help(judged.help);
        if let Some(there) = spot(first, there) {
            // One file as several nodes: the place does not tell which.
            let id = self.nodes.get(first.0).and_then(|node| node.id.as_deref());
            let node = id.map_or_else(String::new, |id| format!(" ({id})"));
            problem = problem.see(there, format!("the other node{node} has it here"));
        }
        Some((other.0, problem))
    }

    fn setting(&self, member: Member, keyword: &str) -> Option<&'a Setting> {
        let written = self.written.get(member.0)?.as_ref()?;
        written.setting(self.instance(member)?, keyword)
    }

    /// Where an address of an instance is written.
    fn address(&self, member: Member, address: IpAddr) -> Option<Location> {
        let written = self.written.get(member.0)?.as_ref()?;
        written.address(self.instance(member)?, address)
    }

    /// Where a value of an instance is written.
    fn spot(&self, member: Member, keyword: &str) -> Option<Location> {
        let written = self.written.get(member.0)?.as_ref()?;
        written.spot(self.instance(member)?, keyword)
    }
}

/// Which router each instance of a node belongs to.
struct Matching<'a> {
    routers: &'a [Vec<Member>],
    /// By router: whether it has an instance of this node.
    complete: Vec<bool>,
    /// By instance: its router.
    taken: Vec<Option<usize>>,
}

impl<'a> Matching<'a> {
    fn new(routers: &'a [Vec<Member>], instances: usize) -> Self {
        Self {
            routers,
            complete: vec![false; routers.len()],
            taken: vec![None; instances],
        }
    }

    /// Matches what is left by a key, where it names one on either side.
    fn by<K: Hash + Eq>(
        &mut self,
        group: &Group<'a>,
        node: usize,
        key: impl Fn(usize, &'a Instance) -> Option<K>,
    ) {
        /// The one that has a key; none where several have.
        type Only<K> = HashMap<K, Option<usize>>;
        fn note<K: Hash + Eq>(map: &mut Only<K>, key: K, index: usize) {
            map.entry(key)
                .and_modify(|one| *one = None)
                .or_insert(Some(index));
        }
        let mut ours: Only<K> = HashMap::new();
        for (index, instance) in group.instances(node).iter().enumerate() {
            if self.taken.get(index) == Some(&None)
                && let Some(key) = key(node, instance)
            {
                note(&mut ours, key, index);
            }
        }
        if ours.is_empty() {
            return;
        }
        let mut theirs: Only<K> = HashMap::new();
        for (index, router) in self.routers.iter().enumerate() {
            let open = self.complete.get(index) == Some(&false);
            let first = router.first().filter(|_| open);
            let first = first.and_then(|first| Some((first.0, group.instance(*first)?)));
            if let Some(key) = first.and_then(|(node, first)| key(node, first)) {
                note(&mut theirs, key, index);
            }
        }
        for (key, router) in theirs {
            let (Some(router), Some(Some(instance))) = (router, ours.get(&key)) else {
                continue;
            };
            if let (Some(complete), Some(taken)) =
                (self.complete.get_mut(router), self.taken.get_mut(*instance))
            {
                *complete = true;
                *taken = Some(router);
            }
        }
    }
}

/// What to say of a difference.
pub(super) struct Judged {
    severity: Severity,
    message: String,
    help: String,
    /// The addresses that it is about, on the later and on the earlier node.
    addresses: (Option<IpAddr>, Option<IpAddr>),
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
fn judge(difference: &Difference, first: &Instance, other: &Instance) -> Option<Judged> {
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
        Difference::Source(_) | Difference::Priority(_) | Difference::Interface(_) => None,
        Difference::Addresses(lists) => addresses(name, keyword, lists, Severity::Error),
        Difference::Excluded(lists) => addresses(name, keyword, lists, Severity::Warning),
        Difference::DownTimerAdverts(_) => judged(
            Severity::Warning,
            differs,
            "the nodes wait differently long before they take over",
        ),
        Difference::Preempt(_) => preempt(first, other),
        Difference::Garp(_) | Difference::Unusable(_) => None,
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
