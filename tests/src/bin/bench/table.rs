//! The figures of a part in rows, for the terminal and for the docs.

use std::fmt::Write as _;

use crate::document::{By, Document, Series, Unit};
use crate::figures::Figures;

/// How the numbers of one table are written: all in the same unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Style {
    unit: Unit,
    /// What one of the written unit is.
    divisor: i64,
    name: &'static str,
    decimals: usize,
}

impl Style {
    /// Fits most of the figures of a table.
    pub(crate) fn fit(unit: Unit, figures: &[Figures]) -> Self {
        let largest = figures.iter().map(|one| one.median.abs()).max();
        let largest = largest.unwrap_or(0);
        let (divisor, name, decimals) = match unit {
            Unit::Nanoseconds if largest >= 10_000_000 => (1_000_000, "ms", 2),
            Unit::Nanoseconds if largest >= 1_000 => (1_000, "µs", 1),
            Unit::Nanoseconds => (1, "ns", 0),
            Unit::Picoseconds => (1_000, "ns", 1),
            Unit::Count => (1, "", 0),
            Unit::Bytes => (1 << 20, "MiB", 1),
            Unit::PerSecond => (1, "per second", 0),
            Unit::Share => (10_000, "% of a processor", 1),
        };
        Self {
            unit,
            divisor,
            name,
            decimals,
        }
    }

    pub(crate) fn number(self, value: i64) -> String {
        let text = format!("{:.*}", self.decimals, value as f64 / self.divisor as f64);
        match text.strip_prefix('-') {
            // A minus before nothing but zeros is none.
            Some(rest) if !rest.contains(|digit| ('1'..='9').contains(&digit)) => rest.to_owned(),
            _ => text,
        }
    }
}

/// One table.
pub(crate) struct Table {
    /// With the unit.
    pub(crate) title: String,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// The tables of a document, one for each measure.
    pub(crate) fn all(document: &Document) -> Vec<Self> {
        let measures = document.measures().into_iter();
        measures
            .map(|(title, unit, _)| Self::of(title, unit, &document.of(title)))
            .collect()
    }

    fn of(title: &str, unit: Unit, series: &[&Series]) -> Self {
        let figures: Vec<_> = series
            .iter()
            .filter_map(|series| Figures::of(&series.samples))
            .collect();
        let style = Style::fit(unit, &figures);
        let by = series.first().map_or(By::Nothing, |series| series.by);
        let mut head = if unit == Unit::Count {
            vec!["", "", "in all", "worst", "samples"]
        } else {
            vec!["", "", "median", "p90", "p99", "worst", "samples"]
        };
        head.extend(match by {
            By::Median => Some("vip is"),
            By::P99 => Some("vip's p99 is"),
            By::Nothing => None,
        });
        let mut rows = Vec::new();
        let mut last_condition = None;
        for one in series {
            let Some(figures) = Figures::of(&one.samples) else {
                continue;
            };
            let first = last_condition != Some(one.condition.as_str());
            last_condition = Some(one.condition.as_str());
            let mut row = vec![
                if first { &one.condition } else { "" }.to_owned(),
                one.subject.clone(),
            ];
            if unit == Unit::Count {
                row.push(one.samples.iter().sum::<i64>().to_string());
            } else {
                let all = [figures.median, figures.p90, figures.p99];
                row.extend(all.map(|value| style.number(value)));
            }
            row.push(style.number(figures.max));
            row.push(one.samples.len().to_string());
            if by != By::Nothing {
                let vip = series
                    .iter()
                    .find(|other| other.condition == one.condition && other.subject == "vip")
                    .filter(|_| one.subject != "vip")
                    .and_then(|series| Figures::of(&series.samples));
                row.push(vip.map_or_else(String::new, |vip| match by {
                    By::P99 => ratio(vip.p99, figures.p99),
                    By::Median | By::Nothing => ratio(vip.median, figures.median),
                }));
            }
            rows.push(row);
        }
        let title = if style.name.is_empty() {
            title.to_owned()
        } else {
            format!("{title}, {}", style.name)
        };
        Self { title, head, rows }
    }

    /// In columns.
    pub(crate) fn plain(&self) -> String {
        let head: Vec<_> = self.head.iter().map(|&name| name.to_owned()).collect();
        let lines: Vec<_> = std::iter::once(&head).chain(&self.rows).collect();
        let width = |place: usize| {
            let cells = lines.iter().filter_map(|line| line.get(place));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..head.len()).map(width).collect();
        let mut text = format!("{}\n", self.title);
        for cells in lines {
            let mut line = String::new();
            for (place, (cell, &width)) in cells.iter().zip(&widths).enumerate() {
                let _ = match place {
                    0 | 1 => write!(line, "  {cell:width$}"),
                    _ => write!(line, "  {cell:>width$}"),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// As Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("**{}**\n\n|", self.title);
        for cell in &self.head {
            let _ = write!(text, " {cell} |");
        }
        text.push_str("\n|---|---|");
        text.push_str(&"--:|".repeat(self.head.len() - 2));
        text.push('\n');
        for row in &self.rows {
            text.push('|');
            for cell in row {
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        text
    }
}

/// Of vip's median to another's; nothing where a ratio says nothing.
fn ratio(vip: i64, other: i64) -> String {
    if vip <= 0 || other <= 0 {
        return String::new();
    }
    let ratio = vip as f64 / other as f64;
    if ratio >= 0.095 {
        format!("{ratio:.2}x")
    } else {
        format!("{ratio:.4}x")
    }
}

/// All tables of a part, and what could not be measured.
pub(crate) fn plain(document: &Document) -> String {
    let mut text = format!("\n{}: {}\n", document.part, document.settings);
    for table in Table::all(document) {
        text.push('\n');
        text.push_str(&table.plain());
    }
    for line in document.notes.iter().chain(&document.failures) {
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Measure;
    use crate::document::tests::example;

    #[test]
    fn the_terminal_gets_one_line_for_each_subject() {
        let tables = Table::all(&example());
        assert_eq!(tables.len(), 1);
        let expected = "\
late, µs
                    median     p90     p99   worst  samples   vip is
  idle  vip           30.0    50.0    50.0    50.0        5
        keepalived   110.0  4000.0  4000.0  4000.0        3    0.27x
  busy  vip           25.0    25.0    25.0    25.0        1
        keepalived  1000.0  1000.0  1000.0  1000.0        1  0.0250x
";
        assert_eq!(tables[0].plain(), expected);
    }

    #[test]
    fn what_is_counted_is_added_up() {
        let mut document = example();
        document.series.clear();
        let count = Measure {
            title: "false",
            unit: Unit::Count,
            drawn: false,
            by: By::Nothing,
        };
        document.add(count, "idle", "vip", [1, 0, 3]);
        let expected =
            "false\n             in all  worst  samples\n  idle  vip       4      3        3\n";
        assert_eq!(Table::all(&document)[0].plain(), expected);
    }

    #[test]
    fn the_docs_get_the_same_rows() {
        let text = Table::all(&example())[0].markdown();
        assert!(text.contains("| idle | vip | 30.0 | 50.0 | 50.0 | 50.0 | 5 |  |\n"));
        assert!(text.contains("|  | keepalived | 110.0 |"));
    }

    #[test]
    fn the_unit_goes_by_the_size_of_what_is_said() {
        let style = |unit, value| Style::fit(unit, &Vec::from_iter(Figures::of(&[value])));
        assert_eq!(
            style(Unit::Nanoseconds, 36_000_000).number(36_484_375),
            "36.48"
        );
        assert_eq!(style(Unit::Nanoseconds, 110_000).number(110_450), "110.5");
        assert_eq!(style(Unit::Nanoseconds, 73).number(73), "73");
        assert_eq!(style(Unit::Share, 86_000).number(86_000), "8.6");
        assert_eq!(style(Unit::Bytes, 0).number(3 << 19), "1.5");
        assert_eq!(style(Unit::Nanoseconds, 5_000).number(-20), "0.0");
        assert_eq!(style(Unit::Nanoseconds, 5_000).number(-60), "-0.1");
    }

    #[test]
    fn nothing_is_compared_with_nothing() {
        assert_eq!(ratio(0, 5), "");
        assert_eq!(ratio(5, -1), "");
        assert_eq!(ratio(50, 100), "0.50x");
    }
}
