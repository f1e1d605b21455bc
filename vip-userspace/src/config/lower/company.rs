//! What several kinds of blocks say in the same words: what they watch, which
//! routes and rules they bring.

use std::time::Duration;

use vip_common::ids::Version;
use vip_common::wire::vrrp::ChecksumDialect;

use super::super::diag::{Finding, Sink, quoted};
use super::super::estate::{Route, Rule, TrackedInterface, Weight};
use super::super::lists::TrackLine;
use super::super::section::{Section, Setting};
use super::super::source::Span;
use super::super::value::Value;
use super::estate::Resolver;

/// The last value of a keyword that could be read.
pub(super) fn given<'s>(section: &'s Section, name: &str) -> Option<&'s Value> {
    let mut settings = section
        .all(name)
        .rev()
        .map(|setting: &Setting| &setting.value);
    settings.find(|value| **value != Value::Refused)
}

/// The same, with its place.
pub(super) fn given_at<'s>(section: &'s Section, name: &str) -> Option<(&'s Value, Span)> {
    let mut settings = section.all(name).rev();
    let setting = settings.find(|setting| setting.value != Value::Refused)?;
    Some((&setting.value, setting.span))
}

/// A switch, where it is given.
pub(super) fn switch(section: &Section, name: &str) -> Option<bool> {
    given(section, name).map(Value::is_on)
}

/// A time, where it is given.
pub(super) fn duration(section: &Section, name: &str) -> Option<Duration> {
    given(section, name).and_then(Value::duration)
}

/// A whole number, where it is given.
pub(super) fn number(section: &Section, name: &str) -> Option<u32> {
    given(section, name).and_then(Value::whole)
}

/// Which bytes the checksums of its adverts cover.
pub(super) fn dialect(version: Version, ipv6: bool, as_v2: bool) -> ChecksumDialect {
    if version == Version::V3 && !ipv6 && as_v2 {
        ChecksumDialect::MessageOnly
    } else {
        ChecksumDialect::PseudoHeader
    }
}

/// The interfaces that a block watches, each with its place.
pub(super) fn tracked(section: &Section, sink: &mut Sink) -> Vec<(TrackedInterface, Span)> {
    let lines = section
        .all("track_interface")
        .flat_map(|setting| setting.value.tracked());
    let mut tracked: Vec<(TrackedInterface, Span)> = Vec::new();
    for TrackLine { name, weight } in lines {
        let first = tracked.iter().find(|(one, _)| one.interface == *name.text);
        if let Some((_, first)) = first {
            let message = format!(
                "{} is tracked already; this line is ignored",
                quoted(&name.text)
            );
            sink.add(Finding::error(name.span, message).see(*first, "the first time is here"));
            continue;
        }
        let weight = weight.map_or(Weight::default(), |weight| Weight {
            value: weight.value,
            reverse: weight.reverse,
        });
        let interface = name.text.to_string();
        tracked.push((TrackedInterface { interface, weight }, name.span));
    }
    tracked
}

/// The routes of a list.
pub(super) fn routes<'s>(
    settings: impl Iterator<Item = &'s Setting>,
    resolver: &Resolver<'_>,
    sink: &mut Sink,
) -> Vec<Route> {
    settings
        .flat_map(|setting| setting.value.routes())
        .filter_map(|line| resolver.route(line, sink))
        .collect()
}

/// The rules of a list.
pub(super) fn rules<'s>(
    settings: impl Iterator<Item = &'s Setting>,
    resolver: &Resolver<'_>,
    sink: &mut Sink,
) -> Vec<Rule> {
    let lines = settings.flat_map(|setting| setting.value.rules());
    resolver.rules(lines, sink)
}
