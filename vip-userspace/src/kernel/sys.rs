//! The few system calls that no safe wrapper offers.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Sets a socket option whose value is an `int`.
#[expect(
    unsafe_code,
    reason = "the netlink and packet options have no safe wrapper"
)]
pub(super) fn set_int(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the kernel reads `size_of::<c_int>()` bytes from `value`, which
    // lives until the call returns; the descriptor is borrowed, hence open.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Binds a packet socket to one interface and one EtherType (0 receives
/// nothing, and leaves the socket good for sending).
#[expect(unsafe_code, reason = "a link-layer address cannot be built safely")]
pub(super) fn bind_packet(socket: BorrowedFd<'_>, ifindex: u32, ethertype: u16) -> io::Result<()> {
    let ifindex = i32::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: ifindex,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the kernel reads `size_of::<sockaddr_ll>()` bytes from `address`,
    // which lives until the call returns; the descriptor is borrowed, hence open.
    let answer = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// How many frames [`send_frames`] takes at once.
pub(super) const MOST_FRAMES: usize = 32;

/// Sends up to [`MOST_FRAMES`] frames on a bound packet socket, by one system call;
/// how many the kernel has taken, from the first on.
#[expect(
    unsafe_code,
    reason = "the library's wrapper needs memory of its own, which a real-time thread cannot take"
)]
pub(super) fn send_frames(socket: BorrowedFd<'_>, frames: &[&[u8]]) -> io::Result<usize> {
    let count = frames.len().min(MOST_FRAMES);
    let mut parts = [libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    }; MOST_FRAMES];
    // SAFETY: all zeros is a message with no name, no parts and no control data.
    let mut messages: [libc::mmsghdr; MOST_FRAMES] = unsafe { std::mem::zeroed() };
    for ((part, message), frame) in parts.iter_mut().zip(&mut messages).zip(frames) {
        part.iov_base = frame.as_ptr().cast_mut().cast();
        part.iov_len = frame.len();
        message.msg_hdr.msg_iov = part;
        message.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: the kernel reads `count` messages, each with one part, which is a frame
    // that it only reads; all of them live until the call returns. It writes to the
    // messages, which are ours. The descriptor is borrowed, hence open.
    let answer = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}

/// The name of an interface, asked of a socket that is there already: the
/// library's `if_indextoname` makes and closes one each time.
#[expect(unsafe_code, reason = "an interface request has no safe wrapper")]
pub(super) fn interface_name(socket: BorrowedFd<'_>, ifindex: u32) -> io::Result<String> {
    let index = i32::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_ifindex: index,
        },
    };
    // SAFETY: the kernel reads and writes one `ifreq`, which is ours and lives
    // until the call returns; the descriptor is borrowed, hence open.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFNAME, &raw mut request) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    let name: Vec<u8> = request
        .ifr_name
        .iter()
        .map(|byte| byte.to_ne_bytes()[0])
        .take_while(|byte| *byte != 0)
        .collect();
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// A duplicate of another process's descriptor, to look at and close again.
/// Needs the right to trace that process (CAP_SYS_PTRACE) and Linux 5.6.
#[expect(unsafe_code, reason = "pidfd_open and pidfd_getfd have no wrapper")]
pub(super) fn descriptor_of(pid: u32, descriptor: u32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and no pointer.
    let process = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0u32) };
    let process = owned(process)?;
    // SAFETY: pidfd_getfd takes three integers and no pointer.
    let copy =
        unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), descriptor, 0u32) };
    owned(copy)
}

#[expect(unsafe_code, reason = "a raw descriptor from a raw system call")]
fn owned(answer: libc::c_long) -> io::Result<OwnedFd> {
    match i32::try_from(answer) {
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
