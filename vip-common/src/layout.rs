//! Maps and ring records shared with the program at the NIC.
//!
//! Everything is `repr(C)`, without padding that the compiler chooses, and in
//! host byte order unless it is an array of octets, which is in the order of
//! the wire.
//!
//! | map | key → value | written by | read by |
//! |---|---|---|---|
//! | `ROUTERS` | [`RouterKey`] → [`RouterEntry`] | controller | program |
//! | `ADDRESSES` | [`AddressKey`] → [`AddressEntry`] | controller | program |
//! | `CLAIMS` | slot → [`Claim`] | program | controller |
//! | `REFUSED` | [`RefusedKey`] → [`Refused`] (least recently used goes) | program | controller |
//! | `COUNTERS` | [`Counter::index`] → `u64` | program | controller |
//! | `EVENTS` | ring of [`EventHeader`] + frame | program | engine |

use crate::ids::{Family, MacAddr, Vrid};
use crate::reject::RejectReason;

/// Which virtual router an advert is for: rule 7 of the house, a router is
/// known by its logical interface, family and VRID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct RouterKey {
    /// The logical interface's index, as the program sees it on ingress.
    pub ifindex: u32,
    /// [`Family`] as a number.
    pub family: u8,
    /// The VRID.
    pub vrid: u8,
    /// Zero.
    pub pad: u16,
}

impl RouterKey {
    /// The key of one router.
    #[must_use]
    pub const fn new(ifindex: u32, family: Family, vrid: Vrid) -> Self {
        Self {
            ifindex,
            family: family as u8,
            vrid: vrid.get(),
            pad: 0,
        }
    }
}

/// What the program must know of a router to judge its adverts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct RouterEntry {
    /// The router's number in this daemon: index of its counters and claims.
    pub slot: u32,
    /// The group it listens to, normally 224.0.0.18.
    pub group: [u8; 4],
    /// Our own primary address on the interface: unicast destination, and a
    /// source that nobody else may use.
    pub primary: [u8; 4],
    /// The broadcast address of that address's subnet, which is no source
    /// either; 0.0.0.0 where there is none.
    pub broadcast: [u8; 4],
    /// Our own MAC on the interface.
    pub mac: MacAddr,
    /// VRRP version, 2 or 3.
    pub version: u8,
    /// Lowest TTL that is accepted: 255 on multicast.
    pub min_ttl: u8,
}

/// Which virtual address an ARP packet speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct AddressKey {
    /// The logical interface's index.
    pub ifindex: u32,
    /// The virtual address.
    pub address: [u8; 4],
}

/// Who may speak for a virtual address without being news.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct AddressEntry {
    /// The router that holds the address.
    pub slot: u32,
    /// Our own MAC.
    pub own: MacAddr,
    /// The Active Router's MAC as last heard; zero if none.
    pub active: MacAddr,
}

/// The last stranger who claimed an address of a router.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Claim {
    /// When, in ns of `CLOCK_MONOTONIC`.
    pub stamp: u64,
    /// When one was last sent up as news; the budget is one a second.
    pub told: u64,
    /// How many there were.
    pub count: u64,
    /// The address that was claimed.
    pub address: [u8; 4],
    /// Who claimed it.
    pub mac: MacAddr,
    /// Zero.
    pub pad: [u8; 6],
}

/// Least time between two claims that are sent up for one router, in ns.
pub const CLAIM_BUDGET_NANOS: u64 = 1_000_000_000;

/// Whose adverts are refused, and why.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct RefusedKey {
    /// The router's number.
    pub slot: u32,
    /// Source address of the advert.
    pub source: [u8; 4],
    /// [`RejectReason`] as a number.
    pub reason: u32,
}

/// How often, and when last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Refused {
    /// How many.
    pub count: u64,
    /// The last one, in ns of `CLOCK_MONOTONIC`.
    pub stamp: u64,
}

/// How many sources the `REFUSED` map remembers.
pub const REFUSED_SOURCES: u32 = 1024;

/// What the program counts for each router besides [`RejectReason`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    /// Adverts taken and sent up.
    Taken,
    /// Adverts taken that found the ring full.
    RingFull,
    /// ARP requests for an address.
    ArpRequest,
    /// ARP claims of an address by a stranger.
    ArpClaim,
    /// Packets refused for a reason.
    Rejected(RejectReason),
}

impl Counter {
    /// Counters of one router.
    pub const PER_ROUTER: u32 = 32;

    /// Index in the `COUNTERS` map.
    #[must_use]
    pub const fn index(self, slot: u32) -> u32 {
        let own = match self {
            Self::Rejected(reason) => reason as u32,
            Self::Taken => 28,
            Self::RingFull => 29,
            Self::ArpRequest => 30,
            Self::ArpClaim => 31,
        };
        slot * Self::PER_ROUTER + own
    }
}

const _: () = assert!(
    RejectReason::ALL.len() <= 28,
    "reasons and other counters share one range"
);

/// What a ring record tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum EventKind {
    /// An advert that may pass.
    Advert = 1,
    /// A stranger's claim of a virtual address.
    Claim = 2,
}

/// Head of a ring record; the frame follows, `len` bytes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct EventHeader {
    /// When the frame was at the NIC, in ns of `CLOCK_MONOTONIC`.
    pub stamp: u64,
    /// The router's number.
    pub slot: u32,
    /// The interface it came in by.
    pub ifindex: u32,
    /// Bytes of the frame that follow.
    pub len: u32,
    /// [`EventKind`] as a number.
    pub kind: u32,
}

/// Frames up to this size take a small record.
pub const SMALL_FRAME: usize = 128;
/// Frames up to this size take a large record; none is longer, since adverts
/// are never fragmented.
pub const LARGE_FRAME: usize = 1536;

/// A record of a short frame.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SmallEvent {
    /// The head.
    pub header: EventHeader,
    /// The frame from the link-layer header on.
    pub frame: [u8; SMALL_FRAME],
}

/// A record of a long frame.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct LargeEvent {
    /// The head.
    pub header: EventHeader,
    /// The frame from the link-layer header on.
    pub frame: [u8; LARGE_FRAME],
}

/// Bytes of the ring; a power of two and a multiple of the page size. Holds
/// over 1,600 small records.
pub const RING_BYTES: u32 = 256 * 1024;

const _: () = {
    assert!(size_of::<RouterKey>() == 8);
    assert!(size_of::<RouterEntry>() == 24);
    assert!(size_of::<AddressKey>() == 8);
    assert!(size_of::<AddressEntry>() == 16);
    assert!(size_of::<Claim>() == 40);
    assert!(size_of::<RefusedKey>() == 12);
    assert!(size_of::<Refused>() == 16);
    assert!(size_of::<EventHeader>() == 24);
    assert!(size_of::<SmallEvent>() == 24 + SMALL_FRAME);
    assert!(size_of::<LargeEvent>() == 24 + LARGE_FRAME);
};
