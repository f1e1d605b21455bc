use super::super::hop::{Encap, IpEncap};
use super::super::metric::{Metric, Property};
use super::super::names::{Names, Number};
use super::super::network::Network;
use super::super::route::{self, Order, Preference, RouteLine, RouteType};
use super::{quietly, read, saying};

fn fine(text: &str) -> RouteLine {
    quietly(text, |words, sink| {
        route::parse(words, false, Names::well_known(), sink)
    })
}

#[track_caller]
fn with(text: &str, what: &[&str]) -> Option<RouteLine> {
    saying(text, what, |words, sink| {
        route::parse(words, false, Names::well_known(), sink)
    })
}

fn network(text: &str) -> Network {
    let (address, prefix) = text.split_once('/').unwrap();
    Network {
        address: address.parse().unwrap(),
        prefix: prefix.parse().unwrap(),
    }
}

#[test]
fn routes_are_read_as_keepalived_reads_them() {
    let line = fine("src 192.0.2.1 to 192.168.3.0/24 via 192.0.2.254 dev eth1");
    assert_eq!(line.destination, network("192.168.3.0/24"));
    assert_eq!(line.source, Some("192.0.2.1".parse().unwrap()));
    assert_eq!(line.via, Some("192.0.2.254".parse().unwrap()));
    assert_eq!(line.device.as_ref().map(|t| &*t.text), Some("eth1"));
    assert_eq!(
        (line.kind, line.order),
        (RouteType::Unicast, Order::Prepend)
    );

    for (text, destination) in [
        ("default via 192.0.2.9", "0.0.0.0/0"),
        ("any dev eth0", "0.0.0.0/0"),
        ("default via inet6 fe80::1 dev eth0", "::/0"),
        ("default via fe80::1 dev eth0", "::/0"),
        ("inet6 default via fe80::1 dev eth0", "::/0"),
        ("inet6 2001:db8:3::/64 dev eth0", "2001:db8:3::/64"),
        ("192.168.8.0 dev eth0", "192.168.8.0/32"),
        ("192.168.62.5/24 dev eth0", "192.168.62.5/24"),
        ("to 192.168.37.0/24 oif eth0", "192.168.37.0/24"),
    ] {
        assert_eq!(fine(text).destination, network(destination), "{text}");
    }
    for (text, kind) in [
        ("blackhole 192.168.6.0/24", RouteType::Blackhole),
        ("prohibit default", RouteType::Prohibit),
        ("throw 192.168.50.0/24", RouteType::Throw),
        ("local 192.168.49.0/24 dev eth0", RouteType::Local),
        ("brd 192.168.49.255 dev eth0", RouteType::Broadcast),
        ("multicast 224.1.0.0/16 dev eth0", RouteType::Multicast),
        ("12 192.168.47.0/24 dev eth0", RouteType::Other(12)),
    ] {
        assert_eq!(fine(text).kind, kind, "{text}");
    }
}

#[test]
fn a_time_that_is_too_short_is_raised() {
    for (text, least, help) in [
        ("rtt 300", 1600, "without a unit 8 are a millisecond"),
        ("rtt 199ms", 1600, "as in keepalived"),
        ("rttvar 20", 800, "without a unit 4 are a millisecond"),
        ("rto_min 20", 200, "as in keepalived"),
    ] {
        let line = format!("192.0.2.0/24 dev eth0 {text}");
        let what = ["warning: ", "is too short, 200ms counts", help];
        let line = with(&line, &what).unwrap();
        assert_eq!(line.metrics[0].value, least, "{text}");
    }
    for text in ["rtt 1600", "rtt 200ms", "rttvar 800", "rto_min 200"] {
        fine(&format!("192.0.2.0/24 dev eth0 {text}"));
    }
}

#[test]
fn a_route_has_its_whole_syntax() {
    let line = fine(
        "192.168.200.0/24 dev p33p1.2 table 6909 tos 0x04 protocol bird scope link priority 12 \
         mtu lock 1000 hoplimit 100 rtt 300ms rto_min 1.5s realms 3/4 initcwnd 109 vrf blue \
         features ecn congctl lock cubic quickack 1 ttl-propagate enabled append no_track onlink",
    );
    assert_eq!(line.table, Some(Number::Known(6909)));
    assert_eq!(line.tos, Some(Number::Known(4)));
    assert_eq!(line.protocol, Some(Number::Known(12)));
    assert_eq!(line.scope, Some(Number::Known(253)));
    assert_eq!(line.metric, Some(12));
    let metric = |property, value, locked| Metric {
        property,
        value,
        locked,
    };
    assert_eq!(
        line.metrics,
        [
            metric(Property::Mtu, 1000, true),
            metric(Property::HopLimit, 100, false),
            metric(Property::Rtt, 2400, false),
            metric(Property::RtoMin, 1500, false),
            metric(Property::InitCwnd, 109, false),
            metric(Property::QuickAck, 1, false),
        ]
    );
    let realms = line.realms.unwrap();
    assert_eq!(
        (realms.from, realms.to),
        (Some(Number::Known(3)), Number::Known(4))
    );
    assert_eq!(line.vrf.as_ref().map(|t| &*t.text), Some("blue"));
    assert_eq!(
        line.congestion.map(|(name, locked)| (name.text, locked)),
        Some(("cubic".into(), true))
    );
    assert_eq!(line.ttl_propagate, Some(true));
    assert_eq!(line.order, Order::Append);
    assert!(line.ecn && line.no_track && line.on_link);

    let line = fine("2001:db8:2::/64 from 2001:db8::1 dev eth0 expires 100 pref high");
    assert_eq!(line.from, Some(network("2001:db8::1/128")));
    assert_eq!(line.expires, Some(100));
    assert_eq!(line.preference, Some(Preference::High));
}

#[test]
fn a_route_may_have_several_ways() {
    let line = fine(
        "192.168.27.0/24 nexthop via 192.0.2.9 dev eth0 weight 1 \
         nexthop via 192.0.2.10 dev eth1 onlink weight 256 realms 7 encap mpls 100/200",
    );
    let [first, second] = &line.hops[..] else {
        panic!("{:?}", line.hops);
    };
    assert_eq!((first.weight, first.on_link), (1, false));
    assert_eq!((second.weight, second.on_link), (256, true));
    assert_eq!(second.via, Some("192.0.2.10".parse().unwrap()));
    assert_eq!(second.encap, Some(Encap::Mpls(vec![100, 200])));

    let line = with(
        "192.168.5.0/24 via 192.0.2.254 or 192.0.2.253 dev eth1",
        &["warning: `or` is outdated", "nexthop"],
    );
    assert_eq!(line.unwrap().alternatives.len(), 1);
    let line = with(
        "192.168.4.0/24 gw 192.0.2.254",
        &["warning: `gw` is outdated", "write `via`"],
    );
    assert_eq!(line.unwrap().via, Some("192.0.2.254".parse().unwrap()));
}

#[test]
fn packets_may_be_put_into_others() {
    let encap = |text| fine(text).encap.unwrap();
    assert_eq!(
        encap("192.168.38.0/24 encap mpls 100/200 dev eth0"),
        Encap::Mpls(vec![100, 200])
    );
    assert_eq!(
        encap(
            "192.168.39.0/24 encap ip id 4 dst 192.0.2.1 src 192.0.2.2 tos 1 ttl 2 flags 3 dev eth0"
        ),
        Encap::Ip(IpEncap {
            id: Some(4),
            destination: Some("192.0.2.1".parse().unwrap()),
            source: Some("192.0.2.2".parse().unwrap()),
            traffic_class: Some(1),
            hop_limit: Some(2),
            flags: Some(3),
        })
    );
    assert_eq!(
        encap("192.168.40.0/24 encap ip6 dst 2001:db8::1 tc 1 hoplimit 2 dev eth0"),
        Encap::Ip6(IpEncap {
            destination: Some("2001:db8::1".parse().unwrap()),
            traffic_class: Some(1),
            hop_limit: Some(2),
            ..IpEncap::default()
        })
    );
    assert_eq!(
        encap("192.168.41.0/24 encap ila 1:2:3:4 dev eth0"),
        Encap::Ila(0x0001_0002_0003_0004)
    );
}

#[test]
fn these_routes_are_left_out() {
    for (text, what) in [
        ("via 192.0.2.9", &["has no destination"][..]),
        (
            "192.168.10.0/24 foo dev eth0",
            &["unknown word `foo` in a route", "left out"],
        ),
        ("192.168.10.0/24 dvia 192.0.2.1", &["did you mean `via`?"]),
        ("blackhol 192.168.10.0/24", &["did you mean `blackhole`?"]),
        ("192.168.57.0/24 dev eth0 proto static", &["`protocol`"]),
        ("192.168.34.0/24 dev eth0 replace", &["`append`"]),
        (
            "192.168.11.0/24 via fe80::1 dev eth0",
            &["mixes IPv4 and IPv6"],
        ),
        (
            "192.168.12.0/24 via inet6 fe80::1 dev eth0",
            &["mixes IPv4 and IPv6"],
        ),
        (
            "default via inet fe80::1 dev eth0",
            &["fe80::1 is not IPv4"],
        ),
        ("inet6 192.168.36.0/24 dev eth0", &["mixes IPv4 and IPv6"]),
        (
            "192.168.61.0/24 dev eth0 src fe80::1",
            &["mixes IPv4 and IPv6"],
        ),
        (
            "192.168.61.0/24 dev eth0 src foo",
            &["`src` takes an address, not `foo`"],
        ),
        ("192.168.62.0/24 via foo", &["`via` takes an address"]),
        ("192.168.62.0/24 via", &["`via` needs a value"]),
        (
            "192.168.63.0/24 dev eth0 mtu lock",
            &["`mtu` needs a value"],
        ),
        (
            "192.168.63.0/24 dev eth0 mtu foo",
            &["`mtu` takes a whole number"],
        ),
        (
            "192.168.30.0/24 dev eth0 hoplimit 256",
            &["from 0 to 255, not `256`"],
        ),
        ("192.168.24.0/24 dev eth0 quickack 2", &["from 0 to 1"]),
        ("192.168.21.0/24 dev eth0 rtt 20m", &["300ms or 1.5s"]),
        ("192.168.21.0/24 dev eth0 rtt +2s", &["300ms or 1.5s"]),
        (
            "192.168.59.0/24 dev eth0 metric -1",
            &["from 0 to 4294967295, not `-1`"],
        ),
        ("192.168.59.0/24 dev eth0 metric 0xff", &["not `0xff`"]),
        (
            "192.168.19.0/24 dev eth0 tos 256",
            &["its number is 0 to 255"],
        ),
        (
            "192.168.13.0/24 dev eth0 table man",
            &["did you mean `main`?"],
        ),
        ("192.168.13.0/24 dev eth0 table -1", &["its number is 1 to"]),
        ("192.168.13.0/24 dev eth0 table 0", &["its number is 1 to"]),
        (
            "192.168.13.0/24 dev eth0 table 4294967296",
            &["is not a routing table"],
        ),
        (
            "192.168.16.0/24 dev eth0 scope foo",
            &["`foo` is not a scope"],
        ),
        (
            "192.168.26.0/24 dev eth0 realms 3/300",
            &["`300` is not a realm"],
        ),
        (
            "192.168.24.0/24 dev eth0 pref low",
            &["only an IPv6 route has `pref`"],
        ),
        (
            "2001:db8::/64 dev eth0 pref foo",
            &["`low`, `medium` or `high`"],
        ),
        (
            "192.168.31.0/24 dev eth0 expires 100",
            &["only an IPv6 route has `expires`"],
        ),
        (
            "2001:db8::/64 dev eth0 realms 3",
            &["only an IPv4 route has `realms`"],
        ),
        (
            "192.168.66.0/24 dev eth0 from 192.0.2.0/24",
            &["only an IPv6 route has a `from`"],
        ),
        (
            "192.168.42.0/24 dev eth0 encap foo",
            &["`foo` is not a kind of encapsulation"],
        ),
        (
            "192.168.42.0/24 dev eth0 encap mpl 5",
            &["did you mean `mpls`?"],
        ),
        (
            "192.168.42.0/24 dev eth0 encap mpls 1048576",
            &["0 to 1048575"],
        ),
        ("192.168.42.0/24 dev eth0 encap ila 1:2", &["a locator"]),
        (
            "192.168.29.0/24 nexthop via 192.0.2.9 weight 0",
            &["from 1 to 256"],
        ),
        (
            "192.168.29.0/24 nexthop via 192.0.2.9 weight 300",
            &["from 1 to 256"],
        ),
        (
            "192.168.67.0/24 nexthop onlink",
            &["this `nexthop` leads nowhere"],
        ),
        (
            "192.168.67.0/24 nexthop via 192.0.2.9 mtu 5",
            &["`mtu` behind a `nexthop`"],
        ),
        (
            "192.168.35.0/24 dev eth0 track_group g",
            &["`track_group` has no place here"],
        ),
        ("0/0 dev eth0", &["`0/0` is not a network"]),
        (
            "192.168.24.0/24 dev eth0 ttl-propagate on",
            &["`enabled` or `disabled`"],
        ),
    ] {
        assert_eq!(with(text, what), None, "{text}");
    }
    let (line, said) = read(
        "192.168.5.0/24 via 192.0.2.254 or 192.0.2.253 nexthop via 192.0.2.9",
        |words, sink| route::parse(words, false, Names::well_known(), sink),
    );
    assert_eq!(line, None);
    assert!(said.iter().any(|said| said.contains("exclude each other")));
}

#[test]
fn what_is_odd_about_a_route_is_said() {
    let line = with(
        "192.168.52.0/24 192.168.53.0/24 dev eth0",
        &["warning: this route has two destinations; the last one counts"],
    );
    assert_eq!(line.unwrap().destination, network("192.168.53.0/24"));
    let line = with("192.168.9.0/33 dev eth0", &["the prefix of", "it is 32"]);
    assert_eq!(line.unwrap().destination.prefix, 32);
    let line = with(
        "192.168.51.0/24 dev eth0 dev eth1",
        &["`dev` stands on this line twice"],
    );
    assert_eq!(
        line.unwrap().device.as_ref().map(|t| &*t.text),
        Some("eth1")
    );
    assert!(with("192.168.7.0/24", &["warning: this route leads nowhere"]).is_some());
    assert!(with("192.168.23.0/24 dev eth0 features foo", &["takes `ecn`"]).is_some());
    // What only a host can know is kept for it.
    let line = fine("192.168.13.0/24 dev eth0 table uplink2");
    let Some(Number::Named(name)) = line.table else {
        panic!("{:?}", line.table);
    };
    assert_eq!(&*name.text, "uplink2");
    let line = quietly("192.168.35.0/24 dev eth0 track_group g", |words, sink| {
        route::parse(words, true, Names::well_known(), sink)
    });
    assert_eq!(line.track_group.as_ref().map(|t| &*t.text), Some("g"));
}
