//! The file for the node exporter's textfile collector.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use super::gather::Gathered;
use super::{Format, Scrape, families};
use crate::services::log::{Level, Log};

/// Writes the file anew every so often, until the daemon ends. A disk that does not
/// answer holds up nothing but this.
pub(super) async fn write(path: PathBuf, every: Duration, ask: mpsc::Sender<Scrape>, log: Log) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_well = true;
    loop {
        ticks.tick().await;
        let (reply, gathered) = oneshot::channel();
        if ask.send(reply).await.is_err() {
            return;
        }
        let Ok(gathered) = gathered.await else { return };
        let to = path.clone();
        let written = tokio::task::spawn_blocking(move || replace(&to, &gathered)).await;
        let written = written.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        match (&written, is_well) {
            (Err(error), true) => {
                let line = format!("cannot write the metrics to {}: {error}", path.display());
                log.line(Level::Error, &line);
            }
            (Ok(()), false) => {
                let line = format!("the metrics are written to {} again", path.display());
                log.line(Level::Info, &line);
            }
            _ => {}
        }
        is_well = written.is_ok();
    }
}

/// Puts a new file in the place of the one that is there: whoever reads has one of the
/// two, whole. Its name until then is none that the collector takes.
fn replace(path: &Path, gathered: &Arc<Gathered>) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".vip-metrics-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(families::page(gathered, Format::Prometheus).as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
