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
