//! Several files as nodes of one group: what they disagree about.
//!
//! Nodes find each other on the wire by VRID and not by name, so instances are the
//! same virtual router where their VRIDs are, and only what is left over is matched
//! by name. A router on one node only has nobody to take over.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::mem::discriminant;

use vip_common::ids::{Priority, Version};

use super::Checked;
use crate::config::diff::{Difference, Lists, differences};
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
    let group = Group { nodes: checked };
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
}

impl<'a> Group<'a> {
    fn instances(&self, node: usize) -> &'a [Instance] {
        let loaded = self.nodes.get(node).and_then(|node| node.loaded.as_ref());
        loaded.map_or(&[], |loaded| &loaded.configuration.instances)
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
            matching.by(self, node, |one| Some((one.name.as_str(), router(one)?)));
            matching.by(self, node, |one| {
                Some((one.interface.as_str(), router(one)?))
            });
            matching.by(self, node, |one| {
                Some((one.addresses.first()?.address, router(one)?))
            });
            matching.by(self, node, router);
            matching.by(self, node, |one| Some(one.name.as_str()));
            matching.by(self, node, |one| Some(one.addresses.first()?.address));
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
            // What must not run is said where it stands, and its values are not
            // those that somebody wrote.
            if reference.unusable.is_some() || instance.unusable.is_some() {
                continue;
            }
            for difference in differences(reference, instance) {
                let Some(judged) = judge(&difference, reference, instance) else {
                    continue;
                };
                let keyword = difference.keyword();
                found.extend(self.problem(judged, keyword, *first, *other));
            }
        }
        found.extend(self.same_priority(router));
    }

    /// A router that one node has.
    fn alone(&self, member: Member, instance: &Instance) -> Option<(usize, Problem)> {
        // A file that could not be read says enough.
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
            if instance.unusable.is_some() {
                continue;
            }
            let Some(first) = holders.get(&instance.priority) else {
                holders.insert(instance.priority, *member);
                continue;
            };
            let judged = if instance.priority == Priority::OWNER {
                Judged {
                    severity: Severity::Error,
                    message: format!(
                        "`{}`: both nodes say that they own the address (priority 255)",
                        instance.name
                    ),
                    help: "both are master from their start; give 255 to one, or to none".into(),
                }
            } else {
                Judged {
                    severity: Severity::Warning,
                    message: format!(
                        "`{}`: both nodes have priority {}",
                        instance.name, instance.priority
                    ),
                    help: "the higher address of the interface decides then, which nobody wrote down; give them different ones".into(),
                }
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
        let at = self.spot(other, keyword)?;
        let mut problem = Problem::at(judged.severity, at, judged.message).with_help(judged.help);
        if let Some(there) = self.spot(first, keyword) {
            problem = problem.see(there, "the other node has it here");
        }
        Some((other.0, problem))
    }

    /// Where a value of an instance is written.
    fn spot(&self, member: Member, _keyword: &str) -> Option<Location> {
        let loaded = self.nodes.get(member.0)?.loaded.as_ref()?;
        loaded.sources.word_at(&self.instance(member)?.place)
    }
}

/// What makes it one router on the wire; none for what cannot run, whose VRID may
/// be nobody's.
fn router(instance: &Instance) -> Option<u8> {
    instance.unusable.is_none().then_some(instance.vrid.get())
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
        key: impl Fn(&'a Instance) -> Option<K>,
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
                && let Some(key) = key(instance)
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
            let first = router.first().and_then(|first| group.instance(*first));
            if open && let Some(key) = first.and_then(&key) {
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
struct Judged {
    severity: Severity,
    message: String,
    help: String,
}

/// What a difference means to the group; `None` where nodes may well differ.
fn judge(difference: &Difference, first: &Instance, other: &Instance) -> Option<Judged> {
    let name = &other.name;
    let keyword = difference.keyword();
    let differs = difference.values().map(|(there, here)| {
        format!("`{name}`: {keyword} is {here} here and {there} on the other node")
    });
    let judged = |severity, message: Option<String>, help: &str| {
        Some(Judged {
            severity,
            message: message?,
            help: help.to_owned(),
        })
    };
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
        let these = these.iter().filter(|one| !known.contains(&one.address));
        these.map(|one| one.address.to_string()).collect::<Vec<_>>()
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
        return Some(Judged {
            severity: Severity::Warning,
            message: format!(
                "`{name}`: {} has prefix /{} here and /{} on the other node",
                here.address, here.prefix, there.prefix
            ),
            help: "a takeover would change the routes of the subnet, too".into(),
        });
    }
    let mut parts = Vec::new();
    for (list, on) in [(here, "here"), (there, "on the other node")] {
        match list.as_slice() {
            [] => {}
            [one] => parts.push(format!("{one} only {on}")),
            [one, rest @ ..] => parts.push(format!("{one} and {} more only {on}", rest.len())),
        }
    }
    Some(Judged {
        severity,
        message: format!("`{name}`: {keyword} differs: {}", parts.join(", ")),
        help: "an address that one node does not know is gone after a takeover, and keepalived up to 2.3.2 refuses adverts with other addresses than its own".into(),
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
    useless.then(|| Judged {
        severity: Severity::Warning,
        message: format!(
            "`{}`: nopreempt only on the node of lower priority changes nothing: the one with {} takes over again",
            other.name, higher.priority
        ),
        help: "nopreempt counts on the node of higher priority; write it on both".into(),
    })
}
