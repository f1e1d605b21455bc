//! What a new configuration makes of this host's interfaces as they are: which
//! instances could not run any more by it, and what follows at once from what it
//! tracks.

use std::collections::{HashMap, HashSet};
use std::io;

use vip_common::ids::Priority;

use crate::config::trackers::Kind;
use crate::config::{Configuration, Instance};
use crate::engine::{Verdict, points};
use crate::kernel::Inventory;
use crate::plan::{Plan, RouterPlan, Tracked};
use crate::watch::board;
use crate::words;

/// How an interface is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// Not set up: the kernel takes no route by it.
    Down,
    /// Set up, and it cannot carry frames.
    NoCarrier,
    /// It can.
    Running,
}

/// The interfaces of a host, by name.
#[derive(Clone, Default, Debug)]
pub struct Interfaces(HashMap<String, Condition>);

impl Interfaces {
    /// Those of the calling thread's network namespace.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn of_host() -> io::Result<Self> {
        let links = Inventory::open()?.all()?;
        let condition = |up, running| match (up, running) {
            (false, _) => Condition::Down,
            (true, false) => Condition::NoCarrier,
            (true, true) => Condition::Running,
        };
        let links = links.into_iter();
        Ok(links
            .map(|link| (link.name, condition(link.up, link.running)))
            .collect())
    }

    fn runs(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Condition::Running)
    }

    /// What is wrong with one that does not run.
    fn complaint(&self, name: &str) -> String {
        match self.0.get(name) {
            None => format!("there is no interface {name}"),
            Some(Condition::Down) => format!("{name} is down"),
            Some(_) => format!("{name} has no carrier"),
        }
    }
}

impl FromIterator<(String, Condition)> for Interfaces {
    fn from_iter<T: IntoIterator<Item = (String, Condition)>>(all: T) -> Self {
        Self(all.into_iter().collect())
    }
}

/// How the trackers of the running configuration stand, by kind and name: what one has
/// found holds after a reload until it has found something else.
pub(super) type Known = HashMap<(Kind, String), board::Seen>;

/// What there is to go by.
#[derive(Clone, Copy)]
struct Facts<'a> {
    host: &'a Interfaces,
    known: &'a Known,
}

/// An interface that an instance cannot do without.
struct Need {
    interface: String,
    /// What needs it.
    what: String,
    /// Whether it must be set up too.
    set_up: bool,
}

/// A configuration, laid out as the engine would have it; an instance's place in
/// the configuration is its slot.
struct Layout<'a> {
    configuration: &'a Configuration,
    plan: Plan,
}

impl<'a> Layout<'a> {
    fn new(configuration: &'a Configuration) -> Self {
        Self {
            configuration,
            plan: Plan::new(configuration),
        }
    }

    fn usable(&self) -> impl Iterator<Item = (usize, &'a Instance, &RouterPlan)> {
        let instances = self.configuration.instances.iter().enumerate();
        let placed = instances.zip(&self.plan.routers);
        placed
            .filter(|(_, router)| router.runs())
            .map(|((slot, instance), router)| (slot, instance, router))
    }

    /// The usable routers that change state together with one, itself first.
    fn company(&self, slot: usize) -> Vec<&RouterPlan> {
        let group = self.plan.routers.get(slot).and_then(|one| one.group_of);
        let group = group.and_then(|group| self.plan.groups.get(group));
        let others = group.map_or_else(Vec::new, |group| group.members.clone());
        let others = others.into_iter().filter(|other| *other != slot);
        [slot]
            .into_iter()
            .chain(others)
            .filter_map(|slot| self.plan.routers.get(slot))
            .filter(|router| router.runs())
            .collect()
    }

    /// The name of an interface that is not made by vip.
    fn found(&self, port: usize) -> Option<&str> {
        let port = self.plan.ports.get(port)?;
        (port.vmac.is_none() && !port.name.is_empty()).then_some(port.name.as_str())
    }

    fn is_made(&self, name: &str) -> bool {
        let mut ports = self.plan.ports.iter();
        ports.any(|port| port.vmac.is_some() && port.name == name)
    }

    /// What a router and its sync group cannot do without.
    fn needs(&self, slot: usize) -> Vec<Need> {
        let mut needs = Vec::new();
        for (place, router) in self.company(slot).into_iter().enumerate() {
            let whose = if place == 0 {
                String::new()
            } else {
                format!(" of ({}), which is in its sync group", router.name)
            };
            let mut needed = |name: Option<&str>, what: String, set_up: bool| {
                needs.extend(name.filter(|name| !self.is_made(name)).map(|name| Need {
                    interface: name.to_owned(),
                    what: format!("{what}{whose}"),
                    set_up,
                }));
            };
            needed(self.found(router.port), "`interface`".into(), false);
            for one in router.all_addresses() {
                needed(self.found(one.heard), one.address.to_string(), false);
            }
            for route in &router.routes {
                let hops = route.hops.iter().map(|hop| &hop.device);
                for device in hops.chain([&route.device]).flatten() {
                    needed(Some(device), format!("route {route}"), true);
                }
            }
            for rule in &router.rules {
                for device in [&rule.input, &rule.output].into_iter().flatten() {
                    needed(Some(device), format!("rule {rule}"), false);
                }
            }
            for (tracked, weight) in &router.tracked {
                if let Tracked::Port(port) = tracked
                    && weight.value == 0
                    && !weight.reverse
                {
                    needed(self.found(*port), "`track_interface`".into(), false);
                }
            }
        }
        needs
    }

    /// How one of its trackers stands, where that is known.
    fn seen<'f>(&self, facts: Facts<'f>, at: usize) -> Option<&'f board::Seen> {
        let tracker = &self.plan.trackers.get(at)?.tracker;
        let name = (tracker.watch.kind(), tracker.name.clone());
        let seen = facts.known.get(&name)?;
        (seen.verdict != Verdict::Unknown).then_some(seen)
    }

    /// A tracker as people call it.
    fn called(&self, at: usize) -> Option<String> {
        let tracker = &self.plan.trackers.get(at)?.tracker;
        let kind = words::tracker_kind(tracker.watch.kind());
        Some(format!("{kind} {}", tracker.name))
    }

    /// The trackers of a router of which nothing is known yet, and whether it waits for
    /// them.
    fn unknown(&self, facts: Facts<'_>, router: &RouterPlan) -> Vec<Awaited> {
        let tracked = router.tracked.iter().filter_map(|(what, weight)| {
            let Tracked::Tracker(at) = *what else {
                return None;
            };
            let is_known = self.seen(facts, at).is_some();
            let kind = self.plan.trackers.get(at)?.tracker.watch.kind();
            (!is_known).then_some(Awaited {
                name: self.called(at)?,
                bars: weight.value == 0 || kind == Kind::File,
            })
        });
        tracked.collect()
    }

    /// What keeps a router and its sync group out as interfaces and trackers are.
    fn hindrance(&self, facts: Facts<'_>, slot: usize) -> Option<String> {
        let host = facts.host;
        let mut company = self.company(slot).into_iter().enumerate();
        company.find_map(|(place, router)| {
            let down = |port: usize| self.found(port).filter(|name| !host.runs(name));
            let own = down(router.port).filter(|_| !router.dont_track_primary);
            let why = match (own, self.weighed(facts, router)) {
                (Some(name), _) => host.complaint(name),
                (None, Ok(_)) => return None,
                (None, Err(Tracked::Port(port))) => match down(port) {
                    Some(name) => host.complaint(name),
                    None => format!("{} is up", self.found(port).unwrap_or_default()),
                },
                (None, Err(Tracked::Tracker(at))) => {
                    let tracker = &self.plan.trackers.get(at)?.tracker;
                    let seen = self.seen(facts, at)?;
                    words::tracker_bars(tracker.watch.kind(), &tracker.name, seen)
                }
            };
            Some(if place == 0 {
                why
            } else {
                format!("{why}, which keeps ({}) of its sync group out", router.name)
            })
        })
    }

    /// The priority that what it tracks makes of a router's own, or what keeps it out.
    /// Of interfaces that vip makes, and of trackers that are new, nothing is known
    /// beforehand.
    fn weighed(&self, facts: Facts<'_>, router: &RouterPlan) -> Result<Priority, Tracked> {
        let mut sum = i32::from(router.priority().get());
        for (tracked, weight) in &router.tracked {
            let port = match *tracked {
                Tracked::Port(port) => port,
                Tracked::Tracker(at) => {
                    if let Some(seen) = self.seen(facts, at) {
                        sum += points(seen.verdict, *weight).ok_or(*tracked)?;
                    }
                    continue;
                }
            };
            let Some(name) = self.found(port) else {
                continue;
            };
            match (facts.host.runs(name) != weight.reverse, weight.value) {
                (false, 0) => return Err(*tracked),
                (true, value @ 1..) | (false, value @ ..0) => sum += i32::from(value),
                (true, ..=0) | (false, 1..) => {}
            }
        }
        if router.params.is_owner() {
            return Ok(router.priority());
        }
        let priority = u8::try_from(sum.clamp(1, 254)).unwrap_or(u8::MAX - 1);
        Ok(Priority::from_wire(priority))
    }
}

/// What is known beforehand of a change from one configuration to another.
pub(super) struct Foresight<'a> {
    old: Layout<'a>,
    new: Layout<'a>,
    facts: Facts<'a>,
    /// What there is to go by once it has been looked again.
    after: Facts<'a>,
}

/// A tracker that has to look before anything follows from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Awaited {
    /// What it is called.
    pub name: String,
    /// Whether a router that takes no part yet waits for it.
    pub bars: bool,
}

/// What follows for one instance at once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Foreseen {
    /// Why it goes to FAULT.
    pub fault: Option<String>,
    /// Whether nothing keeps it in FAULT any more.
    pub relieved: bool,
    /// The priority that counts, where what is tracked makes it another one.
    pub priority: Option<Priority>,
    /// What it tracks from now on and nothing is known of.
    pub awaits: Vec<Awaited>,
}

impl<'a> Foresight<'a> {
    pub(super) fn new(
        old: &'a Configuration,
        new: &'a Configuration,
        host: &'a Interfaces,
        known: &'a Known,
    ) -> Self {
        Self {
            old: Layout::new(old),
            new: Layout::new(new),
            facts: Facts { host, known },
            after: Facts { host, known },
        }
    }

    /// Where it is known how trackers stand once they have been looked at again.
    pub(super) fn with(self, known: &'a Known) -> Self {
        let host = self.facts.host;
        let after = Facts { host, known };
        Self { after, ..self }
    }

    /// The instances that run and could not any more, since an interface is not
    /// there that they need from now on: a line for each interface.
    pub(super) fn refusals(&self) -> Vec<String> {
        let mut said = Vec::new();
        for (slot, instance, _) in self.new.usable() {
            let Some(before) = self.before(instance) else {
                continue;
            };
            let mut known: HashSet<String> = self
                .old
                .needs(before)
                .into_iter()
                .map(|need| need.interface)
                .collect();
            for Need {
                interface,
                what,
                set_up,
            } in self.new.needs(slot)
            {
                let condition = self.facts.host.0.get(&interface);
                let is_met = condition.is_some_and(|one| !set_up || *one != Condition::Down);
                if is_met || !known.insert(interface.clone()) {
                    continue;
                }
                let help = if condition.is_some() {
                    "set it up first"
                } else {
                    "create it first"
                };
                said.push(format!(
                    "({}) could not run any more: {} here, needed for {what}; {help}",
                    instance.name,
                    self.facts.host.complaint(&interface)
                ));
            }
        }
        said
    }

    /// What follows for an instance of the new configuration.
    pub(super) fn of(&self, instance: &Instance) -> Foreseen {
        let mut usable = self.new.usable();
        let Some((slot, _, router)) = usable.find(|(_, one, _)| one.name == instance.name) else {
            return Foreseen::default();
        };
        let before = self.before(instance);
        let hindered = before.and_then(|slot| self.old.hindrance(self.facts, slot));
        let fault = self.new.hindrance(self.after, slot);
        let now = self.new.weighed(self.after, router).ok();
        let made_of = |layout: &Layout<'_>, facts, router: &RouterPlan| {
            let counts = i16::from(layout.weighed(facts, router).ok()?.get());
            Some(counts - i16::from(router.priority().get()))
        };
        let then = before
            .and_then(|slot| made_of(&self.old, self.facts, self.old.plan.routers.get(slot)?));
        let other = before.is_some() && then != made_of(&self.new, self.after, router);
        let was = before.and_then(|slot| self.old.plan.routers.get(slot));
        let waited = was.map_or_else(Vec::new, |was| self.old.unknown(self.facts, was));
        let mut awaits = self.new.unknown(self.after, router);
        awaits.retain(|one| !waited.contains(one));
        Foreseen {
            relieved: hindered.is_some() && fault.is_none(),
            fault: fault.filter(|_| hindered.is_none()),
            priority: now.filter(|_| other),
            awaits,
        }
    }

    /// The slot of the same router, or of the one of this name, in the old
    /// configuration, if it could run.
    fn before(&self, instance: &Instance) -> Option<usize> {
        let same = |one: &Instance| {
            let identity = |one: &'_ Instance| (one.interface.clone(), one.is_ipv6(), one.vrid);
            identity(one) == identity(instance)
        };
        let find = |is: &dyn Fn(&Instance) -> bool| {
            let mut usable = self.old.usable();
            usable.find(|(_, one, _)| is(one)).map(|(slot, ..)| slot)
        };
        find(&same).or_else(|| find(&|one| one.name == instance.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn host(text: &[(&str, Condition)]) -> Interfaces {
        text.iter()
            .map(|(name, condition)| ((*name).to_owned(), *condition))
            .collect()
    }

    /// An instance on eth0 with its lines, and its VRID.
    fn instance(name: &str, vrid: u8, more: &str) -> String {
        format!(
            "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\npriority 100\n\
             virtual_ipaddress {{\n192.0.2.{vrid}/24\n}}\n{more}\n}}\n"
        )
    }

    fn refusals(old: &str, new: &str, host: &Interfaces) -> Vec<String> {
        let parse = |text: &str| {
            let parsed = config::parse(text, "t");
            assert!(
                parsed
                    .configuration
                    .instances
                    .iter()
                    .all(|one| one.unusable.is_none()),
                "{text}"
            );
            parsed.configuration
        };
        let (old, new) = (parse(old), parse(new));
        Foresight::new(&old, &new, host, &Known::default()).refusals()
    }

    fn foreseen(old: &str, new: &str, host: &Interfaces) -> Foreseen {
        foreseen_with(&Known::default(), old, new, host)
    }

    fn foreseen_with(known: &Known, old: &str, new: &str, host: &Interfaces) -> Foreseen {
        let parse = |text: &str| config::parse(text, "t").configuration;
        let (old, new) = (parse(old), parse(new));
        Foresight::new(&old, &new, host, known).of(&new.instances[0])
    }

    #[test]
    fn what_goes_to_an_interface_that_is_not_there_is_refused_and_it_is_named() {
        let plain = instance("A", 51, "");
        let here = host(&[("eth0", Condition::Running)]);
        for (more, what) in [
            (
                "virtual_ipaddress_excluded {\n10.2.0.99/24 dev dum0\n}",
                "10.2.0.99",
            ),
            (
                "virtual_routes {\n10.1.0.0/16 dev dum0\n}",
                "route 10.1.0.0/16",
            ),
            (
                "virtual_rules {\nfrom 10.1.0.0/16 iif dum0 table 100\n}",
                "rule ",
            ),
            ("track_interface {\ndum0\n}", "`track_interface`"),
        ] {
            let new = instance("A", 51, more);
            let said = refusals(&plain, &new, &here);
            assert_eq!(said.len(), 1, "{said:?}");
            let begin = "(A) could not run any more: there is no interface dum0 here, needed for ";
            assert!(said[0].starts_with(&format!("{begin}{what}")), "{said:?}");
            // It ran, or waited, with that before.
            assert_eq!(refusals(&new, &new, &here), [""; 0]);
            let there = host(&[("eth0", Condition::Running), ("dum0", Condition::NoCarrier)]);
            assert_eq!(refusals(&plain, &new, &there), [""; 0]);
        }
        let moved = plain.replace("eth0", "eth7");
        let said = refusals(&plain, &moved, &here);
        assert!(said[0].contains("no interface eth7 here"), "{said:?}");
        // One that is new waits for it, and harms nobody.
        let more = plain.clone() + &instance("B", 52, "").replace("eth0", "eth7");
        assert_eq!(refusals(&plain, &more, &here), [""; 0]);
    }

    #[test]
    fn a_route_needs_its_interface_set_up() {
        let plain = instance("A", 51, "");
        let new = instance("A", 51, "virtual_routes {\n10.1.0.0/16 dev dum0\n}");
        let down = host(&[("eth0", Condition::Running), ("dum0", Condition::Down)]);
        let said = refusals(&plain, &new, &down);
        assert!(said[0].contains("dum0 is down here"), "{said:?}");
    }

    #[test]
    fn an_interface_that_vip_makes_need_not_be_there() {
        let plain = instance("A", 51, "");
        let made = instance("A", 51, "use_vmac vrrp.51");
        let here = host(&[("eth0", Condition::Running)]);
        assert_eq!(refusals(&plain, &made, &here), [""; 0]);
    }

    #[test]
    fn a_sync_group_needs_what_each_of_its_members_does() {
        let plain = instance("A", 51, "");
        let other = instance("B", 52, "").replace("eth0", "eth7");
        let group = "vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\n";
        let new = format!("{group}{plain}{other}");
        let here = host(&[("eth0", Condition::Running)]);
        let said = refusals(&plain, &new, &here);
        assert_eq!(
            said,
            [
                "(A) could not run any more: there is no interface eth7 here, needed for `interface` of (B), which is in its sync group; create it first"
            ]
        );
    }

    #[test]
    fn what_is_tracked_and_down_is_foreseen() {
        let plain = instance("A", 51, "");
        let here = host(&[("eth0", Condition::Running), ("eth1", Condition::NoCarrier)]);
        let seen = |more| foreseen(&plain, &instance("A", 51, more), &here);
        assert_eq!(seen(""), Foreseen::default());
        let fault = seen("track_interface {\neth1\n}").fault;
        assert_eq!(fault.as_deref(), Some("eth1 has no carrier"));
        let weighed = seen("track_interface {\neth1 weight -20\n}");
        assert_eq!(weighed.fault, None);
        assert_eq!(weighed.priority.map(Priority::get), Some(80));
        let tracked = instance("A", 51, "track_interface {\neth1\n}");
        assert_eq!(foreseen(&tracked, &tracked, &here), Foreseen::default());
    }

    #[test]
    fn what_trackers_have_found_already_is_foreseen() {
        let here = host(&[("eth0", Condition::Running)]);
        let defined = "vrrp_script chk {\nscript /bin/false\n}\n\
                       track_file size {\nfile /run/size\n}\n";
        let with = |more| format!("{defined}{}", instance("A", 51, more));
        let (script, file) = (
            (Kind::Script, "chk".to_owned()),
            (Kind::File, "size".into()),
        );
        let known = Known::from([
            (script, board::Seen::new(Verdict::Failed)),
            (file, board::Seen::new(Verdict::Number(-30))),
        ]);
        let (plain, barred) = (with(""), with("track_script {\nchk\n}"));
        let seen = |new: &str| foreseen_with(&known, &plain, new, &here);
        let fault = seen(&barred).fault.unwrap();
        assert!(fault.starts_with("script chk failed"), "{fault}");
        let weighed = seen(&with("track_script {\nchk weight -7\n}"));
        assert_eq!(weighed.fault, None);
        assert_eq!(weighed.priority.map(Priority::get), Some(93));
        let weighed = seen(&with("track_file {\nsize weight 2\n}"));
        assert_eq!(weighed.priority.map(Priority::get), Some(40));
        assert!(foreseen_with(&known, &barred, &plain, &here).relieved);
        let same = foreseen_with(&known, &barred, &barred, &here);
        assert_eq!(same, Foreseen::default());
        // Nobody has looked yet.
        let unknown = foreseen(&plain, &barred, &here);
        assert_eq!((&unknown.fault, unknown.priority), (&None, None));
        let [Awaited { name, bars: true }] = &unknown.awaits[..] else {
            panic!("{unknown:?}");
        };
        assert_eq!(name, "script chk");
        assert_eq!(foreseen(&barred, &barred, &here), Foreseen::default());
    }
}
