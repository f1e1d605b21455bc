//! The words of a line, taken one by one.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::super::diag::{Finding, Sink, nearest, quoted};
use super::super::lex::Token;
use super::super::source::Span;
use super::super::value::device_name;

/// The words that are still to be read, and where findings go.
pub(super) struct Words<'t, 's> {
    rest: &'t [Token],
    pub(super) sink: &'s mut Sink,
    /// Keywords that have stood on the line.
    seen: Vec<&'t Token>,
}

impl<'t, 's> Words<'t, 's> {
    /// `None` where a word cannot be relied on; that has been reported.
    pub(super) fn new(words: &'t [Token], sink: &'s mut Sink) -> Option<Self> {
        if words.iter().any(|word| word.broken) {
            return None;
        }
        Some(Self {
            rest: words,
            sink,
            seen: Vec::new(),
        })
    }

    pub(super) fn next(&mut self) -> Option<&'t Token> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    pub(super) fn peek(&self) -> Option<&'t Token> {
        self.rest.first()
    }

    /// The next word, if it is this one.
    pub(super) fn take(&mut self, word: &str) -> Option<&'t Token> {
        if &*self.peek()?.text == word {
            self.next()
        } else {
            None
        }
    }

    /// What a keyword is followed by.
    pub(super) fn value(&mut self, keyword: &Token) -> Option<&'t Token> {
        let value = self.next();
        if value.is_none() {
            self.error(
                keyword.span,
                format!("{} needs a value", quoted(&keyword.text)),
            );
        }
        value
    }

    /// A whole number behind a keyword.
    pub(super) fn whole(&mut self, keyword: &Token, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.value(keyword)?;
        let number = value
            .text
            .parse()
            .ok()
            .filter(|number| range.contains(number));
        if number.is_none() {
            self.wrong(
                keyword,
                value,
                &format!("a whole number from {} to {}", range.start(), range.end()),
            );
        }
        number
    }

    /// A number of 32 bits behind a keyword.
    pub(super) fn u32(&mut self, keyword: &Token) -> Option<u32> {
        let number = self.whole(keyword, 0..=u32::MAX.into())?;
        u32::try_from(number).ok()
    }

    /// A number of 8 bits behind a keyword.
    pub(super) fn u8(&mut self, keyword: &Token) -> Option<u8> {
        let number = self.whole(keyword, 0..=u8::MAX.into())?;
        u8::try_from(number).ok()
    }

    /// An address behind a keyword.
    pub(super) fn address(&mut self, keyword: &Token) -> Option<IpAddr> {
        let value = self.value(keyword)?;
        let address = value.text.parse().ok();
        if address.is_none() {
            self.wrong(keyword, value, "an address");
        }
        address
    }

    /// The name of an interface behind a keyword.
    pub(super) fn device(&mut self, keyword: &Token) -> Option<Token> {
        let value = self.value(keyword)?;
        self.is_device(value).then(|| value.clone())
    }

    /// Whether an interface could have this name; reported where not.
    pub(super) fn is_device(&mut self, name: &Token) -> bool {
        match device_name(&name.text) {
            Ok(()) => true,
            Err(why) => {
                self.sink.add(
                    Finding::error(
                        name.span,
                        format!("{} is not an interface name: {why}", quoted(&name.text)),
                    )
                    .help("it has 1 to 15 bytes, without `/`, `:` and blanks"),
                );
                false
            }
        }
    }

    /// Says that a value is not what its keyword takes.
    pub(super) fn wrong(&mut self, keyword: &Token, value: &Token, takes: &str) {
        self.error(
            value.span,
            format!(
                "{} takes {takes}, not {}",
                quoted(&keyword.text),
                quoted(&value.text)
            ),
        );
    }

    pub(super) fn error(&mut self, at: Span, message: impl Into<String>) {
        self.sink.add(Finding::error(at, message));
    }

    /// Says that a word is not known here, with the one that may have been meant.
    pub(super) fn unknown(&mut self, word: &Token, place: &str, known: &[&'static str]) {
        let finding = Finding::error(
            word.span,
            format!("unknown word {} {place}", quoted(&word.text)),
        );
        self.sink
            .add(match nearest(&word.text, known.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding,
            });
    }

    /// Says when a keyword stands on its line for the second time.
    pub(super) fn once(&mut self, keyword: &'t Token) -> bool {
        let first = self.seen.iter().find(|seen| seen.text == keyword.text);
        if let Some(first) = first {
            self.sink.add(
                Finding::warning(
                    keyword.span,
                    format!(
                        "{} stands on this line twice; the last one counts",
                        quoted(&keyword.text)
                    ),
                )
                .see(first.span, "first given here"),
            );
            return false;
        }
        self.seen.push(keyword);
        true
    }
}

/// `IP[/PREFIX]`, with the prefix as it is written.
pub(super) fn split_prefix(text: &str) -> (Option<IpAddr>, Option<&str>) {
    match text.split_once('/') {
        Some((host, prefix)) => (host.parse().ok(), Some(prefix)),
        None => (text.parse().ok(), None),
    }
}

/// The longest prefix of the address's family.
pub(super) fn longest_prefix(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}
