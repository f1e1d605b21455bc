//! `vip demo`: a failover on real packets, measured, between hosts made of
//! namespaces. The daemons are this same program.

mod play;
mod takeover;
mod tell;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use vip_common::ids::{Priority, Version};
use vip_common::time::{Centis, active_down_interval, skew_time};

use crate::error::{Exit, Failure};
use crate::lab::pair::{NODE_A, NODE_B, Pair, version_3};
use crate::lab::{LabError, now, threads_inside};
use play::Play;
use tell::Teller;

/// Arguments of `vip demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// What happens to the master
    #[arg(long, value_enum, default_value_t = Fault::Power)]
    pub fault: Fault,
    /// Advertisement interval, 10ms to 1s; below 1s VRRPv3 without password
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub interval: Centis,
    /// How adverts are taken off the wire, as for run
    #[arg(long, value_name = "RUNG", default_value = "auto",
          value_parser = ["auto", "native", "generic", "tcx", "off"])]
    pub xdp: String,
}

/// What happens to the master.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Fault {
    /// Power cut: daemon and cable at once
    Power,
    /// Planned leave: SIGTERM
    Stop,
    /// The daemon alone dies: SIGKILL
    Kill,
    /// The daemon hangs: SIGSTOP
    Hang,
    /// The cable is pulled, the daemon lives
    Link,
}

impl Fault {
    const fn words(self) -> &'static str {
        match self {
            Self::Power => "Power cut on A: the daemon killed and the cable out at once",
            Self::Stop => "Planned leave of A: SIGTERM",
            Self::Kill => "The daemon on A is killed (SIGKILL); A's kernel lives on",
            Self::Hang => "The daemon on A hangs (SIGSTOP); A's kernel lives on",
            Self::Link => "The cable of A is pulled; its daemon lives on",
        }
    }

    /// Whether A's kernel goes on answering for the address.
    const fn leaves_the_address(self) -> bool {
        matches!(self, Self::Kill | Self::Hang)
    }
}

/// Reads `10ms`, `0.5s`, `1s`.
fn interval(text: &str) -> Result<Centis, String> {
    let (digits, centis_per_unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 0.1),
        None => (text.strip_suffix('s').unwrap_or(text), 100.0),
    };
    let number: f64 = digits.parse().map_err(|_| "say it as 10ms or 1s")?;
    let centis = number * centis_per_unit;
    let whole = centis.round();
    if !(1.0..=100.0).contains(&whole) || (centis - whole).abs() > 1e-6 {
        return Err("10ms to 1s, in steps of 10ms (VRRPv3 counts centiseconds)".into());
    }
    Centis::new(whole as u16).ok_or_else(|| "it is zero".into())
}

/// What the two daemons are told, and the protocol's numbers that follow.
struct Timing {
    version: Version,
    interval: Centis,
    file_a: String,
    file_b: String,
}

impl Timing {
    /// At 1 s the seed's files as they are; below, which VRRPv2 cannot say,
    /// the same in VRRPv3.
    fn new(interval: Centis) -> Self {
        if interval == Centis::ONE_SECOND {
            Self {
                version: Version::V2,
                interval,
                file_a: NODE_A.into(),
                file_b: NODE_B.into(),
            }
        } else {
            Self {
                version: Version::V3,
                interval,
                file_a: version_3(Self::priority_a(), interval),
                file_b: version_3(Self::priority_b(), interval),
            }
        }
    }

    const fn priority_a() -> Priority {
        Priority::from_wire(100)
    }

    const fn priority_b() -> Priority {
        Priority::from_wire(90)
    }

    fn skew_b(&self) -> Duration {
        skew_time(self.version, Self::priority_b(), self.interval)
    }

    /// The silence after which B takes over.
    fn down_b(&self) -> Duration {
        active_down_interval(self.version, Self::priority_b(), self.interval, 3)
    }
}

/// Runs the demo: exit code 0 when all that it checked was so.
///
/// # Errors
/// When this host cannot make the network: exit code 5.
pub fn run(arguments: &DemoArgs) -> Result<Exit, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot find this program: {error}"))
    })?;
    let started = now();
    let pair = network(program, &arguments.xdp)
        .map_err(|error| Failure::new(Exit::Host, format!("the demo needs a network: {error}")))?;
    let namespaces = pair.namespaces();
    let mut tell = Teller::new();
    let mut play = Play::new(&pair, Timing::new(arguments.interval));
    let played = play.perform(arguments.fault, &mut tell);
    if let Err(error) = played {
        tell.check(false, &error.to_string());
        for line in play.last_words() {
            tell.line(&line);
        }
    }
    tell.heading("Cleaning up");
    let processes = play.processes();
    drop(play);
    drop(pair);
    let left = threads_inside(&namespaces);
    let hosts = namespaces.len();
    let text =
        format!("{hosts} namespaces and {processes} daemons removed, {left} threads left inside");
    tell.check(left == 0, &text);
    tell.end(now().since(started), arguments);
    Ok(if tell.all_well() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The hosts, with nothing open for VRRP.
fn network(program: PathBuf, xdp: &str) -> Result<Pair, LabError> {
    let pair = Pair::new(program, xdp)?;
    pair.a.firewall()?;
    pair.b.firewall()?;
    Ok(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_with_their_unit_and_centiseconds_are_the_limit() {
        assert_eq!(interval("10ms"), Ok(Centis::new(1).unwrap()));
        assert_eq!(interval("0.25s"), Ok(Centis::new(25).unwrap()));
        assert_eq!(interval("1s"), Ok(Centis::ONE_SECOND));
        assert_eq!(interval("1"), Ok(Centis::ONE_SECOND));
        for wrong in ["5ms", "15ms", "0", "2s", "-1s", "soon", "nan", ""] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_deadline_of_b_is_the_rfcs() {
        let seed = Timing::new(Centis::ONE_SECOND);
        assert_eq!(seed.down_b(), Duration::from_nanos(3_648_437_500));
        let fast = Timing::new(Centis::new(1).unwrap());
        assert_eq!(fast.down_b(), Duration::from_nanos(36_484_375));
        assert!(fast.file_a.contains("advert_int 0.01\n"));
    }
}
