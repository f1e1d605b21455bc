//! Lists of values, and what is said of them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::takeover::Measured;

/// All that was measured of one contender, in nanoseconds.
pub(crate) struct Column {
    name: &'static str,
    adverts: Vec<i64>,
    arps: Vec<i64>,
    /// Rounds that could not be measured.
    pub(crate) failed: u32,
}

impl Column {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            adverts: Vec::new(),
            arps: Vec::new(),
            failed: 0,
        }
    }

    pub(crate) fn take(&mut self, measured: &Measured) {
        self.adverts.push(measured.advert_late);
        self.arps.push(measured.arp_after_advert);
    }

    /// The lists in the order of the rounds, with their figures.
    pub(crate) fn summary(&self) -> Value {
        let mut summary = json!({ "not_measured": self.failed });
        for (_, name, list) in MEASURES {
            let list = list(self);
            let figures = Figures::of(&list);
            summary[*name] = json!({
                "all": list,
                "median": figures.map(|figures| figures.median),
                "p90": figures.map(|figures| figures.p90),
                "max": figures.map(|figures| figures.max),
            });
        }
        summary
    }
}

/// For people, for programs, and where it comes from.
type Measure = (&'static str, &'static str, fn(&Column) -> Vec<i64>);

const MEASURES: &[Measure] = &[
    (
        "first advert after the deadline",
        "advert_after_deadline",
        |column| column.adverts.clone(),
    ),
    (
        "first gratuitous ARP after that advert",
        "arp_after_advert",
        |column| column.arps.clone(),
    ),
    (
        "first gratuitous ARP after the deadline",
        "arp_after_deadline",
        |column| {
            let pairs = column.adverts.iter().zip(&column.arps);
            pairs.map(|(advert, arp)| advert + arp).collect()
        },
    ),
];

/// What is said of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Figures {
    pub(crate) min: i64,
    pub(crate) median: i64,
    pub(crate) p90: i64,
    pub(crate) max: i64,
}

impl Figures {
    /// The median of an even number is the mean of the middle two; the others
    /// are values that did occur (nearest rank).
    pub(crate) fn of(list: &[i64]) -> Option<Self> {
        let mut sorted = list.to_vec();
        sorted.sort_unstable();
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            i64::midpoint(sorted[half - 1], sorted[half])
        } else {
            sorted[half]
        };
        let rank = (sorted.len() * 9).div_ceil(10);
        Some(Self {
            min,
            median,
            p90: sorted[rank - 1],
            max,
        })
    }
}

/// One measure under the other, each with a line for each contender.
pub(crate) fn table(columns: &[Column]) -> String {
    let mut text = format!(
        "\n{:38}{:>9}{:>9}{:>9}{:>9}{:>9}\n",
        "microseconds", "min", "median", "p90", "max", "rounds"
    );
    for (title, _, list) in MEASURES {
        let _ = writeln!(text, "{title}");
        for column in columns {
            let list = list(column);
            let _ = write!(text, "  {:36}", column.name);
            match Figures::of(&list) {
                Some(Figures {
                    min,
                    median,
                    p90,
                    max,
                }) => {
                    for nanos in [min, median, p90, max] {
                        let _ = write!(text, "{:>9.1}", nanos as f64 / 1000.0);
                    }
                }
                None => {
                    let _ = write!(text, "{:>36}", "nothing was measured");
                }
            }
            let _ = write!(text, "{:>9}", list.len());
            if column.failed > 0 {
                let _ = write!(text, "  and {} failed", column.failed);
            }
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_has_no_figures() {
        assert_eq!(Figures::of(&[]), None);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let figures = Figures::of(&[40, 10, 20, 30]).unwrap();
        assert_eq!(figures.median, 25);
        assert_eq!((figures.min, figures.max), (10, 40));
    }

    #[test]
    fn nine_of_ten_are_not_above_the_p90() {
        let list: Vec<i64> = (1..=30).rev().collect();
        let figures = Figures::of(&list).unwrap();
        assert_eq!(figures.p90, 27);
        assert_eq!(Figures::of(&[7]).unwrap().p90, 7);
    }
}
