//! Scripts and pipes of a running daemon: what they may do, when they are told, and
//! that none of them delays an advert.

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use vip::lab::pair::{Pair, VIRTUAL, VRID};
use vip::lab::{ForgedAdvert, Host, LabError, PATIENCE, Wire, forged_claim, now};
use vip_common::time::MonoTime;
use vip_tests::Tested;
use vip_tests::scene::{instance, up, vip_program, wait_for_address};

/// A router that nobody disturbs.
const QUIET: u8 = 52;
/// Where scripts write, whoever they are.
const OUT: &str = "/run/out";

/// Puts a script on a host, with these rights, and a directory where anybody may write.
fn script(host: &Host, path: &str, mode: u32, body: &str) -> Tested {
    host.write(path, &format!("#!/bin/sh\n{body}\n"))?;
    let path = path.to_owned();
    host.run(move || -> std::io::Result<()> {
        fs::create_dir_all(OUT)?;
        fs::set_permissions(OUT, PermissionsExt::from_mode(0o777))?;
        fs::set_permissions(path, PermissionsExt::from_mode(mode))
    })?
    .map_err(|source| LabError::System {
        step: "put a script on a host",
        source,
    })
}

/// The configuration of VI_1 at 100 ms, with more in it, and more before it.
fn with(globals: &str, more: &str) -> String {
    format!(
        "global_defs {{\n{globals}\n}}\nvrrp_instance VI_1 {{\n    version 3\n    \
         interface eth0\n    virtual_router_id {VRID}\n    priority 100\n    \
         advert_int 0.1\n    virtual_ipaddress {{\n        {VIRTUAL}/24\n    }}\n{more}\n}}\n"
    )
}

fn read(host: &Host, path: &str) -> Result<String, LabError> {
    let path = path.to_owned();
    host.run(move || fs::read_to_string(path).unwrap_or_default())
}

/// A file of a host as soon as `wanted` takes it.
fn wait_for_text(
    host: &Host,
    path: &str,
    bound: Duration,
    wanted: impl Fn(&str) -> bool,
) -> Result<String, LabError> {
    let end = Instant::now() + bound;
    loop {
        let text = read(host, path)?;
        if wanted(&text) {
            return Ok(text);
        }
        if Instant::now() > end {
            let what = format!("what was awaited in {path}; it is {text:?}");
            return Err(LabError::TooLate { what, bound });
        }
        sleep(Duration::from_millis(10));
    }
}

/// A neighbour that is master and is not, as fast as it pleases.
struct Flapper<'a> {
    client: &'a Host,
    wire: Wire,
}

impl<'a> Flapper<'a> {
    fn new(client: &'a Host) -> Result<Self, LabError> {
        let wire = Wire::open(client, "eth0")?;
        Ok(Self { client, wire })
    }

    fn says(&self, priority: u8) -> Result<(), LabError> {
        let advert = ForgedAdvert {
            mac: self.client.mac(),
            source: self.client.address(),
            ttl: 255,
            version: 3,
            vrid: VRID,
            priority,
            interval: 10,
            password: None,
            addresses: vec![VIRTUAL],
            checksum_error: 0,
            destination: ForgedAdvert::GROUP,
        };
        self.wire.send(&advert.frame())
    }

    /// Takes the role, has the address given up, and gives the role back, for `span`,
    /// with `pace` after each: what it claims before it is watched does not count.
    fn flap(&self, span: Duration, pace: Duration) -> Tested {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.says(255)?;
            sleep(pace);
            self.wire.send(&forged_claim(self.client.mac(), VIRTUAL))?;
            sleep(pace);
            self.says(0)?;
            sleep(pace);
        }
        Ok(())
    }
}

/// The configuration of a router that flaps beside one that does not: priority 254, so
/// that the skew time is no more than 0.1 ms.
fn beside_a_quiet_one(notify: &str, fifo: &str) -> String {
    let quiet = Ipv4Addr::new(192, 168, 8, 101);
    format!(
        "global_defs {{\n    script_user root\n    notify_fifo {fifo}\n}}\n\
         vrrp_instance VI_1 {{\n    version 3\n    interface eth0\n    \
         virtual_router_id {VRID}\n    priority 254\n    advert_int 0.1\n    \
         virtual_ipaddress {{\n        {VIRTUAL}/24\n    }}\n{notify}\n}}\n\
         vrrp_instance quiet {{\n    version 3\n    interface eth0\n    \
         virtual_router_id {QUIET}\n    priority 200\n    advert_int 0.1\n    \
         virtual_ipaddress {{\n        {quiet}/24\n    }}\n}}\n"
    )
}

/// The longest silence of the quiet router from then on.
fn longest_gap(pair: &Pair, since: MonoTime) -> Duration {
    let port = pair.a.port();
    let adverts = pair.capture.since(since, |frame| {
        frame.is_from(port) && frame.advert(QUIET).is_some()
    });
    let pairs = adverts.iter().zip(adverts.iter().skip(1));
    let gaps = pairs.map(|(one, next)| next.stamp.since(one.stamp));
    gaps.max().unwrap_or(Duration::MAX)
}

fn is_master(status: &Value) -> bool {
    let all = status["instances"].as_array();
    all.is_some_and(|all| all.iter().all(|one| one["state"] == "MASTER"))
}

#[test]
fn neither_a_script_that_hangs_nor_an_unread_pipe_delays_an_advert() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    script(&pair.a, "/run/hang", 0o755, "exec sleep 1000")?;
    // The pipe is full before the daemon begins: nothing of it is ever written.
    let full = pair.a.run(|| -> std::io::Result<fs::File> {
        nix::unistd::mkfifo("/run/states", nix::sys::stat::Mode::S_IRWXU)?;
        let mut both = fs::OpenOptions::new();
        both.read(true).write(true);
        let mut pipe = both.custom_flags(libc::O_NONBLOCK).open("/run/states")?;
        while pipe.write(&[b'x'; 4096]).is_ok() {}
        Ok(pipe)
    })?;
    let full = full.map_err(|source| LabError::System {
        step: "fill a pipe",
        source,
    })?;
    let notify = "    notify_master /run/hang\n    notify /run/hang";
    let file = beside_a_quiet_one(notify, "/run/states");
    let daemon = pair.start(&pair.a, &file)?;
    up(&daemon)?;
    pair.wait_for_status(&pair.a, "two masters", PATIENCE, is_master)?;

    let before = now();
    sleep(Duration::from_secs(2));
    let calm = longest_gap(&pair, before);
    let flapped = now();
    let flapper = Flapper::new(&pair.client)?;
    flapper.flap(Duration::from_secs(4), Duration::from_millis(1))?;
    let wild = longest_gap(&pair, flapped);
    let status = pair.wait_for_status(&pair.a, "its scripts", PATIENCE, |status| {
        status["pipes"][0]["waiting"].as_u64() > Some(0)
    })?;
    let scripts = &instance(&status)["scripts"];
    let pipe = &status["pipes"][0];
    println!("longest gap: {calm:?} before, {wild:?} while it flaps; {scripts}; {pipe}");
    assert!(
        wild < Duration::from_millis(150),
        "{wild:?}, {calm:?} before"
    );
    // What hangs is waited for, or has been ended for a change that waited too long.
    let counts = ["waiting", "overran"].map(|name| scripts[name].as_u64().unwrap_or(0));
    assert!(counts.iter().sum::<u64>() > 0, "{scripts}");
    assert_eq!(scripts["last"][0]["result"], "running", "{scripts}");
    assert_eq!(pipe["written"], 0, "{pipe}");
    assert!(pipe["waiting"].as_u64() <= Some(1024), "{pipe}");

    // It leaves in its time: what hangs is ended, with its children.
    let left = Instant::now();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(PATIENCE)?.code, Some(0));
    assert!(left.elapsed() < Duration::from_secs(6));
    drop(full);
    Ok(())
}

#[test]
fn of_changes_faster_than_addresses_move_the_last_one_is_told() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let log = format!("{OUT}/log");
    script(
        &pair.a,
        "/run/note",
        0o755,
        &format!("echo \"$3\" >> {log}"),
    )?;
    let file = beside_a_quiet_one("    notify /run/note", "/run/states");
    let daemon = pair.start(&pair.a, &file)?;
    up(&daemon)?;
    pair.wait_for_status(&pair.a, "two masters", PATIENCE, is_master)?;
    let flapped = now();
    let flapper = Flapper::new(&pair.client)?;
    flapper.flap(Duration::from_secs(3), Duration::from_millis(1))?;
    let wild = longest_gap(&pair, flapped);
    assert!(wild < Duration::from_millis(150), "{wild:?}");
    // From here on it stays BACKUP.
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        flapper.says(255)?;
        sleep(Duration::from_millis(20));
    }
    let status = pair.wait_for_status(&pair.a, "quiet scripts", PATIENCE, |status| {
        let scripts = &instance(status)["scripts"];
        flapper.says(255).is_ok() && scripts["waiting"] == 0 && scripts["last"][0]["result"] == "ok"
    })?;
    let scripts = &instance(&status)["scripts"];
    let text = read(&pair.a, &log)?;
    println!("{} lines, {scripts}", text.lines().count());
    assert!(text.lines().count() >= 3, "{text}");
    assert_eq!(text.lines().last(), Some("BACKUP"));
    // In order: no state twice in a row, but where changes were left out.
    let lines: Vec<&str> = text.lines().collect();
    let twice = lines.windows(2).filter(|two| two[0] == two[1]).count() as u64;
    assert!(Some(twice) <= scripts["left_out"].as_u64(), "{twice}");
    // In a silence it would become MASTER again.
    let ends = std::sync::atomic::AtomicBool::new(false);
    let pipe = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(std::sync::atomic::Ordering::Relaxed) && flapper.says(255).is_ok() {
                sleep(Duration::from_millis(20));
            }
        });
        let read = pair
            .a
            .output(["sh", "-c", "timeout 1 cat /run/states; true"]);
        ends.store(true, std::sync::atomic::Ordering::Relaxed);
        read
    })?;
    let last = pipe.success()?;
    let last = last.lines().rfind(|line| line.contains("VI_1"));
    assert_eq!(last, Some("INSTANCE \"VI_1\" BACKUP 254"));
    Ok(())
}

#[test]
fn a_script_has_none_of_the_rights_of_the_daemon() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let status = format!("{OUT}/status");
    let body = format!("cp /proc/self/status {status}.new; mv {status}.new {status}");
    script(&pair.a, "/run/look", 0o755, &body)?;
    let globals = "    script_user nobody\n    enable_script_security";
    let daemon = pair.start(&pair.a, &with(globals, "    notify_master /run/look"))?;
    up(&daemon)?;
    let seen = wait_for_text(&pair.a, &status, PATIENCE, |text| text.contains("CapEff"))?;
    let field = |name: &str| {
        let line = seen.lines().find_map(|line| line.strip_prefix(name));
        line.map(|line| line.split_whitespace().collect::<Vec<_>>())
            .unwrap_or_default()
    };
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(set), ["0000000000000000"], "{set}");
    }
    assert_eq!(field("Uid:"), ["65534"; 4]);
    assert_eq!(field("SigBlk:"), ["0000000000000000"]);
    Ok(())
}

#[test]
fn root_runs_no_script_that_others_could_change() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let log = format!("{OUT}/log");
    script(&pair.a, "/run/open", 0o775, &format!("echo open >> {log}"))?;
    script(&pair.a, "/run/safe", 0o755, &format!("echo safe >> {log}"))?;
    pair.a
        .run(|| std::os::unix::fs::chown("/run/open", None, Some(65534)))?
        .map_err(|source| LabError::System {
            step: "give a script to a group",
            source,
        })?;
    let globals = "    script_user root\n    enable_script_security";
    let more = "    notify_backup /run/open\n    notify_master /run/safe";
    let daemon = pair.start(&pair.a, &with(globals, more))?;
    up(&daemon)?;
    daemon.wait_for_line("'/run/open' will not be run: ", PATIENCE)?;
    wait_for_text(&pair.a, &log, PATIENCE, |text| text.contains("safe"))?;
    assert_eq!(read(&pair.a, &log)?, "safe\n");
    let status = pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    assert_eq!(instance(&status)["scripts"]["failed"], 1);
    Ok(())
}

#[test]
fn whoever_is_told_finds_it_true() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let log = format!("{OUT}/log");
    let body =
        format!("ip -4 -o address show dev eth0 | grep -c {VIRTUAL} | sed \"s/^/$3 /\" >> {log}");
    script(&pair.a, "/run/note", 0o755, &body)?;
    let file = with("    script_user root", "    notify /run/note");
    let daemon = pair.start(&pair.a, &file)?;
    up(&daemon)?;
    wait_for_text(&pair.a, &log, PATIENCE, |text| text.contains("MASTER"))?;
    // A better one comes and goes.
    let better = pair.start(
        &pair.b,
        &with("", "").replace("priority 100", "priority 200"),
    )?;
    up(&better)?;
    wait_for_address(&pair.b, VIRTUAL, true)?;
    let gone = |text: &str| text.matches("BACKUP").count() == 2;
    wait_for_text(&pair.a, &log, PATIENCE, gone)?;
    better.signal(Signal::SIGTERM);
    better.wait(PATIENCE)?;
    let back = |text: &str| text.matches("MASTER").count() == 2;
    wait_for_text(&pair.a, &log, PATIENCE, back)?;
    // Drained, with nobody else there, and called again.
    pair.vip(&pair.a, &["drain", "VI_1", "--force"])?
        .wait(PATIENCE)?;
    let gone = |text: &str| text.matches("BACKUP").count() == 3;
    wait_for_text(&pair.a, &log, PATIENCE, gone)?;
    pair.vip(&pair.a, &["undrain", "VI_1"])?.wait(PATIENCE)?;
    let back = |text: &str| text.matches("MASTER").count() == 3;
    wait_for_text(&pair.a, &log, PATIENCE, back)?;
    pair.a.cut()?;
    wait_for_text(&pair.a, &log, PATIENCE, |text| text.contains("FAULT"))?;
    pair.a.mend()?;
    let back = |text: &str| text.matches("MASTER").count() == 4;
    wait_for_text(&pair.a, &log, PATIENCE, back)?;
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(PATIENCE)?.code, Some(0));
    let told = read(&pair.a, &log)?;
    let expected = [
        "BACKUP 0", "MASTER 1", "BACKUP 0", "MASTER 1", "BACKUP 0", "MASTER 1", "FAULT 0",
        "BACKUP 0", "MASTER 1", "STOP 0",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    Ok(())
}

#[test]
fn a_script_of_the_end_that_does_not_end_does_not_outlive_the_daemon() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let log = format!("{OUT}/log");
    let body = format!("trap '' TERM\necho $$ > {log}\nexec sleep 600");
    script(&pair.a, "/run/stubborn", 0o755, &body)?;
    let file = with("    script_user root", "    notify_stop /run/stubborn");
    let daemon = pair.start(&pair.a, &file)?;
    up(&daemon)?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(PATIENCE)?.code, Some(0));
    let program = std::path::PathBuf::from("/proc").join(read(&pair.a, &log)?.trim());
    assert_ne!(program, std::path::Path::new("/proc"));
    let end = Instant::now() + PATIENCE;
    while program.exists() {
        assert!(Instant::now() < end, "{} is still there", program.display());
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

#[test]
fn what_cannot_be_run_or_written_is_said_before_it_is_needed() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let file = with(
        "    script_user root\n    notify_fifo /run/none/fifo",
        "    notify_master /run/none/script",
    );
    let daemon = pair.start(&pair.a, &file)?;
    up(&daemon)?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    let said = |arguments: &[&str]| -> Result<String, LabError> {
        let command = pair.vip(&pair.a, arguments)?;
        command.wait(PATIENCE)?;
        Ok(command.stdout())
    };
    let shown = said(&["status"])?;
    for line in [
        "  notify_master: CANNOT BE RUN: /run/none/script ",
        "/run/none/fifo: NOT WRITTEN: ",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let tracked = format!(
        "vrrp_script chk {{\n    script /run/none/check\n}}\n{}",
        file.replace(
            "    priority 100",
            "    priority 100\n    track_script {\n        chk\n    }"
        )
    );
    pair.a.write("/run/vip.conf", &tracked)?;
    let shown = said(&["reload", "--dry-run"])?;
    for line in [
        "(VI_1) adds tracker vrrp_script chk, no change of state",
        "vrrp_script chk is not watched and counts nothing: /run/none/check ",
        "(VI_1) notify_master: '/run/none/script' will not be run: ",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    Ok(())
}
