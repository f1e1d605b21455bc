use std::net::{IpAddr, Ipv6Addr};

use vip_common::election::{Fault, Garp, Why};
use vip_common::ids::{Version, Vrid};

use super::run::{Number, Refusals};
use super::*;

const LATE_IN_LIFE: u64 = u64::MAX / 2;

fn at(millis: u64) -> MonoTime {
    MonoTime::from_nanos(millis * 1_000_000)
}

fn source(last: u16) -> IpAddr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, u16::MAX, u16::MAX, u16::MAX, last).into()
}

fn tenth() -> Centis {
    Centis::new(10).unwrap()
}

/// With everything in it as long as it gets.
fn params() -> Params {
    let long = Duration::new(100_000, 999_999_999);
    Params {
        beat: Some(long),
        preempt_delay: long,
        startup_until: MonoTime::from_nanos(LATE_IN_LIFE),
        grouped: true,
        group_succession: long,
        garp: Garp {
            delay: long,
            refresh: Some(long),
            lower_prio_delay: long,
            ..Garp::default()
        },
        ..Params::new(
            Vrid::new(255).unwrap(),
            Version::V3,
            Priority::new(200).unwrap(),
            Centis::V3_MAX,
        )
    }
}

/// A Backup that has heard two others, lets go of what it had, and is in a group.
fn busy() -> VirtualRouter {
    let mut election = VirtualRouter::new(params());
    let mut now = MonoTime::from_nanos(LATE_IN_LIFE + 1);
    let mut tell = |input| {
        now = now + Duration::from_millis(700);
        election.handle_input(now, input);
        while let Some(action) = election.poll_action() {
            if let Action::InstallAddresses { generation } = action {
                election.handle_input(now, Input::AddressesInstalled { generation });
            }
        }
        now
    };
    let advert = |stamp, last, priority| Input::AdvertArrived {
        stamp,
        source: source(last),
        priority: Priority::from_wire(priority),
        interval: Centis::V3_MAX,
    };
    let join = vip_common::election::group::Order::Join;
    let take = vip_common::election::group::Order::TakeOver;
    tell(Input::BecameAble { primary: source(7) });
    tell(Input::GroupOrdered { order: join });
    let last = tell(Input::Taken {
        priority: Priority::new(201).unwrap(),
    });
    tell(Input::GroupOrdered { order: take });
    tell(Input::PriorityChanged {
        priority: Priority::new(199).unwrap(),
    });
    tell(Input::AddressClaimed { stamp: last });
    let last = tell(Input::EarProven);
    let last = tell(advert(last, 9, 240));
    let last = tell(advert(last, 8, 230));
    tell(advert(last, 3, 20));
    tell(Input::Slept);
    election
}

/// All of it but where in their memory the actions were that have been taken.
fn shown(election: &VirtualRouter) -> String {
    let shown = format!("{election:?}");
    let (all, _) = shown.rsplit_once("actions:").unwrap();
    all.to_owned()
}

#[test]
fn the_longest_election_is_brought_back_as_it_was() {
    let record = Record::new();
    for election in [VirtualRouter::new(params()), busy()] {
        record.keep(at(5), 3, &election);
        let entries = record.look(|slot| slot == 3);
        let Some(Kept::Election(again)) = entries.last().map(|entry| &entry.kept) else {
            panic!("{entries:?}");
        };
        let mut again = (**again).clone();
        assert_eq!(shown(&again), shown(&election));
        assert_eq!(again.poll_action(), None);
        let text = serde_json::to_string(&election).unwrap();
        let read: VirtualRouter = serde_json::from_str(&text).unwrap();
        assert_eq!(shown(&read), shown(&election));
    }
}

#[test]
fn what_happened_is_read_as_it_was_written_and_of_whom_it_is_asked_for() {
    let record = Record::new();
    let late = MonoTime::from_nanos(LATE_IN_LIFE);
    let events = [
        Event::Told(Input::AdvertArrived {
            stamp: late,
            source: source(1),
            priority: Priority::OWNER,
            interval: Centis::V3_MAX,
        }),
        Event::Wants(Action::Report(vip_common::election::Report::Transition {
            from: vip_common::election::StateName::Backup,
            to: vip_common::election::StateName::Active,
            why: Why::ActiveDownTimerExpired {
                last_advert: Some(late),
                deadline: late,
                proven: Some(late),
            },
        })),
        Event::Followed {
            source: source(1),
            priority: Priority::OWNER,
            interval: Centis::V3_MAX,
            count: u64::MAX,
            known: u64::MAX,
            first: late,
            before: Some(late),
            last: late,
            longest: Duration::new(LATE_IN_LIFE, 999_999_999),
            told: late,
            proven: Some(late),
        },
        Event::Reconfigured(params()),
        Event::Told(Input::BecameUnable {
            fault: Fault::LinkDown,
        }),
    ];
    for (number, event) in events.iter().enumerate() {
        record.put(at(number as u64), 1, event);
        record.put(at(number as u64), 2, &Event::Sent { errno: None });
    }
    let read = record.look(|slot| slot == 1);
    assert_eq!(read.len(), events.len());
    for (number, (entry, wrote)) in read.iter().zip(events).enumerate() {
        assert_eq!((entry.at, entry.slot), (at(number as u64), 1));
        assert!(
            matches!(entry.kept, Kept::Event(event) if event == wrote),
            "{entry:?}"
        );
    }
}

#[test]
fn the_oldest_is_overwritten_and_half_of_one_is_left_out() {
    let record = Record::new();
    record.keep(at(0), 1, &busy());
    let parts = record.head();
    assert!(parts > 4, "{parts}");
    assert!(record.is_young(0));
    let mut written = 0;
    while record.look(|slot| slot == 1).len() == 1 {
        assert!(written < 20_000);
        written += 1;
        record.put(at(written), 2, &Event::Sent { errno: None });
    }
    // The first of its parts is gone, and all of them with it.
    assert_eq!(record.head(), 16_384 + 1);
    assert!(!record.is_young(0));
    let left = record.look(|_| true);
    assert_eq!(left.len() as u64, written);
    assert!(left.is_sorted_by_key(|entry| entry.place));
}

#[test]
fn the_same_advert_again_and_again_is_one_record() {
    let mut run = Run::default();
    let heard = |stamp| Heard {
        source: source(1),
        priority: Priority::DEFAULT,
        stamp: at(stamp),
    };
    assert!(!run.follows(heard(0), tenth()));
    assert!(!run.prove(at(1)));
    run.follow(heard(100), tenth(), at(101), 0, None);
    run.follow(heard(230), tenth(), at(231), 0, None);
    assert!(run.follows(heard(330), tenth()));
    assert!(run.prove(at(300)));
    // Seven more at the NIC, of which the last two are known.
    run.follow(heard(930), tenth(), at(1_000), 7, Some(at(830)));
    assert!(run.prove(at(1_100)));
    let done = run.take();
    let expected = Event::Followed {
        source: source(1),
        priority: Priority::DEFAULT,
        interval: tenth(),
        count: 9,
        known: 7,
        first: at(100),
        before: Some(at(830)),
        last: at(930),
        longest: Duration::from_millis(130),
        told: at(1_000),
        proven: Some(at(1_100)),
    };
    assert_eq!(done, Some(expected));
    assert_eq!(run.take(), None);
}

#[test]
fn a_sender_that_counts_tells_what_was_lost() {
    let mut number = Number::default();
    let mut see = |stamp, count| number.see(source(1), at(stamp), tenth(), count);
    assert_eq!(see(0, u16::MAX - 1), None);
    assert_eq!(see(100, u16::MAX), Some((at(0), None)));
    assert_eq!(see(200, 0), Some((at(100), None)));
    assert_eq!(see(300, 1), Some((at(200), Some(0))));
    assert_eq!(see(800, 6), Some((at(300), Some(4))));
    // It was started anew,
    assert_eq!(see(900, 1), Some((at(800), None)));
    assert_eq!(see(1_000, 2), Some((at(900), None)));
    assert_eq!(see(1_100, 3), Some((at(1_000), None)));
    assert_eq!(see(1_200, 4), Some((at(1_100), Some(0))));
    // and at another number, further than it can have come.
    assert_eq!(see(1_300, 20), Some((at(1_200), None)));
    assert_eq!(see(1_400, 21), Some((at(1_300), None)));
    assert_eq!(number.see(source(2), at(1_500), tenth(), 3), None);
}

#[test]
fn a_gap_says_how_many_were_due() {
    let due = |millis| adverts_in(Duration::from_millis(millis), tenth());
    assert_eq!([0, 100, 149, 151, 200, 449].map(due), [0, 0, 0, 1, 1, 3]);
}

#[test]
fn what_is_recognised_at_the_nic_counts() {
    let mut number = Number::default();
    assert_eq!(number.see(source(1), at(0), tenth(), 10), None);
    number.add(source(1), at(2_000), 20);
    number.add(source(2), at(2_050), 1);
    let seen = number.see(source(1), at(2_500), tenth(), 10 + 20 + 5);
    assert_eq!(seen, Some((at(2_000), Some(4))));
    // Another way of counting fits by no chance.
    number.add(source(1), at(4_000), 15);
    let seen = number.see(source(1), at(4_500), tenth(), 700);
    assert_eq!(seen, Some((at(4_000), None)));
}

#[test]
fn refusals_are_written_once_a_second_and_by_reason() {
    let mut refusals = Refusals::default();
    let mut take = |millis, reason| refusals.take(at(millis), reason);
    assert_eq!(take(0, RejectReason::Ttl), Some(1));
    assert_eq!(take(10, RejectReason::Ttl), None);
    assert_eq!(take(999, RejectReason::Ttl), None);
    assert_eq!(take(1_000, RejectReason::Ttl), Some(3));
    assert_eq!(take(1_001, RejectReason::Peer), Some(1));
}
