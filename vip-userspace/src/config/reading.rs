//! What a configuration is read from besides its own text: the other files, the
//! host's name, the environment. All of it is handed in, so that reading is the
//! same everywhere it is done.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::ReadError;

/// The largest file that is read.
pub const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// How a configuration is read.
pub struct Reading<'a> {
    /// Lines that begin with `@ID` belong to the host with this id.
    pub id: String,
    /// Values of `${_ENV NAME}`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Where `include` finds files.
    pub files: &'a dyn Files,
    /// The directory in which the first file lies, for `include` and `${_PWD}`.
    pub directory: PathBuf,
    /// Where `${_RANDOM}` begins, unless the file has a `random_seed`.
    pub seed: u64,
    /// How much is read at most.
    pub limits: Limits,
    /// Whether [`Loaded::statements`](super::Loaded::statements) is wanted.
    pub keep_statements: bool,
}

impl Default for Reading<'_> {
    /// Without any host: no id, no environment, no other files.
    fn default() -> Self {
        Self {
            id: String::new(),
            environment: &|_| None,
            files: &NoFiles,
            directory: PathBuf::from("/"),
            seed: 0,
            limits: Limits::default(),
            keep_statements: false,
        }
    }
}

impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("id", &self.id)
            .field("directory", &self.directory)
            .field("seed", &self.seed)
            .field("limits", &self.limits)
            .field("keep_statements", &self.keep_statements)
            .finish_non_exhaustive()
    }
}

impl Reading<'static> {
    /// As this host reads: its files, its environment, and the id given or else
    /// its name up to the first dot.
    #[must_use]
    pub fn of_host(id: Option<&str>) -> Self {
        Self {
            id: id.map_or_else(host_id, Into::into),
            environment: &|name| std::env::var(name).ok(),
            files: &Host,
            seed: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |now| u64::from(now.subsec_nanos()) ^ now.as_secs()),
            ..Self::default()
        }
    }
}

/// The host's name up to its first dot.
fn host_id() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().split('.').next().unwrap_or_default().into()
}

/// Bounds of what is read. Beyond each of them reading ends with an error, so
/// that neither a loop nor an explosion of definitions costs more than this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Files, an included one each time it is.
    pub files: usize,
    /// Bytes of all files together.
    pub bytes: u64,
    /// `include` within `include`, and definition within definition.
    pub depth: usize,
    /// Bytes of lines after expansion; what is left out by `@id` counts too.
    pub expanded: u64,
    /// Bytes of one line after expansion.
    pub line: usize,
    /// Words after expansion.
    pub words: usize,
    /// Words in one block outside all others.
    pub block: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 10_000,
            bytes: 4 * LARGEST_FILE,
            depth: 32,
            expanded: 128 * 1024 * 1024,
            line: 1024 * 1024,
            words: 4_000_000,
            block: 1_000_000,
        }
    }
}

/// What is found under a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A regular file that nobody may execute.
    Plain,
    /// A regular file that somebody may execute; no configuration.
    Executable,
    /// A directory.
    Directory,
    /// A pipe, a socket or a device.
    Other,
}

/// Where `include` finds files.
pub trait Files {
    /// What is there, links followed.
    ///
    /// # Errors
    /// What the system says; there being nothing is one of it.
    fn kind(&self, path: &Path) -> io::Result<Kind>;

    /// The names in a directory.
    ///
    /// # Errors
    /// What the system says.
    fn names(&self, directory: &Path) -> io::Result<Vec<OsString>>;

    /// The content, [`LARGEST_FILE`] at most.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError>;

    /// One name for whatever leads to the same file or directory.
    fn real(&self, path: &Path) -> PathBuf {
        plain(path)
    }
}

/// A path without `.` and `..`, by its words alone.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                out.push(component);
            }
        }
    }
    out
}

/// The files of this host.
#[derive(Clone, Copy, Debug)]
pub struct Host;

impl Files for Host {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        let found = fs::metadata(path)?;
        let kind = found.file_type();
        Ok(if kind.is_dir() {
            Kind::Directory
        } else if !kind.is_file() {
            Kind::Other
        } else if found.permissions().mode() & 0o111 != 0 {
            Kind::Executable
        } else {
            Kind::Plain
        })
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name()))
            .collect()
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        let failed = |error: io::Error| {
            let path = path.to_path_buf();
            if error.kind() == io::ErrorKind::NotFound {
                ReadError::Missing(path)
            } else {
                ReadError::Io { path, error }
            }
        };
        // Asked before it is opened: opening a pipe waits for its writer.
        match self.kind(path).map_err(failed)? {
            Kind::Plain | Kind::Executable => {}
            Kind::Directory => return Err(ReadError::Directory(path.to_path_buf())),
            Kind::Other => return Err(ReadError::NotAFile(path.to_path_buf())),
        }
        let mut bytes = Vec::new();
        OpenOptions::new()
            .read(true)
            // Nothing to a file, and no waiting for what has come in its place.
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
            .map_err(failed)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_FILE) {
            return Err(ReadError::TooLarge(path.to_path_buf()));
        }
        Ok(bytes)
    }

    fn real(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| plain(path))
    }
}

/// The files that a process with another root sees.
#[derive(Clone, Debug)]
pub struct Below(pub PathBuf);

impl Below {
    fn seen(&self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Files for Below {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        Host.kind(&self.seen(path))
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        Host.names(&self.seen(directory))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        Host.read(&self.seen(path))
    }
}

/// No files at all.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn kind(&self, _: &Path) -> io::Result<Kind> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn names(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        Err(ReadError::Missing(path.to_path_buf()))
    }
}

/// Files that exist only here, by their absolute paths. For tests.
#[derive(Clone, Default, Debug)]
pub struct InMemory(pub BTreeMap<PathBuf, Vec<u8>>);

impl Files for InMemory {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        let path = plain(path);
        if self.0.contains_key(&path) {
            Ok(Kind::Plain)
        } else if self.0.keys().any(|one| one.starts_with(&path)) {
            Ok(Kind::Directory)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let directory = plain(directory);
        let mut names: Vec<OsString> = self
            .0
            .keys()
            .filter_map(|path| path.strip_prefix(&directory).ok())
            .filter_map(|rest| Some(rest.components().next()?.as_os_str().to_owned()))
            .collect();
        names.dedup();
        if names.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(names)
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        let found = self.0.get(&plain(path));
        found
            .cloned()
            .ok_or_else(|| ReadError::Missing(path.to_path_buf()))
    }
}
