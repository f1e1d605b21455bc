//! What is kept of a change of state: a document that tells the story, and from which
//! the election can be run again. `docs/why.md` describes it; the schema's number changes
//! when a reader of it would break, and names only ever come in addition.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vip_common::election::{StateName, VirtualRouter, Why};
use vip_common::ids::Priority;
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use crate::engine::record::Event;

/// The number of the schema.
pub const SCHEMA: u32 = 1;

/// One change of state of one instance, and what was around it. All times are
/// nanoseconds of `CLOCK_MONOTONIC` unless they say otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recording {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of vip that wrote it.
    pub version: String,
    /// The name of the host.
    pub host: String,
    /// When it changed, in UTC, as RFC 3339 has it.
    pub utc: String,
    /// The instance.
    pub instance: About,
    /// What happened to it.
    pub change: Change,
    /// Whether a shadow has written it (`vip run --shadow`), which holds nothing: what would have
    /// happened.
    #[serde(default)]
    pub shadow: bool,
    /// What was in its way, or had been, in words: an interface, a script.
    pub hindered_by: Option<String>,
    /// What the kernel refused last, in words.
    pub trouble: Option<String>,
    /// The election some time before, if all that has happened since is here.
    pub start: Option<Start>,
    /// What happened, in order.
    pub moments: Vec<Moment>,
    /// Whether some of them were left out because there were too many.
    pub cut: bool,
    /// What the NIC refused in this time.
    pub refused: Vec<Refusal>,
    /// Adverts that came and found the ring to the engine full, since the start.
    pub ring_full: u64,
    /// How long the engine waited for a processor, second by second.
    pub waits: Vec<Wait>,
    /// How the interface was heard.
    pub rung: String,
    /// How the engine was scheduled.
    pub scheduling: String,
    /// How many changes of other instances were not written since the last one that was,
    /// because there were too many at once.
    pub left_out: u64,
}

/// Which instance it is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct About {
    /// Its name in the configuration.
    pub name: String,
    /// Its VRID.
    pub vrid: u8,
    /// The interface that it is heard on.
    pub interface: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its sync group.
    pub sync_group: Option<String>,
}

/// What happened to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It went from a state to another one.
    State {
        /// When that was decided.
        at: MonoTime,
        /// From which.
        from: StateName,
        /// To which.
        to: StateName,
        /// Why.
        why: Why,
    },
    /// As master it heard another one of lower rank.
    TwoMasters {
        /// When.
        at: MonoTime,
        /// Whom.
        source: IpAddr,
        /// With what priority.
        priority: Priority,
    },
}

impl Change {
    /// When it happened.
    #[must_use]
    pub const fn at(&self) -> MonoTime {
        match self {
            Self::State { at, .. } | Self::TwoMasters { at, .. } => *at,
        }
    }
}

/// Where a replay begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// The first of the moments that follow from it.
    pub moment: usize,
    /// The election then.
    pub election: VirtualRouter,
}

/// Something that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: MonoTime,
    /// What.
    pub event: Event,
}

/// Adverts of one source that the NIC refused for one reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// Who sent them.
    pub source: IpAddr,
    /// Why.
    pub reason: RejectReason,
    /// How many, since the daemon started.
    pub count: u64,
    /// When the last one came.
    pub last: MonoTime,
}

/// What a second cost the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wait {
    /// The end of that second.
    pub at: MonoTime,
    /// For how long the engine was ready to run and did not, in ns.
    pub waited_ns: u64,
    /// How long other guests of the machine had all processors together that this one
    /// wanted (steal), in ns.
    pub stolen_ns: u64,
}
