//! Ports: what is to be heard on them, and how one speaks there.

use std::collections::HashSet;
use std::hash::{Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::Arc;

use vip_common::ids::Family;

use super::{Attached, Hands, Held, Note, Outcome, ToPeers};
use crate::config;
use crate::dataplane::{Ear, Port};
use crate::engine::{LinkFacts, Own};
use crate::kernel::speakers::{AlreadyClaimed, claim_router};
use crate::kernel::{FrameSender, Link, Membership, UnicastSender, switches};
use crate::plan::{PlacedAddress, Plan, RouterPlan, address_entry};

impl Hands {
    /// Tells of each router that speaks to peers, or must have its source, how it
    /// stands with that.
    pub(super) fn look_at_sources(&mut self, port: usize, held: &Held) {
        let plan = Arc::clone(&self.plan);
        for slot in &plan.ports[port].routers {
            let router = &plan.routers[*slot];
            if !router.runs() || (router.unicast.is_none() && !router.track_source) {
                continue;
            }
            let source = router.source.or(held.own.of(router.family));
            let missing = source.is_none_or(|source| !held.link.has(source));
            let to_peers = match (&router.unicast, source) {
                (Some(unicast), Some(source)) => self.reach(*slot, unicast, source, &held.link),
                _ => self.cannot_reach(*slot),
            };
            let _ = self.outcomes.send_patiently(Outcome::Source {
                slot: *slot,
                missing: missing && router.track_source,
                to_peers,
            });
        }
    }

    pub(super) fn reach(
        &mut self,
        slot: usize,
        unicast: &config::Unicast,
        source: IpAddr,
        link: &Link,
    ) -> ToPeers {
        // The kernel's routes lead to a peer, unless it is known on its link only.
        let link_local =
            |address: IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let mut all = unicast.peers.iter().map(|peer| peer.address);
        let ifindex = if link_local(source) || all.any(link_local) {
            link.index
        } else {
            0
        };
        let same = self.reached.get(&slot) == Some(&(source, ifindex));
        if same && link.has(source) {
            return ToPeers::AsBefore;
        }
        match UnicastSender::open(source, ifindex) {
            // It is an address of this host still, on another interface.
            Ok(_) if same => ToPeers::AsBefore,
            Ok(sender) => {
                let sender = if self.silent {
                    sender.silenced()
                } else {
                    sender
                };
                self.reached.insert(slot, (source, ifindex));
                ToPeers::Now(sender)
            }
            Err(error) => {
                let why = format!("cannot speak to the peers from {source}: {error}");
                (self.tell)(Note::Addresses { slot, why });
                self.cannot_reach(slot)
            }
        }
    }

    fn cannot_reach(&mut self, slot: usize) -> ToPeers {
        self.reached.remove(&slot);
        ToPeers::Nothing
    }

    /// Has the ears hear what the plan wants to be heard on a port: nobody else
    /// runs our routers here, the groups are joined, the rules are told. The
    /// second time only what has changed is done.
    pub(super) fn listen(
        &mut self,
        port: usize,
        held: &mut Held,
    ) -> Result<Option<Box<dyn Ear>>, String> {
        let plan = Arc::clone(&self.plan);
        let here = plan.ports[port].routers.iter().copied();
        let heard: Vec<usize> = here
            .filter(|slot| plan.routers[*slot].unusable.is_none() && !self.forgotten.contains(slot))
            .collect();
        held.claims.retain(|(slot, _)| heard.contains(slot));
        let mut groups: Vec<IpAddr> = Vec::new();
        for slot in heard {
            let router = &plan.routers[slot];
            if !self.silent && !held.claims.iter().any(|(claimed, _)| *claimed == slot) {
                match claim_router(held.link.index, router.family, router.params.vrid) {
                    Ok(claim) => held.claims.push((slot, claim)),
                    Err(error) => {
                        if let AlreadyClaimed::By { .. } = error {
                            (self.tell)(Note::Claimed { slot });
                        }
                        return Err(error.to_string());
                    }
                }
            }
            if router.unicast.is_none() && !groups.contains(&router.group) {
                groups.push(router.group);
            }
        }
        held.memberships.retain(|(group, _)| groups.contains(group));
        for group in groups {
            if self.silent || held.memberships.iter().any(|(joined, _)| *joined == group) {
                continue;
            }
            let membership = Membership::join(group, held.link.index)
                .map_err(|error| format!("cannot join {group}: {error}"))?;
            held.memberships.push((group, membership));
        }

        self.look_at_sources(port, held);
        let wanted = listening(&plan, port, &held.link, held.own, &self.forgotten);
        if held.told.as_ref() == Some(&wanted) {
            return Ok(None);
        }
        if held.told.is_none() && wanted.routers.is_empty() && wanted.addresses.is_empty() {
            return Ok(None);
        }
        let known = held.told.is_some();
        let heard = self.ears.attach(&wanted).map_err(|error| {
            held.told = None;
            error.to_string()
        })?;
        held.told = Some(wanted);
        if !known {
            (self.tell)(Note::Hears {
                port,
                ifindex: held.link.index,
                rung: heard.rung,
                why: heard.why,
            });
        }
        Ok(heard.ear)
    }

    pub(super) fn try_attach(&mut self, port: usize, ifindex: u32) -> Result<Attached, String> {
        let plan = Arc::clone(&self.plan);
        let name = &plan.ports[port].name;
        let link = self
            .inventory
            .by_name(name)
            .map_err(|error| format!("{name}: cannot be asked for: {error}"))?
            .filter(|link| link.index == ifindex)
            .ok_or_else(|| format!("{name} has gone"))?;
        let own = own_addresses(&plan, port, &link);
        let others = others(&plan, port, &link);
        let before = self.held[port]
            .take()
            .filter(|held| held.link.index == ifindex);
        let sender = match &before {
            Some(_) => None,
            None => {
                let sender = if self.silent {
                    Ok(FrameSender::silent())
                } else {
                    FrameSender::open(ifindex)
                };
                Some(sender.map_err(|error| format!("{name}: cannot send: {error}"))?)
            }
        };
        let mac = link.mac;
        let mut held = match before {
            Some(held) => Held { link, own, ..held },
            None => Held {
                link,
                own,
                told: None,
                memberships: Vec::new(),
                claims: Vec::new(),
            },
        };
        let ear = self
            .listen(port, &mut held)
            .map_err(|why| format!("{name}: {why}"))?;
        self.held[port] = Some(held);
        self.furnish();
        self.place_statics();
        Ok(Attached {
            port,
            ifindex,
            mac,
            own,
            others,
            sender,
            ear,
        })
    }

    pub(super) fn attach(&mut self, port: usize, ifindex: u32) -> Outcome {
        if !self.has_its_mac(port) {
            if let Some(before) = self.held[port].take() {
                self.ears.detach(before.link.index);
            }
            return Outcome::NotAttached { port, ifindex };
        }
        let is_made = self.made.contains_key(&port);
        match self.try_attach(port, ifindex) {
            Ok(attached) => {
                if is_made && self.lacking.remove(&port).is_some() {
                    (self.tell)(Note::Made { port });
                }
                Outcome::Attached(Box::new(attached))
            }
            Err(why) => {
                if is_made {
                    self.lacking.insert(port, why.clone());
                }
                (self.tell)(Note::CannotHear { port, why });
                Outcome::NotAttached { port, ifindex }
            }
        }
    }

    /// Tells the ears of a port what the plan says now.
    pub(super) fn bring_in_line(&mut self, port: usize) {
        let Some(mut held) = self.held[port].take() else {
            return;
        };
        match self.listen(port, &mut held) {
            Ok(ear) => {
                self.held[port] = Some(held);
                if let Some(ear) = ear {
                    let _ = self.outcomes.send_patiently(Outcome::Hears { port, ear });
                }
            }
            Err(why) => {
                let why = format!("{}: {why}", held.link.name);
                (self.tell)(Note::CannotHear { port, why });
                let _ = self.outcomes.send_patiently(Outcome::Deaf { port });
            }
        }
    }

    pub(super) fn look(&mut self, port: usize) -> Outcome {
        let plan = Arc::clone(&self.plan);
        let link = self.inventory.by_name(&plan.ports[port].name);
        let link = link.ok().flatten();
        Outcome::Looked {
            port,
            link: link.map(|link| facts(&plan, port, &link)),
        }
    }
}

/// What is listened for on a port of the plan, whose own addresses to speak from
/// are `own`; nothing for the slots that are `forgotten`.
#[must_use]
pub fn listening(
    plan: &Plan,
    port: usize,
    link: &Link,
    own: Own,
    forgotten: &HashSet<usize>,
) -> Port {
    let ifindex = link.index;
    let mut routers = Vec::new();
    let mut addresses = Vec::new();
    for slot in &plan.ports[port].needed_by {
        let router = &plan.routers[*slot];
        let number = u32::try_from(*slot).unwrap_or(u32::MAX);
        if router.unusable.is_some() || forgotten.contains(slot) {
            continue;
        }
        // Before there is an address to speak from it takes no part.
        if let Some(primary) = router.source.or(own.of(router.family))
            && router.port == port
        {
            let broadcast = [Some(primary), own.of(router.family)]
                .into_iter()
                .flatten()
                .find_map(|own| match own {
                    IpAddr::V4(own) => link.broadcast_of(own),
                    IpAddr::V6(_) => None,
                });
            routers.extend(router.entry(number, ifindex, primary, broadcast, link.mac));
        }
        // By a virtual MAC is spoken for what lives on an interface of its own.
        let own_mac = |one: &PlacedAddress| match &plan.ports[one.port].vmac {
            Some(made) => made.vmac.mac,
            None => link.mac,
        };
        let here = router.all_addresses().filter(|one| one.heard == port);
        addresses.extend(here.map(|one| address_entry(one.address, number, ifindex, own_mac(one))));
    }
    Port {
        name: link.name.clone(),
        ifindex,
        mac: link.mac,
        kind: link.kind.clone(),
        has_vlans: link.has_vlans,
        mtu: link.mtu,
        routers,
        addresses,
    }
}

/// An interface as the engine needs it.
#[must_use]
pub fn facts(plan: &Plan, port: usize, link: &Link) -> LinkFacts {
    LinkFacts {
        ifindex: link.index,
        mac: link.mac,
        running: link.up && link.running,
        own: own_addresses(plan, port, link),
        others: others(plan, port, link),
        forwards_v6: switches::number(&format!("net/ipv6/conf/{}/forwarding", link.name)) != 0,
    }
}

/// A number that changes with the addresses that are not ours to move, whether
/// one speaks from them or not.
#[must_use]
pub fn others(plan: &Plan, port: usize, link: &Link) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    for (address, _) in &link.addresses {
        if !is_ours(plan, port, *address) {
            address.hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Whether an address of an interface is one that moves. An address owner
/// (priority 255) has its own.
fn is_ours(plan: &Plan, port: usize, address: IpAddr) -> bool {
    let slots = plan.ports[port].needed_by.iter();
    slots
        .map(|slot| &plan.routers[*slot])
        .filter(|router| !router.params.is_owner())
        .flat_map(RouterPlan::all_addresses)
        .any(|one| one.address == address)
}

/// The interface's own addresses to speak from: the first of each family that is
/// none of the virtual ones. An address owner (priority 255) speaks from the
/// address that it owns.
#[must_use]
pub fn own_addresses(plan: &Plan, port: usize, link: &Link) -> Own {
    let own = |family| link.own_address(family, |address| is_ours(plan, port, address));
    Own {
        v4: own(Family::V4).and_then(|address| match address {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        }),
        v6: own(Family::V6).and_then(|address| match address {
            IpAddr::V6(v6) => Some(v6),
            IpAddr::V4(_) => None,
        }),
    }
}
