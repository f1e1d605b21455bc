//! Metrics for Prometheus and OpenMetrics: over HTTP (`--metrics`), or in a file that
//! the node exporter's textfile collector takes (`--metrics-file`).
//!
//! What is said comes from where `vip status` has it: the slots that the engine
//! publishes, and what the program at the NIC counts. Nobody who asks, however often or
//! slowly, comes near the engine: it is the services that are asked, and they look once
//! for all who ask within a moment.

mod families;
mod file;
mod gather;
mod http;
mod page;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::log::Log;
use super::{Services, State};
use crate::error::{Exit, Failure};
pub use families::reference;
use gather::{Episodes, Gathered};
pub(crate) use page::Format;

/// How long what was gathered is good for everybody who asks.
const FRESH: Duration = Duration::from_millis(100);
/// Clients that wait for an answer at a time.
const WAITING: usize = 16;

/// What a person wants of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Where to answer.
    pub listen: Option<SocketAddr>,
    /// The file to write.
    pub file: Option<PathBuf>,
    /// How often the file is written.
    pub every: Duration,
}

/// Somebody who wants to know how everything stands.
pub(super) type Scrape = oneshot::Sender<Arc<Gathered>>;

/// The services' part in it.
#[derive(Debug)]
pub struct Metrics {
    wanted: Wanted,
    listener: Option<TcpListener>,
    log: Log,
    /// Clients that were let go because there were too many.
    turned_away: Arc<AtomicU64>,
    scrapes: u64,
    last: Option<(Instant, Arc<Gathered>)>,
    episodes: Episodes,
}

impl Metrics {
    /// Takes the address, so that a start fails where it cannot be had.
    ///
    /// # Errors
    /// Exit code 5, with the address.
    pub fn open(wanted: Wanted, log: &Log) -> Result<Self, Failure> {
        let listener = match wanted.listen {
            None => None,
            Some(address) => Some(
                TcpListener::bind(address)
                    .and_then(|listener| {
                        listener.set_nonblocking(true)?;
                        Ok(listener)
                    })
                    .map_err(|error| {
                        let message = format!(
                            "cannot answer for metrics at {address}: {error}; choose another address with --metrics"
                        );
                        Failure::new(Exit::Host, message)
                    })?,
            ),
        };
        Ok(Self {
            wanted,
            listener,
            log: log.clone(),
            turned_away: Arc::new(AtomicU64::new(0)),
            scrapes: 0,
            last: None,
            episodes: Episodes::default(),
        })
    }

    /// Begins to answer and to write, as far as that is wanted; only within a runtime.
    /// Whoever asks comes out of what is returned.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub(super) fn start(&mut self) -> std::io::Result<mpsc::Receiver<Scrape>> {
        let (ask, asked) = mpsc::channel(WAITING);
        if let Some(listener) = self.listener.take() {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let turned_away = Arc::clone(&self.turned_away);
            tokio::spawn(http::serve(listener, ask.clone(), turned_away));
        }
        if let Some(path) = self.wanted.file.clone() {
            let writing = file::write(path, self.wanted.every, ask.clone(), self.log.clone());
            tokio::spawn(writing);
        }
        Ok(asked)
    }

    /// What a file said is true no more.
    pub(super) fn end(&self) {
        if let Some(path) = &self.wanted.file {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Services {
    /// Somebody wants to know how everything stands.
    pub(super) fn scraped(&mut self, state: &State, scrape: Scrape) {
        self.metrics.scrapes += 1;
        let last = self.metrics.last.take();
        let fresh = last.filter(|(at, _)| at.elapsed() < FRESH);
        let (at, gathered) =
            fresh.unwrap_or_else(|| (Instant::now(), Arc::new(Gathered::of(self, state))));
        // Who has gone meanwhile is no concern.
        let _ = scrape.send(Arc::clone(&gathered));
        self.metrics.last = Some((at, gathered));
    }

    /// Looks, once a second, for what is counted and passes between two scrapes.
    pub(super) fn count_episodes(&mut self) {
        let mut episodes = std::mem::take(&mut self.metrics.episodes);
        episodes.look(self);
        self.metrics.episodes = episodes;
    }

    pub(super) fn turned_away(&self) -> u64 {
        self.metrics.turned_away.load(Ordering::Relaxed)
    }
}
