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
pub const AH_LEN: usize = 24;
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
    let is_signed = router.has(RouterEntry::TRAILER) && len == message + vrrp::TRAILER_LEN;
    if len == message && router.has(RouterEntry::SIGNED) {
        return Err(RejectReason::HmacMissing);
    }
    let fits = len == message || is_signed;
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

/// The MAC that a frame comes from.
#[inline(always)]
#[must_use]
pub fn source_mac(head: &[u8; HEAD]) -> [u8; 6] {
    array(head, eth::field::SOURCE)
}

/// Whether the checksum of a message adds up whose frame [`admit`] has let pass, by
/// any dialect that the daemon might accept ([`vrrp::ChecksumDialect`]). `word` gives
/// the two bytes at an even offset of the frame, as the machine reads them: a sum
/// adds up in either order of bytes or in none.
#[inline(always)]
#[must_use]
pub fn adds_up(head: &[u8; HEAD], router: &RouterEntry, word: impl Fn(usize) -> u16) -> bool {
    let is_v6 = self::word(head, eth::field::TYPE) == eth::TYPE_IPV6;
    let (start, len, source) = if is_v6 {
        let payload = usize::from(self::word(head, IP + ipv6::field::PAYLOAD_LENGTH));
        (IP + ipv6::LEN, payload, IP + ipv6::field::SOURCE)
    } else {
        let start = IP + ip_header_len(head);
        let [_, _, _, count] = array(head, start);
        let password = if router.version == Version::V2.get() {
            vrrp::AUTH_LEN
        } else {
            0
        };
        // What signs it is not covered.
        let message = vrrp::HEADER_LEN + 4 * usize::from(count) + password;
        (start, message, IP + ipv4::field::SOURCE)
    };
    let mut message = 0;
    let mut at = 0;
    while at < LARGE_FRAME {
        if at >= len {
            break;
        }
        message += u64::from(word(start + at));
        at += 2;
    }
    let protocol = u16::from(ipv4::PROTOCOL_VRRP).to_be();
    let length = (len as u16).to_be();
    let mut header = message + u64::from(protocol) + u64::from(length);
    // Source and destination, one behind the other.
    let most = if is_v6 { 32 } else { 8 };
    let mut at = 0;
    while at < 32 {
        if at < most {
            header += u64::from(word(source + at));
        }
        at += 2;
    }
    let is_v3 = router.version == Version::V3.get();
    if is_v3 && is_whole(header) {
        return true;
    }
    if is_v6 {
        return false;
    }
    // What keepalived up to 1.3.6 sends to a unicast peer: as to the group.
    let [a, b, c, d] = vrrp::GROUP_V4.octets();
    let group = u64::from(u16::from_ne_bytes([a, b])) + u64::from(u16::from_ne_bytes([c, d]));
    let own = u64::from(word(source + 4)) + u64::from(word(source + 6));
    let old = is_v3 && router.has(RouterEntry::UNICAST) && is_whole(header - own + group);
    old || is_whole(message)
}

/// Whether a sum of words is all ones when its carries have gone around.
#[inline(always)]
const fn is_whole(sum: u64) -> bool {
    // Less than 2^27 of at most 800 words; so twice is enough.
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum == 0xffff
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
mod sum_tests;
#[cfg(test)]
mod v4_tests;
#[cfg(test)]
mod v6_tests;
