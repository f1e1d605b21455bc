//! Make before break: the addresses stay until somebody else has them.

use super::*;

const REMOVE: Action = Action::RemoveAddresses { generation: 1 };
const WITHHOLD: Action = Action::Withhold { on: true };
const ANSWER: Action = Action::Withhold { on: false };
const ANNOUNCE: Action = Action::Announce { rounds: 5 };

fn let_go(claimed: bool, held: u64) -> Action {
    Action::Report(Report::LetGo {
        claimed,
        held: Duration::from_millis(held),
    })
}

fn succeeded(source: IpAddr, priority: u8) -> Action {
    Action::Report(Report::SuccessorHeard {
        source,
        priority: prio(priority),
    })
}

impl Rig {
    fn claim(&mut self, millis: u64) -> Vec<Action> {
        let stamp = at(millis);
        self.input(millis, Input::AddressClaimed { stamp })
    }

    /// Told to leave for good, with the addresses in place, at the returned
    /// time.
    fn leaving(params: Params) -> (Self, u64) {
        let (mut rig, since) = Self::serving(params);
        let now = since + 400;
        rig.input(now, Input::ShutDown);
        assert!(rig.router.is_letting_go());
        (rig, now)
    }

    /// Yielded to [`THEIRS`] of priority 200, at the returned time.
    fn yielding(params: Params) -> (Self, u64) {
        let (mut rig, since) = Self::serving(params);
        let now = since + 400;
        rig.hear(now, THEIRS, 200);
        assert_eq!(rig.state(), StateName::Backup);
        assert!(rig.router.is_letting_go());
        (rig, now)
    }
}

/// Priority zero first, then nothing until the successor speaks; from then on
/// it alone answers, and 20 ms after its claim our addresses go.
#[test]
fn a_leave_waits_for_the_claim_of_the_successor() {
    let (mut rig, since) = Rig::serving(params(128));
    let left = since + 400;
    assert_eq!(
        rig.input(left, Input::ShutDown),
        [
            RESIGN,
            transition(StateName::Active, StateName::Initialize, Why::ShutDown),
        ]
    );
    assert_eq!(rig.router.poll_timeout(), Some(at(left + 1100)));
    assert_eq!(
        rig.hear(left + 500, THEIRS, 100),
        [WITHHOLD, succeeded(THEIRS, 100)]
    );
    assert!(rig.router.is_withheld());
    assert_eq!(rig.hear(left + 501, THEIRS, 100), [], "once");
    assert_eq!(rig.claim(left + 502), []);
    assert_eq!(rig.router.poll_timeout(), Some(at(left + 522)));
    assert_eq!(rig.claim(left + 510), [], "the first claim counts");
    assert_eq!(rig.timeout(left + 521), []);
    assert_eq!(rig.timeout(left + 522), [REMOVE, let_go(true, 522)]);
    assert!(!rig.router.is_letting_go());
    assert_eq!(rig.router.poll_timeout(), None);
    assert_eq!(rig.hear(left + 600, OTHERS, 250), []);
    // The kernel may still answer until it has removed them.
    assert!(rig.router.is_withheld());
    let generation = 1;
    let removed = Input::AddressesRemoved { generation };
    assert_eq!(rig.input(left + 601, removed), [ANSWER]);
    assert_eq!(rig.input(left + 602, removed), []);
}

/// One interval and 100 ms, whatever comes: not longer, and not shorter.
#[test]
fn nobody_is_waited_for_longer_than_the_bound() {
    let (mut rig, left) = Rig::leaving(params(128));
    assert_eq!(rig.timeout(left + 1099), []);
    assert_eq!(rig.timeout(left + 1100), [REMOVE, let_go(false, 1100)]);
    // A successor that claims nothing.
    let (mut rig, left) = Rig::leaving(params(128));
    rig.hear(left + 1000, THEIRS, 100);
    assert_eq!(rig.timeout(left + 1099), []);
    assert_eq!(rig.timeout(left + 1100), [REMOVE, let_go(false, 1100)]);
    // One whose claim comes so late that its linger would end after the bound.
    let (mut rig, left) = Rig::leaving(params(128));
    rig.hear(left + 1000, THEIRS, 100);
    rig.claim(left + 1090);
    assert_eq!(rig.timeout(left + 1099), []);
    assert_eq!(rig.timeout(left + 1100), [REMOVE, let_go(true, 1100)]);
    // The interval is ours.
    let mut fast = params(128);
    fast.adver_interval = centis(1);
    let (mut rig, left) = Rig::leaving(fast);
    assert_eq!(rig.timeout(left + 109), []);
    assert_eq!(rig.timeout(left + 110), [REMOVE, let_go(false, 110)]);
}

/// Before anybody has said that it is Active, a claim is no successor's; and
/// neither is one that was made before.
#[test]
fn a_claim_without_an_advert_is_not_the_successors() {
    let (mut rig, left) = Rig::leaving(params(128));
    assert_eq!(rig.claim(left + 10), []);
    rig.hear(left + 100, THEIRS, 100);
    let stamp = at(left + 99);
    rig.input(left + 101, Input::AddressClaimed { stamp });
    assert_eq!(rig.router.letting_go().unwrap().claimed, None);
    assert_eq!(rig.timeout(left + 200), []);
    rig.claim(left + 210);
    assert_eq!(rig.timeout(left + 230), [REMOVE, let_go(true, 230)]);
}

/// Heard by another socket, the claim may be told before the advert that it
/// followed: the arrivals count.
#[test]
fn a_claim_may_be_told_before_its_advert() {
    let (mut rig, since) = Rig::serving(params(128));
    rig.claim(since + 300);
    let stamp = at(since + 402);
    rig.input(since + 404, Input::AddressClaimed { stamp });
    rig.hear_late(since + 404, since + 400, THEIRS, 200);
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 422)));
    let (mut rig, left) = Rig::leaving(params(128));
    let stamp = at(left + 102);
    rig.input(left + 104, Input::AddressClaimed { stamp });
    assert_eq!(rig.router.letting_go().unwrap().claimed, None);
    rig.hear_late(left + 104, left + 100, THEIRS, 100);
    assert_eq!(rig.router.poll_timeout(), Some(at(left + 122)));
    // One from before is nobody's.
    let (mut rig, since) = Rig::serving(params(128));
    rig.claim(since + 300);
    rig.hear(since + 400, THEIRS, 200);
    assert_eq!(rig.router.letting_go().unwrap().claimed, None);
}

/// A claim that is heard late is counted from its arrival, one from the future
/// from now.
#[test]
fn the_linger_is_counted_from_the_arrival_of_the_claim() {
    let (mut rig, left) = Rig::leaving(params(128));
    rig.hear(left + 100, THEIRS, 100);
    let stamp = at(left + 110);
    rig.input(left + 125, Input::AddressClaimed { stamp });
    assert_eq!(rig.router.poll_timeout(), Some(at(left + 130)));
    let (mut rig, left) = Rig::leaving(params(128));
    rig.hear(left + 100, THEIRS, 100);
    let stamp = at(left + 999);
    rig.input(left + 125, Input::AddressClaimed { stamp });
    assert_eq!(rig.router.poll_timeout(), Some(at(left + 145)));
}

/// What was sent before we left, what says that it leaves, and what comes from
/// ourselves is no successor.
#[test]
fn who_is_no_successor() {
    let (mut rig, left) = Rig::leaving(params(128));
    assert_eq!(rig.hear_late(left + 1, left - 1, THEIRS, 100), []);
    assert_eq!(rig.hear(left + 2, THEIRS, 0), []);
    assert_eq!(rig.hear(left + 3, OURS, 100), []);
    assert_eq!(rig.router.letting_go().unwrap().successor, None);
    assert_eq!(
        rig.hear_late(left + 5, left, THEIRS, 100),
        [WITHHOLD, succeeded(THEIRS, 100)]
    );
}

/// The successor leaves as well, or dies: we answer again and wait for another
/// one, in the same bound.
#[test]
fn a_successor_that_leaves_is_forgotten() {
    let (mut rig, left) = Rig::leaving(params(128));
    rig.hear(left + 100, THEIRS, 100);
    rig.claim(left + 101);
    assert_eq!(rig.hear(left + 102, OTHERS, 0), [], "not the one");
    assert_eq!(rig.hear(left + 103, THEIRS, 0), [ANSWER]);
    assert_eq!(rig.timeout(left + 121), []);
    assert_eq!(rig.claim(left + 130), [], "nobody's");
    assert_eq!(rig.hear(left + 140, OTHERS, 90), [WITHHOLD], "not news");
    rig.claim(left + 141);
    assert_eq!(rig.timeout(left + 161), [REMOVE, let_go(true, 161)]);
    let (mut rig, left) = Rig::leaving(params(128));
    rig.hear(left + 100, THEIRS, 100);
    rig.hear(left + 103, THEIRS, 0);
    assert_eq!(rig.timeout(left + 1100), [REMOVE, let_go(false, 1100)]);
}

/// Two that both took over: what either claims since the first one spoke
/// counts, and a leave of the one that gave up is the other's.
#[test]
fn of_two_successors_the_last_one_that_spoke_counts() {
    let (mut rig, left) = Rig::leaving(params(128));
    rig.hear(left + 100, THEIRS, 100);
    rig.hear(left + 101, OTHERS, 101);
    assert_eq!(rig.hear(left + 102, THEIRS, 0), []);
    let going = rig.router.letting_go().unwrap();
    assert_eq!(going.successor.unwrap().source, OTHERS);
    let stamp = at(left + 100);
    rig.input(left + 103, Input::AddressClaimed { stamp });
    assert_eq!(rig.router.poll_timeout(), Some(at(left + 120)));
}

/// A flood of adverts and claims costs nothing on the wire or at the NIC.
#[test]
fn a_flood_is_not_amplified_while_letting_go() {
    let (mut rig, left) = Rig::leaving(params(128));
    rig.hear(left + 1, THEIRS, 100);
    for n in 0..500 {
        let source = IpAddr::V4(Ipv4Addr::new(10, 0, (n / 250) as u8, (n % 250) as u8));
        assert_eq!(
            rig.hear(left + 2 + n / 100, source, 1 + (n % 254) as u8),
            []
        );
        assert_eq!(rig.claim(left + 2 + n / 100), []);
    }
    let (mut rig, now) = Rig::yielding(params(128));
    for n in 0..500 {
        let source = IpAddr::V4(Ipv4Addr::new(10, 0, (n / 250) as u8, (n % 250) as u8));
        assert_eq!(rig.hear(now + 2 + n / 100, source, 1 + (n % 254) as u8), []);
        assert_eq!(rig.claim(now + 2 + n / 100), []);
    }
}

/// Yielding: the successor has spoken, so it alone answers from now on.
/// Nothing is said.
#[test]
fn yielding_keeps_the_addresses_until_they_are_claimed() {
    let (mut rig, now) = Rig::yielding(params(128));
    assert!(rig.router.is_withheld());
    assert_eq!(rig.claim(now + 3), []);
    assert_eq!(rig.router.poll_timeout(), Some(at(now + 23)));
    assert_eq!(rig.timeout(now + 23), [REMOVE, let_go(true, 23)]);
    assert_eq!(rig.state(), StateName::Backup);
    let generation = 1;
    let removed = Input::AddressesRemoved { generation };
    assert_eq!(rig.input(now + 24, removed), [ANSWER]);
}

/// With `higher_prio_send_advert` the winner hears of us once more.
#[test]
fn one_last_advert_where_it_is_configured() {
    let mut params = params(128);
    params.higher_prio_send_advert = true;
    let (mut rig, since) = Rig::serving(params);
    let actions = rig.hear(since + 100, THEIRS, 200);
    assert_eq!(actions[..2], [advert(128), WITHHOLD]);
    assert_eq!(actions.len(), 3);
}

/// Addresses that never served serve nobody until then.
#[test]
fn what_is_not_installed_yet_is_not_kept() {
    let (mut rig, since) = Rig::active(params(128));
    let actions = rig.hear(since + 1, THEIRS, 200);
    assert_eq!(actions[0], REMOVE);
    assert!(!rig.router.is_letting_go() && !rig.router.is_withheld());
    let (mut rig, since) = Rig::active(params(128));
    let actions = rig.input(since + 1, Input::ShutDown);
    assert_eq!(actions[..2], [RESIGN, REMOVE]);
    assert!(!rig.router.is_letting_go());
}

/// A successor that has had the addresses all along, as after a partition, does
/// not announce them by itself: it is made to, once one that has just taken over
/// would have announced them.
#[test]
fn a_winner_that_claims_nothing_is_made_to() {
    let (mut rig, now) = Rig::yielding(params(128));
    assert_eq!(rig.router.poll_timeout(), Some(at(now + 10)));
    assert_eq!(rig.timeout(now + 9), []);
    assert_eq!(rig.timeout(now + 10), [advert(128)]);
    assert_eq!(rig.timeout(now + 11), [], "once");
    rig.claim(now + 12);
    assert_eq!(rig.timeout(now + 32), [REMOVE, let_go(true, 32)]);
    // Not where it has claimed them.
    let (mut rig, now) = Rig::yielding(params(128));
    rig.claim(now + 1);
    rig.timeout(now + 21);
    assert_eq!(rig.timeout(now + 1050), []);
    // Not where it would yield to us, and not from one that has left.
    let (mut rig, now) = Rig::yielding(params(128));
    rig.hear(now + 1, THEIRS, 127);
    assert_eq!(rig.timeout(now + 10), []);
    let (mut rig, now) = Rig::yielding(params(128));
    rig.input(now + 1, Input::ShutDown);
    assert_eq!(rig.timeout(now + 10), []);
}

/// The other side: an advert of a lower priority makes the winner of a healed
/// partition announce, at once and once more a while after.
#[test]
fn the_winner_of_a_healed_partition_announces_once_more() {
    let mut params = params(200);
    params.garp.lower_prio_repeat = 2;
    params.garp.lower_prio_delay = Duration::from_millis(1500);
    let (mut rig, since) = Rig::serving(params);
    rig.timeout(since + 5000);
    let burst = Action::Announce { rounds: 2 };
    let actions = rig.hear(since + 8100, THEIRS, 128);
    assert_eq!(actions[..2], [advert(200), burst]);
    assert_eq!(
        rig.timeout(since + 9200).last(),
        Some(&Action::Announce { rounds: 1 })
    );
    assert_eq!(rig.timeout(since + 9600).last(), Some(&burst));
}

/// One that was Active too and leaves: whoever still sends to it is told.
#[test]
fn a_second_active_router_that_leaves_is_announced_away() {
    let (mut rig, since) = Rig::serving(params(128));
    rig.timeout(since + 5000);
    let actions = rig.hear(since + 6500, THEIRS, 0);
    assert_eq!(actions[..2], [advert(128), ANNOUNCE]);
    assert_eq!(actions.len(), 3);
}

/// A fault ends it at once: whoever cannot hear cannot wait for anybody.
#[test]
fn a_fault_removes_at_once() {
    let fault = Fault::LinkDown;
    let (mut rig, left) = Rig::leaving(params(128));
    assert_eq!(
        rig.input(left + 10, Input::BecameUnable { fault }),
        [REMOVE, let_go(false, 10)]
    );
    assert_eq!(rig.router.poll_timeout(), None);
    let (mut rig, now) = Rig::yielding(params(128));
    assert_eq!(
        rig.input(now + 10, Input::BecameUnable { fault }),
        [
            REMOVE,
            let_go(false, 10),
            transition(StateName::Backup, StateName::Initialize, Why::Fault(fault)),
        ]
    );
    // Removed while withheld: nobody answers, and a takeover ends it.
    assert!(rig.router.is_withheld());
}

/// The address that is taken away meanwhile is as good as removed.
#[test]
fn addresses_that_are_lost_meanwhile_are_let_go() {
    let generation = 1;
    let failed = Input::AddressesFailed { generation };
    let (mut rig, now) = Rig::yielding(params(128));
    assert_eq!(rig.input(now + 10, failed), [REMOVE, let_go(false, 10)]);
    assert_eq!(rig.state(), StateName::Backup);
    assert_eq!(rig.input(now + 11, failed), []);
}

/// Taking over again finds what is still there, answers for it and says so.
#[test]
fn a_takeover_meanwhile_keeps_what_is_there() {
    let mut fast = params(128);
    fast.adver_interval = centis(1);
    let (mut rig, now) = Rig::yielding(fast);
    // Its last advert said that it speaks every 10 ms.
    rig.hear_interval(now + 1, now + 1, THEIRS, 200, centis(1));
    let deadline = rig.router.deadline().unwrap();
    assert!(deadline < at(now + 110), "within the bound");
    rig.input(now + 20, Input::EarProven);
    let actions = rig.timeout(now + 37);
    assert_eq!(actions[..3], [advert(128), ANSWER, ANNOUNCE]);
    assert_eq!(actions.len(), 4);
    assert_eq!(rig.router.generation(), 1);
    assert!(matches!(rig.as_active().addresses, Addresses::Installed(_)));
    assert!(!rig.router.is_letting_go() && !rig.router.is_withheld());
    // And no old bound takes them away.
    let removes = |actions: Vec<Action>| actions.contains(&REMOVE);
    assert!(!removes(rig.timeout(now + 110)) && !removes(rig.timeout(now + 200)));
}

/// Both due when we wake up late: the takeover comes first, nothing is removed.
#[test]
fn a_takeover_that_is_due_comes_before_the_end_of_letting_go() {
    let mut fast = params(128);
    fast.adver_interval = centis(1);
    let (mut rig, now) = Rig::yielding(fast);
    rig.hear_interval(now + 1, now + 1, THEIRS, 200, centis(1));
    rig.input(now + 20, Input::EarProven);
    rig.input(now + 500, Input::EarProven);
    let actions = rig.timeout(now + 501);
    assert_eq!(actions[..3], [advert(128), ANSWER, ANNOUNCE]);
}

/// Once they are on their way out, a takeover installs them anew.
#[test]
fn a_takeover_after_the_end_installs_again() {
    let (mut rig, now) = Rig::yielding(params(128));
    rig.claim(now + 1);
    rig.timeout(now + 21);
    let since = rig.take_over();
    assert_eq!(rig.router.generation(), 2);
    // The old removal is done, and the old installation reported once more.
    let generation = 1;
    assert_eq!(rig.input(since, Input::AddressesRemoved { generation }), []);
    assert_eq!(
        rig.input(since, Input::AddressesInstalled { generation }),
        []
    );
    assert!(matches!(rig.as_active().addresses, Addresses::Installing));
    assert!(!rig.router.is_withheld());
}

/// An installation that is confirmed again meanwhile (somebody else removed an
/// address, it was put back) is as it should be.
#[test]
fn an_address_put_back_meanwhile_is_kept() {
    let (mut rig, now) = Rig::yielding(params(128));
    assert_eq!(rig.input(now + 1, rig.installed()), []);
    assert!(rig.router.is_letting_go());
    rig.claim(now + 2);
    assert_eq!(rig.timeout(now + 22), [REMOVE, let_go(true, 22)]);
    assert_eq!(rig.input(now + 23, rig.installed()), [REMOVE], "late");
}

/// A removal of an earlier generation says nothing about answers withheld now.
#[test]
fn a_late_removal_does_not_end_withholding() {
    let (mut rig, _) = Rig::yielding(params(128));
    rig.timeout(rig.router.letting_go().unwrap().until.as_nanos() / 1_000_000);
    let since = rig.take_over();
    rig.input(since, rig.installed());
    rig.hear(since + 10, THEIRS, 200);
    assert!(rig.router.is_withheld());
    let generation = 1;
    assert_eq!(
        rig.input(since + 11, Input::AddressesRemoved { generation }),
        []
    );
    let generation = 2;
    assert_eq!(
        rig.input(since + 12, Input::AddressesRemoved { generation }),
        []
    );
    assert!(rig.router.is_withheld(), "we still have them");
}

/// A leave while we let go: nothing is said twice, the bound stays.
#[test]
fn shut_down_while_letting_go() {
    let (mut rig, now) = Rig::yielding(params(128));
    assert_eq!(
        rig.input(now + 100, Input::ShutDown),
        [transition(
            StateName::Backup,
            StateName::Initialize,
            Why::ShutDown
        )]
    );
    assert_eq!(rig.router.letting_go().unwrap().until, at(now + 1100));
    rig.claim(now + 101);
    assert_eq!(rig.timeout(now + 121), [REMOVE, let_go(true, 121)]);
}

/// The bound is longer than every skew time. In version 2 that is a share of one
/// second, so that a daemon with an interval of 255 s ends as soon as one with 1 s.
#[test]
fn the_bound_covers_every_skew() {
    for (version, interval, bound) in [
        (Version::V2, 100, 1100),
        (Version::V2, 500, 1100),
        (Version::V2, 25_500, 1100),
        (Version::V3, 10, 200),
        (Version::V3, 100, 1100),
        (Version::V3, 4095, 41_050),
    ] {
        let mut params = params(128);
        (params.version, params.adver_interval) = (version, centis(interval));
        let (rig, left) = Rig::leaving(params);
        let until = rig.router.letting_go().unwrap().until;
        assert_eq!(until, at(left + bound), "{version:?} {interval}");
        let lowest = crate::time::skew_time(version, prio(1), centis(interval));
        assert!(until >= at(left) + lowest + LettingGo::GRACE);
    }
}

/// The members of a sync group are succeeded together, by the slowest.
#[test]
fn the_bound_is_one_for_a_group() {
    let mut params = params(128);
    params.adver_interval = centis(10);
    params.group_succession = SECOND * 3;
    let (rig, left) = Rig::leaving(params);
    let until = rig.router.letting_go().unwrap().until;
    assert_eq!(until, at(left + 3100));
}

/// The last advert of another router is remembered in any state, a leave and
/// our own frames are not.
#[test]
fn who_could_succeed_us_is_known() {
    let mut rig = Rig::new(params(128));
    assert_eq!(rig.router.last_other(), None);
    rig.hear(5, THEIRS, 0);
    assert_eq!(rig.router.last_other(), None);
    rig.hear(10, THEIRS, 100);
    let other = |rig: &Rig| {
        rig.router
            .last_other()
            .map(|heard| (heard.source, heard.stamp))
    };
    assert_eq!(other(&rig), Some((THEIRS, at(10))));
    rig.input(20, Input::BecameAble { primary: OURS });
    rig.hear(30, OTHERS, 90);
    assert_eq!(other(&rig), Some((OTHERS, at(30))));
    rig.hear(40, OURS, 90);
    rig.hear(50, THEIRS, 0);
    assert_eq!(other(&rig), Some((OTHERS, at(30))));
}
