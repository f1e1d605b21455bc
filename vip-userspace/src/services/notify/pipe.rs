//! Named pipes that take every word, and the programs that read them.
//!
//! Nothing here waits for a reader: the pipe is opened for both directions, so that
//! it opens without one, and written without blocking. What it has no room for waits,
//! within bounds; beyond them the oldest lines are lost and counted, so that the last
//! state of everybody is always among those that come.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, fchown, mkfifo};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::services::log::{Level, Log};
use crate::watch::launch::Identity;

/// Lines that wait for a reader, behind the 64 KiB that the kernel keeps.
pub const MOST_LINES: usize = 1024;

/// A pipe, open.
#[derive(Debug)]
pub(super) struct Opened {
    file: File,
    /// Whether it is ours: nobody had made it before us.
    made: bool,
}

/// Opens a pipe and makes it where there is none; then it belongs to `owner`, and
/// nobody else may read it. One that is there is taken as it is.
///
/// # Errors
/// When it cannot be made or opened, or is something else.
pub(super) fn open(path: &Path, owner: &Identity) -> io::Result<Opened> {
    let made = match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) => true,
        Err(Errno::EEXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    let file = opened.and_then(|file| {
        let about = file.metadata()?;
        if !about.file_type().is_fifo() {
            let why = "it is there and is no named pipe; remove it, or name another path";
            return Err(io::Error::new(ErrorKind::AlreadyExists, why));
        }
        if made {
            let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
            fchown(&file, Some(uid), Some(gid))?;
        }
        Ok(file)
    });
    if file.is_err() && made {
        let _ = std::fs::remove_file(path);
    }
    Ok(Opened { file: file?, made })
}

/// What waits to be written, and what became of the rest.
#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    written: u64,
    lost: u64,
    /// Lost since that was last said.
    unsaid: u64,
    /// Nothing is written: its reader is being replaced.
    held: bool,
}

/// Lets a pipe go on that is held.
#[derive(Debug)]
pub(super) struct Release(Arc<Shared>);

impl Release {
    pub(super) fn now(self) {
        self.0.with(|waiting| waiting.held = false);
        self.0.more.notify_one();
    }
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    more: Notify,
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Waiting) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A pipe that is written to.
#[derive(Debug)]
pub(super) struct Pipe {
    /// Its path.
    pub(super) path: String,
    made: bool,
    shared: Arc<Shared>,
    writer: JoinHandle<()>,
    /// A second hold on it, to see whether all has been read.
    file: File,
}

impl Pipe {
    /// Begins to write to it.
    ///
    /// # Errors
    /// When the system cannot watch it.
    pub(super) fn start(path: &str, opened: Opened, log: &Log) -> io::Result<Self> {
        let file = opened.file.try_clone()?;
        let writer = crate::services::watched_for(opened.file, Interest::WRITABLE)?;
        let shared = Arc::new(Shared::default());
        let writer = write(writer, Arc::clone(&shared), path.to_owned(), log.clone());
        Ok(Self {
            path: path.into(),
            made: opened.made,
            shared,
            writer: tokio::spawn(writer),
            file,
        })
    }

    /// Takes over what another one of the same path has made and not written yet.
    pub(super) fn follow(&mut self, before: &Self) {
        self.made |= before.made;
        let then = before.shared.with(std::mem::take);
        self.shared.with(|now| {
            now.lines = then.lines;
            (now.written, now.lost) = (then.written, then.lost);
            now.unsaid = then.unsaid;
        });
        self.shared.more.notify_one();
    }

    /// Writes nothing until it is released: what is read until then is read by
    /// whoever ends.
    pub(super) fn hold(&self) -> Release {
        self.shared.with(|waiting| waiting.held = true);
        Release(Arc::clone(&self.shared))
    }

    /// Puts a line behind the others.
    pub(super) fn put(&self, line: &str) {
        self.shared.with(|waiting| {
            waiting.lines.push_back(line.as_bytes().to_vec());
            if waiting.lines.len() > MOST_LINES {
                // The first one may have been written in part.
                waiting.lines.remove(1);
                waiting.lost += 1;
                waiting.unsaid += 1;
            }
        });
        self.shared.more.notify_one();
    }

    /// Lines written, lost, and waiting.
    pub(super) fn counts(&self) -> (u64, u64, usize) {
        self.shared
            .with(|waiting| (waiting.written, waiting.lost, waiting.lines.len()))
    }

    /// Whether somebody has read all that was put in.
    pub(super) fn is_read(&self) -> bool {
        let waits = self.shared.with(|waiting| !waiting.lines.is_empty());
        !waits && unread(&self.file) == 0
    }

    /// Closes it, so that its readers come to its end, and removes it where it is
    /// ours.
    pub(super) fn close(self) {
        self.writer.abort();
        if self.made {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Closes it and leaves it where it is.
    pub(super) fn leave(self) {
        self.writer.abort();
    }
}

/// Bytes that nobody has read yet.
fn unread(file: &File) -> usize {
    use std::os::fd::AsRawFd;
    let mut bytes: libc::c_int = 0;
    #[expect(unsafe_code, reason = "no crate in the tree wraps FIONREAD")]
    // SAFETY: the kernel writes one int to a live local, about a descriptor that is
    // open as long as `file` lives.
    unsafe {
        libc::ioctl(file.as_raw_fd(), libc::FIONREAD, &raw mut bytes);
    }
    usize::try_from(bytes).unwrap_or(0)
}

async fn write(pipe: AsyncFd<File>, shared: Arc<Shared>, path: String, log: Log) {
    loop {
        let line = shared.with(|waiting| {
            let front = waiting.lines.front().filter(|_| !waiting.held);
            front.cloned()
        });
        let Some(line) = line else {
            shared.more.notified().await;
            continue;
        };
        let Ok(mut ready) = pipe.writable().await else {
            return;
        };
        let written = ready.try_io(|pipe| {
            let mut file = pipe.get_ref();
            file.write(&line)
        });
        match written {
            Ok(Ok(length)) => note_written(&shared, length, &path, &log),
            Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
            Ok(Err(error)) => {
                let text = format!("{path}: a line could not be written: {error}");
                log.line(Level::Warning, &text);
                shared.with(|waiting| {
                    waiting.lines.pop_front();
                    waiting.lost += 1;
                });
            }
            // There is no room: until there is.
            Err(_) => {}
        }
    }
}

fn note_written(shared: &Shared, length: usize, path: &str, log: &Log) {
    let lost = shared.with(|waiting| {
        let whole = waiting.lines.front_mut().is_none_or(|front| {
            front.drain(..length.min(front.len()));
            front.is_empty()
        });
        if whole {
            waiting.lines.pop_front();
            waiting.written += 1;
        }
        let again = waiting.lines.len() < MOST_LINES / 2;
        again.then(|| std::mem::take(&mut waiting.unsaid))
    });
    if let Some(lost) = lost.filter(|lost| *lost > 0) {
        let text = format!("{path}: {lost} lines were lost while nobody read them");
        log.line(Level::Warning, &text);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::time::Duration;

    use super::*;

    fn me() -> Identity {
        Identity {
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            groups: Vec::new(),
        }
    }

    #[test]
    fn a_pipe_is_made_for_its_owner_alone_and_one_that_is_there_is_taken() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("pipe");
        assert!(open(&path, &me())?.made);
        let about = path.metadata()?;
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
        assert_eq!(about.uid(), me().uid);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640))?;
        assert!(!open(&path, &me())?.made);
        assert_eq!(path.metadata()?.permissions().mode() & 0o777, 0o640);
        let file = directory.path().join("file");
        std::fs::write(&file, "mine")?;
        assert!(open(&file, &me()).is_err());
        assert_eq!(std::fs::read(&file)?, b"mine");
        Ok(())
    }

    #[tokio::test]
    async fn without_a_reader_the_oldest_lines_are_lost_and_the_last_ones_come() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("pipe");
        let log = Log::start()?;
        let name = path.to_str().expect("a plain name");
        let pipe = Pipe::start(name, open(&path, &me())?, &log)?;
        let line = |number: usize| format!("INSTANCE \"A\" MASTER {number:0>100}\n");
        let all = 10_000;
        for number in 0..all {
            pipe.put(&line(number));
            tokio::task::yield_now().await;
        }
        let (written, lost, waiting) = pipe.counts();
        assert!(waiting <= MOST_LINES);
        assert_eq!(written as usize + lost as usize + waiting, all);
        assert!(lost > 0);
        let read = tokio::task::spawn_blocking(move || -> io::Result<Vec<String>> {
            let reader = BufReader::new(File::open(&path)?);
            let mut lines = Vec::new();
            for line in reader.lines() {
                lines.push(line? + "\n");
                if lines.last() == Some(&format!("INSTANCE \"A\" MASTER {:0>100}\n", all - 1)) {
                    break;
                }
            }
            Ok(lines)
        });
        let read = read.await??;
        assert_eq!(read.len(), all - lost as usize);
        assert_eq!(read[0], line(0));
        let newest: Vec<String> = (all - MOST_LINES + 1..all).map(line).collect();
        assert_eq!(&read[read.len() - newest.len()..], newest);
        assert!(pipe.is_read());
        Ok(())
    }

    #[tokio::test]
    async fn a_reader_comes_to_the_end_when_it_is_closed_and_ours_is_removed() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("pipe");
        let name = path.to_str().expect("a plain name").to_owned();
        let pipe = Pipe::start(&name, open(&path, &me())?, &Log::start()?)?;
        let mut reader = File::open(&path)?;
        pipe.put("INSTANCE \"A\" STOP 100\n");
        let read = tokio::task::spawn_blocking(move || -> io::Result<String> {
            let mut text = String::new();
            reader.read_to_string(&mut text)?;
            Ok(text)
        });
        while !pipe.is_read() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        pipe.close();
        assert_eq!(read.await??, "INSTANCE \"A\" STOP 100\n");
        assert!(!path.exists());
        Ok(())
    }
}
