//! One vip for each virtual router of a network namespace.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen,
    socket, sockopt,
};
use vip_common::ids::{Family, Vrid};

/// As long as this lives, no other vip of this network namespace speaks for
/// the router.
///
/// It is the name of an abstract socket: such names are one set for each
/// network namespace, and vanish with the process however it ends.
#[derive(Debug)]
pub struct RouterClaim {
    _socket: OwnedFd,
}

/// Why a router could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum AlreadyClaimed {
    /// Another vip has it.
    #[error(
        "VRID {vrid} on interface {ifindex} is spoken for by another vip{holder}; stop it, or use another VRID"
    )]
    By {
        /// The router.
        vrid: Vrid,
        /// The interface's index.
        ifindex: u32,
        /// Who.
        holder: Claimant,
    },
    /// The claim cannot be made at all.
    #[error("cannot claim VRID {vrid} on interface {ifindex}: {error}")]
    System {
        /// The router.
        vrid: Vrid,
        /// The interface's index.
        ifindex: u32,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// The process that holds a claim, as far as it can be seen from here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Claimant {
    /// Its process id; none if it lives in another process namespace.
    pub pid: Option<u32>,
    /// Its user id.
    pub uid: Option<u32>,
    /// Its command name.
    pub command: Option<String>,
}

impl fmt::Display for Claimant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(pid) = self.pid else { return Ok(()) };
        write!(f, " (process {pid}")?;
        if let Some(command) = &self.command {
            write!(f, ", {command}")?;
        }
        if let Some(uid) = self.uid.filter(|uid| *uid != 0) {
            write!(f, ", user {uid}")?;
        }
        f.write_str(")")
    }
}

/// Claims the router of this family and VRID on this interface, in the calling
/// thread's network namespace.
///
/// # Errors
///
/// [`AlreadyClaimed::By`] with the process that has it.
pub fn claim_router(
    ifindex: u32,
    family: Family,
    vrid: Vrid,
) -> Result<RouterClaim, AlreadyClaimed> {
    let system = |error: nix::Error| AlreadyClaimed::System {
        vrid,
        ifindex,
        error: error.into(),
    };
    let name = name(ifindex, family, vrid);
    let address = UnixAddr::new_abstract(name.as_bytes()).map_err(system)?;
    let socket = stream().map_err(system)?;
    match bind(socket.as_raw_fd(), &address) {
        Ok(()) => {
            // Only so that whoever comes second can ask who was first.
            listen(&socket, Backlog::new(1).map_err(system)?).map_err(system)?;
            Ok(RouterClaim { _socket: socket })
        }
        Err(nix::Error::EADDRINUSE) => Err(AlreadyClaimed::By {
            vrid,
            ifindex,
            holder: claimant(&address),
        }),
        Err(error) => Err(system(error)),
    }
}

/// The first of these routers that a vip of the calling thread's network namespace
/// has. Looks without claiming, so that a start at the same moment is not
/// disturbed; in doubt nobody has any.
#[must_use]
pub fn first_claimed(ifindex: u32, family: Family, vrids: &[Vrid]) -> Option<Vrid> {
    let names = fs::read_to_string("/proc/thread-self/net/unix").unwrap_or_default();
    let taken: HashSet<&str> = names
        .lines()
        .filter_map(|line| line.split_whitespace().next_back()?.strip_prefix('@'))
        .collect();
    let mut vrids = vrids.iter().copied();
    vrids.find(|vrid| taken.contains(name(ifindex, family, *vrid).as_str()))
}

/// The name of the abstract socket that stands for a router.
fn name(ifindex: u32, family: Family, vrid: Vrid) -> String {
    format!("vip/router/{ifindex}/{}/{vrid}", family as u8)
}

fn stream() -> nix::Result<OwnedFd> {
    socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )
}

fn claimant(address: &UnixAddr) -> Claimant {
    let ask = || {
        let socket = stream().ok()?;
        connect(socket.as_raw_fd(), address).ok()?;
        getsockopt(&socket, sockopt::PeerCredentials).ok()
    };
    let Some(credentials) = ask() else {
        return Claimant::default();
    };
    let pid = u32::try_from(credentials.pid())
        .ok()
        .filter(|pid| *pid != 0);
    let command = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok());
    Claimant {
        pid,
        uid: Some(credentials.uid()),
        command: command.map(|name| name.trim_end().to_owned()),
    }
}
