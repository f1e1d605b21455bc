//! On which interface an address would be a neighbour's, by the kernel's tables.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A route that leads to neighbours: no gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Neighbours {
    interface: String,
    prefix: u32,
    metric: u32,
}

/// The interfaces by which the address is reached without a router, of those that
/// `fits` takes: the ones of the longest prefix, and of those the lowest metric.
pub(super) fn interfaces(address: IpAddr, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let read = |name: &str| {
        fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default()
    };
    let routes = match address {
        IpAddr::V4(address) => v4(&read("route"), address),
        IpAddr::V6(address) => v6(&read("ipv6_route"), address),
    };
    best(
        routes
            .into_iter()
            .filter(|route| fits(&route.interface))
            .collect(),
    )
}

fn best(mut routes: Vec<Neighbours>) -> Vec<String> {
    let rank = |route: &Neighbours| (std::cmp::Reverse(route.prefix), route.metric);
    routes.sort_by_key(rank);
    let first = routes.first().map(rank);
    let mut names: Vec<String> = routes
        .iter()
        .filter(|route| Some(rank(route)) == first)
        .map(|route| route.interface.clone())
        .collect();
    names.dedup();
    names
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, addresses as the
/// machine has them in memory.
fn v4(table: &str, address: Ipv4Addr) -> Vec<Neighbours> {
    let number = |word: &str| u32::from_str_radix(word, 16).ok().map(u32::from_be);
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [interface, to, gateway, _, _, _, metric, mask, ..] = words[..] else {
            return None;
        };
        let (to, mask) = (number(to)?, number(mask)?);
        let leads = number(gateway)? == 0 && mask != 0 && address.to_bits() & mask == to;
        leads.then_some(Neighbours {
            interface: interface.to_owned(),
            prefix: mask.leading_ones(),
            metric: metric.parse().ok()?,
        })
    };
    table.lines().skip(1).filter_map(route).collect()
}

/// `destination prefix source prefix next-hop metric references use flags interface`,
/// all in hexadecimal digits.
fn v6(table: &str, address: Ipv6Addr) -> Vec<Neighbours> {
    /// What is this host's own, or refused.
    const RTF_REJECT: u32 = 0x0200;
    const RTF_LOCAL: u32 = 0x8000_0000;
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [to, prefix, _, _, next, metric, _, _, flags, interface] = words[..] else {
            return None;
        };
        let wide = |word: &str| u128::from_str_radix(word, 16).ok();
        let number = |word: &str| u32::from_str_radix(word, 16).ok();
        let prefix = number(prefix)?;
        let mask = u128::MAX
            .checked_shl(128_u32.checked_sub(prefix)?)
            .unwrap_or(0);
        let leads = wide(next)? == 0
            && mask != 0
            && number(flags)? & (RTF_REJECT | RTF_LOCAL) == 0
            && address.to_bits() & mask == wide(to)?;
        leads.then_some(Neighbours {
            interface: interface.to_owned(),
            prefix,
            metric: number(metric)?,
        })
    };
    table.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a little-endian machine writes it.
    const V4: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t0108A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t0008A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        vrrp.51\t0008A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        eth1\t0008A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n\
        eth2\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";

    const V6: &str = "20010db8000800000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n\
        fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n\
        fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1\n\
        20010db8000800000000000000000004 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo\n\
        00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_nearest_network_without_a_router() {
        let at = |last: [u8; 4], fits: &dyn Fn(&str) -> bool| {
            best(
                v4(V4, last.into())
                    .into_iter()
                    .filter(|one| fits(&one.interface))
                    .collect(),
            )
        };
        assert_eq!(at([192, 168, 8, 100], &|_| true), ["eth0", "vrrp.51"]);
        assert_eq!(at([192, 168, 8, 100], &|name| name != "vrrp.51"), ["eth0"]);
        assert_eq!(at([192, 168, 8, 100], &|name| name == "eth1"), ["eth1"]);
        assert_eq!(at([192, 168, 9, 1], &|_| true), ["eth2"]);
        assert_eq!(at([10, 0, 0, 1], &|_| true), [""; 0]);
    }

    #[test]
    fn ipv6_as_well_and_link_local_is_unclear() {
        let at = |address: &str| best(v6(V6, address.parse().unwrap()));
        assert_eq!(at("2001:db8:8::100"), ["eth0"]);
        assert_eq!(
            at("2001:db8:8::4"),
            ["eth0"],
            "its own, and a neighbour's all the same"
        );
        assert_eq!(at("fe80::1"), ["eth0", "eth1"]);
        assert_eq!(at("2001:db8:9::1"), [""; 0]);
    }
}
