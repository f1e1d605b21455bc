//! The service on the master fails: time until a client is served by the other node,
//! by how it fails, what looks after it, and who moves the address.

mod client;
mod report;
mod server;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use nix::sys::signal::Signal;
use serde_json::Value;
use vip::lab::pair::{ADDRESS_A, ADDRESS_B, ADDRESS_CLIENT, VIRTUAL, version_3};
use vip::lab::{Host, Lab, PATIENCE, Process, now};
use vip_common::ids::Priority;
use vip_common::time::MonoTime;
use vip_tests::peer::keepalived_says;

use crate::contender::{Contender, PRIORITY_A, PRIORITY_B, Scale, last_words};
use crate::contender::{Who, contenders};

pub(crate) use client::{AskArgs, command as ask};
use client::{Client, Question};
pub(crate) use server::{ServeArgs, command as serve};

/// Where the service listens.
const PORT: u16 = 80;
/// The first keepalived whose scripts may run more often than once a second.
const FINE_GRAINED: (u32, u32) = (2, 3);

#[derive(Args)]
pub(crate) struct ServiceArgs {
    /// How often the service fails in each of the ways
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Advertisement interval, in steps of 10ms
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = Scale::read)]
    interval: Scale,
    /// These failures only
    #[arg(long, value_delimiter = ',', value_enum)]
    failure: Vec<Failure>,
    /// Where every value of every round goes, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    who: Who,
}

/// How a service fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Failure {
    /// Its process is killed
    Killed,
    /// It closes its listening socket, and lives on
    Closed,
    /// It answers 500
    Sick,
    /// It accepts nobody any more, and its queue is full
    Hung,
}

impl Failure {
    const ALL: [Self; 4] = [Self::Killed, Self::Closed, Self::Sick, Self::Hung];

    const fn label(self) -> &'static str {
        match self {
            Self::Killed => "process killed",
            Self::Closed => "listener closed",
            Self::Sick => "HTTP 500",
            Self::Hung => "accept queue full",
        }
    }

    const fn signal(self) -> Signal {
        match self {
            Self::Killed => Signal::SIGKILL,
            Self::Closed => server::CLOSE,
            Self::Sick => server::SICKEN,
            Self::Hung => server::HANG,
        }
    }
}

/// Who looks after the service, and by what means.
struct Guard {
    contender: Contender,
    means: Means,
    question: Question,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    /// `vrrp_check`, every 10 ms.
    Check,
    /// `vrrp_check` every 30 s: what is noticed at once comes from the event.
    Event,
    /// `vrrp_script` with the smallest compiled program that asks the same, every so
    /// many milliseconds.
    Script(u32),
}

impl Guard {
    fn label(&self) -> String {
        let question = match self.question {
            Question::Tcp => "tcp",
            Question::Http => "http",
        };
        let means = match self.means {
            Means::Check => "check each 10 ms".to_owned(),
            Means::Event => "check each 30 s".to_owned(),
            Means::Script(interval) => format!("script each {interval} ms"),
        };
        format!("{}, {question} {means}", self.contender.label())
    }

    /// Whether it is there to see such a failure.
    fn sees(&self, failure: Failure) -> bool {
        match failure {
            Failure::Killed | Failure::Closed => true,
            Failure::Sick => self.question == Question::Http && self.means != Means::Event,
            Failure::Hung => self.means != Means::Event,
        }
    }

    /// The configuration of a node.
    fn file(&self, priority: u8, scale: Scale) -> Result<String> {
        /// What an answer may take: a healthy one is here in well under 1 ms.
        const TIMEOUT: u64 = 100;
        let (list, tracker) = match self.means {
            Means::Check | Means::Event => {
                let question = match self.question {
                    Question::Tcp => format!("tcp 127.0.0.1 {PORT}"),
                    Question::Http => format!("http http://127.0.0.1:{PORT}/"),
                };
                let interval = if self.means == Means::Check {
                    "0.01"
                } else {
                    "30"
                };
                let block = format!(
                    "vrrp_check web {{\n    {question}\n    interval {interval}\n    timeout 0.{TIMEOUT}\n}}\n"
                );
                ("track_check", block)
            }
            Means::Script(interval) => {
                let own = std::env::current_exe()?;
                let question = match self.question {
                    Question::Tcp => "tcp",
                    Question::Http => "http",
                };
                let seconds = f64::from(interval) / 1000.0;
                let block = format!(
                    "vrrp_script web {{\n    script \"{} ask {question} 127.0.0.1:{PORT} {TIMEOUT}\"\n    interval {seconds}\n    timeout 1\n    user root\n}}\n",
                    own.display()
                );
                ("track_script", block)
            }
        };
        let instance = version_3(Priority::from_wire(priority), scale.centis());
        let instance = instance.trim_end().trim_end_matches('}');
        Ok(format!(
            "{tracker}{instance}    {list} {{\n        web\n    }}\n}}\n"
        ))
    }
}

/// Everybody who is measured.
fn guards(who: &Who) -> Result<Vec<Guard>> {
    let mut guards = Vec::new();
    for contender in contenders(who)? {
        let is_vip = contender.is_vip();
        let fine = is_vip || is_fine_grained(&keepalived_says());
        let script = Means::Script(if fine { 10 } else { 1000 });
        let means: &[Means] = if is_vip {
            &[Means::Check, Means::Event, script]
        } else {
            &[script]
        };
        for means in means {
            for question in [Question::Tcp, Question::Http] {
                // By the event it makes no difference what is asked then.
                if *means == Means::Event && question == Question::Http {
                    continue;
                }
                guards.push(Guard {
                    contender: contender.clone(),
                    means: *means,
                    question,
                });
            }
        }
    }
    Ok(guards)
}

/// From `Keepalived v2.2.7 (01/16,2022)`.
fn is_fine_grained(says: &str) -> bool {
    let version = says.split(" v").nth(1).unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= FINE_GRAINED
}

/// Measures and prints; fails where a round could not be measured.
pub(crate) fn command(arguments: &ServiceArgs) -> Result<ExitCode> {
    let guards = guards(&arguments.who)?;
    let failures = if arguments.failure.is_empty() {
        Failure::ALL.to_vec()
    } else {
        arguments.failure.clone()
    };
    let mut columns = Vec::new();
    for guard in &guards {
        let failures = failures.iter().filter(|failure| guard.sees(**failure));
        columns.extend(failures.map(|failure| report::Column::new(guard, *failure)));
    }
    let mut stages: Vec<Option<Stage<'_>>> = guards.iter().map(|_| None).collect();
    for round in 0..arguments.rounds {
        for (which, guard) in guards.iter().enumerate() {
            for column in columns.iter_mut().filter(|one| one.is_of(guard)) {
                match measure(
                    guard,
                    column.failure,
                    arguments.interval,
                    round,
                    &mut stages[which],
                ) {
                    Ok(measured) => {
                        column.values.push(measured.nanos);
                        column.logs.push(measured.log);
                    }
                    Err(error) => {
                        println!("round {}, {}: {error:#}", round + 1, column.title());
                        column.not_measured += 1;
                        // The next one begins with a fresh pair.
                        stages[which] = None;
                    }
                }
            }
            // Who waits must not disturb who is measured.
            stages[which] = None;
        }
    }
    report::print(&columns, arguments.rounds, arguments.interval);
    if let Some(path) = &arguments.out {
        report::write(path, &columns, arguments.interval)?;
        println!("every round: {}", path.display());
    }
    let failed: u32 = columns.iter().map(|column| column.not_measured).sum();
    if failed > 0 {
        bail!("{failed} of the rounds could not be measured, each is named above");
    }
    Ok(ExitCode::SUCCESS)
}

/// One failure of the service on A.
fn measure<'a>(
    guard: &'a Guard,
    failure: Failure,
    scale: Scale,
    round: u32,
    stage: &mut Option<Stage<'a>>,
) -> Result<Measured> {
    /// Multiples of the golden ratio cover an interval evenly.
    const STEP: f64 = 0.618_033_988_749_895;
    if stage.is_none() {
        *stage = Some(Stage::new(guard, scale)?);
    }
    let Some(stage) = stage else { bail!("no pair") };
    stage.settled()?;
    let longest = match guard.means {
        Means::Script(interval) => Duration::from_millis(interval.into()),
        Means::Check | Means::Event => scale.interval(),
    };
    thread::sleep(longest.mul_f64((f64::from(round) * STEP).fract()));
    let measured = stage.fail(failure);
    // With its process the port is free for the next one.
    stage.service_a = None;
    stage.service_a = Some(serving(&stage.a, "A")?);
    measured
}

/// One failure.
struct Measured {
    /// From the failure to the first answer of the other node.
    nanos: i64,
    /// What the daemons on A and B said meanwhile.
    log: [Vec<String>; 2],
}

fn since(daemon: &Process, at: MonoTime) -> Vec<String> {
    let lines = daemon.lines().into_iter();
    let lines = lines.filter(|line| line.stamp >= at);
    lines.map(|line| line.text).collect()
}

/// An elected pair with a service on each host, and its client.
struct Stage<'a> {
    guard: &'a Guard,
    client: Client,
    on_a: Process,
    on_b: Process,
    service_a: Option<Process>,
    _service_b: Process,
    a: Host,
    b: Host,
    _at_client: Host,
    _lab: Lab,
}

impl<'a> Stage<'a> {
    fn new(guard: &'a Guard, scale: Scale) -> Result<Self> {
        let lab = Lab::new()?;
        let a = lab.host("A", ADDRESS_A, 24)?;
        let b = lab.host("B", ADDRESS_B, 24)?;
        let at_client = lab.host("client", ADDRESS_CLIENT, 24)?;
        let service_a = serving(&a, "A")?;
        let service_b = serving(&b, "B")?;
        let start = |host: &Host, priority| -> Result<Process> {
            let file = guard.file(priority, scale)?;
            let globals = "    script_user root\n";
            Ok(guard.contender.start_with(host, globals, &file)?)
        };
        let on_b = start(&b, PRIORITY_B)?;
        let on_a = start(&a, PRIORITY_A)?;
        Ok(Self {
            guard,
            client: Client::start(&at_client, SocketAddr::from((VIRTUAL, PORT)))?,
            on_a,
            on_b,
            service_a: Some(service_a),
            _service_b: service_b,
            a,
            b,
            _at_client: at_client,
            _lab: lab,
        })
    }

    /// A serves, and alone has the address; B could take over.
    fn settled(&self) -> Result<()> {
        let bound = PATIENCE + Duration::from_secs(35);
        let served = self.client.served_by("A", now(), bound);
        served.with_context(|| last_words(&self.on_a))?;
        let end = now() + PATIENCE;
        while !self.a.has(VIRTUAL)? || self.b.has(VIRTUAL)? {
            if now() > end {
                bail!("no election; B: {}", last_words(&self.on_b));
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.b_is_ready()
    }

    /// B's script has been run, its check answered, and it waits to take over.
    fn b_is_ready(&self) -> Result<()> {
        let Contender::Vip { program, .. } = &self.guard.contender else {
            // It does not say; a script is run in the first second.
            thread::sleep(Duration::from_millis(1500));
            return Ok(());
        };
        let program = program.to_string_lossy();
        let end = now() + PATIENCE;
        loop {
            let asked = [&program, "status", "--json", "--runtime-dir", "/run/vip"];
            let said = self.b.output(asked)?.success().unwrap_or_default();
            let status: Value = serde_json::from_str(&said).unwrap_or_default();
            if status["instances"][0]["state"] == "BACKUP" {
                return Ok(());
            }
            if now() > end {
                bail!("B is not ready: {}", last_words(&self.on_b));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The time from the failure to the first answer of B.
    fn fail(&self, failure: Failure) -> Result<Measured> {
        let service = self.service_a.as_ref().context("no service")?;
        let at = now();
        service.signal(failure.signal());
        let served = self.client.served_by("B", at, PATIENCE);
        let served = served.with_context(|| {
            let (a, b) = (last_words(&self.on_a), last_words(&self.on_b));
            format!("A: {a}; B: {b}")
        })?;
        Ok(Measured {
            nanos: between(at, served),
            log: [&self.on_a, &self.on_b].map(|daemon| since(daemon, at)),
        })
    }
}

fn between(from: MonoTime, to: MonoTime) -> i64 {
    i64::try_from(to.since(from).as_nanos()).unwrap_or(i64::MAX)
}

/// The service, listening.
fn serving(host: &Host, name: &str) -> Result<Process> {
    let own = std::env::current_exe()?;
    let own: &Path = &own;
    let service = host.spawn([&*own.to_string_lossy(), "serve", name, &PORT.to_string()])?;
    let line = service.wait_for_line("serves", PATIENCE);
    line.with_context(|| format!("the service said: {}", service.stderr()))?;
    Ok(service)
}
