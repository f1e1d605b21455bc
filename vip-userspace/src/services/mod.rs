//! Everything that may be slow: log, status, signals, and the eyes for other
//! programs on this host that speak for our routers. One tokio thread at
//! ordinary priority; nothing in the engine waits for it.

pub mod control;
pub mod log;
pub mod status;
mod view;

use std::collections::{HashMap, HashSet};
use std::io;
use std::mem::{Discriminant, discriminant};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use vip_common::election::{self, StateName};
use vip_common::ids::{MacAddr, Vrid};
use vip_common::reject::RejectReason;

use crate::dataplane::{Gauges, NicLog, Rung, Wanted, log_drain};
use crate::engine::published::Published;
use crate::engine::queue::{Receiver, Sender, Wake};
use crate::engine::{Command, Report};
use crate::error::{Exit, Failure};
use crate::kernel::hands::Note;
use crate::kernel::speakers::OwnVoice;
use crate::plan::{Current, Plan};
use crate::words;
use control::Control;
use log::{Level, Log};

/// How long after the longest Active_Down_Interval a port is still listened
/// to for other programs.
const LISTEN_MORE: Duration = Duration::from_secs(2);

/// How many refusals by source and reason are told in a daemon's life: forged
/// sources must not fill the log.
const MOST_REFUSALS: usize = 256;

/// How a port is heard, as the hands last said.
#[derive(Clone, Debug, Default)]
pub struct HeardBy {
    rung: Option<Rung>,
    why: String,
}

/// The services of one daemon.
pub struct Services {
    /// What it runs.
    pub plan: Arc<Plan>,
    /// The same, for the link reader, which is to hear of another one before the
    /// engine does.
    pub current: Current,
    /// The engine's slots.
    pub published: Arc<Published>,
    /// What the NIC counts.
    pub gauges: Gauges,
    /// What rung was asked for.
    pub wanted: Wanted,
    /// The engine's reports, and what is rung when there are some.
    pub reports: (Receiver<Report>, Wake),
    /// The hands' notes.
    pub notes: mpsc::Receiver<Note>,
    /// To the engine.
    pub commands: Sender<Command>,
    /// Where `vip status` asks.
    pub control: Control,
    /// What the program at the NIC has to say to a developer.
    pub nic_log: Option<NicLog>,
    /// Where lines go.
    pub log: Log,
    /// Lasting warnings from before the start.
    pub warnings: Vec<String>,
}

struct State {
    ports: Vec<HeardBy>,
    /// Listeners for other programs of this host, by port.
    voices: Vec<Option<Voice>>,
    /// Conflicts that have been logged.
    told: HashSet<(usize, IpAddr, MacAddr)>,
    /// Refusals at the NIC that have been logged.
    refusals: HashSet<(usize, IpAddr, u32)>,
    /// How much of each kind a neighbour may still provoke.
    budgets: HashMap<Kind, Budget>,
    /// Programs of this host that were heard speaking for a router.
    doubles: HashSet<usize>,
    up: bool,
}

/// A listener for what other programs of this host send. The kernel copies
/// every outgoing packet for it, so it stays open only around a start.
struct Voice {
    heard: AsyncFd<OwnVoice>,
    since: Instant,
}

/// A kind of lines that a neighbour can provoke at will.
type Kind = (Discriminant<Report>, Option<Discriminant<election::Report>>);

/// Lines of one kind that are written in [`Budget::SPAN`].
struct Budget {
    since: Instant,
    written: u32,
    left_out: u64,
}

impl Budget {
    const SPAN: Duration = Duration::from_secs(10);
    const LINES: u32 = 10;

    /// Whether one more may be written, and how many were left out before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) >= Self::SPAN {
            (self.since, self.written) = (now, 0);
        }
        if self.written == Self::LINES {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Why the daemon ends.
enum End {
    /// It was asked to.
    Asked(&'static str),
    /// It cannot go on.
    Failed(Failure),
}

impl Services {
    /// Serves until the daemon is told to leave or cannot go on; the engine
    /// has been told to leave when this returns.
    ///
    /// # Errors
    /// What the daemon should end with.
    pub fn run(mut self, engine_ended: impl Fn() -> bool) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot start the services: {error}"))
            })?;
        let end = runtime.block_on(self.serve(engine_ended));
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        let _ = self.commands.send(Command::ShutDown);
        match end {
            Ok(End::Asked(by)) => {
                self.log.line(Level::Info, &format!("vip leaves: {by}"));
                Ok(())
            }
            Ok(End::Failed(failure)) => Err(failure),
            Err(error) => Err(Failure::new(
                Exit::Failed,
                format!("the services failed: {error}"),
            )),
        }
    }

    async fn serve(&mut self, engine_ended: impl Fn() -> bool) -> io::Result<End> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let _ = held_signals().thread_unblock();
        let reports = watched(self.reports.1.clone())?;
        let control = self.control.listen()?;
        let clients = Arc::new(Semaphore::new(control::MOST_CLIENTS));
        if let Some(nic_log) = self.nic_log.take() {
            tokio::spawn(log_drain(nic_log));
        }
        let mut pulse = tokio::time::interval(Duration::from_secs(1));
        let mut state = State {
            ports: vec![HeardBy::default(); self.plan.ports.len()],
            voices: self.plan.ports.iter().map(|_| None).collect(),
            told: HashSet::new(),
            refusals: HashSet::new(),
            budgets: HashMap::new(),
            doubles: HashSet::new(),
            up: false,
        };
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(End::Asked("SIGTERM")),
                _ = interrupt.recv() => return Ok(End::Asked("SIGINT")),
                _ = hangup.recv() => {
                    let line = "SIGHUP: the configuration is not read again by this version; restart vip to apply it";
                    self.log.line(Level::Warning, line);
                }
                ready = reports.readable() => {
                    ready?.clear_ready();
                    self.reports.1.clear();
                    while let Some(report) = self.reports.0.receive() {
                        // The hands said first how a port is heard.
                        while let Ok(note) = self.notes.try_recv() {
                            if let Some(failure) = self.note(&mut state, note) {
                                return Ok(End::Failed(failure));
                            }
                        }
                        self.report(&mut state, report);
                    }
                }
                note = self.notes.recv() => {
                    let Some(note) = note else { return Ok(self.died("the thread that moves the addresses")) };
                    if let Some(failure) = self.note(&mut state, note) {
                        return Ok(End::Failed(failure));
                    }
                }
                client = control.accept() => match (client, clients.clone().try_acquire_owned()) {
                    (Ok((client, _)), Ok(place)) => {
                        let answer = control::answer(client, self.view(&state));
                        tokio::spawn(async move {
                            answer.await;
                            drop(place);
                        });
                    }
                    // Who comes in such a crowd is let go.
                    (Ok(_), Err(_)) => {}
                    (Err(_), _) => tokio::time::sleep(control::BREATH).await,
                },
                (port, vrid, source) = own_voice(&state.voices) => {
                    if let Some(failure) = self.double(&mut state, port, vrid, source.into()) {
                        return Ok(End::Failed(failure));
                    }
                }
                _ = pulse.tick() => {
                    self.stop_listening_for_doubles(&mut state);
                    self.tell_refusals(&mut state);
                    if engine_ended() {
                        return Ok(self.died("the engine"));
                    }
                }
            }
        }
    }

    fn died(&self, who: &str) -> End {
        let message = format!("{who} has ended unexpectedly; the addresses have been given up");
        End::Failed(Failure::new(Exit::Failed, message))
    }

    fn view(&self, state: &State) -> status::Status {
        view::status(self, &state.ports, &state.doubles)
    }

    fn report(&self, state: &mut State, report: Report) {
        if report.is_provoked() {
            let inner = if let Report::Election { report, .. } = &report {
                Some(discriminant(report))
            } else {
                None
            };
            let now = Instant::now();
            let fresh = || Budget {
                since: now,
                written: 0,
                left_out: 0,
            };
            let budget = state
                .budgets
                .entry((discriminant(&report), inner))
                .or_insert_with(fresh);
            match budget.take(now) {
                None => return,
                Some(0) => {}
                Some(left_out) => {
                    self.log.line(
                        Level::Warning,
                        &format!("{left_out} lines like the next one were left out"),
                    );
                }
            }
        }
        match report {
            Report::PutBack { slot } => {
                let text = "an address was removed by another program; put back";
                self.say(slot, Level::Warning, text);
            }
            Report::Election { slot, at, report } => self.election(slot, at, report),
            Report::Announced { slot, .. } => {
                let router = &self.plan.routers[slot];
                let interface = &self.plan.ports[router.port].name;
                for address in router.all_addresses() {
                    let line = format!(
                        "Sending gratuitous ARP on {interface} for {}",
                        address.address
                    );
                    self.log.line(Level::Info, &line);
                }
            }
            Report::Refused {
                slot,
                source,
                reason,
            } => {
                self.say(
                    slot,
                    Level::Warning,
                    &format!("hears {source}, refuses it: {reason}"),
                );
            }
            Report::OtherList { slot, source } => {
                let text = format!(
                    "{source} names other addresses for this VRID than we do; accepted, but one of the two configurations is wrong"
                );
                self.say(slot, Level::Warning, &text);
            }
            Report::Claimed { slot, address, mac } => {
                if state.told.insert((slot, address, mac)) {
                    let text = format!(
                        "{address} is claimed by {mac}, which is neither ours nor the master's: find that host, or two will answer for the address"
                    );
                    self.say(slot, Level::Warning, &text);
                }
            }
            Report::NotSent { slot, errno } => {
                let error = io::Error::from_raw_os_error(errno);
                self.say(
                    slot,
                    Level::Warning,
                    &format!("an advert could not be sent: {error}"),
                );
            }
            Report::Adopted | Report::NotAdopted => {}
            Report::Up => {
                state.up = true;
                let ports: Vec<String> = state
                    .ports
                    .iter()
                    .zip(&self.plan.ports)
                    // An instance without interface has a port without name.
                    .filter(|(_, plan)| !plan.name.is_empty())
                    .map(|(port, plan)| {
                        let rung = port
                            .rung
                            .map_or_else(|| "not heard".into(), |rung| rung.to_string());
                        format!("{} ({rung})", plan.name)
                    })
                    .collect();
                let routers = self.plan.routers.len();
                let line = format!(
                    "vip {} is up: {routers} instance{} on {}",
                    env!("CARGO_PKG_VERSION"),
                    if routers == 1 { "" } else { "s" },
                    ports.join(", ")
                );
                self.log.line(Level::Info, &line);
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
            }
        }
    }

    fn election(&self, slot: usize, at: vip_common::time::MonoTime, report: election::Report) {
        let router = &self.plan.routers[slot];
        let interface = &self.plan.ports[router.port].name;
        match report {
            election::Report::Transition { from, to, why } => {
                if from == StateName::Backup && to == StateName::Active {
                    self.log.line(
                        Level::Notice,
                        &format!("({}) Receive advertisement timeout", router.name),
                    );
                }
                self.log.line(
                    Level::Notice,
                    &words::transition(&router.name, from, to, why),
                );
                self.say(slot, Level::Info, &words::why(why, router, interface, at));
            }
            election::Report::LowerPriorityHeard { source, priority } => {
                let text = format!(
                    "TWO MASTERS: {source} advertises with priority {priority}, ours is {}; answered, it should give up",
                    router.params.priority
                );
                self.say(slot, Level::Warning, &text);
            }
            election::Report::SameAddressHeard { source } => {
                let text = format!(
                    "an advert came from our own address {source}: another host has it, or the network returns our frames"
                );
                self.say(slot, Level::Warning, &text);
            }
            election::Report::ResignHeard { source } => {
                self.say(
                    slot,
                    Level::Info,
                    &format!("{source} says that it leaves (priority 0)"),
                );
            }
        }
    }

    /// A line about one instance.
    fn say(&self, slot: usize, level: Level, text: &str) {
        self.log
            .line(level, &format!("({}) {text}", self.plan.routers[slot].name));
    }

    fn note(&self, state: &mut State, note: Note) -> Option<Failure> {
        let explicit = !matches!(self.wanted, Wanted::Auto);
        match note {
            Note::Hears {
                port,
                ifindex,
                rung,
                why,
            } => {
                let name = &self.plan.ports[port].name;
                let because = if why.is_empty() {
                    String::new()
                } else {
                    format!(": {why}")
                };
                self.log
                    .line(Level::Info, &format!("hears {name} by {rung}{because}"));
                state.ports[port] = HeardBy {
                    rung: Some(rung),
                    why,
                };
                self.listen_for_doubles(state, port, ifindex);
            }
            Note::CannotHear { port, why } => {
                let name = &self.plan.ports[port].name;
                if explicit && !state.up {
                    let message = format!(
                        "cannot hear {name} as asked for: {why}; leave the choice to --xdp auto"
                    );
                    return Some(Failure::new(Exit::Host, message));
                }
                self.log.line(
                    Level::Error,
                    &format!("cannot hear {name}: {why}; tried again every few seconds"),
                );
                state.ports[port] = HeardBy { rung: None, why };
            }
            Note::LostEar { port, why } => {
                let name = &self.plan.ports[port].name;
                self.log.line(
                    Level::Error,
                    &format!("{name} is no longer heard: {why}; no takeover on that silence"),
                );
                state.ports[port] = HeardBy { rung: None, why };
            }
            Note::Addresses { slot, why } => self.say(slot, Level::Error, &why),
            Note::Claimed { slot } => {
                let router = &self.plan.routers[slot];
                let message = format!(
                    "({}) another vip in this network namespace runs VRID {} on {}; stop it, or take the instance out of one of the two configurations",
                    router.name, router.params.vrid, self.plan.ports[router.port].name
                );
                if !state.up {
                    return Some(Failure::new(Exit::Taken, message));
                }
                self.log.line(Level::Error, &message);
            }
            Note::Degraded { why } => self.log.line(Level::Warning, &why),
        }
        None
    }

    /// From now on, what other programs of this host send for our routers on
    /// this interface is noticed.
    fn listen_for_doubles(&self, state: &mut State, port: usize, ifindex: u32) {
        let routers = self.plan.ports[port].routers.iter();
        let vrids: Vec<Vrid> = routers
            .map(|slot| self.plan.routers[*slot].params.vrid)
            .collect();
        let voice = OwnVoice::open(ifindex, &vrids);
        state.voices[port] = match voice.and_then(watched) {
            Ok(heard) => Some(Voice {
                heard,
                since: Instant::now(),
            }),
            Err(error) => {
                let line = format!(
                    "cannot notice other programs that speak on {}: {error}",
                    self.plan.ports[port].name
                );
                self.log.line(Level::Warning, &line);
                None
            }
        };
    }

    /// Once every router of a port has had the time to become master.
    fn stop_listening_for_doubles(&self, state: &mut State) {
        for (port, voice) in self.plan.ports.iter().zip(&mut state.voices) {
            let down = |slot: &usize| {
                let params = &self.plan.routers[*slot].params;
                params.active_down_interval(params.adver_interval)
            };
            let longest = port.routers.iter().map(down).max().unwrap_or_default();
            if voice
                .as_ref()
                .is_some_and(|voice| voice.since.elapsed() > longest + LISTEN_MORE)
            {
                *voice = None;
            }
        }
    }

    /// What the NIC refuses wakes nobody: it is looked up, and each source and
    /// reason is told once.
    fn tell_refusals(&self, state: &mut State) {
        for slot in 0..self.plan.routers.len() {
            for (key, _) in self.gauges.refused(u32::try_from(slot).unwrap_or(u32::MAX)) {
                let source = key.source();
                let reason = u8::try_from(key.reason)
                    .ok()
                    .and_then(RejectReason::from_number);
                let full = state.refusals.len() >= MOST_REFUSALS;
                let Some(reason) = reason.filter(|_| !full) else {
                    continue;
                };
                if state.refusals.insert((slot, source, key.reason)) {
                    self.say(
                        slot,
                        Level::Warning,
                        &format!("hears {source}, refuses it: {reason}"),
                    );
                }
            }
        }
    }

    /// Another program of this host speaks for one of our routers: before we
    /// have spoken we leave the field, afterwards a person must decide.
    fn double(
        &self,
        state: &mut State,
        port: usize,
        vrid: Vrid,
        source: IpAddr,
    ) -> Option<Failure> {
        let slot = *self.plan.ports[port]
            .routers
            .iter()
            .find(|slot| self.plan.routers[**slot].params.vrid == vrid)?;
        let snapshot = self.published.read(slot)?;
        if snapshot.primary != Some(source) {
            // A guest behind this interface: a host of its own.
            return None;
        }
        let news = state.doubles.insert(slot);
        let spoken = snapshot.takeovers > 0;
        let message = format!(
            "({}) another program on this host sends adverts for VRID {vrid} on {} (from {source}); stop one of the two",
            self.plan.routers[slot].name, self.plan.ports[port].name
        );
        if !spoken {
            return Some(Failure::new(Exit::Taken, message));
        }
        if news {
            self.log.line(Level::Error, &message);
        }
        None
    }
}

fn held_signals() -> SigSet {
    SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP])
}

/// Holds back what would end the process before anybody is there to end it in
/// order; the services take it up. Threads started later never see it.
pub fn hold_signals() {
    let _ = held_signals().thread_block();
}

/// Has tokio watch a descriptor for input.
fn watched<T: AsFd + AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    #[expect(unsafe_code, reason = "tokio cannot know that a descriptor stays open")]
    // SAFETY: `T` owns its descriptor, which `AsFd` proves to be open for as
    // long as `T` lives, and gives out the same one at each call.
    let watched = unsafe { AsyncFd::register_with_interest(inner, Interest::READABLE) };
    watched.map_err(io::Error::from)
}

/// Waits for the next advert that another program of this host sends.
async fn own_voice(voices: &[Option<Voice>]) -> (usize, Vrid, Ipv4Addr) {
    std::future::poll_fn(|context| {
        for (port, voice) in voices.iter().enumerate() {
            let Some(voice) = voice else { continue };
            while let std::task::Poll::Ready(Ok(mut ready)) = voice.heard.poll_read_ready(context) {
                if let Some(heard) = voice.heard.get_ref().drain() {
                    return std::task::Poll::Ready((port, heard.vrid, heard.source));
                }
                ready.clear_ready();
            }
        }
        std::task::Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_neighbour_provokes_is_written_up_to_a_bound_and_counted_beyond() {
        let start = Instant::now();
        let mut budget = Budget {
            since: start,
            written: 0,
            left_out: 0,
        };
        let written = (0..100).filter(|_| budget.take(start).is_some()).count();
        assert_eq!(written, 10);
        assert_eq!(budget.take(start + Budget::SPAN), Some(90));
        assert_eq!(budget.take(start + Budget::SPAN), Some(0));
    }
}
