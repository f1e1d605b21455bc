//! The last step before a script: what `vip` does when it has been started to become
//! one.
//!
//! The daemon's memory is locked and large, and its engine must not take the faults
//! that a copy of it would cost. So the daemon never forks: it starts its own program
//! anew, as `posix_spawn` does without a copy, under the name [`NAME`]. That one has
//! nothing to lose; it puts the old rights away and turns into the script.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    Gid, Uid, dup2_stdin, getppid, getresgid, getresuid, setgroups, setresgid, setresuid,
};

use super::account;

/// The name that the program is started under to become a script.
pub const NAME: &str = "vip-launch";

/// Where standard input leads until the script's is opened: what went wrong is
/// written there. It closes by itself when the script has begun.
const REPORT_FROM: i32 = 3;

/// Becomes a script where the program was started for that; returns in this case only
/// with the failure. `None` where it was not.
#[must_use]
pub fn take_over() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    if words.next().as_deref() != Some(OsStr::new(NAME)) {
        return None;
    }
    let words: Vec<OsString> = words.collect();
    let Ok(mut report) = take_report() else {
        return Some(ExitCode::FAILURE);
    };
    let failure = match Order::read(&words) {
        Some(order) => order.obey(),
        None => "it was not said what to run".into(),
    };
    // Without a reader there is nobody to tell.
    let _ = report.write_all(failure.as_bytes());
    Some(ExitCode::FAILURE)
}

/// Keeps where to report under another number, and opens what the script reads.
fn take_report() -> io::Result<File> {
    let stdin = io::stdin();
    let report = fcntl(&stdin, FcntlArg::F_DUPFD_CLOEXEC(REPORT_FROM))?;
    #[expect(unsafe_code, reason = "fcntl gives the descriptor as a number")]
    // SAFETY: the kernel has just made this descriptor for us; nobody else has it.
    let report = unsafe { OwnedFd::from_raw_fd(report) };
    let null = OpenOptions::new().read(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    Ok(report.into())
}

/// Whose rights a script has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The groups besides, which may contain `gid`.
    pub groups: Vec<u32>,
}

/// What to become.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Order<'a> {
    /// The process that asked for it; without it there is nothing to do.
    pub(super) parent: u32,
    /// The rights.
    pub(super) identity: Identity,
    /// The file mode creation mask.
    pub(super) mask: u32,
    /// Whether it is not run where others than root could change it.
    pub(super) guarded: bool,
    /// The program.
    pub(super) program: &'a OsStr,
    /// Its words, the first of which is its own name.
    pub(super) argv: Vec<&'a OsStr>,
}

impl<'a> Order<'a> {
    /// As words for [`take_over`].
    pub(super) fn words(&self) -> Vec<OsString> {
        let groups: Vec<String> = self.identity.groups.iter().map(u32::to_string).collect();
        let numbers = [
            self.parent.to_string(),
            self.identity.uid.to_string(),
            self.identity.gid.to_string(),
            groups.join(","),
            self.mask.to_string(),
            u8::from(self.guarded).to_string(),
        ];
        let mut words: Vec<OsString> = numbers.map(OsString::from).into();
        words.push(self.program.into());
        words.extend(self.argv.iter().map(OsString::from));
        words
    }

    fn read(words: &'a [OsString]) -> Option<Self> {
        let [parent, uid, gid, groups, mask, guarded, program, argv @ ..] = words else {
            return None;
        };
        let number = |word: &OsString| word.to_str()?.parse().ok();
        let groups = groups.to_str()?.split(',').filter(|word| !word.is_empty());
        let groups: Option<Vec<u32>> = groups.map(|word| word.parse().ok()).collect();
        if argv.is_empty() {
            return None;
        }
        Some(Self {
            parent: number(parent)?,
            identity: Identity {
                uid: number(uid)?,
                gid: number(gid)?,
                groups: groups?,
            },
            mask: number(mask)?,
            guarded: guarded == "1",
            program,
            argv: argv.iter().map(OsString::as_os_str).collect(),
        })
    }

    /// Returns with what went wrong.
    fn obey(&self) -> String {
        if let Err((what, error)) = self.prepare() {
            return format!("cannot {what}: {}", io::Error::from(error));
        }
        let Some((name, arguments)) = self.argv.split_first() else {
            return "it was not said what to run".into();
        };
        // As it is now: it was found to be safe when the configuration was taken.
        if self.guarded
            && let Some(refusal) = account::unsafe_for_root(Path::new(self.program))
        {
            return refusal.to_string();
        }
        let error = Command::new(self.program).arg0(name).args(arguments).exec();
        format!("cannot run {}: {error}", self.program.display())
    }

    fn prepare(&self) -> Result<(), (&'static str, Errno)> {
        close_everything_else();
        ordinary_priority();
        no_special_memory();
        umask(Mode::from_bits_truncate(self.mask));
        // The daemon holds back those that it is told to end by; its scripts do not.
        let _ = SigSet::empty().thread_set_mask();
        // What root may do follows from being root; nothing else is handed on.
        let _ = caps::clear(None, CapSet::Ambient);
        let _ = caps::clear(None, CapSet::Inheritable);
        become_user(&self.identity)?;
        // After the change of user, which takes it away.
        set_pdeathsig(Signal::SIGTERM).map_err(|error| ("be ended with vip", error))?;
        if getppid().as_raw().cast_unsigned() != self.parent {
            return Err(("begin: vip is gone", Errno::ESRCH));
        }
        Ok(())
    }
}

/// Whatever was left open by mistake ends here: the script gets three streams.
fn close_everything_else() {
    #[expect(unsafe_code, reason = "no crate in the tree wraps close_range")]
    // SAFETY: it only marks descriptors to be closed at the exec.
    let _ = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            REPORT_FROM,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
}

/// Ordinary scheduling, whatever the daemon was started with.
fn ordinary_priority() {
    let parameters = libc::sched_param { sched_priority: 0 };
    #[expect(unsafe_code, reason = "no crate in the tree wraps these two calls")]
    // SAFETY: the pointer is to a live local; 0 names the calling process.
    unsafe {
        libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const parameters);
        libc::setpriority(libc::PRIO_PROCESS, 0, 0);
    }
}

/// A daemon may be spared when memory runs out; its scripts are not.
fn no_special_memory() {
    const PATH: &str = "/proc/self/oom_score_adj";
    let now = std::fs::read_to_string(PATH).ok();
    let now = now.and_then(|text| text.trim().parse::<i32>().ok());
    if now.is_some_and(|now| now < 0) {
        let _ = std::fs::write(PATH, "0");
    }
}

fn become_user(identity: &Identity) -> Result<(), (&'static str, Errno)> {
    let uid = Uid::from_raw(identity.uid);
    let gid = Gid::from_raw(identity.gid);
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    // A daemon without this right runs only what is its own user's, as it is.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETGID).unwrap_or(false) {
        setgroups(&groups).map_err(|error| ("take on the groups of its user", error))?;
    }
    let has = getresgid().map_err(|error| ("see its own group", error))?;
    if (has.real, has.effective, has.saved) != (gid, gid, gid) {
        setresgid(gid, gid, gid).map_err(|error| ("take on its group", error))?;
    }
    let has = getresuid().map_err(|error| ("see its own user", error))?;
    if (has.real, has.effective, has.saved) != (uid, uid, uid) {
        setresuid(uid, uid, uid).map_err(|error| ("become its user", error))?;
    }
    if !uid.is_root() {
        // What a file gave to vip, its scripts do not get.
        let none = caps::CapsHashSet::new();
        for set in [CapSet::Effective, CapSet::Permitted] {
            caps::set(None, set, &none).map_err(|_| ("put its rights away", Errno::EPERM))?;
        }
    }
    Ok(())
}

/// Whether a variable of the environment is kept from scripts: what changes how a
/// shell cuts words, or what a program is linked with.
pub(super) fn is_withheld(variable: &OsStr) -> bool {
    variable == "IFS" || variable.as_bytes().starts_with(b"LD_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_arrives_as_it_was_given() {
        let order = Order {
            parent: 7,
            identity: Identity {
                uid: 1,
                gid: 2,
                groups: vec![2, 3],
            },
            mask: 0o177,
            guarded: true,
            program: OsStr::from_bytes(b"/bin/\xff"),
            argv: vec![OsStr::new("name"), OsStr::new(""), OsStr::new("a b")],
        };
        assert_eq!(Order::read(&order.words()).as_ref(), Some(&order));
        let groupless = Order {
            identity: Identity {
                groups: Vec::new(),
                ..order.identity.clone()
            },
            ..order
        };
        assert_eq!(Order::read(&groupless.words()).as_ref(), Some(&groupless));
    }

    #[test]
    fn an_order_that_lacks_something_is_none() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        for text in [
            "",
            "1 0 0 0 22 0 /bin/true",
            "1 0 x 0 22 0 /bin/true true",
            "1 0 0 0,y 22 0 /bin/true true",
            "-1 0 0 0 22 0 /bin/true true",
        ] {
            assert_eq!(Order::read(&words(text)), None, "{text:?}");
        }
    }

    #[test]
    fn what_would_change_a_program_is_withheld() {
        for (name, withheld) in [
            ("IFS", true),
            ("LD_PRELOAD", true),
            ("LD_", true),
            ("PATH", false),
            ("OLD_X", false),
            ("IFSX", false),
        ] {
            assert_eq!(is_withheld(OsStr::new(name)), withheld, "{name}");
        }
    }
}
