//! Packets to virtual addresses that are not accepted.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};

use crate::*;

/// Whether a datagram to this address of the namespace arrives, from within.
fn arrives(address: &str) -> bool {
    let address: IpAddr = address.parse().unwrap();
    // Who is moved to another processor in between may see the end first.
    (0..3).any(|_| arrives_before_the_end(address))
}

fn arrives_before_the_end(address: IpAddr) -> bool {
    let ear = |address| UdpSocket::bind(SocketAddr::new(address, 0)).unwrap();
    let [wanted, end] = [address, Ipv4Addr::LOCALHOST.into()].map(ear);
    for one in [&wanted, &end] {
        let to = one.local_addr().unwrap();
        ear(to.ip()).send_to(b"?", to).unwrap();
    }
    assert!(readable(&end, SOON), "loopback carries");
    wanted.set_nonblocking(true).unwrap();
    wanted.recv_from(&mut [0; 8]).is_ok()
}

fn readable(socket: &UdpSocket, within: Duration) -> bool {
    let mut waits = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut waits, PollTimeout::try_from(within).unwrap()).unwrap() > 0
}

fn set(addresses: &[&str]) -> BTreeSet<IpAddr> {
    addresses.iter().map(|one| one.parse().unwrap()).collect()
}

#[test]
fn packets_to_refused_addresses_are_dropped_and_no_others() {
    alone(|| {
        let (a0, _) = cable();
        ip("link set lo up");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let all = ["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"];
        let assign = |one: &str| Assignment::new(a0, one.parse().unwrap(), 24);
        let batch = all.map(assign);
        kernel.install(&batch).unwrap();
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
    });
}

#[test]
fn an_ipv6_address_takes_packets_when_it_is_installed() {
    alone(|| {
        let (a0, _) = cable();
        ip("link set lo up");
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        for last in 1..100u16 {
            let address = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
            let assignment = Assignment::new(a0, address, 64);
            kernel.install(&[assignment]).unwrap();
            let shown = ip(&format!("-6 route get {address}"));
            assert!(shown.starts_with("local"), "{shown}");
        }
    });
}

#[test]
fn neighbours_of_a_refused_address_still_find_it() {
    alone(|| {
        let (a0, b0) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let address = Assignment::new(a0, "2001:db8::1".parse().unwrap(), 64);
        kernel.install(&[address]).unwrap();
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
