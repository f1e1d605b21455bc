//! What a route says of its path: `mtu 1400`, `rtt 300ms`, `ssthresh lock 107`.

use super::super::diag::{Finding, quoted};
use super::super::lex::Token;
use super::words::Words;

/// One property of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metric {
    /// Which.
    pub property: Property,
    /// Its value as the kernel counts it: `rtt` in eighths of a millisecond, `rttvar`
    /// in quarters, `rto_min` in whole ones.
    pub value: u32,
    /// Whether the kernel may not find a better one by itself.
    pub locked: bool,
}

/// Properties of a path, as iproute2 names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "as iproute2 names them")]
pub enum Property {
    Mtu,
    AdvMss,
    Rtt,
    RttVar,
    Reordering,
    Cwnd,
    SsThresh,
    RtoMin,
    Window,
    HopLimit,
    InitCwnd,
    InitRwnd,
    QuickAck,
    FastOpenNoCookie,
}

/// What a property takes.
#[derive(Clone, Copy)]
enum Takes {
    /// A number up to this one.
    Number(u32),
    /// A time with `ms` or `s` behind it, or a number as the kernel counts it, of
    /// which this many are a millisecond.
    Time(u32),
}

/// The bounds of a time, in milliseconds. keepalived raises what is shorter and
/// refuses what is longer; a number without a unit has this bound too.
const SHORTEST: u32 = 200;
const LONGEST: u32 = 960_000;

/// The word, the property, whether `lock` may stand before the value, the value.
const PROPERTIES: [(&str, Property, bool, Takes); 14] = [
    ("mtu", Property::Mtu, true, Takes::Number(u32::MAX)),
    ("advmss", Property::AdvMss, true, Takes::Number(u32::MAX)),
    ("rtt", Property::Rtt, true, Takes::Time(8)),
    ("rttvar", Property::RttVar, true, Takes::Time(4)),
    (
        "reordering",
        Property::Reordering,
        true,
        Takes::Number(u32::MAX),
    ),
    ("cwnd", Property::Cwnd, true, Takes::Number(u32::MAX)),
    (
        "ssthresh",
        Property::SsThresh,
        true,
        Takes::Number(u32::MAX),
    ),
    ("rto_min", Property::RtoMin, true, Takes::Time(1)),
    ("window", Property::Window, false, Takes::Number(u32::MAX)),
    ("hoplimit", Property::HopLimit, false, Takes::Number(255)),
    (
        "initcwnd",
        Property::InitCwnd,
        false,
        Takes::Number(u32::MAX),
    ),
    (
        "initrwnd",
        Property::InitRwnd,
        false,
        Takes::Number(u32::MAX),
    ),
    ("quickack", Property::QuickAck, false, Takes::Number(1)),
    (
        "fastopen_no_cookie",
        Property::FastOpenNoCookie,
        false,
        Takes::Number(1),
    ),
];

/// The words of all of them.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    PROPERTIES.iter().map(|(word, ..)| *word)
}

/// Reads what follows a property; the outer `None` where the word is none, the
/// inner one where its value was refused.
#[expect(
    clippy::option_option,
    reason = "not one, and a bad one, are two things"
)]
pub(super) fn read(word: &Token, words: &mut Words<'_, '_>) -> Option<Option<Metric>> {
    let known = PROPERTIES.iter().find(|(name, ..)| **name == *word.text);
    let (_, property, lockable, takes) = *known?;
    Some(value(word, property, lockable, takes, words))
}

fn value(
    word: &Token,
    property: Property,
    lockable: bool,
    takes: Takes,
    words: &mut Words<'_, '_>,
) -> Option<Metric> {
    let locked = lockable && words.take("lock").is_some();
    let value = match takes {
        Takes::Number(most) => u32::try_from(words.whole(word, 0..=most.into())?).ok()?,
        Takes::Time(parts) => {
            let value = words.value(word)?;
            let Some(time) = time(&value.text, parts) else {
                words.wrong(word, value, "a time as 300ms or 1.5s, at most 960s");
                return None;
            };
            let least = SHORTEST * parts;
            if time < least {
                let message = format!(
                    "{} of {} is too short, 200ms counts",
                    quoted(&word.text),
                    quoted(&value.text)
                );
                let help = match parts {
                    1 => "as in keepalived".to_owned(),
                    _ => format!("as in keepalived; without a unit {parts} are a millisecond"),
                };
                words
                    .sink
                    .add(Finding::warning(value.span, message).help(help));
            }
            time.max(least)
        }
    };
    Some(Metric {
        property,
        value,
        locked,
    })
}

/// `2400`, `300ms` and `1.5s` in these parts of a millisecond; what is less than a
/// whole one is rounded up.
fn time(text: &str, parts: u32) -> Option<u32> {
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = text.get(number.len()..)?.to_ascii_lowercase();
    let (time, parts) = match &*unit {
        "" => (digits(number)?, 1),
        "ms" | "msec" | "msecs" => (digits(number)?, parts),
        "s" | "sec" | "secs" => (millis(number)?, parts),
        _ => return None,
    };
    (time <= LONGEST).then(|| time * parts)
}

/// `1.5` seconds in milliseconds.
fn millis(seconds: &str) -> Option<u32> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let or_none = |part: &str| {
        if part.is_empty() {
            Some(0)
        } else {
            digits(part)
        }
    };
    let is_number = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (first, rest) = fraction.split_at_checked(3).unwrap_or((fraction, ""));
    let millis = digits(&format!("{first:0<3}"))?;
    let more = u32::from(rest.bytes().any(|byte| byte != b'0'));
    or_none(whole)?
        .checked_mul(1000)?
        .checked_add(millis + more)
}

/// A number that is nothing but digits.
fn digits(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What keepalived 2.2.7 puts into the kernel.
    #[test]
    fn a_time_without_unit_is_counted_as_the_kernel_does() {
        for (text, eighths) in [
            ("1601", 1601),
            ("960000", 960_000),
            ("201ms", 1608),
            ("300msec", 2400),
            ("300MSECS", 2400),
            ("0.3s", 2400),
            ("1.5secs", 12_000),
            ("1.5S", 12_000),
            (".5s", 4000),
            ("1.s", 8000),
            ("1.2345s", 9880),
            ("960s", 7_680_000),
        ] {
            assert_eq!(time(text, 8), Some(eighths), "{text}");
        }
        assert_eq!(time("801", 4), Some(801));
        assert_eq!(time("300ms", 4), Some(1200));
        assert_eq!((time("300", 1), time("300ms", 1)), (Some(300), Some(300)));
        for wrong in [
            "",
            "ms",
            "s",
            ".s",
            "300m",
            "+2s",
            "-1",
            "1.2.3s",
            "960001",
            "961s",
            "960.0001s",
            "4294967295",
            "4294967295ms",
            "4294967296",
            "1\u{e9}s",
            "1.\u{e9}\u{e9}s",
        ] {
            assert_eq!(time(wrong, 8), None, "{wrong}");
        }
    }
}
