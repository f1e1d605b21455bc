//! What a neighbour says of addresses, by ARP or by neighbour discovery: who
//! claims one, who asks for one.

use super::{HEAD, arp, eth, ndisc, word};
use crate::ids::MacAddr;
use crate::layout::{Octets, mapped, same};

/// No address.
pub const NONE: Octets = [0; 16];

/// One packet's word.
///
/// Its addresses are all zeros where there is none, and never left out: the
/// verifier of the kernel refuses to see bytes moved about that only some
/// packets would have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Who is said to hold [`Notice::claims`].
    pub mac: MacAddr,
    /// The address that he says, or is about to say, is his; or [`NONE`].
    pub claims: Octets,
    /// The address that somebody who holds it would answer for; or [`NONE`].
    pub asks: Octets,
}

impl Notice {
    /// Whether it asks for what it claims: a host that asks whether an address is
    /// free, which it is about to use.
    #[inline(always)]
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        same(&self.asks, &self.claims)
    }
}

/// Reads what [`super::admit::kind`] says is a neighbour's. `None` if it says
/// nothing of addresses.
#[inline(always)]
#[must_use]
pub fn read(head: &[u8; HEAD]) -> Option<Notice> {
    if word(head, eth::field::TYPE) == eth::TYPE_ARP {
        from_arp(&arp::parse(head)?)
    } else {
        Some(from_ndisc(&ndisc::parse(head)?))
    }
}

/// What it claims is what [`arp::Arp::claims`] says. A probe is a question too:
/// a host that holds the address defends it (RFC 5227 section 2.4).
#[inline(always)]
fn from_arp(arp: &arp::Arp) -> Option<Notice> {
    let nobody = u32::from_ne_bytes(arp.sender) == 0;
    if nobody && !arp.request {
        return None;
    }
    let announces = u32::from_ne_bytes(arp.sender) == u32::from_ne_bytes(arp.target);
    Some(Notice {
        mac: arp.sender_mac,
        claims: mapped(if nobody { arp.target } else { arp.sender }),
        asks: if arp.request && !announces {
            mapped(arp.target)
        } else {
            NONE
        },
    })
}

/// What it claims is what [`ndisc::Ndisc::claims`] says. A probe is a question
/// too: a host that holds the address defends it (RFC 4862 section 5.4.3).
#[inline(always)]
const fn from_ndisc(said: &ndisc::Ndisc) -> Notice {
    let from_somebody = !same(&said.source, &NONE);
    let asks_others = !same(&said.source, &said.target);
    Notice {
        mac: said.sender_mac,
        claims: if said.solicitation && from_somebody {
            said.source
        } else {
            said.target
        },
        asks: if said.solicitation && asks_others {
            said.target
        } else {
            NONE
        },
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use super::*;
    use crate::layout::octets;
    use crate::wire::fixtures::{OURSELVES, SENDER, SENDER_MAC};
    use crate::wire::head;

    const ADDRESS_6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100);
    const SENDER_6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 4);

    fn notice(frame: &[u8]) -> Notice {
        read(&head(frame)).unwrap()
    }

    /// ARP of this operation from the sender's MAC.
    fn arp_frame(operation: u8, sender: [u8; 4], target: [u8; 4]) -> [u8; arp::FRAME_LEN] {
        let mut frame = arp::gratuitous(SENDER_MAC, SENDER);
        frame[21] = operation;
        frame[28..32].copy_from_slice(&sender);
        frame[38..42].copy_from_slice(&target);
        frame
    }

    #[test]
    fn arp_says_who_claims_and_who_asks() {
        let (one, other) = (SENDER.octets(), OURSELVES.octets());
        let both = |operation, sender, target| {
            let said = notice(&arp_frame(operation, sender, target));
            assert_eq!(said.mac, SENDER_MAC);
            (said.claims, said.asks, said.is_probe())
        };
        assert_eq!(both(1, one, one), (mapped(one), NONE, false));
        assert_eq!(both(2, one, one), (mapped(one), NONE, false));
        assert_eq!(both(1, one, other), (mapped(one), mapped(other), false));
        assert_eq!(both(2, one, other), (mapped(one), NONE, false));
        assert_eq!(both(1, [0; 4], other), (mapped(other), mapped(other), true));
        assert_eq!(read(&head(&arp_frame(2, [0; 4], other))), None);
    }

    #[test]
    fn neighbour_discovery_says_who_claims_and_who_asks() {
        let (address, sender) = (octets(ADDRESS_6.into()), octets(SENDER_6.into()));
        let said = notice(ndisc::unsolicited(SENDER_MAC, ADDRESS_6, false).as_bytes());
        assert_eq!(
            (said.mac, said.claims, said.asks),
            (SENDER_MAC, address, NONE)
        );
        let said = notice(ndisc::question(SENDER_MAC, SENDER_6, ADDRESS_6).as_bytes());
        assert_eq!(
            (said.mac, said.claims, said.asks),
            (SENDER_MAC, sender, address)
        );
        assert!(!said.is_probe());
        let probe = ndisc::question(SENDER_MAC, Ipv6Addr::UNSPECIFIED, ADDRESS_6);
        let said = notice(probe.as_bytes());
        assert_eq!(
            (said.mac, said.claims, said.asks),
            (SENDER_MAC, address, address)
        );
        assert!(said.is_probe());
        let said = notice(ndisc::question(SENDER_MAC, ADDRESS_6, ADDRESS_6).as_bytes());
        assert_eq!((said.claims, said.asks), (address, NONE));
    }

    #[test]
    fn both_ways_to_read_agree() {
        let frame = arp_frame(1, SENDER.octets(), OURSELVES.octets());
        let arp = arp::parse(&head(&frame)).unwrap();
        let said = notice(&frame);
        assert_eq!(Some(said.claims), arp.claims().map(mapped));
        assert_eq!(Some(said.asks), arp.asks_for().map(mapped));
        for source in [SENDER_6, ADDRESS_6, Ipv6Addr::UNSPECIFIED] {
            let frame = ndisc::question(SENDER_MAC, source, ADDRESS_6);
            let ndisc = ndisc::parse(&head(frame.as_bytes())).unwrap();
            let said = notice(frame.as_bytes());
            assert_eq!(said.claims, ndisc.claims());
            let asks = Some(said.asks).filter(|asks| *asks != NONE && !said.is_probe());
            assert_eq!(asks, ndisc.asks_for());
        }
    }
}
