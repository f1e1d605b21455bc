//! Several hosts with routers of any make on them, a client that asks all the
//! time, and the eye that sees who answers.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use vip::lab::pair::{ADDRESS_A, ADDRESS_B, ADDRESS_CLIENT, VRID};
use vip::lab::{Capture, Frame, Host, Lab, LabError, PATIENCE, Prober, What, now};
use vip_common::time::MonoTime;

use crate::peer::{Make, Participant, Way, Wish};

/// How often the client asks.
const QUESTION: Duration = Duration::from_millis(5);
/// So many adverts in a row by one router make it the only one that speaks.
const ALONE: usize = 3;
/// Names and addresses, in the order of their priorities.
const HOSTS: [(&str, Ipv4Addr); 5] = [
    ("A", ADDRESS_A),
    ("B", ADDRESS_B),
    ("C", Ipv4Addr::new(192, 168, 8, 11)),
    ("D", Ipv4Addr::new(192, 168, 8, 12)),
    ("E", Ipv4Addr::new(192, 168, 8, 13)),
];

/// Hosts on one switch, each with its router or without.
pub struct Field {
    routers: Vec<Option<Participant>>,
    /// Asks for the virtual address from before the first start.
    pub prober: Prober,
    /// Sees adverts, announcements and answers at every port.
    pub capture: Capture,
    /// In the order of their priorities, the highest first.
    pub hosts: Vec<Host>,
    /// Who runs on each.
    pub makes: Vec<Make>,
    /// How they speak.
    pub way: Way,
    program: PathBuf,
    _client: Host,
    _lab: Lab,
}

impl Field {
    /// A host for each of `makes`, at most five; nothing runs on them yet.
    ///
    /// # Errors
    /// As [`Lab::new`].
    pub fn new(program: PathBuf, makes: &[Make], way: Way) -> Result<Self, LabError> {
        let lab = Lab::new()?;
        let mut hosts = Vec::new();
        for (make, (name, address)) in makes.iter().zip(HOSTS) {
            let mut host = lab.host(name, address, 24)?;
            if way == Way::V3Ipv6 {
                host.enable_ipv6()?;
            }
            make.prepare(&host, way)?;
            hosts.push(host);
        }
        let mut client = lab.host("client", ADDRESS_CLIENT, 24)?;
        if way == Way::V3Ipv6 {
            client.enable_ipv6()?;
        }
        let capture = lab.capture_answers()?;
        let prober = Prober::start(&client, way.address(), QUESTION)?;
        Ok(Self {
            routers: hosts.iter().map(|_| None).collect(),
            prober,
            capture,
            hosts,
            makes: makes.to_vec(),
            way,
            program,
            _client: client,
            _lab: lab,
        })
    }

    /// Starts the router of a host and waits until it takes part.
    ///
    /// # Errors
    /// With its last words when it does not.
    pub fn start(&mut self, which: usize) -> Result<(), LabError> {
        let wish = Wish {
            way: self.way,
            priority: Self::priority(which),
            peers: &self.hosts,
        };
        let router = self.makes[which].start(&self.hosts[which], &self.program, &wish)?;
        self.routers[which] = Some(router);
        Ok(())
    }

    /// The priority of a host's router.
    #[must_use]
    pub fn priority(which: usize) -> u8 {
        100 - 10 * u8::try_from(which).unwrap_or(9)
    }

    /// Kills the router of a host, whose kernel keeps what it had.
    pub fn kill(&mut self, which: usize) {
        if let Some(router) = self.routers[which].take() {
            router.kill();
        }
    }

    /// Ends the router of a host in order, whatever it is.
    ///
    /// # Errors
    /// When it does not end well.
    pub fn quit(&mut self, which: usize) -> Result<(), LabError> {
        self.routers[which]
            .take()
            .map_or(Ok(()), Participant::leave)
    }

    /// Has the master on a host leave in order: it says so on the wire, ends
    /// well and serves no more.
    ///
    /// # Errors
    /// When one of these does not happen.
    pub fn leave(&mut self, which: usize) -> Result<(), LabError> {
        let left = now();
        self.quit(which)?;
        let port = self.hosts[which].port();
        self.capture
            .wait_for("an advert with priority 0", left, PATIENCE, |frame| {
                frame.is_from(port) && frame.advert(VRID) == Some(0)
            })?;
        if self.hosts[which].serves(self.way.address())? {
            return Err(self.too_late(which, "its address to be gone"));
        }
        Ok(())
    }

    /// Waits until the router of `owner` alone has the address, speaks, and
    /// answers the client. Hosts whose router was killed may still have it.
    ///
    /// # Errors
    /// With what is otherwise when it does not become so.
    pub fn settled(&self, owner: usize) -> Result<(), LabError> {
        let address = self.way.address();
        let begin = now();
        let end = begin + PATIENCE;
        let port = self.hosts[owner].port();
        loop {
            let mut right = self.hosts[owner].serves(address)?;
            for (host, router) in self.hosts.iter().zip(&self.routers) {
                let other = host.port() != port && router.is_some();
                right &= !other || !host.serves(address)?;
            }
            if right && self.alone(owner, begin) && self.answers(owner, begin) {
                return Ok(());
            }
            if now() > end {
                return Err(self.too_late(owner, "it to be master alone"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the last adverts are all of `owner`.
    fn alone(&self, owner: usize, since: MonoTime) -> bool {
        let said = self.adverts(since);
        let port = self.hosts[owner].port();
        said.len() >= ALONE
            && said
                .iter()
                .rev()
                .take(ALONE)
                .all(|frame| frame.port == port)
    }

    /// Whether the client's last answer came from `owner`.
    fn answers(&self, owner: usize, since: MonoTime) -> bool {
        let source = self.way.address();
        let answers = self.capture.since(
            since,
            |frame| matches!(frame.what, What::Answer { source: from } if from == source),
        );
        answers
            .last()
            .is_some_and(|frame| frame.port == self.hosts[owner].port())
    }

    /// The adverts that routers have sent since, each once.
    #[must_use]
    pub fn adverts(&self, since: MonoTime) -> Vec<Frame> {
        self.capture.since(since, |frame| {
            frame.advert(VRID).is_some() && frame.is_from(frame.port)
        })
    }

    fn too_late(&self, which: usize, what: &str) -> LabError {
        let address = self.way.address();
        let state: Vec<_> = self
            .hosts
            .iter()
            .zip(&self.routers)
            .map(|(host, router)| {
                let serves = host.serves(address).unwrap_or(false);
                let said = router.as_ref().map(|router| {
                    let process = &router.process;
                    let said = process.stderr() + &process.stdout();
                    let from = said.lines().count().saturating_sub(4);
                    said.lines().skip(from).collect::<Vec<_>>().join(" | ")
                });
                format!("{} has it: {serves}, said: {said:?}", host.name())
            })
            .collect();
        let said = self.adverts(now() - PATIENCE);
        let from: Vec<_> = said
            .iter()
            .rev()
            .take(ALONE)
            .filter_map(|frame| self.hosts.iter().find(|host| host.port() == frame.port))
            .map(Host::name)
            .collect();
        LabError::TooLate {
            what: format!(
                "{what} on {}; {}; the last adverts are of {from:?}",
                self.hosts[which].name(),
                state.join("; ")
            ),
            bound: PATIENCE,
        }
    }
}
