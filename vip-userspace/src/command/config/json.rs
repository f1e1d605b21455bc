//! The document that `vip config --json` prints: schema 1.
//!
//! Lines count from 1. Names only ever come in addition.

use serde::{Deserialize, Serialize};

use crate::config::effective::{Entry, Origin, Standing};
use crate::config::{Loaded, Severity};

/// The number that changes when a reader of the document would break.
pub const SCHEMA: u32 = 1;

/// A configuration as it holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the program.
    pub version: String,
    /// The file as it was named.
    pub file: String,
    /// Errors in it, which `vip check` tells.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// What stands outside all blocks.
    pub configuration: Vec<Line>,
}

/// One line of it. What is absent does not apply.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// The keyword and what it is given; in a list, the words of one line.
    pub words: Vec<String>,
    /// The file in which it was written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
    /// Its line there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
    /// The file in which the definition was used, where that line is part of one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub used_in: Option<String>,
    /// The line there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub used_at: Option<u32>,
    /// The keyword of `global_defs` that is written there and sets it for all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub set_by: Option<String>,
    /// Whether nobody wrote it.
    #[serde(skip_serializing_if = "is_false", default)]
    pub default: bool,
    /// What was written, where something else holds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub given: Option<String>,
    /// What becomes of it where it does not do what it says, or why it cannot run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remark: Option<String>,
    /// Whether its last word is left out since it is a secret.
    #[serde(skip_serializing_if = "is_false", default)]
    pub hidden: bool,
    /// Whether it was written and does not hold.
    #[serde(skip_serializing_if = "is_false", default)]
    pub idle: bool,
    /// What is in its block.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub block: Option<Vec<Self>>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Puts the document together.
pub(super) fn document(file: &str, loaded: &Loaded, entries: &[Entry], secrets: bool) -> Document {
    Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        file: file.to_owned(),
        errors: loaded.count(Severity::Error),
        warnings: loaded.count(Severity::Warning),
        configuration: lines(entries, secrets),
    }
}

fn lines(entries: &[Entry], secrets: bool) -> Vec<Line> {
    entries.iter().map(|entry| line(entry, secrets)).collect()
}

fn line(entry: &Entry, secrets: bool) -> Line {
    let hidden = entry.standing == Standing::Secret && !secrets;
    let mut words: Vec<String> = entry.words.iter().map(|word| word.text.clone()).collect();
    if hidden {
        words.pop();
    }
    let (place, used, set_by) = match &entry.origin {
        Origin::Written(place, used) => (Some(place), used.as_ref(), None),
        Origin::Inherited(place, keyword) => (Some(place), None, Some(*keyword)),
        Origin::Follows(_) | Origin::Default => (None, None, None),
    };
    Line {
        words,
        file: place.map(|place| place.file.to_string()),
        line: place.map(|place| place.line),
        used_in: used.map(|place| place.file.to_string()),
        used_at: used.map(|place| place.line),
        set_by: set_by.map(str::to_owned),
        default: place.is_none(),
        given: entry.given.clone(),
        remark: entry.remark.clone(),
        hidden,
        idle: entry.standing == Standing::Idle,
        block: entry.block.as_ref().map(|block| lines(block, secrets)),
    }
}
