//! `cargo xtask test`: every check and every test in order, with the time of each. What
//! touches the network does so in namespaces of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::capability::{self, LABORATORY};
use crate::setup::{self, Purpose};
use crate::{build, clean_room, lint, long, shell};

#[derive(clap::Args)]
#[command(after_help = long::HELP)]
pub(crate) struct Args {
    /// In a fresh Debian root with nothing but the Rust toolchain: the demo, then every test
    #[arg(long, conflicts_with = "filters")]
    clean_room: bool,
    /// Only let the election decide again on what is recorded in this file (`vip why` names it),
    /// and show where it decides otherwise
    #[arg(long, value_name = "FILE", conflicts_with_all = ["clean_room", "filters"])]
    case: Option<PathBuf>,
    /// Only these suites (unit, sim, xdp …), or only tests whose names contain one of these
    #[arg(
        value_name = "FILTER",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    filters: Vec<String>,
}

/// A set of tests: one run of `cargo test`.
struct Suite {
    name: &'static str,
    /// What `cargo test` is told to run.
    selection: &'static [&'static str],
    /// Whether its tests make network namespaces or load programs into the kernel.
    privileged: bool,
    /// Whether its tests must not run beside each other: they hold kernel objects by
    /// descriptors, and a neighbour's child process has copies of those until it execs.
    in_turn: bool,
}

/// Cheap ones first.
const SUITES: &[Suite] = &[
    Suite {
        name: "unit",
        selection: &["--workspace", "--lib", "--bins"],
        privileged: false,
        in_turn: false,
    },
    Suite {
        name: "sim",
        selection: &["--package", "vip-tests", "--test", "sim"],
        privileged: false,
        in_turn: false,
    },
    Suite {
        name: "kernel",
        selection: &["--package", "vip-userspace", "--test", "*"],
        privileged: true,
        in_turn: true,
    },
    Suite {
        name: "xdp",
        selection: &["--package", "vip-tests", "--test", "xdp"],
        privileged: true,
        in_turn: true,
    },
    Suite {
        name: "netns",
        selection: &["--package", "vip-tests", "--test", "netns"],
        privileged: true,
        in_turn: false,
    },
    Suite {
        name: "interop",
        selection: &["--package", "vip-tests", "--test", "interop"],
        privileged: true,
        in_turn: false,
    },
    Suite {
        name: "pairs",
        selection: &["--package", "vip-tests", "--test", "pairs"],
        privileged: true,
        in_turn: true,
    },
];

const FUZZ: &str = "tests/fuzz/Cargo.toml";

/// What `cargo test` counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Count {
    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn of_line(line: &str) -> Option<Self> {
        let rest = line.trim().strip_prefix("test result: ")?;
        let (_, counts) = rest.split_once(". ")?;
        let mut count = Self::default();
        for part in counts.split(';') {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => count.passed = number.parse().ok()?,
                Some((number, "failed")) => count.failed = number.parse().ok()?,
                Some((number, "ignored")) => count.ignored = number.parse().ok()?,
                _ => {}
            }
        }
        Some(count)
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// The stages so far, for the table at the end.
#[derive(Default)]
struct Ledger {
    lines: Vec<String>,
    total: Count,
}

impl Ledger {
    /// Runs a stage. One that fails without naming a test counts as one failure, so that the
    /// last line never hides it.
    fn stage(&mut self, name: &str, work: impl FnOnce() -> Result<Count>) -> bool {
        println!("\n== {name}");
        let begin = Instant::now();
        let (count, ok) = match work() {
            Ok(count) => (count, count.failed == 0),
            Err(error) => {
                eprintln!("{name}: {error:#}");
                (
                    Count {
                        failed: 1,
                        ..Count::default()
                    },
                    false,
                )
            }
        };
        self.total.add(count);
        self.lines
            .push(table_line(name, ok, count, begin.elapsed()));
        ok
    }

    fn finish(&self, whole: Duration) -> ExitCode {
        println!("\n== summary");
        for line in &self.lines {
            println!("{line}");
        }
        let Count {
            passed,
            failed,
            ignored,
        } = self.total;
        if ignored > 0 {
            println!("{ignored} ignored");
        }
        println!("{:.0} s", whole.as_secs_f64());
        println!("{passed} passed, {failed} failed");
        if failed == 0 && passed > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn table_line(name: &str, ok: bool, count: Count, time: Duration) -> String {
    let verdict = if ok { "ok" } else { "FAILED" };
    let seconds = time.as_secs_f64();
    if count.passed + count.ignored == 0 {
        format!("{name:<12} {verdict:<6} {seconds:7.1} s")
    } else {
        let Count { passed, failed, .. } = count;
        format!("{name:<12} {verdict:<6} {seconds:7.1} s  {passed} passed, {failed} failed")
    }
}

pub(crate) fn command(args: &Args) -> Result<ExitCode> {
    if args.clean_room {
        return clean_room::command();
    }
    if let Some(case) = &args.case {
        return replay(case);
    }
    if long::is_one(&args.filters) {
        return long::command(&args.filters);
    }
    let begin = Instant::now();
    let (suites, filters) = select(&args.filters);
    let mut ledger = Ledger::default();

    let prepared = ledger.stage("setup", || nothing(setup::ensure(Purpose::Test)));
    if prepared && args.filters.is_empty() {
        ledger.stage("format", || nothing(format()));
        ledger.stage("clippy", || nothing(clippy()));
        ledger.stage("fuzz", || nothing(fuzz_targets()));
        ledger.stage("lint", || match lint::command()? {
            ExitCode::SUCCESS => Ok(Count::default()),
            _ => bail!("the crates do not keep their rules; see above"),
        });
    }
    if prepared && ledger.stage("build", || nothing(build_all(&suites))) {
        for suite in suites {
            ledger.stage(suite.name, || run(suite, &filters));
        }
    }
    Ok(ledger.finish(begin.elapsed()))
}

/// A recorder's file as a test case.
fn replay(case: &Path) -> Result<ExitCode> {
    setup::ensure(Purpose::Test)?;
    let vip = build::vip(false)?;
    let mut replay = Command::new(vip);
    replay.args(["why", "--replay", "--file"]).arg(case);
    let status = replay
        .status()
        .with_context(|| format!("cannot start `{}`", shell::line(&replay)))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Names of suites choose suites; any other word chooses tests by their names.
fn select(words: &[String]) -> (Vec<&'static Suite>, Vec<&str>) {
    let is_suite = |word: &&String| SUITES.iter().any(|suite| suite.name == *word);
    let (chosen, filters): (Vec<&String>, Vec<&String>) = words.iter().partition(is_suite);
    let suites = SUITES
        .iter()
        .filter(|suite| chosen.is_empty() || chosen.iter().any(|word| *word == suite.name))
        .collect();
    (suites, filters.into_iter().map(String::as_str).collect())
}

fn nothing(outcome: Result<()>) -> Result<Count> {
    outcome.map(|()| Count::default())
}

/// Two packages are workspaces of their own, since they are not built like the others.
fn format() -> Result<()> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))?;
    for manifest in ["vip-ebpf/Cargo.toml", FUZZ] {
        let arguments = ["fmt", "--check", "--manifest-path", manifest];
        shell::run(shell::cargo().args(arguments))?;
    }
    Ok(())
}

/// The fuzz targets are run by hand; here they only have to keep up with the code.
fn fuzz_targets() -> Result<()> {
    let mut cargo = shell::cargo();
    cargo.args(["clippy", "--quiet", "--locked", "--manifest-path", FUZZ]);
    let debug = shell::artifacts("debug")?;
    cargo.arg("--target-dir").arg(debug.with_file_name("fuzz"));
    shell::run(cargo.args(["--", "-D", "warnings"]))
}

fn clippy() -> Result<()> {
    let mut cargo = shell::cargo();
    cargo.args(["clippy", "--quiet", "--workspace", "--all-targets"]);
    shell::run(cargo.args(["--", "-D", "warnings"]))
}

/// Everything is built before anything runs: a compiler beside a test that looks at
/// milliseconds disturbs it.
fn build_all(suites: &[&Suite]) -> Result<()> {
    println!("{}", build::vip(false)?.display());
    for suite in suites {
        let mut cargo = shell::cargo();
        cargo.args(["test", "--no-run"]).args(suite.selection);
        shell::run(&mut cargo)?;
    }
    Ok(())
}

fn run(suite: &Suite, filters: &[&str]) -> Result<Count> {
    let mut cargo = shell::cargo();
    cargo.args(["test", "--no-fail-fast"]).args(suite.selection);
    cargo.arg("--").args(filters);
    if suite.in_turn {
        cargo.arg("--test-threads=1");
    }
    if suite.privileged {
        runner(&mut cargo)?;
    }
    let mut child = cargo
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", shell::line(&cargo)))?;
    let mut count = Count::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.context("cannot read what the tests say")?;
            println!("{line}");
            if let Some(counted) = Count::of_line(&line) {
                count.add(counted);
            }
        }
    }
    let status = child.wait().context("cannot wait for the tests")?;
    if !status.success() && count.failed == 0 {
        // Did not build, or a test took its whole process down.
        count.failed = 1;
    }
    Ok(count)
}

/// Has cargo start the test programs through sudo where this process lacks capabilities;
/// cargo itself, and what it writes, stays with the user.
fn runner(cargo: &mut Command) -> Result<()> {
    if capability::held(LABORATORY)? || shell::find("sudo").is_none() {
        return Ok(());
    }
    let version = shell::read(Command::new("rustc").arg("-vV"))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("`rustc -vV` names no host")?;
    let host = host.to_uppercase().replace('-', "_");
    cargo.env(format!("CARGO_TARGET_{host}_RUNNER"), "sudo -E");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_cargo_test_prints() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.31s";
        let count = Count {
            passed: 12,
            failed: 3,
            ignored: 1,
        };
        assert_eq!(Count::of_line(line), Some(count));
        assert_eq!(Count::of_line("test wire::tests::result: ok"), None);
    }

    #[test]
    fn a_stage_that_cannot_run_counts_as_failed() {
        let mut ledger = Ledger::default();
        assert!(ledger.stage("good", || Ok(Count {
            passed: 2,
            ..Count::default()
        })));
        assert!(!ledger.stage("bad", || bail!("no compiler")));
        assert_eq!(
            ledger.total,
            Count {
                passed: 2,
                failed: 1,
                ignored: 0
            }
        );
    }

    #[test]
    fn words_choose_suites_or_tests() {
        let words = ["netns".to_owned(), "takeover".to_owned()];
        let (suites, filters) = select(&words);
        assert_eq!(
            suites.iter().map(|suite| suite.name).collect::<Vec<_>>(),
            ["netns"]
        );
        assert_eq!(filters, ["takeover"]);
        assert_eq!(select(&[]).0.len(), SUITES.len());
    }
}
