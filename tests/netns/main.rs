//! Hosts made of namespaces, real packets, the real program. Needs root.

mod announce;
mod answers;
mod chaos;
mod check;
mod checks;
mod ear;
mod faults;
mod known;
mod leaving;
mod lock;
mod maintenance;
mod metrics;
mod neighbours;
mod notify;
mod receipt;
mod refusals;
mod reload;
mod reloads;
mod rungs;
mod signatures;
mod trace;
mod trackers;
mod vmacs;
mod walk;
mod who;
