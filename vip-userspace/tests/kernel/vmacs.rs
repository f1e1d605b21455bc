//! Interfaces with a virtual MAC, and the switches that go with them.

use crate::*;

const MAC: MacAddr = MacAddr([0, 0, 0x5e, 0, 1, 51]);

fn vmac(name: &str) -> Vmac {
    Vmac {
        name: name.into(),
        mac: MAC,
        transmit_from_base: false,
        group: None,
    }
}

fn switch(path: &str) -> String {
    fs::read_to_string(format!("/proc/sys/net/{path}"))
        .unwrap()
        .trim()
        .to_owned()
}

fn set(path: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{path}"), value).unwrap();
}

#[test]
fn an_interface_with_a_virtual_mac_comes_as_it_should_be_and_goes() {
    alone(|| {
        let (a0, _) = cable();
        set("ipv4/conf/all/rp_filter", "1");
        set("ipv4/conf/a0/rp_filter", "0");
        set("ipv4/conf/b0/rp_filter", "2");
        let before: Vec<String> = switches().map(switch).collect();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let wanted = Vmac {
            group: Some(7),
            ..vmac("vrrp.51")
        };
        let index = kernel.ensure_vmac(a0, &wanted, &[Family::V4]).unwrap();
        let shown = ip("-d link show dev vrrp.51");
        for words in [
            "vrrp.51@a0",
            "00:00:5e:00:01:33",
            "macvlan mode private",
            "addrgenmode none",
            "group 7",
            "alias virtual MAC of vip",
            "UP",
        ] {
            assert!(shown.contains(words), "no {words} in {shown}");
        }
        let made = link("vrrp.51");
        assert_eq!((made.index, made.mac, made.addresses), (index, MAC, vec![]));
        for (path, value) in [
            ("ipv4/conf/vrrp.51/accept_local", "0"),
            ("ipv4/conf/vrrp.51/rp_filter", "0"),
            ("ipv4/conf/vrrp.51/arp_ignore", "1"),
            ("ipv4/conf/vrrp.51/promote_secondaries", "1"),
            ("ipv6/conf/vrrp.51/disable_ipv6", "1"),
            ("ipv4/conf/a0/arp_ignore", "1"),
            ("ipv4/conf/a0/arp_filter", "1"),
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "1"),
            ("ipv4/conf/a0/rp_filter", "1"),
            ("ipv4/conf/b0/rp_filter", "2"),
        ] {
            assert_eq!(switch(path), value, "{path}");
        }
        assert_eq!(
            kernel.ensure_vmac(a0, &wanted, &[Family::V4]).unwrap(),
            index,
            "twice is once"
        );

        // A second one on the same interface: what they share stays until both go.
        let other = Vmac {
            mac: MacAddr([0, 0, 0x5e, 0, 1, 52]),
            ..vmac("vrrp.52")
        };
        kernel.ensure_vmac(a0, &other, &[Family::V4]).unwrap();
        kernel.remove_vmac("vrrp.51");
        assert!(!try_ip("link show vrrp.51").status.success());
        assert_eq!(switch("ipv4/conf/a0/arp_ignore"), "1");
        assert_eq!(switch("ipv4/conf/all/rp_filter"), "0");
        kernel.remove_vmac("vrrp.52");
        let after: Vec<String> = switches().map(switch).collect();
        assert_eq!(after, before, "every switch is as it was");
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

fn switches() -> impl Iterator<Item = &'static str> {
    [
        "ipv4/conf/all/rp_filter",
        "ipv4/conf/default/rp_filter",
        "ipv4/conf/lo/rp_filter",
        "ipv4/conf/a0/rp_filter",
        "ipv4/conf/b0/rp_filter",
        "ipv4/conf/a0/arp_ignore",
        "ipv4/conf/a0/arp_filter",
    ]
    .into_iter()
}

#[test]
fn an_ipv6_router_reaches_its_neighbours_by_its_virtual_mac() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let wanted = Vmac {
            mac: MacAddr([0, 0, 0x5e, 0, 2, 51]),
            ..vmac("vrrp6.51")
        };
        let index = kernel.ensure_vmac(a0, &wanted, &[Family::V6]).unwrap();
        assert_eq!(switch("ipv6/conf/vrrp6.51/disable_ipv6"), "0");
        assert_eq!(switch("ipv6/conf/vrrp6.51/accept_ra"), "0");
        assert_eq!(
            switch("ipv4/conf/a0/arp_ignore"),
            "0",
            "no business of IPv6"
        );
        assert!(ip("-6 route show dev vrrp6.51").contains("fe80::/64"));
        assert_eq!(link("vrrp6.51").addresses, []);
        let address = Assignment::new(index, "2001:db8::51".parse().unwrap(), 64);
        kernel.install(&[address]).unwrap();
        assert!(link("vrrp6.51").has("2001:db8::51".parse().unwrap()));
        kernel.remove_vmac("vrrp6.51");
        drop(kernel);
        assert!(!try_ip("link show vrrp6.51").status.success());
    });
}

#[test]
fn what_a_dead_vip_left_of_interfaces_and_switches_is_undone() {
    alone(|| {
        let (a0, _) = cable();
        set("ipv4/conf/all/rp_filter", "2");
        let before: Vec<String> = switches().map(switch).collect();
        let dir = RuntimeDir::new();
        let mut dead = dir.open();
        let index = dead
            .ensure_vmac(a0, &vmac("vrrp.51"), &[Family::V4])
            .unwrap();
        dead.install(&[wanted(index, 100)]).unwrap();
        dead.promote_secondaries("a0").unwrap();
        drop(dead);

        let mut kernel = dir.open();
        let tidied = kernel.tidy(&[]).unwrap();
        let removed: Vec<String> = tidied.removed.iter().map(ToString::to_string).collect();
        for what in [
            "interface vrrp.51",
            "net.ipv4.conf.all.rp_filter = 0 (it is 2 again)",
            "net.ipv4.conf.a0.promote_secondaries = 1 (it is 0 again)",
        ] {
            assert!(removed.iter().any(|one| one == what), "{removed:?}");
        }
        assert!(!try_ip("link show vrrp.51").status.success());
        let after: Vec<String> = switches().map(switch).collect();
        assert_eq!(after, before);
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn another_ones_interface_is_left_alone_and_what_is_in_the_way_is_said() {
    alone(|| {
        let (a0, b0) = cable();
        ip("link add vrrp.51 link a0 type macvlan mode bridge");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let error = kernel
            .ensure_vmac(a0, &vmac("vrrp.51"), &[Family::V4])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "vrrp.51 is an interface of somebody else; remove it, or give `use_vmac` another name"
        );
        kernel.remove_vmac("vrrp.51");
        ip("link show vrrp.51");

        let error = kernel
            .ensure_vmac(4711, &vmac("x"), &[Family::V4])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot make x: the interface below it has gone"
        );

        // Another vip's.
        let other = RuntimeDir::new();
        let mut running = other.open();
        running
            .ensure_vmac(a0, &vmac("vrrp.52"), &[Family::V4])
            .unwrap();
        let error = kernel
            .ensure_vmac(b0, &vmac("vrrp.52"), &[Family::V4])
            .unwrap_err();
        assert!(error.to_string().contains("somebody else"), "{error}");
        kernel.remove_vmac("vrrp.52");
        ip("link show vrrp.52");
        running.remove_vmac("vrrp.52");

        // Ours, and on another interface or with another MAC now: it is made anew.
        let first = kernel
            .ensure_vmac(a0, &vmac("vrrp.52"), &[Family::V4])
            .unwrap();
        let second = kernel
            .ensure_vmac(b0, &vmac("vrrp.52"), &[Family::V4])
            .unwrap();
        assert_ne!(first, second);
        assert!(ip("link show vrrp.52").contains("vrrp.52@b0"));

        // The same MAC twice on one interface.
        let error = kernel
            .ensure_vmac(b0, &vmac("vrrp.53"), &[Family::V4])
            .unwrap_err();
        assert!(error.to_string().contains("has the same MAC"), "{error}");
        assert!(
            !try_ip("link show vrrp.53").status.success(),
            "nothing half done"
        );
        kernel.remove_vmac("vrrp.52");
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn what_a_dead_keepalived_left_is_used_while_it_is_up_and_the_same() {
    alone(|| {
        let (a0, b0) = cable();
        ip("link add vrrp.51 link a0 address 00:00:5e:00:01:33 type macvlan mode private");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let theirs = link("vrrp.51").index;
        let mut ensure = |base, vmac: &Vmac| kernel.ensure_vmac(base, vmac, &[Family::V4]);
        let refused =
            |result: Result<u32, VmacError>| matches!(result, Err(VmacError::NameTaken { .. }));
        assert!(refused(ensure(a0, &vmac("vrrp.51"))), "it is down");
        ip("link set vrrp.51 up");
        assert_eq!(ensure(a0, &vmac("vrrp.51")).unwrap(), theirs);
        assert!(refused(ensure(b0, &vmac("vrrp.51"))), "it is on a0");
        let other = Vmac {
            mac: MacAddr([0, 0, 0x5e, 0, 1, 52]),
            ..vmac("vrrp.51")
        };
        assert!(refused(ensure(a0, &other)), "it has another MAC");
        let expected = [(theirs, a0, &vmac("vrrp.51"))];
        assert_eq!(kernel.vmacs_stand(&expected).unwrap(), [true]);
        ip("link set vrrp.51 down");
        assert_eq!(kernel.vmacs_stand(&expected).unwrap(), [false]);
        kernel.remove_vmac("vrrp.51");
        assert_eq!(link("vrrp.51").index, theirs, "it stays theirs");
    });
}

#[test]
fn a_mac_is_put_back_and_two_can_be_exchanged() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let one = |name: &str, last| Vmac {
            mac: MacAddr([0, 0, 0x5e, 0, 1, last]),
            ..vmac(name)
        };
        let ensure = |kernel: &mut NetlinkKernel, vmac: &Vmac| {
            kernel.ensure_vmac(a0, vmac, &[Family::V4]).unwrap()
        };
        let va = ensure(&mut kernel, &one("va", 45));
        let vb = ensure(&mut kernel, &one("vb", 46));
        ip("link set va address 02:00:00:00:00:01");
        assert_eq!(ensure(&mut kernel, &one("va", 45)), va, "not made anew");
        assert_eq!(link("va").mac, one("va", 45).mac);
        kernel.free_mac("va");
        kernel.free_mac("vb");
        assert_eq!(ensure(&mut kernel, &one("va", 46)), va);
        assert_eq!(ensure(&mut kernel, &one("vb", 45)), vb);
        assert_eq!(link("va").mac, one("va", 46).mac);
        assert_eq!(link("vb").mac, one("vb", 45).mac);
        let (va_now, vb_now) = (one("va", 46), one("vb", 45));
        let expected = [(va, a0, &va_now), (vb, a0, &va_now), (vb, a0, &vb_now)];
        let stand = kernel.vmacs_stand(&expected).unwrap();
        assert_eq!(stand, [true, false, true]);
        kernel.remove_vmac("va");
        kernel.remove_vmac("vb");
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn one_that_was_renamed_is_found_by_what_it_says_of_itself() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let mut ensure = || kernel.ensure_vmac(a0, &vmac("vrrp.51"), &[Family::V4]);
        let first = ensure().unwrap();
        ip("link set vrrp.51 down");
        ip("link set vrrp.51 name foo51");
        ip("link set foo51 up");
        let second = ensure().unwrap();
        assert_ne!(first, second);
        assert!(!try_ip("link show foo51").status.success());
        assert_eq!(link("vrrp.51").mac, MAC);
        kernel.remove_vmac("vrrp.51");
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn promotion_is_turned_on_and_back() {
    alone(|| {
        cable();
        set("ipv4/conf/a0/promote_secondaries", "0");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let now = || switch("ipv4/conf/a0/promote_secondaries");
        kernel.promote_secondaries("a0").unwrap();
        kernel.promote_secondaries("a0").unwrap();
        assert_eq!(now(), "1");
        kernel.stop_promoting("a0");
        assert_eq!(now(), "0");
        // What somebody else has turned meanwhile is theirs.
        kernel.promote_secondaries("a0").unwrap();
        set("ipv4/conf/a0/promote_secondaries", "0");
        kernel.stop_promoting("a0");
        assert_eq!(now(), "0");
        let error = kernel.promote_secondaries("none0").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("net.ipv4.conf.none0.promote_secondaries"),
            "{error}"
        );
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

/// Asks the segment behind `b0` who has an address; the MACs that answer, each as often
/// as it does.
fn answers(b0: u32, target: [u8; 4]) -> Vec<MacAddr> {
    // Who is moved to another processor in between may see the end first.
    let mut attempts = (0..3).map(|_| answers_before_the_end(b0, target));
    attempts
        .find(|answers| !answers.is_empty())
        .unwrap_or_default()
}

fn answers_before_the_end(b0: u32, target: [u8; 4]) -> Vec<MacAddr> {
    let ear = {
        let protocol = Protocol::from(i32::from(0x0806u16.to_be()));
        Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).unwrap()
    };
    let own = link("b0").mac.0;
    let mut frame = vec![0xff; 6];
    frame.extend(own);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(own);
    frame.extend([10, 0, 0, 9]);
    frame.extend([0; 6]);
    frame.extend(target);
    FrameSender::open(b0).unwrap().send(&frame).unwrap();
    // Another question, which has its answer, marks the end.
    let mut answers = Vec::new();
    let end = Instant::now() + SOON;
    let mut marked = false;
    loop {
        assert!(Instant::now() < end, "no end of the answers");
        let mut seen = [0; 64];
        let flags = nix::sys::socket::MsgFlags::MSG_DONTWAIT;
        match nix::sys::socket::recv(ear.as_raw_fd(), &mut seen, flags) {
            Ok(42..) if seen[..6] == own && seen[21] == 2 && seen[28..32] == target => {
                let mac: [u8; 6] = seen[22..28].try_into().unwrap();
                assert_eq!(seen[6..12], mac, "it speaks from the MAC that it names");
                answers.push(MacAddr(mac));
            }
            Ok(42..) if seen[..6] == own && seen[21] == 2 && seen[28..32] == [10, 0, 0, 1] => {
                return answers;
            }
            Ok(_) => {}
            Err(_) if !marked => {
                marked = true;
                frame[38..42].copy_from_slice(&[10, 0, 0, 1]);
                FrameSender::open(b0).unwrap().send(&frame).unwrap();
            }
            Err(_) => thread::yield_now(),
        }
    }
}

#[test]
fn only_the_virtual_mac_answers_for_a_virtual_address() {
    alone(|| {
        let (a0, b0) = cable();
        ip("addr add 10.0.0.1/24 dev a0");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let index = kernel
            .ensure_vmac(a0, &vmac("vrrp.51"), &[Family::V4])
            .unwrap();
        let address = Assignment::new(index, [10, 0, 0, 100].into(), 32);
        kernel.install(std::slice::from_ref(&address)).unwrap();
        assert_eq!(answers(b0, [10, 0, 0, 100]), [MAC]);
        kernel.remove(&[address]).unwrap();
        assert_eq!(answers(b0, [10, 0, 0, 100]), []);
        kernel.remove_vmac("vrrp.51");
    });
}
