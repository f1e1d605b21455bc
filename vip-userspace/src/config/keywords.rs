//! Every keyword of the VRRP half of keepalived.conf: where it stands, what it
//! takes, and what becomes of it here.
//!
//! The one table: the parser reads by it and `vip check` judges by it. A word
//! that is not in it is an error; a word that is in it is never passed over in
//! silence.

use std::collections::HashMap;
use std::sync::LazyLock;

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
    /// A list whose lines are names, routes or rules, not keywords.
    List,
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
            Self::List => "in a list",
        }
    }
}

/// What a keyword takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Words that are not looked at.
    Any,
    /// Nothing.
    Flag,
    /// Nothing, or `on`, `off`, `true`, `false`, `yes`, `no`.
    Switch,
    /// One word.
    Word,
    /// One of these.
    Choice(&'static [&'static str]),
    /// A whole number of this range, both ends included.
    Whole(u32, u32),
    /// A decimal number of seconds of this range, in microseconds.
    Seconds(u64, u64),
    /// An IPv4 address.
    Ipv4,
    /// `{ … }`.
    Block(Block),
    /// `NAME { … }`.
    Named(Block),
}

/// What becomes of a keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Does what it says, for all instances.
    Global(GlobalKey),
    /// Does what it says.
    Instance(InstanceKey),
    /// Does what it says, in `authentication`.
    Auth(AuthKey),
    /// Does what it says, behind an address.
    Address(AddressKey),
    /// A block that is read for what is in it.
    Opens,
    /// Accepted, and why it changes nothing here.
    NoEffect(&'static str),
    /// Not done, and what that means; the rest works.
    NotDone(&'static str),
    /// Not done, and to ignore it would change who holds the address: what it
    /// stands in (an instance, or all of them) is FAULT for this reason.
    Decides(&'static str),
    /// Belongs to the load balancer.
    LoadBalancer,
}

impl Status {
    /// Whether it does what it says.
    #[must_use]
    pub fn is_read(self) -> bool {
        match self {
            Self::Global(_)
            | Self::Instance(_)
            | Self::Auth(_)
            | Self::Address(_)
            | Self::Opens => true,
            Self::NoEffect(_) | Self::NotDone(_) | Self::Decides(_) | Self::LoadBalancer => false,
        }
    }
}

/// What `global_defs` sets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "each is the keyword of the same name")]
pub enum GlobalKey {
    RouterId,
    Version,
    McastGroup4,
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
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// The word.
    pub name: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// What becomes of it.
    pub status: Status,
}

const fn k(name: &'static str, shape: Shape, status: Status) -> Keyword {
    Keyword {
        name,
        shape,
        status,
    }
}

use Shape::{Any, Choice, Flag, Ipv4, Seconds, Switch, Whole, Word};
use Status::{Decides, LoadBalancer, NoEffect, NotDone, Opens};

/// A second, in the unit of [`Shape::Seconds`].
const SECOND: u64 = 1_000_000;
/// The longest delay that is taken, a day; keepalived takes more.
const DAY: u64 = 86_400 * SECOND;

const OWN_PROCESS: &str = "it tunes keepalived's own processes";
const OWN_FILES: &str = "it concerns files that keepalived writes for itself";
const NO_FIREWALL: &str = "no firewall rules are made";
const NO_MAIL: &str = "no mail is sent";
const NO_SNMP: &str = "there is no SNMP agent";
const NO_DBUS: &str = "there is no D-Bus service";
const NO_FIFO: &str = "no state is written to a FIFO";
const NO_SCRIPT: &str = "the script is not run";
const NO_TRACK: &str = "nothing is tracked; the priority stays as configured";
const NO_DELAY: &str = "there is no such delay";
const NO_VMAC: &str = "a virtual MAC of its own (VMAC) is not built yet";
const ONLY_VMAC: &str = "it only concerns a virtual MAC, which is not built yet";
const ONLY_IPV6: &str = "it only concerns IPv6";
const ONLY_UNICAST: &str = "it only concerns unicast, which is not built yet";
const LIST_COUNTED: &str = "a different address list is accepted and counted";
const INTERFACE_STATE: &str = "link state always comes from the kernel's own events";
const INSIDE: Status = Opens;

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

#[rustfmt::skip] // one word a line
const TOP: &[Keyword] = &[
    k("global_defs", Shape::Block(Block::Global), Opens),
    k("vrrp_instance", Shape::Named(Block::Instance), Opens),
    k("vrrp_sync_group", Shape::Named(Block::SyncGroup), NotDone("its instances change state each for itself")),
    k("vrrp_script", Shape::Named(Block::Script), NotDone(NO_SCRIPT)),
    k("vrrp_track_process", Shape::Named(Block::Process), NotDone("the process is not watched")),
    k("track_file", Shape::Named(Block::File), NotDone("the file is not watched")),
    k("vrrp_track_file", Shape::Named(Block::File), NotDone("the file is not watched")),
    k("bfd_instance", Shape::Named(Block::Bfd), NotDone("no BFD session is run")),
    k("garp_group", Shape::Block(Block::GarpGroup), NotDone("gratuitous ARP is not spaced out")),
    k("track_group", Shape::Named(Block::TrackGroup), NotDone("nothing refers to it yet")),
    k("static_ipaddress", Shape::Block(Block::List), NotDone("these addresses are not installed")),
    k("static_routes", Shape::Block(Block::List), NotDone("these routes are not installed")),
    k("static_rules", Shape::Block(Block::List), NotDone("these rules are not installed")),
    k("net_namespace", Word, Decides("net_namespace is not built yet, and here is the wrong network namespace")),
    k("net_namespace_ipvs", Word, LoadBalancer),
    k("namespace_with_ipsets", Flag, NoEffect(NO_FIREWALL)),
    k("instance", Word, NoEffect("`--runtime-dir` tells several daemons on one host apart")),
    k("use_pid_dir", Flag, NoEffect("there are no pid files")),
    k("child_wait_time", Any, NoEffect("there are no child processes to wait for")),
    k("linkbeat_use_polling", Flag, NoEffect(INTERFACE_STATE)),
    k("linkbeat_interfaces", Shape::Block(Block::List), NoEffect(INTERFACE_STATE)),
    k("interface_up_down_delays", Shape::Block(Block::List), NotDone("a change of the link counts at once")),
    k("virtual_server", Any, LoadBalancer),
    k("virtual_server_group", Any, LoadBalancer),
    k("local_address_group", Any, LoadBalancer),
    k("SSL", Any, LoadBalancer),
];

#[rustfmt::skip] // one word a line
const GLOBAL: &[Keyword] = &[
    k("router_id", Word, Status::Global(GlobalKey::RouterId)),
    k("vrrp_version", Whole(2, 3), Status::Global(GlobalKey::Version)),
    k("vrrp_mcast_group4", Ipv4, Status::Global(GlobalKey::McastGroup4)),
    k("vrrp_down_timer_adverts", Whole(1, 100), Status::Global(GlobalKey::DownTimerAdverts)),
    k("vrrp_strict", Switch, Status::Global(GlobalKey::Strict)),
    k("v3_checksum_as_v2", Switch, Status::Global(GlobalKey::ChecksumAsV2)),
    k("vrrp_garp_master_delay", Seconds(0, DAY), Status::Global(GlobalKey::GarpDelay)),
    k("vrrp_garp_master_repeat", Whole(0, u32::MAX), Status::Global(GlobalKey::GarpRepeat)),
    k("vrrp_garp_master_refresh", Seconds(0, DAY), Status::Global(GlobalKey::GarpRefresh)),
    k("vrrp_garp_master_refresh_repeat", Whole(0, u32::MAX), Status::Global(GlobalKey::GarpRefreshRepeat)),
    k("vrrp_min_garp", Switch, Status::Global(GlobalKey::MinGarp)),
    k("vrrp_garp_lower_prio_delay", Any, NotDone("a lower priority that is heard causes no further gratuitous ARP")),
    k("vrrp_garp_lower_prio_repeat", Any, NotDone("a lower priority that is heard causes no further gratuitous ARP")),
    k("vrrp_garp_interval", Any, NotDone("gratuitous ARP is not spaced out")),
    k("vrrp_gna_interval", Any, NoEffect(ONLY_IPV6)),
    k("vrrp_garp_extra_if", Any, NoEffect(ONLY_VMAC)),
    k("vrrp_vmac_garp_intvl", Any, NoEffect(ONLY_VMAC)),
    k("vrrp_lower_prio_no_advert", Switch, NotDone("a lower priority that is heard is answered as the protocol says")),
    k("vrrp_higher_prio_send_advert", Switch, NotDone("no last advert is sent before yielding")),
    k("process_names", Any, NoEffect(OWN_PROCESS)),
    k("process_name", Any, NoEffect(OWN_PROCESS)),
    k("vrrp_process_name", Any, NoEffect(OWN_PROCESS)),
    k("bfd_process_name", Any, NoEffect(OWN_PROCESS)),
    k("checker_process_name", Any, LoadBalancer),
    k("lvs_process_name", Any, LoadBalancer),
    k("use_symlink_paths", Switch, NotDone("no scripts are run yet")),
    k("set_supplementary_groups", Switch, NotDone("no scripts are run yet")),
    k("script_user", Any, NotDone("no scripts are run yet")),
    k("enable_script_security", Any, NotDone("no scripts are run yet")),
    k("startup_script", Any, NotDone(NO_SCRIPT)),
    k("shutdown_script", Any, NotDone(NO_SCRIPT)),
    k("startup_script_timeout", Any, NotDone(NO_SCRIPT)),
    k("shutdown_script_timeout", Any, NotDone(NO_SCRIPT)),
    k("umask", Any, NoEffect(OWN_FILES)),
    k("random_seed", Any, NotDone("`${_RANDOM}` is not expanded")),
    k("dynamic_interfaces", Any, NoEffect("a missing interface is always waited for")),
    k("default_interface", Any, NotDone("static addresses are not installed")),
    k("disable_local_igmp", Flag, NotDone("the sysctl is left as it is")),
    k("vrrp_priority", Any, NoEffect(OWN_PROCESS)),
    k("bfd_priority", Any, NoEffect(OWN_PROCESS)),
    k("checker_priority", Any, LoadBalancer),
    k("vrrp_rt_priority", Any, NoEffect(OWN_PROCESS)),
    k("bfd_rt_priority", Any, NoEffect(OWN_PROCESS)),
    k("checker_rt_priority", Any, LoadBalancer),
    k("vrrp_no_swap", Any, NoEffect(OWN_PROCESS)),
    k("bfd_no_swap", Any, NoEffect(OWN_PROCESS)),
    k("checker_no_swap", Any, LoadBalancer),
    k("vrrp_cpu_affinity", Any, NoEffect(OWN_PROCESS)),
    k("bfd_cpu_affinity", Any, NoEffect(OWN_PROCESS)),
    k("checker_cpu_affinity", Any, LoadBalancer),
    k("vrrp_rlimit_rttime", Any, NoEffect(OWN_PROCESS)),
    k("vrrp_rlimit_rtime", Any, NoEffect(OWN_PROCESS)),
    k("bfd_rlimit_rttime", Any, NoEffect(OWN_PROCESS)),
    k("bfd_rlimit_rtime", Any, NoEffect(OWN_PROCESS)),
    k("checker_rlimit_rttime", Any, LoadBalancer),
    k("checker_rlimit_rtime", Any, LoadBalancer),
    k("max_auto_priority", Any, NoEffect(OWN_PROCESS)),
    k("min_auto_priority_delay", Any, NoEffect(OWN_PROCESS)),
    k("vrrp_startup_delay", Any, NotDone(NO_DELAY)),
    k("vrrp_delay_after_boot", Any, NotDone(NO_DELAY)),
    k("vrrp_mcast_group6", Any, NoEffect(ONLY_IPV6)),
    k("vrrp_skip_check_adv_addr", Switch, NoEffect(LIST_COUNTED)),
    k("vrrp_check_unicast_src", Switch, NoEffect(ONLY_UNICAST)),
    k("vrrp_owner_ignore_adverts", Switch, NotDone("adverts are heard at priority 255 too")),
    k("log_unknown_vrids", Flag, NotDone("other people's VRIDs are not looked at")),
    k("vrrp_iptables", Any, NoEffect(NO_FIREWALL)),
    k("vrrp_ipsets", Any, NoEffect(NO_FIREWALL)),
    k("nftables", Any, NoEffect(NO_FIREWALL)),
    k("nftables_priority", Any, NoEffect(NO_FIREWALL)),
    k("nftables_counters", Any, NoEffect(NO_FIREWALL)),
    k("nftables_ifindex", Any, NoEffect(NO_FIREWALL)),
    k("nftables_ipvs", Any, LoadBalancer),
    k("nftables_ipvs_priority", Any, LoadBalancer),
    k("vmac_prefix", Any, NoEffect(ONLY_VMAC)),
    k("vmac_addr_prefix", Any, NoEffect(ONLY_VMAC)),
    k("notify_fifo", Any, NotDone(NO_FIFO)),
    k("vrrp_notify_fifo", Any, NotDone(NO_FIFO)),
    k("notify_fifo_script", Any, NotDone(NO_SCRIPT)),
    k("vrrp_notify_fifo_script", Any, NotDone(NO_SCRIPT)),
    k("lvs_notify_fifo", Any, LoadBalancer),
    k("lvs_notify_fifo_script", Any, LoadBalancer),
    k("vrrp_notify_priority_changes", Switch, NotDone(NO_FIFO)),
    k("fifo_write_vrrp_states_on_reload", Flag, NotDone(NO_FIFO)),
    k("notification_email", Shape::Block(Block::List), NotDone(NO_MAIL)),
    k("notification_email_from", Any, NotDone(NO_MAIL)),
    k("smtp_server", Any, NotDone(NO_MAIL)),
    k("smtp_helo_name", Any, NotDone(NO_MAIL)),
    k("smtp_connect_timeout", Any, NotDone(NO_MAIL)),
    k("smtp_alert", Switch, NotDone(NO_MAIL)),
    k("smtp_alert_vrrp", Switch, NotDone(NO_MAIL)),
    k("smtp_alert_checker", Switch, LoadBalancer),
    k("no_email_faults", Flag, NotDone(NO_MAIL)),
    k("no_checker_emails", Flag, LoadBalancer),
    k("checker_log_all_failures", Switch, LoadBalancer),
    k("snmp_socket", Any, NotDone(NO_SNMP)),
    k("enable_traps", Flag, NotDone(NO_SNMP)),
    k("enable_snmp_vrrp", Flag, NotDone(NO_SNMP)),
    k("enable_snmp_keepalived", Flag, NotDone(NO_SNMP)),
    k("enable_snmp_rfc", Flag, NotDone(NO_SNMP)),
    k("enable_snmp_rfcv2", Flag, NotDone(NO_SNMP)),
    k("enable_snmp_rfcv3", Flag, NotDone(NO_SNMP)),
    k("enable_snmp_checker", Flag, LoadBalancer),
    k("snmp_vs_stats_update_interval", Any, LoadBalancer),
    k("snmp_rs_stats_update_interval", Any, LoadBalancer),
    k("enable_dbus", Flag, NotDone(NO_DBUS)),
    k("dbus_service_name", Any, NotDone(NO_DBUS)),
    k("dbus_no_interface_name", Any, NotDone(NO_DBUS)),
    k("vrrp_netlink_cmd_rcv_bufs", Any, NoEffect(OWN_PROCESS)),
    k("vrrp_netlink_cmd_rcv_bufs_force", Any, NoEffect(OWN_PROCESS)),
    k("vrrp_netlink_monitor_rcv_bufs", Any, NoEffect(OWN_PROCESS)),
    k("vrrp_netlink_monitor_rcv_bufs_force", Any, NoEffect(OWN_PROCESS)),
    k("lvs_netlink_cmd_rcv_bufs", Any, LoadBalancer),
    k("lvs_netlink_cmd_rcv_bufs_force", Any, LoadBalancer),
    k("lvs_netlink_monitor_rcv_bufs", Any, LoadBalancer),
    k("lvs_netlink_monitor_rcv_bufs_force", Any, LoadBalancer),
    k("process_monitor_rcv_bufs", Any, NoEffect(OWN_PROCESS)),
    k("process_monitor_rcv_bufs_force", Any, NoEffect(OWN_PROCESS)),
    k("vrrp_rx_bufs_policy", Any, NoEffect(OWN_PROCESS)),
    k("vrrp_rx_bufs_multiplier", Any, NoEffect(OWN_PROCESS)),
    k("rs_init_notifies", Any, LoadBalancer),
    k("lvs_sync_daemon", Any, LoadBalancer),
    k("lvs_flush", Any, LoadBalancer),
    k("lvs_flush_on_stop", Any, LoadBalancer),
    k("lvs_timeouts", Any, LoadBalancer),
    k("reload_check_config", Any, NoEffect("a changed file is read at the next start")),
    k("reload_time_file", Any, NotDone("there is no reload by the clock")),
    k("reload_repeat", Any, NotDone("there is no reload by the clock")),
    k("reload_file", Any, NotDone("no marker is written while the configuration is read")),
    k("include_check", Any, NotDone("`include` is not read yet")),
    k("config_save_dir", Any, NoEffect(OWN_FILES)),
    k("tmp_config_directory", Any, NoEffect(OWN_FILES)),
    k("data_use_instance", Switch, NoEffect(OWN_FILES)),
    k("json_version", Any, NoEffect(OWN_FILES)),
    k("state_dump_file", Any, NoEffect(OWN_FILES)),
    k("stats_dump_file", Any, NoEffect(OWN_FILES)),
    k("json_dump_file", Any, NoEffect(OWN_FILES)),
    k("iproute_usr_dir", Any, NotDone("names of tables and scopes are not looked up")),
    k("iproute_etc_dir", Any, NotDone("names of tables and scopes are not looked up")),
    k("linkbeat_use_polling", Flag, NoEffect(INTERFACE_STATE)),
];

#[rustfmt::skip] // one word a line
const INSTANCE: &[Keyword] = &[
    k("state", Choice(&["MASTER", "BACKUP"]), Status::Instance(InstanceKey::State)),
    k("interface", Word, Status::Instance(InstanceKey::Interface)),
    k("virtual_router_id", Whole(1, 255), Status::Instance(InstanceKey::VirtualRouterId)),
    k("version", Whole(2, 3), Status::Instance(InstanceKey::Version)),
    k("priority", Whole(1, 255), Status::Instance(InstanceKey::Priority)),
    k("advert_int", Seconds(SECOND / 100, 255 * SECOND), Status::Instance(InstanceKey::AdvertInt)),
    k("authentication", Shape::Block(Block::Authentication), Status::Instance(InstanceKey::Authentication)),
    k("virtual_ipaddress", Shape::Block(Block::Address), Status::Instance(InstanceKey::VirtualIpAddress)),
    k("virtual_ipaddress_excluded", Shape::Block(Block::Address), Status::Instance(InstanceKey::VirtualIpAddressExcluded)),
    k("no_virtual_ipaddress", Flag, Status::Instance(InstanceKey::NoVirtualIpAddress)),
    k("preempt", Flag, Status::Instance(InstanceKey::Preempt)),
    k("nopreempt", Flag, Status::Instance(InstanceKey::NoPreempt)),
    k("mcast_src_ip", Ipv4, Status::Instance(InstanceKey::SourceAddress)),
    k("unicast_src_ip", Ipv4, Status::Instance(InstanceKey::SourceAddress)),
    k("mcast_dst_ip", Ipv4, Status::Instance(InstanceKey::McastDstIp)),
    k("down_timer_adverts", Whole(1, 100), Status::Instance(InstanceKey::DownTimerAdverts)),
    k("strict_mode", Switch, Status::Instance(InstanceKey::StrictMode)),
    k("v3_checksum_as_v2", Switch, Status::Instance(InstanceKey::ChecksumAsV2)),
    k("garp_master_delay", Seconds(0, DAY), Status::Instance(InstanceKey::GarpDelay)),
    k("garp_master_repeat", Whole(0, u32::MAX), Status::Instance(InstanceKey::GarpRepeat)),
    k("garp_master_refresh", Seconds(0, DAY), Status::Instance(InstanceKey::GarpRefresh)),
    k("garp_master_refresh_repeat", Whole(0, u32::MAX), Status::Instance(InstanceKey::GarpRefreshRepeat)),
    k("vrf", Word, Decides("`vrf` is not built yet")),
    k("unicast_peer", Shape::Block(Block::List), Decides("unicast (`unicast_peer`) is not built yet")),
    k("use_vmac", Any, Decides(NO_VMAC)),
    k("use_ipvlan", Any, Decides("an interface of its own (`use_ipvlan`) is not built yet")),
    k("auth_hmac", Shape::Block(Block::Hmac), Decides("signed adverts (`auth_hmac`) are not built yet")),
    k("track_src_ip", Flag, NotDone("the source address is not watched")),
    k("unicast_fault_no_peer", Flag, NoEffect(ONLY_UNICAST)),
    k("unicast_ttl", Any, NoEffect(ONLY_UNICAST)),
    k("check_unicast_src", Any, NoEffect(ONLY_UNICAST)),
    k("old_unicast_checksum", Any, NoEffect(ONLY_UNICAST)),
    k("virtual_routes", Shape::Block(Block::List), NotDone("these routes are not installed")),
    k("virtual_rules", Shape::Block(Block::List), NotDone("these rules are not installed")),
    k("promote_secondaries", Flag, NotDone("the sysctl is left as it is")),
    k("native_ipv6", Flag, NoEffect("the family follows the first address")),
    k("kernel_rx_buf_size", Any, NoEffect(OWN_PROCESS)),
    k("use_vmac_addr", Flag, Decides(NO_VMAC)),
    k("vmac_xmit_base", Flag, NoEffect(ONLY_VMAC)),
    k("dont_track_primary", Flag, NotDone("a dead link of the interface still makes this instance FAULT")),
    k("accept", Flag, NoEffect("packets to the address are always accepted")),
    k("no_accept", Flag, NotDone("packets to the address are accepted")),
    k("preempt_delay", Any, NotDone("a better priority takes over without delay")),
    k("skip_check_adv_addr", Switch, NoEffect(LIST_COUNTED)),
    k("owner_ignore_adverts", Switch, NotDone("adverts are heard at priority 255 too")),
    k("lower_prio_no_advert", Switch, NotDone("a lower priority that is heard is answered as the protocol says")),
    k("higher_prio_send_advert", Switch, NotDone("no last advert is sent before yielding")),
    k("timer_expired_backup", Any, NotDone("a late master listens before it speaks, and goes on")),
    k("thread_timer_expired", Any, NotDone("a late master listens before it speaks, and goes on")),
    k("garp_lower_prio_delay", Any, NotDone("a lower priority that is heard causes no further gratuitous ARP")),
    k("garp_lower_prio_repeat", Any, NotDone("a lower priority that is heard causes no further gratuitous ARP")),
    k("garp_extra_if", Any, NoEffect(ONLY_VMAC)),
    k("vmac_garp_intvl", Any, NoEffect(ONLY_VMAC)),
    k("track_interface", Shape::Block(Block::List), NotDone(NO_TRACK)),
    k("track_script", Shape::Block(Block::List), NotDone(NO_TRACK)),
    k("track_file", Shape::Block(Block::List), NotDone(NO_TRACK)),
    k("track_process", Shape::Block(Block::List), NotDone(NO_TRACK)),
    k("track_bfd", Shape::Block(Block::List), NotDone(NO_TRACK)),
    k("notify_master", Any, NotDone(NO_SCRIPT)),
    k("notify_backup", Any, NotDone(NO_SCRIPT)),
    k("notify_fault", Any, NotDone(NO_SCRIPT)),
    k("notify_stop", Any, NotDone(NO_SCRIPT)),
    k("notify_deleted", Any, NotDone(NO_SCRIPT)),
    k("notify", Any, NotDone(NO_SCRIPT)),
    k("notify_master_rx_lower_pri", Any, NotDone(NO_SCRIPT)),
    k("notify_priority_changes", Switch, NotDone(NO_FIFO)),
    k("smtp_alert", Switch, NotDone(NO_MAIL)),
    k("debug", Any, NoEffect("it changes nothing in keepalived either")),
    k("linkbeat_use_polling", Flag, NoEffect(INTERFACE_STATE)),
    k("lvs_sync_daemon_interface", Any, LoadBalancer),
];

#[rustfmt::skip] // one word a line
const AUTHENTICATION: &[Keyword] = &[
    k("auth_type", Choice(&["PASS", "AH"]), Status::Auth(AuthKey::Type)),
    k("auth_pass", Word, Status::Auth(AuthKey::Password)),
];

#[rustfmt::skip] // one word a line
const HMAC: &[Keyword] = &[
    k("key", Any, INSIDE),
    k("active_key", Any, INSIDE),
    k("anti_replay", Any, INSIDE),
    k("time_window", Any, INSIDE),
    k("mode", Any, INSIDE),
];

#[rustfmt::skip] // one word a line
const ADDRESS: &[Keyword] = &[
    k("dev", Word, Status::Address(AddressKey::Device)),
    k("label", Word, Status::Address(AddressKey::Label)),
    k("scope", Word, Status::Address(AddressKey::Scope)),
    k("brd", Word, Status::Address(AddressKey::Broadcast)),
    k("broadcast", Word, Status::Address(AddressKey::Broadcast)),
    k("peer", Word, NotDone("the address is installed without a peer")),
    k("noprefixroute", Flag, NotDone("the kernel adds its route for the prefix")),
    k("autojoin", Flag, NotDone("no group is joined")),
    k("no_track", Flag, NotDone("the address is put back when others remove it")),
    k("preferred_lft", Word, NotDone("the address is installed without a lifetime")),
    k("home", Flag, NoEffect(ONLY_IPV6)),
    k("-nodad", Flag, NoEffect(ONLY_IPV6)),
    k("mngtmpaddr", Flag, NoEffect(ONLY_IPV6)),
    k("track_group", Word, NotDone("it only stands behind static addresses")),
    k("use_vmac", Any, Decides(NO_VMAC)),
];

#[rustfmt::skip] // one word a line
const SYNC_GROUP: &[Keyword] = &[
    k("group", Shape::Block(Block::List), INSIDE),
    k("track_interface", Shape::Block(Block::List), INSIDE),
    k("track_script", Shape::Block(Block::List), INSIDE),
    k("track_file", Shape::Block(Block::List), INSIDE),
    k("track_process", Shape::Block(Block::List), INSIDE),
    k("track_bfd", Shape::Block(Block::List), INSIDE),
    k("notify_master", Any, INSIDE),
    k("notify_backup", Any, INSIDE),
    k("notify_fault", Any, INSIDE),
    k("notify_stop", Any, INSIDE),
    k("notify", Any, INSIDE),
    k("notify_priority_changes", Any, INSIDE),
    k("smtp_alert", Any, INSIDE),
    k("global_tracking", Any, INSIDE),
    k("sync_group_tracking_weight", Any, INSIDE),
];

#[rustfmt::skip] // one word a line
const SCRIPT: &[Keyword] = &[
    k("script", Any, INSIDE),
    k("interval", Any, INSIDE),
    k("timeout", Any, INSIDE),
    k("weight", Any, INSIDE),
    k("rise", Any, INSIDE),
    k("fall", Any, INSIDE),
    k("user", Any, INSIDE),
    k("init_fail", Any, INSIDE),
];

#[rustfmt::skip] // one word a line
const PROCESS: &[Keyword] = &[
    k("process", Any, INSIDE),
    k("param_match", Any, INSIDE),
    k("full_command", Any, INSIDE),
    k("quorum", Any, INSIDE),
    k("quorum_max", Any, INSIDE),
    k("delay", Any, INSIDE),
    k("fork_delay", Any, INSIDE),
    k("terminate_delay", Any, INSIDE),
    k("weight", Any, INSIDE),
];

#[rustfmt::skip] // one word a line
const FILE: &[Keyword] = &[
    k("file", Any, INSIDE),
    k("weight", Any, INSIDE),
    k("init_file", Any, INSIDE),
];

#[rustfmt::skip] // one word a line
const BFD: &[Keyword] = &[
    k("neighbor_ip", Any, INSIDE),
    k("neighbour_ip", Any, INSIDE),
    k("source_ip", Any, INSIDE),
    k("min_rx", Any, INSIDE),
    k("min_tx", Any, INSIDE),
    k("idle_tx", Any, INSIDE),
    k("multiplier", Any, INSIDE),
    k("passive", Any, INSIDE),
    k("ttl", Any, INSIDE),
    k("hoplimit", Any, INSIDE),
    k("max_hops", Any, INSIDE),
    k("multihop", Any, INSIDE),
    k("weight", Any, INSIDE),
    k("vrrp", Any, INSIDE),
    k("checker", Any, INSIDE),
];

#[rustfmt::skip] // one word a line
const GARP_GROUP: &[Keyword] = &[
    k("garp_interval", Any, INSIDE),
    k("gna_interval", Any, INSIDE),
    k("interface", Any, INSIDE),
    k("interfaces", Shape::Block(Block::List), INSIDE),
];

#[rustfmt::skip] // one word a line
const TRACK_GROUP: &[Keyword] = &[k("group", Shape::Block(Block::List), INSIDE)];

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
