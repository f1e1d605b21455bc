//! Keywords that take several words of different kinds.

use super::diag::{Finding, Sink, nearest, quoted};
use super::keywords::{Keyword, Shape};
use super::lex::Token;
use super::source::Span;
use super::value::Value;

/// What is wrong with words.
#[derive(PartialEq, Eq, Debug)]
enum Wrong<'w> {
    /// One more is needed.
    Short,
    /// This one does not fit.
    At(&'w Token),
}

/// Reads the words behind a keyword whose shape has several kinds of them. They
/// come out as they stand, checked; `None` for any other shape.
pub(super) fn read(
    keyword: &Keyword,
    words: &[Token],
    span: Span,
    sink: &mut Sink,
) -> Option<Value> {
    let Keyword { name, shape, .. } = *keyword;
    let finding = match check(shape, words)? {
        Ok(()) => return Some(Value::Words(words.into())),
        Err(Wrong::Short) => Finding::error(span, format!("`{name}` needs a value"))
            .help(format!("it takes {shape}")),
        Err(Wrong::At(word)) => {
            let not = quoted(&word.text);
            let finding = Finding::error(word.span, format!("`{name}` takes {shape}, not {not}"));
            let near = if let Shape::Signed(choices) = shape {
                nearest(bare(&word.text), choices.iter().copied())
            } else {
                None
            };
            finding.help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "the line is skipped".to_owned(),
            })
        }
    };
    sink.add(finding);
    Some(Value::Refused)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other shapes are one word, a list or a grammar of its own"
)]
fn check(shape: Shape, words: &[Token]) -> Option<Result<(), Wrong<'_>>> {
    Some(match shape {
        Shape::Numbers(min, max) => each(words, |text| is_whole(text, min, max)),
        Shape::AfterAll(min, max) => {
            let number = match words {
                [all, rest @ ..] if &*all.text == "all" => rest.first(),
                [first, ..] => Some(first),
                [] => None,
            };
            number.map_or(Err(Wrong::Short), |word| {
                fits(word, is_whole(&word.text, min, max))
            })
        }
        Shape::Signed([]) => Ok(()),
        Shape::Signed(_) if words.is_empty() => Ok(()),
        Shape::Signed(choices) => each(words, |text| choices.contains(&bare(text))),
        Shape::Umask => {
            let whole: String = words.iter().map(|word| &*word.text).collect();
            words
                .first()
                .map_or(Err(Wrong::Short), |word| fits(word, is_umask(&whole)))
        }
        _ => return None,
    })
}

/// At least one word, and each of them like this.
fn each(words: &[Token], is: impl Fn(&str) -> bool) -> Result<(), Wrong<'_>> {
    if words.is_empty() {
        return Err(Wrong::Short);
    }
    match words.iter().find(|word| !is(&word.text)) {
        Some(word) => Err(Wrong::At(word)),
        None => Ok(()),
    }
}

fn fits(word: &Token, is: bool) -> Result<(), Wrong<'_>> {
    if is { Ok(()) } else { Err(Wrong::At(word)) }
}

/// Without its sign.
fn bare(word: &str) -> &str {
    word.strip_prefix(['+', '-']).unwrap_or(word)
}

fn is_whole(text: &str, min: i64, max: i64) -> bool {
    text.parse()
        .is_ok_and(|number| (min..=max).contains(&number))
}

/// A number as in C up to 0777, or names of rights with `|` between them.
fn is_umask(text: &str) -> bool {
    let (digits, base) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    if let Ok(number) = u32::from_str_radix(digits, base) {
        return number <= 0o777;
    }
    text.split('|').all(|name| RIGHTS.contains(&name))
}

/// What `umask` knows by name.
const RIGHTS: [&str; 12] = [
    "IRUSR", "IWUSR", "IXUSR", "IRWXU", "IRGRP", "IWGRP", "IXGRP", "IRWXG", "IROTH", "IWOTH",
    "IXOTH", "IRWXO",
];

#[cfg(test)]
mod tests {
    use crate::config::parse;

    /// Whether a line is taken as it is, in the block that knows its word.
    fn takes(block: &str, line: &str) -> bool {
        let word = line.split(' ').next().unwrap();
        let text = format!(
            "{block} {{\n{line}\n{}\n",
            "}".repeat(block.matches('{').count() + 1)
        );
        let loaded = parse(&text, "t");
        assert!(
            loaded
                .problems
                .iter()
                .all(|problem| !problem.message().contains("unknown"))
        );
        let (refused, short) = (format!("`{word}` takes "), format!("`{word}` needs "));
        !loaded.problems.iter().any(|problem| {
            problem.message().starts_with(&refused) || problem.message().starts_with(&short)
        })
    }

    #[test]
    fn each_form_takes_what_keepalived_takes() {
        for (block, word, good, bad) in [
            (
                "global_defs",
                "vrrp_cpu_affinity",
                vec!["0", "1 2 9"],
                vec!["", "9999", "0,1", "1 x"],
            ),
            (
                "global_defs",
                "vrrp_garp_extra_if",
                vec!["5", "all 5"],
                vec!["", "all", "0", "all 86401", "some 5"],
            ),
            (
                "global_defs",
                "include_check",
                vec!["", "read", "+read -match"],
                vec!["reed", "+", "read x"],
            ),
            (
                "global_defs",
                "umask",
                vec!["0177", "5", "0x1f", "IRUSR|IWUSR", "IRWXG | IXOTH"],
                vec!["", "0888", "1777", "S_IRUSR", "IRUSR IWUSR", "IRWXQ"],
            ),
        ] {
            for rest in good {
                assert!(takes(block, &format!("{word} {rest}")), "{word} {rest}");
            }
            for rest in bad {
                assert!(!takes(block, &format!("{word} {rest}")), "{word} {rest}");
            }
        }
    }
}
