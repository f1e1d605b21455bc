//! The IPv6 header (RFC 8200). Adverts have no extension headers.

use core::net::Ipv6Addr;

use super::{array, byte, word};

/// Length of the header.
pub const LEN: usize = 40;

/// Next header number of ICMPv6, which carries neighbour discovery.
pub const NEXT_ICMP: u8 = 58;
/// Next header number of VRRP.
pub const NEXT_VRRP: u8 = super::ipv4::PROTOCOL_VRRP;

/// Offsets in the header.
pub(super) mod field {
    pub(in crate::wire) const VERSION: usize = 0;
    pub(in crate::wire) const PAYLOAD_LENGTH: usize = 4;
    pub(in crate::wire) const NEXT: usize = 6;
    pub(in crate::wire) const HOP_LIMIT: usize = 7;
    pub(in crate::wire) const SOURCE: usize = 8;
    pub(in crate::wire) const DESTINATION: usize = 24;
}

/// What is worth knowing of the header of an admitted advert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6Header {
    /// Who sent it.
    pub source: Ipv6Addr,
    /// The group, or our own address.
    pub destination: Ipv6Addr,
    /// 255 if it has crossed no router.
    pub hop_limit: u8,
}

/// Header and payload of a VRRP packet, the payload cut to its length. `None`
/// if they are not all there, or something else follows the header.
#[must_use]
pub fn parse(packet: &[u8]) -> Option<(Ipv6Header, &[u8])> {
    if byte(packet, field::VERSION) >> 4 != 6 || byte(packet, field::NEXT) != NEXT_VRRP {
        return None;
    }
    let len = usize::from(word(packet, field::PAYLOAD_LENGTH));
    let payload = packet.get(LEN..LEN + len)?;
    let header = Ipv6Header {
        source: Ipv6Addr::from(array::<16>(packet, field::SOURCE)),
        destination: Ipv6Addr::from(array::<16>(packet, field::DESTINATION)),
        hop_limit: byte(packet, field::HOP_LIMIT),
    };
    Some((header, payload))
}

/// The header of a packet without extensions, in flow 0, marked as network
/// control as keepalived's adverts are.
pub(super) fn header(
    next: u8,
    hop_limit: u8,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    payload: u16,
) -> [u8; LEN] {
    // Version 6, traffic class 0xc0, flow label 0.
    let [high, low] = payload.to_be_bytes();
    let start = [0x6c, 0, 0, 0, high, low, next, hop_limit];
    let mut header = [0; LEN];
    let parts = [&start[..], &source.octets(), &destination.octets()];
    for (to, from) in header.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fixtures::V6;

    const IP: usize = 14;

    #[test]
    fn deconstruct() {
        let (header, payload) = parse(&V6[IP..]).unwrap();
        assert_eq!(
            header,
            Ipv6Header {
                source: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 4),
                destination: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
                hop_limit: 255,
            }
        );
        assert_eq!(payload, &V6[IP + LEN..]);
    }

    #[test]
    fn construct() {
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 4);
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
        let built = header(NEXT_VRRP, 255, source, group, 40);
        assert_eq!(built, V6[IP..IP + LEN]);
        let built = header(NEXT_ICMP, 3, source, group, 0x1234);
        assert_eq!(built[4..8], [0x12, 0x34, 58, 3]);
    }

    #[test]
    fn a_payload_may_be_empty_and_must_be_there() {
        let mut packet = V6;
        packet[IP + 5] = 0;
        let (_, payload) = parse(&packet[IP..IP + LEN]).unwrap();
        assert!(payload.is_empty());
        packet[IP + 5] = 1;
        assert!(parse(&packet[IP..IP + LEN]).is_none());
        packet[IP + 4] = 0xff;
        assert!(parse(&packet[IP..]).is_none());
        assert!(parse(&[]).is_none());
    }

    #[test]
    fn other_versions_and_what_follows_are_not_read() {
        for (at, value) in [(0, 0x4c), (0, 0x0c), (6, 0), (6, 51), (6, 58)] {
            let mut packet = V6;
            packet[IP + at] = value;
            assert!(parse(&packet[IP..]).is_none(), "{at}");
        }
    }
}
