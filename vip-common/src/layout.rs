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
//! | `CALM` | 0 → a bucket ([`budget`]) | program | program |
//! | `BUCKETS` | slot → [`Buckets`] | program | program |
//! | `SOURCES` | [`SourceKey`] → a bucket (least recently used goes) | program | program |
//! | `KNOWN` | slot → [`Known`] | engine (shared memory) | program |
//! | `LAST` | slot → [`Last`] | program | engine (shared memory) |
//! | `TIMERS` | slot → a timer of the kernel's | program | program |
//!
//! Of the programs on tracepoints:
//!
//! | map | key → value | written by | read by |
//! |---|---|---|---|
//! | `PORTS` | port → 1 | services | program |
//! | `LISTENERS` | ring of ports, as `u32` | program | services |
//!
//! Those of `vip trace` are in [`trace`].

use core::net::{IpAddr, Ipv6Addr};

use crate::ids::{Family, MacAddr, Vrid};
use crate::reject::RejectReason;

pub mod budget;
mod known;
pub mod trace;

pub use budget::{BUDGETED_SOURCES, Buckets, SourceKey};
pub use known::{
    KNOWN_BYTES, KNOWN_WORDS, Known, Last, Noted, SilenceEvent, SilenceNews, mac_word,
};

/// An address of either family: IPv6 as it is on the wire, IPv4 mapped into it
/// (`::ffff:a.b.c.d`), a form that no packet can carry for anything else.
pub type Octets = [u8; 16];

/// What precedes an IPv4 address in its mapped form.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// An IPv4 address, mapped.
#[inline(always)]
#[must_use]
pub const fn mapped(address: [u8; 4]) -> Octets {
    let [_, _, _, _, _, _, _, _, _, _, e, f] = MAPPED;
    let [a, b, c, d] = address;
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, e, f, a, b, c, d]
}

/// The IPv4 address in a mapped one; its last four bytes whatever it is.
#[inline(always)]
#[must_use]
pub const fn unmapped(octets: &Octets) -> [u8; 4] {
    let [.., a, b, c, d] = *octets;
    [a, b, c, d]
}

/// Whether two addresses are the same, by halves: a comparison of 16 bytes would
/// be a call in the program at the NIC.
#[inline(always)]
#[must_use]
pub const fn same(one: &Octets, other: &Octets) -> bool {
    let [a, b] = halves(one);
    let [c, d] = halves(other);
    a == c && b == d
}

/// The two halves of an address, as the machine reads them.
#[inline(always)]
#[must_use]
pub const fn halves(octets: &Octets) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, low @ ..] = *octets;
    [
        u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        u64::from_ne_bytes(low),
    ]
}

/// An address as the maps have it.
#[must_use]
pub const fn octets(address: IpAddr) -> Octets {
    match address {
        IpAddr::V4(address) => mapped(address.octets()),
        IpAddr::V6(address) => address.octets(),
    }
}

/// An address from a map or a record.
#[must_use]
pub const fn address(octets: Octets) -> IpAddr {
    Ipv6Addr::from_octets(octets).to_canonical()
}

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
    /// The group it listens to, normally 224.0.0.18 or ff02::12; of no meaning
    /// with [`RouterEntry::UNICAST`].
    pub group: Octets,
    /// The address of ours that it speaks from: destination of its unicast, and a
    /// source that nobody else may use.
    pub primary: Octets,
    /// IPv4: the broadcast address of that address's subnet, which is no source
    /// either; 0.0.0.0 where there is none.
    pub broadcast: [u8; 4],
    /// Our own MAC on the interface, destination of unicast.
    pub mac: MacAddr,
    /// VRRP version, 2 or 3.
    pub version: u8,
    /// Lowest TTL or hop limit that is accepted: 255 on multicast.
    pub min_ttl: u8,
    /// Highest; 255, unless unicast peers have bounds.
    pub max_ttl: u8,
    /// [`RouterEntry::UNICAST`], [`RouterEntry::TRAILER`] and [`RouterEntry::SIGNED`].
    pub flags: u8,
    /// Zero.
    pub pad: u16,
}

impl RouterEntry {
    /// Flag: adverts are sent to [`RouterEntry::primary`] by
    /// [`RouterEntry::mac`], and not to the group. Without it, the other way
    /// round: an instance hears one of the two, as in keepalived.
    pub const UNICAST: u8 = 1;
    /// Flag: [`crate::wire::TRAILER_LEN`] bytes of `auth_hmac` may follow the
    /// message.
    pub const TRAILER: u8 = 2;
    /// Flag: they must.
    pub const SIGNED: u8 = 4;

    /// Whether a flag is set.
    #[inline(always)]
    #[must_use]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Which virtual address a neighbour speaks of, in ARP or neighbour discovery.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct AddressKey {
    /// The logical interface's index: the one that the frame comes in by, which
    /// is the base interface's where a virtual MAC lies on it.
    pub ifindex: u32,
    /// The virtual address.
    pub address: Octets,
}

impl AddressKey {
    /// The key of one address.
    #[must_use]
    pub const fn new(ifindex: u32, address: IpAddr) -> Self {
        Self {
            ifindex,
            address: octets(address),
        }
    }
}

/// Who may speak for a virtual address without being news, and whether it is to
/// be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct AddressEntry {
    /// The router that holds the address.
    pub slot: u32,
    /// The MAC that we speak for it by.
    pub own: MacAddr,
    /// The Active Router's MAC as last heard; zero if none.
    pub active: MacAddr,
    /// [`AddressEntry::WATCHED`] and [`AddressEntry::WITHHELD`].
    pub flags: u32,
}

impl AddressEntry {
    /// Flag: every claim that comes in is told at once, the Active Router's and
    /// one by our own MAC included (a virtual MAC is shared by all routers of a
    /// VRID), within [`WATCH_BUDGET_NANOS`].
    pub const WATCHED: u32 = 1;
    /// Flag: requests for the address are dropped, so that nobody here answers.
    pub const WITHHELD: u32 = 2;

    /// Nobody's but ours, neither watched nor withheld.
    #[must_use]
    pub const fn new(slot: u32, own: MacAddr) -> Self {
        Self {
            slot,
            own,
            active: MacAddr::ZERO,
            flags: 0,
        }
    }

    /// Whether a flag is set.
    #[inline(always)]
    #[must_use]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// The last stranger who claimed an address of a router.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Claim {
    /// When, in ns of `CLOCK_MONOTONIC`.
    pub stamp: u64,
    /// When one was last sent up as news, watched ones included.
    pub told: u64,
    /// How many there were.
    pub count: u64,
    /// The address that was claimed.
    pub address: Octets,
    /// Who claimed it.
    pub mac: MacAddr,
    /// Zero.
    pub pad: [u8; 2],
}

impl Claim {
    /// The address that was claimed.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        address(self.address)
    }
}

/// Least time between two claims by strangers that are sent up for one router,
/// in ns.
pub const CLAIM_BUDGET_NANOS: u64 = 1_000_000_000;

/// The same for a watched address, in ns: an announcement is of several frames,
/// and whoever waits for one waits for the first.
pub const WATCH_BUDGET_NANOS: u64 = 1_000_000;

/// Whose adverts are refused, and why.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct RefusedKey {
    /// The router's number.
    pub slot: u32,
    /// Source address of the advert.
    pub source: Octets,
    /// [`RejectReason`] as a number.
    pub reason: u32,
}

impl RefusedKey {
    /// The source that the advert gives.
    #[must_use]
    pub const fn source(&self) -> IpAddr {
        address(self.source)
    }
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
    /// Adverts taken and noted, that were the same as the one that is known.
    Known,
    /// Adverts taken that found the ring full.
    RingFull,
    /// Requests for an address, by ARP or neighbour discovery, that passed.
    Asked,
    /// Claims of an address by a stranger.
    Claimed,
    /// Requests for an address that were dropped because it is withheld.
    Withheld,
    /// Packets refused for a reason.
    Rejected(RejectReason),
}

impl Counter {
    /// Counters of one router.
    pub const PER_ROUTER: u32 = 64;

    /// Where those begin that are no reasons.
    const OWN: u32 = 56;

    /// Index in the `COUNTERS` map.
    #[must_use]
    pub const fn index(self, slot: u32) -> u32 {
        let own = match self {
            Self::Rejected(reason) => reason as u32,
            Self::Taken => Self::OWN,
            Self::RingFull => Self::OWN + 1,
            Self::Asked => Self::OWN + 2,
            Self::Claimed => Self::OWN + 3,
            Self::Withheld => Self::OWN + 4,
            Self::Known => Self::OWN + 5,
        };
        slot * Self::PER_ROUTER + own
    }
}

const _: () = assert!(
    RejectReason::ALL.len() <= Counter::OWN as usize,
    "reasons and other counters share one range"
);

/// What a ring record tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum EventKind {
    /// An advert that may pass.
    Advert = 1,
    /// A claim of a virtual address: [`ClaimNews`] in place of a frame.
    Claim = 2,
    /// No known advert has come for the time that was given: [`SilenceNews`] in
    /// place of a frame, and no interface.
    Silence = 3,
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

/// What a record of a claim carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct ClaimNews {
    /// The address.
    pub address: Octets,
    /// Who claims it.
    pub mac: MacAddr,
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

/// Bytes of a ring of the programs on tracepoints; the same holds for it.
pub const TRACE_RING_BYTES: u32 = 64 * 1024;

/// How many ports can be watched for somebody who begins or ceases to listen.
pub const WATCHED_PORTS: u32 = 1024;

/// Bytes of the name that the kernel knows a process by, with a zero at the end.
pub const PROCESS_NAME_BYTES: usize = 16;
/// How many names of processes can be watched.
pub const WATCHED_PROCESSES: u32 = 256;
/// The name that stands for all programs that begin.
pub const ANY_PROCESS: [u8; PROCESS_NAME_BYTES] = [0; PROCESS_NAME_BYTES];
/// A program of a watched name has begun, or a process has got or lost such a name.
pub const PROCESS_BEGAN: u32 = 1;
/// A process of a watched name has made another one, or a thread.
pub const PROCESS_FORKED: u32 = 2;
/// A process of a watched name is ending.
pub const PROCESS_ENDED: u32 = 3;

const _: () = {
    assert!(size_of::<RouterKey>() == 8);
    assert!(size_of::<RouterEntry>() == 52);
    assert!(size_of::<AddressKey>() == 20);
    assert!(size_of::<AddressEntry>() == 20);
    assert!(size_of::<Claim>() == 48);
    assert!(size_of::<ClaimNews>() == 22);
    assert!(size_of::<RefusedKey>() == 24);
    assert!(size_of::<Refused>() == 16);
    assert!(size_of::<EventHeader>() == 24);
    assert!(size_of::<SmallEvent>() == 24 + SMALL_FRAME);
    assert!(size_of::<LargeEvent>() == 24 + LARGE_FRAME);
};

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    #[test]
    fn addresses_of_both_families_go_in_and_come_out() {
        let v4 = IpAddr::V4(Ipv4Addr::new(192, 168, 8, 100));
        let v6 = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 4));
        for one in [v4, v6] {
            assert_eq!(address(octets(one)), one);
        }
        assert!(same(&octets(v6), &octets(v6)) && !same(&octets(v4), &octets(v6)));
        for at in 0..16 {
            let mut other = octets(v6);
            other[at] ^= 1;
            assert!(!same(&octets(v6), &other), "{at}");
        }
        assert_eq!(unmapped(&octets(v4)), [192, 168, 8, 100]);
        assert_eq!(mapped([192, 168, 8, 100]), octets(v4));
    }

    #[test]
    fn no_two_counters_of_a_host_share_a_place() {
        extern crate std;
        let mut places = std::collections::HashSet::new();
        let own = [
            Counter::Taken,
            Counter::RingFull,
            Counter::Asked,
            Counter::Claimed,
            Counter::Withheld,
            Counter::Known,
        ];
        let reasons = RejectReason::ALL.iter().copied().map(Counter::Rejected);
        for counter in own.into_iter().chain(reasons) {
            for slot in [0, 1, 254] {
                assert!(places.insert(counter.index(slot)), "{counter:?} {slot}");
                assert_eq!(counter.index(slot) / Counter::PER_ROUTER, slot);
            }
        }
    }
}
