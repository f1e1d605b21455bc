//! What the engine hears.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use vip_common::ids::MacAddr;
use vip_common::layout::{AddressEntry, AddressKey};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

/// Something came off the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EarEvent<'a> {
    /// An advert that passed the judgement of its headers.
    Advert {
        /// When it was at the NIC.
        stamp: MonoTime,
        /// The router it is for.
        slot: u32,
        /// The interface it came in by.
        ifindex: u32,
        /// The frame from the Ethernet header on.
        frame: &'a [u8],
    },
    /// Somebody claims an address of ours, by ARP or neighbour discovery: a
    /// stranger, at most once a second for each router; of a watched address
    /// ([`AddressNote::watched`]) anybody, at most once a millisecond.
    Claim {
        /// When it was at the NIC.
        stamp: MonoTime,
        /// The router that holds the address.
        slot: u32,
        /// The interface it came in by.
        ifindex: u32,
        /// The address.
        address: IpAddr,
        /// Who claims it.
        mac: MacAddr,
    },
    /// Nothing known has come for as long as [`Known::silence`] says; once, until
    /// something known comes again. Only of what is lent still.
    Silence {
        /// When that was seen.
        stamp: MonoTime,
        /// The router.
        slot: u32,
    },
    /// A packet was refused. From packet sockets only: the program at the NIC
    /// counts those and says nothing. Already in [`Gauges`](super::Gauges).
    Refused {
        /// The router it names.
        slot: u32,
        /// The source it gives.
        source: IpAddr,
        /// Why.
        reason: RejectReason,
    },
}

/// Whether a drain stopped at its bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    /// Everything that had arrived was read.
    Nothing,
    /// There may be more: drain again before believing a deadline.
    Perhaps,
}

/// What an ear is to make of one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AddressNote {
    /// Whose claim is no news, besides ours: the Active Router's MAC, or
    /// [`MacAddr::ZERO`] for nobody's.
    pub active: MacAddr,
    /// Every claim that comes in is news at once, the Active Router's and one by
    /// our own MAC included (a virtual MAC is shared): that of a successor.
    pub watched: bool,
    /// Requests for it are dropped, so that this host does not answer. Not to be
    /// had from a packet socket, which hears and cannot drop.
    pub withheld: bool,
}

impl AddressNote {
    /// As the maps have it.
    pub(super) const fn flags(self) -> u32 {
        let watched = if self.watched {
            AddressEntry::WATCHED
        } else {
            0
        };
        let withheld = if self.withheld {
            AddressEntry::WITHHELD
        } else {
            0
        };
        watched | withheld
    }
}

/// An advert that the engine knows ([`Memory::lend`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known<'a> {
    /// The frame from the Ethernet header on, as it came; what pads it does not
    /// matter.
    pub frame: &'a [u8],
    /// After how long without one the engine is to be woken
    /// ([`EarEvent::Silence`]); at least a millisecond.
    pub silence: Duration,
}

/// What has come of an advert since it was lent ([`Memory::repeats`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repeats {
    /// The number of what is lent.
    pub lending: u64,
    /// When the last one was at the NIC.
    pub stamp: MonoTime,
    /// When the one before it was; `None` if there was none since it was lent.
    pub before: Option<MonoTime>,
    /// How many there were, the one that was lent not counted.
    pub count: u64,
}

/// A source of events, readable by the engine without allocating, locking or
/// sleeping.
pub trait Ear: Send {
    /// What becomes readable when there is something to drain.
    fn as_fd(&self) -> BorrowedFd<'_>;

    /// Hands over what has arrived, oldest first, within a bound.
    fn drain(&mut self, sink: &mut dyn FnMut(EarEvent<'_>)) -> Left;

    /// Says what is to be made of an address from now on, in place of what was
    /// said before. Addresses that are not this ear's are ignored. To the program
    /// at the NIC it stays said when the port is attached again, as long as the
    /// address has the same router and MAC; a new packet socket is to be told
    /// anew.
    fn note_address(&mut self, key: AddressKey, note: AddressNote);

    /// Where adverts can be lent to the program at the NIC; `None` where every advert
    /// is an event.
    fn memory(&self) -> Option<Arc<dyn Memory>> {
        None
    }
}

/// The adverts that the engine lends the program at the NIC, one for each router.
/// Neither side waits for the other, and none of this costs a system call. The engine
/// lends; anybody may ask what has come.
pub trait Memory: Send + Sync {
    /// Lends an advert that was accepted for the router of this number, in place of
    /// what was lent before: one that is the same, byte for byte but for the IPv4
    /// identification and checksum, is taken note of and wakes nobody, until another
    /// is lent or this one is withdrawn (`None`). Its number if it is lent; if not,
    /// every advert is an event, and nothing is lent.
    ///
    /// The silence is watched for from the first one on that comes: until then the
    /// deadline of the one that was lent is the engine's.
    ///
    /// None is lost: what comes while it is withdrawn is an event, or among what
    /// [`Memory::repeats`] tells afterwards, or both. So it is to be withdrawn, and
    /// what came of it looked at once more, before anything changes that the verdict
    /// on it depends on, and before something else is lent.
    fn lend(&self, slot: u32, known: Option<Known<'_>>) -> Option<u64>;

    /// What has come of the advert that is lent, or was last; `None` for nothing.
    fn repeats(&self, slot: u32) -> Option<Repeats>;

    /// Says whom the router of this number follows, and by which MAC: no flood by
    /// others keeps his adverts from being events. It holds until something else is
    /// said, whatever is lent or withdrawn.
    fn follow(&self, slot: u32, who: Option<(IpAddr, MacAddr)>);
}
