//! Whether a pair stands while the machine is busy with everything else.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use vip::lab::Host;

use crate::burden::{Burden, LONGEST_REAL_TIME, Load};
use crate::contender::{Contender, Scale, Who, contenders};
use crate::document::{By, Document, Measure, Unit};
use crate::report::About;
use crate::rig::{Flood, Rig, Router};
use crate::wire::set_header_checksum;
use crate::{Output, finish, shown};

pub(crate) const ABOUT: About = About {
    name: "busy",
    title: "A busy machine",
    method: "A master and its backup with three virtual routers each, at 10, 20 and 100 ms, in one \
daemon, while the machine is busy: with endless loops in the daemons' own scheduling group, with \
the same at nice -20, with loops in SCHED_RR at priority 50 (where the kernel throttles them, one \
for each processor), with 8 processes that fork all the time, with 2 that write and wait for the \
disk, and with UDP packets of 60 bytes sent to both hosts as fast as one thread can. An advert's \
lateness is the time since the one before, less the interval. A false takeover is one of a backup \
whose master lives; what is counted is how many in each stretch of time.",
};

const FALSE: Measure = Measure {
    title: "False takeovers in a stretch of time",
    unit: Unit::Count,
    drawn: false,
    by: By::Nothing,
};
const LATE: Measure = Measure {
    title: "Lateness of the master's adverts",
    unit: Unit::Nanoseconds,
    drawn: true,
    by: By::P99,
};

#[derive(Args, Clone)]
pub(crate) struct BusyArgs {
    /// How many stretches of time each contender has under each load
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    /// How long each is; under real-time loops 18 at most
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3000))]
    pub(crate) seconds: u64,
    /// Under these loads
    #[arg(
        long,
        value_delimiter = ',',
        value_enum,
        default_value = "idle,hogs,nice-hogs,real-time-hogs,forks,disk,packets"
    )]
    pub(crate) load: Vec<Burden>,
    /// Advertisement intervals, all at the same time
    #[arg(long, value_name = "TIME", value_delimiter = ',', default_value = "10ms,20ms,100ms", value_parser = Scale::read)]
    pub(crate) interval: Vec<Scale>,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Measures, prints and saves.
pub(crate) fn command(arguments: &BusyArgs) -> Result<ExitCode> {
    let contenders = contenders(&arguments.who)?;
    let mut document = Document::begin(
        ABOUT.name,
        format!(
            "{} stretches of {} s under each load",
            arguments.rounds, arguments.seconds
        ),
        contenders.iter().map(Contender::subject).collect(),
    );
    for load in &arguments.load {
        eprintln!("{}", load.label());
        for round in 0..arguments.rounds {
            for turn in 0..contenders.len() {
                let contender = &contenders[(turn + round as usize) % contenders.len()];
                if let Err(error) = stretch(&mut document, contender, *load, arguments) {
                    document.fail(&load.label(), round, contender.label(), &error);
                }
            }
        }
    }
    finish(&document, &arguments.output)
}

fn routers(scales: &[Scale]) -> Vec<Router> {
    let routers = scales.iter().zip(51..=60_u8);
    routers
        .map(|(scale, vrid)| Router {
            vrid,
            interface: "eth0",
            scale: *scale,
            address: Ipv4Addr::new(192, 168, 8, vrid + 49),
            password: None,
        })
        .collect()
}

fn stretch(
    document: &mut Document,
    contender: &Contender,
    burden: Burden,
    arguments: &BusyArgs,
) -> Result<()> {
    /// Until a load is there.
    const BEGIN: Duration = Duration::from_millis(500);
    let routers = routers(&arguments.interval);
    let rig = Rig::new(contender, &routers)?;
    let mut span = Duration::from_secs(arguments.seconds);
    if burden == Burden::RealTimeHogs {
        span = span.min(LONGEST_REAL_TIME - Duration::from_secs(2));
    }
    let load = Load::start(burden, span + Duration::from_secs(2))?;
    let flood = if burden == Burden::Packets {
        Some(Flood::start(&rig.third, packets(&rig.a, &rig.b))?)
    } else {
        None
    };
    thread::sleep(BEGIN);
    let window = rig.begin()?;
    thread::sleep(span);
    let ended = rig.end(&window);
    drop(flood);
    drop(load);
    let ended = ended?;
    if ended.restarted {
        document.notes.push(format!(
            "{}, {}: a process of the daemons ended and was started again by its parent",
            burden.label(),
            contender.label()
        ));
    }
    for router in &routers {
        let said = rig.said(router, &ended);
        let condition = format!("{}, {}", burden.label(), shown(router.scale.interval()));
        let subject = contender.label();
        document.add(FALSE, &condition, subject, [said.false_takeovers]);
        document.add(LATE, &condition, subject, said.late);
    }
    Ok(())
}

/// One small UDP packet for each of the hosts, to where nobody listens.
pub(crate) fn packets(a: &Host, b: &Host) -> Vec<Vec<u8>> {
    [a, b].map(udp).into()
}

/// From nobody in the hosts' subnet to the discard port.
fn udp(host: &Host) -> Vec<u8> {
    const PAYLOAD: usize = 18;
    let mut frame = host.mac().0.to_vec();
    frame.extend([0x02, 0, 0, 0, 0, 0x77, 0x08, 0x00]);
    let mut header = vec![0x45, 0, 0, (28 + PAYLOAD) as u8, 0, 1, 0, 0, 64, 17, 0, 0];
    header.extend([192, 168, 8, 77]);
    header.extend(host.address().octets());
    set_header_checksum(&mut header);
    frame.extend(header);
    // Without a checksum, which UDP over IPv4 may do.
    frame.extend([0x30, 0x39, 0, 9, 0, (8 + PAYLOAD) as u8, 0, 0]);
    frame.extend([0; PAYLOAD]);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routers_have_numbers_and_addresses_of_their_own() {
        let scale = Scale::read("10ms").unwrap();
        let all = routers(&[scale; 3]);
        let numbers: Vec<_> = all.iter().map(|router| router.vrid).collect();
        assert_eq!(numbers, [51, 52, 53]);
        assert_eq!(all[0].address, Ipv4Addr::new(192, 168, 8, 100));
        assert_ne!(all[1].address, all[2].address);
    }
}
