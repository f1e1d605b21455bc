//! `cargo xtask bench`: builds what is measured and what measures, optimized, and runs it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

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
    let bench = shell::artifacts("release")?.join("bench");

    let mut command = capability::command(&bench, LABORATORY)?;
    command.args(&args.args);
    Err(command.exec()).with_context(|| format!("cannot start `{}`", shell::line(&command)))
}
