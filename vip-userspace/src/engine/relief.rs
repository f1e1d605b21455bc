//! Help for an engine that is ready to run and is not let.
//!
//! A real-time thread is woken on the processor that it ran on last. Where the
//! kernel itself is busy there and cannot be preempted (deleting hundreds of
//! interfaces takes tens of milliseconds), the thread waits, however idle the
//! other processors are. So two threads sleep on two processors, and whoever
//! finds that the engine is late takes it over to his own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::{Pid, gettid};
use vip_common::time::MonoTime;

use super::class::{self, Class, Role};
use super::queue::Wake;
use super::rt;

/// An engine that is so late is not let run.
const LATE: Duration = Duration::from_millis(1);

/// The two who wait. Costs one system call each time the engine goes to sleep,
/// and nobody is woken while it is in time.
pub(super) struct Relief {
    watch: Arc<Watch>,
}

struct Watch {
    timer: TimerFd,
    engine: Pid,
    /// Wakes it.
    wake: Wake,
    /// How the engine is scheduled.
    class: Class,
    /// Where the engine may run.
    allowed: CpuSet,
    /// When the engine means to wake, in ns; zero where nothing is due.
    planned: AtomicU64,
    /// Whether the engine has been put into another class than its own.
    lowered: AtomicBool,
    ended: AtomicBool,
}

impl Relief {
    /// For the calling thread. `None` where it may run on one processor only.
    ///
    /// # Errors
    /// When the system has no thread or descriptor left.
    pub(super) fn start(class: Class, wake: Wake) -> io::Result<Option<Self>> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let processors: Vec<usize> = (0..CpuSet::count())
            .filter(|processor| allowed.is_set(*processor).unwrap_or(false))
            .collect();
        let [first, .., last] = processors[..] else {
            return Ok(None);
        };
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
        let ended = AtomicBool::new(false);
        let watch = Arc::new(Watch {
            timer,
            engine: gettid(),
            wake,
            class,
            allowed,
            planned: AtomicU64::new(0),
            lowered: AtomicBool::new(false),
            ended,
        });
        let relief = Self { watch };
        for processor in [first, last] {
            let watch = Arc::clone(&relief.watch);
            std::thread::Builder::new()
                .name("vip-relief".into())
                .spawn(move || watch.keep(processor))?;
        }
        Ok(Some(relief))
    }

    /// The engine, who calls this, means to wake at this time.
    pub(super) fn expect(&self, at: Option<MonoTime>) {
        if self.watch.lowered.swap(false, Ordering::AcqRel)
            && class::put(Pid::from_raw(0), Role::Engine, self.watch.class).is_err()
        {
            // Others have taken its budget meanwhile: perhaps it is there next time.
            self.watch.lowered.store(true, Ordering::Release);
        }
        let planned = at.map_or(0, MonoTime::as_nanos);
        self.watch.planned.store(planned, Ordering::Release);
        self.watch.arm(at.map(|at| at + LATE));
    }
}

impl Drop for Relief {
    fn drop(&mut self) {
        self.watch.ended.store(true, Ordering::Release);
        self.watch.arm(Some(rt::now()));
    }
}

impl Watch {
    fn arm(&self, at: Option<MonoTime>) {
        // What cannot be armed helps nobody; the engine runs without.
        let _ = match at {
            Some(at) => {
                let span = Duration::from_nanos(at.as_nanos().max(1));
                let once = Expiration::OneShot(TimeSpec::from_duration(span));
                self.timer.set(once, TimerSetTimeFlags::TFD_TIMER_ABSTIME)
            }
            None => self.timer.unset(),
        };
    }

    fn keep(&self, processor: usize) {
        let mut here = CpuSet::new();
        if here.set(processor).is_err() || sched_setaffinity(Pid::from_raw(0), &here).is_err() {
            return;
        }
        let _ = class::put(Pid::from_raw(0), Role::Relief, Class::Fifo);
        // Both are woken; one takes the expiry, the other sleeps on.
        while self.timer.wait().is_ok() {
            if self.ended.load(Ordering::Acquire) {
                return self.arm(Some(rt::now()));
            }
            let planned = match self.planned.load(Ordering::Acquire) {
                0 => continue,
                nanos => MonoTime::from_nanos(nanos),
            };
            if rt::now() < planned + LATE {
                // It has run since.
                self.arm(Some(planned + LATE));
                continue;
            }
            // A thread that waits for a processor is moved at once, though not one
            // of the deadline class: it is a real-time task until it has run.
            if self.class == Class::Deadline {
                let _ = class::put(self.engine, Role::Engine, Class::Fifo);
                self.lowered.store(true, Ordering::Release);
            }
            let _ = sched_setaffinity(self.engine, &here);
            let _ = sched_setaffinity(self.engine, &self.allowed);
            // It sleeps by a span: where it was stopped on its way to bed it would
            // oversleep by as much.
            self.wake.ring();
            // Should it not run here either, there is another processor.
            self.arm(Some(rt::now() + LATE));
        }
    }
}
