//! The words behind a keyword, read as what the table says they are.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::diag::{Finding, Sink, nearest, quoted};
use super::forms;
use super::keywords::{InstanceKey, Key, Keyword, Shape, Status};
use super::lex::Token;
use super::lists::{
    AddressLine, Command, Fifo, HmacKey, InitFile, Ipvlan, LinkDelayLine, LinkbeatLine, Names,
    PeerLine, ProbeLine, RouteLine, RuleLine, TrackLine, User, Vmac, Weight, check, command, hmac,
    track, vmac,
};
use super::section::Section;
use super::source::Span;

/// What a keyword was given, typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Nothing that counts.
    Nothing,
    /// Something that is not what the keyword takes; it has been reported.
    Refused,
    /// On or off; on when nothing is said.
    Switch(bool),
    /// A word.
    Word(Token),
    /// Words that are not looked at.
    Words(Box<[Token]>),
    /// One of the words that may stand there.
    Choice(&'static str),
    /// A whole number within its range.
    Whole(i64),
    /// Microseconds within their range.
    Micros(u64),
    /// An address.
    Address(IpAddr),
    /// A block of keywords.
    Section(Box<Section>),
    /// A list of names.
    Names(Box<[Token]>),
    /// A list of addresses.
    Addresses(Box<[AddressLine]>),
    /// A list of what is tracked.
    Tracked(Box<[TrackLine]>),
    /// A list of routes.
    Routes(Box<[RouteLine]>),
    /// A list of rules.
    Rules(Box<[RuleLine]>),
    /// A list of peers.
    Peers(Box<[PeerLine]>),
    /// A list of interfaces and how their link is asked for.
    Linkbeat(Box<[LinkbeatLine]>),
    /// A list of interfaces and how long a change of their link must last.
    LinkDelays(Box<[LinkDelayLine]>),
    /// What a tracker counts.
    Weight(Weight),
    /// A command, and who runs it.
    Command(Box<Command>),
    /// Who runs commands.
    User(Box<User>),
    /// A FIFO, and whose it is.
    Fifo(Box<Fifo>),
    /// What a check asks.
    Probe(Box<ProbeLine>),
    /// What a tracked file begins with.
    InitFile(InitFile),
    /// An interface with a virtual MAC.
    Vmac(Box<Vmac>),
    /// An ipvlan interface.
    Ipvlan(Box<Ipvlan>),
    /// A key that signs adverts.
    HmacKey(Box<HmacKey>),
}

impl Value {
    /// Whether a switch is on; anything else counts as on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !matches!(self, Self::Switch(false) | Self::Refused)
    }

    /// The word.
    #[must_use]
    pub fn word(&self) -> Option<&Token> {
        if let Self::Word(token) = self {
            Some(token)
        } else {
            None
        }
    }

    /// The word as the table spells it.
    #[must_use]
    pub fn choice(&self) -> Option<&'static str> {
        if let Self::Choice(word) = self {
            Some(word)
        } else {
            None
        }
    }

    /// The number, where it fits.
    #[must_use]
    pub fn whole<N: TryFrom<i64>>(&self) -> Option<N> {
        if let Self::Whole(number) = self {
            N::try_from(*number).ok()
        } else {
            None
        }
    }

    /// The time in microseconds.
    #[must_use]
    pub fn micros(&self) -> Option<u64> {
        if let Self::Micros(micros) = self {
            Some(*micros)
        } else {
            None
        }
    }

    /// The time.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.micros().map(Duration::from_micros)
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        if let Self::Address(address) = self {
            Some(*address)
        } else {
            None
        }
    }

    /// The block.
    #[must_use]
    pub fn section(&self) -> Option<&Section> {
        if let Self::Section(section) = self {
            Some(section)
        } else {
            None
        }
    }

    /// The addresses of a list.
    #[must_use]
    pub fn addresses(&self) -> &[AddressLine] {
        if let Self::Addresses(lines) = self {
            lines
        } else {
            &[]
        }
    }

    /// The entries of a list of what is tracked.
    #[must_use]
    pub fn tracked(&self) -> &[TrackLine] {
        if let Self::Tracked(lines) = self {
            lines
        } else {
            &[]
        }
    }

    /// The routes of a list.
    #[must_use]
    pub fn routes(&self) -> &[RouteLine] {
        if let Self::Routes(lines) = self {
            lines
        } else {
            &[]
        }
    }

    /// The rules of a list.
    #[must_use]
    pub fn rules(&self) -> &[RuleLine] {
        if let Self::Rules(lines) = self {
            lines
        } else {
            &[]
        }
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> Option<&Command> {
        if let Self::Command(command) = self {
            Some(command)
        } else {
            None
        }
    }

    /// What a check asks.
    #[must_use]
    pub fn probe(&self) -> Option<&ProbeLine> {
        if let Self::Probe(line) = self {
            Some(line)
        } else {
            None
        }
    }

    /// The names of a list.
    #[must_use]
    pub fn names(&self) -> &[Token] {
        if let Self::Names(names) = self {
            names
        } else {
            &[]
        }
    }
}

/// Reads the words behind a keyword that has no block. What is not right about
/// them is reported.
pub(super) fn read(keyword: &Keyword, words: Vec<Token>, span: Span, sink: &mut Sink) -> Value {
    let arguments = words.get(1..).unwrap_or_default();
    if let Some(equals) = arguments.first().filter(|word| &*word.text == "=") {
        sink.add(
            Finding::error(equals.span, "this language has no `=`")
                .help(format!("write `{}`, a blank and the value", keyword.name)),
        );
        return Value::Refused;
    }
    let (least, most) = match keyword.shape {
        Shape::Any => return Value::Words(arguments.into()),
        Shape::MaybeCommand if arguments.is_empty() => return Value::Nothing,
        Shape::Command | Shape::MaybeCommand => {
            return or_refused(command::parse(arguments, span, sink), Value::Command);
        }
        Shape::BareCommand => {
            return or_refused(command::parse_bare(arguments, span, sink), Value::Command);
        }
        Shape::Process => {
            return or_refused(
                command::parse_process(arguments, span, sink),
                Value::Command,
            );
        }
        Shape::User => return or_refused(command::parse_user(arguments, span, sink), Value::User),
        Shape::Weight(most) => {
            return track::weight(arguments, most, span, sink)
                .map_or(Value::Refused, Value::Weight);
        }
        Shape::Fifo => {
            return or_refused(command::parse_fifo(arguments, span, sink), Value::Fifo);
        }
        Shape::InitFile => {
            return track::init_file(arguments, sink).map_or(Value::Refused, Value::InitFile);
        }
        Shape::Probe(question) => {
            return or_refused(check::parse(arguments, question, span, sink), Value::Probe);
        }
        Shape::Vmac => {
            let names = Names::well_known();
            return or_refused(vmac::vmac(arguments, names, sink), Value::Vmac);
        }
        Shape::Ipvlan => {
            let names = Names::well_known();
            return or_refused(vmac::ipvlan(arguments, names, sink), Value::Ipvlan);
        }
        Shape::HmacKey => return or_refused(hmac::parse(arguments, span, sink), Value::HmacKey),
        Shape::Flag => (0, 0),
        Shape::Switch
        | Shape::WholeOr(..)
        | Shape::MaybeWord
        | Shape::MaybePath
        | Shape::Maybe(_) => (0, 1),
        Shape::Words(least, most) => (usize::from(least), usize::from(most)),
        Shape::Word
        | Shape::Path
        | Shape::Choice(_)
        | Shape::ChoiceOrWhole(..)
        | Shape::Whole(..)
        | Shape::Seconds(..)
        | Shape::WholeSeconds(..)
        | Shape::Millis(..)
        | Shape::Interface
        | Shape::Ipv4
        | Shape::Ipv6
        | Shape::Address => (1, 1),
        Shape::Numbers(..)
        | Shape::AfterAll(..)
        | Shape::Signed(_)
        | Shape::Umask
        | Shape::Block(_)
        | Shape::Named(_)
        | Shape::Lines(_) => {
            return forms::read(keyword, arguments, span, sink).unwrap_or(Value::Refused);
        }
    };
    if let (Some(extra), Some(last)) = (arguments.get(most), arguments.last()) {
        sink.add(
            Finding::warning(
                extra.span.to(last.span),
                format!("`{}` takes no more than {}", keyword.name, Words(most)),
            )
            .help("what follows is ignored; each keyword stands on a line of its own"),
        );
    }
    if arguments.len() < least {
        sink.add(
            Finding::error(span, format!("`{}` needs a value", keyword.name))
                .help(format!("it takes {}", keyword.shape)),
        );
        return Value::Refused;
    }
    match (arguments.first(), keyword.shape) {
        (_, Shape::Flag) => Value::Nothing,
        (_, Shape::Words(..)) => Value::Words(arguments.iter().take(most).cloned().collect()),
        (None, Shape::WholeOr(_, _, unsaid)) => Value::Whole(unsaid),
        (None, Shape::Switch) => Value::Switch(true),
        (None, _) => Value::Nothing,
        (Some(token), _) => one(keyword, token, sink),
    }
}

fn or_refused<T>(read: Option<T>, value: impl Fn(Box<T>) -> Value) -> Value {
    read.map_or(Value::Refused, |read| value(Box::new(read)))
}

/// Reads one word as what a keyword takes.
pub(super) fn one(keyword: &Keyword, token: &Token, sink: &mut Sink) -> Value {
    let text = &*token.text;
    let value = match keyword.shape {
        Shape::Word | Shape::MaybeWord | Shape::Path | Shape::MaybePath => {
            (!text.is_empty()).then(|| Value::Word(token.clone()))
        }
        Shape::Interface if text.ends_with(';') => None,
        Shape::Interface => match device_name(text) {
            Ok(()) => Some(Value::Word(token.clone())),
            Err(why) => {
                sink.add(
                    Finding::error(
                        token.span,
                        format!("{} is not an interface name: {why}", quoted(text)),
                    )
                    .help("it has 1 to 15 bytes, without `/`, `:` and blanks"),
                );
                return Value::Refused;
            }
        },
        Shape::Switch => match text {
            "on" | "true" | "yes" => Some(Value::Switch(true)),
            "off" | "false" | "no" => Some(Value::Switch(false)),
            _ => None,
        },
        Shape::Choice(words) | Shape::Maybe(words) => words
            .iter()
            .find(|word| **word == text)
            .copied()
            .map(Value::Choice),
        Shape::ChoiceOrWhole(words, min, max) => words
            .iter()
            .find(|word| **word == text)
            .copied()
            .map(Value::Choice)
            .or_else(|| whole(text, min, max).map(Value::Whole)),
        Shape::Whole(min, max) | Shape::WholeOr(min, max, _) => {
            whole(text, min, max).map(Value::Whole)
        }
        Shape::WholeSeconds(min, max) => whole(text, min.into(), max.into())
            .and_then(|seconds| u64::try_from(seconds).ok())
            .and_then(|seconds| seconds.checked_mul(1_000_000))
            .map(Value::Micros),
        Shape::Millis(min, max) => seconds(text)
            .map(|(micros, _)| micros / 1000)
            .filter(|micros| (min..=max).contains(micros))
            .map(Value::Micros),
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
        Shape::Ipv4 => text.parse().ok().map(|v4| Value::Address(IpAddr::V4(v4))),
        Shape::Ipv6 => text.parse().ok().map(|v6| Value::Address(IpAddr::V6(v6))),
        Shape::Address => text.parse().ok().map(Value::Address),
        Shape::Any
        | Shape::Flag
        | Shape::Words(..)
        | Shape::Numbers(..)
        | Shape::AfterAll(..)
        | Shape::Signed(_)
        | Shape::InitFile
        | Shape::Probe(_)
        | Shape::Umask
        | Shape::Fifo
        | Shape::Weight(_)
        | Shape::Command
        | Shape::MaybeCommand
        | Shape::BareCommand
        | Shape::Process
        | Shape::User
        | Shape::Vmac
        | Shape::Ipvlan
        | Shape::HmacKey
        | Shape::Block(_)
        | Shape::Named(_)
        | Shape::Lines(_) => None,
    };
    value.unwrap_or_else(|| {
        let finding = Finding::error(
            token.span,
            format!(
                "`{}` takes {}, not {}",
                keyword.name,
                keyword.shape,
                quoted(text)
            ),
        );
        let near = if let Shape::Choice(words) | Shape::Maybe(words) = keyword.shape {
            nearest(text, words.iter().copied())
        } else {
            None
        };
        sink.add(match near {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None if text.ends_with(';') => finding.help("lines end without `;` here"),
            None => finding.help(otherwise(keyword.status)),
        });
        Value::Refused
    })
}

/// What holds instead of a value that was refused.
fn otherwise(status: Status) -> &'static str {
    match status {
        Status::Does(Key::Instance(InstanceKey::Priority)) => {
            "it is 100 instead, as in keepalived; nodes may come out equal"
        }
        Status::Does(Key::Instance(InstanceKey::Interface | InstanceKey::VirtualRouterId)) => {
            "the instance cannot run without it"
        }
        Status::Does(_)
        | Status::NoEffect(_)
        | Status::Planned(..)
        | Status::NotSupported(..)
        | Status::LoadBalancer => "the line is skipped",
    }
}

/// A whole number of this range.
fn whole(text: &str, min: i64, max: i64) -> Option<i64> {
    text.parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
}

/// Decimal seconds in microseconds, and whether nothing was rounded away.
pub(super) fn seconds(text: &str) -> Option<(u64, bool)> {
    let text = text.strip_prefix('+').unwrap_or(text);
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

/// Microseconds as seconds, without needless zeros.
pub(super) fn decimal(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number of words.
struct Words(usize);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count) = self;
        write!(f, "{count} word{}", if *count == 1 { "" } else { "s" })
    }
}

/// Whether the kernel could know an interface by this name.
pub(super) fn device_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("it is empty")
    } else if name.len() > 15 {
        Err("it is longer than 15 bytes")
    } else if name == "." || name == ".." {
        Err("the kernel refuses it")
    } else if name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) {
        Err("it contains a character that the kernel refuses")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_without_floats() {
        assert_eq!(seconds("1"), Some((1_000_000, true)));
        assert_eq!(seconds("+1"), Some((1_000_000, true)));
        assert_eq!(seconds("0.01"), Some((10_000, true)));
        assert_eq!(seconds(".5"), Some((500_000, true)));
        assert_eq!(seconds("2."), Some((2_000_000, true)));
        assert_eq!(seconds("0.1234565"), Some((123_457, false)));
        assert_eq!(seconds("0.1234560"), Some((123_456, true)));
        for bad in [
            "",
            ".",
            "+",
            "++1",
            "-1",
            "1e3",
            "1s",
            "1.2.3",
            "99999999999999999999",
        ] {
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
