//! Who takes part in an election: `vip`, keepalived, or FRR's vrrpd, each with
//! the same wish written in its own language.

pub mod frr;
mod keepalived;

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use vip::lab::pair::{VIRTUAL, VRID};
use vip::lab::{Host, LabError, PATIENCE, Process};
use vip_common::ids::MacAddr;
use vip_common::time::Centis;

pub use keepalived::{choose_keepalived, keepalived, keepalived_program, keepalived_says};

/// The virtual address of elections in IPv6.
pub const VIRTUAL6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 8, 0, 0, 0, 0, 0x100);
/// The password of those that have one.
pub const PASSWORD: &str = "1111";
/// The secret of those that sign, 32 bytes.
pub const SECRET: &str = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// The virtual router's own MAC in IPv4.
pub const VIRTUAL_MAC: MacAddr = MacAddr([0, 0, 0x5e, 0, 1, VRID]);
/// Where `vip` and keepalived find their configuration.
const FILE: &str = "/run/node.conf";

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// The program under test.
    Vip,
    /// keepalived: [`keepalived_program`].
    Keepalived,
    /// FRR's zebra and vrrpd.
    Frr,
}

/// How the routers speak to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// VRRPv2 without password, 1 s.
    V2,
    /// VRRPv2 with a password, 1 s.
    V2Password,
    /// VRRPv3 in IPv4, 100 ms.
    V3,
    /// VRRPv3 in IPv6, 100 ms.
    V3Ipv6,
    /// VRRPv3 in IPv4 to each peer by its own address, 100 ms.
    Unicast,
    /// VRRPv3 in IPv4 from the virtual router's own MAC, 100 ms.
    Vmac,
    /// VRRPv3 in IPv4, signed (`auth_hmac`), 100 ms.
    Signed,
}

impl Way {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::V2,
        Self::V2Password,
        Self::V3,
        Self::V3Ipv6,
        Self::Unicast,
        Self::Vmac,
        Self::Signed,
    ];

    /// What it is called in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V2Password => "v2 password",
            Self::V3 => "v3 IPv4",
            Self::V3Ipv6 => "v3 IPv6",
            Self::Unicast => "unicast",
            Self::Vmac => "vmac",
            Self::Signed => "auth_hmac",
        }
    }

    /// The address that the election is about.
    #[must_use]
    pub fn address(self) -> IpAddr {
        if self == Self::V3Ipv6 {
            VIRTUAL6.into()
        } else {
            VIRTUAL.into()
        }
    }

    /// The version on the wire.
    #[must_use]
    pub fn version(self) -> u8 {
        if matches!(self, Self::V2 | Self::V2Password) {
            2
        } else {
            3
        }
    }

    /// The advertisement interval.
    #[must_use]
    pub fn interval(self) -> Duration {
        let whole = Centis::ONE_SECOND.span();
        if self.version() == 2 {
            whole
        } else {
            whole / 10
        }
    }
}

impl Make {
    /// What it is called in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vip => "vip",
            Self::Keepalived => "keepalived",
            Self::Frr => "FRR",
        }
    }

    /// Why it cannot speak so, if it cannot.
    #[must_use]
    pub fn impossible(self, way: Way) -> Option<String> {
        match (self, way) {
            (Self::Frr, Way::V2Password) => {
                Some("vrrpd has no authentication, it sends and takes type 0 only".into())
            }
            (Self::Frr, Way::Signed) => Some("vrrpd has no authentication".into()),
            (Self::Frr, Way::Unicast) => Some("vrrpd speaks to the group only".into()),
            (Self::Keepalived, Way::Signed) => unsigned(&keepalived_says()),
            _ => None,
        }
    }

    /// Makes a host ready for it; once, before the first start.
    ///
    /// # Errors
    /// When an interface cannot be made.
    pub fn prepare(self, host: &Host, way: Way) -> Result<(), LabError> {
        match self {
            Self::Frr => frr::prepare(host, way),
            Self::Vip | Self::Keepalived => Ok(()),
        }
    }

    /// Starts it on a host and waits until it takes part.
    ///
    /// # Errors
    /// With its last words when it does not.
    pub fn start(
        self,
        host: &Host,
        program: &Path,
        wish: &Wish<'_>,
    ) -> Result<Participant, LabError> {
        let (process, helper, ready) = match self {
            Self::Vip => {
                let process = vip(host, program, &wish.written(host))?;
                (process, None, " is up: ")
            }
            Self::Keepalived => {
                let process = keepalived(host, &wish.written(host))?;
                (process, None, "Entering BACKUP STATE")
            }
            Self::Frr => {
                let (zebra, vrrpd) = frr::start(host, wish)?;
                (vrrpd, Some(zebra), "Initialize -> Backup")
            }
        };
        process
            .wait_for_line(ready, PATIENCE)
            .map_err(|error| LabError::TooLate {
                what: format!("{error}; it said: {}{}", process.stderr(), process.stdout()),
                bound: PATIENCE,
            })?;
        Ok(Participant { process, helper })
    }
}

/// Why a keepalived that says this of itself ([`keepalived_says`]) cannot sign, if
/// it cannot.
#[must_use]
pub fn unsigned(said: &str) -> Option<String> {
    let Some((parts, number)) = keepalived::version_of(said) else {
        return Some(format!(
            "{}: not a keepalived, it says `{said}`",
            keepalived_program().display()
        ));
    };
    (parts < vec![2, 4]).then(|| {
        format!(
            "not proven against a peer: keepalived {number} has no auth_hmac; name one from 2.4.0 on with --keepalived"
        )
    })
}

/// Starts `vip run` with this configuration on a host.
///
/// # Errors
/// When it cannot be started.
pub fn vip(host: &Host, program: &Path, configuration: &str) -> Result<Process, LabError> {
    host.write(FILE, configuration)?;
    let program = program.to_string_lossy();
    host.spawn([&*program, "run", "-f", FILE, "--runtime-dir", "/run/vip"])
}

/// What a router is to do.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// How it speaks.
    pub way: Way,
    /// Its priority.
    pub priority: u8,
    /// The other routers.
    pub peers: &'a [Host],
}

impl Wish<'_> {
    /// In the language that `vip` and keepalived share, for this host.
    #[must_use]
    pub fn written(&self, host: &Host) -> String {
        let Self { way, priority, .. } = *self;
        let mut lines = vec![
            format!("version {}", way.version()),
            "state BACKUP".to_owned(),
            "interface eth0".to_owned(),
            format!("virtual_router_id {VRID}"),
            format!("priority {priority}"),
            format!("advert_int {}", way.interval().as_secs_f64()),
        ];
        let mut block = |name: &str, inside: &[String]| {
            lines.push(format!("{name} {{"));
            lines.extend(inside.iter().map(|line| format!("    {line}")));
            lines.push("}".into());
        };
        match way {
            Way::V2Password => block(
                "authentication",
                &["auth_type PASS".into(), format!("auth_pass {PASSWORD}")],
            ),
            Way::Unicast => {
                let others = self.peers.iter().filter(|peer| peer.name() != host.name());
                let others: Vec<_> = others.map(|peer| peer.address().to_string()).collect();
                block("unicast_peer", &others);
            }
            Way::Signed => block(
                "auth_hmac",
                &[
                    "mode enforce".into(),
                    format!("key 1 {SECRET}"),
                    "active_key 1".into(),
                ],
            ),
            Way::V2 | Way::V3 | Way::V3Ipv6 | Way::Vmac => {}
        }
        let prefix = if way == Way::V3Ipv6 { 64 } else { 24 };
        block(
            "virtual_ipaddress",
            &[format!("{}/{prefix}", way.address())],
        );
        match way {
            Way::Unicast => lines.push(format!("unicast_src_ip {}", host.address())),
            Way::Vmac => lines.push("use_vmac".into()),
            Way::V2 | Way::V2Password | Way::V3 | Way::V3Ipv6 | Way::Signed => {}
        }
        let mut text = "vrrp_instance VI_1 {\n".to_owned();
        for line in lines {
            text.push_str("    ");
            text.push_str(&line);
            text.push('\n');
        }
        text + "}\n"
    }
}

/// A running router.
pub struct Participant {
    /// The one that speaks.
    pub process: Process,
    /// Without which it cannot move addresses.
    helper: Option<Process>,
}

impl Participant {
    /// As `kill -9` of all of it.
    pub fn kill(self) {
        self.process.signal(Signal::SIGKILL);
        if let Some(helper) = self.helper {
            helper.signal(Signal::SIGKILL);
        }
    }

    /// A planned leave, to its end.
    ///
    /// # Errors
    /// When it does not end, or badly.
    pub fn leave(self) -> Result<(), LabError> {
        self.process.signal(Signal::SIGTERM);
        let ended = self.process.wait(PATIENCE)?;
        if ended.code != Some(0) {
            return Err(LabError::Command {
                command: "a planned leave".into(),
                host: "it ran on".into(),
                said: format!("{} ({ended})", self.process.stderr()),
            });
        }
        Ok(())
    }
}
