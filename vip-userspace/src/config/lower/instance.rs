//! One `vrrp_instance`: its lines, then what follows from them.

use std::net::IpAddr;
use std::time::Duration;

use vip_common::ids::{Priority, Version, Vrid};

use super::super::Instance;
use super::super::diag::{Finding, Sink, quoted};
use super::super::keywords::{InstanceKey, Key, Status};
use super::super::lex::Token;
use super::super::lists::AddressLine;
use super::super::section::{Section, Setting, UNREADABLE};
use super::super::source::Span;
use super::super::value::Value;
use super::Around;
use super::company::{dialect, routes, rules};
use super::globals::{Globals, extra, group, repeat, version};
use super::reaction;

/// An instance as its lines say it, before defaults and corrections.
pub(super) struct Draft<'s> {
    pub(super) name: &'s Token,
    pub(super) section: &'s Section,
    pub(super) interface: Option<&'s Token>,
    pub(super) vrid: Option<(Vrid, Span)>,
    pub(super) addresses: Vec<&'s AddressLine>,
    pub(super) excluded: Vec<&'s AddressLine>,
    /// Why it must not run.
    pub(super) unusable: Option<String>,
    pub(super) master: Option<bool>,
    pub(super) version: Option<(Version, Span)>,
    pub(super) priority: Option<Priority>,
    pub(super) interval: Option<(u64, Span)>,
    pub(super) no_preempt: Option<Span>,
    pub(super) auth_type: Option<(&'static str, Span)>,
    pub(super) auth_pass: Option<&'s Token>,
    pub(super) source: Option<(IpAddr, Span)>,
    pub(super) group: Option<(IpAddr, Span)>,
    pub(super) down_timer_adverts: Option<(u8, Span)>,
    pub(super) strict: Option<bool>,
    pub(super) checksum_as_v2: Option<bool>,
    pub(super) without_addresses: bool,
    pub(super) garp_delay: Option<Duration>,
    pub(super) garp_repeat: Option<u8>,
    pub(super) garp_refresh: Option<Duration>,
    pub(super) garp_refresh_repeat: Option<u8>,
    /// The name that it gives to its interface with a virtual MAC.
    pub(super) vmac_name: Option<&'s Token>,
    pub(super) seen: Vec<InstanceKey>,
}

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
            vmac_name: None,
            seen: Vec::new(),
        };
        draft.tell_without_peers(sink);
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
            // Read by their names, where what they mean is known.
            InstanceKey::GarpLowerDelay
            | InstanceKey::GarpLowerRepeat
            | InstanceKey::GarpExtraIf
            | InstanceKey::PreemptDelay
            | InstanceKey::LowerPrioNoAdvert
            | InstanceKey::HigherPrioSendAdvert
            | InstanceKey::OwnerIgnoreAdverts
            | InstanceKey::AuthHmac
            | InstanceKey::UnicastPeer
            | InstanceKey::UnicastTtl
            | InstanceKey::UnicastFaultNoPeer
            | InstanceKey::CheckUnicastSrc
            | InstanceKey::OldUnicastChecksum
            | InstanceKey::TrackSrcIp
            | InstanceKey::TrackInterface
            | InstanceKey::DontTrackPrimary
            | InstanceKey::UseVmac
            | InstanceKey::VmacXmitBase
            | InstanceKey::Accept
            | InstanceKey::NoAccept
            | InstanceKey::PromoteSecondaries
            | InstanceKey::VirtualRoutes
            | InstanceKey::VirtualRules => {}
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

    /// Defaults and keepalived's corrections.
    pub(super) fn finish(
        mut self,
        globals: &Globals,
        around: &mut Around<'_>,
        sink: &mut Sink,
    ) -> Instance {
        let section = self.section;
        let at = self.name.span;
        let ipv6 = self.is_ipv6();
        let version = self.version(globals, sink);
        let strict = self.strict.unwrap_or(globals.strict);
        let unicast = self.unicast(strict, globals, sink);
        self.must_have(unicast.is_some(), sink);
        let interval = self.interval(version, sink);
        let hmac = self.hmac(interval, strict, around.files, sink);
        let auth = self.auth(version, strict, hmac.is_some(), sink);
        self.check_addresses(version, strict, unicast.is_some(), sink);
        if self.unusable.as_deref() == Some(UNREADABLE) {
            let name = quoted(&self.name.text);
            sink.add(Finding::warning(
                at,
                format!("instance {name} is FAULT: {UNREADABLE}"),
            ));
        }
        let vrid = self.vrid.map_or(PLACEHOLDER, |(vrid, _)| vrid);
        let vmac = self.vmac(vrid, strict, unicast.is_some(), globals, around, sink);
        let base = (vmac.is_some(), vrid);
        let addresses = self.virtual_addresses(&self.addresses, base, globals, around, sink);
        let excluded = self.virtual_addresses(&self.excluded, base, globals, around, sink);
        self.no_shared_vmac(vmac.as_ref(), [&addresses, &excluded], around, sink);
        let preempt = self.preempt(strict, sink);
        let down_timer_adverts = self.down_timer_adverts(strict, globals, sink);
        let priority = self.priority(strict, sink);
        let owner = priority == Priority::OWNER;
        let flag = |name| section.last(name).is_some();
        let as_v2 = self.checksum_as_v2.unwrap_or(globals.checksum_as_v2);
        let usual_group = if ipv6 {
            globals.group6.into()
        } else {
            globals.group4.into()
        };
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
            preempt,
            preempt_delay: self.preempt_delay(strict, preempt, owner, sink),
            lower_prio_no_advert: self.lower_prio_no_advert(strict, globals, sink),
            higher_prio_send_advert: self.higher_prio_send_advert(strict, globals, sink),
            owner_ignore_adverts: self.owner_ignore_adverts(strict, owner, globals, sink),
            auth,
            hmac,
            group: self.group.map_or(usual_group, |(group, _)| group),
            unicast,
            source: self.source.map(|(source, _)| source),
            track_source: flag("track_src_ip"),
            dialect: dialect(version, ipv6, as_v2),
            addresses,
            excluded,
            routes: routes(section.all("virtual_routes"), &around.resolver, sink),
            rules: rules(section.all("virtual_rules"), &around.resolver, sink),
            vmac,
            accept: self.accept(strict, version, owner, sink),
            promote_secondaries: flag("promote_secondaries"),
            track_interfaces: self.track_interfaces(owner, sink),
            trackers: self.trackers(owner, around, sink),
            dont_track_primary: flag("dont_track_primary"),
            notify: reaction::notify(section, around.priority_changes),
            garp: self.garp(strict, globals, sink),
            garp_extra_if: ["garp_extra_if", "vmac_garp_intvl"]
                .into_iter()
                .find_map(|name| extra(section, name))
                .or(globals.garp_extra_if)
                .filter(|extra| !extra.every.is_zero()),
            down_timer_adverts,
            unusable: self.unusable,
        }
    }

    /// What no instance can be without.
    fn must_have(&mut self, unicast: bool, sink: &mut Sink) {
        let name = quoted(&self.name.text);
        // Where the source lies is looked for then.
        let elsewhere = unicast && self.source.is_some();
        for (key, word, given) in [
            (
                InstanceKey::Interface,
                "interface",
                self.interface.is_some() || elsewhere,
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
                continue;
            }
            let message = format!("instance {name} has no `{word}`");
            let help = if unicast && key == InstanceKey::Interface {
                "name it, or the address of it in `unicast_src_ip`"
            } else {
                "keepalived does not start without one"
            };
            sink.add(Finding::error(self.name.span, message).help(help));
            self.never(format!("it has no `{word}`"));
        }
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
}

/// Stands where a file gives no VRID; such an instance is unusable.
const PLACEHOLDER: Vrid = match Vrid::new(1) {
    Some(vrid) => vrid,
    None => unreachable!(),
};
