//! One file, read by both.

use std::collections::BTreeSet;

use anyhow::Result;

use super::facts::differences;
use super::oracle::{Dumped, Oracle, Ours, Verdict};

/// In what both may differ on a file, each with the reason. An allowance that is
/// not needed is a failure too, so that the lists say how things are.
#[derive(Clone, Default)]
pub(super) struct Allowed {
    /// On whether it is good.
    pub(super) judged: Option<String>,
    /// keepalived has something to say, and we have not.
    pub(super) silent: Option<String>,
    /// On what stands in it.
    pub(super) read: Option<String>,
}

/// What both make of a file.
pub(super) struct Trial {
    text: String,
    verdict: Verdict,
    said: String,
    ours: Ours,
    /// In what we have read, where keepalived would start.
    differences: Vec<String>,
}

/// Lines of differences that are shown.
const SHOWN: usize = 16;

impl Trial {
    /// `beside` are files in the same directory, by name.
    pub(super) fn of(text: &str, beside: &[(String, String)]) -> Result<Self> {
        let oracle = Oracle::new()?;
        for (name, text) in beside {
            oracle.write(name, text)?;
        }
        let (mut verdict, said) = oracle.verdict(text)?;
        let ours = oracle.ours(text)?;
        let mut found = Vec::new();
        if verdict != Verdict::Refused {
            match oracle.dump(text)? {
                Dumped::Instances(theirs) => found = differences(ours.instances(), &theirs),
                Dumped::Refused => verdict = Verdict::Refused,
                Dumped::NoLoadBalancer => {}
            }
        }
        Ok(Self {
            text: text.to_owned(),
            verdict,
            said,
            ours,
            differences: found,
        })
    }

    /// The lines that keepalived complains about and we do not; 0 is none in
    /// particular.
    fn passed_over(&self) -> BTreeSet<u32> {
        if self.verdict == Verdict::Good {
            return BTreeSet::new();
        }
        let ours = self.ours.complaints();
        let theirs = self.said.lines().map(|line| {
            let number = line.split_once("Line ").and_then(|(_, rest)| {
                let digits = rest.split(')').next()?;
                digits.parse().ok()
            });
            number.unwrap_or(0)
        });
        theirs
            .filter(|line| match line {
                0 => ours.is_empty(),
                line => !ours.contains(line),
            })
            .collect()
    }

    /// What is wrong about the file called `name`.
    pub(super) fn against(&self, name: &str, allowed: &Allowed) -> Option<String> {
        let bad = self.verdict != Verdict::Good;
        let passed_over = self.passed_over();
        let checks = [
            ("judged", bad == self.ours.is_good(), &allowed.judged),
            ("silent", !passed_over.is_empty(), &allowed.silent),
            ("read", !self.differences.is_empty(), &allowed.read),
        ];
        let wrong: Vec<String> = checks
            .into_iter()
            .filter_map(|(what, found, allowed)| match (found, allowed) {
                (true, None) => Some(format!("{what} otherwise")),
                (false, Some(why)) => Some(format!("not {what} otherwise any more ({why})")),
                (true, Some(_)) | (false, None) => None,
            })
            .collect();
        if wrong.is_empty() {
            return None;
        }
        let wrong = wrong.join(", ");
        Some(format!("{name}: {wrong}.\n{}", self.told()))
    }

    /// What is wrong about a file that both should accept, where keepalived's
    /// verdict should be `expected` at worst.
    pub(super) fn disagreement(&self, expected: Verdict) -> Option<String> {
        let accepted = self.verdict == Verdict::Good || self.verdict == expected;
        let agreed = accepted && self.ours.is_good_or_unbuilt() && self.differences.is_empty();
        (!agreed).then(|| self.told())
    }

    /// Both sides of it.
    fn told(&self) -> String {
        let passed_over = self.passed_over();
        let Self {
            text,
            verdict,
            said,
            differences,
            ..
        } = self;
        let text = if text.lines().count() > SHOWN * 5 {
            "(a long file)\n"
        } else {
            text
        };
        let lines: Vec<_> = differences.iter().take(SHOWN).cloned().collect();
        let said: String = said
            .lines()
            .take(SHOWN)
            .map(|line| format!("{line}\n"))
            .collect();
        let words: Vec<_> = self.ours.words().take(SHOWN).collect();
        format!(
            "{text}keepalived: {verdict:?}\n{said}we (silent on {passed_over:?}):\n{}{}",
            words.concat(),
            lines.join("\n")
        )
    }
}
