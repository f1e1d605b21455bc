//! Words in `vrrp_instance`.

use super::Lines::*;
use super::Shape::*;
use super::Status::NoEffect;
use super::row::*;
use super::{Block, InstanceKey, Keyword};

// What `Missing::Decides` is for: an instance that ran without this word would
// speak on the wrong network, or so that its peers do not hear or believe it, or
// with another MAC than the neighbours know. Two nodes would hold the address, or
// packets to it would go astray.
//
// A tracker, a notify script, a sync group or a delay that is not done is none of
// these: the election is still right for what it knows. Such an instance does not
// move when the watched thing fails; as FAULT it would not move at all.
#[rustfmt::skip] // one word a line
pub(super) const INSTANCE: &[Keyword] = &[
    k("interface", Interface, instance(InstanceKey::Interface), "where adverts go and come, and addresses without `dev` lie"),
    k("virtual_router_id", Whole(1, 255), instance(InstanceKey::VirtualRouterId), "the number (VRID) that all nodes of this instance share"),
    k("version", Whole(2, 3), instance(InstanceKey::Version), "VRRP version").or("vrrp_version"),
    k("priority", Whole(1, 255), instance(InstanceKey::Priority), "who wins; 255 says that the addresses are this host's own").or("100"),
    k("state", Choice(&["MASTER", "BACKUP"]), instance(InstanceKey::State), "MASTER without `priority` is 255, and clears `nopreempt`; the election decides all else").or("BACKUP, MASTER at 255"),
    k("advert_int", Seconds(SECOND / 100, 255 * SECOND), instance(InstanceKey::AdvertInt), "time between adverts; whole seconds in version 2, steps of 10 ms up to 40.95 in version 3").or("1"),
    k("virtual_ipaddress", Lines(Addresses), instance(InstanceKey::VirtualIpAddress), "the addresses that move, and that adverts name"),
    k("virtual_ipaddress_excluded", Lines(Excluded), instance(InstanceKey::VirtualIpAddressExcluded), "addresses that move along, and that adverts do not name"),
    k("no_virtual_ipaddress", Flag, instance(InstanceKey::NoVirtualIpAddress), "no address is needed").or("off").since(NEWER),
    k("preempt", Flag, instance(InstanceKey::Preempt), "take over from a lower priority").or("on"),
    k("nopreempt", Flag, instance(InstanceKey::NoPreempt), "leave the addresses to a lower priority that holds them").or("off"),
    k("preempt_delay", Seconds(0, 1000 * SECOND), instance(InstanceKey::PreemptDelay), "wait so long before taking over from a lower priority").or("0"),
    k("authentication", Block(Block::Authentication), instance(InstanceKey::Authentication), "password of version 2"),
    k("auth_hmac", Block(Block::Hmac), instance(InstanceKey::AuthHmac), "signed adverts").since(V2_4),
    k("mcast_src_ip", Address, instance(InstanceKey::SourceAddress), "where adverts come from").or("the interface's first address"),
    k("unicast_src_ip", Address, instance(InstanceKey::SourceAddress), "where adverts come from").or("the interface's first address"),
    k("mcast_dst_ip", Address, instance(InstanceKey::McastDstIp), "the group that adverts go to").or("vrrp_mcast_group4 or 6"),
    k("track_src_ip", Flag, instance(InstanceKey::TrackSrcIp), "FAULT while that address is missing").or("off"),
    k("unicast_peer", Lines(Peers), instance(InstanceKey::UnicastPeer), "peers that adverts go to, instead of a group"),
    k("unicast_ttl", Whole(0, 255), instance(InstanceKey::UnicastTtl), "time to live of adverts to peers").or("255"),
    k("unicast_fault_no_peer", Flag, instance(InstanceKey::UnicastFaultNoPeer), "FAULT where the list of peers is empty").or("off"),
    k("check_unicast_src", Switch, instance(InstanceKey::CheckUnicastSrc), "hear listed peers only").or("vrrp_check_unicast_src"),
    k("old_unicast_checksum", Maybe(&["never"]), instance(InstanceKey::OldUnicastChecksum), "checksums of version 3 as keepalived up to 1.3.6 made them").or("as the peer does"),
    k("vrf", Word, not_supported_and_decides("there is no speaking in a VRF (`vrf`)"), "the VRF to speak in, instead of an interface"),
    k("down_timer_adverts", Whole(1, 100), instance(InstanceKey::DownTimerAdverts), "adverts that may be missing before a backup takes over").or("vrrp_down_timer_adverts"),
    k("strict_mode", Switch, instance(InstanceKey::StrictMode), "what the RFC does not know is ignored (authentication, delays, other virtual MACs …), addresses must be there, and packets to them are dropped except at priority 255").or("vrrp_strict"),
    k("v3_checksum_as_v2", Switch, instance(InstanceKey::ChecksumAsV2), "IPv4 checksums of version 3 without the pseudo-header").or("as in global_defs").since(NEWER),
    k("skip_check_adv_addr", Switch, NoEffect(LIST_COUNTED), "do not compare the address list of a known master").or("vrrp_skip_check_adv_addr"),
    k("owner_ignore_adverts", Switch, instance(InstanceKey::OwnerIgnoreAdverts), "an address owner hears no adverts").or("vrrp_owner_ignore_adverts").since(NEWER),
    k("lower_prio_no_advert", Switch, instance(InstanceKey::LowerPrioNoAdvert), "a master does not answer a lower priority").or("vrrp_lower_prio_no_advert"),
    k("higher_prio_send_advert", Switch, instance(InstanceKey::HigherPrioSendAdvert), "a master that yields sends one more advert").or("vrrp_higher_prio_send_advert"),
    k("timer_expired_backup", WholeOr(1, 254, 254), NoEffect(WHEN_LATE), "a master that was late becomes backup; the number is the best peer's priority").or("off").since(NEWER),
    k("thread_timer_expired", WholeOr(1, 254, 254), NoEffect(WHEN_LATE), "a master that was late becomes backup").instead("timer_expired_backup").since(NEWER),
    k("garp_master_delay", WholeSeconds(0, LONGEST_WHOLE), instance(InstanceKey::GarpDelay), "time to the second round of gratuitous ARP; 0 is no second round").or("vrrp_garp_master_delay"),
    k("garp_master_repeat", Whole(0, U32), instance(InstanceKey::GarpRepeat), "gratuitous ARPs for each address in a round").or("vrrp_garp_master_repeat"),
    k("garp_master_refresh", WholeSeconds(0, u32::MAX), instance(InstanceKey::GarpRefresh), "a round so often while master; 0 is never").or("vrrp_garp_master_refresh"),
    k("garp_master_refresh_repeat", Whole(0, U32), instance(InstanceKey::GarpRefreshRepeat), "gratuitous ARPs for each address in such a round").or("vrrp_garp_master_refresh_repeat"),
    k("garp_lower_prio_delay", WholeSeconds(0, LONGEST_WHOLE), instance(InstanceKey::GarpLowerDelay), "time to the second round after a lower priority was heard").or("vrrp_garp_lower_prio_delay"),
    k("garp_lower_prio_repeat", Whole(0, i32::MAX as i64), instance(InstanceKey::GarpLowerRepeat), "gratuitous ARPs for each address after a lower priority was heard; 0 is none").or("vrrp_garp_lower_prio_repeat"),
    k("garp_extra_if", AfterAll(0, 86_400), instance(InstanceKey::GarpExtraIf), "gratuitous ARP so often where addresses lie on interfaces without adverts").or("vrrp_garp_extra_if"),
    k("vmac_garp_intvl", AfterAll(0, 86_400), instance(InstanceKey::GarpExtraIf), "gratuitous ARP so often where addresses lie on interfaces without adverts").instead("garp_extra_if"),
    k("use_vmac", Vmac, instance(InstanceKey::UseVmac), "an interface with the virtual MAC 00:00:5e:00:01:VRID holds the addresses"),
    k("vmac_xmit_base", Flag, instance(InstanceKey::VmacXmitBase), "adverts leave from the interface below, with its own MAC").or("off"),
    k("use_vmac_addr", Flag, not_supported("addresses on other interfaces have those interfaces' own MAC"), "addresses on other interfaces get a virtual MAC each").or("off"),
    k("use_ipvlan", Ipvlan, not_supported_and_decides("there is no interface of its own (`use_ipvlan`)"), "an ipvlan interface holds the addresses"),
    k("dont_track_primary", Flag, instance(InstanceKey::DontTrackPrimary), "go on while the link of `interface` is down").or("off"),
    k("accept", Flag, instance(InstanceKey::Accept), "packets to the addresses are accepted").or("on"),
    k("no_accept", Flag, instance(InstanceKey::NoAccept), "packets to the addresses are dropped, except at priority 255").or("off"),
    k("promote_secondaries", Flag, instance(InstanceKey::PromoteSecondaries), "the other addresses of a subnet survive when its first one goes").or("off"),
    k("native_ipv6", Flag, NoEffect("the family follows the first address"), "the addresses are IPv6"),
    k("kernel_rx_buf_size", Whole(0, U32), NoEffect(OWN_BUFFERS), "bytes of room for adverts").or("vrrp_rx_bufs_policy"),
    k("virtual_routes", Lines(Routes), instance(InstanceKey::VirtualRoutes), "routes that come and go with the addresses"),
    k("virtual_rules", Lines(Rules), instance(InstanceKey::VirtualRules), "rules that come and go with the addresses"),
    k("track_interface", Lines(TrackInterfaces), instance(InstanceKey::TrackInterface), "interfaces that must be up"),
    k("track_script", Lines(TrackScripts), PART, "scripts that must succeed"),
    k("track_file", Lines(TrackFiles), PART, "files whose number counts"),
    k("track_process", Lines(TrackProcesses), PART, "processes that must run"),
    k("track_check", Lines(TrackChecks), PART, "checks that must be answered").own(),
    k("track_bfd", Lines(TrackBfds), not_supported(NO_BFD), "BFD sessions that must be up"),
    k("notify_master", Command, REACTS, "runs when this instance becomes master"),
    k("notify_backup", Command, REACTS, "runs when it becomes backup"),
    k("notify_fault", Command, REACTS, "runs when it becomes FAULT"),
    k("notify_stop", Command, REACTS, "runs when the daemon stops"),
    k("notify_deleted", MaybeCommand, REACTS, "runs when a reload took the instance out; where it does not stand, `notify` is told FAULT"),
    k("notify", Command, REACTS, "runs at every change, with `INSTANCE`, name, state and priority behind its arguments"),
    k("notify_master_rx_lower_pri", Command, REACTS, "runs when this master hears a lower priority"),
    k("notify_priority_changes", Switch, REACTS, "changes of the priority are written to the FIFO").or("vrrp_notify_priority_changes"),
    k("smtp_alert", Switch, not_supported(NO_MAIL), "mail about this instance").or("smtp_alert_vrrp"),
    k("debug", Whole(0, 4), NoEffect("it changes nothing in keepalived either"), "a level of detail").or("0"),
    k("linkbeat_use_polling", Flag, NoEffect(INTERFACE_STATE), "ask the driver for the link state").instead("linkbeat_interfaces"),
    lvs("lvs_sync_daemon_interface"),
];
