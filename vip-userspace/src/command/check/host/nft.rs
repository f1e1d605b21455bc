//! What a ruleset of nftables does with one packet, found by going through it.
//!
//! Rules that look at what is not known of the packet (its sender, counts, sets of
//! another kind) leave a doubt; the answer says so instead of guessing.

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::Value;

/// Calls of chains within chains.
const DEEPEST: usize = 16;
/// Rules that are looked at for one packet.
const MOST_RULES: usize = 20_000;

/// A ruleset, as `nft --json list ruleset` prints it.
#[derive(Default)]
pub(super) struct Ruleset {
    chains: Vec<Chain>,
    /// By family, table and chain; each rule's statements in order.
    rules: HashMap<Key, Vec<Vec<Value>>>,
    /// By family, table and name.
    sets: HashMap<Key, Vec<Value>>,
}

type Key = (String, String, String);

/// A chain; only those with a hook see packets by themselves.
pub(super) struct Chain {
    pub(super) family: String,
    table: String,
    name: String,
    pub(super) hook: Option<String>,
    drops: bool,
}

impl Chain {
    /// Its name for people.
    pub(super) fn title(&self) -> String {
        format!("{} {} {}", self.family, self.table, self.name)
    }
}

/// The packet that is sent through the rules in thought.
#[derive(Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) what: What,
    /// The interface it comes in by.
    pub(super) input: Option<&'a str>,
    /// The interface it goes out by.
    pub(super) output: Option<&'a str>,
}

/// Kinds of packets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// An advert to this group, or this peer.
    Advert(IpAddr),
    /// Somebody asks for an address.
    ArpRequest,
    /// The answer.
    ArpReply,
    /// Somebody asks for an IPv6 address.
    Solicitation,
    /// The answer.
    Advertisement,
}

impl What {
    /// Whether it is a packet of neighbour discovery.
    const fn is_discovery(self) -> bool {
        matches!(self, Self::Solicitation | Self::Advertisement)
    }

    /// Whether it is an IPv6 packet.
    const fn is_ipv6(self) -> bool {
        self.is_discovery() || matches!(self, Self::Advert(IpAddr::V6(_)))
    }
}

/// What becomes of a packet in a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It passes.
    Passes,
    /// It is dropped or rejected.
    Dropped,
    /// It cannot be told from outside.
    Unknown,
}

impl Ruleset {
    /// Reads the document; nothing if it is none.
    pub(super) fn read(document: &Value) -> Option<Self> {
        let mut ruleset = Self::default();
        for object in document.get("nftables")?.as_array()? {
            if let Some(chain) = object.get("chain") {
                ruleset.chains.push(Chain {
                    family: text(chain, "family"),
                    table: text(chain, "table"),
                    name: text(chain, "name"),
                    hook: chain.get("hook").and_then(Value::as_str).map(Into::into),
                    drops: text(chain, "policy") == "drop",
                });
            } else if let Some(rule) = object.get("rule") {
                let statements = rule.get("expr").and_then(Value::as_array);
                let rules = ruleset.rules.entry(key(rule, "chain")).or_default();
                rules.push(statements.cloned().unwrap_or_default());
            } else if let Some(set) = object.get("set") {
                let elements = set.get("elem").and_then(Value::as_array);
                let elements = elements.cloned().unwrap_or_default();
                ruleset.sets.insert(key(set, "name"), elements);
            }
        }
        Some(ruleset)
    }

    /// The chains with a hook, each seen by packets on its own.
    pub(super) fn hooked(&self) -> impl Iterator<Item = &Chain> {
        self.chains.iter().filter(|chain| chain.hook.is_some())
    }

    /// What becomes of a packet in one of them.
    pub(super) fn fate(&self, chain: &Chain, packet: Packet<'_>) -> Fate {
        let mut walk = Walk {
            ruleset: self,
            packet,
            family: &chain.family,
            table: &chain.table,
            looked_at: 0,
            perhaps_passes: false,
            perhaps_dropped: false,
        };
        let drops = match walk.chain(&chain.name, true, 0) {
            Flow::Verdict { drops } => drops,
            Flow::Ends => chain.drops,
            Flow::Lost => return Fate::Unknown,
        };
        match (drops, walk.perhaps_passes, walk.perhaps_dropped) {
            (true, false, _) => Fate::Dropped,
            (false, _, false) => Fate::Passes,
            (true, true, _) | (false, _, true) => Fate::Unknown,
        }
    }
}

fn text(object: &Value, name: &str) -> String {
    let text = object.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn key(object: &Value, name: &str) -> Key {
    (
        text(object, "family"),
        text(object, "table"),
        text(object, name),
    )
}

/// How a chain was left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// With a verdict that ends the walk.
    Verdict { drops: bool },
    /// At its end, or by `return`.
    Ends,
    /// The ruleset is too large or too deep to be followed.
    Lost,
}

/// What a statement does.
enum Step<'a> {
    Verdict {
        drops: bool,
    },
    Call {
        chain: &'a str,
        returns: bool,
    },
    Return,
    /// Goes on if this holds; `None` if that cannot be told.
    If(Option<bool>),
}

struct Walk<'a> {
    ruleset: &'a Ruleset,
    packet: Packet<'a>,
    family: &'a str,
    table: &'a str,
    looked_at: usize,
    /// What rules would do of which it is not known whether they match.
    perhaps_passes: bool,
    perhaps_dropped: bool,
}

impl<'a> Walk<'a> {
    /// Follows the packet through a chain. Without `certain` it may not come here
    /// at all, and verdicts are only doubts.
    fn chain(&mut self, name: &str, certain: bool, depth: usize) -> Flow {
        if depth > DEEPEST {
            return Flow::Lost;
        }
        let key = (
            self.family.to_owned(),
            self.table.to_owned(),
            name.to_owned(),
        );
        let rules = self.ruleset.rules.get(&key).map_or(&[][..], Vec::as_slice);
        for rule in rules {
            self.looked_at += 1;
            if self.looked_at > MOST_RULES {
                return Flow::Lost;
            }
            if let Some(flow) = self.rule(rule, certain, depth) {
                return flow;
            }
        }
        Flow::Ends
    }

    /// One rule; `None` if the next one follows.
    fn rule(&mut self, statements: &'a [Value], certain: bool, depth: usize) -> Option<Flow> {
        let mut certain = certain;
        for statement in statements {
            let step = self.step(statement);
            match step {
                Step::If(Some(true)) => {}
                Step::If(Some(false)) => return None,
                Step::If(None) => certain = false,
                Step::Return if certain => return Some(Flow::Ends),
                Step::Return => return None,
                Step::Verdict { drops } if certain => return Some(Flow::Verdict { drops }),
                Step::Verdict { drops: true } => {
                    self.perhaps_dropped = true;
                    return None;
                }
                Step::Verdict { drops: false } => {
                    self.perhaps_passes = true;
                    return None;
                }
                Step::Call { chain, returns } => {
                    return match self.chain(chain, certain, depth + 1) {
                        Flow::Ends if returns || !certain => None,
                        flow @ (Flow::Verdict { .. } | Flow::Ends | Flow::Lost) => Some(flow),
                    };
                }
            }
        }
        None
    }

    fn step(&self, statement: &'a Value) -> Step<'a> {
        let Some((word, body)) = statement.as_object().and_then(|one| one.iter().next()) else {
            return Step::If(None);
        };
        match word.as_str() {
            "match" => Step::If(self.matches(body)),
            "vmap" => self.verdict_map(body),
            // These change or count, and let the rule go on.
            "counter" | "log" | "mangle" | "notrack" | "comment" | "set" | "ct helper"
            | "ct timeout" | "flow" | "dup" => Step::If(Some(true)),
            _ => verdict(word, body).unwrap_or(Step::If(None)),
        }
    }

    /// The verdict that a map has for this packet.
    fn verdict_map(&self, body: &'a Value) -> Step<'a> {
        let value = body.get("key").and_then(|key| self.value(key));
        let pairs = body
            .get("data")
            .and_then(|data| data.get("set"))
            .and_then(Value::as_array);
        let (Some(value), Some(pairs)) = (value, pairs) else {
            return Step::If(None);
        };
        for pair in pairs {
            let (Some(key), Some(found)) = (pair.get(0), pair.get(1)) else {
                return Step::If(None);
            };
            match self.equal(&value, key) {
                Some(false) => {}
                None => return Step::If(None),
                Some(true) => {
                    let found = found.as_object().and_then(|one| one.iter().next());
                    let found = found.and_then(|(word, body)| verdict(word, body));
                    return found.unwrap_or(Step::If(None));
                }
            }
        }
        Step::If(Some(false))
    }

    /// Whether a comparison holds; `None` if it cannot be told.
    fn matches(&self, body: &Value) -> Option<bool> {
        let left = body.get("left")?;
        let right = body.get("right")?;
        if let Some(holds) = self.is_of_another_protocol(left) {
            return holds;
        }
        if let Some(state) = left.get("ct")
            && state.get("key").and_then(Value::as_str) == Some("state")
        {
            return connection_state(self.packet.what, right);
        }
        let equal = self.equal(&self.value(left)?, right)?;
        match body.get("op").and_then(Value::as_str)? {
            "==" | "in" => Some(equal),
            "!=" => Some(!equal),
            _ => None,
        }
    }

    /// A look at a field that this packet does not have never holds.
    fn is_of_another_protocol(&self, left: &Value) -> Option<Option<bool>> {
        let protocol = left.get("payload")?.get("protocol")?.as_str()?;
        let has = match self.packet.what {
            What::Advert(IpAddr::V4(_)) => matches!(protocol, "ip" | "ether"),
            What::Advert(IpAddr::V6(_)) => matches!(protocol, "ip6" | "ether"),
            What::ArpRequest | What::ArpReply => matches!(protocol, "arp" | "ether"),
            What::Solicitation | What::Advertisement => {
                matches!(protocol, "ip6" | "icmpv6" | "ether")
            }
        };
        (!has).then_some(Some(false))
    }

    /// What the packet has where a rule looks.
    fn value(&self, left: &Value) -> Option<Known> {
        if let Some(meta) = left.get("meta") {
            return self.meta(meta.get("key")?.as_str()?);
        }
        let payload = left.get("payload")?;
        let protocol = payload.get("protocol")?.as_str()?;
        let field = payload.get("field")?.as_str()?;
        let what = self.packet.what;
        match (what, protocol, field) {
            (_, "ip" | "ip6", "protocol" | "nexthdr") => Some(Known::words(self.transport()?)),
            (_, "ip", "version") => Some(Known::words(&["4"])),
            (_, "ip6", "version") => Some(Known::words(&["6"])),
            (_, "ip", "ttl") | (_, "ip6", "hoplimit") => Some(Known::words(&["255"])),
            (What::Advert(group), "ip" | "ip6", "daddr") => Some(Known::Address(group)),
            (What::Advert(_) | What::Solicitation | What::Advertisement, "ether", "type") => {
                Some(Known::words(self.network()))
            }
            (What::Solicitation, "icmpv6", "type") => {
                Some(Known::words(&["nd-neighbor-solicit", "135"]))
            }
            (What::Advertisement, "icmpv6", "type") => {
                Some(Known::words(&["nd-neighbor-advert", "136"]))
            }
            (What::ArpRequest, "arp", "operation") => Some(Known::words(&["request", "1"])),
            (What::ArpReply, "arp", "operation") => Some(Known::words(&["reply", "2"])),
            (What::ArpRequest | What::ArpReply, "ether", "type") => {
                Some(Known::words(&["arp", "0x0806", "2054"]))
            }
            _ => None,
        }
    }

    /// The protocol above IP.
    fn transport(&self) -> Option<&'static [&'static str]> {
        match self.packet.what {
            What::Advert(_) => Some(&["vrrp", "112"]),
            What::Solicitation | What::Advertisement => Some(&["ipv6-icmp", "icmpv6", "58"]),
            What::ArpRequest | What::ArpReply => None,
        }
    }

    /// What an Ethernet frame says of its contents.
    fn network(&self) -> &'static [&'static str] {
        match self.packet.what {
            What::ArpRequest | What::ArpReply => &["arp", "0x0806", "2054"],
            What::Advert(IpAddr::V4(_)) => &["ip", "0x0800", "2048"],
            What::Advert(IpAddr::V6(_)) | What::Solicitation | What::Advertisement => {
                &["ip6", "0x86dd", "34525"]
            }
        }
    }

    fn meta(&self, key: &str) -> Option<Known> {
        let group = match self.packet.what {
            What::Advert(group) => group.is_multicast(),
            What::ArpRequest | What::ArpReply | What::Solicitation | What::Advertisement => false,
        };
        let interface = |name: Option<&str>| name.map(|name| Known::Interface(name.to_owned()));
        match key {
            "iifname" | "iif" => interface(self.packet.input),
            "oifname" | "oif" => interface(self.packet.output),
            "l4proto" => Some(Known::words(self.transport()?)),
            "nfproto" if self.packet.what.is_ipv6() => Some(Known::words(&["ipv6", "10"])),
            "nfproto" => self.transport().map(|_| Known::words(&["ipv4", "2"])),
            "protocol" => Some(Known::words(self.network())),
            "pkttype" if group => Some(Known::words(&["multicast", "2"])),
            _ => None,
        }
    }

    fn equal(&self, value: &Known, right: &Value) -> Option<bool> {
        match right {
            Value::Array(all) => any(all.iter().map(|one| self.equal(value, one))),
            Value::String(word) => match word.strip_prefix('@') {
                Some(set) => {
                    let key = (
                        self.family.to_owned(),
                        self.table.to_owned(),
                        set.to_owned(),
                    );
                    let elements = self.ruleset.sets.get(&key)?;
                    any(elements.iter().map(|one| self.equal(value, one)))
                }
                None => value.is(word),
            },
            Value::Number(number) => value.is(&number.to_string()),
            Value::Object(object) => {
                let (word, body) = object.iter().next()?;
                match word.as_str() {
                    "set" => self.equal(value, body),
                    "elem" => self.equal(value, body.get("val")?),
                    "prefix" => value.is_within(body),
                    "range" => value.is_between(body),
                    _ => None,
                }
            }
            Value::Null | Value::Bool(_) => None,
        }
    }
}

/// The verdict that a word stands for.
fn verdict<'a>(word: &str, body: &'a Value) -> Option<Step<'a>> {
    let target = || body.get("target").and_then(Value::as_str);
    match word {
        "accept" => Some(Step::Verdict { drops: false }),
        "drop" | "reject" => Some(Step::Verdict { drops: true }),
        "return" => Some(Step::Return),
        "continue" => Some(Step::If(Some(true))),
        "jump" => Some(Step::Call {
            chain: target()?,
            returns: true,
        }),
        "goto" => Some(Step::Call {
            chain: target()?,
            returns: false,
        }),
        _ => None,
    }
}

/// An advert begins a connection that nobody ever answers; neighbour discovery is
/// not tracked.
fn connection_state(what: What, right: &Value) -> Option<bool> {
    let state = |one: &Value| match one.as_str()? {
        "new" => Some(!what.is_discovery()),
        "untracked" if what.is_discovery() => Some(true),
        "established" | "related" | "invalid" => Some(false),
        _ => None,
    };
    let list = right.get("set").unwrap_or(right);
    match list.as_array() {
        Some(all) => any(all.iter().map(state)),
        None => state(list),
    }
}

/// Whether one holds, where some may not be known.
fn any(all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(false);
    for one in all {
        match one {
            Some(true) => return Some(true),
            Some(false) => {}
            None => result = None,
        }
    }
    result
}

/// A value of the packet.
enum Known {
    /// Whatever it may be written as.
    Words(Vec<String>),
    Address(IpAddr),
    Interface(String),
}

impl Known {
    fn words(words: &[&str]) -> Self {
        Self::Words(words.iter().map(ToString::to_string).collect())
    }

    fn is(&self, word: &str) -> Option<bool> {
        match self {
            Self::Words(words) => {
                let same = words.iter().any(|known| known.eq_ignore_ascii_case(word));
                Some(same)
            }
            Self::Address(address) => {
                let other = word.parse::<IpAddr>().ok()?;
                Some(*address == other)
            }
            Self::Interface(name) => Some(match word.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == word,
            }),
        }
    }

    fn is_within(&self, prefix: &Value) -> Option<bool> {
        let Self::Address(address) = self else {
            return None;
        };
        let network = prefix.get("addr")?.as_str()?.parse::<IpAddr>().ok()?;
        let length = u32::try_from(prefix.get("len")?.as_u64()?).ok()?;
        match (address, network) {
            (IpAddr::V4(address), IpAddr::V4(network)) => {
                let hosts = u32::MAX.checked_shr(length).unwrap_or(0);
                Some((address.to_bits() ^ network.to_bits()) & !hosts == 0)
            }
            (IpAddr::V6(address), IpAddr::V6(network)) => {
                let hosts = u128::MAX.checked_shr(length).unwrap_or(0);
                Some((address.to_bits() ^ network.to_bits()) & !hosts == 0)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Some(false),
        }
    }

    fn is_between(&self, range: &Value) -> Option<bool> {
        let end = |index: usize| range.get(index);
        match self {
            Self::Address(address) => {
                let end = |index| end(index)?.as_str()?.parse::<IpAddr>().ok();
                Some((end(0)?..=end(1)?).contains(address))
            }
            Self::Words(words) => {
                let number = words.iter().find_map(|word| word.parse::<u64>().ok())?;
                let end = |index| end(index)?.as_u64();
                Some((end(0)?..=end(1)?).contains(&number))
            }
            Self::Interface(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GROUP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(224, 0, 0, 18));

    /// What becomes of an advert that comes in by eth0, in a chain of these rules.
    fn fate(policy: &str, rules: &[Value]) -> Fate {
        fate_of(What::Advert(GROUP), policy, rules)
    }

    fn fate_of(what: What, policy: &str, rules: &[Value]) -> Fate {
        let mut all = vec![
            json!({"chain": {"family": "inet", "table": "t", "name": "c", "hook": "input", "policy": policy}}),
            json!({"chain": {"family": "inet", "table": "t", "name": "sub"}}),
            json!({"set": {"family": "inet", "table": "t", "name": "groups", "elem": ["224.0.0.1", {"elem": {"val": "224.0.0.18"}}]}}),
            json!({"rule": {"family": "inet", "table": "t", "chain": "sub", "expr": [
                equals(payload("ip", "protocol"), json!("vrrp")), {"counter": {"packets": 0}}, {"reject": {}}]}}),
        ];
        for rule in rules {
            all.push(json!({"rule": {"family": "inet", "table": "t", "chain": "c", "expr": rule}}));
        }
        let ruleset = Ruleset::read(&json!({"nftables": all})).unwrap();
        let chain = ruleset.hooked().next().unwrap();
        let packet = Packet {
            what,
            input: Some("eth0"),
            output: None,
        };
        ruleset.fate(chain, packet)
    }

    fn payload(protocol: &str, field: &str) -> Value {
        json!({"payload": {"protocol": protocol, "field": field}})
    }

    fn meta(key: &str) -> Value {
        json!({"meta": {"key": key}})
    }

    fn equals(left: Value, right: Value) -> Value {
        json!({"match": {"op": "==", "left": left, "right": right}})
    }

    #[test]
    fn the_policy_counts_where_no_rule_does() {
        assert_eq!(fate("accept", &[]), Fate::Passes);
        assert_eq!(fate("drop", &[]), Fate::Dropped);
        let ssh = json!([equals(payload("tcp", "dport"), json!(22)), {"accept": null}]);
        assert_eq!(fate("drop", &[ssh]), Fate::Dropped);
    }

    #[test]
    fn what_is_accepted_by_any_of_its_marks_passes() {
        for test in [
            equals(payload("ip", "protocol"), json!("vrrp")),
            equals(payload("ip", "protocol"), json!(112)),
            equals(meta("l4proto"), json!({"set": ["icmp", "vrrp"]})),
            equals(payload("ip", "daddr"), json!("224.0.0.18")),
            equals(
                payload("ip", "daddr"),
                json!({"prefix": {"addr": "224.0.0.0", "len": 24}}),
            ),
            equals(
                payload("ip", "daddr"),
                json!({"range": ["224.0.0.1", "224.0.0.20"]}),
            ),
            equals(payload("ip", "daddr"), json!("@groups")),
            equals(meta("iifname"), json!("eth*")),
            equals(meta("pkttype"), json!("multicast")),
            json!({"match": {"op": "!=", "left": meta("iifname"), "right": "lo"}}),
            json!({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["new", "established"]}}),
        ] {
            let rule = json!([test, {"counter": {"packets": 1}}, {"accept": null}]);
            assert_eq!(
                fate("drop", std::slice::from_ref(&rule)),
                Fate::Passes,
                "{rule}"
            );
        }
    }

    #[test]
    fn adverts_over_ipv6_have_fields_of_their_own() {
        let advert = What::Advert("ff02::12".parse().unwrap());
        let passes = |test: &Value| {
            let rule = json!([test, {"accept": null}]);
            fate_of(advert, "drop", &[rule]) == Fate::Passes
        };
        for test in [
            equals(payload("ip6", "nexthdr"), json!("vrrp")),
            equals(payload("ip6", "daddr"), json!("ff02::12")),
            equals(
                payload("ip6", "daddr"),
                json!({"prefix": {"addr": "ff00::", "len": 8}}),
            ),
            equals(
                payload("ip6", "daddr"),
                json!({"range": ["ff02::1", "ff02::ffff"]}),
            ),
            equals(payload("ip6", "hoplimit"), json!(255)),
            equals(meta("nfproto"), json!("ipv6")),
            equals(meta("protocol"), json!("ip6")),
            equals(meta("l4proto"), json!(112)),
        ] {
            assert!(passes(&test), "{test}");
        }
        for test in [
            equals(payload("ip", "protocol"), json!("vrrp")),
            equals(payload("icmpv6", "type"), json!("nd-neighbor-solicit")),
            equals(meta("nfproto"), json!("ipv4")),
            equals(
                payload("ip6", "daddr"),
                json!({"prefix": {"addr": "fe80::", "len": 10}}),
            ),
        ] {
            assert!(!passes(&test), "{test}");
        }
    }

    #[test]
    fn questions_for_an_address_are_neighbour_discovery() {
        let kinds = json!({"set": ["nd-neighbor-solicit", "nd-router-advert"]});
        let solicits = equals(payload("icmpv6", "type"), kinds);
        let untracked =
            json!({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "untracked"}});
        let all = equals(meta("l4proto"), json!("ipv6-icmp"));
        for (test, solicitation, advertisement) in [
            (solicits, Fate::Passes, Fate::Dropped),
            (untracked, Fate::Passes, Fate::Passes),
            (all, Fate::Passes, Fate::Passes),
        ] {
            let rule = [json!([test, {"accept": null}])];
            assert_eq!(fate_of(What::Solicitation, "drop", &rule), solicitation);
            assert_eq!(fate_of(What::Advertisement, "drop", &rule), advertisement);
        }
        let new =
            json!({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["new"]}});
        let rule = [json!([new, {"accept": null}])];
        assert_eq!(fate_of(What::Solicitation, "drop", &rule), Fate::Dropped);
    }

    #[test]
    fn what_is_about_others_does_not_count() {
        for test in [
            equals(payload("ip", "protocol"), json!({"set": ["tcp", "udp"]})),
            equals(payload("ip6", "nexthdr"), json!("vrrp")),
            equals(meta("iif"), json!("lo")),
            equals(payload("ip", "daddr"), json!("224.0.0.1")),
            json!({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}),
        ] {
            let rule = json!([test, {"accept": null}]);
            assert_eq!(
                fate("drop", std::slice::from_ref(&rule)),
                Fate::Dropped,
                "{rule}"
            );
        }
    }

    #[test]
    fn chains_are_followed_and_come_back() {
        let jump = json!([{"jump": {"target": "sub"}}]);
        assert_eq!(fate("accept", std::slice::from_ref(&jump)), Fate::Dropped);
        let map = json!([{"vmap": {"key": meta("iifname"), "data": {"set": [
            ["eth1", {"accept": null}], ["eth0", {"jump": {"target": "sub"}}]]}}}]);
        assert_eq!(fate("accept", &[map]), Fate::Dropped);
        let before = json!([equals(meta("l4proto"), json!(112)), {"accept": null}]);
        assert_eq!(fate("drop", &[before, jump]), Fate::Passes);
        let back = json!([{"return": null}]);
        let never = json!([{"drop": null}]);
        assert_eq!(fate("accept", &[back, never]), Fate::Passes);
    }

    #[test]
    fn a_doubt_is_told_as_one() {
        let sender = equals(payload("ip", "saddr"), json!("192.0.2.7"));
        let maybe = |verdict: Value| json!([sender, verdict]);
        assert_eq!(
            fate("drop", &[maybe(json!({"accept": null}))]),
            Fate::Unknown
        );
        assert_eq!(
            fate("accept", &[maybe(json!({"drop": null}))]),
            Fate::Unknown
        );
        // A doubt about what happens anyway is none.
        assert_eq!(fate("drop", &[maybe(json!({"drop": null}))]), Fate::Dropped);
        assert_eq!(
            fate("accept", &[maybe(json!({"accept": null}))]),
            Fate::Passes
        );
        let old = json!([{"xt": {"type": "match", "name": "recent"}}, {"drop": null}]);
        assert_eq!(fate("accept", &[old]), Fate::Unknown);
    }

    #[test]
    fn a_chain_that_calls_itself_ends() {
        let document = json!({"nftables": [
            {"chain": {"family": "ip", "table": "t", "name": "c", "hook": "input", "policy": "accept"}},
            {"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [{"jump": {"target": "c"}}]}},
        ]});
        let ruleset = Ruleset::read(&document).unwrap();
        let packet = Packet {
            what: What::Advert(GROUP),
            input: Some("eth0"),
            output: None,
        };
        let chain = ruleset.hooked().next().unwrap();
        assert_eq!(ruleset.fate(chain, packet), Fate::Unknown);
    }
}
