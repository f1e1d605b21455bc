//! What `global_defs` says for all instances.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use vip_common::election::Garp;
use vip_common::ids::Version;

use super::super::diag::{Finding, Sink};
use super::super::estate::ExtraGarp;
use super::super::keywords::{GlobalKey, Key, Status};
use super::super::section::{Section, Setting};
use super::super::source::Span;
use super::super::value::Value;
use super::company::{duration, given, switch};

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
    /// Rounds after a lower priority was heard, and when they come again.
    garp_lower: (Option<u8>, Option<Duration>),
    pub(super) garp_extra_if: Option<ExtraGarp>,
    pub(super) garp_interval: Duration,
    pub(super) gna_interval: Duration,
    pub(super) check_unicast_src: bool,
    pub(super) owner_ignore_adverts: Option<bool>,
    pub(super) lower_prio_no_advert: Option<bool>,
    pub(super) higher_prio_send_advert: bool,
    pub(super) cpu_affinity: Vec<usize>,
    pub(super) startup_delay: Duration,
    pub(super) delay_after_boot: Duration,
    pub(super) default_interface: Option<String>,
    pub(super) vmac_prefix: String,
    pub(super) vmac_addr_prefix: Option<String>,
    /// Where names of tables and so on stand: the host's own, then iproute2's.
    pub(super) names: [Option<PathBuf>; 2],
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
            garp_lower: (None, None),
            garp_extra_if: None,
            garp_interval: Duration::ZERO,
            gna_interval: Duration::ZERO,
            check_unicast_src: false,
            owner_ignore_adverts: None,
            lower_prio_no_advert: None,
            higher_prio_send_advert: false,
            cpu_affinity: Vec::new(),
            startup_delay: Duration::ZERO,
            delay_after_boot: Duration::ZERO,
            default_interface: None,
            vmac_prefix: "vrrp".into(),
            vmac_addr_prefix: None,
            names: [None, None],
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
        self.read_more(section);
    }

    /// When gratuitous ARP is sent where an instance does not say.
    pub(super) fn garp(&self) -> Garp {
        let (repeat, delay) = self.garp_lower;
        Garp {
            lower_prio_repeat: repeat.unwrap_or(self.garp.repeat),
            lower_prio_delay: delay.unwrap_or(self.garp.delay),
            ..self.garp
        }
    }

    fn read_more(&mut self, section: &Section) {
        let on = |name| switch(section, name);
        let time = |name| duration(section, name);
        let text = |name| Some(given(section, name)?.word()?.text.to_string());
        let set = |name, value: &mut bool| *value = on(name).unwrap_or(*value);
        set("vrrp_check_unicast_src", &mut self.check_unicast_src);
        set(
            "vrrp_higher_prio_send_advert",
            &mut self.higher_prio_send_advert,
        );
        let (repeat, delay) = &mut self.garp_lower;
        let asked = given(section, "vrrp_garp_lower_prio_repeat").and_then(rounds);
        *repeat = asked.or(*repeat);
        *delay = time("vrrp_garp_lower_prio_delay").or(*delay);
        self.owner_ignore_adverts = on("vrrp_owner_ignore_adverts").or(self.owner_ignore_adverts);
        self.lower_prio_no_advert = on("vrrp_lower_prio_no_advert").or(self.lower_prio_no_advert);
        let set = |name, value: &mut Duration| *value = time(name).unwrap_or(*value);
        set("vrrp_startup_delay", &mut self.startup_delay);
        set("vrrp_delay_after_boot", &mut self.delay_after_boot);
        set("vrrp_garp_interval", &mut self.garp_interval);
        set("vrrp_gna_interval", &mut self.gna_interval);
        for name in ["vrrp_vmac_garp_intvl", "vrrp_garp_extra_if"] {
            self.garp_extra_if = extra(section, name).or(self.garp_extra_if);
        }
        if let Some(Value::Words(words)) = given(section, "vrrp_cpu_affinity") {
            let numbers = words.iter().filter_map(|word| word.text.parse().ok());
            self.cpu_affinity = numbers.collect();
        }
        self.default_interface = text("default_interface").or(self.default_interface.take());
        if let Some(prefix) = text("vmac_prefix") {
            self.vmac_prefix = prefix;
        }
        self.vmac_addr_prefix = text("vmac_addr_prefix").or(self.vmac_addr_prefix.take());
        for (index, name) in ["iproute_etc_dir", "iproute_usr_dir"]
            .into_iter()
            .enumerate()
        {
            if let Some(path) = text(name) {
                self.names[index] = Some(path.into());
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
            GlobalKey::Strict => self.strict = value.is_on(),
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
            // Read by their names.
            GlobalKey::CpuAffinity
            | GlobalKey::GarpLowerDelay
            | GlobalKey::GarpLowerRepeat
            | GlobalKey::GarpInterval
            | GlobalKey::GnaInterval
            | GlobalKey::GarpExtraIf
            | GlobalKey::LowerPrioNoAdvert
            | GlobalKey::HigherPrioSendAdvert
            | GlobalKey::OwnerIgnoreAdverts
            | GlobalKey::CheckUnicastSrc
            | GlobalKey::StartupDelay
            | GlobalKey::DelayAfterBoot
            | GlobalKey::DefaultInterface
            | GlobalKey::VmacPrefix
            | GlobalKey::VmacAddrPrefix
            | GlobalKey::IprouteUsrDir
            | GlobalKey::IprouteEtcDir => {}
            GlobalKey::MinGarp => {
                if value.is_on() {
                    self.garp = Garp {
                        repeat: 1,
                        delay: Duration::ZERO,
                        refresh: None,
                        refresh_repeat: 1,
                        ..self.garp
                    };
                }
            }
        }
    }
}

/// `[all] SECONDS` behind `garp_extra_if`; `None` where it is not given.
pub(super) fn extra(section: &Section, name: &str) -> Option<ExtraGarp> {
    let Value::Words(words) = given(section, name)? else {
        return None;
    };
    let seconds = words.iter().find_map(|word| word.text.parse().ok())?;
    Some(ExtraGarp {
        every: Duration::from_secs(seconds),
        all: words.first().is_some_and(|word| &*word.text == "all"),
    })
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

/// A number of rounds that may be none.
pub(super) fn rounds(value: &Value) -> Option<u8> {
    let asked = value.whole::<u64>()?;
    Some(u8::try_from(asked).unwrap_or(u8::MAX))
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
