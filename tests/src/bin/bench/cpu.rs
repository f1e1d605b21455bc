//! What a pair costs while nothing happens.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use nix::time::{ClockId, clock_gettime};
use vip::lab::pair::{ADDRESS_A, VIRTUAL, VRID};
use vip::lab::{ForgedAdvert, Host, Wire, now};
use vip_tests::bpf;

use crate::contender::{Contender, Scale, Who, contenders};
use crate::document::{By, Document, Measure, Unit};
use crate::report::About;
use crate::rig::{Rig, Router};
use crate::usage;
use crate::{Output, finish, shown};

pub(crate) const ABOUT: About = About {
    name: "cpu",
    title: "The steady state",
    method: "A master and its backup for a while in which nothing happens. The time is that of the \
process, all its threads and children, divided by the adverts that the master sent; that of \
`vip`'s BPF programs, which run for each packet in the kernel, is counted by the kernel and \
added. A master's time holds all that its packets cause before its system call returns, which here \
is the whole way through two virtual cables and a bridge to every other host's kernel. So there is \
a bare sender beside it, in the same place at the same time: a thread that does nothing but sleep \
until the next advert is due and send an advert of another VRID. What the master needs above that \
is its own.",
};

const fn per_advert(title: &'static str) -> Measure {
    Measure {
        title,
        unit: Unit::Nanoseconds,
        drawn: false,
        by: By::Median,
    }
}
const PROCESS: Measure = per_advert("Process time for each advert");
const PROGRAMS: Measure = per_advert("Time of BPF programs for each advert");
const BOTH: Measure = per_advert("Both together");
const BARE: Measure = per_advert("A bare sender beside the master, for each advert");
const MEMORY: Measure = Measure {
    title: "Memory, shared pages in proportion, with BPF maps",
    unit: Unit::Bytes,
    drawn: false,
    by: By::Median,
};

#[derive(Args, Clone)]
pub(crate) struct CpuArgs {
    /// How often each contender is looked at
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    /// For how long each time
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Advertisement intervals
    #[arg(long, value_name = "TIME", value_delimiter = ',', default_value = "10ms", value_parser = Scale::read)]
    pub(crate) interval: Vec<Scale>,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Measures, prints and saves.
pub(crate) fn command(arguments: &CpuArgs) -> Result<ExitCode> {
    let contenders = contenders(&arguments.who)?;
    let mut document = Document::begin(
        ABOUT.name,
        format!("{} stretches of {} s", arguments.rounds, arguments.seconds),
        contenders.iter().map(Contender::subject).collect(),
    );
    let _counted = bpf::count_times()?;
    for scale in &arguments.interval {
        eprintln!("{}", shown(scale.interval()));
        for round in 0..arguments.rounds {
            for turn in 0..contenders.len() {
                let contender = &contenders[(turn + round as usize) % contenders.len()];
                if let Err(error) = look(&mut document, contender, *scale, arguments.seconds) {
                    let interval = shown(scale.interval());
                    document.fail(&interval, round, contender.label(), &error);
                }
            }
        }
    }
    finish(&document, &arguments.output)
}

fn look(document: &mut Document, contender: &Contender, scale: Scale, seconds: u64) -> Result<()> {
    let router = Router {
        vrid: VRID,
        interface: "eth0",
        scale,
        address: VIRTUAL,
        password: None,
    };
    let rig = Rig::new(contender, &[router])?;
    let daemons = [&rig.on_a, &rig.on_b];
    let programs = || daemons.map(|daemon| bpf::program_times(daemon.pid()).0);
    let before = programs();
    let window = rig.begin()?;
    thread::sleep(Duration::from_secs(seconds));
    let ended = rig.end(&window)?;
    let after = programs();
    let said = rig.said(&router, &ended);
    let adverts = said.adverts as u64;
    anyhow::ensure!(adverts > 0, "the master said nothing");
    for (which, role) in ["master", "backup"].into_iter().enumerate() {
        let condition = format!("{role}, {}", shown(scale.interval()));
        let process = i64::try_from(ended.used[which] / adverts)?;
        let programs = i64::try_from(after[which].saturating_sub(before[which]) / adverts)?;
        let subject = contender.label();
        document.add(PROCESS, &condition, subject, [process]);
        if contender.is_vip() {
            document.add(PROGRAMS, &condition, subject, [programs]);
        }
        document.add(BOTH, &condition, subject, [process + programs]);
        let group = daemons[which].pid();
        let memory = usage::memory(group) + bpf::memory(group);
        document.add(MEMORY, &condition, subject, [i64::try_from(memory)?]);
    }
    let bare = bare_sender(&rig.a, ADDRESS_A, scale.interval(), adverts.min(500))?;
    let condition = format!("master, {}", shown(scale.interval()));
    document.add(BARE, &condition, contender.label(), [bare]);
    Ok(())
}

/// Nanoseconds of process time for each advert, where nothing is done but to sleep
/// until it is due and to send it.
fn bare_sender(host: &Host, source: Ipv4Addr, interval: Duration, adverts: u64) -> Result<i64> {
    /// Of nobody who listens.
    const VRID: u8 = 250;

    let wire = Wire::open(host, "eth0")?;
    let advert = ForgedAdvert {
        mac: host.mac(),
        source,
        ttl: 255,
        version: 3,
        vrid: VRID,
        priority: 100,
        interval: (interval.as_millis() / 10) as u16,
        password: None,
        addresses: vec![VIRTUAL],
        checksum_error: 0,
        destination: ForgedAdvert::GROUP,
    };
    let frame = advert.frame();
    let sender = thread::spawn(move || -> Result<i64> {
        let used = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from);
        let mut due = now();
        let begin = used()?;
        for _ in 0..adverts {
            due = due + interval;
            thread::sleep(due.since(now()));
            wire.send(&frame)?;
        }
        let used = used()?.saturating_sub(begin).as_nanos();
        Ok(i64::try_from(used / u128::from(adverts))?)
    });
    sender
        .join()
        .map_err(|_| anyhow::anyhow!("the bare sender has panicked"))?
}
