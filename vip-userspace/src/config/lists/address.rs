//! Lines of addresses: `IP[/PREFIX] [dev IF] [brd IP|+|-] [scope S] [label L] …`

use std::net::{IpAddr, Ipv4Addr};

use super::super::diag::{Finding, Sink, quoted};
use super::super::keywords::{Block, find};
use super::super::lex::Token;
use super::super::source::Span;
use super::names::{Kind, Names, Number};
use super::words::{Words, longest_prefix, split_prefix};

/// Which list a line stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum List {
    /// `virtual_ipaddress`: advertised, moves.
    Advertised,
    /// `virtual_ipaddress_excluded`: moves, is not advertised.
    Excluded,
    /// `static_ipaddress`: always there.
    Static,
}

/// One address with what is said about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressLine {
    /// The address; never unspecified, multicast or broadcast.
    pub address: IpAddr,
    /// Length of its prefix, 0 to 32 or 0 to 128; the longest where none is
    /// given.
    pub prefix: u8,
    /// Where the address stands.
    pub span: Span,
    /// `brd`: its broadcast address; IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// `dev`: the interface it goes to.
    pub device: Option<Token>,
    /// `use_vmac`: it goes to a VMAC interface of its own, with this name if one
    /// is given. Not in `static_ipaddress`.
    pub use_vmac: Option<VmacName>,
    /// `scope`, as the kernel numbers it; IPv4 only.
    pub scope: Option<u8>,
    /// `label`, 1 to 15 bytes; IPv4 only.
    pub label: Option<Token>,
    /// `peer`: the address of the other end, and its prefix.
    pub peer: Option<(IpAddr, u8)>,
    /// `home`: the home address of a mobile node (IPv6).
    pub home: bool,
    /// `-nodad`: duplicate address detection is done (IPv6). Without it, it is not.
    pub detect_duplicates: bool,
    /// `mngtmpaddr`: temporary addresses are made from it (IPv6).
    pub manage_temporary: bool,
    /// `noprefixroute`: the kernel adds no route for its prefix.
    pub no_prefix_route: bool,
    /// `autojoin`: the multicast address is joined.
    pub auto_join: bool,
    /// `no_track`: it may be deleted without any consequence.
    pub no_track: bool,
    /// `preferred_lft`. [`AddressLine::lifetime`] has the default.
    pub preferred_lifetime: Option<Lifetime>,
    /// `track_group`, in `static_ipaddress` only: whom its loss concerns.
    pub track_group: Option<Token>,
    /// The keywords behind the address, for saying what becomes of each.
    pub keywords: Box<[Token]>,
}

impl AddressLine {
    /// How long it is preferred: an IPv6 address that is alone in its prefix is
    /// never chosen as a source unless the line says so, as in keepalived.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        match (self.preferred_lifetime, self.address) {
            (Some(lifetime), _) => lifetime,
            (None, IpAddr::V6(_)) if self.prefix == 128 => Lifetime::Seconds(0),
            (None, _) => Lifetime::Forever,
        }
    }
}

/// The name that `use_vmac` gives, if any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VmacName(pub Option<Token>);

/// How long an address is preferred as a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifetime {
    /// Without end.
    Forever,
    /// Seconds; with 0 it is deprecated from the start.
    Seconds(u32),
}

/// Longest label that the kernel keeps.
const LONGEST_LABEL: usize = 15;

/// What may stand behind an address.
const KEYWORDS: [&str; 16] = [
    "brd",
    "broadcast",
    "dev",
    "use_vmac",
    "scope",
    "label",
    "peer",
    "home",
    "-nodad",
    "mngtmpaddr",
    "noprefixroute",
    "autojoin",
    "no_track",
    "preferred_lft",
    "track_group",
    "nodad",
];

/// Reads one line.
pub(in super::super) fn parse(
    words: &[Token],
    list: List,
    names: &Names,
    sink: &mut Sink,
) -> Option<AddressLine> {
    let mut words = Words::new(words, sink)?;
    let head = words.next()?;
    let (address, prefix) = host(head, &mut words)?;
    let mut line = AddressLine {
        address,
        prefix: prefix.unwrap_or_else(|| longest_prefix(address)),
        span: head.span,
        broadcast: None,
        device: None,
        use_vmac: None,
        scope: None,
        label: None,
        peer: None,
        home: false,
        detect_duplicates: false,
        manage_temporary: false,
        no_prefix_route: false,
        auto_join: false,
        no_track: false,
        preferred_lifetime: None,
        track_group: None,
        keywords: Box::default(),
    };
    let mut keywords = Vec::new();
    while let Some(word) = words.next() {
        if option(word, list, names, &mut words, &mut line)? {
            keywords.push(word.clone());
        }
    }
    if let Some((_, length)) = &mut line.peer {
        // The prefix of a pair is the other end's, and the kernel keeps only one.
        let longest = longest_prefix(address);
        if line.prefix != longest {
            words.sink.add(
                Finding::error(
                    head.span,
                    format!(
                        "{} has a peer, and no prefix of its own",
                        quoted(&head.text)
                    ),
                )
                .help(format!("it is {longest}, as in keepalived")),
            );
            line.prefix = longest;
            *length = longest;
        }
    }
    line.keywords = keywords.into_boxed_slice();
    Some(line)
}

/// The address itself.
fn host(head: &Token, words: &mut Words<'_, '_>) -> Option<(IpAddr, Option<u8>)> {
    let (address, mask) = split_prefix(&head.text);
    let Some(address) = address.filter(may_be_held) else {
        let finding = Finding::error(
            head.span,
            format!(
                "{} is not an address that a host can hold",
                quoted(&head.text)
            ),
        );
        let zone = head.text.split_once('%');
        words
            .sink
            .add(if find(Block::Instance, &head.text).is_some() {
                finding.help("is a `}` missing above?")
            } else if let Some((_, device)) = zone {
                finding.help(format!("write `dev {device}` behind the address instead"))
            } else if let Some((_, mask)) = head.text.split_once('-')
                && mask.parse::<u8>().is_ok()
            {
                finding.help("a range must be written out, or made with ~SEQ; the line is skipped")
            } else if head.text.ends_with([';', ',']) || &*head.text == "-" {
                finding
                    .help("one address a line, without dashes, commas or `;`; the line is skipped")
            } else {
                finding.help("write it as 192.0.2.1/24 or 2001:db8::1/64; the line is skipped")
            });
        return None;
    };
    let longest = longest_prefix(address);
    let Some(mask) = mask else {
        return Some((address, None));
    };
    let prefix = mask.parse().ok().filter(|prefix| *prefix <= longest);
    if prefix.is_none() {
        words.sink.add(
            Finding::error(
                head.span,
                format!("the prefix of {} is not 0 to {longest}", quoted(&head.text)),
            )
            .help(match netmask(mask) {
                Some(prefix) => format!(
                    "write it as {address}/{prefix}; until then it is {longest}, as in keepalived"
                ),
                None => format!(
                    "it is {longest} instead, as in keepalived; write it as {address}/{}",
                    longest - 8
                ),
            }),
        );
    }
    Some((address, prefix))
}

/// The prefix that a mask in dots stands for.
fn netmask(text: &str) -> Option<u32> {
    let bits = text.parse::<Ipv4Addr>().ok()?.to_bits();
    (bits.leading_ones() + bits.trailing_zeros() == 32).then(|| bits.leading_ones())
}

/// Reads one keyword and what belongs to it; whether it stands in effect. `None`
/// leaves the address out.
fn option<'t>(
    word: &'t Token,
    list: List,
    names: &Names,
    words: &mut Words<'t, '_>,
    line: &mut AddressLine,
) -> Option<bool> {
    let known = KEYWORDS.contains(&&*word.text) && &*word.text != "nodad";
    if known && !words.once(word) && &*word.text == "dev" {
        words.error(
            word.span,
            "an address goes to one interface; it is left out, as in keepalived",
        );
        return None;
    }
    let v4 = line.address.is_ipv4();
    match &*word.text {
        "dev" => line.device = Some(words.device(word)?),
        "brd" | "broadcast" => {
            let value = words.value(word)?;
            line.broadcast = broadcast(line, word, value, words)?;
        }
        "label" => {
            let value = words.value(word)?;
            if !v4 {
                not_for_ipv6(word, words);
                return Some(false);
            }
            if value.text.len() > LONGEST_LABEL {
                words.sink.add(
                    Finding::error(
                        value.span,
                        format!(
                            "label {} is longer than {LONGEST_LABEL} bytes",
                            quoted(&value.text)
                        ),
                    )
                    .help("the address is left out, as in keepalived"),
                );
                return None;
            }
            line.label = Some(value.clone());
        }
        "scope" => {
            let value = words.value(word)?;
            if !v4 {
                not_for_ipv6(word, words);
                return Some(false);
            }
            let scope = names.parse(Kind::Scope, value, words.sink);
            line.scope = scope
                .as_ref()
                .and_then(Number::known)
                .and_then(|scope| scope.try_into().ok());
            return Some(line.scope.is_some());
        }
        "peer" => {
            let value = words.value(word)?;
            line.peer = peer(line.address, value, words);
            return Some(line.peer.is_some());
        }
        "preferred_lft" => {
            let value = words.value(word)?;
            line.preferred_lifetime = match &*value.text {
                "forever" | "infinity" => Some(Lifetime::Forever),
                text => text.parse().ok().map(Lifetime::Seconds),
            };
            if line.preferred_lifetime.is_none() {
                words.wrong(word, value, "seconds from 0 to 4294967295, or `forever`");
                return Some(false);
            }
        }
        "use_vmac" if list != List::Static => {
            let next = words
                .peek()
                .filter(|next| !KEYWORDS.contains(&&*next.text) && !is_address(&next.text));
            if next.is_some() {
                words.next();
            }
            let name = next.filter(|name| words.is_device(name)).cloned();
            line.use_vmac = Some(VmacName(name));
        }
        "track_group" if list == List::Static => line.track_group = words.value(word).cloned(),
        "use_vmac" | "track_group" => {
            let place = if list == List::Static {
                "a static address has no VMAC"
            } else {
                "an address that moves is tracked by its own instance"
            };
            words.sink.add(
                Finding::error(
                    word.span,
                    format!("{} has no place here: {place}", quoted(&word.text)),
                )
                .help("it is ignored, as in keepalived"),
            );
            if &*word.text == "track_group" {
                words.next();
            }
            return Some(false);
        }
        "home" => line.home = true,
        "-nodad" => line.detect_duplicates = true,
        "mngtmpaddr" => line.manage_temporary = true,
        "noprefixroute" => line.no_prefix_route = true,
        "autojoin" => line.auto_join = true,
        "no_track" => line.no_track = true,
        _ => {
            unknown(word, words);
            return Some(false);
        }
    }
    Some(true)
}

fn not_for_ipv6(word: &Token, words: &mut Words<'_, '_>) {
    words.sink.add(
        Finding::warning(
            word.span,
            format!("an IPv6 address has no {}", quoted(&word.text)),
        )
        .help("it is ignored, as in keepalived"),
    );
}

/// The broadcast address; the outer `None` leaves the address out.
#[expect(
    clippy::option_option,
    reason = "left out, none, and one are three things"
)]
fn broadcast(
    line: &AddressLine,
    word: &Token,
    value: &Token,
    words: &mut Words<'_, '_>,
) -> Option<Option<Ipv4Addr>> {
    let IpAddr::V4(address) = line.address else {
        words.sink.add(
            Finding::error(word.span, "an IPv6 address has no broadcast address")
                .help("it is left out, as in keepalived; remove the word and its value"),
        );
        return None;
    };
    let hosts = u32::MAX.checked_shr(line.prefix.into()).unwrap_or(0);
    let computed = match &*value.text {
        "+" => address.to_bits() | hosts,
        "-" => address.to_bits() & !hosts,
        text => {
            let Ok(given) = text.parse() else {
                words.sink.add(
                    Finding::error(
                        value.span,
                        format!("{} is not a broadcast address", quoted(text)),
                    )
                    .help("the address is left out, as in keepalived; write `brd +` or an address"),
                );
                return None;
            };
            return Some(Some(given));
        }
    };
    if line.prefix > 30 {
        words.sink.add(
            Finding::error(
                word.span,
                format!("a prefix of {} leaves no broadcast address", line.prefix),
            )
            .help("it gets none, as in keepalived; is the prefix missing?"),
        );
        return Some(None);
    }
    Some(Some(Ipv4Addr::from_bits(computed)))
}

fn peer(address: IpAddr, value: &Token, words: &mut Words<'_, '_>) -> Option<(IpAddr, u8)> {
    let longest = longest_prefix(address);
    let (other, mask) = split_prefix(&value.text);
    let prefix = match mask {
        None => Some(longest),
        Some(mask) => mask.parse().ok().filter(|prefix| *prefix <= longest),
    };
    let message = match (other, prefix) {
        (Some(other), Some(prefix)) if other.is_ipv4() == address.is_ipv4() => {
            return Some((other, prefix));
        }
        (Some(_), Some(_)) => format!(
            "peer {} is not of the family of its address",
            quoted(&value.text)
        ),
        (Some(_), None) => format!(
            "the prefix of {} is not 0 to {longest}",
            quoted(&value.text)
        ),
        (None, _) => format!("peer {} is not an address", quoted(&value.text)),
    };
    words.sink.add(
        Finding::error(value.span, message).help("the address gets no peer, as in keepalived"),
    );
    None
}

fn unknown(word: &Token, words: &mut Words<'_, '_>) {
    let finding = |help: &str| {
        Finding::error(
            word.span,
            format!("unknown word {} behind an address", quoted(&word.text)),
        )
        .help(help)
    };
    if is_address(&word.text) {
        words.sink.add(finding(
            "each address stands on a line of its own; this one is left out",
        ));
    } else if &*word.text == "nodad" {
        words.sink.add(finding(
            "remove it: there is no duplicate address detection unless `-nodad` asks for it",
        ));
    } else if word.text.starts_with('/') {
        words.sink.add(finding(
            "there must be no blank before the prefix; it is not taken",
        ));
    } else {
        words.unknown(word, "behind an address", &KEYWORDS);
    }
}

fn is_address(text: &str) -> bool {
    split_prefix(text).0.is_some()
}

fn may_be_held(address: &IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}
