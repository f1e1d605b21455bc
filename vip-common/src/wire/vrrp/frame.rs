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

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;
    use std::vec;

    use super::*;
    use crate::wire::fixtures::{
        GROUP, PASSWORD, SENDER, SENDER_MAC, V2, V3, V3_MESSAGE_ONLY, reference_sum, vrid,
    };

    const ADDRESSES: [Ipv4Addr; 2] = [
        Ipv4Addr::new(192, 168, 8, 100),
        Ipv4Addr::new(192, 168, 8, 101),
    ];

    fn centis(n: u16) -> Centis {
        Centis::new(n).unwrap()
    }

    fn version_2() -> FrameSpec<'static> {
        FrameSpec {
            source_mac: SENDER_MAC,
            source: SENDER,
            group: GROUP,
            vrid: vrid(),
            version: Version::V2,
            interval: Centis::ONE_SECOND,
            auth: PASSWORD,
            addresses: &ADDRESSES[..1],
            dialect: ChecksumDialect::PseudoHeader,
        }
    }

    fn version_3() -> FrameSpec<'static> {
        FrameSpec {
            version: Version::V3,
            interval: centis(1),
            addresses: &ADDRESSES,
            ..version_2()
        }
    }

    fn build(spec: &FrameSpec<'_>) -> AdvertFrame {
        AdvertFrame::new(spec).unwrap()
    }

    fn refusal(spec: &FrameSpec<'_>) -> Option<Unencodable> {
        AdvertFrame::new(spec).err()
    }

    #[test]
    fn construct_version_2() {
        let mut frame = build(&version_2());
        assert_eq!(frame.seal(1, Priority::from_wire(100)), V2);
    }

    #[test]
    fn construct_version_3_in_both_dialects() {
        let mut frame = build(&version_3());
        assert_eq!(frame.seal(0x1234, Priority::from_wire(150)), V3);
        let mut frame = build(&FrameSpec {
            dialect: ChecksumDialect::MessageOnly,
            ..version_3()
        });
        assert_eq!(
            frame.seal(0x1234, Priority::from_wire(150)),
            V3_MESSAGE_ONLY
        );
    }

    #[test]
    fn sealing_leaves_nothing_of_the_seal_before() {
        let mut frame = build(&version_2());
        let _ = frame.seal(0xa5a5, Priority::from_wire(0xa5));
        let _ = frame.seal(0xffff, Priority::from_wire(0xff));
        assert_eq!(frame.seal(1, Priority::from_wire(100)), V2);
    }

    #[test]
    fn version_2_without_password_ends_in_eight_zeros() {
        let mut frame = build(&FrameSpec {
            auth: Auth::None,
            ..version_2()
        });
        let frame = frame.seal(1, Priority::DEFAULT);
        assert_eq!(frame.len(), V2.len());
        assert_eq!(frame[VRRP + 4], 0);
        assert_eq!(frame[46..], [0; 8]);
        assert_eq!(reference_sum(&frame[VRRP..]), 0xffff);
    }

    #[test]
    fn version_2_ignores_the_dialect() {
        let mut frame = build(&FrameSpec {
            dialect: ChecksumDialect::MessageOnly,
            ..version_2()
        });
        assert_eq!(frame.seal(1, Priority::DEFAULT), V2);
    }

    #[test]
    fn the_longest_advert_fits() {
        let addresses = vec![Ipv4Addr::new(10, 1, 2, 3); 255];
        let mut frame = build(&FrameSpec {
            addresses: &addresses,
            ..version_2()
        });
        let frame = frame.seal(9, Priority::DEFAULT);
        assert_eq!(frame.len(), MAX_FRAME);
        assert_eq!(frame[16..18], [0x04, 0x20]);
        assert_eq!(frame[VRRP + 3], 255);
        assert_eq!(frame[MAX_FRAME - 12..MAX_FRAME - 8], [10, 1, 2, 3]);
        assert_eq!(&frame[MAX_FRAME - 8..], b"1111\0\0\0\0");
        assert_eq!(reference_sum(&frame[IP..VRRP]), 0xffff);
        assert_eq!(reference_sum(&frame[VRRP..]), 0xffff);
    }

    #[test]
    fn an_advert_may_name_nothing() {
        let mut frame = build(&FrameSpec {
            addresses: &[],
            ..version_3()
        });
        let frame = frame.seal(1, Priority::DEFAULT);
        assert_eq!(frame.len(), VRRP + HEADER_LEN);
        assert_eq!(frame[16..18], [0, 28]);
    }

    #[test]
    fn more_addresses_than_a_byte_counts_are_refused() {
        let addresses = vec![Ipv4Addr::new(10, 1, 2, 3); 256];
        let refusal = refusal(&FrameSpec {
            addresses: &addresses,
            ..version_2()
        });
        assert_eq!(refusal, Some(Unencodable::TooManyAddresses { count: 256 }));
        assert_eq!(
            refusal.unwrap().to_string(),
            "256 addresses do not fit into one advert: keep 255, exclude the rest"
        );
    }

    #[test]
    fn intervals_are_written_in_each_versions_unit() {
        let mut frame = build(&FrameSpec {
            interval: Centis::V2_MAX,
            ..version_2()
        });
        assert_eq!(frame.seal(1, Priority::DEFAULT)[VRRP + 5], 255);
        let mut frame = build(&FrameSpec {
            interval: Centis::V3_MAX,
            ..version_3()
        });
        let frame = frame.seal(1, Priority::DEFAULT);
        assert_eq!(frame[VRRP + 4..VRRP + 6], [0x0f, 0xff]);
    }

    #[test]
    fn intervals_that_do_not_fit_are_refused() {
        let spec = FrameSpec {
            interval: centis(150),
            ..version_2()
        };
        let unfit = refusal(&spec).unwrap();
        assert_eq!(
            unfit,
            Unencodable::Interval {
                version: Version::V2,
                interval: centis(150)
            }
        );
        assert_eq!(
            unfit.to_string(),
            "an advert of version 2 cannot carry an interval of 1500 ms: \
             use whole seconds, or version 3"
        );
        let spec = FrameSpec {
            interval: centis(4096),
            ..version_3()
        };
        assert_eq!(
            refusal(&spec).unwrap().to_string(),
            "an advert of version 3 cannot carry an interval of 40960 ms: use at most 40.95 s"
        );
    }
}
