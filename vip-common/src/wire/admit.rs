//! The one judgement of what may pass to the election.
//!
//! Written for the verifier of the kernel as much as for people: every index is
//! a constant or bounded by a mask, the only loop has a constant bound, and
//! nothing can panic.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::checksum::Sum;
use super::{HEAD, arp, array, byte, eth, ipv4, ipv6, ndisc, vrrp, word};
use crate::ids::{Family, MacAddr, Version, Vrid};
use crate::layout::{LARGE_FRAME, Octets, RouterEntry, halves, mapped, same, unmapped};
use crate::reject::RejectReason;

/// What a frame is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It names this VRID and says that it is VRRP over that family, be it behind
    /// an authentication header. Whether it is valid is [`admit`]'s question.
    Advert(Family, Vrid),
    /// It is ARP, or perhaps neighbour discovery; [`super::neighbour::read`] reads
    /// it.
    Neighbour,
    /// Nothing of ours.
    Other,
}

/// Start of the IP header.
const IP: usize = eth::LEN;

/// More fragments (0x2000) and the fragment offset; "don't fragment" is free.
const FRAGMENTED: u16 = 0x3fff;

/// Protocol number of the authentication header (RFC 2402): next header, its own
/// length in words less two, and what is not read.
const PROTOCOL_AH: u8 = 51;
/// How long it is before VRRP, whose only kind was HMAC-MD5-96 (RFC 2338 section
/// 5.3.6.3).
pub(super) const AH_LEN: usize = 24;
/// The two bytes that such a header begins with.
const AH_BEFORE_VRRP: [u8; 2] = [ipv4::PROTOCOL_VRRP, (AH_LEN / 4 - 2) as u8];

/// The IPv4 header's length in bytes as it says itself, 0 to 60.
#[inline(always)]
fn ip_header_len(head: &[u8; HEAD]) -> usize {
    usize::from(byte(head, IP + ipv4::field::VERSION_IHL) & 0x0f) * 4
}

/// Tells which virtual router a frame names. `frame_len` is the length of the
/// whole frame from the Ethernet header on.
///
/// An impossible IPv4 header length is no way around the judgement: the VRID is
/// then looked for where the shortest header ends. Over IPv6 an advert follows
/// the header; behind an extension header (other than AH) it is nobody's, since
/// no router sends it there and the stack's own listeners decide.
#[inline(always)]
#[must_use]
pub fn kind(head: &[u8; HEAD], frame_len: usize) -> Kind {
    match word(head, eth::field::TYPE) {
        eth::TYPE_IPV4 => {
            let protocol = byte(head, IP + ipv4::field::PROTOCOL);
            let at = IP + ip_header_len(head).max(ipv4::MIN_LEN);
            named(head, frame_len, Family::V4, protocol, at)
        }
        eth::TYPE_IPV6 => match byte(head, IP + ipv6::field::NEXT) {
            ipv6::NEXT_ICMP if frame_len >= ndisc::MIN_FRAME_LEN => Kind::Neighbour,
            next => named(head, frame_len, Family::V6, next, IP + ipv6::LEN),
        },
        eth::TYPE_ARP if frame_len >= arp::FRAME_LEN => Kind::Neighbour,
        _ => Kind::Other,
    }
}

/// The VRID of what follows the IP header at `at`, if that is VRRP.
#[inline(always)]
fn named(head: &[u8; HEAD], frame_len: usize, family: Family, protocol: u8, at: usize) -> Kind {
    let message = match protocol {
        ipv4::PROTOCOL_VRRP => at,
        PROTOCOL_AH if array(head, at) == AH_BEFORE_VRRP => at + AH_LEN,
        _ => return Kind::Other,
    };
    let at = message + vrrp::field::VRID;
    match Vrid::new(byte(head, at)) {
        Some(vrid) if at < frame_len => Kind::Advert(family, vrid),
        _ => Kind::Other,
    }
}

/// Whether a frame that names a VRID of ours may pass to the election, judged by
/// what `router` allows and by all that can be known from its head. The router
/// is of the frame's family.
///
/// # Errors
///
/// The first reason against it: an authentication header, behind which nothing
/// else is looked at, and then in the order of the numbers of [`RejectReason`].
#[inline(always)]
pub fn admit(
    head: &[u8; HEAD],
    frame_len: usize,
    router: &RouterEntry,
) -> Result<(), RejectReason> {
    if word(head, eth::field::TYPE) == eth::TYPE_IPV6 {
        admit_v6(head, frame_len, router)
    } else {
        admit_v4(head, frame_len, router)
    }
}

#[inline(always)]
fn admit_v4(head: &[u8; HEAD], frame_len: usize, router: &RouterEntry) -> Result<(), RejectReason> {
    if byte(head, IP + ipv4::field::PROTOCOL) == PROTOCOL_AH {
        return Err(RejectReason::AuthHeader);
    }
    let header_len = ip_header_len(head);
    // The least that an advert takes, before the header's own word is believed.
    let least = IP + header_len.max(ipv4::MIN_LEN) + vrrp::HEADER_LEN;
    if frame_len < least {
        return Err(RejectReason::Truncated);
    }
    if byte(head, IP + ipv4::field::VERSION_IHL) >> 4 != 4 {
        return Err(RejectReason::IpVersion);
    }
    if header_len < ipv4::MIN_LEN {
        return Err(RejectReason::IpHeaderLength);
    }
    if !header_adds_up(head, header_len) {
        return Err(RejectReason::IpChecksum);
    }
    if word(head, IP + ipv4::field::FRAGMENT) & FRAGMENTED != 0 {
        return Err(RejectReason::Fragment);
    }
    let total = usize::from(word(head, IP + ipv4::field::TOTAL_LENGTH));
    // A longer frame is fine: Ethernet pads to 60 bytes.
    if total < header_len + vrrp::HEADER_LEN || IP + total > frame_len {
        return Err(RejectReason::TotalLength);
    }
    if !crossed_no_router(byte(head, IP + ipv4::field::TTL), router) {
        return Err(RejectReason::Ttl);
    }
    if !source_is_possible_v4(array(head, IP + ipv4::field::SOURCE), router) {
        return Err(RejectReason::Source);
    }
    let group = unmapped(&router.group);
    let destination = array(head, IP + ipv4::field::DESTINATION);
    let group_mac = eth::group_mac(Ipv4Addr::from(group));
    if !sent_to_us(head, &mapped(destination), group_mac, router) {
        return Err(RejectReason::Destination);
    }
    message(array(head, IP + header_len), total - header_len, 4, router)
}

#[inline(always)]
fn admit_v6(head: &[u8; HEAD], frame_len: usize, router: &RouterEntry) -> Result<(), RejectReason> {
    if byte(head, IP + ipv6::field::NEXT) == PROTOCOL_AH {
        return Err(RejectReason::AuthHeader);
    }
    if frame_len < IP + ipv6::LEN + vrrp::HEADER_LEN {
        return Err(RejectReason::Truncated);
    }
    if byte(head, IP + ipv6::field::VERSION) >> 4 != 6 {
        return Err(RejectReason::IpVersion);
    }
    let payload = usize::from(word(head, IP + ipv6::field::PAYLOAD_LENGTH));
    // Zero would be a jumbogram's, whose length is in an extension header.
    if payload < vrrp::HEADER_LEN || IP + ipv6::LEN + payload > frame_len {
        return Err(RejectReason::TotalLength);
    }
    if !crossed_no_router(byte(head, IP + ipv6::field::HOP_LIMIT), router) {
        return Err(RejectReason::Ttl);
    }
    if !source_is_possible_v6(&array(head, IP + ipv6::field::SOURCE), router) {
        return Err(RejectReason::Source);
    }
    let destination = array(head, IP + ipv6::field::DESTINATION);
    let group_mac = eth::group_mac_v6(Ipv6Addr::from_octets(router.group));
    if !sent_to_us(head, &destination, group_mac, router) {
        return Err(RejectReason::Destination);
    }
    message(array(head, IP + ipv6::LEN), payload, 16, router)
}

/// The checks of the message itself: its first four bytes, how long it is, and
/// how long each of its addresses.
#[inline(always)]
fn message(
    start: [u8; 4],
    len: usize,
    address_len: usize,
    router: &RouterEntry,
) -> Result<(), RejectReason> {
    let [version_type, _, _, count] = start;
    if version_type >> 4 != router.version {
        return Err(RejectReason::Version);
    }
    if version_type & 0x0f != vrrp::TYPE_ADVERTISEMENT {
        return Err(RejectReason::Type);
    }
    let password = if router.version == Version::V2.get() {
        vrrp::AUTH_LEN
    } else {
        0
    };
    let message = vrrp::HEADER_LEN + address_len * usize::from(count) + password;
    let fits =
        len == message || (router.has(RouterEntry::TRAILER) && len == message + vrrp::TRAILER_LEN);
    // Beyond the second bound a record could not hold it. Only IPv6 gets there, and
    // only with more addresses than any router can send without fragments.
    if fits && IP + ipv6::LEN + len <= LARGE_FRAME {
        Ok(())
    } else {
        Err(RejectReason::Length)
    }
}

/// The source address that a frame gives which [`kind`] says is an advert: for a
/// list of the refused and nothing else, so a malformed header may put anything
/// there.
#[inline(always)]
#[must_use]
pub fn source(head: &[u8; HEAD]) -> Octets {
    if word(head, eth::field::TYPE) == eth::TYPE_IPV6 {
        array(head, IP + ipv6::field::SOURCE)
    } else {
        mapped(array(head, IP + ipv4::field::SOURCE))
    }
}

/// The IP header's own checksum, over as many words as it says to have.
#[inline(always)]
fn header_adds_up(head: &[u8; HEAD], header_len: usize) -> bool {
    let mut sum = Sum::ZERO;
    let mut at = 0;
    while at < ipv4::MAX_LEN {
        if at < header_len {
            sum = sum.word(word(head, IP + at)).word(word(head, IP + at + 2));
        }
        at += 4;
    }
    sum.adds_up()
}

/// Whether TTL or hop limit say that it came straight from its sender, or from
/// as far as a unicast peer may be.
#[inline(always)]
const fn crossed_no_router(ttl: u8, router: &RouterEntry) -> bool {
    router.min_ttl <= ttl && ttl <= router.max_ttl
}

/// Whether somebody else can have this source address.
#[inline(always)]
fn source_is_possible_v4(source: [u8; 4], router: &RouterEntry) -> bool {
    let [first, ..] = source;
    let is_multicast = first & 0xf0 == 0xe0;
    let is_loopback = first == 127;
    !(is_multicast
        || is_loopback
        || source == [0; 4]
        || source == [0xff; 4]
        || source == unmapped(&router.primary)
        || source == router.broadcast)
}

/// The same of an IPv6 address, which to the group must be link-local (RFC 9568
/// section 5.1.2.1).
#[inline(always)]
const fn source_is_possible_v6(source: &Octets, router: &RouterEntry) -> bool {
    let [first, second, ..] = *source;
    let [upper, _] = halves(source);
    let is_link_local = first == 0xfe && second & 0xc0 == 0x80;
    let is_multicast = first == 0xff;
    // ::, ::1, and IPv4 addresses in disguise.
    let is_nobodys = upper == 0;
    let is_fit = if router.has(RouterEntry::UNICAST) {
        !is_multicast && !is_nobodys
    } else {
        is_link_local
    };
    is_fit && !same(source, &router.primary)
}

/// Whether the frame was sent to where this router listens: to the group by the
/// group's MAC, or to our own address by our own. The two must belong together:
/// the stack would not take the packet either, or only because a bridge port or
/// a tap sees everything.
#[inline(always)]
fn sent_to_us(
    head: &[u8; HEAD],
    destination: &Octets,
    group_mac: MacAddr,
    router: &RouterEntry,
) -> bool {
    let mac = MacAddr(array(head, eth::field::DESTINATION));
    if router.has(RouterEntry::UNICAST) {
        mac == router.mac && same(destination, &router.primary)
    } else {
        mac == group_mac && same(destination, &router.group)
    }
}

#[cfg(test)]
mod v6_tests;

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use crate::wire::fixtures::{
        BROADCAST, GROUP, IP, OUR_MAC, OURSELVES, V2, V3, V3_MESSAGE_ONLY, VRRP, changed,
        repair_ip, router, vrid, with_addresses, with_options,
    };
    use crate::wire::head;

    fn kind_of(frame: &[u8]) -> Kind {
        kind(&head(frame), frame.len())
    }

    /// The judgement of a version 2 router.
    fn judge(frame: &[u8]) -> Result<(), RejectReason> {
        judge_by(frame, &router(Version::V2))
    }

    fn judge_by(frame: &[u8], router: &RouterEntry) -> Result<(), RejectReason> {
        admit(&head(frame), frame.len(), router)
    }

    fn refused(reason: RejectReason) -> Result<(), RejectReason> {
        Err(reason)
    }

    #[test]
    fn adverts_of_both_versions_are_recognised_and_pass() {
        for (frame, version) in [
            (&V2[..], Version::V2),
            (&V3, Version::V3),
            (&V3_MESSAGE_ONLY, Version::V3),
        ] {
            assert_eq!(kind_of(frame), Kind::Advert(Family::V4, vrid()));
            assert_eq!(judge_by(frame, &router(version)), Ok(()));
        }
    }

    #[test]
    fn ethernet_padding_passes() {
        let mut padded = Vec::from(V2);
        padded.extend([0xa5; 6]);
        assert_eq!(judge(&padded), Ok(()));
    }

    #[test]
    fn options_pass_up_to_the_longest_header() {
        for words in 1..=10 {
            let frame = with_options(&V2, words);
            assert_eq!(kind_of(&frame), Kind::Advert(Family::V4, vrid()), "{words}");
            assert_eq!(judge(&frame), Ok(()), "{words}");
        }
    }

    #[test]
    fn any_number_of_addresses_passes() {
        for version in [Version::V2, Version::V3] {
            for count in [0, 1, 20, 255] {
                let frame = with_addresses(version, count);
                assert_eq!(judge_by(&frame, &router(version)), Ok(()), "{count}");
            }
        }
    }

    #[test]
    fn unicast_passes_by_our_address_and_mac_where_it_is_spoken_and_the_group_does_not() {
        let mut unicast = router(Version::V2);
        unicast.flags = RouterEntry::UNICAST;
        let frame = changed(&V2, IP + 16, &OURSELVES.octets());
        let frame = changed(&frame, 0, &OUR_MAC.0);
        assert_eq!(judge_by(&frame, &unicast), Ok(()));
        assert_eq!(judge(&frame), refused(RejectReason::Destination));
        assert_eq!(judge_by(&V2, &unicast), refused(RejectReason::Destination));
    }

    #[test]
    fn a_trailer_passes_where_one_may_follow_and_no_other_length() {
        let mut sealed = router(Version::V2);
        sealed.flags = RouterEntry::TRAILER;
        for extra in 0..64 {
            let mut frame = Vec::from(V2);
            frame.resize(V2.len() + extra, 0xa5);
            let total = u16::try_from(frame.len() - IP).unwrap();
            let frame = changed(&frame, IP + 2, &total.to_be_bytes());
            let bare = if extra == 0 {
                Ok(())
            } else {
                refused(RejectReason::Length)
            };
            let with = if extra == vrrp::TRAILER_LEN {
                Ok(())
            } else {
                bare
            };
            assert_eq!(judge(&frame), bare, "{extra}");
            assert_eq!(judge_by(&frame, &sealed), with, "{extra}");
        }
    }

    #[test]
    fn another_group_passes_by_its_own_mac() {
        let mut own = router(Version::V2);
        own.group = mapped([239, 129, 2, 3]);
        let frame = changed(&V2, IP + 16, &[239, 129, 2, 3]);
        let frame = changed(&frame, 0, &[0x01, 0x00, 0x5e, 0x01, 0x02, 0x03]);
        assert_eq!(judge_by(&frame, &own), Ok(()));
        assert_eq!(judge(&frame), refused(RejectReason::Destination));
        assert_eq!(judge_by(&V2, &own), refused(RejectReason::Destination));
    }

    #[test]
    fn other_traffic_is_none_of_ours() {
        let other_protocol = changed(&V2, IP + 9, &[17]);
        let no_vrid = changed(&V2, VRRP + 1, &[0]);
        let ipv6 = changed(&V2, 12, &[0x86, 0xdd]);
        let mut tagged = Vec::from(V2);
        tagged.splice(12..12, [0x81, 0x00, 0x00, 0x05]);
        for frame in [
            &other_protocol[..],
            &no_vrid,
            &ipv6,
            &tagged,
            &V2[..14],
            &[],
        ] {
            assert_eq!(kind_of(frame), Kind::Other, "{frame:02x?}");
        }
    }

    #[test]
    fn a_vrid_counts_only_if_the_frame_has_it() {
        assert_eq!(kind_of(&V2[..VRRP + 1]), Kind::Other);
        assert_eq!(kind_of(&V2[..VRRP + 2]), Kind::Advert(Family::V4, vrid()));
        // The head may hold more than the frame; the length decides.
        assert_eq!(kind(&head(&V2), VRRP + 1), Kind::Other);
    }

    #[test]
    fn an_impossible_header_length_is_no_way_around_the_judgement() {
        for ihl in 0..5 {
            let mut frame = V2;
            frame[IP] = 0x40 | ihl;
            assert_eq!(kind_of(&frame), Kind::Advert(Family::V4, vrid()));
        }
    }

    #[test]
    fn arp_is_recognised_when_it_is_whole() {
        let mut frame = [0; 42];
        frame[12..14].copy_from_slice(&[0x08, 0x06]);
        assert_eq!(kind_of(&frame), Kind::Neighbour);
        assert_eq!(kind_of(&frame[..41]), Kind::Other);
    }

    #[test]
    fn refuses_a_frame_that_ends_within_the_vrrp_header() {
        assert_eq!(judge(&V2[..VRRP + 7]), refused(RejectReason::Truncated));
        let options = with_options(&V2, 10);
        assert_eq!(
            judge(&options[..VRRP + 40 + 7]),
            refused(RejectReason::Truncated)
        );
        assert_eq!(
            admit(&head(&V2), VRRP + 7, &router(Version::V2)),
            refused(RejectReason::Truncated)
        );
        assert_eq!(judge(&[]), refused(RejectReason::Truncated));
    }

    #[test]
    fn refuses_a_header_length_beyond_the_frame() {
        let mut frame = V2;
        frame[IP] = 0x4f;
        assert_eq!(judge(&frame), refused(RejectReason::Truncated));
    }

    #[test]
    fn whole_vrrp_headers_are_not_truncated() {
        // What is missing here are addresses, and that is the total length's fault.
        assert_eq!(judge(&V2[..VRRP + 8]), refused(RejectReason::TotalLength));
    }

    #[test]
    fn refuses_other_ip_versions() {
        for version in (0..16).filter(|version| *version != 4) {
            let frame = changed(&V2, IP, &[version << 4 | 5]);
            assert_eq!(judge(&frame), refused(RejectReason::IpVersion));
        }
    }

    #[test]
    fn refuses_an_ip_header_below_20_bytes() {
        for ihl in 0..5 {
            let frame = changed(&V2, IP, &[0x40 | ihl]);
            assert_eq!(judge(&frame), refused(RejectReason::IpHeaderLength));
        }
    }

    #[test]
    fn refuses_a_wrong_ip_checksum() {
        for at in [IP + 1, IP + 5, IP + 10, IP + 11, IP + 19] {
            let mut frame = V2;
            frame[at] ^= 0x10;
            assert_eq!(judge(&frame), refused(RejectReason::IpChecksum), "{at}");
        }
    }

    #[test]
    fn the_ip_checksum_covers_options_and_nothing_behind_them() {
        for words in 1..=10 {
            let frame = with_options(&V2, words);
            let end = VRRP + 4 * usize::from(words);
            for at in VRRP..end {
                let mut bad = frame.clone();
                bad[at] ^= 0x10;
                assert_eq!(judge(&bad), refused(RejectReason::IpChecksum), "{at}");
            }
            let mut other_priority = frame.clone();
            other_priority[end + 2] ^= 0x10;
            assert_eq!(judge(&other_priority), Ok(()));
        }
    }

    #[test]
    fn refuses_fragments() {
        for (high, low) in [(0x20, 0x00), (0x00, 0x01), (0x10, 0x00), (0x3f, 0xff)] {
            let frame = changed(&V2, IP + 6, &[high, low]);
            assert_eq!(judge(&frame), refused(RejectReason::Fragment));
        }
    }

    #[test]
    fn flags_that_are_not_about_fragments_are_free() {
        for flags in [0x40, 0x80, 0xc0] {
            assert_eq!(judge(&changed(&V2, IP + 6, &[flags, 0])), Ok(()));
        }
    }

    #[test]
    fn refuses_a_total_length_beyond_the_frame() {
        let frame = changed(&V2, IP + 2, &[0, 41]);
        assert_eq!(judge(&frame), refused(RejectReason::TotalLength));
        let frame = changed(&V2, IP + 2, &[0xff, 0xff]);
        assert_eq!(judge(&frame), refused(RejectReason::TotalLength));
    }

    #[test]
    fn refuses_a_total_length_that_leaves_no_vrrp_header() {
        for total in [0, 20, 27] {
            let frame = changed(&V2, IP + 2, &[0, total]);
            assert_eq!(judge(&frame), refused(RejectReason::TotalLength));
        }
        let frame = changed(&V2, IP + 2, &[0, 28]);
        assert_eq!(judge(&frame), refused(RejectReason::Length));
        let mut options = with_options(&V2, 2);
        options[IP + 2..IP + 4].copy_from_slice(&[0, 35]);
        repair_ip(&mut options);
        assert_eq!(judge(&options), refused(RejectReason::TotalLength));
    }

    #[test]
    fn refuses_a_ttl_below_the_routers_least() {
        for ttl in [0, 1, 254] {
            let frame = changed(&V2, IP + 8, &[ttl]);
            assert_eq!(judge(&frame), refused(RejectReason::Ttl));
        }
        let mut tolerant = router(Version::V2);
        tolerant.min_ttl = 64;
        assert_eq!(judge_by(&changed(&V2, IP + 8, &[64]), &tolerant), Ok(()));
        assert_eq!(
            judge_by(&changed(&V2, IP + 8, &[63]), &tolerant),
            refused(RejectReason::Ttl)
        );
        tolerant.max_ttl = 64;
        assert_eq!(
            judge_by(&changed(&V2, IP + 8, &[65]), &tolerant),
            refused(RejectReason::Ttl)
        );
    }

    #[test]
    fn refuses_sources_that_nobody_else_can_have() {
        for source in [
            [0, 0, 0, 0],
            [127, 0, 0, 1],
            [127, 255, 255, 255],
            [224, 0, 0, 18],
            [239, 255, 255, 255],
            [255, 255, 255, 255],
            OURSELVES.octets(),
            BROADCAST.octets(),
        ] {
            let frame = changed(&V2, IP + 12, &source);
            assert_eq!(judge(&frame), refused(RejectReason::Source), "{source:?}");
        }
    }

    #[test]
    fn without_a_subnet_its_broadcast_is_an_address_like_others() {
        let mut alone = router(Version::V2);
        alone.broadcast = [0; 4];
        let frame = changed(&V2, IP + 12, &BROADCAST.octets());
        assert_eq!(judge_by(&frame, &alone), Ok(()));
        let nobody = changed(&V2, IP + 12, &[0; 4]);
        assert_eq!(judge_by(&nobody, &alone), refused(RejectReason::Source));
    }

    #[test]
    fn neighbours_of_those_sources_pass() {
        for source in [
            [0, 0, 0, 1],
            [126, 255, 255, 255],
            [128, 0, 0, 1],
            [223, 255, 255, 255],
            [240, 0, 0, 1],
            [255, 255, 255, 254],
            [192, 168, 8, 7],
            [192, 168, 8, 254],
            [192, 168, 9, 255],
        ] {
            assert_eq!(judge(&changed(&V2, IP + 12, &source)), Ok(()), "{source:?}");
        }
    }

    #[test]
    fn refuses_what_was_sent_to_others() {
        let group_mac = eth::group_mac(GROUP).0;
        let stranger = MacAddr([0x02, 0, 0, 0, 0, 0x0c]);
        for (mac, destination) in [
            (MacAddr::BROADCAST.0, GROUP.octets()),
            (OUR_MAC.0, GROUP.octets()),
            ([0x01, 0x00, 0x5e, 0, 0, 0x13], [224, 0, 0, 19]),
            (group_mac, [224, 0, 0, 19]),
            (stranger.0, OURSELVES.octets()),
            (group_mac, OURSELVES.octets()),
            (OUR_MAC.0, [192, 168, 8, 7]),
            (MacAddr::BROADCAST.0, [255, 255, 255, 255]),
        ] {
            let frame = changed(&changed(&V2, 0, &mac), IP + 16, &destination);
            assert_eq!(judge(&frame), refused(RejectReason::Destination));
        }
    }

    #[test]
    fn refuses_another_vrrp_version() {
        for version in (0..16).filter(|version| *version != 2) {
            let frame = changed(&V2, VRRP, &[version << 4 | 1]);
            assert_eq!(judge(&frame), refused(RejectReason::Version));
        }
        assert_eq!(
            judge_by(&V2, &router(Version::V3)),
            refused(RejectReason::Version)
        );
        assert_eq!(judge(&V3), refused(RejectReason::Version));
    }

    #[test]
    fn refuses_types_other_than_advertisement() {
        for kind in (0..16).filter(|kind| *kind != 1) {
            let frame = changed(&V2, VRRP, &[0x20 | kind]);
            assert_eq!(judge(&frame), refused(RejectReason::Type));
        }
    }

    #[test]
    fn refuses_an_address_count_that_does_not_fit() {
        for count in (0..=255).filter(|count| *count != 1) {
            let frame = changed(&V2, VRRP + 3, &[count]);
            assert_eq!(judge(&frame), refused(RejectReason::Length), "{count}");
        }
        for count in (0..=255).filter(|count| *count != 2) {
            let frame = changed(&V3, VRRP + 3, &[count]);
            let judgement = judge_by(&frame, &router(Version::V3));
            assert_eq!(judgement, refused(RejectReason::Length), "{count}");
        }
    }

    #[test]
    fn refuses_version_2_without_its_eight_bytes() {
        let frame = changed(&V2[..46], IP + 2, &[0, 32]);
        assert_eq!(judge(&frame), refused(RejectReason::Length));
    }

    #[test]
    fn refuses_bytes_after_the_message_that_ip_counts() {
        let mut longer = Vec::from(V3);
        longer.extend([0; 8]);
        let frame = changed(&longer, IP + 2, &[0, 0x2c]);
        assert_eq!(
            judge_by(&frame, &router(Version::V3)),
            refused(RejectReason::Length)
        );
    }

    #[test]
    fn tells_the_first_reason_of_several() {
        // Fragmented, from a router, by an impossible source, to nobody.
        let frame = changed(&V2, IP + 6, &[0x20, 0, 1]);
        let frame = changed(&frame, IP + 12, &[0; 8]);
        assert_eq!(judge(&frame), refused(RejectReason::Fragment));
    }
}
