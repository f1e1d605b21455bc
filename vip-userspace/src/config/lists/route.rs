//! Lines of routes: `[inet|inet6] [TYPE] [to] DESTINATION [via GATEWAY] [dev IF] …`

use std::net::IpAddr;

use super::super::diag::{Finding, Sink, nearest, quoted};
use super::super::lex::Token;
use super::super::source::Span;
use super::hop::{self, Encap, Hop, Realms};
use super::metric::{self, Metric};
use super::names::{Kind, Names, Number};
use super::network::{Family, Network};
use super::words::Words;

/// A route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteLine {
    /// Where to.
    pub destination: Network,
    /// Of what kind it is.
    pub kind: RouteType,
    /// Where the line stands.
    pub span: Span,
    /// `src`: the source address that is preferred on it.
    pub source: Option<IpAddr>,
    /// `from`: the sources it is for; IPv6 only.
    pub from: Option<Network>,
    /// `via`: the gateway.
    pub via: Option<IpAddr>,
    /// `or`: gateways that share the load with `via`.
    pub alternatives: Vec<IpAddr>,
    /// `dev`: the interface it leaves by.
    pub device: Option<Token>,
    /// `onlink`: the gateway is taken for a neighbour whatever its address.
    pub on_link: bool,
    /// `tos`: the value of the DS field it is for.
    pub tos: Option<Number>,
    /// `table`: the table it stands in; main where none is named.
    pub table: Option<Number>,
    /// `vrf`: the VRF whose table it stands in.
    pub vrf: Option<Token>,
    /// `protocol`: who made it; vip (118) where nobody is named.
    pub protocol: Option<Number>,
    /// `scope`: how far it reaches.
    pub scope: Option<Number>,
    /// `metric`: which of several routes goes first; the lowest does.
    pub metric: Option<u32>,
    /// `expires`: seconds that it lasts; IPv6 only.
    pub expires: Option<u32>,
    /// `mtu`, `rtt` and the like, in the order of the line.
    pub metrics: Vec<Metric>,
    /// `features ecn`.
    pub ecn: bool,
    /// `congctl`: the algorithm of congestion control, and whether it is locked.
    pub congestion: Option<(Token, bool)>,
    /// `pref`: how much the router is preferred; IPv6 only.
    pub preference: Option<Preference>,
    /// `ttl-propagate`: whether MPLS takes the time to live along.
    pub ttl_propagate: Option<bool>,
    /// `realms`.
    pub realms: Option<Realms>,
    /// `encap`: what its packets are put into.
    pub encap: Option<Encap>,
    /// `nexthop`: several ways that share the load.
    pub hops: Vec<Hop>,
    /// Where it goes among routes that match the same.
    pub order: Order,
    /// `no_track`: it may be deleted without any consequence.
    pub no_track: bool,
    /// `track_group`, in `static_routes` only: whom its loss concerns.
    pub track_group: Option<Token>,
}

/// Of what kind a route is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "as iproute2 and the kernel name them")]
pub enum RouteType {
    Unicast,
    Local,
    Broadcast,
    Anycast,
    Multicast,
    Blackhole,
    Unreachable,
    Prohibit,
    Throw,
    Nat,
    Xresolve,
    /// One that has only a number.
    Other(u8),
}

impl RouteType {
    const NAMED: [(&'static str, Self); 12] = [
        ("unicast", Self::Unicast),
        ("local", Self::Local),
        ("broadcast", Self::Broadcast),
        ("brd", Self::Broadcast),
        ("anycast", Self::Anycast),
        ("multicast", Self::Multicast),
        ("blackhole", Self::Blackhole),
        ("unreachable", Self::Unreachable),
        ("prohibit", Self::Prohibit),
        ("throw", Self::Throw),
        ("nat", Self::Nat),
        ("xresolve", Self::Xresolve),
    ];

    fn named(word: &str) -> Option<Self> {
        let named = Self::NAMED.iter().find(|(name, _)| *name == word);
        named.map(|(_, kind)| *kind)
    }

    /// As the kernel numbers it: RTN_UNICAST and so on.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Unicast => 1,
            Self::Local => 2,
            Self::Broadcast => 3,
            Self::Anycast => 4,
            Self::Multicast => 5,
            Self::Blackhole => 6,
            Self::Unreachable => 7,
            Self::Prohibit => 8,
            Self::Throw => 9,
            Self::Nat => 10,
            Self::Xresolve => 11,
            Self::Other(number) => number,
        }
    }

    /// The word for a number, where it is not the usual one.
    pub(in super::super) fn name_of(number: u8) -> Option<&'static str> {
        let mut others = Self::NAMED.iter().skip(1);
        let named = others.find(|(_, kind)| kind.number() == number);
        named.map(|(name, _)| *name)
    }

    /// Whether packets go anywhere.
    fn forwards(self) -> bool {
        !matches!(
            self,
            Self::Blackhole | Self::Unreachable | Self::Prohibit | Self::Throw
        )
    }
}

/// Where a route goes among those that match the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// In front of them, as the kernel does by itself.
    Prepend,
    /// Behind them.
    Append,
    /// Only if there is none.
    Add,
}

/// How much a router is preferred (RFC 4191).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "they say it")]
pub enum Preference {
    Low,
    Medium,
    High,
}

/// What may stand in a route, but for the types and the metrics.
pub(in super::super) const KEYWORDS: [&str; 33] = [
    "to",
    "src",
    "via",
    "gw",
    "from",
    "tos",
    "dsfield",
    "table",
    "vrf",
    "protocol",
    "scope",
    "metric",
    "priority",
    "preference",
    "dev",
    "oif",
    "onlink",
    "encap",
    "expires",
    "realms",
    "features",
    "congctl",
    "pref",
    "ttl-propagate",
    "add",
    "prepend",
    "append",
    "or",
    "nexthop",
    "no_track",
    "track_group",
    "inet",
    "inet6",
];

/// Reads one line; `fixed` in `static_routes`.
pub(in super::super) fn parse(
    words: &[Token],
    fixed: bool,
    names: &Names,
    sink: &mut Sink,
) -> Option<RouteLine> {
    let (first, last) = (words.first()?, words.last()?);
    let mut words = Words::new(words, sink)?;
    let mut draft = Draft {
        line: RouteLine {
            destination: Network::all(Family::V4),
            kind: RouteType::Unicast,
            span: first.span.to(last.span),
            source: None,
            from: None,
            via: None,
            alternatives: Vec::new(),
            device: None,
            on_link: false,
            tos: None,
            table: None,
            vrf: None,
            protocol: None,
            scope: None,
            metric: None,
            expires: None,
            metrics: Vec::new(),
            ecn: false,
            congestion: None,
            preference: None,
            ttl_propagate: None,
            realms: None,
            encap: None,
            hops: Vec::new(),
            order: Order::Prepend,
            no_track: false,
            track_group: None,
        },
        fixed,
        names,
        order: None,
        to: None,
        family: None,
        typed: None,
        only_ipv4: None,
        only_ipv6: None,
    };
    while let Some(word) = words.next() {
        draft.word(word, &mut words)?;
    }
    draft.finish(&mut words)
}

/// A route that is being read.
struct Draft<'t, 'n> {
    line: RouteLine,
    fixed: bool,
    names: &'n Names,
    order: Option<Order>,
    /// The destination, and where it stands; an inner `None` for all of the
    /// family.
    to: Option<(Option<Network>, &'t Token)>,
    /// The family that was seen first, and where.
    family: Option<(Family, &'t Token)>,
    typed: Option<&'t Token>,
    /// A word that only IPv4 knows.
    only_ipv4: Option<&'t Token>,
    /// A word that only IPv6 knows.
    only_ipv6: Option<&'t Token>,
}

impl<'t> Draft<'t, '_> {
    /// Reads one keyword and what belongs to it; `None` leaves the route out.
    fn word(&mut self, word: &'t Token, words: &mut Words<'t, '_>) -> Option<()> {
        let text = &*word.text;
        if KEYWORDS.contains(&text) && !matches!(text, "or" | "nexthop" | "inet" | "inet6") {
            words.once(word);
        }
        match text {
            "inet" => self.is_of(Family::V4, word, words)?,
            "inet6" => self.is_of(Family::V6, word, words)?,
            "to" => {
                let value = words.value(word)?;
                self.destination(value, words)?;
            }
            "src" => {
                let source = words.address(word)?;
                self.is_of(Family::of(source), word, words)?;
                self.line.source = Some(source);
            }
            "via" | "gw" => {
                if text == "gw" {
                    outdated(word, "`via`", words);
                }
                self.line.via = Some(self.gateway(word, words)?);
            }
            "or" => {
                outdated(word, "`nexthop via IP` for each gateway", words);
                let gateway = self.gateway(word, words)?;
                self.line.alternatives.push(gateway);
            }
            "from" => {
                let value = words.value(word)?;
                let network = Network::parse(value, words)?;
                if network.family() == Family::V4 {
                    words.error(value.span, "only an IPv6 route has a `from`");
                    return None;
                }
                self.is_of(Family::V6, word, words)?;
                self.line.from = Some(network);
            }
            "dev" | "oif" => self.line.device = Some(words.device(word)?),
            "tos" | "dsfield" => self.line.tos = Some(self.number(Kind::DsField, word, words)?),
            "table" => self.line.table = Some(self.number(Kind::Table, word, words)?),
            "protocol" => self.line.protocol = Some(self.number(Kind::Protocol, word, words)?),
            "scope" => self.line.scope = Some(self.number(Kind::Scope, word, words)?),
            "vrf" => self.line.vrf = Some(words.device(word)?),
            "metric" | "priority" | "preference" => self.line.metric = Some(words.u32(word)?),
            "expires" => {
                self.only_ipv6 = Some(word);
                self.line.expires = Some(words.u32(word)?);
            }
            "pref" => {
                self.only_ipv6 = Some(word);
                let value = words.value(word)?;
                self.line.preference = Some(match &*value.text {
                    "low" => Preference::Low,
                    "medium" => Preference::Medium,
                    "high" => Preference::High,
                    _ => {
                        words.wrong(word, value, "`low`, `medium` or `high`");
                        return None;
                    }
                });
            }
            "onlink" => self.line.on_link = true,
            "realms" => {
                self.only_ipv4 = Some(word);
                self.line.realms = Some(hop::realms(word, self.names, words)?);
            }
            "encap" => self.line.encap = Some(hop::encap(word, words)?),
            "features" => {
                let value = words.value(word)?;
                if &*value.text == "ecn" {
                    self.line.ecn = true;
                } else {
                    words.wrong(word, value, "`ecn`");
                }
            }
            "congctl" => {
                let locked = words.take("lock").is_some();
                self.line.congestion = Some((words.value(word)?.clone(), locked));
            }
            "ttl-propagate" => {
                let value = words.value(word)?;
                self.line.ttl_propagate = Some(match &*value.text {
                    "enabled" => true,
                    "disabled" => false,
                    _ => {
                        words.wrong(word, value, "`enabled` or `disabled`");
                        return None;
                    }
                });
            }
            "add" => self.order = Some(Order::Add),
            "prepend" => self.order = Some(Order::Prepend),
            "append" => self.order = Some(Order::Append),
            "no_track" => self.line.no_track = true,
            "track_group" if self.fixed => self.line.track_group = Some(words.value(word)?.clone()),
            "track_group" => {
                words.sink.add(
                    Finding::error(word.span, "`track_group` has no place here")
                        .help("a route that moves is tracked by its own instance; it is left out, as in keepalived"),
                );
                return None;
            }
            "nexthop" => {
                let hop = hop::hop(word, self.names, words)?;
                if let Some(gateway) = hop.via {
                    self.is_of(Family::of(gateway), word, words)?;
                }
                self.line.hops.push(hop);
            }
            text => {
                if let Some(metric) = metric::read(word, words) {
                    words.once(word);
                    self.line.metrics.push(metric?);
                } else if let Some(kind) = self.type_of(text, words) {
                    self.line.kind = kind;
                    self.typed = Some(word);
                } else {
                    self.destination(word, words)?;
                }
            }
        }
        if !self.line.hops.is_empty()
            && let Some(extra) = words.peek().filter(|next| &*next.text != "nexthop")
        {
            words.sink.add(
                Finding::error(
                    extra.span,
                    format!(
                        "{} behind a `nexthop` belongs to nothing",
                        quoted(&extra.text)
                    ),
                )
                .help("what is for the whole route stands before the first `nexthop`"),
            );
            return None;
        }
        Some(())
    }

    /// The type that a word names, before a destination is known.
    fn type_of(&self, text: &str, words: &Words<'_, '_>) -> Option<RouteType> {
        if self.typed.is_some() || self.to.is_some() {
            return None;
        }
        // A number alone is a type if something follows it.
        let number = || words.peek().and_then(|_| text.parse().ok());
        RouteType::named(text).or_else(|| number().map(RouteType::Other))
    }

    fn number(&self, kind: Kind, word: &Token, words: &mut Words<'t, '_>) -> Option<Number> {
        let value = words.value(word)?;
        self.names.parse(kind, value, words.sink)
    }

    fn gateway(&mut self, word: &'t Token, words: &mut Words<'t, '_>) -> Option<IpAddr> {
        let gateway = hop::gateway(word, words)?;
        self.is_of(Family::of(gateway), word, words)?;
        Some(gateway)
    }

    fn destination(&mut self, word: &'t Token, words: &mut Words<'t, '_>) -> Option<()> {
        let network = if matches!(&*word.text, "default" | "any" | "all") {
            None
        } else if Network::looks_like(&word.text) || self.to.is_none() && is_intended(&word.text) {
            let network = Network::parse(word, words)?;
            self.is_of(network.family(), word, words)?;
            Some(network)
        } else {
            unknown(word, words);
            return None;
        };
        if let Some((_, first)) = self.to {
            words.sink.add(
                Finding::warning(
                    word.span,
                    "this route has two destinations; the last one counts",
                )
                .help("each route stands on a line of its own")
                .see(first.span, "the first"),
            );
        }
        self.to = Some((network, word));
        Some(())
    }

    /// Says where IPv4 and IPv6 meet in one route.
    fn is_of(&mut self, family: Family, word: &'t Token, words: &mut Words<'t, '_>) -> Option<()> {
        match self.family {
            Some((known, first)) if known != family => {
                words.sink.add(
                    Finding::error(word.span, "this route mixes IPv4 and IPv6")
                        .help("it is left out, as in keepalived")
                        .see(first.span, format!("this is {known}")),
                );
                None
            }
            Some(_) => Some(()),
            None => {
                self.family = Some((family, word));
                Some(())
            }
        }
    }

    fn finish(mut self, words: &mut Words<'_, '_>) -> Option<RouteLine> {
        let family = self.family.map_or(Family::V4, |(family, _)| family);
        let span = self.line.span;
        let Some((network, _)) = self.to else {
            words.sink.add(
                Finding::error(span, "this route has no destination")
                    .help("write a network, or `default`; it is left out, as in keepalived"),
            );
            return None;
        };
        self.line.destination = network.unwrap_or_else(|| Network::all(family));
        // As in keepalived.
        let usual = if self.line.kind == RouteType::Unicast {
            Order::Prepend
        } else {
            Order::Add
        };
        self.line.order = self.order.unwrap_or(usual);
        let (foreign, other) = match family {
            Family::V4 => (self.only_ipv6, Family::V6),
            Family::V6 => (self.only_ipv4, Family::V4),
        };
        if let Some(word) = foreign {
            words.error(
                word.span,
                format!("only an {other} route has {}", quoted(&word.text)),
            );
            return None;
        }
        if !self.line.alternatives.is_empty() && !self.line.hops.is_empty() {
            words.sink.add(
                Finding::error(span, "`or` and `nexthop` exclude each other")
                    .help("write `nexthop via IP` for each gateway"),
            );
            return None;
        }
        let line = &self.line;
        if line.kind.forwards()
            && line.device.is_none()
            && line.via.is_none()
            && line.alternatives.is_empty()
            && line.hops.is_empty()
            && line.encap.is_none()
        {
            words.sink.add(
                Finding::warning(span, "this route leads nowhere")
                    .help("add `dev IF` or `via IP`; the kernel refuses it otherwise"),
            );
        }
        Some(self.line)
    }
}

/// Whether somebody may have meant this as an address.
fn is_intended(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_hexdigit()) && text.contains(['.', ':', '/'])
}

fn outdated(word: &Token, instead: &str, words: &mut Words<'_, '_>) {
    words.sink.add(
        Finding::warning(
            word.span,
            format!("{} is outdated in a route", quoted(&word.text)),
        )
        .help(format!("write {instead}")),
    );
}

fn unknown(word: &Token, words: &mut Words<'_, '_>) {
    let finding = Finding::error(
        word.span,
        format!("unknown word {} in a route", quoted(&word.text)),
    );
    let types = RouteType::NAMED.iter().map(|(name, _)| *name);
    let known = KEYWORDS.into_iter().chain(metric::words()).chain(types);
    words.sink.add(match &*word.text {
        "proto" => finding.help("it is written out: `protocol`"),
        "replace" | "change" => finding.help("there are `add`, `prepend` and `append`"),
        text => match nearest(text, known) {
            Some(near) => finding.help(format!("did you mean `{near}`? (the route is left out)")),
            None => finding.help("the route is left out, as in keepalived"),
        },
    });
}
