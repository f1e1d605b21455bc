//! Frames, good ones from the builder and spoiled ones by hand.

use std::net::{IpAddr, Ipv4Addr};

use vip_common::ids::{Family, MacAddr, Version, Vrid};
use vip_common::layout::{AddressEntry, AddressKey, RouterEntry, RouterKey, mapped};
use vip_common::time::Centis;
use vip_common::wire::checksum::Sum;
use vip_common::wire::vrrp::{AdvertFrame, Auth, ChecksumDialect, FrameSpec};

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

/// The router of version 2 and its number.
pub(crate) const VRID_2: u8 = 51;
pub(crate) const SLOT_2: u32 = 3;
/// The router of version 3 and its number.
pub(crate) const VRID_3: u8 = 52;
pub(crate) const SLOT_3: u32 = 5;
/// Routers that the tests make room for.
pub(crate) const CAPACITY: u32 = 8;

/// Start of the IP header.
pub(crate) const IP: usize = 14;
/// Start of the VRRP message behind the shortest IP header.
pub(crate) const VRRP: usize = IP + 20;

/// Two routers, one of each version, and one address, on one interface.
pub(crate) fn port(name: &str, ifindex: u32) -> Port {
    let router = |slot, version: Version| RouterEntry {
        slot,
        group: mapped(GROUP.octets()),
        primary: mapped(OURSELVES.octets()),
        broadcast: BROADCAST.octets(),
        mac: OUR_MAC,
        version: version.get(),
        min_ttl: 255,
        max_ttl: 255,
        flags: 0,
        pad: 0,
    };
    let key = |vrid| RouterKey::new(ifindex, Family::V4, Vrid::new(vrid).expect("not zero"));
    Port {
        name: name.to_owned(),
        ifindex,
        mac: OUR_MAC,
        kind: Some("veth".to_owned()),
        has_vlans: false,
        mtu: 1500,
        routers: vec![
            (key(VRID_2), router(SLOT_2, Version::V2)),
            (key(VRID_3), router(SLOT_3, Version::V3)),
        ],
        addresses: vec![(
            AddressKey::new(ifindex, ADDRESS.into()),
            AddressEntry {
                active: SENDER_MAC,
                ..AddressEntry::new(SLOT_2, OUR_MAC)
            },
        )],
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
    let mut frame = AdvertFrame::new(&FrameSpec {
        source_mac: SENDER_MAC,
        destination_mac: MacAddr([0x01, 0x00, 0x5e, 0, 0, 18]),
        source: SENDER.into(),
        destination: GROUP.into(),
        ttl: 255,
        vrid: Vrid::new(vrid).expect("not zero"),
        version,
        interval,
        auth: Auth::Password(*b"1111\0\0\0\0"),
        addresses: &list,
        dialect: ChecksumDialect::PseudoHeader,
    })
    .expect("encodable");
    frame.seal(1, Priority::DEFAULT).to_vec()
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

/// Makes the IP header's checksum right, as long as the header says to be.
fn repair(frame: &mut [u8]) {
    let len = usize::from(frame[IP] & 0x0f) * 4;
    if len < 20 || IP + len > frame.len() {
        return;
    }
    frame[IP + 10..IP + 12].fill(0);
    let sum = Sum::ZERO.bytes(&frame[IP..IP + len]).checksum();
    frame[IP + 10..IP + 12].copy_from_slice(&sum.to_be_bytes());
}
