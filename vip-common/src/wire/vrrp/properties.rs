//! What holds for every advert of either family, to a group or a peer, signed or
//! not, between the one who builds it and the one who reads it.

#![cfg(feature = "core")]

extern crate std;

use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::reject::RejectReason;
use crate::wire::hmac::{AntiReplay, Key, Mode, Replay, Serial, Signer, UtcStamp, Verifier};

/// An advert that some router could send.
#[derive(Clone, Debug)]
struct Sent {
    family: Family,
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    vrid: Vrid,
    version: Version,
    interval: Centis,
    auth: Auth,
    addresses: Vec<IpAddr>,
    dialect: ChecksumDialect,
    priority: Priority,
}

impl Sent {
    fn frame(&self) -> AdvertFrame {
        AdvertFrame::new(&FrameSpec {
            source_mac: MacAddr([2, 0, 0, 0, 0, 10]),
            destination_mac: MacAddr([2, 0, 0, 0, 0, 11]),
            source: self.source,
            destination: self.destination,
            ttl: self.ttl,
            vrid: self.vrid,
            version: self.version,
            interval: self.interval,
            auth: self.auth,
            addresses: &self.addresses,
            dialect: self.dialect,
        })
        .unwrap()
    }

    fn expect(&self) -> Expect {
        Expect {
            family: self.family,
            vrid: self.vrid,
            version: self.version,
            interval: self.interval,
            auth: self.auth,
            old_unicast: true,
        }
    }

    /// What is told of its checksum.
    fn told(&self) -> ChecksumDialect {
        match (self.version, self.family, self.dialect) {
            (Version::V2, _, _) => ChecksumDialect::MessageOnly,
            (Version::V3, Family::V6, _) => ChecksumDialect::PseudoHeader,
            (Version::V3, Family::V4, ChecksumDialect::OldUnicast)
                if self.destination == IpAddr::V4(GROUP_V4) =>
            {
                ChecksumDialect::PseudoHeader
            }
            (Version::V3, Family::V4, dialect) => dialect,
        }
    }
}

fn address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::V4 => any::<[u8; 4]>().prop_map(IpAddr::from).boxed(),
        Family::V6 => any::<[u8; 16]>().prop_map(IpAddr::from).boxed(),
    }
}

/// The group, or a peer.
fn destination(family: Family) -> impl Strategy<Value = IpAddr> {
    let peer = address(family).prop_filter("a group", |one| !one.is_multicast());
    prop_oneof![Just(group(family)), peer]
}

fn version_and_interval(family: Family) -> BoxedStrategy<(Version, Centis)> {
    let third = (1..=4095_u16).prop_map(|c| (Version::V3, Centis::new(c).unwrap()));
    let second = (1..=255_u8).prop_map(|s| (Version::V2, Centis::from_secs(s).unwrap()));
    match family {
        Family::V4 => prop_oneof![second, third].boxed(),
        Family::V6 => third.boxed(),
    }
}

fn auth() -> impl Strategy<Value = Auth> {
    prop_oneof![Just(Auth::None), any::<[u8; 8]>().prop_map(Auth::Password)]
}

fn dialect() -> impl Strategy<Value = ChecksumDialect> {
    prop_oneof![
        Just(ChecksumDialect::PseudoHeader),
        Just(ChecksumDialect::MessageOnly),
        Just(ChecksumDialect::OldUnicast),
    ]
}

prop_compose! {
    fn sent_by(family: Family)(
        source in address(family),
        destination in destination(family),
        ttl in any::<u8>(),
        vrid in 1..=255_u8,
        (version, interval) in version_and_interval(family),
        auth in auth(),
        addresses in vec(address(family), 1..=max_addresses(family)),
        dialect in dialect(),
        priority in any::<u8>(),
    ) -> Sent {
        Sent {
            family,
            source,
            destination,
            ttl,
            vrid: Vrid::new(vrid).unwrap(),
            version,
            interval,
            auth,
            addresses,
            dialect,
            priority: Priority::from_wire(priority),
        }
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![sent_by(Family::V4), sent_by(Family::V6)]
}

fn key() -> Key {
    Key::new(9, &[0x3c; 40]).unwrap()
}

fn verifier(keys: &[Key]) -> Verifier<'_> {
    Verifier {
        keys,
        mode: Mode::Enforce,
        anti_replay: AntiReplay::Monotonic,
    }
}

proptest! {
    #[test]
    fn what_is_sent_is_read(sent in sent(), identification in any::<u16>()) {
        let mut frame = sent.frame();
        let bytes = frame.seal(identification, sent.priority);
        let (header, _, body) = locate(bytes).unwrap();
        prop_assert_eq!(header.source, sent.source);
        prop_assert_eq!(header.destination, sent.destination);
        prop_assert_eq!(header.ttl, sent.ttl);
        let advert = decode(sent.source, sent.destination, body, &sent.expect()).unwrap();
        prop_assert_eq!(advert.priority, sent.priority);
        prop_assert_eq!(advert.interval, sent.interval);
        prop_assert_eq!(advert.signed, None);
        prop_assert!(advert.addresses.iter().eq(sent.addresses.iter().copied()));
        prop_assert!(advert.addresses.same_as(&sent.addresses));
        // A pseudo header may sum up to nothing, or two to the same.
        let told = sent.told();
        if advert.dialect != told {
            let summed = |destination| {
                let len = u16::try_from(body.len()).unwrap();
                crate::wire::checksum::Sum::ZERO.bytes(body)
                    .pseudo_header(sent.source, destination, len)
            };
            prop_assert!(summed(sent.destination).adds_up() || told == ChecksumDialect::OldUnicast);
        }
    }

    #[test]
    fn what_is_signed_is_read_once(
        sent in sent(),
        seconds in 0..0x1_0000_0000_u64,
        other in any::<[u8; 16]>(),
    ) {
        let keys = [key()];
        let mut signer = Signer::new(key(), AntiReplay::Monotonic, Serial::ZERO);
        let now = UtcStamp::from_unix(Duration::from_secs(seconds));
        let mut frame = sent.frame();
        let unsigned = frame.seal(1, sent.priority).len();
        let bytes = Vec::from(frame.seal_signed(1, sent.priority, &mut signer, now));
        prop_assert_eq!(bytes.len(), unsigned + TRAILER_LEN);
        let (header, _, body) = locate(&bytes).unwrap();
        prop_assert_eq!(header.source, sent.source);

        let mut replay = Replay::default();
        let mut hear = |source| {
            let heard = verifier(&keys).decode(
                now, source, sent.destination, body, &sent.expect(), &mut replay,
            );
            heard.map(|advert| advert.signed)
        };
        // From another source it is not right, and does not count.
        let stranger = match sent.family {
            Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(Ipv6Addr::from(other).to_bits() as u32)),
            Family::V6 => IpAddr::from(other),
        };
        if stranger != sent.source {
            prop_assert_eq!(hear(stranger), Err(RejectReason::HmacInvalid));
        }
        prop_assert_eq!(hear(sent.source), Ok(Some(9)));
        prop_assert_eq!(hear(sent.source), Err(RejectReason::HmacReplay));
        let plain = decode(sent.source, sent.destination, body, &sent.expect());
        prop_assert_eq!(plain, Err(RejectReason::Length));
    }

    #[test]
    fn no_bit_of_a_signed_advert_is_free(
        sent in sent(),
        bit in any::<prop::sample::Index>(),
    ) {
        let keys = [key()];
        let mut signer = Signer::new(key(), AntiReplay::Monotonic, Serial::ZERO);
        let now = UtcStamp::from_unix(Duration::from_secs(1));
        let mut frame = sent.frame();
        let bytes = Vec::from(frame.seal_signed(1, sent.priority, &mut signer, now));
        let (_, _, body) = locate(&bytes).unwrap();
        let mut body = Vec::from(body);
        let bit = bit.index(8 * body.len());
        body[bit / 8] ^= 0x80 >> (bit % 8);
        let mut replay = Replay::default();
        let heard = verifier(&keys).decode(
            now, sent.source, sent.destination, &body, &sent.expect(), &mut replay,
        );
        // The checksum is not signed: one bit of it may lead to another dialect.
        let of_checksum = (48..64).contains(&bit);
        prop_assert!(heard.is_err() || of_checksum);
        prop_assert!(heard.is_ok() || replay == Replay::default());
    }

    #[test]
    fn nothing_panics(
        body in vec(any::<u8>(), 0..200),
        source in prop_oneof![address(Family::V4), address(Family::V6)],
        sent in sent(),
    ) {
        let keys = [key()];
        let mut replay = Replay::default();
        let now = UtcStamp::from_unix(Duration::ZERO);
        let expect = sent.expect();
        let _ = decode(source, sent.destination, &body, &expect);
        let _ = verifier(&keys).decode(
            now, source, sent.destination, &body, &expect, &mut replay,
        );
        prop_assert_eq!(replay, Replay::default());
    }
}
