//! Trackers, and what is run at a change.

use std::time::Duration;

use super::super::estate::Weight;
use super::super::reaction::{Account, Command, Fifo, Notify};
use super::super::trackers::{
    File, Kind, Parameters, Process, Script, Streak, Tracked, Tracker, Watch,
};
use super::super::{Configuration, parse};

fn read(text: &str) -> Configuration {
    parse(text, "test").configuration
}

fn instance(more: &str) -> String {
    format!(
        "vrrp_instance V {{\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {{\n192.0.2.1\n}}\n{more}\n}}\n"
    )
}

fn command(words: &[&str]) -> Command {
    Command {
        argv: words.iter().map(|word| (*word).to_owned()).collect(),
        user: None,
    }
}

const ONCE: Streak = Streak {
    rise: 1,
    fall: 1,
    init_fail: false,
};

#[test]
fn a_script_has_keepaliveds_defaults() {
    let text = format!(
        "vrrp_script chk {{\nscript \"/bin/check 'a b'\"\n}}\n{}",
        instance("track_script {\nchk\n}")
    );
    let configuration = read(&text);
    let second = Duration::from_secs(1);
    assert_eq!(
        configuration.trackers,
        [Tracker {
            name: "chk".into(),
            watch: Watch::Script(Script {
                command: command(&["/bin/check", "a b"]),
                interval: second,
                timeout: second,
                streak: ONCE,
            }),
        }]
    );
    assert_eq!(
        configuration.instances[0].trackers,
        [Tracked {
            kind: Kind::Script,
            name: "chk".into(),
            weight: Weight::default(),
        }]
    );
}

#[test]
fn a_line_weighs_more_than_the_tracker() {
    let text = format!(
        "vrrp_script chk {{\nscript /bin/a\ninterval 2\ntimeout 1\nrise 2\nfall 3\nweight -20 reverse\ninit_fail\nuser nobody games\n}}\n{}",
        instance("track_script {\nchk\n}\ntrack_process {\nweb weight 7\n}\ntrack_file {\nf\n}")
    ) + "vrrp_track_process web {\nprocess nginx -g x\nparam_match initial\nquorum 2\nquorum_max 4\ndelay 2\nterminate_delay 0.5\n}\n\
         vrrp_track_file f {\nfile /run/f\ninit_file 3 overwrite\n}\n\
         vrrp_script unused {\nscript /bin/b\n}\n";
    let configuration = read(&text);
    let seconds = Duration::from_secs;
    let script = Command {
        user: Some(Account {
            user: "nobody".into(),
            group: Some("games".into()),
        }),
        ..command(&["/bin/a"])
    };
    let watches: Vec<Watch> = configuration
        .trackers
        .iter()
        .map(|one| one.watch.clone())
        .collect();
    assert_eq!(
        watches,
        [
            Watch::Script(Script {
                command: script,
                interval: seconds(2),
                timeout: seconds(1),
                streak: Streak {
                    rise: 2,
                    fall: 3,
                    init_fail: true,
                },
            }),
            Watch::Process(Process {
                name: "nginx".into(),
                parameters: Some((vec!["-g".into(), "x".into()], Parameters::Initial)),
                full_command: false,
                quorum: 2,
                quorum_max: Some(4),
                fork_delay: seconds(2),
                terminate_delay: Duration::from_millis(500),
            }),
            Watch::File(File {
                path: "/run/f".into(),
                init: Some((3, true)),
            }),
        ]
    );
    let weights: Vec<(Kind, i16, bool)> = configuration.instances[0]
        .trackers
        .iter()
        .map(|one| (one.kind, one.weight.value, one.weight.reverse))
        .collect();
    assert_eq!(
        weights,
        [
            (Kind::Script, -20, true),
            (Kind::Process, 7, false),
            (Kind::File, 1, false),
        ]
    );
}

#[test]
fn what_is_run_at_a_change() {
    let text = format!(
        "global_defs {{\nscript_user nobody\nenable_script_security\nvrrp_notify_priority_changes\nvrrp_notify_fifo /run/f root\nvrrp_notify_fifo_script \"/bin/reads x\"\n}}\n{}",
        instance("notify_master \"/bin/m a\" nobody\nnotify /bin/n\nnotify_deleted")
    );
    let configuration = read(&text);
    let nobody = Account {
        user: "nobody".into(),
        group: None,
    };
    assert_eq!(
        configuration.instances[0].notify,
        Notify {
            master: Some(Command {
                user: Some(nobody.clone()),
                ..command(&["/bin/m", "a"])
            }),
            any: Some(command(&["/bin/n"])),
            deleted: Some(None),
            priority_changes: true,
            ..Notify::default()
        }
    );
    assert_eq!(configuration.scripts.user, Some(nobody));
    assert!(configuration.scripts.security);
    assert_eq!(
        configuration.telling.fifos,
        [Fifo {
            path: "/run/f".into(),
            owner: Some(Account {
                user: "root".into(),
                group: None,
            }),
            script: Some(command(&["/bin/reads", "x"])),
        }]
    );
}

#[test]
fn of_two_limits_that_contradict_each_other_the_later_one_is_ignored() {
    for (lines, quorum, quorum_max, said) in [
        (
            "quorum 5\nquorum_max 2",
            5,
            None,
            Some("`quorum_max` is ignored"),
        ),
        (
            "quorum 2\nquorum_max 0",
            2,
            None,
            Some("`quorum_max` is ignored"),
        ),
        (
            "quorum_max 2\nquorum 5",
            1,
            Some(2),
            Some("`quorum` is ignored"),
        ),
        ("quorum_max 0", 1, Some(0), None),
        ("quorum 2\nquorum_max 2", 2, Some(2), None),
    ] {
        let text = format!(
            "vrrp_track_process web {{\nprocess nginx\n{lines}\n}}\n{}",
            instance("track_process {\nweb\n}")
        );
        let loaded = parse(&text, "test");
        let [
            Tracker {
                watch: Watch::Process(process),
                ..
            },
        ] = &loaded.configuration.trackers[..]
        else {
            panic!("{lines}: {:?}", loaded.configuration.trackers);
        };
        assert_eq!(
            (process.quorum, process.quorum_max),
            (quorum, quorum_max),
            "{lines}"
        );
        let mut problems = loaded.problems.iter().map(|problem| problem.message());
        match said {
            Some(said) => assert!(problems.any(|one| one.starts_with(said)), "{lines}"),
            None => assert_eq!(loaded.problems.len(), 0, "{lines}"),
        }
    }
}

#[test]
fn a_file_of_the_usual_weight_is_fault_for_an_owner() {
    for (block, line, weight) in [
        ("", "", Some((0, false))),
        ("weight 1", "", Some((0, false))),
        ("weight 1 reverse", "", Some((0, true))),
        ("weight 5", "weight 1", Some((0, false))),
        ("weight 0", "", Some((0, false))),
        ("weight 5", "", None),
        ("", "weight 3", None),
    ] {
        let text = format!(
            "track_file f {{\nfile /run/f\n{block}\n}}\n{}",
            instance(&format!(
                "priority 255\nstate MASTER\ntrack_file {{\nf {line}\n}}"
            ))
        );
        let read = read(&text);
        let mut tracked = read.instances[0].trackers.iter();
        let found = tracked
            .next()
            .map(|one| (one.weight.value, one.weight.reverse));
        assert_eq!(found, weight, "{block} {line}");
    }
}

#[test]
fn one_pipe_for_both_is_said() {
    let with = |other: &str| {
        let globals = format!(
            "global_defs {{\nscript_user root\nvrrp_notify_fifo /run/f\nnotify_fifo {other}\n}}\n"
        );
        let problems = parse(&(globals + &instance("")), "test").problems;
        let mut problems = problems.iter().map(|problem| problem.message().to_owned());
        problems.any(|one| one.contains("each line is written twice"))
    };
    assert!(with("/run/f"));
    assert!(!with("/run/g"));
}
