//! The file with the certificates that a check believes: read within bounds, and again
//! when it has changed.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::aside::aside;
use super::{Failure, Renewal, reasons, tls};

/// The largest file: more than all authorities of the world take.
const MOST_BYTES: u64 = 1024 * 1024;

/// A file that has changed so shortly before it was read may have changed since without
/// a trace: clocks of file systems tick slowly.
const FRESH: Duration = Duration::from_secs(2);

/// How long a file may be read before that is said, where what it held before counts.
const SLOW: Duration = Duration::from_secs(1);

/// By what a file is seen to be the same as before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// Whether another change would have left another stamp.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let changed = u64::try_from(self.changed.0).map(Duration::from_secs);
        now.is_ok_and(|now| changed.is_ok_and(|changed| now > changed + FRESH))
    }
}

/// What a look at the file came to.
enum Looked {
    /// It is as it was.
    Same,
    /// What it holds now, and its stamp, if that can be relied on.
    New(Arc<ClientConfig>, Option<Stamp>),
    /// Why it cannot be used.
    Useless(Failure),
}

/// How a check speaks TLS, and by which certificates of others.
pub(super) struct Trust {
    /// Without one anybody is believed.
    ca: Option<PathBuf>,
    renewal: Renewal,
    kept: Option<Arc<ClientConfig>>,
    /// Of the file that it was made from.
    stamp: Option<Stamp>,
    /// A look that has not come to its end. A disk that does not answer cannot be
    /// interrupted: there is never a second one.
    look: Option<(oneshot::Receiver<Looked>, Instant)>,
    /// Why the file cannot be used at the moment.
    trouble: Option<String>,
}

impl Trust {
    pub(super) const fn new(ca: Option<PathBuf>, renewal: Renewal) -> Self {
        Self {
            ca,
            renewal,
            kept: None,
            stamp: None,
            look: None,
            trouble: None,
        }
    }

    /// Why what the file held before still counts, while it cannot be used.
    pub(super) fn trouble(&self) -> Option<&str> {
        let is_kept = self.kept.is_some();
        self.trouble.as_deref().filter(|_| is_kept)
    }

    /// How to speak now. The file is waited for no longer than this; what it held
    /// before counts while it cannot be read.
    pub(super) async fn configuration(
        &mut self,
        patience: Duration,
    ) -> Result<Arc<ClientConfig>, Failure> {
        let Some(ca) = self.ca.clone() else {
            if let Some(kept) = &self.kept {
                return Ok(Arc::clone(kept));
            }
            let made = tls::make(None).map_err(Failure::Tls)?;
            return Ok(Arc::clone(self.kept.insert(Arc::new(made))));
        };
        // What has been late once is not waited for again.
        let is_late = self.look.is_some() && self.kept.is_some();
        let patience = if is_late { Duration::ZERO } else { patience };
        let failure = match timeout(patience, self.look(&ca)).await {
            Ok(Looked::Same) => {
                self.trouble = None;
                None
            }
            Ok(Looked::New(made, stamp)) => {
                self.kept = Some(made);
                self.stamp = stamp;
                self.trouble = None;
                None
            }
            Ok(Looked::Useless(failure)) => {
                self.trouble = Some(failure.to_string());
                Some(failure)
            }
            Err(_) => {
                let failure = useless(&ca, "reading it takes too long".into());
                let since = self.look.as_ref().map(|(_, since)| since.elapsed());
                if since.is_some_and(|since| since >= SLOW) {
                    self.trouble = Some(failure.to_string());
                }
                Some(failure)
            }
        };
        match (&self.kept, failure) {
            (Some(kept), _) => Ok(Arc::clone(kept)),
            (None, Some(failure)) => Err(failure),
            (None, None) => Err(useless(&ca, "it has not been read yet".into())),
        }
    }

    /// Goes on with the look that is under way, or takes one.
    async fn look(&mut self, ca: &Path) -> Looked {
        let (look, _) = match &mut self.look {
            Some(look) => look,
            none => {
                let is_wanted = self.renewal.take();
                let known = self.stamp.filter(|_| !is_wanted);
                let path = ca.to_owned();
                match aside(move || look(&path, known)) {
                    Ok(begun) => none.insert((begun, Instant::now())),
                    Err(error) => return Looked::Useless(useless(ca, error.to_string())),
                }
            }
        };
        let looked = look.await;
        self.look = None;
        looked.unwrap_or_else(|_| Looked::Useless(useless(ca, "its reader has died".into())))
    }
}

fn useless(path: &Path, why: String) -> Failure {
    let path = path.to_owned();
    Failure::Certificates { path, why }
}

fn look(path: &Path, known: Option<Stamp>) -> Looked {
    let judged = std::fs::metadata(path).is_ok_and(|file| known == Some(Stamp::of(&file)));
    if judged {
        return Looked::Same;
    }
    let made = make(path).map(|(made, stamp)| {
        let stamp = Some(stamp).filter(Stamp::is_settled);
        Looked::New(Arc::new(made), stamp)
    });
    made.unwrap_or_else(|why| Looked::Useless(useless(path, why.to_string())))
}

fn make(path: &Path) -> io::Result<(ClientConfig, Stamp)> {
    let (certificates, stamp) = read(path)?;
    let made = tls::make(Some(certificates)).map_err(io::Error::other)?;
    Ok((made, stamp))
}

/// Whether a check could use the certificates in a file.
///
/// # Errors
/// Why not.
pub fn usable(path: &Path) -> io::Result<()> {
    make(path).map(drop)
}

/// The certificates in a file, of which there is one at least.
fn read(path: &Path) -> io::Result<(Vec<CertificateDer<'static>>, Stamp)> {
    // Devices do something when they are opened.
    judge(&std::fs::metadata(path)?)?;
    // It may have become a pipe, where the opening would wait for somebody who writes.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let file: File = options.open(path)?;
    let about = file.metadata()?;
    judge(&about)?;
    let mut text = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut text)?;
    // Some file systems say 0 of what has no end.
    if u64::try_from(text.len()).map_or(true, |size| size > MOST_BYTES) {
        return Err(too_large());
    }
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| io::Error::other(reasons(&error)))?;
    if found.is_empty() {
        return Err(io::Error::other("there are none in it"));
    }
    Ok((found, Stamp::of(&about)))
}

fn judge(file: &Metadata) -> io::Result<()> {
    if file.is_dir() {
        Err(io::Error::other("it is a directory"))
    } else if !file.is_file() {
        Err(io::Error::other("it is not a regular file"))
    } else if file.len() > MOST_BYTES {
        Err(too_large())
    } else {
        Ok(())
    }
}

fn too_large() -> io::Error {
    let most = MOST_BYTES / 1024;
    io::Error::other(format!("it is larger than {most} KiB"))
}
