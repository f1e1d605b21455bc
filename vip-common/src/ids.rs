//! The small values of the protocol, each with its range.

use core::fmt;
use core::net::IpAddr;

/// Protocol version of a virtual router.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Version {
    /// RFC 3768: IPv4 only, intervals in seconds, an optional password.
    V2 = 2,
    /// RFC 9568: intervals in centiseconds.
    V3 = 3,
}

impl Version {
    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self as u8
    }
}

/// Address family of a virtual router. IPv4 and IPv6 routers with the same
/// VRID are independent (RFC 9568 section 5.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Family {
    /// IPv4.
    V4 = 4,
    /// IPv6, in version 3 only.
    V6 = 6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// Virtual Router Identifier, 1 to 255.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "u8", into = "u8")
)]
pub struct Vrid(u8);

impl Vrid {
    /// `None` for zero.
    #[must_use]
    pub const fn new(id: u8) -> Option<Self> {
        if id == 0 { None } else { Some(Self(id)) }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Vrid {
    type Error = &'static str;

    fn try_from(id: u8) -> Result<Self, Self::Error> {
        Self::new(id).ok_or("a VRID is 1 to 255")
    }
}

impl From<Vrid> for u8 {
    fn from(vrid: Vrid) -> Self {
        vrid.0
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Election priority. Zero is never configured: it says that the Active
/// Router has stopped taking part (RFC 9568 section 5.2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Priority(u8);

impl Priority {
    /// "I am leaving", sent by an Active Router that gives up.
    pub const RESIGN: Self = Self(0);
    /// The address owner's.
    pub const OWNER: Self = Self(255);
    /// The default of a Backup.
    pub const DEFAULT: Self = Self(100);

    /// A configurable priority, 1 to 255; `None` for zero.
    #[must_use]
    pub const fn new(priority: u8) -> Option<Self> {
        if priority == 0 {
            None
        } else {
            Some(Self(priority))
        }
    }

    /// As it came from the wire, zero included.
    #[must_use]
    pub const fn from_wire(priority: u8) -> Self {
        Self(priority)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether this is the announcement of a leave.
    #[must_use]
    pub const fn is_resign(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A link-layer address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// All hosts of the segment.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// Nobody: what a slot holds that was never written.
    pub const ZERO: Self = Self([0; 6]);
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
