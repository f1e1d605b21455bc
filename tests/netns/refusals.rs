//! Starts that are refused: a sentence to act on, the documented exit code,
//! nothing left behind.

use nix::sys::signal::Signal;
use vip::lab::pair::{NODE_A, Pair, VIRTUAL};
use vip::lab::{LabError, PATIENCE, Process, now};
use vip_tests::Tested;
use vip_tests::peer::keepalived;
use vip_tests::scene::{Scene, fast, rung, up, vip_program};

fn new_pair() -> Result<Pair, LabError> {
    Pair::new(vip_program(), "auto")
}

/// Asserts that `daemon` on A ends with `code` and says something with `words`
/// in it, and that A is as it was.
fn refuses(pair: &Pair, daemon: &Process, code: i32, words: &str) -> Tested {
    let ended = daemon.wait(PATIENCE)?;
    let said = daemon.stderr();
    assert_eq!(ended.code, Some(code), "{said}");
    assert!(said.contains(words), "{words:?} is not in {said:?}");
    assert!(!said.contains("panicked"), "{said}");
    let addresses = pair.a.addresses()?;
    let on_eth0 = addresses.iter().filter(|(name, _)| name == "eth0").count();
    assert_eq!(on_eth0, 1, "{addresses:?}");
    Ok(())
}

#[test]
fn a_configuration_that_cannot_be_used() -> Tested {
    let pair = new_pair()?;
    let broken = "vrrp_instance VI_1 {\n  interface eth0\n  virtual_router_id 5x1\n";
    for (text, words) in [("", "no usable vrrp_instance"), (broken, "/run/vip.conf")] {
        refuses(&pair, &pair.start(&pair.a, text)?, 4, words)?;
    }
    let absent = pair.vip(&pair.a, &["run", "-f", "/run/absent.conf"])?;
    refuses(&pair, &absent, 4, "/run/absent.conf")?;
    let directory = pair.vip(&pair.a, &["run", "-f", "/run"])?;
    refuses(&pair, &directory, 4, "/run")?;
    pair.a.write("/run/binary.conf", "\u{0}\u{1}\u{2}")?;
    let binary = pair.vip(&pair.a, &["run", "-f", "/run/binary.conf"])?;
    refuses(&pair, &binary, 4, "/run/binary.conf")
}

#[test]
fn an_unknown_word_only_with_strict() -> Tested {
    let pair = new_pair()?;
    let text = fast(100).replace("priority", "bogus_word 7\n    priority");
    pair.a.write("/run/odd.conf", &text)?;
    let strict = pair.vip(&pair.a, &["run", "--strict", "-f", "/run/odd.conf"])?;
    refuses(&pair, &strict, 4, "--strict")?;
    let daemon = pair.vip(&pair.a, &["run", "-f", "/run/odd.conf"])?;
    up(&daemon)?;
    daemon.wait_for_line("bogus_word", PATIENCE)?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE).map(drop)
}

/// Starts vip on A without some capabilities.
fn without(pair: &Pair, capabilities: &str, arguments: &[&str]) -> Result<Process, LabError> {
    pair.a.write("/run/vip.conf", &fast(100))?;
    let program = pair.program.display().to_string();
    let set = format!("--bounding-set={capabilities}");
    let mut argv = vec!["setpriv", &set, &program, "run", "-f", "/run/vip.conf"];
    argv.extend(["--runtime-dir", "/run/vip"]);
    argv.extend(arguments);
    pair.a.spawn(argv)
}

#[test]
fn a_missing_capability_is_named() -> Tested {
    let pair = new_pair()?;
    for (drop, name) in [("-net_raw", "CAP_NET_RAW"), ("-net_admin", "CAP_NET_ADMIN")] {
        refuses(&pair, &without(&pair, drop, &[])?, 5, name)?;
    }
    let explicit = without(&pair, "-bpf,-sys_admin,-perfmon", &["--xdp", "native"])?;
    refuses(&pair, &explicit, 5, "CAP_BPF")
}

#[test]
fn without_rights_nothing_is_released_and_that_is_the_exit_code() -> Tested {
    let scene = Scene::elected("auto")?;
    let pair = &scene.pair;
    let killed = now();
    scene.on_a.signal(Signal::SIGKILL);
    scene.b_took_over(killed)?;
    let program = pair.program.display().to_string();
    let release = [program.as_str(), "release", "--runtime-dir", "/run/vip"];
    let argv = [&["setpriv", "--bounding-set=-net_admin"], &release[..]].concat();
    let refused = pair.a.spawn(argv)?;
    assert_eq!(
        refused.wait(PATIENCE)?.code,
        Some(5),
        "{}",
        refused.stderr()
    );
    assert!(
        refused.stderr().contains("CAP_NET_ADMIN"),
        "{}",
        refused.stderr()
    );
    assert!(pair.a.has(VIRTUAL)?);
    let released = pair.vip(&pair.a, &["release"])?;
    assert_eq!(released.wait(PATIENCE)?.code, Some(0));
    assert!(
        released.stdout().contains("removed /run/vip/control.sock"),
        "{}",
        released.stdout()
    );
    assert!(!pair.a.has(VIRTUAL)?);
    Ok(())
}

#[test]
fn without_bpf_it_runs_one_rung_down_and_says_why() -> Tested {
    let pair = new_pair()?;
    let daemon = without(&pair, "-bpf,-sys_admin,-perfmon", &[])?;
    up(&daemon)?;
    let status = pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    assert_eq!(rung(&status), "packet-socket");
    let why = status["dataplane"][0]["why"].as_str().unwrap_or_default();
    assert!(why.contains("CAP_BPF"), "{why}");
    Ok(())
}

#[test]
fn off_needs_two_capabilities_only() -> Tested {
    let pair = new_pair()?;
    let daemon = without(&pair, "-all,+net_admin,+net_raw", &["--xdp", "off"])?;
    up(&daemon)?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    assert!(pair.a.has(VIRTUAL)?);
    Ok(())
}

#[test]
fn another_vip_with_the_same_directory() -> Tested {
    let scene = Scene::elected("auto")?;
    let Scene { pair, on_a, .. } = &scene;
    let second = pair.vip(&pair.a, &["run", "-f", "/run/vip.conf"])?;
    assert_eq!(second.wait(PATIENCE)?.code, Some(7), "{}", second.stderr());
    assert!(second.stderr().contains("/run/vip"), "{}", second.stderr());
    assert!(on_a.is_running());
    scene.settled()
}

#[test]
fn another_vip_for_the_same_router() -> Tested {
    let scene = Scene::elected("auto")?;
    let pair = &scene.pair;
    let program = pair.program.display().to_string();
    let argv = [
        program.as_str(),
        "run",
        "-f",
        "/run/vip.conf",
        "--runtime-dir",
        "/run/other",
    ];
    let second = pair.a.spawn(argv)?;
    assert_eq!(second.wait(PATIENCE)?.code, Some(7), "{}", second.stderr());
    assert!(second.stderr().contains("VRID 51"), "{}", second.stderr());
    scene.settled()
}

#[test]
fn a_keepalived_that_speaks_for_the_same_router() -> Tested {
    let pair = new_pair()?;
    let other = keepalived(&pair.a, NODE_A)?;
    other.wait_for_line("Entering MASTER STATE", PATIENCE)?;
    let daemon = pair.start(&pair.a, NODE_A)?;
    assert_eq!(daemon.wait(PATIENCE)?.code, Some(7), "{}", daemon.stderr());
    assert!(
        daemon.stderr().contains("keepalived"),
        "{}",
        daemon.stderr()
    );
    assert!(daemon.stderr().contains("VRID 51"), "{}", daemon.stderr());
    assert!(pair.a.has(VIRTUAL)?, "its address has been taken from it");
    assert!(other.is_running());
    Ok(())
}

#[test]
fn a_keepalived_that_watches_the_same_router_in_silence() -> Tested {
    let pair = new_pair()?;
    let master = pair.start(&pair.b, &fast(200))?;
    up(&master)?;
    pair.wait_for_state(&pair.b, "MASTER", PATIENCE)?;
    let other = keepalived(&pair.a, &fast(100))?;
    other.wait_for_line("Entering BACKUP STATE", PATIENCE)?;
    other.wait_for_line("sockpool", PATIENCE)?;
    let daemon = pair.start(&pair.a, &fast(100))?;
    refuses(&pair, &daemon, 7, "VRID 51")
}
