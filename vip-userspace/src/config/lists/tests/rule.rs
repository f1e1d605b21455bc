use super::super::names::{Names, Number};
use super::super::network::{Family, Network};
use super::super::rule::{self, Action, RuleLine};
use super::{quietly, read, saying};

fn fine(text: &str) -> RuleLine {
    quietly(text, |words, sink| {
        rule::parse(words, false, Names::well_known(), sink)
    })
}

#[track_caller]
fn with(text: &str, what: &[&str]) -> Option<RuleLine> {
    saying(text, what, |words, sink| {
        rule::parse(words, false, Names::well_known(), sink)
    })
}

fn network(text: &str) -> Option<Network> {
    let (address, prefix) = text.split_once('/').unwrap();
    Some(Network {
        address: address.parse().unwrap(),
        prefix: prefix.parse().unwrap(),
    })
}

#[test]
fn a_rule_has_its_whole_syntax() {
    let line = fine(
        "not from 192.168.28.0/24 to 192.168.29.0/26 iif eth0 oif eth1 tos 22 fwmark 24/0x12 \
         uidrange 10000-19999 tunnel-id 55 ipproto UDP sport 10-20 dport 80-80 \
         sup_pl 0 suppress_ifgroup default preference 39 realms 30/20 protocol static \
         table 6908 no_track",
    );
    assert_eq!(line.action, Action::Table(Number::Known(6908)));
    assert_eq!(line.family, Family::V4);
    assert!(line.inverted && line.no_track);
    assert_eq!(line.from, network("192.168.28.0/24"));
    assert_eq!(line.to, network("192.168.29.0/26"));
    assert_eq!(line.input.as_ref().map(|t| &*t.text), Some("eth0"));
    assert_eq!(line.output.as_ref().map(|t| &*t.text), Some("eth1"));
    assert_eq!(line.tos, Some(Number::Known(22)));
    assert_eq!(line.mark, Some((24, 0x12)));
    assert_eq!(line.users, Some((10_000, 19_999)));
    assert_eq!(line.tunnel, Some(55));
    assert_eq!(line.protocol, Some(17));
    assert_eq!(line.source_ports, Some((10, 20)));
    assert_eq!(line.destination_ports, Some((80, 80)));
    assert_eq!(line.suppress_prefix, Some(0));
    assert_eq!(line.suppress_group, Some(Number::Known(0)));
    assert_eq!(line.preference, Some(39));
    assert_eq!(line.made_by, Some(Number::Known(4)));
    let realms = line.realms.unwrap();
    assert_eq!(
        (realms.from, realms.to),
        (Some(Number::Known(30)), Number::Known(20))
    );
}

#[test]
fn a_rule_does_one_of_these() {
    for (text, action) in [
        (
            "from all lookup main order 5",
            Action::Table(Number::Known(254)),
        ),
        ("to 2001:db8::/32 l3mdev priority 5", Action::VrfTable),
        ("l3mdev sup_group 5 priority 5", Action::VrfTable),
        ("from any goto 30000 priority 20000", Action::Goto(30_000)),
        ("from 192.0.2.1 nop priority 0", Action::Nop),
        ("from 192.0.2.1 blackhole priority 5", Action::Blackhole),
        ("from 192.0.2.1 unreachable priority 5", Action::Unreachable),
        ("from 192.0.2.1 prohibit priority 5", Action::Prohibit),
        (
            "from 192.0.2.1 type blackhole priority 5",
            Action::Blackhole,
        ),
    ] {
        assert_eq!(fine(text).action, action, "{text}");
    }
    assert_eq!(fine("from ::/0 table 1 priority 5").family, Family::V6);
    assert_eq!(fine("inet6 from all table 1 priority 5").family, Family::V6);
    assert_eq!(fine("table 1 priority 5").family, Family::V4);
    assert_eq!(
        fine("fwmark 16 table 1 priority 5").mark,
        Some((16, u32::MAX))
    );
}

#[test]
fn what_people_write_is_taken_and_said() {
    let line = with(
        "from all sport 80 table 1 priority 5",
        &[
            "note: keepalived 2.2 does not take a port alone",
            "write `sport 80-80`",
        ],
    );
    assert_eq!(line.unwrap().source_ports, Some((80, 80)));
    let line = with(
        "from all ip_proto tcp table 1 priority 5",
        &[
            "note: keepalived leaves out rules with `ip_proto`",
            "`ipproto`",
        ],
    );
    assert_eq!(line.unwrap().protocol, Some(6));
    let line = with(
        "from all table 1",
        &["warning: this rule has no preference"],
    );
    assert_eq!(line.unwrap().preference, None);
    let line = with(
        "from 192.0.2.0/24 from 192.0.3.0/24 table 1 priority 5",
        &["`from` stands on this line twice"],
    );
    assert_eq!(line.unwrap().from, network("192.0.3.0/24"));
}

#[test]
fn these_rules_are_left_out() {
    for (text, what) in [
        (
            "from 192.168.2.0/24",
            &["this rule does nothing", "add `table T`"][..],
        ),
        (
            "192.168.2.0/24 table 1",
            &["unknown word `192.168.2.0/24`", "write `from` or `to`"],
        ),
        ("from all table 1 foo", &["unknown word `foo` in a rule"]),
        ("from all tabel 1", &["did you mean `table`?"]),
        ("from all table 1 pref 5", &["`preference`"]),
        ("from foo table 1", &["`foo` is not a network"]),
        ("from all table", &["`table` needs a value"]),
        (
            "from all table 0 priority 5",
            &["`0` is not a routing table"],
        ),
        ("from all table 1 lookup 2", &["a rule does one thing only"]),
        ("from all l3mdev table 1", &["a rule does one thing only"]),
        (
            "from all blackhole table 1",
            &["a rule does one thing only"],
        ),
        (
            "from 192.0.2.1 to 2001:db8::1 table 1",
            &["mixes IPv4 and IPv6"],
        ),
        (
            "from all realms 3 goto 5 priority 4",
            &["`realms` is for rules that look into a table"],
        ),
        ("from all goto 30000", &["`goto` needs a `preference`"]),
        ("from all goto 10 priority 10", &["`goto 10` leads back"]),
        (
            "from all type nat",
            &["`blackhole`, `unreachable` or `prohibit`"],
        ),
        ("from all sport http table 1", &["takes ports"]),
        ("from all sport 80-70 table 1", &["takes ports"]),
        ("from all dport 80-70000 table 1", &["takes ports"]),
        ("from all uidrange 10 table 1", &["two numbers"]),
        ("from all uidrange 10-5 table 1", &["two numbers"]),
        ("from all fwmark foo table 1", &["`fwmark` takes a number"]),
        ("from all fwmark 1/ table 1", &["`fwmark` takes a number"]),
        (
            "from all ipproto foo table 1",
            &["`ipproto` takes a protocol"],
        ),
        (
            "from all ipproto 256 table 1",
            &["`ipproto` takes a protocol"],
        ),
        ("from all tunnel-id x table 1", &["takes a whole number"]),
        ("from all sup_pl 129 table 1", &["from 0 to 128"]),
        ("from all realms /3 table 1", &["`` is not a realm"]),
        ("from all realms 3/300 table 1", &["`300` is not a realm"]),
        ("from all priority -1 table 1", &["from 0 to 4294967295"]),
        (
            "from all dsfield 300 table 1",
            &["is not a value of the DS field"],
        ),
        (
            "from all iif averyveryverylongname table 1",
            &["is not an interface name"],
        ),
        (
            "from all table 1 track_group g",
            &["`track_group` has no place here"],
        ),
    ] {
        assert_eq!(with(text, what), None, "{text}");
    }
    let (line, _) = read(
        "from all table 1 track_group g priority 5",
        |words, sink| rule::parse(words, true, Names::well_known(), sink),
    );
    assert!(line.unwrap().track_group.is_some());
}
