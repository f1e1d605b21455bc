//! The judgement over IPv4.

extern crate std;

use std::vec::Vec;

use super::*;
use crate::wire::fixtures::{
    BROADCAST, GROUP, IP, OUR_MAC, OURSELVES, V2, V3, V3_MESSAGE_ONLY, VRRP, changed, repair_ip,
    router, vrid, with_addresses, with_options,
};
use crate::wire::head;

fn kind_of(frame: &[u8]) -> Kind {
    kind(&head(frame), frame.len())
}

/// The judgement of a version 2 router.
fn judge(frame: &[u8]) -> Result<(), RejectReason> {
    judge_by(frame, &router(Version::V2))
}

fn judge_by(frame: &[u8], router: &RouterEntry) -> Result<(), RejectReason> {
    admit(&head(frame), frame.len(), router)
}

fn refused(reason: RejectReason) -> Result<(), RejectReason> {
    Err(reason)
}

#[test]
fn adverts_of_both_versions_are_recognised_and_pass() {
    for (frame, version) in [
        (&V2[..], Version::V2),
        (&V3, Version::V3),
        (&V3_MESSAGE_ONLY, Version::V3),
    ] {
        assert_eq!(kind_of(frame), Kind::Advert(Family::V4, vrid()));
        assert_eq!(judge_by(frame, &router(version)), Ok(()));
    }
}

#[test]
fn ethernet_padding_passes() {
    let mut padded = Vec::from(V2);
    padded.extend([0xa5; 6]);
    assert_eq!(judge(&padded), Ok(()));
}

#[test]
fn options_pass_up_to_the_longest_header() {
    for words in 1..=10 {
        let frame = with_options(&V2, words);
        assert_eq!(kind_of(&frame), Kind::Advert(Family::V4, vrid()), "{words}");
        assert_eq!(judge(&frame), Ok(()), "{words}");
    }
}

#[test]
fn any_number_of_addresses_passes() {
    for version in [Version::V2, Version::V3] {
        for count in [0, 1, 20, 255] {
            let frame = with_addresses(version, count);
            assert_eq!(judge_by(&frame, &router(version)), Ok(()), "{count}");
        }
    }
}

#[test]
fn unicast_passes_by_our_address_and_mac_where_it_is_spoken_and_the_group_does_not() {
    let mut unicast = router(Version::V2);
    unicast.flags = RouterEntry::UNICAST;
    let frame = changed(&V2, IP + 16, &OURSELVES.octets());
    let frame = changed(&frame, 0, &OUR_MAC.0);
    assert_eq!(judge_by(&frame, &unicast), Ok(()));
    assert_eq!(judge(&frame), refused(RejectReason::Destination));
    assert_eq!(judge_by(&V2, &unicast), refused(RejectReason::Destination));
}

#[test]
fn a_trailer_passes_where_one_may_follow_and_no_other_length() {
    let mut sealed = router(Version::V2);
    sealed.flags = RouterEntry::TRAILER;
    for extra in 0..64 {
        let mut frame = Vec::from(V2);
        frame.resize(V2.len() + extra, 0xa5);
        let total = u16::try_from(frame.len() - IP).unwrap();
        let frame = changed(&frame, IP + 2, &total.to_be_bytes());
        let bare = if extra == 0 {
            Ok(())
        } else {
            refused(RejectReason::Length)
        };
        let with = if extra == vrrp::TRAILER_LEN {
            Ok(())
        } else {
            bare
        };
        assert_eq!(judge(&frame), bare, "{extra}");
        assert_eq!(judge_by(&frame, &sealed), with, "{extra}");
        // Where one must follow, an advert without is that and not too short.
        let must = RouterEntry {
            flags: RouterEntry::TRAILER | RouterEntry::SIGNED,
            ..sealed
        };
        let missing = refused(RejectReason::HmacMissing);
        let with = if extra == 0 { missing } else { with };
        assert_eq!(judge_by(&frame, &must), with, "{extra}");
    }
}

#[test]
fn another_group_passes_by_its_own_mac() {
    let mut own = router(Version::V2);
    own.group = mapped([239, 129, 2, 3]);
    let frame = changed(&V2, IP + 16, &[239, 129, 2, 3]);
    let frame = changed(&frame, 0, &[0x01, 0x00, 0x5e, 0x01, 0x02, 0x03]);
    assert_eq!(judge_by(&frame, &own), Ok(()));
    assert_eq!(judge(&frame), refused(RejectReason::Destination));
    assert_eq!(judge_by(&V2, &own), refused(RejectReason::Destination));
}

#[test]
fn other_traffic_is_none_of_ours() {
    let other_protocol = changed(&V2, IP + 9, &[17]);
    let no_vrid = changed(&V2, VRRP + 1, &[0]);
    let ipv6 = changed(&V2, 12, &[0x86, 0xdd]);
    let mut tagged = Vec::from(V2);
    tagged.splice(12..12, [0x81, 0x00, 0x00, 0x05]);
    for frame in [
        &other_protocol[..],
        &no_vrid,
        &ipv6,
        &tagged,
        &V2[..14],
        &[],
    ] {
        assert_eq!(kind_of(frame), Kind::Other, "{frame:02x?}");
    }
}

#[test]
fn a_vrid_counts_only_if_the_frame_has_it() {
    assert_eq!(kind_of(&V2[..VRRP + 1]), Kind::Other);
    assert_eq!(kind_of(&V2[..VRRP + 2]), Kind::Advert(Family::V4, vrid()));
    // The head may hold more than the frame; the length decides.
    assert_eq!(kind(&head(&V2), VRRP + 1), Kind::Other);
}

#[test]
fn an_impossible_header_length_is_no_way_around_the_judgement() {
    for ihl in 0..5 {
        let mut frame = V2;
        frame[IP] = 0x40 | ihl;
        assert_eq!(kind_of(&frame), Kind::Advert(Family::V4, vrid()));
    }
}

#[test]
fn arp_is_recognised_when_it_is_whole() {
    let mut frame = [0; 42];
    frame[12..14].copy_from_slice(&[0x08, 0x06]);
    assert_eq!(kind_of(&frame), Kind::Neighbour);
    assert_eq!(kind_of(&frame[..41]), Kind::Other);
}

#[test]
fn refuses_a_frame_that_ends_within_the_vrrp_header() {
    assert_eq!(judge(&V2[..VRRP + 7]), refused(RejectReason::Truncated));
    let options = with_options(&V2, 10);
    assert_eq!(
        judge(&options[..VRRP + 40 + 7]),
        refused(RejectReason::Truncated)
    );
    assert_eq!(
        admit(&head(&V2), VRRP + 7, &router(Version::V2)),
        refused(RejectReason::Truncated)
    );
    assert_eq!(judge(&[]), refused(RejectReason::Truncated));
}

#[test]
fn refuses_a_header_length_beyond_the_frame() {
    let mut frame = V2;
    frame[IP] = 0x4f;
    assert_eq!(judge(&frame), refused(RejectReason::Truncated));
}

#[test]
fn whole_vrrp_headers_are_not_truncated() {
    // What is missing here are addresses, and that is the total length's fault.
    assert_eq!(judge(&V2[..VRRP + 8]), refused(RejectReason::TotalLength));
}

#[test]
fn refuses_other_ip_versions() {
    for version in (0..16).filter(|version| *version != 4) {
        let frame = changed(&V2, IP, &[version << 4 | 5]);
        assert_eq!(judge(&frame), refused(RejectReason::IpVersion));
    }
}

#[test]
fn refuses_an_ip_header_below_20_bytes() {
    for ihl in 0..5 {
        let frame = changed(&V2, IP, &[0x40 | ihl]);
        assert_eq!(judge(&frame), refused(RejectReason::IpHeaderLength));
    }
}

#[test]
fn refuses_a_wrong_ip_checksum() {
    for at in [IP + 1, IP + 5, IP + 10, IP + 11, IP + 19] {
        let mut frame = V2;
        frame[at] ^= 0x10;
        assert_eq!(judge(&frame), refused(RejectReason::IpChecksum), "{at}");
    }
}

#[test]
fn the_ip_checksum_covers_options_and_nothing_behind_them() {
    for words in 1..=10 {
        let frame = with_options(&V2, words);
        let end = VRRP + 4 * usize::from(words);
        for at in VRRP..end {
            let mut bad = frame.clone();
            bad[at] ^= 0x10;
            assert_eq!(judge(&bad), refused(RejectReason::IpChecksum), "{at}");
        }
        let mut other_priority = frame.clone();
        other_priority[end + 2] ^= 0x10;
        assert_eq!(judge(&other_priority), Ok(()));
    }
}

#[test]
fn refuses_fragments() {
    for (high, low) in [(0x20, 0x00), (0x00, 0x01), (0x10, 0x00), (0x3f, 0xff)] {
        let frame = changed(&V2, IP + 6, &[high, low]);
        assert_eq!(judge(&frame), refused(RejectReason::Fragment));
    }
}

#[test]
fn flags_that_are_not_about_fragments_are_free() {
    for flags in [0x40, 0x80, 0xc0] {
        assert_eq!(judge(&changed(&V2, IP + 6, &[flags, 0])), Ok(()));
    }
}

#[test]
fn refuses_a_total_length_beyond_the_frame() {
    let frame = changed(&V2, IP + 2, &[0, 41]);
    assert_eq!(judge(&frame), refused(RejectReason::TotalLength));
    let frame = changed(&V2, IP + 2, &[0xff, 0xff]);
    assert_eq!(judge(&frame), refused(RejectReason::TotalLength));
}

#[test]
fn refuses_a_total_length_that_leaves_no_vrrp_header() {
    for total in [0, 20, 27] {
        let frame = changed(&V2, IP + 2, &[0, total]);
        assert_eq!(judge(&frame), refused(RejectReason::TotalLength));
    }
    let frame = changed(&V2, IP + 2, &[0, 28]);
    assert_eq!(judge(&frame), refused(RejectReason::Length));
    let mut options = with_options(&V2, 2);
    options[IP + 2..IP + 4].copy_from_slice(&[0, 35]);
    repair_ip(&mut options);
    assert_eq!(judge(&options), refused(RejectReason::TotalLength));
}

#[test]
fn refuses_a_ttl_below_the_routers_least() {
    for ttl in [0, 1, 254] {
        let frame = changed(&V2, IP + 8, &[ttl]);
        assert_eq!(judge(&frame), refused(RejectReason::Ttl));
    }
    let mut tolerant = router(Version::V2);
    tolerant.min_ttl = 64;
    assert_eq!(judge_by(&changed(&V2, IP + 8, &[64]), &tolerant), Ok(()));
    assert_eq!(
        judge_by(&changed(&V2, IP + 8, &[63]), &tolerant),
        refused(RejectReason::Ttl)
    );
    tolerant.max_ttl = 64;
    assert_eq!(
        judge_by(&changed(&V2, IP + 8, &[65]), &tolerant),
        refused(RejectReason::Ttl)
    );
}

#[test]
fn refuses_sources_that_nobody_else_can_have() {
    for source in [
        [0, 0, 0, 0],
        [127, 0, 0, 1],
        [127, 255, 255, 255],
        [224, 0, 0, 18],
        [239, 255, 255, 255],
        [255, 255, 255, 255],
        OURSELVES.octets(),
        BROADCAST.octets(),
    ] {
        let frame = changed(&V2, IP + 12, &source);
        assert_eq!(judge(&frame), refused(RejectReason::Source), "{source:?}");
    }
}

#[test]
fn without_a_subnet_its_broadcast_is_an_address_like_others() {
    let mut alone = router(Version::V2);
    alone.broadcast = [0; 4];
    let frame = changed(&V2, IP + 12, &BROADCAST.octets());
    assert_eq!(judge_by(&frame, &alone), Ok(()));
    let nobody = changed(&V2, IP + 12, &[0; 4]);
    assert_eq!(judge_by(&nobody, &alone), refused(RejectReason::Source));
}

#[test]
fn neighbours_of_those_sources_pass() {
    for source in [
        [0, 0, 0, 1],
        [126, 255, 255, 255],
        [128, 0, 0, 1],
        [223, 255, 255, 255],
        [240, 0, 0, 1],
        [255, 255, 255, 254],
        [192, 168, 8, 7],
        [192, 168, 8, 254],
        [192, 168, 9, 255],
    ] {
        assert_eq!(judge(&changed(&V2, IP + 12, &source)), Ok(()), "{source:?}");
    }
}

#[test]
fn refuses_what_was_sent_to_others() {
    let group_mac = eth::group_mac(GROUP).0;
    let stranger = MacAddr([0x02, 0, 0, 0, 0, 0x0c]);
    for (mac, destination) in [
        (MacAddr::BROADCAST.0, GROUP.octets()),
        (OUR_MAC.0, GROUP.octets()),
        ([0x01, 0x00, 0x5e, 0, 0, 0x13], [224, 0, 0, 19]),
        (group_mac, [224, 0, 0, 19]),
        (stranger.0, OURSELVES.octets()),
        (group_mac, OURSELVES.octets()),
        (OUR_MAC.0, [192, 168, 8, 7]),
        (MacAddr::BROADCAST.0, [255, 255, 255, 255]),
    ] {
        let frame = changed(&changed(&V2, 0, &mac), IP + 16, &destination);
        assert_eq!(judge(&frame), refused(RejectReason::Destination));
    }
}

#[test]
fn refuses_another_vrrp_version() {
    for version in (0..16).filter(|version| *version != 2) {
        let frame = changed(&V2, VRRP, &[version << 4 | 1]);
        assert_eq!(judge(&frame), refused(RejectReason::Version));
    }
    assert_eq!(
        judge_by(&V2, &router(Version::V3)),
        refused(RejectReason::Version)
    );
    assert_eq!(judge(&V3), refused(RejectReason::Version));
}

#[test]
fn refuses_types_other_than_advertisement() {
    for kind in (0..16).filter(|kind| *kind != 1) {
        let frame = changed(&V2, VRRP, &[0x20 | kind]);
        assert_eq!(judge(&frame), refused(RejectReason::Type));
    }
}

#[test]
fn refuses_an_address_count_that_does_not_fit() {
    for count in (0..=255).filter(|count| *count != 1) {
        let frame = changed(&V2, VRRP + 3, &[count]);
        assert_eq!(judge(&frame), refused(RejectReason::Length), "{count}");
    }
    for count in (0..=255).filter(|count| *count != 2) {
        let frame = changed(&V3, VRRP + 3, &[count]);
        let judgement = judge_by(&frame, &router(Version::V3));
        assert_eq!(judgement, refused(RejectReason::Length), "{count}");
    }
}

#[test]
fn refuses_version_2_without_its_eight_bytes() {
    let frame = changed(&V2[..46], IP + 2, &[0, 32]);
    assert_eq!(judge(&frame), refused(RejectReason::Length));
}

#[test]
fn refuses_bytes_after_the_message_that_ip_counts() {
    let mut longer = Vec::from(V3);
    longer.extend([0; 8]);
    let frame = changed(&longer, IP + 2, &[0, 0x2c]);
    assert_eq!(
        judge_by(&frame, &router(Version::V3)),
        refused(RejectReason::Length)
    );
}

#[test]
fn tells_the_first_reason_of_several() {
    // Fragmented, from a router, by an impossible source, to nobody.
    let frame = changed(&V2, IP + 6, &[0x20, 0, 1]);
    let frame = changed(&frame, IP + 12, &[0; 8]);
    assert_eq!(judge(&frame), refused(RejectReason::Fragment));
}
