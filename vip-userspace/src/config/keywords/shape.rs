//! What a keyword takes, in words.

use std::fmt;

use super::super::value::decimal;
use super::{Block, Lines, Shape};

impl Shape {
    /// What stands in it, if it is a block.
    #[must_use]
    pub fn inner(self) -> Option<Block> {
        if let Self::Block(block) | Self::Named(block) = self {
            return Some(block);
        }
        let Self::Lines(lines) = self else {
            return None;
        };
        match lines {
            Lines::Addresses | Lines::Excluded | Lines::StaticAddresses => Some(Block::Address),
            Lines::Routes | Lines::StaticRoutes => Some(Block::Route),
            Lines::Rules | Lines::StaticRules => Some(Block::Rule),
            Lines::Peers => Some(Block::Peer),
            Lines::TrackInterfaces
            | Lines::TrackScripts
            | Lines::TrackFiles
            | Lines::TrackProcesses
            | Lines::TrackChecks
            | Lines::TrackBfds => Some(Block::Track),
            Lines::Names | Lines::Linkbeat | Lines::LinkDelays => None,
        }
    }
}

impl fmt::Display for Shape {
    /// As it stands behind "it takes".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Any => f.write_str("words"),
            Self::Flag => f.write_str("nothing"),
            Self::Switch => f.write_str("`on` or `off`"),
            Self::Word => f.write_str("a word"),
            Self::MaybeWord => f.write_str("a word, or nothing"),
            Self::Path => f.write_str("a path"),
            Self::MaybePath => f.write_str("a path, or nothing"),
            Self::Words(least, most) if least == most => words(f, least),
            Self::Words(least, u8::MAX) => {
                words(f, least)?;
                f.write_str(" or more")
            }
            Self::Words(least, most) => {
                write!(f, "{least} to ")?;
                words(f, most)
            }
            Self::Choice(choices) => one_of(f, choices),
            Self::Maybe(choices) => {
                one_of(f, choices)?;
                f.write_str(", or nothing")
            }
            Self::Signed(choices) => {
                f.write_str("any of ")?;
                one_of(f, choices)?;
                f.write_str(", each with `+` or `-` before it if wanted")
            }
            Self::ChoiceOrWhole(choices, min, max) => {
                one_of(f, choices)?;
                f.write_str(" or ")?;
                whole(f, "a whole number", min, max)
            }
            Self::Whole(min, max) => whole(f, "a whole number", min, max),
            Self::WholeOr(min, max, unsaid) => {
                whole(f, "a whole number", min, max)?;
                write!(f, ", or nothing for {unsaid}")
            }
            Self::Numbers(min, max) => whole(f, "whole numbers", min, max),
            Self::AfterAll(min, max) => {
                f.write_str("`all` if wanted, and ")?;
                whole(f, "whole seconds", min, max)
            }
            Self::InitFile => f.write_str("a whole number and `overwrite`, each if wanted"),
            Self::Seconds(min, max) => {
                write!(f, "seconds from {} to {}", decimal(min), decimal(max))
            }
            Self::WholeSeconds(min, max) => whole(f, "whole seconds", min.into(), max.into()),
            Self::Millis(min, max) => {
                // A thousand times smaller, in the same digits.
                let (min, max) = (min.saturating_mul(1000), max.saturating_mul(1000));
                write!(f, "milliseconds from {} to {}", decimal(min), decimal(max))
            }
            Self::Probe(question) => f.write_str(question.takes()),
            Self::Umask => f.write_str("an octal number, or names such as `IRUSR|IWUSR`"),
            Self::Ipv4 => f.write_str("an IPv4 address"),
            Self::Ipv6 => f.write_str("an IPv6 address"),
            Self::Address => f.write_str("an address"),
            Self::Interface => f.write_str("the name of an interface"),
            Self::Weight(most) => {
                write!(f, "a whole number from -{most} to {most}, and `reverse` if wanted")
            }
            Self::Command => f.write_str("a command; a user and a group if wanted"),
            Self::MaybeCommand => {
                f.write_str("a command, or nothing; a user and a group if wanted")
            }
            Self::BareCommand => f.write_str("a command"),
            Self::Process => f.write_str("the name of a process; parameters if wanted"),
            Self::Fifo => f.write_str("a path; a user and a group if wanted"),
            Self::User => f.write_str("a user; a group if wanted"),
            Self::Vmac => f.write_str(
                "the name of an interface, a MAC address, `netlink_notify_msg` and `group NAME`, each if wanted",
            ),
            Self::Ipvlan => f.write_str(
                "the name of an interface, an address, `bridge`, `private` or `vepa`, and `group NAME`, each if wanted",
            ),
            Self::HmacKey => {
                f.write_str("a number from 1 to 255, and `hex:DIGITS`, `file:PATH` or a text")
            }
            Self::Block(_) => f.write_str("a block in braces"),
            Self::Named(_) => f.write_str("a name and a block in braces"),
            Self::Lines(lines) => write!(f, "a block in braces, with {lines}"),
        }
    }
}

impl fmt::Display for Lines {
    /// What stands in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Names => "names",
            Self::Addresses | Self::Excluded | Self::StaticAddresses => "an address on each line",
            Self::Routes | Self::StaticRoutes => "a route on each line",
            Self::Rules | Self::StaticRules => "a rule on each line",
            Self::Peers => "an address on each line",
            Self::TrackInterfaces
            | Self::TrackScripts
            | Self::TrackFiles
            | Self::TrackProcesses
            | Self::TrackChecks
            | Self::TrackBfds => "`NAME [weight N [reverse]]` on each line",
            Self::Linkbeat => "`INTERFACE [MII|ETHTOOL|IOCTL]` on each line",
            Self::LinkDelays => "`INTERFACE DOWN [UP]` in seconds up to 255 on each line",
        })
    }
}

fn words(f: &mut fmt::Formatter<'_>, count: u8) -> fmt::Result {
    write!(f, "{count} word{}", if count == 1 { "" } else { "s" })
}

fn one_of(f: &mut fmt::Formatter<'_>, choices: &[&str]) -> fmt::Result {
    for (index, choice) in choices.iter().enumerate() {
        if index > 0 {
            f.write_str(" or ")?;
        }
        write!(f, "`{choice}`")?;
    }
    Ok(())
}

/// A range; limits of the machine's own numbers are none of the reader's business.
fn whole(f: &mut fmt::Formatter<'_>, noun: &str, min: i64, max: i64) -> fmt::Result {
    f.write_str(noun)?;
    if min > i64::from(i32::MIN) {
        write!(f, " from {min}")?;
    }
    if max < i64::from(i32::MAX) {
        write!(f, " to {max}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_says_its_ends() {
        for (shape, words) in [
            (Shape::Whole(1, 255), "a whole number from 1 to 255"),
            (Shape::Whole(0, u32::MAX.into()), "a whole number from 0"),
            (
                Shape::Whole(i32::MIN.into(), i32::MAX.into()),
                "a whole number",
            ),
            (
                Shape::Seconds(10_000, 255_000_000),
                "seconds from 0.01 to 255",
            ),
            (Shape::Millis(1_000, 10_000), "milliseconds from 1 to 10"),
            (Shape::Words(1, 2), "1 to 2 words"),
            (Shape::Words(1, 255), "1 word or more"),
            (Shape::Maybe(&["never"]), "`never`, or nothing"),
        ] {
            assert_eq!(shape.to_string(), words);
        }
    }
}
