//! Every part of docs/performance.md, one after the other, but for the one that takes an
//! hour alone.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::{Args, Parser as _};

use crate::contender::Who;
use crate::{Cli, Command, Output, Saved, micro, run};

#[derive(Args, Clone)]
pub(crate) struct AllArgs {
    /// With so few samples that it takes about 3 minutes, not 40
    #[arg(long)]
    short: bool,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    saved: Saved,
}

/// What is typed for each part; the parts' own defaults are for a look.
const FULL: &[&str] = &[
    "xdp --rounds 20",
    "cpu --rounds 3 --seconds 10 --interval 10ms,100ms",
    "takeover --rounds 200 --other-rounds 30 --client-rounds 8",
    "busy --rounds 2 --seconds 18",
    "flood --rounds 2 --seconds 4",
    "scale --rounds 2 --seconds 5",
];
const SHORT: &[&str] = &[
    "xdp --rounds 3",
    "cpu --rounds 1 --seconds 3",
    "takeover --rounds 5 --other-rounds 2 --client-rounds 1 --client 1ms",
    "busy --rounds 1 --seconds 1",
    "flood --rounds 1 --seconds 1",
    "scale --rounds 1 --calm 1 --seconds 2 --instances 1,250",
];

/// Measures everything; a part that fails keeps none of the others from it.
pub(crate) fn command(arguments: &AllArgs) -> Result<ExitCode> {
    let begin = Instant::now();
    let mut failed = Vec::new();
    let mut note = |part: &str, outcome: Result<ExitCode>| {
        if let Err(error) = outcome {
            eprintln!("bench: {part}: {error:#}");
            failed.push(part.to_owned());
        }
    };
    for line in if arguments.short { SHORT } else { FULL } {
        eprintln!("\n{line}");
        note(line, run(part(line, arguments)?));
    }
    let micro = micro::MicroArgs {
        short: arguments.short,
        output: Output {
            out: None,
            saved: arguments.saved.clone(),
        },
    };
    note("micro", micro::command(&micro));
    let minutes = begin.elapsed().as_secs_f64() / 60.0;
    println!("\nall of it took {minutes:.1} minutes; cargo xtask bench report writes the page");
    if !failed.is_empty() {
        bail!("not all could be measured: {}", failed.join("; "));
    }
    Ok(ExitCode::SUCCESS)
}

/// The command that a line stands for, with who takes part and where it goes.
fn part(line: &str, arguments: &AllArgs) -> Result<Command> {
    let mut words: Vec<OsString> = vec!["bench".into()];
    words.extend(line.split(' ').map(OsString::from));
    words.extend(arguments.who.words());
    words.push("--saved".into());
    words.push(arguments.saved.directory.clone().into());
    Ok(Cli::try_parse_from(words)?.command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PARTS;

    #[test]
    fn every_line_is_understood_and_every_part_is_measured() {
        for lines in [FULL, SHORT] {
            for line in lines {
                let words = std::iter::once("bench").chain(line.split(' '));
                assert!(Cli::try_parse_from(words).is_ok(), "{line}");
            }
            let apart = ["micro", "endure"];
            for about in PARTS.iter().filter(|about| !apart.contains(&about.name)) {
                let begin = format!("{} ", about.name);
                assert!(lines.iter().any(|line| line.starts_with(&begin)), "{begin}");
            }
        }
    }
}
