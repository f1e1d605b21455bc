//! Checks that the daemon makes by itself: no process is started, and each try is a
//! connection of its own, since whether the service still accepts one is what is to
//! be known.
//!
//! Whatever a service sends, a check takes bounded time and memory for it: the
//! timeout covers the look-up of the name, the connection, the handshake and the
//! answer. Connections are closed with a reset: a hundred a second would else leave
//! thousands of sockets waiting for their end, and use up the ports of this host.

mod aside;
mod certificates;
mod connect;
mod http;
mod nudge;
mod tls;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};

use self::certificates::Trust;
pub use self::certificates::usable;
use self::connect::Target;
use self::nudge::Pace;
pub use self::nudge::Renewal;
use super::board::{Finding, Reporter};
use super::listener::Doors;
use crate::config::trackers::{Check, Endpoint, Probe};
use crate::services::log::Level;

/// Over how long the first tries of many checks are spread out at most.
const SPREAD: Duration = Duration::from_millis(200);

/// Why a try has failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The name leads nowhere.
    #[error("cannot look up {host}: {why}")]
    Lookup {
        /// The name.
        host: String,
        /// What the resolver said.
        why: io::Error,
    },
    /// Nobody accepts.
    #[error("cannot connect to {address}: {why}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// What the kernel said.
        why: io::Error,
    },
    /// The handshake failed.
    #[error("no TLS: {0}")]
    Tls(String),
    /// The certificates to compare with cannot be used.
    #[error("cannot use the certificates in {}: {why}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The answer is not one.
    #[error("no HTTP answer: {0}")]
    Http(String),
    /// The answer has another status than those that are well.
    #[error("HTTP status {0}")]
    Status(u16),
    /// The text is not in the answer.
    #[error("the text is not in the first 64 KiB of the answer")]
    Body,
}

/// Makes one check, try by try.
pub struct Prober {
    check: Check,
    target: Target,
    trust: Trust,
}

impl Prober {
    /// For this check; at each renewal what it has from files is read anew.
    #[must_use]
    pub fn new(check: Check, renewal: &Renewal) -> Self {
        let ca = check.probe.ca().map(Into::into);
        Self {
            target: Target::new(check.probe.endpoint().clone()),
            trust: Trust::new(ca, renewal.clone()),
            check,
        }
    }

    /// One try: how long the answer took.
    ///
    /// # Errors
    /// Why there was none, or not one that is well.
    pub async fn attempt(&mut self) -> Result<Duration, Failure> {
        let begun = Instant::now();
        let limit = self.check.timeout;
        timeout(limit, self.ask())
            .await
            .unwrap_or(Err(Failure::Timeout(limit)))?;
        Ok(begun.elapsed())
    }

    async fn ask(&mut self) -> Result<(), Failure> {
        // The other half of the time is left for the service.
        let patience = self.check.timeout / 2;
        match &self.check.probe {
            Probe::Tcp(_) => self.target.accepts().await,
            Probe::Tls { name, endpoint, .. } => {
                let tls = self.trust.configuration(patience).await?;
                let name = tls::server_name(name.as_ref().unwrap_or(&endpoint.host))?;
                let stream = self.target.connect().await?;
                tls::say_goodbye(tls::shake_hands(tls, name, stream).await?).await;
                Ok(())
            }
            Probe::Http { tls: false, .. } => {
                let stream = self.target.connect().await?;
                http::ask(stream, &self.check.probe).await
            }
            Probe::Http { endpoint, .. } => {
                let tls = self.trust.configuration(patience).await?;
                let name = tls::server_name(&endpoint.host)?;
                let stream = self.target.connect().await?;
                let stream = tls::shake_hands(tls, name, stream).await?;
                http::ask(stream, &self.check.probe).await
            }
        }
    }
}

/// Makes a check again and again: from start to start its interval, and once more at
/// once when it is nudged, or as soon as its [`Pace`] allows. A try that takes longer
/// than the interval delays the next one; those that were missed are not made up for.
pub struct Asker {
    prober: Prober,
    ticks: Interval,
    renewal: Renewal,
    /// When the last look was due by the interval.
    due: Option<Instant>,
    pace: Pace,
    /// Somebody has nudged, and no try has begun since.
    is_nudged: bool,
}

/// One try.
pub struct Try {
    /// How long it took.
    pub took: Duration,
    /// What came of it.
    pub outcome: Result<(), Failure>,
    /// Tries before it that were left out, since one was still under way.
    pub skipped: u64,
    /// Whether it was made because of a nudge, out of turn.
    pub is_extra: bool,
}

impl Asker {
    /// `place` tells this check from others, so that not all of them begin at one
    /// moment.
    #[must_use]
    pub fn new(check: Check, place: u32, renewal: Renewal) -> Self {
        let first = Instant::now() + head_start(place, check.interval);
        let mut ticks = interval_at(first, check.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self {
            ticks,
            due: None,
            pace: Pace::new(check.interval),
            is_nudged: false,
            prober: Prober::new(check, &renewal),
            renewal,
        }
    }

    /// What rings for the next try.
    #[must_use]
    pub const fn nudge(&self) -> &Arc<Notify> {
        self.renewal.nudge()
    }

    /// Waits for the moment of the next try, and makes it.
    pub async fn next(&mut self) -> Try {
        let (skipped, is_extra) = loop {
            tokio::select! {
                due = self.ticks.tick() => {
                    let before = self.due.replace(due);
                    let since = before.map_or(Duration::ZERO, |before| due - before);
                    let intervals = since.as_nanos() / self.ticks.period().as_nanos().max(1);
                    let skipped = intervals.saturating_sub(1);
                    break (u64::try_from(skipped).unwrap_or(u64::MAX), false);
                }
                () = self.renewal.nudge().notified(), if !self.is_nudged => self.is_nudged = true,
                () = sleep_until(self.pace.next()), if self.is_nudged => {
                    self.pace.take(Instant::now());
                    break (0, true);
                }
            }
        };
        // Whatever has nudged before is answered by this try.
        self.is_nudged = false;
        let begun = Instant::now();
        let outcome = self.prober.attempt().await;
        Try {
            took: begun.elapsed(),
            outcome: outcome.map(drop),
            skipped,
            is_extra,
        }
    }

    /// Why what a file held before still counts, where it cannot be read any more.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.prober.trust.trouble()
    }

    /// The port, where what was last asked is on this host.
    #[must_use]
    pub fn local_port(&self) -> Option<u16> {
        self.prober.target.local_port()
    }
}

/// Makes a check until it is dropped.
pub(super) async fn watch(check: Check, renewal: Renewal, doors: &Doors, mut reporter: Reporter) {
    reporter.begin().await;
    let Endpoint { host, port } = check.probe.endpoint();
    let asks = format!(
        "asks {host} port {port} each {} s",
        check.interval.as_secs_f64()
    );
    reporter.works_by(&*asks);
    let mut asker = Asker::new(check, reporter.id(), renewal);
    let mut told_of_listener = None;
    let mut trouble: Option<String> = None;
    loop {
        let Try {
            took,
            outcome,
            skipped,
            is_extra,
        } = asker.next().await;
        reporter.skipped(skipped);
        let finding = match outcome {
            Ok(()) => Finding::well("answered", took),
            Err(failure) => Finding::failed(failure.to_string(), took),
        };
        reporter
            .result(Finding {
                is_extra,
                ..finding
            })
            .await;
        let mut is_news = false;
        if told_of_listener.is_none()
            && let Some(port) = asker.local_port()
        {
            is_news = true;
            told_of_listener = Some(match doors.watch(port, asker.nudge()).await {
                Ok(()) => ", and when its listener comes or goes".to_owned(),
                Err(why) => format!(" only, since the kernel does not say who listens: {why}"),
            });
        }
        if asker.trouble() != trouble.as_deref() {
            is_news = true;
            trouble = asker.trouble().map(str::to_owned);
            let name = reporter.name();
            let (level, line) = match &trouble {
                Some(why) => (
                    Level::Warning,
                    format!("vrrp_check {name} {STILL_BELIEVES}: {why}"),
                ),
                None => (
                    Level::Info,
                    format!("vrrp_check {name} can read its certificates again"),
                ),
            };
            reporter.say(level, line).await;
        }
        if is_news {
            let mut mechanism = asks.clone();
            mechanism += told_of_listener.as_deref().unwrap_or_default();
            if let Some(why) = &trouble {
                mechanism += &format!("; {STILL_BELIEVES}: {why}");
            }
            reporter.works_by(mechanism);
        }
    }
}

/// Of a check whose file of certificates was well once.
const STILL_BELIEVES: &str = "goes by the certificates that it has read before";

/// How long a check waits before its first try: multiples of the golden ratio lie
/// far apart, however many there are.
fn head_start(place: u32, interval: Duration) -> Duration {
    const GOLDEN: u32 = 0x9E37_79B9;
    let fraction = f64::from(place.wrapping_mul(GOLDEN)) / f64::from(u32::MAX);
    interval.min(SPREAD).mul_f64(fraction)
}

/// What went wrong, and why, and why that.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}
