//! The IPv4 header (RFC 791).

use core::net::Ipv4Addr;

use super::{array, byte, word};

/// Length without options, which is also the least.
pub const MIN_LEN: usize = 20;
/// Length with all the options that fit.
pub const MAX_LEN: usize = 60;

/// Protocol number of VRRP.
pub const PROTOCOL_VRRP: u8 = 112;

/// Offsets in the header.
pub(super) mod field {
    pub(in crate::wire) const VERSION_IHL: usize = 0;
    pub(in crate::wire) const TOTAL_LENGTH: usize = 2;
    pub(in crate::wire) const IDENTIFICATION: usize = 4;
    pub(in crate::wire) const FRAGMENT: usize = 6;
    pub(in crate::wire) const TTL: usize = 8;
    pub(in crate::wire) const PROTOCOL: usize = 9;
    pub(in crate::wire) const CHECKSUM: usize = 10;
    pub(in crate::wire) const SOURCE: usize = 12;
    pub(in crate::wire) const DESTINATION: usize = 16;
}

/// What is worth knowing of the header of an admitted advert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4Header {
    /// Who sent it.
    pub source: Ipv4Addr,
    /// The group, or our own address.
    pub destination: Ipv4Addr,
    /// 255 if it has crossed no router.
    pub ttl: u8,
    /// The sender's counter; +1 per advert with keepalived and with us.
    pub identification: u16,
}

/// Header and payload of a packet, the payload cut to the total length. `None`
/// if they are not all there.
#[must_use]
pub fn parse(packet: &[u8]) -> Option<(Ipv4Header, &[u8])> {
    let header_len = usize::from(byte(packet, field::VERSION_IHL) & 0x0f) * 4;
    let total = usize::from(word(packet, field::TOTAL_LENGTH));
    if header_len < MIN_LEN {
        return None;
    }
    let payload = packet.get(header_len..total)?;
    let header = Ipv4Header {
        source: Ipv4Addr::from(array(packet, field::SOURCE)),
        destination: Ipv4Addr::from(array(packet, field::DESTINATION)),
        ttl: byte(packet, field::TTL),
        identification: word(packet, field::IDENTIFICATION),
    };
    Some((header, payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fixtures::{GROUP, IP, SENDER, V2, V3, VRRP, with_options};

    #[test]
    fn deconstruct() {
        let (header, payload) = parse(&V3[IP..]).unwrap();
        assert_eq!(
            header,
            Ipv4Header {
                source: SENDER,
                destination: GROUP,
                ttl: 255,
                identification: 0x1234,
            }
        );
        assert_eq!(payload, &V3[VRRP..]);
    }

    #[test]
    fn options_are_no_payload_and_neither_is_padding() {
        for words in [1, 10] {
            let mut packet = with_options(&V2, words);
            packet.extend([0xa5; 6]);
            let (_, payload) = parse(&packet[IP..]).unwrap();
            assert_eq!(payload, &V2[VRRP..]);
        }
    }

    #[test]
    fn a_header_and_no_more_has_an_empty_payload() {
        let mut packet = [0; MIN_LEN];
        packet[0] = 0x45;
        packet[3] = 20;
        let (_, payload) = parse(&packet).unwrap();
        assert!(payload.is_empty());
    }

    #[test]
    fn lengths_that_contradict_each_other_are_no_packet() {
        let packet = &V2[IP..];
        assert!(parse(&packet[..39]).is_none());
        assert!(parse(&packet[..19]).is_none());
        assert!(parse(&[]).is_none());
        let mut short_header = V2;
        short_header[IP] = 0x44;
        assert!(parse(&short_header[IP..]).is_none());
        let mut short_total = V2;
        short_total[IP + 3] = 19;
        assert!(parse(&short_total[IP..]).is_none());
    }
}
