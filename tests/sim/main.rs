//! The election in virtual time: several routers on one LAN, with everything
//! that networks and hosts do to them, and no clock but the simulation's own.
//!
//! A failure prints its seed, and `VIP_SIM_SEED=<seed>` runs that one alone;
//! `VIP_SIM_SEEDS=<count>` runs as many of each scene.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what cannot be is a failure of the test"
)]

mod cases;
mod chaos;
mod groups;
mod handover;
mod rfc9568;
mod rng;
mod scenes;
mod world;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vip_common::election::Params;
use vip_common::ids::{Priority, Version, Vrid};
use vip_common::time::Centis;

use rng::Rng;
use world::World;

/// Runs a scene for each seed, or for the one that is asked for.
fn for_seeds(name: &str, count: u64, scene: impl Fn(&str, u64)) {
    let seeds = match (number("VIP_SIM_SEED"), number("VIP_SIM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, asked) => 0..asked.unwrap_or(count),
    };
    for seed in seeds {
        let label = format!("VIP_SIM_SEED={seed} cargo test -p vip-tests --test sim {name}");
        scene(&label, seed);
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number of a seed, or of seeds"))
}

fn params(version: Version, priority: u8, interval: Centis) -> Params {
    let vrid = Vrid::new(51).unwrap();
    let priority = Priority::new(priority).unwrap();
    Params::new(vrid, version, priority, interval)
}

fn address(host: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 168, 8, 5 + u8::try_from(host).unwrap()))
}

/// On another LAN, of another family: the election does not care.
fn address_v6(host: usize) -> IpAddr {
    let interface = 5 + u16::try_from(host).unwrap();
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, interface))
}

/// From 10 ms to 40.95 s, the short ones as often as the long ones.
fn any_interval(rng: &mut Rng, version: Version) -> Centis {
    match version {
        Version::V2 => Centis::from_secs(rng.pick(&[1, 2, 5, 40])).unwrap(),
        Version::V3 => Centis::new(rng.pick(&[1, 2, 10, 25, 100, 300, 1000, 4095])).unwrap(),
    }
}

fn any_version(rng: &mut Rng) -> Version {
    rng.pick(&[Version::V2, Version::V3])
}

/// Two to five routers of one interval with priorities that differ.
fn any_pack(rng: &mut Rng) -> (Vec<(Params, IpAddr)>, Duration) {
    let version = any_version(rng);
    let interval = any_interval(rng, version);
    let count = rng.index(4) + 2;
    let mut priorities = Vec::new();
    while priorities.len() < count {
        let priority = u8::try_from(rng.between(1, 254)).unwrap();
        if !priorities.contains(&priority) {
            priorities.push(priority);
        }
    }
    let address = rng.pick(&[address, address_v6]);
    let host =
        |(host, &priority): (usize, &u8)| (params(version, priority, interval), address(host));
    (
        priorities.iter().enumerate().map(host).collect(),
        interval.span(),
    )
}

/// What the skews are shares of, and so the measure of delays that an election
/// must bear: the shortest interval, in version 2 one second.
fn tick(hosts: &[(Params, IpAddr)]) -> Duration {
    let share = |(params, _): &(Params, IpAddr)| match params.version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => params.adver_interval.span(),
    };
    hosts.iter().map(share).min().unwrap()
}

/// The host that wins where priorities differ.
fn best(world: &World) -> usize {
    best_of(world, |_| true)
}

/// The same among some of them.
fn best_of(world: &World, among: impl Fn(usize) -> bool) -> usize {
    let hosts = (0..world.hosts.len()).filter(|&host| among(host));
    let best = hosts.max_by_key(|&host| world.hosts[host].params.priority);
    best.unwrap()
}
