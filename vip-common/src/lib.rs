//! What is true on both sides of the system call.
//!
//! Three tiers, each of which may use only those before it:
//!
//! 1. [`layout`]: the maps and ring records that the program at the NIC and
//!    the controller share, with [`ids`], [`time`] and [`reject`] as their words;
//! 2. [`wire`]: packets, checked and built, and the one judgement
//!    ([`wire::admit`]) of what may pass from the NIC to the election;
//! 3. `election` (feature `core`): the protocol of RFC 9568 as a machine
//!    without clock, socket or thread.
//!
//! Nothing here allocates, reads a clock or calls the system: the same inputs
//! at the same times give the same results, in the kernel, in the daemon and
//! in a simulation.
#![no_std]
#![forbid(unsafe_code)]

pub mod ids;
pub mod layout;
pub mod reject;
pub mod time;
pub mod wire;

#[cfg(feature = "core")]
pub mod election;
