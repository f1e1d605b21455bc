//! Text to words and braces.
//!
//! keepalived's rules: `#` and `!` begin a comment anywhere outside double
//! quotes, `\#` and `\!` are the characters themselves; a double quote begins a
//! token of its own, which ends at the next one; braces outside quotes stand for
//! themselves and end a line.
//!
//! Four constructs are taken as one word to the end of what belongs to them,
//! braces included, although nothing expands them yet: `${NAME}`,
//! `~SEQ(…)`/`~LST(…)`, `$NAME=…` with its continuation lines, and the
//! pattern of an `include`.

use std::sync::Arc;

use super::diag::{Finding, Sink};
use super::source::{FileId, Source, Span, offset};

/// A word and where it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// The word, without quotes and with `\#` resolved.
    pub text: Box<str>,
    /// Where it stands, quotes included.
    pub span: Span,
    /// Whether it cannot be relied on: not UTF-8, a NUL, an open quote. It has
    /// been reported.
    pub broken: bool,
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

/// Reads one file.
pub(super) struct Lexer<'s> {
    source: Arc<Source>,
    file: FileId,
    sink: &'s mut Sink,
    at: usize,
    line: u32,
    column: u32,
    /// Words on this line so far, `@id` prefixes not counted.
    words: usize,
    /// The line begins with an `include`.
    include: bool,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(source: Source, sink: &'s mut Sink) -> Self {
        let (file, source) = sink.sources.add(source);
        Self {
            source,
            file,
            sink,
            at: 0,
            line: 1,
            column: 1,
            words: 0,
            include: false,
        }
    }

    /// For what is found wrong with the order of words and braces.
    pub(super) fn report(&mut self, finding: Finding) {
        self.sink.add(finding);
    }

    /// The next piece; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Option<Lexeme> {
        loop {
            let start = self.here();
            match self.peek()? {
                '\n' => {
                    self.bump();
                    self.words = 0;
                    self.include = false;
                    return Some(Lexeme::Newline);
                }
                c if c.is_ascii_whitespace() || c == '\u{b}' => self.bump(),
                '#' | '!' => self.skip_comment(),
                '{' => {
                    self.bump();
                    self.words = 0;
                    return Some(Lexeme::Open(self.since(start)));
                }
                '}' => {
                    self.bump();
                    self.words = 0;
                    return Some(Lexeme::Close(self.since(start)));
                }
                '"' => return Some(Lexeme::Word(self.quoted(start))),
                _ => return Some(Lexeme::Word(self.word(start))),
            }
        }
    }

    fn word(&mut self, start: Span) -> Token {
        let mut text = String::new();
        if self.words == 0 && self.is_definition() {
            self.definition(&mut text);
        } else if self.include && self.words == 1 {
            self.take_until(&mut text, |c| matches!(c, '\n' | '#' | '!'));
            text.truncate(text.trim_end().len());
        } else {
            self.plain(&mut text);
        }
        if !(self.words == 0 && text.starts_with('@')) {
            self.words += 1;
            if self.words == 1 {
                self.include = is_include(&text);
            }
        }
        self.token(text, start, false)
    }

    /// Up to a blank, quote, comment or brace that is not part of an expansion.
    fn plain(&mut self, text: &mut String) {
        while let Some(c) = self.peek() {
            match c {
                '\\' if matches!(self.peek_second(), Some('#' | '!')) => {
                    self.bump();
                    self.take(text);
                }
                '{' if text.ends_with('$') => {
                    self.take_until(text, |c| matches!(c, '}' | '\n'));
                    if self.peek() == Some('}') {
                        self.take(text);
                    }
                }
                '(' if text == "~SEQ" || text == "~SEQx" || text == "~LST" => {
                    self.take_until(text, |c| matches!(c, ')' | '\n'));
                    if self.peek() == Some(')') {
                        self.take(text);
                    }
                }
                '#' | '!' | '"' | '{' | '}' => break,
                c if c.is_ascii_whitespace() || c == '\u{b}' => break,
                _ => self.take(text),
            }
        }
    }

    fn quoted(&mut self, start: Span) -> Token {
        let mut text = String::new();
        self.bump();
        self.take_until(&mut text, |c| matches!(c, '"' | '\n'));
        self.words += 1;
        let closed = self.peek() == Some('"');
        if closed {
            self.bump();
        } else {
            let span = self.since(start);
            self.report(
                Finding::error(span, "this quote is not closed on its line")
                    .help("end the text with a second `\"`"),
            );
        }
        self.token(text, start, !closed)
    }

    /// Whether `$NAME=` begins here.
    fn is_definition(&self) -> bool {
        let Some(rest) = self.rest().strip_prefix('$') else {
            return false;
        };
        let name = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        name > 0 && rest[name..].starts_with('=')
    }

    /// A definition with all its lines: one that ends in `\` goes on.
    fn definition(&mut self, text: &mut String) {
        loop {
            self.take_until(text, |c| matches!(c, '\n' | '#' | '!'));
            if self.peek() != Some('\n') {
                self.skip_comment();
            }
            if !text.trim_end().ends_with('\\') || self.peek().is_none() {
                return;
            }
            self.take(text);
        }
    }

    fn token(&mut self, text: String, start: Span, broken: bool) -> Token {
        let end = self.at;
        let span = self.since(start);
        let begin = usize::try_from(start.start).unwrap_or(end);
        let foreign = self.source.is_broken(begin, end);
        let nul = text.contains('\0');
        if foreign {
            self.report(
                Finding::error(span, "this word is not UTF-8")
                    .help("save the file as UTF-8; only comments may be in another encoding"),
            );
        } else if nul {
            self.report(
                Finding::error(span, "this word contains a NUL byte")
                    .help("the file is damaged, or not text"),
            );
        }
        Token {
            text: text.into_boxed_str(),
            span,
            broken: broken || foreign || nul,
        }
    }

    fn skip_comment(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            self.bump();
        }
    }

    fn take_until(&mut self, text: &mut String, stop: impl Fn(char) -> bool) {
        while self.peek().is_some_and(|c| !stop(c)) {
            self.take(text);
        }
    }

    fn take(&mut self, text: &mut String) {
        text.extend(self.peek());
        self.bump();
    }

    fn rest(&self) -> &str {
        self.source.text().get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn peek_second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    fn bump(&mut self) {
        let Some(c) = self.peek() else { return };
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
    }

    fn here(&self) -> Span {
        Span {
            file: self.file,
            line: self.line,
            column: self.column,
            start: offset(self.at),
            end: offset(self.at),
        }
    }

    fn since(&self, start: Span) -> Span {
        Span {
            end: offset(self.at),
            ..start
        }
    }
}

/// `include` and its strict variants (`includer`, `includem`, `includew`,
/// `includeb`, `includea`).
pub(super) fn is_include(word: &str) -> bool {
    word.strip_prefix("include")
        .is_some_and(|variant| matches!(variant, "" | "r" | "m" | "w" | "b" | "a"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One piece a word, for comparing.
    fn pieces(text: &str) -> Vec<String> {
        let mut sink = Sink::new("test");
        let mut lexer = Lexer::new(Source::from_bytes("test", text.as_bytes()), &mut sink);
        let mut out = Vec::new();
        while let Some(lexeme) = lexer.next() {
            out.push(match lexeme {
                Lexeme::Word(token) => token.text.into(),
                Lexeme::Open(_) => "{".into(),
                Lexeme::Close(_) => "}".into(),
                Lexeme::Newline => "\n".into(),
            });
        }
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
    fn what_expands_stays_one_word() {
        assert_eq!(pieces("a ${_ENV HOME}b }"), ["a", "${_ENV HOME}b", "}"]);
        assert_eq!(
            pieces("~LST({a,b},{1,2}) x {"),
            ["~LST({a,b},{1,2})", "x", "{"]
        );
        assert_eq!(
            pieces("$A=1 { \\\n 2 }\nb $A"),
            ["$A=1 { \\\n 2 }", "\n", "b", "$A"]
        );
        assert_eq!(pieces("@h $A={\nb"), ["@h", "$A={", "\n", "b"]);
        assert_eq!(
            pieces("include /etc/{a,b}.conf # c\nd"),
            ["include", "/etc/{a,b}.conf", "\n", "d"]
        );
    }

    #[test]
    fn places_count_characters_and_lines() {
        let mut sink = Sink::new("test");
        let text = "\u{feff}# 主\r\n\t主 b";
        let mut lexer = Lexer::new(Source::from_bytes("test", text.as_bytes()), &mut sink);
        assert_eq!(lexer.next(), Some(Lexeme::Newline));
        let Some(Lexeme::Word(first)) = lexer.next() else {
            panic!("a word");
        };
        let Some(Lexeme::Word(second)) = lexer.next() else {
            panic!("a word");
        };
        assert_eq!((first.span.line, first.span.column), (2, 2));
        assert_eq!((second.span.line, second.span.column), (2, 4));
        assert_eq!(&*second.text, "b");
        assert_eq!(lexer.next(), None);
    }

    #[test]
    fn foreign_bytes_matter_only_outside_comments() {
        let mut sink = Sink::new("test");
        let bytes = b"# caf\xe9\nname caf\xe9 x";
        let mut lexer = Lexer::new(Source::from_bytes("test", bytes), &mut sink);
        let mut broken = Vec::new();
        while let Some(lexeme) = lexer.next() {
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
