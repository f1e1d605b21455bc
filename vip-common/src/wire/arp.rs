//! ARP for IPv4 over Ethernet (RFC 826): who claims an address, who asks for
//! one, and the announcement after a takeover.

use core::net::Ipv4Addr;

use super::{HEAD, array, eth, word};
use crate::ids::MacAddr;

/// Length of a frame, without Ethernet padding.
pub const FRAME_LEN: usize = eth::LEN + 28;

/// Hardware type Ethernet, protocol IPv4, address lengths 6 and 4.
const ETHERNET_IPV4: [u8; 6] = [0x00, 0x01, 0x08, 0x00, 6, 4];

const REQUEST: u16 = 1;

/// Offsets in the packet.
mod field {
    pub(super) const OPERATION: usize = 6;
    pub(super) const SENDER_MAC: usize = 8;
    pub(super) const SENDER: usize = 14;
    pub(super) const TARGET: usize = 24;
}

/// What an ARP packet says, requests and replies alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    /// Whether it asks (operation 1).
    pub request: bool,
    /// The MAC that is said to hold the sender address.
    pub sender_mac: MacAddr,
    /// The address that the sender says is its own; 0.0.0.0 in a probe.
    pub sender: [u8; 4],
    /// The address it is about.
    pub target: [u8; 4],
}

impl Arp {
    /// The address that [`Arp::sender_mac`] claims: its sender address in
    /// any operation, or what it probes for, since a host probes for what it is
    /// about to use (RFC 5227 section 2.1.1).
    #[inline(always)]
    #[must_use]
    pub const fn claims(&self) -> Option<[u8; 4]> {
        match (self.sender, self.request) {
            ([0, 0, 0, 0], true) => Some(self.target),
            ([0, 0, 0, 0], false) => None,
            (sender, _) => Some(sender),
        }
    }

    /// The address that it asks for. A host that asks for what it claims only
    /// announces or probes.
    #[inline(always)]
    #[must_use]
    pub fn asks_for(&self) -> Option<[u8; 4]> {
        (self.request && self.claims() != Some(self.target)).then_some(self.target)
    }
}

/// Reads a frame that is ARP by its EtherType and at least [`FRAME_LEN`] long.
/// `None` if it is not about IPv4 over Ethernet.
#[inline(always)]
#[must_use]
pub fn parse(head: &[u8; HEAD]) -> Option<Arp> {
    if array(head, eth::LEN) != ETHERNET_IPV4 {
        return None;
    }
    Some(Arp {
        request: word(head, eth::LEN + field::OPERATION) == REQUEST,
        sender_mac: MacAddr(array(head, eth::LEN + field::SENDER_MAC)),
        sender: array(head, eth::LEN + field::SENDER),
        target: array(head, eth::LEN + field::TARGET),
    })
}

/// The broadcast that moves neighbours to `mac`: a request for our own address,
/// since some stacks update their tables by requests only. The target MAC is
/// all ones, as keepalived sends it.
#[must_use]
pub fn gratuitous(mac: MacAddr, address: Ipv4Addr) -> [u8; FRAME_LEN] {
    request(mac, address.octets(), MacAddr::BROADCAST, address)
}

/// The question whether anybody answers for `address`, asked without claiming
/// it: a probe (RFC 5227 section 2.1.1).
#[must_use]
pub fn probe(mac: MacAddr, address: Ipv4Addr) -> [u8; FRAME_LEN] {
    request(mac, [0; 4], MacAddr::ZERO, address)
}

fn request(
    mac: MacAddr,
    sender: [u8; 4],
    target_mac: MacAddr,
    target: Ipv4Addr,
) -> [u8; FRAME_LEN] {
    let mut frame = [0; FRAME_LEN];
    let parts: [&[u8]; 7] = [
        &eth::header(MacAddr::BROADCAST, mac, eth::TYPE_ARP),
        &ETHERNET_IPV4,
        &REQUEST.to_be_bytes(),
        &mac.0,
        &sender,
        &target_mac.0,
        &target.octets(),
    ];
    for (to, from) in frame.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    frame
}
