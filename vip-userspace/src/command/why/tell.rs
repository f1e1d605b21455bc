//! The story, for a person, and as a document for programs: schema 1.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::plain;
use super::story::{Phase, Story};
use crate::words;

/// The number that changes when a reader of the document would break. Names only
/// ever come in addition.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    version: &'static str,
    stories: Vec<Told<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    file: String,
    instance: &'a str,
    /// Whether a shadow tells it, which holds nothing.
    shadow: bool,
    host: &'a str,
    utc: &'a str,
    /// The state that was entered; null where none was.
    state: Option<&'static str>,
    cause: &'static str,
    why: &'a str,
    seen: &'a [String],
    missing: &'a [String],
    #[serde(rename = "where")]
    place: &'a [String],
    /// Where adverts were lost, by the names that `vip trace` has for places.
    lost_at: Option<&'a str>,
    decided: &'a [String],
    took_ns: serde_json::Map<String, serde_json::Value>,
    look: &'a [String],
    remarks: &'a [String],
}

/// As a document.
pub(super) fn json(stories: &[(&Path, Story)]) -> serde_json::Result<String> {
    let stories: Vec<Told<'_>> = stories
        .iter()
        .map(|(path, story)| Told {
            file: path.display().to_string(),
            instance: &story.instance,
            shadow: story.shadow,
            host: &story.host,
            utc: &story.utc,
            state: story.state,
            cause: story.cause,
            why: &story.why,
            seen: &story.seen,
            missing: &story.missing,
            place: &story.place,
            lost_at: story.lost_at.as_deref(),
            decided: &story.decided,
            took_ns: took(story),
            look: &story.look,
            remarks: &story.remarks,
        })
        .collect();
    let document = Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        stories,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn took(story: &Story) -> serde_json::Map<String, serde_json::Value> {
    let phases = story.phases.iter().map(|phase| {
        let nanos = u64::try_from(phase.took.as_nanos()).unwrap_or(u64::MAX);
        (phase.name.to_owned(), nanos.into())
    });
    phases.collect()
}

/// For a person at night.
pub(super) fn text(stories: &[(&Path, Story)]) -> String {
    let mut text = String::new();
    for (at, (path, story)) in stories.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        // Names and reasons come from a file that anybody may have written.
        let _ = writeln!(text, "{}", plain(&story.headline));
        let mut part = |name: &str, lines: &[String]| {
            for (at, line) in lines.iter().enumerate() {
                let name = if at == 0 { name } else { "" };
                let _ = writeln!(text, "  {name:<8} {}", plain(line));
            }
        };
        part("why", std::slice::from_ref(&story.why));
        part("seen", &story.seen);
        part("missing", &story.missing);
        part("where", &story.place);
        part("decided", &story.decided);
        let phases: Vec<_> = story.phases.iter().map(phase_words).collect();
        if !phases.is_empty() {
            part("took", &[phases.join(", ")]);
        }
        part("besides", &story.remarks);
        part("look at", &story.look);
        part("file", &[path.display().to_string()]);
    }
    text
}

fn phase_words(phase: &Phase) -> String {
    let name = match phase.name {
        "arp" => "first ARP",
        "advert" => "first advert",
        "in_all" => "in all, from its last advert to our first ARP",
        other => other,
    };
    format!("{name} {}", words::span(phase.took))
}
