//! What a person orders of a running daemon: hand over and stay out, come to the
//! front, write down how things are.

use std::net::Ipv4Addr;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use vip::lab::pair::{Pair, VIRTUAL};
use vip::lab::{Host, LabError, PATIENCE, Prober, now};
use vip_tests::Tested;
use vip_tests::peer::keepalived;
use vip_tests::scene::{Scene, fast, instance, last_state_lines, up, vip_program};

const MILLISECOND: Duration = Duration::from_millis(1);

/// How a command ended, and what it said on both streams.
fn ordered(pair: &Pair, host: &Host, words: &[&str]) -> Result<(i32, String), LabError> {
    let command = pair.vip(host, words)?;
    let ended = command.wait(PATIENCE)?;
    let said = command.stdout() + &command.stderr();
    Ok((ended.code.unwrap_or(-1), said))
}

/// A is MASTER and has heard B, which was MASTER before it.
fn acquainted(file_a: &str, file_b: &str) -> Result<Scene, LabError> {
    let pair = Pair::new(vip_program(), "auto")?;
    let on_b = pair.start(&pair.b, file_b)?;
    up(&on_b)?;
    pair.wait_for_state(&pair.b, "MASTER", PATIENCE)?;
    let on_a = pair.start(&pair.a, file_a)?;
    let scene = Scene { on_a, on_b, pair };
    scene.settled()?;
    Ok(scene)
}

fn order_of(status: &Value) -> &Value {
    &instance(status)["order"]
}

#[test]
fn drained_it_hands_over_names_the_successor_and_stays_out_until_undrained() -> Tested {
    let scene = acquainted(&fast(100), &fast(90))?;
    let Pair { a, b, client, .. } = &scene.pair;
    let prober = Prober::start(client, VIRTUAL, MILLISECOND)?;
    let begun = prober.wait_for_answer(now(), PATIENCE)?;
    let (code, said) = ordered(&scene.pair, a, &["drain"])?;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains(&format!("(VI_1) {} is MASTER (priority 90)", b.address())),
        "{said}"
    );
    scene.wait_for_address(a, false)?;
    scene.wait_for_address(b, true)?;
    let status = scene.pair.wait_for_state(a, "INIT", PATIENCE)?;
    assert_eq!(order_of(&status)["what"], "drained");
    assert_eq!(order_of(&status)["left_ns"], Value::Null);
    assert_eq!(
        instance(&status)["master"]["address"],
        b.address().to_string()
    );
    let (code, said) = ordered(&scene.pair, a, &["status"])?;
    assert_eq!(code, 0);
    assert!(said.contains("drained: until 'vip undrain VI_1'"), "{said}");

    let (code, said) = ordered(&scene.pair, a, &["undrain"])?;
    assert_eq!((code, said.as_str()), (0, "(VI_1) takes part again\n"));
    scene.settled()?;
    let grace = Duration::from_millis(200);
    prober.wait_for_answer(now(), PATIENCE)?;
    let outages = prober.outages(begun, now(), grace);
    assert!(outages.is_empty(), "{outages:?}");
    Ok(())
}

#[test]
fn a_drain_outlives_the_daemon_and_ends_when_its_time_has_come() -> Tested {
    let mut scene = acquainted(&fast(100), &fast(90))?;
    let (code, said) = ordered(&scene.pair, &scene.pair.a, &["drain", "--for", "1h"])?;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("for 1h, or until"), "{said}");
    scene.on_a.signal(Signal::SIGTERM);
    assert_eq!(scene.on_a.wait(PATIENCE)?.code, Some(0));
    scene.on_a = scene.pair.start(&scene.pair.a, &fast(100))?;
    up(&scene.on_a)?;
    scene
        .on_a
        .wait_for_line("as ordered before this start", PATIENCE)?;
    let a = &scene.pair.a;
    let status = scene.pair.wait_for_state(a, "INIT", PATIENCE)?;
    let left = order_of(&status)["left_ns"].as_u64().unwrap_or(0);
    let hour = 3_600_000_000_000;
    assert!(left > hour - 120_000_000_000 && left <= hour, "{left}");
    // Even where nobody else is left: it was taken out of service.
    scene
        .pair
        .wait_for_state(&scene.pair.b, "MASTER", PATIENCE)?;
    // Ordered again, for less.
    let (code, said) = ordered(&scene.pair, a, &["drain", "VI_1", "--for", "1s"])?;
    assert_eq!(code, 0, "{said}");
    scene.settled()?;
    let status = scene.pair.status(a)?.unwrap_or_default();
    assert_eq!(order_of(&status), &Value::Null);
    let files = a.output(["ls", "/run/vip"])?.success()?;
    assert!(!files.contains("orders"), "{files}");
    Ok(())
}

#[test]
fn nobody_was_ever_heard_so_that_a_drain_is_refused_unless_forced() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let on_a = pair.start(&pair.a, &fast(100))?;
    up(&on_a)?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    let since = now();
    let (code, said) = ordered(&pair, &pair.a, &["drain", "VI_1"])?;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("was ever heard on eth0"), "{said}");
    assert!(said.contains("--force"), "{said}");
    assert_eq!(last_state_lines(&on_a, since), [""; 0]);
    assert!(pair.a.has(VIRTUAL)?);
    let (code, said) = ordered(&pair, &pair.a, &["drain", "VI_2"])?;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("there is VI_1"), "{said}");
    // Forced, it is nobody's, which the command says after a while.
    let forced = pair.vip(&pair.a, &["drain", "--force"])?;
    pair.wait_for_state(&pair.a, "INIT", PATIENCE)?;
    vip_tests::scene::wait_for_address(&pair.a, VIRTUAL, false)?;
    assert_eq!(forced.wait(PATIENCE)?.code, Some(3), "{}", forced.stderr());
    assert!(forced.stderr().contains("nobody"), "{}", forced.stderr());
    Ok(())
}

#[test]
fn where_nobody_takes_over_it_comes_back_and_says_so() -> Tested {
    let scene = acquainted(&fast(100), &fast(90))?;
    scene.on_b.signal(Signal::SIGKILL);
    scene.pair.b.cut()?;
    let (code, said) = ordered(&scene.pair, &scene.pair.a, &["drain"])?;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("was not handed over"), "{said}");
    let status = scene
        .pair
        .wait_for_state(&scene.pair.a, "MASTER", PATIENCE)?;
    assert_eq!(order_of(&status), &Value::Null);
    assert!(scene.pair.a.has(VIRTUAL)?);
    Ok(())
}

#[test]
fn taken_it_is_master_whatever_the_priorities_say_until_undone() -> Tested {
    let scene = acquainted(&fast(100), &fast(90))?;
    let Pair { a, b, client, .. } = &scene.pair;
    let prober = Prober::start(client, VIRTUAL, MILLISECOND)?;
    let begun = prober.wait_for_answer(now(), PATIENCE)?;
    let (code, said) = ordered(&scene.pair, b, &["take", "VI_1"])?;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("(VI_1) is MASTER (priority 254)"), "{said}");
    scene.wait_for_address(b, true)?;
    scene.wait_for_address(a, false)?;
    let status = scene.pair.wait_for_state(a, "BACKUP", PATIENCE)?;
    assert_eq!(instance(&status)["master"]["priority"], 254);
    // The one whose priority would win is refused: nothing beats it.
    let (code, said) = ordered(&scene.pair, a, &["take", "VI_1"])?;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("has priority 254"), "{said}");
    let (code, said) = ordered(&scene.pair, b, &["untake", "VI_1"])?;
    assert_eq!(code, 0, "{said}");
    scene.settled()?;
    // And for a time.
    let (code, said) = ordered(&scene.pair, b, &["take", "VI_1", "--for", "1s"])?;
    assert_eq!(code, 0, "{said}");
    scene.settled()?;
    prober.wait_for_answer(now(), PATIENCE)?;
    let outages = prober.outages(begun, now(), Duration::from_millis(200));
    assert!(outages.is_empty(), "{outages:?}");
    Ok(())
}

#[test]
fn an_owner_is_not_outbid() -> Tested {
    let scene = acquainted(&fast(255), &fast(90))?;
    let (code, said) = ordered(&scene.pair, &scene.pair.b, &["take", "VI_1"])?;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("it owns the address"), "{said}");
    scene.settled()
}

#[test]
fn a_drain_and_a_take_move_the_address_to_and_from_a_keepalived() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let other = keepalived(&pair.b, &fast(90))?;
    other.wait_for_line("Entering MASTER STATE", PATIENCE)?;
    let on_a = pair.start(&pair.a, &fast(100))?;
    up(&on_a)?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    let address = |host: &Host, there| vip_tests::scene::wait_for_address(host, VIRTUAL, there);
    address(&pair.b, false)?;
    let since = now();
    let (code, said) = ordered(&pair, &pair.a, &["drain"])?;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("192.168.8.6 is MASTER"), "{said}");
    other.wait_for_line_after("Entering MASTER STATE", since, PATIENCE)?;
    address(&pair.a, false)?;
    // Its priority is above ours now.
    on_a.signal(Signal::SIGTERM);
    assert_eq!(on_a.wait(PATIENCE)?.code, Some(0));
    let lower = pair.start(&pair.a, &fast(80))?;
    up(&lower)?;
    let (code, said) = ordered(&pair, &pair.a, &["take", "VI_1"])?;
    assert_eq!(code, 3, "a drained one is not taken: {said}");
    let (code, said) = ordered(&pair, &pair.a, &["undrain"])?;
    assert_eq!(code, 0, "{said}");
    pair.wait_for_state(&pair.a, "BACKUP", PATIENCE)?;
    let (code, said) = ordered(&pair, &pair.a, &["take", "VI_1"])?;
    assert_eq!(code, 0, "{said}");
    address(&pair.b, false)?;
    let since = now();
    let (code, said) = ordered(&pair, &pair.a, &["untake", "VI_1"])?;
    assert_eq!(code, 0, "{said}");
    other.wait_for_line_after("Entering MASTER STATE", since, PATIENCE)?;
    pair.wait_for_state(&pair.a, "BACKUP", PATIENCE).map(drop)
}

const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 101);

/// VI_1 and VI_2, which only move together.
fn company(priority: u8) -> String {
    let one = fast(priority);
    let other = one
        .replace("VI_1", "VI_2")
        .replace("virtual_router_id 51", "virtual_router_id 52")
        .replace(&VIRTUAL.to_string(), &OTHER.to_string());
    format!("vrrp_sync_group BOTH {{\n group {{\n VI_1\n VI_2\n }}\n}}\n{one}{other}")
}

#[test]
fn a_sync_group_moves_whole() -> Tested {
    let scene = acquainted(&company(100), &company(90))?;
    let Pair { a, b, .. } = &scene.pair;
    vip_tests::scene::wait_for_address(a, OTHER, true)?;
    let (code, said) = ordered(&scene.pair, a, &["drain", "VI_2"])?;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("VI_1 comes along: it is in sync group BOTH with VI_2"),
        "{said}"
    );
    for address in [VIRTUAL, OTHER] {
        vip_tests::scene::wait_for_address(b, address, true)?;
        vip_tests::scene::wait_for_address(a, address, false)?;
    }
    let (code, said) = ordered(&scene.pair, a, &["undrain"])?;
    assert_eq!(code, 0, "{said}");
    for address in [VIRTUAL, OTHER] {
        vip_tests::scene::wait_for_address(a, address, true)?;
        vip_tests::scene::wait_for_address(b, address, false)?;
    }
    Ok(())
}

/// The states of VI_1 and VI_2.
fn states(status: &Value) -> Vec<&str> {
    let instances = status["instances"].as_array();
    instances
        .into_iter()
        .flatten()
        .filter_map(|one| one["state"].as_str())
        .collect()
}

#[test]
fn a_drained_sync_group_is_out_whole_also_where_one_member_is_at_fault() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let a = &pair.a;
    a.output([
        "ip", "link", "add", "extra0", "type", "veth", "peer", "extra1",
    ])?
    .success()?;
    // VI_2 lacks the carrier of another interface.
    let second = company(100).replace(
        "virtual_router_id 52",
        "virtual_router_id 52\n    track_interface {\n        extra0\n    }",
    );
    let on_a = pair.start(a, &second)?;
    up(&on_a)?;
    let group = |what: &str, expected: [&'static str; 2]| {
        pair.wait_for_status(a, what, PATIENCE, |status| states(status) == expected)
    };
    group("both at fault", ["FAULT", "FAULT"])?;
    let (code, said) = ordered(&pair, a, &["drain", "VI_1", "--force"])?;
    assert_eq!(code, 0, "{said}");
    let status = group("both drained", ["INIT", "INIT"])?;
    let reason = status["instances"][1]["reason"]
        .as_str()
        .unwrap_or_default();
    assert!(
        reason.contains("drained") && reason.contains("extra0, which is tracked, is down"),
        "{reason}"
    );
    // The fault ends, the order does not.
    let since = now();
    for name in ["extra0", "extra1"] {
        a.output(["ip", "link", "set", name, "up"])?.success()?;
    }
    pair.wait_for_status(a, "the end of the fault", PATIENCE, |status| {
        let reason = status["instances"][1]["reason"].as_str();
        reason.is_some_and(|reason| !reason.contains("extra0"))
    })?;
    group("both drained still", ["INIT", "INIT"])?;
    assert_eq!(last_state_lines(&on_a, since), [""; 0]);
    let (code, said) = ordered(&pair, a, &["undrain", "VI_1"])?;
    assert_eq!(code, 0, "{said}");
    group("both masters", ["MASTER", "MASTER"])?;
    let lines = last_state_lines(&on_a, since);
    assert!(
        !lines.iter().any(|line| line.contains("FAULT")),
        "{lines:?}"
    );
    Ok(())
}

#[test]
fn signals_write_state_and_statistics_into_the_runtime_directory() -> Tested {
    let scene = Scene::elected("auto")?;
    let a = &scene.pair.a;
    scene.on_a.signal(Signal::SIGUSR1);
    scene
        .on_a
        .wait_for_line("wrote /run/vip/vip.data", PATIENCE)?;
    let state = a.output(["cat", "/run/vip/vip.data"])?.success()?;
    assert!(state.contains("VI_1: MASTER"), "{state}");
    assert!(state.contains("vrrp_instance VI_1"), "{state}");
    scene.on_a.signal(Signal::SIGUSR2);
    scene
        .on_a
        .wait_for_line("wrote /run/vip/vip.stats", PATIENCE)?;
    let statistics = a.output(["cat", "/run/vip/vip.stats"])?.success()?;
    assert!(statistics.contains("  adverts_sent "), "{statistics}");
    scene.settled()?;
    scene.on_a.signal(Signal::SIGTERM);
    assert_eq!(scene.on_a.wait(PATIENCE)?.code, Some(0));
    let left = a.output(["ls", "/run/vip"])?.success()?;
    assert!(!left.contains("vip."), "{left}");
    Ok(())
}
