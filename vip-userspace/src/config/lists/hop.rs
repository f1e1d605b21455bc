//! One way of a route: its gateway, its interface, what packets are put into.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::diag::{Finding, nearest, quoted};
use super::super::lex::Token;
use super::names::{Kind, Names, Number};
use super::network::Family;
use super::words::Words;

/// One of several ways of a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hop {
    /// `via`: the gateway.
    pub via: Option<IpAddr>,
    /// `dev`: the interface it leaves by.
    pub device: Option<Token>,
    /// `weight`: its share of the load, 1 to 256; 1 where none is given.
    pub weight: u16,
    /// `onlink`: the gateway is taken for a neighbour whatever its address.
    pub on_link: bool,
    /// `encap`: what its packets are put into.
    pub encap: Option<Encap>,
    /// `realms`.
    pub realms: Option<Realms>,
}

/// The realms of a route or rule: `[FROM/]TO`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Realms {
    /// The realm it comes from, if one is given.
    pub from: Option<Number>,
    /// The realm it goes to.
    pub to: Number,
}

/// What packets of a route are put into.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Encap {
    /// An IPv4 header.
    Ip(IpEncap<Ipv4Addr>),
    /// An IPv6 header.
    Ip6(IpEncap<Ipv6Addr>),
    /// MPLS labels of 20 bits, outermost first.
    Mpls(Vec<u32>),
    /// The locator of Identifier Locator Addressing, which replaces the upper
    /// half of the address.
    Ila(u64),
}

/// The header of a tunnel; what is not given is chosen by the tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpEncap<A> {
    /// `id`: the key of the tunnel.
    pub id: Option<u64>,
    /// `dst`: where it leads.
    pub destination: Option<A>,
    /// `src`: where it begins.
    pub source: Option<A>,
    /// `tos`, or `tc`: the value of the DS field.
    pub traffic_class: Option<u8>,
    /// `ttl`, or `hoplimit`.
    pub hop_limit: Option<u8>,
    /// `flags`.
    pub flags: Option<u16>,
}

impl<A> Default for IpEncap<A> {
    fn default() -> Self {
        Self {
            id: None,
            destination: None,
            source: None,
            traffic_class: None,
            hop_limit: None,
            flags: None,
        }
    }
}

/// Labels that the kernel puts on one packet.
const MOST_LABELS: usize = 30;
const LARGEST_LABEL: u32 = (1 << 20) - 1;

/// Reads `[inet|inet6] IP` behind `via` and `or`.
pub(super) fn gateway(word: &Token, words: &mut Words<'_, '_>) -> Option<IpAddr> {
    let said = match words.peek().map(|next| &*next.text) {
        Some("inet") => Some(Family::V4),
        Some("inet6") => Some(Family::V6),
        _ => None,
    };
    if said.is_some() {
        words.next();
    }
    let at = words.peek().map_or(word.span, |value| value.span);
    let gateway = words.address(word)?;
    if let Some(said) = said.filter(|said| *said != Family::of(gateway)) {
        words.error(at, format!("{gateway} is not {said}"));
        return None;
    }
    Some(gateway)
}

/// Reads what follows `nexthop`, up to the next one. `None` leaves the route out.
pub(super) fn hop(word: &Token, names: &Names, words: &mut Words<'_, '_>) -> Option<Hop> {
    let mut hop = Hop {
        via: None,
        device: None,
        weight: 1,
        on_link: false,
        encap: None,
        realms: None,
    };
    while let Some(next) = words.peek() {
        match &*next.text {
            "via" => {
                hop.via = words
                    .next()
                    .and_then(|word| gateway(word, words))
                    .map(Some)?
            }
            "dev" | "oif" => {
                hop.device = words.next().and_then(|word| words.device(word)).map(Some)?;
            }
            "weight" => {
                let weight = words.next().and_then(|word| words.whole(word, 1..=256))?;
                hop.weight = u16::try_from(weight).ok()?;
            }
            "onlink" => hop.on_link = words.next().is_some(),
            "encap" => hop.encap = words.next().and_then(|word| encap(word, words)).map(Some)?,
            "realms" => {
                hop.realms = words
                    .next()
                    .and_then(|word| realms(word, names, words))
                    .map(Some)?;
            }
            _ => break,
        }
    }
    if hop.via.is_none() && hop.device.is_none() {
        words.sink.add(
            Finding::error(word.span, "this `nexthop` leads nowhere")
                .help("add `via IP` or `dev IF`; the kernel refuses the route otherwise"),
        );
        return None;
    }
    Some(hop)
}

/// Reads `[FROM/]TO` behind `realms`.
pub(super) fn realms(word: &Token, names: &Names, words: &mut Words<'_, '_>) -> Option<Realms> {
    let value = words.value(word)?;
    let mut one = |text: &str| {
        let part = Token {
            text: text.into(),
            ..value.clone()
        };
        names.parse(Kind::Realm, &part, words.sink)
    };
    Some(match value.text.split_once('/') {
        Some((from, to)) => Realms {
            from: Some(one(from)?),
            to: one(to)?,
        },
        None => Realms {
            from: None,
            to: one(&value.text)?,
        },
    })
}

/// Reads what follows `encap`.
pub(super) fn encap(word: &Token, words: &mut Words<'_, '_>) -> Option<Encap> {
    const KINDS: [&str; 4] = ["ip", "ip6", "mpls", "ila"];
    let kind = words.value(word)?;
    match &*kind.text {
        "ip" => ip(words, "tos", "ttl").map(Encap::Ip),
        "ip6" => ip(words, "tc", "hoplimit").map(Encap::Ip6),
        "mpls" => {
            let value = words.value(kind)?;
            let labels: Option<Vec<u32>> = value
                .text
                .split('/')
                .map(|label| label.parse().ok().filter(|label| *label <= LARGEST_LABEL))
                .collect();
            let labels = labels.filter(|labels| labels.len() <= MOST_LABELS);
            if labels.is_none() {
                words.wrong(kind, value, "labels of 0 to 1048575, as 100/200");
            }
            labels.map(Encap::Mpls)
        }
        "ila" => {
            let value = words.value(kind)?;
            let locator = locator(&value.text);
            if locator.is_none() {
                words.wrong(kind, value, "a locator, as 2001:db8:0:1");
            }
            locator.map(Encap::Ila)
        }
        text => {
            let finding = Finding::error(
                kind.span,
                format!("{} is not a kind of encapsulation", quoted(text)),
            );
            words.sink.add(match nearest(text, KINDS.into_iter()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help("there are `ip`, `ip6`, `mpls` and `ila`"),
            });
            None
        }
    }
}

/// The header of a tunnel: everything up to a word that does not belong to it.
fn ip<A: std::str::FromStr>(
    words: &mut Words<'_, '_>,
    class: &str,
    limit: &str,
) -> Option<IpEncap<A>> {
    let mut header = IpEncap::default();
    while let Some(next) = words.peek() {
        let text = &*next.text;
        if !matches!(text, "id" | "dst" | "src" | "flags") && text != class && text != limit {
            break;
        }
        words.next();
        match text {
            "id" => {
                let value = words.value(next)?;
                let Ok(id) = value.text.parse() else {
                    words.wrong(next, value, "a whole number");
                    return None;
                };
                header.id = Some(id);
            }
            "dst" | "src" => {
                let value = words.value(next)?;
                let Ok(address) = value.text.parse() else {
                    words.wrong(next, value, "an address of the tunnel's family");
                    return None;
                };
                if text == "dst" {
                    header.destination = Some(address);
                } else {
                    header.source = Some(address);
                }
            }
            "flags" => {
                let flags = words.whole(next, 0..=u16::MAX.into())?;
                header.flags = u16::try_from(flags).ok();
            }
            text if text == class => header.traffic_class = Some(words.u8(next)?),
            _ => header.hop_limit = Some(words.u8(next)?),
        }
    }
    Some(header)
}

/// Four groups of hexadecimal digits.
fn locator(text: &str) -> Option<u64> {
    let mut locator = 0;
    let mut groups = text.split(':');
    for _ in 0..4 {
        let group = groups.next()?;
        let plain = group.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = u16::from_str_radix(group, 16).ok().filter(|_| plain)?;
        locator = locator << 16 | u64::from(bits);
    }
    groups.next().is_none().then_some(locator)
}
