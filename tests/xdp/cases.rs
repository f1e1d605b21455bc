//! The table: what comes in, and what is to become of it. The same for every
//! rung.

use std::net::{IpAddr, Ipv4Addr};

use vip::dataplane::packet::Verdict;
use vip_common::ids::{MacAddr, Version};
use vip_common::layout::mapped;
use vip_common::reject::RejectReason as R;
use vip_common::wire::vrrp::TRAILER_LEN;

use crate::frames::{
    ADDRESS, BROADCAST, GROUP, IP, OUR_MAC, OURSELVES, SENDER, SENDER_MAC, SLOT_2, SLOT_3, SLOT_6,
    SLOT_UNICAST, STRANGER, VRRP, advert, advert_6, arp, behind_ah, cut, longer, padded, tagged,
    unicast, with, with_options,
};

mod v6;

/// A frame and its verdict.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) frame: Vec<u8>,
    pub(crate) verdict: Verdict,
}

fn case(name: impl Into<String>, frame: Vec<u8>, verdict: Verdict) -> Case {
    Case {
        name: name.into(),
        frame,
        verdict,
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = taken();
    cases.extend(refused());
    cases.extend(untouched());
    cases.extend(arps());
    cases.extend(unicast_v4());
    cases.extend(auth_header());
    cases.extend(v6::all());
    cases
}

/// What passes to the election, from the shortest to the longest.
fn taken() -> Vec<Case> {
    let mut cases = Vec::new();
    for (version, slot) in [(Version::V2, SLOT_2), (Version::V3, SLOT_3)] {
        let taken = Verdict::Taken { slot };
        let one = advert(version, 1);
        let v = version.get();
        for addresses in [1, 2, 18, 19, 20, 21, 100, 255] {
            let frame = advert(version, addresses);
            cases.push(case(format!("v{v}, {addresses} addresses"), frame, taken));
        }
        for len in [
            60, 103, 104, 105, 127, 128, 129, 1514, 1535, 1536, 1537, 2000,
        ] {
            let frame = padded(one.clone(), len);
            cases.push(case(format!("v{v} padded to {len}"), frame, taken));
        }
        for len in [4, 20, 40] {
            let frame = with_options(&one, len);
            cases.push(case(format!("v{v}, {len} bytes of options"), frame, taken));
        }
        let frame = with_options(&advert(version, 255), 40);
        cases.push(case(format!("v{v}, the longest"), frame, taken));
        let frame = with(one.clone(), IP + 6, &[0x40, 0]);
        cases.push(case(format!("v{v}, don't fragment"), frame, taken));
        let frame = with(one, VRRP + 6, &[0xde, 0xad]);
        cases.push(case(format!("v{v}, sum left to the daemon"), frame, taken));
    }
    for extra in [0, TRAILER_LEN] {
        let frame = longer(unicast(), extra);
        let taken = Verdict::Taken { slot: SLOT_UNICAST };
        cases.push(case(format!("unicast and {extra} bytes"), frame, taken));
    }
    let nearer = with(unicast(), IP + 8, &[253]);
    let taken = Verdict::Taken { slot: SLOT_UNICAST };
    cases.push(case("unicast from two hops away", nearer, taken));
    cases.push(case(
        "v2 without addresses",
        advert(Version::V2, 0),
        Verdict::Taken { slot: SLOT_2 },
    ));
    cases
}

/// What names a router of ours and cannot be, short and long.
fn refused() -> Vec<Case> {
    let mut cases = Vec::new();
    for (version, slot) in [(Version::V2, SLOT_2), (Version::V3, SLOT_3)] {
        for addresses in [1, 40] {
            let good = advert(version, addresses);
            let size = if addresses == 1 { "short" } else { "long" };
            for (what, frame, reason) in spoiled(&good) {
                let verdict = refusal(slot, &frame, reason);
                let name = format!("v{} {size}: {what}", version.get());
                cases.push(case(name, frame, verdict));
            }
        }
    }
    cases
}

fn spoiled(good: &[u8]) -> Vec<(&'static str, Vec<u8>, R)> {
    let good = good.to_vec();
    let put = |at, bytes: &[u8]| with(good.clone(), at, bytes);
    let total = good.len() - IP;
    let length = |total: usize| u16::try_from(total).expect("short").to_be_bytes();
    let mut summed_wrong = good.clone();
    summed_wrong[IP + 10] ^= 1;
    let other_version = if good[VRRP] >> 4 == 2 { 0x31 } else { 0x21 };
    let kind = good[VRRP] & 0xf0;
    let source = |address: [u8; 4]| put(IP + 12, &address);
    vec![
        (
            "ends with the VRID",
            cut(good.clone(), VRRP + 2),
            R::Truncated,
        ),
        (
            "ends within the header",
            cut(good.clone(), VRRP + 7),
            R::Truncated,
        ),
        (
            "ends within the header behind options",
            cut(with_options(&good, 40), VRRP + 47),
            R::Truncated,
        ),
        ("IP version 6", put(IP, &[0x65]), R::IpVersion),
        ("IP version 0", put(IP, &[0x05]), R::IpVersion),
        ("header of 16 bytes", put(IP, &[0x44]), R::IpHeaderLength),
        ("header of no bytes", put(IP, &[0x40]), R::IpHeaderLength),
        ("IP sum", summed_wrong, R::IpChecksum),
        ("first fragment", put(IP + 6, &[0x20, 0]), R::Fragment),
        ("later fragment", put(IP + 6, &[0, 1]), R::Fragment),
        (
            "last fragment there is",
            put(IP + 6, &[0x1f, 0xff]),
            R::Fragment,
        ),
        (
            "longer than the frame",
            put(IP + 2, &length(total + 1)),
            R::TotalLength,
        ),
        ("longest", put(IP + 2, &[0xff, 0xff]), R::TotalLength),
        (
            "shorter than a header",
            put(IP + 2, &length(27)),
            R::TotalLength,
        ),
        ("of no length", put(IP + 2, &[0, 0]), R::TotalLength),
        ("TTL 254", put(IP + 8, &[254]), R::Ttl),
        ("TTL 0", put(IP + 8, &[0]), R::Ttl),
        ("from us", source(OURSELVES.octets()), R::Source),
        ("from a group", source([224, 0, 0, 18]), R::Source),
        ("from all", source([255; 4]), R::Source),
        (
            "from all of the subnet",
            source(BROADCAST.octets()),
            R::Source,
        ),
        ("from loopback", source([127, 0, 0, 1]), R::Source),
        ("from nobody", source([0; 4]), R::Source),
        (
            "to another group",
            put(IP + 16, &[224, 0, 0, 19]),
            R::Destination,
        ),
        (
            "to another host",
            put(IP + 16, &[192, 168, 8, 7]),
            R::Destination,
        ),
        (
            "to us, where the group is listened to",
            with(put(0, &OUR_MAC.0), IP + 16, &OURSELVES.octets()),
            R::Destination,
        ),
        (
            "to us by the group's MAC",
            put(IP + 16, &OURSELVES.octets()),
            R::Destination,
        ),
        (
            "to the group by our MAC",
            put(0, &OUR_MAC.0),
            R::Destination,
        ),
        (
            "to the group by broadcast",
            put(0, &[0xff; 6]),
            R::Destination,
        ),
        ("another version", put(VRRP, &[other_version]), R::Version),
        ("version 0", put(VRRP, &[0x01]), R::Version),
        ("type 0", put(VRRP, &[kind]), R::Type),
        ("type 2", put(VRRP, &[kind | 2]), R::Type),
        (
            "one address more",
            put(VRRP + 3, &[good[VRRP + 3] + 1]),
            R::Length,
        ),
        (
            "one address less",
            put(VRRP + 3, &[good[VRRP + 3] - 1]),
            R::Length,
        ),
        (
            "a signature that nobody expects",
            longer(good.clone(), TRAILER_LEN),
            R::Length,
        ),
        (
            "four bytes less",
            put(IP + 2, &length(total - 4)),
            R::Length,
        ),
    ]
}

/// What a unicast router refuses, whose peers are one or two hops away.
fn unicast_v4() -> Vec<Case> {
    let good = unicast();
    let put = |at, bytes: &[u8]| with(good.clone(), at, bytes);
    let to_group = with(put(0, &[1, 0, 0x5e, 0, 0, 18]), IP + 16, &GROUP.octets());
    [
        ("to the group", to_group, R::Destination),
        (
            "to the group by our MAC",
            put(IP + 16, &GROUP.octets()),
            R::Destination,
        ),
        ("to us by another MAC", put(0, &STRANGER.0), R::Destination),
        (
            "to another",
            put(IP + 16, &[192, 168, 8, 7]),
            R::Destination,
        ),
        ("from too near", put(IP + 8, &[255]), R::Ttl),
        ("from too far", put(IP + 8, &[252]), R::Ttl),
        ("from us", put(IP + 12, &OURSELVES.octets()), R::Source),
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
        (
            "two signatures",
            longer(good.clone(), 2 * TRAILER_LEN),
            R::Length,
        ),
    ]
    .into_iter()
    .map(|(what, frame, reason)| {
        let name = format!("unicast: {what}");
        case(name, frame.clone(), refusal(SLOT_UNICAST, &frame, reason))
    })
    .collect()
}

/// VRRP behind an authentication header, over either family.
fn auth_header() -> Vec<Case> {
    let mut cases = Vec::new();
    for (good, slot) in [
        (advert(Version::V2, 1), SLOT_2),
        (advert(Version::V2, 20), SLOT_2),
        (advert_6(1), SLOT_6),
    ] {
        let frame = behind_ah(&good, 24);
        let name = format!("slot {slot}: behind an authentication header");
        let verdict = refusal(slot, &frame, R::AuthHeader);
        cases.push(case(name, frame, verdict));
        let name = format!("slot {slot}: behind one that VRRP never had");
        cases.push(case(name, behind_ah(&good, 28), Verdict::Untouched));
    }
    let frame = behind_ah(&advert(Version::V2, 1), 24);
    let tcp = with(frame.clone(), VRRP, &[6]);
    cases.push(case("TCP behind it", tcp, Verdict::Untouched));
    let other = with(frame.clone(), VRRP + 24 + 1, &[77]);
    cases.push(case(
        "somebody else's VRID behind it",
        other,
        Verdict::Untouched,
    ));
    let short = cut(frame, VRRP + 24 + 1);
    cases.push(case(
        "no room for a VRID behind it",
        short,
        Verdict::Untouched,
    ));
    cases
}

/// The refusal of a frame, by the source that it gives.
fn refusal(slot: u32, frame: &[u8], reason: R) -> Verdict {
    let source = if frame[12..14] == [0x86, 0xdd] {
        <[u8; 16]>::try_from(&frame[22..38]).map(IpAddr::from)
    } else {
        <[u8; 4]>::try_from(&frame[26..30]).map(IpAddr::from)
    };
    Verdict::Refused {
        slot,
        source: source.expect("the frame has one").to_canonical(),
        reason,
    }
}

/// What is nobody's business here.
fn untouched() -> Vec<Case> {
    let advert = advert(Version::V2, 1);
    let put = |at, bytes: &[u8]| with(advert.clone(), at, bytes);
    let ipv6 = padded(put(12, &[0x86, 0xdd]), 90);
    [
        ("TCP", put(IP + 9, &[6])),
        ("UDP", put(IP + 9, &[17])),
        ("long TCP", padded(put(IP + 9, &[6]), 1514)),
        ("IPv6", ipv6),
        ("VLAN tag in the frame", tagged(&advert, [0x81, 0])),
        ("service tag in the frame", tagged(&advert, [0x88, 0xa8])),
        ("somebody else's VRID", put(VRRP + 1, &[77])),
        ("somebody else's VRID, TTL 1", put(VRRP + 1, &[77])),
        ("VRID 0", put(VRRP + 1, &[0])),
        ("no room for a VRID", cut(advert.clone(), VRRP + 1)),
        ("an IP header begins", cut(advert.clone(), IP + 1)),
        (
            "shorter than a glance, not ours",
            cut(put(12, &[0x86, 0xdd]), 20),
        ),
        ("an Ethernet header alone", cut(advert.clone(), IP)),
    ]
    .into_iter()
    .map(|(name, frame)| case(name, frame, Verdict::Untouched))
    .collect()
}

/// Who claims, who asks.
fn arps() -> Vec<Case> {
    const REQUEST: u8 = 1;
    const REPLY: u8 = 2;
    let other = Ipv4Addr::new(192, 168, 8, 77);
    let nobody = Ipv4Addr::UNSPECIFIED;
    let claimed = |mac: MacAddr| Verdict::Claimed {
        slot: SLOT_2,
        address: mapped(ADDRESS.octets()),
        mac,
        stranger: true,
        watched: false,
    };
    let asked = Verdict::Asked { slot: SLOT_2 };
    let stranger = |operation, sender, target| arp(operation, STRANGER, sender, target);
    let announced = stranger(REQUEST, ADDRESS, ADDRESS);
    let mut token_ring = announced.clone();
    token_ring[15] = 6;
    vec![
        case("announcement", announced.clone(), claimed(STRANGER)),
        case(
            "announcement, padded",
            padded(announced.clone(), 60),
            claimed(STRANGER),
        ),
        case(
            "announcement by reply",
            stranger(REPLY, ADDRESS, ADDRESS),
            claimed(STRANGER),
        ),
        case("reply", stranger(REPLY, ADDRESS, other), claimed(STRANGER)),
        case(
            "request by a claimant",
            stranger(REQUEST, ADDRESS, other),
            claimed(STRANGER),
        ),
        case(
            "probe",
            stranger(REQUEST, nobody, ADDRESS),
            claimed(STRANGER),
        ),
        case(
            "our own announcement",
            arp(REQUEST, OUR_MAC, ADDRESS, ADDRESS),
            Verdict::Untouched,
        ),
        case(
            "the Active's",
            arp(REQUEST, SENDER_MAC, ADDRESS, ADDRESS),
            Verdict::Untouched,
        ),
        case(
            "the Active's probe",
            arp(REQUEST, SENDER_MAC, nobody, ADDRESS),
            Verdict::Untouched,
        ),
        case("request", stranger(REQUEST, other, ADDRESS), asked),
        case(
            "request by the Active",
            arp(REQUEST, SENDER_MAC, SENDER, ADDRESS),
            asked,
        ),
        case(
            "request for another",
            stranger(REQUEST, other, SENDER),
            Verdict::Untouched,
        ),
        case(
            "announcement of another",
            stranger(REQUEST, other, other),
            Verdict::Untouched,
        ),
        case(
            "reply to us",
            stranger(REPLY, other, ADDRESS),
            Verdict::Untouched,
        ),
        case(
            "reply from nobody",
            stranger(REPLY, nobody, ADDRESS),
            Verdict::Untouched,
        ),
        case(
            "group as address",
            stranger(REQUEST, GROUP, GROUP),
            Verdict::Untouched,
        ),
        case("not over Ethernet", token_ring, Verdict::Untouched),
        case("cut short", cut(announced, 41), Verdict::Untouched),
    ]
}
