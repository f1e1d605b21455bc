//! One host of the laboratory with its daemon, and all that is known of it.

use std::net::IpAddr;
use std::path::Path;

use nix::sys::signal::Signal;
use vip::lab::pair::{ADDRESS_CLIENT, VIRTUAL, VRID};
use vip::lab::{AddressWatch, Host, LabError, PATIENCE, Process, now};
use vip_common::time::MonoTime;

use super::fault::Fault;
use super::footprint::Footprint;
use super::line::Line;
use super::{ADDRESSES, BY_VIRTUAL_MAC, RUNTIME_DIR};
use crate::peer::VIRTUAL6;
use crate::scene::up;

const FILE: &str = "/run/chaos.conf";
/// Refused by any reader: there is no such virtual router.
const BAD: &str = "vrrp_instance VI_1 {\n    virtual_router_id 300\n}\n";

/// What differs between the configurations of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Its priority.
    pub(super) priority: u8,
    /// How many addresses it has beyond the common ones.
    pub(super) more: u8,
    /// Gratuitous ARPs in a burst.
    pub(super) repeats: u8,
}

/// A host, its daemon, and what it has been through.
pub(super) struct Node {
    daemon: Option<Process>,
    watch: AddressWatch,
    pub(super) host: Host,
    before: Footprint,
    /// The daemon is there and not stopped.
    pub(super) running: Line,
    /// It has a cable.
    pub(super) connected: Line,
    /// The daemon may become master: it is not leaving, nor drained.
    pub(super) willing: Line,
    /// What is wrong with it, and until which step.
    pub(super) trouble: Option<(Fault, u32)>,
    /// Its configuration.
    pub(super) shape: Shape,
    /// What its daemons have written, each line with its moment.
    log: Vec<(MonoTime, String)>,
}

impl Node {
    pub(super) fn new(host: Host, priority: u8) -> Result<Self, LabError> {
        let mut connected = Line::default();
        connected.set(MonoTime::ZERO, true);
        let mut willing = Line::default();
        willing.set(MonoTime::ZERO, true);
        Ok(Self {
            daemon: None,
            watch: AddressWatch::start(&host)?,
            before: Footprint::of(&host)?,
            host,
            running: Line::default(),
            connected,
            willing,
            trouble: None,
            shape: Shape {
                priority,
                more: 0,
                repeats: 5,
            },
            log: Vec::new(),
        })
    }

    /// Starts the daemon and waits until it is up.
    pub(super) fn start(&mut self, program: &Path, interval: f64) -> Result<(), LabError> {
        self.write(interval)?;
        let program = program.to_string_lossy();
        let daemon =
            self.host
                .spawn([&*program, "run", "-f", FILE, "--runtime-dir", RUNTIME_DIR])?;
        up(&daemon)?;
        self.daemon = Some(daemon);
        self.willing.set(now(), true);
        self.running.set(now(), true);
        Ok(())
    }

    fn write(&self, interval: f64) -> Result<(), LabError> {
        self.host.write(FILE, &text(self.shape, interval))
    }

    pub(super) fn kill(&mut self) {
        self.running.set(now(), false);
        if let Some(daemon) = self.daemon.take() {
            daemon.signal(Signal::SIGKILL);
            self.keep_log(&daemon);
        }
    }

    /// A planned leave to its end; whether it ended well.
    pub(super) fn leave(&mut self) -> Result<bool, LabError> {
        self.willing.set(now(), false);
        let Some(daemon) = self.daemon.take() else {
            return Ok(true);
        };
        daemon.signal(Signal::SIGTERM);
        let ended = daemon.wait(PATIENCE)?;
        self.running.set(now(), false);
        self.keep_log(&daemon);
        Ok(ended.code == Some(0))
    }

    fn keep_log(&mut self, daemon: &Process) {
        let lines = daemon.lines().into_iter();
        self.log.extend(lines.map(|line| (line.stamp, line.text)));
    }

    pub(super) fn pause(&mut self, on: bool) {
        let Some(daemon) = &self.daemon else { return };
        if on {
            self.running.set(now(), false);
            daemon.signal(Signal::SIGSTOP);
        } else {
            daemon.signal(Signal::SIGCONT);
            self.running.set(now(), true);
        }
    }

    /// Has the daemon read its file again; whether it took it.
    pub(super) fn reload(&self, program: &Path, interval: f64) -> Result<bool, LabError> {
        self.write(interval)?;
        Ok(self.ask(program, &["reload"])? == Some(0))
    }

    /// The same with a file that nobody can take; whether it was refused.
    pub(super) fn reload_badly(&self, program: &Path, interval: f64) -> Result<bool, LabError> {
        self.host.write(FILE, BAD)?;
        let code = self.ask(program, &["reload"])?;
        self.write(interval)?;
        Ok(code != Some(0))
    }

    /// Runs `vip` with these arguments; its exit code.
    pub(super) fn ask(&self, program: &Path, words: &[&str]) -> Result<Option<i32>, LabError> {
        let program = program.to_string_lossy();
        let mut argv = vec![&*program];
        argv.extend(words);
        argv.extend(["--runtime-dir", RUNTIME_DIR]);
        Ok(self.host.output(argv)?.code())
    }

    /// Deletes the virtual addresses it has, as a network manager may.
    pub(super) fn delete_addresses(&self) -> Result<(), LabError> {
        for address in ADDRESSES {
            if self.host.has(address)? {
                let prefix = if address.is_ipv4() { 24 } else { 64 };
                let shown = format!("{address}/{prefix}");
                // It may be going just now.
                self.host
                    .output(["ip", "addr", "del", &shown, "dev", "eth0"])?;
            }
        }
        Ok(())
    }

    /// When it had an address.
    pub(super) fn had(&self, address: IpAddr) -> Line {
        Line::of(self.watch.history(address))
    }

    /// Whether it could serve at that moment.
    pub(super) fn able(&self, at: MonoTime) -> bool {
        self.reachable(at) && self.willing.at(at)
    }

    /// Whether its daemon hears and is heard, as far as it is concerned.
    pub(super) fn reachable(&self, at: MonoTime) -> bool {
        self.running.at(at) && self.connected.at(at)
    }

    pub(super) fn moments(&self) -> impl Iterator<Item = MonoTime> {
        let lines = [&self.running, &self.connected, &self.willing];
        lines.into_iter().flat_map(Line::moments)
    }

    /// What its daemons wrote between two moments.
    pub(super) fn wrote(&self, from: MonoTime, to: MonoTime) -> Vec<(MonoTime, String)> {
        let running = self.daemon.iter().flat_map(Process::lines);
        self.log
            .iter()
            .cloned()
            .chain(running.map(|line| (line.stamp, line.text)))
            .filter(|(at, _)| *at >= from && *at <= to)
            .collect()
    }

    /// What is there now that was not before the first daemon, or the reverse.
    pub(super) fn left_behind(&self) -> Result<String, LabError> {
        Ok(self.before.difference(&Footprint::of(&self.host)?))
    }
}

/// Three instances, with all that may be left behind: addresses of both
/// families, a route, a rule, an interface of its own, a firewall table.
fn text(shape: Shape, interval: f64) -> String {
    let Shape {
        priority,
        more,
        repeats,
    } = shape;
    let common = format!(
        "version 3\n    \
         state BACKUP\n    \
         interface eth0\n    \
         priority {priority}\n    \
         advert_int {interval}\n    \
         garp_master_repeat {repeats}\n"
    );
    let more: String = (0..more)
        .map(|number| format!("        192.168.8.{}/24\n", 110 + number))
        .collect();
    format!(
        "vrrp_instance VI_1 {{\n    {common}    \
         virtual_router_id {VRID}\n    \
         virtual_ipaddress {{\n        {VIRTUAL}/24\n{more}    }}\n    \
         virtual_routes {{\n        10.77.0.0/16 via {ADDRESS_CLIENT} dev eth0\n    }}\n    \
         virtual_rules {{\n        from {VIRTUAL} lookup 77\n    }}\n}}\n\
         vrrp_instance VI_2 {{\n    {common}    \
         virtual_router_id {}\n    \
         use_vmac\n    \
         no_accept\n    \
         virtual_ipaddress {{\n        {BY_VIRTUAL_MAC}/24\n    }}\n}}\n\
         vrrp_instance VI_3 {{\n    {common}    \
         virtual_router_id {VRID}\n    \
         virtual_ipaddress {{\n        {VIRTUAL6}/64\n    }}\n}}\n",
        VRID + 1
    )
}
