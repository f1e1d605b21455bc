//! The checksum as the program at the NIC looks at it, against the daemon's.

extern crate std;

use core::net::IpAddr;
use std::vec::Vec;

use super::*;
use crate::ids::Priority;
use crate::time::Centis;
use crate::wire::fixtures::{
    OUR_MAC, OURSELVES, PASSWORD, SENDER, SENDER_MAC, V2, V3, V3_MESSAGE_ONLY, expect, router,
    vrid, with_options,
};
use crate::wire::head;
use crate::wire::vrrp::{AdvertFrame, ChecksumDialect, FrameSpec};

fn looked_at(frame: &[u8], router: &RouterEntry) -> bool {
    let word = |at: usize| u16::from_ne_bytes([frame[at], frame[at + 1]]);
    adds_up(&head(frame), router, word)
}

/// Each byte of the message and the addresses spoiled, one at a time, and none.
fn agrees(frame: &[u8], router: &RouterEntry, expect: &vrrp::Expect) {
    assert!(looked_at(frame, router));
    let at = if expect.family == Family::V4 { 26 } else { 22 };
    for at in at..frame.len() {
        let mut other = Vec::from(frame);
        other[at] ^= 0x41;
        if admit(&head(&other), other.len(), router).is_err() {
            continue;
        }
        let (header, _, body) = vrrp::locate(&other).unwrap();
        let read = vrrp::decode(header.source, header.destination, body, expect);
        let adds_up = !matches!(read, Err(RejectReason::Checksum));
        // The daemon looks at all else before, and this at nothing else.
        if read.is_ok() || !adds_up {
            assert_eq!(looked_at(&other, router), adds_up, "{at}");
        }
    }
}

#[test]
fn the_sum_of_a_frame_by_hand_is_the_daemon_s() {
    let options = with_options(&V2, 10);
    for (frame, version) in [
        (&V2[..], Version::V2),
        (&V3, Version::V3),
        (&V3_MESSAGE_ONLY, Version::V3),
        (&options, Version::V2),
    ] {
        agrees(frame, &router(version), &expect(version));
    }
}

#[test]
fn every_dialect_adds_up_whatever_is_behind_the_message() {
    let v6 = |last| IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, last]);
    for (source, destination) in [(SENDER.into(), OURSELVES.into()), (v6(4), v6(6))] {
        for dialect in [
            ChecksumDialect::PseudoHeader,
            ChecksumDialect::MessageOnly,
            ChecksumDialect::OldUnicast,
        ] {
            for count in [1, 2, 30, 80] {
                let family = Family::of(source);
                let list: Vec<IpAddr> = std::iter::repeat_n(source, count).collect();
                let spec = FrameSpec {
                    source_mac: SENDER_MAC,
                    destination_mac: OUR_MAC,
                    source,
                    destination,
                    ttl: 255,
                    vrid: vrid(),
                    version: Version::V3,
                    interval: Centis::ONE_SECOND,
                    auth: PASSWORD,
                    addresses: &list,
                    dialect,
                };
                let mut frame = AdvertFrame::new(&spec).unwrap();
                let mut frame = Vec::from(frame.seal(7, Priority::DEFAULT));
                frame.extend([0xa5; 7]);
                let entry = RouterEntry {
                    flags: RouterEntry::UNICAST | RouterEntry::TRAILER,
                    primary: crate::layout::octets(destination),
                    ..router(Version::V3)
                };
                let expect = vrrp::Expect {
                    family,
                    old_unicast: true,
                    ..expect(Version::V3)
                };
                agrees(&frame, &entry, &expect);
            }
        }
    }
}
