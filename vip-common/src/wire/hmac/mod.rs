//! Signed adverts: keepalived's `auth_hmac` (from 2.4.0 on), for both versions and
//! families, group and unicast.
//!
//! 28 bytes follow the VRRP message, in version 2 behind its eight bytes of
//! password. Nothing but the length tells that they are there.
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! | type 1        | key number    | 0                             |
//! +---------------+---------------+-------------------------------+
//! | seconds of UTC                                                |
//! +-------------------------------+-------------------------------+
//! | 65536th of a second           | counter                       |
//! +-------------------------------+-------------------------------+
//! | first 16 bytes of HMAC-SHA256                                 |
//! ```
//!
//! Time and counter are one number, the [`Serial`], which grows from advert to
//! advert. The signature covers address family, version, VRID and source, the
//! message with its checksum as zero, and the trailer with its last 16 bytes as
//! zero; neither the destination nor the TTL. IPv4's checksum ends where
//! the message does, IPv6's covers the trailer.
//!
//! Who listens checks the type, the time (before anything costly), the key's
//! number, the signature, and last that the serial is new. What he has heard is
//! kept in a [`Replay`], which only an advert moves that has passed every check
//! there is.

mod sign;
mod verify;

#[cfg(test)]
mod tests;

use core::fmt;
use core::net::IpAddr;
use core::num::NonZeroU8;
use core::time::Duration;

use ::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub use sign::Signer;
pub use verify::{MAX_SOURCES, Replay, Verifier};

use super::vrrp::{self, TRAILER_LEN};
use super::{byte, put};

/// The only kind of signature there is: HMAC-SHA256, cut to 128 bits.
const TYPE_SHA256: u8 = 1;

/// Length of what the trailer says in clear.
const CLEAR_LEN: usize = 12;
/// Length of the signature.
const MAC_LEN: usize = TRAILER_LEN - CLEAR_LEN;

/// Offsets in the trailer.
mod field {
    pub(super) const KEY: usize = 1;
    pub(super) const RESERVED: usize = 2;
    pub(super) const SERIAL: usize = 4;
    pub(super) const MAC: usize = super::CLEAR_LEN;
}

/// What is signed and what is believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Sends unsigned adverts; takes both kinds, signed ones only if right.
    ReceiveOnly,
    /// Signs; takes both kinds, signed ones only if right.
    Permissive,
    /// Signs, and takes nothing else.
    Enforce,
}

impl Mode {
    /// Whether our own adverts are signed.
    #[must_use]
    pub const fn signs(self) -> bool {
        match self {
            Self::ReceiveOnly => false,
            Self::Permissive | Self::Enforce => true,
        }
    }
}

/// How an advert that was sent before is known. In both ways its [`Serial`]
/// must be greater than the last one of its source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AntiReplay {
    /// It must be signed at about our own time, too. The clocks must agree; in
    /// return one who has just started is not deceived by old adverts.
    Time {
        /// By how much the clocks may differ at most.
        window: Duration,
    },
    /// Clocks may differ as they like.
    Monotonic,
}

/// A moment of UTC in 65536ths of a second, as far as 32 bits of seconds reach:
/// after 2106 it begins anew,
/// which is a clock put back like any other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UtcStamp(u64);

impl UtcStamp {
    /// So long after the beginning of 1970.
    #[must_use]
    pub const fn from_unix(elapsed: Duration) -> Self {
        let fraction = ((elapsed.subsec_nanos() as u64) << 16) / 1_000_000_000;
        Self((elapsed.as_secs() & 0xffff_ffff) << 16 | fraction)
    }

    /// By how much this is later than `other`; zero if it is not.
    #[must_use]
    pub const fn since(self, other: Self) -> Duration {
        let difference = self.0.saturating_sub(other.0);
        let nanos = ((difference & 0xffff) * 1_000_000_000) >> 16;
        Duration::new(difference >> 16, nanos as u32)
    }
}

/// The number of a signed advert: the moment and a counter for what is signed
/// within the same 15 µs. From one sender it only grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Serial(u64);

impl Serial {
    /// Smaller than any that is sent.
    pub const ZERO: Self = Self(0);

    /// The first one of a moment.
    const fn at(stamp: UtcStamp) -> Self {
        Self(stamp.0 << 16)
    }

    /// The moment in it.
    #[must_use]
    pub const fn stamp(self) -> UtcStamp {
        UtcStamp(self.0 >> 16)
    }

    /// The next one, be it of the next moment.
    const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// A shared secret and its number, ready for use.
#[derive(Clone)]
pub struct Key {
    id: NonZeroU8,
    keyed: Hmac<Sha256>,
}

impl Key {
    /// Lengths of a secret.
    pub const LENGTHS: core::ops::RangeInclusive<usize> = 32..=64;

    /// The key with the number `id`, 1 to 255. Half of the work for each
    /// signature is done here.
    ///
    /// # Errors
    ///
    /// If number or length are beyond their range, in which keepalived takes them.
    pub fn new(id: u8, secret: &[u8]) -> Result<Self, BadKey> {
        let id = NonZeroU8::new(id).ok_or(BadKey::Number)?;
        let len = secret.len();
        if !Self::LENGTHS.contains(&len) {
            return Err(BadKey::Length { len });
        }
        let keyed = Hmac::new_from_slice(secret).map_err(|_| BadKey::Length { len })?;
        Ok(Self { id, keyed })
    }

    /// Its number.
    #[must_use]
    pub const fn id(&self) -> u8 {
        self.id.get()
    }

    /// Over everything that is signed, for reading or writing the signature.
    fn over(&self, source: IpAddr, message: &[u8], clear: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(&pseudo_header(source, message));
        let (before, rest) = message
            .split_at_checked(vrrp::field::CHECKSUM)
            .unwrap_or((message, &[]));
        mac.update(before);
        mac.update(&[0; 2]);
        mac.update(rest.get(2..).unwrap_or_default());
        mac.update(clear);
        mac.update(&[0; MAC_LEN]);
        mac
    }
}

impl fmt::Debug for Key {
    /// Without the secret: it would end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, ..)", self.id)
    }
}

/// Why a [`Key`] cannot be one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadKey {
    /// Its number is zero.
    Number,
    /// The secret is too short or too long.
    Length {
        /// Of the secret, in bytes.
        len: usize,
    },
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number => f.write_str("a key cannot have the number 0: use 1 to 255"),
            Self::Length { len } => write!(
                f,
                "a key of {len} bytes cannot sign: use {} to {} bytes",
                Key::LENGTHS.start(),
                Key::LENGTHS.end()
            ),
        }
    }
}

impl core::error::Error for BadKey {}

/// What is signed in front of the message: address family, version, VRID, zero,
/// and the source in 16 bytes, an IPv4 address in the first four of them.
fn pseudo_header(source: IpAddr, message: &[u8]) -> [u8; 20] {
    let mut header = [0; 20];
    let version = byte(message, 0) >> 4;
    let vrid = byte(message, vrrp::field::VRID);
    let family = match source {
        IpAddr::V4(v4) => {
            put(&mut header, 4, &v4.octets());
            4
        }
        IpAddr::V6(v6) => {
            put(&mut header, 4, &v6.octets());
            6
        }
    };
    put(&mut header, 0, &[family, version, vrid]);
    header
}
