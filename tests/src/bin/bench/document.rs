//! What a part has measured: every sample, and on what.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// The shape of the file; a reader refuses another.
const SCHEMA: u32 = 2;

/// All of one part.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Document {
    pub(crate) schema: u32,
    /// Its name, as `cargo xtask bench` takes it.
    pub(crate) part: String,
    /// What was typed.
    pub(crate) command: String,
    /// The settings that a reader of the figures must know.
    pub(crate) settings: String,
    pub(crate) machine: Machine,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) series: Vec<Series>,
    /// What could not be measured, in words.
    pub(crate) failures: Vec<String>,
    /// What else a reader may want to see of single rounds, in words.
    pub(crate) notes: Vec<String>,
}

/// A program that took part.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Subject {
    pub(crate) name: String,
    /// What it says of itself.
    pub(crate) version: String,
}

/// Where and when.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Machine {
    pub(crate) processors: usize,
    pub(crate) model: String,
    pub(crate) kernel: String,
    /// Runnable tasks over the minute before, from `/proc/loadavg`.
    pub(crate) load_at_start: String,
    /// Of this project, with `+` where files differ from it.
    pub(crate) commit: String,
    /// UTC, `2026-01-31`.
    pub(crate) date: String,
}

/// What a number means.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// A duration.
    Nanoseconds,
    /// A duration of very few nanoseconds.
    Picoseconds,
    /// How many.
    Count,
    Bytes,
    /// Events in a second.
    PerSecond,
    /// Of one processor, in millionths.
    Share,
}

/// A kind of value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Measure {
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    /// Whether it is drawn.
    pub(crate) drawn: bool,
    pub(crate) by: By,
}

/// By what subjects are compared with each other.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    Median,
    /// Where the median says nothing, as of what lies on both sides of zero.
    P99,
    Nothing,
}

/// The samples of one subject under one condition, in the order in which they
/// were taken.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Series {
    pub(crate) measure: String,
    pub(crate) unit: Unit,
    pub(crate) drawn: bool,
    pub(crate) by: By,
    pub(crate) condition: String,
    pub(crate) subject: String,
    pub(crate) samples: Vec<i64>,
}

impl Document {
    /// An empty one for a part that begins now.
    pub(crate) fn begin(part: &str, settings: String, subjects: Vec<Subject>) -> Self {
        Self {
            schema: SCHEMA,
            part: part.to_owned(),
            command: command(std::env::args().skip(1)),
            settings,
            machine: Machine::this(),
            subjects,
            series: Vec::new(),
            failures: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds samples to their series.
    pub(crate) fn add(
        &mut self,
        measure: Measure,
        condition: &str,
        subject: &str,
        samples: impl IntoIterator<Item = i64>,
    ) {
        let known = self.series.iter_mut().find(|series| {
            series.measure == measure.title
                && series.condition == condition
                && series.subject == subject
        });
        if let Some(series) = known {
            series.samples.extend(samples);
        } else {
            self.series.push(Series {
                measure: measure.title.to_owned(),
                unit: measure.unit,
                drawn: measure.drawn,
                by: measure.by,
                condition: condition.to_owned(),
                subject: subject.to_owned(),
                samples: samples.into_iter().collect(),
            });
        }
    }

    /// Notes that a round could not be measured.
    pub(crate) fn fail(
        &mut self,
        condition: &str,
        round: u32,
        subject: &str,
        error: &anyhow::Error,
    ) {
        let failure = format!("{condition}, round {}, {subject}: {error:#}", round + 1);
        eprintln!("{failure}");
        self.failures.push(failure);
    }

    /// The kinds of values that it has, in the order of their first sample.
    pub(crate) fn measures(&self) -> Vec<(&str, Unit, bool)> {
        let mut all: Vec<(&str, Unit, bool)> = Vec::new();
        for series in &self.series {
            if !all.iter().any(|(title, ..)| *title == series.measure) {
                all.push((&series.measure, series.unit, series.drawn));
            }
        }
        all
    }

    /// The series of one kind, condition by condition, and within one in the
    /// order of the subjects.
    pub(crate) fn of(&self, measure: &str) -> Vec<&Series> {
        let chosen: Vec<_> = self
            .series
            .iter()
            .filter(|series| series.measure == measure)
            .collect();
        let mut conditions: Vec<&str> = Vec::new();
        for series in &chosen {
            if !conditions.contains(&series.condition.as_str()) {
                conditions.push(&series.condition);
            }
        }
        let place = |name: &str| self.subjects.iter().position(|one| one.name == name);
        let mut ordered = Vec::new();
        for condition in conditions {
            let mut group: Vec<_> = chosen
                .iter()
                .copied()
                .filter(|series| series.condition == condition)
                .collect();
            group.sort_by_key(|series| place(&series.subject));
            ordered.extend(group);
        }
        ordered
    }

    /// Reads what [`Document::write`] has written.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read {}; measure it first", path.display()))?;
        let document: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is no measurement; measure it again", path.display()))?;
        anyhow::ensure!(
            document.schema == SCHEMA,
            "{} is of another version; measure it again",
            path.display()
        );
        Ok(document)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let failed = || format!("cannot write {}", path.display());
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).with_context(failed)?;
        }
        let text = serde_json::to_string(self)?;
        fs::write(path, text + "\n").with_context(failed)
    }
}

/// The command as others can type it: of a path only its last part is said.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut line = String::from("cargo xtask bench");
    for argument in arguments {
        line.push(' ');
        line.push_str(argument.rsplit('/').next().unwrap_or_default());
    }
    line
}

impl Machine {
    /// The one that this runs on.
    fn this() -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            model: model(&cpus),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            load_at_start: first_line("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            commit: std::env::var("BENCH_COMMIT").unwrap_or_else(|_| "unknown".to_owned()),
            date: today(),
        }
    }
}

/// From `/proc/cpuinfo`.
fn model(cpus: &str) -> String {
    let line = cpus.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':'));
    name.map_or("unknown", |(_, name)| name.trim()).to_owned()
}

fn today() -> String {
    let said = Command::new("date").args(["-u", "+%F"]).output();
    let said = said.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).trim().to_owned()
}

pub(crate) fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const LATE: Measure = Measure {
        title: "late",
        unit: Unit::Nanoseconds,
        drawn: true,
        by: By::Median,
    };

    /// Two subjects under two conditions.
    pub(crate) fn example() -> Document {
        let subject = |name: &str| Subject {
            name: name.to_owned(),
            version: format!("{name} 1"),
        };
        let mut document = Document::begin(
            "takeover",
            "interval 10 ms".to_owned(),
            vec![subject("vip"), subject("keepalived")],
        );
        document.add(LATE, "idle", "keepalived", [90_000, 110_000, 4_000_000]);
        document.add(LATE, "idle", "vip", [20_000, -3_000, 30_000]);
        document.add(LATE, "busy", "vip", [25_000]);
        document.add(LATE, "busy", "keepalived", [1_000_000]);
        document.add(LATE, "idle", "vip", [40_000, 50_000]);
        document
    }

    #[test]
    fn series_are_ordered_by_condition_and_then_by_subject() {
        let document = example();
        let all = document.of("late");
        let order: Vec<_> = all
            .iter()
            .map(|series| (series.condition.as_str(), series.subject.as_str()))
            .collect();
        assert_eq!(
            order,
            [
                ("idle", "vip"),
                ("idle", "keepalived"),
                ("busy", "vip"),
                ("busy", "keepalived")
            ]
        );
        assert_eq!(all[0].samples, [20_000, -3_000, 30_000, 40_000, 50_000]);
    }

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let document = example();
        let text = serde_json::to_string(&document).unwrap();
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), document);
    }

    #[test]
    fn of_a_path_only_the_last_part_is_said() {
        let words = ["takeover", "--vip", "/home/somebody/vip", "--rounds=3"];
        assert_eq!(
            command(words.into_iter().map(str::to_owned)),
            "cargo xtask bench takeover --vip vip --rounds=3"
        );
    }

    #[test]
    fn the_model_is_what_follows_the_colon() {
        assert_eq!(
            model("processor\t: 0\nmodel name\t: A: 9\n"),
            "A: 9".to_owned()
        );
        assert_eq!(model(""), "unknown");
    }
}
