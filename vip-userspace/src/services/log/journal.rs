//! The journal of systemd, spoken to in its own protocol: one datagram an entry, one
//! field a line.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::sys::stat::fstat;

use super::Level;
use crate::services::follow::Event;

/// Where the journal takes entries.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// Whether a stream leads to the journal: systemd says in `JOURNAL_STREAM` which device
/// and inode it has given to the service. A stream that was turned elsewhere meanwhile
/// has others, and means it.
pub(super) fn is_behind(stream: &impl AsFd, said: Option<&str>) -> bool {
    let said = said.and_then(|said| said.split_once(':'));
    let Some((Ok(device), Ok(inode))) = said.map(|(a, b)| (a.parse::<u64>(), b.parse::<u64>()))
    else {
        return false;
    };
    fstat(stream).is_ok_and(|it| (it.st_dev, it.st_ino) == (device, inode))
}

/// The way to the journal. What it does not take goes to the stream that it reads too.
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
    instead: Box<dyn Write + Send>,
}

impl Journal {
    /// The one behind this socket.
    ///
    /// # Errors
    /// There is none, or the process has no descriptor left.
    pub(super) fn at(
        path: impl AsRef<Path>,
        instead: Box<dyn Write + Send>,
    ) -> std::io::Result<Self> {
        let path = path.as_ref().to_path_buf();
        std::fs::metadata(&path)?;
        Ok(Self {
            socket: UnixDatagram::unbound()?,
            path,
            instead,
        })
    }

    /// Gives it an entry. Not connected, so that a journal that was restarted is found.
    pub(super) fn send(&mut self, entry: &[u8]) {
        if self.socket.send_to(entry, &self.path).is_ok() {
            return;
        }
        let _ = self.instead.write_all(&instead_of(entry));
    }
}

/// A line as the journal reads it from a stream.
pub(super) fn prefixed(level: Level, text: &str) -> Vec<u8> {
    format!("<{}>{text}\n", level as u8).into_bytes()
}

/// An entry as a line.
fn instead_of(entry: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(entry);
    let field = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)).unwrap_or("")
    };
    let (message, priority) = (field("MESSAGE="), field("PRIORITY="));
    format!("<{priority}>{message}\n").into_bytes()
}

/// What is written for a line of the log.
pub(super) fn entry(level: Level, text: &str, event: &Event) -> Vec<u8> {
    let mut entry = Vec::with_capacity(512);
    field(&mut entry, "MESSAGE", text);
    field(&mut entry, "PRIORITY", &(level as u8).to_string());
    field(&mut entry, "SYSLOG_IDENTIFIER", "vip");
    for (name, value) in event.fields() {
        field(&mut entry, name, &value);
    }
    entry
}

/// One field. A value of several lines has its length before it, in eight bytes.
fn field(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend((value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend(value.as_bytes());
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::follow::Kind;

    #[test]
    fn a_stream_is_the_journal_s_where_device_and_inode_are_the_ones_that_it_was_told() {
        let stream = tempfile::tempfile().unwrap();
        let it = fstat(&stream).unwrap();
        let said = format!("{}:{}", it.st_dev, it.st_ino);
        assert!(is_behind(&stream, Some(&said)));
        // Inherited by a program whose output was turned elsewhere.
        let elsewhere = tempfile::tempfile().unwrap();
        assert!(!is_behind(&elsewhere, Some(&said)));
        for nonsense in [None, Some(""), Some("1"), Some("a:b"), Some("1:2:3")] {
            assert!(!is_behind(&stream, nonsense), "{nonsense:?}");
        }
    }

    #[test]
    fn a_value_of_several_lines_cannot_forge_a_field() {
        let event = Event::new(Kind::Log, Level::Error, "").reason("a\nPRIORITY=0");
        let entry = entry(Level::Error, "bad\nVIP_STATE=MASTER", &event);
        let mut expected = b"MESSAGE\n".to_vec();
        expected.extend([20, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend(b"bad\nVIP_STATE=MASTER\nPRIORITY=3\nSYSLOG_IDENTIFIER=vip\n");
        expected.extend(b"VIP_EVENT=log\nVIP_REASON\n");
        expected.extend([12, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend(b"a\nPRIORITY=0\n");
        assert_eq!(entry, expected);
    }

    #[test]
    fn without_a_journal_an_entry_becomes_a_line() {
        let event = Event::new(Kind::Up, Level::Info, "vip is up");
        let entry = entry(Level::Info, "vip is up", &event);
        assert_eq!(instead_of(&entry), b"<6>vip is up\n");
        let missing = tempfile::tempdir().unwrap();
        let path = missing.path().join("socket");
        assert!(Journal::at(&path, Box::new(std::io::sink())).is_err());
    }
}
