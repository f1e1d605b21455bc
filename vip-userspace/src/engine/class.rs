//! How the kernel schedules the threads that may not be late.
//!
//! SCHED_DEADLINE where it can be had: such a thread comes before everything of
//! SCHED_FIFO and SCHED_RR, so that it is not stopped together with them when they
//! have taken too much (Linux keeps 50 ms of each second for ordinary tasks, which is
//! longer than the down interval at 10 ms; measured beside two SCHED_RR loops: 54 ms
//! late as FIFO, 1.3 ms so). And it is held to a budget, so that whatever goes wrong
//! in it cannot keep a processor.
//!
//! Else SCHED_FIFO: in a part of the host that may use some of its processors only,
//! where the budgets of the host are given away, or where this is forbidden.

use std::fmt;
use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::unistd::Pid;

/// A thread that may not be late.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Hears, decides and speaks.
    Engine,
    /// Moves addresses.
    Hands,
    /// Brings the engine to another processor where the kernel is busy on its own.
    Relief,
}

impl Role {
    /// FIFO priority, above every ordinary real-time task, below the kernel's
    /// migration and watchdog threads (99). The hands come after the engine: a
    /// takeover's addresses come right after its adverts, and never before another
    /// router's.
    const fn fifo_priority(self) -> i32 {
        match self {
            Self::Engine | Self::Relief => 80,
            Self::Hands => 79,
        }
    }

    /// What it is sure of in each [`PERIOD`]; beyond that it has what other threads
    /// of its class leave, up to what the host grants the class at all. `None` where
    /// it is not for that class.
    const fn budget(self) -> Option<Duration> {
        match self {
            Self::Engine => Some(Duration::from_micros(500)),
            // It waits for locks of the kernel by spinning, and would keep relief,
            // which that class does not take for a single processor, from running.
            Self::Hands | Self::Relief => None,
        }
    }

    /// The classes that it may have, the best first.
    const fn classes(self) -> &'static [Class] {
        match self.budget() {
            Some(_) => &[Class::Deadline, Class::Fifo],
            None => &[Class::Fifo],
        }
    }
}

/// Both period and deadline: whoever has the nearer deadline runs, and the kernel's
/// own servant of ordinary tasks has one of 50 ms when it begins.
const PERIOD: Duration = Duration::from_millis(5);

/// How a thread is scheduled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Before all others, within a budget.
    Deadline,
    /// Before all ordinary tasks.
    Fifo,
    /// As an ordinary task: a busy host delays it.
    Ordinary,
}

impl fmt::Display for Class {
    /// As log, status and JSON say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadline => "deadline",
            Self::Fifo => "fifo",
            Self::Ordinary => "ordinary",
        })
    }
}

/// What a thread has got, and why nothing better.
#[derive(Debug)]
pub struct Granted {
    /// How it is scheduled.
    pub class: Class,
    /// What the kernel said to the class before it.
    pub why: Option<io::Error>,
}

impl fmt::Display for Granted {
    /// What that means for the engine, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.class {
            Class::Deadline => "the engine is scheduled before all real-time tasks (SCHED_DEADLINE)",
            Class::Fifo => {
                "the engine is scheduled as a real-time task (SCHED_FIFO): where others keep all processors busy the kernel stops it with them, for 50 ms of each second"
            }
            Class::Ordinary => {
                "the engine runs at ordinary priority, a busy host may delay it; give vip CAP_SYS_NICE"
            }
        })?;
        match &self.why {
            Some(why) => write!(f, "; better was refused: {why}"),
            None => Ok(()),
        }
    }
}

/// Gives the calling thread the best class that can be had, and keeps signals away
/// from it. Never fails: what cannot be had is said.
///
/// Of `processors`, counted from 0, it keeps to those that there are, and where none is
/// given to all; not as [`Class::Deadline`] then, which has to have all.
pub fn become_punctual(role: Role, processors: &[usize]) -> Granted {
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
    // Of no meaning but for an ordinary task, whose timers are late by 50 µs without.
    let _ = nix::sys::prctl::set_timerslack(1);
    let here = Pid::from_raw(0);
    let mut why = None;
    if let Err(error) = keep_to(processors) {
        why = Some(error);
    }
    for class in role.classes().iter().copied() {
        match put(here, role, class) {
            Ok(()) => return Granted { class, why },
            Err(error) => why = Some(error),
        }
    }
    Granted {
        class: Class::Ordinary,
        why,
    }
}

fn keep_to(processors: &[usize]) -> io::Result<()> {
    if processors.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for processor in processors {
        // Beyond what the kernel can count there is none.
        let _ = set.set(*processor);
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Puts a thread into a class.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE`, in a control group without a real-time budget,
/// or, for [`Class::Deadline`], where not all processors may be used; `EBUSY` where
/// the budgets of that class are given away; `EINVAL` for a role that is not for it.
pub fn put(thread: Pid, role: Role, class: Class) -> io::Result<()> {
    let none = Attributes::default();
    set(
        thread,
        match class {
            Class::Deadline => {
                let budget = role.budget().ok_or(Errno::EINVAL)?;
                let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
                Attributes {
                    policy: libc::SCHED_DEADLINE.cast_unsigned(),
                    flags: u64::from(libc::SCHED_FLAG_RECLAIM.cast_unsigned()),
                    runtime: nanos(budget),
                    deadline: nanos(PERIOD),
                    period: nanos(PERIOD),
                    ..none
                }
            }
            Class::Fifo => fifo(role.fifo_priority()),
            Class::Ordinary => none,
        },
    )
}

/// Puts the calling thread into SCHED_FIFO with this priority, 1 to 99, for those who
/// watch from beside, and keeps signals away from it.
///
/// # Errors
/// As [`put`].
pub fn become_fifo(priority: i32) -> io::Result<()> {
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
    set(Pid::from_raw(0), fifo(priority))
}

fn fifo(priority: i32) -> Attributes {
    Attributes {
        policy: libc::SCHED_FIFO.cast_unsigned(),
        priority: priority.cast_unsigned(),
        ..Attributes::default()
    }
}

fn set(thread: Pid, attributes: Attributes) -> io::Result<()> {
    // Children stay out of the class.
    let stays = u64::from(libc::SCHED_FLAG_RESET_ON_FORK.cast_unsigned());
    let attributes = Attributes {
        size: Attributes::SIZE,
        flags: attributes.flags | stays,
        ..attributes
    };
    #[expect(unsafe_code, reason = "sched_setattr has no wrapper")]
    // SAFETY: the pointer is to a live local of the layout that the kernel documents,
    // which says its size itself.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_sched_setattr,
            thread.as_raw(),
            &raw const attributes,
            0_u32,
        )
    };
    Errno::result(answer)?;
    Ok(())
}

/// `struct sched_attr` as of its first version; all zero is an ordinary task.
#[derive(Default)]
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

impl Attributes {
    const SIZE: u32 = 48;
}

const _: () = assert!(size_of::<Attributes>() == Attributes::SIZE as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_no_budget_is_not_of_the_deadline_class() {
        let refused = put(Pid::from_raw(0), Role::Relief, Class::Deadline);
        let errno = refused.unwrap_err().raw_os_error();
        assert_eq!(errno, Some(libc::EINVAL));
    }

    #[test]
    fn what_was_granted_is_what_the_kernel_says() {
        let there = std::thread::spawn(|| {
            let granted = become_punctual(Role::Engine, &[]);
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            // The last but eleven: see proc(5).
            let policy = stat.rsplit(' ').nth(11).unwrap().parse::<i32>().unwrap();
            (granted, policy)
        });
        let (granted, policy) = there.join().unwrap();
        let of = match granted.class {
            Class::Deadline => libc::SCHED_DEADLINE,
            Class::Fifo => libc::SCHED_FIFO,
            Class::Ordinary => libc::SCHED_OTHER,
        };
        assert_eq!(policy, of, "{granted:?}");
        assert_eq!(granted.why.is_some(), granted.class != Class::Deadline);
    }

    #[test]
    fn whoever_keeps_to_a_processor_is_on_it() {
        let there = std::thread::spawn(|| {
            become_punctual(Role::Hands, &[0]);
            nix::sched::sched_getcpu().unwrap()
        });
        assert_eq!(there.join().unwrap(), 0);
    }
}
