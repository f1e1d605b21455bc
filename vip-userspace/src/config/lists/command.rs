//! Commands: the program that is run, its arguments, and who runs it.
//!
//! keepalived cuts such a line twice. First into words as a shell would, with
//! quotes of both kinds, pieces put together and escapes; the first word is the
//! command. This is cut again in the same way, into the program and its
//! arguments. No shell is run, so nothing else that a shell knows has a meaning.
//! Only a `script` that is nothing but `</path` goes to one.

use super::super::diag::{Finding, Sink, quoted};
use super::super::lex::Token;
use super::super::source::Span;

/// A command and who runs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// The program and its arguments; at least the program.
    pub argv: Vec<String>,
    /// Who runs it, where the line says so; `script_user` else.
    pub user: Option<User>,
    /// The command's words, as far as they stand on one line.
    pub span: Span,
}

/// A named pipe and whom it belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fifo {
    /// Its path.
    pub path: String,
    /// Whom it belongs to, where the line says so.
    pub user: Option<User>,
    /// Its words, as far as they stand on one line.
    pub span: Span,
}

/// A user and a group, by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// The user.
    pub name: String,
    /// The group; the user's own one where none is given.
    pub group: Option<String>,
    /// Where they stand.
    pub span: Span,
}

/// Characters that end a word.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0xb | 0xc)
}

/// Reads the words behind a keyword that takes a command and then may take a
/// user and a group (`notify_master`, `startup_script`, …).
pub(in super::super) fn parse(words: &[Token], at: Span, sink: &mut Sink) -> Option<Command> {
    let line = Line::new(words, "a command", at, sink)?;
    let (argv, span) = line.command(sink)?;
    let user = line.user(1, true, sink).ok()?;
    Some(Command { argv, user, span })
}

/// Reads the words behind a keyword that takes a command and nothing else
/// (`script` in `vrrp_script`).
pub(in super::super) fn parse_bare(words: &[Token], at: Span, sink: &mut Sink) -> Option<Command> {
    let line = Line::new(words, "a command", at, sink)?;
    let (argv, span) = match line.redirection(sink) {
        Some(argv) => (argv, line.place(0, 1)),
        None => line.command(sink)?,
    };
    if let Some(extra) = line.words.get(1) {
        sink.add(
            Finding::warning(
                at,
                format!(
                    "only {} is run: {} and what follows is not part of the command",
                    quoted(&argv.join(" ")),
                    quoted(&lossy(extra))
                ),
            )
            .help("put the command and its arguments in one pair of quotes: \"/bin/check arg\""),
        );
    }
    Some(Command {
        argv,
        user: None,
        span,
    })
}

/// Reads the words behind `process`: its name, and its parameters if they matter.
pub(in super::super) fn parse_process(
    words: &[Token],
    at: Span,
    sink: &mut Sink,
) -> Option<Command> {
    let line = Line::new(words, "the name of a process", at, sink)?;
    let argv: Vec<String> = line.words.iter().map(|word| lossy(word)).collect();
    if argv.first().is_none_or(String::is_empty) {
        sink.add(Finding::error(line.span, "this name is empty"));
        return None;
    }
    Some(Command {
        argv,
        user: None,
        span: line.span,
    })
}

/// Reads the words behind `notify_fifo`: `PATH [USER [GROUP]]`.
pub(in super::super) fn parse_fifo(words: &[Token], at: Span, sink: &mut Sink) -> Option<Fifo> {
    let line = Line::new(words, "the path of a pipe", at, sink)?;
    let path = lossy(line.words.first().map(Vec::as_slice).unwrap_or_default());
    if !path.starts_with('/') {
        sink.add(
            Finding::error(
                line.span,
                format!(
                    "the path of a pipe begins with `/`, not as {}",
                    quoted(&path)
                ),
            )
            .help("write it as /run/vip.fifo"),
        );
        return None;
    }
    let user = line.user(1, true, sink).ok()?;
    Some(Fifo {
        path,
        user,
        span: line.span,
    })
}

/// Reads the words behind `user` or `script_user`: `USER [[:]GROUP]`.
pub(in super::super) fn parse_user(words: &[Token], at: Span, sink: &mut Sink) -> Option<User> {
    Line::new(words, "a user", at, sink)?
        .user(0, false, sink)
        .ok()?
}

/// What stands for a user cannot be one; it has been reported.
struct Refused;

/// A line cut for the first time.
struct Line<'t> {
    words: Vec<Vec<u8>>,
    tokens: &'t [Token],
    span: Span,
}

impl<'t> Line<'t> {
    /// `takes` is what the keyword at `at` takes.
    fn new(tokens: &'t [Token], takes: &str, at: Span, sink: &mut Sink) -> Option<Self> {
        if tokens.iter().any(|word| word.broken) {
            return None;
        }
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
            sink.add(Finding::error(at, format!("{takes} is missing here")));
            return None;
        };
        let span = first.span.to(last.span);
        match cut(written(tokens).as_bytes()) {
            Ok(words) => Some(Self {
                words,
                tokens,
                span,
            }),
            Err(unfinished) => {
                sink.add(unfinished.finding(span));
                None
            }
        }
    }

    /// Where these words stand: all of the line where it was cut differently
    /// than into its tokens.
    fn place(&self, from: usize, to: usize) -> Span {
        let to = to.min(self.tokens.len()).saturating_sub(1);
        match (self.tokens.get(from), self.tokens.get(to)) {
            (Some(first), Some(last)) if self.words.len() == self.tokens.len() => {
                first.span.to(last.span)
            }
            _ => self.span,
        }
    }

    /// Cuts the first word again.
    fn command(&self, sink: &mut Sink) -> Option<(Vec<String>, Span)> {
        let span = self.place(0, 1);
        let text = self.words.first().map(Vec::as_slice).unwrap_or_default();
        let words = match cut(text) {
            Ok(words) => words,
            Err(unfinished) => {
                sink.add(unfinished.finding(span));
                return None;
            }
        };
        let mut argv = Vec::with_capacity(words.len());
        for word in words {
            match String::from_utf8(word) {
                Ok(word) => argv.push(word),
                Err(word) => {
                    sink.add(
                        Finding::error(
                            span,
                            format!("{} is not UTF-8", quoted(&lossy(word.as_bytes()))),
                        )
                        .help("the command is not run"),
                    );
                    return None;
                }
            }
        }
        if argv.first().is_none_or(String::is_empty) {
            sink.add(
                Finding::error(span, "this command is empty").help("give the path of a program"),
            );
            return None;
        }
        self.is_for_a_shell(span, &argv, sink);
        Some((argv, span))
    }

    /// The one form that keepalived gives to a shell: whether a file can be read.
    fn redirection(&self, sink: &mut Sink) -> Option<Vec<String>> {
        let span = self.place(0, 1);
        let text = std::str::from_utf8(self.words.first()?).ok()?.trim();
        if !text.starts_with("</") {
            return None;
        }
        if text.starts_with("</dev/tcp/") || text.starts_with("</dev/udp/") {
            sink.add(
                Finding::warning(
                    span,
                    format!(
                        "{} works in bash only, and /bin/sh may be another shell",
                        quoted(text)
                    ),
                )
                .help(format!("write \"/bin/bash -c '{text}'\"")),
            );
        }
        Some(["/bin/sh", "-c", text].map(str::to_owned).into())
    }

    /// Says where a command is written as for a shell.
    fn is_for_a_shell(&self, span: Span, argv: &[String], sink: &mut Sink) {
        let Some(program) = argv.first() else {
            return;
        };
        let text = argv.join(" ");
        let finding = |what: String| {
            Finding::warning(span, format!("{what}, since no shell runs this command"))
        };
        if let Some((name, _)) = program.split_once('=')
            && !name.contains('/')
        {
            sink.add(
                finding(format!("{} is taken for the program", quoted(program)))
                    .help(format!("write \"/usr/bin/env {text}\"")),
            );
        } else if program.starts_with('~') {
            sink.add(
                finding(format!("{} is not expanded", quoted(program)))
                    .help("write the whole path"),
            );
        } else if let Some(word) = argv.iter().find(|word| is_shells(word)) {
            let plain = |c: char| !(c.is_whitespace() || matches!(c, '\'' | '"' | '\\'));
            let help = if argv.iter().all(|word| word.chars().all(plain)) {
                format!("write \"/bin/sh -c '{text}'\"")
            } else {
                "put it into a script, or hand it to a shell: \"/bin/sh -c '…'\"".to_owned()
            };
            sink.add(finding(format!("{} is an argument like any other", quoted(word))).help(help));
        }
    }

    /// The user and group that stand at this word and behind it.
    fn user(&self, first: usize, behind: bool, sink: &mut Sink) -> Result<Option<User>, Refused> {
        let mut words = self.words.iter().skip(first);
        let span = self.place(first, first + 2);
        let Some(name) = words.next() else {
            return Ok(None);
        };
        let name = lossy(name);
        let (name, joined) = match name.split_once(':') {
            Some((name, group)) => (name.to_owned(), Some(group.to_owned())),
            None => (name, None),
        };
        let group = match joined {
            Some(group) => Some(group),
            None => words.next().map(|group| {
                let group = lossy(group);
                group.strip_prefix(':').unwrap_or(&group).to_owned()
            }),
        };
        for (what, name) in [("user", Some(&name)), ("group", group.as_ref())] {
            let Some(name) = name.filter(|name| !may_be_account(name)) else {
                continue;
            };
            let finding = Finding::error(
                span,
                format!("{} is not the name of a {what}", quoted(name)),
            );
            sink.add(if behind {
                finding.help(
                    "behind a command stands who runs it; put the command and its arguments in one pair of quotes: \"/bin/check arg\" (it is left out, as in keepalived)",
                )
            } else {
                finding.help("write `USER GROUP`, or `USER`")
            });
            return Err(Refused);
        }
        if let Some(extra) = words.next() {
            sink.add(
                Finding::warning(
                    self.place(first + 2, usize::MAX),
                    format!("{} is ignored", quoted(&lossy(extra))),
                )
                .help("a user and a group end the line"),
            );
        }
        Ok(Some(User { name, group, span }))
    }
}

/// Whether a word has a meaning for a shell only.
fn is_shells(word: &str) -> bool {
    matches!(
        word,
        "|" | "||" | "&" | "&&" | ";" | ">" | ">>" | "<" | "2>" | "2>&1" | "&>"
    ) || [">/", ">>/", "1>/", "2>/", "&>/", "2>&1"]
        .iter()
        .any(|start| word.starts_with(start))
        || (word.ends_with(';') && word.len() > 1)
        || word.contains("$(")
        || (word.starts_with('`') && word.len() > 1)
}

/// Whether an account could have this name.
fn may_be_account(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 256
        && !name.starts_with('-')
        && !name.contains(|c: char| {
            c == '/' || c == ':' || c == ',' || c.is_whitespace() || c.is_control()
        })
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The line with its quotes, which the words have lost, and without blanks where
/// words touch: `\"` ends a word for the language, but not for a command.
fn written(words: &[Token]) -> String {
    let mut out = String::new();
    let mut before: Option<Span> = None;
    for word in words {
        let touches = before.is_some_and(|before| {
            (before.file, before.line, before.end)
                == (word.span.file, word.span.line, word.span.start)
        });
        if before.is_some() && !touches {
            out.push(' ');
        }
        before = Some(word.span);
        let quote = if word.quoted { "\"" } else { "" };
        out.extend([quote, &word.text, quote]);
    }
    out
}

/// What a command is not finished for.
enum Unfinished {
    /// This quote stays open.
    Quote(u8),
    /// It ends in `\`.
    Escape,
}

impl Unfinished {
    fn finding(&self, at: Span) -> Finding {
        match self {
            Self::Quote(quote) => Finding::error(
                at,
                format!("a `{}` in this command is never closed", char::from(*quote)),
            )
            .help("close it; the command is left out, as in keepalived"),
            Self::Escape => Finding::error(at, "this command ends in `\\`")
                .help("remove it; the command is left out, as in keepalived"),
        }
    }
}

/// Cuts text into words as keepalived does: quotes of both kinds group, pieces
/// that touch are put together, `\` escapes everywhere.
fn cut(text: &[u8]) -> Result<Vec<Vec<u8>>, Unfinished> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    // A NUL ends a string, for keepalived; the rest of its word is lost.
    let mut ended = false;
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        let byte = match (*byte, quote) {
            (b'\\', _) => {
                let (byte, after) = escape(rest).ok_or(Unfinished::Escape)?;
                rest = after;
                byte
            }
            (byte, Some(open)) if byte == open => {
                quote = None;
                continue;
            }
            // One that opens where the text ends opens nothing.
            (b'"' | b'\'', None) if rest.is_empty() => {
                word.get_or_insert_default();
                continue;
            }
            (byte @ (b'"' | b'\''), None) => {
                quote = Some(byte);
                word.get_or_insert_default();
                continue;
            }
            (byte, None) if is_blank(byte) => {
                words.extend(word.take());
                ended = false;
                continue;
            }
            (byte, _) => byte,
        };
        let word = word.get_or_insert_default();
        ended |= byte == 0;
        if !ended {
            word.push(byte);
        }
    }
    if let Some(quote) = quote {
        return Err(Unfinished::Quote(quote));
    }
    words.extend(word);
    Ok(words)
}

/// The byte that an escape stands for, and what follows it; `None` where nothing
/// follows the `\`.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (first, rest) = text.split_first()?;
    Some(match first {
        b'a' => (7, rest),
        b'b' => (8, rest),
        b'E' => (0x1b, rest),
        b'f' => (0xc, rest),
        b'n' => (b'\n', rest),
        b'r' => (b'\r', rest),
        b't' => (b'\t', rest),
        b'v' => (0xb, rest),
        b'0'..=b'7' => digits(text, 3, 8),
        b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => digits(rest, usize::MAX, 16),
        b'c' => {
            let (control, rest) = rest.split_first()?;
            (control & 0x1f, rest)
        }
        byte => (*byte, rest),
    })
}

/// The byte that up to `most` digits stand for; what is too large wraps around.
fn digits(text: &[u8], most: usize, radix: u8) -> (u8, &[u8]) {
    let digit = |byte: &u8| {
        let digit = char::from(*byte).to_digit(radix.into())?;
        u8::try_from(digit).ok()
    };
    let count = text
        .iter()
        .take(most)
        .take_while(|byte| digit(byte).is_some())
        .count();
    let (number, rest) = text.split_at(count);
    let byte = number.iter().filter_map(digit).fold(0_u8, |sum, digit| {
        sum.wrapping_mul(radix).wrapping_add(digit)
    });
    (byte, rest)
}
