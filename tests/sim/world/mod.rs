//! Hosts on a LAN in virtual time. The world steps from event to event, plays
//! the part of the engine (ears first, then what came back, then time) and of
//! the hands, and watches what must never happen.

mod oracle;
mod weather;

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem::discriminant;
use std::net::IpAddr;
use std::time::Duration;

use vip_common::election::{Action, Fault, Input, Params, Report, State, StateName, VirtualRouter};
use vip_common::ids::Priority;
use vip_common::time::{Centis, MonoTime};

use crate::rng::Rng;

pub(crate) use weather::{Change, Weather};

/// More events than any scenario needs: a run that reaches it goes in circles.
const MOST_EVENTS: u64 = 3_000_000;

#[derive(Clone, Copy, Debug)]
struct Frame {
    stamp: MonoTime,
    source: IpAddr,
    priority: Priority,
    interval: Centis,
}

#[derive(Clone, Debug)]
enum Event {
    Arrival { to: usize, frame: Frame },
    Wake { host: usize, alarm: u64 },
    Done { host: usize, boot: u64, job: Job },
    Change(Change),
}

#[derive(Clone, Copy, Debug)]
enum Job {
    Install(u32),
    Remove(u32),
    ProveEar,
}

/// One host: its router, and everything that it does not know itself.
pub(crate) struct Host {
    pub(crate) params: Params,
    pub(crate) primary: IpAddr,
    pub(crate) router: Option<VirtualRouter>,
    /// The generation of the addresses that are in the kernel.
    pub(crate) kernel: Option<u32>,
    /// Transitions since the last [`World::forget`].
    pub(crate) transitions: u32,
    /// Adverts sent since then.
    pub(crate) adverts: u64,
    ring: VecDeque<Frame>,
    inbox: VecDeque<Input>,
    /// When our last frame arrives at each of the others.
    last_arrivals: Vec<MonoTime>,
    hands_free: MonoTime,
    jobs: u32,
    paused: Option<MonoTime>,
    deaf: bool,
    link: bool,
    boot: u64,
    alarm: u64,
    /// The last frame at the port that keeps a Backup from taking over, and
    /// since when its arrival counts: the oracle of `World::judge`.
    respected: Option<Frame>,
    listening_since: MonoTime,
}

impl Host {
    pub(crate) fn is_active(&self) -> bool {
        self.name() == Some(StateName::Active)
    }

    pub(crate) fn name(&self) -> Option<StateName> {
        Some(self.router.as_ref()?.state().name())
    }

    /// Takes part, as far as anybody can tell from outside.
    pub(crate) fn is_able(&self) -> bool {
        self.router.is_some() && !self.has_left() && self.link && !self.deaf
    }

    pub(crate) fn is_letting_go(&self) -> bool {
        let router = self.router.as_ref();
        router.is_some_and(VirtualRouter::is_letting_go)
    }

    fn has_left(&self) -> bool {
        match self.router.as_ref().map(VirtualRouter::state) {
            Some(State::Initialize(initialize)) => initialize.fault == Fault::ShutDown,
            _ => false,
        }
    }
}

pub(crate) struct World {
    pub(crate) now: MonoTime,
    pub(crate) hosts: Vec<Host>,
    /// For how long more than one host was Active at once, at most, and none.
    pub(crate) longest_overlap: Duration,
    pub(crate) longest_gap: Duration,
    /// A digest of everything that happened, to compare two runs.
    pub(crate) digest: u64,
    rng: Rng,
    label: String,
    pub(crate) weather: Weather,
    groups: Vec<u8>,
    /// By time, and in the order of scheduling where times are equal.
    queue: BTreeMap<(MonoTime, u64), Event>,
    scheduled: u64,
    steps: u64,
    overlap_since: Option<MonoTime>,
    gap_since: Option<MonoTime>,
    trace: VecDeque<(MonoTime, Note)>,
}

/// A line of the trace.
#[derive(Clone, Debug)]
enum Note {
    Changed(Change),
    Told(usize, Input),
    Does(usize, Action),
}

impl World {
    /// Nobody started yet. `label` says how to run this again.
    pub(crate) fn new(
        label: String,
        seed: u64,
        weather: Weather,
        hosts: Vec<(Params, IpAddr)>,
    ) -> Self {
        // Away from zero, so that stamps and spans have room before it.
        let now = MonoTime::ZERO + Duration::from_secs(10_000);
        let count = hosts.len();
        let hosts: Vec<Host> = hosts
            .into_iter()
            .map(|(params, primary)| Host {
                params,
                primary,
                router: None,
                kernel: None,
                transitions: 0,
                adverts: 0,
                ring: VecDeque::new(),
                inbox: VecDeque::new(),
                last_arrivals: vec![now; count],
                hands_free: now,
                jobs: 0,
                paused: None,
                deaf: false,
                link: true,
                boot: 0,
                alarm: 0,
                respected: None,
                listening_since: now,
            })
            .collect();
        Self {
            now,
            groups: vec![0; hosts.len()],
            hosts,
            longest_overlap: Duration::ZERO,
            longest_gap: Duration::ZERO,
            digest: 0,
            rng: Rng::new(seed ^ 0x5eed),
            label,
            weather,
            queue: BTreeMap::new(),
            scheduled: 0,
            steps: 0,
            overlap_since: None,
            gap_since: None,
            trace: VecDeque::new(),
        }
    }

    /// Something happens this long from now.
    pub(crate) fn after(&mut self, span: Duration, change: Change) {
        self.schedule(self.now + span, Event::Change(change));
    }

    pub(crate) fn change(&mut self, change: Change) {
        self.note(Note::Changed(change.clone()));
        self.apply(change);
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(next) = self.queue.first_entry()
            && next.key().0 <= until
        {
            let ((time, _), event) = next.remove_entry();
            self.now = time;
            self.steps += 1;
            if self.steps > MOST_EVENTS {
                self.fail("the events never end");
            }
            self.step(event);
            self.watch();
        }
        self.now = until;
        self.watch();
    }

    /// Starts the counters and the longest spans anew.
    pub(crate) fn forget(&mut self) {
        for host in &mut self.hosts {
            (host.transitions, host.adverts) = (0, 0);
        }
        (self.longest_overlap, self.longest_gap) = (Duration::ZERO, Duration::ZERO);
        self.overlap_since = self.overlap_since.map(|_| self.now);
        self.gap_since = self.gap_since.map(|_| self.now);
    }

    pub(crate) fn actives(&self) -> Vec<usize> {
        let active = |host: &usize| self.hosts[*host].is_active();
        (0..self.hosts.len()).filter(active).collect()
    }

    pub(crate) fn transitions(&self) -> u32 {
        self.hosts.iter().map(|host| host.transitions).sum()
    }

    /// The latest end of a retry after a failed installation.
    pub(crate) fn latest_retry(&self) -> Option<MonoTime> {
        let retry = |host: &Host| match host.router.as_ref()?.state() {
            State::Initialize(initialize) => initialize.retry,
            State::Backup(_) | State::Active(_) => None,
        };
        self.hosts.iter().filter_map(retry).max()
    }

    fn schedule(&mut self, time: MonoTime, event: Event) {
        self.scheduled += 1;
        self.queue.insert((time, self.scheduled), event);
    }

    fn note(&mut self, note: Note) {
        let mut hasher = DefaultHasher::new();
        (self.digest, self.now, discriminant(&note)).hash(&mut hasher);
        match &note {
            Note::Changed(change) => discriminant(change).hash(&mut hasher),
            Note::Told(host, input) => (host, discriminant(input)).hash(&mut hasher),
            Note::Does(host, action) => (host, discriminant(action)).hash(&mut hasher),
        }
        self.digest = hasher.finish();
        if self.trace.len() == 60 {
            self.trace.pop_front();
        }
        self.trace.push_back((self.now, note));
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Arrival { to, frame } => self.arrive(to, frame),
            Event::Wake { host, alarm } => {
                if self.hosts[host].alarm == alarm {
                    self.engine(host);
                }
            }
            Event::Done { host, boot, job } => self.done(host, boot, job),
            Event::Change(change) => self.change(change),
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Start(host) => {
                let now = self.now;
                let it = &mut self.hosts[host];
                if it.router.is_some() && !it.has_left() {
                    return;
                }
                it.router = Some(VirtualRouter::new(it.params));
                // A start clears away what its predecessor left behind.
                it.kernel = None;
                it.ring.clear();
                it.inbox.clear();
                it.boot += 1;
                it.alarm += 1;
                (it.hands_free, it.jobs) = (now, 0);
                it.paused = None;
                self.tell_ability(host);
            }
            Change::Stop(host) => {
                // A leave waits for the process to run again, as signals do.
                self.tell(host, Input::ShutDown);
            }
            Change::Cut(host) => {
                let it = &mut self.hosts[host];
                it.router = None;
                it.kernel = None;
                it.paused = None;
                it.ring.clear();
                it.inbox.clear();
                it.boot += 1;
                it.alarm += 1;
            }
            Change::Pause(host, span) => {
                let until = self.now + span;
                let it = &mut self.hosts[host];
                if it.router.is_some() {
                    let end = it.paused.map_or(until, |end| end.max(until));
                    it.paused = Some(end);
                    self.wake_at(host, end);
                }
            }
            Change::LinkDown(host) => {
                self.hosts[host].link = false;
                self.tell_ability(host);
            }
            Change::LinkUp(host) => {
                self.hosts[host].link = true;
                self.tell_ability(host);
            }
            Change::Deafen(host) => self.hosts[host].deaf = true,
            Change::Hear(host) => {
                self.hosts[host].deaf = false;
                self.tell_ability(host);
            }
            Change::Partition(groups) => self.groups = groups,
            Change::Weather(weather) => self.weather = weather,
        }
    }

    fn tell_ability(&mut self, host: usize) {
        let it = &self.hosts[host];
        let input = if !it.link {
            let fault = Fault::LinkDown;
            Input::BecameUnable { fault }
        } else if it.deaf {
            let fault = Fault::EarDeaf;
            Input::BecameUnable { fault }
        } else {
            let primary = it.primary;
            Input::BecameAble { primary }
        };
        self.tell(host, input);
    }

    fn tell(&mut self, host: usize, input: Input) {
        if self.hosts[host].router.is_some() {
            self.hosts[host].inbox.push_back(input);
            self.engine(host);
        }
    }

    fn arrive(&mut self, to: usize, frame: Frame) {
        let it = &mut self.hosts[to];
        if !it.link || it.deaf || it.router.is_none() {
            return;
        }
        let respected = frame.priority >= it.params.priority || !it.params.preempts();
        if respected || frame.priority.is_resign() {
            it.respected = Some(frame);
        }
        it.ring.push_back(frame);
        self.engine(to);
    }

    /// One turn of the engine: ears, then what came back, then time.
    fn engine(&mut self, host: usize) {
        if self.hosts[host].paused.is_some_and(|end| self.now < end) {
            return;
        }
        self.hosts[host].paused = None;
        while let Some(frame) = self.hosts[host].ring.pop_front() {
            let advert = Input::AdvertArrived {
                stamp: frame.stamp,
                source: frame.source,
                priority: frame.priority,
                interval: frame.interval,
            };
            self.input(host, advert);
        }
        while let Some(input) = self.hosts[host].inbox.pop_front() {
            self.input(host, input);
        }
        for turn in 0.. {
            let due = self.router(host).and_then(|router| router.poll_timeout());
            let Some(due) = due else { return };
            if due > self.now {
                let late = self.rng.span(self.weather.lateness);
                self.wake_at(host, due + late);
                return;
            }
            if turn == 10 {
                self.fail("the same deadline is due for ever");
            }
            let now = self.now;
            if let Some(router) = self.router(host) {
                router.handle_timeout(now);
            }
            self.perform(host);
        }
    }

    fn router(&mut self, host: usize) -> Option<&mut VirtualRouter> {
        self.hosts[host].router.as_mut()
    }

    fn input(&mut self, host: usize, input: Input) {
        let now = self.now;
        self.note(Note::Told(host, input));
        if let Some(router) = self.router(host) {
            router.handle_input(now, input);
        }
        self.perform(host);
    }

    fn wake_at(&mut self, host: usize, time: MonoTime) {
        self.hosts[host].alarm += 1;
        let alarm = self.hosts[host].alarm;
        self.schedule(time, Event::Wake { host, alarm });
    }

    fn perform(&mut self, host: usize) {
        while let Some(action) = self.router(host).and_then(VirtualRouter::poll_action) {
            self.note(Note::Does(host, action));
            match action {
                Action::SendAdvert { priority } => self.send(host, priority),
                Action::InstallAddresses { generation } => {
                    self.hand_over(host, Job::Install(generation));
                }
                Action::RemoveAddresses { generation } => {
                    self.hand_over(host, Job::Remove(generation));
                }
                Action::Withhold { on: _ } => {}
                Action::ProveEar => self.hand_over(host, Job::ProveEar),
                Action::Announce { rounds } => {
                    if rounds == 0 || self.hosts[host].kernel.is_none() {
                        self.fail("announced what is not there");
                    }
                }
                Action::Report(Report::Transition { from, to, why }) => {
                    self.judge(host, from, to, why);
                }
                Action::Report(_) => {}
            }
        }
    }

    fn send(&mut self, host: usize, priority: Priority) {
        self.hosts[host].adverts += 1;
        if !self.hosts[host].link {
            return;
        }
        let source = self.hosts[host].primary;
        let interval = self.hosts[host].params.adver_interval;
        for to in 0..self.hosts.len() {
            if to == host || self.groups[to] != self.groups[host] {
                continue;
            }
            let copies = 1 + u32::from(self.rng.per_mille(self.weather.duplication));
            for _ in 0..copies {
                if self.rng.per_mille(self.weather.loss) {
                    continue;
                }
                let mut stamp = self.now + self.rng.span(self.weather.delay);
                if !self.weather.reorder {
                    stamp = stamp.max(self.hosts[host].last_arrivals[to]);
                }
                self.hosts[host].last_arrivals[to] = stamp;
                let frame = Frame {
                    stamp,
                    source,
                    priority,
                    interval,
                };
                self.schedule(stamp, Event::Arrival { to, frame });
            }
        }
    }

    /// The hands do one thing after another, and each takes its time.
    fn hand_over(&mut self, host: usize, job: Job) {
        let span = self.rng.span(self.weather.hands);
        let it = &mut self.hosts[host];
        let boot = it.boot;
        it.hands_free = it.hands_free.max(self.now) + span;
        it.jobs += 1;
        let time = it.hands_free;
        self.schedule(time, Event::Done { host, boot, job });
    }

    fn done(&mut self, host: usize, boot: u64, job: Job) {
        let it = &mut self.hosts[host];
        if it.boot != boot {
            return;
        }
        if let Some(end) = it.paused.filter(|&end| self.now < end) {
            // The hands stand still with the rest of the process; in order.
            self.schedule(end, Event::Done { host, boot, job });
            return;
        }
        it.jobs -= 1;
        let input = match job {
            Job::Install(generation) => {
                if self.rng.per_mille(self.weather.failures) {
                    Input::AddressesFailed { generation }
                } else {
                    self.hosts[host].kernel = Some(generation);
                    Input::AddressesInstalled { generation }
                }
            }
            Job::Remove(generation) => {
                self.hosts[host].kernel = None;
                Input::AddressesRemoved { generation }
            }
            Job::ProveEar if self.hosts[host].deaf => {
                let fault = Fault::EarDeaf;
                Input::BecameUnable { fault }
            }
            Job::ProveEar => Input::EarProven,
        };
        self.tell(host, input);
    }
}
