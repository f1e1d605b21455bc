//! A trace as a picture: for each sender the gaps in time, and how far from the interval
//! they were. Written by hand because a page that is read in light and in dark needs
//! styles of its own.

use std::fmt::Write as _;

use vip_common::time::MonoTime;

use super::clock::Wall;
use super::figures::class_bound;
use super::summary::{Sender, Summary};
use super::text::{signed, span};

const WIDTH: f64 = 980.0;
/// The time line.
const LEFT: f64 = 76.0;
const RIGHT: f64 = 610.0;
/// The bars.
const BARS: f64 = 770.0;
const END: f64 = 915.0;
/// Where a panel's plots begin below its heading, and how high they are.
const HEAD: f64 = 54.0;
const HEIGHT: f64 = 150.0;
/// Between two panels, with the time axis of the first.
const BETWEEN: f64 = 40.0;
const TOP: f64 = 50.0;
/// Bars of less are not as high as their words.
const LOWEST_BAR: f64 = 11.0;

/// Colours that hold on white and on black; only words and lines change.
const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#333}\
.h{font-weight:600;font-size:14px}\
.m{fill:#666;font-size:11px}\
.e{text-anchor:end}.c{text-anchor:middle}\
.g{stroke:#888;stroke-opacity:.35;fill:none}\
.i{stroke:#1b9e77;fill:none}\
.d{stroke:#c4568d;stroke-dasharray:5 3;fill:none}\
.p{fill:#1b9e77}.x{fill:#d9822b}.b{fill:#8a7fd1}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.m{fill:#aaa}}";

/// The picture of a trace.
#[must_use]
pub fn picture(summary: &Summary, wall: Wall) -> String {
    let panels: Vec<_> = summary
        .senders
        .iter()
        .filter(|one| one.gaps.is_some())
        .collect();
    let each = HEAD + HEIGHT + BETWEEN;
    let height = TOP + each * panels.len().max(1) as f64;
    let begin = MonoTime::from_nanos(summary.begin_ns);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\">\
         <title>Adverts from {from}</title><style>{STYLE}</style>\
         <text class=\"h\" x=\"8\" y=\"20\">Adverts from {from} for {span}</text>\
         <text class=\"m\" x=\"8\" y=\"38\">left: each gap when it ended (log scale); orange: \
         adverts lost or late in it; line: the interval; dashes: a backup's deadline. \
         right: gap less interval</text>",
        from = wall.date(begin),
        span = span(summary.end_ns - summary.begin_ns),
    );
    if panels.is_empty() {
        let _ = write!(
            picture,
            "<text x=\"8\" y=\"{:.0}\">No sender was heard twice.</text>",
            TOP + 30.0
        );
    }
    for (number, one) in panels.into_iter().enumerate() {
        let top = TOP + each * number as f64;
        panel(&mut picture, summary, one, top);
    }
    picture.push_str("</svg>\n");
    picture
}

/// A logarithmic axis of gaps, upwards.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: f64,
    high: f64,
    bottom: f64,
}

impl Axis {
    fn over(one: &Sender, bottom: f64) -> Self {
        let deadline = one.closest.map_or(0, |closest| closest.deadline_ns);
        let (least, most) = one.gaps.map_or((1, 1), |gaps| (gaps.min_ns, gaps.max_ns));
        let low = least.min(one.interval_ns).max(1) as f64 / 1.6;
        let high = most.max(one.interval_ns).max(deadline).max(1) as f64 * 1.4;
        Self {
            low: low.log10(),
            high: high.log10(),
            bottom,
        }
    }

    fn place(self, nanos: u64) -> f64 {
        let part = ((nanos.max(1) as f64).log10() - self.low) / (self.high - self.low);
        self.bottom - part.clamp(0.0, 1.0) * HEIGHT
    }
}

fn panel(picture: &mut String, summary: &Summary, one: &Sender, top: f64) {
    let bottom = top + HEAD + HEIGHT;
    let lost: u64 = one.losses.values().sum();
    let closest = one.closest.map_or_else(String::new, |closest| {
        format!("; closest call {} left", signed(closest.margin_ns))
    });
    let _ = write!(
        picture,
        "<text class=\"h\" x=\"8\" y=\"{:.0}\">{}</text>\
         <text x=\"8\" y=\"{:.0}\">{} adverts, {lost} lost or late{closest}</text>",
        top + 20.0,
        escaped(&one.who.to_string()),
        top + 37.0,
        one.adverts,
    );
    let axis = Axis::over(one, bottom);
    frame(picture, summary, bottom);
    rule(picture, axis, one.interval_ns, "i");
    if let Some(closest) = one.closest {
        rule(picture, axis, closest.deadline_ns, "d");
    }
    let whole = (summary.end_ns - summary.begin_ns).max(1) as f64;
    for point in &one.points {
        let since = point.stamp.as_nanos().saturating_sub(summary.begin_ns);
        let x = LEFT + (since as f64 / whole).min(1.0) * (RIGHT - LEFT);
        let y = axis.place(point.gap);
        let (class, radius) = if point.marked { ("x", 3.0) } else { ("p", 1.6) };
        let _ = write!(
            picture,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>"
        );
    }
    bars(picture, one, top + HEAD);
}

/// The frame of the time line, with the time.
fn frame(picture: &mut String, summary: &Summary, bottom: f64) {
    let _ = write!(
        picture,
        "<path class=\"g\" d=\"M{LEFT} {:.0}V{bottom:.0}H{RIGHT}\"/>",
        bottom - HEIGHT
    );
    let whole = summary.end_ns - summary.begin_ns;
    for quarter in 0..=4_u64 {
        let x = LEFT + (RIGHT - LEFT) * quarter as f64 / 4.0;
        let _ = write!(
            picture,
            "<text class=\"m c\" x=\"{x:.0}\" y=\"{:.0}\">{}</text>",
            bottom + 16.0,
            if quarter == 0 {
                "0".into()
            } else {
                span(whole / 4 * quarter)
            },
        );
    }
}

/// A line across the time line, named at its left end.
fn rule(picture: &mut String, axis: Axis, nanos: u64, class: &str) {
    let y = axis.place(nanos);
    let _ = write!(
        picture,
        "<path class=\"{class}\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\
         <text class=\"m e\" x=\"{:.0}\" y=\"{:.1}\">{}</text>",
        LEFT - 6.0,
        y + 4.0,
        span(nanos)
    );
}

/// How far from the interval the gaps were: one bar for each class between the first
/// and the last.
fn bars(picture: &mut String, one: &Sender, top: f64) {
    let classes = || one.deviations.iter().map(|(class, _)| *class);
    let counts = one.deviations.iter().map(|(_, count)| *count);
    let (Some(first), Some(last), Some(most)) = (classes().min(), classes().max(), counts.max())
    else {
        return;
    };
    let rows = f64::from(last - first) + 1.0;
    // Few bars are not made thicker than the eye likes, and many share the height.
    let row = (HEIGHT / rows).min(18.0);
    let thin = row < LOWEST_BAR;
    for (number, class) in (first..=last).enumerate() {
        let mut known = one.deviations.iter();
        let count = known
            .find(|(known, _)| *known == class)
            .map_or(0, |(_, count)| *count);
        let y = top + row * number as f64;
        let width = if count == 0 {
            0.0
        } else {
            ((END - BARS) * count as f64 / most.max(1) as f64).max(1.0)
        };
        let _ = write!(
            picture,
            "<rect class=\"b\" x=\"{BARS}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>",
            row - 1.0
        );
        // Every second one is named where they are thinner than letters.
        if thin && number % 2 == 1 {
            continue;
        }
        let name = match class {
            0 => format!("within ±{}", span(class_bound(1))),
            1.. => format!("from +{}", span(class_bound(class))),
            _ => format!("from -{}", span(class_bound(class))),
        };
        let _ = write!(
            picture,
            "<text class=\"m e\" x=\"{:.0}\" y=\"{:.1}\">{name}</text>",
            BARS - 8.0,
            y + row / 2.0 + 3.5
        );
        if count > 0 {
            let _ = write!(
                picture,
                "<text class=\"m\" x=\"{:.1}\" y=\"{:.1}\">{count}</text>",
                BARS + width + 5.0,
                y + row / 2.0 + 3.5
            );
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::figures::Point;
    use crate::trace::news::{Direction, Who};
    use crate::trace::summary::Spread;

    const MS: u64 = 1_000_000;

    fn sender(longest: u64) -> Sender {
        let point = |number: u64| Point {
            stamp: MonoTime::from_nanos(number * 100 * MS),
            gap: if number == 5 { longest } else { 100 * MS },
            marked: number == 5,
        };
        Sender {
            who: Who {
                interface: "eth0<&>".into(),
                direction: Direction::In,
                family: "ipv4",
                vrid: 51,
                source: [192, 168, 8, 4].into(),
            },
            version: 3,
            priority: 100,
            interval_ns: 100 * MS,
            habit: "counts",
            numbering: String::new(),
            adverts: 10,
            gaps: Some(Spread {
                min_ns: 0,
                p50_ns: 100 * MS,
                p99_ns: 100 * MS,
                max_ns: longest,
            }),
            lateness: None,
            jitter_ns: None,
            closest: None,
            losses: std::collections::BTreeMap::new(),
            harmless: std::collections::BTreeMap::new(),
            histogram: Vec::new(),
            deviations: vec![(-13, 1), (0, 9), (13, 1)],
            points: (1..10).map(point).collect(),
        }
    }

    fn summary(senders: Vec<Sender>) -> Summary {
        Summary {
            begin_ns: 0,
            end_ns: 1000 * MS,
            senders,
            addresses: Vec::new(),
            unread: 0,
            unfollowed: 0,
        }
    }

    #[test]
    fn each_sender_has_its_panel_inside_the_picture() {
        let wall = Wall::from_origin(std::time::UNIX_EPOCH);
        for count in [1, 100] {
            let senders = vec![sender(u64::MAX / 2); count];
            let picture = picture(&summary(senders), wall);
            assert_eq!(picture.matches("<circle").count(), 9 * count);
            assert_eq!(picture.matches("class=\"x\"").count(), count);
            assert!(!picture.contains("NaN") && !picture.contains("inf"));
            assert!(picture.contains("eth0&lt;&amp;&gt;"));
            let height: f64 = picture
                .split_once("viewBox=\"0 0 980 ")
                .and_then(|(_, rest)| rest.split('"').next()?.parse().ok())
                .unwrap();
            let places = picture.split(" y=\"").skip(1);
            for place in places {
                let y: f64 = place.split('"').next().unwrap().parse().unwrap();
                assert!((0.0..=height).contains(&y), "{y} of {height}");
            }
        }
    }

    #[test]
    fn a_trace_that_saw_nothing_has_a_picture_that_says_so() {
        let wall = Wall::from_origin(std::time::UNIX_EPOCH);
        let picture = picture(&summary(Vec::new()), wall);
        assert!(picture.contains("No sender was heard twice."));
    }
}
