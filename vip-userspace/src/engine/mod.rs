//! The real-time thread. It hears, decides and speaks; it never waits for
//! anything but the next event, and takes no lock, memory, file or log line
//! between a deadline and the wire.
//!
//! Everything slow is asked of the [hands](crate::kernel::hands) and comes
//! back as an input; everything that a person should know leaves as a
//! [`Report`] or a [published](self::published) slot.

mod adopt;
mod agenda;
pub mod class;
mod group;
mod hear;
mod known;
pub mod meter;
mod news;
mod outbox;
mod pace;
mod perform;
mod ports;
pub mod published;
pub mod queue;
pub mod reader;
pub mod record;
mod relief;
pub mod router;
pub mod rt;
mod tracepoints;
mod track;
mod trust;

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use vip_common::election::{Input, State};
use vip_common::ids::MacAddr;
use vip_common::layout::AddressKey;
use vip_common::time::MonoTime;

use crate::dataplane::{AddressNote, Ear, Left, Memory};
use crate::kernel::hands::{Outcome, Request, Spent, ToPeers};
use crate::kernel::sender::FrameSender;
use crate::plan::Plan;
use agenda::Agenda;
use class::Class;
pub use news::{Command, Hindrance, Hold, LinkFacts, LinkNews, Own, Report, Verdict};
use outbox::Outbox;
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
    /// Readable while any ear is.
    epoll: Epoll,
    /// Where adverts are lent to the program at the NIC, if it can be.
    memory: Option<Arc<dyn Memory>>,
    vigil: rt::Vigil,
    /// Until when it waits awake for the addresses that it has asked for.
    linger: Option<MonoTime>,
    /// When the engine meant to wake.
    planned: Option<MonoTime>,
    /// By how much it woke later than that: it, or the host, did not run.
    overslept: Duration,
    /// Late wake-ups that are not in the record yet.
    lates: record::Lates,
    /// How what is watched stands, as the plan has it.
    verdicts: Vec<Verdict>,
    /// The groups of interfaces that announcements are spaced out on.
    paces: Vec<Pace>,
    /// Adverts that are sent with the next ones.
    outbox: Outbox,
    /// When each router has something to do.
    agenda: Agenda,
    /// When to try each interface again that could not be attached.
    retries: Agenda,
    /// The routers to which something has happened since they were published.
    touched: Vec<usize>,
    /// The routers whose time has come, while it is their turn.
    due: Vec<usize>,
    /// Each address of each router, and whose it is, sorted.
    holders: Vec<(IpAddr, usize)>,
    /// How many routers keep addresses for a successor.
    letting_go: usize,
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
            memory: ring.as_ref().and_then(|ring| ring.memory()),
            vigil: rt::Vigil::new(1),
            linger: None,
            planned: None,
            overslept: Duration::ZERO,
            lates: record::Lates::default(),
            outbox: Outbox::new(),
            agenda: Agenda::default(),
            retries: Agenda::default(),
            touched: Vec::new(),
            due: Vec::new(),
            holders: Vec::new(),
            letting_go: 0,
            ordering: false,
            epoch: 0,
            up: false,
            leaving: false,
        };
        engine.make_room();
        if let Some(ear) = ring {
            engine.listen(None, ear)?;
        }
        Ok(engine)
    }

    /// The processors that it is to keep to; none for all.
    #[must_use]
    pub fn processors(&self) -> Vec<usize> {
        self.plan.processors.clone()
    }

    /// Runs until it is told to leave, or nobody is left to serve; `class` is how the
    /// calling thread is scheduled.
    ///
    /// # Errors
    /// When the kernel refuses to wait for events: nothing can be heard then.
    pub fn run(mut self, class: Class) -> io::Result<()> {
        // Without relief the engine may be late once in a while.
        let processors = std::thread::available_parallelism();
        self.vigil = rt::Vigil::new(processors.map_or(1, usize::from));
        let relief = Relief::start(class, self.links.wake.clone()).unwrap_or(None);
        while !(self.leaving && self.letting_go == 0) {
            self.wait()?;
            self.turn();
            if let Some(relief) = &relief {
                relief.expect(self.planned);
            }
        }
        // Nobody waits for this thread any more, so that it may close what it has.
        let _ = self.links.hands.send_patiently(Request::Stop);
        Ok(())
    }

    /// Does what there is to do, awake.
    fn turn(&mut self) {
        self.overslept = self
            .planned
            .map_or(Duration::ZERO, |at| rt::now().since(at));
        self.note_lateness();
        // 1. What has been heard, before anything is decided.
        self.hear();
        // 2. What others have found out or want.
        self.take_news();
        // 3. What is due, after a last look at the ears; a takeover's addresses are
        // announced before anything that can wait.
        self.expire();
        self.await_addresses();
        // 4. When to look again.
        self.settle_loans();
        self.plan_touched();
        self.planned = self.next_wake();
        // 5. What others may see, and the ears should know.
        self.publish();
        self.hand_back();
    }

    /// Sleeps until there is something to do. Which ear has something to say is seen
    /// when they are drained.
    fn wait(&mut self) -> io::Result<()> {
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = [
            readable(self.links.wake.as_fd()),
            readable(self.epoll.0.as_fd()),
        ];
        rt::wait(&mut fds, self.planned)?;
        if fds[0].any().unwrap_or(true) {
            self.links.wake.clear();
        }
        Ok(())
    }

    /// What is spent goes to the hands; what they have no room for waits.
    fn hand_back(&mut self) {
        while let Some(spent) = self.spent.pop() {
            if let Err(Request::Close(back)) = self.links.hands.send(Request::Close(spent)) {
                return self.spent.push(back);
            }
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
        let is_shared = self.letting_go > 0;
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
        self.take_outcomes();
        while let Some(command) = self.links.commands.receive() {
            self.obey(command);
        }
        // Without services nobody can tell this thread to leave any more.
        self.leaving |= self.links.commands.is_abandoned();
    }

    fn take_outcomes(&mut self) {
        while let Some(outcome) = self.links.outcomes.receive() {
            self.outcome(outcome);
        }
    }

    /// Stays awake for the addresses that a takeover has just asked for.
    fn await_addresses(&mut self) {
        if let Some(until) = self.linger.take() {
            rt::stay_awake(until, || !self.links.outcomes.is_empty());
            self.take_outcomes();
        }
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
            Command::Restart { slot } => self.restart(slot),
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
                    self.retry(index, Some(rt::now() + ATTACH_RETRY));
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
            Outcome::Begun {
                slot,
                generation,
                there,
                of,
            } => {
                let router = &self.routers[slot];
                if router.holds
                    && router.election.generation() == generation
                    && router.announcements().len() == of
                {
                    self.announce_first(slot, there);
                }
            }
            Outcome::Installed { slot, generation } => {
                let all = self.routers[slot].announcements().len();
                tracepoints::addresses_added(slot, all);
                self.note_installed(slot);
                self.input(slot, Input::AddressesInstalled { generation });
                let router = &mut self.routers[slot];
                router.seen.installed = router.holds;
                if router.holds && router.election.generation() == generation {
                    self.report_hold(slot, Hold::Held);
                }
                let router = &mut self.routers[slot];
                let rounds = std::mem::take(&mut router.owed_rounds);
                self.touch(slot);
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
        self.plan_touched();
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
        self.plan_touched();
        // Each has one turn, whatever its turn makes due.
        while let Some(slot) = self.agenda.take_due(now) {
            self.touch(slot);
            self.due.push(slot);
        }
        self.outbox.open = true;
        for turn in 0..self.due.len() {
            self.take_turn(self.due[turn], now);
        }
        self.outbox.open = false;
        self.send_waiting();
        self.due.clear();
        while let Some(index) = self.retries.take_due(now) {
            self.attach(index);
            self.settle(index);
        }
    }

    /// What a router has to do by now.
    fn take_turn(&mut self, slot: usize, now: MonoTime) {
        self.look(slot, now);
        let election = &self.routers[slot].election;
        if let Some(due) = election.poll_timeout().filter(|due| *due <= now) {
            tracepoints::deadline_expired(slot, due, now);
            // A ring that was not read while we slept loses the newest first.
            if self.overslept >= self.plan.routers[slot].params.adver_interval.span() {
                self.input(slot, Input::Slept);
            }
            self.routers[slot].turn_due = self.routers[slot].election.poll_timeout();
            self.tell_time(slot, now);
            self.follow_group(slot);
            self.routers[slot].turn_due = None;
        }
        self.announce_due(slot, now);
    }

    /// Something has happened to a router: its deadline, and what is published of
    /// it, are to be looked at.
    fn touch(&mut self, slot: usize) {
        if !std::mem::replace(&mut self.routers[slot].touched, true) {
            self.touched.push(slot);
        }
    }

    /// Puts on the agenda when the routers that were touched have something to do.
    fn plan_touched(&mut self) {
        for at in 0..self.touched.len() {
            let slot = self.touched[at];
            self.plan_extra(slot);
            let router = &self.routers[slot];
            let announcement = self.next_announcement(slot).map(|(_, due)| due);
            let look_at = router.lending.look_at();
            let look_at = look_at.or_else(|| router.election.poll_timeout());
            let due = [look_at, announcement, router.extra_due];
            let due = due.into_iter().flatten().min();
            if let Some(due) = due {
                tracepoints::deadline_armed(slot, due);
            }
            self.agenda.set(slot, due);
        }
    }

    fn next_deadline(&self) -> Option<MonoTime> {
        let firsts = [self.agenda.first(), self.retries.first()];
        firsts.into_iter().flatten().map(|(due, _)| due).min()
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

    /// Whether a Backup takes over at `due`, the next deadline, if nothing is heard.
    fn is_takeover(&self, due: MonoTime) -> bool {
        let first = self.agenda.first().map(|(_, slot)| &self.routers[slot]);
        first.is_some_and(|router| router.takeover() == Some(due))
    }

    /// Lets others see the routers that were touched.
    fn publish(&mut self) {
        let nobody_let_go = self.letting_go == 0;
        for at in 0..self.touched.len() {
            let router = &mut self.routers[self.touched[at]];
            let lets_go = router.election.is_letting_go();
            let did = std::mem::replace(&mut router.lets_go, lets_go);
            self.letting_go += usize::from(lets_go);
            self.letting_go -= usize::from(did);
        }
        if nobody_let_go != (self.letting_go == 0) {
            // What the ears are told of an address may be another's to say now.
            (0..self.routers.len()).for_each(|slot| self.touch(slot));
        }
        let now = rt::now();
        while let Some(slot) = self.touched.pop() {
            let router = &mut self.routers[slot];
            router.touched = false;
            let before = router.seen.standing;
            self.published.write(slot, router.snapshot(now));
            if before != router.seen.standing
                && let Some(meter) = self.published.meter(slot)
            {
                meter.enter(router.seen.standing);
            }
            self.tell_active(slot);
            self.forget_gone(slot);
        }
        if !self.up && self.ports.iter().all(|port| port.looked_at) {
            self.up = true;
            self.report(Report::Up);
        }
    }

    /// Makes room for what the plan has, and looks at all of it anew. Takes memory.
    fn make_room(&mut self) {
        let count = self.routers.len();
        self.agenda.make_room(count);
        self.retries.make_room(self.ports.len());
        self.touched
            .reserve(count.saturating_sub(self.touched.len()));
        self.due.reserve(count);
        self.holders.clear();
        for (slot, router) in self.plan.routers.iter().enumerate() {
            let addresses = router.all_addresses();
            self.holders
                .extend(addresses.map(|one| (one.address, slot)));
        }
        self.holders.sort_unstable();
        self.holders.dedup();
        (0..count).for_each(|slot| self.touch(slot));
    }

    fn input(&mut self, slot: usize, input: Input) {
        self.catch_up(slot);
        let now = rt::now();
        self.tell(slot, now, input);
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
