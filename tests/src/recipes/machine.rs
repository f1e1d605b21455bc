//! A host with processes of its own, which a power cut ends all at once.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use nix::sys::signal::Signal;
use vip::lab::{Finished, Host, Lab, LabError, PATIENCE, Process};

use crate::dice::Rng;

/// A host of the laboratory with a process namespace of its own. Whatever daemons
/// start on it ends with it, however this program ends.
pub struct Machine {
    /// Its network.
    pub host: Host,
    running: Option<Running>,
    dice: Rng,
}

struct Running {
    /// The first process; the others end with it.
    init: Process,
    /// Its number, by which others enter its namespaces.
    pid: String,
}

impl Machine {
    /// A running machine on the switch, with empty and volatile directories in place
    /// of `disks`; what is there outlives a power cut.
    ///
    /// # Errors
    /// When the host cannot be made.
    pub fn new(lab: &Lab, name: &str, address: Ipv4Addr, disks: &[&str]) -> Result<Self, LabError> {
        let host = lab.host(name, address, 24)?;
        for disk in disks {
            let mount = ["mount", "-t", "tmpfs", "disk", disk];
            host.output(mount)?.success()?;
        }
        let seed = address.octets().map(u64::from).iter().sum();
        let mut machine = Self {
            host,
            running: None,
            dice: Rng::new(seed),
        };
        machine.start()?;
        Ok(machine)
    }

    /// The first process begins at another number each time, as on a machine where
    /// much else runs: what an old pid file names is somebody else's or nobody's.
    fn start(&mut self) -> Result<(), LabError> {
        let number = 1000 + self.dice.between(0, 20_000);
        let first = format!(
            "hostname {}; echo {number} >/proc/sys/kernel/ns_last_pid; echo up; \
             while :; do sleep 1; done",
            self.host.name()
        );
        let init = self.host.spawn([
            "unshare",
            "--pid",
            "--ipc",
            "--uts",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            &first,
        ])?;
        init.wait_for_line("up", PATIENCE)?;
        let children = format!("/proc/{0}/task/{0}/children", init.pid());
        let pid = fs::read_to_string(children).map_err(|source| LabError::System {
            step: "find the first process of a machine",
            source,
        })?;
        self.running = Some(Running {
            init,
            pid: pid.trim().to_owned(),
        });
        Ok(())
    }

    /// The cable out and every process dead.
    ///
    /// # Errors
    /// When the port of the switch is gone.
    pub fn power_off(&mut self) -> Result<(), LabError> {
        self.host.cut()?;
        if let Some(running) = self.running.take() {
            running.init.signal(Signal::SIGKILL);
        }
        Ok(())
    }

    /// The network as after a boot, an empty `/run`, the disks as they were, and no
    /// daemon.
    ///
    /// # Errors
    /// When a step of it fails.
    pub fn power_on(&mut self) -> Result<(), LabError> {
        self.host.boot()?;
        self.start()
    }

    fn inside(&self, argv: &[&str]) -> Result<Vec<String>, LabError> {
        let running = self.running.as_ref();
        let pid = running.map(|running| running.pid.clone());
        let pid = pid.ok_or_else(|| LabError::Gone(self.host.name().to_owned()))?;
        let enter = [
            "nsenter", "--target", &pid, "--mount", "--pid", "--ipc", "--uts", "--",
        ];
        Ok(enter
            .iter()
            .chain(argv)
            .map(|word| (*word).to_owned())
            .collect())
    }

    /// Starts a program on it.
    ///
    /// # Errors
    /// When it cannot be started, or the power is off.
    pub fn spawn(&self, argv: &[&str]) -> Result<Process, LabError> {
        self.host.spawn(self.inside(argv)?)
    }

    /// Runs a program on it to its end.
    ///
    /// # Errors
    /// As [`Machine::spawn`]; not when it fails.
    pub fn output(&self, argv: &[&str]) -> Result<Finished, LabError> {
        self.host.output(self.inside(argv)?)
    }

    /// Runs a script of the shell on it, as root, until the first failure.
    ///
    /// # Errors
    /// With its words when it fails.
    pub fn shell(&self, script: &str) -> Result<String, LabError> {
        self.output(&["sh", "-euc", script])?.success()
    }
}

/// Waits until `there` says so.
///
/// # Errors
/// With `what` when it does not within `bound`.
pub fn until(
    what: &str,
    bound: Duration,
    mut there: impl FnMut() -> Result<bool, LabError>,
) -> Result<(), LabError> {
    let end = vip::lab::now() + bound;
    while !there()? {
        if vip::lab::now() > end {
            return Err(LabError::TooLate {
                what: what.to_owned(),
                bound,
            });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
