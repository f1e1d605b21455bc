//! Adverts, read.

extern crate std;

use std::format;
use std::vec::Vec;

use super::*;
use crate::reject::RejectReason;
use crate::wire::checksum::Sum;
use crate::wire::fixtures::{
    GROUP, PASSWORD, SENDER, SENDER_MAC, V2, V3, V3_MESSAGE_ONLY, V3_OLD_UNICAST, V3_UNICAST, V6,
    VRRP, expect, repair_message, with_addresses, with_options,
};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 8, 100));
const SECOND_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 8, 101));
const FROM: IpAddr = IpAddr::V4(SENDER);
const TO: IpAddr = IpAddr::V4(GROUP);

fn decode_2(body: &[u8]) -> Result<Advert<'_>, RejectReason> {
    decode(FROM, TO, body, &expect(Version::V2))
}

fn decode_3(body: &[u8]) -> Result<Advert<'_>, RejectReason> {
    decode(FROM, TO, body, &expect(Version::V3))
}

/// A message with one byte replaced and its checksum right.
fn changed(frame: &[u8], at: usize, value: u8) -> Vec<u8> {
    let mut body = Vec::from(&frame[VRRP..]);
    body[at] = value;
    repair_message(&mut body);
    body
}

fn addresses(advert: &Advert<'_>) -> Vec<IpAddr> {
    advert.addresses.iter().collect()
}

#[test]
fn deconstruct_version_2() {
    let advert = decode_2(&V2[VRRP..]).unwrap();
    assert_eq!(advert.priority.get(), 100);
    assert_eq!(advert.interval, Centis::ONE_SECOND);
    assert_eq!(advert.dialect, ChecksumDialect::MessageOnly);
    assert_eq!(addresses(&advert), [ADDRESS]);
    assert!(!advert.addresses.is_empty());
}

#[test]
fn deconstruct_version_3_in_both_dialects() {
    for (frame, dialect) in [
        (&V3, ChecksumDialect::PseudoHeader),
        (&V3_MESSAGE_ONLY, ChecksumDialect::MessageOnly),
    ] {
        let advert = decode_3(&frame[VRRP..]).unwrap();
        assert_eq!(advert.priority.get(), 150);
        assert_eq!(advert.interval, Centis::new(1).unwrap());
        assert_eq!(advert.dialect, dialect);
        assert_eq!(addresses(&advert), [ADDRESS, SECOND_ADDRESS]);
    }
}

#[test]
fn the_dialect_says_whose_addresses_were_summed() {
    let body = &V3[VRRP..];
    let other = IpAddr::from([192, 168, 8, 5]);
    let own = expect(Version::V3);
    assert_eq!(decode(other, TO, body, &own), Err(RejectReason::Checksum));
    assert_eq!(decode(FROM, other, body, &own), Err(RejectReason::Checksum));
    let body = &V3_MESSAGE_ONLY[VRRP..];
    assert!(decode(other, other, body, &own).is_ok());
}

#[test]
fn version_2_has_no_pseudo_header() {
    let mut body = Vec::from(&V2[VRRP..]);
    body[6..8].fill(0);
    let sum = Sum::ZERO.bytes(&body).pseudo_header(FROM, TO, 20);
    body[6..8].copy_from_slice(&sum.checksum().to_be_bytes());
    assert_eq!(decode_2(&body), Err(RejectReason::Checksum));
}

#[test]
fn priority_zero_and_255_are_read_as_they_are() {
    let resign = changed(&V2, 2, 0);
    assert!(decode_2(&resign).unwrap().priority.is_resign());
    let owner = changed(&V2, 2, 255);
    assert_eq!(decode_2(&owner).unwrap().priority, Priority::OWNER);
}

#[test]
fn twenty_and_255_addresses_are_read() {
    for version in [Version::V2, Version::V3] {
        for count in [20, 255] {
            let frame = with_addresses(version, count);
            let advert = decode(FROM, TO, &frame[VRRP..], &expect(version)).unwrap();
            assert_eq!(advert.addresses.len(), usize::from(count));
            let last = IpAddr::from([10, 0, 0, count - 1]);
            assert_eq!(advert.addresses.iter().last(), Some(last));
        }
    }
}

#[test]
fn no_addresses_pass_in_version_2_only() {
    let frame = with_addresses(Version::V2, 0);
    let advert = decode_2(&frame[VRRP..]).unwrap();
    assert!(advert.addresses.is_empty());
    assert_eq!(advert.addresses.len(), 0);
    let frame = with_addresses(Version::V3, 0);
    assert_eq!(decode_3(&frame[VRRP..]), Err(RejectReason::NoAddresses));
}

#[test]
fn refuses_what_is_shorter_than_a_header() {
    for len in 0..8 {
        assert_eq!(
            decode_2(&V2[VRRP..VRRP + len]),
            Err(RejectReason::Length),
            "{len}"
        );
    }
}

#[test]
fn refuses_another_version() {
    assert_eq!(decode_2(&V3[VRRP..]), Err(RejectReason::Version));
    assert_eq!(decode_3(&V2[VRRP..]), Err(RejectReason::Version));
    assert_eq!(decode_2(&changed(&V2, 0, 0x41)), Err(RejectReason::Version));
}

#[test]
fn refuses_another_vrid() {
    assert_eq!(decode_2(&changed(&V2, 1, 52)), Err(RejectReason::Vrid));
    assert_eq!(decode_2(&changed(&V2, 1, 0)), Err(RejectReason::Vrid));
}

#[test]
fn refuses_a_length_that_does_not_fit_the_count() {
    for count in (0..=255).filter(|count| *count != 1) {
        let body = changed(&V2, 3, count);
        assert_eq!(decode_2(&body), Err(RejectReason::Length), "{count}");
    }
    for count in (0..=255).filter(|count| *count != 2) {
        let body = changed(&V3, 3, count);
        assert_eq!(decode_3(&body), Err(RejectReason::Length), "{count}");
    }
}

#[test]
fn refuses_bytes_missing_or_left_over() {
    for (frame, version) in [(&V2[..], Version::V2), (&V3, Version::V3)] {
        let whole = &frame[VRRP..];
        for len in 8..whole.len() {
            let judgement = decode(FROM, TO, &whole[..len], &expect(version));
            assert_eq!(judgement, Err(RejectReason::Length), "{len}");
        }
        for more in 1..40 {
            let mut longer = Vec::from(whole);
            longer.resize(whole.len() + more, 0);
            let judgement = decode(FROM, TO, &longer, &expect(version));
            assert_eq!(judgement, Err(RejectReason::Length), "{more}");
        }
    }
}

#[test]
fn refuses_another_authentication_type() {
    for kind in (0..=255).filter(|kind| *kind != 1) {
        let body = changed(&V2, 4, kind);
        assert_eq!(decode_2(&body), Err(RejectReason::AuthType), "{kind}");
    }
}

#[test]
fn refuses_a_password_where_none_is_expected() {
    let open = Expect {
        auth: Auth::None,
        ..expect(Version::V2)
    };
    assert_eq!(
        decode(FROM, TO, &V2[VRRP..], &open),
        Err(RejectReason::AuthType)
    );
    // Type 0, and what follows means nothing.
    let body = changed(&V2, 4, 0);
    assert!(decode(FROM, TO, &body, &open).is_ok());
}

#[test]
fn refuses_a_password_that_differs_anywhere() {
    for at in 12..20 {
        for bit in 0..8 {
            let mut body = Vec::from(&V2[VRRP..]);
            body[at] ^= 1 << bit;
            repair_message(&mut body);
            assert_eq!(decode_2(&body), Err(RejectReason::AuthPassword));
        }
    }
}

#[test]
fn differences_in_a_password_do_not_cancel_out() {
    let mut body = Vec::from(&V2[VRRP..]);
    body[12] ^= 0x40;
    body[13] ^= 0x40;
    repair_message(&mut body);
    assert_eq!(decode_2(&body), Err(RejectReason::AuthPassword));
}

#[test]
fn version_3_knows_no_password() {
    let frame = Vec::from(V3);
    for auth in [Auth::None, PASSWORD] {
        let own = Expect {
            auth,
            ..expect(Version::V3)
        };
        assert!(decode(FROM, TO, &frame[VRRP..], &own).is_ok());
    }
}

#[test]
fn refuses_another_interval_in_version_2() {
    for seconds in (0..=255).filter(|seconds| *seconds != 1) {
        let body = changed(&V2, 5, seconds);
        assert_eq!(decode_2(&body), Err(RejectReason::Interval), "{seconds}");
    }
}

#[test]
fn learns_any_interval_but_zero_in_version_3() {
    let zero = changed(&V3, 5, 0);
    assert_eq!(decode_3(&zero), Err(RejectReason::ZeroInterval));
    let mut longest = changed(&V3, 5, 0xff);
    longest[4] = 0x0f;
    repair_message(&mut longest);
    assert_eq!(decode_3(&longest).unwrap().interval, Centis::V3_MAX);
}

#[test]
fn reserved_bits_of_version_3_are_no_interval() {
    let body = changed(&V3, 4, 0xf0);
    assert_eq!(decode_3(&body).unwrap().interval, Centis::new(1).unwrap());
    let mut zero = changed(&V3, 4, 0xf0);
    zero[5] = 0;
    repair_message(&mut zero);
    assert_eq!(decode_3(&zero), Err(RejectReason::ZeroInterval));
}

#[test]
fn refuses_types_other_than_advertisement() {
    for kind in (0..16).filter(|kind| *kind != 1) {
        assert_eq!(
            decode_2(&changed(&V2, 0, 0x20 | kind)),
            Err(RejectReason::Type)
        );
        assert_eq!(
            decode_3(&changed(&V3, 0, 0x30 | kind)),
            Err(RejectReason::Type)
        );
    }
}

#[test]
fn refuses_a_wrong_checksum() {
    for at in [2, 6, 7, 8, 11] {
        let mut body = Vec::from(&V2[VRRP..]);
        body[at] ^= 0x01;
        assert_eq!(decode_2(&body), Err(RejectReason::Checksum), "{at}");
        let mut body = Vec::from(&V3[VRRP..]);
        body[at] ^= 0x01;
        assert_eq!(decode_3(&body), Err(RejectReason::Checksum), "{at}");
    }
}

#[test]
fn locate_takes_a_frame_apart() {
    let mut padded = with_options(&V2, 3);
    padded.extend([0xa5; 4]);
    let (header, mac, body) = locate(&padded).unwrap();
    assert_eq!((header.source, header.destination), (FROM, TO));
    assert_eq!(header.ttl, 255);
    assert_eq!(mac, SENDER_MAC);
    assert_eq!(body, &V2[VRRP..]);
}

#[test]
fn locate_finds_nothing_in_half_a_frame() {
    for len in 0..V2.len() {
        assert!(locate(&V2[..len]).is_none(), "{len}");
    }
}

#[test]
fn address_lists_are_the_same_in_any_order() {
    let advert = decode_3(&V3[VRRP..]).unwrap();
    let list = advert.addresses;
    let stranger = IpAddr::from([192, 168, 8, 102]);
    assert!(list.same_as(&[ADDRESS, SECOND_ADDRESS]));
    assert!(list.same_as(&[SECOND_ADDRESS, ADDRESS]));
    for other in [
        &[][..],
        &[ADDRESS],
        &[ADDRESS, ADDRESS],
        &[stranger, ADDRESS],
        &[ADDRESS, stranger],
        &[ADDRESS, SECOND_ADDRESS, ADDRESS],
        &[ADDRESS, SECOND_ADDRESS, stranger],
    ] {
        assert!(!list.same_as(other), "{other:?}");
    }
}

#[test]
fn a_list_that_repeats_an_address_is_not_ours() {
    let mut body = Vec::from(&V3[VRRP..]);
    body[15] = 100;
    repair_message(&mut body);
    let advert = decode_3(&body).unwrap();
    assert!(!advert.addresses.same_as(&[ADDRESS, SECOND_ADDRESS]));
    // All of it are ours, but not all of ours are in it.
    let mut body = Vec::from(&with_addresses(Version::V3, 3)[VRRP..]);
    body[19] = 1;
    repair_message(&mut body);
    let advert = decode_3(&body).unwrap();
    let own = [0, 1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
    assert!(!advert.addresses.same_as(&own));
}

#[test]
fn a_password_never_shows() {
    assert_eq!(format!("{PASSWORD:?}"), "Password(..)");
    assert_eq!(format!("{:?}", Auth::None), "None");
    assert!(!format!("{:?}", expect(Version::V2)).contains("49, 49"));
}

/// Start of the message in [`V6`].
const VRRP_6: usize = 54;

fn from_6() -> IpAddr {
    IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 4])
}

fn expect_6() -> Expect {
    Expect {
        family: Family::V6,
        ..expect(Version::V3)
    }
}

fn decode_6(body: &[u8]) -> Result<Advert<'_>, RejectReason> {
    decode(from_6(), GROUP_V6.into(), body, &expect_6())
}

/// The message of [`V6`] with bytes replaced and its checksum right.
fn changed_6(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::from(&V6[VRRP_6..]);
    body[at..at + bytes.len()].copy_from_slice(bytes);
    repair_6(&mut body);
    body
}

fn repair_6(body: &mut [u8]) {
    body[6..8].fill(0);
    let len = u16::try_from(body.len()).unwrap();
    let sum = Sum::ZERO.bytes(body);
    let sum = sum.pseudo_header(from_6(), GROUP_V6.into(), len);
    body[6..8].copy_from_slice(&sum.checksum().to_be_bytes());
}

#[test]
fn deconstruct_over_ipv6() {
    let (header, mac, body) = locate(&V6).unwrap();
    assert_eq!(
        (header.source, header.destination),
        (from_6(), GROUP_V6.into())
    );
    assert_eq!((header.ttl, mac), (255, SENDER_MAC));
    let advert = decode_6(body).unwrap();
    assert_eq!(advert.priority.get(), 150);
    assert_eq!(advert.interval, Centis::new(1).unwrap());
    assert_eq!(advert.dialect, ChecksumDialect::PseudoHeader);
    assert_eq!(advert.signed, None);
    let listed: [IpAddr; 2] = ["fe80::100", "2001:db8::100"].map(|text| text.parse().unwrap());
    assert_eq!(addresses(&advert), listed);
    assert_eq!(
        (advert.addresses.len(), advert.addresses.is_empty()),
        (2, false)
    );
    let [link_local, global] = listed;
    assert!(advert.addresses.same_as(&[global, link_local]));
    assert!(!advert.addresses.same_as(&[link_local, link_local]));
    assert!(!advert.addresses.same_as(&[ADDRESS, SECOND_ADDRESS]));
    // All of it are ours, but not all of ours are in it.
    let mut body = Vec::from(&with_addresses(Version::V3, 3)[VRRP..]);
    body[19] = 1;
    repair_message(&mut body);
    let advert = decode_3(&body).unwrap();
    let own = [0, 1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
    assert!(!advert.addresses.same_as(&own));
}

#[test]
fn deconstruct_from_a_unicast_peer() {
    let (header, _, body) = locate(&V3_UNICAST).unwrap();
    assert_eq!(header.ttl, 64);
    let own = expect(Version::V3);
    let advert = decode(header.source, header.destination, body, &own).unwrap();
    assert_eq!(advert.dialect, ChecksumDialect::PseudoHeader);
}

#[test]
fn old_unicast_checksums_pass_only_where_they_are_wanted() {
    let (header, _, body) = locate(&V3_OLD_UNICAST).unwrap();
    let never = expect(Version::V3);
    let wanted = Expect {
        old_unicast: true,
        ..never
    };
    let read = |destination, own| {
        let advert = decode(header.source, destination, body, own);
        advert.map(|advert| advert.dialect)
    };
    let ours = header.destination;
    assert_eq!(read(ours, &wanted), Ok(ChecksumDialect::OldUnicast));
    assert_eq!(read(ours, &never), Err(RejectReason::Checksum));
    // To another group it is no unicast.
    let group = IpAddr::from([224, 0, 0, 19]);
    assert_eq!(read(group, &wanted), Err(RejectReason::Checksum));
    assert_eq!(read(TO, &wanted), Ok(ChecksumDialect::PseudoHeader));
    // The others are known as what they are.
    for (frame, dialect) in [
        (&V3_UNICAST, ChecksumDialect::PseudoHeader),
        (&V3_MESSAGE_ONLY, ChecksumDialect::MessageOnly),
    ] {
        let advert = decode(FROM, ours, &frame[VRRP..], &wanted).unwrap();
        assert_eq!(advert.dialect, dialect);
    }
}

#[test]
fn version_2_has_no_old_unicast_checksum() {
    let mut body = Vec::from(&V2[VRRP..]);
    body[6..8].fill(0);
    let sum = Sum::ZERO.bytes(&body).pseudo_header(FROM, TO, 20);
    body[6..8].copy_from_slice(&sum.checksum().to_be_bytes());
    let own = Expect {
        old_unicast: true,
        ..expect(Version::V2)
    };
    let ours = IpAddr::from([192, 168, 8, 6]);
    assert_eq!(decode(FROM, ours, &body, &own), Err(RejectReason::Checksum));
}

#[test]
fn over_ipv6_the_pseudo_header_is_no_choice() {
    let mut body = Vec::from(&V6[VRRP_6..]);
    repair_message(&mut body);
    assert_eq!(decode_6(&body), Err(RejectReason::Checksum));
    let own = Expect {
        old_unicast: true,
        ..expect_6()
    };
    let ours = IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 6]);
    let read = decode(from_6(), ours, &V6[VRRP_6..], &own);
    assert_eq!(read, Err(RejectReason::Checksum));
}

#[test]
fn refuses_the_other_family() {
    let refused = Err(RejectReason::IpVersion);
    let body = &V6[VRRP_6..];
    assert_eq!(decode(FROM, TO, body, &expect_6()), refused);
    assert_eq!(decode(from_6(), TO, body, &expect_6()), refused);
    let own = expect(Version::V3);
    assert_eq!(
        decode(from_6(), GROUP_V6.into(), &V3[VRRP..], &own),
        refused
    );
    assert_eq!(decode(FROM, GROUP_V6.into(), &V3[VRRP..], &own), refused);
}

#[test]
fn there_is_no_version_2_over_ipv6() {
    let own = Expect {
        version: Version::V2,
        ..expect_6()
    };
    let read = decode(from_6(), GROUP_V6.into(), &V2[VRRP..], &own);
    assert_eq!(read, Err(RejectReason::Version));
    assert_eq!(decode_6(&changed_6(0, &[0x21])), Err(RejectReason::Version));
}

#[test]
fn over_ipv6_addresses_are_16_bytes() {
    for count in (0..=255).filter(|count| *count != 2) {
        let body = changed_6(3, &[count]);
        let judgement = decode_6(&body);
        assert_eq!(judgement, Err(RejectReason::Length), "{count}");
    }
    let whole = &V6[VRRP_6..];
    for len in 0..whole.len() {
        assert_eq!(decode_6(&whole[..len]), Err(RejectReason::Length), "{len}");
    }
    for more in 1..40 {
        let mut longer = Vec::from(whole);
        longer.resize(whole.len() + more, 0);
        assert_eq!(decode_6(&longer), Err(RejectReason::Length), "{more}");
    }
    let mut none = changed_6(3, &[0]);
    none.truncate(8);
    repair_6(&mut none);
    assert_eq!(decode_6(&none), Err(RejectReason::NoAddresses));
}

#[test]
fn over_ipv6_the_rest_is_checked_as_over_ipv4() {
    for (at, bytes, reason) in [
        (0, [0x32].as_slice(), RejectReason::Type),
        (1, &[52], RejectReason::Vrid),
        (4, &[0xf0, 0], RejectReason::ZeroInterval),
    ] {
        assert_eq!(decode_6(&changed_6(at, bytes)), Err(reason));
    }
    let mut body = Vec::from(&V6[VRRP_6..]);
    body[2] ^= 1;
    assert_eq!(decode_6(&body), Err(RejectReason::Checksum));
    let longest = changed_6(4, &[0xff, 0xff]);
    assert_eq!(decode_6(&longest).unwrap().interval, Centis::V3_MAX);
}

#[test]
fn locate_takes_an_ipv6_frame_apart() {
    let mut padded = Vec::from(V6);
    padded.extend([0xa5; 4]);
    let (_, _, body) = locate(&padded).unwrap();
    assert_eq!(body, &V6[VRRP_6..]);
    for len in 0..V6.len() {
        assert!(locate(&V6[..len]).is_none(), "{len}");
    }
}

#[test]
fn locate_reads_nothing_but_ip() {
    for (frame, other) in [
        (&V2[..], [0x86, 0xdd]),
        (&V2, [0x08, 0x06]),
        (&V6, [0x08, 0]),
    ] {
        let mut frame = Vec::from(frame);
        frame[12..14].copy_from_slice(&other);
        assert!(locate(&frame).is_none(), "{other:02x?}");
    }
}

#[test]
fn each_family_has_its_group() {
    assert_eq!(group(Family::V4), TO);
    let all = IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x12]);
    assert_eq!(group(Family::V6), all);
}
