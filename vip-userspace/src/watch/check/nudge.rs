//! What makes a check try at once, and how often that may be.

use std::time::Duration;

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
