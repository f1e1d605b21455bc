//! The rung without BPF: a packet socket that hears adverts, ARP and neighbour
//! discovery, both ways. It hears what comes in before tc and netfilter do.

use std::collections::BTreeSet;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use libc::sock_filter;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg};
use nix::time::{ClockId, clock_gettime};
use vip_common::ids::MacAddr;
use vip_common::layout::LARGE_FRAME;
use vip_common::layout::trace::SightKind;
use vip_common::time::MonoTime;

use super::sight::Sight;
use crate::dataplane::packet::socket::{self, Wanted};
use crate::dataplane::packet::stamp;

/// Frames that one drain reads at most.
const BOUND: usize = 1024;
/// Room for the control messages of one frame.
const CONTROL: usize = 256;

/// The ear of one interface.
pub(super) struct Ear {
    socket: OwnedFd,
    ifindex: u32,
    frame: Box<[u8; LARGE_FRAME]>,
}

impl Ear {
    pub(super) fn open(ifindex: u32, groups: &BTreeSet<MacAddr>) -> Result<Self, String> {
        let socket = socket::open_for(ifindex, &filter(), groups, Wanted::All)
            .map_err(|(what, error)| format!("packet socket: {what}: {error}"))?;
        Ok(Self {
            socket,
            ifindex,
            frame: Box::new([0; LARGE_FRAME]),
        })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn drain(&mut self, seen: &mut Vec<Sight>) {
        let mut control = Vec::with_capacity(CONTROL);
        for _ in 0..BOUND {
            let mut parts = [IoSliceMut::new(&mut self.frame[..])];
            control.clear();
            let received = recvmsg::<LinkAddr>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::MSG_TRUNC,
            );
            // Nothing now; or the interface is down, which is told elsewhere.
            let Ok(message) = received else { return };
            let outgoing =
                (message.address).is_some_and(|address| address.pkttype() == libc::PACKET_OUTGOING);
            let stamped = message.cmsgs().ok().and_then(|mut messages| {
                messages.find_map(|message| {
                    if let ControlMessageOwned::ScmTimestampns(stamp) = message {
                        Some(Duration::from(stamp))
                    } else {
                        None
                    }
                })
            });
            let frame_len = message.bytes;
            let (mono, real) = (
                read(ClockId::CLOCK_MONOTONIC),
                read(ClockId::CLOCK_REALTIME),
            );
            let mono = MonoTime::from_nanos(u64::try_from(mono.as_nanos()).unwrap_or(0));
            let copied = self.frame.get(..frame_len.min(LARGE_FRAME));
            seen.push(Sight {
                stamp: stamp::monotonic(mono, real, stamped.unwrap_or(real)),
                kind: if outgoing {
                    SightKind::Out
                } else {
                    SightKind::In
                },
                ifindex: self.ifindex,
                location: 0,
                reason: 0,
                frame_len,
                frame: copied.unwrap_or_default().to_vec(),
            });
        }
    }
}

fn read(clock: ClockId) -> Duration {
    // Reading these two clocks cannot fail on Linux.
    clock_gettime(clock).map(Duration::from).unwrap_or_default()
}

/// VRRP, also behind an authentication header, ARP, and neighbour discovery; nothing
/// that is tagged.
fn filter() -> Vec<sock_filter> {
    const LD_H: u16 = 0x28;
    const LD_B: u16 = 0x30;
    const JEQ: u16 = 0x15;
    const LD_W: u16 = 0x20;
    const VLAN_PRESENT: u32 = 0xffff_f000 + 48;
    let statement = |code, k| sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    };
    let jump = |k, jt, jf| sock_filter {
        code: JEQ,
        jt,
        jf,
        k,
    };
    vec![
        statement(LD_W, VLAN_PRESENT),
        jump(0, 0, 14),
        statement(LD_H, 12),
        jump(0x0806, 11, 0),
        jump(0x0800, 0, 3),
        statement(LD_B, 14 + 9),
        jump(112, 8, 0),
        jump(51, 7, 8),
        jump(0x86dd, 0, 7),
        statement(LD_B, 14 + 6),
        jump(112, 4, 0),
        jump(51, 3, 0),
        jump(58, 0, 3),
        statement(LD_B, 14 + 40),
        jump(135, 0, 2),
        socket::EVERYTHING,
        socket::NOTHING,
        jump(136, 0, 1),
        socket::EVERYTHING,
        socket::NOTHING,
    ]
}
