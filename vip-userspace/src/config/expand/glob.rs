//! Patterns of `include`, as csh has them: `*`, `?`, `[a-z]`, `[^a-z]`,
//! `{one,two}`, and `\` before a character that means itself.

use std::io;
use std::path::{Path, PathBuf};

use super::super::reading::{Files, Kind};

/// Patterns that one with braces may stand for.
const MOST_ALTERNATIVES: usize = 1000;
/// Names that a pattern is held against, and files that it may match.
const MOST_NAMES: usize = 100_000;

/// What `{…,…}` in a pattern stands for; `None` beyond what is bearable.
pub(super) fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut open = vec![pattern.to_string()];
    let mut done = Vec::new();
    while let Some(pattern) = open.pop() {
        if open.len() + done.len() > MOST_ALTERNATIVES {
            return None;
        }
        match first_group(&pattern) {
            Some((from, to)) => {
                let (before, after) = (pattern.get(..from)?, pattern.get(to + 1..)?);
                let inner = pattern.get(from + 1..to)?;
                let mut found: Vec<String> = members(inner)
                    .into_iter()
                    .map(|member| format!("{before}{member}{after}"))
                    .collect();
                found.reverse();
                open.extend(found);
            }
            None => done.push(pattern),
        }
    }
    Some(done)
}

/// Where the first group in braces begins and ends.
fn first_group(pattern: &str) -> Option<(usize, usize)> {
    let mut from = None;
    let mut depth = 0usize;
    for (at, c) in unescaped(pattern) {
        match c {
            '{' => {
                if depth == 0 {
                    from = Some(at);
                }
                depth += 1;
            }
            '}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return Some((from?, at));
                }
            }
            _ => {}
        }
    }
    None
}

fn members(inner: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut from, mut depth) = (0, 0usize);
    for (at, c) in unescaped(inner) {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                out.push(inner.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push(inner.get(from..).unwrap_or_default());
    out
}

/// The characters that are not behind a `\`.
fn unescaped(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut escaped = false;
    text.char_indices().filter(move |(_, c)| {
        let plain = !escaped && *c != '\\';
        escaped = !escaped && *c == '\\';
        plain
    })
}

/// Whether a name of it stands for more than itself.
pub(super) fn is_wild(pattern: &str) -> bool {
    unescaped(pattern).any(|(_, c)| matches!(c, '*' | '?' | '['))
}

/// The paths that a pattern without braces matches, in order of their names.
///
/// # Errors
/// A directory cannot be read for another reason than that it is not there, or
/// too much is found.
pub(super) fn matches(
    files: &dyn Files,
    directory: &Path,
    pattern: &str,
) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![if pattern.starts_with('/') {
        PathBuf::from("/")
    } else {
        directory.to_path_buf()
    }];
    let mut names_left = MOST_NAMES;
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for path in found {
            if !is_wild(part) {
                let one = path.join(unescape(part));
                if files.kind(&one).is_ok() {
                    next.push(one);
                }
                continue;
            }
            if !matches!(files.kind(&path), Ok(Kind::Directory)) {
                continue;
            }
            let mut names: Vec<String> = files
                .names(&path)?
                .into_iter()
                .filter_map(|name| name.into_string().ok())
                .collect();
            names_left = names_left
                .checked_sub(names.len())
                .ok_or_else(|| io::Error::other("there are too many files to look through"))?;
            names.retain(|name| name.starts_with('.') == part.starts_with('.') && fits(part, name));
            names.sort_unstable();
            next.extend(names.into_iter().map(|name| path.join(name)));
        }
        found = next;
    }
    Ok(found)
}

/// A name without the `\` before characters that mean themselves.
fn unescape(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    let mut escaped = false;
    for c in part.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    out
}

/// Whether a name fits a pattern without braces and slashes.
fn fits(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last `*` does not fit.
    let mut again: Option<(usize, usize)> = None;
    loop {
        if p == pattern.len() && n == name.len() {
            return true;
        }
        if pattern.get(p) == Some(&'*') {
            p += 1;
            again = Some((p, n));
            continue;
        }
        let step = name
            .get(n)
            .and_then(|c| one(pattern.get(p..).unwrap_or_default(), *c));
        if let Some(length) = step {
            p += length;
            n += 1;
            continue;
        }
        match again {
            Some((star, from)) if from < name.len() => {
                again = Some((star, from + 1));
                (p, n) = (star, from + 1);
            }
            _ => return false,
        }
    }
}

/// How much of the pattern stands for this character, if its beginning does.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['[', rest @ ..] => match set(rest, c) {
            Some((length, true)) => Some(length + 1),
            Some((_, false)) => None,
            // A bracket that is never closed means itself.
            None => (c == '[').then_some(1),
        },
        ['\\', literal, ..] => (*literal == c).then_some(2),
        [literal, ..] => (*literal == c).then_some(1),
        [] => None,
    }
}

/// A set's length to its `]`, and whether the character is in it.
fn set(inner: &[char], c: char) -> Option<(usize, bool)> {
    let negated = matches!(inner.first(), Some('^' | '!'));
    let first = usize::from(negated);
    let mut at = first;
    let mut found = false;
    loop {
        match inner.get(at..)? {
            [']', ..] if at > first => return Some((at + 1, found != negated)),
            [from, '-', to, ..] if *to != ']' => {
                found |= (*from..=*to).contains(&c);
                at += 3;
            }
            [one, ..] => {
                found |= *one == c;
                at += 1;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_alternatives() {
        let of = |pattern| alternatives(pattern).unwrap();
        assert_eq!(of("a"), ["a"]);
        assert_eq!(of("t{wo,hree}.c"), ["two.c", "three.c"]);
        assert_eq!(of("{{a,b},c}{1,2}"), ["a1", "a2", "b1", "b2", "c1", "c2"]);
        assert_eq!(of("x{,y}"), ["x", "xy"]);
        assert_eq!(of("{a"), ["{a"]);
        assert_eq!(of(r"\{a,b\}"), [r"\{a,b\}"]);
        assert_eq!(alternatives(&"{a,b}".repeat(20)), None);
        assert_eq!(of(&"{".repeat(10_000)).len(), 1);
    }

    #[test]
    fn names_fit_patterns_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*", "abc", true),
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("t?o", "two", true),
            ("t?o", "to", false),
            ("[tx]wo", "two", true),
            ("[^tx]wo", "two", false),
            ("[!tx]wo", "awo", true),
            ("[a-c]", "b", true),
            ("[a-c]", "d", false),
            ("[]a]", "]", true),
            ("[a", "[a", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("", "", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
        assert!(!fits(&"*a".repeat(1000), &"a".repeat(999)));
    }
}
