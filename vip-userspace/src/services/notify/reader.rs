//! The program that reads a pipe: started with the pipe's path as its last argument,
//! started anew when it ends, ended with the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::board::{PipeRecord, Shared};
use super::pipe::Release;
use crate::services::log::{Level, Log};
use crate::watch::child::Job;

/// From the end of a reader to the next start: the first time, and at most. It
/// doubles from one to the other.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Who ran for so long has begun well.
const RAN_WELL: Duration = Duration::from_secs(60);

/// A reader that is looked after.
#[derive(Debug)]
pub(super) struct Reader {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
    last: Arc<AtomicBool>,
}

impl Reader {
    /// Starts it, when the one `before` has ended, and lets the pipe go on then.
    pub(super) fn start(
        path: &str,
        job: Job,
        before: Option<(JoinHandle<()>, Release)>,
        board: Shared,
        log: Log,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let last = Arc::new(AtomicBool::new(false));
        let tended = Tended {
            path: path.into(),
            job,
            board,
            log,
            stopped,
            last: Arc::clone(&last),
        };
        let task = tokio::spawn(async move {
            if let Some((before, pipe)) = before {
                let _ = before.await;
                pipe.now();
            }
            tended.tend().await;
        });
        Self { task, stop, last }
    }

    /// Whether it is there, or will be again.
    pub(super) fn runs(&self) -> bool {
        !self.task.is_finished()
    }

    /// When it ends now, it is not started again.
    pub(super) fn is_last(&mut self) {
        self.last.store(true, Ordering::Relaxed);
    }

    /// Tells it to end; the handle ends when nothing is left of it.
    pub(super) fn stop(self) -> JoinHandle<()> {
        let _ = self.stop.send(true);
        self.task
    }
}

struct Tended {
    path: String,
    job: Job,
    board: Shared,
    log: Log,
    stopped: watch::Receiver<bool>,
    last: Arc<AtomicBool>,
}

impl Tended {
    async fn tend(mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            let began = Instant::now();
            self.note(|record| {
                record.reader_starts += 1;
                record.reader_runs = true;
            });
            let mut ended = self.job.run_until(stopped(self.stopped.clone())).await;
            self.note(|record| record.reader_runs = false);
            if let Some(remains) = &mut ended.remains {
                remains.gone().await;
                return;
            }
            if self.last.load(Ordering::Relaxed) {
                return;
            }
            if began.elapsed() >= RAN_WELL {
                wait = FIRST_WAIT;
            }
            let said = ended.first_line();
            let said = said.map_or_else(String::new, |line| format!(": {line}"));
            let text = format!(
                "{}, which reads {}: {}{said}; started again in {}",
                self.job,
                self.path,
                ended.outcome,
                humantime::format_duration(wait)
            );
            self.log.line(Level::Warning, &text);
            if timeout(wait, stopped(self.stopped.clone())).await.is_ok() {
                return;
            }
            wait = LONGEST_WAIT.min(wait * 2);
        }
    }

    fn note(&mut self, act: impl FnOnce(&mut PipeRecord)) {
        self.board.with(|board| {
            let pipe = board.pipes.iter_mut().find(|one| one.path == self.path);
            if let Some(pipe) = pipe {
                act(pipe);
            }
        });
    }
}

async fn stopped(mut stopped: watch::Receiver<bool>) {
    // Whoever looked after it is gone: so is the reason to run.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
