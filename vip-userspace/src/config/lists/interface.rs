//! Lines about interfaces: how their link is asked for, and how long a change of
//! it must last.

use std::time::Duration;

use super::super::diag::{Sink, quoted};
use super::super::lex::Token;
use super::super::value::seconds;
use super::words::Words;

/// `IF DOWN [UP]` in `interface_up_down_delays`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkDelayLine {
    /// The interface.
    pub interface: Token,
    /// How long its link must be down until that counts, up to 255 s.
    pub down: Duration,
    /// How long it must be up; none where nothing is said, as in keepalived.
    pub up: Duration,
}

/// The longest delay, in microseconds.
const LONGEST_DELAY: u64 = 255_000_000;

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

/// Reads one line of `interface_up_down_delays`.
pub(in super::super) fn delays(words: &[Token], sink: &mut Sink) -> Option<LinkDelayLine> {
    let mut words = Words::new(words, sink)?;
    let interface = words.next()?;
    if !words.is_device(interface) {
        return None;
    }
    let down = words.value(interface)?;
    let down = delay(down, &mut words)?;
    let up = match words.next() {
        Some(up) => delay(up, &mut words)?,
        None => Duration::ZERO,
    };
    if let Some(extra) = words.next() {
        words.unknown(extra, "behind two delays", &[]);
    }
    Some(LinkDelayLine {
        interface: interface.clone(),
        down,
        up,
    })
}

fn delay(word: &Token, words: &mut Words<'_, '_>) -> Option<Duration> {
    let micros = seconds(&word.text).map(|(micros, _)| micros);
    let delay = micros.filter(|micros| *micros <= LONGEST_DELAY);
    if delay.is_none() {
        words.error(
            word.span,
            format!("a delay is 0 to 255 seconds, not {}", quoted(&word.text)),
        );
    }
    delay.map(Duration::from_micros)
}
