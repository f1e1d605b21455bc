//! `auth_hmac`: keys, which of them signs, and what becomes of old adverts.

use std::path::Path;

use vip_common::time::Centis;

use super::super::ReadError;
use super::super::diag::{Finding, Sink, quoted};
use super::super::estate::{AntiReplay, Hmac, HmacMode, Key};
use super::super::lists::Secret;
use super::super::lists::hmac::{LENGTHS, from_hex};
use super::super::reading::Files;
use super::super::section::Section;
use super::super::value::Value;
use super::company::{given, given_at};
use super::instance::Draft;

/// Shortest time window that is chosen where none is given, in seconds.
const LEAST_WINDOW: u32 = 5;

impl Draft<'_> {
    /// What its blocks come to; none where it has none, or cannot run for it.
    pub(super) fn hmac(
        &mut self,
        interval: Centis,
        strict: bool,
        files: &dyn Files,
        sink: &mut Sink,
    ) -> Option<Hmac> {
        let blocks = self.section.all("auth_hmac");
        let (block, at) = blocks
            .filter_map(|one| Some((one.value.section()?, one.span)))
            .next_back()?;
        let keys = keys(block, files, sink).map_err(|reason| self.never(reason));
        let keys = keys.ok()?;
        let mode = match given(block, "mode").and_then(Value::choice) {
            Some("receive-only") => HmacMode::ReceiveOnly,
            Some("permissive") => HmacMode::Permissive,
            _ => HmacMode::Enforce,
        };
        if strict && mode != HmacMode::Enforce {
            let span = given_at(block, "mode").map_or(at, |(_, span)| span);
            sink.add(
                Finding::warning(
                    span,
                    "all adverts must be signed in strict mode, as in keepalived",
                )
                .help("write `mode enforce`, or take strict mode out until all nodes sign"),
            );
        }
        let mode = if strict { HmacMode::Enforce } else { mode };
        let asked = given(block, "active_key").and_then(Value::whole::<u8>);
        let (reason, help) = match (keys.as_slice(), asked) {
            ([], _) => (
                "its `auth_hmac` has no key".to_owned(),
                "add `key 1 hex:DIGITS`; `openssl rand -hex 32` makes some",
            ),
            (keys, Some(active)) if !keys.iter().any(|key| key.id == active) => (
                format!("its `auth_hmac` has no key {active}, which is to sign"),
                "name one of the keys in `active_key`",
            ),
            ([_, _, ..], None) if mode != HmacMode::ReceiveOnly => (
                "its `auth_hmac` has several keys, and does not say which signs".to_owned(),
                "name one in `active_key`",
            ),
            ([first, ..], active) => {
                return Some(Hmac {
                    active: active.unwrap_or(first.id),
                    anti_replay: anti_replay(block, interval),
                    mode,
                    keys,
                });
            }
        };
        sink.add(Finding::error(at, reason.as_str()).help(help));
        self.never(reason);
        None
    }
}

/// How an old advert is told from a new one.
fn anti_replay(block: &Section, interval: Centis) -> AntiReplay {
    if given(block, "anti_replay").and_then(Value::choice) == Some("monotonic") {
        return AntiReplay::Monotonic;
    }
    let asked = given(block, "time_window").and_then(Value::duration);
    AntiReplay::Time(match asked {
        Some(window) => u32::try_from(window.as_secs()).unwrap_or(LEAST_WINDOW),
        None => (u32::from(interval.get()) * 3)
            .div_ceil(100)
            .max(LEAST_WINDOW),
    })
}

/// The keys of a block; an error is why the instance cannot run.
fn keys(block: &Section, files: &dyn Files, sink: &mut Sink) -> Result<Vec<Key>, String> {
    let mut keys: Vec<Key> = Vec::new();
    for setting in block.all("key") {
        let Value::HmacKey(line) = &setting.value else {
            return Err("a key of its `auth_hmac` cannot be read".into());
        };
        if keys.iter().any(|key| key.id == line.id) {
            sink.add(
                Finding::error(line.span, format!("a second key {} is ignored", line.id))
                    .help("each key has a number of its own"),
            );
            continue;
        }
        let secret = match &line.secret {
            Secret::Bytes(bytes) => bytes.clone(),
            Secret::File(path) => match read(&path.text, files) {
                Ok(bytes) => bytes,
                Err(why) => {
                    let message = format!("key {} cannot be read: {why}", line.id);
                    sink.add(Finding::error(path.span, message.as_str()).help(
                        "the file holds 32 to 64 bytes, or `hex:` and their digits; mind its owner and mode",
                    ));
                    return Err(message);
                }
            },
        };
        keys.push(Key {
            id: line.id,
            secret,
        });
    }
    Ok(keys)
}

/// A key in a file: its bytes, or `hex:` and digits; blanks at the end are none
/// of it.
fn read(path: &str, files: &dyn Files) -> Result<Box<[u8]>, String> {
    let bytes = files.read(Path::new(path)).map_err(|error| {
        if matches!(error, ReadError::Missing(_)) {
            format!("there is no file {}", quoted(path))
        } else {
            error.to_string()
        }
    })?;
    let bytes = bytes.trim_ascii_end();
    let bytes = match bytes.strip_prefix(b"hex:") {
        Some(digits) => from_hex(&String::from_utf8_lossy(digits))
            .ok_or("it is not an even number of hexadecimal digits")?,
        None => bytes.to_vec(),
    };
    if LENGTHS.contains(&bytes.len()) {
        Ok(bytes.into())
    } else {
        Err(format!("it has {} bytes", bytes.len()))
    }
}
