//! Every sender's adverts, what is missing of them, and where it went.
//!
//! Pure: it is told what was seen and what time it is, and gives what there is to tell.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use vip_common::ids::{Family, Priority, Version};
use vip_common::layout::trace::{CLAIMED_ADDRESSES, SightKind};
use vip_common::time::{Centis, MonoTime, active_down_interval};

use super::advert::Advert;
use super::daemon::Daemon;
use super::figures::{Figures, nanos, signed};
use super::habit::{Habit, Numbering, Steps};
use super::interfaces::Interface;
use super::kernel::{Kernel, meaning};
use super::news::{Direction, News, Passed, Place, What, Who, family_word};
use super::sight::Sight;

/// Senders that are followed at most: forged ones must not fill the memory.
const MOST_FLOWS: usize = 4096;
/// Virtual addresses whose claims are looked at, for the same reason.
const MOST_ADDRESSES: usize = CLAIMED_ADDRESSES as usize;
/// Numbers that are remembered as seen, of each sender.
const RECENT: usize = 16;
/// How long it is waited for what the daemon here says of a loss.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whose adverts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    /// The interface.
    pub ifindex: u32,
    /// IPv4 before IPv6.
    pub is_v6: bool,
    /// The virtual router.
    pub vrid: u8,
    /// Which way.
    pub direction: Direction,
    /// The sender.
    pub source: IpAddr,
}

impl Key {
    /// Whether both are of the same virtual router.
    fn is_rival(&self, other: &Self) -> bool {
        let router = |key: &Self| (key.ifindex, key.is_v6, key.vrid);
        router(self) == router(other) && self.source != other.source
    }
}

/// One sender.
#[derive(Debug)]
pub struct Flow {
    last: MonoTime,
    numbering: Numbering,
    /// What it last said.
    pub interval: Duration,
    /// What it last said.
    pub version: Version,
    /// What it last said.
    pub priority: Priority,
    /// It has left, or somebody has taken over from it: its silence means nothing.
    ended: bool,
    told_silent: bool,
    rival: Option<IpAddr>,
    recent: VecDeque<u16>,
    /// What was seen and told since the last good advert: adverts that came and are
    /// invalid, and those that were dropped before we look.
    invalid: u32,
    unseen: u32,
    /// Drops by an XDP program that nobody has named the rule of yet.
    by_xdp: u64,
    /// How many of its adverts had come when full sockets were last looked for.
    counted: u64,
    /// Harmless drops that were told once.
    told_harmless: BTreeSet<&'static str>,
    /// Its numbers.
    pub figures: Figures,
}

impl Flow {
    /// How it numbers its packets.
    #[must_use]
    pub const fn habit(&self) -> Habit {
        self.numbering.habit()
    }

    fn remember(&mut self, ident: Option<u16>) {
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.extend(ident);
    }
}

/// A loss whose place the daemon here may know better.
#[derive(Debug)]
struct Pending {
    key: Key,
    stamp: MonoTime,
    count: u32,
    gap: Duration,
}

/// Everything that was seen.
pub struct Book {
    kernel: Kernel,
    /// The priority of the backup whose deadline counts.
    priority: Priority,
    interfaces: BTreeMap<u32, Interface>,
    flows: BTreeMap<Key, Flow>,
    pending: Vec<Pending>,
    daemon: Option<Daemon>,
    /// Refusals that no loss was explained by yet.
    refusals: BTreeMap<Key, Vec<Refusal>>,
    /// Whether any other program of this host has a raw socket for VRRP.
    has_listener: bool,
    addresses: BTreeSet<IpAddr>,
    new_addresses: Vec<IpAddr>,
    unfollowed: u64,
}

#[derive(Debug)]
struct Refusal {
    left: u64,
    since: MonoTime,
}

impl Book {
    /// Nothing was seen. `priority` is of the backup whose deadline counts; the worst
    /// case is [`Book::WORST`].
    #[must_use]
    pub fn new(kernel: Kernel, priority: Priority) -> Self {
        Self {
            kernel,
            priority,
            interfaces: BTreeMap::new(),
            flows: BTreeMap::new(),
            pending: Vec::new(),
            daemon: None,
            refusals: BTreeMap::new(),
            has_listener: false,
            addresses: BTreeSet::new(),
            new_addresses: Vec::new(),
            unfollowed: 0,
        }
    }

    /// The priority of the backup that waits least: it has the shortest skew time.
    pub const WORST: Priority = Priority::from_wire(254);

    /// How the interfaces are now.
    pub fn note_interfaces(&mut self, interfaces: &[Interface]) {
        let by_index = interfaces.iter().map(|one| (one.index, one.clone()));
        // The names of those that have gone are still needed.
        for one in self.interfaces.values_mut() {
            one.running = false;
        }
        self.interfaces.extend(by_index);
    }

    /// Whether another program of this host has a raw socket for VRRP.
    pub const fn note_listener(&mut self, has_listener: bool) {
        self.has_listener = has_listener;
    }

    /// The virtual addresses that were not known at the last call.
    pub fn take_new_addresses(&mut self) -> Vec<IpAddr> {
        std::mem::take(&mut self.new_addresses)
    }

    /// The senders.
    pub fn flows(&self) -> impl Iterator<Item = (Who, &Flow)> + '_ {
        self.flows.iter().map(|(key, flow)| (self.who(key), flow))
    }

    /// Adverts of senders that were too many to follow.
    #[must_use]
    pub const fn unfollowed(&self) -> u64 {
        self.unfollowed
    }

    /// The name of an interface.
    #[must_use]
    pub fn name(&self, ifindex: u32) -> String {
        let known = self.interfaces.get(&ifindex);
        known.map_or_else(|| format!("#{ifindex}"), |one| one.name.clone())
    }

    fn who(&self, key: &Key) -> Who {
        Who {
            interface: self.name(key.ifindex),
            direction: key.direction,
            family: family_word(if key.is_v6 { Family::V6 } else { Family::V4 }),
            vrid: key.vrid,
            source: key.source,
        }
    }

    fn news(&self, stamp: MonoTime, key: &Key, what: What) -> News {
        News {
            stamp_ns: stamp.as_nanos(),
            who: self.who(key),
            what,
        }
    }

    fn key(advert: &Advert, ifindex: u32, direction: Direction) -> Key {
        Key {
            ifindex,
            is_v6: advert.family() == Family::V6,
            vrid: advert.vrid.get(),
            direction,
            source: advert.source,
        }
    }

    /// An advert was seen somewhere; what is none is nothing.
    pub fn see(&mut self, sight: &Sight, advert: &Advert) -> Vec<News> {
        let direction = match sight.kind {
            SightKind::In => Direction::In,
            SightKind::Out | SightKind::Direct => Direction::Out,
            SightKind::Dropped => return self.dropped(sight, advert),
        };
        let key = Self::key(advert, sight.ifindex, direction);
        if !self.flows.contains_key(&key) && self.flows.len() >= MOST_FLOWS {
            self.unfollowed += 1;
            return Vec::new();
        }
        let mut news = self.passed(sight.stamp, key, advert);
        news.extend(self.two_masters(sight.stamp, &key));
        news
    }

    fn passed(&mut self, stamp: MonoTime, key: Key, advert: &Advert) -> Vec<News> {
        let version = advert.known_version().unwrap_or(Version::V3);
        let is_new = !self.flows.contains_key(&key);
        let flow = self.flows.entry(key).or_insert_with(|| Flow {
            last: stamp,
            numbering: Numbering::new(advert.ident),
            interval: advert.span(),
            version,
            priority: advert.priority,
            ended: true,
            told_silent: false,
            rival: None,
            recent: VecDeque::with_capacity(RECENT),
            invalid: 0,
            unseen: 0,
            by_xdp: 0,
            counted: 0,
            told_harmless: BTreeSet::new(),
            figures: Figures::default(),
        });
        let mut passed = Passed {
            version: advert.version,
            priority: advert.priority.get(),
            ident: advert.ident,
            ttl: advert.ttl,
            interval_ns: advert.interval.map(|interval| nanos(interval.span())),
            gap_ns: None,
            late_ns: None,
            addresses: advert.addresses.clone(),
            invalid: advert.verdict.err().map(|reason| reason.label()),
            again: false,
        };
        let gap = stamp.since(flow.last);
        let interval = flow.interval;
        let due = intervals(gap, interval);
        let was_live = !is_new && !flow.ended;
        let in_time = gap < interval + interval / 2 && flow.invalid == 0 && flow.unseen == 0;
        let steps = if is_new {
            Steps::Unknown(Habit::Learning)
        } else {
            let most = due.saturating_mul(2).saturating_add(64);
            flow.numbering.note(advert.ident, in_time, most)
        };
        flow.remember(advert.ident);
        if !is_new {
            passed.gap_ns = Some(nanos(gap));
            passed.late_ns = Some(signed(gap) - signed(interval));
        }

        if let Err(reason) = advert.verdict {
            flow.invalid += 1;
            let place = Place::Invalid {
                check: reason.label(),
                words: reason.words(),
            };
            flow.figures.lose(place.label(), 1);
            let ident = advert.ident;
            return vec![
                self.news(stamp, &key, What::Advert(passed)),
                self.news(
                    stamp,
                    &key,
                    What::Lost {
                        count: 1,
                        ident,
                        place,
                    },
                ),
            ];
        }
        if steps == Steps::Again && gap < interval / 2 {
            passed.again = true;
            return vec![self.news(stamp, &key, What::Advert(passed))];
        }

        let accounted = flow.invalid + flow.unseen;
        (flow.invalid, flow.unseen) = (0, 0);
        flow.figures.adverts += 1;
        flow.last = stamp;
        flow.told_silent = false;
        flow.interval = advert.span();
        flow.version = version;
        flow.priority = advert.priority;
        flow.ended = advert.priority.is_resign();
        let resigned = advert.priority.is_resign();
        for address in &advert.addresses {
            if self.addresses.len() < MOST_ADDRESSES && self.addresses.insert(*address) {
                self.new_addresses.push(*address);
            }
        }

        // It leaves at once, whenever its next one would have been due.
        let found = if was_live && !resigned {
            missing(&key, steps, gap, interval, accounted)
        } else {
            Vec::new()
        };
        if was_live && !resigned {
            let deadline = deadline(flow.version, self.priority, interval);
            let marked = !found.is_empty() || accounted > 0;
            flow.figures.add_gap(stamp, gap, interval, marked);
            flow.figures.add_margin(stamp, gap, deadline);
        }
        let mut news = vec![self.news(stamp, &key, What::Advert(passed))];
        if resigned {
            news.push(self.news(stamp, &key, What::Resigned));
        }
        for (count, place) in found {
            news.extend(self.place(stamp, key, count, gap, place));
        }
        news
    }

    /// Tells of a loss, or keeps it until the daemon here has been asked.
    fn place(
        &mut self,
        stamp: MonoTime,
        key: Key,
        count: u32,
        gap: Duration,
        place: Place,
    ) -> Option<News> {
        let filtered = self
            .daemon
            .as_ref()
            .and_then(|one| one.rung(&self.who(&key)));
        if matches!(place, Place::BeforeNic { .. }) && filtered.is_some() {
            self.pending.push(Pending {
                key,
                stamp,
                count,
                gap,
            });
            return None;
        }
        Some(self.missing_news(stamp, &key, count, gap, place))
    }

    fn missing_news(
        &mut self,
        stamp: MonoTime,
        key: &Key,
        count: u32,
        gap: Duration,
        place: Place,
    ) -> News {
        let count = u64::from(count);
        if let Some(flow) = self.flows.get_mut(key) {
            flow.figures.lose(place.label(), count);
        }
        let gap_ns = nanos(gap);
        self.news(
            stamp,
            key,
            What::Missing {
                count,
                gap_ns,
                place,
            },
        )
    }

    /// The kernel threw one away.
    fn dropped(&mut self, sight: &Sight, advert: &Advert) -> Vec<News> {
        let kernel_reason = self.kernel.reason(sight.reason);
        let function = self.kernel.function(sight.location).map(str::to_owned);
        let meaning = meaning(&kernel_reason, function.as_deref().unwrap_or_default());
        let is_ours = self
            .interfaces
            .values()
            .any(|one| one.addresses.contains(&advert.source));
        let direction = if is_ours {
            Direction::Out
        } else {
            Direction::In
        };
        let key = Self::key(advert, sight.ifindex, direction);
        let who = self.who(&key);
        let at_nic = self.daemon.as_ref().and_then(|one| one.rung(&who));
        let by_xdp = meaning.label == "xdp";
        let harmless = if meaning.is_copy {
            Some("only a copy, nobody's advert".to_owned())
        } else if direction == Direction::In
            && let Some(rung) = at_nic
            && by_xdp
            && rung.starts_with("xdp")
        {
            // An interface has room for one: it is counted by its rule.
            Some("that is vip's filter, which tells by which rule".to_owned())
        } else if direction == Direction::In
            && let Some(rung) = at_nic
            && !by_xdp
            && !self.has_listener
        {
            Some(format!("vip has heard it before, at the NIC ({rung})"))
        } else if direction == Direction::In && !self.has_listener {
            Some("no router on this host listens".to_owned())
        } else {
            None
        };
        let Some(flow) = self.flows.get_mut(&key) else {
            if harmless.is_some() {
                return Vec::new();
            }
            // Of a sender that was never seen by us: all of its are dropped before.
            let place = Place::Host {
                reason: meaning.label,
                kernel_reason,
                function,
                words: meaning.words,
                harmless,
            };
            let what = What::Lost {
                count: 1,
                ident: advert.ident,
                place,
            };
            return vec![self.news(sight.stamp, &key, what)];
        };
        let seen = advert
            .ident
            .is_none_or(|ident| flow.recent.contains(&ident));
        let before_us = match direction {
            Direction::In => matches!(meaning.label, "xdp" | "tc" | "backlog"),
            Direction::Out => true,
        };
        if before_us && !seen {
            flow.unseen += 1;
            flow.by_xdp += u64::from(by_xdp);
            flow.remember(advert.ident);
            flow.numbering.note(advert.ident, false, u32::MAX);
        }
        if harmless.is_some() {
            *flow
                .figures
                .harmless
                .entry(meaning.label.to_owned())
                .or_default() += 1;
            if !flow.told_harmless.insert(meaning.label) {
                return Vec::new();
            }
        }
        let place = Place::Host {
            reason: meaning.label,
            kernel_reason,
            function,
            words: meaning.words,
            harmless: harmless.clone(),
        };
        if harmless.is_none() {
            flow.figures.lose(place.label(), 1);
        }
        let what = What::Lost {
            count: 1,
            ident: advert.ident,
            place,
        };
        vec![self.news(sight.stamp, &key, what)]
    }

    /// Two who say so at the same time: the rival has spoken since our own last advert
    /// but one, and has not left.
    fn two_masters(&mut self, stamp: MonoTime, key: &Key) -> Option<News> {
        let flow = self.flows.get(key)?;
        if flow.ended || flow.figures.adverts < 2 {
            return None;
        }
        let (known, interval) = (flow.rival, flow.interval);
        let rival = self.flows.iter().find(|(other, rival)| {
            key.is_rival(other)
                && !rival.ended
                && rival.figures.adverts >= 2
                && stamp.since(rival.last) < interval.min(rival.interval)
        });
        let found = rival.map(|(other, rival)| (other.source, rival.priority));
        let flow = self.flows.get_mut(key)?;
        flow.rival = found.map(|(source, _)| source);
        let (other, priority) = found?;
        if known == Some(other) {
            return None;
        }
        let what = What::TwoMasters {
            other,
            other_priority: priority.get(),
        };
        Some(self.news(stamp, key, what))
    }

    /// What the daemon here says of itself, asked at `daemon.taken`.
    pub fn hear_daemon(&mut self, daemon: Daemon) -> Vec<News> {
        let mut news = Vec::new();
        let before = self.daemon.replace(daemon);
        let Some(daemon) = &self.daemon else {
            return news;
        };
        let now = daemon.taken;
        let since = before.as_ref().map_or(now, |before| before.taken);
        let changes = before.map_or_else(Vec::new, |before| daemon.since(&before));
        for change in changes {
            let Some(ifindex) = self.index(&change.interface) else {
                continue;
            };
            let key = Key {
                ifindex,
                is_v6: change.family == "ipv6",
                vrid: change.vrid,
                direction: Direction::In,
                source: change.source,
            };
            let mut left = change.count;
            if let Some(flow) = self.flows.get_mut(&key) {
                flow.figures.lose(change.place.label(), change.count);
                // Those have explained their gap already.
                let told = flow.by_xdp.min(left);
                flow.by_xdp -= told;
                left -= told;
            }
            if change.at_nic {
                let refusals = self.refusals.entry(key).or_default();
                refusals.push(Refusal { left, since });
            }
            let what = What::Lost {
                count: change.count,
                ident: None,
                place: change.place,
            };
            news.push(self.news(now, &key, what));
        }
        news.extend(self.settle(now, false));
        news
    }

    fn index(&self, name: &str) -> Option<u32> {
        let mut all = self.interfaces.values();
        all.find(|one| one.name == name).map(|one| one.index)
    }

    /// Tells of the losses that the daemon has been asked about since, or that have
    /// waited long enough.
    fn settle(&mut self, now: MonoTime, all: bool) -> Vec<News> {
        let asked = self.daemon.as_ref().map_or(MonoTime::ZERO, |one| one.taken);
        let (ready, waiting) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|one: &Pending| all || asked > one.stamp || now.since(one.stamp) > PATIENCE);
        self.pending = waiting;
        let mut news = Vec::new();
        for one in ready {
            let begin = one.stamp - one.gap;
            let mut left = one.count;
            for refusal in self.refusals.get_mut(&one.key).into_iter().flatten() {
                let fits = refusal.since <= one.stamp && refusal.since + PATIENCE > begin;
                if fits {
                    let taken = u64::from(left).min(refusal.left);
                    refusal.left -= taken;
                    left -= u32::try_from(taken).unwrap_or(left);
                }
            }
            if left > 0 {
                let place = Place::BeforeNic { or: None };
                news.push(self.missing_news(one.stamp, &one.key, left, one.gap, place));
            }
        }
        for refusals in self.refusals.values_mut() {
            refusals.retain(|one| one.left > 0 && now.since(one.since) < PATIENCE * 2);
        }
        news
    }

    /// When there may be something to tell if nothing is seen until then.
    #[must_use]
    pub fn next_due(&self) -> Option<MonoTime> {
        let waited_for = |flow: &&Flow| !flow.ended && !flow.told_silent;
        let silent = self.flows.values().filter(waited_for);
        let silent =
            silent.map(|flow| flow.last + deadline(flow.version, self.priority, flow.interval));
        let pending = self.pending.iter().map(|one| one.stamp + PATIENCE);
        silent.chain(pending).min()
    }

    /// It is so late, and all that was seen has been told.
    pub fn tick(&mut self, now: MonoTime) -> Vec<News> {
        let mut news = self.settle(now, false);
        let silent: Vec<Key> = self
            .flows
            .iter()
            .filter(|(_, flow)| {
                let deadline = deadline(flow.version, self.priority, flow.interval);
                !flow.ended && !flow.told_silent && flow.last + deadline < now
            })
            .map(|(key, _)| *key)
            .collect();
        for key in silent {
            let Some(flow) = self.flows.get(&key) else {
                continue;
            };
            let for_ns = nanos(now.since(flow.last));
            let deadline = deadline(flow.version, self.priority, flow.interval);
            let heir = self.heir(&key, flow);
            let link = self
                .interfaces
                .get(&key.ifindex)
                .is_none_or(|one| one.running);
            if let Some(flow) = self.flows.get_mut(&key) {
                flow.told_silent = true;
                flow.ended = heir.is_some();
            }
            let what = match heir {
                Some(to) => What::Yielded { to },
                None => What::Silent {
                    for_ns,
                    deadline_ns: nanos(deadline),
                    backup_priority: self.priority.get(),
                    link,
                },
            };
            news.push(self.news(now, &key, what));
        }
        news
    }

    /// Who speaks in its place.
    fn heir(&self, key: &Key, flow: &Flow) -> Option<IpAddr> {
        let heirs = self.flows.iter().filter(|(other, heir)| {
            key.is_rival(other)
                && !heir.ended
                && heir.last > flow.last
                && heir.priority >= flow.priority
        });
        heirs.map(|(other, _)| other.source).next()
    }

    /// Nothing more will be seen: what is missing now is told.
    pub fn end(&mut self, now: MonoTime) -> Vec<News> {
        let mut news = self.settle(now, true);
        let open: Vec<_> = self
            .flows
            .iter()
            .filter(|(_, flow)| !flow.ended)
            .map(|(key, flow)| (*key, now.since(flow.last), flow.interval))
            .filter(|(_, gap, interval)| *gap >= *interval + *interval / 2)
            .collect();
        for (key, gap, interval) in open {
            let running = self
                .interfaces
                .get(&key.ifindex)
                .is_none_or(|one| one.running);
            let place = if running {
                Place::Unknown {
                    why: "nothing has come since, which would tell the sender from the wire".into(),
                }
            } else {
                Place::LinkDown
            };
            let count = intervals(gap, interval).saturating_sub(1).max(1);
            news.push(self.missing_news(now, &key, count, gap, place));
        }
        news
    }
}

/// How many intervals a gap is, rounded.
fn intervals(gap: Duration, interval: Duration) -> u32 {
    let (gap, interval) = (gap.as_nanos(), interval.as_nanos().max(1));
    u32::try_from((gap + interval / 2) / interval).unwrap_or(u32::MAX)
}

/// How long a backup waits. The interval is the sender's own.
fn deadline(version: Version, priority: Priority, interval: Duration) -> Duration {
    let centis = u16::try_from(interval.as_millis() / 10)
        .ok()
        .and_then(Centis::new);
    active_down_interval(version, priority, centis.unwrap_or(Centis::ONE_SECOND), 3)
}

/// What is missing in a gap, beside what is accounted for: so many were seen and are
/// invalid, or were dropped before we look.
fn missing(
    key: &Key,
    steps: Steps,
    gap: Duration,
    interval: Duration,
    accounted: u32,
) -> Vec<(u32, Place)> {
    let mut found = Vec::new();
    let by_time = intervals(gap, interval)
        .saturating_sub(1)
        .saturating_sub(accounted);
    // So many were sent in between and never seen.
    let lost = match steps {
        Steps::Sent(steps) => steps.saturating_sub(1),
        Steps::Again => 0,
        // Whatever leaves this host is seen as it leaves: what was not, was not sent.
        Steps::Unknown(_) | Steps::Jumped(_) if key.direction == Direction::Out => 0,
        Steps::Unknown(habit) => {
            if by_time > 0 {
                let why = habit.to_string();
                found.push((by_time, Place::Unknown { why }));
            }
            return found;
        }
        Steps::Jumped(from) => {
            if by_time > 0 {
                let why = format!(
                    "its identification jumped (it was {from}): the sender has begun anew, or is another one"
                );
                found.push((by_time, Place::Unknown { why }));
            }
            return found;
        }
    };
    if lost > 0 {
        let place = match key.direction {
            Direction::In => Place::BeforeNic { or: None },
            Direction::Out => Place::Unknown {
                why: "it was sent (its identification skips), by a way out that is not seen here"
                    .into(),
            },
        };
        found.push((lost, place));
    }
    let should = interval * lost.saturating_add(accounted).saturating_add(1);
    let late = gap.saturating_sub(should);
    if late >= interval / 2 {
        let late_ns = nanos(late);
        found.push((intervals(late, interval).max(1), Place::Sender { late_ns }));
    }
    found
}

mod overflow;
#[cfg(test)]
mod tests;
