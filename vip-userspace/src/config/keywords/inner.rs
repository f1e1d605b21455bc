//! Words in all other blocks.

use super::Lines::*;
use super::Shape::*;
use super::Status::NoEffect;
use super::row::*;
use super::{AddressKey, AuthKey, Keyword};

#[rustfmt::skip] // one word a line
pub(super) const AUTHENTICATION: &[Keyword] = &[
    k("auth_type", Choice(&["PASS", "AH"]), auth(AuthKey::Type)),
    k("auth_pass", Word, auth(AuthKey::Password)),
];

#[rustfmt::skip] // one word a line
pub(super) const HMAC: &[Keyword] = &[
    k("key", Any, OPENS),
    k("active_key", Any, OPENS),
    k("anti_replay", Any, OPENS),
    k("time_window", Any, OPENS),
    k("mode", Any, OPENS),
];

#[rustfmt::skip] // one word a line
pub(super) const ADDRESS: &[Keyword] = &[
    k("dev", Word, address(AddressKey::Device)),
    k("label", Word, address(AddressKey::Label)),
    k("scope", Word, address(AddressKey::Scope)),
    k("brd", Word, address(AddressKey::Broadcast)),
    k("broadcast", Word, address(AddressKey::Broadcast)),
    k("peer", Word, planned("the address is installed without a peer")),
    k("noprefixroute", Flag, planned("the kernel adds its route for the prefix")),
    k("autojoin", Flag, planned("no group is joined")),
    k("no_track", Flag, planned("the address is put back when others remove it")),
    k("preferred_lft", Word, planned("the address is installed without a lifetime")),
    k("home", Flag, NoEffect(ONLY_IPV6)),
    k("-nodad", Flag, NoEffect(ONLY_IPV6)),
    k("mngtmpaddr", Flag, NoEffect(ONLY_IPV6)),
    k("track_group", Word, planned("it only stands behind static addresses")),
    k("use_vmac", Any, planned_and_decides(NO_VMAC)),
];

#[rustfmt::skip] // one word a line
pub(super) const SYNC_GROUP: &[Keyword] = &[
    k("group", Lines(Names), OPENS),
    k("track_interface", Lines(TrackInterfaces), OPENS),
    k("track_script", Lines(TrackScripts), OPENS),
    k("track_file", Lines(TrackFiles), OPENS),
    k("track_process", Lines(TrackProcesses), OPENS),
    k("track_bfd", Lines(TrackBfds), OPENS),
    k("notify_master", Any, OPENS),
    k("notify_backup", Any, OPENS),
    k("notify_fault", Any, OPENS),
    k("notify_stop", Any, OPENS),
    k("notify", Any, OPENS),
    k("notify_priority_changes", Any, OPENS),
    k("smtp_alert", Any, OPENS),
    k("global_tracking", Any, OPENS),
    k("sync_group_tracking_weight", Any, OPENS),
];

#[rustfmt::skip] // one word a line
pub(super) const SCRIPT: &[Keyword] = &[
    k("script", Any, OPENS),
    k("interval", Any, OPENS),
    k("timeout", Any, OPENS),
    k("weight", Any, OPENS),
    k("rise", Any, OPENS),
    k("fall", Any, OPENS),
    k("user", Any, OPENS),
    k("init_fail", Any, OPENS),
];

#[rustfmt::skip] // one word a line
pub(super) const PROCESS: &[Keyword] = &[
    k("process", Any, OPENS),
    k("param_match", Any, OPENS),
    k("full_command", Any, OPENS),
    k("quorum", Any, OPENS),
    k("quorum_max", Any, OPENS),
    k("delay", Any, OPENS),
    k("fork_delay", Any, OPENS),
    k("terminate_delay", Any, OPENS),
    k("weight", Any, OPENS),
];

#[rustfmt::skip] // one word a line
pub(super) const FILE: &[Keyword] = &[
    k("file", Any, OPENS),
    k("weight", Any, OPENS),
    k("init_file", Any, OPENS),
];

#[rustfmt::skip] // one word a line
pub(super) const BFD: &[Keyword] = &[
    k("neighbor_ip", Any, OPENS),
    k("neighbour_ip", Any, OPENS),
    k("source_ip", Any, OPENS),
    k("min_rx", Any, OPENS),
    k("min_tx", Any, OPENS),
    k("idle_tx", Any, OPENS),
    k("multiplier", Any, OPENS),
    k("passive", Any, OPENS),
    k("ttl", Any, OPENS),
    k("hoplimit", Any, OPENS),
    k("max_hops", Any, OPENS),
    k("multihop", Any, OPENS),
    k("weight", Any, OPENS),
    k("vrrp", Any, OPENS),
    k("checker", Any, OPENS),
];

#[rustfmt::skip] // one word a line
pub(super) const GARP_GROUP: &[Keyword] = &[
    k("garp_interval", Any, OPENS),
    k("gna_interval", Any, OPENS),
    k("interface", Any, OPENS),
    k("interfaces", Lines(Names), OPENS),
];

#[rustfmt::skip] // one word a line
pub(super) const TRACK_GROUP: &[Keyword] = &[k("group", Lines(Names), OPENS)];
