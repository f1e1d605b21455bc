//! Addresses on, addresses off, and what a dead vip left.

use crate::*;

#[test]
fn an_address_comes_with_all_it_was_given_and_goes() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let address = Assignment {
            broadcast: Some(Ipv4Addr::new(192, 168, 8, 255)),
            scope: 253,
            label: Some("a0:vip".into()),
            ..wanted(a0, 100)
        };
        let installed = kernel.install(std::slice::from_ref(&address)).unwrap();
        assert_eq!((installed.before_us, kernel.settle()), (vec![], None));
        let shown = ip("-o -4 addr show dev a0");
        assert!(
            shown.contains("192.168.8.100/24 brd 192.168.8.255 scope link"),
            "{shown}"
        );
        assert!(
            shown.contains("a0:vip") && shown.contains("valid_lft forever"),
            "{shown}"
        );
        assert!(
            dir.list()
                .unwrap()
                .contains(&format!("have a0 {a0} 192.168.8.100/24\n"))
        );

        kernel.remove(&[address]).unwrap();
        assert_eq!(addresses("a0"), [""; 0]);
        drop(kernel);
        assert_eq!(dir.list(), None, "nothing installed, no list");
    });
}

#[test]
fn this_kernel_keeps_marks_if_it_is_of_5_18_or_later() {
    alone(|| {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release
            .split(['.', '-'])
            .map_while(|word| word.parse::<u32>().ok());
        let version = (numbers.next().unwrap(), numbers.next().unwrap());
        // An older kernel may have it from its distributor.
        if version >= (5, 18) {
            assert!(RuntimeDir::new().open().marks());
        }
    });
}

#[test]
fn an_address_that_was_there_before_is_a_success_and_stays() {
    alone(|| {
        let (a0, _) = cable();
        ip("addr add 192.168.8.100/24 dev a0 valid_lft 1000 preferred_lft 1000");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let both = [wanted(a0, 100), wanted(a0, 101)];
        assert_eq!(kernel.install(&both).unwrap().before_us, [wanted(a0, 100)]);
        assert_eq!(addresses("a0"), ["192.168.8.100/24", "192.168.8.101/24"]);
        let shown = ip("-o -4 addr show dev a0 to 192.168.8.100/32");
        assert!(
            !shown.contains("forever"),
            "its lifetime is still its owner's: {shown}"
        );
        assert!(
            !dir.list()
                .unwrap()
                .contains(&format!("have a0 {a0} 192.168.8.100/24"))
        );

        kernel.remove(&both).unwrap();
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn adding_and_removing_twice_is_a_success() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let batch = [wanted(a0, 100)];
        kernel.install(&batch).unwrap();
        assert_eq!(
            kernel.install(&batch).unwrap().before_us,
            [],
            "ours is not somebody else's the second time"
        );
        ip("addr del 192.168.8.100/24 dev a0");
        kernel.install(&batch).unwrap();
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
        ip("addr del 192.168.8.100/24 dev a0");
        kernel.remove(&batch).unwrap();
        kernel.remove(&batch).unwrap();
        kernel.install(&batch).unwrap();
        ip("link del a0");
        kernel.remove(&batch).unwrap();
    });
}

#[test]
fn three_hundred_addresses_in_one_call() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let many: Vec<Assignment> = (0..300u32)
            .map(|number| Assignment {
                address: Ipv4Addr::from_bits(0x0a00_0001 + number).into(),
                prefix: 16,
                ..wanted(a0, 0)
            })
            .collect();
        kernel.install(&many).unwrap();
        assert_eq!(addresses("a0").len(), 300);
        // The first of them carries the other 299 in one subnet.
        kernel.remove(&many[..1]).unwrap();
        assert_eq!(addresses("a0").len(), 299);
        kernel.remove(&many).unwrap();
        assert_eq!(addresses("a0").len(), 0);
    });
}

#[test]
fn removing_the_first_of_a_subnet_leaves_the_others() {
    alone(|| {
        let (a0, _) = cable();
        fs::write("/proc/sys/net/ipv4/conf/a0/promote_secondaries", "0").unwrap();
        fs::write("/proc/sys/net/ipv4/conf/all/promote_secondaries", "0").unwrap();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let both = [wanted(a0, 100), wanted(a0, 101)];
        kernel.install(&both).unwrap();
        ip("addr add 192.168.8.7/24 brd 192.168.8.255 dev a0 label a0:own");
        kernel.remove(&both[..1]).unwrap();
        let shown = ip("-o -4 addr show dev a0");
        assert!(!shown.contains("192.168.8.100/"), "{shown}");
        assert!(
            shown.contains("192.168.8.101/24"),
            "another router's: {shown}"
        );
        assert!(
            shown.contains("192.168.8.7/24 brd 192.168.8.255 scope global secondary a0:own"),
            "{shown}"
        );
        assert!(dir.list().unwrap().contains("192.168.8.101/24"));
    });
}

#[test]
fn a_failed_add_names_address_and_interface_and_the_others_are_there() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let long = Assignment {
            label: Some("much-too-long-for-a-label".into()),
            ..wanted(a0, 101)
        };
        let error = kernel
            .install(&[wanted(4711, 100), wanted(a0, 100), long])
            .unwrap_err();
        assert_eq!(error.failures.len(), 2);
        let text = error.to_string();
        assert!(
            text.starts_with(
                "cannot add 192.168.8.100/24 on interface 4711 (gone): No such device"
            ),
            "{text}"
        );
        assert!(text.ends_with("; nor 192.168.8.101/24 on a0"), "{text}");
        assert!(error.failures[1].what.ends_with("on a0"), "{error:?}");
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
        kernel.remove(&[wanted(a0, 100)]).unwrap();
        drop(kernel);
        assert_eq!(dir.list(), None, "what was not added is not listed");
    });
}

#[test]
fn a_restart_adopts_what_is_configured_and_removes_what_is_not() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        ip("addr add 192.168.8.103/24 dev a0");
        let mut dead = dir.open();
        dead.install(&[
            wanted(a0, 100),
            wanted(a0, 101),
            wanted(a0, 102),
            wanted(a0, 103),
        ])
        .unwrap();
        assert_eq!(dead.settle(), None);
        // It dies without a word, and somebody else makes one of them theirs.
        drop(dead);
        ip("addr del 192.168.8.102/24 dev a0");
        ip("addr add 192.168.8.102/24 dev a0");

        let mut kernel = dir.open();
        let tidied = kernel.tidy(&[wanted(a0, 100), wanted(a0, 103)]).unwrap();
        assert_eq!(
            tidied
                .adopted
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["192.168.8.100/24 on a0"]
        );
        assert_eq!(
            tidied
                .removed
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["192.168.8.101/24 on a0"]
        );
        let left: Vec<String> = tidied
            .left
            .iter()
            .map(|(entry, _)| entry.to_string())
            .collect();
        assert_eq!(left, ["192.168.8.102/24 on a0"]);
        let mut there = addresses("a0");
        there.sort();
        assert_eq!(
            there,
            ["192.168.8.100/24", "192.168.8.102/24", "192.168.8.103/24"]
        );

        kernel
            .remove(&[wanted(a0, 100), wanted(a0, 102), wanted(a0, 103)])
            .unwrap();
        assert_eq!(
            addresses("a0"),
            ["192.168.8.103/24", "192.168.8.102/24"],
            "only the adopted one was ours"
        );
    });
}

#[test]
fn what_a_dead_vip_left_is_known_by_its_mark_when_its_list_is_lost() {
    alone(|| {
        let (a0, _) = cable();
        let lost = RuntimeDir::new();
        lost.open()
            .install(&[wanted(a0, 100), wanted(a0, 101)])
            .unwrap();
        drop(lost);
        ip("addr add 192.168.8.102/24 dev a0");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        if !kernel.marks() {
            return;
        }
        assert_eq!(kernel.tidy(&[]).unwrap().removed, []);
        let taken = kernel
            .take_off_marked(&[wanted(a0, 100), wanted(a0, 102)])
            .unwrap();
        let taken: Vec<String> = taken.iter().map(ToString::to_string).collect();
        assert_eq!(taken, ["192.168.8.100/24 on a0"]);
        let mut there = addresses("a0");
        there.sort();
        assert_eq!(
            there,
            ["192.168.8.101/24", "192.168.8.102/24"],
            "not configured, and not marked"
        );
    });
}

#[test]
fn an_address_with_our_mark_is_ours_to_remove() {
    alone(|| {
        let (a0, _) = cable();
        let lost = RuntimeDir::new();
        lost.open().install(&[wanted(a0, 100)]).unwrap();
        drop(lost);
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        if !kernel.marks() {
            return;
        }
        let batch = [wanted(a0, 100)];
        assert_eq!(kernel.install(&batch).unwrap().before_us, []);
        assert_eq!(kernel.settle(), None);
        assert!(dir.list().unwrap().contains("have a0"));
        kernel.remove(&batch).unwrap();
        assert_eq!(addresses("a0"), [""; 0]);
    });
}

#[test]
fn a_crash_between_the_list_and_the_kernel_harms_nobody() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        dir.open().install(&[wanted(a0, 100)]).unwrap();
        let list = dir.list().unwrap();
        // Listed, and then the crash: the address is somebody else's.
        fs::write(
            dir.0.join("installed"),
            list + &format!("adding a0 {a0} 192.168.8.101/24\n"),
        )
        .unwrap();
        ip("addr add 192.168.8.101/24 dev a0");
        let tidied = dir.open().tidy(&[]).unwrap();
        assert_eq!(tidied.removed.len(), 1);
        assert_eq!(tidied.left.len(), 1);
        assert_eq!(addresses("a0"), ["192.168.8.101/24"]);
        assert_eq!(dir.list(), None);
        assert_eq!(
            dir.open().tidy(&[]).unwrap(),
            vip::kernel::Tidied::default()
        );
    });
}

#[test]
fn two_runtime_directories_do_not_touch_each_other() {
    alone(|| {
        let (a0, _) = cable();
        let [one, other] = [RuntimeDir::new(), RuntimeDir::new()];
        one.open().install(&[wanted(a0, 100)]).unwrap();
        let mut running = other.open();
        running.install(&[wanted(a0, 101)]).unwrap();
        assert_eq!(one.open().tidy(&[]).unwrap().removed.len(), 1);
        assert_eq!(addresses("a0"), ["192.168.8.101/24"]);
    });
}

#[test]
fn a_list_that_cannot_be_kept_is_said_and_stops_nothing() {
    alone(|| {
        let (a0, _) = cable();
        let mut kernel = NetlinkKernel::open(Path::new("/proc/no-such-directory")).unwrap();
        kernel.install(&[wanted(a0, 100)]).unwrap();
        assert!(kernel.settle().is_some_and(|why| why.contains("installed")));
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
        kernel.remove(&[wanted(a0, 100)]).unwrap();
        assert_eq!(addresses("a0"), [""; 0]);
    });
}

/// The IPv6 addresses of `a0` that are not link-local, as `ip` shows them.
fn shown_v6() -> String {
    ip("-o -6 addr show dev a0 scope global")
}

#[test]
fn an_ipv6_address_is_there_at_once_and_never_a_source_by_itself() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let six = |last: u16, prefix| {
            Assignment::new(
                a0,
                IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]),
                prefix,
            )
        };
        let batch = [six(1, 128), six(2, 64), wanted(a0, 100)];
        assert_eq!(kernel.install(&batch).unwrap(), Default::default());
        let shown = shown_v6();
        let line = |address: &str| {
            let mut lines = shown.lines();
            lines.find(|line| line.contains(address)).unwrap()
        };
        let alone_in_its_prefix = line("2001:db8::1/128");
        assert!(
            alone_in_its_prefix.contains("nodad deprecated")
                && alone_in_its_prefix.contains("valid_lft forever preferred_lft 0sec"),
            "{shown}"
        );
        let in_a_subnet = line("2001:db8::2/64");
        assert!(
            in_a_subnet.contains("nodad") && in_a_subnet.contains("preferred_lft forever"),
            "{shown}"
        );
        assert!(!shown.contains("tentative"), "{shown}");
        assert!(dir.list().unwrap().contains("2001:db8::1/128"));
        assert_eq!(
            kernel.install(&batch).unwrap().before_us,
            [],
            "twice is once"
        );

        kernel.remove(&batch).unwrap();
        assert_eq!((shown_v6(), addresses("a0")), (String::new(), vec![]));
        kernel.remove(&batch).unwrap();
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn every_option_of_an_address_reaches_the_kernel() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let v4 = |last| wanted(a0, last);
        let v6 = |text: &str| Assignment::new(a0, text.parse().unwrap(), 64);
        let batch = [
            Assignment {
                peer: Some([10, 0, 0, 2].into()),
                prefix: 32,
                ..v4(1)
            },
            Assignment {
                no_prefix_route: true,
                preferred: Some(0),
                ..v4(2)
            },
            Assignment {
                home: true,
                ..v6("2001:db8::1")
            },
            Assignment {
                manage_temporary: true,
                ..v6("2001:db8::2")
            },
            Assignment {
                no_prefix_route: true,
                detect_duplicates: true,
                ..v6("2001:db8:1::3")
            },
            Assignment {
                peer: Some("2001:db8::9".parse().unwrap()),
                prefix: 128,
                ..v6("2001:db8::4")
            },
        ];
        kernel.install(&batch).unwrap();
        let shown = ip("-o addr show dev a0");
        let has = |address: &str, words: &[&str]| {
            let mut lines = shown.lines();
            let line = lines.find(|line| line.contains(address));
            let line = line.unwrap_or_else(|| panic!("no {address} in {shown}"));
            for word in words {
                assert!(line.contains(word), "no {word} in {line}");
            }
        };
        has("192.168.8.1 peer 10.0.0.2/32", &[]);
        has("192.168.8.2/24", &["noprefixroute", "deprecated"]);
        has("2001:db8::1/64", &["home", "nodad"]);
        has("2001:db8::2/64", &["mngtmpaddr", "nodad"]);
        has("2001:db8:1::3/64", &["noprefixroute"]);
        has("2001:db8::4 peer 2001:db8::9/128", &["nodad"]);
        let routes = ip("-6 route show dev a0");
        assert!(!routes.contains("2001:db8:1::/64"), "{routes}");

        kernel.remove(&batch).unwrap();
        assert_eq!((shown_v6(), addresses("a0")), (String::new(), vec![]));
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn what_a_dead_vip_left_of_ipv6_is_found_by_list_and_by_mark() {
    alone(|| {
        let (a0, _) = cable();
        let six =
            |last: u16| Assignment::new(a0, IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]), 64);
        let dir = RuntimeDir::new();
        drop(dir.open().install(&[six(1), six(2)]));
        let tidied = dir.open().tidy(&[six(2)]).unwrap();
        assert_eq!((tidied.removed.len(), tidied.adopted.len()), (1, 1));
        assert!(shown_v6().contains("2001:db8::2/64"));

        // In IPv6 an address stands once on an interface, whatever its prefix:
        // with another one the kernel would not take it.
        let lost = dir.open();
        let other = RuntimeDir::new();
        let mut kernel = other.open();
        if !kernel.marks() {
            return;
        }
        let wider = Assignment {
            prefix: 56,
            ..six(2)
        };
        assert_eq!(
            kernel.install(std::slice::from_ref(&wider)).unwrap(),
            Default::default()
        );
        assert!(shown_v6().contains("2001:db8::2/56"), "{}", shown_v6());
        kernel.remove(&[wider]).unwrap();
        assert_eq!(shown_v6(), "");
        drop(lost);
    });
}

#[test]
fn an_interface_without_ipv6_is_said() {
    alone(|| {
        let (a0, _) = cable();
        fs::write("/proc/sys/net/ipv6/conf/a0/disable_ipv6", "1").unwrap();
        let dir = RuntimeDir::new();
        let six = Assignment::new(a0, "2001:db8::1".parse().unwrap(), 64);
        let error = dir.open().install(&[six, wanted(a0, 100)]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("net.ipv6.conf.a0.disable_ipv6"),
            "it says what to do: {text}"
        );
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
    });
}
