//! Whoever follows a daemon is told what happens, in its order, until the daemon ends.

use nix::sys::signal::Signal;
use serde_json::Value;
use vip::lab::{LabError, PATIENCE, Process};
use vip_tests::Tested;
use vip_tests::scene::Scene;

/// Follows the daemon on B and waits until it has been told how all stand.
fn follow(scene: &Scene, words: &[&str]) -> Result<Process, LabError> {
    let words = [&["status", "--follow"], words].concat();
    let following = scene.pair.vip(&scene.pair.b, &words)?;
    following.wait_for_line("follows vip", PATIENCE)?;
    Ok(following)
}

fn events(following: &Process) -> Vec<Value> {
    let lines = following.stdout();
    let lines = lines.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

/// The place of the first event that has all of these.
fn place(events: &[Value], wanted: &[(&str, &str)]) -> usize {
    let has = |event: &Value| wanted.iter().all(|(field, value)| event[field] == *value);
    let place = events.iter().position(has);
    place.unwrap_or_else(|| panic!("no event with {wanted:?} in {events:#?}"))
}

#[test]
fn a_takeover_is_followed_from_what_was_to_the_end_of_the_daemon() -> Tested {
    let scene = Scene::elected("auto")?;
    let following = follow(&scene, &["--json"])?;
    let others = follow(&scene, &[])?;
    scene.power_off_a()?;
    following.wait_for_line("\"event\":\"announced\"", PATIENCE)?;
    scene.on_b.signal(Signal::SIGTERM);
    assert_eq!(scene.on_b.wait(PATIENCE)?.code, Some(0));
    assert_eq!(following.wait(PATIENCE)?.code, Some(6));
    assert_eq!(others.wait(PATIENCE)?.code, Some(6));

    let events = events(&following);
    assert!(events.iter().all(|event| event["schema"] == 1));
    let of = |wanted: &[(&str, &str)]| place(&events, wanted);
    let before = of(&[
        ("event", "standing"),
        ("instance", "VI_1"),
        ("state", "BACKUP"),
        ("source", "192.168.8.4"),
    ]);
    let heard = of(&[("event", "standing"), ("interface", "eth0")]);
    let from_here = of(&[("event", "following")]);
    let entered = of(&[
        ("event", "transition"),
        ("instance", "VI_1"),
        ("from", "BACKUP"),
        ("state", "MASTER"),
    ]);
    let installed = of(&[("event", "addresses"), ("state", "installed")]);
    let announced = of(&[("event", "announced")]);
    let last = of(&[("event", "leaving"), ("reason", "SIGTERM")]);
    assert!(before < from_here && heard < from_here && from_here < entered);
    assert!(entered < installed.min(announced), "{events:#?}");
    assert_eq!(last, events.len() - 1);
    let why = events[entered]["reason"].as_str().unwrap_or_default();
    assert!(why.starts_with("no advert for "), "{why}");
    // Nothing is missing in between.
    let numbers = events[from_here + 1..]
        .iter()
        .map(|event| event["seq"].as_u64());
    let numbers: Vec<u64> = numbers.map(Option::unwrap_or_default).collect();
    assert!(
        numbers.windows(2).all(|two| two[0] + 1 == two[1]),
        "{numbers:?}"
    );

    let text = others.stdout();
    assert!(
        text.contains("(VI_1) BACKUP: follows 192.168.8.4"),
        "{text}"
    );
    assert!(
        text.contains("(VI_1) Entering MASTER STATE: no advert for "),
        "{text}"
    );
    assert!(others.stderr().contains("the daemon has left"));
    Ok(())
}

#[test]
fn a_daemon_that_was_killed_ends_the_stream_as_well_and_one_instance_can_be_followed() -> Tested {
    let scene = Scene::elected("off")?;
    let one = follow(&scene, &["VI_1", "--json"])?;
    let unknown = scene.pair.vip(&scene.pair.b, &["status", "-f", "X"])?;
    assert_eq!(unknown.wait(PATIENCE)?.code, Some(3));
    assert!(
        unknown
            .stderr()
            .contains("no instance X here; there is VI_1")
    );
    scene.on_b.signal(Signal::SIGKILL);
    assert_eq!(one.wait(PATIENCE)?.code, Some(6));
    assert!(one.stderr().contains("gone without a word"));
    let events = events(&one);
    // How the interface is heard is not about the instance alone.
    assert!(
        events
            .iter()
            .all(|event| event["event"] == "following" || event["instance"] == "VI_1"),
        "{events:#?}"
    );
    let nobody = scene.pair.vip(&scene.pair.b, &["status", "--follow"])?;
    assert_eq!(nobody.wait(PATIENCE)?.code, Some(6));
    Ok(())
}
