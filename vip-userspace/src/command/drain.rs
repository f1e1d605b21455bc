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
    order::follow(runtime_dir, &answer, handed_over, given_up)
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

/// It has not been taken over in time.
fn given_up(one: &Instance) -> String {
    let name = &one.name;
    if one.state == "MASTER" || one.hands_over {
        format!("({name}) still serves: {}", one.reason)
    } else {
        format!(
            "({name}) was given up, and nobody is heard as MASTER: nobody may serve its addresses; 'vip undrain {name}' takes them back"
        )
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::order::tests::instance;
    use crate::services::status::{Master, Ordered};

    fn drained(state: &str, master: Option<Master>) -> Instance {
        let mut one = instance(state);
        one.order = Some(Ordered {
            what: "drained".into(),
            left_ns: None,
        });
        one.master = master;
        one
    }

    #[test]
    fn it_is_done_when_another_one_speaks() {
        let other = || {
            Some(Master {
                address: "192.168.8.6".parse().unwrap(),
                priority: 90,
            })
        };
        assert_eq!(handed_over(&drained("MASTER", other())), Progress::UnderWay);
        assert_eq!(handed_over(&drained("INIT", None)), Progress::UnderWay);
        assert_eq!(
            handed_over(&drained("INIT", other())),
            Progress::Done("(VI_1) 192.168.8.6 is MASTER (priority 90)".into())
        );
    }

    #[test]
    fn it_will_not_be_where_the_order_has_ended() {
        let progress = handed_over(&instance("MASTER"));
        let Progress::Never(why) = progress else {
            panic!("{progress:?}");
        };
        assert!(
            why.starts_with("(VI_1) was not handed over: MASTER"),
            "{why}"
        );
    }

    #[test]
    fn what_nobody_has_taken_over_is_said() {
        let said = given_up(&drained("INIT", None));
        assert!(said.contains("nobody may serve"), "{said}");
        let said = given_up(&drained("MASTER", None));
        assert!(said.contains("still serves"), "{said}");
    }
}
