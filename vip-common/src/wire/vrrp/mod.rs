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

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;
    use std::vec::Vec;

    use super::*;
    use crate::wire::fixtures::{
        GROUP, PASSWORD, SENDER, SENDER_MAC, V2, V3, V3_MESSAGE_ONLY, VRRP, expect, repair_message,
        with_addresses, with_options,
    };

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 100);
    const SECOND_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 101);

    fn decode_2(body: &[u8]) -> Result<Advert<'_>, RejectReason> {
        decode(SENDER, GROUP, body, &expect(Version::V2))
    }

    fn decode_3(body: &[u8]) -> Result<Advert<'_>, RejectReason> {
        decode(SENDER, GROUP, body, &expect(Version::V3))
    }

    /// A message with one byte replaced and its checksum right.
    fn changed(frame: &[u8], at: usize, value: u8) -> Vec<u8> {
        let mut body = Vec::from(&frame[VRRP..]);
        body[at] = value;
        repair_message(&mut body);
        body
    }

    fn addresses(advert: &Advert<'_>) -> Vec<Ipv4Addr> {
        advert.addresses.iter().collect()
    }

    #[test]
    fn deconstruct_version_2() {
        let advert = decode_2(&V2[VRRP..]).unwrap();
        assert_eq!(advert.priority.get(), 100);
        assert_eq!(advert.interval, Centis::ONE_SECOND);
        assert_eq!(advert.dialect, ChecksumDialect::MessageOnly);
        assert_eq!(addresses(&advert), [ADDRESS]);
        assert!(!advert.addresses.is_empty());
    }

    #[test]
    fn deconstruct_version_3_in_both_dialects() {
        for (frame, dialect) in [
            (&V3, ChecksumDialect::PseudoHeader),
            (&V3_MESSAGE_ONLY, ChecksumDialect::MessageOnly),
        ] {
            let advert = decode_3(&frame[VRRP..]).unwrap();
            assert_eq!(advert.priority.get(), 150);
            assert_eq!(advert.interval, Centis::new(1).unwrap());
            assert_eq!(advert.dialect, dialect);
            assert_eq!(addresses(&advert), [ADDRESS, SECOND_ADDRESS]);
        }
    }

    #[test]
    fn the_dialect_says_whose_addresses_were_summed() {
        let body = &V3[VRRP..];
        let other = Ipv4Addr::new(192, 168, 8, 5);
        let own = expect(Version::V3);
        assert_eq!(
            decode(other, GROUP, body, &own),
            Err(RejectReason::Checksum)
        );
        assert_eq!(
            decode(SENDER, other, body, &own),
            Err(RejectReason::Checksum)
        );
        let body = &V3_MESSAGE_ONLY[VRRP..];
        assert!(decode(other, other, body, &own).is_ok());
    }

    #[test]
    fn version_2_has_no_pseudo_header() {
        let mut body = Vec::from(&V2[VRRP..]);
        body[6..8].fill(0);
        let sum = Sum::ZERO.bytes(&body).pseudo_header(SENDER, GROUP, 20);
        body[6..8].copy_from_slice(&sum.checksum().to_be_bytes());
        assert_eq!(decode_2(&body), Err(RejectReason::Checksum));
    }

    #[test]
    fn priority_zero_and_255_are_read_as_they_are() {
        let resign = changed(&V2, 2, 0);
        assert!(decode_2(&resign).unwrap().priority.is_resign());
        let owner = changed(&V2, 2, 255);
        assert_eq!(decode_2(&owner).unwrap().priority, Priority::OWNER);
    }

    #[test]
    fn twenty_and_255_addresses_are_read() {
        for version in [Version::V2, Version::V3] {
            for count in [20, 255] {
                let frame = with_addresses(version, count);
                let advert = decode(SENDER, GROUP, &frame[VRRP..], &expect(version)).unwrap();
                assert_eq!(advert.addresses.len(), usize::from(count));
                let last = Ipv4Addr::new(10, 0, 0, count - 1);
                assert_eq!(advert.addresses.iter().last(), Some(last));
            }
        }
    }

    #[test]
    fn no_addresses_pass_in_version_2_only() {
        let frame = with_addresses(Version::V2, 0);
        let advert = decode_2(&frame[VRRP..]).unwrap();
        assert!(advert.addresses.is_empty());
        assert_eq!(advert.addresses.len(), 0);
        let frame = with_addresses(Version::V3, 0);
        assert_eq!(decode_3(&frame[VRRP..]), Err(RejectReason::NoAddresses));
    }

    #[test]
    fn refuses_what_is_shorter_than_a_header() {
        for len in 0..8 {
            assert_eq!(
                decode_2(&V2[VRRP..VRRP + len]),
                Err(RejectReason::Length),
                "{len}"
            );
        }
    }

    #[test]
    fn refuses_another_version() {
        assert_eq!(decode_2(&V3[VRRP..]), Err(RejectReason::Version));
        assert_eq!(decode_3(&V2[VRRP..]), Err(RejectReason::Version));
        assert_eq!(decode_2(&changed(&V2, 0, 0x41)), Err(RejectReason::Version));
    }

    #[test]
    fn refuses_another_vrid() {
        assert_eq!(decode_2(&changed(&V2, 1, 52)), Err(RejectReason::Vrid));
        assert_eq!(decode_2(&changed(&V2, 1, 0)), Err(RejectReason::Vrid));
    }

    #[test]
    fn refuses_a_length_that_does_not_fit_the_count() {
        for count in (0..=255).filter(|count| *count != 1) {
            let body = changed(&V2, 3, count);
            assert_eq!(decode_2(&body), Err(RejectReason::Length), "{count}");
        }
        for count in (0..=255).filter(|count| *count != 2) {
            let body = changed(&V3, 3, count);
            assert_eq!(decode_3(&body), Err(RejectReason::Length), "{count}");
        }
    }

    #[test]
    fn refuses_bytes_missing_or_left_over() {
        for (frame, version) in [(&V2[..], Version::V2), (&V3, Version::V3)] {
            let whole = &frame[VRRP..];
            for len in 8..whole.len() {
                let judgement = decode(SENDER, GROUP, &whole[..len], &expect(version));
                assert_eq!(judgement, Err(RejectReason::Length), "{len}");
            }
            for more in 1..40 {
                let mut longer = Vec::from(whole);
                longer.resize(whole.len() + more, 0);
                let judgement = decode(SENDER, GROUP, &longer, &expect(version));
                assert_eq!(judgement, Err(RejectReason::Length), "{more}");
            }
        }
    }

    #[test]
    fn refuses_another_authentication_type() {
        for kind in (0..=255).filter(|kind| *kind != 1) {
            let body = changed(&V2, 4, kind);
            assert_eq!(decode_2(&body), Err(RejectReason::AuthType), "{kind}");
        }
    }

    #[test]
    fn refuses_a_password_where_none_is_expected() {
        let open = Expect {
            auth: Auth::None,
            ..expect(Version::V2)
        };
        assert_eq!(
            decode(SENDER, GROUP, &V2[VRRP..], &open),
            Err(RejectReason::AuthType)
        );
        // Type 0, and what follows means nothing.
        let body = changed(&V2, 4, 0);
        assert!(decode(SENDER, GROUP, &body, &open).is_ok());
    }

    #[test]
    fn refuses_a_password_that_differs_anywhere() {
        for at in 12..20 {
            for bit in 0..8 {
                let mut body = Vec::from(&V2[VRRP..]);
                body[at] ^= 1 << bit;
                repair_message(&mut body);
                assert_eq!(decode_2(&body), Err(RejectReason::AuthPassword));
            }
        }
    }

    #[test]
    fn differences_in_a_password_do_not_cancel_out() {
        let mut body = Vec::from(&V2[VRRP..]);
        body[12] ^= 0x40;
        body[13] ^= 0x40;
        repair_message(&mut body);
        assert_eq!(decode_2(&body), Err(RejectReason::AuthPassword));
    }

    #[test]
    fn version_3_knows_no_password() {
        let frame = Vec::from(V3);
        for auth in [Auth::None, PASSWORD] {
            let own = Expect {
                auth,
                ..expect(Version::V3)
            };
            assert!(decode(SENDER, GROUP, &frame[VRRP..], &own).is_ok());
        }
    }

    #[test]
    fn refuses_another_interval_in_version_2() {
        for seconds in (0..=255).filter(|seconds| *seconds != 1) {
            let body = changed(&V2, 5, seconds);
            assert_eq!(decode_2(&body), Err(RejectReason::Interval), "{seconds}");
        }
    }

    #[test]
    fn learns_any_interval_but_zero_in_version_3() {
        let zero = changed(&V3, 5, 0);
        assert_eq!(decode_3(&zero), Err(RejectReason::ZeroInterval));
        let mut longest = changed(&V3, 5, 0xff);
        longest[4] = 0x0f;
        repair_message(&mut longest);
        assert_eq!(decode_3(&longest).unwrap().interval, Centis::V3_MAX);
    }

    #[test]
    fn reserved_bits_of_version_3_are_no_interval() {
        let body = changed(&V3, 4, 0xf0);
        assert_eq!(decode_3(&body).unwrap().interval, Centis::new(1).unwrap());
        let mut zero = changed(&V3, 4, 0xf0);
        zero[5] = 0;
        repair_message(&mut zero);
        assert_eq!(decode_3(&zero), Err(RejectReason::ZeroInterval));
    }

    #[test]
    fn refuses_types_other_than_advertisement() {
        for kind in (0..16).filter(|kind| *kind != 1) {
            assert_eq!(
                decode_2(&changed(&V2, 0, 0x20 | kind)),
                Err(RejectReason::Type)
            );
            assert_eq!(
                decode_3(&changed(&V3, 0, 0x30 | kind)),
                Err(RejectReason::Type)
            );
        }
    }

    #[test]
    fn refuses_a_wrong_checksum() {
        for at in [2, 6, 7, 8, 11] {
            let mut body = Vec::from(&V2[VRRP..]);
            body[at] ^= 0x01;
            assert_eq!(decode_2(&body), Err(RejectReason::Checksum), "{at}");
            let mut body = Vec::from(&V3[VRRP..]);
            body[at] ^= 0x01;
            assert_eq!(decode_3(&body), Err(RejectReason::Checksum), "{at}");
        }
    }

    #[test]
    fn locate_takes_a_frame_apart() {
        let mut padded = with_options(&V2, 3);
        padded.extend([0xa5; 4]);
        let (header, mac, body) = locate(&padded).unwrap();
        assert_eq!((header.source, header.destination), (SENDER, GROUP));
        assert_eq!((header.ttl, header.identification), (255, 1));
        assert_eq!(mac, SENDER_MAC);
        assert_eq!(body, &V2[VRRP..]);
    }

    #[test]
    fn locate_finds_nothing_in_half_a_frame() {
        for len in 0..V2.len() {
            assert!(locate(&V2[..len]).is_none(), "{len}");
        }
    }

    #[test]
    fn address_lists_are_the_same_in_any_order() {
        let advert = decode_3(&V3[VRRP..]).unwrap();
        let list = advert.addresses;
        let stranger = Ipv4Addr::new(192, 168, 8, 102);
        assert!(list.same_as(&[ADDRESS, SECOND_ADDRESS]));
        assert!(list.same_as(&[SECOND_ADDRESS, ADDRESS]));
        for other in [
            &[][..],
            &[ADDRESS],
            &[ADDRESS, ADDRESS],
            &[stranger, ADDRESS],
            &[ADDRESS, stranger],
            &[ADDRESS, SECOND_ADDRESS, ADDRESS],
            &[ADDRESS, SECOND_ADDRESS, stranger],
        ] {
            assert!(!list.same_as(other), "{other:?}");
        }
    }

    #[test]
    fn a_list_that_repeats_an_address_is_not_ours() {
        let mut body = Vec::from(&V3[VRRP..]);
        body[15] = 100;
        repair_message(&mut body);
        let advert = decode_3(&body).unwrap();
        assert!(!advert.addresses.same_as(&[ADDRESS, SECOND_ADDRESS]));
    }

    #[test]
    fn a_password_never_shows() {
        assert_eq!(format!("{PASSWORD:?}"), "Password(..)");
        assert_eq!(format!("{:?}", Auth::None), "None");
        assert!(!format!("{:?}", expect(Version::V2)).contains("49, 49"));
    }
}
