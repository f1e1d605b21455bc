//! What an instance brings beside its adverts, and whom it speaks to: the facts that
//! keepalived 2.2.7 shows in its dump are those of `tests/interop`, too.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use vip_common::ids::MacAddr;

use super::super::estate::{
    AntiReplay, HmacMode, Lifetime, OldChecksum, Order, Peer, RuleAction, Weight,
};
use super::super::reading::{InMemory, Reading};
use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// As [`parse`], with files.
fn with_files(text: &str, files: &[(&str, &str)]) -> Loaded {
    let files = files
        .iter()
        .map(|(name, text)| (PathBuf::from(name), text.as_bytes().to_vec()));
    let files = InMemory(files.collect::<BTreeMap<_, _>>());
    let reading = Reading {
        files: &files,
        ..Reading::default()
    };
    parse_with(text.as_bytes(), "t", &reading)
}

#[test]
fn peers_are_spoken_to_one_by_one() {
    let unicast = |lines: &str| quietly(lines).unicast.unwrap();
    let plain = unicast("unicast_peer {\n192.0.2.7\n192.0.2.8\n}");
    assert_eq!(
        plain.peers,
        ["192.0.2.7", "192.0.2.8"].map(|address| Peer {
            address: ip(address),
            min_ttl: 0,
            max_ttl: 255
        })
    );
    assert_eq!((plain.ttl, plain.check_source), (255, false));
    assert_eq!(plain.old_checksum, OldChecksum::Auto);
    let bounded = unicast("unicast_ttl 9\nunicast_peer {\n192.0.2.7 min_ttl 5\n}");
    assert_eq!((bounded.ttl, bounded.check_source), (9, true));
    assert!(bounded.admits(ip("192.0.2.7"), 5));
    assert!(!bounded.admits(ip("192.0.2.7"), 4));
    assert!(!bounded.admits(ip("192.0.2.8"), 5));
    assert!(unicast("check_unicast_src\nunicast_peer {\n192.0.2.7\n}").check_source);
    let never = unicast("old_unicast_checksum never\nunicast_peer {\n192.0.2.7\n}");
    assert_eq!(never.old_checksum, OldChecksum::Never);
    let twice = saying(
        "unicast_peer {\n192.0.2.7\n192.0.2.7\n}",
        "warning: peer 192.0.2.7 stands here twice",
    );
    assert_eq!(twice.unicast.unwrap().peers.len(), 1);
    let itself = saying(
        "unicast_src_ip 192.0.2.7\nunicast_peer {\n192.0.2.7\n192.0.2.8\n}",
        "warning: 192.0.2.7 is among its own peers",
    );
    assert_eq!(itself.unicast.unwrap().peers.len(), 1);
    // To speak to the group instead would be heard by whom nobody meant.
    let foreign = saying(
        "unicast_peer {\n2001:db8::7\n}",
        "error: peer 2001:db8::7 is IPv6, but the instance speaks IPv4",
    );
    assert!(foreign.unusable.is_some() && foreign.unicast.is_some());
}

#[test]
fn an_instance_with_peers_may_leave_its_interface_to_its_source() {
    let text = instance("unicast_src_ip 192.0.2.9\nunicast_peer {\n192.0.2.7\n}");
    let text = text.replace("interface eth0\n", "");
    let instance = &fine(&text).instances[0];
    assert_eq!(
        (instance.interface.as_str(), &instance.unusable),
        ("", &None)
    );
    assert_eq!(instance.source, Some(ip("192.0.2.9")));
    let nowhere = text.replace("unicast_src_ip 192.0.2.9\n", "");
    assert_eq!(
        headlines(&parse(&nowhere, "t")),
        ["t:1:15: error: instance `A` has no `interface`"]
    );
}

#[test]
fn a_virtual_mac_has_the_name_and_the_address_that_keepalived_gives_it() {
    let vmac = |lines: &str| quietly(lines).vmac.unwrap();
    let usual = vmac("use_vmac");
    assert_eq!(usual.name, "vrrp.1");
    assert_eq!(usual.mac, MacAddr([0, 0, 0x5e, 0, 1, 1]));
    assert!(!usual.transmit_from_base);
    let named = vmac("use_vmac vip51 02:00:00:00:07 group 3\nvmac_xmit_base");
    assert_eq!(
        (named.name.as_str(), named.group),
        ("vip51", Some(3)),
        "{named:?}"
    );
    assert_eq!(named.mac, MacAddr([2, 0, 0, 0, 7, 1]));
    assert!(named.transmit_from_base);
    let of_another = saying(
        "use_vmac 00:00:5e:00:02",
        "error: 00:00:5e:00:02:01 is the virtual MAC of another",
    );
    assert_eq!(of_another.vmac.unwrap().mac, usual.mac);
    let peers = saying(
        "use_vmac\nunicast_peer {\n192.0.2.7\n}",
        "warning: unicast with `use_vmac` needs `vmac_xmit_base`",
    );
    assert!(peers.vmac.unwrap().transmit_from_base);
    saying("vmac_xmit_base", "warning: `vmac_xmit_base` without");
}

#[test]
fn addresses_on_other_interfaces_share_a_virtual_mac_there() {
    let lines = "use_vmac\nvirtual_ipaddress {\n192.0.2.2 dev eth1 use_vmac\n192.0.2.3 dev eth1 use_vmac\n192.0.2.4 dev eth0\n}\nvirtual_ipaddress_excluded {\n2001:db8::1/64\n2001:db8::2/64 dev eth1 use_vmac\n}";
    let instance = quietly(lines);
    let place = |address: &VirtualAddress| {
        let vmac = address.vmac.as_ref();
        (
            address.device.clone(),
            vmac.map(|vmac| (vmac.name.clone(), vmac.mac)),
        )
    };
    let there = Some(("vrrp1.1".to_owned(), MacAddr([0, 0, 0x5e, 0, 1, 1])));
    let places: Vec<_> = instance.addresses.iter().map(place).collect();
    let eth1 = Some("eth1".to_owned());
    assert_eq!(
        places,
        [
            (None, None),
            (eth1.clone(), there.clone()),
            (eth1.clone(), there),
            // The instance's own interface, and so the one above it.
            (None, None),
        ]
    );
    let places: Vec<_> = instance.excluded.iter().map(place).collect();
    let of_v6 = Some(("vrrp6.1".to_owned(), MacAddr([0, 0, 0x5e, 0, 2, 1])));
    // Of the other family, whose MAC it is not: on the interface itself.
    assert_eq!(places, [(Some("eth0".to_owned()), None), (eth1, of_v6)]);
}

#[test]
fn a_virtual_mac_is_on_an_interface_once() {
    let second = instance("use_vmac")
        .replace("instance A", "instance B")
        .replace("interface eth0", "interface eth1")
        .replace("192.0.2.1", "192.0.2.9");
    let text = instance("virtual_ipaddress {\n192.0.2.2 dev eth1 use_vmac\n}") + &second;
    let loaded = parse(&text, "t");
    let [a, b] = &loaded.configuration.instances[..] else {
        panic!("two instances");
    };
    assert_eq!(a.unusable, None);
    assert!(b.unusable.is_some(), "{:?}", headlines(&loaded));
    let apart = text.replace(
        "virtual_router_id 1\nvirtual_ipaddress {\n192.0.2.9",
        "virtual_router_id 2\nvirtual_ipaddress {\n192.0.2.9",
    );
    assert!(
        fine(&apart)
            .instances
            .iter()
            .all(|one| one.unusable.is_none())
    );
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn adverts_are_signed_by_the_key_that_is_named() {
    let hmac = |lines: &str| quietly(&format!("auth_hmac {{\n{lines}\n}}")).hmac.unwrap();
    let one = hmac(&format!("key 7 {KEY}"));
    assert_eq!((one.active, one.mode), (7, HmacMode::Enforce));
    assert_eq!(one.anti_replay, AntiReplay::Time(5));
    assert_eq!(&*one.keys[0].secret, KEY.as_bytes());
    assert!(!format!("{one:?}").contains("0123"), "keys are never shown");
    let two = hmac(&format!(
        "key 1 {KEY}\nkey 2 hex:{}\nactive_key 2\nmode permissive\nanti_replay monotonic",
        "ab".repeat(32)
    ));
    assert_eq!((two.active, two.keys.len()), (2, 2));
    assert_eq!(&*two.keys[1].secret, [0xab; 32]);
    assert_eq!(two.mode, HmacMode::Permissive);
    assert_eq!(two.anti_replay, AntiReplay::Monotonic);
    let slow = quietly(&format!("advert_int 9\nauth_hmac {{\nkey 1 {KEY}\n}}"));
    assert_eq!(slow.hmac.unwrap().anti_replay, AntiReplay::Time(27));
    let receiving = hmac(&format!("key 1 {KEY}\nkey 2 {KEY}\nmode receive-only"));
    assert_eq!(receiving.mode, HmacMode::ReceiveOnly);
    for (lines, said) in [
        (
            format!("key 1 {KEY}\nkey 2 {KEY}"),
            "error: its `auth_hmac` has several keys",
        ),
        (
            format!("key 1 {KEY}\nactive_key 2"),
            "error: its `auth_hmac` has no key 2",
        ),
    ] {
        let instance = saying(&format!("auth_hmac {{\n{lines}\n}}"), said);
        assert!(instance.unusable.is_some() && instance.hmac.is_none());
    }
    let both = format!(
        "auth_hmac {{\nkey 1 {KEY}\n}}\nauthentication {{\nauth_type PASS\nauth_pass x\n}}"
    );
    let both = saying(&both, "warning: `auth_hmac` stands in for");
    assert_eq!(both.auth, Auth::None);
}

#[test]
fn a_key_may_lie_in_a_file() {
    let text = instance("auth_hmac {\nkey 1 file:/etc/key\n}");
    let key = |content: &str| {
        let loaded = with_files(&text, &[("/etc/key", content)]);
        let hmac = loaded.configuration.instances[0].hmac.clone();
        hmac.map(|hmac| hmac.keys[0].secret.to_vec())
    };
    assert_eq!(key(&format!("{KEY}\n")), Some(KEY.as_bytes().to_vec()));
    let digits = format!("hex:{}\n", "0a".repeat(40));
    assert_eq!(key(&digits), Some(vec![10; 40]));
    for bad in ["", "short\n", "hex:0\n"] {
        assert_eq!(key(bad), None, "{bad}");
    }
}

#[test]
fn routes_and_rules_are_plain_data() {
    let lines = "virtual_routes {\n\
        10.1.0.0/16 via 192.0.2.7 dev eth1 table 100 metric 5 mtu lock 1300\n\
        10.2.0.0/16 dev eth1\n\
        blackhole 10.3.0.0/16\n\
        10.4.0.0/16 via 192.0.2.7 or 192.0.2.8\n\
        append 2001:db8:1::/48 via fe80::1 dev eth1\n}\n\
        virtual_rules {\nfrom 10.1.0.0/16 table 100 preference 7\n}";
    let (instance, said) = with(lines);
    assert_eq!(
        said,
        ["t:11:27: warning: `or` is outdated in a route"],
        "{said:?}"
    );
    let [via, link, hole, shared, six] = &instance.routes[..] else {
        panic!("{:?}", instance.routes);
    };
    assert_eq!(
        (via.table, via.metric, via.scope),
        (Some(100), Some(5), 0),
        "{via:?}"
    );
    assert_eq!((via.metrics.len(), via.metrics[0].value), (1, 1300));
    assert_eq!((link.scope, link.order), (253, Order::Prepend));
    assert_eq!((hole.kind, hole.order), (6, Order::Add));
    let gateways: Vec<_> = shared.hops.iter().map(|hop| hop.via.unwrap()).collect();
    assert_eq!(gateways, [ip("192.0.2.7"), ip("192.0.2.8")]);
    assert_eq!(shared.via, None);
    assert_eq!((six.scope, six.order), (0, Order::Append));
    assert_eq!(
        (instance.rules[0].preference, instance.rules[0].action),
        (7, RuleAction::Table(100))
    );
    assert_eq!(
        instance.rules[0].to_string(),
        "from 10.1.0.0/16 table 100 preference 7"
    );
    assert_eq!(
        via.to_string(),
        "10.1.0.0/16 via 192.0.2.7 dev eth1 table 100 metric 5"
    );
    assert_eq!(hole.to_string(), "blackhole 10.3.0.0/16");
}

#[test]
fn rules_without_a_preference_get_keepalives() {
    let text = "static_rules {\nfrom 10.1.0.0/16 table 100\nfrom 10.2.0.0/16 table 100\nfrom 2001:db8::/32 table 100\n}\n";
    let own = instance("virtual_rules {\nfrom 10.3.0.0/16 table 100\n}");
    for (text, fixed, moving) in [
        (text.to_owned() + &own, [16384, 16383, 16384], 16382),
        // In the order of the file.
        (own.clone() + text, [16383, 16382, 16384], 16384),
    ] {
        let configuration = parse(&text, "t").configuration;
        let found = configuration.static_rules.iter();
        let found: Vec<u32> = found.map(|rule| rule.preference).collect();
        assert_eq!(found, fixed);
        assert_eq!(configuration.instances[0].rules[0].preference, moving);
    }
}

#[test]
fn a_group_that_static_routes_would_follow_is_told() {
    let text =
        "static_routes {\n10.1.0.0/16 dev eth1 track_group G\n}\n".to_owned() + &instance("");
    let said = headlines(&parse(&text, "t"));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("t:2:34: warning: `track_group` is not supported"),
        "{said:?}"
    );
}

#[test]
fn names_of_tables_are_the_hosts() {
    let text = instance("virtual_routes {\n10.1.0.0/16 dev eth1 table dmz\n}");
    let files = [("/etc/iproute2/rt_tables", "77 dmz\n")];
    let loaded = with_files(&text, &files);
    assert_eq!(headlines(&loaded), [""; 0]);
    assert_eq!(loaded.configuration.instances[0].routes[0].table, Some(77));
    let elsewhere = "global_defs {\niproute_etc_dir /etc/names\n}\n".to_owned() + &text;
    let loaded = with_files(&elsewhere, &[("/etc/names/rt_tables", "78 dmz\n")]);
    assert_eq!(loaded.configuration.instances[0].routes[0].table, Some(78));
    let unknown = with_files(&text, &[("/etc/iproute2/rt_tables", "77 lan\n")]);
    assert_eq!(
        headlines(&unknown),
        ["t:8:28: error: `dmz` is not a routing table"]
    );
    assert_eq!(unknown.configuration.instances[0].routes, []);
}

#[test]
fn static_addresses_have_their_interface() {
    let text = "static_ipaddress {\n192.0.2.70/24\n192.0.2.71/24 dev eth3\nfd00::1/64 -nodad\n}\n";
    let of = |text: &str| {
        let loaded = parse(text, "t");
        let found = loaded.configuration.static_addresses.into_iter();
        found.collect::<Vec<_>>()
    };
    let found = of(text);
    assert_eq!(found[0].device.as_deref(), Some("eth0"));
    assert_eq!(found[1].device.as_deref(), Some("eth3"));
    assert!(found[2].detect_duplicates && found[2].preferred == Lifetime::Forever);
    let found = of(&format!(
        "{text}global_defs {{\ndefault_interface eth9\n}}\n"
    ));
    assert_eq!(found[0].device.as_deref(), Some("eth9"));
}

#[test]
fn what_is_tracked_counts_as_in_keepalived() {
    let tracked = |lines: &str| {
        let (instance, said) = with(lines);
        let found = instance.track_interfaces.into_iter();
        let found: Vec<_> = found
            .map(|one| (one.interface, one.weight.value, one.weight.reverse))
            .collect();
        (found, said)
    };
    let (found, said) = tracked("track_interface {\neth1 weight -20 reverse\neth2\n}");
    assert_eq!(
        found,
        [
            ("eth1".to_owned(), -20, true),
            ("eth2".to_owned(), 0, false)
        ]
    );
    assert_eq!(said, [""; 0]);
    let (found, said) = tracked("track_interface {\neth0\neth1\neth1 weight 5\n}");
    assert_eq!(found, [("eth1".to_owned(), 0, false)]);
    assert_eq!(said.len(), 2, "{said:?}");
    let (found, said) = tracked("priority 255\ntrack_interface {\neth1 weight 5\neth2\n}");
    assert_eq!(found, [("eth2".to_owned(), 0, false)]);
    assert_eq!(said.len(), 1, "{said:?}");
}

#[test]
fn instances_of_a_sync_group_go_together() {
    let second = instance("")
        .replace("instance A", "instance B")
        .replace("_id 1", "_id 2")
        .replace("192.0.2.1", "192.0.2.9");
    let text = |more: &str| {
        instance("track_interface {\neth1 weight 20\n}")
            + &second
            + &format!(
                "vrrp_sync_group G {{\ngroup {{\nA\nB\nC\n}}\ntrack_interface {{\neth3 weight 5\n}}\n{more}\n}}\n"
            )
    };
    let loaded = parse(&text(""), "t");
    let [group] = &loaded.configuration.sync_groups[..] else {
        panic!("one group");
    };
    assert_eq!(group.members, ["A", "B"]);
    assert_eq!(group.track_interfaces[0].weight.value, 5);
    assert!(!group.weights);
    let weight = |loaded: &Loaded| loaded.configuration.instances[0].track_interfaces[0].weight;
    assert_eq!(weight(&loaded), Weight::default());
    let said = headlines(&loaded);
    assert!(
        said.iter()
            .any(|said| said.contains("the weight of `eth1` in `A` is ignored")),
        "{said:?}"
    );
    let loaded = parse(&text("sync_group_tracking_weight"), "t");
    assert_eq!(weight(&loaded).value, 20);
    assert!(loaded.configuration.sync_groups[0].weights);
    let owner = text("").replace("_id 2\n", "_id 2\npriority 255\n");
    let loaded = parse(&owner, "t");
    assert_eq!(
        loaded.configuration.sync_groups[0].track_interfaces[0]
            .weight
            .value,
        0
    );
}

#[test]
fn gratuitous_arp_is_spaced_out_and_said_again() {
    let text = "global_defs {\nvrrp_garp_interval 0.001\nvrrp_gna_interval 0.000002\nvrrp_garp_extra_if all 100\nvrrp_startup_delay 2.5\n}\n\
        garp_group {\ngarp_interval 0.5\ninterface eth0\ninterfaces {\neth1\neth0\n}\n}\n".to_owned() + &instance("");
    let configuration = fine(&text);
    assert_eq!(configuration.garp_interval, Duration::from_millis(1));
    assert_eq!(configuration.gna_interval, Duration::from_micros(2));
    assert_eq!(configuration.startup_delay, Duration::from_millis(2500));
    assert_eq!(configuration.garp_groups[0].interfaces, ["eth0", "eth1"]);
    let extra = configuration.instances[0].garp_extra_if.unwrap();
    assert_eq!((extra.every, extra.all), (seconds(100), true));
    let off = text.replace(
        "interface eth0\nvirtual",
        "interface eth0\ngarp_extra_if 0\nvirtual",
    );
    assert_eq!(fine(&off).instances[0].garp_extra_if, None);
}

#[test]
fn what_follows_a_lower_priority_is_the_globals() {
    let of = |globals: &str, lines: &str| {
        let text = format!("global_defs {{\n{globals}\n}}\n{}", instance(lines));
        let garp = fine(&text).instances[0].garp;
        (garp.lower_prio_repeat, garp.lower_prio_delay.as_secs())
    };
    assert_eq!(of("", ""), (5, 5));
    // As in keepalived: the instance's own first rounds do not count for these.
    assert_eq!(of("", "garp_master_repeat 2\ngarp_master_delay 9"), (5, 5));
    assert_eq!(of("vrrp_garp_master_repeat 3", ""), (3, 5));
    assert_eq!(
        of(
            "vrrp_garp_lower_prio_repeat 0\nvrrp_garp_master_repeat 3",
            ""
        ),
        (0, 5)
    );
    assert_eq!(of("vrrp_min_garp", ""), (1, 0));
    assert_eq!(
        of("", "garp_lower_prio_repeat 0\ngarp_lower_prio_delay 1"),
        (0, 1)
    );
}

#[test]
fn an_owner_and_strict_mode_decide_what_is_accepted() {
    assert!(quietly("accept").accept);
    assert!(!quietly("no_accept").accept);
    assert!(quietly("no_accept\naccept").accept);
    assert!(!quietly("strict_mode").accept);
    assert!(quietly("strict_mode\nversion 3\naccept").accept);
    assert!(quietly("strict_mode\nversion 3\npriority 255\nstate MASTER").accept);
    assert!(
        saying(
            "priority 255\nno_accept",
            "note: `no_accept` changes nothing"
        )
        .accept
    );
    let strict = saying(
        "strict_mode\naccept",
        "warning: `accept` is ignored with strict mode in version 2",
    );
    assert!(!strict.accept);
}

#[test]
fn strict_mode_takes_out_what_the_rfc_does_not_know() {
    let strict = quietly("strict_mode");
    assert!(strict.lower_prio_no_advert);
    assert_eq!(strict.garp.lower_prio_repeat, 0);
    for lines in [
        "preempt_delay 5",
        "higher_prio_send_advert",
        "lower_prio_no_advert off",
        "garp_lower_prio_repeat 3",
        "garp_lower_prio_delay 3",
    ] {
        let begins = format!(
            "warning: `{}` is ignored with strict mode",
            lines.split(' ').next().unwrap()
        );
        let instance = saying(&format!("strict_mode\n{lines}"), &begins);
        assert_eq!(instance.preempt_delay, Duration::ZERO);
        assert!(!instance.higher_prio_send_advert);
        assert!(instance.lower_prio_no_advert);
        assert_eq!(instance.garp.lower_prio_repeat, 0);
        assert_eq!(instance.garp.lower_prio_delay, Duration::ZERO);
    }
    let plain = quietly("preempt_delay 5.5\nhigher_prio_send_advert\nlower_prio_no_advert");
    assert_eq!(plain.preempt_delay, Duration::from_millis(5500));
    assert!(plain.higher_prio_send_advert && plain.lower_prio_no_advert);
    let mac = saying(
        "strict_mode\nuse_vmac 02:00:00:00:07",
        "warning: strict mode knows no other",
    );
    assert_eq!(mac.vmac.unwrap().mac.0[0], 0);
    saying(
        "strict_mode\nuse_vmac\nvmac_xmit_base",
        "warning: `vmac_xmit_base` is ignored",
    );
    assert!(!quietly("owner_ignore_adverts").owner_ignore_adverts);
    assert!(quietly("priority 255\nowner_ignore_adverts").owner_ignore_adverts);
}

#[test]
fn a_delay_does_not_go_with_those_who_never_wait() {
    for (lines, with) in [
        ("nopreempt", "`nopreempt`"),
        ("state MASTER\npriority 9", "`state MASTER`"),
        ("priority 255", "priority 255"),
    ] {
        let said = format!("warning: `preempt_delay` is ignored with {with}");
        let instance = saying(&format!("{lines}\npreempt_delay 5"), &said);
        assert_eq!(instance.preempt_delay, Duration::ZERO, "{lines}");
    }
}

#[test]
fn all_options_of_an_address_are_kept() {
    let text = "virtual_ipaddress {\n192.0.2.2 peer 192.0.2.3 noprefixroute no_track\n}\nvirtual_ipaddress_excluded {\nfd00::5/64 -nodad mngtmpaddr home autojoin preferred_lft 99\nfd00::6\n}";
    let instance = quietly(text);
    let peer = &instance.addresses[1];
    assert_eq!(peer.peer, Some((Ipv4Addr::new(192, 0, 2, 3).into(), 32)));
    assert!(peer.no_prefix_route && peer.no_track && !peer.detect_duplicates);
    let [full, deprecated] = &instance.excluded[..] else {
        panic!("two addresses");
    };
    assert!(full.detect_duplicates && full.manage_temporary && full.home && full.auto_join);
    assert_eq!(full.preferred, Lifetime::Seconds(99));
    assert_eq!(deprecated.preferred, Lifetime::Seconds(0));
}
