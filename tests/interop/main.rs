//! Daemons and decoders of other makes: Debian's keepalived as the other node,
//! tshark as the reader of what we send. Needs root.

mod config;
mod decoder;
mod init;
mod keepalived;
mod words;
