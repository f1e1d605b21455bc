//! RFC 9568 section 6.4.3.

use super::*;

/// With an answer to another claimant.
const ONCE_MORE: Action = Action::Announce { rounds: 1 };

fn lower(source: IpAddr, priority: u8) -> Action {
    let priority = prio(priority);
    Action::Report(Report::LowerPriorityHeard { source, priority })
}

/// The Adver_Timer fires: an advert, and the next one an interval later.
#[test]
fn adverts_are_sent_every_interval() {
    let (mut rig, since) = Rig::active(params(128));
    for n in 1..=5 {
        let due = since + n * 1000;
        assert_eq!(rig.router.poll_timeout(), Some(at(due)));
        assert_eq!(rig.timeout(due - 1), [], "too early is nothing");
        assert_eq!(rig.timeout(due), [advert(128)]);
        assert_eq!(rig.router.active().unwrap().last_advert, at(due));
    }
}

/// The n-th advert is due at `since + n * interval`, however late the ones
/// before it were.
#[test]
fn lateness_does_not_add_up() {
    let (mut rig, since) = Rig::active(params(128));
    for n in 1..=50 {
        assert_eq!(rig.timeout(since + n * 1000 + 999), [advert(128)]);
        assert_eq!(rig.router.poll_timeout(), Some(at(since + (n + 1) * 1000)));
    }
}

/// Routers that share a beat speak together from their second advert on, whenever they
/// became Active, and none waits longer than an interval.
#[test]
fn routers_of_one_beat_speak_together() {
    let beating = Params {
        beat: Some(Duration::from_millis(300)),
        ..params(128)
    };
    let (mut rig, since) = Rig::active(beating);
    assert_eq!(since, 3500);
    for due in [4300, 5300, 6300] {
        assert_eq!(rig.router.poll_timeout(), Some(at(due)));
        assert_eq!(rig.timeout(due), [advert(128)]);
    }
    for (now, second) in [(6301, 7300), (7299, 7300), (7300, 8300)] {
        assert_eq!(beating.second_advert(at(now)), at(second), "after {now} ms");
    }
    assert_eq!(params(128).second_advert(at(6301)), at(7301));
}

/// More than an interval late: one advert, no burst, and a grid from there.
#[test]
fn missed_adverts_are_not_made_up_for() {
    let (mut rig, since) = Rig::active(params(128));
    assert_eq!(rig.timeout(since + 2000), [advert(128)]);
    assert_eq!(rig.timeout(since + 2000), []);
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 3000)));
    assert_eq!(rig.timeout(since + 9500), [advert(128)]);
    assert_eq!(rig.timeout(since + 9500), []);
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 10_500)));
}

/// A lone Active Router stays it, whatever the gap: silence is no reason.
#[test]
fn a_pause_never_costs_a_lone_active_router_its_addresses() {
    for pause in [1, 999, 1001, 3_600_000, 86_400_000_000] {
        let (mut rig, since) = Rig::serving(params(128));
        let actions = rig.timeout(since + 5000 + pause);
        assert_eq!(
            actions,
            [advert(128), Action::Announce { rounds: 5 }],
            "after {pause} ms"
        );
        assert_eq!(rig.state(), StateName::Active);
    }
}

/// Priority greater than ours: Backup, with the timer counted from the
/// arrival and the interval learned.
#[test]
fn higher_priority_makes_us_backup() {
    let (mut rig, since) = Rig::serving(params(128));
    let now = since + 100;
    assert_eq!(
        rig.hear_interval(now, now - 20, OTHERS, 129, centis(200)),
        [
            Action::Withhold { on: true },
            transition(
                StateName::Active,
                StateName::Backup,
                Why::HigherPriority {
                    source: OTHERS,
                    priority: prio(129),
                }
            ),
        ]
    );
    assert_eq!(rig.router.deadline(), Some(at(now - 20 + 7000)));
    assert_eq!(rig.as_backup().since, at(now));
    assert_eq!(rig.as_backup().active_adver_interval, centis(200));
    assert_eq!(
        rig.as_backup().ear,
        Ear::Unasked {
            ask: at(now - 20 + 3000)
        }
    );
    assert_eq!(
        rig.router.active(),
        Some(ActiveRouter {
            address: OTHERS,
            priority: prio(129),
            last_advert: at(now - 20),
        })
    );
    // What it sent in the meantime counts, though it came before we yielded.
    rig.hear_interval(now + 1, now - 10, OTHERS, 129, centis(200));
    assert_eq!(rig.router.deadline(), Some(at(now - 10 + 7000)));
}

/// Preempt_Mode has no say for an Active Router.
#[test]
fn higher_priority_makes_us_backup_without_preempt_too() {
    let mut params = params(128);
    params.preempt = false;
    let (mut rig, since) = Rig::serving(params);
    rig.hear(since + 100, OTHERS, 129);
    assert_eq!(rig.state(), StateName::Backup);
}

/// A better one that was heard late is still a better one.
#[test]
fn higher_priority_from_before_we_became_active_makes_us_backup() {
    let (mut rig, since) = Rig::serving(params(128));
    rig.hear_late(since + 100, since - 100, OTHERS, 129);
    assert_eq!(rig.state(), StateName::Backup);
    assert_eq!(rig.router.deadline(), Some(at(since - 100 + 3500)));
}

/// Equal priority: the higher primary address stays, compared as an unsigned
/// number in network order, over every byte.
#[test]
fn ties_are_decided_by_every_byte_of_the_address() {
    let base = [100, 127, 128, 200];
    for byte in 0..4 {
        for (theirs, stays) in [(1, false), (0, true)] {
            let (mut rig, since) = Rig::serving(params(128));
            let mut ours = base;
            let mut other = base;
            // What follows a difference must not matter.
            for later in byte + 1..4 {
                ours[later] = if stays { 0 } else { 255 };
                other[later] = if stays { 255 } else { 0 };
            }
            ours[byte] += 1 - theirs;
            other[byte] += theirs;
            let primary = IpAddr::V4(Ipv4Addr::from(ours));
            rig.input(since, Input::BecameAble { primary });
            let source = IpAddr::V4(Ipv4Addr::from(other));
            let actions = rig.hear(since + 100, source, 128);
            if stays {
                assert_eq!(actions, [advert(128), ONCE_MORE, lower(source, 128)]);
            } else {
                assert_eq!(
                    actions,
                    [
                        Action::Withhold { on: true },
                        transition(
                            StateName::Active,
                            StateName::Backup,
                            Why::HigherAddress {
                                source,
                                priority: prio(128),
                            }
                        ),
                    ]
                );
            }
        }
    }
}

/// 128.0.0.0 is above 127.255.255.255: the comparison is unsigned.
#[test]
fn ties_are_decided_unsigned() {
    let (mut rig, since) = Rig::serving(params(128));
    let primary = IpAddr::V4(Ipv4Addr::new(127, 255, 255, 255));
    rig.input(since, Input::BecameAble { primary });
    rig.hear(since + 100, IpAddr::V4(Ipv4Addr::new(128, 0, 0, 0)), 128);
    assert_eq!(rig.state(), StateName::Backup);
}

/// Our own priority from our own address decides nothing.
#[test]
fn our_own_address_is_only_reported() {
    let (mut rig, since) = Rig::serving(params(128));
    assert_eq!(
        rig.hear(since + 100, OURS, 128),
        [Action::Report(Report::SameAddressHeard { source: OURS })]
    );
    assert_eq!(rig.state(), StateName::Active);
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 1000)));
}

/// Lower priority: an advert at once, so that its sender and the switches
/// know; the Adver_Timer is left alone.
#[test]
fn lower_priority_is_answered_at_once() {
    let (mut rig, since) = Rig::serving(params(128));
    let now = since + 1500;
    rig.timeout(since + 1000);
    assert_eq!(
        rig.hear(now, THEIRS, 127),
        [
            advert(128),
            Action::Announce { rounds: 5 },
            lower(THEIRS, 127),
        ]
    );
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 2000)));
    assert_eq!(rig.router.active().unwrap().last_advert, at(now));
}

/// Without addresses there is nothing to announce yet.
#[test]
fn lower_priority_is_answered_before_the_addresses_are_there() {
    let (mut rig, since) = Rig::active(params(128));
    assert_eq!(
        rig.hear(since + 100, THEIRS, 127),
        [advert(128), lower(THEIRS, 127)]
    );
}

/// Priority 0: an advert, and the Adver_Timer starts anew. Whoever leaves was
/// Active too until now, and neighbours may still send to it.
#[test]
fn priority_zero_is_answered_at_once() {
    let (mut rig, since) = Rig::serving(params(128));
    assert_eq!(
        rig.hear(since + 1200, THEIRS, 0),
        [
            advert(128),
            Action::Announce { rounds: 5 },
            Action::Report(Report::ResignHeard { source: THEIRS }),
        ]
    );
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 2200)));
    assert_eq!(rig.as_active().next_advert, at(since + 2200));
}

/// Sent before its sender could hear our first advert: no quarrel.
#[test]
fn lower_priority_from_before_we_became_active_is_ignored() {
    let (mut rig, since) = Rig::serving(params(128));
    assert_eq!(rig.hear_late(since + 100, since - 1, THEIRS, 127), []);
    assert_eq!(rig.hear_late(since + 100, since - 1, THEIRS, 0), []);
    let answered = rig.hear_late(since + 100, since, THEIRS, 127);
    assert_eq!(answered, [advert(128), ONCE_MORE, lower(THEIRS, 127)]);
}

/// A flood is not amplified: one answer per half interval, and the last one
/// owed is still given.
#[test]
fn answers_are_at_least_half_an_interval_apart() {
    let (mut rig, since) = Rig::serving(params(128));
    let now = since + 100;
    assert_eq!(
        rig.hear(now, THEIRS, 127),
        [advert(128), ONCE_MORE, lower(THEIRS, 127)]
    );
    assert_eq!(rig.hear(now + 1, THEIRS, 127), [lower(THEIRS, 127)]);
    assert_eq!(rig.hear(now + 400, THEIRS, 127), [lower(THEIRS, 127)]);
    assert_eq!(rig.router.poll_timeout(), Some(at(now + 500)));
    assert_eq!(rig.timeout(now + 499), []);
    assert_eq!(rig.timeout(now + 500), [advert(128)]);
    assert_eq!(rig.router.active().unwrap().last_advert, at(now + 500));
    // That was an answer too.
    assert_eq!(rig.hear(now + 501, THEIRS, 127), [lower(THEIRS, 127)]);
    // The grid is where it was, and its advert answers what was owed.
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 1000)));
    assert_eq!(rig.timeout(since + 1000), [advert(128)]);
    // The reminder after a contest is next.
    assert_eq!(rig.router.poll_timeout(), Some(at(now + 1100)));
}

/// Neighbours ignore a claim within a second of another's: the burst that a
/// contest provokes, sent or held back, is followed by a reminder.
#[test]
fn a_contested_address_is_announced_once_more_after_a_second() {
    let (mut rig, since) = Rig::serving(params(128));
    rig.hear(since + 100, THEIRS, 127);
    let reminds = |actions: Vec<Action>| actions.contains(&Action::Announce { rounds: 1 });
    assert!(!reminds(rig.timeout(since + 1199)));
    assert!(reminds(rig.timeout(since + 1200)));
    assert!(!reminds(rig.timeout(since + 1201)));
}

/// The same bound for priority 0.
#[test]
fn answers_to_priority_zero_are_bounded_too() {
    let (mut rig, since) = Rig::serving(params(128));
    let resigned = Action::Report(Report::ResignHeard { source: THEIRS });
    // Who leaves has had the addresses too, and waits for word of them.
    let answer = [advert(128), ONCE_MORE, resigned];
    assert_eq!(rig.hear(since + 100, THEIRS, 0), answer);
    assert_eq!(rig.hear(since + 599, THEIRS, 0), [resigned]);
    assert_eq!(rig.hear(since + 600, THEIRS, 0), answer);
    assert_eq!(rig.as_active().next_advert, at(since + 1600));
}

/// At most one provoked burst a second; the repetition follows in any case.
#[test]
fn announcements_are_not_amplified() {
    let (mut rig, since) = Rig::serving(params(128));
    let announces = |actions: Vec<Action>| actions.contains(&Action::Announce { rounds: 5 });
    // The first burst is repeated after five seconds: let it be over.
    assert!(announces(rig.timeout(since + 5000)));
    let mut bursts = Vec::new();
    for now in (since + 5100..since + 9000).step_by(20) {
        if announces(rig.hear(now, THEIRS, 127)) {
            bursts.push(now - since);
        }
    }
    assert_eq!(bursts, [6000, 7000, 8000]);
    let Addresses::Installed(announced) = &rig.as_active().addresses else {
        panic!("installed");
    };
    assert_eq!(announced.last, at(since + 8000));
    assert_eq!(announced.contested, Some(at(since + 10_100)));
}
