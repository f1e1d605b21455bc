//! Scripts and pipes in the status document, and as people read them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::board::{PipeRecord, Record, Run};
use crate::watch::child::Outcome;
use crate::words;

/// What has become of the scripts of an instance or a sync group.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Scripts {
    /// The last run of each.
    pub last: Vec<ScriptRun>,
    /// Those that cannot be run, by the word of the configuration, and why.
    #[serde(default)]
    pub refused: BTreeMap<String, String>,
    /// Changes that wait for the script that runs.
    pub waiting: u64,
    /// Scripts run.
    pub runs: u64,
    /// Those that failed, or could not be run.
    pub failed: u64,
    /// Those that were ended because a later change waited for too long.
    pub overran: u64,
    /// Changes that no script was run for, because too many waited.
    pub left_out: u64,
}

/// One run of one script.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScriptRun {
    /// The word of the configuration, as `notify_master`.
    pub keyword: String,
    /// The words that were run, and as whom.
    pub script: String,
    /// How long ago it began, in ns.
    pub began_ns_ago: u64,
    /// How long it ran, in ns; `None` while it runs.
    pub took_ns: Option<u64>,
    /// `running`, `ok` or `failed`.
    pub result: String,
    /// How it ended, in words; empty while it runs.
    pub outcome: String,
    /// The first line that it wrote.
    pub said: Option<String>,
}

/// A pipe that takes every change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PipeState {
    /// Its path.
    pub path: String,
    /// Lines written.
    pub written: u64,
    /// Lines lost because nobody read them.
    pub lost: u64,
    /// Lines that wait.
    pub waiting: u64,
    /// Why nothing is written to it, where nothing is.
    pub trouble: Option<String>,
    /// How often its reader was started; 0 where it is not ours to start.
    pub reader_starts: u64,
    /// Whether that one runs.
    pub reader_runs: bool,
}

impl From<&Record> for Scripts {
    fn from(record: &Record) -> Self {
        let mut last: Vec<ScriptRun> = record.last.values().map(ScriptRun::from).collect();
        last.sort_by_key(|run| run.began_ns_ago);
        Self {
            last,
            refused: record
                .refused
                .iter()
                .map(|(keyword, why)| ((*keyword).to_owned(), why.clone()))
                .collect(),
            waiting: count(record.waiting),
            runs: record.runs,
            failed: record.failed,
            overran: record.overran,
            left_out: record.left_out,
        }
    }
}

impl From<&Run> for ScriptRun {
    fn from(run: &Run) -> Self {
        let result = match &run.ended {
            None => "running",
            Some((_, Outcome::Exited(0))) => "ok",
            Some(_) => "failed",
        };
        let ended = run.ended.as_ref();
        Self {
            keyword: run.keyword.into(),
            script: run.script.clone(),
            began_ns_ago: nanos(run.began.elapsed()),
            took_ns: ended.map(|(took, _)| nanos(*took)),
            result: result.into(),
            outcome: ended.map_or_else(String::new, |(_, outcome)| match outcome {
                Outcome::TimedOut(_) => "ended by us".into(),
                Outcome::Exited(_) | Outcome::Signalled(_) | Outcome::NotStarted(_) => {
                    outcome.to_string()
                }
            }),
            said: run.said.clone(),
        }
    }
}

impl From<&PipeRecord> for PipeState {
    fn from(pipe: &PipeRecord) -> Self {
        Self {
            path: pipe.path.clone(),
            written: pipe.written,
            lost: pipe.lost,
            waiting: count(pipe.waiting),
            trouble: pipe.trouble.clone(),
            reader_starts: pipe.reader_starts,
            reader_runs: pipe.reader_runs,
        }
    }
}

impl Scripts {
    /// A line for each script, and one for what waits and was left out.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let refused = self.refused.iter();
        let refused = refused.map(|(keyword, why)| format!("{keyword}: CANNOT BE RUN: {why}"));
        let mut lines: Vec<String> = refused.collect();
        lines.extend(self.last.iter().map(ScriptRun::line));
        let mut more = Vec::new();
        for (what, count) in [
            ("changes wait", self.waiting),
            ("were left out", self.left_out),
            ("scripts were ended for a later change", self.overran),
        ] {
            if count > 0 {
                more.push(format!("{count} {what}"));
            }
        }
        if !more.is_empty() {
            lines.push(format!("scripts: {}", more.join(", ")));
        }
        lines
    }
}

impl ScriptRun {
    fn line(&self) -> String {
        let ago = words::span(Duration::from_nanos(self.began_ns_ago));
        let Some(took) = self.took_ns else {
            return format!("{}: running for {ago}: {}", self.keyword, self.script);
        };
        let took = words::span(Duration::from_nanos(took));
        if self.result == "ok" {
            return format!("{}: ok, {ago} ago, took {took}", self.keyword);
        }
        let said = self.said.as_ref();
        let said = said.map_or_else(String::new, |said| format!(": {said}"));
        format!(
            "{}: FAILED {ago} ago, {} after {took}{said}",
            self.keyword, self.outcome
        )
    }
}

impl PipeState {
    /// A line about it.
    #[must_use]
    pub fn line(&self) -> String {
        if let Some(why) = &self.trouble {
            return format!("{}: NOT WRITTEN: {why}", self.path);
        }
        let mut text = format!("{}: {} lines written", self.path, self.written);
        if self.waiting > 0 {
            text += &format!(", {} wait for a reader", self.waiting);
        }
        if self.lost > 0 {
            text += &format!(", {} LOST because nobody read them", self.lost);
        }
        match (self.reader_starts, self.reader_runs) {
            (0, _) => {}
            (1, true) => text += ", its reader runs",
            (starts, true) => text += &format!(", its reader runs, started {starts} x"),
            (starts, false) => {
                text += &format!(", its READER DOES NOT RUN, was started {starts} x");
            }
        }
        text
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(result: &str, took_ns: Option<u64>) -> ScriptRun {
        ScriptRun {
            keyword: "notify_master".into(),
            script: "/bin/promote as postgres".into(),
            began_ns_ago: 5_000_000_000,
            took_ns,
            result: result.into(),
            outcome: "exit 3".into(),
            said: Some("no such thing".into()),
        }
    }

    #[test]
    fn a_person_sees_what_runs_and_what_failed() {
        for (run, line) in [
            (
                run("running", None),
                "notify_master: running for 5.000 s: /bin/promote as postgres",
            ),
            (
                run("ok", Some(3_200_000)),
                "notify_master: ok, 5.000 s ago, took 3.20 ms",
            ),
            (
                run("failed", Some(3_200_000)),
                "notify_master: FAILED 5.000 s ago, exit 3 after 3.20 ms: no such thing",
            ),
        ] {
            assert_eq!(run.line(), line);
        }
        let scripts = Scripts {
            left_out: 3,
            waiting: 32,
            refused: BTreeMap::from([("notify".into(), "/x is not there".into())]),
            ..Scripts::default()
        };
        assert_eq!(
            scripts.lines(),
            [
                "notify: CANNOT BE RUN: /x is not there",
                "scripts: 32 changes wait, 3 were left out"
            ]
        );
    }
}
