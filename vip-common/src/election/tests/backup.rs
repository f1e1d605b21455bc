//! RFC 9568 section 6.4.2.

use super::*;

/// The Active_Down_Timer fires: advert, addresses, Active.
#[test]
fn active_down_timer_fires() {
    let mut rig = Rig::backup(params(128));
    rig.input(3400, Input::EarProven);
    assert_eq!(rig.router.poll_timeout(), Some(at(3500)));
    assert_eq!(rig.timeout(3499), [], "too early is nothing");
    assert_eq!(rig.state(), StateName::Backup);
    assert_eq!(
        rig.timeout(3500),
        [
            advert(128),
            Action::InstallAddresses { generation: 1 },
            transition(
                StateName::Backup,
                StateName::Active,
                Why::ActiveDownTimerExpired {
                    last_advert: None,
                    deadline: at(3500),
                    proven: None,
                }
            ),
        ]
    );
    assert_eq!(rig.router.generation(), 1);
}

/// The takeover says since when there was silence.
#[test]
fn the_takeover_names_the_last_advert() {
    let mut rig = Rig::backup(params(128));
    rig.hear_late(1200, 1000, THEIRS, 200);
    rig.input(4000, Input::EarProven);
    assert_eq!(
        rig.timeout(4600).last(),
        Some(&transition(
            StateName::Backup,
            StateName::Active,
            Why::ActiveDownTimerExpired {
                last_advert: Some(at(1000)),
                deadline: at(4500),
                proven: None,
            }
        ))
    );
}

/// Priority at or above ours: the timer starts anew, from the arrival.
#[test]
fn higher_and_equal_priority_are_accepted() {
    for priority in [128, 129, 255] {
        let mut rig = Rig::backup(params(128));
        assert_eq!(rig.hear(1000, THEIRS, priority), []);
        assert_eq!(rig.router.deadline(), Some(at(4500)));
        assert_eq!(
            rig.router.active(),
            Some(ActiveRouter {
                address: THEIRS,
                priority: prio(priority),
                last_advert: at(1000),
            })
        );
    }
}

/// The address does not matter to a Backup: equal is acceptable.
#[test]
fn equal_priority_from_a_lower_address_is_accepted() {
    let mut rig = Rig::backup(params(128));
    rig.hear(1000, OTHERS, 128);
    assert_eq!(rig.router.deadline(), Some(at(4500)));
}

/// Lower priority with Preempt_Mode: discarded, the timer runs on, and the
/// takeover says whom it replaces.
#[test]
fn lower_priority_is_discarded_with_preempt() {
    let mut rig = Rig::backup(params(128));
    for second in 1..=3 {
        assert_eq!(rig.hear(second * 1000, THEIRS, 127), []);
        assert_eq!(rig.router.deadline(), Some(at(3500)));
    }
    assert_eq!(rig.router.active().unwrap().address, THEIRS);
    assert_eq!(
        rig.timeout(3500),
        [
            advert(128),
            Action::InstallAddresses { generation: 1 },
            transition(
                StateName::Backup,
                StateName::Active,
                Why::Preempting {
                    source: THEIRS,
                    priority: prio(127),
                    deadline: at(3500),
                }
            ),
        ]
    );
}

/// Lower priority without Preempt_Mode: accepted like any other.
#[test]
fn lower_priority_is_accepted_without_preempt() {
    let mut params = params(128);
    params.preempt = false;
    let mut rig = Rig::backup(params);
    assert_eq!(rig.hear(1000, THEIRS, 1), []);
    assert_eq!(rig.router.deadline(), Some(at(4500)));
    assert_eq!(rig.as_backup().discarded, None);
}

/// An accepted advert after a discarded one: who is Active is the newer.
#[test]
fn an_accepted_advert_outdates_a_discarded_one() {
    let mut rig = Rig::backup(params(128));
    rig.hear(1000, OTHERS, 100);
    rig.hear(1100, THEIRS, 200);
    assert_eq!(rig.as_backup().discarded, None);
    assert_eq!(rig.router.active().unwrap().address, THEIRS);
    let since = rig.take_over();
    assert_eq!(since, 4600);
}

/// Priority 0: the timer is set to Skew_Time, counted from the arrival.
#[test]
fn priority_zero_leaves_the_skew_only() {
    let mut rig = Rig::backup(params(128));
    rig.hear(1000, THEIRS, 200);
    assert_eq!(
        rig.hear_late(1020, 1010, THEIRS, 0),
        [Action::Report(Report::ResignHeard { source: THEIRS })]
    );
    assert_eq!(rig.router.deadline(), Some(at(1510)));
    assert_eq!(rig.router.active(), None);
    assert_eq!(rig.router.poll_timeout(), Some(at(1510)));
    assert_eq!(rig.timeout(1509), []);
    assert_eq!(
        rig.timeout(1510),
        [
            advert(128),
            Action::InstallAddresses { generation: 1 },
            transition(
                StateName::Backup,
                StateName::Active,
                Why::ActiveResigned {
                    source: THEIRS,
                    stamp: at(1010),
                    deadline: at(1510),
                }
            ),
        ]
    );
}

/// Priority 0 is heeded whatever Preempt_Mode says, and outdates a router
/// that was to be replaced.
#[test]
fn priority_zero_after_discarded_adverts() {
    let mut rig = Rig::backup(params(128));
    rig.hear(1000, THEIRS, 100);
    rig.hear(1100, THEIRS, 0);
    assert_eq!(rig.router.deadline(), Some(at(1600)));
    assert_eq!(rig.as_backup().discarded, None);
}

/// Priority 0 shortens the wait and never prolongs it: a leave said twice, or
/// said again and again, keeps nobody from taking over.
#[test]
fn priority_zero_never_prolongs() {
    let mut rig = Rig::backup(params(128));
    rig.hear(3400, THEIRS, 0);
    assert_eq!(rig.router.deadline(), Some(at(3500)));
}

/// Priority 0 of one that is not followed takes nothing from the one that is: not even
/// where it is the one that was to be replaced. Its timer runs on all the while.
#[test]
fn priority_zero_of_another_is_not_the_active_router_s() {
    let ignored = Action::Report(Report::ResignIgnored {
        source: OTHERS,
        active: THEIRS,
    });
    let mut rig = Rig::backup(params(128));
    rig.hear(1000, THEIRS, 200);
    assert_eq!(rig.hear(1100, OTHERS, 0), [ignored]);
    rig.hear(1200, OTHERS, 100);
    assert_eq!(rig.hear(1300, OTHERS, 0), [ignored]);
    assert_eq!(rig.router.deadline(), Some(at(4500)));
    assert_eq!(rig.router.active().unwrap().address, OTHERS);
    // The one that is followed speaks on, or leaves, as ever.
    assert_eq!(rig.hear(2000, THEIRS, 200), []);
    assert_eq!(rig.router.deadline(), Some(at(5500)));
    rig.hear(2100, THEIRS, 0);
    assert_eq!(rig.router.deadline(), Some(at(2600)));
    // And who leaves after it prolongs nothing.
    rig.hear(2200, OTHERS, 0);
    assert_eq!(rig.router.deadline(), Some(at(2600)));
}

/// Nor does the leave of a worse one that has spoken last: the better one may have yielded
/// to nobody.
#[test]
fn priority_zero_of_a_worse_one_does_not_end_the_better_one_s_timer() {
    let mut params = params(128);
    params.preempt = false;
    let mut rig = Rig::backup(params);
    rig.hear(1000, THEIRS, 200);
    rig.hear(1100, OTHERS, 100);
    rig.hear(1200, OTHERS, 0);
    assert_eq!(rig.router.deadline(), Some(at(4500)));
    // Once that has ended in vain, the worse one is the one that is followed.
    for now in [1300, 2300, 3300, 4300] {
        rig.hear(now, OTHERS, 100);
        rig.hear(now + 1, OTHERS, 0);
        assert_eq!(rig.router.deadline(), Some(at((now + 501).max(4500))));
    }
    rig.hear(4400, OTHERS, 100);
    assert_eq!(rig.router.deadline(), Some(at(7900)));
    rig.hear(4600, OTHERS, 100);
    rig.hear(4700, OTHERS, 0);
    assert_eq!(rig.router.deadline(), Some(at(5200)));
}

/// The skew follows the learned interval.
#[test]
fn priority_zero_uses_the_learned_interval_and_teaches_none() {
    let mut rig = Rig::backup(params(128));
    rig.hear_interval(1000, 1000, THEIRS, 200, centis(10));
    rig.hear_interval(1010, 1010, THEIRS, 0, centis(4000));
    assert_eq!(rig.router.deadline(), Some(at(1060)));
    assert_eq!(rig.as_backup().active_adver_interval, centis(10));
}

/// Version 3: Active_Adver_Interval is what the advert carries.
#[test]
fn version_3_learns_the_interval() {
    let mut rig = Rig::backup(params(128));
    rig.hear_interval(1000, 1000, THEIRS, 200, centis(400));
    assert_eq!(rig.router.deadline(), Some(at(15_000)));
    rig.hear_interval(2000, 2000, THEIRS, 200, centis(1));
    assert_eq!(rig.router.deadline(), Some(at(2035)));
    assert_eq!(rig.as_backup().active_adver_interval, centis(1));
}

/// A discarded advert teaches nothing.
#[test]
fn a_discarded_advert_does_not_teach_its_interval() {
    let mut rig = Rig::backup(params(128));
    rig.hear_interval(1000, 1000, THEIRS, 100, centis(1));
    assert_eq!(rig.as_backup().active_adver_interval, Centis::ONE_SECOND);
}

/// RFC 3768 section 6.4.2: version 2 counts with its own interval.
#[test]
fn version_2_counts_with_its_own_interval() {
    let mut params = params(128);
    params.version = Version::V2;
    let mut rig = Rig::backup(params);
    rig.hear_interval(1000, 1000, THEIRS, 200, centis(500));
    assert_eq!(rig.router.deadline(), Some(at(4500)));
}

/// The arrival counts, not the moment it is looked at.
#[test]
fn the_deadline_is_counted_from_the_stamp() {
    let mut rig = Rig::backup(params(128));
    rig.hear_late(3499, 1000, THEIRS, 200);
    assert_eq!(rig.router.deadline(), Some(at(4500)));
}

/// After a long pause the queue is drained before time is told: a live Active
/// Router keeps the role, a dead one gets no new interval.
#[test]
fn queued_adverts_are_counted_by_their_stamps() {
    let mut rig = Rig::backup(params(128));
    for second in 1..=10 {
        rig.hear_late(11_000, second * 1000, THEIRS, 200);
    }
    assert_eq!(rig.router.deadline(), Some(at(13_500)));
    assert_eq!(rig.timeout(11_000), []);
    rig.hear_late(60_000, 11_000, THEIRS, 200);
    assert_eq!(rig.router.deadline(), Some(at(14_500)));
}

/// A stale advert moves nothing, in neither direction.
#[test]
fn an_advert_older_than_what_is_known_is_ignored() {
    let mut rig = Rig::backup(params(128));
    rig.hear(2000, THEIRS, 200);
    let deadline = Some(at(5500));
    assert_eq!(rig.router.deadline(), deadline);
    assert_eq!(rig.hear_late(2100, 1999, THEIRS, 0), []);
    assert_eq!(rig.hear_late(2100, 1999, OTHERS, 250), []);
    assert_eq!(rig.hear_interval(2100, 1999, OTHERS, 250, centis(4000)), []);
    assert_eq!(rig.hear_late(2100, 1999, OTHERS, 1), []);
    assert_eq!(rig.router.deadline(), deadline);
    assert_eq!(rig.router.active().unwrap().address, THEIRS);
    assert_eq!(rig.as_backup().discarded, None);
    // As old as what is known is not older.
    assert_eq!(rig.hear_late(2100, 2000, OTHERS, 250), []);
    assert_eq!(rig.router.active().unwrap().address, OTHERS);
}

/// What arrived before we became Backup tells nothing about the time since.
#[test]
fn an_advert_from_before_the_start_is_ignored() {
    let mut rig = Rig::new(params(128));
    rig.input(5000, Input::BecameAble { primary: OURS });
    assert_eq!(rig.hear_late(5001, 4999, THEIRS, 0), []);
    rig.hear_interval(5001, 4999, THEIRS, 200, centis(4000));
    assert_eq!(rig.router.deadline(), Some(at(8500)));
    assert_eq!(rig.as_backup().accepted, None);
    rig.hear_late(5001, 5000, THEIRS, 200);
    assert_eq!(rig.router.active().unwrap().address, THEIRS);
}

/// Discarded adverts have an order too.
#[test]
fn a_discarded_advert_outdates_older_ones() {
    let mut rig = Rig::backup(params(128));
    rig.hear(2000, THEIRS, 100);
    rig.hear_late(2001, 1999, OTHERS, 90);
    assert_eq!(rig.router.active().unwrap().address, THEIRS);
    rig.hear_late(2001, 1999, OTHERS, 200);
    assert_eq!(rig.router.deadline(), Some(at(3500)));
    rig.hear_late(2001, 2000, OTHERS, 90);
    assert_eq!(rig.router.active().unwrap().address, OTHERS);
}

/// No stamp can put the deadline off beyond what an advert of just now does.
#[test]
fn a_stamp_from_the_future_counts_as_now() {
    let mut rig = Rig::backup(params(128));
    rig.hear_late(1000, 900_000, THEIRS, 200);
    assert_eq!(rig.router.deadline(), Some(at(4500)));
    assert_eq!(rig.as_backup().accepted.unwrap().stamp, at(1000));
}

/// The owner waits only for one that is better: another owner at a higher
/// address. It needs no proof of its ear and preempts whatever is set.
#[test]
fn the_owner_as_backup() {
    let mut params = params(255);
    params.preempt = false;
    let mut rig = Rig::new(params);
    rig.input(0, Input::BecameAble { primary: OURS });
    rig.hear(500, THEIRS, 255);
    assert_eq!(rig.state(), StateName::Backup);
    let deadline = at(500) + 3 * SECOND + SECOND / 256;
    assert_eq!(rig.router.poll_timeout(), Some(deadline));
    assert_eq!(rig.hear(1500, OTHERS, 254), []);
    assert_eq!(rig.router.poll_timeout(), Some(deadline));
    assert_eq!(rig.input(1600, Input::EarProven), []);
    assert_eq!(rig.as_backup().ear, Ear::NotDoubted);
    assert_eq!(rig.timeout(3503), []);
    assert_eq!(rig.timeout(3504).first(), Some(&advert(255)));
    assert_eq!(rig.state(), StateName::Active);
}

/// The last word of one that yields to the router we follow, with a much shorter
/// interval, does not make us miss the better one, however often it says it; if it is the
/// one that stays, it counts once the better one's timer has ended.
#[test]
fn the_last_word_of_a_loser_does_not_shorten_the_timer() {
    let mut params = params(128);
    params.preempt = false;
    let mut rig = Rig::backup(params);
    rig.hear(1000, THEIRS, 200);
    rig.hear_interval(1010, 1010, OTHERS, 100, centis(1));
    assert_eq!(rig.router.deadline(), Some(at(4500)));
    let priority = prio(64);
    rig.input(1015, Input::PriorityChanged { priority });
    assert_eq!(rig.router.deadline(), Some(at(4500)));
    rig.hear_interval(1020, 1020, OTHERS, 100, centis(1));
    assert_eq!(rig.router.deadline(), Some(at(4500)));
    rig.hear_interval(4490, 4490, OTHERS, 100, centis(1));
    let down = crate::time::active_down_interval(Version::V3, priority, centis(1), 3);
    assert_eq!(rig.router.deadline(), Some(at(4490) + down));
    // A better one counts at once, and so does one that follows a leave.
    rig.hear_interval(4500, 4500, THEIRS, 200, centis(2));
    let down = crate::time::active_down_interval(Version::V3, priority, centis(2), 3);
    assert_eq!(rig.router.deadline(), Some(at(4500) + down));
    rig.hear(4505, THEIRS, 0);
    rig.hear_interval(4506, 4506, OTHERS, 100, centis(1));
    let down = crate::time::active_down_interval(Version::V3, priority, centis(1), 3);
    assert_eq!(rig.router.deadline(), Some(at(4506) + down));
}

/// What was running for another router holds on for a worse one only: the same
/// router, and a better one, are counted by their last word.
#[test]
fn a_shorter_interval_counts_at_once_where_nobody_better_was_followed() {
    for (source, priority) in [(THEIRS, 200), (THEIRS, 150), (OTHERS, 210)] {
        let mut rig = Rig::backup(params(128));
        rig.hear(1000, THEIRS, 200);
        assert_eq!(rig.router.deadline(), Some(at(4500)));
        rig.hear_interval(1010, 1010, source, priority, centis(10));
        assert_eq!(rig.router.deadline(), Some(at(1360)), "{source} {priority}");
    }
}

/// Whom we follow steadily says nothing new by saying the same again, whenever that
/// is; while anything but time is waited for, it may.
#[test]
fn who_is_followed_steadily_does_no_more_than_begin_the_silence_anew() {
    let followed = |rig: &Rig| rig.router.steadily_follows().map(|heard| heard.stamp);
    let mut rig = Rig::backup(params(128));
    assert_eq!(followed(&rig), None, "nobody was heard");
    rig.hear(1000, THEIRS, 200);
    assert_eq!(followed(&rig), Some(at(1000)));
    let silence = rig.router.deadline().unwrap().since(at(1000));
    for later in [1001, 2000, 9000] {
        assert_eq!(rig.hear_late(9000, later, THEIRS, 200), []);
        assert_eq!(followed(&rig), Some(at(later)));
        assert_eq!(rig.router.deadline(), Some(at(later) + silence));
    }
    rig.hear(9100, OTHERS, 100);
    assert_eq!(followed(&rig), None, "one is about to be replaced");
    rig.hear(9200, THEIRS, 200);
    assert_eq!(followed(&rig), Some(at(9200)));
    rig.input(9300, Input::Slept);
    assert_eq!(followed(&rig), None, "we have just woken up");
    rig.hear(9400, THEIRS, 0);
    assert_eq!(followed(&rig), None, "he leaves");

    let mut params = params(128);
    params.preempt_delay = Duration::from_secs(60);
    let mut rig = Rig::backup(params);
    rig.hear(1000, THEIRS, 100);
    assert_eq!(followed(&rig), None, "he is left alone for a while only");
}
