//! What a route says of its path: `mtu 1400`, `rtt 20ms`, `ssthresh lock 107`.

use super::super::lex::Token;
use super::words::Words;

/// One property of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metric {
    /// Which.
    pub property: Property,
    /// Its value; milliseconds where it is a time.
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
    /// A time: milliseconds, or with `ms` or `s` behind it.
    Time,
}

/// The word, the property, whether `lock` may stand before the value, the value.
const PROPERTIES: [(&str, Property, bool, Takes); 14] = [
    ("mtu", Property::Mtu, true, Takes::Number(u32::MAX)),
    ("advmss", Property::AdvMss, true, Takes::Number(u32::MAX)),
    ("rtt", Property::Rtt, true, Takes::Time),
    ("rttvar", Property::RttVar, true, Takes::Time),
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
    ("rto_min", Property::RtoMin, true, Takes::Time),
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
        Takes::Time => {
            let value = words.value(word)?;
            let Some(millis) = millis(&value.text) else {
                words.wrong(word, value, "milliseconds, or a time as 20ms or 1.5s");
                return None;
            };
            millis
        }
    };
    Some(Metric {
        property,
        value,
        locked,
    })
}

/// `20`, `20ms` and `1.5s` in milliseconds.
fn millis(text: &str) -> Option<u32> {
    if let Some(millis) = text.strip_suffix("ms") {
        return digits(millis);
    }
    let Some(seconds) = text.strip_suffix('s') else {
        return digits(text);
    };
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let padded = format!("{fraction:0<3}");
    let millis = padded.get(..3).and_then(digits)?;
    digits(fraction)?;
    digits(whole)?.checked_mul(1000)?.checked_add(millis)
}

/// A number that is nothing but digits.
fn digits(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}
