//! What is watched for the sake of the address beside interfaces, and what it
//! counts, as plain data.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::estate::Weight;
use super::reaction::Command;

/// Something that is watched. Kind and name tell one from the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracker {
    /// Its name.
    pub name: String,
    /// What is watched, and how.
    pub watch: Watch,
}

/// What is watched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Watch {
    /// `vrrp_script`.
    Script(Script),
    /// `vrrp_track_process`.
    Process(Process),
    /// `track_file`.
    File(File),
    /// `vrrp_check`.
    Check(Check),
}

impl Watch {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Script(_) => Kind::Script,
            Self::Process(_) => Kind::Process,
            Self::File(_) => Kind::File,
            Self::Check(_) => Kind::Check,
        }
    }
}

/// Kinds of trackers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A script whose exit code tells.
    Script,
    /// Processes that must run.
    Process,
    /// A file with a number in it.
    File,
    /// A check that the daemon makes itself.
    Check,
}

impl Kind {
    /// The word that opens its block.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Script => "vrrp_script",
            Self::Process => "vrrp_track_process",
            Self::File => "track_file",
            Self::Check => "vrrp_check",
        }
    }
}

/// That an instance, or a sync group, goes by a tracker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracked {
    /// Its kind.
    pub kind: Kind,
    /// Its name; there is one.
    pub name: String,
    /// What it counts here: the tracker's own weight where the line gives none.
    pub weight: Weight,
}

/// How many results in a row count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Streak {
    /// Successes, at least 1.
    pub rise: u32,
    /// Failures, at least 1.
    pub fall: u32,
    /// Whether it has failed until it has been seen to succeed.
    pub init_fail: bool,
}

/// A script whose exit code says whether this node is fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// What is run, without a shell.
    pub command: Command,
    /// From one start to the next, at least 1 ms.
    pub interval: Duration,
    /// After which it has failed and its process group is ended.
    pub timeout: Duration,
    /// How many results count.
    pub streak: Streak,
}

/// Processes that must run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// The name: that of the program, or the whole first word with `full_command`.
    pub name: String,
    /// The parameters, where they matter.
    pub parameters: Option<(Vec<String>, Parameters)>,
    /// Whether the name is compared with the command line rather than the kernel's
    /// short name.
    pub full_command: bool,
    /// Least number, 1 to 65535.
    pub quorum: u32,
    /// Largest number, where there is one.
    pub quorum_max: Option<u32>,
    /// For how long enough of them must run before that counts.
    pub fork_delay: Duration,
    /// For how long too few must run before that counts.
    pub terminate_delay: Duration,
}

/// How the parameters of a process are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parameters {
    /// They are all of them.
    All,
    /// They are the first ones, and the last of them may go on.
    Initial,
    /// They are the first ones.
    Partial,
}

/// A file with a number in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// Its path.
    pub path: PathBuf,
    /// What is written into it at the start: the number, and whether over one that
    /// is there.
    pub init: Option<(i32, bool)>,
}

/// A check that the daemon makes itself, without a process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// What is asked, of whom.
    pub probe: Probe,
    /// From one start to the next, at least 10 ms.
    pub interval: Duration,
    /// After which it has failed.
    pub timeout: Duration,
    /// How many results count.
    pub streak: Streak,
}

/// What a check does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Probe {
    /// Connects.
    Tcp(Endpoint),
    /// Connects and shakes hands.
    Tls {
        /// Where.
        endpoint: Endpoint,
        /// The name that is asked for; the host else.
        name: Option<String>,
        /// The certificates that the other side's must come from; without, any
        /// will do.
        ca: Option<PathBuf>,
    },
    /// Asks for a page.
    Http {
        /// Where.
        endpoint: Endpoint,
        /// Whether over TLS.
        tls: bool,
        /// The certificates that the other side's must come from, over TLS.
        ca: Option<PathBuf>,
        /// The host as the URL has it.
        authority: String,
        /// The path and what follows, beginning with `/`.
        path: String,
        /// The status codes that are well, as ranges, both ends in; 200 to 399
        /// where none are given.
        status: Vec<(u16, u16)>,
        /// What the body must contain, within its first 64 KiB.
        body: Option<String>,
    },
}

impl Probe {
    /// Whom it asks.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        match self {
            Self::Tcp(endpoint) | Self::Tls { endpoint, .. } | Self::Http { endpoint, .. } => {
                endpoint
            }
        }
    }

    /// The file with the certificates that it believes, if it does not believe any.
    #[must_use]
    pub fn ca(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Tls { ca, .. } | Self::Http { ca, .. } => ca.as_deref(),
        }
    }
}

/// Where a check connects to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Endpoint {
    /// An address, or a name that is looked up at each try.
    pub host: String,
    /// The port.
    pub port: u16,
}
