//! What `vip trace` writes for people.

use std::fmt::Write as _;

use vip_common::time::MonoTime;

use super::claims::Claimed;
use super::clock::Wall;
use super::figures::class_bound;
use super::news::{News, Passed, What};
use super::summary::{Sender, Summary};

/// A span in the unit that people use, to the nanosecond: `100.012345 ms`.
#[must_use]
pub fn exact(nanos: u64) -> String {
    let (whole, rest, digits, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (nanos / 1_000, nanos % 1_000, 3, "µs"),
        1_000_000..1_000_000_000 => (nanos / 1_000_000, nanos % 1_000_000, 6, "ms"),
        _ => (nanos / 1_000_000_000, nanos % 1_000_000_000, 9, "s"),
    };
    format!("{whole}.{rest:0digits$} {unit}")
}

/// A span to three digits: `100 ms`, `1.23 s`.
#[must_use]
pub fn span(nanos: u64) -> String {
    let (value, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    let digits = match value {
        0.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text} {unit}")
}

/// The same with its sign.
#[must_use]
pub fn signed(nanos: i64) -> String {
    let sign = if nanos < 0 { '-' } else { '+' };
    format!("{sign}{}", span(nanos.unsigned_abs()))
}

/// One line.
#[must_use]
pub fn line(news: &News, wall: Wall) -> String {
    let time = wall.time(MonoTime::from_nanos(news.stamp_ns));
    let mark = if news.is_trouble() { "! " } else { "" };
    format!("{time}  {}  {mark}{}", news.who, what(news))
}

/// What is told in it, without when and of whom.
#[must_use]
pub fn what(news: &News) -> String {
    match &news.what {
        What::Advert(passed) => advert(passed),
        What::Missing {
            count,
            gap_ns,
            place,
        } => {
            let adverts = adverts(*count);
            format!("{adverts} missing in {}: {place}", span(*gap_ns))
        }
        What::Lost {
            count,
            ident,
            place,
        } => {
            let which = ident.map_or_else(|| adverts(*count), |ident| format!("advert {ident}"));
            format!("{which} {place}")
        }
        What::Silent {
            for_ns,
            deadline_ns,
            backup_priority,
            link,
        } => {
            let link = if *link { "" } else { "; the link is down here" };
            format!(
                "silent for {}: a backup of priority {backup_priority} waits {}{link}",
                span(*for_ns),
                span(*deadline_ns)
            )
        }
        What::Yielded { to } => format!("is master no more: {to} is"),
        What::Resigned => "leaves on purpose (priority 0)".into(),
        What::TwoMasters {
            other,
            other_priority,
        } => format!("TWO MASTERS: {other} (priority {other_priority}) says so too"),
    }
}

fn adverts(count: u64) -> String {
    match count {
        1 => "1 advert".into(),
        _ => format!("{count} adverts"),
    }
}

fn advert(passed: &Passed) -> String {
    let mut text = format!("v{} priority {}", passed.version, passed.priority);
    if let Some(ident) = passed.ident {
        let _ = write!(text, " id {ident}");
    }
    match passed.interval_ns {
        Some(interval) => {
            let _ = write!(text, " every {}", span(interval));
        }
        None => text.push_str(" every 0 s"),
    }
    if let (Some(gap), Some(late)) = (passed.gap_ns, passed.late_ns) {
        let _ = write!(text, "  gap {} ({})", exact(gap), signed(late));
    }
    if passed.again {
        text.push_str("  the same packet again");
    }
    match passed.invalid {
        Some(check) => {
            let _ = write!(text, "  INVALID: {check}");
        }
        None => text.push_str("  ok"),
    }
    text
}

/// An announcement is of several frames at once, of which one is enough for a person.
const BURST: u64 = 10_000_000;

/// A line about a claim; `None` where there was one a moment ago.
#[must_use]
pub fn claim(claimed: &Claimed, wall: Wall) -> Option<String> {
    if claimed.gap_ns.is_some_and(|gap| gap < BURST) && claimed.other.is_none() {
        return None;
    }
    let time = wall.time(MonoTime::from_nanos(claimed.stamp_ns));
    let Claimed {
        interface,
        direction,
        address,
        mac,
        ..
    } = claimed;
    let mut text = format!("{time}  {interface} {direction} {address} is at {mac}");
    if let Some(gap) = claimed.gap_ns {
        let _ = write!(text, "  {} since its last claim", exact(gap));
    }
    if let Some(other) = &claimed.other {
        let _ = write!(text, "  ! TWO CLAIMANTS: {other} says so too");
    }
    Some(text)
}

/// How wide the bars of a plot are.
const BAR: usize = 40;

/// What was seen, all of it.
#[must_use]
pub fn summary(summary: &Summary) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\nTraced for {}.",
        span(summary.end_ns - summary.begin_ns)
    );
    if summary.senders.is_empty() {
        text.push_str("No adverts were seen.\n");
    }
    for one in &summary.senders {
        sender(&mut text, one);
    }
    for claimed in &summary.addresses {
        let _ = write!(text, "\n{}", claimed.address);
        for claimant in &claimed.claimants {
            let _ = write!(
                text,
                "\n  claimed by {} on {} {}",
                claimant.mac,
                claimant.interface,
                times(claimant.count)
            );
            if let Some(least) = claimant.shortest_ns {
                let _ = write!(text, ", {} apart at least", span(least));
            }
        }
        let two = if claimed.conflict {
            "\n  TWO CLAIMANTS at once\n"
        } else {
            "\n"
        };
        text.push_str(two);
    }
    if summary.unread > 0 {
        let _ = writeln!(
            text,
            "\n{} sights found no room in the ring: this trace itself has missed them.",
            summary.unread
        );
    }
    if summary.unfollowed > 0 {
        let _ = writeln!(
            text,
            "\n{} adverts came of more senders than can be followed.",
            summary.unfollowed
        );
    }
    text
}

fn times(count: u64) -> String {
    match count {
        1 => "once".into(),
        _ => format!("{count} times"),
    }
}

fn sender(text: &mut String, one: &Sender) {
    let _ = writeln!(
        text,
        "\n{}: {}, VRRPv{} priority {} every {}; {}",
        one.who,
        adverts(one.adverts),
        one.version,
        one.priority,
        span(one.interval_ns),
        one.numbering,
    );
    if let Some(gaps) = &one.gaps {
        let _ = writeln!(
            text,
            "  gaps      shortest {}, median {}, 99 in 100 up to {}, longest {}; jitter {}",
            span(gaps.min_ns),
            span(gaps.p50_ns),
            span(gaps.p99_ns),
            span(gaps.max_ns),
            one.jitter_ns.map_or_else(|| "unknown".into(), span),
        );
    }
    if let Some(late) = &one.lateness {
        let whose = if one.is_own() {
            "sender late, on this host"
        } else {
            "late here (sender and wire)"
        };
        let _ = writeln!(
            text,
            "  {whose}: median {}, 99 in 100 up to {}, most {}",
            span(late.p50_ns),
            span(late.p99_ns),
            span(late.max_ns)
        );
    }
    if let Some(closest) = &one.closest {
        let _ = writeln!(
            text,
            "  closest   {} left of {} before a backup of priority {} would have taken over",
            signed(closest.margin_ns),
            span(closest.deadline_ns),
            closest.backup_priority,
        );
    }
    let total: u64 = one.losses.values().sum();
    if total == 0 {
        text.push_str("  losses    none\n");
    }
    for (place, count) in &one.losses {
        let _ = writeln!(text, "  losses    {count:>6}  {place}");
    }
    for (reason, count) in &one.harmless {
        let _ = writeln!(
            text,
            "  no loss   {count:>6}  dropped in this host and missed by nobody: {reason}"
        );
    }
    bars(text, &one.deviations);
}

/// How far from the interval the gaps were, as bars.
fn bars(text: &mut String, deviations: &[(i8, u64)]) {
    let most = deviations.iter().map(|(_, count)| *count).max();
    let Some(most) = most.filter(|most| *most > 0) else {
        return;
    };
    text.push_str("  gap less interval\n");
    let classes = deviations.iter().map(|(class, _)| *class);
    let (first, last) = (classes.clone().min(), classes.max());
    let (Some(first), Some(last)) = (first, last) else {
        return;
    };
    for class in first..=last {
        let mut known = deviations.iter();
        let count = known
            .find(|(known, _)| *known == class)
            .map_or(0, |(_, count)| *count);
        let name = match class {
            0 => format!("within ±{}", span(class_bound(1))),
            1.. => format!("+{} and more", span(class_bound(class))),
            _ => format!("-{} and more", span(class_bound(class))),
        };
        // Whatever there was is seen, however little.
        let share = count as f64 / most as f64;
        let bar = (share * BAR as f64).round() as usize;
        let bar = if count > 0 { bar.max(1) } else { 0 };
        let line = format!("  {name:>18} {count:>8} {}", "#".repeat(bar));
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_the_unit_that_people_use() {
        assert_eq!(exact(100_012_345), "100.012345 ms");
        assert_eq!(exact(1_000_000_001), "1.000000001 s");
        assert_eq!(exact(12_001), "12.001 µs");
        assert_eq!(exact(7), "7 ns");
        for (nanos, said) in [
            (100_012_345, "100 ms"),
            (1_234_567_890, "1.23 s"),
            (1_500_000, "1.5 ms"),
            (12_345, "12.3 µs"),
            (0, "0 ns"),
        ] {
            assert_eq!(span(nanos), said);
        }
        assert_eq!(signed(-1_500_000), "-1.5 ms");
        assert_eq!(signed(10), "+10 ns");
    }

    #[test]
    fn a_line_says_when_of_whom_and_what() {
        use super::super::news::{Direction, Place, Who};
        let news = News {
            stamp_ns: 3_600_000_000_123,
            who: Who {
                interface: "eth0".into(),
                direction: Direction::In,
                family: "ipv4",
                vrid: 51,
                source: [192, 168, 8, 4].into(),
            },
            what: What::Missing {
                count: 2,
                gap_ns: 300_000_000,
                place: Place::Unknown {
                    why: "a reason".into(),
                },
            },
        };
        let wall = Wall::from_origin(std::time::UNIX_EPOCH);
        assert_eq!(
            line(&news, wall),
            "01:00:00.000000123  eth0 in VRID 51 192.168.8.4  ! 2 adverts missing in 300 ms: cannot tell where: a reason"
        );
        let document: serde_json::Value =
            serde_json::from_str(&super::super::json::line(&news, wall).unwrap()).unwrap();
        assert_eq!(document["event"], "missing");
        assert_eq!(document["place"], "unknown");
        assert_eq!(document["source"], "192.168.8.4");
        assert_eq!(document["time"], "1970-01-01T01:00:00.000000123Z");
    }

    #[test]
    fn a_plot_shows_whatever_there_was() {
        let mut text = String::new();
        bars(&mut text, &[(0, 1000), (3, 1)]);
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].ends_with(&"#".repeat(BAR)) && lines[3].ends_with(" 1 #"));
        assert!(lines[1].ends_with(" 0"));
        bars(&mut String::new(), &[]);
    }
}
