//! A silence is believed only by an ear that is known to be alive.

use super::*;
use crate::election::group::{Order, Part};

fn asks(rig: &mut Rig, millis: u64) {
    assert_eq!(rig.router.poll_timeout(), Some(at(millis)));
    assert_eq!(rig.timeout(millis - 1), [], "too early is nothing");
    assert_eq!(rig.timeout(millis), [Action::ProveEar]);
}

fn took_over(actions: &[Action]) -> bool {
    actions.contains(&Action::InstallAddresses { generation: 1 })
}

/// A proof after the deadline: the timeout is due at once.
fn takes_over_when_proven(rig: &mut Rig, millis: u64) -> bool {
    assert_eq!(rig.input(millis, Input::EarProven), []);
    assert!(rig.router.poll_timeout() <= Some(at(millis)));
    took_over(&rig.timeout(millis))
}

#[test]
fn one_and_a_half_silent_intervals_after_the_start_the_ear_is_asked() {
    let mut rig = Rig::backup(params(128));
    asks(&mut rig, 1500);
}

#[test]
fn one_and_a_half_silent_intervals_after_an_advert_the_ear_is_asked() {
    let mut rig = Rig::backup(params(128));
    rig.hear_late(1200, 1000, THEIRS, 200);
    asks(&mut rig, 2500);
}

#[test]
fn the_learned_interval_counts() {
    let mut rig = Rig::backup(params(128));
    rig.hear_interval(1000, 1000, THEIRS, 200, centis(10));
    asks(&mut rig, 1150);
}

#[test]
fn the_ear_is_asked_once_per_silence() {
    let mut rig = Rig::backup(params(128));
    asks(&mut rig, 1500);
    assert_eq!(rig.timeout(2600), []);
    assert_eq!(rig.timeout(3499), []);
}

/// Proven in time, the deadline is believed to the nanosecond.
#[test]
fn a_proven_ear_is_believed_at_the_deadline() {
    let mut rig = Rig::backup(params(128));
    asks(&mut rig, 1500);
    assert_eq!(rig.input(1510, Input::EarProven), []);
    assert_eq!(
        rig.as_backup().ear,
        Ear::Proven {
            at: at(1510),
            good_until: at(1510 + 3500) + Duration::from_nanos(1)
        }
    );
    assert_eq!(rig.router.poll_timeout(), Some(at(3500)));
    assert_eq!(rig.timeout(3499), []);
    assert!(took_over(&rig.timeout(3500)));
}

/// Not proven, the deadline passes and nothing happens but asking again, at
/// most once an interval; with the proof it is due at once.
#[test]
fn without_proof_the_deadline_is_not_believed() {
    let mut rig = Rig::backup(params(128));
    asks(&mut rig, 1500);
    asks(&mut rig, 3500);
    assert_eq!(rig.state(), StateName::Backup);
    assert_eq!(rig.timeout(3501), []);
    assert_eq!(rig.timeout(4499), []);
    asks(&mut rig, 4500);
    assert_eq!(rig.input(4700, Input::EarProven), []);
    assert_eq!(rig.router.poll_timeout(), Some(at(3500)));
    assert_eq!(
        rig.timeout(4700),
        [
            advert(128),
            Action::InstallAddresses { generation: 1 },
            transition(
                StateName::Backup,
                StateName::Active,
                Why::ActiveDownTimerExpired {
                    last_advert: None,
                    deadline: at(3500),
                    proven: Some(at(4700)),
                }
            ),
        ]
    );
}

/// Asked late, it is not asked again at the deadline right after.
#[test]
fn asking_again_waits_an_interval() {
    let mut rig = Rig::backup(params(128));
    assert_eq!(rig.timeout(3000), [Action::ProveEar]);
    assert_eq!(rig.timeout(3500), []);
    asks(&mut rig, 4000);
}

/// Woken past the deadline without ever having asked.
#[test]
fn a_backup_that_slept_past_its_deadline_asks_first() {
    let mut rig = Rig::backup(params(128));
    assert_eq!(rig.timeout(60_000), [Action::ProveEar]);
    assert!(takes_over_when_proven(&mut rig, 60_001));
}

#[test]
fn an_accepted_advert_ends_the_silence() {
    let mut rig = Rig::backup(params(128));
    asks(&mut rig, 1500);
    rig.hear(2000, THEIRS, 200);
    asks(&mut rig, 3500);
    rig.input(3600, Input::EarProven);
    rig.hear(4000, THEIRS, 200);
    asks(&mut rig, 5500);
    assert_eq!(rig.timeout(7499), []);
    assert_eq!(
        rig.timeout(7500),
        [Action::ProveEar],
        "the proof was of another silence"
    );
}

/// A discarded advert was heard as well: the ear was alive.
#[test]
fn a_discarded_advert_proves_the_ear() {
    let mut rig = Rig::backup(params(128));
    rig.hear(1400, THEIRS, 100);
    assert_eq!(rig.router.poll_timeout(), Some(at(2900)));
    rig.hear(2400, THEIRS, 100);
    assert_eq!(rig.router.poll_timeout(), Some(at(3500)));
    assert!(took_over(&rig.timeout(3500)));
}

/// But not for ever: the router that was to be replaced fell silent too.
#[test]
fn a_discarded_advert_of_long_ago_proves_nothing() {
    let mut rig = Rig::backup(params(128));
    rig.hear(1400, THEIRS, 100);
    asks(&mut rig, 2900);
    assert!(!took_over(&rig.timeout(3500)));
}

/// Who says that it leaves was heard: no proof within the skew. Heard long
/// ago, it proves nothing about who spoke since.
#[test]
fn a_leave_needs_no_proof_while_it_is_fresh() {
    let mut rig = Rig::backup(params(128));
    rig.hear(1000, THEIRS, 200);
    rig.hear(2000, THEIRS, 0);
    assert_eq!(rig.as_backup().ear, Ear::Unasked { ask: at(3500) });
    let mut late = Rig {
        router: rig.router.clone(),
    };
    assert!(took_over(&rig.timeout(2500)));
    assert!(!took_over(&late.timeout(3500)));
    assert!(takes_over_when_proven(&mut late, 3501));
}

/// A proof vouches for its own silence, not for a long sleep after it.
#[test]
fn a_proof_grows_old() {
    let mut rig = Rig::backup(params(128));
    rig.input(1600, Input::EarProven);
    let mut late = Rig {
        router: rig.router.clone(),
    };
    assert!(took_over(&rig.timeout(5100)));
    // To the nanosecond.
    let moment = at(5100) + Duration::from_nanos(1);
    late.router.handle_timeout(moment);
    assert_eq!(late.drain(), [Action::ProveEar]);
    assert_eq!(late.as_backup().ear, Ear::Asked { at: moment });
}

/// With a single advert allowed to be missed, the ear is still asked.
#[test]
fn with_a_short_down_interval_the_ear_is_asked_at_the_deadline() {
    let mut params = params(254);
    params.down_timer_adverts = 1;
    let mut rig = Rig::backup(params);
    rig.hear(1000, THEIRS, 255);
    let deadline = at(2000) + SECOND * 2 / 256;
    assert_eq!(rig.router.poll_timeout(), Some(deadline));
    rig.router.handle_timeout(deadline);
    assert_eq!(rig.drain(), [Action::ProveEar]);
    assert_eq!(rig.state(), StateName::Backup);
    assert!(takes_over_when_proven(&mut rig, 2009));
}

/// The other answer.
#[test]
fn a_deaf_ear_is_a_fault() {
    let mut rig = Rig::backup(params(128));
    asks(&mut rig, 1500);
    let fault = Fault::EarDeaf;
    rig.input(1600, Input::BecameUnable { fault });
    assert_eq!(rig.router.poll_timeout(), None);
    assert_eq!(rig.input(9000, Input::EarProven), []);
    assert_eq!(rig.state(), StateName::Initialize);
}

/// The proof believes nothing by itself: what arrived before the deadline may
/// not have been told yet.
#[test]
fn an_advert_told_after_the_proof_is_still_in_time() {
    let mut rig = Rig::backup(params(128));
    rig.timeout(1500);
    rig.input(3600, Input::EarProven);
    rig.hear_late(3600, 3400, THEIRS, 200);
    assert_eq!(rig.timeout(3600), []);
    assert_eq!(rig.router.deadline(), Some(at(6900)));
}

#[test]
fn an_active_router_has_no_use_for_a_proof() {
    let (mut rig, since) = Rig::serving(params(128));
    assert_eq!(rig.input(since, Input::EarProven), []);
    assert_eq!(rig.state(), StateName::Active);
}

/// What arrived while we did not run may be lost: the network has one more
/// interval and a skew time to speak, and the silence is proven anew.
#[test]
fn having_slept_a_backup_listens_once_more_before_it_believes_a_silence() {
    let mut rig = Rig::backup(params(128));
    asks(&mut rig, 1500);
    assert_eq!(rig.input(1510, Input::EarProven), []);
    assert_eq!(rig.input(3600, Input::Slept), []);
    assert_eq!(rig.timeout(3600), []);
    asks(&mut rig, 5100);
    assert_eq!(rig.state(), StateName::Backup);
    assert!(takes_over_when_proven(&mut rig, 5110));
}

#[test]
fn having_slept_a_backup_that_hears_the_active_router_follows_it() {
    let mut rig = Rig::backup(params(128));
    assert_eq!(rig.input(9000, Input::Slept), []);
    rig.hear_late(9500, 9500, THEIRS, 200);
    assert_eq!(rig.router.deadline(), Some(at(13_000)));
}

/// A sleep never makes a deadline come sooner.
#[test]
fn having_slept_only_briefly_changes_no_deadline() {
    let mut rig = Rig::backup(params(128));
    assert_eq!(rig.input(1000, Input::Slept), []);
    assert_eq!(rig.router.deadline(), Some(at(3500)));
}

/// In a group the others may be waited for after the deadline: until the silence is
/// to be doubted, and nothing is due before.
#[test]
fn who_waits_for_its_group_is_woken_when_its_proof_grows_old() {
    let mut grouped = params(128);
    grouped.grouped = true;
    let join = |grouped| {
        let mut rig = Rig::new(grouped);
        rig.input(0, Input::BecameAble { primary: OURS });
        let order = Order::Join;
        rig.input(0, Input::GroupOrdered { order });
        assert_eq!(rig.state(), StateName::Backup);
        rig
    };
    let mut rig = join(grouped);
    rig.input(1600, Input::EarProven);
    assert_eq!(rig.router.poll_timeout(), Some(at(3500)));
    assert_eq!(rig.timeout(3500), []);
    assert_eq!(rig.router.stance().part, Part::Wanting);
    let old = at(1600 + 3500) + Duration::from_nanos(1);
    assert_eq!(rig.router.poll_timeout(), Some(old));
    rig.router.handle_timeout(old);
    assert_eq!(rig.drain(), [Action::ProveEar]);
    assert_eq!(rig.router.stance().part, Part::Backup);
    // Who says that it leaves was heard, which is a proof for a while.
    let mut rig = join(grouped);
    rig.hear(1000, THEIRS, 200);
    rig.hear(2000, THEIRS, 0);
    assert_eq!(rig.timeout(2500), []);
    assert_eq!(rig.router.stance().part, Part::Wanting);
    assert_eq!(rig.router.poll_timeout(), Some(at(3500)));
    assert_eq!(rig.timeout(3500), [Action::ProveEar]);
    assert_eq!(rig.router.stance().part, Part::Backup);
}

/// The address owner's silence needs no proof, so that nothing is due to it.
#[test]
fn an_owner_that_waits_for_its_group_is_not_woken() {
    let mut owner = params(255);
    owner.grouped = true;
    let mut rig = Rig::new(owner);
    rig.input(0, Input::BecameAble { primary: OURS });
    for order in [Order::Join, Order::TakeOver, Order::FallBack] {
        rig.input(10, Input::GroupOrdered { order });
    }
    assert_eq!(rig.as_backup().ear, Ear::NotDoubted);
    let deadline = rig.router.deadline().unwrap();
    assert_eq!(rig.as_backup().next_deadline(), Some(deadline));
    rig.router.handle_timeout(deadline);
    rig.drain();
    assert_eq!(rig.router.stance().part, Part::Wanting);
    assert_eq!(rig.as_backup().next_deadline(), None);
}
