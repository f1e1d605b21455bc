//! A new configuration for a running daemon: what is the same goes on, what is
//! different changes the least, what is bad changes nothing.

use std::net::Ipv4Addr;

use nix::sys::signal::Signal;
use vip::lab::pair::{FILE, NODE_A, NODE_B, Pair, VIRTUAL};
use vip::lab::{Host, LabError, PATIENCE, now};
use vip_common::time::MonoTime;
use vip_tests::Tested;
use vip_tests::bpf::xdp_programs;
use vip_tests::scene::{FAST, Scene, fast, instance, last_state_lines, up, wait_for_address};

const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 101);

/// Puts a configuration in place and has the daemon of a host take it; how that
/// ended and what was said.
fn reload(pair: &Pair, host: &Host, text: &str, words: &[&str]) -> Result<(i32, String), LabError> {
    host.write(FILE, text)?;
    let command = pair.vip(host, &[&["reload"], words].concat())?;
    let ended = command.wait(PATIENCE)?;
    let said = command.stdout() + &command.stderr();
    Ok((ended.code.unwrap_or(-1), said))
}

/// The same with one address more.
fn with_other(text: &str) -> String {
    let line = format!("{VIRTUAL}/24");
    text.replace(&line, &format!("{line}\n        {OTHER}/24"))
}

/// Nothing moved since then: no line about a state, no advert too late.
fn went_on(scene: &Scene, since: MonoTime) -> Tested {
    assert_eq!(last_state_lines(&scene.on_a, since), [""; 0]);
    assert_eq!(last_state_lines(&scene.on_b, since), [""; 0]);
    let stamps: Vec<_> = scene
        .adverts_of(&scene.pair.a, since)
        .iter()
        .map(|frame| frame.stamp)
        .collect();
    assert!(stamps.len() > 1, "{} adverts", stamps.len());
    for two in stamps.windows(2) {
        let apart = two[1].since(two[0]);
        assert!(apart <= FAST * 3 / 2, "two adverts were {apart:?} apart");
    }
    assert!(scene.adverts_of(&scene.pair.b, since).is_empty());
    Ok(())
}

/// Waits until A has sent this many adverts since then.
fn adverts(scene: &Scene, count: usize, since: MonoTime) -> Tested {
    let end = now() + PATIENCE;
    while scene.adverts_of(&scene.pair.a, since).len() < count {
        assert!(now() < end, "A does not speak any more");
        std::thread::sleep(FAST / 4);
    }
    Ok(())
}

#[test]
fn an_address_more_and_less_is_no_change_of_state() -> Tested {
    let scene = Scene::elected("auto")?;
    let Pair { a, b, capture, .. } = &scene.pair;
    let programs = xdp_programs(a)?;
    let since = now();
    let more = with_other(&fast(100));
    let plan = "(VI_1) adds 192.168.8.101/24, no change of state\n";
    let (code, said) = reload(&scene.pair, a, &more, &["--dry-run"])?;
    assert_eq!((code, said.as_str()), (0, plan));
    let (code, said) = reload(&scene.pair, a, &more, &[])?;
    assert_eq!((code, said.as_str()), (0, plan));
    wait_for_address(a, OTHER, true)?;
    assert!(a.has(VIRTUAL)?);
    let port = a.port();
    capture.wait_for("its gratuitous ARP", since, PATIENCE, |frame| {
        frame.is_from(port) && frame.announces(OTHER)
    })?;
    // The peers' lists are different meanwhile, which unseats nobody.
    adverts(&scene, 10, now())?;
    let (code, said) = reload(&scene.pair, b, &with_other(&fast(90)), &[])?;
    assert_eq!((code, said.as_str()), (0, plan));
    let (code, said) = reload(&scene.pair, a, &fast(100), &[])?;
    assert_eq!(
        (code, said.as_str()),
        (0, "(VI_1) removes 192.168.8.101/24, no change of state\n")
    );
    wait_for_address(a, OTHER, false)?;
    assert!(a.has(VIRTUAL)?);
    adverts(&scene, 10, now())?;
    went_on(&scene, since)?;
    assert_eq!(xdp_programs(a)?, programs, "it was attached anew");
    scene.settled()
}

#[test]
fn a_bad_file_changes_nothing_and_the_reason_is_said() -> Tested {
    let scene = Scene::elected("auto")?;
    let a = &scene.pair.a;
    let since = now();
    let bad = with_other(&fast(100)).replace("priority", "priorty");
    let (code, said) = reload(&scene.pair, a, &bad, &["--dry-run"])?;
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("priorty"), "{said}");
    let status = scene.pair.status(a)?.unwrap_or_default();
    assert!(status["reload"].is_null(), "a trial is no reload: {status}");
    // The signal does the same, and says it in the log.
    scene.on_a.signal(Signal::SIGHUP);
    scene
        .on_a
        .wait_for_line_after("not reloaded: ", since, PATIENCE)?;
    scene
        .on_a
        .wait_for_line_after("nothing was changed", since, PATIENCE)?;
    let status = scene.pair.status(a)?.unwrap_or_default();
    assert_eq!(status["reload"]["taken"], false);
    let warning = status["warnings"][0].as_str().unwrap_or_default();
    assert!(warning.contains("the last reload was refused"), "{warning}");
    a.output(["rm", FILE])?.success()?;
    let command = scene.pair.vip(a, &["reload"])?;
    assert_eq!(command.wait(PATIENCE)?.code, Some(4));
    assert!(
        command.stderr().contains("there is no such file"),
        "{}",
        command.stderr()
    );
    assert!(!a.has(OTHER)?);
    adverts(&scene, 5, now())?;
    went_on(&scene, since)?;
    // And good again.
    let (code, said) = reload(&scene.pair, a, &fast(100), &[])?;
    assert_eq!(
        (code, said.as_str()),
        (0, "nothing differs from what runs\n")
    );
    let status = scene.pair.status(a)?.unwrap_or_default();
    assert_eq!(status["reload"]["taken"], true);
    assert_eq!(status["warnings"], serde_json::json!([]));
    scene.settled()
}

#[test]
fn an_instance_comes_and_goes_and_the_other_does_not_notice() -> Tested {
    let scene = Scene::elected("auto")?;
    let Pair { a, b, .. } = &scene.pair;
    let second = |priority: u8| {
        fast(priority)
            .replace("VI_1", "VI_2")
            .replace("virtual_router_id 51", "virtual_router_id 52")
            .replace(&VIRTUAL.to_string(), &OTHER.to_string())
    };
    let since = now();
    let (code, said) = reload(&scene.pair, a, &(fast(100) + &second(100)), &[])?;
    assert_eq!(
        (code, said.as_str()),
        (0, "(VI_2) is new: starts as BACKUP\n")
    );
    scene
        .on_a
        .wait_for_line_after("(VI_2) Entering MASTER STATE", since, PATIENCE)?;
    wait_for_address(a, OTHER, true)?;
    let (code, said) = reload(&scene.pair, b, &(fast(90) + &second(90)), &[])?;
    assert_eq!(code, 0, "{said}");
    scene
        .on_b
        .wait_for_line_after("(VI_2) Entering BACKUP STATE", since, PATIENCE)?;
    let gone = now();
    let (code, said) = reload(&scene.pair, a, &fast(100), &[])?;
    assert_eq!(
        (code, said.as_str()),
        (0, "(VI_2) goes: hands over, then ends (now MASTER)\n")
    );
    scene
        .on_b
        .wait_for_line_after("(VI_2) Entering MASTER STATE", gone, PATIENCE)?;
    wait_for_address(b, OTHER, true)?;
    wait_for_address(a, OTHER, false)?;
    let status = scene
        .pair
        .wait_for_status(a, "one instance", PATIENCE, |status| {
            status["instances"].as_array().map(Vec::len) == Some(1)
        })?;
    assert_eq!(instance(&status)["name"], "VI_1");
    assert_eq!(instance(&status)["state"], "MASTER");
    // And again, in the place that has become free.
    let again = now();
    let (code, said) = reload(&scene.pair, a, &(fast(100) + &second(100)), &[])?;
    assert_eq!(code, 0, "{said}");
    scene
        .on_a
        .wait_for_line_after("(VI_2) Entering MASTER STATE", again, PATIENCE)?;
    wait_for_address(a, OTHER, true)?;
    wait_for_address(b, OTHER, false)?;
    scene.settled()
}

#[test]
fn another_password_backup_first_then_master_moves_nothing() -> Tested {
    let pair = Pair::new(vip_tests::scene::vip_program(), "auto")?;
    let scene = Scene::elect_on(pair, NODE_A, NODE_B)?;
    let Pair { a, b, .. } = &scene.pair;
    let since = now();
    let other = |text: &str| text.replace("1111", "2222");
    let (code, said) = reload(&scene.pair, b, &other(NODE_B), &[])?;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the old one is still accepted"), "{said}");
    assert!(!said.contains("2222"), "{said}");
    // B goes on following A, by the old one.
    let status = scene
        .pair
        .wait_for_status(b, "the old password", PATIENCE, |status| {
            instance(status)["counters"]["accepted_by_former_secret"]
                .as_u64()
                .unwrap_or(0)
                >= 2
        })?;
    assert_eq!(instance(&status)["state"], "BACKUP");
    assert!(
        instance(&status)["former_secret_left_ns"]
            .as_u64()
            .is_some_and(|left| left > 500_000_000_000),
        "{status}"
    );
    let (code, said) = reload(&scene.pair, a, &other(NODE_A), &[])?;
    assert_eq!(code, 0, "{said}");
    let took = |status: &serde_json::Value| {
        let peer = &instance(status)["peers"][0];
        peer["accepted"].as_u64().unwrap_or(0)
    };
    let before = took(&scene.pair.status(b)?.unwrap_or_default());
    scene
        .pair
        .wait_for_status(b, "the new password", PATIENCE, |status| {
            took(status) >= before + 2
        })?;
    assert_eq!(last_state_lines(&scene.on_a, since), [""; 0]);
    assert_eq!(last_state_lines(&scene.on_b, since), [""; 0]);
    scene.settled()
}

#[test]
fn another_name_is_the_same_router_and_another_priority_the_elections() -> Tested {
    let scene = Scene::elected("auto")?;
    let Pair { a, .. } = &scene.pair;
    let since = now();
    let (code, said) = reload(&scene.pair, a, &fast(100).replace("VI_1", "WEB"), &[])?;
    assert_eq!(
        (code, said.as_str()),
        (0, "(WEB) was named VI_1, no change of state\n")
    );
    adverts(&scene, 5, now())?;
    went_on(&scene, since)?;
    let (code, said) = reload(&scene.pair, a, &fast(80), &[])?;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the election decides"), "{said}");
    // B has 90 and preempts.
    scene
        .pair
        .wait_for_state(&scene.pair.b, "MASTER", PATIENCE)?;
    scene.wait_for_address(&scene.pair.b, true)?;
    scene.wait_for_address(a, false)?;
    let (code, said) = reload(&scene.pair, a, &fast(100), &[])?;
    assert_eq!(code, 0, "{said}");
    scene.settled()
}

#[test]
fn many_reloads_at_once_end_with_the_last_file() -> Tested {
    let scene = Scene::elected("auto")?;
    let a = &scene.pair.a;
    up(&scene.on_a)?;
    a.write(FILE, &with_other(&fast(100)))?;
    let commands: Vec<_> = (0..8)
        .map(|_| scene.pair.vip(a, &["reload"]))
        .collect::<Result<_, _>>()?;
    for command in commands {
        scene.on_a.signal(Signal::SIGHUP);
        assert_eq!(command.wait(PATIENCE)?.code, Some(0));
    }
    wait_for_address(a, OTHER, true)?;
    scene.settled()
}

/// VI_1 with another address on this interface.
fn also_on(text: &str, device: &str) -> String {
    let line = format!("{VIRTUAL}/24");
    text.replace(&line, &format!("{line}\n        {OTHER}/24 dev {device}"))
}

#[test]
fn an_interface_that_is_not_there_is_named_and_moves_nothing() -> Tested {
    let scene = Scene::elected("auto")?;
    let a = &scene.pair.a;
    let since = now();
    let more = also_on(&fast(100), "extra0");
    for words in [&["--dry-run"][..], &[]] {
        let (code, said) = reload(&scene.pair, a, &more, words)?;
        assert_eq!(code, 4, "{said}");
        let why = "(VI_1) could not run any more: there is no interface extra0 here, needed for 192.168.8.101; create it first";
        assert!(said.contains(why), "{said}");
        assert!(said.contains("nothing was changed"), "{said}");
    }
    adverts(&scene, 5, now())?;
    went_on(&scene, since)?;
    // With it, it is no change of state.
    a.output([
        "ip", "link", "add", "extra0", "type", "veth", "peer", "extra1",
    ])?
    .success()?;
    let (code, said) = reload(&scene.pair, a, &more, &[])?;
    assert_eq!(code, 0, "{said}");
    wait_for_address(a, OTHER, true)?;
    went_on(&scene, since)?;
    // It goes, and it is this one that is missed, not the instance's own.
    a.output(["ip", "link", "delete", "extra0"])?.success()?;
    let status = scene.pair.wait_for_state(a, "FAULT", PATIENCE)?;
    let reason = instance(&status)["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("extra0 does not exist"), "{reason}");
    scene.on_a.wait_for_line_after(
        "entering FAULT state (extra0 does not exist",
        since,
        PATIENCE,
    )?;
    let (code, said) = reload(&scene.pair, a, &fast(100), &[])?;
    assert_eq!(code, 0, "{said}");
    scene.settled()
}

#[test]
fn what_is_tracked_and_down_is_foretold() -> Tested {
    let scene = Scene::elected("auto")?;
    let a = &scene.pair.a;
    a.output([
        "ip", "link", "add", "extra0", "type", "veth", "peer", "extra1",
    ])?
    .success()?;
    let tracked = fast(100).replace(
        "priority 100",
        "priority 100\n    track_interface {\n        extra0\n    }",
    );
    assert!(tracked.contains("extra0"), "{tracked}");
    let (code, said) = reload(&scene.pair, a, &tracked, &[])?;
    assert_eq!(
        (code, said.as_str()),
        (
            0,
            "(VI_1) adds tracked interface extra0, FAULT at once, since extra0 is down (now MASTER)\n"
        )
    );
    let status = scene.pair.wait_for_state(a, "FAULT", PATIENCE)?;
    let reason = instance(&status)["reason"].as_str().unwrap_or_default();
    assert!(
        reason.starts_with("extra0, which is tracked, is down"),
        "{reason}"
    );
    Ok(())
}
