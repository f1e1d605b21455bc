//! What a vip that runs on this host says of the adverts that it refuses: its filter
//! sits before the place where we look. And which other routers do not read what they
//! are sent, which the kernel only counts.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel,
};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use super::clock;
use super::news::{Place, Who};
use crate::kernel::speakers::{Bound, Holder, foreign_holders, listed};
use crate::services::control;
use crate::services::status::{Instance, Status};

/// How often it is asked.
const PACE: Duration = Duration::from_millis(500);

/// What it says, and when it was asked.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// When.
    pub taken: MonoTime,
    status: Status,
}

/// What it has refused since the last time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The interface.
    pub interface: String,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// The virtual router.
    pub vrid: u8,
    /// Whose adverts.
    pub source: IpAddr,
    /// How many.
    pub count: u64,
    /// By what.
    pub place: Place,
    /// Whether they were dropped at the NIC.
    pub at_nic: bool,
}

impl Daemon {
    /// A status that was asked for at `taken`.
    #[must_use]
    pub const fn new(taken: MonoTime, status: Status) -> Self {
        Self { taken, status }
    }

    /// How it hears a virtual router, if it serves it.
    #[must_use]
    pub fn rung(&self, who: &Who) -> Option<&str> {
        let mut all = self.status.instances.iter();
        let one = all.find(|one| {
            one.interface == who.interface && one.vrid == who.vrid && one.family == who.family
        })?;
        self.rung_of(&one.interface)
    }

    fn rung_of(&self, interface: &str) -> Option<&str> {
        let mut all = self.status.dataplane.iter();
        let hearing = all.find(|one| one.interface == interface)?;
        (hearing.rung != "none").then_some(hearing.rung.as_str())
    }

    /// What it has refused since it was asked before.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.status.pid != before.status.pid {
            return changes;
        }
        for one in &self.status.instances {
            let same = |old: &&Instance| {
                old.interface == one.interface && old.vrid == one.vrid && old.family == one.family
            };
            let Some(old) = before.status.instances.iter().find(same) else {
                continue;
            };
            let at_nic =
                matches!(self.rung_of(&one.interface), Some(rung) if rung != "packet-socket");
            let mut tell = |source, count, place, at_nic| {
                if count > 0 {
                    changes.push(Change {
                        interface: one.interface.clone(),
                        family: one.family.clone(),
                        vrid: one.vrid,
                        source,
                        count,
                        place,
                        at_nic,
                    });
                }
            };
            for peer in &one.peers {
                let mut known = old.peers.iter();
                let known = known.find(|known| known.address == peer.address);
                let count = peer.refused - known.map_or(0, |known| known.refused).min(peer.refused);
                let rule = peer.refusal.clone().unwrap_or_default();
                let words = peer.refusal_words.clone().unwrap_or_default();
                let by_filter = is_filters(&rule);
                let place = if by_filter {
                    Place::Filter { rule, words }
                } else {
                    Place::Election { check: rule, words }
                };
                tell(peer.address, count, place, by_filter && at_nic);
            }
            let lost = counter(&one.counters) - counter(&old.counters).min(counter(&one.counters));
            if let Some(master) = &one.master {
                tell(master.address, lost, Place::RingFull, false);
            }
        }
        changes
    }
}

fn counter(counters: &BTreeMap<String, u64>) -> u64 {
    counters.get("ring_full").copied().unwrap_or(0)
}

/// Whether the program at the NIC refuses for this reason; else the election does.
fn is_filters(label: &str) -> bool {
    let mut all = RejectReason::ALL.iter();
    let reason = all.find(|reason| reason.label() == label);
    reason.is_some_and(|reason| {
        *reason < RejectReason::Checksum
            || matches!(reason, RejectReason::AuthHeader | RejectReason::Budget)
    })
}

/// What was found out about this host.
pub struct Found {
    /// What a vip says; `None` where none answers.
    pub daemon: Option<Daemon>,
    /// Whether another program has a raw socket for VRRP.
    pub has_listener: bool,
    /// Which of them had no room for adverts since the last time.
    pub overflows: Vec<Overflow>,
    /// When this was.
    pub taken: MonoTime,
}

/// Adverts that a router of this host had no room for, since it does not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Overflow {
    /// The interface that its socket is bound to.
    pub ifindex: u32,
    /// Of which family.
    pub is_v6: bool,
    /// How many.
    pub count: u64,
}

/// Asks again and again, in a thread of its own: an answer may take its time.
pub struct Watcher {
    found: Receiver<Found>,
    /// Dropped to end it.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Begins with the daemon of this directory, having asked once.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(runtime_dir: &Path) -> std::io::Result<(Self, Found)> {
        let first = Found {
            taken: clock::now(),
            daemon: ask(runtime_dir),
            has_listener: !listeners().is_empty(),
            overflows: Vec::new(),
        };
        let (tell, found) = sync_channel(4);
        let (stop, stopped) = channel();
        let runtime_dir = runtime_dir.to_path_buf();
        let thread = thread::Builder::new()
            .name("daemon".into())
            .spawn(move || watch(&runtime_dir, &tell, &stopped))?;
        let watcher = Self {
            found,
            stop: Some(stop),
            thread: Some(thread),
        };
        Ok((watcher, first))
    }

    /// What was found out since the last call.
    pub fn news(&self) -> impl Iterator<Item = Found> + '_ {
        self.found.try_iter()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(runtime_dir: &Path, tell: &SyncSender<Found>, stopped: &Receiver<()>) {
    // Who listens is looked for in every process, so not as often.
    const RARELY: u32 = 10;
    let mut round = 0;
    let mut listeners = Vec::new();
    let mut drops = Drops::default();
    while stopped.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
        if round % RARELY == 0 {
            listeners = self::listeners();
        }
        round = (round + 1) % RARELY;
        let found = Found {
            taken: clock::now(),
            daemon: ask(runtime_dir),
            has_listener: !listeners.is_empty(),
            overflows: drops.since(&listeners),
        };
        if matches!(tell.try_send(found), Err(TrySendError::Disconnected(_))) {
            return;
        }
    }
}

fn ask(runtime_dir: &Path) -> Option<Daemon> {
    // Before it answers: what is refused from now on may not be in the answer.
    let taken = clock::now();
    let status = control::ask_status(runtime_dir).ok()?;
    Some(Daemon::new(taken, status))
}

/// Who has a raw socket for VRRP and is not vip, by interface: the one of a vip is bound
/// to none.
fn listeners() -> Vec<(u32, Holder)> {
    let interfaces = super::interfaces().unwrap_or_default();
    let indices = interfaces.iter().map(|one| one.index);
    let on = |index| {
        let holders = foreign_holders(index).unwrap_or_default().into_iter();
        holders.map(move |holder| (index, holder))
    };
    indices.flat_map(on).collect()
}

/// What the kernel has counted for each socket so far.
#[derive(Debug, Default)]
struct Drops(HashMap<u64, u64>);

impl Drops {
    /// Which of these had no room since the last time; of one that is new, nothing.
    fn since(&mut self, listeners: &[(u32, Holder)]) -> Vec<Overflow> {
        let before = std::mem::take(&mut self.0);
        let Ok(all) = listed() else {
            return Vec::new();
        };
        self.0 = all.iter().map(|one| (one.inode, one.drops)).collect();
        let bound = listeners
            .iter()
            .filter(|(_, holder)| holder.bound == Bound::Here);
        let overflows = bound.filter_map(|(ifindex, holder)| {
            let now = all.iter().find(|one| one.inode == holder.inode)?;
            let count = now.drops.checked_sub(*before.get(&holder.inode)?)?;
            (count > 0).then_some(Overflow {
                ifindex: *ifindex,
                is_v6: now.is_v6,
                count,
            })
        });
        overflows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_the_filters_or_the_elections() {
        assert!(is_filters("ttl") && is_filters("budget") && is_filters("version"));
        assert!(!is_filters("checksum") && !is_filters("interval") && !is_filters("peer"));
        assert!(!is_filters("hmac_invalid") && !is_filters("unheard_of"));
    }
}
