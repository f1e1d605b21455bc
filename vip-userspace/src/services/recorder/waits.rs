//! How long the engine waited for a processor, and for how long others had it, second
//! by second: the kernel's own counts, asked by a thread that may sleep.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use vip_common::time::MonoTime;

use super::recording::Wait;

/// So many seconds are remembered.
const MOST: usize = 80;
/// The kernel counts steal in hundredths of a second, whatever its own clock is.
const TICK: u64 = 10_000_000;

/// The last seconds.
#[derive(Debug, Default)]
pub(super) struct Waits {
    schedstat: Option<PathBuf>,
    before: Option<(u64, u64)>,
    seconds: VecDeque<Wait>,
}

impl Waits {
    /// One more second.
    pub(super) fn sample(&mut self, now: MonoTime) {
        if self.schedstat.is_none() {
            self.schedstat = find_engine(Path::new("/proc/self/task"));
        }
        let waited = self.schedstat.as_ref().and_then(|path| {
            let text = fs::read_to_string(path).ok()?;
            waited(&text)
        });
        let stolen = fs::read_to_string("/proc/stat").ok();
        let stolen = stolen.and_then(|text| stolen_ticks(&text)).unwrap_or(0) * TICK;
        let Some(waited) = waited else { return };
        if let Some((waited_before, stolen_before)) = self.before.replace((waited, stolen)) {
            if self.seconds.len() == MOST {
                self.seconds.pop_front();
            }
            self.seconds.push_back(Wait {
                at: now,
                waited_ns: waited.saturating_sub(waited_before),
                stolen_ns: stolen.saturating_sub(stolen_before),
            });
        }
    }

    /// Those of a span in which there was anything to wait for.
    pub(super) fn within(&self, from: MonoTime, to: MonoTime) -> Vec<Wait> {
        let all = self.seconds.iter().copied();
        all.filter(|one| one.at >= from && one.at <= to)
            .filter(|one| one.waited_ns > 0 || one.stolen_ns > 0)
            .collect()
    }
}

/// The engine's file among those of the threads.
fn find_engine(tasks: &Path) -> Option<PathBuf> {
    let tasks = fs::read_dir(tasks).ok()?;
    let paths = tasks.filter_map(|task| Some(task.ok()?.path()));
    let mut named = paths.filter(|path| {
        fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "vip-engine")
    });
    named.next().map(|path| path.join("schedstat"))
}

/// The second number: how long it was ready and did not run, in ns.
fn waited(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().nth(1)?.parse().ok()
}

/// The eighth number of the first line.
fn stolen_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    line.split_whitespace().nth(7)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_counts_are_read() {
        assert_eq!(waited("823345 90123 12\n"), Some(90_123));
        assert_eq!(waited(""), None);
        let stat = "cpu  10 20 30 40 50 60 70 80 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(stolen_ticks(stat), Some(80));
    }
}
