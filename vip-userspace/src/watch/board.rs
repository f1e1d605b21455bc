//! What trackers have found: for the services, which pass it on, and for whoever
//! asks how they stand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::latency::Latencies;
use crate::config::trackers::{Kind, Streak, Tracker, Watch};
use crate::engine::Verdict;
use crate::services::log::Level;

/// What a tracker tells the services.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// It stands differently.
    Judged {
        /// Its number.
        tracker: u32,
        /// How.
        verdict: Verdict,
    },
    /// A line for the log.
    Line {
        /// How much it matters.
        level: Level,
        /// The line.
        text: String,
    },
}

/// How a tracker stands, and how it got there.
#[derive(Clone, Debug)]
pub struct Seen {
    /// How it stands.
    pub verdict: Verdict,
    /// Since when.
    pub since: Instant,
    /// By what means it is watched, where there are several.
    pub mechanism: String,
    /// What was found last.
    pub last: Option<Last>,
    /// How often it was looked.
    pub runs: u64,
    /// How often that failed.
    pub failures: u64,
    /// Results like the last one, in a row.
    pub in_a_row: u64,
    /// Times at which it should have been looked, and the last look had not ended.
    pub skipped: u64,
    /// How long the last looks took.
    pub took: Latencies,
}

impl Seen {
    /// One that stands like this from now on, and has not looked yet.
    #[must_use]
    pub fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            since: Instant::now(),
            mechanism: String::new(),
            last: None,
            runs: 0,
            failures: 0,
            in_a_row: 0,
            skipped: 0,
            took: Latencies::default(),
        }
    }
}

/// What was found at one look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Last {
    /// Whether it was well.
    pub is_well: bool,
    /// What it was, in words.
    pub what: String,
    /// When.
    pub at: Instant,
    /// After how long.
    pub took: Duration,
}

/// How a tracker stands, shared with its task.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<Seen>>);

impl Shared {
    pub(super) fn new(verdict: Verdict) -> Self {
        Self(Arc::new(Mutex::new(Seen::new(verdict))))
    }

    pub(super) fn read(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of one look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Whether it was well.
    pub is_well: bool,
    /// What it was, in words: `exit 1: no connection`.
    pub what: String,
    /// What the log says behind the tracker's name when this changes how it stands:
    /// keepalived's words, which people look for.
    pub told: String,
    /// How long it took.
    pub took: Duration,
    /// It was looked out of turn: then more of the same adds nothing to what counts in a
    /// row, since whoever makes somebody look would decide how long `fall` is.
    pub is_extra: bool,
}

impl Finding {
    /// A success.
    #[must_use]
    pub fn well(what: impl Into<String>, took: Duration) -> Self {
        Self {
            is_well: true,
            what: what.into(),
            told: "succeeded".into(),
            took,
            is_extra: false,
        }
    }

    /// A failure.
    #[must_use]
    pub fn failed(what: impl Into<String>, took: Duration) -> Self {
        let what = what.into();
        Self {
            is_well: false,
            told: format!("failed ({what})"),
            what,
            took,
            is_extra: false,
        }
    }
}

/// What is said of a tracker that cannot be watched.
#[must_use]
pub fn not_watched(kind: Kind, name: &str, why: &str) -> String {
    let what = kind.keyword();
    format!("{what} {name} is not watched and counts nothing: {why}")
}

/// Through which the task of one tracker tells what it finds.
#[derive(Debug)]
pub struct Reporter {
    id: u32,
    name: String,
    kind: Kind,
    streak: Streak,
    shared: Shared,
    out: mpsc::Sender<Told>,
    /// The next result counts at once.
    is_first: bool,
}

impl Reporter {
    pub(super) fn new(
        id: u32,
        tracker: &Tracker,
        shared: &Shared,
        out: &mpsc::Sender<Told>,
    ) -> Self {
        let streak = match &tracker.watch {
            Watch::Script(script) => script.streak,
            Watch::Check(check) => check.streak,
            Watch::Process(_) | Watch::File(_) => Streak {
                rise: 1,
                fall: 1,
                init_fail: false,
            },
        };
        let is_first = shared.read().verdict == Verdict::Unknown;
        Self {
            id,
            name: tracker.name.clone(),
            kind: tracker.watch.kind(),
            streak,
            shared: shared.clone(),
            out: out.clone(),
            is_first,
        }
    }

    /// Nothing counts as failed before it has been looked at.
    pub(super) const fn presume_nothing(&mut self) {
        self.streak.init_fail = false;
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Says by what means it is watched.
    pub fn works_by(&self, mechanism: impl Into<String>) {
        self.shared.read().mechanism = mechanism.into();
    }

    /// Writes a line to the log.
    pub async fn say(&self, level: Level, text: String) {
        // Without services there is nobody to hear it.
        let _ = self.out.send(Told::Line { level, text }).await;
    }

    /// Counts looks that could not be taken, since the last one had not ended.
    pub fn skipped(&self, looks: u64) {
        self.shared.read().skipped += looks;
    }

    /// How it stands.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.shared.read().verdict
    }

    /// Whether nothing is known of it yet, not even from before a reload.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_first
    }

    /// Begins: what counts as failed until it has been seen to succeed is so now.
    pub async fn begin(&self) {
        if self.is_first && self.streak.init_fail {
            self.judge(Verdict::Failed).await;
            return;
        }
        // What was found before a reload may have been told by a number that the
        // engine did not know any more.
        let verdict = self.shared.read().verdict;
        if verdict != Verdict::Unknown {
            let tracker = self.id;
            let _ = self.out.send(Told::Judged { tracker, verdict }).await;
        }
    }

    /// It cannot be watched and counts nothing, as in keepalived; `why` says why.
    pub async fn unusable(&mut self, why: &str) {
        self.shared.read().mechanism = format!("not watched: {why}");
        let line = not_watched(self.kind, &self.name, why);
        self.say(Level::Error, line).await;
        self.judge(Verdict::Ignored).await;
    }

    /// It can be watched, and perhaps could not before: then the next result counts
    /// at once.
    pub fn usable(&mut self) {
        let mut seen = self.shared.read();
        if seen.verdict == Verdict::Ignored {
            *seen = Seen::new(Verdict::Unknown);
            self.is_first = true;
        }
    }

    /// It could not be looked this time: how it stands stays, as in keepalived. Where
    /// nothing is known of it yet, it counts nothing until it can be.
    pub async fn not_run(&mut self, why: &str) {
        let mechanism = format!("not run: {why}");
        let is_news = {
            let mut seen = self.shared.read();
            let before = std::mem::replace(&mut seen.mechanism, mechanism);
            before != seen.mechanism
        };
        if is_news {
            let (what, name) = (self.kind.keyword(), &self.name);
            let stands = crate::words::verdict(self.verdict());
            let line = format!("{what} {name} is not run and stays {stands}: {why}");
            self.say(Level::Error, line).await;
        }
        if self.verdict() == Verdict::Unknown {
            self.judge(Verdict::Ignored).await;
        }
    }

    /// Takes a result: the first one counts at once, others when there are enough in
    /// a row.
    pub async fn result(&mut self, finding: Finding) {
        let Finding {
            is_well,
            what,
            told,
            took,
            is_extra,
        } = finding;
        let now = {
            let mut seen = self.shared.read();
            let same = seen
                .last
                .as_ref()
                .is_some_and(|last| last.is_well == is_well);
            seen.in_a_row = match same {
                true => seen.in_a_row + u64::from(!is_extra),
                false => 1,
            };
            seen.runs += 1;
            seen.failures += u64::from(!is_well);
            seen.took.add(took);
            let at = Instant::now();
            seen.last = Some(Last {
                is_well,
                what,
                at,
                took,
            });
            let enough = match is_well {
                true => seen.in_a_row >= self.streak.rise.into(),
                false => seen.in_a_row >= self.streak.fall.into(),
            };
            let verdict = match is_well {
                true => Verdict::Well,
                false => Verdict::Failed,
            };
            (self.is_first || enough).then_some((verdict, seen.verdict))
        };
        let is_first = std::mem::take(&mut self.is_first);
        let Some((verdict, before)) = now else { return };
        if verdict != before || is_first {
            let label = match self.kind {
                Kind::Script => "VRRP_Script",
                Kind::Check => "VRRP_Check",
                Kind::Process => "VRRP_Process",
                Kind::File => "VRRP_File",
            };
            let level = if is_well { Level::Info } else { Level::Notice };
            self.say(level, format!("{label}({}) {told}", self.name))
                .await;
        }
        self.judge(verdict).await;
    }

    /// Takes what has been found where there is no counting; says whether it is news.
    pub async fn found(&mut self, verdict: Verdict, is_well: bool, what: String) -> bool {
        {
            let mut seen = self.shared.read();
            let at = Instant::now();
            seen.runs += 1;
            seen.failures += u64::from(!is_well);
            seen.last = Some(Last {
                is_well,
                what,
                at,
                took: Duration::ZERO,
            });
        }
        self.judge(verdict).await
    }

    /// Takes note of something that changes nothing; whether it is news.
    pub fn ignored(&mut self, what: String) -> bool {
        let mut seen = self.shared.read();
        let is_news = seen.last.as_ref().is_none_or(|last| last.what != what);
        seen.last = Some(Last {
            is_well: false,
            what,
            at: Instant::now(),
            took: Duration::ZERO,
        });
        is_news
    }

    /// Whether it is news.
    async fn judge(&self, verdict: Verdict) -> bool {
        {
            let mut seen = self.shared.read();
            if seen.verdict == verdict {
                return false;
            }
            seen.verdict = verdict;
            seen.since = Instant::now();
        }
        let tracker = self.id;
        let _ = self.out.send(Told::Judged { tracker, verdict }).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::trackers::{Check, Endpoint, Probe};

    fn reporter(streak: Streak, before: Verdict) -> (Reporter, mpsc::Receiver<Told>) {
        let endpoint = Endpoint {
            host: "::1".into(),
            port: 80,
        };
        let tracker = Tracker {
            name: "web".into(),
            watch: Watch::Check(Check {
                probe: Probe::Tcp(endpoint),
                interval: Duration::from_secs(1),
                timeout: Duration::from_secs(1),
                streak,
            }),
        };
        let (out, told) = mpsc::channel(99);
        let shared = Shared::new(before);
        (Reporter::new(7, &tracker, &shared, &out), told)
    }

    /// What is judged after each of these results, `+` for a success.
    async fn judged(results: &str, streak: Streak, before: Verdict) -> String {
        let (mut reporter, mut told) = reporter(streak, before);
        reporter.begin().await;
        let mut all = String::new();
        for result in std::iter::once(' ').chain(results.chars()) {
            match result {
                '+' => reporter.result(Finding::well("", Duration::ZERO)).await,
                '-' => reporter.result(Finding::failed("", Duration::ZERO)).await,
                _ => {}
            }
            let mut now = '.';
            while let Ok(told) = told.try_recv() {
                match told {
                    Told::Judged { tracker, verdict } => {
                        assert_eq!(tracker, 7);
                        now = if verdict == Verdict::Well { '+' } else { '-' };
                    }
                    Told::Line { .. } => {}
                }
            }
            all.push(now);
        }
        all
    }

    fn streak(rise: u32, fall: u32, init_fail: bool) -> Streak {
        Streak {
            rise,
            fall,
            init_fail,
        }
    }

    #[tokio::test]
    async fn the_first_result_counts_at_once_and_others_in_a_row() {
        let unknown = Verdict::Unknown;
        for (results, streak, before, expected) in [
            ("+-+", streak(1, 1, false), unknown, ".+-+"),
            ("+", streak(3, 3, false), unknown, ".+"),
            ("-", streak(3, 3, false), unknown, ".-"),
            (
                "+--+---++-+++",
                streak(3, 3, false),
                unknown,
                ".+.....-.....+",
            ),
            ("+", streak(3, 3, true), unknown, "-+"),
            ("-++", streak(2, 3, true), unknown, "-..+"),
            // What is known from before a reload is held against it.
            ("-+--", streak(1, 2, false), Verdict::Well, "+...-"),
            ("+", streak(2, 1, true), Verdict::Failed, "-."),
        ] {
            let found = judged(results, streak, before).await;
            assert_eq!(found, expected, "{results} {streak:?}");
        }
    }

    #[tokio::test]
    async fn what_is_not_run_stays_as_it_is_until_it_is() {
        let (mut reporter, _told) = reporter(streak(3, 3, false), Verdict::Unknown);
        reporter.not_run("gone").await;
        assert_eq!(reporter.verdict(), Verdict::Ignored);
        reporter.result(Finding::failed("", Duration::ZERO)).await;
        assert_eq!(reporter.verdict(), Verdict::Failed);
        reporter.not_run("gone").await;
        assert_eq!(reporter.verdict(), Verdict::Failed);
        assert_eq!(reporter.shared.read().mechanism, "not run: gone");
        // Refused by a reload, and taken by the next one.
        reporter.unusable("gone").await;
        assert_eq!(reporter.verdict(), Verdict::Ignored);
        reporter.usable();
        assert_eq!(reporter.verdict(), Verdict::Unknown);
        reporter.result(Finding::well("", Duration::ZERO)).await;
        assert_eq!(reporter.verdict(), Verdict::Well);
    }

    #[tokio::test]
    async fn a_change_is_told_in_keepaliveds_words() {
        let (mut reporter, mut told) = reporter(streak(1, 1, false), Verdict::Unknown);
        let mut lines = Vec::new();
        for finding in [
            Finding::failed("refused", Duration::from_millis(2)),
            Finding::failed("refused", Duration::from_millis(6)),
            Finding::well("", Duration::from_millis(4)),
        ] {
            reporter.result(finding).await;
        }
        while let Ok(told) = told.try_recv() {
            if let Told::Line { text, .. } = told {
                lines.push(text);
            }
        }
        assert_eq!(
            lines,
            [
                "VRRP_Check(web) failed (refused)",
                "VRRP_Check(web) succeeded"
            ]
        );
        let seen = reporter.shared.read();
        assert_eq!((seen.runs, seen.failures, seen.in_a_row), (3, 2, 1));
        let took = seen.took.summary().unwrap();
        let millis = [took.min, took.max, took.avg].map(|span| span.as_millis());
        assert_eq!(millis, [2, 6, 4]);
    }
}
