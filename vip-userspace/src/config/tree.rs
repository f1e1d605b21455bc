//! Words and braces to statements: generic, no keyword is known here.

use super::diag::Finding;
use super::diag::Sink;
use super::lex::{Lexeme, Lexer, Token};
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

    /// The words after the first.
    pub(super) fn arguments(&self) -> &[Token] {
        self.words.get(1..).unwrap_or_default()
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
/// Words beyond which nothing is read: some thirty thousand instances.
const MOST_WORDS: usize = 1_000_000;

/// A block that is still open, and what it hangs on; no words for one that has none.
struct Open {
    words: Box<[Token]>,
    brace: Span,
    statements: Vec<Statement>,
}

/// Reads a file into statements. What is wrong with quotes and braces is
/// reported and read as it was most likely meant: a brace that closes nothing
/// is left out, one that is never closed closes at the end of the file, a block
/// without a name is left out with what is in it.
pub(super) fn parse(source: Source, sink: &mut Sink) -> Vec<Statement> {
    let mut lexer = Lexer::new(source, sink);
    let mut top = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut pending: Vec<Token> = Vec::new();
    let mut line_ended = false;
    let mut count = 0;

    while let Some(lexeme) = lexer.next() {
        match lexeme {
            Lexeme::Newline => line_ended = true,
            Lexeme::Word(token) => {
                count += 1;
                if count > MOST_WORDS {
                    lexer.report(
                        Finding::error(
                            token.span,
                            format!("the file has more than {MOST_WORDS} words"),
                        )
                        .help("what follows is not read"),
                    );
                    break;
                }
                if line_ended {
                    flush(&mut pending, &mut open, &mut top);
                }
                line_ended = false;
                pending.push(token);
            }
            Lexeme::Open(brace) => {
                if open.len() == DEEPEST {
                    lexer.report(Finding::error(
                        brace,
                        format!("blocks are nested deeper than {DEEPEST}; this one is skipped"),
                    ));
                    skip_block(&mut lexer);
                    pending.clear();
                    continue;
                }
                if pending.is_empty() {
                    lexer.report(
                        Finding::error(brace, "this block has no name; it is skipped")
                            .help("write the keyword before the brace, or remove the block"),
                    );
                }
                open.push(Open {
                    words: std::mem::take(&mut pending).into_boxed_slice(),
                    brace,
                    statements: Vec::new(),
                });
            }
            Lexeme::Close(brace) => {
                flush(&mut pending, &mut open, &mut top);
                match open.pop() {
                    Some(block) => close(block, &mut open, &mut top),
                    None => lexer.report(
                        Finding::error(brace, "this brace closes nothing")
                            .help("remove it, or look for a missing `{` above"),
                    ),
                }
            }
        }
    }
    flush(&mut pending, &mut open, &mut top);
    while let Some(block) = open.pop() {
        lexer.report(
            Finding::error(block.brace, "this brace is never closed")
                .help("add a `}` where the block ends"),
        );
        close(block, &mut open, &mut top);
    }
    top
}

/// Ends the line that is being read.
fn flush(pending: &mut Vec<Token>, open: &mut [Open], top: &mut Vec<Statement>) {
    if !pending.is_empty() {
        let words = std::mem::take(pending).into_boxed_slice();
        let statement = Statement { words, block: None };
        match open.last_mut() {
            Some(block) => block.statements.push(statement),
            None => top.push(statement),
        }
    }
}

/// Hangs a block that has ended into the one around it.
fn close(block: Open, open: &mut [Open], top: &mut Vec<Statement>) {
    let Open {
        words,
        brace,
        statements,
    } = block;
    if words.is_empty() {
        return;
    }
    let statement = Statement {
        words,
        block: Some(Body {
            open: brace,
            statements,
        }),
    };
    match open.last_mut() {
        Some(around) => around.statements.push(statement),
        None => top.push(statement),
    }
}

/// Reads on to the brace that closes the block just opened.
fn skip_block(lexer: &mut Lexer<'_>) {
    let mut depth = 1usize;
    while depth > 0 {
        match lexer.next() {
            Some(Lexeme::Open(_)) => depth += 1,
            Some(Lexeme::Close(_)) => depth -= 1,
            Some(Lexeme::Word(_) | Lexeme::Newline) => {}
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statements in brackets, for comparing, and the problems' headlines.
    fn read(text: &str) -> (String, Vec<String>) {
        let mut sink = Sink::new("t");
        let tree = parse(Source::from_bytes("t", text.as_bytes()), &mut sink);
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
        let (_, problems) = read(&"a ".repeat(MOST_WORDS + 1));
        assert_eq!(
            problems,
            ["t:1:2000001: error: the file has more than 1000000 words"]
        );
    }
}
