//! Frames made by hand, valid or not, and a socket that sends them.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, bind, send,
    socket,
};
use vip_common::ids::MacAddr;

use super::{Host, LabError};

/// A packet socket on a host's interface that sends whole frames.
pub struct Wire(OwnedFd);

impl Wire {
    /// On `interface` of `host`.
    ///
    /// # Errors
    /// Without CAP_NET_RAW, or such an interface.
    pub fn open(host: &Host, interface: &'static str) -> Result<Self, LabError> {
        host.run(move || {
            let socket = socket(
                AddressFamily::Packet,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                // Receives nothing.
                None::<SockProtocol>,
            )?;
            bind(
                socket.as_raw_fd(),
                &link_address(if_nametoindex(interface)?)?,
            )?;
            nix::Result::Ok(Self(socket))
        })?
        .map_err(LabError::system("open a packet socket"))
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// When the link is down.
    pub fn send(&self, frame: &[u8]) -> Result<(), LabError> {
        send(self.0.as_raw_fd(), frame, MsgFlags::empty())
            .map(drop)
            .map_err(LabError::system("send a frame"))
    }
}

#[expect(
    unsafe_code,
    reason = "nix makes link-layer addresses from raw ones only"
)]
fn link_address(index: u32) -> nix::Result<LinkAddr> {
    let raw = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: 0,
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: `raw` is a complete sockaddr_ll with its family set, and the
    // length is its own.
    let address = unsafe {
        LinkAddr::from_raw(
            (&raw const raw).cast(),
            Some(size_of::<libc::sockaddr_ll>() as libc::socklen_t),
        )
    };
    address.ok_or(nix::Error::EINVAL)
}

/// The same frame in another VLAN of the cable (IEEE 802.1Q).
#[must_use]
pub fn tagged(frame: &[u8], vlan: u16) -> Vec<u8> {
    let (macs, rest) = frame.split_at(12.min(frame.len()));
    let mut tagged = macs.to_vec();
    tagged.extend([0x81, 0x00]);
    tagged.extend((vlan & 0x0fff).to_be_bytes());
    tagged.extend(rest);
    tagged
}

/// An advert as a neighbour could send it, all fields free.
#[derive(Debug, Clone)]
pub struct ForgedAdvert {
    /// Ethernet source.
    pub mac: MacAddr,
    /// IP source.
    pub source: Ipv4Addr,
    /// 255 on every honest advert.
    pub ttl: u8,
    /// 2 or 3.
    pub version: u8,
    /// Virtual router.
    pub vrid: u8,
    /// Its claim.
    pub priority: u8,
    /// Seconds in version 2, centiseconds in version 3.
    pub interval: u16,
    /// Version 2 only: the simple password.
    pub password: Option<[u8; 8]>,
    /// The virtual addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// Added to the right checksum, so 0 leaves it right.
    pub checksum_error: u16,
    /// Ethernet and IP destination, [`ForgedAdvert::GROUP`] as a rule.
    pub destination: (MacAddr, Ipv4Addr),
}

impl ForgedAdvert {
    /// All VRRP routers of the segment.
    pub const GROUP: (MacAddr, Ipv4Addr) = (
        MacAddr([0x01, 0x00, 0x5e, 0, 0, 18]),
        Ipv4Addr::new(224, 0, 0, 18),
    );

    /// The whole frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let count = self.addresses.len() as u8;
        let mut body = vec![self.version << 4 | 1, self.vrid, self.priority, count];
        if self.version == 2 {
            body.push(u8::from(self.password.is_some()));
            body.push(self.interval as u8);
        } else {
            body.extend((self.interval & 0x0fff).to_be_bytes());
        }
        body.extend([0, 0]);
        for address in &self.addresses {
            body.extend(address.octets());
        }
        // Version 2 leaves the password out of no checksum: RFC 2338 section
        // 5.3.8 covers the whole message.
        if self.version == 2 {
            body.extend(self.password.unwrap_or_default());
        }
        let mut covered = Vec::new();
        if self.version == 3 {
            covered.extend(self.source.octets());
            covered.extend(self.destination.1.octets());
            covered.extend([0, 112]);
            covered.extend((body.len() as u16).to_be_bytes());
        }
        covered.extend(&body);
        let sum = internet_checksum(&covered).wrapping_add(self.checksum_error);
        if let Some(field) = body.get_mut(6..8) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        self.in_ip(&body)
    }

    fn in_ip(&self, body: &[u8]) -> Vec<u8> {
        let mut ip = vec![0x45, 0xc0];
        ip.extend((20 + body.len() as u16).to_be_bytes());
        ip.extend([0, 1, 0, 0, self.ttl, 112, 0, 0]);
        ip.extend(self.source.octets());
        ip.extend(self.destination.1.octets());
        let sum = internet_checksum(&ip);
        if let Some(field) = ip.get_mut(10..12) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        let mut frame = self.destination.0.0.to_vec();
        frame.extend(self.mac.0);
        frame.extend([0x08, 0x00]);
        frame.extend(ip);
        frame.extend(body);
        frame
    }
}

/// A gratuitous ARP request: `mac` says that `address` is its own.
#[must_use]
pub fn forged_claim(mac: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac.0);
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend(mac.0);
    frame.extend(address.octets());
    frame.extend([0; 6]);
    frame.extend(address.octets());
    frame
}

fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
            [high] => u32::from(*high) << 8,
            _ => 0,
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use vip_common::ids::{Family, Version, Vrid};
    use vip_common::reject::RejectReason;
    use vip_common::time::Centis;
    use vip_common::wire::vrrp::{Auth, Expect, decode};

    use super::*;

    fn forged(version: u8) -> ForgedAdvert {
        ForgedAdvert {
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            source: Ipv4Addr::new(192, 168, 8, 2),
            ttl: 255,
            version,
            vrid: 51,
            priority: 254,
            interval: if version == 2 { 1 } else { 100 },
            password: (version == 2).then_some(*b"1111\0\0\0\0"),
            addresses: vec![Ipv4Addr::new(192, 168, 8, 100)],
            checksum_error: 0,
            destination: ForgedAdvert::GROUP,
        }
    }

    /// What the product says of a forged advert's VRRP message.
    fn judge(advert: &ForgedAdvert, version: Version, auth: Auth) -> Result<u8, RejectReason> {
        let frame = advert.frame();
        let expect = Expect {
            family: Family::V4,
            vrid: Vrid::new(51).unwrap(),
            version,
            interval: Centis::ONE_SECOND,
            auth,
            old_unicast: false,
        };
        let (source, destination) = (advert.source.into(), advert.destination.1.into());
        decode(source, destination, &frame[34..], &expect).map(|advert| advert.priority.get())
    }

    #[test]
    fn a_forged_advert_is_wrong_only_where_it_was_told_to_be() {
        let auth = Auth::Password(*b"1111\0\0\0\0");
        assert_eq!(judge(&forged(2), Version::V2, auth), Ok(254));
        assert_eq!(judge(&forged(3), Version::V3, Auth::None), Ok(254));
        for version in [Version::V2, Version::V3] {
            let auth = if version == Version::V2 {
                auth
            } else {
                Auth::None
            };
            let spoiled = ForgedAdvert {
                checksum_error: 1,
                ..forged(version.get())
            };
            assert_eq!(judge(&spoiled, version, auth), Err(RejectReason::Checksum));
        }
        let other = ForgedAdvert {
            password: Some(*b"2222\0\0\0\0"),
            ..forged(2)
        };
        assert_eq!(
            judge(&other, Version::V2, auth),
            Err(RejectReason::AuthPassword)
        );
    }
}
