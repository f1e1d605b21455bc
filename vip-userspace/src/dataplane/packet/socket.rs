//! A packet socket bound to one interface, by the system calls themselves.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use libc::{c_int, packet_mreq, sock_filter, sock_fprog, sockaddr_ll};
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket};
use vip_common::ids::MacAddr;

/// The statement of a filter that takes the frame, all of it.
pub(crate) const EVERYTHING: sock_filter = returning(0x0004_0000);
/// The statement of a filter that does not want it.
pub(crate) const NOTHING: sock_filter = returning(0);

const fn returning(k: u32) -> sock_filter {
    sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k,
    }
}

/// What failed, and the kernel's answer.
pub(crate) type Failure = (&'static str, io::Error);

/// Opens a socket that hears every protocol of `ifindex` through `filter`, with
/// the kernel's stamps, and nothing that this host sends. Frames to `groups` come
/// through the device's own filter, whoever else listens to them.
pub(super) fn open(
    ifindex: u32,
    filter: &[sock_filter],
    groups: &BTreeSet<MacAddr>,
) -> Result<OwnedFd, Failure> {
    open_for(ifindex, filter, groups, Wanted::Incoming)
}

/// What a packet socket is to hear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// What comes in.
    Incoming,
    /// What this host sends, too.
    All,
}

/// As [`open`], with what this host sends where that is wanted.
///
/// It hears nothing until all of that is set: it is made without a protocol, and
/// binding gives it one.
pub(crate) fn open_for(
    ifindex: u32,
    filter: &[sock_filter],
    groups: &BTreeSet<MacAddr>,
    wanted: Wanted,
) -> Result<OwnedFd, Failure> {
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )
    .map_err(|error| ("socket", io::Error::from(error)))?;
    attach(socket.as_fd(), filter).map_err(|error| ("SO_ATTACH_FILTER", error))?;
    setsockopt(&socket, ReceiveTimestampns, &true)
        .map_err(|error| ("SO_TIMESTAMPNS", io::Error::from(error)))?;
    if wanted == Wanted::Incoming {
        match ignore_outgoing(socket.as_fd()) {
            // Before Linux 4.20: the packet type tells, one wake-up later.
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {}
            result => result.map_err(|error| ("PACKET_IGNORE_OUTGOING", error))?,
        }
    }
    for group in groups {
        join(socket.as_fd(), ifindex, *group).map_err(|error| ("PACKET_ADD_MEMBERSHIP", error))?;
    }
    bind(socket.as_fd(), ifindex).map_err(|error| ("bind", error))?;
    Ok(socket)
}

/// The interface that the socket is bound to; the kernel makes it another value
/// when the interface goes.
pub(super) fn bound_to(socket: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: all zeros is a valid address of no family.
    #[expect(unsafe_code, reason = "a plain structure of the kernel")]
    let mut address: sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut len = size_of::<sockaddr_ll>() as libc::socklen_t;
    #[expect(
        unsafe_code,
        reason = "nix takes the kernel's answer, whose length follows the MAC's, for a mistake"
    )]
    // SAFETY: both pointers are to live locals, and the length is the address's.
    let result =
        unsafe { libc::getsockname(socket.as_raw_fd(), (&raw mut address).cast(), &raw mut len) };
    Errno::result(result)?;
    Ok(u32::try_from(address.sll_ifindex).unwrap_or(0))
}

fn attach(socket: BorrowedFd<'_>, filter: &[sock_filter]) -> io::Result<()> {
    let len = libc::c_ushort::try_from(filter.len())
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let program = sock_fprog {
        len,
        filter: filter.as_ptr().cast_mut(),
    };
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

fn ignore_outgoing(socket: BorrowedFd<'_>) -> io::Result<()> {
    const PACKET_IGNORE_OUTGOING: c_int = 23;
    let on: c_int = 1;
    set(socket, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, &on)
}

/// Has the device take frames to a multicast MAC for as long as the socket is
/// open.
fn join(socket: BorrowedFd<'_>, ifindex: u32, MacAddr(group): MacAddr) -> io::Result<()> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let [a, b, c, d, e, f] = group;
    let membership = packet_mreq {
        mr_ifindex: c_int::try_from(ifindex).map_err(invalid)?,
        mr_type: u16::try_from(libc::PACKET_MR_MULTICAST).map_err(invalid)?,
        mr_alen: 6,
        mr_address: [a, b, c, d, e, f, 0, 0],
    };
    set(
        socket,
        libc::SOL_PACKET,
        libc::PACKET_ADD_MEMBERSHIP,
        &membership,
    )
}

fn set<T>(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: all callers pass the structure that the kernel reads for this
    // option; what it points to outlives the call and is only read.
    #[expect(unsafe_code, reason = "options that nobody wraps")]
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            len,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn bind(socket: BorrowedFd<'_>, ifindex: u32) -> io::Result<()> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let all = u16::try_from(libc::ETH_P_ALL).map_err(invalid)?;
    let address = sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).map_err(invalid)?,
        sll_protocol: all.to_be(),
        sll_ifindex: c_int::try_from(ifindex).map_err(invalid)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let len = libc::socklen_t::try_from(size_of::<sockaddr_ll>()).map_err(io::Error::other)?;
    // SAFETY: the address is a `sockaddr_ll` of the length that is given.
    #[expect(unsafe_code, reason = "no safe constructor for this address exists")]
    let result =
        unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&address).cast(), len) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
