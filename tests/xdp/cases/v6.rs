//! The table's part of IPv6.

use std::net::Ipv6Addr;

use vip::dataplane::packet::Verdict;
use vip_common::ids::MacAddr;
use vip_common::layout::octets;
use vip_common::reject::RejectReason as R;
use vip_common::wire::vrrp::TRAILER_LEN;

use super::{Case, case, refusal};
use crate::frames::{
    ADDRESS_6, FAR_6, GROUP_6, IP, NEAR_6, OUR_MAC, OURSELVES_6, SENDER_6, SENDER_MAC, SLOT_6,
    SLOT_UNICAST_6, STRANGER, VRRP_6, advert_6, cut, link_local, longer, ndisc, padded, tagged,
    unicast_6, with,
};

/// Offsets in the IPv6 header, from the frame's start.
const LENGTH: usize = IP + 4;
const NEXT: usize = IP + 6;
const HOP_LIMIT: usize = IP + 7;
const SOURCE: usize = IP + 8;
const DESTINATION: usize = IP + 24;

pub(super) fn all() -> Vec<Case> {
    let mut cases = taken();
    for addresses in [1, 20] {
        let good = advert_6(addresses);
        cases.extend(spoiled(&good).into_iter().map(|(what, frame, reason)| {
            let name = format!("IPv6, {addresses} addresses: {what}");
            case(name, frame.clone(), refusal(SLOT_6, &frame, reason))
        }));
    }
    cases.extend(unicast());
    cases.extend(untouched());
    cases.extend(neighbours());
    cases
}

/// What passes to the election, from the shortest to the longest.
fn taken() -> Vec<Case> {
    let taken = Verdict::Taken { slot: SLOT_6 };
    let mut cases = Vec::new();
    for addresses in [1, 2, 3, 4, 5, 20, 80] {
        let name = format!("IPv6, {addresses} addresses");
        cases.push(case(name, advert_6(addresses), taken));
    }
    let one = advert_6(1);
    for len in [103, 104, 105, 127, 128, 129, 1514, 1536, 1537, 2000] {
        let name = format!("IPv6 padded to {len}");
        cases.push(case(name, padded(one.clone(), len), taken));
    }
    let marked = with(one.clone(), IP, &[0x6f, 0xff, 0xff, 0xff]);
    cases.push(case("IPv6, traffic class and flow", marked, taken));
    let summed = with(one, VRRP_6 + 6, &[0xde, 0xad]);
    cases.push(case("IPv6, sum left to the daemon", summed, taken));
    let taken = Verdict::Taken {
        slot: SLOT_UNICAST_6,
    };
    for extra in [0, TRAILER_LEN] {
        let name = format!("IPv6 unicast and {extra} bytes");
        cases.push(case(name, longer(unicast_6(), extra), taken));
    }
    let local = with(unicast_6(), SOURCE, &SENDER_6.octets());
    cases.push(case("IPv6 unicast, link-local", local, taken));
    cases
}

/// What names the router of IPv6 and cannot be.
fn spoiled(good: &[u8]) -> Vec<(&'static str, Vec<u8>, R)> {
    let good = good.to_vec();
    let put = |at, bytes: &[u8]| with(good.clone(), at, bytes);
    let payload = good.len() - VRRP_6;
    let length = |len: usize| put(LENGTH, &u16::try_from(len).expect("short").to_be_bytes());
    let from = |source: Ipv6Addr| put(SOURCE, &source.octets());
    let to = |mac: &MacAddr, destination: Ipv6Addr| {
        with(put(0, &mac.0), DESTINATION, &destination.octets())
    };
    let count = good[VRRP_6 + 3];
    let group_mac = MacAddr([0x33, 0x33, 0, 0, 0, 0x12]);
    // More than a record holds, which no router can send without fragments.
    let mut endless = longer(good.clone(), (93 - usize::from(count)) * 16);
    endless[VRRP_6 + 3] = 93;
    vec![
        (
            "ends with the VRID",
            cut(good.clone(), VRRP_6 + 2),
            R::Truncated,
        ),
        (
            "ends within the header",
            cut(good.clone(), VRRP_6 + 7),
            R::Truncated,
        ),
        ("IP version 4", put(IP, &[0x4c]), R::IpVersion),
        ("IP version 0", put(IP, &[0x0c]), R::IpVersion),
        ("longer than the frame", length(payload + 1), R::TotalLength),
        ("longest", length(0xffff), R::TotalLength),
        ("shorter than a header", length(7), R::TotalLength),
        ("of no length", length(0), R::TotalLength),
        ("hop limit 254", put(HOP_LIMIT, &[254]), R::Ttl),
        ("hop limit 0", put(HOP_LIMIT, &[0]), R::Ttl),
        ("from us", from(OURSELVES_6), R::Source),
        ("from a group", from(GROUP_6), R::Source),
        ("from nobody", from(Ipv6Addr::UNSPECIFIED), R::Source),
        ("from loopback", from(Ipv6Addr::LOCALHOST), R::Source),
        ("not link-local", from(FAR_6), R::Source),
        (
            "nearly link-local",
            from(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 4)),
            R::Source,
        ),
        (
            "to another group",
            to(&group_mac, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x13)),
            R::Destination,
        ),
        (
            "to another group by its MAC",
            to(
                &MacAddr([0x33, 0x33, 0, 0, 0, 1]),
                Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
            ),
            R::Destination,
        ),
        (
            "to a group that ends alike",
            to(&group_mac, Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0x12)),
            R::Destination,
        ),
        (
            "to another host",
            to(&STRANGER, link_local(7)),
            R::Destination,
        ),
        (
            "to us, where the group is listened to",
            to(&OUR_MAC, OURSELVES_6),
            R::Destination,
        ),
        (
            "to us by the group's MAC",
            to(&group_mac, OURSELVES_6),
            R::Destination,
        ),
        (
            "to the group by our MAC",
            to(&OUR_MAC, GROUP_6),
            R::Destination,
        ),
        (
            "to the group by broadcast",
            to(&MacAddr::BROADCAST, GROUP_6),
            R::Destination,
        ),
        ("version 2", put(VRRP_6, &[0x21]), R::Version),
        ("version 0", put(VRRP_6, &[0x01]), R::Version),
        ("type 0", put(VRRP_6, &[0x30]), R::Type),
        ("type 2", put(VRRP_6, &[0x32]), R::Type),
        ("one address more", put(VRRP_6 + 3, &[count + 1]), R::Length),
        ("one address less", put(VRRP_6 + 3, &[count - 1]), R::Length),
        ("sixteen bytes less", length(payload - 16), R::Length),
        ("a password", longer(good.clone(), 8), R::Length),
        (
            "a signature that nobody expects",
            longer(good.clone(), TRAILER_LEN),
            R::Length,
        ),
        ("more addresses than there can be", endless, R::Length),
    ]
}

/// What the unicast router refuses, whose peers are one or two hops away.
fn unicast() -> Vec<Case> {
    let good = unicast_6();
    let put = |at, bytes: &[u8]| with(good.clone(), at, bytes);
    let to_group = with(
        put(0, &[0x33, 0x33, 0, 0, 0, 0x12]),
        DESTINATION,
        &GROUP_6.octets(),
    );
    let disguised = Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xc0a8, 0x0804);
    [
        ("to the group", to_group, R::Destination),
        ("to us by another MAC", put(0, &STRANGER.0), R::Destination),
        (
            "to another",
            put(DESTINATION, &OURSELVES_6.octets()),
            R::Destination,
        ),
        ("from too near", put(HOP_LIMIT, &[255]), R::Ttl),
        ("from too far", put(HOP_LIMIT, &[252]), R::Ttl),
        ("from us", put(SOURCE, &NEAR_6.octets()), R::Source),
        ("from a group", put(SOURCE, &GROUP_6.octets()), R::Source),
        ("from IPv4", put(SOURCE, &disguised.octets()), R::Source),
        (
            "27 bytes more",
            longer(good.clone(), TRAILER_LEN - 1),
            R::Length,
        ),
        (
            "29 bytes more",
            longer(good.clone(), TRAILER_LEN + 1),
            R::Length,
        ),
    ]
    .into_iter()
    .map(|(what, frame, reason)| {
        let name = format!("IPv6 unicast: {what}");
        case(name, frame.clone(), refusal(SLOT_UNICAST_6, &frame, reason))
    })
    .collect()
}

/// What is nobody's business here.
fn untouched() -> Vec<Case> {
    let good = advert_6(2);
    let put = |at, bytes: &[u8]| with(good.clone(), at, bytes);
    let icmp = |kind| with(put(NEXT, &[58]), VRRP_6, &[kind]);
    // An extension header of eight bytes that says that VRRP follows it.
    let behind = |next| {
        let mut frame = put(NEXT, &[next]);
        frame.splice(VRRP_6..VRRP_6, [112, 0, 1, 4, 0, 0, 0, 0]);
        longer(frame, 0)
    };
    [
        ("TCP", put(NEXT, &[6])),
        ("UDP", put(NEXT, &[17])),
        ("long TCP", padded(put(NEXT, &[6]), 1514)),
        ("nothing follows", put(NEXT, &[59])),
        ("ping", icmp(128)),
        ("router solicitation", icmp(133)),
        ("router advertisement", icmp(134)),
        ("redirect", icmp(137)),
        ("VRRP behind hop-by-hop options", behind(0)),
        ("VRRP behind a routing header", behind(43)),
        ("VRRP behind a fragment header", behind(44)),
        ("VRRP behind destination options", behind(60)),
        ("somebody else's VRID", put(VRRP_6 + 1, &[77])),
        ("VRID of an IPv4 router", put(VRRP_6 + 1, &[52])),
        ("VRID 0", put(VRRP_6 + 1, &[0])),
        ("no room for a VRID", cut(good.clone(), VRRP_6 + 1)),
        ("an IP header alone", cut(good.clone(), VRRP_6)),
        ("half an IP header", cut(good.clone(), IP + 20)),
        ("VLAN tag in the frame", tagged(&good, [0x81, 0])),
    ]
    .into_iter()
    .map(|(what, frame)| case(format!("IPv6: {what}"), frame, Verdict::Untouched))
    .collect()
}

/// Who claims, who asks.
fn neighbours() -> Vec<Case> {
    const ASKS: u8 = 135;
    const SAYS: u8 = 136;
    let nobody = Ipv6Addr::UNSPECIFIED;
    let other = link_local(0x77);
    let claimed = Verdict::Claimed {
        slot: SLOT_6,
        address: octets(ADDRESS_6.into()),
        mac: STRANGER,
        stranger: true,
        watched: false,
    };
    let asked = Verdict::Asked { slot: SLOT_6 };
    let untouched = Verdict::Untouched;
    let stranger = |kind, source, target, option| ndisc(kind, STRANGER, source, target, option);
    let announced = stranger(SAYS, ADDRESS_6, ADDRESS_6, Some(STRANGER));
    let named = |mac| ndisc(SAYS, SENDER_MAC, ADDRESS_6, ADDRESS_6, Some(mac));
    let spoil = |at, bytes: &[u8]| with(announced.clone(), at, bytes);
    [
        ("announcement", announced.clone(), claimed),
        (
            "announcement, padded",
            padded(announced.clone(), 90),
            claimed,
        ),
        ("announcement by another's frame", named(STRANGER), claimed),
        (
            "announcement without a MAC",
            stranger(SAYS, ADDRESS_6, ADDRESS_6, None),
            claimed,
        ),
        (
            "another option first",
            with(named(SENDER_MAC), VRRP_6 + 24, &[14]),
            untouched,
        ),
        (
            "answer from another address",
            stranger(SAYS, other, ADDRESS_6, Some(STRANGER)),
            claimed,
        ),
        ("probe", stranger(ASKS, nobody, ADDRESS_6, None), claimed),
        (
            "question by a claimant",
            stranger(ASKS, ADDRESS_6, other, Some(STRANGER)),
            claimed,
        ),
        (
            "our own announcement",
            ndisc(SAYS, OUR_MAC, ADDRESS_6, ADDRESS_6, Some(OUR_MAC)),
            untouched,
        ),
        ("the Active's", named(SENDER_MAC), untouched),
        (
            "the Active's probe",
            ndisc(ASKS, SENDER_MAC, nobody, ADDRESS_6, None),
            untouched,
        ),
        (
            "question",
            stranger(ASKS, other, ADDRESS_6, Some(STRANGER)),
            asked,
        ),
        (
            "question without a MAC",
            stranger(ASKS, other, ADDRESS_6, None),
            asked,
        ),
        (
            "question by the Active",
            ndisc(ASKS, SENDER_MAC, SENDER_6, ADDRESS_6, Some(SENDER_MAC)),
            asked,
        ),
        (
            "question for another",
            stranger(ASKS, other, SENDER_6, Some(STRANGER)),
            untouched,
        ),
        (
            "announcement of another",
            stranger(SAYS, other, other, Some(STRANGER)),
            untouched,
        ),
        ("from beyond a router", spoil(HOP_LIMIT, &[254]), untouched),
        ("another code", spoil(VRRP_6 + 1, &[1]), untouched),
        ("too short a payload", spoil(LENGTH, &[0, 23]), untouched),
        ("cut short", cut(announced.clone(), VRRP_6 + 23), untouched),
        (
            "ends with the code",
            cut(announced.clone(), VRRP_6 + 2),
            untouched,
        ),
        (
            "ends before the type",
            cut(announced.clone(), VRRP_6),
            untouched,
        ),
    ]
    .into_iter()
    .map(|(what, frame, verdict)| case(format!("IPv6 neighbours: {what}"), frame, verdict))
    .collect()
}
