//! Time and its units, so that none is ever mistaken for another.
//!
//! Everything is computed in 64-bit nanoseconds: a skew is never truncated to
//! centiseconds or seconds (RFC 9568 section 6.1 defines it in centiseconds;
//! at an interval of 10 ms and priority 100 it is 6.09 ms).

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

use crate::ids::{Priority, Version};

/// A point in time: nanoseconds of `CLOCK_MONOTONIC`, which is also what the
/// kernel stamps frames with (`bpf_ktime_get_ns`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MonoTime(u64);

impl MonoTime {
    /// The clock's origin, in practice the moment the host was started.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds of `CLOCK_MONOTONIC`.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds of `CLOCK_MONOTONIC`.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for MonoTime {
    type Output = Self;

    /// Saturates after 584 years.
    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for MonoTime {
    type Output = Self;

    /// Saturates at the clock's origin.
    fn sub(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

impl fmt::Debug for MonoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}s",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}

/// An advertisement interval in centiseconds, the unit of VRRPv3's
/// Max Advertise Interval. Version 2 speaks whole seconds: multiples of 100.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "u16", into = "u16")
)]
pub struct Centis(u16);

impl Centis {
    /// What 12 bits hold, 40.95 s (RFC 9568 section 5.2.7).
    pub const V3_MAX: Self = Self(4095);
    /// What 8 bits of seconds hold, 255 s (RFC 3768 section 5.3.7).
    pub const V2_MAX: Self = Self(25_500);
    /// One second, the default interval.
    pub const ONE_SECOND: Self = Self(100);

    /// `None` for zero and for more than [`Centis::V2_MAX`].
    #[must_use]
    pub const fn new(centis: u16) -> Option<Self> {
        if centis == 0 || centis > Self::V2_MAX.0 {
            None
        } else {
            Some(Self(centis))
        }
    }

    /// From whole seconds, as version 2 carries them; `None` for zero.
    #[must_use]
    pub const fn from_secs(seconds: u8) -> Option<Self> {
        Self::new(seconds as u16 * 100)
    }

    /// The number of centiseconds.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The span it stands for.
    #[must_use]
    pub const fn span(self) -> Duration {
        Duration::from_millis(self.0 as u64 * 10)
    }
}

impl TryFrom<u16> for Centis {
    type Error = &'static str;

    fn try_from(centis: u16) -> Result<Self, Self::Error> {
        Self::new(centis).ok_or("an interval is 1 to 25500 centiseconds")
    }
}

impl From<Centis> for u16 {
    fn from(centis: Centis) -> Self {
        centis.0
    }
}

impl fmt::Display for Centis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(100) {
            write!(f, "{} s", self.0 / 100)
        } else {
            write!(f, "{} ms", u32::from(self.0) * 10)
        }
    }
}

/// Skew_Time: what a router waits beyond the missed adverts, less for a
/// better priority.
///
/// Version 3: `(256 - priority) * Active_Adver_Interval / 256` (RFC 9568
/// section 6.1). Version 2: `(256 - priority) / 256` of a second, whatever the
/// interval (RFC 3768 section 6.1).
#[must_use]
pub fn skew_time(version: Version, priority: Priority, active_adver_interval: Centis) -> Duration {
    let unit = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => active_adver_interval.span(),
    };
    let unit = u64::try_from(unit.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(unit.saturating_mul(256 - u64::from(priority.get())) / 256)
}

/// Active_Down_Interval: the silence after which the Active Router is held to
/// be gone: `adverts * Active_Adver_Interval + Skew_Time` (RFC 9568 section 6.1,
/// with keepalived's `down_timer_adverts` in place of the constant 3).
#[must_use]
pub fn active_down_interval(
    version: Version,
    priority: Priority,
    active_adver_interval: Centis,
    adverts: u8,
) -> Duration {
    active_adver_interval.span() * u32::from(adverts)
        + skew_time(version, priority, active_adver_interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn centis(n: u16) -> Centis {
        Centis::new(n).unwrap()
    }

    #[test]
    fn skew_at_ten_milliseconds_is_not_truncated() {
        let skew = skew_time(Version::V3, Priority::new(100).unwrap(), centis(1));
        assert_eq!(skew, Duration::from_nanos(6_093_750));
    }

    #[test]
    fn version_2_skew_is_a_share_of_one_second_whatever_the_interval() {
        let skew = skew_time(Version::V2, Priority::new(100).unwrap(), centis(500));
        assert_eq!(skew, Duration::from_nanos(609_375_000));
    }

    #[test]
    fn down_interval_of_the_default_backup() {
        let down = active_down_interval(
            Version::V2,
            Priority::new(100).unwrap(),
            Centis::ONE_SECOND,
            3,
        );
        assert_eq!(down, Duration::from_nanos(3_609_375_000));
    }

    #[test]
    fn the_longest_interval_does_not_overflow() {
        let down =
            active_down_interval(Version::V3, Priority::new(1).unwrap(), Centis::V3_MAX, 255);
        assert_eq!(
            down,
            Duration::from_millis(40_950) * 255 + Duration::from_nanos(40_950_000_000 * 255 / 256)
        );
    }

    #[test]
    fn intervals_know_their_limits() {
        assert_eq!(Centis::new(0), None);
        assert_eq!(Centis::new(25_501), None);
        assert_eq!(Centis::from_secs(255), Some(Centis::V2_MAX));
        assert_eq!(Centis::from_secs(0), None);
    }

    #[test]
    fn points_in_time_saturate() {
        let early = MonoTime::from_nanos(5);
        assert_eq!(early - Duration::from_secs(1), MonoTime::ZERO);
        assert_eq!(MonoTime::ZERO.since(early), Duration::ZERO);
        assert_eq!(
            MonoTime::from_nanos(u64::MAX) + Duration::from_secs(1),
            MonoTime::from_nanos(u64::MAX)
        );
    }
}
