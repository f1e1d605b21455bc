//! Real time: scheduling class, locked memory, the clock and the one timer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::clock_gettime;
use std::time::Duration;
use vip_common::time::MonoTime;

/// FIFO priority of the engine: above every ordinary real-time task, below
/// the kernel's migration and watchdog threads (99).
pub const ENGINE_PRIORITY: i32 = 80;
/// FIFO priority of the hands: a takeover's addresses come right after its
/// adverts, and never before another router's.
pub const HANDS_PRIORITY: i32 = 79;

/// Now, on the clock that the NIC's stamps are on.
#[must_use]
pub fn now() -> MonoTime {
    clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map_or(MonoTime::ZERO, |at| {
        let seconds = u64::try_from(at.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(at.tv_nsec()).unwrap_or(0);
        MonoTime::from_nanos(seconds * 1_000_000_000 + nanos)
    })
}

/// Puts the calling thread into the FIFO class and keeps signals away from it.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE`, or in a control group without a real-time
/// budget: the thread goes on at ordinary priority.
pub fn become_real_time(priority: i32) -> io::Result<()> {
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    #[expect(unsafe_code, reason = "no crate in the tree wraps sched_setscheduler")]
    // SAFETY: the pointer is to a live local; 0 names the calling thread;
    // RESET_ON_FORK keeps children out of the class.
    let result = unsafe {
        libc::sched_setscheduler(
            0,
            libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK,
            &raw const parameters,
        )
    };
    Errno::result(result)?;
    Ok(())
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

/// One absolute timer on the monotonic clock.
#[derive(Debug)]
pub struct Timer {
    fd: TimerFd,
    armed: Option<MonoTime>,
}

impl Timer {
    /// A timer that is not armed.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Self {
            fd: TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?,
            armed: None,
        })
    }

    /// Arms it for `at`, which may have passed; `None` disarms it. Costs no
    /// system call when nothing changes.
    pub fn arm(&mut self, at: Option<MonoTime>) {
        if at == self.armed {
            return;
        }
        let set = match at {
            // Zero would disarm it: a deadline at the clock's origin has passed anyway.
            Some(at) => {
                let span = Duration::from_nanos(at.as_nanos().max(1));
                let once = Expiration::OneShot(TimeSpec::from_duration(span));
                self.fd.set(once, TimerSetTimeFlags::TFD_TIMER_ABSTIME)
            }
            None => self.fd.unset(),
        };
        self.armed = if set.is_ok() { at } else { None };
    }

    /// Takes an expiry, so that it is not reported again.
    pub fn acknowledge(&mut self) {
        let mut count = [0; 8];
        let _ = nix::unistd::read(&self.fd, &mut count);
        self.armed = None;
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
