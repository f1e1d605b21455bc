//! Our reading of keepalived.conf, held against keepalived's own: the files of
//! this project and of Debian's package ([`samples`]), one small file per trap of
//! the language ([`traps`]), and random files ([`random`]).
//!
//! keepalived is asked in two ways ([`oracle`]): `keepalived -t`, whose exit code
//! is its verdict, and a daemon that is really started, whose data dump says what
//! it has read ([`dump`]). Both sides come down to the same [`facts`].
//!
//! The dump of keepalived 2.2.7 does not tell: the lifetime of an IPv4 address, a
//! source address that the file does not give (it shows the interface's), the
//! password behind `auth_type AH`, what a tracker will add once its script has run,
//! a down interval over 71 minutes (it wraps), and nothing of an instance that it
//! has dropped. Of routes the destinations are compared, of rules the preferences.
//! Scripts and files are compared by what they make of a priority on the wire, in
//! `tracked`.

mod dump;
mod facts;
mod hidden;
mod oracle;
mod random;
mod samples;
mod traps;
mod trial;
mod written;
