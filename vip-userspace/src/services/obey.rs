//! What clients ask is answered here, and what they order is carried out.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::oneshot;
use vip_common::election::{self, Why};

use super::control::{Asked, Reply};
use super::follow::{Event, Kind};
use super::log::Level;
use super::maintenance::{self, Company, Member, Named, TAKEN};
use super::orders::{BootTime, Order, Orders, What};
use super::protocol::{Answer, Question};
use super::{Services, State};
use crate::engine::published::{Snapshot, Standing};
use crate::engine::queue::Sender;
use crate::engine::{Command, rt};
use crate::error::Exit;
use crate::plan::Plan;

/// Tells an engine that has not begun yet what was ordered before. The answer
/// says of which instances. What was ordered of one that is not there any more
/// is forgotten, and said as well.
pub fn restore(plan: &Plan, orders: &mut Orders, commands: &mut Sender<Command>) -> Vec<String> {
    let mut said = Vec::new();
    let gone = {
        let known: Vec<&str> = names(plan).collect();
        maintenance::gone(&known, orders.iter())
    };
    for name in &gone {
        if let Some(order) = orders.of(name) {
            said.push(format!(
                "({name}) was {} before this start and is not in the configuration any more: that is forgotten",
                done(order.what)
            ));
        }
    }
    if let Err(error) = orders.end(&gone) {
        said.push(format!(
            "the next start says so again, since it cannot be written down: {error}"
        ));
    }
    for (slot, router) in plan.routers.iter().enumerate() {
        let Some(order) = orders.of(&router.name).filter(|_| !router.vacant) else {
            continue;
        };
        if commands.send(command(order.what, slot)).is_ok() {
            said.push(format!(
                "({}) {}, as ordered before this start",
                router.name,
                standing_order(order, BootTime::now())
            ));
        }
    }
    said
}

/// An order that holds, in words.
pub(super) fn standing_order(order: &Order, now: BootTime) -> String {
    let what = done(order.what);
    let undo = match order.what {
        What::Drained => "undrain",
        What::Taken => "untake",
    };
    let left = order.until.map_or_else(String::new, |until| {
        let left = Duration::from_secs(until.since(now).as_secs());
        format!("for another {}, or ", humantime::format_duration(left))
    });
    format!("{what} {left}until 'vip {undo} {}'", order.instance)
}

/// What an instance is that this was ordered of, in a word.
const fn done(what: What) -> &'static str {
    match what {
        What::Drained => "drained",
        What::Taken => "taken",
    }
}

/// The instances of a plan.
fn names(plan: &Plan) -> impl Iterator<Item = &str> {
    let routers = plan.routers.iter().filter(|router| !router.vacant);
    routers.map(|router| router.name.as_str())
}

/// What the engine is told of an order that was given before: nobody is waited
/// for a second time.
const fn command(what: What, slot: usize) -> Command {
    match what {
        What::Drained => Command::Drain { slot, force: true },
        What::Taken => Command::Take {
            slot,
            priority: TAKEN,
        },
    }
}

const fn undoing(what: What, slot: usize) -> Command {
    match what {
        What::Drained => Command::Undrain { slot },
        What::Taken => Command::Untake { slot },
    }
}

/// What becomes of orders after a reload: an order goes with its router, whatever
/// that is called now, else with the name; where neither is left it ends.
#[derive(Debug, Default)]
pub(super) struct CarriedOver {
    renamed: Vec<(String, String)>,
    gone: Vec<String>,
    /// For routers that are new to the engine.
    pub commands: Vec<Command>,
}

impl Services {
    /// Answers, at once or when it is known.
    pub(super) fn asked(&mut self, state: &mut State, asked: Asked) {
        let Asked { question, reply } = asked;
        let is_order = matches!(
            question,
            Question::Drain { .. }
                | Question::Undrain { .. }
                | Question::Take { .. }
                | Question::Untake { .. }
        );
        if let Some(refused) = self.refuses_orders().filter(|_| is_order) {
            return respond(reply, &refused);
        }
        let answer = match question {
            Question::Status => {
                // A client that has gone is no concern, here and below.
                if let Ok(document) = serde_json::to_vec(&self.view(state)) {
                    let _ = reply.send(document.into());
                }
                return;
            }
            Question::Glance { detail } => {
                if let Ok(document) = serde_json::to_vec(&self.glance(state, detail.as_deref())) {
                    let _ = reply.send(document.into());
                }
                return;
            }
            Question::Follow { past, standing } => {
                let _ = reply.send(self.followed(state, past, standing));
                return;
            }
            Question::Reload { dry_run } => {
                self.want_reload(state, dry_run, Some(reply));
                return;
            }
            Question::Drain {
                instances,
                for_s,
                force,
            } => self.drain(&instances, for_s.map(Duration::from_secs), force),
            Question::Undrain { instances } => self.undo(What::Drained, &instances),
            Question::Take { instance, for_s } => {
                self.take(&instance, for_s.map(Duration::from_secs))
            }
            Question::Untake { instance } => self.undo(What::Taken, &[instance]),
        };
        respond(reply, &answer);
    }

    /// Why nobody can order anything of it, if so.
    fn refuses_orders(&self) -> Option<Answer> {
        let said = "this vip is a shadow (vip run --shadow): it holds nothing that could be handed over; order it of the daemon that it shadows";
        self.shadow
            .as_ref()
            .map(|_| Answer::refused(Exit::No, vec![said.into()]))
    }

    fn drain(&mut self, names: &[String], span: Option<Duration>, force: bool) -> Answer {
        let names = if names.is_empty() {
            self::names(&self.plan).map(str::to_owned).collect()
        } else {
            names.to_vec()
        };
        self.give(What::Drained, &names, span, force)
    }

    fn take(&mut self, name: &str, span: Option<Duration>) -> Answer {
        self.give(What::Taken, &[name.to_owned()], span, false)
    }

    /// Judges an order, and if it can be, tells the engine and keeps it.
    fn give(
        &mut self,
        what: What,
        names: &[String],
        span: Option<Duration>,
        force: bool,
    ) -> Answer {
        let named = match self.whole(names) {
            Ok(named) => named,
            Err(said) => return Answer::refused(Exit::No, said),
        };
        let slots = self.slots(&named.instances);
        let snapshots = self.snapshots(&slots);
        let members = self.members(&snapshots);
        let judged = match what {
            What::Drained => maintenance::judge_drain(&members, force),
            What::Taken => maintenance::judge_take(&members, rt::now()),
        };
        if let Err(said) = judged {
            return Answer::refused(Exit::No, said);
        }
        let mut answer = Answer {
            said: named.along,
            bound_ns: nanos(match what {
                What::Drained => maintenance::bound_of_drain(&members),
                What::Taken => maintenance::bound(&members),
            }),
            ..Answer::default()
        };
        let mut commands = Vec::with_capacity(members.len());
        for (member, (slot, _)) in members.iter().zip(&snapshots) {
            let active = member.seen.standing == Standing::Active;
            let (says, moves, command) = match what {
                What::Drained => (
                    maintenance::drained(member, span),
                    active,
                    Command::Drain { slot: *slot, force },
                ),
                What::Taken => (
                    maintenance::taken(member, span),
                    !active,
                    command(what, *slot),
                ),
            };
            answer.said.push(says);
            if moves {
                answer.moving.push(member.plan.name.clone());
            }
            if maintenance::is(member, What::Taken) && what == What::Drained {
                commands.push(Command::Untake { slot: *slot });
            }
            commands.push(command);
        }
        if !self.tell_engine(commands) {
            return Answer::refused(Exit::Failed, vec![BUSY.into()]);
        }
        let until = span.map(|span| BootTime::now().after(span));
        if let Err(error) = self.orders.give(&named.instances, what, until) {
            answer.said.push(format!(
                "it ends with this daemon, since it cannot be written down: {error}"
            ));
        }
        for line in &answer.said {
            let line = format!("ordered: {line}");
            self.log.tell(Event::new(Kind::Order, Level::Notice, line));
        }
        answer
    }

    /// Ends orders of this kind: those named, or all.
    fn undo(&mut self, what: What, names: &[String]) -> Answer {
        let word = done(what);
        let after = match what {
            What::Drained => "takes part again",
            What::Taken => "its configured priority decides again",
        };
        let mut names: Vec<String> = if names.is_empty() {
            let given = self.orders.iter().filter(|order| order.what == what);
            given.map(|order| order.instance.clone()).collect()
        } else {
            names.to_vec()
        };
        if names.is_empty() {
            return Answer::done(vec![format!("nothing is {word}")]);
        }
        // An order can outlive what it was given to, and stands in nobody's way.
        let known: Vec<&str> = self::names(&self.plan).collect();
        let gone = maintenance::gone(
            &known,
            self.orders.iter().filter(|order| order.what == what),
        );
        let gone: Vec<String> = names.extract_if(.., |name| gone.contains(name)).collect();
        let Named { instances, along } = match self.whole(&names) {
            Ok(named) => named,
            Err(said) => return Answer::refused(Exit::No, said),
        };
        let (given, not): (Vec<String>, Vec<String>) = instances
            .into_iter()
            .partition(|name| self.orders.of(name).is_some_and(|order| order.what == what));
        let mut said = if given.is_empty() { Vec::new() } else { along };
        said.extend(gone.iter().map(|name| {
            format!(
                "({name}) is not in the configuration any more: that it was {word} is forgotten"
            )
        }));
        said.extend(given.iter().map(|name| format!("({name}) {after}")));
        said.extend(not.iter().map(|name| format!("({name}) is not {word}")));
        let ended: Vec<String> = given.into_iter().chain(gone).collect();
        if let Err(why) = self.end_orders(what, &ended) {
            said.push(why);
        }
        Answer::done(said)
    }

    /// Ends orders and tells the engine. What goes wrong comes back in words.
    fn end_orders(&mut self, what: What, instances: &[String]) -> Result<(), String> {
        let ended = self.orders.end(instances);
        let slots = self.slots(instances);
        let commands = slots.iter().map(|slot| undoing(what, *slot)).collect();
        for instance in instances {
            let line = format!("({instance}) is {} no more", done(what));
            self.log
                .tell(Event::new(Kind::Order, Level::Notice, line).instance(instance));
        }
        if !self.tell_engine(commands) {
            return Err(BUSY.into());
        }
        ended.map_err(|error| {
            format!(
                "a restart of the daemon brings it back, since that cannot be written down: {error}"
            )
        })
    }

    /// Ends what was ordered for a time that is over.
    pub(super) fn end_expired(&mut self) {
        let expired = self.orders.expired(BootTime::now());
        for what in [What::Drained, What::Taken] {
            let over: Vec<String> = expired
                .iter()
                .filter(|order| order.what == what)
                .map(|order| order.instance.clone())
                .collect();
            if over.is_empty() {
                continue;
            }
            if let Err(why) = self.end_orders(what, &over) {
                self.log.line(Level::Warning, &why);
            }
        }
    }

    /// An order that could not be carried out does not hold any more.
    pub(super) fn mind_orders(&mut self, slot: usize, report: election::Report) {
        let nobody_came = matches!(
            report,
            election::Report::Transition {
                why: Why::NoSuccessor,
                ..
            }
        );
        let (what, why) = if nobody_came {
            (
                What::Drained,
                "is not drained; 'vip drain --force' gives it up all the same",
            )
        } else if matches!(report, election::Report::TakeOutranked { .. }) {
            (
                What::Taken,
                "is not taken: its configured priority decides again",
            )
        } else {
            return;
        };
        let Some(router) = self.plan.routers.get(slot) else {
            return;
        };
        let name = router.name.clone();
        if self.orders.of(&name).is_none_or(|order| order.what != what) {
            return;
        }
        self.say(slot, Level::Warning, why);
        let whole = self.whole(&[name]).map(|named| named.instances);
        if let Err(why) = self.end_orders(what, &whole.unwrap_or_default()) {
            self.log.line(Level::Warning, &why);
        }
    }

    /// What becomes of orders by another plan than `before`.
    pub(super) fn carried_over(&self, before: &Plan) -> CarriedOver {
        let mut carried = CarriedOver::default();
        let named = |plan: &Plan, name: &str| {
            let mut routers = plan.routers.iter();
            routers.position(|router| !router.vacant && router.name == name)
        };
        for order in self.orders.iter() {
            let slot = named(before, &order.instance);
            let same = slot.and_then(|slot| self.plan.routers.get(slot));
            if let Some(same) = same.filter(|same| !same.vacant) {
                let pair = (order.instance.clone(), same.name.clone());
                carried.renamed.push(pair);
            } else if let Some(slot) = named(&self.plan, &order.instance) {
                // Another router by the same name.
                carried.commands.push(command(order.what, slot));
            } else {
                carried.gone.push(order.instance.clone());
            }
        }
        carried
    }

    /// Makes that true.
    pub(super) fn carry_over(&mut self, carried: &CarriedOver) {
        for name in &carried.gone {
            let line = format!(
                "({name}) is not in the configuration any more: what was ordered of it ends"
            );
            self.log.line(Level::Notice, &line);
        }
        let renamed = self.orders.rename(&carried.renamed);
        if let Err(error) = renamed.and(self.orders.end(&carried.gone)) {
            let line = format!("orders cannot be written down: {error}");
            self.log.line(Level::Warning, &line);
        }
    }

    /// Hands commands to the engine; whether it had room for all.
    pub(super) fn tell_engine(&mut self, commands: Vec<Command>) -> bool {
        let mut all = true;
        for command in commands {
            all &= self.commands.send(command).is_ok();
        }
        if !all {
            self.log.line(Level::Error, BUSY);
        }
        all
    }

    /// Completes names to whole sync groups.
    fn whole(&self, names: &[String]) -> Result<Named, Vec<String>> {
        let known: Vec<&str> = self::names(&self.plan).collect();
        maintenance::whole(&known, &self.companies(), names)
    }

    fn companies(&self) -> Vec<Company<'_>> {
        let groups = self.running.configuration.sync_groups.iter();
        groups
            .map(|group| Company {
                name: &group.name,
                members: &group.members,
            })
            .collect()
    }

    /// Where instances run; names that are unknown are left out.
    fn slots(&self, instances: &[String]) -> Vec<usize> {
        let routers = self.plan.routers.iter().enumerate();
        let places: HashMap<&str, usize> = routers
            .filter(|(_, router)| !router.vacant)
            .map(|(slot, router)| (&*router.name, slot))
            .collect();
        let slot = |name: &String| places.get(&**name).copied();
        instances.iter().filter_map(slot).collect()
    }

    fn snapshots(&self, slots: &[usize]) -> Vec<(usize, Snapshot)> {
        let read = |slot: &usize| Some((*slot, self.published.read(*slot)?));
        slots.iter().filter_map(read).collect()
    }

    fn members<'a>(&'a self, snapshots: &'a [(usize, Snapshot)]) -> Vec<Member<'a>> {
        let member = |(slot, seen): &'a (usize, Snapshot)| {
            let plan = &self.plan.routers[*slot];
            Member {
                plan,
                interface: &self.plan.ports[plan.port].name,
                hindered_by: self.plan.concerned(plan, seen.hindered_by),
                seen,
                order: self.orders.of(&plan.name),
            }
        };
        snapshots.iter().map(member).collect()
    }
}

/// The engine has taken none of its orders for a while.
const BUSY: &str =
    "the engine does not take orders at the moment: look at 'vip status', then order it again";

/// Answers an order.
pub(super) fn respond(reply: oneshot::Sender<Reply>, answer: &Answer) {
    if let Ok(document) = serde_json::to_vec(answer) {
        let _ = reply.send(document.into());
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::engine::queue::{Wake, queue};

    /// An instance was renamed in the file while no daemon ran.
    #[test]
    fn what_was_ordered_of_an_instance_that_is_gone_is_told_and_forgotten() {
        let text = include_str!("../../../tests/seed/nodeB.conf");
        let plan = Plan::new(&config::parse(text, "nodeB.conf").configuration);
        let directory = tempfile::tempdir().unwrap();
        let names = ["VI_1".to_owned(), "old".to_owned()];
        let (mut orders, _) = Orders::load(directory.path());
        orders.give(&names, What::Drained, None).unwrap();
        let (mut commands, mut told) = queue(4, &Wake::new().unwrap());
        let said = restore(&plan, &mut orders, &mut commands);
        assert_eq!(
            said,
            [
                "(old) was drained before this start and is not in the configuration any more: that is forgotten",
                "(VI_1) drained until 'vip undrain VI_1', as ordered before this start",
            ]
        );
        assert!(told.receive().is_some());
        assert!(told.receive().is_none());
        let (again, _) = Orders::load(directory.path());
        let left: Vec<_> = again.iter().map(|order| &*order.instance).collect();
        assert_eq!(left, ["VI_1"]);
    }
}
