//! `vip release`: what a dead vip left, taken off by hand.

use crate::*;

#[test]
fn a_list_of_another_namespace_is_not_carried_out_here() {
    let dir = RuntimeDir::new();
    let path = dir.0.clone();
    alone(move || {
        let (a0, _) = cable();
        NetlinkKernel::open(&path)
            .unwrap()
            .install(&[wanted(a0, 100)])
            .unwrap();
        let list = fs::read_to_string(path.join("installed")).unwrap();
        let there = list.lines().next().unwrap().rsplit(' ').next().unwrap();
        let elsewhere = list.replacen(there, "1", 1);
        fs::write(path.join("installed"), elsewhere).unwrap();
        let mut kernel = NetlinkKernel::open(&path).unwrap();
        assert!(kernel.list_is_elsewhere());
        let nowhere = vip::command::release::run(&path.join("none"));
        assert!(nowhere.is_ok(), "no daemon was ever there");
        let error = vip::command::release::run(&path).unwrap_err();
        assert!(
            error.to_string().contains("another network namespace"),
            "{error}"
        );
        assert!(kernel.tidy(&[]).unwrap().elsewhere);
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
    });
}

#[test]
fn release_does_nothing_while_a_daemon_runs() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        dir.open().install(&[wanted(a0, 100)]).unwrap();
        // As the daemon does: the directory itself is locked.
        let file = fs::File::open(&dir.0).unwrap();
        let lock =
            nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock).unwrap();
        let failure = vip::command::release::run(&dir.0).unwrap_err();
        assert_eq!(failure.exit as u8, 7, "{failure}");
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
        drop(lock);
        for _ in 0..2 {
            assert_eq!(vip::command::release::run(&dir.0).unwrap() as u8, 0);
            assert_eq!(addresses("a0"), [""; 0]);
            assert_eq!(dir.list(), None);
        }
    });
}

#[test]
fn release_takes_back_all_that_a_dead_vip_made() {
    alone(|| {
        let (a0, _) = cable();
        ip("addr add 10.0.0.1/24 dev a0");
        let dir = RuntimeDir::new();
        let before = ip("-4 -o addr show") + &ip("route show table all") + &ip("rule show");
        let mut dead = dir.open();
        let vmac = Vmac {
            name: "vrrp.51".into(),
            mac: MacAddr([0, 0, 0x5e, 0, 1, 51]),
            transmit_from_base: false,
            group: None,
        };
        let index = dead.ensure_vmac(a0, &vmac, &[Family::V4]).unwrap();
        dead.install(&[wanted(index, 100), wanted(a0, 101)])
            .unwrap();
        dead.promote_secondaries("a0").unwrap();
        drop(dead);
        assert_eq!(vip::command::release::run(&dir.0).unwrap() as u8, 0);
        let after = ip("-4 -o addr show") + &ip("route show table all") + &ip("rule show");
        assert_eq!(after, before);
        assert_eq!(dir.list(), None);
    });
}
