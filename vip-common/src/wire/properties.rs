//! What holds for every packet, along the whole way from frame to advert.

extern crate std;

use core::net::{IpAddr, Ipv4Addr};
use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::admit::{Kind, admit, kind};
use super::fixtures::{
    BROADCAST, IP, OURSELVES, V2, V3, V3_MESSAGE_ONLY, VRRP, expect, repair_ip, repair_message,
    router, vrid, with_options,
};
use super::vrrp::{AdvertFrame, Auth, ChecksumDialect, Expect, FrameSpec, decode, locate};
use super::{arp, eth, head};
use crate::ids::{Family, MacAddr, Priority, Version, Vrid};
use crate::layout::{RouterEntry, mapped};
use crate::reject::RejectReason;
use crate::time::Centis;

/// What became of a frame at a router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    NotOurs,
    Refused(RejectReason),
    Accepted(Accepted),
}

/// The advert, less its list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Accepted {
    source: IpAddr,
    priority: Priority,
    interval: Centis,
    dialect: ChecksumDialect,
    addresses: usize,
}

/// All the checks, in the order in which a packet meets them.
fn receive(frame: &[u8], router: &RouterEntry, expect: &Expect) -> Fate {
    let first = head(frame);
    if kind(&first, frame.len()) != Kind::Advert(expect.family, expect.vrid) {
        return Fate::NotOurs;
    }
    if let Err(reason) = admit(&first, frame.len(), router) {
        return Fate::Refused(reason);
    }
    let Some((ip, _, body)) = locate(frame) else {
        panic!("admitted, but not to be found: {frame:02x?}");
    };
    match decode(ip.source, ip.destination, body, expect) {
        Ok(advert) => Fate::Accepted(Accepted {
            source: ip.source,
            priority: advert.priority,
            interval: advert.interval,
            dialect: advert.dialect,
            addresses: advert.addresses.len(),
        }),
        Err(reason) => Fate::Refused(reason),
    }
}

fn receive_as(version: Version, frame: &[u8]) -> Fate {
    receive(frame, &router(version), &expect(version))
}

fn flipped(frame: &[u8], bit: usize) -> Vec<u8> {
    let mut frame = Vec::from(frame);
    frame[bit / 8] ^= 0x80 >> (bit % 8);
    frame
}

#[test]
fn no_single_bit_of_a_known_advert_is_free() {
    for (frame, version) in [
        (&V2[..], Version::V2),
        (&V3, Version::V3),
        (&V3_MESSAGE_ONLY, Version::V3),
        (&with_options(&V2, 1), Version::V2),
        (&with_options(&V2, 10), Version::V2),
    ] {
        assert!(matches!(receive_as(version, frame), Fate::Accepted(_)));
        for bit in 8 * IP..8 * frame.len() {
            let fate = receive_as(version, &flipped(frame, bit));
            assert!(!matches!(fate, Fate::Accepted(_)), "bit {bit}: {fate:?}");
        }
    }
}

/// An advert that some router could send, with what goes into its seal.
#[derive(Clone, Debug)]
struct Sent {
    mac: MacAddr,
    source: Ipv4Addr,
    group: Ipv4Addr,
    vrid: Vrid,
    version: Version,
    interval: Centis,
    auth: Auth,
    addresses: Vec<IpAddr>,
    dialect: ChecksumDialect,
    identification: u16,
    priority: Priority,
}

impl Sent {
    fn frame(&self) -> Vec<u8> {
        let mut frame = AdvertFrame::new(&FrameSpec {
            source_mac: self.mac,
            destination_mac: eth::group_mac(self.group),
            source: self.source.into(),
            destination: self.group.into(),
            ttl: 255,
            vrid: self.vrid,
            version: self.version,
            interval: self.interval,
            auth: self.auth,
            addresses: &self.addresses,
            dialect: self.dialect,
        })
        .unwrap();
        Vec::from(frame.seal(self.identification, self.priority))
    }

    fn router(&self) -> RouterEntry {
        RouterEntry {
            group: mapped(self.group.octets()),
            ..router(self.version)
        }
    }

    fn expect(&self) -> Expect {
        Expect {
            family: Family::V4,
            vrid: self.vrid,
            version: self.version,
            interval: self.interval,
            auth: self.auth,
            old_unicast: false,
        }
    }

    fn received(&self) -> Accepted {
        Accepted {
            source: self.source.into(),
            priority: self.priority,
            interval: self.interval,
            dialect: match self.version {
                Version::V2 => ChecksumDialect::MessageOnly,
                Version::V3 => self.dialect,
            },
            addresses: self.addresses.len(),
        }
    }
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from_bits)
}

/// A source that a router on the link can have.
fn source() -> impl Strategy<Value = Ipv4Addr> {
    address().prop_filter("impossible source", |a| {
        !(a.is_unspecified()
            || a.is_loopback()
            || a.is_multicast()
            || a.is_broadcast()
            || *a == OURSELVES
            || *a == BROADCAST)
    })
}

fn group() -> impl Strategy<Value = Ipv4Addr> {
    (0xe000_0000_u32..0xf000_0000).prop_map(Ipv4Addr::from_bits)
}

fn auth() -> impl Strategy<Value = Auth> {
    prop_oneof![Just(Auth::None), any::<[u8; 8]>().prop_map(Auth::Password)]
}

fn version_and_interval() -> impl Strategy<Value = (Version, Centis)> {
    prop_oneof![
        (1..=255_u8).prop_map(|s| (Version::V2, Centis::from_secs(s).unwrap())),
        (1..=4095_u16).prop_map(|c| (Version::V3, Centis::new(c).unwrap())),
    ]
}

prop_compose! {
    fn sent()(
        mac in any::<[u8; 6]>(),
        source in source(),
        group in group(),
        vrid in 1..=255_u8,
        (version, interval) in version_and_interval(),
        auth in auth(),
        addresses in vec(address().prop_map(IpAddr::V4), 1..=255),
        pseudo_header in any::<bool>(),
        identification in any::<u16>(),
        priority in any::<u8>(),
    ) -> Sent {
        Sent {
            mac: MacAddr(mac),
            source,
            group,
            vrid: Vrid::new(vrid).unwrap(),
            version,
            interval,
            auth,
            addresses,
            dialect: if pseudo_header {
                ChecksumDialect::PseudoHeader
            } else {
                ChecksumDialect::MessageOnly
            },
            identification,
            priority: Priority::from_wire(priority),
        }
    }
}

/// Arbitrary bytes, and adverts of ours with a few bytes replaced and perhaps
/// sums that hide it: most of the former get no further than the EtherType.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let originals = prop_oneof![
        Just(Vec::from(V2)),
        Just(Vec::from(V3)),
        Just(with_options(&V3_MESSAGE_ONLY, 4))
    ];
    let spoiled = (
        originals,
        vec((IP..60_usize, any::<u8>()), 0..4),
        any::<bool>(),
        any::<bool>(),
        0..100_usize,
    )
        .prop_map(|(mut frame, changes, right_ip, right_message, len)| {
            for (at, value) in changes {
                if let Some(byte) = frame.get_mut(at) {
                    *byte = value;
                }
            }
            if right_message {
                repair_message(&mut frame[VRRP..]);
            }
            if right_ip && frame.len() >= IP + 4 * usize::from(frame[IP] & 0x0f) {
                repair_ip(&mut frame);
            }
            // Cut or padded, three times out of four as it was.
            if len < 75 {
                frame
            } else {
                frame.into_iter().chain([0; 46]).take(len).collect()
            }
        });
    prop_oneof![vec(any::<u8>(), 0..200), spoiled]
}

proptest! {
    #[test]
    fn what_is_sent_is_received(sent in sent()) {
        let frame = sent.frame();
        prop_assert_eq!(
            receive(&frame, &sent.router(), &sent.expect()),
            Fate::Accepted(sent.received())
        );
        let (ip, mac, body) = locate(&frame).unwrap();
        prop_assert_eq!(mac, sent.mac);
        let advert = decode(ip.source, ip.destination, body, &sent.expect()).unwrap();
        prop_assert!(advert.addresses.iter().eq(sent.addresses.iter().copied()));
        prop_assert!(advert.addresses.same_as(&sent.addresses));
    }

    #[test]
    fn no_single_bit_is_free(sent in sent(), bit in any::<prop::sample::Index>()) {
        let frame = sent.frame();
        let bit = 8 * IP + bit.index(8 * (frame.len() - IP));
        match receive(&flipped(&frame, bit), &sent.router(), &sent.expect()) {
            Fate::NotOurs | Fate::Refused(_) => {}
            // Where the pseudo header sums up to a power of two, a bit more or less
            // turns one dialect's checksum into the other's.
            Fate::Accepted(advert) => {
                prop_assert_eq!(sent.version, Version::V3);
                prop_assert_ne!(advert.dialect, sent.dialect, "bit {}", bit);
            }
        }
    }

    #[test]
    fn another_password_is_refused(sent in sent(), other in any::<[u8; 8]>()) {
        let expect = Expect { auth: Auth::Password(other), ..sent.expect() };
        prop_assume!(sent.version == Version::V2 && sent.auth != expect.auth);
        let reason = if sent.auth == Auth::None {
            RejectReason::AuthType
        } else {
            RejectReason::AuthPassword
        };
        prop_assert_eq!(
            receive(&sent.frame(), &sent.router(), &expect),
            Fate::Refused(reason)
        );
    }

    #[test]
    fn padding_changes_nothing(sent in sent(), padding in vec(any::<u8>(), 0..64)) {
        let mut frame = sent.frame();
        frame.extend(padding);
        prop_assert_eq!(
            receive(&frame, &sent.router(), &sent.expect()),
            Fate::Accepted(sent.received())
        );
    }

    #[test]
    fn nothing_panics(frame in hostile(), frame_len in 0..2000_usize) {
        for version in [Version::V2, Version::V3] {
            let _ = receive_as(version, &frame);
            // A length that has nothing to do with the head.
            let _ = admit(&head(&frame), frame_len, &router(version));
            let _ = decode(OURSELVES.into(), OURSELVES.into(), &frame, &expect(version));
        }
        let _ = kind(&head(&frame), frame_len);
        let _ = arp::parse(&head(&frame)).map(|arp| (arp.claims(), arp.asks_for()));
        let _ = locate(&frame);
    }

    #[test]
    fn what_passes_is_a_whole_advert_for_us(frame in hostile()) {
        for version in [Version::V2, Version::V3] {
            if let Fate::Accepted(advert) = receive_as(version, &frame) {
                // Read again in the plainest way there is.
                let start = IP + 4 * usize::from(frame[IP] & 15);
                let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
                prop_assert_eq!(&frame[12..14], &[0x08, 0x00][..]);
                prop_assert_eq!(frame[IP + 8], 255);
                prop_assert_eq!(frame[start], version.get() << 4 | 1);
                prop_assert_eq!(frame[start + 1], vrid().get());
                prop_assert_eq!(frame[start + 2], advert.priority.get());
                prop_assert_eq!(usize::from(frame[start + 3]), advert.addresses);
                prop_assert!(IP + total <= frame.len());
            }
        }
    }
}
