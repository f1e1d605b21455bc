//! One frame at a port of the switch, and what it says. The decoding is
//! deliberately not the product's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vip_common::ids::MacAddr;
use vip_common::time::MonoTime;

/// Which way a frame went through a port of the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The host at the port sent it.
    FromHost,
    /// It was delivered to the host at the port.
    ToHost,
}

/// The two operations of ARP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArpOp {
    /// 1.
    Request,
    /// 2.
    Reply,
}

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A VRRP advert of either family, valid or not.
    Advert {
        /// IP source.
        source: IpAddr,
        /// IP time to live, or hop limit.
        ttl: u8,
        /// VRRP version.
        version: u8,
        /// Virtual router.
        vrid: u8,
        /// Zero is a resignation.
        priority: u8,
    },
    /// An ARP packet.
    Arp {
        /// Request or reply.
        op: ArpOp,
        /// Sender's link-layer address, as in the body.
        mac: MacAddr,
        /// Sender's address.
        sender: Ipv4Addr,
        /// The address asked for.
        target: Ipv4Addr,
    },
    /// A neighbour solicitation: who has this address?
    Solicitation {
        /// IP source; unspecified where somebody looks for duplicates.
        source: Ipv6Addr,
        /// The address asked for.
        target: Ipv6Addr,
    },
    /// A neighbour advertisement.
    Neighbour {
        /// The target link-layer address, where it is given.
        mac: Option<MacAddr>,
        /// The address that is claimed.
        target: Ipv6Addr,
        /// Whether it overrides what is known.
        overrides: bool,
        /// Whether it goes to all nodes, unasked.
        to_all: bool,
    },
    /// The answer to an echo request, only in [`super::Lab::capture_answers`].
    Answer {
        /// Who answers.
        source: IpAddr,
    },
    /// An ICMP destination unreachable with its code; 2 is "protocol", in IPv6
    /// 4 is "port".
    Unreachable(u8),
    /// Anything else that the filter let through.
    Other,
}

/// One frame at one port.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The kernel's receive stamp, turned into monotonic time.
    pub stamp: MonoTime,
    /// The port, as [`super::Host::port`] says it.
    pub port: u32,
    /// Which way it went.
    pub direction: Direction,
    /// What it says.
    pub what: What,
    /// All of it, from the Ethernet header on.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// The priority if it is an advert for `vrid`.
    #[must_use]
    pub fn advert(&self, vrid: u8) -> Option<u8> {
        if let What::Advert {
            vrid: named,
            priority,
            ..
        } = self.what
            && named == vrid
        {
            Some(priority)
        } else {
            None
        }
    }

    /// Whether it announces `address`: a gratuitous ARP, whose sender and target
    /// are it, or an unsolicited neighbour advertisement that overrides.
    #[must_use]
    pub fn announces(&self, address: impl Into<IpAddr>) -> bool {
        match (self.what, address.into()) {
            (What::Arp { sender, target, .. }, IpAddr::V4(address)) => {
                sender == address && target == address
            }
            (
                What::Neighbour {
                    target,
                    overrides,
                    to_all,
                    ..
                },
                IpAddr::V6(address),
            ) => target == address && overrides && to_all,
            _ => false,
        }
    }

    /// Whether the host at `port` sent it.
    #[must_use]
    pub fn is_from(&self, port: u32) -> bool {
        self.port == port && self.direction == Direction::FromHost
    }

    /// Whether it was delivered to the host at `port`.
    #[must_use]
    pub fn is_to(&self, port: u32) -> bool {
        self.port == port && self.direction == Direction::ToHost
    }
}

/// What a whole frame says.
pub(super) fn decode(frame: &[u8]) -> Option<What> {
    let body = frame.get(14..)?;
    match frame.get(12..14)? {
        [0x08, 0x06] => Some(What::Arp {
            op: match body.get(6..8)? {
                [0, 1] => ArpOp::Request,
                [0, 2] => ArpOp::Reply,
                _ => return None,
            },
            mac: MacAddr(array(body, 8)?),
            sender: array(body, 14)?.into(),
            target: array(body, 24)?.into(),
        }),
        [0x08, 0x00] => {
            let header = usize::from(body.first()? & 0x0f) * 4;
            let inner = body.get(header..)?;
            let source = IpAddr::from(array::<4>(body, 12)?);
            match body.get(9)? {
                112 => advert(source, *body.get(8)?, inner),
                1 => match inner.first()? {
                    0 => Some(What::Answer { source }),
                    3 => Some(What::Unreachable(*inner.get(1)?)),
                    _ => None,
                },
                _ => None,
            }
        }
        [0x86, 0xdd] => {
            let inner = body.get(40..)?;
            let source = Ipv6Addr::from(array::<16>(body, 8)?);
            match body.get(6)? {
                112 => advert(source.into(), *body.get(7)?, inner),
                58 => icmp6(source, *body.get(24)?, inner),
                _ => None,
            }
        }
        _ => None,
    }
}

fn advert(source: IpAddr, ttl: u8, message: &[u8]) -> Option<What> {
    Some(What::Advert {
        source,
        ttl,
        version: message.first()? >> 4,
        vrid: *message.get(1)?,
        priority: *message.get(2)?,
    })
}

/// `first` is the first byte of the destination: 0xff is a group.
fn icmp6(source: Ipv6Addr, first: u8, message: &[u8]) -> Option<What> {
    const TARGET_LINK_LAYER: [u8; 2] = [2, 1];
    match message.first()? {
        1 => Some(What::Unreachable(*message.get(1)?)),
        129 => Some(What::Answer {
            source: source.into(),
        }),
        135 => Some(What::Solicitation {
            source,
            target: array::<16>(message, 8)?.into(),
        }),
        136 => Some(What::Neighbour {
            mac: (message.get(24..26) == Some(&TARGET_LINK_LAYER))
                .then(|| array(message, 26).map(MacAddr))
                .flatten(),
            target: array::<16>(message, 8)?.into(),
            overrides: message.get(4)? & 0x20 != 0,
            to_all: first == 0xff,
        }),
        _ => None,
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}
