//! What a terminal can show: its colours and its characters. There is no background
//! colour, so that it is right on light and on dark terminals, and nothing is told by
//! colour alone.

use ratatui::style::{Color, Modifier, Style};

/// How things look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Look {
    colour: bool,
    unicode: bool,
}

/// Eighths of a cell, from the left.
const EIGHTHS: [&str; 9] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];
/// Eighths of a cell, from below.
const LEVELS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const LEVELS_ASCII: [&str; 9] = [" ", "_", ".", "-", "=", "+", "*", "#", "@"];

impl Look {
    /// What this terminal can show, as the environment says: no colour with `NO_COLOR`,
    /// and ASCII where the locale is not UTF-8.
    pub(super) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let said = |name: &str| variable(name).filter(|value| !value.is_empty());
        let locale = said("LC_ALL")
            .or_else(|| said("LC_CTYPE"))
            .or_else(|| said("LANG"))
            .unwrap_or_default()
            .to_ascii_lowercase();
        Self {
            colour: said("NO_COLOR").is_none(),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    const fn coloured(self, colour: Color) -> Style {
        if self.colour {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    /// Of a state, by its word.
    pub(super) fn state(self, word: &str) -> Style {
        match word {
            "MASTER" => self.coloured(Color::Green).add_modifier(Modifier::BOLD),
            "FAULT" => self.alarm(),
            "INIT" => self.coloured(Color::Magenta),
            _ => Style::new(),
        }
    }

    /// What somebody should look at.
    pub(super) const fn alarm(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What is a little out of the ordinary.
    pub(super) const fn remark(self) -> Style {
        self.coloured(Color::Magenta)
    }

    /// The bar, and the sparkline.
    pub(super) const fn bar(self) -> Style {
        self.coloured(Color::Cyan)
    }

    /// What is there to be found, not to be read.
    pub(super) const fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Headings.
    pub(super) const fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is chosen, and what asks for an answer.
    pub(super) const fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A bar over `width` cells of which `part` (0 to 1) is full, with a mark at
    /// `expected`.
    pub(super) fn draw_bar(self, width: u16, part: f64, expected: f64) -> String {
        let cells = usize::from(width);
        let eighths = (part.clamp(0.0, 1.0) * cells as f64 * 8.0).round() as usize;
        let mark = (expected.clamp(0.0, 1.0) * cells as f64) as usize;
        let (full, empty, at_mark) = match self.unicode {
            true => ("█", "·", "┊"),
            false => ("#", ".", ":"),
        };
        (0..cells)
            .map(|cell| match eighths.saturating_sub(cell * 8) {
                8.. => full,
                0 if cell == mark => at_mark,
                0 => empty,
                rest if self.unicode => EIGHTHS.get(rest).copied().unwrap_or(full),
                4.. => full,
                _ => empty,
            })
            .collect()
    }

    /// A sparkline of the last `width` values (0 to 1), the newest at the right.
    pub(super) fn draw_spark(
        self,
        width: u16,
        values: impl ExactSizeIterator<Item = f64>,
    ) -> String {
        let width = usize::from(width);
        let count = values.len();
        let levels = match self.unicode {
            true => &LEVELS,
            false => &LEVELS_ASCII,
        };
        let pad = " ".repeat(width.saturating_sub(count));
        let last = values.skip(count.saturating_sub(width)).map(|value| {
            let level = (value.clamp(0.0, 1.0) * 8.0).ceil() as usize;
            levels.get(level).copied().unwrap_or(" ")
        });
        pad + &last.collect::<String>()
    }

    /// Stands before what is chosen.
    pub(super) const fn pointer(self) -> &'static str {
        if self.unicode { "▸" } else { ">" }
    }

    /// A horizontal rule.
    pub(super) const fn rule(self) -> &'static str {
        if self.unicode { "─" } else { "-" }
    }

    /// Stands for what was cut off.
    pub(super) const fn cut(self) -> char {
        if self.unicode { '…' } else { '~' }
    }

    /// The names of the keys that move the choice.
    pub(super) const fn arrows(self) -> &'static str {
        if self.unicode { "↑↓" } else { "j/k" }
    }
}

#[cfg(test)]
pub(super) const UNICODE: Look = Look {
    colour: true,
    unicode: true,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Look {
        let value = |name: &str| {
            let mut variables = variables.iter();
            let found = variables.find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Look::of(value)
    }

    #[test]
    fn the_environment_says_what_the_terminal_can_show() {
        let plain = of(&[("NO_COLOR", "1"), ("LANG", "de_DE.UTF-8")]);
        assert_eq!((plain.colour, plain.unicode), (false, true));
        assert_eq!(plain.state("FAULT").fg, None);
        // By the convention an empty variable means nothing.
        assert!(of(&[("NO_COLOR", "")]).colour);
        assert!(!of(&[]).unicode);
        assert!(!of(&[("LC_ALL", "C"), ("LANG", "C.UTF-8")]).unicode);
        assert!(of(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]).unicode);
    }

    #[test]
    fn a_bar_is_as_wide_as_its_cell_whatever_it_shows() {
        for look in [UNICODE, of(&[])] {
            for width in [0, 1, 8, 30] {
                for part in [-1.0, 0.0, 0.1, 0.5, 0.99, 1.0, 7.0, f64::NAN] {
                    let bar = look.draw_bar(width, part, 0.3);
                    assert_eq!(bar.chars().count(), usize::from(width), "{bar}");
                }
            }
        }
        assert_eq!(UNICODE.draw_bar(8, 0.5, 0.75), "████··┊·");
        assert_eq!(UNICODE.draw_bar(4, 0.28125, 0.0), "█▏··");
        assert_eq!(of(&[]).draw_bar(8, 0.5, 0.75), "####..:.");
    }

    #[test]
    fn a_sparkline_ends_with_the_newest_and_shows_the_least_of_values() {
        let spark = |width, values: &[f64]| UNICODE.draw_spark(width, values.iter().copied());
        assert_eq!(spark(4, &[0.01, 1.0]), "  ▁█");
        assert_eq!(spark(2, &[1.0, 0.5, 0.0]), "▄ ");
        assert_eq!(spark(3, &[]), "   ");
    }
}
