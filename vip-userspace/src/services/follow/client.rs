//! The other end: how a command follows a daemon.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Event, Kind};
use crate::error::{Exit, Failure};
use crate::services::control;
use crate::services::protocol::Question;

/// How long the daemon may take to begin.
const PATIENCE: Duration = Duration::from_secs(5);
/// A line longer than this is no event.
const LONGEST: u64 = 1024 * 1024;

/// A line of a daemon that is followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Followed {
    /// As it came, without its end.
    pub line: String,
    /// What it says.
    pub event: Event,
}

/// Follows a daemon.
#[derive(Debug)]
pub struct Follower {
    lines: BufReader<UnixStream>,
}

impl Follower {
    /// Begins to follow the daemon of a runtime directory: with what happened last,
    /// `past` events at most, and with how all stands, if that is wanted.
    ///
    /// # Errors
    /// Exit code 6 when none answers, or it is too old for this; 3 when too many follow.
    pub fn begin(runtime_dir: &Path, past: usize, standing: bool) -> Result<Self, Failure> {
        let mute = |error: io::Error| control::mute(runtime_dir, &error);
        let connect = || -> io::Result<UnixStream> {
            let mut stream = UnixStream::connect(control::path(runtime_dir))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(&Question::Follow { past, standing }.line()?)?;
            Ok(stream)
        };
        let mut lines = BufReader::new(connect().map_err(mute)?);
        // Something comes at once from whoever knows the question.
        control::known(runtime_dir, lines.fill_buf().map_err(mute)?)?;
        lines.get_ref().set_read_timeout(None).map_err(mute)?;
        Ok(Self { lines })
    }

    /// What can be waited for with poll(2).
    #[must_use]
    pub fn stream(&self) -> &UnixStream {
        self.lines.get_ref()
    }

    /// The next line, waited for; none where the daemon has ended.
    ///
    /// # Errors
    /// Exit code 6 where it has gone in the middle of a line, or what it says is no
    /// event; 3 when too many follow.
    pub fn next_event(&mut self) -> Result<Option<Followed>, Failure> {
        let mut line = Vec::new();
        let read = io::Read::take(&mut self.lines, LONGEST).read_until(b'\n', &mut line);
        let gone = |why: &str| Failure::new(Exit::NoDaemon, format!("the daemon has gone: {why}"));
        match read {
            Ok(0) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(gone(&error.to_string())),
            Ok(_) => {}
        }
        if line.pop() != Some(b'\n') {
            return Err(gone("it ended in the middle of a line"));
        }
        let line = String::from_utf8(line).map_err(|error| gone(&error.to_string()))?;
        let event: Event = serde_json::from_str(&line)
            .map_err(|error| gone(&format!("what it says is no event: {error}")))?;
        if event.event == Kind::TurnedAway {
            return Err(Failure::new(Exit::No, event.text));
        }
        Ok(Some(Followed { line, event }))
    }
}
