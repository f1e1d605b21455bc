//! What a developer runs. Each command has a file of its own; this one only dispatches.

mod bench;
mod build;
mod capability;
mod clean_room;
mod debian;
mod docs;
mod lint;
mod long;
mod run;
mod setup;
mod shell;
mod test;
#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared with the build script of vip-userspace"
)]
mod toolchain;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Sets up, builds, runs and tests vip",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing on this machine, saying what it does
    Setup(setup::Args),
    /// Build target/debug/vip (or target/release/vip) with its NIC program
    Build(build::Args),
    /// Build and run: without arguments the demo, else `vip ARGS…` on this host
    Run(run::Args),
    /// Run every check and every test, or those that match
    Test(test::Args),
    /// Measure vip beside keepalived, both optimized; `bench --help` names what
    Bench(bench::Args),
    /// Hold the rules of the crates against the code
    Lint,
    /// Renew the pages of docs/ that come out of the code
    Docs,
    /// The inside of `test --clean-room`
    #[command(hide = true)]
    InCleanRoom(clean_room::Inside),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Setup(args) => setup::command(&args),
        Command::Build(args) => build::command(&args),
        Command::Run(args) => run::command(&args),
        Command::Test(args) => test::command(&args),
        Command::Bench(args) => bench::command(&args),
        Command::Lint => lint::command(),
        Command::Docs => docs::command(),
        Command::InCleanRoom(inside) => clean_room::inside(&inside),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
