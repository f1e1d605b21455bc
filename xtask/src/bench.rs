//! `cargo xtask bench`: builds what is measured and what measures, optimized, and runs it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::capability::{self, LABORATORY};
use crate::setup::{self, Purpose};
use crate::{build, shell};

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// What to measure and how; `cargo xtask bench --help` names it
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    args: Vec<OsString>,
}

pub(crate) fn command(args: &Args) -> Result<ExitCode> {
    setup::ensure(Purpose::Test)?;
    // The measuring program looks for vip beside itself.
    build::vip(true)?;
    let mut cargo = shell::cargo();
    cargo.args([
        "build",
        "--release",
        "--package",
        "vip-tests",
        "--bin",
        "bench",
    ]);
    shell::run(&mut cargo)?;
    let release = shell::artifacts("release")?;
    let bench = release.join("bench");
    let saved = release.with_file_name("bench");

    let part = args.args.first().and_then(|part| part.to_str());
    if matches!(part, Some("micro" | "all")) {
        micro(&saved, args.args.iter().any(|word| word == "--short"))?;
    }
    let mut command = if part == Some("report") {
        // It only writes files, which shall be the user's own.
        Command::new(&bench)
    } else {
        capability::command(&bench, LABORATORY)?
    };
    command
        .args(&args.args)
        .current_dir(shell::workspace())
        .env("BENCH_COMMIT", commit()?)
        .env("BENCH_SAVED", &saved)
        .env("BENCH_DOCS", shell::workspace().join("docs"));
    Err(command.exec()).with_context(|| format!("cannot start `{}`", shell::line(&command)))
}

/// Has criterion measure single steps; the measuring program collects them.
fn micro(saved: &Path, short: bool) -> Result<()> {
    let mut cargo = shell::cargo();
    cargo
        .args(["bench", "--package", "vip-tests", "--bench", "micro", "--"])
        .arg("--noplot")
        .env("CRITERION_HOME", saved.join("criterion"));
    if short {
        cargo.args(["--warm-up-time", "0.3", "--measurement-time", "1"]);
    }
    shell::run(&mut cargo)
}

/// The commit that is measured, with `+` where files differ from it.
fn commit() -> Result<String> {
    let mut git = Command::new("git");
    git.current_dir(shell::workspace()).args([
        "describe",
        "--always",
        "--dirty=+",
        "--exclude",
        "*",
    ]);
    Ok(shell::read(&mut git)?.trim().to_owned())
}
