//! What makes a check try at once, and how often that may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How many nudges are answered at once after a while of quiet: services that restart
/// go and come within moments, more than once.
const BURST: u32 = 4;
/// From then on a try is made this often at most, where the interval is not shorter.
const APART: Duration = Duration::from_millis(100);

/// How often nudges lead to tries: whoever makes listeners come and go, in whatever
/// network namespace, and be it a service that does so at each try, delays tries and
/// prevents none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    apart: Duration,
    /// When as many tries could be made at once as ever.
    full: Instant,
}

impl Pace {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            apart: APART.min(interval),
            full: Instant::now(),
        }
    }

    /// When the next one may be made.
    pub(super) fn next(&self) -> Instant {
        let ahead = self.apart * (BURST - 1);
        self.full.checked_sub(ahead).unwrap_or(self.full)
    }

    /// It is made now.
    pub(super) fn take(&mut self, now: Instant) {
        self.full = self.full.max(now) + self.apart;
    }
}

/// Through which a check that goes on is told to look at once, and whether it is to read
/// its files anew.
#[derive(Clone, Default, Debug)]
pub struct Renewal {
    nudge: Arc<Notify>,
    is_wanted: Arc<AtomicBool>,
}

impl Renewal {
    /// What the check has from files is to be read anew, at once.
    pub fn ask(&self) {
        self.is_wanted.store(true, Ordering::Release);
        self.nudge.notify_one();
    }

    /// What rings for the next try.
    #[must_use]
    pub const fn nudge(&self) -> &Arc<Notify> {
        &self.nudge
    }

    /// Whether it was asked for since this was last asked.
    pub(super) fn take(&self) -> bool {
        self.is_wanted.swap(false, Ordering::AcqRel)
    }
}
