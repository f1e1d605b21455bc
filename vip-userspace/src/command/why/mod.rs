//! `vip why`: the story of a change of state, from what the daemon has written down. No
//! daemon need run, and a file tells the same story on any host.

mod facts;
mod phases;
mod silence;
mod story;
mod tell;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::WhyArgs;
use crate::error::{Exit, Failure};
use crate::services::recorder::archive::{self, Archive, Unreadable};
use crate::services::recorder::recording::Recording;
use crate::services::recorder::replay;
use crate::words;
use story::Story;

/// Tells the last changes, or that of a file. Exit code 3 where there is nothing to tell.
///
/// # Errors
/// A recording cannot be read (1), or the election decides otherwise now (1).
pub fn run(arguments: &WhyArgs) -> Result<Exit, Failure> {
    let recordings = match &arguments.file {
        Some(path) => vec![(path.clone(), read(path)?)],
        None => last(arguments)?,
    };
    if arguments.replay {
        return replayed(&recordings);
    }
    let stories: Vec<_> = recordings
        .iter()
        .map(|(path, recording)| (path.as_path(), Story::of(recording)))
        .collect();
    let text = if arguments.json {
        tell::json(&stories).map_err(anyhow::Error::from)?
    } else {
        tell::text(&stories)
    };
    // Who reads only the first lines of it is no failure.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<Recording, Failure> {
    archive::read(path).map_err(|error| Failure::new(Exit::Failed, plain(&error.to_string())))
}

/// What a file says, in one line that a terminal may show.
fn plain(text: &str) -> String {
    words::readable(text, |_| false)
}

/// The story of the last change of an instance, as a person reads it; none where nothing is
/// written down of it in this directory, or it cannot be read.
#[must_use]
pub fn last_story(directory: &Path, instance: &str) -> Option<String> {
    let found = newest(directory, Some(instance), 1).ok()?;
    let (path, recording) = found.recordings.first()?;
    Some(tell::text(&[(path.as_path(), Story::of(recording))]))
}

/// What is in a directory.
struct Found {
    /// Those that are wanted, the newest at the end.
    recordings: Vec<(PathBuf, Recording)>,
    /// Whose others are there.
    others: Vec<String>,
    /// What could not be read.
    unread: Vec<Unreadable>,
}

/// The last recordings of an instance, or of all.
fn newest(directory: &Path, instance: Option<&str>, count: usize) -> std::io::Result<Found> {
    let mut found = Found {
        recordings: Vec::new(),
        others: Vec::new(),
        unread: Vec::new(),
    };
    for (path, _) in Archive::at(directory.to_owned()).list()?.into_iter().rev() {
        if found.recordings.len() == count {
            break;
        }
        match archive::read(&path) {
            Ok(recording) => {
                let name = &recording.instance.name;
                if instance.is_none_or(|wanted| wanted == name) {
                    found.recordings.push((path, recording));
                } else if !found.others.contains(name) {
                    found.others.push(name.clone());
                }
            }
            // The daemon may just have made room.
            Err(_) if !path.exists() => {}
            Err(unread) => found.unread.push(unread),
        }
    }
    found.recordings.reverse();
    Ok(found)
}

/// The last ones of the instance that is asked for, the newest at the end.
fn last(arguments: &WhyArgs) -> Result<Vec<(PathBuf, Recording)>, Failure> {
    let directory = arguments.recordings.clone();
    let directory = directory.unwrap_or_else(|| arguments.runtime_dir.join(archive::DIRECTORY));
    let count = usize::from(arguments.last);
    let found = newest(&directory, arguments.instance.as_deref(), count).map_err(|error| {
        let message = format!("cannot read {}: {error}", directory.display());
        Failure::new(Exit::Failed, message)
    })?;
    for unread in &found.unread {
        eprintln!("vip: {}", plain(&unread.to_string()));
    }
    if !found.recordings.is_empty() {
        return Ok(found.recordings);
    }
    let place = directory.display();
    let message = match &arguments.instance {
        Some(wanted) if !found.others.is_empty() => format!(
            "no change of {wanted} is written down in {place}; there are some of {}",
            plain(&found.others.join(", "))
        ),
        Some(_) | None => format!(
            "no change of state is written down in {place}: nothing has changed since the host was started, or vip runs with another directory (--runtime-dir, --recordings)"
        ),
    };
    Err(Failure::new(Exit::No, message))
}

fn replayed(recordings: &[(PathBuf, Recording)]) -> Result<Exit, Failure> {
    for (path, recording) in recordings {
        let place = path.display();
        let outcome = replay::replay(recording)
            .map_err(|error| Failure::new(Exit::Failed, format!("{place}: {error}")))?;
        if let Some(difference) = outcome.difference {
            let message = format!("{place}: {difference}");
            return Err(Failure::new(Exit::Failed, message));
        }
        println!("{place}: {} actions, as recorded", outcome.actions);
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests;
