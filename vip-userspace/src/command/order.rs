//! Orders to a running daemon: given, answered, and followed until they have
//! taken effect.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Exit, Failure};
use crate::services::control;
use crate::services::protocol::{Answer, Question};
use crate::services::status::Instance;

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
/// that the daemon has named.
///
/// # Errors
/// The daemon has ended, one of them will not, or has not in time (exit code 3).
pub(super) fn follow(
    runtime_dir: &Path,
    answer: &Answer,
    look: impl Fn(&Instance) -> Progress,
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
        if Instant::now() > end {
            let message = format!(
                "not done within {}: {}; 'vip status' says where it stands",
                humantime::format_duration(Duration::from_millis(
                    u64::try_from(bound.as_millis()).unwrap_or(u64::MAX)
                )),
                left.join(", ")
            );
            return Err(Failure::new(Exit::No, message));
        }
        if !left.is_empty() {
            std::thread::sleep(LOOK);
        }
    }
    Ok(Exit::Done)
}
