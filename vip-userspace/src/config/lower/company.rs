//! What an instance says beside the election: peers, routes, rules, what it
//! watches, how its adverts look.

use std::time::Duration;

use vip_common::ids::Version;
use vip_common::wire::vrrp::ChecksumDialect;

use super::super::diag::Sink;
use super::super::estate::{OldChecksum, Peer, Route, Rule, TrackedInterface, Unicast, Weight};
use super::super::lists::TrackLine;
use super::super::section::{Section, Setting};
use super::super::value::Value;
use super::estate::Resolver;
use super::globals::Globals;

/// Time to live of adverts to peers. keepalived leaves IPv6 to the kernel (64);
/// what checks it wants 255 (RFC 9568 section 5.1.2.3).
const UNICAST_TTL: u8 = 255;

/// The last value of a keyword that could be read.
pub(super) fn given<'s>(section: &'s Section, name: &str) -> Option<&'s Value> {
    let mut settings = section
        .all(name)
        .rev()
        .map(|setting: &Setting| &setting.value);
    settings.find(|value| **value != Value::Refused)
}

/// A switch, where it is given.
pub(super) fn switch(section: &Section, name: &str) -> Option<bool> {
    given(section, name).map(Value::is_on)
}

/// A time, where it is given.
pub(super) fn duration(section: &Section, name: &str) -> Option<Duration> {
    given(section, name).and_then(Value::duration)
}

/// The peers of an instance; none where it speaks to a group.
pub(super) fn unicast(section: &Section, ipv6: bool, globals: &Globals) -> Option<Unicast> {
    let mut peers: Vec<Peer> = Vec::new();
    let mut check_source =
        switch(section, "check_unicast_src").unwrap_or(globals.check_unicast_src);
    for setting in section.all("unicast_peer") {
        let Value::Peers(lines) = &setting.value else {
            continue;
        };
        for line in lines.iter().filter(|line| line.address.is_ipv6() == ipv6) {
            check_source |= line.min_ttl.is_some() || line.max_ttl.is_some();
            if !peers.iter().any(|peer| peer.address == line.address) {
                peers.push(Peer {
                    address: line.address,
                    min_ttl: line.min_ttl.unwrap_or(0),
                    max_ttl: line.max_ttl.unwrap_or(u8::MAX),
                });
            }
        }
    }
    if peers.is_empty() {
        return None;
    }
    Some(Unicast {
        peers,
        ttl: given(section, "unicast_ttl")
            .and_then(Value::whole)
            .unwrap_or(UNICAST_TTL),
        check_source,
        old_checksum: match given(section, "old_unicast_checksum") {
            None => OldChecksum::Auto,
            Some(Value::Choice("never")) => OldChecksum::Never,
            Some(_) => OldChecksum::Always,
        },
    })
}

/// Which bytes the checksums of its adverts cover.
pub(super) fn dialect(version: Version, ipv6: bool, as_v2: bool) -> ChecksumDialect {
    if version == Version::V3 && !ipv6 && as_v2 {
        ChecksumDialect::MessageOnly
    } else {
        ChecksumDialect::PseudoHeader
    }
}

/// The interfaces that it watches.
pub(super) fn tracked(section: &Section) -> Vec<TrackedInterface> {
    let lines = section
        .all("track_interface")
        .flat_map(|setting| setting.value.tracked());
    let mut tracked: Vec<TrackedInterface> = Vec::new();
    for TrackLine { name, weight } in lines {
        if tracked.iter().any(|one| one.interface == *name.text) {
            continue;
        }
        tracked.push(TrackedInterface {
            interface: name.text.to_string(),
            weight: weight.map_or(Weight::default(), |weight| Weight {
                value: weight.value,
                reverse: weight.reverse,
            }),
        });
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
