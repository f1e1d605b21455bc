//! The Internet checksum (RFC 1071).

use core::net::Ipv4Addr;

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

    /// With an IPv4 address.
    #[must_use]
    pub const fn address(self, address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        self.word(u16::from_be_bytes([a, b]))
            .word(u16::from_be_bytes([c, d]))
    }

    /// With the IPv4 pseudo header of a VRRP message of `len` bytes: addresses,
    /// protocol, length (RFC 9293 section 3.1, by which VRRPv3 senders go).
    #[must_use]
    pub const fn pseudo_header(self, source: Ipv4Addr, destination: Ipv4Addr, len: u16) -> Self {
        self.address(source)
            .address(destination)
            .word(super::ipv4::PROTOCOL_VRRP as u16)
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
