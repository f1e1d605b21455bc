//! What the files say, fit to be shown to whoever reads the output, a pipeline's
//! log perhaps: without passwords, and without what would act on a terminal.

use std::borrow::Cow;
use std::ops::Range;

/// A line of a file, byte for byte as long as it is, so that places on it stay true.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    let text = without_secrets(text);
    let steers = |c: char| matches!(c, '\u{80}'..='\u{9f}');
    if text.contains(steers) {
        // As many bytes as what it stands for.
        Cow::Owned(text.replace(steers, "¿"))
    } else {
        text
    }
}

/// What follows the words that take passwords becomes stars to the end of the line.
/// A `#` there is often meant to be part of the password, so a comment is hidden too.
pub(super) fn without_secrets(text: &str) -> Cow<'_, str> {
    let Some(secret) = secret(text) else {
        return Cow::Borrowed(text);
    };
    let hidden = |byte: u8| match byte {
        b' ' | b'\t' | b'{' | b'}' | b'"' => char::from(byte),
        _ => '*',
    };
    let stars: String = text
        .get(secret.clone())
        .unwrap_or_default()
        .bytes()
        .map(hidden)
        .collect();
    let mut shown = text.to_owned();
    shown.replace_range(secret, &stars);
    Cow::Owned(shown)
}

/// What is not to be shown of a line.
fn secret(text: &str) -> Option<Range<usize>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut at = 0;
    while let Some(start) = text.get(at..)?.find(is_part).map(|found| at + found) {
        let word = text.get(start..)?;
        let length = word.find(|c| !is_part(c)).unwrap_or(word.len());
        let (word, rest) = word.split_at(length);
        at = start + length;
        let after = at + usize::from(rest.starts_with(['=', ':']));
        let before = text.get(..start)?.chars().next_back();
        let defines = before == Some('$') && rest.starts_with('=');
        let found = match before {
            Some('$') => defines && names_a_secret(word),
            Some(c) if !c.is_whitespace() && !"{}\"".contains(c) => false,
            _ => takes_a_secret(word),
        };
        if found && after < text.len() {
            return Some(after..text.len());
        }
    }
    None
}

/// Keywords that take a password, also where they are misspelt.
fn takes_a_secret(word: &str) -> bool {
    let beginnings = ["auth_pas", "authpas", "passw", "passp", "secret"];
    matches!(word, "key" | "keys" | "pass") || beginnings.iter().any(|one| word.starts_with(one))
}

/// Names of definitions that sound like it.
fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["PASS", "PW", "SECRET", "KEY", "AUTH"]
        .iter()
        .any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (text, shown) in [
            ("  auth_pass 1111", "  auth_pass ****"),
            ("auth_pass \"a b\" # mine", "auth_pass \"* *\" * ****"),
            ("auth_pass adm#2023", "auth_pass ********"),
            ("auth_pass \"a#b\"", "auth_pass \"***\""),
            (
                "authentication { auth_pass é }",
                "authentication { auth_pass ** }",
            ),
            ("auth_pas 1111", "auth_pas ****"),
            ("auth_pass=1111", "auth_pass=****"),
            ("auth_pass: 1111", "auth_pass: ****"),
            ("password x", "password *"),
            ("key 7 hex:00ff", "key * ********"),
            ("$PW=1111", "$PW=****"),
            ("@a $vrrp_pass=1111", "@a $vrrp_pass=****"),
            ("auth_type PASS", "auth_type PASS"),
            ("no_auth_pass 1111", "no_auth_pass 1111"),
            ("auth_pass $PW", "auth_pass ***"),
            ("$PRIO=100", "$PRIO=100"),
            ("auth_pass", "auth_pass"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(text), shown);
            assert_eq!(line(text).len(), text.len());
        }
    }

    #[test]
    fn a_line_does_not_steer_a_terminal() {
        let text = "\u{9b}31m foo";
        assert_eq!(line(text), "¿31m foo");
        assert_eq!(line(text).len(), text.len());
    }
}
