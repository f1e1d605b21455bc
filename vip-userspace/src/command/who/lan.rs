//! The LAN is asked who has an address, and heard.
//!
//! The question is asked in the name of an address of this host: whoever hears it
//! learns only where this host is, which is true. A probe without sender (RFC 5227)
//! would move no table either, but it says that this host is about to use the
//! address: a vip that watches over it would tell of a conflict, and a host that
//! defends it would announce it. So that is what a host without an address of its
//! own there does, and no other.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use vip_common::ids::{Family, MacAddr};
use vip_common::layout;
use vip_common::wire::announce::Announcement;
use vip_common::wire::{arp, head, ndisc, neighbour};

use super::seen::{Advert, Seen};
use crate::kernel::speakers::{Onlooker, Overheard};
use crate::kernel::{FrameSender, Link};

/// When the first questions are asked; from then on one every [`EVERY`].
const FIRST: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_millis(900),
];
const EVERY: Duration = Duration::from_secs(1);

/// How long is listened at least, where nobody says: for three questions and their
/// answers.
const LEAST: Duration = Duration::from_millis(1500);
/// How long where no advert names the address: the down interval of the usual
/// interval of one second.
const USUAL: Duration = Duration::from_secs(4);
/// At most, where the interval is long; that is said then.
const MOST: Duration = Duration::from_secs(12);

/// What was done, and what came of it.
pub(super) struct Look {
    /// Who was heard.
    pub(super) seen: Seen,
    /// How often the question went out.
    pub(super) asked: u32,
    /// The address of this host that it was asked from; none for a probe.
    pub(super) as_whom: Option<IpAddr>,
    /// How long was listened.
    pub(super) span: Duration,
}

/// Asks for `address` on an interface, and listens: for `span`, or else for as long
/// as the adverts that name it take to tell of every master.
///
/// # Errors
/// Without CAP_NET_RAW (EPERM), or when the interface is gone or down.
pub(super) fn look(link: &Link, address: IpAddr, span: Option<Duration>) -> io::Result<Look> {
    let mut ear = Onlooker::open(link.index, address)?;
    let sender = FrameSender::open(link.index)?;
    let as_whom = own_name(link, address);
    let question = Announcement::question(link.mac, as_whom.unwrap_or(nobody(address)), address)
        .ok_or(io::ErrorKind::InvalidInput)?;
    let mut seen = Seen::new(address);
    let begin = Instant::now();
    let mut asked = 0;
    loop {
        let passed = begin.elapsed();
        let end = span.unwrap_or_else(|| enough(&seen));
        if passed >= end {
            break;
        }
        let due = due(asked);
        if passed >= due {
            sender.send(question.as_bytes())?;
            seen.asked(passed);
            asked += 1;
            continue;
        }
        let wait = end.min(due).saturating_sub(passed);
        let millis = u16::try_from(wait.as_millis() + 1).unwrap_or(u16::MAX);
        let mut fds = [PollFd::new(ear.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(millis)) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        // A flood does not hold up the questions.
        for _ in 0..64 {
            let Some(heard) = ear.hear()? else { break };
            note(&mut seen, begin.elapsed(), link.mac, &heard);
        }
    }
    Ok(Look {
        seen,
        asked,
        as_whom,
        span: begin.elapsed(),
    })
}

/// When the question is asked the next time, having been asked so often.
fn due(asked: u32) -> Duration {
    let at = usize::try_from(asked).unwrap_or(usize::MAX);
    FIRST.get(at).copied().unwrap_or_else(|| {
        let more = asked.saturating_sub(2);
        FIRST[2] + EVERY * more
    })
}

/// How long to listen: until whoever speaks for the address must have spoken.
fn enough(seen: &Seen) -> Duration {
    let longest = seen
        .naming()
        .map(|(_, spoken)| spoken.advert.down_interval())
        .max();
    longest.map_or(USUAL, |down| down.clamp(LEAST, MOST))
}

/// The address of this host to ask from: one in the network of `address`, not the
/// address itself (that would claim it), and none with a prefix of one host, which
/// is how virtual addresses are put on; of IPv6 the link-local one.
fn own_name(link: &Link, address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(wanted) => {
            let near = |own: Ipv4Addr, prefix: u8| {
                let bits = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                (own.to_bits() ^ wanted.to_bits()) & bits == 0
            };
            let mut own = link.ipv4();
            own.find(|(own, prefix)| *own != wanted && *prefix < 32 && near(*own, *prefix))
                .map(|(own, _)| own.into())
        }
        IpAddr::V6(_) => link.own_address(Family::V6, |own| own == address),
    }
}

/// From whom it is asked where this host has no address of its own there.
const fn nobody(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// Takes what a frame says.
fn note(seen: &mut Seen, at: Duration, own: MacAddr, heard: &Overheard<'_>) {
    let Overheard { frame, is_ours } = *heard;
    if let Some(advert) = Advert::read(frame, is_ours) {
        return seen.advert(at, advert);
    }
    // What this host says of itself is asked of the kernel.
    if is_ours || !says_something_of_neighbours(frame) {
        return;
    }
    if let Some(notice) = neighbour::read(&head(frame))
        && notice.claims == layout::octets(seen.address())
    {
        if notice.is_probe() {
            seen.probe(notice.mac);
        } else if frame.starts_with(&own.0) {
            seen.answer(at, notice.mac);
        } else {
            seen.claim(at, notice.mac);
        }
    }
}

/// Whether a frame is long enough for what its type says.
fn says_something_of_neighbours(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([0x08, 0x06]) => frame.len() >= arp::FRAME_LEN,
        Some([0x86, 0xdd]) => frame.len() >= ndisc::MIN_FRAME_LEN,
        _ => false,
    }
}
