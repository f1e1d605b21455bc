//! What is built, byte by byte.

extern crate std;

use core::net::Ipv4Addr;
use std::string::ToString;
use std::vec;

use super::super::GROUP_V6;
use super::*;
use crate::wire::fixtures::{
    GROUP, OUR_MAC, OURSELVES, PASSWORD, SENDER, SENDER_MAC, V2, V3, V3_MESSAGE_ONLY,
    V3_OLD_UNICAST, V3_UNICAST, V6, reference_sum, vrid,
};

const ADDRESSES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 168, 8, 100)),
    IpAddr::V4(Ipv4Addr::new(192, 168, 8, 101)),
];
/// Of version 2, without trailer.
const LONGEST: usize = VRRP + HEADER_LEN + 4 * 255 + AUTH_LEN;
const VRRP: usize = message_at(Family::V4);

fn centis(n: u16) -> Centis {
    Centis::new(n).unwrap()
}

fn version_2() -> FrameSpec<'static> {
    FrameSpec {
        source_mac: SENDER_MAC,
        destination_mac: eth::group_mac(GROUP),
        source: SENDER.into(),
        destination: GROUP.into(),
        ttl: 255,
        vrid: vrid(),
        version: Version::V2,
        interval: Centis::ONE_SECOND,
        auth: PASSWORD,
        addresses: &ADDRESSES[..1],
        dialect: ChecksumDialect::PseudoHeader,
    }
}

fn version_3() -> FrameSpec<'static> {
    FrameSpec {
        version: Version::V3,
        interval: centis(1),
        addresses: &ADDRESSES,
        ..version_2()
    }
}

fn build(spec: &FrameSpec<'_>) -> AdvertFrame {
    AdvertFrame::new(spec).unwrap()
}

fn refusal(spec: &FrameSpec<'_>) -> Option<Unencodable> {
    AdvertFrame::new(spec).err()
}

#[test]
fn construct_version_2() {
    let mut frame = build(&version_2());
    assert_eq!(frame.seal(1, Priority::from_wire(100)), V2);
}

#[test]
fn construct_version_3_in_both_dialects() {
    let mut frame = build(&version_3());
    assert_eq!(frame.seal(0x1234, Priority::from_wire(150)), V3);
    let mut frame = build(&FrameSpec {
        dialect: ChecksumDialect::MessageOnly,
        ..version_3()
    });
    assert_eq!(
        frame.seal(0x1234, Priority::from_wire(150)),
        V3_MESSAGE_ONLY
    );
}

#[test]
fn sealing_leaves_nothing_of_the_seal_before() {
    let mut frame = build(&version_2());
    let _ = frame.seal(0xa5a5, Priority::from_wire(0xa5));
    let _ = frame.seal(0xffff, Priority::from_wire(0xff));
    assert_eq!(frame.seal(1, Priority::from_wire(100)), V2);
}

#[test]
fn version_2_without_password_ends_in_eight_zeros() {
    let mut frame = build(&FrameSpec {
        auth: Auth::None,
        ..version_2()
    });
    let frame = frame.seal(1, Priority::DEFAULT);
    assert_eq!(frame.len(), V2.len());
    assert_eq!(frame[VRRP + 4], 0);
    assert_eq!(frame[46..], [0; 8]);
    assert_eq!(reference_sum(&frame[VRRP..]), 0xffff);
}

#[test]
fn version_2_ignores_the_dialect() {
    let mut frame = build(&FrameSpec {
        dialect: ChecksumDialect::MessageOnly,
        ..version_2()
    });
    assert_eq!(frame.seal(1, Priority::DEFAULT), V2);
}

#[test]
fn the_longest_advert_fits() {
    let addresses = vec![IpAddr::from([10, 1, 2, 3]); 255];
    let mut frame = build(&FrameSpec {
        addresses: &addresses,
        ..version_2()
    });
    let frame = frame.seal(9, Priority::DEFAULT);
    assert_eq!(frame.len(), LONGEST);
    assert_eq!(frame[16..18], [0x04, 0x20]);
    assert_eq!(frame[VRRP + 3], 255);
    assert_eq!(frame[LONGEST - 12..LONGEST - 8], [10, 1, 2, 3]);
    assert_eq!(&frame[LONGEST - 8..], b"1111\0\0\0\0");
    assert_eq!(reference_sum(&frame[IP..VRRP]), 0xffff);
    assert_eq!(reference_sum(&frame[VRRP..]), 0xffff);
}

#[test]
fn an_advert_may_name_nothing() {
    let mut frame = build(&FrameSpec {
        addresses: &[],
        ..version_3()
    });
    let frame = frame.seal(1, Priority::DEFAULT);
    assert_eq!(frame.len(), VRRP + HEADER_LEN);
    assert_eq!(frame[16..18], [0, 28]);
}

#[test]
fn more_addresses_than_a_byte_counts_are_refused() {
    let addresses = vec![IpAddr::from([10, 1, 2, 3]); 256];
    let refusal = refusal(&FrameSpec {
        addresses: &addresses,
        ..version_2()
    });
    assert_eq!(
        refusal,
        Some(Unencodable::TooManyAddresses {
            count: 256,
            most: 255
        })
    );
    assert_eq!(
        refusal.unwrap().to_string(),
        "256 addresses do not fit into one advert: keep 255, exclude the rest"
    );
}

#[test]
fn intervals_are_written_in_each_versions_unit() {
    let mut frame = build(&FrameSpec {
        interval: Centis::V2_MAX,
        ..version_2()
    });
    assert_eq!(frame.seal(1, Priority::DEFAULT)[VRRP + 5], 255);
    let mut frame = build(&FrameSpec {
        interval: Centis::V3_MAX,
        ..version_3()
    });
    let frame = frame.seal(1, Priority::DEFAULT);
    assert_eq!(frame[VRRP + 4..VRRP + 6], [0x0f, 0xff]);
}

#[test]
fn intervals_that_do_not_fit_are_refused() {
    let spec = FrameSpec {
        interval: centis(150),
        ..version_2()
    };
    let unfit = refusal(&spec).unwrap();
    assert_eq!(
        unfit,
        Unencodable::Interval {
            version: Version::V2,
            interval: centis(150)
        }
    );
    assert_eq!(
        unfit.to_string(),
        "an advert of version 2 cannot carry an interval of 1500 ms: \
         use whole seconds, or version 3"
    );
    let spec = FrameSpec {
        interval: centis(4096),
        ..version_3()
    };
    assert_eq!(
        refusal(&spec).unwrap().to_string(),
        "an advert of version 3 cannot carry an interval of 40960 ms: use at most 40.95 s"
    );
}

fn unicast() -> FrameSpec<'static> {
    FrameSpec {
        destination_mac: OUR_MAC,
        destination: OURSELVES.into(),
        ttl: 64,
        ..version_3()
    }
}

/// Over IPv6, for two addresses.
fn version_6(addresses: &[IpAddr]) -> FrameSpec<'_> {
    FrameSpec {
        destination_mac: eth::group_mac_v6(GROUP_V6),
        source: "fe80::4".parse().unwrap(),
        destination: GROUP_V6.into(),
        addresses,
        ..version_3()
    }
}

fn addresses_6() -> [IpAddr; 2] {
    ["fe80::100", "2001:db8::100"].map(|text| text.parse().unwrap())
}

#[test]
fn construct_to_a_unicast_peer_in_all_dialects() {
    let priority = Priority::from_wire(150);
    let mut frame = build(&unicast());
    assert_eq!(frame.seal(0x1234, priority), V3_UNICAST);
    let mut frame = build(&FrameSpec {
        dialect: ChecksumDialect::OldUnicast,
        ..unicast()
    });
    assert_eq!(frame.seal(0x1234, priority), V3_OLD_UNICAST);
    let mut frame = build(&FrameSpec {
        dialect: ChecksumDialect::MessageOnly,
        ..unicast()
    });
    let frame = frame.seal(0x1234, priority);
    assert_eq!(frame[..VRRP], V3_UNICAST[..VRRP]);
    assert_eq!(frame[VRRP..], V3_MESSAGE_ONLY[VRRP..]);
}

#[test]
fn to_the_group_the_old_unicast_dialect_is_the_usual_one() {
    let mut frame = build(&FrameSpec {
        dialect: ChecksumDialect::OldUnicast,
        ..version_3()
    });
    assert_eq!(frame.seal(0x1234, Priority::from_wire(150)), V3);
}

#[test]
fn construct_over_ipv6_whatever_the_dialect() {
    for dialect in [
        ChecksumDialect::PseudoHeader,
        ChecksumDialect::MessageOnly,
        ChecksumDialect::OldUnicast,
    ] {
        let mut frame = build(&FrameSpec {
            dialect,
            ..version_6(&addresses_6())
        });
        for (identification, priority) in [(0xa5a5, 0xa5), (1, 150)] {
            let _ = frame.seal(identification, Priority::from_wire(priority));
        }
        assert_eq!(frame.frame(), V6);
    }
}

#[test]
fn ipv6_adverts_bear_the_marks_of_the_rfc() {
    let mut frame = build(&version_6(&addresses_6()));
    let frame = frame.seal(1, Priority::OWNER);
    assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 0x12]);
    // Version 6, traffic class 0xc0, flow label 0.
    assert_eq!(frame[IP..IP + 4], [0x6c, 0, 0, 0]);
    assert_eq!((frame[IP + 6], frame[IP + 7]), (112, 255));
    let mut unicast = build(&FrameSpec {
        ttl: 3,
        ..version_6(&addresses_6())
    });
    assert_eq!(unicast.seal(1, Priority::OWNER)[IP + 7], 3);
}

#[test]
fn the_packet_is_the_frame_from_the_ip_header_on() {
    let mut frame = build(&version_2());
    assert_eq!(frame.frame().len(), V2.len());
    let _ = frame.seal(1, Priority::DEFAULT);
    assert_eq!((frame.frame(), frame.packet()), (&V2[..], &V2[IP..]));
    let mut frame = build(&version_6(&addresses_6()));
    let _ = frame.seal(1, Priority::from_wire(150));
    assert_eq!((frame.frame(), frame.packet()), (&V6[..], &V6[IP..]));
}

#[test]
fn the_longest_advert_over_ipv6_is_as_long_as_a_packet_may_be() {
    let most = max_addresses(Family::V6);
    assert_eq!((max_addresses(Family::V4), most), (255, 89));
    let addresses = vec!["2001:db8::1".parse().unwrap(); most + 1];
    let mut frame = build(&version_6(&addresses[..most]));
    let len = frame.seal(1, Priority::DEFAULT).len();
    assert_eq!(len + TRAILER_LEN, 1514);
    assert_eq!(
        refusal(&version_6(&addresses)),
        Some(Unencodable::TooManyAddresses {
            count: 90,
            most: 89
        })
    );
}

#[test]
fn families_do_not_mix() {
    let stranger: IpAddr = "2001:db8::1".parse().unwrap();
    let mixed = [ADDRESSES[0], stranger];
    let unfit = refusal(&FrameSpec {
        addresses: &mixed,
        ..version_3()
    });
    let families = Unencodable::Families {
        source: SENDER.into(),
        other: stranger,
    };
    assert_eq!(unfit, Some(families));
    assert_eq!(
        families.to_string(),
        "an advert from 192.168.8.4 cannot name 2001:db8::1: \
         IPv4 and IPv6 need an instance each, exclude one of them"
    );
    let to_the_other_group = refusal(&FrameSpec {
        destination: GROUP_V6.into(),
        ..version_3()
    });
    let other = GROUP_V6.into();
    let source = SENDER.into();
    assert_eq!(
        to_the_other_group,
        Some(Unencodable::Families { source, other })
    );
    let unfit = refusal(&version_6(&ADDRESSES));
    assert!(matches!(unfit, Some(Unencodable::Families { other, .. }) if other == ADDRESSES[0]));
}

#[test]
fn version_2_does_not_speak_for_ipv6() {
    let refusal = refusal(&FrameSpec {
        version: Version::V2,
        interval: Centis::ONE_SECOND,
        ..version_6(&addresses_6())
    });
    assert_eq!(refusal, Some(Unencodable::Version));
    assert_eq!(
        refusal.unwrap().to_string(),
        "version 2 cannot speak for IPv6: use version 3"
    );
}
