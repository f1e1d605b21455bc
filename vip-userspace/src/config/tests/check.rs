//! `vrrp_check`, which is our own.

use std::time::Duration;

use super::super::estate::Weight;
use super::super::trackers::{Check, Endpoint, Kind, Probe, Streak, Tracked, Tracker, Watch};
use super::*;

fn checked(block: &str, list: &str) -> Loaded {
    let text = format!("vrrp_check web {{\n{block}\n}}\n");
    parse(&(text + &instance(list)), "t")
}

#[test]
fn a_check_that_says_little() {
    let loaded = checked("tcp 127.0.0.1 80", "track_check {\nweb\n}");
    assert_eq!(headlines(&loaded), [""; 0]);
    let second = Duration::from_secs(1);
    assert_eq!(
        loaded.configuration.trackers,
        [Tracker {
            name: "web".into(),
            watch: Watch::Check(Check {
                probe: Probe::Tcp(Endpoint {
                    host: "127.0.0.1".into(),
                    port: 80,
                }),
                interval: second,
                timeout: second,
                streak: Streak {
                    rise: 1,
                    fall: 1,
                    init_fail: false,
                },
            }),
        }]
    );
    assert_eq!(
        loaded.configuration.instances[0].trackers,
        [Tracked {
            kind: Kind::Check,
            name: "web".into(),
            weight: Weight::default(),
        }]
    );
}

#[test]
fn a_check_that_says_all() {
    let block = "http http://localhost/ status 200\ninterval 0.01\ntimeout 2\nrise 2\nfall 3\nweight -20\ninit_fail";
    let loaded = checked(block, "track_check {\nweb weight 7 reverse\n}");
    assert_eq!(headlines(&loaded), [""; 0]);
    let [Tracker { watch, .. }] = &loaded.configuration.trackers[..] else {
        panic!("one tracker");
    };
    let Watch::Check(check) = watch else {
        panic!("{watch:?}");
    };
    assert_eq!(check.interval, Duration::from_millis(10));
    assert_eq!(check.timeout, Duration::from_secs(2));
    let streak = Streak {
        rise: 2,
        fall: 3,
        init_fail: true,
    };
    assert_eq!(check.streak, streak);
    let [tracked] = &loaded.configuration.instances[0].trackers[..] else {
        panic!("one is tracked");
    };
    let weight = Weight {
        value: 7,
        reverse: true,
    };
    assert_eq!(tracked.weight, weight);
}

#[test]
fn a_sync_group_goes_by_a_check_too() {
    let text = format!(
        "vrrp_check web {{\ntcp ::1 80\n}}\n{}vrrp_sync_group G {{\ngroup {{\nA\n}}\ntrack_check {{\nweb\n}}\n}}\n",
        instance("")
    );
    let loaded = parse(&text, "t");
    assert_eq!(loaded.configuration.trackers.len(), 1);
    assert_eq!(loaded.configuration.sync_groups[0].trackers.len(), 1);
}

#[test]
fn each_slip_is_said() {
    let list = "track_check {\nweb\n}";
    for (block, list, said) in [
        (
            "",
            list,
            "t:1:12: error: vrrp_check `web` has no `tcp`, `tls` or `http`",
        ),
        (
            "tcp ::1 80\ninterval 0.009",
            list,
            "t:3:10: error: `interval` takes seconds from 0.01 to 4294.967295, not `0.009`",
        ),
        (
            "tcp ::1 80\ntls ::1 443",
            list,
            "t:3:1: error: a check asks one question: this line is ignored",
        ),
        (
            "tcp ::1 80\ntcp ::1 81",
            list,
            "t:3:1: error: a check asks one question: this line is ignored",
        ),
        (
            "tcp ::1 80\nuser nobody",
            list,
            "t:3:1: error: unknown keyword `user` in vrrp_check",
        ),
        (
            "tcp ::1 80\nweight 254",
            list,
            "t:3:8: error: a weight of 254 is beyond 253",
        ),
        (
            "tcp ::1 80",
            "track_check {\nwebb\n}",
            "error: there is no vrrp_check `webb`",
        ),
        (
            "tcp ::1 80",
            "",
            "t:1:12: note: vrrp_check `web` is not used by any instance",
        ),
        (
            "tcp ::1 80",
            "track_script {\nweb\n}",
            "error: there is no vrrp_script `web`",
        ),
        (
            "tcp 192.0.2.1 80",
            list,
            "t:2:5: warning: 192.0.2.1 is a virtual address, that of `A`: whoever is MASTER answers, not this node",
        ),
        (
            "http http://192.0.2.1/",
            list,
            "t:2:6: warning: 192.0.2.1 is a virtual address, that of `A`: whoever is MASTER answers, not this node",
        ),
    ] {
        let loaded = checked(block, list);
        let all = headlines(&loaded);
        assert!(
            all.iter().any(|one| one.ends_with(said)),
            "{block}: {all:?}"
        );
    }
}

#[test]
fn of_two_questions_the_first_is_asked() {
    let loaded = checked("tcp ::1 80\ntcp ::1 81", "track_check {\nweb\n}");
    let Watch::Check(check) = &loaded.configuration.trackers[0].watch else {
        panic!("no check");
    };
    assert_eq!(check.probe.endpoint().port, 80);
}
