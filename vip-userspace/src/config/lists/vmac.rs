//! What stands behind `use_vmac` and `use_ipvlan`.

use std::net::IpAddr;

use super::super::diag::{Finding, Sink, quoted};
use super::super::lex::Token;
use super::super::value::device_name;
use super::names::{Kind, Names, Number};
use super::words::{Words, longest_prefix, split_prefix};

/// `use_vmac [NAME] [MAC] [netlink_notify_msg] [group N]`
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Vmac {
    /// The name of the interface; `vrrp.VRID` where none is given.
    pub name: Option<Token>,
    /// The address it gets instead of 00:00:5e:00:01:VRID.
    pub mac: Option<Mac>,
    /// Whether others are to be told of the interface by netlink.
    pub notify: bool,
    /// The group of interfaces it is in.
    pub group: Option<Number>,
}

/// A MAC address, never multicast, perhaps without its last byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mac {
    /// The first five bytes.
    pub prefix: [u8; 5],
    /// The last byte; the VRID where it is not given.
    pub last: Option<u8>,
}

/// `use_ipvlan [NAME] [IP[/PREFIX]] [bridge|private|vepa] [group N]`
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ipvlan {
    /// The name of the interface; `vrrp.VRID` where none is given.
    pub name: Option<Token>,
    /// Its address, which an instance of IPv4 needs, and its prefix.
    pub address: Option<(IpAddr, u8)>,
    /// Whom it speaks with on its own host.
    pub mode: IpvlanMode,
    /// The group of interfaces it is in.
    pub group: Option<Number>,
}

/// Whom an ipvlan interface speaks with on its own host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IpvlanMode {
    /// All others of the same parent.
    #[default]
    Bridge,
    /// Nobody.
    Private,
    /// Whom the switch lets it.
    Vepa,
}

/// Reads the words behind `use_vmac`. What is not right is left out of it, as in
/// keepalived; the VMAC is there nevertheless.
pub(in super::super) fn vmac(words: &[Token], names: &Names, sink: &mut Sink) -> Option<Vmac> {
    let mut words = Words::new(words, sink)?;
    let mut vmac = Vmac::default();
    while let Some(word) = words.next() {
        match &*word.text {
            "netlink_notify_msg" => vmac.notify = true,
            "group" => vmac.group = group(word, names, &mut words),
            text if text.contains(':') => {
                if let Some(mac) = mac(word, &mut words) {
                    vmac.mac = Some(mac);
                }
            }
            _ => name(word, &mut vmac.name, &mut words),
        }
    }
    Some(vmac)
}

/// Reads the words behind `use_ipvlan`, in the same way.
pub(in super::super) fn ipvlan(words: &[Token], names: &Names, sink: &mut Sink) -> Option<Ipvlan> {
    let mut words = Words::new(words, sink)?;
    let mut ipvlan = Ipvlan::default();
    while let Some(word) = words.next() {
        match &*word.text {
            "bridge" => ipvlan.mode = IpvlanMode::Bridge,
            "private" => ipvlan.mode = IpvlanMode::Private,
            "vepa" => ipvlan.mode = IpvlanMode::Vepa,
            "group" => ipvlan.group = group(word, names, &mut words),
            text => match split_prefix(text) {
                (Some(address), mask) => {
                    let longest = longest_prefix(address);
                    let prefix = match mask {
                        Some(mask) => mask.parse().ok().filter(|prefix| *prefix <= longest),
                        None => Some(longest),
                    };
                    match prefix {
                        Some(prefix) => ipvlan.address = Some((address, prefix)),
                        None => words.error(
                            word.span,
                            format!("the prefix of {} is not 0 to {longest}", quoted(text)),
                        ),
                    }
                }
                (None, _) => name(word, &mut ipvlan.name, &mut words),
            },
        }
    }
    Some(ipvlan)
}

fn group(word: &Token, names: &Names, words: &mut Words<'_, '_>) -> Option<Number> {
    let value = words.value(word)?;
    names.parse(Kind::Group, value, words.sink)
}

/// Takes a word for the name of the interface; there is one at most.
fn name(word: &Token, name: &mut Option<Token>, words: &mut Words<'_, '_>) {
    if let Some(first) = name {
        words.sink.add(
            Finding::error(
                word.span,
                format!("{} is a second name for the interface", quoted(&word.text)),
            )
            .help("it is ignored, as in keepalived")
            .see(first.span, "this is the first"),
        );
    } else if let Err(why) = device_name(&word.text) {
        words.sink.add(
            Finding::error(
                word.span,
                format!("{} is not an interface name: {why}", quoted(&word.text)),
            )
            .help("the interface is named after the VRID instead, as in keepalived"),
        );
    } else {
        *name = Some(word.clone());
    }
}

fn mac(word: &Token, words: &mut Words<'_, '_>) -> Option<Mac> {
    let byte = |text: &str| {
        let plain = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        u8::from_str_radix(text, 16).ok().filter(|_| plain)
    };
    let bytes: Option<Vec<u8>> = word.text.split(':').map(byte).collect();
    let mac = match bytes.as_deref() {
        Some(&[a, b, c, d, e]) => Some(Mac {
            prefix: [a, b, c, d, e],
            last: None,
        }),
        Some(&[a, b, c, d, e, f]) => Some(Mac {
            prefix: [a, b, c, d, e],
            last: Some(f),
        }),
        _ => None,
    };
    let Some(mac) = mac else {
        words.sink.add(
            Finding::error(
                word.span,
                format!("{} is not a MAC address", quoted(&word.text)),
            )
            .help("write five or six bytes, as 02:00:00:00:01"),
        );
        return None;
    };
    if mac.prefix[0] & 1 == 1 {
        words.sink.add(
            Finding::error(
                word.span,
                format!("{} is a multicast address", quoted(&word.text)),
            )
            .help("the first byte must be even; it is ignored, as in keepalived"),
        );
        return None;
    }
    Some(mac)
}
