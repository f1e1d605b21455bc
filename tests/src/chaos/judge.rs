//! What the run has shown.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use vip::lab::LabError;
use vip_common::time::MonoTime;

use crate::pulse::Run;

use super::line::{Line, runs};
use super::{ADDRESSES, Chaos, HOSTS, PRIORITY_SWING};

/// Beyond the protocol's own time.
const MARGIN: Duration = Duration::from_millis(50);
/// What is shown before a breach.
const BEFORE: Duration = Duration::from_millis(500);

/// Something that lasted longer than it may.
#[derive(Debug, Clone)]
pub struct Breach {
    /// What.
    pub what: String,
    /// When.
    pub run: Run,
    /// How long it may last, what the machine missed included.
    pub bound: Duration,
    /// What was done and what the daemons wrote around it.
    pub around: Vec<String>,
}

/// All that the run has shown.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How often each fault struck.
    pub faults: BTreeMap<String, u32>,
    /// How long it took.
    pub took: Duration,
    /// The longest time with two hosts that hear each other and have the same
    /// address.
    pub longest_overlap: Duration,
    /// How often there were two for any time at all.
    pub overlaps: usize,
    /// The longest time without any host that has an address, while one was able.
    pub longest_gap: Duration,
    /// The probes that the client sent, and those that were never answered.
    pub probes: (usize, usize),
    /// For how long the machine did not let urgent threads run.
    pub stalled: Duration,
    /// What lasted longer than it may.
    pub breaches: Vec<Breach>,
    /// What a daemon answered wrong.
    pub wrong: Vec<String>,
    /// What was left behind, with the host's name.
    pub left: Vec<String>,
}

impl Report {
    /// Whether nothing lasted too long, nothing was answered wrong, and nothing
    /// is left.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.breaches.is_empty() && self.wrong.is_empty() && self.left.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<_> = self
            .faults
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        let (sent, lost) = self.probes;
        writeln!(
            f,
            "seed {}: {} faults in {:.0} s ({})",
            self.seed,
            self.faults.values().sum::<u32>(),
            self.took.as_secs_f64(),
            faults.join(", ")
        )?;
        writeln!(
            f,
            "two holders that hear each other: {} times, at most {:?}",
            self.overlaps, self.longest_overlap
        )?;
        writeln!(
            f,
            "no holder while one is able: at most {:?}",
            self.longest_gap
        )?;
        writeln!(f, "the client lost {lost} of {sent} probes")?;
        writeln!(f, "the machine stalled for {:?} in all", self.stalled)?;
        for breach in &self.breaches {
            writeln!(
                f,
                "\nTOO LONG: {} for {:?}, more than {:?}:",
                breach.what,
                breach.run.span(),
                breach.bound
            )?;
            for line in &breach.around {
                writeln!(f, "  {line}")?;
            }
        }
        for wrong in &self.wrong {
            writeln!(f, "WRONG: {wrong}")?;
        }
        for left in &self.left {
            writeln!(f, "LEFT: {left}")?;
        }
        Ok(())
    }
}

impl Chaos<'_> {
    /// Judges what was between two moments. The daemons have ended.
    pub(super) fn report(self, begin: MonoTime, end: MonoTime) -> Result<Report, LabError> {
        let mut report = Report {
            seed: self.plan.seed,
            faults: self.counts.clone(),
            took: end.since(begin),
            longest_overlap: Duration::ZERO,
            overlaps: 0,
            longest_gap: Duration::ZERO,
            probes: (0, 0),
            stalled: self.pulse.total(),
            breaches: Vec::new(),
            wrong: self.wrong.clone(),
            left: Vec::new(),
        };
        for address in ADDRESSES {
            self.judge(address, begin, end, &mut report);
        }
        report.breaches.sort_by_key(|breach| breach.run.from);
        let probes = self.prober.probes();
        let sent = probes
            .iter()
            .filter(|probe| probe.sent >= begin && probe.sent < end)
            .count();
        report.probes = (sent, self.prober.lost(begin, end, MARGIN));
        for node in &self.nodes {
            for line in node.left_behind()?.lines() {
                report.left.push(format!("{}: {line}", node.host.name()));
            }
        }
        Ok(report)
    }

    fn judge(&self, address: IpAddr, begin: MonoTime, end: MonoTime, report: &mut Report) {
        let had: Vec<Line> = self.nodes.iter().map(|node| node.had(address)).collect();
        if had.iter().all(|line| line.moments().next().is_none()) {
            report
                .wrong
                .push(format!("{address} was on no host at all"));
        }
        let lines = had.iter().flat_map(Line::moments);
        let mut moments: Vec<_> = lines
            .chain(self.nodes.iter().flat_map(super::node::Node::moments))
            .chain(self.isolated.moments())
            .chain([begin, end])
            .filter(|moment| (begin..=end).contains(moment))
            .collect();
        moments.sort_unstable();
        moments.dedup();
        // The address is there, and so is a daemon that vouches for it.
        let holds =
            |which: usize, at: MonoTime| had[which].at(at) && self.nodes[which].reachable(at);
        let name = |which: usize| self.nodes[which].host.name();

        for first in 0..self.nodes.len() {
            for second in first + 1..self.nodes.len() {
                let both = |at| holds(first, at) && holds(second, at) && !self.isolated.at(at);
                for run in runs(&moments, both) {
                    report.overlaps += 1;
                    report.longest_overlap = report.longest_overlap.max(run.span());
                    let what = format!("{address} on {} and {}", name(first), name(second));
                    self.breach(report, what, run, self.plan.interval);
                }
            }
            let alone = |at| {
                self.nodes[first].able(at) && (0..self.nodes.len()).all(|which| !holds(which, at))
            };
            for run in runs(&moments, alone) {
                report.longest_gap = report.longest_gap.max(run.span());
                let what = format!("{address} on no host while {} is able", name(first));
                self.breach(report, what, run, self.down_interval(first));
            }
        }
    }

    /// RFC 9568 section 6.1 with the lowest priority that the host may have.
    fn down_interval(&self, which: usize) -> Duration {
        let lowest = u64::from(HOSTS[which].2).saturating_sub(PRIORITY_SWING);
        let share = u32::try_from(256 - lowest).unwrap_or(256);
        self.plan.interval * 3 + self.plan.interval * share / 256
    }

    fn breach(&self, report: &mut Report, what: String, run: Run, bound: Duration) {
        let bound = bound + MARGIN + self.pulse.missed(run);
        if run.span() > bound {
            let around = self.around(run);
            report.breaches.push(Breach {
                what,
                run,
                bound,
                around,
            });
        }
    }

    /// What was done and written around a time, relative to its beginning.
    fn around(&self, run: Run) -> Vec<String> {
        let from = run.from - BEFORE;
        let mut lines: Vec<_> = self
            .done
            .iter()
            .filter(|(at, _)| *at >= from && *at <= run.to)
            .cloned()
            .collect();
        for node in &self.nodes {
            let wrote = node.wrote(from, run.to).into_iter();
            lines.extend(wrote.map(|(at, text)| (at, format!("{} {text}", node.host.name()))));
            for address in ADDRESSES {
                let had = node.had(address);
                let changes = had.moments().filter(|at| *at >= from && *at <= run.to);
                lines.extend(changes.map(|at| {
                    let verb = if had.at(at) { "has" } else { "has lost" };
                    (at, format!("{} {verb} {address}", node.host.name()))
                }));
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        lines
            .into_iter()
            .map(|(at, text)| {
                let (sign, span) = if at < run.from {
                    ('-', run.from.since(at))
                } else {
                    ('+', at.since(run.from))
                };
                format!("{sign}{:.3} s {text}", span.as_secs_f64())
            })
            .collect()
    }
}
