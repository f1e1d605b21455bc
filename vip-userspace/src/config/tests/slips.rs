//! What people write by mistake, and what becomes of it.

use super::*;

#[test]
fn of_two_commands_the_first_counts_and_of_two_numbers_the_last() {
    let loaded = parse(
        &instance("priority 5\npriority 6\nnotify_master /bin/a\nnotify_master /bin/b"),
        "t",
    );
    let section = loaded.settings[0].value.section().unwrap();
    let command = section.last("notify_master").unwrap().value.command();
    assert_eq!(command.unwrap().argv, ["/bin/a"]);
    assert_eq!(loaded.configuration.instances[0].priority.get(), 6);
    let again: Vec<String> = headlines(&loaded)
        .into_iter()
        .filter(|said| said.contains("given again"))
        .collect();
    assert_eq!(
        again,
        [
            "t:8:1: warning: `priority` is given again; the last one counts",
            "t:10:1: warning: `notify_master` is given again; the first one counts",
        ]
    );
}

#[test]
fn a_password_that_a_comment_cuts_is_said() {
    for (password, cut) in [
        ("adm#2023", true),
        ("ab!cd", true),
        ("admin # mine", false),
        ("\"ad#m\"", false),
    ] {
        let lines = format!("authentication {{\nauth_type PASS\nauth_pass {password}\n}}");
        let (instance, said) = with(&lines);
        assert_eq!(instance.unusable, None, "{password}");
        let told = said
            .iter()
            .any(|said| said.contains("which begins a comment"));
        assert_eq!(told, cut, "{password}: {said:?}");
    }
}

#[test]
fn what_is_refused_leaves_what_stands_above_it() {
    let instance = saying(
        "virtual_router_id 700",
        "error: `virtual_router_id` takes a whole number",
    );
    assert_eq!((instance.vrid.get(), instance.unusable), (1, None));
    let (instance, _) = with("authentication {\nauth_type MD5\nauth_pass 1111\n}");
    assert_eq!((instance.auth, instance.unusable), (Auth::None, None));
}

#[test]
fn what_does_nothing_yet_does_not_make_an_instance_unusable() {
    for lines in [
        "notify_stop \"/bin/sh -c 'exit 0'",
        "track_bfd {\n\"chk\n}",
        "notify_master {{ script }}",
    ] {
        let (instance, said) = with(lines);
        assert_eq!(instance.unusable, None, "{lines}");
        assert!(
            said.iter().any(|said| said.contains(": error: ")),
            "{said:?}"
        );
    }
}

#[test]
fn a_name_in_another_encoding_stops_nobody() {
    for global in [
        &b"router_id caf\xe9"[..],
        b"notification_email_from \"J\xfcrg <a@b>\"",
        b"notification_email {\nj\xfcrg@x\n}",
        b"router_id \"open",
    ] {
        let mut bytes = b"global_defs {\n".to_vec();
        bytes.extend(global);
        bytes.extend(b"\n}\nstatic_routes {\ncaf\xe9\n}\n");
        bytes.extend(
            instance("")
                .replace("instance A", "instance A\u{e9}")
                .bytes(),
        );
        let at = bytes
            .windows(2)
            .position(|two| two == [0xc3, 0xa9])
            .unwrap();
        bytes.splice(at..at + 2, [0xe9]);
        let loaded = parse_bytes(&bytes, "t");
        let [instance] = &loaded.configuration.instances[..] else {
            panic!("{:?}", headlines(&loaded));
        };
        assert_eq!(instance.unusable, None, "{:?}", headlines(&loaded));
        assert!(loaded.count(Severity::Error) > 0);
    }
}

#[test]
fn other_notations_are_told_apart() {
    for (lines, help) in [
        ("advert_interval 5", "did you mean `advert_int`?"),
        ("priority = 100", "write `priority`, a blank and the value"),
        ("$PRIO = 100", "write `$PRIO=…`"),
    ] {
        let loaded = parse(&instance(lines), "t");
        let told = loaded
            .problems
            .iter()
            .filter_map(Problem::help)
            .any(|said| said.contains(help));
        assert!(told, "{lines}: {:?}", headlines(&loaded));
    }
    assert!(with("interface eth0;").0.unusable.is_none());
}

#[test]
fn what_concerns_peers_wants_some() {
    let nobody = saying(
        "unicast_peer {\n}",
        "warning: `unicast_peer` is empty: adverts go to the group",
    );
    assert_eq!(nobody.unusable, None);
    assert!(
        with("unicast_peer {\n}\nunicast_fault_no_peer")
            .0
            .unusable
            .is_some()
    );
    assert!(quietly("unicast_peer {\n192.0.2.9\n}").unicast.is_some());
    saying(
        "unicast_src_ip 192.0.2.9",
        "warning: `unicast_src_ip` without `unicast_peer`",
    );
}

#[test]
fn what_is_named_must_be_there() {
    let text = instance("track_script {\nchk\n}")
        + "vrrp_script chck {\nscript \"/bin/true\"\n}\n"
        + "vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\nvrrp_sync_group H {\ngroup {\nA\n}\n}\n"
        + "vrrp_script empty {\ninterval 1\n}\n";
    let said = headlines(&parse(&text, "t"));
    let said: Vec<&str> = said
        .iter()
        .map(String::as_str)
        .filter(|said| !said.contains("not supported yet"))
        .collect();
    assert_eq!(
        said,
        [
            "t:8:1: error: there is no vrrp_script `chk`",
            "t:11:13: note: vrrp_script `chck` is not used by any instance",
            "t:17:1: error: there is no instance `B`",
            "t:22:1: error: `A` is a member of two sync groups",
            "t:22:1: warning: `A` is alone in its sync group",
            "t:25:13: error: vrrp_script `empty` has no `script`",
            "t:25:13: note: vrrp_script `empty` is not used by any instance",
        ]
    );
}

#[test]
fn what_is_not_done_is_said_once() {
    let text = instance("smtp_alert")
        + &instance("smtp_alert\nvirtual_router_id 2")
            .replace("instance A", "instance B")
            .replace("192.0.2.1", "192.0.2.2");
    let loaded = parse(&text, "t");
    let said: Vec<&Problem> = loaded
        .problems
        .iter()
        .filter(|said| said.message().contains("smtp_alert"))
        .collect();
    let [said] = said[..] else {
        panic!("{:?}", headlines(&loaded))
    };
    assert_eq!(said.help(), Some("it stands in one more place"));
}

#[test]
fn the_first_address_tells_the_family() {
    let of_v6 = parse(
        &instance("").replace("192.0.2.1/24", "2001:db8::1/64\n192.0.2.1"),
        "t",
    );
    assert_eq!(
        headlines(&of_v6),
        [
            "t:5:1: warning: the first address of an IPv6 instance is to be link-local",
            "t:6:1: error: 192.0.2.1 is IPv4, but the instance's first address is IPv6",
        ]
    );
    let [instance] = &of_v6.configuration.instances[..] else {
        panic!("one instance");
    };
    assert!(instance.is_ipv6() && instance.unusable.is_none());
    assert_eq!(instance.version, Version::V3);
    assert_eq!(instance.addresses.len(), 1);
    let mixed = saying(
        "virtual_ipaddress {\n2001:db8::1/64\n}",
        "error: 2001:db8::1 is IPv6, but the instance's first address is IPv4",
    );
    assert_eq!((mixed.addresses.len(), mixed.unusable), (1, None));
}

#[test]
fn what_stands_twice_is_advertised_twice() {
    let twice = saying(
        "virtual_ipaddress {\n192.0.2.1/24\n}",
        "warning: 192.0.2.1 stands here twice",
    );
    assert_eq!(twice.addresses.len(), 2);
}

#[test]
fn an_owner_always_preempts() {
    let owner = saying(
        "priority 255\nnopreempt",
        "warning: `nopreempt` is ignored with priority 255",
    );
    assert!(owner.preempt);
    assert!(!quietly("priority 254\nnopreempt").preempt);
}
