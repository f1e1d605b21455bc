//! Whether a pair stands under adverts that nobody who belongs to it would send, as
//! many as one thread can.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use vip::lab::pair::{ADDRESS_A, ADDRESS_CLIENT, VIRTUAL, VRID};
use vip::lab::{ForgedAdvert, Host, forged_claim, now};

use vip_common::ids::MacAddr;

use crate::contender::{Contender, PRIORITY_A, PRIORITY_B, Scale, Who, contenders};
use crate::document::{By, Document, Measure, Unit};
use crate::report::About;
use crate::rig::{Flood, Rig, Router};
use crate::wire::set_header_checksum;
use crate::{Output, finish, shown};

pub(crate) const ABOUT: About = About {
    name: "flood",
    title: "Forged adverts",
    method: "A master and its backup at 10 ms, and a third host that sends forged frames as fast as \
one thread on the same machine can: for the watched VRID with TTL 254, two bytes short of an \
address, of the other version, with a wrong checksum, with a wrong password (VRRPv2, which has a \
password, at its shortest interval of 1 s), valid but of a lower priority, the same from 200 \
sources, valid and with the \
master's own address as source, of a lower priority with both its IP address and its MAC; valid for another VRID; and gratuitous ARP for the virtual \
address. The sender is bound to the daemons' own scheduling group, and the more a daemon does \
with what it is sent, the less the sender gets to send.",
};

const OFFERED: Measure = Measure {
    title: "Frames offered",
    unit: Unit::PerSecond,
    drawn: false,
    by: By::Nothing,
};
const CPU_MASTER: Measure = Measure {
    title: "Processor time of the master's process",
    unit: Unit::Share,
    drawn: false,
    by: By::Median,
};
const CPU_BACKUP: Measure = Measure {
    title: "Processor time of the backup's process",
    unit: Unit::Share,
    drawn: false,
    by: By::Median,
};
const SENT: Measure = Measure {
    title: "Adverts of the master",
    unit: Unit::PerSecond,
    drawn: false,
    by: By::Nothing,
};
const MISSING: Measure = Measure {
    title: "Adverts of the master that did not come",
    unit: Unit::Count,
    drawn: false,
    by: By::Nothing,
};
const FALSE: Measure = Measure {
    title: "False takeovers",
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

/// What is wrong with the frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// Nothing is sent
    None,
    /// TTL 254
    Ttl,
    /// The last address is cut off
    Length,
    /// Version 2 where 3 is spoken
    Version,
    /// A wrong checksum
    Checksum,
    /// A wrong password, VRRPv2
    Password,
    /// Nothing, but a lower priority than anybody's
    Lower,
    /// The same, from 200 sources
    Strangers,
    /// The master's own address as source
    Own,
    /// Both addresses of the master, and a lower priority
    Double,
    /// Nothing, but a VRID that nobody here has
    Vrid,
    /// No advert but gratuitous ARP for the address
    Arp,
}

impl Kind {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ttl => "TTL 254",
            Self::Length => "cut short",
            Self::Version => "other version",
            Self::Checksum => "wrong checksum",
            Self::Password => "wrong password",
            Self::Lower => "lower priority",
            Self::Strangers => "lower priority, 200 sources",
            Self::Own => "own source address",
            Self::Double => "both addresses of the master, lower priority",
            Self::Vrid => "unknown VRID",
            Self::Arp => "ARP for the address",
        }
    }

    /// The router that it is sent at.
    pub(crate) fn router(self, scale: Scale) -> Result<Router> {
        let password = (self == Self::Password).then_some("1111");
        let scale = match password {
            Some(_) => Scale::read("1s").map_err(anyhow::Error::msg)?,
            None => scale,
        };
        Ok(Router {
            vrid: VRID,
            interface: "eth0",
            scale,
            address: VIRTUAL,
            password,
        })
    }

    /// The frames that `sender` sends, one after the other.
    pub(crate) fn frames(self, sender: &Host, master: MacAddr, router: &Router) -> Vec<Vec<u8>> {
        let honest = ForgedAdvert {
            mac: sender.mac(),
            source: ADDRESS_CLIENT,
            ttl: 255,
            version: if router.password.is_some() { 2 } else { 3 },
            vrid: VRID,
            // Believed, it would unseat the master.
            priority: 200,
            interval: if router.password.is_some() {
                1
            } else {
                router.scale.centis().get()
            },
            password: None,
            addresses: vec![VIRTUAL],
            checksum_error: 0,
            destination: ForgedAdvert::GROUP,
        };
        let advert = match self {
            Self::None => return Vec::new(),
            Self::Arp => return vec![forged_claim(sender.mac(), VIRTUAL)],
            Self::Length => return vec![cut(honest.frame())],
            Self::Strangers => {
                let sources = (1..=200).map(|last| ForgedAdvert {
                    source: Ipv4Addr::new(192, 168, 9, last),
                    priority: PRIORITY_B - 10,
                    ..honest.clone()
                });
                return sources.map(|advert| advert.frame()).collect();
            }
            Self::Ttl => ForgedAdvert { ttl: 254, ..honest },
            Self::Version => ForgedAdvert {
                version: 2,
                interval: 1,
                ..honest
            },
            Self::Checksum => ForgedAdvert {
                checksum_error: 1,
                ..honest
            },
            Self::Password => ForgedAdvert {
                password: Some(*b"2222\0\0\0\0"),
                ..honest
            },
            Self::Lower => ForgedAdvert {
                priority: PRIORITY_B - 10,
                ..honest
            },
            Self::Own => ForgedAdvert {
                source: ADDRESS_A,
                priority: PRIORITY_A,
                ..honest
            },
            Self::Double => ForgedAdvert {
                mac: master,
                source: ADDRESS_A,
                priority: PRIORITY_B - 10,
                ..honest
            },
            Self::Vrid => ForgedAdvert {
                vrid: VRID + 26,
                addresses: vec![Ipv4Addr::new(192, 168, 8, 200)],
                ..honest
            },
        };
        vec![advert.frame()]
    }
}

/// Without its last two bytes, which the IP header knows of.
fn cut(mut frame: Vec<u8>) -> Vec<u8> {
    frame.truncate(frame.len() - 2);
    let length = (frame.len() - 14) as u16;
    frame[16..18].copy_from_slice(&length.to_be_bytes());
    set_header_checksum(&mut frame[14..34]);
    frame
}

#[derive(Args, Clone)]
pub(crate) struct FloodArgs {
    /// How many floods of each kind each contender bears
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    /// How long each lasts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Of these kinds
    #[arg(
        long,
        value_delimiter = ',',
        value_enum,
        default_value = "none,ttl,length,version,checksum,password,lower,strangers,own,vrid,arp"
    )]
    pub(crate) kind: Vec<Kind>,
    /// Advertisement interval, in steps of 10ms
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = Scale::read)]
    pub(crate) interval: Scale,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Measures, prints and saves.
pub(crate) fn command(arguments: &FloodArgs) -> Result<ExitCode> {
    let contenders = contenders(&arguments.who)?;
    let mut document = Document::begin(
        ABOUT.name,
        format!(
            "interval {}, {} floods of {} s of each kind",
            shown(arguments.interval.interval()),
            arguments.rounds,
            arguments.seconds
        ),
        contenders.iter().map(Contender::subject).collect(),
    );
    for kind in &arguments.kind {
        eprintln!("{}", kind.label());
        for round in 0..arguments.rounds {
            for turn in 0..contenders.len() {
                let contender = &contenders[(turn + round as usize) % contenders.len()];
                if let Err(error) = stand(&mut document, contender, *kind, arguments) {
                    document.fail(kind.label(), round, contender.label(), &error);
                }
            }
        }
    }
    finish(&document, &arguments.output)
}

fn stand(
    document: &mut Document,
    contender: &Contender,
    kind: Kind,
    arguments: &FloodArgs,
) -> Result<()> {
    /// Until a flood flows.
    const BEGIN: Duration = Duration::from_millis(300);
    let router = kind.router(arguments.interval)?;
    let rig = Rig::new(contender, &[router])?;
    let frames = kind.frames(&rig.third, rig.a.mac(), &router);
    let flood = if frames.is_empty() {
        None
    } else {
        Some(Flood::start(&rig.third, frames)?)
    };
    thread::sleep(BEGIN);
    let window = rig.begin()?;
    let (before, since) = (flood.as_ref().map_or(0, Flood::sent), now());
    thread::sleep(Duration::from_secs(arguments.seconds));
    let (after, span) = (flood.as_ref().map_or(0, Flood::sent), now().since(since));
    let ended = rig.end(&window);
    drop(flood);
    let ended = ended?;
    if ended.restarted {
        document.notes.push(format!(
            "{}, {}: a process of the daemons ended and was started again by its parent",
            kind.label(),
            contender.label()
        ));
    }
    let said = rig.said(&router, &ended);
    let rate = |count: u64| -> Result<i64> {
        let rate = u128::from(count) * 1_000_000_000 / span.as_nanos().max(1);
        i64::try_from(rate).context("a rate beyond all measure")
    };
    let (condition, subject) = (kind.label(), contender.label());
    document.add(OFFERED, condition, subject, [rate(after - before)?]);
    document.add(FALSE, condition, subject, [said.false_takeovers]);
    document.add(MISSING, condition, subject, [said.missing]);
    document.add(SENT, condition, subject, [rate(said.adverts as u64)?]);
    document.add(LATE, condition, subject, said.late);
    document.add(CPU_MASTER, condition, subject, [ended.share[0]]);
    document.add(CPU_BACKUP, condition, subject, [ended.share[1]]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_cut_short_has_a_right_header() {
        let advert = ForgedAdvert {
            mac: vip_common::ids::MacAddr([2, 0, 0, 0, 0, 1]),
            source: ADDRESS_CLIENT,
            ttl: 255,
            version: 3,
            vrid: VRID,
            priority: 200,
            interval: 1,
            password: None,
            addresses: vec![VIRTUAL],
            checksum_error: 0,
            destination: ForgedAdvert::GROUP,
        };
        let whole = advert.frame();
        let short = cut(whole.clone());
        assert_eq!(short.len(), whole.len() - 2);
        assert_eq!(short[16..18], [0, 30]);
        let mut again = short.clone();
        set_header_checksum(&mut again[14..34]);
        assert_eq!(again, short);
    }
}
