//! Files to lines to characters: includes, definitions and repetitions.
//!
//! keepalived's rules, measured: a definition is bound late, so what its text
//! uses is looked up where it is used; its text is read as if it stood there,
//! quotes and braces included; one of several lines is read as several lines,
//! and only at the end of a line. A repetition takes the rest of its line, and its
//! variables keep their last value. [`super::lex`] asks for characters and says
//! where a line may begin with one of these.

mod glob;
mod include;
mod line;
mod names;
mod repeat;

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use self::include::Checks;
pub(super) use self::include::is_include;
pub(super) use self::line::is_blank;
use self::line::{Cursor, Line};
use self::names::Definition;
use self::repeat::Values;
use super::diag::{Finding, Sink, quoted};
use super::reading::{Limits, Reading};
use super::source::{FileId, Source, Span, UseId, offset};

/// Definitions that may be used between the parentheses of a repetition.
const MOST_IN_PARAMETERS: usize = 100;
/// What a line or the use of a definition costs besides its length, in bytes.
const COST: u64 = 16;

/// Where lines come from; the innermost is read first.
enum Input {
    /// A file, from an offset and a line number on.
    File {
        file: FileId,
        source: Arc<Source>,
        at: usize,
        line: u32,
        directory: PathBuf,
        real: PathBuf,
    },
    /// A definition of several lines, from the one with this index on.
    Body {
        lines: Rc<[Rc<Line>]>,
        next: usize,
        via: UseId,
    },
    /// Files that an `include` has found, the next one last.
    Found {
        paths: Vec<PathBuf>,
        checks: Checks,
        at: Span,
    },
    /// A line that is repeated.
    Repeat { line: Rc<Line>, values: Values },
}

/// What became of a `$`.
pub(super) enum Used {
    /// It is replaced: go on reading.
    Replaced,
    /// It is literal text.
    Literal,
    /// `${…}`, so many bytes long, is literal text although its braces would
    /// end a line; whether it cannot be relied on, which has been reported.
    LiteralBraced(usize, bool),
}

/// The state of reading.
pub(super) struct Expander<'r> {
    reading: &'r Reading<'r>,
    inputs: Vec<Input>,
    /// The line that is read: itself, and the definitions used in it.
    cursors: Vec<Cursor>,
    /// The line comes straight from a file, and ends in `\`.
    continued: bool,
    names: HashMap<Box<str>, Definition>,
    definitions: u32,
    /// Names that were used before they were defined, and where.
    unknown: HashMap<Box<str>, Span>,
    random: u64,
    checks: Checks,
    files: usize,
    bytes: u64,
    /// What is left of [`Limits::expanded`].
    budget: u64,
    /// What is left of [`Limits::line`].
    room: usize,
    /// Uses known when the line began.
    uses: usize,
    /// A span of this line with a use in it was given away.
    given: bool,
}

impl<'r> Expander<'r> {
    /// Begins with a file.
    pub(super) fn new(source: Source, reading: &'r Reading<'r>, sink: &mut Sink) -> Self {
        let mut expander = Self {
            reading,
            inputs: Vec::new(),
            cursors: Vec::new(),
            continued: false,
            names: HashMap::new(),
            definitions: 0,
            unknown: HashMap::new(),
            random: reading.seed,
            checks: Checks::default(),
            files: 0,
            bytes: 0,
            budget: reading.limits.expanded,
            room: reading.limits.line,
            uses: 0,
            given: false,
        };
        let name = std::path::Path::new(&**source.name()).file_name();
        let real = reading.directory.join(name.unwrap_or_default());
        let real = reading.files.real(&real);
        expander.bytes = u64::from(offset(source.text().len()));
        expander.files = 1;
        expander.enter(source, reading.directory.clone(), real, sink);
        expander
    }

    /// Reads on in another file, and then goes on here.
    fn enter(&mut self, source: Source, directory: PathBuf, real: PathBuf, sink: &mut Sink) {
        let (file, source) = sink.sources.add(source);
        self.inputs.push(Input::File {
            file,
            source,
            at: 0,
            line: 1,
            directory,
            real,
        });
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.reading.limits
    }

    /// Reads nothing more.
    pub(super) fn stop(&mut self) {
        self.inputs.clear();
        self.cursors.clear();
        self.continued = false;
    }

    /// Takes the next line up; false at the end of everything.
    pub(super) fn next_line(&mut self, sink: &mut Sink) -> bool {
        self.cursors.clear();
        self.continued = false;
        self.room = self.reading.limits.line;
        // Uses that nobody was told of are forgotten, unless what is still to
        // be read came out of them.
        let mut inputs = self.inputs.iter();
        let plain = inputs.all(|input| matches!(input, Input::File { .. }));
        if plain && !self.given {
            sink.sources.forget_uses(self.uses);
        }
        if plain {
            self.uses = sink.sources.uses();
            self.given = false;
        }
        loop {
            let Some(input) = self.inputs.last_mut() else {
                return false;
            };
            let next = match input {
                Input::File {
                    file,
                    source,
                    at,
                    line,
                    ..
                } => physical(*file, source, at, line).map(|(text, continued)| {
                    self.continued = continued;
                    Cursor::new(Rc::new(text))
                }),
                Input::Body { lines, next, via } => {
                    let line = lines.get(*next).map(Rc::clone);
                    *next += 1;
                    line.map(|line| Cursor::of_use(line, *via))
                }
                Input::Found { paths, checks, at } => {
                    let (next, checks, at) = (paths.pop(), *checks, *at);
                    match next {
                        Some(path) => self.open(&path, checks, at, sink),
                        None => {
                            self.inputs.pop();
                        }
                    }
                    continue;
                }
                Input::Repeat { line, values } => values.advance().map(|round| {
                    for (name, value) in round {
                        self.names
                            .insert(name.into(), Definition::Value(value.into()));
                    }
                    Cursor::new(Rc::clone(line))
                }),
            };
            match next {
                Some(cursor) => {
                    let cost = cursor.rest().len();
                    let place = cursor.here();
                    if !self.spend(cost, place, sink) {
                        return false;
                    }
                    self.cursors.push(cursor);
                    self.settle();
                    return true;
                }
                None => {
                    self.inputs.pop();
                }
            }
        }
    }

    /// Accounts for text that is read.
    fn spend(&mut self, bytes: usize, at: Span, sink: &mut Sink) -> bool {
        let cost = u64::from(offset(bytes)) + COST;
        match self.budget.checked_sub(cost) {
            Some(left) => {
                self.budget = left;
                true
            }
            None => {
                let most = self.reading.limits.expanded >> 20;
                sink.add(
                    Finding::error(at, format!("what is included and expanded exceeds {most} MiB"))
                        .help("what follows is not read; look for a definition or `~SEQ` that multiplies others"),
                );
                self.stop();
                false
            }
        }
    }

    /// Takes used-up definitions off.
    fn settle(&mut self) {
        while self.cursors.last().is_some_and(Cursor::is_done) {
            self.cursors.pop();
        }
    }

    /// The next character of the line.
    pub(super) fn peek(&self) -> Option<char> {
        self.cursors.last()?.rest().chars().next()
    }

    /// The character after the next.
    pub(super) fn peek_second(&self) -> Option<char> {
        let last = self.cursors.last()?.rest();
        let mut after = last.chars();
        after.next();
        after.next().or_else(|| self.below(1))
    }

    /// The first character below so many cursors.
    fn below(&self, count: usize) -> Option<char> {
        let below = self.cursors.iter().rev().skip(count);
        below.filter_map(|one| one.rest().chars().next()).next()
    }

    /// What is left of the innermost text.
    pub(super) fn ahead(&self) -> &str {
        self.cursors.last().map_or("", Cursor::rest)
    }

    /// Where the next character comes from; `None` at the end of a line.
    pub(super) fn here(&self) -> Option<Span> {
        self.cursors.last().map(Cursor::here)
    }

    pub(super) fn bump(&mut self) {
        if let Some(cursor) = self.cursors.last_mut() {
            cursor.bump();
        }
        self.settle();
    }

    /// Leaves the rest of the line out.
    pub(super) fn skip_line(&mut self) {
        self.cursors.clear();
    }

    /// A span is given away: what it refers to must be kept.
    pub(super) fn give(&mut self, span: Span) -> Span {
        self.given |= span.via.is_some();
        span
    }

    /// The rest of the line, as it stands.
    fn take_rest(&mut self) -> Line {
        let mut line = Line::default();
        while let Some(cursor) = self.cursors.pop() {
            cursor.drain_into(&mut line);
        }
        line.trimmed()
    }

    /// At `@` in front of a line: whether the line belongs to this host. If so
    /// the id is behind us; if not, the whole line is, with all the lines of a
    /// definition.
    pub(super) fn is_for_us(&mut self) -> bool {
        self.bump();
        let negated = self.peek() == Some('^');
        if negated {
            self.bump();
        }
        let mut id = String::new();
        while let Some(c) = self.peek().filter(|c| !is_blank(*c)) {
            id.push(c);
            self.bump();
        }
        while self.peek().is_some_and(is_blank) {
            self.bump();
        }
        if (id == self.reading.id) != negated {
            return true;
        }
        if self.definition_name().is_some() {
            self.skip_continuation();
        }
        self.skip_line();
        false
    }

    /// Leaves out the lines that continue this one.
    fn skip_continuation(&mut self) {
        while self.continued {
            match self.next_physical() {
                Some((_, continued)) => self.continued = continued,
                None => self.continued = false,
            }
        }
    }

    fn next_physical(&mut self) -> Option<(Line, bool)> {
        match self.inputs.last_mut()? {
            Input::File {
                file,
                source,
                at,
                line,
                ..
            } => physical(*file, source, at, line),
            Input::Body { .. } | Input::Found { .. } | Input::Repeat { .. } => None,
        }
    }

    /// At `~` in front of a line: if it repeats the line, begins with that.
    pub(super) fn repeats(&mut self, sink: &mut Sink) -> bool {
        let Some((kind, length)) = repeat::kind(self.ahead()) else {
            return false;
        };
        let ahead = self.ahead().get(length..).unwrap_or_default();
        if !ahead.trim_start_matches(is_blank).starts_with('(') {
            if let Some(at) = self.here() {
                sink.add(
                    Finding::error(at, "`(` is missing behind the name of a repetition").help(
                        "the line is skipped; write `~SEQ(NAME, START, END)`, `~SEQx(…)` or `~LST(NAME, VALUE, …)`",
                    ),
                );
            }
            self.skip_line();
            return true;
        }
        let rest = self.take_rest();
        let Some(at) = rest.place() else {
            return true;
        };
        let Some((inner, used)) = parameters(rest.text()) else {
            sink.add(
                Finding::error(at, "the `(` of this repetition is not closed on its line")
                    .help("the line is skipped; end the values with `)`"),
            );
            return true;
        };
        let mut left = MOST_IN_PARAMETERS;
        let values = self
            .resolve(inner, &mut left)
            .and_then(|inner| repeat::values(kind, &inner));
        match values {
            Ok(values) => {
                let mut cursor = Cursor::new(Rc::new(rest));
                for _ in 0..used {
                    cursor.bump();
                }
                let mut line = Line::default();
                cursor.drain_into(&mut line);
                self.given |= line.place().is_some_and(|place| place.via.is_some());
                self.inputs.push(Input::Repeat {
                    line: Rc::new(line),
                    values,
                });
            }
            Err(why) => {
                sink.add(
                    Finding::error(at, format!("this repetition cannot be done: {why}"))
                        .help("the line is skipped"),
                );
            }
        }
        true
    }
}

/// What stands between the parentheses of a repetition, and how many characters
/// there are up to and with the closing one.
fn parameters(text: &str) -> Option<(&str, usize)> {
    let open = text.find('(')?;
    let mut depth = 0usize;
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    let inner = text.get(open + 1..at)?;
                    return Some((inner, text.get(..=at)?.chars().count()));
                }
            }
            _ => {}
        }
    }
    None
}

/// A file's next line without its comment, and whether it ends in `\`.
fn physical(
    file: FileId,
    source: &Source,
    at: &mut usize,
    number: &mut u32,
) -> Option<(Line, bool)> {
    let rest = source.text().get(*at..).filter(|rest| !rest.is_empty())?;
    let (line, length) = match rest.find('\n') {
        Some(end) => (rest.get(..end)?, end + 1),
        None => (rest, rest.len()),
    };
    let place = Span {
        file,
        line: *number,
        column: 1,
        start: offset(*at),
        end: offset(*at),
        via: None,
    };
    *at += length;
    *number += 1;
    let continued = line.trim_end_matches(is_blank).ends_with('\\');
    let line = line.get(..comment(line)).unwrap_or_default();
    Some((
        Line::written(line.trim_end_matches(is_blank), place),
        continued,
    ))
}

/// Where the comment of a line begins, or where the line ends.
fn comment(line: &str) -> usize {
    let mut in_quotes = false;
    let mut escaped = false;
    for (at, c) in line.bytes().enumerate() {
        match c {
            b'"' => in_quotes = !in_quotes,
            b'#' | b'!' if !in_quotes && !escaped => return at,
            _ => {}
        }
        escaped = c == b'\\';
    }
    line.len()
}

/// A word for a message.
fn shown(name: &str) -> String {
    quoted(&format!("${{{name}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_begin_anywhere_outside_quotes() {
        for (line, kept) in [
            ("a #b", "a "),
            ("a!b", "a"),
            (r#"a "b # c ! d" e # f"#, r#"a "b # c ! d" e "#),
            (r"a\#b \! c # d", r"a\#b \! c "),
            (r#"a "b # c"#, r#"a "b # c"#),
            ("", ""),
        ] {
            assert_eq!(line.get(..comment(line)), Some(kept), "{line}");
        }
    }

    #[test]
    fn parameters_end_where_their_parenthesis_does() {
        assert_eq!(parameters("~SEQ(i, 1) x)"), Some(("i, 1", 10)));
        assert_eq!(parameters("~LST ({a,b},{1,2})"), Some(("{a,b},{1,2}", 18)));
        assert_eq!(parameters("~SEQ(i, (1)) x"), Some(("i, (1)", 12)));
        assert_eq!(parameters("~SEQ(i"), None);
    }
}
