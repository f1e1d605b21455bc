//! Lines about interfaces: how their link is asked for.

use super::super::diag::Sink;
use super::super::lex::Token;
use super::words::Words;

/// `IF [MII|ETHTOOL|IOCTL]` in `linkbeat_interfaces`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkbeatLine {
    /// The interface.
    pub interface: Token,
    /// How its link is asked for; the first of the three that works where none
    /// is named.
    pub method: Option<LinkMethod>,
}

/// How the link of an interface can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkMethod {
    /// By the registers of its PHY.
    Mii,
    /// By ethtool.
    Ethtool,
    /// By its flags.
    Ioctl,
}

/// Reads one line of `linkbeat_interfaces`.
pub(in super::super) fn linkbeat(words: &[Token], sink: &mut Sink) -> Option<LinkbeatLine> {
    let mut words = Words::new(words, sink)?;
    let interface = words.next()?;
    if !words.is_device(interface) {
        return None;
    }
    let mut method = None;
    while let Some(word) = words.next() {
        let named = match &*word.text {
            "MII" => LinkMethod::Mii,
            "ETHTOOL" => LinkMethod::Ethtool,
            "IOCTL" => LinkMethod::Ioctl,
            _ => {
                words.unknown(word, "behind an interface", &["MII", "ETHTOOL", "IOCTL"]);
                continue;
            }
        };
        if method.is_some() {
            words.error(
                word.span,
                "a link is asked for in one way only; the first one counts",
            );
        } else {
            method = Some(named);
        }
    }
    Some(LinkbeatLine {
        interface: interface.clone(),
        method,
    })
}
