//! What several instances share: sync groups, spacing of gratuitous ARP, static
//! addresses.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use vip_common::ids::Priority;

use super::super::Instance;
use super::super::diag::{Finding, Sink, quoted};
use super::super::estate::{GarpGroup, SyncGroup, VirtualAddress, Weight};
use super::super::keywords::Block;
use super::super::lex::Token;
use super::super::section::{Section, Setting};
use super::super::source::Span;
use super::company::{duration, tracked};
use super::globals::Globals;
use super::{Around, reaction, sections};

/// The interface of static addresses where nothing names another, as in keepalived.
const DEFAULT_INTERFACE: &str = "eth0";

/// The sync groups that have a member, and what they change about their members.
pub(super) fn sync_groups(
    settings: &[Setting],
    instances: &mut [Instance],
    around: &Around<'_>,
    sink: &mut Sink,
) -> Vec<SyncGroup> {
    let mut by_name: HashMap<String, &mut Instance> = instances
        .iter_mut()
        .map(|one| (one.name.clone(), one))
        .collect();
    let mut names = HashSet::new();
    let mut groups = Vec::new();
    for section in sections(settings, Block::SyncGroup) {
        let Some(name) = &section.name else { continue };
        if !names.insert(&*name.text) {
            continue;
        }
        // Each instance is in one group only.
        let mut members: Vec<&mut Instance> = section
            .all("group")
            .flat_map(|setting| setting.value.names())
            .filter_map(|member| by_name.remove(&*member.text))
            .collect();
        if members.is_empty() {
            continue;
        }
        let weights = section.last("sync_group_tracking_weight").is_some();
        let owner = members.iter().any(|one| one.priority == Priority::OWNER);
        let mut own = Vec::new();
        for (mut tracked, span) in tracked(section, sink) {
            if owner && tracked.weight.value != 0 {
                sink.add(of_owner(&tracked.interface, span));
                tracked.weight = Weight::default();
            }
            own.push(tracked);
        }
        let mut trackers = Vec::new();
        for (mut tracked, span) in around.defined.tracked(section, sink) {
            if owner && tracked.weight.value != 0 {
                sink.add(of_owner(&tracked.name, span));
                tracked.weight = Weight::default();
            }
            trackers.push(tracked);
        }
        for member in &mut members {
            if !weights {
                without_weights(member, name, sink);
            }
        }
        groups.push(SyncGroup {
            name: name.text.to_string(),
            members: members.into_iter().map(|one| one.name.clone()).collect(),
            weights,
            track_interfaces: own,
            trackers,
            notify: reaction::notify(section, around.priority_changes),
        });
    }
    groups
}

fn of_owner(tracked: &str, span: Span) -> Finding {
    let message = format!(
        "the weight of {} is ignored: a member has priority 255",
        quoted(tracked)
    );
    Finding::warning(span, message)
        .help("as in keepalived, a failure is FAULT for all of the group")
}

/// What a member tracks has no weight in its group, as in keepalived.
fn without_weights(member: &mut Instance, group: &Token, sink: &mut Sink) {
    let interfaces = member.track_interfaces.iter_mut();
    let interfaces = interfaces.map(|one| (&one.interface, &mut one.weight));
    let others = member.trackers.iter_mut();
    let others = others.map(|one| (&one.name, &mut one.weight));
    for (name, weight) in interfaces.chain(others) {
        if weight.value == 0 {
            continue;
        }
        let message = format!(
            "the weight of {} in `{}` is ignored in its sync group",
            quoted(name),
            member.name
        );
        sink.add(Finding::warning(group.span, message).help(
            "a failure is FAULT for all of the group; `sync_group_tracking_weight` lets weights count",
        ));
        *weight = Weight::default();
    }
}

/// The groups of interfaces that are spaced out together.
pub(super) fn garp_groups(settings: &[Setting]) -> Vec<GarpGroup> {
    let mut taken = HashSet::new();
    sections(settings, Block::GarpGroup)
        .filter_map(|section| {
            let interfaces: Vec<String> = interfaces(section)
                .filter(|name| taken.insert(*name))
                .map(str::to_owned)
                .collect();
            let time = |name| duration(section, name).unwrap_or(Duration::ZERO);
            (!interfaces.is_empty()).then(|| GarpGroup {
                interfaces,
                garp_interval: time("garp_interval"),
                gna_interval: time("gna_interval"),
            })
        })
        .collect()
}

fn interfaces(section: &Section) -> impl Iterator<Item = &str> {
    let one = section.all("interface").filter_map(|one| one.value.word());
    let more = section
        .all("interfaces")
        .flat_map(|list| list.value.names());
    one.chain(more).map(|word| &*word.text)
}

/// The static addresses, each with its interface.
pub(super) fn static_addresses<'s>(
    settings: impl Iterator<Item = &'s Setting>,
    globals: &Globals,
) -> Vec<VirtualAddress> {
    let lines = settings.flat_map(|setting| setting.value.addresses());
    let address = |line| {
        let mut address = VirtualAddress::of(line);
        address.device.get_or_insert_with(|| {
            let given = globals.default_interface.as_deref();
            given.unwrap_or(DEFAULT_INTERFACE).to_owned()
        });
        address
    };
    lines.map(address).collect()
}
