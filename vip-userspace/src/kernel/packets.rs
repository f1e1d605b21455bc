//! Packets to virtual addresses that are not accepted (`no_accept`), dropped by a
//! table of our own in the kernel's packet filter.
//!
//! The table is owned by the socket that made it, where the kernel knows owners
//! (5.12): it goes with us however we end, and flushing the rules of this host
//! leaves it. Elsewhere it is listed, and removed at the next start.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::process;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};

use super::addresses::{NetlinkKernel, Tidied};
use super::ask::Request;
use super::kernel_says;
use super::ledger::{Kind, Made};
use super::message::Refusal;
use super::netlink::RouteSocket;
use super::roads::octets;

const SUBSYSTEM: u16 = 10 << 8;
const NEWTABLE: u16 = SUBSYSTEM;
const DELTABLE: u16 = SUBSYSTEM | 2;
const NEWCHAIN: u16 = SUBSYSTEM | 3;
const NEWRULE: u16 = SUBSYSTEM | 6;
const NEWSET: u16 = SUBSYSTEM | 9;
const NEWSETELEM: u16 = SUBSYSTEM | 12;
const DELSETELEM: u16 = SUBSYSTEM | 14;

/// `NFPROTO_INET`: both families.
const INET: u8 = 1;
/// `NFT_TABLE_F_OWNER`.
const OWNED: u32 = 2;
/// As keepalived's chains: before those of most others.
const PRIORITY: i32 = -1;
const CHAIN: &str = "input";

/// How many addresses go into one request; an attribute has at most 64 KiB.
const AT_ONCE: usize = 512;

/// The packet filter does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum RefuseError {
    /// There is none.
    #[error(
        "this kernel has no nf_tables ({0}): packets to addresses of `no_accept` are accepted; load the module nf_tables"
    )]
    None(#[source] io::Error),
    /// It has refused.
    #[error("the packet filter refuses a table for `no_accept`: {error}{}", kernel_says(.note.as_deref()))]
    Refused {
        /// The errno.
        #[source]
        error: io::Error,
        /// The kernel's own sentence, where it gives one.
        note: Option<String>,
    },
}

impl From<Refusal> for RefuseError {
    fn from(refusal: Refusal) -> Self {
        if refusal.is(libc::EOPNOTSUPP) || refusal.is(libc::EPROTONOSUPPORT) {
            Self::None(refusal.error)
        } else {
            Self::Refused {
                error: refusal.error,
                note: refusal.note,
            }
        }
    }
}

/// Our table.
pub(super) struct Table {
    /// It owns the table: open as long as that is wanted.
    socket: RouteSocket,
    name: String,
    refused: BTreeSet<IpAddr>,
    /// What is listed of it, where nobody owns it.
    made: Option<Made>,
}

impl NetlinkKernel {
    /// As [`super::Kernel::refuse_packets`].
    pub(super) fn refuse(&mut self, to: &BTreeSet<IpAddr>) -> Result<(), RefuseError> {
        if to.is_empty() {
            self.accept_all();
            return Ok(());
        }
        let mut table = match self.refusing.take() {
            Some(table) => table,
            None => self.new_table()?,
        };
        let changed = table.change(to);
        self.refusing = Some(table);
        changed
    }

    fn accept_all(&mut self) {
        let Some(mut table) = self.refusing.take() else {
            return;
        };
        if let Err(refusal) = table.socket.ask_batch(&[removal(&table.name)]) {
            log::warn!(
                "cannot remove the table {} of the packet filter: {}",
                table.name,
                refusal.error
            );
        }
        if let Some(made) = table.made {
            self.settle_table(&made, false);
        }
    }

    fn new_table(&mut self) -> Result<Table, RefuseError> {
        let mut socket =
            RouteSocket::for_packet_filter().map_err(|error| Refusal { error, note: None })?;
        let name = format!("vip-{}", process::id());
        let owned = socket.ask_batch(&creation(&name, OWNED));
        let made = match owned {
            Ok(()) => None,
            Err(refusal) if refusal.is(libc::EOPNOTSUPP) || refusal.is(libc::EINVAL) => {
                let made = Made {
                    kind: Kind::Table,
                    key: name.clone(),
                    words: format!("table {name} of the packet filter"),
                };
                self.ledger.making(std::iter::once(&made));
                let created = socket.ask_batch(&creation(&name, 0));
                self.settle_table(&made, created.is_ok());
                created?;
                Some(made)
            }
            Err(refusal) => return Err(refusal.into()),
        };
        Ok(Table {
            socket,
            name,
            refused: BTreeSet::new(),
            made,
        })
    }

    /// Removes the table that a dead vip has listed.
    pub(super) fn tidy_packets(&mut self, tidied: &mut Tidied) {
        let listed = self.ledger.entries().to_vec();
        for entry in listed {
            let Some(made) = entry.made().filter(|made| made.kind == Kind::Table) else {
                continue;
            };
            let removed = RouteSocket::for_packet_filter()
                .map_err(|error| Refusal { error, note: None })
                .and_then(|mut socket| socket.ask_batch(&[removal(&made.key)]));
            self.settle_table(&made.clone(), false);
            if removed.is_ok() {
                tidied.removed.push(entry);
            }
        }
    }

    fn settle_table(&mut self, made: &Made, there: bool) {
        self.ledger
            .settle_by(|entry| (entry.made() == Some(made)).then_some(there));
    }
}

impl Table {
    /// Makes what is refused these addresses, in one step.
    fn change(&mut self, to: &BTreeSet<IpAddr>) -> Result<(), RefuseError> {
        let fresh: Vec<IpAddr> = to.difference(&self.refused).copied().collect();
        let stale: Vec<IpAddr> = self.refused.difference(to).copied().collect();
        let mut requests = Vec::new();
        for (kind, flags, addresses) in
            [(NEWSETELEM, NLM_F_CREATE, &fresh), (DELSETELEM, 0, &stale)]
        {
            for v4 in [true, false] {
                let of_family: Vec<IpAddr> = addresses
                    .iter()
                    .copied()
                    .filter(|address| address.is_ipv4() == v4)
                    .collect();
                for chunk in of_family.chunks(AT_ONCE) {
                    requests.push(elements(&self.name, kind, flags, v4, chunk));
                }
            }
        }
        if !requests.is_empty() {
            self.socket.ask_batch(&requests)?;
        }
        self.refused.clone_from(to);
        Ok(())
    }
}

/// A request about both families.
fn request(kind: u16, flags: u16) -> Request {
    Request::new(kind, flags, &[INET, 0, 0, 0])
}

/// Attributes of a `LIST`: each element is of kind 1.
const ELEMENT: u16 = 1;

/// A number as this part of netlink has it.
fn number(request: &mut Request, attribute: u16, value: u32) {
    request.bytes(attribute, &value.to_be_bytes());
}

fn removal(name: &str) -> Request {
    let mut table = request(DELTABLE, 0);
    table.text(1, name);
    table
}

/// The whole table: two sets of addresses, and a chain that drops what goes there.
fn creation(name: &str, flags: u32) -> Vec<Request> {
    const FILTER: &str = "filter";
    const LOCAL_IN: u32 = 1;

    let mut table = request(NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
    table.text(1, name);
    number(&mut table, 2, flags);

    let mut chain = request(NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
    chain.text(1, name).text(3, CHAIN);
    chain.nested(4, |hook| {
        number(hook, 1, LOCAL_IN);
        number(hook, 2, PRIORITY.cast_unsigned());
    });
    chain.text(7, FILTER);

    let mut all = vec![table, set(name, true), set(name, false), chain];
    // What finds neighbours must go on (RFC 9568 6.1): solicitations and
    // advertisements come to the address itself too.
    all.extend([135, 136].map(|kind| neighbours(name, kind)));
    all.extend([true, false].map(|v4| drops(name, v4)));
    all
}

const fn set_name(v4: bool) -> &'static str {
    if v4 { "refused4" } else { "refused6" }
}

fn set(table: &str, v4: bool) -> Request {
    // What `nft list` shows the elements as.
    let (kind, length) = if v4 { (7, 4) } else { (8, 16) };
    let mut set = request(NEWSET, NLM_F_CREATE | NLM_F_EXCL);
    set.text(1, table).text(2, set_name(v4));
    number(&mut set, 3, 0);
    number(&mut set, 4, kind);
    number(&mut set, 5, length);
    number(&mut set, 10, if v4 { 1 } else { 2 });
    set
}

fn elements(table: &str, kind: u16, flags: u16, v4: bool, addresses: &[IpAddr]) -> Request {
    let mut elements = request(kind, flags);
    elements.text(1, table).text(2, set_name(v4));
    elements.nested(3, |list| {
        for address in addresses {
            list.nested(ELEMENT, |element| {
                element.nested(1, |key| {
                    key.bytes(1, &octets(*address));
                });
            });
        }
    });
    elements
}

/// The register that values pass through, and the one for what becomes of a packet.
const REGISTER: u32 = 1;
const VERDICT: u32 = 0;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

fn rule(table: &str, expressions: impl FnOnce(&mut Request)) -> Request {
    let mut rule = request(NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    rule.text(1, table).text(2, CHAIN).nested(4, expressions);
    rule
}

/// ICMPv6 of one type passes.
fn neighbours(table: &str, icmp: u8) -> Request {
    rule(table, |rule| {
        const TRANSPORT: u32 = 2;

        is_family(rule, false);
        meta(rule, META_PROTOCOL);
        equals(rule, &[58]);
        payload(rule, TRANSPORT, 0, 1);
        equals(rule, &[icmp]);
        verdict(rule, ACCEPT);
    })
}

/// What goes to one of the addresses does not.
fn drops(table: &str, v4: bool) -> Request {
    rule(table, |rule| {
        const NETWORK: u32 = 1;

        is_family(rule, v4);
        if v4 {
            payload(rule, NETWORK, 16, 4);
        } else {
            payload(rule, NETWORK, 24, 16);
        }
        expression(rule, "lookup", |data| {
            data.text(1, set_name(v4));
            number(data, 2, REGISTER);
        });
        verdict(rule, DROP);
    })
}

const META_FAMILY: u32 = 15;
const META_PROTOCOL: u32 = 16;

fn expression(rule: &mut Request, name: &str, data: impl FnOnce(&mut Request)) {
    rule.nested(ELEMENT, |element| {
        element.text(1, name).nested(2, data);
    });
}

fn meta(rule: &mut Request, key: u32) {
    expression(rule, "meta", |data| {
        number(data, 1, REGISTER);
        number(data, 2, key);
    });
}

fn payload(rule: &mut Request, base: u32, offset: u32, length: u32) {
    expression(rule, "payload", |data| {
        number(data, 1, REGISTER);
        number(data, 2, base);
        number(data, 3, offset);
        number(data, 4, length);
    });
}

fn equals(rule: &mut Request, value: &[u8]) {
    expression(rule, "cmp", |data| {
        number(data, 1, REGISTER);
        number(data, 2, 0);
        data.nested(3, |inner| {
            inner.bytes(1, value);
        });
    });
}

fn is_family(rule: &mut Request, v4: bool) {
    meta(rule, META_FAMILY);
    let family = if v4 {
        libc::NFPROTO_IPV4
    } else {
        libc::NFPROTO_IPV6
    };
    equals(rule, &[family as u8]);
}

fn verdict(rule: &mut Request, code: u32) {
    expression(rule, "immediate", |data| {
        number(data, 1, VERDICT);
        data.nested(2, |inner| {
            inner.nested(2, |verdict| number(verdict, 1, code));
        });
    });
}
