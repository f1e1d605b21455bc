//! Our own adverts, built ahead so that sending one is a matter of a few stores.

use core::fmt;
use core::net::IpAddr;

use super::{
    AUTH_LEN, Auth, ChecksumDialect, GROUP_V4, HEADER_LEN, TRAILER_LEN, TYPE_ADVERTISEMENT,
};
use crate::ids::{Family, MacAddr, Priority, Version, Vrid};
use crate::time::Centis;
use crate::wire::checksum::Sum;
#[cfg(feature = "core")]
use crate::wire::hmac::{Signer, UtcStamp};
use crate::wire::{eth, ipv4, ipv6, put};

/// Start of the IP header.
const IP: usize = eth::LEN;
/// Adverts are never fragmented, so none is longer than Ethernet allows.
const MAX_FRAME: usize = eth::LEN + 1500;

/// Internetwork control, as keepalived marks its adverts.
const TOS: u8 = 0xc0;

/// Most addresses that an advert can name: over IPv4 their count is a byte, over
/// IPv6 the packet must not be longer than 1500 bytes.
#[must_use]
pub const fn max_addresses(family: Family) -> usize {
    match family {
        Family::V4 => 255,
        Family::V6 => (MAX_FRAME - message_at(Family::V6) - HEADER_LEN - TRAILER_LEN) / 16,
    }
}

/// Where the VRRP message starts in the frame.
const fn message_at(family: Family) -> usize {
    IP + match family {
        Family::V4 => ipv4::MIN_LEN,
        Family::V6 => ipv6::LEN,
    }
}

const _: () = assert!(
    message_at(Family::V4) + HEADER_LEN + 4 * max_addresses(Family::V4) + AUTH_LEN + TRAILER_LEN
        <= MAX_FRAME
);

/// All that an advert says, but for its identification and priority.
#[derive(Clone, Copy, Debug)]
pub struct FrameSpec<'a> {
    /// The MAC that it comes from: the interface's, or the virtual one.
    pub source_mac: MacAddr,
    /// The MAC that it goes to: the group's, or the next hop's to a unicast peer.
    /// Means nothing where the packet leaves by a raw IP socket.
    pub destination_mac: MacAddr,
    /// Our primary address on the interface; over IPv6 the link-local one.
    pub source: IpAddr,
    /// The group, normally 224.0.0.18 or ff02::12, or a unicast peer.
    pub destination: IpAddr,
    /// TTL or hop limit: 255 on multicast, the proof that no router was crossed
    /// (RFC 9568 sections 5.1.1.3 and 5.1.2.3).
    pub ttl: u8,
    /// Our VRID.
    pub vrid: Vrid,
    /// Our version.
    pub version: Version,
    /// Our interval: whole seconds for version 2, at most
    /// [`Centis::V3_MAX`] for version 3.
    pub interval: Centis,
    /// Version 2's authentication; version 3 has none and ignores this.
    pub auth: Auth,
    /// What we speak for, at most [`max_addresses`], all of one family with
    /// source and destination.
    pub addresses: &'a [IpAddr],
    /// How version 3's checksum is made over IPv4; version 2 and IPv6 ignore this.
    pub dialect: ChecksumDialect,
}

/// Why no advert can say what a [`FrameSpec`] asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unencodable {
    /// More than [`max_addresses`].
    TooManyAddresses {
        /// How many.
        count: usize,
        /// How many could be.
        most: usize,
    },
    /// The interval is beyond the field's range or finer than its unit.
    Interval {
        /// The version whose field it is.
        version: Version,
        /// The interval.
        interval: Centis,
    },
    /// An address is not of the source's family.
    Families {
        /// The source.
        source: IpAddr,
        /// The address of the other family.
        other: IpAddr,
    },
    /// Version 2 knows no IPv6.
    Version,
}

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyAddresses { count, most } => write!(
                f,
                "{count} addresses do not fit into one advert: keep {most}, exclude the rest"
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
            Self::Families { source, other } => write!(
                f,
                "an advert from {source} cannot name {other}: \
                 IPv4 and IPv6 need an instance each, exclude one of them"
            ),
            Self::Version => f.write_str("version 2 cannot speak for IPv6: use version 3"),
        }
    }
}

impl core::error::Error for Unencodable {}

/// A router's advert, whole but for what [`AdvertFrame::seal`] puts in. Not
/// `Debug`: it holds the password.
#[derive(Clone)]
pub struct AdvertFrame {
    bytes: [u8; MAX_FRAME],
    family: Family,
    #[cfg(feature = "core")]
    source: IpAddr,
    /// Of the frame without trailer.
    len: usize,
    /// Of what was sealed last: with or without trailer.
    sealed: usize,
    /// Of the IP header with identification and checksum zero; over IPv6
    /// there is no such sum.
    ip_sum: Sum,
    /// Of the message with priority and checksum zero, with the pseudo header
    /// where it counts.
    message_sum: Sum,
}

impl AdvertFrame {
    /// Builds the frame.
    ///
    /// # Errors
    ///
    /// If the format has no room for what `spec` asks for.
    pub fn new(spec: &FrameSpec<'_>) -> Result<Self, Unencodable> {
        let family = family_of(spec)?;
        let most = max_addresses(family);
        let count = u8::try_from(spec.addresses.len())
            .ok()
            .filter(|count| usize::from(*count) <= most)
            .ok_or(Unencodable::TooManyAddresses {
                count: spec.addresses.len(),
                most,
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
        let auth: Option<[u8; AUTH_LEN]> = match (spec.version, spec.auth) {
            (Version::V2, Auth::Password(password)) => Some(password),
            (Version::V2, Auth::None) => Some([0; AUTH_LEN]),
            (Version::V3, _) => None,
        };

        let mut bytes = [0; MAX_FRAME];
        let start = message_at(family);
        let mut end = put(&mut bytes, start, &header);
        for address in spec.addresses {
            end = match address {
                IpAddr::V4(v4) => put(&mut bytes, end, &v4.octets()),
                IpAddr::V6(v6) => put(&mut bytes, end, &v6.octets()),
            };
        }
        if let Some(auth) = auth {
            end = put(&mut bytes, end, &auth);
        }
        // What lies beyond the message is zero and changes no sum.
        let mut message_sum = Sum::ZERO.bytes(bytes.get(start..).unwrap_or_default());
        let message_len = (end - start) as u16;
        if let Some(destination) = summed_destination(spec) {
            message_sum = message_sum.pseudo_header(spec.source, destination, message_len);
        }

        let (kind, ip_sum) = match (spec.source, spec.destination) {
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let next = ipv6::NEXT_VRRP;
                let ip = ipv6::header(next, spec.ttl, source, destination, message_len);
                put(&mut bytes, IP, &ip);
                (eth::TYPE_IPV6, Sum::ZERO)
            }
            _ => {
                let ip = ipv4_header(spec, ipv4::MIN_LEN as u16 + message_len);
                put(&mut bytes, IP, &ip);
                (eth::TYPE_IPV4, Sum::ZERO.bytes(&ip))
            }
        };
        let ethernet = eth::header(spec.destination_mac, spec.source_mac, kind);
        put(&mut bytes, 0, &ethernet);
        Ok(Self {
            bytes,
            family,
            #[cfg(feature = "core")]
            source: spec.source,
            len: end,
            sealed: end,
            ip_sum,
            message_sum,
        })
    }

    /// Puts in what differs from advert to advert and returns the frame, ready to
    /// be sent. `identification` is the router's own counter, +1 per advert;
    /// IPv6 has no place for it.
    pub fn seal(&mut self, identification: u16, priority: Priority) -> &[u8] {
        self.put_varying(identification, priority, 0);
        self.put_checksum(self.message_sum.word(priority_word(priority)));
        self.frame()
    }

    /// The same, signed at `now`: its trailer makes the frame longer by
    /// [`TRAILER_LEN`]. Costs three blocks of SHA-256 more for a few addresses.
    #[cfg(feature = "core")]
    pub fn seal_signed(
        &mut self,
        identification: u16,
        priority: Priority,
        signer: &mut Signer,
        now: UtcStamp,
    ) -> &[u8] {
        self.put_varying(identification, priority, TRAILER_LEN as u16);
        let message = self.bytes.get(message_at(self.family)..self.len);
        let trailer = signer.trailer(now, self.source, message.unwrap_or_default());
        put(&mut self.bytes, self.len, &trailer);
        let sum = self.message_sum.word(priority_word(priority));
        self.put_checksum(match self.family {
            Family::V4 => sum,
            Family::V6 => sum.word(TRAILER_LEN as u16).bytes(&trailer),
        });
        self.frame()
    }

    /// The frame as it was sealed last.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        self.bytes.get(..self.sealed).unwrap_or_default()
    }

    /// The same from the IP header on, as a raw socket with `IP_HDRINCL` or
    /// `IPV6_HDRINCL` takes it.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        self.bytes.get(IP..self.sealed).unwrap_or_default()
    }

    /// Everything but the message's checksum: lengths with so many bytes of
    /// trailer, identification, the IP header's checksum, priority.
    fn put_varying(&mut self, identification: u16, priority: Priority, trailer: u16) {
        self.sealed = self.len + usize::from(trailer);
        let message = message_at(self.family);
        match self.family {
            Family::V4 => {
                let total = (self.len - IP) as u16 + trailer;
                // Adding to the length adds to the sum.
                let sum = self.ip_sum.word(trailer).word(identification);
                let field = |at: usize| IP + at;
                self.put(field(ipv4::field::TOTAL_LENGTH), total);
                self.put(field(ipv4::field::IDENTIFICATION), identification);
                self.put(field(ipv4::field::CHECKSUM), sum.checksum());
            }
            Family::V6 => {
                let payload = (self.len - message) as u16 + trailer;
                self.put(IP + ipv6::field::PAYLOAD_LENGTH, payload);
            }
        }
        put(
            &mut self.bytes,
            message + super::field::PRIORITY,
            &[priority.get()],
        );
    }

    fn put_checksum(&mut self, sum: Sum) {
        let at = message_at(self.family) + super::field::CHECKSUM;
        self.put(at, sum.checksum());
    }

    fn put(&mut self, at: usize, value: u16) {
        put(&mut self.bytes, at, &value.to_be_bytes());
    }
}

/// The priority as the upper half of its word.
const fn priority_word(priority: Priority) -> u16 {
    u16::from_be_bytes([priority.get(), 0])
}

/// The one family of all addresses.
fn family_of(spec: &FrameSpec<'_>) -> Result<Family, Unencodable> {
    let family = Family::of(spec.source);
    let mut others = [spec.destination]
        .into_iter()
        .chain(spec.addresses.iter().copied());
    if let Some(other) = others.find(|other| Family::of(*other) != family) {
        return Err(Unencodable::Families {
            source: spec.source,
            other,
        });
    }
    if family == Family::V6 && spec.version == Version::V2 {
        return Err(Unencodable::Version);
    }
    Ok(family)
}

/// The destination in the pseudo header; `None` where none is summed.
fn summed_destination(spec: &FrameSpec<'_>) -> Option<IpAddr> {
    let is_ipv6 = spec.source.is_ipv6();
    match (spec.version, spec.dialect) {
        (Version::V2, _) => None,
        (Version::V3, _) if is_ipv6 => Some(spec.destination),
        (Version::V3, ChecksumDialect::PseudoHeader) => Some(spec.destination),
        (Version::V3, ChecksumDialect::OldUnicast) => Some(GROUP_V4.into()),
        (Version::V3, ChecksumDialect::MessageOnly) => None,
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
fn ipv4_header(spec: &FrameSpec<'_>, total: u16) -> [u8; ipv4::MIN_LEN] {
    let mut header = [0; ipv4::MIN_LEN];
    let octets = |address| match address {
        IpAddr::V4(v4) => v4.octets(),
        // Not of this header: the families have been compared.
        IpAddr::V6(_) => [0; 4],
    };
    let [high, low] = total.to_be_bytes();
    let start = [0x45, TOS, high, low, 0, 0, 0, 0];
    put(&mut header, 0, &start);
    put(
        &mut header,
        ipv4::field::TTL,
        &[spec.ttl, ipv4::PROTOCOL_VRRP],
    );
    put(&mut header, ipv4::field::SOURCE, &octets(spec.source));
    put(
        &mut header,
        ipv4::field::DESTINATION,
        &octets(spec.destination),
    );
    header
}

#[cfg(test)]
mod tests;
