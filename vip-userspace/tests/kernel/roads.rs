//! Routes and rules, there and gone, and what a dead vip left of them.

use vip::config::estate::{Encap, IpEncap, Metric, Network, NextHop, Preference, Property, Realms};
use vip::kernel::Placed;

use crate::*;

fn network(text: &str) -> Network {
    let (address, prefix) = text.split_once('/').unwrap();
    Network {
        address: address.parse().unwrap(),
        prefix: prefix.parse().unwrap(),
    }
}

fn route(to: &str) -> Route {
    Route {
        destination: network(to),
        kind: 1,
        source: None,
        from: None,
        via: None,
        device: None,
        on_link: false,
        tos: 0,
        table: None,
        vrf: None,
        protocol: None,
        scope: 0,
        metric: None,
        expires: None,
        metrics: vec![],
        ecn: false,
        congestion: None,
        preference: None,
        ttl_propagate: None,
        realms: None,
        encap: None,
        hops: vec![],
        order: Order::Prepend,
        no_track: false,
    }
}

fn via(to: &str, gateway: &str) -> Route {
    Route {
        via: Some(gateway.parse().unwrap()),
        ..route(to)
    }
}

fn rule(family: Family, preference: u32) -> Rule {
    Rule {
        family,
        action: RuleAction::Table(100),
        inverted: false,
        from: None,
        to: None,
        input: None,
        output: None,
        tos: 0,
        mark: None,
        users: None,
        tunnel: None,
        ip_protocol: None,
        source_ports: None,
        destination_ports: None,
        suppress_prefix: None,
        suppress_group: None,
        realms: None,
        preference,
        protocol: None,
        no_track: false,
    }
}

/// Nothing was refused, and nothing was there before; how many are new.
fn all_placed(placed: Placed) -> usize {
    assert!(placed.failures.is_empty(), "{:?}", placed.failures);
    assert_eq!((placed.before_us, placed.unlisted), (vec![], None));
    placed.added
}

/// A cable with an address of either family on `a0`.
fn addressed_cable() -> u32 {
    let (a0, _) = cable();
    ip("addr add 10.0.0.1/24 dev a0");
    ip("-6 addr add 2001:db8::1/64 dev a0 nodad");
    a0
}

#[test]
fn routes_come_with_all_they_were_given_and_go() {
    alone(|| {
        addressed_cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let routes = [
            via("10.9.0.0/16", "10.0.0.254"),
            Route {
                device: Some("a0".into()),
                source: Some([10, 0, 0, 1].into()),
                scope: 253,
                tos: 0x10,
                ..route("10.8.0.0/16")
            },
            Route {
                table: Some(1000),
                metric: Some(77),
                device: Some("a0".into()),
                on_link: true,
                ..via("0.0.0.0/0", "192.0.2.1")
            },
            Route {
                kind: 6,
                ..route("10.7.0.0/16")
            },
            Route {
                metrics: vec![
                    Metric {
                        property: Property::Mtu,
                        value: 1400,
                        locked: true,
                    },
                    Metric {
                        property: Property::Rtt,
                        value: 2400,
                        locked: false,
                    },
                    Metric {
                        property: Property::QuickAck,
                        value: 1,
                        locked: false,
                    },
                ],
                ecn: true,
                congestion: Some(("reno".into(), false)),
                realms: Some(Realms { from: 3, to: 4 }),
                ..via("10.6.0.0/16", "10.0.0.254")
            },
            Route {
                hops: vec![
                    NextHop {
                        via: Some([10, 0, 0, 253].into()),
                        device: None,
                        weight: 1,
                        on_link: false,
                        encap: None,
                        realms: None,
                    },
                    NextHop {
                        via: Some([10, 0, 0, 254].into()),
                        device: Some("a0".into()),
                        weight: 5,
                        on_link: false,
                        encap: None,
                        realms: None,
                    },
                ],
                ..route("10.5.0.0/16")
            },
            Route {
                via: Some("2001:db8::fe".parse().unwrap()),
                device: Some("a0".into()),
                ..route("10.4.0.0/16")
            },
            Route {
                preference: Some(Preference::High),
                expires: Some(600),
                ..via("2001:db8:9::/48", "2001:db8::fe")
            },
            Route {
                from: Some(network("2001:db8:1::/48")),
                ..via("2001:db8:8::/48", "2001:db8::fe")
            },
        ];
        assert_eq!(all_placed(kernel.install_routes(&routes)), routes.len());
        let main = ip("-4 route show proto 118");
        for words in [
            "10.9.0.0/16 via 10.0.0.254 dev a0",
            "10.8.0.0/16 tos lowdelay dev a0 scope link src 10.0.0.1",
            "blackhole 10.7.0.0/16",
            "10.6.0.0/16 via 10.0.0.254 dev a0 realms 3/4 mtu lock 1400 rtt 300ms",
            "features ecn quickack 1 congctl reno",
            "nexthop via 10.0.0.254 dev a0 weight 5",
            "10.4.0.0/16 via inet6 2001:db8::fe dev a0",
        ] {
            let main = main.replace("tos 0x10", "tos lowdelay");
            assert!(main.contains(words), "no {words} in {main}");
        }
        let other = ip("-4 route show table 1000");
        assert!(other.contains("default via 192.0.2.1 dev a0") && other.contains("onlink"));
        assert!(other.contains("metric 77"), "{other}");
        let six = ip("-6 route show proto 118");
        assert!(
            six.contains("2001:db8:9::/48 via 2001:db8::fe dev a0"),
            "{six}"
        );
        assert!(
            six.contains("pref high") && six.contains("expires"),
            "{six}"
        );
        assert!(
            six.contains("2001:db8:8::/48 from 2001:db8:1::/48"),
            "{six}"
        );

        assert_eq!(
            all_placed(kernel.install_routes(&routes)),
            0,
            "twice is once"
        );
        ip("route del 10.9.0.0/16");
        assert_eq!(all_placed(kernel.install_routes(&routes)), 1, "put back");

        assert!(kernel.remove_routes(&routes[..2]).is_empty());
        assert!(!ip("-4 route show proto 118").contains("10.9.0.0"));
        assert!(kernel.remove_routes(&routes).is_empty());
        assert!(kernel.remove_routes(&routes).is_empty());
        for family in ["-4", "-6"] {
            assert_eq!(ip(&format!("{family} route show table all proto 118")), "");
        }
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn a_route_that_was_there_before_is_a_success_and_stays() {
    alone(|| {
        addressed_cable();
        ip("route add 10.9.0.0/16 via 10.0.0.254 proto static");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let route = Route {
            order: Order::Add,
            ..via("10.9.0.0/16", "10.0.0.253")
        };
        let placed = kernel.install_routes(std::slice::from_ref(&route));
        assert_eq!(
            (placed.added, placed.before_us),
            (0, vec!["route 10.9.0.0/16 via 10.0.0.253".to_owned()])
        );
        assert!(kernel.remove_routes(&[route]).is_empty());
        assert!(ip("route show 10.9.0.0/16").contains("10.0.0.254"));
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn a_refused_route_is_named_with_what_to_do_and_the_others_are_there() {
    alone(|| {
        addressed_cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let placed = kernel.install_routes(&[
            via("10.9.0.0/16", "203.0.113.1"),
            via("10.8.0.0/16", "10.0.0.254"),
            Route {
                device: Some("none0".into()),
                ..route("10.7.0.0/16")
            },
            Route {
                vrf: Some("red".into()),
                ..via("10.6.0.0/16", "10.0.0.254")
            },
        ]);
        assert_eq!(placed.added, 1);
        let mut said: Vec<String> = placed.failures.iter().map(ToString::to_string).collect();
        said.sort();
        let [vrf, none, unreachable] = said.as_slice() else {
            panic!("{said:?}");
        };
        assert_eq!(
            vrf,
            "route 10.6.0.0/16 via 10.0.0.254 vrf red: there is no VRF `red`"
        );
        assert_eq!(
            none,
            "route 10.7.0.0/16 dev none0: there is no interface `none0`"
        );
        assert!(
            unreachable.starts_with("route 10.9.0.0/16 via 203.0.113.1: Network is unreachable")
                && unreachable.contains("onlink"),
            "{unreachable}"
        );
        assert!(ip("route show 10.8.0.0/16").contains("10.0.0.254"));
    });
}

#[test]
fn tunnels_of_routes_reach_the_kernel() {
    alone(|| {
        addressed_cable();
        if !try_ip("route add 10.3.0.0/16 encap ip id 5 dst 10.0.0.9 dev a0")
            .status
            .success()
        {
            eprintln!("not shown: this kernel has no such tunnels");
            return;
        }
        ip("route del 10.3.0.0/16");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let routes = [
            Route {
                device: Some("a0".into()),
                encap: Some(Encap::Ip(IpEncap {
                    id: Some(5),
                    destination: Some([10, 0, 0, 9].into()),
                    hop_limit: Some(7),
                    ..IpEncap::default()
                })),
                ..route("10.3.0.0/16")
            },
            Route {
                device: Some("a0".into()),
                encap: Some(Encap::Ip6(IpEncap {
                    id: Some(6),
                    destination: Some("2001:db8::9".parse().unwrap()),
                    ..IpEncap::default()
                })),
                ..route("10.2.0.0/16")
            },
        ];
        all_placed(kernel.install_routes(&routes));
        let shown = ip("route show proto 118");
        assert!(
            shown.contains("encap ip id 5 src 0.0.0.0 dst 10.0.0.9 ttl 7"),
            "{shown}"
        );
        assert!(
            shown.contains("encap ip6 id 6 src :: dst 2001:db8::9"),
            "{shown}"
        );
        assert!(kernel.remove_routes(&routes).is_empty());
    });
}

#[test]
fn rules_come_with_all_they_were_given_and_go() {
    alone(|| {
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let v4 = |preference| rule(Family::V4, preference);
        let rules = [
            Rule {
                from: Some(network("10.1.0.0/16")),
                to: Some(network("10.2.0.0/16")),
                input: Some("a0".into()),
                output: Some("b0".into()),
                tos: 0x10,
                mark: Some((0x10, 0xff)),
                ..v4(100)
            },
            Rule {
                inverted: true,
                from: Some(network("10.3.0.0/16")),
                users: Some((1000, 1001)),
                ip_protocol: Some(6),
                source_ports: Some((1, 2)),
                destination_ports: Some((3, 4)),
                suppress_prefix: Some(0),
                suppress_group: Some(7),
                realms: Some(Realms { from: 1, to: 2 }),
                tunnel: Some(9),
                ..v4(101)
            },
            Rule {
                action: RuleAction::Goto(103),
                ..v4(102)
            },
            Rule {
                action: RuleAction::Nop,
                ..v4(103)
            },
            Rule {
                action: RuleAction::Blackhole,
                from: Some(network("10.4.0.0/16")),
                ..v4(104)
            },
            Rule {
                action: RuleAction::Unreachable,
                from: Some(network("10.5.0.0/16")),
                ..v4(105)
            },
            Rule {
                action: RuleAction::Prohibit,
                from: Some(network("10.6.0.0/16")),
                ..v4(106)
            },
            Rule {
                from: Some(network("2001:db8::/32")),
                action: RuleAction::Table(4000),
                ..rule(Family::V6, 100)
            },
        ];
        assert_eq!(all_placed(kernel.install_rules(&rules)), rules.len());
        let shown = ip("-4 rule show");
        for words in [
            "100:\tfrom 10.1.0.0/16 to 10.2.0.0/16",
            "fwmark 0x10/0xff iif a0 [detached] oif b0 [detached] lookup 100",
            "101:\tnot from 10.3.0.0/16",
            "uidrange 1000-1001 ipproto tcp sport 1-2 dport 3-4",
            "suppress_prefixlength 0 suppress_ifgroup 7",
            "realms 1/2",
            "102:\tfrom all goto 103",
            "103:\tfrom all nop",
            "104:\tfrom 10.4.0.0/16 blackhole",
            "105:\tfrom 10.5.0.0/16 unreachable",
            "106:\tfrom 10.6.0.0/16 prohibit",
        ] {
            assert!(shown.contains(words), "no {words} in {shown}");
        }
        assert_eq!(shown.matches("proto 118").count(), 7, "{shown}");
        let six = ip("-6 rule show");
        assert!(
            six.contains("100:\tfrom 2001:db8::/32 lookup 4000 proto 118"),
            "{six}"
        );

        assert_eq!(all_placed(kernel.install_rules(&rules)), 0, "twice is once");
        ip("rule del pref 103");
        assert_eq!(all_placed(kernel.install_rules(&rules)), 1, "put back");
        assert!(kernel.remove_rules(&rules).is_empty());
        assert!(kernel.remove_rules(&rules).is_empty());
        assert!(!ip("-4 rule show").contains("proto 118"));
        assert!(!ip("-6 rule show").contains("proto 118"));
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn a_rule_that_was_there_before_stays() {
    alone(|| {
        ip("rule add from 10.1.0.0/16 lookup 100 pref 100");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let rule = Rule {
            from: Some(network("10.1.0.0/16")),
            ..rule(Family::V4, 100)
        };
        // Whether one of another maker is the same rule differs among kernels.
        let placed = kernel.install_rules(std::slice::from_ref(&rule));
        assert!(placed.failures.is_empty(), "{:?}", placed.failures);
        if placed.added == 0 {
            assert_eq!(
                placed.before_us,
                ["rule 100 from 10.1.0.0/16 table 100".to_owned()]
            );
        }
        assert!(kernel.remove_rules(&[rule]).is_empty());
        let left = ip("rule show");
        assert_eq!(left.matches("from 10.1.0.0/16").count(), 1, "{left}");
        assert!(!left.contains("proto 118"), "{left}");
    });
}

#[test]
fn what_a_dead_vip_left_of_routes_and_rules_is_removed_and_named() {
    alone(|| {
        addressed_cable();
        ip("route add 10.7.0.0/16 via 10.0.0.254 proto static");
        let dir = RuntimeDir::new();
        let mut dead = dir.open();
        let routes = [
            via("10.9.0.0/16", "10.0.0.254"),
            via("2001:db8:9::/48", "2001:db8::fe"),
            via("10.8.0.0/16", "10.0.0.254"),
        ];
        all_placed(dead.install_routes(&routes));
        all_placed(dead.install_rules(&[rule(Family::V4, 100), rule(Family::V6, 100)]));
        drop(dead);
        ip("route del 10.8.0.0/16");

        let mut kernel = dir.open();
        let tidied = kernel.tidy(&[]).unwrap();
        let mut removed: Vec<String> = tidied.removed.iter().map(ToString::to_string).collect();
        removed.sort();
        assert_eq!(
            removed,
            [
                "route 10.9.0.0/16 via 10.0.0.254",
                "route 2001:db8:9::/48 via 2001:db8::fe",
                "rule 100 table 100",
                "rule 100 table 100"
            ]
        );
        for family in ["-4", "-6"] {
            assert_eq!(ip(&format!("{family} route show table all proto 118")), "");
            assert!(!ip(&format!("{family} rule show")).contains("proto 118"));
        }
        assert!(ip("route show 10.7.0.0/16").contains("10.0.0.254"));
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn what_carries_our_mark_is_ours_when_the_list_is_lost() {
    alone(|| {
        addressed_cable();
        let lost = RuntimeDir::new();
        let routes = [
            via("10.9.0.0/16", "10.0.0.254"),
            via("2001:db8:9::/48", "2001:db8::fe"),
        ];
        let rules = [rule(Family::V4, 100)];
        let mut dead = lost.open();
        all_placed(dead.install_routes(&routes));
        all_placed(dead.install_rules(&rules));
        drop(dead);
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        assert_eq!(all_placed(kernel.install_routes(&routes)), 0);
        assert_eq!(all_placed(kernel.install_rules(&rules)), 0);
        assert!(kernel.remove_routes(&routes).is_empty());
        assert!(kernel.remove_rules(&rules).is_empty());
        assert_eq!(ip("route show proto 118"), "");
        assert!(!ip("rule show").contains("proto 118"));
    });
}

#[test]
fn three_hundred_routes_in_one_call() {
    alone(|| {
        addressed_cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let many: Vec<Route> = (0..300)
            .map(|n| {
                via(
                    &format!("10.{}.{}.0/24", 100 + n / 250, n % 250),
                    "10.0.0.254",
                )
            })
            .collect();
        assert_eq!(all_placed(kernel.install_routes(&many)), 300);
        assert_eq!(ip("route show proto 118").lines().count(), 300);
        assert!(kernel.remove_routes(&many).is_empty());
        assert_eq!(ip("route show proto 118"), "");
    });
}

#[test]
fn the_monitor_tells_of_routes_and_rules_of_ours_that_go_and_of_no_others() {
    alone(|| {
        addressed_cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let told = Told::start();
        ip("route add 10.7.0.0/16 via 10.0.0.254 proto static");
        ip("rule add pref 99 from 10.1.0.0/16 lookup 100");
        let routes = [
            Route {
                table: Some(1000),
                ..via("10.9.0.0/16", "10.0.0.254")
            },
            via("2001:db8:9::/48", "2001:db8::fe"),
        ];
        all_placed(kernel.install_routes(&routes));
        all_placed(kernel.install_rules(&[rule(Family::V4, 100), rule(Family::V6, 101)]));
        ip("route del 10.7.0.0/16");
        ip("rule del pref 99");
        ip("route del 10.9.0.0/16 table 1000");
        ip("-6 route del 2001:db8:9::/48");
        ip("rule del pref 100");
        ip("-6 rule del pref 101");
        let gone = |event: &LinkEvent| match event {
            LinkEvent::RouteGone {
                destination,
                prefix,
                table,
            } => Some(format!("{destination}/{prefix} table {table}")),
            LinkEvent::RuleGone { preference } => Some(preference.to_string()),
            LinkEvent::Changed(_)
            | LinkEvent::Gone { .. }
            | LinkEvent::Told { .. }
            | LinkEvent::Resync => None,
        };
        let seen: Vec<String> = (0..4)
            .map(|_| gone(&told.wait("a loss", |event| gone(event).is_some())).unwrap())
            .collect();
        assert_eq!(
            seen,
            [
                "10.9.0.0/16 table 1000",
                "2001:db8:9::/48 table 254",
                "100",
                "101"
            ]
        );
    });
}
