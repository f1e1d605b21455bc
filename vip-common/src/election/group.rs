//! Sync groups: virtual routers of one host that are Active together or not at
//! all, as keepalived has them.
//!
//! The group itself has no state. Each member shows its [`Stance`], and
//! [`order`] says what follows from all of them together. Whoever drives the
//! members does, after each change of one of them (an input, a timeout) and
//! when all actions have been performed:
//!
//! ```text
//! while let Some(order) = group::order(members.map(|router| router.stance())) {
//!     for each member: handle_input(now, Input::GroupOrdered { order }), perform
//! }
//! ```
//!
//! This ends: each order changes the stance that led to it. No member's actions
//! may lead back into the loop; an installation that fails at once is told to
//! its router, and the loop sees it at its next turn.
//!
//! The rules, in this order:
//!
//! 1. One that cannot take part keeps the others out ([`Fault::Group`]), at
//!    once, and ends that for all when nothing is in its way any more.
//!    At the start they wait until all have been looked at; one that is added
//!    to a group that runs (a reload) is not waited for, and pulls nobody.
//! 2. One that falls back from Active pulls the others with it. They say that
//!    they leave and keep their addresses for a successor, as always. One that
//!    has only just joined pulls nobody.
//!    A group that a reload has formed over a split, one member Active here and
//!    another one elsewhere, does not stay split: the side whose best Active
//!    member, by priority and address, is the lesser one falls back at once, so
//!    that the other side can take over what it lets go. Where nobody else falls
//!    back within an Active_Down_Interval, because the other side is no group,
//!    this one does.
//! 3. A takeover waits until all members want it, and then takes all. Who has
//!    its [priority taken](super::Input::Taken), and the address owner, want it
//!    at once.
//! 4. Addresses that are kept for a successor are removed when each member that
//!    keeps some has a successor that claimed them. Each member's own bound
//!    holds all the same.
//! 5. Drained without `force`, one without successor brings all back, unless
//!    one of them could not take part any more.
//!
//! A member that hears a router of lower priority that is Active too is none of
//! the orders' matter: the others are told
//! ([`Input::SiblingContested`](super::Input::SiblingContested)), and announce
//! their addresses as it does.
//!
//! A command (drain, take, the end of the daemon) concerns the whole group: all
//! members are told, then `order` is asked. Weights of what is tracked are not
//! the group's concern: whoever computes priorities
//! ([`Input::PriorityChanged`](super::Input::PriorityChanged)) gives all members
//! the same sum where `sync_group_tracking_weight` is set.

use core::net::IpAddr;

use super::action::Fault;
use crate::ids::Priority;

/// How one member stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stance {
    /// Its part in the election.
    pub part: Part,
    /// What it still has of an earlier role.
    pub holding: Holding,
    /// Who is Active, itself or another one, as far as it knows. All hosts of a
    /// group see the same one, so that each knows which of them gives way.
    pub active: Option<(Priority, IpAddr)>,
}

/// A member's part in the election.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// It has left for good and is no member any more.
    Left,
    /// It has never taken part, and nobody has said yet whether it can.
    New,
    /// Something of its own is in the way.
    Unable(Fault),
    /// It could take part, and waits for the group.
    Ready {
        /// Whether it knows that another one is in the way.
        held: bool,
    },
    /// Backup, and content with it.
    Backup,
    /// Backup, and follows another router that speaks.
    Follows {
        /// For longer than that router would have needed to fall back, were the
        /// members of its group here to stay.
        settled: bool,
    },
    /// Backup, having been Active: it heard a better one.
    FellBack,
    /// Backup, and it would take over.
    Wanting,
    /// Active.
    Active,
}

/// What a member still holds that it has given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holding {
    /// Nothing.
    Nothing,
    /// Its addresses; no successor has claimed them yet.
    Waiting,
    /// Its addresses; they can go.
    Claimed,
    /// Its addresses; nobody came for them, and it would have the role back.
    Abandoned,
}

/// What all members of a group are to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Order {
    /// Take no part: one member cannot.
    StayOut,
    /// Take part: all members can.
    Join,
    /// Be Backup: one member was outranked.
    FallBack,
    /// Take over: all members want to.
    TakeOver,
    /// Remove what is kept for successors: all have come.
    LetGo,
    /// Drained, come back: for one member there is no successor.
    Return,
}

/// What follows from the stances of all members, if anything does.
pub fn order<I>(stances: I) -> Option<Order>
where
    I: Iterator<Item = Stance> + Clone,
{
    let parts = || stances.clone().map(|stance| stance.part);
    let any = |is: fn(Part) -> bool| parts().any(is);
    let takes_part = |part| {
        matches!(
            part,
            Part::Backup | Part::Follows { .. } | Part::FellBack | Part::Wanting | Part::Active
        )
    };
    if any(|part| matches!(part, Part::Unable(_))) {
        if any(takes_part) || any(|part| part == Part::Ready { held: false }) {
            return Some(Order::StayOut);
        }
    } else {
        // At the start all are waited for; who joins later is not.
        let complete = !any(|part| part == Part::New) || any(takes_part);
        if complete && any(|part| matches!(part, Part::Ready { .. })) {
            return Some(Order::Join);
        }
        let active = any(|part| part == Part::Active);
        if active && (any(|part| part == Part::FellBack) || gives_way(stances.clone())) {
            return Some(Order::FallBack);
        }
        let content =
            any(|part| matches!(part, Part::Backup | Part::Follows { .. } | Part::FellBack));
        if !content && any(|part| part == Part::Wanting) {
            return Some(Order::TakeOver);
        }
    }
    let holds = |holding| stances.clone().any(|stance| stance.holding == holding);
    let hindered = any(|part| matches!(part, Part::Unable(fault) if fault != Fault::Drained));
    let abandoned = holds(Holding::Abandoned);
    if abandoned && !hindered {
        Some(Order::Return)
    } else if abandoned || holds(Holding::Claimed) && !holds(Holding::Waiting) {
        Some(Order::LetGo)
    } else {
        None
    }
}

/// Whether those that are Active are to fall back, because others of their group
/// follow a router elsewhere.
fn gives_way<I>(stances: I) -> bool
where
    I: Iterator<Item = Stance> + Clone,
{
    let best = |is: fn(Part) -> bool| {
        let those = stances.clone().filter(move |stance| is(stance.part));
        those.filter_map(|stance| stance.active).max()
    };
    let mut parts = stances.clone().map(|stance| stance.part);
    let theirs = best(|part| matches!(part, Part::Follows { .. }));
    theirs.is_some_and(|theirs| {
        parts.any(|part| part == Part::Follows { settled: true })
            || best(|part| part == Part::Active) < Some(theirs)
    })
}
