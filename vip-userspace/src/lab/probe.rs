//! A client that asks the virtual address every millisecond.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, connect, recv,
    send, socket,
};
use nix::sys::time::TimeSpec;
use vip_common::time::MonoTime;

use super::{Host, LabError, now};
use crate::engine::class::become_fifo;

/// Above ordinary threads, below the daemons that are asked for.
const PROMPT: i32 = 10;

/// One question of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// When it was sent.
    pub sent: MonoTime,
    /// When its answer was read.
    pub answered: Option<MonoTime>,
}

/// Consecutive probes without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When the first of them was sent.
    pub from: MonoTime,
    /// When the first one after them that was answered was sent; `None` while
    /// it lasts.
    pub to: Option<MonoTime>,
    /// How many were lost.
    pub lost: usize,
}

impl Outage {
    /// From the first lost question to the first one answered.
    #[must_use]
    pub fn span(&self) -> Option<Duration> {
        self.to.map(|to| to.since(self.from))
    }
}

/// A client that sends an ICMP echo request per interval, answered or not.
/// The kernel of whoever has the address answers, alive or not: what is
/// measured is who is reached, not whether a daemon runs.
pub struct Prober {
    probes: Arc<Mutex<Vec<Probe>>>,
    stop: Option<io::PipeWriter>,
    worker: Option<JoinHandle<()>>,
}

impl Prober {
    /// Begins at once.
    ///
    /// # Errors
    /// When the host may not ping.
    pub fn start(
        client: &Host,
        target: impl Into<IpAddr>,
        every: Duration,
    ) -> Result<Self, LabError> {
        Self::start_as(client, target.into(), every, || ())
    }

    /// The same, and where the client may, in a real-time class: so it asks in time
    /// on a machine whose processors are all busy.
    ///
    /// # Errors
    /// As [`Prober::start`].
    pub fn start_prompt(
        client: &Host,
        target: impl Into<IpAddr>,
        every: Duration,
    ) -> Result<Self, LabError> {
        Self::start_as(client, target.into(), every, || {
            let _ = become_fifo(PROMPT);
        })
    }

    fn start_as(
        client: &Host,
        target: IpAddr,
        every: Duration,
        first: impl FnOnce() + Send + 'static,
    ) -> Result<Self, LabError> {
        let failed = || LabError::system("start the client");
        let socket = client
            .run(move || open(target))?
            .map_err(LabError::system("open a ping socket"))?;
        let (quit, stop) = io::pipe().map_err(failed())?;
        let probes = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&probes);
        let worker = thread::Builder::new()
            .name("lab client".into())
            .spawn(move || {
                first();
                ask(&socket, target.is_ipv6(), &quit, every, &theirs);
            })
            .map_err(failed())?;
        Ok(Self {
            probes,
            stop: Some(stop),
            worker: Some(worker),
        })
    }

    /// How many were sent in `from..to` and never answered. A probe younger than
    /// `grace` may still be answered and is not counted.
    #[must_use]
    pub fn lost(&self, from: MonoTime, to: MonoTime, grace: Duration) -> usize {
        let outages = self.outages(from, to, grace);
        outages.iter().map(|outage| outage.lost).sum()
    }

    /// All probes so far.
    #[must_use]
    pub fn probes(&self) -> Vec<Probe> {
        self.probes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The outages among probes sent in `from..to`. A probe younger than
    /// `grace` may still be answered and is not counted.
    #[must_use]
    pub fn outages(&self, from: MonoTime, to: MonoTime, grace: Duration) -> Vec<Outage> {
        let horizon = now() - grace;
        let probes = self.probes();
        let chosen = probes
            .iter()
            .filter(|p| p.sent >= from && p.sent < to)
            .filter(|p| p.answered.is_some() || p.sent < horizon);
        outages(chosen)
    }

    /// When a probe sent at or after `after` was first answered, waiting for
    /// it within `bound`.
    ///
    /// # Errors
    /// When none is.
    pub fn wait_for_answer(&self, after: MonoTime, bound: Duration) -> Result<MonoTime, LabError> {
        let end = now() + bound;
        loop {
            let probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
            let first = probes.partition_point(|p| p.sent < after);
            let found = probes
                .get(first..)
                .unwrap_or_default()
                .iter()
                .find_map(|p| p.answered);
            drop(probes);
            if let Some(stamp) = found {
                return Ok(stamp);
            }
            if now() > end {
                return Err(LabError::TooLate {
                    what: "an answer to the client".into(),
                    bound,
                });
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

fn open(target: IpAddr) -> nix::Result<OwnedFd> {
    let (family, protocol) = if target.is_ipv4() {
        (AddressFamily::Inet, SockProtocol::Icmp)
    } else {
        (AddressFamily::Inet6, SockProtocol::IcmpV6)
    };
    let socket = socket(
        family,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        protocol,
    )?;
    let target = SockaddrStorage::from(SocketAddr::new(target, 0));
    connect(socket.as_raw_fd(), &target)?;
    Ok(socket)
}

/// One thread asks and reads, so that its wake-ups disturb least.
fn ask(
    socket: &OwnedFd,
    is_v6: bool,
    quit: &io::PipeReader,
    every: Duration,
    probes: &Mutex<Vec<Probe>>,
) {
    let lock = || probes.lock().unwrap_or_else(PoisonError::into_inner);
    let mut next = now();
    let mut number: u32 = 0;
    loop {
        let time = now();
        if time >= next {
            lock().push(Probe {
                sent: time,
                answered: None,
            });
            // Unreachable is an answer that did not come.
            let _ = send(
                socket.as_raw_fd(),
                &question(is_v6, number),
                MsgFlags::empty(),
            );
            number = number.wrapping_add(1);
            next = next + every;
            if next < time {
                // Late by more than an interval: no burst to catch up.
                next = time + every;
            }
        }
        let mut fds = [
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(quit.as_fd(), PollFlags::POLLIN),
        ];
        let pause = TimeSpec::from(next.since(now()));
        match ppoll(&mut fds, Some(pause), None) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => return,
        }
        if fds[1].any().unwrap_or(true) {
            return;
        }
        let mut answer = [0; 64];
        loop {
            match recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty()) {
                Ok(length) => {
                    let stamp = now();
                    let index = answer
                        .get(..length)
                        .and_then(|a| a.get(8..12)?.try_into().ok())
                        .map(u32::from_be_bytes)
                        .and_then(|n| usize::try_from(n).ok());
                    let mut probes = lock();
                    if let Some(probe) = index.and_then(|n| probes.get_mut(n)) {
                        probe.answered.get_or_insert(stamp);
                    }
                }
                // Unreachable reports wait in front of the answers.
                Err(nix::Error::EHOSTUNREACH | nix::Error::ENETUNREACH | nix::Error::EINTR) => {}
                Err(_) => break,
            }
        }
    }
}

/// An echo request; the kernel fills in identifier and checksum.
fn question(is_v6: bool, number: u32) -> [u8; 12] {
    let [a, b, c, d] = number.to_be_bytes();
    let kind = if is_v6 { 128 } else { 8 };
    [kind, 0, 0, 0, 0, 0, c, d, a, b, c, d]
}

fn outages<'a>(probes: impl Iterator<Item = &'a Probe>) -> Vec<Outage> {
    let mut all: Vec<Outage> = Vec::new();
    for probe in probes {
        let open = all.last_mut().filter(|outage| outage.to.is_none());
        match (open, probe.answered) {
            (Some(outage), Some(_)) => outage.to = Some(probe.sent),
            (Some(outage), None) => outage.lost += 1,
            (None, Some(_)) => {}
            (None, None) => all.push(Outage {
                from: probe.sent,
                to: None,
                lost: 1,
            }),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_millis(ms)
    }

    fn probe(sent: u64, answered: bool) -> Probe {
        Probe {
            sent: at(sent),
            answered: answered.then(|| at(sent + 1)),
        }
    }

    #[test]
    fn an_outage_lasts_from_the_first_lost_probe_to_the_next_answered_one() {
        let probes = [
            probe(0, true),
            probe(1, false),
            probe(2, false),
            probe(3, true),
            probe(4, true),
            probe(5, false),
        ];
        let all = outages(probes.iter());
        assert_eq!(
            all,
            [
                Outage {
                    from: at(1),
                    to: Some(at(3)),
                    lost: 2
                },
                Outage {
                    from: at(5),
                    to: None,
                    lost: 1
                }
            ]
        );
        assert_eq!(all[0].span(), Some(Duration::from_millis(2)));
        assert_eq!(all[1].span(), None);
    }
}
