//! What many virtual routers cost, and how they are taken over all at once.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use nix::sys::signal::Signal;
use vip::lab::pair::{ADDRESS_A, ADDRESS_B};
use vip::lab::{Capture, Host, Lab, Process, What, now};
use vip_common::time::MonoTime;
use vip_tests::bpf;

use crate::contender::{Contender, PRIORITY_A, PRIORITY_B, Scale, Who, contenders, last_words};
use crate::document::{By, Document, Measure, Unit};
use crate::report::About;
use crate::rig::{Router, listens};
use crate::takeover::between;
use crate::usage;
use crate::wire::lateness;
use crate::{Output, finish, phase, shown};

pub(crate) const ABOUT: About = About {
    name: "scale",
    title: "Many virtual routers",
    method: "One daemon on each of two hosts with so many virtual routers, one address each, spread \
over 16 interfaces (one router: one interface). First they are left alone until what the start \
brought is over, then comes a while in which nothing happens, then the \
master's daemon is stopped (SIGSTOP) and all of them are taken over at once; each has a deadline \
of its own, three intervals and the skew time after its last advert. Memory is that of the \
master's processes, shared pages in proportion, with their BPF maps and programs.",
};

const fn of(title: &'static str, unit: Unit, drawn: bool) -> Measure {
    Measure {
        title,
        unit,
        drawn,
        by: By::Median,
    }
}
const ADVERT: Measure = of("First advert after the deadline", Unit::Nanoseconds, true);
const ARP: Measure = of(
    "First gratuitous ARP after the deadline",
    Unit::Nanoseconds,
    false,
);
const CPU_MASTER: Measure = of("Processor time of the master", Unit::Share, false);
const CPU_BACKUP: Measure = of("Processor time of the backup", Unit::Share, false);
const MEMORY: Measure = of("Memory of the master", Unit::Bytes, false);
const LATE: Measure = Measure {
    by: By::P99,
    ..of("Lateness of the master's adverts", Unit::Nanoseconds, true)
};

const INTERFACES: [&str; 16] = [
    "e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9", "e10", "e11", "e12", "e13", "e14",
    "e15",
];

#[derive(Args, Clone)]
pub(crate) struct ScaleArgs {
    /// How many virtual routers
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_value = "1,250,1000", value_parser = clap::value_parser!(u16).range(1..=4000))]
    pub(crate) instances: Vec<u16>,
    /// How often each contender is looked at with each number
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// How many seconds after the election all is taken to be calm
    #[arg(long, default_value_t = 45, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(crate) calm: u64,
    /// For how long nothing happens
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Advertisement interval, in steps of 10ms
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = Scale::read)]
    pub(crate) interval: Scale,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Measures, prints and saves.
pub(crate) fn command(arguments: &ScaleArgs) -> Result<ExitCode> {
    let contenders = contenders(&arguments.who)?;
    let mut document = Document::begin(
        ABOUT.name,
        format!(
            "interval {}, {} rounds of {} s",
            shown(arguments.interval.interval()),
            arguments.rounds,
            arguments.seconds
        ),
        contenders.iter().map(Contender::subject).collect(),
    );
    for &count in &arguments.instances {
        let condition = match count {
            1 => "1 router".to_owned(),
            _ => format!("{count} routers"),
        };
        eprintln!("{condition}");
        for round in 0..arguments.rounds {
            for turn in 0..contenders.len() {
                let contender = &contenders[(turn + round as usize) % contenders.len()];
                let measured = Stage::new(contender, count.into(), arguments)
                    .and_then(|stage| stage.measure(&mut document, &condition, round));
                if let Err(error) = measured {
                    document.fail(&condition, round, contender.label(), &error);
                }
            }
        }
    }
    finish(&document, &arguments.output)
}

/// A router's place: the number of its interface, and its VRID.
type Place = (usize, u8);

/// So many routers, as even over the interfaces as may be.
fn places(count: usize) -> Vec<Place> {
    let places = (0..count).map(|number| {
        let vrid = number / INTERFACES.len() + 1;
        (
            number % INTERFACES.len(),
            u8::try_from(vrid).unwrap_or(u8::MAX),
        )
    });
    places.collect()
}

/// The address of a router.
fn address((interface, vrid): Place) -> Ipv4Addr {
    Ipv4Addr::new(10, interface as u8, 1, vrid)
}

/// Two hosts, all of whose routers are elected.
struct Stage<'a> {
    contender: &'a Contender,
    scale: Scale,
    calm: Duration,
    seconds: u64,
    places: Vec<Place>,
    on_a: Process,
    on_b: Process,
    capture: Capture,
    /// By port: whether it is the backup's, and which interface.
    ports: HashMap<u32, (bool, usize)>,
    b: Host,
    _a: Host,
    _lab: Lab,
}

impl<'a> Stage<'a> {
    fn new(contender: &'a Contender, count: usize, arguments: &ScaleArgs) -> Result<Self> {
        let lab = Lab::new()?;
        let a = lab.host("A", ADDRESS_A, 24)?;
        let b = lab.host("B", ADDRESS_B, 24)?;
        let places = places(count);
        let mut ports = HashMap::new();
        for (number, name) in INTERFACES.into_iter().enumerate().take(count) {
            let both = lab.network(name, &[&a, &b])?;
            for (which, (host, port)) in [&a, &b].into_iter().zip(both).enumerate() {
                host.ip(&[format!(
                    "addr add 10.{number}.0.{}/16 dev {name}",
                    which + 1
                )])?;
                ports.insert(port, (which == 1, number));
            }
        }
        let capture = lab.capture_from(&ports.keys().copied().collect::<Vec<_>>())?;
        let file = |priority| -> String {
            let routers = places.iter().map(|place| {
                let router = Router {
                    vrid: place.1,
                    interface: INTERFACES[place.0],
                    scale: arguments.interval,
                    address: address(*place),
                    password: None,
                };
                router.written(priority)
            });
            routers.collect()
        };
        let on_a = contender.start_with(&a, "", &file(PRIORITY_A))?;
        let on_b = contender.start_with(&b, "", &file(PRIORITY_B))?;
        let stage = Self {
            contender,
            scale: arguments.interval,
            calm: Duration::from_secs(arguments.calm),
            seconds: arguments.seconds,
            places,
            on_a,
            on_b,
            capture,
            ports,
            b,
            _a: a,
            _lab: lab,
        };
        stage.elected()?;
        Ok(stage)
    }

    /// Waits until A speaks for all, and B listens in silence.
    fn elected(&self) -> Result<()> {
        const BOUND: Duration = Duration::from_secs(60);
        let quiet = self.scale.interval() * 5 + Duration::from_millis(500);
        let end = now() + BOUND;
        loop {
            thread::sleep(quiet / 2);
            let said = self.said(now() - quiet, now());
            let all = said.iter().filter(|((by_b, _), _)| !by_b).count();
            if all == self.places.len() && said.keys().all(|(by_b, _)| !by_b) && listens(&self.b)? {
                return Ok(());
            }
            if now() > end {
                bail!(
                    "{all} of {} elected within {BOUND:?}; A: {}; B: {}",
                    self.places.len(),
                    last_words(&self.on_a),
                    last_words(&self.on_b)
                );
            }
        }
    }

    /// When each router was spoken for, and whether by B.
    fn said(&self, begin: MonoTime, end: MonoTime) -> HashMap<(bool, Place), Vec<MonoTime>> {
        let mut said: HashMap<_, Vec<_>> = HashMap::new();
        for frame in self.capture.since(begin, |frame| frame.stamp < end) {
            if let What::Advert { vrid, priority, .. } = frame.what
                && priority > 0
                && let Some((by_b, interface)) = self.ports.get(&frame.port)
            {
                let of = said.entry((*by_b, (*interface, vrid))).or_default();
                of.push(frame.stamp);
            }
        }
        said
    }

    fn measure(&self, document: &mut Document, condition: &str, round: u32) -> Result<()> {
        let subject = self.contender.label();
        self.capture.lost()?;
        self.capture.take_time();
        thread::sleep(self.calm);
        let daemons = [&self.on_a, &self.on_b];
        let used = || daemons.map(|daemon| usage::processor_time(daemon.pid()));
        let (before, begin) = (used(), now());
        thread::sleep(Duration::from_secs(self.seconds));
        let (after, end) = (used(), now());
        self.capture.hurry()?;
        let span = end.since(begin).as_nanos() as f64;
        for (which, measure) in [CPU_MASTER, CPU_BACKUP].into_iter().enumerate() {
            let part = after[which].saturating_sub(before[which]) as f64 / span;
            document.add(measure, condition, subject, [(part * 1e6) as i64]);
        }
        let group = self.on_a.pid();
        let memory = usage::memory(group) + bpf::memory(group);
        document.add(MEMORY, condition, subject, [i64::try_from(memory)?]);
        for ((by_b, _), stamps) in self.said(begin, end) {
            if by_b {
                bail!("the backup took over although nothing had happened");
            }
            let late = lateness(&stamps, self.scale.interval());
            document.add(LATE, condition, subject, late);
        }
        self.lose_all(document, condition, round)
    }

    fn lose_all(&self, document: &mut Document, condition: &str, round: u32) -> Result<()> {
        const BOUND: Duration = Duration::from_secs(20);
        self.capture.take_time();
        thread::sleep(self.scale.interval().mul_f64(phase(round)));
        let fault = now();
        self.on_a.signal(Signal::SIGSTOP);
        let end = fault + self.scale.down_interval() + BOUND;
        let taken = loop {
            thread::sleep(Duration::from_millis(50));
            let taken = self.said(fault, now());
            if self
                .places
                .iter()
                .all(|place| taken.contains_key(&(true, *place)))
            {
                break taken;
            }
            if now() > end {
                bail!("not all were taken over; {}", last_words(&self.on_b));
            }
        };
        // Until the last announcements are out.
        thread::sleep(Duration::from_millis(500));
        self.capture.hurry()?;
        let lost = self.capture.lost()?;
        if lost > 0 {
            bail!("the capture has lost {lost} frames");
        }
        let announced = self.announced(fault);
        let last = self.said(fault - self.scale.interval() * 3, now());
        let subject = self.contender.label();
        for place in &self.places {
            let heard = last.get(&(false, *place)).and_then(|all| all.last());
            let spoke = taken.get(&(true, *place)).and_then(|all| all.first());
            let (Some(heard), Some(spoke)) = (heard, spoke) else {
                bail!("a router was never heard");
            };
            let deadline = *heard + self.scale.down_interval();
            document.add(ADVERT, condition, subject, [between(deadline, *spoke)]);
            let Some(stamp) = announced.get(&address(*place)) else {
                bail!("{} was never announced", address(*place));
            };
            document.add(ARP, condition, subject, [between(deadline, *stamp)]);
        }
        Ok(())
    }

    /// When B first announced each address.
    fn announced(&self, since: MonoTime) -> HashMap<Ipv4Addr, MonoTime> {
        let mut first = HashMap::new();
        for frame in self.capture.since(since, |_| true) {
            if let What::Arp { sender, target, .. } = frame.what
                && sender == target
                && self.ports.get(&frame.port).is_some_and(|(by_b, _)| *by_b)
            {
                first.entry(sender).or_insert(frame.stamp);
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routers_spread_evenly_and_are_all_different() {
        let all = places(1000);
        let mut addresses: Vec<_> = all.iter().map(|place| address(*place)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 1000);
        for interface in 0..16 {
            let here = all.iter().filter(|place| place.0 == interface).count();
            assert!((62..=63).contains(&here), "{here} on {interface}");
        }
        assert_eq!(places(1), [(0, 1)]);
    }
}
