//! What this host itself says on an interface.

use std::io::{self, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockType, recvmsg,
    setsockopt, socket, sockopt,
};
use nix::time::{ClockId, clock_gettime};
use socket2::{SockFilter, SockRef};
use vip_common::ids::{Family, MacAddr, Priority, Vrid};
use vip_common::time::MonoTime;

use crate::dataplane::packet::stamp;
use crate::kernel::group::{PROTOCOL, drop_everything};
use crate::kernel::sender::FRAME_MARK;
use crate::kernel::sys;

/// Room for the stamp of a packet and what else the kernel may add.
const CONTROL: usize = 256;

/// An advert that another program of this host has sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// For which router.
    pub vrid: Vrid,
    /// From which address.
    pub source: IpAddr,
    /// From which MAC.
    pub mac: MacAddr,
    /// With which priority; zero is the announcement of a leave.
    pub priority: Priority,
}

/// Hears the adverts of either family that leave this host by one interface and are not
/// ours: a program here that speaks for one of our routers is a second voice
/// of the same host, which no election can settle.
///
/// Our own frames go past the place where it listens, or carry a mark. What
/// guests behind the interface send (a macvlan's container) leaves the same
/// way; they have other addresses, by which the caller tells them.
///
/// The kernel makes a copy of each outgoing packet for as long as this is
/// open: meant for the time around a start, or where that cost is accepted.
#[derive(Debug)]
pub struct OwnVoice {
    socket: OwnedFd,
    routers: Vec<(Family, Vrid)>,
}

impl OwnVoice {
    /// Listens on the interface of this index, for these routers.
    ///
    /// # Errors
    ///
    /// Without CAP_NET_RAW (EPERM), or when there is no such interface (ENODEV).
    pub fn open(ifindex: u32, routers: &[(Family, Vrid)]) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        // Only a listener to everything is shown what goes out; the filter
        // is in place before it hears the first packet.
        drop_everything(&socket)?;
        sys::bind_packet(socket.as_fd(), ifindex, libc::ETH_P_ALL as u16)?;
        SockRef::from(&socket).attach_filter(&outgoing_adverts())?;
        setsockopt(&socket, sockopt::RcvBuf, &(64 * 1024))?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        Ok(Self {
            socket,
            routers: routers.to_vec(),
        })
    }

    /// The next advert of ours that was not ours, if one has been heard.
    pub fn drain(&self) -> Option<Heard> {
        self.drain_stamped().map(|(_, heard)| heard)
    }

    /// The same, and when it left.
    pub fn drain_stamped(&self) -> Option<(MonoTime, Heard)> {
        let mut frame = [0; 128];
        let mut control = Vec::with_capacity(CONTROL);
        loop {
            let mut parts = [IoSliceMut::new(&mut frame)];
            control.clear();
            let message = recvmsg::<LinkAddr>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::empty(),
            );
            let message = message.ok()?;
            let length = message.bytes;
            let stamp = message.cmsgs().ok().and_then(|mut all| {
                all.find_map(|one| {
                    if let ControlMessageOwned::ScmTimestampns(stamp) = one {
                        Some(Duration::from(stamp))
                    } else {
                        None
                    }
                })
            });
            if let Some(heard) = read(&frame[..length.min(frame.len())])
                && self
                    .routers
                    .contains(&(Family::of(heard.source), heard.vrid))
            {
                return Some((when(stamp), heard));
            }
        }
    }
}

/// The kernel's stamp on the clock of the election; without one it was now.
fn when(stamp: Option<Duration>) -> MonoTime {
    // Reading these two clocks cannot fail on Linux.
    let read = |clock| clock_gettime(clock).map_or(Duration::ZERO, Duration::from);
    let mono = MonoTime::ZERO + read(ClockId::CLOCK_MONOTONIC);
    let real = read(ClockId::CLOCK_REALTIME);
    stamp::monotonic(mono, real, stamp.unwrap_or(real))
}

impl AsRawFd for OwnVoice {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for OwnVoice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn read(frame: &[u8]) -> Option<Heard> {
    let mac = MacAddr(frame.get(6..12)?.try_into().ok()?);
    let ip = frame.get(14..)?;
    let first = *ip.first()?;
    let (source, header) = if first >> 4 == 6 {
        let source: [u8; 16] = ip.get(8..24)?.try_into().ok()?;
        (IpAddr::from(source), 40)
    } else {
        let source: [u8; 4] = ip.get(12..16)?.try_into().ok()?;
        (IpAddr::from(source), usize::from(first & 0x0f) * 4)
    };
    let header = header.max(20);
    let vrid = Vrid::new(*ip.get(header + 1)?)?;
    Some(Heard {
        vrid,
        source,
        mac,
        priority: Priority::from_wire(*ip.get(header + 2)?),
    })
}

/// Outgoing, without our mark, IPv4 or IPv6, protocol 112.
fn outgoing_adverts() -> [SockFilter; 13] {
    const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let ancillary = |field: libc::c_int| (libc::SKF_AD_OFF + field).cast_unsigned();
    [
        SockFilter::new(LOAD_BYTE, 0, 0, ancillary(libc::SKF_AD_PKTTYPE)),
        SockFilter::new(JUMP_EQUAL, 0, 10, u32::from(libc::PACKET_OUTGOING)),
        SockFilter::new(LOAD_WORD, 0, 0, ancillary(libc::SKF_AD_MARK)),
        SockFilter::new(JUMP_EQUAL, 8, 0, FRAME_MARK),
        SockFilter::new(LOAD_HALF, 0, 0, 12),
        SockFilter::new(JUMP_EQUAL, 3, 0, libc::ETH_P_IPV6 as u32),
        SockFilter::new(JUMP_EQUAL, 0, 5, libc::ETH_P_IP as u32),
        SockFilter::new(LOAD_BYTE, 0, 0, 14 + 9),
        SockFilter::new(JUMP_EQUAL, 2, 3, PROTOCOL.cast_unsigned()),
        SockFilter::new(LOAD_BYTE, 0, 0, 14 + 6),
        SockFilter::new(JUMP_EQUAL, 0, 1, PROTOCOL.cast_unsigned()),
        SockFilter::new(RETURN, 0, 0, 128),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
