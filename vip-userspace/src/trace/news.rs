//! What is told of adverts: the lines of `vip trace`, and its document (schema 1).

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;
use vip_common::ids::Family;

/// The number that changes when a reader of the documents would break. Names only ever
/// come in addition.
pub const SCHEMA: u32 = 1;

/// Which way an advert goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To this host.
    In,
    /// From this host.
    Out,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::In => "in",
            Self::Out => "out",
        })
    }
}

/// Whose adverts: one sender of one virtual router, on one interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Who {
    /// The interface.
    pub interface: String,
    /// Which way.
    pub direction: Direction,
    /// `ipv4` or `ipv6`.
    pub family: &'static str,
    /// The virtual router.
    pub vrid: u8,
    /// The sender's own address.
    pub source: IpAddr,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} VRID {} {}",
            self.interface, self.direction, self.vrid, self.source
        )
    }
}

/// What a family is called.
#[must_use]
pub(super) const fn family_word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

/// Where an advert was lost, or late.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum Place {
    /// The sender did not send it when it was due.
    Sender {
        /// How late it was, in ns.
        late_ns: u64,
    },
    /// It was sent, and never came to the NIC of this host, as far as can be seen.
    BeforeNic {
        /// What else may have taken it, that sits before where we look.
        or: Option<String>,
    },
    /// The kernel of this host threw it away.
    Host {
        /// A short name of the reason, as [`super::Meaning::label`].
        reason: &'static str,
        /// The kernel's own name of it.
        kernel_reason: String,
        /// The kernel's function; `None` where it does not tell.
        function: Option<String>,
        /// What it means.
        words: &'static str,
        /// Who lost nothing by it, if nobody did.
        harmless: Option<String>,
    },
    /// vip's program at the NIC refused it.
    Filter {
        /// By which rule.
        rule: String,
        /// In words.
        words: String,
    },
    /// vip's election refused it.
    Election {
        /// By which check.
        check: String,
        /// In words.
        words: String,
    },
    /// vip's ring was full.
    RingFull,
    /// It came, and every router must refuse it.
    Invalid {
        /// By which check.
        check: &'static str,
        /// In words.
        words: &'static str,
    },
    /// The link is down here.
    LinkDown,
    /// It cannot be told.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl Place {
    /// The name by which losses are added up.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Sender { .. } => "sender".into(),
            Self::BeforeNic { .. } => "before_nic".into(),
            Self::Host { reason, .. } => format!("host_{reason}"),
            Self::Filter { rule, .. } => format!("filter_{rule}"),
            Self::Election { check, .. } => format!("election_{check}"),
            Self::RingFull => "ring_full".into(),
            Self::Invalid { check, .. } => format!("invalid_{check}"),
            Self::LinkDown => "link_down".into(),
            Self::Unknown { .. } => "unknown".into(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sender { late_ns } => write!(
                f,
                "sender late by {}: its identification goes on, so nothing was lost",
                super::text::span(*late_ns)
            ),
            Self::BeforeNic { or: None } => f.write_str(
                "lost before this NIC: sent (its identification skips), and never seen here",
            ),
            Self::BeforeNic { or: Some(or) } => write!(
                f,
                "lost before this NIC, or by {or}: sent (its identification skips), and never seen here"
            ),
            Self::Host {
                kernel_reason,
                function,
                words,
                harmless,
                ..
            } => {
                write!(f, "dropped inside this host: {words} ({kernel_reason}")?;
                if let Some(function) = function {
                    write!(f, " in {function}")?;
                }
                f.write_str(")")?;
                match harmless {
                    Some(harmless) => write!(f, "; {harmless}"),
                    None => Ok(()),
                }
            }
            Self::Filter { words, .. } => write!(f, "refused by vip's filter: {words}"),
            Self::Election { words, .. } => write!(f, "refused by vip's election: {words}"),
            Self::RingFull => f.write_str("vip's ring was full: it did not read in time"),
            Self::Invalid { words, .. } => write!(f, "came, and no router takes it: {words}"),
            Self::LinkDown => f.write_str("the link is down here"),
            Self::Unknown { why } => write!(f, "cannot tell where: {why}"),
        }
    }
}

/// An advert that passed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Passed {
    /// VRRP version.
    pub version: u8,
    /// Priority.
    pub priority: u8,
    /// IPv4's identification.
    pub ident: Option<u16>,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The interval that it says, in ns; `None` if that is zero.
    pub interval_ns: Option<u64>,
    /// Since the one before, in ns.
    pub gap_ns: Option<u64>,
    /// How much more than the interval that is, in ns.
    pub late_ns: Option<i64>,
    /// What it speaks for.
    pub addresses: Vec<IpAddr>,
    /// Why every router must refuse it, by name.
    pub invalid: Option<&'static str>,
    /// It is the same packet as the one before.
    pub again: bool,
}

/// What there is to tell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// An advert passed.
    Advert(Passed),
    /// Adverts did not come, or late.
    Missing {
        /// How many.
        count: u64,
        /// Since the last one that came, in ns.
        gap_ns: u64,
        /// Where.
        #[serde(flatten)]
        place: Place,
    },
    /// Adverts were seen, and then lost.
    Lost {
        /// How many.
        count: u64,
        /// The number of the one, where it is one and has such a number.
        ident: Option<u16>,
        /// Where.
        #[serde(flatten)]
        place: Place,
    },
    /// Nothing has come for longer than a backup waits.
    Silent {
        /// For how long, in ns.
        for_ns: u64,
        /// How long a backup waits, in ns.
        deadline_ns: u64,
        /// The priority of that backup.
        backup_priority: u8,
        /// Whether the link is up.
        link: bool,
    },
    /// Another router has taken over from it.
    Yielded {
        /// Which.
        to: IpAddr,
    },
    /// It leaves on purpose: priority 0.
    Resigned,
    /// Two routers say at the same time that they are master.
    TwoMasters {
        /// The other one.
        other: IpAddr,
        /// Its priority.
        other_priority: u8,
    },
}

/// Something to tell of one sender.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct News {
    /// When, in ns of `CLOCK_MONOTONIC`.
    pub stamp_ns: u64,
    /// Of whom.
    #[serde(flatten)]
    pub who: Who,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

impl News {
    /// Whether it is more than an advert in time.
    #[must_use]
    pub const fn is_trouble(&self) -> bool {
        !matches!(self.what, What::Advert(_))
    }
}
