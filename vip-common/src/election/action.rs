//! What goes into the election and what comes out of it. Inputs are facts, in
//! the past tense; actions are commands; reports are news that nobody has to
//! act on. All of it is plain data.

use core::net::IpAddr;
use core::time::Duration;

use super::group::Order;
use super::state::StateName;
use crate::ids::Priority;
use crate::time::{Centis, MonoTime};

/// Something that has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Input {
    /// The interface is up, has a primary address, and we hear what arrives on
    /// it. Said again with another primary address, only that is taken over.
    BecameAble {
        /// Source address of our adverts; it decides ties.
        primary: IpAddr,
    },
    /// We can no longer take part.
    BecameUnable {
        /// Why.
        fault: Fault,
    },
    /// An advert arrived that was decoded and accepted: whatever was refused
    /// never comes here.
    AdvertArrived {
        /// When the frame arrived at the port; it may be long ago.
        stamp: MonoTime,
        /// Who sent it.
        source: IpAddr,
        /// With what priority; zero is the announcement of a leave.
        priority: Priority,
        /// At what interval it says it advertises.
        interval: Centis,
    },
    /// The addresses of this generation are in the kernel.
    AddressesInstalled {
        /// From [`Action::InstallAddresses`].
        generation: u32,
    },
    /// At least one address of this generation could not be installed, or was
    /// taken away by somebody else.
    AddressesFailed {
        /// From [`Action::InstallAddresses`].
        generation: u32,
    },
    /// The addresses of this generation are gone from the kernel.
    AddressesRemoved {
        /// From [`Action::RemoveAddresses`].
        generation: u32,
    },
    /// Answer to [`Action::ProveEar`]: had an advert been on the wire, we
    /// would have heard it. No answer is the answer "no".
    EarProven,
    /// This host did not run us when it should have: what arrived meanwhile
    /// may be lost. A Backup gives the network one more interval to speak.
    Slept,
    /// Another host has claimed one of our addresses with a gratuitous ARP or
    /// an unsolicited neighbour advertisement. It matters where we
    /// [let go](super::LettingGo), and may be told before the advert that
    /// preceded it, while we are Active still: the stamps tell.
    AddressClaimed {
        /// When the claim arrived at the port.
        stamp: MonoTime,
    },
    /// What is tracked gives another priority than the configured one: 1 to
    /// 254, others count as the nearest of these. The address owner's
    /// priority does not change (RFC 9568 section 6.1).
    PriorityChanged {
        /// The effective priority from now on, with everything in it.
        priority: Priority,
    },
    /// We are to hand over and stay out, until [`Input::Undrained`]. Of a
    /// sync group all members are told before anything else.
    Drained {
        /// Even where nobody takes over; else we return in that case.
        force: bool,
    },
    /// We may take part again.
    Undrained,
    /// We are to become Active and stay it, with this priority instead of
    /// ours: at once, whatever Preempt_Mode says, unless whoever is Active
    /// outranks it.
    Taken {
        /// 1 to 254; 255 counts as 254.
        priority: Priority,
    },
    /// Our own priority counts again.
    Untaken,
    /// Another member of our sync group has reported
    /// [`Report::LowerPriorityHeard`]: whoever believes to be Active there may
    /// have the addresses here too.
    SiblingContested,
    /// What the [sync group](super::group) has decided.
    GroupOrdered {
        /// The decision; where it does not concern this member, nothing
        /// follows.
        order: Order,
    },
    /// We leave for good; nothing later brings this router back.
    ShutDown,
}

/// Why a router takes no part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Fault {
    /// Nobody has said yet that it can.
    Starting,
    /// The interface does not exist.
    NoInterface,
    /// The interface is down or has no carrier.
    LinkDown,
    /// The interface has no address to speak from.
    NoAddress,
    /// Something else that it cannot do without is down: an interface that is
    /// tracked.
    Tracked,
    /// We cannot vouch for hearing what arrives on the interface.
    EarDeaf,
    /// The addresses could not be installed; tried again after a while.
    AddressesNotInstalled,
    /// The configuration cannot be run.
    Unusable,
    /// The configured delay after the start has not passed yet.
    StartupDelay,
    /// Another member of our sync group takes no part.
    Group,
    /// We were told to stay out.
    Drained,
    /// We have left.
    ShutDown,
}

impl Fault {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Starting,
        Self::NoInterface,
        Self::LinkDown,
        Self::NoAddress,
        Self::Tracked,
        Self::EarDeaf,
        Self::AddressesNotInstalled,
        Self::Unusable,
        Self::StartupDelay,
        Self::Group,
        Self::Drained,
        Self::ShutDown,
    ];
}

/// Something for the shell to do, in the order given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Action {
    /// Send an advert now.
    SendAdvert {
        /// Ours, or zero to say that we leave.
        priority: Priority,
    },
    /// Install the addresses and answer with
    /// [`Input::AddressesInstalled`] or [`Input::AddressesFailed`].
    InstallAddresses {
        /// To be given back in the answer.
        generation: u32,
    },
    /// Remove the addresses, whatever of them is there.
    RemoveAddresses {
        /// Of the installation that this ends.
        generation: u32,
    },
    /// Begin or end to withhold answers to whoever asks for our addresses (ARP
    /// requests, neighbour solicitations): a successor speaks, and whoever asks
    /// now is to find it.
    Withhold {
        /// Begin; ended by the next takeover, or when the addresses are gone.
        on: bool,
    },
    /// Send gratuitous ARP, or unsolicited neighbour advertisements, for each
    /// address.
    Announce {
        /// How many times over all addresses; never zero.
        rounds: u8,
    },
    /// Find out whether the ear is alive, and answer with
    /// [`Input::EarProven`], or with [`Input::BecameUnable`] and
    /// [`Fault::EarDeaf`].
    ProveEar,
    /// Tell whoever wants to know.
    Report(Report),
}

/// News.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Report {
    /// The state changed, or the fault within Initialize did.
    Transition {
        /// Before.
        from: StateName,
        /// After.
        to: StateName,
        /// The reason.
        why: Why,
    },
    /// As Active: a router of lower priority, or of equal priority and lower
    /// address, believes to be Active too.
    LowerPriorityHeard {
        /// Who.
        source: IpAddr,
        /// With what priority.
        priority: Priority,
    },
    /// As Active: an advert of our own priority from our own address. Either
    /// the network returns our frames, or another host has our address. The
    /// protocol cannot decide between the two.
    SameAddressHeard {
        /// Our own address.
        source: IpAddr,
    },
    /// Another router said that it leaves.
    ResignHeard {
        /// Who.
        source: IpAddr,
    },
    /// As Backup: a router said that it leaves, but another one is followed: nothing
    /// comes of it.
    ResignIgnored {
        /// Who leaves.
        source: IpAddr,
        /// Who is followed.
        active: IpAddr,
    },
    /// Having left, we hear another router that has taken over. Once per leave.
    SuccessorHeard {
        /// Who.
        source: IpAddr,
        /// With what priority.
        priority: Priority,
    },
    /// The addresses that we kept for our successor are being removed.
    LetGo {
        /// Whether it has claimed them; else we waited long enough.
        claimed: bool,
        /// For how long we kept them.
        held: Duration,
    },
    /// Taken, but whoever is Active outranks the priority given: we do not try.
    TakeOutranked {
        /// Who.
        source: IpAddr,
        /// With what priority.
        priority: Priority,
    },
}

/// The reason of a transition, with the numbers that explain it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Why {
    /// Able for the first time.
    Started,
    /// Able again.
    Recovered {
        /// What had kept us out.
        fault: Fault,
    },
    /// Able, and the address is ours: the owner does not wait.
    AddressOwner,
    /// No acceptable advert within the Active_Down_Interval.
    ActiveDownTimerExpired {
        /// Arrival of the last accepted one; `None` if there was none since
        /// we became Backup.
        last_advert: Option<MonoTime>,
        /// When the timer ran out: it is believed only once the ear is proven.
        deadline: MonoTime,
        /// When the ear was proven, where that was after the deadline.
        proven: Option<MonoTime>,
    },
    /// The Active Router said that it leaves, and nobody came before us.
    ActiveResigned {
        /// Who left.
        source: IpAddr,
        /// Arrival of its last advert.
        stamp: MonoTime,
        /// `stamp` and Skew_Time.
        deadline: MonoTime,
    },
    /// The Active Router has a lower priority than ours.
    Preempting {
        /// Whom we replace.
        source: IpAddr,
        /// Its priority.
        priority: Priority,
        /// When our Active_Down_Timer ran out.
        deadline: MonoTime,
    },
    /// As Active we heard a higher priority.
    HigherPriority {
        /// Whose.
        source: IpAddr,
        /// The priority.
        priority: Priority,
    },
    /// As Active we heard our own priority from a higher address.
    HigherAddress {
        /// The address.
        source: IpAddr,
        /// The priority, ours and theirs.
        priority: Priority,
    },
    /// We became unable.
    Fault(Fault),
    /// The addresses could not be installed: we gave up the role.
    AddressesFailed {
        /// When we take part again.
        retry: MonoTime,
    },
    /// We were told to take over.
    Taken,
    /// Drained, and nobody took over: we hold the addresses again.
    NoSuccessor,
    /// Another member of our sync group is not Active any more.
    GroupFellBack,
    /// We were told to stay out.
    Drained,
    /// We were told to leave.
    ShutDown,
}

impl Why {
    /// When a takeover was due: where it was one after somebody else, or after nobody.
    #[must_use]
    pub const fn deadline(&self) -> Option<MonoTime> {
        match self {
            Self::ActiveDownTimerExpired { deadline, .. }
            | Self::ActiveResigned { deadline, .. }
            | Self::Preempting { deadline, .. } => Some(*deadline),
            Self::Started
            | Self::Recovered { .. }
            | Self::AddressOwner
            | Self::HigherPriority { .. }
            | Self::HigherAddress { .. }
            | Self::Fault(_)
            | Self::AddressesFailed { .. }
            | Self::Taken
            | Self::NoSuccessor
            | Self::GroupFellBack
            | Self::Drained
            | Self::ShutDown => None,
        }
    }

    /// The last advert of whoever is succeeded, where its silence, or its leave, is why.
    #[must_use]
    pub const fn last_advert(&self) -> Option<MonoTime> {
        match self {
            Self::ActiveDownTimerExpired { last_advert, .. } => *last_advert,
            Self::ActiveResigned { stamp, .. } => Some(*stamp),
            Self::Started
            | Self::Recovered { .. }
            | Self::AddressOwner
            | Self::Preempting { .. }
            | Self::HigherPriority { .. }
            | Self::HigherAddress { .. }
            | Self::Fault(_)
            | Self::AddressesFailed { .. }
            | Self::Taken
            | Self::NoSuccessor
            | Self::GroupFellBack
            | Self::Drained
            | Self::ShutDown => None,
        }
    }
}

/// Actions that were not taken yet, in order, inline.
///
/// No call gives rise to more than [`ActionQueue::MOST`], and the contract has
/// the shell take them all before it tells the next thing, except for the
/// failure of an action just taken: there is room for that as well, so it
/// cannot overflow.
#[derive(Clone, Debug, Default)]
pub(super) struct ActionQueue {
    slots: [Option<Action>; Self::ROOM],
    first: usize,
    len: usize,
}

impl ActionQueue {
    /// The most actions that one call gives rise to.
    pub(super) const MOST: usize = 4;

    const ROOM: usize = 10;

    /// Whether another call's actions find room.
    pub(super) fn has_room(&self) -> bool {
        self.len + Self::MOST <= Self::ROOM
    }

    pub(super) fn push(&mut self, action: Action) {
        debug_assert!(self.len < Self::ROOM, "no room for {action:?}");
        if self.len < Self::ROOM {
            self.slots[(self.first + self.len) % Self::ROOM] = Some(action);
            self.len += 1;
        }
    }

    pub(super) fn pop(&mut self) -> Option<Action> {
        let action = self.slots[self.first].take()?;
        self.first = (self.first + 1) % Self::ROOM;
        self.len -= 1;
        Some(action)
    }
}
