//! Files that appear all at once, or not at all.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// There is no such directory.
    #[error("{}: there is no such directory; make it first, or name another one", .0.display())]
    NoDirectory(PathBuf),
    /// A file of that name is there.
    #[error("{}: this file exists already and nothing was written; give --force to replace it, or another directory", .0.display())]
    Exists(PathBuf),
    /// The system refuses.
    #[error("{}: cannot be written: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Writes each of `files` (name and text) into `directory`, readable by their
/// owner only since they may hold a password. A file that exists is replaced
/// only with `force`. Each appears complete; when one cannot be written, those
/// before it are taken back, except where they replaced another.
///
/// # Errors
/// When one cannot be written.
pub(super) fn write(
    directory: &Path,
    files: &[(String, String)],
    force: bool,
) -> Result<Vec<PathBuf>, WriteError> {
    if !directory.is_dir() {
        return Err(WriteError::NoDirectory(directory.to_path_buf()));
    }
    if !force {
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        none_exists(directory, &names)?;
    }
    let mut ready = Vec::new();
    for (name, text) in files {
        let path = path(directory, name);
        match prepare(directory, text) {
            Ok(file) => ready.push((file, path)),
            Err(error) => return Err(WriteError::Io { path, error }),
        }
    }
    let mut written: Vec<PathBuf> = Vec::new();
    for (file, path) in ready {
        let done = if force {
            file.persist(&path)
        } else {
            file.persist_noclobber(&path)
        };
        if let Err(failed) = done {
            if !force {
                for path in &written {
                    // What cannot be taken back is complete and does no harm.
                    let _ = std::fs::remove_file(path);
                }
            }
            return Err(if failed.error.kind() == io::ErrorKind::AlreadyExists {
                WriteError::Exists(path)
            } else {
                WriteError::Io {
                    path,
                    error: failed.error,
                }
            });
        }
        written.push(path);
    }
    Ok(written)
}

/// Whether all names are free; a link that leads nowhere takes one too.
///
/// # Errors
/// When one of them exists.
pub(super) fn none_exists(directory: &Path, names: &[impl AsRef<str>]) -> Result<(), WriteError> {
    for name in names {
        let path = path(directory, name.as_ref());
        if path.symlink_metadata().is_ok() {
            return Err(WriteError::Exists(path));
        }
    }
    Ok(())
}

/// Where a file of this name goes, as a person would write it.
pub(super) fn path(directory: &Path, name: &str) -> PathBuf {
    if directory == Path::new(".") {
        name.into()
    } else {
        directory.join(name)
    }
}

/// A file under a passing name with the text, mode 0600, on disk.
fn prepare(directory: &Path, text: &str) -> io::Result<NamedTempFile> {
    let mut file = Builder::new().prefix(".vip-init-").tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn pair(text: &str) -> [(String, String); 2] {
        ["a", "b"].map(|name| (name.into(), format!("{text} {name}")))
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn both_appear_for_their_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let written = write(directory.path(), &pair("one"), false).unwrap();
        assert_eq!(names(directory.path()), ["a", "b"]);
        for (path, text) in written.iter().zip(["one a", "one b"]) {
            assert_eq!(fs::read_to_string(path).unwrap(), text);
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600, "{}", path.display());
        }
    }

    #[test]
    fn what_exists_stays_unless_forced() {
        let directory = tempfile::tempdir().unwrap();
        let second = directory.path().join("b");
        fs::write(&second, "mine").unwrap();
        let error = write(directory.path(), &pair("one"), false).unwrap_err();
        assert!(
            matches!(&error, WriteError::Exists(path) if *path == second),
            "{error}"
        );
        assert_eq!(names(directory.path()), ["b"], "nothing is left behind");
        assert_eq!(fs::read_to_string(&second).unwrap(), "mine");
        write(directory.path(), &pair("two"), true).unwrap();
        assert_eq!(fs::read_to_string(&second).unwrap(), "two b");
        assert_eq!(names(directory.path()), ["a", "b"]);
    }

    #[test]
    fn a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = directory.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, directory.path().join("a")).unwrap();
        let error = write(directory.path(), &pair("one"), false).unwrap_err();
        assert!(matches!(error, WriteError::Exists(_)), "{error}");
        write(directory.path(), &pair("one"), true).unwrap();
        assert!(!elsewhere.exists());
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("none");
        let error = write(&missing, &pair("one"), false).unwrap_err();
        assert!(matches!(error, WriteError::NoDirectory(_)), "{error}");
        // The second cannot take its place: a directory is there.
        let files = [("a".into(), "x".into()), ("no/such".into(), "y".into())];
        let error = write(directory.path(), &files, false).unwrap_err();
        assert!(matches!(error, WriteError::Io { .. }), "{error}");
        assert_eq!(names(directory.path()), [""; 0]);
    }
}
