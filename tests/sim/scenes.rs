//! One thing at a time, under many seeds.

use std::time::Duration;

use vip_common::ids::Version;
use vip_common::time::Centis;

use crate::rng::Rng;
use crate::world::{Change, Weather, World};
use crate::{address, any_interval, any_pack, any_version, best, for_seeds, params, tick};

/// Longest that an election takes from scratch, counted in intervals: four
/// for the timer of the lowest priority and the proof, one more for the way.
pub(crate) const ELECTION: u32 = 6;

pub(crate) fn pack(label: &str, seed: u64) -> (World, Rng, Duration) {
    let mut rng = Rng::new(seed);
    let (hosts, unit) = any_pack(&mut rng);
    let fair = Weather::fair(tick(&hosts));
    let world = World::new(label.into(), seed, fair, hosts);
    (world, rng, unit)
}

pub(crate) fn start_all(world: &mut World, rng: &mut Rng, within: Duration) {
    for host in 0..world.hosts.len() {
        let after = rng.span(within);
        world.after(after, Change::Start(host));
    }
}

pub(crate) fn settled(label: &str, seed: u64) -> (World, Rng, Duration) {
    let (mut world, mut rng, unit) = pack(label, seed);
    start_all(&mut world, &mut rng, unit * 2);
    world.run(unit * 2 * ELECTION);
    world.expect_settled();
    world.forget();
    (world, rng, unit)
}

/// The best wins, whoever started first and however long before the others.
#[test]
fn the_winner_does_not_depend_on_the_order_of_starting() {
    for_seeds("order_of_starting", 300, |label, seed| {
        let (mut world, mut rng, unit) = pack(label, seed);
        let within = unit * rng.pick(&[0, 1, 4, 20]);
        start_all(&mut world, &mut rng, within);
        world.run(within + unit * ELECTION);
        world.expect_settled();
        let winner = best(&world);
        if world.actives() != [winner] {
            world.fail("another one than the best is Active");
        }
        // One gives up as soon as it hears the other; adverts answered or not.
        // Two worse ones may have begun within one way of a frame.
        if world.longest_overlap > world.weather.delay * 2 + world.weather.lateness {
            world.fail(&format!("two at once for {:?}", world.longest_overlap));
        }
    });
}

/// Nothing moves where nothing happens, and nobody says more than it must.
#[test]
fn a_settled_lan_stays_as_it_is() {
    for_seeds("a_settled_lan", 200, |label, seed| {
        let (mut world, _, unit) = settled(label, seed);
        world.run(unit * 200);
        world.expect_settled();
        if world.transitions() != 0 {
            world.fail("a transition for no reason");
        }
        let winner = best(&world);
        for host in 0..world.hosts.len() {
            let sent = world.hosts[host].adverts;
            let fits = if host == winner {
                (199..=201).contains(&sent)
            } else {
                sent == 0
            };
            if !fits {
                world.fail(&format!("{host} sent {sent} adverts in 200 intervals"));
            }
        }
    });
}

/// Power cut: the next best takes over when its own timer says so, not before
/// (which the world watches) and hardly after.
#[test]
fn the_next_best_takes_over_from_a_dead_router() {
    for_seeds("the_next_best", 300, |label, seed| {
        let (mut world, mut rng, unit) = settled(label, seed);
        let dead = best(&world);
        let wait = rng.span(unit * 3);
        world.run(wait);
        world.change(Change::Cut(dead));
        let next = (0..world.hosts.len())
            .filter(|&host| host != dead)
            .max_by_key(|&host| world.hosts[host].params.priority)
            .unwrap();
        let params = world.hosts[next].params;
        let down = params.active_down_interval(params.adver_interval);
        let fair = world.weather.clone();
        world.run(down + fair.delay + fair.lateness);
        // Priorities that lie close may find another one beside it for a moment.
        if !world.actives().contains(&next) {
            world.fail("the next best did not take over in time");
        }
        world.run(unit * ELECTION);
        world.expect_settled();
        // It comes back, and takes back what it lost, without a gap.
        world.forget();
        world.change(Change::Start(dead));
        world.run(unit * ELECTION);
        world.expect_settled();
        if world.actives() != [dead] || world.longest_gap > Duration::ZERO {
            world.fail("the best did not take back its role without a gap");
        }
    });
}

/// A leave in good order costs the skew, not the down interval.
#[test]
fn a_leave_is_followed_within_the_skew() {
    for_seeds("followed_within_the_skew", 300, |label, seed| {
        let (mut world, _, unit) = settled(label, seed);
        let leaving = best(&world);
        world.change(Change::Stop(leaving));
        let next = (0..world.hosts.len())
            .filter(|&host| host != leaving)
            .map(|host| world.hosts[host].params)
            .max_by_key(|params| params.priority)
            .unwrap();
        let fair = world.weather.clone();
        world.run(unit * ELECTION);
        world.expect_settled();
        let most = next.skew_time(next.adver_interval) + fair.delay + fair.lateness;
        if world.longest_gap > most {
            let gap = world.longest_gap;
            world.fail(&format!("nobody for {gap:?}, {most:?} would do"));
        }
    });
}

/// Whatever gap there is in its calls, one that hears nobody goes on.
#[test]
fn a_lone_active_router_never_loses_the_address_to_a_pause() {
    for_seeds("never_loses_the_address", 200, |label, seed| {
        let mut rng = Rng::new(seed);
        let version = any_version(&mut rng);
        let interval = any_interval(&mut rng, version);
        let unit = interval.span();
        let priority = rng.pick(&[1, 100, 255]);
        let host = (params(version, priority, interval), address(0));
        let mut weather = Weather::fair(unit);
        weather.lateness = unit * 2;
        let mut world = World::new(label.into(), seed, weather, vec![host]);
        world.change(Change::Start(0));
        world.run(unit * ELECTION * 2);
        if world.actives() != [0] {
            world.fail("a lone router did not become Active");
        }
        world.forget();
        for _ in 0..50 {
            let pause = rng.span(unit * 3) * rng.pick(&[1, 1, 100, 100_000]);
            world.change(Change::Pause(0, pause));
            let between = rng.span(unit * 4);
            world.run(pause + between);
        }
        world.run(unit * 5);
        if world.transitions() != 0 || world.hosts[0].kernel.is_none() {
            world.fail("a pause cost the address");
        }
        world.expect_settled();
    });
}

/// What came while a Backup stood still is read before its timer is believed.
#[test]
fn a_paused_backup_does_not_take_over_from_a_live_router() {
    for_seeds("a_paused_backup", 300, |label, seed| {
        let (mut world, mut rng, unit) = settled(label, seed);
        let winner = best(&world);
        for _ in 0..10 {
            let host = rng.index(world.hosts.len());
            if host != winner {
                let pause = rng.span(unit * 50);
                world.change(Change::Pause(host, pause));
            }
            let between = rng.span(unit * 60);
            world.run(between);
        }
        world.run(unit * 60);
        world.expect_settled();
        if world.transitions() != 0 {
            world.fail("a paused Backup moved something");
        }
    });
}

/// The router died while the Backup stood still: no further interval is spent
/// on adverts of long ago.
#[test]
fn a_backup_that_slept_takes_over_from_a_dead_router_at_once() {
    for_seeds("a_backup_that_slept", 200, |label, seed| {
        let mut rng = Rng::new(seed);
        let version = any_version(&mut rng);
        let interval = any_interval(&mut rng, version);
        let unit = interval.span();
        let hosts = vec![
            (params(version, 200, interval), address(0)),
            (params(version, 100, interval), address(1)),
        ];
        let fair = Weather::fair(tick(&hosts));
        let mut world = World::new(label.into(), seed, fair, hosts);
        start_all(&mut world, &mut rng, unit);
        world.run(unit * ELECTION * 2);
        world.change(Change::Pause(1, unit * 30));
        let dies = rng.span(unit * 20);
        world.after(dies, Change::Cut(0));
        world.run(unit * 30);
        world.run(world.weather.hands * 2);
        if world.actives() != [1] {
            world.fail("it waited again for what was long over");
        }
    });
}

/// Partition: each side has one. Healed: one is left, the best.
#[test]
fn a_partition_heals() {
    for_seeds("a_partition_heals", 300, |label, seed| {
        let (mut world, mut rng, unit) = settled(label, seed);
        let groups = world.hosts.iter().map(|_| u8::from(rng.per_mille(500)));
        let groups = groups.collect();
        world.change(Change::Partition(groups));
        world.run(unit * ELECTION);
        world.expect_settled();
        let whole = vec![0; world.hosts.len()];
        world.change(Change::Partition(whole));
        world.forget();
        let (healed, split) = (world.now, world.actives().len() > 1);
        let fair = world.weather.clone();
        world.run(unit + fair.delay + fair.lateness);
        if world.actives() != [best(&world)] {
            world.fail("the first advert did not decide");
        }
        // The others may have heard one more advert of who yielded.
        world.run(unit * 2);
        world.expect_settled();
        if world.actives() != [best(&world)] || world.longest_gap > Duration::ZERO {
            world.fail("the best did not keep the role");
        }
        // Whoever listened to the other side is told, heard or not who was
        // first: at once, or a second after the last announcement.
        world.run(Duration::from_millis(1300));
        let announced = world.hosts[best(&world)].announced;
        if split && announced < Some(healed) {
            world.fail("the winner did not announce the addresses once more");
        }
        world.expect_nothing_kept();
    });
}

/// One lost advert, or two, are what the down interval is for.
#[test]
fn two_lost_adverts_move_nothing() {
    for_seeds("two_lost_adverts", 200, |label, seed| {
        let (mut world, mut rng, unit) = settled(label, seed);
        let calm = Weather::calm(world.weather.delay * 20);
        world.change(Change::Weather(calm.clone()));
        world.run(unit * 2);
        for _ in 0..20 {
            let apart = (0..world.hosts.len()).map(|host| u8::try_from(host).unwrap());
            let apart = apart.collect();
            // One advert falls into this, or two, never three.
            let gap = unit * 2 - calm.lateness;
            world.change(Change::Partition(apart));
            world.run(gap);
            let whole = vec![0; world.hosts.len()];
            world.change(Change::Partition(whole));
            let between = unit * 2 + rng.span(unit * 3);
            world.run(between);
        }
        if world.transitions() != 0 {
            world.fail("lost adverts moved something");
        }
    });
}

/// A Backup whose ear died does not take over; healed, it follows again.
#[test]
fn a_deaf_backup_does_not_take_over() {
    for_seeds("a_deaf_backup", 200, |label, seed| {
        let (mut world, mut rng, unit) = settled(label, seed);
        let winner = best(&world);
        let deaf = (winner + 1) % world.hosts.len();
        // The answer to whether it hears may come long after its deadline.
        let fair = world.weather.clone();
        let mut slow = fair.clone();
        slow.hands = unit * rng.pick(&[1, 10, 40]);
        world.change(Change::Weather(slow));
        world.change(Change::Deafen(deaf));
        let while_deaf = unit * 3 + rng.span(unit * 50);
        world.run(while_deaf);
        if world.actives() != [winner] {
            world.fail("a deaf Backup took over");
        }
        world.change(Change::Weather(fair));
        world.change(Change::Hear(deaf));
        world.run(unit * (ELECTION + 40));
        world.expect_settled();
        if world.actives() != [winner] {
            world.fail("a healed Backup took over");
        }
    });
}

/// A router that cannot hold the addresses leaves the role to one that can.
#[test]
fn a_failed_installation_lets_another_one_serve() {
    for_seeds("a_failed_installation", 200, |label, seed| {
        let (mut world, mut rng, unit) = pack(label, seed);
        let fair = world.weather.clone();
        let mut weather = fair.clone();
        weather.failures = 1000;
        world.change(Change::Weather(weather));
        start_all(&mut world, &mut rng, unit);
        world.run(unit * ELECTION * 2);
        world.change(Change::Weather(fair));
        while let Some(retry) = world.latest_retry() {
            let wait = retry.since(world.now);
            world.run(wait + unit);
        }
        world.run(unit * ELECTION * 2);
        world.expect_settled();
        if world.actives() != [best(&world)] {
            world.fail("the best did not come back");
        }
    });
}

/// Version 3 learns: the timers of the others follow the Active Router's
/// interval, far as it is from their own.
#[test]
fn intervals_may_differ_in_version_3() {
    for_seeds("intervals_may_differ", 30, |label, seed| {
        let mut rng = Rng::new(seed);
        let intervals = [1, 7, 100, 1000, 4095];
        let slowest = Centis::V3_MAX.span();
        let hosts = (0..3).map(|host| {
            let interval = Centis::new(rng.pick(&intervals)).unwrap();
            let priority = [50, 100, 200][host];
            (params(Version::V3, priority, interval), address(host))
        });
        let hosts = hosts.collect();
        let fair = Weather::fair(Duration::from_millis(10));
        let mut world = World::new(label.into(), seed, fair, hosts);
        start_all(&mut world, &mut rng, slowest);
        world.run(slowest * 9);
        world.expect_settled();
        if world.actives() != [2] {
            world.fail("the best did not win");
        }
        world.forget();
        world.run(slowest * 5);
        if world.transitions() != 0 {
            world.fail("different intervals move something");
        }
        let died = world.hosts[2].params.adver_interval;
        world.change(Change::Cut(2));
        let down = world.hosts[1].params.active_down_interval(died);
        world.run(down + Duration::from_millis(1));
        if world.actives() != [1] {
            world.fail("the takeover did not follow the learned interval");
        }
    });
}

/// Without preemption a returning router lets the present one be.
#[test]
fn without_preemption_the_present_router_stays() {
    for_seeds("without_preemption", 200, |label, seed| {
        let mut rng = Rng::new(seed);
        let (mut hosts, unit) = any_pack(&mut rng);
        for (params, _) in &mut hosts {
            params.preempt = false;
        }
        let fair = Weather::fair(tick(&hosts));
        let mut world = World::new(label.into(), seed, fair, hosts);
        start_all(&mut world, &mut rng, unit);
        world.run(unit * ELECTION * 2);
        world.expect_settled();
        let first = world.actives()[0];
        world.change(Change::Cut(first));
        world.run(unit * ELECTION * 2);
        world.expect_settled();
        let second = world.actives()[0];
        world.forget();
        world.change(Change::Start(first));
        world.run(unit * ELECTION * 4);
        world.expect_settled();
        if world.actives() != [second] {
            world.fail("the returned router took the role");
        }
    });
}

/// All of the same priority: one is left, and it stays.
#[test]
fn equal_priorities_end_with_one() {
    for_seeds("equal_priorities", 200, |label, seed| {
        let mut rng = Rng::new(seed);
        let (mut hosts, unit) = any_pack(&mut rng);
        for (params, _) in &mut hosts {
            params.priority = vip_common::ids::Priority::DEFAULT;
        }
        let fair = Weather::fair(tick(&hosts));
        let mut world = World::new(label.into(), seed, fair, hosts);
        let together = unit * rng.pick(&[0, 0, 2]);
        start_all(&mut world, &mut rng, together);
        world.run(together + unit * ELECTION);
        world.expect_settled();
        if together.is_zero() && world.longest_overlap > unit {
            world.fail("it took longer than an interval to decide");
        }
        world.forget();
        world.run(unit * 50);
        if world.transitions() != 0 {
            world.fail("equals quarrel for ever");
        }
    });
}
