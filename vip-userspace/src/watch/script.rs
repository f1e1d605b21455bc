//! `vrrp_script`: a program that is run again and again, and whose exit code says
//! whether this node is fit.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::account::Refusal;
use super::board::{Finding, Reporter};
use super::child::{Ended, Job, Launcher, Outcome, Prepared};
use crate::config::trackers::Script;
use crate::services::log::Level;

/// Runs it until it is dropped.
///
/// Whether it can be run is looked at now and whenever `again` is rung; one that runs is
/// not disturbed by it where nothing has changed.
pub(super) async fn watch(
    script: Script,
    launcher: Arc<Launcher>,
    again: &Notify,
    mut reporter: Reporter,
) {
    reporter.begin().await;
    let Some(mut prepared) = prepare(&launcher, &script).await else {
        return;
    };
    loop {
        match prepared {
            Ok(Prepared { job, warning }) => {
                if let Some(warning) = &warning {
                    let name = reporter.name();
                    let line = format!("vrrp_script {name}: {warning}");
                    reporter.say(Level::Warning, line).await;
                }
                reporter.usable();
                let job = job.warded();
                reporter.works_by(format!("runs {job}"));
                let mut running = pin!(repeat(&script, &job, &mut reporter));
                prepared = loop {
                    let looked = tokio::select! {
                        biased;
                        () = &mut running => return,
                        looked = async { again.notified().await; prepare(&launcher, &script).await } => looked,
                    };
                    match looked {
                        None => return,
                        Some(Ok(same))
                            if same.warning == warning && same.job.clone().warded() == job => {}
                        Some(other) => break other,
                    }
                };
            }
            Err(refusal) => {
                let why = refusal.to_string();
                reporter.unusable(&why).await;
                prepared = loop {
                    again.notified().await;
                    match prepare(&launcher, &script).await {
                        None => return,
                        Some(Err(same)) if same.to_string() == why => {}
                        Some(other) => break other,
                    }
                };
            }
        }
    }
}

/// Whether it can be run, and how; nothing where vip ends.
async fn prepare(launcher: &Arc<Launcher>, script: &Script) -> Option<Result<Prepared, Refusal>> {
    let (launcher, command) = (Arc::clone(launcher), script.command.clone());
    // Who knows the accounts of this host may be far away.
    let prepared = tokio::task::spawn_blocking(move || launcher.prepare(&command));
    prepared.await.ok()
}

async fn repeat(script: &Script, job: &Job, reporter: &mut Reporter) {
    let mut due = Instant::now();
    let mut last_code = Some(0);
    loop {
        sleep_until(due).await;
        let mut ended = job.run(Some(script.timeout)).await;
        if let Outcome::Exited(code) = ended.outcome
            && last_code != Some(code)
        {
            let line = format!("Script `{}` now returning {code}", reporter.name());
            reporter.say(Level::Info, line).await;
            last_code = Some(code);
        }
        if let Outcome::NotStarted(why) = &ended.outcome {
            reporter.not_run(why).await;
        } else {
            reporter.works_by(format!("runs {job}"));
            reporter.result(finding(&ended)).await;
        }
        let (next, missed) = next(due, Instant::now(), script.interval);
        reporter.skipped(missed);
        due = next;
        // What is still being ended is not started again.
        if let Some(remains) = &mut ended.remains {
            let gone = remains.gone();
            tokio::pin!(gone);
            loop {
                tokio::select! {
                    biased;
                    () = &mut gone => break,
                    () = sleep_until(due) => {}
                }
                reporter.skipped(1);
                due += script.interval;
            }
        }
    }
}

/// The next start, on the beat of the starts so far, and how many the last run has
/// missed: those are left out.
fn next(due: Instant, now: Instant, interval: Duration) -> (Instant, u64) {
    let next = due + interval;
    let late = now.saturating_duration_since(next).as_nanos();
    let missed = late.div_ceil(interval.as_nanos().max(1));
    let missed = u32::try_from(missed).unwrap_or(u32::MAX);
    (next + interval * missed, missed.into())
}

fn finding(ended: &Ended) -> Finding {
    let what = match (&ended.outcome, ended.first_line()) {
        (outcome, Some(line)) => format!("{outcome}: {line}"),
        (outcome, None) => outcome.to_string(),
    };
    if ended.outcome == Outcome::Exited(0) {
        return Finding::well(what, ended.took);
    }
    let told = match &ended.outcome {
        Outcome::Exited(code) => format!("failed (exited with status {code})"),
        Outcome::Signalled(number) => format!("failed (due to signal {number})"),
        Outcome::TimedOut(_) => "timed_out".into(),
        Outcome::NotStarted(why) => format!("failed ({why})"),
    };
    Finding {
        told,
        ..Finding::failed(what, ended.took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_keep_their_beat() {
        let second = Duration::from_secs(1);
        let due = Instant::now();
        for (took, after, missed) in [
            (0, 1000, 0),
            (999, 1000, 0),
            (1000, 1000, 0),
            (1001, 2000, 1),
            (2000, 2000, 1),
            (3_600_500, 3_601_000, 3600),
        ] {
            let now = due + Duration::from_millis(took);
            let expected = (due + Duration::from_millis(after), missed);
            assert_eq!(next(due, now, second), expected, "{took} ms");
        }
        let (next, _) = next(due, due + second * 3600, Duration::from_millis(1));
        assert_eq!(next, due + second * 3600);
    }

    #[test]
    fn a_result_is_told_in_the_words_that_people_look_for() {
        let ended = |outcome, output: &str| Ended {
            outcome,
            took: Duration::ZERO,
            output: output.into(),
            remains: None,
        };
        for (ended, is_well, what, told) in [
            (ended(Outcome::Exited(0), ""), true, "exit 0", "succeeded"),
            (
                ended(Outcome::Exited(2), "\nno route\nmore\n"),
                false,
                "exit 2: no route",
                "failed (exited with status 2)",
            ),
            (
                ended(Outcome::Signalled(9), ""),
                false,
                "ended by SIGKILL",
                "failed (due to signal 9)",
            ),
            (
                ended(Outcome::TimedOut(Duration::from_millis(1500)), "waits"),
                false,
                "no end within 1.500 s: waits",
                "timed_out",
            ),
        ] {
            let found = finding(&ended);
            assert_eq!(
                (found.is_well, &*found.what, &*found.told),
                (is_well, what, told)
            );
        }
    }
}
