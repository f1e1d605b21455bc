//! What is wrong with a configuration, said with its place.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::shown;
use super::source::{FileId, Place, Source, Sources, Span};

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Worth knowing; nothing is lost.
    Note,
    /// Something the file asks for is corrected or not done.
    Warning,
    /// keepalived would not start with it, or nobody knows the word.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A place with the file it lies in: it can be shown when everything else that
/// was read is gone, and beside places of other files.
#[derive(Clone, Debug)]
pub struct Location {
    source: Arc<Source>,
    span: Span,
}

impl Location {
    /// What `span` covers of `source`.
    #[must_use]
    pub(super) fn new(source: Arc<Source>, span: Span) -> Self {
        Self { source, span }
    }

    /// The name of the file.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        self.source.name()
    }

    /// Where it begins.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            file: Arc::clone(self.source.name()),
            line: self.span.line,
            column: self.span.column,
        }
    }

    /// The column behind its last character, on the same line, from 1.
    #[must_use]
    pub fn end_column(&self) -> u32 {
        let start = usize::try_from(self.span.start).unwrap_or(usize::MAX);
        let end = usize::try_from(self.span.end).unwrap_or(usize::MAX);
        let covered = self.source.text().get(start..end).unwrap_or_default();
        let line = covered.lines().next().unwrap_or_default();
        let length = u32::try_from(line.chars().count()).unwrap_or(u32::MAX);
        self.span.column.saturating_add(length)
    }
}

/// One thing to say about a configuration.
///
/// `Display` (or [`Problem::render`]) shows it in full, with the line and a
/// caret; [`Problem::headline`] is for a log.
#[derive(Clone, Debug)]
pub struct Problem {
    severity: Severity,
    message: String,
    file: Arc<str>,
    at: Option<Location>,
    see: Vec<(Location, String)>,
    help: Option<String>,
}

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn at(severity: Severity, at: Location, message: impl Into<String>) -> Self {
        Self {
            severity,
            message: message.into(),
            file: Arc::clone(at.file()),
            at: Some(at),
            see: Vec::new(),
            help: None,
        }
    }

    /// A problem of a file as a whole.
    #[must_use]
    pub fn of_file(
        severity: Severity,
        file: impl Into<Arc<str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            message: message.into(),
            file: file.into(),
            at: None,
            see: Vec::new(),
            help: None,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with another place that belongs to it, in any file.
    #[must_use]
    pub fn see(mut self, at: Location, words: impl Into<String>) -> Self {
        self.see.push((at, words.into()));
        self
    }

    /// The same, worse: what `--strict` makes of a warning.
    #[must_use]
    pub(crate) fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// The file it is about.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// What it points at, unless it concerns the file as a whole.
    #[must_use]
    pub fn location(&self) -> Option<&Location> {
        self.at.as_ref()
    }

    /// The other places that belong to it, and what is there.
    pub fn related(&self) -> impl Iterator<Item = (&Location, &str)> {
        self.see.iter().map(|(at, words)| (at, words.as_str()))
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong, in one sentence without place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Where it is, unless it concerns the file as a whole.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.at.as_ref().map(Location::place)
    }

    /// One line: `file:line:column: severity: message`.
    #[must_use]
    pub fn headline(&self) -> String {
        match self.place() {
            Some(place) => format!("{place}: {}: {}", self.severity, self.message),
            None => format!("{}: {}: {}", self.file, self.severity, self.message),
        }
    }

    /// The whole of it, with the line shown, a caret and help.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let level = match self.severity {
            Severity::Note => Level::NOTE,
            Severity::Warning => Level::WARNING,
            Severity::Error => Level::ERROR,
        };
        let mut report = vec![shown(
            Group::with_title(level.primary_title(self.message.as_str())),
            &self.file,
            self.at.as_ref(),
        )];
        for (at, words) in &self.see {
            report.push(shown(
                Group::with_title(Level::NOTE.secondary_title(words.as_str())),
                at.source.name(),
                Some(at),
            ));
        }
        if let Some(help) = &self.help
            && let Some(last) = report.pop()
        {
            report.push(last.element(Level::HELP.message(help.as_str())));
        }
        let renderer = if colours {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        renderer.render(&report)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// Lines longer than this are not shown, only named.
const LONGEST_LINE_SHOWN: usize = 4096;

/// The group with the line that `at` lies on; only that line is handed to the
/// renderer, so that showing a problem does not cost the length of the file.
fn shown<'a>(group: Group<'a>, file: &'a str, at: Option<&'a Location>) -> Group<'a> {
    let Some(Location { source, span }) = at else {
        return group.element(Origin::path(file));
    };
    let line = usize::try_from(span.line).unwrap_or(usize::MAX);
    match line_around(source.text(), *span) {
        Some((text, range)) => group.element(
            Snippet::source(shown::line(text))
                .path(file)
                .line_start(line)
                .annotation(AnnotationKind::Primary.span(range)),
        ),
        None => group.element(
            Origin::path(file)
                .line(line)
                .char_column(usize::try_from(span.column).unwrap_or(usize::MAX)),
        ),
    }
}

/// The line a span starts on and the span's range within it.
fn line_around(text: &str, span: Span) -> Option<(&str, std::ops::Range<usize>)> {
    let start = usize::try_from(span.start).ok()?;
    let end = usize::try_from(span.end).ok()?;
    let bytes = text.as_bytes();
    let before = bytes.get(start.saturating_sub(LONGEST_LINE_SHOWN)..start)?;
    let first = match before.iter().rposition(|&b| b == b'\n') {
        Some(newline) => start - before.len() + newline + 1,
        None if before.len() == start => 0,
        None => return None,
    };
    let after = &bytes[start..bytes.len().min(start + LONGEST_LINE_SHOWN)];
    let last = match after.iter().position(|&b| b == b'\n') {
        Some(newline) => start + newline,
        None if start + after.len() == bytes.len() => bytes.len(),
        None => return None,
    };
    let line = text.get(first..last)?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    let from = (start - first).min(line.len());
    let to = end.saturating_sub(first).clamp(from, line.len());
    Some((line, from..to))
}

/// A problem in the making, before the sink has looked up its file.
#[derive(Debug)]
pub(super) struct Finding {
    severity: Severity,
    message: String,
    at: Option<Span>,
    see: Vec<(Span, String)>,
    help: Option<String>,
}

impl Finding {
    fn new(severity: Severity, at: Option<Span>, message: impl Into<String>) -> Self {
        Self {
            severity,
            message: message.into(),
            at,
            see: Vec::new(),
            help: None,
        }
    }

    pub(super) fn error(at: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, Some(at), message)
    }

    pub(super) fn warning(at: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, Some(at), message)
    }

    pub(super) fn note(at: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, Some(at), message)
    }

    /// About the file as a whole.
    pub(super) fn of_file(severity: Severity, message: impl Into<String>) -> Self {
        Self::new(severity, None, message)
    }

    /// What to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Another place that belongs to it.
    pub(super) fn see(mut self, at: Span, words: impl Into<String>) -> Self {
        self.see.push((at, words.into()));
        self
    }
}

/// How many problems are kept; a file with more is not a configuration.
const MOST_KEPT: usize = 1000;
/// How many left-overs of templates are shown.
const LEFT_OVERS_SHOWN: usize = 5;

/// Where problems are collected, bounded.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) sources: Sources,
    file: Arc<str>,
    problems: Vec<Problem>,
    /// What has been said where, so that a line which is repeated or used often
    /// is mentioned once.
    said: HashSet<(FileId, u32, String)>,
    /// Left-overs of templates, those that are not shown included.
    left_over: usize,
    /// How many were not kept, and the worst of them.
    beyond: Option<(usize, Severity)>,
}

impl Sink {
    pub(super) fn new(name: &str) -> Self {
        Self {
            sources: Sources::default(),
            file: name.into(),
            problems: Vec::new(),
            said: HashSet::new(),
            left_over: 0,
            beyond: None,
        }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if let Some(at) = finding.at {
            let key = (at.file, at.start, finding.message.clone());
            // The set is bounded as the problems are.
            if self.said.contains(&key)
                || (self.problems.len() < MOST_KEPT && !self.said.insert(key))
            {
                return;
            }
        }
        if self.problems.len() >= MOST_KEPT {
            let (count, worst) = self.beyond.unwrap_or((0, finding.severity));
            self.beyond = Some((count + 1, worst.max(finding.severity)));
            return;
        }
        let Finding {
            severity,
            message,
            at,
            see,
            help,
        } = finding;
        let locate = |span: Span| self.sources.locate(span);
        let led_here = at.into_iter().flat_map(|at| {
            let outermost = self.sources.uses_of(at).last().map(|(at, _)| at);
            let inclusion = self.sources.inclusion(outermost.unwrap_or(at));
            let used = outermost.map(|at| (at, "expanded from here".into()));
            used.into_iter()
                .chain(inclusion.map(|at| (at, "included from here".into())))
        });
        let see: Vec<_> = see.into_iter().chain(led_here).collect();
        let at = at.and_then(locate);
        let see = see
            .into_iter()
            .filter_map(|(span, words)| Some((locate(span)?, words)))
            .collect();
        let file = at.as_ref().map_or(&self.file, |at| at.source.name());
        self.problems.push(Problem {
            severity,
            message,
            file: Arc::clone(file),
            at,
            see,
            help,
        });
    }

    /// Adds what a template has left. Of a template that was not rendered the
    /// first ones tell enough; the others are counted.
    pub(super) fn left_over(&mut self, finding: Finding) {
        self.left_over += 1;
        if self.left_over <= LEFT_OVERS_SHOWN {
            self.add(finding);
        }
    }

    /// Whether nothing more is kept; then good words for it need not be sought.
    pub(super) fn is_full(&self) -> bool {
        self.problems.len() >= MOST_KEPT
    }

    pub(super) fn place(&self, span: Span) -> Place {
        Place {
            file: Arc::clone(self.sources.of(span).map_or(&self.file, |s| s.name())),
            line: span.line,
            column: span.column,
        }
    }

    /// Everything collected, file by file in the order of reading; what concerns
    /// none of their lines comes last.
    pub(super) fn finish(self) -> Vec<Problem> {
        let Self {
            sources: _,
            file,
            mut problems,
            said: _,
            left_over,
            beyond,
        } = self;
        problems.sort_by_key(|problem| {
            let at = problem.at.as_ref().map(|at| at.span);
            (at.is_none(), at.map(|at| (at.file, at.line, at.column)))
        });
        let unseen = left_over.saturating_sub(LEFT_OVERS_SHOWN);
        if unseen > 0 {
            problems.push(Problem {
                severity: Severity::Error,
                message: format!("a template has left {unseen} more places"),
                file: Arc::clone(&file),
                at: None,
                see: Vec::new(),
                help: Some("this is what a configuration is made from: render it, and check what comes out".into()),
            });
        }
        if let Some((beyond, severity)) = beyond {
            problems.push(Problem {
                severity,
                message: format!("{beyond} more problems are not shown"),
                file,
                at: None,
                see: Vec::new(),
                help: Some("mend the first ones and check again".into()),
            });
        }
        problems
    }
}

/// A word of the file, fit to stand in a sentence: short, and without what
/// would act on a terminal.
pub(super) fn quoted(word: &str) -> String {
    const LONGEST: usize = 60;
    let mut out = String::from("`");
    for (count, c) in shown::without_secrets(word).chars().enumerate() {
        if count == LONGEST {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

/// The candidate that is nearest to `word` and near enough to be what was meant.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let length = word.chars().count();
    if !(2..=40).contains(&length) {
        return None;
    }
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let furthest = (length / 3).clamp(1, 3);
    candidates
        // What differs more in length alone need not be compared.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= furthest)
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= furthest && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The longest of the candidates that `word` begins with, or that begins with it.
pub(super) fn akin<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LEAST: usize = 4;
    candidates
        .filter(|candidate| {
            candidate.len().min(word.len()) >= LEAST
                && (word.starts_with(candidate) || candidate.starts_with(word))
        })
        .max_by_key(|candidate| candidate.len().min(word.len()))
}

/// Edits (insert, delete, replace, swap of neighbours) between two words.
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["rise", "fall", "interval", "virtual_router_id", "priority"];
        let find = |word| nearest(word, known.iter().copied());
        assert_eq!(find("raise"), Some("rise"));
        assert_eq!(find("prioirty"), Some("priority"));
        assert_eq!(find("virtual_route_id"), Some("virtual_router_id"));
        assert_eq!(find("Priority"), Some("priority"));
        assert_eq!(find("zebra"), None);
        assert_eq!(find("x"), None);
    }

    #[test]
    fn words_may_be_akin_by_their_beginning() {
        let known = ["advert_int", "interface", "priority"];
        let find = |word| akin(word, known.iter().copied());
        assert_eq!(find("advert_interval"), Some("advert_int"));
        assert_eq!(find("interf"), Some("interface"));
        assert_eq!(find("prio"), Some("priority"));
        assert_eq!(find("pri"), None);
        assert_eq!(find("zebra_crossing"), None);
    }

    #[test]
    fn words_in_sentences_are_short_and_harmless() {
        assert_eq!(quoted("eth0"), "`eth0`");
        assert_eq!(quoted("a\u{1b}[31m"), "`a\\u{1b}[31m`");
        assert!(quoted(&"x".repeat(500)).chars().count() < 70);
    }
}
