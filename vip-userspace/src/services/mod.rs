//! Everything that may be slow: log, status, signals, orders of a person, a new
//! configuration, and the eyes for other programs on this host that speak for our
//! routers. One tokio thread at ordinary priority; nothing in the engine waits
//! for it.

pub mod control;
mod doubles;
pub mod dump;
pub mod follow;
mod foreign;
mod foresight;
pub mod glance;
pub mod log;
mod maintenance;
pub mod metrics;
pub mod notify;
mod obey;
pub mod orders;
pub mod protocol;
pub mod recorder;
pub mod reload;
mod renew;
pub mod shadow;
pub mod status;
mod tell;
pub mod text;
mod tracked;
mod view;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use vip_common::ids::MacAddr;

use crate::dataplane::{Gauges, NicLog, Rung, Wanted, log_drain};
use crate::engine::class::Granted;
use crate::engine::published::Published;
use crate::engine::queue::{Receiver, Sender, Wake};
use crate::engine::{Command, Report, Verdict};
use crate::error::{Exit, Failure};
use crate::kernel::hands::Note;
use crate::plan::{Current, Plan};
use crate::watch::Watchers;
use control::Control;
use doubles::{Voice, own_voice};
use follow::{Event, Kind as Happened};
use foreign::{Outlook, Stranger};
use log::{Level, Log};
use metrics::Metrics;
use notify::{Farewell, Notify};
pub use obey::restore;
use orders::Orders;
use recorder::{LastPage, Recorder};
use reload::{Candidate, Source};
use renew::Renewal;
use shadow::Shadow;
use tell::{Budget, Kind};

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
    /// How the engine is scheduled.
    pub scheduling: Granted,
    /// This daemon's directory.
    pub runtime_dir: PathBuf,
    /// Where the configuration comes from.
    pub source: Source,
    /// What of it runs.
    pub running: Candidate,
    /// How many addresses of instances there is room for at the NIC.
    pub room: usize,
    /// What a person has ordered until it is undone.
    pub orders: Orders,
    /// Scripts and pipes.
    pub notify: Notify,
    /// Metrics, for whoever asks.
    pub metrics: Metrics,
    /// Writes down why states change.
    pub recorder: Recorder,
    /// Where nothing is done but compared: with what.
    pub shadow: Option<Shadow>,
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
    /// Addresses that this host has from somebody else.
    foreign: Vec<Stranger>,
    /// When to look for them.
    outlook: Outlook,
    /// A new configuration on its way.
    renewal: Renewal,
    /// Until when the secrets of before a reload are accepted, by slot.
    formers: HashMap<usize, Instant>,
    /// What the kernel last refused, by slot, since it last became master.
    troubles: HashMap<usize, (String, Instant)>,
    /// What is watched for the sake of the addresses.
    watchers: Watchers,
    /// What they found and the engine had no room for, by the tracker's number.
    unjudged: HashMap<u32, Verdict>,
    /// When all this began.
    started: Instant,
    up: bool,
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
    /// The other values are what is left to be told, and to be written down, when the
    /// engine and the hands have ended.
    ///
    /// # Errors
    /// What the daemon should end with.
    pub fn run(
        mut self,
        engine_ended: impl Fn() -> bool,
    ) -> (Result<(), Failure>, Farewell, LastPage) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let end = match &runtime {
            Ok(runtime) => runtime.block_on(self.serve(engine_ended)),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        self.sum_up();
        dump::remove(&self.runtime_dir);
        self.metrics.end();
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        let _ = self.commands.send(Command::ShutDown);
        let farewell = self.notify.leave();
        let leaving = |level, why: &str| {
            Event::new(Happened::Leaving, level, format!("vip leaves: {why}")).reason(why)
        };
        let done = match end {
            Ok(End::Asked(by)) => {
                self.log.tell(leaving(Level::Info, by));
                Ok(())
            }
            Ok(End::Failed(failure)) => {
                self.log
                    .whisper(leaving(Level::Error, &failure.to_string()));
                Err(failure)
            }
            Err(error) => {
                let why = format!("the services failed: {error}");
                self.log.whisper(leaving(Level::Error, &why));
                Err(Failure::new(Exit::Failed, why))
            }
        };
        if let Ok(runtime) = runtime {
            // The engine leaves meanwhile.
            runtime.block_on(self.log.hub().end());
            // A file that is being read, from a disk that does not answer perhaps,
            // holds up no farewell.
            runtime.shutdown_background();
        }
        (done, farewell, self.recorder.leave(self.plan))
    }

    async fn serve(&mut self, engine_ended: impl Fn() -> bool) -> io::Result<End> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut user_1 = signal(SignalKind::user_defined1())?;
        let mut user_2 = signal(SignalKind::user_defined2())?;
        let _ = held_signals().thread_unblock();
        let reports = watched(self.reports.1.clone())?;
        let control = self.control.listen()?;
        let clients = Arc::new(Semaphore::new(control::MOST_CLIENTS));
        let (asked_in, mut asked) = mpsc::channel(control::MOST_CLIENTS);
        let mut scrapes = self.metrics.start()?;
        if let Some(nic_log) = self.nic_log.take() {
            tokio::spawn(log_drain(nic_log));
        }
        self.notify.cast(&self.plan, &self.running.configuration);
        let mut pulse = tokio::time::interval(Duration::from_secs(1));
        let mut glance = tokio::time::interval(shadow::GLANCE);
        let mut addresses = shadow::addresses(self.shadow.as_mut());
        let is_shadow = self.shadow.is_some();
        let (mut watchers, mut found) = Watchers::new();
        watchers.adopt(&self.plan, &self.running.configuration.scripts);
        let mut state = State {
            ports: vec![HeardBy::default(); self.plan.ports.len()],
            voices: self.plan.ports.iter().map(|_| None).collect(),
            told: HashSet::new(),
            refusals: HashSet::new(),
            budgets: HashMap::new(),
            doubles: HashSet::new(),
            foreign: Vec::new(),
            outlook: Outlook::new(),
            renewal: Renewal::default(),
            formers: HashMap::new(),
            troubles: HashMap::new(),
            watchers,
            unjudged: HashMap::new(),
            started: Instant::now(),
            up: false,
        };
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(End::Asked("SIGTERM")),
                _ = interrupt.recv() => return Ok(End::Asked("SIGINT")),
                _ = hangup.recv() => self.want_reload(&mut state, false, None),
                _ = user_1.recv() => self.dump(dump::state(&self.runtime_dir, &self.view(&state), &self.running.effective)),
                _ = user_2.recv() => self.dump(dump::statistics(&self.runtime_dir, &self.view(&state))),
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
                        let serving = control::serve(client, asked_in.clone());
                        let hub = Arc::clone(self.log.hub());
                        tokio::spawn(async move {
                            let follows = serving.await;
                            drop(place);
                            if let Some(control::Following { client, live }) = follows {
                                hub.serve(client, live).await;
                            }
                        });
                    }
                    // Who comes in such a crowd is let go.
                    (Ok(_), Err(_)) => {}
                    (Err(_), _) => tokio::time::sleep(control::BREATH).await,
                },
                Some(asked) = asked.recv() => self.asked(&mut state, asked),
                () = self.recorder.due() => self.recorder.write(),
                Some(scrape) = scrapes.recv() => self.scraped(&state, scrape),
                Some(told) = found.recv() => self.found(&mut state, told),
                read = state.renewal.read() => self.renew(&mut state, read),
                (port, stamp, heard) = own_voice(&state.voices) => {
                    if is_shadow {
                        self.heard_other(port, stamp, heard);
                    } else if let Some(failure) = self.double(&mut state, port, heard.vrid, heard.source) {
                        return Ok(End::Failed(failure));
                    }
                }
                Some(seen) = addresses.recv() => self.seen_by_shadow(seen),
                _ = glance.tick(), if is_shadow => self.compare(),
                _ = pulse.tick() => {
                    self.stop_listening_for_doubles(&mut state);
                    self.tell_refusals(&mut state);
                    self.look_for_foreign(&mut state);
                    self.end_expired();
                    self.count_episodes();
                    self.recorder.sample();
                    self.mind_renewal(&mut state);
                    let published = Arc::clone(&self.published);
                    self.notify.look(|slot| published.read(slot));
                    self.pass_judgement(&mut state);
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

    fn dump(&self, written: io::Result<PathBuf>) {
        match written {
            Ok(path) => {
                let line = format!("wrote {}", path.display());
                self.log.line(Level::Info, &line);
            }
            Err(error) => {
                let directory = self.runtime_dir.display();
                let line = format!("cannot write what was asked for into {directory}: {error}");
                self.log.line(Level::Error, &line);
            }
        }
    }

    fn view(&self, state: &State) -> status::Status {
        view::status(self, state)
    }
}

fn held_signals() -> SigSet {
    SigSet::from_iter([
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ])
}

/// Holds back what would end the process before anybody is there to end it in
/// order; the services take it up. Threads started later never see it.
pub fn hold_signals() {
    let _ = held_signals().thread_block();
}

/// Has tokio watch a descriptor for input.
pub(crate) fn watched<T: AsFd + AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    watched_for(inner, Interest::READABLE)
}

/// Has tokio watch a descriptor.
pub(crate) fn watched_for<T: AsFd + AsRawFd>(
    inner: T,
    interest: Interest,
) -> io::Result<AsyncFd<T>> {
    #[expect(unsafe_code, reason = "tokio cannot know that a descriptor stays open")]
    // SAFETY: `T` owns its descriptor, which `AsFd` proves to be open for as
    // long as `T` lives, and gives out the same one at each call.
    let watched = unsafe { AsyncFd::register_with_interest(inner, interest) };
    watched.map_err(io::Error::from)
}
