//! Neighbour discovery for IPv6 over Ethernet (RFC 4861): who claims an
//! address, who asks for one, and the announcement after a takeover.

use core::net::Ipv6Addr;

use super::announce::Announcement;
use super::checksum::Sum;
use super::{HEAD, array, byte, eth, ipv6, put, word};
use crate::ids::MacAddr;

/// Length of the shortest frame: a message without options.
pub const MIN_FRAME_LEN: usize = MESSAGE + MESSAGE_LEN;
/// Length of the longest frame that we build: with one link-layer option.
pub const MAX_FRAME_LEN: usize = MIN_FRAME_LEN + OPTION_LEN;

/// Every host of the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

const IP: usize = eth::LEN;
/// Start of the ICMPv6 message.
const MESSAGE: usize = IP + ipv6::LEN;
/// Length of either message without options.
const MESSAGE_LEN: usize = 24;
/// Length of a link-layer address option over Ethernet.
const OPTION_LEN: usize = 8;

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// Options: whose link-layer address it is.
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

/// Flags of an advertisement.
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;

/// Proof that no router was crossed (RFC 4861 section 7.1).
const HOP_LIMIT: u8 = 255;

/// Offsets in the message.
mod field {
    pub(super) const TYPE: usize = 0;
    pub(super) const CODE: usize = 1;
    pub(super) const CHECKSUM: usize = 2;
    pub(super) const FLAGS: usize = 4;
    pub(super) const TARGET: usize = 8;
    pub(super) const OPTION: usize = super::MESSAGE_LEN;
}

/// What a neighbour solicitation or advertisement says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ndisc {
    /// Whether it asks (a solicitation).
    pub solicitation: bool,
    /// The MAC that is said to hold the address: the link-layer option's where
    /// it comes first, else the frame's source.
    pub sender_mac: MacAddr,
    /// Source of the packet; unspecified in a probe.
    pub source: [u8; 16],
    /// The address it is about.
    pub target: [u8; 16],
}

impl Ndisc {
    /// The address that [`Ndisc::sender_mac`] claims: what an advertisement is
    /// about, what a solicitation is sent from, or what it probes for, since
    /// a host probes for what it is about to use (RFC 4862 section 5.4).
    #[inline(always)]
    #[must_use]
    pub fn claims(&self) -> [u8; 16] {
        if self.solicitation && self.source != [0; 16] {
            self.source
        } else {
            self.target
        }
    }

    /// The address that it asks for. A probe claims instead.
    #[inline(always)]
    #[must_use]
    pub fn asks_for(&self) -> Option<[u8; 16]> {
        (self.solicitation && self.claims() != self.target).then_some(self.target)
    }
}

/// Reads a frame that is IPv6 by its EtherType and at least [`MIN_FRAME_LEN`]
/// long. `None` if it is neither solicitation nor advertisement, or one that
/// hosts do not believe (RFC 4861 sections 7.1.1 and 7.1.2); the checksum, which
/// may reach beyond the head, is not looked at.
#[inline(always)]
#[must_use]
pub fn parse(head: &[u8; HEAD]) -> Option<Ndisc> {
    let kind = byte(head, MESSAGE + field::TYPE);
    let is_ndisc = byte(head, IP + ipv6::field::NEXT) == ipv6::NEXT_ICMP
        && byte(head, IP + ipv6::field::VERSION) >> 4 == 6
        && byte(head, IP + ipv6::field::HOP_LIMIT) == HOP_LIMIT
        && byte(head, MESSAGE + field::CODE) == 0
        && (kind == SOLICITATION || kind == ADVERTISEMENT);
    let len = word(head, IP + ipv6::field::PAYLOAD_LENGTH);
    // A multicast target is none.
    if !is_ndisc || len < MESSAGE_LEN as u16 || byte(head, MESSAGE + field::TARGET) == 0xff {
        return None;
    }
    let solicitation = kind == SOLICITATION;
    let wanted = if solicitation {
        SOURCE_LINK_LAYER
    } else {
        TARGET_LINK_LAYER
    };
    let has_option = len >= (MESSAGE_LEN + OPTION_LEN) as u16
        && array(head, MESSAGE + field::OPTION) == [wanted, 1];
    let mac_at = if has_option {
        MESSAGE + field::OPTION + 2
    } else {
        eth::field::SOURCE
    };
    Some(Ndisc {
        solicitation,
        sender_mac: MacAddr(array(head, mac_at)),
        source: array(head, IP + ipv6::field::SOURCE),
        target: array(head, MESSAGE + field::TARGET),
    })
}

/// The advertisement that moves all neighbours to `mac` (RFC 9568 section
/// 6.4.1): unsolicited, overriding what they know, from the address itself.
/// `router` is whether this host forwards, as it says itself in its own
/// advertisements: a host that hears otherwise drops its default route.
#[must_use]
pub fn unsolicited(mac: MacAddr, address: Ipv6Addr, router: bool) -> Announcement {
    let flags = if router { ROUTER | OVERRIDE } else { OVERRIDE };
    let option = Some((TARGET_LINK_LAYER, mac));
    let message = message(ADVERTISEMENT, flags, address);
    frame(mac, address, ALL_NODES, message, option)
}

/// The question who answers for `address`, asked in the name of `source`, an
/// address of our own. From the unspecified address it is a probe, which says
/// that we are about to use the address (RFC 4862 section 5.4.2); hosts answer
/// it to everybody.
#[must_use]
pub fn question(mac: MacAddr, source: Ipv6Addr, address: Ipv6Addr) -> Announcement {
    let option = (!source.is_unspecified()).then_some((SOURCE_LINK_LAYER, mac));
    let message = message(SOLICITATION, 0, address);
    frame(mac, source, solicited_node(address), message, option)
}

/// The group that whoever has `address` is in (RFC 4291 section 2.7.1).
#[must_use]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    let low = u16::from_be_bytes([b, c]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a as u16, low)
}

fn message(kind: u8, flags: u8, target: Ipv6Addr) -> [u8; MESSAGE_LEN] {
    let mut message = [0; MESSAGE_LEN];
    put(&mut message, field::TYPE, &[kind]);
    put(&mut message, field::FLAGS, &[flags]);
    put(&mut message, field::TARGET, &target.octets());
    message
}

fn frame(
    mac: MacAddr,
    source: Ipv6Addr,
    group: Ipv6Addr,
    message: [u8; MESSAGE_LEN],
    option: Option<(u8, MacAddr)>,
) -> Announcement {
    let mut bytes = [0; MAX_FRAME_LEN];
    let mut end = put(&mut bytes, MESSAGE, &message);
    if let Some((kind, mac)) = option {
        end = put(&mut bytes, end, &[kind, 1]);
        end = put(&mut bytes, end, &mac.0);
    }
    let len = (end - MESSAGE) as u16;
    // What lies beyond the message is zero and changes no sum.
    let sum = Sum::ZERO
        .bytes(bytes.get(MESSAGE..).unwrap_or_default())
        .upper_layer(source.into(), group.into(), ipv6::NEXT_ICMP, len);
    let checksum = sum.checksum().to_be_bytes();
    put(&mut bytes, MESSAGE + field::CHECKSUM, &checksum);
    let ip = ipv6::header(ipv6::NEXT_ICMP, HOP_LIMIT, source, group, len);
    put(&mut bytes, IP, &ip);
    let ethernet = eth::header(eth::group_mac_v6(group), mac, eth::TYPE_IPV6);
    put(&mut bytes, 0, &ethernet);
    Announcement::of(bytes.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fixtures::{NA, NA_ROUTER, NS, OUR_MAC, PROBE, SENDER_MAC};
    use crate::wire::head;

    const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
    const ASKED: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x123, 0x4567);
    const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 6);

    fn changed<const N: usize>(frame: [u8; N], at: usize, bytes: &[u8]) -> Option<Ndisc> {
        let mut frame = frame;
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        parse(&head(&frame))
    }

    #[test]
    fn construct_announcements() {
        let announced = unsolicited(SENDER_MAC, ADDRESS, false);
        assert_eq!(announced.as_bytes(), NA);
        let announced = unsolicited(SENDER_MAC, ADDRESS, true);
        assert_eq!(announced.as_bytes(), NA_ROUTER);
    }

    #[test]
    fn frames_are_as_long_as_is_said() {
        assert_eq!((PROBE.len(), NS.len()), (MIN_FRAME_LEN, MAX_FRAME_LEN));
    }

    #[test]
    fn construct_questions() {
        let asked = question(SENDER_MAC, SOURCE, ASKED);
        assert_eq!(asked.as_bytes(), NS);
        let asked = question(SENDER_MAC, Ipv6Addr::UNSPECIFIED, ASKED);
        assert_eq!(asked.as_bytes(), PROBE);
    }

    #[test]
    fn an_announcement_claims_and_asks_nothing() {
        for frame in [NA, NA_ROUTER] {
            let read = parse(&head(&frame)).unwrap();
            assert!(!read.solicitation);
            assert_eq!(read.sender_mac, SENDER_MAC);
            assert_eq!(
                (read.source, read.target),
                (ADDRESS.octets(), ADDRESS.octets())
            );
            assert_eq!((read.claims(), read.asks_for()), (ADDRESS.octets(), None));
        }
    }

    #[test]
    fn an_answer_claims_what_it_is_about_whoever_sends_it() {
        let read = changed(NA, 22, &SOURCE.octets()).unwrap();
        assert_eq!((read.claims(), read.asks_for()), (ADDRESS.octets(), None));
        // From nobody no less: hosts take it.
        let read = changed(NA, 22, &[0; 16]).unwrap();
        assert_eq!((read.claims(), read.asks_for()), (ADDRESS.octets(), None));
    }

    #[test]
    fn a_question_claims_its_source() {
        let read = parse(&head(&NS)).unwrap();
        assert!(read.solicitation);
        assert_eq!(read.sender_mac, SENDER_MAC);
        assert_eq!(
            (read.claims(), read.asks_for()),
            (SOURCE.octets(), Some(ASKED.octets()))
        );
    }

    #[test]
    fn a_probe_claims_what_it_asks_for() {
        let read = parse(&head(&PROBE)).unwrap();
        assert_eq!((read.claims(), read.asks_for()), (ASKED.octets(), None));
        assert_eq!(read.sender_mac, SENDER_MAC);
    }

    #[test]
    fn a_source_that_starts_with_zero_is_one() {
        let read = changed(NS, 22, &[0; 15]).unwrap();
        assert_eq!(
            read.claims(),
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6]
        );
    }

    #[test]
    fn the_claimant_is_in_the_option_or_else_in_the_frame() {
        for frame in [NA, NS] {
            let of = |at, bytes: &[u8]| changed(frame, at, bytes).unwrap().sender_mac;
            assert_eq!(of(6, &OUR_MAC.0), SENDER_MAC);
            assert_eq!(of(80, &OUR_MAC.0), OUR_MAC);
            // Another option, another length, or none as far as the length goes.
            for (at, bytes) in [(78, [3, 1]), (78, [1, 2]), (78, [2, 2]), (18, [0, 31])] {
                let mut other = frame;
                other[80..86].copy_from_slice(&OUR_MAC.0);
                let read = changed(other, at, &bytes).unwrap();
                assert_eq!(read.sender_mac, SENDER_MAC, "{at} {bytes:?}");
            }
        }
        let mut mixed = NA;
        mixed[80..86].copy_from_slice(&OUR_MAC.0);
        assert_eq!(changed(mixed, 78, &[1]).unwrap().sender_mac, SENDER_MAC);
        let mut mixed = NS;
        mixed[80..86].copy_from_slice(&OUR_MAC.0);
        assert_eq!(changed(mixed, 78, &[2]).unwrap().sender_mac, SENDER_MAC);
    }

    #[test]
    fn what_hosts_do_not_believe_is_not_read() {
        let refused: [(usize, &[u8]); 10] = [
            // No ICMPv6 over IPv6, from afar, of another type or code, too short, about
            // a group.
            (14, &[0x4c]),
            (20, &[112]),
            (21, &[254]),
            (54, &[134]),
            (54, &[137]),
            (54, &[0]),
            (55, &[1]),
            (18, &[0, 23]),
            (18, &[0, 0]),
            (62, &[0xff]),
        ];
        for (at, bytes) in refused {
            assert_eq!(changed(NA, at, bytes), None, "{at}");
            assert_eq!(changed(NS, at, bytes), None, "{at}");
        }
        assert!(changed(PROBE, 18, &[0, 24]).is_some());
    }

    #[test]
    fn the_flow_label_and_class_are_free() {
        assert!(changed(NA, 14, &[0x60, 0x01, 0x02, 0x03]).is_some());
    }

    #[test]
    fn a_solicited_node_takes_the_low_24_bits() {
        assert_eq!(
            solicited_node(ASKED),
            Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff23, 0x4567)
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(frame in proptest::collection::vec(proptest::num::u8::ANY, 0..120)) {
            let _ = parse(&head(&frame)).map(|read| (read.claims(), read.asks_for()));
        }

        #[test]
        fn what_is_said_is_heard(
            address in proptest::num::u128::ANY,
            source in 1..u128::MAX,
            mac in proptest::array::uniform6(proptest::num::u8::ANY),
            router in proptest::bool::ANY,
        ) {
            // No multicast address.
            let address = Ipv6Addr::from_bits(address & !(1 << 127));
            let (source, mac) = (Ipv6Addr::from_bits(source), MacAddr(mac));
            let said = parse(&head(unsolicited(mac, address, router).as_bytes())).unwrap();
            proptest::prop_assert_eq!(said.sender_mac, mac);
            proptest::prop_assert_eq!(said.claims(), address.octets());
            let asked = parse(&head(question(mac, source, address).as_bytes())).unwrap();
            proptest::prop_assert_eq!(asked.sender_mac, mac);
            proptest::prop_assert_eq!(asked.claims(), source.octets());
            let probe = question(mac, Ipv6Addr::UNSPECIFIED, address);
            let probed = parse(&head(probe.as_bytes())).unwrap();
            proptest::prop_assert_eq!(probed.claims(), address.octets());
        }
    }
}
