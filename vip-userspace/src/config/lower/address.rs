//! Lines of addresses: `IP[/PREFIX] [dev IF] [brd IP|+|-] [scope S] [label L] …`

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::VirtualAddress;
use super::super::diag::{Finding, nearest, quoted};
use super::super::keywords::{AddressKey, Block, Shape, Status, find, names_in};
use super::super::lex::Token;
use super::super::source::Span;
use super::super::tree::Statement;
use super::value::{self, Value};
use super::{Lowering, device_name};

/// What became of a line.
pub(super) enum Line {
    /// An address, and where it stands.
    Address(VirtualAddress, Span),
    /// Nothing; it has been reported.
    Skipped,
    /// Nothing, and its instance must not run for this reason.
    Decides(String),
}

/// Longest label that the kernel keeps.
const LONGEST_LABEL: usize = 15;

/// Reads one line of a list of addresses.
pub(super) fn line(lowering: &mut Lowering<'_>, statement: &Statement) -> Line {
    if lowering.is_unreadable(statement) {
        return Line::Decides("a line of its addresses cannot be read".into());
    }
    let Some(head) = statement.head() else {
        return Line::Skipped;
    };
    if let Some(body) = &statement.block {
        lowering.sink.add(
            Finding::error(
                body.open,
                "a list of addresses holds no blocks; this one is skipped",
            )
            .help("is a `}` missing above?"),
        );
        return Line::Skipped;
    }
    let text = &*head.text;
    let (host, mask) = match text.split_once('/') {
        Some((host, mask)) => (host, Some(mask)),
        None => (text, None),
    };
    if host.parse::<Ipv6Addr>().is_ok() {
        lowering.sink.add(Finding::error(
            head.span,
            format!("{} is IPv6, which is not supported yet", quoted(text)),
        ));
        return Line::Decides(format!("IPv6 ({}) is not supported yet", quoted(text)));
    }
    let Some(address) = host.parse().ok().filter(may_be_held) else {
        let finding = Finding::error(
            head.span,
            format!("{} is not an address that a host can hold", quoted(text)),
        );
        lowering.sink.add(if find(Block::Instance, text).is_some() {
            finding.help("is a `}` missing above?")
        } else {
            finding.help("write it as 192.0.2.1/24; the line is skipped")
        });
        return Line::Skipped;
    };
    let prefix = match mask.map(str::parse) {
        None => 32,
        Some(Ok(prefix @ 0..=32)) => prefix,
        Some(_) => {
            lowering.sink.add(
                Finding::error(
                    head.span,
                    format!("the prefix of {} is not 0 to 32", quoted(text)),
                )
                .help("it is 32 instead, as in keepalived; write it as 192.0.2.1/24"),
            );
            32
        }
    };
    let mut virtual_address = VirtualAddress {
        address,
        prefix,
        device: None,
        label: None,
        scope: 0,
        broadcast: None,
    };
    match options(lowering, statement.arguments(), &mut virtual_address) {
        Some(reason) => Line::Decides(reason.to_owned()),
        None if has_long_label(lowering, &virtual_address, head.span) => Line::Skipped,
        None => Line::Address(virtual_address, head.span),
    }
}

/// Whether the kernel would refuse the label, and keepalived with it the address.
fn has_long_label(lowering: &mut Lowering<'_>, address: &VirtualAddress, at: Span) -> bool {
    let Some(label) = address.label.as_deref().filter(|l| l.len() > LONGEST_LABEL) else {
        return false;
    };
    lowering.sink.add(
        Finding::error(
            at,
            format!(
                "label {} is longer than {LONGEST_LABEL} bytes",
                quoted(label)
            ),
        )
        .help("the address is left out, as in keepalived"),
    );
    true
}

/// Reads what follows an address. The reason why the instance must not run, if
/// there is one.
fn options(
    lowering: &mut Lowering<'_>,
    mut words: &[Token],
    address: &mut VirtualAddress,
) -> Option<&'static str> {
    let mut decides = None;
    while let [word, rest @ ..] = words {
        words = rest;
        let Some(keyword) = find(Block::Address, &word.text) else {
            lowering.sink.add(unknown(word));
            continue;
        };
        let argument = match (keyword.shape, rest) {
            (Shape::Flag, _) => None,
            (Shape::Any, _) => {
                words = &[];
                None
            }
            (_, [argument, rest @ ..]) => {
                words = rest;
                value::one(keyword, argument, lowering.sink)
            }
            (_, []) => {
                lowering.sink.add(Finding::error(
                    word.span,
                    format!("`{}` needs a value", keyword.name),
                ));
                None
            }
        };
        if let Status::Address(key) = keyword.status {
            if let Some(token) = argument.and_then(Value::word) {
                set(lowering, key, token, address);
            }
        } else {
            decides = decides.or(lowering.say(keyword.name, keyword.status, word.span));
        }
    }
    decides
}

fn set(lowering: &mut Lowering<'_>, key: AddressKey, token: &Token, address: &mut VirtualAddress) {
    let text = &*token.text;
    let refused = match key {
        AddressKey::Device => match device_name(text) {
            Ok(()) => {
                address.device = Some(text.into());
                None
            }
            Err(why) => Some(format!("{} is not an interface name: {why}", quoted(text))),
        },
        AddressKey::Label => {
            address.label = Some(text.into());
            None
        }
        AddressKey::Scope => match scope(text) {
            Some(scope) => {
                address.scope = scope;
                None
            }
            None => Some(format!(
                "{} is not a scope: global, site, link, host, nowhere or 0 to 255",
                quoted(text)
            )),
        },
        AddressKey::Broadcast => {
            let hosts = u32::MAX.checked_shr(address.prefix.into()).unwrap_or(0);
            let bits = address.address.to_bits();
            address.broadcast = match text {
                "+" => Some(Ipv4Addr::from_bits(bits | hosts)),
                "-" => Some(Ipv4Addr::from_bits(bits & !hosts)),
                _ => text.parse().ok(),
            };
            address
                .broadcast
                .is_none()
                .then(|| format!("{} is not a broadcast address", quoted(text)))
        }
    };
    if let Some(message) = refused {
        lowering.sink.add(Finding::error(token.span, message));
    }
}

fn unknown(word: &Token) -> Finding {
    let finding = Finding::error(
        word.span,
        format!("unknown word {} behind an address", quoted(&word.text)),
    );
    let host = word.text.split('/').next().unwrap_or_default();
    if host.parse::<Ipv4Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok() {
        return finding.help("each address stands on a line of its own; this one is left out");
    }
    match nearest(&word.text, names_in(Block::Address)) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding,
    }
}

/// The kernel's number of a scope.
fn scope(text: &str) -> Option<u8> {
    match text {
        "global" => Some(0),
        "site" => Some(200),
        "link" => Some(253),
        "host" => Some(254),
        "nowhere" => Some(255),
        _ => text.parse().ok(),
    }
}

fn may_be_held(address: &Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address.is_broadcast())
}
