//! What trackers make of a priority, held against keepalived: one instance for each
//! weight and finding, the same file for both, compared on the wire. Processes are not
//! compared: keepalived watches none outside of the first network namespace.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use nix::sys::signal::Signal;
use vip::lab::pair::Pair;
use vip::lab::{Host, PATIENCE, What, now};
use vip_common::time::MonoTime;
use vip_tests::Tested;
use vip_tests::peer::keepalived;
use vip_tests::scene::{up, vip_program};

/// What a tracker finds, and the weights that it is tried with.
struct Row {
    /// `script` or `file`.
    kind: &'static str,
    name: &'static str,
    weights: &'static [i16],
}

const ROWS: &[Row] = &[
    row("script", "good", &[0, 10, -10, 253]),
    row("script", "bad", &[0, 10, -10, -253]),
    row("script", "good_after_all", &[0, 10, -10]),
    row("script", "bad_after_all", &[0, 10, -10]),
    row("file", "f0", &[0, 1, -10]),
    row("file", "f3", &[0, 1, -10, 10]),
    row("file", "f-30", &[0, 1, -10]),
    row("file", "f254", &[0, 1, -1]),
    row("file", "f-253", &[1, -1]),
    row("file", "fnone", &[0, 1]),
];

const fn row(kind: &'static str, name: &'static str, weights: &'static [i16]) -> Row {
    Row {
        kind,
        name,
        weights,
    }
}

/// The file, and what each virtual router of it is about.
fn configuration() -> (String, BTreeMap<u8, String>) {
    let mut text = String::from("global_defs {\n script_user root\n}\n");
    let (mut instances, mut about) = (String::new(), BTreeMap::new());
    for Row {
        kind,
        name,
        weights,
    } in ROWS
    {
        let init_fail = if name.ends_with("after_all") {
            "\n init_fail"
        } else {
            ""
        };
        let _ = match *kind {
            "script" => writeln!(
                text,
                "vrrp_script {name} {{\n script \"/bin/sh /run/{name}.sh\"\n interval 1{init_fail}\n}}"
            ),
            _ => writeln!(text, "track_file {name} {{\n file /run/{name}\n}}"),
        };
        for weight in *weights {
            for reverse in ["", " reverse"] {
                let vrid = u8::try_from(about.len() + 1).unwrap_or(u8::MAX);
                let _ = writeln!(
                    instances,
                    "vrrp_instance V{vrid} {{\n version 3\n interface eth0\n virtual_router_id {vrid}\n \
                     priority 100\n advert_int 0.5\n track_{kind} {{\n {name} weight {weight}{reverse}\n }}\n \
                     virtual_ipaddress {{\n 192.168.8.{}/32\n }}\n}}",
                    u16::from(vrid) + 100
                );
                about.insert(vrid, format!("{name} weight {weight}{reverse}"));
            }
        }
    }
    (text + &instances, about)
}

/// The last priority that each virtual router of a host has spoken with; one that is
/// FAULT is silent.
fn spoken(pair: &Pair, host: &Host, since: MonoTime) -> BTreeMap<u8, u8> {
    let port = host.port();
    let mut last = BTreeMap::new();
    let frames = pair
        .capture
        .select(|frame| frame.is_from(port) && frame.stamp >= since);
    for frame in frames {
        if let What::Advert { vrid, priority, .. } = frame.what {
            last.insert(vrid, priority);
        }
    }
    last
}

#[test]
fn weights_count_as_in_keepalived() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let a = &pair.a;
    for (path, content) in [
        ("/run/good.sh", "exit 0"),
        ("/run/bad.sh", "exit 1"),
        ("/run/good_after_all.sh", "exit 0"),
        ("/run/bad_after_all.sh", "exit 1"),
        ("/run/f0", "0"),
        ("/run/f3", "3"),
        ("/run/f-30", "-30"),
        ("/run/f254", "254"),
        ("/run/f-253", "-253"),
    ] {
        a.write(path, content)?;
    }
    let (text, about) = configuration();
    let began = now();
    let daemon = pair.start(a, &text)?;
    up(&daemon)?;
    pair.wait_for_status(a, "all decided", PATIENCE, |status| {
        let all = status["instances"].as_array().into_iter().flatten();
        let decided = all.filter(|one| one["state"] == "MASTER" || one["state"] == "FAULT");
        decided.count() == about.len()
    })?;
    let masters = pair.status(a)?.unwrap_or_default();
    let all = masters["instances"].as_array().cloned().unwrap_or_default();
    let speaks = |vrid: u8| {
        let mut all = all.iter();
        all.any(|one| one["vrid"] == vrid && one["state"] == "MASTER")
    };
    let wanted: Vec<u8> = about.keys().copied().filter(|vrid| speaks(*vrid)).collect();
    let port = a.port();
    let all_speak = |since: MonoTime| -> Tested {
        for vrid in &wanted {
            pair.capture
                .wait_for(&about[vrid], since, PATIENCE, |frame| {
                    frame.is_from(port) && frame.advert(*vrid).is_some_and(|one| one > 0)
                })?;
        }
        Ok(())
    };
    all_speak(now())?;
    let ours = spoken(&pair, a, began);
    daemon.signal(Signal::SIGTERM);
    daemon.wait(PATIENCE)?;
    let began = now();
    let daemon = keepalived(a, &text)?;
    daemon.wait_for_line("VRRP_Script(bad) failed", PATIENCE)?;
    // Once more, when everybody knows the results of the scripts.
    all_speak(began)?;
    all_speak(now())?;
    let theirs = spoken(&pair, a, began);
    daemon.signal(Signal::SIGTERM);
    daemon.wait(PATIENCE)?;
    for (vrid, about) in &about {
        assert_eq!(
            ours.get(vrid),
            theirs.get(vrid),
            "{about}: ours, and keepalived's"
        );
    }
    assert!(ours.len() > about.len() / 2, "{ours:?}");
    assert!(ours.len() < about.len(), "{ours:?}");
    Ok(())
}
