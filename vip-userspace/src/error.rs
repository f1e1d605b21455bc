//! How a command ends.

use std::fmt;

/// Exit codes; documented in the README, relied upon by scripts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed while running.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The answer is no.
    No = 3,
    /// The configuration cannot be used.
    Configuration = 4,
    /// The host cannot: a capability or something of the kernel is missing.
    Host = 5,
    /// No daemon answers.
    NoDaemon = 6,
    /// Already running, or somebody else runs this VRID here.
    Taken = 7,
    /// Two claimants of one address.
    TwoClaimants = 8,
}

impl Exit {
    /// The one with this number; one that is unknown is a failure.
    #[must_use]
    pub const fn of(number: u8) -> Self {
        match number {
            0 => Self::Done,
            2 => Self::Usage,
            3 => Self::No,
            4 => Self::Configuration,
            5 => Self::Host,
            6 => Self::NoDaemon,
            7 => Self::Taken,
            8 => Self::TwoClaimants,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked: an exit code, and a sentence
/// that says what failed, on what, and what to do.
#[derive(Debug)]
pub struct Failure {
    /// How to end.
    pub exit: Exit,
    /// What to say.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure with a sentence of its own.
    pub fn new(
        exit: Exit,
        message: impl fmt::Display + fmt::Debug + Send + Sync + 'static,
    ) -> Self {
        Self {
            exit,
            error: anyhow::Error::msg(message),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// Whatever has no exit code of its own failed while running.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            exit: Exit::Failed,
            error,
        }
    }
}
