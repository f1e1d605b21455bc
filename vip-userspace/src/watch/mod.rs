//! What is watched for the sake of the address, and the programs that are run for
//! it. All of it lives among the services: nothing here can make the engine wait.

pub mod account;
pub mod check;
pub mod child;
pub mod launch;
pub mod listener;
mod pidfd;
mod trace;
