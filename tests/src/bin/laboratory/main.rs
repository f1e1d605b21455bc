//! The long commands of `cargo xtask test`: what takes minutes, shown as a
//! table or as figures. The same scenes run in short in the suites.

mod recipes;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use vip_tests::peer::choose_keepalived;
use vip_tests::{chaos, reloads};

#[derive(Parser)]
#[command(
    name = "cargo xtask test",
    about = "The long tests: each says on one screen what it has seen",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The vip to test [default: the one built beside this program]
    #[arg(long, value_name = "FILE", global = true, env = "VIP_PROGRAM")]
    vip: Option<PathBuf>,
    /// The keepalived to test with [default: the host's own]
    #[arg(long, value_name = "FILE", global = true, env = "KEEPALIVED_PROGRAM")]
    keepalived: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// vip with keepalived, FRR and itself, each way of speaking, each event: a table
    Matrix(MatrixArgs),
    /// Random faults, moves and reloads on three hosts, watched all the time
    Chaos(ChaosArgs),
    /// Hundreds of reloads under the eyes of the other node
    Reloads(ReloadsArgs),
    /// The recipes of docs/recipes with real services, and what goes wrong with them: a table
    Recipes(recipes::RecipesArgs),
}

#[derive(Args)]
pub(crate) struct MatrixArgs {
    /// Only rows in whose names this stands, such as "FRR" or "IPv6"
    #[arg(value_name = "WORD")]
    words: Vec<String>,
}

#[derive(Args)]
struct ChaosArgs {
    /// How many faults
    #[arg(long, default_value_t = 200)]
    faults: u32,
    /// The same seed gives the same faults in the same order [default: any]
    #[arg(long, env = "VIP_TEST_SEED")]
    seed: Option<u64>,
    /// Advertisement interval, in steps of 10ms
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = humantime::parse_duration)]
    interval: Duration,
}

#[derive(Args)]
struct ReloadsArgs {
    /// How many at each interval
    #[arg(long, default_value_t = 300)]
    count: u32,
    /// Advertisement intervals, in steps of 10ms
    #[arg(
        long,
        value_name = "TIME",
        value_delimiter = ',',
        default_value = "10ms,1s",
        value_parser = humantime::parse_duration
    )]
    interval: Vec<Duration>,
}

fn main() -> ExitCode {
    run(&Cli::parse()).unwrap_or_else(|error| {
        eprintln!("laboratory: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let built = || -> Result<PathBuf> {
        let own = std::env::current_exe().context("cannot find this program's own file")?;
        Ok(own.with_file_name("vip"))
    };
    let program = cli.vip.clone().map_or_else(built, Ok)?;
    if let Some(keepalived) = cli.keepalived.clone() {
        choose_keepalived(keepalived);
    }
    let good = match &cli.command {
        Command::Matrix(arguments) => table::matrix(&program, &arguments.words),
        Command::Chaos(arguments) => chaos(program, arguments)?,
        Command::Reloads(arguments) => reloads(&program, arguments)?,
        Command::Recipes(arguments) => recipes::recipes(&program, arguments)?,
    };
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chaos(program: PathBuf, arguments: &ChaosArgs) -> Result<bool> {
    let any = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(1, |since| since.as_secs())
    };
    let seed = arguments.seed.unwrap_or_else(any);
    println!("VIP_TEST_SEED={seed}");
    let plan = chaos::Plan {
        program,
        seed,
        faults: arguments.faults,
        interval: arguments.interval,
    };
    let report = chaos::run(&plan, |line| println!("{line}"))?;
    print!("\n{report}");
    Ok(report.is_good())
}

fn reloads(program: &Path, arguments: &ReloadsArgs) -> Result<bool> {
    let mut good = true;
    for interval in &arguments.interval {
        let report = reloads::run(program, *interval, arguments.count)?;
        print!("{report}");
        good &= report.is_good();
    }
    Ok(good)
}
