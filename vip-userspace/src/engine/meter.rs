//! What the engine counts beside the [published](super::published) slots: how late it
//! was, how far apart adverts came, how near a takeover was. Fixed in size, written by
//! the engine alone with plain stores, read at any time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vip_common::time::MonoTime;

use super::published::Standing;

/// Adds to a counter that nobody else writes.
fn add(counter: &AtomicU64, count: u64) {
    let sum = counter.load(Ordering::Relaxed).wrapping_add(count);
    counter.store(sum, Ordering::Relaxed);
}

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000 * MICRO;

/// Upper bounds of the buckets for lateness, in ns.
pub const LATENESS: &[u64] = &[
    10 * MICRO,
    25 * MICRO,
    50 * MICRO,
    100 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    2_500 * MICRO,
    5 * MILLI,
    10 * MILLI,
    25 * MILLI,
    50 * MILLI,
    100 * MILLI,
    250 * MILLI,
    1_000 * MILLI,
];

/// Upper bounds of the buckets for gaps between adverts, in ns: a little more than the
/// usual intervals, and what a takeover takes after them.
pub const GAPS: &[u64] = &[
    5 * MILLI,
    11 * MILLI,
    25 * MILLI,
    55 * MILLI,
    110 * MILLI,
    210 * MILLI,
    350 * MILLI,
    550 * MILLI,
    800 * MILLI,
    1_100 * MILLI,
    2_100 * MILLI,
    3_100 * MILLI,
    4_100 * MILLI,
    5_500 * MILLI,
    10_500 * MILLI,
    41_000 * MILLI,
];

/// The most buckets of any histogram, the last one unbounded.
const MOST: usize = 17;
const _: () = assert!(LATENESS.len() < MOST && GAPS.len() < MOST);

/// Times, counted by size.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: [AtomicU64; MOST],
    sum: AtomicU64,
}

/// What a histogram holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Upper bound in ns, and how many were no longer than that.
    pub up_to: Vec<(u64, u64)>,
    /// How many in all.
    pub count: u64,
    /// All of them together, in ns.
    pub sum: u64,
}

impl Histogram {
    const fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: [const { AtomicU64::new(0) }; MOST],
            sum: AtomicU64::new(0),
        }
    }

    /// Counts so many times of this length.
    pub(super) fn note(&self, span: Duration, count: u64) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let at = self.bounds.partition_point(|bound| *bound < nanos);
        if let Some(counter) = self.counts.get(at) {
            add(counter, count);
        }
        add(&self.sum, nanos.saturating_mul(count));
    }

    /// What it holds now. Read while the engine writes, sum and count may differ by
    /// what is under way.
    #[must_use]
    pub fn read(&self) -> Counts {
        let mut count = 0;
        let mut up_to = Vec::with_capacity(self.bounds.len());
        for (at, counter) in self.counts.iter().enumerate() {
            count += counter.load(Ordering::Relaxed);
            if let Some(bound) = self.bounds.get(at) {
                up_to.push((*bound, count));
            }
        }
        let sum = self.sum.load(Ordering::Relaxed);
        Counts { up_to, count, sum }
    }
}

/// A part of a takeover.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// From the last advert of the router that was followed to the deadline.
    Detect,
    /// From the deadline to the decision.
    Decide,
    /// From the decision until the kernel had taken our first advert,
    Advert,
    /// until the kernel had the addresses,
    Addresses,
    /// until the first of them was announced.
    Arp,
}

impl Phase {
    /// All, in their order in [`Meter::phases`].
    pub const ALL: [Self; 5] = [
        Self::Detect,
        Self::Decide,
        Self::Advert,
        Self::Addresses,
        Self::Arp,
    ];

    /// As metrics call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Decide => "decide",
            Self::Advert => "advert",
            Self::Addresses => "addresses",
            Self::Arp => "arp",
        }
    }

    const fn bounds(self) -> &'static [u64] {
        match self {
            Self::Detect => GAPS,
            Self::Decide | Self::Advert | Self::Addresses | Self::Arp => LATENESS,
        }
    }
}

/// Where an advert was lost that was due while its sender was followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Before the NIC: the sender has counted it.
    BeforeNic,
    /// At the sender: it has not counted it.
    Sender,
    /// One of the two: the sender does not count its adverts, IPv6 has no count, or it
    /// has begun anew.
    Unknown,
}

impl Place {
    /// All, in their order in [`Reading::lost`].
    pub const ALL: [Self; 3] = [Self::BeforeNic, Self::Sender, Self::Unknown];

    /// As metrics call it, and `vip trace`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::BeforeNic => "before_nic",
            Self::Sender => "sender",
            Self::Unknown => "unknown",
        }
    }
}

/// The states that an instance enters, in the order of [`Meter::entered`].
pub const STATES: [&str; 4] = ["MASTER", "BACKUP", "FAULT", "INIT"];

/// The counters of one router.
#[derive(Debug)]
pub struct Meter {
    /// How long after it was due an advert of ours went out.
    pub lateness: Histogram,
    /// From one accepted advert to the next of the same router. Those that the program
    /// at the NIC has recognised are entered with their mean since the engine looked
    /// last: none of them was so late that it would have woken the engine.
    pub gaps: Histogram,
    /// How long each of [`Phase::ALL`] took when it took over.
    pub phases: [Histogram; Phase::ALL.len()],
    lost: [AtomicU64; Place::ALL.len()],
    entered: [AtomicU64; STATES.len()],
    missed: AtomicU64,
    narrow: AtomicU64,
    margin: AtomicU64,
    resigns_heard: AtomicU64,
    resigns_sent: AtomicU64,
    other_lists: AtomicU64,
}

/// What a [`Meter`] says beside its histograms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// Adverts that were due and are lost, at each of [`Place::ALL`].
    pub lost: [u64; Place::ALL.len()],
    /// How often each of [`STATES`] was entered.
    pub entered: [u64; STATES.len()],
    /// Adverts that were due and did not come, the first of each silence.
    pub missed: u64,
    /// Silences that ended when less than an interval was left.
    pub narrow: u64,
    /// The least that was ever left when an advert came, in ns; none before the first.
    pub margin: Option<u64>,
    /// Adverts heard by which a master gave up.
    pub resigns_heard: u64,
    /// Adverts sent by which we did.
    pub resigns_sent: u64,
    /// Accepted adverts with another list of addresses than ours.
    pub other_lists: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            lateness: Histogram::new(LATENESS),
            gaps: Histogram::new(GAPS),
            phases: Phase::ALL.map(|phase| Histogram::new(phase.bounds())),
            lost: [const { AtomicU64::new(0) }; Place::ALL.len()],
            entered: [const { AtomicU64::new(0) }; STATES.len()],
            missed: AtomicU64::new(0),
            narrow: AtomicU64::new(0),
            margin: AtomicU64::new(u64::MAX),
            resigns_heard: AtomicU64::new(0),
            resigns_sent: AtomicU64::new(0),
            other_lists: AtomicU64::new(0),
        }
    }
}

impl Meter {
    /// A state was entered.
    pub(super) fn enter(&self, standing: Standing) {
        let word = crate::words::state(standing);
        let at = STATES.iter().position(|state| *state == word);
        if let Some(counter) = at.and_then(|at| self.entered.get(at)) {
            add(counter, 1);
        }
    }

    /// A phase of a takeover is over.
    pub(super) fn pass(&self, phase: Phase, took: Duration) {
        let at = Phase::ALL.iter().position(|one| *one == phase);
        if let Some(histogram) = at.and_then(|at| self.phases.get(at)) {
            histogram.note(took, 1);
        }
    }

    /// The router that is followed speaks again after so many adverts that were due, of
    /// which it has sent `missed`, if that is known.
    pub(super) fn lose(&self, due: u64, missed: Option<u16>) {
        let lost = match missed {
            Some(missed) => {
                let sent = u64::from(missed);
                [sent, due.saturating_sub(sent), 0]
            }
            None => [0, 0, due],
        };
        for (counter, count) in self.lost.iter().zip(lost) {
            add(counter, count);
        }
    }

    /// An advert that was due has not come.
    pub(super) fn miss(&self) {
        add(&self.missed, 1);
    }

    /// An advert came at `stamp`; without it the router would have taken over at
    /// `deadline`.
    pub(super) fn reprieve(&self, stamp: MonoTime, deadline: MonoTime, interval: Duration) {
        let left = deadline.since(stamp);
        self.recognise(left);
        if left < interval {
            add(&self.narrow, 1);
        }
    }

    /// An advert came when so much was left. Of those that the program at the NIC has
    /// recognised it is the mean, and what was left at the last of them: none came so
    /// late that it would have woken the engine.
    pub(super) fn recognise(&self, left: Duration) {
        let nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        if nanos < self.margin.load(Ordering::Relaxed) {
            self.margin.store(nanos, Ordering::Relaxed);
        }
    }

    /// A master has given up.
    pub(super) fn hear_resign(&self) {
        add(&self.resigns_heard, 1);
    }

    /// We have.
    pub(super) fn send_resign(&self) {
        add(&self.resigns_sent, 1);
    }

    /// So many adverts had another list of addresses.
    pub(super) fn other_list(&self, count: u64) {
        add(&self.other_lists, count);
    }

    /// What it says.
    #[must_use]
    pub fn read(&self) -> Reading {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let margin = read(&self.margin);
        Reading {
            lost: std::array::from_fn(|at| self.lost.get(at).map_or(0, read)),
            entered: std::array::from_fn(|at| self.entered.get(at).map_or(0, read)),
            missed: read(&self.missed),
            narrow: read(&self.narrow),
            margin: (margin != u64::MAX).then_some(margin),
            resigns_heard: read(&self.resigns_heard),
            resigns_sent: read(&self.resigns_sent),
            other_lists: read(&self.other_lists),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vip_common::election::Fault;

    fn at(nanos: u64) -> MonoTime {
        MonoTime::from_nanos(nanos)
    }

    #[test]
    fn a_bound_is_part_of_its_bucket() {
        let histogram = Histogram::new(&[10, 20]);
        for nanos in [10, 11, 20, 21, 1_000] {
            histogram.note(Duration::from_nanos(nanos), 1);
        }
        let counts = histogram.read();
        assert_eq!(counts.up_to, [(10, 1), (20, 3)]);
        assert_eq!((counts.count, counts.sum), (5, 1_062));
    }

    #[test]
    fn every_state_has_its_counter() {
        let meter = Meter::default();
        for standing in [
            Standing::Active,
            Standing::Backup,
            Standing::Initialize(Fault::LinkDown),
            Standing::Initialize(Fault::Starting),
            Standing::Active,
        ] {
            meter.enter(standing);
        }
        assert_eq!(meter.read().entered, [2, 1, 1, 1]);
    }

    #[test]
    fn what_is_lost_has_its_place() {
        let meter = Meter::default();
        meter.lose(4, Some(3));
        meter.lose(2, Some(2));
        meter.lose(1, Some(2));
        meter.lose(5, None);
        assert_eq!(meter.read().lost, [7, 1, 5]);
    }

    #[test]
    fn each_phase_has_its_histogram() {
        let meter = Meter::default();
        for (at, phase) in Phase::ALL.into_iter().enumerate() {
            meter.pass(phase, Duration::from_millis(at as u64));
        }
        for (at, histogram) in meter.phases.iter().enumerate() {
            let counts = histogram.read();
            assert_eq!((counts.count, counts.sum), (1, at as u64 * MILLI));
        }
    }

    #[test]
    fn the_closest_call_is_kept_and_narrow_ones_are_counted() {
        let meter = Meter::default();
        assert_eq!(meter.read().margin, None);
        let interval = Duration::from_nanos(100);
        meter.reprieve(at(1_000), at(1_300), interval);
        meter.reprieve(at(2_000), at(2_050), interval);
        meter.reprieve(at(3_000), at(3_200), interval);
        let reading = meter.read();
        assert_eq!((reading.margin, reading.narrow), (Some(50), 1));
        meter.recognise(Duration::from_nanos(40));
        meter.recognise(Duration::from_nanos(70));
        let reading = meter.read();
        assert_eq!((reading.margin, reading.narrow), (Some(40), 1));
    }
}
