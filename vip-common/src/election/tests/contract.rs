//! What holds for any sequence of inputs.

use std::vec;

use proptest::prelude::*;

use super::*;
use crate::election::group::Order;

impl State {
    fn next_advert(&self) -> Option<MonoTime> {
        match self {
            Self::Active(active) => Some(active.next_advert),
            Self::Initialize(_) | Self::Backup(_) => None,
        }
    }
}

fn any_input() -> impl Strategy<Value = (u64, Input)> {
    let source = prop_oneof![Just(OURS), Just(THEIRS), Just(OTHERS)];
    let generation = 0..4u32;
    let fault = prop_oneof![
        Just(Fault::LinkDown),
        Just(Fault::EarDeaf),
        Just(Fault::AddressesNotInstalled),
    ];
    let advert = (0..5000u64, source.clone(), any::<u8>(), 1..=4095u16);
    let input = prop_oneof![
        3 => source.prop_map(|primary| Input::BecameAble { primary }),
        1 => fault.prop_map(|fault| Input::BecameUnable { fault }),
        // Stands for one with a stamp relative to now, see below.
        9 => advert.prop_map(|(age, source, priority, interval)| Input::AdvertArrived {
            stamp: at(age),
            source,
            priority: prio(priority),
            interval: centis(interval),
        }),
        2 => generation.clone().prop_map(|generation| Input::AddressesInstalled { generation }),
        1 => generation.clone().prop_map(|generation| Input::AddressesFailed { generation }),
        1 => generation.prop_map(|generation| Input::AddressesRemoved { generation }),
        4 => Just(Input::EarProven),
        1 => Just(Input::Slept),
        2 => (0..200u64).prop_map(|age| Input::AddressClaimed { stamp: at(age) }),
        1 => any::<u8>().prop_map(|priority| Input::PriorityChanged { priority: prio(priority) }),
        1 => any::<bool>().prop_map(|force| Input::Drained { force }),
        1 => Just(Input::Undrained),
        1 => any::<u8>().prop_map(|priority| Input::Taken { priority: prio(priority) }),
        1 => Just(Input::Untaken),
        1 => Just(Input::SiblingContested),
        1 => any_order().prop_map(|order| Input::GroupOrdered { order }),
    ];
    (0..4000u64, input)
}

fn any_order() -> impl Strategy<Value = Order> {
    prop_oneof![
        Just(Order::StayOut),
        Just(Order::Join),
        Just(Order::FallBack),
        Just(Order::TakeOver),
        Just(Order::LetGo),
        Just(Order::Return),
    ]
}

fn any_params() -> impl Strategy<Value = Params> {
    let options = (
        prop_oneof![Just(0), 0..20_000u64],
        prop_oneof![Just(0), 0..20_000u64],
        any::<[bool; 4]>(),
        prop_oneof![3 => Just(false), 1 => Just(true)],
    );
    (1..=255u8, 1..=4095u16, any::<bool>(), 1..=5u8, options).prop_map(
        |(priority, interval, preempt, down_timer_adverts, options)| {
            let (delay, startup, [silent, last_word, deaf, insists], grouped) = options;
            Params {
                adver_interval: centis(interval),
                preempt,
                preempt_delay: Duration::from_millis(delay),
                startup_until: at(startup),
                lower_prio_no_advert: silent,
                higher_prio_send_advert: last_word,
                owner_ignore_adverts: deaf && insists,
                grouped,
                down_timer_adverts,
                ..params(priority)
            }
        },
    )
}

/// What the shell would hold: whether the addresses are wanted, by the
/// actions alone.
#[derive(Default)]
struct Shell {
    wanted: Option<u32>,
    last: u32,
    withheld: bool,
}

impl Shell {
    fn perform(&mut self, actions: &[Action]) {
        for action in actions {
            match *action {
                Action::InstallAddresses { generation } => {
                    assert!(generation > self.last, "generations only grow");
                    self.last = generation;
                    self.wanted = Some(generation);
                }
                Action::RemoveAddresses { generation } => {
                    if self.wanted.is_some_and(|wanted| generation >= wanted) {
                        self.wanted = None;
                    }
                }
                Action::Announce { rounds } => {
                    assert!(rounds > 0);
                    assert!(self.wanted.is_some(), "announced without addresses");
                }
                Action::Withhold { on } => {
                    assert_ne!(on, self.withheld, "told twice");
                    self.withheld = on;
                }
                Action::SendAdvert { .. } | Action::ProveEar | Action::Report(_) => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn any_sequence_of_inputs_keeps_the_contract(
        params in any_params(),
        others in any_params(),
        steps in proptest::collection::vec(any_input(), 1..60),
    ) {
        let mut rig = Rig::new(params);
        let mut shell = Shell::default();
        let mut now = 10_000;
        for (count, (wait, mut input)) in steps.into_iter().enumerate() {
            // Time passes, with every deadline kept on the way.
            let until = now + wait;
            for _ in 0..10_000 {
                let Some(due) = rig.router.poll_timeout() else { break };
                let due = due.as_nanos().div_ceil(1_000_000).max(now);
                if due > until {
                    break;
                }
                now = due;
                let actions = rig.timeout(now);
                prop_assert!(actions.len() <= ActionQueue::MOST);
                shell.perform(&actions);
                let next = rig.router.poll_timeout();
                prop_assert!(
                    next.is_none_or(|next| next > at(now)),
                    "due again at once: {:?}", rig.router,
                );
            }
            now = until;
            if let Input::AdvertArrived { stamp, .. } | Input::AddressClaimed { stamp } = &mut input {
                *stamp = MonoTime::from_nanos(at(now).as_nanos() - stamp.as_nanos());
            }
            if count == 30 {
                let (state, next) = (rig.state(), rig.router.state().next_advert());
                rig.router.reconfigure(at(now), others);
                let actions = rig.drain();
                shell.perform(&actions);
                // Active stays Active, and is not late.
                if state == StateName::Active {
                    prop_assert_eq!(actions, []);
                    prop_assert!(rig.router.state().next_advert() <= next.max(Some(at(now))));
                }
            }
            // Letting go ends in time.
            if let Some(going) = rig.router.letting_go() {
                prop_assert!(going.until > at(now) || going.abandoned);
            }
            let before = rig.router.poll_timeout();
            let state = rig.state();
            if before.is_none_or(|due| due > at(now)) {
                prop_assert_eq!(rig.timeout(now), [], "too early is nothing");
                prop_assert_eq!(rig.router.poll_timeout(), before);
                prop_assert_eq!(rig.state(), state);
            }
            let actions = rig.input(now, input);
            prop_assert!(actions.len() <= ActionQueue::MOST);
            shell.perform(&actions);
            // The addresses are wanted exactly while we are Active or let go.
            let active = rig.state() == StateName::Active;
            prop_assert_eq!(shell.wanted.is_some(), active || rig.router.is_letting_go());
            prop_assert_eq!(shell.withheld, rig.router.is_withheld());
            prop_assert!(!(active && shell.withheld), "Active and withheld");
            prop_assert_eq!(active, matches!(rig.router.active(), Some(held) if held.address == rig.router.primary() && active));
            // A transition is reported if and only if there is one.
            let moved = rig.state() != state;
            let told = actions.iter().any(|action| matches!(
                action,
                Action::Report(Report::Transition { from, to, .. }) if from != to
            ));
            prop_assert_eq!(moved, told);
        }
    }
}

/// First in, first out, round and round.
#[test]
fn the_queue_gives_back_what_it_got_in_order() {
    let mut queue = ActionQueue::default();
    let mut next = 0u8;
    let mut taken = 0u8;
    for round in 0..40 {
        assert!(queue.has_room());
        for _ in 0..1 + round % 3 {
            queue.push(advert(next));
            next += 1;
        }
        for _ in 0..1 + round % 3 {
            assert_eq!(queue.pop(), Some(advert(taken)));
            taken += 1;
        }
        assert_eq!(queue.pop(), None);
    }
}

/// Two calls' actions and two left over from a third, no more.
#[test]
fn the_queue_knows_its_room() {
    let mut queue = ActionQueue::default();
    for priority in 0..10 {
        assert_eq!(queue.has_room(), priority <= 6, "{priority} queued");
        queue.push(advert(priority));
    }
    for priority in 0..10 {
        assert_eq!(queue.pop(), Some(advert(priority)));
    }
    assert_eq!(queue.pop(), None);
}

#[test]
#[should_panic(expected = "no room for SendAdvert")]
fn the_queue_does_not_overflow_unseen() {
    let mut queue = ActionQueue::default();
    for priority in 0..11 {
        queue.push(advert(priority));
    }
}

/// An installation that fails in the very moment of asking for it: what
/// follows comes after what was still to be done.
#[test]
fn a_failure_may_be_told_before_the_remaining_actions_are_taken() {
    let mut rig = Rig::new(params(255));
    rig.router
        .handle_input(at(5), Input::BecameAble { primary: OURS });
    assert_eq!(rig.router.poll_action(), Some(advert(255)));
    let generation = 1;
    let install = Action::InstallAddresses { generation };
    assert_eq!(rig.router.poll_action(), Some(install));
    assert_eq!(
        rig.input(5, Input::AddressesFailed { generation }),
        [
            transition(StateName::Initialize, StateName::Active, Why::AddressOwner),
            RESIGN,
            Action::RemoveAddresses { generation },
            transition(
                StateName::Active,
                StateName::Initialize,
                Why::AddressesFailed { retry: at(10_005) }
            ),
        ]
    );
}

#[test]
#[should_panic(expected = "actions were not taken")]
fn actions_left_over_are_a_bug_of_the_driver() {
    let mut rig = Rig::new(params(128));
    for millis in 0..100 {
        let primary = OURS;
        rig.router
            .handle_input(at(millis), Input::BecameAble { primary });
        let fault = Fault::LinkDown;
        rig.router
            .handle_input(at(millis), Input::BecameUnable { fault });
    }
}

/// Time stands still rather than going backwards.
#[test]
fn an_earlier_now_counts_as_the_latest_told() {
    let mut rig = Rig::new(params(128));
    rig.timeout(7000);
    rig.input(1000, Input::BecameAble { primary: OURS });
    assert_eq!(rig.router.deadline(), Some(at(10_500)));
    rig.input(10_600, Input::EarProven);
    rig.timeout(10_499);
    assert_eq!(rig.as_active().since, at(10_600));
}
