//! One laboratory with three daemons, and everything that may happen to them in
//! an order that a seed decides. Who has the address is watched all the time.
//!
//! Two rules are judged over the whole run. Two hosts that hear each other must
//! not both have an address for longer than one interval and 50 ms. And as long
//! as a host is able to serve, an address must not be without a host for longer
//! than that host's down interval and 50 ms. In the end nothing may be left.
//!
//! A machine that did not let this very program run, which is more urgent than
//! most, is no fault of a daemon: what it missed is measured and allowed for.

mod fault;
mod footprint;
mod judge;
mod line;
mod node;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use vip::lab::pair::{ADDRESS_A, ADDRESS_B, ADDRESS_CLIENT, VIRTUAL, VRID};
use vip::lab::{ForgedAdvert, Host, Lab, LabError, PATIENCE, Prober, Wire, now};
use vip_common::time::MonoTime;

use crate::dice::Rng;
use crate::peer::VIRTUAL6;
use crate::pulse::Pulse;
use line::Line;
use node::Node;

pub use fault::Fault;
pub use footprint::Footprint;
pub use judge::{Breach, Report};

const RUNTIME_DIR: &str = "/run/vip";
/// The addresses that are watched.
const ADDRESSES: [IpAddr; 3] = [
    IpAddr::V4(VIRTUAL),
    IpAddr::V4(BY_VIRTUAL_MAC),
    IpAddr::V6(VIRTUAL6),
];
/// The address of the instance with an interface of its own.
const BY_VIRTUAL_MAC: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 101);
/// How often the client asks.
const QUESTION: Duration = Duration::from_millis(5);
const HOSTS: [(&str, Ipv4Addr, u8); 3] = [
    ("A", ADDRESS_A, 150),
    ("B", ADDRESS_B, 120),
    ("C", Ipv4Addr::new(192, 168, 8, 11), 90),
];
/// By how much a reload may change a priority, both ways: so much that the
/// order changes.
const PRIORITY_SWING: u64 = 40;
/// No trouble lasts longer, in steps.
const LONGEST_TROUBLE: u64 = 4;

/// What is run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program under test.
    pub program: PathBuf,
    /// Of the dice: the same seed, the same faults in the same order.
    pub seed: u64,
    /// How many faults.
    pub faults: u32,
    /// The advertisement interval.
    pub interval: Duration,
}

/// Does all of it, and judges.
///
/// # Errors
/// When the laboratory itself fails; what the daemons do wrong is in the report.
pub fn run(plan: &Plan, tell: impl Fn(&str)) -> Result<Report, LabError> {
    let mut chaos = Chaos::new(plan)?;
    for which in 0..chaos.nodes.len() {
        chaos.start(which)?;
    }
    chaos.settled()?;
    let begin = now();
    for step in 0..plan.faults {
        chaos.heal(Some(step))?;
        chaos.one_fault(step, begin, &tell)?;
        let most = plan.interval * 8;
        thread::sleep(chaos.dice.span(most));
    }
    chaos.heal(None)?;
    chaos.settled()?;
    let end = now();
    for which in (0..chaos.nodes.len()).rev() {
        chaos.leave(which)?;
    }
    chaos.report(begin, end)
}

struct Chaos<'a> {
    plan: &'a Plan,
    dice: Rng,
    nodes: Vec<Node>,
    /// Nobody hears anybody.
    isolated: Line,
    /// Until which step.
    isolated_until: Option<u32>,
    /// What was done, and when.
    done: Vec<(MonoTime, String)>,
    counts: BTreeMap<String, u32>,
    /// What a daemon answered that it should not have.
    wrong: Vec<String>,
    pulse: Pulse,
    prober: Prober,
    client: Host,
    lab: Lab,
}

impl<'a> Chaos<'a> {
    fn new(plan: &'a Plan) -> Result<Self, LabError> {
        let lab = Lab::new()?;
        let mut nodes = Vec::new();
        for (name, address, priority) in HOSTS {
            let mut host = lab.host(name, address, 24)?;
            host.enable_ipv6()?;
            nodes.push(Node::new(host, priority)?);
        }
        let client = lab.host("client", ADDRESS_CLIENT, 24)?;
        Ok(Self {
            plan,
            dice: Rng::new(plan.seed),
            nodes,
            isolated: Line::default(),
            isolated_until: None,
            done: Vec::new(),
            counts: BTreeMap::new(),
            wrong: Vec::new(),
            pulse: Pulse::start()?,
            prober: Prober::start(&client, VIRTUAL, QUESTION)?,
            client,
            lab,
        })
    }

    fn program(&self) -> &'a Path {
        &self.plan.program
    }

    fn seconds(&self) -> f64 {
        self.plan.interval.as_secs_f64()
    }

    fn start(&mut self, which: usize) -> Result<(), LabError> {
        self.nodes[which].start(&self.plan.program, self.plan.interval.as_secs_f64())
    }

    fn leave(&mut self, which: usize) -> Result<(), LabError> {
        if !self.nodes[which].leave()? {
            self.wrong("it left with an error", which);
        }
        Ok(())
    }

    /// Exactly one host has each address.
    fn settled(&mut self) -> Result<(), LabError> {
        let end = now() + PATIENCE;
        loop {
            let mut right = true;
            for address in ADDRESSES {
                let mut owners = 0;
                for node in &self.nodes {
                    owners += usize::from(node.host.has(address)?);
                }
                right &= owners == 1;
            }
            if right {
                return Ok(());
            }
            if now() > end {
                self.wrong.push(format!(
                    "no single master {PATIENCE:?} after the last fault was mended"
                ));
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn wrong(&mut self, what: &str, which: usize) {
        let name = self.nodes[which].host.name();
        let last = self.done.last().map_or("the start", |(_, what)| what);
        self.wrong.push(format!("{name}: {what}, in {last}"));
    }

    fn one_fault(
        &mut self,
        step: u32,
        begin: MonoTime,
        tell: &impl Fn(&str),
    ) -> Result<(), LabError> {
        let free: Vec<_> = (0..self.nodes.len())
            .filter(|which| self.nodes[*which].trouble.is_none())
            .collect();
        let disabled = |node: &&Node| node.trouble.is_some_and(|(fault, _)| fault.disables());
        let able = self.nodes.len() - self.nodes.iter().filter(disabled).count();
        let Some((fault, which)) = fault::next(&mut self.dice, &free, able) else {
            return Ok(());
        };
        let lasts = u32::try_from(self.dice.between(1, LONGEST_TROUBLE)).unwrap_or(1);
        let name = self.nodes[which].host.name().to_owned();
        let what = format!("{}: {fault} on {name}", step + 1);
        tell(&format!(
            "{:9.3} s  {what}",
            now().since(begin).as_secs_f64()
        ));
        self.done.push((now(), what));
        *self.counts.entry(fault.to_string()).or_default() += 1;
        if fault.lasts() {
            if fault == Fault::Isolate {
                self.isolated_until = Some(step + lasts);
            } else {
                self.nodes[which].trouble = Some((fault, step + lasts));
            }
        }
        self.strike(fault, which)
    }

    fn strike(&mut self, fault: Fault, which: usize) -> Result<(), LabError> {
        let (program, seconds) = (self.program(), self.seconds());
        match fault {
            Fault::Kill => self.nodes[which].kill(),
            Fault::Leave => self.leave(which)?,
            Fault::Stop => self.nodes[which].pause(true),
            Fault::Cut => {
                self.nodes[which].connected.set(now(), false);
                self.nodes[which].host.cut()?;
            }
            Fault::LinkDown => {
                self.nodes[which].connected.set(now(), false);
                self.nodes[which].host.ip(&["link set eth0 down"])?;
            }
            Fault::Unplug => {
                self.nodes[which].connected.set(now(), false);
                self.nodes[which].host.disconnect()?;
            }
            Fault::Isolate => self.isolate(true)?,
            Fault::DeleteAddress => self.nodes[which].delete_addresses()?,
            Fault::Noise => self.noise(which)?,
            Fault::Reload => {
                let swing = self.dice.between(0, 2 * PRIORITY_SWING) as i64;
                let base = i64::from(HOSTS[which].2);
                let priority = base + swing - PRIORITY_SWING as i64;
                let shape = &mut self.nodes[which].shape;
                shape.priority = u8::try_from(priority).unwrap_or(100);
                shape.more = u8::try_from(self.dice.between(0, 3)).unwrap_or(0);
                shape.repeats = u8::try_from(self.dice.between(1, 5)).unwrap_or(1);
                if !self.nodes[which].reload(program, seconds)? {
                    self.wrong("a good configuration was refused", which);
                }
            }
            Fault::BadReload => {
                if !self.nodes[which].reload_badly(program, seconds)? {
                    self.wrong("a bad configuration was taken", which);
                }
            }
            Fault::Drain => {
                let asked = now();
                match self.nodes[which].ask(program, &["drain"])? {
                    Some(0) => self.nodes[which].willing.set(asked, false),
                    // There is nobody who could follow.
                    Some(3) => self.nodes[which].trouble = None,
                    code => self.wrong(&format!("drain ended with {code:?}"), which),
                }
            }
            Fault::Take => match self.nodes[which].ask(program, &["take", "VI_1"])? {
                Some(0) => {}
                Some(3) => self.nodes[which].trouble = None,
                code => self.wrong(&format!("take ended with {code:?}"), which),
            },
        }
        Ok(())
    }

    /// Mends what has lasted until this step, or everything.
    fn heal(&mut self, step: Option<u32>) -> Result<(), LabError> {
        let due = |until: u32| step.is_none_or(|step| until <= step);
        if self.isolated_until.is_some_and(due) {
            self.isolated_until = None;
            self.isolate(false)?;
        }
        for which in 0..self.nodes.len() {
            if let Some((fault, until)) = self.nodes[which].trouble
                && due(until)
            {
                self.nodes[which].trouble = None;
                self.mend(fault, which)?;
            }
        }
        Ok(())
    }

    fn mend(&mut self, fault: Fault, which: usize) -> Result<(), LabError> {
        let program = self.program();
        match fault {
            Fault::Kill | Fault::Leave => self.start(which)?,
            Fault::Stop => self.nodes[which].pause(false),
            Fault::Cut | Fault::LinkDown => {
                let host = &self.nodes[which].host;
                if fault == Fault::Cut {
                    host.mend()?;
                }
                host.set_up()?;
                self.nodes[which].connected.set(now(), true);
            }
            Fault::Unplug => {
                self.nodes[which].host.connect()?;
                if self.isolated_until.is_some() {
                    self.set_isolated(&[which], true)?;
                }
                self.nodes[which].connected.set(now(), true);
            }
            Fault::Drain => {
                if self.nodes[which].ask(program, &["undrain"])? != Some(0) {
                    self.wrong("undrain failed", which);
                }
                self.nodes[which].willing.set(now(), true);
            }
            Fault::Take => {
                if self.nodes[which].ask(program, &["untake", "VI_1"])? != Some(0) {
                    self.wrong("untake failed", which);
                }
            }
            Fault::Isolate
            | Fault::DeleteAddress
            | Fault::Noise
            | Fault::Reload
            | Fault::BadReload => {}
        }
        let name = self.nodes[which].host.name();
        self.done.push((now(), format!("end of {fault} on {name}")));
        Ok(())
    }

    fn isolate(&mut self, on: bool) -> Result<(), LabError> {
        if on {
            self.isolated.set(now(), true);
        }
        let plugged = |which: &usize| {
            let trouble = self.nodes[*which].trouble;
            trouble.is_none_or(|(fault, _)| fault != Fault::Unplug)
        };
        let hosts: Vec<_> = (0..self.nodes.len()).filter(plugged).collect();
        self.set_isolated(&hosts, on)?;
        if !on {
            self.isolated.set(now(), false);
            self.done.push((now(), "end of isolate".into()));
        }
        Ok(())
    }

    /// All of them at once, as a switch that comes or goes does it.
    fn set_isolated(&self, hosts: &[usize], on: bool) -> Result<(), LabError> {
        let how = if on { "on" } else { "off" };
        let line = |which: &usize| {
            let name = self.nodes[*which].host.name();
            format!("link set p-{name} type bridge_slave isolated {how}")
        };
        let lines: Vec<_> = hosts.iter().map(line).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        self.lab.switch_ip(&lines)
    }

    /// Adverts that nobody may believe, in the name of a host.
    fn noise(&self, which: usize) -> Result<(), LabError> {
        const FRAMES: usize = 100;
        let good = ForgedAdvert {
            mac: self.client.mac(),
            source: self.nodes[which].host.address(),
            ttl: 255,
            version: 3,
            vrid: VRID,
            priority: 254,
            interval: 10,
            password: None,
            addresses: vec![VIRTUAL],
            checksum_error: 0,
            destination: ForgedAdvert::GROUP,
        };
        let bad = [
            ForgedAdvert {
                ttl: 254,
                ..good.clone()
            },
            ForgedAdvert {
                checksum_error: 1,
                ..good.clone()
            },
            ForgedAdvert {
                version: 2,
                ..good.clone()
            },
            ForgedAdvert {
                vrid: VRID + 9,
                ..good
            },
        ];
        let wire = Wire::open(&self.client, "eth0")?;
        for number in 0..FRAMES {
            wire.send(&bad[number % bad.len()].frame())?;
        }
        Ok(())
    }
}
