//! What becomes of the interfaces, told as it happens.
//!
//! The kernel's events for links are followed one by one, so that a cable
//! pulled and put back at once is still two events; for addresses they only
//! say which interface to read again, since their order is the table's.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use socket2::{SockFilter, SockRef};

use super::ROUTE_PROTOCOL;
use super::inventory::{
    Inventory, Link, RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK, Tables,
};
use super::netlink::RouteSocket;
use super::roads::{RTM_DELROUTE, RTM_DELRULE, RTM_NEWROUTE, RTM_NEWRULE, read_route, read_rule};

/// Multicast groups of route netlink, as a mask for bind.
const GROUPS: u32 = (libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV6_ROUTE) as u32
    | 1 << (libc::RTNLGRP_IPV4_RULE - 1)
    | 1 << (libc::RTNLGRP_IPV6_RULE - 1);

/// Room for some ten thousand events.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;

/// How long to wait before the kernel is asked again after it refused.
const RETRY_MILLIS: u16 = 200;

/// News of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkEvent {
    /// It is new, or something about it is.
    Changed(Link),
    /// No interface has this name and index any longer: it was deleted, moved
    /// to another namespace, or renamed (its new name follows as `Changed`).
    Gone {
        /// The name it had.
        name: String,
        /// The index it had.
        index: u32,
    },
    /// A route with our protocol number has been deleted, by us or by somebody else.
    /// The kernel says nothing of IPv4 routes that go with their link.
    RouteGone {
        /// Where it led.
        destination: IpAddr,
        /// How long the prefix of that is.
        prefix: u8,
        /// The table that it stood in.
        table: u32,
    },
    /// A rule with our protocol number has been deleted, by us or by somebody else.
    RuleGone {
        /// Its number.
        preference: u32,
    },
    /// All that had come until now has been told.
    Told {
        /// Whether nothing more has come meanwhile.
        all: bool,
    },
    /// Events were lost. Everything that is different now has just been told;
    /// what went and came back in between has not.
    Resync,
}

type Sink = Box<dyn FnMut(LinkEvent) + Send>;

/// A thread that follows the interfaces of one network namespace; stopped
/// and joined when this is dropped.
pub struct Monitor {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    /// Follows the calling thread's network namespace. `sink` hears of every
    /// interface that is there before this returns, and from then on of every
    /// change, on a thread of its own.
    ///
    /// # Errors
    ///
    /// When there is no netlink socket or no thread to be had.
    pub fn start(sink: impl FnMut(LinkEvent) + Send + 'static) -> io::Result<Self> {
        let mut follower = Follower::start(Box::new(sink))?;
        let stop = Arc::new(EventFd::from_flags(
            EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK,
        )?);
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("vip-links".into())
            .spawn(move || follower.run(&stopped))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // An eventfd that is full has been written to: the thread will stop.
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread that follows the interfaces has panicked");
        }
    }
}

struct Follower {
    events: RouteSocket,
    inventory: Inventory,
    tables: Tables,
    told: BTreeMap<u32, Link>,
    sink: Sink,
}

impl Follower {
    fn start(sink: Sink) -> io::Result<Self> {
        // Subscribed before the tables are read, so that nothing falls between.
        let events = subscribe()?;
        let mut inventory = Inventory::open()?;
        let tables = inventory.tables()?;
        let mut follower = Self {
            events,
            inventory,
            tables,
            told: BTreeMap::new(),
            sink,
        };
        follower.tell(&follower.known());
        Ok(follower)
    }

    fn run(&mut self, stop: &EventFd) {
        loop {
            let mut waits = [
                PollFd::new(stop.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.events.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut waits, PollTimeout::NONE) {
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(error) => {
                    log::error!("interfaces are no longer followed: poll: {error}");
                    return;
                }
            }
            if waits[0].any().unwrap_or(true) {
                return;
            }
            let followed = self.follow();
            if followed.is_ok() {
                let mut more = [PollFd::new(self.events.as_fd(), PollFlags::POLLIN)];
                let all = poll(&mut more, PollTimeout::ZERO) == Ok(0);
                (self.sink)(LinkEvent::Told { all });
            }
            if let Err(error) = followed {
                log::warn!(
                    "events of the interfaces were lost ({error}); reading all of them again"
                );
                while let Err(error) = self.resync() {
                    log::warn!("cannot read the interfaces: {error}");
                    let mut waits = [PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
                    if poll(&mut waits, PollTimeout::from(RETRY_MILLIS))
                        .is_ok_and(|ready| ready > 0)
                    {
                        return;
                    }
                }
            }
        }
    }

    /// Takes all events that have come in.
    fn follow(&mut self) -> io::Result<()> {
        let mut stale = BTreeSet::new();
        loop {
            let mut news = Vec::new();
            let mut gone = Vec::new();
            let more = self.events.read_events(&mut |message| match message.kind {
                RTM_DELROUTE => gone.extend(
                    read_route(message.body())
                        .filter(|route| route.protocol == ROUTE_PROTOCOL)
                        .map(|route| LinkEvent::RouteGone {
                            destination: route.destination,
                            prefix: route.prefix,
                            table: route.table,
                        }),
                ),
                RTM_DELRULE => gone.extend(
                    read_rule(message.body())
                        .filter(|rule| rule.protocol == ROUTE_PROTOCOL)
                        .map(|rule| LinkEvent::RuleGone {
                            preference: rule.preference,
                        }),
                ),
                RTM_NEWLINK => news.extend(message.link().map(|record| (true, record))),
                RTM_DELLINK => news.extend(message.link().map(|record| (false, record))),
                RTM_NEWADDR | RTM_DELADDR => {
                    stale.extend(message.address().map(|record| record.ifindex))
                }
                _ => {}
            })?;
            for (present, record) in news {
                // What it sits on is touched too: it may have become, or have
                // ceased to be, a parent of VLANs.
                let mut touched = BTreeSet::from([record.index]);
                touched.extend(record.below);
                let before = if present {
                    self.tables.links.insert(record.index, record)
                } else {
                    self.tables.addresses.remove(&record.index);
                    self.tables.links.remove(&record.index)
                };
                touched.extend(before.and_then(|record| record.below));
                self.tell(&touched);
            }
            gone.into_iter().for_each(&mut self.sink);
            if !more {
                break;
            }
        }
        for ifindex in &stale {
            match self.inventory.addresses(*ifindex) {
                Ok(addresses) => self.tables.addresses.insert(*ifindex, addresses),
                // The interface has gone meanwhile; its own event says so.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {
                    self.tables.addresses.remove(ifindex)
                }
                Err(error) => return Err(error),
            };
        }
        self.tell(&stale);
        Ok(())
    }

    fn resync(&mut self) -> io::Result<()> {
        self.events = subscribe()?;
        self.inventory = Inventory::open()?;
        self.tables = self.inventory.tables()?;
        self.tell(&self.known());
        (self.sink)(LinkEvent::Resync);
        Ok(())
    }

    /// Every interface that was told of or is there.
    fn known(&self) -> BTreeSet<u32> {
        self.told
            .keys()
            .chain(self.tables.links.keys())
            .copied()
            .collect()
    }

    /// Tells what differs from what was told last of the `touched` ones:
    /// first what is gone, so that a name is free before it is used again.
    fn tell(&mut self, touched: &BTreeSet<u32>) {
        let now: BTreeMap<u32, Link> = touched
            .iter()
            .filter_map(|index| Some((*index, self.tables.link(*index)?)))
            .collect();
        for index in touched {
            let same_name = |told: &Link| now.get(index).is_some_and(|link| link.name == told.name);
            if !self.told.get(index).is_none_or(same_name)
                && let Some(told) = self.told.remove(index)
            {
                (self.sink)(LinkEvent::Gone {
                    name: told.name,
                    index: *index,
                });
            }
        }
        for (index, link) in now {
            if self.told.get(&index) != Some(&link) {
                (self.sink)(LinkEvent::Changed(link.clone()));
                self.told.insert(index, link);
            }
        }
    }
}

fn subscribe() -> io::Result<RouteSocket> {
    let events = RouteSocket::open(GROUPS)?;
    events.widen(RECEIVE_BUFFER);
    SockRef::from(&events.as_fd()).attach_filter(&no_foreign_routes())?;
    Ok(events)
}

/// Keeps out what is about other people's routes, of which a router may learn
/// thousands in a second, and about what is new.
fn no_foreign_routes() -> [SockFilter; 8] {
    const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    /// Where the type of a message stands, and the protocol of a route.
    const KIND: u32 = 4;
    const PROTOCOL: u32 = 16 + 5;
    // The filter reads as the network does, the type is in the host's order.
    let kind = |kind: u16| u32::from(u16::from_be_bytes(kind.to_ne_bytes()));
    [
        SockFilter::new(LOAD_HALF, 0, 0, KIND),
        SockFilter::new(JUMP_EQUAL, 5, 0, kind(RTM_NEWROUTE)),
        SockFilter::new(JUMP_EQUAL, 4, 0, kind(RTM_NEWRULE)),
        SockFilter::new(JUMP_EQUAL, 0, 2, kind(RTM_DELROUTE)),
        SockFilter::new(LOAD_BYTE, 0, 0, PROTOCOL),
        SockFilter::new(JUMP_EQUAL, 0, 1, u32::from(ROUTE_PROTOCOL)),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
