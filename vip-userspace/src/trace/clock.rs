//! The clock of all stamps, and what time of day that is.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};
use vip_common::time::MonoTime;

/// `CLOCK_MONOTONIC`.
#[must_use]
pub fn now() -> MonoTime {
    // Reading this clock cannot fail on Linux.
    let span = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    MonoTime::ZERO + span
}

/// When the clock began to count, in the time of day as it is now. A step of the
/// clock during a trace does not tear its lines apart.
#[derive(Clone, Copy, Debug)]
pub struct Wall(SystemTime);

impl Wall {
    /// By both clocks as they are now.
    #[must_use]
    pub fn now() -> Self {
        let since = now().since(MonoTime::ZERO);
        let wall = SystemTime::now();
        Self(wall.checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH))
    }

    /// For a test.
    #[must_use]
    pub const fn from_origin(origin: SystemTime) -> Self {
        Self(origin)
    }

    /// The time of day at a stamp.
    #[must_use]
    pub fn at(self, stamp: MonoTime) -> SystemTime {
        self.0 + stamp.since(MonoTime::ZERO)
    }

    /// `2026-01-31T12:34:56.123456789Z`.
    #[must_use]
    pub fn date(self, stamp: MonoTime) -> String {
        humantime::format_rfc3339_nanos(self.at(stamp)).to_string()
    }

    /// `12:34:56.123456789`, in UTC.
    #[must_use]
    pub fn time(self, stamp: MonoTime) -> String {
        let date = self.date(stamp);
        let time = date.split('T').nth(1).unwrap_or_default();
        time.trim_end_matches('Z').to_owned()
    }
}
