//! Lines to words and braces.
//!
//! keepalived's rules: a double quote begins a token of its own, which ends at
//! the next one; braces outside quotes stand for themselves, and a new line
//! begins behind them; `\#` and `\!` outside quotes are the characters
//! themselves. At the beginning of a line stand `@id`, `$NAME=…`, `~SEQ(…)` and
//! `include`, each of which takes the rest of it; see [`super::expand`].

use super::diag::{Finding, Sink, quoted};
use super::expand::{Expander, Used, is_blank, is_include};
use super::reading::{Limits, Reading};
use super::source::{Source, Span};

/// A word and where it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// The word, without quotes, expanded, and with `\#` resolved.
    pub text: Box<str>,
    /// Where it stands, quotes included.
    pub span: Span,
    /// Whether it cannot be relied on: not UTF-8, a NUL, an open quote, what a
    /// template or a name that is not defined has left. It has been reported.
    pub broken: bool,
    /// Whether it stood in quotes.
    pub quoted: bool,
}

/// What the text is made of.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Lexeme {
    /// A word.
    Word(Token),
    /// `{`.
    Open(Span),
    /// `}`.
    Close(Span),
    /// The end of a line.
    Newline,
}

/// How far the end of a template's expression is looked for, in bytes.
const LONGEST_TEMPLATE: usize = 256;

/// Lines that change how what follows is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    IncludeCheck,
    RandomSeed,
}

/// Where a word begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    /// In front of a line, or behind a brace.
    Start,
    /// There too, behind its `@id`.
    BehindId,
    /// Behind other words.
    Within,
}

/// Reads a file and all that it includes.
pub(super) struct Lexer<'r> {
    expander: Expander<'r>,
    /// A line is being read.
    in_line: bool,
    position: Position,
    directive: Option<(Directive, Vec<Box<str>>)>,
}

/// Puts together what a word covers.
#[derive(Default)]
struct Cover(Option<Span>);

impl Cover {
    fn add(&mut self, place: Span, sink: &Sink) {
        self.0 = Some(match self.0 {
            Some(so_far) => sink.sources.join(so_far, place),
            None => place,
        });
    }
}

/// A word in the making.
#[derive(Default)]
struct Word {
    text: String,
    cover: Cover,
    /// Bytes that are not UTF-8.
    foreign: bool,
    broken: bool,
}

impl<'r> Lexer<'r> {
    pub(super) fn new(source: Source, reading: &'r Reading<'r>, sink: &mut Sink) -> Self {
        Self {
            expander: Expander::new(source, reading, sink),
            in_line: false,
            position: Position::Start,
            directive: None,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        self.expander.limits()
    }

    /// Reads nothing more.
    pub(super) fn stop(&mut self) {
        self.expander.stop();
        self.in_line = false;
    }

    /// The next piece; `None` at the end of everything.
    pub(super) fn next(&mut self, sink: &mut Sink) -> Option<Lexeme> {
        loop {
            if !self.in_line {
                if !self.expander.next_line(sink) {
                    return None;
                }
                self.in_line = true;
                self.position = Position::Start;
            }
            let Some(c) = self.expander.peek() else {
                self.in_line = false;
                self.end_of_words();
                return Some(Lexeme::Newline);
            };
            if is_blank(c) {
                self.expander.bump();
                continue;
            }
            if self.position != Position::Within && self.takes_line(c, sink) {
                continue;
            }
            match c {
                '{' | '}' if !self.is_template() => {
                    let at = self.expander.here()?;
                    let at = self.expander.give(at);
                    self.expander.bump();
                    self.end_of_words();
                    return Some(if c == '{' {
                        Lexeme::Open(at)
                    } else {
                        Lexeme::Close(at)
                    });
                }
                '"' => return Some(Lexeme::Word(self.in_quotes(sink))),
                '$' => match self.expander.try_use(false, true, sink) {
                    Used::Replaced => {}
                    literal @ (Used::Literal | Used::LiteralBraced(..)) => {
                        return Some(Lexeme::Word(self.bare(Some(literal), sink)));
                    }
                },
                _ => return Some(Lexeme::Word(self.bare(None, sink))),
            }
        }
    }

    /// Nothing more belongs to the words before; what they change is changed.
    fn end_of_words(&mut self) {
        self.position = Position::Start;
        match self.directive.take() {
            Some((Directive::IncludeCheck, words)) => {
                self.expander
                    .check_includes(words.iter().map(|word| &**word));
            }
            Some((Directive::RandomSeed, words)) => {
                if let Some(word) = words.first() {
                    self.expander.seed(word);
                }
            }
            None => {}
        }
    }

    /// In front of a line: whether what stands there takes all of it, or is
    /// an `@id`, and has been read.
    fn takes_line(&mut self, c: char, sink: &mut Sink) -> bool {
        match c {
            '@' if self.position == Position::Start => {
                self.placeholder(sink);
                if self.expander.is_for_us() {
                    self.position = Position::BehindId;
                }
                true
            }
            '$' if self.expander.definition_name().is_some() => {
                self.expander.define(sink);
                true
            }
            '~' => self.expander.repeats(sink),
            '{' if self.expander.ahead().starts_with("{%") => {
                if let Some(at) = self.expander.here() {
                    sink.left_over(
                        Finding::error(at, "this line is left over from a template")
                            .help("render the template first; the line is skipped"),
                    );
                }
                self.expander.skip_line();
                true
            }
            'i' => self.include(sink),
            _ => false,
        }
    }

    /// Says when what looks like an `@id` is an `@NAME@` that nobody replaced:
    /// no host is called that, so the line would vanish without a word.
    fn placeholder(&self, sink: &mut Sink) {
        let ahead = self.expander.ahead();
        let end = ahead.find(is_blank).unwrap_or(ahead.len());
        let word = ahead.get(..end).unwrap_or_default();
        if word.len() > 2
            && word.ends_with('@')
            && let Some(at) = self.expander.here()
        {
            let message = format!("{} is left over from a template", quoted(word));
            sink.left_over(Finding::error(at, message).help(
                "as it stands it is a line for a host of that name, and left out on all others",
            ));
        }
    }

    /// Reads an `include`, if it is one.
    fn include(&mut self, sink: &mut Sink) -> bool {
        let ahead = self.expander.ahead();
        if !ahead.starts_with("include") {
            return false;
        }
        let end = ahead.find(is_blank).unwrap_or(ahead.len());
        let word = ahead.get(..end).unwrap_or_default();
        if !is_include(word) {
            return false;
        }
        let word = word.to_string();
        let mut cover = Cover::default();
        for _ in word.chars() {
            self.take_place(&mut cover, sink);
        }
        let mut pattern = String::new();
        let mut place = Cover::default();
        while let Some(c) = self.expander.peek() {
            if pattern.is_empty() && is_blank(c) {
                self.expander.bump();
                continue;
            }
            if c == '$' && matches!(self.expander.try_use(false, false, sink), Used::Replaced) {
                continue;
            }
            pattern.push(c);
            self.take_place(&mut place, sink);
        }
        let pattern = pattern.trim_end_matches(is_blank);
        if let Some(at) = place.0.or(cover.0) {
            self.expander.include(&word, pattern, at, sink);
        }
        true
    }

    fn take_place(&mut self, cover: &mut Cover, sink: &Sink) {
        if let Some(here) = self.expander.here() {
            cover.add(here, sink);
        }
        self.expander.bump();
    }

    /// Whether a template's `{{ … }}` or `<% … %>` begins here; how long it is.
    fn template(&self) -> Option<usize> {
        let ahead = self.expander.ahead();
        let close = if ahead.starts_with("{{") {
            "}}"
        } else if ahead.starts_with("<%") {
            "%>"
        } else {
            return None;
        };
        let near = ahead.floor_char_boundary(LONGEST_TEMPLATE);
        Some(ahead.get(..near)?.find(close)? + close.len())
    }

    fn is_template(&self) -> bool {
        self.template().is_some()
    }

    /// A word outside quotes: up to a blank, quote or brace. `literal` is what
    /// became of the `$` it begins with.
    fn bare(&mut self, mut literal: Option<Used>, sink: &mut Sink) -> Token {
        let mut word = Word::default();
        while let Some(c) = self.expander.peek() {
            match c {
                '$' => {
                    let used = match literal.take() {
                        Some(used) => used,
                        None => {
                            let alone = word.text.is_empty();
                            self.expander.try_use(false, alone, sink)
                        }
                    };
                    match used {
                        Used::Replaced => {}
                        Used::Literal => self.take(&mut word, sink),
                        Used::LiteralBraced(length, broken) => {
                            word.broken |= broken;
                            self.take_bytes(length, &mut word, sink);
                        }
                    }
                }
                '\\' if matches!(self.expander.peek_second(), Some('#' | '!')) => {
                    self.take_place(&mut word.cover, sink);
                    self.take(&mut word, sink);
                }
                '{' | '<' => match self.template() {
                    Some(length) => self.left_over(length, &mut word, sink),
                    None if c == '{' => break,
                    None => self.take(&mut word, sink),
                },
                '"' | '}' => break,
                c if is_blank(c) => break,
                _ => self.take(&mut word, sink),
            }
        }
        self.token(word, false, sink)
    }

    fn in_quotes(&mut self, sink: &mut Sink) -> Token {
        let mut word = Word::default();
        self.take_place(&mut word.cover, sink);
        let mut closed = false;
        while let Some(c) = self.expander.peek() {
            match c {
                '"' => {
                    self.take_place(&mut word.cover, sink);
                    closed = true;
                    break;
                }
                '$' if matches!(self.expander.try_use(true, false, sink), Used::Replaced) => {}
                _ => self.take(&mut word, sink),
            }
        }
        if !closed && let Some(span) = word.cover.0 {
            sink.add(
                Finding::error(span, "this quote is not closed on its line")
                    .help("end the text with a second `\"`"),
            );
            word.broken = true;
        }
        self.token(word, true, sink)
    }

    /// What a template should have replaced.
    fn left_over(&mut self, length: usize, word: &mut Word, sink: &mut Sink) {
        let text = self.expander.ahead().get(..length).map(quoted);
        let mut inner = Word::default();
        self.take_bytes(length, &mut inner, sink);
        if let (Some(at), Some(text)) = (inner.cover.0, text) {
            sink.left_over(
                Finding::error(at, format!("{text} is left over from a template"))
                    .help("render the template first"),
            );
            word.cover.add(at, sink);
        }
        word.text.push_str(&inner.text);
        word.broken = true;
    }

    fn take_bytes(&mut self, length: usize, word: &mut Word, sink: &mut Sink) {
        let end = word.text.len() + length;
        while word.text.len() < end && self.expander.peek().is_some() {
            self.take(word, sink);
        }
    }

    fn take(&mut self, word: &mut Word, sink: &Sink) {
        let (Some(c), Some(here)) = (self.expander.peek(), self.expander.here()) else {
            return;
        };
        if c == char::REPLACEMENT_CHARACTER {
            word.foreign |= sink.sources.is_broken(here);
        }
        word.cover.add(here, sink);
        word.text.push(c);
        self.expander.bump();
    }

    fn token(&mut self, word: Word, quoted: bool, sink: &mut Sink) -> Token {
        let Word {
            text,
            cover,
            foreign,
            broken,
        } = word;
        let span = self.expander.give(cover.0.unwrap_or(Span::NOWHERE));
        let nul = text.contains('\0');
        if foreign {
            sink.add(
                Finding::error(span, "this word is not UTF-8")
                    .help("save the file as UTF-8; only comments may be in another encoding"),
            );
        } else if nul {
            sink.add(
                Finding::error(span, "this word contains a NUL byte")
                    .help("the file is damaged, or not text"),
            );
        }
        let is_first = self.position != Position::Within;
        self.position = Position::Within;
        let text = text.into_boxed_str();
        match &*text {
            "include_check" if is_first => {
                self.directive = Some((Directive::IncludeCheck, Vec::new()));
            }
            "random_seed" if is_first => {
                self.directive = Some((Directive::RandomSeed, Vec::new()));
            }
            word => {
                if let Some((_, words)) = &mut self.directive {
                    words.push(word.into());
                }
            }
        }
        Token {
            text,
            span,
            broken: broken || foreign || nul,
            quoted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One piece a word, for comparing.
    fn pieces(text: &str) -> Vec<String> {
        let mut sink = Sink::new("test");
        let reading = Reading::default();
        let source = Source::from_bytes("test", text.as_bytes());
        let mut lexer = Lexer::new(source, &reading, &mut sink);
        let mut out = Vec::new();
        while let Some(lexeme) = lexer.next(&mut sink) {
            out.push(match lexeme {
                Lexeme::Word(token) => token.text.into(),
                Lexeme::Open(_) => "{".into(),
                Lexeme::Close(_) => "}".into(),
                Lexeme::Newline => "\n".into(),
            });
        }
        // The last line ends even where no newline is.
        assert_eq!(out.pop().as_deref(), Some("\n"));
        out
    }

    #[test]
    fn comments_begin_anywhere_outside_quotes() {
        assert_eq!(
            pieces("a #b {\n!c\nd#e\nf!g"),
            ["a", "\n", "\n", "d", "\n", "f"]
        );
        assert_eq!(pieces(r#"a "b # c ! d" e"#), ["a", "b # c ! d", "e"]);
        assert_eq!(pieces(r"a\#b \!c \d"), ["a#b", "!c", r"\d"]);
    }

    #[test]
    fn braces_stand_for_themselves_except_in_quotes() {
        assert_eq!(pieces("a{b}c"), ["a", "{", "b", "}", "c"]);
        assert_eq!(pieces("a \"{\" }"), ["a", "{", "}"]);
    }

    #[test]
    fn a_quote_in_mid_word_begins_a_token() {
        assert_eq!(pieces("ab\"c d\"ef"), ["ab", "c d", "ef"]);
    }

    #[test]
    fn places_count_characters_and_lines() {
        let mut sink = Sink::new("test");
        let text = "\u{feff}# 主\r\n\t主 b";
        let reading = Reading::default();
        let source = Source::from_bytes("test", text.as_bytes());
        let mut lexer = Lexer::new(source, &reading, &mut sink);
        assert_eq!(lexer.next(&mut sink), Some(Lexeme::Newline));
        let Some(Lexeme::Word(first)) = lexer.next(&mut sink) else {
            panic!("a word");
        };
        let Some(Lexeme::Word(second)) = lexer.next(&mut sink) else {
            panic!("a word");
        };
        assert_eq!((first.span.line, first.span.column), (2, 2));
        assert_eq!((second.span.line, second.span.column), (2, 4));
        assert_eq!(&*second.text, "b");
        assert_eq!(lexer.next(&mut sink), Some(Lexeme::Newline));
        assert_eq!(lexer.next(&mut sink), None);
    }

    #[test]
    fn foreign_bytes_matter_only_outside_comments() {
        let mut sink = Sink::new("test");
        let bytes = b"# caf\xe9\nname caf\xe9 x";
        let reading = Reading::default();
        let source = Source::from_bytes("test", bytes);
        let mut lexer = Lexer::new(source, &reading, &mut sink);
        let mut broken = Vec::new();
        while let Some(lexeme) = lexer.next(&mut sink) {
            if let Lexeme::Word(token) = lexeme {
                broken.push(token.broken);
            }
        }
        assert_eq!(broken, [false, true, false]);
        let problems = sink.finish();
        assert_eq!(problems.len(), 1);
        assert_eq!(
            problems[0].headline(),
            "test:2:6: error: this word is not UTF-8"
        );
    }
}
