//! Words and braces to statements: generic, no keyword is known here.

use std::collections::VecDeque;

use super::diag::{Finding, Sink};
use super::lex::{Lexeme, Lexer, Token};
use super::reading::Reading;
use super::source::{Source, Span};

/// The words of one line and the block that belongs to them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// At least one.
    pub words: Box<[Token]>,
    /// What stands in braces behind them, on the same or a following line.
    pub block: Option<Body>,
}

/// What stands between two braces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body {
    /// The opening brace.
    pub open: Span,
    /// The lines.
    pub statements: Vec<Statement>,
}

impl Statement {
    /// The first word.
    pub(super) fn head(&self) -> Option<&Token> {
        self.words.first()
    }

    /// All its words, as far as they stand on one line.
    pub(super) fn span(&self) -> Option<Span> {
        let (first, last) = (self.words.first()?, self.words.last()?);
        Some(first.span.to(last.span))
    }
}

/// Blocks within blocks beyond which nothing is read; the language itself
/// needs four.
const DEEPEST: usize = 16;

/// A block that is still open, and what it hangs on; no words for one that has none.
struct Open {
    words: Box<[Token]>,
    brace: Span,
    statements: Vec<Statement>,
}

/// The statements outside all blocks, one after the other, so that only one of
/// them has to be kept.
///
/// What is wrong with quotes and braces is reported and read as it was most
/// likely meant: a brace that closes nothing is left out, one that is never closed
/// closes at the end of the file, a block without a name is left out with what is
/// in it.
pub(super) struct Statements<'r> {
    lexer: Lexer<'r>,
    ready: VecDeque<Statement>,
    open: Vec<Open>,
    /// The words of the line that is being read.
    pending: Vec<Token>,
    line_ended: bool,
    /// Words so far: in all, and in the block outside all others.
    words: usize,
    block_words: usize,
}

impl<'r> Statements<'r> {
    /// Begins with a file.
    pub(super) fn new(source: Source, reading: &'r Reading<'r>, sink: &mut Sink) -> Self {
        Self {
            lexer: Lexer::new(source, reading, sink),
            ready: VecDeque::new(),
            open: Vec::new(),
            pending: Vec::new(),
            line_ended: false,
            words: 0,
            block_words: 0,
        }
    }

    /// The next one.
    pub(super) fn next(&mut self, sink: &mut Sink) -> Option<Statement> {
        loop {
            if let Some(statement) = self.ready.pop_front() {
                return Some(statement);
            }
            let Some(lexeme) = self.lexer.next(sink) else {
                self.end(sink);
                return self.ready.pop_front();
            };
            match lexeme {
                Lexeme::Newline => self.line_ended = true,
                Lexeme::Word(token) => self.word(token, sink),
                Lexeme::Open(brace) => self.open(brace, sink),
                Lexeme::Close(brace) => {
                    self.flush();
                    match self.open.pop() {
                        Some(block) => self.close(block),
                        None => sink.add(
                            Finding::error(brace, "this brace closes nothing")
                                .help("remove it, or look for a missing `{` above"),
                        ),
                    }
                }
            }
        }
    }

    fn word(&mut self, token: Token, sink: &mut Sink) {
        if self.line_ended {
            self.flush();
        }
        self.line_ended = false;
        if self.open.is_empty() && self.pending.is_empty() {
            self.block_words = 0;
        }
        self.words += 1;
        self.block_words += 1;
        let (words, block) = (self.lexer.limits().words, self.lexer.limits().block);
        let beyond = if self.words > words {
            Some(format!("there are more than {words} words"))
        } else if self.block_words > block {
            Some(format!("there are more than {block} words in one block"))
        } else {
            None
        };
        if let Some(message) = beyond {
            sink.add(Finding::error(token.span, message).help("what follows is not read"));
            self.lexer.stop();
            return;
        }
        self.pending.push(token);
    }

    fn open(&mut self, brace: Span, sink: &mut Sink) {
        if self.open.len() == DEEPEST {
            sink.add(Finding::error(
                brace,
                format!("blocks are nested deeper than {DEEPEST}; this one is skipped"),
            ));
            self.skip_block(sink);
            self.pending.clear();
            return;
        }
        if self.pending.is_empty() {
            sink.add(
                Finding::error(brace, "this block has no name; it is skipped")
                    .help("write the keyword before the brace, or remove the block"),
            );
        }
        self.open.push(Open {
            words: std::mem::take(&mut self.pending).into_boxed_slice(),
            brace,
            statements: Vec::new(),
        });
    }

    /// Ends the line that is being read.
    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let words = std::mem::take(&mut self.pending).into_boxed_slice();
            self.add(Statement { words, block: None });
        }
    }

    fn add(&mut self, statement: Statement) {
        match self.open.last_mut() {
            Some(block) => block.statements.push(statement),
            None => self.ready.push_back(statement),
        }
    }

    /// Hangs a block that has ended into the one around it.
    fn close(&mut self, block: Open) {
        let Open {
            words,
            brace,
            statements,
        } = block;
        if words.is_empty() {
            return;
        }
        self.add(Statement {
            words,
            block: Some(Body {
                open: brace,
                statements,
            }),
        });
    }

    /// At the end of everything.
    fn end(&mut self, sink: &mut Sink) {
        self.flush();
        while let Some(block) = self.open.pop() {
            sink.add(
                Finding::error(block.brace, "this brace is never closed")
                    .help("add a `}` where the block ends"),
            );
            self.close(block);
        }
    }

    /// Reads on to the brace that closes the block just opened.
    fn skip_block(&mut self, sink: &mut Sink) {
        let mut depth = 1usize;
        while depth > 0 {
            match self.lexer.next(sink) {
                Some(Lexeme::Open(_)) => depth += 1,
                Some(Lexeme::Close(_)) => depth -= 1,
                Some(Lexeme::Word(_) | Lexeme::Newline) => {}
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reading::Limits;
    use super::*;

    /// Statements in brackets, for comparing, and the problems' headlines.
    fn read(text: &str) -> (String, Vec<String>) {
        let mut sink = Sink::new("t");
        let reading = Reading::default();
        let source = Source::from_bytes("t", text.as_bytes());
        let mut statements = Statements::new(source, &reading, &mut sink);
        let mut tree = Vec::new();
        while let Some(statement) = statements.next(&mut sink) {
            tree.push(statement);
        }
        let problems = sink.finish().iter().map(|p| p.headline()).collect();
        (show(&tree), problems)
    }

    fn show(statements: &[Statement]) -> String {
        let lines: Vec<String> = statements
            .iter()
            .map(|statement| {
                let words: Vec<&str> = statement.words.iter().map(|w| &*w.text).collect();
                match &statement.block {
                    Some(body) => format!("{}[{}]", words.join(" "), show(&body.statements)),
                    None => words.join(" "),
                }
            })
            .collect();
        lines.join("; ")
    }

    fn fine(text: &str) -> String {
        let (shown, problems) = read(text);
        assert_eq!(problems, [""; 0]);
        shown
    }

    #[test]
    fn braces_may_stand_anywhere() {
        let expected = "a x[b 1; c[d]]; e";
        assert_eq!(fine("a x {\n b 1\n c {\n d\n }\n}\ne"), expected);
        assert_eq!(fine("a x\n\n{ b 1\n c { d } } e"), expected);
        assert_eq!(fine("a x{b 1\nc{d}}e"), expected);
        assert_eq!(fine("a x # {\n{ b 1 ! }\nc\n{d\n}\n}\ne"), expected);
    }

    #[test]
    fn unbalanced_braces_have_a_place() {
        assert_eq!(
            read("a {\n b {\n c\n}\n"),
            (
                "a[b[c]]".into(),
                vec!["t:1:3: error: this brace is never closed".into()]
            )
        );
        assert_eq!(
            read("a }\nb"),
            (
                "a; b".into(),
                vec!["t:1:3: error: this brace closes nothing".into()]
            )
        );
        assert_eq!(
            read("{ a\n}\nb"),
            (
                "b".into(),
                vec!["t:1:1: error: this block has no name; it is skipped".into()]
            )
        );
    }

    #[test]
    fn nesting_is_bounded_and_reading_goes_on_behind_it() {
        let deep = 100_000;
        let text = format!("{}{}\nend", "a {".repeat(deep), "}".repeat(deep));
        let (shown, problems) = read(&text);
        assert!(shown.ends_with("; end"), "{shown}");
        assert_eq!(
            problems,
            ["t:1:51: error: blocks are nested deeper than 16; this one is skipped"]
        );
    }

    #[test]
    fn words_are_bounded() {
        let most = Limits::default().block;
        let (_, problems) = read(&format!("a {{\n{}", "a\n".repeat(most + 1)));
        assert_eq!(
            problems,
            [
                "t:1:3: error: this brace is never closed".to_string(),
                format!(
                    "t:{}:1: error: there are more than {most} words in one block",
                    most + 1
                ),
            ]
        );
    }
}
