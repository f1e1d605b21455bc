//! The thread that runs the scripts and writes the pipes. It may be slow; whoever
//! tells it something never waits for it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, sleep, sleep_until, timeout};

use super::board::{PipeRecord, Shared};
use super::event::{Event, Script, Subject, Word};
use super::pipe::{self, Opened, Pipe};
use super::queue::Queue;
use super::reader::Reader;
use crate::config::reaction::{Command, Fifo, ScriptRules, Telling};
use crate::services::log::{Level, Log};
use crate::services::tell::Budget;
use crate::watch::child::{Ended, Job, Launcher, Outcome, Remains};

/// A script that still runs when the daemon ends has this long before its successor
/// begins.
pub const AT_THE_END: Duration = Duration::from_millis(500);
/// So long is waited for a script that tells of the end, as in keepalived.
pub const LAST_SCRIPT: Duration = Duration::from_secs(1);
/// The end of all scripts, whatever they do.
const LAST_OF_ALL: Duration = Duration::from_secs(2);
/// For so long whoever reads a pipe may take to read the last lines, and as long
/// again to end by himself.
pub const LAST_LINES: Duration = Duration::from_millis(500);
/// The same where we have not started him, and do not know whether he is there.
const LAST_LINES_OF_OTHERS: Duration = Duration::from_millis(50);
/// Lines of the log that scripts fill in ten seconds.
const LINES: u32 = 200;
/// Lines for pipes that are not open yet.
const EARLY: usize = 1024;

/// What the configuration says, for everybody.
#[derive(Debug)]
pub(super) struct Settings {
    /// How scripts are run.
    pub scripts: ScriptRules,
    /// The pipes.
    pub telling: Telling,
    /// All commands that may have to be run, for whom and by which word.
    pub commands: Vec<(Subject, &'static str, Command)>,
    /// Who there is.
    pub subjects: Vec<Subject>,
}

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Order {
    /// The configuration, at the start and after a reload.
    Configure(Box<Settings>),
    /// Something to tell.
    Tell(Event),
}

/// What was looked up for a configuration, on a thread that may wait.
struct Prepared {
    jobs: HashMap<Command, Result<Job, String>>,
    pipes: Vec<(Fifo, Result<Opened, String>, Option<Job>)>,
    subjects: Vec<Subject>,
    /// What cannot be run, for whom, by which word, and why not.
    refused: Vec<(Subject, &'static str, String)>,
    said: Vec<(Level, String)>,
}

/// The scripts of one subject.
#[derive(Default)]
struct Line {
    queue: Queue,
    running: Option<Running>,
}

struct Running {
    number: u64,
    began: Instant,
    /// Says that its time is over.
    over: Option<oneshot::Sender<()>>,
}

struct Done {
    subject: Subject,
    number: u64,
    script: Script,
    ended: Ended,
}

pub(super) struct Runner {
    log: Log,
    budget: Budget,
    board: Shared,
    jobs: HashMap<Command, Result<Job, String>>,
    /// Those of the configuration before: whoever is deleted is told by them.
    former: HashMap<Command, Result<Job, String>>,
    lines: HashMap<Subject, Line>,
    pipes: Vec<(Pipe, Option<Reader>)>,
    /// Lines for pipes that are not open yet.
    early: Option<Vec<String>>,
    preparing: Option<JoinHandle<Prepared>>,
    /// A configuration that came while another one was looked up.
    next: Option<Box<Settings>>,
    tasks: JoinSet<()>,
    done_in: mpsc::UnboundedSender<Done>,
    done: mpsc::UnboundedReceiver<Done>,
    started: u64,
    /// Since when the daemon ends.
    ending: Option<Instant>,
}

impl Runner {
    pub(super) fn new(log: Log, board: Shared) -> Self {
        let (done_in, done) = mpsc::unbounded_channel();
        Self {
            log,
            budget: Budget::new(std::time::Instant::now(), LINES),
            board,
            jobs: HashMap::new(),
            former: HashMap::new(),
            lines: HashMap::new(),
            pipes: Vec::new(),
            early: Some(Vec::new()),
            preparing: None,
            next: None,
            tasks: JoinSet::new(),
            done_in,
            done,
            started: 0,
            ending: None,
        }
    }

    /// Works until the end has been told.
    pub(super) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut end: oneshot::Receiver<Vec<Event>>,
    ) {
        let mut pulse = tokio::time::interval(Duration::from_secs(1));
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let deadline = self.deadline();
            tokio::select! {
                biased;
                last = &mut end => {
                    while let Ok(order) = orders.try_recv() {
                        self.obey(order);
                    }
                    return self.leave(last.unwrap_or_default()).await;
                }
                prepared = prepared(&mut self.preparing) => self.take(prepared),
                Some(done) = self.done.recv() => self.done(done),
                Some(_) = self.tasks.join_next() => continue,
                () = until(deadline) => self.overrun(),
                Some(order) = orders.recv() => self.obey(order),
                _ = pulse.tick(), if !self.pipes.is_empty() => self.count(),
            }
            self.start();
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Configure(settings) if self.preparing.is_some() => self.next = Some(settings),
            Order::Configure(settings) => self.prepare(*settings),
            Order::Tell(event) => self.tell(&event),
        }
    }

    fn prepare(&mut self, settings: Settings) {
        self.preparing = Some(tokio::task::spawn_blocking(move || look_up(settings)));
    }

    /// Goes by what was looked up.
    fn take(&mut self, prepared: Option<Prepared>) {
        self.preparing = None;
        let Some(prepared) = prepared else {
            self.log.line(
                Level::Error,
                "scripts and pipes could not be looked up; those of before are used",
            );
            return;
        };
        for (level, text) in &prepared.said {
            self.log.line(*level, text);
        }
        self.former = std::mem::replace(&mut self.jobs, prepared.jobs);
        self.lines.retain(|subject, line| {
            !line.queue.is_idle() || line.running.is_some() || prepared.subjects.contains(subject)
        });
        self.board.with(|board| {
            let is_there = |subject: &Subject| prepared.subjects.contains(subject);
            board.subjects.retain(|subject, _| is_there(subject));
            for record in board.subjects.values_mut() {
                record.refused.clear();
            }
            for (subject, keyword, why) in prepared.refused {
                let record = board.subjects.entry(subject).or_default();
                record.refused.insert(keyword, why);
            }
            board.pipes.clear();
        });
        let mut before = std::mem::take(&mut self.pipes);
        let early = self.early.take().unwrap_or_default();
        for (fifo, opened, reader) in prepared.pipes {
            let at = before.iter().position(|(pipe, _)| pipe.path == fifo.path);
            let then = at.map(|at| before.swap_remove(at));
            let pipe = opened.and_then(|opened| {
                let pipe = Pipe::start(&fifo.path, opened, &self.log);
                pipe.map_err(|error| error.to_string())
            });
            self.board.with(|board| {
                board.pipes.push(PipeRecord {
                    path: fifo.path.clone(),
                    trouble: pipe.as_ref().err().cloned(),
                    ..Default::default()
                });
            });
            let Ok(mut pipe) = pipe else {
                self.close_one(then);
                continue;
            };
            let mut reads = None;
            if let Some((old, reader)) = then {
                pipe.follow(&old);
                old.leave();
                reads = reader;
            }
            for line in &early {
                pipe.put(line);
            }
            // The reader of before ends, then that of now begins.
            let ending = reads.map(Reader::stop);
            let (board, log) = (self.board.clone(), self.log.clone());
            let reader = reader.map(|job| {
                let before = ending.map(|ending| (ending, pipe.hold()));
                Reader::start(&fifo.path, job, before, board, log)
            });
            self.pipes.push((pipe, reader));
        }
        for one in before {
            self.close_one(Some(one));
        }
        if let Some(settings) = self.next.take() {
            self.prepare(*settings);
        }
    }

    fn close_one(&mut self, one: Option<(Pipe, Option<Reader>)>) {
        if let Some((pipe, reader)) = one {
            pipe.close();
            if let Some(ending) = reader.map(Reader::stop) {
                self.tasks.spawn(async move { drop(ending.await) });
            }
        }
    }

    fn tell(&mut self, event: &Event) {
        let text = event.line();
        // What a reload has written again is for whoever reads from then on.
        if matches!(event.word, Word::Again(_)) && self.preparing.is_some() {
            self.early.get_or_insert_default();
        }
        match &mut self.early {
            Some(early) if early.len() < EARLY => early.push(text),
            Some(_) => {}
            None => self.pipes.iter().for_each(|(pipe, _)| pipe.put(&text)),
        }
        let line = self.lines.entry(event.subject.clone()).or_default();
        let left_out = line.queue.push(event, Instant::now());
        let (count, waiting) = (line.queue.left_out, line.queue.waiting());
        self.board.record(&event.subject, |record| {
            record.left_out = count;
            record.waiting = waiting;
        });
        if let Some(word) = left_out {
            let text = format!(
                "{}: its scripts do not keep up with its changes: {} is not told, later ones are",
                event.subject.name,
                word.text()
            );
            self.say(Level::Warning, &text);
        }
    }

    /// Begins with whatever can begin.
    fn start(&mut self) {
        let waits = self.preparing.is_some();
        for (subject, line) in &mut self.lines {
            while let Some(script) = line.queue.next() {
                let found = self.jobs.get(&script.command);
                let found = found.or_else(|| self.former.get(&script.command));
                if found.is_none() && waits {
                    break;
                }
                let Some(script) = line.queue.start(Instant::now()) else {
                    break;
                };
                let waiting = line.queue.waiting();
                match found {
                    Some(Ok(job)) => {
                        self.started += 1;
                        let job = job.with(script.more.iter().cloned());
                        self.board.record(subject, |record| {
                            record.waiting = waiting;
                            record.began(script.keyword, job.to_string());
                        });
                        let (over, is_over) = oneshot::channel();
                        let number = self.started;
                        let running = Running {
                            number,
                            began: Instant::now(),
                            over: Some(over),
                        };
                        line.running = Some(running);
                        let (subject, done) = (subject.clone(), self.done_in.clone());
                        self.tasks.spawn(async move {
                            let over = async {
                                // Dropped without a word is no word.
                                if is_over.await.is_err() {
                                    std::future::pending::<()>().await;
                                }
                            };
                            let mut ended = job.run_until(over).await;
                            if let Some(remains) = &mut ended.remains {
                                Remains::gone(remains).await;
                            }
                            let _ = done.send(Done {
                                subject,
                                number,
                                script,
                                ended,
                            });
                        });
                    }
                    // Why not was said when the configuration was taken.
                    Some(Err(why)) => {
                        let why = why.clone();
                        self.board.record(subject, |record| {
                            record.waiting = waiting;
                            record.began(script.keyword, script.command.to_string());
                            record.ended(script.keyword, &not_run(why));
                        });
                        line.queue.ended();
                    }
                    None => line.queue.ended(),
                }
            }
        }
    }

    fn done(&mut self, done: Done) {
        let Done {
            subject,
            number,
            script,
            ended,
        } = done;
        if let Some(line) = self.lines.get_mut(&subject)
            && line
                .running
                .as_ref()
                .is_some_and(|one| one.number == number)
        {
            line.running = None;
            line.queue.ended();
        }
        self.board
            .record(&subject, |record| record.ended(script.keyword, &ended));
        let level = if ended.outcome == Outcome::Exited(0) {
            Level::Info
        } else {
            Level::Warning
        };
        let said = ended.first_line();
        let said = said.map_or_else(String::new, |line| format!(": {line}"));
        let outcome = if let Outcome::TimedOut(_) = &ended.outcome {
            "ended by us".into()
        } else {
            ended.outcome.to_string()
        };
        let text = format!(
            "({}) {} {}: {outcome} after {}{said}",
            subject.name,
            script.keyword,
            script.command,
            crate::words::span(ended.took)
        );
        self.say(level, &text);
    }

    /// When somebody's time is over.
    fn deadline(&self) -> Option<Instant> {
        let lines = self.lines.values();
        lines.filter_map(|line| self.deadline_of(line)).min()
    }

    fn deadline_of(&self, line: &Line) -> Option<Instant> {
        let running = line.running.as_ref()?;
        running.over.as_ref()?;
        match self.ending {
            Some(end) if running.began < end => Some(end + AT_THE_END),
            Some(_) => Some(running.began + LAST_SCRIPT),
            None => line.queue.deadline(),
        }
    }

    /// Ends those whose time is over.
    fn overrun(&mut self) {
        let now = Instant::now();
        let mut said = Vec::new();
        let late: Vec<Subject> = self
            .lines
            .iter()
            .filter(|(_, line)| self.deadline_of(line).is_some_and(|due| due <= now))
            .map(|(subject, _)| subject.clone())
            .collect();
        for subject in late {
            let Some(line) = self.lines.get_mut(&subject) else {
                continue;
            };
            let over = line.running.as_mut().and_then(|one| one.over.take());
            if let Some(over) = over {
                let _ = over.send(());
            }
            if self.ending.is_some() {
                // What comes after it does not wait until nothing is left of it.
                line.running = None;
                line.queue.ended();
            } else {
                said.push(format!(
                    "({}) its script goes on while later changes wait: it is ended",
                    subject.name
                ));
            }
        }
        for text in said {
            self.say(Level::Warning, &text);
        }
    }

    fn say(&mut self, level: Level, text: &str) {
        match self.budget.take(std::time::Instant::now()) {
            None => return,
            Some(0) => {}
            Some(left_out) => self.log.line(
                Level::Warning,
                &format!("{left_out} lines about scripts were left out"),
            ),
        }
        self.log.line(level, text);
    }

    /// Writes down what has become of the pipes.
    fn count(&self) {
        self.board.with(|board| {
            for (pipe, _) in &self.pipes {
                let record = board.pipes.iter_mut().find(|one| one.path == pipe.path);
                if let Some(record) = record {
                    (record.written, record.lost, record.waiting) = pipe.counts();
                }
            }
        });
    }

    /// Tells the end, to scripts and pipes, and waits for both within bounds.
    async fn leave(mut self, last: Vec<Event>) {
        let now = Instant::now();
        self.ending = Some(now);
        for line in self.lines.values_mut() {
            line.queue.keep_only_the_end();
        }
        for event in last {
            self.tell(&event);
        }
        if self.preparing.is_some() {
            // It ends before everything was looked up.
            let prepared = timeout(AT_THE_END, prepared(&mut self.preparing)).await;
            if let Ok(prepared) = prepared {
                self.take(prepared);
            }
            self.preparing = None;
        }
        let ends = now + LAST_OF_ALL;
        loop {
            self.start();
            let is_idle = |line: &Line| line.running.is_none() && line.queue.is_idle();
            if self.lines.values().all(is_idle) {
                break;
            }
            let deadline = self.deadline();
            tokio::select! {
                () = sleep_until(ends) => break,
                Some(done) = self.done.recv() => self.done(done),
                () = until(deadline) => self.overrun(),
            }
        }
        self.close().await;
        // Those that were told to end.
        let _ = timeout(AT_THE_END, async {
            while self.tasks.join_next().await.is_some() {}
        })
        .await;
        while let Ok(done) = self.done.try_recv() {
            self.done(done);
        }
    }

    /// Has the last lines read, then closes the pipes.
    async fn close(&mut self) {
        let mut readers = Vec::new();
        for (pipe, reader) in std::mem::take(&mut self.pipes) {
            let bound = if reader.is_some() {
                LAST_LINES
            } else {
                LAST_LINES_OF_OTHERS
            };
            let _ = timeout(bound, async {
                while !pipe.is_read() {
                    sleep(Duration::from_millis(2)).await;
                }
            })
            .await;
            pipe.close();
            readers.extend(reader);
        }
        if readers.is_empty() {
            return;
        }
        // The pipe is at its end: whoever reads it comes to his.
        tokio::task::yield_now().await;
        let until = Instant::now() + LAST_LINES;
        for reader in &mut readers {
            reader.is_last();
        }
        while readers.iter().any(Reader::runs) && Instant::now() < until {
            sleep(Duration::from_millis(2)).await;
        }
        for reader in readers {
            let ending = reader.stop();
            self.tasks.spawn(async move { drop(ending.await) });
        }
    }
}

fn not_run(why: String) -> Ended {
    Ended {
        outcome: Outcome::NotStarted(why),
        took: Duration::ZERO,
        output: String::new(),
        remains: None,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn prepared(preparing: &mut Option<JoinHandle<Prepared>>) -> Option<Prepared> {
    match preparing {
        Some(task) => task.await.ok(),
        None => std::future::pending().await,
    }
}

/// Looks up whose rights scripts have and whether they can be run, and opens the
/// pipes. May wait for disks and for whoever knows the accounts.
fn look_up(settings: Settings) -> Prepared {
    let launcher = Launcher::new(&settings.scripts);
    let mut said = Vec::new();
    let mut prepare = |command: &Command| match launcher.prepare(command) {
        Ok(prepared) => {
            said.extend(prepared.warning.map(|text| (Level::Warning, text)));
            Ok(prepared.job)
        }
        Err(refusal) => {
            let text = format!("'{command}' will not be run: {refusal}");
            said.push((Level::Error, text));
            Err(refusal.to_string())
        }
    };
    let mut jobs = HashMap::new();
    let mut refused = Vec::new();
    for (subject, keyword, command) in settings.commands {
        let job = match jobs.entry(command) {
            Entry::Occupied(place) => place.into_mut(),
            Entry::Vacant(place) => {
                let job = prepare(place.key());
                place.insert(job)
            }
        };
        if let Err(why) = job {
            refused.push((subject, keyword, why.clone()));
        }
    }
    let mut pipes = Vec::new();
    for fifo in settings.telling.fifos {
        let reader = fifo.script.as_ref().and_then(|script| prepare(script).ok());
        let reader = reader.map(|job| job.with([fifo.path.clone()]));
        let owner = launcher.identity(fifo.owner.as_ref());
        let opened = owner.map_err(|refusal| refusal.to_string());
        let opened = opened.and_then(|owner| {
            pipe::open(Path::new(&fifo.path), &owner).map_err(|error| error.to_string())
        });
        pipes.push((fifo, opened, reader));
    }
    for (fifo, opened, _) in &pipes {
        if let Err(why) = opened {
            let text = format!("nothing is written to {}: {why}", fifo.path);
            said.push((Level::Error, text));
        }
    }
    said.dedup();
    Prepared {
        jobs,
        pipes,
        subjects: settings.subjects,
        refused,
        said,
    }
}
