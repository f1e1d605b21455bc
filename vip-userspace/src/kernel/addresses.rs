//! Addresses on, addresses off, over route netlink.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressAttribute;
use vip_common::ids::Family;

use super::address::{addition, deletion, message, restoration};
use super::ask::Request;
use super::ledger::{Earlier, Ledger, Stage};
use super::message::{AddressRecord, Refusal};
use super::netlink::{BATCH, RouteSocket};
use super::packets::Table;
use super::roads::{Placed, RTM_GETROUTE, Road, What};
use super::switches::Switch;
use super::{
    Assignment, Failure, InstallError, Installed, Kernel, Key, Listed, RefuseError, RemoveError,
    VmacError, interface_name,
};
use crate::config::estate::{Route, Rule, Vmac};

/// Our mark in `IFA_PROTO`, "who installed this address" (Linux 5.18): the
/// letter v. The kernel itself uses 1 to 3, keepalived 18.
pub const MARK: u8 = b'v';

/// How many addresses go into one request to the kernel.
pub const AT_ONCE: usize = BATCH;

/// How long an IPv6 address may take until packets to it are taken. On a host that
/// is not overwhelmed it is less than a tenth of a millisecond; an interface that is
/// down takes none, and must not hold up the others.
const LOCAL_WITHIN: Duration = Duration::from_millis(20);

/// Addresses through route netlink, marked and listed as ours.
pub struct NetlinkKernel {
    pub(super) socket: RouteSocket,
    /// Whether this kernel keeps [`MARK`].
    marks: bool,
    pub(super) ledger: Ledger,
    earlier: EarlierPlace,
    ours: BTreeSet<Key>,
    /// Listed as about to be added, and not yet as added.
    unsettled: Vec<Key>,
    /// The routes and rules that are there through us.
    pub(super) roads: Vec<Road>,
    /// The switches that we have turned, in their order.
    pub(super) switches: Vec<Switch>,
    /// The packet filter, while packets are refused.
    pub(super) refusing: Option<Table>,
}

/// Where the list that was found belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum EarlierPlace {
    Here,
    OtherBoot,
    OtherNamespace,
}

/// What became of what a dead vip left.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tidied {
    /// Taken off: the configuration does not have them.
    pub removed: Vec<Listed>,
    /// Left on, and ours from now on: the configuration has them.
    pub adopted: Vec<Listed>,
    /// Left alone, with the reason: they are not, or perhaps not, ours.
    pub left: Vec<(Listed, &'static str)>,
    /// The list was about another network namespace, where its addresses may
    /// still be.
    pub elsewhere: bool,
    /// Why the list could not be written anew.
    pub unlisted: Option<String>,
}

/// Addresses cannot be handled at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No netlink socket.
    #[error("cannot open a route netlink socket: {0}")]
    Socket(#[source] io::Error),
    /// The list of installed addresses exists and cannot be read.
    #[error(
        "cannot read the list of installed addresses in {dir}: {error}; make it readable or remove it"
    )]
    List {
        /// The runtime directory.
        dir: String,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// Tidying up failed.
#[derive(Debug, thiserror::Error)]
pub enum TidyError {
    /// The kernel does not tell its addresses.
    #[error("cannot read this host's addresses: {0}")]
    Dump(#[source] io::Error),
    /// Some could not be removed.
    #[error(transparent)]
    Remove(#[from] RemoveError),
}

impl NetlinkKernel {
    /// For the calling thread's network namespace, with the list of what is
    /// installed in `runtime_dir`.
    ///
    /// # Errors
    ///
    /// When there is no netlink, or when a list is there that cannot be read.
    pub fn open(runtime_dir: &Path) -> Result<Self, OpenError> {
        let mut socket = RouteSocket::open(0).map_err(OpenError::Socket)?;
        let marks = knows_marks(&mut socket).map_err(OpenError::Socket)?;
        let (ledger, earlier) = Ledger::open(runtime_dir).map_err(|error| OpenError::List {
            dir: runtime_dir.display().to_string(),
            error,
        })?;
        let earlier = match earlier {
            Earlier::None | Earlier::Here(_) => EarlierPlace::Here,
            Earlier::OtherBoot => EarlierPlace::OtherBoot,
            Earlier::OtherNamespace => EarlierPlace::OtherNamespace,
        };
        Ok(Self {
            socket,
            marks,
            ledger,
            earlier,
            ours: BTreeSet::new(),
            unsettled: Vec::new(),
            roads: Vec::new(),
            switches: Vec::new(),
            refusing: None,
        })
    }

    /// Whether the kernel keeps our mark on addresses (`IFA_PROTO`).
    #[must_use]
    pub fn marks(&self) -> bool {
        self.marks
    }

    /// What a dead vip of this runtime directory has left, as its list says.
    #[must_use]
    pub fn leftovers(&self) -> &[Listed] {
        self.ledger.entries()
    }

    /// Whether the list in the runtime directory is about another network
    /// namespace.
    #[must_use]
    pub fn list_is_elsewhere(&self) -> bool {
        self.earlier == EarlierPlace::OtherNamespace
    }

    /// Deals with what a dead vip has left: addresses that are `configured`
    /// are ours from now on, the others are removed, and so are its
    /// routes, rules and interfaces; the switches that it turned are turned back. What is listed but no
    /// longer carries our mark has been put there by somebody else since, and
    /// is left alone. To be called before the first [`Kernel::install`]. With
    /// nothing configured it removes everything.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell its addresses, or does not remove one.
    pub fn tidy(&mut self, configured: &[Assignment]) -> Result<Tidied, TidyError> {
        let mut tidied = Tidied {
            elsewhere: self.list_is_elsewhere(),
            ..Tidied::default()
        };
        let entries = self.ledger.entries().to_vec();
        let addresses: Vec<(Key, Listed)> = entries
            .iter()
            .filter_map(|entry| Some((entry.key()?, entry.clone())))
            .collect();
        let mut surplus: Vec<(Key, Listed)> = Vec::new();
        if !addresses.is_empty() {
            let present = self.addresses(0).map_err(TidyError::Dump)?;
            for (key, entry) in addresses {
                let Some(found) = present.iter().find(|record| record.key() == key) else {
                    continue;
                };
                if self.marks && found.mark != MARK {
                    tidied
                        .left
                        .push((entry, "it has been added anew by somebody else"));
                } else if !self.marks && entry.stage == Stage::Adding {
                    tidied.left.push((entry, "it may have been there before"));
                } else if configured.iter().any(|wanted| wanted.key() == key) {
                    self.ours.insert(key);
                    tidied.adopted.push(entry);
                } else {
                    surplus.push((key, entry));
                }
            }
        }
        let (keys, surplus): (Vec<Key>, Vec<Listed>) = surplus.into_iter().unzip();
        self.ours.extend(&keys);
        // Routes and rules first: some of them lean on the addresses.
        let roads = self.tidy_roads(&mut tidied);
        let result = self.take_off(&keys);
        self.tidy_vmacs(&mut tidied);
        self.tidy_switches(&mut tidied);
        self.tidy_packets(&mut tidied);
        let ours = &self.ours;
        self.ledger
            .settle_by(|entry| Some(ours.contains(&entry.key()?)));
        // Also forgets a list of another boot or namespace.
        self.ledger.rewrite();
        tidied.unlisted = self.ledger.take_trouble();
        tidied.removed.extend(surplus);
        result?;
        roads?;
        Ok(tidied)
    }

    /// Removes those of the `configured` addresses that carry our mark although
    /// we have not put them there: a dead vip has, whose list is lost or lies in
    /// another runtime directory. The caller has made sure that no living one runs
    /// their routers. A kernel that keeps no marks has none to go by.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell its addresses, or does not remove one.
    pub fn take_off_marked(&mut self, configured: &[Assignment]) -> Result<Vec<Listed>, TidyError> {
        if !self.marks || configured.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: BTreeSet<(u32, IpAddr)> = configured
            .iter()
            .map(|one| (one.ifindex, one.address))
            .collect();
        let present = self.addresses(0).map_err(TidyError::Dump)?;
        let left: Vec<Key> = present
            .iter()
            .filter(|record| record.mark == MARK)
            // Whatever its prefix was in the configuration of then.
            .filter(|record| wanted.contains(&(record.ifindex, record.address)))
            .map(AddressRecord::key)
            .filter(|key| !self.ours.contains(key))
            .collect();
        self.ours.extend(&left);
        self.take_off(&left)?;
        Ok(left.into_iter().map(Listed::of).collect())
    }

    /// Which of these, that were there before, carry our mark.
    fn marked(&mut self, found: &[Assignment]) -> BTreeSet<Key> {
        let interfaces: BTreeSet<u32> = found.iter().map(|one| one.ifindex).collect();
        let mut marked = BTreeSet::new();
        if self.marks {
            for ifindex in interfaces {
                // What cannot be asked for stays somebody else's.
                let present = self.addresses(ifindex).unwrap_or_default();
                let ours = present.iter().filter(|record| record.mark == MARK);
                marked.extend(ours.map(AddressRecord::key));
            }
        }
        marked
    }

    /// Waits until the kernel takes packets to these addresses for its own: it
    /// acknowledges an IPv6 address first, and leaves the rest to a worker. Whoever
    /// was told of it in between would send for nothing.
    fn await_local(&mut self, addresses: &[(Ipv6Addr, u32)]) {
        const LOCAL: u8 = 2;
        const RTA_DST: u16 = 1;
        const RTA_OIF: u16 = 4;

        let end = Instant::now() + LOCAL_WITHIN;
        for (address, ifindex) in addresses {
            let mut header = [0; 12];
            header[..2].copy_from_slice(&[libc::AF_INET6 as u8, 128]);
            let mut question = Request::new(RTM_GETROUTE, 0, &header);
            question.bytes(RTA_DST, &address.octets());
            if address.is_unicast_link_local() {
                question.number(RTA_OIF, *ifindex);
            }
            loop {
                let kind = self
                    .socket
                    .get(&question, |message| message.body().get(7).copied());
                if matches!(kind, Ok(Some(LOCAL))) || Instant::now() >= end {
                    break;
                }
                thread::sleep(Duration::from_micros(20));
            }
        }
    }

    fn settle_new(&mut self) {
        let keys = std::mem::take(&mut self.unsettled);
        self.ledger.settle(|key| self.ours.contains(&key), &keys);
    }

    /// Puts an address in the place of what a dead vip has left.
    fn exchange(&mut self, left: Key, wanted: &Assignment) -> Result<(), Refusal> {
        let requests = [
            (RouteNetlinkMessage::DelAddress(deletion(left)), 0),
            (
                RouteNetlinkMessage::NewAddress(addition(wanted)),
                NLM_F_CREATE | NLM_F_EXCL,
            ),
        ];
        for (request, flags) in requests {
            let answers = self.socket.transact(std::iter::once(request), flags);
            spread(answers, 1).into_iter().collect::<Result<(), _>>()?;
        }
        Ok(())
    }

    /// The addresses of one interface, or of all for 0.
    fn addresses(&mut self, ifindex: u32) -> io::Result<Vec<AddressRecord>> {
        super::inventory::dump_addresses(&mut self.socket, ifindex)
    }

    /// Deletes those of `keys` that are ours.
    fn take_off(&mut self, keys: &[Key]) -> Result<(), RemoveError> {
        let victims: Vec<Key> = keys
            .iter()
            .copied()
            .filter(|key| self.ours.contains(key))
            .collect();
        if victims.is_empty() {
            return Ok(());
        }
        let bystanders = self.bystanders(&victims);
        let mut failures = Vec::new();
        for chunk in victims.chunks(BATCH) {
            let requests = chunk
                .iter()
                .map(|key| RouteNetlinkMessage::DelAddress(deletion(*key)));
            let answers = self.socket.transact(requests, 0);
            for (key, answer) in chunk.iter().zip(spread(answers, chunk.len())) {
                match answer {
                    // Gone already, alone or with its interface.
                    Err(refusal)
                        if !refusal.is(libc::EADDRNOTAVAIL) && !refusal.is(libc::ENODEV) =>
                    {
                        failures.push(failure(*key, refusal));
                    }
                    _ => {
                        self.ours.remove(key);
                    }
                }
            }
        }
        self.put_back(&bystanders);
        if failures.is_empty() {
            Ok(())
        } else {
            Err(RemoveError { failures })
        }
    }

    /// Addresses that the kernel may take off along with `victims`: unless
    /// `promote_secondaries` is set, all others of a subnet go with its first.
    fn bystanders(&mut self, victims: &[Key]) -> Vec<AddressRecord> {
        let interfaces: BTreeSet<u32> = victims.iter().map(|key| key.ifindex).collect();
        let mut found = Vec::new();
        for ifindex in interfaces {
            // An interface that cannot be asked is gone, and its addresses with it.
            let Ok(present) = self.addresses(ifindex) else {
                continue;
            };
            let (going, staying): (Vec<_>, Vec<_>) = present
                .into_iter()
                .partition(|record| victims.contains(&record.key()));
            let falls = |record: &AddressRecord| {
                record.is_secondary()
                    && going.iter().any(|first| {
                        !first.is_secondary()
                            && first.prefix == record.prefix
                            && same_subnet(first.other_end(), record.other_end(), record.prefix)
                    })
            };
            found.extend(staying.into_iter().filter(falls));
        }
        found
    }

    /// Adds again what went along, as it was; a no-op for what is still there.
    fn put_back(&mut self, bystanders: &[AddressRecord]) {
        for chunk in bystanders.chunks(BATCH) {
            let requests = chunk
                .iter()
                .map(|record| RouteNetlinkMessage::NewAddress(restoration(record)));
            match self.socket.transact(requests, NLM_F_CREATE | NLM_F_EXCL) {
                Ok(answers) => {
                    for (record, answer) in chunk.iter().zip(answers) {
                        match answer {
                            Err(refusal) if !refusal.is(libc::EEXIST) => log::warn!(
                                "cannot put back an address that went with its subnet's first: {}",
                                failure(record.key(), refusal)
                            ),
                            _ => {}
                        }
                    }
                }
                Err(error) => log::warn!(
                    "cannot put back addresses that went with their subnet's first: {error}"
                ),
            }
        }
    }
}

impl Kernel for NetlinkKernel {
    fn install(&mut self, batch: &[Assignment]) -> Result<Installed, InstallError> {
        self.settle_new();
        let mut installed = Installed::default();
        let mut failures = Vec::new();
        let mut fresh_v6 = Vec::new();
        for chunk in batch.chunks(BATCH) {
            let fresh: Vec<&Assignment> = chunk
                .iter()
                .filter(|wanted| !self.ours.contains(&wanted.key()))
                .collect();
            let name = |ifindex| self.socket.interface_name(ifindex);
            self.ledger
                .adding(fresh.iter().map(|wanted| (*wanted, name(wanted.ifindex))));
            // Exclusive, so that the kernel tells which were there before us
            // and leaves them as they are: a replacing add would take over
            // the mark and the lifetime of somebody else's address.
            let requests = chunk
                .iter()
                .map(|wanted| RouteNetlinkMessage::NewAddress(addition(wanted)));
            let answers = self.socket.transact(requests, NLM_F_CREATE | NLM_F_EXCL);
            let mut there = Vec::new();
            for (wanted, answer) in chunk.iter().zip(spread(answers, chunk.len())) {
                match answer {
                    Ok(()) => {
                        self.ours.insert(wanted.key());
                        fresh_v6.extend(to_await(wanted));
                    }
                    Err(refusal) if refusal.is(libc::EEXIST) => {
                        if !self.ours.contains(&wanted.key()) {
                            there.push(wanted.clone());
                        }
                    }
                    Err(refusal) => failures.push(failure(wanted.key(), refusal)),
                }
            }
            if !there.is_empty() {
                // With our mark it is what a dead vip has left, and ours to remove.
                let marked = self.marked(&there);
                for wanted in there {
                    if marked.contains(&wanted.key()) {
                        self.ours.insert(wanted.key());
                    } else if let Some(left) = under_another_prefix(&wanted, &marked) {
                        match self.exchange(left, &wanted) {
                            Ok(()) => drop(self.ours.insert(wanted.key())),
                            Err(refusal) => failures.push(failure(wanted.key(), refusal)),
                        }
                    } else {
                        installed.before_us.push(wanted);
                    }
                }
            }
            self.unsettled
                .extend(fresh.iter().map(|wanted| wanted.key()));
        }
        self.await_local(&fresh_v6);
        if failures.is_empty() {
            Ok(installed)
        } else {
            Err(InstallError { failures })
        }
    }

    fn settle(&mut self) -> Option<String> {
        self.settle_new();
        self.ledger.take_trouble()
    }

    fn remove(&mut self, batch: &[Assignment]) -> Result<(), RemoveError> {
        self.settle_new();
        let keys: Vec<Key> = batch.iter().map(Assignment::key).collect();
        let result = self.take_off(&keys);
        self.ledger.settle(|key| self.ours.contains(&key), &keys);
        result
    }

    fn install_routes(&mut self, routes: &[Route]) -> Placed {
        self.place_routes(routes)
    }

    fn remove_routes(&mut self, routes: &[Route]) -> Vec<Failure> {
        self.displace(|road| matches!(road, What::Route(known) if routes.contains(known)))
    }

    fn install_rules(&mut self, rules: &[Rule]) -> Placed {
        self.place_rules(rules)
    }

    fn remove_rules(&mut self, rules: &[Rule]) -> Vec<Failure> {
        self.displace(|road| matches!(road, What::Rule(known) if rules.contains(known)))
    }

    fn ensure_vmac(
        &mut self,
        base: u32,
        vmac: &Vmac,
        families: &[Family],
    ) -> Result<u32, VmacError> {
        self.make_vmac(base, vmac, families)
    }

    fn vmacs_stand(&mut self, expected: &[(u32, u32, &Vmac)]) -> io::Result<Vec<bool>> {
        self.find_standing(expected)
    }

    fn free_mac(&mut self, name: &str) {
        self.give_other_mac(name);
    }

    fn remove_vmac(&mut self, name: &str) {
        self.unmake_vmac(name);
    }

    fn hush_vmac(&mut self, name: &str) {
        self.set_vmac_down(name);
    }

    fn wake_vmac(&mut self, name: &str, families: &[Family]) {
        self.set_vmac_up(name, families);
    }

    fn promote_secondaries(&mut self, interface: &str) -> io::Result<()> {
        self.promote(interface)
    }

    fn stop_promoting(&mut self, interface: &str) {
        self.demote(interface);
    }

    fn refuse_packets(&mut self, to: &BTreeSet<IpAddr>) -> Result<(), RefuseError> {
        self.refuse(to)
    }
}

/// The same IPv6 address with another prefix or other end among those that are
/// marked: it stands only once on an interface.
fn under_another_prefix(wanted: &Assignment, marked: &BTreeSet<Key>) -> Option<Key> {
    let mut marked = marked.iter().copied();
    marked.find(|key| {
        wanted.address.is_ipv6() && (key.ifindex, key.address) == (wanted.ifindex, wanted.address)
    })
}

/// An address that has to be waited for: not one that the kernel first looks for
/// duplicates of.
fn to_await(wanted: &Assignment) -> Option<(Ipv6Addr, u32)> {
    match wanted.address {
        IpAddr::V6(v6) if !wanted.detect_duplicates => Some((v6, wanted.ifindex)),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// One answer for each request, also when the socket itself failed.
pub(super) fn spread(
    answers: io::Result<Vec<Result<(), Refusal>>>,
    count: usize,
) -> Vec<Result<(), Refusal>> {
    answers.unwrap_or_else(|error| {
        let again = || match error.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => error.kind().into(),
        };
        (0..count)
            .map(|_| {
                Err(Refusal {
                    error: again(),
                    note: None,
                })
            })
            .collect()
    })
}

fn failure(key: Key, refusal: Refusal) -> Failure {
    let interface = interface_name(key.ifindex);
    let help = if !key.address.is_ipv6() {
        None
    } else if refusal.is(libc::EACCES) {
        Some(format!("set net.ipv6.conf.{interface}.disable_ipv6 to 0"))
    } else if refusal.is(libc::EAFNOSUPPORT) || refusal.is(libc::EOPNOTSUPP) {
        Some("this kernel has no IPv6".to_owned())
    } else {
        None
    };
    Failure {
        what: format!("{key} on {interface}"),
        error: refusal.error,
        note: refusal.note,
        help,
    }
}

/// Whether two addresses lie in one IPv4 subnet: those of IPv6 live and die
/// each for itself.
fn same_subnet(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    let (IpAddr::V4(one), IpAddr::V4(other)) = (one, other) else {
        return false;
    };
    let mask = u32::MAX
        .checked_shl(32 - u32::from(prefix.min(32)))
        .unwrap_or(0);
    (one.to_bits() ^ other.to_bits()) & mask == 0
}

/// Whether the kernel knows `IFA_PROTO`. The question is an add that cannot
/// succeed, since it names no address: one that knows the attribute objects
/// to its missing value first.
fn knows_marks(socket: &mut RouteSocket) -> io::Result<bool> {
    const IFA_PROTO: u16 = 11;
    let mut question = message(
        Key {
            ifindex: 0,
            address: Ipv4Addr::UNSPECIFIED.into(),
            prefix: 32,
            peer: None,
        },
        0,
    );
    question.attributes = vec![AddressAttribute::Other(DefaultNla::new(
        IFA_PROTO,
        Vec::new(),
    ))];
    let answers = socket.transact(
        std::iter::once(RouteNetlinkMessage::NewAddress(question)),
        NLM_F_CREATE,
    )?;
    Ok(answers.iter().any(|answer| {
        answer
            .as_ref()
            .is_err_and(|refusal| refusal.is(libc::ERANGE))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_of_every_width() {
        let [one, other] = [[10, 0, 0, 1], [10, 0, 1, 1]].map(IpAddr::from);
        assert!(!same_subnet(one, other, 24));
        assert!(same_subnet(one, other, 23));
        assert!(same_subnet(one, other, 0));
        assert!(!same_subnet(one, other, 32));
        assert!(same_subnet(one, one, 32));
    }

    #[test]
    fn a_socket_that_fails_fails_every_address() {
        let answers = spread(Err(io::Error::from_raw_os_error(libc::ENOBUFS)), 3);
        assert_eq!(answers.len(), 3);
        assert!(answers.iter().all(|answer| {
            answer
                .as_ref()
                .is_err_and(|refusal| refusal.is(libc::ENOBUFS))
        }));
    }
}
