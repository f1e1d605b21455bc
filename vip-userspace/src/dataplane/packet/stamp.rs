//! From the kernel's stamp of a packet to the election's clock.

use std::time::Duration;

use vip_common::time::MonoTime;

/// A packet is never believed to be older than this when it is read: the real
/// clock may have been stepped between its stamp and now.
const OLDEST: Duration = Duration::from_secs(1);

/// When a packet came, on the monotonic clock. The kernel stamps packets with
/// the real clock (`stamp`, since its epoch); both clocks are read when the
/// packet is (`mono_now`, `real_now`).
///
/// The age is held between zero and one second, so that a step of the real clock
/// in either direction cannot put a packet into the future or far into the past.
pub(crate) fn monotonic(mono_now: MonoTime, real_now: Duration, stamp: Duration) -> MonoTime {
    mono_now - real_now.saturating_sub(stamp).min(OLDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: Duration = Duration::from_secs(1_800_000_000);

    fn arrival(real_now: Duration, stamp: Duration) -> MonoTime {
        monotonic(MonoTime::from_nanos(50_000_000_000), real_now, stamp)
    }

    #[test]
    fn an_age_is_taken_off() {
        let stamp = REAL - Duration::from_nanos(123_456);
        assert_eq!(
            arrival(REAL, stamp),
            MonoTime::from_nanos(50_000_000_000 - 123_456)
        );
    }

    #[test]
    fn a_clock_stepped_forward_makes_a_packet_one_second_old_at_most() {
        let stamp = REAL;
        let stepped = REAL + Duration::from_secs(86_400);
        assert_eq!(
            arrival(stepped, stamp),
            MonoTime::from_nanos(49_000_000_000)
        );
    }

    #[test]
    fn a_clock_stepped_back_makes_no_packet_of_the_future() {
        let stamp = REAL;
        let stepped = REAL - Duration::from_secs(86_400);
        assert_eq!(
            arrival(stepped, stamp),
            MonoTime::from_nanos(50_000_000_000)
        );
    }

    #[test]
    fn the_bound_itself_is_an_age() {
        assert_eq!(
            arrival(REAL, REAL - OLDEST),
            MonoTime::from_nanos(49_000_000_000)
        );
    }
}
