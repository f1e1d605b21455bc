//! `$NAME=…`, its use, and the names that are built in.

use std::rc::Rc;

use super::super::diag::{Finding, Sink, nearest, quoted};
use super::super::source::{Span, offset};
use super::line::{Cursor, Line, is_blank};
use super::repeat::is_name;
use super::{Expander, Input, Used, shown};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Definition {
    /// Text from a file, by lines; the number tells it from all others.
    Text { number: u32, lines: Rc<[Rc<Line>]> },
    /// A value that stands nowhere.
    Value(Rc<str>),
}

/// The name in `$NAME` or `${NAME}`, its arguments (`${_ENV HOME}`), and how
/// many bytes all of it has.
struct Use<'a> {
    name: &'a str,
    arguments: &'a str,
    braced: bool,
    length: usize,
}

/// What a `$` begins, if it can be the use of a name.
fn used(text: &str) -> Option<Use<'_>> {
    let after = text.strip_prefix('$')?;
    if let Some(inner) = after.strip_prefix('{') {
        let end = inner.find(['}', '{', '"'])?;
        let inner = inner.get(..end).filter(|_| inner[end..].starts_with('}'))?;
        let (name, arguments) = inner.split_once(is_blank).unwrap_or((inner, ""));
        return Some(Use {
            name,
            arguments: arguments.trim_matches(is_blank),
            braced: true,
            length: end + 3,
        });
    }
    let end = after
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(after.len());
    let name = after.get(..end).filter(|name| is_name(name))?;
    Some(Use {
        name,
        arguments: "",
        braced: false,
        length: end + 1,
    })
}

impl Expander<'_> {
    /// The name that is defined here, if a definition begins here.
    pub(in super::super) fn definition_name(&self) -> Option<&str> {
        let one = used(self.ahead()).filter(|one| !one.braced)?;
        let after = self.ahead().get(one.length..)?;
        after.starts_with('=').then_some(one.name)
    }

    /// At a definition: takes it in, with all the lines that belong to it.
    pub(in super::super) fn define(&mut self, sink: &mut Sink) {
        let Some(name) = self.definition_name().map(Box::<str>::from) else {
            return;
        };
        if let (Some(used), Some(at)) = (self.unknown.remove(&name), self.here()) {
            let end = at.start + offset(name.len() + 1);
            sink.add(
                Finding::warning(
                    Span { end, ..at },
                    format!(
                        "{} is defined here, below a use of it",
                        quoted(&format!("${name}"))
                    ),
                )
                .see(used, "there it stays as it is")
                .help("move the definition up"),
            );
        }
        for _ in 0..name.chars().count() + 2 {
            self.bump();
        }
        while self.peek().is_some_and(is_blank) {
            self.bump();
        }
        let mut lines = Vec::new();
        let mut line = self.take_rest();
        loop {
            if self.continued {
                line = line.without_continuation();
            }
            if !line.text().trim_matches(is_blank).is_empty() {
                lines.push(Rc::new(line));
            }
            if !self.continued {
                break;
            }
            match self.next_physical() {
                Some((next, continued)) => (line, self.continued) = (next, continued),
                None => break,
            }
        }
        self.continued = false;
        self.definitions += 1;
        let number = self.definitions;
        let lines = lines.into();
        self.names.insert(name, Definition::Text { number, lines });
    }

    /// At a `$`: replaces the name behind it, if it can be replaced. `alone`
    /// says that a word begins here.
    pub(in super::super) fn try_use(
        &mut self,
        in_quotes: bool,
        alone: bool,
        sink: &mut Sink,
    ) -> Used {
        let Some(one) = used(self.ahead()) else {
            return Used::Literal;
        };
        let Some(at) = self.here() else {
            return Used::Literal;
        };
        let Use {
            name,
            arguments,
            braced,
            length,
        } = one;
        let (name, arguments) = (name.to_string(), arguments.to_string());
        let after = self.ahead().get(length..).and_then(|s| s.chars().next());
        let after = after.or_else(|| self.below(1));
        // A value that stands nowhere is one place, however long.
        let end = at.start + offset(length);
        let at = if at.end - at.start == 1 {
            Span { end, ..at }
        } else {
            at
        };
        let literal = |broken| {
            if braced {
                Used::LiteralBraced(length, broken)
            } else {
                Used::Literal
            }
        };
        let ends = braced || after.is_none_or(|c| is_blank(c) || matches!(c, ',' | ')'));

        if let Some(definition) = self.names.get(&*name).cloned() {
            if !ends {
                self.report_unended(at, &name, after, sink);
                return literal(false);
            }
            return if self.replace(definition, at, &name, length, sink) {
                Used::Replaced
            } else {
                literal(true)
            };
        }
        let value = match self.built_in(&name, &arguments) {
            Some(Ok(value)) => value,
            Some(Err(why)) => {
                sink.add(Finding::warning(at, why).help("it stays as it is"));
                return literal(false);
            }
            None => {
                let alone = alone && ends;
                self.report_unknown(at, &name, braced, in_quotes, alone, sink);
                return literal(true);
            }
        };
        if !ends {
            self.report_unended(at, &name, after, sink);
            return literal(false);
        }
        if self.replace(Definition::Value(value.into()), at, &name, length, sink) {
            Used::Replaced
        } else {
            literal(true)
        }
    }

    /// Puts a definition's text in the place of `length` bytes.
    fn replace(
        &mut self,
        definition: Definition,
        at: Span,
        name: &str,
        length: usize,
        sink: &mut Sink,
    ) -> bool {
        let (cursor, bytes, body) = match definition {
            Definition::Value(value) => {
                let line = Rc::new(Line::value(&value, at));
                (Cursor::new(line), value.len(), None)
            }
            Definition::Text { number, lines } => {
                if !self.may_nest(at, number, name, sink) {
                    return false;
                }
                let more = lines.len() > 1;
                if more && !self.ends_line(length) {
                    sink.add(
                        Finding::error(
                            at,
                            format!(
                                "{} has several lines and is not replaced within a line",
                                shown(name)
                            ),
                        )
                        .help("it must be the last thing on its line"),
                    );
                    return false;
                }
                let first = lines.first().map(Rc::clone).unwrap_or_default();
                let bytes = first.text().len();
                let Some(via) = sink.sources.add_use(at, number) else {
                    return false;
                };
                let body = more.then_some(Input::Body {
                    lines,
                    next: 1,
                    via,
                });
                (Cursor::of_use(first, via), bytes, body)
            }
        };
        let Some(room) = self.room.checked_sub(bytes + 1) else {
            if self.room > 0 {
                self.room = 0;
                sink.add(
                    Finding::error(
                        at,
                        format!(
                            "definitions make this line longer than {} KiB",
                            self.limits().line >> 10
                        ),
                    )
                    .help("the rest of it is left out"),
                );
            }
            self.skip_line();
            return true;
        };
        self.room = room;
        if !self.spend(bytes, at, sink) {
            return true;
        }
        let characters = self.ahead().get(..length).map_or(0, |s| s.chars().count());
        if let Some(inner) = self.cursors.last_mut() {
            for _ in 0..characters {
                inner.bump();
            }
        }
        self.cursors.push(cursor);
        self.inputs.extend(body);
        self.settle();
        true
    }

    /// Whether a definition may be used here: not in itself, and not too deep.
    fn may_nest(&mut self, at: Span, number: u32, name: &str, sink: &mut Sink) -> bool {
        let mut depth = 0;
        let in_itself = sink.sources.uses_of(at).any(|(_, outer)| {
            depth += 1;
            outer == number
        });
        let message = if in_itself {
            format!("{} contains itself", shown(name))
        } else if depth >= self.limits().depth {
            format!("definitions are used within each other deeper than {depth}")
        } else {
            return true;
        };
        sink.add(Finding::error(at, message).help("it is not replaced here"));
        false
    }

    /// Whether nothing but blanks follows on the line after so many bytes.
    fn ends_line(&self, length: usize) -> bool {
        let mut cursors = self.cursors.iter().rev().map(Cursor::rest);
        let first = cursors.next().and_then(|rest| rest.get(length..));
        first
            .into_iter()
            .chain(cursors)
            .all(|rest| rest.trim_start_matches(is_blank).is_empty())
    }

    fn report_unended(&self, at: Span, name: &str, after: Option<char>, sink: &mut Sink) {
        let after = after.map(String::from).unwrap_or_default();
        sink.add(
            Finding::warning(
                at,
                format!(
                    "{} is not replaced, because {} follows",
                    quoted(&format!("${name}")),
                    quoted(&after)
                ),
            )
            .help(format!("write {}", shown(name))),
        );
    }

    fn report_unknown(
        &mut self,
        at: Span,
        name: &str,
        braced: bool,
        in_quotes: bool,
        alone: bool,
        sink: &mut Sink,
    ) {
        let first = self.unknown.len() < MOST_UNKNOWN && !self.unknown.contains_key(name);
        let near = if first {
            self.unknown.insert(name.into(), at);
            self.given |= at.via.is_some();
            let known = self.names.keys().take(MOST_UNKNOWN);
            nearest(name, known.map(|known| &**known))
        } else {
            None
        };
        let message = format!(
            "{} is not defined",
            if braced {
                shown(name)
            } else {
                quoted(&format!("${name}"))
            }
        );
        // In quotes it is most likely a shell's.
        let finding = match (near, braced, in_quotes) {
            (None, _, true) => return,
            (None, false, _) if !alone || !first => return,
            (_, true, false) => Finding::error(at, message),
            _ => Finding::warning(at, message),
        };
        sink.add(match near {
            Some(near) => finding.help(format!("did you mean `${{{near}}}`? (it stays as it is)")),
            None => finding.help(format!(
                "it stays as it is; define it above with `${name}=…` if it is no literal text"
            )),
        });
    }

    /// The value of a name that is built in.
    fn built_in(&mut self, name: &str, arguments: &str) -> Option<Result<String, String>> {
        Some(Ok(match name {
            "_PWD" => self.directory(),
            "_INSTANCE" => self.reading.id.clone(),
            "_HASH" => "#".into(),
            "_BANG" => "!".into(),
            "_ENV" => {
                return Some((self.reading.environment)(arguments).ok_or_else(|| {
                    format!("there is no {} in the environment", quoted(arguments))
                }));
            }
            "_RANDOM" => {
                let mut bounds = arguments.split(is_blank).filter(|word| !word.is_empty());
                let (from, to) = (bounds.next(), bounds.next());
                let bound = |word: Option<&str>, otherwise: u32| {
                    word.map_or(Some(otherwise), |word| word.parse().ok())
                };
                match (bound(from, 0), bound(to, MOST_RANDOM), bounds.next()) {
                    (Some(from), Some(to), None) => self.draw(from, to).to_string(),
                    _ => {
                        return Some(Err("`${_RANDOM MIN MAX}` takes two decimal numbers".into()));
                    }
                }
            }
            _ => return None,
        }))
    }

    /// A number from one bound to the other, both included.
    fn draw(&mut self, from: u32, to: u32) -> u32 {
        let (from, to) = (from.min(to), from.max(to));
        // SplitMix64: one addition and a mix, good for any seed.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let span = u64::from(to - from) + 1;
        u32::try_from(u64::from(from) + mixed % span).unwrap_or(to)
    }

    /// `random_seed` sets where random numbers begin.
    pub(in super::super) fn seed(&mut self, word: &str) {
        if let Ok(seed) = word.parse() {
            self.random = seed;
        }
    }

    /// Text with all its names replaced, for what is no part of a line.
    pub(super) fn resolve(&mut self, text: &str, left: &mut usize) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let one = used(from);
            // Also ends what contains itself.
            *left = left
                .checked_sub(1)
                .ok_or("there are too many definitions in it")?;
            let value = match &one {
                Some(one) => match self.names.get(one.name).cloned() {
                    Some(Definition::Value(value)) => Some(value.to_string()),
                    Some(Definition::Text { lines, .. }) => {
                        let line = lines.first().map(|line| line.text().to_string());
                        Some(self.resolve(&line.unwrap_or_default(), left)?)
                    }
                    None => self.built_in(one.name, one.arguments).transpose()?,
                },
                None => None,
            };
            let length = match (one, value) {
                (Some(one), Some(value)) => {
                    out.push_str(&value);
                    one.length
                }
                _ => {
                    out.push('$');
                    1
                }
            };
            if out.len() > self.limits().line {
                return Err("definitions make it too long".into());
            }
            rest = from.get(length..).unwrap_or_default();
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// Names that are remembered as used before they were defined, and names that
/// one of them is compared with.
const MOST_UNKNOWN: usize = 1000;
/// The largest random number where no other is asked for.
const MOST_RANDOM: u32 = 32_767;
