//! What [`vip::kernel`] asks of a real kernel, each test in a network
//! namespace of its own. Needs root, as `cargo xtask test` has it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at what it did not expect"
)]
mod addresses;
mod engine;
mod links;
mod listeners;
mod packets;
mod release;
mod roads;
mod vmacs;
mod wire;

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use vip::config::estate::{Order, Route, Rule, RuleAction, Vmac};
use vip::kernel::sender::{AT_ONCE, FRAME_MARK};
use vip::kernel::speakers::{
    AlreadyClaimed, Bound, Heard, OwnVoice, claim_router, foreign_holders,
};
use vip::kernel::{
    Assignment, FrameSender, Inventory, Kernel, Link, LinkEvent, Membership, Monitor,
    NetlinkKernel, UnicastSender, VmacError, hold_protocol_112,
};
use vip_common::ids::{Family, MacAddr, Priority, Vrid};

pub(crate) const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));

/// Longest wait for something that the kernel does at once.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Runs a test on a thread in a fresh network namespace, which ends with it.
pub(crate) fn alone(test: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: run the tests as root");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A pair of interfaces, `a0` and `b0`, both up and running; their indexes.
pub(crate) fn cable() -> (u32, u32) {
    ip("link add a0 type veth peer name b0");
    ip("link set a0 up");
    ip("link set b0 up");
    // Carrier is told by a worker of the kernel, some time after `ip` returns.
    let index = |name| {
        Told::start()
            .changed("carrier", name, |link| link.running)
            .index
    };
    (index("a0"), index("b0"))
}

pub(crate) fn ip(arguments: &str) -> String {
    let output = try_ip(arguments);
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn try_ip(arguments: &str) -> Output {
    Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("ip, of iproute2")
}

pub(crate) fn link(name: &str) -> Link {
    Inventory::open()
        .unwrap()
        .by_name(name)
        .unwrap()
        .unwrap_or_else(|| panic!("no {name}"))
}

/// The IPv4 addresses of an interface as "address/prefix".
pub(crate) fn addresses(name: &str) -> Vec<String> {
    link(name)
        .ipv4()
        .map(|(address, prefix)| format!("{address}/{prefix}"))
        .collect()
}

pub(crate) fn wanted(ifindex: u32, last: u8) -> Assignment {
    Assignment::new(ifindex, IpAddr::from([192, 168, 8, last]), 24)
}

/// A runtime directory of its own for each test.
pub(crate) struct RuntimeDir(pub(crate) PathBuf);

impl RuntimeDir {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vip-kernel-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn list(&self) -> Option<String> {
        fs::read_to_string(self.0.join("installed")).ok()
    }

    pub(crate) fn open(&self) -> NetlinkKernel {
        NetlinkKernel::open(&self.0).unwrap()
    }
}

impl Drop for RuntimeDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a monitor has told so far.
pub(crate) struct Told {
    pub(crate) monitor: Monitor,
    pub(crate) events: Receiver<LinkEvent>,
}

impl Told {
    pub(crate) fn start() -> Self {
        let (tell, events) = channel();
        let monitor = Monitor::start(move |event| drop(tell.send(event))).unwrap();
        Self { monitor, events }
    }

    /// The next event that is the wanted one; what comes before is passed over.
    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&LinkEvent) -> bool) -> LinkEvent {
        let end = Instant::now() + SOON;
        let mut seen = Vec::new();
        loop {
            match self
                .events
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(event) if wanted(&event) => return event,
                Ok(event) => seen.push(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no event of {what}, but {seen:#?}")
                }
            }
        }
    }

    pub(crate) fn changed(&self, what: &str, name: &str, wanted: impl Fn(&Link) -> bool) -> Link {
        match self.wait(
            what,
            |event| matches!(event, LinkEvent::Changed(link) if link.name == name && wanted(link)),
        ) {
            LinkEvent::Changed(link) => link,
            LinkEvent::Gone { .. }
            | LinkEvent::Told { .. }
            | LinkEvent::Resync
            | LinkEvent::RouteGone { .. }
            | LinkEvent::RuleGone { .. } => unreachable!(),
        }
    }

    pub(crate) fn gone(&self, name: &str, index: u32) {
        let gone = LinkEvent::Gone {
            name: name.into(),
            index,
        };
        self.wait(&format!("{name} gone"), |event| *event == gone);
    }
}
