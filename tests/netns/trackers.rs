//! What is tracked: scripts, processes, files, on the wire and in sync groups.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use vip::lab::pair::{Pair, VRID};
use vip::lab::{Host, LabError, PATIENCE, Process, now};
use vip_common::time::MonoTime;
use vip_tests::Tested;
use vip_tests::scene::{Scene, fast, instance, up, vip_program};

const SCRIPT: &str = "/run/chk.sh";
const NUMBER: &str = "/run/number";

/// The configuration of [`fast`] with a tracker, and lines of the instance about it.
fn tracking(priority: u8, blocks: &str, lines: &str) -> String {
    let instance = fast(priority).replace("    version 3\n", &format!("    version 3\n{lines}\n"));
    format!("global_defs {{\n script_user root\n}}\n{blocks}\n{instance}")
}

/// A script of its own, run every 100 ms.
fn scripted(priority: u8, more: &str) -> String {
    let block = format!(
        "vrrp_script chk {{\n script \"/bin/sh {SCRIPT}\"\n interval 0.1\n timeout 5\n{more}\n}}"
    );
    tracking(priority, &block, "track_script {\n chk\n }")
}

/// A with this configuration and B without trackers, elected; the files that A needs
/// are there.
fn elected(files: &[(&str, &str)], file_a: &str) -> Result<Scene, LabError> {
    let pair = Pair::new(vip_program(), "auto")?;
    for (path, text) in files {
        pair.a.write(path, text)?;
    }
    Scene::elect_on(pair, file_a, &fast(90))
}

fn tracker<'v>(status: &'v Value, name: &str) -> &'v Value {
    let all = status["trackers"].as_array();
    let found = all.into_iter().flatten().find(|one| one["name"] == name);
    found.unwrap_or(&Value::Null)
}

/// Waits until a tracker of a host is so.
fn wait_for_tracker(
    pair: &Pair,
    host: &Host,
    name: &str,
    is_so: impl Fn(&Value) -> bool,
) -> Result<Value, LabError> {
    let what = format!("tracker {name}");
    pair.wait_for_status(host, &what, PATIENCE, |status| is_so(tracker(status, name)))
}

/// When A has said on the wire that its priority is this one.
fn spoken(scene: &Scene, priority: u8, since: MonoTime) -> Result<MonoTime, LabError> {
    let port = scene.pair.a.port();
    let frame = scene
        .pair
        .capture
        .wait_for("an advert", since, PATIENCE, |frame| {
            frame.is_from(port) && frame.advert(VRID) == Some(priority)
        })?;
    Ok(frame.stamp)
}

/// B became MASTER, whatever the reason.
fn b_is_master(scene: &Scene) -> Tested {
    let Pair { a, b, .. } = &scene.pair;
    scene.pair.wait_for_state(b, "MASTER", PATIENCE)?;
    scene.wait_for_address(b, true)?;
    scene.wait_for_address(a, false)?;
    Ok(())
}

#[test]
fn a_script_that_fails_is_a_fault_at_once_and_says_why() -> Tested {
    let scene = elected(&[(SCRIPT, "exit 0")], &scripted(100, "fall 3"))?;
    let a = &scene.pair.a;
    let failed = now();
    a.write(SCRIPT, "echo no connection; exit 2")?;
    let line = "VRRP_Script(chk) failed (exited with status 2)";
    let said = scene.on_a.wait_for_line_after(line, failed, PATIENCE)?;
    // The farewell does not wait for the next advert's time.
    let left = spoken(&scene, 0, failed)?;
    assert!(
        left.since(said.stamp) < Duration::from_millis(90),
        "{said:?}"
    );
    b_is_master(&scene)?;
    let status = scene.pair.wait_for_state(a, "FAULT", PATIENCE)?;
    let reason = instance(&status)["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("script chk failed "), "{reason}");
    assert!(reason.contains("exit 2: no connection"), "{reason}");
    a.write(SCRIPT, "exit 0")?;
    let line = "VRRP_Script(chk) succeeded";
    scene.on_a.wait_for_line_after(line, failed, PATIENCE)?;
    scene.settled()
}

#[test]
fn a_number_in_a_file_is_on_the_wire_at_once() -> Tested {
    let block = format!("track_file num {{\n file {NUMBER}\n init_file 3\n}}");
    let file = tracking(100, &block, "track_file {\n num weight 2\n }");
    let scene = elected(&[], &file)?;
    let a = &scene.pair.a;
    spoken(&scene, 106, MonoTime::ZERO)?;
    let written = now();
    a.write(NUMBER, "-8")?;
    spoken(&scene, 84, written)?;
    b_is_master(&scene)?;
    let status = scene.pair.wait_for_state(a, "BACKUP", PATIENCE)?;
    let instance = instance(&status);
    assert_eq!(instance["effective_priority"], 84);
    assert_eq!(instance["priority_reason"], "file num -16");
    assert_eq!(tracker(&status, "num")["mechanism"], "inotify");
    // Replaced in one step, and removed.
    a.write("/run/number.new", "1")?;
    a.output(["mv", "/run/number.new", NUMBER])?.success()?;
    scene.settled()?;
    spoken(&scene, 102, written)?;
    a.output(["rm", NUMBER])?.success()?;
    spoken(&scene, 100, written)?;
    Ok(())
}

/// A program of a name that no other test knows.
fn service(host: &Host, name: &str) -> Result<Process, LabError> {
    let path = format!("/run/{name}");
    host.output(["cp", "/bin/sleep", &path])?.success()?;
    host.spawn([&*path, "1000"])
}

#[test]
fn a_process_that_dies_is_noticed_by_the_event() -> Tested {
    let name = format!("vt{}", std::process::id());
    let pair = Pair::new(vip_program(), "auto")?;
    let first = service(&pair.a, &name)?;
    let block = format!("vrrp_track_process svc {{\n process {name}\n}}");
    let file = tracking(100, &block, "track_process {\n svc\n }");
    let scene = Scene::elect_on(pair, &file, &fast(90))?;
    let a = &scene.pair.a;
    let status = wait_for_tracker(&scene.pair, a, "svc", |svc| svc["state"] == "well")?;
    let mechanism = &tracker(&status, "svc")["mechanism"];
    assert_eq!(*mechanism, "tracepoints of the kernel, and pidfds");
    let killed = now();
    first.signal(Signal::SIGKILL);
    // Nobody looks by himself in this time.
    let left = spoken(&scene, 0, killed)?;
    assert!(
        left.since(killed) < Duration::from_secs(5),
        "{:?}",
        left.since(killed)
    );
    b_is_master(&scene)?;
    let status = scene.pair.wait_for_state(a, "FAULT", PATIENCE)?;
    let reason = instance(&status)["reason"].as_str().unwrap_or_default();
    assert!(
        reason.starts_with("process svc failed: 0 run, 1 must"),
        "{reason}"
    );
    // A new one is heard of, too.
    let back = now();
    let second = service(a, &format!("{name}x"))?;
    let third = a.spawn([&*format!("/run/{name}"), "1000"])?;
    let line = "quorum up";
    let said = scene.on_a.wait_for_line_after(line, back, PATIENCE)?;
    assert!(said.text.contains("from 0 to 1"), "{}", said.text);
    scene.settled()?;
    drop((second, third));
    Ok(())
}

/// The processes of a group, those aside that only wait to be buried.
fn group(pgid: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    let stats =
        entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    let is_in = |stat: &String| {
        let mut rest = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let (state, group) = (rest.next(), rest.nth(1));
        group == Some(pgid) && state != Some("Z")
    };
    stats.filter(is_in).collect()
}

fn wait_until_gone(pgid: &str) -> Tested {
    let end = now() + PATIENCE;
    while !group(pgid).is_empty() {
        assert!(
            now() < end,
            "of group {pgid} there is still {:?}",
            group(pgid)
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// It says which group it is, starts others, and does not obey.
const STUBBORN: &str =
    "trap '' TERM; sleep 1000 & echo $$ >> /run/groups; while :; do sleep 1000; done";

fn groups(host: &Host) -> Result<Vec<String>, LabError> {
    let text = host.output(["cat", "/run/groups"])?.success()?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[test]
fn a_script_that_does_not_end_is_ended_with_all_that_it_started() -> Tested {
    let file = scripted(100, "").replace("timeout 5", "timeout 0.2");
    let scene = elected(&[(SCRIPT, "exit 0")], &file)?;
    let a = &scene.pair.a;
    let hung = now();
    a.write(SCRIPT, STUBBORN)?;
    let line = "VRRP_Script(chk) timed_out";
    scene.on_a.wait_for_line_after(line, hung, PATIENCE)?;
    b_is_master(&scene)?;
    let left_out =
        |chk: &Value| chk["skipped"].as_u64() > Some(3) && chk["failures"].as_u64() > Some(1);
    wait_for_tracker(&scene.pair, a, "chk", left_out)?;
    let ran = groups(a)?;
    assert!(!ran.is_empty());
    wait_until_gone(&ran[0])?;
    a.write(SCRIPT, "exit 0")?;
    scene.settled()?;
    for pgid in groups(a)? {
        wait_until_gone(&pgid)?;
    }
    Ok(())
}

#[test]
fn nothing_of_a_script_outlives_a_vip_that_is_killed() -> Tested {
    let file = scripted(100, "").replace("timeout 5", "timeout 100");
    let scene = elected(&[(SCRIPT, "exit 0")], &file)?;
    let a = &scene.pair.a;
    a.write("/run/groups", "")?;
    a.write(SCRIPT, STUBBORN)?;
    let end = now() + PATIENCE;
    let ran = loop {
        let ran = groups(a)?;
        if !ran.is_empty() {
            break ran;
        }
        assert!(now() < end, "it does not run");
        std::thread::sleep(Duration::from_millis(10));
    };
    scene.on_a.signal(Signal::SIGKILL);
    for pgid in ran {
        wait_until_gone(&pgid)?;
    }
    Ok(())
}

#[test]
fn a_reload_goes_on_with_what_is_watched_as_before() -> Tested {
    let file = scripted(100, "");
    let scene = elected(&[(SCRIPT, "exit 0")], &file)?;
    let a = &scene.pair.a;
    let runs = |status: &Value| tracker(status, "chk")["runs"].as_u64().unwrap_or(0);
    let many = |chk: &Value| chk["runs"].as_u64() >= Some(3);
    let before = wait_for_tracker(&scene.pair, a, "chk", many)?;
    let reload = |text: &str| -> Result<Value, LabError> {
        a.write("/run/vip.conf", text)?;
        let command = scene.pair.vip(a, &["reload"])?;
        let code = command.wait(PATIENCE)?.code;
        assert_eq!(code, Some(0), "{}{}", command.stdout(), command.stderr());
        scene.pair.status(a).map(Option::unwrap_or_default)
    };
    let since = now();
    let line = "script_user root";
    let after = reload(&file.replace(line, &format!("{line}\n router_id other")))?;
    assert!(runs(&after) >= runs(&before), "it began anew");
    // Run in another way, what is known of it holds until it has run.
    let other = file.replace("interval 0.1", "interval 0.2");
    reload(&other)?;
    wait_for_tracker(&scene.pair, a, "chk", |chk| chk["state"] == "well")?;
    let gone = reload(&fast(100))?;
    assert_eq!(*tracker(&gone, "chk"), Value::Null);
    scene.settled()?;
    let state_lines = vip_tests::scene::last_state_lines(&scene.on_a, since);
    assert_eq!(state_lines, [""; 0]);
    Ok(())
}

#[test]
fn a_reload_looks_at_each_script_again_and_nothing_unsafe_is_run() -> Tested {
    const OWN: &str = "/run/own.sh";
    let block = format!("vrrp_script chk {{\n script {OWN}\n interval 0.1\n}}");
    let file = tracking(100, &block, "track_script {\n chk\n }").replace(
        "script_user root",
        "script_user root\n enable_script_security",
    );
    let scene = elected(&[], &file)?;
    let a = &scene.pair.a;
    let put = |code: u8, mode: &str| -> Tested {
        a.write(OWN, &format!("#!/bin/sh\nexit {code}\n"))?;
        a.output(["chmod", mode, OWN])?.success()?;
        Ok(())
    };
    let reload = || -> Result<String, LabError> {
        let command = scene.pair.vip(a, &["reload"])?;
        let code = command.wait(PATIENCE)?.code;
        assert_eq!(code, Some(0), "{}{}", command.stdout(), command.stderr());
        Ok(command.stdout())
    };
    let is = |word: &'static str, mechanism: &'static str| {
        wait_for_tracker(&scene.pair, a, "chk", move |chk| {
            let by = chk["mechanism"].as_str().unwrap_or_default();
            chk["state"] == word && by.contains(mechanism)
        })
    };
    is("ignored", "not watched: ")?;
    assert!(reload()?.contains("nothing differs"));
    put(1, "755")?;
    let said = reload()?;
    assert!(said.contains("the first result of script chk"), "{said}");
    is("failed", "runs ")?;
    b_is_master(&scene)?;
    // What cannot be run says nothing new, until a reload gives it up.
    a.output(["rm", OWN])?.success()?;
    is("failed", "not run: ")?;
    let said = reload()?;
    assert!(said.contains("nothing keeps it out any more"), "{said}");
    assert!(said.contains("is not watched and counts nothing"), "{said}");
    is("ignored", "not watched: ")?;
    put(0, "755")?;
    reload()?;
    is("well", "runs ")?;
    for mode in ["644", "777"] {
        a.output(["chmod", mode, OWN])?.success()?;
        is("well", "not run: ")?;
        a.write(OWN, "#!/bin/sh\nexit 1\n")?;
        put(0, "755")?;
        is("well", "runs ")?;
    }
    put(0, "777")?;
    let said = reload()?;
    assert!(said.contains("can be written by everybody"), "{said}");
    assert!(!said.contains("nothing differs"), "{said}");
    is("ignored", "can be written by everybody")?;
    Ok(())
}

#[test]
fn what_one_member_tracks_moves_its_sync_group() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let a = &pair.a;
    a.write(SCRIPT, "exit 0")?;
    let second = |priority| {
        fast(priority)
            .replace("VI_1", "VI_2")
            .replace(&format!("virtual_router_id {VRID}"), "virtual_router_id 99")
            .replace(".8.100/24", ".8.102/24")
    };
    let group = "vrrp_sync_group G {\n group {\n VI_1\n VI_2\n }\n}\n";
    let file_a = format!("{}{}{group}", scripted(100, ""), second(100));
    let file_b = format!("{}{}{group}", fast(90), second(90));
    let scene = Scene::elect_on(pair, &file_a, &file_b)?;
    let a = &scene.pair.a;
    let is = |status: &Value, word: &str| {
        let all = status["instances"].as_array();
        all.is_some_and(|all| all.iter().all(|one| one["state"] == word))
    };
    scene
        .pair
        .wait_for_status(a, "both MASTER", PATIENCE, |status| is(status, "MASTER"))?;
    a.write(SCRIPT, "exit 1")?;
    scene
        .pair
        .wait_for_status(a, "both FAULT", PATIENCE, |status| is(status, "FAULT"))?;
    let b = &scene.pair.b;
    scene
        .pair
        .wait_for_status(b, "both MASTER", PATIENCE, |status| is(status, "MASTER"))?;
    Ok(())
}

#[test]
fn an_instance_waits_for_the_first_result_of_what_can_bar_it() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let a = &pair.a;
    a.write(SCRIPT, "read go < /run/go")?;
    a.output(["mkfifo", "/run/go"])?.success()?;
    let on_a = pair.start(a, &scripted(100, ""))?;
    up(&on_a)?;
    let status = pair.wait_for_status(a, "the tracker", PATIENCE, |status| {
        instance(status)["reason"]
            .as_str()
            .is_some_and(|reason| reason.starts_with("script chk"))
    })?;
    assert_eq!(instance(&status)["state"], "INIT");
    assert_eq!(tracker(&status, "chk")["state"], "unknown");
    a.write("/run/go", "\n")?;
    pair.wait_for_state(a, "MASTER", PATIENCE)?;
    drop(on_a);
    Ok(())
}
