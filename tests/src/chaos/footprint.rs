//! All that a daemon could leave behind on a host.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use vip::lab::{Host, LabError};

use crate::bpf;

/// The state of a host, one fact a line. Two of them are compared: before the
/// first daemon and after the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footprint(Vec<String>);

/// What the kernel shows of addresses, links, routes, rules and the firewall.
const SHOWN: [&[&str]; 9] = [
    &["ip", "-brief", "addr"],
    &["ip", "-brief", "link"],
    &["ip", "-4", "route", "show", "table", "all"],
    &["ip", "-6", "route", "show", "table", "all"],
    &["ip", "-4", "rule"],
    &["ip", "-6", "rule"],
    &["ip", "-4", "maddr"],
    &["ip", "-6", "maddr", "show", "dev", "eth0"],
    &["nft", "list", "ruleset"],
];

impl Footprint {
    /// As it is now.
    ///
    /// # Errors
    /// When the host does not tell.
    pub fn of(host: &Host) -> Result<Self, LabError> {
        let mut facts = Vec::new();
        for argv in SHOWN {
            let shown = host.output(argv.iter().copied())?.success()?;
            // What the kernel makes of an address comes and goes with it, if not
            // at the same moment.
            let lines = shown
                .lines()
                .filter(|line| !line.contains(" proto kernel "))
                .map(without_numbers);
            facts.extend(lines.map(|line| format!("{}: {line}", argv.join(" "))));
        }
        facts.extend(host.run(read)?.map_err(|source| LabError::System {
            step: "look at what is left on a host",
            source,
        })?);
        for (hook, count) in bpf::programs_at_eth0(host)? {
            facts.push(format!("{count} programs at {hook} of eth0"));
        }
        facts.sort();
        Ok(Self(facts))
    }

    /// What `later` has more or less, a line each.
    #[must_use]
    pub fn difference(&self, later: &Self) -> String {
        let mut text = String::new();
        for line in later.0.iter().filter(|line| !self.0.contains(line)) {
            let _ = writeln!(text, "+ {line}");
        }
        for line in self.0.iter().filter(|line| !later.0.contains(line)) {
            let _ = writeln!(text, "- {line}");
        }
        text
    }
}

/// Numbers of interfaces change with each new one: `eth0@if7`, `2: eth0`.
fn without_numbers(line: &str) -> String {
    let line = line
        .split_once(':')
        .filter(|(number, rest)| {
            number.chars().all(|c| c.is_ascii_digit()) && rest.trim_start().starts_with("eth")
        })
        .map_or(line, |(_, rest)| rest.trim_start());
    let words = line.split_whitespace().map(|word| {
        // Columns are as wide as the name with its number.
        word.split_once("@if").map_or(word, |(name, _)| name)
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Settings, sockets and files. Runs inside the host.
fn read() -> std::io::Result<Vec<String>> {
    let mut facts = Vec::new();
    for family in ["ipv4", "ipv6"] {
        let all = format!("/proc/sys/net/{family}/conf");
        for interface in fs::read_dir(all)? {
            for setting in fs::read_dir(interface?.path())? {
                let path = setting?.path();
                let shown = path.display().to_string();
                // The kernel's own clock, and a secret that nobody reads.
                if !shown.contains("stable_secret")
                    && let Ok(value) = fs::read_to_string(&path)
                {
                    facts.push(format!("{shown} = {}", value.trim()));
                }
            }
        }
    }
    for kind in ["packet", "raw", "raw6"] {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{kind}"))?;
        facts.push(format!(
            "{} sockets of kind {kind}",
            text.lines().count() - 1
        ));
    }
    let mut files = Vec::new();
    list(Path::new("/run/vip"), &mut files)?;
    facts.extend(files);
    Ok(facts)
}

fn list(directory: &Path, files: &mut Vec<String>) -> std::io::Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        // What is written down for a person is no leftover, and bounded by itself.
        if path.ends_with("recordings") {
            continue;
        }
        files.push(format!("file {}", path.display()));
        if path.is_dir() {
            list(&path, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_interfaces_do_not_count() {
        assert_eq!(
            without_numbers("eth0@if17 UP 192.168.8.4/24"),
            "eth0 UP 192.168.8.4/24"
        );
        assert_eq!(without_numbers("3:\teth0"), "eth0");
        assert_eq!(
            without_numbers("32766: from all lookup main"),
            "32766: from all lookup main",
            "a rule's number is its preference"
        );
        assert_eq!(
            without_numbers("default via 10.0.0.1"),
            "default via 10.0.0.1"
        );
    }
}
