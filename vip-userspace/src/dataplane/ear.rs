//! What the engine hears.

use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;

use vip_common::ids::MacAddr;
use vip_common::layout::AddressKey;
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
    /// A stranger claims an address of ours; at most one a second per router.
    Claim {
        /// When it was at the NIC.
        stamp: MonoTime,
        /// The router that holds the address.
        slot: u32,
        /// The interface it came in by.
        ifindex: u32,
        /// The address.
        address: Ipv4Addr,
        /// Who claims it.
        mac: MacAddr,
    },
    /// A packet was refused. From packet sockets only: the program at the NIC
    /// counts those and says nothing. Already in [`Gauges`](super::Gauges).
    Refused {
        /// The router it names.
        slot: u32,
        /// The source it gives.
        source: Ipv4Addr,
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

/// A source of events, readable by the engine without allocating, locking or
/// sleeping.
pub trait Ear: Send {
    /// What becomes readable when there is something to drain.
    fn as_fd(&self) -> BorrowedFd<'_>;

    /// Hands over what has arrived, oldest first, within a bound.
    fn drain(&mut self, sink: &mut dyn FnMut(EarEvent<'_>)) -> Left;

    /// Says whose ARP for an address is no news from now on:
    /// [`MacAddr::ZERO`] for nobody's but ours. Addresses that are not this
    /// ear's are ignored.
    fn note_active(&mut self, key: AddressKey, active: MacAddr);
}
