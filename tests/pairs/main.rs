//! The recipes of `docs/recipes` with real services, once each for what differs most;
//! `cargo xtask test recipes` is the long form.

mod nginx;
mod postgresql;
