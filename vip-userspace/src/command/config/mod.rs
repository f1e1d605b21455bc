//! `vip config`: the configuration as it holds, and why.

pub mod json;

use std::io::{self, Write as _};
use std::path::Path;

use crate::cli::ConfigArgs;
use crate::config::effective::{effective, text};
use crate::config::{self, Loaded, ReadError, Reading, Severity};
use crate::error::{Exit, Failure};

/// Prints it. What is wrong with the file is `vip check`'s to say; here it is only
/// counted, on standard error. [`Exit::Configuration`] if there is an error.
///
/// # Errors
/// Exit code 4 where there is nothing to read.
pub fn run(arguments: &ConfigArgs) -> Result<Exit, Failure> {
    let named = arguments.file.as_deref().or(arguments.named.as_deref());
    let unread = |error: ReadError| Failure::new(Exit::Configuration, error.to_string());
    let path = config::choose(named).map_err(unread)?;
    let loaded = load(&path, arguments.id.as_deref()).map_err(unread)?;
    let entries = effective(&loaded);
    let out = if arguments.json {
        let name = path.display().to_string();
        let document = json::document(&name, &loaded, &entries, arguments.secrets);
        serde_json::to_string_pretty(&document).map_err(anyhow::Error::from)? + "\n"
    } else {
        text(&entries, arguments.secrets)
    };
    // A reader that has seen enough (head, less) is no failure.
    let _ = io::stdout().lock().write_all(out.as_bytes());
    let errors = loaded.count(Severity::Error);
    let warnings = loaded.count(Severity::Warning);
    if errors + warnings > 0 {
        let _ = writeln!(
            io::stderr(),
            "{0}: errors: {errors}, warnings: {warnings}; see vip check {0}",
            path.display()
        );
    }
    Ok(if errors > 0 {
        Exit::Configuration
    } else {
        Exit::Done
    })
}

/// Reads a file as the host with this id, or else as this one.
fn load(path: &Path, id: Option<&str>) -> Result<Loaded, ReadError> {
    let reading = Reading {
        keep_statements: true,
        ..Reading::of_host(id)
    };
    config::load_with(path, reading)
}

#[cfg(test)]
mod tests {

    use super::json::{Document, Line, document};
    use super::*;

    fn seed(secrets: bool) -> Document {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/seed/nodeA.conf");
        let loaded = load(&path, None).unwrap();
        document("nodeA.conf", &loaded, &effective(&loaded), secrets)
    }

    fn find<'d>(lines: &'d [Line], word: &str) -> &'d Line {
        let found = lines.iter().find(|line| line.words[0] == word);
        found.unwrap_or_else(|| panic!("no {word} in {lines:?}"))
    }

    #[test]
    fn the_document_says_where_each_value_comes_from() {
        let document = seed(false);
        assert_eq!((document.schema, document.errors), (json::SCHEMA, 0));
        let instance = find(&document.configuration, "vrrp_instance");
        assert_eq!(instance.words, ["vrrp_instance", "VI_1"]);
        let block = instance.block.as_ref().unwrap();
        let priority = find(block, "priority");
        assert_eq!(priority.words, ["priority", "100"]);
        assert_eq!((priority.line, priority.default), (Some(10), false));
        assert!(priority.file.as_ref().unwrap().ends_with("nodeA.conf"));
        let version = find(block, "version");
        assert_eq!((version.line, version.default), (None, true));
    }

    #[test]
    fn included_files_and_lines_for_hosts_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let main = file(
            "main.conf",
            "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n include more/*.conf\n\
             @a priority 10\n@b priority 20\n}\n",
        );
        std::fs::create_dir(directory.path().join("more")).unwrap();
        file("more/x.conf", "virtual_ipaddress {\n 192.0.2.1\n}\n");
        let print = |id| text(&effective(&load(&main, Some(id)).unwrap()), true);
        let (a, b) = (print("a"), print("b"));
        assert!(
            a.contains("priority 10") && !a.contains("priority 20"),
            "{a}"
        );
        assert!(
            b.contains("priority 20") && !b.contains("priority 10"),
            "{b}"
        );
        let address = a.lines().find(|line| line.contains("192.0.2.1/32"));
        let address = address.unwrap_or_else(|| panic!("{a}"));
        assert!(address.contains("x.conf:2"), "{address}");
    }

    #[test]
    fn a_secret_is_told_only_to_who_asks() {
        let password = |document: &Document| {
            let instance = find(&document.configuration, "vrrp_instance");
            let block = instance.block.as_ref().unwrap();
            find(
                find(block, "authentication").block.as_ref().unwrap(),
                "auth_pass",
            )
            .clone()
        };
        let hidden = password(&seed(false));
        assert_eq!((hidden.words.len(), hidden.hidden), (1, true));
        let shown = password(&seed(true));
        assert_eq!(shown.words, ["auth_pass", "1111"]);
        assert!(!shown.hidden);
    }

    #[test]
    fn the_document_can_be_read_by_who_knows_schema_1() {
        let document = seed(true);
        let text = serde_json::to_string(&document).unwrap();
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), document);
    }
}
