//! The two things for which starting `ip` is too slow: pulling a cable at a
//! known moment, and seeing an address the moment it is there.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use vip_common::time::MonoTime;

use super::{Host, LabError, now};
use crate::engine::class::become_fifo;

/// Above ordinary threads, below those of the daemons that are watched.
const PROMPT: i32 = 10;
/// RTNLGRP_IPV4_IFADDR and RTNLGRP_IPV6_IFADDR.
const ADDRESSES: [u32; 2] = [5, 9];

/// Sets a link administratively up or down in the namespace of this thread.
pub(super) fn set_up(index: u32, up: bool) -> Result<(), LabError> {
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.header.change_mask = LinkFlags::Up;
    if up {
        link.header.flags = LinkFlags::Up;
    }
    request(RouteNetlinkMessage::SetLink(link)).map_err(LabError::system("set a port up or down"))
}

/// One request, one acknowledgement.
fn request(message: RouteNetlinkMessage) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)
        .map_err(|error| io::Error::other(error.to_string()))?;
    if let NetlinkPayload::Error(error) = answer.payload
        && error.code.is_some()
    {
        return Err(error.to_io());
    }
    Ok(())
}

/// When addresses of either family came to a host and went, as its kernel told.
pub struct AddressWatch {
    shared: Arc<Shared>,
    stop: Option<io::PipeWriter>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<(MonoTime, IpAddr, bool)>>,
    more: Condvar,
}

impl AddressWatch {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the host has no netlink socket to give.
    pub fn start(host: &Host) -> Result<Self, LabError> {
        let failed = || LabError::system("listen for addresses");
        let socket = host
            .run(|| {
                let mut socket = Socket::new(NETLINK_ROUTE)?;
                socket.bind_auto()?;
                for group in ADDRESSES {
                    socket.add_membership(group)?;
                }
                io::Result::Ok(socket)
            })?
            .map_err(failed())?;
        let (quit, stop) = io::pipe().map_err(failed())?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let reader = thread::Builder::new()
            .name("lab addresses".into())
            .spawn(move || listen(&socket, &quit, &theirs))
            .map_err(failed())?;
        Ok(Self {
            shared,
            stop: Some(stop),
            reader: Some(reader),
        })
    }

    /// When `address` first came (`true`) or went (`false`) after `after`.
    ///
    /// # Errors
    /// When it does not within `bound`.
    pub fn wait_for(
        &self,
        address: impl Into<IpAddr>,
        came: bool,
        after: MonoTime,
        bound: Duration,
    ) -> Result<MonoTime, LabError> {
        let address = address.into();
        let end = Instant::now() + bound;
        let mut seen = self
            .shared
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = seen
                .iter()
                .find(|(stamp, which, how)| *stamp >= after && *which == address && *how == came);
            if let Some((stamp, ..)) = found {
                return Ok(*stamp);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let verb = if came { "come" } else { "go" };
                return Err(LabError::TooLate {
                    what: format!("address {address} to {verb}"),
                    bound,
                });
            }
            seen = self
                .shared
                .more
                .wait_timeout(seen, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl AddressWatch {
    /// Every coming (`true`) and going of `address` so far, in order.
    #[must_use]
    pub fn history(&self, address: impl Into<IpAddr>) -> Vec<(MonoTime, bool)> {
        let address = address.into();
        let seen = self
            .shared
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .filter(|(_, which, _)| *which == address)
            .map(|(stamp, _, came)| (*stamp, *came))
            .collect()
    }
}

impl Drop for AddressWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Until the other end of `quit` is closed.
fn listen(socket: &Socket, quit: &io::PipeReader, shared: &Shared) {
    // These stamps are this thread's own, so it must be prompt; where it may
    // not be, they are late by its wake-up.
    let _ = become_fifo(PROMPT);
    loop {
        let mut fds = [
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(quit.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => return,
        }
        let stamp = now();
        let [events, closed] = fds.map(|fd| fd.any().unwrap_or(true));
        if closed {
            return;
        }
        if !events {
            continue;
        }
        let Ok((bytes, _)) = socket.recv_from_full() else {
            return;
        };
        let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(changes(&bytes).map(|(address, came)| (stamp, address, came)));
        shared.more.notify_all();
    }
}

/// The addresses in one datagram of several messages.
fn changes(mut bytes: &[u8]) -> impl Iterator<Item = (IpAddr, bool)> {
    std::iter::from_fn(move || {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes).ok()?;
        // Messages are aligned to four bytes.
        let length = (message.header.length as usize).next_multiple_of(4);
        bytes = bytes.get(length..).unwrap_or_default();
        Some(message.payload)
    })
    .filter_map(|payload| {
        let NetlinkPayload::InnerMessage(message) = payload else {
            return None;
        };
        if let RouteNetlinkMessage::NewAddress(message) = message {
            Some((local(&message)?, true))
        } else if let RouteNetlinkMessage::DelAddress(message) = message {
            Some((local(&message)?, false))
        } else {
            None
        }
    })
}

/// IPv4 names its own end of a link so, IPv6 only where there is a peer.
fn local(message: &AddressMessage) -> Option<IpAddr> {
    let attributes = message.attributes.iter();
    let mut found = None;
    for attribute in attributes {
        if let AddressAttribute::Local(address) = attribute {
            return Some(*address);
        }
        if let AddressAttribute::Address(address) = attribute {
            found = Some(*address);
        }
    }
    found
}
