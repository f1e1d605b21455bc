//! The addresses of an instance: of one family, and as many as an advert
//! holds.

use std::collections::HashMap;
use std::net::IpAddr;

use vip_common::ids::Version;

use super::super::diag::{Finding, Sink, quoted};
use super::super::source::Span;
use super::instance::Draft;

/// Addresses that one advert can carry (RFC 9568 section 5.2.5).
const MOST_ADVERTISED: usize = 255;
/// IPv6 addresses that fit behind the headers into 1500 bytes.
const MOST_ADVERTISED_V6: usize = (1500 - 40 - 8) / 16;

impl Draft<'_> {
    /// Leaves out what is not of the instance's family.
    pub(super) fn one_family(&mut self, sink: &mut Sink) {
        let ipv6 = self.is_ipv6();
        let (speaks, other) = if ipv6 {
            ("IPv6", "IPv4")
        } else {
            ("IPv4", "IPv6")
        };
        let first = self.addresses.first().map(|line| line.span);
        self.addresses.retain(|line| {
            let same = line.address.is_ipv6() == ipv6;
            if !same {
                let mut finding = Finding::error(
                    line.span,
                    format!("{} is {other}, but the instance's first address is {speaks}", line.address),
                );
                if let Some(first) = first {
                    finding = finding.see(first, "the first address is here");
                }
                sink.add(finding.help(
                    "it is left out, as in keepalived; write it in `virtual_ipaddress_excluded`, or in an instance of its own",
                ));
            }
            same
        });
        for given in [&mut self.source, &mut self.group] {
            if let Some((address, span)) = *given
                && address.is_ipv6() != ipv6
            {
                sink.add(
                    Finding::error(
                        span,
                        format!("{address} is {other}, but the instance speaks {speaks}"),
                    )
                    .help("the line is skipped"),
                );
                *given = None;
            }
        }
    }

    /// Says what is odd about the list, and takes out what an advert cannot hold.
    pub(super) fn check_addresses(
        &mut self,
        version: Version,
        strict: bool,
        unicast: bool,
        sink: &mut Sink,
    ) {
        let name = quoted(&self.name.text);
        let at = self.name.span;
        self.tell_twice(sink);
        if let (false, Some(line)) = (unicast, self.addresses.first())
            && let IpAddr::V6(first) = line.address
            && !first.is_unicast_link_local()
        {
            sink.add(
                Finding::warning(
                    line.span,
                    "the first address of an IPv6 instance is to be link-local",
                )
                .help(
                    "so RFC 9568 section 5.2.9 and keepalived say; write fe80::… before the others",
                ),
            );
        }
        let most = if self.is_ipv6() {
            MOST_ADVERTISED_V6
        } else {
            MOST_ADVERTISED
        };
        if let Some(line) = self.addresses.get(most) {
            let surplus = self.addresses.len() - most;
            sink.add(Finding::warning(
                line.span,
                format!(
                    "an advert holds {most} addresses: from here on, {surplus} move with the others but are not advertised"
                ),
            ));
            let surplus = self.addresses.split_off(most);
            self.excluded.splice(0..0, surplus);
        }
        if self.addresses.is_empty() && self.unusable.is_none() && !self.without_addresses {
            if version == Version::V3 || strict {
                sink.add(
                    Finding::error(at, format!("instance {name} has no virtual address")).help(
                        "add one in `virtual_ipaddress { … }`; keepalived does not start without",
                    ),
                );
                self.never("it has no virtual address");
            } else {
                sink.add(Finding::warning(
                    at,
                    format!(
                        "instance {name} has no virtual address: it takes part and holds nothing"
                    ),
                ));
            }
        }
    }

    /// Tells which addresses stand here twice. They stay: keepalived's adverts list
    /// them twice, and its backups refuse an advert with another list.
    fn tell_twice(&mut self, sink: &mut Sink) {
        let mut seen: HashMap<IpAddr, Span> = HashMap::new();
        for line in self.addresses.iter().chain(&self.excluded) {
            if let Some(first) = seen.insert(line.address, line.span) {
                sink.add(
                    Finding::warning(line.span, format!("{} stands here twice", line.address))
                        .see(first, "first given here")
                        .help("adverts list it twice, as keepalived's do; it is installed once"),
                );
            }
        }
    }
}
