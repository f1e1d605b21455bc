//! What the kernel is asked to do, and what it tells of itself.
//!
//! [`Kernel`] is all that the hands thread asks for, so that a test can stand
//! in its place: addresses on, addresses off. [`NetlinkKernel`] does it.
//! [`Inventory`] and [`Monitor`] tell which interfaces there are and what
//! becomes of them. [`Membership`] and [`ProtocolHold`] keep the adverts
//! coming in, [`FrameSender`] sends ours. [`speakers`] looks for others on
//! this host who speak for the same virtual router.
//!
//! Everything here belongs to the network namespace of the thread that opens
//! it.

pub mod addresses;
pub mod features;
pub mod group;
pub mod hands;
pub mod inventory;
mod ledger;
pub mod monitor;
mod netlink;
pub mod sender;
pub mod speakers;
mod sys;

use std::fmt;
use std::io;
use std::net::Ipv4Addr;

pub use addresses::{NetlinkKernel, OpenError, Tidied, TidyError};
pub use group::{Membership, ProtocolHold, hold_protocol_112};
pub use inventory::{Inventory, Link};
pub use ledger::Listed;
pub use monitor::{LinkEvent, Monitor};
pub use sender::FrameSender;

/// What the hands thread asks of the kernel.
pub trait Kernel: Send {
    /// Puts addresses on their interfaces. One that is already there is a
    /// success; if it was there before us it stays somebody else's. The
    /// result comes when the kernel has acknowledged all of them.
    ///
    /// # Errors
    ///
    /// Names each address that could not be added; the others are installed.
    fn install(&mut self, batch: &[Assignment]) -> Result<Installed, InstallError>;

    /// Takes addresses off again: those that we have put there, nobody
    /// else's. One that is gone already is a success.
    ///
    /// # Errors
    ///
    /// Names each address that could not be removed; the others are.
    fn remove(&mut self, batch: &[Assignment]) -> Result<(), RemoveError>;
}

/// An address and where it goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assignment {
    /// The interface's index.
    pub ifindex: u32,
    /// The address.
    pub address: Ipv4Addr,
    /// Its prefix length, 0 to 32.
    pub prefix: u8,
    /// The broadcast address, if one is to be set.
    pub broadcast: Option<Ipv4Addr>,
    /// The scope as a number: 0 global, 253 link, 254 host.
    pub scope: u8,
    /// The label, at most 15 bytes; the kernel takes the interface's name if
    /// there is none.
    pub label: Option<String>,
}

impl Assignment {
    pub(crate) fn key(&self) -> Key {
        Key {
            ifindex: self.ifindex,
            address: self.address,
            prefix: self.prefix,
        }
    }
}

/// What makes an address one of its own for the kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    pub(crate) ifindex: u32,
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
}

/// What installing a batch came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Installed {
    /// These were there before us, put by somebody else; they will be left
    /// alone when the others are removed.
    pub before_us: Vec<Assignment>,
    /// Why the list of our addresses could not be kept: worth a warning,
    /// since a later start could not tidy up after a crash.
    pub unlisted: Option<String>,
}

/// An address that the kernel refused, and why.
#[derive(Debug)]
pub struct Failure {
    /// The address.
    pub address: Ipv4Addr,
    /// Its prefix length.
    pub prefix: u8,
    /// The interface's name, or its index if there is no such interface.
    pub interface: String,
    /// The errno.
    pub error: io::Error,
    /// The kernel's own sentence, where it gives one.
    pub note: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            prefix,
            interface,
            error,
            note,
        } = self;
        write!(f, "{address}/{prefix} on {interface}: {error}")?;
        if let Some(note) = note {
            write!(f, ", the kernel says: {note}")?;
        }
        if error.raw_os_error() == Some(libc::EPERM) {
            f.write_str("; vip needs CAP_NET_ADMIN")?;
        }
        Ok(())
    }
}

/// Some addresses could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("cannot add {}", Several(.failures))]
pub struct InstallError {
    /// Each of them; never empty.
    pub failures: Vec<Failure>,
}

/// Some addresses could not be removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot remove {}", Several(.failures))]
pub struct RemoveError {
    /// Each of them; never empty.
    pub failures: Vec<Failure>,
}

struct Several<'a>(&'a [Failure]);

impl fmt::Display for Several<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("nothing"),
            [one] => one.fmt(f),
            [one, rest @ ..] => write!(f, "{one} (and {} more)", rest.len()),
        }
    }
}

/// The name of an interface for people: `interface 7 (gone)` where there is
/// none of that index.
#[must_use]
pub fn interface_name(ifindex: u32) -> String {
    // The wrapper does not tell "none" from an empty name; no interface has one.
    match nix::net::if_::if_indextoname(ifindex) {
        Ok(name) if !name.is_empty() => name.to_string_lossy().into_owned(),
        _ => nameless(ifindex),
    }
}

fn nameless(ifindex: u32) -> String {
    format!("interface {ifindex} (gone)")
}
