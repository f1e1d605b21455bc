//! `~SEQ(var, [start,] [step,] end)`, `~SEQx(…)`, `~LST(var, v1, v2…)` and
//! `~LST({a,b}, {1,2}, {3,4})`: the values a line is repeated over.

/// The values of one repetition, from the next one on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Values {
    /// Of `~SEQ`.
    Numbers {
        name: String,
        next: i64,
        step: i64,
        end: i64,
        hex: bool,
    },
    /// Of `~LST`; the rows in reverse order.
    Rows {
        names: Vec<String>,
        rows: Vec<Vec<String>>,
    },
}

/// One round: names and what they stand for in it.
pub(super) type Round = Vec<(String, String)>;

impl Values {
    /// The next round.
    pub(super) fn advance(&mut self) -> Option<Round> {
        match self {
            Self::Numbers {
                name,
                next,
                step,
                end,
                hex,
            } => {
                let value = *next;
                if (*step > 0 && value > *end) || (*step < 0 && value < *end) {
                    return None;
                }
                *next = value.saturating_add(*step);
                let text = if *hex {
                    format!("{value:x}")
                } else {
                    value.to_string()
                };
                Some(vec![(name.clone(), text)])
            }
            Self::Rows { names, rows } => {
                let row = rows.pop()?;
                let mut values = row.into_iter();
                Some(
                    names
                        .iter()
                        .map(|name| (name.clone(), values.next().unwrap_or_default()))
                        .collect(),
                )
            }
        }
    }
}

/// What repeats the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Decimal,
    Hex,
    List,
}

/// The repetition that begins here: its kind, and how long its name is.
pub(super) fn kind(text: &str) -> Option<(Kind, usize)> {
    let (kind, length) = if text.starts_with("~SEQx") {
        (Kind::Hex, 5)
    } else if text.starts_with("~SEQ") {
        (Kind::Decimal, 4)
    } else if text.starts_with("~LST") {
        (Kind::List, 4)
    } else {
        return None;
    };
    Some((kind, length))
}

/// Reads what stands between the parentheses.
///
/// # Errors
/// What is wrong with it, to follow a place.
pub(super) fn values(kind: Kind, inner: &str) -> Result<Values, String> {
    let fields = fields(inner)?;
    match kind {
        Kind::Decimal => numbers(&fields, false),
        Kind::Hex => numbers(&fields, true),
        Kind::List => rows(&fields),
    }
}

/// Splits at commas outside braces.
fn fields(inner: &str) -> Result<Vec<&str>, String> {
    let mut out = Vec::new();
    let (mut from, mut depth) = (0, 0usize);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1).ok_or("a `}` in it closes nothing")?;
            }
            ',' if depth == 0 => {
                out.push(inner.get(from..at).unwrap_or_default().trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err("a `{` in it is not closed".into());
    }
    out.push(inner.get(from..).unwrap_or_default().trim());
    Ok(out)
}

/// Whether a variable can have this name.
pub(super) fn is_name(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn name(word: &str) -> Result<String, String> {
    if is_name(word) {
        Ok(word.into())
    } else {
        Err(format!(
            "{} cannot be the name of a variable",
            super::super::diag::quoted(word)
        ))
    }
}

fn numbers(fields: &[&str], hex: bool) -> Result<Values, String> {
    let (variable, start, step, end) = match *fields {
        [variable, end] => (variable, "1", None, end),
        [variable, start, end] => (variable, start, None, end),
        [variable, start, step, end] => (variable, start, Some(step), end),
        _ => return Err("it has the form (NAME, [START,] [STEP,] END)".into()),
    };
    let name = name(variable)?;
    let (next, end) = (number(start)?, number(end)?);
    let step = match step {
        Some(step) => number(step)?,
        None if end < next => -1,
        None => 1,
    };
    if step == 0 {
        return Err("its step is 0".into());
    }
    if (step > 0 && next > end) || (step < 0 && next < end) {
        return Err(format!(
            "with a step of {step} it never gets from {next} to {end}"
        ));
    }
    if hex && (next < 0 || end < 0) {
        return Err("hexadecimal numbers cannot be negative".into());
    }
    Ok(Values::Numbers {
        name,
        next,
        step,
        end,
        hex,
    })
}

/// A number as in C: `0x` makes it hexadecimal, a leading `0` octal.
fn number(word: &str) -> Result<i64, String> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let read = if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        None
    } else if let Some(hex) = hex {
        u32::from_str_radix(hex, 16).ok()
    } else if digits.len() > 1 && digits.starts_with('0') {
        u32::from_str_radix(digits, 8).ok()
    } else {
        digits.parse().ok()
    };
    match read {
        Some(value) if negative => Ok(-i64::from(value)),
        Some(value) => Ok(i64::from(value)),
        None => Err(format!(
            "{} is not a number{}",
            super::super::diag::quoted(word),
            if digits.starts_with('0') {
                "; after a leading 0 it is octal"
            } else {
                ""
            }
        )),
    }
}

fn rows(fields: &[&str]) -> Result<Values, String> {
    let Some((names, values)) = fields.split_first() else {
        return Err("it is empty".into());
    };
    if values.is_empty() {
        return Err("it has the form (NAME, VALUE, …) or ({A, B}, {1, 2}, …)".into());
    }
    let names = match group(names) {
        Some(names) => names.map(name).collect::<Result<Vec<_>, _>>()?,
        None => vec![name(names)?],
    };
    let mut rows = Vec::with_capacity(values.len());
    for value in values {
        let row: Vec<String> = match group(value) {
            Some(row) => row.map(Into::into).collect(),
            None => vec![(*value).into()],
        };
        if row.len() > names.len() {
            return Err(format!(
                "{} has more values than there are names",
                super::super::diag::quoted(value)
            ));
        }
        rows.push(row);
    }
    rows.reverse();
    Ok(Values::Rows { names, rows })
}

/// The members of `{a,b}`.
fn group(field: &str) -> Option<impl Iterator<Item = &str>> {
    let inner = field.strip_prefix('{')?.strip_suffix('}')?;
    Some(inner.split(',').map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kind: Kind, inner: &str) -> Result<Vec<String>, String> {
        let mut values = values(kind, inner)?;
        let mut out = Vec::new();
        while let Some(round) = values.advance() {
            let round: Vec<String> = round.into_iter().map(|(_, value)| value).collect();
            out.push(round.join("/"));
        }
        Ok(out)
    }

    fn seq(inner: &str) -> Vec<String> {
        all(Kind::Decimal, inner).unwrap()
    }

    #[test]
    fn sequences_count_as_in_c() {
        assert_eq!(seq("i,3"), ["1", "2", "3"]);
        assert_eq!(seq(" i , 2 , 4 "), ["2", "3", "4"]);
        assert_eq!(seq("i,2,2,7"), ["2", "4", "6"]);
        assert_eq!(seq("i,3,1"), ["3", "2", "1"]);
        assert_eq!(seq("i,5,-2,1"), ["5", "3", "1"]);
        assert_eq!(seq("i,-1,1"), ["-1", "0", "1"]);
        assert_eq!(seq("i,0"), ["1", "0"]);
        assert_eq!(seq("i,-1"), ["1", "0", "-1"]);
        assert_eq!(seq("i,0x8,0XA"), ["8", "9", "10"]);
        assert_eq!(seq("i,010,011"), ["8", "9"]);
        assert_eq!(all(Kind::Hex, "i,9,0xb").unwrap(), ["9", "a", "b"]);
    }

    #[test]
    fn lists_bind_one_name_or_several() {
        let lst = |inner| all(Kind::List, inner).unwrap();
        assert_eq!(lst("i, a,b"), ["a", "b"]);
        assert_eq!(lst("i,,b"), ["", "b"]);
        assert_eq!(lst("{i,j},{1,2}, {3,4}"), ["1/2", "3/4"]);
        assert_eq!(lst("{i,j},a,{b}"), ["a/", "b/"]);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let why = |kind, inner| all(kind, inner).unwrap_err();
        assert_eq!(
            why(Kind::Decimal, "i"),
            "it has the form (NAME, [START,] [STEP,] END)"
        );
        assert_eq!(why(Kind::Decimal, "i,1,0,3"), "its step is 0");
        assert_eq!(
            why(Kind::Decimal, "i,1,-1,3"),
            "with a step of -1 it never gets from 1 to 3"
        );
        assert_eq!(
            why(Kind::Decimal, "i,08"),
            "`08` is not a number; after a leading 0 it is octal"
        );
        assert_eq!(why(Kind::Decimal, "i,a,2"), "`a` is not a number");
        assert_eq!(
            why(Kind::Decimal, ",1,2"),
            "`` cannot be the name of a variable"
        );
        assert_eq!(
            why(Kind::Hex, "i,-1,1"),
            "hexadecimal numbers cannot be negative"
        );
        assert_eq!(
            why(Kind::List, "{i,j},{1,2,3}"),
            "`{1,2,3}` has more values than there are names"
        );
        assert_eq!(why(Kind::List, "{i,a"), "a `{` in it is not closed");
    }
}
