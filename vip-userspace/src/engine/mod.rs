//! The real-time thread. It hears, decides and speaks; it never waits for
//! anything but the next event, and takes no lock, memory, file or log line
//! between a deadline and the wire.
//!
//! Everything slow is asked of the [hands](crate::kernel::hands) and comes
//! back as an input; everything that a person should know leaves as a
//! [`Report`] or a [published](self::published) slot.

mod adopt;
mod group;
mod news;
mod pace;
mod perform;
mod ports;
pub mod published;
pub mod queue;
pub mod reader;
mod relief;
pub mod router;
pub mod rt;
mod track;
mod trust;

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use vip_common::election::{Input, State};
use vip_common::ids::MacAddr;
use vip_common::layout::AddressKey;
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;
use vip_common::wire::vrrp::{self, ChecksumDialect};

use crate::dataplane::{AddressNote, Ear, EarEvent, Left};
use crate::kernel::hands::{Outcome, Request, Spent, ToPeers};
use crate::kernel::sender::FrameSender;
use crate::plan::Plan;
pub use news::{Command, Hindrance, Hold, LinkFacts, LinkNews, Own, Report, Verdict};
use pace::Pace;
use published::Published;
use queue::{Receiver, Sender, Wake};
use relief::Relief;
use router::Router;
pub use track::points;

/// After how long an interface that could not be attached is tried again.
const ATTACH_RETRY: Duration = Duration::from_secs(5);

/// How often the ears are drained before a deadline is believed all the same.
const MOST_LOOKS: usize = 8;

#[derive(Default)]
struct Port {
    link: Option<LinkFacts>,
    attached: Option<AttachedPort>,
    /// What the hands were last asked to attach, until they answer.
    asked: Option<LinkFacts>,
    /// When to try again, after it could not be attached.
    retry_at: Option<MonoTime>,
    /// Whether a proof of the ear is under way.
    proving: bool,
    /// Whether its ear was lost, until there is another.
    deaf: bool,
    /// Whether it has been looked at since the start.
    looked_at: bool,
    /// Whether it is to have a virtual MAC and cannot be made.
    unmade: bool,
    /// Changes whenever frames that were built for it are not right any more.
    face: u32,
}

struct AttachedPort {
    facts: LinkFacts,
    sender: FrameSender,
    /// Whether the last frame could not be sent.
    mute: bool,
}

struct OwnedEar {
    /// The port whose own it is; the ring serves all.
    port: Option<usize>,
    ear: Box<dyn Ear>,
}

/// The queues that end or begin at the engine.
pub struct Links {
    /// Rung by whoever puts something into a queue for the engine.
    pub wake: Wake,
    /// From the link reader.
    pub news: Receiver<LinkNews>,
    /// From the hands.
    pub outcomes: Receiver<Outcome>,
    /// From services.
    pub commands: Receiver<Command>,
    /// To the hands.
    pub hands: Sender<Request>,
    /// To services.
    pub reports: Sender<Report>,
}

/// The engine.
pub struct Engine {
    plan: Arc<Plan>,
    routers: Vec<Router>,
    ports: Vec<Port>,
    ears: Vec<OwnedEar>,
    /// What is to be closed, which others do.
    spent: Vec<Spent>,
    links: Links,
    published: Arc<Published>,
    epoll: Epoll,
    timer: rt::Timer,
    vigil: rt::Vigil,
    /// When the engine meant to wake.
    planned: Option<MonoTime>,
    /// By how much it woke later than that: it, or the host, did not run.
    overslept: Duration,
    /// How what is watched stands, as the plan has it.
    verdicts: Vec<Verdict>,
    /// The groups of interfaces that announcements are spaced out on.
    paces: Vec<Pace>,
    /// Whether any router keeps addresses for a successor.
    is_anybody_letting_go: bool,
    /// Whether a sync group is being told something: what follows waits.
    ordering: bool,
    /// Counts the plans.
    epoch: u32,
    up: bool,
    leaving: bool,
}

impl Engine {
    /// An engine at rest; `ring` is the ear that serves all attached ports.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new(
        plan: Arc<Plan>,
        ring: Option<Box<dyn Ear>>,
        links: Links,
        published: Arc<Published>,
    ) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = rt::Timer::new()?;
        let readable = |token| EpollEvent::new(EpollFlags::EPOLLIN, token);
        epoll.add(timer.as_fd(), readable(TIMER))?;
        epoll.add(links.wake.as_fd(), readable(WAKE))?;
        let mut engine = Self {
            routers: plan.routers.iter().map(Router::new).collect(),
            ports: plan.ports.iter().map(|_| Port::default()).collect(),
            ears: Vec::with_capacity(plan.ports.len() + 1),
            spent: Vec::new(),
            paces: vec![Pace::default(); plan.paces.len()],
            verdicts: vec![Verdict::Unknown; plan.trackers.len()],
            plan,
            links,
            published,
            epoll,
            timer,
            vigil: rt::Vigil::default(),
            planned: None,
            overslept: Duration::ZERO,
            is_anybody_letting_go: false,
            ordering: false,
            epoch: 0,
            up: false,
            leaving: false,
        };
        if let Some(ear) = ring {
            engine.listen(None, ear)?;
        }
        Ok(engine)
    }

    /// Runs until it is told to leave, or nobody is left to serve.
    ///
    /// # Errors
    /// When the kernel refuses to wait for events: nothing can be heard then.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 8];
        // Without relief the engine may be late once in a while.
        let relief = Relief::start().unwrap_or(None);
        while !(self.leaving
            && self
                .routers
                .iter()
                .all(|router| !router.election.is_letting_go()))
        {
            match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => self.acknowledge(&events[..count]),
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.overslept = self
                .planned
                .map_or(Duration::ZERO, |at| rt::now().since(at));
            // 1. What has been heard, before anything is decided.
            self.hear();
            // 2. What others have found out or want.
            self.take_news();
            // 3. What is due, after a last look at the ears.
            self.expire();
            // 4. When to look again.
            self.planned = self.next_wake();
            self.timer.arm(self.planned);
            // 5. What others may see, and the ears should know.
            self.publish();
            let mut routers = self.routers.iter();
            self.is_anybody_letting_go = routers.any(|router| router.election.is_letting_go());
            for slot in 0..self.routers.len() {
                self.tell_active(slot);
                self.forget_gone(slot);
            }
            self.hand_back();
            if let Some(relief) = &relief {
                relief.expect(self.planned);
            }
        }
        // Nobody waits for this thread any more, so that it may close what it has.
        let _ = self.links.hands.send_patiently(Request::Stop);
        Ok(())
    }

    fn acknowledge(&mut self, events: &[EpollEvent]) {
        for event in events {
            match event.data() {
                TIMER => self.timer.acknowledge(),
                WAKE => self.links.wake.clear(),
                _ => {}
            }
        }
    }

    /// What is spent goes to the hands; what they have no room for waits.
    fn hand_back(&mut self) {
        while let Some(spent) = self.spent.pop() {
            if let Err(Request::Close(back)) = self.links.hands.send(Request::Close(spent)) {
                return self.spent.push(back);
            }
        }
    }

    /// Drains the ears once, each within its bound. Says whether all is read.
    fn hear(&mut self) -> Left {
        // The ears are taken out while they are drained into the rest of self.
        let mut ears = std::mem::take(&mut self.ears);
        let mut left = Left::Nothing;
        for owned in &mut ears {
            if owned.ear.drain(&mut |event| self.heard(event)) == Left::Perhaps {
                left = Left::Perhaps;
            }
        }
        self.ears = ears;
        left
    }

    fn heard(&mut self, event: EarEvent<'_>) {
        match event {
            EarEvent::Advert {
                stamp,
                slot,
                ifindex,
                frame,
            } => {
                self.heard_advert(stamp, slot as usize, ifindex, frame);
            }
            EarEvent::Claim {
                stamp,
                slot,
                address,
                mac,
                ..
            } => {
                let slot = slot as usize;
                // After a reload it may be another router's by now than the one
                // that lets it go.
                for holder in 0..self.routers.len() {
                    if self.plan.routers[holder].has(address) {
                        self.input(holder, Input::AddressClaimed { stamp });
                    }
                }
                // Until we know who is Active, it may be nobody but him.
                if self
                    .routers
                    .get(slot)
                    .is_some_and(|router| router.is_stranger(mac))
                {
                    self.report(Report::Claimed { slot, address, mac });
                }
            }
            // Counted where it was refused; services read it there.
            EarEvent::Refused { .. } => {}
        }
    }

    fn heard_advert(&mut self, stamp: MonoTime, slot: usize, ifindex: u32, frame: &[u8]) {
        let (Some(plan), Some(router)) = (self.plan.routers.get(slot), self.routers.get_mut(slot))
        else {
            return;
        };
        let here = self.ports[plan.port].attached.as_ref();
        if here.is_none_or(|port| port.facts.ifindex != ifindex) {
            return;
        }
        let Some((header, source_mac, body)) = vrrp::locate(frame) else {
            return;
        };
        let source = header.source;
        // Before the signature, whose serial would count otherwise.
        if let Some(unicast) = &plan.unicast
            && unicast.check_source
            && !unicast.admits(source, header.ttl)
        {
            return self.refused(slot, source, stamp, RejectReason::Peer);
        }
        match router.read(stamp, &header, body) {
            Ok(advert) => {
                let other_list = !advert.addresses.same_as(&plan.listed);
                let dialect = advert.dialect;
                let news = router.note_accepted(source, stamp, advert.priority, other_list);
                let input = Input::AdvertArrived {
                    stamp,
                    source,
                    priority: advert.priority,
                    interval: advert.interval,
                };
                self.input(slot, input);
                let router = &mut self.routers[slot];
                if router
                    .followed()
                    .is_some_and(|active| active.address == source)
                {
                    router.heard_from = source_mac;
                }
                if news {
                    self.report(Report::OtherList { slot, source });
                }
                if dialect == ChecksumDialect::OldUnicast && !self.routers[slot].old_checksum {
                    // As keepalived: it is spoken to in its own way from now on.
                    let router = &mut self.routers[slot];
                    router.old_checksum = true;
                    router.built_for = None;
                    self.settle_router(&Arc::clone(&self.plan), slot);
                }
            }
            Err(reason) => self.refused(slot, source, stamp, reason),
        }
    }

    /// A refused advert is counted and moves nothing.
    fn refused(&mut self, slot: usize, source: IpAddr, stamp: MonoTime, reason: RejectReason) {
        let Some(router) = self.routers.get_mut(slot) else {
            return;
        };
        if router.note_refused(source, stamp, reason) {
            self.report(Report::Refused {
                slot,
                source,
                reason,
            });
        }
    }

    /// A router that is gone from the configuration and has left is not listened
    /// for any more.
    fn forget_gone(&mut self, slot: usize) {
        let router = &mut self.routers[slot];
        if self.plan.routers[slot].vacant && !router.forgotten && !router.election.is_letting_go() {
            router.forgotten = true;
            self.spent
                .extend(router.to_peers.take().map(Spent::ToPeers));
            self.ask(Request::Forget { slot });
        }
    }

    /// Lets the ears know whose claim of our addresses is no news.
    fn tell_active(&mut self, slot: usize) {
        let router = &mut self.routers[slot];
        let active = if router.followed().is_some() {
            router.heard_from
        } else {
            MacAddr::ZERO
        };
        let is_active = matches!(router.election.state(), State::Active(_));
        let note = AddressNote {
            active,
            // A successor speaks for them before we know that there is one.
            watched: is_active || router.election.is_letting_go(),
            withheld: router.withheld,
        };
        router.active_mac = active;
        // Somebody else's, too, whose router is leaving: a reload gave it to us.
        let is_shared = self.is_anybody_letting_go;
        if router.noted == Some((note, is_shared)) {
            return;
        }
        router.noted = Some((note, is_shared));
        for one in self.plan.routers[slot].all_addresses() {
            let Some(port) = &self.ports[one.heard].attached else {
                continue;
            };
            let mut note = note;
            for (leaving, plan) in self.routers.iter().zip(&self.plan.routers) {
                if is_shared && leaving.election.is_letting_go() && plan.has(one.address) {
                    note.watched = true;
                    note.withheld |= leaving.withheld;
                }
            }
            let key = AddressKey::new(port.facts.ifindex, one.address);
            for owned in &mut self.ears {
                owned.ear.note_address(key, note);
            }
        }
    }

    fn take_news(&mut self) {
        while let Some(news) = self.links.news.receive() {
            match news {
                LinkNews::Link { port, link } => self.link_changed(port, link),
                LinkNews::AddressMissing { slot } if slot < self.routers.len() => {
                    self.put_back(slot);
                }
                LinkNews::AddressMissing { .. } => {}
                LinkNews::RoadsInDoubt => {
                    self.ask(Request::PlaceRoads);
                }
            }
        }
        while let Some(outcome) = self.links.outcomes.receive() {
            self.outcome(outcome);
        }
        while let Some(command) = self.links.commands.receive() {
            self.obey(command);
        }
        // Without services nobody can tell this thread to leave any more.
        self.leaving |= self.links.commands.is_abandoned();
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::ShutDown => {
                self.shut_down();
            }
            Command::Adopt(plan) => self.adopt(plan),
            Command::Drain { slot, force } => {
                self.input_to_group(slot, Input::Drained { force });
            }
            Command::Undrain { slot } => self.input_to_group(slot, Input::Undrained),
            Command::Take { slot, priority } => {
                self.input_to_group(slot, Input::Taken { priority });
            }
            Command::Untake { slot } => self.input_to_group(slot, Input::Untaken),
            Command::Judge { tracker, verdict } => self.judged(tracker, verdict),
        }
    }

    fn outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Attached(attached) => self.attached(*attached),
            Outcome::NotAttached {
                port: index,
                ifindex,
            } => {
                let port = &mut self.ports[index];
                port.asked = None;
                port.looked_at = true;
                if port.link.is_some_and(|link| link.ifindex == ifindex) {
                    self.detach(index);
                    self.ports[index].retry_at = Some(rt::now() + ATTACH_RETRY);
                }
                self.settle(index);
            }
            Outcome::NotMade { port: index } => {
                self.ports[index].unmade = true;
                self.ports[index].looked_at = true;
                self.settle(index);
            }
            Outcome::Source {
                slot,
                missing,
                to_peers,
            } => {
                let router = &mut self.routers[slot];
                router.lacks_source = missing;
                let old = match to_peers {
                    ToPeers::AsBefore => None,
                    ToPeers::Nothing => router.to_peers.take(),
                    ToPeers::Now(sender) => router.to_peers.replace(sender),
                };
                self.spent.extend(old.map(Spent::ToPeers));
                self.settle_router(&Arc::clone(&self.plan), slot);
            }
            Outcome::Hears { port, ear } => self.hear_by(port, ear),
            Outcome::Looked { port, link } => {
                if self.ports[port].link.is_none() {
                    self.link_changed(port, link);
                }
            }
            Outcome::Proven { port } => {
                self.ports[port].proving = false;
                let plan = Arc::clone(&self.plan);
                for slot in &plan.ports[port].routers {
                    self.input(*slot, Input::EarProven);
                }
            }
            Outcome::Deaf { port } => {
                self.take_ears_out(port);
                self.ports[port].proving = false;
                self.ports[port].deaf = true;
                self.settle(port);
                self.attach(port);
            }
            Outcome::Installed { slot, generation } => {
                self.input(slot, Input::AddressesInstalled { generation });
                let router = &mut self.routers[slot];
                router.seen.installed = router.holds;
                router.changed = true;
                if router.holds && router.election.generation() == generation {
                    self.report_hold(slot, Hold::Held);
                }
                let router = &mut self.routers[slot];
                let rounds = std::mem::take(&mut router.owed_rounds);
                if rounds > 0 {
                    self.announce(slot, rounds);
                }
            }
            Outcome::NotInstalled { slot, generation } => {
                self.input(slot, Input::AddressesFailed { generation });
            }
            Outcome::Removed { slot, generation } => {
                self.input(slot, Input::AddressesRemoved { generation });
                if !self.routers[slot].holds {
                    self.report_hold(slot, Hold::Free);
                }
            }
        }
    }

    fn expire(&mut self) {
        let Some(due) = self.next_deadline() else {
            return;
        };
        let now = if self.is_takeover(due) {
            let hands = &mut self.links.hands;
            let until = due + rt::HANDS_WAIT;
            self.vigil.keep(due, || {
                // Without them awake the addresses come a little later.
                let _ = hands.send(Request::StandBy { until });
            })
        } else {
            rt::now()
        };
        if due > now {
            return;
        }
        // What is stamped before the deadline must be known when it is
        // believed. A flood that cannot be read to its end does not silence us.
        for _ in 0..MOST_LOOKS {
            if self.hear() == Left::Nothing {
                break;
            }
        }
        for slot in 0..self.routers.len() {
            if self.routers[slot]
                .election
                .poll_timeout()
                .is_some_and(|due| due <= now)
            {
                // A ring that was not read while we slept loses the newest first.
                if self.overslept >= self.plan.routers[slot].params.adver_interval.span() {
                    self.input(slot, Input::Slept);
                }
                self.routers[slot].election.handle_timeout(now);
                self.perform(slot, now);
                self.follow_group(slot);
            }
        }
        self.announce_due(now);
        for index in 0..self.ports.len() {
            if self.ports[index].retry_at.is_some_and(|due| due <= now) {
                self.attach(index);
                self.settle(index);
            }
        }
    }

    fn next_deadline(&self) -> Option<MonoTime> {
        let routers = self
            .routers
            .iter()
            .filter_map(|router| router.election.poll_timeout());
        let ports = self.ports.iter().filter_map(|port| port.retry_at);
        let announcements = self.next_announcement_due();
        routers.chain(ports).chain(announcements).min()
    }

    fn next_wake(&self) -> Option<MonoTime> {
        let due = self.next_deadline()?;
        let takeover = self.is_takeover(due);
        Some(if takeover {
            self.vigil.begins(due)
        } else {
            due
        })
    }

    /// Whether a Backup takes over at `due` if nothing is heard.
    fn is_takeover(&self, due: MonoTime) -> bool {
        let mut routers = self.routers.iter();
        routers.any(|router| router.takeover() == Some(due))
    }

    fn publish(&mut self) {
        let now = rt::now();
        for (slot, router) in self.routers.iter_mut().enumerate() {
            if router.changed {
                self.published.write(slot, router.snapshot(now));
            }
        }
        if !self.up && self.ports.iter().all(|port| port.looked_at) {
            self.up = true;
            self.report(Report::Up);
        }
    }

    fn input(&mut self, slot: usize, input: Input) {
        let now = rt::now();
        self.routers[slot].election.handle_input(now, input);
        self.perform(slot, now);
        self.follow_group(slot);
    }

    fn ask(&mut self, request: Request) -> bool {
        self.links.hands.send(request).is_ok()
    }

    /// Tells services; what they have no room for is dropped. What a neighbour
    /// can provoke at will leaves room for what must be told.
    fn report(&mut self, report: Report) {
        if !report.is_provoked() || self.links.reports.is_half_empty() {
            let _ = self.links.reports.send(report);
        }
    }
}

const TIMER: u64 = 0;
const WAKE: u64 = 1;
const EAR: u64 = 2;
