//! Entries as text that can be read again.

use super::super::Place;
use super::{Entry, Origin, Standing, Word};

/// Comments stand at the same column unless their line is longer than this.
const WIDEST: usize = 48;

/// The configuration with its comments. Without `secrets` a password is a
/// comment, so that what is read again has none rather than a wrong one.
#[must_use]
pub fn text(entries: &[Entry], secrets: bool) -> String {
    let mut out = String::new();
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 && (entry.block.is_some() || entries[index - 1].block.is_some()) {
            out.push('\n');
        }
        let mut lines = Vec::new();
        lay_out(entry, 0, secrets, &mut lines);
        let fitting = lines.iter().map(|(line, _)| line.chars().count());
        let column = fitting.filter(|width| *width <= WIDEST).max().unwrap_or(0);
        for (line, comment) in lines {
            if comment.is_empty() {
                out.push_str(&line);
            } else {
                out.push_str(&format!("{line:column$}  # {comment}"));
            }
            out.push('\n');
        }
    }
    out
}

/// The lines of an entry, each with its comment.
fn lay_out(entry: &Entry, depth: usize, secrets: bool, lines: &mut Vec<(String, String)>) {
    let indent = "    ".repeat(depth);
    let hidden = entry.standing == Standing::Secret && !secrets;
    let shown = entry.words.len().saturating_sub(usize::from(hidden));
    let mut line = String::new();
    for (index, word) in entry.words.iter().take(shown).enumerate() {
        if index > 0 && !word.joined {
            line.push(' ');
        }
        line.push_str(&quoted(word));
    }
    let comment = comment(entry, hidden);
    match (&entry.block, entry.standing) {
        // A quote that is not closed, behind which no comment can stand.
        (_, Standing::Unreadable) => {
            lines.push((format!("{indent}# the next line:"), comment));
            lines.push((format!("{indent}{line} \""), String::new()));
        }
        (_, Standing::Idle) => lines.push((format!("{indent}# {line}"), comment)),
        (_, Standing::Secret) if hidden => lines.push((format!("{indent}# {line}"), comment)),
        (Some(block), _) => {
            lines.push((format!("{indent}{line} {{"), comment));
            for inner in block {
                lay_out(inner, depth + 1, secrets, lines);
            }
            lines.push((format!("{indent}}}"), String::new()));
        }
        (None, _) => lines.push((format!("{indent}{line}"), comment)),
    }
}

fn comment(entry: &Entry, hidden: bool) -> String {
    let at = |place: &Place| format!("{}:{}", place.file, place.line);
    let mut comment = match &entry.origin {
        Origin::Written(place, None) => at(place),
        Origin::Written(place, Some(used)) => format!("{}, used at {}", at(place), at(used)),
        Origin::Inherited(place, keyword) => format!("{}, {keyword}", at(place)),
        Origin::Follows(what) => format!("default with {what}"),
        Origin::Default => "default".into(),
    };
    if let Some(given) = &entry.given {
        comment.push_str(&format!(", given as {given}"));
    }
    if hidden {
        comment.push_str(", hidden; --secrets shows it");
    }
    if let Some(remark) = &entry.remark {
        comment.push_str(&format!(", {remark}"));
    }
    // Whatever a file holds, it must not end the comment or act on a terminal.
    comment
        .chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// A word as the language reads it again.
fn quoted(word: &Word) -> String {
    let Word { text, quoted, .. } = word;
    let special =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '#' | '!' | '{' | '}');
    let begins = text.starts_with(['@', '~', '$']);
    if *quoted || text.is_empty() || begins || text.contains(special) {
        format!("\"{text}\"")
    } else {
        text.clone()
    }
}
