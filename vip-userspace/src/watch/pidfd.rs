//! Descriptors of processes: they tell when it has ended, and a signal sent by one
//! reaches nobody else.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// `PIDFD_SIGNAL_PROCESS_GROUP`, since Linux 6.9.
const PROCESS_GROUP: u32 = 1 << 2;

/// A descriptor of a process, readable once it has ended.
///
/// # Errors
/// When there is no such process, or no descriptor left.
pub(super) fn open(pid: Pid) -> io::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "no crate in the tree wraps pidfd_open")]
    // SAFETY: the call takes two numbers and gives a descriptor that is nobody else's.
    unsafe {
        let made = libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0);
        let made = Errno::result(made)?;
        let made = i32::try_from(made).map_err(io::Error::other)?;
        Ok(OwnedFd::from_raw_fd(made))
    }
}

/// Sends a signal to a process group by its first process, or only looks whether
/// there is anybody in it.
///
/// # Errors
/// `ESRCH` where nobody is left.
pub(super) fn signal_group(first: BorrowedFd, pid: Pid, signal: Option<Signal>) -> nix::Result<()> {
    let number = signal.map_or(0, |signal| signal as i32);
    #[expect(unsafe_code, reason = "no crate in the tree wraps pidfd_send_signal")]
    // SAFETY: the descriptor is borrowed; without information of our own the kernel
    // reads nothing of ours.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            first.as_raw_fd(),
            number,
            std::ptr::null::<libc::siginfo_t>(),
            PROCESS_GROUP,
        )
    };
    match Errno::result(sent) {
        // An older kernel knows groups by number only.
        Err(Errno::EINVAL | Errno::ENOSYS) => killpg(pid, signal),
        other => other.map(drop),
    }
}
