//! Reading adverts: every check that needs the whole packet or a secret.

use core::net::IpAddr;

use super::{
    AUTH_LEN, AddressList, Advert, Auth, ChecksumDialect, Expect, GROUP_V4, HEADER_LEN, List,
    TRAILER_LEN, TYPE_ADVERTISEMENT,
};
use crate::ids::{Family, Priority, Version};
use crate::reject::RejectReason;
use crate::time::Centis;
use crate::wire::checksum::Sum;

/// Checks a VRRP message from `source` to `destination` and reads it.
///
/// The order is keepalived's, except that the version comes before the length,
/// which depends on it: length, authentication, interval, type, checksum.
/// Everything is checked again that the program at the NIC has checked, because
/// the router may have been reconfigured since.
///
/// A signed advert is too long here, as it is for a keepalived without
/// `auth_hmac`; a `hmac::Verifier` reads those.
///
/// # Errors
///
/// The first reason against it.
pub fn decode<'a>(
    source: IpAddr,
    destination: IpAddr,
    body: &'a [u8],
    expect: &Expect,
) -> Result<Advert<'a>, RejectReason> {
    decode_checked(source, destination, body, expect, |_, trailer| {
        if trailer.is_empty() {
            Ok(None)
        } else {
            Err(RejectReason::Length)
        }
    })
}

/// As [`decode`], with `check` to judge message and trailer (empty, or
/// [`TRAILER_LEN`] bytes) and to say which key signed them.
pub(in crate::wire) fn decode_checked<'a>(
    source: IpAddr,
    destination: IpAddr,
    body: &'a [u8],
    expect: &Expect,
    check: impl FnOnce(&'a [u8], &'a [u8]) -> Result<Option<u8>, RejectReason>,
) -> Result<Advert<'a>, RejectReason> {
    if Family::of(source) != expect.family || Family::of(destination) != expect.family {
        return Err(RejectReason::IpVersion);
    }
    let (header, rest) = body
        .split_first_chunk::<HEADER_LEN>()
        .ok_or(RejectReason::Length)?;
    let [version_type, vrid, priority, count, high, low, _, _] = *header;

    // There is no version 2 over IPv6 (RFC 9568 section 5.2.1).
    let version_is_possible = expect.family == Family::V4 || expect.version == Version::V3;
    if version_type >> 4 != expect.version.get() || !version_is_possible {
        return Err(RejectReason::Version);
    }
    if vrid != expect.vrid.get() {
        return Err(RejectReason::Vrid);
    }
    let (list, rest) = split_list(expect.family, count, rest).ok_or(RejectReason::Length)?;
    let auth_len = match expect.version {
        Version::V2 => AUTH_LEN,
        Version::V3 => 0,
    };
    let (password, trailer) = rest
        .split_at_checked(auth_len)
        .ok_or(RejectReason::Length)?;
    if !(trailer.is_empty() || trailer.len() == TRAILER_LEN) {
        return Err(RejectReason::Length);
    }
    let (message, _) = body
        .split_at_checked(body.len() - trailer.len())
        .ok_or(RejectReason::Length)?;
    let signed = check(message, trailer)?;

    let interval = match expect.version {
        Version::V2 => {
            check_auth(high, password, expect.auth)?;
            Centis::from_secs(low)
                .filter(|interval| *interval == expect.interval)
                .ok_or(RejectReason::Interval)?
        }
        Version::V3 => {
            if count == 0 {
                return Err(RejectReason::NoAddresses);
            }
            // The upper four bits are reserved and ignored (RFC 9568 section 5.2.6).
            Centis::new(u16::from_be_bytes([high & 0x0f, low])).ok_or(RejectReason::ZeroInterval)?
        }
    };
    if version_type & 0x0f != TYPE_ADVERTISEMENT {
        return Err(RejectReason::Type);
    }
    // Over IPv4 the sum ends where the message does; over IPv6 keepalived's
    // kernel makes it, over all that follows the IP header.
    let covered = match expect.family {
        Family::V4 => message,
        Family::V6 => body,
    };
    Ok(Advert {
        priority: Priority::from_wire(priority),
        interval,
        addresses: AddressList(list),
        dialect: dialect_of(source, destination, covered, expect).ok_or(RejectReason::Checksum)?,
        signed,
    })
}

/// The `count` addresses, and what follows them. `None` if they are not all there.
fn split_list(family: Family, count: u8, rest: &[u8]) -> Option<(List<'_>, &[u8])> {
    let count = usize::from(count);
    // The lists are multiples of their addresses' size, so nothing remains.
    match family {
        Family::V4 => {
            let (list, rest) = rest.split_at_checked(4 * count)?;
            Some((List::V4(list.as_chunks().0), rest))
        }
        Family::V6 => {
            let (list, rest) = rest.split_at_checked(16 * count)?;
            Some((List::V6(list.as_chunks().0), rest))
        }
    }
}

/// Version 2's type byte and eight bytes against ours.
fn check_auth(kind: u8, password: &[u8], auth: Auth) -> Result<(), RejectReason> {
    let theirs: &[u8; AUTH_LEN] = password.try_into().map_err(|_| RejectReason::Length)?;
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
    source: IpAddr,
    destination: IpAddr,
    covered: &[u8],
    expect: &Expect,
) -> Option<ChecksumDialect> {
    let message = Sum::ZERO.bytes(covered);
    let len = u16::try_from(covered.len()).ok()?;
    let with_header = |destination| message.pseudo_header(source, destination, len).adds_up();

    if expect.version == Version::V3 && with_header(destination) {
        return Some(ChecksumDialect::PseudoHeader);
    }
    if expect.family == Family::V6 {
        return None;
    }
    if message.adds_up() {
        return Some(ChecksumDialect::MessageOnly);
    }
    let may_be_old =
        expect.version == Version::V3 && expect.old_unicast && !destination.is_multicast();
    (may_be_old && with_header(GROUP_V4.into())).then_some(ChecksumDialect::OldUnicast)
}
