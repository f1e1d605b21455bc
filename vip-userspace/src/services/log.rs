//! The log: lines on standard error, written by services alone, so that a
//! reader who is slow or gone holds up nobody who matters.

use std::io::Write;
use std::time::SystemTime;

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

/// Where lines go.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Under journald the priority goes before the line and the time is its own.
    journal: bool,
}

impl Log {
    /// Looks where standard error leads.
    #[must_use]
    pub fn new() -> Self {
        Self {
            journal: std::env::var_os("JOURNAL_STREAM").is_some(),
        }
    }

    /// Writes one line. A log that cannot be written is no reason to stop.
    pub fn line(&self, level: Level, text: &str) {
        let line = if self.journal {
            format!("<{}>{text}\n", level as u8)
        } else {
            format!(
                "{} {text}\n",
                humantime::format_rfc3339_micros(SystemTime::now())
            )
        };
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

impl Log {
    /// Takes what libraries and the program at the NIC have to say as well:
    /// warnings and worse, or as much as `VIP_LOG` (error, warn, info, debug,
    /// trace) asks for.
    pub fn install(self) {
        let wanted = std::env::var("VIP_LOG")
            .ok()
            .and_then(|level| level.parse().ok());
        log::set_max_level(wanted.unwrap_or(log::LevelFilter::Warn));
        // It fails where one is installed already: then that one is meant.
        let _ = log::set_boxed_logger(Box::new(self));
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

    fn flush(&self) {}
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}
