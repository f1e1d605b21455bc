//! Adverts as they pass, on any host, and where those are lost that do not.
//!
//! It needs no configuration and no daemon, changes nothing, and is gone with its
//! process. What was seen ([`Sight`]) comes from a [`Tap`]: programs at TCX in and out
//! (or a packet socket), on the function by which packets leave that wait in no queue,
//! and on the tracepoint of those that the kernel throws away. All that is made of it is
//! pure and is told the time: [`Book`] says what is missing and where it went,
//! [`Claims`] who claims an address, [`Summary`] what it came to. [`text`], [`json`],
//! [`svg`] and [`pcapng`] only write.

mod advert;
mod book;
mod claims;
mod clock;
mod daemon;
mod figures;
mod habit;
mod interfaces;
pub mod json;
mod kernel;
mod news;
pub mod pcapng;
mod shape;
mod sight;
mod socket;
mod summary;
pub mod svg;
mod tap;
pub mod text;

pub use advert::Advert;
pub use book::Book;
pub use claims::{Claimant, Claimed, Claims};
pub use clock::{Wall, now};
pub use daemon::{Change, Daemon, Found, Overflow, Watcher};
pub use figures::{Closest, Figures, Histogram, Point};
pub use habit::{Habit, Numbering, Steps};
pub use interfaces::{Interface, all as interfaces};
pub use kernel::{Kernel, Meaning, meaning};
pub use news::{Direction, News, Passed, Place, SCHEMA, What, Who};
pub use pcapng::{Packet, Pcapng};
pub use sight::Sight;
pub use summary::{Address, Bar, ClaimantSum, ClosestCall, Sender, Spread, Summary};
pub use tap::{Rung, Tap, Tapped, Wanted};
