//! The matrix as a table.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use vip_tests::matrix::{Cell, Event, Row, down_and_up};
use vip_tests::peer::{Make, Way, keepalived_says};

/// Rows at a time: most of a row is waiting.
const AT_ONCE: usize = 3;

/// Runs every row whose name has all `words`; whether all went well.
pub(crate) fn matrix(program: &Path, words: &[String]) -> bool {
    let chosen = |name: &str| words.iter().all(|word| name.contains(word.as_str()));
    let rows: Vec<_> = Row::all()
        .into_iter()
        .filter(|row| chosen(&name(*row)))
        .collect();
    println!("{}", keepalived_says());
    let begin = Instant::now();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            let cells = row.run(program);
            println!("{}: {}", name(*row), verdict(&cells));
            if let Ok(mut done) = done.lock() {
                done.insert(name(*row), cells);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let done = done.into_inner().unwrap_or_default();
    print(&rows, &done);
    let mut good = done.len() == rows.len() && done.values().all(|cells| !failed(cells));
    if words.is_empty() {
        good &= crowds(program);
    }
    println!("{:.0} s", begin.elapsed().as_secs_f64());
    good
}

fn name(row: Row) -> String {
    format!(
        "{} / {}: {}",
        row.first.name(),
        row.second.name(),
        row.way.name()
    )
}

fn failed(cells: &[(Event, Cell)]) -> bool {
    cells
        .iter()
        .any(|(_, cell)| matches!(cell, Cell::Failed(_) | Cell::NotReached))
}

fn verdict(cells: &[(Event, Cell)]) -> &'static str {
    match cells.first() {
        Some((_, Cell::Impossible(_))) => "left out",
        _ if failed(cells) => "FAILED",
        _ => "passed",
    }
}

fn print(rows: &[Row], done: &BTreeMap<String, Vec<(Event, Cell)>>) {
    let mut notes = Vec::new();
    print!("\n{:34}", "A, the better one / B");
    for event in Event::ALL {
        print!("{:>11}", event.name());
    }
    println!();
    for row in rows {
        let name = name(*row);
        let Some(cells) = done.get(&name) else {
            continue;
        };
        print!("{name:34}");
        for (event, cell) in cells {
            let word = match cell {
                Cell::Passed => "ok",
                Cell::Impossible(_) => "-",
                Cell::Failed(_) => "FAILED",
                Cell::NotReached => "?",
            };
            print!("{word:>11}");
            match cell {
                Cell::Impossible(why) if *event == Event::Election => {
                    notes.push(format!("- {name} is left out: {why}"));
                }
                Cell::Failed(why) => notes.push(format!("{name}, {}: {why}", event.name())),
                Cell::Passed | Cell::Impossible(_) | Cell::NotReached => {}
            }
        }
        println!();
    }
    println!();
    for note in notes {
        println!("{note}");
    }
}

/// Three and five routers.
fn crowds(program: &Path) -> bool {
    const KEEPALIVED: Make = Make::Keepalived;
    const CROWDS: [(&[Make], Way); 5] = [
        (&[KEEPALIVED, Make::Vip, Make::Frr], Way::V3),
        (&[Make::Vip, KEEPALIVED, Make::Vip], Way::V2Password),
        (&[Make::Vip, KEEPALIVED, Make::Frr], Way::V3Ipv6),
        (&[KEEPALIVED, Make::Vip, Make::Vip], Way::Unicast),
        (
            &[Make::Vip, KEEPALIVED, Make::Vip, KEEPALIVED, Make::Vip],
            Way::V3,
        ),
    ];
    let mut good = true;
    for (makes, way) in CROWDS {
        let names: Vec<_> = makes.iter().map(|make| make.name()).collect();
        let outcome = down_and_up(program, makes, way);
        let verdict = outcome
            .as_ref()
            .map_or_else(ToString::to_string, |()| "ok".to_owned());
        println!(
            "{} routers ({}), {}: each lost in turn, then all return: {verdict}",
            makes.len(),
            names.join(", "),
            way.name()
        );
        good &= outcome.is_ok();
    }
    good
}
