//! What a daemon leaves behind when it leaves in order: nothing of its own,
//! everything of others.

use nix::sys::signal::Signal;
use vip::lab::pair::{Pair, VIRTUAL, VRID};
use vip::lab::{PATIENCE, now};
use vip_tests::Tested;
use vip_tests::bpf::xdp_programs;
use vip_tests::scene::{Scene, fast, up, vip_program};

#[test]
fn a_planned_leave_leaves_nothing() -> Tested {
    let scene = Scene::elected("auto")?;
    let Pair { a, b, capture, .. } = &scene.pair;
    assert_eq!(xdp_programs(a)?.len(), 1);
    let left = now();
    scene.on_a.signal(Signal::SIGTERM);
    assert_eq!(scene.on_a.wait(PATIENCE)?.code, Some(0));
    assert!(!a.has(VIRTUAL)?);
    assert!(a.has(a.address())?);
    assert_eq!(xdp_programs(a)?, [0; 0]);
    let groups = a
        .output(["ip", "maddr", "show", "dev", "eth0"])?
        .success()?;
    assert!(!groups.contains("224.0.0.18"), "{groups}");
    let port = b.port();
    let word = capture.wait_for("the leave", left, PATIENCE, |frame| {
        frame.is_to(port) && frame.advert(VRID) == Some(0)
    })?;
    // Said once, and nothing after it.
    let after = scene.adverts_of(a, left);
    assert_eq!(
        after
            .iter()
            .filter(|frame| frame.stamp > word.stamp)
            .count(),
        0
    );
    Ok(())
}

#[test]
fn a_backup_leaves_without_a_word() -> Tested {
    let scene = Scene::elected("auto")?;
    let left = now();
    scene.on_b.signal(Signal::SIGTERM);
    assert_eq!(scene.on_b.wait(PATIENCE)?.code, Some(0));
    assert!(scene.adverts_of(&scene.pair.b, left).is_empty());
    assert!(scene.pair.a.has(VIRTUAL)?);
    Ok(())
}

#[test]
fn an_address_that_was_there_before_is_not_taken_away() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    pair.a.ip(&[&format!("addr add {VIRTUAL}/24 dev eth0")])?;
    let daemon = pair.start(&pair.a, &fast(100))?;
    up(&daemon)?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    assert!(pair.a.has(VIRTUAL)?);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(PATIENCE)?.code, Some(0));
    assert!(pair.a.has(VIRTUAL)?, "it was the administrator's");
    Ok(())
}
