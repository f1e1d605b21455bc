//! Lists of values, and what is said of them.

/// What is said of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Figures {
    pub(crate) min: i64,
    pub(crate) p10: i64,
    pub(crate) median: i64,
    pub(crate) p90: i64,
    pub(crate) p99: i64,
    pub(crate) max: i64,
}

impl Figures {
    /// The median of an even number is the mean of the middle two; the others
    /// are values that did occur (nearest rank). Nothing of an empty list.
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
        let ranked = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted[rank - 1]
        };
        Some(Self {
            min,
            p10: ranked(10),
            median,
            p90: ranked(90),
            p99: ranked(99),
            max,
        })
    }
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
        assert_eq!((figures.p10, figures.p90, figures.p99), (3, 27, 30));
        assert_eq!(Figures::of(&[7]).unwrap().p90, 7);
    }

    #[test]
    fn the_worst_of_two_hundred_is_not_the_p99() {
        let list: Vec<i64> = (1..=200).collect();
        assert_eq!(Figures::of(&list).unwrap().p99, 198);
    }
}
