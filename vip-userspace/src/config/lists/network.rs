//! Networks, and the families of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::diag::{Finding, quoted};
use super::super::lex::Token;
use super::words::{Words, longest_prefix, split_prefix};

/// IPv4 or IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// An address and how much of it counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// The address.
    pub address: IpAddr,
    /// How many of its bits count, 0 to 32 or 0 to 128.
    pub prefix: u8,
}

impl Network {
    /// Everything there is of a family.
    #[must_use]
    pub fn all(family: Family) -> Self {
        Self {
            address: match family {
                Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            },
            prefix: 0,
        }
    }

    /// Its family.
    #[must_use]
    pub fn family(self) -> Family {
        Family::of(self.address)
    }

    /// Whether a word can be read as one.
    pub(super) fn looks_like(text: &str) -> bool {
        split_prefix(text).0.is_some()
    }

    /// Reads a word. A prefix that is none is corrected as keepalived does.
    pub(super) fn parse(word: &Token, words: &mut Words<'_, '_>) -> Option<Self> {
        let (address, mask) = split_prefix(&word.text);
        let Some(address) = address else {
            words.sink.add(
                Finding::error(
                    word.span,
                    format!("{} is not a network", quoted(&word.text)),
                )
                .help("write it as 192.0.2.0/24 or 2001:db8::/64"),
            );
            return None;
        };
        let longest = longest_prefix(address);
        let prefix = match mask {
            None => longest,
            Some(mask) => mask
                .parse()
                .ok()
                .filter(|prefix| *prefix <= longest)
                .unwrap_or_else(|| {
                    words.sink.add(
                        Finding::error(
                            word.span,
                            format!("the prefix of {} is not 0 to {longest}", quoted(&word.text)),
                        )
                        .help(format!("it is {longest} instead, as in keepalived")),
                    );
                    longest
                }),
        };
        Some(Self { address, prefix })
    }
}
