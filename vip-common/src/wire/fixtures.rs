//! Frames written by hand, and what it takes to spoil them with care.

extern crate std;

mod vectors;

use core::net::Ipv4Addr;
use std::vec::Vec;

pub(super) use vectors::*;

use super::vrrp::{Auth, Expect};
use super::{eth, ipv4};
use crate::ids::{Family, MacAddr, Version, Vrid};
use crate::layout::{RouterEntry, mapped};
use crate::time::Centis;

pub(super) const IP: usize = eth::LEN;
pub(super) const VRRP: usize = IP + ipv4::MIN_LEN;

pub(super) const SENDER_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x0a]);
pub(super) const SENDER: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 4);
pub(super) const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
pub(super) const OUR_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x0b]);
pub(super) const OURSELVES: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 6);
/// Of the subnet that it is in.
pub(super) const BROADCAST: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 255);
pub(super) const PASSWORD: Auth = Auth::Password(*b"1111\0\0\0\0");

/// Version 2, VRID 51, priority 100, every second, password "1111", for
/// 192.168.8.100; identification 1.
#[rustfmt::skip]
pub(super) const V2: [u8; 54] = [
    0x01, 0x00, 0x5e, 0x00, 0x00, 0x12,  0x02, 0x00, 0x00, 0x00, 0x00, 0x0a,  0x08, 0x00,
    0x45, 0xc0, 0x00, 0x28,  0x00, 0x01, 0x00, 0x00,  0xff, 0x70, 0x11, 0xe6,
    0xc0, 0xa8, 0x08, 0x04,  0xe0, 0x00, 0x00, 0x12,
    0x21, 0x33, 0x64, 0x01,  0x01, 0x01, 0x4e, 0x5b,
    0xc0, 0xa8, 0x08, 0x64,
    0x31, 0x31, 0x31, 0x31, 0x00, 0x00, 0x00, 0x00,
];

/// Version 3, VRID 51, priority 150, every 10 ms, for 192.168.8.100 and .101;
/// identification 0x1234; checksum with pseudo header.
#[rustfmt::skip]
pub(super) const V3: [u8; 50] = [
    0x01, 0x00, 0x5e, 0x00, 0x00, 0x12,  0x02, 0x00, 0x00, 0x00, 0x00, 0x0a,  0x08, 0x00,
    0x45, 0xc0, 0x00, 0x24,  0x12, 0x34, 0x00, 0x00,  0xff, 0x70, 0xff, 0xb6,
    0xc0, 0xa8, 0x08, 0x04,  0xe0, 0x00, 0x00, 0x12,
    0x31, 0x33, 0x96, 0x02,  0x00, 0x01, 0xfd, 0x6e,
    0xc0, 0xa8, 0x08, 0x64,  0xc0, 0xa8, 0x08, 0x65,
];

/// The same without pseudo header.
#[rustfmt::skip]
pub(super) const V3_MESSAGE_ONLY: [u8; 50] = [
    0x01, 0x00, 0x5e, 0x00, 0x00, 0x12,  0x02, 0x00, 0x00, 0x00, 0x00, 0x0a,  0x08, 0x00,
    0x45, 0xc0, 0x00, 0x24,  0x12, 0x34, 0x00, 0x00,  0xff, 0x70, 0xff, 0xb6,
    0xc0, 0xa8, 0x08, 0x04,  0xe0, 0x00, 0x00, 0x12,
    0x31, 0x33, 0x96, 0x02,  0x00, 0x01, 0xa6, 0xae,
    0xc0, 0xa8, 0x08, 0x64,  0xc0, 0xa8, 0x08, 0x65,
];

pub(super) fn vrid() -> Vrid {
    Vrid::new(51).unwrap()
}

/// The listener's side of the map.
pub(super) fn router(version: Version) -> RouterEntry {
    RouterEntry {
        slot: 0,
        group: mapped(GROUP.octets()),
        primary: mapped(OURSELVES.octets()),
        broadcast: BROADCAST.octets(),
        mac: OUR_MAC,
        version: version.get(),
        min_ttl: 255,
        max_ttl: 255,
        flags: 0,
        pad: 0,
    }
}

/// The listener's side of the configuration.
pub(super) fn expect(version: Version) -> Expect {
    Expect {
        family: Family::V4,
        vrid: vrid(),
        version,
        interval: Centis::ONE_SECOND,
        auth: PASSWORD,
        old_unicast: false,
    }
}

/// RFC 1071 by the book, for comparison.
pub(super) fn reference_sum(bytes: &[u8]) -> u16 {
    let mut sum: u64 = bytes
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// Makes the IP header's checksum right again.
pub(super) fn repair_ip(frame: &mut [u8]) {
    let end = IP + usize::from(frame[IP] & 0x0f) * 4;
    frame[IP + 10..IP + 12].fill(0);
    let sum = reference_sum(&frame[IP..end]);
    frame[IP + 10..IP + 12].copy_from_slice(&(!sum).to_be_bytes());
}

/// Makes the checksum of a VRRP message right again, without pseudo header.
pub(super) fn repair_message(body: &mut [u8]) {
    body[6..8].fill(0);
    let sum = reference_sum(body);
    body[6..8].copy_from_slice(&(!sum).to_be_bytes());
}

/// A frame with bytes replaced from `at` on and a right IP header checksum.
pub(super) fn changed(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::from(frame);
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    repair_ip(&mut frame);
    frame
}

/// A frame with `words` words of options in its IP header.
pub(super) fn with_options(frame: &[u8], words: u8) -> Vec<u8> {
    let options = 4 * usize::from(words);
    let mut longer = Vec::from(&frame[..VRRP]);
    // No-operations, and a last one that is not symmetric under byte order.
    longer.extend((1..=options).map(|i| if i == options { 0 } else { 1 }));
    longer.extend(&frame[VRRP..]);
    longer[IP] += words;
    let total = u16::try_from(longer.len() - IP).unwrap();
    longer[IP + 2..IP + 4].copy_from_slice(&total.to_be_bytes());
    repair_ip(&mut longer);
    longer
}

/// A frame of either version with this many addresses, right in all its sums.
pub(super) fn with_addresses(version: Version, count: u8) -> Vec<u8> {
    let original: &[u8] = match version {
        Version::V2 => &V2,
        Version::V3 => &V3,
    };
    let mut frame = Vec::from(&original[..VRRP + 8]);
    frame[VRRP + 3] = count;
    frame.extend((0..count).flat_map(|n| [10, 0, 0, n]));
    if version == Version::V2 {
        frame.extend(&V2[46..]);
    }
    let total = u16::try_from(frame.len() - IP).unwrap();
    frame[IP + 2..IP + 4].copy_from_slice(&total.to_be_bytes());
    repair_ip(&mut frame);
    repair_message(&mut frame[VRRP..]);
    frame
}
