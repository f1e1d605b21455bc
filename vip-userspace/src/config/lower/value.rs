//! The words behind a keyword, read as what the table says they are.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::diag::{Finding, Sink, nearest, quoted};
use super::super::keywords::{InstanceKey, Keyword, Shape, Status};
use super::super::lex::Token;
use super::super::tree::Statement;

/// What a keyword was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value<'t> {
    /// Nothing that counts.
    Nothing,
    /// On or off; on when nothing is said.
    Switch(bool),
    /// A word.
    Word(&'t Token),
    /// One of the words that may stand there.
    Choice(&'static str),
    /// A whole number within its range.
    Whole(u32),
    /// Microseconds within their range.
    Micros(u64),
    /// An address.
    Ipv4(Ipv4Addr),
}

impl<'t> Value<'t> {
    pub(super) fn is_on(self) -> bool {
        !matches!(self, Self::Switch(false))
    }

    pub(super) fn word(self) -> Option<&'t Token> {
        if let Self::Word(token) = self {
            Some(token)
        } else {
            None
        }
    }

    pub(super) fn choice(self) -> Option<&'static str> {
        if let Self::Choice(word) = self {
            Some(word)
        } else {
            None
        }
    }

    pub(super) fn whole(self) -> Option<u32> {
        if let Self::Whole(number) = self {
            Some(number)
        } else {
            None
        }
    }

    pub(super) fn micros(self) -> Option<u64> {
        if let Self::Micros(micros) = self {
            Some(micros)
        } else {
            None
        }
    }

    pub(super) fn ipv4(self) -> Option<Ipv4Addr> {
        if let Self::Ipv4(address) = self {
            Some(address)
        } else {
            None
        }
    }
}

/// Reads a statement's arguments. `None` when they are not what the keyword
/// takes, which has then been reported.
pub(super) fn read<'t>(
    keyword: &Keyword,
    statement: &'t Statement,
    sink: &mut Sink,
) -> Option<Value<'t>> {
    let arguments = statement.arguments();
    let takes = match keyword.shape {
        Shape::Any | Shape::Block(_) | Shape::Named(_) => return Some(Value::Nothing),
        Shape::Flag => 0,
        Shape::Switch
        | Shape::Word
        | Shape::Choice(_)
        | Shape::Whole(..)
        | Shape::Seconds(..)
        | Shape::Ipv4 => 1,
    };
    if let (Some(extra), Some(last)) = (arguments.get(takes), arguments.last()) {
        sink.add(
            Finding::warning(
                extra.span.to(last.span),
                format!(
                    "`{}` takes no more than {takes} {}",
                    keyword.name,
                    words(takes)
                ),
            )
            .help("what follows is ignored; each keyword stands on a line of its own"),
        );
    }
    match (arguments.first(), keyword.shape) {
        (_, Shape::Flag) => Some(Value::Nothing),
        (None, Shape::Switch) => Some(Value::Switch(true)),
        (Some(token), _) => one(keyword, token, sink),
        (None, _) => {
            if let Some(span) = statement.span() {
                sink.add(
                    Finding::error(span, format!("`{}` needs a value", keyword.name))
                        .help(format!("it takes {}", describe(keyword.shape))),
                );
            }
            None
        }
    }
}

/// Reads one argument.
pub(super) fn one<'t>(keyword: &Keyword, token: &'t Token, sink: &mut Sink) -> Option<Value<'t>> {
    let text = &*token.text;
    let value = match keyword.shape {
        Shape::Any | Shape::Flag | Shape::Block(_) | Shape::Named(_) => Some(Value::Nothing),
        Shape::Word => (!text.is_empty()).then_some(Value::Word(token)),
        Shape::Switch => match text {
            "on" | "true" | "yes" => Some(Value::Switch(true)),
            "off" | "false" | "no" => Some(Value::Switch(false)),
            _ => None,
        },
        Shape::Choice(words) => words
            .iter()
            .find(|word| **word == text)
            .copied()
            .map(Value::Choice),
        Shape::Whole(min, max) => text
            .parse()
            .ok()
            .filter(|number| (min..=max).contains(number))
            .map(Value::Whole),
        Shape::Seconds(min, max) => seconds(text).and_then(|(micros, exact)| {
            if !exact {
                sink.add(Finding::warning(
                    token.span,
                    format!(
                        "{} is finer than a microsecond and is rounded",
                        quoted(text)
                    ),
                ));
            }
            (min..=max)
                .contains(&micros)
                .then_some(Value::Micros(micros))
        }),
        Shape::Ipv4 => text.parse().ok().map(Value::Ipv4),
    };
    if value.is_none() {
        let message = format!(
            "`{}` takes {}, not {}",
            keyword.name,
            describe(keyword.shape),
            quoted(text)
        );
        let finding = Finding::error(token.span, message);
        let near = if let Shape::Choice(words) = keyword.shape {
            nearest(text, words.iter().copied())
        } else {
            None
        };
        sink.add(match near {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None if keyword.shape == Shape::Ipv4 && text.parse::<Ipv6Addr>().is_ok() => {
                finding.help("IPv6 is not supported yet")
            }
            None => match otherwise(keyword.status) {
                Some(help) => finding.help(help),
                None => finding,
            },
        });
    }
    value
}

/// What holds instead of a value that was refused.
fn otherwise(status: Status) -> Option<&'static str> {
    match status {
        Status::Instance(InstanceKey::Priority) => {
            Some("it is 100 instead, as in keepalived; nodes may come out equal")
        }
        Status::Instance(InstanceKey::Interface | InstanceKey::VirtualRouterId) => {
            Some("the instance cannot run without it")
        }
        Status::Global(_) | Status::Instance(_) => Some("the line is skipped"),
        Status::Auth(_)
        | Status::Address(_)
        | Status::Opens
        | Status::NoEffect(_)
        | Status::NotDone(_)
        | Status::Decides(_)
        | Status::LoadBalancer => None,
    }
}

/// Decimal seconds in microseconds, and whether nothing was rounded away.
fn seconds(text: &str) -> Option<(u64, bool)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut micros = whole.checked_mul(1_000_000)?;
    let mut unit = 100_000;
    for digit in fraction.bytes().take(6) {
        micros = micros.checked_add(u64::from(digit - b'0') * unit)?;
        unit /= 10;
    }
    let rest = fraction.get(6..).unwrap_or("");
    if rest.as_bytes().first().is_some_and(|&digit| digit >= b'5') {
        micros = micros.checked_add(1)?;
    }
    Some((micros, rest.bytes().all(|digit| digit == b'0')))
}

/// What a shape takes, to stand behind "it takes".
fn describe(shape: Shape) -> String {
    match shape {
        Shape::Any => "words".into(),
        Shape::Flag => "nothing".into(),
        Shape::Switch => "`on` or `off`".into(),
        Shape::Word => "a word".into(),
        Shape::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(" or ")
        }
        Shape::Whole(min, u32::MAX) => format!("a whole number from {min}"),
        Shape::Whole(min, max) => format!("a whole number from {min} to {max}"),
        Shape::Seconds(min, max) => {
            format!("seconds from {} to {}", decimal(min), decimal(max))
        }
        Shape::Ipv4 => "an IPv4 address".into(),
        Shape::Block(_) | Shape::Named(_) => "a block in braces".into(),
    }
}

/// Microseconds as seconds, without needless zeros.
pub(super) fn decimal(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn words(count: usize) -> &'static str {
    if count == 1 { "word" } else { "words" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_without_floats() {
        assert_eq!(seconds("1"), Some((1_000_000, true)));
        assert_eq!(seconds("0.01"), Some((10_000, true)));
        assert_eq!(seconds(".5"), Some((500_000, true)));
        assert_eq!(seconds("2."), Some((2_000_000, true)));
        assert_eq!(seconds("0.1234565"), Some((123_457, false)));
        assert_eq!(seconds("0.1234560"), Some((123_456, true)));
        for bad in ["", ".", "-1", "1e3", "1s", "1.2.3", "99999999999999999999"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn seconds_are_written_as_people_write_them() {
        assert_eq!(decimal(10_000), "0.01");
        assert_eq!(decimal(255_000_000), "255");
        assert_eq!(decimal(100_000_000), "100");
    }
}
