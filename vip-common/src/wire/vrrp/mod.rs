//! VRRP version 2 (RFC 3768, with the password of RFC 2338) and version 3
//! (RFC 9568) over IPv4.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+-------+---------------+---------------+---------------+
//! |version| type  |     VRID      |   priority    |     count     |
//! +-------+-------+---------------+---------------+---------------+
//! | v2: auth type | seconds       |           checksum            |
//! | v3: 0 | centiseconds          |                               |
//! +-------------------------------+-------------------------------+
//! | count addresses of 4 bytes; v2: then always 8 bytes password  |
//! ```

mod frame;

use core::fmt;
use core::net::Ipv4Addr;

pub use frame::{AdvertFrame, FrameSpec, Unencodable};

use super::checksum::Sum;
use super::ipv4::{self, Ipv4Header};
use super::{array, eth};
use crate::ids::{MacAddr, Priority, Version, Vrid};
use crate::reject::RejectReason;
use crate::time::Centis;

/// Length of what precedes the addresses.
pub const HEADER_LEN: usize = 8;
/// Length of what follows them in version 2, password or not.
pub const AUTH_LEN: usize = 8;
/// Most addresses that an advert can name: their count is a byte.
pub const MAX_ADDRESSES: usize = 255;
/// The only type there is.
pub const TYPE_ADVERTISEMENT: u8 = 1;

/// Offsets in the message.
pub(super) mod field {
    pub(in crate::wire) const VRID: usize = 1;
    pub(in crate::wire) const PRIORITY: usize = 2;
    pub(in crate::wire) const CHECKSUM: usize = 6;
}

/// Version 2's authentication. It keeps mistakes apart, not enemies: whoever
/// can listen can read it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Type 0: the eight bytes mean nothing, and are sent as zeros.
    None,
    /// Type 1 (RFC 2338 section 5.3.6): a password, zero-padded.
    Password([u8; AUTH_LEN]),
}

impl Auth {
    /// The type's number on the wire.
    const fn kind(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Password(_) => 1,
        }
    }
}

impl fmt::Debug for Auth {
    /// Without the password: it would end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password(_) => "Password(..)",
        })
    }
}

/// Which bytes version 3's checksum covers over IPv4. RFC 9568 section 5.2.8
/// leaves the pseudo header to IPv6; keepalived and FRR send it for IPv4 too.
/// Version 2 never has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChecksumDialect {
    /// Pseudo header and message: keepalived's and our default.
    PseudoHeader,
    /// The message alone.
    MessageOnly,
}

/// What an advert must agree with to be one for this router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expect {
    /// Our VRID.
    pub vrid: Vrid,
    /// Our version.
    pub version: Version,
    /// Our own interval. Version 2 insists on it, version 3 learns the sender's.
    pub interval: Centis,
    /// Our authentication; version 3 has none and ignores this.
    pub auth: Auth,
}

/// An advert that has passed every check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advert<'a> {
    /// The sender's priority, zero if it gives up.
    pub priority: Priority,
    /// The sender's interval.
    pub interval: Centis,
    /// What it speaks for. Ours may differ: that is told, not refused.
    pub addresses: AddressList<'a>,
    /// How its checksum was made.
    pub dialect: ChecksumDialect,
}

/// The addresses of an advert, in the sender's order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressList<'a>(&'a [[u8; 4]]);

impl<'a> AddressList<'a> {
    /// How many.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there are none, which only version 2 lets pass.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// One after the other.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Ipv4Addr> + Clone + use<'a> {
        self.0.iter().copied().map(Ipv4Addr::from)
    }

    /// Whether these are the same addresses as `own`, in whatever order.
    #[must_use]
    pub fn same_as(self, own: &[Ipv4Addr]) -> bool {
        // Mostly both are configured alike, order included.
        self.iter().eq(own.iter().copied())
            || (self.len() == own.len()
                && own.iter().all(|address| self.0.contains(&address.octets()))
                && self.iter().all(|address| own.contains(&address)))
    }
}

/// Takes an admitted frame apart: IP header, source MAC, and the VRRP message
/// cut to the IP total length. `None` if the frame cannot have been admitted.
#[must_use]
pub fn locate(frame: &[u8]) -> Option<(Ipv4Header, MacAddr, &[u8])> {
    let (header, body) = ipv4::parse(frame.get(eth::LEN..)?)?;
    Some((header, MacAddr(array(frame, eth::field::SOURCE)), body))
}

/// Checks a VRRP message from `source` to `destination` and reads it.
///
/// The order is keepalived's, except that the version comes before the length,
/// which depends on it: length, authentication, interval, type, checksum.
/// Everything is checked again that the program at the NIC has checked, because
/// the router may have been reconfigured since.
///
/// # Errors
///
/// The first reason against it.
pub fn decode<'a>(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    body: &'a [u8],
    expect: &Expect,
) -> Result<Advert<'a>, RejectReason> {
    let (header, rest) = body
        .split_first_chunk::<HEADER_LEN>()
        .ok_or(RejectReason::Length)?;
    let [version_type, vrid, priority, count, high, low, _, _] = *header;

    if version_type >> 4 != expect.version.get() {
        return Err(RejectReason::Version);
    }
    if vrid != expect.vrid.get() {
        return Err(RejectReason::Vrid);
    }
    let (list, trailer) = rest
        .split_at_checked(4 * usize::from(count))
        .ok_or(RejectReason::Length)?;
    // A multiple of four by the line above, so nothing remains.
    let (addresses, _) = list.as_chunks::<4>();

    let interval = match expect.version {
        Version::V2 => {
            check_auth(high, trailer, expect.auth)?;
            Centis::from_secs(low)
                .filter(|interval| *interval == expect.interval)
                .ok_or(RejectReason::Interval)?
        }
        Version::V3 => {
            if !trailer.is_empty() {
                return Err(RejectReason::Length);
            }
            if addresses.is_empty() {
                return Err(RejectReason::NoAddresses);
            }
            // The upper four bits are reserved and ignored (RFC 9568 section 5.2.6).
            Centis::new(u16::from_be_bytes([high & 0x0f, low])).ok_or(RejectReason::ZeroInterval)?
        }
    };
    if version_type & 0x0f != TYPE_ADVERTISEMENT {
        return Err(RejectReason::Type);
    }
    Ok(Advert {
        priority: Priority::from_wire(priority),
        interval,
        addresses: AddressList(addresses),
        dialect: dialect_of(source, destination, body, expect.version)
            .ok_or(RejectReason::Checksum)?,
    })
}

/// Version 2's type byte and eight bytes against ours.
fn check_auth(kind: u8, trailer: &[u8], auth: Auth) -> Result<(), RejectReason> {
    let theirs: &[u8; AUTH_LEN] = trailer.try_into().map_err(|_| RejectReason::Length)?;
    if kind != auth.kind() {
        return Err(RejectReason::AuthType);
    }
    match auth {
        Auth::Password(ours) if !equal_in_constant_time(&ours, theirs) => {
            Err(RejectReason::AuthPassword)
        }
        Auth::Password(_) | Auth::None => Ok(()),
    }
}

/// Takes as long for a wrong first byte as for a wrong last one.
fn equal_in_constant_time(ours: &[u8; AUTH_LEN], theirs: &[u8; AUTH_LEN]) -> bool {
    let difference = ours
        .iter()
        .zip(theirs)
        .fold(0, |seen, (a, b)| core::hint::black_box(seen | (a ^ b)));
    difference == 0
}

/// The dialect in which the checksum adds up, if any.
fn dialect_of(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    body: &[u8],
    version: Version,
) -> Option<ChecksumDialect> {
    let message = Sum::ZERO.bytes(body);
    let len = u16::try_from(body.len()).ok()?;
    match version {
        Version::V3 if message.pseudo_header(source, destination, len).adds_up() => {
            Some(ChecksumDialect::PseudoHeader)
        }
        Version::V2 | Version::V3 if message.adds_up() => Some(ChecksumDialect::MessageOnly),
        Version::V2 | Version::V3 => None,
    }
}
