//! What was measured, for people and for programs.

use std::path::Path;
use std::{fs, thread};

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Failure, Guard};
use crate::contender::Scale;
use crate::figures::Figures;
use crate::{first_line, load, nanos, shown};

/// One way to fail under the eyes of one guard.
pub(super) struct Column {
    guard: String,
    version: String,
    pub(super) failure: Failure,
    /// Nanoseconds, in the order of the rounds.
    pub(super) values: Vec<i64>,
    /// What both daemons said in each round.
    pub(super) logs: Vec<[Vec<String>; 2]>,
    pub(super) not_measured: u32,
}

impl Column {
    pub(super) fn new(guard: &Guard, failure: Failure) -> Self {
        Self {
            guard: guard.label(),
            version: guard.contender.version(),
            failure,
            values: Vec::new(),
            logs: Vec::new(),
            not_measured: 0,
        }
    }

    pub(super) fn is_of(&self, guard: &Guard) -> bool {
        self.guard == guard.label()
    }

    pub(super) fn title(&self) -> String {
        format!("{}: {}", self.failure.label(), self.guard)
    }
}

pub(super) fn print(columns: &[Column], rounds: u32, scale: Scale) {
    println!(
        "\nThe service on the master fails, {rounds} times each; milliseconds until a client is served by the other node; interval {}.\n",
        shown(scale.interval())
    );
    println!(
        "{:36}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "", "min", "median", "p90", "max", "rounds"
    );
    for failure in Failure::ALL {
        let of_it = columns.iter().filter(|one| one.failure == failure);
        for (index, column) in of_it.enumerate() {
            if index == 0 {
                println!("{}", failure.label());
            }
            print!("  {:34}", column.guard);
            match Figures::of(&column.values) {
                Some(Figures {
                    min,
                    median,
                    p90,
                    max,
                    ..
                }) => {
                    for value in [min, median, p90, max] {
                        print!("{:>9.1}", value as f64 / 1e6);
                    }
                }
                None => print!("{:>36}", "nothing was measured"),
            }
            print!("{:>9}", column.values.len());
            if column.not_measured > 0 {
                print!("  and {} failed", column.not_measured);
            }
            println!();
        }
    }
}

pub(super) fn write(path: &Path, columns: &[Column], scale: Scale) -> Result<()> {
    let columns: Vec<_> = columns
        .iter()
        .map(|column| {
            let figures = Figures::of(&column.values);
            json!({
                "failure": column.failure.label(),
                "guard": column.guard,
                "version": column.version,
                "not_measured": column.not_measured,
                "all": column.values,
                "logs": column.logs,
                "min": figures.map(|figures| figures.min),
                "median": figures.map(|figures| figures.median),
                "p90": figures.map(|figures| figures.p90),
                "max": figures.map(|figures| figures.max),
            })
        })
        .collect();
    let document = json!({
        "schema": 1,
        "measures": "service",
        "unit": "ns",
        "interval": nanos(scale.interval()),
        "kernel": first_line("/proc/sys/kernel/osrelease"),
        "processors": thread::available_parallelism().map_or(0, usize::from),
        "load": load(),
        "columns": columns,
    });
    fs::write(path, format!("{document:#}\n"))
        .with_context(|| format!("cannot write {}", path.display()))
}
