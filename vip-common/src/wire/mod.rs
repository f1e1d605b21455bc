//! Packets: read with suspicion, written once, judged in one place.
//!
//! The contract of everything in here:
//!
//! - **Reading is total.** No input makes it panic, allocate or loop beyond
//!   the packet's length. What cannot be an advert for us is refused with a
//!   [`RejectReason`](crate::reject::RejectReason), one for each check.
//! - **Judging comes in two steps.** [`admit::kind`] tells which virtual router
//!   a frame names, if any; the caller looks that router up and asks
//!   [`admit::admit`] whether the frame may pass to the election. Both see only
//!   the frame's first [`HEAD`] bytes and its length, so the same code runs in
//!   the program at the NIC and behind a packet socket.
//!   [`vrrp::decode`] then checks what needs the whole packet or a secret:
//!   addresses, password, checksum; or `hmac::Verifier` does, where adverts are
//!   signed.
//! - **A refused packet leaves nothing behind.** These functions have no
//!   state; no caller may change any for a packet that one of them refused. What
//!   was signed and heard before (`hmac::Replay`) is the caller's, and is moved by
//!   nothing but an advert that has passed every check.
//! - **Writing cannot fail late.** [`vrrp::AdvertFrame`] says at once whether a
//!   router's advert can be encoded; from then on sealing one costs two
//!   sums and a few stores, with a signature a microsecond more, and gives a whole
//!   Ethernet frame or, for a raw socket, the packet in it.
//!
//! Addresses and numbers on the wire are big-endian. Fields are read by named
//! offsets from the start of their own header.

pub mod admit;
pub mod announce;
pub mod arp;
pub mod checksum;
pub mod eth;
#[cfg(feature = "core")]
pub mod hmac;
pub mod ipv4;
pub mod ipv6;
pub mod known;
pub mod ndisc;
pub mod neighbour;
pub mod vrrp;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties;

/// How much of a frame the judgement sees: Ethernet header (14), the longest
/// IPv4 header (60), an authentication header (24) and the VRID behind it (2),
/// rounded up.
pub const HEAD: usize = 104;

/// Length of what `auth_hmac` puts behind a message (keepalived 2.4): type, key,
/// time, counter and 16 bytes of MAC.
pub const TRAILER_LEN: usize = 28;

const _: () = assert!(HEAD >= eth::LEN + ipv4::MAX_LEN + vrrp::HEADER_LEN);
const _: () = assert!(HEAD >= eth::LEN + ipv4::MAX_LEN + admit::AH_LEN + 2);
const _: () = assert!(HEAD >= arp::FRAME_LEN && HEAD >= ndisc::MAX_FRAME_LEN);

/// The head of a frame, zero-filled where the frame is shorter.
#[must_use]
pub fn head(frame: &[u8]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    for (to, from) in head.iter_mut().zip(frame) {
        *to = *from;
    }
    head
}

/// `N` bytes from `at` on. Zeros where that leaves `bytes`: reading beyond the
/// end is decided by lengths, never by a panic, which the program at the NIC
/// could not have.
#[inline(always)]
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(found) => *found,
        None => [0; N],
    }
}

/// Puts bytes into a buffer from `at` on, as far as it reaches, and says where
/// they end.
fn put(to: &mut [u8], at: usize, from: &[u8]) -> usize {
    for (to, from) in to.iter_mut().skip(at).zip(from) {
        *to = *from;
    }
    at + from.len()
}

/// One byte, zero beyond the end.
#[inline(always)]
fn byte(bytes: &[u8], at: usize) -> u8 {
    let [byte] = array(bytes, at);
    byte
}

/// A 16-bit number, zero beyond the end.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(array(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_short_frame_is_filled_with_zeros() {
        let mut expected = [0; HEAD];
        expected[..3].copy_from_slice(&[1, 2, 3]);
        assert_eq!(head(&[1, 2, 3]), expected);
    }

    #[test]
    fn the_head_of_a_long_frame_is_its_first_bytes() {
        let mut frame = [7; HEAD + 1];
        frame[HEAD] = 8;
        assert_eq!(head(&frame), [7; HEAD]);
    }

    #[test]
    fn reading_beyond_the_end_gives_zeros() {
        let bytes = [1, 2, 3];
        assert_eq!(array(&bytes, 1), [2, 3]);
        assert_eq!(array(&bytes, 2), [0, 0]);
        assert_eq!(array(&bytes, usize::MAX), [0]);
        assert_eq!((byte(&bytes, 2), byte(&bytes, 3)), (3, 0));
        assert_eq!((word(&bytes, 1), word(&bytes, 2)), (0x0203, 0));
    }
}
