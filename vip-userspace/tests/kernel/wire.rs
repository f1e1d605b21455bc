//! Groups joined, frames sent, and others on this host who speak.

use std::io::Read as _;

use crate::*;

#[test]
fn membership_lasts_as_long_as_its_handle() {
    alone(|| {
        let (a0, _) = cable();
        let joined = || {
            let shown = ip("maddr show dev a0");
            (
                shown.contains("inet  224.0.0.18"),
                shown.contains("01:00:5e:00:00:12"),
            )
        };
        let membership = Membership::join(GROUP, a0).unwrap();
        assert_eq!(joined(), (true, true));
        ip("link set a0 down");
        ip("link set a0 up");
        assert_eq!(joined(), (true, true), "it outlives a link that flaps");
        membership.renew().unwrap();
        assert_eq!(joined(), (true, true));
        assert_eq!(membership.ifindex(), a0);
        drop(membership);
        assert_eq!(joined(), (false, false));

        let membership = Membership::join(GROUP, a0).unwrap();
        ip("link del a0");
        assert_eq!(
            membership.renew().unwrap_err().raw_os_error(),
            Some(libc::ENODEV)
        );
        assert_eq!(
            Membership::join(GROUP, a0).unwrap_err().raw_os_error(),
            Some(libc::ENODEV)
        );
    });
}

/// A program that speaks for VRID 51 on `a0`, as daemons with raw IP sockets do.
fn other_speaker() -> Socket {
    speaker_of(Domain::IPV4)
}

fn speaker_of(domain: Domain) -> Socket {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(112))).unwrap();
    socket.bind_device(Some(b"a0")).unwrap();
    socket
}

const ADVERT: [u8; 8] = [0x31, 51, 100, 0, 1, 0, 0x6a, 0xfc];

fn frame(vrid: u8) -> Vec<u8> {
    let mut frame = vec![0x01, 0, 0x5e, 0, 0, 0x12, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend_from_slice(&[
        0x45, 0xc0, 0, 28, 0, 1, 0, 0, 255, 112, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18,
    ]);
    frame.extend_from_slice(&[0x21, vrid, 100, 0, 0, 1, 0, 0]);
    frame
}

/// A packet socket on the other end of the cable.
fn listener(ifindex: u32) -> OwnedFd {
    // Listening before anything is sent, and for nothing but outgoing-blind IPv4.
    let socket = Socket::new(
        Domain::PACKET,
        Type::RAW,
        Some(Protocol::from(i32::from(0x0800u16.to_be()))),
    )
    .unwrap();
    let name = nix::net::if_::if_indextoname(ifindex).unwrap();
    assert_eq!(name.to_str(), Ok("b0"));
    socket.into()
}

fn readable(fd: impl AsFd, within: Duration) -> bool {
    let mut waits = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut waits, PollTimeout::try_from(within).unwrap()).unwrap() > 0
}

#[test]
fn frames_arrive_and_an_interface_that_was_down_is_no_lasting_error() {
    alone(|| {
        let (a0, b0) = cable();
        let ear = listener(b0);
        let sender = FrameSender::open(a0).unwrap();
        sender.send(&frame(7)).unwrap();
        assert!(readable(&ear, SOON));
        let mut buffer = [0u8; 256];
        let length = nix::sys::socket::recv(
            ear.as_raw_fd(),
            &mut buffer,
            nix::sys::socket::MsgFlags::empty(),
        )
        .unwrap();
        assert_eq!(buffer[..length], frame(7));

        ip("link set a0 down");
        assert_eq!(
            sender.send(&frame(7)).unwrap_err().raw_os_error(),
            Some(libc::ENETDOWN)
        );
        ip("link set a0 up");
        sender.send(&frame(7)).unwrap();
        ip("link set a0 down");
        ip("link set a0 up");
        sender.send(&frame(7)).unwrap();
        ip("link del a0");
        let gone = sender.send(&frame(7)).unwrap_err().raw_os_error();
        assert!(
            matches!(gone, Some(libc::ENXIO | libc::ENETDOWN | libc::ENODEV)),
            "{gone:?}"
        );
        assert_eq!(
            FrameSender::open(a0).unwrap_err().raw_os_error(),
            Some(libc::ENODEV)
        );
    });
}

#[test]
fn frames_that_are_sent_together_arrive_in_their_order_and_no_more_than_fit_are_taken() {
    alone(|| {
        let (a0, b0) = cable();
        let ear = listener(b0);
        let sender = FrameSender::open(a0).unwrap();
        let frames: Vec<_> = (0..AT_ONCE + 1).map(|mark| frame(mark as u8)).collect();
        let mut left: Vec<&[u8]> = frames.iter().map(AsRef::as_ref).collect();
        assert_eq!(sender.send_some(&left).unwrap(), AT_ONCE);
        left.drain(..AT_ONCE);
        assert_eq!(sender.send_some(&left).unwrap(), 1);
        assert_eq!(sender.send_some(&[]).unwrap(), 0);
        for expected in &frames {
            assert!(readable(&ear, SOON));
            let mut buffer = [0u8; 256];
            let flags = nix::sys::socket::MsgFlags::empty();
            let length = nix::sys::socket::recv(ear.as_raw_fd(), &mut buffer, flags).unwrap();
            assert_eq!(buffer[..length], expected[..]);
        }

        // What the first meets is told; a later one is for the next call to meet.
        let too_long = vec![0; 70_000];
        assert_eq!(sender.send_some(&[&frames[0], &too_long]).unwrap(), 1);
        let error = sender.send_some(&[&too_long, &frames[0]]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        ip("link set a0 down");
        let error = sender.send_some(&[&frames[0], &frames[1]]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENETDOWN));
    });
}

#[test]
fn another_voice_of_this_host_is_heard_and_our_own_is_not() {
    alone(|| {
        let (a0, _) = cable();
        ip("addr add 10.0.0.1/24 dev a0");
        let [ours, theirs] = [7, 51].map(|vrid| Vrid::new(vrid).unwrap());
        let voice = OwnVoice::open(a0, &[ours, theirs].map(|vrid| (Family::V4, vrid))).unwrap();
        assert_eq!(voice.drain(), None);

        // Ours, straight to the driver.
        FrameSender::open(a0).unwrap().send(&frame(7)).unwrap();
        // A VRID that is nobody's business here, and then theirs.
        let other = other_speaker();
        let to = SockAddr::from(std::net::SocketAddr::new(GROUP, 0));
        other.send_to(&[0x31, 52, 100, 0, 1, 0, 0, 0], &to).unwrap();
        other.send_to(&ADVERT, &to).unwrap();
        assert!(readable(&voice, SOON));
        let heard = Heard {
            vrid: theirs,
            source: Ipv4Addr::new(10, 0, 0, 1).into(),
            mac: link("a0").mac,
            priority: Priority::from_wire(ADVERT[2]),
        };
        assert_eq!(voice.drain(), Some(heard));
        assert_eq!(
            voice.drain(),
            None,
            "our own frame, sent first, was not heard"
        );
    });
}

#[test]
fn a_frame_of_ours_that_took_the_ordinary_way_is_known_by_its_mark() {
    alone(|| {
        let (a0, _) = cable();
        ip("addr add 10.0.0.1/24 dev a0");
        let voice = OwnVoice::open(a0, &[(Family::V4, Vrid::new(51).unwrap())]).unwrap();
        let to = SockAddr::from(std::net::SocketAddr::new(GROUP, 0));
        let speaker = other_speaker();
        speaker.set_mark(FRAME_MARK).unwrap();
        speaker.send_to(&ADVERT, &to).unwrap();
        // Veth hands a frame over before `send_to` returns.
        assert_eq!(voice.drain(), None);
        speaker.set_mark(FRAME_MARK + 1).unwrap();
        speaker.send_to(&ADVERT, &to).unwrap();
        assert!(readable(&voice, SOON));
    });
}

#[test]
fn what_comes_in_is_no_voice_of_this_host() {
    alone(|| {
        let (a0, b0) = cable();
        let vrid = Vrid::new(7).unwrap();
        let voice = OwnVoice::open(a0, &[(Family::V4, vrid)]).unwrap();
        let ear = listener(b0);
        FrameSender::open(b0).unwrap().send(&frame(7)).unwrap();
        assert!(readable(&ear, SOON), "it has gone through the cable");
        assert_eq!(voice.drain(), None);
    });
}

#[test]
fn a_router_is_claimed_once_in_a_namespace_and_free_when_the_claim_goes() {
    alone(|| {
        let [one, other] = [1, 2].map(|vrid| Vrid::new(vrid).unwrap());
        let claim = claim_router(7, Family::V4, one).unwrap();
        let error = claim_router(7, Family::V4, one).unwrap_err();
        let AlreadyClaimed::By { holder, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(holder.pid, Some(std::process::id()));
        assert!(
            error
                .to_string()
                .contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        let _elsewhere = (
            claim_router(8, Family::V4, one).unwrap(),
            claim_router(7, Family::V4, other).unwrap(),
        );
        alone(move || drop(claim_router(7, Family::V4, one).unwrap()));
        drop(claim);
        claim_router(7, Family::V4, one).unwrap();
    });
}

#[test]
fn the_hold_hears_nothing_and_keeps_the_host_from_refusing() {
    alone(|| {
        cable();
        ip("link set lo up");
        let counted = || {
            let table = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
            let mut lines = table.lines().filter(|line| line.starts_with("Icmp:"));
            let column = lines
                .next()
                .unwrap()
                .split(' ')
                .position(|word| word == "OutDestUnreachs")
                .unwrap();
            lines
                .next()
                .unwrap()
                .split(' ')
                .nth(column)
                .unwrap()
                .parse::<u64>()
                .unwrap()
        };
        let speaker = Socket::new(
            Domain::IPV4,
            Type::RAW,
            Some(Protocol::from(libc::IPPROTO_RAW)),
        )
        .unwrap();
        let mut packet = vec![
            0x45, 0xc0, 0, 28, 0, 1, 0, 0, 255, 112, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1,
        ];
        packet.extend_from_slice(&ADVERT);
        let to = SockAddr::from(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
        // Loopback delivers before `send_to` returns.
        speaker.send_to(&packet, &to).unwrap();
        assert_eq!(counted(), 1, "without the hold the host refuses");
        let hold = hold_protocol_112().unwrap();
        speaker.send_to(&packet, &to).unwrap();
        assert_eq!(counted(), 1);
        assert!(hold.is_silent().unwrap());
    });
}

#[test]
fn another_programs_raw_socket_is_found_with_its_process() {
    for domain in [Domain::IPV4, Domain::IPV6] {
        a_raw_socket_is_found(domain);
    }
}

fn a_raw_socket_is_found(domain: Domain) {
    alone(move || {
        let (a0, b0) = cable();
        let _hold = hold_protocol_112().unwrap();
        assert_eq!(foreign_holders(a0).unwrap(), []);
        // Another program: the socket is inherited, and ours is closed.
        let socket = speaker_of(domain);
        let inherited = Socket::from(OwnedFd::from(socket));
        inherited.set_cloexec(false).unwrap();
        let mut program = Command::new("sleep").arg("60").spawn().unwrap();
        drop(inherited);
        let holders = foreign_holders(a0).unwrap();
        let elsewhere = foreign_holders(b0).unwrap();
        program.kill().unwrap();
        program.wait().unwrap();
        let [holder] = holders.as_slice() else {
            panic!("{holders:?}")
        };
        assert_eq!(
            (holder.pid, holder.bound),
            (Some(program.id()), Bound::Here)
        );
        assert_eq!(holder.command, "sleep");
        assert_eq!(elsewhere, [], "bound to another interface");
        assert_eq!(foreign_holders(a0).unwrap(), [], "gone with its process");
    });
}

#[test]
fn without_an_interface_there_is_an_error_and_no_panic() {
    alone(|| {
        let gone: io::Error = OwnVoice::open(4711, &[]).unwrap_err();
        assert_eq!(gone.raw_os_error(), Some(libc::ENODEV));
        assert_eq!(Inventory::open().unwrap().by_name("a0").unwrap(), None);
    });
}

#[test]
fn a_group_of_ipv6_is_joined_and_left() {
    alone(|| {
        let (a0, _) = cable();
        let joined = || ip("maddr show dev a0").contains("inet6 ff02::12");
        let membership = Membership::join("ff02::12".parse().unwrap(), a0).unwrap();
        assert!(joined());
        membership.renew().unwrap();
        assert!(joined());
        drop(membership);
        assert!(!joined());
    });
}

/// Hears packets of one EtherType that come in, from their IP header on.
fn incoming(ethertype: u16) -> Socket {
    let protocol = Protocol::from(i32::from(ethertype.to_be()));
    Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol)).unwrap()
}

#[test]
fn whole_packets_reach_a_peer_and_carry_our_mark() {
    alone(|| {
        let (a0, _) = cable();
        ip("addr add 10.0.0.1/24 dev a0");
        ip("-6 addr add 2001:db8::1/64 dev a0 nodad");
        let mac = link("b0").mac;
        ip(&format!("neigh add 10.0.0.2 lladdr {mac} dev a0"));
        ip(&format!("neigh add 2001:db8::2 lladdr {mac} dev a0"));
        let ears = [0x0800u16, 0x86dd].map(incoming);
        let voice = OwnVoice::open(
            a0,
            &[Family::V4, Family::V6].map(|one| (one, Vrid::new(7).unwrap())),
        )
        .unwrap();

        let four = UnicastSender::open([10, 0, 0, 1].into(), a0).unwrap();
        let packet = frame(7).split_off(14);
        let mut to_peer = packet.clone();
        to_peer[16..20].copy_from_slice(&[10, 0, 0, 2]);
        four.send(&to_peer, [10, 0, 0, 2].into()).unwrap();

        let six = UnicastSender::open("2001:db8::1".parse().unwrap(), a0).unwrap();
        let mut packet = vec![0x60, 0, 0, 0, 0, 8, 112, 255];
        packet.extend(
            "2001:db8::1"
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets(),
        );
        packet.extend(
            "2001:db8::2"
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets(),
        );
        packet.extend(ADVERT);
        six.send(&packet, "2001:db8::2".parse().unwrap()).unwrap();

        for (ear, protocol_at) in ears.iter().zip([9, 6]) {
            let mut packet = [0; 2048];
            while packet[protocol_at] != 112 {
                assert!(readable(ear, SOON), "it has gone through the cable");
                let _ = (&*ear).read(&mut packet).unwrap();
            }
        }
        assert_eq!(voice.drain(), None, "they are known for ours");
        let anywhere = UnicastSender::open([10, 0, 0, 1].into(), 0).unwrap();
        let nowhere = anywhere
            .send(&to_peer, [203, 0, 113, 1].into())
            .unwrap_err();
        assert_eq!(nowhere.raw_os_error(), Some(libc::ENETUNREACH));
        let foreign = UnicastSender::open([203, 0, 113, 1].into(), a0).unwrap_err();
        assert_eq!(foreign.raw_os_error(), Some(libc::EADDRNOTAVAIL));
    });
}

#[test]
fn the_hold_keeps_the_host_from_refusing_ipv6() {
    alone(|| {
        cable();
        ip("link set lo up");
        let counted = || {
            let table = fs::read_to_string("/proc/thread-self/net/snmp6").unwrap();
            let mut lines = table.lines();
            let line = lines.find(|line| line.starts_with("Icmp6OutParmProblems"));
            let number = line.unwrap().split_whitespace().nth(1).unwrap();
            number.parse::<u64>().unwrap()
        };
        let home = std::net::Ipv6Addr::LOCALHOST;
        let speaker = UnicastSender::open(home.into(), 0).unwrap();
        let mut packet = vec![0x60, 0, 0, 0, 0, 8, 112, 255];
        packet.extend(home.octets());
        packet.extend(home.octets());
        packet.extend(ADVERT);
        speaker.send(&packet, home.into()).unwrap();
        let end = Instant::now() + SOON;
        while counted() == 0 {
            assert!(Instant::now() < end, "without the hold the host refuses");
            thread::yield_now();
        }
        let hold = hold_protocol_112().unwrap();
        speaker.send(&packet, home.into()).unwrap();
        // A packet that is answered, behind it on the same way, marks the end.
        let mut other = packet.clone();
        other[6] = 253;
        let before = counted();
        speaker.send(&other, home.into()).unwrap();
        let end = Instant::now() + SOON;
        while counted() == before {
            assert!(Instant::now() < end, "an unknown header is refused");
            thread::yield_now();
        }
        assert_eq!(counted(), before + 1, "and ours was not");
        assert!(hold.is_silent().unwrap());
    });
}

#[test]
fn what_we_send_by_a_virtual_mac_is_no_other_voice_on_the_interface_below() {
    alone(|| {
        let (a0, b0) = cable();
        let dir = RuntimeDir::new();
        let mut kernel = dir.open();
        let wanted = Vmac {
            name: "vrrp.7".into(),
            mac: MacAddr([0, 0, 0x5e, 0, 1, 7]),
            transmit_from_base: false,
            group: None,
        };
        let index = kernel.ensure_vmac(a0, &wanted, &[Family::V4]).unwrap();
        let voice = OwnVoice::open(a0, &[(Family::V4, Vrid::new(7).unwrap())]).unwrap();
        let ear = listener(b0);
        FrameSender::open(index).unwrap().send(&frame(7)).unwrap();
        assert!(readable(&ear, SOON), "it has gone through the cable");
        assert_eq!(voice.drain(), None);
    });
}

#[test]
fn another_voice_over_ipv6_is_heard() {
    alone(|| {
        let (a0, _) = cable();
        let vrid = Vrid::new(51).unwrap();
        let voice = OwnVoice::open(a0, &[(Family::V6, vrid)]).unwrap();
        let other = speaker_of(Domain::IPV6);
        let source = own_link_local();
        let group: std::net::Ipv6Addr = "ff02::12".parse().unwrap();
        let to = std::net::SocketAddrV6::new(group, 0, 0, a0);
        other.send_to(&ADVERT, &SockAddr::from(to)).unwrap();
        assert!(readable(&voice, SOON));
        let heard = voice.drain().unwrap();
        assert_eq!((heard.vrid, heard.source), (vrid, source));
    });
}

/// The link-local address of `a0`, once the kernel is sure of it.
fn own_link_local() -> IpAddr {
    let told = Told::start();
    let own = |link: &Link| link.own_address(Family::V6, |_| false);
    let link = told.changed("a link-local address", "a0", |link| own(link).is_some());
    own(&link).unwrap()
}

#[test]
fn a_link_local_address_is_spoken_from_when_the_kernel_is_sure_of_it() {
    alone(|| {
        cable();
        // Nobody else has it; the kernel takes its second to know.
        let address = own_link_local();
        let shown = ip("-6 addr show dev a0");
        assert!(shown.contains(&address.to_string()), "{shown}");
        assert!(!shown.contains("tentative"), "{shown}");
        let a0 = link("a0");
        assert_eq!(a0.own_address(Family::V6, |one| one == address), None);
        assert_eq!(a0.own_address(Family::V4, |_| false), None);
        fs::write("/proc/sys/net/ipv6/conf/a0/dad_transmits", "30").unwrap();
        ip("-6 addr add fe80::7/64 dev a0");
        let told = Told::start();
        let seven: IpAddr = "fe80::7".parse().unwrap();
        let seen = told.changed("one that is looked for", "a0", |link| link.has(seven));
        assert!(seen.tentative.contains(&seven), "{seen:?}");
        assert_eq!(seen.own_address(Family::V6, |one| one == address), None);
    });
}
