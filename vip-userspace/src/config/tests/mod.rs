mod check;
mod estate;
mod field;
mod hostile;
mod language;
mod reaction;
mod rendered;
mod slips;

use std::net::Ipv4Addr;

use super::*;

const NODE_A: &str = include_str!("../../../../tests/seed/nodeA.conf");
const NODE_B: &str = include_str!("../../../../tests/seed/nodeB.conf");

/// The configuration of a text without any problem.
fn fine(text: &str) -> Configuration {
    let loaded = parse(text, "t");
    assert_eq!(headlines(&loaded), [""; 0]);
    loaded.configuration
}

fn headlines(loaded: &Loaded) -> Vec<String> {
    loaded.problems.iter().map(Problem::headline).collect()
}

#[test]
fn the_seed_pair_is_read_as_it_is() {
    for (text, router_id, priority) in [(NODE_A, "nodeA", 100), (NODE_B, "nodeB", 90)] {
        let configuration = fine(text);
        assert_eq!(configuration.router_id.as_deref(), Some(router_id));
        let place = configuration.instances[0].place.clone();
        assert_eq!(
            configuration.instances,
            [Instance {
                name: "VI_1".into(),
                interface: "eth0".into(),
                vrid: Vrid::new(51).unwrap(),
                version: Version::V2,
                priority: Priority::new(priority).unwrap(),
                interval: Centis::ONE_SECOND,
                preempt: true,
                auth: Auth::Password(*b"1111\0\0\0\0"),
                group: Ipv4Addr::new(224, 0, 0, 18).into(),
                source: None,
                preempt_delay: Duration::ZERO,
                lower_prio_no_advert: false,
                higher_prio_send_advert: false,
                owner_ignore_adverts: false,
                hmac: None,
                unicast: None,
                track_source: false,
                dialect: ChecksumDialect::PseudoHeader,
                addresses: vec![VirtualAddress::new(
                    Ipv4Addr::new(192, 168, 8, 100).into(),
                    24
                )],
                excluded: vec![],
                routes: vec![],
                rules: vec![],
                vmac: None,
                accept: true,
                promote_secondaries: false,
                track_interfaces: vec![],
                dont_track_primary: false,
                garp: Garp::default(),
                trackers: Vec::new(),
                notify: Default::default(),
                garp_extra_if: None,
                down_timer_adverts: 3,
                unusable: None,
                place,
            }]
        );
    }
    assert_eq!(fine(NODE_A).instances[0].place.to_string(), "t:6:15");
}

/// An instance with these lines in it.
fn instance(lines: &str) -> String {
    format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {{\n192.0.2.1/24\n}}\n{lines}\n}}\n"
    )
}

/// The one instance of [`instance`], and what was said about it.
fn with(lines: &str) -> (Instance, Vec<String>) {
    let mut loaded = parse(&instance(lines), "t");
    let said = headlines(&loaded);
    assert_eq!(loaded.configuration.instances.len(), 1, "{said:?}");
    (loaded.configuration.instances.remove(0), said)
}

/// As [`with`], where nothing is to be said.
fn quietly(lines: &str) -> Instance {
    let (instance, said) = with(lines);
    assert_eq!(said, [""; 0], "{lines}");
    assert_eq!(instance.unusable, None, "{lines}");
    instance
}

/// As [`with`], where one thing is said, which begins like this.
fn saying(lines: &str, begins: &str) -> Instance {
    let (instance, said) = with(lines);
    let [said] = &said[..] else {
        panic!("{lines}: {said:?}");
    };
    let said = said.split_once(": ").map_or("", |(_, said)| said);
    assert!(said.starts_with(begins), "{lines}: {said}");
    instance
}

fn centis(number: u16) -> Centis {
    Centis::new(number).unwrap()
}

fn seconds(number: u64) -> std::time::Duration {
    std::time::Duration::from_secs(number)
}

#[test]
fn each_keyword_of_an_instance_does_what_it_says() {
    assert_eq!(quietly("version 3").version, Version::V3);
    assert_eq!(quietly("priority \"149\"").priority.get(), 149);
    assert_eq!(quietly("advert_int 3").interval, centis(300));
    assert!(!quietly("nopreempt").preempt);
    assert_eq!(
        quietly("mcast_src_ip 192.0.2.9").source,
        Some(Ipv4Addr::new(192, 0, 2, 9).into())
    );
    assert_eq!(
        quietly("mcast_dst_ip 224.0.0.99").group,
        Ipv4Addr::new(224, 0, 0, 99)
    );
    assert_eq!(quietly("down_timer_adverts 5").down_timer_adverts, 5);
    let garp = quietly(
        "garp_master_delay 2\ngarp_master_repeat 3\ngarp_master_refresh 60\ngarp_master_refresh_repeat 4",
    )
    .garp;
    assert_eq!(
        garp,
        Garp {
            repeat: 3,
            delay: seconds(2),
            refresh: Some(seconds(60)),
            refresh_repeat: 4,
            lower_prio_repeat: 5,
            lower_prio_delay: seconds(5),
        }
    );
    assert_eq!(
        quietly("authentication {\nauth_pass \"a#b!c d\"\nauth_type PASS\n}").auth,
        Auth::Password(*b"a#b!c d\0")
    );
}

#[test]
fn global_words_hold_for_instances_above_them_and_below() {
    let text = instance("")
        + "global_defs {\nvrrp_version 3\nvrrp_mcast_group4 224.0.0.99\nvrrp_down_timer_adverts 4\nvrrp_garp_master_repeat 2\nvrrp_garp_master_delay 0\nvrrp_garp_master_refresh 9\n}\n"
        + &instance("version 2\ngarp_master_refresh 0")
            .replace("A {", "B {")
            .replace("id 1", "id 2")
            .replace("2.1/", "2.2/");
    let configuration = fine(&text);
    let [a, b] = &configuration.instances[..] else {
        panic!("two instances");
    };
    assert_eq!((a.version, b.version), (Version::V3, Version::V2));
    assert_eq!(a.group, Ipv4Addr::new(224, 0, 0, 99));
    assert_eq!(a.down_timer_adverts, 4);
    assert_eq!((a.garp.repeat, a.garp.delay), (2, seconds(0)));
    assert_eq!((a.garp.refresh, b.garp.refresh), (Some(seconds(9)), None));

    let minimal = fine(&(instance("") + "global_defs {\nvrrp_min_garp\n}")).instances;
    assert_eq!(
        (minimal[0].garp.repeat, minimal[0].garp.delay),
        (1, seconds(0))
    );
}

#[test]
fn what_keepalived_corrects_is_corrected_and_said() {
    let priority = saying(
        "priority 256",
        "error: `priority` takes a whole number from 1 to 255",
    )
    .priority;
    assert_eq!(priority, Priority::DEFAULT);
    let owner = saying(
        "state MASTER",
        "warning: instance `A` has `state MASTER` and no priority",
    );
    assert_eq!(owner.priority, Priority::OWNER);
    assert!(
        saying(
            "priority 9\nstate MASTER\nnopreempt",
            "warning: `nopreempt` is ignored"
        )
        .preempt
    );
    assert!(!quietly("state BACKUP\nnopreempt").preempt);
    assert!(
        saying(
            "priority 9\nstate MASTER\nstate BACKUP\nnopreempt\npreempt",
            "warning: `state BACKUP` after"
        )
        .preempt
    );

    for (asked, becomes) in [
        ("0.01", 100),
        ("0.5", 100),
        ("1.4", 100),
        ("1.5", 200),
        ("254.9", 25_500),
    ] {
        let instance = saying(&format!("advert_int {asked}"), "warning: an interval of");
        assert_eq!(instance.interval, centis(becomes), "{asked}");
    }
    for (asked, becomes) in [("0.014", 1), ("0.015", 2), ("41", 4095), ("255", 4095)] {
        let lines = format!("version 3\nadvert_int {asked}");
        assert_eq!(
            saying(&lines, "warning: an interval of").interval,
            centis(becomes),
            "{asked}"
        );
    }
    for (asked, becomes) in [("0.01", 1), ("1", 100), ("40.95", 4095)] {
        let lines = format!("version 3\nadvert_int {asked}");
        assert_eq!(quietly(&lines).interval, centis(becomes), "{asked}");
    }
    for asked in ["0", "256", "1s", "-1"] {
        let lines = format!("advert_int {asked}");
        let instance = saying(&lines, "error: `advert_int` takes seconds from 0.01 to 255");
        assert_eq!(instance.interval, Centis::ONE_SECOND);
    }

    assert_eq!(
        saying(
            "authentication {\nauth_type PASS\nauth_pass 123456789\n}",
            "warning: the password has 9 bytes"
        )
        .auth,
        Auth::Password(*b"12345678")
    );
    assert_eq!(
        saying(
            "version 3\nauthentication {\nauth_type PASS\nauth_pass 1\n}",
            "warning: VRRP version 3 has no authentication"
        )
        .auth,
        Auth::None
    );
    assert_eq!(
        saying(
            "authentication {\nauth_type PASS\n}",
            "error: `auth_type PASS` without"
        )
        .auth,
        Auth::None
    );
    assert_eq!(
        saying("garp_master_repeat 0", "warning: 0 rounds become 1")
            .garp
            .repeat,
        1
    );
    assert_eq!(
        saying("garp_master_repeat 999", "warning: 999 rounds become 255")
            .garp
            .repeat,
        255
    );
    saying(
        "mcast_dst_ip 192.0.2.7",
        "error: 192.0.2.7 is not a multicast address",
    );
    assert_eq!(
        saying(
            "priority 5\npriority 6",
            "warning: `priority` is given again"
        )
        .priority
        .get(),
        6
    );
    assert!(
        saying(
            "preempt on",
            "warning: `preempt` takes no more than 0 words"
        )
        .preempt
    );
}

#[test]
fn strict_mode_is_followed_where_it_decides() {
    let text = instance("authentication {\nauth_type PASS\nauth_pass 1\n}\ndown_timer_adverts 7");
    let loaded = parse(&(text + "global_defs {\nvrrp_strict\n}"), "t");
    assert_eq!(loaded.configuration.instances[0].auth, Auth::None);
    assert_eq!(loaded.configuration.instances[0].down_timer_adverts, 3);
    assert_eq!(
        (
            loaded.count(Severity::Error),
            loaded.count(Severity::Warning)
        ),
        (0, 2)
    );
}

#[test]
fn addresses_have_their_whole_syntax() {
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n\
        192.0.2.1\n192.0.2.17/28 dev eth1 label eth1:vip scope link brd +\n\
        192.0.2.18/28 brd - scope 7\n192.0.2.19/28 broadcast 192.0.2.255\n}\n\
        virtual_ipaddress_excluded {\n198.51.100.1/0 brd +\n}\n}";
    let instance = &fine(text).instances[0];
    let plain = |last, prefix| VirtualAddress::new(Ipv4Addr::new(192, 0, 2, last).into(), prefix);
    assert_eq!(
        instance.addresses,
        [
            plain(1, 32),
            VirtualAddress {
                device: Some("eth1".into()),
                label: Some("eth1:vip".into()),
                scope: 253,
                broadcast: Some(Ipv4Addr::new(192, 0, 2, 31)),
                ..plain(17, 28)
            },
            VirtualAddress {
                scope: 7,
                broadcast: Some(Ipv4Addr::new(192, 0, 2, 16)),
                ..plain(18, 28)
            },
            VirtualAddress {
                broadcast: Some(Ipv4Addr::new(192, 0, 2, 255)),
                ..plain(19, 28)
            },
        ]
    );
    assert_eq!(
        instance.excluded[0].broadcast,
        Some(Ipv4Addr::new(255, 255, 255, 255))
    );
}

#[test]
fn a_bad_address_costs_its_line_only() {
    for (line, said) in [
        (
            "192.0.2.300/24",
            "error: `192.0.2.300/24` is not an address",
        ),
        ("224.0.0.1", "error: `224.0.0.1` is not an address"),
        (
            "192.0.2.8 label 1234567890123456",
            "error: label `1234567890123456` is longer than 15",
        ),
        ("priority 5", "error: `priority` is not an address"),
        ("x { 192.0.2.9\n }", "error: a list holds no blocks"),
    ] {
        let instance = saying(&format!("virtual_ipaddress {{\n{line}\n}}"), said);
        assert_eq!(instance.addresses.len(), 1, "{line}");
        assert_eq!(instance.unusable, None, "{line}");
    }
    for (line, said, kept) in [
        (
            "192.0.2.8 192.0.2.9",
            "error: unknown word `192.0.2.9` behind an address",
            true,
        ),
        ("192.0.2.8 lable x:1 ", "error: unknown word `lable`", true),
        ("192.0.2.8 dev", "error: `dev` needs a value", false),
        (
            "192.0.2.8 dev a/b",
            "error: `a/b` is not an interface name",
            false,
        ),
        ("192.0.2.8/33", "error: the prefix of `192.0.2.8/33`", true),
        ("192.0.2.8/", "error: the prefix of `192.0.2.8/`", true),
        ("192.0.2.8 scope here", "error: `here` is not a scope", true),
        ("192.0.2.8 brd x", "error: `x` is not a broadcast", false),
    ] {
        let (instance, said_all) = with(&format!("virtual_ipaddress {{\n{line}\n}}"));
        let held: Vec<u8> = instance.addresses.iter().map(|one| one.prefix).collect();
        let wanted: &[u8] = if kept { &[24, 32] } else { &[24] };
        assert_eq!(held, wanted, "{line}: {said_all:?}");
        assert!(said_all[0].contains(said), "{line}: {said_all:?}");
    }
}

#[test]
fn surplus_addresses_move_but_are_not_advertised() {
    let lines: String = (0..256).map(|n| format!("198.51.{n}.1\n")).collect();
    let instance = saying(
        &format!("virtual_ipaddress {{\n{lines}}}"),
        "warning: an advert holds 255",
    );
    assert_eq!(
        (instance.addresses.len(), instance.excluded.len()),
        (255, 2)
    );
    assert_eq!(instance.excluded[1].address, Ipv4Addr::new(198, 51, 255, 1));
}

#[test]
fn what_would_decide_who_holds_the_address_makes_an_instance_unusable() {
    for lines in [
        "use_ipvlan",
        "vrf red",
        "auth_hmac {\nkey 1 short\n}",
        "auth_hmac {\nkey 1 file:/etc/vip.key\n}",
        "auth_hmac {\nmode permissive\n}",
        "unicast_peer {\n2001:db8::2\n}",
        "authentication {\nauth_type AH\nauth_pass 1\n}",
        "interface \"\u{0}\"",
        "authentication {\nauth_pass \"\"\n}",
    ] {
        let (instance, said) = with(lines);
        assert!(instance.unusable.is_some(), "{lines}");
        let told = |said: &String| {
            let fault = said.contains("is FAULT");
            (said.contains(": error: ") || said.contains(": warning: ")) && !fault
        };
        assert_eq!(
            said.iter().filter(|said| told(said)).count(),
            1,
            "{lines}: {said:?}"
        );
    }
    let everywhere = parse(&format!("net_namespace red\n{}", instance("")), "t");
    assert!(everywhere.configuration.instances[0].unusable.is_some());
}

#[test]
fn what_no_router_can_be_without() {
    for (text, reason) in [
        ("virtual_router_id 1", "it has no `interface`"),
        ("interface eth0", "it has no `virtual_router_id`"),
        (
            "interface eth0\nvirtual_router_id",
            "its `virtual_router_id` is not valid",
        ),
        (
            "interface eth0\nvirtual_router_id 0",
            "its `virtual_router_id` is not valid",
        ),
        (
            "interface eth0\nvirtual_router_id 256",
            "its `virtual_router_id` is not valid",
        ),
        (
            "interface abcdefghijklmnop\nvirtual_router_id 1",
            "its `interface` is not valid",
        ),
        (
            "interface eth0\nvirtual_router_id 1\nversion 3",
            "it has no virtual address",
        ),
    ] {
        let loaded = parse(&format!("vrrp_instance A {{\n{text}\n}}"), "t");
        assert_eq!(
            loaded.configuration.instances[0].unusable.as_deref(),
            Some(reason),
            "{text}"
        );
        assert_eq!(
            loaded.count(Severity::Error),
            1,
            "{text}: {:?}",
            headlines(&loaded)
        );
    }
    let bare = parse(
        "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\n}",
        "t",
    );
    assert_eq!(bare.configuration.instances[0].unusable, None);
    assert_eq!(
        (bare.count(Severity::Error), bare.count(Severity::Warning)),
        (0, 1)
    );
    assert_eq!(fine("vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nversion 3\nno_virtual_ipaddress\n}").instances.len(), 1);
}

#[test]
fn a_value_that_is_not_valid_leaves_the_one_before_it() {
    let (instance, said) = with("interface a/b\nvirtual_router_id 0\nversion 4");
    assert_eq!(instance.unusable, None);
    assert_eq!((&*instance.interface, instance.vrid.get()), ("eth0", 1));
    assert_eq!(said.iter().filter(|s| s.contains(": error: ")).count(), 3);
}

#[test]
fn instances_do_not_get_into_each_others_way() {
    let twice = parse(&(instance("priority 3") + &instance("priority 4")), "t");
    assert_eq!(twice.configuration.instances.len(), 1);
    assert_eq!(twice.configuration.instances[0].priority.get(), 3);
    assert_eq!(
        headlines(&twice),
        ["t:9:15: error: a second instance `A` is ignored"]
    );

    let same_vrid = instance("") + &instance("").replace("A {", "B {").replace("2.1/", "2.2/");
    let same_vrid = parse(&same_vrid, "t");
    assert_eq!(same_vrid.configuration.instances[0].unusable, None);
    assert!(same_vrid.configuration.instances[1].unusable.is_some());
    assert_eq!(
        headlines(&same_vrid),
        ["t:11:1: error: virtual_router_id 1 on `eth0` is already that of `A`"]
    );

    let same_address = instance("") + &instance("").replace("A {", "B {").replace("id 1", "id 2");
    assert_eq!(
        headlines(&parse(&same_address, "t")),
        ["t:13:1: warning: another instance holds 192.0.2.1 too"]
    );
}

#[test]
fn unknown_lines_and_blocks_are_skipped_and_nothing_else() {
    let text = instance(
        "priority 7\nzebra {\npriority 50\nstripes {\n}\n}\nadvert_int 2\nfoo bar\ndown_timer_adverts 4",
    );
    let loaded = parse(&text, "t");
    let read = &loaded.configuration.instances[0];
    assert_eq!(
        (read.priority.get(), read.interval, read.down_timer_adverts),
        (7, centis(200), 4)
    );
    assert_eq!(
        headlines(&loaded),
        [
            "t:8:1: error: unknown keyword `zebra` in vrrp_instance",
            "t:14:1: error: unknown keyword `foo` in vrrp_instance",
        ]
    );
}

#[test]
fn the_load_balancer_is_mentioned_once() {
    let text = instance("lvs_sync_daemon_interface eth0")
        + "virtual_server 192.0.2.1 80 {\ndelay_loop 6\nreal_server 192.0.2.2 80 {\nTCP_CHECK {\n}\n}\n}\n"
        + "virtual_server group x {\n}\nglobal_defs {\nlvs_flush\n}\n";
    let loaded = parse(&text, "t");
    assert_eq!(loaded.configuration.instances[0].unusable, None);
    assert_eq!(
        headlines(&loaded),
        [
            "t:7:1: warning: `lvs_sync_daemon_interface` belongs to the load balancer, which is not part of vip"
        ]
    );
}

#[test]
fn what_is_not_done_says_what_that_means() {
    saying(
        "smtp_alert",
        "warning: `smtp_alert` is not supported: no mail is sent",
    );
    saying(
        "kernel_rx_buf_size 1000",
        "note: `kernel_rx_buf_size` changes nothing here: ",
    );
    let group = instance("") + "vrrp_sync_group G {\ngroup {\nA\n}\nnotify_mister x\n}\n";
    assert_eq!(
        headlines(&parse(&group, "t")),
        [
            "t:11:1: warning: `A` is alone in its sync group",
            "t:13:1: error: unknown keyword `notify_mister` in vrrp_sync_group",
        ]
    );
}

#[test]
fn line_ends_and_byte_order_marks_do_not_matter() {
    let mut plain = fine(NODE_A);
    let mut windows = fine(&format!("\u{feff}{}", NODE_A.replace('\n', "\r\n")));
    let unterminated = fine(NODE_A.trim_end());
    assert_eq!(plain, unterminated);
    for configuration in [&mut plain, &mut windows] {
        configuration.instances[0].place.column = 0;
    }
    assert_eq!(plain, windows);
}

#[test]
fn comments_may_be_in_any_encoding_and_words_may_not() {
    let mut bytes = instance("priority 7 # ").into_bytes();
    let at = bytes.iter().position(|&b| b == b'#').unwrap();
    bytes[at + 1] = 0xe9;
    let loaded = parse_bytes(&bytes, "t");
    assert_eq!(headlines(&loaded), [""; 0]);
    assert_eq!(loaded.configuration.instances[0].priority.get(), 7);
    bytes[at] = b'x';
    let loaded = parse_bytes(&bytes, "t");
    assert_eq!(
        headlines(&loaded),
        [
            "t:1:15: warning: instance `A` is FAULT: a line of it cannot be read",
            "t:7:12: error: this word is not UTF-8"
        ]
    );
    assert!(loaded.configuration.instances[0].unusable.is_some());
}
