//! What comes to the engine and what leaves it: plain data.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use vip_common::election::{self, Fault};
use vip_common::ids::{Family, MacAddr, Priority};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use crate::plan::{Plan, Tracked};

/// What the link reader tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkNews {
    /// Something about the interface of a port is new.
    Link {
        /// The port.
        port: usize,
        /// The interface, or `None` when there is none of that name.
        link: Option<LinkFacts>,
    },
    /// An address that a router has installed is not there any more.
    AddressMissing {
        /// The router.
        slot: usize,
    },
    /// Routes or rules may be gone without a word: an interface that they lead by
    /// has come back, or events were lost.
    RoadsInDoubt,
}

/// An interface, as far as the engine needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkFacts {
    /// Its index; a new one after it was made anew.
    pub ifindex: u32,
    /// Its link-layer address.
    pub mac: MacAddr,
    /// Administratively up, with carrier.
    pub running: bool,
    /// Its addresses that are none of ours to move.
    pub own: Own,
    /// Changes with those that one does not speak from, too.
    pub others: u64,
    /// Whether it forwards IPv6: its neighbour advertisements say so, or hosts would
    /// take it from their list of default routers (RFC 4861 section 7.2.5).
    pub forwards_v6: bool,
}

/// The addresses to speak from, one of each family: for IPv6 a link-local one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Own {
    /// For IPv4.
    pub v4: Option<Ipv4Addr>,
    /// For IPv6.
    pub v6: Option<Ipv6Addr>,
}

impl Own {
    /// That of a family.
    #[must_use]
    pub fn of(self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.v4.map(IpAddr::V4),
            Family::V6 => self.v6.map(IpAddr::V6),
        }
    }
}

/// What services may ask of the engine.
#[derive(Clone, Debug)]
pub enum Command {
    /// Leave gracefully and end.
    ShutDown,
    /// Go by another plan from now on, made by [`Plan::after`] from the present
    /// one. What is the same in both goes on as it is.
    Adopt(Arc<Plan>),
    /// Hand a router over and keep it out.
    Drain {
        /// The router.
        slot: usize,
        /// Whether it stays out even where nobody takes over.
        force: bool,
    },
    /// Let it take part again.
    Undrain {
        /// The router.
        slot: usize,
    },
    /// Make a router Active with this priority, and keep it so.
    Take {
        /// The router.
        slot: usize,
        /// What it is raised to.
        priority: Priority,
    },
    /// Let its own priority decide again.
    Untake {
        /// The router.
        slot: usize,
    },
    /// Have a router begin anew, as if the daemon had just been started.
    Restart {
        /// The router.
        slot: usize,
    },
    /// What a tracker has found.
    Judge {
        /// Its number in the plan ([`TrackerPlan::id`](crate::plan::TrackerPlan)).
        tracker: u32,
        /// What.
        verdict: Verdict,
    },
}

/// How something that is watched stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Verdict {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// It is well.
    Well,
    /// It has failed.
    Failed,
    /// The number in a file.
    Number(i32),
    /// It cannot be watched, and counts nothing.
    Ignored,
}

/// What is in the way of a router's taking part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hindrance {
    /// What.
    pub fault: Fault,
    /// The interface, or the tracker, that it is about, where it is about one.
    pub about: Option<Tracked>,
}

impl Hindrance {
    /// Something about an interface.
    #[must_use]
    pub const fn at(port: usize, fault: Fault) -> Self {
        Self::by(Tracked::Port(port), fault)
    }

    /// Something about an interface or a tracker.
    #[must_use]
    pub const fn by(about: Tracked, fault: Fault) -> Self {
        let about = Some(about);
        Self { fault, about }
    }
}

impl From<Fault> for Hindrance {
    fn from(fault: Fault) -> Self {
        Self { fault, about: None }
    }
}

/// What of a router's addresses is in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// Nothing.
    Free,
    /// They are being installed.
    Asked,
    /// All of them: the kernel has acknowledged it.
    Held,
    /// They are being removed.
    Leaving,
}

/// What a person may want to know: plain data, put into words by services.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// The election has something to say.
    Election {
        /// The router.
        slot: usize,
        /// When it was decided.
        at: MonoTime,
        /// What is in its way, or was until now.
        about: Option<Tracked>,
        /// What.
        report: election::Report,
    },
    /// Gratuitous ARP was sent for all addresses.
    Announced {
        /// The router.
        slot: usize,
        /// How often for each.
        rounds: u8,
    },
    /// An advert of this source was refused for a reason not seen of it before.
    Refused {
        /// The router.
        slot: usize,
        /// Who sent it.
        source: IpAddr,
        /// Why.
        reason: RejectReason,
    },
    /// A peer names other addresses than we do.
    OtherList {
        /// The router.
        slot: usize,
        /// Who.
        source: IpAddr,
    },
    /// Somebody has removed an address of ours; it is put back.
    PutBack {
        /// The router.
        slot: usize,
    },
    /// Somebody has changed a virtual MAC of ours; it is put back.
    MacPutBack {
        /// The router.
        slot: usize,
    },
    /// A stranger claims an address.
    Claimed {
        /// The router.
        slot: usize,
        /// The address.
        address: IpAddr,
        /// Who.
        mac: MacAddr,
    },
    /// The addresses of a router have come, or gone.
    Holds {
        /// The router.
        slot: usize,
        /// What of them is there now.
        hold: Hold,
    },
    /// What is tracked has made another priority of a router's own.
    Priority {
        /// The router.
        slot: usize,
        /// The priority that counts now.
        priority: Priority,
    },
    /// An advert could not be sent; told once until one can be again.
    NotSent {
        /// The router.
        slot: usize,
        /// The system's error number.
        errno: i32,
    },
    /// Every port has been looked at: the daemon is up.
    Up,
    /// The plan of a reload holds from now on.
    Adopted,
    /// The plan of a reload could not be taken: too much is under way. The old
    /// one goes on.
    NotAdopted,
}

impl Report {
    /// Whether a neighbour decides how often it comes.
    #[must_use]
    pub const fn is_provoked(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::OtherList { .. }
            | Self::Claimed { .. }
            | Self::PutBack { .. }
            | Self::MacPutBack { .. } => true,
            Self::Election { report, .. } => matches!(
                report,
                election::Report::LowerPriorityHeard { .. }
                    | election::Report::SameAddressHeard { .. }
                    | election::Report::ResignHeard { .. }
                    | election::Report::ResignIgnored { .. }
            ),
            Self::Announced { .. }
            | Self::NotSent { .. }
            | Self::Priority { .. }
            | Self::Holds { .. }
            | Self::Up
            | Self::Adopted
            | Self::NotAdopted => false,
        }
    }
}
