//! What scripts and pipes are told, held against what keepalived tells them: the same
//! configuration, the same events, in the same laboratory.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use vip::lab::pair::{Pair, VIRTUAL, VRID};
use vip::lab::{ForgedAdvert, Host, LabError, PATIENCE, Process, Wire};
use vip_tests::Tested;
use vip_tests::peer::keepalived;
use vip_tests::scene::{fast, up, vip_program, wait_for_address};

/// Writes its words, each in angles, and what it was started with.
const RECORD: &str = "#!/bin/sh\n\
    out=$1; shift\n\
    words=$(printf '<%s>' \"$@\")\n\
    printf '%s\\n' \"$words\" >> \"$out\"\n\
    umask > /run/umask; id > /run/id; readlink /proc/$$/fd/0 > /run/stdin\n\
    awk '{ print ($1 == $5) }' /proc/$$/stat > /run/leads\n\
    readlink /proc/$$/cwd > /run/cwd\n\
    tr '\\0' '\\n' < /proc/$$/environ | sort > /run/environ\n";

/// What a script is started with besides its words.
const COMPANY: [&str; 6] = ["umask", "id", "stdin", "leads", "cwd", "environ"];

/// Reads a pipe and writes down what it was started with.
const READER: &str = "#!/bin/sh\nprintf '<%s>' \"$@\" >> /run/reader\necho >> /run/reader\n\
    for last; do :; done\nexec cat < \"$last\" > /dev/null\n";

/// The first configuration: one alone, two in a group, two that go.
fn configuration(goes: bool) -> String {
    let mut text = String::from(
        "global_defs {\n    script_user root\n    vrrp_notify_priority_changes on\n    \
         notify_fifo /run/states\n    vrrp_notify_fifo /run/ours\n    \
         vrrp_notify_fifo_script \"/run/reader.sh one 'two words'\"\n}\n",
    );
    let record = "/run/record.sh /run/scripts";
    let mut instance = |name: &str, vrid: u8, more: &str| {
        let address = if vrid == VRID {
            VIRTUAL.to_string()
        } else {
            format!("192.168.8.{vrid}")
        };
        text += &format!(
            "vrrp_instance {name} {{\n    version 3\n    interface eth0\n    \
             virtual_router_id {vrid}\n    priority 90\n    advert_int 0.1\n    \
             virtual_ipaddress {{\n        {address}/24\n    }}\n    \
             notify_master \"{record} {name} master 'b c' \\\"d e\\\"\"\n    \
             notify_backup \"{record} {name} backup\"\n    \
             notify_fault \"{record} {name} fault\"\n    \
             notify_stop \"{record} {name} stop\"\n    \
             notify_master_rx_lower_pri \"{record} {name} lower\"\n    \
             notify \"{record} {name} any\"\n    {more}\n}}\n"
        );
    };
    instance("VI_1", VRID, "track_interface {\n dum0 weight -10\n}");
    instance("one", 61, "");
    instance("two", 62, "");
    if goes {
        let deleted = format!("notify_deleted \"{record} told deleted\"");
        instance("told", 63, &deleted);
        instance("untold", 64, "");
        instance("bare", 65, "notify_deleted");
    } else {
        instance("new", 66, "");
    }
    text + &format!(
        "vrrp_sync_group both {{\n    group {{\n        one\n        two\n    }}\n    \
         notify_master \"{record} both master\"\n    notify_backup \"{record} both backup\"\n    \
         notify_fault \"{record} both fault\"\n    notify_stop \"{record} both stop\"\n    \
         notify \"{record} both any\"\n}}\n"
    )
}

/// All that was told in one life.
#[derive(Debug, Default)]
struct Told {
    /// The lines of the pipe that were there when everybody had been told of.
    start: Vec<String>,
    /// The lines about each, in order.
    lines: BTreeMap<String, Vec<String>>,
    /// The runs of scripts for each, sorted: keepalived starts them side by side.
    scripts: BTreeMap<String, Vec<String>>,
    /// What the script that reads a pipe was started with, each time.
    reader: String,
    /// Mode and owner of the pipe that was made.
    made: String,
    /// Whether it is there after the end, and the one that was there before.
    after: (bool, bool),
    /// With what a script was started besides its words.
    company: BTreeMap<&'static str, String>,
}

fn read(host: &Host, path: &str) -> Result<String, LabError> {
    let path = path.to_owned();
    host.run(move || fs::read_to_string(path).unwrap_or_default())
}

fn wait_for(host: &Host, what: &str, bound: Duration, count: usize) -> Tested {
    let end = Instant::now() + bound;
    loop {
        let text = read(host, "/run/lines")?;
        let seen = text.lines().filter(|line| line.starts_with(what)).count();
        if seen >= count {
            return Ok(());
        }
        if Instant::now() > end {
            let what = format!("{count} x {what} in the pipe; it said {text}");
            return Err(LabError::TooLate { what, bound });
        }
        sleep(Duration::from_millis(10));
    }
}

/// Sends a signal to one process, and not to its children.
fn tell(host: &Host, process: &Process, signal: &str) -> Tested {
    let pid = process.pid().to_string();
    host.output(["kill", signal, &pid])?.success().map(drop)
}

fn life(start: impl Fn(&Pair, &str) -> Result<Process, LabError>) -> Result<Told, LabError> {
    let pair = Pair::new(vip_program(), "auto")?;
    let Pair { a, b, client, .. } = &pair;
    b.write("/run/record.sh", RECORD)?;
    b.write("/run/reader.sh", READER)?;
    b.run(|| -> std::io::Result<()> {
        for script in ["/run/record.sh", "/run/reader.sh"] {
            fs::set_permissions(script, PermissionsExt::from_mode(0o755))?;
        }
        Ok(())
    })?
    .map_err(|source| LabError::System {
        step: "put scripts on a host",
        source,
    })?;
    b.ip(&[
        "link add dum0 type veth peer name dum1",
        "link set dum0 up",
        "link set dum1 up",
    ])?;
    b.output(["mkfifo", "-m", "640", "/run/states"])?
        .success()?;
    let _reader = b.spawn(["sh", "-c", "exec cat <> /run/states > /run/lines"])?;
    let mut told = Told::default();

    let file = configuration(true);
    let subject = start(&pair, &file)?;
    wait_for(b, "INSTANCE \"bare\" BACKUP", PATIENCE, 1)?;
    told.start = read(b, "/run/lines")?.lines().map(String::from).collect();
    told.start.truncate(7);
    for name in ["INSTANCE \"VI_1\"", "GROUP \"both\"", "INSTANCE \"bare\""] {
        wait_for(b, &format!("{name} MASTER"), PATIENCE, 1)?;
    }
    let about = b.output(["stat", "-c", "%a %U %G", "/run/ours"])?;
    told.made = about.success()?;

    // One of lower priority speaks up.
    let wire = Wire::open(client, "eth0")?;
    let advert = ForgedAdvert {
        mac: client.mac(),
        source: client.address(),
        ttl: 255,
        version: 3,
        vrid: VRID,
        priority: 10,
        interval: 10,
        password: None,
        addresses: vec![VIRTUAL],
        checksum_error: 0,
        destination: ForgedAdvert::GROUP,
    };
    wire.send(&advert.frame())?;
    wait_for(b, "INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI", PATIENCE, 1)?;
    // What it tracks goes and comes.
    b.ip(&["link set dum1 down"])?;
    wait_for(b, "INSTANCE \"VI_1\" MASTER_PRIORITY 80", PATIENCE, 1)?;
    b.ip(&["link set dum1 up"])?;
    wait_for(b, "INSTANCE \"VI_1\" MASTER_PRIORITY 90", PATIENCE, 1)?;
    // A better one comes and goes, and its priority changes meanwhile.
    let better = pair.start(a, &fast(200))?;
    up(&better)?;
    wait_for_address(a, VIRTUAL, true)?;
    wait_for(b, "INSTANCE \"VI_1\" BACKUP 90", PATIENCE, 2)?;
    b.ip(&["link set dum1 down"])?;
    wait_for(b, "INSTANCE \"VI_1\" BACKUP_PRIORITY 80", PATIENCE, 1)?;
    b.ip(&["link set dum1 up"])?;
    wait_for(b, "INSTANCE \"VI_1\" BACKUP_PRIORITY 90", PATIENCE, 1)?;
    better.signal(Signal::SIGTERM);
    better.wait(PATIENCE)?;
    wait_for(b, "INSTANCE \"VI_1\" MASTER 90", PATIENCE, 2)?;
    // The cable.
    b.cut()?;
    wait_for(b, "GROUP \"both\" FAULT", PATIENCE, 1)?;
    wait_for(b, "INSTANCE \"bare\" FAULT", PATIENCE, 1)?;
    b.mend()?;
    for name in [
        "INSTANCE \"VI_1\"",
        "INSTANCE \"untold\"",
        "INSTANCE \"bare\"",
    ] {
        let count = if name.contains("VI_1") { 3 } else { 2 };
        wait_for(b, &format!("{name} MASTER "), PATIENCE, count)?;
    }
    wait_for(b, "GROUP \"both\" MASTER", PATIENCE, 2)?;
    // A reload that changes nothing, then one that does.
    for (file, reads) in [(file, 2), (configuration(false), 3)] {
        let path = if subject.stderr().contains("Keepalived") {
            "/run/keepalived.conf"
        } else {
            "/run/vip.conf"
        };
        b.write(path, &file)?;
        tell(b, &subject, "-HUP")?;
        let end = Instant::now() + PATIENCE;
        while read(b, "/run/reader")?.lines().count() < reads && Instant::now() < end {
            sleep(Duration::from_millis(10));
        }
    }
    wait_for(b, "INSTANCE \"new\" MASTER", PATIENCE, 1)?;
    for name in ["told", "untold", "bare"] {
        let word = if name == "untold" {
            "FAULT 90"
        } else {
            "DELETED 90"
        };
        let count = if name == "untold" { 2 } else { 1 };
        wait_for(b, &format!("INSTANCE \"{name}\" {word}"), PATIENCE, count)?;
    }
    tell(b, &subject, "-TERM")?;
    assert_eq!(subject.wait(PATIENCE)?.code, Some(0));
    wait_for(b, "GROUP \"both\" STOP", PATIENCE, 1)?;

    for line in read(b, "/run/lines")?.lines() {
        let name = line.split(' ').nth(1).unwrap_or_default();
        told.lines.entry(name.into()).or_default().push(line.into());
    }
    for line in read(b, "/run/scripts")?.lines() {
        let name = line.split('>').next().unwrap_or_default();
        let name = name.trim_start_matches('<');
        told.scripts
            .entry(name.into())
            .or_default()
            .push(line.into());
    }
    told.scripts.values_mut().for_each(|all| all.sort());
    told.reader = read(b, "/run/reader")?;
    let is_there = |path: &'static str| b.run(move || fs::exists(path).unwrap_or_default());
    told.after = (is_there("/run/ours")?, is_there("/run/states")?);
    for what in COMPANY {
        // What the loader goes by is none of a script's: 2.2.7 hands it on.
        let text = read(b, &format!("/run/{what}"))?;
        let lines = text.lines().filter(|line| !line.starts_with("LD_"));
        let text = lines.collect::<Vec<_>>().join("\n");
        told.company.insert(what, text);
    }
    Ok(told)
}

#[test]
fn scripts_and_pipes_are_told_the_same() -> Tested {
    let ours = life(|pair, file| pair.start(&pair.b, file))?;
    let theirs = life(|pair, file| keepalived(&pair.b, file))?;
    println!("{ours:#?}");
    assert_eq!(ours.start, theirs.start, "order at the start");
    assert_eq!(ours.lines, theirs.lines, "lines of the pipe");
    assert_eq!(ours.scripts, theirs.scripts, "words of scripts");
    assert_eq!(ours.reader, theirs.reader, "words of the reader");
    assert_eq!(ours.made, theirs.made, "mode and owner of the pipe");
    assert_eq!(ours.after, theirs.after, "pipes that stay");
    assert_eq!(ours.company, theirs.company, "what else a script is given");
    Ok(())
}

/// One that waits for what its script finds first, in a group with one that does not,
/// one that a file makes weaker, and one that nothing keeps.
fn waiting() -> String {
    let mut text = String::from(
        "global_defs {\n    script_user root\n    vrrp_notify_priority_changes on\n    \
         notify_fifo /run/states\n}\n\
         vrrp_script slow {\n    script \"/bin/sleep 0.7\"\n    interval 2\n    timeout 2\n}\n\
         track_file size {\n    file /run/size\n    weight 1\n}\n",
    );
    for (name, vrid, more) in [
        ("free", 61, ""),
        ("waits", 62, "track_script {\n slow\n}"),
        ("beside", 63, ""),
        ("weak", 64, "track_file {\n size weight 1\n}"),
        ("alone", 65, "track_script {\n slow\n}"),
    ] {
        text += &format!(
            "vrrp_instance {name} {{\n    version 3\n    interface eth0\n    \
             virtual_router_id {vrid}\n    priority 90\n    advert_int 0.1\n    \
             virtual_ipaddress {{\n        192.168.8.{vrid}/24\n    }}\n    {more}\n}}\n"
        );
    }
    text + "vrrp_sync_group both {\n    group {\n        waits\n        beside\n    }\n}\n"
}

/// What is told of the start where somebody waits for a script, by whom it is about.
fn waited(start: impl Fn(&Pair, &str) -> Result<Process, LabError>) -> Result<String, LabError> {
    let pair = Pair::new(vip_program(), "auto")?;
    let b = &pair.b;
    b.write("/run/size", "-10\n")?;
    b.output(["mkfifo", "-m", "640", "/run/states"])?
        .success()?;
    let _reader = b.spawn(["sh", "-c", "exec cat <> /run/states > /run/lines"])?;
    let subject = start(&pair, &waiting())?;
    for name in [
        "INSTANCE \"free\"",
        "INSTANCE \"weak\"",
        "INSTANCE \"alone\"",
        "GROUP \"both\"",
    ] {
        wait_for(b, &format!("{name} MASTER"), PATIENCE, 1)?;
    }
    // When they become MASTER is up to their timers.
    let told = read(b, "/run/lines")?;
    let first = told.lines().filter(|line| !line.contains(" MASTER "));
    // keepalived has read the file before it tells anybody anything, vip meanwhile.
    let (weak, others): (Vec<_>, Vec<_>) = first.partition(|line| line.contains("weak"));
    let told = [weak, others].concat().join("\n");
    tell(b, &subject, "-TERM")?;
    subject.wait(PATIENCE)?;
    Ok(told)
}

#[test]
fn the_start_of_those_who_wait_for_a_script_is_told_the_same() -> Tested {
    let ours = waited(|pair, file| pair.start(&pair.b, file))?;
    let theirs = waited(|pair, file| keepalived(&pair.b, file))?;
    assert_eq!(ours, theirs);
    Ok(())
}
