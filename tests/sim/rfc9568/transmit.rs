//! Section 7.2: what is sent, and section 5 for the fields of it.

use vip_common::ids::{Family, MacAddr};
use vip_common::wire::announce::Announcement;
use vip_common::wire::vrrp::{self, Auth, ChecksumDialect, Expect, FrameSpec};
use vip_common::wire::{eth, ipv4};

use super::*;

/// The virtual router's MAC: the prefix of its family, and the VRID (section 7.3).
const fn virtual_mac(family: Family, vrid: u8) -> MacAddr {
    match family {
        Family::V4 => MacAddr([0, 0, 0x5e, 0, 1, vrid]),
        Family::V6 => MacAddr([0, 0, 0x5e, 0, 2, vrid]),
    }
}

fn sent(family: Family, addresses: &[IpAddr]) -> Vec<u8> {
    let [source, ..] = FAMILIES[usize::from(family == Family::V6)];
    let vrid = one_second(128).vrid;
    let spec = FrameSpec {
        source_mac: virtual_mac(family, vrid.get()),
        destination_mac: match family {
            Family::V4 => eth::group_mac(vrrp::GROUP_V4),
            Family::V6 => eth::group_mac_v6(vrrp::GROUP_V6),
        },
        source,
        destination: vrrp::group(family),
        ttl: 255,
        vrid,
        version: Version::V3,
        interval: centis(1234),
        auth: Auth::None,
        addresses,
        dialect: ChecksumDialect::MessageOnly,
    };
    let mut frame = vrrp::AdvertFrame::new(&spec).unwrap();
    frame.seal(7, Priority::from_wire(200)).to_vec()
}

fn virtual_addresses(family: Family) -> [IpAddr; 2] {
    let [_, one, other] = FAMILIES[usize::from(family == Family::V6)];
    [one, other]
}

/// The fields are those of the configuration: version and type, VRID, priority,
/// number of addresses, no reserved bit, the interval in centiseconds, and the
/// addresses in their order.
#[test]
fn rfc9568_7_2_the_fields_are_the_configured_ones() {
    for (family, start) in [(Family::V4, eth::LEN + 20), (Family::V6, eth::LEN + 40)] {
        let addresses = virtual_addresses(family);
        let frame = sent(family, &addresses);
        let message = &frame[start..];
        assert_eq!(message[..4], [0x31, 51, 200, 2]);
        assert_eq!(message[4..6], 1234_u16.to_be_bytes());
        let octets: Vec<u8> = addresses
            .iter()
            .flat_map(|address| match address {
                IpAddr::V4(v4) => v4.octets().to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            })
            .collect();
        assert_eq!(message[8..8 + octets.len()], octets);
        assert_eq!(message.len(), 8 + octets.len());
    }
}

/// The checksum adds up to all ones, with the pseudo header over IPv6.
#[test]
fn rfc9568_7_2_the_checksum_is_computed() {
    for family in [Family::V4, Family::V6] {
        let addresses = virtual_addresses(family);
        let frame = sent(family, &addresses);
        let mut words: Vec<u16> = Vec::new();
        let mut add = |bytes: &[u8]| {
            assert_eq!(bytes.len() % 2, 0);
            words.extend(
                bytes
                    .chunks(2)
                    .map(|pair| u16::from_be_bytes([pair[0], pair[1]])),
            );
        };
        match family {
            Family::V4 => add(&frame[eth::LEN + 20..]),
            Family::V6 => {
                let message = &frame[eth::LEN + 40..];
                add(&frame[eth::LEN + 8..eth::LEN + 40]);
                add(&[0, 0, 0, u8::try_from(message.len()).unwrap(), 0, 0, 0, 112]);
                add(message);
            }
        }
        let sum: u32 = words.iter().map(|word| u32::from(*word)).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "{family:?}");
    }
}

/// The source MAC is the virtual router's, where it has one (`use_vmac`).
#[test]
fn rfc9568_7_2_the_source_mac_is_the_virtual_one() {
    for family in [Family::V4, Family::V6] {
        let frame = sent(family, &virtual_addresses(family));
        assert_eq!(frame[6..12], virtual_mac(family, 51).0);
    }
}

/// The source address is the primary one of the interface, over IPv6 the
/// link-local one.
#[test]
fn rfc9568_7_2_the_source_is_the_primary_address() {
    for family in [Family::V4, Family::V6] {
        let frame = sent(family, &virtual_addresses(family));
        let (header, ..) = vrrp::locate(&frame).unwrap();
        assert_eq!(
            header.source,
            FAMILIES[usize::from(family == Family::V6)][0]
        );
    }
}

/// Protocol 112, to the group of the family by its MAC, with TTL or hop limit
/// 255.
#[test]
fn rfc9568_7_2_it_goes_to_the_group_as_protocol_112() {
    let frame = sent(Family::V4, &virtual_addresses(Family::V4));
    assert_eq!(frame[..6], [0x01, 0, 0x5e, 0, 0, 0x12]);
    assert_eq!(frame[eth::LEN + 9], 112);
    assert_eq!(frame[eth::LEN + 8], 255);
    assert_eq!(frame[eth::LEN + 16..eth::LEN + 20], [224, 0, 0, 18]);
    let (header, body) = ipv4::parse(&frame[eth::LEN..]).unwrap();
    assert_eq!((header.ttl, body.len()), (255, 16));
    let frame = sent(Family::V6, &virtual_addresses(Family::V6));
    assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 0x12]);
    assert_eq!(frame[eth::LEN + 6..eth::LEN + 8], [112, 255]);
    assert_eq!(frame[eth::LEN + 24..eth::LEN + 26], [0xff, 0x02]);
    assert_eq!(frame[eth::LEN + 39], 0x12);
}

/// What is sent passes at the other end.
#[test]
fn rfc9568_7_2_what_is_sent_is_received() {
    for family in [Family::V4, Family::V6] {
        let addresses = virtual_addresses(family);
        let frame = sent(family, &addresses);
        let (header, _, body) = vrrp::locate(&frame).unwrap();
        let expect = Expect {
            family,
            vrid: one_second(128).vrid,
            version: Version::V3,
            interval: Centis::ONE_SECOND,
            auth: Auth::None,
            old_unicast: false,
        };
        let advert = vrrp::decode(header.source, header.destination, body, &expect).unwrap();
        assert_eq!(advert.priority, Priority::from_wire(200));
        assert_eq!(advert.interval, centis(1234));
        assert!(advert.addresses.same_as(&addresses));
    }
}

/// Sections 6.4.1 and 6.4.2: gratuitous ARP says that the address is here, to
/// everybody; a neighbour advertisement is unsolicited and overrides, to all
/// nodes, with the link-layer address and hop limit 255.
#[test]
fn rfc9568_6_4_announcements_override_what_neighbours_know() {
    let mac = virtual_mac(Family::V4, 51);
    let IpAddr::V4(v4) = HIGHER else { return };
    let arp = Announcement::new(mac, HIGHER, false);
    let arp = arp.as_bytes();
    assert_eq!(arp[..6], [0xff; 6]);
    assert_eq!(arp[22..28], mac.0);
    assert_eq!(arp[28..32], v4.octets());
    assert_eq!(arp[38..42], v4.octets());
    let mac = virtual_mac(Family::V6, 51);
    let IpAddr::V6(v6) = HIGHER_6 else { return };
    for router in [false, true] {
        let na = Announcement::new(mac, HIGHER_6, router);
        let na = na.as_bytes();
        assert_eq!(na[..6], [0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!(na[eth::LEN + 7], 255);
        let icmp = &na[eth::LEN + 40..];
        assert_eq!(icmp[0], 136);
        let solicited = 0x40;
        assert_eq!(icmp[4] & solicited, 0);
        assert_eq!(icmp[4] & 0x20, 0x20, "override");
        assert_eq!(icmp[4] & 0x80 == 0x80, router);
        assert_eq!(icmp[8..24], v6.octets());
        assert_eq!(icmp[24..26], [2, 1]);
        assert_eq!(icmp[26..32], mac.0);
    }
}
