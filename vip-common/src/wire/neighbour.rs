//! What a neighbour says of addresses, by ARP or by neighbour discovery: who
//! claims one, who asks for one.

use super::{HEAD, arp};
use crate::ids::MacAddr;
use crate::layout::{Octets, mapped};

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
    pub fn is_probe(&self) -> bool {
        same(&self.asks, &self.claims)
    }
}

/// Whether two addresses are the same, by halves: a comparison of 16 bytes would
/// be a call in the program at the NIC.
#[inline(always)]
#[must_use]
pub const fn same(one: &Octets, other: &Octets) -> bool {
    let [a, b] = halves(one);
    let [c, d] = halves(other);
    a == c && b == d
}

#[inline(always)]
const fn halves(octets: &Octets) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *octets;
    [
        u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
    ]
}

/// Reads what [`super::admit::kind`] says is a neighbour's. `None` if it says
/// nothing of addresses.
#[inline(always)]
#[must_use]
pub fn read(head: &[u8; HEAD]) -> Option<Notice> {
    from_arp(&arp::parse(head)?)
}

/// A claim is what [`arp::Arp::claims`] says. A probe is a question too: a host
/// that holds the address defends it.
#[inline(always)]
fn from_arp(arp: &arp::Arp) -> Option<Notice> {
    let nobody = u32::from_ne_bytes(arp.sender) == 0;
    if nobody && !arp.request {
        return None;
    }
    let announces = arp.sender == arp.target;
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
