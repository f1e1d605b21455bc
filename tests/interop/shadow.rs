//! `vip run --shadow` beside Debian's keepalived: whatever happens to the two nodes, it
//! finds no difference where there is none, finds the one that was planted, and leaves no
//! trace on the wire or on the host.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use vip::lab::pair::{Pair, VIRTUAL, VRID};
use vip::lab::{Host, LabError, PATIENCE, Process, What, now};
use vip_tests::Tested;
use vip_tests::peer::keepalived;
use vip_tests::scene::{up, vip_program, wait_for_address};

/// Where keepalived finds its file, and the shadow the same one.
const FILE: &str = "/run/keepalived.conf";
/// The runtime directory that a shadow takes by itself.
const SHADOW_DIR: &str = "/run/vip-shadow";
/// A settled shadow has seen that nothing is to come: longer than it waits for what is
/// not known yet.
const BOUND: Duration = Duration::from_secs(30);

fn file(priority: u8, more: &str) -> String {
    format!(
        "global_defs {{\n script_user root\n}}\n\
         track_file raised {{\n file /run/raised\n weight 1\n}}\n\
         vrrp_instance VI_1 {{\n version 3\n state BACKUP\n interface eth0\n \
         virtual_router_id {VRID}\n priority {priority}\n advert_int 0.25\n {more}\n \
         track_file {{\n raised\n }}\n \
         virtual_ipaddress {{\n {VIRTUAL}/24\n }}\n}}\n"
    )
}

/// Starts a shadow that reads this file.
fn shadow(pair: &Pair, host: &Host, path: &str) -> Result<Process, LabError> {
    let program = pair.program.to_string_lossy().into_owned();
    let daemon = host.spawn([&*program, "run", "--shadow", "-f", path])?;
    up(&daemon)?;
    Ok(daemon)
}

fn asked(pair: &Pair, host: &Host) -> Result<Value, LabError> {
    let program = pair.program.to_string_lossy().into_owned();
    let arguments = [&*program, "status", "--json", "--runtime-dir", SHADOW_DIR];
    let answer = host.spawn(arguments)?;
    answer.wait(PATIENCE)?;
    Ok(serde_json::from_str(&answer.stdout()).unwrap_or_default())
}

/// The shadow's first instance as soon as `wanted` takes it.
fn compared(
    pair: &Pair,
    host: &Host,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Value, LabError> {
    let end = now() + BOUND;
    loop {
        let status = asked(pair, host)?;
        let one = &status["shadow"]["instances"][0];
        if wanted(one) {
            return Ok(one.clone());
        }
        if now() > end {
            return Err(LabError::TooLate {
                what: format!("{what}; the shadow says {status:#}"),
                bound: BOUND,
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for the next change of role that both have made alike.
fn agreed(pair: &Pair, host: &Host, times: u64, master: bool, what: &str) -> Tested {
    let one = compared(pair, host, what, |one| {
        one["agreed"].as_u64() >= Some(times) || one["differences"].as_u64() > Some(0)
    })?;
    assert_eq!(one["differences"], 0, "{what}: {one:#}");
    assert_eq!(one["agreed"], times, "{what}: {one:#}");
    assert_eq!(one["vip_master"], master, "{what}: {one:#}");
    assert_eq!(one["other_master"], master, "{what}: {one:#}");
    Ok(())
}

/// Whatever happens to be the way in which they speak.
fn nothing_differs_with(more: &str, address: &str) -> Tested {
    let mut pair = Pair::new(vip_program(), "auto")?;
    for host in [&mut pair.a, &mut pair.b] {
        host.enable_ipv6()?;
        host.write("/run/raised", "0")?;
    }
    let (a, b) = (&pair.a, &pair.b);
    let file = |priority, peer: &Host| {
        let more = more.replace("PEER", &peer.address().to_string());
        file(priority, &more).replace(&format!("{VIRTUAL}/24"), address)
    };
    let has = |host: &Host, there: bool| -> Tested {
        let address: std::net::IpAddr = address
            .split('/')
            .next()
            .and_then(|word| word.parse().ok())
            .unwrap_or(VIRTUAL.into());
        let end = now() + PATIENCE;
        while host.has(address)? != there {
            assert!(now() < end, "{address} on {}: not {there}", host.name());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    };
    let mut peer = keepalived(a, &file(100, b))?;
    has(a, true)?;
    let own = keepalived(b, &file(90, a))?;
    own.wait_for_line("Entering BACKUP STATE", PATIENCE)?;
    let shadow = shadow(&pair, b, FILE)?;
    settled(&pair, b, "to be compared")?;
    peer.signal(Signal::SIGTERM);
    peer.wait(PATIENCE)?;
    agreed(&pair, b, 1, true, "the peer left")?;
    peer = keepalived(a, &file(100, b))?;
    agreed(&pair, b, 2, false, "the peer is back")?;
    peer.signal(Signal::SIGSTOP);
    agreed(&pair, b, 3, true, "the peer stopped")?;
    shadow.signal(Signal::SIGTERM);
    let ended = shadow.wait(PATIENCE)?;
    assert_eq!(ended.code, Some(0), "{}", shadow.stderr());
    has(b, true)
}

#[test]
fn nothing_differs_with_a_virtual_mac() -> Tested {
    nothing_differs_with("use_vmac", "192.168.8.100/24")
}

#[test]
fn nothing_differs_with_ipv6() -> Tested {
    nothing_differs_with("", "fe80::100/64")
}

#[test]
fn nothing_differs_with_peers_by_name() -> Tested {
    nothing_differs_with("unicast_peer {\n PEER\n }", "192.168.8.100/24")
}

fn settled(pair: &Pair, host: &Host, what: &str) -> Result<Value, LabError> {
    compared(pair, host, what, |one| one["compared"] == true)
}

#[test]
fn beside_keepalived_nothing_differs_whatever_happens() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let (a, b) = (&pair.a, &pair.b);
    for host in [a, b] {
        host.write("/run/raised", "0")?;
    }
    let mut peer = keepalived(a, &file(100, ""))?;
    wait_for_address(a, VIRTUAL, true)?;
    let own = keepalived(b, &file(90, ""))?;
    own.wait_for_line("Entering BACKUP STATE", PATIENCE)?;
    let shadow = shadow(&pair, b, FILE)?;
    settled(&pair, b, "to be compared")?;
    let restart = |peer: &mut Process| -> Tested {
        *peer = keepalived(a, &file(100, ""))?;
        Ok(())
    };

    peer.signal(Signal::SIGKILL);
    peer.wait(PATIENCE)?;
    a.ip(&[format!("addr del {VIRTUAL}/24 dev eth0")])?;
    agreed(&pair, b, 1, true, "the peer killed")?;
    restart(&mut peer)?;
    agreed(&pair, b, 2, false, "the peer is back and preempts")?;
    peer.signal(Signal::SIGSTOP);
    agreed(&pair, b, 3, true, "the peer stopped")?;
    peer.signal(Signal::SIGCONT);
    agreed(&pair, b, 4, false, "the peer goes on")?;
    peer.signal(Signal::SIGTERM);
    peer.wait(PATIENCE)?;
    agreed(&pair, b, 5, true, "the peer left")?;
    restart(&mut peer)?;
    agreed(&pair, b, 6, false, "the peer is back again")?;
    a.cut()?;
    agreed(&pair, b, 7, true, "the peer's cable pulled")?;
    a.mend()?;
    agreed(&pair, b, 8, false, "the peer's cable put back")?;
    // A priority that changes, at the same file for both.
    b.write("/run/raised", "20")?;
    agreed(&pair, b, 9, true, "our own priority raised")?;
    compared(&pair, b, "the raised priority", |one| {
        one["vip_priority"] == 110 && one["other_priority"] == 110
    })?;
    b.write("/run/raised", "0")?;
    agreed(&pair, b, 10, false, "our own priority as before")?;
    // A reload of the same file, as BACKUP and as MASTER.
    for master in [false, true] {
        if master {
            peer.signal(Signal::SIGKILL);
            peer.wait(PATIENCE)?;
            a.ip(&[format!("addr del {VIRTUAL}/24 dev eth0")])?;
            agreed(&pair, b, 11, true, "the peer killed again")?;
        }
        let since = now();
        kill(Pid::from_raw(own.pid()), Signal::SIGHUP).map_err(|error| LabError::System {
            step: "have keepalived reload",
            source: error.into(),
        })?;
        own.wait_for_line_after("Reload", since, PATIENCE)?;
        pair.capture
            .wait_for("an advert after the reload", now(), PATIENCE, |frame| {
                frame.advert(VRID).is_some()
            })?;
    }
    // Restarted by hand: told as that, and compared from then on.
    own.signal(Signal::SIGTERM);
    own.wait(PATIENCE)?;
    shadow.wait_for_line("has ended; compares again", PATIENCE)?;
    let own = keepalived(b, &file(90, ""))?;
    wait_for_address(b, VIRTUAL, true)?;
    let one = settled(&pair, b, "to be compared with the restarted one")?;
    assert_eq!(one["differences"], 0, "{one:#}\n{}", shadow.stderr());
    assert_eq!(one["agreed"], 11, "{one:#}");

    shadow.signal(Signal::SIGTERM);
    let ended = shadow.wait(PATIENCE)?;
    let said = shadow.stderr();
    assert_eq!(ended.code, Some(0), "{said}");
    assert!(said.contains("11 changes of role alike"), "{said}");
    assert!(!said.contains("Entering "), "alerts look for that: {said}");
    assert!(b.has(VIRTUAL)?, "it is keepalived's");
    drop(own);
    Ok(())
}

/// What a host is like, as far as a daemon like this changes it.
fn likeness(host: &Host) -> Result<String, LabError> {
    let mut all = String::new();
    for command in [
        "ip address",
        "ip link",
        "ip route show table all",
        "ip -6 route show table all",
        "ip rule",
        "nft list ruleset",
        "grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf",
        "cat /proc/thread-self/net/raw /proc/thread-self/net/igmp",
    ] {
        let done = host.output(["sh", "-c", command])?;
        all.push_str(command);
        all.push('\n');
        // How old an address is is nothing that anybody has changed.
        let lines = done
            .stdout
            .lines()
            .filter(|line| !line.contains("valid_lft"));
        all.extend(lines.map(|line| format!("{line}\n")));
    }
    Ok(all)
}

#[test]
fn a_shadow_leaves_no_trace() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let b = &pair.b;
    b.write("/run/raised", "0")?;
    let more = "no_accept\n notify_master \"/usr/bin/touch /run/told\"\n \
        virtual_routes {\n 198.51.100.0/24 via 192.168.8.2 dev eth0\n }\n promote_secondaries";
    let text = file(90, more)
        + &file(90, "use_vmac")
            .replace("VI_1", "VI_2")
            .replace(&format!("virtual_router_id {VRID}"), "virtual_router_id 52")
            .replace("track_file raised", "track_file raised2")
            .replace("track_file {\n raised\n", "track_file {\n raised2\n")
            .replace(&VIRTUAL.to_string(), "192.168.8.101");
    b.write(FILE, &text)?;
    let before = likeness(b)?;
    let began = now();
    let shadow = shadow(&pair, b, FILE)?;
    // Nobody is there: it would be MASTER, and goes on to be for many intervals.
    compared(&pair, b, "to be MASTER in its mind", |one| {
        one["vip_master"] == true
    })?;
    let status = asked(&pair, b)?;
    assert_eq!(status["instances"][0]["installed"], false, "{status:#}");
    assert_eq!(status["shadow"]["of"], Value::Null);
    let refused = {
        let program = pair.program.to_string_lossy().into_owned();
        let argv = [&*program, "drain", "VI_1", "--runtime-dir", SHADOW_DIR];
        let order = b.spawn(argv)?;
        (order.wait(PATIENCE)?.code, order.stderr())
    };
    assert_eq!(refused.0, Some(3), "{}", refused.1);
    assert_eq!(likeness(b)?, before);
    shadow.signal(Signal::SIGTERM);
    let ended = shadow.wait(PATIENCE)?;
    assert_eq!(ended.code, Some(0), "{}", shadow.stderr());
    let port = b.port();
    let sent = pair.capture.select(|frame| {
        let speaks = matches!(frame.what, What::Advert { .. } | What::Arp { .. });
        frame.is_from(port) && frame.stamp >= began && speaks
    });
    assert!(sent.is_empty(), "{sent:?}");
    assert_eq!(likeness(b)?, before);
    assert!(!b.run(|| std::path::Path::new("/run/told").exists())?);
    Ok(())
}

#[test]
fn another_priority_is_found_and_named() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let (a, b) = (&pair.a, &pair.b);
    for host in [a, b] {
        host.write("/run/raised", "0")?;
    }
    let _peer = keepalived(a, &file(100, ""))?;
    wait_for_address(a, VIRTUAL, true)?;
    let _own = keepalived(b, &file(90, ""))?;
    b.write("/run/other.conf", &file(110, ""))?;
    let shadow = shadow(&pair, b, "/run/other.conf")?;
    let one = compared(&pair, b, "a difference", |one| {
        one["differences"].as_u64() > Some(0)
    })?;
    assert_eq!(one["vip_master"], true, "{one:#}");
    let line = shadow.wait_for_line("shadow DIFFERS: ", PATIENCE)?;
    assert!(
        line.text.contains("vip would be MASTER, keepalived is not"),
        "{}",
        line.text
    );
    shadow.signal(Signal::SIGTERM);
    assert_eq!(shadow.wait(PATIENCE)?.code, Some(3), "{}", shadow.stderr());
    Ok(())
}

#[test]
fn a_nopreempt_that_only_keepalived_has_is_found_when_it_matters() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let (a, b) = (&pair.a, &pair.b);
    for host in [a, b] {
        host.write("/run/raised", "0")?;
    }
    // B is MASTER; when its priority falls below A's and rises again, A is.
    let _own = keepalived(b, &file(110, "nopreempt"))?;
    wait_for_address(b, VIRTUAL, true)?;
    let peer = keepalived(a, &file(100, ""))?;
    peer.wait_for_line("Entering BACKUP STATE", PATIENCE)?;
    b.write("/run/other.conf", &file(110, ""))?;
    let shadow = shadow(&pair, b, "/run/other.conf")?;
    settled(&pair, b, "to be compared")?;
    b.write("/run/raised", "-20")?;
    agreed(&pair, b, 1, false, "our own priority lowered")?;
    b.write("/run/raised", "0")?;
    let one = compared(&pair, b, "a difference", |one| {
        one["differences"].as_u64() > Some(0)
    })?;
    let what = one["recent"].to_string();
    let wanted = "vip would have become MASTER";
    assert!(
        what.contains(wanted) && what.contains("has priority 100, ours is 110"),
        "{one:#}"
    );
    shadow.signal(Signal::SIGTERM);
    assert_eq!(shadow.wait(PATIENCE)?.code, Some(3), "{}", shadow.stderr());
    Ok(())
}
