//! Holds the rules of the crates against the code: who may use what, and how long a file may
//! get. The compiler and clippy see to the rest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::{shell, toolchain};

/// No file is longer: a reader should be able to hold it in the head.
const MOST_LINES: usize = 800;

/// Under `place`, code outside of tests must not name any of `words`.
struct Rule {
    place: &'static str,
    words: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        place: "vip-common/src",
        words: &[
            "std::",
            "tokio",
            "aya",
            "log::",
            "rand",
            "getrandom",
            "extern crate std",
        ],
        why: "vip-common is what both sides of the system call share, and deterministic",
    },
    Rule {
        place: "vip-userspace/src/engine",
        words: &[
            "tokio",
            "rtnetlink",
            "log::",
            "println!",
            "eprintln!",
            "std::fs",
            "HashMap",
        ],
        why: "nothing in the engine may wait, or depend on chance",
    },
    Rule {
        place: "vip-ebpf/src",
        words: &["election"],
        why: "the program at the NIC takes no part in the election",
    },
];

pub(crate) fn command() -> Result<ExitCode> {
    let mut findings = Vec::new();
    let workspace = shell::workspace();
    let mut sources = Vec::new();
    for file in files(&workspace)? {
        let text = fs::read_to_string(workspace.join(&file))
            .with_context(|| format!("cannot read {}", file.display()))?;
        sources.push((file, text));
    }
    let tests: Vec<_> = sources
        .iter()
        .flat_map(|(file, text)| test_modules(file, text))
        .collect();
    for (file, text) in &sources {
        findings.extend(length(file, text));
        // `a/tests.rs` and all of `a/tests/`.
        let is_test = tests
            .iter()
            .any(|module| file.with_extension("").starts_with(module));
        for rule in RULES
            .iter()
            .filter(|rule| !is_test && file.starts_with(rule.place))
        {
            findings.extend(forbidden(rule, file, text));
        }
    }
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    tiers(&workspace)?;
    println!("lint: the crates keep their rules");
    Ok(ExitCode::SUCCESS)
}

/// All Rust files that git knows or would take, relative to the workspace.
fn files(workspace: &Path) -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(workspace);
    git.args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.rs",
    ]);
    let files = shell::read(&mut git)?;
    let files: Vec<_> = files.lines().map(PathBuf::from).collect();
    if files.is_empty() {
        bail!("git lists no Rust file in {}", workspace.display());
    }
    // A file that was removed and not yet committed is still listed.
    let exist = files
        .into_iter()
        .filter(|file| workspace.join(file).exists());
    Ok(exist.collect())
}

fn length(file: &Path, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MOST_LINES).then(|| {
        format!(
            "{}: {lines} lines, more than {MOST_LINES}; split it",
            file.display()
        )
    })
}

/// The modules that a file declares for tests only, as paths without an ending.
fn test_modules(file: &Path, text: &str) -> Vec<PathBuf> {
    let stem = file.file_stem().unwrap_or_default();
    let directory = if ["mod", "lib", "main"].iter().any(|name| stem == *name) {
        file.parent().unwrap_or(file).to_path_buf()
    } else {
        file.with_extension("")
    };
    let lines: Vec<_> = text.lines().collect();
    let pairs = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let names = pairs.filter_map(|pair| {
        let (_, name) = pair[1].strip_suffix(';')?.rsplit_once("mod ")?;
        Some(directory.join(name))
    });
    names.collect()
}

/// The lines that name what the rule forbids. Comments may name anything, and tests may use
/// anything: they stand at the end of their file.
fn forbidden(rule: &Rule, file: &Path, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("mod tests {") {
            break;
        }
        let code = line.split("//").next().unwrap_or_default();
        for word in rule.words.iter().filter(|word| names(code, word)) {
            findings.push(format!(
                "{}:{}: `{word}`: {}",
                file.display(),
                number + 1,
                rule.why
            ));
        }
    }
    findings
}

/// Whether the code names the word: not as a part of a longer one.
fn names(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let goes_on = word.ends_with(part) && after.is_some_and(part);
        !before.is_some_and(part) && !goes_on
    })
}

/// Host builds unify the features of the workspace; only a build of each tier alone shows
/// that it stands alone.
fn tiers(workspace: &Path) -> Result<()> {
    for features in [&[][..], &["--features", "core"]] {
        let mut cargo = shell::cargo();
        cargo.args(["check", "--quiet", "--package", "vip-common"]);
        shell::run(cargo.args(features))?;
    }
    let rung = match toolchain::find(workspace) {
        Ok(rung) => rung,
        Err(missing) => bail!("the NIC program cannot be built: {missing} not found"),
    };
    let endian = if cfg!(target_endian = "big") {
        "big"
    } else {
        "little"
    };
    let cargo = shell::cargo();
    let mut cargo = rung.cargo(Path::new(cargo.get_program()));
    cargo.current_dir(workspace.join("vip-ebpf"));
    cargo.args([
        "build",
        "--quiet",
        "--release",
        "--locked",
        "-Z",
        "build-std=core",
    ]);
    cargo.args(["--target", toolchain::target(endian)]);
    // Where the build script of vip-userspace builds it too.
    let debug = shell::artifacts("debug")?;
    cargo.arg("--target-dir").arg(debug.with_file_name("ebpf"));
    shell::run(&mut cargo)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        place: "engine",
        words: &["tokio", "std::fs", "log::"],
        why: "it may wait",
    };

    fn found(text: &str) -> usize {
        forbidden(&RULE, Path::new("engine/mod.rs"), text).len()
    }

    #[test]
    fn finds_what_is_forbidden() {
        assert_eq!(found("use tokio::sync::mpsc;\n"), 1);
        assert_eq!(found("fn f() { std::fs::read(\"x\") }\n"), 1);
        assert_eq!(found("    log::info!(\"x\");\n"), 1);
    }

    #[test]
    fn comments_tests_and_longer_words_are_free() {
        assert_eq!(found("//! no tokio in here\n"), 0);
        assert_eq!(found("mod tests {\n    use std::fs;\n}\n"), 0);
        assert_eq!(found("let catalog::Entry = 1; use tokio_free;\n"), 0);
    }

    #[test]
    fn knows_which_modules_are_tests() {
        let text = "#[cfg(test)]\nmod fixtures;\nmod real;\n";
        let of = |file: &str| test_modules(Path::new(file), text);
        assert_eq!(of("wire/mod.rs"), [Path::new("wire/fixtures")]);
        assert_eq!(of("wire/arp.rs"), [Path::new("wire/arp/fixtures")]);
    }

    #[test]
    fn a_long_file_is_named() {
        let line = "fn f() {}\n";
        assert!(length(Path::new("a.rs"), &line.repeat(MOST_LINES)).is_none());
        assert!(length(Path::new("a.rs"), &line.repeat(MOST_LINES + 1)).is_some());
    }
}
