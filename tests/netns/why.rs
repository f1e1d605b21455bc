//! `vip why`: an address moves for one cause after another, made on purpose, and the
//! story names it. What each host wrote down is replayed through the election, too.

use nix::sys::signal::Signal;
use serde_json::Value;
use vip::lab::pair::{FILE, NODE_A, NODE_B, Pair};
use vip::lab::{Host, LabError, PATIENCE, now};
use vip_tests::Tested;
use vip_tests::scene::{Scene, fast, instance, up, vip_program};

const SCRIPT: &str = "/run/chk.sh";

/// The last stories of a host; none where nothing is written down.
fn stories(pair: &Pair, host: &Host, last: &str) -> Result<Vec<Value>, LabError> {
    let asked = pair.vip(host, &["why", "--json", "--last", last])?;
    let ended = asked.wait(PATIENCE)?;
    assert!(matches!(ended.code, Some(0 | 3)), "{}", asked.stderr());
    let told: Value = serde_json::from_str(&asked.stdout()).unwrap_or_default();
    Ok(told["stories"].as_array().cloned().unwrap_or_default())
}

/// Waits until a host tells of this cause, in one of its last stories, and lets the
/// election decide again on what is written down of it.
fn tells(pair: &Pair, host: &Host, state: &str, cause: &str) -> Result<Value, LabError> {
    let end = now() + PATIENCE;
    loop {
        let told = stories(pair, host, "4")?;
        let is_it = |story: &&Value| {
            story["cause"] == cause && (state.is_empty() || story["state"] == state)
        };
        if let Some(story) = told.iter().rev().find(is_it) {
            assert_eq!(story["instance"], "VI_1");
            replays(pair, host, story)?;
            return Ok(story.clone());
        }
        if now() > end {
            return Err(LabError::TooLate {
                what: format!("{cause} on {}; it tells {told:#?}", host.name()),
                bound: PATIENCE,
            });
        }
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
}

fn replays(pair: &Pair, host: &Host, story: &Value) -> Tested {
    let file = story["file"].as_str().unwrap_or_default();
    let replay = pair.vip(host, &["why", "--replay", "--file", file])?;
    let ended = replay.wait(PATIENCE)?;
    assert_eq!(ended.code, Some(0), "{}", replay.stderr());
    let said = replay.stdout();
    assert!(said.contains(" actions, as recorded"), "{said}");
    assert!(!said.contains(" 0 actions"), "{said}");
    Ok(())
}

/// Whether one of the lines of a part says so.
fn says(story: &Value, part: &str, words: &str) -> bool {
    let lines = story[part].as_array().into_iter().flatten();
    lines
        .filter_map(Value::as_str)
        .any(|line| line.contains(words))
}

fn ns(story: &Value, phase: &str) -> u64 {
    story["took_ns"][phase].as_u64().unwrap_or(u64::MAX)
}

/// A and B, elected, and B has heard A often enough to know how it counts.
fn acquainted() -> Result<Scene, LabError> {
    let scene = Scene::elected("auto")?;
    let knows = |status: &Value| {
        let known = instance(status)["counters"]["adverts_known"].as_u64();
        known >= Some(3)
    };
    scene
        .pair
        .wait_for_status(&scene.pair.b, "knows A", PATIENCE, knows)?;
    Ok(scene)
}

#[test]
fn the_power_cut() -> Tested {
    let scene = acquainted()?;
    let Pair { a, b, .. } = &scene.pair;
    let cut = scene.power_off_a()?;
    scene.b_took_over(cut)?;
    let story = tells(&scene.pair, b, "MASTER", "silent")?;
    let name = a.address().to_string();
    assert!(
        says(&story, "seen", &format!("of {name}, priority 100")),
        "{story}"
    );
    assert!(says(&story, "missing", "3 adverts in a row"), "{story}");
    assert!(says(&story, "decided", "hearing was doubted"), "{story}");
    assert!(says(&story, "look", &format!("on {name}")), "{story}");
    // Three intervals of 100 ms and a skew.
    let detect = ns(&story, "detect");
    assert!((360_000_000..370_000_000).contains(&detect), "{story}");
    let phases = ["decide", "advert", "addresses", "arp"];
    for phase in phases {
        assert!(ns(&story, phase) < 200_000_000, "{phase}: {story}");
    }
    assert!(ns(&story, "in_all") >= detect, "{story}");
    // The same on any machine, and without the daemon.
    let file = story["file"].as_str().unwrap_or_default();
    let text = scene.pair.vip(b, &["why", "--file", file])?;
    assert_eq!(text.wait(PATIENCE)?.code, Some(0));
    let text = text.stdout();
    assert!(text.contains("went from BACKUP to MASTER"), "{text}");
    assert!(text.contains("fell silent"), "{text}");
    // What was recorded is not what somebody has made of it.
    let recorded = b.output(["cat", file])?.success()?;
    let tampered = recorded.replacen("\"prove_ear\"", "{\"announce\":{\"rounds\":7}}", 1);
    assert_ne!(recorded, tampered);
    b.write("/run/tampered.json", &tampered)?;
    let replay = ["why", "--replay", "--file", "/run/tampered.json"];
    let replay = scene.pair.vip(b, &replay)?;
    assert_eq!(replay.wait(PATIENCE)?.code, Some(1));
    let said = replay.stderr();
    assert!(
        said.contains("- ") && said.contains("Announce { rounds: 7 }"),
        "{said}"
    );
    assert!(said.contains("+ ") && said.contains("ProveEar"), "{said}");
    Ok(())
}

#[test]
fn the_process_that_was_stopped() -> Tested {
    let scene = acquainted()?;
    let Pair { a, b, .. } = &scene.pair;
    let hung = now();
    scene.on_a.signal(Signal::SIGSTOP);
    scene.b_took_over(hung)?;
    tells(&scene.pair, b, "MASTER", "silent")?;
    scene.on_a.signal(Signal::SIGCONT);
    scene.settled()?;
    let of_a = tells(&scene.pair, a, "", "own_pause")?;
    assert!(says(&of_a, "where", "vip was stopped"), "{of_a}");
    let of_b = tells(&scene.pair, b, "BACKUP", "higher_priority")?;
    assert!(says(&of_b, "seen", "in which it sent nothing"), "{of_b}");
    // More is known now.
    let of_b = tells(&scene.pair, b, "MASTER", "sender_silent")?;
    assert!(says(&of_b, "where", "it had sent none meanwhile"), "{of_b}");
    Ok(())
}

#[test]
fn the_cable_of_the_master() -> Tested {
    let scene = acquainted()?;
    let Pair { a, b, .. } = &scene.pair;
    let pulled = now();
    a.cut()?;
    scene.b_took_over(pulled)?;
    let of_a = tells(&scene.pair, a, "FAULT", "link_down")?;
    assert!(
        of_a["why"].as_str().unwrap_or_default().contains("eth0"),
        "{of_a}"
    );
    tells(&scene.pair, b, "MASTER", "silent")?;
    a.mend()?;
    scene.settled()?;
    tells(&scene.pair, b, "BACKUP", "higher_priority")?;
    tells(&scene.pair, a, "MASTER", "preempting").map(drop)
}

#[test]
fn the_adverts_that_were_lost_on_the_way() -> Tested {
    let scene = acquainted()?;
    let Pair { a, b, .. } = &scene.pair;
    let since = now();
    scene.pair.part(true)?;
    scene.b_took_over(since)?;
    tells(&scene.pair, b, "MASTER", "silent")?;
    scene.pair.part(false)?;
    scene.settled()?;
    let of_b = tells(&scene.pair, b, "MASTER", "lost")?;
    assert!(
        says(&of_b, "where", "adverts meanwhile by its own count"),
        "{of_b}"
    );
    let of_b = tells(&scene.pair, b, "BACKUP", "higher_priority")?;
    assert!(says(&of_b, "seen", "both were MASTER"), "{of_b}");
    let of_a = tells(&scene.pair, a, "", "two_masters")?;
    assert!(says(&of_a, "where", "did not reach"), "{of_a}");
    Ok(())
}

#[test]
fn the_stop_that_was_planned() -> Tested {
    let scene = Scene::elected("auto")?;
    let Pair { a, b, .. } = &scene.pair;
    scene.on_a.signal(Signal::SIGTERM);
    assert_eq!(scene.on_a.wait(PATIENCE)?.code, Some(0));
    tells(&scene.pair, a, "INIT", "stopped")?;
    let of_b = tells(&scene.pair, b, "MASTER", "resigned")?;
    assert!(ns(&of_b, "detect") < 100_000_000, "{of_b}");
    Ok(())
}

#[test]
fn the_drain() -> Tested {
    // B was MASTER before A, so that A knows of a successor.
    let pair = Pair::new(vip_program(), "auto")?;
    let on_b = pair.start(&pair.b, &fast(90))?;
    up(&on_b)?;
    pair.wait_for_state(&pair.b, "MASTER", PATIENCE)?;
    let on_a = pair.start(&pair.a, &fast(100))?;
    let scene = Scene { on_a, on_b, pair };
    scene.settled()?;
    let Pair { a, b, .. } = &scene.pair;
    let of_a = tells(&scene.pair, a, "MASTER", "preempting")?;
    assert!(
        of_a["why"]
            .as_str()
            .unwrap_or_default()
            .contains("priority 90"),
        "{of_a}"
    );
    let of_b = tells(&scene.pair, b, "BACKUP", "higher_priority")?;
    assert!(says(&of_b, "seen", "for the first time"), "{of_b}");
    let drain = scene.pair.vip(a, &["drain"])?;
    assert_eq!(drain.wait(PATIENCE)?.code, Some(0), "{}", drain.stderr());
    let of_a = tells(&scene.pair, a, "INIT", "drained")?;
    let successor = format!("{} took over with priority 90", b.address());
    assert!(says(&of_a, "seen", &successor), "{of_a}");
    tells(&scene.pair, b, "MASTER", "resigned").map(drop)
}

/// A with a script, and B without.
fn scripted(weight: &str) -> Result<Scene, LabError> {
    let pair = Pair::new(vip_program(), "auto")?;
    pair.a.write(SCRIPT, "exit 0")?;
    let block = format!(
        "vrrp_script chk {{\n script \"/bin/sh {SCRIPT}\"\n interval 0.1\n timeout 5\n{weight}\n}}"
    );
    let instance = fast(100).replace(
        "    version 3\n",
        "    version 3\n track_script {\n chk\n }\n",
    );
    let text = format!("global_defs {{\n script_user root\n}}\n{block}\n{instance}");
    Scene::elect_on(pair, &text, &fast(90))
}

#[test]
fn the_script_that_failed() -> Tested {
    let scene = scripted("")?;
    let Pair { a, b, .. } = &scene.pair;
    a.write(SCRIPT, "echo no connection; exit 2")?;
    let of_a = tells(&scene.pair, a, "FAULT", "tracked")?;
    let why = of_a["why"].as_str().unwrap_or_default();
    assert!(why.contains("script chk failed"), "{of_a}");
    assert!(why.contains("no connection"), "{of_a}");
    tells(&scene.pair, b, "MASTER", "resigned").map(drop)
}

#[test]
fn the_script_that_takes_priority_off() -> Tested {
    let scene = scripted("weight -20")?;
    let Pair { a, b, .. } = &scene.pair;
    a.write(SCRIPT, "exit 2")?;
    let of_a = tells(&scene.pair, a, "BACKUP", "own_priority_fell")?;
    let why = of_a["why"].as_str().unwrap_or_default();
    assert!(why.contains("from 100 to 80"), "{of_a}");
    let of_b = tells(&scene.pair, b, "MASTER", "preempting")?;
    assert!(
        of_b["why"]
            .as_str()
            .unwrap_or_default()
            .contains("priority 80"),
        "{of_b}"
    );
    Ok(())
}

#[test]
fn the_password_that_is_another() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let scene = Scene::elect_on(pair, NODE_A, NODE_B)?;
    let Pair { a, b, .. } = &scene.pair;
    let line = NODE_A.lines().find(|line| line.contains("auth_pass"));
    let other = NODE_A.replace(line.unwrap_or_default(), "auth_pass other");
    assert_ne!(other, NODE_A);
    a.write(FILE, &other)?;
    scene.on_a.signal(Signal::SIGHUP);
    let of_b = tells(&scene.pair, b, "MASTER", "refused")?;
    assert!(says(&of_b, "where", "refused"), "{of_b}");
    assert!(says(&of_b, "where", &a.address().to_string()), "{of_b}");
    Ok(())
}

#[test]
fn where_nothing_is_written_the_answer_is_no_and_a_full_disk_is_said_once() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let asked = pair.vip(&pair.a, &["why"])?;
    assert_eq!(asked.wait(PATIENCE)?.code, Some(3));
    assert!(
        asked.stderr().contains("no change of state"),
        "{}",
        asked.stderr()
    );
    pair.a.write("/run/file", "")?;
    pair.a.write(FILE, &fast(100))?;
    let arguments = [
        "run",
        "-f",
        FILE,
        "--xdp",
        "auto",
        "--recordings",
        "/run/file/none",
    ];
    let daemon = pair.vip(&pair.a, &arguments)?;
    up(&daemon)?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    let said = "cannot write down why states change";
    daemon.wait_for_line(said, PATIENCE)?;
    pair.a.cut()?;
    pair.wait_for_state(&pair.a, "FAULT", PATIENCE)?;
    pair.a.mend()?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(PATIENCE)?.code, Some(0));
    let lines = daemon.lines();
    let count = lines.iter().filter(|line| line.text.contains(said));
    assert_eq!(count.count(), 1);
    Ok(())
}
