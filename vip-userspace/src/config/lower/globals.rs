//! What `global_defs` says for all instances.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vip_common::election::Garp;
use vip_common::ids::Version;

use super::super::diag::{Finding, Sink};
use super::super::keywords::{GlobalKey, Key, Status};
use super::super::section::{Section, Setting};
use super::super::source::Span;
use super::super::value::Value;

/// Defaults of all instances.
pub(super) struct Globals {
    pub(super) router_id: Option<String>,
    pub(super) version: Option<Version>,
    pub(super) group4: Ipv4Addr,
    pub(super) group6: Ipv6Addr,
    pub(super) down_timer_adverts: u8,
    pub(super) strict: bool,
    pub(super) checksum_as_v2: bool,
    pub(super) garp: Garp,
}

/// Where adverts go (RFC 9568 section 5.1.1.2).
const GROUP4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The same for IPv6 (RFC 9568 section 5.1.2.2).
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

impl Default for Globals {
    fn default() -> Self {
        Self {
            router_id: None,
            version: None,
            group4: GROUP4,
            group6: GROUP6,
            down_timer_adverts: 3,
            strict: false,
            checksum_as_v2: false,
            garp: Garp::default(),
        }
    }
}

impl Globals {
    /// Takes the lines of one block in.
    pub(super) fn read(&mut self, section: &Section, sink: &mut Sink) {
        for setting in &section.settings {
            if let Status::Does(Key::Global(key)) = setting.keyword.status
                && setting.value != Value::Refused
            {
                self.set(key, setting, sink);
            }
        }
    }

    fn set(&mut self, key: GlobalKey, setting: &Setting, sink: &mut Sink) {
        let Setting { value, span, .. } = setting;
        match key {
            GlobalKey::RouterId => {
                self.router_id = value.word().map(|token| token.text.to_string());
            }
            GlobalKey::Version => self.version = version(value).or(self.version),
            GlobalKey::McastGroup4 => {
                if let Some(IpAddr::V4(group)) = group(value, *span, sink) {
                    self.group4 = group;
                }
            }
            GlobalKey::McastGroup6 => {
                if let Some(IpAddr::V6(group)) = group(value, *span, sink) {
                    self.group6 = group;
                }
            }
            GlobalKey::DownTimerAdverts => {
                self.down_timer_adverts = value.whole().unwrap_or(self.down_timer_adverts);
            }
            GlobalKey::Strict => {
                self.strict = value.is_on();
                if self.strict {
                    sink.add(
                        Finding::warning(*span, "`vrrp_strict` is followed in part")
                            .help("authentication is ignored and addresses are required, as in keepalived; packets to the address are accepted, unlike there"),
                    );
                }
            }
            // keepalived takes any argument for "on".
            GlobalKey::ChecksumAsV2 => self.checksum_as_v2 = true,
            GlobalKey::GarpDelay => {
                self.garp.delay = value.duration().unwrap_or(self.garp.delay);
            }
            GlobalKey::GarpRepeat => {
                self.garp.repeat = repeat(value, *span, sink).unwrap_or(self.garp.repeat);
            }
            GlobalKey::GarpRefresh => {
                self.garp.refresh = value.duration().filter(|d| !d.is_zero());
            }
            GlobalKey::GarpRefreshRepeat => {
                self.garp.refresh_repeat =
                    repeat(value, *span, sink).unwrap_or(self.garp.refresh_repeat);
            }
            GlobalKey::MinGarp => {
                if value.is_on() {
                    self.garp = Garp {
                        repeat: 1,
                        delay: Duration::ZERO,
                        refresh: None,
                        refresh_repeat: 1,
                    };
                }
            }
        }
    }
}

/// The version of a value that the table has limited to 2 and 3.
pub(super) fn version(value: &Value) -> Option<Version> {
    match value.whole::<u8>()? {
        2 => Some(Version::V2),
        3 => Some(Version::V3),
        _ => None,
    }
}

/// A group to speak to.
pub(super) fn group(value: &Value, span: Span, sink: &mut Sink) -> Option<IpAddr> {
    let address = value.address()?;
    let usual: IpAddr = match address {
        IpAddr::V4(_) => GROUP4.into(),
        IpAddr::V6(_) => GROUP6.into(),
    };
    if !address.is_multicast() {
        sink.add(
            Finding::error(span, format!("{address} is not a multicast address"))
                .help(format!("the line is skipped; the usual group is {usual}")),
        );
        return None;
    }
    Some(address)
}

/// A number of gratuitous ARP rounds.
pub(super) fn repeat(value: &Value, span: Span, sink: &mut Sink) -> Option<u8> {
    let asked = value.whole::<u64>()?;
    let taken = u8::try_from(asked.max(1)).unwrap_or(u8::MAX);
    if u64::from(taken) != asked {
        sink.add(Finding::warning(
            span,
            format!("{asked} rounds become {taken}"),
        ));
    }
    Some(taken)
}
