//! `vip release`: takes off what a dead daemon has left.

use std::io;
use std::path::Path;

use caps::Capability;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::error::{Exit, Failure};
use crate::kernel::{NetlinkKernel, OpenError, TidyError};
use crate::privs;
use crate::services::{control, dump};

/// Removes what a daemon of this runtime directory had installed when it died,
/// prints each, and forgets the list; its control socket goes too. Nothing, while a
/// daemon runs. Doing it twice is doing it once.
///
/// # Errors
///
/// Exit code 7 while a daemon runs, 5 without the rights that the daemon had.
pub fn run(runtime_dir: &Path) -> Result<Exit, Failure> {
    // Held until the end, so that no daemon starts in between.
    let _lock = match lock(runtime_dir)? {
        Some(lock) => lock,
        None => return Ok(nothing()),
    };
    // Half of it removed and the list forgotten would be worse than nothing.
    if !privs::has(Capability::CAP_NET_ADMIN) {
        let message =
            "CAP_NET_ADMIN missing: vip release runs as the daemon did; nothing was changed";
        return Err(Failure::new(Exit::Host, message.to_owned()));
    }
    let mut kernel = NetlinkKernel::open(runtime_dir).map_err(|error| {
        let exit = match &error {
            OpenError::Socket(error) | OpenError::List { error, .. } => exit_of(error),
        };
        Failure::new(exit, error.to_string())
    })?;
    if kernel.list_is_elsewhere() {
        let message = format!(
            "the addresses listed in {} belong to another network namespace; \
             run `vip release` there (with `nsenter` or `ip netns exec`), or remove the list if that namespace is gone",
            runtime_dir.display()
        );
        return Err(Failure::new(Exit::Failed, message));
    }
    dump::remove(runtime_dir);
    let socket = control::remove_left(runtime_dir).map_err(|error| {
        let path = control::path(runtime_dir);
        let message = format!("cannot remove {}: {error}", path.display());
        Failure::new(exit_of(&error), message)
    })?;
    let tidied = kernel.tidy(&[]).map_err(|error| {
        let exit = if lacks_capability(&error) {
            Exit::Host
        } else {
            Exit::Failed
        };
        Failure::new(exit, error.to_string())
    })?;
    if socket {
        println!("removed {}", control::path(runtime_dir).display());
    }
    for entry in &tidied.removed {
        println!("removed {entry}");
    }
    for (entry, why) in &tidied.left {
        println!("left {entry}: {why}");
    }
    if let Some(why) = tidied.unlisted {
        return Err(Failure::new(
            Exit::Failed,
            format!("the list of installed addresses stays: {why}"),
        ));
    }
    if !socket && tidied.removed.is_empty() && tidied.left.is_empty() {
        return Ok(nothing());
    }
    Ok(Exit::Done)
}

fn nothing() -> Exit {
    println!("nothing to remove");
    Exit::Done
}

/// The daemon's lock, taken; none if no daemon has ever used the directory.
fn lock(runtime_dir: &Path) -> Result<Option<Flock<std::fs::File>>, Failure> {
    let file = match std::fs::File::open(runtime_dir) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let message = format!(
                "cannot open {}: {error}; vip release runs as the daemon did",
                runtime_dir.display()
            );
            return Err(Failure::new(exit_of(&error), message));
        }
    };
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => {
            let message = format!(
                "a vip runs with {}; stop it (it takes its addresses along), or name another --runtime-dir",
                runtime_dir.display()
            );
            Err(Failure::new(Exit::Taken, message))
        }
        Err((_, error)) => Err(Failure::new(
            Exit::Failed,
            format!("cannot lock {}: {error}", runtime_dir.display()),
        )),
    }
}

fn exit_of(error: &io::Error) -> Exit {
    if error.kind() == io::ErrorKind::PermissionDenied {
        Exit::Host
    } else {
        Exit::Failed
    }
}

fn lacks_capability(error: &TidyError) -> bool {
    match error {
        TidyError::Remove(error) => error
            .failures
            .iter()
            .any(|failure| failure.error.raw_os_error() == Some(libc::EPERM)),
        TidyError::Dump(_) => false,
    }
}
