//! `include` and its strict variants.

use std::path::Path;

use super::super::ReadError;
use super::super::diag::{Finding, Sink, quoted};
use super::super::reading::Kind;
use super::super::source::{Source, Span};
use super::{Expander, Input, glob};

/// The longest pattern, as the kernel has it for paths.
const LONGEST_PATTERN: usize = 4096;

/// What must be so for an `include` to be in order.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in super::super) struct Checks {
    /// Files that match can be read.
    readable: bool,
    /// A name without wildcards exists.
    exists: bool,
    /// A name with wildcards matches something.
    matched: bool,
    /// Each alternative in braces exists.
    alternatives: bool,
}

impl Checks {
    /// Those of `include`, `includer`, `includem`, `includew`, `includeb`,
    /// `includea`; `None` for other words.
    fn of(word: &str, default: Self) -> Option<Self> {
        let readable = Self {
            readable: true,
            ..Self::default()
        };
        Some(match word.strip_prefix("include")? {
            "" => default,
            "r" => readable,
            "m" => Self {
                exists: true,
                ..readable
            },
            "w" => Self {
                exists: true,
                matched: true,
                ..readable
            },
            "b" => Self {
                alternatives: true,
                ..readable
            },
            "a" => Self {
                readable: true,
                exists: true,
                matched: true,
                alternatives: true,
            },
            _ => return None,
        })
    }

    /// As `include_check` says: all of them without a word, else those named,
    /// added or taken away with `+` and `-`.
    fn set<'w>(&mut self, words: impl Iterator<Item = &'w str>) {
        let mut any = false;
        for word in words {
            let (on, name, relative) = match word.strip_prefix('-') {
                Some(name) => (false, name, true),
                None => match word.strip_prefix('+') {
                    Some(name) => (true, name, true),
                    None => (true, word, false),
                },
            };
            if !relative && !any {
                *self = Self::default();
            }
            any = true;
            match name {
                "read" | "readable" => self.readable = on,
                "match" => (self.readable, self.exists) = (self.readable || on, on),
                "wildcard_match" => {
                    self.matched = on;
                    (self.readable, self.exists) = (self.readable || on, self.exists || on);
                }
                "brace_match" => (self.readable, self.alternatives) = (self.readable || on, on),
                _ => {}
            }
        }
        if !any {
            *self = Self {
                readable: true,
                exists: true,
                matched: true,
                alternatives: true,
            };
        }
    }
}

/// `include` and its strict variants.
pub(in super::super) fn is_include(word: &str) -> bool {
    Checks::of(word, Checks::default()).is_some()
}

impl Expander<'_> {
    /// The strictness of each `include` that follows.
    pub(in super::super) fn check_includes<'w>(&mut self, words: impl Iterator<Item = &'w str>) {
        self.checks.set(words);
    }

    /// Where the file that is read lies.
    fn base(&self) -> &Path {
        let files = self.inputs.iter().rev();
        files
            .filter_map(|input| match input {
                Input::File { directory, .. } => Some(directory.as_path()),
                Input::Body { .. } | Input::Found { .. } | Input::Repeat { .. } => None,
            })
            .next()
            .unwrap_or(&self.reading.directory)
    }

    /// The value of `${_PWD}`.
    pub(super) fn directory(&self) -> String {
        let real = self.reading.files.real(self.base());
        real.to_string_lossy().into_owned()
    }

    /// Reads on in the files that a pattern matches.
    pub(in super::super) fn include(
        &mut self,
        word: &str,
        pattern: &str,
        at: Span,
        sink: &mut Sink,
    ) {
        let Some(checks) = Checks::of(word, self.checks) else {
            return;
        };
        self.given |= at.via.is_some();
        if pattern.is_empty() {
            let finding = Finding::error(at, format!("`{word}` names no file"));
            sink.add(finding.help("write the name of a file or a pattern behind it"));
            return;
        }
        if pattern.contains('"') {
            let finding = Finding::error(
                at,
                "an `include` takes no quotes; they are part of the name",
            );
            sink.add(finding.help("remove them; the rest of the line is the pattern as it is"));
            return;
        }
        let nested = self
            .inputs
            .iter()
            .filter(|input| matches!(input, Input::File { .. }))
            .count();
        if nested > self.limits().depth {
            let depth = self.limits().depth;
            let finding =
                Finding::error(at, format!("files include each other deeper than {depth}"));
            sink.add(finding.help("it is not included"));
            return;
        }
        let alternatives = if pattern.len() > LONGEST_PATTERN {
            None
        } else {
            glob::alternatives(pattern)
        };
        let Some(alternatives) = alternatives else {
            let finding =
                Finding::error(at, "this pattern is too long or stands for too many others");
            sink.add(finding.help("it is not included"));
            return;
        };
        let mut paths = Vec::new();
        for one in &alternatives {
            let found = match glob::matches(self.reading.files, self.base(), one) {
                Ok(found) => found,
                Err(error) => {
                    let message = format!("{} cannot be looked up: {error}", quoted(one));
                    sink.add(strictly(checks.readable, at, message));
                    continue;
                }
            };
            if found.is_empty() {
                missing(one, alternatives.len() > 1, checks, at, sink);
            }
            paths.extend(found);
        }
        paths.reverse();
        self.inputs.push(Input::Found { paths, checks, at });
    }

    /// Opens a file that an `include` has found.
    pub(super) fn open(&mut self, path: &Path, checks: Checks, at: Span, sink: &mut Sink) {
        let name = quoted(&path.to_string_lossy());
        let skipped = match self.reading.files.kind(path) {
            Ok(Kind::Plain) => None,
            Ok(Kind::Executable) => Some("may be executed, so that it is no configuration"),
            Ok(Kind::Directory) => Some("is a directory"),
            Ok(Kind::Other) => Some("is not a regular file"),
            Err(error) => {
                let message = format!("{name} cannot be read: {error}");
                sink.add(strictly(checks.readable, at, message));
                return;
            }
        };
        if let Some(why) = skipped {
            let finding = Finding::warning(at, format!("{name} {why}: it is not included"));
            sink.add(finding.help("include only regular files without the executable bit"));
            return;
        }
        let real = self.reading.files.real(path);
        let is_open = self
            .inputs
            .iter()
            .any(|input| matches!(input, Input::File { real: open, .. } if *open == real));
        if is_open {
            let finding = Finding::error(at, format!("{name} includes itself"));
            sink.add(finding.help("it is not included again"));
            return;
        }
        let limits = self.reading.limits;
        let bytes = match self.reading.files.read(path) {
            Ok(bytes) if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) => {
                let error = ReadError::Wide(path.to_path_buf());
                sink.add(Finding::error(at, error.to_string()));
                return;
            }
            Ok(bytes) => bytes,
            Err(error @ ReadError::TooLarge(_)) => {
                sink.add(Finding::error(at, error.to_string()));
                return;
            }
            Err(error) => {
                sink.add(strictly(checks.readable, at, error.to_string()));
                return;
            }
        };
        self.bytes = self
            .bytes
            .saturating_add(bytes.len().try_into().unwrap_or(u64::MAX));
        self.files += 1;
        let beyond = if self.files > limits.files {
            Some(format!("more than {} files are included", limits.files))
        } else if self.bytes > limits.bytes {
            let most = limits.bytes >> 20;
            Some(format!("the files have more than {most} MiB altogether"))
        } else {
            None
        };
        if let Some(message) = beyond {
            sink.add(Finding::error(at, message).help("what follows is not read"));
            self.stop();
            return;
        }
        let source = Source::from_bytes(&path.to_string_lossy(), &bytes).included_by(at);
        let directory = path.parent().unwrap_or(Path::new("/")).to_path_buf();
        self.enter(source, directory, real, sink);
    }
}

/// An error where the `include` is a strict one.
fn strictly(strict: bool, at: Span, message: String) -> Finding {
    let finding = if strict {
        Finding::error(at, message)
    } else {
        Finding::warning(at, message)
    };
    finding.help("it is not included")
}

/// Nothing is there.
fn missing(pattern: &str, is_alternative: bool, checks: Checks, at: Span, sink: &mut Sink) {
    let finding = if glob::is_wild(pattern) {
        if !checks.matched {
            // A directory of snippets may well be empty.
            return;
        }
        Finding::error(at, format!("no file matches {}", quoted(pattern)))
    } else {
        let strict = if is_alternative {
            checks.alternatives
        } else {
            checks.exists
        };
        let message = format!("there is no file {}", quoted(pattern));
        if strict {
            Finding::error(at, message)
        } else {
            Finding::warning(at, message)
        }
    };
    sink.add(finding.help(
        "nothing is included for it; relative names start at the directory of the including file",
    ));
}
