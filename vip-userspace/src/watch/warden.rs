//! Who ends scripts when vip cannot: a process of its own that knows which process
//! groups run, and outlives a vip that was killed by just long enough to end them.
//!
//! The kernel ends the first process of a script with vip, not those that it has
//! started, nor one that does not obey.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, BufRead, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::child::GRACE;

/// The name that the program is started under to be one.
const NAME: &str = "vip-warden";
/// How often is looked whether all that was told to end is gone.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Is the warden where the program was started for that, until there is nothing left
/// to end. `None` where it was not.
#[must_use]
pub fn take_over() -> Option<ExitCode> {
    let name = std::env::args_os().next();
    if name.as_deref() != Some(OsStr::new(NAME)) {
        return None;
    }
    let mut groups = BTreeSet::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        note(&line, &mut groups);
    }
    end(&groups);
    Some(ExitCode::SUCCESS)
}

/// `+7` where group 7 has begun, `-7` where it is gone or goes on by itself.
fn note(line: &str, groups: &mut BTreeSet<i32>) {
    // A group of number 0 or 1 would be one's own, or everybody.
    let number = |text: &str| text.parse().ok().filter(|group| *group > 1);
    if let Some(group) = line.strip_prefix('+').and_then(number) {
        groups.insert(group);
    } else if let Some(group) = line.strip_prefix('-').and_then(number) {
        groups.remove(&group);
    }
}

fn end(groups: &BTreeSet<i32>) {
    let tell = |signal| {
        let mut left = 0;
        for group in groups {
            left += usize::from(killpg(Pid::from_raw(*group), signal).is_ok());
        }
        left
    };
    let began = Instant::now();
    let mut left = tell(Some(Signal::SIGTERM));
    while left > 0 && began.elapsed() < GRACE {
        thread::sleep(BETWEEN_LOOKS);
        left = tell(None);
    }
    if left > 0 {
        tell(Some(Signal::SIGKILL));
    }
}

/// The warden of this process, started with its first script.
static WARDEN: Mutex<Option<io::PipeWriter>> = Mutex::new(None);

/// Tells the warden, whose program is this one, that a process group has begun.
pub(super) fn began(own: &Path, group: Pid) {
    let mut warden = WARDEN.lock().unwrap_or_else(PoisonError::into_inner);
    if warden.is_none() {
        // Without one, scripts are ended by whoever ends vip.
        *warden = start(own).ok();
    }
    tell(&mut warden, '+', group);
}

/// Tells it that a process group is none of its business any more.
pub(super) fn over(group: Pid) {
    let mut warden = WARDEN.lock().unwrap_or_else(PoisonError::into_inner);
    tell(&mut warden, '-', group);
}

fn tell(warden: &mut Option<io::PipeWriter>, what: char, group: Pid) {
    let Some(pipe) = warden else { return };
    let told = pipe.write_all(format!("{what}{group}\n").as_bytes());
    // One that is gone is replaced with the next script.
    if told.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        *warden = None;
    }
}

fn start(own: &Path) -> io::Result<io::PipeWriter> {
    let (reads, writes) = io::pipe()?;
    // Nobody waits for it.
    fcntl(writes.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let mut command = Command::new(own);
    command
        .arg0(NAME)
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(reads)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    command.spawn()?;
    Ok(writes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_groups_of_others_are_noted() {
        let mut groups = BTreeSet::new();
        for line in ["+7", "+9", "-7", "+0", "+1", "+-5", "", "x", "-8", "+9"] {
            note(line, &mut groups);
        }
        assert_eq!(groups, BTreeSet::from([9]));
    }
}
