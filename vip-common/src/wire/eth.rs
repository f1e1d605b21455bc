//! Ethernet II, untagged.

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::ids::MacAddr;

/// Length of the header.
pub const LEN: usize = 14;

/// EtherType of IPv4.
pub const TYPE_IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const TYPE_IPV6: u16 = 0x86dd;
/// EtherType of ARP.
pub const TYPE_ARP: u16 = 0x0806;

/// Offsets in the header.
pub(super) mod field {
    pub(in crate::wire) const DESTINATION: usize = 0;
    pub(in crate::wire) const SOURCE: usize = 6;
    pub(in crate::wire) const TYPE: usize = 12;
}

/// The MAC that carries a multicast group: 01:00:5e and the group's low 23
/// bits (RFC 1112 section 6.4).
#[inline(always)]
#[must_use]
pub const fn group_mac(group: Ipv4Addr) -> MacAddr {
    let [_, b, c, d] = group.octets();
    MacAddr([0x01, 0x00, 0x5e, b & 0x7f, c, d])
}

/// The MAC that carries an IPv6 multicast group: 33:33 and the group's low 32
/// bits (RFC 2464 section 7).
#[inline(always)]
#[must_use]
pub const fn group_mac_v6(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr([0x33, 0x33, a, b, c, d])
}

/// The header.
pub(super) const fn header(destination: MacAddr, source: MacAddr, kind: u16) -> [u8; LEN] {
    let MacAddr([a, b, c, d, e, f]) = destination;
    let MacAddr([g, h, i, j, k, l]) = source;
    let [m, n] = kind.to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_mac_takes_its_low_23_bits() {
        for (group, mac) in [
            ([224, 0, 0, 18], [0x01, 0x00, 0x5e, 0x00, 0x00, 0x12]),
            ([239, 255, 1, 2], [0x01, 0x00, 0x5e, 0x7f, 0x01, 0x02]),
        ] {
            assert_eq!(group_mac(Ipv4Addr::from(group)), MacAddr(mac));
        }
    }

    #[test]
    fn an_ipv6_groups_mac_takes_its_low_32_bits() {
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0x89ab, 0xcdef);
        let mac = MacAddr([0x33, 0x33, 0x89, 0xab, 0xcd, 0xef]);
        assert_eq!(group_mac_v6(group), mac);
    }

    #[test]
    fn construct_header() {
        assert_eq!(
            header(
                MacAddr([1, 2, 3, 4, 5, 6]),
                MacAddr([7, 8, 9, 10, 11, 12]),
                TYPE_ARP
            ),
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x08, 0x06]
        );
    }
}
