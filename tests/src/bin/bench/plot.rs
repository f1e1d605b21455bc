//! Figures as a picture: for each subject under each condition where its samples
//! lie, on a logarithmic axis. Written by hand because a page that is read in light
//! and in dark needs styles, which no plotting crate writes; and of quantiles only,
//! so that a picture stays small.

use std::fmt::Write as _;

use crate::document::{Document, Series, Unit};
use crate::figures::Figures;

const WIDTH: f64 = 820.0;
/// Where the axis begins and ends.
const LEFT: f64 = 300.0;
const RIGHT: f64 = 790.0;
const TOP: f64 = 58.0;
const ROW: f64 = 18.0;
/// Between two conditions.
const GAP: f64 = 8.0;

/// Colours that hold on white and on black; only words and lines change.
const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#333}\
.h{font-weight:600;font-size:14px}\
.m{fill:#666}\
.g{stroke:#888;stroke-opacity:.35}\
.s0{fill:#1b9e77;stroke:#1b9e77}\
.s1{fill:#d9822b;stroke:#d9822b}\
.s2{fill:#8a7fd1;stroke:#8a7fd1}\
.s3{fill:#c4568d;stroke:#c4568d}\
.b{fill-opacity:.45;stroke:none}\
.c{stroke:#222;stroke-width:2}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.m{fill:#aaa}.c{stroke:#fff}}";

/// A logarithmic axis over whole decades.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Axis {
    low: u32,
    high: u32,
}

impl Axis {
    /// Over all figures; what is below its first decade is drawn at its begin.
    fn over(unit: Unit, figures: &[Figures]) -> Self {
        let floor = match unit {
            // A clock does not tell less than a microsecond across processes.
            Unit::Nanoseconds if figures.iter().any(|one| one.max >= 10_000) => 3,
            Unit::Bytes => 20,
            Unit::Nanoseconds | Unit::Picoseconds | Unit::Count | Unit::PerSecond | Unit::Share => {
                0
            }
        };
        let decade = |value: i64| value.max(1).ilog10();
        let smallest = figures.iter().map(|one| one.min).min().unwrap_or(1);
        let largest = figures.iter().map(|one| one.max).max().unwrap_or(1);
        let low = if unit == Unit::Bytes {
            decade(smallest)
        } else {
            decade(smallest).max(floor)
        };
        // The next decade up, unless it is one.
        let above = 10_i64.checked_pow(decade(largest)) != Some(largest);
        Self {
            low,
            high: (decade(largest) + u32::from(above)).max(low + 1),
        }
    }

    fn place(self, value: i64) -> f64 {
        let log = (value.max(1) as f64).log10();
        let span = f64::from(self.high - self.low);
        let part = ((log - f64::from(self.low)) / span).clamp(0.0, 1.0);
        LEFT + part * (RIGHT - LEFT)
    }
}

/// `10 µs` for the fourth decade of nanoseconds.
fn label(unit: Unit, decade: u32) -> String {
    let value = 10_f64.powi(i32::try_from(decade).unwrap_or(i32::MAX));
    let (value, name) = match (unit, decade) {
        (Unit::Nanoseconds, 0..3) => (value, " ns"),
        (Unit::Nanoseconds, 3..6) => (value / 1e3, " µs"),
        (Unit::Nanoseconds, 6..9) => (value / 1e6, " ms"),
        (Unit::Nanoseconds, _) => (value / 1e9, " s"),
        (Unit::Picoseconds, 0..3) => (value, " ps"),
        (Unit::Picoseconds, 3..6) => (value / 1e3, " ns"),
        (Unit::Picoseconds, _) => (value / 1e6, " µs"),
        (Unit::Count, _) => (value, ""),
        (Unit::Bytes, 0..6) => (value / 1e3, " kB"),
        (Unit::Bytes, _) => (value / 1e6, " MB"),
        (Unit::PerSecond, _) => (value, "/s"),
        (Unit::Share, _) => (value / 1e4, " %"),
    };
    format!("{value}{name}")
}

/// The pictures of a document with the ends of their file names; what has nothing to
/// draw has none.
pub(crate) fn all(document: &Document) -> Vec<(String, String)> {
    let drawn = document.measures().into_iter().filter(|(.., drawn)| *drawn);
    drawn
        .filter_map(|(title, unit, _)| {
            let picture = picture(document, title, unit)?;
            Some((format!("{}-{}", document.part, slug(title)), picture))
        })
        .collect()
}

/// Letters and digits, the rest one dash.
fn slug(title: &str) -> String {
    let mut name = String::new();
    for letter in title.chars() {
        if letter.is_ascii_alphanumeric() {
            name.push(letter.to_ascii_lowercase());
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    name.trim_matches('-').to_owned()
}

fn picture(document: &Document, title: &str, unit: Unit) -> Option<String> {
    let rows: Vec<(&Series, Figures)> = document
        .of(title)
        .into_iter()
        .filter_map(|series| Some((series, Figures::of(&series.samples)?)))
        .collect();
    let figures: Vec<_> = rows.iter().map(|(_, figures)| *figures).collect();
    if figures.is_empty() {
        return None;
    }
    let axis = Axis::over(unit, &figures);
    let mut y = TOP;
    let mut body = String::new();
    let mut last_condition = "";
    for (series, figures) in &rows {
        if series.condition != last_condition {
            if !last_condition.is_empty() {
                y += GAP;
            }
            last_condition = &series.condition;
            let _ = write!(
                body,
                "<text x=\"8\" y=\"{:.0}\">{}</text>",
                y + 13.0,
                escaped(&series.condition)
            );
        }
        let place = document
            .subjects
            .iter()
            .position(|one| one.name == series.subject);
        row(
            &mut body,
            axis,
            y,
            place.unwrap_or(0).min(3),
            &series.subject,
            figures,
        );
        y += ROW;
    }
    let bottom = y + 4.0;
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\">\
         <title>{title}</title><style>{STYLE}</style>\
         <text class=\"h\" x=\"8\" y=\"20\">{title}</text>\
         <text class=\"m\" x=\"8\" y=\"38\">bar: 10th to 90th percentile; stroke: median; \
         line: all; tick: 99th percentile; dot: worst; left edge: that or less</text>",
        bottom + 26.0,
        title = escaped(title),
    );
    for decade in axis.low..=axis.high {
        let x = axis.place(10_i64.checked_pow(decade).unwrap_or(i64::MAX));
        let _ = write!(
            picture,
            "<path class=\"g\" d=\"M{x:.1} {:.0}V{bottom:.0}\"/>\
             <text class=\"m\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            TOP - 4.0,
            bottom + 16.0,
            label(unit, decade)
        );
    }
    picture.push_str(&body);
    picture.push_str("</svg>\n");
    Some(picture)
}

fn row(body: &mut String, axis: Axis, y: f64, colour: usize, subject: &str, figures: &Figures) {
    let middle = y + ROW / 2.0;
    let at = |value| axis.place(value);
    let _ = write!(
        body,
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
         <g class=\"s{colour}\"><path d=\"M{:.1} {middle:.1}H{:.1}\"/>\
         <rect class=\"b\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\"/>\
         <path d=\"M{:.1} {:.1}v8\"/><circle cx=\"{:.1}\" cy=\"{middle:.1}\" r=\"2.5\"/></g>\
         <path class=\"c\" d=\"M{:.1} {:.1}v12\"/>",
        LEFT - 10.0,
        y + 13.0,
        escaped(subject),
        at(figures.min),
        at(figures.max),
        at(figures.p10),
        middle - 6.0,
        (at(figures.p90) - at(figures.p10)).max(1.0),
        at(figures.p99),
        middle - 4.0,
        at(figures.max),
        at(figures.median),
        middle - 6.0,
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tests::example;

    fn axis(list: &[i64]) -> Axis {
        let figures: Vec<_> = list.iter().filter_map(|one| Figures::of(&[*one])).collect();
        Axis::over(Unit::Nanoseconds, &figures)
    }

    #[test]
    fn the_axis_spans_whole_decades() {
        assert_eq!(axis(&[20_000, 4_000_000]), Axis { low: 4, high: 7 });
        assert_eq!(axis(&[-5, 1_000_000]), Axis { low: 3, high: 6 });
        assert_eq!(axis(&[40, 73]), Axis { low: 1, high: 2 });
        assert_eq!(axis(&[0]), Axis { low: 0, high: 1 });
    }

    #[test]
    fn a_value_lies_between_its_decades_and_never_outside() {
        let axis = axis(&[20_000, 4_000_000]);
        assert!((axis.place(10_000) - LEFT).abs() < 0.01);
        assert!((axis.place(10_000_000) - RIGHT).abs() < 0.01);
        let middle = axis.place(316_228);
        assert!(
            (middle - f64::midpoint(LEFT, RIGHT)).abs() < 0.1,
            "{middle}"
        );
        assert!((axis.place(-7) - LEFT).abs() < 0.01);
    }

    #[test]
    fn decades_are_named_in_the_unit_that_people_use() {
        let said: Vec<_> = [2, 4, 6, 9]
            .map(|decade| label(Unit::Nanoseconds, decade))
            .into();
        assert_eq!(said, ["100 ns", "10 µs", "1 ms", "1 s"]);
        assert_eq!(label(Unit::Share, 4), "1 %");
        assert_eq!(label(Unit::Bytes, 7), "10 MB");
    }

    #[test]
    fn a_picture_has_a_row_for_each_series_and_is_small() {
        let all = all(&example());
        let [(name, picture)] = all.as_slice() else {
            panic!("{} pictures", all.len());
        };
        assert_eq!(name, "takeover-late");
        assert_eq!(picture.matches("<circle").count(), 4);
        assert_eq!(picture.matches(">idle</text>").count(), 1);
        assert!(picture.len() < 60_000);
        assert!(!picture.contains("NaN"), "{picture}");
    }

    #[test]
    fn what_is_written_is_no_markup() {
        assert_eq!(escaped("a<b & c>"), "a&lt;b &amp; c&gt;");
        assert_eq!(
            slug("Advert, after the deadline"),
            "advert-after-the-deadline"
        );
    }
}
