//! Frames out, past the queue.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, send, setsockopt, socket, sockopt,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::sys;

/// The mark on frames of ours where others can see them, by which
/// [`super::speakers::OwnVoice`] knows them for ours: "vip" in ASCII.
pub const FRAME_MARK: u32 = 0x0076_6970;

/// `TC_PRIO_CONTROL`: queues that look at priorities serve it first.
const PRIORITY_CONTROL: libc::c_int = 7;

/// How many frames go out by one system call.
pub const AT_ONCE: usize = sys::MOST_FRAMES;

/// Sends whole frames on one interface, never blocking, never allocating.
///
/// Frames go straight to the driver, past any queue that others have filled
/// (measured: 4 µs where the queue took 34 ms). Such frames are invisible to
/// a capture on this host. Where the driver cannot take one at once it goes
/// the ordinary way.
#[derive(Debug)]
pub struct FrameSender {
    /// None: it only says that it has sent.
    sockets: Option<Sockets>,
}

#[derive(Debug)]
struct Sockets {
    direct: OwnedFd,
    queued: OwnedFd,
}

impl FrameSender {
    /// For the interface of this index, in the calling thread's namespace.
    ///
    /// # Errors
    ///
    /// Without CAP_NET_RAW (EPERM), or when there is no such interface (ENODEV).
    pub fn open(ifindex: u32) -> io::Result<Self> {
        let direct = packet_socket(ifindex)?;
        sys::set_int(
            direct.as_fd(),
            libc::SOL_PACKET,
            libc::PACKET_QDISC_BYPASS,
            1,
        )?;
        let queued = packet_socket(ifindex)?;
        Ok(Self {
            sockets: Some(Sockets { direct, queued }),
        })
    }

    /// One that takes every frame and sends none (`vip run --shadow`).
    #[must_use]
    pub const fn silent() -> Self {
        Self { sockets: None }
    }

    /// For a test, which has the other end of this socket.
    #[cfg(test)]
    pub(crate) fn over(socket: OwnedFd) -> io::Result<Self> {
        let queued = socket.try_clone()?;
        Ok(Self {
            sockets: Some(Sockets {
                direct: socket,
                queued,
            }),
        })
    }

    /// Sends one frame, from its link-layer header on. When it returns, the
    /// driver or the queue has it.
    ///
    /// # Errors
    ///
    /// `ENETDOWN` while the interface is down, `ENXIO` when it is gone for
    /// good; `ENOBUFS` or `EAGAIN` when both ways are full.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let Some(Sockets { direct, queued }) = &self.sockets else {
            return Ok(());
        };
        match transmit(direct, frame) {
            Err(nix::Error::ENOBUFS | nix::Error::EAGAIN) => Ok(transmit(queued, frame)?),
            other => Ok(other?),
        }
    }

    /// Sends as many of these frames as go by one system call, at most [`AT_ONCE`], and
    /// at least the first; how many those are.
    ///
    /// # Errors
    ///
    /// As [`FrameSender::send`], about the first.
    pub fn send_some(&self, frames: &[&[u8]]) -> io::Result<usize> {
        let Some(first) = frames.first() else {
            return Ok(0);
        };
        if frames.len() > 1
            && let Some(sockets) = &self.sockets
            && let Ok(taken @ 1..) = sys::send_frames(sockets.direct.as_fd(), frames)
        {
            return Ok(taken);
        }
        self.send(first).map(|()| 1)
    }
}

/// Sends whole IP packets, from their IP header on, to peers that the kernel's
/// routes lead to; never blocking, never allocating.
///
/// The kernel finds the way and asks for the neighbour's MAC itself; meanwhile
/// it keeps the packet. It fills in an IPv4 header's checksum, length, and
/// identification where that is zero.
#[derive(Debug)]
pub struct UnicastSender {
    /// None: it only says that it has sent.
    socket: Option<Socket>,
    ifindex: u32,
}

impl UnicastSender {
    /// For packets from `source`, leaving by the interface of this index, or by
    /// whichever the routes say for 0.
    ///
    /// # Errors
    ///
    /// Without CAP_NET_RAW (EPERM), when there is no such interface (ENODEV), or
    /// when `source` is not an address of this host (EADDRNOTAVAIL).
    pub fn open(source: IpAddr, ifindex: u32) -> io::Result<Self> {
        let domain = match source {
            IpAddr::V4(_) => Domain::IPV4,
            IpAddr::V6(_) => Domain::IPV6,
        };
        // Of this protocol a socket only sends, and each packet brings its header.
        let protocol = Protocol::from(libc::IPPROTO_RAW);
        let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
        socket.set_nonblocking(true)?;
        if ifindex != 0 {
            sys::set_int(
                socket.as_fd(),
                libc::SOL_SOCKET,
                libc::SO_BINDTOIFINDEX,
                ifindex.cast_signed(),
            )?;
        }
        // So that the routes are asked for packets from there.
        socket.bind(&address(source, ifindex).into())?;
        setsockopt(&socket, sockopt::Priority, &PRIORITY_CONTROL)?;
        setsockopt(&socket, sockopt::Mark, &FRAME_MARK)?;
        Ok(Self {
            socket: Some(socket),
            ifindex,
        })
    }

    /// The same, and then it takes every packet and sends none (`vip run --shadow`).
    #[must_use]
    pub fn silenced(self) -> Self {
        Self {
            socket: None,
            ..self
        }
    }

    /// Sends one packet, from its IP header on, to `peer`. When it returns the
    /// kernel has it.
    ///
    /// # Errors
    ///
    /// `ENETUNREACH` where no route leads there (with an interface to leave by the
    /// kernel takes any peer for a neighbour then), `ENETDOWN` while the interface
    /// is down, `ENODEV` when it is gone; `EAGAIN` or `ENOBUFS` when the way is full.
    pub fn send(&self, packet: &[u8], peer: IpAddr) -> io::Result<()> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        let to = address(peer, self.ifindex).into();
        socket
            .send_to_with_flags(packet, &to, libc::MSG_DONTWAIT)
            .map(drop)
    }
}

/// An address for a raw socket; a link-local one means something on its
/// interface only.
fn address(address: IpAddr, ifindex: u32) -> SocketAddr {
    match address {
        IpAddr::V4(_) => SocketAddr::new(address, 0),
        IpAddr::V6(v6) => {
            let scope = if v6.is_unicast_link_local() {
                ifindex
            } else {
                0
            };
            SocketAddrV6::new(v6, 0, 0, scope).into()
        }
    }
}

fn packet_socket(ifindex: u32) -> io::Result<OwnedFd> {
    // Protocol 0: it receives nothing, so that nothing piles up in it, and an
    // interface that goes down leaves no error behind for the next frame.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    sys::bind_packet(socket.as_fd(), ifindex, 0)?;
    setsockopt(&socket, sockopt::Priority, &PRIORITY_CONTROL)?;
    // What goes past the queue of a macvlan is seen on the interface below it.
    setsockopt(&socket, sockopt::Mark, &FRAME_MARK)?;
    Ok(socket)
}

fn transmit(socket: &OwnedFd, frame: &[u8]) -> nix::Result<()> {
    send(socket.as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT).map(drop)
}
