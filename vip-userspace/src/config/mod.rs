//! keepalived.conf, from text to typed instances.
//!
//! In order: [`source`] (the files and places in them), [`lex`] (words and
//! braces), [`tree`] (statements and blocks), [`keywords`] (the one table of
//! what each word is), [`section`], [`value`] and [`lists`] (everything typed by
//! that table), `lower` (defaults, corrections, what belongs together), [`diag`]
//! (what is wrong, with its place).
//!
//! Reading never fails half-way: whatever can be understood comes out as
//! [`Configuration`], everything else as a [`Problem`]. An instance that must not
//! run comes out too, with the reason in [`Instance::unusable`].

pub mod diag;
pub mod diff;
pub mod effective;
pub mod estate;
mod expand;
mod forms;
pub mod keywords;
pub mod lex;
pub mod lists;
mod lower;
pub mod reaction;
pub mod reading;
pub mod section;
mod shown;
pub mod source;
mod told;
pub mod trackers;
pub mod tree;
pub mod value;

#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vip_common::election::Garp;
use vip_common::ids::{Priority, Version, Vrid};
use vip_common::time::Centis;
use vip_common::wire::vrrp::{Auth, ChecksumDialect};

pub use self::diag::{Location, Problem, Severity};
pub use self::estate::{
    ExtraGarp, GarpGroup, Hmac, Route, Rule, SyncGroup, TrackedInterface, Unicast, VirtualAddress,
    Vmac,
};
pub use self::reading::{LARGEST_FILE, Reading};
pub use self::source::Place;

use self::diag::Sink;
use self::keywords::Block;
use self::section::{Entry, Reader, Setting};
use self::source::{Source, Sources};
use self::tree::{Statement, Statements};

/// Where a configuration is looked for when none is named, in this order.
pub const SEARCH: [&str; 2] = ["/etc/vip/vip.conf", "/etc/keepalived/keepalived.conf"];

/// What a file asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Configuration {
    /// `router_id`: a name of this node for people; never on the wire.
    pub router_id: Option<String>,
    /// The virtual routers, in the order of the file.
    pub instances: Vec<Instance>,
    /// Instances that change state together.
    pub sync_groups: Vec<SyncGroup>,
    /// `static_ipaddress`: addresses that are always there, each with its `device`.
    pub static_addresses: Vec<VirtualAddress>,
    /// `static_routes`: routes that are always there.
    pub static_routes: Vec<Route>,
    /// `static_rules`: rules that are always there.
    pub static_rules: Vec<Rule>,
    /// `vrrp_cpu_affinity`: the processors that the engine keeps to; none for all.
    pub cpu_affinity: Vec<usize>,
    /// `vrrp_startup_delay`: for so long after the start no part is taken; zero is
    /// at once.
    pub startup_delay: Duration,
    /// `vrrp_delay_after_boot`: the same, from the boot of the host on. The later
    /// of the two ends counts.
    pub delay_after_boot: Duration,
    /// Interfaces whose gratuitous ARP is spaced out together.
    pub garp_groups: Vec<GarpGroup>,
    /// `vrrp_garp_interval`: least time between two gratuitous ARPs on each
    /// interface that is in no group; zero is none.
    pub garp_interval: Duration,
    /// `vrrp_gna_interval`: the same for neighbour advertisements.
    pub gna_interval: Duration,
    /// What is watched beside interfaces, and somebody goes by.
    pub trackers: Vec<trackers::Tracker>,
    /// How scripts are run.
    pub scripts: reaction::ScriptRules,
    /// Pipes that take every change of state.
    pub telling: reaction::Telling,
}

/// One `vrrp_instance`, complete: defaults and corrections are in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    /// Its name; no two instances of a configuration share one.
    pub name: String,
    /// The interface it speaks on, 1 to 15 bytes. Empty only where the file names
    /// none: it is the one that carries `source` where there is `unicast`, and
    /// `unusable` says why not where there is not.
    pub interface: String,
    /// Virtual Router Identifier. 1 where the file gives none; `unusable` then
    /// says so.
    pub vrid: Vrid,
    /// Protocol version.
    pub version: Version,
    /// Election priority, 1 to 255.
    pub priority: Priority,
    /// Interval between adverts; whole seconds with version 2.
    pub interval: Centis,
    /// Whether it takes over from a lower priority.
    pub preempt: bool,
    /// How long it waits before it does, from the first advert of the lower one on.
    pub preempt_delay: Duration,
    /// As Active Router, it does not answer an advert of a lower priority.
    pub lower_prio_no_advert: bool,
    /// As Active Router, it sends one more advert before it yields to a better one.
    pub higher_prio_send_advert: bool,
    /// As owner (priority 255), it hears no adverts.
    pub owner_ignore_adverts: bool,
    /// Version 2's password.
    pub auth: Auth,
    /// Signed adverts.
    pub hmac: Option<Hmac>,
    /// The group it speaks to, of its own family; not where there is `unicast`.
    pub group: IpAddr,
    /// The peers it speaks to one by one, instead of the group.
    pub unicast: Option<Unicast>,
    /// The source of its adverts, where it is not the interface's own address.
    pub source: Option<IpAddr>,
    /// `track_src_ip`: FAULT while that address is missing.
    pub track_source: bool,
    /// Which bytes the checksums cover that it sends, in version 3 over IPv4.
    pub dialect: ChecksumDialect,
    /// The addresses in its adverts, 255 at most.
    pub addresses: Vec<VirtualAddress>,
    /// Addresses that move with them but are not in the adverts.
    pub excluded: Vec<VirtualAddress>,
    /// Routes that come and go with the addresses.
    pub routes: Vec<Route>,
    /// Rules that do.
    pub rules: Vec<Rule>,
    /// The interface with a virtual MAC that holds the addresses, where one does.
    pub vmac: Option<Vmac>,
    /// Whether packets to the addresses are accepted; the owner's always are.
    pub accept: bool,
    /// `promote_secondaries`: the sysctl of the interface is set.
    pub promote_secondaries: bool,
    /// Interfaces that must be up, beside its own.
    pub track_interfaces: Vec<TrackedInterface>,
    /// What else it goes by; each is one of the configuration's.
    pub trackers: Vec<trackers::Tracked>,
    /// Its own interface need not be up.
    pub dont_track_primary: bool,
    /// What it runs when it changes.
    pub notify: reaction::Notify,
    /// When gratuitous ARP is sent.
    pub garp: Garp,
    /// Gratuitous ARP on interfaces that carry addresses and no adverts.
    pub garp_extra_if: Option<ExtraGarp>,
    /// How many missed adverts make the Active Router dead, 1 to 100.
    pub down_timer_adverts: u8,
    /// Why it must not take part: it is FAULT for this reason, and must not be
    /// known to the program at the NIC (its VRID may be another instance's).
    pub unusable: Option<String>,
    /// Where its name stands.
    pub place: Place,
}

impl Instance {
    /// Whether it speaks IPv6.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        self.group.is_ipv6()
    }
}

/// A configuration and what there is to say about it.
#[derive(Debug)]
pub struct Loaded {
    /// What could be understood.
    pub configuration: Configuration,
    /// The same as it was written: the blocks outside of all others, in the order
    /// of the file, without what was skipped.
    pub settings: Vec<Setting>,
    /// The statements as they came out of the expansions, where
    /// [`Reading::keep_statements`] asks for them.
    pub statements: Vec<Statement>,
    /// What is wrong or worth knowing, in the order of the file.
    pub problems: Vec<Problem>,
    /// The files that were read, the one that was named first.
    pub sources: Sources,
}

impl Loaded {
    /// How many problems are this bad.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.problems
            .iter()
            .filter(|problem| problem.severity() == severity)
            .count()
    }
}

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("{}: there is no such file; name one with -f FILE, or write one", .0.display())]
    Missing(PathBuf),
    /// No file was named and none is where one is looked for.
    #[error("no configuration found at {} or {}; name one with -f FILE, or write one", SEARCH[0], SEARCH[1])]
    NoneFound,
    /// It is a directory.
    #[error("{}: this is a directory; name the file in it", .0.display())]
    Directory(PathBuf),
    /// It is a pipe, a socket or a device, which may never end.
    #[error("{}: this is not a regular file; write the configuration to one and name that", .0.display())]
    NotAFile(PathBuf),
    /// It is larger than [`LARGEST_FILE`].
    #[error("{}: larger than {} MiB, which no configuration is; name another file", .0.display(), LARGEST_FILE >> 20)]
    TooLarge(PathBuf),
    /// It is UTF-16 or UTF-32.
    #[error("{}: this is UTF-16 or UTF-32 text; save it as UTF-8", .0.display())]
    Wide(PathBuf),
    /// The system refuses.
    #[error("{}: cannot be read: {error}; mind owner and mode of the file and of the directories above it", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// The file to read: the one named, else what `VIP_FILE` names, else the first of
/// [`SEARCH`] that exists.
pub fn choose(named: Option<&Path>) -> Result<PathBuf, ReadError> {
    let named = named.map(Path::to_path_buf);
    match named.or_else(|| std::env::var_os("VIP_FILE").map(PathBuf::from)) {
        Some(path) => Ok(path),
        None => SEARCH
            .iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .ok_or(ReadError::NoneFound),
    }
}

/// Reads a file of this host, as [`Reading::of_host`] says. Links are followed;
/// what is there in the end must be a regular file, since anything else may keep
/// the reader waiting for ever.
///
/// # Errors
/// The file itself cannot be read. What it includes is a [`Problem`].
pub fn load(path: &Path) -> Result<Loaded, ReadError> {
    load_with(path, Reading::of_host(None))
}

/// The same, with the files, the environment and the id that are handed in.
///
/// # Errors
/// The file itself cannot be read.
pub fn load_with(path: &Path, reading: Reading<'_>) -> Result<Loaded, ReadError> {
    let bytes = reading.files.read(path)?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(ReadError::Wide(path.to_path_buf()));
    }
    let directory = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    };
    let reading = Reading {
        directory: reading.files.real(directory),
        ..reading
    };
    let name = path.display().to_string();
    let mut loaded = parse_with(&bytes, &name, &reading);
    if matches!(reading.files.kind(path), Ok(reading::Kind::Executable)) {
        let message = "the file may be executed, so that keepalived would not read it";
        let note = Problem::of_file(Severity::Note, name, message);
        loaded
            .problems
            .push(note.with_help("vip reads it; take the executable bit away: chmod a-x FILE"));
    }
    Ok(loaded)
}

/// Reads text; messages call it `name`.
#[must_use]
pub fn parse(text: &str, name: &str) -> Loaded {
    parse_bytes(text.as_bytes(), name)
}

/// Reads bytes, which should be UTF-8 outside comments; messages call them `name`.
#[must_use]
pub fn parse_bytes(bytes: &[u8], name: &str) -> Loaded {
    parse_with(bytes, name, &Reading::default())
}

/// The same, with the files, the environment and the id that are handed in.
#[must_use]
pub fn parse_with(bytes: &[u8], name: &str, reading: &Reading<'_>) -> Loaded {
    let mut sink = Sink::new(name);
    let mut statements = Statements::new(Source::from_bytes(name, bytes), reading, &mut sink);
    let mut reader = Reader::default();
    let mut settings = Vec::new();
    let mut never = None;
    let mut kept = Vec::new();
    while let Some(statement) = statements.next(&mut sink) {
        if reading.keep_statements {
            kept.push(statement.clone());
        }
        if let Entry::Setting(setting, reason) = reader.read(Block::Top, statement, &mut sink) {
            settings.push(setting);
            never = never.or(reason);
        }
    }
    reader.finish(&mut sink);
    let configuration = lower::lower(&settings, never.as_deref(), reading.files, &mut sink);
    let sources = std::mem::take(&mut sink.sources);
    Loaded {
        configuration,
        settings,
        statements: kept,
        problems: sink.finish(),
        sources,
    }
}
