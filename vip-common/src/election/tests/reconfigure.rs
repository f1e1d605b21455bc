//! Another configuration: the least change.

use super::*;

fn anew(rig: &mut Rig, millis: u64, params: Params) -> Vec<Action> {
    rig.router.reconfigure(at(millis), params);
    rig.drain()
}

/// The same configuration changes nothing, in any state.
#[test]
fn the_same_again_is_nothing() {
    let mut rig = Rig::backup(params(128));
    rig.hear_interval(1000, 1000, THEIRS, 200, centis(200));
    let (due, deadline) = (rig.router.poll_timeout(), rig.router.deadline());
    assert_eq!(anew(&mut rig, 1500, params(128)), []);
    assert_eq!(rig.router.poll_timeout(), due);
    assert_eq!(rig.router.deadline(), deadline);
    assert_eq!(rig.as_backup().active_adver_interval, centis(200));
    let (mut rig, since) = Rig::serving(params(128));
    assert_eq!(anew(&mut rig, since + 500, params(128)), []);
    assert_eq!(rig.timeout(since + 1000), [advert(128)]);
    assert_eq!(rig.router.generation(), 1);
    let mut rig = Rig::new(params(128));
    assert_eq!(anew(&mut rig, 5, params(128)), []);
    assert_eq!(rig.state(), StateName::Initialize);
}

/// A longer interval: the next advert comes when the old one was due, and tells
/// of the new one.
#[test]
fn a_longer_interval_does_not_delay_the_next_advert() {
    let (mut rig, since) = Rig::serving(params(128));
    let mut slow = params(128);
    slow.adver_interval = centis(1000);
    assert_eq!(anew(&mut rig, since + 300, slow), []);
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 1000)));
    assert_eq!(rig.timeout(since + 1000), [advert(128)]);
    assert_eq!(rig.as_active().next_advert, at(since + 11_000));
}

/// A shorter one: counted from the last advert, at once if that is over.
#[test]
fn a_shorter_interval_counts_from_the_last_advert() {
    let mut fast = params(128);
    fast.adver_interval = centis(50);
    let (mut rig, since) = Rig::serving(params(128));
    anew(&mut rig, since + 300, fast);
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 500)));
    let (mut rig, since) = Rig::serving(params(128));
    anew(&mut rig, since + 700, fast);
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 700)));
    assert_eq!(rig.timeout(since + 700), [advert(128)]);
    assert_eq!(rig.as_active().next_advert, at(since + 1200));
}

/// Whatever intervals follow each other: never more than one and a half of the
/// one that the others were last told.
#[test]
fn no_change_of_interval_makes_an_advert_late() {
    let intervals = [1, 2, 10, 100, 1000, 4095];
    for from in intervals {
        for to in intervals {
            for share in 0..10 {
                let with = |interval| Params {
                    adver_interval: centis(interval),
                    ..params(128)
                };
                let (mut rig, since) = Rig::serving(with(from));
                let now = since + u64::from(from) * share;
                anew(&mut rig, now, with(to));
                let next = rig.as_active().next_advert;
                assert!(next <= at(since) + centis(from).span() * 3 / 2);
            }
        }
    }
}

/// Backup: what was learned stays (version 3); where nobody was heard, and in
/// version 2, the interval is ours.
#[test]
fn a_backup_keeps_what_it_learned() {
    let mut slow = params(128);
    slow.adver_interval = centis(1000);
    let mut rig = Rig::backup(params(128));
    anew(&mut rig, 500, slow);
    assert_eq!(rig.router.deadline(), Some(at(35_000)));
    let mut rig = Rig::backup(params(128));
    rig.hear(1000, THEIRS, 200);
    anew(&mut rig, 1500, slow);
    assert_eq!(rig.router.deadline(), Some(at(4500)));
    slow.version = Version::V2;
    let mut two = params(128);
    two.version = Version::V2;
    let mut rig = Rig::backup(two);
    rig.hear(1000, THEIRS, 200);
    anew(&mut rig, 1500, slow);
    assert_eq!(rig.as_backup().active_adver_interval, centis(1000));
    assert_eq!(rig.router.deadline(), Some(at(1000 + 30_500)));
}

/// Another priority, other adverts to miss: the same silence, another timer.
#[test]
fn a_backup_counts_anew_from_the_same_silence() {
    let mut rig = Rig::backup(params(128));
    rig.hear(1000, THEIRS, 200);
    let mut other = params(64);
    other.down_timer_adverts = 5;
    anew(&mut rig, 1500, other);
    assert_eq!(rig.router.deadline(), Some(at(1000 + 5750)));
    assert_eq!(rig.router.effective_priority(), prio(64));
    assert_eq!(rig.state(), StateName::Backup);
}

/// Where the silence was to be doubted at the deadline, it still is when that
/// comes earlier, or nobody would doubt it at all.
#[test]
fn an_earlier_deadline_is_doubted_too() {
    let with = |priority| Params {
        down_timer_adverts: 1,
        ..params(priority)
    };
    // Before, at and after one and a half intervals.
    for (priority, deadline) in [(64, 2750), (128, 2500), (160, 2375)] {
        let mut rig = Rig::backup(with(priority));
        rig.hear(1000, THEIRS, 200);
        assert_eq!(rig.router.deadline(), Some(at(deadline)));
        assert_eq!(anew(&mut rig, 1500, with(192)), []);
        assert_eq!(rig.router.poll_timeout(), Some(at(2250)));
        assert_eq!(rig.timeout(2250), [Action::ProveEar]);
        assert_eq!(rig.state(), StateName::Backup);
    }
}

/// Who says that it leaves was heard: no doubt at a deadline that another
/// priority has moved, either.
#[test]
fn after_a_leave_another_priority_raises_no_doubt() {
    for (priority, deadline) in [(64, 2750), (192, 2250)] {
        let mut rig = Rig::backup(params(128));
        rig.hear(1000, THEIRS, 200);
        rig.hear(2000, THEIRS, 0);
        assert_eq!(anew(&mut rig, 2100, params(priority)), []);
        assert_eq!(rig.router.poll_timeout(), Some(at(deadline)));
        rig.timeout(deadline);
        assert_eq!(rig.state(), StateName::Active, "{priority}");
    }
}

/// What was tracked and what was commanded stays.
#[test]
fn a_new_configuration_keeps_what_was_told() {
    let mut rig = Rig::backup(params(128));
    let priority = prio(90);
    rig.input(1, Input::PriorityChanged { priority });
    let mut other = params(128);
    other.preempt = false;
    anew(&mut rig, 2, other);
    assert_eq!(rig.router.effective_priority(), prio(90));
    let (mut rig, since) = Rig::serving(params(128));
    rig.input(
        since,
        Input::Taken {
            priority: prio(254),
        },
    );
    anew(&mut rig, since + 1, params(150));
    assert_eq!(rig.router.effective_priority(), prio(254));
    rig.input(since + 2, Input::Drained { force: true });
    anew(&mut rig, since + 3, params(150));
    assert!(rig.router.is_drained() && rig.router.is_letting_go());
}

/// Preemption switched on or off counts from the next advert on, and one that
/// was about to be replaced is followed.
#[test]
fn preemption_is_switched() {
    let mut calm = params(128);
    calm.preempt = false;
    let mut rig = Rig::backup(params(128));
    rig.hear(1000, THEIRS, 100);
    anew(&mut rig, 1500, calm);
    assert_eq!(rig.router.deadline(), Some(at(4500)));
    assert_eq!(rig.router.active().unwrap().address, THEIRS);
    anew(&mut rig, 1600, params(128));
    rig.hear(2000, THEIRS, 100);
    assert_eq!(rig.router.deadline(), Some(at(4500)));
}

/// An owner needs no proof of its hearing; one that is none any more does.
#[test]
fn becoming_owner_and_back() {
    let mut rig = Rig::backup(params(128));
    assert_eq!(anew(&mut rig, 100, params(255)), []);
    assert_eq!(rig.state(), StateName::Backup);
    assert_eq!(rig.as_backup().ear, Ear::NotDoubted);
    anew(&mut rig, 200, params(128));
    assert_eq!(rig.as_backup().ear, Ear::Unasked { ask: at(1500) });
}

/// The refresh begins, ends, and moves with its period.
#[test]
fn the_refresh_follows() {
    let refresh = |rig: &Rig| match &rig.as_active().addresses {
        Addresses::Installed(announced) => announced.refresh,
        Addresses::Installing => None,
    };
    let (mut rig, since) = Rig::serving(params(128));
    let with = |seconds| {
        let mut params = params(128);
        params.garp.refresh = Some(SECOND * seconds);
        params
    };
    anew(&mut rig, since + 100, with(60));
    assert_eq!(refresh(&rig), Some(at(since + 60_000)));
    anew(&mut rig, since + 200, with(90));
    assert_eq!(refresh(&rig), Some(at(since + 60_000)), "not later");
    anew(&mut rig, since + 300, with(10));
    assert_eq!(refresh(&rig), Some(at(since + 10_000)));
    anew(&mut rig, since + 400, params(128));
    assert_eq!(refresh(&rig), None);
    anew(&mut rig, since + 99_000, with(10));
    assert_eq!(refresh(&rig), Some(at(since + 99_000)), "overdue is now");
}

/// A start that is over is not delayed again, one that is not is not shortened.
#[test]
fn the_startup_delay_stays() {
    let mut late = params(128);
    late.startup_until = at(50_000);
    let (mut rig, since) = Rig::serving(params(128));
    anew(&mut rig, since, late);
    assert_eq!(rig.state(), StateName::Active);
    let mut rig = Rig::new(late);
    rig.input(1, Input::BecameAble { primary: OURS });
    anew(&mut rig, 2, params(128));
    assert_eq!(rig.router.poll_timeout(), Some(at(50_000)));
}
