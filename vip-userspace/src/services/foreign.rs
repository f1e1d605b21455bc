//! Addresses of our instances that somebody else has configured on this host. They
//! are not ours to remove, and yet this host answers for them, whoever is MASTER.

use std::collections::HashSet;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;

use super::follow::Kind;
use super::log::Level;
use super::status::Foreign;
use super::{Services, State};
use crate::engine::published::{Snapshot, Standing};
use crate::plan::Plan;
use crate::words;

/// An address that this host has from somebody else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stranger {
    slot: usize,
    address: IpAddr,
    interface: String,
    /// Whether it was there at two looks in turn: what we remove ourselves is not.
    stays: bool,
}

/// When this host's addresses are to be looked at: it takes a dump of all of them.
#[derive(Debug)]
pub(super) struct Outlook {
    /// What [`Published::stirs`](crate::engine::published::Published::stirs) was.
    stirs: u64,
    /// How many looks are due, one with each pulse.
    due: u32,
    /// How many pulses ago the last one was.
    ago: u32,
}

/// So often after a change: it takes two looks to tell what stays, and what we do
/// ourselves is over at the third.
const AFTER_A_CHANGE: u32 = 3;
/// And after so many pulses in any case.
const NOW_AND_AGAIN: u32 = 60;

impl Outlook {
    /// Before the first look.
    pub(super) const fn new() -> Self {
        Self {
            stirs: 0,
            due: AFTER_A_CHANGE,
            ago: 0,
        }
    }

    /// What our routers hold may have changed.
    pub(super) const fn stir(&mut self) {
        self.due = AFTER_A_CHANGE;
    }

    /// Whether to look with this pulse.
    const fn is_due(&mut self, stirs: u64) -> bool {
        if self.stirs != stirs {
            self.stirs = stirs;
            self.stir();
        }
        self.ago += 1;
        let is_due = self.due > 0 || self.ago >= NOW_AND_AGAIN;
        if is_due {
            self.due = self.due.saturating_sub(1);
            self.ago = 0;
        }
        is_due
    }
}

impl Services {
    /// Looks what this host has, and tells of what is new.
    pub(super) fn look_for_foreign(&self, state: &mut State) {
        // To a shadow all of them are somebody else's.
        if self.shadow.is_some() || !state.outlook.is_due(self.published.stirs()) {
            return;
        }
        let Ok(all) = getifaddrs() else {
            return;
        };
        let held = all.filter_map(|one| {
            let held = one.address?;
            let v4 = held.as_sockaddr_in().map(|held| IpAddr::V4(held.ip()));
            let v6 = held.as_sockaddr_in6().map(|held| IpAddr::V6(held.ip()));
            Some((one.interface_name, v4.or(v6)?))
        });
        let snapshots: Vec<Option<Snapshot>> = (0..self.plan.routers.len())
            .map(|slot| self.published.read(slot))
            .collect();
        let now = strangers(&self.plan, &snapshots, &held.collect(), &state.foreign);
        for one in now.iter().filter(|one| one.stays) {
            let before = state.foreign.iter().find(|known| same(known, one));
            if before.is_none_or(|known| !known.stays) {
                let standing = snapshots[one.slot].as_ref().map(|seen| seen.standing);
                let in_state = standing.map_or("", words::state);
                let text = words::foreign(one.address, &one.interface, in_state);
                let mut event = self.about(one.slot, Kind::Conflict, Level::Warning, &text);
                event.address = Some(one.address);
                self.log.tell(event);
            }
        }
        state.foreign = now;
    }

    /// Those of an instance.
    pub(super) fn foreign(&self, state: &State, slot: usize) -> Vec<Foreign> {
        let those = state.foreign.iter();
        those
            .filter(|one| one.slot == slot && one.stays)
            .map(|one| Foreign {
                address: one.address,
                interface: one.interface.clone(),
            })
            .collect()
    }
}

fn same(one: &Stranger, other: &Stranger) -> bool {
    (one.slot, one.address) == (other.slot, other.address)
}

/// The addresses of instances that hold none here, which this host has all the same.
fn strangers(
    plan: &Plan,
    snapshots: &[Option<Snapshot>],
    held: &HashSet<(String, IpAddr)>,
    before: &[Stranger],
) -> Vec<Stranger> {
    let is_ours = |slot: usize| {
        let seen = snapshots.get(slot).and_then(Option::as_ref);
        seen.is_none_or(|seen| seen.installed || seen.standing == Standing::Active)
    };
    let routers = || plan.routers.iter().enumerate();
    let ours: HashSet<IpAddr> = routers()
        .filter(|(slot, _)| is_ours(*slot))
        .flat_map(|(_, router)| router.all_addresses().map(|one| one.address))
        .collect();
    let mut found = Vec::new();
    for (slot, router) in routers() {
        if router.vacant || is_ours(slot) {
            continue;
        }
        for one in router.all_addresses() {
            // With a virtual MAC, the interface below counts as well.
            let mut ports = [one.port, router.port].into_iter();
            let name = |port: usize| plan.ports.get(port).map(|port| port.name.clone());
            let on = ports.find_map(|port| {
                name(port).filter(|name| held.contains(&(name.clone(), one.address)))
            });
            let Some(interface) = on.filter(|_| !ours.contains(&one.address)) else {
                continue;
            };
            let mut stranger = Stranger {
                slot,
                address: one.address,
                interface,
                stays: false,
            };
            stranger.stays = before.iter().any(|known| same(known, &stranger));
            found.push(stranger);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use vip_common::ids::Priority;

    #[test]
    fn the_host_is_looked_at_after_changes_and_now_and_again() {
        let mut outlook = Outlook::new();
        let mut looks = |stirs, pulses| (0..pulses).filter(|_| outlook.is_due(stirs)).count();
        assert_eq!(looks(0, 50), 3, "at the start");
        assert_eq!(looks(7, 50), 3);
        assert_eq!(looks(8, 2), 2);
        assert_eq!(looks(9, 50), 3, "from the last change on");
        assert_eq!(looks(9, 600), 10);
        outlook.stir();
        let looks = (0..50).filter(|_| outlook.is_due(9)).count();
        assert_eq!(looks, 3);
    }

    #[test]
    fn an_address_that_somebody_else_has_put_here_is_found_where_we_hold_none() {
        let text = include_str!("../../../tests/seed/nodeB.conf");
        let plan = Plan::new(&config::parse(text, "nodeB.conf").configuration);
        let address = plan.routers[0].all_addresses().next().unwrap().address;
        let of = |standing, installed, on: &str, before: &[Stranger]| {
            let mut seen = Snapshot::new(Priority::DEFAULT);
            (seen.standing, seen.installed) = (standing, installed);
            let held = HashSet::from([(on.to_owned(), address)]);
            strangers(&plan, &[Some(seen)], &held, before)
        };
        let first = of(Standing::Backup, false, "eth0", &[]);
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].address, first[0].stays), (address, false));
        // What we remove ourselves is gone at the next look.
        let second = of(Standing::Backup, false, "eth0", &first);
        assert!(second[0].stays);
        assert_eq!(of(Standing::Active, true, "eth0", &first), []);
        // Kept for a successor.
        assert_eq!(of(Standing::Backup, true, "eth0", &first), []);
        assert_eq!(of(Standing::Backup, false, "lo", &first), []);
    }
}
