//! Any router's advert, built, sealed, signed, judged and read again.
#![no_main]

use std::net::IpAddr;
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use vip_common::ids::{Family, MacAddr, Priority, Version, Vrid};
use vip_common::layout::{RouterEntry, octets};
use vip_common::reject::RejectReason;
use vip_common::time::Centis;
use vip_common::wire::admit::{Kind, admit, kind};
use vip_common::wire::announce::Announcement;
use vip_common::wire::hmac::{AntiReplay, Key, Mode, Replay, Serial, Signer, UtcStamp, Verifier};
use vip_common::wire::vrrp::{
    AdvertFrame, Auth, ChecksumDialect, Expect, FrameSpec, decode, group, locate, max_addresses,
};
use vip_common::wire::{arp, eth, head, ndisc};

/// A router as the fuzzer thinks it up.
#[derive(Arbitrary, Debug)]
struct Router {
    mac: [u8; 6],
    source: IpAddr,
    /// A unicast peer, or the group.
    peer: Option<(IpAddr, [u8; 6], u8)>,
    vrid: u8,
    version_3: bool,
    interval: u16,
    password: Option<[u8; 8]>,
    addresses: Vec<[u8; 4]>,
    /// One that may be of the other family.
    stray: Option<IpAddr>,
    dialect: Dialect,
    seals: [(u16, u8); 2],
    /// When it is signed, in seconds and nanoseconds.
    signed: Option<[(u32, u32); 2]>,
    window: Option<u16>,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Dialect {
    PseudoHeader,
    MessageOnly,
    OldUnicast,
}

impl Router {
    /// All of one family, but perhaps for the stray.
    fn addresses(&self) -> Vec<IpAddr> {
        let of_family = |octets: &[u8; 4]| match self.source {
            IpAddr::V4(_) => IpAddr::from(*octets),
            IpAddr::V6(_) => {
                let mut long = [0x20; 16];
                long[12..].copy_from_slice(octets);
                IpAddr::from(long)
            }
        };
        let all = self.addresses.iter().map(of_family);
        all.chain(self.stray).collect()
    }
}

fuzz_target!(|router: Router| {
    let (Some(vrid), Some(interval)) = (Vrid::new(router.vrid), Centis::new(router.interval))
    else {
        return;
    };
    let family = Family::of(router.source);
    let addresses = router.addresses();
    for address in &addresses {
        announce(MacAddr(router.mac), router.source, *address);
    }
    let version = if router.version_3 {
        Version::V3
    } else {
        Version::V2
    };
    let auth = router.password.map_or(Auth::None, Auth::Password);
    let group = group(family);
    let group_mac = match group {
        IpAddr::V4(group) => eth::group_mac(group),
        IpAddr::V6(group) => eth::group_mac_v6(group),
    };
    let (destination, destination_mac, ttl) = match router.peer {
        Some((peer, mac, ttl)) => (peer, MacAddr(mac), ttl),
        None => (group, group_mac, 255),
    };
    let frame = AdvertFrame::new(&FrameSpec {
        source_mac: MacAddr(router.mac),
        destination_mac,
        source: router.source,
        destination,
        ttl,
        vrid,
        version,
        interval,
        auth,
        addresses: &addresses,
        dialect: match router.dialect {
            Dialect::PseudoHeader => ChecksumDialect::PseudoHeader,
            Dialect::MessageOnly => ChecksumDialect::MessageOnly,
            Dialect::OldUnicast => ChecksumDialect::OldUnicast,
        },
    });
    let is_stranger = |one: &IpAddr| Family::of(*one) != family;
    let Ok(mut frame) = frame else {
        assert!(
            addresses.len() > max_addresses(family)
                || addresses.iter().chain([&destination]).any(is_stranger)
                || (version == Version::V2 && interval.get() % 100 != 0)
                || (version == Version::V2 && family == Family::V6)
                || (version == Version::V3 && interval > Centis::V3_MAX)
        );
        return;
    };
    let expect = Expect {
        family,
        vrid,
        version,
        interval,
        auth,
        // To the group it is the usual one.
        old_unicast: matches!(router.dialect, Dialect::OldUnicast),
    };
    // Multicast but not the group: no receiver would take it for unicast.
    let is_readable = !expect.old_unicast
        || family == Family::V6
        || version == Version::V2
        || destination == group
        || !destination.is_multicast();

    let keys = [Key::new(3, &[0x77; 48]).expect("a good key")];
    let anti_replay = router.window.map_or(AntiReplay::Monotonic, |window| {
        let window = Duration::from_secs(window.into());
        AntiReplay::Time { window }
    });
    let verifier = Verifier {
        keys: &keys,
        mode: Mode::Enforce,
        anti_replay,
    };
    let mut signer = Signer::new(keys[0].clone(), anti_replay, Serial::ZERO);
    let mut replay = Replay::default();
    for (turn, (identification, priority)) in router.seals.into_iter().enumerate() {
        let now = router.signed.map(|signed| {
            let (seconds, nanos) = signed[turn];
            UtcStamp::from_unix(Duration::new(seconds.into(), nanos % 1_000_000_000))
        });
        let wire_priority = Priority::from_wire(priority);
        match now {
            Some(now) => frame.seal_signed(identification, wire_priority, &mut signer, now),
            None => frame.seal(identification, wire_priority),
        };
        let bytes = frame.frame();
        assert_eq!(frame.packet(), &bytes[eth::LEN..]);
        judge(bytes, &router, &expect, destination);

        let Some((ip, mac, body)) = locate(bytes) else {
            panic!("our own frame is not to be found");
        };
        assert_eq!((ip.source, ip.destination), (router.source, destination));
        assert_eq!((ip.ttl, mac.0), (ttl, router.mac));
        let (source, destination) = (ip.source, ip.destination);
        let plain = decode(source, destination, body, &expect);
        let read = match now {
            Some(now) => {
                assert_eq!(plain, Err(RejectReason::Length));
                // The signer may be ahead of the clock, by no more than the window.
                verifier.decode(now, source, destination, body, &expect, &mut replay)
            }
            None => plain,
        };
        match read {
            Ok(advert) => {
                assert!(is_readable);
                assert_eq!(advert.priority.get(), priority);
                assert_eq!(advert.interval, interval);
                assert_eq!(advert.signed, now.map(|_| 3));
                assert!(advert.addresses.iter().eq(addresses.iter().copied()));
                if let Some(now) = now {
                    let again =
                        verifier.decode(now, source, destination, body, &expect, &mut replay);
                    assert_eq!(again, Err(RejectReason::HmacReplay));
                }
            }
            Err(reason) => assert!(
                version == Version::V3 && addresses.is_empty() || !is_readable,
                "refused our own advert: {reason}"
            ),
        }
    }
});

/// What the program at the NIC says of it, for a listener whom it is for.
fn judge(bytes: &[u8], router: &Router, expect: &Expect, destination: IpAddr) {
    let (mac, flag) = match router.peer {
        Some((_, mac, _)) => (MacAddr(mac), RouterEntry::UNICAST),
        None => (MacAddr([2, 0, 0, 0, 0, 11]), 0),
    };
    let source = router.source;
    let ours = match (router.peer, expect.family) {
        (Some(_), _) => destination,
        (None, Family::V4) => IpAddr::from([192, 168, 8, 6]),
        (None, Family::V6) => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 6]),
    };
    let listener = RouterEntry {
        slot: 0,
        group: octets(group(expect.family)),
        primary: octets(ours),
        broadcast: [192, 168, 8, 255],
        mac,
        version: expect.version.get(),
        min_ttl: if flag == 0 { 255 } else { 0 },
        max_ttl: 255,
        flags: RouterEntry::TRAILER | flag,
        pad: 0,
    };
    let is_of_the_link = match source {
        IpAddr::V4(v4) => !v4.is_broadcast() && v4.octets() != listener.broadcast,
        // On multicast it is the sender's link-local address; on unicast none of
        // those that are IPv4 in disguise.
        IpAddr::V6(v6) if flag == 0 => v6.is_unicast_link_local(),
        IpAddr::V6(v6) => v6.to_bits() >> 64 != 0,
    };
    let possible = is_of_the_link
        && !source.is_unspecified()
        && !source.is_loopback()
        && !source.is_multicast()
        && source != ours;
    let first = head(bytes);
    assert_eq!(
        kind(&first, bytes.len()),
        Kind::Advert(expect.family, expect.vrid)
    );
    let admitted = admit(&first, bytes.len(), &listener);
    assert_eq!(admitted.is_ok(), possible, "{admitted:?}");
    let deaf = RouterEntry {
        flags: flag,
        ..listener
    };
    let is_unsigned = router.signed.is_none();
    let admitted = admit(&first, bytes.len(), &deaf);
    assert_eq!(admitted.is_ok(), possible && is_unsigned, "{admitted:?}");
}

/// What is said of an address claims it, and a question only asks.
fn announce(mac: MacAddr, source: IpAddr, address: IpAddr) {
    let said = Announcement::new(mac, address, false);
    let first = head(said.as_bytes());
    let question = Announcement::question(mac, source, address);
    let asked = question.map(|question| head(question.as_bytes()));
    match address {
        IpAddr::V4(v4) => {
            let read = arp::parse(&first).expect("our own ARP");
            assert_eq!((read.sender_mac, read.sender), (mac, v4.octets()));
            assert_eq!((read.claims(), read.asks_for()), (Some(v4.octets()), None));
            assert!(asked.is_none_or(|asked| arp::parse(&asked).is_some()));
        }
        IpAddr::V6(v6) => {
            let Some(read) = ndisc::parse(&first) else {
                assert!(v6.is_multicast());
                return;
            };
            assert_eq!(read.sender_mac, mac);
            assert_eq!((read.claims(), read.asks_for()), (v6.octets(), None));
            let Some(read) = asked.and_then(|asked| ndisc::parse(&asked)) else {
                return;
            };
            assert!(read.solicitation && read.sender_mac == mac);
            let asks_another = read.asks_for() == Some(v6.octets());
            let is_probe = source.is_unspecified() || source == address;
            assert_eq!(asks_another, !is_probe);
        }
    }
}
