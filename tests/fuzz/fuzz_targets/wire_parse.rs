//! Any bytes as a frame, through every reader.
//!
//! The first byte decides who listens; the rest is the frame. Where the second
//! byte asks for it, sums and signature are made right first: chance does not get
//! past two checksums, and never past a signature.
#![no_main]

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;
use vip_common::ids::{Family, MacAddr, Version, Vrid};
use vip_common::layout::{RouterEntry, mapped, octets};
use vip_common::reject::RejectReason;
use vip_common::time::Centis;
use vip_common::wire::admit::{Kind, admit, kind};
use vip_common::wire::checksum::Sum;
use vip_common::wire::hmac::{AntiReplay, Key, Mode, Replay, UtcStamp, Verifier};
use vip_common::wire::vrrp::{
    Auth, Expect, GROUP_V4, GROUP_V6, HEADER_LEN, TRAILER_LEN, decode, locate,
};
use vip_common::wire::{arp, eth, head, ipv6, ndisc};

const SECRET: [u8; 32] = [0x5a; 32];

fuzz_target!(|data: &[u8]| {
    let [listener, repair, frame @ ..] = data else {
        return;
    };
    let mut frame = frame.to_vec();
    if repair & 1 != 0 {
        repair_ip(&mut frame);
    }
    if repair & 4 != 0 {
        sign(&mut frame);
    }
    if repair & 2 != 0 {
        repair_message(&mut frame, repair & 8 != 0);
    }
    read(&frame, *listener);
});

fn read(frame: &[u8], listener: u8) {
    let on = |bit: u8| listener & 1 << bit != 0;
    let version = if on(0) { Version::V3 } else { Version::V2 };
    let auth = if on(1) {
        Auth::Password(*b"1111\0\0\0\0")
    } else {
        Auth::None
    };
    let first = head(frame);
    if let Some(arp) = arp::parse(&first) {
        assert!(arp.asks_for().is_none() || arp.asks_for() != arp.claims());
    }
    if let Some(read) = ndisc::parse(&first) {
        assert!(read.solicitation || read.asks_for().is_none());
        assert!(read.asks_for() != Some(read.claims()));
    }
    let located = locate(frame);
    let flag = |on, flag| if on { flag } else { 0 };
    let is_ipv6 = frame.get(12..14) == Some(&[0x86, 0xdd]);
    let router = RouterEntry {
        slot: 0,
        group: if is_ipv6 {
            GROUP_V6.octets()
        } else {
            mapped(GROUP_V4.octets())
        },
        primary: if is_ipv6 {
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 6).octets()
        } else {
            mapped([192, 168, 8, 6])
        },
        broadcast: [192, 168, 8, 255],
        mac: MacAddr([2, 0, 0, 0, 0, 11]),
        version: version.get(),
        min_ttl: 255,
        max_ttl: 255,
        flags: flag(on(2), RouterEntry::UNICAST) | flag(on(3), RouterEntry::TRAILER),
        pad: 0,
    };
    let admitted = admit(&first, frame.len(), &router).is_ok();
    let named = match kind(&first, frame.len()) {
        Kind::Advert(family, vrid) => {
            assert_eq!(family == Family::V6, is_ipv6);
            Some(vrid)
        }
        _ => None,
    };
    let Some((ip, _, body)) = located else {
        assert!(
            !admitted || named.is_none(),
            "admitted, but not to be found"
        );
        return;
    };
    let Some(vrid) = body.get(1).copied().and_then(Vrid::new) else {
        return;
    };
    if let Some(named) = named
        && admitted
    {
        assert_eq!(ip.ttl, 255);
        assert!(!ip.source.is_multicast() && !ip.source.is_unspecified());
        let to_us = octets(ip.destination) == router.primary;
        let to_group = octets(ip.destination) == router.group;
        assert_eq!((to_us, to_group), (on(2), !on(2)));
        assert_eq!(named, vrid);
    }
    let expect = Expect {
        family: Family::of(ip.source),
        vrid,
        version,
        interval: Centis::ONE_SECOND,
        auth,
        old_unicast: on(4),
    };
    let decoded = decode(ip.source, ip.destination, body, &expect);
    if let Ok(advert) = decoded {
        let own: Vec<IpAddr> = advert.addresses.iter().collect();
        assert_eq!(own.len(), advert.addresses.len());
        assert!(advert.addresses.same_as(&own));
        assert!(own.iter().all(|one| Family::of(*one) == expect.family));
        assert_eq!(advert.signed, None);
        if let Some(vrid) = Vrid::new(vrid.get().wrapping_add(1)) {
            let expect = Expect { vrid, ..expect };
            assert!(decode(ip.source, ip.destination, body, &expect).is_err());
        }
    }

    let keys = [Key::new(7, &SECRET).expect("a good key")];
    let verifier = Verifier {
        keys: &keys,
        mode: if on(5) {
            Mode::Enforce
        } else {
            Mode::Permissive
        },
        anti_replay: if on(6) {
            let window = Duration::from_secs(1 << 20);
            AntiReplay::Time { window }
        } else {
            AntiReplay::Monotonic
        },
    };
    let now = UtcStamp::from_unix(Duration::from_secs(1 << 30));
    let mut replay = Replay::default();
    let mut again = || {
        let before = replay.clone();
        let heard = verifier.decode(now, ip.source, ip.destination, body, &expect, &mut replay);
        let signed = heard.map(|advert| advert.signed);
        let moved = replay != before;
        assert_eq!(moved, matches!(signed, Ok(Some(_))), "{signed:?}");
        signed
    };
    match again() {
        Ok(Some(key)) => {
            assert_eq!(key, 7);
            assert_eq!(again(), Err(RejectReason::HmacReplay));
            assert_eq!(decoded, Err(RejectReason::Length));
        }
        Ok(None) => {
            assert_eq!(verifier.mode, Mode::Permissive);
            assert!(decoded.is_ok());
        }
        Err(RejectReason::HmacMissing) => assert_eq!(verifier.mode, Mode::Enforce),
        Err(reason) => assert!(decoded.is_err(), "{reason}"),
    }
}

/// Where IP header and VRRP message start and the packet ends, if the frame has
/// them.
fn parts(frame: &[u8]) -> Option<(usize, usize, usize)> {
    let ip = eth::LEN;
    let number = |at: usize| {
        let bytes = frame.get(at..at + 2)?;
        Some(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    };
    let (message, end) = if frame.get(12..14)? == [0x86, 0xdd] {
        let message = ip + ipv6::LEN;
        (message, message + number(ip + 4)?)
    } else {
        let message = ip + 4 * usize::from(frame.get(ip)? & 0x0f);
        (message, ip + number(ip + 2)?)
    };
    (message >= ip + 20 && message <= end && end <= frame.len()).then_some((ip, message, end))
}

fn repair_ip(frame: &mut [u8]) {
    if let Some((ip, message, _)) = parts(frame)
        && message < ip + ipv6::LEN
    {
        put_checksum(&mut frame[ip..message], 10, Sum::ZERO);
    }
}

/// Signs what stands in front of the last 28 bytes.
fn sign(frame: &mut [u8]) {
    let Some((ip, message, end)) = parts(frame) else {
        return;
    };
    if end - message < HEADER_LEN + TRAILER_LEN {
        return;
    }
    let (family, source) = if frame[ip] >> 4 == 6 {
        (6, frame[ip + 8..ip + 24].to_vec())
    } else {
        (4, frame[ip + 12..ip + 16].to_vec())
    };
    let trailer = end - TRAILER_LEN;
    frame[trailer..trailer + 4].copy_from_slice(&[1, 7, 0, 0]);
    let mut covered = vec![family, frame[message] >> 4, frame[message + 1], 0];
    covered.extend(source);
    covered.resize(20, 0);
    covered.extend(&frame[message..end - 16]);
    covered.extend([0; 16]);
    covered[26..28].fill(0);
    let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).expect("a good key");
    mac.update(&covered);
    frame[end - 16..end].copy_from_slice(&mac.finalize().into_bytes()[..16]);
}

/// With or without pseudo header; over IPv6 always with it.
fn repair_message(frame: &mut [u8], with_header: bool) {
    let Some((_, message, end)) = parts(frame) else {
        return;
    };
    let Some((header, _, body)) = locate(frame) else {
        return;
    };
    if body.len() < HEADER_LEN || message + body.len() != end {
        return;
    }
    // The sum of IPv4 ends where a trailer begins.
    let size = if header.source.is_ipv6() { 16 } else { 4 };
    let auth = if body[0] >> 4 == 2 { 8 } else { 0 };
    let whole = HEADER_LEN + size * usize::from(body[3]) + auth;
    let is_signed = body.len() == whole + TRAILER_LEN && header.source.is_ipv4();
    let end = if is_signed { end - TRAILER_LEN } else { end };
    let mut sum = Sum::ZERO;
    if with_header || header.source.is_ipv6() {
        let len = u16::try_from(end - message).expect("within a packet");
        sum = sum.pseudo_header(header.source, header.destination, len);
    }
    put_checksum(&mut frame[message..end], 6, sum);
}

fn put_checksum(bytes: &mut [u8], at: usize, sum: Sum) {
    bytes[at..at + 2].fill(0);
    let sum = sum.bytes(bytes).checksum();
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}
