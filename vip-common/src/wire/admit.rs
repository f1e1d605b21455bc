//! The one judgement of what may pass to the election.
//!
//! Written for the verifier of the kernel as much as for people: every index is
//! a constant or bounded by a mask, the only loop has a constant bound, and
//! nothing can panic.

use core::net::Ipv4Addr;

use super::checksum::Sum;
use super::{HEAD, arp, array, byte, eth, ipv4, vrrp, word};
use crate::ids::{MacAddr, Version, Vrid};
use crate::layout::RouterEntry;
use crate::reject::RejectReason;

/// What a frame is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It names this VRID and says that it is VRRP over IPv4. Whether it is
    /// valid is [`admit`]'s question.
    Advert(Vrid),
    /// It is ARP; [`arp::parse`] reads it.
    Arp,
    /// Nothing of ours.
    Other,
}

/// Start of the IP header.
const IP: usize = eth::LEN;

/// More fragments (0x2000) and the fragment offset; "don't fragment" is free.
const FRAGMENTED: u16 = 0x3fff;

/// The IP header's length in bytes as it says itself, 0 to 60.
#[inline(always)]
fn ip_header_len(head: &[u8; HEAD]) -> usize {
    usize::from(byte(head, IP + ipv4::field::VERSION_IHL) & 0x0f) * 4
}

/// Tells which virtual router a frame names. `frame_len` is the length of the
/// whole frame from the Ethernet header on.
///
/// An impossible IP header length is no way around the judgement: the VRID is
/// then looked for where the shortest header ends.
#[inline(always)]
#[must_use]
pub fn kind(head: &[u8; HEAD], frame_len: usize) -> Kind {
    match word(head, eth::field::TYPE) {
        eth::TYPE_IPV4 if byte(head, IP + ipv4::field::PROTOCOL) == ipv4::PROTOCOL_VRRP => {
            let at = IP + ip_header_len(head).max(ipv4::MIN_LEN) + vrrp::field::VRID;
            match Vrid::new(byte(head, at)) {
                Some(vrid) if at < frame_len => Kind::Advert(vrid),
                _ => Kind::Other,
            }
        }
        eth::TYPE_ARP if frame_len >= arp::FRAME_LEN => Kind::Arp,
        _ => Kind::Other,
    }
}

/// Whether a frame that names a VRID of ours may pass to the election, judged by
/// what `router` allows and by all that can be known from its head.
///
/// # Errors
///
/// The first reason against it, in the order of the numbers of
/// [`RejectReason`].
#[inline(always)]
pub fn admit(
    head: &[u8; HEAD],
    frame_len: usize,
    router: &RouterEntry,
) -> Result<(), RejectReason> {
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
    if byte(head, IP + ipv4::field::TTL) < router.min_ttl {
        return Err(RejectReason::Ttl);
    }
    if !source_is_possible(array(head, IP + ipv4::field::SOURCE), router) {
        return Err(RejectReason::Source);
    }
    if !sent_to_us(head, router) {
        return Err(RejectReason::Destination);
    }
    let [version_type, _, _, count] = array(head, IP + header_len);
    if version_type >> 4 != router.version {
        return Err(RejectReason::Version);
    }
    if version_type & 0x0f != vrrp::TYPE_ADVERTISEMENT {
        return Err(RejectReason::Type);
    }
    let trailer = if router.version == Version::V2.get() {
        vrrp::AUTH_LEN
    } else {
        0
    };
    if total - header_len != vrrp::HEADER_LEN + 4 * usize::from(count) + trailer {
        return Err(RejectReason::Length);
    }
    Ok(())
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

/// Whether somebody else on the link can have this source address.
#[inline(always)]
fn source_is_possible(source: [u8; 4], router: &RouterEntry) -> bool {
    let [first, ..] = source;
    let is_multicast = first & 0xf0 == 0xe0;
    let is_loopback = first == 127;
    !(is_multicast
        || is_loopback
        || source == [0; 4]
        || source == [0xff; 4]
        || source == router.primary)
}

/// Whether the frame was sent to the group by the group's MAC, or to our own
/// address by our own. The two must belong together: the stack would not take
/// the packet either, or only because a bridge port or a tap sees everything.
#[inline(always)]
fn sent_to_us(head: &[u8; HEAD], router: &RouterEntry) -> bool {
    let mac = MacAddr(array(head, eth::field::DESTINATION));
    let destination: [u8; 4] = array(head, IP + ipv4::field::DESTINATION);
    let group_mac = eth::group_mac(Ipv4Addr::from(router.group));
    (destination == router.group && mac == group_mac)
        || (destination == router.primary && mac == router.mac)
}
