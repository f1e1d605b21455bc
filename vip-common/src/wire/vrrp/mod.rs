//! VRRP version 2 (RFC 3768, with the password of RFC 2338) and version 3
//! (RFC 9568), the latter over IPv4 and IPv6.
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
//! | count addresses of 4 or 16 bytes; v2: then 8 bytes password   |
//! +---------------------------------------------------------------+
//! | 28 bytes of authentication, where both sides want it (`hmac`) |
//! ```

mod frame;
#[cfg(test)]
mod properties;
mod read;
#[cfg(test)]
mod tests;

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use frame::{AdvertFrame, FrameSpec, Unencodable, max_addresses};
pub use read::decode;
#[cfg(feature = "core")]
pub(super) use read::decode_checked;

pub use super::TRAILER_LEN;
use super::{array, eth, ipv4, ipv6, word};
use crate::ids::{Family, MacAddr, Priority, Version, Vrid};
use crate::time::Centis;

/// Length of what precedes the addresses.
pub const HEADER_LEN: usize = 8;
/// Length of what follows them in version 2, password or not.
pub const AUTH_LEN: usize = 8;
/// The only type there is.
pub const TYPE_ADVERTISEMENT: u8 = 1;

/// All VRRP routers of an IPv4 link.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// All VRRP routers of an IPv6 link.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// The group of a family.
#[must_use]
pub const fn group(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(GROUP_V4),
        Family::V6 => IpAddr::V6(GROUP_V6),
    }
}

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
/// Version 2 never has it, IPv6 always has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChecksumDialect {
    /// Pseudo header and message: keepalived's and our default.
    PseudoHeader,
    /// The message alone.
    MessageOnly,
    /// Pseudo header with 224.0.0.18 as destination whatever the destination
    /// is: what keepalived up to 1.3.6 sends to a unicast peer.
    OldUnicast,
}

/// What an advert must agree with to be one for this router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expect {
    /// The family of its addresses, which is that of the packet too.
    pub family: Family,
    /// Our VRID.
    pub vrid: Vrid,
    /// Our version.
    pub version: Version,
    /// Our own interval. Version 2 insists on it, version 3 learns the sender's.
    pub interval: Centis,
    /// Our authentication; version 3 has none and ignores this.
    pub auth: Auth,
    /// Whether [`ChecksumDialect::OldUnicast`] passes, on adverts to a unicast
    /// address.
    pub old_unicast: bool,
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
    /// The number of the key that it is signed with; `None` if it is not.
    pub signed: Option<u8>,
}

/// The addresses of an advert, in the sender's order, all of one family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressList<'a>(List<'a>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum List<'a> {
    V4(&'a [[u8; 4]]),
    V6(&'a [[u8; 16]]),
}

impl<'a> AddressList<'a> {
    /// How many.
    #[must_use]
    pub const fn len(self) -> usize {
        match self.0 {
            List::V4(list) => list.len(),
            List::V6(list) => list.len(),
        }
    }

    /// Whether there are none, which only version 2 lets pass.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = IpAddr> + Clone + use<'a> {
        let (v4, v6): (&[[u8; 4]], &[[u8; 16]]) = match self.0 {
            List::V4(list) => (list, &[]),
            List::V6(list) => (&[], list),
        };
        let v4 = v4.iter().map(|octets| IpAddr::from(*octets));
        v4.chain(v6.iter().map(|octets| IpAddr::from(*octets)))
    }

    /// Whether these are the same addresses as `own`, in whatever order.
    #[must_use]
    pub fn same_as(self, own: &[IpAddr]) -> bool {
        // Mostly both are configured alike, order included.
        self.iter().eq(own.iter().copied())
            || (self.len() == own.len()
                && own
                    .iter()
                    .all(|address| self.iter().any(|one| one == *address))
                && self.iter().all(|address| own.contains(&address)))
    }
}

/// What is worth knowing of the IP header of an admitted advert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Who sent it.
    pub source: IpAddr,
    /// The group, or our own address.
    pub destination: IpAddr,
    /// TTL or hop limit: 255 if it has crossed no router.
    pub ttl: u8,
}

/// Takes an admitted frame apart: IP header, source MAC, and the VRRP message
/// with what follows it, cut to the length in the IP header. `None` if the
/// frame cannot have been admitted.
#[must_use]
pub fn locate(frame: &[u8]) -> Option<(Header, MacAddr, &[u8])> {
    let packet = frame.get(eth::LEN..)?;
    let (header, body) = match word(frame, eth::field::TYPE) {
        eth::TYPE_IPV4 => {
            let (ip, body) = ipv4::parse(packet)?;
            let header = Header {
                source: ip.source.into(),
                destination: ip.destination.into(),
                ttl: ip.ttl,
            };
            (header, body)
        }
        eth::TYPE_IPV6 => {
            let (ip, body) = ipv6::parse(packet)?;
            let header = Header {
                source: ip.source.into(),
                destination: ip.destination.into(),
                ttl: ip.hop_limit,
            };
            (header, body)
        }
        _ => return None,
    };
    Some((header, MacAddr(array(frame, eth::field::SOURCE)), body))
}
