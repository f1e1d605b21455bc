//! What is said to a link of a virtual address, whatever its family: "it is
//! here", and "who else has it?".

use core::fmt;
use core::net::IpAddr;

use super::{arp, ndisc};
use crate::ids::MacAddr;

/// A whole frame about one address, ARP or neighbour discovery.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    bytes: [u8; ndisc::MAX_FRAME_LEN],
    len: u8,
}

const _: () = assert!(arp::FRAME_LEN <= ndisc::MAX_FRAME_LEN);

impl Announcement {
    /// Moves neighbours to `mac`: gratuitous ARP, or an unsolicited neighbour
    /// advertisement, which says too whether this host is a `router`.
    #[must_use]
    pub fn new(mac: MacAddr, address: IpAddr, router: bool) -> Self {
        match address {
            IpAddr::V4(v4) => Self::of(&arp::gratuitous(mac, v4)),
            IpAddr::V6(v6) => ndisc::unsolicited(mac, v6, router),
        }
    }

    /// The same where the MAC is a virtual one, which other routers have too:
    /// gratuitous ARP is no question then, so that none of them answers.
    #[must_use]
    pub fn by_virtual_mac(mac: MacAddr, address: IpAddr, router: bool) -> Self {
        match address {
            IpAddr::V4(v4) => Self::of(&arp::gratuitous_reply(mac, v4)),
            IpAddr::V6(_) => Self::new(mac, address, router),
        }
    }

    /// The question who answers for `address`, asked in the name of `source`, an
    /// address of our own, so that nobody takes it for a claim. `None` if they
    /// are not of one family.
    #[must_use]
    pub fn question(mac: MacAddr, source: IpAddr, address: IpAddr) -> Option<Self> {
        match (source, address) {
            (IpAddr::V4(source), IpAddr::V4(v4)) => Some(Self::of(&arp::question(mac, source, v4))),
            (IpAddr::V6(source), IpAddr::V6(v6)) => Some(ndisc::question(mac, source, v6)),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }

    /// The frame, from the Ethernet header on.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Of a frame that is not longer than [`ndisc::MAX_FRAME_LEN`].
    pub(super) fn of(frame: &[u8]) -> Self {
        let mut bytes = [0; ndisc::MAX_FRAME_LEN];
        let end = super::put(&mut bytes, 0, frame);
        Self {
            bytes,
            len: end.min(ndisc::MAX_FRAME_LEN) as u8,
        }
    }
}

impl fmt::Debug for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Announcement({:02x?})", self.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;

    use super::*;
    use crate::wire::fixtures::{NA, NA_ROUTER, NS, OURSELVES, SENDER, SENDER_MAC};

    #[test]
    fn each_family_announces_in_its_own_way() {
        let arp = Announcement::new(SENDER_MAC, SENDER.into(), true);
        assert_eq!(arp.as_bytes(), arp::gratuitous(SENDER_MAC, SENDER));
        let address = "2001:db8::100".parse().unwrap();
        assert_eq!(Announcement::new(SENDER_MAC, address, false).as_bytes(), NA);
        let router = Announcement::new(SENDER_MAC, address, true);
        assert_eq!(router.as_bytes(), NA_ROUTER);
    }

    #[test]
    fn by_a_virtual_mac_only_arp_is_another_one() {
        let arp = Announcement::by_virtual_mac(SENDER_MAC, SENDER.into(), true);
        assert_eq!(arp.as_bytes(), arp::gratuitous_reply(SENDER_MAC, SENDER));
        assert_ne!(arp, Announcement::new(SENDER_MAC, SENDER.into(), true));
        let address = "2001:db8::100".parse().unwrap();
        for (router, na) in [(false, NA), (true, NA_ROUTER)] {
            let said = Announcement::by_virtual_mac(SENDER_MAC, address, router);
            assert_eq!(said.as_bytes(), na);
        }
    }

    #[test]
    fn each_family_asks_in_its_own_way() {
        let ask = |source, address| Announcement::question(SENDER_MAC, source, address);
        let arp = ask(OURSELVES.into(), SENDER.into()).unwrap();
        assert_eq!(arp.as_bytes(), arp::question(SENDER_MAC, OURSELVES, SENDER));
        let source = "fe80::6".parse().unwrap();
        let address = "2001:db8::123:4567".parse().unwrap();
        assert_eq!(ask(source, address).unwrap().as_bytes(), NS);
        assert_eq!(ask(OURSELVES.into(), address), None);
        assert_eq!(ask(source, SENDER.into()), None);
    }

    #[test]
    fn it_shows_its_bytes() {
        let arp = Announcement::new(SENDER_MAC, SENDER.into(), false);
        let shown = format!("{arp:?}");
        assert!(shown.starts_with("Announcement([ff, ff,"), "{shown}");
        assert!(shown.ends_with("c0, a8, 08, 04])"), "{shown}");
    }
}
