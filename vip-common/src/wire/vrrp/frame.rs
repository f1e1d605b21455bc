//! Our own adverts, built ahead so that sending one is a matter of a few stores.

use core::fmt;
use core::net::Ipv4Addr;

use super::{AUTH_LEN, Auth, ChecksumDialect, HEADER_LEN, MAX_ADDRESSES, TYPE_ADVERTISEMENT};
use crate::ids::{MacAddr, Priority, Version, Vrid};
use crate::time::Centis;
use crate::wire::checksum::Sum;
use crate::wire::{eth, ipv4};

const IP: usize = eth::LEN;
const VRRP: usize = IP + ipv4::MIN_LEN;
const MAX_FRAME: usize = VRRP + HEADER_LEN + 4 * MAX_ADDRESSES + AUTH_LEN;

/// Internetwork control, as keepalived marks its adverts.
const TOS: u8 = 0xc0;
/// Proof that no router was crossed (RFC 9568 section 5.1.1.3).
const TTL: u8 = 255;

/// All that an advert says, but for its identification and priority.
#[derive(Clone, Copy, Debug)]
pub struct FrameSpec<'a> {
    /// The interface's MAC.
    pub source_mac: MacAddr,
    /// Our primary address on the interface.
    pub source: Ipv4Addr,
    /// The group, normally 224.0.0.18.
    pub group: Ipv4Addr,
    /// Our VRID.
    pub vrid: Vrid,
    /// Our version.
    pub version: Version,
    /// Our interval: whole seconds for version 2, at most
    /// [`Centis::V3_MAX`] for version 3.
    pub interval: Centis,
    /// Version 2's authentication; version 3 has none and ignores this.
    pub auth: Auth,
    /// What we speak for, at most [`MAX_ADDRESSES`].
    pub addresses: &'a [Ipv4Addr],
    /// How version 3's checksum is made; version 2 ignores this.
    pub dialect: ChecksumDialect,
}

/// Why no advert can say what a [`FrameSpec`] asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unencodable {
    /// More than [`MAX_ADDRESSES`].
    TooManyAddresses {
        /// How many.
        count: usize,
    },
    /// The interval is beyond the field's range or finer than its unit.
    Interval {
        /// The version whose field it is.
        version: Version,
        /// The interval.
        interval: Centis,
    },
}

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyAddresses { count } => write!(
                f,
                "{count} addresses do not fit into one advert: keep {MAX_ADDRESSES}, exclude the rest"
            ),
            Self::Interval {
                version: Version::V2,
                interval,
            } => write!(
                f,
                "an advert of version 2 cannot carry an interval of {interval}: \
                 use whole seconds, or version 3"
            ),
            Self::Interval {
                version: Version::V3,
                interval,
            } => write!(
                f,
                "an advert of version 3 cannot carry an interval of {interval}: \
                 use at most 40.95 s"
            ),
        }
    }
}

impl core::error::Error for Unencodable {}

/// A whole Ethernet frame with an advert in it, complete but for identification,
/// priority and the two checksums, which [`AdvertFrame::seal`] puts in. Not
/// `Debug`: it holds the password.
#[derive(Clone)]
pub struct AdvertFrame {
    bytes: [u8; MAX_FRAME],
    len: usize,
    /// Of the IP header with identification and checksum zero.
    ip_sum: Sum,
    /// Of the message with priority and checksum zero, with the pseudo header
    /// where it counts.
    vrrp_sum: Sum,
}

impl AdvertFrame {
    /// Builds the frame.
    ///
    /// # Errors
    ///
    /// If the format has no room for what `spec` asks for.
    pub fn new(spec: &FrameSpec<'_>) -> Result<Self, Unencodable> {
        let count =
            u8::try_from(spec.addresses.len()).map_err(|_| Unencodable::TooManyAddresses {
                count: spec.addresses.len(),
            })?;
        let [high, low] = interval_bytes(spec).ok_or(Unencodable::Interval {
            version: spec.version,
            interval: spec.interval,
        })?;
        let header = [
            spec.version.get() << 4 | TYPE_ADVERTISEMENT,
            spec.vrid.get(),
            0,
            count,
            high,
            low,
            0,
            0,
        ];
        let (auth, auth_len) = match (spec.version, spec.auth) {
            (Version::V2, Auth::Password(password)) => (password, AUTH_LEN),
            (Version::V2, Auth::None) => ([0; AUTH_LEN], AUTH_LEN),
            (Version::V3, _) => ([0; AUTH_LEN], 0),
        };
        let message_len = HEADER_LEN as u16 + 4 * u16::from(count) + auth_len as u16;
        let ip = ip_header(spec, ipv4::MIN_LEN as u16 + message_len);

        let frame = eth::header(eth::group_mac(spec.group), spec.source_mac, eth::TYPE_IPV4)
            .into_iter()
            .chain(ip)
            .chain(header)
            .chain(spec.addresses.iter().flat_map(Ipv4Addr::octets))
            .chain(auth.into_iter().take(auth_len));
        let mut bytes = [0; MAX_FRAME];
        for (to, from) in bytes.iter_mut().zip(frame) {
            *to = from;
        }
        // What lies beyond the message is zero and changes no sum.
        let message = bytes.get(VRRP..).unwrap_or_default();
        let mut vrrp_sum = Sum::ZERO.bytes(message);
        if spec.version == Version::V3 && spec.dialect == ChecksumDialect::PseudoHeader {
            vrrp_sum = vrrp_sum.pseudo_header(spec.source, spec.group, message_len);
        }
        Ok(Self {
            len: VRRP + usize::from(message_len),
            ip_sum: Sum::ZERO.bytes(&ip),
            vrrp_sum,
            bytes,
        })
    }

    /// Puts in what differs from advert to advert and returns the frame, ready to
    /// be sent. `identification` is the router's own counter, +1 per advert.
    pub fn seal(&mut self, identification: u16, priority: Priority) -> &[u8] {
        let ip_checksum = self.ip_sum.word(identification).checksum();
        // The priority is the upper half of its word.
        let priority_word = u16::from_be_bytes([priority.get(), 0]);
        let vrrp_checksum = self.vrrp_sum.word(priority_word).checksum();

        self.put(
            IP + ipv4::field::IDENTIFICATION,
            identification.to_be_bytes(),
        );
        self.put(IP + ipv4::field::CHECKSUM, ip_checksum.to_be_bytes());
        self.put(VRRP + super::field::PRIORITY, [priority.get()]);
        self.put(VRRP + super::field::CHECKSUM, vrrp_checksum.to_be_bytes());
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        for (to, from) in self.bytes.iter_mut().skip(at).zip(value) {
            *to = from;
        }
    }
}

/// The two bytes of authentication type and interval (version 2) or of the
/// interval alone (version 3). `None` if it does not fit.
fn interval_bytes(spec: &FrameSpec<'_>) -> Option<[u8; 2]> {
    let centis = spec.interval.get();
    match spec.version {
        Version::V2 if centis.is_multiple_of(100) => {
            Some([spec.auth.kind(), u8::try_from(centis / 100).ok()?])
        }
        Version::V3 if spec.interval <= Centis::V3_MAX => Some(centis.to_be_bytes()),
        Version::V2 | Version::V3 => None,
    }
}

/// The IP header with identification and checksum zero. "Don't fragment" is
/// clear, as keepalived has it.
fn ip_header(spec: &FrameSpec<'_>, total: u16) -> [u8; ipv4::MIN_LEN] {
    let [t, l] = total.to_be_bytes();
    let [a, b, c, d] = spec.source.octets();
    let [e, f, g, h] = spec.group.octets();
    [
        0x45,
        TOS,
        t,
        l,
        0,
        0,
        0,
        0,
        TTL,
        ipv4::PROTOCOL_VRRP,
        0,
        0,
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
    ]
}
