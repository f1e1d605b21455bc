//! Any bytes as a frame, through every reader.
//!
//! The first byte decides who listens; the rest is the frame. Where the second
//! byte asks for it, the sums are made right first: chance does not get past two
//! checksums.
#![no_main]

use std::net::Ipv4Addr;

use libfuzzer_sys::fuzz_target;
use vip_common::ids::{MacAddr, Version, Vrid};
use vip_common::layout::{RouterEntry, mapped};
use vip_common::time::Centis;
use vip_common::wire::admit::{Kind, admit, kind};
use vip_common::wire::checksum::Sum;
use vip_common::wire::vrrp::{Auth, Expect, decode, locate};
use vip_common::wire::{arp, eth, head};

fuzz_target!(|data: &[u8]| {
    let [listener, repair, frame @ ..] = data else {
        return;
    };
    let version = if listener & 1 == 0 {
        Version::V2
    } else {
        Version::V3
    };
    let auth = if listener & 2 == 0 {
        Auth::None
    } else {
        Auth::Password(*b"1111\0\0\0\0")
    };
    let mut frame = frame.to_vec();
    if repair & 1 != 0 {
        repair_ip(&mut frame);
    }
    if repair & 2 != 0 {
        repair_message(&mut frame);
    }
    read(&frame, version, auth);
});

fn read(frame: &[u8], version: Version, auth: Auth) {
    let first = head(frame);
    if let Some(arp) = arp::parse(&first) {
        assert!(arp.asks_for().is_none() || arp.asks_for() != arp.claims());
    }
    let located = locate(frame);
    let router = RouterEntry {
        slot: 0,
        group: mapped([224, 0, 0, 18]),
        primary: mapped([192, 168, 8, 6]),
        broadcast: [192, 168, 8, 255],
        mac: MacAddr([2, 0, 0, 0, 0, 11]),
        version: version.get(),
        min_ttl: 255,
        max_ttl: 255,
        flags: 0,
        pad: 0,
    };
    let admitted = admit(&first, frame.len(), &router);
    let Kind::Advert(vrid) = kind(&first, frame.len()) else {
        return;
    };
    let Some((ip, _, body)) = located else {
        assert!(admitted.is_err(), "admitted, but not to be found");
        return;
    };
    let expect = Expect {
        vrid,
        version,
        interval: Centis::ONE_SECOND,
        auth,
    };
    let decoded = decode(ip.source, ip.destination, body, &expect);
    if admitted.is_ok() {
        assert_eq!(ip.ttl, 255);
        assert!(!ip.source.is_multicast() && !ip.source.is_unspecified());
        assert_eq!(body.get(1), Some(&vrid.get()));
    }
    if let Ok(advert) = decoded {
        assert_eq!(advert.addresses.iter().len(), advert.addresses.len());
        let own: Vec<Ipv4Addr> = advert.addresses.iter().collect();
        assert!(advert.addresses.same_as(&own));
        if let Some(vrid) = Vrid::new(vrid.get().wrapping_add(1)) {
            let expect = Expect { vrid, ..expect };
            assert!(decode(ip.source, ip.destination, body, &expect).is_err());
        }
    }
}

/// The IP header's length, if the frame has one.
fn header(frame: &[u8]) -> Option<(usize, usize)> {
    let end = eth::LEN + 4 * usize::from(frame.get(eth::LEN)? & 0x0f);
    (end >= eth::LEN + 20 && end <= frame.len()).then_some((eth::LEN, end))
}

fn repair_ip(frame: &mut [u8]) {
    let Some((start, end)) = header(frame) else {
        return;
    };
    put_checksum(&mut frame[start..end], 10);
}

fn repair_message(frame: &mut [u8]) {
    let Some((start, end)) = header(frame) else {
        return;
    };
    let total = usize::from(u16::from_be_bytes([frame[start + 2], frame[start + 3]]));
    if let Some(message) = frame.get_mut(end..start + total)
        && message.len() >= 8
    {
        put_checksum(message, 6);
    }
}

fn put_checksum(bytes: &mut [u8], at: usize) {
    bytes[at..at + 2].fill(0);
    let sum = Sum::ZERO.bytes(bytes).checksum();
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}
