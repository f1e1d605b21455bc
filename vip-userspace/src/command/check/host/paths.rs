//! Scripts and files that a configuration names: whether they are there, may be
//! run, and are nobody else's to change.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::Report;
use crate::command::check::written::sections;
use crate::config::Severity;
use crate::config::lex::Token;
use crate::config::lists;
use crate::config::section::Setting;
use crate::config::source::Span;
use crate::config::value::Value;
use crate::watch::check::usable;
use nix::unistd::{Gid, Uid, User, getgrouplist};

/// Looks at everything that a file names, each once.
pub(super) fn judge(report: &mut Report<'_>) {
    let mut looked_at = HashSet::new();
    let settings = &report.loaded.settings;
    let default = match report.written.global("script_user") {
        Some(setting) => user(setting).and_then(|user| runner(report, user)),
        None => Some(Runner::default()),
    };
    let secured = report.written.global("enable_script_security").is_some();
    let mut open = vec![settings.as_slice()];
    while let Some(settings) = open.pop() {
        let inner: Vec<_> = sections(settings).collect();
        // The first of them is the next one.
        open.extend(inner.iter().rev().map(|inner| inner.settings.as_slice()));
        for setting in settings {
            if let Value::Command(command) = &setting.value {
                let named = command.user.as_ref();
                let runner = match named.or_else(|| settings.iter().find_map(user)) {
                    Some(user) => runner(report, user),
                    None => default.clone(),
                };
                if let (Some(runner), Some(named)) = (runner, command.argv.first())
                    && looked_at.insert((named.clone(), runner.name.clone()))
                {
                    script(report, command.span, named, &runner, secured);
                }
            } else if let Value::Word(word) = &setting.value
                && setting.keyword.name == "file"
            {
                watched(report, word);
            } else if let Value::Probe(line) = &setting.value
                && let Some(ca) = line.probe.ca()
            {
                certificates(report, setting.span, ca);
            }
        }
    }
}

/// Who runs what stands in the same block, if this line says so.
fn user(setting: &Setting) -> Option<&lists::User> {
    if let Value::User(user) = &setting.value {
        Some(user)
    } else {
        None
    }
}

/// The account of a user that is named, if there is one.
fn runner(report: &mut Report<'_>, user: &lists::User) -> Option<Runner> {
    let runner = Runner::named(&user.name);
    if runner.is_none() {
        let message = format!("there is no user `{}` here", user.name);
        let help = "what it would run is not run";
        report.written_at(Severity::Error, user.span, message, help);
    }
    runner
}

/// Says what is wrong with a script.
fn script(report: &mut Report<'_>, at: Span, named: &str, runner: &Runner, secured: bool) {
    let (path, flaws) = program(named, runner);
    let path = path.display();
    for flaw in flaws {
        let (severity, message, help) = match flaw {
            Flaw::Missing => (
                Severity::Error,
                format!("{path} is not here"),
                "the script is not run, as in keepalived".to_owned(),
            ),
            Flaw::Unseen(why) => (
                Severity::Note,
                format!("{path} cannot be looked at: {why}"),
                String::new(),
            ),
            Flaw::NotAFile => (
                Severity::Error,
                format!("{path} is not a file that could be run"),
                "the script is not run, as in keepalived".to_owned(),
            ),
            Flaw::NotExecutable => (
                Severity::Error,
                format!("{} may not run {path}", runner.name),
                format!("chmod +x {path}"),
            ),
            Flaw::Open { path: open, who } => {
                let open = open.display();
                let severity = if secured && runner.is_root() {
                    Severity::Error
                } else {
                    Severity::Warning
                };
                let message = format!(
                    "{path} is run as {}, and {open} can be changed by {who}",
                    runner.name
                );
                let help = if secured && runner.is_root() {
                    "with enable_script_security such a script is not run; give the path to root, or the script another user"
                } else {
                    "whoever changes it decides what is run; give the path to root (chown root, chmod go-w)"
                };
                (severity, message, help.to_owned())
            }
        };
        report.written_at(severity, at, message, &help);
    }
}

/// A file that is watched appears in a directory that is there.
fn watched(report: &mut Report<'_>, word: &Token) {
    if let Some(directory) = missing_directory(Path::new(&*word.text)) {
        let message = format!("the directory {} is not here", directory.display());
        let help = "nothing can appear in it; is it the right path?";
        report.written_at(Severity::Warning, word.span, message, help);
    }
}

/// A check can use the certificates that it is to believe.
fn certificates(report: &mut Report<'_>, at: Span, path: &Path) {
    let Err(error) = usable(path) else { return };
    let message = format!("cannot use the certificates in {}: {error}", path.display());
    if error.kind() == ErrorKind::PermissionDenied {
        report.written_at(Severity::Note, at, message, "");
    } else {
        let help = "the check fails until they can be read";
        report.written_at(Severity::Error, at, message, help);
    }
}

/// Where a program is looked for that is named without a path.
const SEARCHED: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Who would run a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Runner {
    pub(super) name: String,
    uid: u32,
    gids: Vec<u32>,
}

impl Runner {
    /// The user of this name, if there is one.
    pub(super) fn named(name: &str) -> Option<Self> {
        let user = User::from_name(name).ok().flatten()?;
        Some(Self::of(&user))
    }

    /// Who runs what names nobody: an account of its own, else root.
    pub(super) fn default() -> Self {
        Self::named("keepalived_script").unwrap_or_else(|| Self {
            name: "root".to_owned(),
            uid: 0,
            gids: vec![0],
        })
    }

    fn of(user: &User) -> Self {
        let groups = std::ffi::CString::new(user.name.as_bytes())
            .ok()
            .and_then(|name| getgrouplist(&name, user.gid).ok());
        let gids = groups.unwrap_or_else(|| vec![user.gid]);
        Self {
            name: user.name.clone(),
            uid: user.uid.as_raw(),
            gids: gids.into_iter().map(Gid::as_raw).collect(),
        }
    }

    pub(super) fn is_root(&self) -> bool {
        Uid::from_raw(self.uid).is_root()
    }

    /// Whether the kernel would let it run a file of this owner and mode.
    fn may_run(&self, uid: u32, gid: u32, mode: u32) -> bool {
        let bit = match () {
            () if self.is_root() => 0o111,
            () if self.uid == uid => 0o100,
            () if self.gids.contains(&gid) => 0o010,
            () => 0o001,
        };
        mode & bit != 0
    }
}

/// What is wrong with a program that is to be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Flaw {
    /// It is not there, or a directory above it is not.
    Missing,
    /// The system refuses to look.
    Unseen(String),
    /// It is a directory, a pipe or a device.
    NotAFile,
    /// Whoever would run it may not.
    NotExecutable,
    /// Others than root may change it, or put another in its place.
    Open {
        /// The file, or the directory above it.
        path: PathBuf,
        /// Who may.
        who: String,
    },
}

/// Looks at a program that `runner` would run; the path as it will be run, and what
/// is wrong with it.
pub(super) fn program(named: &str, runner: &Runner) -> (PathBuf, Vec<Flaw>) {
    let path = if named.contains('/') {
        PathBuf::from(named)
    } else {
        let mut candidates = SEARCHED.iter().map(|folder| Path::new(folder).join(named));
        match candidates.find(|path| path.exists()) {
            Some(path) => path,
            None => return (PathBuf::from(named), vec![Flaw::Missing]),
        }
    };
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return (path, vec![Flaw::Missing]);
        }
        Err(error) => return (path, vec![Flaw::Unseen(error.to_string())]),
    };
    if !metadata.is_file() {
        return (path, vec![Flaw::NotAFile]);
    }
    let mut flaws = Vec::new();
    if !runner.may_run(metadata.uid(), metadata.gid(), metadata.mode()) {
        flaws.push(Flaw::NotExecutable);
    }
    flaws.extend(open(&path));
    (path, flaws)
}

/// The first part of a path that others than root may change.
fn open(path: &Path) -> Option<Flaw> {
    // Links are followed: it counts what they lead to, and where they lie.
    let real = fs::canonicalize(path).ok();
    [Some(path.to_path_buf()), real]
        .into_iter()
        .flatten()
        .find_map(|path| {
            parts(&path).into_iter().find_map(|part| {
                let metadata = fs::symlink_metadata(&part).ok()?;
                let who = who_may_change(&metadata)?;
                Some(Flaw::Open { path: part, who })
            })
        })
}

/// A path and all directories above it, from the root on.
fn parts(path: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = path.ancestors().map(Path::to_path_buf).collect();
    parts.retain(|part| {
        part.components()
            .any(|one| !matches!(one, Component::CurDir))
    });
    parts.reverse();
    parts
}

fn who_may_change(metadata: &Metadata) -> Option<String> {
    // The mode of a link says nothing.
    let mode = if metadata.is_symlink() {
        0
    } else {
        metadata.mode()
    };
    changeable(metadata.uid(), metadata.gid(), mode, metadata.is_dir())
}

/// Who besides root may change a file or directory of this owner and mode.
fn changeable(uid: u32, gid: u32, mode: u32, is_directory: bool) -> Option<String> {
    const STICKY: u32 = 0o1000;
    // In such a directory everybody may add, but change his own only.
    let is_shared = is_directory && mode & STICKY != 0;
    if uid != 0 {
        Some(format!("its owner, {}", user_name(uid)))
    } else if mode & 0o002 != 0 && !is_shared {
        Some(format!("everybody (mode {:o})", mode & 0o7777))
    } else if mode & 0o020 != 0 && gid != 0 && !is_shared {
        Some(format!("its group, {gid} (mode {:o})", mode & 0o7777))
    } else {
        None
    }
}

fn user_name(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| format!("user {uid}"), |user| user.name)
}

/// The directory in which a watched file would appear, if it is missing.
pub(super) fn missing_directory(file: &Path) -> Option<&Path> {
    let directory = file.parent().filter(|one| *one != Path::new(""))?;
    (!directory.is_dir()).then_some(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn runner(uid: u32, gids: &[u32]) -> Runner {
        Runner {
            name: "somebody".to_owned(),
            uid,
            gids: gids.to_vec(),
        }
    }

    #[test]
    fn who_may_run_a_file() {
        let root = runner(0, &[0]);
        assert!(root.may_run(5, 5, 0o755));
        assert!(root.may_run(5, 5, 0o010), "one bit is enough for root");
        assert!(!root.may_run(0, 0, 0o644));
        let somebody = runner(1000, &[1000, 27]);
        assert!(somebody.may_run(0, 0, 0o755));
        assert!(somebody.may_run(0, 27, 0o750));
        assert!(!somebody.may_run(0, 0, 0o750));
        assert!(somebody.may_run(1000, 0, 0o700));
        assert!(!somebody.may_run(1000, 27, 0o077), "an owner is not others");
    }

    #[test]
    fn who_may_change_a_file() {
        assert_eq!(changeable(0, 0, 0o755, false), None);
        assert_eq!(changeable(0, 0, 0o775, false), None, "root's own group");
        assert!(
            changeable(0, 27, 0o775, false)
                .unwrap()
                .contains("group, 27")
        );
        assert!(
            changeable(0, 0, 0o757, false)
                .unwrap()
                .contains("everybody")
        );
        assert!(changeable(0, 0, 0o777, true).is_some());
        assert_eq!(changeable(0, 0, 0o1777, true), None, "as /tmp");
        assert!(
            changeable(0, 0, 0o1777, false).is_some(),
            "a file is no directory"
        );
        assert!(
            changeable(4_000_000_000, 0, 0o700, false)
                .unwrap()
                .contains("4000000000")
        );
    }

    #[test]
    fn a_path_has_its_directories_above_it() {
        let parts: Vec<_> = parts(Path::new("/usr/bin/env"))
            .iter()
            .map(|part| part.display().to_string())
            .collect();
        assert_eq!(parts, ["/", "/usr", "/usr/bin", "/usr/bin/env"]);
    }

    #[test]
    fn what_is_wrong_with_a_program() {
        let root = runner(0, &[0]);
        let flaws = |path: &str| program(path, &root).1;
        assert_eq!(flaws("/usr/bin/env"), []);
        assert_eq!(flaws("/etc/hostname-that-is-not-there"), [Flaw::Missing]);
        assert_eq!(flaws("/etc/passwd/below"), [Flaw::Missing]);
        assert_eq!(flaws("/usr"), [Flaw::NotAFile]);
        assert_eq!(flaws("/etc/passwd"), [Flaw::NotExecutable]);
        assert_eq!(program("env", &root), ("/usr/bin/env".into(), vec![]));
        assert_eq!(flaws("no-such-program-anywhere"), [Flaw::Missing]);
    }

    #[test]
    fn a_program_that_others_may_replace() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        set(&script, 0o777);
        let found = program(script.to_str().unwrap(), &runner(0, &[0])).1;
        // Who is not root owns the folder, which is said first.
        let [Flaw::Open { path, .. }] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert!(script.starts_with(path), "{path:?}");
        set(&script, 0o644);
        let found = program(script.to_str().unwrap(), &runner(0, &[0])).1;
        assert!(found.contains(&Flaw::NotExecutable), "{found:?}");
    }

    #[test]
    fn the_directory_of_a_watched_file() {
        let missing = |file: &'static str| missing_directory(Path::new(file));
        assert_eq!(missing("/etc/anything"), None);
        assert_eq!(
            missing("/no-such-folder/x"),
            Some(Path::new("/no-such-folder"))
        );
        assert_eq!(missing("here"), None);
    }

    #[test]
    fn users_are_found_by_name() {
        assert!(Runner::named("root").unwrap().is_root());
        assert_eq!(Runner::named("no-such-user-anywhere"), None);
    }
}
