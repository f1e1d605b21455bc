//! Nodes that are spoken to one by one.

use super::super::diag::{Finding, Sink};
use super::super::estate::{OldChecksum, Peer, Unicast};
use super::super::section::Setting;
use super::super::value::Value;
use super::company::{given, switch};
use super::globals::Globals;
use super::instance::Draft;

/// Time to live of adverts to peers. keepalived leaves that of IPv6 to the kernel,
/// which says 64; who looks at it wants 255 (RFC 9568 section 5.1.2.3).
const USUAL_TTL: u8 = 255;

impl Draft<'_> {
    fn speaks_to_peers(&self) -> bool {
        let given =
            |setting: &Setting| !matches!(&setting.value, Value::Peers(peers) if peers.is_empty());
        self.section.all("unicast_peer").any(given)
    }

    /// Tells what says something about peers where there are none: such an instance
    /// speaks to its group, as in keepalived.
    pub(super) fn tell_without_peers(&mut self, sink: &mut Sink) {
        if self.speaks_to_peers() {
            return;
        }
        for name in [
            "unicast_src_ip",
            "unicast_ttl",
            "check_unicast_src",
            "old_unicast_checksum",
        ] {
            if let Some(setting) = self.section.last(name) {
                sink.add(
                    Finding::warning(
                        setting.span,
                        format!("`{name}` without `unicast_peer`: adverts go to the group"),
                    )
                    .help("list the other nodes in `unicast_peer { … }`, or write `mcast_src_ip`"),
                );
            }
        }
        if self.section.last("unicast_fault_no_peer").is_some() {
            self.never("it has no unicast peer (`unicast_fault_no_peer`)");
        }
    }

    /// The peers; none where it speaks to a group.
    pub(super) fn unicast(
        &mut self,
        strict: bool,
        globals: &Globals,
        sink: &mut Sink,
    ) -> Option<Unicast> {
        if !self.speaks_to_peers() {
            return None;
        }
        let section = self.section;
        let ipv6 = self.is_ipv6();
        let asked = switch(section, "check_unicast_src");
        let mut check_source = asked.unwrap_or(globals.check_unicast_src);
        let mut peers: Vec<Peer> = Vec::new();
        for setting in section.all("unicast_peer") {
            let Value::Peers(lines) = &setting.value else {
                continue;
            };
            if strict && !lines.is_empty() {
                sink.add(
                    Finding::warning(setting.span, "the RFC of strict mode knows no unicast")
                        .help("vip and keepalived up to 2.2 speak to the peers all the same; later ones speak to the group"),
                );
            }
            for line in lines {
                if line.address.is_ipv6() != ipv6 {
                    let (speaks, other) = if ipv6 {
                        ("IPv6", "IPv4")
                    } else {
                        ("IPv4", "IPv6")
                    };
                    let message = format!(
                        "peer {} is {other}, but the instance speaks {speaks}",
                        line.address
                    );
                    sink.add(Finding::error(line.span, message).help(
                        "it is left out, as in keepalived; it belongs to an instance of its own",
                    ));
                    continue;
                }
                if peers.iter().any(|peer| peer.address == line.address) {
                    sink.add(
                        Finding::warning(
                            line.span,
                            format!("peer {} stands here twice", line.address),
                        )
                        .help("it gets each advert once"),
                    );
                    continue;
                }
                check_source |= line.min_ttl.is_some() || line.max_ttl.is_some();
                peers.push(Peer {
                    address: line.address,
                    min_ttl: line.min_ttl.unwrap_or(0),
                    max_ttl: line.max_ttl.unwrap_or(u8::MAX),
                });
            }
        }
        if let Some((own, span)) = self.source
            && let Some(at) = peers.iter().position(|peer| peer.address == own)
            && peers.len() > 1
        {
            sink.add(
                Finding::warning(span, format!("{own} is among its own peers"))
                    .help("nothing is sent to it; keepalived does"),
            );
            peers.remove(at);
        }
        if peers.is_empty() {
            // To speak to the group instead would be heard by whom nobody meant.
            self.never("none of its unicast peers can be used");
        }
        Some(Unicast {
            peers,
            ttl: given(section, "unicast_ttl")
                .and_then(Value::whole)
                .unwrap_or(USUAL_TTL),
            check_source,
            old_checksum: match given(section, "old_unicast_checksum") {
                None => OldChecksum::Auto,
                Some(Value::Choice("never")) => OldChecksum::Never,
                Some(_) => OldChecksum::Always,
            },
        })
    }
}
