//! `vip take` and `vip untake`: an instance to this node and back to the
//! priorities.

use super::order::{self, Progress};
use crate::cli::{TakeArgs, UntakeArgs};
use crate::error::{Exit, Failure};
use crate::services::protocol::Question;
use crate::services::status::Instance;

/// Raises an instance above all others and returns when it is MASTER.
///
/// # Errors
/// Exit code 3 where it cannot win, or has not. 6 where no daemon answers.
pub fn take(arguments: &TakeArgs) -> Result<Exit, Failure> {
    let question = Question::Take {
        instance: arguments.instance.clone(),
        for_s: arguments.span.map(|span| span.as_secs()),
    };
    let runtime_dir = &arguments.daemon.runtime_dir;
    let answer = order::give(runtime_dir, &question)?;
    order::follow(runtime_dir, &answer, taken_over, not_taken)
}

/// Lets the configured priority decide again.
///
/// # Errors
/// Exit code 3 where the instance is unknown, 6 where no daemon answers.
pub fn untake(arguments: &UntakeArgs) -> Result<Exit, Failure> {
    let question = Question::Untake {
        instance: arguments.instance.clone(),
    };
    order::give(&arguments.daemon.runtime_dir, &question).map(|_| Exit::Done)
}

/// It has not come in time.
fn not_taken(one: &Instance) -> String {
    let name = &one.name;
    format!(
        "({name}) is {} still: {}; it stays raised, 'vip untake {name}' ends that",
        one.state, one.reason
    )
}

/// Whether this node has it.
fn taken_over(one: &Instance) -> Progress {
    let name = &one.name;
    if !one.order.as_ref().is_some_and(|order| order.is_taken()) {
        return Progress::Never(format!(
            "({name}) was not taken: {}, {}",
            one.state, one.reason
        ));
    }
    match one.state.as_str() {
        "MASTER" if one.installed => Progress::Done(format!(
            "({name}) is MASTER (priority {})",
            one.effective_priority
        )),
        "MASTER" | "BACKUP" => Progress::UnderWay,
        state => Progress::Never(format!("({name}) is {state}: {}", one.reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::order::tests::instance;
    use crate::services::status::Ordered;

    fn taken(state: &str, installed: bool) -> Instance {
        let mut one = instance(state);
        one.installed = installed;
        one.effective_priority = 254;
        one.order = Some(Ordered {
            what: "taken".into(),
            left_ns: None,
        });
        one
    }

    #[test]
    fn it_is_done_when_the_addresses_are_here() {
        assert_eq!(taken_over(&taken("BACKUP", false)), Progress::UnderWay);
        assert_eq!(taken_over(&taken("MASTER", false)), Progress::UnderWay);
        assert_eq!(
            taken_over(&taken("MASTER", true)),
            Progress::Done("(VI_1) is MASTER (priority 254)".into())
        );
        assert!(matches!(
            taken_over(&taken("FAULT", false)),
            Progress::Never(_)
        ));
        assert!(matches!(
            taken_over(&instance("BACKUP")),
            Progress::Never(_)
        ));
        assert!(not_taken(&taken("BACKUP", false)).contains("vip untake VI_1"));
    }
}
