use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use crate::command::top::look::UNICODE;
use crate::command::top::model::tests::{MS, glance, row};
use crate::command::top::model::{Key, Seen};
use crate::services::glance::{More, Row};
use crate::services::status::Hearing;

const SIZES: [(u16, u16); 5] = [(80, 24), (120, 40), (40, 10), (200, 60), (20, 4)];
const NOW: Duration = Duration::from_millis(20);

/// What is on a screen of this size, line by line.
fn lines(model: &mut Model, (width, height): (u16, u16)) -> Vec<String> {
    let buffer = buffer(model, (width, height));
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect();
    (0..height).map(line).collect()
}

fn buffer(model: &mut Model, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw(frame, model, UNICODE, NOW))
        .unwrap();
    terminal.backend().buffer().clone()
}

fn with(rows: Vec<Row>) -> Model {
    let mut model = Model::new("host-a".into());
    let mut all = glance(rows);
    all.more = Some(More {
        details: Vec::new(),
        trackers: Vec::new(),
        dataplane: vec![Hearing {
            interface: "eth0".into(),
            rung: "xdp-native".into(),
            why: String::new(),
        }],
        warnings: vec!["memory is not locked".into()],
    });
    model.glance(all, Duration::ZERO);
    model
}

/// So many instances, of all kinds, with names that differ in length.
fn many(count: usize) -> Vec<Row> {
    let rows = (0..count).map(|n| {
        let state = ["BACKUP", "MASTER", "BACKUP", "FAULT", "INIT"][n % 5];
        let mut row = row(&format!("VI_{}{n}", "x".repeat(n % 40)), state);
        row.missed = n as u64 * 1_000;
        row.refused = u64::MAX / 2;
        row.two_masters = n % 7 == 1;
        row
    });
    rows.collect()
}

fn line_of<'a>(lines: &'a [String], text: &str) -> &'a str {
    let found = lines.iter().find(|line| line.contains(text));
    found.unwrap_or_else(|| panic!("no line with {text:?} in\n{}", lines.join("\n")))
}

#[test]
fn an_instance_is_told_in_one_line() {
    let mut model = with(vec![row("VI_1", "BACKUP"), row("VI_2", "MASTER")]);
    let lines = lines(&mut model, (80, 24));
    assert!(lines[0].starts_with(" vip top  host-a  2 instances: 1 MASTER 1 BACKUP"));
    assert!(lines[0].trim_end().ends_with("vip 0.1.0"), "{}", lines[0]);
    let backup = line_of(&lines, "VI_1");
    // 60 of 364 ms: a sixth of the bar, and the mark where the next advert is due.
    for part in [
        "▸ VI_1 ",
        " BACKUP ",
        " 192.168.8.4 ",
        "█",
        "┊",
        " 60/364 ms ",
    ] {
        assert!(backup.contains(part), "{part}: {backup}");
    }
    let master = line_of(&lines, "VI_2");
    assert!(master.contains(" for 5 s "), "{master}");
    assert!(
        !master.contains('█') && !master.contains("/364"),
        "{master}"
    );
    assert!(lines[23].contains("q quit"), "{}", lines[23]);
}

#[test]
fn nothing_overlaps_and_what_is_too_long_is_cut_at_every_size() {
    for count in [0, 1, 100] {
        let mut model = with(many(count));
        for size in SIZES {
            let lines = lines(&mut model, size);
            assert!(
                lines
                    .iter()
                    .all(|line| Line::raw(line).width() == usize::from(size.0))
            );
            let places = table::places(size.0, false);
            for (y, at) in model
                .shown
                .iter()
                .skip(model.from)
                .take(model.page())
                .enumerate()
            {
                let Seen { row, .. } = &model.all[*at];
                let line: Vec<char> = lines[y + 2].chars().collect();
                let cell = |place: &table::Place| -> String {
                    let from = usize::from(place.x);
                    line[from..from + usize::from(place.width)].iter().collect()
                };
                for place in &places {
                    let text = cell(place);
                    // Between two columns there is always room, but for what stands
                    // there instead of two.
                    if place.column != table::Column::Time || row.state == "BACKUP" {
                        assert_eq!(line[usize::from(place.x) - 1], ' ', "{}", lines[y + 2]);
                    }
                    if place.column == table::Column::Name {
                        let (name, cut) = (&row.name, text.trim_end());
                        match cut.strip_suffix('…') {
                            Some(cut) => assert!(name.starts_with(cut) && !cut.is_empty()),
                            None => assert_eq!(name, cut),
                        }
                    } else if place.column == table::Column::State {
                        assert_eq!(text.trim(), row.state);
                    }
                }
            }
        }
    }
}

#[test]
fn each_size_shows_as_many_as_there_is_room_for_and_says_so() {
    let mut model = with(many(100));
    for size in SIZES {
        let lines = lines(&mut model, size);
        let shown = lines.iter().filter(|line| line.contains("VI_")).count();
        assert_eq!(shown, model.page().min(100), "{size:?}");
        if size.1 >= 24 {
            line_of(&lines, &format!(" 1-{} of 100 ", model.page()));
        }
    }
    model.key(Key::End, NOW);
    let all = lines(&mut model, (80, 24));
    assert!(line_of(&all, "▸").contains("VI_"), "{all:#?}");
    line_of(&all, "-100 of 100");
}

#[test]
fn without_an_instance_it_says_why() {
    let mut model = Model::new("host-a".into());
    let before = lines(&mut model, (80, 24));
    line_of(&before, "waits for the daemon");
    let mut model = with(Vec::new());
    let without = lines(&mut model, (80, 24));
    line_of(&without, "the configuration has no instance");
    let mut model = with(vec![row("VI_1", "BACKUP")]);
    model.filter = "nonsense".into();
    model.glance(glance(vec![row("VI_1", "BACKUP")]), NOW);
    let filtered = lines(&mut model, (80, 24));
    line_of(&filtered, "nothing contains that word");
}

#[test]
fn a_missing_advert_is_seen_without_colours() {
    let mut late = row("VI_1", "BACKUP");
    (late.heard_ns_ago, late.deadline_ns) = (Some(300 * MS), Some(64 * MS as i64));
    let mut model = with(vec![late]);
    let lines = lines(&mut model, (80, 24));
    let line = line_of(&lines, "VI_1");
    assert!(line.contains(" !320/364 ms "), "{line}");
}

#[test]
fn no_cell_has_a_background_or_a_colour_that_is_lost_on_light_or_dark() {
    let mut model = with(many(100));
    model.event(Event::new(Kind::Conflict, Level::Warning, "(VI_1) claimed"));
    for panel in Panel::ALL {
        model.panel = panel;
        let buffer = buffer(&mut model, (120, 40));
        for cell in buffer.content() {
            assert_eq!(cell.bg, Color::Reset);
            let readable = [
                Color::Reset,
                Color::Red,
                Color::Green,
                Color::Magenta,
                Color::Cyan,
            ];
            assert!(readable.contains(&cell.fg), "{:?}", cell.fg);
        }
    }
}

#[test]
fn the_lower_part_shows_what_is_asked_for_and_never_covers_the_list() {
    let mut model = with(many(100));
    for n in 0..50 {
        let text = format!(
            "({n}) Entering MASTER STATE: no advert for {}",
            "long ".repeat(60)
        );
        model.event(Event::new(Kind::Transition, Level::Notice, text).state("MASTER"));
    }
    let events = lines(&mut model, (80, 24));
    line_of(&events, "[events]");
    line_of(&events, "1 warning");
    // The newest is the last one, and what is cut is seen to be.
    assert!(events[22].contains("(49) Entering MASTER") && events[22].ends_with('…'));
    model.key(Key::Tab, NOW);
    line_of(&lines(&mut model, (80, 24)), "nothing is watched");
    model.key(Key::Tab, NOW);
    let host = lines(&mut model, (80, 24));
    line_of(&host, "WARNING: memory is not locked");
    line_of(&host, "eth0: heard by xdp-native");
    model.key(Key::Tab, NOW);
    assert_eq!(model.panel, Panel::Events);
    // Where there is little room all of it is for the instances.
    let small = lines(&mut model, (40, 10));
    assert!(!small.iter().any(|line| line.contains("events")));
}

#[test]
fn a_question_takes_the_place_of_the_keys() {
    let mut model = with(vec![row("VI_1", "MASTER")]);
    model.key(Key::Char('d'), NOW);
    for size in [(80, 24), (40, 10)] {
        let asked = lines(&mut model, size);
        assert!(
            asked
                .last()
                .unwrap()
                .starts_with(" Drain VI_1: hand it over")
        );
    }
    model.key(Key::Char('n'), NOW);
    assert!(lines(&mut model, (80, 24))[23].contains("nothing was changed"));
}

#[test]
fn help_and_story_are_whole_at_80_by_24_and_broken_between_words() {
    let mut model = with(vec![row("VI_1", "MASTER")]);
    model.key(Key::Char('?'), NOW);
    let help = lines(&mut model, (80, 24));
    line_of(&help, "Keys");
    line_of(&help, "what it shows anyway is read");
    assert!(HELP.lines().all(|line| line.len() <= 78));
    model.key(Key::Escape, NOW);
    let text = format!("  {} end", "advert ".repeat(20));
    model.open(
        "VI_1".into(),
        vec!["VI_1: MASTER".into(), text, "y".repeat(300)],
    );
    let story = lines(&mut model, (40, 10));
    assert!(
        story.iter().all(|line| !line.contains("adve ")),
        "{story:#?}"
    );
    line_of(&story, "more lines below");
    let room = lines(&mut model, (120, 40));
    line_of(&room, " end");
    let all: usize = room.iter().map(|line| line.matches('y').count()).sum();
    assert_eq!(all, 300);
}

#[test]
fn what_a_script_says_moves_no_cursor() {
    let mut model = with(vec![row("VI_\u{1b}[2J\u{7}", "BACKUP")]);
    let text = "script: \u{1b}]0;owned\u{7}\u{1b}[31m\r\nred";
    model.event(Event::new(Kind::Log, Level::Info, text));
    model.open("VI_1".into(), vec![text.into()]);
    let story = buffer(&mut model, (80, 24));
    model.key(Key::Escape, NOW);
    let list = buffer(&mut model, (80, 24));
    for cell in story.content().iter().chain(list.content()) {
        assert!(!cell.symbol().contains(char::is_control));
    }
}

#[test]
fn broken_lines_keep_every_word_and_their_room() {
    for room in 1..40 {
        for text in [
            "",
            "  a b  c",
            "12345678901234567890 x",
            "  über die Straße gehen",
        ] {
            let lines = wrapped(text, room);
            let fits = |line: &String| cells(line) <= room.max(3);
            assert!(lines.iter().all(fits), "{room}: {lines:?}");
            let letters = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(letters(&lines.concat()), letters(text), "{room}");
        }
    }
}
