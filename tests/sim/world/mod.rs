//! Hosts on a LAN in virtual time. The world steps from event to event, plays
//! the part of the engine (ears first, then what came back, then time) and of
//! the hands, and watches what must never happen.

mod hosts;
mod oracle;
mod weather;

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem::discriminant;
use std::net::IpAddr;
use std::time::Duration;

use vip_common::election::group;
use vip_common::election::{Action, Fault, Input, Params, Report, State, VirtualRouter};
use vip_common::ids::Priority;
use vip_common::time::MonoTime;

use crate::rng::Rng;

pub(crate) use hosts::Host;
use hosts::{Frame, Sound};
use oracle::Span;
pub(crate) use weather::{Change, Weather};

/// More events than any scenario needs: a run that reaches it goes in circles.
const MOST_EVENTS: u64 = 3_000_000;

#[derive(Clone, Debug)]
enum Event {
    Arrival { to: usize, sound: Sound },
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

pub(crate) struct World {
    pub(crate) now: MonoTime,
    pub(crate) hosts: Vec<Host>,
    /// For how long more than one host was Active on a LAN, at most, and none.
    pub(crate) longest_overlap: Duration,
    pub(crate) longest_gap: Duration,
    /// For how long no host had the addresses of a LAN in its kernel.
    pub(crate) longest_unserved: Duration,
    /// For how long no host would have answered for them.
    pub(crate) longest_silence: Duration,
    /// A digest of everything that happened, to compare two runs.
    pub(crate) digest: u64,
    rng: Rng,
    label: String,
    pub(crate) weather: Weather,
    /// The slowest of all weathers so far.
    worst: Weather,
    sides: Vec<u8>,
    /// By time, and in the order of scheduling where times are equal.
    queue: BTreeMap<(MonoTime, u64), Event>,
    scheduled: u64,
    steps: u64,
    spans: Vec<Span>,
    /// Since when two hosts that hear each other are both Active.
    pairs: BTreeMap<(usize, usize), MonoTime>,
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
    /// Nobody started yet: each router on a host of its own, all on one LAN.
    /// `label` says how to run this again.
    pub(crate) fn new(
        label: String,
        seed: u64,
        weather: Weather,
        hosts: Vec<(Params, IpAddr)>,
    ) -> Self {
        let machines = hosts.into_iter().map(|host| vec![host]).collect();
        Self::of_machines(label, seed, weather, machines)
    }

    /// Machines with a router on each LAN; each LAN is one more.
    pub(crate) fn of_machines(
        label: String,
        seed: u64,
        weather: Weather,
        machines: Vec<Vec<(Params, IpAddr)>>,
    ) -> Self {
        // Away from zero, so that stamps and spans have room before it.
        let now = MonoTime::ZERO + Duration::from_secs(10_000);
        let lans = machines.iter().map(Vec::len).max().unwrap_or(0);
        let count = machines.iter().map(Vec::len).sum();
        let hosts: Vec<Host> = (0..)
            .zip(machines)
            .flat_map(|(machine, routers)| {
                let host = move |(lan, (params, primary))| {
                    Host::new(now, count, machine, lan, params, primary)
                };
                (0..).zip(routers).map(host)
            })
            .collect();
        Self {
            now,
            sides: vec![0; hosts.len()],
            hosts,
            longest_overlap: Duration::ZERO,
            longest_gap: Duration::ZERO,
            longest_unserved: Duration::ZERO,
            longest_silence: Duration::ZERO,
            digest: 0,
            rng: Rng::new(seed ^ 0x5eed),
            label,
            worst: weather.clone(),
            weather,
            queue: BTreeMap::new(),
            scheduled: 0,
            steps: 0,
            spans: vec![Span::default(); lans],
            pairs: BTreeMap::new(),
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
        (self.longest_unserved, self.longest_silence) = (Duration::ZERO, Duration::ZERO);
        for span in &mut self.spans {
            span.restart(self.now);
        }
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
            Event::Arrival { to, sound } => self.arrive(to, sound),
            Event::Wake { host, alarm } => {
                if self.hosts[host].alarm == alarm {
                    self.engine(host);
                }
            }
            Event::Done { host, boot, job } => self.done(host, boot, job),
            Event::Change(change) => self.change(change),
        }
    }

    /// The routers of the same machine, this one among them.
    fn mates(&self, host: usize) -> Vec<usize> {
        let machine = self.hosts[host].machine;
        let same = |other: &usize| self.hosts[*other].machine == machine;
        (0..self.hosts.len()).filter(same).collect()
    }

    /// A command: all routers of the machine are told before one goes on.
    fn command(&mut self, host: usize, input: Input) {
        for mate in self.mates(host) {
            if self.hosts[mate].router.is_some() {
                self.hosts[mate].inbox.push_back(input);
            }
        }
        self.engine(host);
    }

    fn apply(&mut self, change: Change) {
        self.pairs.clear();
        match change {
            Change::Start(host) => {
                let mates = self.mates(host);
                let runs = |host: &Host| host.router.is_some() && !host.has_left();
                if mates.iter().any(|&mate| runs(&self.hosts[mate])) {
                    return;
                }
                for &mate in &mates {
                    let now = self.now;
                    self.hosts[mate].start(now);
                }
                for mate in mates {
                    self.tell_ability(mate);
                }
            }
            // A leave waits for the process to run again, as signals do.
            Change::Stop(host) => self.command(host, Input::ShutDown),
            Change::Cut(host) => {
                for mate in self.mates(host) {
                    self.hosts[mate].cut();
                }
            }
            Change::Pause(host, span) => {
                let until = self.now + span;
                for mate in self.mates(host) {
                    let it = &mut self.hosts[mate];
                    if it.router.is_some() {
                        let end = it.paused.map_or(until, |end| end.max(until));
                        it.paused = Some(end);
                        it.resumed = end;
                        self.wake_at(mate, end);
                    }
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
            Change::Partition(sides) => self.sides = sides,
            Change::Weather(weather) => {
                self.worst = self.worst.worse(&weather);
                self.weather = weather;
            }
            Change::Drain(host, force) => self.command(host, Input::Drained { force }),
            Change::Undrain(host) => self.command(host, Input::Undrained),
            Change::Take(host, priority) => self.command(host, Input::Taken { priority }),
            Change::Untake(host) => self.command(host, Input::Untaken),
            Change::Track(host, priority) => {
                self.command(host, Input::PriorityChanged { priority });
            }
            Change::Sleep(host) => {
                for mate in self.mates(host) {
                    self.hosts[mate].slept = true;
                }
                self.command(host, Input::Slept);
            }
            // Whoever stands still does not read it.
            Change::Reconfigure(host, _) if self.hosts[host].paused.is_some() => {}
            Change::Reconfigure(host, params) => {
                let now = self.now;
                for mate in self.mates(host) {
                    self.hosts[mate].params = params;
                    if let Some(router) = self.router(mate) {
                        router.reconfigure(now, params);
                    }
                    self.perform(mate);
                }
                self.engine(host);
            }
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

    fn arrive(&mut self, to: usize, sound: Sound) {
        let it = &mut self.hosts[to];
        if it.link && !it.deaf && it.router.is_some() {
            it.note_arrival(sound);
            it.ring.push_back(sound);
            self.engine(to);
        }
    }

    /// One turn of the engine for all routers of a machine: ears, then what
    /// came back, then time.
    fn engine(&mut self, host: usize) {
        if self.hosts[host].paused.is_some_and(|end| self.now < end) {
            return;
        }
        let mates = self.mates(host);
        for &mate in &mates {
            self.hosts[mate].paused = None;
            while let Some(sound) = self.hosts[mate].ring.pop_front() {
                match sound {
                    Sound::Advert(frame) => self.input(mate, frame.input()),
                    Sound::Claim { stamp } => {
                        self.input(mate, Input::AddressClaimed { stamp });
                    }
                }
            }
        }
        for &mate in &mates {
            while let Some(input) = self.hosts[mate].inbox.pop_front() {
                self.input(mate, input);
                self.hosts[mate].reconsider();
            }
            self.hosts[mate].reconsider();
        }
        self.coordinate(&mates);
        for turn in 0.. {
            let now = self.now;
            let due = |host: &Host| host.due().is_some_and(|due| due <= now);
            let due: Vec<_> = mates
                .iter()
                .filter(|&&mate| due(&self.hosts[mate]))
                .collect();
            if due.is_empty() {
                break;
            }
            if turn == 10 {
                self.fail("the same deadline is due for ever");
            }
            for &mate in due {
                if let Some(router) = self.router(mate) {
                    router.handle_timeout(now);
                }
                self.perform(mate);
            }
            self.coordinate(&mates);
        }
        for mate in mates {
            if let Some(due) = self.hosts[mate].due() {
                let late = self.rng.span(self.weather.lateness);
                self.wake_at(mate, due + late);
            }
        }
    }

    /// What the group makes of it.
    fn coordinate(&mut self, mates: &[usize]) {
        if !mates.iter().any(|&mate| self.hosts[mate].params.grouped) {
            return;
        }
        for turn in 0.. {
            let routers = || {
                mates
                    .iter()
                    .filter_map(|&mate| self.hosts[mate].router.as_ref())
            };
            let Some(order) = group::order(routers().map(VirtualRouter::stance)) else {
                return;
            };
            if turn == 10 {
                self.fail("orders without end");
            }
            for &mate in mates {
                self.input(mate, Input::GroupOrdered { order });
            }
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
                Action::Withhold { on } => self.hosts[host].withheld = on,
                // One question at a time, as the engine asks.
                Action::ProveEar => {
                    if !std::mem::replace(&mut self.hosts[host].proving, true) {
                        self.hand_over(host, Job::ProveEar);
                    }
                }
                Action::Announce { rounds } => {
                    if rounds == 0 || self.hosts[host].kernel.is_none() {
                        self.fail("announced what is not there");
                    }
                    let stamp = self.now;
                    self.hosts[host].announced = Some(stamp);
                    self.spread(host, |stamp| Sound::Claim { stamp }, stamp);
                }
                Action::Report(Report::Transition { from, to, why }) => {
                    self.judge(host, from, to, why);
                }
                Action::Report(Report::LowerPriorityHeard { .. }) => {
                    for mate in self.mates(host) {
                        if mate != host {
                            self.input(mate, Input::SiblingContested);
                        }
                    }
                }
                Action::Report(Report::LetGo { claimed, held }) => {
                    self.judge_end(host, claimed, held);
                }
                Action::Report(_) => {}
            }
        }
    }

    fn send(&mut self, host: usize, priority: Priority) {
        let it = &mut self.hosts[host];
        it.adverts += 1;
        let (source, interval) = (it.primary, it.params.adver_interval);
        if self.hosts[host].is_active() {
            self.judge_advert(host);
        }
        let advert = |stamp| {
            Sound::Advert(Frame {
                stamp,
                source,
                priority,
                interval,
            })
        };
        self.spread(host, advert, self.now);
    }

    /// A frame to all that are reached.
    fn spread(&mut self, host: usize, frame: impl Fn(MonoTime) -> Sound, sent: MonoTime) {
        if !self.hosts[host].link {
            return;
        }
        for to in 0..self.hosts.len() {
            let same_lan = self.hosts[to].lan == self.hosts[host].lan;
            if to == host || !same_lan || self.sides[to] != self.sides[host] {
                continue;
            }
            let copies = 1 + u32::from(self.rng.per_mille(self.weather.duplication));
            for _ in 0..copies {
                if self.rng.per_mille(self.weather.loss) {
                    continue;
                }
                let mut stamp = sent + self.rng.span(self.weather.delay);
                if !self.weather.reorder {
                    stamp = stamp.max(self.hosts[host].last_arrivals[to]);
                }
                self.hosts[host].last_arrivals[to] = stamp;
                let sound = frame(stamp);
                self.schedule(stamp, Event::Arrival { to, sound });
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
        it.proving &= !matches!(job, Job::ProveEar);
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
