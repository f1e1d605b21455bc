//! What others on the segment send.

use std::time::Duration;

use vip::lab::pair::{NODE_A, NODE_B, Pair, VIRTUAL, VRID};
use vip::lab::{ForgedAdvert, Host, PATIENCE, What, Wire, forged_claim, now};
use vip_tests::Tested;
use vip_tests::scene::{Scene, fast, instance, last_state_lines, refused, vip_program};

/// A good advert of a neighbour who would win, in the words of the seed's files.
fn seed_advert(neighbour: &Host) -> ForgedAdvert {
    ForgedAdvert {
        mac: neighbour.mac(),
        source: neighbour.address(),
        ttl: 255,
        version: 2,
        vrid: VRID,
        priority: 254,
        interval: 1,
        password: Some(*b"1111\0\0\0\0"),
        addresses: vec![VIRTUAL],
        checksum_error: 0,
        destination: ForgedAdvert::GROUP,
    }
}

/// Two a second; `VIP_TEST_SECONDS` for longer.
#[test]
fn invalid_adverts_move_nothing_and_are_refused_with_their_reason() -> Tested {
    let seconds = std::env::var("VIP_TEST_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(5);
    let pair = Pair::new(vip_program(), "auto")?;
    let scene = Scene::elect_on(pair, NODE_A, NODE_B)?;
    let Pair {
        a,
        b,
        client,
        capture,
        ..
    } = &scene.pair;
    let good = seed_advert(client);
    let forged = [
        (
            "ttl",
            ForgedAdvert {
                ttl: 254,
                ..good.clone()
            },
        ),
        (
            "checksum",
            ForgedAdvert {
                checksum_error: 1,
                ..good.clone()
            },
        ),
        (
            "auth_password",
            ForgedAdvert {
                password: Some(*b"2222\0\0\0\0"),
                ..good.clone()
            },
        ),
    ];
    let wire = Wire::open(client, "eth0")?;
    let begin = now();
    let mut sent = 0;
    let mut last = "";
    while now().since(begin) < Duration::from_secs(seconds) {
        let (reason, advert) = &forged[sent % forged.len()];
        wire.send(&advert.frame())?;
        sent += 1;
        last = reason;
        std::thread::sleep((begin + Duration::from_millis(500) * sent as u32).since(now()));
    }
    for host in [a, b] {
        let status = scene
            .pair
            .wait_for_status(host, "all refused", PATIENCE, |status| {
                refused(status, client).0 >= sent as u64
            })?;
        assert_eq!(refused(&status, client), (sent as u64, last.to_owned()));
        for (index, (reason, _)) in forged.iter().enumerate() {
            let counter = &instance(&status)["counters"][format!("rejected_{reason}")];
            let expected = (sent - index).div_ceil(forged.len());
            assert_eq!(counter.as_u64(), Some(expected as u64), "{reason}");
        }
    }
    for daemon in [&scene.on_a, &scene.on_b] {
        assert_eq!(last_state_lines(daemon, begin), [""; 0]);
    }
    assert!(scene.adverts_of(b, begin).is_empty());
    let end = now();
    let stamps: Vec<_> = scene
        .adverts_of(a, begin)
        .iter()
        .map(|frame| frame.stamp)
        .collect();
    let gaps = stamps.windows(2).map(|pair| pair[1].since(pair[0]));
    let longest = gaps.max().unwrap_or(end.since(begin));
    assert!(
        longest < Duration::from_millis(1100),
        "{longest:?} between two adverts"
    );
    // The same advert with nothing wrong moves A at once: the test can fail.
    wire.send(&good.frame())?;
    scene
        .on_a
        .wait_for_line_after("(VI_1) Entering BACKUP STATE", end, PATIENCE)?;
    assert!(!capture.frames().is_empty());
    Ok(())
}

#[test]
fn a_stranger_who_claims_the_address_is_named_by_his_mac() -> Tested {
    for xdp in ["auto", "off"] {
        let scene = Scene::elected(xdp)?;
        let Pair { a, client, .. } = &scene.pair;
        let wire = Wire::open(client, "eth0")?;
        wire.send(&forged_claim(client.mac(), VIRTUAL))?;
        let mac = client.mac().to_string();
        let status = scene
            .pair
            .wait_for_status(a, "a conflict", PATIENCE, |status| {
                instance(status)["conflicts"][0]["mac"] == mac.as_str()
            })?;
        assert_eq!(
            instance(&status)["conflicts"][0]["address"],
            VIRTUAL.to_string()
        );
        assert_eq!(instance(&status)["state"], "MASTER");
        let line = format!("{VIRTUAL} is claimed by {mac}");
        scene.on_a.wait_for_line(&line, PATIENCE)?;
        let text = scene.pair.vip(a, &["status"])?;
        assert_eq!(text.wait(PATIENCE)?.code, Some(8));
        assert!(text.stdout().contains(&mac), "{}", text.stdout());
    }
    Ok(())
}

#[test]
fn nobody_is_told_that_the_protocol_is_unreachable() -> Tested {
    for xdp in ["auto", "off"] {
        let scene = Scene::elected(xdp)?;
        let Pair {
            a, client, capture, ..
        } = &scene.pair;
        // Unicast, from somebody who is no match for A.
        let to_a = ForgedAdvert {
            version: 3,
            priority: 1,
            interval: 10,
            password: None,
            destination: (a.mac(), a.address()),
            ..seed_advert(client)
        };
        // Another VRID, so that it is nobody's business but the kernel's.
        let wire = Wire::open(client, "eth0")?;
        let sent = now();
        wire.send(
            &ForgedAdvert {
                vrid: 99,
                ..to_a.clone()
            }
            .frame(),
        )?;
        wire.send(&to_a.frame())?;
        // The kernel answers at once or never: an answered ping comes after it.
        client
            .output(["ping", "-c", "3", "-i", "0.2", &a.address().to_string()])?
            .success()?;
        let told = capture.select(|frame| matches!(frame.what, What::Unreachable(_)));
        assert!(told.is_empty(), "{told:?}");
        assert!(last_state_lines(&scene.on_a, sent).is_empty());
        // Without vip the kernel does tell: the test can fail.
        drop(scene.on_a);
        wire.send(&ForgedAdvert { vrid: 99, ..to_a }.frame())?;
        capture.wait_for("the kernel's own word", sent, PATIENCE, |frame| {
            frame.what == What::Unreachable(2)
        })?;
    }
    Ok(())
}

#[test]
fn other_peoples_virtual_routers_are_none_of_our_business() -> Tested {
    let scene = Scene::elected("auto")?;
    let client = &scene.pair.client;
    let wire = Wire::open(client, "eth0")?;
    let since = now();
    let other = ForgedAdvert {
        vrid: 52,
        ..seed_advert(client)
    };
    for _ in 0..100 {
        wire.send(&other.frame())?;
    }
    // Ours, refused, marks that all of them have been looked at.
    wire.send(&seed_advert(client).frame())?;
    let status = scene
        .pair
        .wait_for_status(&scene.pair.b, "one refused", PATIENCE, |status| {
            refused(status, client).0 == 1
        })?;
    assert_eq!(refused(&status, client).1, "version");
    assert!(last_state_lines(&scene.on_b, since).is_empty());
    assert!(fast(100).contains("version 3"));
    Ok(())
}
