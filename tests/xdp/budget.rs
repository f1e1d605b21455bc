//! Floods of well-formed adverts: what goes up is bounded, and the router that is
//! followed is heard through them.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use vip::dataplane::{Ear, Rung};
use vip_common::ids::{MacAddr, Version};
use vip_common::layout::Counter;
use vip_common::layout::budget::{Budget, CALM, INTRUDERS, SOURCE, STRANGERS};
use vip_common::reject::RejectReason;

use crate::frames::{IP, SLOT_2, VRRP, advert, with};
use crate::known::{NEVER, lend, memory};
use crate::program::Bench;

/// The same by another source: in version 2 its address is not in the sum.
fn by(frame: &[u8], source: [u8; 2]) -> Vec<u8> {
    with(frame.to_vec(), IP + 14, &source)
}

/// With a checksum that is wrong.
fn spoiled(frame: &[u8]) -> Vec<u8> {
    let wrong = frame[VRRP + 6] ^ 0x5a;
    with(frame.to_vec(), VRRP + 6, &[wrong])
}

fn count(bench: &Bench, counter: Counter) -> u64 {
    bench.gauges.counter(SLOT_2, counter)
}

fn refused(bench: &Bench, reason: RejectReason) -> u64 {
    count(bench, Counter::Rejected(reason))
}

/// The most that passes of a bucket in a time, and one for its beginning.
fn most(budget: Budget, span: Duration) -> u64 {
    let span = u64::try_from(span.as_nanos()).expect("short");
    budget.burst + span / budget.gap + 1
}

#[test]
fn a_flood_by_one_source_is_cut_to_its_budget() {
    const RUNS: u32 = 100_000;
    for rung in [Rung::Native, Rung::Tcx] {
        let mut bench = Bench::new(rung);
        let frame = advert(Version::V2, 1);
        let start = Instant::now();
        assert!(!bench.run_at_once(&frame, RUNS), "the last is dropped");
        let span = start.elapsed();
        let taken = count(&bench, Counter::Taken);
        let over = refused(&bench, RejectReason::Budget);
        assert_eq!(taken + over, u64::from(RUNS));
        let most = most(CALM, span) + most(SOURCE, span);
        assert!((CALM.burst..=most).contains(&taken), "{taken} of {most}");
        assert_eq!(bench.records().len() as u64, taken);
        let refused = bench.gauges.refused();
        let Some(&[(key, value)]) = refused.get(&SLOT_2).map(Vec::as_slice) else {
            panic!("one source");
        };
        assert_eq!(key.reason, RejectReason::Budget as u32);
        assert_eq!(value.count, over);
    }
}

#[test]
fn a_flood_by_many_sources_is_cut_to_the_router_s() {
    for followed in [false, true] {
        let mut bench = Bench::new(Rung::Native);
        let frame = advert(Version::V2, 1);
        if followed {
            follow(&bench, &frame);
        }
        let start = Instant::now();
        for n in 0..3000_u16 {
            bench.run_at_once(&by(&frame, (0x1000 + n).to_be_bytes()), 1);
        }
        let span = start.elapsed();
        let taken = count(&bench, Counter::Taken);
        let others = if followed { INTRUDERS } else { STRANGERS };
        let most = most(CALM, span) + most(others, span);
        assert!(taken <= most, "{taken} of {most}");
        assert!(refused(&bench, RejectReason::Budget) > 0);
        assert_eq!(bench.records().len() as u64, taken);
    }
}

/// The sender of this frame is the one that is followed.
fn follow(bench: &Bench, frame: &[u8]) {
    let mac = frame[6..].first_chunk().expect("an Ethernet header");
    let source: &[u8; 4] = frame[IP + 12..].first_chunk().expect("an IP header");
    let who = (Ipv4Addr::from(*source).into(), MacAddr(*mac));
    memory(bench).follow(SLOT_2, Some(who));
}

/// By another neighbour, who forges the address.
fn from_elsewhere(frame: &[u8]) -> Vec<u8> {
    with(frame.to_vec(), 6, &[2, 9, 9, 9, 9, 9])
}

/// How many of so many adverts that the followed router changes in the midst of a
/// flood go up, where one of its is `lent` or nothing is.
fn heard_through(flood: &[Vec<u8>], reason: RejectReason, tries: u32, lent: bool) -> u32 {
    let mut bench = Bench::new(Rung::Native);
    let (same, changed) = (advert(Version::V2, 1), advert(Version::V2, 2));
    follow(&bench, &same);
    if lent {
        assert!(lend(&bench, SLOT_2, &same, NEVER));
    }
    let (ears, ring) = (&bench.ears, &mut bench.ring);
    let run = |frame: &[u8], times| {
        let run = ears.rehearse(Rung::Native, frame, times).expect("runs");
        run.passed
    };
    let is_over = AtomicBool::new(false);
    let heard = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                for frame in flood {
                    run(frame, 20_000);
                }
            }
        });
        while bench.gauges.counter(SLOT_2, Counter::Rejected(reason)) < 1000 {
            std::thread::yield_now();
        }
        let mut heard = 0;
        for _ in 0..tries {
            ring.drain(&mut |_| {});
            heard += u32::from(run(&changed, 1));
            if lent {
                assert!(run(&same, 1), "it pays nothing");
            }
        }
        is_over.store(true, Ordering::Relaxed);
        heard
    });
    let known = if lent { tries } else { 0 };
    assert_eq!(count(&bench, Counter::Known), u64::from(known));
    heard
}

#[test]
fn the_followed_router_is_heard_through_a_flood() {
    let burst = u32::try_from(SOURCE.burst).expect("few");
    let own = advert(Version::V2, 3);
    // So many that what is for all of them is spent.
    let strangers: Vec<_> = (70..80).map(|last| by(&own, [8, last])).collect();
    let spoiled = [spoiled(&own)];
    let elsewhere = [from_elsewhere(&own)];
    for lent in [true, false] {
        let all_heard = |flood, reason| heard_through(flood, reason, burst, lent) == burst;
        assert!(all_heard(&strangers, RejectReason::Budget), "lent: {lent}");
        assert!(all_heard(&spoiled, RejectReason::Checksum), "lent: {lent}");
        assert!(all_heard(&elsewhere, RejectReason::Budget), "lent: {lent}");
    }
    // Whoever can forge both its addresses takes from what it says anew.
    assert!(heard_through(&[own], RejectReason::Budget, 300, true) < 300);
}

#[test]
fn what_was_known_last_is_heard_whatever_ends_the_loan() {
    let burst = u32::try_from(SOURCE.burst).expect("few");
    let (same, other) = (advert(Version::V2, 1), advert(Version::V2, 3));
    let mut bench = Bench::new(Rung::Tcx);
    follow(&bench, &same);
    assert!(lend(&bench, SLOT_2, &same, NEVER));
    memory(&bench).lend(SLOT_2, None);
    // All of the followed router's, forged.
    bench.run_at_once(&other, 100_000);
    assert!(refused(&bench, RejectReason::Budget) > 50_000);
    bench.records();
    for _ in 0..burst {
        bench.run_at_once(&other, 1000);
        bench.records();
        assert!(bench.run_at_once(&same, 1), "it pays of its own");
        assert_eq!(bench.records().len(), 1, "and is told");
    }
    // It has a budget all the same.
    let before = count(&bench, Counter::Taken);
    let start = Instant::now();
    bench.run_at_once(&same, 100_000);
    let taken = count(&bench, Counter::Taken) - before;
    let most = most(CALM, start.elapsed()) + most(SOURCE, start.elapsed());
    assert!(taken <= most, "{taken} of {most}");
}

#[test]
fn nothing_was_known_last_where_nothing_was_lent() {
    let mut bench = Bench::new(Rung::Native);
    let (one, other) = (advert(Version::V2, 1), advert(Version::V2, 3));
    follow(&bench, &one);
    let start = Instant::now();
    bench.run_at_once(&other, 50_000);
    bench.run_at_once(&one, 50_000);
    let taken = count(&bench, Counter::Taken);
    let most = most(CALM, start.elapsed()) + most(SOURCE, start.elapsed());
    assert!(taken <= most, "{taken} of {most}");
    assert_eq!(bench.records().len() as u64, taken);
}

#[test]
fn what_does_not_add_up_spends_nothing_even_of_its_own() {
    let mut bench = Bench::new(Rung::Tcx);
    let frame = advert(Version::V2, 1);
    bench.run_at_once(&spoiled(&frame), 10_000);
    assert!(refused(&bench, RejectReason::Checksum) > 5000);
    assert_eq!(refused(&bench, RejectReason::Budget), 0);
    for _ in 0..SOURCE.burst {
        bench.run_at_once(&spoiled(&frame), 1000);
        bench.records();
        assert!(bench.run_at_once(&frame, 1));
    }
}

#[test]
fn without_a_timer_the_budget_is_the_same_but_for_the_sum() {
    let mut bench = Bench::forgetful(Rung::Native);
    let frame = spoiled(&advert(Version::V2, 1));
    bench.run_at_once(&frame, 10_000);
    assert_eq!(refused(&bench, RejectReason::Checksum), 0);
    assert!(refused(&bench, RejectReason::Budget) > 5000);
    assert_eq!(bench.records().len() as u64, count(&bench, Counter::Taken));
}
