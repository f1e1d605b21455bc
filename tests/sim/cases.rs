//! What flight recorders of real daemons have written is a test: the election decides
//! today as it did then. To add one, copy the file that `vip why` names into `tests/cases`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use vip::engine::record::Event;
use vip::services::recorder::archive;
use vip::services::recorder::recording::{Moment, Recording};
use vip::services::recorder::replay::{NotReplayed, Outcome, replay};
use vip_common::election::{Action, Input};
use vip_common::ids::Priority;

fn cases() -> Vec<(PathBuf, Recording)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let read = |path: PathBuf| {
        let recording = archive::read(&path).unwrap();
        (path, recording)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn the_election_decides_as_it_did_then() {
    let cases = cases();
    assert!(!cases.is_empty());
    for (path, recording) in cases {
        let outcome = replay(&recording).unwrap();
        assert_eq!(outcome.difference, None, "{}", path.display());
        assert!(outcome.actions > 3, "{}: {outcome:?}", path.display());
    }
}

/// The first case, and what comes of it with something in it changed.
fn tampered(change: impl Fn(&mut Recording)) -> Result<Outcome, NotReplayed> {
    let (_, mut recording) = cases().swap_remove(0);
    change(&mut recording);
    replay(&recording)
}

fn differs(change: impl Fn(&mut Recording)) -> String {
    let outcome = tampered(change).unwrap();
    outcome.difference.unwrap().to_string()
}

#[test]
fn another_action_than_the_elections_is_a_difference() {
    let said = differs(|recording| {
        let actions = recording.moments.iter_mut();
        let mut actions = actions.filter_map(|moment| {
            if let Event::Wants(action) = &mut moment.event {
                Some(action)
            } else {
                None
            }
        });
        *actions.next().unwrap() = Action::Announce { rounds: 9 };
    });
    assert!(said.contains("after 0 actions"), "{said}");
    assert!(said.contains("Announce { rounds: 9 }"), "{said}");
}

#[test]
fn an_action_too_many_or_too_few_is_a_difference() {
    let is_action = |event: &Event| matches!(event, Event::Wants(_));
    let said = differs(|recording| {
        let last = recording
            .moments
            .iter()
            .rposition(|one| is_action(&one.event));
        recording.moments.remove(last.unwrap());
    });
    assert!(said.contains("- nothing"), "{said}");
    let said = differs(|recording| {
        let last = recording
            .moments
            .iter()
            .rposition(|one| is_action(&one.event));
        let again = recording.moments[last.unwrap()];
        recording.moments.push(again);
    });
    assert!(said.contains("+ nothing"), "{said}");
}

#[test]
fn another_input_or_another_beginning_is_a_difference() {
    differs(|recording| {
        let election = &mut recording.start.as_mut().unwrap().election;
        let priority = Priority::new(7).unwrap();
        election.handle_input(recording.moments[0].at, Input::Taken { priority });
        while election.poll_action().is_some() {}
    });
    differs(|recording| {
        let timed = |event: &Event| matches!(event, Event::Timed { .. });
        let last = recording.moments.iter().rposition(|one| timed(&one.event));
        recording.moments.remove(last.unwrap());
    });
}

#[test]
fn what_cannot_be_is_refused_and_nothing_panics() {
    let without = tampered(|recording| recording.start = None);
    assert_eq!(without, Err(NotReplayed::NoStart));
    let beyond = tampered(|recording| recording.start.as_mut().unwrap().moment = usize::MAX);
    assert!(matches!(beyond, Err(NotReplayed::Impossible(_))));
    let endless = tampered(|recording| {
        let at = recording.moments[0].at;
        let event = Event::Spoke {
            count: u64::MAX,
            first: at,
            last: at,
            latest: Duration::ZERO,
        };
        recording.moments.push(Moment { at, event });
    });
    assert!(
        matches!(endless, Err(NotReplayed::Impossible(_))),
        "{endless:?}"
    );
}
