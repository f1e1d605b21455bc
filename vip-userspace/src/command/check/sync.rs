//! Sync groups of several nodes: whether they keep the same instances together.

use std::collections::{BTreeSet, HashMap};

use super::group::{Group, Member};
use crate::config::keywords::Block;
use crate::config::section::Section;
use crate::config::{Loaded, Location, Problem, Severity};

use super::written::sections;

/// Says where nodes keep different routers together: one of them may become master
/// of a part that the other one holds together.
pub(super) fn judge(group: &Group<'_>, routers: &[Vec<Member>], found: &mut Vec<(usize, Problem)>) {
    // By router: what it goes with on the first node that has it.
    let mut known: HashMap<usize, (usize, BTreeSet<usize>)> = HashMap::new();
    for (node, loaded) in group.loaded() {
        let together = together(node, loaded, group, routers);
        let mut said = BTreeSet::new();
        for (router, with) in &together {
            let (first, there) = known.entry(*router).or_insert_with(|| (node, with.clone()));
            // Of routers that the other node has not, that has been said.
            let of_both = |set: &BTreeSet<usize>| -> BTreeSet<usize> {
                let both = |router: &&usize| {
                    let members = routers.get(**router);
                    let has =
                        |node| members.is_some_and(|all| all.iter().any(|member| member.0 == node));
                    has(*first) && has(node)
                };
                set.iter().filter(both).copied().collect()
            };
            let (here, there) = (of_both(with), of_both(there));
            if here == there || !said.insert(here.clone()) {
                continue;
            }
            let name = |router: &usize| {
                let member = routers.get(*router)?.iter().find(|one| one.0 == node)?;
                Some(group.instance(*member)?.name.as_str())
            };
            let Some(own) = name(router) else { continue };
            let others = |set: &BTreeSet<usize>| {
                let names: Vec<&str> = set
                    .iter()
                    .filter(|other| *other != router)
                    .filter_map(name)
                    .collect();
                if names.is_empty() {
                    "goes alone".to_owned()
                } else {
                    format!("goes with {}", names.join(", "))
                }
            };
            let message = format!(
                "`{own}`: {} here and {} on the other node (vrrp_sync_group)",
                others(&here),
                others(&there)
            );
            let Some(at) = place(loaded, own) else {
                continue;
            };
            let problem = Problem::at(Severity::Warning, at, message);
            let help =
                "keep the same instances together on all nodes: else one moves without the others";
            found.push((node, problem.with_help(help)));
        }
    }
}

/// By router: the routers that go with it on this node, itself included.
fn together(
    node: usize,
    loaded: &Loaded,
    group: &Group<'_>,
    routers: &[Vec<Member>],
) -> Vec<(usize, BTreeSet<usize>)> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    for (number, router) in routers.iter().enumerate() {
        let own = router.iter().filter(|member| member.0 == node);
        for instance in own.filter_map(|member| group.instance(*member)) {
            numbers.insert(&instance.name, number);
        }
    }
    let mut with: HashMap<usize, BTreeSet<usize>> = HashMap::new();
    for sync in &loaded.configuration.sync_groups {
        let members = sync.members.iter();
        let members: BTreeSet<usize> = members
            .filter_map(|name| numbers.get(name.as_str()).copied())
            .collect();
        for member in &members {
            with.insert(*member, members.clone());
        }
    }
    let mut all: Vec<usize> = numbers.into_values().collect();
    all.sort_unstable();
    all.into_iter()
        .map(|router| {
            let alone = BTreeSet::from([router]);
            (router, with.remove(&router).unwrap_or(alone))
        })
        .collect()
}

/// Where an instance is put into a sync group, or where it stands if it is in none.
fn place(loaded: &Loaded, instance: &str) -> Option<Location> {
    let member = |section: &Section| {
        let named = section.all("group").flat_map(|one| one.value.names());
        let mut named = named.filter(|name| &*name.text == instance);
        named.next().map(|name| name.span)
    };
    let mut groups = sections(&loaded.settings).filter(|one| one.block == Block::SyncGroup);
    if let Some(span) = groups.find_map(member) {
        return loaded.sources.locate(span);
    }
    let instances = &loaded.configuration.instances;
    let own = instances.iter().find(|one| one.name == instance)?;
    loaded.sources.word_at(&own.place)
}
