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

    /// Both lists in the order of the rounds, with their figures.
    pub(crate) fn summary(&self) -> Value {
        let figures = |list: &[i64]| {
            let figures = Figures::of(list);
            json!({
                "all": list,
                "median": figures.map(|figures| figures.median),
                "p90": figures.map(|figures| figures.p90),
                "max": figures.map(|figures| figures.max),
            })
        };
        json!({
            "advert_after_deadline": figures(&self.adverts),
            "arp_after_advert": figures(&self.arps),
            "not_measured": self.failed,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Figures {
    min: i64,
    median: i64,
    p90: i64,
    max: i64,
}

impl Figures {
    /// The median of an even number is the mean of the middle two; the others
    /// are values that did occur (nearest rank).
    fn of(list: &[i64]) -> Option<Self> {
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

/// One line for each contender, in microseconds.
pub(crate) fn table(columns: &[Column]) -> String {
    let mut text = format!(
        "\n{:16}  {:^40}  {:^31}\n{:16}  {:>9}{:>10}{:>10}{:>10}   {:>10}{:>10}{:>10}  {:>6}  {:>8}\n",
        "",
        "advert after the deadline, us",
        "ARP after the advert, us",
        "",
        "min",
        "median",
        "p90",
        "max",
        "median",
        "p90",
        "max",
        "rounds",
        "failed",
    );
    for column in columns {
        let micros = |nanos: i64| format!("{:.1}", nanos as f64 / 1000.0);
        let _ = write!(text, "{:16}", column.name);
        match (Figures::of(&column.adverts), Figures::of(&column.arps)) {
            (Some(advert), Some(arp)) => {
                let _ = write!(
                    text,
                    "  {:>9}{:>10}{:>10}{:>10}   {:>10}{:>10}{:>10}",
                    micros(advert.min),
                    micros(advert.median),
                    micros(advert.p90),
                    micros(advert.max),
                    micros(arp.median),
                    micros(arp.p90),
                    micros(arp.max),
                );
            }
            _ => {
                let _ = write!(text, "  {:>72}", "nothing was measured");
            }
        }
        let _ = writeln!(text, "  {:>6}  {:>8}", column.adverts.len(), column.failed);
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
