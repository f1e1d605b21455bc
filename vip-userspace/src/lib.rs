//! The controller of vip.
//!
//! One real-time thread ([`engine`]) runs the election on the NIC's stamps
//! ([`dataplane`]) and speaks; a second one ([`kernel`]) moves the addresses;
//! everything that may be slow ([`services`]) lives elsewhere and cannot make
//! them wait. [`command`] holds what a person types, [`config`] what a person
//! writes, [`trace`] looks at adverts on any host, [`lab`] the hosts made of namespaces
//! that the demo and the tests use.

pub mod cli;
pub mod command;
pub mod config;
pub mod dataplane;
pub mod engine;
pub mod error;
pub mod kernel;
pub mod lab;
pub mod plan;
pub mod privs;
pub mod services;
pub mod trace;
pub mod watch;
pub mod words;
