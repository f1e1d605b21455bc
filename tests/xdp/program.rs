//! Verdicts, records and counters, on every rung from one table.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use vip::dataplane::packet::{Book, Verdict};
use vip::dataplane::{AddressNote, Ear, EarEvent, Ears, Gauges, Left, RingEar, Rung, STUB, Wanted};
use vip_common::ids::{MacAddr, Version};
use vip_common::layout::budget::CALM;
use vip_common::layout::{
    self, AddressEntry, AddressKey, CLAIM_BUDGET_NANOS, Counter, LARGE_FRAME, Octets,
};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use crate::cases::{self, Case};
use crate::frames::{
    ADDRESS, ADDRESS_6, CAPACITY, OUR_MAC, SENDER_MAC, SLOT_2, SLOT_6, STRANGER, VRRP, VRRP_6,
    advert, arp, link_local, ndisc, port, with,
};

/// The device that test runs come in by.
pub(crate) const LOOPBACK: u32 = 1;

/// The programs with the rules of the table.
pub(crate) struct Bench {
    pub(crate) rung: Rung,
    pub(crate) ears: Ears,
    pub(crate) ring: RingEar,
    pub(crate) gauges: Gauges,
    /// When the last frame was run.
    last: Cell<Instant>,
}

/// A record of the ring, owned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Record {
    Advert {
        stamp: MonoTime,
        slot: u32,
        ifindex: u32,
        frame: Vec<u8>,
    },
    Claim {
        slot: u32,
        ifindex: u32,
        address: Octets,
        mac: MacAddr,
    },
    Silence {
        stamp: MonoTime,
        slot: u32,
    },
}

pub(crate) fn load(wanted: Wanted) -> (Ears, Option<RingEar>) {
    if STUB {
        panic!("built without the program at the NIC: cargo xtask setup installs what builds it");
    }
    load_for(wanted, CAPACITY, 1)
}

pub(crate) fn load_for(wanted: Wanted, routers: u32, addresses: u32) -> (Ears, Option<RingEar>) {
    Ears::load(wanted, routers, addresses)
        .unwrap_or_else(|error| panic!("these tests load programs into the kernel: {error}"))
}

impl Bench {
    pub(crate) fn new(rung: Rung) -> Self {
        let wanted = match rung {
            Rung::Native | Rung::Generic => Wanted::Native,
            Rung::Tcx => Wanted::Tcx,
            Rung::PacketSocket => panic!("it has no program"),
        };
        Self::of(rung, load(wanted))
    }

    /// As on a kernel without timers for programs.
    pub(crate) fn forgetful(rung: Rung) -> Self {
        let loaded = Ears::load_forgetful(Wanted::Auto, CAPACITY, 1);
        Self::of(rung, loaded.expect("never an error"))
    }

    fn of(rung: Rung, (mut ears, ring): (Ears, Option<RingEar>)) -> Self {
        ears.enter(&port("lo", LOOPBACK))
            .expect("room for the rules");
        Self {
            rung,
            gauges: ears.gauges(),
            ears,
            ring: ring.expect("programs have a ring"),
            last: Cell::new(Instant::now()),
        }
    }

    /// Whether the frame passed; at a pace that spends nobody's budget.
    pub(crate) fn run(&self, frame: &[u8]) -> bool {
        while self.last.get().elapsed() < Duration::from_nanos(2 * CALM.gap) {
            std::hint::spin_loop();
        }
        self.last.set(Instant::now());
        self.run_at_once(frame, 1)
    }

    /// Whether the last of so many frames passed.
    pub(crate) fn run_at_once(&self, frame: &[u8], times: u32) -> bool {
        self.ears
            .rehearse(self.rung, frame, times)
            .unwrap_or_else(|error| panic!("{error}: a frame of {} bytes", frame.len()))
            .passed
    }

    /// Runs adverts of a router until one finds the ring full.
    pub(crate) fn fill(&self, frame: &[u8], slot: u32) {
        let start = Instant::now();
        while self.gauges.counter(slot, Counter::RingFull) == 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "still room");
            self.run_at_once(frame, 100);
        }
    }

    pub(crate) fn records(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        let left = self.ring.drain(&mut |event| records.push(own(event)));
        assert_eq!(left, Left::Nothing);
        records
    }

    fn counters(&self) -> Vec<(u32, String, u64)> {
        counters(&self.gauges)
    }
}

/// Every counter of every router.
pub(crate) fn counters(gauges: &Gauges) -> Vec<(u32, String, u64)> {
    let own = [
        Counter::Taken,
        Counter::RingFull,
        Counter::Asked,
        Counter::Claimed,
        Counter::Withheld,
        Counter::Known,
    ];
    let reasons = RejectReason::ALL.iter().copied().map(Counter::Rejected);
    let all: Vec<Counter> = own.into_iter().chain(reasons).collect();
    (0..CAPACITY)
        .flat_map(|slot| all.iter().map(move |counter| (slot, *counter)))
        .map(|(slot, counter)| {
            let count = gauges.counter(slot, counter);
            (slot, format!("{counter:?}"), count)
        })
        .collect()
}

fn own(event: EarEvent<'_>) -> Record {
    match event {
        EarEvent::Advert {
            stamp,
            slot,
            ifindex,
            frame,
        } => Record::Advert {
            stamp,
            slot,
            ifindex,
            frame: frame.to_vec(),
        },
        EarEvent::Claim {
            stamp: _,
            slot,
            ifindex,
            address,
            mac,
        } => Record::Claim {
            slot,
            ifindex,
            address: layout::octets(address),
            mac,
        },
        EarEvent::Silence { stamp, slot } => Record::Silence { stamp, slot },
        EarEvent::Refused { .. } => panic!("the program tells no refusals"),
    }
}

pub(crate) fn now() -> MonoTime {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("a clock");
    let nanos = Duration::from(now).as_nanos();
    MonoTime::from_nanos(u64::try_from(nanos).expect("within centuries"))
}

/// The counter that a verdict moves.
pub(crate) fn counter(verdict: Verdict) -> Option<(u32, Counter)> {
    match verdict {
        Verdict::Untouched => None,
        Verdict::Taken { slot } => Some((slot, Counter::Taken)),
        Verdict::Refused {
            slot,
            source: _,
            reason,
        } => Some((slot, Counter::Rejected(reason))),
        Verdict::Asked { slot } => Some((slot, Counter::Asked)),
        Verdict::Claimed { slot, stranger, .. } => stranger.then_some((slot, Counter::Claimed)),
    }
}

fn holds_the_table(mut bench: Bench) {
    let rung = bench.rung;
    for case in cases::all() {
        let is_v6 = case.frame.get(12..14) == Some(&[0x86, 0xdd]);
        if rung == Rung::Tcx && case.frame.len() < if is_v6 { VRRP_6 } else { VRRP } {
            // The kernel makes no packet of so little to run this hook on.
            assert_eq!(case.verdict, Verdict::Untouched, "{}", case.name);
            continue;
        }
        let before = bench.counters();
        let start = now();
        let passed = bench.run(&case.frame);
        let end = now();
        check_passage(&case, passed);
        check_counters(&case, &before, &bench.counters());
        check_records(&case, &bench.records(), start, end);
        check_refused(&case, &bench, start, end);
    }
}

fn check_passage(case: &Case, passed: bool) {
    let refused = matches!(case.verdict, Verdict::Refused { .. });
    assert_eq!(passed, !refused, "{}: passed", case.name);
}

/// Exactly the one that is meant has moved, by one.
fn check_counters(case: &Case, before: &[(u32, String, u64)], after: &[(u32, String, u64)]) {
    let expected = counter(case.verdict).map(|(slot, counter)| (slot, format!("{counter:?}"), 1));
    let moved: Vec<_> = before
        .iter()
        .zip(after)
        .filter(|(before, after)| before != after)
        .map(|((slot, name, before), (_, _, after))| (*slot, name.clone(), after - before))
        .collect();
    assert_eq!(moved, Vec::from_iter(expected), "{}: counters", case.name);
}

/// An advert is told with all its bytes; a refusal and what is not ours never.
fn check_records(case: &Case, records: &[Record], start: MonoTime, end: MonoTime) {
    let name = &case.name;
    match case.verdict {
        Verdict::Taken { slot: expected } => {
            let [
                Record::Advert {
                    stamp,
                    slot,
                    ifindex,
                    frame,
                },
            ] = records
            else {
                panic!("{name}: told {records:?}");
            };
            let whole = case.frame.len().min(LARGE_FRAME);
            assert_eq!(frame[..], case.frame[..whole], "{name}: bytes");
            assert_eq!((*slot, *ifindex), (expected, LOOPBACK), "{name}");
            assert!(start <= *stamp && *stamp <= end, "{name}: stamp");
        }
        Verdict::Claimed {
            slot, address, mac, ..
        } => {
            // More than one a second is not told; the budget has its own test.
            let claim = Record::Claim {
                slot,
                ifindex: LOOPBACK,
                address,
                mac,
            };
            assert!(
                records.is_empty() || records == [claim],
                "{name}: told {records:?}"
            );
        }
        Verdict::Untouched | Verdict::Refused { .. } | Verdict::Asked { .. } => {
            assert_eq!(records, [], "{name}: told");
        }
    }
}

/// A refusal is remembered by its source.
fn check_refused(case: &Case, bench: &Bench, start: MonoTime, end: MonoTime) {
    let refused = bench
        .gauges
        .refused()
        .into_values()
        .flatten()
        .filter(|(_, refused)| {
            let stamp = MonoTime::from_nanos(refused.stamp);
            start <= stamp && stamp <= end
        })
        .map(|(key, _)| (key.slot, key.source(), key.reason))
        .collect::<Vec<_>>();
    let expected = match case.verdict {
        Verdict::Refused {
            slot,
            source,
            reason,
        } => vec![(slot, source, u32::from(reason as u8))],
        Verdict::Untouched
        | Verdict::Taken { .. }
        | Verdict::Asked { .. }
        | Verdict::Claimed { .. } => vec![],
    };
    assert_eq!(refused, expected, "{}: remembered", case.name);
}

#[test]
fn xdp_holds_the_table() {
    holds_the_table(Bench::new(Rung::Native));
}

#[test]
fn tcx_holds_the_table() {
    holds_the_table(Bench::new(Rung::Tcx));
}

#[test]
fn programs_without_a_timer_hold_it_too() {
    holds_the_table(Bench::forgetful(Rung::Native));
    holds_the_table(Bench::forgetful(Rung::Tcx));
}

#[test]
fn the_packet_socket_s_judgement_holds_the_table() {
    let port = port("lo", LOOPBACK);
    let book = Book::new(LOOPBACK, &port.routers, &port.addresses);
    for case in cases::all() {
        let seen = case.frame.len().min(LARGE_FRAME);
        let verdict = book.judge(&case.frame[..seen], case.frame.len());
        assert_eq!(verdict, case.verdict, "{}", case.name);
    }
}

#[test]
fn the_table_has_every_reason_that_a_header_gives() {
    let cases = cases::all();
    for reason in RejectReason::ALL {
        let covered = cases.iter().any(
            |case| matches!(case.verdict, Verdict::Refused { reason: seen, .. } if seen == *reason),
        );
        let by_header = *reason <= RejectReason::Length || *reason == RejectReason::AuthHeader;
        assert_eq!(covered, by_header, "{reason:?}");
    }
}

#[test]
fn another_interface_s_router_is_not_this_one_s() {
    for rung in [Rung::Native, Rung::Tcx] {
        let (mut ears, ring) = load(Wanted::Native);
        ears.enter(&port("elsewhere", LOOPBACK + 1)).expect("room");
        let forged = with(advert(Version::V2, 1), 22, &[254]);
        assert!(ears.rehearse(rung, &forged, 1).expect("runs").passed);
        let mut ring = ring.expect("programs have a ring");
        ring.drain(&mut |event| panic!("told {event:?}"));
    }
}

#[test]
fn a_full_ring_is_counted_and_lets_pass() {
    let mut bench = Bench::new(Rung::Native);
    let frame = advert(Version::V2, 1);
    let count = |bench: &Bench, counter| bench.gauges.counter(SLOT_2, counter);
    bench.fill(&frame, SLOT_2);
    let (taken, lost) = (
        count(&bench, Counter::Taken),
        count(&bench, Counter::RingFull),
    );
    assert!(lost > 0 && taken > 1000, "taken {taken}, lost {lost}");
    assert_eq!(bench.records().len() as u64, taken);
    assert!(bench.run(&frame));
    assert_eq!(bench.records().len(), 1, "it goes on");
}

#[test]
fn claims_are_told_once_a_second_and_all_counted() {
    let mut bench = Bench::new(Rung::Tcx);
    let claim = arp(1, STRANGER, ADDRESS, ADDRESS);
    let start = Instant::now();
    for _ in 0..3 {
        bench.run(&claim);
    }
    assert_eq!(bench.records().len(), 1);
    let seen = bench.gauges.claim(SLOT_2).expect("a claim");
    assert_eq!((seen.count, seen.mac), (3, STRANGER));
    assert_eq!(seen.address(), IpAddr::from(ADDRESS));
    // The kernel's clock cannot be stepped; so claims go on until one is told.
    let mut claims = 3;
    while bench.records().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10), "none was told");
        bench.run(&claim);
        claims += 1;
    }
    assert!(start.elapsed() >= Duration::from_nanos(CLAIM_BUDGET_NANOS));
    assert_eq!(bench.gauges.counter(SLOT_2, Counter::Claimed), claims);
}

/// Runs a claim until it is told; the kernel's clock cannot be stepped.
fn told_in_the_end(bench: &mut Bench, claim: &[u8], patience: Duration) -> Vec<Record> {
    let start = Instant::now();
    loop {
        assert!(bench.run(claim), "an announcement passes");
        let records = bench.records();
        if !records.is_empty() {
            return records;
        }
        assert!(start.elapsed() < patience, "it was not told");
    }
}

/// Both families' address, the router that has it, and its Active Router's and
/// our own announcement of it.
fn announcements() -> [(IpAddr, u32, Vec<u8>, Vec<u8>); 2] {
    let v4 = |mac| arp(1, mac, ADDRESS, ADDRESS);
    let v6 = |mac| ndisc(136, mac, ADDRESS_6, ADDRESS_6, Some(mac));
    [
        (ADDRESS.into(), SLOT_2, v4(SENDER_MAC), v4(OUR_MAC)),
        (ADDRESS_6.into(), SLOT_6, v6(SENDER_MAC), v6(OUR_MAC)),
    ]
}

#[test]
fn every_claim_of_a_watched_address_is_told_at_once() {
    for rung in [Rung::Native, Rung::Tcx] {
        let mut bench = Bench::new(rung);
        for (address, slot, by_active, by_us) in announcements() {
            let key = AddressKey::new(LOOPBACK, address);
            bench.run(&by_active);
            bench.run(&by_us);
            assert_eq!(bench.records(), [], "nobody watches");
            let note = AddressNote {
                active: SENDER_MAC,
                watched: true,
                withheld: false,
            };
            bench.ring.note_address(key, note);
            for (frame, by) in [(&by_active, SENDER_MAC), (&by_us, OUR_MAC)] {
                let patience = Duration::from_secs(10);
                let told = told_in_the_end(&mut bench, frame, patience);
                let claim = Record::Claim {
                    slot,
                    ifindex: LOOPBACK,
                    address: layout::octets(address),
                    mac: by,
                };
                assert_eq!(told, [claim]);
            }
            // A stranger's budget of a second does not hold here, and neither of
            // those is a stranger.
            assert_eq!(bench.gauges.counter(slot, Counter::Claimed), 0);
            assert_eq!(bench.gauges.claim(slot), None);
            let calm = AddressNote {
                watched: false,
                ..note
            };
            bench.ring.note_address(key, calm);
            bench.run(&by_active);
            assert_eq!(bench.records(), [], "nobody watches any more");
        }
    }
}

#[test]
fn what_is_watched_is_told_within_a_strangers_second() {
    let mut bench = Bench::new(Rung::Native);
    bench.run(&arp(1, STRANGER, ADDRESS, ADDRESS));
    assert_eq!(bench.records().len(), 1);
    let note = AddressNote {
        watched: true,
        ..AddressNote::default()
    };
    let key = AddressKey::new(LOOPBACK, ADDRESS.into());
    bench.ring.note_address(key, note);
    let claim = arp(1, STRANGER, ADDRESS, ADDRESS);
    told_in_the_end(&mut bench, &claim, Duration::from_millis(500));
}

#[test]
fn requests_for_a_withheld_address_are_dropped() {
    let nobody = (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
    let other = (Ipv4Addr::new(192, 168, 8, 77), link_local(0x77));
    let asks = [
        (
            IpAddr::from(ADDRESS),
            SLOT_2,
            arp(1, STRANGER, other.0, ADDRESS),
            arp(1, STRANGER, nobody.0, ADDRESS),
            arp(1, STRANGER, ADDRESS, ADDRESS),
        ),
        (
            IpAddr::from(ADDRESS_6),
            SLOT_6,
            ndisc(135, STRANGER, other.1, ADDRESS_6, Some(STRANGER)),
            ndisc(135, STRANGER, nobody.1, ADDRESS_6, None),
            ndisc(136, STRANGER, ADDRESS_6, ADDRESS_6, Some(STRANGER)),
        ),
    ];
    for rung in [Rung::Native, Rung::Tcx] {
        let mut bench = Bench::new(rung);
        for (address, slot, question, probe, announcement) in &asks {
            let key = AddressKey::new(LOOPBACK, *address);
            let withheld = AddressNote {
                withheld: true,
                ..AddressNote::default()
            };
            bench.ring.note_address(key, withheld);
            assert!(!bench.run(question), "{address}: who asks is not answered");
            assert!(!bench.run(probe), "{address}: it is not defended");
            assert_eq!(bench.records().len(), 1, "{address}: the probe claims too");
            assert!(bench.run(announcement), "{address}: who says it is heard");
            let count = |bench: &Bench, counter| bench.gauges.counter(*slot, counter);
            assert_eq!(count(&bench, Counter::Withheld), 2);
            assert_eq!(count(&bench, Counter::Asked), 0);
            bench.ring.note_address(key, AddressNote::default());
            assert!(bench.run(question) && bench.run(probe));
            assert_eq!(count(&bench, Counter::Withheld), 2);
            assert_eq!(count(&bench, Counter::Asked), 1);
        }
    }
}

#[test]
fn what_was_noted_of_an_address_stays_when_rules_change() {
    let mut bench = Bench::new(Rung::Native);
    let key = AddressKey::new(LOOPBACK, ADDRESS.into());
    let withheld = AddressNote {
        withheld: true,
        ..AddressNote::default()
    };
    bench.ring.note_address(key, withheld);
    let question = arp(1, STRANGER, Ipv4Addr::new(192, 168, 8, 77), ADDRESS);
    let mut port = port("lo", LOOPBACK);
    bench.ears.enter(&port).expect("room");
    assert!(!bench.run(&question), "withheld still");
    let another = Ipv4Addr::new(192, 168, 8, 101);
    let own = port.addresses[0].1.own;
    let entry = AddressEntry::new(SLOT_2, own);
    let another_key = AddressKey::new(LOOPBACK, another.into());
    port.addresses.push((another_key, entry));
    bench.ears.enter(&port).expect("room");
    let its = arp(1, STRANGER, Ipv4Addr::new(192, 168, 8, 77), another);
    assert!(!bench.run(&its), "as the router's others are");
    for (_, entry) in &mut port.addresses {
        entry.slot = SLOT_6;
    }
    bench.ears.enter(&port).expect("room");
    assert!(bench.run(&question), "of another router now");
}

#[test]
fn whom_the_engine_notes_as_active_is_no_stranger() {
    let mut bench = Bench::new(Rung::Native);
    let key = AddressKey::new(LOOPBACK, ADDRESS.into());
    let noted = |active| AddressNote {
        active,
        ..AddressNote::default()
    };
    let claim = arp(2, STRANGER, ADDRESS, ADDRESS);
    let claims = |bench: &Bench| bench.gauges.counter(SLOT_2, Counter::Claimed);
    bench.ring.note_address(key, noted(STRANGER));
    bench.run(&claim);
    assert_eq!(claims(&bench), 0);
    bench.ring.note_address(key, noted(MacAddr::ZERO));
    bench.run(&claim);
    assert_eq!(claims(&bench), 1);
    let unknown = AddressKey::new(LOOPBACK, [9; 4].into());
    bench.ring.note_address(unknown, noted(STRANGER));
    bench.run(&arp(2, STRANGER, [9; 4].into(), [9; 4].into()));
    assert_eq!(claims(&bench), 1, "noting makes no address ours");
}
