//! Text with the places its characters come from.

use std::rc::Rc;

use super::super::source::{Span, UseId, offset};

/// From `at` on, the characters come from one place: one by one from there on,
/// or all of them from the same use of a value that stands nowhere.
#[derive(Clone, Debug)]
struct Piece {
    at: usize,
    place: Span,
    fixed: bool,
}

/// One line of text.
#[derive(Clone, Default, Debug)]
pub(in super::super) struct Line {
    text: String,
    pieces: Vec<Piece>,
}

impl Line {
    /// A line as it stands in a file; `place` is where it begins.
    pub(super) fn written(text: &str, place: Span) -> Self {
        Self {
            text: text.into(),
            pieces: vec![Piece {
                at: 0,
                place,
                fixed: false,
            }],
        }
    }

    /// A value that stands nowhere; `place` is where it is used.
    pub(super) fn value(text: &str, place: Span) -> Self {
        Self {
            text: text.into(),
            pieces: vec![Piece {
                at: 0,
                place,
                fixed: true,
            }],
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Appends a character from a place.
    fn push(&mut self, c: char, place: Span, fixed: bool) {
        let goes_on = self.pieces.last().is_some_and(|last| {
            if fixed {
                return last.fixed && last.place == place;
            }
            let along = offset(self.text.len() - last.at);
            !last.fixed
                && last.place.via == place.via
                && last.place.file == place.file
                && last.place.line == place.line
                && last.place.start + along == place.start
        });
        if !goes_on {
            self.pieces.push(Piece {
                at: self.text.len(),
                place,
                fixed,
            });
        }
        self.text.push(c);
    }

    /// Without blanks at its end.
    pub(super) fn trimmed(mut self) -> Self {
        let end = self.text.trim_end_matches(is_blank).len();
        self.text.truncate(end);
        self
    }

    /// Without a `\` at its end and the blanks before it.
    pub(super) fn without_continuation(mut self) -> Self {
        self = self.trimmed();
        if self.text.ends_with('\\') {
            self.text.pop();
        }
        self.trimmed()
    }

    /// Where it begins.
    pub(super) fn place(&self) -> Option<Span> {
        self.pieces.first().map(|piece| piece.place)
    }
}

/// A blank within a line.
pub(in super::super) fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{b}'
}

/// Reads a [`Line`].
#[derive(Debug)]
pub(super) struct Cursor {
    line: Rc<Line>,
    at: usize,
    piece: usize,
    /// Where the next character comes from.
    next: Span,
    fixed: bool,
    /// The line is a definition's text, reached by this use.
    via: Option<UseId>,
}

impl Cursor {
    /// Reads a line where it stands.
    pub(super) fn new(line: Rc<Line>) -> Self {
        let mut cursor = Self {
            line,
            at: 0,
            piece: 0,
            next: Span::NOWHERE,
            fixed: false,
            via: None,
        };
        cursor.enter();
        cursor
    }

    /// Reads a line of a definition that is used.
    pub(super) fn of_use(line: Rc<Line>, via: UseId) -> Self {
        let mut cursor = Self::new(line);
        cursor.via = Some(via);
        cursor.enter();
        cursor
    }

    fn enter(&mut self) {
        if let Some(piece) = self.line.pieces.get(self.piece) {
            self.next = piece.place;
            self.fixed = piece.fixed;
            if self.via.is_some() {
                self.next.via = self.via;
            }
        }
    }

    /// What is still to come.
    pub(super) fn rest(&self) -> &str {
        self.line.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.line.text.len()
    }

    /// Where the next character comes from.
    pub(super) fn here(&self) -> Span {
        if self.fixed {
            return self.next;
        }
        let length = self.rest().chars().next().map_or(0, char::len_utf8);
        Span {
            end: self.next.start + offset(length),
            ..self.next
        }
    }

    /// Goes over one character.
    pub(super) fn bump(&mut self) {
        let Some(c) = self.rest().chars().next() else {
            return;
        };
        self.at += c.len_utf8();
        if !self.fixed {
            self.next.start += offset(c.len_utf8());
            self.next.column += 1;
        }
        let next = self.line.pieces.get(self.piece + 1);
        if next.is_some_and(|piece| piece.at <= self.at) {
            self.piece += 1;
            self.enter();
        }
    }

    /// Moves what is still to come to the end of another line.
    pub(super) fn drain_into(mut self, line: &mut Line) {
        while let Some(c) = self.rest().chars().next() {
            line.push(c, self.here(), self.fixed);
            self.bump();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: u32, end: u32) -> Span {
        Span {
            column: start + 1,
            start,
            end,
            ..Span::NOWHERE
        }
    }

    #[test]
    fn characters_keep_their_places_when_lines_are_put_together() {
        let mut whole = Line::default();
        Cursor::new(Rc::new(Line::written("aä", at(5, 8)))).drain_into(&mut whole);
        Cursor::new(Rc::new(Line::value("12", at(20, 24)))).drain_into(&mut whole);
        Cursor::new(Rc::new(Line::written("b", at(24, 25)))).drain_into(&mut whole);
        assert_eq!(whole.text(), "aä12b");
        let mut cursor = Cursor::new(Rc::new(whole));
        let mut places = Vec::new();
        while !cursor.is_done() {
            let here = cursor.here();
            places.push((here.column, here.start, here.end));
            cursor.bump();
        }
        assert_eq!(
            places,
            [
                (6, 5, 6),
                (7, 6, 8),
                (21, 20, 24),
                (21, 20, 24),
                (25, 24, 25)
            ]
        );
    }

    #[test]
    fn a_continuation_goes_with_the_blanks_around_it() {
        let cut = |text: &str| {
            Line::written(text, Span::NOWHERE)
                .without_continuation()
                .text
        };
        assert_eq!(cut("a b \\ "), "a b");
        assert_eq!(cut("a\\"), "a");
        assert_eq!(cut("a\\ b"), "a\\ b");
        assert_eq!(cut("\\"), "");
    }
}
