//! Packets to virtual addresses that are not accepted.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};

use crate::*;

/// Whether a datagram to this address of the namespace arrives, from within.
fn arrives(address: &str) -> bool {
    let address: IpAddr = address.parse().unwrap();
    let ear = UdpSocket::bind(SocketAddr::new(address, 0)).unwrap();
    let voice = UdpSocket::bind(SocketAddr::new(address, 0)).unwrap();
    // A dropped packet is no error of the sender; loopback is done when it returns.
    voice.send_to(b"?", ear.local_addr().unwrap()).unwrap();
    ear.set_nonblocking(true).unwrap();
    ear.recv_from(&mut [0; 8]).is_ok()
}

fn set(addresses: &[&str]) -> BTreeSet<IpAddr> {
    addresses.iter().map(|one| one.parse().unwrap()).collect()
}

#[test]
fn packets_to_refused_addresses_are_dropped_and_no_others() {
    alone(|| {
        cable();
        ip("link set lo up");
        ip("addr add 10.0.0.1/24 dev a0");
        ip("addr add 10.0.0.2/24 dev a0");
        ip("-6 addr add 2001:db8::1/64 dev a0 nodad");
        ip("-6 addr add 2001:db8::2/64 dev a0 nodad");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let all = ["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"];
        let arriving = || all.map(arrives);
        assert_eq!(arriving(), [true; 4]);
        kernel
            .refuse_packets(&set(&["10.0.0.1", "2001:db8::1"]))
            .unwrap();
        assert_eq!(arriving(), [false, true, false, true]);
        kernel
            .refuse_packets(&set(&["10.0.0.2", "2001:db8::1"]))
            .unwrap();
        assert_eq!(arriving(), [true, false, false, true]);
        kernel.refuse_packets(&set(&[])).unwrap();
        assert_eq!(arriving(), [true; 4]);
        kernel.refuse_packets(&set(&["10.0.0.1"])).unwrap();
        assert_eq!(arriving(), [false, true, true, true]);
        // However it ends.
        drop(kernel);
        let end = Instant::now() + SOON;
        while !arrives("10.0.0.1") {
            assert!(Instant::now() < end, "the table goes with its owner");
            thread::yield_now();
        }
        assert_eq!(dir.list(), None);
    });
}

#[test]
fn neighbours_of_a_refused_address_still_find_it() {
    alone(|| {
        let (_, b0) = cable();
        ip("-6 addr add 2001:db8::1/64 dev a0 nodad");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        kernel.refuse_packets(&set(&["2001:db8::1"])).unwrap();
        let mac = link("a0").mac.0;
        let ear = {
            let protocol = Protocol::from(i32::from(0x86ddu16.to_be()));
            Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).unwrap()
        };
        // A solicitation to the address itself, as a neighbour that makes sure sends it.
        let source: std::net::Ipv6Addr = "2001:db8::9".parse().unwrap();
        let target: std::net::Ipv6Addr = "2001:db8::1".parse().unwrap();
        let mut icmp = vec![135, 0, 0, 0, 0, 0, 0, 0];
        icmp.extend(target.octets());
        icmp.extend([1, 1]);
        icmp.extend(link("b0").mac.0);
        let sum = checksum(&source, &target, &icmp);
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut frame = mac.to_vec();
        frame.extend(link("b0").mac.0);
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]);
        frame.extend(source.octets());
        frame.extend(target.octets());
        frame.extend(icmp);
        let sender = FrameSender::open(b0).unwrap();
        sender.send(&frame).unwrap();
        // The answer, or the question for the neighbour's own MAC before it: both
        // mean that the solicitation was taken.
        let mut waits = [PollFd::new(ear.as_fd(), PollFlags::POLLIN)];
        let end = Instant::now() + SOON;
        loop {
            assert!(Instant::now() < end, "no answer");
            poll(&mut waits, PollTimeout::from(1000u16)).unwrap();
            let mut frame = [0; 128];
            let length = nix::sys::socket::recv(
                ear.as_raw_fd(),
                &mut frame,
                nix::sys::socket::MsgFlags::MSG_DONTWAIT,
            )
            .unwrap_or(0);
            if length >= 78
                && frame[20] == 58
                && frame[54] == 136
                && frame[62..78] == target.octets()
            {
                break;
            }
        }
        drop(kernel);
    });
}

fn checksum(source: &std::net::Ipv6Addr, target: &std::net::Ipv6Addr, icmp: &[u8]) -> u16 {
    let mut bytes = source.octets().to_vec();
    bytes.extend(target.octets());
    bytes.extend((icmp.len() as u32).to_be_bytes());
    bytes.extend([0, 0, 0, 58]);
    bytes.extend(icmp);
    let sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}
