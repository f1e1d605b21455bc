//! Planned moves: nobody loses the addresses before somebody else has them.

use std::time::Duration;

use vip_common::ids::{Priority, Version};
use vip_common::time::Centis;

use crate::rng::Rng;
use crate::scenes::{ELECTION, settled};
use crate::world::{Change, Weather, World};
use crate::{address, best, best_of, for_seeds, params};

/// Delays as they are on a LAN and a host that is not overloaded, whatever the
/// interval: the time that a successor has beyond an interval does not grow
/// with it.
fn quick() -> Weather {
    Weather {
        delay: Duration::from_micros(300),
        lateness: Duration::from_micros(100),
        hands: Duration::from_millis(1),
        ..Weather::fair(Duration::ZERO)
    }
}

/// The longest moment in which nobody answers: from the successor's first
/// advert to its announcement.
const SILENCE: Duration = Duration::from_millis(2);

fn ready(label: &str, seed: u64) -> (World, Rng, Duration) {
    let (mut world, rng, unit) = settled(label, seed);
    world.change(Change::Weather(quick()));
    world.run(unit * 2);
    world.forget();
    (world, rng, unit)
}

fn expect_no_loss(world: &World) {
    if world.longest_unserved > Duration::ZERO {
        let span = world.longest_unserved;
        world.fail(&format!("nobody had the addresses for {span:?}"));
    }
    if world.longest_silence > SILENCE {
        let span = world.longest_silence;
        world.fail(&format!("nobody answered for {span:?}"));
    }
    world.expect_settled();
    world.expect_nothing_kept();
}

/// A leave for good, and the return, which preempts.
#[test]
fn a_planned_leave_and_the_return_lose_nothing() {
    for_seeds("a_planned_leave", 300, |label, seed| {
        let (mut world, mut rng, unit) = ready(label, seed);
        let leaving = best(&world);
        let wait = rng.span(unit * 2);
        world.run(wait);
        world.change(Change::Stop(leaving));
        world.run(unit * ELECTION + Duration::from_millis(200));
        expect_no_loss(&world);
        let next = best_of(&world, |host| host != leaving);
        if world.actives() != [next] || world.hosts[leaving].kernel.is_some() {
            world.fail("the next best does not have it alone");
        }
        world.forget();
        world.change(Change::Start(leaving));
        world.run(unit * ELECTION + Duration::from_millis(200));
        expect_no_loss(&world);
        if world.actives() != [leaving] {
            world.fail("the best did not take back its role");
        }
    });
}

/// Drained: out until it is undone, and no loss either way.
#[test]
fn a_drain_and_its_end_lose_nothing() {
    for_seeds("a_drain_and_its_end", 300, |label, seed| {
        let (mut world, mut rng, unit) = ready(label, seed);
        let drained = best(&world);
        world.change(Change::Drain(drained, rng.per_mille(500)));
        world.run(unit * ELECTION + Duration::from_millis(200));
        expect_no_loss(&world);
        world.forget();
        world.run(unit * 50);
        let next = best_of(&world, |host| host != drained);
        if world.actives() != [next] || world.transitions() != 0 {
            world.fail("one that was drained came back");
        }
        world.change(Change::Undrain(drained));
        world.run(unit * ELECTION + Duration::from_millis(200));
        expect_no_loss(&world);
        if world.actives() != [drained] {
            world.fail("the best did not take back its role");
        }
    });
}

/// Nobody there to take over: the role comes back without a moment's loss,
/// unless force was asked for.
#[test]
fn a_drain_without_successor_returns() {
    for_seeds("a_drain_without_successor", 200, |label, seed| {
        let (mut world, _, _) = ready(label, seed);
        let lone = best(&world);
        let unit = world.hosts[lone].params.succession();
        for host in 0..world.hosts.len() {
            if host != lone {
                world.change(Change::Cut(host));
            }
        }
        world.change(Change::Drain(lone, false));
        world.run(unit + Duration::from_millis(99));
        if !world.actives().is_empty() {
            world.fail("it did not even try");
        }
        world.run(Duration::from_millis(2));
        expect_no_loss(&world);
        if world.actives() != [lone] || world.longest_silence > Duration::ZERO {
            world.fail("it did not come back");
        }
        world.change(Change::Drain(lone, true));
        world.run(unit + Duration::from_millis(105));
        if !world.actives().is_empty() || world.hosts[lone].kernel.is_some() {
            world.fail("force did not force");
        }
    });
}

/// Anybody can be told to take over, and the best takes it back afterwards.
#[test]
fn a_take_and_its_end_lose_nothing() {
    for_seeds("a_take_and_its_end", 300, |label, seed| {
        let (mut world, mut rng, unit) = ready(label, seed);
        let winner = best(&world);
        let taken = rng.index(world.hosts.len());
        let priority = Priority::from_wire(254);
        if world.hosts[winner].params.priority == priority {
            return;
        }
        world.change(Change::Take(taken, priority));
        if world.hosts[taken].name() != Some(vip_common::election::StateName::Active) {
            world.fail("it did not take over at once");
        }
        world.run(unit * ELECTION + Duration::from_millis(200));
        expect_no_loss(&world);
        if world.actives() != [taken] {
            world.fail("it did not keep what it took");
        }
        world.change(Change::Untake(taken));
        world.run(unit * ELECTION + Duration::from_millis(200));
        expect_no_loss(&world);
        if world.actives() != [winner] {
            world.fail("the best did not take back its role");
        }
    });
}

/// The successor dies at any moment of the handover: the bound holds (the world
/// watches), and the next one serves.
#[test]
fn a_successor_that_dies_in_the_handover_is_succeeded() {
    for_seeds("a_successor_that_dies", 300, |label, seed| {
        let (mut world, mut rng, unit) = ready(label, seed);
        let leaving = best(&world);
        let next = best_of(&world, |host| host != leaving);
        let yields = rng.per_mille(500);
        if yields {
            world.change(Change::Take(next, Priority::from_wire(254)));
        } else {
            world.change(Change::Stop(leaving));
        }
        let dies = rng.span(unit + Duration::from_millis(100));
        world.after(dies, Change::Cut(next));
        world.run(unit * ELECTION * 3 + Duration::from_millis(200));
        world.expect_settled();
        world.expect_nothing_kept();
    });
}

/// The link goes at any moment of the handover: nothing is kept behind it.
#[test]
fn a_link_that_fails_in_the_handover_ends_it() {
    for_seeds("a_link_that_fails", 300, |label, seed| {
        let (mut world, mut rng, unit) = ready(label, seed);
        let leaving = best(&world);
        let change = rng.pick(&[0, 1, 2]);
        match change {
            0 => world.change(Change::Stop(leaving)),
            1 => world.change(Change::Drain(leaving, false)),
            _ => {
                let other = best_of(&world, |host| host != leaving);
                world.change(Change::Take(other, Priority::from_wire(254)));
            }
        }
        let fails = rng.span(unit + Duration::from_millis(100));
        world.run(fails);
        world.change(Change::LinkDown(leaving));
        if world.hosts[leaving].is_letting_go() {
            world.fail("it keeps addresses behind a dead link");
        }
        world.run(unit * ELECTION * 2 + Duration::from_millis(200));
        world.expect_settled();
        world.expect_nothing_kept();
    });
}

/// Announcements get lost, or the successor has had the addresses all along:
/// the bound ends it, and it is made to announce them.
#[test]
fn a_lost_announcement_is_asked_for() {
    for_seeds("a_lost_announcement", 100, |label, seed| {
        let mut rng = Rng::new(seed);
        let interval = Centis::new(rng.pick(&[10, 100, 300])).unwrap();
        let unit = interval.span();
        let hosts = vec![
            (params(Version::V3, 100, interval), address(0)),
            (params(Version::V3, 200, interval), address(1)),
        ];
        let mut world = World::new(label.into(), seed, quick(), hosts);
        world.change(Change::Start(0));
        world.run(unit * ELECTION);
        world.change(Change::Partition(vec![0, 1]));
        world.change(Change::Start(1));
        world.run(unit * ELECTION * 20);
        world.change(Change::Partition(vec![0, 0]));
        world.forget();
        let healed = world.now;
        world.run(unit * 2 + Duration::from_millis(1300));
        if world.hosts[1].announced < Some(healed) {
            world.fail("nobody told the neighbours");
        }
        expect_no_loss(&world);
        if world.actives() != [1] {
            world.fail("the best did not keep the role");
        }
    });
}

/// 300 configurations, one after the other: no change of state, no advert later
/// than one and a half intervals (the world watches).
#[test]
fn three_hundred_configurations_move_nothing() {
    for_seeds("three_hundred_configurations", 20, |label, seed| {
        let (mut world, mut rng, unit) = ready(label, seed);
        for _ in 0..300 {
            let host = rng.index(world.hosts.len());
            let mut params = world.hosts[host].params;
            if params.version == Version::V3 {
                params.adver_interval = Centis::new(rng.pick(&[1, 2, 10, 100, 300])).unwrap();
            }
            params.garp.refresh = rng.pick(&[None, Some(unit)]);
            params.down_timer_adverts = rng.pick(&[2, 3, 4]);
            world.change(Change::Reconfigure(host, params));
            let wait = rng.span(unit);
            world.run(wait);
        }
        world.run(Centis::new(4095).unwrap().span());
        world.expect_settled();
        if world.transitions() != 0 {
            world.fail("a configuration moved something");
        }
    });
}

/// Priorities that are tracked move the role, and back, without a loss.
#[test]
fn tracked_priorities_move_the_role_without_loss() {
    for_seeds("tracked_priorities", 200, |label, seed| {
        let (mut world, _, unit) = ready(label, seed);
        let winner = best(&world);
        let next = best_of(&world, |host| host != winner);
        let lowest = Priority::from_wire(1);
        if world.hosts[next].params.priority == lowest {
            return;
        }
        let own = world.hosts[winner].params.priority;
        for (priority, holder) in [(lowest, next), (own, winner)] {
            world.change(Change::Track(winner, priority));
            world.run(unit * (ELECTION + 2) + Duration::from_millis(200));
            expect_no_loss(&world);
            if world.actives() != [holder] {
                world.fail("the role did not follow the priority");
            }
        }
    });
}

/// A returning router waits before it preempts, and then for the timer.
#[test]
fn a_return_waits_for_the_preempt_delay() {
    for_seeds("the_preempt_delay", 200, |label, seed| {
        let mut rng = Rng::new(seed);
        let interval = Centis::new(rng.pick(&[1, 10, 100])).unwrap();
        let unit = interval.span();
        let mut hosts = vec![
            (params(Version::V3, 100, interval), address(0)),
            (params(Version::V3, 200, interval), address(1)),
        ];
        let delay = unit * rng.pick(&[1, 5, 50]);
        hosts[1].0.preempt_delay = delay;
        let mut world = World::new(label.into(), seed, Weather::calm(unit), hosts);
        world.change(Change::Start(0));
        world.run(unit * ELECTION);
        world.change(Change::Start(1));
        // The first advert begins it; the last one within it is followed by
        // three intervals and a skew.
        world.run(delay + unit * 2);
        if world.actives() != [0] {
            world.fail("it did not wait");
        }
        world.run(unit * 5);
        if world.actives() != [1] {
            world.fail("it waited for longer than it should");
        }
        world.run(unit + Duration::from_millis(200));
        world.expect_settled();
    });
}
