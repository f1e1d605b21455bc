//! What can go wrong, said so that one can act on it.

use std::io;

use super::Rung;

/// Why there is no ear.
#[derive(Debug, thiserror::Error)]
pub enum EarError {
    /// The build has no program for the NIC.
    #[error(
        "this binary was built without the program at the NIC, so {0} cannot be had: \
         `cargo xtask setup` installs what builds it, then build again; or use --xdp auto"
    )]
    Stub(Rung),
    /// The kernel did not take the programs or their maps.
    #[error("{rung} cannot be had: {why}; --xdp auto would use a packet socket")]
    Load {
        /// The rung that was asked for.
        rung: Rung,
        /// Why not.
        why: String,
    },
    /// The rung that was asked for cannot be had on an interface.
    #[error("{rung} cannot be had on {interface}: {why}; --xdp auto would take the next rung")]
    Attach {
        /// The rung that was asked for.
        rung: Rung,
        /// The interface.
        interface: String,
        /// Why not.
        why: String,
    },
    /// No packet socket either.
    #[error("no packet socket on {interface}: {what}: {error}{}", hint(error))]
    PacketSocket {
        /// The interface.
        interface: String,
        /// The call that failed.
        what: &'static str,
        /// The kernel's answer.
        error: io::Error,
    },
    /// A map did not take or give an entry.
    #[error("cannot {what} for {interface}: {why}")]
    Map {
        /// The interface.
        interface: String,
        /// What was tried.
        what: &'static str,
        /// The kernel's answer.
        why: String,
    },
    /// More routers than [`Ears::load`](super::Ears::load) was told of.
    #[error("router number {slot} on {interface} is beyond the {capacity} that were made room for")]
    Capacity {
        /// The interface.
        interface: String,
        /// The number.
        slot: u32,
        /// How many there is room for.
        capacity: u32,
    },
}

/// What is missing when the kernel says that something is not permitted.
fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => " (it takes CAP_NET_RAW)",
        _ => "",
    }
}

/// Why an ear cannot be vouched for.
#[derive(Debug, thiserror::Error)]
pub enum Deaf {
    /// Nothing of ours was ever attached there, or it was detached by us.
    #[error("nothing of ours is attached")]
    NotAttached,
    /// Somebody else detached the program.
    #[error("the program at the NIC was detached by somebody else")]
    Detached,
    /// The interface of that index is gone.
    #[error("the interface is gone")]
    InterfaceGone,
    /// The kernel would not say.
    #[error("the kernel does not say whether the ear is attached: {0}")]
    Unknown(#[source] io::Error),
}
