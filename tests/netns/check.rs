//! `vip check --host`: what only the host and its network can tell.

use std::net::Ipv4Addr;

use serde_json::Value;
use vip::lab::pair::{Pair, VIRTUAL};
use vip::lab::{Host, LabError, PATIENCE, Process};
use vip_tests::Tested;
use vip_tests::peer::keepalived;
use vip_tests::scene::{Scene, fast, up, vip_program};

fn new_pair() -> Result<Pair, LabError> {
    Pair::new(vip_program(), "auto")
}

/// Starts `vip check --host --json` with this configuration on a host.
fn start(pair: &Pair, host: &Host, text: &str, arguments: &[&str]) -> Result<Process, LabError> {
    host.write("/run/check.conf", text)?;
    let program = pair.program.display().to_string();
    let mut argv = vec![program.as_str(), "check", "--host", "--json"];
    argv.extend(arguments);
    argv.push("/run/check.conf");
    host.spawn(argv)
}

/// What it says, one line for each problem, and its exit code.
fn said(process: &Process) -> Result<(Vec<String>, Option<i32>), LabError> {
    let code = process.wait(PATIENCE)?.code;
    let document: Value =
        serde_json::from_str(&process.stdout()).map_err(|error| LabError::System {
            step: "read the document of vip check",
            source: error.into(),
        })?;
    assert_eq!(document["schema"], 1);
    let problems = document["files"][0]["problems"].as_array();
    let line = |problem: &Value| {
        let text = |key| problem[key].as_str().unwrap_or_default().to_owned();
        format!("{}: {}", text("severity"), text("message"))
    };
    let lines = problems.into_iter().flatten().map(line).collect();
    Ok((lines, code))
}

/// The lines with this severity.
fn of<'a>(lines: &'a [String], severity: &str) -> Vec<&'a str> {
    let lines = lines.iter().map(String::as_str);
    lines.filter(|line| line.starts_with(severity)).collect()
}

fn has(lines: &[String], severity: &str, words: &str) -> bool {
    of(lines, severity).iter().any(|line| line.contains(words))
}

#[test]
fn a_host_in_order() -> Tested {
    let pair = new_pair()?;
    let (lines, code) = said(&start(&pair, &pair.a, &fast(100), &[])?)?;
    assert_eq!(code, Some(0));
    assert_eq!(of(&lines, "error"), Vec::<&str>::new());
    assert_eq!(of(&lines, "warning"), Vec::<&str>::new());
    assert!(
        has(&lines, "note", "vip would listen on eth0 by "),
        "{lines:?}"
    );
    // Nothing was left on the host, and nothing was said on the LAN.
    assert!(!pair.a.has(VIRTUAL)?);
    assert_eq!(
        pair.a
            .addresses()?
            .iter()
            .filter(|(name, _)| name == "eth0")
            .count(),
        1
    );
    let spoke = pair
        .capture
        .select(|frame| frame.is_from(pair.a.port()) && frame.advert(51).is_some());
    assert!(spoke.is_empty());
    Ok(())
}

#[test]
fn the_rung_is_the_one_that_the_daemon_takes() -> Tested {
    let pair = new_pair()?;
    let (lines, _) = said(&start(&pair, &pair.a, &fast(100), &["--listen", "0"])?)?;
    let daemon = pair.start(&pair.a, &fast(100))?;
    up(&daemon)?;
    let status = pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    let rung = vip_tests::scene::rung(&status);
    assert!(
        has(&lines, "note", &format!("by {rung}")),
        "{rung}: {lines:?}"
    );
    // A daemon that runs is told, and not asked to make room.
    let (lines, code) = said(&start(&pair, &pair.a, &fast(100), &[])?)?;
    assert_eq!(code, Some(0));
    assert!(
        has(&lines, "note", "a vip serves VRID 51 on eth0 already"),
        "{lines:?}"
    );
    assert_eq!(of(&lines, "warning"), Vec::<&str>::new());
    assert!(daemon.is_running());
    Ok(())
}

#[test]
fn what_the_host_lacks() -> Tested {
    let pair = new_pair()?;
    let other = fast(100)
        .replace("eth0", "eth1")
        .replace("192.168.8.100", "10.0.0.1");
    let (lines, code) = said(&start(&pair, &pair.a, &other, &[])?)?;
    assert_eq!(code, Some(4));
    assert!(
        has(&lines, "error", "interface `eth1` does not exist here"),
        "{lines:?}"
    );

    let elsewhere = fast(100).replace("192.168.8.100", "10.0.0.1");
    let (lines, code) = said(&start(&pair, &pair.a, &elsewhere, &[])?)?;
    assert_eq!(code, Some(0));
    assert!(
        has(
            &lines,
            "warning",
            "10.0.0.1 is in no subnet of eth0 (192.168.8.4/24)"
        ),
        "{lines:?}"
    );

    pair.a.ip(&["addr del 192.168.8.4/24 dev eth0"])?;
    let (lines, code) = said(&start(&pair, &pair.a, &fast(100), &[])?)?;
    assert_eq!(code, Some(4));
    assert!(
        has(&lines, "error", "eth0 has no IPv4 address to speak from"),
        "{lines:?}"
    );

    pair.a.cut()?;
    let dark = |lines: &[String]| has(lines, "warning", "eth0 has no carrier");
    let (lines, _) = said(&start(&pair, &pair.a, &fast(100), &[])?)?;
    assert!(dark(&lines), "{lines:?}");
    Ok(())
}

#[test]
fn without_capabilities_it_says_what_was_not_looked_at() -> Tested {
    let pair = new_pair()?;
    pair.a.write("/run/check.conf", &fast(100))?;
    let program = pair.program.display().to_string();
    let process = pair.a.spawn([
        "setpriv",
        "--bounding-set=-all",
        &program,
        "check",
        "--host",
        "--json",
        "/run/check.conf",
    ])?;
    let (lines, code) = said(&process)?;
    assert_eq!(code, Some(0));
    assert!(
        has(&lines, "warning", "CAP_NET_ADMIN and CAP_NET_RAW missing"),
        "{lines:?}"
    );
    assert!(has(&lines, "note", "cannot listen on eth0"), "{lines:?}");
    assert!(has(&lines, "note", "by packet-socket"), "{lines:?}");
    Ok(())
}

#[test]
fn who_is_heard_on_the_lan() -> Tested {
    let scene = Scene::elected("auto")?;
    let pair = &scene.pair;
    let host = pair.lab.host("C", Ipv4Addr::new(192, 168, 8, 7), 24)?;
    let check = |text: &str| said(&start(pair, &host, text, &[])?);

    let (lines, code) = check(&fast(80))?;
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(
        has(
            &lines,
            "note",
            "192.168.8.4 is master of VRID 51 on eth0 now, with priority 100"
        ),
        "{lines:?}"
    );
    assert_eq!(of(&lines, "warning"), Vec::<&str>::new());

    let (lines, _) = check(&fast(100))?;
    assert!(
        has(&lines, "warning", "with the same priority, 100"),
        "{lines:?}"
    );

    let others = fast(80).replace("192.168.8.100", "192.168.8.101");
    let (lines, code) = check(&others)?;
    assert_eq!(code, Some(4));
    assert!(
        has(
            &lines,
            "error",
            "VRID 51 is in use on eth0: 192.168.8.4 (priority 100) speaks for 192.168.8.100"
        ),
        "{lines:?}"
    );

    let version_2 = fast(80)
        .replace("version 3", "version 2")
        .replace("advert_int 0.1", "advert_int 1");
    let (lines, code) = check(&version_2)?;
    assert_eq!(code, Some(4));
    assert!(
        has(
            &lines,
            "error",
            "its adverts would be refused: VRRP version differs"
        ),
        "{lines:?}"
    );

    // Another VRID for an address that is served: the master answers for it.
    let free = fast(80).replace("virtual_router_id 51", "virtual_router_id 52");
    let (lines, code) = check(&free)?;
    assert_eq!(code, Some(4));
    assert!(
        has(
            &lines,
            "error",
            "192.168.8.100 is in use on eth0: 02:00:c0:a8:08:04 answers for it, and nobody speaks for VRID 52"
        ),
        "{lines:?}"
    );
    // Nobody of the group was disturbed.
    scene.settled()?;
    for host in [&pair.a, &pair.b] {
        let status = pair.status(host)?.unwrap_or_default();
        assert_eq!(
            status["instances"][0]["conflicts"],
            Value::Array(Vec::new()),
            "{status}"
        );
    }
    Ok(())
}

#[test]
fn an_address_that_is_somebody_elses() -> Tested {
    let pair = new_pair()?;
    pair.client.ip(&["addr add 192.168.8.100/24 dev eth0"])?;
    let (lines, code) = said(&start(&pair, &pair.a, &fast(100), &[])?)?;
    assert_eq!(code, Some(4));
    assert!(
        has(
            &lines,
            "error",
            "192.168.8.100 is in use on eth0: 02:00:c0:a8:08:02 answers for it"
        ),
        "{lines:?}"
    );
    // With no time to listen nobody is asked.
    let (lines, code) = said(&start(&pair, &pair.a, &fast(100), &["--listen", "0"])?)?;
    assert_eq!(code, Some(0), "{lines:?}");
    // One that is on this host already is not asked for on the LAN.
    pair.client.ip(&["addr del 192.168.8.100/24 dev eth0"])?;
    pair.a.ip(&["addr add 192.168.8.100/24 dev eth0"])?;
    let (lines, _) = said(&start(&pair, &pair.a, &fast(100), &[])?)?;
    assert!(
        has(
            &lines,
            "warning",
            "192.168.8.100 is on eth0 already, and no VRRP daemon runs here"
        ),
        "{lines:?}"
    );
    Ok(())
}

#[test]
fn a_keepalived_that_runs_here() -> Tested {
    let pair = new_pair()?;
    let other = keepalived(&pair.a, &fast(100))?;
    other.wait_for_line("Entering MASTER STATE", PATIENCE)?;
    let (lines, code) = said(&start(&pair, &pair.a, &fast(100), &[])?)?;
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(
        has(&lines, "note", "another program (keepalived"),
        "{lines:?}"
    );
    assert!(!has(&lines, "warning", "is on eth0 already"), "{lines:?}");
    Ok(())
}

#[test]
fn a_firewall_is_judged_by_whom_it_bites() -> Tested {
    let pair = new_pair()?;
    pair.a.firewall()?;
    let (lines, code) = said(&start(&pair, &pair.a, &fast(100), &["--listen", "0"])?)?;
    assert_eq!(code, Some(0));
    for hook in ["input", "output"] {
        let words = format!("chain inet lab {hook} (nftables) drops adverts");
        assert!(has(&lines, "note", &words), "{lines:?}");
    }
    assert_eq!(of(&lines, "warning"), Vec::<&str>::new());
    let rules = "add table arp block; add chain arp block o { type filter hook output priority 0; policy drop; }";
    pair.a.output(["nft", rules])?.success()?;
    let (lines, _) = said(&start(&pair, &pair.a, &fast(100), &["--listen", "0"])?)?;
    assert!(
        has(
            &lines,
            "warning",
            "chain arp block o (nftables) drops ARP replies on eth0"
        ),
        "{lines:?}"
    );
    Ok(())
}

#[test]
fn the_standard_input_as_an_editor_gives_it() -> Tested {
    let pair = new_pair()?;
    pair.a
        .write("/run/check.conf", "vrrp_instance A {\n  prioritty 7\n}\n")?;
    let program = pair.program.display();
    let line = format!("{program} check --json - < /run/check.conf");
    let (lines, code) = said(&pair.a.spawn(["sh", "-c", &line])?)?;
    assert_eq!(code, Some(4));
    assert!(
        has(&lines, "error", "unknown keyword `prioritty`"),
        "{lines:?}"
    );
    Ok(())
}

#[test]
fn scripts_and_who_may_change_them() -> Tested {
    let pair = new_pair()?;
    let host = &pair.a;
    host.output(["mkdir", "-m", "777", "/run/open"])?
        .success()?;
    for (path, mode) in [
        ("/run/open/one", "755"),
        ("/run/two", "644"),
        ("/run/three", "755"),
    ] {
        host.write(path, "#!/bin/sh\n")?;
        host.output(["chmod", mode, path])?.success()?;
    }
    let script = |name: &str, lines: &str| format!("vrrp_script {name} {{\n{lines}\n}}\n");
    let text = [
        script("one", "script /run/open/one\nuser root"),
        script("two", "script /run/two\nuser root"),
        script("three", "script \"/run/three with arguments\"\nuser root"),
        script("four", "script /run/absent\nuser root"),
        script("five", "script /run/three\nuser nobody-of-this-name"),
        "track_file six {\nfile /run/not/there\n}\n".to_owned(),
        fast(100),
    ]
    .concat();
    let (lines, code) = said(&start(&pair, host, &text, &["--listen", "0"])?)?;
    assert_eq!(code, Some(4));
    for (severity, words) in [
        (
            "warning",
            "/run/open/one is run as root, and /run/open can be changed by everybody (mode 777)",
        ),
        ("error", "root may not run /run/two"),
        ("error", "/run/absent is not here"),
        ("error", "there is no user `nobody-of-this-name` here"),
        ("warning", "the directory /run/not is not here"),
    ] {
        assert!(has(&lines, severity, words), "{words}: {lines:?}");
    }
    assert!(
        !lines.iter().any(|line| line.contains("/run/three")),
        "{lines:?}"
    );
    Ok(())
}

/// An IPv6 instance with this priority and VRID.
fn over_ipv6(priority: u8, vrid: u8) -> String {
    format!(
        "vrrp_instance VI_6 {{
    version 3
    interface eth0
    virtual_router_id {vrid}
    priority {priority}
    advert_int 0.1
    virtual_ipaddress {{
        fe80::8:100
        2001:db8:8::100/64
    }}
}}
"
    )
}

#[test]
fn who_is_heard_on_the_lan_over_ipv6() -> Tested {
    let mut pair = new_pair()?;
    pair.a.enable_ipv6()?;
    pair.b.enable_ipv6()?;
    let daemon = pair.start(&pair.a, &over_ipv6(100, 51))?;
    up(&daemon)?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    let check = |text: &str| said(&start(&pair, &pair.b, text, &[])?);

    let (lines, code) = check(&over_ipv6(90, 51))?;
    assert_eq!(code, Some(0), "{lines:?}");
    let master = format!(
        "{} is master of VRID 51 on eth0 now, with priority 100",
        pair.a.link_local()
    );
    assert!(has(&lines, "note", &master), "{lines:?}");
    assert_eq!(of(&lines, "warning"), Vec::<&str>::new());

    let (lines, _) = check(&over_ipv6(100, 51))?;
    assert!(
        has(&lines, "warning", "with the same priority, 100"),
        "{lines:?}"
    );

    // Another VRID for addresses that are served: the master answers for them.
    let (lines, code) = check(&over_ipv6(90, 52))?;
    assert_eq!(code, Some(4));
    for address in ["fe80::8:100", "2001:db8:8::100"] {
        let words = format!(
            "{address} is in use on eth0: 02:00:c0:a8:08:04 answers for it, and nobody speaks for VRID 52"
        );
        assert!(has(&lines, "error", &words), "{words}: {lines:?}");
    }
    let status = pair.status(&pair.a)?.unwrap_or_default();
    assert_eq!(
        status["instances"][0]["conflicts"],
        Value::Array(Vec::new()),
        "{status}"
    );
    Ok(())
}

#[test]
fn a_firewall_is_judged_over_ipv6_too() -> Tested {
    let mut pair = new_pair()?;
    pair.a.enable_ipv6()?;
    let rules = "add table ip6 lab6; add chain ip6 lab6 i { type filter hook input priority 0; policy drop; }; \
        add table ip lab4; add chain ip lab4 i { type filter hook input priority 0; policy drop; }";
    pair.a.output(["nft", rules])?.success()?;
    let check = || {
        said(&start(
            &pair,
            &pair.a,
            &over_ipv6(100, 51),
            &["--listen", "0"],
        )?)
    };
    let (lines, _) = check()?;
    assert!(
        has(
            &lines,
            "note",
            "chain ip6 lab6 i (nftables) drops adverts that come in by eth0"
        ),
        "{lines:?}"
    );
    assert!(
        has(
            &lines,
            "warning",
            "chain ip6 lab6 i (nftables) drops neighbour solicitations that come in by eth0"
        ),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("lab4")), "{lines:?}");
    let accept = "add rule ip6 lab6 i icmpv6 type nd-neighbor-solicit accept; \
        add rule ip6 lab6 i ip6 nexthdr vrrp accept";
    pair.a.output(["nft", accept])?.success()?;
    let (lines, _) = check()?;
    assert!(!lines.iter().any(|line| line.contains("lab6")), "{lines:?}");
    Ok(())
}
