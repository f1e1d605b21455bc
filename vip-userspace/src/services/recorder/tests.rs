use std::path::Path;

use vip_common::ids::{Priority, Version, Vrid};
use vip_common::time::Centis;

use super::archive::{self, Unreadable};
use super::*;

fn moment(millis: u64) -> MonoTime {
    MonoTime::from_nanos(millis * 1_000_000)
}

fn taken(millis: u64) -> Change {
    Change::State {
        at: moment(millis),
        from: StateName::Backup,
        to: StateName::Active,
        why: Why::Taken,
    }
}

fn of(name: &str) -> About {
    About {
        name: name.into(),
        vrid: 51,
        interface: "eth0".into(),
        addresses: Vec::new(),
        sync_group: None,
    }
}

fn waiting(slot: u32, due: Instant) -> Waiting {
    Waiting {
        slot,
        change: taken(1_000),
        about: of("VI_1"),
        hindered_by: None,
        trouble: None,
        rung: String::new(),
        utc: utc(moment(1_000)),
        due,
        written: None,
    }
}

fn recording(name: &str, second: u32) -> Recording {
    Recording {
        schema: SCHEMA,
        version: "0".into(),
        host: "node".into(),
        utc: format!("2026-01-02T03:04:{second:02}.000000Z"),
        instance: of(name),
        change: taken(1_000),
        shadow: false,
        hindered_by: None,
        trouble: None,
        start: None,
        moments: Vec::new(),
        cut: false,
        refused: Vec::new(),
        ring_full: 0,
        waits: Vec::new(),
        rung: String::new(),
        scheduling: String::new(),
        left_out: 0,
    }
}

#[test]
fn a_thousand_changes_at_once_are_a_few_files_and_a_number() {
    let now = Instant::now();
    let mut queue = Queue::default();
    for slot in 0..1_000 {
        queue.add(waiting(slot, now));
    }
    assert_eq!(queue.waiting.len(), MOST_WAITING);
    assert_eq!(queue.left_out, 1_000 - MOST_WAITING as u64);
    let first = queue.take(|one| one.due <= now);
    assert_eq!(first.len(), AT_ONCE);
    assert_eq!(queue.waiting.len(), MOST_WAITING - AT_ONCE);
}

#[test]
fn a_second_look_gives_way_to_something_new() {
    let now = Instant::now();
    let mut queue = Queue::default();
    for slot in 0..MOST_WAITING as u32 {
        queue.add(Waiting {
            written: Some(7),
            ..waiting(slot, now)
        });
    }
    queue.add(waiting(2_000, now));
    assert_eq!(queue.left_out, 0);
    assert!(queue.waiting.iter().any(|one| one.slot == 2_000));
}

#[test]
fn what_was_waited_for_is_written_soon() {
    let late = Instant::now() + ANNOUNCED_BY;
    let mut queue = Queue::default();
    queue.add(waiting(1, late));
    queue.add(waiting(2, late));
    queue.hasten(2);
    let due = |slot: u32| {
        queue
            .waiting
            .iter()
            .find(|one| one.slot == slot)
            .unwrap()
            .due
    };
    assert_eq!(due(1), late);
    assert!(due(2) <= Instant::now() + GRACE);
}

fn names(archive: &Archive) -> Vec<String> {
    let all = archive.list().unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    all.iter().map(|(path, _)| name(path)).collect()
}

#[test]
fn the_archive_is_bounded_and_whoever_has_the_most_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::at(directory.path().join("new/recordings"));
    assert_eq!(archive.list().unwrap(), []);
    archive.keep(&recording("rare", 0)).unwrap();
    for round in 0..3_u32 {
        for second in 1..60 {
            let mut one = recording("flapping", second);
            one.utc = format!("2026-01-02T03:{round:02}:{second:02}.000000Z");
            archive.keep(&one).unwrap();
        }
    }
    let kept = names(&archive);
    assert_eq!(kept.len(), 64);
    assert!(kept.contains(&"20260102T030400.000000Z.rare.why.json".to_owned()));
    assert!(kept.contains(&"20260102T030259.000000Z.flapping.why.json".to_owned()));
}

#[test]
fn a_recording_is_replaced_whole_and_read_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::at(directory.path().to_owned());
    let mut one = recording("../odd name", 7);
    archive.keep(&one).unwrap();
    let params = vip_common::election::Params::new(
        Vrid::new(51).unwrap(),
        Version::V3,
        Priority::DEFAULT,
        Centis::ONE_SECOND,
    );
    one.start = Some(Start {
        moment: 1,
        election: vip_common::election::VirtualRouter::new(params),
    });
    archive.keep(&one).unwrap();
    assert_eq!(
        names(&archive),
        ["20260102T030407.000000Z.___odd_name.why.json"]
    );
    let (path, _) = archive.list().unwrap().remove(0);
    let read = archive::read(&path).unwrap();
    assert_eq!(format!("{read:?}"), format!("{one:?}"));
}

#[test]
fn what_is_no_recording_is_said_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let strange = |path: &Path| matches!(archive::read(path), Err(Unreadable::Strange { .. }));
    assert!(strange(&write("empty", "")));
    assert!(strange(&write("other", "{}")));
    assert!(strange(&write(
        "half",
        "{\"schema\": 1, \"version\": \"0\"}"
    )));
    assert!(strange(&write("large", &" ".repeat(2 << 20))));
    let newer = write("newer", "{\"schema\": 2}");
    assert!(matches!(
        archive::read(&newer),
        Err(Unreadable::Other { schema: 2, .. })
    ));
    let absent = directory.path().join("absent");
    assert!(matches!(archive::read(&absent), Err(Unreadable::Io { .. })));
}
