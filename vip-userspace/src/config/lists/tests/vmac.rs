use super::super::names::{Names, Number};
use super::super::vmac::{self, Ipvlan, IpvlanMode, Mac, Vmac};
use super::{quietly, saying};

fn fine(text: &str) -> Vmac {
    quietly(text, |words, sink| {
        vmac::vmac(&words[1..], Names::well_known(), sink)
    })
}

fn with(text: &str, what: &[&str]) -> Vmac {
    saying(text, what, |words, sink| {
        vmac::vmac(&words[1..], Names::well_known(), sink)
    })
    .unwrap()
}

fn ipvlan(text: &str) -> Ipvlan {
    quietly(text, |words, sink| {
        vmac::ipvlan(&words[1..], Names::well_known(), sink)
    })
}

#[test]
fn a_vmac_has_a_name_a_mac_and_a_group_if_wanted() {
    assert_eq!(fine("use_vmac"), Vmac::default());
    let vmac = fine("use_vmac vip0 02:00:00:00:00:0A netlink_notify_msg group 3");
    assert_eq!(vmac.name.as_ref().map(|t| &*t.text), Some("vip0"));
    assert_eq!(
        vmac.mac,
        Some(Mac {
            prefix: [2, 0, 0, 0, 0],
            last: Some(10)
        })
    );
    assert!(vmac.notify);
    assert_eq!(vmac.group, Some(Number::Known(3)));
    let vmac = fine("use_vmac 2:0:0:0:1 vip0");
    assert_eq!(vmac.mac.map(|mac| mac.last), Some(None));
    assert!(vmac.name.is_some());
}

#[test]
fn what_is_wrong_with_a_vmac_is_left_out_of_it() {
    for (text, what) in [
        (
            "use_vmac averyveryverylongname",
            &["is not an interface name", "named after the VRID"][..],
        ),
        ("use_vmac a/b", &["is not an interface name"]),
        ("use_vmac 01:00:5e:00:00:01", &["is a multicast address"]),
        ("use_vmac 02:00:00:00", &["is not a MAC address"]),
        ("use_vmac 02:00:00:00:00:00:00", &["is not a MAC address"]),
        ("use_vmac 02:00:00:00:00:+1", &["is not a MAC address"]),
        ("use_vmac group", &["`group` needs a value"]),
        ("use_vmac group defualt", &["did you mean `default`?"]),
    ] {
        assert_eq!(with(text, what), Vmac::default(), "{text}");
    }
    let vmac = with("use_vmac one two", &["`two` is a second name"]);
    assert_eq!(vmac.name.as_ref().map(|t| &*t.text), Some("one"));
}

#[test]
fn an_ipvlan_has_an_address_and_a_mode() {
    assert_eq!(ipvlan("use_ipvlan"), Ipvlan::default());
    let address = Some(("192.0.2.7".parse().unwrap(), 24));
    for text in [
        "use_ipvlan ipv0 192.0.2.7/24 private group 1",
        "use_ipvlan private 192.0.2.7/24 ipv0 group 1",
    ] {
        let ipvlan = ipvlan(text);
        assert_eq!(ipvlan.name.as_ref().map(|t| &*t.text), Some("ipv0"));
        assert_eq!(
            (ipvlan.address, ipvlan.mode),
            (address, IpvlanMode::Private)
        );
        assert_eq!(ipvlan.group, Some(Number::Known(1)));
    }
    assert_eq!(ipvlan("use_ipvlan vepa").mode, IpvlanMode::Vepa);
    assert_eq!(
        ipvlan("use_ipvlan fe80::7").address,
        Some(("fe80::7".parse().unwrap(), 128))
    );
    for (text, what) in [
        ("use_ipvlan ipv0 baz", "`baz` is a second name"),
        ("use_ipvlan 192.0.2.7/33", "is not 0 to 32"),
        (
            "use_ipvlan ipv0 192.0.2.300",
            "`192.0.2.300` is a second name",
        ),
    ] {
        let read = saying(text, &[what], |words, sink| {
            vmac::ipvlan(&words[1..], Names::well_known(), sink)
        });
        assert_eq!(read.unwrap().address, None, "{text}");
    }
}
