//! Who on a link speaks of one address: without a plan, a daemon, or a program at
//! the NIC.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockType, recvfrom, setsockopt, socket, sockopt,
};
use socket2::{SockFilter, SockRef};
use vip_common::ids::Family;
use vip_common::layout::LARGE_FRAME;
use vip_common::wire::vrrp;

use crate::kernel::group::{Membership, PROTOCOL, drop_everything};
use crate::kernel::sys;

/// Room for what comes while nobody reads, in bytes.
const ROOM: usize = 1 << 20;

/// Hears ARP or neighbour discovery about one address, and every advert of its
/// family, at one interface: what comes in, and of adverts what programs of this
/// host send by the usual way (a keepalived here; a vip sends past this place).
///
/// Where a vip of this host takes adverts at the NIC they do not come here.
#[derive(Debug)]
pub struct Onlooker {
    socket: OwnedFd,
    buffer: Box<[u8; LARGE_FRAME]>,
    /// The adverts' group, which NICs and switches let through for members only.
    _group: Option<Membership>,
}

/// A frame that was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overheard<'a> {
    /// From the Ethernet header on.
    pub frame: &'a [u8],
    /// Whether this host has sent it.
    pub is_ours: bool,
}

impl Onlooker {
    /// Listens on the interface of this index.
    ///
    /// # Errors
    ///
    /// Without CAP_NET_RAW (EPERM), or when there is no such interface (ENODEV).
    pub fn open(ifindex: u32, address: IpAddr) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        // The filter is in place before it hears the first packet.
        drop_everything(&socket)?;
        sys::bind_packet(socket.as_fd(), ifindex, libc::ETH_P_ALL as u16)?;
        // As much as the host allows.
        let _ = setsockopt(&socket, sockopt::RcvBuf, &ROOM);
        // Where the interface has no IPv6, say, its adverts are not there either.
        let group = Membership::join(vrrp::group(Family::of(address)), ifindex).ok();
        SockRef::from(&socket).attach_filter(&about(address))?;
        Ok(Self {
            socket,
            buffer: Box::new([0; LARGE_FRAME]),
            _group: group,
        })
    }

    /// The next frame; none when all are read.
    ///
    /// # Errors
    ///
    /// When the interface went down (ENETDOWN) or away.
    pub fn hear(&mut self) -> io::Result<Option<Overheard<'_>>> {
        loop {
            let read = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut self.buffer[..]);
            let (length, from) = match read {
                Ok(read) => read,
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let kind = from.map(|from| from.pkttype());
            return Ok(Some(Overheard {
                frame: self.buffer.get(..length).unwrap_or_default(),
                is_ours: kind == Some(libc::PACKET_OUTGOING),
            }));
        }
    }
}

impl AsFd for Onlooker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const fn load(size: u16, at: u32) -> SockFilter {
    SockFilter::new(size, 0, 0, at)
}

const fn jump(value: u32, yes: u8, no: u8) -> SockFilter {
    SockFilter::new(JUMP_EQUAL, yes, no, value)
}

/// Untagged frames: adverts of the family (an authentication header before them or
/// not), and what neighbours say of the address, or of an IPv6 address that ends
/// alike.
fn about(address: IpAddr) -> Vec<SockFilter> {
    /// Where an Ethernet header ends.
    const IP: u32 = 14;
    const AH: u32 = 51;
    const ICMP_V6: u32 = 58;
    let ancillary = |field: libc::c_int| (libc::SKF_AD_OFF + field).cast_unsigned();
    let advert = PROTOCOL.cast_unsigned();
    let untagged = [
        load(LOAD_BYTE, ancillary(libc::SKF_AD_VLAN_TAG_PRESENT)),
        jump(0, 1, 0),
        SockFilter::new(RETURN, 0, 0, 0),
        load(LOAD_HALF, 12),
    ];
    let ends = [
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    // Jumps count the instructions between; the last two are "no" and "yes".
    let middle = match address {
        IpAddr::V4(address) => {
            let address = address.to_bits();
            vec![
                jump(libc::ETH_P_IP as u32, 0, 3),
                load(LOAD_BYTE, IP + 9),
                jump(advert, 7, 0),
                jump(AH, 6, 5),
                jump(libc::ETH_P_ARP as u32, 0, 4),
                // Sender, then target.
                load(LOAD_WORD, IP + 14),
                jump(address, 3, 0),
                load(LOAD_WORD, IP + 24),
                jump(address, 1, 0),
            ]
        }
        IpAddr::V6(address) => {
            let [.., before, last] = address.segments();
            let end = u32::from(before) << 16 | u32::from(last);
            vec![
                jump(libc::ETH_P_IPV6 as u32, 0, 11),
                load(LOAD_BYTE, IP + 6),
                jump(advert, 10, 0),
                jump(AH, 9, 0),
                jump(ICMP_V6, 0, 7),
                // Solicitations and advertisements.
                load(LOAD_BYTE, IP + 40),
                jump(135, 1, 0),
                jump(136, 0, 4),
                // The end of the target, then that of the source.
                load(LOAD_WORD, IP + 40 + 8 + 12),
                jump(end, 3, 0),
                load(LOAD_WORD, IP + 8 + 12),
                jump(end, 1, 0),
            ]
        }
    };
    untagged.into_iter().chain(middle).chain(ends).collect()
}
