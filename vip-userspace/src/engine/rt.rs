//! Real time: locked memory, the clock, and waiting.

use std::io;

use nix::errno::Errno;
use nix::poll::{PollFd, ppoll};
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::time::TimeSpec;
use nix::time::clock_gettime;
use std::time::Duration;
use vip_common::time::MonoTime;

/// Now, on the clock that the NIC's stamps are on.
#[must_use]
pub fn now() -> MonoTime {
    #[cfg(test)]
    if let Some(now) = pretended::now() {
        return now;
    }
    clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map_or(MonoTime::ZERO, |at| {
        let seconds = u64::try_from(at.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(at.tv_nsec()).unwrap_or(0);
        MonoTime::from_nanos(seconds * 1_000_000_000 + nanos)
    })
}

/// Keeps what is touched in memory; a page fault may cost milliseconds.
///
/// # Errors
/// `ENOMEM` or `EPERM` without `CAP_IPC_LOCK` and enough `RLIMIT_MEMLOCK`:
/// memory stays pageable.
pub fn lock_memory() -> io::Result<()> {
    const ON_FAULT: MlockAllFlags = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    Ok(mlockall(
        MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | ON_FAULT,
    )?)
}

/// How long before a takeover's deadline the engine is woken: a timer's
/// interrupt and the wake-up after it take 20 to 120 µs, in a virtual machine
/// above all, and all of that would be added to the outage.
const LEAD: Duration = Duration::from_micros(200);
/// How long after the deadline the hands are kept awake too, for the addresses
/// that the takeover will ask for.
pub const HANDS_WAIT: Duration = Duration::from_micros(100);
/// How long the engine stays awake for the addresses of a takeover that it was awake
/// for: they are there sooner than it is woken.
const LINGER: Duration = Duration::from_micros(200);
/// After waiting awake the engine does not do so again for this long: a burst
/// of takeovers shall not keep the processor from those that work for them.
const REST: Duration = Duration::from_millis(2);

/// Meets a deadline awake: woken a little early, it waits for the exact moment
/// without sleeping.
#[derive(Debug)]
pub struct Vigil {
    rest_until: MonoTime,
    /// Whether others can work while the engine waits awake.
    alone: bool,
}

impl Vigil {
    /// Of a thread that has `processors` to run on.
    #[must_use]
    pub fn new(processors: usize) -> Self {
        Self {
            rest_until: MonoTime::ZERO,
            alone: processors < 2,
        }
    }

    /// Until when to stay awake for what was asked of the hands at `now`: not at all
    /// but right after a takeover that was met awake, or where that would keep the
    /// hands from working.
    #[must_use]
    pub fn linger(&self, now: MonoTime) -> Option<MonoTime> {
        (!self.alone && now < self.rest_until).then(|| now + LINGER)
    }

    /// When to wake for `due`.
    #[must_use]
    pub fn begins(&self, due: MonoTime) -> MonoTime {
        let early = due - LEAD;
        if early >= self.rest_until { early } else { due }
    }

    /// Returns the time: `due` or later where it had begun, after `begin`; at
    /// once otherwise.
    pub fn keep(&mut self, due: MonoTime, begin: impl FnOnce()) -> MonoTime {
        let mut at = now();
        if at >= self.begins(due) && at < due {
            begin();
            at = stay_awake(due, || false);
            self.rest_until = at + REST;
        }
        at
    }
}

/// Waits without sleeping until `until`, or until something `has_come`; the time then.
pub fn stay_awake(until: MonoTime, has_come: impl Fn() -> bool) -> MonoTime {
    loop {
        let at = now();
        if at >= until || has_come() {
            return at;
        }
        std::hint::spin_loop();
    }
}

/// Sleeps until one of these is readable or the time has come, whichever is first;
/// returns at once for a time that has passed. One system call, with a timer that the
/// kernel keeps for the thread itself: a descriptor for it would cost two more.
///
/// # Errors
/// When the kernel refuses to wait. An interrupted wait is none: whoever waits looks
/// at everything after it anyway.
pub fn wait(readable: &mut [PollFd<'_>], until: Option<MonoTime>) -> io::Result<()> {
    let span = until.map(|until| TimeSpec::from_duration(until.since(now())));
    match ppoll(readable, span, None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A clock that a test sets, for the thread that it runs on.
#[cfg(test)]
pub(super) mod pretended {
    use std::cell::Cell;
    use std::time::Duration;

    use vip_common::time::MonoTime;

    /// What a look at it takes: whoever waits awake is not to wait for ever.
    const A_LOOK: Duration = Duration::from_nanos(50);

    thread_local! {
        static NOW: Cell<Option<MonoTime>> = const { Cell::new(None) };
    }

    /// It is this late from now on; never earlier than it was.
    pub(in crate::engine) fn set(at: MonoTime) {
        NOW.with(|now| now.set(Some(now.get().map_or(at, |now| now.max(at)))));
    }

    /// It is as late as it is.
    pub(in crate::engine) fn end() {
        NOW.with(|now| now.set(None));
    }

    pub(in crate::engine) fn now() -> Option<MonoTime> {
        NOW.with(|now| {
            let at = now.get()? + A_LOOK;
            now.set(Some(at));
            Some(at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vigil_ends_at_the_deadline_and_never_before() {
        let due = now() + LEAD / 2;
        let at = Vigil::new(2).keep(due, || {});
        assert!(at >= due, "{at:?} is before {due:?}");
    }

    #[test]
    fn a_deadline_beyond_the_lead_is_not_waited_for() {
        let mut vigil = Vigil::new(2);
        let due = now() + Duration::from_secs(3600);
        assert_eq!(vigil.begins(due), due - LEAD);
        assert!(vigil.keep(due, || unreachable!()) < due);
        assert_eq!(vigil.rest_until, MonoTime::ZERO);
    }

    #[test]
    fn addresses_are_waited_for_right_after_a_vigil_and_beside_others_only() {
        let at = MonoTime::from_nanos(1_000_000_000);
        let after = |alone, now| {
            let rest_until = at + REST;
            Vigil { rest_until, alone }.linger(now)
        };
        assert_eq!(after(false, at), Some(at + LINGER));
        assert_eq!(after(false, at + REST), None);
        assert_eq!(after(true, at), None);
    }

    #[test]
    fn whoever_stays_awake_does_so_until_something_comes() {
        let long = now() + Duration::from_secs(3600);
        assert!(stay_awake(long, || true) < long);
    }

    #[test]
    fn a_deadline_soon_after_a_vigil_is_met_by_the_timer_alone() {
        let at = MonoTime::from_nanos(1_000_000_000);
        let vigil = Vigil {
            rest_until: at + REST,
            alone: false,
        };
        let soon = at + REST;
        assert_eq!(vigil.begins(soon), soon);
        let later = at + REST + LEAD;
        assert_eq!(vigil.begins(later), at + REST);
    }
}
