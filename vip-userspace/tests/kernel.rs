//! What [`vip::kernel`] asks of a real kernel, each test in a network
//! namespace of its own. Needs root, as `cargo xtask test` has it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at what it did not expect"
)]

use std::net::Ipv4Addr;
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
use vip::kernel::sender::FRAME_MARK;
use vip::kernel::speakers::{
    AlreadyClaimed, Bound, Heard, OwnVoice, claim_router, foreign_holders,
};
use vip::kernel::{
    Assignment, FrameSender, Inventory, Kernel, Link, LinkEvent, Membership, Monitor,
    NetlinkKernel, hold_protocol_112,
};
use vip_common::ids::{MacAddr, Vrid};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Longest wait for something that the kernel does at once.
const SOON: Duration = Duration::from_secs(10);

/// Runs a test on a thread in a fresh network namespace, which ends with it.
fn alone(test: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: run the tests as root");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A pair of interfaces, `a0` and `b0`, both up and running; their indexes.
fn cable() -> (u32, u32) {
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

fn ip(arguments: &str) -> String {
    let output = try_ip(arguments);
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn try_ip(arguments: &str) -> Output {
    Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("ip, of iproute2")
}

fn link(name: &str) -> Link {
    Inventory::open()
        .unwrap()
        .by_name(name)
        .unwrap()
        .unwrap_or_else(|| panic!("no {name}"))
}

/// The addresses of an interface as "address/prefix".
fn addresses(name: &str) -> Vec<String> {
    link(name)
        .addresses
        .iter()
        .map(|(address, prefix)| format!("{address}/{prefix}"))
        .collect()
}

fn wanted(ifindex: u32, last: u8) -> Assignment {
    Assignment {
        ifindex,
        address: Ipv4Addr::new(192, 168, 8, last),
        prefix: 24,
        broadcast: None,
        scope: 0,
        label: None,
    }
}

/// A runtime directory of its own for each test.
struct RuntimeDir(PathBuf);

impl RuntimeDir {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vip-kernel-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn list(&self) -> Option<String> {
        fs::read_to_string(self.0.join("installed")).ok()
    }

    fn open(&self) -> NetlinkKernel {
        NetlinkKernel::open(&self.0).unwrap()
    }
}

impl Drop for RuntimeDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_address_comes_with_all_it_was_given_and_goes() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let address = Assignment {
            broadcast: Some(Ipv4Addr::new(192, 168, 8, 255)),
            scope: 253,
            label: Some("a0:vip".into()),
            ..wanted(a0, 100)
        };
        let installed = kernel.install(std::slice::from_ref(&address)).unwrap();
        assert_eq!((installed.before_us, installed.unlisted), (vec![], None));
        let shown = ip("-o -4 addr show dev a0");
        assert!(
            shown.contains("192.168.8.100/24 brd 192.168.8.255 scope link"),
            "{shown}"
        );
        assert!(
            shown.contains("a0:vip") && shown.contains("valid_lft forever"),
            "{shown}"
        );
        assert!(
            dir.list()
                .unwrap()
                .contains(&format!("have a0 {a0} 192.168.8.100/24\n"))
        );

        kernel.remove(&[address]).unwrap();
        assert_eq!(addresses("a0"), [""; 0]);
        drop(kernel);
        assert_eq!(dir.list(), None, "nothing installed, no list");
    });
}

#[test]
fn this_kernel_keeps_marks_if_it_is_of_5_18_or_later() {
    alone(|| {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release
            .split(['.', '-'])
            .map_while(|word| word.parse::<u32>().ok());
        let version = (numbers.next().unwrap(), numbers.next().unwrap());
        // An older kernel may have it from its distributor.
        if version >= (5, 18) {
            assert!(RuntimeDir::new().open().marks());
        }
    });
}

#[test]
fn an_address_that_was_there_before_is_a_success_and_stays() {
    alone(|| {
        let (a0, _) = cable();
        ip("addr add 192.168.8.100/24 dev a0 valid_lft 1000 preferred_lft 1000");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let both = [wanted(a0, 100), wanted(a0, 101)];
        assert_eq!(kernel.install(&both).unwrap().before_us, [wanted(a0, 100)]);
        assert_eq!(addresses("a0"), ["192.168.8.100/24", "192.168.8.101/24"]);
        let shown = ip("-o -4 addr show dev a0 to 192.168.8.100/32");
        assert!(
            !shown.contains("forever"),
            "its lifetime is still its owner's: {shown}"
        );
        assert!(
            !dir.list()
                .unwrap()
                .contains(&format!("have a0 {a0} 192.168.8.100/24"))
        );

        kernel.remove(&both).unwrap();
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
        drop(kernel);
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn adding_and_removing_twice_is_a_success() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let batch = [wanted(a0, 100)];
        kernel.install(&batch).unwrap();
        assert_eq!(
            kernel.install(&batch).unwrap().before_us,
            [],
            "ours is not somebody else's the second time"
        );
        ip("addr del 192.168.8.100/24 dev a0");
        kernel.install(&batch).unwrap();
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
        ip("addr del 192.168.8.100/24 dev a0");
        kernel.remove(&batch).unwrap();
        kernel.remove(&batch).unwrap();
        kernel.install(&batch).unwrap();
        ip("link del a0");
        kernel.remove(&batch).unwrap();
    });
}

#[test]
fn three_hundred_addresses_in_one_call() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let many: Vec<Assignment> = (0..300u32)
            .map(|number| Assignment {
                address: Ipv4Addr::from_bits(0x0a00_0001 + number),
                prefix: 16,
                ..wanted(a0, 0)
            })
            .collect();
        kernel.install(&many).unwrap();
        assert_eq!(addresses("a0").len(), 300);
        // The first of them carries the other 299 in one subnet.
        kernel.remove(&many[..1]).unwrap();
        assert_eq!(addresses("a0").len(), 299);
        kernel.remove(&many).unwrap();
        assert_eq!(addresses("a0").len(), 0);
    });
}

#[test]
fn removing_the_first_of_a_subnet_leaves_the_others() {
    alone(|| {
        let (a0, _) = cable();
        fs::write("/proc/sys/net/ipv4/conf/a0/promote_secondaries", "0").unwrap();
        fs::write("/proc/sys/net/ipv4/conf/all/promote_secondaries", "0").unwrap();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let both = [wanted(a0, 100), wanted(a0, 101)];
        kernel.install(&both).unwrap();
        ip("addr add 192.168.8.7/24 brd 192.168.8.255 dev a0 label a0:own");
        kernel.remove(&both[..1]).unwrap();
        let shown = ip("-o -4 addr show dev a0");
        assert!(!shown.contains("192.168.8.100/"), "{shown}");
        assert!(
            shown.contains("192.168.8.101/24"),
            "another router's: {shown}"
        );
        assert!(
            shown.contains("192.168.8.7/24 brd 192.168.8.255 scope global secondary a0:own"),
            "{shown}"
        );
        assert!(dir.list().unwrap().contains("192.168.8.101/24"));
    });
}

#[test]
fn a_failed_add_names_address_and_interface_and_the_others_are_there() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let long = Assignment {
            label: Some("much-too-long-for-a-label".into()),
            ..wanted(a0, 101)
        };
        let error = kernel
            .install(&[wanted(4711, 100), wanted(a0, 100), long])
            .unwrap_err();
        assert_eq!(error.failures.len(), 2);
        let text = error.to_string();
        assert!(
            text.starts_with(
                "cannot add 192.168.8.100/24 on interface 4711 (gone): No such device"
            ),
            "{text}"
        );
        assert!(text.ends_with("(and 1 more)"), "{text}");
        assert_eq!(error.failures[1].interface, "a0");
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
        kernel.remove(&[wanted(a0, 100)]).unwrap();
        drop(kernel);
        assert_eq!(dir.list(), None, "what was not added is not listed");
    });
}

#[test]
fn a_restart_adopts_what_is_configured_and_removes_what_is_not() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        ip("addr add 192.168.8.103/24 dev a0");
        let mut dead = dir.open();
        dead.install(&[
            wanted(a0, 100),
            wanted(a0, 101),
            wanted(a0, 102),
            wanted(a0, 103),
        ])
        .unwrap();
        // It dies without a word, and somebody else makes one of them theirs.
        drop(dead);
        ip("addr del 192.168.8.102/24 dev a0");
        ip("addr add 192.168.8.102/24 dev a0");

        let mut kernel = dir.open();
        let tidied = kernel.tidy(&[wanted(a0, 100), wanted(a0, 103)]).unwrap();
        assert_eq!(
            tidied
                .adopted
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["192.168.8.100/24 on a0"]
        );
        assert_eq!(
            tidied
                .removed
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["192.168.8.101/24 on a0"]
        );
        let left: Vec<String> = tidied
            .left
            .iter()
            .map(|(entry, _)| entry.to_string())
            .collect();
        assert_eq!(left, ["192.168.8.102/24 on a0"]);
        let mut there = addresses("a0");
        there.sort();
        assert_eq!(
            there,
            ["192.168.8.100/24", "192.168.8.102/24", "192.168.8.103/24"]
        );

        kernel
            .remove(&[wanted(a0, 100), wanted(a0, 102), wanted(a0, 103)])
            .unwrap();
        assert_eq!(
            addresses("a0"),
            ["192.168.8.103/24", "192.168.8.102/24"],
            "only the adopted one was ours"
        );
    });
}

#[test]
fn a_crash_between_the_list_and_the_kernel_harms_nobody() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        dir.open().install(&[wanted(a0, 100)]).unwrap();
        let list = dir.list().unwrap();
        // Listed, and then the crash: the address is somebody else's.
        fs::write(
            dir.0.join("installed"),
            list + &format!("adding a0 {a0} 192.168.8.101/24\n"),
        )
        .unwrap();
        ip("addr add 192.168.8.101/24 dev a0");
        let tidied = dir.open().tidy(&[]).unwrap();
        assert_eq!(tidied.removed.len(), 1);
        assert_eq!(tidied.left.len(), 1);
        assert_eq!(addresses("a0"), ["192.168.8.101/24"]);
        assert_eq!(dir.list(), None);
        assert_eq!(
            dir.open().tidy(&[]).unwrap(),
            vip::kernel::Tidied::default()
        );
    });
}

#[test]
fn two_runtime_directories_do_not_touch_each_other() {
    alone(|| {
        let (a0, _) = cable();
        let [one, other] = [RuntimeDir::new(), RuntimeDir::new()];
        one.open().install(&[wanted(a0, 100)]).unwrap();
        let mut running = other.open();
        running.install(&[wanted(a0, 101)]).unwrap();
        assert_eq!(one.open().tidy(&[]).unwrap().removed.len(), 1);
        assert_eq!(addresses("a0"), ["192.168.8.101/24"]);
    });
}

#[test]
fn a_list_of_another_namespace_is_not_carried_out_here() {
    let dir = RuntimeDir::new();
    let path = dir.0.clone();
    alone(move || {
        let (a0, _) = cable();
        NetlinkKernel::open(&path)
            .unwrap()
            .install(&[wanted(a0, 100)])
            .unwrap();
        let list = fs::read_to_string(path.join("installed")).unwrap();
        let there = list.lines().next().unwrap().rsplit(' ').next().unwrap();
        let elsewhere = list.replacen(there, "1", 1);
        fs::write(path.join("installed"), elsewhere).unwrap();
        let mut kernel = NetlinkKernel::open(&path).unwrap();
        assert!(kernel.list_is_elsewhere());
        let error = vip::command::release::run(&path);
        assert!(error.is_ok(), "no lock was ever taken there");
        fs::write(path.join("lock"), "").unwrap();
        let error = vip::command::release::run(&path).unwrap_err();
        assert!(
            error.to_string().contains("another network namespace"),
            "{error}"
        );
        assert!(kernel.tidy(&[]).unwrap().elsewhere);
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
    });
}

#[test]
fn a_list_that_cannot_be_kept_is_said_and_stops_nothing() {
    alone(|| {
        let (a0, _) = cable();
        let mut kernel = NetlinkKernel::open(Path::new("/proc/no-such-directory")).unwrap();
        let installed = kernel.install(&[wanted(a0, 100)]).unwrap();
        assert!(
            installed
                .unlisted
                .is_some_and(|why| why.contains("installed"))
        );
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
        kernel.remove(&[wanted(a0, 100)]).unwrap();
        assert_eq!(addresses("a0"), [""; 0]);
    });
}

#[test]
fn release_does_nothing_while_a_daemon_runs() {
    alone(|| {
        let (a0, _) = cable();
        let dir = RuntimeDir::new();
        dir.open().install(&[wanted(a0, 100)]).unwrap();
        let file = fs::File::create(dir.0.join("lock")).unwrap();
        let lock =
            nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock).unwrap();
        let failure = vip::command::release::run(&dir.0).unwrap_err();
        assert_eq!(failure.exit as u8, 7, "{failure}");
        assert_eq!(addresses("a0"), ["192.168.8.100/24"]);
        drop(lock);
        for _ in 0..2 {
            assert_eq!(vip::command::release::run(&dir.0).unwrap() as u8, 0);
            assert_eq!(addresses("a0"), [""; 0]);
            assert_eq!(dir.list(), None);
        }
    });
}

struct Told {
    monitor: Monitor,
    events: Receiver<LinkEvent>,
}

impl Told {
    fn start() -> Self {
        let (tell, events) = channel();
        let monitor = Monitor::start(move |event| drop(tell.send(event))).unwrap();
        Self { monitor, events }
    }

    /// The next event that is the wanted one; what comes before is passed over.
    fn wait(&self, what: &str, wanted: impl Fn(&LinkEvent) -> bool) -> LinkEvent {
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

    fn changed(&self, what: &str, name: &str, wanted: impl Fn(&Link) -> bool) -> Link {
        match self.wait(
            what,
            |event| matches!(event, LinkEvent::Changed(link) if link.name == name && wanted(link)),
        ) {
            LinkEvent::Changed(link) => link,
            LinkEvent::Gone { .. } | LinkEvent::Resync => unreachable!(),
        }
    }

    fn gone(&self, name: &str, index: u32) {
        let gone = LinkEvent::Gone {
            name: name.into(),
            index,
        };
        self.wait(&format!("{name} gone"), |event| *event == gone);
    }
}

#[test]
fn the_monitor_tells_what_is_there_before_it_returns() {
    alone(|| {
        cable();
        ip("addr add 10.0.0.1/24 dev a0");
        let told = Told::start();
        let there: Vec<LinkEvent> = told.events.try_iter().collect();
        assert!(there.contains(&LinkEvent::Changed(link("a0"))), "{there:?}");
        let a0 = link("a0");
        assert_eq!(
            (a0.up, a0.running, a0.kind.as_deref(), a0.mtu),
            (true, true, Some("veth"), 1500)
        );
        assert_ne!(a0.mac, MacAddr::ZERO);
        assert_eq!(a0.primary_address(&[]), Some(Ipv4Addr::new(10, 0, 0, 1)));
        drop(told.monitor);
        let end = loop {
            match told.events.recv_timeout(SOON) {
                Ok(_) => {}
                Err(end) => break end,
            }
        };
        assert_eq!(
            end,
            RecvTimeoutError::Disconnected,
            "the thread has let go of its sink"
        );
    });
}

#[test]
fn the_monitor_sees_links_go_down_up_away_back_and_under_another_name() {
    alone(|| {
        let (index, _) = cable();
        let told = Told::start();
        ip("link set b0 down");
        told.changed("the cable pulled", "a0", |link| link.up && !link.running);
        ip("link set b0 up");
        told.changed("the cable back", "a0", |link| link.running);
        ip("link set a0 down");
        told.changed("down", "a0", |link| !link.up && !link.running);
        ip("link set a0 up");
        told.changed("up", "a0", |link| link.running);
        ip("link set a0 mtu 1400");
        told.changed("another MTU", "a0", |link| link.mtu == 1400);
        ip("link set a0 address 02:00:00:00:00:77");
        told.changed("another MAC", "a0", |link| {
            link.mac == MacAddr([2, 0, 0, 0, 0, 0x77])
        });

        ip("link set a0 name c0");
        told.gone("a0", index);
        assert_eq!(told.changed("the new name", "c0", |_| true).index, index);

        ip("link del c0");
        told.gone("c0", index);
        ip("link add c0 type veth peer name b0");
        assert_ne!(
            told.changed("one of the same name", "c0", |_| true).index,
            index
        );
    });
}

#[test]
fn the_monitor_follows_addresses() {
    alone(|| {
        cable();
        let told = Told::start();
        let [first, second] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        ip("addr add 10.0.0.1/24 dev a0");
        told.changed("an address", "a0", |link| link.addresses == [(first, 24)]);
        ip("addr add 10.0.0.2/24 dev a0");
        told.changed("a second", "a0", |link| {
            link.addresses == [(first, 24), (second, 24)]
        });
        fs::write("/proc/sys/net/ipv4/conf/a0/promote_secondaries", "1").unwrap();
        ip("addr del 10.0.0.1/24 dev a0");
        told.changed("the second as the first", "a0", |link| {
            link.addresses == [(second, 24)]
        });
        ip("addr flush dev a0");
        told.changed("none", "a0", |link| link.primary_address(&[]).is_none());
    });
}

#[test]
fn a_port_that_leaves_its_bridge_is_not_gone() {
    alone(|| {
        let (index, _) = cable();
        let bridged = try_ip("link add br0 type bridge");
        if !bridged.status.success() {
            eprintln!("not shown: this kernel has no bridge");
            return;
        }
        let told = Told::start();
        ip("link set a0 master br0");
        ip("link set a0 nomaster");
        ip("link set a0 mtu 1400");
        let event = told.wait("the last word on a0", |event| match event {
            LinkEvent::Changed(link) => link.name == "a0" && link.mtu == 1400,
            LinkEvent::Gone { index: gone, .. } => *gone == index,
            LinkEvent::Resync => false,
        });
        assert!(matches!(event, LinkEvent::Changed(_)), "{event:?}");
    });
}

#[test]
fn a_monitor_that_is_overrun_reads_everything_again() {
    alone(|| {
        cable();
        let (enter, entered) = channel();
        let (go, gate) = channel::<()>();
        let (tell, events) = channel();
        let mut held = false;
        let monitor = Monitor::start(move |event| {
            // The first news after the start holds the thread until the gate opens.
            if matches!(&event, LinkEvent::Changed(link) if link.mtu == 1300) && !held {
                held = true;
                let _ = enter.send(());
                let _ = gate.recv_timeout(SOON * 6);
            }
            let _ = tell.send(event);
        })
        .unwrap();
        ip("link set a0 mtu 1300");
        entered.recv_timeout(SOON).unwrap();
        let flood = RuntimeDir::new();
        let lines: String = (0..12_000)
            .map(|n| format!("link set b0 mtu {}\n", 1400 + n % 2))
            .collect();
        let script = flood.0.join("flood");
        fs::write(&script, lines + "link set b0 mtu 1234\n").unwrap();
        ip(&format!("-batch {}", script.display()));
        go.send(()).unwrap();
        let mut last = None;
        let end = Instant::now() + SOON;
        loop {
            match events
                .recv_timeout(end.saturating_duration_since(Instant::now()))
                .expect("a resync")
            {
                LinkEvent::Changed(link) if link.name == "b0" => last = Some(link.mtu),
                LinkEvent::Resync => break,
                LinkEvent::Changed(_) | LinkEvent::Gone { .. } => {}
            }
        }
        assert_eq!(last, Some(1234));
        ip("link set b0 mtu 1235");
        loop {
            match events.recv_timeout(SOON).expect("news after the resync") {
                LinkEvent::Changed(link) if link.name == "b0" && link.mtu == 1235 => break,
                LinkEvent::Changed(_) | LinkEvent::Gone { .. } | LinkEvent::Resync => {}
            }
        }
        drop(monitor);
    });
}

#[test]
fn membership_lasts_as_long_as_its_handle() {
    alone(|| {
        let (a0, _) = cable();
        let joined = || {
            let shown = ip("maddr show dev a0");
            (
                shown.contains("inet  224.0.0.18"),
                shown.contains("01:00:5e:00:00:12"),
            )
        };
        let membership = Membership::join(GROUP, a0).unwrap();
        assert_eq!(joined(), (true, true));
        ip("link set a0 down");
        ip("link set a0 up");
        assert_eq!(joined(), (true, true), "it outlives a link that flaps");
        membership.renew().unwrap();
        assert_eq!(joined(), (true, true));
        assert_eq!(membership.ifindex(), a0);
        drop(membership);
        assert_eq!(joined(), (false, false));

        let membership = Membership::join(GROUP, a0).unwrap();
        ip("link del a0");
        assert_eq!(
            membership.renew().unwrap_err().raw_os_error(),
            Some(libc::ENODEV)
        );
        assert_eq!(
            Membership::join(GROUP, a0).unwrap_err().raw_os_error(),
            Some(libc::ENODEV)
        );
    });
}

/// A program that speaks for VRID 51 on `a0`, as daemons with raw IP sockets do.
fn other_speaker() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).unwrap();
    socket.bind_device(Some(b"a0")).unwrap();
    socket
}

const ADVERT: [u8; 8] = [0x31, 51, 100, 0, 1, 0, 0x6a, 0xfc];

fn frame(vrid: u8) -> Vec<u8> {
    let mut frame = vec![0x01, 0, 0x5e, 0, 0, 0x12, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend_from_slice(&[
        0x45, 0xc0, 0, 28, 0, 1, 0, 0, 255, 112, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18,
    ]);
    frame.extend_from_slice(&[0x21, vrid, 100, 0, 0, 1, 0, 0]);
    frame
}

/// A packet socket on the other end of the cable.
fn listener(ifindex: u32) -> OwnedFd {
    // Listening before anything is sent, and for nothing but outgoing-blind IPv4.
    let socket = Socket::new(
        Domain::PACKET,
        Type::RAW,
        Some(Protocol::from(i32::from(0x0800u16.to_be()))),
    )
    .unwrap();
    let name = nix::net::if_::if_indextoname(ifindex).unwrap();
    assert_eq!(name.to_str(), Ok("b0"));
    socket.into()
}

fn readable(fd: impl AsFd, within: Duration) -> bool {
    let mut waits = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut waits, PollTimeout::try_from(within).unwrap()).unwrap() > 0
}

#[test]
fn frames_arrive_and_an_interface_that_was_down_is_no_lasting_error() {
    alone(|| {
        let (a0, b0) = cable();
        let ear = listener(b0);
        let sender = FrameSender::open(a0).unwrap();
        sender.send(&frame(7)).unwrap();
        assert!(readable(&ear, SOON));
        let mut buffer = [0u8; 256];
        let length = nix::sys::socket::recv(
            ear.as_raw_fd(),
            &mut buffer,
            nix::sys::socket::MsgFlags::empty(),
        )
        .unwrap();
        assert_eq!(buffer[..length], frame(7));

        ip("link set a0 down");
        assert_eq!(
            sender.send(&frame(7)).unwrap_err().raw_os_error(),
            Some(libc::ENETDOWN)
        );
        ip("link set a0 up");
        sender.send(&frame(7)).unwrap();
        ip("link set a0 down");
        ip("link set a0 up");
        sender.send(&frame(7)).unwrap();
        ip("link del a0");
        let gone = sender.send(&frame(7)).unwrap_err().raw_os_error();
        assert!(
            matches!(gone, Some(libc::ENXIO | libc::ENETDOWN | libc::ENODEV)),
            "{gone:?}"
        );
        assert_eq!(
            FrameSender::open(a0).unwrap_err().raw_os_error(),
            Some(libc::ENODEV)
        );
    });
}

#[test]
fn another_voice_of_this_host_is_heard_and_our_own_is_not() {
    alone(|| {
        let (a0, _) = cable();
        ip("addr add 10.0.0.1/24 dev a0");
        let [ours, theirs] = [7, 51].map(|vrid| Vrid::new(vrid).unwrap());
        let voice = OwnVoice::open(a0, &[ours, theirs]).unwrap();
        assert_eq!(voice.drain(), None);

        // Ours, straight to the driver.
        FrameSender::open(a0).unwrap().send(&frame(7)).unwrap();
        // A VRID that is nobody's business here, and then theirs.
        let other = other_speaker();
        let to = SockAddr::from(std::net::SocketAddrV4::new(GROUP, 0));
        other.send_to(&[0x31, 52, 100, 0, 1, 0, 0, 0], &to).unwrap();
        other.send_to(&ADVERT, &to).unwrap();
        assert!(readable(&voice, SOON));
        let heard = Heard {
            vrid: theirs,
            source: Ipv4Addr::new(10, 0, 0, 1),
            mac: link("a0").mac,
        };
        assert_eq!(voice.drain(), Some(heard));
        assert_eq!(
            voice.drain(),
            None,
            "our own frame, sent first, was not heard"
        );
    });
}

#[test]
fn a_frame_of_ours_that_took_the_ordinary_way_is_known_by_its_mark() {
    alone(|| {
        let (a0, _) = cable();
        ip("addr add 10.0.0.1/24 dev a0");
        let voice = OwnVoice::open(a0, &[Vrid::new(51).unwrap()]).unwrap();
        let to = SockAddr::from(std::net::SocketAddrV4::new(GROUP, 0));
        let speaker = other_speaker();
        speaker.set_mark(FRAME_MARK).unwrap();
        speaker.send_to(&ADVERT, &to).unwrap();
        // Veth hands a frame over before `send_to` returns.
        assert_eq!(voice.drain(), None);
        speaker.set_mark(FRAME_MARK + 1).unwrap();
        speaker.send_to(&ADVERT, &to).unwrap();
        assert!(readable(&voice, SOON));
    });
}

#[test]
fn what_comes_in_is_no_voice_of_this_host() {
    alone(|| {
        let (a0, b0) = cable();
        let vrid = Vrid::new(7).unwrap();
        let voice = OwnVoice::open(a0, &[vrid]).unwrap();
        let ear = listener(b0);
        FrameSender::open(b0).unwrap().send(&frame(7)).unwrap();
        assert!(readable(&ear, SOON), "it has gone through the cable");
        assert_eq!(voice.drain(), None);
    });
}

#[test]
fn a_router_is_claimed_once_in_a_namespace_and_free_when_the_claim_goes() {
    alone(|| {
        let [one, other] = [1, 2].map(|vrid| Vrid::new(vrid).unwrap());
        let claim = claim_router(7, one).unwrap();
        let error = claim_router(7, one).unwrap_err();
        let AlreadyClaimed::By { holder, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(holder.pid, Some(std::process::id()));
        assert!(
            error
                .to_string()
                .contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        let _elsewhere = (
            claim_router(8, one).unwrap(),
            claim_router(7, other).unwrap(),
        );
        alone(move || drop(claim_router(7, one).unwrap()));
        drop(claim);
        claim_router(7, one).unwrap();
    });
}

#[test]
fn the_hold_hears_nothing_and_keeps_the_host_from_refusing() {
    alone(|| {
        cable();
        ip("link set lo up");
        let counted = || {
            let table = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
            let mut lines = table.lines().filter(|line| line.starts_with("Icmp:"));
            let column = lines
                .next()
                .unwrap()
                .split(' ')
                .position(|word| word == "OutDestUnreachs")
                .unwrap();
            lines
                .next()
                .unwrap()
                .split(' ')
                .nth(column)
                .unwrap()
                .parse::<u64>()
                .unwrap()
        };
        let speaker = Socket::new(
            Domain::IPV4,
            Type::RAW,
            Some(Protocol::from(libc::IPPROTO_RAW)),
        )
        .unwrap();
        let mut packet = vec![
            0x45, 0xc0, 0, 28, 0, 1, 0, 0, 255, 112, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1,
        ];
        packet.extend_from_slice(&ADVERT);
        let to = SockAddr::from(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
        // Loopback delivers before `send_to` returns.
        speaker.send_to(&packet, &to).unwrap();
        assert_eq!(counted(), 1, "without the hold the host refuses");
        let hold = hold_protocol_112().unwrap();
        speaker.send_to(&packet, &to).unwrap();
        assert_eq!(counted(), 1);
        assert!(hold.is_silent().unwrap());
    });
}

#[test]
fn another_programs_raw_socket_is_found_with_its_process() {
    alone(|| {
        let (a0, b0) = cable();
        let _hold = hold_protocol_112().unwrap();
        assert_eq!(foreign_holders(a0).unwrap(), []);
        // Another program: the socket is inherited, and ours is closed.
        let socket = other_speaker();
        let inherited = Socket::from(OwnedFd::from(socket));
        inherited.set_cloexec(false).unwrap();
        let mut program = Command::new("sleep").arg("60").spawn().unwrap();
        drop(inherited);
        let holders = foreign_holders(a0).unwrap();
        let elsewhere = foreign_holders(b0).unwrap();
        program.kill().unwrap();
        program.wait().unwrap();
        let [holder] = holders.as_slice() else {
            panic!("{holders:?}")
        };
        assert_eq!(
            (holder.pid, holder.bound),
            (Some(program.id()), Bound::Here)
        );
        assert_eq!(holder.command, "sleep");
        assert_eq!(elsewhere, [], "bound to another interface");
        assert_eq!(foreign_holders(a0).unwrap(), [], "gone with its process");
    });
}

#[test]
fn without_an_interface_there_is_an_error_and_no_panic() {
    alone(|| {
        let gone: io::Error = OwnVoice::open(4711, &[]).unwrap_err();
        assert_eq!(gone.raw_os_error(), Some(libc::ENODEV));
        assert_eq!(Inventory::open().unwrap().by_name("a0").unwrap(), None);
    });
}
