//! The seed's walk-through, step by step, with its two files as they are.

use std::time::Duration;

use nix::sys::signal::Signal;
use vip::lab::pair::{NODE_A, NODE_B, Pair, VIRTUAL};
use vip::lab::{Host, LabError, PATIENCE, Prober, now};
use vip_tests::Tested;
use vip_tests::scene::{Scene, fast, instance, rung, vip_program};

/// What `ip addr` shows of eth0.
fn ip_addr(host: &Host) -> Result<String, LabError> {
    host.output(["ip", "addr", "show", "dev", "eth0"])?
        .success()
}

fn client_reaches(pair: &Pair, client: &Prober, owner: &Host) -> Tested {
    client.wait_for_answer(now(), PATIENCE)?;
    assert_eq!(pair.client.neighbour(VIRTUAL)?, Some(owner.mac()));
    Ok(())
}

#[test]
fn the_seeds_walk_through() -> Tested {
    let shown = format!("inet {VIRTUAL}/24");
    let pair = Pair::new(vip_program(), "auto")?;
    pair.a.firewall()?;
    pair.b.firewall()?;
    let mut scene = Scene::elect_on(pair, NODE_A, NODE_B)?;
    for host in [&scene.pair.a, &scene.pair.b] {
        let status = scene.pair.status(host)?.unwrap_or_default();
        assert_eq!(rung(&status), "xdp-native");
        assert_eq!(status["schema"], 1);
        assert_eq!(instance(&status)["version"], 2);
    }
    assert!(ip_addr(&scene.pair.a)?.contains(&shown));
    assert!(!ip_addr(&scene.pair.b)?.contains(&shown));
    let client = Prober::start(&scene.pair.client, VIRTUAL, Duration::from_millis(5))?;
    client_reaches(&scene.pair, &client, &scene.pair.a)?;

    let stopped = now();
    scene.on_a.signal(Signal::SIGTERM);
    assert_eq!(scene.on_a.wait(PATIENCE)?.code, Some(0));
    assert!(!ip_addr(&scene.pair.a)?.contains(&shown));
    scene
        .pair
        .wait_for_state(&scene.pair.b, "MASTER", PATIENCE)?;
    scene.wait_for_address(&scene.pair.b, true)?;
    assert!(ip_addr(&scene.pair.b)?.contains(&shown));
    let b = scene.pair.b.port();
    scene
        .pair
        .capture
        .wait_for("B's gratuitous ARP", stopped, PATIENCE, |frame| {
            frame.is_from(b) && frame.announces(VIRTUAL)
        })?;
    let line = format!("Sending gratuitous ARP on eth0 for {VIRTUAL}");
    scene.on_b.wait_for_line_after(&line, stopped, PATIENCE)?;
    client_reaches(&scene.pair, &client, &scene.pair.b)?;

    scene.on_a = scene.pair.start(&scene.pair.a, NODE_A)?;
    scene.settled()?;
    assert!(ip_addr(&scene.pair.a)?.contains(&shown));
    assert!(!ip_addr(&scene.pair.b)?.contains(&shown));
    client_reaches(&scene.pair, &client, &scene.pair.a)
}

#[test]
fn priority_decides_not_state_nor_the_order_of_starting() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    // The better one says BACKUP and comes last; the other says MASTER.
    let low = fast(90).replace("state BACKUP", "state MASTER");
    let high = fast(100).replace("state MASTER", "state BACKUP");
    let on_b = pair.start(&pair.b, &low)?;
    pair.wait_for_state(&pair.b, "MASTER", PATIENCE)?;
    let on_a = pair.start(&pair.a, &high)?;
    Scene { on_a, on_b, pair }.settled()
}
