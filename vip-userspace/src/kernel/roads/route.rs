//! A route as the kernel is asked for it.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};

use super::super::ask::Request;
use super::super::message::{attributes, ip, number};
use super::{MAIN, ROUTE_PROTOCOL, RTM_NEWROUTE, family_of, octets, realms, write_network};
use crate::config::estate::{Encap, IpEncap, NextHop, Order, Preference, Property, Route};

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_EXPIRES: u16 = 23;
const RTA_TTL_PROPAGATE: u16 = 26;

const RTNH_F_ONLINK: u8 = 4;
/// The metric that the kernel gives an IPv6 route without one.
const METRIC_V6: u32 = 1024;

/// The request for a route; `index_of` knows the interfaces by name, `table_of` the
/// tables of VRFs. An error says what is missing.
pub(in super::super) fn route_request(
    route: &Route,
    index_of: &mut dyn FnMut(&str) -> io::Result<u32>,
    table_of: &mut dyn FnMut(&str) -> io::Result<u32>,
) -> io::Result<Request> {
    let order = match route.order {
        Order::Prepend => NLM_F_CREATE,
        Order::Append => NLM_F_CREATE | NLM_F_APPEND,
        Order::Add => NLM_F_CREATE | NLM_F_EXCL,
    };
    let on_link = if route.on_link { RTNH_F_ONLINK } else { 0 };
    let table = match (&route.vrf, route.table) {
        (_, Some(table)) => table,
        (Some(vrf), None) => table_of(vrf)?,
        (None, None) => MAIN,
    };
    let header = [
        family_of(route.destination.address),
        route.destination.prefix,
        route.from.map_or(0, |from| from.prefix),
        route.tos,
        // In full, and beyond 255, it stands in its attribute.
        u8::try_from(table).unwrap_or(0),
        route.protocol.unwrap_or(ROUTE_PROTOCOL),
        route.scope,
        route.kind,
        on_link,
        0,
        0,
        0,
    ];
    let mut request = Request::new(RTM_NEWROUTE, order, &header);
    request.number(RTA_TABLE, table);
    if route.destination.prefix > 0 {
        request.bytes(RTA_DST, &octets(route.destination.address));
    }
    if let Some(from) = route.from.filter(|from| from.prefix > 0) {
        request.bytes(RTA_SRC, &octets(from.address));
    }
    if let Some(metric) = route.metric {
        request.number(RTA_PRIORITY, metric);
    }
    if let Some(source) = route.source {
        request.bytes(RTA_PREFSRC, &octets(source));
    }
    if let Some(gateway) = route.via {
        via(&mut request, route.destination.address, gateway);
    }
    if let Some(device) = &route.device
        && route.hops.is_empty()
    {
        request.number(RTA_OIF, index_of(device)?);
    }
    if let Some(pair) = route.realms {
        realms(&mut request, RTA_FLOW, pair);
    }
    if let Some(expires) = route.expires {
        request.number(RTA_EXPIRES, expires);
    }
    if let Some(preference) = route.preference {
        let preference = match preference {
            Preference::Low => 3,
            Preference::Medium => 0,
            Preference::High => 1,
        };
        request.bytes(RTA_PREF, &[preference]);
    }
    if let Some(propagate) = route.ttl_propagate {
        request.bytes(RTA_TTL_PROPAGATE, &[u8::from(propagate)]);
    }
    metrics(&mut request, route);
    if let Some(encap) = &route.encap {
        encapsulation(&mut request, encap);
    }
    if !route.hops.is_empty() {
        let mut indices = Vec::new();
        for hop in &route.hops {
            indices.push(match &hop.device {
                Some(device) => index_of(device)?,
                None => 0,
            });
        }
        request.nested(RTA_MULTIPATH, |inside| {
            for (hop, index) in route.hops.iter().zip(indices) {
                next_hop(inside, route.destination.address, hop, index);
            }
        });
    }
    Ok(request)
}

/// A gateway, of the other family too.
fn via(request: &mut Request, destination: IpAddr, gateway: IpAddr) {
    if destination.is_ipv4() == gateway.is_ipv4() {
        request.bytes(RTA_GATEWAY, &octets(gateway));
    } else {
        let mut value = u16::from(family_of(gateway)).to_ne_bytes().to_vec();
        value.extend(octets(gateway));
        request.bytes(RTA_VIA, &value);
    }
}

/// One of several ways: a `struct rtnexthop` and its attributes.
fn next_hop(request: &mut Request, destination: IpAddr, hop: &NextHop, index: u32) {
    let start = request.body.len();
    let flags = if hop.on_link { RTNH_F_ONLINK } else { 0 };
    let weight = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
    request.body.extend_from_slice(&[0, 0, flags, weight]);
    request.body.extend_from_slice(&index.to_ne_bytes());
    if let Some(gateway) = hop.via {
        via(request, destination, gateway);
    }
    if let Some(pair) = hop.realms {
        realms(request, RTA_FLOW, pair);
    }
    if let Some(encap) = &hop.encap {
        encapsulation(request, encap);
    }
    request.seal(start);
}

/// What the route knows of its path.
fn metrics(request: &mut Request, route: &Route) {
    const LOCK: u16 = 1;
    const FEATURES: u16 = 12;
    const CONGESTION: u16 = 16;
    const ECN: u32 = 1;

    if route.metrics.is_empty() && !route.ecn && route.congestion.is_none() {
        return;
    }
    let locked = route.metrics.iter().filter(|metric| metric.locked);
    let locked = locked.map(|metric| attribute_of(metric.property));
    let congestion = route.congestion.iter().filter(|(_, locked)| *locked);
    let locked = locked
        .chain(congestion.map(|_| CONGESTION))
        .fold(0, |all, one| all | 1 << one);
    request.nested(RTA_METRICS, |inside| {
        if locked != 0 {
            inside.number(LOCK, locked);
        }
        for metric in &route.metrics {
            inside.number(attribute_of(metric.property), metric.value);
        }
        if route.ecn {
            inside.number(FEATURES, ECN);
        }
        if let Some((name, _)) = &route.congestion {
            inside.text(CONGESTION, name);
        }
    });
}

fn attribute_of(property: Property) -> u16 {
    match property {
        Property::Mtu => 2,
        Property::Window => 3,
        Property::Rtt => 4,
        Property::RttVar => 5,
        Property::SsThresh => 6,
        Property::Cwnd => 7,
        Property::AdvMss => 8,
        Property::Reordering => 9,
        Property::HopLimit => 10,
        Property::InitCwnd => 11,
        Property::RtoMin => 13,
        Property::InitRwnd => 14,
        Property::QuickAck => 15,
        Property::FastOpenNoCookie => 17,
    }
}

/// What packets are put into on their way.
fn encapsulation(request: &mut Request, encap: &Encap) {
    const MPLS: u16 = 1;
    const IP: u16 = 2;
    const ILA: u16 = 3;
    const IP6: u16 = 4;
    const MPLS_DESTINATION: u16 = 1;
    const ILA_LOCATOR: u16 = 1;

    let kind = match encap {
        Encap::Mpls(_) => MPLS,
        Encap::Ip(_) => IP,
        Encap::Ila(_) => ILA,
        Encap::Ip6(_) => IP6,
    };
    request.bytes(RTA_ENCAP_TYPE, &kind.to_ne_bytes());
    request.nested(RTA_ENCAP, |inside| match encap {
        Encap::Mpls(labels) => {
            inside.bytes(MPLS_DESTINATION, &label_stack(labels));
        }
        Encap::Ila(locator) => {
            inside.bytes(ILA_LOCATOR, &locator.to_be_bytes());
        }
        // Time to live and class stand at the same two numbers in both.
        Encap::Ip(header) => tunnel(inside, header, |address: Ipv4Addr| {
            address.octets().to_vec()
        }),
        Encap::Ip6(header) => {
            tunnel(inside, header, |address: Ipv6Addr| {
                address.octets().to_vec()
            });
        }
    });
}

fn tunnel<A: Copy>(inside: &mut Request, header: &IpEncap<A>, bytes: impl Fn(A) -> Vec<u8>) {
    const ID: u16 = 1;
    const DESTINATION: u16 = 2;
    const SOURCE: u16 = 3;
    const LIMIT: u16 = 4;
    const CLASS: u16 = 5;
    const FLAGS: u16 = 6;

    if let Some(id) = header.id {
        inside.bytes(ID, &id.to_be_bytes());
    }
    if let Some(destination) = header.destination {
        inside.bytes(DESTINATION, &bytes(destination));
    }
    if let Some(source) = header.source {
        inside.bytes(SOURCE, &bytes(source));
    }
    if let Some(limit) = header.hop_limit {
        inside.bytes(LIMIT, &[limit]);
    }
    if let Some(class) = header.traffic_class {
        inside.bytes(CLASS, &[class]);
    }
    if let Some(flags) = header.flags {
        inside.bytes(FLAGS, &flags.to_be_bytes());
    }
}

/// Labels as they stand in a packet; the last one carries the bottom bit.
fn label_stack(labels: &[u32]) -> Vec<u8> {
    const BOTTOM: u32 = 1 << 8;
    let last = labels.len().saturating_sub(1);
    let entry = |(place, label): (usize, &u32)| {
        let bottom = if place == last { BOTTOM } else { 0 };
        (label << 12 | bottom).to_be_bytes()
    };
    labels.iter().enumerate().flat_map(entry).collect()
}

/// A route as people write it, in short: where to, by which way, in which table.
pub(in super::super) fn words(route: &Route) -> String {
    let mut words = String::from("route ");
    let kind = match route.kind {
        1 => "",
        2 => "local ",
        3 => "broadcast ",
        4 => "anycast ",
        5 => "multicast ",
        6 => "blackhole ",
        7 => "unreachable ",
        8 => "prohibit ",
        9 => "throw ",
        _ => "special ",
    };
    words.push_str(kind);
    // Writing to a text cannot fail.
    let _ = write_network(
        &mut words,
        route.destination.address,
        route.destination.prefix,
    );
    if let Some(from) = route.from {
        let _ = write!(words, " from {}/{}", from.address, from.prefix);
    }
    let hop = |words: &mut String, gateway: Option<IpAddr>, device: Option<&String>| {
        if let Some(gateway) = gateway {
            let _ = write!(words, " via {gateway}");
        }
        if let Some(device) = device {
            let _ = write!(words, " dev {device}");
        }
    };
    hop(&mut words, route.via, route.device.as_ref());
    for one in &route.hops {
        words.push_str(" nexthop");
        hop(&mut words, one.via, one.device.as_ref());
    }
    match (&route.vrf, route.table) {
        (_, Some(table)) => drop(write!(words, " table {table}")),
        (Some(vrf), None) => drop(write!(words, " vrf {vrf}")),
        (None, None) => {}
    }
    if let Some(metric) = route.metric {
        let _ = write!(words, " metric {metric}");
    }
    words
}

/// What makes a route stand in another one's place, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct RouteRecord {
    pub(in super::super) destination: IpAddr,
    pub(in super::super) prefix: u8,
    pub(in super::super) tos: u8,
    pub(in super::super) table: u32,
    pub(in super::super) metric: u32,
    pub(in super::super) protocol: u8,
}

impl RouteRecord {
    /// Whether the other stands in its place.
    pub(in super::super) fn same_place(&self, other: &Self) -> bool {
        let place = |one: &Self| (one.destination, one.prefix, one.tos, one.table, one.metric);
        place(self) == place(other)
    }
}

/// The route that the body of a request or an answer is about.
pub(in super::super) fn read_route(body: &[u8]) -> Option<RouteRecord> {
    let &[family, prefix, _, tos, table, protocol, ..] = body else {
        return None;
    };
    let v6 = match i32::from(family) {
        libc::AF_INET => false,
        libc::AF_INET6 => true,
        _ => return None,
    };
    let mut record = RouteRecord {
        destination: if v6 {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        },
        prefix,
        tos,
        table: u32::from(table),
        metric: if v6 { METRIC_V6 } else { 0 },
        protocol,
    };
    for nla in attributes(body.get(12..)?) {
        match nla.kind() {
            RTA_DST => record.destination = ip(nla.value())?,
            RTA_TABLE => record.table = number(nla.value(), 0)?,
            RTA_PRIORITY => record.metric = number(nla.value(), 0)?,
            _ => {}
        }
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_label_is_the_bottom() {
        assert_eq!(
            label_stack(&[100, 200]),
            [0x00, 0x06, 0x40, 0x00, 0x00, 0x0c, 0x81, 0x00]
        );
        assert_eq!(label_stack(&[]), [0; 0]);
    }
}
