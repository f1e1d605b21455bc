//! A master, its backup and a third host, and what both daemons say and use while
//! something goes on.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use vip::lab::pair::{ADDRESS_A, ADDRESS_B, ADDRESS_CLIENT};
use vip::lab::{Capture, Host, Lab, PATIENCE, Process, Wire, now};
use vip_common::time::MonoTime;

use crate::contender::{Contender, PRIORITY_A, PRIORITY_B, Scale, last_words};
use crate::usage;
use crate::wire::{lateness, missing, takeovers};

/// A virtual router of a rig.
#[derive(Clone, Copy)]
pub(crate) struct Router {
    pub(crate) vrid: u8,
    pub(crate) interface: &'static str,
    pub(crate) scale: Scale,
    pub(crate) address: Ipv4Addr,
    /// Version 2 with this password, else version 3.
    pub(crate) password: Option<&'static str>,
}

impl Router {
    /// Its block in a node's file.
    pub(crate) fn written(&self, priority: u8) -> String {
        let Self {
            vrid,
            interface,
            scale,
            address,
            password,
        } = self;
        let state = if priority == PRIORITY_A {
            "MASTER"
        } else {
            "BACKUP"
        };
        let seconds = scale.interval().as_secs_f64();
        let (version, authentication) = match password {
            None => (3, String::new()),
            Some(word) => (
                2,
                format!(
                    "    authentication {{\n        auth_type PASS\n        auth_pass {word}\n    }}\n"
                ),
            ),
        };
        format!(
            "vrrp_instance {interface}_{vrid} {{\n    version {version}\n    state {state}\n    \
             interface {interface}\n    virtual_router_id {vrid}\n    priority {priority}\n    \
             advert_int {seconds}\n{authentication}    \
             virtual_ipaddress {{\n        {address}/24\n    }}\n}}\n"
        )
    }
}

/// The hosts with their daemons.
pub(crate) struct Rig {
    pub(crate) on_a: Process,
    pub(crate) on_b: Process,
    pub(crate) capture: Capture,
    pub(crate) a: Host,
    pub(crate) b: Host,
    /// Who does to them what is to be borne.
    pub(crate) third: Host,
    _lab: Lab,
}

/// A stretch of time, and what the daemons had used when it began.
pub(crate) struct Window {
    begin: MonoTime,
    used: [u64; 2],
    processes: [Vec<i32>; 2],
}

/// What a stretch of time has shown.
pub(crate) struct Shown {
    /// Of the master and of the backup, in millionths of a processor.
    pub(crate) share: [i64; 2],
    /// Nanoseconds of process time, of the same.
    pub(crate) used: [u64; 2],
    /// Whether other processes of them run than before.
    pub(crate) restarted: bool,
    begin: MonoTime,
    end: MonoTime,
}

/// What was said for one router.
pub(crate) struct Said {
    pub(crate) late: Vec<i64>,
    pub(crate) missing: i64,
    pub(crate) false_takeovers: i64,
    /// Adverts of the master.
    pub(crate) adverts: usize,
}

impl Rig {
    /// Starts a pair with these routers on eth0 and waits until A is master of all
    /// and B listens in silence.
    pub(crate) fn new(contender: &Contender, routers: &[Router]) -> Result<Self> {
        let lab = Lab::new()?;
        let a = lab.host("A", ADDRESS_A, 24)?;
        let b = lab.host("B", ADDRESS_B, 24)?;
        let third = lab.host("third", ADDRESS_CLIENT, 24)?;
        let capture = lab.capture_from(&[a.port(), b.port()])?;
        let file = |priority| -> String {
            let blocks = routers.iter().map(|router| router.written(priority));
            blocks.collect()
        };
        let on_a = contender.start_with(&a, "", &file(PRIORITY_A))?;
        let on_b = contender.start_with(&b, "", &file(PRIORITY_B))?;
        let rig = Self {
            on_a,
            on_b,
            capture,
            a,
            b,
            third,
            _lab: lab,
        };
        rig.settled(routers)?;
        Ok(rig)
    }

    fn settled(&self, routers: &[Router]) -> Result<()> {
        let longest = routers.iter().map(|router| router.scale.interval()).max();
        let quiet = longest.unwrap_or_default() * 5 + Duration::from_millis(300);
        let end = now() + PATIENCE + quiet * 3;
        loop {
            thread::sleep(quiet / 4);
            let since = now() - quiet;
            let silent = routers.iter().all(|router| {
                let by = |host: &Host| self.stamps(host, router.vrid, since, now());
                by(&self.b).is_empty() && by(&self.a).len() >= 3
            });
            if silent && listens(&self.b)? {
                return Ok(());
            }
            if now() > end {
                bail!(
                    "no election; A: {}; B: {}",
                    last_words(&self.on_a),
                    last_words(&self.on_b)
                );
            }
        }
    }

    /// When a host has said that it is master of a router.
    pub(crate) fn stamps(
        &self,
        host: &Host,
        vrid: u8,
        begin: MonoTime,
        end: MonoTime,
    ) -> Vec<MonoTime> {
        let port = host.port();
        let said = self.capture.since(begin, |frame| {
            frame.is_from(port)
                && frame.stamp < end
                && frame.advert(vrid).is_some_and(|priority| priority > 0)
        });
        said.iter().map(|frame| frame.stamp).collect()
    }

    pub(crate) fn begin(&self) -> Result<Window> {
        // What it lost before is nobody's business.
        self.capture.lost()?;
        self.capture.take_time();
        Ok(Window {
            processes: self.processes(),
            used: self.used(),
            begin: now(),
        })
    }

    fn used(&self) -> [u64; 2] {
        [&self.on_a, &self.on_b].map(|daemon| usage::processor_time(daemon.pid()))
    }

    fn processes(&self) -> [Vec<i32>; 2] {
        [&self.on_a, &self.on_b].map(|daemon| usage::members(daemon.pid()))
    }

    /// Ends a stretch of time; fails where a daemon has ended, or the capture has
    /// not seen everything.
    pub(crate) fn end(&self, window: &Window) -> Result<Shown> {
        let end = now();
        let after = self.used();
        self.capture.hurry()?;
        for (name, daemon) in [("A", &self.on_a), ("B", &self.on_b)] {
            if !daemon.is_running() {
                bail!("the daemon on {name} has ended; {}", last_words(daemon));
            }
        }
        let lost = self.capture.lost()?;
        if lost > 0 {
            bail!("the capture has lost {lost} frames");
        }
        let span = end.since(window.begin);
        let mut used = [0; 2];
        let mut share = [0; 2];
        for (which, after) in after.into_iter().enumerate() {
            used[which] = after.saturating_sub(window.used[which]);
            let part = used[which] as f64 / span.as_nanos() as f64;
            share[which] = (part * 1e6) as i64;
        }
        Ok(Shown {
            share,
            used,
            restarted: self.processes() != window.processes,
            begin: window.begin,
            end,
        })
    }

    /// What was said for a router in a stretch of time that has ended.
    pub(crate) fn said(&self, router: &Router, shown: &Shown) -> Said {
        let by = |host: &Host| self.stamps(host, router.vrid, shown.begin, shown.end);
        let (master, backup) = (by(&self.a), by(&self.b));
        let interval = router.scale.interval();
        let late = lateness(&master, interval);
        Said {
            missing: missing(&late, interval),
            false_takeovers: takeovers(&master, &backup),
            adverts: master.len(),
            late,
        }
    }
}

/// Whether the host is in the group of VRRP.
pub(crate) fn listens(host: &Host) -> Result<bool> {
    const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
    // The kernel prints the address as a number of its own byte order.
    let group = format!("{:08X}", u32::from_ne_bytes(GROUP.octets()));
    let groups = host
        .run(|| fs::read_to_string("/proc/thread-self/net/igmp"))?
        .context("cannot read the host's groups")?;
    Ok(groups.contains(&group))
}

/// A thread that sends frames from a host as fast as it can; ends when dropped.
pub(crate) struct Flood {
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    /// These frames over and over.
    pub(crate) fn start(host: &Host, frames: Vec<Vec<u8>>) -> Result<Self> {
        let wire = Wire::open(host, "eth0")?;
        let sent = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, quit) = (Arc::clone(&sent), Arc::clone(&stop));
        let thread = thread::Builder::new()
            .name("flood".into())
            .spawn(move || {
                for frame in frames.iter().cycle() {
                    if quit.load(Relaxed) {
                        return;
                    }
                    // A full queue is the point of a flood.
                    if wire.send(frame).is_ok() {
                        theirs.fetch_add(1, Relaxed);
                    }
                }
            })
            .context("cannot start a flood")?;
        Ok(Self {
            sent,
            stop,
            thread: Some(thread),
        })
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_is_written_as_both_programs_read_it() {
        let router = Router {
            vrid: 51,
            interface: "eth0",
            scale: Scale::read("10ms").unwrap(),
            address: Ipv4Addr::new(192, 168, 8, 100),
            password: None,
        };
        let text = router.written(PRIORITY_B);
        for piece in [
            "version 3",
            "advert_int 0.01\n",
            "priority 90",
            "state BACKUP",
        ] {
            assert!(text.contains(piece), "{piece} is not in {text}");
        }
        let with = Router {
            password: Some("1111"),
            ..router
        };
        assert!(with.written(PRIORITY_A).contains("auth_pass 1111"));
        assert!(with.written(PRIORITY_A).contains("version 2"));
    }
}
