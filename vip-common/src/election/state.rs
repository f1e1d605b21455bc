//! The three states, each with the deadlines that belong to it: a Backup
//! cannot own an advert timer, because there is no place to keep one.

use core::net::IpAddr;

use super::action::Fault;
use super::active::Active;
use super::backup::Backup;
use crate::ids::Priority;
use crate::time::MonoTime;

/// State of a virtual router (RFC 9568 section 6.3).
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum State {
    /// Takes no part.
    Initialize(Initialize),
    /// Watches the Active Router.
    Backup(Backup),
    /// Holds the addresses.
    Active(Active),
}

impl State {
    /// The name alone.
    #[must_use]
    pub const fn name(&self) -> StateName {
        match self {
            Self::Initialize(_) => StateName::Initialize,
            Self::Backup(_) => StateName::Backup,
            Self::Active(_) => StateName::Active,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<MonoTime> {
        match self {
            Self::Initialize(initialize) => initialize.retry,
            Self::Backup(backup) => backup.next_deadline(),
            Self::Active(active) => Some(active.next_deadline()),
        }
    }
}

/// The name of a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum StateName {
    /// Takes no part.
    Initialize,
    /// Watches the Active Router.
    Backup,
    /// Holds the addresses.
    Active,
}

/// Taking no part, for a reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Initialize {
    /// The reason.
    pub fault: Fault,
    /// When we take part again by ourselves; otherwise we wait to be told.
    pub retry: Option<MonoTime>,
}

/// An advert that was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Heard {
    /// Who sent it.
    pub source: IpAddr,
    /// With what priority.
    pub priority: Priority,
    /// When it arrived.
    pub stamp: MonoTime,
}
