//! Who runs a script, and whether root may run it: looked up once, when the
//! configuration is taken.

use std::ffi::CString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::{AccessFlags, Group, User, access, getegid, geteuid, getgrouplist, getgroups};
use thiserror::Error;

use super::launch::Identity;
use crate::config::reaction::{Account, ScriptRules};

/// Who runs scripts where nobody is named, if there is such an account.
const USUAL: &str = "keepalived_script";

/// Why a script is not run at all.
#[derive(Error, Debug)]
pub enum Refusal {
    /// There is no such user.
    #[error("there is no user '{0}' on this host; create it, or name another one")]
    NoUser(String),
    /// There is no such group.
    #[error("there is no group '{0}' on this host; create it, or name another one")]
    NoGroup(String),
    /// The accounts cannot be read.
    #[error("the account '{name}' cannot be looked up: {source}")]
    Accounts {
        /// Whose.
        name: String,
        /// Why.
        source: nix::Error,
    },
    /// There is no such program.
    #[error("{0} is not in PATH; write its whole path")]
    NotInPath(String),
    /// It cannot be looked at.
    #[error("{} cannot be run: {source}", path.display())]
    Unreachable {
        /// The program, or a directory above it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else than a program.
    #[error("{} is not a program: it must be a file that '{who}' has the right to execute", path.display())]
    NotExecutable {
        /// The path.
        path: PathBuf,
        /// Who would run it.
        who: String,
    },
    /// Others than root could change what root would run.
    #[error(
        "{reason}, and root would run it: 'chown root' and 'chmod go-w' it, or name a script_user"
    )]
    Unsafe {
        /// What is wrong.
        reason: String,
    },
}

/// Looks an account up; without one, whoever runs scripts where nobody is named.
///
/// # Errors
/// Where there is no such account.
pub(super) fn identity(
    account: Option<&Account>,
    rules: &ScriptRules,
) -> Result<(Identity, String), Refusal> {
    let Some(account) = account.or(rules.user.as_ref()) else {
        return usual(rules);
    };
    let user = user(&account.user)?.ok_or_else(|| Refusal::NoUser(account.user.clone()))?;
    let gid = match &account.group {
        Some(name) => Group::from_name(name)
            .map_err(|source| Refusal::Accounts {
                name: name.clone(),
                source,
            })?
            .ok_or_else(|| Refusal::NoGroup(name.clone()))?
            .gid
            .as_raw(),
        None => user.gid.as_raw(),
    };
    Ok((of_user(&user, gid, rules), user.name))
}

fn user(name: &str) -> Result<Option<User>, Refusal> {
    User::from_name(name).map_err(|source| Refusal::Accounts {
        name: name.into(),
        source,
    })
}

fn usual(rules: &ScriptRules) -> Result<(Identity, String), Refusal> {
    let uid = geteuid();
    // Who is not root cannot become somebody else.
    if !uid.is_root() {
        let groups = getgroups().unwrap_or_default();
        let identity = Identity {
            uid: uid.as_raw(),
            gid: getegid().as_raw(),
            groups: groups.iter().map(|gid| gid.as_raw()).collect(),
        };
        return Ok((identity, format!("user {uid}")));
    }
    if let Some(user) = user(USUAL)? {
        return Ok((of_user(&user, user.gid.as_raw(), rules), user.name));
    }
    let root = Identity {
        uid: 0,
        gid: 0,
        groups: vec![0],
    };
    Ok((root, "root".into()))
}

fn of_user(user: &User, gid: u32, rules: &ScriptRules) -> Identity {
    let mut groups = vec![gid];
    let name = CString::new(user.name.as_str()).ok();
    if let Some(name) = name.filter(|_| rules.supplementary_groups) {
        let all = getgrouplist(&name, nix::unistd::Gid::from_raw(gid)).unwrap_or_default();
        let more = all.iter().map(|gid| gid.as_raw());
        groups.extend(more.filter(|one| *one != gid));
    }
    Identity {
        uid: user.uid.as_raw(),
        gid,
        groups,
    }
}

/// A program that has been looked at.
#[derive(Debug)]
pub(super) struct Found {
    /// What is run.
    pub(super) path: PathBuf,
    /// What makes it unsafe for root to run, if anything.
    pub(super) danger: Option<String>,
}

/// Finds a program, follows the links on the way to it, and looks at whoever could
/// change it.
///
/// # Errors
/// Where there is no program that `who` may run.
pub(super) fn find(
    word: &str,
    identity: &Identity,
    who: &str,
    rules: &ScriptRules,
) -> Result<Found, Refusal> {
    let written = if word.contains('/') {
        PathBuf::from(word)
    } else {
        in_path(word).ok_or_else(|| Refusal::NotInPath(word.into()))?
    };
    let unreachable = |source| Refusal::Unreachable {
        path: written.clone(),
        source,
    };
    let real = written.canonicalize().map_err(unreachable)?;
    let about = real.metadata().map_err(unreachable)?;
    if !about.is_file()
        || !may_execute(&about, identity)
        || access(&real, AccessFlags::F_OK).is_err()
    {
        return Err(Refusal::NotExecutable {
            path: written,
            who: who.into(),
        });
    }
    // A link with a name of its own may be what tells a program what to do.
    let named_alike = real.file_name() == written.file_name();
    let path = if rules.symlink_paths || !named_alike {
        written.clone()
    } else {
        real.clone()
    };
    let danger = danger(&written).or_else(|| danger(&real));
    Ok(Found { path, danger })
}

/// Why root must not run a program as it is now, if others could change it.
pub(super) fn unsafe_for_root(program: &Path) -> Option<Refusal> {
    let real = program.canonicalize().ok();
    let reason = danger(program).or_else(|| danger(&real?))?;
    Some(Refusal::Unsafe { reason })
}

fn in_path(word: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
    let mut all = std::env::split_paths(&path).filter(|one| one.is_absolute());
    all.find_map(|directory| {
        let program = directory.join(word);
        let about = program.metadata().ok()?;
        (about.is_file() && about.mode() & 0o111 != 0).then_some(program)
    })
}

/// By the rights of the file alone: the directories above it are found out by running
/// it.
fn may_execute(about: &Metadata, identity: &Identity) -> bool {
    let bit = if identity.uid == 0 {
        0o111
    } else if about.uid() == identity.uid {
        0o100
    } else if about.gid() == identity.gid || identity.groups.contains(&about.gid()) {
        0o010
    } else {
        0o001
    };
    about.mode() & bit != 0
}

/// What lets somebody other than root change what this path leads to.
fn danger(path: &Path) -> Option<String> {
    let mut walked = PathBuf::new();
    for component in path.components() {
        walked.push(component);
        if component == Component::CurDir {
            continue;
        }
        let Ok(about) = walked.symlink_metadata() else {
            return Some(format!("{} cannot be looked at", walked.display()));
        };
        if let Some(why) = others_may_write(about.uid(), about.gid(), about.mode()) {
            return Some(format!("{} {why}", walked.display()));
        }
    }
    None
}

fn others_may_write(uid: u32, gid: u32, mode: u32) -> Option<String> {
    const STICKY_DIRECTORY: u32 = libc::S_IFDIR | libc::S_ISVTX;
    if uid != 0 {
        let owner = User::from_uid(uid.into()).ok().flatten();
        let owner = owner.map_or_else(|| uid.to_string(), |user| user.name);
        return Some(format!("belongs to {owner}"));
    }
    let kind = mode & libc::S_IFMT;
    // The rights of a link mean nothing, and in a directory as /tmp is nobody can
    // replace what is root's.
    if kind == libc::S_IFLNK || mode & (libc::S_IFMT | libc::S_ISVTX) == STICKY_DIRECTORY {
        return None;
    }
    if mode & libc::S_IWOTH != 0 {
        return Some("can be written by everybody".into());
    }
    (mode & libc::S_IWGRP != 0 && gid != 0).then(|| "can be written by its group".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_root_can_change_is_safe() {
        let (file, dir, link) = (libc::S_IFREG, libc::S_IFDIR, libc::S_IFLNK);
        for (uid, gid, mode, safe) in [
            (0, 0, file | 0o755, true),
            (0, 0, file | 0o775, true),
            (0, 5, file | 0o755, true),
            (0, 5, file | 0o775, false),
            (0, 0, file | 0o757, false),
            (1, 0, file | 0o700, false),
            (0, 0, dir | 0o777, false),
            (0, 0, dir | 0o1777, true),
            (0, 5, dir | 0o1775, true),
            (1, 0, dir | 0o1755, false),
            (0, 0, file | 0o1757, false),
            (0, 0, link | 0o777, true),
            (1, 0, link | 0o777, false),
        ] {
            let found = others_may_write(uid, gid, mode);
            assert_eq!(found.is_none(), safe, "{uid} {gid} {mode:o}: {found:?}");
        }
    }

    #[test]
    fn a_program_is_found_and_nothing_else() {
        let rules = ScriptRules::default();
        let root = Identity {
            uid: 0,
            gid: 0,
            groups: vec![0],
        };
        let found = |word| find(word, &root, "root", &rules);
        assert!(found("/bin/true").is_ok());
        assert!(found("true").is_ok());
        assert!(matches!(found("/bin"), Err(Refusal::NotExecutable { .. })));
        let passwd = found("/etc/passwd");
        assert!(matches!(passwd, Err(Refusal::NotExecutable { .. })));
        let missing = found("/bin/no-such-program");
        assert!(matches!(missing, Err(Refusal::Unreachable { .. })));
        let missing = found("no-such-program");
        assert!(matches!(missing, Err(Refusal::NotInPath(_))));
    }

    #[test]
    fn a_link_keeps_a_name_of_its_own() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let link = |at: &str| -> io::Result<PathBuf> {
            let path = directory.path().join(at);
            std::os::unix::fs::symlink("/bin/sh", &path)?;
            Ok(path)
        };
        let rules = ScriptRules::default();
        let me = usual(&rules).expect("it is me").0;
        let run = |path: &Path, rules: &ScriptRules| {
            let word = path.to_str().expect("a plain name");
            find(word, &me, "me", rules).expect("it is a program").path
        };
        let other = link("other")?;
        assert_eq!(run(&other, &rules), other);
        let real = Path::new("/bin/sh").canonicalize()?;
        let name = real.file_name().expect("it has a name");
        let same = link(name.to_str().expect("a plain name"))?;
        assert_eq!(run(&same, &rules), real);
        let written = ScriptRules {
            symlink_paths: true,
            ..rules
        };
        assert_eq!(run(&same, &written), same);
        Ok(())
    }
}
