//! Sync groups: the rules of the group, and the members that follow them.

use super::*;
use crate::election::group::{Holding, Order, Part, Stance, order};

const REMOVE: Action = Action::RemoveAddresses { generation: 1 };

fn stance(part: Part, holding: Holding) -> Stance {
    Stance {
        part,
        holding,
        active: None,
    }
}

fn ask(parts: &[Part]) -> Option<Order> {
    let holding = Holding::Nothing;
    order(parts.iter().map(|&part| stance(part, holding)))
}

fn holding(holdings: &[Holding], part: Part) -> Option<Order> {
    order(holdings.iter().map(|&holding| stance(part, holding)))
}

#[test]
fn one_that_is_unable_keeps_the_others_out() {
    let down = Part::Unable(Fault::LinkDown);
    for part in [Part::Backup, Part::FellBack, Part::Wanting, Part::Active] {
        assert_eq!(ask(&[part, down]), Some(Order::StayOut), "{part:?}");
        assert_eq!(ask(&[down, part]), Some(Order::StayOut), "{part:?}");
        let again = Part::Unable(Fault::Starting);
        assert_eq!(ask(&[part, again]), Some(Order::StayOut), "{part:?}");
        let new = [part, Part::New, down];
        assert_eq!(ask(&new), Some(Order::StayOut), "{part:?}");
    }
    assert_eq!(
        ask(&[Part::Ready { held: false }, down]),
        Some(Order::StayOut)
    );
    assert_eq!(ask(&[Part::Ready { held: true }, down]), None);
    assert_eq!(ask(&[down, down]), None);
}

/// At the start nobody is at fault yet.
#[test]
fn one_that_was_not_looked_at_is_waited_for() {
    let ready = Part::Ready { held: false };
    assert_eq!(ask(&[ready, Part::New]), None);
    assert_eq!(ask(&[Part::Ready { held: true }, Part::New]), None);
    // Who is added to a group that runs holds nobody up.
    for part in [Part::Backup, Part::FellBack, Part::Active] {
        assert_eq!(ask(&[part, Part::New]), None, "{part:?}");
        assert_eq!(ask(&[part, Part::New, ready]), Some(Order::Join));
    }
    assert_eq!(ask(&[Part::Wanting, Part::New]), Some(Order::TakeOver));
    assert_eq!(ask(&[Part::Ready { held: false }; 2]), Some(Order::Join));
    let mixed = [Part::Ready { held: true }, Part::Backup];
    assert_eq!(ask(&mixed), Some(Order::Join));
}

#[test]
fn a_takeover_waits_until_all_want_it() {
    assert_eq!(ask(&[Part::Wanting, Part::Backup]), None);
    assert_eq!(ask(&[Part::Wanting, Part::FellBack]), None);
    assert_eq!(ask(&[Part::Wanting, Part::Wanting]), Some(Order::TakeOver));
    assert_eq!(ask(&[Part::Wanting, Part::Active]), Some(Order::TakeOver));
    assert_eq!(ask(&[Part::Active, Part::Active]), None);
    assert_eq!(ask(&[Part::Backup, Part::Backup]), None);
}

/// Who fell back pulls; who has only just joined does not.
#[test]
fn one_that_fell_back_pulls_the_others() {
    assert_eq!(ask(&[Part::Active, Part::FellBack]), Some(Order::FallBack));
    assert_eq!(ask(&[Part::Active, Part::Backup]), None);
    assert_eq!(ask(&[Part::Backup, Part::FellBack]), None);
}

/// One serves here and another one elsewhere: the lesser side falls back, so that
/// the other one can take over; that one does so later, if nothing has changed.
#[test]
fn a_split_ends_on_one_side() {
    let ask = |ours: (u8, IpAddr), theirs: (u8, IpAddr), settled| {
        let of = |part, (priority, address)| Stance {
            active: Some((prio(priority), address)),
            ..stance(part, Holding::Nothing)
        };
        let here = of(Part::Active, ours);
        let there = of(Part::Follows { settled }, theirs);
        order([here, there].into_iter())
    };
    assert_eq!(
        ask((100, OURS), (150, THEIRS), false),
        Some(Order::FallBack)
    );
    assert_eq!(ask((150, OURS), (100, THEIRS), false), None);
    assert_eq!(ask((150, OURS), (100, THEIRS), true), Some(Order::FallBack));
    // Equal ones go by their addresses, and only one side falls back at once.
    assert_eq!(
        ask((100, OURS), (100, THEIRS), false),
        Some(Order::FallBack)
    );
    assert_eq!(ask((100, THEIRS), (100, OURS), false), None);
    // Nobody is Active here: that is how it should be.
    let follows = Part::Follows { settled: true };
    assert_eq!(self::ask(&[follows, Part::Backup]), None);
    assert_eq!(self::ask(&[follows, Part::Wanting]), None);
}

/// Who has left is not asked any more.
#[test]
fn who_has_left_is_no_member() {
    assert_eq!(ask(&[Part::Left, Part::Wanting]), Some(Order::TakeOver));
    assert_eq!(ask(&[Part::Left, Part::Active]), None);
    assert_eq!(ask(&[Part::Left, Part::Left]), None);
    assert_eq!(ask(&[]), None);
}

#[test]
fn the_addresses_go_together() {
    use Holding::{Abandoned, Claimed, Nothing, Waiting};
    assert_eq!(holding(&[Claimed, Waiting], Part::Left), None);
    assert_eq!(holding(&[Claimed, Claimed], Part::Left), Some(Order::LetGo));
    assert_eq!(
        holding(&[Claimed, Nothing], Part::Backup),
        Some(Order::LetGo)
    );
    assert_eq!(holding(&[Nothing, Waiting], Part::Backup), None);
    let drained = Part::Unable(Fault::Drained);
    assert_eq!(holding(&[Abandoned, Claimed], drained), Some(Order::Return));
    assert_eq!(holding(&[Abandoned, Waiting], drained), Some(Order::Return));
    let down = Part::Unable(Fault::LinkDown);
    assert_eq!(holding(&[Abandoned, Waiting], down), Some(Order::LetGo));
}

/// Two members, driven as the engine does it.
struct Pair {
    members: [Rig; 2],
}

impl Pair {
    fn new(priority: u8) -> Self {
        let member = || {
            let mut params = params(priority);
            params.grouped = true;
            Rig::new(params)
        };
        Self {
            members: [member(), member()],
        }
    }

    fn settle(&mut self, millis: u64, actions: &mut [Vec<Action>; 2]) {
        for turn in 0.. {
            assert!(turn < 10, "orders without end");
            let stances = self.members.iter().map(|member| member.router.stance());
            let Some(order) = order(stances) else { return };
            for (member, actions) in self.members.iter_mut().zip(actions.iter_mut()) {
                actions.extend(member.input(millis, Input::GroupOrdered { order }));
            }
        }
    }

    fn input(&mut self, millis: u64, member: usize, input: Input) -> [Vec<Action>; 2] {
        let mut actions = [Vec::new(), Vec::new()];
        actions[member] = self.members[member].input(millis, input);
        self.settle(millis, &mut actions);
        actions
    }

    /// A command: all are told before the group is asked.
    fn command(&mut self, millis: u64, input: Input) -> [Vec<Action>; 2] {
        let mut actions = [Vec::new(), Vec::new()];
        for (member, actions) in self.members.iter_mut().zip(&mut actions) {
            *actions = member.input(millis, input);
        }
        self.settle(millis, &mut actions);
        actions
    }

    fn timeout(&mut self, millis: u64, member: usize) -> [Vec<Action>; 2] {
        let mut actions = [Vec::new(), Vec::new()];
        actions[member] = self.members[member].timeout(millis);
        self.settle(millis, &mut actions);
        actions
    }

    fn hear(
        &mut self,
        millis: u64,
        member: usize,
        source: IpAddr,
        priority: u8,
    ) -> [Vec<Action>; 2] {
        let advert = Input::AdvertArrived {
            stamp: at(millis),
            source,
            priority: prio(priority),
            interval: Centis::ONE_SECOND,
        };
        self.input(millis, member, advert)
    }

    fn claim(&mut self, millis: u64, member: usize) {
        let stamp = at(millis);
        self.input(millis, member, Input::AddressClaimed { stamp });
    }

    fn backup(priority: u8) -> Self {
        let mut pair = Self::new(priority);
        pair.input(0, 0, Input::BecameAble { primary: OURS });
        pair.input(0, 1, Input::BecameAble { primary: OURS });
        pair.expect(StateName::Backup);
        pair
    }

    /// Active with their addresses since 4000.
    fn serving() -> Self {
        let mut pair = Self::backup(128);
        for member in 0..2 {
            pair.input(3000, member, Input::EarProven);
            pair.timeout(4000, member);
        }
        pair.expect(StateName::Active);
        for member in 0..2 {
            let installed = pair.members[member].installed();
            pair.input(4000, member, installed);
        }
        pair
    }

    fn expect(&self, state: StateName) {
        assert_eq!(
            [self.members[0].state(), self.members[1].state()],
            [state; 2]
        );
    }

    fn fault(&self, member: usize) -> Option<Fault> {
        match self.members[member].router.state() {
            State::Initialize(initialize) => Some(initialize.fault),
            State::Backup(_) | State::Active(_) => None,
        }
    }

    fn holds(&self) -> [bool; 2] {
        [0, 1].map(|member: usize| self.members[member].router.is_letting_go())
    }
}

/// Both start together, when both can, and nothing is said of faults before.
#[test]
fn members_start_together() {
    let mut pair = Pair::new(128);
    let able = Input::BecameAble { primary: OURS };
    assert_eq!(pair.input(1, 0, able), [[], []]);
    assert_eq!(pair.fault(0), Some(Fault::Starting));
    let started = [transition(
        StateName::Initialize,
        StateName::Backup,
        Why::Started,
    )];
    assert_eq!(pair.input(5, 1, able), [started, started]);
    assert_eq!(pair.members[0].router.deadline(), Some(at(3505)));
}

/// A sibling that is at fault is named as the reason.
#[test]
fn a_member_waits_for_a_faulty_sibling() {
    let mut pair = Pair::new(128);
    let fault = Fault::LinkDown;
    pair.input(1, 0, Input::BecameUnable { fault });
    pair.input(2, 1, Input::BecameAble { primary: OURS });
    assert_eq!(pair.fault(1), Some(Fault::Group));
    pair.input(3, 0, Input::BecameAble { primary: OURS });
    pair.expect(StateName::Backup);
}

/// The owner waits for its group, and for nothing else.
#[test]
fn owners_in_a_group_start_active() {
    let mut pair = Pair::new(255);
    let able = Input::BecameAble { primary: OURS };
    pair.input(1, 0, able);
    assert_eq!(pair.fault(0), Some(Fault::Starting));
    let actions = pair.input(5, 1, able);
    pair.expect(StateName::Active);
    let last = transition(StateName::Backup, StateName::Active, Why::AddressOwner);
    assert_eq!(actions[0].last(), Some(&last));
    assert_eq!(pair.members[0].router.poll_timeout(), Some(at(1005)));
}

/// One whose timer ended waits for the other, however long, with its hearing
/// proven anew from time to time, and takes over with it.
#[test]
fn a_takeover_takes_both() {
    let mut pair = Pair::backup(128);
    pair.hear(3000, 1, THEIRS, 200);
    pair.timeout(1500, 0);
    pair.input(3000, 0, Input::EarProven);
    assert_eq!(pair.timeout(3500, 0), [[], []]);
    pair.expect(StateName::Backup);
    assert_eq!(pair.members[0].router.stance().part, Part::Wanting);
    // A proof is good for one Active_Down_Interval.
    let lapse = pair.members[0].router.poll_timeout().unwrap();
    assert_eq!(lapse, at(6500) + Duration::from_nanos(1));
    assert_eq!(
        pair.timeout(6501, 0),
        [std::vec![Action::ProveEar], std::vec![]]
    );
    assert_eq!(pair.members[0].router.stance().part, Part::Backup);
    pair.input(6502, 0, Input::EarProven);
    pair.timeout(6502, 0);
    assert_eq!(pair.members[0].router.stance().part, Part::Wanting);
    // The other one ends as well.
    pair.timeout(6502, 1);
    pair.input(6503, 1, Input::EarProven);
    let actions = pair.timeout(6503, 1);
    pair.expect(StateName::Active);
    assert_eq!(actions[0][0], advert(128));
    assert_eq!(actions[1][0], advert(128));
}

/// Whoever hears a better one meanwhile does not want any more.
#[test]
fn a_want_ends_with_a_better_advert() {
    let mut pair = Pair::backup(128);
    pair.input(3000, 0, Input::EarProven);
    pair.timeout(3500, 0);
    assert_eq!(pair.members[0].router.stance().part, Part::Wanting);
    pair.hear(3600, 0, THEIRS, 128);
    assert_eq!(
        pair.members[0].router.stance().part,
        Part::Follows { settled: true }
    );
    pair.input(5200, 0, Input::EarProven);
    pair.timeout(7100, 0);
    assert_eq!(pair.members[0].router.stance().part, Part::Wanting);
    pair.input(7101, 0, Input::Slept);
    assert_eq!(
        pair.members[0].router.stance().part,
        Part::Follows { settled: true }
    );
}

/// A lower priority that is tracked moves the end of the timer away again.
#[test]
fn a_want_ends_when_the_timer_grows() {
    let mut pair = Pair::backup(128);
    pair.input(3000, 0, Input::EarProven);
    pair.timeout(3500, 0);
    let priority = prio(64);
    pair.input(3510, 0, Input::PriorityChanged { priority });
    assert_eq!(pair.members[0].router.stance().part, Part::Backup);
    assert_eq!(pair.members[0].router.poll_timeout(), Some(at(3750)));
    pair.timeout(3750, 0);
    assert_eq!(pair.members[0].router.stance().part, Part::Wanting);
}

/// One is outranked: the other one leaves with it, and says so, and both keep
/// their addresses until both have a successor.
#[test]
fn a_fall_takes_both() {
    let mut pair = Pair::serving();
    let actions = pair.hear(4500, 0, THEIRS, 200);
    pair.expect(StateName::Backup);
    assert_eq!(
        actions[1],
        [
            RESIGN,
            transition(StateName::Active, StateName::Backup, Why::GroupFellBack),
        ]
    );
    assert_eq!(pair.holds(), [true, true]);
    pair.claim(4510, 0);
    assert_eq!(pair.members[0].router.poll_timeout(), Some(at(4530)));
    assert_eq!(pair.timeout(4530, 0), [[], []]);
    assert_eq!(pair.members[0].router.stance().holding, Holding::Claimed);
    assert_eq!(pair.holds(), [true, true], "the other one has no successor");
    // Another one than the first's.
    let actions = pair.hear(4600, 1, OTHERS, 130);
    assert_eq!(actions[1][0], Action::Withhold { on: true });
    pair.claim(4601, 1);
    let actions = pair.timeout(4621, 1);
    assert_eq!([actions[0][0], actions[1][0]], [REMOVE; 2]);
    assert_eq!(pair.holds(), [false, false]);
}

/// Each one's bound holds, whoever is missing.
#[test]
fn the_bound_holds_in_a_group_too() {
    let mut pair = Pair::serving();
    pair.hear(4500, 0, THEIRS, 200);
    pair.claim(4510, 0);
    pair.timeout(4530, 0);
    let actions = pair.timeout(5600, 0);
    assert_eq!(actions[0][0], REMOVE);
    assert_eq!(pair.holds(), [false, true]);
    assert_eq!(pair.timeout(5600, 1)[1][0], REMOVE);
}

/// Both due when we wake up late: what is kept is kept for the takeover.
#[test]
fn a_takeover_of_a_group_finds_what_it_keeps() {
    let mut pair = Pair::serving();
    pair.hear(4500, 0, THEIRS, 200);
    for member in 0..2 {
        pair.input(20_000, member, Input::EarProven);
    }
    for member in 0..2 {
        pair.members[member].timeout(20_001);
    }
    let mut actions = [Vec::new(), Vec::new()];
    pair.settle(20_001, &mut actions);
    pair.expect(StateName::Active);
    assert_eq!(pair.members[0].router.generation(), 1);
    assert_eq!(pair.members[1].router.generation(), 1);
}

/// Adverts that were read before the group was asked do not hide the fall.
#[test]
fn a_fall_is_not_forgotten() {
    let mut pair = Pair::serving();
    for millis in [4500, 4501] {
        pair.members[0].hear(millis, THEIRS, 200);
    }
    let mut actions = [Vec::new(), Vec::new()];
    pair.settle(4501, &mut actions);
    pair.expect(StateName::Backup);
}

/// Whoever is Active too on one LAN may be so on the other: both announce.
#[test]
fn a_contest_concerns_both() {
    let mut pair = Pair::serving();
    pair.timeout(9000, 1);
    let actions = pair.input(10_100, 1, Input::SiblingContested);
    assert_eq!(actions[1], [Action::Announce { rounds: 5 }]);
    assert_eq!(pair.input(10_200, 1, Input::SiblingContested), [[], []]);
    // Not where there is nothing to announce.
    let mut pair = Pair::backup(128);
    assert_eq!(pair.input(100, 0, Input::SiblingContested), [[], []]);
}

/// A successor that leaves is waited for anew, by all.
#[test]
fn a_successor_lost_holds_the_group() {
    let mut pair = Pair::serving();
    pair.hear(4500, 0, THEIRS, 200);
    pair.claim(4510, 0);
    pair.timeout(4530, 0);
    pair.hear(4540, 0, THEIRS, 0);
    pair.hear(4600, 1, OTHERS, 130);
    pair.claim(4601, 1);
    assert_eq!(pair.timeout(4621, 1), [[], []]);
    assert_eq!(pair.holds(), [true, true]);
}

/// One fault pulls all, at once; and all return when nothing is in the way.
#[test]
fn a_fault_takes_both() {
    let mut pair = Pair::serving();
    let fault = Fault::LinkDown;
    let actions = pair.input(5000, 0, Input::BecameUnable { fault });
    assert_eq!(
        actions[1],
        [
            RESIGN,
            REMOVE,
            transition(
                StateName::Active,
                StateName::Initialize,
                Why::Fault(Fault::Group)
            ),
        ]
    );
    assert_eq!(pair.holds(), [false, false]);
    // The sibling's own link comes and goes meanwhile.
    let fault = Fault::NoAddress;
    pair.input(5001, 1, Input::BecameUnable { fault });
    pair.input(5002, 0, Input::BecameAble { primary: OURS });
    assert_eq!(
        [pair.fault(0), pair.fault(1)],
        [Some(Fault::Group), Some(fault)]
    );
    pair.input(5003, 1, Input::BecameAble { primary: OURS });
    pair.expect(StateName::Backup);
}

/// While the others let go, a fault of one ends it for all.
#[test]
fn a_fault_ends_letting_go_for_all() {
    let mut pair = Pair::serving();
    pair.hear(4500, 0, THEIRS, 200);
    let fault = Fault::LinkDown;
    let actions = pair.input(4600, 1, Input::BecameUnable { fault });
    assert_eq!([actions[0][0], actions[1][0]], [REMOVE; 2]);
    assert_eq!(pair.holds(), [false, false]);
}

/// An installation that fails keeps all out until it is tried again.
#[test]
fn a_failed_installation_takes_both() {
    let mut pair = Pair::serving();
    let generation = 1;
    pair.input(5000, 0, Input::AddressesFailed { generation });
    assert_eq!(pair.fault(1), Some(Fault::Group));
    assert_eq!(pair.timeout(14_999, 0), [[], []]);
    pair.timeout(15_000, 0);
    pair.expect(StateName::Backup);
}

/// A delayed start is the whole group's.
#[test]
fn the_start_of_a_group_is_delayed() {
    let mut pair = Pair::new(128);
    pair.members[0].router.params.startup_until = at(5000);
    pair.input(1, 0, Input::BecameAble { primary: OURS });
    pair.input(1, 1, Input::BecameAble { primary: OURS });
    assert_eq!(pair.fault(1), Some(Fault::Group));
    pair.timeout(5000, 0);
    pair.expect(StateName::Backup);
    assert_eq!(pair.members[0].router.poll_timeout(), Some(at(6500)));
}

/// Drained as a whole, with a successor each.
#[test]
fn a_group_is_drained_together() {
    let mut pair = Pair::serving();
    let actions = pair.command(5000, Input::Drained { force: false });
    let left = [
        RESIGN,
        transition(StateName::Active, StateName::Initialize, Why::Drained),
    ];
    assert_eq!(actions, [left, left]);
    pair.hear(5500, 0, THEIRS, 100);
    pair.claim(5501, 0);
    pair.timeout(5521, 0);
    pair.hear(5600, 1, OTHERS, 100);
    pair.claim(5601, 1);
    pair.timeout(5621, 1);
    assert_eq!(pair.holds(), [false, false]);
    pair.command(9000, Input::Undrained);
    pair.expect(StateName::Backup);
}

/// One without successor brings all back, the ones that had one as well.
#[test]
fn a_group_returns_together() {
    let mut pair = Pair::serving();
    pair.command(5000, Input::Drained { force: false });
    pair.hear(5500, 0, THEIRS, 100);
    pair.claim(5501, 0);
    pair.timeout(5521, 0);
    assert_eq!(pair.holds(), [true, true]);
    let actions = pair.timeout(6100, 1);
    pair.expect(StateName::Active);
    let last = transition(StateName::Initialize, StateName::Active, Why::NoSuccessor);
    assert_eq!(actions[0].last(), Some(&last));
    assert_eq!(actions[1].last(), Some(&last));
    assert_eq!(pair.holds(), [false, false]);
    assert!(!pair.members[0].router.is_drained());
}

/// By force nobody comes back, whenever it is said.
#[test]
fn a_group_drained_by_force_stays_out() {
    let mut pair = Pair::serving();
    pair.command(5000, Input::Drained { force: false });
    pair.command(5100, Input::Drained { force: true });
    pair.timeout(6100, 0);
    pair.timeout(6100, 1);
    assert_eq!(pair.holds(), [false, false]);
    assert_eq!(pair.fault(1), Some(Fault::Drained));
}

/// One that would come back cannot, because another one is at fault.
#[test]
fn a_group_with_a_fault_does_not_return() {
    let mut pair = Pair::serving();
    pair.command(5000, Input::Drained { force: false });
    let fault = Fault::LinkDown;
    pair.input(5500, 0, Input::BecameUnable { fault });
    let actions = pair.timeout(6100, 1);
    assert_eq!(actions[1][0], REMOVE);
    let drained = Some(Fault::Drained);
    assert_eq!([pair.fault(0), pair.fault(1)], [drained, drained]);
    // What is wrong with one is wrong for both as soon as they may take part.
    pair.command(9000, Input::Undrained);
    assert_eq!(
        [pair.fault(0), pair.fault(1)],
        [Some(fault), Some(Fault::Group)]
    );
}

/// Drained while one of them is at fault: all are out because they were told to, and
/// stay out when the fault ends.
#[test]
fn a_group_with_a_fault_is_drained_whole() {
    let mut pair = Pair::serving();
    let fault = Fault::LinkDown;
    pair.input(5000, 0, Input::BecameUnable { fault });
    assert_eq!(
        [pair.fault(0), pair.fault(1)],
        [Some(fault), Some(Fault::Group)]
    );
    pair.command(5100, Input::Drained { force: true });
    let drained = Some(Fault::Drained);
    assert_eq!([pair.fault(0), pair.fault(1)], [drained, drained]);
    pair.input(5200, 0, Input::BecameAble { primary: OURS });
    assert_eq!([pair.fault(0), pair.fault(1)], [drained, drained]);
    // No word of the fault that has ended in between.
    let actions = pair.command(5300, Input::Undrained);
    pair.expect(StateName::Backup);
    let back = transition(
        StateName::Initialize,
        StateName::Backup,
        Why::Recovered {
            fault: Fault::Drained,
        },
    );
    assert_eq!(actions, [[back], [back]]);
}

/// Undone before anybody came: all are Active again.
#[test]
fn a_group_undrained_at_once_is_active_at_once() {
    let mut pair = Pair::serving();
    pair.command(5000, Input::Drained { force: false });
    pair.command(5010, Input::Undrained);
    pair.expect(StateName::Active);
    assert_eq!(pair.members[0].router.generation(), 1);
}

/// Take: all at once, as soon as all are told; one that is outranked holds all.
#[test]
fn a_group_is_taken_together() {
    let mut pair = Pair::backup(100);
    pair.hear(500, 0, THEIRS, 200);
    pair.hear(500, 1, THEIRS, 200);
    let priority = prio(254);
    let actions = pair.command(600, Input::Taken { priority });
    pair.expect(StateName::Active);
    assert_eq!([actions[0][0], actions[1][0]], [advert(254); 2]);

    let mut pair = Pair::backup(100);
    pair.hear(500, 0, THEIRS, 200);
    pair.hear(500, 1, THEIRS, 255);
    pair.command(600, Input::Taken { priority });
    pair.expect(StateName::Backup);
    assert_eq!(pair.members[0].router.stance().part, Part::Wanting);
    assert_eq!(pair.members[0].router.poll_timeout(), None);
    pair.command(700, Input::Untaken);
    assert_eq!(
        pair.members[0].router.stance().part,
        Part::Follows { settled: false }
    );
}

/// The end of the daemon: each one lets go, all together.
#[test]
fn a_group_leaves_together() {
    let mut pair = Pair::serving();
    pair.command(5000, Input::ShutDown);
    assert_eq!(pair.holds(), [true, true]);
    pair.hear(5100, 0, THEIRS, 100);
    pair.claim(5101, 0);
    pair.timeout(5121, 0);
    assert_eq!(pair.holds(), [true, true]);
    pair.hear(5130, 1, THEIRS, 100);
    pair.claim(5131, 1);
    pair.timeout(5151, 1);
    assert_eq!(pair.holds(), [false, false]);
}

/// A member that a reload adds pulls nobody, and follows when it wants to.
#[test]
fn a_member_that_joins_later_pulls_nobody() {
    let mut pair = Pair::serving();
    let mut late = params(128);
    late.grouped = true;
    pair.members[1] = Rig::new(late);
    let mut actions = [Vec::new(), Vec::new()];
    pair.settle(4999, &mut actions);
    assert_eq!(actions, [[], []], "not even while it is new");
    pair.members[1].input(5000, Input::BecameAble { primary: OURS });
    pair.settle(5000, &mut actions);
    assert_eq!(pair.members[0].state(), StateName::Active);
    assert_eq!(pair.members[1].state(), StateName::Backup);
    pair.input(8000, 1, Input::EarProven);
    pair.timeout(8500, 1);
    pair.expect(StateName::Active);
}

/// Out of the group by a reload: it goes on by itself.
#[test]
fn a_member_that_leaves_the_group_stands_alone() {
    let mut pair = Pair::serving();
    let fault = Fault::LinkDown;
    pair.input(5000, 0, Input::BecameUnable { fault });
    assert_eq!(pair.fault(1), Some(Fault::Group));
    let rig = &mut pair.members[1];
    rig.router.reconfigure(at(5001), params(128));
    rig.drain();
    assert_eq!(rig.state(), StateName::Backup);
    // One that waited for the others takes over.
    let mut pair = Pair::backup(128);
    pair.input(3000, 0, Input::EarProven);
    pair.timeout(3500, 0);
    let rig = &mut pair.members[0];
    rig.router.reconfigure(at(3600), params(128));
    rig.drain();
    assert!(rig.router.poll_timeout().unwrap() <= at(3600));
    rig.timeout(3600);
    assert_eq!(rig.state(), StateName::Active);
}

/// One Active, the other Backup of THEIRS with this priority; then a reload puts
/// them into a group, at 10000.
fn grouped_over_a_split(theirs: u8) -> (Pair, [Vec<Action>; 2]) {
    let mut alone = params(128);
    alone.preempt = false;
    let (active, since) = Rig::serving(alone);
    assert!(since < 10_000);
    let mut follows = Rig::backup(alone);
    for millis in [3000, 6000, 9000] {
        follows.hear(millis, THEIRS, theirs);
    }
    let mut pair = Pair {
        members: [active, follows],
    };
    alone.grouped = true;
    for member in &mut pair.members {
        member.router.reconfigure(at(10_000), alone);
        member.drain();
    }
    let mut actions = [Vec::new(), Vec::new()];
    pair.settle(10_000, &mut actions);
    (pair, actions)
}

/// A reload makes a group of two that serve on different hosts: this one yields to
/// the better one, and keeps its addresses for it.
#[test]
fn a_group_formed_over_a_split_goes_to_the_better_side_at_once() {
    let (pair, actions) = grouped_over_a_split(200);
    pair.expect(StateName::Backup);
    assert_eq!(actions[0][0], RESIGN);
    assert_eq!(pair.holds(), [true, false]);
}

/// The better side waits for the other one; where that is no group it yields itself.
#[test]
fn a_group_formed_over_a_split_does_not_stay_split() {
    let (mut pair, actions) = grouped_over_a_split(100);
    assert_eq!(actions, [[], []]);
    for millis in [10_500, 11_500, 12_500, 13_500] {
        assert_eq!(pair.hear(millis, 1, THEIRS, 100), [[], []]);
    }
    let actions = pair.hear(14_500, 1, THEIRS, 100);
    assert_eq!(actions[0][0], RESIGN);
    pair.expect(StateName::Backup);
    // The other one has gone in time: all are here.
    let (mut pair, _) = grouped_over_a_split(100);
    pair.hear(10_500, 1, THEIRS, 0);
    let end = pair.members[1].router.deadline().unwrap();
    let end = end.as_nanos().div_ceil(1_000_000);
    pair.input(end - 1, 1, Input::EarProven);
    pair.timeout(end, 1);
    pair.expect(StateName::Active);
}
