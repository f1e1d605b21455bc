//! The control socket: one question a line, one JSON answer.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener as BlockingListener, UnixStream as BlockingStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::status::Status;
use crate::error::{Exit, Failure};

const STATUS: &[u8] = b"status\n";
/// Clients that are answered at a time.
pub const MOST_CLIENTS: usize = 16;
/// How long no client is taken after one could not be: descriptors may be out.
pub const BREATH: Duration = Duration::from_millis(100);
/// How long a client may take over its question, and a daemon over its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the daemon of a runtime directory answers.
#[must_use]
pub fn path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("control.sock")
}

/// The daemon's end.
#[derive(Debug)]
pub struct Control {
    listener: BlockingListener,
    path: PathBuf,
}

impl Control {
    /// Opens the socket. The caller holds the runtime directory's lock, so a
    /// socket that lies there is a dead daemon's.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn open(runtime_dir: &Path) -> io::Result<Self> {
        let path = path(runtime_dir);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = BlockingListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660))?;
        Ok(Self { listener, path })
    }

    /// Has tokio watch it; only within a runtime.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn listen(&self) -> io::Result<UnixListener> {
        UnixListener::from_std(self.listener.try_clone()?)
    }
}

/// Answers one question. Whoever asks nonsense, or is slow, is let go.
pub async fn answer(mut stream: UnixStream, status: Status) {
    let mut question = [0; STATUS.len()];
    let exchange = async {
        stream.read_exact(&mut question).await?;
        if question == STATUS {
            stream.write_all(&serde_json::to_vec(&status)?).await?;
        }
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(PATIENCE, exchange).await;
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Asks the daemon of a runtime directory how it is.
///
/// # Errors
/// Exit code 6 when none answers.
pub fn ask_status(runtime_dir: &Path) -> Result<Status, Failure> {
    let path = path(runtime_dir);
    let exchange = || -> io::Result<Status> {
        let mut stream = BlockingStream::connect(&path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(STATUS)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    };
    exchange().map_err(|error| {
        let message = format!(
            "no vip answers at {}: {error}; start one with 'vip run', or name its directory with --runtime-dir",
            path.display()
        );
        Failure::new(Exit::NoDaemon, message)
    })
}
