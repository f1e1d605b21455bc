//! What this daemon runs: the configuration laid out in slots and ports, the
//! same for engine, hands and services, never changed while they run. A reload
//! makes [another plan](Plan::after), in which what goes on keeps its place.

mod beat;
mod tracked;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use vip_common::election::Params;
use vip_common::ids::{Family, MacAddr, Priority, Vrid};
use vip_common::layout::{AddressEntry, AddressKey, RouterEntry, RouterKey, octets};
use vip_common::time::MonoTime;
use vip_common::wire::vrrp::{ChecksumDialect, Expect};

use crate::config::estate::{HmacMode, OldChecksum};
use crate::config::{self, Configuration, Instance};
use crate::kernel::{Assignment, LinkEvent};
pub use tracked::{Tracked, TrackerPlan};

/// Everything.
#[derive(Debug, Default)]
pub struct Plan {
    /// The interfaces, each once. One that nothing needs any more keeps its place.
    pub ports: Vec<PortPlan>,
    /// The virtual routers; the index is the slot.
    pub routers: Vec<RouterPlan>,
    /// The sync groups.
    pub groups: Vec<GroupPlan>,
    /// What is always there, on whatever node.
    pub statics: Statics,
    /// Groups of interfaces with a least time between two announcements.
    pub paces: Vec<PacePlan>,
    /// What is watched beside interfaces.
    pub trackers: Vec<TrackerPlan>,
    /// The number of the next tracker that is new.
    next_tracker: u32,
    /// The processors that the engine and the hands keep to; none for all.
    pub processors: Vec<usize>,
    /// When the daemon started.
    pub started: MonoTime,
}

/// Least times between two announcements; zero is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacePlan {
    /// Of gratuitous ARP.
    pub garp: Duration,
    /// Of neighbour advertisements.
    pub gna: Duration,
}

/// Routers that change state together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupPlan {
    /// Its name.
    pub name: String,
    /// Slots of its members, in the order of the configuration.
    pub members: Vec<usize>,
}

/// What is always there, whoever is Active.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Statics {
    /// Addresses.
    pub addresses: Vec<PlacedAddress>,
    /// Routes.
    pub routes: Vec<config::Route>,
    /// Rules.
    pub rules: Vec<config::Rule>,
}

/// One logical interface, known by its name: routers are heard on it, or their
/// addresses live there.
#[derive(Clone, Debug, Default)]
pub struct PortPlan {
    /// Its name.
    pub name: String,
    /// Slots of the routers that are heard on it.
    pub routers: Vec<usize>,
    /// Slots of the routers that need it for anything, those included.
    pub needed_by: Vec<usize>,
    /// Slots of the routers whose priority, or part, depends on its being up.
    pub tracked_by: Vec<usize>,
    /// Whether addresses live on it that are always there.
    pub has_statics: bool,
    /// Its group in [`Plan::paces`].
    pub pace: Option<usize>,
    /// Where it is one with a virtual MAC, which is made for it.
    pub vmac: Option<VmacPlan>,
}

/// An interface with a virtual MAC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VmacPlan {
    /// Index of the interface that it lies on.
    pub base: usize,
    /// The families whose addresses live on it.
    pub families: Vec<Family>,
    /// How it is made.
    pub vmac: config::Vmac,
}

impl PortPlan {
    /// Whether anything needs it.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        !self.needed_by.is_empty() || self.has_statics
    }
}

/// An address that moves, and where it lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlacedAddress {
    /// Index of the interface.
    pub port: usize,
    /// Index of the interface on which neighbours ask for it: the one below where
    /// that one has a virtual MAC.
    pub heard: usize,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix, 0 to 32, or 0 to 128.
    pub prefix: u8,
    /// As the configuration has it.
    pub line: config::VirtualAddress,
}

impl PlacedAddress {
    fn assignment(&self, ifindex_of: impl Fn(usize) -> Option<u32>) -> Option<Assignment> {
        Some(Assignment::of(ifindex_of(self.port)?, &self.line))
    }
}

impl Statics {
    /// The addresses as the kernel is asked for them, as for a router.
    #[must_use]
    pub fn assignments(&self, ifindex_of: impl Fn(usize) -> Option<u32>) -> Vec<Assignment> {
        let all = self.addresses.iter();
        all.filter_map(|one| one.assignment(&ifindex_of)).collect()
    }
}

/// One virtual router.
#[derive(Clone, Debug)]
pub struct RouterPlan {
    /// The instance's name in the configuration.
    pub name: String,
    /// Whether it speaks IPv4 or IPv6.
    pub family: Family,
    /// Index of the interface on which its adverts are heard.
    pub port: usize,
    /// Index of the interface that it speaks on, and where its addresses live
    /// unless they say otherwise. The same but for a virtual MAC's.
    pub home: usize,
    /// What the election needs.
    pub params: Params,
    /// What an advert must look like.
    pub expect: Expect,
    /// The group that it speaks to; not where there is `unicast`.
    pub group: IpAddr,
    /// The peers that it speaks to one by one.
    pub unicast: Option<config::Unicast>,
    /// The address that it speaks from, where the interface's own is not wanted.
    pub source: Option<IpAddr>,
    /// Whether it takes no part while that address is missing.
    pub track_source: bool,
    /// Whether its adverts leave by the interface they are heard on although
    /// `home` is another.
    pub transmit_from_base: bool,
    /// Which bytes the checksums cover that it sends.
    pub dialect: ChecksumDialect,
    /// What else it goes by, and what that counts.
    pub tracked: Vec<(Tracked, config::estate::Weight)>,
    /// Whether it takes part although its own interface is down.
    pub dont_track_primary: bool,
    /// Index of its sync group.
    pub group_of: Option<usize>,
    /// Routes that come and go with its addresses.
    pub routes: Vec<config::Route>,
    /// Rules that do.
    pub rules: Vec<config::Rule>,
    /// Announcements on interfaces that carry addresses and no adverts.
    pub extra_garp: Option<config::ExtraGarp>,
    /// Whether packets to its addresses are accepted.
    pub accept: bool,
    /// Whether the interface's sysctl of that name is set.
    pub promote_secondaries: bool,
    /// Whether adverts are signed, and how they are verified.
    pub hmac: Option<config::Hmac>,
    /// Whether signatures pass the NIC: they do still after a reload has done away
    /// with them, for peers that are reloaded later.
    pub trailers: bool,
    /// Whether nothing else does: adverts must be signed, and had to be before the last
    /// reload.
    pub signed: bool,
    /// The addresses in its adverts.
    pub addresses: Vec<PlacedAddress>,
    /// The same, as an advert lists them.
    pub listed: Vec<IpAddr>,
    /// The addresses that move with it but are not in its adverts.
    pub excluded: Vec<PlacedAddress>,
    /// Why it cannot take part, if it cannot.
    pub unusable: Option<String>,
    /// Whether it is gone from the configuration: it leaves, or has left.
    pub vacant: bool,
}

/// The plan that holds, for everybody but the engine and the hands, who are told.
#[derive(Clone, Debug)]
pub struct Current(Arc<RwLock<Arc<Plan>>>);

impl Current {
    /// The first one.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self(Arc::new(RwLock::new(plan)))
    }

    /// It.
    #[must_use]
    pub fn get(&self) -> Arc<Plan> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another one holds.
    pub fn set(&self, plan: Arc<Plan>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = plan;
    }
}

/// What makes a router the same one after a reload.
type Identity<'a> = (&'a str, Family, Vrid, Option<&'a str>);

impl Plan {
    /// Lays out a configuration.
    #[must_use]
    pub fn new(configuration: &Configuration) -> Self {
        Self::started_at(configuration, MonoTime::ZERO)
    }

    /// The same of a daemon that starts now.
    #[must_use]
    pub fn started_at(configuration: &Configuration, started: MonoTime) -> Self {
        let nothing = Self {
            started,
            ..Self::default()
        };
        nothing.after(configuration, |_| false)
    }

    /// Lays out a configuration so that routers and interfaces that were there
    /// before keep their places. A router is the same if interface, family and
    /// VRID are; `is_free` says of a vacant slot whether its router has left.
    #[must_use]
    pub fn after(&self, configuration: &Configuration, is_free: impl Fn(usize) -> bool) -> Self {
        let ports = self.ports.iter().map(|port| PortPlan {
            name: port.name.clone(),
            ..PortPlan::default()
        });
        let mut plan = Self {
            ports: ports.collect(),
            routers: Vec::with_capacity(self.routers.len()),
            groups: Vec::new(),
            statics: Statics::default(),
            paces: Vec::new(),
            trackers: Vec::with_capacity(configuration.trackers.len()),
            next_tracker: 0,
            processors: configuration.cpu_affinity.clone(),
            started: self.started,
        };
        plan.number_trackers(self, configuration);
        let instances = &configuration.instances;
        let mut slots: Vec<Option<usize>> = vec![None; instances.len()];
        let mut taken = HashSet::new();
        for (at, instance) in instances.iter().enumerate() {
            let same = self.routers.iter().position(|router| {
                !router.vacant && self.identity(router) == identity_of(instance)
            });
            slots[at] = same.filter(|slot| taken.insert(*slot));
        }
        for (slot, router) in self.routers.iter().enumerate() {
            // Out of its group, and by no tracker, whose numbers mean others now.
            let mut leaving = RouterPlan {
                vacant: true,
                group_of: None,
                ..router.clone()
            };
            let is_interface = |(what, _): &(Tracked, _)| matches!(what, Tracked::Port(_));
            leaving.tracked.retain(is_interface);
            leaving.params.grouped = false;
            plan.routers.push(leaving);
            if router.vacant && !taken.contains(&slot) && is_free(slot) {
                let new = slots.iter_mut().find(|slot| slot.is_none());
                if let Some(new) = new {
                    *new = Some(slot);
                    taken.insert(slot);
                }
            }
        }
        let startup_until = plan.startup_until(configuration);
        let mut placed = Vec::with_capacity(instances.len());
        for (instance, slot) in instances.iter().zip(slots) {
            let router = plan.lay_out(instance, startup_until);
            match slot.and_then(|slot| Some((slot, plan.routers.get_mut(slot)?))) {
                Some((slot, place)) => {
                    let trailers = router.trailers || place.trailers;
                    let signed = router.signed && place.signed;
                    *place = RouterPlan {
                        trailers,
                        signed,
                        ..router
                    };
                    placed.push(slot);
                }
                None => {
                    placed.push(plan.routers.len());
                    plan.routers.push(router);
                }
            }
        }
        plan.keep_vmacs(self);
        plan.form_groups(configuration, &placed);
        plan.statics = plan.lay_out_statics(configuration);
        plan.set_paces(configuration);
        plan.tell_ports();
        plan.set_beats();
        plan
    }

    fn identity<'a>(&'a self, router: &'a RouterPlan) -> Identity<'a> {
        (
            &self.ports[router.port].name,
            router.family,
            router.params.vrid,
            router.unusable.as_ref().map(|_| &*router.name),
        )
    }

    /// The place of an interface, a new one if need be.
    fn port(&mut self, name: &str) -> usize {
        let known = self.ports.iter().position(|port| port.name == name);
        known.unwrap_or_else(|| {
            self.ports.push(PortPlan {
                name: name.to_owned(),
                ..PortPlan::default()
            });
            self.ports.len() - 1
        })
    }

    /// What was made for those that leave is there until they have left.
    fn keep_vmacs(&mut self, before: &Self) {
        let leaving = self.routers.iter().filter(|router| router.vacant);
        let ports: Vec<usize> = leaving.flat_map(RouterPlan::ports).collect();
        for port in ports {
            if self.ports[port].vmac.is_none() {
                self.ports[port].vmac = before.ports[port].vmac.clone();
            }
        }
    }

    /// Until when no part is taken after the start.
    fn startup_until(&self, configuration: &Configuration) -> MonoTime {
        let mut until = MonoTime::ZERO;
        if !configuration.startup_delay.is_zero() {
            until = self.started + configuration.startup_delay;
        }
        // The clock counts from the boot on, but for the time asleep.
        until.max(MonoTime::ZERO + configuration.delay_after_boot)
    }

    /// Interfaces that are spaced out, together or each for itself.
    fn set_paces(&mut self, configuration: &Configuration) {
        for group in &configuration.garp_groups {
            let pace = self.paces.len();
            for port in &mut self.ports {
                if group.interfaces.contains(&port.name) {
                    port.pace = Some(pace);
                }
            }
            self.paces.push(PacePlan {
                garp: group.garp_interval,
                gna: group.gna_interval,
            });
        }
        let (garp, gna) = (configuration.garp_interval, configuration.gna_interval);
        if garp.is_zero() && gna.is_zero() {
            return;
        }
        for port in self.ports.iter_mut().filter(|port| port.pace.is_none()) {
            port.pace = Some(self.paces.len());
            self.paces.push(PacePlan { garp, gna });
        }
    }

    fn lay_out_statics(&mut self, configuration: &Configuration) -> Statics {
        let mut addresses = Vec::new();
        for line in &configuration.static_addresses {
            let Some(device) = &line.device else { continue };
            let port = self.port(device);
            addresses.push(PlacedAddress {
                port,
                heard: port,
                address: line.address,
                prefix: line.prefix,
                line: line.clone(),
            });
        }
        Statics {
            addresses,
            routes: configuration.static_routes.clone(),
            rules: configuration.static_rules.clone(),
        }
    }

    /// The place of an interface with a virtual MAC.
    fn vmac_port(&mut self, base: usize, family: Family, vmac: &config::Vmac) -> usize {
        let port = self.port(&vmac.name);
        let made = self.ports[port].vmac.get_or_insert_with(|| VmacPlan {
            base,
            families: Vec::new(),
            vmac: vmac.clone(),
        });
        if !made.families.contains(&family) {
            made.families.push(family);
        }
        port
    }

    fn place(&mut self, line: &config::VirtualAddress, home: usize, base: usize) -> PlacedAddress {
        let device = line.device.as_ref().map(|name| self.port(name));
        let (port, heard) = match (&line.vmac, device) {
            (Some(vmac), device) => {
                let below = device.unwrap_or(base);
                let family = Family::of(line.address);
                (self.vmac_port(below, family, vmac), below)
            }
            (None, Some(device)) => (device, device),
            (None, None) => {
                let family = Family::of(line.address);
                if let Some(made) = &mut self.ports[home].vmac
                    && !made.families.contains(&family)
                {
                    made.families.push(family);
                }
                (home, base)
            }
        };
        PlacedAddress {
            port,
            heard,
            address: line.address,
            prefix: line.prefix,
            line: line.clone(),
        }
    }

    fn lay_out(&mut self, instance: &Instance, startup_until: MonoTime) -> RouterPlan {
        let family = Family::of(instance.group);
        let port = self.port(&instance.interface);
        let home = match &instance.vmac {
            Some(vmac) => self.vmac_port(port, family, vmac),
            None => port,
        };
        let tracked = self.lay_out_tracked(&instance.track_interfaces, &instance.trackers);
        let params = Params {
            preempt: instance.preempt,
            preempt_delay: instance.preempt_delay,
            down_timer_adverts: instance.down_timer_adverts,
            startup_until,
            lower_prio_no_advert: instance.lower_prio_no_advert,
            higher_prio_send_advert: instance.higher_prio_send_advert,
            owner_ignore_adverts: instance.owner_ignore_adverts,
            garp: instance.garp,
            ..Params::new(
                instance.vrid,
                instance.version,
                instance.priority,
                instance.interval,
            )
        };
        let expect = Expect {
            family,
            vrid: instance.vrid,
            version: instance.version,
            interval: instance.interval,
            auth: instance.auth,
            old_unicast: instance
                .unicast
                .as_ref()
                .is_some_and(|unicast| unicast.old_checksum != OldChecksum::Never),
        };
        // What stands there twice is advertised twice and installed once.
        let mut seen = HashSet::new();
        let mut placed = |plan: &mut Self, lines: &[config::VirtualAddress]| {
            let mut all = Vec::with_capacity(lines.len());
            for line in lines {
                let one = plan.place(line, home, port);
                if seen.insert((one.port, line.address)) {
                    all.push(one);
                }
            }
            all
        };
        RouterPlan {
            name: instance.name.clone(),
            family,
            port,
            home,
            params,
            expect,
            group: instance.group,
            unicast: instance.unicast.clone(),
            source: instance.source,
            track_source: instance.track_source,
            transmit_from_base: instance
                .vmac
                .as_ref()
                .is_some_and(|vmac| vmac.transmit_from_base),
            dialect: match &instance.unicast {
                Some(unicast) if unicast.old_checksum == OldChecksum::Always => {
                    ChecksumDialect::OldUnicast
                }
                _ => instance.dialect,
            },
            tracked,
            dont_track_primary: instance.dont_track_primary,
            group_of: None,
            routes: instance.routes.clone(),
            rules: instance.rules.clone(),
            extra_garp: instance.garp_extra_if,
            accept: instance.accept,
            promote_secondaries: instance.promote_secondaries,
            hmac: instance.hmac.clone(),
            trailers: instance.hmac.is_some(),
            signed: instance
                .hmac
                .as_ref()
                .is_some_and(|hmac| hmac.mode == HmacMode::Enforce),
            listed: instance.addresses.iter().map(|one| one.address).collect(),
            addresses: placed(self, &instance.addresses),
            excluded: placed(self, &instance.excluded),
            unusable: instance.unusable.clone(),
            vacant: false,
        }
    }

    /// Which routers need which ports. One that leaves still does.
    fn tell_ports(&mut self) {
        for one in &self.statics.addresses {
            self.ports[one.port].has_statics = true;
        }
        for (slot, router) in self.routers.iter().enumerate() {
            self.ports[router.port].routers.push(slot);
            let mut needed: Vec<usize> = router.ports().collect();
            needed.sort_unstable();
            needed.dedup();
            for port in needed {
                self.ports[port].needed_by.push(slot);
            }
            for (tracked, _) in &router.tracked {
                if let Tracked::Port(port) = tracked {
                    self.ports[*port].tracked_by.push(slot);
                }
            }
        }
    }

    /// The VRIDs of a family that run on a port; an unusable instance has none to
    /// speak of.
    #[must_use]
    pub fn vrids(&self, port: usize, family: Family) -> Vec<Vrid> {
        let routers = self.ports[port]
            .routers
            .iter()
            .map(|slot| &self.routers[*slot]);
        routers
            .filter(|router| router.runs() && router.family == family)
            .map(|router| router.params.vrid)
            .collect()
    }
}

fn identity_of(instance: &Instance) -> Identity<'_> {
    (
        &instance.interface,
        Family::of(instance.group),
        instance.vrid,
        instance.unusable.as_ref().map(|_| &*instance.name),
    )
}

impl RouterPlan {
    /// Whether it takes part: it can, and is wanted.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.unusable.is_none() && !self.vacant
    }

    /// Whether a route or rule that has gone is one that is to be there.
    #[must_use]
    pub fn had(&self, gone: &LinkEvent) -> bool {
        match gone {
            LinkEvent::RouteGone {
                destination,
                prefix,
                ..
            } => self.routes.iter().any(|route| {
                let to = &route.destination;
                !route.no_track && (to.address, to.prefix) == (*destination, *prefix)
            }),
            LinkEvent::RuleGone { preference } => self
                .rules
                .iter()
                .any(|rule| !rule.no_track && rule.preference == *preference),
            LinkEvent::Changed(_)
            | LinkEvent::Gone { .. }
            | LinkEvent::Told { .. }
            | LinkEvent::Resync => false,
        }
    }

    /// Addresses that move with this router, advertised ones first.
    pub fn all_addresses(&self) -> impl Iterator<Item = &PlacedAddress> {
        self.addresses.iter().chain(&self.excluded)
    }

    /// Whether an address moves with this router.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.all_addresses().any(|one| one.address == address)
    }

    /// The interfaces that it needs, some of them perhaps several times.
    pub fn ports(&self) -> impl Iterator<Item = usize> {
        let own = [self.port, self.home];
        own.into_iter()
            .chain(self.all_addresses().flat_map(|one| [one.port, one.heard]))
    }

    /// The addresses as the kernel is asked for them; `ifindex_of` says which
    /// interface a port is. Those of one that is not there are left out.
    #[must_use]
    pub fn assignments(&self, ifindex_of: impl Fn(usize) -> Option<u32>) -> Vec<Assignment> {
        let all = self.all_addresses();
        all.filter_map(|one| one.assignment(&ifindex_of)).collect()
    }

    /// What the program at the NIC is told of this router. `broadcast` is the
    /// one of our subnet, where it has one.
    #[must_use]
    pub fn entry(
        &self,
        slot: u32,
        ifindex: u32,
        primary: IpAddr,
        broadcast: Option<Ipv4Addr>,
        mac: MacAddr,
    ) -> Option<(RouterKey, RouterEntry)> {
        if Family::of(primary) != self.family {
            return None;
        }
        // The engine knows which peer has which bounds; here the widest count.
        let peers = self.unicast.iter().flat_map(|unicast| &unicast.peers);
        let least = peers.clone().map(|peer| peer.min_ttl).min();
        let most = peers.map(|peer| peer.max_ttl).max();
        let unicast = self.unicast.as_ref().map_or(0, |_| RouterEntry::UNICAST);
        let trailer = if self.trailers {
            RouterEntry::TRAILER
        } else {
            0
        };
        let signed = if self.signed { RouterEntry::SIGNED } else { 0 };
        let entry = RouterEntry {
            slot,
            group: octets(self.group),
            primary: octets(primary),
            broadcast: broadcast.unwrap_or(Ipv4Addr::UNSPECIFIED).octets(),
            mac,
            version: self.params.version.get(),
            min_ttl: least.unwrap_or(255),
            max_ttl: most.unwrap_or(255),
            flags: unicast | trailer | signed,
            pad: 0,
        };
        Some((
            RouterKey::new(ifindex, self.family, self.params.vrid),
            entry,
        ))
    }

    /// The priority in the configuration.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.params.priority
    }
}

/// What the program at the NIC is told of an address that lives on an interface,
/// whose own MAC is `mac`.
#[must_use]
pub const fn address_entry(
    address: IpAddr,
    slot: u32,
    ifindex: u32,
    mac: MacAddr,
) -> (AddressKey, AddressEntry) {
    (
        AddressKey::new(ifindex, address),
        AddressEntry::new(slot, mac),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn what_stands_twice_is_advertised_twice_and_installed_once() {
        let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n192.0.2.1/24\n192.0.2.1\n}\nvirtual_ipaddress_excluded {\n192.0.2.1\n192.0.2.2\n}\n}\n";
        let plan = Plan::new(&config::parse(text, "t").configuration);
        let router = &plan.routers[0];
        assert_eq!(router.listed.len(), 2);
        let installed: Vec<_> = router.assignments(|_| Some(1));
        let installed: Vec<_> = installed
            .iter()
            .map(|one| (one.address, one.prefix))
            .collect();
        let address = |last| IpAddr::from([192, 0, 2, last]);
        assert_eq!(installed, [(address(1), 24), (address(2), 32)]);
    }

    #[test]
    fn a_group_is_succeeded_as_a_whole() {
        let one = |name: &str, interval: &str| {
            format!(
                "vrrp_instance {name} {{\nversion 3\ninterface {name}\nvirtual_router_id 1\nadvert_int {interval}\nvirtual_ipaddress {{\n192.0.2.1\n}}\n}}\n"
            )
        };
        let group = "vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\n";
        let text = format!(
            "{group}{}{}{}",
            one("A", "0.1"),
            one("B", "3"),
            one("C", "0.1")
        );
        let plan = Plan::new(&config::parse(&text, "t").configuration);
        let successions = plan.routers.iter().map(|one| one.params.succession());
        let expected = [3_000, 3_000, 100].map(Duration::from_millis);
        assert_eq!(successions.collect::<Vec<_>>(), expected);
    }
}
