//! The list of instances: columns as there is room for, the most telling first.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::look::Look;
use super::model::{Model, Seen};

/// What a column says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Column {
    Name,
    State,
    Priority,
    Interface,
    Vrid,
    Master,
    Bar,
    Time,
    Gaps,
    Missed,
    Refused,
}

impl Column {
    /// From the left.
    const ALL: [Self; 11] = [
        Self::Name,
        Self::State,
        Self::Priority,
        Self::Interface,
        Self::Vrid,
        Self::Master,
        Self::Bar,
        Self::Time,
        Self::Gaps,
        Self::Missed,
        Self::Refused,
    ];

    /// Which one goes where there is no room for all, the last one first; and how much
    /// each needs.
    const WORTH: [(Self, u16); 11] = [
        (Self::Name, 10),
        (Self::State, 6),
        (Self::Time, 11),
        (Self::Bar, 8),
        (Self::Master, 15),
        (Self::Gaps, 8),
        (Self::Missed, 5),
        (Self::Refused, 5),
        (Self::Priority, 4),
        (Self::Interface, 8),
        (Self::Vrid, 4),
    ];

    /// Which ones get what is left, up to how much, in turn.
    const GROW: [(Self, u16); 6] = [
        (Self::Name, 16),
        (Self::Bar, 16),
        (Self::Gaps, 16),
        (Self::Name, 24),
        (Self::Bar, 32),
        (Self::Gaps, 48),
    ];

    const fn heading(self) -> &'static str {
        match self {
            Self::Name => "INSTANCE",
            Self::State => "STATE",
            Self::Priority => "PRIO",
            Self::Interface => "ON",
            Self::Vrid => "VRID",
            Self::Master => "MASTER IS",
            Self::Bar => "SILENCE",
            Self::Time => "",
            Self::Gaps => "GAPS",
            Self::Missed => "MISS",
            Self::Refused => "REF",
        }
    }

    /// Numbers, and what grows to the left, stand at the right of their column.
    const fn is_number(self) -> bool {
        matches!(
            self,
            Self::Priority | Self::Vrid | Self::Gaps | Self::Missed | Self::Refused
        )
    }
}

/// A column and where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) column: Column,
    pub(super) x: u16,
    pub(super) width: u16,
}

/// The columns for a width; the first two cells are for the pointer.
pub(super) fn places(width: u16, has_long_addresses: bool) -> Vec<Place> {
    let room = width.saturating_sub(2);
    let mut widths: Vec<(Column, u16)> = Vec::new();
    let mut used = 0;
    for (column, least) in Column::WORTH {
        let has_long = column == Column::Master && has_long_addresses && width >= 110;
        let least = if has_long { 26 } else { least };
        let needs = least + u16::from(!widths.is_empty());
        if used + needs <= room {
            widths.push((column, least));
            used += needs;
        }
    }
    for (column, most) in Column::GROW {
        if let Some((_, width)) = widths.iter_mut().find(|(known, _)| *known == column) {
            let more = most.saturating_sub(*width).min(room - used);
            *width += more;
            used += more;
        }
    }
    let mut x = 2;
    let mut places = Vec::new();
    for column in Column::ALL {
        if let Some((_, width)) = widths.iter().find(|(known, _)| *known == column) {
            let width = *width;
            places.push(Place { column, x, width });
            x += width + 1;
        }
    }
    places
}

/// Draws the heading, and the instances that there is room for.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &mut Model, look: Look, now: Duration) {
    model.fit(usize::from(area.height.saturating_sub(1)));
    let long = |seen: &Seen| seen.row.family == "ipv6";
    let places = places(area.width, model.all.iter().any(long));
    for place in &places {
        let text = fitted(place.column.heading(), *place, look);
        cell(buffer, area, *place, 0, &text, look.heading());
    }
    if model.shown.is_empty() {
        let text = match (model.version.is_empty(), model.filter.is_empty()) {
            (true, _) => "waits for the daemon",
            (false, true) => "the configuration has no instance",
            (false, false) => "nothing contains that word; Esc shows all",
        };
        buffer.set_stringn(
            area.x + area.width.min(2),
            area.y + 1,
            text,
            usize::from(area.width.saturating_sub(2)),
            look.quiet(),
        );
    }
    for (y, place) in (1..area.height).zip(model.from..) {
        let Some(seen) = model.shown.get(place).and_then(|at| model.all.get(*at)) else {
            break;
        };
        let is_chosen = place == model.place();
        if is_chosen {
            let pointer = look.pointer();
            buffer.set_stringn(area.x, area.y + y, pointer, 1, look.heading());
        }
        one(buffer, area, y, &places, model, seen, look, now);
        if is_chosen && let Some(name) = places.first() {
            let rect = Rect {
                x: area.x + name.x,
                y: area.y + y,
                width: name.width,
                height: 1,
            };
            buffer.set_style(rect, look.heading());
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "all that a line is made of")]
fn one(
    buffer: &mut Buffer,
    area: Rect,
    y: u16,
    places: &[Place],
    model: &Model,
    seen: &Seen,
    look: Look,
    now: Duration,
) {
    let row = &seen.row;
    let silence = model.silence(seen, now);
    for place in places {
        let plain = Style::new();
        let (text, style) = match place.column {
            Column::Name => (row.name.clone(), plain),
            Column::State => (row.state.clone(), look.state(&row.state)),
            Column::Priority => (row.priority.to_string(), plain),
            Column::Interface => (row.interface.clone(), plain),
            Column::Vrid => (row.vrid.to_string(), plain),
            Column::Master => match &row.master {
                Some(master) => (master.address.to_string(), plain),
                None => ("nobody".into(), look.remark()),
            },
            Column::Bar => match silence {
                Some(silence) => {
                    let interval = Duration::from_nanos(row.interval_ns);
                    let expected = interval.as_secs_f64() / silence.total.as_secs_f64().max(1e-9);
                    let bar = look.draw_bar(place.width, silence.part(), expected);
                    let style = if silence.is_late {
                        look.alarm()
                    } else {
                        look.bar()
                    };
                    (bar, style)
                }
                None => continue,
            },
            Column::Time => match silence {
                Some(silence) => {
                    let mark = if silence.is_late { "!" } else { "" };
                    let text = format!("{mark}{}", of(silence.since, silence.total));
                    let style = if silence.is_late { look.alarm() } else { plain };
                    (
                        format!("{text:>width$}", width = usize::from(place.width)),
                        style,
                    )
                }
                None => continue,
            },
            Column::Gaps => (
                look.draw_spark(place.width, seen.gaps.iter().copied()),
                look.bar(),
            ),
            Column::Missed => (short(row.missed), counted(row.missed, look)),
            Column::Refused => (short(row.refused), counted(row.refused, look)),
        };
        let text = fitted(&text, *place, look);
        cell(buffer, area, *place, y, &text, style);
    }
    if silence.is_none() {
        instead(buffer, area, y, places, model, seen, look);
    }
}

/// Where nobody is waited for, the room of bar and time says how it stands.
fn instead(
    buffer: &mut Buffer,
    area: Rect,
    y: u16,
    places: &[Place],
    model: &Model,
    seen: &Seen,
    look: Look,
) {
    let of = |column| places.iter().find(|place| place.column == column);
    let Some(first) = of(Column::Bar).or_else(|| of(Column::Time)) else {
        return;
    };
    let end = of(Column::Time).map_or(first.x + first.width, |last| last.x + last.width);
    let row = &seen.row;
    let interval = Duration::from_nanos(row.interval_ns);
    let for_so_long = brief(Duration::from_nanos(row.since_ns));
    let (text, style) = match (&*row.state, model.detail(&row.name)) {
        _ if row.two_masters => ("TWO MASTERS".into(), look.alarm()),
        ("MASTER", _) => {
            let mut text = format!("for {for_so_long}");
            let more = format!(", sends every {}", brief(interval));
            if text.len() + more.len() <= usize::from(end - first.x) {
                text += &more;
            }
            (text, look.quiet())
        }
        (_, Some(detail)) => (detail.reason.clone(), look.state(&row.state)),
        _ => (format!("for {for_so_long}"), look.quiet()),
    };
    let place = Place {
        column: Column::Bar,
        x: first.x,
        width: end - first.x,
    };
    let text = fitted(&text, place, look);
    cell(buffer, area, place, y, &text, style);
}

const fn counted(count: u64, look: Look) -> Style {
    if count == 0 {
        look.quiet()
    } else {
        look.remark()
    }
}

/// A text in the room of a column, cut where it is longer.
fn fitted(text: &str, place: Place, look: Look) -> String {
    let room = usize::from(place.width);
    let width = Line::raw(text).width();
    if width > room {
        let mut cut = String::new();
        for character in text.chars() {
            cut.push(character);
            if Line::raw(cut.as_str()).width() >= room {
                cut.pop();
                break;
            }
        }
        cut.push(look.cut());
        return cut;
    }
    if place.column.is_number() {
        return " ".repeat(room - width) + text;
    }
    text.to_owned()
}

fn cell(buffer: &mut Buffer, area: Rect, place: Place, y: u16, text: &str, style: Style) {
    if place.x >= area.width || y >= area.height {
        return;
    }
    let room = place.width.min(area.width - place.x);
    buffer.set_stringn(area.x + place.x, area.y + y, text, room.into(), style);
}

/// A time and the one that it is a part of, in the unit of the latter: `98/364 ms`.
fn of(part: Duration, whole: Duration) -> String {
    let (part, whole) = (part.as_secs_f64(), whole.as_secs_f64());
    if whole < 1.0 {
        format!("{:.0}/{:.0} ms", part * 1e3, whole * 1e3)
    } else if whole < 10.0 {
        format!("{part:.1}/{whole:.1} s")
    } else {
        format!("{part:.0}/{whole:.0} s")
    }
}

/// A number in five characters at most.
fn short(count: u64) -> String {
    const K: u64 = 1_000;
    const M: u64 = K * K;
    const G: u64 = M * K;
    match count {
        0..100_000 => count.to_string(),
        100_000..M => format!("{}k", count / K),
        M..G => format!("{}M", count / M),
        G.. if count / G < 10_000 => format!("{}G", count / G),
        G.. => "much".into(),
    }
}

/// A span in one or two units.
fn brief(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_never_overlap_and_never_leave_the_screen() {
        for width in 20..=300 {
            for long in [false, true] {
                let places = places(width, long);
                assert_eq!(places.first().unwrap().column, Column::Name);
                for two in places.windows(2) {
                    assert!(two[0].x + two[0].width < two[1].x, "{width}: {places:?}");
                }
                let last = places.last().unwrap();
                assert!(last.x + last.width <= width, "{width}: {places:?}");
            }
        }
        let of = |width| -> Vec<Column> {
            let places = places(width, false);
            places.iter().map(|place| place.column).collect()
        };
        // Who is nearest to a takeover is to be seen on any terminal.
        assert!(of(44).contains(&Column::Bar) && of(44).contains(&Column::Time));
        assert!(of(80).contains(&Column::Missed) && of(80).contains(&Column::Refused));
        assert_eq!(of(120).len(), Column::ALL.len());
    }

    #[test]
    fn numbers_are_short() {
        for (count, text) in [
            (0, "0"),
            (99_999, "99999"),
            (100_000, "100k"),
            (3_400_000, "3M"),
            (9_999_000_000_000, "9999G"),
            (u64::MAX, "much"),
        ] {
            assert_eq!(short(count), text);
        }
    }

    #[test]
    fn times_are_short() {
        let ms = Duration::from_millis;
        assert_eq!(of(ms(98), ms(364)), "98/364 ms");
        assert_eq!(of(ms(1_420), ms(3_609)), "1.4/3.6 s");
        assert_eq!(of(ms(99_999), ms(122_000)), "100/122 s");
        assert_eq!(brief(ms(100)), "100 ms");
        assert_eq!(brief(ms(90_000)), "90 s");
        assert_eq!(brief(Duration::from_secs(11_000)), "3 h 3 min");
    }
}
