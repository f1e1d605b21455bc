//! Orders to a running daemon: given, answered, and followed until they have
//! taken effect.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Exit, Failure};
use crate::services::control;
use crate::services::protocol::{Answer, Question};
use crate::services::status::Instance;
use crate::words;

/// How often the daemon is asked whether it is done.
const LOOK: Duration = Duration::from_millis(20);

/// How far an instance is with what was ordered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// Not yet.
    UnderWay,
    /// Done: what to say of it.
    Done(String),
    /// It will not be: why.
    Never(String),
}

/// Gives an order and prints the answer: what is done on standard output, what is
/// refused on standard error. A refusal ends the command with its exit code.
///
/// # Errors
/// No daemon answers, or it refuses.
pub(super) fn give(runtime_dir: &Path, question: &Question) -> Result<Answer, Failure> {
    let answer = control::order(runtime_dir, question)?;
    let exit = Exit::of(answer.exit);
    if exit != Exit::Done {
        return Err(Failure::new(exit, answer.said.join("\nvip: ")));
    }
    tell(&answer.said);
    Ok(answer)
}

/// Prints lines; a reader that has seen enough is no failure.
fn tell(lines: &[String]) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
}

/// Follows the instances that an order moves until each has, within the bound
/// that the daemon has named; `late` says what it means for one that has not.
///
/// # Errors
/// The daemon has ended, one of them will not, or has not in time (exit code 3).
pub(super) fn follow(
    runtime_dir: &Path,
    answer: &Answer,
    look: impl Fn(&Instance) -> Progress,
    late: impl Fn(&Instance) -> String,
) -> Result<Exit, Failure> {
    let bound = Duration::from_nanos(answer.bound_ns);
    let end = Instant::now() + bound;
    let mut left = answer.moving.clone();
    while !left.is_empty() {
        let status = control::ask_status(runtime_dir)?;
        let mut wrong = Vec::new();
        left.retain(|name| {
            let one = status.instances.iter().find(|one| one.name == *name);
            match one.map(&look) {
                Some(Progress::UnderWay) => true,
                Some(Progress::Done(line)) => {
                    tell(&[line]);
                    false
                }
                Some(Progress::Never(line)) => {
                    wrong.push(line);
                    false
                }
                None => {
                    wrong.push(format!("({name}) is not in the configuration any more"));
                    false
                }
            }
        });
        if !wrong.is_empty() {
            return Err(Failure::new(Exit::No, wrong.join("\nvip: ")));
        }
        if Instant::now() > end && !left.is_empty() {
            let instances = status.instances.iter();
            let late: Vec<String> = instances
                .filter(|one| left.contains(&one.name))
                .map(|one| format!("{} (waited {})", late(one), words::span(bound)))
                .collect();
            return Err(Failure::new(Exit::No, late.join("\nvip: ")));
        }
        if !left.is_empty() {
            std::thread::sleep(LOOK);
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// VI_1 in this state, as an older daemon would say it: what has been added to
    /// the document since is left out.
    pub(in crate::command) fn instance(state: &str) -> Instance {
        serde_json::from_value(serde_json::json!({
            "name": "VI_1",
            "interface": "eth0",
            "vrid": 51,
            "family": "ipv4",
            "version": 3,
            "state": state,
            "reason": "a reason",
            "since_ns": 1,
            "priority": 100,
            "effective_priority": 100,
            "master": null,
            "deadline_ns": null,
            "addresses": ["192.168.8.100/24"],
            "installed": false,
            "peers": [],
            "two_masters": false,
            "conflicts": [],
            "counters": {},
        }))
        .unwrap()
    }

    #[test]
    fn a_document_of_an_older_daemon_is_read() {
        assert_eq!(instance("MASTER").order, None);
    }
}
