//! What is done for each advert, alone and in a loop: `cargo xtask bench micro`.

// What criterion's macros make is public and has no words.
#![allow(
    missing_docs,
    reason = "criterion's macros make items without documentation"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use vip_common::election::{Input, Params, VirtualRouter};
use vip_common::ids::{Family, MacAddr, Priority, Version, Vrid};
use vip_common::layout::{RouterEntry, octets};
use vip_common::time::{Centis, MonoTime};
use vip_common::wire::admit::{admit, kind};
use vip_common::wire::vrrp::{AdvertFrame, Auth, ChecksumDialect, Expect, FrameSpec, decode};
use vip_common::wire::{HEAD, eth};

const VRID: Vrid = match Vrid::new(51) {
    Some(vrid) => vrid,
    None => panic!("51 is a VRID"),
};
const INTERVAL: Centis = match Centis::new(1) {
    Some(interval) => interval,
    None => panic!("10 ms is an interval"),
};
const SENDER: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 4);
const OURSELVES: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 6);
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 8, 100));
const PRIORITY: Priority = Priority::from_wire(150);

const SPEC: FrameSpec<'static> = FrameSpec {
    source_mac: MacAddr([2, 0, 192, 168, 8, 4]),
    destination_mac: eth::group_mac(GROUP),
    source: IpAddr::V4(SENDER),
    destination: IpAddr::V4(GROUP),
    ttl: 255,
    vrid: VRID,
    version: Version::V3,
    interval: INTERVAL,
    auth: Auth::None,
    addresses: &[ADDRESS],
    dialect: ChecksumDialect::PseudoHeader,
};

fn frame() -> AdvertFrame {
    AdvertFrame::new(&SPEC).unwrap_or_else(|error| panic!("{error:?}"))
}

/// A backup that follows a master, and when it last heard it.
fn backup() -> (VirtualRouter, MonoTime) {
    let priority = Priority::from_wire(90);
    let mut router = VirtualRouter::new(Params::new(VRID, Version::V3, priority, INTERVAL));
    let now = MonoTime::from_nanos(1_000_000_000);
    router.handle_input(
        now,
        Input::BecameAble {
            primary: OURSELVES.into(),
        },
    );
    router.handle_input(now, heard(now));
    while router.poll_action().is_some() {}
    (router, now)
}

fn heard(stamp: MonoTime) -> Input {
    Input::AdvertArrived {
        stamp,
        source: SENDER.into(),
        priority: PRIORITY,
        interval: INTERVAL,
    }
}

/// All that follows is taken, as the engine does.
fn follow(router: &mut VirtualRouter) {
    while let Some(action) = router.poll_action() {
        black_box(action);
    }
    black_box(router.poll_timeout());
}

fn wire(criterion: &mut Criterion) {
    let mut built = frame();
    let bytes = built.seal(1, PRIORITY).to_vec();
    let mut head = [0; HEAD];
    let known = bytes.len().min(HEAD);
    head[..known].copy_from_slice(&bytes[..known]);
    let router = RouterEntry {
        slot: 0,
        group: octets(GROUP.into()),
        primary: octets(OURSELVES.into()),
        broadcast: [192, 168, 8, 255],
        mac: MacAddr([2, 0, 192, 168, 8, 6]),
        version: 3,
        min_ttl: 255,
        max_ttl: 255,
        flags: 0,
        pad: 0,
    };
    criterion.bench_function("advert: judge the head", |bencher| {
        bencher.iter(|| {
            let head = black_box(&head);
            (kind(head, bytes.len()), admit(head, bytes.len(), &router))
        });
    });
    let expect = Expect {
        family: Family::V4,
        vrid: VRID,
        version: Version::V3,
        interval: INTERVAL,
        auth: Auth::None,
        old_unicast: false,
    };
    criterion.bench_function("advert: read and check", |bencher| {
        bencher.iter(|| {
            let body = black_box(&bytes[34..]);
            decode(SENDER.into(), GROUP.into(), body, &expect).map(|advert| advert.priority)
        });
    });
    criterion.bench_function("frame: build", |bencher| {
        bencher.iter(|| AdvertFrame::new(black_box(&SPEC)));
    });
    let mut number = 0_u16;
    criterion.bench_function("frame: seal for sending", |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(1);
            built.seal(number, black_box(PRIORITY)).len()
        });
    });
}

fn election(criterion: &mut Criterion) {
    let (mut router, mut now) = backup();
    criterion.bench_function("election: an advert is heard", |bencher| {
        bencher.iter(|| {
            now = now + Duration::from_millis(10);
            router.handle_input(now, heard(now));
            follow(&mut router);
        });
    });
    let (silent, since) = backup();
    let late = since + Duration::from_millis(40);
    criterion.bench_function("election: the deadline passes", |bencher| {
        bencher.iter_batched_ref(
            || silent.clone(),
            |router| {
                router.handle_timeout(late);
                follow(router);
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, wire, election);
criterion_main!(benches);
