//! Interfaces with a virtual MAC: a macvlan on the interface that a router is on.
//!
//! As in keepalived it is in private mode, has its MAC before it is up, and gets no
//! address by itself. The interface below keeps quiet about addresses that are not
//! its own, or it would answer for the virtual ones with its own MAC.

use std::collections::HashMap;
use std::io;
use std::net::Ipv6Addr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;
use vip_common::ids::{Family, MacAddr};

use super::addresses::{NetlinkKernel, Tidied, spread};
use super::ask::Request;
use super::inventory::{RTM_DELLINK, RTM_NEWLINK};
use super::ledger::{Kind, Made};
use super::message::{Macvlan, Refusal};
use super::roads::{MAIN, RTM_NEWROUTE};
use super::{ROUTE_PROTOCOL, interface_name, kernel_says, switches};
use crate::config::estate::Vmac;

/// What an interface of ours says of itself (`ifalias`) before the runtime directory
/// that it belongs to; by both a later start knows it, and another vip of this host
/// leaves it alone.
pub const VMAC_ALIAS: &str = "virtual MAC of vip in ";

/// Longest alias that the kernel takes.
const LONGEST_ALIAS: usize = 255;

const RTM_SETLINK: u16 = 19;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_GROUP: u16 = 27;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
/// Nothing goes between two interfaces on the same one below.
const MODE_PRIVATE: u32 = 1;
/// No link-local address is made.
const ADDR_GEN_NONE: u8 = 1;
/// The first byte of a MAC that nobody has been given (IEEE 802).
const LOCALLY_ADMINISTERED: u8 = 0x02;

/// There is no interface with the virtual MAC.
#[derive(Debug, thiserror::Error)]
pub enum VmacError {
    /// Something else has its name.
    #[error("{name} is an interface of somebody else; remove it, or give `use_vmac` another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// There is none, and it is another program's to make.
    #[error("{name} is not there: the daemon that this one shadows has not made it")]
    NotMade {
        /// The name.
        name: String,
    },
    /// The interface below has gone.
    #[error("cannot make {name}: the interface below it has gone")]
    NoBase {
        /// The name.
        name: String,
    },
    /// The kernel has refused it.
    #[error("cannot make {name} on {base}: {error}{}{help}", kernel_says(.note.as_deref()))]
    Refused {
        /// The name.
        name: String,
        /// The interface below.
        base: String,
        /// The errno.
        #[source]
        error: io::Error,
        /// The kernel's own sentence, where it gives one.
        note: Option<String>,
        /// What to do about it, with the sign before it.
        help: &'static str,
    },
    /// A switch of the kernel could not be turned.
    #[error("cannot make {name} on {base}: {error}")]
    Switch {
        /// The name.
        name: String,
        /// The interface below.
        base: String,
        /// Which, and why.
        #[source]
        error: io::Error,
    },
}

impl NetlinkKernel {
    /// As [`super::Kernel::ensure_vmac`].
    pub(super) fn make_vmac(
        &mut self,
        base: u32,
        vmac: &Vmac,
        families: &[Family],
    ) -> Result<u32, VmacError> {
        let name = &vmac.name;
        let below = interface_name(base);
        let refused = |refusal: Refusal| VmacError::Refused {
            name: name.clone(),
            base: below.clone(),
            help: help(&refusal),
            error: refusal.error,
            note: refusal.note,
        };
        let all = self
            .links()
            .map_err(|error| refused(Refusal { error, note: None }))?;
        let found = all.iter().find(|one| one.name == *name);
        let index = match found {
            Some(found) if !self.is_ours(found) => {
                // Whom it belonged to may be dead. If not, nobody but them sets it
                // up, and what leaves by it is lost.
                return if found.up && is_macvlan_of(found, base, vmac) {
                    Ok(found.index)
                } else {
                    Err(VmacError::NameTaken { name: name.clone() })
                };
            }
            Some(found) if found.below == Some(base) && found.mode == Some(MODE_PRIVATE) => {
                if found.mac != vmac.mac.0 {
                    self.clear_the_way(&all, base, vmac);
                    self.one(&addressing(found.index, vmac.mac.0))
                        .map_err(refused)?;
                }
                found.index
            }
            found => {
                if let Some(found) = found {
                    self.one(&deletion(found.index)).map_err(refused)?;
                }
                self.clear_the_way(&all, base, vmac);
                let made = made(name);
                self.ledger.making(std::iter::once(&made));
                let created = self.one(&creation(base, vmac));
                let there = created.is_ok();
                self.settle_made(&made, there);
                if let Err(refusal) = created {
                    return Err(if refusal.is(libc::ENODEV) {
                        VmacError::NoBase { name: name.clone() }
                    } else {
                        refused(refusal)
                    });
                }
                nix::net::if_::if_nametoindex(name.as_str()).map_err(|error| {
                    refused(Refusal {
                        error: error.into(),
                        note: None,
                    })
                })?
            }
        };
        // Also where it was there: what a dead vip has begun may not be complete.
        let done = self
            .furnish(index, &below, name, families)
            .map_err(|error| VmacError::Switch {
                name: name.clone(),
                base: below.clone(),
                error,
            })
            .and_then(|()| self.raise(index, families).map_err(refused));
        if done.is_err() {
            self.unmake_vmac(name);
        }
        done.map(|()| index)
    }

    /// One of ours that somebody has given another name may still have the MAC, which
    /// an interface takes once; nobody else would remove it.
    fn clear_the_way(&mut self, all: &[Macvlan], base: u32, vmac: &Vmac) {
        let alias = self.alias();
        for one in all {
            let in_the_way = one.name != vmac.name && is_macvlan_of(one, base, vmac);
            if !in_the_way || one.alias != alias || self.is_listed(&one.name) {
                continue;
            }
            if let Err(refusal) = self.one(&deletion(one.index)) {
                log::warn!("cannot remove {}: {}", one.name, refusal.error);
            }
        }
    }

    /// As [`super::Kernel::free_mac`].
    pub(super) fn give_other_mac(&mut self, name: &str) {
        if let Ok(Some(found)) = self.macvlan(name)
            && self.is_ours(&found)
        {
            let [a, b, c, d] = found.index.to_be_bytes();
            let mac = [LOCALLY_ADMINISTERED, 0, a, b, c, d];
            if let Err(refusal) = self.one(&addressing(found.index, mac)) {
                log::warn!("cannot take its MAC from {name}: {}", refusal.error);
            }
        }
    }

    /// As [`super::Kernel::vmacs_stand`].
    pub(super) fn find_standing(
        &mut self,
        expected: &[(u32, u32, &Vmac)],
    ) -> io::Result<Vec<bool>> {
        let all = self.links()?;
        let all: HashMap<u32, Macvlan> = all.into_iter().map(|one| (one.index, one)).collect();
        let stands = |(index, base, vmac): &(u32, u32, &Vmac)| {
            let found = all.get(index);
            found.is_some_and(|one| {
                one.up && one.name == vmac.name && is_macvlan_of(one, *base, vmac)
            })
        };
        Ok(expected.iter().map(stands).collect())
    }

    /// As [`super::Kernel::remove_vmac`].
    pub(super) fn unmake_vmac(&mut self, name: &str) {
        if let Ok(Some(found)) = self.macvlan(name)
            && self.is_ours(&found)
            && let Err(refusal) = self.one(&deletion(found.index))
            && !refusal.is(libc::ENODEV)
        {
            log::warn!("cannot remove {name}: {}", refusal.error);
        }
        self.settle_made(&made(name), false);
        self.turn_back(name);
    }

    /// Takes away the interfaces that a dead vip has listed.
    pub(super) fn tidy_vmacs(&mut self, tidied: &mut Tidied) {
        let listed = self.ledger.entries().to_vec();
        for entry in listed {
            let Some(name) = entry
                .made()
                .filter(|made| made.kind == Kind::Vmac)
                .map(|made| made.key.clone())
            else {
                continue;
            };
            let there = self.macvlan(&name).ok().flatten();
            let ours = there.is_some_and(|found| self.is_ours(&found));
            self.unmake_vmac(&name);
            if ours {
                tidied.removed.push(entry);
            }
        }
    }

    /// What makes it a good home for virtual addresses.
    fn furnish(
        &mut self,
        index: u32,
        base: &str,
        name: &str,
        families: &[Family],
    ) -> io::Result<()> {
        // A kernel without IPv6 has no such mode, and makes no such address.
        let _ = self.one(&no_generated_address(index));
        let v6 = format!("net/ipv6/conf/{name}");
        let has_v6 = std::path::Path::new(&format!("/proc/sys/{v6}")).exists();
        if families.contains(&Family::V6) {
            // Neither addresses nor routes that a router of the segment announces:
            // the interface below has them.
            switches::write(&format!("{v6}/disable_ipv6"), "0")?;
            switches::write(&format!("{v6}/accept_ra"), "0")?;
        } else if has_v6 {
            switches::write(&format!("{v6}/disable_ipv6"), "1")?;
        }
        if !families.contains(&Family::V4) {
            return Ok(());
        }
        let v4 = |interface: &str, switch: &str| format!("net/ipv4/conf/{interface}/{switch}");
        for (switch, value) in [
            ("arp_ignore", "1"),
            // Unlike keepalived, which turns it on: a successor's gratuitous ARP would
            // be answered while the address is still served here, by the MAC that
            // both share, and switches would send its traffic back.
            ("accept_local", "0"),
            ("promote_secondaries", "1"),
            // Answers leave by the interface below.
            ("rp_filter", "0"),
        ] {
            switches::write(&v4(name, switch), value)?;
        }
        for switch in ["arp_ignore", "arp_filter"] {
            let path = v4(base, switch);
            // Where it is on without us nobody has to give it back.
            if switches::number(&path) == 0 || self.is_turned(&path) {
                self.turn(&path, "1", name)?;
            }
        }
        self.free_rp_filter(name)
    }

    /// `conf/all/rp_filter` would hold on the new interface too: what it says is said
    /// by each of the others instead, and by those that are still to come.
    fn free_rp_filter(&mut self, name: &str) -> io::Result<()> {
        const ALL: &str = "net/ipv4/conf/all/rp_filter";
        let all = switches::number(ALL);
        if all == 0 {
            if self.is_turned(ALL) {
                self.share_turned(name, "rp_filter");
            }
            return Ok(());
        }
        let ours: Vec<String> = self
            .links()?
            .into_iter()
            .filter(|one| self.is_ours(one))
            .map(|one| one.name)
            .collect();
        for entry in std::fs::read_dir("/proc/sys/net/ipv4/conf")? {
            let other = entry?.file_name().to_string_lossy().into_owned();
            if other == "all" || ours.contains(&other) {
                continue;
            }
            let path = format!("net/ipv4/conf/{other}/rp_filter");
            let strictest = switches::number(&path).max(all);
            self.turn(&path, &strictest.to_string(), name)?;
        }
        self.turn(ALL, "0", name)
    }

    /// Names it, sets it up, and lets it reach its IPv6 neighbours without an address of its own.
    /// As [`Kernel::hush_vmac`](super::Kernel::hush_vmac).
    pub(super) fn set_vmac_down(&mut self, name: &str) {
        let up = libc::IFF_UP.cast_unsigned();
        if let Ok(Some(found)) = self.macvlan(name)
            && self.is_ours(&found)
        {
            let down = Request::new(RTM_SETLINK, 0, &link_header(found.index, 0, up));
            if let Err(refusal) = self.one(&down) {
                log::warn!("cannot set {name} down: {}", refusal.error);
            }
        }
    }

    /// As [`Kernel::wake_vmac`](super::Kernel::wake_vmac).
    pub(super) fn set_vmac_up(&mut self, name: &str, families: &[Family]) {
        if let Ok(Some(found)) = self.macvlan(name)
            && self.is_ours(&found)
            && let Err(refusal) = self.raise(found.index, families)
        {
            log::warn!("cannot set {name} up: {}", refusal.error);
        }
    }

    fn raise(&mut self, index: u32, families: &[Family]) -> Result<(), Refusal> {
        let up = libc::IFF_UP.cast_unsigned();
        let alias = self.alias();
        self.one(&naming(index, &alias))?;
        self.one(&Request::new(RTM_SETLINK, 0, &link_header(index, up, up)))?;
        if !families.contains(&Family::V6) {
            return Ok(());
        }
        match self.one(&link_local_route(index)) {
            Err(refusal) if !refusal.is(libc::EEXIST) => Err(refusal),
            _ => Ok(()),
        }
    }

    fn one(&mut self, request: &Request) -> Result<(), Refusal> {
        let answers = self.socket.ask(std::slice::from_ref(request));
        spread(answers, 1).into_iter().collect()
    }

    fn alias(&self) -> String {
        let directory = self.ledger.directory();
        let whole = std::fs::canonicalize(directory);
        let whole = whole.as_deref().unwrap_or(directory).to_string_lossy();
        let alias = format!("{VMAC_ALIAS}{whole}");
        // The end of a long one tells most.
        let surplus = alias.len().saturating_sub(LONGEST_ALIAS);
        let start = (surplus..=alias.len()).find(|at| alias.is_char_boundary(*at));
        alias
            .get(start.unwrap_or(0)..)
            .unwrap_or_default()
            .to_owned()
    }

    /// Whether it says so of itself, or a dead vip was about to have it say so.
    fn is_ours(&self, found: &Macvlan) -> bool {
        found.alias == self.alias()
            || found.mode == Some(MODE_PRIVATE) && self.is_listed(&found.name)
    }

    /// Whether we, or a dead vip, have made one of this name.
    fn is_listed(&self, name: &str) -> bool {
        let made = made(name);
        let mut entries = self.ledger.entries().iter();
        entries.any(|entry| entry.made() == Some(&made))
    }

    fn macvlan(&mut self, name: &str) -> io::Result<Option<Macvlan>> {
        let mut all = self.links()?.into_iter();
        Ok(all.find(|one| one.name == name))
    }

    fn links(&mut self) -> io::Result<Vec<Macvlan>> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        self.socket.dump(&request, |message| {
            (message.kind == RTM_NEWLINK).then(|| message.macvlan())?
        })
    }

    fn settle_made(&mut self, made: &Made, there: bool) {
        self.ledger
            .settle_by(|entry| (entry.made() == Some(made)).then_some(there));
    }
}

fn made(name: &str) -> Made {
    Made {
        kind: Kind::Vmac,
        key: name.to_owned(),
        words: format!("interface {name}"),
    }
}

/// What to do about a refusal.
fn help(refusal: &Refusal) -> &'static str {
    if refusal.is(libc::EPERM) {
        "; vip needs CAP_NET_ADMIN"
    } else if refusal.is(libc::EOPNOTSUPP) {
        "; this kernel has no macvlan (module macvlan)"
    } else if refusal.is(libc::EADDRINUSE) {
        "; it or another interface on it has the same MAC: two virtual routers of one VRID?"
    } else if refusal.is(libc::EBUSY) {
        "; it is the port of a bridge or a bond: put the router on that instead"
    } else if refusal.is(libc::EEXIST) {
        "; an interface of that name has just appeared"
    } else {
        ""
    }
}

/// A `struct ifinfomsg`.
fn link_header(index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut header = vec![libc::AF_UNSPEC as u8, 0, 0, 0];
    for field in [index, flags, change] {
        header.extend(field.to_ne_bytes());
    }
    header
}

fn creation(base: u32, vmac: &Vmac) -> Request {
    let MacAddr(mac) = vmac.mac;
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    let mut request = Request::new(RTM_NEWLINK, flags, &link_header(0, 0, 0));
    request
        .number(IFLA_LINK, base)
        .text(IFLA_IFNAME, &vmac.name)
        .bytes(IFLA_ADDRESS, &mac);
    if let Some(group) = vmac.group {
        request.number(IFLA_GROUP, group);
    }
    request.nested(IFLA_LINKINFO, |info| {
        info.text(IFLA_INFO_KIND, "macvlan");
        info.nested(IFLA_INFO_DATA, |data| {
            data.number(IFLA_MACVLAN_MODE, MODE_PRIVATE);
        });
    });
    request
}

/// Whether it is one on that interface, with that MAC.
fn is_macvlan_of(found: &Macvlan, base: u32, vmac: &Vmac) -> bool {
    found.below == Some(base) && found.mac == vmac.mac.0 && found.mode == Some(MODE_PRIVATE)
}

/// Gives it a MAC.
fn addressing(index: u32, mac: [u8; 6]) -> Request {
    let mut request = Request::new(RTM_SETLINK, 0, &link_header(index, 0, 0));
    request.bytes(IFLA_ADDRESS, &mac);
    request
}

fn deletion(index: u32) -> Request {
    Request::new(RTM_DELLINK, 0, &link_header(index, 0, 0))
}

/// What it says of itself; the kernel does not take that at its creation.
fn naming(index: u32, alias: &str) -> Request {
    let mut request = Request::new(RTM_SETLINK, 0, &link_header(index, 0, 0));
    request.bytes(IFLA_IFALIAS, alias.as_bytes());
    request
}

fn no_generated_address(index: u32) -> Request {
    let mut request = Request::new(RTM_SETLINK, 0, &link_header(index, 0, 0));
    request.nested(IFLA_AF_SPEC, |families| {
        families.nested(libc::AF_INET6 as u16, |v6| {
            v6.bytes(IFLA_INET6_ADDR_GEN_MODE, &[ADDR_GEN_NONE]);
        });
    });
    request
}

/// `fe80::/64` by this interface, besides the one by the interface below.
fn link_local_route(index: u32) -> Request {
    const RTA_DST: u16 = 1;
    const RTA_OIF: u16 = 4;
    const RTA_PRIORITY: u16 = 6;
    const RTN_UNICAST: u8 = 1;
    /// As the kernel gives it to those that it makes itself.
    const METRIC: u32 = 256;

    let network = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
    let header = [
        libc::AF_INET6 as u8,
        64,
        0,
        0,
        MAIN as u8,
        ROUTE_PROTOCOL,
        0,
        RTN_UNICAST,
        0,
        0,
        0,
        0,
    ];
    let mut request = Request::new(RTM_NEWROUTE, NLM_F_CREATE, &header);
    request
        .bytes(RTA_DST, &network.octets())
        .number(RTA_OIF, index)
        .number(RTA_PRIORITY, METRIC);
    request
}
