//! Several files as nodes of one group: what they disagree about.
//!
//! Nodes find each other on the wire by VRID and not by name, so instances are the
//! same virtual router where their VRIDs are, and only what is left over is matched
//! by name. A router on one node only has nobody to take over.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use vip_common::ids::Priority;

use super::judge::{Judged, judge};
use super::written::Written;
use super::{Checked, peers, sync};
use crate::config::diff::differences;
use crate::config::section::Setting;
use crate::config::{Instance, Loaded, Location, Problem, Severity};

/// How many problems are said; beyond them files are not of one group.
const MOST_SAID: usize = 200;

/// An instance: index of the node, index in its file.
pub(super) type Member = (usize, usize);

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
    let routers = group.routers();
    for router in &routers {
        group.judge(router, &mut found);
        if found.len() >= MOST_SAID {
            break;
        }
    }
    sync::judge(&group, &routers, &mut found);
    found.truncate(MOST_SAID);
    for (node, problem) in found {
        if let Some(node) = checked.get_mut(node) {
            node.problems.push(problem);
        }
    }
}

pub(super) struct Group<'a> {
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

    /// What each node has read; nothing of a file that could not be.
    pub(super) fn loaded(&self) -> impl Iterator<Item = (usize, &'a Loaded)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(number, node)| Some((number, node.loaded.as_ref()?)))
    }

    pub(super) fn instance(&self, (node, index): Member) -> Option<&'a Instance> {
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
            for (keyword, judged) in peers::judge(reference, instance) {
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
