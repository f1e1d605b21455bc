//! The grammars of single lines: addresses, routes, rules, trackers, peers,
//! commands.
//!
//! Each reads the words of one line and nothing else: no other line, no file, no
//! host. What is wrong with a line goes to the [`Sink`]; what comes back is typed,
//! and keeps the places that a later check needs. `None` means that the line is
//! left out, as keepalived leaves it out, and that this has been reported.

pub mod address;
pub mod check;
pub mod command;
pub mod hmac;
pub mod hop;
pub mod interface;
pub mod metric;
pub mod names;
pub mod network;
pub mod peer;
pub mod route;
pub mod rule;
pub mod track;
pub mod vmac;
mod words;

pub use self::address::{AddressLine, Lifetime};
pub use self::check::{ProbeLine, Question};
pub use self::command::{Command, Fifo, User};
pub use self::hmac::{HmacKey, Secret};
pub use self::hop::{Encap, Hop, IpEncap, Realms};
pub use self::interface::{LinkDelayLine, LinkMethod, LinkbeatLine};
pub use self::metric::{Metric, Property};
pub use self::names::{Kind, Names, Number};
pub use self::network::{Family, Network};
pub use self::peer::PeerLine;
pub use self::route::RouteLine;
pub use self::rule::{Action, RuleLine};
pub use self::track::{InitFile, TrackLine, Weight};
pub use self::vmac::{Ipvlan, IpvlanMode, Mac, Vmac};

#[cfg(test)]
mod tests;
