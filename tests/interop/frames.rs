//! tshark and tcpdump read frames as they leave the builder: of both families, to
//! the group and to a peer, and what is said of addresses.
#![expect(
    clippy::expect_used,
    reason = "helpers of tests: what is missing is to be said at once"
)]

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use vip_common::ids::{Family, MacAddr, Priority, Version, Vrid};
use vip_common::time::Centis;
use vip_common::wire::announce::Announcement;
use vip_common::wire::hmac::{AntiReplay, Key, Serial, Signer, UtcStamp};
use vip_common::wire::vrrp::{AdvertFrame, Auth, ChecksumDialect, FrameSpec, group};

const OURS: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x0a]);
const PEER: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x0b]);

/// A capture of some frames, gone with the test.
struct Capture(PathBuf);

impl Capture {
    fn of(name: &str, frames: &[Vec<u8>]) -> Self {
        let mut file = Vec::new();
        // Magic, version 2.4, no offset, longest, link type Ethernet.
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            file.extend(word.to_le_bytes());
        }
        for frame in frames {
            let length = u32::try_from(frame.len()).expect("a frame");
            for word in [0, 0, length, length] {
                file.extend(word.to_le_bytes());
            }
            file.extend(frame);
        }
        let path = format!("vip-frames-{name}-{}.pcap", std::process::id());
        let path = std::env::temp_dir().join(path);
        std::fs::write(&path, file).expect("a temporary file");
        Self(path)
    }

    /// One line a frame: the fields, separated by bars.
    fn tshark(&self, fields: &[&str]) -> Vec<String> {
        let mut command = Command::new("tshark");
        command.arg("-n").arg("-r").arg(&self.0);
        command.args(["-T", "fields", "-E", "separator=|"]);
        command.args(["-o", "ip.check_checksum:TRUE"]);
        let complaints = ["_ws.expert.message", "_ws.malformed"];
        for field in fields.iter().chain(&complaints) {
            command.args(["-e", field]);
        }
        lines(&mut command)
    }

    /// All that tcpdump says, in one string.
    fn tcpdump(&self) -> String {
        let mut command = Command::new("tcpdump");
        lines(command.args(["-n", "-vvv", "-r"]).arg(&self.0)).join("\n")
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn lines(command: &mut Command) -> Vec<String> {
    let output = command.output().expect("the decoder is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// From our address of that family to its group.
fn spec(family: Family, addresses: &[IpAddr]) -> FrameSpec<'_> {
    let (source, destination_mac) = match family {
        Family::V4 => ("192.168.8.4", MacAddr([0x01, 0, 0x5e, 0, 0, 0x12])),
        Family::V6 => ("fe80::4", MacAddr([0x33, 0x33, 0, 0, 0, 0x12])),
    };
    FrameSpec {
        source_mac: OURS,
        destination_mac,
        source: ip(source),
        destination: group(family),
        ttl: 255,
        vrid: Vrid::new(51).expect("not zero"),
        version: Version::V3,
        interval: Centis::new(10).expect("in range"),
        auth: Auth::None,
        addresses,
        dialect: ChecksumDialect::PseudoHeader,
    }
}

fn sealed(spec: &FrameSpec<'_>) -> Vec<u8> {
    let mut frame = AdvertFrame::new(spec).expect("encodable");
    frame.seal(7, Priority::DEFAULT).to_vec()
}

#[test]
fn adverts_over_ipv6_are_read_without_complaint() {
    let addresses = [ip("fe80::100"), ip("2001:db8::100")];
    let many: Vec<IpAddr> = (0..89).map(|n| ip(&format!("2001:db8::{n}"))).collect();
    let to_group = spec(Family::V6, &addresses);
    let capture = Capture::of(
        "v6",
        &[
            sealed(&to_group),
            sealed(&FrameSpec {
                addresses: &many,
                ..to_group
            }),
            sealed(&FrameSpec {
                destination_mac: PEER,
                source: ip("2001:db8::4"),
                destination: ip("2001:db8::6"),
                ttl: 64,
                ..to_group
            }),
        ],
    );
    let read = capture.tshark(&[
        "eth.dst",
        "ipv6.src",
        "ipv6.dst",
        "ipv6.hlim",
        "vrrp.checksum.status",
        "vrrp.virt_rtr_id",
        "vrrp.addr_count",
    ]);
    let head = "33:33:00:00:00:12|fe80::4|ff02::12|255|1|51";
    assert_eq!(
        read,
        [
            format!("{head}|2||"),
            format!("{head}|89||"),
            "02:00:00:00:00:0b|2001:db8::4|2001:db8::6|64|1|51|2||".to_owned(),
        ]
    );
    let read = capture.tcpdump();
    assert!(read.contains("addrs(2): fe80::100,2001:db8::100"), "{read}");
    assert_eq!(read.matches("IP6 (class 0xc0, hlim").count(), 3, "{read}");
    assert!(!read.contains("bad"), "{read}");
}

#[test]
fn adverts_to_unicast_peers_are_read_without_complaint() {
    let addresses = [ip("192.168.8.100")];
    let version_3 = FrameSpec {
        destination_mac: PEER,
        destination: ip("192.168.8.6"),
        ttl: 64,
        ..spec(Family::V4, &addresses)
    };
    let version_2 = FrameSpec {
        version: Version::V2,
        interval: Centis::ONE_SECOND,
        auth: Auth::Password(*b"1111\0\0\0\0"),
        ..version_3
    };
    let capture = Capture::of("unicast", &[sealed(&version_3), sealed(&version_2)]);
    let fields = ["ip.dst", "ip.ttl", "ip.checksum.status"];
    let fields = [&fields[..], &["vrrp.checksum.status"]].concat();
    assert_eq!(capture.tshark(&fields), ["192.168.8.6|64|1|1||"; 2]);
    let read = capture.tcpdump();
    assert!(!read.contains("bad"), "{read}");
}

#[test]
fn a_signed_advert_over_ipv6_has_a_sum_that_all_agree_to() {
    let addresses = [ip("fe80::100")];
    let mut frame = AdvertFrame::new(&spec(Family::V6, &addresses)).expect("encodable");
    let key = Key::new(1, &[7; 32]).expect("a good key");
    let mut signer = Signer::new(key, AntiReplay::Monotonic, Serial::ZERO);
    let now = UtcStamp::from_unix(Duration::from_secs(1_800_000_000));
    let frame = frame.seal_signed(7, Priority::DEFAULT, &mut signer, now);
    let capture = Capture::of("signed", &[frame.to_vec()]);
    // 8 bytes of header, an address, the trailer.
    let read = capture.tshark(&["ipv6.plen", "vrrp.checksum.status"]);
    assert_eq!(read, ["52|1||"]);
}

#[test]
fn neighbour_discovery_is_read_without_complaint() {
    let (source, address) = (ip("fe80::6"), ip("2001:db8::100"));
    let question = |source| {
        let question = Announcement::question(OURS, source, address).expect("of one family");
        question.as_bytes().to_vec()
    };
    let announced = |router| Announcement::new(OURS, address, router).as_bytes().to_vec();
    let capture = Capture::of(
        "ndisc",
        &[
            announced(false),
            announced(true),
            question(source),
            question(ip("::")),
        ],
    );
    let read = capture.tshark(&[
        "eth.dst",
        "ipv6.src",
        "ipv6.dst",
        "ipv6.hlim",
        "icmpv6.type",
        "icmpv6.checksum.status",
        "icmpv6.nd.na.flag",
        "icmpv6.opt.linkaddr",
    ]);
    let said = "33:33:00:00:00:01|2001:db8::100|ff02::1|255|136|1";
    let asked = "ff02::1:ff00:100|255|135|1";
    assert_eq!(
        read,
        [
            format!("{said}|0x20000000|{OURS}||"),
            format!("{said}|0xa0000000|{OURS}||"),
            format!("33:33:ff:00:01:00|fe80::6|{asked}||{OURS}||"),
            format!("33:33:ff:00:01:00|::|{asked}||||"),
        ]
    );
    let read = capture.tcpdump();
    assert_eq!(read.matches("[icmp6 sum ok]").count(), 4, "{read}");
    assert!(
        read.contains("tgt is 2001:db8::100, Flags [override]"),
        "{read}"
    );
    assert!(read.contains("who has 2001:db8::100"), "{read}");
}

#[test]
fn gratuitous_arp_is_read_without_complaint() {
    let announced = Announcement::new(OURS, ip("192.168.8.100"), true);
    let capture = Capture::of("arp", &[announced.as_bytes().to_vec()]);
    let read = capture.tshark(&["eth.dst", "arp.opcode", "arp.src.proto_ipv4"]);
    assert_eq!(read, ["ff:ff:ff:ff:ff:ff|1|192.168.8.100||"]);
}
