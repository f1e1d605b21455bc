//! Any text as a configuration, with files to include.
//!
//! What stands between lines `%% NAME` is a file of its own, which the first one
//! may include. Everything is read twice, which must come to the same; what is
//! said about it is shown.
//!
//! The parser is taken in as a module: of all that the daemon is made of, only
//! this is to be instrumented.
#![no_main]

#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unfulfilled_lint_expectations
)]
#[path = "../../../vip-userspace/src/config/mod.rs"]
mod config;

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;

use crate::config::reading::{InMemory, Limits, Reading};
use crate::config::{Severity, parse_with};

/// So small that an input which goes beyond them does not hold up the others.
const LIMITS: Limits = Limits {
    files: 50,
    bytes: 1 << 20,
    depth: 8,
    expanded: 1 << 18,
    line: 1 << 14,
    words: 10_000,
    block: 5_000,
};

/// Problems that are kept, and one that counts the others.
const MOST_PROBLEMS: usize = 1001;
/// Problems that are shown in full.
const SHOWN: usize = 20;

fuzz_target!(|data: &[u8]| {
    let mut files = InMemory::default();
    let mut name = PathBuf::from("/etc/vip/vip.conf");
    let mut content = Vec::new();
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(b"%% ") {
            Some(next) => {
                files.0.insert(name, std::mem::take(&mut content));
                let next = String::from_utf8_lossy(next);
                name = Path::new("/etc/vip").join(next.trim().trim_start_matches('/'));
            }
            None => content.extend_from_slice(line),
        }
    }
    files.0.insert(name, content);
    let Some(main) = files.0.get(Path::new("/etc/vip/vip.conf")) else {
        return;
    };
    let reading = Reading {
        id: "here".into(),
        environment: &|name| (name == "HOME").then(|| "/home".into()),
        files: &files,
        directory: "/etc/vip".into(),
        seed: 1,
        limits: LIMITS,
        keep_statements: false,
    };
    let loaded = parse_with(main, "vip.conf", &reading);
    assert!(loaded.problems.len() <= MOST_PROBLEMS);
    // To show all of them would take most of the time.
    for problem in loaded.problems.iter().take(SHOWN) {
        assert!(problem.render(false).contains(problem.message()));
    }
    for instance in &loaded.configuration.instances {
        assert!(instance.addresses.len() <= 255);
        assert!(
            instance.unusable.is_some()
                || (1..=15).contains(&instance.interface.len())
                || instance.unicast.is_some() && instance.source.is_some(),
            "an instance that could run has no interface"
        );
        assert!(
            instance.unusable.is_none()
                || loaded.count(Severity::Error) + loaded.count(Severity::Warning) > 0,
            "an instance cannot run, and nothing is said about it"
        );
    }
    let again = parse_with(main, "vip.conf", &reading);
    assert_eq!(again.configuration, loaded.configuration);
    assert_eq!(again.problems.len(), loaded.problems.len());
});
