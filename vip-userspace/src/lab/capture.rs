//! Every advert and every word about neighbours at every port of the switch,
//! with the kernel's stamp.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    recvmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use nix::time::ClockId;
use vip_common::time::MonoTime;

use super::frame::{Direction, Frame, What, decode};
use super::namespace::Namespace;
use super::{LabError, now, read};

#[derive(Default)]
struct Shared {
    frames: Mutex<Vec<Frame>>,
    more: Condvar,
    /// Whether frames are fetched now and then, and nobody waits for each.
    unhurried: AtomicBool,
    /// How often all that had come was fetched.
    fetched: AtomicU64,
}

/// How often frames are fetched while nobody waits for each.
const NOW_AND_THEN: Duration = Duration::from_millis(20);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a capture takes.
#[derive(Clone, Default)]
pub(super) struct Wanted {
    /// The answers that hosts give to pings too.
    pub(super) answers: bool,
    /// Only what arrives from these ports; from all and to all where it is empty.
    pub(super) from: Vec<u32>,
}

/// A running capture; ends when dropped.
pub struct Capture {
    shared: Arc<Shared>,
    socket: Arc<OwnedFd>,
    stop: Option<io::PipeWriter>,
    reader: Option<JoinHandle<()>>,
}

impl Capture {
    pub(super) fn start(switch: &Arc<Namespace>, wanted: Wanted) -> Result<Self, LabError> {
        let failed = || LabError::system("capture frames");
        let (socket, bridge) = switch
            .run(move || open(&wanted))?
            .map_err(LabError::system("capture frames"))?;
        let socket = Arc::new(socket);
        let (quit, stop) = io::pipe().map_err(failed())?;
        let shared = Arc::new(Shared::default());
        let (theirs, heard) = (Arc::clone(&shared), Arc::clone(&socket));
        let reader = thread::Builder::new()
            .name("lab capture".into())
            .spawn(move || collect(&heard, bridge, &quit, &theirs))
            .map_err(failed())?;
        Ok(Self {
            shared,
            socket,
            stop: Some(stop),
            reader: Some(reader),
        })
    }

    /// How many frames the kernel could not keep since this was last asked: the
    /// capture has not seen them.
    ///
    /// # Errors
    /// When the kernel does not tell.
    #[expect(
        unsafe_code,
        reason = "no crate in the tree asks a socket for its statistics"
    )]
    pub fn lost(&self) -> Result<u32, LabError> {
        const PACKET_STATISTICS: i32 = 6;
        let mut counts = [0_u32; 2];
        let mut length = size_of_val(&counts) as libc::socklen_t;
        // SAFETY: both pointers are to live locals, and the length is that of the
        // first; the kernel writes no more.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                PACKET_STATISTICS,
                counts.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        nix::Error::result(result).map_err(LabError::system("ask what a capture lost"))?;
        Ok(counts[1])
    }

    /// Fetches frames now and then from here on, until [`Capture::hurry`]: the kernel
    /// has nobody to wake for each, which whoever sends it would pay for. To be asked for
    /// frames it is no good meanwhile.
    pub fn take_time(&self) {
        self.shared.unhurried.store(true, Release);
    }

    /// Fetches all that has come, and each frame at once again.
    ///
    /// # Errors
    /// When the thread that does it hangs.
    pub fn hurry(&self) -> Result<(), LabError> {
        let bound = Duration::from_secs(10);
        let begin = self.shared.fetched.load(Acquire);
        let end = Instant::now() + bound;
        // The first may have begun before we came.
        while self.shared.unhurried.load(Acquire) && self.shared.fetched.load(Acquire) < begin + 2 {
            if Instant::now() > end {
                return Err(LabError::TooLate {
                    what: "a capture that catches up".to_owned(),
                    bound,
                });
            }
            thread::sleep(NOW_AND_THEN / 4);
        }
        self.shared.unhurried.store(false, Release);
        Ok(())
    }

    /// All frames so far, in the order in which the kernel delivered them.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        self.shared.lock().clone()
    }

    /// The frames that `wanted` takes, so far.
    #[must_use]
    pub fn select(&self, wanted: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let frames = self.shared.lock();
        frames
            .iter()
            .filter(|frame| wanted(frame))
            .cloned()
            .collect()
    }

    /// The frames stamped at or after `after` that `wanted` takes, so far. Cheap
    /// in a long capture, of which only the end is looked at.
    #[must_use]
    pub fn since(&self, after: MonoTime, wanted: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let frames = self.shared.lock();
        frames
            .get(recent(&frames, after)..)
            .unwrap_or_default()
            .iter()
            .filter(|frame| frame.stamp >= after && wanted(frame))
            .cloned()
            .collect()
    }

    /// The first frame stamped at or after `after` that `wanted` takes.
    ///
    /// # Errors
    /// When none comes within `bound`; `what` names it.
    pub fn wait_for(
        &self,
        what: &str,
        after: MonoTime,
        bound: Duration,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Frame, LabError> {
        let end = Instant::now() + bound;
        let mut frames = self.shared.lock();
        let mut looked_at = recent(&frames, after);
        loop {
            let fresh = frames.get(looked_at..).unwrap_or_default();
            let found = fresh
                .iter()
                .find(|frame| frame.stamp >= after && wanted(frame));
            if let Some(frame) = found {
                return Ok(frame.clone());
            }
            looked_at = frames.len();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LabError::TooLate {
                    what: what.to_owned(),
                    bound,
                });
            }
            frames = self
                .shared
                .more
                .wait_timeout(frames, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The frames that `wanted` takes as a pcap file, for other decoders.
    #[must_use]
    pub fn pcap(&self, wanted: impl Fn(&Frame) -> bool) -> Vec<u8> {
        let mut file = Vec::new();
        // Magic for nanosecond stamps, version 2.4, no offset, link type Ethernet.
        for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            file.extend(word.to_le_bytes());
        }
        for frame in self.select(wanted) {
            let since = frame.stamp.since(MonoTime::ZERO);
            let length = u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX);
            let seconds = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
            for word in [seconds, since.subsec_nanos(), length, length] {
                file.extend(word.to_le_bytes());
            }
            file.extend(&frame.bytes);
        }
        file
    }
}

/// Where the frames begin that may be stamped at or after `after`: they are in
/// the order of their delivery, and their stamps very nearly so.
fn recent(frames: &[Frame], after: MonoTime) -> usize {
    const DISORDER: Duration = Duration::from_secs(1);
    frames
        .iter()
        .rposition(|frame| frame.stamp + DISORDER < after)
        .map_or(0, |older| older + 1)
}

impl Drop for Capture {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// A packet socket on all ports and the index of the bridge itself.
fn open(wanted: &Wanted) -> nix::Result<(OwnedFd, u32)> {
    const ROOM: usize = 16 << 20;
    let bridge = if_nametoindex("br0")?;
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::EthAll,
    )?;
    only_what_we_read(&socket, wanted)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    // Beyond the host's limit where that is allowed: thousands may come at once.
    setsockopt(&socket, sockopt::RcvBufForce, &ROOM)
        .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &ROOM))?;
    Ok((socket, bridge))
}

/// Lets ARP, VRRP, ICMP "unreachable" and what neighbours say in IPv6 pass, and
/// leaves the client's pings, thousands a second, in the kernel, or their
/// answers only where they are wanted.
#[expect(unsafe_code, reason = "a socket filter is handed over by pointer")]
fn only_what_we_read(socket: &OwnedFd, wanted: &Wanted) -> nix::Result<()> {
    const LOAD_WORD: u16 = 0x20;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_HEADER_LENGTH: u16 = 0xb1;
    const LOAD_BYTE_BEHIND_HEADER: u16 = 0x50;
    const IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let op = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // "Unreachable" once more where answers are not wanted.
    let (answer, answer6) = if wanted.answers { (0, 129) } else { (3, 1) };
    let mut program = Vec::new();
    if let Ok(ports) = u8::try_from(wanted.from.len())
        && ports > 0
    {
        /// What the kernel knows of a packet besides its bytes: the way it goes,
        /// and its interface.
        const WAY: u32 = 0xffff_f004;
        const INTERFACE: u32 = 0xffff_f008;
        program.extend([
            op(LOAD_WORD, 0, 0, WAY),
            op(IF_EQUAL, ports + 1, 0, libc::PACKET_OUTGOING.into()),
            op(LOAD_WORD, 0, 0, INTERFACE),
        ]);
        let ports = wanted.from.iter().zip((0..ports).rev());
        program.extend(ports.map(|(port, behind)| op(IF_EQUAL, behind + 1, 0, *port)));
        program.push(op(RETURN, 0, 0, 0));
    }
    program.extend([
        op(LOAD_HALF, 0, 0, 12),
        op(IF_EQUAL, 17, 0, 0x0806),
        op(IF_EQUAL, 8, 0, 0x86dd),
        op(IF_EQUAL, 0, 16, 0x0800),
        op(LOAD_BYTE, 0, 0, 23),
        op(IF_EQUAL, 13, 0, 112),
        op(IF_EQUAL, 0, 13, 1),
        op(LOAD_HEADER_LENGTH, 0, 0, 14),
        op(LOAD_BYTE_BEHIND_HEADER, 0, 0, 14),
        op(IF_EQUAL, 9, 0, 3),
        op(IF_EQUAL, 8, 9, answer),
        op(LOAD_BYTE, 0, 0, 20),
        op(IF_EQUAL, 6, 0, 112),
        op(IF_EQUAL, 0, 6, 58),
        op(LOAD_BYTE, 0, 0, 54),
        op(IF_EQUAL, 3, 0, 1),
        op(IF_EQUAL, 2, 0, 135),
        op(IF_EQUAL, 1, 0, 136),
        op(IF_EQUAL, 0, 1, answer6),
        op(RETURN, 0, 0, 65_535),
        op(RETURN, 0, 0, 0),
    ]);
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| nix::Error::E2BIG)?,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: `filter` points to `program`, both live across the call, which
    // copies them; the length is that of the structure.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    nix::Error::result(result).map(drop)
}

/// Until the other end of `quit` is closed.
fn collect(socket: &OwnedFd, bridge: u32, quit: &io::PipeReader, shared: &Shared) {
    let mut buffer = vec![0; 65_536];
    loop {
        let mut fds = [
            PollFd::new(quit.as_fd(), PollFlags::POLLIN),
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        ];
        let (watched, timeout) = if shared.unhurried.load(Acquire) {
            let pause = NOW_AND_THEN.as_millis() as u16;
            (&mut fds[..1], PollTimeout::from(pause))
        } else {
            (&mut fds[..], PollTimeout::NONE)
        };
        match poll(watched, timeout) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => return,
        }
        if fds[0].any().unwrap_or(true) {
            return;
        }
        while let Some(frame) = take(socket, &mut buffer) {
            // An answer is wanted once, where it comes from.
            let again =
                frame.direction == Direction::ToHost && matches!(frame.what, What::Answer { .. });
            if frame.port != bridge && !again {
                shared.lock().push(frame);
                shared.more.notify_all();
            }
        }
        shared.fetched.fetch_add(1, Release);
    }
}

/// The next frame that waits in the socket. A port that goes down is reported
/// there once as an error, which says nothing new.
fn take(socket: &OwnedFd, buffer: &mut [u8]) -> Option<Frame> {
    loop {
        let mut space = nix::cmsg_space!(TimeSpec);
        let mut parts = [IoSliceMut::new(buffer)];
        let received = recvmsg::<LinkAddr>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::empty(),
        );
        let message = match received {
            Ok(message) => message,
            Err(nix::Error::ENETDOWN | nix::Error::EINTR) => continue,
            Err(_) => return None,
        };
        let stamp = message.cmsgs().ok()?.find_map(|control| {
            if let ControlMessageOwned::ScmTimestampns(stamp) = control {
                Some(stamp)
            } else {
                None
            }
        });
        let from = message.address?;
        let length = message.bytes;
        let bytes = buffer.get(..length)?.to_vec();
        let outgoing = from.pkttype() == libc::PACKET_OUTGOING;
        return Some(Frame {
            stamp: monotonic(stamp?),
            port: u32::try_from(from.ifindex()).ok()?,
            direction: if outgoing {
                Direction::ToHost
            } else {
                Direction::FromHost
            },
            what: decode(&bytes).unwrap_or(What::Other),
            bytes,
        });
    }
}

/// A stamp of the wall clock as the monotonic time it stands for.
fn monotonic(stamp: TimeSpec) -> MonoTime {
    /// The three readings below take less unless something came between them.
    const AT_ONCE: Duration = Duration::from_micros(1);
    const TRIES: usize = 20;
    let stamp = MonoTime::ZERO + Duration::from(stamp);
    let at = || {
        let before = now();
        let wall = read(ClockId::CLOCK_REALTIME);
        let apart = now().since(before);
        (apart, before + apart / 2, wall)
    };
    let mut best = at();
    for _ in 0..TRIES {
        if best.0 < AT_ONCE {
            break;
        }
        best = best.min(at());
    }
    let (_, monotonic, wall) = best;
    monotonic - wall.since(stamp).min(Duration::from_secs(1))
}
