//! What others do to the program at the NIC.

use std::net::Ipv4Addr;

use vip::lab::pair::{VIRTUAL, VRID};
use vip::lab::{Host, LabError, PATIENCE, Process, now};
use vip_tests::Tested;
use vip_tests::bpf::{detach_xdp, xdp_programs};
use vip_tests::scene::{FAST, Scene, fast, last_state_lines, rung, up, wait_for_address};

#[test]
fn a_silence_that_we_cannot_vouch_for_is_no_takeover() -> Tested {
    let scene = Scene::elected("auto")?;
    let Scene { pair, on_b, .. } = &scene;
    let status = pair.status(&pair.b)?.unwrap_or_default();
    assert_eq!(rung(&status), "xdp-native");
    let since = now();
    assert!(detach_xdp(on_b)? > 0, "nothing was attached");
    // A goes on for the time of several takeovers.
    let a = pair.a.port();
    while now().since(since) < FAST * 20 {
        pair.capture
            .wait_for("an advert of A", now(), PATIENCE, |frame| {
                frame.is_from(a) && frame.advert(VRID).is_some()
            })?;
    }
    let spoken = scene.adverts_of(&pair.b, since);
    assert!(spoken.is_empty(), "B has spoken: {}", on_b.stderr());
    assert!(!pair.b.has(VIRTUAL)?);
    // B hears again, on whatever rung, and takes over when there is reason to.
    pair.wait_for_state(&pair.b, "BACKUP", PATIENCE)?;
    let cut = scene.power_off_a()?;
    scene.b_took_over(cut)
}

const SECOND: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 101);

/// A second vip on a host: VRID 52, another address, a directory of its own.
fn start_second(scene: &Scene, host: &Host, priority: u8, xdp: &str) -> Result<Process, LabError> {
    let text = fast(priority)
        .replace("virtual_router_id 51", "virtual_router_id 52")
        .replace(&VIRTUAL.to_string(), &SECOND.to_string())
        .replace("VI_1", "VI_2");
    host.write("/run/second.conf", &text)?;
    let program = scene.pair.program.display().to_string();
    host.spawn([
        program.as_str(),
        "run",
        "-f",
        "/run/second.conf",
        "--runtime-dir",
        "/run/second",
        "--xdp",
        xdp,
    ])
}

#[test]
fn a_taken_slot_is_left_alone_and_two_vips_share_an_interface() -> Tested {
    let scene = Scene::elected("auto")?;
    let Scene { pair, .. } = &scene;
    let before = xdp_programs(&pair.b)?;
    assert_eq!(before.len(), 1, "{before:?}");
    // Only who insists on the slot is turned away.
    for rung in ["native", "generic"] {
        let refused = start_second(&scene, &pair.b, 100, rung)?;
        assert_eq!(
            refused.wait(PATIENCE)?.code,
            Some(5),
            "{}",
            refused.stderr()
        );
        assert!(refused.stderr().contains("eth0"), "{}", refused.stderr());
    }
    let second_on_b = start_second(&scene, &pair.b, 100, "auto")?;
    let second_on_a = start_second(&scene, &pair.a, 90, "auto")?;
    up(&second_on_b)?;
    up(&second_on_a)?;
    // The slot is whose it was; the second one has the next rung that is free.
    assert_eq!(xdp_programs(&pair.b)?, before);
    let line = second_on_b.wait_for_line(" is up: ", PATIENCE)?;
    assert!(line.text.contains("(tcx)"), "{}", line.text);
    // Each elects for itself: the second has its address on B.
    second_on_b.wait_for_line("(VI_2) Entering MASTER STATE", PATIENCE)?;
    scene.settled()?;
    wait_for_address(&pair.b, SECOND, true)?;
    let killed = now();
    drop(second_on_b);
    second_on_a.wait_for_line_after("(VI_2) Entering MASTER STATE", killed, PATIENCE)?;
    wait_for_address(&pair.a, SECOND, true)?;
    let cut = scene.power_off_a()?;
    scene.b_took_over(cut)
}

#[test]
fn a_master_whose_ear_is_lost_stays_master_and_hears_again() -> Tested {
    let scene = Scene::elected("auto")?;
    let Scene { pair, on_a, on_b } = &scene;
    let since = now();
    assert!(detach_xdp(on_a)? > 0, "nothing was attached");
    on_a.wait_for_line_after("eth0 is no longer heard", since, PATIENCE)?;
    on_a.wait_for_line_after("hears eth0 by ", since, PATIENCE)?;
    assert_eq!(last_state_lines(on_a, since), [""; 0]);
    assert_eq!(last_state_lines(on_b, since), [""; 0]);
    assert!(scene.adverts_of(&pair.b, since).is_empty());
    scene.settled()
}
