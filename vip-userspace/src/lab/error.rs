//! What can go wrong while building a laboratory.

use std::io;
use std::time::Duration;

/// A step of the laboratory that failed. The laboratory never goes on with
/// half a network.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A namespace cannot be made or entered.
    #[error(
        "cannot {step} for host {host}: {source}; namespaces need root (CAP_SYS_ADMIN and CAP_NET_ADMIN)"
    )]
    Namespace {
        /// What was tried.
        step: &'static str,
        /// For whom.
        host: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program that the laboratory uses is not installed.
    #[error(
        "`{program}` cannot be started: {source}; if it is missing, install it (Debian: apt install {})",
        package(program)
    )]
    Program {
        /// Its name.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("`{command}` failed in host {host}: {said}")]
    Command {
        /// With its arguments.
        command: String,
        /// Where.
        host: String,
        /// Its words on stderr.
        said: String,
    },
    /// A system call failed.
    #[error("cannot {step}: {source}")]
    System {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Something awaited did not come.
    #[error("waited {bound:?} in vain for {what}")]
    TooLate {
        /// What was awaited.
        what: String,
        /// How long.
        bound: Duration,
    },
    /// The thread of a host has ended; only after a panic in it.
    #[error("host {0} is gone")]
    Gone(String),
}

/// The Debian package that a program comes with.
fn package(program: &str) -> &str {
    match program {
        "ip" => "iproute2",
        "nft" => "nftables",
        "ping" => "iputils-ping",
        other => other,
    }
}

impl LabError {
    /// For `map_err` on a system call.
    pub(super) fn system<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System {
            step,
            source: source.into(),
        }
    }
}
