//! Programs that vip runs: started without a copy of the daemon, in a process group
//! of their own, listened to until they are silent, and ended when their time is over.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Spawn, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::account::{self, Refusal};
use super::launch::{self, Identity, Order};
use super::{pidfd, warden};
use crate::config::reaction::{Account, Command, ScriptRules};
use crate::services::watched;
use crate::words;

/// How much of what a program writes is kept.
const KEPT: usize = 1024;
/// How much is read at once of what is not kept, and how long nothing is read then:
/// who writes without end keeps nobody from his work.
const GULP: usize = 64 * 1024;
const BETWEEN_GULPS: Duration = Duration::from_millis(5);
/// From SIGTERM to SIGKILL, as in keepalived.
pub const GRACE: Duration = Duration::from_secs(2);
/// How often is looked whether a process group that was told to end is gone.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// Programs that go on writing after the one that was started has ended. More of
/// them are not listened to: they get SIGPIPE when they write.
const MOST_TALKERS: usize = 256;
/// Rights that new files of a script do not get, as in keepalived.
const MASK: u32 = 0o177;

/// Who runs programs, and how: as it follows from the configuration, looked up once.
#[derive(Clone, Debug)]
pub struct Launcher {
    rules: ScriptRules,
    /// The program that turns into the script: this one.
    own: PathBuf,
}

/// A program that is ready to be run, any number of times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    own: PathBuf,
    program: PathBuf,
    argv: Vec<String>,
    identity: Identity,
    who: String,
    /// Whether nothing of it may outlive vip.
    warded: bool,
    /// Whether it is looked at again before each run: root runs nothing that others
    /// could change.
    guarded: bool,
}

/// A job, and what a person should be told of it once.
#[derive(Debug)]
pub struct Prepared {
    /// The job.
    pub job: Job,
    /// That root runs what others could change.
    pub warning: Option<String>,
}

impl Launcher {
    /// For the running program.
    #[must_use]
    pub fn new(rules: &ScriptRules) -> Self {
        Self::with_program(rules, Path::new("/proc/self/exe"))
    }

    /// With another vip than this one in between: for tests, which are none.
    #[must_use]
    pub fn with_program(rules: &ScriptRules, own: &Path) -> Self {
        Self {
            rules: rules.clone(),
            own: own.into(),
        }
    }

    /// Whose rights an account has, or whoever runs what names nobody. May wait for
    /// whoever knows the accounts of this host.
    ///
    /// # Errors
    /// Where there is no such account.
    pub fn identity(&self, account: Option<&Account>) -> Result<Identity, Refusal> {
        account::identity(account, &self.rules).map(|(identity, _)| identity)
    }

    /// Looks up who runs a command and whether it can be run. May wait for whoever
    /// knows the accounts of this host.
    ///
    /// # Errors
    /// Why it will not be run.
    pub fn prepare(&self, command: &Command) -> Result<Prepared, Refusal> {
        let (identity, who) = account::identity(command.user.as_ref(), &self.rules)?;
        let word = command.argv.first().map_or("", String::as_str);
        let found = account::find(word, &identity, &who, &self.rules)?;
        let danger = found.danger.filter(|_| identity.uid == 0);
        let warning = match danger {
            Some(reason) if self.rules.security => return Err(Refusal::Unsafe { reason }),
            Some(reason) => Some(format!(
                "SECURITY VIOLATION: root runs '{command}', and {reason}; name a script_user, or set enable_script_security to have it refused"
            )),
            None => None,
        };
        let mut argv = command.argv.clone();
        if let Some(name) = argv.first_mut() {
            *name = found.path.to_string_lossy().into_owned();
        }
        let job = Job {
            own: self.own.clone(),
            program: found.path,
            argv,
            guarded: self.rules.security && identity.uid == 0,
            identity,
            who,
            warded: false,
        };
        Ok(Prepared { job, warning })
    }
}

/// How a program ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal.
    Signalled(i32),
    /// Its time was over; it is being ended.
    TimedOut(Duration),
    /// It never began.
    NotStarted(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit {code}"),
            Self::Signalled(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "ended by {signal}"),
                Err(_) => write!(f, "ended by signal {number}"),
            },
            Self::TimedOut(after) => write!(f, "no end within {}", words::span(*after)),
            Self::NotStarted(why) => write!(f, "not started: {why}"),
        }
    }
}

/// What became of a program.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// After which time.
    pub took: Duration,
    /// The beginning of what it wrote, to both streams, at most 1 KiB.
    pub output: String,
    /// Where it is still being ended.
    pub remains: Option<Remains>,
}

impl Ended {
    fn not_started(why: impl fmt::Display, took: Duration) -> Self {
        Self {
            outcome: Outcome::NotStarted(why.to_string()),
            took,
            output: String::new(),
            remains: None,
        }
    }

    /// The first line that it wrote which says anything.
    #[must_use]
    pub fn first_line(&self) -> Option<&str> {
        self.output
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
    }
}

/// A program that has overrun its time and is being ended.
#[derive(Debug)]
pub struct Remains(oneshot::Receiver<()>);

impl Remains {
    /// Waits until nothing of it is left; 2 s at most.
    pub async fn gone(&mut self) {
        let _ = (&mut self.0).await;
    }
}

impl Job {
    /// The same with more arguments.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = String>) -> Self {
        let mut job = self.clone();
        job.argv.extend(more);
        job
    }

    /// The same, of which nothing outlives vip, however that ends. Not for programs
    /// that may start others which are to go on.
    #[must_use]
    pub fn warded(self) -> Self {
        Self {
            warded: true,
            ..self
        }
    }

    /// Its words.
    #[must_use]
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// Whose rights it has, by number: a pipe that it reads may belong to them.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Runs it until it ends, or until its time is over: then its process group gets
    /// SIGTERM, and SIGKILL 2 s later, while the result is there at once. What it
    /// leaves running when it ends by itself goes on.
    ///
    /// Dropped, this ends the process group in the same way; at the end of the
    /// runtime by SIGKILL at once.
    pub async fn run(&self, limit: Option<Duration>) -> Ended {
        let Some(limit) = limit else {
            return self.run_until(std::future::pending()).await;
        };
        let mut ended = self.run_until(sleep(limit)).await;
        if let Outcome::TimedOut(after) = &mut ended.outcome {
            *after = limit;
        }
        ended
    }

    /// The same, until it is said that its time is over.
    pub async fn run_until(&self, over: impl Future<Output = ()>) -> Ended {
        let began = Instant::now();
        tokio::pin!(over);
        let (mut group, mut output, report) = match self.start() {
            Ok(started) => started,
            Err(error) => return Ended::not_started(error, began.elapsed()),
        };
        let in_time = loop {
            tokio::select! {
                biased;
                () = group.ended() => break true,
                () = &mut over => break false,
                () = output.listen() => {}
            }
        };
        let took = began.elapsed();
        let (outcome, remains) = if in_time {
            let outcome = group.outcome();
            // The launcher has ended or become the script: nobody else writes this.
            let mut why = [0; KEPT];
            let length = report.try_read(&mut why).unwrap_or(0);
            match why.get(..length).filter(|why| !why.is_empty()) {
                Some(why) => (Outcome::NotStarted(readable(why)), None),
                None => (outcome, None),
            }
        } else {
            (Outcome::TimedOut(took), group.condemn())
        };
        Ended {
            outcome,
            took,
            output: output.finish(),
            remains,
        }
    }

    fn start(&self) -> io::Result<(Group, Output, pipe::Receiver)> {
        let (output, says) = io::pipe()?;
        let (report, reports) = io::pipe()?;
        let order = Order {
            parent: std::process::id(),
            identity: self.identity.clone(),
            mask: MASK,
            guarded: self.guarded,
            program: self.program.as_os_str(),
            argv: self.argv.iter().map(OsStr::new).collect(),
        };
        // Nothing here may need a step between fork and exec: then the standard
        // library copies no memory.
        let mut spawn = Spawn::new(&self.own);
        spawn
            .arg0(launch::NAME)
            .args(order.words())
            .stdin(Stdio::from(OwnedFd::from(reports)))
            .stdout(Stdio::from(OwnedFd::from(says.try_clone()?)))
            .stderr(Stdio::from(OwnedFd::from(says)))
            .process_group(0);
        let withheld = std::env::vars_os().map(|(name, _)| name);
        for name in withheld.filter(|name| launch::is_withheld(name)) {
            spawn.env_remove(name);
        }
        let output = Output {
            pipe: Some(pipe::Receiver::from_owned_fd(output.into())?),
            kept: Vec::new(),
            rests_until: Instant::now(),
        };
        let report = pipe::Receiver::from_owned_fd(report.into())?;
        let child = spawn.spawn()?;
        // Our ends of what the child was given are closed with this.
        drop(spawn);
        let pid = Pid::from_raw(child.id().cast_signed());
        let group = Group::new(pid)?;
        if self.warded {
            warden::began(&self.own, pid);
        }
        Ok((group, output, report))
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.argv.join(" "), self.who)
    }
}

/// A process group that runs. Dropped, it is ended.
#[derive(Debug)]
struct Group {
    pid: Pid,
    /// Its first process; nothing where that is in other hands.
    first: Option<AsyncFd<OwnedFd>>,
}

impl Group {
    /// Takes over the process that has just been started.
    fn new(pid: Pid) -> io::Result<Self> {
        let first = pidfd::open(pid).and_then(watched);
        if first.is_err() {
            let _ = killpg(pid, Signal::SIGKILL);
            let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
        Ok(Self {
            pid,
            first: Some(first?),
        })
    }

    /// Waits for the end of the first process.
    async fn ended(&self) {
        match &self.first {
            Some(first) => drop(first.readable().await),
            None => std::future::pending().await,
        }
    }

    /// How the first process ended; the others are none of ours.
    fn outcome(mut self) -> Outcome {
        self.first = None;
        warden::over(self.pid);
        match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => Outcome::Exited(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => Outcome::Signalled(signal as i32),
            Ok(other) => Outcome::NotStarted(format!("its end is unknown: {other:?}")),
            Err(error) => Outcome::NotStarted(format!("its end is unknown: {error}")),
        }
    }

    /// Begins to end all of it.
    fn condemn(&mut self) -> Option<Remains> {
        let first = self.first.take()?;
        let condemned = Condemned {
            pid: self.pid,
            first,
            is_gone: false,
        };
        let (gone_in, gone) = oneshot::channel();
        // Without a runtime, dropping it is its end.
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        runtime.spawn(async move {
            condemned.end().await;
            let _ = gone_in.send(());
        });
        Some(Remains(gone))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.condemn();
    }
}

/// A process group that is being ended. Dropped, it ends at once.
#[derive(Debug)]
struct Condemned {
    pid: Pid,
    first: AsyncFd<OwnedFd>,
    is_gone: bool,
}

impl Condemned {
    async fn end(mut self) {
        self.signal(Some(Signal::SIGTERM));
        let in_time = timeout(GRACE, async {
            drop(self.first.readable().await);
            let _ = waitpid(self.pid, Some(WaitPidFlag::WNOHANG));
            // Nothing tells when the last one of a group is gone.
            while self.signal(None) {
                sleep(BETWEEN_LOOKS).await;
            }
        });
        if in_time.await.is_err() {
            self.signal(Some(Signal::SIGKILL));
            drop(self.first.readable().await);
            let _ = waitpid(self.pid, Some(WaitPidFlag::WNOHANG));
        }
        self.is_gone = true;
        warden::over(self.pid);
    }

    /// Whether there was anybody to get it.
    fn signal(&self, signal: Option<Signal>) -> bool {
        pidfd::signal_group(self.first.get_ref().as_fd(), self.pid, signal).is_ok()
    }
}

impl Drop for Condemned {
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        self.signal(Some(Signal::SIGKILL));
    }
}

/// Programs that are listened to although the one that was started has ended.
static TALKERS: AtomicUsize = AtomicUsize::new(0);

/// What a program writes.
#[derive(Debug)]
struct Output {
    /// Until it is closed.
    pipe: Option<pipe::Receiver>,
    kept: Vec<u8>,
    /// Until when nothing is read.
    rests_until: Instant,
}

impl Output {
    /// Waits for something and reads it. Never ends where nothing will come.
    async fn listen(&mut self) {
        sleep_until(self.rests_until).await;
        match &self.pipe {
            Some(pipe) if pipe.readable().await.is_ok() => self.gulp(),
            Some(_) => self.pipe = None,
            None => std::future::pending().await,
        }
    }

    /// Reads what is there, within bounds.
    fn gulp(&mut self) {
        let mut buffer = [0; 4096];
        for _ in 0..GULP / buffer.len() {
            let Some(pipe) = &self.pipe else { return };
            match pipe.try_read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    let room = KEPT.saturating_sub(self.kept.len());
                    let kept = buffer.get(..length.min(room)).unwrap_or_default();
                    self.kept.extend_from_slice(kept);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
        self.rests_until = Instant::now() + BETWEEN_GULPS;
    }

    /// Takes what has been written so far, and goes on reading as long as anybody
    /// can write: what was started in the background gets no SIGPIPE.
    fn finish(mut self) -> String {
        self.gulp();
        let kept = std::mem::take(&mut self.kept);
        // Nothing more is kept.
        self.kept = vec![0; KEPT];
        if self.pipe.is_some() && TALKERS.fetch_add(1, Ordering::Relaxed) < MOST_TALKERS {
            tokio::spawn(async move {
                while self.pipe.is_some() {
                    self.listen().await;
                }
                TALKERS.fetch_sub(1, Ordering::Relaxed);
            });
        } else if self.pipe.is_some() {
            TALKERS.fetch_sub(1, Ordering::Relaxed);
        }
        readable(&kept)
    }
}

/// What was written, as a terminal may show it.
fn readable(written: &[u8]) -> String {
    let text = String::from_utf8_lossy(written).replace("\r\n", "\n");
    words::readable(&text, |one| matches!(one, '\n' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_writes_moves_no_cursor() {
        assert_eq!(
            readable(b"a\tb\0c\x1b[2J\xff\r\nz\r\xe2\x80\xae"),
            "a\tb\\x00c\\x1b[2J\u{fffd}\nz\\x0d\\x202e"
        );
    }
}
