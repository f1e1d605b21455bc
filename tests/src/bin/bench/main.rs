//! `cargo xtask bench`: what is claimed of `vip` beside keepalived, measured on
//! this machine in one run, every single value kept.

mod all;
mod burden;
mod busy;
mod contender;
mod cpu;
mod document;
mod endure;
mod figures;
mod flood;
mod handover;
mod hang;
mod micro;
mod plot;
mod report;
mod rig;
mod scale;
mod service;
mod table;
mod takeover;
mod usage;
mod wire;
mod xdp;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};

use document::{Document, first_line};
use report::About;

#[derive(Parser)]
#[command(
    name = "cargo xtask bench",
    about = "Measures vip beside keepalived, between hosts made of namespaces",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// How long after the RFC's deadline a backup speaks and serves, by how the master is
    /// lost; what a client loses
    Takeover(takeover::TakeoverArgs),
    /// How late adverts are, and how often a backup takes over that should not, on a machine
    /// that is busy with everything else
    Busy(busy::BusyArgs),
    /// The same under forged adverts, as many as can be sent
    Flood(flood::FloodArgs),
    /// Whether a backup ever takes over that should not, ten minutes under each load and flood
    Endure(endure::EndureArgs),
    /// What an advert costs while nothing happens
    Cpu(cpu::CpuArgs),
    /// What many virtual routers cost, and how they are taken over all at once
    Scale(scale::ScaleArgs),
    /// What the program at the NIC costs each packet
    Xdp(xdp::XdpArgs),
    /// What single steps cost, by criterion
    Micro(micro::MicroArgs),
    /// All of these, as docs/performance.md has them
    All(all::AllArgs),
    /// What a client loses when a master leaves as planned, and when it comes back
    Handover(handover::HandoverArgs),
    /// How long until a client is served by the other node when the service fails, by how
    /// it fails and who looks after it
    Service(service::ServiceArgs),
    /// How late adverts are while 200 checks and 50 scripts hang, fork and write
    Hang(hang::HangArgs),
    /// Write docs/performance.md and its pictures from what was measured
    Report(report::ReportArgs),
    /// The service that fails
    #[command(hide = true)]
    Serve(service::ServeArgs),
    /// What a script runs to see whether a service is well
    #[command(hide = true)]
    Ask(service::AskArgs),
    /// One process of a load
    #[command(hide = true)]
    Burden(burden::BurdenArgs),
}

/// The parts that docs/performance.md is made of, in its order.
const PARTS: &[About] = &[
    takeover::ABOUT,
    busy::ABOUT,
    flood::ABOUT,
    endure::ABOUT,
    cpu::ABOUT,
    scale::ABOUT,
    xdp::ABOUT,
    micro::ABOUT,
];

/// Where measurements are kept.
#[derive(Args, Clone)]
struct Saved {
    /// Where measurements are kept, one file for each part
    #[arg(
        id = "saved",
        long = "saved",
        value_name = "DIRECTORY",
        env = "BENCH_SAVED",
        default_value = "target/bench"
    )]
    directory: PathBuf,
}

impl Saved {
    fn file(&self, part: &str) -> PathBuf {
        self.directory.join(part).with_extension("json")
    }
}

/// Where a part's samples go.
#[derive(Args, Clone)]
struct Output {
    /// Where every sample goes, as JSON [default: with the others]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    saved: Saved,
}

fn main() -> ExitCode {
    let outcome = run(Cli::parse().command);
    outcome.unwrap_or_else(|error| {
        eprintln!("bench: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Takeover(arguments) => takeover::command(&arguments),
        Command::Busy(arguments) => busy::command(&arguments),
        Command::Flood(arguments) => flood::command(&arguments),
        Command::Endure(arguments) => endure::command(&arguments),
        Command::Cpu(arguments) => cpu::command(&arguments),
        Command::Scale(arguments) => scale::command(&arguments),
        Command::Xdp(arguments) => xdp::command(&arguments),
        Command::Micro(arguments) => micro::command(&arguments),
        Command::All(arguments) => all::command(&arguments),
        Command::Handover(arguments) => handover::command(&arguments),
        Command::Service(arguments) => service::command(&arguments),
        Command::Hang(arguments) => hang::command(&arguments),
        Command::Report(arguments) => report::command(&arguments),
        Command::Serve(arguments) => service::serve(&arguments),
        Command::Ask(arguments) => Ok(service::ask(&arguments)),
        Command::Burden(arguments) => burden::command(&arguments),
    }
}

/// Prints a part's tables and saves its samples and its pictures; fails where
/// something could not be measured.
fn finish(document: &Document, output: &Output) -> Result<ExitCode> {
    print!("{}", table::plain(document));
    let file = output
        .out
        .clone()
        .unwrap_or_else(|| output.saved.file(&document.part));
    document.write(&file)?;
    println!("\nevery sample: {}", file.display());
    if let Some(directory) = file.parent() {
        for picture in report::draw(document, directory)? {
            println!("picture: {}", picture.display());
        }
    }
    let failed = document.failures.len();
    if failed > 0 {
        bail!("{failed} of the rounds could not be measured, each is named above");
    }
    Ok(ExitCode::SUCCESS)
}

/// A moment of an interval, as a part of it, that differs from round to round:
/// multiples of the golden ratio cover it evenly.
fn phase(round: u32) -> f64 {
    const STEP: f64 = 0.618_033_988_749_895;
    (f64::from(round) * STEP).fract()
}

/// Runnable tasks of the whole machine over the last minute.
fn load() -> f64 {
    let text = first_line("/proc/loadavg");
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or(0.0)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn shown(span: Duration) -> String {
    format!("{} ms", span.as_secs_f64() * 1000.0)
}
