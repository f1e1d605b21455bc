//! Our reading of keepalived.conf, held against keepalived's own: the files of
//! this project and of Debian's package ([`samples`]), one small file per trap of
//! the language ([`traps`]), and random files ([`random`]).
//!
//! keepalived is asked in two ways ([`oracle`]): `keepalived -t`, whose exit code
//! is its verdict, and a daemon that is really started, whose data dump says what
//! it has read ([`dump`]). Both sides come down to the same [`facts`].
//!
//! The dump of keepalived 2.2.7 does not tell: the lifetimes of an address as
//! they were written, a source address that the file does not give (it shows the
//! interface's), the password behind `auth_type AH`, what a tracker will add once
//! its script has run, a down interval over 71 minutes (it wraps), and nothing of
//! an instance that it has dropped. Not compared, for want of the same on our
//! side: unicast peers, virtual MACs, routes, rules, trackers and scripts.

mod dump;
mod facts;
mod oracle;
mod random;
mod samples;
mod traps;
mod trial;
mod written;
