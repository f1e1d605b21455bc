//! Lines of peers that are spoken to one by one: `IP [min_ttl N] [max_ttl N]`

use std::net::IpAddr;

use super::super::diag::{Finding, Sink, quoted};
use super::super::lex::Token;
use super::super::source::Span;
use super::words::{Words, split_prefix};

/// A peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerLine {
    /// Its address; never unspecified, multicast or broadcast.
    pub address: IpAddr,
    /// Where the address stands.
    pub span: Span,
    /// `min_ttl`: with fewer hops left, what it sends is not taken. Either bound
    /// means that only what listed peers send is taken.
    pub min_ttl: Option<u8>,
    /// `max_ttl`: with more hops left, what it sends is not taken.
    pub max_ttl: Option<u8>,
}

/// Reads one line.
pub(in super::super) fn parse(words: &[Token], sink: &mut Sink) -> Option<PeerLine> {
    let mut words = Words::new(words, sink)?;
    let head = words.next()?;
    let (address, prefix) = split_prefix(&head.text);
    let Some(address) = address.filter(is_one_host) else {
        words.sink.add(
            Finding::error(
                head.span,
                format!("{} is not the address of a peer", quoted(&head.text)),
            )
            .help("write its own address, as 192.0.2.1; the line is skipped"),
        );
        return None;
    };
    if prefix.is_some() {
        words.sink.add(
            Finding::warning(head.span, "the prefix of a peer counts nothing")
                .help(format!("write {address}")),
        );
    }
    let mut line = PeerLine {
        address,
        span: head.span,
        min_ttl: None,
        max_ttl: None,
    };
    while let Some(word) = words.next() {
        match &*word.text {
            "min_ttl" => {
                words.once(word);
                line.min_ttl = words.u8(word);
            }
            "max_ttl" => {
                words.once(word);
                line.max_ttl = words.u8(word);
            }
            text if split_prefix(text).0.is_some() => words.sink.add(
                Finding::error(
                    word.span,
                    format!("unknown word {} behind a peer", quoted(text)),
                )
                .help("each peer stands on a line of its own; this one is left out"),
            ),
            _ => words.unknown(word, "behind a peer", &["min_ttl", "max_ttl"]),
        }
    }
    if let (Some(min), Some(max)) = (line.min_ttl, line.max_ttl)
        && min > max
    {
        words.sink.add(
            Finding::error(
                head.span,
                format!("min_ttl {min} is above max_ttl {max}: nothing it sends is taken"),
            )
            .help("swap them"),
        );
    }
    Some(line)
}

fn is_one_host(address: &IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}
