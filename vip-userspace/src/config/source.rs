//! The files a configuration was read from, and places in them.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::diag::Location;

/// One file's text, with what had to be mended to make it text.
#[derive(Debug)]
pub struct Source {
    name: Arc<str>,
    text: String,
    /// Offsets in `text` of the characters that stand for bytes that are not
    /// UTF-8, ascending.
    broken: Vec<u32>,
    /// The `include` that led to it.
    included: Option<Span>,
}

impl Source {
    /// From the bytes of a file. A byte order mark goes; each byte that is
    /// not UTF-8 becomes one U+FFFD and is remembered, so that columns stay
    /// true and comments may be in any encoding.
    pub(super) fn from_bytes(name: &str, bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let mut text = String::with_capacity(bytes.len());
        let mut broken = Vec::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            for _ in chunk.invalid() {
                broken.push(offset(text.len()));
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Self {
            name: name.into(),
            text,
            broken,
            included: None,
        }
    }

    /// The same, read because of this `include`.
    pub(super) fn included_by(self, at: Span) -> Self {
        Self {
            included: Some(at),
            ..self
        }
    }

    /// The name under which messages speak of the file.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The text, without byte order mark.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether bytes that are not UTF-8 stood in this range of the text.
    fn is_broken(&self, start: usize, end: usize) -> bool {
        let first = self
            .broken
            .partition_point(|&at| usize::try_from(at).is_ok_and(|at| at < start));
        self.broken
            .get(first)
            .is_some_and(|&at| usize::try_from(at).is_ok_and(|at| at < end))
    }
}

/// Which file of [`Sources`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(u32);

/// Which use of a definition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UseId(NonZeroU32);

/// The place where a definition was used, and which one it was.
#[derive(Clone, Copy, Debug)]
struct Use {
    at: Span,
    definition: u32,
}

/// The files read, an included one each time it is, and the uses of
/// definitions in them.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<Arc<Source>>,
    uses: Vec<Use>,
}

impl Sources {
    /// Takes a file in.
    pub(super) fn add(&mut self, source: Source) -> (FileId, Arc<Source>) {
        let id = FileId(offset(self.files.len()));
        let source = Arc::new(source);
        self.files.push(Arc::clone(&source));
        (id, source)
    }

    /// The files, the one that was named first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.files.iter()
    }

    /// What a span covers, fit to be shown in a problem.
    #[must_use]
    pub fn locate(&self, span: Span) -> Option<Location> {
        let source = self.of(span)?;
        Some(Location::new(Arc::clone(source), span))
    }

    /// The word that begins at a place, fit to be shown in a problem.
    #[must_use]
    pub fn word_at(&self, place: &Place) -> Option<Location> {
        let file = self.files.iter().position(|one| *one.name == *place.file)?;
        let source = self.files.get(file)?;
        let line = usize::try_from(place.line.checked_sub(1)?).ok()?;
        let column = usize::try_from(place.column.checked_sub(1)?).ok()?;
        let text = source.text();
        let from = match line {
            0 => 0,
            _ => text.match_indices('\n').nth(line - 1)?.0 + 1,
        };
        let rest = text.get(from..)?;
        let (start, _) = rest.char_indices().nth(column)?;
        let word = rest.get(start..)?;
        let end = word
            .find(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | '"'))
            .unwrap_or(word.len());
        let span = Span {
            file: FileId(offset(file)),
            line: place.line,
            column: place.column,
            start: offset(from + start),
            end: offset(from + start + end),
            via: None,
        };
        Some(Location::new(Arc::clone(source), span))
    }

    /// Takes note of the use of a definition; `None` beyond four thousand
    /// million of them.
    pub(super) fn add_use(&mut self, at: Span, definition: u32) -> Option<UseId> {
        self.uses.push(Use { at, definition });
        NonZeroU32::new(offset(self.uses.len())).map(UseId)
    }

    /// How many uses there are.
    pub(super) fn uses(&self) -> usize {
        self.uses.len()
    }

    /// Forgets all uses but the first ones; no span may refer to the others.
    pub(super) fn forget_uses(&mut self, keep: usize) {
        self.uses.truncate(keep);
    }

    /// The uses that led to a span, the innermost first, each with its
    /// definition.
    pub(super) fn uses_of(&self, span: Span) -> impl Iterator<Item = (Span, u32)> {
        let step = |span: Span| self.used(span).map(|one| (one.at, one.definition));
        std::iter::successors(step(span), move |(at, _)| step(*at))
    }

    fn used(&self, span: Span) -> Option<&Use> {
        let UseId(number) = span.via?;
        self.uses.get(usize::try_from(number.get()).ok()? - 1)
    }

    /// The `include` that led to the file of a span.
    pub(super) fn inclusion(&self, span: Span) -> Option<Span> {
        self.of(span)?.included
    }

    /// The smallest piece of what a person wrote that covers both. Where they
    /// come out of different definitions, that is where these are used.
    pub(super) fn join(&self, mut a: Span, mut b: Span) -> Span {
        // A use within an expansion always comes after the one that led to it.
        while a.via != b.via {
            let later = if a.via > b.via { &mut a } else { &mut b };
            match self.used(*later) {
                Some(one) => *later = one.at,
                None => break,
            }
        }
        if a.is_beside(b) {
            Span {
                end: a.end.max(b.end),
                ..a
            }
        } else {
            a
        }
    }

    /// Whether bytes that are not UTF-8 stood there.
    pub(super) fn is_broken(&self, span: Span) -> bool {
        let range = usize::try_from(span.start)
            .ok()
            .zip(usize::try_from(span.end).ok());
        let (Some((start, end)), Some(source)) = (range, self.of(span)) else {
            return false;
        };
        source.is_broken(start, end)
    }

    /// The character that stands right behind it.
    pub(super) fn after(&self, span: Span) -> Option<char> {
        let end = usize::try_from(span.end).ok()?;
        self.of(span)?.text().get(end..)?.chars().next()
    }

    /// The file a span lies in.
    pub(super) fn of(&self, span: Span) -> Option<&Arc<Source>> {
        self.files.get(usize::try_from(span.file.0).ok()?)
    }
}

/// A range of one file, on one line: of what a person wrote. What comes out of a
/// definition lies in its text, and `via` is the use; what stands nowhere (the
/// values of `~SEQ` and of built-ins) lies at its use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// First byte in the file's text.
    pub start: u32,
    /// Byte after the last.
    pub end: u32,
    /// The use of the definition in whose text it lies.
    pub via: Option<UseId>,
}

impl Span {
    /// The beginning of the first file, for what has no place.
    pub(super) const NOWHERE: Self = Self {
        file: FileId(0),
        line: 1,
        column: 1,
        start: 0,
        end: 0,
        via: None,
    };

    /// Whether both lie on one line, reached in the same way.
    fn is_beside(self, other: Self) -> bool {
        self.file == other.file && self.line == other.line && self.via == other.via
    }

    /// From the start of this to the end of `last`, which stands on the same line
    /// or is cut off.
    pub(super) fn to(self, last: Self) -> Self {
        if self.is_beside(last) && last.end > self.start {
            Self {
                end: last.end,
                ..self
            }
        } else {
            self
        }
    }
}

/// Where something was written, for people: `file:line:column`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file's name as it was given.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Files are bounded far below 4 GiB before they come here.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
