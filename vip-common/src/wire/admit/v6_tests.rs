//! The judgement over IPv6, and behind an authentication header. Where a rule is
//! that of IPv4 too, its own test is there.

extern crate std;

use core::net::Ipv6Addr;
use std::vec::Vec;

use super::*;
use crate::layout::octets;
use crate::wire::fixtures::{OUR_MAC, SENDER_MAC, V2, router, vrid, with_options};
use crate::wire::{head, ipv6};

const VRRP: usize = IP + ipv6::LEN;
const SENDER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 4);
const OURSELVES: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 6);
const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 4);

/// Version 3, VRID 51, priority 150, every 10 ms, for fe80::100; its sum is not
/// looked at here.
#[rustfmt::skip]
const ADVERT: [u8; 78] = [
    0x33, 0x33, 0x00, 0x00, 0x00, 0x12,  0x02, 0x00, 0x00, 0x00, 0x00, 0x0a,  0x86, 0xdd,
    0x6c, 0x00, 0x00, 0x00,  0x00, 0x18,  0x70,  0xff,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0x04,
    0xff, 0x02, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0x12,
    0x31, 0x33, 0x96, 0x01,  0x00, 0x01, 0x00, 0x00,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0x01, 0x00,
];

fn listener() -> RouterEntry {
    RouterEntry {
        group: octets(vrrp::GROUP_V6.into()),
        primary: octets(OURSELVES.into()),
        broadcast: [0; 4],
        ..router(Version::V3)
    }
}

fn unicast() -> RouterEntry {
    RouterEntry {
        flags: RouterEntry::UNICAST,
        min_ttl: 0,
        ..listener()
    }
}

fn kind_of(frame: &[u8]) -> Kind {
    kind(&head(frame), frame.len())
}

fn judge(frame: &[u8]) -> Result<(), RejectReason> {
    judge_by(frame, &listener())
}

fn judge_by(frame: &[u8], router: &RouterEntry) -> Result<(), RejectReason> {
    admit(&head(frame), frame.len(), router)
}

fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::from(ADVERT);
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

fn from(source: Ipv6Addr) -> Vec<u8> {
    with(IP + ipv6::field::SOURCE, &source.octets())
}

fn to(mac: MacAddr, destination: Ipv6Addr) -> Vec<u8> {
    let mut frame = with(IP + ipv6::field::DESTINATION, &destination.octets());
    frame[..6].copy_from_slice(&mac.0);
    frame
}

#[test]
fn an_advert_is_recognised_and_passes() {
    assert_eq!(kind_of(&ADVERT), Kind::Advert(Family::V6, vrid()));
    assert_eq!(judge(&ADVERT), Ok(()));
    let mut padded = Vec::from(ADVERT);
    padded.extend([0xa5; 9]);
    assert_eq!(judge(&padded), Ok(()));
    assert_eq!(source(&head(&ADVERT)), octets(SENDER.into()));
}

#[test]
fn traffic_class_and_flow_are_free() {
    assert_eq!(judge(&with(IP, &[0x6f, 0xff, 0xff, 0xff])), Ok(()));
}

#[test]
fn vrrp_behind_an_extension_header_is_not_ours() {
    for next in (0..=255).filter(|next| *next != 112) {
        let frame = with(IP + ipv6::field::NEXT, &[next]);
        let expected = if next == 58 {
            Kind::Neighbour
        } else {
            Kind::Other
        };
        assert_eq!(kind_of(&frame), expected, "{next}");
    }
}

#[test]
fn a_vrid_counts_only_if_the_frame_has_it() {
    assert_eq!(kind_of(&ADVERT[..VRRP + 1]), Kind::Other);
    let named = Kind::Advert(Family::V6, vrid());
    assert_eq!(kind_of(&ADVERT[..VRRP + 2]), named);
    assert_eq!(kind(&head(&ADVERT), VRRP + 1), Kind::Other);
    assert_eq!(kind_of(&with(VRRP + 1, &[0])), Kind::Other);
}

#[test]
fn neighbour_discovery_is_recognised_when_it_is_whole() {
    let frame = with(IP + ipv6::field::NEXT, &[58]);
    assert_eq!(kind_of(&frame), Kind::Neighbour);
    assert_eq!(
        kind_of(&frame[..ndisc::MIN_FRAME_LEN - 1]),
        Kind::Other,
        "shorter than a message"
    );
}

#[test]
fn refuses_a_frame_that_ends_within_the_vrrp_header() {
    for len in [VRRP + 2, VRRP + 7] {
        assert_eq!(judge(&ADVERT[..len]), Err(RejectReason::Truncated));
    }
    assert_eq!(judge(&ADVERT[..VRRP + 8]), Err(RejectReason::TotalLength));
}

#[test]
fn refuses_other_ip_versions() {
    for version in (0..16).filter(|version| *version != 6) {
        let frame = with(IP, &[version << 4]);
        assert_eq!(judge(&frame), Err(RejectReason::IpVersion));
    }
}

#[test]
fn refuses_a_payload_length_that_cannot_be() {
    for len in [0_u16, 7, 25, 0xffff] {
        let frame = with(IP + ipv6::field::PAYLOAD_LENGTH, &len.to_be_bytes());
        assert_eq!(judge(&frame), Err(RejectReason::TotalLength), "{len}");
    }
    let frame = with(IP + ipv6::field::PAYLOAD_LENGTH, &[0, 8]);
    assert_eq!(judge(&frame), Err(RejectReason::Length));
}

#[test]
fn refuses_a_hop_limit_that_is_not_255_unless_a_unicast_peer_may_be_farther() {
    for hop_limit in [0, 1, 254] {
        let frame = with(IP + ipv6::field::HOP_LIMIT, &[hop_limit]);
        assert_eq!(judge(&frame), Err(RejectReason::Ttl));
    }
    let bounded = RouterEntry {
        min_ttl: 62,
        max_ttl: 64,
        ..listener()
    };
    for hop_limit in 0..=255 {
        let frame = with(IP + ipv6::field::HOP_LIMIT, &[hop_limit]);
        let expected = if (62..=64).contains(&hop_limit) {
            Ok(())
        } else {
            Err(RejectReason::Ttl)
        };
        assert_eq!(judge_by(&frame, &bounded), expected, "{hop_limit}");
    }
}

#[test]
fn to_the_group_only_link_local_neighbours_speak() {
    for source in [
        OURSELVES,
        GLOBAL,
        Ipv6Addr::UNSPECIFIED,
        Ipv6Addr::LOCALHOST,
        vrrp::GROUP_V6,
        Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 4),
        Ipv6Addr::new(0xfe00, 0, 0, 0, 0, 0, 0, 4),
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xc0a8, 0x0804),
    ] {
        assert_eq!(judge(&from(source)), Err(RejectReason::Source), "{source}");
    }
    for source in [
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 7),
        Ipv6Addr::new(0xfebf, 0xffff, 0, 0, 0, 0, 0, 4),
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, 6),
    ] {
        assert_eq!(judge(&from(source)), Ok(()), "{source}");
    }
}

#[test]
fn unicast_comes_from_any_host_by_our_own_mac() {
    let mut frame = to(OUR_MAC, OURSELVES);
    assert_eq!(judge_by(&frame, &unicast()), Ok(()));
    assert_eq!(judge(&frame), Err(RejectReason::Destination));
    let source = IP + ipv6::field::SOURCE;
    for (address, expected) in [
        (GLOBAL, Ok(())),
        (SENDER, Ok(())),
        (OURSELVES, Err(RejectReason::Source)),
        (vrrp::GROUP_V6, Err(RejectReason::Source)),
        (Ipv6Addr::UNSPECIFIED, Err(RejectReason::Source)),
        (Ipv6Addr::LOCALHOST, Err(RejectReason::Source)),
    ] {
        frame[source..source + 16].copy_from_slice(&address.octets());
        assert_eq!(judge_by(&frame, &unicast()), expected, "{address}");
    }
    let refused = Err(RejectReason::Destination);
    assert_eq!(judge_by(&ADVERT, &unicast()), refused);
    assert_eq!(judge_by(&to(SENDER_MAC, OURSELVES), &unicast()), refused);
    assert_eq!(judge_by(&to(OUR_MAC, GLOBAL), &unicast()), refused);
}

#[test]
fn refuses_what_was_sent_to_others() {
    let group_mac = eth::group_mac_v6(vrrp::GROUP_V6);
    let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    for (mac, destination) in [
        (MacAddr::BROADCAST, vrrp::GROUP_V6),
        (OUR_MAC, vrrp::GROUP_V6),
        (eth::group_mac_v6(all), all),
        (group_mac, all),
        (group_mac, Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0x12)),
        (group_mac, OURSELVES),
        (MacAddr([0x01, 0x00, 0x5e, 0, 0, 0x12]), vrrp::GROUP_V6),
    ] {
        let frame = to(mac, destination);
        assert_eq!(judge(&frame), Err(RejectReason::Destination));
    }
}

#[test]
fn refuses_another_version_and_type() {
    for version in (0..16).filter(|version| *version != 3) {
        let frame = with(VRRP, &[version << 4 | 1]);
        assert_eq!(judge(&frame), Err(RejectReason::Version));
    }
    for kind in (0..16).filter(|kind| *kind != 1) {
        let frame = with(VRRP, &[0x30 | kind]);
        assert_eq!(judge(&frame), Err(RejectReason::Type));
    }
}

#[test]
fn refuses_a_count_that_does_not_fit_addresses_of_16_bytes() {
    for count in (0..=255).filter(|count| *count != 1) {
        let frame = with(VRRP + 3, &[count]);
        assert_eq!(judge(&frame), Err(RejectReason::Length), "{count}");
    }
}

#[test]
fn refuses_what_no_record_holds() {
    for (count, expected) in [(92, Ok(())), (93, Err(RejectReason::Length))] {
        let mut frame = with(VRRP + 3, &[count]);
        let payload = 8 + 16 * usize::from(count);
        frame.resize(VRRP + payload, 0);
        let bytes = u16::try_from(payload).unwrap().to_be_bytes();
        frame[IP + 4..IP + 6].copy_from_slice(&bytes);
        assert_eq!(judge(&frame), expected, "{count}");
        assert_eq!(frame.len() <= LARGE_FRAME, expected.is_ok());
    }
}

#[test]
fn a_trailer_passes_where_one_may_follow_and_no_other_length() {
    let sealed = RouterEntry {
        flags: RouterEntry::TRAILER,
        ..listener()
    };
    for extra in 1..64 {
        let mut frame = with(IP + 5, &[24 + extra]);
        frame.resize(ADVERT.len() + usize::from(extra), 0xa5);
        let fits = usize::from(extra) == vrrp::TRAILER_LEN;
        assert_eq!(judge(&frame), Err(RejectReason::Length), "{extra}");
        assert_eq!(judge_by(&frame, &sealed).is_ok(), fits, "{extra}");
    }
}

/// A frame with an authentication header put before its message.
fn behind_ah(frame: &[u8], protocol_at: usize, message_at: usize) -> Vec<u8> {
    let mut longer = Vec::from(frame);
    longer[protocol_at] = PROTOCOL_AH;
    let header = [112, 4].into_iter().chain([0xa5; AH_LEN - 2]);
    longer.splice(message_at..message_at, header);
    longer
}

#[test]
fn an_authentication_header_is_the_first_reason_whatever_else_there_is() {
    for (frame, family, router) in [
        (behind_ah(&ADVERT, IP + 6, VRRP), Family::V6, listener()),
        (
            behind_ah(&V2, IP + 9, IP + 20),
            Family::V4,
            router(Version::V2),
        ),
        (
            behind_ah(&with_options(&V2, 10), IP + 9, IP + 60),
            Family::V4,
            router(Version::V2),
        ),
    ] {
        assert_eq!(kind_of(&frame), Kind::Advert(family, vrid()));
        assert_eq!(judge_by(&frame, &router), Err(RejectReason::AuthHeader));
    }
}

#[test]
fn what_is_not_vrrp_behind_an_authentication_header_is_not_ours() {
    let frame = behind_ah(&V2, IP + 9, IP + 20);
    for (at, byte) in [(IP + 20, 6), (IP + 21, 5), (IP + 20 + AH_LEN + 1, 0)] {
        let mut other = frame.clone();
        other[at] = byte;
        assert_eq!(kind_of(&other), Kind::Other);
    }
    assert_eq!(kind_of(&frame[..IP + 20 + AH_LEN + 1]), Kind::Other);
}
