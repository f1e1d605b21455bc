//! Each rung elects and fails over, and says that it is this rung.

use vip::lab::pair::{Pair, VIRTUAL, VRID};
use vip::lab::{ForgedAdvert, Host, LabError, PATIENCE, What, Wire, now, tagged};
use vip_tests::Tested;
use vip_tests::scene::{Scene, fast, rung, vip_program};

fn listens_to_the_group(host: &Host, interface: &str) -> Result<bool, LabError> {
    let groups = host
        .output(["ip", "maddr", "show", "dev", interface])?
        .success()?;
    // The group for IGMP, its MAC for the filter of the NIC.
    Ok(groups.contains("inet  224.0.0.18") && groups.contains("link  01:00:5e:00:00:12"))
}

fn assert_rungs(scene: &Scene, expected: &str) -> Tested {
    for host in [&scene.pair.a, &scene.pair.b] {
        let status = scene.pair.status(host)?.unwrap_or_default();
        assert_eq!(rung(&status), expected, "{}: {status}", host.name());
    }
    Ok(())
}

/// Election, power cut, takeover, return.
fn elects_and_fails_over(mut scene: Scene, expected: &str, file_a: &str) -> Tested {
    assert_rungs(&scene, expected)?;
    let cut = scene.power_off_a()?;
    scene.b_took_over(cut)?;
    let b = scene.pair.b.port();
    scene
        .pair
        .capture
        .wait_for("B's gratuitous ARP", cut, PATIENCE, |frame| {
            frame.is_from(b) && frame.announces(VIRTUAL)
        })?;
    scene.pair.a.boot()?;
    scene.on_a = scene.pair.start(&scene.pair.a, file_a)?;
    scene.settled()?;
    assert_rungs(&scene, expected)?;
    // Whoever hears an advert has a socket for the protocol, so that nobody is
    // told that it is unreachable.
    let refusals = scene
        .pair
        .capture
        .select(|frame| matches!(frame.what, What::Unreachable(_)));
    assert!(refusals.is_empty(), "{refusals:?}");
    Ok(())
}

fn on_eth0(xdp: &str, expected: &str) -> Tested {
    let scene = Scene::elected(xdp)?;
    for host in [&scene.pair.a, &scene.pair.b] {
        assert!(listens_to_the_group(host, "eth0")?);
        host.cut()?;
        host.mend()?;
        host.wait_for_carrier("eth0")?;
        assert!(listens_to_the_group(host, "eth0")?);
        host.ip(&["link set eth0 down", "link set eth0 up"])?;
        host.wait_for_carrier("eth0")?;
        assert!(listens_to_the_group(host, "eth0")?);
    }
    scene.settled()?;
    elects_and_fails_over(scene, expected, &fast(100))
}

#[test]
fn xdp_native() -> Tested {
    on_eth0("native", "xdp-native")
}

#[test]
fn xdp_generic() -> Tested {
    on_eth0("generic", "xdp-generic")
}

#[test]
fn tcx() -> Tested {
    on_eth0("tcx", "tcx")
}

#[test]
fn packet_socket() -> Tested {
    on_eth0("off", "packet-socket")
}

#[test]
fn a_default_drop_firewall_is_no_split_brain() -> Tested {
    for xdp in ["auto", "off"] {
        let pair = Pair::new(vip_program(), xdp)?;
        pair.a.firewall()?;
        pair.b.firewall()?;
        let scene = Scene::elect_on(pair, &fast(100), &fast(90))?;
        let since = now();
        let a = scene.pair.a.port();
        for _ in 0..8 {
            let next = scene
                .adverts_of(&scene.pair.a, since)
                .last()
                .map_or(since, |f| f.stamp);
            scene
                .pair
                .capture
                .wait_for("the next advert of A", next, PATIENCE, |frame| {
                    frame.is_from(a) && frame.advert(VRID).is_some() && frame.stamp > next
                })?;
        }
        assert!(scene.adverts_of(&scene.pair.b, since).is_empty());
        let cut = scene.power_off_a()?;
        scene.b_took_over(cut)?;
    }
    Ok(())
}

/// What a router of the same number says in another VLAN of a trunk is nothing to us, also
/// where its tag lies beside the frame.
fn another_vlan_is_another_network(beside: bool, xdp: &str, expected: &str) -> Tested {
    let pair = Pair::new(vip_program(), xdp)?;
    for host in [&pair.a, &pair.b, &pair.client] {
        host.offload_tags(beside)?;
    }
    let scene = Scene::elect_on(pair, &fast(100), &fast(90))?;
    assert_rungs(&scene, expected)?;
    let Pair {
        a, client, capture, ..
    } = &scene.pair;
    let better = ForgedAdvert {
        mac: client.mac(),
        source: client.address(),
        ttl: 255,
        version: 3,
        vrid: VRID,
        priority: 250,
        interval: 10,
        password: None,
        addresses: vec![VIRTUAL],
        checksum_error: 0,
        destination: ForgedAdvert::GROUP,
    };
    let leaving = ForgedAdvert {
        mac: a.mac(),
        source: a.address(),
        priority: 0,
        ..better.clone()
    };
    let wire = Wire::open(client, "eth0")?;
    let since = now();
    for _ in 0..8 {
        let before = now();
        wire.send(&tagged(&better.frame(), 5))?;
        wire.send(&tagged(&leaving.frame(), 5))?;
        let port = a.port();
        capture.wait_for("A's next advert", before, PATIENCE, |frame| {
            frame.is_from(port) && frame.advert(VRID).is_some()
        })?;
    }
    assert!(scene.adverts_of(&scene.pair.b, since).is_empty());
    scene.settled()
}

#[test]
fn another_vlan_is_another_network_to_xdp() -> Tested {
    another_vlan_is_another_network(false, "auto", "xdp-native")?;
    another_vlan_is_another_network(false, "generic", "xdp-generic")
}

#[test]
fn where_tags_lie_beside_the_frames_tcx_is_taken() -> Tested {
    another_vlan_is_another_network(true, "auto", "tcx")
}

#[test]
fn another_vlan_is_another_network_to_the_packet_socket() -> Tested {
    another_vlan_is_another_network(true, "off", "packet-socket")?;
    another_vlan_is_another_network(false, "off", "packet-socket")
}

/// Moves the host's address from eth0 to `device`, made by `lines`.
fn logical(host: &Host, lines: &[&str], device: &'static str) -> Tested {
    host.ip(lines)?;
    host.ip(&[
        "addr flush dev eth0",
        &format!("addr add {}/24 dev {device}", host.address()),
        &format!("link set {device} up"),
    ])?;
    host.wait_for_carrier(device)
}

fn on_logical(lines: &[&str], device: &'static str) -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    logical(&pair.a, lines, device)?;
    logical(&pair.b, lines, device)?;
    let file = |priority| fast(priority).replace("eth0", device);
    let scene = Scene::elect_on(pair, &file(100), &file(90))?;
    assert_rungs(&scene, "tcx")?;
    assert!(listens_to_the_group(&scene.pair.b, device)?);
    let cut = scene.power_off_a()?;
    scene.b_took_over(cut)
}

#[test]
fn a_macvlan_is_heard_by_tcx() -> Tested {
    on_logical(&["link add mv0 link eth0 type macvlan mode bridge"], "mv0")
}

#[test]
fn a_bridge_is_heard_by_tcx() -> Tested {
    on_logical(
        &[
            "link add br1 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            "link set eth0 master br1",
        ],
        "br1",
    )
}
