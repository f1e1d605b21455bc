//! One lost master: a fresh pair of hosts on a fresh switch, both with the same
//! program, and the kernel's stamps of what passed the backup's port.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;
use vip::lab::pair::{ADDRESS_A, ADDRESS_B, VIRTUAL, VRID, version_3};
use vip::lab::{Capture, Frame, Host, Lab, LabError, PATIENCE, Process, now};
use vip_common::ids::Priority;
use vip_common::time::{Centis, MonoTime};
use vip_tests::peer::{keepalived_program, keepalived_says};

/// Of the master.
pub(crate) const PRIORITY_A: u8 = 150;
/// Of the backup.
pub(crate) const PRIORITY_B: u8 = 90;
/// Real-time priority for keepalived where it gets one; `vip` takes the same.
const REAL_TIME_PRIORITY: u8 = 80;
/// So many adverts in a row, and only the master's, make an elected pair.
const ELECTED: usize = 50;

const FILE: &str = "/run/bench.conf";

/// The protocol's times.
#[derive(Clone, Copy)]
pub(crate) struct Scale(Centis);

impl Scale {
    /// From `10ms` or `1s`.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
        let centis = u16::try_from(span.as_millis() / 10)
            .ok()
            .and_then(Centis::new)
            .filter(|centis| centis.span() == span && *centis <= Centis::V3_MAX);
        centis
            .map(Self)
            .ok_or_else(|| "10ms to 40s, in steps of 10ms".into())
    }

    pub(crate) fn centis(self) -> Centis {
        self.0
    }

    pub(crate) fn interval(self) -> Duration {
        self.0.span()
    }

    /// Active_Down_Interval of the backup, after RFC 9568 section 6.1 and on
    /// purpose not by the product's own code.
    pub(crate) fn down_interval(self) -> Duration {
        let skew = self.interval() * (256 - u32::from(PRIORITY_B)) / 256;
        3 * self.interval() + skew
    }
}

/// Who is measured.
#[derive(Clone)]
pub(crate) enum Contender {
    /// A build of `vip`, with the log that it always writes.
    Vip {
        /// What it is called here.
        label: &'static str,
        /// Where it lies.
        program: PathBuf,
    },
    /// keepalived with no log at all: what it writes costs it time.
    Keepalived {
        /// Whether it is given FIFO priority and locked memory.
        real_time: bool,
    },
}

impl Contender {
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Vip { label, .. } => label,
            Self::Keepalived { real_time: false } => "keepalived",
            Self::Keepalived { real_time: true } => "keepalived-rt",
        }
    }

    /// What it says of itself.
    pub(crate) fn version(&self) -> String {
        let Self::Vip { program, .. } = self else {
            return keepalived_says();
        };
        let asked = Command::new(program).arg("--version").output();
        let said = asked.map(|output| [output.stdout, output.stderr].concat());
        let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
        said.lines().next().unwrap_or("unknown").trim().to_owned()
    }

    /// Starts it on a host; not everything is up when this returns.
    pub(crate) fn start(
        &self,
        host: &Host,
        priority: u8,
        scale: Scale,
    ) -> Result<Process, LabError> {
        self.start_with(host, "", &version_3(Priority::from_wire(priority), scale.0))
    }

    /// Starts it with what the file says; `globals` are lines for `global_defs`.
    pub(crate) fn start_with(
        &self,
        host: &Host,
        globals: &str,
        file: &str,
    ) -> Result<Process, LabError> {
        let defined = |lines: &str| format!("global_defs {{\n{lines}}}\n");
        match self {
            Self::Vip { program, .. } => {
                host.write(FILE, &(defined(globals) + file))?;
                let program = program.to_string_lossy();
                host.spawn([&program, "run", "--file", FILE, "--runtime-dir", "/run/vip"])
            }
            Self::Keepalived { real_time } => {
                let options = if *real_time {
                    format!("    vrrp_rt_priority {REAL_TIME_PRIORITY}\n    vrrp_no_swap\n")
                } else {
                    String::new()
                };
                host.write(FILE, &(defined(&(options + globals)) + file))?;
                host.spawn([
                    &*keepalived_program().to_string_lossy(),
                    "--dont-fork",
                    "--no-syslog",
                    "--vrrp",
                    "--use-file",
                    FILE,
                ])
            }
        }
    }
}

/// What one lost master has shown. Durations are signed nanoseconds: what came
/// too early is not hidden.
pub(crate) struct Measured {
    /// The master's last advert at the backup's port.
    pub(crate) last_advert: MonoTime,
    /// When the master was lost, after that.
    pub(crate) fault_after: i64,
    /// The backup's first advert, after the RFC's deadline.
    pub(crate) advert_late: i64,
    /// Its first gratuitous ARP, after its first advert.
    pub(crate) arp_after_advert: i64,
    /// How the backup heard, where it says so.
    pub(crate) rung: Option<String>,
    /// What the backup wrote from the fault on.
    pub(crate) log: Vec<String>,
}

/// Loses one master of a fresh pair.
pub(crate) fn measure(
    contender: &Contender,
    scale: Scale,
    loss: Loss,
    round: u32,
) -> Result<Measured> {
    let lab = Lab::new()?;
    let a = lab.host("A", ADDRESS_A, 24)?;
    let b = lab.host("B", ADDRESS_B, 24)?;
    let capture = lab.capture()?;
    let on_a = contender.start(&a, PRIORITY_A, scale)?;
    // The backup has never been master: it takes over for the first time, as
    // on most hosts that ever do.
    first_advert(&capture, &a, &on_a)?;
    let on_b = contender.start(&b, PRIORITY_B, scale)?;
    elected(&capture, &b, &on_b, scale)?;

    let fault = power_cut(&capture, &a, &on_a, scale, (loss, round))?;
    let takeover = Takeover::find(&capture, &b, fault, scale)?;
    Ok(Measured {
        last_advert: takeover.last_advert,
        fault_after: between(takeover.last_advert, fault),
        advert_late: between(
            takeover.last_advert + scale.down_interval(),
            takeover.advert,
        ),
        arp_after_advert: between(takeover.advert, takeover.arp),
        rung: rung(&on_b),
        log: log(&on_b, fault),
    })
}

fn first_advert(capture: &Capture, host: &Host, daemon: &Process) -> Result<()> {
    let port = host.port();
    capture
        .wait_for(
            "the master's first advert",
            MonoTime::ZERO,
            PATIENCE,
            |frame| frame.is_from(port) && frame.advert(VRID).is_some(),
        )
        .with_context(|| last_words(daemon))?;
    Ok(())
}

/// Waits until the backup listens, and from then on until the master alone has
/// spoken for a while.
fn elected(capture: &Capture, b: &Host, on_b: &Process, scale: Scale) -> Result<()> {
    let end = now() + PATIENCE + scale.interval() * 4 * ELECTED as u32;
    let mut listens_since = None;
    loop {
        if listens_since.is_none() && listens(b)? {
            listens_since = Some(now());
        }
        if let Some(since) = listens_since
            && undisputed(capture, b.port(), since) >= ELECTED
        {
            return Ok(());
        }
        if now() > end {
            bail!("no election within {PATIENCE:?}; {}", last_words(on_b));
        }
        thread::sleep(scale.interval());
    }
}

/// Whether the host is in the group of VRRP.
fn listens(host: &Host) -> Result<bool> {
    const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
    // The kernel prints the address as a number of its own byte order.
    let group = format!("{:08X}", u32::from_ne_bytes(GROUP.octets()));
    let groups = host
        .run(|| fs::read_to_string("/proc/thread-self/net/igmp"))?
        .context("cannot read the host's groups")?;
    Ok(groups.contains(&group))
}

/// How many adverts the backup has been sent since it last spoke itself.
fn undisputed(capture: &Capture, port: u32, since: MonoTime) -> usize {
    let adverts = capture
        .select(|frame| frame.port == port && frame.stamp >= since && frame.advert(VRID).is_some());
    adverts
        .iter()
        .rev()
        .take_while(|frame| frame.is_to(port))
        .count()
}

/// How a master's daemon ends when its host is lost. The cable goes with it.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Loss {
    /// It stands still, as all of a host without power does
    Halt,
    /// SIGKILL: the kernel that both hosts share here cleans up after it while the backup
    /// takes over, and a program at the NIC is detached under the lock that addresses need
    Kill,
}

impl Loss {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Halt => "halt",
            Self::Kill => "kill",
        }
    }
}

/// The daemon lost and the cable out, at a moment of the interval that differs
/// from round to round. Says when.
fn power_cut(
    capture: &Capture,
    a: &Host,
    on_a: &Process,
    scale: Scale,
    (loss, round): (Loss, u32),
) -> Result<MonoTime> {
    /// Multiples of the golden ratio cover the interval evenly.
    const STEP: f64 = 0.618_033_988_749_895;
    let port = a.port();
    capture.wait_for("one more advert", now(), PATIENCE, |frame| {
        frame.is_from(port) && frame.advert(VRID).is_some()
    })?;
    thread::sleep(scale.interval().mul_f64((f64::from(round) * STEP).fract()));
    let fault = now();
    on_a.signal(match loss {
        Loss::Halt => Signal::SIGSTOP,
        Loss::Kill => Signal::SIGKILL,
    });
    a.cut()?;
    Ok(fault)
}

struct Takeover {
    last_advert: MonoTime,
    advert: MonoTime,
    arp: MonoTime,
}

impl Takeover {
    /// Waits for the takeover after `fault` and reads it from the capture.
    fn find(capture: &Capture, b: &Host, fault: MonoTime, scale: Scale) -> Result<Self> {
        let port = b.port();
        let bound = scale.down_interval() + PATIENCE;
        let spoke = |frame: &Frame| frame.is_from(port) && frame.advert(VRID).is_some();
        let advert = capture.wait_for("the backup's first advert", fault, bound, spoke)?;
        let arp = capture.wait_for("its gratuitous ARP", fault, bound, |frame| {
            frame.is_from(port) && frame.announces(VIRTUAL)
        })?;
        let heard = capture.select(|frame| {
            frame.is_to(port) && frame.advert(VRID).is_some() && frame.stamp < advert.stamp
        });
        let last = heard.last().context("the master was never heard")?;
        if last.advert(VRID) == Some(0) {
            bail!("the master took leave although it was to lose power");
        }
        let soon = |frame: &Frame| {
            spoke(frame) && frame.stamp < fault && frame.stamp + scale.down_interval() > last.stamp
        };
        if !capture.select(soon).is_empty() {
            bail!("the backup spoke before the master was lost");
        }
        Ok(Self {
            last_advert: last.stamp,
            advert: advert.stamp,
            arp: arp.stamp,
        })
    }
}

/// The rung that `vip` names in its log.
fn rung(daemon: &Process) -> Option<String> {
    let lines = daemon.lines();
    let up = lines.iter().find(|line| line.text.contains(" is up: "))?;
    let (_, rung) = up.text.rsplit_once('(')?;
    Some(rung.trim_end_matches(')').to_owned())
}

fn log(daemon: &Process, since: MonoTime) -> Vec<String> {
    let lines = daemon.lines().into_iter();
    lines
        .filter(|line| line.stamp >= since)
        .map(|line| line.text)
        .collect()
}

pub(crate) fn last_words(daemon: &Process) -> String {
    let said = daemon.stderr();
    let last = said.lines().last().unwrap_or("nothing");
    format!("the daemon's last words: {last}")
}

fn between(from: MonoTime, to: MonoTime) -> i64 {
    let nanos = |time: MonoTime| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    nanos(to) - nanos(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_whole_centiseconds() {
        assert_eq!(
            Scale::read("10ms").unwrap().interval(),
            Duration::from_millis(10)
        );
        assert_eq!(
            Scale::read("1s").unwrap().interval(),
            Duration::from_secs(1)
        );
        for wrong in ["0ms", "15ms", "1", "41s", "-1s"] {
            assert!(Scale::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_skew_is_never_cut_to_centiseconds() {
        // 10 ms x 166 / 256
        let scale = Scale::read("10ms").unwrap();
        assert_eq!(scale.down_interval(), Duration::from_nanos(36_484_375));
    }

    #[test]
    fn what_comes_early_is_negative() {
        let at = MonoTime::from_nanos;
        assert_eq!(between(at(50), at(20)), -30);
    }
}
