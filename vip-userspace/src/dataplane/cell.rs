//! A few numbers that one thread writes and any may read, together and without
//! locks.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Attempts of a reader; the writer needs nanoseconds and comes seldom.
const ATTEMPTS: u32 = 64;

/// `N` numbers that belong together (a sequence lock). Writing never waits, so
/// it is the engine's; there must be one writer at a time.
pub(super) struct Together<const N: usize> {
    /// Odd while the numbers change.
    version: AtomicU64,
    numbers: [AtomicU64; N],
}

impl<const N: usize> Default for Together<N> {
    /// All zeros.
    fn default() -> Self {
        Self {
            version: AtomicU64::new(0),
            numbers: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl<const N: usize> Together<N> {
    /// Puts these in place of those that are there.
    pub(super) fn write(&self, numbers: [u64; N]) {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        // The odd version is seen before any of the numbers.
        fence(Ordering::Release);
        for (cell, number) in self.numbers.iter().zip(numbers) {
            cell.store(number, Ordering::Relaxed);
        }
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }

    /// For the writer: what it wrote last.
    pub(super) fn mine(&self) -> [u64; N] {
        let mut numbers = [0; N];
        for (number, cell) in numbers.iter_mut().zip(&self.numbers) {
            *number = cell.load(Ordering::Relaxed);
        }
        numbers
    }

    /// For anybody: what was written at one time. `None` if they change too fast
    /// to be read.
    pub(super) fn read(&self) -> Option<[u64; N]> {
        for _ in 0..ATTEMPTS {
            let before = self.version.load(Ordering::Acquire);
            if before & 1 == 0 {
                let numbers = self.mine();
                // The numbers are read before the version is again.
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == before {
                    return Some(numbers);
                }
            }
            std::hint::spin_loop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn what_is_read_was_written_together() {
        let cell = Together::<3>::default();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..200_000 {
                    cell.write([round, round.wrapping_mul(3), !round]);
                }
                done.store(true, Ordering::Relaxed);
            });
            while !done.load(Ordering::Relaxed) {
                if let Some([one, three, not]) = cell.read()
                    && (one, three, not) != (0, 0, 0)
                {
                    assert_eq!((three, not), (one.wrapping_mul(3), !one));
                }
            }
        });
        assert_eq!(cell.read(), Some(cell.mine()));
        assert_eq!(cell.mine()[0], 199_999);
    }
}
