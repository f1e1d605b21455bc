//! A program running in a host: its lines with stamps, its signals, its end.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use vip_common::time::MonoTime;

use super::{LabError, PATIENCE, now};

/// A line that a program wrote.
#[derive(Debug, Clone)]
pub struct Line {
    /// When it was read.
    pub stamp: MonoTime,
    /// Whether it came on stderr.
    pub is_error: bool,
    /// Without its end.
    pub text: String,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// Or the signal that ended it.
    pub signal: Option<i32>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => f.write_str("unknown end"),
        }
    }
}

#[derive(Default)]
struct State {
    lines: Vec<Line>,
    open_streams: u8,
    ended: Option<Ended>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    more: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running program with its children in a process group of its own. Dropping
/// it kills the group.
pub struct Process {
    shared: Arc<Shared>,
    pid: Pid,
    name: String,
}

impl Process {
    /// Starts `command` as a child of the calling thread, which must be one
    /// that outlives it: the child is killed when this thread ends.
    pub(super) fn start(mut command: Command, input: Option<String>) -> Result<Self, LabError> {
        command
            .stdin(if input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        die_with_parent(&mut command);
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|source| LabError::Program {
            program: name.clone(),
            source,
        })?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let shared = Arc::new(Shared::default());
        shared.lock().open_streams = 2;
        let process = Self { shared, pid, name };
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let stdin = child.stdin.take();
        process.helper(move |shared| read_lines(stdout, false, shared))?;
        process.helper(move |shared| read_lines(stderr, true, shared))?;
        process.helper(move |shared| reap(child, pid, shared))?;
        if let (Some(mut stdin), Some(text)) = (stdin, input) {
            // A program that does not read its input says so by its end.
            let _ = stdin.write_all(text.as_bytes());
        }
        Ok(process)
    }

    fn helper(&self, work: impl FnOnce(&Shared) + Send + 'static) -> Result<(), LabError> {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new()
            .name(format!("lab {}", self.pid))
            .spawn(move || work(&shared))
            .map(drop)
            .map_err(LabError::system("start a thread"))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// All lines so far, both streams.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.shared.lock().lines.clone()
    }

    fn stream(&self, is_error: bool) -> String {
        let state = self.shared.lock();
        let mut text = String::new();
        for line in state.lines.iter().filter(|l| l.is_error == is_error) {
            text.push_str(&line.text);
            text.push('\n');
        }
        text
    }

    /// What it wrote on stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stream(false)
    }

    /// What it wrote on stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stream(true)
    }

    /// The first line that contains `pattern`, already written or to come.
    ///
    /// # Errors
    /// When none comes within `bound`, or the program ends without it.
    pub fn wait_for_line(&self, pattern: &str, bound: Duration) -> Result<Line, LabError> {
        self.wait_for_line_after(pattern, MonoTime::ZERO, bound)
    }

    /// As [`Process::wait_for_line`], among lines read at or after `after`.
    ///
    /// # Errors
    /// As there.
    pub fn wait_for_line_after(
        &self,
        pattern: &str,
        after: MonoTime,
        bound: Duration,
    ) -> Result<Line, LabError> {
        let what = || format!("a line with {pattern:?} of {}", self.name);
        self.wait_until(what, bound, |state| {
            let found = state
                .lines
                .iter()
                .find(|line| line.stamp >= after && line.text.contains(pattern));
            match found {
                Some(line) => Some(Ok(line.clone())),
                None if state.open_streams == 0 => Some(Err(LabError::TooLate {
                    what: format!("{}, which has ended", what()),
                    bound,
                })),
                None => None,
            }
        })?
    }

    /// Sends a signal to the program and its children; nothing when it has
    /// ended.
    pub fn signal(&self, signal: Signal) {
        let state = self.shared.lock();
        // Reaped only under this lock, so the number is still this process.
        if state.ended.is_none() {
            let _ = killpg(self.pid, signal);
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it is still running after `bound`.
    pub fn wait(&self, bound: Duration) -> Result<Ended, LabError> {
        let what = || format!("{} to end", self.name);
        self.wait_until(what, bound, |state| {
            state.ended.filter(|_| state.open_streams == 0)
        })
    }

    /// Whether it is still running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.lock().ended.is_none()
    }

    fn wait_until<R>(
        &self,
        what: impl Fn() -> String,
        bound: Duration,
        look: impl Fn(&State) -> Option<R>,
    ) -> Result<R, LabError> {
        let end = Instant::now() + bound;
        let mut state = self.shared.lock();
        loop {
            if let Some(result) = look(&state) {
                return Ok(result);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LabError::TooLate {
                    what: what(),
                    bound,
                });
            }
            state = self
                .shared
                .more
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        let what = || format!("{} to end", self.name);
        let _ = self.wait_until(what, PATIENCE, |state| state.ended);
    }
}

#[expect(
    unsafe_code,
    reason = "only the child itself can ask to die with its parent"
)]
fn die_with_parent(command: &mut Command) {
    // SAFETY: the closure makes one system call and touches no memory, so it
    // may run between fork and exec.
    unsafe {
        command.pre_exec(|| set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from));
    }
}

fn read_lines(stream: Option<impl Read>, is_error: bool, shared: &Shared) {
    if let Some(stream) = stream {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            shared.lock().lines.push(Line {
                stamp: now(),
                is_error,
                text,
            });
            shared.more.notify_all();
        }
    }
    shared.lock().open_streams -= 1;
    shared.more.notify_all();
}

fn reap(mut child: Child, pid: Pid, shared: &Shared) {
    // Wait without reaping, so that nobody signals a number that has passed on.
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
        == Err(nix::Error::EINTR)
    {}
    let mut state = shared.lock();
    let status = child.wait();
    state.ended = Some(Ended {
        code: status
            .as_ref()
            .ok()
            .and_then(std::process::ExitStatus::code),
        signal: status.ok().and_then(|status| status.signal()),
    });
    drop(state);
    shared.more.notify_all();
}
