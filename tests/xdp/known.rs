//! The advert that is known: the same again wakes nobody, anything else does, and
//! so does its absence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use vip::dataplane::packet::{Book, Verdict};
use vip::dataplane::{Ear, EarEvent, Known, Memory, Rung};
use vip_common::ids::Version;
use vip_common::layout::{Counter, KNOWN_BYTES};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use crate::frames::{
    CAPACITY, IP, SLOT_2, SLOT_3, SLOT_6, SLOT_UNICAST, SLOT_UNICAST_6, advert, advert_6, padded,
    port, unicast, unicast_6, with,
};
use crate::program::{Bench, LOOPBACK, Record, now};

/// For what must come, be the machine ever so busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longer than any of these tests takes.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

/// One advert of each kind of router, and whose it is.
fn adverts() -> Vec<(u32, Vec<u8>)> {
    vec![
        (SLOT_2, advert(Version::V2, 1)),
        (SLOT_2, advert(Version::V2, 35)),
        (SLOT_3, advert(Version::V3, 2)),
        (SLOT_6, advert_6(2)),
        (SLOT_6, advert_6(8)),
        (SLOT_UNICAST, unicast()),
        (SLOT_UNICAST_6, unicast_6()),
    ]
}

pub(crate) fn lend(bench: &Bench, slot: u32, frame: &[u8], silence: Duration) -> bool {
    let lent = memory(bench).lend(slot, Some(Known { frame, silence }));
    lent.is_some()
}

pub(crate) fn memory(bench: &Bench) -> Arc<dyn Memory> {
    bench.ring.memory().expect("this kernel has timers")
}

/// As its sender sends it the next time.
fn next(frame: &[u8]) -> Vec<u8> {
    let is_v4 = frame[12..14] == [8, 0];
    if is_v4 {
        let number = u16::from_be_bytes([frame[IP + 4], frame[IP + 5]]).wrapping_add(0x0101);
        with(frame.to_vec(), IP + 4, &number.to_be_bytes())
    } else {
        frame.to_vec()
    }
}

fn known(bench: &Bench, slot: u32) -> u64 {
    bench.gauges.counter(slot, Counter::Known)
}

/// Waits for records, and gives those that came first.
fn wait(bench: &mut Bench) -> Vec<Record> {
    let start = Instant::now();
    loop {
        let left = PATIENCE.saturating_sub(start.elapsed());
        assert!(!left.is_zero(), "nothing came");
        let mut fds = [PollFd::new(bench.ring.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::try_from(left).expect("short")).expect("poll");
        let records = bench.records();
        if !records.is_empty() {
            return records;
        }
    }
}

/// Waits for a silence and nothing else.
fn silence(bench: &mut Bench) -> (MonoTime, u32) {
    match wait(bench)[..] {
        [Record::Silence { stamp, slot }] => (stamp, slot),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_again_is_noted_and_wakes_nobody() {
    for rung in [Rung::Native, Rung::Tcx] {
        let mut bench = Bench::new(rung);
        for (slot, frame) in adverts() {
            assert!(lend(&bench, slot, &frame, NEVER));
            assert_eq!(memory(&bench).repeats(slot), None, "none has come");
            let (mut before, mut frame) = (None, frame);
            for count in 1..=5 {
                frame = next(&frame);
                let start = now();
                assert!(bench.run(&frame), "it passes");
                let seen = memory(&bench).repeats(slot).expect("it has come");
                assert!(start <= seen.stamp && seen.stamp <= now());
                assert_eq!((seen.before, seen.count), (before, count));
                before = Some(seen.stamp);
            }
            assert_eq!(bench.records(), [], "nobody is woken");
            memory(&bench).lend(slot, None);
        }
        assert_eq!(known(&bench, SLOT_2), 10);
        assert_eq!(bench.gauges.counter(SLOT_2, Counter::Taken), 0);
    }
}

#[test]
fn each_byte_that_differs_is_told_or_refused() {
    let port = port("lo", LOOPBACK);
    let book = Book::new(LOOPBACK, &port.routers, &port.addresses);
    for rung in [Rung::Native, Rung::Tcx] {
        let mut bench = Bench::new(rung);
        for (slot, frame) in adverts() {
            assert!(lend(&bench, slot, &frame, NEVER));
            let mut known_again = 0;
            for at in 0..frame.len() {
                let mut spoiled = frame.clone();
                spoiled[at] ^= 0x20;
                let repaired = with(frame.clone(), at, &[frame[at] ^ 0x20]);
                for other in [spoiled, repaired] {
                    let passed = bench.run(&other);
                    let verdict = book.judge(&other, other.len());
                    let told = bench.records().len();
                    let noted = known(&bench, slot) - known_again;
                    known_again += noted;
                    let is_free = (IP + 4..IP + 6).contains(&at);
                    let is_same = other == frame;
                    let expected = match verdict {
                        Verdict::Taken { .. } if frame[12] == 8 && (is_free || is_same) => {
                            (true, 0, 1)
                        }
                        Verdict::Taken { .. } => (true, 1, 0),
                        Verdict::Refused { .. } => (false, 0, 0),
                        Verdict::Untouched | Verdict::Asked { .. } | Verdict::Claimed { .. } => {
                            (true, 0, 0)
                        }
                    };
                    assert_eq!((passed, told, noted), expected, "byte {at}: {verdict:?}");
                }
            }
            // Identification, and the checksum made right again.
            let expected = if frame[12] == 8 { 4 } else { 0 };
            assert_eq!(known_again, expected);
            memory(&bench).lend(slot, None);
            // The next of this router begins where this one ended.
            bench = Bench::new(rung);
        }
    }
}

#[test]
fn padding_is_nothing() {
    let mut bench = Bench::new(Rung::Native);
    for (slot, frame) in adverts() {
        let already = known(&bench, slot);
        assert!(lend(&bench, slot, &padded(frame.clone(), 200), NEVER));
        for len in [frame.len(), frame.len() + 1, 191, 192, 193, 1514] {
            let longer = padded(next(&frame), len.max(frame.len()));
            assert!(bench.run(&longer));
        }
        assert_eq!(known(&bench, slot) - already, 6);
        assert_eq!(bench.records(), []);
    }
}

#[test]
fn what_is_too_long_is_not_lent_and_goes_up() {
    let (last, beyond) = (advert(Version::V2, 35), advert(Version::V2, 36));
    assert!(last.len() <= KNOWN_BYTES && KNOWN_BYTES < beyond.len());
    let mut bench = Bench::new(Rung::Native);
    assert!(lend(&bench, SLOT_2, &last, NEVER));
    assert!(!lend(&bench, SLOT_2, &beyond, NEVER));
    for frame in [last, beyond] {
        bench.run(&frame);
        assert_eq!(bench.records().len(), 1, "nothing is lent");
    }
    let short = advert(Version::V2, 1);
    assert!(!lend(&bench, CAPACITY, &short, NEVER), "no such router");
    assert!(!lend(&bench, SLOT_2, &short[..40], NEVER), "cut short");
    assert_eq!(memory(&bench).repeats(CAPACITY), None);
}

#[test]
fn what_is_withdrawn_goes_up_and_what_came_of_it_stays_known() {
    for rung in [Rung::Native, Rung::Tcx] {
        let mut bench = Bench::new(rung);
        let (one, other) = (advert(Version::V2, 1), advert(Version::V2, 2));
        assert!(lend(&bench, SLOT_2, &one, NEVER));
        bench.run(&one);
        bench.run(&other);
        assert_eq!(bench.records().len(), 1, "another goes up");
        assert_eq!(memory(&bench).lend(SLOT_2, None), None);
        bench.run(&one);
        assert_eq!(bench.records().len(), 1, "withdrawn");
        assert_eq!(
            memory(&bench).repeats(SLOT_2).map(|seen| seen.count),
            Some(1)
        );
        assert!(lend(&bench, SLOT_2, &other, NEVER));
        assert_eq!(
            memory(&bench).repeats(SLOT_2),
            None,
            "of another generation"
        );
        bench.run(&one);
        assert_eq!(bench.records().len(), 1, "not the one any more");
        bench.run(&other);
        assert_eq!(bench.records(), []);
        let seen = memory(&bench).repeats(SLOT_2).expect("it has come");
        assert_eq!((seen.before, seen.count), (None, 1));
    }
}

#[test]
fn another_router_s_is_not_this_one_s() {
    let mut bench = Bench::new(Rung::Native);
    let frame = advert(Version::V2, 1);
    assert!(lend(&bench, SLOT_3, &frame, NEVER));
    bench.run(&frame);
    assert_eq!(bench.records().len(), 1);
    assert_eq!(memory(&bench).repeats(SLOT_3), None);
}

#[test]
fn a_silence_is_told_once_and_in_time() {
    const SPAN: Duration = Duration::from_millis(30);
    for rung in [Rung::Native, Rung::Tcx] {
        let mut bench = Bench::new(rung);
        let frame = advert(Version::V2, 1);
        assert!(lend(&bench, SLOT_2, &frame, SPAN));
        let mut last = MonoTime::from_nanos(0);
        for _ in 0..3 {
            bench.run(&frame);
            let seen = memory(&bench).repeats(SLOT_2).expect("it has come");
            // A second one of the silence before would come first.
            let (stamp, slot) = silence(&mut bench);
            assert_eq!(slot, SLOT_2);
            assert!(stamp.since(seen.stamp) >= SPAN, "{rung}: too early");
            assert!(last < stamp);
            last = stamp;
        }
    }
}

#[test]
fn a_known_advert_postpones_the_silence() {
    const SPAN: Duration = Duration::from_millis(60);
    let mut bench = Bench::new(Rung::Native);
    let frame = advert(Version::V3, 1);
    assert!(lend(&bench, SLOT_3, &frame, SPAN));
    let start = Instant::now();
    // Where this thread was kept from running there may be one; never too early.
    let check = |bench: &mut Bench| {
        let seen = memory(bench).repeats(SLOT_3).expect("it has come");
        for record in bench.records() {
            let Record::Silence { stamp, .. } = record else {
                panic!("{record:?}");
            };
            assert!(stamp.since(seen.stamp) >= SPAN, "too early");
        }
    };
    while start.elapsed() < 5 * SPAN {
        bench.run(&frame);
        let mut fds = [PollFd::new(bench.ring.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, 5_u8).expect("poll");
        check(&mut bench);
    }
    bench.run(&frame);
    let seen = memory(&bench).repeats(SLOT_3).expect("it has come");
    let (stamp, _) = silence(&mut bench);
    assert!(stamp.since(seen.stamp) >= SPAN, "the last one counts");
}

#[test]
fn nothing_is_told_of_what_was_withdrawn() {
    const SOON: Duration = Duration::from_millis(5);
    let mut bench = Bench::new(Rung::Native);
    let (one, other) = (advert(Version::V2, 1), advert(Version::V3, 1));
    assert!(lend(&bench, SLOT_2, &one, SOON));
    bench.run(&one);
    memory(&bench).lend(SLOT_2, None);
    assert!(lend(&bench, SLOT_3, &other, 4 * SOON));
    bench.run(&other);
    assert_eq!(silence(&mut bench).1, SLOT_3);
    // Lent again without having come again, the engine's own deadline holds.
    assert!(lend(&bench, SLOT_2, &one, SOON));
    bench.run(&other);
    assert_eq!(silence(&mut bench).1, SLOT_3);
    // And one that was told just before it was withdrawn is not handed over.
    bench.run(&one);
    let mut fds = [PollFd::new(bench.ring.as_fd(), PollFlags::POLLIN)];
    let some = PollTimeout::try_from(PATIENCE).expect("short");
    assert_eq!(poll(&mut fds, some), Ok(1), "it is in the ring");
    memory(&bench).lend(SLOT_2, None);
    assert_eq!(bench.records(), []);
}

#[test]
fn a_shorter_silence_holds_at_once() {
    let mut bench = Bench::new(Rung::Tcx);
    let frame = advert(Version::V2, 1);
    assert!(lend(&bench, SLOT_2, &frame, NEVER));
    bench.run(&frame);
    memory(&bench).lend(SLOT_2, None);
    assert!(lend(&bench, SLOT_2, &frame, Duration::from_millis(5)));
    bench.run(&frame);
    assert_eq!(silence(&mut bench).1, SLOT_2);
}

#[test]
fn a_silence_outlasts_a_full_ring() {
    const SOON: Duration = Duration::from_millis(2);
    let mut bench = Bench::new(Rung::Native);
    let (one, flood) = (advert(Version::V2, 1), advert(Version::V3, 1));
    bench.fill(&flood, SLOT_3);
    assert!(lend(&bench, SLOT_2, &one, SOON));
    bench.run(&one);
    // The kernel's clock cannot be stepped.
    let seen = memory(&bench).repeats(SLOT_2).expect("it has come");
    while now().since(seen.stamp) < 10 * SOON {
        std::thread::yield_now();
    }
    let start = Instant::now();
    let mut silences = 0;
    while silences == 0 {
        assert!(start.elapsed() < PATIENCE, "it was lost");
        bench.ring.drain(&mut |event| {
            silences += u32::from(matches!(event, EarEvent::Silence { slot: SLOT_2, .. }));
        });
    }
    assert_eq!(silences, 1);
}

#[test]
fn none_is_lost_while_it_is_lent_and_withdrawn() {
    const RUNS: u32 = 300_000;
    let mut bench = Bench::new(Rung::Native);
    let frame = advert(Version::V2, 1);
    let lent = memory(&bench);
    let (ears, ring) = (&bench.ears, &mut bench.ring);
    let (mut noted, mut told) = (0, 0);
    std::thread::scope(|scope| {
        let runs = scope.spawn(|| ears.rehearse(Rung::Native, &frame, RUNS));
        while !runs.is_finished() {
            let known = Known {
                frame: &frame,
                silence: NEVER,
            };
            assert!(lent.lend(SLOT_2, Some(known)).is_some());
            let mut last = 0;
            for _ in 0..100 {
                if let Some(seen) = lent.repeats(SLOT_2) {
                    assert!(seen.before.is_none_or(|before| before < seen.stamp));
                    assert_eq!(seen.before.is_none(), seen.count == 1);
                    assert!(last <= seen.count);
                    last = seen.count;
                }
            }
            lent.lend(SLOT_2, None);
            noted += lent.repeats(SLOT_2).map_or(0, |seen| seen.count);
            for _ in 0..3 {
                ring.drain(&mut |_| told += 1);
            }
        }
        runs.join().expect("no panic").expect("runs");
    });
    ring.drain(&mut |_| told += 1);
    let count = |counter| bench.gauges.counter(SLOT_2, counter);
    let (known, taken) = (count(Counter::Known), count(Counter::Taken));
    // Those that were too many while it was withdrawn.
    let over = count(Counter::Rejected(RejectReason::Budget)) + count(Counter::RingFull);
    assert_eq!(known + taken + over, u64::from(RUNS));
    assert_eq!(told, taken);
    assert!(noted >= known, "noted {noted}, known {known}");
    assert!(known > 0 && taken > 0, "known {known}, taken {taken}");
}

#[test]
fn without_a_timer_every_advert_goes_up() {
    for rung in [Rung::Native, Rung::Tcx] {
        let mut bench = Bench::forgetful(rung);
        let frame = advert(Version::V2, 1);
        assert!(bench.ring.memory().is_none(), "nothing can be lent");
        assert!(bench.run(&frame));
        assert_eq!(bench.records().len(), 1);
    }
}
