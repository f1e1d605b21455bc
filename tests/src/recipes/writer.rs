//! Who writes to the database and who reads from it, all the time, and remembers
//! what was acknowledged, by whom and when.

use vip::lab::{LabError, PATIENCE, Process};
use vip_common::time::MonoTime;

/// The name of the application's user, its database and its password in the laboratory.
pub const APP: &str = "app";

/// A write that its client knows to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// When its client read so.
    pub stamp: MonoTime,
    /// Who wrote.
    pub writer: String,
    /// The number of the row.
    pub number: u64,
    /// The node that acknowledged it.
    pub node: String,
    /// The timeline it is on, which is the number of the primary's reign.
    pub timeline: u64,
}

impl Ack {
    /// From `ack client-1 100003 a 00000002`.
    fn read(stamp: MonoTime, line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        if words.next() != Some("ack") {
            return None;
        }
        let (writer, number) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        let (node, timeline) = (words.next()?.to_owned(), words.next()?);
        Some(Self {
            stamp,
            writer,
            number,
            node,
            timeline: u64::from_str_radix(timeline, 16).ok()?,
        })
    }
}

/// What a session does.
#[derive(Clone, Copy)]
pub enum Doing {
    /// One row after the other, every 20 ms unless it has to wait.
    Writing,
    /// The same, less often.
    Trying,
    /// Asks which node it is.
    Reading,
}

/// A client that keeps one session open, and opens another when it is lost. A number
/// is never written twice.
pub struct Session(Process);

impl Session {
    /// The command of a session named `name` with the database at `host`. It notices
    /// within seconds that the other end is gone, as any client of such a pair should.
    fn script(name: &str, host: &str, doing: Doing) -> String {
        let (pause, statement) = match doing {
            Doing::Writing => ("0.02", WRITE),
            Doing::Trying => ("0.05", WRITE),
            Doing::Reading => ("0.02", READ),
        };
        format!(
            "export PGPASSWORD={APP}\n\
             to='host={host} user={APP} dbname={APP} connect_timeout=2 keepalives_idle=1 \
             keepalives_interval=1 keepalives_count=3 tcp_user_timeout=3000'\n\
             first=0\n\
             while :; do\n\
               first=$((first + 1000000))\n\
               awk -v first=$first 'BEGIN {{ for (i = first; ; i++) {{\n\
                 printf \"{statement};\\n\", \"{name}\", i\n\
                 printf \"DO $$BEGIN PERFORM pg_sleep({pause}); END$$;\\n\"\n\
               }} }}' | psql -XAtq -F ' ' -v ON_ERROR_STOP=1 \"$to\"\n\
               sleep 0.1\n\
             done"
        )
    }

    /// Opens it; `spawn` says where.
    ///
    /// # Errors
    /// As `spawn`.
    pub fn open(
        name: &str,
        host: &str,
        doing: Doing,
        spawn: impl FnOnce(&[&str]) -> Result<Process, LabError>,
    ) -> Result<Self, LabError> {
        spawn(&["sh", "-c", &Self::script(name, host, doing)]).map(Self)
    }

    /// What was acknowledged so far.
    #[must_use]
    pub fn acks(&self) -> Vec<Ack> {
        let lines = self.0.lines();
        let said = lines.iter().filter(|line| !line.is_error);
        said.filter_map(|line| Ack::read(line.stamp, &line.text))
            .collect()
    }

    /// When it was answered, so far.
    #[must_use]
    pub fn answers(&self) -> Vec<MonoTime> {
        let lines = self.0.lines();
        let said = lines.iter().filter(|line| !line.is_error);
        said.filter(|line| !line.text.is_empty())
            .map(|line| line.stamp)
            .collect()
    }

    /// What the server warned of where it acknowledged something that it had not made
    /// safe.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let lines = self.0.lines();
        let said = lines.into_iter().filter(|line| line.is_error);
        said.filter(|line| line.text.contains("synchronous replication"))
            .map(|line| line.text)
            .collect()
    }

    /// The first answer after a moment.
    ///
    /// # Errors
    /// When none comes in time.
    pub fn wait_for(&self, what: &str, after: MonoTime) -> Result<MonoTime, LabError> {
        self.0
            .wait_for_line_after(what, after, PATIENCE)
            .map(|line| line.stamp)
    }
}

const WRITE: &str = "INSERT INTO rows (writer, number) VALUES (\\047%s\\047, %d) \
     RETURNING \\047ack\\047, writer, number, node, timeline";
const READ: &str =
    "SELECT \\047read\\047, current_setting(\\047cluster_name\\047), \\047%s\\047, %d";

/// The table they write to.
pub const TABLE: &str = "CREATE TABLE rows (\
     writer text, number bigint, \
     node text DEFAULT current_setting('cluster_name'), \
     timeline text DEFAULT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), \
     PRIMARY KEY (writer, number))";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_read_and_nothing_else_is() {
        let ack = Ack::read(MonoTime::ZERO, "ack client-1 1000003 a 0000000B").unwrap();
        assert_eq!((ack.number, ack.timeline), (1_000_003, 11));
        assert_eq!(Ack::read(MonoTime::ZERO, "read a client-1 3"), None);
        assert_eq!(Ack::read(MonoTime::ZERO, "ack client-1"), None);
    }
}
