//! One `vrrp_instance`: its lines, then what follows from them.

use std::net::Ipv4Addr;
use std::time::Duration;

use vip_common::election::Garp;
use vip_common::ids::{Priority, Version, Vrid};
use vip_common::time::Centis;
use vip_common::wire::vrrp::Auth;

use super::super::diag::{Finding, quoted};
use super::super::keywords::{AuthKey, Block, InstanceKey, Status};
use super::super::lex::Token;
use super::super::source::Span;
use super::super::tree::{Body, Statement};
use super::super::{Instance, VirtualAddress};
use super::address::{self, Line};
use super::value::{self, Value, decimal};
use super::{Globals, Lowering, Read, device_name, repeat};

/// An instance as its lines say it, before defaults and corrections.
pub(super) struct Draft {
    pub(super) name: Token,
    pub(super) interface: Option<Token>,
    pub(super) vrid: Option<(Vrid, Span)>,
    pub(super) addresses: Vec<(VirtualAddress, Span)>,
    pub(super) excluded: Vec<(VirtualAddress, Span)>,
    /// Why it must not run.
    unusable: Option<String>,
    master: Option<bool>,
    version: Option<Version>,
    priority: Option<Priority>,
    interval: Option<(u64, Span)>,
    no_preempt: Option<Span>,
    auth_type: Option<(&'static str, Span)>,
    auth_pass: Option<Token>,
    source: Option<Ipv4Addr>,
    group: Option<Ipv4Addr>,
    down_timer_adverts: Option<(u8, Span)>,
    strict: Option<bool>,
    checksum_as_v2: Option<bool>,
    without_addresses: bool,
    garp_delay: Option<Duration>,
    garp_repeat: Option<u8>,
    garp_refresh: Option<Duration>,
    garp_refresh_repeat: Option<u8>,
    seen: Vec<(InstanceKey, Span)>,
}

/// Addresses that one advert can carry (RFC 9568 section 5.2.5).
const MOST_ADVERTISED: usize = 255;
/// Bytes of a password (RFC 2338 section 5.3.10).
const LONGEST_PASSWORD: usize = 8;

impl Draft {
    /// Reads the lines of a block.
    pub(super) fn read(lowering: &mut Lowering<'_>, name: &Token, body: &Body) -> Self {
        let mut draft = Self {
            name: name.clone(),
            interface: None,
            vrid: None,
            addresses: Vec::new(),
            excluded: Vec::new(),
            unusable: None,
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
        for statement in &body.statements {
            match lowering.read(Block::Instance, statement) {
                Read::Mine(keyword, span) => {
                    if let Status::Instance(key) = keyword.status {
                        draft.once(lowering, key, keyword.name, span);
                        let value = value::read(keyword, statement, lowering.sink);
                        draft.set(lowering, key, value, statement, span);
                    }
                }
                Read::Unreadable => draft.never("a line of it cannot be read"),
                Read::Decides(reason) => draft.never(reason),
                Read::Done => {}
            }
        }
        draft
    }

    /// The instance must not run; the first reason stands.
    pub(super) fn never(&mut self, reason: impl Into<String>) {
        self.unusable.get_or_insert_with(|| reason.into());
    }

    /// Says when a line overrides an earlier one.
    fn once(&mut self, lowering: &mut Lowering<'_>, key: InstanceKey, name: &str, span: Span) {
        let adds_up = matches!(
            key,
            InstanceKey::State
                | InstanceKey::Authentication
                | InstanceKey::VirtualIpAddress
                | InstanceKey::VirtualIpAddressExcluded
        );
        match self.seen.iter_mut().find(|(seen, _)| *seen == key) {
            Some((_, first)) if !adds_up => {
                lowering.sink.add(
                    Finding::warning(
                        span,
                        format!("`{name}` is given again; the last one counts"),
                    )
                    .see(*first, "first given here"),
                );
                *first = span;
            }
            Some(_) => {}
            None => self.seen.push((key, span)),
        }
    }

    /// Takes one line in. `value` is `None` when it was refused.
    fn set(
        &mut self,
        lowering: &mut Lowering<'_>,
        key: InstanceKey,
        value: Option<Value<'_>>,
        statement: &Statement,
        span: Span,
    ) {
        let body = statement.block.as_ref();
        match key {
            InstanceKey::State => self.set_state(lowering, value, span),
            InstanceKey::Interface => {
                if let Some(token) = value.and_then(Value::word) {
                    self.set_interface(lowering, token);
                }
            }
            InstanceKey::VirtualRouterId => {
                let vrid = value
                    .and_then(Value::whole)
                    .and_then(|id| Vrid::new(u8::try_from(id).ok()?));
                self.vrid = vrid.map(|vrid| (vrid, span)).or(self.vrid);
            }
            InstanceKey::Version => self.version = value.and_then(version).or(self.version),
            InstanceKey::Priority => {
                let priority = value
                    .and_then(Value::whole)
                    .and_then(|p| Priority::new(u8::try_from(p).ok()?));
                self.priority = Some(priority.unwrap_or(Priority::DEFAULT));
            }
            InstanceKey::AdvertInt => {
                if let Some(micros) = value.and_then(Value::micros) {
                    self.interval = Some((micros, span));
                }
            }
            InstanceKey::Authentication => self.set_authentication(lowering, body),
            InstanceKey::VirtualIpAddress => {
                let addresses = self.read_addresses(lowering, body);
                self.addresses.extend(addresses);
            }
            InstanceKey::VirtualIpAddressExcluded => {
                let addresses = self.read_addresses(lowering, body);
                self.excluded.extend(addresses);
            }
            InstanceKey::NoVirtualIpAddress => self.without_addresses = true,
            InstanceKey::Preempt => self.no_preempt = None,
            InstanceKey::NoPreempt => self.no_preempt = Some(span),
            InstanceKey::SourceAddress => self.source = value.and_then(Value::ipv4).or(self.source),
            InstanceKey::McastDstIp => {
                self.group = value.and_then(|v| lowering.group(v, span)).or(self.group);
            }
            InstanceKey::DownTimerAdverts => {
                if let Some(adverts) = value
                    .and_then(Value::whole)
                    .and_then(|n| u8::try_from(n).ok())
                {
                    self.down_timer_adverts = Some((adverts, span));
                }
            }
            InstanceKey::StrictMode => self.strict = value.map(Value::is_on).or(self.strict),
            InstanceKey::ChecksumAsV2 => {
                self.checksum_as_v2 = value.map(Value::is_on).or(self.checksum_as_v2);
            }
            InstanceKey::GarpDelay => {
                self.garp_delay = value.and_then(duration).or(self.garp_delay)
            }
            InstanceKey::GarpRepeat => {
                self.garp_repeat = value
                    .and_then(|v| repeat(lowering.sink, v, span))
                    .or(self.garp_repeat);
            }
            InstanceKey::GarpRefresh => {
                self.garp_refresh = value.and_then(duration).or(self.garp_refresh);
            }
            InstanceKey::GarpRefreshRepeat => {
                self.garp_refresh_repeat = value
                    .and_then(|v| repeat(lowering.sink, v, span))
                    .or(self.garp_refresh_repeat);
            }
        }
    }

    fn set_state(&mut self, lowering: &mut Lowering<'_>, value: Option<Value<'_>>, span: Span) {
        let Some(word) = value.and_then(Value::choice) else {
            return;
        };
        let master = word == "MASTER";
        if self.master == Some(true) && !master {
            lowering.sink.add(Finding::warning(
                span,
                "`state BACKUP` after `state MASTER` is ignored, as in keepalived",
            ));
        } else {
            self.master = Some(master);
        }
    }

    fn set_interface(&mut self, lowering: &mut Lowering<'_>, token: &Token) {
        match device_name(&token.text) {
            Ok(()) => self.interface = Some(token.clone()),
            Err(why) => lowering.sink.add(Finding::error(
                token.span,
                format!("{} is not an interface name: {why}", quoted(&token.text)),
            )),
        }
    }

    fn set_authentication(&mut self, lowering: &mut Lowering<'_>, body: Option<&Body>) {
        for statement in body.iter().flat_map(|body| &body.statements) {
            match lowering.read(Block::Authentication, statement) {
                Read::Mine(keyword, _) => {
                    let value = value::read(keyword, statement, lowering.sink);
                    match (keyword.status, value) {
                        (Status::Auth(AuthKey::Type), Some(Value::Choice(word))) => {
                            self.auth_type = statement.span().map(|span| (word, span));
                        }
                        (Status::Auth(AuthKey::Password), Some(Value::Word(token))) => {
                            self.auth_pass = Some(token.clone());
                        }
                        _ => self.never("its authentication cannot be read"),
                    }
                }
                Read::Unreadable => self.never("its authentication cannot be read"),
                Read::Decides(reason) => self.never(reason),
                Read::Done => {}
            }
        }
    }

    fn read_addresses(
        &mut self,
        lowering: &mut Lowering<'_>,
        body: Option<&Body>,
    ) -> Vec<(VirtualAddress, Span)> {
        let mut addresses = Vec::new();
        for statement in body.iter().flat_map(|body| &body.statements) {
            match address::line(lowering, statement) {
                Line::Address(address, span) => addresses.push((address, span)),
                Line::Decides(reason) => self.never(reason),
                Line::Skipped => {}
            }
        }
        addresses
    }

    /// Defaults and keepalived's corrections.
    pub(super) fn finish(mut self, lowering: &mut Lowering<'_>, globals: &Globals) -> Instance {
        let version = self.version.or(globals.version).unwrap_or(Version::V2);
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
            if self.seen.iter().any(|(seen, _)| *seen == key) {
                self.never(format!("its `{word}` is not valid"));
            } else {
                lowering.sink.add(
                    Finding::error(at, format!("instance {name} has no `{word}`"))
                        .help("keepalived does not start without one"),
                );
                self.never(format!("it has no `{word}`"));
            }
        }
        if version == Version::V3 && self.checksum_as_v2.unwrap_or(globals.checksum_as_v2) {
            let reason = "the checksum of `v3_checksum_as_v2` is not built yet";
            lowering
                .sink
                .add(Finding::error(at, format!("instance {name}: {reason}")));
            self.never(reason);
        }
        let auth = self.auth(lowering, version, strict);
        let interval = self.interval(lowering, version);
        self.check_addresses(lowering, version, strict);
        if master && let Some(span) = self.no_preempt.take() {
            lowering.sink.add(
                Finding::warning(
                    span,
                    "`nopreempt` is ignored with `state MASTER`, as in keepalived",
                )
                .help("write `state BACKUP` on every node; who wins is decided by priority"),
            );
        }
        let down_timer_adverts = match self.down_timer_adverts {
            Some((adverts, span)) if strict && adverts != 3 => {
                lowering.sink.add(Finding::warning(
                    span,
                    "`down_timer_adverts` is 3 in strict mode, as in keepalived",
                ));
                3
            }
            given => given.map_or(globals.down_timer_adverts, |(adverts, _)| adverts),
        };
        let priority = self.priority.unwrap_or_else(|| {
            if master {
                lowering.sink.add(
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
        let garp = Garp {
            repeat: self.garp_repeat.unwrap_or(globals.garp.repeat),
            delay: self.garp_delay.unwrap_or(globals.garp.delay),
            refresh: match self.garp_refresh {
                Some(refresh) => Some(refresh).filter(|refresh| !refresh.is_zero()),
                None => globals.garp.refresh,
            },
            refresh_repeat: self
                .garp_refresh_repeat
                .unwrap_or(globals.garp.refresh_repeat),
        };
        let bare = |list: Vec<(VirtualAddress, Span)>| list.into_iter().map(|(a, _)| a).collect();
        Instance {
            place: lowering.sink.place(at),
            name: self.name.text.into(),
            interface: self
                .interface
                .map(|token| token.text.into())
                .unwrap_or_default(),
            vrid: self.vrid.map_or(PLACEHOLDER, |(vrid, _)| vrid),
            version,
            priority,
            interval,
            preempt: self.no_preempt.is_none(),
            auth,
            group: self.group.unwrap_or(globals.group),
            source: self.source,
            addresses: bare(self.addresses),
            excluded: bare(self.excluded),
            garp,
            down_timer_adverts,
            unusable: self.unusable,
        }
    }

    fn auth(&mut self, lowering: &mut Lowering<'_>, version: Version, strict: bool) -> Auth {
        let Some((word, span)) = self.auth_type else {
            if let Some(password) = &self.auth_pass {
                lowering.sink.add(
                    Finding::warning(password.span, "`auth_pass` without `auth_type` is ignored")
                        .help("add `auth_type PASS`, or remove it"),
                );
            }
            return Auth::None;
        };
        if version == Version::V3 {
            lowering.sink.add(
                Finding::warning(span, "VRRP version 3 has no authentication; it is ignored")
                    .help("remove the block, or set `version 2` on every node"),
            );
            return Auth::None;
        }
        if strict {
            lowering.sink.add(Finding::warning(
                span,
                "strict mode has no authentication; it is ignored, as in keepalived",
            ));
            return Auth::None;
        }
        if word == "AH" {
            let reason = "`auth_type AH` is not supported";
            lowering
                .sink
                .add(Finding::error(span, reason).help("use `auth_type PASS` on every node"));
            self.never(reason);
            return Auth::None;
        }
        let Some(token) = &self.auth_pass else {
            lowering.sink.add(
                Finding::error(span, "`auth_type PASS` without `auth_pass`; it is ignored")
                    .help("add `auth_pass` with a password of up to 8 bytes"),
            );
            return Auth::None;
        };
        let bytes = token.text.as_bytes();
        if bytes.len() > LONGEST_PASSWORD {
            lowering.sink.add(
                Finding::warning(
                    token.span,
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

    fn interval(&self, lowering: &mut Lowering<'_>, version: Version) -> Centis {
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
            lowering.sink.add(finding.help(format!(
                "VRRP version {} speaks in {speaks}, {most}",
                version.get()
            )));
        }
        interval
    }

    fn check_addresses(&mut self, lowering: &mut Lowering<'_>, version: Version, strict: bool) {
        let name = quoted(&self.name.text);
        let at = self.name.span;
        let mut seen: std::collections::HashMap<Ipv4Addr, Span> = std::collections::HashMap::new();
        for list in [&mut self.addresses, &mut self.excluded] {
            list.retain(
                |(address, span)| match seen.insert(address.address, *span) {
                    Some(first) => {
                        lowering.sink.add(
                            Finding::warning(
                                *span,
                                format!("{} stands here twice", address.address),
                            )
                            .see(first, "first given here"),
                        );
                        false
                    }
                    None => true,
                },
            );
        }
        if let Some((_, span)) = self.addresses.get(MOST_ADVERTISED) {
            let surplus = self.addresses.len() - MOST_ADVERTISED;
            lowering.sink.add(Finding::warning(
                *span,
                format!(
                    "an advert holds {MOST_ADVERTISED} addresses: from here on, {surplus} move with the others but are not advertised"
                ),
            ));
            let surplus = self.addresses.split_off(MOST_ADVERTISED);
            self.excluded.splice(0..0, surplus);
        }
        if self.addresses.is_empty() && self.unusable.is_none() && !self.without_addresses {
            if version == Version::V3 || strict {
                lowering.sink.add(
                    Finding::error(at, format!("instance {name} has no virtual address")).help(
                        "add one in `virtual_ipaddress { … }`; keepalived does not start without",
                    ),
                );
                self.never("it has no virtual address");
            } else {
                lowering.sink.add(Finding::warning(
                    at,
                    format!(
                        "instance {name} has no virtual address: it takes part and holds nothing"
                    ),
                ));
            }
        }
    }
}

/// Stands where a file gives no VRID; such an instance is unusable.
const PLACEHOLDER: Vrid = match Vrid::new(1) {
    Some(vrid) => vrid,
    None => unreachable!(),
};

/// The version of a value that the table has limited to 2 and 3.
pub(super) fn version(value: Value<'_>) -> Option<Version> {
    match value.whole()? {
        2 => Some(Version::V2),
        3 => Some(Version::V3),
        _ => None,
    }
}

pub(super) fn duration(value: Value<'_>) -> Option<Duration> {
    value.micros().map(Duration::from_micros)
}
