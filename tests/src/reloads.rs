//! Hundreds of reloads, each with a change that is none of the election's
//! business, under the eyes of the other node and of the wire.

use std::fmt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use vip::lab::pair::{ADDRESS_A, ADDRESS_B, VIRTUAL, VRID};
use vip::lab::{Capture, Host, Lab, LabError, PATIENCE, Process, now};
use vip_common::time::MonoTime;

use crate::pulse::{Pulse, Run};
use crate::scene::{last_state_lines, up, wait_for_address};

const FILE: &str = "/run/reloads.conf";
const RUNTIME_DIR: &str = "/run/vip";
/// Pauses between reloads are shorter, in ms, and in no step with the adverts.
const LONGEST_PAUSE: u64 = 170;

/// What the reloads have shown.
#[derive(Debug)]
pub struct Report {
    /// The advertisement interval.
    pub interval: Duration,
    /// How many were done, by turns on the master and on the backup.
    pub reloads: u32,
    /// Those that were refused, with what was said.
    pub refused: Vec<String>,
    /// The master's adverts from the first reload to the last.
    pub adverts: usize,
    /// The longest time between two of them at the backup's port.
    pub longest: Duration,
    /// Those that came later than 1.5 intervals after the one before, what the
    /// machine did not let run not counted.
    pub late: Vec<String>,
    /// For how long the machine did not let urgent threads run.
    pub stalled: Duration,
    /// The adverts of the backup: none.
    pub of_the_backup: usize,
    /// The changes of state that a daemon has logged: none.
    pub changes: Vec<String>,
}

impl Report {
    /// Whether nothing changed state, nothing was refused and nothing was late.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.is_calm() && self.late.is_empty()
    }

    /// The same without the clock.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.refused.is_empty() && self.of_the_backup == 0 && self.changes.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "interval {:?}: {} reloads, {} adverts, at most {:?} apart, {} later than {:?}, {} of the backup, {} changes of state, {} refused; the machine stalled for {:?} in all",
            self.interval,
            self.reloads,
            self.adverts,
            self.longest,
            self.late.len(),
            self.interval * 3 / 2,
            self.of_the_backup,
            self.changes.len(),
            self.refused.len(),
            self.stalled
        )?;
        for line in [&self.late, &self.changes, &self.refused]
            .into_iter()
            .flatten()
        {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

/// A pair at this interval, reloaded `count` times by turns.
///
/// # Errors
/// When the laboratory fails or nobody is elected.
pub fn run(program: &Path, interval: Duration, count: u32) -> Result<Report, LabError> {
    let lab = Lab::new()?;
    let a = lab.host("A", ADDRESS_A, 24)?;
    let b = lab.host("B", ADDRESS_B, 24)?;
    let capture = lab.capture()?;
    let pulse = Pulse::start()?;
    let on_b = start(&b, program, &text(90, interval, 0))?;
    let on_a = start(&a, program, &text(100, interval, 0))?;
    wait_for_address(&a, VIRTUAL, true)?;
    wait_for_address(&b, VIRTUAL, false)?;
    adverts(&capture, &a, now(), 3)?;

    let begin = now();
    let mut refused = Vec::new();
    let mut asked = Vec::new();
    for number in 1..=count {
        let (host, priority) = if number % 2 == 1 { (&a, 100) } else { (&b, 90) };
        host.write(FILE, &text(priority, interval, number))?;
        asked.push((now(), number, host.name()));
        let said = host.output([
            &*program.to_string_lossy(),
            "reload",
            "--runtime-dir",
            RUNTIME_DIR,
        ])?;
        if said.code() != Some(0) {
            let words = said.stdout + &said.stderr;
            refused.push(format!("{number} on {}: {}", host.name(), words.trim()));
        }
        let pause = u64::from(number) * 37 % LONGEST_PAUSE;
        thread::sleep(Duration::from_millis(pause));
    }
    adverts(&capture, &a, now(), 3)?;
    // What the last one brought is there.
    let more = has_more(count);
    wait_for_address(&a, address(1), more)?;

    let port = b.port();
    let heard = capture.since(begin, |frame| {
        frame.is_to(port) && frame.advert(VRID).is_some()
    });
    let gaps: Vec<_> = heard
        .windows(2)
        .map(|pair| Run {
            from: pair[0].stamp,
            to: pair[1].stamp,
        })
        .collect();
    let spoken = capture.since(begin, |frame| {
        frame.is_from(port) && frame.advert(VRID).is_some()
    });
    let changes = [(&a, &on_a), (&b, &on_b)]
        .into_iter()
        .flat_map(|(host, daemon)| {
            let lines = last_state_lines(daemon, begin).into_iter();
            lines.map(move |line| format!("{}: {line}", host.name()))
        })
        .collect();
    Ok(Report {
        interval,
        reloads: count,
        refused,
        adverts: heard.len(),
        longest: gaps.iter().map(|gap| gap.span()).max().unwrap_or_default(),
        late: gaps
            .iter()
            .filter(|gap| gap.span() > interval * 3 / 2 + pulse.missed(**gap))
            .map(|gap| {
                let before = asked.iter().rev().find(|(at, ..)| *at < gap.to);
                let (at, number, name) = before.copied().unwrap_or((begin, 0, "nobody"));
                format!(
                    "{:?} without advert, ended {:?} after reload {number} was asked of {name}",
                    gap.span(),
                    gap.to.since(at)
                )
            })
            .collect(),
        stalled: pulse.total(),
        of_the_backup: spoken.len(),
        changes,
    })
}

fn start(host: &Host, program: &Path, text: &str) -> Result<Process, LabError> {
    host.write(FILE, text)?;
    let program = program.to_string_lossy();
    let daemon = host.spawn([&*program, "run", "-f", FILE, "--runtime-dir", RUNTIME_DIR])?;
    up(&daemon)?;
    Ok(daemon)
}

/// Waits for so many adverts of a host.
fn adverts(capture: &Capture, host: &Host, since: MonoTime, count: usize) -> Result<(), LabError> {
    let port = host.port();
    let mut last = since;
    for _ in 0..count {
        let next = capture.wait_for("the master's advert", last, PATIENCE, |frame| {
            frame.is_from(port) && frame.advert(VRID).is_some() && frame.stamp > last
        })?;
        last = next.stamp;
    }
    Ok(())
}

/// Whether the `number`th configuration has more addresses than the common one:
/// those of both hosts change together, two reloads at a time.
fn has_more(number: u32) -> bool {
    number.div_ceil(2) % 2 == 1
}

fn address(number: u8) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::new(192, 168, 8, 100 + number)
}

/// What changes: addresses beyond the common one, and how it is announced.
fn text(priority: u8, interval: Duration, number: u32) -> String {
    let more = if number > 0 && has_more(number) {
        format!("        {}/24\n        {}/24\n", address(1), address(2))
    } else {
        String::new()
    };
    let repeats = 1 + number % 5;
    let interval = interval.as_secs_f64();
    format!(
        "vrrp_instance VI_1 {{\n    \
         version 3\n    \
         state BACKUP\n    \
         interface eth0\n    \
         virtual_router_id {VRID}\n    \
         priority {priority}\n    \
         advert_int {interval}\n    \
         garp_master_repeat {repeats}\n    \
         virtual_ipaddress {{\n        {VIRTUAL}/24\n{more}    }}\n}}\n"
    )
}
