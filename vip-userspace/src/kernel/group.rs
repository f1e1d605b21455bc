//! Being a member of the adverts' group, and being at home for protocol 112.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, SockRef, Socket, Type};

/// Membership of one interface in one multicast group, as long as this lives:
/// the NIC's filter lets the group in, and snooping switches are told.
///
/// It outlives the interface going down and up; the kernel forgets it with
/// the interface. One recreated under the same name needs a new one.
#[derive(Debug)]
pub struct Membership {
    socket: Socket,
    group: IpAddr,
    ifindex: u32,
}

impl Membership {
    /// Joins `group` on an interface, with no need of an address on it.
    ///
    /// # Errors
    ///
    /// When there is no such interface (ENODEV), or the group is none.
    pub fn join(group: IpAddr, ifindex: u32) -> io::Result<Self> {
        // A socket for each: the system limits the groups of one socket.
        let socket = Socket::new(domain(group), Type::DGRAM, None)?;
        let membership = Self {
            socket,
            group,
            ifindex,
        };
        membership.enter()?;
        Ok(membership)
    }

    /// Leaves and joins again, so that the report goes out anew: for a switch
    /// that has forgotten it while the cable was out.
    ///
    /// # Errors
    ///
    /// As [`Membership::join`].
    pub fn renew(&self) -> io::Result<()> {
        let left = match &self.group {
            IpAddr::V4(group) => self
                .socket
                .leave_multicast_v4_n(group, &InterfaceIndexOrAddress::Index(self.ifindex)),
            IpAddr::V6(group) => self.socket.leave_multicast_v6(group, self.ifindex),
        };
        match left {
            // The kernel has let go of it by itself.
            Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => {}
            other => other?,
        }
        self.enter()
    }

    /// The interface's index.
    #[must_use]
    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    fn enter(&self) -> io::Result<()> {
        match &self.group {
            IpAddr::V4(group) => self
                .socket
                .join_multicast_v4_n(group, &InterfaceIndexOrAddress::Index(self.ifindex)),
            IpAddr::V6(group) => self.socket.join_multicast_v6(group, self.ifindex),
        }
    }
}

fn domain(address: IpAddr) -> Domain {
    match address {
        IpAddr::V4(_) => Domain::IPV4,
        IpAddr::V6(_) => Domain::IPV6,
    }
}

/// While this lives, the host has a listener for protocol 112 in both families,
/// and answers no peer's unicast advert with "protocol unreachable" (or, of IPv6,
/// with "unknown next header"). It hears nothing: its filter drops every packet.
#[derive(Debug)]
pub struct ProtocolHold {
    /// IPv4, and IPv6 where this host has it.
    sockets: Vec<Socket>,
}

/// Keeps the host from refusing protocol 112.
///
/// # Errors
///
/// Without CAP_NET_RAW.
pub fn hold_protocol_112() -> io::Result<ProtocolHold> {
    let mut sockets = vec![deaf_listener(Domain::IPV4)?];
    match deaf_listener(Domain::IPV6) {
        Ok(socket) => sockets.push(socket),
        // A kernel without IPv6 refuses nobody by it.
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {}
        Err(error) => return Err(error),
    }
    Ok(ProtocolHold { sockets })
}

fn deaf_listener(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(PROTOCOL)))?;
    // Bound to no interface: that is how another program's holder is told
    // from ours (see `speakers::foreign_holders`).
    drop_everything(&socket)?;
    socket.set_recv_buffer_size(1)?;
    Ok(socket)
}

/// VRRP's IP protocol number.
pub(super) const PROTOCOL: i32 = 112;

impl ProtocolHold {
    /// Packets that wait to be read; none ever does.
    ///
    /// # Errors
    ///
    /// When the socket is broken.
    pub fn is_silent(&self) -> io::Result<bool> {
        for socket in &self.sockets {
            let mut byte = [std::mem::MaybeUninit::uninit(); 1];
            match socket.recv_with_flags(&mut byte, libc::MSG_DONTWAIT | libc::MSG_PEEK) {
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// A classic filter of one instruction: keep no byte of anything.
pub(super) fn drop_everything(socket: &impl AsFd) -> io::Result<()> {
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    SockRef::from(socket).attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])
}
