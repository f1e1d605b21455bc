//! Whether an advert is the same as one that is known.
//!
//! All of it is compared, from the Ethernet header with both MACs to the end of
//! the datagram, but what a sender changes from one advert to the next without
//! saying anything else by it. So what was accepted of the one holds for the
//! other, checksum and password included.

use core::ops::Range;

use super::{eth, ipv4, ipv6};
use crate::layout::{KNOWN_BYTES, KNOWN_WORDS, Known};

/// What of an IPv4 header is not compared: the identification, and the checksum,
/// which [`super::admit`] has seen to fit.
const UNCOMPARED: [Range<usize>; 2] = [
    eth::LEN + ipv4::field::IDENTIFICATION..eth::LEN + ipv4::field::IDENTIFICATION + 2,
    eth::LEN + ipv4::field::CHECKSUM..eth::LEN + ipv4::field::CHECKSUM + 2,
];

/// Those bits of the word of this number that are compared in an IPv4 frame.
#[inline(always)]
const fn compared_v4(number: usize) -> u64 {
    let mut bytes = [0xff; 8];
    let mut at = 0;
    while at < 8 {
        let byte = number * 8 + at;
        let [identification, checksum] = &UNCOMPARED;
        let is_out = (identification.start <= byte && byte < identification.end)
            || (checksum.start <= byte && byte < checksum.end);
        if is_out {
            bytes[at] = 0;
        }
        at += 1;
    }
    u64::from_ne_bytes(bytes)
}

/// Those bits of each word that are compared in an IPv4 frame.
const COMPARED_V4: [u64; KNOWN_WORDS] = {
    let mut compared = [0; KNOWN_WORDS];
    let mut number = 0;
    while number < KNOWN_WORDS {
        compared[number] = compared_v4(number);
        number += 1;
    }
    compared
};

/// Whether the EtherType in a frame's second word says IPv4.
#[inline(always)]
const fn is_v4(second: u64) -> bool {
    let [.., high, low, _, _] = second.to_ne_bytes();
    u16::from_be_bytes([high, low]) == eth::TYPE_IPV4
}

/// Whether a frame that [`super::admit`] has let pass is the one that is known, of
/// which the caller tells how many words are compared and which bits of the last;
/// and each word of both. Words behind the end of the frame are not asked for,
/// unless it begins otherwise.
#[inline(always)]
#[must_use]
pub fn is_same(
    words: u64,
    mask: u64,
    frame: impl Fn(usize) -> u64,
    known: impl Fn(usize) -> u64,
) -> bool {
    let is_v4 = is_v4(frame(1));
    let mut number = 0;
    while number < KNOWN_WORDS {
        let mut differ = frame(number) ^ known(number);
        if is_v4 {
            differ &= COMPARED_V4[number];
        }
        if number as u64 + 1 >= words {
            return differ & mask == 0;
        }
        if differ != 0 {
            return false;
        }
        number += 1;
    }
    false
}

/// How long an advert is from the Ethernet header to the end of its datagram,
/// without the padding behind it; `None` where the frame does not hold it, or it
/// is no IP.
fn end(frame: &[u8]) -> Option<usize> {
    let word = |at: usize| {
        let bytes = frame.get(at..)?.first_chunk()?;
        Some(u16::from_be_bytes(*bytes))
    };
    let (start, length) = match word(eth::field::TYPE)? {
        eth::TYPE_IPV4 => (eth::LEN, word(eth::LEN + ipv4::field::TOTAL_LENGTH)?),
        eth::TYPE_IPV6 => (
            eth::LEN + ipv6::LEN,
            word(eth::LEN + ipv6::field::PAYLOAD_LENGTH)?,
        ),
        _ => return None,
    };
    let end = start + usize::from(length);
    (length > 0 && end <= frame.len()).then_some(end)
}

/// A frame's first words, zero where it is shorter.
fn words(frame: &[u8]) -> [u64; KNOWN_WORDS] {
    let mut room = [0; KNOWN_BYTES];
    for (to, from) in room.iter_mut().zip(frame) {
        *to = *from;
    }
    let mut words = [0; KNOWN_WORDS];
    let (chunks, _) = room.as_chunks();
    for (word, bytes) in words.iter_mut().zip(chunks) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

/// What is to be lent of an advert that was accepted, without a generation yet;
/// `None` if it is longer than [`KNOWN_BYTES`]. `silence` is in ns.
#[must_use]
pub fn known(frame: &[u8], silence: u64) -> Option<Known> {
    let end = end(frame).filter(|end| *end <= KNOWN_BYTES)?;
    let mut mask = [0; 8];
    mask.get_mut(..(end - 1) % 8 + 1)?.fill(0xff);
    Some(Known {
        generation: 0,
        silence,
        words: end.div_ceil(8) as u64,
        mask: u64::from_ne_bytes(mask),
        source: [0; 2],
        mac: 0,
        frame: words(frame.get(..end)?),
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// An IPv4 frame of that total length, on a wire of `len` bytes.
    fn v4(total: u8, len: usize) -> Vec<u8> {
        let mut frame: Vec<u8> = (0..=255).cycle().take(len).collect();
        frame[12..14].copy_from_slice(&[8, 0]);
        frame[16..18].copy_from_slice(&[0, total]);
        frame
    }

    fn matches(frame: &[u8], known: &Known) -> bool {
        let words = words(frame);
        let of = |words: [u64; KNOWN_WORDS]| move |number: usize| words[number];
        is_same(known.words, known.mask, of(words), of(known.frame))
    }

    #[test]
    fn padding_identification_and_checksum_are_nothing() {
        for total in 28..=64 {
            let end = 14 + usize::from(total);
            let known = known(&v4(total, end), 7).unwrap();
            assert_eq!((known.silence, known.generation), (7, 0));
            assert!(matches(&v4(total, end), &known));
            let padded = v4(total, 120);
            for at in 0..120 {
                let mut other = padded.clone();
                other[at] ^= 0x10;
                let is_free = at >= end || [18, 19, 24, 25].contains(&at);
                assert_eq!(matches(&other, &known), is_free, "{total}: {at}");
            }
        }
    }

    #[test]
    fn of_ipv6_everything_is_compared() {
        let mut frame = vec![0x5a; 14 + 40 + 24];
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        frame[18..20].copy_from_slice(&[0, 24]);
        let lent = known(&frame, 0).unwrap();
        assert_eq!(lent.words, 10);
        for at in 0..frame.len() {
            let mut other = frame.clone();
            other[at] ^= 1;
            assert!(!matches(&other, &lent), "{at}");
        }
        assert_eq!(known(&frame[..77], 0), None, "it ends too early");
    }

    #[test]
    fn what_is_too_long_or_no_ip_cannot_be_known() {
        assert!(known(&v4(178, 192), 0).is_some());
        assert!(matches(&v4(178, 192), &known(&v4(178, 200), 0).unwrap()));
        assert_eq!(known(&v4(179, 193), 0), None);
        assert_eq!(known(&v4(179, 192), 0), None);
        assert_eq!(known(&v4(0, 60), 0), None);
        let mut arp = v4(32, 60);
        arp[13] = 6;
        assert_eq!(known(&arp, 0), None);
        assert_eq!(known(&[], 0), None);
    }

    #[test]
    fn nothing_is_the_same_as_words_that_are_not_there() {
        let known = Known {
            words: KNOWN_WORDS as u64 + 1,
            ..known(&v4(178, 192), 0).unwrap()
        };
        assert!(!matches(&v4(178, 192), &known));
    }
}
