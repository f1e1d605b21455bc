//! What the stack answers: an address that is withheld is asked for in vain, and
//! nothing else is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};
use vip::dataplane::{AddressNote, Attached, Ear, RingEar, Rung, Wanted};
use vip_common::layout::{AddressKey, Counter};

use crate::attach::{PATIENCE, ear, ifindex, ip, send, with_cable};
use crate::frames::{ADDRESS, ADDRESS_6, SLOT_2, SLOT_6, STRANGER, arp, link_local, ndisc, port};
use crate::program::load;

/// Of the host, and nobody's to withhold.
const OPEN: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 101);
const OPEN_6: Ipv6Addr = link_local(0x101);

/// What comes to the other end, from now on.
fn listen() -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let all = SockProtocol::EthAll;
    socket(AddressFamily::Packet, SockType::Raw, flags, all).expect("a packet socket")
}

/// The address that a frame is an answer for.
fn answered(frame: &[u8]) -> Option<IpAddr> {
    match (frame.get(12..14)?, frame.get(21)?, frame.get(54)) {
        ([0x08, 0x06], 2, _) => Some(<[u8; 4]>::try_from(frame.get(28..32)?).ok()?.into()),
        ([0x86, 0xdd], _, Some(136)) => Some(<[u8; 16]>::try_from(frame.get(62..78)?).ok()?.into()),
        _ => None,
    }
}

/// Which answers there were until the one for `last`.
fn answers(socket: &OwnedFd, last: IpAddr) -> Vec<IpAddr> {
    let start = Instant::now();
    let mut all = Vec::new();
    let mut frame = [0; 2048];
    while all.last() != Some(&last) {
        let left = PATIENCE.saturating_sub(start.elapsed());
        assert!(!left.is_zero(), "only {all:?} were answered for");
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::try_from(left).expect("short")).expect("poll");
        while let Ok(len) = recv(socket.as_raw_fd(), &mut frame, MsgFlags::empty()) {
            // Sent and received copies are alike here, and none is an answer twice.
            all.extend(answered(&frame[..len]).filter(|one| all.last() != Some(one)));
        }
    }
    all
}

/// Notes it of both addresses, whose ear it is.
fn note(attached: &mut Attached, ring: &mut Option<RingEar>, withheld: bool) {
    let near = ifindex("near");
    let note = AddressNote {
        withheld,
        ..AddressNote::default()
    };
    let ear: &mut dyn Ear = ear(attached, ring);
    for address in [IpAddr::from(ADDRESS), ADDRESS_6.into()] {
        ear.note_address(AddressKey::new(near, address), note);
    }
}

fn withholds(wanted: Wanted, rung: Rung) {
    with_cable(move || {
        for address in [ADDRESS, OPEN] {
            ip(&format!("address add {address}/24 dev near"));
        }
        for address in [ADDRESS_6, OPEN_6] {
            ip(&format!("address add {address}/64 dev near nodad"));
        }
        let (mut ears, mut ring) = load(wanted);
        let mut attached = ears
            .attach(&port("near", ifindex("near")))
            .expect("attached");
        assert_eq!(attached.rung, rung);
        let asks = |address| arp(1, STRANGER, Ipv4Addr::new(192, 168, 8, 77), address);
        let asks_6 = |address| ndisc(135, STRANGER, link_local(0x77), address, Some(STRANGER));
        let all = [asks(ADDRESS), asks(OPEN), asks_6(ADDRESS_6), asks_6(OPEN_6)];

        let socket = listen();
        note(&mut attached, &mut ring, true);
        send(&all);
        let dropped = rung != Rung::PacketSocket;
        let everything: [IpAddr; 4] =
            [ADDRESS.into(), OPEN.into(), ADDRESS_6.into(), OPEN_6.into()];
        let open: [IpAddr; 2] = [OPEN.into(), OPEN_6.into()];
        let expected = if dropped { &open[..] } else { &everything };
        assert_eq!(answers(&socket, OPEN_6.into()), expected);
        let gauges = ears.gauges();
        for slot in [SLOT_2, SLOT_6] {
            let count = gauges.counter(slot, Counter::Withheld);
            assert_eq!(count, u64::from(dropped), "{rung}: slot {slot}");
        }

        note(&mut attached, &mut ring, false);
        send(&all);
        assert_eq!(answers(&socket, OPEN_6.into()), everything);
    });
}

#[test]
fn native_withholds() {
    withholds(Wanted::Native, Rung::Native);
}

#[test]
fn generic_withholds() {
    withholds(Wanted::Generic, Rung::Generic);
}

#[test]
fn tcx_withholds() {
    withholds(Wanted::Tcx, Rung::Tcx);
}

/// It hears, and drops nothing.
#[test]
fn a_packet_socket_cannot_withhold() {
    withholds(Wanted::Off, Rung::PacketSocket);
}
