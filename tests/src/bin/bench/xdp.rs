//! What the program at the NIC costs each packet.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use nix::net::if_::if_nametoindex;
use vip::lab::pair::{ADDRESS_B, ADDRESS_CLIENT, VIRTUAL, VRID};
use vip::lab::{Host, PATIENCE, now};
use vip_common::ids::MacAddr;
use vip_tests::bpf::{XdpProgram, xdp_programs};

use crate::contender::{Contender, Scale, Who, contenders};
use crate::document::{By, Document, Measure, Subject, Unit};
use crate::report::About;
use crate::rig::{Rig, Router};
use crate::wire::set_header_checksum;
use crate::{Output, finish};

pub(crate) const ABOUT: About = About {
    name: "xdp",
    title: "The program at the NIC",
    method: "The program that a running backup has at its NIC, run by the kernel itself \
(`BPF_PROG_TEST_RUN`) on one frame over and over, beside an empty program that lets everything \
pass: what is below both is the loop's own. The frames are a TCP segment to this host, ARP for \
another address and for the virtual one, the advert that the backup follows, copied from the wire \
(`wanted`), the same with another priority, so often that its budget is spent at once and nearly \
all of them are dropped for that (`news beyond its budget`), a valid advert for a VRID that nobody here has (`unwanted`), and one for the watched VRID with TTL 254 \
(`refused`).",
};

const ONE: Measure = Measure {
    title: "One packet",
    unit: Unit::Nanoseconds,
    drawn: true,
    by: By::Nothing,
};
const ABOVE: Measure = Measure {
    title: "Above an empty program",
    unit: Unit::Nanoseconds,
    drawn: false,
    by: By::Nothing,
};
/// What the other program is called.
const EMPTY: &str = "empty program";

#[derive(Args, Clone)]
pub(crate) struct XdpArgs {
    /// How often each frame is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// How many runs make one sample; news a hundredth of it
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    pub(crate) repeat: u32,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Measures, prints and saves.
pub(crate) fn command(arguments: &XdpArgs) -> Result<ExitCode> {
    let contenders: Vec<_> = contenders(&arguments.who)?
        .into_iter()
        .filter(Contender::is_vip)
        .collect();
    let mut subjects: Vec<_> = contenders.iter().map(Contender::subject).collect();
    subjects.push(Subject {
        name: EMPTY.to_owned(),
        version: "`return XDP_PASS`".to_owned(),
    });
    let settings = format!("samples of {} runs", arguments.repeat);
    let mut document = Document::begin(ABOUT.name, settings, subjects);
    for contender in &contenders {
        if let Err(error) = measure(&mut document, contender, arguments) {
            document.fail("all frames", 0, contender.label(), &error);
        }
    }
    finish(&document, &arguments.output)
}

fn measure(document: &mut Document, contender: &Contender, arguments: &XdpArgs) -> Result<()> {
    let router = Router {
        vrid: VRID,
        interface: "eth0",
        scale: Scale::read("100ms").map_err(anyhow::Error::msg)?,
        address: VIRTUAL,
        password: None,
    };
    let rig = Rig::new(contender, &[router])?;
    let port = rig.a.port();
    let wanted = rig
        .capture
        .wait_for("one more advert", now(), PATIENCE, |frame| {
            frame.is_from(port) && frame.advert(VRID).is_some()
        })?
        .bytes;
    let [id] = xdp_programs(&rig.b)?[..] else {
        bail!("the backup has no program, or several, in the XDP slot of its NIC");
    };
    let program = Arc::new(XdpProgram::of_number(id)?);
    let empty = Arc::new(XdpProgram::empty()?);
    let frames = frames(&wanted, &rig.b)?;
    for _ in 0..arguments.rounds {
        for (name, frame) in &frames {
            let repeat = if *name == NEWS {
                arguments.repeat / 100
            } else {
                arguments.repeat
            };
            let theirs = run(&rig.b, &program, frame, repeat)?;
            let nothing = run(&rig.b, &empty, frame, repeat)?;
            document.add(ONE, name, contender.label(), [theirs]);
            document.add(ONE, name, EMPTY, [nothing]);
            document.add(ABOVE, name, contender.label(), [theirs - nothing]);
        }
    }
    Ok(())
}

/// Nanoseconds for one run, as if the frame had come in by the host's NIC.
fn run(host: &Host, program: &Arc<XdpProgram>, frame: &[u8], repeat: u32) -> Result<i64> {
    let (program, frame) = (Arc::clone(program), frame.to_vec());
    let (_, nanos) = host.run(move || -> Result<_> {
        let index = if_nametoindex("eth0").context("cannot find eth0")?;
        Ok(program.run(&frame, index, repeat)?)
    })??;
    Ok(nanos.into())
}

const NEWS: &str = "news beyond its budget";

fn frames(wanted: &[u8], host: &Host) -> Result<Vec<(&'static str, Vec<u8>)>> {
    Ok(vec![
        ("TCP", tcp(host.mac())),
        ("ARP, another address", arp(Ipv4Addr::new(192, 168, 8, 99))),
        ("ARP, the address", arp(VIRTUAL)),
        ("wanted", wanted.to_vec()),
        (NEWS, with(wanted, |advert| advert.priority -= 1)?),
        ("unwanted", with(wanted, |advert| advert.vrid += 26)?),
        ("refused", with(wanted, |advert| advert.ttl = 254)?),
    ])
}

/// What is changed of an advert.
struct Changed {
    ttl: u8,
    vrid: u8,
    priority: u8,
}

/// An advert of version 3 without options, changed, its checksums right.
fn with(advert: &[u8], change: impl FnOnce(&mut Changed)) -> Result<Vec<u8>> {
    const TTL: usize = 14 + 8;
    const MESSAGE: usize = 14 + 20;
    let mut frame = advert.to_vec();
    if frame.len() < MESSAGE + 8 || frame[14] != 0x45 {
        bail!("the captured advert is not what was asked for");
    }
    let mut changed = Changed {
        ttl: frame[TTL],
        vrid: frame[MESSAGE + 1],
        priority: frame[MESSAGE + 2],
    };
    change(&mut changed);
    let words = |frame: &[u8]| {
        [
            u16::from_be_bytes([frame[MESSAGE], frame[MESSAGE + 1]]),
            u16::from_be_bytes([frame[MESSAGE + 2], frame[MESSAGE + 3]]),
        ]
    };
    let before = words(&frame);
    frame[TTL] = changed.ttl;
    frame[MESSAGE + 1] = changed.vrid;
    frame[MESSAGE + 2] = changed.priority;
    set_header_checksum(&mut frame[14..MESSAGE]);
    // RFC 1624: the sum of a message follows what is changed in it.
    let old = u16::from_be_bytes([frame[MESSAGE + 6], frame[MESSAGE + 7]]);
    let mut sum = u32::from(!old);
    for (old, new) in before.into_iter().zip(words(&frame)) {
        sum += u32::from(!old) + u32::from(new);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[MESSAGE + 6..MESSAGE + 8].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    Ok(frame)
}

/// The question of the client who has an address.
fn arp(target: Ipv4Addr) -> Vec<u8> {
    let mac = [2, 0, 0, 0, 0, 0x77];
    let mut frame = vec![0xff; 6];
    frame.extend(mac);
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend(mac);
    frame.extend(ADDRESS_CLIENT.octets());
    frame.extend([0; 6]);
    frame.extend(target.octets());
    // The least that a NIC sends.
    frame.resize(60, 0);
    frame
}

/// A bare acknowledgement.
fn tcp(mac: MacAddr) -> Vec<u8> {
    let mut frame = mac.0.to_vec();
    frame.extend([2, 0, 0, 0, 0, 0x77, 0x08, 0x00]);
    let mut header = vec![0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0];
    header.extend(ADDRESS_CLIENT.octets());
    header.extend(ADDRESS_B.octets());
    set_header_checksum(&mut header);
    frame.extend(header);
    frame.extend([
        0xc3, 0x50, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0,
    ]);
    frame.resize(60, 0);
    frame
}

#[cfg(test)]
mod tests {
    use vip::lab::ForgedAdvert;

    use super::*;

    fn advert(vrid: u8, priority: u8, ttl: u8) -> Vec<u8> {
        let advert = ForgedAdvert {
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            source: ADDRESS_CLIENT,
            ttl,
            version: 3,
            vrid,
            priority,
            interval: 10,
            password: None,
            addresses: vec![VIRTUAL],
            checksum_error: 0,
            destination: ForgedAdvert::GROUP,
        };
        advert.frame()
    }

    #[test]
    fn a_changed_advert_is_one_that_was_made_so() {
        let original = advert(51, 150, 255);
        let changed = with(&original, |advert| advert.priority -= 1).unwrap();
        assert_eq!(changed, advert(51, 149, 255));
        let changed = with(&original, |advert| advert.vrid += 26).unwrap();
        assert_eq!(changed, advert(77, 150, 255));
        let changed = with(&original, |advert| advert.ttl = 254).unwrap();
        assert_eq!(changed, advert(51, 150, 254));
        assert!(with(&original[..30], |_| ()).is_err());
    }
}
