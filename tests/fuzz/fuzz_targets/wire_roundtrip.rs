//! Any router's advert, built, sealed, judged and read again.
#![no_main]

use std::net::Ipv4Addr;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use vip_common::ids::{MacAddr, Priority, Version, Vrid};
use vip_common::layout::{RouterEntry, mapped};
use vip_common::time::Centis;
use vip_common::wire::admit::{Kind, admit, kind};
use vip_common::wire::head;
use vip_common::wire::vrrp::{
    AdvertFrame, Auth, ChecksumDialect, Expect, FrameSpec, MAX_ADDRESSES, decode, locate,
};

/// A router as the fuzzer thinks it up.
#[derive(Arbitrary, Debug)]
struct Router {
    mac: [u8; 6],
    source: [u8; 4],
    group: [u8; 3],
    vrid: u8,
    version_3: bool,
    interval: u16,
    password: Option<[u8; 8]>,
    addresses: Vec<[u8; 4]>,
    pseudo_header: bool,
    seals: [(u16, u8); 2],
}

fuzz_target!(|router: Router| {
    let (Some(vrid), Some(interval)) = (Vrid::new(router.vrid), Centis::new(router.interval))
    else {
        return;
    };
    let version = if router.version_3 {
        Version::V3
    } else {
        Version::V2
    };
    let auth = router.password.map_or(Auth::None, Auth::Password);
    let [b, c, d] = router.group;
    let group = Ipv4Addr::new(224, b, c, d);
    let source = Ipv4Addr::from(router.source);
    let addresses: Vec<Ipv4Addr> = router.addresses.into_iter().map(Ipv4Addr::from).collect();
    let dialect = if router.pseudo_header {
        ChecksumDialect::PseudoHeader
    } else {
        ChecksumDialect::MessageOnly
    };
    let frame = AdvertFrame::new(&FrameSpec {
        source_mac: MacAddr(router.mac),
        source,
        group,
        vrid,
        version,
        interval,
        auth,
        addresses: &addresses,
        dialect,
    });
    let Ok(mut frame) = frame else {
        assert!(
            addresses.len() > MAX_ADDRESSES
                || (version == Version::V2 && interval.get() % 100 != 0)
                || (version == Version::V3 && interval > Centis::V3_MAX)
        );
        return;
    };
    let listener = RouterEntry {
        slot: 0,
        group: mapped(group.octets()),
        primary: mapped([192, 168, 8, 6]),
        broadcast: [192, 168, 8, 255],
        mac: MacAddr([2, 0, 0, 0, 0, 11]),
        version: version.get(),
        min_ttl: 255,
        max_ttl: 255,
        flags: 0,
        pad: 0,
    };
    let possible = !(source.is_unspecified()
        || source.is_loopback()
        || source.is_multicast()
        || source.is_broadcast()
        || mapped(source.octets()) == listener.primary
        || source.octets() == listener.broadcast);
    let expect = Expect {
        vrid,
        version,
        interval,
        auth,
    };
    for (identification, priority) in router.seals {
        let bytes = frame.seal(identification, Priority::from_wire(priority));
        assert_eq!(kind(&head(bytes), bytes.len()), Kind::Advert(vrid));
        let admitted = admit(&head(bytes), bytes.len(), &listener);
        assert_eq!(admitted.is_ok(), possible, "{admitted:?}");

        let Some((ip, mac, body)) = locate(bytes) else {
            panic!("our own frame is not to be found");
        };
        assert_eq!((ip.source, ip.destination), (source, group));
        assert_eq!((ip.identification, mac.0), (identification, router.mac));
        match decode(ip.source, ip.destination, body, &expect) {
            Ok(advert) => {
                assert_eq!(advert.priority.get(), priority);
                assert_eq!(advert.interval, interval);
                assert!(advert.addresses.iter().eq(addresses.iter().copied()));
            }
            Err(reason) => assert!(
                version == Version::V3 && addresses.is_empty(),
                "refused our own advert: {reason}"
            ),
        }
    }
});
