//! `cargo xtask bench`: what is claimed of `vip` beside keepalived, measured on
//! this machine in one run, every single value kept.

mod figures;
mod handover;
mod hang;
mod service;
mod takeover;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};

use figures::{Column, table};
use takeover::{Contender, Loss, Measured, Scale};
use vip_tests::peer::choose_keepalived;

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
    /// How long after the RFC's deadline a backup speaks when the master loses power
    Takeover(TakeoverArgs),
    /// What a client loses when a master leaves as planned, and when it comes back
    Handover(handover::HandoverArgs),
    /// How long until a client is served by the other node when the service fails, by how
    /// it fails and who looks after it
    Service(service::ServiceArgs),
    /// How late adverts are while 200 checks and 50 scripts hang, fork and write
    Hang(hang::HangArgs),
    /// The service that fails
    #[command(hide = true)]
    Serve(service::ServeArgs),
    /// What a script runs to see whether a service is well
    #[command(hide = true)]
    Ask(service::AskArgs),
}

/// Who is measured.
#[derive(Args)]
struct Who {
    /// The vip to measure [default: the one built beside this program]
    #[arg(long, value_name = "FILE")]
    vip: Option<PathBuf>,
    /// One more vip, such as that of before a change
    #[arg(long, value_name = "FILE")]
    beside: Option<PathBuf>,
    /// Without keepalived, for a look at a change alone
    #[arg(long)]
    without_keepalived: bool,
    /// The keepalived to measure beside it [default: the host's own]
    #[arg(long, value_name = "FILE", env = "KEEPALIVED_PROGRAM")]
    keepalived: Option<PathBuf>,
}

#[derive(Args)]
struct TakeoverArgs {
    /// How many masters each contender loses
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Advertisement interval, in steps of 10ms (VRRPv3 counts centiseconds)
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = Scale::read)]
    interval: Scale,
    /// How the master's daemon is lost, together with its cable
    #[arg(long, value_enum, default_value_t = Loss::Halt)]
    loss: Loss,
    /// Where every value of every round goes, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    who: Who,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Takeover(arguments) => takeovers(&arguments),
        Command::Handover(arguments) => handover::command(&arguments),
        Command::Service(arguments) => service::command(&arguments),
        Command::Hang(arguments) => hang::command(&arguments),
        Command::Serve(arguments) => service::serve(&arguments),
        Command::Ask(arguments) => Ok(service::ask(&arguments)),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("bench: {error:#}");
        ExitCode::FAILURE
    })
}

fn takeovers(arguments: &TakeoverArgs) -> Result<ExitCode> {
    let mut contenders = contenders(&arguments.who)?;
    if !arguments.who.without_keepalived {
        contenders.push(Contender::Keepalived { real_time: true });
    }
    let scale = arguments.interval;
    println!(
        "{} masters of each are lost; interval {}, backup's priority {}, so its deadline is {} after the last advert.",
        arguments.rounds,
        shown(scale.interval()),
        takeover::PRIORITY_B,
        shown(scale.down_interval()),
    );
    let mut columns: Vec<Column> = contenders
        .iter()
        .map(|one| Column::new(one.label()))
        .collect();
    let mut rounds = Vec::new();
    for round in 0..arguments.rounds {
        // Who begins changes, so that nobody always follows the same one.
        for turn in 0..contenders.len() {
            let which = (turn + round as usize) % contenders.len();
            let (contender, column) = (&contenders[which], &mut columns[which]);
            let measured = takeover::measure(contender, scale, arguments.loss, round);
            rounds.push(record(contender, round, &measured));
            match measured {
                Ok(measured) => column.take(&measured),
                Err(error) => {
                    println!("round {}, {}: {error:#}", round + 1, contender.label());
                    column.failed += 1;
                }
            }
        }
    }
    print!("{}", table(&columns));
    if let Some(path) = &arguments.out {
        write(path, arguments, &contenders, &columns, rounds)?;
        println!("every round: {}", path.display());
    }
    let failed: u32 = columns.iter().map(|column| column.failed).sum();
    if failed > 0 {
        bail!("{failed} of the rounds could not be measured, each is named above");
    }
    Ok(ExitCode::SUCCESS)
}

fn contenders(arguments: &Who) -> Result<Vec<Contender>> {
    let built = || -> Result<PathBuf> {
        let own = std::env::current_exe().context("cannot find this program's own file")?;
        Ok(own.with_file_name("vip"))
    };
    let vip = |label, path: &Path| {
        if path.is_file() {
            Ok(Contender::Vip {
                label,
                program: path.to_owned(),
            })
        } else {
            bail!("there is no vip at {}; name one with --vip", path.display())
        }
    };
    if let Some(keepalived) = &arguments.keepalived {
        choose_keepalived(keepalived.clone());
    }
    let mut all = vec![vip("vip", &arguments.vip.clone().map_or_else(built, Ok)?)?];
    if let Some(beside) = &arguments.beside {
        all.push(vip("vip-beside", beside)?);
    }
    if !arguments.without_keepalived {
        all.push(Contender::Keepalived { real_time: false });
    }
    Ok(all)
}

/// What the file says of one round; durations in nanoseconds.
fn record(contender: &Contender, round: u32, measured: &Result<Measured>) -> Value {
    let mut record = json!({
        "round": round + 1,
        "program": contender.label(),
        "load": load(),
    });
    match measured {
        Ok(measured) => {
            record["last_advert_at"] = measured.last_advert.as_nanos().into();
            record["fault_after_last_advert"] = measured.fault_after.into();
            record["advert_after_deadline"] = measured.advert_late.into();
            record["arp_after_advert"] = measured.arp_after_advert.into();
            record["rung"] = measured.rung.clone().into();
            record["log_of_the_backup"] = measured.log.clone().into();
        }
        Err(error) => record["error"] = format!("{error:#}").into(),
    }
    record
}

fn write(
    path: &Path,
    arguments: &TakeoverArgs,
    contenders: &[Contender],
    columns: &[Column],
    rounds: Vec<Value>,
) -> Result<()> {
    let programs: Vec<_> = contenders
        .iter()
        .zip(columns)
        .map(|(contender, column)| {
            let mut summary = column.summary();
            summary["name"] = contender.label().into();
            summary["version"] = contender.version().into();
            summary
        })
        .collect();
    let scale = arguments.interval;
    let document = json!({
        "schema": 1,
        "measures": "takeover",
        "unit": "ns",
        "interval": nanos(scale.interval()),
        "loss": arguments.loss.label(),
        "deadline_after_last_advert": nanos(scale.down_interval()),
        "priority_of_the_backup": takeover::PRIORITY_B,
        "kernel": first_line("/proc/sys/kernel/osrelease"),
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "programs": programs,
        "rounds": rounds,
    });
    fs::write(path, format!("{document:#}\n"))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Runnable tasks of the whole machine over the last minute.
fn load() -> f64 {
    let text = first_line("/proc/loadavg");
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or(0.0)
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn shown(span: Duration) -> String {
    format!("{} ms", span.as_secs_f64() * 1000.0)
}
