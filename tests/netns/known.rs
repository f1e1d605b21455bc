//! A MASTER that says the same again and again wakes nobody; what it says otherwise,
//! and its silence, does.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;
use vip::lab::pair::FILE;
use vip::lab::{Host, LabError, PATIENCE, Process, now};
use vip_tests::Tested;
use vip_tests::scene::{Scene, fast, instance};

/// Adverts that the program at the NIC has known again.
fn known(status: &Value) -> u64 {
    let count = &instance(status)["counters"]["adverts_known"];
    count.as_u64().unwrap_or(0)
}

/// Waits until it has known so many.
fn wait_for_known(scene: &Scene, count: u64) -> Result<Value, LabError> {
    let pair = &scene.pair;
    pair.wait_for_status(&pair.b, "knows the adverts of A", PATIENCE, |status| {
        known(status) >= count
    })
}

/// How often the engine of a daemon has gone to sleep.
fn sleeps(daemon: &Process) -> Option<u64> {
    let tasks = format!("/proc/{}/task", daemon.pid());
    let of = |task: &Path| {
        let name = fs::read_to_string(task.join("comm")).ok()?;
        let status = fs::read_to_string(task.join("status")).ok()?;
        let line = status
            .lines()
            .find(|line| line.starts_with("voluntary_ctxt_switches:"))?;
        let count = line.split_whitespace().nth(1)?.parse().ok()?;
        (name.trim() == "vip-engine").then_some(count)
    };
    let tasks = fs::read_dir(tasks).ok()?;
    let mut found = tasks.filter_map(|task| of(&task.ok()?.path()));
    found.next()
}

fn peer(status: &Value, host: &Host) -> Value {
    let peers = instance(status)["peers"].as_array();
    let address = host.address().to_string();
    let mut peers = peers.into_iter().flatten();
    let found = peers.find(|peer| peer["address"] == address.as_str());
    found.cloned().unwrap_or_default()
}

#[test]
fn the_same_advert_wakes_nobody_and_is_counted_and_its_absence_is_a_takeover() -> Tested {
    let scene = Scene::elected("auto")?;
    let before = wait_for_known(&scene, 1)?;
    let woken_before = sleeps(&scene.on_b).unwrap();
    let after = wait_for_known(&scene, known(&before) + 20)?;
    let woken = sleeps(&scene.on_b).unwrap() - woken_before;
    assert!(woken < 10, "woken {woken} times");
    let accepted = |status| peer(status, &scene.pair.a)["accepted"].as_u64();
    let heard = accepted(&after).zip(accepted(&before));
    assert!(
        heard.is_some_and(|(after, before)| after >= before + 20),
        "{after}"
    );

    let since = now();
    scene.power_off_a()?;
    scene.b_took_over(since)?;
    Ok(())
}

#[test]
fn what_the_master_says_otherwise_is_heard_at_once() -> Tested {
    let scene = Scene::elected("auto")?;
    let Scene { pair, .. } = &scene;
    let mut status = wait_for_known(&scene, 1)?;
    for priority in [99_u8, 98] {
        pair.a.write(FILE, &fast(priority))?;
        scene.on_a.signal(Signal::SIGHUP);
        let before = known(&status);
        let heard = |status: &Value| peer(status, &pair.a)["priority"] == priority;
        pair.wait_for_status(&pair.b, "hears the priority", PATIENCE, heard)?;
        status = wait_for_known(&scene, before + 2)?;
        assert!(heard(&status), "{status}");
    }
    scene.settled()
}
