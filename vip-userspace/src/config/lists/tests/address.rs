use std::net::{IpAddr, Ipv4Addr};

use super::super::address::{self, AddressLine, Lifetime, List};
use super::super::names::Names;
use super::{quietly, saying};

fn fine(text: &str) -> AddressLine {
    quietly(text, |words, sink| {
        address::parse(words, List::Advertised, Names::well_known(), sink)
    })
}

fn with(text: &str, what: &[&str]) -> Option<AddressLine> {
    saying(text, what, |words, sink| {
        address::parse(words, List::Advertised, Names::well_known(), sink)
    })
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn v4(text: &str) -> Option<Ipv4Addr> {
    Some(text.parse().unwrap())
}

#[test]
fn an_address_has_its_whole_syntax() {
    let line = fine(
        "192.0.2.20/24 brd + dev eth1 scope link label eth1:1 noprefixroute autojoin no_track \
         preferred_lft 77",
    );
    assert_eq!((line.address, line.prefix), (ip("192.0.2.20"), 24));
    assert_eq!(line.broadcast, v4("192.0.2.255"));
    assert_eq!(line.device.as_ref().map(|t| &*t.text), Some("eth1"));
    assert_eq!(line.scope, Some(253));
    assert_eq!(line.label.as_ref().map(|t| &*t.text), Some("eth1:1"));
    assert!(line.no_prefix_route && line.auto_join && line.no_track);
    assert_eq!(line.lifetime(), Lifetime::Seconds(77));
    let keywords: Vec<&str> = line.keywords.iter().map(|word| &*word.text).collect();
    assert_eq!(
        keywords,
        [
            "brd",
            "dev",
            "scope",
            "label",
            "noprefixroute",
            "autojoin",
            "no_track",
            "preferred_lft"
        ]
    );

    let line = fine("2001:DB8::1/64 home -nodad mngtmpaddr");
    assert_eq!((line.address, line.prefix), (ip("2001:db8::1"), 64));
    assert!(line.home && line.detect_duplicates && line.manage_temporary);
    assert!(!(line.no_prefix_route || line.auto_join || line.no_track));
}

#[test]
fn what_is_not_given_is_as_in_keepalived() {
    let line = fine("192.0.2.1");
    assert_eq!((line.prefix, line.lifetime()), (32, Lifetime::Forever));
    assert_eq!((line.broadcast, line.scope, line.peer), (None, None, None));
    assert!(line.keywords.is_empty());
    // An IPv6 address alone in its prefix is not to be chosen as a source.
    for (text, lifetime) in [
        ("2001:db8::2", Lifetime::Seconds(0)),
        ("2001:db8::2/128", Lifetime::Seconds(0)),
        ("2001:db8::2 -nodad", Lifetime::Seconds(0)),
        ("2001:db8::1/64", Lifetime::Forever),
        ("2001:db8::4 preferred_lft forever", Lifetime::Forever),
        ("2001:db8::4 preferred_lft infinity", Lifetime::Forever),
        ("2001:db8::5 preferred_lft 77", Lifetime::Seconds(77)),
    ] {
        assert_eq!(fine(text).lifetime(), lifetime, "{text}");
    }
}

#[test]
fn broadcast_addresses_are_computed_from_the_prefix() {
    for (text, broadcast) in [
        ("192.0.2.17/28 brd +", v4("192.0.2.31")),
        ("192.0.2.17/28 brd -", v4("192.0.2.16")),
        ("192.0.2.17/28 broadcast 192.0.2.9", v4("192.0.2.9")),
        ("192.0.2.17/0 brd +", v4("255.255.255.255")),
        ("192.0.2.17/30 brd +", v4("192.0.2.19")),
    ] {
        assert_eq!(fine(text).broadcast, broadcast, "{text}");
    }
    for text in ["192.0.2.17 brd +", "192.0.2.18/31 brd -"] {
        let line = with(
            text,
            &["leaves no broadcast address", "is the prefix missing?"],
        );
        assert_eq!(line.unwrap().broadcast, None, "{text}");
    }
}

#[test]
fn a_peer_has_the_prefix() {
    assert_eq!(
        fine("192.0.2.11 peer 192.0.2.99").peer,
        Some((ip("192.0.2.99"), 32))
    );
    assert_eq!(
        fine("192.0.2.11 peer 192.0.2.99/30").peer,
        Some((ip("192.0.2.99"), 30))
    );
    assert_eq!(
        fine("2001:db8::1 peer 2001:db8::2/64").peer,
        Some((ip("2001:db8::2"), 64))
    );
    let line = with(
        "192.0.2.9/24 peer 192.0.2.99",
        &["no prefix of its own", "it is 32"],
    );
    let line = line.unwrap();
    assert_eq!((line.prefix, line.peer), (32, Some((ip("192.0.2.99"), 32))));
    for (text, what) in [
        (
            "192.0.2.9 peer 192.0.2.99/33",
            "the prefix of `192.0.2.99/33` is not 0 to 32",
        ),
        ("192.0.2.9 peer fe80::1", "not of the family"),
        ("192.0.2.9 peer x", "peer `x` is not an address"),
    ] {
        assert_eq!(with(text, &[what]).unwrap().peer, None, "{text}");
    }
}

#[test]
fn a_vmac_may_have_a_name() {
    let name = |text| {
        let name = fine(text).use_vmac.unwrap().0;
        name.map(|token| token.text.into_string())
    };
    assert_eq!(name("192.0.2.14/24 use_vmac"), None);
    assert_eq!(name("192.0.2.14/24 use_vmac dev eth1"), None);
    assert_eq!(
        name("192.0.2.14/24 use_vmac vip0 dev eth1"),
        Some("vip0".into())
    );
}

#[test]
fn lists_differ_in_what_may_stand_in_them() {
    let read = |text, list, what: &[&str]| {
        saying(text, what, |words, sink| {
            address::parse(words, list, Names::well_known(), sink)
        })
        .unwrap()
    };
    let line = read(
        "192.0.2.1 use_vmac no_track",
        List::Static,
        &["`use_vmac` has no place here"],
    );
    assert!(line.use_vmac.is_none() && line.no_track);
    for list in [List::Advertised, List::Excluded] {
        let line = read(
            "192.0.2.1 track_group g no_track",
            list,
            &["`track_group` has no place here"],
        );
        assert!(line.track_group.is_none() && line.no_track);
    }
    let line = quietly("192.0.2.1 track_group g", |words, sink| {
        address::parse(words, List::Static, Names::well_known(), sink)
    });
    assert_eq!(line.track_group.as_ref().map(|t| &*t.text), Some("g"));
}

#[test]
fn what_is_no_address_is_left_out() {
    for (text, what) in [
        (
            "192.0.2.300/24",
            &["error: `192.0.2.300/24` is not an address", "192.0.2.1/24"][..],
        ),
        ("192.0.2", &["is not an address"]),
        ("0.0.0.0", &["is not an address"]),
        ("255.255.255.255", &["is not an address"]),
        ("224.0.0.1", &["is not an address"]),
        ("::", &["is not an address"]),
        ("ff02::1", &["is not an address"]),
        ("fe80::1%eth0", &["is not an address", "write `dev eth0`"]),
        ("192.0.2.10-20", &["a range must be written out"]),
        ("priority 5", &["is a `}` missing above?"]),
    ] {
        assert_eq!(with(text, what), None, "{text}");
    }
}

#[test]
fn keepalived_leaves_these_addresses_out() {
    for (text, what) in [
        ("192.0.2.8 dev", &["`dev` needs a value"][..]),
        ("192.0.2.8 label", &["`label` needs a value"]),
        ("192.0.2.8 dev a/b", &["`a/b` is not an interface name"]),
        (
            "192.0.2.8 brd x",
            &["`x` is not a broadcast address", "left out"],
        ),
        (
            "192.0.2.8/24 brd fe80::1",
            &["`fe80::1` is not a broadcast address"],
        ),
        (
            "2001:db8::8/64 brd +",
            &["an IPv6 address has no broadcast address"],
        ),
        (
            "192.0.2.8 label 1234567890123456",
            &["is longer than 15 bytes"],
        ),
    ] {
        assert_eq!(with(text, what), None, "{text}");
    }
    let (line, said) = super::read("192.0.2.8 dev eth0 dev eth1", |words, sink| {
        address::parse(words, List::Advertised, Names::well_known(), sink)
    });
    assert_eq!((line, said.len()), (None, 2));
}

#[test]
fn what_keepalived_corrects_is_corrected_and_said() {
    let prefix = |text, what: &[&str]| with(text, what).unwrap().prefix;
    assert_eq!(
        prefix(
            "192.0.2.8/33",
            &["the prefix of `192.0.2.8/33` is not 0 to 32"]
        ),
        32
    );
    assert_eq!(prefix("192.0.2.8/", &["the prefix of `192.0.2.8/`"]), 32);
    assert_eq!(
        prefix("192.0.2.8/x", &["it is 32 instead, as in keepalived"]),
        32
    );
    assert_eq!(prefix("2001:db8::1/129", &["is not 0 to 128"]), 128);
    assert_eq!(
        prefix("192.0.2.8/255.255.255.0", &["write it as 192.0.2.8/24"]),
        32
    );
    let line = with(
        "192.0.2.8 scope here",
        &["`here` is not a scope", "global, site"],
    );
    assert_eq!(line.unwrap().scope, None);
    let line = with("192.0.2.8 scope lnk", &["did you mean `link`?"]);
    assert_eq!(line.unwrap().scope, None);
    let line = with("192.0.2.8 scope 256", &["its number is 0 to 255"]);
    assert_eq!(line.unwrap().scope, None);
    let line = with(
        "192.0.2.8 preferred_lft x",
        &["seconds from 0 to 4294967295"],
    );
    assert_eq!(line.unwrap().preferred_lifetime, None);
    let line = with("2001:db8::6 label foo", &["an IPv6 address has no `label`"]);
    assert_eq!(line.unwrap().label, None);
    let line = with(
        "2001:db8::7/64 scope link",
        &["an IPv6 address has no `scope`"],
    );
    assert_eq!(line.unwrap().scope, None);
    let line = with(
        "192.0.2.8 label a label b",
        &["`label` stands on this line twice"],
    );
    assert_eq!(line.unwrap().label.as_ref().map(|t| &*t.text), Some("b"));
}

#[test]
fn words_that_nobody_knows_are_passed_over() {
    for (text, what) in [
        (
            "192.0.2.8 192.0.2.9",
            &[
                "unknown word `192.0.2.9` behind an address",
                "a line of its own",
            ][..],
        ),
        ("192.0.2.8 2001:db8::1/64", &["a line of its own"]),
        ("192.0.2.8 lable", &["did you mean `label`?"]),
        ("192.0.2.8 nodad", &["unless `-nodad` asks for it"]),
        ("192.0.2.8 no-track", &["did you mean `no_track`?"]),
        ("192.0.2.8 /24", &["no blank before the prefix"]),
    ] {
        let line = with(text, what).unwrap();
        assert_eq!((line.address, line.prefix), (ip("192.0.2.8"), 32), "{text}");
    }
}
