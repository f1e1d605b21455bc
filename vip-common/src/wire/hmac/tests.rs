//! Signatures against vectors that Python's `hmac` made from the format, and what
//! becomes of those that are not right.

extern crate std;

use std::format;
use std::string::ToString;
use std::vec::Vec;

use super::*;
use crate::ids::{Family, Priority, Version};
use crate::reject::RejectReason;
use crate::time::Centis;
use crate::wire::eth;
use crate::wire::fixtures::{
    GROUP, IP, SECONDS, SENDER, SENDER_MAC, SIGNED_V2, SIGNED_V3, SIGNED_V6, V2, V6, VRRP, expect,
    repair_message, vrid,
};
use crate::wire::vrrp::{
    Advert, AdvertFrame, Auth, ChecksumDialect, Expect, FrameSpec, GROUP_V6, decode, locate,
};

const FROM: IpAddr = IpAddr::V4(SENDER);
const TO: IpAddr = IpAddr::V4(GROUP);
const WINDOW: Duration = Duration::from_secs(5);
const TIME: AntiReplay = AntiReplay::Time { window: WINDOW };
/// Length of version 2's message in [`SIGNED_V2`].
const MESSAGE: usize = 20;

fn secret() -> Vec<u8> {
    (0..32).collect()
}

fn key() -> Key {
    Key::new(1, &secret()).unwrap()
}

fn long_key() -> Key {
    let secret: Vec<u8> = (0..64).map(|n| 0xc0 ^ n).collect();
    Key::new(255, &secret).unwrap()
}

/// The moment of the vectors, and so many 65536ths of a second.
fn moment(fractions: u64) -> UtcStamp {
    UtcStamp((SECONDS << 16 | 0x8001) + fractions)
}

/// So many seconds from the moment of the vectors.
fn moment_and(seconds: i64) -> UtcStamp {
    UtcStamp(moment(0).0.checked_add_signed(seconds << 16).unwrap())
}

fn unsigned(version: Version) -> Expect {
    Expect {
        auth: Auth::None,
        ..expect(version)
    }
}

fn expect_v6() -> Expect {
    Expect {
        family: Family::V6,
        ..unsigned(Version::V3)
    }
}

fn spec(addresses: &[IpAddr]) -> FrameSpec<'_> {
    FrameSpec {
        source_mac: SENDER_MAC,
        destination_mac: eth::group_mac(GROUP),
        source: FROM,
        destination: TO,
        ttl: 255,
        vrid: vrid(),
        version: Version::V2,
        interval: Centis::ONE_SECOND,
        auth: Auth::None,
        addresses,
        dialect: ChecksumDialect::PseudoHeader,
    }
}

fn signer() -> Signer {
    Signer::new(key(), TIME, Serial::ZERO)
}

/// Version 2's message, signed with this serial, as a body.
fn signed_with(key: &Key, serial: u64) -> Vec<u8> {
    signed_from(key, serial, FROM)
}

fn signed_from(key: &Key, serial: u64, source: IpAddr) -> Vec<u8> {
    let mut body = Vec::from(&SIGNED_V2[VRRP..VRRP + MESSAGE]);
    let mut signer = Signer::new(key.clone(), AntiReplay::Monotonic, Serial(serial - 1));
    let trailer = signer.trailer(UtcStamp(0), source, &body);
    body.extend(trailer);
    body
}

/// A serial at the moment of the vectors.
fn serial(more: u64) -> u64 {
    (moment(0).0 << 16) + more
}

/// One who listens, by the clock of the vectors.
struct Listener {
    keys: Vec<Key>,
    mode: Mode,
    anti_replay: AntiReplay,
    expect: Expect,
    replay: Replay,
}

impl Listener {
    fn new() -> Self {
        Self {
            keys: Vec::from([long_key(), key()]),
            mode: Mode::Enforce,
            anti_replay: TIME,
            expect: unsigned(Version::V2),
            replay: Replay::default(),
        }
    }

    fn hears<'b>(&mut self, body: &'b [u8]) -> Result<Advert<'b>, RejectReason> {
        self.hears_at(moment(0), FROM, body)
    }

    fn hears_at<'b>(
        &mut self,
        now: UtcStamp,
        source: IpAddr,
        body: &'b [u8],
    ) -> Result<Advert<'b>, RejectReason> {
        let verifier = Verifier {
            keys: &self.keys,
            mode: self.mode,
            anti_replay: self.anti_replay,
        };
        let destination = match self.expect.family {
            Family::V4 => TO,
            Family::V6 => GROUP_V6.into(),
        };
        verifier.decode(
            now,
            source,
            destination,
            body,
            &self.expect,
            &mut self.replay,
        )
    }

    #[track_caller]
    fn accepts(&mut self, body: &[u8]) {
        assert!(matches!(self.hears(body), Ok(advert) if advert.signed.is_some()));
    }

    #[track_caller]
    fn refuses(&mut self, body: &[u8], reason: RejectReason) {
        let before = self.replay.clone();
        assert_eq!(self.hears(body), Err(reason));
        assert_eq!(before, self.replay, "a refused advert moves nothing");
    }
}

#[test]
fn construct_both_versions_over_ipv4() {
    let addresses = [[192, 168, 8, 100], [192, 168, 8, 101]].map(IpAddr::from);
    let mut frame = AdvertFrame::new(&spec(&addresses[..1])).unwrap();
    let sealed = frame.seal_signed(1, Priority::DEFAULT, &mut signer(), moment(0));
    assert_eq!(sealed, SIGNED_V2);
    assert_eq!(frame.packet(), &SIGNED_V2[IP..]);

    let mut frame = AdvertFrame::new(&FrameSpec {
        version: Version::V3,
        interval: Centis::new(1).unwrap(),
        ..spec(&addresses)
    })
    .unwrap();
    let mut signer = Signer::new(long_key(), TIME, Serial::ZERO);
    let priority = Priority::from_wire(150);
    let sealed = frame.seal_signed(0x1234, priority, &mut signer, moment(0));
    assert_eq!(sealed, SIGNED_V3);
}

fn frame_v6() -> AdvertFrame {
    let addresses = ["fe80::100", "2001:db8::100"].map(|text| text.parse().unwrap());
    AdvertFrame::new(&FrameSpec {
        destination_mac: eth::group_mac_v6(GROUP_V6),
        source: "fe80::4".parse().unwrap(),
        destination: GROUP_V6.into(),
        version: Version::V3,
        interval: Centis::new(1).unwrap(),
        ..spec(&addresses)
    })
    .unwrap()
}

#[test]
fn construct_over_ipv6_where_the_checksum_covers_the_signature() {
    let mut frame = frame_v6();
    let priority = Priority::from_wire(150);
    let sealed = frame.seal_signed(1, priority, &mut signer(), moment(0));
    assert_eq!(sealed, SIGNED_V6);
}

#[test]
fn what_was_signed_before_leaves_nothing_in_an_unsigned_advert() {
    let mut frame = frame_v6();
    let priority = Priority::from_wire(150);
    let _ = frame.seal_signed(1, Priority::DEFAULT, &mut signer(), moment(9));
    assert_eq!(frame.seal(1, priority), V6);
    let sealed = frame.seal_signed(1, priority, &mut signer(), moment(0));
    assert_eq!(sealed, SIGNED_V6);

    let addresses = [IpAddr::from([192, 168, 8, 100])];
    let mut frame = AdvertFrame::new(&FrameSpec {
        auth: crate::wire::fixtures::PASSWORD,
        ..spec(&addresses)
    })
    .unwrap();
    let _ = frame.seal_signed(7, Priority::OWNER, &mut signer(), moment(9));
    assert_eq!(frame.seal(1, Priority::DEFAULT), V2);
    assert_eq!(frame.frame(), V2);
}

#[test]
fn deconstruct_both_versions_and_families() {
    let (alone, with_header) = (ChecksumDialect::MessageOnly, ChecksumDialect::PseudoHeader);
    let frames: [(&[u8], Expect, u8, ChecksumDialect); 3] = [
        (&SIGNED_V2, unsigned(Version::V2), 1, alone),
        (&SIGNED_V3, unsigned(Version::V3), 255, with_header),
        (&SIGNED_V6, expect_v6(), 1, with_header),
    ];
    for (frame, expect, key, dialect) in frames {
        for mode in [Mode::Enforce, Mode::Permissive, Mode::ReceiveOnly] {
            let mut listener = Listener {
                expect,
                mode,
                ..Listener::new()
            };
            let (header, _, body) = locate(frame).unwrap();
            let advert = listener.hears_at(moment(0), header.source, body).unwrap();
            assert_eq!(advert.signed, Some(key));
            assert_eq!(advert.dialect, dialect);
            assert_eq!(listener.replay.last(header.source), Some(Serial(serial(0))));
        }
    }
}

#[test]
fn without_auth_hmac_a_signed_advert_is_too_long() {
    let body = &SIGNED_V2[VRRP..];
    assert_eq!(
        decode(FROM, TO, body, &unsigned(Version::V2)),
        Err(RejectReason::Length)
    );
}

#[test]
fn a_trailer_of_another_length_is_none() {
    let whole = &SIGNED_V2[VRRP..];
    for len in MESSAGE + 1..whole.len() {
        Listener::new().refuses(&whole[..len], RejectReason::Length);
    }
    let mut longer = Vec::from(whole);
    longer.extend([0; 4]);
    Listener::new().refuses(&longer, RejectReason::Length);
}

#[test]
fn unsigned_adverts_pass_but_where_signatures_are_enforced() {
    let body = &SIGNED_V2[VRRP..VRRP + MESSAGE];
    for mode in [Mode::Permissive, Mode::ReceiveOnly] {
        let mut listener = Listener {
            mode,
            ..Listener::new()
        };
        assert_eq!(listener.hears(body).unwrap().signed, None);
        assert_eq!(listener.replay.last(FROM), None);
    }
    Listener::new().refuses(body, RejectReason::HmacMissing);
}

#[test]
fn only_receive_only_does_not_sign() {
    assert!(!Mode::ReceiveOnly.signs());
    assert!(Mode::Permissive.signs() && Mode::Enforce.signs());
}

#[test]
fn refuses_unknown_types_and_reserved_bytes() {
    for kind in (0..=255).filter(|kind| *kind != TYPE_SHA256) {
        let mut body = Vec::from(&SIGNED_V2[VRRP..]);
        body[MESSAGE] = kind;
        Listener::new().refuses(&body, RejectReason::HmacMalformed);
    }
    for at in [2, 3] {
        let mut body = Vec::from(&SIGNED_V2[VRRP..]);
        body[MESSAGE + at] = 1;
        Listener::new().refuses(&body, RejectReason::HmacMalformed);
    }
}

#[test]
fn refuses_what_was_signed_outside_of_the_window() {
    let body = &SIGNED_V2[VRRP..];
    for (seconds, more) in [(5, 1), (6, 0), (3600, 0), (-5, u64::MAX), (-3600, 0)] {
        let now = UtcStamp(moment_and(seconds).0.wrapping_add(more));
        let mut listener = Listener::new();
        let heard = listener.hears_at(now, FROM, body);
        assert_eq!(heard, Err(RejectReason::HmacStale), "{seconds}");
        assert_eq!(listener.replay.last(FROM), None);
    }
    for seconds in [-5, -1, 0, 1, 5] {
        let heard = Listener::new().hears_at(moment_and(seconds), FROM, body);
        assert_eq!(heard.map(|advert| advert.signed), Ok(Some(1)), "{seconds}");
    }
}

#[test]
fn without_a_window_any_time_will_do() {
    let body = &SIGNED_V2[VRRP..];
    for seconds in [-1_000_000_000, -6, 6, 1_000_000_000] {
        let mut listener = Listener {
            anti_replay: AntiReplay::Monotonic,
            ..Listener::new()
        };
        let now = moment_and(seconds);
        assert!(listener.hears_at(now, FROM, body).is_ok(), "{seconds}");
        let again = listener.hears_at(now, FROM, body);
        assert_eq!(again, Err(RejectReason::HmacReplay));
    }
}

#[test]
fn refuses_keys_that_it_does_not_have() {
    let body = &SIGNED_V2[VRRP..];
    let mut listener = Listener::new();
    listener.keys.pop();
    listener.refuses(body, RejectReason::HmacUnknownKey);
    listener.keys.clear();
    listener.refuses(body, RejectReason::HmacUnknownKey);
    let mut nobodys = Vec::from(body);
    nobodys[MESSAGE + field::KEY] = 0;
    Listener::new().refuses(&nobodys, RejectReason::HmacUnknownKey);
}

#[test]
fn refuses_another_key_under_the_same_number() {
    let mut other = secret();
    other[31] ^= 1;
    let mut listener = Listener::new();
    listener.keys = Vec::from([Key::new(1, &other).unwrap()]);
    listener.refuses(&SIGNED_V2[VRRP..], RejectReason::HmacInvalid);
}

#[test]
fn no_bit_of_message_serial_and_signature_is_free() {
    let whole = &SIGNED_V2[VRRP..];
    // Each byte that can change without another check seeing it first.
    let message = (0..MESSAGE).filter(|at| ![0, 1, 3, 6, 7].contains(at));
    for at in message.chain(MESSAGE + field::SERIAL..whole.len()) {
        for bit in 0..8 {
            let mut body = Vec::from(whole);
            body[at] ^= 1 << bit;
            let mut listener = Listener {
                anti_replay: AntiReplay::Monotonic,
                ..Listener::new()
            };
            listener.refuses(&body, RejectReason::HmacInvalid);
        }
    }
}

#[test]
fn the_signature_covers_the_source_and_not_the_destination() {
    let body = &SIGNED_V2[VRRP..];
    let other = IpAddr::from([192, 168, 8, 5]);
    let heard = Listener::new().hears_at(moment(0), other, body);
    assert_eq!(heard, Err(RejectReason::HmacInvalid));

    let listener = Listener::new();
    let verifier = Verifier {
        keys: &listener.keys,
        mode: Mode::Enforce,
        anti_replay: TIME,
    };
    let (expect, mut replay) = (listener.expect, listener.replay);
    let heard = verifier.decode(moment(0), FROM, other, body, &expect, &mut replay);
    assert!(heard.is_ok());
}

#[test]
fn the_signature_leaves_the_checksum_to_itself() {
    let mut body = Vec::from(&SIGNED_V2[VRRP..]);
    body[7] ^= 1;
    Listener::new().refuses(&body, RejectReason::Checksum);
}

#[test]
fn over_ipv6_the_checksum_covers_the_signature() {
    let source = "fe80::4".parse().unwrap();
    let (_, _, body) = locate(&SIGNED_V6).unwrap();
    let message = body.len() - TRAILER_LEN;
    // Right but for the trailer.
    let mut changed = Vec::from(body);
    changed[6..8].copy_from_slice(&V6[V6.len() - message + 6..][..2]);
    let mut listener = Listener {
        expect: expect_v6(),
        ..Listener::new()
    };
    let heard = listener.hears_at(moment(0), source, &changed);
    assert_eq!(heard, Err(RejectReason::Checksum));
    assert_eq!(listener.replay.last(source), None);
}

#[test]
fn serials_must_grow() {
    let mut listener = Listener::new();
    listener.accepts(&signed_with(&key(), serial(5)));
    for more in [5, 4, 0] {
        listener.refuses(&signed_with(&key(), serial(more)), RejectReason::HmacReplay);
    }
    listener.accepts(&signed_with(&key(), serial(6)));
    listener.refuses(&signed_with(&key(), serial(6)), RejectReason::HmacReplay);
    // Another key changes nothing about it.
    listener.refuses(
        &signed_with(&long_key(), serial(6)),
        RejectReason::HmacReplay,
    );
    listener.accepts(&signed_with(&long_key(), serial(1 << 16)));
}

#[test]
fn each_source_has_serials_of_its_own() {
    let mut listener = Listener::new();
    listener.accepts(&signed_with(&key(), serial(5)));
    let other = IpAddr::from([192, 168, 8, 5]);
    let body = signed_from(&key(), serial(2), other);
    assert!(listener.hears_at(moment(0), other, &body).is_ok());
    assert_eq!(listener.replay.last(other), Some(Serial(serial(2))));
    assert_eq!(listener.replay.last(FROM), Some(Serial(serial(5))));
}

#[test]
fn the_source_that_was_silent_for_longest_is_forgotten() {
    let mut replay = Replay::default();
    let address = |n: usize| IpAddr::from([10, 0, 0, u8::try_from(n).unwrap()]);
    for n in 0..MAX_SOURCES {
        replay.note(address(n), Serial(n as u64));
    }
    replay.note(address(0), Serial(1000));
    for n in 0..MAX_SOURCES {
        assert!(replay.last(address(n)).is_some(), "{n}");
    }
    replay.note(address(MAX_SOURCES), Serial(1));
    assert_eq!(replay.last(address(1)), None);
    assert_eq!(replay.last(address(0)), Some(Serial(1000)));
    assert_eq!(replay.last(address(2)), Some(Serial(2)));
    assert_eq!(replay.last(address(MAX_SOURCES)), Some(Serial(1)));
}

#[test]
fn a_future_that_is_none_any_more_holds_nobody_up() {
    let mut listener = Listener::new();
    listener.accepts(&signed_with(&key(), serial(0)));
    // Both clocks are put back by an hour.
    let hour = 3600 << 32;
    let body = signed_with(&key(), serial(0) - hour);
    let heard = listener.hears_at(moment_and(-3600), FROM, &body);
    assert!(heard.is_ok());
    assert_eq!(listener.replay.last(FROM), Some(Serial(serial(0) - hour)));
    // By less than the window, it holds.
    let body = signed_with(&key(), serial(0) - hour - 1);
    let heard = listener.hears_at(moment_and(-3605), FROM, &body);
    assert_eq!(heard, Err(RejectReason::HmacReplay));
    // Without a window it always does.
    let mut listener = Listener {
        anti_replay: AntiReplay::Monotonic,
        ..Listener::new()
    };
    listener.accepts(&signed_with(&key(), serial(0)));
    let body = signed_with(&key(), serial(0) - hour);
    let heard = listener.hears_at(moment_and(-3600), FROM, &body);
    assert_eq!(heard, Err(RejectReason::HmacReplay));
}

#[test]
fn the_first_reason_is_told() {
    // All of it is wrong; then one thing after the other is mended.
    let mut body = signed_with(&key(), serial(5));
    let right = body.clone();
    let mut listener = Listener::new();
    listener.accepts(&right);
    let (kind, time, id, mac) = (MESSAGE, MESSAGE + 4, MESSAGE + 1, MESSAGE + 27);
    for at in [kind, time, id, mac] {
        body[at] ^= 0x40;
    }
    for (at, reason) in [
        (kind, RejectReason::HmacMalformed),
        (time, RejectReason::HmacStale),
        (id, RejectReason::HmacUnknownKey),
        (mac, RejectReason::HmacInvalid),
    ] {
        listener.refuses(&body, reason);
        body[at] = right[at];
    }
    listener.refuses(&body, RejectReason::HmacReplay);
}

#[test]
fn the_signature_comes_before_password_interval_and_checksum() {
    let mut listener = Listener::new();
    listener.expect.auth = crate::wire::fixtures::PASSWORD;
    let mut body = Vec::from(&SIGNED_V2[VRRP..]);
    listener.refuses(&body, RejectReason::AuthType);
    body[5] = 9;
    body[6] ^= 1;
    listener.refuses(&body, RejectReason::HmacInvalid);
}

#[test]
fn a_signed_advert_that_something_else_is_wrong_with_moves_nothing() {
    let mut message = Vec::from(&SIGNED_V2[VRRP..VRRP + MESSAGE]);
    message[5] = 9;
    repair_message(&mut message);
    let trailer = signer().trailer(moment(0), FROM, &message);
    message.extend(trailer);
    Listener::new().refuses(&message, RejectReason::Interval);
}

#[test]
fn a_signer_never_repeats_a_serial() {
    for anti_replay in [TIME, AntiReplay::Monotonic] {
        let mut signer = Signer::new(key(), anti_replay, Serial::ZERO);
        let mut last = signer.last();
        // Standing still, forward, a little back, and standing still there.
        for now in [0, 0, 0, 1, 2, 1, 1, 0, 2, 3, 100, 3] {
            let _ = signer.trailer(moment(now), FROM, &[]);
            assert!(signer.last() > last, "{now}");
            last = signer.last();
        }
        assert_eq!(signer.last(), Serial(serial(100 << 16) + 1));
    }
}

#[test]
fn a_counter_that_is_full_goes_on_in_the_next_moment() {
    let full = Serial(serial(0xffff));
    let mut signer = Signer::new(key(), TIME, full);
    let _ = signer.trailer(moment(0), FROM, &[]);
    assert_eq!(signer.last(), Serial(serial(0x1_0000)));
    let trailer = signer.trailer(moment(1), FROM, &[]);
    assert_eq!(trailer[4..12], (serial(0x1_0000) + 1).to_be_bytes());
}

#[test]
fn a_clock_that_is_put_back_is_followed_where_clocks_must_agree() {
    let mut signer = signer();
    let _ = signer.trailer(moment_and(3600), FROM, &[]);
    let _ = signer.trailer(moment_and(3595), FROM, &[]);
    let ahead = (3600 << 32) + 1;
    assert_eq!(signer.last(), Serial(serial(ahead)));
    let _ = signer.trailer(moment(0), FROM, &[]);
    assert_eq!(signer.last(), Serial(serial(0)));

    let mut steady = Signer::new(key(), AntiReplay::Monotonic, Serial(serial(ahead)));
    let _ = steady.trailer(moment(0), FROM, &[]);
    assert_eq!(steady.last(), Serial(serial(ahead + 1)));
}

#[test]
fn a_signer_goes_on_where_another_stopped() {
    let mut signer = Signer::new(long_key(), TIME, Serial(serial(7)));
    assert_eq!(signer.last(), Serial(serial(7)));
    let trailer = signer.trailer(moment(0), FROM, &[]);
    assert_eq!(signer.last(), Serial(serial(8)));
    assert_eq!(trailer[field::KEY], 255);
}

#[test]
fn stamps_count_from_1970_in_65536ths() {
    let stamp = |millis| UtcStamp::from_unix(Duration::from_millis(millis));
    assert_eq!(stamp(0), UtcStamp(0));
    assert_eq!(stamp(1500), UtcStamp(0x1_8000));
    let last = Duration::new(0xffff_ffff, 999_999_999);
    assert_eq!(UtcStamp::from_unix(last), UtcStamp(0xffff_ffff_ffff));
    let anew = Duration::from_secs(1 << 32);
    assert_eq!(UtcStamp::from_unix(anew), UtcStamp(0));
    assert_eq!(
        Serial(0x1234_5678_9abc_def0).stamp(),
        UtcStamp(0x1234_5678_9abc)
    );
}

#[test]
fn a_stamp_is_later_than_another_or_it_is_not() {
    let stamp = |millis| UtcStamp::from_unix(Duration::from_millis(millis));
    assert_eq!(stamp(2500).since(stamp(1000)), Duration::from_millis(1500));
    assert_eq!(stamp(1000).since(stamp(2500)), Duration::ZERO);
    assert_eq!(stamp(1000).since(stamp(1000)), Duration::ZERO);
    let end = UtcStamp(0xffff_ffff_8000);
    assert_eq!(end.since(stamp(0)), Duration::new(0xffff_ffff, 500_000_000));
}

#[test]
fn where_seconds_begin_anew_adverts_go_on() {
    let end = Duration::new(0xffff_ffff, 900_000_000);
    let mut signer = signer();
    let mut listener = Listener::new();
    for elapsed in [end, end + Duration::from_secs(1)] {
        let now = UtcStamp::from_unix(elapsed);
        let mut body = Vec::from(&SIGNED_V2[VRRP..VRRP + MESSAGE]);
        let trailer = signer.trailer(now, FROM, &body);
        body.extend(trailer);
        assert!(listener.hears_at(now, FROM, &body).is_ok());
    }
    assert_eq!(signer.last().stamp(), UtcStamp(0xe666));
}

#[test]
fn keys_have_a_number_and_a_length() {
    let reason = |id, len| Key::new(id, &std::vec![7; len]).err();
    for len in [32, 33, 64] {
        assert_eq!(reason(1, len), None);
    }
    assert_eq!(reason(0, 32), Some(BadKey::Number));
    for len in [0, 31, 65] {
        assert_eq!(reason(1, len), Some(BadKey::Length { len }));
    }
    assert_eq!(
        BadKey::Length { len: 31 }.to_string(),
        "a key of 31 bytes cannot sign: use 32 to 64 bytes"
    );
    assert_eq!(
        BadKey::Number.to_string(),
        "a key cannot have the number 0: use 1 to 255"
    );
    assert_eq!(long_key().id(), 255);
}

#[test]
fn a_secret_never_shows() {
    assert_eq!(format!("{:?}", key()), "Key(1, ..)");
    assert!(!format!("{:?}", signer()).contains("31"));
}

#[test]
fn what_is_signed_begins_with_family_version_vrid_and_source() {
    let mut expected = [0; 20];
    expected[..8].copy_from_slice(&[4, 2, 51, 0, 192, 168, 8, 4]);
    assert_eq!(pseudo_header(FROM, &V2[VRRP..]), expected);
    let source = IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 4]);
    let mut expected = [0; 20];
    expected[..6].copy_from_slice(&[6, 3, 51, 0, 0xfe, 0x80]);
    expected[19] = 4;
    assert_eq!(pseudo_header(source, &V6[54..]), expected);
}
