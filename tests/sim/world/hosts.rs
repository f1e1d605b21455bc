//! One router and everything around it that it does not know itself.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use vip_common::election::{Fault, Input, Params, State, StateName, VirtualRouter};
use vip_common::ids::Priority;
use vip_common::time::{Centis, MonoTime};

/// An advert on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) stamp: MonoTime,
    pub(super) source: IpAddr,
    pub(super) priority: Priority,
    pub(super) interval: Centis,
}

impl Frame {
    pub(super) fn input(self) -> Input {
        Input::AdvertArrived {
            stamp: self.stamp,
            source: self.source,
            priority: self.priority,
            interval: self.interval,
        }
    }
}

/// What arrives at a port.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sound {
    Advert(Frame),
    /// A gratuitous ARP, or a neighbour advertisement, for the addresses.
    Claim {
        stamp: MonoTime,
    },
}

/// A router on a LAN; several of them may run on one machine.
pub(crate) struct Host {
    pub(crate) params: Params,
    pub(crate) primary: IpAddr,
    pub(crate) router: Option<VirtualRouter>,
    pub(crate) machine: usize,
    pub(crate) lan: usize,
    /// The generation of the addresses that are in the kernel.
    pub(crate) kernel: Option<u32>,
    /// Whether answers for them are withheld.
    pub(crate) withheld: bool,
    /// Transitions since the last [`World::forget`](super::World::forget).
    pub(crate) transitions: u32,
    /// Adverts sent since then.
    pub(crate) adverts: u64,
    /// When it last announced the addresses.
    pub(crate) announced: Option<MonoTime>,
    /// The last advert as Active, and the interval in it.
    pub(super) last_sent: Option<(MonoTime, Centis)>,
    pub(super) ring: VecDeque<Sound>,
    pub(super) inbox: VecDeque<Input>,
    /// When our last frame arrives at each of the others.
    pub(super) last_arrivals: Vec<MonoTime>,
    pub(super) hands_free: MonoTime,
    pub(super) jobs: u32,
    pub(super) proving: bool,
    pub(super) paused: Option<MonoTime>,
    /// When the last pause ended, or will.
    pub(super) resumed: MonoTime,
    pub(super) deaf: bool,
    pub(super) link: bool,
    pub(super) boot: u64,
    pub(super) alarm: u64,
    /// The last frame at the port that keeps a Backup from taking over, the
    /// last one that would if our priority were lower, and since when their
    /// arrival counts: the oracle of `World::judge`.
    pub(super) respected: Option<Frame>,
    pub(super) lower: Option<Frame>,
    pub(super) listening_since: MonoTime,
    /// When the role was last taken, and given up with the addresses kept, at
    /// which interval.
    pub(super) active_since: MonoTime,
    pub(super) gave_up: Option<(MonoTime, Duration)>,
    /// The first claim of somebody else since then.
    pub(super) claim: Option<MonoTime>,
    /// Whether it was ever told that it slept.
    pub(super) slept: bool,
}

impl Host {
    pub(super) fn new(
        now: MonoTime,
        count: usize,
        machine: usize,
        lan: usize,
        params: Params,
        primary: IpAddr,
    ) -> Self {
        Self {
            params,
            primary,
            router: None,
            machine,
            lan,
            kernel: None,
            withheld: false,
            transitions: 0,
            adverts: 0,
            announced: None,
            last_sent: None,
            ring: VecDeque::new(),
            inbox: VecDeque::new(),
            last_arrivals: vec![now; count],
            hands_free: now,
            jobs: 0,
            proving: false,
            paused: None,
            resumed: now,
            deaf: false,
            link: true,
            boot: 0,
            alarm: 0,
            respected: None,
            lower: None,
            listening_since: now,
            active_since: now,
            gave_up: None,
            claim: None,
            slept: false,
        }
    }

    /// A new process, which clears away what its predecessor left behind.
    pub(super) fn start(&mut self, now: MonoTime) {
        self.cut();
        self.router = Some(VirtualRouter::new(self.params));
        (self.hands_free, self.jobs, self.proving) = (now, 0, false);
    }

    /// Power cut.
    pub(super) fn cut(&mut self) {
        self.router = None;
        (self.kernel, self.withheld) = (None, false);
        self.paused = None;
        self.ring.clear();
        self.inbox.clear();
        self.boot += 1;
        self.alarm += 1;
        (self.gave_up, self.last_sent) = (None, None);
    }

    pub(crate) fn is_active(&self) -> bool {
        self.name() == Some(StateName::Active)
    }

    pub(crate) fn name(&self) -> Option<StateName> {
        Some(self.router.as_ref()?.state().name())
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.router.as_ref()?.state() {
            State::Initialize(initialize) => Some(initialize.fault),
            State::Backup(_) | State::Active(_) => None,
        }
    }

    /// Nothing of its own keeps it from taking part, as far as anybody can tell
    /// from outside.
    pub(crate) fn is_able(&self) -> bool {
        let router = self.router.as_ref();
        let drained = router.is_some_and(VirtualRouter::is_drained);
        router.is_some() && !self.has_left() && self.link && !self.deaf && !drained
    }

    pub(crate) fn is_letting_go(&self) -> bool {
        let router = self.router.as_ref();
        router.is_some_and(VirtualRouter::is_letting_go)
    }

    /// The priority that counts, and who breaks ties.
    pub(crate) fn rank(&self) -> (Priority, IpAddr) {
        let router = self.router.as_ref();
        let priority = router.map_or(self.params.priority, VirtualRouter::effective_priority);
        (priority, self.primary)
    }

    /// The configuration with the priority that counts.
    pub(super) fn counted(&self) -> Params {
        let mut params = self.params;
        params.priority = self.rank().0;
        let router = self.router.as_ref();
        params.preempt |= router.is_some_and(|router| router.taken_priority().is_some());
        params.preempt |= self.params.is_owner();
        params
    }

    pub(super) fn has_left(&self) -> bool {
        self.fault() == Some(Fault::ShutDown)
    }

    pub(super) fn due(&self) -> Option<MonoTime> {
        self.router.as_ref()?.poll_timeout()
    }

    /// Another priority: one that was to be replaced may be one to follow.
    pub(super) fn reconsider(&mut self) {
        let params = self.counted();
        if let Some(lower) = self.lower
            && (lower.priority >= params.priority || !params.preempts())
        {
            self.lower = None;
            let later = |known: Frame| known.stamp <= lower.stamp;
            if self.respected.is_none_or(later) {
                self.respected = Some(lower);
            }
        }
    }

    /// For the oracle, whatever the router makes of it.
    pub(super) fn note_arrival(&mut self, sound: Sound) {
        let params = self.counted();
        match sound {
            Sound::Claim { stamp } if stamp >= self.active_since => {
                self.claim = self.claim.or(Some(stamp));
            }
            Sound::Claim { .. } => {}
            Sound::Advert(frame) => {
                let respected = frame.priority >= params.priority || !params.preempts();
                // The leave of one that is not followed.
                let outlived = self.respected.is_some_and(|followed| {
                    frame.priority.is_resign()
                        && !followed.priority.is_resign()
                        && followed.source != frame.source
                        && followed.stamp >= self.listening_since
                });
                if outlived {
                    return;
                }
                if respected || frame.priority.is_resign() {
                    self.respected = Some(frame);
                } else {
                    self.lower = Some(frame);
                }
            }
        }
    }
}
