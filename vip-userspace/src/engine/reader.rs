//! The link reader: what becomes of the host's interfaces, as news for the engine.
//! It runs on the monitor's thread and may wait.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::LinkNews;
use super::published::Published;
use super::queue::Sender;
use crate::config::Route;
use crate::kernel::hands::{facts, others};
use crate::kernel::{Link, LinkEvent};
use crate::plan::{Current, Plan};

/// From events to news.
pub struct LinkReader {
    current: Current,
    published: Arc<Published>,
    news: Sender<LinkNews>,
    /// How each interface was when it was last told of, by its index.
    seen: BTreeMap<u32, Bearing>,
    /// Routers that seem to miss an address on a port, and whether another look has
    /// begun since. An interface is read before it is known that all is installed, so
    /// that the last addresses of many may only be on their way to us.
    missed: BTreeMap<(usize, usize), bool>,
    /// Whether addresses, routes and rules are another program's to keep.
    shadows: bool,
}

/// What routes by an interface live on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Bearing {
    running: bool,
    /// A number that changes with the addresses that are not ours to move.
    addresses: u64,
}

impl LinkReader {
    /// One that has seen these interfaces, and tells of the ports that have none.
    #[must_use]
    pub fn new(
        current: Current,
        published: Arc<Published>,
        links: &[Link],
        mut news: Sender<LinkNews>,
    ) -> Self {
        let plan = current.get();
        for (port, planned) in plan.ports.iter().enumerate() {
            // One with a virtual MAC will be made.
            if planned.vmac.is_none() && !links.iter().any(|link| link.name == planned.name) {
                news.send_patiently(LinkNews::Link { port, link: None });
            }
        }
        let bearing = |link: &Link| (link.index, Bearing::of(&plan, link));
        Self {
            seen: links.iter().map(bearing).collect(),
            current,
            published,
            news,
            missed: BTreeMap::new(),
            shadows: false,
        }
    }

    /// The same, which tells of no address, route or rule that is missing: they are
    /// another program's (`vip run --shadow`).
    #[must_use]
    pub fn shadowing(self) -> Self {
        Self {
            shadows: true,
            ..self
        }
    }

    /// Something has become of an interface, a route or a rule.
    pub fn read(&mut self, event: &LinkEvent) {
        self.published.stir();
        let plan = self.current.get();
        match event {
            LinkEvent::Changed(link) => self.changed(&plan, link),
            LinkEvent::Gone { name, index } => {
                self.seen.remove(index);
                if let Some(port) = port_of(&plan, name) {
                    self.missed.retain(|(_, at), _| *at != port);
                    self.tell(LinkNews::Link { port, link: None });
                }
            }
            LinkEvent::RouteGone { .. } | LinkEvent::RuleGone { .. } => {
                for (slot, router) in plan.routers.iter().enumerate() {
                    if router.had(event) && self.is_installed(slot) {
                        self.tell(LinkNews::AddressMissing { slot });
                    }
                }
            }
            LinkEvent::Told { all } => self.confirm(*all),
            LinkEvent::Resync => self.tell(LinkNews::RoadsInDoubt),
        }
    }

    /// All that had come has been read: what is missed still is missing, unless it was
    /// found so in this look and more has come since.
    fn confirm(&mut self, all: bool) {
        let mut slots: Vec<usize> = Vec::new();
        self.missed.retain(|(slot, _), again| {
            let is_sure = all || std::mem::replace(again, true);
            if is_sure {
                slots.push(*slot);
            }
            !is_sure
        });
        slots.dedup();
        for slot in slots {
            self.tell(LinkNews::AddressMissing { slot });
        }
    }

    fn changed(&mut self, plan: &Plan, link: &Link) {
        let port = port_of(plan, &link.name);
        let now = Bearing::of(plan, link);
        let before = self.seen.insert(link.index, now);
        if let Some(port) = port {
            let seen = Some(facts(plan, port, link));
            self.tell(LinkNews::Link { port, link: seen });
            for slot in &plan.ports[port].needed_by {
                let router = &plan.routers[*slot];
                let mut here = router
                    .all_addresses()
                    .filter(|one| one.port == port && !one.line.no_track);
                let misses = !here.all(|one| link.has(one.address));
                if misses && !router.vacant && self.is_installed(*slot) {
                    self.missed.entry((*slot, port)).or_default();
                } else {
                    self.missed.remove(&(*slot, port));
                }
            }
        }
        // The kernel forgets the routes by an interface that goes down or loses its
        // addresses, mostly without a word.
        if now.running && before != Some(now) && leads_by(plan, link) {
            self.tell(LinkNews::RoadsInDoubt);
        }
    }

    fn is_installed(&self, slot: usize) -> bool {
        !self.shadows && self.published.read(slot).is_some_and(|seen| seen.installed)
    }

    fn tell(&mut self, news: LinkNews) {
        self.news.send_patiently(news);
    }
}

impl Bearing {
    fn of(plan: &Plan, link: &Link) -> Self {
        Self {
            running: link.up && link.running,
            addresses: match port_of(plan, &link.name) {
                Some(port) => others(plan, port, link),
                None => {
                    let mut hasher = DefaultHasher::new();
                    link.addresses.hash(&mut hasher);
                    hasher.finish()
                }
            },
        }
    }
}

fn port_of(plan: &Plan, name: &str) -> Option<usize> {
    plan.ports.iter().position(|port| port.name == name)
}

/// Whether a route of the plan may lead by this interface.
fn leads_by(plan: &Plan, link: &Link) -> bool {
    let by = |route: &Route| {
        let hops = route.hops.iter().map(|hop| (hop.via, &hop.device));
        let mut ways = hops.chain([(route.via, &route.device)]);
        route.vrf.as_ref() == Some(&link.name)
            || ways.any(|(via, device)| match device {
                Some(name) => *name == link.name,
                // The kernel chooses one that reaches the gateway.
                None => via.is_some(),
            })
    };
    let moving = plan.routers.iter().flat_map(|router| &router.routes);
    moving.chain(&plan.statics.routes).any(by)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use vip_common::ids::{MacAddr, Priority};

    use super::*;
    use crate::config;
    use crate::engine::published::Snapshot;
    use crate::engine::queue::{Receiver, Wake, queue};

    const ROUTES: &str = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\n\
        virtual_ipaddress {\n192.0.2.1/24\n}\nvirtual_routes {\n\
        198.51.100.0/24 via 10.9.0.2 dev eth1\n\
        203.0.113.0/24 nexthop via 10.9.0.2 dev eth1 nexthop via 10.8.0.2 dev eth2\n}\n}\n";

    fn link(name: &str, index: u32) -> Link {
        Link {
            index,
            name: name.to_owned(),
            mac: MacAddr::ZERO,
            up: true,
            running: true,
            mtu: 1500,
            kind: None,
            has_vlans: false,
            addresses: vec![(IpAddr::from([10, 9, 0, 1]), 24)],
            tentative: Vec::new(),
        }
    }

    struct Read {
        reader: LinkReader,
        news: Receiver<LinkNews>,
        _wake: Wake,
    }

    impl Read {
        fn new(text: &str) -> Self {
            let plan = Arc::new(Plan::new(&config::parse(text, "test").configuration));
            let slots = plan.routers.iter();
            let published = Published::new(slots.map(|router| Snapshot::new(router.priority())));
            let wake = Wake::new().unwrap();
            let (sender, news) = queue(64, &wake);
            let there = [link("eth0", 2), link("eth1", 3), link("eth7", 9)];
            let current = Current::new(plan);
            Self {
                reader: LinkReader::new(current, Arc::new(published), &there, sender),
                news,
                _wake: wake,
            }
        }

        /// How often the event brings the roads into doubt.
        fn doubts(&mut self, event: &LinkEvent) -> usize {
            self.reader.read(event);
            let news = std::iter::from_fn(|| self.news.receive());
            news.filter(|news| matches!(news, LinkNews::RoadsInDoubt))
                .count()
        }

        fn doubts_at(&mut self, link: &Link) -> usize {
            self.doubts(&LinkEvent::Changed(link.clone()))
        }
    }

    #[test]
    fn an_interface_that_comes_back_may_have_lost_its_routes() {
        for (name, index) in [("eth0", 2), ("eth1", 3), ("eth2", 4)] {
            let mut read = Read::new(ROUTES);
            let up = link(name, index);
            let down = Link {
                up: false,
                running: false,
                ..up.clone()
            };
            // It has been there since the start, unless it is new.
            let by_name = usize::from(name != "eth0");
            let is_new = usize::from(name == "eth2");
            assert_eq!(read.doubts_at(&up), is_new, "{name}");
            assert_eq!(read.doubts_at(&down), 0, "{name}");
            assert_eq!(read.doubts_at(&up), by_name, "{name}");
            // Whatever else is new about it is none of theirs.
            let mtu = Link {
                mtu: 1400,
                ..up.clone()
            };
            assert_eq!(read.doubts_at(&mtu), 0, "{name}");
            let readdressed = Link {
                addresses: vec![(IpAddr::from([10, 9, 0, 7]), 24)],
                ..up.clone()
            };
            assert_eq!(read.doubts_at(&readdressed), by_name, "{name}");
            let gone = LinkEvent::Gone {
                name: name.to_owned(),
                index,
            };
            assert_eq!(read.doubts(&gone), 0, "{name}");
            assert_eq!(read.doubts_at(&readdressed), by_name, "{name}");
        }
    }

    #[test]
    fn by_another_interface_no_route_leads() {
        let mut read = Read::new(ROUTES);
        let mut other = link("eth7", 9);
        other.running = false;
        assert_eq!(read.doubts_at(&other), 0);
        other.running = true;
        assert_eq!(read.doubts_at(&other), 0);
        // Without a name it may be any.
        let mut read = Read::new(&ROUTES.replace("10.9.0.2 dev eth1\n", "10.9.0.2\n"));
        other.running = false;
        assert_eq!(read.doubts_at(&other), 0);
        other.running = true;
        assert_eq!(read.doubts_at(&other), 1);
    }

    #[test]
    fn our_own_address_is_no_news_of_a_route() {
        let mut read = Read::new(&ROUTES.replace("dev eth1\n", "dev eth0\n"));
        let mut port = link("eth0", 2);
        port.addresses.push((IpAddr::from([192, 0, 2, 1]), 24));
        assert_eq!(read.doubts_at(&port), 0);
        port.addresses.push((IpAddr::from([192, 0, 2, 77]), 24));
        assert_eq!(read.doubts_at(&port), 1);
    }

    #[test]
    fn an_address_is_missing_when_all_has_been_read_and_it_is_not_there() {
        let mut read = Read::new(ROUTES);
        let mut seen = Snapshot::new(Priority::DEFAULT);
        seen.installed = true;
        read.reader.published.write(0, &seen);
        let without = link("eth0", 2);
        let mut with = without.clone();
        with.addresses.push((IpAddr::from([192, 0, 2, 1]), 24));
        let mut missing = |events: &[LinkEvent]| {
            events.iter().for_each(|event| read.reader.read(event));
            let news = std::iter::from_fn(|| read.news.receive());
            news.filter(|news| matches!(news, LinkNews::AddressMissing { slot: 0 }))
                .count()
        };
        let [without, with] = [without, with].map(LinkEvent::Changed);
        let [all, some] = [true, false].map(|all| LinkEvent::Told { all });
        assert_eq!(missing(&[without.clone(), all.clone(), all.clone()]), 1);
        // It was read before it was there.
        assert_eq!(missing(&[without.clone(), some.clone()]), 0);
        assert_eq!(missing(&[with, some.clone(), all]), 0);
        // However much else there is to read, it is not put off for ever.
        assert_eq!(missing(&[without, some.clone()]), 0);
        assert_eq!(missing(&[some]), 1);
    }

    #[test]
    fn after_lost_events_any_route_may_be_gone() {
        assert_eq!(Read::new(ROUTES).doubts(&LinkEvent::Resync), 1);
    }
}
