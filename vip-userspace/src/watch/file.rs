//! `track_file`: a file with a number in it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{File as Open, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::statfs::statfs;
use tokio::io::unix::AsyncFd;
use tokio::time::{sleep, timeout};

use super::board::Reporter;
use crate::config::trackers::File;
use crate::engine::Verdict;
use crate::services::{log::Level, watched};

/// How often is looked where the kernel does not tell of changes.
const POLL: Duration = Duration::from_secs(1);
/// How often is looked where it does, all the same.
const IDLE: Duration = Duration::from_secs(10);
/// Least time between two looks: who writes without end keeps nobody from his work.
const BREATH: Duration = Duration::from_millis(2);
/// More than a number needs.
const MOST_BYTES: u64 = 256;

/// Watches it until it is dropped.
pub(super) async fn watch(file: File, mut reporter: Reporter) {
    reporter.begin().await;
    let file = Arc::new(file);
    if reporter.is_new() {
        let of = Arc::clone(&file);
        let written = tokio::task::spawn_blocking(move || initialize(&of)).await;
        if let Ok(Err(error)) = written {
            let line = format!(
                "cannot write the first number into {}: {error}",
                of_path(&file)
            );
            reporter.say(Level::Warning, line).await;
        }
    }
    loop {
        let of = Arc::clone(&file);
        let Ok(eye) = tokio::task::spawn_blocking(move || Eye::open(&of.path)).await else {
            return;
        };
        reporter.works_by(eye.to_string());
        loop {
            look(&file, &mut reporter).await;
            sleep(BREATH).await;
            if eye.change().await {
                break;
            }
        }
    }
}

fn of_path(file: &File) -> std::path::Display<'_> {
    file.path.display()
}

/// Writes what is to stand there from the start on.
fn initialize(file: &File) -> io::Result<()> {
    let Some((number, over)) = file.init else {
        return Ok(());
    };
    let mut options = OpenOptions::new();
    options.write(true).mode(0o644);
    // A link that somebody has laid there leads nowhere.
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    if over {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    match options.open(&file.path) {
        Err(error) if !over && error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        opened => writeln!(opened?, "{number}"),
    }
}

/// Reads the number and tells it.
async fn look(file: &Arc<File>, reporter: &mut Reporter) {
    let of = Arc::clone(file);
    let Ok(found) = tokio::task::spawn_blocking(move || read(&of.path)).await else {
        return;
    };
    match found {
        Found::Number(number) => {
            let verdict = Verdict::Number(number);
            reporter.found(verdict, true, number.to_string()).await;
        }
        Found::Nothing(why) => {
            let what = format!("counts as 0: {why}");
            reporter.found(Verdict::Number(0), true, what).await;
        }
        Found::TooLarge(text) => {
            let path = of_path(file);
            let line = format!("Invalid number {text} read from {path} - ignoring");
            if reporter.ignored(line.clone()) {
                reporter.say(Level::Warning, line.clone()).await;
            }
            // Somebody may wait for the first number.
            if reporter.verdict() == Verdict::Unknown {
                reporter.found(Verdict::Number(0), false, line).await;
            }
        }
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Found {
    Number(i32),
    /// No number, for this reason: it counts as 0, as in keepalived.
    Nothing(String),
    /// A number that no number can be: nothing changes.
    TooLarge(String),
}

fn read(path: &Path) -> Found {
    let mut options = OpenOptions::new();
    // A pipe would have us wait for somebody who writes.
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let mut text = Vec::new();
    let read = options.open(path).and_then(|file: Open| {
        if file.metadata()?.is_file() {
            file.take(MOST_BYTES).read_to_end(&mut text)
        } else {
            Err(io::Error::other("it is not a file"))
        }
    });
    match read {
        Ok(_) => number(&text),
        Err(error) => Found::Nothing(error.to_string()),
    }
}

/// The number at the beginning, whatever follows, as C reads it: octal behind `0`,
/// hexadecimal behind `0x`.
fn number(text: &[u8]) -> Found {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let behind_x = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
        .filter(|rest| rest.starts_with(|one: char| one.is_ascii_hexdigit()));
    let (digits, base) = match behind_x {
        Some(rest) => (rest, 16),
        None if unsigned.starts_with('0') => (unsigned, 8),
        None => (unsigned, 10),
    };
    let mut digits = digits
        .chars()
        .map_while(|one| one.to_digit(base))
        .peekable();
    if digits.peek().is_none() {
        return Found::Nothing("there is no number in it".into());
    }
    let size = digits.fold(0_i64, |size, digit| {
        size.saturating_mul(base.into())
            .saturating_add(digit.into())
    });
    let number = if text.starts_with('-') { -size } else { size };
    i32::try_from(number).map_or_else(|_| Found::TooLarge(number.to_string()), Found::Number)
}

/// How changes are noticed.
#[derive(Debug)]
enum Eye {
    /// The kernel tells of what happens in these directories.
    Told {
        inotify: AsyncFd<Watch>,
        directories: BTreeSet<PathBuf>,
        path: PathBuf,
        /// What it is called in there, unless links lead to it: then any change of
        /// the directories may be one of it.
        name: Option<OsString>,
    },
    /// It does not, for this reason.
    Polled(String),
}

impl std::fmt::Display for Eye {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Told { .. } => f.write_str("inotify"),
            Self::Polled(why) => write!(f, "read every second: {why}"),
        }
    }
}

/// `nix` does not give its descriptor as a number.
#[derive(Debug)]
struct Watch(Inotify);

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Eye {
    fn open(path: &Path) -> Self {
        let inotify = match Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK) {
            Ok(inotify) => inotify,
            Err(error) => return Self::Polled(format!("inotify cannot be had: {error}")),
        };
        let directories = directories(path);
        for directory in &directories {
            if let Some(kind) = silent(directory) {
                return Self::Polled(format!("{kind} does not tell of changes"));
            }
            // A file that is still being written is not looked at.
            let flags = AddWatchFlags::IN_CLOSE_WRITE
                | AddWatchFlags::IN_CREATE
                | AddWatchFlags::IN_DELETE
                | AddWatchFlags::IN_MOVE
                | AddWatchFlags::IN_ATTRIB
                | AddWatchFlags::IN_DELETE_SELF
                | AddWatchFlags::IN_MOVE_SELF
                | AddWatchFlags::IN_ONLYDIR;
            if let Err(error) = inotify.add_watch(directory, flags) {
                let name = directory.display();
                let error = io::Error::from(error);
                return Self::Polled(format!("{name} cannot be watched: {error}"));
            }
        }
        let is_link = path.is_symlink() || directories.len() > 1;
        let name = path.file_name().filter(|_| !is_link).map(OsStr::to_owned);
        match watched(Watch(inotify)) {
            Ok(inotify) => Self::Told {
                inotify,
                directories,
                path: path.into(),
                name,
            },
            Err(error) => Self::Polled(format!("inotify cannot be had: {error}")),
        }
    }

    /// Waits until something may have changed; whether it must be looked for anew how
    /// changes are noticed.
    async fn change(&self) -> bool {
        match self {
            Self::Told {
                inotify,
                directories: watched,
                path,
                name,
            } => {
                let told = timeout(IDLE, events(inotify, name.as_deref())).await;
                told.unwrap_or(false) || directories(path) != *watched
            }
            Self::Polled(_) => {
                sleep(POLL).await;
                true
            }
        }
    }
}

/// Waits for an event about this name, or any; whether the directory itself is gone.
async fn events(inotify: &AsyncFd<Watch>, name: Option<&OsStr>) -> bool {
    loop {
        let Ok(mut ready) = inotify.readable().await else {
            return true;
        };
        match inotify.get_ref().0.read_events() {
            Ok(events) => {
                let ends = AddWatchFlags::IN_DELETE_SELF
                    | AddWatchFlags::IN_MOVE_SELF
                    | AddWatchFlags::IN_UNMOUNT
                    | AddWatchFlags::IN_IGNORED
                    | AddWatchFlags::IN_Q_OVERFLOW;
                if events.iter().any(|event| event.mask.intersects(ends)) {
                    return true;
                }
                let mut names = events.iter().map(|event| event.name.as_deref());
                if name.is_none() || names.any(|one| one == name) {
                    return false;
                }
            }
            Err(Errno::EAGAIN) => ready.clear_ready(),
            Err(_) => return true,
        }
    }
}

/// The directory of a file as it is written, and the one that links lead to.
fn directories(path: &Path) -> BTreeSet<PathBuf> {
    let real = path.canonicalize().ok();
    let parents = [Some(path), real.as_deref()].map(|path| path?.parent()?.canonicalize().ok());
    let mut all: BTreeSet<PathBuf> = parents.into_iter().flatten().collect();
    if all.is_empty() {
        // It is not there yet; that it cannot be watched will be said.
        all.extend(path.parent().map(PathBuf::from));
    }
    all
}

/// File systems that change without the kernel's telling: other hosts write there, or
/// nobody does.
fn silent(directory: &Path) -> Option<&'static str> {
    const SILENT: &[(i64, &str)] = &[
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB"),
        (0x6573_5546, "FUSE"),
        (0x0102_1997, "9p"),
        (0x5346_414f, "AFS"),
        (0x00c3_6400, "Ceph"),
        (0x7375_7245, "Coda"),
        (0x0116_1970, "GFS2"),
        (0x7461_636f, "OCFS2"),
        (0x0bd0_0bd0, "Lustre"),
        (0x786f_4256, "a shared folder"),
        (0x9fa0, "/proc"),
        (0x6265_6572, "sysfs"),
        (0x0027_e0eb, "a cgroup"),
        (0x6367_7270, "a cgroup"),
        (0x6462_6720, "debugfs"),
        (0x7472_6163, "tracefs"),
        (0xcafe_4a11, "bpffs"),
        (0x6265_6570, "configfs"),
        (0x7363_6673, "securityfs"),
    ];
    let about = statfs(directory).ok()?;
    let kind = about.filesystem_type().0 & 0xffff_ffff;
    let known = SILENT.iter().find(|(number, _)| *number == kind);
    known.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::super::board::Shared;
    use super::*;
    use crate::config::trackers::Tracker;

    #[test]
    fn the_number_at_the_beginning_counts() {
        for (text, number_) in [
            ("5", Some(5)),
            ("5 x\n6", Some(5)),
            ("\n  -12\n", Some(-12)),
            ("+3", Some(3)),
            ("5x", Some(5)),
            ("", None),
            ("abc", None),
            ("-", None),
            ("- 5", None),
            ("-2147483648", Some(i32::MIN)),
            ("010", Some(8)),
            ("-010", Some(-8)),
            ("08", Some(0)),
            ("0x1F", Some(31)),
            ("+0X10", Some(16)),
            ("-0x10", Some(-16)),
            ("0x", Some(0)),
            ("0b11", Some(0)),
            ("1e2", Some(1)),
            ("017777777777", Some(i32::MAX)),
        ] {
            let found = number(text.as_bytes());
            match number_ {
                Some(number) => assert_eq!(found, Found::Number(number), "{text:?}"),
                None => assert!(matches!(found, Found::Nothing(_)), "{text:?}: {found:?}"),
            }
        }
        for text in [
            "2147483648",
            "-99999999999 x",
            "0xffffffff",
            "99999999999999999999",
        ] {
            let found = number(text.as_bytes());
            assert!(matches!(found, Found::TooLarge(_)), "{text:?}: {found:?}");
        }
    }

    #[tokio::test]
    async fn a_number_that_is_none_is_0_until_there_was_one() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("number");
        let file = File {
            path: path.clone(),
            init: None,
        };
        let tracker = Tracker {
            name: "size".into(),
            watch: crate::config::trackers::Watch::File(file.clone()),
        };
        let (out, _told) = tokio::sync::mpsc::channel(99);
        let shared = Shared::new(Verdict::Unknown);
        let mut reporter = Reporter::new(7, &tracker, &shared, &out);
        let file = Arc::new(file);
        for (text, number) in [("99999999999", 0), ("5", 5), ("99999999999", 5)] {
            std::fs::write(&path, text)?;
            look(&file, &mut reporter).await;
            assert_eq!(reporter.verdict(), Verdict::Number(number), "{text}");
        }
        Ok(())
    }

    #[test]
    fn what_is_no_file_counts_as_nothing() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("number");
        assert!(matches!(read(&path), Found::Nothing(_)));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU)?;
        assert!(matches!(read(&path), Found::Nothing(_)));
        assert!(matches!(read(directory.path()), Found::Nothing(_)));
        Ok(())
    }

    #[test]
    fn the_first_number_is_written_over_another_one_only_where_that_is_wanted() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("number");
        let with = |init| File {
            path: path.clone(),
            init,
        };
        initialize(&with(None))?;
        assert!(!path.exists());
        initialize(&with(Some((7, false))))?;
        assert_eq!(read(&path), Found::Number(7));
        initialize(&with(Some((8, false))))?;
        assert_eq!(read(&path), Found::Number(7));
        initialize(&with(Some((9, true))))?;
        assert_eq!(read(&path), Found::Number(9));
        let other = directory.path().join("other");
        std::fs::write(&other, "1")?;
        std::fs::remove_file(&path)?;
        std::os::unix::fs::symlink(&other, &path)?;
        assert!(initialize(&with(Some((2, true)))).is_err());
        assert_eq!(read(&other), Found::Number(1));
        Ok(())
    }

    #[test]
    fn where_the_kernel_tells_of_nothing_is_known() {
        assert_eq!(silent(Path::new("/proc/self")), Some("/proc"));
        assert_eq!(silent(Path::new("/no/such/directory")), None);
    }
}
