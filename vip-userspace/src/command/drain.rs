//! `vip drain` and `vip undrain`: a node out of service and back.

use super::order::{self, Progress};
use crate::cli::{DrainArgs, UndrainArgs};
use crate::error::{Exit, Failure};
use crate::services::protocol::Question;
use crate::services::status::Instance;

/// Hands instances over and returns when another node speaks for each.
///
/// # Errors
/// Exit code 3 where nobody is known who could take over, or nobody did. 6 where
/// no daemon answers.
pub fn drain(arguments: &DrainArgs) -> Result<Exit, Failure> {
    let question = Question::Drain {
        instances: arguments.instances.clone(),
        for_s: arguments.span.map(|span| span.as_secs()),
        force: arguments.force,
    };
    let runtime_dir = &arguments.daemon.runtime_dir;
    let answer = order::give(runtime_dir, &question)?;
    order::follow(runtime_dir, &answer, handed_over)
}

/// Takes part again.
///
/// # Errors
/// Exit code 3 where an instance is unknown, 6 where no daemon answers.
pub fn undrain(arguments: &UndrainArgs) -> Result<Exit, Failure> {
    let question = Question::Undrain {
        instances: arguments.instances.clone(),
    };
    order::give(&arguments.daemon.runtime_dir, &question).map(|_| Exit::Done)
}

/// Whether another node has it.
fn handed_over(one: &Instance) -> Progress {
    let name = &one.name;
    if !one.order.as_ref().is_some_and(|order| order.is_drained()) {
        return Progress::Never(format!(
            "({name}) was not handed over: {}, {}. See whether the other node runs; --force gives the address up all the same",
            one.state, one.reason
        ));
    }
    match &one.master {
        _ if one.state == "MASTER" => Progress::UnderWay,
        Some(master) => Progress::Done(format!(
            "({name}) {} is MASTER (priority {})",
            master.address, master.priority
        )),
        None => Progress::UnderWay,
    }
}
