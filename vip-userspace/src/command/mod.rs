//! What a person types, one file a command.

pub mod check;
pub mod config;
pub mod demo;
pub mod drain;
pub mod explain;
pub mod init;
mod look;
mod order;
pub mod release;
pub mod reload;
pub mod run;
pub mod status;
pub mod take;
pub mod top;
pub mod trace;
pub mod who;
pub mod why;
