//! Daemons and decoders of other makes: Debian's keepalived as the other node,
//! tshark and tcpdump as readers of what we send. Needs root.

mod config;
mod decoder;
mod frames;
mod init;
mod matrix;
mod notify;
mod prometheus;
mod shadow;
mod tracked;
mod words;
