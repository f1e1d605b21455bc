//! What blocks say of each other: members of groups, and what is tracked.

use std::collections::{BTreeMap, HashMap};

use super::super::diag::{Finding, Sink, nearest, quoted};
use super::super::keywords::Block;
use super::super::lex::Token;
use super::super::section::{Section, Setting};
use super::super::source::Span;
use super::first_of_each_name;

/// Things that are defined once and named elsewhere.
struct Kind {
    /// The block that defines one.
    block: Block,
    /// The keyword of that block.
    defined_by: &'static str,
    /// The list that names some.
    named_in: &'static str,
    /// What it cannot be without.
    needs: &'static [&'static str],
}

const TRACKED: [Kind; 5] = [
    Kind {
        block: Block::Script,
        defined_by: "vrrp_script",
        named_in: "track_script",
        needs: &["script"],
    },
    Kind {
        block: Block::Process,
        defined_by: "vrrp_track_process",
        named_in: "track_process",
        needs: &["process"],
    },
    Kind {
        block: Block::File,
        defined_by: "track_file",
        named_in: "track_file",
        needs: &["file"],
    },
    Kind {
        block: Block::Check,
        defined_by: "vrrp_check",
        named_in: "track_check",
        needs: &["tcp", "tls", "http"],
    },
    Kind {
        block: Block::Bfd,
        defined_by: "bfd_instance",
        named_in: "track_bfd",
        needs: &["neighbor_ip", "neighbour_ip"],
    },
];

/// Looks whether everything that is named is there, and makes sense.
pub(super) fn check(settings: &[Setting], instances: &[(&Section, &Token)], sink: &mut Sink) {
    let groups = first_of_each_name(settings, Block::SyncGroup, "sync group", sink);
    for kind in &TRACKED {
        tracked(kind, settings, instances, &groups, sink);
    }
    let known: BTreeMap<&str, Span> = instances
        .iter()
        .map(|(_, name)| (&*name.text, name.span))
        .collect();
    let mut member_of: HashMap<&str, Span> = HashMap::new();
    for (group, name) in &groups {
        let members = members(group, name, sink);
        for member in &members {
            if !known.contains_key(&*member.text) {
                sink.add(missing(
                    "instance",
                    "vrrp_instance",
                    member,
                    known.keys().copied(),
                ));
            } else if let Some(first) = member_of.insert(&member.text, member.span) {
                sink.add(
                    Finding::error(
                        member.span,
                        format!("{} is a member of two sync groups", quoted(&member.text)),
                    )
                    .see(first, "the first time is here")
                    .help("an instance can follow one group only"),
                );
            }
        }
        if let [only] = members[..] {
            sink.add(
                Finding::warning(
                    only.span,
                    format!("{} is alone in its sync group", quoted(&only.text)),
                )
                .help("a group of one changes nothing; add the others or remove the group"),
            );
        }
    }
}

/// The members of a sync group.
fn members<'s>(group: &'s Section, name: &Token, sink: &mut Sink) -> Vec<&'s Token> {
    let members: Vec<&Token> = group
        .all("group")
        .flat_map(|setting| setting.value.names())
        .collect();
    if members.is_empty() {
        sink.add(
            Finding::error(
                name.span,
                format!("sync group {} has no members", quoted(&name.text)),
            )
            .help("name them in `group { … }`, or remove it"),
        );
    }
    members
}

/// Checks the definitions of one kind and the lists that name them.
fn tracked(
    kind: &Kind,
    settings: &[Setting],
    instances: &[(&Section, &Token)],
    groups: &[(&Section, &Token)],
    sink: &mut Sink,
) {
    let defined = first_of_each_name(settings, kind.block, kind.defined_by, sink);
    let mut used: BTreeMap<&str, bool> = BTreeMap::new();
    for (section, name) in &defined {
        used.insert(&name.text, false);
        if !kind.needs.iter().any(|need| section.last(need).is_some()) {
            sink.add(
                Finding::error(
                    name.span,
                    format!(
                        "{} {} has no {}",
                        kind.defined_by,
                        quoted(&name.text),
                        any_of(kind.needs)
                    ),
                )
                .help("it can tell nothing without"),
            );
        }
    }
    for (section, _) in instances.iter().chain(groups) {
        for line in section
            .all(kind.named_in)
            .flat_map(|setting| setting.value.tracked())
        {
            let name = &line.name;
            match used.get_mut(&*name.text) {
                Some(used) => *used = true,
                None => sink.add(missing(
                    kind.defined_by,
                    kind.defined_by,
                    name,
                    used.keys().copied(),
                )),
            }
        }
    }
    for (_, name) in defined {
        if used.get(&*name.text) == Some(&false) {
            sink.add(Finding::note(
                name.span,
                format!(
                    "{} {} is not used by any instance",
                    kind.defined_by,
                    quoted(&name.text)
                ),
            ));
        }
    }
}

/// Words of which one is enough.
fn any_of(words: &[&str]) -> String {
    match words {
        [most @ .., last] if !most.is_empty() => format!("`{}` or `{last}`", most.join("`, `")),
        _ => format!("`{}`", words.join("`, `")),
    }
}

/// A name that nothing bears.
fn missing<'a>(
    thing: &str,
    keyword: &str,
    name: &Token,
    known: impl Iterator<Item = &'a str>,
) -> Finding {
    let finding = Finding::error(
        name.span,
        format!("there is no {thing} {}", quoted(&name.text)),
    );
    match nearest(&name.text, known) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help(format!(
            "define it with `{keyword} NAME {{ … }}`; the line is skipped"
        )),
    }
}
