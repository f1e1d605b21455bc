//! Switches of the kernel below `/proc/sys`, turned and turned back.
//!
//! Each is listed with the value it had before it is touched, so that a later start
//! finds it after a crash. One that somebody else has turned meanwhile is theirs.

use std::fs;
use std::io;

use super::addresses::{NetlinkKernel, Tidied};
use super::ledger::{Kind, Listed, Made};

/// A switch that has been turned.
#[derive(Debug)]
pub(super) struct Switch {
    /// Below `/proc/sys`.
    path: String,
    before: String,
    ours: String,
    /// For whom; it is turned back when nobody is left.
    holders: Vec<String>,
}

impl Switch {
    fn made(&self) -> Made {
        let Self {
            path, before, ours, ..
        } = self;
        Made {
            kind: Kind::Switch,
            key: format!("{path}={before}={ours}"),
            words: format!("{} = {ours} (it is {before} again)", dotted(path)),
        }
    }

    fn of(made: &Made) -> Option<Self> {
        let mut parts = made.key.rsplitn(3, '=').map(str::to_owned);
        Some(Self {
            ours: parts.next()?,
            before: parts.next()?,
            path: parts.next().filter(|path| !path.contains(".."))?,
            holders: Vec::new(),
        })
    }

    /// Gives it the value that it had, unless somebody else has turned it, or it
    /// is gone with its interface; whether it did.
    fn turn_back(&self) -> io::Result<bool> {
        match read(&self.path) {
            Ok(value) if value == self.ours => write(&self.path, &self.before).map(|()| true),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A switch as `sysctl` names it; a dot of an interface's name is a slash there.
fn dotted(path: &str) -> String {
    let swapped = path.chars().map(|one| match one {
        '/' => '.',
        '.' => '/',
        other => other,
    });
    swapped.collect()
}

fn read(path: &str) -> io::Result<String> {
    let text = fs::read_to_string(format!("/proc/sys/{path}"))?;
    Ok(text.trim().to_owned())
}

/// Sets a switch of something that is ours, and goes with it. It is written also
/// where it stands so already: what was never written follows `conf/default`. Where it
/// cannot be, somebody may have seen to it.
pub(super) fn write(path: &str, value: &str) -> io::Result<()> {
    let written = fs::write(format!("/proc/sys/{path}"), value);
    match written {
        Err(_) if read(path).is_ok_and(|now| now == value) => Ok(()),
        other => other.map_err(|error| {
            io::Error::other(format!(
                "cannot set {} to {value}: {error}; in a container /proc/sys must be writable",
                dotted(path)
            ))
        }),
    }
}

/// The number of a switch, 0 if it has none.
pub(super) fn number(path: &str) -> u32 {
    read(path)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

impl NetlinkKernel {
    /// Turns a switch for `holder`, who has to give it back.
    pub(super) fn turn(&mut self, path: &str, ours: &str, holder: &str) -> io::Result<()> {
        let value = read(path)
            .map_err(|error| io::Error::other(format!("cannot read {}: {error}", dotted(path))))?;
        if let Some(known) = self.switches.iter_mut().find(|known| known.path == path) {
            if !known.holders.iter().any(|one| one == holder) {
                known.holders.push(holder.to_owned());
            }
            if value != ours && known.ours == ours {
                write(path, ours)?;
            }
            return Ok(());
        }
        if value == ours {
            return Ok(());
        }
        let switch = Switch {
            path: path.to_owned(),
            before: value,
            ours: ours.to_owned(),
            holders: vec![holder.to_owned()],
        };
        let made = switch.made();
        self.ledger.making(std::iter::once(&made));
        let turned = write(path, ours);
        let there = turned.is_ok();
        self.ledger
            .settle_by(|entry| (entry.made() == Some(&made)).then_some(there));
        if there {
            self.switches.push(switch);
        }
        turned
    }

    /// Whether we have turned it.
    pub(super) fn is_turned(&self, path: &str) -> bool {
        self.switches.iter().any(|known| known.path == path)
    }

    /// Makes `holder` one more for whom all switches of this name stay turned.
    pub(super) fn share_turned(&mut self, holder: &str, name: &str) {
        let named = |switch: &&mut Switch| switch.path.ends_with(&format!("/{name}"));
        for switch in self.switches.iter_mut().filter(named) {
            if !switch.holders.iter().any(|one| one == holder) {
                switch.holders.push(holder.to_owned());
            }
        }
    }

    /// Gives back all that `holder` has turned, the last first.
    pub(super) fn turn_back(&mut self, holder: &str) {
        let mut back = Vec::new();
        for switch in &mut self.switches {
            switch.holders.retain(|one| one != holder);
        }
        let (kept, free): (Vec<Switch>, Vec<Switch>) = std::mem::take(&mut self.switches)
            .into_iter()
            .partition(|switch| !switch.holders.is_empty());
        self.switches = kept;
        for switch in free.into_iter().rev() {
            if let Err(error) = switch.turn_back() {
                log::warn!("{error}; it was {} before vip", switch.before);
            }
            back.push(switch.made());
        }
        self.ledger.settle_by(|entry| {
            let made = entry.made().filter(|made| back.contains(made));
            made.map(|_| false)
        });
    }

    /// Turns back what a dead vip has listed.
    pub(super) fn tidy_switches(&mut self, tidied: &mut Tidied) {
        let listed: Vec<Listed> = self.ledger.entries().to_vec();
        for entry in listed.into_iter().rev() {
            let Some(made) = entry.made().filter(|made| made.kind == Kind::Switch) else {
                continue;
            };
            match Switch::of(made).map_or(Ok(false), |switch| switch.turn_back()) {
                Ok(true) => tidied.removed.push(entry),
                Ok(false) => {}
                Err(error) => log::warn!("{error}"),
            }
        }
        self.ledger
            .settle_by(|entry| (entry.made()?.kind == Kind::Switch).then_some(false));
    }

    /// As [`super::Kernel::promote_secondaries`].
    pub(super) fn promote(&mut self, interface: &str) -> io::Result<()> {
        let path = format!("net/ipv4/conf/{interface}/promote_secondaries");
        self.turn(&path, "1", &promoter(interface))
    }

    /// As [`super::Kernel::stop_promoting`].
    pub(super) fn demote(&mut self, interface: &str) {
        self.turn_back(&promoter(interface));
    }
}

/// Who holds `promote_secondaries`; no interface has such a name.
fn promoter(interface: &str) -> String {
    format!("promote {interface}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_found_again_in_the_list() {
        let switch = Switch {
            path: "net/ipv4/conf/vrrp.51/rp_filter".to_owned(),
            before: "2".to_owned(),
            ours: "0".to_owned(),
            holders: Vec::new(),
        };
        let made = switch.made();
        assert_eq!(
            made.words,
            "net.ipv4.conf.vrrp/51.rp_filter = 0 (it is 2 again)"
        );
        let again = Switch::of(&made).unwrap();
        assert_eq!((again.path, again.before), (switch.path, switch.before));
    }

    #[test]
    fn a_list_leads_nowhere_else() {
        let made = Made {
            kind: Kind::Switch,
            key: "../../etc/passwd=0=1".to_owned(),
            words: "x".to_owned(),
        };
        assert!(Switch::of(&made).is_none());
    }
}
