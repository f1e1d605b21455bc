use std::path::Path;
use std::time::Duration;

use vip_common::election::{Fault, StateName, Why};
use vip_common::ids::Priority;
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use super::story::Story;
use super::tell;
use crate::engine::record::Event;
use crate::services::recorder::recording::{Change, Moment, Recording, Refusal, Wait};

/// Of a lab: adverts that a bridge did not carry for a second.
const LOST: &str = include_str!("../../../../tests/cases/lost-on-the-way.why.json");

fn lost() -> Recording {
    serde_json::from_str(LOST).unwrap()
}

fn because(why: Why, to: StateName) -> Recording {
    let mut recording = lost();
    let Change::State { at, from, .. } = recording.change else {
        panic!("{:?}", recording.change);
    };
    recording.change = Change::State { at, from, to, why };
    recording
}

#[test]
fn the_story_of_a_real_one() {
    let story = Story::of(&lost());
    assert_eq!((story.cause, story.state), ("lost", Some("MASTER")));
    let text = tell::text(&[(Path::new("FILE"), story)]);
    for words in [
        "VI_1 (VRID 51, eth0) went from BACKUP to MASTER: 2026-",
        "  why      the adverts of 192.168.8.4 were lost before they reached this NIC\n",
        "  missing  3 adverts in a row, and no word that it leaves\n",
        "  where    between 192.168.8.4 and this NIC: heard again after ",
        "adverts meanwhile by its own count, and none came here\n",
        "  decided  our own hearing was doubted at the first advert missing, and proven ",
        "           took over ",
        "  took     detect 364.84 ms, decide ",
        "  file     FILE\n",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    assert!(text.lines().all(|line| !line.ends_with(' ')), "{text}");
}

#[test]
fn what_is_not_known_is_not_told() {
    let mut recording = lost();
    let is_resumed = |moment: &Moment| matches!(moment.event, Event::Resumed { .. });
    recording.moments.retain(|moment| !is_resumed(moment));
    let story = Story::of(&recording);
    assert_eq!(story.cause, "silent");
    assert!(
        story.place[0].contains("looks the same from here"),
        "{story:?}"
    );
    // Its numbers begin anew.
    let mut recording = lost();
    for moment in &mut recording.moments {
        if let Event::Resumed { missed, .. } = &mut moment.event {
            *missed = None;
        }
    }
    let story = Story::of(&recording);
    assert_eq!(story.cause, "silent");
    assert!(story.place[0].contains("not known"), "{story:?}");
    // Nothing at all is left of what was before.
    recording.moments.clear();
    recording.start = None;
    let story = Story::of(&recording);
    assert_eq!(story.cause, "silent");
    assert!(story.why.contains("the master fell silent"), "{story:?}");
}

#[test]
fn a_refusal_explains_a_silence_and_one_of_long_ago_does_not() {
    let mut recording = lost();
    let refusal = |last| Refusal {
        source: "192.168.8.4".parse().unwrap(),
        reason: RejectReason::Ttl,
        count: 4,
        last,
    };
    let at = recording.change.at();
    recording.refused = vec![refusal(at - Duration::from_millis(20))];
    let story = Story::of(&recording);
    assert_eq!(story.cause, "refused");
    assert!(
        story.place[0].contains("4 adverts of 192.168.8.4 refused at the NIC: TTL"),
        "{story:?}"
    );
    recording.refused = vec![refusal(at - Duration::from_secs(40))];
    assert_eq!(Story::of(&recording).cause, "lost");
}

#[test]
fn a_host_that_was_busy_is_said_to_have_been() {
    let mut recording = lost();
    recording.waits = vec![Wait {
        at: recording.change.at() - Duration::from_secs(1),
        waited_ns: 40_000_000,
        stolen_ns: 0,
    }];
    let story = Story::of(&recording);
    assert!(story.remarks[0].contains("waited 40.00 ms"), "{story:?}");
}

#[test]
fn every_reason_has_a_cause_and_words() {
    let source = "192.168.8.4".parse().unwrap();
    let (priority, at) = (Priority::DEFAULT, lost().change.at());
    let mut reasons = vec![
        Why::Started,
        Why::AddressOwner,
        Why::ActiveDownTimerExpired {
            last_advert: None,
            deadline: at,
            proven: None,
        },
        Why::ActiveResigned {
            source,
            stamp: at,
            deadline: at,
        },
        Why::Preempting {
            source,
            priority,
            deadline: at,
        },
        Why::HigherPriority { source, priority },
        Why::HigherAddress { source, priority },
        Why::AddressesFailed { retry: at },
        Why::Taken,
        Why::NoSuccessor,
        Why::GroupFellBack,
        Why::Drained,
        Why::ShutDown,
    ];
    reasons.extend(Fault::ALL.iter().map(|fault| Why::Fault(*fault)));
    reasons.extend(
        Fault::ALL
            .iter()
            .map(|fault| Why::Recovered { fault: *fault }),
    );
    for why in reasons {
        for to in [StateName::Active, StateName::Backup, StateName::Initialize] {
            let story = Story::of(&because(why, to));
            assert!(!story.cause.is_empty() && !story.why.is_empty(), "{why:?}");
            let document = tell::json(&[(Path::new("FILE"), story)]).unwrap();
            let document: serde_json::Value = serde_json::from_str(&document).unwrap();
            assert_eq!(document["schema"], 1);
            assert_eq!(document["stories"][0]["file"], "FILE");
        }
    }
}

#[test]
fn two_masters_are_told_of_whoever_did_not_run() {
    let mut recording = lost();
    let at = recording.change.at();
    recording.change = Change::TwoMasters {
        at,
        source: "192.168.8.6".parse().unwrap(),
        priority: Priority::DEFAULT,
    };
    assert_eq!(Story::of(&recording).cause, "two_masters");
    recording.moments.insert(
        0,
        Moment {
            at: MonoTime::from_nanos(at.as_nanos() - 1),
            event: Event::Late {
                longest: Duration::from_secs(2),
                count: 1,
            },
        },
    );
    let story = Story::of(&recording);
    assert_eq!(story.cause, "own_pause");
    assert!(story.why.contains("2.000 s"), "{story:?}");
}
