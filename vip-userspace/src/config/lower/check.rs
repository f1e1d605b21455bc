//! `vrrp_check`: what the daemon asks by itself.

use std::time::Duration;

use super::super::Instance;
use super::super::diag::{Finding, Sink, quoted};
use super::super::keywords::Block;
use super::super::lists::ProbeLine;
use super::super::lists::check::address_of;
use super::super::section::{Section, Setting};
use super::super::source::Span;
use super::super::trackers::Check;
use super::company::duration;
use super::sections;
use super::trackers::streak;

/// What a check asks: one question, the first that is there.
pub(super) fn check(section: &Section) -> Option<Check> {
    let (line, _) = questions(section).next()?;
    let interval = duration(section, "interval").unwrap_or(Duration::from_secs(1));
    Some(Check {
        probe: line.probe.clone(),
        interval,
        timeout: duration(section, "timeout").unwrap_or(interval),
        streak: streak(section),
    })
}

/// The questions of a block, in the order of the file, with their places.
fn questions(section: &Section) -> impl Iterator<Item = (&ProbeLine, Span)> {
    let settings = section.settings.iter();
    settings.filter_map(|setting| Some((setting.value.probe()?, setting.span)))
}

/// Says what is odd about checks: two questions in one, one that the address itself
/// would answer.
pub(super) fn look_at(settings: &[Setting], instances: &[Instance], sink: &mut Sink) {
    for section in sections(settings, Block::Check) {
        let mut questions = questions(section);
        let Some((first, at)) = questions.next() else {
            continue;
        };
        for (_, another) in questions {
            let finding =
                Finding::error(another, "a check asks one question: this line is ignored");
            sink.add(
                finding
                    .see(at, "the first one is here")
                    .help("define another `vrrp_check` for it, and name both in `track_check`"),
            );
        }
        let Some(address) = address_of(first.probe.endpoint()) else {
            continue;
        };
        let holds = |one: &&Instance| {
            let mut all = one.addresses.iter().chain(&one.excluded);
            all.any(|held| held.address == address)
        };
        let Some(holder) = instances.iter().find(holds) else {
            continue;
        };
        let message = format!(
            "{address} is a virtual address, that of {}: whoever is MASTER answers, not this node",
            quoted(&holder.name)
        );
        sink.add(
            Finding::warning(first.host, message)
                .help("ask the service on an address that this node always has, such as 127.0.0.1"),
        );
    }
}
