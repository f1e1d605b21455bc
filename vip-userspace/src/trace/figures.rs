//! Numbers of one sender, at a cost that does not grow with time.

use std::collections::BTreeMap;
use std::time::Duration;

use vip_common::time::MonoTime;

/// Points of the time line that are kept. When there are more, each two become the one
/// with the longer gap.
const MOST_POINTS: usize = 8192;
/// Parts of each power of two: a quantile is off by one in 128 at most.
const PARTS: u32 = 128;

/// How often each span came, to about one in a hundred.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: BTreeMap<u32, u64>,
    total: u64,
}

impl Histogram {
    /// One more.
    pub fn add(&mut self, nanos: u64) {
        *self.counts.entry(Self::class(nanos)).or_default() += 1;
        self.total += 1;
    }

    fn class(nanos: u64) -> u32 {
        let power = nanos.max(1).ilog2();
        let shift = power.saturating_sub(PARTS.ilog2());
        let part = u32::try_from(nanos >> shift).unwrap_or(u32::MAX);
        shift * PARTS + part
    }

    /// The middle of a class, in ns.
    fn middle(class: u32) -> u64 {
        let direct = 2 * PARTS;
        if class < direct {
            return u64::from(class);
        }
        let shift = class / PARTS - 1;
        let part = u64::from(class - shift * PARTS);
        (part << shift) + (1_u64 << shift) / 2
    }

    /// The span that this share (0 to 1) is not above; `None` where there is none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let wanted = (share * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (class, count) in &self.counts {
            seen += count;
            if seen >= wanted {
                return Some(Self::middle(*class));
            }
        }
        None
    }

    /// The spans with how often they came, in order.
    pub fn spans(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let all = self.counts.iter();
        all.map(|(class, count)| (Self::middle(*class), *count))
    }

    /// How many there are.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }
}

/// The least margin that was left before a backup would have taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closest {
    /// What was left, in ns; negative where a backup has taken over, or would have.
    pub margin: i64,
    /// The gap, in ns.
    pub gap: u64,
    /// How long a backup waits, in ns.
    pub deadline: u64,
    /// When the advert came that ended the gap.
    pub stamp: MonoTime,
}

/// One point of the time line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Point {
    /// When.
    pub stamp: MonoTime,
    /// Since the advert before, in ns.
    pub gap: u64,
    /// Whether adverts were lost, or the sender late, in this gap.
    pub marked: bool,
}

/// All of one sender.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Adverts that came and can be believed.
    pub adverts: u64,
    /// The gaps between them.
    pub gaps: Histogram,
    /// How far from the interval each gap was.
    pub deviations: BTreeMap<i8, u64>,
    /// How late each advert was where it was late.
    pub lateness: Histogram,
    /// The shortest gap, in ns.
    pub shortest: Option<u64>,
    /// The longest gap, in ns.
    pub longest: Option<u64>,
    /// Sum of the differences of each gap from the one before, in ns.
    wander: u128,
    last_gap: Option<u64>,
    /// The closest call.
    pub closest: Option<Closest>,
    /// How many were lost or late, by [`super::Place::label`].
    pub losses: BTreeMap<String, u64>,
    /// Copies that the kernel threw away and nobody misses, by reason.
    pub harmless: BTreeMap<String, u64>,
    /// The time line.
    points: Vec<Point>,
    /// How many gaps one point stands for.
    per_point: u64,
    pending: Option<(Point, u64)>,
}

/// The bounds of the classes of [`Figures::deviations`], in ns.
const BOUNDS: [u64; 13] = [
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
    300_000_000,
    1_000_000_000,
    3_000_000_000,
    10_000_000_000,
];

/// The class of a deviation: 0 for less than the first bound either way.
fn class(deviation: i64) -> i8 {
    let size = deviation.unsigned_abs();
    let class = BOUNDS.iter().take_while(|bound| size >= **bound).count();
    let class = i8::try_from(class).unwrap_or(i8::MAX);
    if deviation < 0 { -class } else { class }
}

/// The lower bound of a class other than 0, in ns.
#[must_use]
pub(super) fn class_bound(class: i8) -> u64 {
    let at = usize::from(class.unsigned_abs()).saturating_sub(1);
    BOUNDS.get(at).copied().unwrap_or(0)
}

impl Figures {
    /// A gap that was waited for.
    pub fn add_gap(&mut self, stamp: MonoTime, gap: Duration, interval: Duration, marked: bool) {
        let gap = nanos(gap);
        let late = i64::try_from(gap).unwrap_or(i64::MAX) - signed(interval);
        self.gaps.add(gap);
        *self.deviations.entry(class(late)).or_default() += 1;
        self.lateness.add(u64::try_from(late).unwrap_or(0));
        self.shortest = Some(self.shortest.map_or(gap, |shortest| shortest.min(gap)));
        self.longest = Some(self.longest.map_or(gap, |longest| longest.max(gap)));
        if let Some(last) = self.last_gap.replace(gap) {
            self.wander += u128::from(last.abs_diff(gap));
        }
        self.add_point(Point { stamp, gap, marked });
    }

    fn add_point(&mut self, point: Point) {
        let (best, count) = match self.pending.take() {
            Some((best, count)) => {
                let marked = best.marked || point.marked;
                let longer = if point.gap > best.gap { point } else { best };
                (Point { marked, ..longer }, count + 1)
            }
            None => (point, 1),
        };
        if count < self.per_point {
            self.pending = Some((best, count));
            return;
        }
        self.points.push(best);
        if self.points.len() >= MOST_POINTS {
            let halved = self.points.chunks(2).filter_map(|two| {
                let longest = two.iter().max_by_key(|point| point.gap)?;
                let marked = two.iter().any(|point| point.marked);
                Some(Point { marked, ..*longest })
            });
            self.points = halved.collect();
            self.per_point = self.per_point.max(1) * 2;
        }
    }

    /// The time line.
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        let pending = self.pending.map(|(point, _)| point);
        self.points.iter().copied().chain(pending)
    }

    /// A gap against the time that a backup waits.
    pub fn add_margin(&mut self, stamp: MonoTime, gap: Duration, deadline: Duration) {
        let margin = signed(deadline) - signed(gap);
        if self.closest.is_none_or(|closest| margin < closest.margin) {
            self.closest = Some(Closest {
                margin,
                gap: nanos(gap),
                deadline: nanos(deadline),
                stamp,
            });
        }
    }

    /// How much one gap differs from the one before on average, in ns.
    #[must_use]
    pub fn jitter(&self) -> Option<u64> {
        let differences = u128::from(self.gaps.total().checked_sub(1)?);
        let mean = self.wander.checked_div(differences)?;
        u64::try_from(mean).ok()
    }

    /// Adds to the losses.
    pub fn lose(&mut self, label: String, count: u64) {
        *self.losses.entry(label).or_default() += count;
    }
}

/// Nanoseconds, 584 years at most.
#[must_use]
pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds with a sign, 292 years at most.
#[must_use]
pub(super) fn signed(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_quantile_is_off_by_one_in_a_hundred_at_most() {
        let mut histogram = Histogram::default();
        for span in 1..=1000 {
            histogram.add(span * MS);
        }
        for (share, expected) in [(0.5, 500), (0.99, 990), (1.0, 1000), (0.0, 1)] {
            let found = histogram.quantile(share).unwrap();
            let wrong = found.abs_diff(expected * MS) as f64 / (expected * MS) as f64;
            assert!(wrong < 0.01, "{share}: {found}");
        }
        assert_eq!(histogram.total(), 1000);
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn small_spans_and_the_longest_have_their_classes() {
        for span in [0, 1, 127, 128, 255, 256, 257, 1 << 40, u64::MAX] {
            let mut histogram = Histogram::default();
            histogram.add(span);
            let found = histogram.quantile(1.0).unwrap();
            assert!(found.abs_diff(span) <= span / 100 + 1, "{span}: {found}");
        }
    }

    #[test]
    fn the_time_line_keeps_the_longest_gaps() {
        let mut figures = Figures::default();
        for number in 0..100_000_u64 {
            let gap = if number == 54_321 { 900 } else { 100 };
            figures.add_gap(
                MonoTime::from_nanos(number * 100 * MS),
                Duration::from_millis(gap),
                Duration::from_millis(100),
                gap > 100,
            );
        }
        let points: Vec<_> = figures.points().collect();
        assert!(points.len() <= MOST_POINTS + 1, "{}", points.len());
        let longest = points.iter().max_by_key(|point| point.gap).unwrap();
        assert_eq!((longest.gap, longest.marked), (900 * MS, true));
        assert_eq!(figures.longest, Some(900 * MS));
        assert_eq!(figures.jitter(), Some(2 * 800 * MS / 99_999));
    }

    #[test]
    fn the_closest_call_is_the_least_margin() {
        let mut figures = Figures::default();
        for (at, gap) in [(1, 100), (2, 350), (3, 200)] {
            figures.add_margin(
                MonoTime::from_nanos(at),
                Duration::from_millis(gap),
                Duration::from_millis(300),
            );
        }
        let closest = figures.closest.unwrap();
        assert_eq!(closest.margin, -50 * 1_000_000);
        assert_eq!(closest.stamp, MonoTime::from_nanos(2));
    }

    #[test]
    fn deviations_are_sorted_by_size_and_side() {
        assert_eq!([class(-9_999), class(0), class(9_999)], [0; 3]);
        assert_eq!([class(10_000), class(-10_000)], [1, -1]);
        assert_eq!(class(i64::MAX), 13);
        assert_eq!(class_bound(1), 10_000);
        assert_eq!(class_bound(-13), 10_000_000_000);
    }
}
