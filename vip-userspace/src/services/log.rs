//! The log: lines on standard error, or entries with fields in the journal, written by
//! a thread of its own, so that a reader who is slow or gone holds up nobody; what he
//! has no room for is dropped and counted. Whoever follows is told from here as well.

mod journal;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::follow::{Event, Hub, Kind};
use journal::Journal;

/// Lines that wait for a slow reader.
const ROOM: usize = 1024;
/// How long the end of the daemon waits for its last words to be read.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How much a line matters; the numbers are syslog's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    /// For the journal: one datagram. Else: a line with its end.
    Entry(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Where lines go.
#[derive(Clone, Debug)]
pub struct Log {
    form: Form,
    entries: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
    /// The same, from the start.
    dropped_ever: Arc<AtomicU64>,
    hub: Arc<Hub>,
}

impl Log {
    /// Looks where standard error leads, and starts the thread that writes: into the
    /// journal with all that is known of a line, else as text.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start() -> std::io::Result<Self> {
        let stderr = std::io::stderr();
        let stream = std::env::var("JOURNAL_STREAM").ok();
        if !journal::is_behind(&stderr, stream.as_deref()) {
            return Self::onto(Form::Text, Sink::Text(Box::new(stderr)));
        }
        match Journal::at(journal::SOCKET, Box::new(std::io::stderr())) {
            Ok(journal) => Self::onto(Form::Fields, Sink::Journal(journal)),
            Err(_) => Self::onto(Form::Prefixed, Sink::Text(Box::new(stderr))),
        }
    }

    fn onto(form: Form, sink: Sink) -> std::io::Result<Self> {
        let (entries, waiting) = sync_channel(ROOM);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        std::thread::Builder::new()
            .name("vip-log".into())
            .spawn(move || write_entries(form, sink, &waiting, &lost))?;
        Ok(Self {
            form,
            entries,
            dropped,
            dropped_ever: Arc::default(),
            hub: Arc::default(),
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

    /// Writes one line of which nothing more is known, or drops and counts it. Never
    /// waits.
    pub fn line(&self, level: Level, text: &str) {
        self.tell(Event::new(Kind::Log, level, text));
    }

    /// Writes the line of an event, and tells those who follow. Never waits.
    pub fn tell(&self, event: Event) {
        self.write(event.level, &event.text, &event);
        self.hub.tell(event);
    }

    /// Writes several lines for one event.
    pub fn tell_in(&self, event: Event, lines: &[(Level, String)]) {
        for (level, line) in lines {
            self.write(*level, line, &event);
        }
        self.hub.tell(event);
    }

    /// Tells those who follow of something that is too small for the log.
    pub fn whisper(&self, event: Event) {
        self.hub.tell(event);
    }

    /// From where those who follow are told.
    #[must_use]
    pub const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    fn write(&self, level: Level, text: &str, event: &Event) {
        let entry = Item::Entry(self.form.entry(level, text, event));
        if self.entries.try_send(entry).is_err() {
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
        if self.entries.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_WORDS);
        }
    }
}

/// How a line is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// With its time before it.
    Text,
    /// With its priority before it: the journal reads standard error, and puts its own
    /// time to it.
    Prefixed,
    /// In fields, as the journal takes them itself.
    Fields,
}

impl Form {
    fn entry(self, level: Level, text: &str, event: &Event) -> Vec<u8> {
        match self {
            Self::Text => format!("{} {text}\n", event.at).into_bytes(),
            Self::Prefixed => journal::prefixed(level, text),
            Self::Fields => journal::entry(level, text, event),
        }
    }
}

enum Sink {
    Text(Box<dyn Write + Send>),
    Journal(Journal),
}

/// A log that cannot be written is no reason to stop.
fn write_entries(form: Form, mut sink: Sink, waiting: &Receiver<Item>, dropped: &AtomicU64) {
    let mut write = |entry: &[u8]| match &mut sink {
        Sink::Text(sink) => drop(sink.write_all(entry)),
        Sink::Journal(journal) => journal.send(entry),
    };
    while let Ok(item) = waiting.recv() {
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text = format!("{lost} lines of the log were dropped: its reader is too slow");
            let event = Event::new(Kind::Lost, Level::Warning, text).count(lost);
            write(&form.entry(event.level, &event.text, &event));
        }
        match item {
            Item::Entry(entry) => write(&entry),
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
        // Past those who follow: it may come from a thread that is not to meet them.
        let event = Event::new(Kind::Log, level, record.args().to_string());
        self.write(level, &event.text, &event);
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
        let log = Log::onto(Form::Text, Sink::Text(Box::new(sink))).unwrap();
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
        let log = Log::onto(Form::Text, Sink::Text(Box::new(sink))).unwrap();
        log.line(Level::Notice, "(VI_1) Entering MASTER STATE");
        log.flush();
        let mut text = [0; 256];
        let read = std::io::Read::read(&mut reader, &mut text).unwrap();
        assert!(
            String::from_utf8_lossy(&text[..read]).ends_with(" (VI_1) Entering MASTER STATE\n")
        );
    }

    #[test]
    fn the_journal_gets_each_line_with_what_it_is_about() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let reader = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let journal = Journal::at(&path, Box::new(std::io::sink())).unwrap();
        let log = Log::onto(Form::Fields, Sink::Journal(journal)).unwrap();
        let event = Event::new(Kind::Transition, Level::Notice, "all of it")
            .instance("VI_1")
            .state("MASTER")
            .reason("no advert for 3.609 s");
        let lines = [
            (Level::Notice, "(VI_1) Entering MASTER STATE".to_owned()),
            (Level::Info, "(VI_1) no advert for 3.609 s".to_owned()),
        ];
        log.tell_in(event, &lines);
        log.flush();
        let mut entry = [0; 4096];
        let mut read = || {
            let length = reader.recv(&mut entry).unwrap();
            String::from_utf8(entry[..length].to_vec()).unwrap()
        };
        assert_eq!(
            read(),
            "MESSAGE=(VI_1) Entering MASTER STATE\nPRIORITY=5\nSYSLOG_IDENTIFIER=vip\n\
             VIP_EVENT=transition\nVIP_INSTANCE=VI_1\nVIP_STATE=MASTER\n\
             VIP_REASON=no advert for 3.609 s\n"
        );
        assert!(read().starts_with("MESSAGE=(VI_1) no advert for 3.609 s\nPRIORITY=6\n"));
    }

    #[test]
    fn a_journal_that_does_not_read_holds_up_nobody_and_what_it_missed_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let reader = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let journal = Journal::at(&path, Box::new(std::io::sink())).unwrap();
        let log = Log::onto(Form::Fields, Sink::Journal(journal)).unwrap();
        let begun = std::time::Instant::now();
        for _ in 0..4 * ROOM {
            log.line(Level::Info, "x");
        }
        assert!(begun.elapsed() < LAST_WORDS * 4, "{:?}", begun.elapsed());
        let missed = log.dropped();
        assert!(missed > 0);
        // Read at last, it is told how many.
        let mut told = 0;
        let mut entry = [0; 4096];
        while told < missed {
            let length = reader.recv(&mut entry).unwrap();
            let text = String::from_utf8_lossy(&entry[..length]).into_owned();
            let count = text.contains("VIP_EVENT=lost").then(|| {
                text.lines()
                    .find_map(|line| line.strip_prefix("VIP_COUNT="))
            });
            told += count.flatten().map_or(0, |count| count.parse().unwrap());
        }
        assert_eq!(told, missed);
    }
}
