//! Whether the other daemon runs.

use std::fs;

use crate::kernel::speakers::{Bound, foreign_holders, unbound_holders};

/// The process that speaks VRRP on this host besides us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Other {
    /// The process.
    pub pid: u32,
    /// What it is called.
    pub command: String,
    /// When it was started, in the kernel's ticks: numbers of processes come again.
    started: u64,
}

/// Who that is at the moment.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// The one that was found last, as long as it runs.
    pub other: Option<Other>,
    /// Whether there is one that cannot be looked into.
    pub hidden: bool,
}

/// What has become of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// One was found.
    Came(Other),
    /// It has ended.
    Went(Other),
}

impl Presence {
    /// Looks whether the known one runs still. Cheap.
    pub(super) fn look(&mut self) -> Option<News> {
        let other = self.other.as_ref()?;
        if started(other.pid) == Some(other.started) {
            return None;
        }
        self.other.take().map(News::Went)
    }

    /// Looks for one that holds a raw VRRP socket on one of these interfaces, where none
    /// is known. Not cheap where there are such sockets and none of them fits.
    pub(super) fn search(&mut self, ports: impl Iterator<Item = u32>) -> Option<News> {
        if self.other.is_some() {
            return None;
        }
        self.hidden = false;
        let bound = ports.map(foreign_holders);
        for holders in bound.chain(std::iter::once_with(unbound_holders)) {
            for holder in holders.unwrap_or_default() {
                self.hidden |= holder.bound == Bound::Unknown;
                if holder.bound != Bound::Here {
                    continue;
                }
                if let Some(pid) = holder.pid
                    && let Some(started) = started(pid)
                {
                    let other = Other {
                        pid,
                        command: holder.command,
                        started,
                    };
                    self.other = Some(other.clone());
                    return Some(News::Came(other));
                }
            }
        }
        None
    }
}

/// When a process was started; `None` where there is none, or only its remains.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may have anything in it.
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    if words.next()? == "Z" {
        return None;
    }
    words.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_the_one_that_was_started_then() {
        let me = std::process::id();
        let started = started(me).unwrap();
        let other = Other {
            pid: me,
            command: "vip".into(),
            started,
        };
        let mut presence = Presence {
            other: Some(other.clone()),
            hidden: false,
        };
        assert_eq!(presence.look(), None);
        let before = Other {
            started: started - 1,
            ..other
        };
        presence.other = Some(before.clone());
        assert_eq!(presence.look(), Some(News::Went(before)));
        assert_eq!(presence.look(), None);
    }
}
