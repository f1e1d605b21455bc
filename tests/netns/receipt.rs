//! Every check on receipt, on the wire to a daemon that runs: one bad packet for
//! each reason, its counter and no other, and nothing else moves.
//!
//! Two kinds of reasons are not here. What no IP packet is does not come over a
//! bridge that looks at packets, as the kernel's does; `tests/xdp` sends those
//! over a cable, on every rung. And an advert is looked up by its VRID, so only
//! one that came in before the router had another can name a wrong one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use vip::lab::pair::Pair;
use vip::lab::{PATIENCE, Wire, now};
use vip_common::ids::{MacAddr, Priority, Version, Vrid};
use vip_common::reject::RejectReason;
use vip_common::time::Centis;
use vip_common::wire::checksum::Sum;
use vip_common::wire::eth;
use vip_common::wire::hmac::{AntiReplay, Key, Serial, Signer, UtcStamp};
use vip_common::wire::vrrp::{
    AdvertFrame, Auth, ChecksumDialect, FrameSpec, GROUP_V4, GROUP_V6, TRAILER_LEN,
};
use vip_tests::Tested;
use vip_tests::scene::{last_state_lines, up, vip_program};

/// Start of the IP header, and of the message behind it in either family.
const IP: usize = 14;
const V4: usize = IP + 20;
const V6: usize = IP + 40;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const OTHER_SECRET: &[u8] = b"fedcba9876543210fedcba9876543210";

/// One instance of each kind that judges in its own way.
fn configuration(ours: Ipv4Addr, peer: Ipv4Addr) -> String {
    let secret = String::from_utf8_lossy(SECRET);
    let instance = |name: &str, vrid: u8, lines: &str, address: &str| {
        format!(
            "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n priority 100\n advert_int 1\n {lines}\n virtual_ipaddress {{\n {address}\n }}\n}}\n"
        )
    };
    [
        instance(
            "PASS",
            51,
            "version 2\n authentication {\n auth_type PASS\n auth_pass 1111\n }",
            "192.168.8.101/24",
        ),
        instance("PLAIN", 52, "version 3", "192.168.8.102/24"),
        instance("SIX", 53, "version 3", "fe80::6453/64"),
        instance(
            "UNICAST",
            54,
            &format!(
                "version 3\n unicast_src_ip {ours}\n check_unicast_src\n unicast_peer {{\n {peer} min_ttl 255 max_ttl 255\n }}"
            ),
            "192.168.8.104/24",
        ),
        instance(
            "SIGNED",
            55,
            &format!("version 3\n auth_hmac {{\n key 7 {secret}\n mode enforce\n }}"),
            "192.168.8.105/24",
        ),
    ]
    .concat()
}

/// A neighbour who says what the instances expect, and would never win.
struct Neighbour {
    mac: MacAddr,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    /// A, to whom unicast goes.
    to: (MacAddr, Ipv4Addr),
}

impl Neighbour {
    /// A good advert over IPv4 of this VRID.
    fn spec<'a>(&self, vrid: u8, version: Version, addresses: &'a [IpAddr]) -> FrameSpec<'a> {
        FrameSpec {
            source_mac: self.mac,
            destination_mac: eth::group_mac(GROUP_V4),
            source: self.v4.into(),
            destination: GROUP_V4.into(),
            ttl: 255,
            vrid: Vrid::new(vrid).unwrap_or_else(|| panic!("VRID {vrid}")),
            version,
            interval: Centis::ONE_SECOND,
            auth: Auth::Password(*b"1111\0\0\0\0"),
            addresses,
            dialect: ChecksumDialect::PseudoHeader,
        }
    }

    fn spec_6<'a>(&self, addresses: &'a [IpAddr]) -> FrameSpec<'a> {
        FrameSpec {
            destination_mac: eth::group_mac_v6(GROUP_V6),
            source: self.v6.into(),
            destination: GROUP_V6.into(),
            ..self.spec(53, Version::V3, addresses)
        }
    }

    fn unicast<'a>(&self, addresses: &'a [IpAddr]) -> FrameSpec<'a> {
        FrameSpec {
            destination_mac: self.to.0,
            destination: self.to.1.into(),
            ..self.spec(54, Version::V3, addresses)
        }
    }
}

fn built(spec: &FrameSpec<'_>) -> AdvertFrame {
    AdvertFrame::new(spec).unwrap_or_else(|error| panic!("{error}"))
}

fn sealed(spec: &FrameSpec<'_>) -> Vec<u8> {
    built(spec).seal(1, Priority::from_wire(1)).to_vec()
}

/// With bytes replaced and the IPv4 header's checksum right again.
fn with(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    if frame[12..14] == [0x08, 0x00] && frame[IP] & 0x0f == 5 {
        frame[IP + 10..IP + 12].fill(0);
        let sum = Sum::ZERO.bytes(&frame[IP..V4]).checksum();
        frame[IP + 10..IP + 12].copy_from_slice(&sum.to_be_bytes());
    }
    frame
}

/// The message's interval made zero, in a frame whose interval is a second, and
/// the checksum right again.
fn without_interval(frame: &[u8], message: usize) -> Vec<u8> {
    let (at, seconds) = (message + 4, Centis::ONE_SECOND.get());
    let checksum = u16::from_be_bytes([frame[at + 2], frame[at + 3]]);
    let (sum, carry) = checksum.overflowing_add(seconds);
    let [high, low] = (sum + u16::from(carry)).to_be_bytes();
    with(frame, at, &[0, 0, high, low])
}

/// With one bit of the message's own checksum turned.
fn summed_wrong(frame: &[u8], message: usize) -> Vec<u8> {
    with(frame, message + 7, &[frame[message + 7] ^ 1])
}

/// With an authentication header before the message.
fn behind_ah(frame: &[u8], protocol: usize, message: usize) -> Vec<u8> {
    let mut frame = with(frame, protocol, &[51]);
    let header = [112, 4].into_iter().chain([0xa5; 22]);
    frame.splice(message..message, header);
    let (at, start) = if message == V6 {
        (IP + 4, V6)
    } else {
        (IP + 2, IP)
    };
    let len = u16::try_from(frame.len() - start).unwrap_or(u16::MAX);
    with(&frame, at, &len.to_be_bytes())
}

/// What does not come over a bridge, has no packet, or is not of one packet.
const ELSEWHERE: [RejectReason; 7] = [
    RejectReason::Truncated,
    RejectReason::IpVersion,
    RejectReason::IpHeaderLength,
    RejectReason::IpChecksum,
    RejectReason::TotalLength,
    RejectReason::Vrid,
    RejectReason::Budget,
];

/// An instance, the reason, and a frame.
type Bad = (&'static str, RejectReason, Vec<u8>);

fn over_v4(neighbour: &Neighbour) -> Vec<Bad> {
    use RejectReason as R;
    let address = [IpAddr::from([192, 168, 8, 101])];
    let spec = neighbour.spec(51, Version::V2, &address);
    let good = sealed(&spec);
    let put = |at, bytes: &[u8]| with(&good, at, bytes);
    let open = FrameSpec {
        auth: Auth::None,
        ..spec
    };
    let password = FrameSpec {
        auth: Auth::Password(*b"2222\0\0\0\0"),
        ..spec
    };
    let slower = FrameSpec {
        interval: Centis::new(200).unwrap_or(Centis::ONE_SECOND),
        ..spec
    };
    let passed = [
        (R::Fragment, put(IP + 6, &[0x20, 0])),
        (R::Ttl, put(IP + 8, &[254])),
        (R::Source, put(IP + 12, &[127, 0, 0, 1])),
        (R::Destination, put(IP + 16, &[224, 0, 0, 19])),
        (R::Version, put(V4, &[0x31])),
        (R::Type, put(V4, &[0x22])),
        (R::Length, put(V4 + 3, &[2])),
        (R::Checksum, summed_wrong(&good, V4)),
        (R::AuthType, sealed(&open)),
        (R::AuthPassword, sealed(&password)),
        (R::Interval, sealed(&slower)),
        (R::AuthHeader, behind_ah(&good, IP + 9, V4)),
    ];
    let address = [IpAddr::from([192, 168, 8, 102])];
    let plain = sealed(&neighbour.spec(52, Version::V3, &address));
    let of_three = [
        (R::Ttl, with(&plain, IP + 8, &[1])),
        (R::Version, with(&plain, V4, &[0x21])),
        (R::Checksum, summed_wrong(&plain, V4)),
        (R::ZeroInterval, without_interval(&plain, V4)),
        (
            R::NoAddresses,
            sealed(&neighbour.spec(52, Version::V3, &[])),
        ),
    ];
    named("PASS", passed)
        .chain(named("PLAIN", of_three))
        .collect()
}

fn over_v6(neighbour: &Neighbour) -> Vec<Bad> {
    use RejectReason as R;
    let address = [IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0x6453])];
    let good = sealed(&neighbour.spec_6(&address));
    let put = |at, bytes: &[u8]| with(&good, at, bytes);
    let global = Ipv6Addr::new(0x2001, 0xdb8, 8, 0, 0, 0, 0, 2).octets();
    let bad = [
        (R::Ttl, put(IP + 7, &[254])),
        (R::Source, put(IP + 8, &global)),
        (R::Destination, put(IP + 24 + 15, &[0x13])),
        (R::Version, put(V6, &[0x21])),
        (R::Type, put(V6, &[0x32])),
        (R::Length, put(V6 + 3, &[2])),
        (R::Checksum, summed_wrong(&good, V6)),
        (R::ZeroInterval, without_interval(&good, V6)),
        (R::NoAddresses, sealed(&neighbour.spec_6(&[]))),
        (R::AuthHeader, behind_ah(&good, IP + 6, V6)),
    ];
    named("SIX", bad).collect()
}

fn to_unicast(neighbour: &Neighbour) -> Vec<Bad> {
    use RejectReason as R;
    let address = [IpAddr::from([192, 168, 8, 104])];
    let spec = neighbour.unicast(&address);
    let good = sealed(&spec);
    let stranger = FrameSpec {
        source: IpAddr::from([192, 168, 8, 77]),
        ..spec
    };
    let bad = [
        (R::Ttl, with(&good, IP + 8, &[254])),
        (
            R::Destination,
            sealed(&neighbour.spec(54, Version::V3, &address)),
        ),
        (R::Checksum, summed_wrong(&good, V4)),
        (R::Peer, sealed(&stranger)),
    ];
    named("UNICAST", bad).collect()
}

fn signed(neighbour: &Neighbour) -> Vec<Bad> {
    use RejectReason as R;
    let address = [IpAddr::from([192, 168, 8, 105])];
    let spec = neighbour.spec(55, Version::V3, &address);
    let anti_replay = AntiReplay::Time {
        window: Duration::from_secs(5),
    };
    let unix = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let sign = |id, secret, ago| -> Vec<u8> {
        let key = Key::new(id, secret).unwrap_or_else(|error| panic!("a key: {error}"));
        let mut signer = Signer::new(key, anti_replay, Serial::ZERO);
        let stamp = UtcStamp::from_unix(unix - Duration::from_secs(ago));
        let priority = Priority::from_wire(1);
        built(&spec)
            .seal_signed(1, priority, &mut signer, stamp)
            .to_vec()
    };
    let good = sign(7, SECRET, 0);
    let trailer = good.len() - TRAILER_LEN;
    let mut shorter = good.clone();
    shorter.pop();
    let total = u16::try_from(shorter.len() - IP).unwrap_or(u16::MAX);
    let bad = [
        (R::HmacMissing, sealed(&spec)),
        (R::HmacMalformed, with(&good, trailer, &[2])),
        (R::HmacUnknownKey, sign(8, SECRET, 0)),
        (R::HmacInvalid, sign(7, OTHER_SECRET, 0)),
        (R::HmacStale, sign(7, SECRET, 60)),
        (R::Length, with(&shorter, IP + 2, &total.to_be_bytes())),
        (R::HmacReplay, good),
    ];
    named("SIGNED", bad).collect()
}

fn named(
    instance: &'static str,
    bad: impl IntoIterator<Item = (RejectReason, Vec<u8>)>,
) -> impl Iterator<Item = Bad> {
    bad.into_iter()
        .map(move |(reason, frame)| (instance, reason, frame))
}

/// What has been refused, by instance and label, where anything was.
fn refused(status: &Value) -> BTreeMap<(String, String), u64> {
    let mut all = BTreeMap::new();
    for instance in status["instances"].as_array().into_iter().flatten() {
        let name = instance["name"].as_str().unwrap_or_default();
        for (counter, count) in instance["counters"].as_object().into_iter().flatten() {
            if let (Some(label), Some(count @ 1..)) =
                (counter.strip_prefix("rejected_"), count.as_u64())
            {
                all.insert((name.to_owned(), label.to_owned()), count);
            }
        }
    }
    all
}

/// Whether every instance holds its address.
fn all_hold(status: &Value) -> bool {
    let instances = status["instances"].as_array();
    instances.is_some_and(|all| all.len() == 5 && all.iter().all(|one| one["state"] == "MASTER"))
}

fn counts_each_reason(xdp: &str) -> Tested {
    let mut pair = Pair::new(vip_program(), xdp)?;
    pair.a.enable_ipv6()?;
    let Pair { a, client, .. } = &pair;
    let daemon = pair.start(a, &configuration(a.address(), client.address()))?;
    up(&daemon)?;
    pair.wait_for_status(a, "five masters", PATIENCE, all_hold)?;

    let neighbour = Neighbour {
        mac: client.mac(),
        v4: client.address(),
        v6: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2),
        to: (a.mac(), a.address()),
    };
    let mut bad = over_v4(&neighbour);
    bad.extend(over_v6(&neighbour));
    bad.extend(to_unicast(&neighbour));
    bad.extend(signed(&neighbour));
    for reason in RejectReason::ALL {
        let covered = bad.iter().any(|(_, covered, _)| covered == reason);
        assert_eq!(covered, !ELSEWHERE.contains(reason), "{reason:?}");
    }

    let wire = Wire::open(client, "eth0")?;
    let begin = now();
    let mut expected = BTreeMap::new();
    for (instance, reason, frame) in &bad {
        let key = ((*instance).to_owned(), reason.label().to_owned());
        *expected.entry(key).or_insert(0) += 1;
        wire.send(frame)?;
        if *reason == RejectReason::HmacReplay {
            // Good the first time, and the first of its kind.
            wire.send(frame)?;
        }
    }
    let status = pair.wait_for_status(a, "all refused", PATIENCE, |status| {
        refused(status).values().sum::<u64>() >= bad.len() as u64
    })?;
    assert_eq!(refused(&status), expected, "{xdp}");
    assert!(all_hold(&status), "{xdp}: {status}");
    assert_eq!(last_state_lines(&daemon, begin), [""; 0], "{xdp}");
    Ok(())
}

#[test]
fn each_check_has_its_counter_at_the_nic() -> Tested {
    counts_each_reason("auto")
}

#[test]
fn each_check_has_its_counter_behind_a_packet_socket() -> Tested {
    counts_each_reason("off")
}
