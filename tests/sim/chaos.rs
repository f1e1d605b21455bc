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
use crate::world::{Change, Host, Weather, World};
use crate::{address_v6, any_pack, for_seeds, tick};

/// Machines of any kind: owners, equals, with and without preemption and what
/// else can be turned on, in version 3 with an interval each; alone or as sync
/// groups on two LANs.
fn anybody(rng: &mut Rng) -> Vec<Vec<(Params, IpAddr)>> {
    let (mut hosts, _) = any_pack(rng);
    let preempt = rng.pick(&[1000, 1000, 500, 0]);
    let equals = rng.per_mille(200);
    let options = rng.per_mille(400);
    // Where a loser has a last word that nobody answers, others learn its
    // interval from it: with another one than the winner's that has no end, in
    // keepalived as here.
    let own_intervals = !options && rng.per_mille(300);
    let down = rng.pick(&[3, 3, 3, 1, 2, 6]);
    for (params, _) in &mut hosts {
        params.preempt = rng.per_mille(preempt);
        params.down_timer_adverts = down;
        if equals {
            params.priority = rng.pick(&[Priority::DEFAULT, Priority::OWNER]);
        }
        if own_intervals && params.version == Version::V3 {
            params.adver_interval = Centis::new(rng.pick(&[10, 25, 100, 300])).unwrap();
        }
        if options {
            let interval = params.adver_interval.span();
            params.preempt_delay = interval * rng.pick(&[0, 0, 1, 7]);
            params.lower_prio_no_advert = rng.per_mille(300);
            params.higher_prio_send_advert = rng.per_mille(300);
        }
    }
    if rng.per_mille(100) {
        hosts[0].0.priority = Priority::OWNER;
        let owners = hosts.iter().filter(|(params, _)| params.is_owner());
        hosts[0].0.owner_ignore_adverts = options && owners.count() == 1;
    }
    let grouped = rng.per_mille(300);
    let machine = |(host, (mut params, primary)): (usize, (Params, IpAddr))| {
        params.grouped = grouped;
        let mut routers = vec![(params, primary)];
        if grouped {
            routers.push((params, address_v6(host)));
        }
        routers
    };
    hosts.into_iter().enumerate().map(machine).collect()
}

/// Another configuration that anybody might want: the same in some ways.
fn another(rng: &mut Rng, world: &World, host: usize) -> Params {
    let mut params = world.hosts[host].params;
    let terse = |host: &Host| {
        let params = &host.params;
        params.owner_ignore_adverts || params.lower_prio_no_advert || params.higher_prio_send_advert
    };
    let plain = params.version == Version::V3 && !world.hosts.iter().any(terse);
    match rng.between(0, 4) {
        0 if plain => {
            params.adver_interval = Centis::new(rng.pick(&[10, 25, 100, 300])).unwrap();
        }
        1 if !params.is_owner() => {
            params.priority = Priority::new(u8::try_from(rng.between(1, 254)).unwrap()).unwrap();
        }
        2 => params.preempt = !params.preempt,
        3 => params.down_timer_adverts = rng.pick(&[1, 2, 3, 6]),
        _ => {}
    }
    params
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

fn anything(rng: &mut Rng, world: &World, unit: Duration) -> Change {
    let hosts = world.hosts.len();
    let host = rng.index(hosts);
    let priority = Priority::from_wire(rng.pick(&[1, 100, 200, 254]));
    match rng.between(0, 22) {
        0 | 1 => Change::Start(host),
        2 => Change::Stop(host),
        3 => Change::Cut(host),
        4..=6 => Change::Pause(host, rng.span(unit * 10)),
        7 => Change::LinkDown(host),
        8 => Change::LinkUp(host),
        9 => Change::Deafen(host),
        10 => Change::Hear(host),
        11 => {
            let sides: Vec<u8> = (0..hosts).map(|_| u8::from(rng.per_mille(500))).collect();
            // A machine is on one side with all that it has.
            let side = |host: usize| sides[world.hosts[host].machine];
            Change::Partition((0..hosts).map(side).collect())
        }
        12 | 13 => Change::Drain(host, rng.per_mille(500)),
        14 => Change::Undrain(host),
        15 => Change::Take(host, priority),
        16 => Change::Untake(host),
        17 => Change::Track(host, priority),
        18 => Change::Sleep(host),
        19..=21 => Change::Reconfigure(host, another(rng, world, host)),
        _ => Change::Weather(storm(rng, unit)),
    }
}

/// The slowest router there was.
fn slowest(world: &World, before: Duration) -> Duration {
    let interval = |host: &Host| host.params.adver_interval.span();
    world.hosts.iter().map(interval).fold(before, Duration::max)
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
        world.change(Change::Untake(host));
        world.change(Change::Undrain(host));
        let own = world.hosts[host].params.priority;
        world.change(Change::Track(host, own));
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
    let machines = anybody(&mut rng);
    let unit = tick(&machines.concat());
    let weather = storm(&mut rng, unit);
    let mut world = World::of_machines(label.into(), seed, weather, machines);
    let mut slow = slowest(&world, unit);
    for host in 0..world.hosts.len() {
        world.change(Change::Start(host));
    }
    for _ in 0..rng.between(5, 80) {
        let change = anything(&mut rng, &world, unit);
        world.change(change);
        slow = slowest(&world, slow);
        let span = rng.span(unit * 6);
        world.run(span);
    }
    clear_up(&mut world, &mut rng, unit, slow);
    // The longest down interval there is, for who was last to come back, and
    // whoever waits before it preempts.
    let params = || world.hosts.iter().map(|host| host.params);
    let down = params().map(|params| params.down_timer_adverts).max();
    let down = u32::from(down.unwrap());
    let delay = params().map(|params| params.preempt_delay).max().unwrap();
    world.run(slow * (down + 1) * 3 + delay);
    world.expect_settled();
    world.expect_nothing_kept();
    world.forget();
    world.run(slow * (down + 1) * 2);
    world.expect_settled();
    if world.transitions() != 0 {
        world.fail("something moves though nothing happens");
    }
    let preempting = world.hosts.iter().all(|host| host.params.preempts());
    for active in world.actives() {
        let same_lan = |other: &usize| world.hosts[*other].lan == world.hosts[active].lan;
        let able = (0..world.hosts.len()).filter(|&host| world.takes_part(host));
        let best = able
            .filter(same_lan)
            .map(|host| world.hosts[host].rank().0)
            .max();
        if preempting && best != Some(world.hosts[active].rank().0) {
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
