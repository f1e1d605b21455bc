//! Lines of routes and rules to plain data: names become numbers.

use std::cell::{Cell, OnceCell};
use std::path::{Path, PathBuf};

use vip_common::ids::Family;

use super::super::diag::Sink;
use super::super::estate::{NextHop, Realms, Route, Rule, RuleAction};
use super::super::lex::Token;
use super::super::lists::route::RouteType;
use super::super::lists::{
    Action, Hop, Kind, Metric, Names, Number, RouteLine, RuleLine, hop, network,
};
use super::super::reading::Files;
use super::globals::Globals;

/// Turns names into numbers; what a host does not know is said.
pub(super) struct Resolver<'a> {
    files: &'a dyn Files,
    /// Where names stand: the host's own, then iproute2's. What the first one says
    /// is not overridden.
    directories: Vec<PathBuf>,
    /// The names, once one is asked for.
    names: OnceCell<Names>,
    /// The preference of the next rule that has none, of IPv4 and of IPv6.
    preference: [Cell<u32>; 2],
}

/// Where they stand by default; Debian and others have moved the second.
const ETC: &str = "/etc/iproute2";
const USR: [&str; 2] = ["/usr/share/iproute2", "/usr/lib/iproute2"];

/// RT_SCOPE_HOST, RT_SCOPE_LINK and RT_SCOPE_UNIVERSE.
const HOST: u8 = 254;
const LINK: u8 = 253;
const UNIVERSE: u8 = 0;

/// Where the preferences begin that rules get that have none, as in keepalived.
const FIRST_PREFERENCE: u32 = 16384;

impl<'a> Resolver<'a> {
    pub(super) fn new(files: &'a dyn Files, globals: &Globals) -> Self {
        let [etc, usr] = &globals.names;
        let mut directories = vec![etc.clone().unwrap_or_else(|| ETC.into())];
        match usr {
            Some(usr) => directories.push(usr.clone()),
            None => directories.extend(USR.map(PathBuf::from)),
        }
        Self {
            files,
            directories,
            names: OnceCell::new(),
            preference: [const { Cell::new(FIRST_PREFERENCE) }; 2],
        }
    }

    /// The number; `None` where the host does not know it, which is said.
    fn number(&self, kind: Kind, number: &Number, sink: &mut Sink) -> Option<u32> {
        let word = match number {
            Number::Known(number) => return Some(*number),
            Number::Named(word) => word,
        };
        let names = self.names.get_or_init(|| {
            let directories: Vec<&Path> = self.directories.iter().map(PathBuf::as_path).collect();
            Names::load(self.files, &directories)
        });
        let found = names.get(kind, &word.text);
        if found.is_none() {
            sink.add(names.not_known(kind, word));
        }
        found
    }

    /// The same where there may be none. The outer `None` leaves the line out.
    #[expect(
        clippy::option_option,
        reason = "not given, and not known, are two things"
    )]
    fn maybe<N: TryFrom<u32>>(
        &self,
        kind: Kind,
        number: Option<&Number>,
        sink: &mut Sink,
    ) -> Option<Option<N>> {
        match number {
            None => Some(None),
            Some(number) => N::try_from(self.number(kind, number, sink)?).ok().map(Some),
        }
    }

    fn realms(&self, realms: &hop::Realms, sink: &mut Sink) -> Option<Realms> {
        let from = self.maybe(Kind::Realm, realms.from.as_ref(), sink)?;
        let to = self.number(Kind::Realm, &realms.to, sink)?;
        Some(Realms {
            from: from.unwrap_or(0),
            to: to.try_into().ok()?,
        })
    }

    fn hop(&self, hop: &Hop, sink: &mut Sink) -> Option<NextHop> {
        Some(NextHop {
            via: hop.via,
            device: hop.device.as_ref().map(text),
            weight: hop.weight,
            on_link: hop.on_link,
            encap: hop.encap.clone(),
            realms: match &hop.realms {
                Some(realms) => Some(self.realms(realms, sink)?),
                None => None,
            },
        })
    }

    /// A route; `None` where it is left out, which has been said.
    pub(super) fn route(&self, line: &RouteLine, sink: &mut Sink) -> Option<Route> {
        let mut via = line.via;
        let mut hops = Vec::with_capacity(line.hops.len());
        for hop in &line.hops {
            hops.push(self.hop(hop, sink)?);
        }
        if !line.alternatives.is_empty() {
            // They share the load with the first.
            let gateways = via.take().into_iter().chain(line.alternatives.clone());
            hops.extend(gateways.map(|gateway| NextHop {
                via: Some(gateway),
                device: line.device.as_ref().map(text),
                weight: 1,
                on_link: line.on_link,
                encap: None,
                realms: None,
            }));
        }
        let tos = self.maybe(Kind::DsField, line.tos.as_ref(), sink)?;
        let scope = self.maybe(Kind::Scope, line.scope.as_ref(), sink)?;
        let realms = match &line.realms {
            Some(realms) => Some(self.realms(realms, sink)?),
            None => None,
        };
        let mut metrics: Vec<Metric> = Vec::new();
        for metric in &line.metrics {
            // The last one counts.
            metrics.retain(|earlier| earlier.property != metric.property);
            metrics.push(*metric);
        }
        Some(Route {
            destination: line.destination,
            kind: line.kind.number(),
            source: line.source,
            from: line.from,
            device: line.device.as_ref().map(text),
            on_link: line.on_link,
            tos: tos.unwrap_or(0),
            table: self.maybe(Kind::Table, line.table.as_ref(), sink)?,
            vrf: line.vrf.as_ref().map(text),
            protocol: self.maybe(Kind::Protocol, line.protocol.as_ref(), sink)?,
            scope: scope.unwrap_or_else(|| scope_of(line)),
            metric: line.metric,
            expires: line.expires,
            metrics,
            ecn: line.ecn,
            congestion: line
                .congestion
                .as_ref()
                .map(|(name, locked)| (text(name), *locked)),
            preference: line.preference,
            ttl_propagate: line.ttl_propagate,
            realms,
            encap: line.encap.clone(),
            via,
            hops,
            order: line.order,
            no_track: line.no_track,
        })
    }

    /// Rules of one list; those that give no preference get one, as in keepalived.
    pub(super) fn rules<'l>(
        &self,
        lines: impl Iterator<Item = &'l RuleLine>,
        sink: &mut Sink,
    ) -> Vec<Rule> {
        lines.filter_map(|line| self.rule(line, sink)).collect()
    }

    fn rule(&self, line: &RuleLine, sink: &mut Sink) -> Option<Rule> {
        let action = match &line.action {
            Action::Table(table) => RuleAction::Table(self.number(Kind::Table, table, sink)?),
            Action::VrfTable => RuleAction::VrfTable,
            Action::Goto(target) => RuleAction::Goto(*target),
            Action::Nop => RuleAction::Nop,
            Action::Blackhole => RuleAction::Blackhole,
            Action::Unreachable => RuleAction::Unreachable,
            Action::Prohibit => RuleAction::Prohibit,
        };
        let tos = self.maybe(Kind::DsField, line.tos.as_ref(), sink)?;
        Some(Rule {
            family: match line.family {
                network::Family::V4 => Family::V4,
                network::Family::V6 => Family::V6,
            },
            action,
            inverted: line.inverted,
            from: line.from,
            to: line.to,
            input: line.input.as_ref().map(text),
            output: line.output.as_ref().map(text),
            tos: tos.unwrap_or(0),
            mark: line.mark,
            users: line.users,
            tunnel: line.tunnel,
            ip_protocol: line.protocol,
            source_ports: line.source_ports,
            destination_ports: line.destination_ports,
            suppress_prefix: line.suppress_prefix,
            suppress_group: self.maybe(Kind::Group, line.suppress_group.as_ref(), sink)?,
            realms: match &line.realms {
                Some(realms) => Some(self.realms(realms, sink)?),
                None => None,
            },
            preference: line
                .preference
                .unwrap_or_else(|| self.next_preference(line.family)),
            protocol: self.maybe(Kind::Protocol, line.made_by.as_ref(), sink)?,
            no_track: line.no_track,
        })
    }

    fn next_preference(&self, family: network::Family) -> u32 {
        let [v4, v6] = &self.preference;
        let next = match family {
            network::Family::V4 => v4,
            network::Family::V6 => v6,
        };
        next.replace(next.get().saturating_sub(1))
    }

    /// The number of a group of interfaces.
    pub(super) fn group(&self, group: &Number, sink: &mut Sink) -> Option<u32> {
        self.number(Kind::Group, group, sink)
    }
}

/// How far a route reaches where it does not say so, as in iproute2.
fn scope_of(line: &RouteLine) -> u8 {
    if line.destination.address.is_ipv6() {
        return UNIVERSE;
    }
    match line.kind {
        RouteType::Local | RouteType::Nat => HOST,
        RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast => LINK,
        RouteType::Unicast
            if line.via.is_none() && line.alternatives.is_empty() && line.hops.is_empty() =>
        {
            LINK
        }
        RouteType::Unicast
        | RouteType::Blackhole
        | RouteType::Unreachable
        | RouteType::Prohibit
        | RouteType::Throw
        | RouteType::Xresolve
        | RouteType::Other(_) => UNIVERSE,
    }
}

fn text(token: &Token) -> String {
    token.text.to_string()
}
