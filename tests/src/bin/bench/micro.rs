//! The figures that criterion has saved, in the shape of the other parts.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::document::{By, Document, Measure, Unit};
use crate::report::About;
use crate::{Output, finish};

pub(crate) const ABOUT: About = About {
    name: "micro",
    title: "Single steps",
    method: "What is done for each advert, alone and in a loop, by criterion \
(`tests/benches/micro.rs`): the judgement at the NIC and the reading of an advert, the election's \
step for one that is heard and for a deadline that passes, the building of a frame and what is \
done anew for each advert that is sent. Only vip.",
};

const STEP: Measure = Measure {
    title: "One step",
    unit: Unit::Picoseconds,
    drawn: true,
    by: By::Nothing,
};

#[derive(Args, Clone)]
pub(crate) struct MicroArgs {
    /// With a shorter measurement of each
    #[arg(long)]
    pub(crate) short: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Collects, prints and saves.
pub(crate) fn command(arguments: &MicroArgs) -> Result<ExitCode> {
    let home = arguments.output.saved.directory.join("criterion");
    let mut document = Document::begin(
        ABOUT.name,
        "in processor time of one thread".to_owned(),
        Vec::new(),
    );
    let mut steps = Vec::new();
    let groups = fs::read_dir(&home)
        .with_context(|| format!("cannot read {}: cargo xtask bench micro", home.display()))?;
    for group in groups {
        let directory = group?.path().join("new");
        if directory.join("sample.json").is_file() {
            let name = read(&directory.join("benchmark.json"))?;
            let name = name["full_id"].as_str().unwrap_or("unknown").to_owned();
            steps.push((name, samples(&read(&directory.join("sample.json"))?)));
        }
    }
    if steps.is_empty() {
        bail!("criterion has saved nothing in {}", home.display());
    }
    steps.sort();
    for (name, samples) in steps {
        document.add(STEP, &name, "vip", samples);
    }
    finish(&document, &arguments.output)
}

fn read(path: &Path) -> Result<Value> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
}

/// Picoseconds of one step, from so many in so many nanoseconds.
fn samples(document: &Value) -> Vec<i64> {
    let list = |name: &str| {
        let list = document[name].as_array().cloned().unwrap_or_default();
        list.into_iter().filter_map(|number| number.as_f64())
    };
    list("times")
        .zip(list("iters"))
        .filter(|(_, count)| *count > 0.0)
        .map(|(nanos, count)| (nanos * 1000.0 / count) as i64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_time_of_one_step() {
        let document = serde_json::json!({
            "sampling_mode": "Linear",
            "iters": [10.0, 20.0, 0.0],
            "times": [123.0, 250.0, 5.0],
        });
        assert_eq!(samples(&document), [12_300, 12_500]);
    }
}
