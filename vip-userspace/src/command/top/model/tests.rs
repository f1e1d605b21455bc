use super::*;
use crate::services::status::Master;

pub(in crate::command::top) const MS: u64 = 1_000_000;

/// A BACKUP that heard its master 40 ms ago, at an interval of 100 ms.
pub(in crate::command::top) fn row(name: &str, state: &str) -> Row {
    Row {
        name: name.into(),
        interface: "eth0".into(),
        vrid: 51,
        family: "ipv4".into(),
        state: state.into(),
        since_ns: 5_000 * MS,
        priority: 100,
        master: Some(Master {
            address: "192.168.8.4".parse().unwrap(),
            priority: 150,
        }),
        interval_ns: 100 * MS,
        deadline_ns: (state == "BACKUP").then_some(324 * MS as i64),
        heard_ns_ago: (state == "BACKUP").then_some(40 * MS),
        gap_ns: (state == "BACKUP").then_some(100 * MS),
        accepted: 10,
        missed: 0,
        narrow: 0,
        margin_ns: None,
        refused: 0,
        sent: 0,
        late_ns: 0,
        two_masters: false,
        order: None,
    }
}

pub(in crate::command::top) fn glance(rows: Vec<Row>) -> Glance {
    Glance {
        schema: 1,
        version: "0.1.0".into(),
        pid: 1,
        instances: rows,
        more: None,
    }
}

const fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn names(model: &Model) -> Vec<&str> {
    let shown = model.shown.iter();
    shown.map(|at| &*model.all[*at].row.name).collect()
}

fn with(rows: Vec<Row>) -> Model {
    let mut model = Model::new("host".into());
    model.glance(glance(rows), at(0));
    model
}

#[test]
fn time_goes_on_between_two_answers_but_misses_nothing_that_the_daemon_has_not() {
    let mut model = with(vec![row("A", "BACKUP")]);
    let of = |model: &Model, ms| model.silence(&model.all[0], at(ms)).unwrap();
    assert_eq!(of(&model, 0).since, at(40));
    assert_eq!(of(&model, 0).total, at(364));
    assert_eq!(of(&model, 50).since, at(90));
    // Adverts came meanwhile, of which nothing is known here.
    assert_eq!(of(&model, 5_000).since, at(150));
    assert!(!of(&model, 5_000).is_late);
    // The daemon has missed one: then time goes on to the deadline.
    let mut late = row("A", "BACKUP");
    late.heard_ns_ago = Some(160 * MS);
    late.deadline_ns = Some(204 * MS as i64);
    model.glance(glance(vec![late.clone()]), at(1_000));
    assert_eq!(of(&model, 1_100).since, at(260));
    assert!(of(&model, 1_100).is_late);
    assert_eq!(of(&model, 9_000).since, at(364));
    // The deadline is over, and it waits for its sync group.
    late.heard_ns_ago = Some(464 * MS);
    late.deadline_ns = Some(-100 * (MS as i64));
    model.glance(glance(vec![late]), at(2_000));
    assert_eq!(
        (of(&model, 2_000).since, of(&model, 2_000).total),
        (at(464), at(364))
    );
    // Who never heard anybody counts from when it began to listen.
    let mut alone = row("A", "BACKUP");
    (alone.heard_ns_ago, alone.since_ns) = (None, 300 * MS);
    alone.deadline_ns = Some(64 * MS as i64);
    model.glance(glance(vec![alone]), at(3_000));
    assert_eq!(of(&model, 3_020).since, at(320));
    assert!(!of(&model, 3_020).is_late);
    let master = with(vec![row("A", "MASTER")]);
    assert_eq!(master.silence(&master.all[0], at(0)), None);
}

#[test]
fn a_gap_is_kept_for_each_look_that_brought_one_and_a_missed_advert_is_seen_in_it() {
    let mut model = with(vec![row("A", "BACKUP")]);
    let mut next = |change: &dyn Fn(&mut Row)| {
        let mut now = model.all[0].row.clone();
        change(&mut now);
        model.glance(glance(vec![now]), at(0));
        let gaps = model.all[0].gaps.iter();
        gaps.map(|part| (part * 364.0).round() as u64).collect()
    };
    let nothing: Vec<u64> = next(&|_| {});
    assert_eq!(nothing, [0; 0]);
    assert_eq!(next(&|row| row.accepted += 2), [100]);
    let missed = next(&|row| (row.accepted, row.missed) = (row.accepted + 2, 1));
    assert_eq!(missed, [100, 150]);
    assert_eq!(
        next(&|row| (row.accepted, row.gap_ns) = (50, Some(364 * MS))),
        [100, 150, 364]
    );
    // Another master begins anew.
    let other = next(&|row| {
        row.accepted += 1;
        row.master.as_mut().unwrap().address = "192.168.8.6".parse().unwrap();
    });
    assert_eq!(other.len(), 3);
    // As MASTER it is what we send, and how late.
    next(&|row| (row.state, row.sent, row.late_ns) = ("MASTER".into(), 10, 0));
    let ours: Vec<u64> = next(&|row| (row.sent, row.late_ns) = (12, 100 * MS));
    assert_eq!(
        *ours.last().unwrap(),
        (150.0 / 350.0 * 364.0_f64).round() as u64
    );
    for _ in 0..2 * GAPS {
        next(&|row| row.sent += 1);
    }
    assert_eq!(model.all[0].gaps.len(), GAPS);
}

#[test]
fn what_is_chosen_stays_chosen_whatever_comes_and_goes() {
    let all = |names: &[&str]| names.iter().map(|name| row(name, "BACKUP")).collect();
    let mut model = with(all(&["A", "B", "C"]));
    model.fit(2);
    model.key(Key::Down, at(0));
    model.key(Key::Down, at(0));
    assert_eq!(
        (model.chosen().unwrap().row.name.as_str(), model.from),
        ("C", 1)
    );
    model.glance(glance(all(&["C", "A", "B"])), at(0));
    assert_eq!(model.chosen().unwrap().row.name, "C");
    assert_eq!(model.from, 0);
    // It is gone: whoever stands in its place.
    model.glance(glance(all(&["A", "B"])), at(0));
    assert_eq!(model.chosen().unwrap().row.name, "A");
    model.glance(glance(Vec::new()), at(0));
    assert!(model.chosen().is_none());
    for key in [Key::Down, Key::PageUp, Key::End, Key::Enter, Key::Char('d')] {
        assert_eq!(model.key(key, at(0)), Wish::Nothing);
    }
    assert_eq!(model.mode, Mode::List);
    assert_eq!(model.visible(), [""; 0]);
}

#[test]
fn a_thousand_are_walked_through_by_pages_and_only_those_on_the_screen_are_asked_for() {
    let rows = (0..1_000)
        .map(|n| row(&format!("VI_{n}"), "BACKUP"))
        .collect();
    let mut model = with(rows);
    model.fit(15);
    assert_eq!(model.visible().len(), 15);
    model.key(Key::PageDown, at(0));
    assert_eq!((model.place(), model.from), (15, 1));
    model.key(Key::End, at(0));
    assert_eq!((model.place(), model.from), (999, 985));
    assert_eq!(model.visible().first().unwrap(), "VI_985");
    model.key(Key::Home, at(0));
    assert_eq!((model.place(), model.from), (0, 0));
}

#[test]
fn they_are_sorted_and_filtered() {
    let mut fault = row("C", "FAULT");
    fault.master = None;
    let mut near = row("B", "BACKUP");
    (near.heard_ns_ago, near.deadline_ns, near.missed) = (Some(300 * MS), Some(64 * MS as i64), 3);
    let mut two = row("D", "MASTER");
    two.two_masters = true;
    let mut model = with(vec![row("a", "BACKUP"), near, fault, two]);
    assert_eq!(names(&model), ["a", "B", "C", "D"]);
    let mut sorted = || {
        model.key(Key::Char('s'), at(0));
        let names: Vec<String> = names(&model).iter().map(ToString::to_string).collect();
        (model.sort, names.concat())
    };
    assert_eq!(sorted(), (Sort::Trouble, "DCaB".into()));
    assert_eq!(sorted(), (Sort::Nearest, "BaCD".into()));
    assert_eq!(sorted(), (Sort::Missed, "BaCD".into()));
    assert_eq!(sorted(), (Sort::Name, "BCDa".into()));
    assert_eq!(sorted(), (Sort::File, "aBCD".into()));
    for key in "/fau".chars() {
        model.key(Key::Char(key), at(0));
    }
    assert_eq!(names(&model), ["C"]);
    // What is typed there is no order.
    assert_eq!(model.key(Key::Char('q'), at(0)), Wish::Nothing);
    assert_eq!(names(&model), [""; 0]);
    model.key(Key::Backspace, at(0));
    assert_eq!(model.key(Key::Enter, at(0)), Wish::Nothing);
    assert_eq!(names(&model), ["C"]);
    assert_eq!(model.key(Key::Enter, at(0)), Wish::Story("C".into()));
    model.key(Key::Escape, at(0));
    assert_eq!(names(&model).len(), 4);
}

#[test]
fn nothing_is_drained_without_a_yes() {
    let mut model = with(vec![row("A", "MASTER")]);
    for no in [Key::Char('n'), Key::Enter, Key::Escape, Key::Char('d')] {
        assert_eq!(model.key(Key::Char('d'), at(0)), Wish::Nothing);
        assert!(matches!(model.mode, Mode::Confirm { drain: true, .. }));
        // Another one becomes chosen meanwhile: it is that one all the same.
        model.glance(glance(vec![row("B", "MASTER"), row("A", "MASTER")]), at(0));
        assert_eq!(model.key(no, at(0)), Wish::Nothing, "{no:?}");
        assert_eq!(model.message(at(0)), Some("nothing was changed"));
    }
    model.key(Key::Char('d'), at(0));
    assert_eq!(model.key(Key::Char('y'), at(0)), Wish::Drain("A".into()));
    model.key(Key::Char('u'), at(0));
    assert_eq!(model.key(Key::Char('y'), at(0)), Wish::Undrain("A".into()));
    let answer = Answer {
        said: vec!["(A) takes part again".into()],
        ..Answer::default()
    };
    model.answered(&answer, at(1_000));
    assert_eq!(model.message(at(2_000)), Some("(A) takes part again"));
    assert_eq!(model.message(at(20_000)), None);
}

#[test]
fn the_story_scrolls_within_its_bounds_and_any_other_key_closes_it() {
    let mut model = with(vec![row("A", "MASTER")]);
    model.open("A".into(), (0..30).map(|n| n.to_string()).collect());
    let from = |model: &mut Model, key| {
        model.key(key, at(0));
        model.fit_story(30, 10);
        match model.mode {
            Mode::Story { from, .. } => Some(from),
            Mode::List | Mode::Filter | Mode::Confirm { .. } | Mode::Help => None,
        }
    };
    assert_eq!(from(&mut model, Key::Up), Some(0));
    assert_eq!(from(&mut model, Key::PageDown), Some(10));
    assert_eq!(from(&mut model, Key::Down), Some(11));
    assert_eq!(from(&mut model, Key::End), Some(20));
    assert_eq!(from(&mut model, Key::Down), Some(20));
    assert_eq!(model.visible(), ["A"]);
    assert_eq!(from(&mut model, Key::Char('q')), None);
}

#[test]
fn events_are_kept_up_to_a_bound() {
    let mut model = Model::new(String::new());
    for n in 0..EVENTS + 5 {
        model.event(Event::new(
            Kind::Log,
            crate::services::log::Level::Info,
            n.to_string(),
        ));
    }
    model.event(Event::new(
        Kind::Following,
        crate::services::log::Level::Info,
        "x",
    ));
    assert_eq!(model.events.len(), EVENTS);
    assert_eq!(model.events.back().unwrap().text, (EVENTS + 4).to_string());
}
