use std::path::Path;
use std::time::Duration;

use vip_common::election::{Fault, Input, StateName, Why};
use vip_common::ids::Priority;
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use super::story::Story;
use super::tell;
use crate::engine::record::Event;
use crate::services::recorder::recording::{Change, Moment, Recording, Refusal, Wait};
use crate::services::recorder::replay;

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
fn what_only_would_have_happened_is_told_so() {
    let mut recording = lost();
    assert!(!recording.shadow, "it is older than shadows");
    recording.shadow = true;
    let story = Story::of(&recording);
    let words = "VI_1 (VRID 51, eth0) would have gone, were it no shadow, from BACKUP to MASTER: ";
    assert!(story.headline.starts_with(words), "{story:?}");
    let document = tell::json(&[(Path::new("FILE"), story)]).unwrap();
    assert!(document.contains("\"shadow\": true"), "{document}");
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
    let refusal = |last| refused("192.168.8.4", last);
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

fn refused(source: &str, last: MonoTime) -> Refusal {
    Refusal {
        source: source.parse().unwrap(),
        reason: RejectReason::Ttl,
        count: 4,
        last,
    }
}

/// The same, where the sender says that it has sent so many meanwhile.
fn after_sending(missed: u16) -> Recording {
    let mut recording = lost();
    for moment in &mut recording.moments {
        if let Event::Resumed { missed: told, .. } = &mut moment.event {
            *told = Some(missed);
        }
    }
    recording
}

#[test]
fn whoever_is_refused_besides_is_not_the_cause() {
    let just = lost().change.at() - Duration::from_millis(20);
    let mut recording = lost();
    recording.refused = vec![refused("192.168.8.66", just)];
    let story = Story::of(&recording);
    assert_eq!(
        (story.cause, story.lost_at.as_deref()),
        ("lost", Some("before_nic"))
    );
    assert!(
        story.remarks[0].contains("4 adverts of 192.168.8.66 refused at the NIC"),
        "{story:?}"
    );
    // In its name, while it sent none.
    let mut recording = after_sending(0);
    recording.refused = vec![refused("192.168.8.4", just)];
    assert_eq!(Story::of(&recording).cause, "sender_silent");
}

#[test]
fn losses_are_the_cause_only_if_they_account_for_the_silence() {
    for (missed, cause) in [
        (0, "sender_silent"),
        (1, "sender_silent"),
        (2, "lost"),
        (3, "lost"),
        (200, "lost"),
    ] {
        assert_eq!(Story::of(&after_sending(missed)).cause, cause, "{missed}");
    }
}

#[test]
fn a_priority_that_fell_is_the_cause_only_if_it_made_the_difference() {
    let (source, priority) = ("192.168.8.6".parse().unwrap(), Priority::from_wire(150));
    let cause = |before: u8, after: u8| {
        let mut recording = because(Why::HigherPriority { source, priority }, StateName::Backup);
        let at = recording.change.at() - Duration::from_secs(1);
        recording.moments = [before, after]
            .map(|priority| Moment {
                at,
                event: Event::Told(Input::PriorityChanged {
                    priority: Priority::from_wire(priority),
                }),
            })
            .to_vec();
        Story::of(&recording).cause
    };
    assert_eq!(cause(200, 120), "own_priority_fell");
    assert_eq!(cause(150, 149), "own_priority_fell");
    assert_eq!(cause(140, 120), "higher_priority");
    assert_eq!(cause(120, 140), "higher_priority");
}

#[test]
fn a_file_moves_no_cursor() {
    let mut recording = lost();
    recording.instance.name = "VI\u{1b}[2J\n".into();
    recording.host = "\u{202e}a".into();
    recording.hindered_by = Some("\u{7}".into());
    let text = tell::text(&[(Path::new("FI\rLE"), Story::of(&recording))]);
    assert!(text.starts_with("VI\\x1b[2J\\x0a (VRID 51"), "{text}");
    assert!(
        text.chars()
            .all(|one| one == '\n' || one != '\u{202e}' && !one.is_control()),
        "{text:?}"
    );
}

/// Whatever a file says, it is told or refused: no number of it is too large.
#[test]
fn no_number_is_too_large() {
    fn numbers(value: &mut serde_json::Value, found: &mut dyn FnMut(&mut serde_json::Value)) {
        match value {
            serde_json::Value::Number(_) => found(value),
            serde_json::Value::Array(all) => all.iter_mut().for_each(|one| numbers(one, found)),
            serde_json::Value::Object(all) => {
                all.values_mut().for_each(|one| numbers(one, found));
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::String(_) => {
            }
        }
    }
    let document: serde_json::Value = serde_json::from_str(LOST).unwrap();
    let mut count = 0;
    numbers(&mut document.clone(), &mut |_| count += 1);
    let mut told = 0;
    for wanted in 0..count {
        for odd in [0, 1, 255, u64::from(u32::MAX), 1 << 63, u64::MAX] {
            let (mut one, mut at) = (document.clone(), 0);
            numbers(&mut one, &mut |number| {
                if at == wanted {
                    *number = odd.into();
                }
                at += 1;
            });
            let Ok(recording) = serde_json::from_value::<Recording>(one) else {
                continue;
            };
            told += 1;
            let stories = [(Path::new("FILE"), Story::of(&recording))];
            assert!(!tell::text(&stories).is_empty());
            tell::json(&stories).unwrap();
            // What cannot be is refused, and what differs is told.
            let _ = replay::replay(&recording);
        }
    }
    assert!(told > count, "{told} of {count}");
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
