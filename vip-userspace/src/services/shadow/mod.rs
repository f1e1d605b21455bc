//! `vip run --shadow`: beside the daemon that runs here, with that one's own file, vip
//! elects on the same packets, does nothing, and tells of each decision that the other
//! one has made differently.
//!
//! Nothing is asked of the other daemon. That it is MASTER is seen by the adverts that
//! leave this host and by the virtual addresses on the interfaces ([`observed`]); what
//! the shadow decides comes from the engine as ever. Both go into [`compare`], which
//! holds them against each other in the order in which they happened.

mod compare;
mod observed;
mod presence;
mod shown;
mod told;
mod weights;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use vip_common::election::{self, StateName};
use vip_common::ids::Family;
use vip_common::time::MonoTime;

use super::log::Level;
use super::{Services, State};
use crate::config::trackers::Watch;
use crate::engine::published::Standing;
use crate::engine::{Command, rt};
use crate::kernel::LinkEvent;
use crate::kernel::speakers::Heard;
use crate::plan::{Plan, RouterPlan, Tracked};
use compare::{Compare, Move, Who};
use observed::{Change, Observed};
use presence::{News, Presence};
pub use shown::{Compared, Process, Remark, Shown};
use weights::Weights;

/// How often the two are looked at.
pub(super) const GLANCE: Duration = Duration::from_millis(100);
/// Beyond one interval, how much later the other may do the same.
const SLACK: Duration = Duration::from_millis(100);
/// After how long at least all is known of what has happened: a daemon that is stopped
/// says farewell before it ends.
const SETTLES: Duration = Duration::from_millis(1500);
/// How long a difference lasts before the shadow begins anew in that instance, the first
/// time; twice as long each time after that.
const BEGIN_ANEW: Duration = Duration::from_secs(10);
/// The longest that it waits with that.
const BEGIN_ANEW_LATEST: Duration = Duration::from_secs(3600);
/// How much is remembered of each instance.
const RECENT: usize = 20;
/// Looks at interfaces that have not been taken up yet.
const UNDER_WAY: usize = 256;

/// What the link reader's thread has seen of an interface.
#[derive(Debug)]
pub struct Seen {
    at: MonoTime,
    name: String,
    /// None where it has gone.
    addresses: Vec<IpAddr>,
}

/// Tells the services of interfaces and their addresses.
pub struct Onlooker(mpsc::Sender<Seen>);

impl Onlooker {
    /// Something has become of an interface. May wait for the services.
    pub fn read(&self, event: &LinkEvent) {
        let at = rt::now();
        let seen = match event {
            LinkEvent::Changed(link) => Seen {
                at,
                name: link.name.clone(),
                addresses: link.addresses.iter().map(|(address, _)| *address).collect(),
            },
            LinkEvent::Gone { name, .. } => Seen {
                at,
                name: name.clone(),
                addresses: Vec::new(),
            },
            LinkEvent::RouteGone { .. }
            | LinkEvent::RuleGone { .. }
            | LinkEvent::Told { .. }
            | LinkEvent::Resync => return,
        };
        // Services that have ended need it no more.
        let _ = self.0.blocking_send(seen);
    }
}

/// The comparison with the other daemon.
pub struct Shadow {
    addresses: Option<mpsc::Receiver<Seen>>,
    /// What each interface has.
    held: BTreeMap<String, Vec<IpAddr>>,
    presence: Presence,
    searched: Option<MonoTime>,
    began: MonoTime,
    slots: Vec<Slot>,
    differences: Arc<AtomicU64>,
}

/// One instance of it.
struct Slot {
    name: String,
    observed: Observed,
    compare: Compare,
    weights: Weights,
    agreed: u64,
    differences: u64,
    earliest: Option<i64>,
    latest: Option<i64>,
    recent: VecDeque<(MonoTime, bool, String)>,
    /// How long the next difference lasts before the shadow begins anew.
    patience: Duration,
}

impl Shadow {
    /// One that knows nothing yet, and what tells it of interfaces.
    #[must_use]
    pub fn new() -> (Self, Onlooker) {
        let (seen, addresses) = mpsc::channel(UNDER_WAY);
        let shadow = Self {
            addresses: Some(addresses),
            held: BTreeMap::new(),
            presence: Presence::default(),
            searched: None,
            began: rt::now(),
            slots: Vec::new(),
            differences: Arc::default(),
        };
        (shadow, Onlooker(seen))
    }

    /// How often the two did not do the same, also when this is gone.
    #[must_use]
    pub fn differences(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.differences)
    }

    /// Goes by a plan.
    fn adopt(&mut self, now: MonoTime, plan: &Plan) {
        for (slot, router) in plan.routers.iter().enumerate() {
            let interval = router.params.adver_interval.span();
            let tolerance = interval + SLACK + slowest(plan, router);
            if let Some(known) = self.slots.get_mut(slot)
                && known.name == router.name
            {
                known.observed.pace(interval);
                let settles = settles(&known.observed);
                known.compare.allow(tolerance, settles);
                continue;
            }
            let mut new = Slot::new(&router.name, interval, tolerance);
            if let Some(change) = new.observed.addresses(now, self.has(plan, router)) {
                new.changed(change);
            }
            if self.presence.other.is_some() {
                let within = within(router, &new, now);
                new.compare.settle(now, within);
            }
            match self.slots.get_mut(slot) {
                Some(before) => *before = new,
                None => self.slots.push(new),
            }
        }
    }

    /// Whether any of a router's addresses is where it belongs.
    fn has(&self, plan: &Plan, router: &RouterPlan) -> bool {
        router.all_addresses().any(|one| {
            let mut ports = [one.port, router.port].into_iter();
            ports.any(|port| {
                let name = plan.ports.get(port).map(|port| &port.name);
                let held = name.and_then(|name| self.held.get(name));
                held.is_some_and(|held| held.contains(&one.address))
            })
        })
    }
}

/// The services' end of what tells of interfaces; nothing ever comes where there is no
/// shadow.
pub(super) fn addresses(shadow: Option<&mut Shadow>) -> mpsc::Receiver<Seen> {
    let own = shadow.and_then(|shadow| shadow.addresses.take());
    own.unwrap_or_else(|| mpsc::channel(1).1)
}

/// How far apart two daemons may be that make the same checks, for what a router, or its
/// sync group, goes by.
fn slowest(plan: &Plan, router: &RouterPlan) -> Duration {
    let of = |one: &RouterPlan| {
        let places = one.tracked.iter().filter_map(|(tracked, _)| match tracked {
            Tracked::Tracker(place) => plan.trackers.get(*place),
            Tracked::Port(_) => None,
        });
        let spans = places.map(|one| match &one.tracker.watch {
            Watch::Script(script) => script.interval,
            Watch::Check(check) => check.interval,
            // Told of by the kernel.
            Watch::Process(_) | Watch::File(_) => Duration::ZERO,
        });
        spans.max().unwrap_or_default()
    };
    let group = |one: &&RouterPlan| router.group_of.is_some() && one.group_of == router.group_of;
    let routers = plan.routers.iter().filter(group);
    routers.map(of).max().unwrap_or_default().max(of(router))
}

/// After how long all is known of what has happened.
fn settles(observed: &Observed) -> Duration {
    (observed.patience() + GLANCE * 2).max(SETTLES)
}

impl Slot {
    fn new(name: &str, interval: Duration, tolerance: Duration) -> Self {
        let observed = Observed::new(interval);
        let settles = settles(&observed);
        Self {
            name: name.to_owned(),
            observed,
            compare: Compare::new(tolerance, settles),
            weights: Weights::default(),
            agreed: 0,
            differences: 0,
            earliest: None,
            latest: None,
            recent: VecDeque::new(),
            patience: BEGIN_ANEW,
        }
    }

    fn changed(&mut self, change: Change) {
        self.compare.moved(Move {
            at: change.at,
            who: Who::Other,
            master: change.master,
            why: told::sign(change.sign),
        });
    }

    fn remember(&mut self, at: MonoTime, differs: bool, what: String) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((at, differs, what));
    }
}

impl Services {
    /// Another program of this host has sent an advert for one of our routers.
    pub(super) fn heard_other(&mut self, port: usize, at: MonoTime, heard: Heard) {
        let Some(shadow) = &mut self.shadow else {
            return;
        };
        // What guests behind the interface send leaves the same way.
        let is_ours = |held: &Vec<IpAddr>| held.contains(&heard.source);
        let mut routers = self.plan.ports[port].routers.iter().copied();
        let slot = routers.find(|slot| {
            let router = &self.plan.routers[*slot];
            let family = Family::of(heard.source);
            (router.family, router.params.vrid) == (family, heard.vrid) && !router.vacant
        });
        if let Some(slot) = slot.and_then(|slot| shadow.slots.get_mut(slot))
            && shadow.held.values().any(is_ours)
        {
            for change in slot.observed.spoke(at, heard.priority).collect::<Vec<_>>() {
                slot.changed(change);
            }
        }
    }

    /// The link reader has seen an interface.
    pub(super) fn seen_by_shadow(&mut self, seen: Seen) {
        let Some(shadow) = &mut self.shadow else {
            return;
        };
        let Seen {
            at,
            name,
            addresses,
        } = seen;
        shadow.held.insert(name, addresses);
        for (slot, router) in self.plan.routers.iter().enumerate() {
            let has = shadow.has(&self.plan, router);
            if let Some(one) = shadow.slots.get_mut(slot)
                && let Some(change) = one.observed.addresses(at, has)
            {
                one.changed(change);
            }
        }
    }

    /// The shadow's own election has decided.
    pub(super) fn decided(
        &mut self,
        state: &State,
        slot: usize,
        at: MonoTime,
        about: Option<Tracked>,
        report: election::Report,
    ) {
        let election::Report::Transition { from, to, why } = report else {
            return;
        };
        let why = self.why_moved(state, slot, at, about, why);
        let text = format!("shadow: would be {}: {why}", told::state(to));
        self.say(slot, Level::Info, &text);
        let is = |state| state == StateName::Active;
        if is(from) != is(to)
            && let Some(one) = self
                .shadow
                .as_mut()
                .and_then(|shadow| shadow.slots.get_mut(slot))
        {
            one.compare.moved(Move {
                at,
                who: Who::Vip,
                master: is(to),
                why,
            });
        }
    }

    /// Looks at the other daemon, judges what has happened, tells what was found.
    pub(super) fn compare(&mut self) {
        let now = rt::now();
        let plan = Arc::clone(&self.plan);
        let Some(shadow) = &mut self.shadow else {
            return;
        };
        shadow.adopt(now, &plan);
        let mut news = shadow.presence.look();
        let due = shadow
            .searched
            .is_none_or(|last| now.since(last) >= Duration::from_secs(1));
        if news.is_none() && due && shadow.presence.other.is_none() {
            let first = shadow.searched.replace(now).is_none();
            let names = plan.ports.iter().map(|port| port.name.as_str());
            let indices = names.filter_map(|name| nix::net::if_::if_nametoindex(name).ok());
            news = shadow.presence.search(indices);
            if first && news.is_none() {
                let line = if shadow.presence.hidden {
                    "shadow: a program here holds VRRP and cannot be looked into, so that nothing is compared: give vip CAP_SYS_PTRACE"
                } else {
                    "shadow: no daemon that speaks VRRP on these interfaces is found yet; compares from when there is one"
                };
                self.log.line(Level::Warning, line);
            }
        }
        if let Some(news) = news {
            self.other_daemon(now, news);
        }
        for slot in 0..plan.routers.len() {
            self.compare_one(now, slot);
        }
    }

    /// The other daemon has come, or gone.
    fn other_daemon(&mut self, now: MonoTime, news: News) {
        let Some(shadow) = &mut self.shadow else {
            return;
        };
        let (line, there) = match news {
            News::Came(other) => {
                let line = format!(
                    "shadow: compares with {} (process {}); begins anew with it",
                    other.command, other.pid
                );
                (line, true)
            }
            News::Went(other) => {
                let line = format!(
                    "shadow: {} (process {}) has ended; compares again when one runs",
                    other.command, other.pid
                );
                (line, false)
            }
        };
        self.log.line(Level::Notice, &line);
        for (slot, router) in self.plan.routers.iter().enumerate() {
            let Some(one) = shadow.slots.get_mut(slot).filter(|_| !router.vacant) else {
                continue;
            };
            let was = one.observed.master;
            one.observed.forget();
            one.weights = Weights::default();
            one.compare.pause();
            if one.observed.master != was {
                let sign = if was {
                    observed::Sign::Went
                } else {
                    observed::Sign::Came
                };
                one.changed(Change {
                    at: now,
                    master: !was,
                    sign,
                });
            }
            if there {
                let _ = self.commands.send(Command::Restart { slot });
                one.compare.settle(now, within(router, one, now));
            }
        }
    }

    fn compare_one(&mut self, now: MonoTime, slot: usize) {
        let router = &self.plan.routers[slot];
        let Some(seen) = self.published.read(slot).filter(|_| !router.vacant) else {
            return;
        };
        let Some(one) = self
            .shadow
            .as_mut()
            .and_then(|shadow| shadow.slots.get_mut(slot))
        else {
            return;
        };
        if let Some(change) = one.observed.look(now) {
            one.changed(change);
        }
        // Reports that nobody had room for are lost, what they were about is not.
        let master = seen.standing == Standing::Active;
        if master != one.compare.is_master(Who::Vip)
            && now.since(seen.since) > Duration::from_secs(1)
        {
            one.compare.moved(Move {
                at: seen.since,
                who: Who::Vip,
                master,
                why: "why was not told in time".into(),
            });
        }
        let found = one.compare.judge(now);
        let tolerance = one.compare.tolerance();
        let weighed = if one.compare.compares() {
            let other = one.observed.priority();
            one.weights.look(now, seen.priority, other, tolerance)
        } else {
            None
        };
        let long = one.compare.apart_since().filter(|since| {
            let patience = one.patience;
            now.since(*since) > patience
        });
        if long.is_some() {
            one.patience = (one.patience * 2).min(BEGIN_ANEW_LATEST);
        }
        for found in found {
            self.tell_found(now, slot, &seen, &found);
        }
        if let Some(weighed) = weighed {
            self.tell_weighed(now, slot, weighed);
        }
        if long.is_some() {
            self.begin_anew(now, slot);
        }
    }

    /// Another configuration holds. The other daemon takes it at a time of its own.
    pub(super) fn shadow_reloaded(&mut self) {
        let now = rt::now();
        let plan = Arc::clone(&self.plan);
        let Some(shadow) = &mut self.shadow else {
            return;
        };
        shadow.adopt(now, &plan);
        for (router, one) in plan.routers.iter().zip(&mut shadow.slots) {
            if shadow.presence.other.is_some() && !router.vacant {
                one.compare.settle(now, within(router, one, now));
            }
        }
    }

    /// Has the shadow begin anew in an instance, and in those that move with it.
    fn begin_anew(&mut self, now: MonoTime, slot: usize) {
        let text = "shadow: begins anew here as if started now, to compare what comes next";
        self.say(slot, Level::Info, text);
        let group = self.plan.routers[slot].group_of;
        for (member, router) in self.plan.routers.iter().enumerate() {
            let moves_along = group.is_some() && router.group_of == group;
            let (Some(shadow), true) = (&mut self.shadow, member == slot || moves_along) else {
                continue;
            };
            if let Some(one) = shadow.slots.get_mut(member).filter(|_| !router.vacant) {
                one.compare.settle(now, within(router, one, now));
                let _ = self.commands.send(Command::Restart { slot: member });
            }
        }
    }

    /// Says how it went, at the end.
    pub(super) fn sum_up(&mut self) {
        let shown = self.shown();
        for line in shown.iter().flat_map(Shown::lines) {
            let level = if shown.as_ref().is_some_and(|shown| shown.differences() > 0) {
                Level::Warning
            } else {
                Level::Notice
            };
            self.log.line(level, &line);
        }
    }

    /// The comparison, for status.
    pub(super) fn shown(&self) -> Option<Shown> {
        let shadow = self.shadow.as_ref()?;
        let now = rt::now();
        let routers = self.plan.routers.iter().zip(&shadow.slots).enumerate();
        let instances = routers.filter(|(_, (router, _))| !router.vacant);
        let instances = instances.filter_map(|(slot, (router, one))| {
            let seen = self.published.read(slot)?;
            Some(Compared {
                name: router.name.clone(),
                compared: one.compare.compares(),
                vip_master: seen.standing == Standing::Active,
                other_master: one.observed.master,
                vip_priority: seen.priority.get(),
                other_priority: one.observed.priority().map(|one| one.get()),
                agreed: one.agreed,
                differences: one.differences,
                differs_for_ns: one.compare.apart_since().map(|at| nanos(now.since(at))),
                earliest_ns: one.earliest,
                latest_ns: one.latest,
                tolerance_ns: nanos(one.compare.tolerance()),
                recent: one
                    .recent
                    .iter()
                    .map(|(at, differs, what)| Remark {
                        ns_ago: nanos(now.since(*at)),
                        differs: *differs,
                        what: what.clone(),
                    })
                    .collect(),
            })
        });
        Some(Shown {
            of: shadow.presence.other.as_ref().map(|other| Process {
                pid: other.pid,
                command: other.command.clone(),
            }),
            for_ns: nanos(now.since(shadow.began)),
            instances: instances.collect(),
        })
    }

    /// Counts a difference, and remembers it or what else was found.
    fn note_found(&mut self, slot: usize, at: MonoTime, differs: bool, what: &str) {
        let Some(shadow) = &mut self.shadow else {
            return;
        };
        if let Some(one) = shadow.slots.get_mut(slot) {
            one.remember(at, differs, what.to_owned());
            one.differences += u64::from(differs);
        }
        shadow
            .differences
            .fetch_add(u64::from(differs), Ordering::Relaxed);
    }
}

/// How long both may take after a start until each is where it belongs.
fn within(router: &RouterPlan, one: &Slot, now: MonoTime) -> Duration {
    let params = &router.params;
    params.active_down_interval(params.adver_interval)
        + params.preempt_delay
        + params.startup_until.since(now)
        + one.compare.tolerance()
        + settles(&one.observed)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
