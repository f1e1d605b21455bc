//! Somebody else holds the kernel's netlink lock while one router takes over:
//! the others of the same daemon go on speaking.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fs, io::Write as _, thread};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use vip::lab::pair::{Pair, VIRTUAL, VRID, version_3};
use vip::lab::{PATIENCE, Process, now};
use vip_common::ids::Priority;
use vip_common::time::Centis;
use vip_tests::Tested;
use vip_tests::scene::{Scene, vip_program, wait_for_address};

const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 101);
/// How many pairs of interfaces are deleted at once: as many as make the
/// kernel hold its lock for several intervals.
const CROWD: usize = 200;

/// Two routers of one daemon, VI_1 and VI_2, at 10 ms.
fn two_routers(first: u8, second: u8) -> String {
    let interval = Centis::new(1).unwrap_or(Centis::ONE_SECOND);
    let text = |priority| version_3(Priority::from_wire(priority), interval);
    let other = text(second)
        .replace("VI_1", "VI_2")
        .replace("virtual_router_id 51", "virtual_router_id 52")
        .replace(&VIRTUAL.to_string(), &OTHER.to_string());
    text(first) + &other
}

/// A network namespace full of interfaces, which goes away when its thread is
/// let go: the kernel then deletes them all under its lock.
struct Crowd {
    let_go: mpsc::Sender<()>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Crowd {
    fn gather() -> std::io::Result<Self> {
        let (let_go, wait) = mpsc::channel();
        let (ready, gathered) = mpsc::channel();
        let thread = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let mut ip = Command::new("ip")
                .args(["-batch", "-"])
                .stdin(Stdio::piped())
                .spawn()?;
            let lines = "link add type veth\n".repeat(CROWD);
            if let Some(mut input) = ip.stdin.take() {
                input.write_all(lines.as_bytes())?;
            }
            let _ = ready.send(ip.wait()?.success());
            let _ = wait.recv();
            Ok(())
        });
        assert_eq!(gathered.recv(), Ok(true), "the crowd could not be made");
        Ok(Self { let_go, thread })
    }

    /// Has the kernel delete it, and says for how long a request of the same
    /// kind as adding an address had to wait meanwhile.
    fn scatter(self) -> Duration {
        drop(self.let_go);
        let _ = self.thread.join();
        let mut longest = Duration::ZERO;
        let end = Instant::now() + Duration::from_millis(400);
        while Instant::now() < end {
            let asked = Instant::now();
            let _ = Command::new("ip")
                .args(["link", "set", "dev", "lo", "up"])
                .status();
            longest = longest.max(asked.elapsed());
        }
        longest
    }
}

/// For how long the engine of a daemon has been ready to run and was not let,
/// since it began.
fn waited_for_a_processor(daemon: &Process) -> Option<Duration> {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.pid())).ok()?;
    let engine = tasks.flatten().map(|task| task.path()).find(|task| {
        fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == "vip-engine")
    })?;
    let statistics = fs::read_to_string(engine.join("schedstat")).ok()?;
    let nanos = statistics.split_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

#[test]
fn a_held_netlink_lock_silences_no_other_router() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let scene = Scene {
        on_a: pair.start(&pair.a, &two_routers(100, 90))?,
        on_b: pair.start(&pair.b, &two_routers(90, 100))?,
        pair,
    };
    let Scene { pair, on_a, on_b } = &scene;
    on_b.wait_for_line("(VI_2) Entering MASTER STATE", PATIENCE)?;
    wait_for_address(&pair.a, VIRTUAL, true)?;
    wait_for_address(&pair.b, OTHER, true)?;
    let crowd = Crowd::gather().unwrap();

    let before = waited_for_a_processor(on_a).unwrap();
    let cut = now();
    on_b.signal(Signal::SIGKILL);
    pair.b.cut()?;
    // In a namespace of its own, so that no interface of this host is touched.
    let held = pair.client.run(move || crowd.scatter())?;
    on_a.wait_for_line_after("(VI_2) Entering MASTER STATE", cut, PATIENCE)?;
    wait_for_address(&pair.a, OTHER, true)?;

    // What a neighbour of VI_1 would have seen.
    let stamps: Vec<_> = scene
        .adverts_of(&pair.a, cut)
        .iter()
        .filter(|frame| frame.advert(VRID).is_some())
        .map(|frame| frame.stamp)
        .collect();
    let longest = stamps
        .windows(2)
        .map(|two| two[1].since(two[0]))
        .max()
        .unwrap_or_default();
    // A kernel that is not preemptible also keeps the processor that deletes from
    // everybody, the engine included, until it is relieved.
    let preempted = waited_for_a_processor(on_a).unwrap() - before;
    println!(
        "the lock was held for {held:?}; VI_1's adverts were at most {longest:?} apart; \
         the engine was ready but not let run for {preempted:?}"
    );
    let interval = Duration::from_millis(10);
    assert!(
        held > interval * 2,
        "the lock was held for {held:?} only: nothing was tested"
    );
    assert!(stamps.len() > 10, "{} adverts", stamps.len());
    // Three intervals are within every neighbour's patience.
    assert!(longest < interval * 3, "VI_1 was silent for {longest:?}");
    Ok(())
}
