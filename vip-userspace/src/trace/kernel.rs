//! Why and where the kernel threw a packet away, in its own words and in ours.

use std::cell::OnceCell;
use std::fs;
use std::os::unix::fs::MetadataExt;

use vip_common::layout::trace::KernelShape;

use super::shape::{PATH, Types};

/// What the running kernel says of itself.
pub struct Kernel {
    shape: Result<KernelShape, String>,
    reasons: Vec<(u32, String)>,
    symbols: OnceCell<Symbols>,
}

impl Kernel {
    /// Of this host, and of this process's network namespace.
    #[must_use]
    pub fn running() -> Self {
        let bytes = fs::read(PATH);
        let types = bytes
            .as_ref()
            .map_err(|error| format!("{PATH}: {error}"))
            .and_then(|bytes| {
                Types::parse(bytes).ok_or_else(|| format!("{PATH} is not understood"))
            });
        let reasons = types.as_ref().map_or_else(|_| Vec::new(), reasons);
        let shape = types.and_then(|types| {
            let namespace = namespace().map_err(|error| format!("/proc/self/ns/net: {error}"))?;
            let shape = types.shape(namespace);
            shape.ok_or_else(|| "this kernel keeps its packets in another way".to_owned())
        });
        Self {
            shape,
            reasons,
            symbols: OnceCell::new(),
        }
    }

    /// One of which nothing else is known.
    #[cfg(test)]
    pub(super) fn with_reasons(reasons: &[(u32, &str)]) -> Self {
        let owned = reasons
            .iter()
            .map(|(number, name)| (*number, (*name).to_owned()));
        Self {
            shape: Err("a test".to_owned()),
            reasons: owned.collect(),
            symbols: OnceCell::from(Symbols::default()),
        }
    }

    /// Where it keeps what is read of a packet.
    ///
    /// # Errors
    /// Why that is not known.
    pub fn shape(&self) -> Result<KernelShape, String> {
        self.shape.clone()
    }

    /// Its name of a reason, as in the tracepoint's own format.
    #[must_use]
    pub fn reason(&self, number: u32) -> String {
        let mut known = self.reasons.iter();
        let found = known.find(|(known, _)| *known == number);
        found.map_or_else(|| format!("reason {number}"), |(_, name)| name.clone())
    }

    /// The function at an address; `None` where the kernel does not tell, without
    /// CAP_SYSLOG or with `kernel.kptr_restrict`.
    #[must_use]
    pub fn function(&self, address: u64) -> Option<&str> {
        self.symbols.get_or_init(Symbols::running).find(address)
    }
}

fn namespace() -> std::io::Result<u32> {
    let inode = fs::metadata("/proc/self/ns/net")?.ino();
    u32::try_from(inode).map_err(std::io::Error::other)
}

fn reasons(types: &Types<'_>) -> Vec<(u32, String)> {
    const PREFIX: &str = "SKB_DROP_REASON_";
    let numbers = types.numbers("skb_drop_reason").into_iter();
    numbers
        .map(|(number, name)| (number, name.strip_prefix(PREFIX).unwrap_or(name).to_owned()))
        .collect()
}

/// The kernel's functions by their addresses.
#[derive(Default)]
struct Symbols(Vec<(u64, String)>);

impl Symbols {
    fn running() -> Self {
        Self::read(&fs::read_to_string("/proc/kallsyms").unwrap_or_default())
    }

    fn read(table: &str) -> Self {
        let functions = table.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            let is_function = matches!(words.next()?, "t" | "T" | "w" | "W");
            let name = words.next()?;
            (is_function && address != 0).then(|| (address, name.to_owned()))
        });
        let mut all: Vec<_> = functions.collect();
        all.sort_unstable_by_key(|(address, _)| *address);
        Self(all)
    }

    fn find(&self, address: u64) -> Option<&str> {
        let behind = self.0.partition_point(|(start, _)| *start <= address);
        let (_, name) = self.0.get(behind.checked_sub(1)?)?;
        Some(name)
    }
}

/// What a reason of the kernel's means for an advert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meaning {
    /// In JSON: stable, lower case.
    pub label: &'static str,
    /// What a person reads.
    pub words: &'static str,
    /// Whether only a copy went that was nobody's advert: a socket whose own filter
    /// does not want it, somebody who listens to everything.
    pub is_copy: bool,
}

/// Of the names of reasons, those that mean something for an advert. Some drivers give
/// none for what an XDP program drops: their function tells.
#[must_use]
pub fn meaning(reason: &str, function: &str) -> Meaning {
    let (label, words) = match reason {
        "NOT_SPECIFIED" if function.contains("xdp") => ("xdp", "an XDP program drops it"),
        "NOT_SPECIFIED" if function.starts_with("ip_rcv_finish") || function == "ip6_mc_input" => (
            "no_member",
            "the kernel does not route it to this host: nobody here is in its group",
        ),
        "NETFILTER_DROP" => ("netfilter", "netfilter: a rule of nft or iptables drops it"),
        "SOCKET_RCVBUFF" => (
            "receive_buffer",
            "the receive buffer of a socket is full: whoever listens does not read",
        ),
        "IP_RPFILTER" => (
            "reverse_path",
            "reverse path filter (rp_filter): no route back to its source by this interface",
        ),
        "IP_CSUM" | "SKB_CSUM" => ("checksum", "its IP checksum is wrong"),
        "NO_SOCKET" | "IP_NOPROTO" => ("no_socket", "no socket: nobody listens for VRRP here"),
        "XDP" => ("xdp", "an XDP program drops it"),
        "TC_INGRESS" | "TC_EGRESS" => ("tc", "a tc or TCX program drops it"),
        "OTHERHOST" => ("other_host", "sent to another host's MAC"),
        "IP_LOCAL_SOURCE" => ("own_source", "its source is an address of this host"),
        "IP_INVALID_SOURCE" | "IP_INADDRERRORS" | "IP_INVALID_DEST" => (
            "address",
            "the kernel has no use for its addresses: not in the group, or an impossible source",
        ),
        "IP_INNOROUTES" => ("no_route", "no route to its destination"),
        "IP_INHDR" | "PKT_TOO_SMALL" | "HDR_TRUNC" => ("malformed", "its IP header is malformed"),
        "CPU_BACKLOG" => (
            "backlog",
            "the processor's backlog is full (netdev_max_backlog)",
        ),
        "SECURITY_HOOK" => ("security", "a security module forbids it"),
        "IPV6DISABLED" => ("ipv6_disabled", "IPv6 is disabled on this interface"),
        "QDISC_DROP" | "QDISC_OVERLIMIT" | "QDISC_CONGESTED" => {
            ("queue", "the interface's queue is full")
        }
        "XFRM_POLICY" => ("ipsec", "an IPsec policy forbids it"),
        "SOCKET_FILTER" => (
            "socket_filter",
            "a socket's own filter does not want its copy",
        ),
        "PACKET_SOCK_ERROR" => ("sniffer", "the copy of somebody who listens to everything"),
        _ => ("other", "the kernel dropped it"),
    };
    Meaning {
        label,
        words,
        is_copy: matches!(label, "socket_filter" | "sniffer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_belongs_to_the_function_before_it() {
        let table = "0000000000001000 T first\n\
                     0000000000003000 t third\t[module]\n\
                     0000000000002000 T second\n\
                     0000000000002800 d data\n";
        let symbols = Symbols::read(table);
        assert_eq!(symbols.find(0x0fff), None);
        assert_eq!(symbols.find(0x1000), Some("first"));
        assert_eq!(symbols.find(0x2fff), Some("second"));
        assert_eq!(symbols.find(u64::MAX), Some("third"));
    }

    #[test]
    fn a_kernel_that_hides_its_addresses_tells_no_function() {
        let symbols = Symbols::read("0000000000000000 T first\n0000000000000000 T second\n");
        assert_eq!(symbols.find(0x1000), None);
    }

    #[test]
    fn reasons_that_are_not_known_keep_their_names() {
        let kernel = Kernel::with_reasons(&[(12, "NETFILTER_DROP")]);
        assert_eq!(kernel.reason(12), "NETFILTER_DROP");
        assert_eq!(kernel.reason(13), "reason 13");
        let label = |reason, function| meaning(reason, function).label;
        assert_eq!(label("NETFILTER_DROP", "nft_do_chain"), "netfilter");
        assert_eq!(label("SOMETHING_NEW", ""), "other");
        assert_eq!(label("NOT_SPECIFIED", "veth_xdp_rcv_skb"), "xdp");
        assert_eq!(label("NOT_SPECIFIED", "ip_rcv_finish_core"), "no_member");
        let is_copy = |reason| meaning(reason, "").is_copy;
        assert!(is_copy("SOCKET_FILTER") && !is_copy("SOCKET_RCVBUFF"));
    }
}
