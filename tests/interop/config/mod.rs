//! Our reading of keepalived.conf, held against keepalived's own: the files of
//! this project and of Debian's package ([`samples`]), one small file per trap of
//! the language ([`traps`]), and random files ([`random`]).
//!
//! keepalived is asked in two ways ([`oracle`]): `keepalived -t`, whose exit code
//! is its verdict, and a daemon that is really started, whose data dump says what
//! it has read ([`dump`]). Both sides come down to the same [`facts`].
//!
//! The dump of keepalived 2.2.7 does not tell: the label and flags of an address
//! beyond what is compared here, whether `preempt_delay` came from a value that
//! was corrected, a source address of an instance that is not given in the file
//! (it shows the interface's), a password behind `auth_type AH`, and nothing of
//! an instance that it has dropped.

mod dump;
mod facts;
mod oracle;
mod random;
mod samples;
mod traps;
mod trial;
mod written;
