//! From what the engine reports to what is told, and when.
//!
//! A state is told when it is true in the kernel too: MASTER when the addresses are
//! installed, everything else when they are gone. Who hands over is told so when he
//! has let go. A state that has passed before it was true is not told, and none twice
//! in a row.

use std::sync::Arc;

use vip_common::election::{StateName, Why};

use super::event::{self, Event, Kind, Subject, Word};
use crate::config::Configuration;
use crate::config::reaction::Notify;
use crate::engine::Hold;
use crate::engine::published::{Snapshot, Standing};
use crate::plan::Plan;
use crate::words::Told;

/// So many looks in a row, one a second, at an engine that is somewhere else than its
/// reports say; then they were lost.
const DOUBTS: u32 = 5;

/// One instance in the configuration.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Its slot.
    pub slot: usize,
    /// Its name.
    pub name: String,
    /// What it has run.
    pub notify: Arc<Notify>,
}

/// One sync group in the configuration.
#[derive(Clone, Debug)]
pub(super) struct Company {
    /// Its name.
    pub name: String,
    /// What it has run.
    pub notify: Arc<Notify>,
    /// The slots of its members.
    pub members: Vec<usize>,
}

/// Who there is to be told of, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Cast {
    /// The instances.
    pub parts: Vec<Part>,
    /// The sync groups.
    pub groups: Vec<Company>,
}

impl Cast {
    /// Of a configuration, as it is laid out.
    pub(super) fn of(plan: &Plan, configuration: &Configuration) -> Self {
        let slot = |name: &str| {
            let mut routers = plan.routers.iter();
            routers.position(|router| !router.vacant && router.name == name)
        };
        let parts = configuration.instances.iter().filter_map(|instance| {
            Some(Part {
                slot: slot(&instance.name)?,
                name: instance.name.clone(),
                notify: Arc::new(instance.notify.clone()),
            })
        });
        let groups = configuration.sync_groups.iter().filter_map(|group| {
            let planned = plan.groups.iter().find(|one| one.name == group.name)?;
            Some(Company {
                name: group.name.clone(),
                notify: Arc::new(group.notify.clone()),
                members: planned.members.clone(),
            })
        });
        Self {
            parts: parts.collect(),
            groups: groups.collect(),
        }
    }
}

/// An instance, as far as it is told of.
#[derive(Debug)]
struct One {
    part: Part,
    priority: u8,
    /// Where it stands in the election.
    stands: Option<Told>,
    /// What of its addresses is in the kernel.
    hold: Hold,
    /// What was told last.
    told: Option<Told>,
    /// It has left for good.
    left: bool,
    /// It came with the last configuration.
    new: bool,
    doubts: u32,
}

impl One {
    fn new(part: Part) -> Self {
        Self {
            part,
            priority: 0,
            stands: None,
            hold: Hold::Free,
            told: None,
            left: false,
            new: true,
            doubts: 0,
        }
    }

    fn event(&self, word: Word) -> Event {
        Event {
            subject: Subject {
                kind: Kind::Instance,
                name: self.part.name.clone(),
            },
            word,
            priority: self.priority,
            notify: Arc::clone(&self.part.notify),
        }
    }

    /// What is to be told now.
    fn due(&self) -> Option<Told> {
        let stands = self.stands.filter(|_| !self.left)?;
        let wanted = if stands == Told::Master {
            Hold::Held
        } else {
            Hold::Free
        };
        (self.hold == wanted && self.told != Some(stands)).then_some(stands)
    }

    /// Whether the engine is somewhere else than it has reported.
    fn differs(&self, seen: &Snapshot) -> bool {
        let left = matches!(
            seen.standing,
            Standing::Initialize(vip_common::election::Fault::ShutDown)
        );
        let stands = stands(seen.standing);
        let waits = matches!(self.hold, Hold::Leaving) && !seen.installed;
        (stands.is_some() && stands != self.stands)
            || left != self.left
            || (self.hold == Hold::Held) != seen.installed
            || waits
    }

    fn believe(&mut self, seen: &Snapshot) {
        self.left = matches!(
            seen.standing,
            Standing::Initialize(vip_common::election::Fault::ShutDown)
        );
        self.stands = stands(seen.standing).or(self.stands);
        self.hold = if seen.installed {
            Hold::Held
        } else {
            Hold::Free
        };
    }
}

const fn stands(standing: Standing) -> Option<Told> {
    match standing {
        Standing::Active => Some(Told::Master),
        Standing::Backup => Some(Told::Backup),
        Standing::Initialize(fault) => event::of_fault(fault),
    }
}

#[derive(Debug)]
struct Many {
    company: Company,
    told: Option<Told>,
}

impl Many {
    fn event(&self, word: Word) -> Event {
        Event {
            subject: Subject {
                kind: Kind::Group,
                name: self.company.name.clone(),
            },
            word,
            priority: 0,
            notify: Arc::clone(&self.company.notify),
        }
    }
}

/// Knows what was told of whom.
#[derive(Debug, Default)]
pub(super) struct Teller {
    ones: Vec<One>,
    groups: Vec<Many>,
    /// Taken out by a reload, until they have let go.
    leaving: Vec<One>,
    /// All ports have been looked at: whatever holds is told.
    up: bool,
    out: Vec<Event>,
}

impl Teller {
    /// What is to be told since the last time.
    pub(super) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.out)
    }

    /// Takes a configuration: the first one, or that of a reload.
    pub(super) fn recast(&mut self, cast: Cast) {
        let mut before = std::mem::take(&mut self.ones);
        // Those too that were to leave by a plan that was not taken.
        before.append(&mut self.leaving);
        for part in cast.parts {
            let at = before.iter().position(|one| one.part.slot == part.slot);
            let one = match at.map(|at| before.remove(at)) {
                // It left and made room for another one.
                Some(gone_before) if gone_before.left => {
                    self.out.extend(gone(&gone_before));
                    One::new(part)
                }
                Some(same) => One {
                    part,
                    new: false,
                    ..same
                },
                None => One::new(part),
            };
            self.ones.push(one);
        }
        self.leaving = before;
        let then = std::mem::take(&mut self.groups);
        let now = cast.groups.into_iter().map(|company| {
            let before = then.iter().find(|one| one.company.name == company.name);
            Many {
                told: before.and_then(|one| one.told),
                company,
            }
        });
        self.groups = now.collect();
        self.settle();
    }

    /// All ports have been looked at. As keepalived does, who cannot take part is
    /// told of first, then groups, then the others.
    pub(super) fn up(&mut self) {
        if std::mem::replace(&mut self.up, true) {
            return;
        }
        self.tell_where(|one| one == Told::Fault);
        for at in 0..self.groups.len() {
            if let Some(state) = self.group_state(at, One::due_or_told) {
                self.tell_group(at, state);
            }
        }
        self.settle();
    }

    /// Writes down where everybody stands, to the pipes, in the same order; who is new
    /// is told of as it comes.
    pub(super) fn again(&mut self) {
        let faulty = |one: &&One| one.told == Some(Told::Fault);
        let word = |one: &One| Some(one.event(Word::Again(one.told.filter(|_| !one.new)?)));
        let mut lines: Vec<Event> = self.ones.iter().filter(faulty).filter_map(word).collect();
        let groups = self.groups.iter();
        lines.extend(groups.filter_map(|one| Some(one.event(Word::Again(one.told?)))));
        let others = self.ones.iter().filter(|one| !faulty(one));
        lines.extend(others.filter_map(word));
        self.out.append(&mut lines);
    }

    /// The priority of a router in the election; 0 of one that leaves is none.
    pub(super) fn note_priority(&mut self, slot: usize, priority: u8) {
        if let Some(one) = self.find(slot).filter(|_| priority > 0) {
            one.priority = priority;
        }
    }

    /// A router has changed its state.
    pub(super) fn moved(&mut self, slot: usize, to: StateName, why: Why) {
        let Some(one) = self.find(slot) else { return };
        one.doubts = 0;
        one.left = matches!((to, why), (StateName::Initialize, Why::ShutDown));
        one.stands = event::told(to, why).or(one.stands);
        self.settle();
    }

    /// The addresses of a router have come, or gone.
    pub(super) fn holds(&mut self, slot: usize, hold: Hold) {
        let Some(one) = self.find(slot) else { return };
        one.doubts = 0;
        one.hold = hold;
        self.settle();
    }

    /// What it tracks has changed the priority of a router.
    pub(super) fn reweighed(&mut self, slot: usize, priority: u8) {
        self.note_priority(slot, priority);
        let Some(one) = self.find(slot) else { return };
        let master = match one.told {
            Some(Told::Master) => true,
            // Before its first state too, as in keepalived.
            Some(Told::Backup) | None => false,
            Some(Told::Fault | Told::Stop | Told::Deleted) => return,
        };
        if one.part.notify.priority_changes {
            let event = one.event(Word::Priority { master });
            self.out.push(event);
        }
    }

    /// A master has heard another one that it outranks.
    pub(super) fn contested(&mut self, slot: usize) {
        let Some(one) = self.find(slot) else { return };
        if one.told == Some(Told::Master) {
            let event = one.event(Word::LowerPriority);
            self.out.push(event);
        }
    }

    /// Looks, once a second, whether a report was lost; `seen` is what the engine
    /// shows of a slot.
    pub(super) fn look(&mut self, seen: impl Fn(usize) -> Option<Snapshot>) {
        for one in self.ones.iter_mut().chain(&mut self.leaving) {
            let Some(seen) = seen(one.part.slot).filter(|seen| one.differs(seen)) else {
                one.doubts = 0;
                continue;
            };
            one.doubts += 1;
            if one.doubts >= DOUBTS {
                one.doubts = 0;
                one.believe(&seen);
            }
        }
        self.settle();
    }

    /// What is told when the daemon ends: of each instance, then of each group.
    pub(super) fn farewell(&mut self) -> Vec<Event> {
        let mut all = self.take();
        for one in std::mem::take(&mut self.leaving) {
            all.extend(gone(&one));
        }
        let ones = self.ones.iter().filter(|one| one.told.is_some());
        all.extend(ones.map(|one| one.event(Word::State(Told::Stop))));
        let groups = self.groups.iter().filter(|one| one.told.is_some());
        all.extend(groups.map(|one| one.event(Word::State(Told::Stop))));
        all
    }

    fn find(&mut self, slot: usize) -> Option<&mut One> {
        let leaving = self.leaving.iter_mut();
        let mut all = self.ones.iter_mut().chain(leaving);
        all.find(|one| one.part.slot == slot)
    }

    /// Tells whatever is due.
    fn settle(&mut self) {
        if !self.up {
            return;
        }
        let (out, leaving) = (&mut self.out, &mut self.leaving);
        leaving.retain(|one| {
            let ends = one.left && one.hold == Hold::Free;
            if ends {
                out.extend(gone(one));
            }
            !ends
        });
        self.tell_where(|_| true);
    }

    fn tell_where(&mut self, which: impl Fn(Told) -> bool) {
        for at in 0..self.ones.len() {
            let Some(one) = self.ones.get_mut(at) else {
                continue;
            };
            let Some(state) = one.due().filter(|state| which(*state)) else {
                continue;
            };
            one.told = Some(state);
            let (slot, event) = (one.part.slot, one.event(Word::State(state)));
            self.out.push(event);
            self.follow(slot);
        }
    }

    /// The groups of a member that was just told of.
    fn follow(&mut self, slot: usize) {
        for at in 0..self.groups.len() {
            let mut members = self.groups[at].company.members.iter();
            if members.any(|member| *member == slot)
                && let Some(state) = self.group_state(at, |one| one.told)
            {
                self.tell_group(at, state);
            }
        }
    }

    /// What all members of a group are.
    fn group_state(&self, at: usize, of: impl Fn(&One) -> Option<Told>) -> Option<Told> {
        let members = &self.groups.get(at)?.company.members;
        let mut states = members.iter().map(|slot| {
            let mut ones = self.ones.iter();
            ones.find(|one| one.part.slot == *slot).and_then(&of)
        });
        let first = states.next()??;
        states.all(|state| state == Some(first)).then_some(first)
    }

    fn tell_group(&mut self, at: usize, state: Told) {
        let Some(group) = self.groups.get_mut(at) else {
            return;
        };
        if group.told.replace(state) != Some(state) {
            let event = group.event(Word::State(state));
            self.out.push(event);
        }
    }
}

impl One {
    fn due_or_told(&self) -> Option<Told> {
        self.due().or(self.told)
    }
}

/// What is told of one that a reload took out.
fn gone(one: &One) -> Option<Event> {
    one.told?;
    if one.part.notify.deleted.is_some() {
        return Some(one.event(Word::State(Told::Deleted)));
    }
    (one.told != Some(Told::Fault)).then(|| one.event(Word::Vanished))
}

#[cfg(test)]
mod tests {
    use vip_common::election::Fault;
    use vip_common::ids::Priority;

    use super::*;

    const STARTED: Why = Why::Started;
    const DOWN: Why = Why::Fault(Fault::LinkDown);

    fn notify(deleted: bool) -> Arc<Notify> {
        Arc::new(Notify {
            deleted: deleted.then_some(None),
            priority_changes: true,
            ..Notify::default()
        })
    }

    /// A, B and C in group G, D; in slots 0 to 3.
    fn cast(names: &[&str]) -> Cast {
        let part = |name: &&str| Part {
            slot: usize::from(name.as_bytes()[0] - b'A'),
            name: (*name).into(),
            notify: notify(*name == "D"),
        };
        Cast {
            parts: names.iter().map(part).collect(),
            groups: vec![Company {
                name: "G".into(),
                notify: notify(false),
                members: vec![1, 2],
            }],
        }
    }

    fn teller() -> Teller {
        let mut teller = Teller::default();
        teller.recast(cast(&["A", "B", "C", "D"]));
        for slot in 0..4 {
            teller.note_priority(slot, 100);
        }
        teller
    }

    fn told(teller: &mut Teller) -> Vec<String> {
        let line = |event: &Event| {
            let line = event.line().replace(['"', '\n'], "");
            let words: Vec<&str> = line.split(' ').skip(1).collect();
            words.join(" ")
        };
        teller.take().iter().map(line).collect()
    }

    fn started() -> Teller {
        let mut teller = teller();
        for slot in 0..4 {
            teller.moved(slot, StateName::Backup, STARTED);
        }
        teller.up();
        told(&mut teller);
        teller
    }

    fn becomes_master(teller: &mut Teller, slot: usize) {
        teller.moved(slot, StateName::Active, Why::Taken);
        teller.holds(slot, Hold::Asked);
        teller.holds(slot, Hold::Held);
    }

    #[test]
    fn at_the_start_groups_come_before_whoever_takes_part() {
        let mut teller = teller();
        for slot in [3, 1, 0, 2] {
            teller.moved(slot, StateName::Backup, STARTED);
        }
        assert_eq!(told(&mut teller), [""; 0]);
        teller.up();
        let expected = [
            "G BACKUP 0",
            "A BACKUP 100",
            "B BACKUP 100",
            "C BACKUP 100",
            "D BACKUP 100",
        ];
        assert_eq!(told(&mut teller), expected);
    }

    #[test]
    fn at_the_start_faults_come_first() {
        let mut teller = teller();
        for slot in [0, 3] {
            teller.moved(slot, StateName::Backup, STARTED);
        }
        teller.moved(1, StateName::Initialize, DOWN);
        teller.moved(2, StateName::Initialize, Why::Fault(Fault::Group));
        teller.up();
        let expected = [
            "B FAULT 100",
            "C FAULT 100",
            "G FAULT 0",
            "A BACKUP 100",
            "D BACKUP 100",
        ];
        assert_eq!(told(&mut teller), expected);
    }

    #[test]
    fn master_is_told_when_the_addresses_have_come_and_backup_when_they_have_gone() {
        let mut teller = started();
        teller.moved(0, StateName::Active, Why::Taken);
        teller.holds(0, Hold::Asked);
        assert_eq!(told(&mut teller), [""; 0]);
        teller.holds(0, Hold::Held);
        assert_eq!(told(&mut teller), ["A MASTER 100"]);
        // It hands over, or is kept for the successor.
        teller.moved(0, StateName::Initialize, Why::Drained);
        assert_eq!(told(&mut teller), [""; 0]);
        teller.holds(0, Hold::Leaving);
        assert_eq!(told(&mut teller), [""; 0]);
        teller.holds(0, Hold::Free);
        assert_eq!(told(&mut teller), ["A BACKUP 100"]);
        // Called again, it is what it was told to be.
        teller.moved(0, StateName::Backup, STARTED);
        assert_eq!(told(&mut teller), [""; 0]);
    }

    #[test]
    fn a_role_that_was_never_held_is_not_told() {
        let mut teller = started();
        teller.moved(0, StateName::Active, Why::Taken);
        teller.holds(0, Hold::Asked);
        teller.moved(0, StateName::Initialize, DOWN);
        assert_eq!(told(&mut teller), [""; 0]);
        teller.holds(0, Hold::Leaving);
        teller.holds(0, Hold::Free);
        assert_eq!(told(&mut teller), ["A FAULT 100"]);
        // Another fault is the same word.
        teller.moved(0, StateName::Initialize, Why::Fault(Fault::NoInterface));
        assert_eq!(told(&mut teller), [""; 0]);
    }

    #[test]
    fn a_group_follows_the_last_of_its_members() {
        let mut teller = started();
        becomes_master(&mut teller, 2);
        assert_eq!(told(&mut teller), ["C MASTER 100"]);
        becomes_master(&mut teller, 1);
        assert_eq!(told(&mut teller), ["B MASTER 100", "G MASTER 0"]);
    }

    #[test]
    fn the_pipes_are_told_of_priorities_where_there_is_a_role() {
        let mut teller = started();
        teller.reweighed(0, 120);
        assert_eq!(told(&mut teller), ["A BACKUP_PRIORITY 120"]);
        becomes_master(&mut teller, 0);
        teller.reweighed(0, 90);
        teller.contested(0);
        teller.contested(3);
        let expected = [
            "A MASTER 120",
            "A MASTER_PRIORITY 90",
            "A MASTER_RX_LOWER_PRI 90",
        ];
        assert_eq!(told(&mut teller), expected);
        teller.moved(0, StateName::Initialize, DOWN);
        teller.holds(0, Hold::Leaving);
        teller.holds(0, Hold::Free);
        teller.reweighed(0, 80);
        assert_eq!(told(&mut teller), ["A FAULT 90"]);
    }

    #[test]
    fn what_weighs_before_the_first_state_is_told_before_it() {
        let mut teller = Teller::default();
        teller.recast(cast(&["A"]));
        teller.reweighed(0, 80);
        assert_eq!(told(&mut teller), ["A BACKUP_PRIORITY 80"]);
    }

    #[test]
    fn whoever_is_taken_out_is_told_of_when_it_has_let_go() {
        let mut teller = started();
        becomes_master(&mut teller, 0);
        becomes_master(&mut teller, 3);
        told(&mut teller);
        teller.recast(cast(&["B", "C"]));
        teller.moved(0, StateName::Initialize, Why::ShutDown);
        teller.moved(3, StateName::Initialize, Why::ShutDown);
        assert_eq!(told(&mut teller), [""; 0]);
        for slot in [3, 0] {
            teller.holds(slot, Hold::Leaving);
            teller.holds(slot, Hold::Free);
        }
        // A does not ask for the word DELETED.
        assert_eq!(told(&mut teller), ["D DELETED 100", "A FAULT 100"]);
        teller.again();
        let all = ["G BACKUP 0", "B BACKUP 100", "C BACKUP 100"];
        assert_eq!(told(&mut teller), all);
    }

    #[test]
    fn a_plan_that_is_not_taken_changes_nothing() {
        let mut teller = started();
        becomes_master(&mut teller, 0);
        told(&mut teller);
        teller.recast(cast(&["B", "C", "E"]));
        teller.recast(cast(&["A", "B", "C", "D"]));
        assert_eq!(told(&mut teller), [""; 0]);
        teller.moved(0, StateName::Backup, Why::GroupFellBack);
        teller.holds(0, Hold::Leaving);
        teller.holds(0, Hold::Free);
        assert_eq!(told(&mut teller), ["A BACKUP 100"]);
    }

    #[test]
    fn what_is_new_is_told_of_as_it_comes() {
        let mut teller = started();
        teller.recast(cast(&["A", "B", "C", "D", "E"]));
        teller.note_priority(4, 50);
        teller.moved(4, StateName::Backup, STARTED);
        assert_eq!(told(&mut teller), ["E BACKUP 50"]);
    }

    #[test]
    fn the_end_is_told_of_instances_then_of_groups() {
        let mut teller = started();
        teller.moved(3, StateName::Initialize, DOWN);
        let lines: Vec<String> = teller.farewell().iter().map(Event::line).collect();
        assert_eq!(lines[0], "INSTANCE \"D\" FAULT 100\n");
        assert_eq!(lines[1], "INSTANCE \"A\" STOP 100\n");
        assert_eq!(lines[4], "INSTANCE \"D\" STOP 100\n");
        assert_eq!(lines[5], "GROUP \"G\" STOP 0\n");
        assert_eq!(lines.len(), 6);
    }

    #[test]
    fn reports_that_were_lost_are_made_up_for() {
        let mut teller = started();
        let seen = Snapshot {
            standing: Standing::Active,
            installed: true,
            ..Snapshot::new(Priority::DEFAULT)
        };
        let backup = Snapshot {
            standing: Standing::Backup,
            ..Snapshot::new(Priority::DEFAULT)
        };
        for _ in 1..DOUBTS {
            teller.look(|slot| Some(if slot == 0 { seen } else { backup }));
            assert_eq!(told(&mut teller), [""; 0]);
        }
        teller.look(|slot| Some(if slot == 0 { seen } else { backup }));
        assert_eq!(told(&mut teller), ["A MASTER 100"]);
    }
}
