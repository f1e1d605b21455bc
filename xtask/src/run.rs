//! `cargo xtask run`: the demo, or `vip ARGS…` on this host.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::capability::{self, Capability, DAEMON, LABORATORY};
use crate::setup::{self, Purpose};
use crate::{build, shell};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What `vip` is called with; a leading `-f FILE` means `run -f FILE`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    args: Vec<OsString>,
}

pub(crate) fn command(args: &Args) -> Result<ExitCode> {
    let args = arguments(&args.args);
    let demo = args.first().is_some_and(|first| first == "demo");
    setup::ensure(if demo { Purpose::Demo } else { Purpose::Build })?;
    let vip = build::vip(false)?;

    let mut command = capability::command(&vip, wanted(&args))?;
    command.args(&args);
    // In our place, so that signals and the exit code pass through untouched.
    Err(command.exec()).with_context(|| format!("cannot start `{}`", shell::line(&command)))
}

/// What vip is called with.
fn arguments(given: &[OsString]) -> Vec<OsString> {
    match given.first().and_then(|first| first.to_str()) {
        None if given.is_empty() => vec!["demo".into()],
        Some("-f") => [&["run".into()], given].concat(),
        _ => given.to_vec(),
    }
}

/// The capabilities a subcommand wants. Reading a configuration or a help text wants none.
fn wanted(args: &[OsString]) -> &'static [Capability] {
    let asks = |word: &OsString| word == "--help" || word == "-h" || word == "--version";
    if args.iter().any(asks) {
        return &[];
    }
    match args.first().and_then(|first| first.to_str()) {
        Some("demo") => LABORATORY,
        Some("run" | "status" | "release") => DAEMON,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn without_arguments_it_is_the_demo() {
        assert_eq!(arguments(&[]), words("demo"));
    }

    #[test]
    fn a_leading_f_means_run() {
        assert_eq!(arguments(&words("-f a.conf")), words("run -f a.conf"));
        assert_eq!(
            arguments(&words("check -f a.conf")),
            words("check -f a.conf")
        );
    }

    #[test]
    fn only_what_touches_the_network_wants_capabilities() {
        assert!(wanted(&words("check a.conf")).is_empty());
        assert!(wanted(&words("run --help")).is_empty());
        assert_eq!(wanted(&words("run -f a.conf")).len(), DAEMON.len());
        assert_eq!(wanted(&words("demo")).len(), LABORATORY.len());
    }
}
