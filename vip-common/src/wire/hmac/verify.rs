//! Believing what others sign.

use core::net::IpAddr;
use core::time::Duration;

use ::hmac::Mac;

use super::{AntiReplay, CLEAR_LEN, Key, Mode, Serial, TYPE_SHA256, UtcStamp, field};
use crate::reject::RejectReason;
use crate::wire::vrrp::{Advert, Expect, decode_checked};
use crate::wire::{array, byte, word};

/// How many sources a [`Replay`] knows: more than a virtual router has.
pub const MAX_SOURCES: usize = 32;

/// What one router has believed of whom: the greatest serial of each source.
///
/// Of more sources than [`MAX_SOURCES`] the one is forgotten that was silent for
/// longest. Only who has a key can bring that about; under
/// [`AntiReplay::Time`] it takes nothing away, since what is old is refused.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Replay {
    sources: [Option<Source>; MAX_SOURCES],
    /// Adverts so far, to know who was silent for longest.
    count: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Source {
    address: IpAddr,
    serial: Serial,
    /// [`Replay::count`] when it was last heard.
    heard: u64,
}

impl Replay {
    /// The greatest serial of this source.
    #[must_use]
    pub fn last(&self, source: IpAddr) -> Option<Serial> {
        let mut known = self.sources.iter().flatten();
        let known = known.find(|one| one.address == source);
        known.map(|one| one.serial)
    }

    pub(super) fn note(&mut self, address: IpAddr, serial: Serial) {
        self.count = self.count.wrapping_add(1);
        let rank = |place: &Option<Source>| match place {
            Some(one) if one.address == address => (0, 0),
            None => (1, 0),
            Some(one) => (2, one.heard),
        };
        if let Some(place) = self.sources.iter_mut().min_by_key(|place| rank(place)) {
            *place = Some(Source {
                address,
                serial,
                heard: self.count,
            });
        }
    }
}

/// Reads adverts, signed or not, by one configuration of `auth_hmac`.
#[derive(Clone, Copy, Debug)]
pub struct Verifier<'a> {
    /// The keys that are believed, each with a number of its own.
    pub keys: &'a [Key],
    /// Whether unsigned adverts pass.
    pub mode: Mode,
    /// How old adverts are known.
    pub anti_replay: AntiReplay,
}

impl Verifier<'_> {
    /// As [`vrrp::decode`](crate::wire::vrrp::decode), with the signature checked
    /// behind the length. `now` is our own time when the advert came in, or is
    /// read. Look at the source first, where only some may speak: `replay` is
    /// moved by what passes here.
    ///
    /// # Errors
    ///
    /// The first reason against it; `replay` is as it was then.
    pub fn decode<'b>(
        &self,
        now: UtcStamp,
        source: IpAddr,
        destination: IpAddr,
        body: &'b [u8],
        expect: &Expect,
        replay: &mut Replay,
    ) -> Result<Advert<'b>, RejectReason> {
        let mut new = None;
        let advert = decode_checked(source, destination, body, expect, |message, trailer| {
            if trailer.is_empty() {
                return match self.mode {
                    Mode::Enforce => Err(RejectReason::HmacMissing),
                    Mode::Permissive | Mode::ReceiveOnly => Ok(None),
                };
            }
            let (key, serial) = self.check(now, source, message, trailer, replay)?;
            new = Some(serial);
            Ok(Some(key.id()))
        })?;
        if let Some(serial) = new {
            replay.note(source, serial);
        }
        Ok(advert)
    }

    /// The key that made the trailer, and its serial.
    fn check(
        &self,
        now: UtcStamp,
        source: IpAddr,
        message: &[u8],
        trailer: &[u8],
        replay: &Replay,
    ) -> Result<(&Key, Serial), RejectReason> {
        if byte(trailer, 0) != TYPE_SHA256 || word(trailer, field::RESERVED) != 0 {
            return Err(RejectReason::HmacMalformed);
        }
        let serial = Serial(u64::from_be_bytes(array(trailer, field::SERIAL)));
        if distance(now, serial.stamp()) > self.window() {
            return Err(RejectReason::HmacStale);
        }
        let id = byte(trailer, field::KEY);
        let key = self.keys.iter().find(|key| key.id() == id);
        let key = key.ok_or(RejectReason::HmacUnknownKey)?;
        let (clear, mac) = trailer
            .split_at_checked(CLEAR_LEN)
            .ok_or(RejectReason::HmacMalformed)?;
        key.over(source, message, clear)
            .verify_truncated_left(mac)
            .map_err(|_| RejectReason::HmacInvalid)?;
        if self.is_replay(now, replay.last(source), serial) {
            return Err(RejectReason::HmacReplay);
        }
        Ok((key, serial))
    }

    /// Whether this is not greater than what was heard before. What was heard
    /// from a future that is none any more, since both clocks were put back,
    /// does not count: who is right now would not be heard until then.
    fn is_replay(&self, now: UtcStamp, last: Option<Serial>, serial: Serial) -> bool {
        last.is_some_and(|last| serial <= last && last.stamp().since(now) <= self.window())
    }

    /// By how much clocks may differ.
    const fn window(&self) -> Duration {
        match self.anti_replay {
            AntiReplay::Time { window } => window,
            AntiReplay::Monotonic => Duration::MAX,
        }
    }
}

fn distance(one: UtcStamp, other: UtcStamp) -> Duration {
    one.since(other).max(other.since(one))
}
