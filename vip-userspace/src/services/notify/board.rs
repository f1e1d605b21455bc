//! What has become of scripts and pipes, for `vip status`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::event::Subject;
use crate::watch::child::{Ended, Outcome};

/// One run of one script.
#[derive(Clone, Debug)]
pub struct Run {
    /// The word that names it, as `notify_master`.
    pub keyword: &'static str,
    /// The words that it was run with, and whose rights it had.
    pub script: String,
    /// When it began.
    pub began: Instant,
    /// For how long it ran, and how it ended; nothing while it runs.
    pub ended: Option<(Duration, Outcome)>,
    /// The first line that it wrote.
    pub said: Option<String>,
}

/// What has become of the scripts of one instance or sync group.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The last run of each, by the word that names it.
    pub last: BTreeMap<&'static str, Run>,
    /// Why one cannot be run, as it was when the configuration was taken, by the word
    /// that names it.
    pub refused: BTreeMap<&'static str, String>,
    /// Scripts run.
    pub runs: u64,
    /// Those that failed, or could not be run.
    pub failed: u64,
    /// Those that were ended because a later change waited for too long.
    pub overran: u64,
    /// Changes that were left out because too many waited.
    pub left_out: u64,
    /// Changes that wait.
    pub waiting: usize,
}

impl Record {
    pub(super) fn began(&mut self, keyword: &'static str, script: String) {
        self.runs += 1;
        let run = Run {
            keyword,
            script,
            began: Instant::now(),
            ended: None,
            said: None,
        };
        self.last.insert(keyword, run);
    }

    pub(super) fn ended(&mut self, keyword: &'static str, ended: &Ended) {
        match ended.outcome {
            Outcome::Exited(0) => {}
            Outcome::TimedOut(_) => self.overran += 1,
            Outcome::Exited(_) | Outcome::Signalled(_) | Outcome::NotStarted(_) => {
                self.failed += 1;
            }
        }
        if let Some(run) = self.last.get_mut(keyword) {
            run.ended = Some((ended.took, ended.outcome.clone()));
            run.said = ended.first_line().map(str::to_owned);
        }
    }
}

/// One pipe.
#[derive(Clone, Debug, Default)]
pub struct PipeRecord {
    /// Its path.
    pub path: String,
    /// Lines written.
    pub written: u64,
    /// Lines lost because nobody read.
    pub lost: u64,
    /// Lines that wait for a reader.
    pub waiting: usize,
    /// Why it cannot be written, where it cannot.
    pub trouble: Option<String>,
    /// How often its reader was started, where we start it.
    pub reader_starts: u64,
    /// Whether it runs.
    pub reader_runs: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Board {
    /// By who it is about.
    pub subjects: BTreeMap<Subject, Record>,
    /// The pipes, in the order of the configuration.
    pub pipes: Vec<PipeRecord>,
    /// Words that the services had to leave out, because too many waited for them.
    pub left_out: u64,
}

/// The board, as it hangs between the thread that runs scripts and whoever asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Board>>);

impl Shared {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Board) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn record(&self, subject: &Subject, act: impl FnOnce(&mut Record)) {
        self.with(|board| act(board.subjects.entry(subject.clone()).or_default()));
    }
}
