//! Who says that a virtual address is his, by ARP or neighbour discovery.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use vip_common::ids::MacAddr;
use vip_common::layout;
use vip_common::layout::trace::SightKind;
use vip_common::time::MonoTime;
use vip_common::wire::admit::{self, Kind};
use vip_common::wire::{self, neighbour};

use super::figures::nanos;
use super::news::Direction;
use super::sight::Sight;

/// Two who claim an address within this time do so at once. A takeover is one claimant
/// after the other, so each must have claimed it again.
const AT_ONCE: Duration = Duration::from_secs(60);
/// Claimants that are remembered of an address.
const MOST: usize = 64;

/// Somebody has claimed an address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Claimed {
    /// When, in ns of `CLOCK_MONOTONIC`.
    pub stamp_ns: u64,
    /// On which interface.
    pub interface: String,
    /// Which way.
    pub direction: Direction,
    /// The address.
    pub address: IpAddr,
    /// Who.
    pub mac: String,
    /// Since he last did, in ns.
    pub gap_ns: Option<u64>,
    /// Who else claims it, at the same time.
    pub other: Option<String>,
}

/// One who claims an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claimant {
    /// How often.
    pub count: u64,
    /// The shortest time between two of his claims.
    pub shortest: Option<Duration>,
    last: MonoTime,
    before: Option<MonoTime>,
}

/// Of each address that some advert names.
#[derive(Debug, Default)]
pub struct Claims {
    addresses: BTreeMap<IpAddr, BTreeMap<(u32, MacAddr), Claimant>>,
    conflicts: BTreeMap<IpAddr, (MacAddr, MacAddr)>,
}

impl Claims {
    /// This address is of interest from now on.
    pub fn watch(&mut self, address: IpAddr) {
        self.addresses.entry(address).or_default();
    }

    /// A frame was seen; `None` if it claims none of the addresses.
    pub fn see(&mut self, sight: &Sight, interface: String) -> Option<Claimed> {
        let direction = match sight.kind {
            SightKind::In => Direction::In,
            SightKind::Out | SightKind::Direct => Direction::Out,
            SightKind::Dropped => return None,
        };
        let head = wire::head(&sight.frame);
        if admit::kind(&head, sight.frame_len) != Kind::Neighbour {
            return None;
        }
        let notice = neighbour::read(&head)?;
        let address = layout::address(notice.claims);
        let claimants = self.addresses.get_mut(&address)?;
        let (stamp, key) = (sight.stamp, (sight.ifindex, notice.mac));
        let is_full = claimants.len() >= MOST;
        let gap = match claimants.get_mut(&key) {
            Some(known) => {
                let gap = stamp.since(known.last);
                known.count += 1;
                known.before = Some(known.last);
                known.last = stamp;
                known.shortest = Some(known.shortest.map_or(gap, |least| least.min(gap)));
                Some(gap)
            }
            None if is_full => None,
            None => {
                let first = Claimant {
                    count: 1,
                    shortest: None,
                    last: stamp,
                    before: None,
                };
                claimants.insert(key, first);
                None
            }
        };
        // He has claimed it before and after the other one did.
        let before = claimants.get(&key).and_then(|own| own.before);
        let other = before.and_then(|before| {
            let mut others = claimants.iter();
            others.find(|((index, mac), other)| {
                *index == sight.ifindex
                    && *mac != notice.mac
                    && other.last > before
                    && stamp.since(before) < AT_ONCE
            })
        });
        let other = other.map(|((_, mac), _)| *mac);
        if let Some(other) = other {
            self.conflicts.insert(address, (notice.mac, other));
        }
        Some(Claimed {
            stamp_ns: stamp.as_nanos(),
            interface,
            direction,
            address,
            mac: notice.mac.to_string(),
            gap_ns: gap.map(nanos),
            other: other.map(|mac| mac.to_string()),
        })
    }

    /// The addresses that anybody has claimed, who did on which interface, and whether
    /// two did at once.
    pub fn all(
        &self,
    ) -> impl Iterator<Item = (IpAddr, &BTreeMap<(u32, MacAddr), Claimant>, bool)> + '_ {
        let claimed = self.addresses.iter().filter(|(_, by)| !by.is_empty());
        claimed.map(|(address, by)| (*address, by, self.conflicts.contains_key(address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use vip_common::wire::arp;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 100);
    const ONE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    fn claim(claims: &mut Claims, ms: u64, mac: MacAddr) -> Option<Claimed> {
        let frame = arp::gratuitous(mac, ADDRESS);
        let sight = Sight {
            stamp: MonoTime::from_nanos(ms * 1_000_000),
            kind: SightKind::In,
            ifindex: 2,
            location: 0,
            reason: 0,
            frame_len: frame.len(),
            frame: frame.to_vec(),
        };
        claims.see(&sight, "eth0".into())
    }

    #[test]
    fn only_addresses_of_interest_are_told() {
        let mut claims = Claims::default();
        assert_eq!(claim(&mut claims, 1, ONE), None);
        claims.watch(ADDRESS.into());
        let first = claim(&mut claims, 2, ONE).unwrap();
        assert_eq!((first.gap_ns, first.other), (None, None));
        let second = claim(&mut claims, 5, ONE).unwrap();
        assert_eq!(second.gap_ns, Some(3_000_000));
        assert_eq!(second.mac, "02:00:00:00:00:01");
    }

    #[test]
    fn a_takeover_is_no_conflict_and_taking_turns_is() {
        let mut claims = Claims::default();
        claims.watch(ADDRESS.into());
        for (at, mac) in [(1, ONE), (2, ONE), (3, OTHER), (4, OTHER)] {
            assert_eq!(claim(&mut claims, at, mac).unwrap().other, None);
        }
        let again = claim(&mut claims, 5, ONE).unwrap();
        assert_eq!(again.other, Some(OTHER.to_string()));
        let (address, by, conflict) = claims.all().next().unwrap();
        assert_eq!((address, by.len(), conflict), (ADDRESS.into(), 2, true));
        // A minute later it is another takeover.
        let later = claim(&mut claims, 120_000, OTHER).unwrap();
        assert_eq!(later.other, None);
    }
}
