//! What the kernel is asked to do, and what it tells of itself.
//!
//! [`Kernel`] is all that the hands thread asks for, so that a test can stand
//! in its place: addresses on, addresses off. [`NetlinkKernel`] does it.
//! [`Inventory`] and [`Monitor`] tell which interfaces there are and what
//! becomes of them. [`Membership`] and [`ProtocolHold`] keep the adverts
//! coming in, [`FrameSender`] sends ours,
//! [`UnicastSender`] those to peers by name. [`speakers`] looks for others on
//! this host who speak for the same virtual router.
//!
//! Everything here belongs to the network namespace of the thread that opens
//! it.

mod address;
pub mod addresses;
mod ask;
pub mod features;
pub mod group;
pub mod hands;
pub mod inventory;
mod ledger;
mod message;
pub mod monitor;
mod netlink;
mod packets;
pub mod roads;
pub mod sender;
mod shadow;
pub mod speakers;
mod switches;
mod sys;
pub mod vmac;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use vip_common::ids::Family;

use crate::config::estate::{Lifetime, Route, Rule, VirtualAddress, Vmac};

pub use addresses::{AT_ONCE, NetlinkKernel, OpenError, Tidied, TidyError};
pub use group::{Membership, ProtocolHold, hold_protocol_112};
pub use inventory::{Inventory, Link};
pub use ledger::Listed;
pub use monitor::{LinkEvent, Monitor};
pub use packets::RefuseError;
pub use roads::{Placed, ROUTE_PROTOCOL};
pub use sender::{FrameSender, UnicastSender};
pub use shadow::Untouched;
pub use vmac::VmacError;

/// What the hands thread asks of the kernel.
pub trait Kernel: Send {
    /// Puts addresses on their interfaces. One that is already there is a
    /// success; if it was there before us it stays somebody else's. The
    /// result comes when the kernel has acknowledged all of them; to be followed by
    /// [`Kernel::settle`], which whoever waits for the addresses need not wait for.
    ///
    /// # Errors
    ///
    /// Names each address that could not be added; the others are installed.
    fn install(&mut self, batch: &[Assignment]) -> Result<Installed, InstallError>;

    /// Writes down which of the addresses that were just installed are there through
    /// us. Why the list of them could not be kept, if so: worth a warning, since a
    /// later start could not tidy up after a crash.
    fn settle(&mut self) -> Option<String>;

    /// Takes addresses off again: those that we have put there, nobody
    /// else's. One that is gone already is a success.
    ///
    /// # Errors
    ///
    /// Names each address that could not be removed; the others are.
    fn remove(&mut self, batch: &[Assignment]) -> Result<(), RemoveError>;

    /// Puts routes there, in their order. One that is there already is a success;
    /// if it was there before us it stays somebody else's. To be called again when
    /// one of them has been deleted, or when an interface that they leave by has
    /// come back: the kernel forgets its routes while a link is down.
    fn install_routes(&mut self, routes: &[Route]) -> Placed;

    /// Takes routes away again: those that we have put there, nobody else's. One
    /// that is gone already is a success. Names those that could not be removed.
    fn remove_routes(&mut self, routes: &[Route]) -> Vec<Failure>;

    /// Puts rules there, as [`Kernel::install_routes`] does routes.
    fn install_rules(&mut self, rules: &[Rule]) -> Placed;

    /// Takes rules away again, as [`Kernel::remove_routes`] does routes.
    fn remove_rules(&mut self, rules: &[Rule]) -> Vec<Failure>;

    /// Makes the interface of a virtual MAC on the one of index `base`, and sets it
    /// up; its index. One of ours that is there already, on `base`, is taken, and has
    /// its MAC put back; one that has been renamed is removed. `families` are those
    /// whose addresses will live on it. The switches of the interface below that go
    /// with it are turned. Somebody else's (a dead keepalived's) is taken as it is
    /// if it is the same and up.
    ///
    /// # Errors
    ///
    /// Says what is in the way. Nothing is half done then.
    fn ensure_vmac(
        &mut self,
        base: u32,
        vmac: &Vmac,
        families: &[Family],
    ) -> Result<u32, VmacError>;

    /// Which of these interfaces, by their index and the index of the one below, are
    /// still there as [`Kernel::ensure_vmac`] has left them.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell of its interfaces.
    fn vmacs_stand(&mut self, expected: &[(u32, u32, &Vmac)]) -> io::Result<Vec<bool>>;

    /// Takes its MAC from the interface of a virtual MAC until
    /// [`Kernel::ensure_vmac`] gives it another: two may be about to exchange theirs.
    fn free_mac(&mut self, name: &str);

    /// Takes the interface of a virtual MAC away, and turns back what was turned for
    /// it; nobody else's interface of that name.
    fn remove_vmac(&mut self, name: &str);

    /// Sets the interface of a virtual MAC down, before its IPv6 addresses are
    /// removed. Else the kernel would report from it, by the MAC that the Active
    /// Router has now, that it leaves their groups (MLD), and switches would send
    /// the addresses' traffic here.
    fn hush_vmac(&mut self, name: &str);

    /// Sets it up again.
    fn wake_vmac(&mut self, name: &str, families: &[Family]);

    /// The next address of a subnet takes the place of its first when that goes, on
    /// this interface, until [`Kernel::stop_promoting`].
    ///
    /// # Errors
    ///
    /// When the switch cannot be turned; the text says which and why.
    fn promote_secondaries(&mut self, interface: &str) -> io::Result<()>;

    /// `promote_secondaries` of the interface is as it was before.
    fn stop_promoting(&mut self, interface: &str);

    /// Packets to these addresses, and no others, are dropped before anything of
    /// this host takes them, but for what finds neighbours (`no_accept`, RFC 9568
    /// 6.1 Accept_Mode). With none it ends. It does not matter whether the addresses
    /// are here at the moment.
    ///
    /// # Errors
    ///
    /// Says what the packet filter refuses; what was dropped before still is.
    fn refuse_packets(&mut self, to: &BTreeSet<IpAddr>) -> Result<(), RefuseError>;
}

/// An address and where it goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assignment {
    /// The interface's index.
    pub ifindex: u32,
    /// The address.
    pub address: IpAddr,
    /// The length of its prefix, 0 to 32 or 128; with a `peer` that of the peer.
    pub prefix: u8,
    /// The other end, where the interface leads to one host only.
    pub peer: Option<IpAddr>,
    /// The broadcast address, if one is to be set; IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// The scope as a number: 0 global, 253 link, 254 host. IPv4 only; the
    /// kernel knows that of an IPv6 address by itself.
    pub scope: u8,
    /// The label, at most 15 bytes, IPv4 only; the kernel takes the interface's
    /// name if there is none.
    pub label: Option<String>,
    /// Seconds that it is preferred as a source, for ever if not said. With 0 it
    /// is deprecated from the start: never chosen by itself, and served all the
    /// same. In IPv4 the kernel knows only 0 and for ever.
    pub preferred: Option<u32>,
    /// `home`: the home address of a mobile node; IPv6 only.
    pub home: bool,
    /// Whether the kernel looks for duplicates before the address can be used
    /// (about one second); IPv6 only. A virtual address has its election
    /// instead: another holder is the case it exists for.
    pub detect_duplicates: bool,
    /// `mngtmpaddr`: temporary addresses are made from it; IPv6 only.
    pub manage_temporary: bool,
    /// `noprefixroute`: the kernel adds no route for its prefix.
    pub no_prefix_route: bool,
    /// `autojoin`: the address is a multicast group, which the interface joins.
    pub auto_join: bool,
}

impl Assignment {
    /// An address without any option, installed as keepalived does: without
    /// duplicate detection, and an IPv6 address that is alone in its prefix is
    /// never chosen as a source.
    #[must_use]
    pub fn new(ifindex: u32, address: IpAddr, prefix: u8) -> Self {
        Self {
            ifindex,
            address,
            prefix,
            peer: None,
            broadcast: None,
            scope: 0,
            label: None,
            preferred: (address.is_ipv6() && prefix == 128).then_some(0),
            home: false,
            detect_duplicates: false,
            manage_temporary: false,
            no_prefix_route: false,
            auto_join: false,
        }
    }

    /// An address of the configuration.
    #[must_use]
    pub fn of(ifindex: u32, line: &VirtualAddress) -> Self {
        let v4 = line.address.is_ipv4();
        Self {
            // The kernel keeps one prefix, and that is the other end's.
            prefix: line.peer.map_or(line.prefix, |(_, prefix)| prefix),
            peer: line.peer.map(|(peer, _)| peer),
            broadcast: line.broadcast,
            scope: line.scope,
            label: line.label.clone().filter(|_| v4),
            preferred: match line.preferred {
                Lifetime::Forever => None,
                Lifetime::Seconds(seconds) => Some(seconds),
            },
            home: line.home,
            detect_duplicates: line.detect_duplicates,
            manage_temporary: line.manage_temporary,
            no_prefix_route: line.no_prefix_route,
            auto_join: line.auto_join,
            ..Self::new(ifindex, line.address, line.prefix)
        }
    }

    pub(crate) fn key(&self) -> Key {
        Key {
            ifindex: self.ifindex,
            address: self.address,
            prefix: self.prefix,
            peer: self.peer.filter(|peer| *peer != self.address),
        }
    }
}

/// What makes an address one of its own for the kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    pub(crate) ifindex: u32,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    /// The other end, where that is not the address itself.
    pub(crate) peer: Option<IpAddr>,
}

impl fmt::Display for Key {
    /// As people write it: `192.0.2.1/24`, `192.0.2.1 peer 198.51.100.1/32`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(peer) = self.peer {
            write!(f, " peer {peer}")?;
        }
        write!(f, "/{}", self.prefix)
    }
}

/// What installing a batch came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Installed {
    /// These were there before us, put by somebody else; they will be left
    /// alone when the others are removed.
    pub before_us: Vec<Assignment>,
}

/// Something that the kernel refused, and why.
#[derive(Debug)]
pub struct Failure {
    /// What it was, as people write it: `192.0.2.1/24 on eth0`.
    pub what: String,
    /// The errno.
    pub error: io::Error,
    /// The kernel's own sentence, where it gives one.
    pub note: Option<String>,
    /// What to do about it, where that is known.
    pub help: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            error,
            note,
            help,
        } = self;
        write!(f, "{what}: {error}{}", kernel_says(note.as_deref()))?;
        if error.raw_os_error() == Some(libc::EPERM) {
            f.write_str("; vip needs CAP_NET_ADMIN")?;
        } else if let Some(help) = help {
            write!(f, "; {help}")?;
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

/// How many are named besides the first; who needs more looks at the interface.
const SAID: usize = 8;

impl fmt::Display for Several<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("nothing"),
            [one] => one.fmt(f),
            [one, rest @ ..] => {
                write!(f, "{one}; nor ")?;
                for (place, other) in rest.iter().take(SAID).enumerate() {
                    let comma = if place > 0 { ", " } else { "" };
                    write!(f, "{comma}{}", other.what)?;
                }
                match rest.len().saturating_sub(SAID) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
        }
    }
}

/// The kernel's own sentence behind an error.
fn kernel_says(note: Option<&str>) -> String {
    note.map_or_else(String::new, |note| format!(", the kernel says: {note}"))
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
