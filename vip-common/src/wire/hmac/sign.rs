//! Signing what we send.

use core::net::IpAddr;

use ::hmac::Mac;

use super::{AntiReplay, CLEAR_LEN, Key, MAC_LEN, Serial, TYPE_SHA256, UtcStamp, field};
use crate::wire::put;
use crate::wire::vrrp::TRAILER_LEN;

/// Signs one router's adverts, each with a greater serial than the one before,
/// whatever the clock does.
///
/// There is one exception. Where clocks must agree and ours is put back by more
/// than may be, the serial goes back too: those whose clocks are right refused
/// what we signed in the future and take what we sign now, and the others have to
/// forget us in any case ([`Replay`](super::Replay)).
#[derive(Clone, Debug)]
pub struct Signer {
    key: Key,
    anti_replay: AntiReplay,
    last: Serial,
}

impl Signer {
    /// Signs with `key`. `after` is the last serial of the signer that this one
    /// follows, as when the key is changed; [`Serial::ZERO`] for the first.
    #[must_use]
    pub const fn new(key: Key, anti_replay: AntiReplay, after: Serial) -> Self {
        Self {
            key,
            anti_replay,
            last: after,
        }
    }

    /// The last serial that was used.
    #[must_use]
    pub const fn last(&self) -> Serial {
        self.last
    }

    /// The trailer for a message from `source`, signed at `now`. What stands in
    /// the message's checksum field does not matter.
    pub(in crate::wire) fn trailer(
        &mut self,
        now: UtcStamp,
        source: IpAddr,
        message: &[u8],
    ) -> [u8; TRAILER_LEN] {
        self.last = self.serial(now);
        let mut trailer = [0; TRAILER_LEN];
        put(&mut trailer, 0, &[TYPE_SHA256, self.key.id()]);
        put(&mut trailer, field::SERIAL, &self.last.0.to_be_bytes());
        let clear = trailer.get(..CLEAR_LEN).unwrap_or_default();
        let mac = self
            .key
            .over(source, message, clear)
            .finalize()
            .into_bytes();
        put(
            &mut trailer,
            field::MAC,
            mac.get(..MAC_LEN).unwrap_or_default(),
        );
        trailer
    }

    fn serial(&self, now: UtcStamp) -> Serial {
        let by_clock = Serial::at(now);
        let clock_was_put_back = match self.anti_replay {
            AntiReplay::Time { window } => self.last.stamp().since(now) > window,
            AntiReplay::Monotonic => false,
        };
        if by_clock > self.last || clock_was_put_back {
            by_clock
        } else {
            self.last.next()
        }
    }
}
