//! Every keyword of the VRRP half of keepalived.conf: where it stands, what it
//! takes, and what becomes of it here.
//!
//! The one table: the parser reads by it and `vip check` judges by it. A word
//! that is not in it is an error; a word that is in it is never passed over in
//! silence.

mod global;
mod inner;
mod instance;
mod path;
pub mod reference;
mod row;
mod shape;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use self::global::{GLOBAL, TOP};
use self::inner::{
    ADDRESS, AUTHENTICATION, BFD, CHECK, FILE, GARP_GROUP, HMAC, PEER, PROCESS, SCRIPT, SYNC_GROUP,
    TRACK, TRACK_GROUP,
};
use self::instance::INSTANCE;
use self::path::{ROUTE, RULE};
use super::lists::check::Question;

/// A block of the language, and which words may stand in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Block {
    /// Outside any block.
    Top,
    /// `global_defs { … }`.
    Global,
    /// `vrrp_instance NAME { … }`.
    Instance,
    /// `authentication { … }` in an instance.
    Authentication,
    /// `auth_hmac { … }` in an instance.
    Hmac,
    /// What may follow an address in a list of addresses.
    Address,
    /// What may follow an address in a list of peers.
    Peer,
    /// What may follow a name in a list of trackers.
    Track,
    /// What may stand in the line of a route.
    Route,
    /// What may stand in the line of a rule.
    Rule,
    /// `vrrp_sync_group NAME { … }`.
    SyncGroup,
    /// `vrrp_script NAME { … }`.
    Script,
    /// `vrrp_track_process NAME { … }`.
    Process,
    /// `track_file NAME { … }`.
    File,
    /// `vrrp_check NAME { … }`, which keepalived does not have.
    Check,
    /// `bfd_instance NAME { … }`.
    Bfd,
    /// `garp_group { … }`.
    GarpGroup,
    /// `track_group NAME { … }`.
    TrackGroup,
}

impl Block {
    /// Where a word of it stands, in a sentence.
    #[must_use]
    pub fn place(self) -> &'static str {
        match self {
            Self::Top => "outside all blocks",
            Self::Global => "in global_defs",
            Self::Instance => "in vrrp_instance",
            Self::Authentication => "in authentication",
            Self::Hmac => "in auth_hmac",
            Self::Address => "behind an address",
            Self::Peer => "behind a peer",
            Self::Track => "behind a tracker's name",
            Self::Route => "in a route",
            Self::Rule => "in a rule",
            Self::SyncGroup => "in vrrp_sync_group",
            Self::Script => "in vrrp_script",
            Self::Process => "in vrrp_track_process",
            Self::File => "in track_file",
            Self::Check => "in vrrp_check",
            Self::Bfd => "in bfd_instance",
            Self::GarpGroup => "in garp_group",
            Self::TrackGroup => "in track_group",
        }
    }
}

/// What a keyword takes. What comes out is a [`Value`](super::value::Value).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Words that are not looked at, or none.
    Any,
    /// Nothing.
    Flag,
    /// Nothing, or `on`, `off`, `true`, `false`, `yes`, `no`.
    Switch,
    /// One word.
    Word,
    /// One word, or none.
    MaybeWord,
    /// The path of a file or directory.
    Path,
    /// The path of a file, or nothing.
    MaybePath,
    /// Words, at least and at most so many.
    Words(u8, u8),
    /// One of these.
    Choice(&'static [&'static str]),
    /// Nothing, or one of these.
    Maybe(&'static [&'static str]),
    /// Any of these, each with `+` or `-` before it if wanted; or nothing.
    Signed(&'static [&'static str]),
    /// One of these, or a whole number of this range.
    ChoiceOrWhole(&'static [&'static str], i64, i64),
    /// A whole number of this range, both ends included.
    Whole(i64, i64),
    /// Nothing, or a whole number of this range; the third where nothing is said.
    WholeOr(i64, i64, i64),
    /// Whole numbers of this range, at least one.
    Numbers(i64, i64),
    /// `all` if wanted, and a whole number of this range.
    AfterAll(i64, i64),
    /// `[NUMBER] [overwrite]`.
    InitFile,
    /// What a check asks, and of whom.
    Probe(Question),
    /// A decimal number of seconds of this range, in microseconds.
    Seconds(u64, u64),
    /// A whole number of seconds of this range.
    WholeSeconds(u32, u32),
    /// A decimal number of milliseconds of this range, in microseconds.
    Millis(u64, u64),
    /// An octal number, or names of rights as in C with `|` between them.
    Umask,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// An address of either family.
    Address,
    /// The name of an interface, 1 to 15 bytes.
    Interface,
    /// What a failing check takes off or a good one adds: `N [reverse]`, from
    /// minus this to this.
    Weight(u8),
    /// A command, and who runs it: `"COMMAND ARGUMENT…" [USER [GROUP]]`.
    Command,
    /// The same, or nothing.
    MaybeCommand,
    /// A command without a user behind it.
    BareCommand,
    /// The name of a process, and parameters: `NAME [PARAMETER…]`.
    Process,
    /// The path of a FIFO, and whose it is: `PATH [USER [GROUP]]`.
    Fifo,
    /// `USER [[:]GROUP]`.
    User,
    /// `use_vmac [NAME] [MAC] [netlink_notify_msg] [group N]`.
    Vmac,
    /// `use_ipvlan [NAME] [ADDRESS] [MODE] [group N]`.
    Ipvlan,
    /// `ID KEY` in `auth_hmac`.
    HmacKey,
    /// `{ … }` with keywords in it.
    Block(Block),
    /// `NAME { … }` with keywords in it.
    Named(Block),
    /// `{ … }` with an entry on each line.
    Lines(Lines),
}

/// What stands on each line of a list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lines {
    /// One or more names.
    Names,
    /// Addresses in the adverts.
    Addresses,
    /// Addresses that move with those in the adverts.
    Excluded,
    /// Addresses that are always there.
    StaticAddresses,
    /// Routes that come and go with the address.
    Routes,
    /// Routes that are always there.
    StaticRoutes,
    /// Rules that come and go with the address.
    Rules,
    /// Rules that are always there.
    StaticRules,
    /// Peers spoken to one by one.
    Peers,
    /// Interfaces with a weight.
    TrackInterfaces,
    /// Names of scripts with a weight.
    TrackScripts,
    /// Names of files with a weight.
    TrackFiles,
    /// Names of processes with a weight.
    TrackProcesses,
    /// Names of checks with a weight.
    TrackChecks,
    /// Names of BFD sessions with a weight.
    TrackBfds,
    /// Interfaces and how their link is asked for.
    Linkbeat,
    /// Interfaces and how long a change of their link must last.
    LinkDelays,
}

/// What becomes of a keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Does what it says.
    Does(Key),
    /// Accepted, and why it changes nothing here.
    NoEffect(&'static str),
    /// Read and checked, and not done yet: what that means.
    Planned(Missing, &'static str),
    /// Not done: what that means.
    NotSupported(Missing, &'static str),
    /// Belongs to the load balancer, which is not part of vip.
    LoadBalancer,
}

/// What it means that a keyword is not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// Everything else works.
    Harmless,
    /// To ignore it would change who holds the address: what it stands in (an
    /// instance, or all of them) is FAULT.
    Decides,
}

/// What a keyword that does what it says, says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// A block that is read for what is in it.
    Opens,
    /// In `global_defs`.
    Global(GlobalKey),
    /// In `vrrp_instance`.
    Instance(InstanceKey),
    /// In `authentication`.
    Auth(AuthKey),
    /// Behind an address in a list.
    Address(AddressKey),
    /// For the reading of the files themselves.
    Reading,
    /// In a block or a line that is read as a whole.
    Part,
    /// What the host holds, whatever becomes of the instances.
    Static,
    /// What is run and written when something changes.
    Reacts,
}

/// What `global_defs` sets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "each is the keyword of the same name")]
pub enum GlobalKey {
    CpuAffinity,
    RouterId,
    Version,
    McastGroup4,
    McastGroup6,
    DownTimerAdverts,
    Strict,
    ChecksumAsV2,
    GarpDelay,
    GarpRepeat,
    GarpRefresh,
    GarpRefreshRepeat,
    MinGarp,
    GarpLowerDelay,
    GarpLowerRepeat,
    GarpInterval,
    GnaInterval,
    GarpExtraIf,
    LowerPrioNoAdvert,
    HigherPrioSendAdvert,
    OwnerIgnoreAdverts,
    CheckUnicastSrc,
    StartupDelay,
    DelayAfterBoot,
    DefaultInterface,
    VmacPrefix,
    VmacAddrPrefix,
    IprouteUsrDir,
    IprouteEtcDir,
}

/// What `vrrp_instance` sets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "each is the keyword of the same name")]
pub enum InstanceKey {
    State,
    Interface,
    VirtualRouterId,
    Version,
    Priority,
    AdvertInt,
    Authentication,
    VirtualIpAddress,
    VirtualIpAddressExcluded,
    NoVirtualIpAddress,
    Preempt,
    NoPreempt,
    SourceAddress,
    McastDstIp,
    DownTimerAdverts,
    StrictMode,
    ChecksumAsV2,
    GarpDelay,
    GarpRepeat,
    GarpRefresh,
    GarpRefreshRepeat,
    GarpLowerDelay,
    GarpLowerRepeat,
    GarpExtraIf,
    PreemptDelay,
    LowerPrioNoAdvert,
    HigherPrioSendAdvert,
    OwnerIgnoreAdverts,
    AuthHmac,
    UnicastPeer,
    UnicastTtl,
    UnicastFaultNoPeer,
    CheckUnicastSrc,
    OldUnicastChecksum,
    TrackSrcIp,
    TrackInterface,
    DontTrackPrimary,
    UseVmac,
    VmacXmitBase,
    Accept,
    NoAccept,
    PromoteSecondaries,
    VirtualRoutes,
    VirtualRules,
}

/// What `authentication` sets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "each is the keyword of the same name")]
pub enum AuthKey {
    Type,
    Password,
}

/// What may follow an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "each is the keyword of the same name")]
pub enum AddressKey {
    Device,
    Label,
    Scope,
    Broadcast,
}

/// One line of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keyword {
    /// The word.
    pub name: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// What becomes of it.
    pub status: Status,
    /// What it asks for, in few words.
    pub meaning: &'static str,
    /// What holds where it does not stand: a value, or the word of an outer block
    /// that decides. `None` where nothing does.
    pub default: Option<&'static str>,
    /// The keepalived that first knew it, where that is one after 2.2.7.
    pub since: Option<&'static str>,
    /// What to write instead, where keepalived calls it an old spelling.
    pub instead: Option<&'static str>,
    /// Whether it is vip's own word, which keepalived does not know.
    pub own: bool,
}

/// Every block with its words.
pub static TABLE: &[(Block, &[Keyword])] = &[
    (Block::Top, TOP),
    (Block::Global, GLOBAL),
    (Block::Instance, INSTANCE),
    (Block::Authentication, AUTHENTICATION),
    (Block::Hmac, HMAC),
    (Block::Address, ADDRESS),
    (Block::Peer, PEER),
    (Block::Track, TRACK),
    (Block::Route, ROUTE),
    (Block::Rule, RULE),
    (Block::SyncGroup, SYNC_GROUP),
    (Block::Script, SCRIPT),
    (Block::Process, PROCESS),
    (Block::File, FILE),
    (Block::Check, CHECK),
    (Block::Bfd, BFD),
    (Block::GarpGroup, GARP_GROUP),
    (Block::TrackGroup, TRACK_GROUP),
];

static INDEX: LazyLock<HashMap<(Block, &'static str), &'static Keyword>> = LazyLock::new(|| {
    TABLE
        .iter()
        .flat_map(|(block, keywords)| keywords.iter().map(|k| ((*block, k.name), k)))
        .collect()
});

/// The keyword of this name in this block.
#[must_use]
pub fn find(block: Block, name: &str) -> Option<&'static Keyword> {
    INDEX.get(&(block, name)).copied()
}

/// Blocks that nothing reads, because each word that opens them is not done.
static UNREAD: LazyLock<HashSet<Block>> = LazyLock::new(|| {
    let mut unread = HashSet::new();
    let mut read = HashSet::new();
    for keyword in TABLE.iter().flat_map(|(_, keywords)| *keywords) {
        if let Shape::Block(block) | Shape::Named(block) = keyword.shape {
            match keyword.status {
                Status::Planned(..) | Status::NotSupported(..) => unread.insert(block),
                Status::Does(_) | Status::NoEffect(_) | Status::LoadBalancer => read.insert(block),
            };
        }
    }
    unread.retain(|block| !read.contains(block));
    unread
});

/// Whether nothing in this block is done, because the block itself is not: then
/// to say so for the block is enough.
#[must_use]
pub fn is_unread(block: Block) -> bool {
    UNREAD.contains(&block)
}

/// The words that may stand in a block.
pub fn names_in(block: Block) -> impl Iterator<Item = &'static str> {
    TABLE
        .iter()
        .filter(move |(of, _)| *of == block)
        .flat_map(|(_, keywords)| keywords.iter().map(|keyword| keyword.name))
}

/// The blocks in which a word may stand.
pub fn blocks_of(name: &str) -> impl Iterator<Item = Block> {
    TABLE
        .iter()
        .filter(move |(_, keywords)| keywords.iter().any(|keyword| keyword.name == name))
        .map(|(block, _)| *block)
}

#[cfg(test)]
mod tests;
