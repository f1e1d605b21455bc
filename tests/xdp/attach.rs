//! Attachment to real devices: which rung an interface gets, what is heard on
//! it, and what becomes of it when somebody else acts.

use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, sendto, socket,
};
use vip::dataplane::{
    Attached, Deaf, Ear, EarError, EarEvent, Ears, Gauges, Port, RingEar, Rung, Wanted,
    offload_tags,
};
use vip_common::ids::Version;
use vip_common::layout::budget::CALM;
use vip_common::layout::{AddressKey, Counter, mapped};
use vip_common::reject::RejectReason;

use crate::cases;
use crate::frames::{
    ADDRESS, ADDRESS_6, CAPACITY, IP, SENDER, SENDER_6, SLOT_2, SLOT_6, STRANGER, VRID_3, VRRP_6,
    advert, advert_6, arp, link_local, ndisc, port, with,
};
use crate::program::{counter, counters, load, load_for};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Runs in a network namespace of its own, where `near` and `far` are the ends
/// of one cable; it goes with the thread.
pub(crate) fn with_cable(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace takes root");
        ip("link add near type veth peer name far");
        for device in ["near", "far"] {
            ip(&format!("link set {device} mtu 3000 up"));
            // The tags of VLANs stay in the frames, as on a real wire.
            assert!(offload_tags(device, false), "{device}");
        }
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .expect("ip is installed");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {words}");
}

pub(crate) fn ifindex(device: &str) -> u32 {
    nix::net::if_::if_nametoindex(device).expect("the device is there")
}

/// What was heard, as one word each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Heard {
    Advert { slot: u32, ifindex: u32, len: usize },
    Claim { slot: u32, ifindex: u32 },
    Refused { slot: u32, reason: RejectReason },
}

/// Waits until so much was heard.
fn hear(ear: &mut dyn Ear, count: usize) -> Vec<Heard> {
    let start = Instant::now();
    let mut heard = Vec::new();
    while heard.len() < count {
        let left = PATIENCE.saturating_sub(start.elapsed());
        assert!(!left.is_zero(), "heard only {heard:?}");
        let mut fds = [PollFd::new(ear.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::try_from(left).expect("short")).expect("poll");
        ear.drain(&mut |event| {
            heard.push(match event {
                EarEvent::Advert {
                    slot,
                    ifindex,
                    frame,
                    ..
                } => Heard::Advert {
                    slot,
                    ifindex,
                    len: frame.len(),
                },
                EarEvent::Claim { slot, ifindex, .. } => Heard::Claim { slot, ifindex },
                EarEvent::Refused { slot, reason, .. } => Heard::Refused { slot, reason },
                EarEvent::Silence { .. } => panic!("nothing was lent"),
            });
        });
    }
    heard
}

/// Puts frames on the wire at the other end.
pub(crate) fn send(frames: &[Vec<u8>]) {
    send_from("far", frames);
}

fn send_from(device: &str, frames: &[Vec<u8>]) {
    send_each(device, frames.iter(), || {});
}

/// The same, with something to do after each.
fn send_each<'a>(device: &str, frames: impl Iterator<Item = &'a Vec<u8>>, mut after: impl FnMut()) {
    let own = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Packet, SockType::Raw, own, None).expect("a packet socket");
    let device: SockaddrStorage = nix::ifaddrs::getifaddrs()
        .expect("the devices")
        .filter(|found| found.interface_name == device)
        .filter_map(|found| found.address)
        .find(|address| address.as_link_addr().is_some())
        .expect("the device is there");
    for frame in frames {
        let sent = sendto(socket.as_raw_fd(), frame, &device, MsgFlags::empty());
        assert_eq!(sent, Ok(frame.len()));
        after();
    }
}

/// Forged, strange, ours: what every rung tells apart the same way.
fn mixture() -> Vec<Vec<u8>> {
    let good = advert(Version::V2, 1);
    vec![
        with(good.clone(), IP + 8, &[254]),
        with(good.clone(), IP + 9, &[6]),
        with(good.clone(), IP + 21, &[99]),
        arp(1, STRANGER, SENDER, ADDRESS),
        arp(1, STRANGER, ADDRESS, ADDRESS),
        good,
    ]
}

/// The same over IPv6.
fn mixture_6() -> Vec<Vec<u8>> {
    let good = advert_6(1);
    vec![
        with(good.clone(), IP + 7, &[254]),
        with(good.clone(), IP + 6, &[6]),
        with(good.clone(), VRRP_6 + 1, &[99]),
        ndisc(135, STRANGER, link_local(0x77), ADDRESS_6, Some(STRANGER)),
        ndisc(136, STRANGER, ADDRESS_6, ADDRESS_6, Some(STRANGER)),
        good,
    ]
}

/// The ear of an attached interface: its own or the common one.
pub(crate) fn ear<'a>(
    attached: &'a mut Attached,
    ring: &'a mut Option<RingEar>,
) -> &'a mut dyn Ear {
    match (&mut attached.ear, ring) {
        (Some(ear), _) => &mut **ear,
        (None, Some(ring)) => ring,
        (None, None) => panic!("no ear"),
    }
}

fn hears_the_mixture(wanted: Wanted, rung: Rung) {
    with_cable(move || {
        let (mut ears, mut ring) = load(wanted);
        let gauges = ears.gauges();
        let near = ifindex("near");
        let mut attached = ears.attach(&port("near", near)).expect("attached");
        assert_eq!((attached.rung, attached.why.as_str()), (rung, ""));
        ears.prove(near).expect("it is attached");
        send(&mixture());
        let ear = ear(&mut attached, &mut ring);
        let mut expected = vec![
            Heard::Claim {
                slot: SLOT_2,
                ifindex: near,
            },
            Heard::Advert {
                slot: SLOT_2,
                ifindex: near,
                len: 54,
            },
        ];
        if rung == Rung::PacketSocket {
            let reason = RejectReason::Ttl;
            let slot = SLOT_2;
            expected.insert(0, Heard::Refused { slot, reason });
        }
        assert_eq!(hear(ear, expected.len()), expected);
        for (counter, count) in [
            (Counter::Taken, 1),
            (Counter::Rejected(RejectReason::Ttl), 1),
            (Counter::Asked, 1),
            (Counter::Claimed, 1),
            (Counter::RingFull, 0),
        ] {
            assert_eq!(gauges.counter(SLOT_2, counter), count, "{counter:?}");
        }
        let all = gauges.refused();
        let Some(&[(key, refused)]) = all.get(&SLOT_2).map(Vec::as_slice) else {
            panic!("one is refused");
        };
        assert_eq!((key.source(), refused.count), (IpAddr::from(SENDER), 1));
        let claim = gauges.claim(SLOT_2).expect("a claim");
        assert_eq!((claim.mac, claim.count), (STRANGER, 1));

        send(&mixture_6());
        let mut expected = vec![
            Heard::Claim {
                slot: SLOT_6,
                ifindex: near,
            },
            Heard::Advert {
                slot: SLOT_6,
                ifindex: near,
                len: 78,
            },
        ];
        if rung == Rung::PacketSocket {
            let reason = RejectReason::Ttl;
            let slot = SLOT_6;
            expected.insert(0, Heard::Refused { slot, reason });
        }
        assert_eq!(hear(ear, expected.len()), expected);
        for (counter, count) in [
            (Counter::Taken, 1),
            (Counter::Rejected(RejectReason::Ttl), 1),
            (Counter::Asked, 1),
            (Counter::Claimed, 1),
        ] {
            assert_eq!(gauges.counter(SLOT_6, counter), count, "{counter:?}");
        }
        let all = gauges.refused();
        let Some(&[(key, refused)]) = all.get(&SLOT_6).map(Vec::as_slice) else {
            panic!("one is refused");
        };
        assert_eq!((key.source(), refused.count), (IpAddr::from(SENDER_6), 1));
        let claim = gauges.claim(SLOT_6).expect("a claim");
        assert_eq!((claim.mac, claim.count), (STRANGER, 1));
        assert_eq!(claim.address(), IpAddr::from(ADDRESS_6));
    });
}

#[test]
fn native_hears() {
    hears_the_mixture(Wanted::Native, Rung::Native);
}

#[test]
fn auto_is_native_on_a_cable() {
    hears_the_mixture(Wanted::Auto, Rung::Native);
}

#[test]
fn generic_hears() {
    hears_the_mixture(Wanted::Generic, Rung::Generic);
}

#[test]
fn tcx_hears() {
    hears_the_mixture(Wanted::Tcx, Rung::Tcx);
}

#[test]
fn a_packet_socket_hears() {
    hears_the_mixture(Wanted::Off, Rung::PacketSocket);
}

/// The whole table over a cable: every counter ends where the table says.
fn counts_the_table(mut attached: Attached, mut ring: Option<RingEar>, gauges: &Gauges) {
    let cases = cases::all();
    let mut expected = counters(gauges);
    for (slot, counter) in cases.iter().filter_map(|case| counter(case.verdict)) {
        let name = format!("{counter:?}");
        let found = expected
            .iter_mut()
            .find(|(at, called, _)| *at == slot && *called == name);
        found.expect("it is counted").2 += 1;
    }
    let ear = ear(&mut attached, &mut ring);
    send_each("far", cases.iter().map(|case| &case.frame), || {
        let begin = Instant::now();
        // At a pace that spends nobody's budget.
        while begin.elapsed() < Duration::from_nanos(2 * CALM.gap) {
            ear.drain(&mut |_| {});
        }
    });
    let start = Instant::now();
    while counters(gauges) != expected && start.elapsed() < PATIENCE {
        ear.drain(&mut |_| {});
    }
    assert_eq!(counters(gauges), expected);
}

#[test]
fn every_rung_counts_the_table_alike() {
    for (wanted, rung) in [
        (Wanted::Native, Rung::Native),
        (Wanted::Generic, Rung::Generic),
        (Wanted::Tcx, Rung::Tcx),
        (Wanted::Off, Rung::PacketSocket),
    ] {
        with_cable(move || {
            let (mut ears, ring) = load(wanted);
            let attached = ears
                .attach(&port("near", ifindex("near")))
                .expect("attached");
            assert_eq!(attached.rung, rung);
            counts_the_table(attached, ring, &ears.gauges());
        });
    }
}

/// Packets that this host sends are no news, on the rung that could hear them.
#[test]
fn a_packet_socket_does_not_hear_its_own_host() {
    with_cable(|| {
        let (mut ears, mut ring) = load(Wanted::Off);
        let mut attached = ears
            .attach(&port("near", ifindex("near")))
            .expect("attached");
        send_from("near", &[advert(Version::V2, 2)]);
        send(&[advert(Version::V2, 1)]);
        let heard = hear(ear(&mut attached, &mut ring), 1);
        assert!(
            matches!(heard[..], [Heard::Advert { len: 54, .. }]),
            "{heard:?}"
        );
    });
}

#[test]
fn a_taken_slot_is_left_alone() {
    with_cable(|| {
        let near = ifindex("near");
        for (holder, there) in [
            (Wanted::Native, Rung::Native),
            (Wanted::Generic, Rung::Generic),
        ] {
            let (mut first, _ring) = load(holder);
            assert_eq!(first.attach(&port("near", near)).expect("free").rung, there);

            for wanted in [Wanted::Native, Wanted::Generic] {
                let (mut second, _ring) = load(wanted);
                let error = second.attach(&port("near", near)).err().expect("taken");
                assert!(matches!(error, EarError::Attach { .. }));
                assert!(error.to_string().contains("left alone"), "{error}");
                assert!(matches!(second.prove(near), Err(Deaf::NotAttached)));
            }

            let (mut second, mut ring) = load(Wanted::Auto);
            let mut attached = second.attach(&port("near", near)).expect("a rung below");
            assert_eq!(attached.rung, Rung::Tcx);
            assert!(
                attached.why.contains("another XDP program"),
                "{}",
                attached.why
            );
            first.prove(near).expect("the first is there still");
            send(&[advert(Version::V3, 1)]);
            assert_eq!(hear(ear(&mut attached, &mut ring), 1).len(), 1);
        }
    });
}

/// Behind a generic program the kernel shows the packet without its Ethernet
/// header; the judgement is the same.
#[test]
fn tcx_counts_the_table_behind_a_generic_program() {
    with_cable(|| {
        let near = ifindex("near");
        let (mut first, _ring) = load(Wanted::Generic);
        let mut nothing = port("near", near);
        nothing.routers.clear();
        nothing.addresses.clear();
        first.attach(&nothing).expect("free");
        let (mut second, ring) = load(Wanted::Auto);
        let attached = second.attach(&port("near", near)).expect("attached");
        assert_eq!(attached.rung, Rung::Tcx);
        counts_the_table(attached, ring, &second.gauges());
    });
}

#[test]
fn two_of_us_hear_side_by_side_at_tcx() {
    with_cable(|| {
        let near = ifindex("near");
        let (mut first, mut first_ring) = load(Wanted::Tcx);
        let (mut second, mut second_ring) = load(Wanted::Tcx);
        let mut other = port("near", near);
        other.routers.retain(|(key, _)| key.vrid == VRID_3);
        let mut one = first.attach(&port("near", near)).expect("attached");
        let mut two = second.attach(&other).expect("attached");
        send(&[advert(Version::V2, 1), advert(Version::V3, 1)]);
        assert_eq!(hear(ear(&mut one, &mut first_ring), 2).len(), 2);
        assert_eq!(hear(ear(&mut two, &mut second_ring), 1).len(), 1);
    });
}

#[test]
fn dropping_the_ears_frees_the_slot() {
    with_cable(|| {
        let near = ifindex("near");
        for _ in 0..2 {
            let (mut ears, _ring) = load(Wanted::Native);
            ears.attach(&port("near", near)).expect("free");
            ears.detach(near);
            assert!(matches!(ears.prove(near), Err(Deaf::NotAttached)));
            ears.attach(&port("near", near)).expect("free again");
        }
    });
}

#[test]
fn a_bridge_is_heard_at_tcx() {
    with_cable(|| {
        ip("link add bridge type bridge forward_delay 0 mcast_snooping 0");
        ip("link set near master bridge");
        ip("link set bridge up");
        let bridge = ifindex("bridge");
        let mut port = port("bridge", bridge);
        port.kind = Some("bridge".to_owned());
        let (mut ears, mut ring) = load(Wanted::Auto);
        let mut attached = ears.attach(&port).expect("attached");
        assert_eq!(attached.rung, Rung::Tcx);
        assert_eq!(attached.why, "no XDP on a bridge device");
        // The bridge forwards from its port as soon as that is up.
        let start = Instant::now();
        let ear = ear(&mut attached, &mut ring);
        let mut heard = 0;
        while heard == 0 {
            assert!(start.elapsed() < PATIENCE, "nothing came over the bridge");
            send(&[advert(Version::V2, 1)]);
            ear.drain(&mut |_| heard += 1);
        }
    });
}

#[test]
fn a_removed_interface_is_a_deaf_ear() {
    with_cable(|| {
        for (wanted, gone) in [
            (Wanted::Native, "detached"),
            (Wanted::Generic, "detached"),
            (Wanted::Tcx, "detached"),
            (Wanted::Off, "gone"),
        ] {
            let near = ifindex("near");
            let (mut ears, _ring) = load(wanted);
            let _attached = ears.attach(&port("near", near)).expect("attached");
            ears.prove(near).expect("it is attached");
            ip("link del near");
            let deaf = ears.prove(near).expect_err("it is gone");
            assert!(deaf.to_string().contains(gone), "{wanted}: {deaf}");
            ip("link add near type veth peer name far");
            for device in ["near", "far"] {
                ip(&format!("link set {device} up"));
            }
            // Another index, another port; and the old one may be attached anew.
            ears.detach(near);
            let near = ifindex("near");
            ears.attach(&port("near", near)).expect("attached again");
            ears.prove(near).expect("it hears again");
        }
    });
}

#[test]
fn rules_can_change_while_attached() {
    with_cable(|| {
        let near = ifindex("near");
        for wanted in [Wanted::Auto, Wanted::Off] {
            let (mut ears, mut ring) = load(wanted);
            ears.attach(&port("near", near)).expect("attached");
            let mut fewer = port("near", near);
            fewer.routers.retain(|(key, _)| key.vrid == VRID_3);
            let mut attached = ears.attach(&fewer).expect("attached still");
            send(&[advert(Version::V2, 1), advert(Version::V3, 2)]);
            let heard = hear(ear(&mut attached, &mut ring), 1);
            assert!(
                matches!(heard[..], [Heard::Advert { len: 50, .. }]),
                "{heard:?}"
            );
            assert_eq!(ears.gauges().counter(SLOT_2, Counter::Taken), 0);
        }
    });
}

#[test]
fn more_routers_than_there_is_room_for_are_an_error() {
    with_cable(|| {
        let near = ifindex("near");
        let mut port = port("near", near);
        for (_, entry) in &mut port.routers {
            entry.slot = CAPACITY;
        }
        let (mut ears, _ring) = load(Wanted::Auto);
        let error = ears.attach(&port).err().expect("no room");
        assert!(matches!(error, EarError::Capacity { .. }), "{error}");
        assert!(matches!(ears.prove(near), Err(Deaf::NotAttached)));
    });
}

/// With so many addresses of one router.
fn port_of_many(ifindex: u32, addresses: u16) -> Port {
    let mut many = port("near", ifindex);
    let (key, entry) = many.addresses[0];
    many.addresses = (0..addresses)
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            let address = mapped([10, 0, high, low]);
            (AddressKey { address, ..key }, entry)
        })
        .collect();
    many
}

#[test]
fn a_router_may_have_more_addresses_than_an_advert_holds() {
    with_cable(|| {
        let near = ifindex("near");
        let (mut ears, _ring) = load_for(Wanted::Auto, 1, 600);
        let mut many = port_of_many(near, 600);
        many.routers.truncate(1);
        many.routers[0].1.slot = 0;
        let attached = ears.attach(&many).expect("attached");
        assert_eq!((attached.rung, attached.why.as_str()), (Rung::Native, ""));
    });
}

#[test]
fn without_room_for_its_rules_it_is_a_packet_socket_that_says_why() {
    with_cable(|| {
        let near = ifindex("near");
        let mut many = port_of_many(near, 600);
        many.routers.truncate(1);
        many.routers[0].1.slot = 0;

        let (mut ears, _ring) = load_for(Wanted::Native, 1, 1);
        let error = ears.attach(&many).err().expect("no room").to_string();
        assert!(error.contains("os error 7"), "{error}");
        assert!(matches!(ears.prove(near), Err(Deaf::NotAttached)));
        drop(ears);

        let (mut ears, mut ring) = load_for(Wanted::Auto, 1, 1);
        let mut few = many.clone();
        few.addresses.truncate(1);
        assert_eq!(ears.attach(&few).expect("attached").rung, Rung::Native);
        let mut attached = ears.attach(&many).expect("attached");
        assert_eq!(attached.rung, Rung::PacketSocket);
        assert!(
            attached.why.contains("enter an address"),
            "{}",
            attached.why
        );
        assert!(attached.why.contains("os error 7"), "{}", attached.why);
        ears.prove(near).expect("it is attached");
        send(&[advert(Version::V2, 1)]);
        let heard = hear(ear(&mut attached, &mut ring), 1);
        assert!(
            matches!(heard[..], [Heard::Advert { slot: 0, .. }]),
            "{heard:?}"
        );
        let again = ears.attach(&few).expect("attached");
        assert_eq!((again.rung, again.why), (attached.rung, attached.why));
        assert!(again.ear.is_some(), "in place of the one before");
    });
}

#[test]
fn a_missing_interface_is_an_error_and_leaves_nothing() {
    with_cable(|| {
        for wanted in [Wanted::Auto, Wanted::Off, Wanted::Native] {
            let (mut ears, _ring): (Ears, _) = load(wanted);
            assert!(ears.attach(&port("nowhere", 4_000)).is_err(), "{wanted}");
            assert!(matches!(ears.prove(4_000), Err(Deaf::NotAttached)));
        }
    });
}
