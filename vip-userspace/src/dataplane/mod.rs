//! The ear: how adverts and claims come off the wire.
//!
//! Four rungs, all with the same judgement ([`vip_common::wire::admit`]) and the
//! same reasons: our program in the driver ([`Rung::Native`]), in the kernel's
//! generic XDP hook ([`Rung::Generic`]), at TCX ingress ([`Rung::Tcx`]), or none,
//! and a packet socket instead ([`Rung::PacketSocket`]). Which one an interface
//! gets is decided in [`ladder`]; nobody is evicted for it, and every rung that
//! was passed by leaves its reason.
//!
//! There are two sides. [`Ears`] belongs to the thread that may sleep: it loads,
//! attaches, and asks the kernel whether we are attached still. An [`Ear`]
//! belongs to the engine: it is read without allocating, locking or sleeping.
//! [`Gauges`] are for everybody else: counters, who is refused, who claims.

mod cell;
mod driver;
mod ear;
mod ears;
mod error;
mod forecast;
mod gauges;
mod known;
mod ladder;
mod ledger;
mod link;
mod logs;
mod mapping;
mod object;
pub mod packet;
mod ring;
mod tcx;
mod xdp;

use std::fmt;
use std::str::FromStr;

use vip_common::ids::MacAddr;
use vip_common::layout::{AddressEntry, AddressKey, RouterEntry, RouterKey};

pub use driver::offload_tags;
pub use ear::{AddressNote, Ear, EarEvent, Known, Left, Memory, Repeats};
pub use ears::{Attached, Ears, Rehearsal};
pub use error::{Deaf, EarError};
pub use forecast::{Seen, forecast};
pub use gauges::Gauges;
pub(crate) use link::{BpfLink, Hook};
pub use logs::{NicLog, log_drain};
pub(crate) use object::refusal;
pub use ring::RingEar;

/// Whether this build lacks the program at the NIC, because there was no
/// compiler for it. Only the packet socket can be had then.
pub const STUB: bool = cfg!(ebpf_stub);

/// Which rung is asked for (`--xdp`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wanted {
    /// The highest that can be had; never an error.
    #[default]
    Auto,
    /// XDP in the driver or an error.
    Native,
    /// XDP in the kernel's generic hook or an error.
    Generic,
    /// TCX ingress or an error.
    Tcx,
    /// No BPF at all: the packet socket.
    Off,
}

impl FromStr for Wanted {
    type Err = UnknownRung;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word {
            "auto" => Self::Auto,
            "native" => Self::Native,
            "generic" => Self::Generic,
            "tcx" => Self::Tcx,
            "off" => Self::Off,
            _ => return Err(UnknownRung(word.to_owned())),
        })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Tcx => "tcx",
            Self::Off => "off",
        })
    }
}

/// Not the name of a rung.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{0}' is none of auto, native, generic, tcx, off")]
pub struct UnknownRung(String);

/// Where the ear of an interface is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rung {
    /// XDP in the driver: before the kernel has made a packet of it.
    Native,
    /// XDP in the kernel's generic hook, on any device.
    Generic,
    /// TCX ingress: sees VLAN tags that lie beside the frame, and has room for
    /// several programs.
    Tcx,
    /// A packet socket: no BPF program, refused packets reach the stack.
    PacketSocket,
}

impl fmt::Display for Rung {
    /// As log, status and JSON say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "xdp-native",
            Self::Generic => "xdp-generic",
            Self::Tcx => "tcx",
            Self::PacketSocket => "packet-socket",
        })
    }
}

/// An interface to listen on, and what to listen for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// The interface's name.
    pub name: String,
    /// Its index now.
    pub ifindex: u32,
    /// Its MAC.
    pub mac: MacAddr,
    /// What the kernel calls its kind (`vlan`, `bond`, `veth` …); `None` for a
    /// plain device.
    pub kind: Option<String>,
    /// Whether VLAN devices lie on it.
    pub has_vlans: bool,
    /// Its MTU, for the reason when the driver finds it too large.
    pub mtu: u32,
    /// The virtual routers on it.
    pub routers: Vec<(RouterKey, RouterEntry)>,
    /// Their addresses.
    pub addresses: Vec<(AddressKey, AddressEntry)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wanted_rung_is_read_as_it_is_written() {
        for wanted in [
            Wanted::Auto,
            Wanted::Native,
            Wanted::Generic,
            Wanted::Tcx,
            Wanted::Off,
        ] {
            assert_eq!(wanted.to_string().parse(), Ok(wanted));
        }
        assert_eq!(
            "Native".parse::<Wanted>(),
            Err(UnknownRung("Native".to_owned()))
        );
    }
}
