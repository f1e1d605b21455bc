//! `vip explain`: what a word of the configuration means, and what becomes of it.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::cli::ExplainArgs;
use crate::config::diag::nearest;
use crate::config::keywords::{TABLE, reference};
use crate::error::{Exit, Failure};

/// Prints every keyword of each name, in each block that it may stand in.
///
/// # Errors
///
/// Exit code 3 where there is no such keyword.
pub fn run(arguments: &ExplainArgs) -> Result<Exit, Failure> {
    let table = || {
        TABLE
            .iter()
            .flat_map(|(block, keywords)| keywords.iter().map(move |keyword| (*block, keyword)))
    };
    let mut text = String::new();
    let mut unknown = None;
    for word in &arguments.words {
        let before = text.len();
        for (block, keyword) in table().filter(|(_, keyword)| keyword.name == *word) {
            if !text.is_empty() {
                text.push('\n');
            }
            // To a string, which takes everything.
            let _ = write!(text, "{}", reference::Explained(block, keyword));
        }
        if text.len() == before {
            let names = table().map(|(_, keyword)| keyword.name);
            let help = nearest(word, names).map_or_else(
                || "docs/configuration.md names them all".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let message = format!("there is no keyword `{}`: {help}", word.escape_debug());
            unknown.get_or_insert(Failure::new(Exit::No, message));
        }
    }
    let _ = io::stdout().write_all(text.as_bytes());
    unknown.map_or(Ok(Exit::Done), Err)
}
