//! Sync groups: machines that have a router on each of two LANs, one of either
//! family, which are Active together or not at all.

use std::net::IpAddr;
use std::time::Duration;

use vip_common::election::Params;

use crate::rng::Rng;
use crate::scenes::{ELECTION, start_all};
use crate::world::{Change, Weather, World};
use crate::{address_v6, any_pack, for_seeds};

/// Machine 0 is the best, machine 1 the next; routers 2m and 2m + 1 are on
/// machine m.
fn settled(label: &str, seed: u64) -> (World, Rng, Duration) {
    let mut rng = Rng::new(seed);
    let (mut hosts, unit) = any_pack(&mut rng);
    hosts.sort_by_key(|(params, _)| std::cmp::Reverse(params.priority));
    let machine = |(number, (mut params, primary)): (usize, (Params, IpAddr))| {
        params.grouped = true;
        vec![(params, primary), (params, address_v6(number))]
    };
    let machines = hosts.into_iter().enumerate().map(machine).collect();
    let quick = Weather {
        delay: Duration::from_micros(300),
        lateness: Duration::from_micros(100),
        hands: Duration::from_millis(1),
        ..Weather::fair(Duration::ZERO)
    };
    let mut world = World::of_machines(label.into(), seed, quick, machines);
    start_all(&mut world, &mut rng, unit * 2);
    world.run(unit * 2 * ELECTION);
    expect_at(&world, 0);
    world.forget();
    (world, rng, unit)
}

fn expect_at(world: &World, machine: usize) {
    world.expect_settled();
    if world.actives() != [2 * machine, 2 * machine + 1] {
        world.fail(&format!("{:?} are Active", world.actives()));
    }
}

fn expect_no_loss(world: &World) {
    if world.longest_unserved > Duration::ZERO {
        let span = world.longest_unserved;
        world.fail(&format!("nobody had the addresses for {span:?}"));
    }
    world.expect_nothing_kept();
}

/// At no time does one LAN have another machine than the other, but for the
/// moments of a move.
#[test]
fn a_fault_on_one_lan_moves_both() {
    for_seeds("a_fault_on_one_lan", 200, |label, seed| {
        let (mut world, mut rng, unit) = settled(label, seed);
        let failed = rng.index(2);
        world.change(Change::LinkDown(failed));
        if !world.actives().is_empty() || world.hosts.iter().any(|host| host.is_letting_go()) {
            world.fail("the other router stays when one cannot");
        }
        world.run(unit * (ELECTION + 1));
        expect_at(&world, 1);
        world.forget();
        world.change(Change::LinkUp(failed));
        world.run(unit * (ELECTION + 1) + Duration::from_millis(200));
        expect_at(&world, 0);
        expect_no_loss(&world);
    });
}

/// One LAN loses all frames between the machines: nobody takes over there alone.
#[test]
fn a_silence_on_one_lan_moves_nothing() {
    for_seeds("a_silence_on_one_lan", 200, |label, seed| {
        let (mut world, _, unit) = settled(label, seed);
        let sides = (0..world.hosts.len()).map(|host| if host % 2 == 0 { 0 } else { host });
        let sides = sides.map(|side| u8::try_from(side).unwrap()).collect();
        world.change(Change::Partition(sides));
        world.run(unit * ELECTION * 3);
        if world.actives() != [0, 1] || world.transitions() != 0 {
            world.fail("one member moved");
        }
        // Then the other one falls silent as well: now all want it.
        world.change(Change::Cut(0));
        world.run(unit * (ELECTION + 1));
        if !world.actives().starts_with(&[2, 3]) {
            world.fail("the next machine did not take both");
        }
    });
}

/// Planned moves of a group lose nothing on either LAN.
#[test]
fn a_group_moves_without_loss() {
    for_seeds("a_group_moves", 200, |label, seed| {
        let (mut world, mut rng, unit) = settled(label, seed);
        let long = unit * (ELECTION + 1) + Duration::from_millis(200);
        let drains = rng.per_mille(500);
        world.change(if drains {
            Change::Drain(0, rng.per_mille(500))
        } else {
            Change::Stop(0)
        });
        world.run(long);
        expect_at(&world, 1);
        expect_no_loss(&world);
        world.change(if drains {
            Change::Undrain(0)
        } else {
            Change::Start(0)
        });
        world.run(long);
        expect_at(&world, 0);
        expect_no_loss(&world);
        let priority = vip_common::ids::Priority::from_wire(254);
        if world.hosts[0].params.priority < priority {
            world.change(Change::Take(2, priority));
            world.run(long);
            expect_at(&world, 1);
            expect_no_loss(&world);
        }
    });
}

/// Nobody to take over on one of the LANs: the group comes back whole, with
/// what it still holds, and takes back what a successor has begun with.
#[test]
fn a_drained_group_without_successor_returns_whole() {
    for_seeds("a_drained_group", 200, |label, seed| {
        let (mut world, mut rng, unit) = settled(label, seed);
        let lan = rng.index(2);
        for host in 2..world.hosts.len() {
            if host % 2 == lan {
                world.change(Change::LinkDown(host));
            }
        }
        world.change(Change::Drain(0, false));
        world.run(unit * ELECTION + Duration::from_millis(200));
        expect_at(&world, 0);
        expect_no_loss(&world);
    });
}

/// The whole machine stands still, or dies: the next one has both.
#[test]
fn a_dead_machine_is_replaced_on_both_lans() {
    for_seeds("a_dead_machine", 200, |label, seed| {
        let (mut world, mut rng, unit) = settled(label, seed);
        let stands = rng.per_mille(500);
        world.change(if stands {
            Change::Pause(0, unit * ELECTION * 2)
        } else {
            Change::Cut(0)
        });
        world.run(unit * ELECTION);
        let others: Vec<_> = world.actives().into_iter().filter(|&h| h > 1).collect();
        if others != [2, 3] {
            world.fail("the next machine did not take both");
        }
        world.run(unit * ELECTION * 2);
        // Woken, it finds another one there, or is the better one again.
        expect_at(&world, usize::from(!stands));
    });
}
