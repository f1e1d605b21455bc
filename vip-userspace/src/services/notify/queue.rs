//! The scripts of one subject, one after the other. It knows neither processes nor a
//! clock: it is told the time, and says what is to be done.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::event::{Event, Script, Word};
use crate::words::Told;

/// So many changes of one subject wait for its scripts; of more, the oldest are left
/// out.
pub const MOST_WAITING: usize = 32;

/// For so long a script goes on while a later change waits for it. Then it is ended.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The same where one of those that wait is MASTER: what hangs must not keep it from
/// promoting anything.
pub const PATIENCE_OF_A_MASTER: Duration = Duration::from_secs(5);

/// One change, and what of it has not been run yet.
#[derive(Debug)]
struct Change {
    word: Word,
    scripts: VecDeque<Script>,
}

/// What runs and what waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Change>,
    /// What is left of the change whose script runs, or has run last.
    rest: VecDeque<Script>,
    runs: bool,
    /// Since when a later change has waited for the one that runs.
    waited_for: Option<Instant>,
    /// Changes that were left out.
    pub(super) left_out: u64,
}

impl Queue {
    /// Puts a change behind the others. What is left out to make room for it is
    /// returned: the word of a change that nobody will be told any more.
    pub(super) fn push(&mut self, event: &Event, now: Instant) -> Option<Word> {
        let scripts: VecDeque<Script> = event.scripts().into();
        if scripts.is_empty() {
            return None;
        }
        // Whoever is told once that there is another master need not be told twice.
        let mut waiting = self.waiting.iter();
        if event.word == Word::LowerPriority && waiting.any(|one| one.word == event.word) {
            self.left_out += 1;
            return None;
        }
        self.waiting.push_back(Change {
            word: event.word,
            scripts,
        });
        if self.runs {
            self.waited_for.get_or_insert(now);
        }
        let over = self.waiting.len() > MOST_WAITING;
        let left_out = over.then(|| self.waiting.pop_front()).flatten()?;
        self.left_out += 1;
        Some(left_out.word)
    }

    /// The script that would be started now.
    pub(super) fn next(&self) -> Option<&Script> {
        if self.runs {
            return None;
        }
        let first = self.waiting.front().and_then(|one| one.scripts.front());
        self.rest.front().or(first)
    }

    /// The script to be started now; it runs from then on.
    pub(super) fn start(&mut self, now: Instant) -> Option<Script> {
        if self.runs {
            return None;
        }
        if self.rest.is_empty() {
            self.rest = self.waiting.pop_front()?.scripts;
        }
        let script = self.rest.pop_front()?;
        self.runs = true;
        self.waited_for = (!self.waiting.is_empty()).then_some(now);
        Some(script)
    }

    /// The one that ran has ended, all of it.
    pub(super) fn ended(&mut self) {
        self.runs = false;
        self.waited_for = None;
    }

    /// Until when the one that runs may go on; without end where nobody waits for it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let mut waiting = self.waiting.iter();
        let master = waiting.any(|one| one.word == Word::State(Told::Master));
        let patience = if master {
            PATIENCE_OF_A_MASTER
        } else {
            PATIENCE
        };
        self.waited_for.map(|since| since + patience)
    }

    /// Whether there is nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        !self.runs && self.rest.is_empty() && self.waiting.is_empty()
    }

    /// How many changes wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The daemon ends: whatever waits is out of date, but what is told of the end.
    pub(super) fn keep_only_the_end(&mut self) {
        let before = self.waiting.len();
        self.waiting
            .retain(|one| matches!(one.word, Word::State(Told::Stop | Told::Deleted)));
        self.left_out += u64::try_from(before - self.waiting.len()).unwrap_or(0);
        self.rest.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::event::{Kind, Subject};
    use super::*;
    use crate::config::reaction::{Command, Notify};

    fn event(word: Word) -> Event {
        let command = |name: &str| {
            let argv = vec![name.to_owned()];
            Some(Command { argv, user: None })
        };
        Event {
            subject: Subject {
                kind: Kind::Instance,
                name: "A".into(),
            },
            word,
            priority: 100,
            notify: Arc::new(Notify {
                master: command("master"),
                backup: command("backup"),
                stop: command("stop"),
                any: command("any"),
                master_rx_lower_pri: command("rx"),
                ..Notify::default()
            }),
        }
    }

    const MASTER: Word = Word::State(Told::Master);
    const BACKUP: Word = Word::State(Told::Backup);

    fn name(script: Option<Script>) -> String {
        script.map_or_else(String::new, |script| {
            let more = script.more.get(2).cloned().unwrap_or_default();
            format!("{}{more}", script.command.argv[0])
        })
    }

    fn run_out(queue: &mut Queue, now: Instant) -> Vec<String> {
        let mut ran = Vec::new();
        while !queue.is_idle() {
            ran.push(name(queue.start(now)));
            queue.ended();
        }
        ran
    }

    #[test]
    fn one_runs_at_a_time_and_the_specific_one_first() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(&event(MASTER), now);
        queue.push(&event(BACKUP), now);
        assert_eq!(name(queue.start(now)), "master");
        assert_eq!(queue.start(now), None);
        queue.ended();
        let rest = ["anyMASTER", "backup", "anyBACKUP"];
        assert_eq!(run_out(&mut queue, now), rest);
        assert_eq!(queue.left_out, 0);
    }

    #[test]
    fn of_too_many_the_oldest_are_left_out_and_the_last_runs() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(&event(MASTER), now);
        assert_eq!(name(queue.start(now)), "master");
        for _ in 0..500 {
            queue.push(&event(BACKUP), now);
            queue.push(&event(MASTER), now);
        }
        queue.push(&event(BACKUP), now);
        assert_eq!(queue.waiting(), MOST_WAITING);
        assert_eq!(queue.left_out, 1001 - MOST_WAITING as u64);
        queue.ended();
        let ran = run_out(&mut queue, now);
        assert_eq!(ran.len(), 1 + 2 * MOST_WAITING);
        assert_eq!(ran[0], "anyMASTER");
        assert_eq!(ran.last().map(String::as_str), Some("anyBACKUP"));
    }

    #[test]
    fn one_that_hangs_has_its_time_from_when_a_later_change_waits() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut queue = Queue::default();
        queue.push(&event(MASTER), start);
        queue.start(start);
        // Its own `notify` waits as long as it takes.
        assert_eq!(queue.deadline(), None);
        queue.push(&event(BACKUP), at(300));
        assert_eq!(queue.deadline(), Some(at(300) + PATIENCE));
        queue.push(&event(MASTER), at(310));
        assert_eq!(queue.deadline(), Some(at(300) + PATIENCE_OF_A_MASTER));
        queue.push(&event(BACKUP), at(311));
        queue.ended();
        assert_eq!(name(queue.start(at(360))), "anyMASTER");
        assert_eq!(queue.deadline(), Some(at(360) + PATIENCE_OF_A_MASTER));
    }

    #[test]
    fn a_second_master_is_told_of_once() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(&event(MASTER), now);
        queue.start(now);
        for _ in 0..1000 {
            queue.push(&event(Word::LowerPriority), now);
        }
        assert_eq!(queue.waiting(), 1);
        queue.ended();
        assert_eq!(run_out(&mut queue, now), ["anyMASTER", "rx"]);
    }

    #[test]
    fn what_has_nothing_to_run_is_not_kept() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(&event(Word::Again(Told::Master)), now);
        queue.push(&event(Word::Priority { master: true }), now);
        assert!(queue.is_idle());
    }

    #[test]
    fn at_the_end_only_the_end_is_told() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(&event(MASTER), now);
        queue.start(now);
        queue.push(&event(BACKUP), now);
        queue.push(&event(Word::State(Told::Stop)), now);
        queue.keep_only_the_end();
        queue.ended();
        assert_eq!(run_out(&mut queue, now), ["stop", "anySTOP"]);
        assert_eq!(queue.left_out, 1);
    }
}
