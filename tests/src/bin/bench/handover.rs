//! Planned moves: a master that takes leave, and the same one when it comes
//! back and preempts. A client asks every millisecond; counted is what it asked
//! in vain.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::{fmt, fs, thread};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use vip::lab::pair::{ADDRESS_A, ADDRESS_B, ADDRESS_CLIENT, VIRTUAL, VRID};
use vip::lab::{Capture, Host, Lab, PATIENCE, Prober, Process, What, now};
use vip_common::time::MonoTime;

use crate::contender::{Contender, PRIORITY_A, PRIORITY_B, Scale, last_words};
use crate::contender::{Who, contenders};
use crate::document::first_line;
use crate::figures::Figures;
use crate::{load, nanos, shown};

/// How often the client asks.
const QUESTION: Duration = Duration::from_millis(1);
/// An answer that takes longer is lost.
const GRACE: Duration = Duration::from_millis(500);
/// So many adverts in a row of one router alone are an elected pair.
const ELECTED: usize = 3;

#[derive(Args)]
pub(crate) struct HandoverArgs {
    /// How often each contender's master leaves and comes back
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Advertisement intervals, in steps of 10ms
    #[arg(
        long,
        value_name = "TIME",
        value_delimiter = ',',
        default_value = "1s,10ms",
        value_parser = Scale::read
    )]
    interval: Vec<Scale>,
    /// Where every move goes, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    who: Who,
}

/// The two planned moves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Move {
    Leave,
    Return,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Leave => "planned leave",
            Self::Return => "return",
        })
    }
}

/// What the client has seen of one move.
struct Seen {
    /// How many probes it sent meanwhile.
    sent: usize,
    /// How many of them were never answered.
    lost: usize,
    /// The longest time between two probes that were answered, with nothing but
    /// lost ones between them.
    silence: Duration,
}

/// One contender at one interval.
struct Column {
    name: &'static str,
    seen: Vec<(Move, Seen)>,
    failed: u32,
}

/// Measures and prints; fails where a move could not be measured.
pub(crate) fn command(arguments: &HandoverArgs) -> Result<ExitCode> {
    let contenders = contenders(&arguments.who)?;
    let mut scales = Vec::new();
    let mut failed = 0;
    for scale in &arguments.interval {
        let columns = measure(&contenders, *scale, arguments.rounds);
        print(*scale, &columns);
        failed += columns.iter().map(|column| column.failed).sum::<u32>();
        scales.push(document(*scale, &columns));
    }
    if let Some(path) = &arguments.out {
        let versions: Vec<_> = contenders.iter().map(Contender::version).collect();
        let document = json!({
            "schema": 1,
            "measures": "handover",
            "question": nanos(QUESTION),
            "kernel": first_line("/proc/sys/kernel/osrelease"),
            "processors": thread::available_parallelism().map_or(0, usize::from),
            "load": load(),
            "versions": versions,
            "intervals": scales,
        });
        fs::write(path, format!("{document:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("every move: {}", path.display());
    }
    if failed > 0 {
        bail!("{failed} of the rounds could not be measured, each is named above");
    }
    Ok(ExitCode::SUCCESS)
}

/// The contenders' pairs stand side by side and move by turns.
fn measure(contenders: &[Contender], scale: Scale, rounds: u32) -> Vec<Column> {
    let mut columns: Vec<_> = contenders
        .iter()
        .map(|one| Column {
            name: one.label(),
            seen: Vec::new(),
            failed: 0,
        })
        .collect();
    let mut stages: Vec<Option<Stage<'_>>> = contenders.iter().map(|_| None).collect();
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let which = (turn + round as usize) % contenders.len();
            let column = &mut columns[which];
            if let Err(error) = moves(&contenders[which], scale, round, &mut stages[which], column)
            {
                println!("round {}, {}: {error:#}", round + 1, column.name);
                column.failed += 1;
                // The next round begins with a fresh pair.
                stages[which] = None;
            }
        }
    }
    columns
}

/// One leave and one return.
fn moves<'a>(
    contender: &'a Contender,
    scale: Scale,
    round: u32,
    stage: &mut Option<Stage<'a>>,
    column: &mut Column,
) -> Result<()> {
    if stage.is_none() {
        *stage = Some(Stage::new(contender, scale)?);
    }
    if let Some(stage) = stage {
        stage.at_another_phase(round)?;
        column.seen.push((Move::Leave, stage.leave()?));
        stage.at_another_phase(round)?;
        column.seen.push((Move::Return, stage.come_back()?));
    }
    Ok(())
}

/// An elected pair with its client.
struct Stage<'a> {
    contender: &'a Contender,
    scale: Scale,
    on_a: Process,
    _on_b: Process,
    prober: Prober,
    capture: Capture,
    a: Host,
    b: Host,
    _client: Host,
    _lab: Lab,
}

impl<'a> Stage<'a> {
    fn new(contender: &'a Contender, scale: Scale) -> Result<Self> {
        let lab = Lab::new()?;
        let a = lab.host("A", ADDRESS_A, 24)?;
        let b = lab.host("B", ADDRESS_B, 24)?;
        let client = lab.host("client", ADDRESS_CLIENT, 24)?;
        let capture = lab.capture_answers()?;
        let on_b = contender.start(&b, PRIORITY_B, scale)?;
        let on_a = contender.start(&a, PRIORITY_A, scale)?;
        let stage = Self {
            contender,
            scale,
            on_a,
            _on_b: on_b,
            prober: Prober::start(&client, VIRTUAL, QUESTION)?,
            capture,
            a,
            b,
            _client: client,
            _lab: lab,
        };
        stage.elected(&stage.a, &stage.b, now())?;
        Ok(stage)
    }

    /// Waits until `master` alone speaks and has the address, and answers.
    fn elected(&self, master: &Host, other: &Host, since: MonoTime) -> Result<()> {
        let end = now() + PATIENCE + self.scale.interval() * 10;
        loop {
            let adverts = self.capture.since(since, |frame| {
                frame.advert(VRID).is_some() && frame.is_from(frame.port)
            });
            let alone = adverts.len() >= ELECTED
                && adverts
                    .iter()
                    .rev()
                    .take(ELECTED)
                    .all(|frame| frame.port == master.port());
            let answers = self
                .capture
                .since(since, |frame| matches!(frame.what, What::Answer { .. }));
            let answered = answers
                .last()
                .is_some_and(|frame| frame.port == master.port());
            if alone && answered && master.has(VIRTUAL)? && !other.has(VIRTUAL)? {
                return Ok(());
            }
            if now() > end {
                bail!("no election; {}", last_words(&self.on_a));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// A moment of the interval that differs from round to round.
    fn at_another_phase(&self, round: u32) -> Result<()> {
        /// Multiples of the golden ratio cover the interval evenly.
        const STEP: f64 = 0.618_033_988_749_895;
        self.capture
            .wait_for("one more advert", now(), PATIENCE, |frame| {
                frame.advert(VRID).is_some()
            })?;
        thread::sleep(
            self.scale
                .interval()
                .mul_f64((f64::from(round) * STEP).fract()),
        );
        Ok(())
    }

    fn leave(&self) -> Result<Seen> {
        let begin = now();
        self.on_a.signal(Signal::SIGTERM);
        self.on_a.wait(PATIENCE)?;
        self.elected(&self.b, &self.a, begin)?;
        Ok(self.seen(begin))
    }

    fn come_back(&mut self) -> Result<Seen> {
        let begin = now();
        self.on_a = self.contender.start(&self.a, PRIORITY_A, self.scale)?;
        self.elected(&self.a, &self.b, begin)?;
        Ok(self.seen(begin))
    }

    /// What the client saw from `begin` until now.
    fn seen(&self, begin: MonoTime) -> Seen {
        let end = now();
        // What was sent last may still be answered.
        thread::sleep(GRACE);
        let outages = self.prober.outages(begin, end, GRACE);
        let probes = self.prober.probes();
        Seen {
            sent: probes
                .iter()
                .filter(|probe| probe.sent >= begin && probe.sent < end)
                .count(),
            lost: outages.iter().map(|outage| outage.lost).sum(),
            silence: outages
                .iter()
                .map(|outage| outage.span().unwrap_or(end.since(outage.from)))
                .max()
                .unwrap_or_default(),
        }
    }
}

impl Column {
    fn list(&self, which: Move, value: impl Fn(&Seen) -> i64) -> Vec<i64> {
        let chosen = self.seen.iter().filter(|(kind, _)| *kind == which);
        chosen.map(|(_, seen)| value(seen)).collect()
    }
}

fn lost(seen: &Seen) -> i64 {
    i64::try_from(seen.lost).unwrap_or(i64::MAX)
}

fn silence(seen: &Seen) -> i64 {
    i64::try_from(nanos(seen.silence)).unwrap_or(i64::MAX)
}

fn print(scale: Scale, columns: &[Column]) {
    println!(
        "\ninterval {}, one probe each {}: probes lost",
        shown(scale.interval()),
        shown(QUESTION)
    );
    println!(
        "{:16}{:16}{:>8}{:>10}{:>7}{:>8}{:>7}{:>7}{:>18}",
        "", "", "moves", "lossless", "min", "median", "p90", "max", "longest silence"
    );
    for kind in [Move::Leave, Move::Return] {
        for column in columns {
            let list = column.list(kind, lost);
            let clean = list.iter().filter(|lost| **lost == 0).count();
            print!("{kind:16}{:16}{:>8}{clean:>10}", column.name, list.len());
            if let Some(figures) = Figures::of(&list) {
                let Figures {
                    min,
                    median,
                    p90,
                    max,
                    ..
                } = figures;
                let longest = column.list(kind, silence).into_iter().max().unwrap_or(0);
                let longest = Duration::from_nanos(longest.unsigned_abs());
                print!(
                    "{min:>7}{median:>8}{p90:>7}{max:>7}{:>15.1} ms",
                    ms(longest)
                );
            }
            if column.failed > 0 {
                print!("  and {} rounds failed", column.failed);
            }
            println!();
        }
        let total = |column: &Column| {
            let (lost, sent) = column
                .seen
                .iter()
                .filter(|(which, _)| *which == kind)
                .fold((0, 0), |sum, (_, seen)| {
                    (sum.0 + seen.lost, sum.1 + seen.sent)
                });
            format!("{} {lost} of {sent}", column.name)
        };
        let totals: Vec<_> = columns.iter().map(total).collect();
        println!("{:16}in all: {}", "", totals.join(", "));
    }
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

fn document(scale: Scale, columns: &[Column]) -> Value {
    let programs: Vec<_> = columns
        .iter()
        .map(|column| {
            let moves: Vec<_> = column
                .seen
                .iter()
                .map(|(kind, seen)| {
                    json!({
                        "move": kind.to_string(),
                        "sent": seen.sent,
                        "lost": seen.lost,
                        "longest_silence": nanos(seen.silence),
                    })
                })
                .collect();
            json!({ "name": column.name, "not_measured": column.failed, "moves": moves })
        })
        .collect();
    json!({ "interval": nanos(scale.interval()), "programs": programs })
}
