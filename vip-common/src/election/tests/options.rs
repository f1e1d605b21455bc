//! What people turn on: delays, tracked priorities, the owner's rules, fewer
//! and more adverts.

use super::*;

fn fault(rig: &Rig) -> Option<Fault> {
    match rig.router.state() {
        State::Initialize(initialize) => Some(initialize.fault),
        State::Backup(_) | State::Active(_) => None,
    }
}

fn tracked(priority: u8) -> Input {
    Input::PriorityChanged {
        priority: prio(priority),
    }
}

fn delayed(delay: u64) -> Params {
    let mut params = params(128);
    params.preempt_delay = Duration::from_millis(delay);
    params
}

/// From the first advert of a lower priority on it is left alone for so long;
/// after that it is discarded, and our timer has to run out.
#[test]
fn a_lower_priority_is_left_alone_for_the_preempt_delay() {
    let mut rig = Rig::backup(delayed(2500));
    rig.hear(1000, THEIRS, 100);
    assert_eq!(rig.as_backup().preempt_at, Some(at(3500)));
    rig.hear(2000, THEIRS, 100);
    rig.hear(3000, THEIRS, 100);
    assert_eq!(rig.router.deadline(), Some(at(3000 + 3500)));
    rig.hear(4000, THEIRS, 100);
    rig.hear(5000, THEIRS, 100);
    rig.hear(6000, THEIRS, 100);
    assert_eq!(rig.router.deadline(), Some(at(3000 + 3500)));
    assert_eq!(rig.timeout(6500)[0], advert(128));
    assert_eq!(rig.state(), StateName::Active);
}

/// The delay is counted by arrivals, and ends with the advert that comes at its
/// end.
#[test]
fn the_preempt_delay_is_counted_in_arrivals() {
    let mut rig = Rig::backup(delayed(2500));
    rig.hear(1000, THEIRS, 100);
    rig.hear_late(9000, 3499, THEIRS, 100);
    assert_eq!(rig.router.deadline(), Some(at(3499 + 3500)));
    rig.hear_late(9000, 3500, THEIRS, 100);
    assert_eq!(rig.router.deadline(), Some(at(3499 + 3500)));
}

/// One at least as good ends the delay, and the next lower one begins it anew.
#[test]
fn an_equal_priority_ends_the_preempt_delay() {
    for better in [128, 200] {
        let mut rig = Rig::backup(delayed(2500));
        rig.hear(1000, THEIRS, 100);
        rig.hear(3000, OTHERS, better);
        assert_eq!(rig.as_backup().preempt_at, None);
        rig.hear(4000, THEIRS, 100);
        assert_eq!(rig.as_backup().preempt_at, Some(at(6500)));
    }
}

/// Where nobody is Active there is nobody to leave alone.
#[test]
fn a_silence_does_not_wait_for_the_preempt_delay() {
    let mut rig = Rig::backup(delayed(1_000_000));
    rig.hear(1000, THEIRS, 100);
    rig.input(4000, Input::EarProven);
    assert_eq!(rig.timeout(4500)[0], advert(128));
    // Neither does a leave.
    let mut rig = Rig::backup(delayed(1_000_000));
    rig.hear(1000, THEIRS, 100);
    rig.hear(2000, THEIRS, 0);
    assert_eq!(rig.timeout(2500)[0], advert(128));
}

/// Without Preempt_Mode the delay delays nothing.
#[test]
fn without_preemption_there_is_no_delay() {
    let mut params = delayed(10);
    params.preempt = false;
    let mut rig = Rig::backup(params);
    for second in 1..20 {
        rig.hear(second * 1000, THEIRS, 100);
    }
    assert_eq!(rig.router.deadline(), Some(at(19_000 + 3500)));
    assert_eq!(rig.as_backup().preempt_at, None);
}

/// Until the end of the startup delay no part is taken and nothing is heeded.
#[test]
fn the_start_is_delayed() {
    for (priority, after) in [(128, StateName::Backup), (255, StateName::Active)] {
        let mut params = params(priority);
        params.startup_until = at(5000);
        let mut rig = Rig::new(params);
        rig.input(10, Input::BecameAble { primary: OURS });
        assert_eq!(fault(&rig), Some(Fault::StartupDelay));
        assert_eq!(rig.router.poll_timeout(), Some(at(5000)));
        assert_eq!(rig.hear(100, THEIRS, 1), []);
        assert_eq!(rig.timeout(4999), []);
        let actions = rig.timeout(5000);
        assert_eq!(rig.state(), after);
        let why = match after {
            StateName::Active => Why::AddressOwner,
            StateName::Initialize | StateName::Backup => Why::Recovered {
                fault: Fault::StartupDelay,
            },
        };
        let last = transition(StateName::Initialize, after, why);
        assert_eq!(actions.last(), Some(&last));
        if after == StateName::Backup {
            assert_eq!(rig.router.deadline(), Some(at(8500)));
        }
        // It is over for good.
        let down = Fault::LinkDown;
        rig.input(6000, Input::BecameUnable { fault: down });
        rig.input(6001, Input::BecameAble { primary: OURS });
        assert_eq!(rig.state(), after);
    }
}

/// Able only after it: no delay.
#[test]
fn a_late_start_is_not_delayed_twice() {
    let mut params = params(128);
    params.startup_until = at(5000);
    let mut rig = Rig::new(params);
    rig.input(5000, Input::BecameAble { primary: OURS });
    assert_eq!(rig.state(), StateName::Backup);
}

/// `lower_prio_no_advert`: announced is enough. A leave is answered still.
#[test]
fn a_lower_priority_need_not_be_answered() {
    let mut params = params(128);
    params.lower_prio_no_advert = true;
    let (mut rig, since) = Rig::serving(params);
    rig.timeout(since + 5000);
    let actions = rig.hear(since + 6100, THEIRS, 100);
    assert_eq!(actions[0], Action::Announce { rounds: 5 });
    assert_eq!(actions.len(), 2);
    assert_eq!(rig.hear(since + 6200, THEIRS, 0)[0], advert(128));
}

/// Bursts after a lower priority have rounds and a delay of their own.
#[test]
fn bursts_after_a_lower_priority_are_their_own() {
    let mut params = params(128);
    params.garp.lower_prio_repeat = 0;
    let (mut rig, since) = Rig::serving(params);
    rig.timeout(since + 5000);
    assert_eq!(rig.hear(since + 5100, THEIRS, 100).len(), 2);
    params.garp.lower_prio_repeat = 3;
    params.garp.lower_prio_delay = Duration::ZERO;
    let (mut rig, since) = Rig::serving(params);
    rig.timeout(since + 5000);
    let actions = rig.hear(since + 6100, THEIRS, 100);
    assert_eq!(actions[1], Action::Announce { rounds: 3 });
    let Addresses::Installed(announced) = &rig.as_active().addresses else {
        panic!("installed");
    };
    assert_eq!(announced.contested, None);
}

/// Backup: the skew is the new priority's, counted from the same silence.
#[test]
fn a_backups_timer_follows_its_priority() {
    let mut rig = Rig::backup(params(128));
    rig.hear(1000, THEIRS, 200);
    assert_eq!(rig.input(1500, tracked(64)), []);
    assert_eq!(rig.router.effective_priority(), prio(64));
    assert_eq!(rig.router.deadline(), Some(at(1000 + 3750)));
    rig.input(1600, tracked(192));
    assert_eq!(rig.router.deadline(), Some(at(1000 + 3250)));
    // After a leave too.
    rig.hear(2000, THEIRS, 0);
    assert_eq!(rig.router.deadline(), Some(at(2250)));
    rig.input(2001, tracked(64));
    assert_eq!(rig.router.deadline(), Some(at(2750)));
    // And after a sleep.
    rig.input(10_000, Input::Slept);
    assert_eq!(rig.router.deadline(), Some(at(11_750)));
    rig.input(10_001, tracked(128));
    assert_eq!(rig.router.deadline(), Some(at(11_500)));
}

/// A timer that is shortened into the past is due now, not never.
#[test]
fn a_shortened_timer_is_not_stranded() {
    let mut rig = Rig::backup(params(1));
    rig.hear(1000, THEIRS, 200);
    rig.timeout(2500);
    rig.input(2501, Input::EarProven);
    rig.input(4700, tracked(254));
    assert!(rig.router.poll_timeout().unwrap() <= at(4700));
    assert_eq!(rig.timeout(4700)[0], advert(254));
}

/// A timer that has not asked for a proof yet asks at the latest when it ends.
#[test]
fn a_shortened_timer_still_wants_its_proof() {
    let mut params = params(1);
    params.down_timer_adverts = 1;
    let mut rig = Rig::backup(params);
    rig.hear(1000, THEIRS, 200);
    // 1 s and 255/256 s: asked for at 2.5 s.
    rig.input(1100, tracked(254));
    let deadline = at(1000) + SECOND + SECOND * 2 / 256;
    assert_eq!(rig.router.poll_timeout(), Some(deadline));
    assert_eq!(rig.timeout(2008), [Action::ProveEar]);
    assert_eq!(rig.input(2009, Input::EarProven), []);
    assert_eq!(rig.timeout(2009)[0], advert(254));
}

/// Lowered below the one that was about to be replaced: it is followed, from
/// its last advert on and at its own interval.
#[test]
fn one_that_was_to_be_replaced_is_followed_again() {
    let mut rig = Rig::backup(params(200));
    rig.hear(1000, OTHERS, 250);
    rig.hear_interval(3000, 3000, THEIRS, 150, centis(200));
    assert!(rig.as_backup().discarded.is_some());
    rig.input(3100, tracked(150));
    let backup = rig.as_backup();
    assert_eq!(backup.discarded, None);
    assert_eq!(backup.accepted.map(|heard| heard.source), Some(THEIRS));
    assert_eq!(backup.active_adver_interval, centis(200));
    let down = crate::time::active_down_interval(Version::V3, prio(150), centis(200), 3);
    assert_eq!(rig.router.deadline(), Some(at(3000) + down));
    // While it is better than that, it is not.
    let mut rig = Rig::backup(params(200));
    rig.hear(3000, THEIRS, 150);
    rig.input(3100, tracked(151));
    assert!(rig.as_backup().discarded.is_some());
}

/// Active: the next advert says it, none goes out of turn.
#[test]
fn an_active_router_says_its_new_priority_in_turn() {
    let (mut rig, since) = Rig::serving(params(128));
    assert_eq!(rig.input(since + 100, tracked(90)), []);
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 1000)));
    assert_eq!(rig.timeout(since + 1000), [advert(90)]);
    rig.hear(since + 1100, THEIRS, 100);
    assert_eq!(rig.state(), StateName::Backup);
}

#[test]
fn tracked_priorities_stay_below_the_owners_and_above_zero() {
    let mut rig = Rig::backup(params(128));
    rig.input(1, tracked(0));
    assert_eq!(rig.router.effective_priority(), prio(1));
    rig.input(1, tracked(255));
    assert_eq!(rig.router.effective_priority(), prio(254));
    assert!(matches!(rig.as_backup().ear, Ear::Unasked { .. }));
    let mut rig = Rig::new(params(255));
    rig.input(1, tracked(10));
    rig.input(2, Input::BecameAble { primary: OURS });
    assert_eq!(rig.router.effective_priority(), prio(255));
    assert_eq!(rig.state(), StateName::Active);
}

/// `owner_ignore_adverts`: nobody unseats the owner, whatever it says. Who
/// succeeds it is still noticed.
#[test]
fn an_owner_may_ignore_all_adverts() {
    let mut params = params(255);
    params.owner_ignore_adverts = true;
    let mut rig = Rig::new(params);
    rig.input(0, Input::BecameAble { primary: OURS });
    rig.input(1, rig.installed());
    assert_eq!(rig.hear(100, THEIRS, 255), []);
    assert_eq!(rig.hear(200, THEIRS, 0), []);
    assert_eq!(rig.state(), StateName::Active);
    rig.input(300, Input::ShutDown);
    assert_eq!(rig.hear(400, THEIRS, 100).len(), 2);
    // Only the owner may.
    params.priority = prio(100);
    let (mut rig, since) = Rig::serving(params);
    rig.hear(since + 100, THEIRS, 255);
    assert_eq!(rig.state(), StateName::Backup);
}

fn owners() -> Rig {
    let mut rig = Rig::new(params(255));
    rig.input(0, Input::BecameAble { primary: OURS });
    rig.input(1, rig.installed());
    rig
}

/// Two owners: the lower address yields at once.
#[test]
fn of_two_owners_the_lower_address_yields() {
    let mut rig = owners();
    rig.hear(500, THEIRS, 255);
    assert_eq!(rig.state(), StateName::Backup);
    assert_eq!(rig.router.effective_priority(), prio(255));
}

/// The lower address that does not yield after two adverts and more than an
/// interval: we do, until it is silent.
#[test]
fn an_owner_that_does_not_yield_is_yielded_to() {
    let mut rig = owners();
    for (now, adverts) in [(500, 1), (1000, 2), (1500, 2)] {
        rig.timeout(now);
        rig.hear(now, OTHERS, 255);
        assert_eq!(rig.state(), StateName::Active, "{adverts} adverts so far");
    }
    rig.timeout(2000);
    rig.hear(2100, OTHERS, 255);
    assert_eq!(rig.state(), StateName::Backup);
    assert_eq!(rig.router.effective_priority(), prio(254));
    rig.hear(3000, OTHERS, 255);
    // Silent at last: we are the owner again.
    let skew = SECOND * 2 / 256;
    assert_eq!(rig.router.deadline(), Some(at(3000) + SECOND * 3 + skew));
    rig.input(4500, Input::EarProven);
    assert_eq!(rig.timeout(6008)[0], advert(255));
    assert_eq!(rig.router.effective_priority(), prio(255));
    // Or a better fault ends it.
}

/// A rival that was heard long ago is not the same contest.
#[test]
fn an_old_contest_is_forgotten() {
    let mut rig = owners();
    rig.hear(500, OTHERS, 255);
    for second in 1..20 {
        rig.timeout(second * 1000);
    }
    rig.hear(19_500, OTHERS, 255);
    assert_eq!(rig.state(), StateName::Active);
}
