//! What is watched for the sake of the address beside interfaces, and the programs
//! that are run for it. All of it lives among the services, each tracker as a task of
//! its own: nothing here can make the engine wait.

pub mod account;
pub mod board;
pub mod check;
pub mod child;
mod file;
pub mod latency;
pub mod launch;
pub mod listener;
mod pidfd;
mod process;
mod script;
mod trace;
pub mod warden;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use crate::config::reaction::ScriptRules;
use crate::config::trackers::{Tracker, Watch};
use crate::engine::Verdict;
use crate::plan::Plan;
use board::{Reporter, Seen, Shared, Told};
use child::Launcher;
use listener::Doors;

/// Findings that the services have not taken yet; who finds more waits.
const ROOM: usize = 256;

/// Everything that is watched.
pub struct Watchers {
    tasks: HashMap<u32, Watching>,
    /// Whether the daemon has begun: what comes now comes with a reload.
    begun: bool,
    rules: ScriptRules,
    out: mpsc::Sender<Told>,
    /// Who listens on this host, once a check wants to know.
    doors: Doors,
    /// The kernel's word of processes, once one is watched.
    voices: process::Voices,
}

#[derive(Debug)]
struct Watching {
    tracker: Tracker,
    shared: Shared,
    /// Rung at each reload: what it needs may be there now, or not any more.
    again: Arc<Notify>,
    /// By which a check is told to read its files anew.
    renewal: check::Renewal,
    task: AbortHandle,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watchers {
    /// Watches nothing yet. What is found is told to the receiver.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Told>) {
        let (out, told) = mpsc::channel(ROOM);
        let watchers = Self {
            tasks: HashMap::new(),
            begun: false,
            rules: ScriptRules::default(),
            out,
            doors: Doors::default(),
            voices: process::Voices::default(),
        };
        (watchers, told)
    }

    /// Watches what a plan names: goes on with what is as it was, ends what is gone,
    /// and begins with what is new. Scripts begin anew where the rules have changed, and
    /// whether they can be run is looked at each time.
    ///
    /// `init_fail` counts at the start of the daemon only, as in keepalived: an
    /// instance that runs keeps its role until what a reload brought has been looked at.
    pub fn adopt(&mut self, plan: &Plan, rules: &ScriptRules) {
        let is_reload = std::mem::replace(&mut self.begun, true);
        let same_rules = self.rules == *rules;
        self.rules = rules.clone();
        let launcher = Arc::new(Launcher::new(rules));
        let mut before = std::mem::take(&mut self.tasks);
        let verdicts: HashMap<u32, _> = before
            .iter()
            .map(|(id, one)| (*id, one.shared.read().verdict))
            // Whether it can be watched is found out anew.
            .filter(|(_, verdict)| *verdict != Verdict::Ignored)
            .collect();
        for planned in &plan.trackers {
            let kept = before
                .remove(&planned.id)
                .filter(|one| same_rules || !matches!(one.tracker.watch, Watch::Script(_)));
            if let Some(kept) = &kept {
                kept.again.notify_one();
                if matches!(&kept.tracker.watch, Watch::Check(check) if check.probe.ca().is_some())
                {
                    kept.renewal.ask();
                }
            }
            let watching = kept.unwrap_or_else(|| {
                let inherited = Some(planned.id).into_iter().chain(planned.former);
                let verdict = inherited.filter_map(|id| verdicts.get(&id)).next();
                let shared = Shared::new(verdict.copied().unwrap_or_default());
                let tracker = planned.tracker.clone();
                let mut reporter = Reporter::new(planned.id, &tracker, &shared, &self.out);
                if is_reload {
                    reporter.presume_nothing();
                }
                let renewal = check::Renewal::default();
                let means = Means {
                    renewal: renewal.clone(),
                    launcher: Arc::clone(&launcher),
                    doors: self.doors.clone(),
                    voices: Arc::clone(&self.voices),
                    again: Arc::default(),
                };
                let again = Arc::clone(&means.again);
                let task = tokio::spawn(watch(tracker.clone(), reporter, means));
                Watching {
                    tracker,
                    shared,
                    again,
                    renewal,
                    task: task.abort_handle(),
                }
            });
            self.tasks.insert(planned.id, watching);
        }
    }

    /// How a tracker stands, by its number.
    #[must_use]
    pub fn seen(&self, id: u32) -> Option<Seen> {
        self.tasks.get(&id).map(|one| one.shared.read().clone())
    }
}

/// What all of them share, and by what this one is told of a reload.
struct Means {
    renewal: check::Renewal,
    launcher: Arc<Launcher>,
    doors: Doors,
    voices: process::Voices,
    again: Arc<Notify>,
}

/// Watches until it is dropped.
async fn watch(tracker: Tracker, reporter: Reporter, means: Means) {
    match tracker.watch {
        Watch::Script(script) => {
            script::watch(script, means.launcher, &means.again, reporter).await
        }
        Watch::File(file) => file::watch(file, reporter).await,
        Watch::Check(check) => check::watch(check, means.renewal, &means.doors, reporter).await,
        Watch::Process(process) => process::watch(process, means.voices, reporter).await,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::config;

    /// The first thing that is judged.
    async fn first(told: &mut mpsc::Receiver<Told>) -> Verdict {
        loop {
            match told.recv().await {
                Some(Told::Judged { verdict, .. }) => return verdict,
                Some(Told::Line { .. }) => {}
                None => panic!("nobody watches"),
            }
        }
    }

    #[tokio::test]
    async fn init_fail_counts_at_the_start_and_not_at_a_reload() {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = door.local_addr().unwrap().port();
        let tracked = format!(
            "vrrp_check web {{\ntcp 127.0.0.1 {port}\ninit_fail\n}}\n\
             vrrp_instance A {{\ninterface eth0\nvirtual_router_id 51\n\
             virtual_ipaddress {{\n192.0.2.1/24\n}}\ntrack_check {{\nweb\n}}\n}}\n"
        );
        let plan = |text: &str| Plan::new(&config::parse(text, "t").configuration);
        let rules = ScriptRules::default();
        let (mut watchers, mut told) = Watchers::new();
        watchers.adopt(&plan(&tracked), &rules);
        assert_eq!(first(&mut told).await, Verdict::Failed);
        let (mut watchers, mut told) = Watchers::new();
        watchers.adopt(&plan(""), &rules);
        watchers.adopt(&plan(&tracked), &rules);
        assert_eq!(first(&mut told).await, Verdict::Well);
    }
}
