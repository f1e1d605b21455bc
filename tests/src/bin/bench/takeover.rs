//! A master is lost, leaves or returns: what passes the backup's port, with the
//! kernel's stamps, and what a client loses.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use nix::sys::signal::Signal;
use vip::lab::pair::{ADDRESS_A, ADDRESS_B, ADDRESS_CLIENT, VIRTUAL, VRID, version_3};
use vip::lab::{Capture, Frame, Host, Lab, PATIENCE, Prober, Process, now};
use vip_common::ids::Priority;
use vip_common::time::MonoTime;

use crate::burden::{Burden, Load};
use crate::contender::{Contender, PRIORITY_A, PRIORITY_B, Scale, Who, contenders, last_words};
use crate::document::{By, Document, Measure, Unit};
use crate::report::About;
use crate::rig::listens;
use crate::{Output, finish, phase, shown};

pub(crate) const ABOUT: About = About {
    name: "takeover",
    title: "Takeover",
    method: "A pair is elected, then its master is lost at a moment of the interval that differs \
from round to round; the successor is a daemon that takes over for the first time in its life. \
The deadline is the RFC's: the lost master's last advert at the backup's port, and three \
intervals and the skew time after it (after a leave: its last advert of priority 0, and the skew \
time). `power` stops the daemon and pulls the cable, `kill` is SIGKILL, `cut` pulls the cable, \
`hang` is SIGSTOP, `leave` is SIGTERM, and `return` is a better node that starts beside a \
master. Hogs are endless loops in the daemons' own scheduling group. In rounds with a client it \
pings the address at the interval named, in a real-time class, and what counts is its longest \
time between two pings that were answered with nothing but lost ones between; such rounds give \
no times of adverts. Where there are many addresses, all but one are `virtual_ipaddress_excluded`.",
};

const ADVERT: Measure = Measure {
    title: "First advert after the deadline",
    unit: Unit::Nanoseconds,
    drawn: true,
    by: By::Median,
};
const ARP: Measure = Measure {
    title: "First gratuitous ARP after the deadline",
    unit: Unit::Nanoseconds,
    drawn: true,
    by: By::Median,
};
const ADVERT_TO_ARP: Measure = Measure {
    title: "First gratuitous ARP after the first advert",
    unit: Unit::Nanoseconds,
    drawn: false,
    by: By::Median,
};
const ADVERT_TO_LAST_ARP: Measure = Measure {
    title: "Last address announced after the first advert",
    unit: Unit::Nanoseconds,
    drawn: false,
    by: By::Median,
};
const OUTAGE: Measure = Measure {
    title: "Longest silence for a client",
    unit: Unit::Nanoseconds,
    drawn: true,
    by: By::Median,
};

/// So many adverts in a row, and only the master's, make an elected pair.
const ELECTED: usize = 20;
/// So many rounds of one contender follow each other on one pair of hosts.
const BLOCK: u32 = 10;
/// An answer that takes longer is lost.
const GRACE: Duration = Duration::from_millis(200);

#[derive(Args, Clone)]
pub(crate) struct TakeoverArgs {
    /// How many masters each contender loses by power cut and by kill, under each load
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    /// How many in each of the other ways, on an idle machine
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) other_rounds: u32,
    /// How many in each way with a client
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) client_rounds: u32,
    /// These ways only
    #[arg(long, value_delimiter = ',', value_enum)]
    pub(crate) way: Vec<Way>,
    /// Under these loads
    #[arg(long, value_delimiter = ',', value_enum, default_value = "idle,hogs")]
    pub(crate) load: Vec<Burden>,
    /// How many addresses a pair has in further rounds of power cuts; none for no such rounds
    #[arg(long, value_delimiter = ',', default_value = "300", value_parser = clap::value_parser!(u16).range(2..=2000))]
    pub(crate) addresses: Vec<u16>,
    /// How often a client asks
    #[arg(long, value_name = "TIME", value_delimiter = ',', default_value = "1ms,100us", value_parser = humantime::parse_duration)]
    pub(crate) client: Vec<Duration>,
    /// Advertisement interval, in steps of 10ms (VRRPv3 counts centiseconds)
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = Scale::read)]
    pub(crate) interval: Scale,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// How a master ceases, or begins, to be one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Way {
    /// It stands still and its cable is out, as all of a host without power
    Power,
    /// SIGKILL: the kernel that both hosts share here cleans up after it while the backup
    /// takes over
    Kill,
    /// Its cable is out
    Cut,
    /// SIGSTOP
    Hang,
    /// SIGTERM
    Leave,
    /// A better one starts
    Return,
}

impl Way {
    const ALL: [Self; 6] = [
        Self::Power,
        Self::Kill,
        Self::Cut,
        Self::Hang,
        Self::Leave,
        Self::Return,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Kill => "kill",
            Self::Cut => "cut",
            Self::Hang => "hang",
            Self::Leave => "leave",
            Self::Return => "return",
        }
    }
}

/// What is done so many times with each contender.
struct Cell {
    way: Way,
    load: Burden,
    client: Option<Duration>,
    addresses: u16,
    rounds: u32,
}

impl Cell {
    fn condition(&self) -> String {
        let mut condition = format!("{}, {}", self.way.label(), self.load.label());
        if let Some(every) = self.client {
            condition += &format!(", asked each {}", shown(every));
        }
        if self.addresses > 1 {
            condition += &format!(", {} addresses", self.addresses);
        }
        condition
    }
}

fn plan(arguments: &TakeoverArgs) -> Vec<Cell> {
    let ways = if arguments.way.is_empty() {
        Way::ALL.as_slice()
    } else {
        &arguments.way
    };
    let mut cells = Vec::new();
    for &way in ways {
        if matches!(way, Way::Power | Way::Kill) {
            let of = |&load| Cell {
                way,
                load,
                client: None,
                addresses: 1,
                rounds: arguments.rounds,
            };
            cells.extend(arguments.load.iter().map(of));
        } else {
            cells.push(Cell {
                way,
                load: Burden::Idle,
                client: None,
                addresses: 1,
                rounds: arguments.other_rounds,
            });
        }
    }
    if ways.contains(&Way::Power) {
        let of = |&addresses| Cell {
            way: Way::Power,
            load: Burden::Idle,
            client: None,
            addresses,
            rounds: arguments.other_rounds,
        };
        cells.extend(arguments.addresses.iter().map(of));
    }
    for &way in ways {
        let of = |&every| Cell {
            way,
            load: Burden::Idle,
            client: Some(every),
            addresses: 1,
            rounds: arguments.client_rounds,
        };
        cells.extend(arguments.client.iter().map(of));
    }
    cells.retain(|cell| cell.rounds > 0);
    cells
}

/// Measures, prints and saves.
pub(crate) fn command(arguments: &TakeoverArgs) -> Result<ExitCode> {
    let contenders = contenders(&arguments.who)?;
    let mut document = Document::begin(
        ABOUT.name,
        format!(
            "interval {}, the backup's priority {PRIORITY_B}, so its deadline is {} after the last advert",
            shown(arguments.interval.interval()),
            shown(arguments.interval.down_interval())
        ),
        contenders.iter().map(Contender::subject).collect(),
    );
    for cell in plan(arguments) {
        eprintln!("{}, {} rounds each", cell.condition(), cell.rounds);
        let load = Load::start(cell.load, Duration::from_secs(3600))?;
        load.rest();
        let mut done = 0;
        while done < cell.rounds {
            let block = BLOCK.min(cell.rounds - done);
            for turn in 0..contenders.len() {
                let which = (turn + (done / BLOCK) as usize) % contenders.len();
                rounds(
                    &mut document,
                    &contenders[which],
                    arguments.interval,
                    (&cell, &load),
                    done..done + block,
                );
            }
            done += block;
        }
    }
    finish(&document, &arguments.output)
}

/// Some rounds of one contender on one pair of hosts; what goes wrong is noted and
/// begins a fresh pair.
fn rounds(
    document: &mut Document,
    contender: &Contender,
    scale: Scale,
    (cell, load): (&Cell, &Load),
    rounds: std::ops::Range<u32>,
) {
    let condition = cell.condition();
    let mut stage = None;
    for round in rounds {
        match one(&mut stage, contender, scale, (cell, load), round) {
            Ok(Seen::Wire(takeover)) => {
                let subject = contender.label();
                if let Some(late) = takeover.advert_late() {
                    document.add(ADVERT, &condition, subject, [late]);
                    let late = late + takeover.advert_to_arp();
                    document.add(ARP, &condition, subject, [late]);
                }
                let after = takeover.advert_to_arp();
                document.add(ADVERT_TO_ARP, &condition, subject, [after]);
                if cell.addresses > 1 {
                    let last = between(takeover.advert, takeover.last_arp);
                    document.add(ADVERT_TO_LAST_ARP, &condition, subject, [last]);
                }
            }
            Ok(Seen::Client(silence)) => {
                document.add(OUTAGE, &condition, contender.label(), [silence]);
            }
            Err(error) => {
                document.fail(&condition, round, contender.label(), &error);
                stage = None;
            }
        }
        load.rest();
    }
}

/// What one round has shown.
enum Seen {
    Wire(Takeover),
    /// Nanoseconds.
    Client(i64),
}

fn one<'a>(
    stage: &mut Option<Stage<'a>>,
    contender: &'a Contender,
    scale: Scale,
    (cell, load): (&Cell, &Load),
    round: u32,
) -> Result<Seen> {
    if let Some(stage) = stage {
        stage.renew(cell.way)?;
    } else {
        *stage = Some(Stage::new(contender, scale, cell)?);
    }
    let Some(stage) = stage else { bail!("no pair") };
    if cell.way == Way::Return {
        stage.clear_the_place()?;
    }
    load.go_on();
    if cell.load != Burden::Idle {
        // Until they all run.
        thread::sleep(Duration::from_millis(50));
    }
    let begin = now();
    let takeover = stage.change(cell.way, round)?;
    let Some(prober) = &stage.prober else {
        return Ok(Seen::Wire(takeover));
    };
    // Until whoever lost the address has lost it for the client too.
    thread::sleep(GRACE);
    let end = now();
    thread::sleep(GRACE);
    let outages = prober.outages(begin, end, GRACE);
    let spans = outages
        .iter()
        .map(|outage| outage.span().unwrap_or(end.since(outage.from)));
    let longest = spans.max().unwrap_or_default();
    Ok(Seen::Client(i64::try_from(longest.as_nanos())?))
}

/// A pair of hosts with the same program.
struct Stage<'a> {
    contender: &'a Contender,
    scale: Scale,
    addresses: u16,
    prober: Option<Prober>,
    capture: Capture,
    daemons: [Option<Process>; 2],
    hosts: [Host; 2],
    /// Which of the two is master.
    active: usize,
    _client: Option<Host>,
    _lab: Lab,
}

impl<'a> Stage<'a> {
    fn new(contender: &'a Contender, scale: Scale, cell: &Cell) -> Result<Self> {
        let client = cell.client;
        let lab = Lab::new()?;
        let hosts = [lab.host("A", ADDRESS_A, 24)?, lab.host("B", ADDRESS_B, 24)?];
        let capture = lab.capture()?;
        let at = match client {
            Some(_) => Some(lab.host("client", ADDRESS_CLIENT, 24)?),
            None => None,
        };
        let mut stage = Self {
            contender,
            scale,
            addresses: cell.addresses,
            prober: None,
            capture,
            daemons: [None, None],
            hosts,
            active: 0,
            _client: at.clone(),
            _lab: lab,
        };
        stage.start(0, PRIORITY_B)?;
        stage.first_advert(0, MonoTime::ZERO)?;
        stage.start(1, PRIORITY_B)?;
        stage.elected()?;
        if let (Some(at), Some(every)) = (at, client) {
            let prober = Prober::start_prompt(&at, VIRTUAL, every)?;
            prober.wait_for_answer(now(), PATIENCE)?;
            stage.prober = Some(prober);
        }
        Ok(stage)
    }

    /// Neither preempts the other, so that whoever was lost comes back as backup.
    fn start(&mut self, which: usize, priority: u8) -> Result<()> {
        let file = version_3(Priority::from_wire(priority), self.scale.centis());
        let mut file = file.replace("state MASTER", "state BACKUP");
        if let Some(end) = file.rfind('}')
            && self.addresses > 1
        {
            let further = further(self.addresses).map(|address| format!("        {address}/32\n"));
            let block: String = further.collect();
            let block = format!("    virtual_ipaddress_excluded {{\n{block}    }}\n");
            file.insert_str(end, &block);
        }
        let daemon = self.contender.start_with(&self.hosts[which], "", &file)?;
        self.daemons[which] = Some(daemon);
        Ok(())
    }

    fn words(&self, which: usize) -> String {
        self.daemons[which]
            .as_ref()
            .map_or_else(String::new, last_words)
    }

    fn first_advert(&self, which: usize, since: MonoTime) -> Result<Frame> {
        let port = self.hosts[which].port();
        let spoke = |frame: &Frame| frame.is_from(port) && frame.advert(VRID).is_some();
        self.capture
            .wait_for("a master's first advert", since, PATIENCE, spoke)
            .with_context(|| self.words(which))
    }

    /// Waits until the backup listens, and from then on until the master alone has
    /// spoken for a while.
    fn elected(&self) -> Result<()> {
        let backup = 1 - self.active;
        let host = &self.hosts[backup];
        let end = now() + PATIENCE + self.scale.interval() * 4 * ELECTED as u32;
        let mut listens_since = None;
        loop {
            if listens_since.is_none() && listens(host)? {
                listens_since = Some(now());
            }
            if let Some(since) = listens_since
                && undisputed(&self.capture, host.port(), since) >= ELECTED
            {
                return Ok(());
            }
            if now() > end {
                bail!("no election within {PATIENCE:?}; {}", self.words(backup));
            }
            thread::sleep(self.scale.interval());
        }
    }

    /// After a change the host that was lost boots and its daemon starts as backup.
    fn renew(&mut self, way: Way) -> Result<()> {
        let lost = 1 - self.active;
        if way == Way::Return {
            // The better one goes on alone, as one of the ordinary priority.
            self.end(0, Signal::SIGKILL)?;
            self.end(1, Signal::SIGKILL)?;
            self.hosts[0].boot()?;
            self.hosts[1].boot()?;
            let since = now();
            self.start(self.active, PRIORITY_B)?;
            self.first_advert(self.active, since)?;
            return Ok(());
        }
        self.end(lost, Signal::SIGKILL)?;
        self.hosts[lost].boot()?;
        self.start(lost, PRIORITY_B)?;
        self.elected()
    }

    /// Only the master is left.
    fn clear_the_place(&mut self) -> Result<()> {
        let backup = 1 - self.active;
        self.end(backup, Signal::SIGTERM)?;
        Ok(self.hosts[backup].boot()?)
    }

    fn end(&mut self, which: usize, signal: Signal) -> Result<()> {
        if let Some(daemon) = self.daemons[which].take() {
            daemon.signal(signal);
            daemon.wait(PATIENCE)?;
        }
        Ok(())
    }

    /// Makes the other one master and reads how from the capture.
    fn change(&mut self, way: Way, round: u32) -> Result<Takeover> {
        let (old, new) = (self.active, 1 - self.active);
        self.first_advert(old, now())?;
        // Whoever speaks shall not pay for waking those who capture it.
        self.capture.take_time();
        thread::sleep(self.scale.interval().mul_f64(phase(round)));
        let at = now();
        let signal = |signal| {
            if let Some(daemon) = &self.daemons[old] {
                daemon.signal(signal);
            }
        };
        match way {
            Way::Power => {
                signal(Signal::SIGSTOP);
                self.hosts[old].cut()?;
            }
            Way::Kill => signal(Signal::SIGKILL),
            Way::Cut => self.hosts[old].cut()?,
            Way::Hang => signal(Signal::SIGSTOP),
            Way::Leave => signal(Signal::SIGTERM),
            Way::Return => self.start(new, PRIORITY_A)?,
        }
        let port = self.hosts[new].port();
        let takeover = Takeover::find(&self.capture, port, (way, at), self.scale, self.addresses)
            .with_context(|| self.words(new))?;
        self.capture.hurry()?;
        self.active = new;
        Ok(takeover)
    }
}

/// The addresses of a router that has so many, but for the first one.
fn further(addresses: u16) -> impl Iterator<Item = Ipv4Addr> {
    const FIRST: u32 = u32::from_be_bytes([10, 9, 0, 0]);
    (1..addresses).map(|number| Ipv4Addr::from(FIRST + u32::from(number)))
}

/// How many adverts the backup has been sent since it last spoke itself.
fn undisputed(capture: &Capture, port: u32, since: MonoTime) -> usize {
    let adverts = capture.since(since, |frame| {
        frame.port == port && frame.advert(VRID).is_some()
    });
    adverts
        .iter()
        .rev()
        .take_while(|frame| frame.is_to(port))
        .count()
}

/// What the wire has shown of one change.
struct Takeover {
    /// By the RFC; a return has none.
    deadline: Option<MonoTime>,
    advert: MonoTime,
    /// The first of any address, and that of whichever address was announced last.
    arp: MonoTime,
    last_arp: MonoTime,
}

impl Takeover {
    /// Waits for it and reads it from the capture.
    fn find(
        capture: &Capture,
        port: u32,
        (way, at): (Way, MonoTime),
        scale: Scale,
        addresses: u16,
    ) -> Result<Self> {
        let bound = scale.down_interval() + PATIENCE;
        let spoke = |frame: &Frame| frame.is_from(port) && frame.advert(VRID).is_some();
        let advert = capture.wait_for("the successor's first advert", at, bound, spoke)?;
        let (mut arp, mut last_arp) = (MonoTime::from_nanos(u64::MAX), MonoTime::ZERO);
        for address in std::iter::once(VIRTUAL).chain(further(addresses)) {
            let first = capture.wait_for("its gratuitous ARP", at, bound, |frame| {
                frame.is_from(port) && frame.announces(address)
            })?;
            (arp, last_arp) = (arp.min(first.stamp), last_arp.max(first.stamp));
        }
        let far = advert.stamp - scale.down_interval() * 2;
        let heard: Vec<_> = capture
            .since(far, |frame| {
                frame.is_to(port) && frame.advert(VRID).is_some() && frame.stamp < advert.stamp
            })
            .iter()
            .filter_map(|frame| Some((frame.stamp, frame.advert(VRID)?)))
            .collect();
        let early = |frame: &Frame| {
            spoke(frame) && frame.stamp < at && frame.stamp + scale.down_interval() > at
        };
        if way != Way::Return && !capture.since(far, early).is_empty() {
            bail!("the backup spoke before the master was lost");
        }
        let deadline = match way {
            Way::Return => None,
            Way::Leave => Some(deadline(&heard, true, scale)?),
            Way::Power | Way::Kill | Way::Cut | Way::Hang => Some(deadline(&heard, false, scale)?),
        };
        Ok(Self {
            deadline,
            advert: advert.stamp,
            arp,
            last_arp,
        })
    }

    /// Signed nanoseconds: what came too early is not hidden.
    fn advert_late(&self) -> Option<i64> {
        self.deadline.map(|deadline| between(deadline, self.advert))
    }

    fn advert_to_arp(&self) -> i64 {
        between(self.advert, self.arp)
    }
}

/// When a backup's time is up that has heard these adverts, given with their priority.
fn deadline(heard: &[(MonoTime, u8)], left: bool, scale: Scale) -> Result<MonoTime> {
    match heard.last() {
        None => bail!("the master was never heard"),
        Some((stamp, 0)) if left => Ok(*stamp + scale.skew()),
        Some((_, 0)) => bail!("the master took leave although it was to be lost"),
        Some(_) if left => bail!("the master left without a word"),
        Some((stamp, _)) => Ok(*stamp + scale.down_interval()),
    }
}

/// Signed nanoseconds.
pub(crate) fn between(from: MonoTime, to: MonoTime) -> i64 {
    let nanos = |time: MonoTime| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    nanos(to) - nanos(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> MonoTime {
        MonoTime::from_nanos(nanos)
    }

    #[test]
    fn what_comes_early_is_negative() {
        assert_eq!(between(at(50), at(20)), -30);
    }

    #[test]
    fn the_deadline_counts_from_the_last_advert_that_was_heard() {
        let scale = Scale::read("10ms").unwrap();
        let heard = [(at(0), 90), (at(10_000_000), 90)];
        assert_eq!(deadline(&heard, false, scale).unwrap(), at(46_484_375));
        assert!(deadline(&heard, true, scale).is_err());
        assert!(deadline(&[], false, scale).is_err());
    }

    #[test]
    fn after_a_leave_it_is_the_skew_time() {
        let scale = Scale::read("10ms").unwrap();
        let heard = [(at(0), 90), (at(3_000_000), 0)];
        assert_eq!(deadline(&heard, true, scale).unwrap(), at(9_484_375));
        assert!(deadline(&heard, false, scale).is_err());
    }

    #[test]
    fn the_early_backup_is_one_that_spoke_while_the_master_lived() {
        let takeover = Takeover {
            deadline: Some(at(100)),
            advert: at(90),
            arp: at(95),
            last_arp: at(95),
        };
        assert_eq!(takeover.advert_late(), Some(-10));
        assert_eq!(takeover.advert_to_arp(), 5);
    }
}
