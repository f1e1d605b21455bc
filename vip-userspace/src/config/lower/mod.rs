//! Sections to a [`Configuration`], with keepalived's defaults and corrections.
//!
//! Values of `global_defs` hold for instances above them too, so instances are
//! completed when everything has been read.

mod address;
mod auth;
mod check;
mod company;
mod election;
mod estate;
mod globals;
mod groups;
mod hmac;
mod instance;
mod peers;
mod reaction;
mod references;
mod trackers;
mod vmac;

use std::collections::HashMap;
use std::net::IpAddr;

use vip_common::ids::Vrid;

use self::estate::Resolver;
use self::globals::Globals;
use self::instance::Draft;
use self::reaction::Reactions;
use self::trackers::Defined;
use self::vmac::Vmacs;
use super::Configuration;
use super::diag::{Finding, Severity, Sink, quoted};
use super::estate::Vmac;
use super::keywords::Block;
use super::lex::Token;
use super::reading::Files;
use super::section::{Section, Setting};
use super::source::Span;

/// What instances are completed with, beside what they say.
struct Around<'a> {
    files: &'a dyn Files,
    resolver: Resolver<'a>,
    /// Interfaces with virtual MACs.
    vmacs: Vmacs,
    /// Those that addresses of a router share on another interface.
    shared: HashMap<(String, bool, Vrid), Vmac>,
    /// What can be tracked beside interfaces.
    defined: Defined,
    /// Whether changes of priorities are written where nothing else is said.
    priority_changes: bool,
}

/// Lowers everything that a configuration says. `never` is a reason for which
/// none of it may run; `files` hold keys and names of tables.
pub(super) fn lower(
    settings: &[Setting],
    never: Option<&str>,
    files: &dyn Files,
    sink: &mut Sink,
) -> Configuration {
    let mut globals = Globals::default();
    let mut reactions = Reactions::default();
    let mut never = never.map(str::to_owned);
    for section in sections(settings, Block::Global) {
        globals.read(section, sink);
        reactions.read(section);
        never = never.or_else(|| section.never.clone());
    }
    let instances = first_of_each_name(settings, Block::Instance, "instance", sink);
    let mut drafts = Vec::with_capacity(instances.len());
    for (section, name) in &instances {
        let mut draft = Draft::read(section, name, sink);
        if let Some(reason) = &never {
            draft.never(reason.as_str());
        }
        drafts.push(draft);
    }
    same_vrid(&mut drafts, sink);
    same_address(&drafts, sink);
    references::check(settings, &instances, sink);
    trackers::check(settings, sink);
    reaction::check(settings, sink);
    let mut around = Around {
        files,
        resolver: Resolver::new(files, &globals),
        vmacs: Vmacs::default(),
        shared: HashMap::new(),
        defined: Defined::read(settings),
        priority_changes: reactions.priority_changes,
    };
    for draft in &mut drafts {
        draft.note_vmacs(&mut around.vmacs, sink);
    }
    // In the order of the file: it numbers rules that give no preference.
    let mut drafts = drafts.into_iter().peekable();
    let mut instances = Vec::with_capacity(drafts.len());
    let mut static_rules = Vec::new();
    for setting in settings {
        if setting.keyword.name == "static_rules" {
            static_rules.extend(company::rules(
                [setting].into_iter(),
                &around.resolver,
                sink,
            ));
        } else if let Some(section) = setting.value.section()
            && let Some(draft) = drafts.next_if(|draft| std::ptr::eq(draft.section, section))
        {
            instances.push(draft.finish(&globals, &mut around, sink));
        }
    }
    if instances.is_empty() {
        sink.add(
            // keepalived starts with such a file.
            Finding::of_file(
                Severity::Warning,
                "there is no `vrrp_instance`: nothing to run",
            )
            .help("a minimal one names interface, virtual_router_id and virtual_ipaddress"),
        );
    }
    let lists = |name| {
        settings
            .iter()
            .filter(move |setting| setting.keyword.name == name)
    };
    let sync_groups = groups::sync_groups(settings, &mut instances, &around, sink);
    check::look_at(settings, &instances, sink);
    let of_groups = sync_groups.iter().flat_map(|group| &group.trackers);
    let used = instances.iter().flat_map(|one| &one.trackers);
    Configuration {
        trackers: around.defined.used(used.chain(of_groups)),
        scripts: reactions.scripts.clone(),
        telling: reactions.telling(),
        sync_groups,
        static_addresses: groups::static_addresses(lists("static_ipaddress"), &globals),
        static_routes: company::routes(lists("static_routes"), &around.resolver, sink),
        static_rules,
        cpu_affinity: globals.cpu_affinity.clone(),
        startup_delay: globals.startup_delay,
        delay_after_boot: globals.delay_after_boot,
        garp_groups: groups::garp_groups(settings),
        garp_interval: globals.garp_interval,
        gna_interval: globals.gna_interval,
        router_id: globals.router_id,
        instances,
    }
}

/// The blocks of one kind that stand outside of all others.
fn sections(settings: &[Setting], block: Block) -> impl Iterator<Item = &Section> {
    settings
        .iter()
        .filter_map(|setting| setting.value.section())
        .filter(move |section| section.block == block)
}

/// The blocks of one kind with their names; a second one of a name is reported
/// and left out.
fn first_of_each_name<'s>(
    settings: &'s [Setting],
    block: Block,
    thing: &str,
    sink: &mut Sink,
) -> Vec<(&'s Section, &'s Token)> {
    let mut names: HashMap<&str, &Token> = HashMap::new();
    let mut kept = Vec::new();
    for section in sections(settings, block) {
        let Some(name) = &section.name else { continue };
        match names.get(&*name.text) {
            Some(first) => {
                let message = format!("a second {thing} {} is ignored", quoted(&name.text));
                // keepalived complains of these two only.
                let finding = if matches!(block, Block::Instance | Block::SyncGroup) {
                    Finding::error(name.span, message)
                } else {
                    Finding::warning(name.span, message)
                };
                sink.add(finding.see(first.span, "the first one is here"));
            }
            None => {
                names.insert(&name.text, name);
                kept.push((section, name));
            }
        }
    }
    kept
}

/// Two instances that would claim one VRID on one interface: the first runs.
fn same_vrid(drafts: &mut [Draft<'_>], sink: &mut Sink) {
    let mut seen = HashMap::new();
    for draft in drafts {
        let (Some(interface), Some((vrid, span))) = (draft.interface, draft.vrid) else {
            continue;
        };
        let key = (&*interface.text, draft.is_ipv6(), vrid);
        match seen.get(&key) {
            Some(&(name, first)) => {
                let message = format!(
                    "virtual_router_id {vrid} on {} is already that of {}",
                    quoted(key.0),
                    quoted(name)
                );
                sink.add(
                    Finding::error(span, message.as_str()).see(first, "the first one is here"),
                );
                draft.never(message);
            }
            None => {
                seen.insert(key, (&*draft.name.text, span));
            }
        }
    }
}

/// Two instances that would hold one address.
fn same_address(drafts: &[Draft<'_>], sink: &mut Sink) {
    let mut seen: HashMap<IpAddr, (usize, Span)> = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        for line in draft.addresses.iter().chain(&draft.excluded) {
            let (owner, first) = *seen.entry(line.address).or_insert((index, line.span));
            if owner != index {
                let address = line.address;
                sink.add(
                    Finding::warning(line.span, format!("another instance holds {address} too"))
                        .see(first, "there it is")
                        .help("both may hold it at once, on different nodes"),
                );
            }
        }
    }
}
