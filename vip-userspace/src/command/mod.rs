//! What a person types, one file a command.

pub mod check;
pub mod config;
pub mod demo;
pub mod explain;
pub mod init;
mod look;
pub mod release;
pub mod run;
pub mod status;
