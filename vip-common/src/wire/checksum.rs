//! The Internet checksum (RFC 1071).

use core::net::IpAddr;

/// A ones' complement sum in the making. Order does not matter, so a sum over
/// what never changes can be kept and the rest added later.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sum(u16);

impl Sum {
    /// The sum of nothing.
    pub const ZERO: Self = Self(0);

    /// With one more 16-bit word. The carry goes around at once, so no length
    /// of input overflows.
    #[inline(always)]
    #[must_use]
    pub const fn word(self, word: u16) -> Self {
        let (sum, carry) = self.0.overflowing_add(word);
        // With a carry the sum is at most 0xfffe.
        Self(sum.wrapping_add(carry as u16))
    }

    /// With these bytes, which must start at an even offset of the message; an
    /// odd last one counts as if a zero followed.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let sum = pairs
            .iter()
            .fold(self, |sum, pair| sum.word(u16::from_be_bytes(*pair)));
        match rest {
            [last] => sum.word(u16::from_be_bytes([*last, 0])),
            _ => sum,
        }
    }

    /// With an address.
    #[must_use]
    pub fn address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => self.bytes(&v4.octets()),
            IpAddr::V6(v6) => self.bytes(&v6.octets()),
        }
    }

    /// With the pseudo header of a VRRP message of `len` bytes: addresses,
    /// protocol, length (RFC 9293 section 3.1, by which VRRPv3 senders go over
    /// IPv4, and RFC 8200 section 8.1, whose longer fields add nothing but zeros).
    #[must_use]
    pub fn pseudo_header(self, source: IpAddr, destination: IpAddr, len: u16) -> Self {
        self.upper_layer(source, destination, super::ipv4::PROTOCOL_VRRP, len)
    }

    /// The same for another protocol.
    #[must_use]
    pub(super) fn upper_layer(
        self,
        source: IpAddr,
        destination: IpAddr,
        protocol: u8,
        len: u16,
    ) -> Self {
        self.address(source)
            .address(destination)
            .word(u16::from(protocol))
            .word(len)
    }

    /// What goes into the checksum field, that field having been summed as zero.
    #[inline(always)]
    #[must_use]
    pub const fn checksum(self) -> u16 {
        !self.0
    }

    /// Whether a message summed with its checksum field adds up.
    #[inline(always)]
    #[must_use]
    pub const fn adds_up(self) -> bool {
        self.0 == 0xffff
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fixtures::{GROUP, SENDER, reference_sum};

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 1071 section 3.
        let sum = Sum::ZERO.bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.checksum(), !0xddf2);
    }

    #[test]
    fn an_odd_byte_counts_as_the_upper_half_of_a_word() {
        assert_eq!(Sum::ZERO.bytes(&[0x12, 0x34, 0x56]), Sum(0x6834));
        assert_eq!(Sum::ZERO.bytes(&[]), Sum::ZERO);
    }

    #[test]
    fn the_carry_goes_around() {
        assert_eq!(Sum::ZERO.word(0xffff).word(0x0001), Sum(0x0001));
        assert_eq!(Sum::ZERO.word(0xffff).word(0xffff), Sum(0xffff));
        assert_eq!(Sum::ZERO.word(0x8000).word(0x8000), Sum(0x0001));
    }

    #[test]
    fn a_message_with_its_checksum_adds_up() {
        let sum = Sum::ZERO.word(0x1234).word(0xfedc);
        assert!(sum.word(sum.checksum()).adds_up());
        assert!(!sum.word(sum.checksum() ^ 1).adds_up());
        assert!(!Sum::ZERO.adds_up());
    }

    #[test]
    fn the_pseudo_header_is_addresses_protocol_and_length() {
        let by_hand = [192, 168, 8, 4, 224, 0, 0, 18, 0, 112, 0, 16];
        let sum = Sum::ZERO.pseudo_header(SENDER.into(), GROUP.into(), 16);
        assert_eq!(sum, Sum(reference_sum(&by_hand)));
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut by_hand = [0; 40];
        by_hand[..2].copy_from_slice(&[0xfe, 0x80]);
        by_hand[15] = 4;
        by_hand[16..18].copy_from_slice(&[0xff, 0x02]);
        by_hand[31..].copy_from_slice(&[0x12, 0, 0, 0, 40, 0, 0, 0, 112]);
        let sum = Sum::ZERO.pseudo_header(of("fe80::4"), of("ff02::12"), 40);
        assert_eq!(sum, Sum(reference_sum(&by_hand)));
        assert_eq!(
            Sum::ZERO.address(IpAddr::from([1, 2, 3, 4])),
            Sum(0x0102 + 0x0304)
        );
    }

    proptest::proptest! {
        #[test]
        fn sums_as_by_the_book(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            proptest::prop_assert_eq!(Sum::ZERO.bytes(&bytes), Sum(reference_sum(&bytes)));
        }
    }
}
