//! The status document, as `vip status --json` prints it: schema 1.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::notify::{PipeState, Scripts};
use super::shadow::Shown;

/// The number that changes when a reader of the document would break.
pub const SCHEMA: u32 = 1;

/// Everything a daemon says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the daemon.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The virtual routers, in the order of the configuration.
    pub instances: Vec<Instance>,
    /// How each interface is heard.
    pub dataplane: Vec<Hearing>,
    /// Sums over all instances, by name; names only ever come in addition.
    pub counters: BTreeMap<String, u64>,
    /// What is watched for the sake of the addresses beside interfaces.
    #[serde(default)]
    pub trackers: Vec<Tracker>,
    /// How the engine is scheduled.
    #[serde(default)]
    pub scheduling: Option<Scheduling>,
    /// What a person should look into.
    pub warnings: Vec<String>,
    /// How the last reload went; `None` before the first.
    #[serde(default)]
    pub reload: Option<Reload>,
    /// What has become of the scripts of sync groups, by name.
    #[serde(default)]
    pub group_scripts: BTreeMap<String, Scripts>,
    /// The pipes that take every change, as the configuration has them.
    #[serde(default)]
    pub pipes: Vec<PipeState>,
    /// Where it only compares: with what, and what it found. What the instances say is
    /// what it would do then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shown>,
}

/// How the engine is scheduled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Scheduling {
    /// `deadline`, `fifo` or `ordinary`.
    pub class: String,
    /// What that means, and why it is not better.
    pub why: String,
}

/// How a reload went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reload {
    /// Whether the configuration was taken.
    pub taken: bool,
    /// Why not; the one of before runs then.
    pub refused: Vec<String>,
    /// How long ago that was, in ns.
    pub ns_ago: u64,
}

/// One virtual router.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// Name in the configuration.
    pub name: String,
    /// Interface.
    pub interface: String,
    /// Virtual router identifier.
    pub vrid: u8,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// Protocol version, 2 or 3.
    pub version: u8,
    /// `MASTER`, `BACKUP`, `FAULT` or `INIT`.
    pub state: String,
    /// Why, and what ends it.
    pub reason: String,
    /// For how long, in ns.
    pub since_ns: u64,
    /// Priority in the configuration.
    pub priority: u8,
    /// Priority in the election now.
    pub effective_priority: u8,
    /// Who is master, ourselves included; `None` if nobody is known to be.
    pub master: Option<Master>,
    /// Until this state ends if nothing is heard, in ns from now.
    pub deadline_ns: Option<i64>,
    /// The virtual addresses, with their prefix lengths.
    pub addresses: Vec<String>,
    /// Whether the kernel has acknowledged them here.
    pub installed: bool,
    /// The other routers of this VRID, refused ones too.
    pub peers: Vec<Peer>,
    /// Whether two routers say at the same time that they are master.
    pub two_masters: bool,
    /// Strangers who claim one of the addresses.
    pub conflicts: Vec<Conflict>,
    /// Addresses of it that this host has from somebody else, although it is not
    /// MASTER here.
    #[serde(default)]
    pub foreign: Vec<Foreign>,
    /// Counters of this router, by name.
    pub counters: BTreeMap<String, u64>,
    /// What a person has ordered of it until it is undone.
    #[serde(default)]
    pub order: Option<Ordered>,
    /// Whether it has given its role up and serves on until another one does.
    #[serde(default)]
    pub hands_over: bool,
    /// Why its priority in the election is another than the configured one.
    #[serde(default)]
    pub priority_reason: Option<String>,
    /// The sync group that it moves with.
    #[serde(default)]
    pub sync_group: Option<String>,
    /// The peers that it speaks to one by one; none is multicast.
    #[serde(default)]
    pub unicast_peers: Vec<IpAddr>,
    /// For how long the password or keys are still accepted that a reload has
    /// replaced, in ns; how many adverts needed them is a counter.
    #[serde(default)]
    pub former_secret_left_ns: Option<u64>,
    /// What the kernel last refused of its addresses, routes and rules.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// What has become of its scripts; `None` where there is nothing to say of one yet.
    #[serde(default)]
    pub scripts: Option<Scripts>,
}

impl Instance {
    /// Takes back what a shadow says of itself and has not done.
    pub(super) fn is_only_thought(&mut self) {
        self.installed = false;
        self.hands_over = false;
        // The other one is the daemon's beside it.
        self.two_masters = false;
        for name in ["adverts_sent", "gratuitous_arps_sent"] {
            self.counters.insert(name.into(), 0);
        }
    }
}

/// Something that the kernel would not do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trouble {
    /// What, and why not.
    pub what: String,
    /// How long ago that was, in ns.
    pub ns_ago: u64,
}

/// What a person has ordered of an instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ordered {
    /// `drained` or `taken`.
    pub what: String,
    /// How long that still holds, in ns; `None` until it is undone.
    pub left_ns: Option<u64>,
}

impl Ordered {
    /// Whether it stays out.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.what == "drained"
    }

    /// Whether it was raised above all others.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.what == "taken"
    }
}

/// Who is master.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Master {
    /// Its own address.
    pub address: IpAddr,
    /// Its priority.
    pub priority: u8,
}

/// Another router of the same VRID.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// Its own address.
    pub address: IpAddr,
    /// Its last accepted priority; `None` if none was.
    pub priority: Option<u8>,
    /// How long ago its last accepted advert was, in ns.
    pub accepted_ns_ago: Option<u64>,
    /// Adverts accepted.
    pub accepted: u64,
    /// Adverts refused.
    pub refused: u64,
    /// Why the last one was refused, by name.
    pub refusal: Option<String>,
    /// The same in words.
    pub refusal_words: Option<String>,
    /// How long ago the last refused one was, in ns.
    pub refused_ns_ago: Option<u64>,
    /// Whether it names other addresses than we do.
    pub other_addresses: bool,
}

/// A stranger who claims an address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Conflict {
    /// The address.
    pub address: IpAddr,
    /// Who claims it.
    pub mac: String,
    /// How often strangers have claimed addresses of this router.
    pub count: u64,
    /// How long ago the last one was, in ns.
    pub ns_ago: u64,
}

/// An address that somebody else has configured on this host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Foreign {
    /// The address.
    pub address: IpAddr,
    /// The interface that has it.
    pub interface: String,
}

/// How an interface is heard.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hearing {
    /// The interface.
    pub interface: String,
    /// `xdp-native`, `xdp-generic`, `tcx`, `packet-socket` or `none`.
    pub rung: String,
    /// Why this one and no better.
    pub why: String,
}

/// Something that is watched.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tracker {
    /// `script`, `process`, `file` or `check`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `unknown`, `well`, `failed`, `number` or `ignored`.
    pub state: String,
    /// The number in a file.
    pub number: Option<i32>,
    /// How long it has stood so, in ns.
    pub since_ns: u64,
    /// By what means it is watched.
    pub mechanism: String,
    /// What was found last.
    pub last: Option<Found>,
    /// How often it was looked.
    pub runs: u64,
    /// How often that failed.
    pub failures: u64,
    /// Results like the last one, in a row.
    pub in_a_row: u64,
    /// Looks that were left out, since the one before had not ended.
    pub skipped: u64,
    /// How long looks took.
    pub took: Option<Took>,
}

/// What a look has found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// Whether it was well.
    pub well: bool,
    /// What it was, in words.
    pub what: String,
    /// How long ago that was, in ns.
    pub ns_ago: u64,
    /// How long it took, in ns.
    pub took_ns: u64,
}

/// How long the last looks took, 512 at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Took {
    /// The shortest, in ns.
    pub min_ns: u64,
    /// The mean, in ns.
    pub avg_ns: u64,
    /// All but one in a hundred took no longer, in ns.
    pub p99_ns: u64,
    /// The longest, in ns.
    pub max_ns: u64,
    /// How much one differs from the one before on average, in ns.
    pub jitter_ns: u64,
}
