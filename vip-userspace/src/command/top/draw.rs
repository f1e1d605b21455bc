//! What `vip top` looks like.

use std::time::Duration;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget as _, Wrap};

use super::look::Look;
use super::model::{Mode, Model, Panel, Sort};
use super::table;
use crate::services::follow::{Event, Kind};
use crate::services::log::Level;
use crate::words;

/// Below so many lines there is no lower part.
const PANEL_FROM: u16 = 16;

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, model: &mut Model, look: Look, now: Duration) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if area.height < 4 || area.width < 20 {
        put(buffer, area, 0, 0, "too small", look.alarm());
        return;
    }
    let rest = Rect {
        y: area.y + 1,
        height: area.height - 2,
        ..area
    };
    footer(buffer, line_at(area, area.height - 1), model, look, now);
    match &model.mode {
        Mode::Help => help(buffer, rest, look),
        Mode::Story { .. } => story(buffer, rest, model, look),
        Mode::List | Mode::Filter | Mode::Confirm { .. } => list(buffer, rest, model, look, now),
    }
    title(buffer, line_at(area, 0), model, look);
}

/// One line of an area.
const fn line_at(area: Rect, at: u16) -> Rect {
    Rect {
        y: area.y + at,
        height: 1,
        ..area
    }
}

/// Writes text into an area, as much as there is room for; says where it ended.
fn put(buffer: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    if x >= area.width || y >= area.height {
        return x;
    }
    let room = usize::from(area.width - x);
    let (end, _) = buffer.set_stringn(area.x + x, area.y + y, text, room, style);
    end - area.x
}

fn title(buffer: &mut Buffer, area: Rect, model: &Model, look: Look) {
    let mut x = put(buffer, area, 0, 0, " vip top  ", look.heading());
    x = put(buffer, area, x, 0, &model.host, Style::new());
    let count = model.all.len();
    let noun = if count == 1 { "instance" } else { "instances" };
    let text = format!("  {count} {noun}:");
    x = put(buffer, area, x, 0, &text, Style::new());
    for (state, count) in model.counts().into_iter().filter(|(_, count)| *count > 0) {
        let text = format!(" {count} {state}");
        x = put(buffer, area, x, 0, &text, look.state(state));
    }
    let two = model.all.iter().filter(|seen| seen.row.two_masters).count();
    if two > 0 {
        let text = format!(" {two} WITH TWO");
        x = put(buffer, area, x, 0, &text, look.alarm());
    }
    let mut end = String::new();
    if !model.filter.is_empty() {
        end += &format!("/{}  ", model.filter);
    }
    if model.sort != Sort::File {
        end += &format!("by {}  ", model.sort.word());
    }
    end += &format!("vip {} ", model.version);
    let width = width(&end);
    if x + 2 + width <= area.width {
        put(buffer, area, area.width - width, 0, &end, look.quiet());
    }
}

/// How many cells a text takes.
fn width(text: &str) -> u16 {
    u16::try_from(Line::raw(text).width()).unwrap_or(u16::MAX)
}

fn footer(buffer: &mut Buffer, area: Rect, model: &Model, look: Look, now: Duration) {
    if let Mode::Confirm { drain, name } = &model.mode {
        let what = match drain {
            true => format!(" Drain {name}: hand it over and stay out of it?  y yes, else no "),
            false => format!(" Have {name} take part again?  y yes, else no "),
        };
        buffer.set_style(area, look.chosen());
        put(buffer, area, 0, 0, &what, look.chosen());
        return;
    }
    if model.mode == Mode::Filter {
        let text = format!(" /{}_   Enter keeps it, Esc clears it", model.filter);
        put(buffer, area, 0, 0, &text, look.heading());
        return;
    }
    if let Some(message) = model.message(now) {
        put(buffer, area, 0, 0, &format!(" {message}"), look.heading());
        return;
    }
    let arrows = look.arrows();
    let keys: &[(&str, &str)] = match model.mode {
        Mode::Story { .. } => &[(arrows, "scroll"), ("r", "again"), ("Esc", "back")],
        Mode::Help => &[("any key", "back")],
        Mode::List | Mode::Filter | Mode::Confirm { .. } => &[
            ("q", "quit"),
            (arrows, "choose"),
            ("Enter", "story"),
            ("d", "drain"),
            ("s", "sort"),
            ("/", "filter"),
            ("Tab", "panel"),
            ("?", "help"),
        ],
    };
    let mut x = 1;
    for (key, what) in keys {
        if x + width(key) + 1 + width(what) > area.width {
            break;
        }
        x = put(buffer, area, x, 0, key, look.heading());
        x = put(buffer, area, x + 1, 0, what, look.quiet()) + 2;
    }
}

/// The instances, and below them what else there is.
fn list(buffer: &mut Buffer, area: Rect, model: &mut Model, look: Look, now: Duration) {
    let all = area.height;
    let wanted = u16::try_from(model.shown.len().max(1) + 1).unwrap_or(u16::MAX);
    let panel = match all + 2 {
        ..PANEL_FROM => 0,
        // A third, and what the instances leave free.
        _ => (all / 3).max(all.saturating_sub(wanted)),
    };
    let upper = Rect {
        height: all - panel,
        ..area
    };
    table::draw(buffer, upper, model, look, now);
    if panel > 1 {
        let lower = Rect {
            y: area.y + all - panel,
            height: panel,
            ..area
        };
        below(buffer, lower, model, look);
    }
}

fn below(buffer: &mut Buffer, area: Rect, model: &Model, look: Look) {
    let rule = look.rule().repeat(area.width.into());
    put(buffer, area, 0, 0, &rule, look.quiet());
    let mut x = 1;
    for panel in Panel::ALL {
        let (text, style) = match panel == model.panel {
            true => (format!("[{}]", panel.word()), look.heading()),
            false => (format!(" {} ", panel.word()), look.quiet()),
        };
        x = put(buffer, area, x, 0, &text, style) + 1;
    }
    let warnings = model.more.as_ref().map_or(0, |more| more.warnings.len());
    if warnings > 0 {
        let noun = if warnings == 1 { "warning" } else { "warnings" };
        let text = format!(" {warnings} {noun} ");
        x = put(buffer, area, x, 0, &text, look.alarm());
    }
    let (shown, page) = (model.shown.len(), model.page());
    if shown > page {
        let last = shown.min(model.from + page);
        let text = format!(" {}-{last} of {shown} ", model.from + 1);
        let at = area.width.saturating_sub(width(&text) + 1);
        if at > x {
            put(buffer, area, at, 0, &text, look.heading());
        }
    }
    let inner = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    let room = usize::from(inner.height);
    let lines = match model.panel {
        Panel::Events => events(model, look, room),
        Panel::Checks => checks(model, look),
        Panel::Host => host(model, look),
    };
    let more = lines.len().saturating_sub(room);
    for (y, (text, style)) in (0..inner.height).zip(&lines) {
        if y + 1 == inner.height && more > 0 && model.panel != Panel::Events {
            let text = format!(" and {} more", more + 1);
            put(buffer, inner, 0, y, &text, look.quiet());
        } else {
            put_cut(buffer, inner, y, text, *style, look);
        }
    }
}

/// Writes a line; one that is too long shows that it was cut.
fn put_cut(buffer: &mut Buffer, area: Rect, y: u16, text: &str, style: Style, look: Look) {
    put(buffer, area, 0, y, text, style);
    if width(text) > area.width {
        let cut = look.cut().to_string();
        put(buffer, area, area.width - 1, y, &cut, style);
    }
}

fn events(model: &Model, look: Look, room: usize) -> Vec<(String, Style)> {
    if model.events.is_empty() {
        return vec![(" nothing has happened yet".into(), look.quiet())];
    }
    let skipped = model.events.len().saturating_sub(room);
    let last = model.events.iter().skip(skipped);
    last.map(|event| (format!(" {}", told(event)), style(event, look)))
        .collect()
}

/// An event in a line: the time of day, and what.
pub(super) fn told(event: &Event) -> String {
    let time = event.at.get(11..19).unwrap_or(&event.at);
    format!("{time} {}", event.text)
}

fn style(event: &Event, look: Look) -> Style {
    match (event.level, event.event) {
        (Level::Error, _) => look.alarm(),
        (Level::Warning, _) => look.remark(),
        (_, Kind::Transition) => look.state(event.state.as_deref().unwrap_or("")),
        _ => Style::new(),
    }
}

fn checks(model: &Model, look: Look) -> Vec<(String, Style)> {
    let trackers = model.more.as_ref().map(|more| &*more.trackers);
    let mut trackers: Vec<_> = trackers.unwrap_or_default().iter().collect();
    if trackers.is_empty() {
        return vec![(" nothing is watched beside interfaces".into(), look.quiet())];
    }
    // What fails first.
    trackers.sort_by_key(|one| one.state != "failed");
    let line = |one: &crate::services::status::Tracker| {
        let ago = words::span(Duration::from_nanos(one.since_ns));
        let stands = match one.number {
            Some(number) => number.to_string(),
            None => one.state.clone(),
        };
        let found = one.last.as_ref().map_or("", |last| &*last.what);
        let text = format!(
            " {:8} {:7} {}  for {ago}, {} of {} failed  {found}",
            stands, one.kind, one.name, one.failures, one.runs
        );
        let style = match &*one.state {
            "failed" => look.alarm(),
            "unknown" | "ignored" => look.remark(),
            _ => Style::new(),
        };
        (text, style)
    };
    trackers.into_iter().map(line).collect()
}

fn host(model: &Model, look: Look) -> Vec<(String, Style)> {
    let Some(more) = &model.more else {
        return Vec::new();
    };
    let warnings = more.warnings.iter();
    let warnings = warnings.map(|warning| (format!(" WARNING: {warning}"), look.alarm()));
    let ports = more.dataplane.iter().map(|port| {
        let why = match &*port.why {
            "" => String::new(),
            why => format!(" ({why})"),
        };
        let text = format!(" {}: heard by {}{why}", port.interface, port.rung);
        let style = match &*port.rung {
            "none" => look.alarm(),
            _ => Style::new(),
        };
        (text, style)
    });
    warnings.chain(ports).collect()
}

/// The story of one instance.
fn story(buffer: &mut Buffer, area: Rect, model: &mut Model, look: Look) {
    let Mode::Story { name, .. } = &model.mode else {
        return;
    };
    let heading = format!(" {name}");
    put(buffer, line_at(area, 0), 0, 0, &heading, look.heading());
    let inner = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(2),
        height: area.height - 1,
    };
    let lines: Vec<String> = model
        .story
        .iter()
        .flat_map(|line| wrapped(line, inner.width.into()))
        .collect();
    model.fit_story(lines.len(), inner.height.into());
    let Mode::Story { from, .. } = model.mode else {
        return;
    };
    for (y, line) in (0..inner.height).zip(lines.iter().skip(from)) {
        put(buffer, inner, 0, y, line, Style::new());
    }
    let left = lines.len().saturating_sub(from + usize::from(inner.height));
    if left > 0 {
        let text = format!(" {left} more lines below ");
        let x = area.width.saturating_sub(width(&text));
        put(buffer, line_at(area, 0), x, 0, &text, look.quiet());
    }
}

/// A text in lines of a width, broken between words where there are some; what follows
/// the first one is set in as the text is, and a little more.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let indent = text.len() - text.trim_start().len();
    let further = " ".repeat((indent + 2).min(room / 2));
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent.min(room / 2));
    let mut is_empty = true;
    for word in text.split_whitespace() {
        let mut word = word;
        let gap = usize::from(!is_empty);
        if !is_empty && cells(&line) + gap + cells(word) > room {
            lines.push(std::mem::replace(&mut line, further.clone()));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        // A word that is longer than a line.
        while cells(&line) + cells(word) > room {
            let free = room.saturating_sub(cells(&line)).max(1);
            let at = word.char_indices().nth(free).map_or(word.len(), |at| at.0);
            let (head, rest) = word.split_at(at);
            line.push_str(head);
            lines.push(std::mem::replace(&mut line, further.clone()));
            is_empty = true;
            word = rest;
        }
        is_empty &= word.is_empty();
        line.push_str(word);
    }
    if !is_empty || lines.is_empty() {
        lines.push(line);
    }
    lines
}

fn cells(text: &str) -> usize {
    Line::raw(text).width()
}

const HELP: &str = "\
Keys
  Up Down PgUp PgDn Home End, or j k g G   choose an instance
  Enter   its story          d   drain it, after a question
  s       sort               u   have it take part again
  /       show only what contains a word (name, interface, state); Esc: all
  Tab     events, checks, host
  Ctrl-L  draw anew          Ctrl-Z   suspend          q   quit

Columns
  SILENCE  of a BACKUP: the time since the last advert. At the end of the bar
           it takes over; the mark is where the next advert is due. With '!'
           before the time one is missing.
  GAPS     the last gaps between adverts; full is a takeover. Of a MASTER
           those between its own.
  MISS     silences: an advert was due and was half an interval late, or more.
  REF      adverts that were refused.

The thread that elects and speaks is not asked: what it shows anyway is read.";

fn help(buffer: &mut Buffer, area: Rect, look: Look) {
    let inner = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(1),
    };
    let lines = HELP.lines().map(|line| match line.starts_with(' ') {
        true => Line::raw(line),
        false => Line::styled(line, look.heading()),
    });
    let lines: Vec<Line<'_>> = lines.collect();
    Paragraph::new(lines)
        .wrap(Wrap { trim: false })
        .render(inner, buffer);
}

#[cfg(test)]
mod tests;
