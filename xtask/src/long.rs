//! The long tests, which are commands of their own: they take minutes, and say what they have
//! seen in figures or as a table.

use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::capability::{self, LABORATORY};
use crate::setup::{self, Purpose};
use crate::{build, shell};

/// At the end of `cargo xtask test --help`.
pub(crate) const HELP: &str = "\
Long tests, of which a short form runs with the others:
  matrix   vip with keepalived, FRR and itself, each way of speaking, each event: a table
  chaos    200 random faults, moves and reloads, watched all the time (VIP_TEST_SEED=N again)
  reloads  300 reloads at 10 ms and at 1 s
  recipes  the pairs of docs/recipes, 20 times each thing that can go wrong: a table
Each has --help.";

const NAMES: [&str; 4] = ["matrix", "chaos", "reloads", "recipes"];

/// Whether the words after `cargo xtask test` begin with the name of a long test.
pub(crate) fn is_one(words: &[String]) -> bool {
    words
        .first()
        .is_some_and(|word| NAMES.contains(&word.as_str()))
}

/// Builds the laboratory and becomes it.
pub(crate) fn command(words: &[String]) -> Result<ExitCode> {
    setup::ensure(Purpose::Test)?;
    // The laboratory looks for vip beside itself.
    build::vip(true)?;
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--package", "vip-tests"]);
    cargo.args(["--bin", "laboratory"]);
    shell::run(&mut cargo)?;
    let laboratory = shell::artifacts("release")?.join("laboratory");

    let mut command = capability::command(&laboratory, LABORATORY)?;
    command.args(words);
    Err(command.exec()).with_context(|| format!("cannot start `{}`", shell::line(&command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_no_long_test() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(is_one(&words("chaos --faults 5")));
        assert!(!is_one(&words("netns chaos")));
        assert!(!is_one(&[]));
    }
}
