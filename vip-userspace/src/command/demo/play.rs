//! The parts of the demo, one after the other.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use vip_common::ids::{MacAddr, Version};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use super::takeover::Takeover;
use super::tell::{Teller, seconds, short};
use super::{Fault, Timing};
use crate::lab::pair::{Pair, VIRTUAL, VRID};
use crate::lab::{AddressWatch, ForgedAdvert, Host, LabError, Outage, Prober, Process, Wire, now};

/// How long anything may take beyond what the protocol asks for, before the
/// demo says that it did not happen.
const GRACE: Duration = Duration::from_secs(8);
/// A question without an answer for so long is lost.
const LOST_AFTER: Duration = Duration::from_millis(100);
/// How often the client asks.
const QUESTION: Duration = Duration::from_millis(1);
/// Forged adverts: so many, so far apart.
const FORGED: usize = 20;
const FORGED_EVERY: Duration = Duration::from_millis(500);

/// The two daemons on their hosts.
pub(super) struct Play<'a> {
    pair: &'a Pair,
    timing: Timing,
    a: Option<Process>,
    b: Option<Process>,
    started: usize,
}

impl<'a> Play<'a> {
    pub(super) fn new(pair: &'a Pair, timing: Timing) -> Self {
        Self {
            pair,
            timing,
            a: None,
            b: None,
            started: 0,
        }
    }

    /// How many daemons were started.
    pub(super) fn processes(&self) -> usize {
        self.started
    }

    /// The last lines of both daemons, for when something went wrong.
    pub(super) fn last_words(&self) -> Vec<String> {
        let of = |name: &str, process: &Option<Process>| {
            let lines = process.as_ref().map(Process::lines).unwrap_or_default();
            let last = lines.iter().rev().take(6).rev();
            last.map(|line| format!("{name}: {}", line.text))
                .collect::<Vec<_>>()
        };
        [of("A", &self.a), of("B", &self.b)].concat()
    }

    pub(super) fn perform(&mut self, fault: Fault, tell: &mut Teller) -> Result<(), LabError> {
        self.introduce(tell);
        let client = self.election(tell)?;
        self.takeover(fault, &client, tell)?;
        self.comeback(fault, &client, tell)?;
        self.forgeries(&client, tell)
    }

    fn introduce(&self, tell: &Teller) {
        let Pair { a, b, client, .. } = self.pair;
        tell.title("Two hosts, one address, on real packets between network namespaces");
        for (host, file) in [
            (a, "nodeA.conf, priority 100"),
            (b, "nodeB.conf, priority 90"),
        ] {
            tell.line(&format!(
                "{:7} {:12} {}  {file}",
                host.name(),
                host.address(),
                host.mac()
            ));
        }
        let (name, address, mac) = (client.name(), client.address(), client.mac());
        tell.line(&format!(
            "{name:7} {address:12} {mac}  asks {VIRTUAL} every millisecond"
        ));
        let how = match self.timing.version {
            Version::V2 => "VRRPv2 with password, every 1 s, as the two files say".into(),
            Version::V3 => format!(
                "VRRPv3 every {}, without the password, which version 3 does not have",
                self.timing.interval
            ),
        };
        tell.line(&how);
        tell.line("Firewall on A and B: everything dropped, in and out, but ping and the hosts' group reports;");
        tell.line("nothing is open for VRRP (protocol 112).");
    }

    fn start(&mut self, host: &Host) -> Result<Process, LabError> {
        let is_a = host.name() == self.pair.a.name();
        let file = if is_a {
            &self.timing.file_a
        } else {
            &self.timing.file_b
        };
        self.started += 1;
        self.pair.start(host, file)
    }

    /// Both start; the higher priority wins.
    fn election(&mut self, tell: &mut Teller) -> Result<Prober, LabError> {
        let Pair {
            a,
            b,
            client,
            capture,
            ..
        } = self.pair;
        tell.heading("Both start, the higher priority wins");
        let begin = now();
        self.a = Some(self.start(a)?);
        self.b = Some(self.start(b)?);
        for process in [&self.a, &self.b].into_iter().flatten() {
            process.wait_for_line(" is up: ", GRACE)?;
        }
        let bound = self.timing.down_b() + GRACE;
        let first = capture.wait_for("A's first advert", begin, bound, |frame| {
            frame.is_from(a.port()) && frame.advert(VRID).is_some()
        })?;
        tell.line(&format!(
            "A's first advert {} after the start",
            seconds(first.stamp.since(begin))
        ));
        for host in [a, b] {
            let status = self.pair.status(host)?.unwrap_or_default();
            let hears = &status["dataplane"][0];
            let why = hears["why"].as_str().filter(|why| !why.is_empty());
            tell.line(&format!(
                "{} hears eth0 by {}{}",
                host.name(),
                hears["rung"].as_str().unwrap_or("unknown means"),
                why.map(|why| format!(" ({why})")).unwrap_or_default(),
            ));
        }
        let prober = Prober::start(client, VIRTUAL, QUESTION)?;
        self.settled(a, b, &prober, tell)?;
        Ok(prober)
    }

    /// Checks that `master` has the address, `backup` has not, and the client
    /// reaches the right one.
    fn settled(
        &self,
        master: &Host,
        backup: &Host,
        client: &Prober,
        tell: &mut Teller,
    ) -> Result<(), LabError> {
        let bound = self.timing.down_b() + GRACE;
        self.pair.wait_for_state(master, "MASTER", bound)?;
        self.pair.wait_for_state(backup, "BACKUP", bound)?;
        let (m, b) = (master.name(), backup.name());
        tell.check(
            true,
            &format!("{m} is MASTER and {b} is BACKUP, as `vip status` on each says"),
        );
        // Who has handed over serves on for a moment, until the successor is known.
        let end = Instant::now() + GRACE;
        while backup.has(VIRTUAL)? && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        let only = master.has(VIRTUAL)? && !backup.has(VIRTUAL)?;
        tell.check(
            only,
            &format!("{VIRTUAL} is on {m}'s eth0 and not on {b}'s"),
        );
        client.wait_for_answer(now(), GRACE)?;
        self.client_reaches(master, tell)
    }

    fn client_reaches(&self, owner: &Host, tell: &mut Teller) -> Result<(), LabError> {
        let entry = self.pair.client.neighbour(VIRTUAL)?;
        let shown = entry.map_or_else(|| "none".into(), |mac: MacAddr| mac.to_string());
        let text = format!(
            "the client is answered; its ARP entry is {shown}, {}'s",
            owner.name()
        );
        tell.check(entry == Some(owner.mac()), &text);
        Ok(())
    }

    /// The fault, and B's takeover in numbers.
    fn takeover(
        &mut self,
        fault: Fault,
        client: &Prober,
        tell: &mut Teller,
    ) -> Result<(), LabError> {
        let Pair { a, b, .. } = self.pair;
        tell.heading(fault.words());
        let addresses = AddressWatch::start(b)?;
        let begin = now();
        if let Some(process) = &self.a {
            match fault {
                Fault::Power => {
                    process.signal(Signal::SIGKILL);
                    a.cut()?;
                }
                Fault::Stop => process.signal(Signal::SIGTERM),
                Fault::Kill => process.signal(Signal::SIGKILL),
                Fault::Hang => process.signal(Signal::SIGSTOP),
                Fault::Link => a.cut()?,
            }
        }
        let bound = self.timing.down_b() + GRACE;
        let takeover = Takeover::await_it(self.pair, &addresses, &self.timing, begin, bound)?;
        takeover.explain(&self.timing, tell);
        client.wait_for_answer(takeover.garp, GRACE)?;
        thread::sleep(LOST_AFTER);
        takeover.shares(&client.outages(begin, now(), LOST_AFTER), tell);
        tell.check(b.has(VIRTUAL)?, &format!("{VIRTUAL} is on B's eth0"));
        self.client_reaches(b, tell)?;
        self.say_why(begin, tell);
        match fault {
            Fault::Stop => {
                let ended = self
                    .a
                    .take()
                    .map(|process| process.wait(GRACE))
                    .transpose()?;
                let clean = ended.is_some_and(|ended| ended.code == Some(0));
                tell.check(
                    clean && !a.has(VIRTUAL)?,
                    "A ended with exit code 0 and left no address behind",
                );
            }
            Fault::Link => {
                self.pair.wait_for_state(a, "FAULT", GRACE)?;
                tell.check(
                    !a.has(VIRTUAL)?,
                    "A says FAULT and has given the address up",
                );
            }
            Fault::Power | Fault::Kill | Fault::Hang => {}
        }
        if fault.leaves_the_address() {
            let owners = usize::from(a.has(VIRTUAL)?) + usize::from(b.has(VIRTUAL)?);
            tell.line(&format!("hosts that have the address now: {owners}; A's kernel keeps it until A's daemon is back"));
        }
        Ok(())
    }

    /// B's own words about its takeover.
    fn say_why(&self, since: MonoTime, tell: &Teller) {
        let lines = self.b.as_ref().map(Process::lines).unwrap_or_default();
        let entering = lines
            .iter()
            .position(|line| line.stamp >= since && line.text.contains("Entering MASTER STATE"));
        for line in entering
            .and_then(|at| lines.get(at..at + 2))
            .unwrap_or_default()
        {
            let text = line.text.split_once(' ').map_or("", |(_, text)| text);
            tell.line(&format!("B's log: {text}"));
        }
    }

    /// A is back and takes the address again.
    fn comeback(
        &mut self,
        fault: Fault,
        client: &Prober,
        tell: &mut Teller,
    ) -> Result<(), LabError> {
        let Pair { a, b, capture, .. } = self.pair;
        tell.heading("A returns");
        let begin = now();
        match fault {
            Fault::Power => {
                a.boot()?;
                self.a = Some(self.start(a)?);
            }
            Fault::Stop | Fault::Kill => self.a = Some(self.start(a)?),
            Fault::Hang => self
                .a
                .iter()
                .for_each(|process| process.signal(Signal::SIGCONT)),
            Fault::Link => a.mend()?,
        }
        let bound = self.timing.down_b() + GRACE;
        let first = capture.wait_for("A's advert", begin, bound, |frame| {
            frame.is_from(a.port()) && frame.advert(VRID).is_some()
        })?;
        tell.line(&format!(
            "A speaks {} later; the higher priority has the address again",
            seconds(first.stamp.since(begin))
        ));
        self.settled(a, b, client, tell)?;
        thread::sleep(LOST_AFTER);
        let outages = client.outages(begin, now(), LOST_AFTER);
        let lost: usize = outages.iter().map(|outage| outage.lost).sum();
        let worst = outages
            .iter()
            .filter_map(Outage::span)
            .max()
            .unwrap_or_default();
        tell.line(&match lost {
            0 => "the client lost nothing on the way".into(),
            _ => format!(
                "the client lost {lost} answers on the way, at most {} at a time",
                short(worst)
            ),
        });
        Ok(())
    }

    /// A neighbour sends adverts that are not valid; nothing may move.
    fn forgeries(&self, client: &Prober, tell: &mut Teller) -> Result<(), LabError> {
        let Pair {
            a,
            b,
            client: neighbour,
            capture,
            ..
        } = self.pair;
        tell.heading("A neighbour forges two adverts a second for ten seconds");
        let kinds = forged(self.pair, &self.timing);
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        tell.line(&format!("priority 254 and in turn: {}", names.join(", ")));
        let wire = Wire::open(neighbour, "eth0")?;
        let begin = now();
        for (number, kind) in kinds.iter().cycle().take(FORGED).enumerate() {
            wire.send(&kind.advert.frame())?;
            let next = begin + FORGED_EVERY * (number as u32 + 1);
            thread::sleep(next.since(now()));
        }
        let end = now();
        for host in [a, b] {
            let status = self.pair.status(host)?.unwrap_or_default();
            let refused = kinds.iter().enumerate().map(|(index, kind)| {
                let sent = (FORGED - index).div_ceil(kinds.len()) as u64;
                let counter = format!("rejected_{}", kind.reason.label());
                let counted = status["instances"][0]["counters"][counter].as_u64();
                (counted.unwrap_or(0), sent, kind.reason)
            });
            let all = refused.clone().all(|(counted, sent, _)| counted == sent);
            let said: Vec<String> = refused
                .map(|(counted, sent, reason)| format!("{counted} of {sent} because {reason}"))
                .collect();
            tell.check(all, &format!("{} refused {}", host.name(), said.join(", ")));
        }
        let moved: usize = [&self.a, &self.b]
            .into_iter()
            .flatten()
            .map(|process| {
                let lines = process.lines();
                let state = |text: &str| text.contains(" STATE") || text.contains(" state");
                lines
                    .iter()
                    .filter(|l| l.stamp >= begin && state(&l.text))
                    .count()
            })
            .sum();
        tell.check(moved == 0, &format!("{moved} changes of state on A and B"));
        let stamps: Vec<MonoTime> = capture
            .select(|frame| frame.is_from(a.port()) && frame.advert(VRID).is_some())
            .iter()
            .map(|frame| frame.stamp)
            .filter(|stamp| (begin..=end).contains(stamp))
            .collect();
        let gap = stamps
            .windows(2)
            .map(|pair| pair[1].since(pair[0]))
            .max()
            .unwrap_or(end.since(begin));
        let limit = self.timing.interval.span().mul_f64(1.1) + Duration::from_millis(10);
        let text = format!(
            "A's adverts came on time: {} of them, at most {} apart",
            stamps.len(),
            seconds(gap)
        );
        tell.check(gap < limit, &text);
        let outages = client.outages(begin, end, LOST_AFTER);
        let lost: usize = outages.iter().map(|outage| outage.lost).sum();
        tell.check(lost == 0, &format!("the client lost {lost} answers"));
        Ok(())
    }
}

/// An advert with one thing wrong.
struct Forgery {
    name: &'static str,
    reason: RejectReason,
    advert: ForgedAdvert,
}

/// One thing wrong each, and a priority that would win.
fn forged(pair: &Pair, timing: &Timing) -> [Forgery; 3] {
    let is_v2 = timing.version == Version::V2;
    let centis = timing.interval.get();
    let good = ForgedAdvert {
        mac: pair.client.mac(),
        source: pair.client.address(),
        ttl: 255,
        version: timing.version.get(),
        vrid: VRID,
        priority: 254,
        interval: if is_v2 { centis / 100 } else { centis },
        password: is_v2.then_some(*b"1111\0\0\0\0"),
        addresses: vec![VIRTUAL],
        checksum_error: 0,
        destination: ForgedAdvert::GROUP,
    };
    let ttl = Forgery {
        name: "TTL 254",
        reason: RejectReason::Ttl,
        advert: ForgedAdvert {
            ttl: 254,
            ..good.clone()
        },
    };
    let checksum = Forgery {
        name: "a wrong checksum",
        reason: RejectReason::Checksum,
        advert: ForgedAdvert {
            checksum_error: 1,
            ..good.clone()
        },
    };
    let third = if is_v2 {
        Forgery {
            name: "a wrong password",
            reason: RejectReason::AuthPassword,
            advert: ForgedAdvert {
                password: Some(*b"2222\0\0\0\0"),
                ..good
            },
        }
    } else {
        Forgery {
            name: "no address",
            reason: RejectReason::NoAddresses,
            advert: ForgedAdvert {
                addresses: Vec::new(),
                ..good
            },
        }
    };
    [ttl, checksum, third]
}
