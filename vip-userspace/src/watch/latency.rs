//! How long looks take.

use std::time::Duration;

/// How many looks are remembered: five seconds at the shortest interval.
const KEPT: usize = 512;

/// How long the last looks of a tracker took, 512 at most.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// Microseconds, the oldest ones overwritten.
    kept: Vec<u32>,
    next: usize,
}

/// The same in few numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The quickest.
    pub min: Duration,
    /// The mean.
    pub avg: Duration,
    /// All but one in a hundred took no longer.
    pub p99: Duration,
    /// The slowest.
    pub max: Duration,
    /// How much one differs from the one before, on average.
    pub jitter: Duration,
}

impl Latencies {
    /// One more look.
    pub fn add(&mut self, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        match self.kept.get_mut(self.next) {
            Some(place) => *place = micros,
            None => self.kept.push(micros),
        }
        self.next = (self.next + 1) % KEPT;
    }

    /// All of them in few numbers; `None` where nobody has looked yet.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        let count = u64::try_from(self.kept.len()).ok()?;
        let mut sorted = self.kept.clone();
        sorted.sort_unstable();
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let p99 = *sorted.get((sorted.len() * 99).div_ceil(100).checked_sub(1)?)?;
        let sum: u64 = sorted.iter().copied().map(u64::from).sum();
        // In the order in which they came: what follows the newest is the oldest.
        let (newer, older) = self.kept.split_at_checked(self.next)?;
        let in_order = older.iter().chain(newer);
        let pairs = in_order.clone().zip(in_order.skip(1));
        let differences: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let micros = |micros: u32| Duration::from_micros(micros.into());
        Some(Summary {
            min: micros(min),
            avg: Duration::from_micros(sum / count),
            p99: micros(p99),
            max: micros(max),
            jitter: Duration::from_micros(differences / (count - 1).max(1)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(latencies: impl IntoIterator<Item = u64>) -> Option<Summary> {
        let mut all = Latencies::default();
        for micros in latencies {
            all.add(Duration::from_micros(micros));
        }
        all.summary()
    }

    #[test]
    fn the_last_answers_are_summed_up() {
        let micros = Duration::from_micros;
        assert_eq!(after([]), None);
        let flat = |one| Summary {
            min: one,
            avg: one,
            p99: one,
            max: one,
            jitter: micros(0),
        };
        assert_eq!(after([7]), Some(flat(micros(7))));
        assert_eq!(after([7; 5000]), Some(flat(micros(7))));
        assert_eq!(
            after(1..=100),
            Some(Summary {
                min: micros(1),
                avg: micros(50),
                p99: micros(99),
                max: micros(100),
                jitter: micros(1),
            })
        );
    }

    #[test]
    fn the_oldest_are_forgotten_and_order_counts_for_jitter() {
        // 1000 answers that grow by one: the last 512 are 489 to 1000.
        let summary = after(1..=1000).unwrap();
        assert_eq!(summary.min, Duration::from_micros(489));
        assert_eq!(summary.jitter, Duration::from_micros(1));
        let swinging = after((0..600).map(|n| if n % 2 == 0 { 10 } else { 30 })).unwrap();
        assert_eq!(swinging.jitter, Duration::from_micros(20));
        assert_eq!(swinging.avg, Duration::from_micros(20));
    }
}
