//! Everything at once: any number of things happen at any time, then the
//! weather clears, and what is left must be one Active Router with its
//! addresses and others that follow it. What must never happen at all is
//! watched by the world throughout.

use std::net::IpAddr;
use std::time::Duration;

use vip_common::election::Params;
use vip_common::ids::{Priority, Version};
use vip_common::time::Centis;

use crate::rng::Rng;
use crate::world::{Change, Weather, World};
use crate::{any_pack, for_seeds, tick};

/// Hosts of any kind: owners, equals, with and without preemption, and in
/// version 3 with an interval each. Returns the slowest interval.
fn anybody(rng: &mut Rng) -> (Vec<(Params, IpAddr)>, Duration) {
    let (mut hosts, _) = any_pack(rng);
    let preempt = rng.pick(&[1000, 1000, 500, 0]);
    let equals = rng.per_mille(200);
    let own_intervals = rng.per_mille(300);
    let down = u8::try_from(rng.pick(&[3, 3, 3, 1, 2, 6])).unwrap();
    for (params, _) in &mut hosts {
        params.preempt = rng.per_mille(preempt);
        params.down_timer_adverts = down;
        if equals {
            params.priority = rng.pick(&[Priority::DEFAULT, Priority::OWNER]);
        }
        if own_intervals && params.version == Version::V3 {
            params.adver_interval = Centis::new(rng.pick(&[10, 25, 100, 300])).unwrap();
        }
    }
    if rng.per_mille(100) {
        hosts[0].0.priority = Priority::OWNER;
    }
    let slowest = hosts.iter().map(|(params, _)| params.adver_interval.span());
    let slowest = slowest.max().unwrap();
    (hosts, slowest)
}

fn storm(rng: &mut Rng, unit: Duration) -> Weather {
    Weather {
        loss: rng.pick(&[0, 0, 10, 100, 400]),
        duplication: rng.pick(&[0, 0, 50, 500]),
        delay: rng.span(unit),
        reorder: rng.per_mille(500),
        lateness: rng.span(unit),
        hands: rng.span(unit * 2),
        failures: rng.pick(&[0, 0, 0, 100]),
    }
}

fn anything(rng: &mut Rng, hosts: usize, unit: Duration) -> Change {
    let host = rng.index(hosts);
    match rng.between(0, 12) {
        0 | 1 => Change::Start(host),
        2 => Change::Stop(host),
        3 => Change::Cut(host),
        4..=6 => Change::Pause(host, rng.span(unit * 10)),
        7 => Change::LinkDown(host),
        8 => Change::LinkUp(host),
        9 => Change::Deafen(host),
        10 => Change::Hear(host),
        11 => {
            let group = |_| u8::try_from(rng.between(0, 1)).unwrap();
            Change::Partition((0..hosts).map(group).collect())
        }
        _ => Change::Weather(storm(rng, unit)),
    }
}

fn clear_up(world: &mut World, rng: &mut Rng, unit: Duration, slowest: Duration) {
    let hosts = world.hosts.len();
    world.change(Change::Weather(Weather::calm(unit)));
    world.change(Change::Partition(vec![0; hosts]));
    let mut order: Vec<usize> = (0..hosts).collect();
    rng.shuffle(&mut order);
    for host in order {
        world.change(Change::LinkUp(host));
        world.change(Change::Hear(host));
        if rng.per_mille(700) {
            world.change(Change::Start(host));
        }
    }
    // Pauses and frames from before, and the first retry after a failure.
    world.run(slowest * 20);
    while let Some(retry) = world.latest_retry() {
        let wait = retry.since(world.now);
        world.run(wait + unit);
    }
}

fn one_life(label: &str, seed: u64) -> World {
    let mut rng = Rng::new(seed);
    let (hosts, slowest) = anybody(&mut rng);
    let unit = tick(&hosts);
    let count = hosts.len();
    let weather = storm(&mut rng, unit);
    let mut world = World::new(label.into(), seed, weather, hosts);
    for host in 0..count {
        world.change(Change::Start(host));
    }
    for _ in 0..rng.between(5, 80) {
        let change = anything(&mut rng, count, unit);
        world.change(change);
        let span = rng.span(unit * 6);
        world.run(span);
    }
    clear_up(&mut world, &mut rng, unit, slowest);
    // The longest down interval there is, for who was last to come back.
    let down = u32::from(world.hosts[0].params.down_timer_adverts);
    world.run(slowest * (down + 1) * 3);
    world.expect_settled();
    world.forget();
    world.run(slowest * (down + 1) * 2);
    world.expect_settled();
    if world.transitions() != 0 {
        world.fail("something moves though nothing happens");
    }
    let preempting = world.hosts.iter().all(|host| host.params.preempts());
    if let ([active], true) = (&world.actives()[..], preempting) {
        let able = world.hosts.iter().filter(|host| host.is_able());
        let best = able.map(|host| host.params.priority).max();
        if best != Some(world.hosts[*active].params.priority) {
            world.fail("a better one is able and waits");
        }
    }
    world
}

#[test]
fn after_any_storm_one_is_active() {
    for_seeds("after_any_storm", 400, |label, seed| {
        one_life(label, seed);
    });
}

/// The same seed, the same life, to the nanosecond.
#[test]
fn a_life_can_be_lived_again() {
    for_seeds("lived_again", 20, |label, seed| {
        let first = one_life(label, seed);
        let second = one_life(label, seed);
        assert_eq!(first.digest, second.digest, "{label}");
        assert_eq!(first.now, second.now, "{label}");
        assert_ne!(first.digest, 0, "{label}: nothing was noted");
    });
}
