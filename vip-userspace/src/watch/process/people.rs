//! Who runs: processes as `/proc` shows them.

use std::fs;
use std::path::Path;

use nix::unistd::Pid;

use crate::config::trackers::{Parameters, Process};

/// `PF_EXITING`: it is ending, although its memory may still be there.
const ENDING: u64 = 4;
/// The longest name that the kernel keeps.
const LONGEST: usize = 15;

/// All processes that match.
pub(super) fn all(of: &Process) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names
        .filter_map(|name| name.parse().ok())
        .map(Pid::from_raw);
    pids.filter(|pid| is_one(*pid, of)).collect()
}

/// Whether this process runs and matches.
pub(super) fn is_one(pid: Pid, of: &Process) -> bool {
    let directory = Path::new("/proc").join(pid.to_string());
    let Ok(stat) = fs::read(directory.join("stat")) else {
        return false;
    };
    let Some((name, rest)) = parts(&stat) else {
        return false;
    };
    if !runs(rest) {
        return false;
    }
    if !reads_command(of) {
        return name
            == of
                .name
                .as_bytes()
                .get(..LONGEST)
                .unwrap_or(of.name.as_bytes());
    }
    fs::read(directory.join("cmdline")).is_ok_and(|line| has_command(&line, of))
}

/// The kernel's name of a process.
pub(super) fn name(pid: Pid) -> Option<Vec<u8>> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parts(&stat).map(|(name, _)| name.to_vec())
}

/// Whether the command line matters, rather than the kernel's name.
pub(super) const fn reads_command(of: &Process) -> bool {
    of.full_command || of.parameters.is_some()
}

/// The name, which may contain anything, and what stands behind it.
fn parts(stat: &[u8]) -> Option<(&[u8], &[u8])> {
    let begin = stat.iter().position(|byte| *byte == b'(')?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    Some((stat.get(begin + 1..end)?, stat.get(end + 1..)?))
}

/// From the fields behind the name: the first is the state, the seventh the flags.
fn runs(rest: &[u8]) -> bool {
    let rest = String::from_utf8_lossy(rest);
    let mut fields = rest.split_ascii_whitespace();
    let is_dead = matches!(fields.next(), None | Some("Z" | "X" | "x"));
    let flags = fields.nth(5).and_then(|flags| flags.parse::<u64>().ok());
    !is_dead && flags.is_some_and(|flags| flags & ENDING == 0)
}

/// Whether a command line is the one that is meant, as keepalived compares it.
fn has_command(line: &[u8], of: &Process) -> bool {
    let line = line.strip_suffix(b"\0").unwrap_or(line);
    let mut words = line.split(|byte| *byte == 0);
    if words.next() != Some(of.name.as_bytes()) {
        return false;
    }
    let Some((wanted, how)) = &of.parameters else {
        return true;
    };
    let words: Vec<&[u8]> = words.collect();
    let wanted: Vec<&[u8]> = wanted.iter().map(String::as_bytes).collect();
    match (how, wanted.split_last()) {
        (Parameters::All, _) | (_, None) => words == wanted,
        (Parameters::Partial, Some(_)) => words.starts_with(&wanted),
        (Parameters::Initial, Some((last, first))) => {
            words.starts_with(first)
                && words
                    .get(first.len())
                    .is_some_and(|word| word.starts_with(last))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn process(name: &str, parameters: Option<(&[&str], Parameters)>) -> Process {
        Process {
            name: name.into(),
            parameters: parameters
                .map(|(words, how)| (words.iter().map(ToString::to_string).collect(), how)),
            full_command: false,
            quorum: 1,
            quorum_max: None,
            fork_delay: Duration::ZERO,
            terminate_delay: Duration::ZERO,
        }
    }

    #[test]
    fn a_command_line_is_compared_word_by_word() {
        use Parameters::{All, Initial, Partial};
        let line = b"/bin/a b\0-x\0value\0last\0";
        type Wanted = Option<(&'static [&'static str], Parameters)>;
        let wanted: [(Wanted, bool); 13] = [
            (None, true),
            (Some((&["-x", "value", "last"], All)), true),
            (Some((&["-x", "value"], All)), false),
            (Some((&["-x", "value"], Partial)), true),
            (Some((&["-x", "val"], Partial)), false),
            (Some((&["value"], Partial)), false),
            (Some((&["-x", "val"], Initial)), true),
            (Some((&["-x", "value"], Initial)), true),
            (Some((&["-", "value"], Initial)), false),
            (Some((&["-x", "value", "last", "more"], Partial)), false),
            (Some((&["-x", "value", "last", "more"], Initial)), false),
            // There must be none.
            (Some((&[], Partial)), false),
            (Some((&[], Initial)), false),
        ];
        for (parameters, matches) in wanted {
            let of = process("/bin/a b", parameters);
            assert_eq!(has_command(line, &of), matches, "{parameters:?}");
        }
        assert!(!has_command(line, &process("/bin/a", None)));
        assert!(has_command(b"a\0", &process("a", Some((&[], Partial)))));
        assert!(has_command(b"a\0\0", &process("a", Some((&[""], All)))));
        assert!(!has_command(b"", &process("a", None)));
    }

    #[test]
    fn a_name_may_contain_anything() {
        let stat = b"7 (a) S (b) Z 1 2 3 4 5 4194304 0 0";
        let (name, rest) = parts(stat).unwrap();
        assert_eq!(name, b"a) S (b");
        assert!(!runs(rest));
        assert!(parts(b"nothing").is_none());
    }

    #[test]
    fn who_is_ending_does_not_run() {
        for (rest, alive) in [
            (&b" S 1 2 3 4 5 4194304 0"[..], true),
            (b" R 1 2 3 4 5 4194308 0", false),
            (b" Z 1 2 3 4 5 4194304 0", false),
            (b" S 1", false),
            (b"", false),
        ] {
            assert_eq!(runs(rest), alive, "{rest:?}");
        }
    }

    #[test]
    fn this_process_is_found() {
        let own = Pid::this();
        let kernel = name(own).unwrap();
        let of = process(std::str::from_utf8(&kernel).unwrap(), None);
        assert!(is_one(own, &of));
        assert!(all(&of).contains(&own));
        assert!(all(&process("no-such-process", None)).is_empty());
    }
}
