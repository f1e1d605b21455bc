//! An advert as anybody may read it, without a configuration.

use std::net::IpAddr;
use std::time::Duration;

use vip_common::ids::{Family, MacAddr, Priority, Version, Vrid};
use vip_common::layout::RouterEntry;
use vip_common::layout::{self, mapped};
use vip_common::reject::RejectReason;
use vip_common::time::Centis;
use vip_common::wire::admit::{self, Kind};
use vip_common::wire::vrrp::{self, Auth, Expect, TRAILER_LEN};
use vip_common::wire::{self, ipv4};

/// What an advert says, and whether it would be refused whatever the configuration is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advert {
    /// The MAC that it comes from; zeros where the Ethernet header was not seen.
    pub mac: MacAddr,
    /// Who sent it.
    pub source: IpAddr,
    /// To the group, or to a unicast peer.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4's identification; IPv6 has none.
    pub ident: Option<u16>,
    /// Its virtual router.
    pub vrid: Vrid,
    /// The version that it says, which may be none that there is.
    pub version: u8,
    /// Its priority.
    pub priority: Priority,
    /// Its interval; `None` where it says zero.
    pub interval: Option<Centis>,
    /// What it speaks for.
    pub addresses: Vec<IpAddr>,
    /// Whether every router must refuse it, and why.
    pub verdict: Result<(), RejectReason>,
}

impl Advert {
    /// Its family.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// The version, where there is such a one.
    #[must_use]
    pub const fn known_version(&self) -> Option<Version> {
        match self.version {
            2 => Some(Version::V2),
            3 => Some(Version::V3),
            _ => None,
        }
    }

    /// Its interval as a span; a second where it says none.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.interval.unwrap_or(Centis::ONE_SECOND).span()
    }

    /// Reads a frame of which `frame` is the beginning and `frame_len` the length.
    /// `None` for what is no advert, or is too short to name its virtual router.
    #[must_use]
    pub fn read(frame: &[u8], frame_len: usize) -> Option<Self> {
        let head = wire::head(frame);
        let Kind::Advert(family, vrid) = admit::kind(&head, frame_len) else {
            return None;
        };
        let located = vrrp::locate(frame);
        let source = layout::address(admit::source(&head));
        let (destination, ttl, mac, body) = match located {
            Some((header, mac, body)) => (header.destination, header.ttl, mac, body),
            // Malformed, or not all of it was kept: what can be said is said.
            None => (vrrp::group(family), 0, MacAddr::ZERO, &[][..]),
        };
        let ident = match family {
            Family::V4 => packet_ident(frame),
            Family::V6 => None,
        };
        let mut advert = Self {
            mac,
            source,
            destination,
            ttl,
            ident,
            vrid,
            version: 0,
            priority: Priority::DEFAULT,
            interval: None,
            addresses: Vec::new(),
            verdict: Ok(()),
        };
        if let [version_type, _, priority, count, high, low, _, _, list @ ..] = body {
            advert.version = version_type >> 4;
            advert.priority = Priority::from_wire(*priority);
            advert.interval = match advert.version {
                2 => Centis::from_secs(*low),
                _ => Centis::new(u16::from_be_bytes([high & 0x0f, *low])),
            };
            advert.addresses = addresses(family, usize::from(*count), list);
        }
        advert.verdict = advert.judge(&head, frame_len, body, frame.len() >= frame_len);
        Some(advert)
    }

    /// The checks of [`admit::admit`] and [`vrrp::decode`] that need no configuration:
    /// as a router would make them that is meant by this very advert.
    fn judge(
        &self,
        head: &[u8; wire::HEAD],
        frame_len: usize,
        body: &[u8],
        is_whole: bool,
    ) -> Result<(), RejectReason> {
        let (kind, high) = match body {
            [version_type, _, _, _, high, ..] => (version_type & 0x0f, *high),
            _ => (vrrp::TYPE_ADVERTISEMENT, 0),
        };
        let version = self.known_version().ok_or(RejectReason::Version)?;
        if kind != vrrp::TYPE_ADVERTISEMENT {
            return Err(RejectReason::Type);
        }
        let is_unicast = !self.destination.is_multicast();
        let [mac @ .., _, _, _, _, _, _, _, _] = head.first_chunk::<14>().unwrap_or(&[0; 14]);
        let unicast = if is_unicast { RouterEntry::UNICAST } else { 0 };
        let router = RouterEntry {
            slot: 0,
            group: layout::octets(if is_unicast {
                vrrp::group(self.family())
            } else {
                self.destination
            }),
            primary: match (is_unicast, self.destination) {
                (true, destination) => layout::octets(destination),
                (false, IpAddr::V4(_)) => mapped([0; 4]),
                (false, IpAddr::V6(_)) => [0; 16],
            },
            broadcast: [0; 4],
            mac: MacAddr(*mac),
            version: version.get(),
            // Only what was sent to the group can be known to have crossed no router.
            min_ttl: if is_unicast { 0 } else { 255 },
            max_ttl: 255,
            flags: unicast | RouterEntry::TRAILER,
            pad: 0,
        };
        admit::admit(head, frame_len, &router)?;
        if !is_whole {
            return Ok(());
        }
        // What signs it is for whoever has the key.
        let signed = self.signed_len(body.len());
        let message = body.get(..body.len() - signed).unwrap_or(body);
        let expect = Expect {
            family: self.family(),
            vrid: self.vrid,
            version,
            interval: self.interval.ok_or(RejectReason::ZeroInterval)?,
            auth: match (version, high, message.last_chunk()) {
                (Version::V2, 1, Some(password)) => Auth::Password(*password),
                _ => Auth::None,
            },
            old_unicast: true,
        };
        match vrrp::decode(self.source, self.destination, message, &expect) {
            // Over IPv6 the sum covers the signature too.
            Err(RejectReason::Checksum) if signed > 0 => Ok(()),
            decoded => decoded.map(drop),
        }
    }

    /// How many bytes sign it.
    fn signed_len(&self, len: usize) -> usize {
        let each = match self.family() {
            Family::V4 => 4,
            Family::V6 => 16,
        };
        let password = if self.version == 2 { vrrp::AUTH_LEN } else { 0 };
        let message = vrrp::HEADER_LEN + each * self.addresses.len() + password;
        if len == message + TRAILER_LEN {
            TRAILER_LEN
        } else {
            0
        }
    }
}

/// The identification, whatever else the header says.
fn packet_ident(frame: &[u8]) -> Option<u16> {
    const AT: usize = 14 + 4;
    frame
        .get(AT..)
        .and_then(<[u8]>::first_chunk)
        .map(|ident| u16::from_be_bytes(*ident))
        .filter(|_| frame.len() >= 14 + ipv4::MIN_LEN)
}

fn addresses(family: Family, count: usize, list: &[u8]) -> Vec<IpAddr> {
    match family {
        Family::V4 => {
            let (list, _) = list.as_chunks::<4>();
            list.iter().take(count).map(|one| (*one).into()).collect()
        }
        Family::V6 => {
            let (list, _) = list.as_chunks::<16>();
            list.iter().take(count).map(|one| (*one).into()).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vip_common::wire::vrrp::{AdvertFrame, ChecksumDialect, FrameSpec};

    fn spec<'a>(version: Version, auth: Auth, addresses: &'a [IpAddr]) -> FrameSpec<'a> {
        let is_v4 = addresses[0].is_ipv4();
        let (source, group) = if is_v4 {
            (IpAddr::from([192, 168, 8, 4]), vrrp::group(Family::V4))
        } else {
            let link_local = [0xfe80, 0, 0, 0, 0, 0, 0, 4];
            (IpAddr::from(link_local), vrrp::group(Family::V6))
        };
        let group_mac = if is_v4 {
            MacAddr([1, 0, 0x5e, 0, 0, 18])
        } else {
            MacAddr([0x33, 0x33, 0, 0, 0, 0x12])
        };
        FrameSpec {
            source_mac: MacAddr([2, 0, 192, 168, 8, 4]),
            destination_mac: group_mac,
            source,
            destination: group,
            ttl: 255,
            vrid: Vrid::new(51).unwrap(),
            version,
            interval: Centis::ONE_SECOND,
            auth,
            addresses,
            dialect: ChecksumDialect::PseudoHeader,
        }
    }

    fn frame(version: Version, auth: Auth, addresses: &[IpAddr]) -> Vec<u8> {
        let mut frame = AdvertFrame::new(&spec(version, auth, addresses)).unwrap();
        frame.seal(4711, Priority::DEFAULT).to_vec()
    }

    const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 8, 100));
    const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 100));

    #[test]
    fn an_advert_says_what_it_was_given() {
        for (version, auth, address) in [
            (Version::V2, Auth::None, V4),
            (Version::V2, Auth::Password(*b"secret\0\0"), V4),
            (Version::V3, Auth::None, V4),
            (Version::V3, Auth::None, V6),
        ] {
            let frame = frame(version, auth, &[address]);
            let read = Advert::read(&frame, frame.len()).unwrap();
            assert_eq!(read.verdict, Ok(()), "{version:?} {address}");
            assert_eq!(read.version, version.get());
            assert_eq!(read.addresses, [address]);
            assert_eq!(read.vrid.get(), 51);
            assert_eq!(read.interval, Some(Centis::ONE_SECOND));
            assert_eq!(read.ident, address.is_ipv4().then_some(4711));
            assert_eq!(read.ttl, 255);
        }
    }

    #[test]
    fn what_every_router_refuses_is_known_without_a_configuration() {
        let verdict = |at: usize, value: u8| {
            let mut frame = frame(Version::V3, Auth::None, &[V4]);
            frame[at] = value;
            Advert::read(&frame, frame.len()).unwrap().verdict
        };
        // The TTL is under the header's checksum, which is looked at first.
        assert_eq!(verdict(22, 64), Err(RejectReason::IpChecksum));
        assert_eq!(verdict(34, 0x51), Err(RejectReason::Version));
        assert_eq!(verdict(34, 0x32), Err(RejectReason::Type));
        assert_eq!(verdict(36, 7), Err(RejectReason::Checksum));
        assert_eq!(verdict(37, 9), Err(RejectReason::Length));
    }

    #[test]
    fn any_beginning_of_a_frame_is_read_without_harm() {
        for address in [V4, V6] {
            let frame = frame(Version::V3, Auth::None, &[address]);
            for end in 0..frame.len() {
                let part = Advert::read(&frame[..end], end);
                assert!(part.is_none_or(|part| part.verdict.is_err()), "{end}");
                let _ = Advert::read(&frame[..end], frame.len());
            }
        }
    }
}
