//! `vip who`, on any host of the LAN.

use std::time::Duration;

use serde_json::Value;
use vip::lab::pair::{ADDRESS_CLIENT, NODE_A, Pair, VIRTUAL};
use vip::lab::{Finished, Host, LabError, PATIENCE, Process};
use vip_tests::Tested;
use vip_tests::peer::{VIRTUAL6, keepalived};
use vip_tests::scene::{Scene, fast, up, vip_program, wait_for_address};

/// Runs `vip who` on a host.
fn who(host: &Host, arguments: &[&str]) -> Result<Finished, LabError> {
    let program = vip_program().display().to_string();
    let mut argv = vec![program.as_str(), "who"];
    argv.extend(arguments);
    host.output(argv)
}

/// The same as a document, with the exit code.
fn asked(host: &Host, arguments: &[&str]) -> Result<(Option<i32>, Value), LabError> {
    let done = who(host, &[arguments, &["--json"]].concat())?;
    let document = serde_json::from_str(&done.stdout);
    let document =
        document.unwrap_or_else(|error| panic!("{error}: {}{}", done.stdout, done.stderr));
    Ok((done.code(), document))
}

fn macs(document: &Value) -> Vec<&str> {
    let holders = document["holders"].as_array().into_iter().flatten();
    holders.filter_map(|one| one["mac"].as_str()).collect()
}

/// keepalived as master of the virtual address with this VRID.
fn master(host: &Host, vrid: u8) -> Result<Process, LabError> {
    let file = fast(100).replace("virtual_router_id 51", &format!("virtual_router_id {vrid}"));
    let running = keepalived(host, &file)?;
    wait_for_address(host, VIRTUAL, true)?;
    Ok(running)
}

#[test]
fn nobody_has_it() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let address = VIRTUAL.to_string();
    let done = who(&pair.client, &[&address, "--for", "1500ms"])?;
    assert_eq!(done.code(), Some(3), "{}{}", done.stdout, done.stderr);
    assert!(
        done.stdout
            .starts_with("nobody has 192.168.8.100 (on eth0, asked 3 times as 192.168.8.2"),
        "{}",
        done.stdout
    );
    // The neighbours have learned nothing but where the client is.
    assert_eq!(pair.a.neighbour(VIRTUAL)?, None);
    let known = pair.a.neighbour(ADDRESS_CLIENT)?;
    assert!(
        known.is_none() || known == Some(pair.client.mac()),
        "{known:?}"
    );
    Ok(())
}

#[test]
fn one_has_it_who_is_a_vip() -> Tested {
    let scene = Scene::elected("auto")?;
    let Pair { a, b, client, .. } = &scene.pair;
    let address = VIRTUAL.to_string();
    // From a third host, from the BACKUP, and from the MASTER itself, where nobody but
    // its daemon knows of its adverts.
    for (host, own) in [(client, false), (b, false), (a, true)] {
        let (code, said) = asked(host, &[&address, "--for", "1500ms"])?;
        assert_eq!(code, Some(0), "{}: {said}", host.name());
        assert_eq!(macs(&said), [a.mac().to_string()], "{said}");
        let holder = &said["holders"][0];
        assert_eq!(holder["this_host"] == "eth0", own, "{said}");
        assert_eq!(holder["routers"][0]["vrid"], 51, "{said}");
        let advert = &said["adverts"][0];
        assert_eq!(advert["source"], a.address().to_string(), "{said}");
        assert_eq!(
            (&advert["priority"], &advert["version"]),
            (&100.into(), &3.into()),
            "{said}"
        );
        assert_eq!(advert["interval_ns"] == 100_000_000, !own, "{said}");
    }
    let done = who(client, &[&address])?;
    assert_eq!(done.code(), Some(0));
    assert!(
        done.stdout.starts_with("one has 192.168.8.100 (on eth0"),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout
            .contains("VRID 51, priority 100, VRRPv3, an advert every 0.10 s"),
        "{}",
        done.stdout
    );
    // Nobody has moved, and nobody was taken for a claimant.
    scene.settled()?;
    for host in [a, b] {
        let status = scene.pair.status(host)?.unwrap_or_default();
        assert_eq!(
            status["instances"][0]["conflicts"],
            Value::Array(vec![]),
            "{status}"
        );
    }
    Ok(())
}

#[test]
fn one_has_it_who_is_a_keepalived() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    pair.a.write("/run/seed.conf", NODE_A)?;
    let _running = keepalived(&pair.a, NODE_A)?;
    wait_for_address(&pair.a, VIRTUAL, true)?;
    let address = VIRTUAL.to_string();
    for host in [&pair.client, &pair.a] {
        let (code, said) = asked(host, &[&address])?;
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(macs(&said), [pair.a.mac().to_string()], "{said}");
        // Its password is nobody's business here.
        let advert = &said["adverts"][0];
        assert_eq!(advert["refused"], Value::Null, "{said}");
        assert_eq!(advert["version"], 2, "{said}");
        assert_eq!(advert["this_host"], host.name() == pair.a.name(), "{said}");
        assert!(
            advert["heard"].as_u64() >= Some(2),
            "a down interval: {said}"
        );
    }
    Ok(())
}

#[test]
fn two_have_it_with_different_vrids() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let _one = master(&pair.a, 51)?;
    let _other = master(&pair.b, 52)?;
    let address = VIRTUAL.to_string();
    let done = who(&pair.client, &[&address])?;
    assert_eq!(done.code(), Some(8), "{}{}", done.stdout, done.stderr);
    assert!(
        done.stdout.starts_with("2 have 192.168.8.100 at once"),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout.contains("different VRIDs (51, 52)"),
        "{}",
        done.stdout
    );
    // One of the two asks: it has the address itself.
    let (code, said) = asked(&pair.a, &[&address])?;
    assert_eq!(code, Some(8), "{said}");
    let both = [pair.a.mac().to_string(), pair.b.mac().to_string()];
    assert_eq!(macs(&said), both, "{said}");
    assert_eq!(said["holders"][0]["this_host"], "eth0", "{said}");
    Ok(())
}

#[test]
fn two_have_one_virtual_mac() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let vmac = fast(100).replace("priority", "use_vmac\n    priority");
    let other = fast(100)
        .replace("priority", "use_vmac\n    priority")
        .replace("version 3", "version 2")
        .replace("advert_int 0.1", "advert_int 1");
    let _one = keepalived(&pair.a, &vmac)?;
    wait_for_address(&pair.a, VIRTUAL, true)?;
    let address = VIRTUAL.to_string();
    let (code, said) = asked(&pair.client, &[&address])?;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(macs(&said), ["00:00:5e:00:01:33"], "{said}");
    assert_eq!(said["holders"][0]["virtual_router"], 51, "{said}");
    // It does not hear the other: another version.
    let _other = keepalived(&pair.b, &other)?;
    wait_for_address(&pair.b, VIRTUAL, true)?;
    let (code, said) = asked(&pair.client, &[&address, "--for", "4s"])?;
    assert_eq!(code, Some(8), "{said}");
    assert_eq!(said["count"], 2, "{said}");
    assert_eq!(macs(&said), ["00:00:5e:00:01:33"], "{said}");
    Ok(())
}

#[test]
fn somebody_has_it_by_hand() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    pair.a.ip(&[format!("addr add {VIRTUAL}/24 dev eth0")])?;
    let address = VIRTUAL.to_string();
    let done = who(&pair.client, &[&address, "--for", "2s"])?;
    assert_eq!(done.code(), Some(0), "{}", done.stdout);
    assert!(
        done.stdout.contains("No advert names it"),
        "{}",
        done.stdout
    );
    // A host without an address of its own probes, and is answered too.
    let (pair_b, own) = (&pair.b, pair.b.address());
    pair_b.ip(&[format!("addr del {own}/24 dev eth0")])?;
    let (code, said) = asked(pair_b, &[&address, "-i", "eth0", "--for", "1s"])?;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said["asked_from"], Value::Null, "{said}");
    Ok(())
}

#[test]
fn ipv6_as_well() -> Tested {
    let mut pair = Pair::new(vip_program(), "auto")?;
    for host in [&mut pair.a, &mut pair.b, &mut pair.client] {
        host.enable_ipv6()?;
    }
    let address = VIRTUAL6.to_string();
    let (code, said) = asked(&pair.client, &[&address, "--for", "1s"])?;
    assert_eq!(code, Some(3), "{said}");
    let six = |priority| {
        fast(priority).replace(
            &format!("{VIRTUAL}/24"),
            &format!("fe80::100/64\n{VIRTUAL6}/64"),
        )
    };
    let on_a = pair.start(&pair.a, &six(100))?;
    up(&on_a)?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    let end = std::time::Instant::now() + PATIENCE;
    while !pair.a.has(VIRTUAL6)? && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    for host in [&pair.client, &pair.b] {
        let (code, said) = asked(host, &[&address])?;
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(macs(&said), [pair.a.mac().to_string()], "{said}");
        assert_eq!(said["adverts"][0]["family"], 6, "{said}");
        assert_eq!(said["adverts"][0]["refused"], Value::Null, "{said}");
    }
    pair.b
        .ip(&[format!("addr add {VIRTUAL6}/64 dev eth0 nodad")])?;
    let (code, said) = asked(&pair.client, &[&address])?;
    assert_eq!(code, Some(8), "{said}");
    Ok(())
}

#[test]
fn what_cannot_be_asked_says_why() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let program = vip_program().display().to_string();
    for (arguments, code, words) in [
        (&["10.9.8.7"][..], 2, "name the interface to ask on with -i"),
        (&["192.168.8.100", "-i", "eth9"], 2, "no interface eth9"),
        (&["224.0.0.18"], 2, "no address that a host"),
        (&["192.168.8.100", "-i", "lo"], 5, "no Ethernet"),
        (&["192.168.8.100", "--for", "1"], 2, "a time with its unit"),
    ] {
        let done = who(&pair.a, arguments)?;
        assert_eq!(done.code(), Some(code), "{arguments:?}: {}", done.stderr);
        assert!(
            done.stderr.contains(words),
            "{arguments:?}: {}",
            done.stderr
        );
    }
    let done = pair.a.output([
        "capsh",
        "--drop=cap_net_raw",
        "--",
        "-c",
        &format!("exec {program} who 192.168.8.100"),
    ])?;
    assert_eq!(done.code(), Some(5), "{}", done.stderr);
    assert!(done.stderr.contains("CAP_NET_RAW"), "{}", done.stderr);
    pair.a.ip(&["link set eth0 down"])?;
    let done = who(&pair.a, &["192.168.8.100", "-i", "eth0"])?;
    assert_eq!(done.code(), Some(5), "{}", done.stderr);
    Ok(())
}
