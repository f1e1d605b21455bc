//! Random valid files: both accept them, and what keepalived says that it has
//! read is what we have read.
//!
//! `VIP_TEST_CASES` is the number of files, each with many instances.

use anyhow::{Context as _, Result};
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::oracle::Verdict;
use super::trial::Trial;
use super::written::{self, File};

/// Enough to meet each word many times: a file has some twenty instances.
const CASES: u32 = 12;

fn cases() -> Result<u32> {
    match std::env::var("VIP_TEST_CASES") {
        Ok(number) => number.parse().context("VIP_TEST_CASES is no number"),
        Err(_) => Ok(CASES),
    }
}

/// The same files in each run, so that a failure stands; more cases are more
/// files.
fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        // [`check`] finds the instance itself, with fewer daemons.
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn disagreement(file: &File, style: u64, expected: Verdict) -> Option<String> {
    let text = written::text(file, style);
    match Trial::of(&text, &[]) {
        Ok(trial) => trial.disagreement(expected),
        Err(error) => Some(format!("{error:#}\n{text}")),
    }
}

/// When both disagree, the first instance that is enough for it is shown.
fn check(file: &File, style: u64, expected: Verdict) -> Result<(), TestCaseError> {
    let Some(whole) = disagreement(file, style, expected) else {
        return Ok(());
    };
    let plain = 0;
    let smaller = file
        .each_alone()
        .flat_map(|alone| [(alone.clone(), plain), (alone, style)])
        .find_map(|(alone, style)| disagreement(&alone, style, expected));
    Err(TestCaseError::fail(smaller.unwrap_or(whole)))
}

/// Files that keepalived has nothing to say about.
#[test]
fn valid_files() -> Result<()> {
    let files = (written::file(false), any::<u64>());
    runner(cases()?)
        .run(&files, |(file, style)| check(&file, style, Verdict::Good))
        .map_err(|error| anyhow::anyhow!("{error}"))
}

/// Files with values that keepalived rounds or drops and then starts with.
#[test]
fn corrected_files() -> Result<()> {
    let files = (written::file(true), any::<u64>());
    runner(cases()?)
        .run(&files, |(file, style)| check(&file, style, Verdict::Bad))
        .map_err(|error| anyhow::anyhow!("{error}"))
}
