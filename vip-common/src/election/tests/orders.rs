//! Drain and take: what a person tells a router to do.

use super::*;

const REMOVE: Action = Action::RemoveAddresses { generation: 1 };
const ANNOUNCE: Action = Action::Announce { rounds: 5 };
const DRAIN: Input = Input::Drained { force: false };
const FORCE: Input = Input::Drained { force: true };

fn take(priority: u8) -> Input {
    Input::Taken {
        priority: prio(priority),
    }
}

fn removes(actions: &[Action]) -> bool {
    actions.contains(&REMOVE)
}

fn fault(rig: &Rig) -> Option<Fault> {
    match rig.router.state() {
        State::Initialize(initialize) => Some(initialize.fault),
        State::Backup(_) | State::Active(_) => None,
    }
}

#[test]
fn a_drained_active_router_hands_over_and_stays_out() {
    let (mut rig, since) = Rig::serving(params(128));
    assert_eq!(
        rig.input(since + 10, DRAIN),
        [
            RESIGN,
            transition(StateName::Active, StateName::Initialize, Why::Drained),
        ]
    );
    assert!(rig.router.is_letting_go() && rig.router.is_drained());
    rig.hear(since + 500, THEIRS, 100);
    let stamp = at(since + 501);
    rig.input(since + 501, Input::AddressClaimed { stamp });
    assert!(removes(&rig.timeout(since + 521)));
    assert_eq!(rig.router.poll_timeout(), None);
    // Nothing but the end of it brings it back.
    rig.input(since + 600, Input::BecameAble { primary: OURS });
    assert_eq!(fault(&rig), Some(Fault::Drained));
    assert_eq!(
        rig.input(since + 700, Input::Undrained),
        [transition(
            StateName::Initialize,
            StateName::Backup,
            Why::Recovered {
                fault: Fault::Drained
            }
        )]
    );
    assert!(!rig.router.is_drained());
    assert_eq!(rig.router.deadline(), Some(at(since + 700 + 3500)));
}

#[test]
fn a_drained_backup_says_nothing() {
    let mut rig = Rig::backup(params(128));
    assert_eq!(
        rig.input(10, DRAIN),
        [transition(
            StateName::Backup,
            StateName::Initialize,
            Why::Drained
        )]
    );
    assert!(!rig.router.is_letting_go());
    assert_eq!(rig.router.poll_timeout(), None);
    assert_eq!(rig.input(20, DRAIN), []);
}

/// Drained while something else is in the way: the order is what counts, and what
/// is wrong comes to light when it ends.
#[test]
fn a_drain_outlives_a_fault() {
    let mut rig = Rig::backup(params(128));
    let down = Input::BecameUnable {
        fault: Fault::LinkDown,
    };
    let turns = |why| transition(StateName::Initialize, StateName::Initialize, why);
    rig.input(1, down);
    assert_eq!(rig.input(2, DRAIN), [turns(Why::Drained)]);
    assert_eq!(fault(&rig), Some(Fault::Drained));
    assert_eq!(rig.input(3, Input::BecameAble { primary: OURS }), []);
    assert_eq!(rig.input(4, down), []);
    assert_eq!(fault(&rig), Some(Fault::Drained));
    let fails = turns(Why::Fault(Fault::LinkDown));
    assert_eq!(rig.input(5, Input::Undrained), [fails]);
    rig.input(6, Input::BecameAble { primary: OURS });
    assert_eq!(rig.state(), StateName::Backup);
}

/// A failed installation is waited out while drained as well.
#[test]
fn a_drain_outlives_a_failed_installation() {
    let (mut rig, since) = Rig::active(params(128));
    let generation = rig.router.generation();
    rig.input(since, Input::AddressesFailed { generation });
    assert_eq!(fault(&rig), Some(Fault::AddressesNotInstalled));
    rig.input(since + 1, DRAIN);
    assert_eq!(fault(&rig), Some(Fault::Drained));
    assert_eq!(rig.router.poll_timeout(), None);
    rig.input(since + 2, Input::Undrained);
    assert_eq!(fault(&rig), Some(Fault::AddressesNotInstalled));
    assert_eq!(rig.router.deadline(), Some(at(since + 10_000)));
}

/// Before it could take part at all.
#[test]
fn drained_from_the_start() {
    let mut rig = Rig::new(params(255));
    rig.input(1, DRAIN);
    assert_eq!(fault(&rig), Some(Fault::Drained));
    rig.input(2, Input::BecameAble { primary: OURS });
    assert_eq!(fault(&rig), Some(Fault::Drained));
    rig.input(3, Input::Undrained);
    assert_eq!(rig.state(), StateName::Active, "the owner does not wait");
}

/// Nobody took over: the role is taken back, with the addresses still in place,
/// and that is said.
#[test]
fn without_a_successor_the_role_is_taken_back() {
    let (mut rig, since) = Rig::serving(params(128));
    rig.input(since, DRAIN);
    assert_eq!(rig.timeout(since + 1099), []);
    assert_eq!(
        rig.timeout(since + 1100),
        [
            advert(128),
            ANNOUNCE,
            transition(StateName::Initialize, StateName::Active, Why::NoSuccessor),
        ]
    );
    assert!(!rig.router.is_drained() && !rig.router.is_letting_go());
    assert_eq!(rig.router.generation(), 1);
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 2100)));
}

/// One that spoke and fell silent was a successor; one that said that it leaves
/// was none.
#[test]
fn a_successor_that_was_heard_ends_the_return() {
    let (mut rig, since) = Rig::serving(params(128));
    rig.input(since, DRAIN);
    rig.hear(since + 500, THEIRS, 100);
    assert!(removes(&rig.timeout(since + 1100)));
    assert_eq!(fault(&rig), Some(Fault::Drained));

    let (mut rig, since) = Rig::serving(params(128));
    rig.input(since, DRAIN);
    rig.hear(since + 500, THEIRS, 100);
    rig.hear(since + 600, THEIRS, 0);
    assert_eq!(rig.timeout(since + 1100)[0], advert(128));
    assert_eq!(rig.state(), StateName::Active);
    assert!(!rig.router.is_withheld());
}

/// By force, and at the end of the daemon, there is no way back; force may come
/// second.
#[test]
fn by_force_there_is_no_return() {
    for second in [None, Some(FORCE), Some(Input::ShutDown)] {
        let (mut rig, since) = Rig::serving(params(128));
        rig.input(since, if second.is_some() { DRAIN } else { FORCE });
        if let Some(second) = second {
            rig.input(since + 10, second);
        }
        assert_eq!(rig.timeout(since + 1099), []);
        assert!(removes(&rig.timeout(since + 1100)), "{second:?}");
        assert_eq!(rig.state(), StateName::Initialize);
    }
    // A drain without force does not take force back.
    let (mut rig, since) = Rig::serving(params(128));
    rig.input(since, FORCE);
    rig.input(since + 1, DRAIN);
    assert!(removes(&rig.timeout(since + 1100)));
}

/// We did not run and may have lost the successor's adverts: one more interval,
/// before a role is taken back that somebody else has.
#[test]
fn having_slept_nothing_is_taken_back_at_once() {
    let (mut rig, since) = Rig::serving(params(128));
    rig.input(since, DRAIN);
    rig.input(since + 9000, Input::Slept);
    assert_eq!(rig.timeout(since + 9000), []);
    rig.hear(since + 9500, THEIRS, 100);
    assert!(removes(&rig.timeout(since + 10_000)));
    assert_eq!(rig.state(), StateName::Initialize);
    // Where nothing would be taken back, nothing is waited for.
    let (mut rig, since) = Rig::serving(params(128));
    rig.input(since, Input::ShutDown);
    rig.input(since + 9000, Input::Slept);
    assert!(removes(&rig.timeout(since + 9000)));
    // A sleep within the bound does not shorten it.
    let mut fast = params(128);
    fast.adver_interval = centis(1);
    let (mut rig, since) = Rig::serving(fast);
    rig.input(since, DRAIN);
    rig.input(since + 20, Input::Slept);
    assert_eq!(rig.router.letting_go().unwrap().until, at(since + 110));
}

/// A link that fails meanwhile: nothing is left to take back.
#[test]
fn a_fault_ends_a_drain_that_could_return() {
    let (mut rig, since) = Rig::serving(params(128));
    rig.input(since, DRAIN);
    let down = Input::BecameUnable {
        fault: Fault::LinkDown,
    };
    assert!(removes(&rig.input(since + 5, down)));
    assert_eq!(rig.timeout(since + 1100), []);
    rig.input(since + 2000, Input::BecameAble { primary: OURS });
    assert_eq!(fault(&rig), Some(Fault::Drained));
}

/// Undone before anybody came: the role is ours again at once. Undone later:
/// whoever came has it.
#[test]
fn a_drain_undone_while_letting_go() {
    let (mut rig, since) = Rig::serving(params(128));
    rig.input(since, DRAIN);
    let actions = rig.input(since + 100, Input::Undrained);
    assert_eq!(actions[..2], [advert(128), ANNOUNCE]);
    assert_eq!(rig.state(), StateName::Active);

    let (mut rig, since) = Rig::serving(params(128));
    rig.input(since, DRAIN);
    rig.hear(since + 50, THEIRS, 100);
    rig.input(since + 100, Input::Undrained);
    assert_eq!(rig.state(), StateName::Backup);
    assert!(rig.router.is_letting_go());
    assert!(removes(&rig.timeout(since + 1100)));
}

/// Whoever yielded and is drained then has a successor already.
#[test]
fn drained_after_having_yielded() {
    let (mut rig, since) = Rig::serving(params(128));
    rig.hear(since + 10, THEIRS, 200);
    rig.input(since + 20, DRAIN);
    assert_eq!(fault(&rig), Some(Fault::Drained));
    rig.hear(since + 30, THEIRS, 0);
    assert!(
        removes(&rig.timeout(since + 1110)),
        "and does not come back"
    );
    assert_eq!(rig.state(), StateName::Initialize);
}

/// Take: at once, whatever Preempt_Mode and the delay say, from a live router.
#[test]
fn taken_takes_over_at_once() {
    let mut params = params(100);
    params.preempt = false;
    params.preempt_delay = SECOND * 100;
    let mut rig = Rig::backup(params);
    rig.hear(10, THEIRS, 200);
    assert_eq!(
        rig.input(20, take(254)),
        [
            advert(254),
            Action::InstallAddresses { generation: 1 },
            transition(StateName::Backup, StateName::Active, Why::Taken),
        ]
    );
    assert_eq!(rig.router.effective_priority(), prio(254));
    assert_eq!(rig.router.taken_priority(), Some(prio(254)));
    assert_eq!(rig.router.active().unwrap().priority, prio(254));
    rig.input(21, rig.installed());
    assert_eq!(rig.timeout(1020), [advert(254)]);
    // The one it was taken from gives up, or is answered with that priority.
    assert_eq!(rig.hear(1100, THEIRS, 200)[0], advert(254));
    // Undone: our own priority, and the state stays what it is.
    assert_eq!(rig.input(1200, Input::Untaken), []);
    assert_eq!(rig.router.effective_priority(), prio(100));
    assert_eq!(rig.router.taken_priority(), None);
    assert_eq!(rig.timeout(2020), [advert(100)]);
    assert_eq!(rig.hear(2100, THEIRS, 200).len(), 2);
    assert_eq!(rig.state(), StateName::Backup);
}

/// An Active Router that is told to take has the priority from its next advert
/// on.
#[test]
fn taken_as_active() {
    let (mut rig, since) = Rig::serving(params(100));
    assert_eq!(rig.input(since + 10, take(254)), []);
    assert_eq!(rig.timeout(since + 1000), [advert(254)]);
    assert_eq!(rig.hear(since + 1100, THEIRS, 200)[0], advert(254));
    assert_eq!(rig.state(), StateName::Active);
}

/// The owner cannot be taken from: we do not try, and say so. The same for one
/// of the same priority with the higher address.
#[test]
fn an_outranked_take_is_not_tried() {
    for (source, priority, outranks) in [
        (OTHERS, 255, true),
        (THEIRS, 254, true),
        (OTHERS, 254, false),
        (THEIRS, 253, false),
    ] {
        let mut rig = Rig::backup(params(100));
        rig.hear(10, source, priority);
        let actions = rig.input(20, take(254));
        if outranks {
            let source_priority = prio(priority);
            let report = Report::TakeOutranked {
                source,
                priority: source_priority,
            };
            assert_eq!(actions, [Action::Report(report)]);
            assert_eq!(rig.state(), StateName::Backup);
            // Its silence is waited for, with the better skew.
            let skew = SECOND * 2 / 256;
            assert_eq!(rig.router.deadline(), Some(at(10) + SECOND * 3 + skew));
        } else {
            assert_eq!(rig.state(), StateName::Active);
        }
    }
}

/// An owner that comes back wins, and is not taken from again.
#[test]
fn the_owner_comes_back_to_one_that_was_taken() {
    let mut rig = Rig::backup(params(100));
    rig.input(20, take(254));
    rig.input(21, rig.installed());
    rig.hear(100, THEIRS, 255);
    assert_eq!(rig.state(), StateName::Backup);
    for second in 1..10 {
        rig.hear(100 + second * 1000, THEIRS, 255);
        rig.timeout(100 + second * 1000);
    }
    assert_eq!(rig.state(), StateName::Backup);
}

/// Told while it cannot take part: the priority counts from when it can.
#[test]
fn taken_while_unable() {
    let mut rig = Rig::new(params(100));
    assert_eq!(rig.input(1, take(254)), []);
    rig.input(2, Input::BecameAble { primary: OURS });
    assert_eq!(rig.router.effective_priority(), prio(254));
    assert_eq!(rig.state(), StateName::Backup);
    // Drained and taken: out is out.
    let (mut rig, since) = Rig::serving(params(100));
    rig.input(since, FORCE);
    assert_eq!(rig.input(since + 1, take(254)), []);
    assert_eq!(fault(&rig), Some(Fault::Drained));
}

/// Taken within 1 to 254; the owner's own priority does not change.
#[test]
fn taken_priorities_are_bounded() {
    let mut rig = Rig::backup(params(100));
    rig.input(1, take(255));
    assert_eq!(rig.router.effective_priority(), prio(254));
    let mut rig = Rig::backup(params(100));
    rig.input(1, take(0));
    assert_eq!(rig.router.effective_priority(), prio(1));
    let mut rig = Rig::new(params(255));
    rig.input(1, Input::BecameAble { primary: OURS });
    rig.input(2, take(7));
    assert_eq!(rig.router.effective_priority(), prio(255));
}

/// Taking over while we still let go finds the addresses.
#[test]
fn taken_while_letting_go() {
    let (mut rig, since) = Rig::serving(params(128));
    rig.hear(since + 10, THEIRS, 200);
    assert_eq!(
        rig.input(since + 20, take(254)),
        [
            advert(254),
            Action::Withhold { on: false },
            ANNOUNCE,
            transition(StateName::Backup, StateName::Active, Why::Taken),
        ]
    );
    assert_eq!(rig.router.generation(), 1);
}
