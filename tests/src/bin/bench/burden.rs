//! Load on the machine: processes of this same program that burn processors, fork
//! or write, bounded in number and in time, and gone when this one is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

use crate::document::first_line;

/// What else the machine does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Burden {
    /// Nothing
    Idle,
    /// 16 endless loops, as ordinary as the daemons' own class
    Hogs,
    /// The same at nice -20
    NiceHogs,
    /// Endless loops in SCHED_RR, one for each processor where the kernel throttles
    /// them, else one fewer
    RealTimeHogs,
    /// 8 processes that fork all the time
    Forks,
    /// 2 processes that write and wait for the disk
    Disk,
    /// UDP packets to both hosts; sent by who has them, not by a process of this kind
    Packets,
}

/// How many loops saturate a machine many times over.
const HOGS: usize = 16;
/// Priority in SCHED_RR: below that of the daemons.
const ROUND_ROBIN: i32 = 50;
/// Loops in a real-time class live no longer, whoever asks.
pub(crate) const LONGEST_REAL_TIME: Duration = Duration::from_secs(20);
/// Nor any others.
const LONGEST: Duration = Duration::from_secs(3600);

impl Burden {
    /// For tables.
    pub(crate) fn label(self) -> String {
        match self {
            Self::Idle => "idle".to_owned(),
            Self::Hogs => format!("{HOGS} hogs"),
            Self::NiceHogs => format!("{HOGS} hogs at nice -20"),
            Self::RealTimeHogs => format!("{} hogs in SCHED_RR", Self::real_time_hogs()),
            Self::Forks => "fork storm".to_owned(),
            Self::Disk => "disk storm".to_owned(),
            Self::Packets => "packet flood".to_owned(),
        }
    }

    fn word(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn count(self) -> usize {
        match self {
            Self::Idle | Self::Packets => 0,
            Self::Hogs | Self::NiceHogs => HOGS,
            Self::RealTimeHogs => Self::real_time_hogs(),
            Self::Forks => 8,
            Self::Disk => 2,
        }
    }

    /// As many as leave somebody a processor to stop them from.
    fn real_time_hogs() -> usize {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let throttled = first_line("/proc/sys/kernel/sched_rt_runtime_us")
            .parse::<i64>()
            .is_ok_and(|runtime| (0..=950_000).contains(&runtime));
        if throttled {
            processors
        } else {
            processors - 1
        }
    }
}

/// Running load; killed when dropped.
pub(crate) struct Load {
    children: Vec<Child>,
}

impl Load {
    /// Starts it; it ends by itself after `bound` at the latest.
    pub(crate) fn start(burden: Burden, bound: Duration) -> Result<Self> {
        let own = std::env::current_exe().context("cannot find this program's own file")?;
        let mut load = Self {
            children: Vec::new(),
        };
        for _ in 0..burden.count() {
            let mut command = Command::new(&own);
            command
                .arg("burden")
                .arg(burden.word())
                .arg(bound.as_secs().max(1).to_string())
                .stdin(Stdio::null());
            #[expect(
                unsafe_code,
                reason = "only the child itself can ask to die with its parent"
            )]
            // SAFETY: one system call that touches no memory, between fork and exec.
            unsafe {
                command.pre_exec(|| set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from));
            }
            let child = command.spawn().context("cannot start a load")?;
            load.children.push(child);
        }
        Ok(load)
    }

    /// Stops it until [`Load::go_on`]; what is made ready meanwhile has peace.
    pub(crate) fn rest(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        for child in &self.children {
            // Not reaped before the drop, so the number is still this process.
            let _ = kill(Pid::from_raw(child.id().cast_signed()), signal);
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}

/// The inside of one process of a load.
#[derive(Args)]
pub(crate) struct BurdenArgs {
    /// What it does
    burden: Burden,
    /// Until it ends by itself
    seconds: u64,
}

pub(crate) fn command(arguments: &BurdenArgs) -> Result<ExitCode> {
    let mut bound = Duration::from_secs(arguments.seconds).min(LONGEST);
    if arguments.burden == Burden::RealTimeHogs {
        bound = bound.min(LONGEST_REAL_TIME);
    }
    limit(Resource::RLIMIT_CPU, bound.as_secs() + 1)?;
    let end = Instant::now() + bound;
    match arguments.burden {
        Burden::Idle | Burden::Packets => {}
        Burden::Hogs => spin(end),
        Burden::NiceHogs => {
            most_favoured()?;
            spin(end);
        }
        Burden::RealTimeHogs => {
            // The kernel itself ends it should the clock below not.
            limit(
                Resource::RLIMIT_RTTIME,
                u64::try_from(bound.as_micros()).unwrap_or(u64::MAX) + 1_000_000,
            )?;
            round_robin()?;
            spin(end);
        }
        Burden::Forks => fork_on(end)?,
        Burden::Disk => write_on(end)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn limit(resource: Resource, most: u64) -> Result<()> {
    setrlimit(resource, most, most).with_context(|| format!("cannot limit {resource:?}"))
}

fn spin(end: Instant) {
    while Instant::now() < end {
        for _ in 0..10_000 {
            std::hint::spin_loop();
        }
    }
}

fn most_favoured() -> Result<()> {
    // SAFETY: no pointers; 0 names the calling process.
    #[expect(unsafe_code, reason = "no crate in the tree wraps setpriority")]
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
    Errno::result(result).context("cannot take nice -20")?;
    Ok(())
}

fn round_robin() -> Result<()> {
    let parameters = libc::sched_param {
        sched_priority: ROUND_ROBIN,
    };
    #[expect(unsafe_code, reason = "no crate in the tree wraps sched_setscheduler")]
    // SAFETY: the pointer is to a live local; 0 names the calling process.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const parameters) };
    Errno::result(result).context("cannot enter SCHED_RR")?;
    Ok(())
}

/// One child at a time.
fn fork_on(end: Instant) -> Result<()> {
    while Instant::now() < end {
        #[expect(unsafe_code, reason = "forking is the point")]
        // SAFETY: this process has one thread, and the child does nothing but end.
        match unsafe { fork() }.context("cannot fork")? {
            // SAFETY: ends the child at once, with nothing of the parent's run.
            #[expect(unsafe_code, reason = "what the parent has at exit is the parent's")]
            ForkResult::Child => unsafe { libc::_exit(0) },
            ForkResult::Parent { child } => {
                let _ = waitpid(child, None);
            }
        }
    }
    Ok(())
}

/// 64 MiB over and over, a mebibyte at a time, in a file that has no name.
fn write_on(end: Instant) -> Result<()> {
    const BLOCKS: usize = 64;
    let mut file = nameless().context("cannot make a file to write to")?;
    let block = vec![0x5a; 1 << 20];
    while Instant::now() < end {
        file.rewind()?;
        for _ in 0..BLOCKS {
            if let Err(error) = file.write_all(&block).and_then(|()| file.sync_data()) {
                bail!("cannot write: {error}");
            }
            if Instant::now() >= end {
                break;
            }
        }
    }
    Ok(())
}

fn nameless() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("bench-{}", std::process::id()));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_burden_is_a_word_that_is_read_again() {
        for burden in Burden::value_variants() {
            assert_eq!(Burden::from_str(&burden.word(), false), Ok(*burden));
        }
    }

    #[test]
    fn real_time_loops_never_outnumber_the_processors() {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        assert!(Burden::real_time_hogs() <= processors);
    }
}
