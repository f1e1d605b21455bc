//! Words in all other blocks. What stands in a block that is not done is not done
//! either, with the block's reason.

use super::super::lists::check::Question;
use super::Lines::*;
use super::Shape::*;
use super::Status::NoEffect;
use super::row::*;
use super::{AddressKey, AuthKey, Keyword};

#[rustfmt::skip] // one word a line
pub(super) const AUTHENTICATION: &[Keyword] = &[
    k("auth_type", Choice(&["PASS", "AH"]), auth(AuthKey::Type), "a password in clear text, or IPsec AH, which is refused"),
    k("auth_pass", Word, auth(AuthKey::Password), "up to 8 bytes; what is longer is cut"),
];

#[rustfmt::skip] // one word a line
pub(super) const HMAC: &[Keyword] = &[
    k("key", HmacKey, PART, "a key of 32 to 64 bytes and its number; several are fine").since(V2_4),
    k("active_key", Whole(1, 255), PART, "the key that signs").since(V2_4),
    k("anti_replay", Choice(&["time", "monotonic"]), PART, "how an old advert is told from a new one").since(V2_4),
    k("time_window", WholeSeconds(1, 300), PART, "how old an advert may be").or("5, or 3 times advert_int").since(V2_4),
    k("mode", Choice(&["enforce", "permissive", "receive-only"]), PART, "what becomes of adverts that are not signed, and whether ours are").since(V2_4),
];

#[rustfmt::skip] // one word a line
pub(super) const ADDRESS: &[Keyword] = &[
    k("dev", Interface, address(AddressKey::Device), "on this interface").or("interface"),
    k("label", Word, address(AddressKey::Label), "the address's label, up to 15 bytes; IPv4 only"),
    k("scope", Word, address(AddressKey::Scope), "how far it reaches: a name or a number").or("global"),
    k("brd", Word, address(AddressKey::Broadcast), "broadcast address; `+` and `-` are all ones and all zeros"),
    k("broadcast", Word, address(AddressKey::Broadcast), "broadcast address; `+` and `-` are all ones and all zeros"),
    k("peer", Word, PART, "the other end of a point-to-point link"),
    k("home", Flag, PART, "a home address of Mobile IPv6"),
    k("-nodad", Flag, PART, "let the kernel look for duplicates first"),
    k("mngtmpaddr", Flag, PART, "a template for temporary addresses"),
    k("noprefixroute", Flag, PART, "without the kernel's route for the prefix"),
    k("autojoin", Flag, PART, "join the group that a multicast address names"),
    k("no_track", Flag, PART, "it does not matter when others remove the address"),
    k("preferred_lft", Word, PART, "seconds that the kernel prefers it as source, or `forever`").or("forever; 0 for an IPv6 address without prefix"),
    k("track_group", Word, not_supported(NO_TRACK_GROUP), "a static address follows this group"),
    k("use_vmac", MaybeWord, PART, "a virtual MAC for this address"),
];

#[rustfmt::skip] // one word a line
pub(super) const PEER: &[Keyword] = &[
    k("min_ttl", Whole(0, 255), PART, "least time to live with which its adverts may come").or("0"),
    k("max_ttl", Whole(0, 255), PART, "largest time to live with which its adverts may come").or("255"),
];

#[rustfmt::skip] // one word a line
pub(super) const TRACK: &[Keyword] = &[
    k("weight", Weight(254), PART, "what it counts here, instead of the tracker's own weight; up to 253 for interfaces, scripts and BFD sessions"),
];

#[rustfmt::skip] // one word a line
pub(super) const SYNC_GROUP: &[Keyword] = &[
    k("group", Lines(Names), PART, "the instances"),
    k("track_interface", Lines(TrackInterfaces), PART, "interfaces that must be up"),
    k("track_script", Lines(TrackScripts), PART, "scripts that must succeed"),
    k("track_file", Lines(TrackFiles), PART, "files whose number counts"),
    k("track_process", Lines(TrackProcesses), PART, "processes that must run"),
    k("track_check", Lines(TrackChecks), PART, "checks that must be answered").own(),
    k("track_bfd", Lines(TrackBfds), not_supported(NO_BFD), "BFD sessions that must be up"),
    k("notify_master", Command, REACTS, "runs when the group becomes master"),
    k("notify_backup", Command, REACTS, "runs when it becomes backup"),
    k("notify_fault", Command, REACTS, "runs when it becomes FAULT"),
    k("notify_stop", Command, REACTS, "runs when the daemon stops"),
    k("notify", Command, REACTS, "runs at every change, with `GROUP`, name, state and 0 behind its arguments"),
    k("notify_priority_changes", Switch, REACTS, "changes of the priority are written to the FIFO").or("off"),
    k("smtp_alert", Switch, not_supported(NO_MAIL), "mail about this group").or("smtp_alert_vrrp"),
    k("global_tracking", Flag, NoEffect("a fault of one member is one of all members in any case"), "what one member tracks counts for all").or("off"),
    k("sync_group_tracking_weight", Flag, PART, "trackers with a weight are allowed in the group").or("off"),
];

#[rustfmt::skip] // one word a line
pub(super) const SCRIPT: &[Keyword] = &[
    k("script", BareCommand, PART, "the command; no shell runs it"),
    k("interval", Seconds(1000, LONGEST), PART, "time from one start to the next").or("1"),
    k("timeout", Seconds(1000, LONGEST), PART, "it has failed when it takes longer").or("interval"),
    k("weight", Weight(253), PART, "what success adds (above 0) or failure takes off (below 0); at 0, failure is FAULT").or("0"),
    k("rise", Whole(1, i32::MAX as i64), PART, "successes in a row that count").or("1"),
    k("fall", Whole(1, i32::MAX as i64), PART, "failures in a row that count").or("1"),
    k("user", User, PART, "who runs it").or("script_user"),
    k("init_fail", Flag, PART, "it counts as failed until it has run").or("off"),
];

#[rustfmt::skip] // one word a line
pub(super) const PROCESS: &[Keyword] = &[
    k("process", Process, PART, "its name, and parameters if they matter"),
    k("param_match", Maybe(&["initial", "partial"]), PART, "`partial`: more parameters may follow; `initial`: the last one may be longer, too. Without parameters there must be none").or("all of them"),
    k("full_command", Flag, PART, "the name is compared with the first word of the command line, not with the kernel's short name; so it is with parameters").or("off"),
    k("quorum", Whole(1, 65_535), PART, "least number of such processes").or("1"),
    k("quorum_max", Whole(0, 65_535), PART, "largest number of such processes").or("any"),
    k("delay", Seconds(1, 3600 * SECOND), PART, "a change counts when it has lasted so long").or("0"),
    k("fork_delay", Seconds(1, 3600 * SECOND), PART, "the same, for a process that appears").or("0"),
    k("terminate_delay", Seconds(1, 3600 * SECOND), PART, "the same, for a process that ends").or("0"),
    k("weight", Weight(254), PART, "what it adds (above 0) or takes off when it fails (below 0); at 0, failure is FAULT").or("0"),
];

#[rustfmt::skip] // one word a line
pub(super) const FILE: &[Keyword] = &[
    k("file", Path, PART, "the file"),
    k("weight", Weight(254), PART, "the number in the file times this is added; at 0, any other number than 0 is FAULT").or("1"),
    k("init_file", InitFile, PART, "write this number into it at the start, over what is there with `overwrite`").or("not written"),
];

#[rustfmt::skip] // one word a line
pub(super) const CHECK: &[Keyword] = &[
    k("tcp", Probe(Question::Tcp), PART, "connects, and closes the connection"),
    k("tls", Probe(Question::Tls), PART, "connects and shakes hands; `sni` is the name to ask for, the host else; with `ca`, who answers must have a certificate of this file, or one for that name which comes from one in it, else any will do"),
    k("http", Probe(Question::Http), PART, "asks for a page on a connection of its own: the status must be one of these, else 200 to 399, and with `body` this text must stand in the first 64 KiB; `https` with `ca` as for `tls`. It follows no redirect"),
    k("interval", Seconds(10_000, LONGEST), PART, "time from one start to the next").or("1"),
    k("timeout", Seconds(1000, LONGEST), PART, "it has failed when it takes longer, name lookup included; while it waits no other one starts").or("interval"),
    k("rise", Whole(1, i32::MAX as i64), PART, "successes in a row that count").or("1"),
    k("fall", Whole(1, i32::MAX as i64), PART, "failures in a row that count").or("1"),
    k("weight", Weight(253), PART, "what success adds (above 0) or failure takes off (below 0); at 0, failure is FAULT").or("0"),
    k("init_fail", Flag, PART, "it counts as failed until it has been answered").or("off"),
];

#[rustfmt::skip] // one word a line
pub(super) const BFD: &[Keyword] = &[
    k("neighbor_ip", Address, not_supported(NO_BFD), "the other end"),
    k("neighbour_ip", Address, not_supported(NO_BFD), "the other end"),
    k("source_ip", Address, not_supported(NO_BFD), "this end"),
    k("min_rx", Millis(MILLI, 4_294_967 * MILLI), not_supported(NO_BFD), "least time between packets that come").or("10"),
    k("min_tx", Millis(MILLI, 4_294_967 * MILLI), not_supported(NO_BFD), "least time between packets that go").or("10"),
    k("idle_tx", Millis(1000 * MILLI, 4_294_967 * MILLI), not_supported(NO_BFD), "the same while the session is down").or("1000"),
    k("multiplier", Whole(1, 255), not_supported(NO_BFD), "packets that may be missing").or("5"),
    k("passive", Flag, not_supported(NO_BFD), "wait for the other end to begin").or("off"),
    k("ttl", Whole(1, 255), not_supported(NO_BFD), "time to live of its packets").or("255, 64 for IPv6"),
    k("hoplimit", Whole(1, 255), not_supported(NO_BFD), "time to live of its packets").or("255, 64 for IPv6"),
    k("max_hops", Whole(-1, 255), not_supported(NO_BFD), "routers that may lie between").or("0"),
    k("multihop", Switch, not_supported(NO_BFD), "speak on the port for sessions over routers").or("off").since(NEWER),
    k("weight", Weight(253), not_supported(NO_BFD), "what it adds (above 0) or takes off when it fails (below 0); at 0, failure is FAULT").or("0"),
    k("vrrp", Flag, not_supported(NO_BFD), "for VRRP only"),
    k("checker", Flag, not_supported(NO_BFD), "for the load balancer only"),
];

#[rustfmt::skip] // one word a line
pub(super) const GARP_GROUP: &[Keyword] = &[
    k("garp_interval", Seconds(0, i32::MAX as u64), PART, "least time between two gratuitous ARPs").or("0"),
    k("gna_interval", Seconds(0, i32::MAX as u64), PART, "least time between two neighbour advertisements").or("0"),
    k("interface", Interface, PART, "an interface of the group"),
    k("interfaces", Lines(Names), PART, "interfaces of the group"),
];

#[rustfmt::skip] // one word a line
pub(super) const TRACK_GROUP: &[Keyword] = &[
    k("group", Lines(Names), not_supported("no static address, route or rule follows it"), "the instances"),
];
