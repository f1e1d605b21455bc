//! Lines read and refused, held against what keepalived 2.2.7 does with them.

mod address;
mod check;
mod command;
mod hmac;
mod interface;
mod names;
mod peer;
mod properties;
mod route;
mod rule;
mod track;
mod vmac;

use super::super::diag::{Problem, Sink};
use super::super::lex::{Lexeme, Lexer, Token};
use super::super::reading::Reading;
use super::super::source::{Source, Span};

/// The words of a line, and where findings about them go.
pub(super) fn lexed(text: &str) -> (Vec<Token>, Sink) {
    let mut sink = Sink::new("t");
    let reading = Reading::default();
    let source = Source::from_bytes("t", text.as_bytes());
    let mut lexer = Lexer::new(source, &reading, &mut sink);
    let mut words = Vec::new();
    while let Some(lexeme) = lexer.next(&mut sink) {
        if let Lexeme::Word(token) = lexeme {
            words.push(token);
        }
    }
    (words, sink)
}

/// What a parser makes of a line, and what it says: `severity: message; help`.
pub(super) fn read<T>(
    text: &str,
    parse: impl FnOnce(&[Token], &mut Sink) -> Option<T>,
) -> (Option<T>, Vec<String>) {
    let (words, mut sink) = lexed(text);
    let read = parse(&words, &mut sink);
    let said = sink.finish().iter().map(sentence).collect();
    (read, said)
}

fn sentence(problem: &Problem) -> String {
    let help = problem.help().unwrap_or_default();
    format!("{}: {}; {help}", problem.severity(), problem.message())
}

/// What a parser makes of a line about which there is nothing to say.
pub(super) fn quietly<T>(text: &str, parse: impl FnOnce(&[Token], &mut Sink) -> Option<T>) -> T {
    let (read, said) = read(text, parse);
    assert_eq!(said, [""; 0], "{text}");
    read.unwrap_or_else(|| panic!("{text}: nothing read"))
}

/// What a parser makes of a line about which one thing is said, with these words
/// in it.
#[track_caller]
pub(super) fn saying<T>(
    text: &str,
    what: &[&str],
    parse: impl FnOnce(&[Token], &mut Sink) -> Option<T>,
) -> Option<T> {
    let (read, said) = read(text, parse);
    let [said] = &said[..] else {
        panic!("{text}: {said:?}");
    };
    for what in what {
        assert!(said.contains(what), "{text}: {said}");
    }
    read
}

/// The place of a keyword, for parsers that are given it.
pub(super) fn place(words: &[Token]) -> Span {
    words[0].span
}
