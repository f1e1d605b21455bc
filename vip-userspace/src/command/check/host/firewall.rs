//! Rules that would bite: the daemon's own ear and voice are outside of most of
//! them, other programs' are not.
//!
//! Our ear, on every rung, comes before the chains that see IP packets, and our
//! frames go out past them. What can bite us: chains of the bridge family where the
//! interface is a bridge, chains at the ingress of a device below it, and those of
//! the arp family, which keep the kernel from answering for the address.

use std::io::ErrorKind;
use std::process::{Command, Stdio};

use super::Report;
use super::nft::{Chain, Fate, Packet, Ruleset, What};
use crate::config::{Instance, Severity};
use crate::kernel::Link;

/// The rules of this network namespace.
pub(super) struct Rules {
    nft: Result<Ruleset, String>,
    /// Tables of the older iptables, whose rules cannot be asked for.
    legacy: Vec<String>,
}

impl Rules {
    /// Asks for them.
    pub(super) fn ask() -> Self {
        let tables = |program: &str, file: &str| -> Vec<String> {
            let path = format!("/proc/thread-self/net/{file}");
            let tables = std::fs::read_to_string(path).unwrap_or_default();
            let tables = tables.lines();
            tables.map(|table| format!("{program} {table}")).collect()
        };
        let mut legacy = tables("iptables", "ip_tables_names");
        legacy.extend(tables("ip6tables", "ip6_tables_names"));
        Self {
            nft: list(),
            legacy,
        }
    }
}

fn list() -> Result<Ruleset, String> {
    let listed = Command::new("nft")
        .args(["--json", "--stateless", "list", "ruleset"])
        .stdin(Stdio::null())
        .output();
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err("nft is not found".to_owned());
        }
        Err(error) => return Err(format!("nft cannot be started: {error}")),
    };
    if !listed.status.success() {
        let said = String::from_utf8_lossy(&listed.stderr);
        let first = said.lines().next().unwrap_or("nft failed");
        return Err(first.trim().to_owned());
    }
    let document = serde_json::from_slice(&listed.stdout).ok();
    let ruleset = document.as_ref().and_then(Ruleset::read);
    ruleset.ok_or_else(|| "nft printed no ruleset".to_owned())
}

/// Says which chains would bite on an interface.
pub(super) fn judge(report: &mut Report<'_>, instance: &Instance, link: &Link, rules: &Rules) {
    let not_looked_at = "whether a firewall bites was not looked at";
    match &rules.nft {
        Err(why) => {
            let message = format!("the firewall cannot be asked: {why}");
            report.once(Severity::Note, message, not_looked_at);
        }
        Ok(ruleset) => {
            for chain in ruleset.hooked() {
                for (severity, message, help) in bites(ruleset, chain, instance, link) {
                    report.of(severity, instance, "interface", message, &help);
                }
            }
        }
    }
    if !rules.legacy.is_empty() {
        let message = format!(
            "there are rules of the older kind ({}), which cannot be judged here",
            rules.legacy.join(", ")
        );
        let help = "they do not disturb vip; a keepalived on this host needs 224.0.0.18, with IPv6 ff02::12, and protocol 112 let through";
        report.once(Severity::Note, message, help);
    }
}

/// What a chain does to us or to others.
fn bites(
    ruleset: &Ruleset,
    chain: &Chain,
    instance: &Instance,
    link: &Link,
) -> Vec<(Severity, String, String)> {
    let name = link.name.as_str();
    let packet = |what, incoming: bool| Packet {
        what,
        input: incoming.then_some(name),
        output: (!incoming).then_some(name),
    };
    let fate = |what, incoming| ruleset.fate(chain, packet(what, incoming));
    let advert = What::Advert(instance.group);
    let title = chain.title();
    let Some(hook) = chain.hook.as_deref() else {
        return Vec::new();
    };
    let is_bridge = link.kind.as_deref() == Some("bridge");
    let lies_on_others = link.kind.as_deref().is_some_and(|kind| kind != "veth");
    let say = |fate: Fate, does: &str, severity: Severity, help: &str| {
        let severity = match fate {
            Fate::Passes => return None,
            Fate::Dropped => severity,
            Fate::Unknown => Severity::Note,
        };
        let verb = match fate {
            Fate::Unknown => "may drop",
            Fate::Passes | Fate::Dropped => "drops",
        };
        let message = format!("chain {title} (nftables) {verb} {does} {name}");
        Some((severity, message, help.to_owned()))
    };
    let table = title.rsplit_once(' ').map_or("", |(table, _)| table);
    let (own, is_vrrp) = if instance.is_ipv6() {
        ("ip6", "ip6 nexthdr vrrp")
    } else {
        ("ip", "ip protocol vrrp")
    };
    let accept = format!("nft insert rule {title} {is_vrrp} accept");
    let discovery = |what, incoming: bool, does: &str, kind: &str| {
        let fate = if instance.is_ipv6() {
            fate(what, incoming)
        } else {
            Fate::Passes
        };
        let help = format!(
            "nobody gets an answer for the address then: nft insert rule {title} icmpv6 type {kind} accept"
        );
        say(fate, does, Severity::Warning, &help)
    };
    // Chains of the other family see none of it.
    let family = match chain.family.as_str() {
        family if family == own => "inet",
        "ip" | "ip6" => return Vec::new(),
        family => family,
    };
    let (adverts, questions) = match (family, hook) {
        ("inet", "prerouting" | "input") => (
            say(
                fate(advert, true),
                "adverts that come in by",
                Severity::Note,
                &format!("vip hears them before; keepalived on this host would be deaf: {accept}"),
            ),
            discovery(
                What::Solicitation,
                true,
                "neighbour solicitations that come in by",
                "nd-neighbor-solicit",
            ),
        ),
        ("inet", "output" | "postrouting") => (
            say(
                fate(advert, false),
                "adverts that go out by",
                Severity::Note,
                &format!("vip speaks past it; keepalived on this host would be silent: {accept}"),
            ),
            discovery(
                What::Advertisement,
                false,
                "neighbour advertisements that go out by",
                "nd-neighbor-advert",
            ),
        ),
        ("inet" | "netdev", "ingress") if lies_on_others => (
            say(
                fate(advert, true),
                "adverts at the ingress of a device, perhaps one below",
                Severity::Warning,
                &format!("below the interface it is before vip's ear; let adverts pass: {accept}"),
            ),
            None,
        ),
        ("inet" | "netdev", "ingress") => (
            say(
                fate(advert, true),
                "adverts at the ingress of a device, perhaps",
                Severity::Note,
                "vip hears them before",
            ),
            None,
        ),
        ("arp", _) if instance.is_ipv6() => (None, None),
        ("arp", "input") => (
            None,
            say(
                fate(What::ArpRequest, true),
                "ARP requests on",
                Severity::Warning,
                &format!(
                    "the kernel does not answer for the address then; see nft list table {table}"
                ),
            ),
        ),
        ("arp", "output") => (
            None,
            say(
                fate(What::ArpReply, false),
                "ARP replies on",
                Severity::Warning,
                &format!("nobody gets an answer for the address then; see nft list table {table}"),
            ),
        ),
        ("bridge", "prerouting" | "input") if is_bridge => (
            say(
                fate(advert, true),
                "adverts that come in by the bridge",
                Severity::Warning,
                &format!("a bridge's chains are before vip's ear: {accept}"),
            ),
            None,
        ),
        ("bridge", "output" | "postrouting") if is_bridge => (
            say(
                fate(advert, false),
                "adverts that go out by the bridge",
                Severity::Warning,
                &format!("a bridge's chains are behind vip's voice: {accept}"),
            ),
            None,
        ),
        _ => (None, None),
    };
    adverts.into_iter().chain(questions).collect()
}
