//! Hosts made of network namespaces: a switch, the hosts on it, their cables.
//!
//! `vip demo` shows a failover with them and the namespace tests assert one.
//! A [`Host`] is a thread that has entered a network namespace and a mount
//! namespace of its own, with a `/run` of its own. Nothing has a name in the
//! host's file system: when the last thread and process inside is gone, the
//! kernel takes everything away, also after a crash. Each process started in a
//! host dies with the host's thread.
//!
//! [`Capture`] sees every frame at every port of the switch with the kernel's
//! stamp, [`Prober`] is a client that asks every millisecond.

mod capture;
mod error;
mod forge;
mod frame;
mod host;
mod link;
mod namespace;
pub mod pair;
mod probe;
mod process;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use vip_common::time::MonoTime;

pub use capture::Capture;
pub use error::LabError;
pub use forge::{ForgedAdvert, Wire, forged_claim, tagged};
pub use frame::{ArpOp, Direction, Frame, What};
pub use host::Host;
pub use link::AddressWatch;
pub use namespace::{Finished, threads_inside};
pub use probe::{Outage, Probe, Prober};
pub use process::{Ended, Line, Process};

use namespace::Namespace;

/// How long a step of the laboratory itself may take: making a link, running
/// `ip`, waiting for carrier. Far above what a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A switch with a namespace of its own, and the maker of the hosts on it.
pub struct Lab {
    switch: Arc<Namespace>,
}

impl Lab {
    /// An empty switch: a bridge without multicast snooping that forwards a
    /// port from the first moment.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN and CAP_NET_ADMIN, without `ip`, without bridges.
    pub fn new() -> Result<Self, LabError> {
        let switch = Arc::new(Namespace::new("switch")?);
        switch.ip_batch(&[
            "link set lo up",
            "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            "link set br0 up",
        ])?;
        Ok(Self { switch })
    }

    /// A host named `name` with one NIC `eth0` that has `address`/`prefix`, on
    /// a port `p-<name>` of the switch, carrier up. Its link-layer address is
    /// 02:00 and the four bytes of the address.
    ///
    /// # Errors
    /// As [`Lab::new`], and when the link does not come up.
    pub fn host(&self, name: &str, address: Ipv4Addr, prefix: u8) -> Result<Host, LabError> {
        Host::plug_in(&self.switch, name, address, prefix)
    }

    /// The identity of the switch's network namespace.
    #[must_use]
    pub fn namespace(&self) -> u64 {
        self.switch.identity()
    }

    /// Starts watching all ports of the switch.
    ///
    /// # Errors
    /// Without CAP_NET_RAW.
    pub fn capture(&self) -> Result<Capture, LabError> {
        Capture::start(&self.switch, capture::Wanted::default())
    }

    /// The same, and the answers that hosts give to a client's pings: who serves.
    ///
    /// # Errors
    /// As [`Lab::capture`].
    pub fn capture_answers(&self) -> Result<Capture, LabError> {
        let answers = capture::Wanted {
            answers: true,
            from: Vec::new(),
        };
        Capture::start(&self.switch, answers)
    }

    /// Starts watching only what arrives from these ports (up to 200), as
    /// [`Host::port`] names them: what a flood brings elsewhere stays in the kernel.
    ///
    /// # Errors
    /// As [`Lab::capture`].
    pub fn capture_from(&self, ports: &[u32]) -> Result<Capture, LabError> {
        let only = capture::Wanted {
            answers: false,
            from: ports.to_vec(),
        };
        Capture::start(&self.switch, only)
    }

    /// One more network, a bridge of the switch of that name, on which each of these
    /// hosts has a NIC of the same name, with carrier and without address. Returns
    /// their ports.
    ///
    /// # Errors
    /// As [`Lab::host`].
    pub fn network(&self, name: &'static str, hosts: &[&Host]) -> Result<Vec<u32>, LabError> {
        self.switch.ip_batch(&[
            format!("link add {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"),
            format!("link set {name} up"),
        ])?;
        hosts
            .iter()
            .map(|host| host.plug_into(&self.switch, name))
            .collect()
    }

    /// Runs `ip` with each line as its arguments, in the switch's namespace.
    ///
    /// # Errors
    /// When one of the lines fails; the rest is not tried.
    pub fn switch_ip(&self, lines: &[&str]) -> Result<(), LabError> {
        self.switch.ip_batch(lines)
    }
}

/// `CLOCK_MONOTONIC`, the clock of all stamps here.
#[must_use]
pub fn now() -> MonoTime {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Nanoseconds of a kernel clock; these clocks always exist, so a failure
/// reads as the origin.
fn read(clock: ClockId) -> MonoTime {
    clock_gettime(clock).map_or(MonoTime::ZERO, |time| MonoTime::ZERO + Duration::from(time))
}
