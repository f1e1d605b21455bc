//! Every keyword of the VRRP half of keepalived.conf: where it stands, what it
//! takes, and what becomes of it here.
//!
//! The one table: the parser reads by it and `vip check` judges by it. A word
//! that is not in it is an error; a word that is in it is never passed over in
//! silence.

mod global;
mod inner;
mod instance;
mod row;

use std::collections::HashMap;
use std::sync::LazyLock;

use self::global::{GLOBAL, TOP};
use self::inner::{
    ADDRESS, AUTHENTICATION, BFD, FILE, GARP_GROUP, HMAC, PROCESS, SCRIPT, SYNC_GROUP, TRACK_GROUP,
};
use self::instance::INSTANCE;

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
    /// `vrrp_sync_group NAME { … }`.
    SyncGroup,
    /// `vrrp_script NAME { … }`.
    Script,
    /// `vrrp_track_process NAME { … }`.
    Process,
    /// `track_file NAME { … }`.
    File,
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
            Self::SyncGroup => "in vrrp_sync_group",
            Self::Script => "in vrrp_script",
            Self::Process => "in vrrp_track_process",
            Self::File => "in track_file",
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
    /// Words, at least and at most so many.
    Words(u8, u8),
    /// One of these.
    Choice(&'static [&'static str]),
    /// A whole number of this range, both ends included.
    Whole(i64, i64),
    /// Nothing, or a whole number of this range; the third where nothing is said.
    WholeOr(i64, i64, i64),
    /// A decimal number of seconds of this range, in microseconds.
    Seconds(u64, u64),
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
    /// A command without a user behind it.
    BareCommand,
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
}

/// What `global_defs` sets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "each is the keyword of the same name")]
pub enum GlobalKey {
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
}

/// Every block with its words.
pub static TABLE: &[(Block, &[Keyword])] = &[
    (Block::Top, TOP),
    (Block::Global, GLOBAL),
    (Block::Instance, INSTANCE),
    (Block::Authentication, AUTHENTICATION),
    (Block::Hmac, HMAC),
    (Block::Address, ADDRESS),
    (Block::SyncGroup, SYNC_GROUP),
    (Block::Script, SCRIPT),
    (Block::Process, PROCESS),
    (Block::File, FILE),
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
mod tests {
    use super::*;

    #[test]
    fn each_word_stands_once_in_its_block() {
        let words: usize = TABLE.iter().map(|(_, keywords)| keywords.len()).sum();
        assert_eq!(INDEX.len(), words);
        let blocks: std::collections::HashSet<_> = TABLE.iter().map(|(block, _)| block).collect();
        assert_eq!(blocks.len(), TABLE.len());
    }

    #[test]
    fn words_are_found_in_their_block_only() {
        assert!(find(Block::Instance, "priority").is_some());
        assert!(find(Block::Top, "priority").is_none());
        assert_eq!(blocks_of("priority").collect::<Vec<_>>(), [Block::Instance]);
    }
}
