//! One instance, with everything that it inherits or leaves to its default.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use vip_common::ids::{Priority, Version};
use vip_common::wire::vrrp::Auth;

use super::super::keywords::{Block, InstanceKey, Key, Status};
use super::super::tree::Statement;
use super::super::value::decimal;
use super::super::{Instance, VirtualAddress};
use super::{
    Entry, Maker, Origin, Standing, Word, arguments, as_written, is_unreadable, known, password,
    words,
};

/// What an instance has in any case, in the order in which it is told where the
/// file does not name it.
const ALWAYS: [InstanceKey; 14] = [
    InstanceKey::Interface,
    InstanceKey::VirtualRouterId,
    InstanceKey::Version,
    InstanceKey::Priority,
    InstanceKey::AdvertInt,
    InstanceKey::Preempt,
    InstanceKey::McastDstIp,
    InstanceKey::DownTimerAdverts,
    InstanceKey::GarpDelay,
    InstanceKey::GarpRepeat,
    InstanceKey::GarpRefresh,
    InstanceKey::GarpRefreshRepeat,
    InstanceKey::GarpLowerDelay,
    InstanceKey::GarpLowerRepeat,
];

/// What is told where `global_defs` says it and the instance does not.
const INHERITED: [InstanceKey; 5] = [
    InstanceKey::LowerPrioNoAdvert,
    InstanceKey::HigherPrioSendAdvert,
    InstanceKey::OwnerIgnoreAdverts,
    InstanceKey::CheckUnicastSrc,
    InstanceKey::GarpExtraIf,
];

/// The statements of one keyword in an instance, in the order of the file.
type Given<'s> = [&'s Statement];

/// One value, and what may say it.
pub(super) struct Subject<'k> {
    /// The keyword in the instance.
    pub(super) name: &'k str,
    /// The value that holds.
    pub(super) value: String,
    /// The keywords of `global_defs` that set it for all.
    pub(super) globals: &'k [&'static str],
    /// Where it comes from if nobody says it.
    pub(super) otherwise: Origin,
}

impl Maker<'_> {
    /// The block of an instance.
    pub(super) fn instance(&self, statement: &Statement, instance: &Instance) -> Entry {
        let mut entry = Entry::new(
            words(&statement.words[..2.min(statement.words.len())]),
            self.origin(statement),
        );
        entry.remark = instance
            .unusable
            .as_ref()
            .map(|why| format!("cannot run: {why}"));
        let statements = statement.block.iter().flat_map(|body| &body.statements);
        let mut given: HashMap<InstanceKey, Vec<&Statement>> = HashMap::new();
        let mut order = Vec::new();
        for statement in statements {
            let keyword = known(Block::Instance, statement);
            if let Some(Status::Does(Key::Instance(key))) = keyword.map(|keyword| keyword.status) {
                let key = one_for_both(key);
                let same = given.entry(key).or_default();
                if same.is_empty() {
                    order.push((Some(key), statement));
                }
                same.push(statement);
            } else {
                order.push((None, statement));
            }
        }
        let mut block = Vec::new();
        for (key, statement) in order {
            if let Some((key, statements)) = key.and_then(|key| Some((key, given.get(&key)?))) {
                self.setting(key, statements, instance, &given, &mut block);
            } else if let Some(keyword) = known(Block::Instance, statement) {
                block.push(self.verbatim(keyword, statement));
            } else if is_unreadable(statement) {
                block.push(self.unreadable(statement));
            }
        }
        let to_peers = instance.unicast.is_some();
        let unsaid = ALWAYS.into_iter().filter(|key| !given.contains_key(key));
        for key in unsaid.filter(|key| !(to_peers && *key == InstanceKey::McastDstIp)) {
            self.setting(key, &[], instance, &given, &mut block);
        }
        let unsaid = INHERITED.into_iter().filter(|key| !given.contains_key(key));
        for subject in unsaid.filter_map(|key| self.subject(key, instance)) {
            if self.inherited(subject.globals).is_some() {
                block.push(self.value(subject, &[]));
            }
        }
        if !given.contains_key(&InstanceKey::VirtualIpAddressExcluded) {
            self.setting(
                InstanceKey::VirtualIpAddressExcluded,
                &[],
                instance,
                &given,
                &mut block,
            );
        }
        entry.block = Some(block);
        entry
    }

    /// What holds of one keyword.
    fn setting(
        &self,
        key: InstanceKey,
        given: &Given<'_>,
        instance: &Instance,
        all: &HashMap<InstanceKey, Vec<&Statement>>,
        block: &mut Vec<Entry>,
    ) {
        let plain = |name, value: String| Subject {
            name,
            value,
            globals: &[],
            otherwise: Origin::Default,
        };
        let ipv6 = instance.is_ipv6();
        let garp = &instance.garp;
        let subject = match key {
            InstanceKey::State => {
                block.extend(self.state(given));
                return;
            }
            InstanceKey::Preempt | InstanceKey::NoPreempt => {
                block.push(self.preempt(given, instance));
                return;
            }
            InstanceKey::Authentication => {
                self.authentication(given, instance, block);
                return;
            }
            InstanceKey::VirtualIpAddress => {
                let name = "virtual_ipaddress";
                block.extend(self.addresses(name, given, instance, all));
                return;
            }
            InstanceKey::VirtualIpAddressExcluded => {
                let name = "virtual_ipaddress_excluded";
                block.extend(self.addresses(name, given, instance, all));
                return;
            }
            InstanceKey::NoVirtualIpAddress
            | InstanceKey::StrictMode
            | InstanceKey::ChecksumAsV2
            | InstanceKey::UnicastFaultNoPeer
            | InstanceKey::OldUnicastChecksum
            | InstanceKey::TrackSrcIp
            | InstanceKey::DontTrackPrimary
            | InstanceKey::VmacXmitBase
            | InstanceKey::PromoteSecondaries
            | InstanceKey::AuthHmac => {
                self.last_as_it_is(given, block);
                return;
            }
            InstanceKey::UseVmac => {
                self.last_as_it_is(given, block);
                if let (Some(vmac), Some(entry)) = (&instance.vmac, block.last_mut()) {
                    entry.remark = Some(format!("{} with {}", vmac.name, vmac.mac));
                }
                return;
            }
            // All of them count.
            InstanceKey::UnicastPeer
            | InstanceKey::TrackInterface
            | InstanceKey::VirtualRoutes
            | InstanceKey::VirtualRules => {
                self.as_it_is(given, block);
                return;
            }
            InstanceKey::Accept | InstanceKey::NoAccept => {
                block.extend(self.accept(given, instance));
                return;
            }
            InstanceKey::GarpLowerDelay
            | InstanceKey::GarpLowerRepeat
            | InstanceKey::GarpExtraIf
            | InstanceKey::PreemptDelay
            | InstanceKey::LowerPrioNoAdvert
            | InstanceKey::HigherPrioSendAdvert
            | InstanceKey::OwnerIgnoreAdverts
            | InstanceKey::UnicastTtl
            | InstanceKey::CheckUnicastSrc => {
                match self.subject(key, instance) {
                    Some(subject) => block.push(self.value(subject, given)),
                    None => self.last_as_it_is(given, block),
                }
                return;
            }
            InstanceKey::Interface if instance.interface.is_empty() => {
                self.as_it_is(given, block);
                return;
            }
            InstanceKey::Interface => plain("interface", instance.interface.clone()),
            // A placeholder stands where no line gives one.
            InstanceKey::VirtualRouterId
                if !given
                    .iter()
                    .any(|one| says(one, &instance.vrid.to_string())) =>
            {
                self.as_it_is(given, block);
                return;
            }
            InstanceKey::VirtualRouterId => plain("virtual_router_id", instance.vrid.to_string()),
            InstanceKey::Version => Subject {
                globals: &["vrrp_version"],
                otherwise: match (ipv6, instance.version) {
                    (true, Version::V3) => Origin::Follows("IPv6"),
                    _ => Origin::Default,
                },
                ..plain("version", instance.version.get().to_string())
            },
            InstanceKey::Priority => Subject {
                otherwise: if instance.priority == Priority::OWNER {
                    Origin::Follows("`state MASTER`")
                } else {
                    Origin::Default
                },
                ..plain("priority", instance.priority.to_string())
            },
            InstanceKey::AdvertInt => plain(
                "advert_int",
                decimal(u64::from(instance.interval.get()) * 10_000),
            ),
            InstanceKey::SourceAddress => match instance.source {
                Some(source) => plain("mcast_src_ip", source.to_string()),
                None => {
                    if instance.unusable.is_some() {
                        self.as_it_is(given, block);
                    }
                    return;
                }
            },
            InstanceKey::McastDstIp => Subject {
                globals: if ipv6 {
                    &["vrrp_mcast_group6"]
                } else {
                    &["vrrp_mcast_group4"]
                },
                ..plain("mcast_dst_ip", instance.group.to_string())
            },
            InstanceKey::DownTimerAdverts => Subject {
                globals: &["vrrp_down_timer_adverts"],
                ..plain(
                    "down_timer_adverts",
                    instance.down_timer_adverts.to_string(),
                )
            },
            InstanceKey::GarpDelay => Subject {
                globals: &["vrrp_garp_master_delay", "vrrp_min_garp"],
                ..plain("garp_master_delay", seconds(garp.delay))
            },
            InstanceKey::GarpRepeat => Subject {
                globals: &["vrrp_garp_master_repeat", "vrrp_min_garp"],
                ..plain("garp_master_repeat", garp.repeat.to_string())
            },
            InstanceKey::GarpRefresh => Subject {
                globals: &["vrrp_garp_master_refresh", "vrrp_min_garp"],
                ..plain(
                    "garp_master_refresh",
                    seconds(garp.refresh.unwrap_or_default()),
                )
            },
            InstanceKey::GarpRefreshRepeat => Subject {
                globals: &["vrrp_garp_master_refresh_repeat", "vrrp_min_garp"],
                ..plain(
                    "garp_master_refresh_repeat",
                    garp.refresh_repeat.to_string(),
                )
            },
        };
        block.push(self.value(subject, given));
    }

    /// A keyword with one value.
    pub(super) fn value(&self, subject: Subject<'_>, given: &Given<'_>) -> Entry {
        let Subject {
            name,
            value,
            globals,
            otherwise,
        } = subject;
        let said = given.iter().rev().find(|one| says(one, &value));
        let (said, mut as_given) = match (said, given.last()) {
            (Some(said), _) => (Some(said), None),
            (None, Some(last)) => (Some(last), Some(as_written(last))),
            (None, None) => (None, None),
        };
        let (name, origin) = match said {
            Some(said) => (
                said.head().map_or(name, |head| &head.text),
                self.origin(said),
            ),
            None => match self.inherited(globals) {
                Some((line, keyword)) => {
                    // `vrrp_min_garp` sets several values and names none.
                    if !says(line, &value) && keyword != "vrrp_min_garp" {
                        as_given = Some(as_written(line));
                    }
                    let place = line.span().map(|span| self.place(span));
                    let inherited = place.map(|place| Origin::Inherited(place, keyword));
                    (name, inherited.unwrap_or(otherwise))
                }
                None => (name, otherwise),
            },
        };
        let words = std::iter::once(name).chain(value.split(' '));
        let mut entry = Entry::new(words.map(Word::from).collect(), origin);
        entry.given = as_given;
        entry
    }

    /// The line of `global_defs` that sets it, if one does: the last of them.
    pub(super) fn inherited(&self, names: &[&'static str]) -> Option<(&Statement, &'static str)> {
        let lines = names
            .iter()
            .filter_map(|name| Some((self.globals.get(name)?, *name)));
        let ((_, line), name) = lines.max_by_key(|((number, _), _)| number)?;
        Some((line, name))
    }

    /// What cannot be read, as it was written: read again, it cannot either.
    fn as_it_is(&self, given: &Given<'_>, block: &mut Vec<Entry>) {
        block.extend(
            given
                .iter()
                .filter_map(|one| Some(self.verbatim(known(Block::Instance, one)?, one))),
        );
    }

    /// The last line, as it was written.
    fn last_as_it_is(&self, given: &Given<'_>, block: &mut Vec<Entry>) {
        let from = given.len().saturating_sub(1);
        self.as_it_is(given.get(from..).unwrap_or_default(), block);
    }

    /// `MASTER` stays, whatever comes behind it.
    fn state(&self, given: &Given<'_>) -> Option<Entry> {
        let master = given.iter().find(|one| says(one, "MASTER"));
        let counts = master.or_else(|| given.iter().rev().find(|one| says(one, "BACKUP")))?;
        Some(self.verbatim(known(Block::Instance, counts)?, counts))
    }

    fn preempt(&self, given: &Given<'_>, instance: &Instance) -> Entry {
        let name = if instance.preempt {
            "preempt"
        } else {
            "nopreempt"
        };
        let Some(last) = given.last() else {
            return Entry::new(vec![name.into()], Origin::Default);
        };
        let mut entry = Entry::new(vec![name.into()], self.origin(last));
        let written = last.head().map_or("", |head| &head.text);
        if written != name {
            entry.given = Some(written.to_owned());
        }
        entry
    }

    /// The password, as it goes into adverts.
    fn authentication(&self, given: &Given<'_>, instance: &Instance, block: &mut Vec<Entry>) {
        let mut entries = Vec::new();
        self.as_it_is(given, &mut entries);
        if instance.unusable.is_some() {
            // It may be why.
            block.append(&mut entries);
            return;
        }
        if instance.auth == Auth::None {
            for entry in &mut entries {
                entry.standing = Standing::Idle;
                entry.remark = Some("not in effect".into());
                entry.block = None;
            }
            block.append(&mut entries);
            return;
        }
        // What counts may stand in several blocks; the last one gets it all.
        let last_of = |name: &str| {
            let lines = entries.iter().filter_map(|entry| entry.block.as_ref());
            let mut found = None;
            for line in lines.flatten() {
                if line.words.first().is_some_and(|word| word.text == name) {
                    found = Some(line.clone());
                }
            }
            found
        };
        let inner: Vec<Entry> = ["auth_type", "auth_pass"]
            .into_iter()
            .filter_map(last_of)
            .map(|mut entry| {
                if entry.standing == Standing::Secret
                    && let [_, word, ..] = entry.words.as_mut_slice()
                    && let Some(counts) = password(instance.auth)
                    && counts != word.text
                {
                    entry.given = Some(format!("{} bytes", word.text.len()));
                    word.text = counts;
                }
                entry
            })
            .collect();
        if let Some(mut entry) = entries.pop() {
            entry.block = Some(inner);
            block.push(entry);
        }
    }

    /// The addresses of a list, each with the words behind it.
    fn addresses(
        &self,
        name: &str,
        given: &Given<'_>,
        instance: &Instance,
        all: &HashMap<InstanceKey, Vec<&Statement>>,
    ) -> Option<Entry> {
        let lists = [
            InstanceKey::VirtualIpAddress,
            InstanceKey::VirtualIpAddressExcluded,
        ];
        // One address may stand in several lines, of which each counts or only the
        // first.
        let mut written: HashMap<IpAddr, VecDeque<(&str, &Statement)>> = HashMap::new();
        for list in lists.into_iter().filter_map(|key| all.get(&key)).flatten() {
            let of = list.head().map_or("", |head| &head.text);
            for line in lines_of(list).filter(|line| self.is_address(line)) {
                if let Some((address, _)) = host(line) {
                    written.entry(address).or_default().push_back((of, line));
                }
            }
        }
        // Both lists hold theirs in the order in which they were written.
        let advertised = instance.addresses.len();
        let (skip, take) = if name == "virtual_ipaddress" {
            (0, advertised)
        } else {
            (advertised, instance.excluded.len())
        };
        let all: Vec<_> = instance
            .addresses
            .iter()
            .chain(&instance.excluded)
            .map(|address| {
                let lines = written.get_mut(&address.address);
                (address, lines.and_then(VecDeque::pop_front))
            })
            .collect();
        let mut lines: Vec<Entry> = all
            .into_iter()
            .skip(skip)
            .take(take)
            .map(|(address, line)| {
                let Some((list, line)) = line else {
                    let word = format!("{}/{}", address.address, address.prefix);
                    return Entry::new(vec![word.as_str().into()], Origin::Default);
                };
                let mut entry = self.address(address, line);
                if list != name {
                    entry.remark = Some(format!("given in {list}"));
                }
                entry
            })
            .collect();
        if instance.unusable.is_some() {
            // One of these may be why.
            let own = given.iter().flat_map(|list| lines_of(list));
            let unread = own.filter(|line| !self.is_address(line));
            lines.extend(unread.map(|line| self.line(line)));
        }
        let origin = match given.first() {
            Some(first) => self.origin(first),
            None if lines.is_empty() => return None,
            None => Origin::Default,
        };
        let mut entry = Entry::new(vec![name.into()], origin);
        entry.block = Some(lines);
        Some(entry)
    }

    fn is_address(&self, line: &Statement) -> bool {
        let head = line.head().filter(|_| !is_unreadable(line));
        head.is_some_and(|head| self.addresses.contains(head.span))
    }

    fn address(&self, address: &VirtualAddress, line: &Statement) -> Entry {
        let mut entry = self.line(line);
        let holds = format!("{}/{}", address.address, address.prefix);
        // With a peer the prefix is the peer's.
        let with_peer = entry.words.iter().any(|word| word.text == "peer");
        if let Some(word) = entry.words.first_mut()
            && !with_peer
            && word.text != holds
            && host(line) != Some((address.address, Some(address.prefix)))
        {
            entry.given = Some(std::mem::replace(&mut word.text, holds));
        }
        entry
    }
}

/// Two keywords that say one thing.
fn one_for_both(key: InstanceKey) -> InstanceKey {
    if key == InstanceKey::NoPreempt {
        InstanceKey::Preempt
    } else if key == InstanceKey::NoAccept {
        InstanceKey::Accept
    } else {
        key
    }
}

/// The lines of a list.
fn lines_of(list: &Statement) -> impl Iterator<Item = &Statement> {
    let lines = list.block.iter().flat_map(|body| &body.statements);
    lines.filter(|line| line.block.is_none())
}

/// The address at the head of a line, and its prefix if it is given.
fn host(line: &Statement) -> Option<(IpAddr, Option<u8>)> {
    let text = &line.head()?.text;
    match text.split_once('/') {
        Some((address, prefix)) => Some((address.parse().ok()?, prefix.parse().ok())),
        None => Some((text.parse().ok()?, None)),
    }
}

/// Whether a line gives its keyword this value.
fn says(statement: &Statement, value: &str) -> bool {
    if as_written(statement) == value {
        return true;
    }
    let [word] = arguments(statement) else {
        // A switch without a word is on.
        return arguments(statement).is_empty() && value == "on";
    };
    if value == "on" || value == "off" {
        let on = matches!(&*word.text, "on" | "true" | "yes");
        let off = matches!(&*word.text, "off" | "false" | "no");
        return if value == "on" { on } else { off };
    }
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    match (number(&word.text), number(value)) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-9,
        _ => {
            let address = |text: &str| text.parse::<IpAddr>().ok();
            address(value).is_some() && address(&word.text) == address(value)
        }
    }
}

pub(super) fn seconds(duration: Duration) -> String {
    decimal(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
