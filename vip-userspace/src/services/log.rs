//! The log: lines on standard error, written by a thread of its own, so that a
//! reader who is slow or gone holds up nobody; what he has no room for is
//! dropped and counted.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

/// Lines that wait for a slow reader.
const ROOM: usize = 1024;
/// How long the end of the daemon waits for its last words to be read.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How much a line matters; the numbers are syslog's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Something does not work.
    Error = 3,
    /// Something works less well than it could, or somebody misbehaves.
    Warning = 4,
    /// A change of role.
    Notice = 5,
    /// What a person may want to know.
    Info = 6,
}

enum Item {
    Line(String),
    Flush(SyncSender<()>),
}

/// Where lines go.
#[derive(Clone, Debug)]
pub struct Log {
    /// Under journald the priority goes before the line and the time is its own.
    journal: bool,
    lines: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
    /// The same, from the start.
    dropped_ever: Arc<AtomicU64>,
}

impl Log {
    /// Looks where standard error leads, and starts the thread that writes.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start() -> std::io::Result<Self> {
        Self::onto(std::io::stderr())
    }

    fn onto(sink: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (lines, waiting) = sync_channel(ROOM);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        std::thread::Builder::new()
            .name("vip-log".into())
            .spawn(move || write_lines(sink, &waiting, &lost))?;
        let journal = std::env::var_os("JOURNAL_STREAM").is_some();
        Ok(Self {
            journal,
            lines,
            dropped,
            dropped_ever: Arc::default(),
        })
    }

    /// Takes what libraries and the program at the NIC have to say as well:
    /// warnings and worse, or as much as `VIP_LOG` (error, warn, info, debug,
    /// trace) asks for.
    pub fn install(&self) {
        let wanted = std::env::var("VIP_LOG")
            .ok()
            .and_then(|level| level.parse().ok());
        log::set_max_level(wanted.unwrap_or(log::LevelFilter::Warn));
        // It fails where one is installed already: then that one is meant.
        let _ = log::set_boxed_logger(Box::new(self.clone()));
    }

    /// Writes one line, or drops and counts it. Never waits.
    pub fn line(&self, level: Level, text: &str) {
        let line = if self.journal {
            format!("<{}>{text}\n", level as u8)
        } else {
            let now = humantime::format_rfc3339_micros(SystemTime::now());
            format!("{now} {text}\n")
        };
        if self.lines.try_send(Item::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.dropped_ever.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines were dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped_ever.load(Ordering::Relaxed)
    }

    /// Waits until what was said is written, but not for ever.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.lines.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_WORDS);
        }
    }
}

/// A log that cannot be written is no reason to stop.
fn write_lines(mut sink: impl Write, waiting: &Receiver<Item>, dropped: &AtomicU64) {
    while let Ok(item) = waiting.recv() {
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(
                sink,
                "{lost} lines of the log were dropped: its reader is too slow"
            );
        }
        match item {
            Item::Line(line) => {
                let _ = sink.write_all(line.as_bytes());
            }
            Item::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let level = match record.level() {
            log::Level::Error => Level::Error,
            log::Level::Warn => Level::Warning,
            log::Level::Info | log::Level::Debug | log::Level::Trace => Level::Info,
        };
        self.line(level, &record.args().to_string());
    }

    fn flush(&self) {
        Self::flush(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_reader_who_does_not_read_holds_up_nobody() {
        let (sink, unread) = UnixStream::pair().unwrap();
        let log = Log::onto(sink).unwrap();
        let long = "x".repeat(4096);
        for _ in 0..4 * ROOM {
            log.line(Level::Info, &long);
        }
        assert!(log.dropped.load(Ordering::Relaxed) > 0);
        drop(unread);
    }

    #[test]
    fn what_was_said_is_written_at_the_end() {
        let (sink, mut reader) = UnixStream::pair().unwrap();
        let log = Log::onto(sink).unwrap();
        log.line(Level::Notice, "(VI_1) Entering MASTER STATE");
        log.flush();
        let mut text = [0; 256];
        let read = std::io::Read::read(&mut reader, &mut text).unwrap();
        assert!(
            String::from_utf8_lossy(&text[..read]).ends_with(" (VI_1) Entering MASTER STATE\n")
        );
    }
}
