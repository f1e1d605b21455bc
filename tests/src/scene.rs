//! Hosts A and B with `vip` on them, elected.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use vip::lab::pair::{Pair, VIRTUAL, VRID, version_3};
use vip::lab::{Frame, Host, LabError, PATIENCE, Process, now};
use vip_common::ids::Priority;
use vip_common::time::{Centis, MonoTime};

/// The interval of tests that need no other: 100 ms, so that a takeover takes
/// 0.36 s and a busy machine is no failure.
pub const FAST: Duration = Duration::from_millis(100);

/// The program under test: `VIP_PROGRAM`, else the one that the same build
/// has made.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn vip_program() -> PathBuf {
    if let Some(named) = std::env::var_os("VIP_PROGRAM") {
        return named.into();
    }
    let me = std::env::current_exe().unwrap_or_default();
    let built = me
        .ancestors()
        .nth(2)
        .map(|profile| profile.join("vip"))
        .unwrap_or_default();
    assert!(
        built.exists(),
        "{} is not built: cargo build -p vip-userspace",
        built.display()
    );
    built
}

/// The configuration of a host with this priority at [`FAST`].
#[must_use]
pub fn fast(priority: u8) -> String {
    let interval = Centis::new(10).unwrap_or(Centis::ONE_SECOND);
    version_3(Priority::from_wire(priority), interval)
}

/// A pair of hosts with their daemons.
pub struct Scene {
    /// The daemon on A.
    pub on_a: Process,
    /// The daemon on B.
    pub on_b: Process,
    /// The hosts. Last, so that the daemons end before the network does.
    pub pair: Pair,
}

impl Scene {
    /// A with priority 100 and B with 90 at [`FAST`]; A is master.
    ///
    /// # Errors
    /// When one of them does not start or A does not win.
    pub fn elected(xdp: &str) -> Result<Self, LabError> {
        let pair = Pair::new(vip_program(), xdp)?;
        Self::elect_on(pair, &fast(100), &fast(90))
    }

    /// The same on hosts made ready by the test.
    ///
    /// # Errors
    /// As [`Scene::elected`].
    pub fn elect_on(pair: Pair, file_a: &str, file_b: &str) -> Result<Self, LabError> {
        let on_a = pair.start(&pair.a, file_a)?;
        let on_b = pair.start(&pair.b, file_b)?;
        let scene = Self { on_a, on_b, pair };
        up(&scene.on_a)?;
        up(&scene.on_b)?;
        scene.settled()?;
        Ok(scene)
    }

    /// A is MASTER with the address, B is BACKUP without and has heard A.
    ///
    /// # Errors
    /// When it does not become so in time.
    pub fn settled(&self) -> Result<(), LabError> {
        let Pair { a, b, .. } = &self.pair;
        self.pair.wait_for_state(a, "MASTER", PATIENCE)?;
        self.pair
            .wait_for_status(b, "A is followed", PATIENCE, |status| {
                let instance = &status["instances"][0];
                instance["state"] == "BACKUP" && instance["master"].is_object()
            })?;
        self.wait_for_address(a, true)?;
        self.wait_for_address(b, false)
    }

    /// B is MASTER with the address, and its log says why in one line.
    ///
    /// # Errors
    /// When it does not become so in time.
    pub fn b_took_over(&self, since: MonoTime) -> Result<(), LabError> {
        self.pair.wait_for_state(&self.pair.b, "MASTER", PATIENCE)?;
        self.wait_for_address(&self.pair.b, true)?;
        let entering = "(VI_1) Entering MASTER STATE";
        self.on_b.wait_for_line_after(entering, since, PATIENCE)?;
        self.on_b
            .wait_for_line_after("(VI_1) no advert for ", since, PATIENCE)?;
        Ok(())
    }

    /// Waits until a host has the virtual address, or has it no more.
    ///
    /// # Errors
    /// When it does not become so in time.
    pub fn wait_for_address(&self, host: &Host, there: bool) -> Result<(), LabError> {
        wait_for_address(host, VIRTUAL, there)
    }

    /// A power cut on A: the daemon killed and the cable out. Says when.
    ///
    /// # Errors
    /// When the cable cannot be pulled.
    pub fn power_off_a(&self) -> Result<MonoTime, LabError> {
        let at = now();
        self.on_a.signal(Signal::SIGKILL);
        self.pair.a.cut()?;
        Ok(at)
    }

    /// How many of the two hosts have the virtual address.
    ///
    /// # Errors
    /// When a host does not list its addresses.
    pub fn owners(&self) -> Result<usize, LabError> {
        Ok(usize::from(self.pair.a.has(VIRTUAL)?) + usize::from(self.pair.b.has(VIRTUAL)?))
    }

    /// The adverts that a host has sent since.
    #[must_use]
    pub fn adverts_of(&self, host: &Host, since: MonoTime) -> Vec<Frame> {
        let port = host.port();
        self.pair.capture.select(|frame| {
            frame.is_from(port) && frame.advert(VRID).is_some() && frame.stamp >= since
        })
    }
}

/// Waits for the line that says that a daemon is up.
///
/// # Errors
/// With its last words when it has ended.
pub fn up(daemon: &Process) -> Result<(), LabError> {
    daemon
        .wait_for_line(" is up: ", PATIENCE)
        .map(drop)
        .map_err(|error| LabError::TooLate {
            what: format!("{error}; it said: {}", daemon.stderr()),
            bound: PATIENCE,
        })
}

/// Waits until a host has an address, or has it no more.
///
/// # Errors
/// When it does not become so in time.
pub fn wait_for_address(host: &Host, address: Ipv4Addr, there: bool) -> Result<(), LabError> {
    let end = now() + PATIENCE;
    while host.has(address)? != there {
        if now() > end {
            let verb = if there { "come to" } else { "leave" };
            return Err(LabError::TooLate {
                what: format!("{address} to {verb} host {}", host.name()),
                bound: PATIENCE,
            });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// The rung of the first interface in a status document.
#[must_use]
pub fn rung(status: &Value) -> &str {
    status["dataplane"][0]["rung"].as_str().unwrap_or("none")
}

/// The first instance of a status document.
#[must_use]
pub fn instance(status: &Value) -> &Value {
    &status["instances"][0]
}

/// How many adverts of `peer` the first instance has refused, and the name of
/// the last reason.
#[must_use]
pub fn refused(status: &Value, peer: &Host) -> (u64, String) {
    let address = peer.address().to_string();
    let found = instance(status)["peers"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|known| known["address"] == address.as_str());
    found.map_or((0, String::new()), |known| {
        let reason = known["refusal"].as_str().unwrap_or_default();
        (known["refused"].as_u64().unwrap_or(0), reason.to_owned())
    })
}

/// Whether a daemon has written a line with `pattern`.
#[must_use]
pub fn has_log(daemon: &Process, pattern: &str) -> bool {
    daemon
        .lines()
        .iter()
        .any(|line| line.text.contains(pattern))
}

/// The lines about changes of state that a daemon has written since, from the
/// instance's name on.
#[must_use]
pub fn last_state_lines(daemon: &Process, since: MonoTime) -> Vec<String> {
    daemon
        .lines()
        .iter()
        .filter(|line| line.stamp >= since)
        .filter(|line| !line.text.ends_with("no change of state"))
        .filter(|line| {
            line.text.ends_with(" STATE")
                || line.text.ends_with(" state")
                || line.text.ends_with("STATE (init)")
                || line.text.ends_with("Receive advertisement timeout")
        })
        .filter_map(|line| line.text.find("(VI_").map(|at| line.text[at..].to_owned()))
        .collect()
}
