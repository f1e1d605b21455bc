//! Hosts made of namespaces, real packets, the real program. Needs root.

mod ear;
mod faults;
mod lock;
mod neighbours;
mod refusals;
mod rungs;
mod walk;
