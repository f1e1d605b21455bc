//! What several instances share: sync groups, spacing of gratuitous ARP, static
//! addresses.

use std::collections::HashSet;
use std::time::Duration;

use super::super::Instance;
use super::super::estate::{GarpGroup, SyncGroup, VirtualAddress};
use super::super::keywords::Block;
use super::super::section::{Section, Setting};
use super::company::{duration, tracked};
use super::globals::Globals;
use super::sections;

/// The interface of static addresses where nothing names another, as in keepalived.
const DEFAULT_INTERFACE: &str = "eth0";

/// The sync groups that have a member.
pub(super) fn sync_groups(settings: &[Setting], instances: &[Instance]) -> Vec<SyncGroup> {
    let known: HashSet<&str> = instances.iter().map(|one| one.name.as_str()).collect();
    let mut names = HashSet::new();
    let mut taken = HashSet::new();
    sections(settings, Block::SyncGroup)
        .filter_map(|section| Some((section, &*section.name.as_ref()?.text)))
        .filter(|(_, name)| names.insert(*name))
        .filter_map(|(section, name)| {
            let members: Vec<String> = section
                .all("group")
                .flat_map(|setting| setting.value.names())
                .filter(|member| known.contains(&*member.text) && taken.insert(&*member.text))
                .map(|member| member.text.to_string())
                .collect();
            (!members.is_empty()).then(|| SyncGroup {
                name: name.to_owned(),
                members,
                weights: section.last("sync_group_tracking_weight").is_some(),
                track_interfaces: tracked(section),
            })
        })
        .collect()
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
