//! ARP for IPv4 over Ethernet (RFC 826): who claims an address, who asks for
//! one, and the announcement after a takeover.

use core::net::Ipv4Addr;

use super::{HEAD, array, eth, put, word};
use crate::ids::MacAddr;

/// Length of a frame, without Ethernet padding.
pub const FRAME_LEN: usize = eth::LEN + 28;

/// Hardware type Ethernet, protocol IPv4, address lengths 6 and 4.
const ETHERNET_IPV4: [u8; 6] = [0x00, 0x01, 0x08, 0x00, 6, 4];

const REQUEST: u16 = 1;
const REPLY: u16 = 2;

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

/// The same as a reply, which nobody answers: for a virtual MAC. A router that still
/// holds the address would answer a request by the very MAC, and switches would send
/// the traffic back to it (keepalived's interfaces take packets from addresses of
/// their own).
#[must_use]
pub fn gratuitous_reply(mac: MacAddr, address: Ipv4Addr) -> [u8; FRAME_LEN] {
    // What Linux takes for a gratuitous reply names the same MAC twice.
    let mut frame = request(mac, address.octets(), mac, address);
    put(
        &mut frame,
        eth::LEN + field::OPERATION,
        &REPLY.to_be_bytes(),
    );
    frame
}

/// The question who answers for `address`, asked in the name of `source`, an
/// address of our own, so that nobody takes it for a claim (as a probe would
/// be, RFC 5227 section 2.1.1).
#[must_use]
pub fn question(mac: MacAddr, source: Ipv4Addr, address: Ipv4Addr) -> [u8; FRAME_LEN] {
    request(mac, source.octets(), MacAddr::ZERO, address)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fixtures::{SENDER, SENDER_MAC};
    use crate::wire::head;

    const ADDRESS: [u8; 4] = [192, 168, 8, 100];

    #[rustfmt::skip]
    const GRATUITOUS: [u8; 42] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  0x02, 0x00, 0x00, 0x00, 0x00, 0x0a,  0x08, 0x06,
        0x00, 0x01,  0x08, 0x00,  0x06,  0x04,  0x00, 0x01,
        0x02, 0x00, 0x00, 0x00, 0x00, 0x0a,  0xc0, 0xa8, 0x08, 0x64,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  0xc0, 0xa8, 0x08, 0x64,
    ];

    fn says(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Arp {
        let mut frame = GRATUITOUS;
        frame[21] = operation;
        frame[28..32].copy_from_slice(&sender);
        frame[38..42].copy_from_slice(&target);
        parse(&head(&frame)).unwrap()
    }

    #[test]
    fn a_gratuitous_reply_claims_and_asks_nothing() {
        let mac = MacAddr([0, 0, 0x5e, 0, 1, 7]);
        let frame = gratuitous_reply(mac, Ipv4Addr::new(192, 0, 2, 7));
        let said = parse(&crate::wire::head(&frame)).unwrap();
        assert!(!said.request);
        assert_eq!(said.sender_mac, mac);
        assert_eq!(said.claims(), Some([192, 0, 2, 7]));
        assert_eq!(said.asks_for(), None);
        assert_eq!(frame[..6], [0xff; 6]);
        assert_eq!(frame[32..38], mac.0);
    }

    #[test]
    fn construct() {
        assert_eq!(gratuitous(SENDER_MAC, Ipv4Addr::from(ADDRESS)), GRATUITOUS);
    }

    #[test]
    fn construct_question() {
        let mut asks = GRATUITOUS;
        asks[28..32].copy_from_slice(&[192, 168, 8, 6]);
        asks[32..38].fill(0);
        let source = Ipv4Addr::new(192, 168, 8, 6);
        assert_eq!(question(SENDER_MAC, source, Ipv4Addr::from(ADDRESS)), asks);
    }

    #[test]
    fn deconstruct() {
        let mut frame = GRATUITOUS;
        frame[38..42].copy_from_slice(&SENDER.octets());
        assert_eq!(
            parse(&head(&frame)),
            Some(Arp {
                request: true,
                sender_mac: SENDER_MAC,
                sender: ADDRESS,
                target: SENDER.octets(),
            })
        );
    }

    #[test]
    fn the_claimant_is_the_packets_sender_whoever_sent_the_frame() {
        let mut frame = GRATUITOUS;
        frame[6..12].fill(0xee);
        assert_eq!(parse(&head(&frame)).unwrap().sender_mac, SENDER_MAC);
    }

    #[test]
    fn an_announcement_claims_and_asks_nothing() {
        let arp = says(1, ADDRESS, ADDRESS);
        assert_eq!((arp.claims(), arp.asks_for()), (Some(ADDRESS), None));
    }

    #[test]
    fn a_question_claims_the_senders_own_address() {
        let arp = says(1, SENDER.octets(), ADDRESS);
        assert_eq!(
            (arp.claims(), arp.asks_for()),
            (Some(SENDER.octets()), Some(ADDRESS))
        );
    }

    #[test]
    fn an_answer_claims_and_asks_nothing() {
        let arp = says(2, ADDRESS, SENDER.octets());
        assert_eq!((arp.claims(), arp.asks_for()), (Some(ADDRESS), None));
    }

    #[test]
    fn a_probe_claims_what_it_asks_for() {
        let arp = says(1, [0; 4], ADDRESS);
        assert_eq!((arp.claims(), arp.asks_for()), (Some(ADDRESS), None));
    }

    #[test]
    fn an_answer_from_nobody_says_nothing() {
        let arp = says(2, [0; 4], ADDRESS);
        assert_eq!((arp.claims(), arp.asks_for()), (None, None));
    }

    #[test]
    fn a_sender_starting_with_zero_is_still_a_sender() {
        let arp = says(1, [0, 0, 0, 1], ADDRESS);
        assert_eq!(arp.claims(), Some([0, 0, 0, 1]));
    }

    #[test]
    fn the_operation_is_both_bytes() {
        let mut frame = GRATUITOUS;
        frame[20] = 1;
        assert!(!parse(&head(&frame)).unwrap().request);
    }

    #[test]
    fn other_hardware_and_protocols_are_not_read() {
        for at in 14..20 {
            let mut frame = GRATUITOUS;
            frame[at] ^= 1;
            assert_eq!(parse(&head(&frame)), None, "{at}");
        }
    }
}
