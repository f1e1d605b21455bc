//! docs/performance.md with its pictures, from what was measured and from nothing
//! else.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::document::{Document, Machine};
use crate::table::Table;
use crate::{PARTS, Saved, plot};

#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Where the measurements are
    #[command(flatten)]
    saved: Saved,
    /// Where performance.md goes, and beside it the pictures
    #[arg(
        long,
        value_name = "DIRECTORY",
        env = "BENCH_DOCS",
        default_value = "docs"
    )]
    docs: PathBuf,
}

/// What a part is, for who reads its figures.
pub(crate) struct About {
    /// As the command line takes it.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What was done, in Markdown.
    pub(crate) method: &'static str,
}

/// Writes the page from all parts that were measured.
pub(crate) fn command(arguments: &ReportArgs) -> Result<ExitCode> {
    let mut parts = Vec::new();
    for about in PARTS {
        let path = arguments.saved.file(about.name);
        if path.exists() {
            parts.push((about, Document::read(&path)?));
        }
    }
    if parts.is_empty() {
        bail!(
            "nothing was measured yet in {}: cargo xtask bench all",
            arguments.saved.directory.display()
        );
    }
    let pictures = arguments.docs.join("performance");
    fresh(&pictures)?;
    for (_, document) in &parts {
        draw(document, &pictures)?;
    }
    let path = arguments.docs.join("performance.md");
    fs::write(&path, page(&parts)).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// An empty directory: a picture of before is not of now.
fn fresh(directory: &Path) -> Result<()> {
    let failed = || format!("cannot make {} anew", directory.display());
    if directory.exists() {
        for entry in fs::read_dir(directory).with_context(failed)? {
            let path = entry.with_context(failed)?.path();
            if path.extension().is_some_and(|ending| ending == "svg") {
                fs::remove_file(path).with_context(failed)?;
            }
        }
    }
    fs::create_dir_all(directory).with_context(failed)
}

/// Writes the pictures of a part; says which.
pub(crate) fn draw(document: &Document, directory: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (name, picture) in plot::all(document) {
        let path = directory.join(name).with_extension("svg");
        fs::write(&path, picture).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

fn page(parts: &[(&About, Document)]) -> String {
    let mut text = String::from(
        "# Performance\n\n\
         `vip` beside keepalived, measured in the same run, by turns, on one machine. This page \
         and its pictures are written by `cargo xtask bench report` from what was measured; \
         nothing in it is typed by hand. To measure it on a machine of yours:\n\n\
         ```sh\ncargo xtask bench all     # everything, in 40 minutes at most; leave the machine alone meanwhile\n\
         cargo xtask bench all --short   # the same with fewer samples, in about 3 minutes\n\
         cargo xtask bench endure  # each load and flood for ten minutes, in an hour\n\
         cargo xtask bench report  # this page from it\n```\n\n",
    );
    text.push_str(GROUND);
    if let Some((_, first)) = parts.first() {
        text.push_str(&machine(&first.machine));
        text.push_str("\n| program | version |\n|---|---|\n");
        let mut named: Vec<&str> = Vec::new();
        for (_, document) in parts {
            for subject in &document.subjects {
                if !named.contains(&subject.name.as_str()) {
                    named.push(&subject.name);
                    let _ = writeln!(text, "| {} | {} |", subject.name, subject.version);
                }
            }
        }
        for (about, document) in parts {
            text.push_str(&part(about, document, &first.machine));
        }
    }
    text
}

/// What holds for all parts.
const GROUND: &str = "\
## How\n\n\
Hosts are network namespaces with a cable each to one bridge, on the machine named below. What \
counts is on the wire: all stamps of adverts and of ARP are the kernel's, taken at the ports of \
that bridge. `vip` is an optimized build with the log that it always writes. `keepalived` has its \
own real-time options on (`vrrp_rt_priority`, `vrrp_no_swap`, and `vrrp_rlimit_rttime` at a \
second, without which the kernel kills it when it is busy for 10 ms) and its log off, which makes \
it fastest; `keepalived-plain`, where it takes part, is without these options. Both read the same \
configuration. Who begins a round changes, so that nobody always follows the same one.\n\n\
In the tables the last column is vip's median as a multiple of the one in that row: below 1 vip \
is faster, or takes less. Percentiles are values that did occur (nearest rank).\n\n";

fn machine(machine: &Machine) -> String {
    format!(
        "| machine | |\n|---|---|\n| processors | {} x {} |\n| kernel | {} |\n| commit | {} |\n| date | {} |\n",
        machine.processors, machine.model, machine.kernel, machine.commit, machine.date
    )
}

fn part(about: &About, document: &Document, usual: &Machine) -> String {
    let mut text = format!("\n## {}\n\n{}\n\n", about.title, about.method);
    let _ = writeln!(
        text,
        "`{}`: {}. Load at its start: {}.",
        document.command, document.settings, document.machine.load_at_start
    );
    let own = Machine {
        load_at_start: usual.load_at_start.clone(),
        ..document.machine.clone()
    };
    if own != *usual {
        let _ = writeln!(
            text,
            "\nThis part was measured apart from the others:\n\n{}",
            machine(&own)
        );
    }
    for (name, _) in plot::all(document) {
        let _ = writeln!(text, "\n![{name}](performance/{name}.svg)");
    }
    for table in Table::all(document) {
        text.push('\n');
        text.push_str(&table.markdown());
    }
    if !document.notes.is_empty() || !document.failures.is_empty() {
        text.push('\n');
        for note in &document.notes {
            let _ = writeln!(text, "- {note}");
        }
        for failure in &document.failures {
            let _ = writeln!(text, "- not measured: {failure}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tests::example;

    const ABOUT: About = About {
        name: "takeover",
        title: "Takeover",
        method: "A master is lost.",
    };

    #[test]
    fn a_part_has_its_command_its_picture_and_its_table() {
        let document = example();
        let text = page(&[(&ABOUT, document)]);
        for piece in [
            "## Takeover\n\nA master is lost.\n",
            "(performance/takeover-late.svg)",
            "| idle | vip | 30.0 |",
            "| vip | vip 1 |",
        ] {
            assert!(text.contains(piece), "{piece} is not in\n{text}");
        }
        assert!(!text.contains("measured apart"));
    }

    #[test]
    fn a_part_of_another_machine_says_so() {
        let here = example();
        let mut there = example();
        there.machine.model = "another".to_owned();
        let text = page(&[(&ABOUT, here), (&ABOUT, there)]);
        assert!(text.contains("measured apart"));
    }
}
