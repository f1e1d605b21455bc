//! The election of RFC 9568 section 6, and of RFC 3768 for version 2, as a
//! machine without clock, socket or thread.
//!
//! A [`VirtualRouter`] never does anything. It is told what happened and what
//! time it is, and says what is to be done; whoever drives it (the engine on
//! real time, the simulation on a virtual one) does it and brings back what
//! came of it as the next input. The same inputs at the same times give the
//! same actions, always.
//!
//! Its methods are of three kinds:
//!
//! * **Telling it**: [`handle_input`](VirtualRouter::handle_input) for
//!   something that happened, [`handle_timeout`](VirtualRouter::handle_timeout)
//!   for time that passed. The second one too early does nothing.
//! * **Asking what follows**: [`poll_action`](VirtualRouter::poll_action)
//!   until it returns `None`, then
//!   [`poll_timeout`](VirtualRouter::poll_timeout) for the moment at which to
//!   call `handle_timeout`, if nothing happens before.
//! * **Looking at it**: [`state`](VirtualRouter::state) and the other
//!   accessors, at any time; they change nothing.
//!
//! # Order
//!
//! After each `handle_` call all actions are taken, and performed in the order
//! in which they come: an advert precedes the addresses, because the one who
//! held them until now must let go first. Then comes the next `handle_` call.
//! An action that fails is not retried by the shell; its failure is an input.
//! Where it fails at once, that input may be told before the remaining actions
//! are taken: what follows from it queues behind them.
//!
//! Before a deadline is believed, everything that arrived before it has been
//! told: the driver drains its ears first and calls `handle_timeout` last.
//! Only `handle_timeout` believes deadlines. It moves at most one step; what
//! is due again at once shows in `poll_timeout`.
//!
//! # Time
//!
//! `now` never goes backwards from one call to the next; one that does counts
//! as the latest that was told. Stamps of adverts are earlier than the `now`
//! they are told at, be it by much: deadlines are counted from the arrival of
//! a frame, not from the moment somebody found time to look at it. A stamp
//! later than `now` counts as `now`.
//!
//! # What cannot be taken back
//!
//! An address that is being installed belongs to a *generation*, counted up
//! with each installation. A result that comes when its state has moved on is
//! undone, not obeyed.
//!
//! # Make before break
//!
//! Whoever gives up the role on purpose (a leave, a better one that returns)
//! keeps the addresses until somebody else has them, for a bounded time: see
//! [`LettingGo`]. That is beside the state: a Backup may let go, and so may one
//! that has left. Meanwhile the driver tells of claims
//! ([`Input::AddressClaimed`]), performs [`Action::Withhold`], and holds what
//! another configuration adds to or takes from the addresses, as for an Active
//! Router: a takeover in this time installs nothing, it finds what is there.
//! A failure removes at once.

mod action;
mod active;
mod backup;
pub mod group;
mod heard;
mod holding;
mod letting_go;
mod params;
mod router;
mod standing;
mod state;

pub use action::{Action, Fault, Input, Report, Why};
pub use active::{Active, Addresses, Announced};
pub use backup::{Backup, Ear};
pub use letting_go::LettingGo;
pub use params::{Garp, Params};
pub use router::{ActiveRouter, VirtualRouter};
pub use state::{Heard, Initialize, State, StateName};

#[cfg(test)]
mod tests;
