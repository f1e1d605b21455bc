//! Whether the machine let anybody run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use vip::engine::class::become_fifo;
use vip::lab::{LabError, now};
use vip_common::time::MonoTime;

/// More urgent than ordinary programs, less than the daemons: what it misses,
/// they may have missed.
const PRIORITY: i32 = 10;
const BEAT: Duration = Duration::from_millis(2);
/// Later than this is a stall.
const LATE: Duration = Duration::from_millis(3);

/// A time during which something was true without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Since when.
    pub from: MonoTime,
    /// Until when.
    pub to: MonoTime,
}

impl Run {
    /// How long.
    #[must_use]
    pub fn span(self) -> Duration {
        self.to.since(self.from)
    }
}

/// A thread that wants to run every 2 ms and notes when it could not.
pub struct Pulse {
    stalls: Arc<Mutex<Vec<Run>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    /// Begins at once.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start() -> Result<Self, LabError> {
        let stalls = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, quit) = (Arc::clone(&stalls), Arc::clone(&stop));
        let thread = thread::Builder::new()
            .name("lab pulse".into())
            .spawn(move || watch(&theirs, &quit))
            .map_err(|source| LabError::System {
                step: "start a thread",
                source,
            })?;
        Ok(Self {
            stalls,
            stop,
            thread: Some(thread),
        })
    }

    /// For how long the machine stalled within `run`.
    #[must_use]
    pub fn missed(&self, run: Run) -> Duration {
        let stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls
            .iter()
            .map(|stall| stall.to.min(run.to).since(stall.from.max(run.from)))
            .sum()
    }

    /// For how long it stalled in all.
    #[must_use]
    pub fn total(&self) -> Duration {
        let stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.iter().map(|stall| stall.span()).sum()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(stalls: &Mutex<Vec<Run>>, stop: &AtomicBool) {
    // Where it may not, it sees more stalls than there are for the daemons.
    let _ = become_fifo(PRIORITY);
    while !stop.load(Ordering::Relaxed) {
        let due = now() + BEAT;
        thread::sleep(BEAT);
        let run = Run {
            from: due,
            to: now(),
        };
        if run.span() > LATE {
            stalls
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(run);
        }
    }
}
