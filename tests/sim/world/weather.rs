//! What can be done to hosts and to the network between them.

use std::time::Duration;

use vip_common::election::Params;
use vip_common::ids::Priority;

/// What the network and the hosts do to whoever uses them.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// Adverts lost, per thousand and receiver.
    pub(crate) loss: u64,
    /// Adverts doubled, per thousand and receiver.
    pub(crate) duplication: u64,
    /// Longest way of a frame.
    pub(crate) delay: Duration,
    /// Whether frames may overtake each other, as they do not on one cable.
    pub(crate) reorder: bool,
    /// Longest time by which a timer is late.
    pub(crate) lateness: Duration,
    /// Longest time for which an answer from the kernel takes.
    pub(crate) hands: Duration,
    /// Installations that fail, per thousand.
    pub(crate) failures: u64,
}

impl Weather {
    /// Everything takes its time, nothing goes wrong.
    pub(crate) fn fair(tick: Duration) -> Self {
        Self {
            loss: 0,
            duplication: 0,
            delay: tick / 20,
            reorder: false,
            lateness: tick / 50,
            hands: tick / 10,
            failures: 0,
        }
    }

    /// The worse of both in everything.
    pub(super) fn worse(&self, other: &Self) -> Self {
        Self {
            loss: self.loss.max(other.loss),
            duplication: self.duplication.max(other.duplication),
            delay: self.delay.max(other.delay),
            reorder: self.reorder || other.reorder,
            lateness: self.lateness.max(other.lateness),
            hands: self.hands.max(other.hands),
            failures: self.failures.max(other.failures),
        }
    }

    /// Everything takes less time than the shortest skew, that of 255.
    pub(crate) fn calm(tick: Duration) -> Self {
        Self {
            delay: tick / 1000,
            lateness: tick / 1000,
            ..Self::fair(tick)
        }
    }
}

/// Something done to a host or to the network. What is done to a process is
/// done to all routers of its machine.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// The daemon starts, with the interface up.
    Start(usize),
    /// The daemon leaves in good order.
    Stop(usize),
    /// Power cut: nothing is said and nothing is left.
    Cut(usize),
    /// The whole process stands still; its port goes on collecting frames.
    Pause(usize, Duration),
    /// Link down; what the host knew to be on its way is lost.
    LinkDown(usize),
    LinkUp(usize),
    /// Frames arrive and nobody is told: the program at the port is gone.
    Deafen(usize),
    Hear(usize),
    /// Which hosts reach each other: those of the same group.
    Partition(Vec<u8>),
    /// Another weather from now on.
    Weather(Weather),
    /// Told to hand over and stay out, by force or not.
    Drain(usize, bool),
    Undrain(usize),
    /// Told to take over with this priority.
    Take(usize, Priority),
    Untake(usize),
    /// What is tracked gives another priority.
    Track(usize, Priority),
    /// It finds that it did not run.
    Sleep(usize),
    /// Another configuration, the same for each router of the machine.
    Reconfigure(usize, Params),
}
