//! The seed's scene: hosts A and B with one address between them, a client,
//! and `vip` started on a host as a person would.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use vip_common::ids::Priority;
use vip_common::time::Centis;

use super::{Capture, Host, Lab, LabError, PATIENCE, Process, now};

/// Host A's own address.
pub const ADDRESS_A: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 4);
/// Host B's own address.
pub const ADDRESS_B: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 6);
/// The client's address.
pub const ADDRESS_CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 2);
/// The address between A and B.
pub const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 100);
/// The virtual router of the seed's files.
pub const VRID: u8 = 51;
/// The file of A, as it was found: VRRPv2, priority 100, 1 s, with password.
pub const NODE_A: &str = include_str!("../../../tests/seed/nodeA.conf");
/// The file of B: the same with priority 90.
pub const NODE_B: &str = include_str!("../../../tests/seed/nodeB.conf");

/// Where [`Pair::start`] puts a host's configuration.
pub const FILE: &str = "/run/vip.conf";
/// The runtime directory on each host, whose `/run` is its own.
const RUNTIME_DIR: &str = "/run/vip";

/// The seed's file as VRRPv3 without password, for intervals below a second.
#[must_use]
pub fn version_3(priority: Priority, interval: Centis) -> String {
    let state = if priority.get() >= 100 {
        "MASTER"
    } else {
        "BACKUP"
    };
    let seconds = f64::from(interval.get()) / 100.0;
    format!(
        "vrrp_instance VI_1 {{\n    \
         version 3\n    \
         state {state}\n    \
         interface eth0\n    \
         virtual_router_id {VRID}\n    \
         priority {priority}\n    \
         advert_int {seconds}\n    \
         virtual_ipaddress {{\n        {VIRTUAL}/24\n    }}\n}}\n"
    )
}

/// Hosts A and B and a client on one switch, watched.
pub struct Pair {
    /// The switch, for more hosts.
    pub lab: Lab,
    /// Host A.
    pub a: Host,
    /// Host B.
    pub b: Host,
    /// The client.
    pub client: Host,
    /// Sees all ports since before the first daemon.
    pub capture: Capture,
    /// The program `vip`.
    pub program: PathBuf,
    /// What `--xdp` is told.
    pub xdp: String,
}

impl Pair {
    /// Builds the network; nothing runs on it yet.
    ///
    /// # Errors
    /// As [`Lab::new`].
    pub fn new(program: impl Into<PathBuf>, xdp: &str) -> Result<Self, LabError> {
        let lab = Lab::new()?;
        Ok(Self {
            a: lab.host("A", ADDRESS_A, 24)?,
            b: lab.host("B", ADDRESS_B, 24)?,
            client: lab.host("client", ADDRESS_CLIENT, 24)?,
            capture: lab.capture()?,
            lab,
            program: program.into(),
            xdp: xdp.to_owned(),
        })
    }

    /// The identities of its four network namespaces.
    #[must_use]
    pub fn namespaces(&self) -> Vec<u64> {
        let hosts = [&self.a, &self.b, &self.client].map(Host::namespace);
        [hosts.as_slice(), &[self.lab.namespace()]].concat()
    }

    /// Starts `vip run` with this configuration on a host.
    ///
    /// # Errors
    /// When it cannot be started; not when it ends at once, which the process
    /// tells.
    pub fn start(&self, host: &Host, configuration: &str) -> Result<Process, LabError> {
        host.write(FILE, configuration)?;
        self.vip(host, &["run", "-f", FILE, "--xdp", &self.xdp])
    }

    /// Runs `vip` with these arguments and the host's runtime directory.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn vip(&self, host: &Host, arguments: &[&str]) -> Result<Process, LabError> {
        let mut argv = vec![self.program.as_os_str()];
        argv.extend(arguments.iter().map(OsStr::new));
        argv.extend(["--runtime-dir", RUNTIME_DIR].map(OsStr::new));
        host.spawn(argv)
    }

    /// `vip status --json` of a host; `None` while no daemon answers there.
    ///
    /// # Errors
    /// When the program cannot be run or prints no JSON.
    pub fn status(&self, host: &Host) -> Result<Option<Value>, LabError> {
        let asked = self.vip(host, &["status", "--json"])?;
        let ended = asked.wait(PATIENCE)?;
        if ended.code == Some(6) {
            return Ok(None);
        }
        serde_json::from_str(&asked.stdout())
            .map(Some)
            .map_err(|error| LabError::System {
                step: "read the status document",
                source: error.into(),
            })
    }

    /// The status of a host as soon as `wanted` takes it.
    ///
    /// # Errors
    /// With the last status when it does not within `bound`.
    pub fn wait_for_status(
        &self,
        host: &Host,
        what: &str,
        bound: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, LabError> {
        let end = now() + bound;
        loop {
            let status = self.status(host)?;
            match status {
                Some(status) if wanted(&status) => return Ok(status),
                status if now() > end => {
                    let last = status.map_or_else(|| "no answer".into(), |s| s.to_string());
                    return Err(LabError::TooLate {
                        what: format!("{what} on {}; its status is {last}", host.name()),
                        bound,
                    });
                }
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Waits until the first instance of a host is in `state`.
    ///
    /// # Errors
    /// As [`Pair::wait_for_status`].
    pub fn wait_for_state(
        &self,
        host: &Host,
        state: &str,
        bound: Duration,
    ) -> Result<Value, LabError> {
        self.wait_for_status(host, state, bound, |status| {
            status["instances"][0]["state"] == state
        })
    }

    /// The switch carries nothing between A and B, or carries it again; both keep their
    /// carrier.
    ///
    /// # Errors
    /// When the switch does not take it.
    pub fn part(&self, apart: bool) -> Result<(), LabError> {
        let word = if apart { "on" } else { "off" };
        let lines =
            ["A", "B"].map(|host| format!("link set p-{host} type bridge_slave isolated {word}"));
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        self.lab.switch_ip(&lines)
    }
}
