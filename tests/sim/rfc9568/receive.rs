//! Section 7.1: an advert that fails a check is discarded and moves nothing;
//! and section 5 where the checks come from. The frame goes the whole way, from
//! the judgement at the NIC to the election.

use vip_common::ids::{Family, MacAddr};
use vip_common::layout::{RouterEntry, octets};
use vip_common::reject::RejectReason;
use vip_common::wire::vrrp::{self, Auth, ChecksumDialect, Expect, FrameSpec};
use vip_common::wire::{admit, eth, head};

use super::*;

const OUR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 5]);
const THEIR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 6]);

/// Where the VRRP message begins.
const fn message(family: Family) -> usize {
    match family {
        Family::V4 => eth::LEN + 20,
        Family::V6 => eth::LEN + 40,
    }
}

fn virtual_address(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100)),
    }
}

fn group_mac(family: Family) -> MacAddr {
    match family {
        Family::V4 => eth::group_mac(vrrp::GROUP_V4),
        Family::V6 => eth::group_mac_v6(vrrp::GROUP_V6),
    }
}

/// What a better router sends, every second.
fn sender(family: Family, addresses: &[IpAddr]) -> FrameSpec<'_> {
    let [_, source, _] = FAMILIES[usize::from(family == Family::V6)];
    FrameSpec {
        source_mac: THEIR_MAC,
        destination_mac: group_mac(family),
        source,
        destination: vrrp::group(family),
        ttl: 255,
        vrid: one_second(128).vrid,
        version: Version::V3,
        interval: Centis::ONE_SECOND,
        auth: Auth::None,
        addresses,
        dialect: ChecksumDialect::PseudoHeader,
    }
}

fn frame(spec: &FrameSpec<'_>) -> Vec<u8> {
    let mut frame = vrrp::AdvertFrame::new(spec).unwrap();
    frame.seal(1, Priority::from_wire(200)).to_vec()
}

/// A Backup behind its NIC, whose timer tells whether an advert moved anything.
struct Listener {
    family: Family,
    router: Router,
}

impl Listener {
    fn new(family: Family) -> Self {
        let [primary, ..] = FAMILIES[usize::from(family == Family::V6)];
        Self {
            family,
            router: Router::backup(one_second(128), primary),
        }
    }

    /// Takes a frame that arrived at 1000; says why not.
    fn take(&mut self, frame: &[u8]) -> Result<Vec<IpAddr>, RejectReason> {
        let params = *self.router.router.params();
        let entry = RouterEntry {
            slot: 0,
            group: octets(vrrp::group(self.family)),
            primary: octets(self.router.router.primary()),
            broadcast: [0; 4],
            mac: OUR_MAC,
            version: params.version.get(),
            min_ttl: 255,
            max_ttl: 255,
            flags: 0,
            pad: 0,
        };
        let expect = Expect {
            family: self.family,
            vrid: params.vrid,
            version: params.version,
            interval: params.adver_interval,
            auth: Auth::None,
            old_unicast: false,
        };
        let first = head(frame);
        if admit::kind(&first, frame.len()) != admit::Kind::Advert(self.family, params.vrid) {
            return Err(RejectReason::Vrid);
        }
        admit::admit(&first, frame.len(), &entry)?;
        let (header, _, body) = vrrp::locate(frame).ok_or(RejectReason::Truncated)?;
        let advert = vrrp::decode(header.source, header.destination, body, &expect)?;
        self.router
            .heard_at(1000, header.source, advert.priority.get(), advert.interval);
        Ok(advert.addresses.iter().collect())
    }
}

/// The frame is refused for this reason, in both families, and moves nothing.
fn refused(reason: RejectReason, spoil: impl Fn(Family, FrameSpec<'_>) -> Vec<u8>) {
    for family in [Family::V4, Family::V6] {
        let addresses = [virtual_address(family)];
        let mut listener = Listener::new(family);
        let spoilt = spoil(family, sender(family, &addresses));
        assert_eq!(listener.take(&spoilt), Err(reason), "{family:?}");
        assert_eq!(listener.router.router.deadline(), Some(at(3500)));
        assert_eq!(listener.router.router.active(), None);
        // Unspoilt it passes: it was that, and nothing else.
        assert!(listener.take(&frame(&sender(family, &addresses))).is_ok());
        assert_eq!(listener.router.router.deadline(), Some(at(4500)));
    }
}

/// TTL or hop limit is 255.
#[test]
fn rfc9568_7_1_ttl_is_255() {
    for ttl in [0, 1, 64, 254] {
        refused(RejectReason::Ttl, |_, spec| {
            frame(&FrameSpec { ttl, ..spec })
        });
    }
}

/// The version is 3.
#[test]
fn rfc9568_7_1_version_is_3() {
    for version in [0x01, 0x11, 0x21, 0x41, 0xf1] {
        refused(RejectReason::Version, |family, spec| {
            let mut frame = frame(&spec);
            frame[message(family)] = version;
            frame
        });
    }
}

/// The type is 1, advertisement.
#[test]
fn rfc9568_7_1_type_is_advertisement() {
    for kind in [0x30, 0x32, 0x3f] {
        refused(RejectReason::Type, |family, spec| {
            let mut frame = frame(&spec);
            frame[message(family)] = kind;
            frame
        });
    }
}

/// The whole message is there: the fixed fields and every address that it
/// counts, no more.
#[test]
fn rfc9568_7_1_the_advert_is_complete() {
    for count in [0, 2, 3, 255] {
        refused(RejectReason::Length, |family, spec| {
            let mut frame = frame(&spec);
            frame[message(family) + 3] = count;
            frame
        });
    }
    refused(RejectReason::TotalLength, |_, spec| {
        let mut frame = frame(&spec);
        frame.pop();
        frame
    });
    refused(RejectReason::Truncated, |family, spec| {
        let mut frame = frame(&spec);
        frame.truncate(message(family) + 7);
        frame
    });
}

/// The checksum is right.
#[test]
fn rfc9568_7_1_the_checksum_adds_up() {
    for byte in [2, 4, 5, 6, 7, 8] {
        refused(RejectReason::Checksum, |family, spec| {
            let mut frame = frame(&spec);
            frame[message(family) + byte] ^= 0x01;
            frame
        });
    }
}

/// Section 5.2.8 leaves the pseudo header to IPv6; keepalived and FRR put it into
/// IPv4's too. Over IPv4 either passes.
#[test]
fn rfc9568_7_1_both_checksums_of_ipv4_pass() {
    let addresses = [virtual_address(Family::V4)];
    for dialect in [ChecksumDialect::MessageOnly, ChecksumDialect::PseudoHeader] {
        let spec = FrameSpec {
            dialect,
            ..sender(Family::V4, &addresses)
        };
        assert!(Listener::new(Family::V4).take(&frame(&spec)).is_ok());
    }
}

/// The VRID is configured here: another one is another router's.
#[test]
fn rfc9568_7_1_the_vrid_is_ours() {
    refused(RejectReason::Vrid, |family, spec| {
        let mut frame = frame(&spec);
        frame[message(family) + 1] ^= 0x04;
        frame
    });
}

/// ... and we are not the address owner: with `owner_ignore_adverts` (on in
/// strict mode) it heeds nobody. Without, as keepalived, another owner with a
/// higher address is yielded to, for two owners would serve for ever.
#[test]
fn rfc9568_7_1_the_owner_ignores_adverts() {
    for ignores in [true, false] {
        let mut params = one_second(255);
        params.owner_ignore_adverts = ignores;
        let mut router = Router::new(params);
        router.told(0, Input::BecameAble { primary: OURS });
        router.told(1, Input::AddressesInstalled { generation: 1 });
        router.heard(500, HIGHER, 255);
        assert_eq!(router.name() == StateName::Active, ignores);
    }
}

/// Other addresses than ours are a reason to tell somebody, not to discard the
/// advert: it is the Active Router all the same.
#[test]
fn rfc9568_7_1_another_list_of_addresses_is_accepted() {
    for family in [Family::V4, Family::V6] {
        let [_, one, other] = FAMILIES[usize::from(family == Family::V6)];
        let addresses = [other, one];
        let mut listener = Listener::new(family);
        let list = listener.take(&frame(&sender(family, &addresses)));
        assert_eq!(list, Ok(addresses.to_vec()));
        assert_eq!(listener.router.router.deadline(), Some(at(4500)));
    }
}

/// Another interval than ours is learned, not refused (version 2 refuses it, RFC
/// 3768 section 7.1); none at all is no interval.
#[test]
fn rfc9568_7_1_another_interval_is_learned() {
    for family in [Family::V4, Family::V6] {
        let addresses = [virtual_address(family)];
        let mut listener = Listener::new(family);
        let spec = FrameSpec {
            interval: centis(200),
            ..sender(family, &addresses)
        };
        assert!(listener.take(&frame(&spec)).is_ok());
        assert_eq!(listener.router.router.deadline(), Some(at(1000 + 7000)));
    }
    let addresses = [virtual_address(Family::V4)];
    let mut listener = Listener::new(Family::V4);
    let params = params(Version::V2, 128, Centis::ONE_SECOND);
    listener.router = Router::backup(params, OURS);
    let two = FrameSpec {
        version: Version::V2,
        interval: centis(200),
        ..sender(Family::V4, &addresses)
    };
    assert_eq!(listener.take(&frame(&two)), Err(RejectReason::Interval));
}

/// The reserved bits are ignored on receipt (section 5.2.6).
#[test]
fn rfc9568_5_2_6_reserved_bits_are_ignored() {
    for family in [Family::V4, Family::V6] {
        let addresses = [virtual_address(family)];
        let mut spoilt = frame(&sender(family, &addresses));
        let start = message(family);
        // The sum goes down by what the reserved bits add.
        spoilt[start + 4] |= 0xf0;
        let sum = u16::from_be_bytes([spoilt[start + 6], spoilt[start + 7]]);
        let (less, borrowed) = sum.overflowing_sub(0xf000);
        let sum = less.wrapping_sub(u16::from(borrowed));
        spoilt[start + 6..start + 8].copy_from_slice(&sum.to_be_bytes());
        let mut listener = Listener::new(family);
        assert!(listener.take(&spoilt).is_ok(), "{family:?}");
        // A second, and not what the bits would add to it.
        assert_eq!(listener.router.router.deadline(), Some(at(1000 + 3500)));
    }
}

/// Sections 5.1.1.2 and 5.1.2.2: sent to the group; and over IPv6 from a
/// link-local address (5.1.2.1).
#[test]
fn rfc9568_7_1_it_is_sent_to_the_group() {
    refused(RejectReason::Destination, |family, spec| {
        let [destination, ..] = FAMILIES[usize::from(family == Family::V6)];
        frame(&FrameSpec {
            destination,
            ..spec
        })
    });
    let addresses = [virtual_address(Family::V6)];
    let global = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 6));
    let spec = FrameSpec {
        source: global,
        ..sender(Family::V6, &addresses)
    };
    let mut listener = Listener::new(Family::V6);
    assert_eq!(listener.take(&frame(&spec)), Err(RejectReason::Source));
}
