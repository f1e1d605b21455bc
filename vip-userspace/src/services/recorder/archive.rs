//! The directory with the recordings: so many and so large at most, and no file in it
//! that is half written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::recording::{Recording, SCHEMA};
use crate::services::orders::replace;

/// The directory of that name in the daemon's own is where they are if nothing else is said.
pub const DIRECTORY: &str = "recordings";
/// That of a shadow, in a directory that is given: what only would have happened is not
/// among what has.
pub const OF_SHADOW: &str = "shadow";

/// So many at most,
const MOST: usize = 64;
/// and so many octets together.
const MOST_OCTETS: u64 = 4 << 20;
/// No recording is larger.
const LARGEST: u64 = 1 << 20;
/// What their names end in.
const ENDING: &str = ".why.json";

/// The directory.
#[derive(Clone, Debug)]
pub struct Archive {
    directory: PathBuf,
}

/// Why a file tells no story.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is none.
    #[error("{path} is no recording of vip: {why}")]
    Strange {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It is of another vip.
    #[error(
        "{path} was written by another vip (schema {schema}, this one reads {SCHEMA}): read it with that one"
    )]
    Other {
        /// Which.
        path: PathBuf,
        /// The number of its schema.
        schema: u64,
    },
}

impl Archive {
    /// In this directory, which need not exist yet.
    #[must_use]
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps a recording, in the place of one of the same instance and time if there is one;
    /// others go for it where there are too many.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn keep(&self, recording: &Recording) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(&self.directory)?;
        let path = self.directory.join(name_of(recording));
        let text = serde_json::to_vec(recording)?;
        self.tidy()?;
        self.make_room(&path, text.len() as u64)?;
        replace(&path, &text)
    }

    /// Removes what a daemon that died while it wrote has left.
    fn tidy(&self) -> io::Result<()> {
        const OLD: Duration = Duration::from_secs(60);
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_half = name.ends_with(&format!("{ENDING}.new"));
            let written = entry.metadata().and_then(|about| about.modified());
            let age = written.ok().and_then(|at| at.elapsed().ok());
            if is_half && age.is_some_and(|age| age > OLD) {
                // What cannot be removed is in nobody's way.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Removes the oldest of whichever instance has the most, until there is room.
    fn make_room(&self, place: &Path, octets: u64) -> io::Result<()> {
        let mut all = self.list()?;
        all.retain(|(path, _)| path != place);
        let mut sum: u64 = all.iter().map(|(_, len)| len).sum();
        while !all.is_empty() && (all.len() >= MOST || sum + octets > MOST_OCTETS) {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for (path, _) in &all {
                *counts.entry(instance_in(path)).or_default() += 1;
            }
            let most = counts.values().copied().max().unwrap_or(0);
            let of_most = |path: &Path| counts.get(instance_in(path)) == Some(&most);
            let at = all.iter().position(|(path, _)| of_most(path)).unwrap_or(0);
            let (path, len) = all.remove(at);
            // What somebody else has removed, or holds fast, is his.
            let _ = fs::remove_file(path);
            sum = sum.saturating_sub(len);
        }
        Ok(())
    }

    /// The files with recordings, the oldest first, and how large each is. None where
    /// there is no directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let is_one = name.to_str().is_some_and(|name| name.ends_with(ENDING));
            if is_one
                && let Ok(about) = entry.metadata()
                && about.is_file()
            {
                all.push((entry.path(), about.len()));
            }
        }
        all.sort();
        Ok(all)
    }
}

/// `20261123T031207.123456Z.VI_1.why.json`: the names sort by time.
fn name_of(recording: &Recording) -> String {
    let digits: String = recording
        .utc
        .chars()
        .filter(|c| !matches!(c, '-' | ':'))
        .collect();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') {
            c
        } else {
            '_'
        }
    };
    let name = recording.instance.name.chars().take(64).map(plain);
    let name: String = name.collect();
    format!("{digits}.{name}{ENDING}")
}

/// The instance in the name of a file.
fn instance_in(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default().trim_end_matches(ENDING);
    name.rsplit('.').next().unwrap_or_default()
}

/// Reads a recording.
///
/// # Errors
/// Why it cannot be.
pub fn read(path: &Path) -> Result<Recording, Unreadable> {
    let unread = |error| Unreadable::Io {
        path: path.to_owned(),
        error,
    };
    let strange = |why: String| Unreadable::Strange {
        path: path.to_owned(),
        why,
    };
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(unread)?;
    let mut text = Vec::new();
    let length = file.take(LARGEST + 1).read_to_end(&mut text);
    if length.map_err(unread)? as u64 > LARGEST {
        return Err(strange("it is larger than any".into()));
    }
    let wrong = |error: serde_json::Error| strange(error.to_string());
    let document: serde_json::Value = serde_json::from_slice(&text).map_err(wrong)?;
    match document["schema"].as_u64() {
        None => Err(strange("it does not say of which schema it is".into())),
        Some(schema) if schema != u64::from(SCHEMA) => Err(Unreadable::Other {
            path: path.to_owned(),
            schema,
        }),
        Some(_) => serde_json::from_value(document).map_err(wrong),
    }
}
