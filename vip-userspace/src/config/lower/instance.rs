//! One `vrrp_instance`: its lines, then what follows from them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use vip_common::election::Garp;
use vip_common::ids::{Priority, Version, Vrid};
use vip_common::time::Centis;
use vip_common::wire::vrrp::Auth;

use super::super::diag::{Finding, Sink, quoted};
use super::super::keywords::{AuthKey, InstanceKey, Key, Status};
use super::super::lex::Token;
use super::super::lists::AddressLine;
use super::super::lists::address::VmacName;
use super::super::section::{Section, Setting, UNREADABLE};
use super::super::source::Span;
use super::super::value::{Value, decimal};
use super::super::{Instance, VirtualAddress, Vmac};
use super::Around;
use super::company::{dialect, duration, given, routes, rules, switch, tracked, unicast};
use super::globals::{Globals, extra, group, repeat, version};
use super::hmac::hmac;
use super::vmac::{self, vmac};

/// An instance as its lines say it, before defaults and corrections.
pub(super) struct Draft<'s> {
    pub(super) name: &'s Token,
    section: &'s Section,
    pub(super) interface: Option<&'s Token>,
    pub(super) vrid: Option<(Vrid, Span)>,
    pub(super) addresses: Vec<&'s AddressLine>,
    pub(super) excluded: Vec<&'s AddressLine>,
    /// Why it must not run.
    unusable: Option<String>,
    master: Option<bool>,
    version: Option<(Version, Span)>,
    priority: Option<Priority>,
    interval: Option<(u64, Span)>,
    no_preempt: Option<Span>,
    auth_type: Option<(&'static str, Span)>,
    auth_pass: Option<&'s Token>,
    source: Option<(IpAddr, Span)>,
    group: Option<(IpAddr, Span)>,
    down_timer_adverts: Option<(u8, Span)>,
    strict: Option<bool>,
    checksum_as_v2: Option<bool>,
    without_addresses: bool,
    garp_delay: Option<Duration>,
    garp_repeat: Option<u8>,
    garp_refresh: Option<Duration>,
    garp_refresh_repeat: Option<u8>,
    seen: Vec<InstanceKey>,
}

/// Addresses that one advert can carry (RFC 9568 section 5.2.5).
const MOST_ADVERTISED: usize = 255;
/// IPv6 addresses that fit behind the headers into 1500 bytes.
const MOST_ADVERTISED_V6: usize = (1500 - 40 - 8) / 16;
/// Bytes of a password (RFC 2338 section 5.3.10).
const LONGEST_PASSWORD: usize = 8;

impl<'s> Draft<'s> {
    /// Takes the lines of a block in.
    pub(super) fn read(section: &'s Section, name: &'s Token, sink: &mut Sink) -> Self {
        let mut draft = Self {
            name,
            section,
            interface: None,
            vrid: None,
            addresses: Vec::new(),
            excluded: Vec::new(),
            unusable: section.never.clone(),
            master: None,
            version: None,
            priority: None,
            interval: None,
            no_preempt: None,
            auth_type: None,
            auth_pass: None,
            source: None,
            group: None,
            down_timer_adverts: None,
            strict: None,
            checksum_as_v2: None,
            without_addresses: false,
            garp_delay: None,
            garp_repeat: None,
            garp_refresh: None,
            garp_refresh_repeat: None,
            seen: Vec::new(),
        };
        if !speaks_to_peers(section) {
            tell_without_peers(section, sink);
            if section.last("unicast_fault_no_peer").is_some() {
                draft.never("it has no unicast peer (`unicast_fault_no_peer`)");
            }
        }
        for setting in &section.settings {
            if let Status::Does(Key::Instance(key)) = setting.keyword.status {
                draft.seen.push(key);
                draft.set(key, setting, sink);
            }
        }
        draft.one_family(sink);
        draft
    }

    /// The instance must not run; the first reason stands.
    pub(super) fn never(&mut self, reason: impl Into<String>) {
        self.unusable.get_or_insert_with(|| reason.into());
    }

    /// Whether it speaks IPv6: as its first address says.
    pub(super) fn is_ipv6(&self) -> bool {
        let first = self.addresses.first().map(|line| line.address);
        first
            .or(self.source.map(|(source, _)| source))
            .is_some_and(|address| address.is_ipv6())
    }

    /// Takes one line in.
    fn set(&mut self, key: InstanceKey, setting: &'s Setting, sink: &mut Sink) {
        let Setting { value, span, .. } = setting;
        let span = *span;
        match key {
            InstanceKey::State => self.set_state(value, span, sink),
            InstanceKey::Interface => self.interface = value.word().or(self.interface),
            InstanceKey::VirtualRouterId => {
                let vrid = value.whole().and_then(Vrid::new);
                self.vrid = vrid.map(|vrid| (vrid, span)).or(self.vrid);
            }
            InstanceKey::Version => {
                self.version = version(value).map(|v| (v, span)).or(self.version);
            }
            InstanceKey::Priority => {
                let priority = value.whole().and_then(Priority::new);
                self.priority = Some(priority.unwrap_or(Priority::DEFAULT));
            }
            InstanceKey::AdvertInt => {
                self.interval = value
                    .micros()
                    .map(|micros| (micros, span))
                    .or(self.interval);
            }
            InstanceKey::Authentication => self.set_authentication(value.section()),
            InstanceKey::VirtualIpAddress => self.addresses.extend(value.addresses()),
            InstanceKey::VirtualIpAddressExcluded => self.excluded.extend(value.addresses()),
            InstanceKey::NoVirtualIpAddress => self.without_addresses = true,
            InstanceKey::Preempt => self.no_preempt = None,
            InstanceKey::NoPreempt => self.no_preempt = Some(span),
            InstanceKey::SourceAddress => {
                self.source = value.address().map(|a| (a, span)).or(self.source);
            }
            InstanceKey::McastDstIp => {
                self.group = group(value, span, sink).map(|g| (g, span)).or(self.group);
            }
            InstanceKey::DownTimerAdverts => {
                let adverts = value.whole().map(|adverts| (adverts, span));
                self.down_timer_adverts = adverts.or(self.down_timer_adverts);
            }
            InstanceKey::StrictMode => self.strict = Some(value.is_on()),
            InstanceKey::ChecksumAsV2 => self.checksum_as_v2 = Some(value.is_on()),
            InstanceKey::GarpDelay => self.garp_delay = value.duration().or(self.garp_delay),
            InstanceKey::GarpRepeat => {
                self.garp_repeat = repeat(value, span, sink).or(self.garp_repeat);
            }
            InstanceKey::GarpRefresh => {
                self.garp_refresh = value.duration().or(self.garp_refresh);
            }
            InstanceKey::GarpRefreshRepeat => {
                self.garp_refresh_repeat = repeat(value, span, sink).or(self.garp_refresh_repeat);
            }
        }
    }

    fn set_state(&mut self, value: &Value, span: Span, sink: &mut Sink) {
        let Some(word) = value.choice() else {
            return;
        };
        let master = word == "MASTER";
        if self.master == Some(true) && !master {
            sink.add(Finding::warning(
                span,
                "`state BACKUP` after `state MASTER` is ignored, as in keepalived",
            ));
        } else {
            self.master = Some(master);
        }
    }

    fn set_authentication(&mut self, section: Option<&'s Section>) {
        for setting in section.iter().flat_map(|section| &section.settings) {
            match (setting.keyword.status, &setting.value) {
                (Status::Does(Key::Auth(AuthKey::Type)), Value::Choice(word)) => {
                    self.auth_type = Some((word, setting.span));
                }
                (Status::Does(Key::Auth(AuthKey::Password)), Value::Word(token)) => {
                    self.auth_pass = Some(token);
                }
                // keepalived runs without what it does not know.
                (Status::Does(Key::Auth(AuthKey::Type)), Value::Refused) => {}
                _ => self.never("its password cannot be read"),
            }
        }
    }

    /// Leaves out what is not of the instance's family.
    fn one_family(&mut self, sink: &mut Sink) {
        let ipv6 = self.is_ipv6();
        let (speaks, other) = if ipv6 {
            ("IPv6", "IPv4")
        } else {
            ("IPv4", "IPv6")
        };
        let first = self.addresses.first().map(|line| line.span);
        self.addresses.retain(|line| {
            let same = line.address.is_ipv6() == ipv6;
            if !same {
                let mut finding = Finding::error(
                    line.span,
                    format!("{} is {other}, but the instance's first address is {speaks}", line.address),
                );
                if let Some(first) = first {
                    finding = finding.see(first, "the first address is here");
                }
                sink.add(finding.help(
                    "it is left out, as in keepalived; write it in `virtual_ipaddress_excluded`, or in an instance of its own",
                ));
            }
            same
        });
        for given in [&mut self.source, &mut self.group] {
            if let Some((address, span)) = *given
                && address.is_ipv6() != ipv6
            {
                sink.add(
                    Finding::error(
                        span,
                        format!("{address} is {other}, but the instance speaks {speaks}"),
                    )
                    .help("the line is skipped"),
                );
                *given = None;
            }
        }
    }

    /// Defaults and keepalived's corrections.
    pub(super) fn finish(
        mut self,
        globals: &Globals,
        around: &mut Around<'_>,
        sink: &mut Sink,
    ) -> Instance {
        let version = self.version(globals, sink);
        let strict = self.strict.unwrap_or(globals.strict);
        let name = quoted(&self.name.text);
        let at = self.name.span;
        let master = self.master == Some(true);

        for (key, word, given) in [
            (
                InstanceKey::Interface,
                "interface",
                self.interface.is_some(),
            ),
            (
                InstanceKey::VirtualRouterId,
                "virtual_router_id",
                self.vrid.is_some(),
            ),
        ] {
            if given {
                continue;
            }
            if self.seen.contains(&key) {
                self.never(format!("its `{word}` is not valid"));
            } else {
                sink.add(
                    Finding::error(at, format!("instance {name} has no `{word}`"))
                        .help("keepalived does not start without one"),
                );
                self.never(format!("it has no `{word}`"));
            }
        }
        if version == Version::V3 && self.checksum_as_v2.unwrap_or(globals.checksum_as_v2) {
            let reason = "the checksum of `v3_checksum_as_v2` is not built yet";
            sink.add(Finding::warning(at, format!("instance {name}: {reason}")));
            self.never(reason);
        }
        let auth = self.auth(version, strict, sink);
        let interval = self.interval(version, sink);
        self.check_addresses(version, strict, sink);
        self.without_ipv6(sink);
        if self.unusable.as_deref() == Some(UNREADABLE) {
            sink.add(Finding::warning(
                at,
                format!("instance {name} is FAULT: {UNREADABLE}"),
            ));
        }
        let owner = self.priority == Some(Priority::OWNER);
        if (master || owner)
            && let Some(span) = self.no_preempt.take()
        {
            let (with, help) = if master {
                (
                    "`state MASTER`",
                    "write `state BACKUP` on every node; who wins is decided by priority",
                )
            } else {
                (
                    "priority 255",
                    "the owner of an address always takes it back; give a priority below 255",
                )
            };
            let message = format!("`nopreempt` is ignored with {with}, as in keepalived");
            sink.add(Finding::warning(span, message).help(help));
        }
        // Inherited or not, as in keepalived.
        let (mut down_timer_adverts, span) = self
            .down_timer_adverts
            .unwrap_or((globals.down_timer_adverts, at));
        if strict && down_timer_adverts != 3 {
            sink.add(Finding::warning(
                span,
                "`down_timer_adverts` is 3 in strict mode, as in keepalived",
            ));
            down_timer_adverts = 3;
        }
        if strict && self.priority == Some(Priority::OWNER) && self.master == Some(false) {
            sink.add(
                Finding::warning(
                    at,
                    format!("instance {name} has priority 255: in strict mode its state is MASTER"),
                )
                .help("write `state MASTER`, or a priority below 255"),
            );
        }
        let priority = self.priority.unwrap_or_else(|| {
            if master {
                sink.add(
                    Finding::warning(
                        at,
                        format!("instance {name} has `state MASTER` and no priority: it is 255, as in keepalived"),
                    )
                    .help("255 says that the address is this host's own; give a `priority` below it"),
                );
                Priority::OWNER
            } else {
                Priority::DEFAULT
            }
        });
        let repeat = self.garp_repeat.unwrap_or(globals.garp.repeat);
        let delay = self.garp_delay.unwrap_or(globals.garp.delay);
        let garp = Garp {
            repeat,
            delay,
            lower_prio_repeat: repeat,
            lower_prio_delay: delay,
            refresh: match self.garp_refresh {
                Some(refresh) => Some(refresh).filter(|refresh| !refresh.is_zero()),
                None => globals.garp.refresh,
            },
            refresh_repeat: self
                .garp_refresh_repeat
                .unwrap_or(globals.garp.refresh_repeat),
        };
        let ipv6 = self.is_ipv6();
        let usual_group = if ipv6 {
            globals.group6.into()
        } else {
            globals.group4.into()
        };
        let section = self.section;
        let vrid = self.vrid.map_or(PLACEHOLDER, |(vrid, _)| vrid);
        let hmac = match hmac(section, interval, strict, around.files, sink) {
            Ok(hmac) => hmac,
            Err(reason) => {
                self.never(reason);
                None
            }
        };
        let addresses = self.virtual_addresses(&self.addresses, vrid, globals, around);
        let excluded = self.virtual_addresses(&self.excluded, vrid, globals, around);
        let as_v2 = self.checksum_as_v2.unwrap_or(globals.checksum_as_v2);
        let switch = |name, otherwise: bool| switch(section, name).unwrap_or(otherwise);
        let flag = |name| section.last(name).is_some();
        Instance {
            place: sink.place(at),
            name: self.name.text.to_string(),
            interface: self
                .interface
                .map(|token| token.text.to_string())
                .unwrap_or_default(),
            vrid,
            version,
            priority,
            interval,
            preempt: self.no_preempt.is_none(),
            preempt_delay: duration(section, "preempt_delay").unwrap_or_default(),
            lower_prio_no_advert: switch(
                "lower_prio_no_advert",
                globals.lower_prio_no_advert.unwrap_or(strict),
            ),
            higher_prio_send_advert: switch(
                "higher_prio_send_advert",
                globals.higher_prio_send_advert,
            ),
            owner_ignore_adverts: switch("owner_ignore_adverts", globals.owner_ignore_adverts),
            auth,
            hmac,
            group: self.group.map_or(usual_group, |(group, _)| group),
            unicast: unicast(section, ipv6, globals),
            source: self.source.map(|(source, _)| source),
            track_source: flag("track_src_ip"),
            dialect: dialect(version, ipv6, as_v2),
            addresses,
            excluded,
            routes: routes(section.all("virtual_routes"), &around.resolver, sink),
            rules: rules(section.all("virtual_rules"), &around.resolver, sink),
            vmac: self.vmac(vrid, globals, around),
            accept: !flag("no_accept"),
            promote_secondaries: flag("promote_secondaries"),
            track_interfaces: tracked(section),
            dont_track_primary: flag("dont_track_primary"),
            garp,
            garp_extra_if: ["garp_extra_if", "vmac_garp_intvl"]
                .into_iter()
                .find_map(|name| extra(section, name))
                .or(globals.garp_extra_if)
                .filter(|extra| !extra.every.is_zero()),
            down_timer_adverts,
            unusable: self.unusable,
        }
    }

    /// Takes note of the names that it gives to interfaces.
    pub(super) fn note_vmacs(&self, names: &mut vmac::Names) {
        if let Some(Value::Vmac(line)) = given(self.section, "use_vmac") {
            line.name.iter().for_each(|name| names.note(name));
        }
        for line in self.addresses.iter().chain(&self.excluded) {
            if let Some(VmacName(Some(name))) = &line.use_vmac {
                names.note(name);
            }
        }
    }

    /// The addresses of a list, each with its own virtual MAC where it asks for one.
    fn virtual_addresses(
        &self,
        lines: &[&AddressLine],
        vrid: Vrid,
        globals: &Globals,
        around: &mut Around<'_>,
    ) -> Vec<VirtualAddress> {
        let address = |line: &&AddressLine| VirtualAddress {
            vmac: line.use_vmac.as_ref().map(|VmacName(name)| {
                let router = (line.address.is_ipv6(), vrid);
                vmac(None, name.as_ref(), router, globals, &mut around.vmacs)
            }),
            ..VirtualAddress::of(line)
        };
        lines.iter().map(address).collect()
    }

    fn vmac(&self, vrid: Vrid, globals: &Globals, around: &mut Around<'_>) -> Option<Vmac> {
        let Value::Vmac(line) = given(self.section, "use_vmac")? else {
            return None;
        };
        let router = (self.is_ipv6(), vrid);
        let name = line.name.as_ref();
        Some(Vmac {
            transmit_from_base: self.section.last("vmac_xmit_base").is_some(),
            ..vmac(Some(line), name, router, globals, &mut around.vmacs)
        })
    }

    fn version(&mut self, globals: &Globals, sink: &mut Sink) -> Version {
        if !self.is_ipv6() {
            let given = self.version.map(|(version, _)| version);
            return given.or(globals.version).unwrap_or(Version::V2);
        }
        if let Some((Version::V2, span)) = self.version {
            sink.add(
                Finding::warning(span, "IPv6 is spoken in version 3 only; it is 3")
                    .help("write `version 3` on every node"),
            );
        }
        Version::V3
    }

    /// Tells which addresses stand here twice. They stay: keepalived's adverts list
    /// them twice, and its backups refuse an advert with another list.
    fn tell_twice(&mut self, sink: &mut Sink) {
        let mut seen: HashMap<IpAddr, Span> = HashMap::new();
        for line in self.addresses.iter().chain(&self.excluded) {
            if let Some(first) = seen.insert(line.address, line.span) {
                sink.add(
                    Finding::warning(line.span, format!("{} stands here twice", line.address))
                        .see(first, "first given here")
                        .help("adverts list it twice, as keepalived's do; it is installed once"),
                );
            }
        }
    }

    /// What is not built yet and decides who holds the address.
    fn without_ipv6(&mut self, sink: &mut Sink) {
        let lines = self.addresses.iter().chain(&self.excluded);
        let first = lines.copied().find(|line| line.address.is_ipv6());
        let at = match (first, self.source) {
            (Some(line), _) => line.span,
            (None, Some((address, span))) if address.is_ipv6() => span,
            _ => return,
        };
        let reason = "IPv6 is not supported yet";
        sink.add(Finding::warning(at, reason).help("the instance is FAULT until then"));
        self.never(reason);
    }

    fn auth(&mut self, version: Version, strict: bool, sink: &mut Sink) -> Auth {
        let Some((word, span)) = self.auth_type else {
            if let Some(password) = &self.auth_pass {
                sink.add(
                    Finding::warning(password.span, "`auth_pass` without `auth_type` is ignored")
                        .help("add `auth_type PASS`, or remove it"),
                );
            }
            return Auth::None;
        };
        if version == Version::V3 {
            sink.add(
                Finding::warning(span, "VRRP version 3 has no authentication; it is ignored")
                    .help("remove the block, or set `version 2` on every node"),
            );
            return Auth::None;
        }
        if strict {
            sink.add(Finding::warning(
                span,
                "strict mode has no authentication; it is ignored, as in keepalived",
            ));
            return Auth::None;
        }
        if word == "AH" {
            let reason = "`auth_type AH` is not supported";
            sink.add(
                Finding::warning(span, reason)
                    .help("the instance is FAULT; use `auth_type PASS` on every node"),
            );
            self.never(reason);
            return Auth::None;
        }
        let Some(token) = &self.auth_pass else {
            sink.add(
                Finding::error(span, "`auth_type PASS` without `auth_pass`; it is ignored")
                    .help("add `auth_pass` with a password of up to 8 bytes"),
            );
            return Auth::None;
        };
        if !token.quoted
            && let Some(mark @ ('#' | '!')) = sink.sources.after(token.span)
        {
            sink.add(
                Finding::warning(
                    token.span,
                    format!("the password ends before `{mark}`, which begins a comment"),
                )
                .help("put a blank before a comment, and a password with `#` or `!` in quotes"),
            );
        }
        let bytes = token.text.as_bytes();
        if bytes.len() > LONGEST_PASSWORD {
            // Where it is used; the definition that it may come from is not shown.
            let used = sink.sources.uses_of(token.span).last();
            sink.add(
                Finding::warning(
                    used.map_or(token.span, |(at, _)| at),
                    format!(
                        "the password has {} bytes; only the first 8 count",
                        bytes.len()
                    ),
                )
                .help("the protocol carries 8 bytes, in clear text"),
            );
        }
        let mut password = [0; LONGEST_PASSWORD];
        for (to, from) in password.iter_mut().zip(bytes) {
            *to = *from;
        }
        Auth::Password(password)
    }

    fn interval(&self, version: Version, sink: &mut Sink) -> Centis {
        let Some((micros, span)) = self.interval else {
            return Centis::ONE_SECOND;
        };
        let centis = match version {
            Version::V2 => ((micros + 500_000) / 1_000_000).max(1) * 100,
            Version::V3 => ((micros + 5_000) / 10_000).max(1),
        };
        let interval = u16::try_from(centis)
            .ok()
            .and_then(Centis::new)
            .unwrap_or(Centis::V2_MAX);
        let interval = match version {
            Version::V2 => interval,
            Version::V3 => interval.min(Centis::V3_MAX),
        };
        if u64::from(interval.get()) * 10_000 != micros {
            let (speaks, most) = match version {
                Version::V2 => ("whole seconds", "1 to 255 s"),
                Version::V3 => ("steps of 10 ms", "0.01 to 40.95 s"),
            };
            let finding = Finding::warning(
                span,
                format!("an interval of {} s becomes {interval}", decimal(micros)),
            );
            sink.add(finding.help(format!(
                "VRRP version {} speaks in {speaks}, {most}",
                version.get()
            )));
        }
        interval
    }

    fn check_addresses(&mut self, version: Version, strict: bool, sink: &mut Sink) {
        let name = quoted(&self.name.text);
        let at = self.name.span;
        self.tell_twice(sink);
        let most = if self.is_ipv6() {
            MOST_ADVERTISED_V6
        } else {
            MOST_ADVERTISED
        };
        if let Some(line) = self.addresses.get(most) {
            let surplus = self.addresses.len() - most;
            sink.add(Finding::warning(
                line.span,
                format!(
                    "an advert holds {most} addresses: from here on, {surplus} move with the others but are not advertised"
                ),
            ));
            let surplus = self.addresses.split_off(most);
            self.excluded.splice(0..0, surplus);
        }
        if self.addresses.is_empty() && self.unusable.is_none() && !self.without_addresses {
            if version == Version::V3 || strict {
                sink.add(
                    Finding::error(at, format!("instance {name} has no virtual address")).help(
                        "add one in `virtual_ipaddress { … }`; keepalived does not start without",
                    ),
                );
                self.never("it has no virtual address");
            } else {
                sink.add(Finding::warning(
                    at,
                    format!(
                        "instance {name} has no virtual address: it takes part and holds nothing"
                    ),
                ));
            }
        }
    }
}

fn speaks_to_peers(section: &Section) -> bool {
    let given =
        |setting: &Setting| !matches!(&setting.value, Value::Peers(peers) if peers.is_empty());
    section.all("unicast_peer").any(given)
}

/// Tells what says something about peers where there are none: such an instance
/// speaks to its group, as in keepalived.
fn tell_without_peers(section: &Section, sink: &mut Sink) {
    for name in ["unicast_src_ip", "old_unicast_checksum"] {
        if let Some(setting) = section.last(name) {
            sink.add(
                Finding::warning(
                    setting.span,
                    format!("`{name}` without `unicast_peer`: adverts go to the group"),
                )
                .help("list the other nodes in `unicast_peer { … }`, or write `mcast_src_ip`"),
            );
        }
    }
}

/// Stands where a file gives no VRID; such an instance is unusable.
const PLACEHOLDER: Vrid = match Vrid::new(1) {
    Some(vrid) => vrid,
    None => unreachable!(),
};
