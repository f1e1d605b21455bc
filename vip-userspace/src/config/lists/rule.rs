//! Lines of rules: `[not] from X to Y … table T preference N`

use super::super::diag::{Finding, Sink, nearest, quoted};
use super::super::lex::Token;
use super::super::source::Span;
use super::hop::{self, Realms};
use super::names::{Kind, Names, Number, number_of};
use super::network::{Family, Network};
use super::words::Words;

/// A rule: which packets, and what is done with them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleLine {
    /// What is done.
    pub action: Action,
    /// IPv4 or IPv6; IPv4 where nothing on the line says.
    pub family: Family,
    /// Where the line stands.
    pub span: Span,
    /// `not`: it is for all packets but these.
    pub inverted: bool,
    /// `from`: the sources; all where none is given.
    pub from: Option<Network>,
    /// `to`: the destinations; all where none is given.
    pub to: Option<Network>,
    /// `iif`: the interface they come in by.
    pub input: Option<Token>,
    /// `oif`: the interface that the socket is bound to.
    pub output: Option<Token>,
    /// `tos`: the value of the DS field.
    pub tos: Option<Number>,
    /// `fwmark`: the mark and its mask.
    pub mark: Option<(u32, u32)>,
    /// `uidrange`: who sends, first and last.
    pub users: Option<(u32, u32)>,
    /// `tunnel-id`: the key of the tunnel.
    pub tunnel: Option<u64>,
    /// `ipproto`: the protocol above IP.
    pub protocol: Option<u8>,
    /// `sport`: source ports, first and last.
    pub source_ports: Option<(u16, u16)>,
    /// `dport`: destination ports, first and last.
    pub destination_ports: Option<(u16, u16)>,
    /// `suppress_prefixlength`: routes with a prefix as short as this, or
    /// shorter, do not count.
    pub suppress_prefix: Option<u8>,
    /// `suppress_ifgroup`: routes by interfaces of this group do not count.
    pub suppress_group: Option<Number>,
    /// `realms`.
    pub realms: Option<Realms>,
    /// `preference`: the lowest goes first; keepalived finds one where none is
    /// given.
    pub preference: Option<u32>,
    /// `protocol`: who made it; vip (118) where nobody is named.
    pub made_by: Option<Number>,
    /// `no_track`: it may be deleted without any consequence.
    pub no_track: bool,
    /// `track_group`, in `static_rules` only: whom its loss concerns.
    pub track_group: Option<Token>,
}

/// What a rule does with its packets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// `table`: this table is looked into.
    Table(Number),
    /// `l3mdev`: the table of the VRF is looked into.
    VrfTable,
    /// `goto`: the rule with this preference is next.
    Goto(u32),
    /// `nop`: nothing.
    Nop,
    /// `blackhole`: they are dropped.
    Blackhole,
    /// `unreachable`: they are dropped, and the sender is told.
    Unreachable,
    /// `prohibit`: they are dropped, and the sender is told that this is wanted.
    Prohibit,
}

/// What may stand in a rule.
pub(in super::super) const KEYWORDS: [&str; 37] = [
    "inet",
    "inet6",
    "not",
    "from",
    "to",
    "iif",
    "dev",
    "oif",
    "tos",
    "dsfield",
    "fwmark",
    "l3mdev",
    "uidrange",
    "tunnel-id",
    "ipproto",
    "ip_proto",
    "sport",
    "dport",
    "table",
    "lookup",
    "suppress_prefixlength",
    "sup_pl",
    "suppress_ifgroup",
    "sup_group",
    "preference",
    "order",
    "priority",
    "realms",
    "protocol",
    "goto",
    "nop",
    "type",
    "blackhole",
    "unreachable",
    "prohibit",
    "no_track",
    "track_group",
];

/// Protocols above IP by name, as most hosts know them.
const PROTOCOLS: [(&str, u8); 16] = [
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("tcp", 6),
    ("egp", 8),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("sctp", 132),
];

/// Reads one line; `fixed` in `static_rules`.
pub(in super::super) fn parse(
    words: &[Token],
    fixed: bool,
    names: &Names,
    sink: &mut Sink,
) -> Option<RuleLine> {
    let (first, last) = (words.first()?, words.last()?);
    let mut words = Words::new(words, sink)?;
    let mut draft = Draft {
        line: RuleLine {
            action: Action::Nop,
            family: Family::V4,
            span: first.span.to(last.span),
            inverted: false,
            from: None,
            to: None,
            input: None,
            output: None,
            tos: None,
            mark: None,
            users: None,
            tunnel: None,
            protocol: None,
            source_ports: None,
            destination_ports: None,
            suppress_prefix: None,
            suppress_group: None,
            realms: None,
            preference: None,
            made_by: None,
            no_track: false,
            track_group: None,
        },
        fixed,
        names,
        family: None,
        action: None,
        only_table: None,
    };
    while let Some(word) = words.next() {
        draft.word(word, &mut words)?;
    }
    draft.finish(&mut words)
}

/// A rule that is being read.
struct Draft<'t, 'n> {
    line: RuleLine,
    fixed: bool,
    names: &'n Names,
    /// The family that was seen first, and where.
    family: Option<(Family, &'t Token)>,
    action: Option<(Action, &'t Token)>,
    /// A word that is for the look into a table.
    only_table: Option<&'t Token>,
}

impl<'t> Draft<'t, '_> {
    /// Reads one keyword and what belongs to it; `None` leaves the rule out.
    fn word(&mut self, word: &'t Token, words: &mut Words<'t, '_>) -> Option<()> {
        let text = &*word.text;
        if KEYWORDS.contains(&text) && !is_action(text) {
            words.once(word);
        }
        match text {
            "inet" => self.is_of(Family::V4, word, words)?,
            "inet6" => self.is_of(Family::V6, word, words)?,
            "not" => self.line.inverted = true,
            "from" => self.line.from = self.network(word, words)?,
            "to" => self.line.to = self.network(word, words)?,
            "iif" | "dev" => self.line.input = Some(words.device(word)?),
            "oif" => self.line.output = Some(words.device(word)?),
            "tos" | "dsfield" => self.line.tos = Some(self.number(Kind::DsField, word, words)?),
            "fwmark" => self.line.mark = Some(mark(word, words)?),
            "uidrange" => {
                let value = words.value(word)?;
                let range = value.text.split_once('-').and_then(ordered);
                if range.is_none() {
                    words.wrong(word, value, "two numbers, as 1000-1999");
                }
                self.line.users = Some(range?);
            }
            "tunnel-id" => {
                let value = words.value(word)?;
                let Ok(tunnel) = value.text.parse() else {
                    words.wrong(word, value, "a whole number");
                    return None;
                };
                self.line.tunnel = Some(tunnel);
            }
            "ipproto" | "ip_proto" => self.line.protocol = Some(protocol(word, words)?),
            "sport" => self.line.source_ports = Some(ports(word, words)?),
            "dport" => self.line.destination_ports = Some(ports(word, words)?),
            "suppress_prefixlength" | "sup_pl" => {
                self.only_table = Some(word);
                let length = words.whole(word, 0..=128)?;
                self.line.suppress_prefix = Some(u8::try_from(length).ok()?);
            }
            "suppress_ifgroup" | "sup_group" => {
                self.only_table = Some(word);
                self.line.suppress_group = Some(self.number(Kind::Group, word, words)?);
            }
            "realms" => {
                self.only_table = Some(word);
                self.line.realms = Some(hop::realms(word, self.names, words)?);
            }
            "preference" | "order" | "priority" => self.line.preference = Some(words.u32(word)?),
            "protocol" => self.line.made_by = Some(self.number(Kind::Protocol, word, words)?),
            "table" | "lookup" => {
                let table = self.number(Kind::Table, word, words)?;
                self.does(Action::Table(table), word, words)?;
            }
            "l3mdev" => self.does(Action::VrfTable, word, words)?,
            "goto" => {
                let target = words.u32(word)?;
                self.does(Action::Goto(target), word, words)?;
            }
            "type" => {
                let value = words.value(word)?;
                let Some(action) = drops(&value.text) else {
                    words.wrong(word, value, "`blackhole`, `unreachable` or `prohibit`");
                    return None;
                };
                self.does(action, word, words)?;
            }
            "nop" => self.does(Action::Nop, word, words)?,
            "no_track" => self.line.no_track = true,
            "track_group" if self.fixed => self.line.track_group = Some(words.value(word)?.clone()),
            "track_group" => {
                words.sink.add(
                    Finding::error(word.span, "`track_group` has no place here").help(
                        "a rule that moves is tracked by its own instance; it is left out, as in keepalived",
                    ),
                );
                return None;
            }
            text => {
                let Some(action) = drops(text) else {
                    unknown(word, words);
                    return None;
                };
                self.does(action, word, words)?;
            }
        }
        Some(())
    }

    fn number(&self, kind: Kind, word: &Token, words: &mut Words<'t, '_>) -> Option<Number> {
        let value = words.value(word)?;
        self.names.parse(kind, value, words.sink)
    }

    /// A network, or all; the outer `None` leaves the rule out.
    #[expect(clippy::option_option, reason = "all, and left out, are two things")]
    fn network(&mut self, word: &'t Token, words: &mut Words<'t, '_>) -> Option<Option<Network>> {
        let value = words.value(word)?;
        if matches!(&*value.text, "all" | "any" | "default") {
            return Some(None);
        }
        let network = Network::parse(value, words)?;
        self.is_of(network.family(), value, words)?;
        Some(Some(network))
    }

    /// Says where IPv4 and IPv6 meet in one rule.
    fn is_of(&mut self, family: Family, word: &'t Token, words: &mut Words<'t, '_>) -> Option<()> {
        match self.family {
            Some((known, first)) if known != family => {
                words.sink.add(
                    Finding::error(word.span, "this rule mixes IPv4 and IPv6")
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

    /// Says where a rule does more than one thing.
    fn does(&mut self, action: Action, word: &'t Token, words: &mut Words<'t, '_>) -> Option<()> {
        if let Some((_, first)) = &self.action {
            words.sink.add(
                Finding::error(word.span, "a rule does one thing only")
                    .help("it is left out, as in keepalived")
                    .see(first.span, "this is the first"),
            );
            return None;
        }
        self.action = Some((action, word));
        Some(())
    }

    fn finish(mut self, words: &mut Words<'_, '_>) -> Option<RuleLine> {
        let span = self.line.span;
        let Some((action, at)) = self.action else {
            words.sink.add(
                Finding::error(span, "this rule does nothing")
                    .help("add `table T`; it is left out, as in keepalived"),
            );
            return None;
        };
        if let Some(word) = self.only_table
            && !matches!(action, Action::Table(_) | Action::VrfTable)
        {
            words.sink.add(
                Finding::error(
                    word.span,
                    format!("{} is for rules that look into a table", quoted(&word.text)),
                )
                .help("it is left out, as in keepalived")
                .see(at.span, "this one does something else"),
            );
            return None;
        }
        match (&action, self.line.preference) {
            (Action::Goto(_), None) => {
                words.sink.add(
                    Finding::error(at.span, "`goto` needs a `preference` on its line")
                        .help("it must be lower than where it leads; the rule is left out, as in keepalived"),
                );
                return None;
            }
            (Action::Goto(target), Some(preference)) if preference >= *target => {
                words.sink.add(
                    Finding::error(
                        at.span,
                        format!("`goto {target}` leads back, from preference {preference}"),
                    )
                    .help("rules go forward only; it is left out, as in keepalived"),
                );
                return None;
            }
            (_, None) => words.sink.add(
                Finding::warning(span, "this rule has no preference, so one is found for it")
                    .help("write `preference N`; the order among rules is by chance otherwise"),
            ),
            _ => {}
        }
        self.line.action = action;
        self.line.family = self.family.map_or(Family::V4, |(family, _)| family);
        Some(self.line)
    }
}

/// Whether a word says what is done.
fn is_action(text: &str) -> bool {
    matches!(
        text,
        "table" | "lookup" | "l3mdev" | "goto" | "type" | "nop"
    ) || drops(text).is_some()
}

/// The action of this name that drops packets.
fn drops(word: &str) -> Option<Action> {
    match word {
        "blackhole" => Some(Action::Blackhole),
        "unreachable" => Some(Action::Unreachable),
        "prohibit" => Some(Action::Prohibit),
        _ => None,
    }
}

/// First and last, in this order.
fn ordered<N: std::str::FromStr + PartialOrd>((first, last): (&str, &str)) -> Option<(N, N)> {
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

/// Reads `MARK[/MASK]`.
fn mark(word: &Token, words: &mut Words<'_, '_>) -> Option<(u32, u32)> {
    let value = words.value(word)?;
    let mark = match value.text.split_once('/') {
        Some((mark, mask)) => number_of(mark).zip(number_of(mask)),
        None => number_of(&value.text).map(|mark| (mark, u32::MAX)),
    };
    if mark.is_none() {
        words.wrong(word, value, "a number and perhaps a mask, as 0x10/0xff");
    }
    mark
}

/// Reads a port, or the first and the last of several.
fn ports(word: &Token, words: &mut Words<'_, '_>) -> Option<(u16, u16)> {
    let value = words.value(word)?;
    let text = &*value.text;
    let range = match text.split_once('-') {
        Some(range) => ordered(range),
        None => text.parse().ok().map(|port| (port, port)),
    };
    let Some(range) = range else {
        words.wrong(word, value, "ports, as 80-80 or 1000-1999");
        return None;
    };
    if !text.contains('-') {
        words.sink.add(
            Finding::note(
                value.span,
                "keepalived 2.2 does not take a port alone: there, this rule is for all of them",
            )
            .help(format!("write `{} {text}-{text}` for both", word.text)),
        );
    }
    Some(range)
}

/// Reads the name or number of a protocol above IP.
fn protocol(word: &Token, words: &mut Words<'_, '_>) -> Option<u8> {
    if &*word.text == "ip_proto" {
        words.sink.add(
            Finding::note(word.span, "keepalived leaves out rules with `ip_proto`")
                .help("write `ipproto` for both"),
        );
    }
    let value = words.value(word)?;
    let named = PROTOCOLS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(&value.text));
    let number = named
        .map(|(_, number)| *number)
        .or_else(|| value.text.parse().ok());
    if number.is_none() {
        words.wrong(word, value, "a protocol, as tcp, udp or 0 to 255");
    }
    number
}

fn unknown(word: &Token, words: &mut Words<'_, '_>) {
    let finding = Finding::error(
        word.span,
        format!("unknown word {} in a rule", quoted(&word.text)),
    );
    words.sink.add(match &*word.text {
        "pref" => finding.help("it is written out: `preference`"),
        "proto" => finding.help("it is written out: `protocol`, or `ipproto` for tcp and udp"),
        text if Network::looks_like(text) => finding.help("write `from` or `to` before it"),
        text => match nearest(text, KEYWORDS.into_iter()) {
            Some(near) => finding.help(format!("did you mean `{near}`? (the rule is left out)")),
            None => finding.help("the rule is left out, as in keepalived"),
        },
    });
}
