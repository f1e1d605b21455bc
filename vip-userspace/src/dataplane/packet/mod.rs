//! The rung without a program at the NIC: a packet socket per interface, with
//! the same judgement in [`Book`].
//!
//! It takes CAP_NET_RAW and nothing of BPF's. What it cannot do is drop: a
//! refused packet is not for us, but the stack and its other users see it; and a
//! withheld address ([`AddressNote::withheld`]) is answered for as long as this
//! host has it.

mod book;
mod filter;
pub(crate) mod socket;
pub(crate) mod stamp;

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg};
use nix::time::{ClockId, clock_gettime};
use vip_common::layout::{self, AddressKey, Counter, LARGE_FRAME};
use vip_common::time::MonoTime;

pub use book::{Book, Verdict};

use super::Port;
use super::ear::{AddressNote, Ear, EarEvent, Left};
use super::error::{Deaf, EarError};
use super::ledger::{Heard, Ledger};

/// Frames that one drain reads at most.
const BOUND: usize = 64;

/// Room for the control messages of one frame: the kernel's stamp and what else
/// it may add.
const CONTROL: usize = 256;

/// The ear of one interface.
pub(super) struct PacketEar {
    socket: OwnedFd,
    ifindex: u32,
    book: Book,
    ledger: Arc<Ledger>,
    frame: Box<[u8; LARGE_FRAME]>,
    control: Vec<u8>,
}

/// What the slow side keeps of an ear, to ask the kernel about it.
pub(super) struct Hold(OwnedFd);

/// Opens the ear of a port.
pub(super) fn open(port: &Port, ledger: Arc<Ledger>) -> Result<(PacketEar, Hold), EarError> {
    let failed = |(what, error)| EarError::PacketSocket {
        interface: port.name.clone(),
        what,
        error,
    };
    let book = Book::new(port.ifindex, &port.routers, &port.addresses);
    let socket =
        socket::open(port.ifindex, &filter::program(&book), &book.groups()).map_err(failed)?;
    let hold = socket.try_clone().map_err(|error| failed(("dup", error)))?;
    let ear = PacketEar {
        socket,
        ifindex: port.ifindex,
        book,
        ledger,
        frame: Box::new([0; LARGE_FRAME]),
        control: Vec::with_capacity(CONTROL),
    };
    Ok((ear, Hold(hold)))
}

impl Hold {
    /// Whether the socket still hears that interface.
    pub(super) fn prove(&self, ifindex: u32) -> Result<(), Deaf> {
        match socket::bound_to(self.0.as_fd()) {
            Ok(bound) if bound == ifindex => Ok(()),
            Ok(_) => Err(Deaf::InterfaceGone),
            Err(error) => Err(Deaf::Unknown(error)),
        }
    }
}

/// One frame from the socket: how much of it was copied, how long it was, and
/// when it came.
struct Arrival {
    copied: usize,
    frame_len: usize,
    stamp: MonoTime,
}

impl PacketEar {
    /// The next frame, if it is not one that this host has sent. `Err` when
    /// there is none now.
    fn receive(&mut self) -> Result<Option<Arrival>, Errno> {
        let mut parts = [IoSliceMut::new(&mut self.frame[..])];
        self.control.clear();
        let message = recvmsg::<LinkAddr>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut self.control),
            // The true length of a frame that is longer than our room.
            MsgFlags::MSG_TRUNC,
        )?;
        let is_ours = message.address.is_some_and(|address| {
            matches!(
                address.pkttype(),
                libc::PACKET_OUTGOING | libc::PACKET_LOOPBACK
            )
        });
        if is_ours {
            return Ok(None);
        }
        let mono_now = since_origin(ClockId::CLOCK_MONOTONIC);
        let real_now = since_origin(ClockId::CLOCK_REALTIME);
        let stamp = message.cmsgs().ok().and_then(|mut messages| {
            messages.find_map(|message| {
                if let ControlMessageOwned::ScmTimestampns(stamp) = message {
                    Some(Duration::from(stamp))
                } else {
                    None
                }
            })
        });
        let mono_now = MonoTime::from_nanos(u64::try_from(mono_now.as_nanos()).unwrap_or(0));
        let frame_len = message.bytes;
        Ok(Some(Arrival {
            copied: frame_len.min(LARGE_FRAME),
            frame_len,
            stamp: stamp::monotonic(mono_now, real_now, stamp.unwrap_or(real_now)),
        }))
    }
}

impl Ear for PacketEar {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn drain(&mut self, sink: &mut dyn FnMut(EarEvent<'_>)) -> Left {
        for _ in 0..BOUND {
            match self.receive() {
                Ok(Some(arrival)) => {
                    let frame = self.frame.get(..arrival.copied).unwrap_or_default();
                    let verdict = self.book.judge(frame, arrival.frame_len);
                    tell(
                        verdict,
                        frame,
                        arrival.stamp,
                        self.ifindex,
                        &self.ledger,
                        sink,
                    );
                }
                Ok(None) | Err(Errno::EINTR) => {}
                // Nothing now; or the interface went down or away (ENETDOWN, told
                // once), which the link monitor and `prove` tell better.
                Err(_) => return Left::Nothing,
            }
        }
        Left::Perhaps
    }

    fn note_address(&mut self, key: AddressKey, note: AddressNote) {
        if key.ifindex == self.ifindex {
            self.book.note_address(key.address, note);
        }
    }
}

/// From verdict to counter and event, as the program at the NIC does it.
fn tell(
    verdict: Verdict,
    frame: &[u8],
    stamp: MonoTime,
    ifindex: u32,
    ledger: &Ledger,
    sink: &mut dyn FnMut(EarEvent<'_>),
) {
    match verdict {
        Verdict::Untouched => {}
        Verdict::Taken { slot } => {
            ledger.count(slot, Counter::Taken);
            sink(EarEvent::Advert {
                stamp,
                slot,
                ifindex,
                frame,
            });
        }
        Verdict::Refused {
            slot,
            source,
            reason,
        } => {
            ledger.count(slot, Counter::Rejected(reason));
            ledger.note_refused(slot, stamp, source, reason);
            sink(EarEvent::Refused {
                slot,
                source,
                reason,
            });
        }
        Verdict::Asked { slot } => ledger.count(slot, Counter::Asked),
        Verdict::Claimed {
            slot,
            address,
            mac,
            stranger,
            watched,
        } => {
            if stranger {
                ledger.count(slot, Counter::Claimed);
            }
            let heard = Heard {
                stamp,
                address,
                mac,
                stranger,
                watched,
            };
            if ledger.note_claim(slot, heard) {
                sink(EarEvent::Claim {
                    stamp,
                    slot,
                    ifindex,
                    address: layout::address(address),
                    mac,
                });
            }
        }
    }
}

/// What a clock says, since its origin.
fn since_origin(clock: ClockId) -> Duration {
    // Reading these two clocks cannot fail on Linux.
    clock_gettime(clock).map(Duration::from).unwrap_or_default()
}
