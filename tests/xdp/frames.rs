//! Frames, good ones from the builder and spoiled ones by hand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vip_common::ids::{Family, MacAddr, Version, Vrid};
use vip_common::layout::{AddressEntry, AddressKey, RouterEntry, RouterKey, octets};
use vip_common::time::Centis;
use vip_common::wire::checksum::Sum;
use vip_common::wire::vrrp::{AdvertFrame, Auth, ChecksumDialect, FrameSpec};
use vip_common::wire::{eth, ndisc};

use vip::dataplane::Port;
use vip_common::ids::Priority;

pub(crate) const SENDER_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x0a]);
pub(crate) const SENDER: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 4);
pub(crate) const OUR_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x0b]);
pub(crate) const OURSELVES: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 6);
/// Of the subnet that it is in.
pub(crate) const BROADCAST: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 255);
pub(crate) const STRANGER: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x66]);
pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 100);

/// The same over IPv6.
pub(crate) const SENDER_6: Ipv6Addr = link_local(4);
pub(crate) const OURSELVES_6: Ipv6Addr = link_local(6);
pub(crate) const GROUP_6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
pub(crate) const ADDRESS_6: Ipv6Addr = link_local(0x100);
/// Ends of unicast over IPv6, which need not be link-local.
pub(crate) const FAR_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 4);
pub(crate) const NEAR_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 6);

pub(crate) const fn link_local(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number)
}

/// The router of version 2 and its number.
pub(crate) const VRID_2: u8 = 51;
pub(crate) const SLOT_2: u32 = 3;
/// The router of version 3 and its number.
pub(crate) const VRID_3: u8 = 52;
pub(crate) const SLOT_3: u32 = 5;
/// The router of IPv6 has the VRID of the first, and nothing else of it.
pub(crate) const VRID_6: u8 = VRID_2;
pub(crate) const SLOT_6: u32 = 6;
/// The unicast routers of version 3 have one VRID too; `auth_hmac` may follow
/// their messages, and peers may be up to two hops away.
pub(crate) const VRID_UNICAST: u8 = 61;
pub(crate) const SLOT_UNICAST: u32 = 1;
pub(crate) const SLOT_UNICAST_6: u32 = 2;
/// Routers that the tests make room for.
pub(crate) const CAPACITY: u32 = 8;

/// Start of the IP header.
pub(crate) const IP: usize = 14;
/// Start of the VRRP message behind the shortest IPv4 header.
pub(crate) const VRRP: usize = IP + 20;
/// Start of the VRRP message behind an IPv6 header.
pub(crate) const VRRP_6: usize = IP + 40;

/// Five routers and two addresses on one interface.
pub(crate) fn port(name: &str, ifindex: u32) -> Port {
    let router = |slot, version: Version| RouterEntry {
        slot,
        group: octets(GROUP.into()),
        primary: octets(OURSELVES.into()),
        broadcast: BROADCAST.octets(),
        mac: OUR_MAC,
        version: version.get(),
        min_ttl: 255,
        max_ttl: 255,
        flags: 0,
        pad: 0,
    };
    let unicast = RouterEntry {
        min_ttl: 253,
        max_ttl: 254,
        flags: RouterEntry::UNICAST | RouterEntry::TRAILER,
        ..router(SLOT_UNICAST, Version::V3)
    };
    let router_6 = RouterEntry {
        group: octets(GROUP_6.into()),
        primary: octets(OURSELVES_6.into()),
        broadcast: [0; 4],
        ..router(SLOT_6, Version::V3)
    };
    let unicast_6 = RouterEntry {
        slot: SLOT_UNICAST_6,
        primary: octets(NEAR_6.into()),
        broadcast: [0; 4],
        ..unicast
    };
    let address = |address: IpAddr, slot| {
        let entry = AddressEntry {
            active: SENDER_MAC,
            ..AddressEntry::new(slot, OUR_MAC)
        };
        (AddressKey::new(ifindex, address), entry)
    };
    let routers = [
        (Family::V4, VRID_2, router(SLOT_2, Version::V2)),
        (Family::V4, VRID_3, router(SLOT_3, Version::V3)),
        (Family::V4, VRID_UNICAST, unicast),
        (Family::V6, VRID_6, router_6),
        (Family::V6, VRID_UNICAST, unicast_6),
    ];
    let key = |family, vrid| RouterKey::new(ifindex, family, Vrid::new(vrid).expect("not zero"));
    Port {
        name: name.to_owned(),
        ifindex,
        mac: OUR_MAC,
        kind: Some("veth".to_owned()),
        has_vlans: false,
        mtu: 1500,
        routers: routers
            .into_iter()
            .map(|(family, vrid, entry)| (key(family, vrid), entry))
            .collect(),
        addresses: vec![
            address(ADDRESS.into(), SLOT_2),
            address(ADDRESS_6.into(), SLOT_6),
        ],
    }
}

/// A valid advert for the router of that version, naming so many addresses.
pub(crate) fn advert(version: Version, addresses: u8) -> Vec<u8> {
    let (vrid, interval) = match version {
        Version::V2 => (VRID_2, Centis::ONE_SECOND),
        Version::V3 => (VRID_3, Centis::new(1).expect("in range")),
    };
    let list: Vec<IpAddr> = (0..addresses)
        .map(|n| Ipv4Addr::new(10, 0, 0, n).into())
        .collect();
    sealed(&FrameSpec {
        vrid: Vrid::new(vrid).expect("not zero"),
        version,
        interval,
        addresses: &list,
        ..spec(SENDER.into(), GROUP.into(), eth::group_mac(GROUP))
    })
}

/// A valid advert for the router of IPv6, naming so many addresses.
pub(crate) fn advert_6(addresses: u8) -> Vec<u8> {
    let list: Vec<IpAddr> = (0..addresses)
        .map(|n| link_local(0x100 + u16::from(n)).into())
        .collect();
    sealed(&FrameSpec {
        vrid: Vrid::new(VRID_6).expect("not zero"),
        addresses: &list,
        ..spec(SENDER_6.into(), GROUP_6.into(), eth::group_mac_v6(GROUP_6))
    })
}

/// A valid advert for the unicast router of IPv4.
pub(crate) fn unicast() -> Vec<u8> {
    sealed(&FrameSpec {
        addresses: &[ADDRESS.into()],
        ..spec(SENDER.into(), OURSELVES.into(), OUR_MAC)
    })
}

/// A valid advert for the unicast router of IPv6.
pub(crate) fn unicast_6() -> Vec<u8> {
    sealed(&FrameSpec {
        addresses: &[ADDRESS_6.into()],
        ..spec(FAR_6.into(), NEAR_6.into(), OUR_MAC)
    })
}

/// Of version 3 for the unicast routers, by the hop count that they want where
/// it goes to one.
fn spec<'a>(source: IpAddr, destination: IpAddr, destination_mac: MacAddr) -> FrameSpec<'a> {
    FrameSpec {
        source_mac: SENDER_MAC,
        destination_mac,
        source,
        destination,
        ttl: if destination.is_multicast() { 255 } else { 254 },
        vrid: Vrid::new(VRID_UNICAST).expect("not zero"),
        version: Version::V3,
        interval: Centis::ONE_SECOND,
        auth: Auth::Password(*b"1111\0\0\0\0"),
        addresses: &[],
        dialect: ChecksumDialect::PseudoHeader,
    }
}

fn sealed(spec: &FrameSpec<'_>) -> Vec<u8> {
    let mut frame = AdvertFrame::new(spec).expect("encodable");
    frame.seal(1, Priority::DEFAULT).to_vec()
}

/// With so many bytes behind the message that the IP header counts, whichever it
/// is.
pub(crate) fn longer(mut frame: Vec<u8>, by: usize) -> Vec<u8> {
    frame.resize(frame.len() + by, 0x5a);
    let is_v6 = frame[12..14] == [0x86, 0xdd];
    let (at, start) = if is_v6 {
        (IP + 4, VRRP_6)
    } else {
        (IP + 2, IP)
    };
    let len = u16::try_from(frame.len() - start).expect("short");
    with(frame, at, &len.to_be_bytes())
}

/// With an authentication header of so many bytes before the message.
pub(crate) fn behind_ah(frame: &[u8], len: usize) -> Vec<u8> {
    let is_v6 = frame[12..14] == [0x86, 0xdd];
    let (protocol, start) = if is_v6 {
        (IP + 6, VRRP_6)
    } else {
        (IP + 9, VRRP)
    };
    let words = u8::try_from(len / 4 - 2).expect("short");
    let mut header = vec![0xa5; len];
    header[..4].copy_from_slice(&[112, words, 0, 0]);
    let mut longer = frame[..start].to_vec();
    longer.extend(header);
    longer.extend(&frame[start..]);
    self::longer(with(longer, protocol, &[51]), 0)
}

/// With one byte replaced and the IP header's checksum right again.
pub(crate) fn with(mut frame: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    repair(&mut frame);
    frame
}

/// With so many bytes of IP options ("no operation").
pub(crate) fn with_options(frame: &[u8], len: usize) -> Vec<u8> {
    let mut long = frame[..VRRP].to_vec();
    long.extend(vec![1; len]);
    long.extend(&frame[VRRP..]);
    let header = u8::try_from((20 + len) / 4).expect("at most 60 bytes");
    long[IP] = 0x40 | header;
    let total = u16::try_from(long.len() - IP).expect("short");
    long[IP + 2..IP + 4].copy_from_slice(&total.to_be_bytes());
    repair(&mut long);
    long
}

/// Padded to a length on the wire.
pub(crate) fn padded(mut frame: Vec<u8>, len: usize) -> Vec<u8> {
    frame.resize(len, 0xa5);
    frame
}

/// Cut to a length on the wire.
pub(crate) fn cut(mut frame: Vec<u8>, len: usize) -> Vec<u8> {
    frame.truncate(len);
    frame
}

/// With a VLAN tag in the frame.
pub(crate) fn tagged(frame: &[u8], ether_type: [u8; 2]) -> Vec<u8> {
    let mut long = frame[..12].to_vec();
    long.extend(ether_type);
    long.extend([0, 7]);
    long.extend(&frame[12..]);
    long
}

/// An ARP packet over Ethernet, broadcast.
pub(crate) fn arp(operation: u8, mac: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend([0xff; 6]);
    frame.extend(mac.0);
    frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(mac.0);
    frame.extend(sender.octets());
    frame.extend([0; 6]);
    frame.extend(target.octets());
    frame
}

/// A neighbour solicitation (135) or advertisement (136) over Ethernet, with a
/// link-layer option that says `option`.
pub(crate) fn ndisc(
    kind: u8,
    mac: MacAddr,
    source: Ipv6Addr,
    target: Ipv6Addr,
    option: Option<MacAddr>,
) -> Vec<u8> {
    let group = if kind == 135 {
        ndisc::solicited_node(target)
    } else {
        ndisc::ALL_NODES
    };
    // An advertisement overrides what is known.
    let mut message = vec![kind, 0, 0, 0, (kind & 1 ^ 1) << 5, 0, 0, 0];
    message.extend(target.octets());
    if let Some(option) = option {
        message.extend([kind - 134, 1]);
        message.extend(option.0);
    }
    let len = u16::try_from(message.len()).expect("short");
    let sum = Sum::ZERO
        .bytes(&message)
        .address(source.into())
        .address(group.into())
        .word(58)
        .word(len);
    message[2..4].copy_from_slice(&sum.checksum().to_be_bytes());
    let mut frame = Vec::new();
    frame.extend(eth::group_mac_v6(group).0);
    frame.extend(mac.0);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend(len.to_be_bytes());
    frame.extend([58, 255]);
    frame.extend(source.octets());
    frame.extend(group.octets());
    frame.extend(message);
    frame
}

/// Makes the IP header's checksum right, as long as the header says to be.
fn repair(frame: &mut [u8]) {
    if frame[12..14] != [0x08, 0x00] {
        return;
    }
    let len = usize::from(frame[IP] & 0x0f) * 4;
    if len < 20 || IP + len > frame.len() {
        return;
    }
    frame[IP + 10..IP + 12].fill(0);
    let sum = Sum::ZERO.bytes(&frame[IP..IP + len]).checksum();
    frame[IP + 10..IP + 12].copy_from_slice(&sum.to_be_bytes());
}
