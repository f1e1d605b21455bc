//! What instances and the host hold, as plain data: addresses, routes, rules,
//! interfaces with a virtual MAC.
//!
//! Names that a host turns into numbers are numbers here; interfaces are known by
//! their names. Nothing of it knows where it was written.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vip_common::ids::{Family, MacAddr};

use super::lists::AddressLine;
pub use super::lists::route::{Order, Preference};
pub use super::lists::{Encap, IpEncap, Lifetime, Metric, Network, Property};

/// An address that moves, or one that is always there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix, 0 to 32, or 0 to 128. With a `peer` it is the
    /// longest, and the peer's counts.
    pub prefix: u8,
    /// The interface it goes to, where that is not the instance's.
    pub device: Option<String>,
    /// `use_vmac` behind it: the interface with a virtual MAC that it goes to,
    /// which lies on `device`.
    pub vmac: Option<Vmac>,
    /// Its label, up to 15 bytes; IPv4 only.
    pub label: Option<String>,
    /// Its scope as the kernel numbers it; 0 is global.
    pub scope: u8,
    /// Its broadcast address, where one is asked for.
    pub broadcast: Option<Ipv4Addr>,
    /// The other end of a point-to-point link, and the length of its prefix.
    pub peer: Option<(IpAddr, u8)>,
    /// `home`: IFA_F_HOMEADDRESS (IPv6).
    pub home: bool,
    /// `-nodad`: duplicate address detection is done (IPv6). Without it it is
    /// not: IFA_F_NODAD.
    pub detect_duplicates: bool,
    /// `mngtmpaddr`: IFA_F_MANAGETEMPADDR (IPv6).
    pub manage_temporary: bool,
    /// `noprefixroute`: IFA_F_NOPREFIXROUTE.
    pub no_prefix_route: bool,
    /// `autojoin`: IFA_F_MCAUTOJOIN.
    pub auto_join: bool,
    /// `no_track`: whoever removes it has removed it.
    pub no_track: bool,
    /// How long it is preferred as a source. It is always valid.
    pub preferred: Lifetime,
}

impl VirtualAddress {
    /// An address of which nothing else is said.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        Self {
            address,
            prefix,
            device: None,
            vmac: None,
            label: None,
            scope: 0,
            broadcast: None,
            peer: None,
            home: false,
            detect_duplicates: false,
            manage_temporary: false,
            no_prefix_route: false,
            auto_join: false,
            no_track: false,
            preferred: match address {
                // As in keepalived: never chosen as a source.
                IpAddr::V6(_) if prefix == 128 => Lifetime::Seconds(0),
                IpAddr::V4(_) | IpAddr::V6(_) => Lifetime::Forever,
            },
        }
    }

    /// What a line says. `use_vmac` is left to whoever knows the instance.
    pub(super) fn of(line: &AddressLine) -> Self {
        Self {
            device: line.device.as_ref().map(|word| word.text.to_string()),
            label: line.label.as_ref().map(|word| word.text.to_string()),
            scope: line.scope.unwrap_or(0),
            broadcast: line.broadcast,
            peer: line.peer,
            home: line.home,
            detect_duplicates: line.detect_duplicates,
            manage_temporary: line.manage_temporary,
            no_prefix_route: line.no_prefix_route,
            auto_join: line.auto_join,
            no_track: line.no_track,
            preferred: line.lifetime(),
            ..Self::new(line.address, line.prefix)
        }
    }
}

/// `use_vmac`: a macvlan interface in private mode with a virtual MAC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vmac {
    /// Its name, 1 to 15 bytes.
    pub name: String,
    /// Its MAC address, never multicast: 00:00:5e:00:01:VRID, for IPv6
    /// 00:00:5e:00:02:VRID, unless something else is asked for.
    pub mac: MacAddr,
    /// `vmac_xmit_base`: adverts leave from the interface below, by its own MAC.
    pub transmit_from_base: bool,
    /// The group of interfaces it is in.
    pub group: Option<u32>,
}

/// A route. Its family is that of its destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where to.
    pub destination: Network,
    /// Of what kind it is, as the kernel numbers it (RTN_UNICAST is 1).
    pub kind: u8,
    /// `src`: the source address that is preferred on it.
    pub source: Option<IpAddr>,
    /// `from`: the sources it is for; IPv6 only.
    pub from: Option<Network>,
    /// `via`: the gateway, where there are not several `hops`.
    pub via: Option<IpAddr>,
    /// `dev`: the interface it leaves by.
    pub device: Option<String>,
    /// `onlink`: the gateway is taken for a neighbour whatever its address.
    pub on_link: bool,
    /// `tos`: the value of the DS field it is for; 0 is all.
    pub tos: u8,
    /// `table`: the table it stands in; none is main (254), or that of `vrf`.
    pub table: Option<u32>,
    /// `vrf`: the VRF whose table it stands in.
    pub vrf: Option<String>,
    /// `protocol`: who made it; none is vip ([`ROUTE_PROTOCOL`], 118).
    ///
    /// [`ROUTE_PROTOCOL`]: crate::kernel::ROUTE_PROTOCOL
    pub protocol: Option<u8>,
    /// How far it reaches, as the kernel numbers it; 0 with IPv6.
    pub scope: u8,
    /// `metric`: which of several routes goes first; the lowest does.
    pub metric: Option<u32>,
    /// `expires`: seconds that it lasts; IPv6 only.
    pub expires: Option<u32>,
    /// `mtu`, `rtt` and the like; none stands there twice.
    pub metrics: Vec<Metric>,
    /// `features ecn`.
    pub ecn: bool,
    /// `congctl`: the algorithm of congestion control, and whether it is locked.
    pub congestion: Option<(String, bool)>,
    /// `pref`: how much the router is preferred (RFC 4191); IPv6 only.
    pub preference: Option<Preference>,
    /// `ttl-propagate`: whether MPLS takes the time to live along.
    pub ttl_propagate: Option<bool>,
    /// `realms`; IPv4 only.
    pub realms: Option<Realms>,
    /// `encap`: what its packets are put into.
    pub encap: Option<Encap>,
    /// `nexthop`, and `via` with `or`: several ways that share the load.
    pub hops: Vec<NextHop>,
    /// Where it goes among routes that match the same.
    pub order: Order,
    /// `no_track`: whoever removes it has removed it.
    pub no_track: bool,
}

impl Route {
    /// Its family.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.destination.address)
    }
}

/// One way of a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NextHop {
    /// The gateway.
    pub via: Option<IpAddr>,
    /// The interface it leaves by.
    pub device: Option<String>,
    /// Its share of the load, 1 to 256.
    pub weight: u16,
    /// Whether the gateway is taken for a neighbour whatever its address.
    pub on_link: bool,
    /// What its packets are put into.
    pub encap: Option<Encap>,
    /// Its realms.
    pub realms: Option<Realms>,
}

/// The realms of a route or rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Realms {
    /// The realm it comes from; 0 is none.
    pub from: u16,
    /// The realm it goes to.
    pub to: u16,
}

/// A rule: which packets, and what is done with them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// IPv4 or IPv6.
    pub family: Family,
    /// What is done.
    pub action: RuleAction,
    /// `not`: it is for all packets but these.
    pub inverted: bool,
    /// `from`: the sources; all where none is given.
    pub from: Option<Network>,
    /// `to`: the destinations; all where none is given.
    pub to: Option<Network>,
    /// `iif`: the interface they come in by.
    pub input: Option<String>,
    /// `oif`: the interface that the socket is bound to.
    pub output: Option<String>,
    /// `tos`: the value of the DS field; 0 is all.
    pub tos: u8,
    /// `fwmark`: the mark and its mask.
    pub mark: Option<(u32, u32)>,
    /// `uidrange`: who sends, first and last.
    pub users: Option<(u32, u32)>,
    /// `tunnel-id`: the key of the tunnel.
    pub tunnel: Option<u64>,
    /// `ipproto`: the protocol above IP.
    pub ip_protocol: Option<u8>,
    /// `sport`: source ports, first and last.
    pub source_ports: Option<(u16, u16)>,
    /// `dport`: destination ports, first and last.
    pub destination_ports: Option<(u16, u16)>,
    /// `suppress_prefixlength`: routes with a prefix as short as this, or shorter,
    /// do not count.
    pub suppress_prefix: Option<u8>,
    /// `suppress_ifgroup`: routes by interfaces of this group do not count.
    pub suppress_group: Option<u32>,
    /// `realms`.
    pub realms: Option<Realms>,
    /// `preference`: the lowest goes first.
    pub preference: u32,
    /// `protocol`: who made it; none is vip ([`ROUTE_PROTOCOL`], 118).
    ///
    /// [`ROUTE_PROTOCOL`]: crate::kernel::ROUTE_PROTOCOL
    pub protocol: Option<u8>,
    /// `no_track`: whoever removes it has removed it.
    pub no_track: bool,
}

/// What a rule does with its packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleAction {
    /// This table is looked into.
    Table(u32),
    /// The table of the VRF is looked into.
    VrfTable,
    /// The rule with this preference is next.
    Goto(u32),
    /// Nothing.
    Nop,
    /// They are dropped.
    Blackhole,
    /// They are dropped, and the sender is told.
    Unreachable,
    /// They are dropped, and the sender is told that this is wanted.
    Prohibit,
}

/// Whom an instance speaks to, one by one, instead of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unicast {
    /// The other nodes, in the order of the file; at least one, none twice.
    pub peers: Vec<Peer>,
    /// `unicast_ttl`: time to live, or hop limit, of our adverts.
    pub ttl: u8,
    /// Whether adverts are heard of listed peers only.
    pub check_source: bool,
    /// Whether version 3 over IPv4 computes its checksums as keepalived up to 1.3.6
    /// did for peers.
    pub old_checksum: OldChecksum,
}

impl Unicast {
    /// Whether an advert from `source` with this time to live is a listed peer's.
    #[must_use]
    pub fn admits(&self, source: IpAddr, ttl: u8) -> bool {
        let mut peers = self.peers.iter();
        peers.any(|peer| peer.address == source && (peer.min_ttl..=peer.max_ttl).contains(&ttl))
    }
}

/// A node that is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its address, of the instance's family.
    pub address: IpAddr,
    /// The least time to live, or hop limit, with which its adverts may come.
    pub min_ttl: u8,
    /// The largest.
    pub max_ttl: u8,
}

/// `old_unicast_checksum`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OldChecksum {
    /// As soon as a peer does; without the keyword.
    Auto,
    /// From the start.
    Always,
    /// `never`: such adverts are refused.
    Never,
}

/// `auth_hmac`: signed adverts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hmac {
    /// The keys that are accepted, each with its number, 1 to 255; none twice, at
    /// least one.
    pub keys: Vec<Key>,
    /// The number of the key that signs; it is one of `keys`.
    pub active: u8,
    /// How an old advert is told from a new one.
    pub anti_replay: AntiReplay,
    /// What becomes of adverts that are not signed, and whether ours are.
    pub mode: HmacMode,
}

/// A key and its number.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Which key it is, 1 to 255; it stands in each advert.
    pub id: u8,
    /// 32 to 64 bytes. They are never shown.
    pub secret: Box<[u8]>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// How an old advert is told from a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AntiReplay {
    /// By its time, which must be within so many seconds of ours, 1 to 300; and
    /// by its serial number. The clocks of the nodes must agree.
    Time(u32),
    /// By its serial number alone, which must grow.
    Monotonic,
}

/// What becomes of adverts that are not signed, and whether ours are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HmacMode {
    /// Ours are not, and what comes signed is verified.
    ReceiveOnly,
    /// Ours are, and others need not be.
    Permissive,
    /// All are.
    Enforce,
}

/// An interface that must be up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackedInterface {
    /// Its name.
    pub interface: String,
    /// What it counts.
    pub weight: Weight,
}

/// What a tracker counts: above 0 it adds when all is well, below 0 it takes off
/// when it fails, at 0 a failure is FAULT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Weight {
    /// -254 to 254; -253 to 253 for interfaces.
    pub value: i16,
    /// Success counts as failure, and failure as success.
    pub reverse: bool,
}

/// `garp_extra_if`: gratuitous ARP on interfaces that carry addresses of an instance
/// and none of its adverts, so that switches do not forget them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtraGarp {
    /// How often.
    pub every: Duration,
    /// `all`: on each of them; else on those with a virtual MAC only.
    pub all: bool,
}

/// `vrrp_sync_group`: instances that change state together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncGroup {
    /// Its name; no two share one.
    pub name: String,
    /// Names of instances that there are, each in one group only; at least one.
    pub members: Vec<String>,
    /// `sync_group_tracking_weight`: weights of trackers count. Without it those of
    /// its own and of its members are 0 where they are not left out.
    pub weights: bool,
    /// Interfaces that must be up for all of its members.
    pub track_interfaces: Vec<TrackedInterface>,
    /// What else all of its members go by.
    pub trackers: Vec<super::trackers::Tracked>,
    /// What it runs when it changes as a whole.
    pub notify: super::reaction::Notify,
}

/// `garp_group`: interfaces whose gratuitous ARP and neighbour advertisements are
/// spaced out together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GarpGroup {
    /// The interfaces, at least one; each is in one group only.
    pub interfaces: Vec<String>,
    /// Least time between two gratuitous ARPs; zero is none.
    pub garp_interval: Duration,
    /// Least time between two neighbour advertisements; zero is none.
    pub gna_interval: Duration,
}
