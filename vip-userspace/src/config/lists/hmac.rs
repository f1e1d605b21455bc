//! Keys of `auth_hmac`: `ID hex:DIGITS|file:PATH|TEXT`

use std::fmt;

use super::super::diag::{Finding, Sink, quoted};
use super::super::lex::Token;
use super::super::source::Span;
use super::words::Words;

/// A key and its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HmacKey {
    /// Which key it is, 1 to 255; it stands in each advert.
    pub id: u8,
    /// Where the number stands.
    pub span: Span,
    /// The key itself.
    pub secret: Secret,
}

/// A key, or where it lies. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// 32 to 64 bytes.
    Bytes(Box<[u8]>),
    /// The file that holds it.
    File(Token),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::File(path) => f.debug_tuple("File").field(&path.text).finish(),
        }
    }
}

/// How many bytes a key has.
pub(in super::super) const LENGTHS: std::ops::RangeInclusive<usize> = 32..=64;

/// Reads the words behind `key`, which stands at `at`. Messages do not repeat it.
pub(in super::super) fn parse(words: &[Token], at: Span, sink: &mut Sink) -> Option<HmacKey> {
    let mut words = Words::new(words, sink)?;
    let (Some(id), Some(secret)) = (words.next(), words.next()) else {
        words.sink.add(
            Finding::error(at, "a key needs its number and the key itself")
                .help("write `key 1 hex:DIGITS`, `key 1 file:PATH` or `key 1 TEXT`"),
        );
        return None;
    };
    let Some(number) = id.text.parse().ok().filter(|number| *number > 0) else {
        words.error(
            id.span,
            format!("the number of a key is 1 to 255, not {}", quoted(&id.text)),
        );
        return None;
    };
    if let Some(extra) = words.next() {
        words.sink.add(
            Finding::error(
                extra.span,
                "a key is one word; what follows is not part of it",
            )
            .help("put quotes around it"),
        );
        return None;
    }
    let text = &*secret.text;
    let bytes = if let Some(path) = text.strip_prefix("file:") {
        if !path.starts_with('/') {
            words.error(
                secret.span,
                format!(
                    "the file of a key needs its whole path, not {}",
                    quoted(path)
                ),
            );
            return None;
        }
        let path = Token {
            text: path.into(),
            ..secret.clone()
        };
        return Some(HmacKey {
            id: number,
            span: id.span,
            secret: Secret::File(path),
        });
    } else if let Some(digits) = text.strip_prefix("hex:") {
        let Some(bytes) = from_hex(digits) else {
            words.sink.add(
                Finding::error(
                    secret.span,
                    "this key is not an even number of hexadecimal digits",
                )
                .help("make one with `openssl rand -hex 32`"),
            );
            return None;
        };
        bytes
    } else {
        text.as_bytes().to_vec()
    };
    if !LENGTHS.contains(&bytes.len()) {
        words.sink.add(
            Finding::error(
                secret.span,
                format!(
                    "this key has {} bytes; a key has {} to {}",
                    bytes.len(),
                    LENGTHS.start(),
                    LENGTHS.end()
                ),
            )
            .help("make one with `openssl rand -hex 32` and write hex: before it"),
        );
        return None;
    }
    Some(HmacKey {
        id: number,
        span: id.span,
        secret: Secret::Bytes(bytes.into()),
    })
}

pub(in super::super) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| {
        let byte = digit(*high)? << 4 | digit(*low)?;
        u8::try_from(byte).ok()
    };
    pairs
        .iter()
        .map(byte)
        .collect::<Option<_>>()
        .filter(|_| rest.is_empty())
}
