//! Routes and rules, put there and taken away over route netlink.

mod route;
mod rule;

use std::fmt::{self, Write as _};
use std::io;
use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;

use self::route::route_request;
use self::rule::rule_request;
use super::addresses::{NetlinkKernel, Tidied, TidyError, spread};
use super::ask::Request;
use super::ledger::{Kind, Listed, Made};
use super::message::Refusal;
use super::netlink::BATCH;
use super::{Failure, RemoveError};
use crate::config::estate::{Realms, Route, Rule};

pub(super) use route::read_route;
pub(super) use rule::read_rule;

/// Our mark on routes and rules (`RTPROT`, `FRA_PROTOCOL`), "who made this": the
/// letter v, as on addresses. keepalived has 18.
pub const ROUTE_PROTOCOL: u8 = b'v';

pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_DELROUTE: u16 = 25;
pub(super) const RTM_GETROUTE: u16 = 26;
pub(super) const RTM_NEWRULE: u16 = 32;
pub(super) const RTM_DELRULE: u16 = 33;
pub(super) const RTM_GETRULE: u16 = 34;

/// The main table of routes.
pub(super) const MAIN: u32 = 254;

/// What putting routes or rules there came to.
#[derive(Debug, Default)]
pub struct Placed {
    /// How many were not there before; a second call makes none.
    pub added: usize,
    /// What was there before us, put by somebody else, as people write it; it
    /// is left alone when the others go.
    pub before_us: Vec<String>,
    /// What the kernel refused; the others are there.
    pub failures: Vec<Failure>,
    /// Why the list of what we made could not be kept: worth a warning, since a
    /// later start could not tidy up after a crash.
    pub unlisted: Option<String>,
}

/// The family as netlink numbers it.
pub(super) fn family_of(address: IpAddr) -> u8 {
    (match address {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    }) as u8
}

/// The bytes of an address, as many as its family has.
pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// An address under a prefix, as people write it.
fn write_network(f: &mut impl fmt::Write, address: IpAddr, prefix: u8) -> fmt::Result {
    if prefix == 0 {
        return f.write_str("default");
    }
    let longest = if address.is_ipv4() { 32 } else { 128 };
    write!(f, "{address}")?;
    if prefix != longest {
        write!(f, "/{prefix}")?;
    }
    Ok(())
}

/// Adds what a realm pair is for the kernel.
fn realms(request: &mut Request, attribute: u16, realms: Realms) {
    let both = u32::from(realms.from) << 16 | u32::from(realms.to);
    request.number(attribute, both);
}

/// A route or rule that is there through us.
#[derive(Debug)]
pub(super) struct Road {
    what: What,
    request: Request,
    /// As it is listed.
    made: Made,
}

/// What was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    Route(Box<Route>),
    Rule(Box<Rule>),
    /// What a dead vip has left, by its words.
    Left(String),
}

impl What {
    fn words(&self) -> String {
        match self {
            Self::Route(route) => route::words(route),
            Self::Rule(rule) => rule::words(rule),
            Self::Left(words) => words.clone(),
        }
    }
}

impl Road {
    fn new(what: What, request: Request) -> Self {
        let kind = if request.kind == RTM_NEWROUTE {
            Kind::Route
        } else {
            Kind::Rule
        };
        let made = Made {
            kind,
            key: hex(&request.body),
            words: what.words(),
        };
        Self {
            what,
            request,
            made,
        }
    }

    /// What takes it away.
    fn deletion(&self) -> Request {
        self.request.reversed(if self.request.kind == RTM_NEWROUTE {
            RTM_DELROUTE
        } else {
            RTM_DELRULE
        })
    }

    fn failure(&self, refusal: Refusal) -> Failure {
        Failure {
            what: self.what.words(),
            help: help(&refusal),
            error: refusal.error,
            note: refusal.note,
        }
    }
}

/// What is to be done about a refusal, where that is not plain.
fn help(refusal: &Refusal) -> Option<String> {
    let help = if refusal.is(libc::ENETUNREACH) || refusal.is(libc::EHOSTUNREACH) {
        "no interface reaches the gateway; add `dev` and `onlink` if it is a neighbour all the same"
    } else if refusal.is(libc::ENETDOWN) {
        "the interface is down; the route follows when it is up"
    } else if refusal.is(libc::EOPNOTSUPP) || refusal.is(libc::EAFNOSUPPORT) {
        "this kernel does not have that"
    } else {
        return None;
    };
    Some(help.to_owned())
}

impl NetlinkKernel {
    pub(super) fn place_routes(&mut self, routes: &[Route]) -> Placed {
        let mut placed = Placed::default();
        let mut roads = Vec::new();
        for route in routes {
            let what = What::Route(Box::new(route.clone()));
            let mut tables = |name: &str| self.vrf_table(name);
            match route_request(route, &mut index_of, &mut tables) {
                Ok(request) => roads.push(Road::new(what, request)),
                Err(error) => placed.failures.push(Failure {
                    what: what.words(),
                    error,
                    note: None,
                    help: None,
                }),
            }
        }
        self.place(roads, &mut placed);
        placed
    }

    pub(super) fn place_rules(&mut self, rules: &[Rule]) -> Placed {
        let mut placed = Placed::default();
        let roads = rules
            .iter()
            .map(|rule| Road::new(What::Rule(Box::new(rule.clone())), rule_request(rule)));
        self.place(roads.collect(), &mut placed);
        placed
    }

    fn place(&mut self, wanted: Vec<Road>, placed: &mut Placed) {
        let mut wanted = wanted.into_iter().peekable();
        while wanted.peek().is_some() {
            let chunk: Vec<Road> = wanted.by_ref().take(BATCH).collect();
            let fresh: Vec<Made> = chunk
                .iter()
                .filter(|road| !self.has(&road.made))
                .map(|road| road.made.clone())
                .collect();
            self.ledger.making(fresh.iter());
            let requests: Vec<Request> = chunk.iter().map(|road| road.request.clone()).collect();
            let answers = spread(self.socket.ask(&requests), chunk.len());
            for (road, answer) in chunk.into_iter().zip(answers) {
                match answer {
                    Ok(()) => {
                        placed.added += 1;
                        self.keep(road);
                    }
                    Err(refusal) if refusal.is(libc::EEXIST) => {
                        if self.has(&road.made) {
                        } else if self.is_marked(&road.request) {
                            self.keep(road);
                        } else {
                            placed.before_us.push(road.what.words());
                        }
                    }
                    Err(refusal) => placed.failures.push(road.failure(refusal)),
                }
            }
            let roads = &self.roads;
            self.ledger.settle_by(|entry| {
                let made = entry.made().filter(|made| fresh.contains(made))?;
                Some(roads.iter().any(|road| road.made == *made))
            });
        }
        placed.unlisted = self.ledger.take_trouble();
    }

    /// Takes away those of ours that `which` says; what could not be.
    pub(super) fn displace(&mut self, which: impl Fn(&What) -> bool) -> Vec<Failure> {
        let (going, staying): (Vec<Road>, Vec<Road>) = std::mem::take(&mut self.roads)
            .into_iter()
            .partition(|road| which(&road.what));
        self.roads = staying;
        let mut failures = Vec::new();
        let mut gone = Vec::new();
        // The last one first: it may lean on those before it.
        let mut going = going.into_iter().rev().peekable();
        while going.peek().is_some() {
            let chunk: Vec<Road> = going.by_ref().take(BATCH).collect();
            let requests: Vec<Request> = chunk.iter().map(Road::deletion).collect();
            let answers = spread(self.socket.ask(&requests), chunk.len());
            for (road, answer) in chunk.into_iter().zip(answers) {
                match answer {
                    Err(refusal) if !is_gone(&refusal) => {
                        failures.push(road.failure(refusal));
                        self.roads.push(road);
                    }
                    _ => gone.push(road.made.clone()),
                }
            }
        }
        self.ledger.settle_by(|entry| {
            let made = entry.made().filter(|made| gone.contains(made));
            made.map(|_| false)
        });
        failures
    }

    /// Takes away the routes and rules that a dead vip has listed. One that was only
    /// about to be made goes too if it is there: it carries our protocol number, or
    /// the number that this host's configuration gave it.
    pub(super) fn tidy_roads(&mut self, tidied: &mut Tidied) -> Result<(), TidyError> {
        let mut lost = Vec::new();
        let entries = self.ledger.entries();
        let listed: Vec<(Listed, Road)> = entries
            .iter()
            .filter_map(|entry| {
                let made = entry.made()?;
                let kind = match made.kind {
                    Kind::Route => RTM_NEWROUTE,
                    Kind::Rule => RTM_NEWRULE,
                    Kind::Vmac | Kind::Switch | Kind::Table => return None,
                };
                let Some(body) = unhex(&made.key) else {
                    lost.push(made.clone());
                    return None;
                };
                let request = Request {
                    kind,
                    flags: 0,
                    body,
                };
                let what = What::Left(made.words.clone());
                Some((entry.clone(), Road::new(what, request)))
            })
            .collect();
        let mut failures = Vec::new();
        let mut gone = lost;
        for (entry, road) in listed.into_iter().rev() {
            let answer = spread(self.socket.ask(&[road.deletion()]), 1);
            match answer.into_iter().collect::<Result<(), Refusal>>() {
                Ok(()) => {
                    gone.push(road.made.clone());
                    tidied.removed.push(entry);
                }
                Err(refusal) if is_gone(&refusal) => gone.push(road.made.clone()),
                Err(refusal) => failures.push(road.failure(refusal)),
            }
        }
        self.ledger.settle_by(|entry| {
            let made = entry.made().filter(|made| gone.contains(made));
            made.map(|_| false)
        });
        if failures.is_empty() {
            Ok(())
        } else {
            Err(RemoveError { failures }.into())
        }
    }

    fn has(&self, made: &Made) -> bool {
        self.roads.iter().any(|road| road.made == *made)
    }

    fn keep(&mut self, road: Road) {
        // The same with another interface index: that interface is gone, and the
        // route with it.
        self.roads.retain(|known| known.what != road.what);
        self.roads.push(road);
    }

    /// Whether what stands in the place of this route or rule carries our mark: a
    /// dead vip has left it.
    fn is_marked(&mut self, request: &Request) -> bool {
        let Some(family) = request.body.first().copied() else {
            return false;
        };
        // What cannot be asked for stays somebody else's.
        if request.kind == RTM_NEWROUTE {
            let Some(wanted) = read_route(&request.body) else {
                return false;
            };
            let question = Request::new(
                RTM_GETROUTE,
                0,
                &[family, 0, 0, 0, 0, ROUTE_PROTOCOL, 0, 0, 0, 0, 0, 0],
            );
            let ours = self.socket.dump_by(&question, |message| {
                (message.kind == RTM_NEWROUTE).then(|| read_route(message.body()))?
            });
            let mut ours = ours.unwrap_or_default().into_iter();
            ours.any(|found| found.protocol == ROUTE_PROTOCOL && found.same_place(&wanted))
        } else {
            let Some(wanted) = read_rule(&request.body) else {
                return false;
            };
            let question = Request::new(RTM_GETRULE, 0, &[family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            let all = self.socket.dump_by(&question, |message| {
                (message.kind == RTM_NEWRULE).then(|| read_rule(message.body()))?
            });
            let mut all = all.unwrap_or_default().into_iter();
            all.any(|found| {
                found.protocol == ROUTE_PROTOCOL
                    && (found.family, found.preference) == (wanted.family, wanted.preference)
            })
        }
    }

    /// The table of a VRF.
    fn vrf_table(&mut self, name: &str) -> io::Result<u32> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let found = self.socket.dump(&request, |message| {
            message.link_of_vrf().filter(|(vrf, _)| vrf == name)
        })?;
        let table = found.first().map(|(_, table)| *table);
        table.ok_or_else(|| io::Error::other(format!("there is no VRF `{name}`")))
    }
}

/// The index of an interface.
fn index_of(name: &str) -> io::Result<u32> {
    nix::net::if_::if_nametoindex(name)
        .map_err(|_| io::Error::other(format!("there is no interface `{name}`")))
}

/// Whether there was nothing to remove: it is gone, alone or with its interface,
/// its table or its address.
fn is_gone(refusal: &Refusal) -> bool {
    [libc::ESRCH, libc::ENOENT, libc::ENODEV]
        .iter()
        .any(|errno| refusal.is(*errno))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs
        .remainder()
        .is_empty()
        .then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_being_text() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex("abc"), None);
        assert_eq!(unhex("zz"), None);
    }
}
