//! `auth_hmac`: keys, which of them signs, and what becomes of old adverts.

use vip_common::time::Centis;

use super::super::diag::{Finding, Sink, quoted};
use super::super::estate::{AntiReplay, Hmac, HmacMode, Key};
use super::super::lists::Secret;
use super::super::lists::hmac::{LENGTHS, from_hex};
use super::super::reading::Files;
use super::super::section::Section;
use super::super::value::Value;
use super::company::given;

/// Shortest time window that is chosen where none is given, in seconds.
const LEAST_WINDOW: u32 = 5;

/// What the blocks of an instance come to; an error is why it cannot run.
pub(super) fn hmac(
    section: &Section,
    interval: Centis,
    strict: bool,
    files: &dyn Files,
    sink: &mut Sink,
) -> Result<Option<Hmac>, String> {
    let Some((block, at)) = section
        .all("auth_hmac")
        .filter_map(|one| Some((one.value.section()?, one.span)))
        .next_back()
    else {
        return Ok(None);
    };
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
            Secret::File(path) => {
                let name = &*path.text;
                match read(name, files) {
                    Ok(bytes) => bytes,
                    Err(why) => {
                        let message = format!("key {}: {}: {why}", line.id, quoted(name));
                        sink.add(Finding::error(path.span, message.as_str()).help(
                            "it holds 32 to 64 bytes, or `hex:` and digits; mind owner and mode",
                        ));
                        return Err(message);
                    }
                }
            }
        };
        keys.push(Key {
            id: line.id,
            secret,
        });
    }
    let active = given(block, "active_key").and_then(Value::whole::<u8>);
    let Some(first) = keys.first().map(|key| key.id) else {
        let reason = "its `auth_hmac` has no key";
        sink.add(
            Finding::error(at, reason)
                .help("add `key 1 hex:DIGITS`; `openssl rand -hex 32` makes some"),
        );
        return Err(reason.into());
    };
    let active = active.unwrap_or(first);
    if !keys.iter().any(|key| key.id == active) {
        let reason = format!("its `auth_hmac` has no key {active}, which is to sign");
        sink.add(Finding::error(at, reason.as_str()).help("name one of the keys in `active_key`"));
        return Err(reason);
    }
    let window = match given(block, "time_window").and_then(Value::duration) {
        Some(window) => u32::try_from(window.as_secs()).unwrap_or(LEAST_WINDOW),
        None => (u32::from(interval.get()) * 3)
            .div_ceil(100)
            .max(LEAST_WINDOW),
    };
    let anti_replay = match given(block, "anti_replay").and_then(Value::choice) {
        Some("monotonic") => AntiReplay::Monotonic,
        _ => AntiReplay::Time(window),
    };
    let mode = match given(block, "mode").and_then(Value::choice) {
        Some("receive-only") => HmacMode::ReceiveOnly,
        Some("permissive") => HmacMode::Permissive,
        _ => HmacMode::Enforce,
    };
    let mode = if strict { HmacMode::Enforce } else { mode };
    Ok(Some(Hmac {
        keys,
        active,
        anti_replay,
        mode,
    }))
}

/// A key in a file: its bytes, or `hex:` and digits; a newline at the end is none
/// of it.
fn read(path: &str, files: &dyn Files) -> Result<Box<[u8]>, String> {
    let bytes = files
        .read(std::path::Path::new(path))
        .map_err(|error| error.to_string())?;
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
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
