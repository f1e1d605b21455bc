//! The document that `vip check --json` prints, for editors and pipelines:
//! schema 1.
//!
//! Lines and columns count from 1, columns in characters; `end_column` is the one
//! behind the last character. What concerns a file as a whole has no `line`. Names
//! only ever come in addition.

use serde::{Deserialize, Serialize};

use super::Checked;
use crate::config::{Location, Problem, Severity};

/// The number that changes when a reader of the document would break.
pub const SCHEMA: u32 = 1;

/// What one call has found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the program.
    pub version: String,
    /// Errors in all files together.
    pub errors: usize,
    /// Warnings in all files together; none with `--strict`, which makes errors
    /// of them.
    pub warnings: usize,
    /// Each file as it was named; a file that is read as several nodes
    /// (`--id`) stands here once for each.
    pub files: Vec<File>,
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct File {
    /// Its name as it was given; `<stdin>` for `-`.
    pub file: String,
    /// The node it was read as, where one was named.
    pub id: Option<String>,
    /// Whether it could be read at all.
    pub read: bool,
    /// Instances in it.
    pub instances: usize,
    /// Those of them that would be FAULT.
    pub unusable: usize,
    /// What there is to say, in the order of the file; what follows from several
    /// files or from the host comes behind it.
    pub problems: Vec<Item>,
}

/// One problem.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Item {
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The file, which may be one that the checked file includes.
    pub file: String,
    /// Line.
    pub line: Option<u32>,
    /// Column of the first character.
    pub column: Option<u32>,
    /// Line of the last character; the same as `line`.
    pub end_line: Option<u32>,
    /// Column behind the last character.
    pub end_column: Option<u32>,
    /// Other places that belong to it, in this file or others.
    pub related: Vec<Related>,
}

/// A place that belongs to a problem.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Related {
    /// What is there.
    pub message: String,
    /// The file.
    pub file: String,
    /// Line.
    pub line: u32,
    /// Column of the first character.
    pub column: u32,
    /// Line of the last character; the same as `line`.
    pub end_line: u32,
    /// Column behind the last character.
    pub end_column: u32,
}

/// Puts the document together.
pub(super) fn document(checked: &[Checked]) -> Document {
    Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        errors: checked.iter().map(|one| one.count(Severity::Error)).sum(),
        warnings: checked.iter().map(|one| one.count(Severity::Warning)).sum(),
        files: checked.iter().map(file).collect(),
    }
}

fn file(checked: &Checked) -> File {
    File {
        file: checked.file.clone(),
        id: checked.id.clone(),
        read: checked.loaded.is_some(),
        instances: checked.instances(),
        unusable: checked.unusable(),
        problems: checked.problems.iter().map(item).collect(),
    }
}

fn item(problem: &Problem) -> Item {
    let place = problem.place();
    let line = place.as_ref().map(|place| place.line);
    Item {
        severity: problem.severity().to_string(),
        message: problem.message().to_owned(),
        help: problem.help().map(str::to_owned),
        file: problem.file().to_string(),
        line,
        column: place.as_ref().map(|place| place.column),
        end_line: line,
        end_column: problem.location().map(Location::end_column),
        related: problem
            .related()
            .map(|(at, message)| related(at, message))
            .collect(),
    }
}

fn related(at: &Location, message: &str) -> Related {
    let place = at.place();
    Related {
        message: message.to_owned(),
        file: place.file.to_string(),
        line: place.line,
        column: place.column,
        end_line: place.line,
        end_column: at.end_column(),
    }
}
