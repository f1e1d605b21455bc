//! A rule as the kernel is asked for it.

use std::fmt::Write as _;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use vip_common::ids::Family;

use super::super::ask::Request;
use super::super::message::{attributes, number};
use super::{ROUTE_PROTOCOL, RTM_NEWRULE, octets, realms, write_network};
use crate::config::estate::{Rule, RuleAction};

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_FLOW: u16 = 11;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;

/// `FIB_RULE_INVERT`.
const INVERT: u32 = 2;

/// The request for a rule.
pub(in super::super) fn rule_request(rule: &Rule) -> Request {
    let family = match rule.family {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    let (action, table) = match rule.action {
        RuleAction::Table(table) => (1, table),
        RuleAction::VrfTable => (1, 0),
        RuleAction::Goto(_) => (2, 0),
        RuleAction::Nop => (3, 0),
        RuleAction::Blackhole => (6, 0),
        RuleAction::Unreachable => (7, 0),
        RuleAction::Prohibit => (8, 0),
    };
    let flags = if rule.inverted { INVERT } else { 0 };
    let mut header = vec![
        family as u8,
        rule.to.map_or(0, |to| to.prefix),
        rule.from.map_or(0, |from| from.prefix),
        rule.tos,
        u8::try_from(table).unwrap_or(0),
        0,
        0,
        action,
    ];
    header.extend(flags.to_ne_bytes());
    // Exclusive: the kernel would take the same rule any number of times.
    let mut request = Request::new(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &header);
    request.number(FRA_PRIORITY, rule.preference);
    request.bytes(FRA_PROTOCOL, &[rule.protocol.unwrap_or(ROUTE_PROTOCOL)]);
    match rule.action {
        RuleAction::Table(table) => drop(request.number(FRA_TABLE, table)),
        RuleAction::VrfTable => drop(request.bytes(FRA_L3MDEV, &[1])),
        RuleAction::Goto(target) => drop(request.number(FRA_GOTO, target)),
        RuleAction::Nop
        | RuleAction::Blackhole
        | RuleAction::Unreachable
        | RuleAction::Prohibit => {}
    }
    if let Some(to) = rule.to.filter(|to| to.prefix > 0) {
        request.bytes(FRA_DST, &octets(to.address));
    }
    if let Some(from) = rule.from.filter(|from| from.prefix > 0) {
        request.bytes(FRA_SRC, &octets(from.address));
    }
    if let Some(name) = &rule.input {
        request.text(FRA_IIFNAME, name);
    }
    if let Some(name) = &rule.output {
        request.text(FRA_OIFNAME, name);
    }
    if let Some((mark, mask)) = rule.mark {
        request.number(FRA_FWMARK, mark).number(FRA_FWMASK, mask);
    }
    if let Some((first, last)) = rule.users {
        let range = [first.to_ne_bytes(), last.to_ne_bytes()].concat();
        request.bytes(FRA_UID_RANGE, &range);
    }
    if let Some(tunnel) = rule.tunnel {
        request.bytes(FRA_TUN_ID, &tunnel.to_be_bytes());
    }
    if let Some(protocol) = rule.ip_protocol {
        request.bytes(FRA_IP_PROTO, &[protocol]);
    }
    for (attribute, ports) in [
        (FRA_SPORT_RANGE, rule.source_ports),
        (FRA_DPORT_RANGE, rule.destination_ports),
    ] {
        if let Some((first, last)) = ports {
            let range = [first.to_ne_bytes(), last.to_ne_bytes()].concat();
            request.bytes(attribute, &range);
        }
    }
    if let Some(prefix) = rule.suppress_prefix {
        request.number(FRA_SUPPRESS_PREFIXLEN, u32::from(prefix));
    }
    if let Some(group) = rule.suppress_group {
        request.number(FRA_SUPPRESS_IFGROUP, group);
    }
    if let Some(pair) = rule.realms {
        realms(&mut request, FRA_FLOW, pair);
    }
    request
}

/// A rule as people write it, in short.
pub(in super::super) fn words(rule: &Rule) -> String {
    let mut words = format!("rule {}", rule.preference);
    if rule.inverted {
        words.push_str(" not");
    }
    // Writing to a text cannot fail.
    for (word, network) in [(" from ", rule.from), (" to ", rule.to)] {
        if let Some(network) = network {
            words.push_str(word);
            let _ = write_network(&mut words, network.address, network.prefix);
        }
    }
    for (word, name) in [(" iif ", &rule.input), (" oif ", &rule.output)] {
        if let Some(name) = name {
            words.push_str(word);
            words.push_str(name);
        }
    }
    if let Some((mark, mask)) = rule.mark {
        let _ = write!(words, " fwmark {mark:#x}/{mask:#x}");
    }
    let _ = match rule.action {
        RuleAction::Table(table) => write!(words, " table {table}"),
        RuleAction::VrfTable => write!(words, " l3mdev"),
        RuleAction::Goto(target) => write!(words, " goto {target}"),
        RuleAction::Nop => write!(words, " nop"),
        RuleAction::Blackhole => write!(words, " blackhole"),
        RuleAction::Unreachable => write!(words, " unreachable"),
        RuleAction::Prohibit => write!(words, " prohibit"),
    };
    words
}

/// A rule by its number, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct RuleRecord {
    pub(in super::super) family: u8,
    pub(in super::super) preference: u32,
    pub(in super::super) protocol: u8,
}

/// The rule that the body of a request or an answer is about.
pub(in super::super) fn read_rule(body: &[u8]) -> Option<RuleRecord> {
    let mut record = RuleRecord {
        family: *body.first()?,
        preference: 0,
        protocol: 0,
    };
    for nla in attributes(body.get(12..)?) {
        match nla.kind() {
            FRA_PRIORITY => record.preference = number(nla.value(), 0)?,
            FRA_PROTOCOL => record.protocol = *nla.value().first()?,
            _ => {}
        }
    }
    Some(record)
}
