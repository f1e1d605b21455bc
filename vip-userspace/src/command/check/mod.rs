//! `vip check`: what is wrong with a configuration, all at once.
//!
//! Offline it looks at nothing but the files. `--host` ([`host`]) asks the host it
//! runs on. Several files are nodes of one group and are held against each other
//! ([`group`]).

mod group;
mod host;
pub mod json;
mod judge;
mod peers;
mod sync;
mod written;

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::written::sections;
use crate::cli::CheckArgs;
use crate::config::keywords::Block;
use crate::config::{self, LARGEST_FILE, Loaded, Problem, Reading, Severity};
use crate::error::{Exit, Failure};

/// What the standard input is called.
const STDIN: &str = "<stdin>";

/// A file, and what was found.
struct Checked {
    /// Its name as it was given.
    file: String,
    /// The node it is read as, if that was said.
    id: Option<String>,
    /// Nothing if it could not be read.
    loaded: Option<Loaded>,
    /// Everything there is to say.
    problems: Vec<Problem>,
}

impl Checked {
    fn count(&self, severity: Severity) -> usize {
        let bad = |problem: &&Problem| problem.severity() == severity;
        self.problems.iter().filter(bad).count()
    }

    fn instances(&self) -> usize {
        self.loaded
            .as_ref()
            .map_or(0, |loaded| loaded.configuration.instances.len())
    }

    fn unusable(&self) -> usize {
        self.loaded.as_ref().map_or(0, |loaded| {
            let instances = loaded.configuration.instances.iter();
            instances.filter(|one| one.unusable.is_some()).count()
        })
    }
}

/// Checks the files, or the one that `vip run` would take if there are none.
/// Problems go to standard error and one line for each file to standard output;
/// with `--json` the document does, and nothing else. [`Exit::Configuration`] if
/// there is an error.
///
/// # Errors
/// When files and ids cannot be matched, or the host cannot be asked.
pub fn run(arguments: &CheckArgs) -> Result<Exit, Failure> {
    let mut checked: Vec<Checked> = nodes(arguments)?
        .into_iter()
        .map(|(path, id)| read(path, id))
        .collect();
    group::compare(&mut checked);
    if arguments.host {
        host::look(&mut checked, arguments.listen)?;
    }
    if arguments.strict {
        for one in &mut checked {
            stricter(&mut one.problems);
        }
    }
    let out = if arguments.json {
        let document = json::document(&checked);
        serde_json::to_string_pretty(&document).map_err(anyhow::Error::from)? + "\n"
    } else {
        show(&checked);
        checked
            .iter()
            .map(|one| format!("{}\n", Summary(one)))
            .collect()
    };
    // Whoever closed the pipe has seen enough; the exit code still tells.
    let _ = io::stdout().write_all(out.as_bytes());
    let bad = checked.iter().any(|one| one.count(Severity::Error) > 0);
    Ok(if bad { Exit::Configuration } else { Exit::Done })
}

/// What there is to say about texts (each with its name) that are to be the files
/// of one group's nodes.
pub(super) fn texts(nodes: &[(String, String)]) -> Vec<Problem> {
    let mut checked: Vec<Checked> = nodes
        .iter()
        .map(|(name, text)| {
            let loaded = config::parse(text, name);
            Checked {
                file: name.clone(),
                id: None,
                problems: loaded.problems.clone(),
                loaded: Some(loaded),
            }
        })
        .collect();
    group::compare(&mut checked);
    checked.into_iter().flat_map(|one| one.problems).collect()
}

/// Which file is read as which node.
fn nodes(arguments: &CheckArgs) -> Result<Vec<(PathBuf, Option<String>)>, Failure> {
    let mut files = [arguments.files.as_slice(), &arguments.file].concat();
    if files.is_empty() {
        let chosen = config::choose(None)
            .map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
        files.push(chosen);
    }
    if files.iter().filter(|path| is_stdin(path)).count() > 1 {
        let message = "the standard input can be read once only; name `-` once";
        return Err(Failure::new(Exit::Usage, message));
    }
    let ids = &arguments.ids;
    match (files.as_slice(), ids.as_slice()) {
        (_, []) => Ok(files.into_iter().map(|path| (path, None)).collect()),
        ([one], [_, _, ..]) if is_stdin(one) => {
            let message = "the standard input can be read once only; give one --id with it";
            Err(Failure::new(Exit::Usage, message))
        }
        ([one], _) => Ok(ids
            .iter()
            .map(|id| (one.clone(), Some(id.clone())))
            .collect()),
        (_, [_]) => Ok(files
            .into_iter()
            .map(|path| (path, ids.first().cloned()))
            .collect()),
        (several, _) if several.len() == ids.len() => Ok(files
            .into_iter()
            .zip(ids.iter().cloned().map(Some))
            .collect()),
        (several, _) => {
            let message = format!(
                "{} files and {} ids: give one --id for all files, one for each, or several for one file",
                several.len(),
                ids.len()
            );
            Err(Failure::new(Exit::Usage, message))
        }
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Reads one file and says what it says of itself.
fn read(path: PathBuf, id: Option<String>) -> Checked {
    let (file, loaded) = if is_stdin(&path) {
        (STDIN.to_owned(), read_stdin(id.as_deref()))
    } else {
        let reading = Reading::of_host(id.as_deref());
        let loaded = config::load_with(&path, reading).map_err(|error| error.to_string());
        (path.display().to_string(), loaded)
    };
    match loaded {
        Ok(loaded) => {
            let mut problems = loaded.problems.clone();
            problems.extend(readable_passwords(&loaded));
            Checked {
                file,
                id,
                loaded: Some(loaded),
                problems,
            }
        }
        Err(message) => {
            // The sentence begins with the name, which the place says already.
            let message = message
                .strip_prefix(&format!("{file}: "))
                .unwrap_or(&message);
            Checked {
                problems: vec![Problem::of_file(Severity::Error, file.as_str(), message)],
                file,
                id,
                loaded: None,
            }
        }
    }
}

/// Reads the standard input, which an editor fills with what is not yet a file.
fn read_stdin(id: Option<&str>) -> Result<Loaded, String> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_FILE) {
        return Err(format!(
            "longer than {} MiB, which no configuration is",
            LARGEST_FILE >> 20
        ));
    }
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let reading = Reading {
        directory: here,
        ..Reading::of_host(id)
    };
    Ok(config::parse_with(&bytes, STDIN, &reading))
}

/// Passwords in files that everybody on the host may read, one for each file.
fn readable_passwords(loaded: &Loaded) -> Vec<Problem> {
    let mut seen: HashSet<Arc<str>> = HashSet::new();
    let mut found = Vec::new();
    let instances = sections(&loaded.settings).filter(|one| one.block == Block::Instance);
    let passwords = instances
        .flat_map(|instance| sections(&instance.settings))
        .flat_map(|inner| inner.all("auth_pass").chain(inner.all("key")));
    for setting in passwords {
        let Some(at) = loaded.sources.locate(setting.span) else {
            continue;
        };
        // A definition may have brought it from another file.
        let origin = setting
            .value
            .word()
            .and_then(|word| loaded.sources.locate(word.span));
        let file = Arc::clone(origin.as_ref().unwrap_or(&at).file());
        if !seen.insert(Arc::clone(&file)) {
            continue;
        }
        let Ok(mode) = fs::metadata(&*file).map(|metadata| metadata.mode()) else {
            continue;
        };
        if mode & 0o004 != 0 {
            let message = format!(
                "everybody on this host may read this password (mode {:o})",
                mode & 0o7777
            );
            let problem = Problem::at(Severity::Warning, at, message);
            found.push(problem.with_help(format!("chmod o-rwx {file}")));
        }
    }
    found
}

/// Makes warnings errors.
fn stricter(problems: &mut [Problem]) {
    for problem in problems {
        if problem.severity() == Severity::Warning {
            *problem = problem.clone().with_severity(Severity::Error);
        }
    }
}

/// All problems, as a person reads them.
fn show(checked: &[Checked]) {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut out = String::new();
    for problem in checked.iter().flat_map(|one| &one.problems) {
        out.push_str(&problem.render(colours));
        out.push_str("\n\n");
    }
    let _ = io::stderr().write_all(out.as_bytes());
}

/// A file in one line: what is in it, and how bad it is.
struct Summary<'a>(&'a Checked);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(checked) = self;
        f.write_str(&checked.file)?;
        if let Some(id) = &checked.id {
            write!(f, " as {id}")?;
        }
        if checked.loaded.is_none() {
            return f.write_str(": cannot be read");
        }
        write!(f, ": {}", Count(checked.instances(), "instance"))?;
        match checked.unusable() {
            0 => {}
            unusable => write!(f, " ({unusable} cannot run)")?,
        }
        let errors = checked.count(Severity::Error);
        let warnings = checked.count(Severity::Warning);
        match (errors, warnings) {
            (0, 0) => f.write_str(", no problem"),
            (0, warnings) => write!(f, ", {}", Count(warnings, "warning")),
            (errors, 0) => write!(f, ", {}", Count(errors, "error")),
            (errors, warnings) => write!(
                f,
                ", {}, {}",
                Count(errors, "error"),
                Count(warnings, "warning")
            ),
        }
    }
}

/// A number of things.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, thing) = self;
        write!(f, "{count} {thing}{}", if *count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests;
