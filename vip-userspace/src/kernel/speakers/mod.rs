//! Who else on this host speaks for one of our virtual routers.
//!
//! Three ways to know, none of which goes by a process name or pid file,
//! since a host runs many network namespaces: another vip holds a claim
//! ([`claim_router`]); any program is heard when it speaks ([`OwnVoice`]);
//! a VRRP daemon holds a raw socket on the interface, speaking or not
//! ([`foreign_holders`]). And who on the LAN speaks of an address: [`Onlooker`].

mod claim;
mod holders;
mod onlooker;
mod voice;

pub use claim::{AlreadyClaimed, Claimant, RouterClaim, claim_router, first_claimed};
pub use holders::{Bound, Holder, Listed, foreign_holders, listed, unbound_holders};
pub use onlooker::{Onlooker, Overheard};
pub use voice::{Heard, OwnVoice};
