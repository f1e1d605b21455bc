//! A thread inside namespaces of its own, and the work that is sent to it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, gettid};

use super::process::{Ended, Process};
use super::{LabError, PATIENCE};

type Job = Box<dyn FnOnce() + Send>;

/// A thread inside a network namespace and a mount namespace with its own
/// `/run` and `/sys`. Work is sent to it; sockets and processes that the work
/// makes belong to the namespace.
pub(super) struct Namespace {
    name: String,
    tid: Pid,
    /// The inode of the network namespace: its identity.
    inode: u64,
    /// Taken when the host ends.
    life: Option<(Sender<Job>, JoinHandle<()>)>,
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Some((jobs, thread)) = self.life.take() {
            drop(jobs);
            // The last handle may have been held by a job of the host itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Namespace {
    pub(super) fn new(name: &str) -> Result<Self, LabError> {
        let (jobs, queue) = channel::<Job>();
        let (born, birth) = channel();
        let host = name.to_owned();
        let thread = thread::Builder::new()
            .name(format!("lab {name}"))
            .spawn(move || live(&host, &born, &queue))
            .map_err(LabError::system("start a thread"))?;
        let (tid, inode) = birth
            .recv()
            .map_err(|_| LabError::Gone(name.to_owned()))??;
        Ok(Self {
            name: name.to_owned(),
            tid,
            inode,
            life: Some((jobs, thread)),
        })
    }

    /// Runs `work` inside and waits for its result.
    pub(super) fn run<R, F>(&self, work: F) -> Result<R, LabError>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        let (answer, result) = channel();
        let job: Job = Box::new(move || {
            // The asker waits below; if it is gone, nobody wants the answer.
            let _ = answer.send(work());
        });
        let gone = || LabError::Gone(self.name.clone());
        let (jobs, _) = self.life.as_ref().ok_or_else(gone)?;
        jobs.send(job).map_err(|_| gone())?;
        result.recv().map_err(|_| gone())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The thread, by which a link is moved into its namespace.
    pub(super) fn tid(&self) -> Pid {
        self.tid
    }

    pub(super) fn identity(&self) -> u64 {
        self.inode
    }

    /// One `ip -batch` of these lines.
    pub(super) fn ip_batch<S: AsRef<str>>(self: &Arc<Self>, lines: &[S]) -> Result<(), LabError> {
        let mut text = String::new();
        for line in lines {
            text.push_str(line.as_ref());
            text.push('\n');
        }
        let finished = self.output_with(["ip", "-batch", "-"], Some(text))?;
        finished.success().map(drop)
    }

    pub(super) fn spawn<I, S>(self: &Arc<Self>, argv: I) -> Result<Process, LabError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.spawn_with(command(argv), None)
    }

    pub(super) fn spawn_with(
        self: &Arc<Self>,
        command: Command,
        input: Option<String>,
    ) -> Result<Process, LabError> {
        self.run(move || Process::start(command, input))?
    }

    pub(super) fn output_with<I, S>(
        self: &Arc<Self>,
        argv: I,
        input: Option<String>,
    ) -> Result<Finished, LabError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let command = command(argv);
        let shown = show(&command);
        let process = self.spawn_with(command, input)?;
        let ended = process.wait(PATIENCE)?;
        Ok(Finished {
            host: self.name.clone(),
            command: shown,
            ended,
            stdout: process.stdout(),
            stderr: process.stderr(),
        })
    }
}

/// The life of a host's thread: enter the namespaces, then do what is asked
/// until nobody is left to ask.
fn live(name: &str, born: &Sender<Result<(Pid, u64), LabError>>, queue: &Receiver<Job>) {
    let entered = enter(name).map(|inode| (gettid(), inode));
    let failed = entered.is_err();
    if born.send(entered).is_err() || failed {
        return;
    }
    while let Ok(job) = queue.recv() {
        job();
    }
}

fn enter(name: &str) -> Result<u64, LabError> {
    let failed = |step: &'static str| {
        move |errno: nix::Error| LabError::Namespace {
            step,
            host: name.to_owned(),
            source: errno.into(),
        }
    };
    let none: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
        .map_err(failed("make namespaces"))?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(failed("make mounts private"))?;
    mount(Some("run"), "/run", Some("tmpfs"), MsFlags::empty(), none)
        .map_err(failed("mount /run"))?;
    // /sys/class/net shows the namespace in which it was mounted.
    mount(Some("sys"), "/sys", Some("sysfs"), MsFlags::empty(), none)
        .map_err(failed("mount /sys"))?;
    for (path, value) in [
        // Router solicitations and the like are noise in a capture.
        ("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"),
        ("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"),
        ("/proc/sys/net/ipv4/ping_group_range", "0 2147483647"),
    ] {
        if Path::new(path).exists() {
            fs::write(path, value).map_err(|source| LabError::Namespace {
                step: "set a sysctl",
                host: name.to_owned(),
                source,
            })?;
        }
    }
    let inode = fs::metadata("/proc/thread-self/ns/net");
    inode
        .map(|namespace| namespace.ino())
        .map_err(LabError::system("identify a namespace"))
}

/// How many threads of this machine live in the network namespaces with these
/// identities: none once their hosts and all their processes have ended.
#[must_use]
pub fn threads_inside(namespaces: &[u64]) -> usize {
    let list = |path: &Path| {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
    };
    list(Path::new("/proc"))
        .filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit())
        .flat_map(|process| list(&process.path().join("task")))
        .filter_map(|task| fs::metadata(task.path().join("ns/net")).ok())
        .filter(|namespace| namespaces.contains(&namespace.ino()))
        .count()
}

fn command<I, S>(argv: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut argv = argv.into_iter();
    let mut command = argv
        .next()
        .map_or_else(|| Command::new("true"), |program| Command::new(program));
    command.args(argv);
    command
}

fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.join(" ")
}

/// A program that has run to its end.
#[derive(Debug, Clone)]
pub struct Finished {
    host: String,
    command: String,
    /// How it ended.
    pub ended: Ended,
    /// What it wrote on stdout.
    pub stdout: String,
    /// What it wrote on stderr.
    pub stderr: String,
}

impl Finished {
    /// The exit code; `None` when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.ended.code
    }

    /// Its stdout if it exited with 0.
    ///
    /// # Errors
    /// With its words otherwise.
    pub fn success(self) -> Result<String, LabError> {
        if self.ended.code == Some(0) {
            Ok(self.stdout)
        } else {
            Err(LabError::Command {
                command: self.command,
                host: self.host,
                said: format!("{} ({})", self.stderr.trim(), self.ended),
            })
        }
    }
}
