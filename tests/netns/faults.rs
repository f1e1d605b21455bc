//! Ways to lose a master, and what its host is left with.

use nix::sys::signal::Signal;
use vip::lab::pair::{Pair, VIRTUAL};
use vip::lab::{Host, LabError, PATIENCE, What, now};
use vip_common::ids::MacAddr;
use vip_tests::Tested;
use vip_tests::scene::{FAST, Scene, fast, instance, last_state_lines, vip_program};

#[test]
fn killed_alone_it_leaves_the_address_and_a_restart_leaves_one() -> Tested {
    let mut scene = Scene::elected("auto")?;
    let killed = now();
    scene.on_a.signal(Signal::SIGKILL);
    scene.b_took_over(killed)?;
    // A's kernel cannot know; nothing else has been promised yet.
    assert_eq!(scene.owners()?, 2);
    scene.on_a = scene.pair.start(&scene.pair.a, &fast(100))?;
    scene.settled()?;
    assert_eq!(scene.owners()?, 1);
    Ok(())
}

#[test]
fn killed_alone_it_leaves_the_address_and_release_takes_it_off() -> Tested {
    let scene = Scene::elected("auto")?;
    let a = &scene.pair.a;
    // Nothing is released while a daemon runs.
    let refused = scene.pair.vip(a, &["release"])?.wait(PATIENCE)?;
    assert_eq!(refused.code, Some(7));
    assert!(a.has(VIRTUAL)?);
    let killed = now();
    scene.on_a.signal(Signal::SIGKILL);
    scene.b_took_over(killed)?;
    let released = scene.pair.vip(a, &["release"])?;
    assert_eq!(
        released.wait(PATIENCE)?.code,
        Some(0),
        "{}",
        released.stderr()
    );
    assert_eq!(scene.owners()?, 1);
    assert!(!a.has(VIRTUAL)?);
    assert!(a.has(a.address())?, "the host has lost its own address");
    let files = a.output(["ls", "-A", "/run/vip"])?.success()?;
    // But what was written down of it before it was killed, for whoever asks why.
    assert!(
        files.is_empty() || files == "recordings\n",
        "something is left of it: {files}"
    );
    Ok(())
}

#[test]
fn hung_it_is_succeeded_and_awake_again_it_is_master_again() -> Tested {
    let scene = Scene::elected("auto")?;
    let hung = now();
    scene.on_a.signal(Signal::SIGSTOP);
    scene.b_took_over(hung)?;
    scene.on_a.signal(Signal::SIGCONT);
    scene.settled()
}

#[test]
fn the_interface_set_down_is_a_fault_that_heals() -> Tested {
    let scene = Scene::elected("auto")?;
    let a = &scene.pair.a;
    let down = now();
    a.ip(&["link set eth0 down"])?;
    scene.b_took_over(down)?;
    let status = scene.pair.wait_for_state(a, "FAULT", PATIENCE)?;
    let reason = instance(&status)["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(reason.contains("eth0"), "{reason}");
    scene
        .on_a
        .wait_for_line_after("(VI_1) entering FAULT state", down, PATIENCE)?;
    scene.wait_for_address(a, false)?;
    a.ip(&["link set eth0 up"])?;
    scene.settled()
}

#[test]
fn the_cable_pulled_is_a_fault_that_heals() -> Tested {
    let scene = Scene::elected("auto")?;
    let a = &scene.pair.a;
    let pulled = now();
    a.cut()?;
    scene.b_took_over(pulled)?;
    scene.pair.wait_for_state(a, "FAULT", PATIENCE)?;
    scene.wait_for_address(a, false)?;
    a.mend()?;
    scene.settled()
}

#[test]
fn the_interface_removed_is_a_fault_that_heals_under_a_new_index() -> Tested {
    let mut scene = Scene::elected("auto")?;
    let removed = now();
    scene.pair.a.disconnect()?;
    scene.b_took_over(removed)?;
    scene
        .pair
        .wait_for_state(&scene.pair.a, "FAULT", PATIENCE)?;
    // Something else takes the old index.
    scene.pair.a.ip(&["link add other type bridge"])?;
    scene.pair.a.connect()?;
    scene.settled()?;
    // And it is heard again: B, killed and back, does not take over.
    let cut = scene.power_off_a()?;
    scene.b_took_over(cut)
}

#[test]
fn an_interface_that_is_missing_at_the_start_is_a_fault_that_heals() -> Tested {
    let mut pair = Pair::new(vip_program(), "auto")?;
    pair.a.disconnect()?;
    let on_a = pair.start(&pair.a, &fast(100))?;
    let status = pair.wait_for_state(&pair.a, "FAULT", PATIENCE)?;
    let reason = instance(&status)["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(reason.contains("eth0 does not exist"), "{reason}");
    pair.a.connect()?;
    let on_b = pair.start(&pair.b, &fast(90))?;
    Scene { on_a, on_b, pair }.settled()
}

#[test]
fn an_address_that_somebody_removes_is_put_back() -> Tested {
    let scene = Scene::elected("auto")?;
    let a = &scene.pair.a;
    let since = now();
    a.ip(&["address del 192.168.8.100/24 dev eth0"])?;
    scene.wait_for_address(a, true)?;
    scene
        .on_a
        .wait_for_line_after("removed by another program; put back", since, PATIENCE)?;
    let port = a.port();
    scene
        .pair
        .capture
        .wait_for("gratuitous ARP", since, PATIENCE, |frame| {
            frame.is_from(port) && frame.announces(VIRTUAL)
        })?;
    scene.settled()
}

#[test]
fn another_mac_on_the_masters_interface_is_announced() -> Tested {
    let scene = Scene::elected("auto")?;
    let a = &scene.pair.a;
    let since = now();
    a.ip(&["link set dev eth0 address 02:00:00:00:00:77"])?;
    let (port, mac) = (a.port(), MacAddr([2, 0, 0, 0, 0, 0x77]));
    scene
        .pair
        .capture
        .wait_for("gratuitous ARP of the new MAC", since, PATIENCE, |frame| {
            frame.is_from(port)
                && frame.announces(VIRTUAL)
                && matches!(frame.what, What::Arp { mac: said, .. } if said == mac)
        })?;
    assert_eq!(last_state_lines(&scene.on_a, since), [""; 0]);
    scene.settled()
}

/// Waits until a host has a route, or has it no more.
fn wait_for_route(host: &Host, to: &str, there: bool) -> Result<(), LabError> {
    let end = now() + PATIENCE;
    while host.output(["ip", "route", "show", to])?.stdout.is_empty() == there {
        if now() > end {
            return Err(LabError::TooLate {
                what: format!("the route to {to} being there: {there}"),
                bound: PATIENCE,
            });
        }
        std::thread::sleep(FAST / 10);
    }
    Ok(())
}

#[test]
fn routes_by_another_interface_come_back_with_it() -> Tested {
    const MOVING: &str = "198.51.100.0/24";
    const STATIC: &str = "203.0.113.0/24";
    let pair = Pair::new(vip_program(), "auto")?;
    let connected = [
        "link add lan type veth peer name far",
        "link set far up",
        "link set lan up",
        "addr add 10.9.0.1/24 dev lan",
    ];
    pair.a.ip(&connected)?;
    let routes = format!("    virtual_routes {{\n        {MOVING} via 10.9.0.2\n    }}\n");
    let text = fast(100).replace("    virtual_ipaddress", &(routes + "    virtual_ipaddress"));
    let text = format!("static_routes {{\n    {STATIC} via 10.9.0.3 dev lan\n}}\n{text}");
    let scene = Scene::elect_on(pair, &text, &fast(90))?;
    let a = &scene.pair.a;
    let settled = now();
    for to in [MOVING, STATIC] {
        wait_for_route(a, to, true)?;
    }
    // The kernel says nothing of routes that go with their interface.
    a.ip(&["link set lan down"])?;
    for to in [MOVING, STATIC] {
        wait_for_route(a, to, false)?;
    }
    a.ip(&["link set lan up"])?;
    for to in [MOVING, STATIC] {
        wait_for_route(a, to, true)?;
    }
    // The same for one that is made anew.
    a.ip(&["link del lan"])?;
    for to in [MOVING, STATIC] {
        wait_for_route(a, to, false)?;
    }
    a.ip(&connected)?;
    for to in [MOVING, STATIC] {
        wait_for_route(a, to, true)?;
    }
    assert_eq!(last_state_lines(&scene.on_a, settled), [""; 0]);
    scene.settled()
}
