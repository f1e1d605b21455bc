//! Interfaces and addresses: whether those are here that a file speaks of.

use std::collections::HashSet;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use vip_common::ids::Priority;

use super::Report;
use crate::config::diag::nearest;
use crate::config::{Instance, Severity, VirtualAddress};
use crate::kernel::Link;

/// An interface that is not here.
pub(super) fn absent(report: &mut Report<'_>, instance: &Instance, name: &str, links: &[Link]) {
    let names = links.iter().map(|link| link.name.as_str());
    let help = match nearest(name, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}; it is FAULT until it appears", listed(links)),
    };
    let message = format!("interface `{name}` does not exist here");
    report.of(Severity::Error, instance, "interface", message, &help);
}

fn listed(links: &[Link]) -> String {
    const MOST: usize = 8;
    let mut names: Vec<&str> = links
        .iter()
        .map(|link| link.name.as_str())
        .filter(|name| *name != "lo")
        .take(MOST + 1)
        .collect();
    if names.len() > MOST {
        names.truncate(MOST);
        names.push("…");
    }
    if names.is_empty() {
        return "no interfaces but lo".to_owned();
    }
    names.join(", ")
}

/// An interface that is here, and the addresses that would come to it. `served`
/// says whether a daemon runs here that may have put them there.
pub(super) fn judge(
    report: &mut Report<'_>,
    link: &Link,
    instances: &[&Instance],
    links: &[Link],
    served: bool,
) {
    let Some(first) = instances.first() else {
        return;
    };
    let name = &link.name;
    if !link.up {
        let help = format!("ip link set {name} up; it is FAULT until then");
        let message = format!("{name} is down");
        report.of(Severity::Warning, first, "interface", message, &help);
    } else if !link.running {
        let message = format!("{name} has no carrier");
        let help = "it is FAULT until the cable or the switch is there";
        report.of(Severity::Warning, first, "interface", message, help);
    }
    if !multicasts(name) && instances.iter().any(|one| one.unicast.is_none()) {
        let message = format!("{name} does not multicast, and adverts are multicast");
        let help = "take an Ethernet interface; `lo`, tunnels and NOARP devices cannot";
        report.of(Severity::Error, first, "interface", message, help);
    }
    let ours = ours(instances);
    speaks(report, link, instances, &ours);
    for instance in instances {
        tracks(report, instance, links);
        for address in instance.addresses.iter().chain(&instance.excluded) {
            comes_home(report, instance, address, link, links, &ours);
            if !served && instance.priority != Priority::OWNER {
                is_free_here(report, instance, address, links);
            }
        }
    }
}

/// The addresses that are not this host's to speak from.
fn ours(instances: &[&Instance]) -> HashSet<IpAddr> {
    let movable = instances
        .iter()
        .filter(|one| one.priority != Priority::OWNER);
    movable
        .flat_map(|one| one.addresses.iter().chain(&one.excluded))
        .map(|one| one.address)
        .collect()
}

/// The addresses with which a host is here without us.
fn own<'a>(
    link: &'a Link,
    ours: &'a HashSet<IpAddr>,
) -> impl Iterator<Item = (IpAddr, u8)> + use<'a> {
    let all = link.addresses.iter().copied();
    all.filter(|(address, _)| !ours.contains(address))
}

/// Whether an address is one that an instance may speak from: of IPv6 a link-local
/// one, except to peers.
fn may_speak(instance: &Instance, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => !instance.is_ipv6(),
        IpAddr::V6(v6) => {
            instance.is_ipv6() && (instance.unicast.is_some() || v6.is_unicast_link_local())
        }
    }
}

/// Whether there is an address to speak from.
fn speaks(report: &mut Report<'_>, link: &Link, instances: &[&Instance], ours: &HashSet<IpAddr>) {
    let mut said = HashSet::new();
    for instance in instances {
        let mut usable = own(link, ours).filter(|(own, _)| may_speak(instance, *own));
        match instance.source {
            None if usable.next().is_none() && said.insert(instance.is_ipv6()) => {
                let what = match (instance.is_ipv6(), &instance.unicast) {
                    (false, _) => "IPv4",
                    (true, None) => "link-local IPv6",
                    (true, Some(_)) => "IPv6",
                };
                let message = format!("{} has no {what} address to speak from", link.name);
                let help =
                    "give it one of its own besides the virtual ones; it is FAULT until then";
                report.of(Severity::Error, instance, "interface", message, help);
            }
            Some(source) if !own(link, ours).any(|(own, _)| own == source) => {
                let keyword = if instance.unicast.is_some() {
                    "unicast_src_ip"
                } else {
                    "mcast_src_ip"
                };
                let message = format!("{keyword} {source} is not an address of {}", link.name);
                let help = "adverts would come from an address that is not here";
                report.of(Severity::Warning, instance, keyword, message, help);
            }
            _ => {}
        }
    }
}

/// Whether the interfaces are here that it watches.
fn tracks(report: &mut Report<'_>, instance: &Instance, links: &[Link]) {
    for tracked in &instance.track_interfaces {
        let name = &tracked.interface;
        if links.iter().any(|link| link.name == *name) {
            continue;
        }
        let message = format!("interface `{name}`, which is tracked, does not exist here");
        let help = if tracked.weight.value == 0 {
            "the instance is FAULT until it appears"
        } else {
            "it counts as down until it appears"
        };
        report.of(Severity::Error, instance, "track_interface", message, help);
    }
}

/// Whether an address belongs to a subnet of the interface that it comes to.
fn comes_home(
    report: &mut Report<'_>,
    instance: &Instance,
    address: &VirtualAddress,
    link: &Link,
    links: &[Link],
    ours: &HashSet<IpAddr>,
) {
    let link = match address.device.as_deref() {
        None => link,
        Some(device) if device == link.name => link,
        Some(device) => match links.iter().find(|link| link.name == device) {
            Some(link) => link,
            None => {
                let message = format!(
                    "interface `{device}` of {} does not exist here",
                    address.address
                );
                report.of_address(Severity::Error, instance, address.address, message, "");
                return;
            }
        },
    };
    let virtual_address = address.address;
    if matches!(virtual_address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return;
    }
    let same_family = |own: &(IpAddr, u8)| match own.0 {
        IpAddr::V4(_) => virtual_address.is_ipv4(),
        IpAddr::V6(v6) => virtual_address.is_ipv6() && !v6.is_unicast_link_local(),
    };
    let subnets: Vec<(IpAddr, u8)> = own(link, ours).filter(same_family).collect();
    if subnets.is_empty() || subnets.iter().any(|net| contains(*net, virtual_address)) {
        return;
    }
    let known: Vec<String> = subnets
        .iter()
        .map(|(own, prefix)| format!("{own}/{prefix}"))
        .collect();
    let message = format!(
        "{virtual_address} is in no subnet of {} ({})",
        link.name,
        known.join(", ")
    );
    let how = if virtual_address.is_ipv4() {
        "by ARP"
    } else {
        "by neighbour discovery"
    };
    let help = format!(
        "neighbours there do not look for it {how}; is it the right address and interface?"
    );
    report.of_address(Severity::Warning, instance, address.address, message, &help);
}

/// Whether an address is in the subnet of another one.
fn contains((own, prefix): (IpAddr, u8), address: IpAddr) -> bool {
    let same = |own: u128, address: u128, bits: u32| {
        let hosts = bits.saturating_sub(prefix.into());
        (own ^ address).checked_shr(hosts).unwrap_or(0) == 0
    };
    match (own, address) {
        (IpAddr::V4(own), IpAddr::V4(one)) => same(own.to_bits().into(), one.to_bits().into(), 32),
        (IpAddr::V6(own), IpAddr::V6(one)) => same(own.to_bits(), one.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// An address that is on this host while no daemon is.
fn is_free_here(
    report: &mut Report<'_>,
    instance: &Instance,
    address: &VirtualAddress,
    links: &[Link],
) {
    let holder = links.iter().find(|link| link.has(address.address));
    if let Some(link) = holder {
        let message = format!(
            "{} is on {} already, and no VRRP daemon runs here",
            address.address, link.name
        );
        let help = format!(
            "whoever put it there keeps it, as backup too; if it was left behind: `vip release`, or ip address del {}/{} dev {}",
            address.address, address.prefix, link.name
        );
        report.of_address(Severity::Warning, instance, address.address, message, &help);
    }
}

/// Whether an interface multicasts; in doubt it does.
fn multicasts(name: &str) -> bool {
    let Ok(mut all) = getifaddrs() else {
        return true;
    };
    let found = all.find(|one| one.interface_name == name);
    found.is_none_or(|one| one.flags.contains(InterfaceFlags::IFF_MULTICAST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use vip_common::ids::MacAddr;

    fn link(name: &str, addresses: &[([u8; 4], u8)]) -> Link {
        Link {
            name: name.to_owned(),
            index: 7,
            mac: MacAddr::ZERO,
            up: true,
            running: true,
            mtu: 1500,
            kind: None,
            has_vlans: false,
            addresses: addresses
                .iter()
                .map(|(address, prefix)| (IpAddr::from(*address), *prefix))
                .collect(),
            tentative: Vec::new(),
        }
    }

    /// What is said of one instance with these lines on this interface.
    fn said(lines: &str, link: &Link, served: bool) -> Vec<String> {
        let text = format!(
            "vrrp_instance A {{\ninterface {}\nvirtual_router_id 1\n{lines}\n}}\n",
            link.name
        );
        let loaded = config::parse(&text, "t");
        assert_eq!(loaded.count(Severity::Error), 0, "{:?}", loaded.problems);
        let mut report = Report::new(&loaded);
        let instances: Vec<_> = loaded.configuration.instances.iter().collect();
        judge(
            &mut report,
            link,
            &instances,
            std::slice::from_ref(link),
            served,
        );
        let said = report.problems.iter();
        said.map(|problem| format!("{}: {}", problem.severity(), problem.message()))
            // There is no such interface, about which the kernel says nothing.
            .collect()
    }

    const ADDRESS: &str = "virtual_ipaddress {\n192.0.2.1/24\n}";

    #[test]
    fn an_interface_in_order_has_nothing_to_say() {
        let fine = link("absent0", &[([192, 0, 2, 7], 24)]);
        assert_eq!(said(ADDRESS, &fine, false), Vec::<String>::new());
    }

    #[test]
    fn what_keeps_an_instance_in_fault() {
        let mut down = link("absent0", &[]);
        down.up = false;
        assert_eq!(
            said(ADDRESS, &down, false),
            [
                "warning: absent0 is down",
                "error: absent0 has no IPv4 address to speak from"
            ]
        );
        let mut dark = link("absent0", &[([192, 0, 2, 7], 24)]);
        dark.running = false;
        assert_eq!(
            said(ADDRESS, &dark, false),
            ["warning: absent0 has no carrier"]
        );
    }

    #[test]
    fn a_virtual_address_is_no_address_to_speak_from() {
        let only = link("absent0", &[([192, 0, 2, 1], 24)]);
        assert_eq!(
            said(ADDRESS, &only, true),
            ["error: absent0 has no IPv4 address to speak from"]
        );
        // Its owner speaks from it.
        let owner = format!("priority 255\n{ADDRESS}");
        assert_eq!(said(&owner, &only, false), Vec::<String>::new());
    }

    #[test]
    fn an_address_of_another_subnet() {
        let elsewhere = link("absent0", &[([198, 51, 100, 7], 24), ([192, 0, 3, 1], 24)]);
        assert_eq!(
            said(ADDRESS, &elsewhere, false),
            ["warning: 192.0.2.1 is in no subnet of absent0 (198.51.100.7/24, 192.0.3.1/24)"]
        );
        let wide = link("absent0", &[([192, 0, 3, 1], 23)]);
        assert_eq!(said(ADDRESS, &wide, false), Vec::<String>::new());
    }

    #[test]
    fn an_address_that_was_left_behind() {
        let left = link("absent0", &[([192, 0, 2, 7], 24), ([192, 0, 2, 1], 24)]);
        assert_eq!(
            said(ADDRESS, &left, false),
            ["warning: 192.0.2.1 is on absent0 already, and no VRRP daemon runs here"]
        );
        assert_eq!(said(ADDRESS, &left, true), Vec::<String>::new());
    }

    #[test]
    fn a_source_that_is_not_here() {
        let fine = link("absent0", &[([192, 0, 2, 7], 24)]);
        let lines = format!("mcast_src_ip 192.0.2.8\n{ADDRESS}");
        assert_eq!(
            said(&lines, &fine, false),
            ["warning: mcast_src_ip 192.0.2.8 is not an address of absent0"]
        );
    }

    #[test]
    fn ipv6_speaks_from_the_link() {
        let lines = "virtual_ipaddress {\nfe80::1/64\n2001:db8::1/64\n}";
        let mut six = link("absent0", &[([192, 0, 2, 7], 24)]);
        assert_eq!(
            said(lines, &six, false),
            ["error: absent0 has no link-local IPv6 address to speak from"]
        );
        six.addresses.push(("fe80::7".parse().unwrap(), 64));
        assert_eq!(said(lines, &six, false), Vec::<String>::new());
        six.addresses.push(("2001:db8:1::7".parse().unwrap(), 64));
        assert_eq!(
            said(lines, &six, false),
            ["warning: 2001:db8::1 is in no subnet of absent0 (2001:db8:1::7/64)"]
        );
        let peers = "unicast_peer {\n2001:db8:1::8\n}\nvirtual_ipaddress {\n2001:db8:1::1/64\n}";
        assert_eq!(said(peers, &six, false), Vec::<String>::new());
        let source = format!("unicast_src_ip 2001:db8:1::9\n{peers}");
        assert_eq!(
            said(&source, &six, false),
            ["warning: unicast_src_ip 2001:db8:1::9 is not an address of absent0"]
        );
    }

    #[test]
    fn an_interface_that_is_tracked_and_not_here() {
        let fine = link("absent0", &[([192, 0, 2, 7], 24)]);
        let lines = format!("track_interface {{\neth77\n}}\n{ADDRESS}");
        assert_eq!(
            said(&lines, &fine, false),
            ["error: interface `eth77`, which is tracked, does not exist here"]
        );
    }

    #[test]
    fn an_interface_that_is_not_here() {
        let text =
            format!("vrrp_instance A {{\ninterface eht0\nvirtual_router_id 1\n{ADDRESS}\n}}\n");
        let loaded = config::parse(&text, "t");
        let mut report = Report::new(&loaded);
        let links = [link("lo", &[]), link("eth0", &[])];
        let instance = &loaded.configuration.instances[0];
        absent(&mut report, instance, "eht0", &links);
        absent(&mut report, instance, "wan", &links);
        let help: Vec<_> = report.problems.iter().map(|p| p.help().unwrap()).collect();
        assert_eq!(help[0], "did you mean `eth0`?");
        assert!(help[1].starts_with("there are eth0;"), "{help:?}");
    }

    #[test]
    fn the_loopback_does_not_multicast() {
        assert!(!multicasts("lo"));
    }
}
