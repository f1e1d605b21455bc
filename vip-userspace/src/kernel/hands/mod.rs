//! The hands: one real-time thread that asks the kernel for everything that
//! may sleep on a lock of its own (addresses, memberships, attaching the
//! ear), so that no takeover can hold up another router's adverts.
//!
//! The engine asks in [`Request`]s and hears of the result as an
//! [`Outcome`], which is one more input of the election; what a person should
//! read goes to the services as a [`Note`], through a queue that never waits.

mod estate;
mod furnish;
mod listen;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use vip_common::ids::MacAddr;
use vip_common::time::MonoTime;

use crate::dataplane::{Ear, Ears, Port, Rung};
use crate::engine::class::{self, Class, Role};
use crate::engine::queue::{Receiver, Sender, Wake};
use crate::engine::rt;
use crate::engine::{LinkFacts, Own};
use crate::kernel::speakers::RouterClaim;
use crate::kernel::{FrameSender, Inventory, Kernel, Link, Membership, UnicastSender};
use crate::plan::Plan;

use estate::Estate;
use furnish::Made;
pub use listen::{facts, listening, others, own_addresses};

/// What the engine asks for.
#[derive(Debug)]
pub enum Request {
    /// Make a port able to hear and speak, or tell the NIC its new addresses.
    Attach {
        /// The port.
        port: usize,
        /// The interface's index as last heard.
        ifindex: u32,
    },
    /// Join the groups of a port again: its link was down.
    Rejoin {
        /// The port.
        port: usize,
    },
    /// See to it that the routes and rules are there, those of the routers that
    /// have their addresses and those that are always to be there: some may be
    /// gone without a word.
    PlaceRoads,
    /// Forget a port whose interface has gone.
    Detach {
        /// The port.
        port: usize,
        /// The index that has gone.
        ifindex: u32,
    },
    /// Is the ear of this port still ours?
    Prove {
        /// The port.
        port: usize,
        /// The interface's index.
        ifindex: u32,
    },
    /// A takeover is near: do not sleep before the next request, or this.
    StandBy {
        /// At most a few hundred microseconds from now.
        until: MonoTime,
    },
    /// Give this host the addresses of a router.
    Install {
        /// The router.
        slot: usize,
        /// Comes back with the outcome.
        generation: u32,
    },
    /// Take them away.
    Remove {
        /// The router.
        slot: usize,
        /// Comes back with the outcome.
        generation: u32,
    },
    /// Go by another plan from now on: rules, groups and installed addresses are
    /// brought in line with it, and nothing is attached anew.
    Adopt(Arc<Plan>),
    /// Look whether there is an interface for a port.
    Look {
        /// The port.
        port: usize,
    },
    /// A router that is gone from the plan has left: its adverts are not heard
    /// any more.
    Forget {
        /// The router.
        slot: usize,
    },
    /// Close something that is not needed any more.
    Close(Spent),
    /// All done: let go of everything and end.
    Stop,
}

/// What the engine has no use for any more. It closes nothing itself: for a packet
/// socket the kernel makes whoever closes it wait until every processor has passed
/// a point of rest, which takes tens of milliseconds.
pub enum Spent {
    /// An ear that another one has taken the place of, or whose interface has gone.
    Ear(Box<dyn Ear>),
    /// What sent on an interface.
    Sender(FrameSender),
    /// What sent to a router's peers.
    ToPeers(UnicastSender),
}

impl fmt::Debug for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ear(_) => "Ear",
            Self::Sender(_) => "Sender",
            Self::ToPeers(_) => "ToPeers",
        })
    }
}

/// What has become of a request.
pub enum Outcome {
    /// The port hears and can speak.
    Attached(Box<Attached>),
    /// It does not.
    NotAttached {
        /// The port.
        port: usize,
        /// The interface's index that was tried.
        ifindex: u32,
    },
    /// What became of the address that a router must speak from, and of what
    /// sends to its peers.
    Source {
        /// The router.
        slot: usize,
        /// Whether the address is missing.
        missing: bool,
        /// For packets to its peers.
        to_peers: ToPeers,
    },
    /// A port that was attached before has another ear of its own from now on.
    Hears {
        /// The port.
        port: usize,
        /// The ear.
        ear: Box<dyn Ear>,
    },
    /// The ear was alive just now.
    Proven {
        /// The port.
        port: usize,
    },
    /// The ear is not ours any more.
    Deaf {
        /// The port.
        port: usize,
    },
    /// The kernel has some of the addresses: the first ones, in their order.
    Begun {
        /// The router.
        slot: usize,
        /// Of the request.
        generation: u32,
        /// How many are there.
        there: usize,
        /// Of how many that were asked for.
        of: usize,
    },
    /// The kernel has the addresses.
    Installed {
        /// The router.
        slot: usize,
        /// Of the request.
        generation: u32,
    },
    /// It has not, or not all.
    NotInstalled {
        /// The router.
        slot: usize,
        /// Of the request.
        generation: u32,
    },
    /// The interface with a virtual MAC that a port stands for cannot be had.
    NotMade {
        /// The port.
        port: usize,
    },
    /// What was found at [`Request::Look`].
    Looked {
        /// The port.
        port: usize,
        /// The interface, if there is one.
        link: Option<LinkFacts>,
    },
    /// The kernel does not have them any more.
    Removed {
        /// The router.
        slot: usize,
        /// Of the request.
        generation: u32,
    },
}

/// What sends to a router's peers. Who has it keeps it while it can.
#[derive(Debug)]
pub enum ToPeers {
    /// Nothing: it has none, or cannot send from its address.
    Nothing,
    /// What has done so far.
    AsBefore,
    /// This, from now on.
    Now(UnicastSender),
}

/// A port that hears and can speak.
pub struct Attached {
    /// The port.
    pub port: usize,
    /// The interface's index.
    pub ifindex: u32,
    /// Its link-layer address.
    pub mac: MacAddr,
    /// Its own addresses.
    pub own: Own,
    /// As [`LinkFacts::others`].
    pub others: u64,
    /// How to speak on it, where it was not attached before: who has a sender keeps
    /// it, since closing a packet socket waits for the whole kernel (tens of
    /// milliseconds), which the engine must not.
    pub sender: Option<FrameSender>,
    /// The ear, where it is one of the port's own.
    pub ear: Option<Box<dyn Ear>>,
}

/// What a person may want to know of the hands' work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// A port hears.
    Hears {
        /// The port.
        port: usize,
        /// The interface's index.
        ifindex: u32,
        /// How.
        rung: Rung,
        /// Why not better.
        why: String,
    },
    /// A port does not.
    CannotHear {
        /// The port.
        port: usize,
        /// Why.
        why: String,
    },
    /// The interface with a virtual MAC that a port stands for cannot be had; told
    /// once, and tried again each second.
    NotMade {
        /// The port.
        port: usize,
        /// Why.
        why: String,
    },
    /// It is there now.
    Made {
        /// The port.
        port: usize,
    },
    /// The ear of a port was lost.
    LostEar {
        /// The port.
        port: usize,
        /// How that was seen.
        why: String,
    },
    /// The kernel would not take or give back addresses.
    Addresses {
        /// The router.
        slot: usize,
        /// What it said.
        why: String,
    },
    /// The kernel would not take or give back what is always to be there.
    Statics {
        /// What it said.
        why: String,
    },
    /// Another vip in this network namespace runs this router.
    Claimed {
        /// The router.
        slot: usize,
    },
    /// This thread does without something.
    Degraded {
        /// What, and what would help.
        why: String,
    },
}

/// How the hands tell: never waits, drops and counts instead.
pub type Tell = Box<dyn FnMut(Note) + Send>;

/// A port that is attached.
struct Held {
    link: Link,
    own: Own,
    /// What the ears were last told, so that the same is not done twice; `None`
    /// where nothing is to be heard.
    told: Option<Port>,
    memberships: Vec<(IpAddr, Membership)>,
    /// Kept so that no other vip of this host can run the same routers.
    claims: Vec<(usize, RouterClaim)>,
}

/// The thread's own.
pub struct Hands {
    plan: Arc<Plan>,
    kernel: Box<dyn Kernel>,
    inventory: Inventory,
    ears: Ears,
    held: Vec<Option<Held>>,
    /// The addresses of each router that were asked for and not given back.
    installed: Vec<Estate>,
    /// What is always there, as far as it is.
    statics: Estate,
    /// Interfaces with a virtual MAC that were made, by port.
    made: BTreeMap<usize, Made>,
    /// What could not be furnished, so that it is told once.
    lacking: HashMap<usize, String>,
    /// Whether the list of what is there through us cannot be kept, so that it is
    /// told once.
    unlisted: bool,
    /// Interfaces whose second addresses are promoted.
    promoting: BTreeSet<String>,
    /// The addresses that packets are refused to.
    refused: BTreeSet<IpAddr>,
    /// Routers that are gone from the plan and have left.
    forgotten: HashSet<usize>,
    /// From where, and by which interface, the engine can send to the peers of
    /// which routers.
    reached: HashMap<usize, (IpAddr, u32)>,
    requests: Receiver<Request>,
    wake: Wake,
    outcomes: Sender<Outcome>,
    tell: Tell,
    /// Whether nothing may be sent, joined or claimed.
    silent: bool,
}

impl Hands {
    /// Hands that have done nothing yet. The [`Wake`] is rung with each request.
    ///
    /// # Errors
    /// When there is no netlink socket to be had.
    pub fn new(
        plan: Arc<Plan>,
        kernel: Box<dyn Kernel>,
        ears: Ears,
        requests: (Receiver<Request>, Wake),
        outcomes: Sender<Outcome>,
        tell: Tell,
    ) -> std::io::Result<Self> {
        let held = plan.ports.iter().map(|_| None).collect();
        let installed = plan.routers.iter().map(|_| Estate::default()).collect();
        let (requests, wake) = requests;
        let inventory = Inventory::open()?;
        Ok(Self {
            plan,
            kernel,
            inventory,
            ears,
            held,
            installed,
            statics: Estate::default(),
            made: BTreeMap::new(),
            lacking: HashMap::new(),
            unlisted: false,
            promoting: BTreeSet::new(),
            refused: BTreeSet::new(),
            forgotten: HashSet::new(),
            reached: HashMap::new(),
            requests,
            wake,
            outcomes,
            tell,
            silent: false,
        })
    }

    /// The same, without a voice: what the engine sends goes nowhere, no group is
    /// joined (the kernel would tell the switches) and no router is claimed
    /// (`vip run --shadow`).
    #[must_use]
    pub fn silenced(self) -> Self {
        Self {
            silent: true,
            ..self
        }
    }

    /// Starts the thread in the caller's network namespace. It ends at
    /// [`Request::Stop`], or when the engine has gone, and takes back what is
    /// installed before it does.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("vip-hands".into())
            .spawn(move || self.run())
    }

    fn run(mut self) {
        let granted = class::become_punctual(Role::Hands, &self.plan.processors);
        if let (Class::Ordinary, Some(error)) = (granted.class, granted.why) {
            let why =
                format!("the thread that moves the addresses runs at ordinary priority: {error}");
            (self.tell)(Note::Degraded { why });
        }
        loop {
            self.wake.clear();
            while let Some(request) = self.requests.receive() {
                if let Request::Stop = request {
                    return self.let_go();
                }
                if let Some(outcome) = self.perform(request)
                    && !self.outcomes.send_patiently(outcome)
                {
                    return self.let_go();
                }
            }
            if self.requests.is_abandoned() {
                return self.let_go();
            }
            let mut fds = [PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
            // An engine that has gone cannot ring: look for that once a second,
            // and whether the ears are ours still, also where nobody is silent.
            let quiet = poll(&mut fds, PollTimeout::from(1000_u16)) == Ok(0);
            if quiet && !self.watch() {
                return self.let_go();
            }
        }
    }

    /// Looks after every ear; `false` when the engine has gone.
    fn watch(&mut self) -> bool {
        self.furnish();
        for port in 0..self.held.len() {
            if let Some(ifindex) = self.held[port]
                .as_ref()
                .filter(|held| held.told.is_some())
                .map(|held| held.link.index)
                && let deaf @ Outcome::Deaf { .. } = self.prove(port, ifindex)
                && !self.outcomes.send_patiently(deaf)
            {
                return false;
            }
        }
        true
    }

    /// Whether the ear of a port is still ours; one that is not is let go.
    fn prove(&mut self, port: usize, ifindex: u32) -> Outcome {
        match self.ears.prove(ifindex) {
            Ok(()) => Outcome::Proven { port },
            Err(deaf) => {
                (self.tell)(Note::LostEar {
                    port,
                    why: deaf.to_string(),
                });
                self.ears.detach(ifindex);
                self.held[port] = None;
                Outcome::Deaf { port }
            }
        }
    }

    /// The last thing: no address outlives the daemon, and the ear goes last.
    fn let_go(mut self) {
        for slot in 0..self.installed.len() {
            self.remove(slot);
        }
        self.plan = Arc::default();
        self.place_statics();
        self.furnish();
    }

    fn perform(&mut self, request: Request) -> Option<Outcome> {
        match request {
            Request::Attach { port, ifindex } => Some(self.attach(port, ifindex)),
            Request::Rejoin { port } => {
                for (_, membership) in self.held[port].iter().flat_map(|held| &held.memberships) {
                    if let Err(error) = membership.renew() {
                        let why = format!("joining the group again failed: {error}");
                        (self.tell)(Note::Degraded { why });
                    }
                }
                None
            }
            Request::PlaceRoads => {
                for slot in 0..self.installed.len() {
                    if !self.installed[slot].is_empty() {
                        self.place_company(slot);
                    }
                }
                self.statics.routes.clear();
                self.statics.rules.clear();
                self.place_statics();
                None
            }
            Request::Detach { port, ifindex } => {
                self.ears.detach(ifindex);
                self.held[port] = None;
                // Another one may be there by now.
                let gone = self
                    .made
                    .get(&port)
                    .is_some_and(|made| made.index == ifindex);
                if gone {
                    self.made.remove(&port);
                }
                if let Some(planned) = self.plan.ports.get(port) {
                    self.promoting.remove(&planned.name);
                }
                for estate in self.installed.iter_mut().chain([&mut self.statics]) {
                    estate.addresses.retain(|one| one.ifindex != ifindex);
                }
                if gone {
                    self.furnish();
                }
                None
            }
            Request::Prove { port, ifindex } => Some(self.prove(port, ifindex)),
            Request::StandBy { until } => {
                while self.requests.is_empty() && rt::now() < until {
                    std::hint::spin_loop();
                }
                None
            }
            Request::Install { slot, generation } => self.install(slot, generation),
            Request::Remove { slot, generation } => {
                self.remove(slot);
                Some(Outcome::Removed { slot, generation })
            }
            Request::Adopt(plan) => {
                self.adopt(plan);
                None
            }
            Request::Look { port } => Some(self.look(port)),
            Request::Forget { slot } => {
                self.forgotten.insert(slot);
                self.reached.remove(&slot);
                if let Some(router) = self.plan.routers.get(slot) {
                    self.bring_in_line(router.port);
                }
                self.furnish();
                None
            }
            Request::Close(spent) => {
                drop(spent);
                None
            }
            Request::Stop => None,
        }
    }

    /// Goes by another plan, in which slots and ports keep their meaning, or are
    /// vacant.
    fn adopt(&mut self, plan: Arc<Plan>) {
        let before = std::mem::replace(&mut self.plan, plan);
        // A router that is new in a slot begins with nothing.
        let was_vacant = |slot: usize| before.routers.get(slot).is_none_or(|then| then.vacant);
        let now = &self.plan.routers;
        self.reached
            .retain(|slot, _| now[*slot].vacant || !was_vacant(*slot));
        self.held.resize_with(self.plan.ports.len(), || None);
        self.installed
            .resize_with(self.plan.routers.len(), Estate::default);
        let plan = Arc::clone(&self.plan);
        self.forgotten.retain(|slot| plan.routers[*slot].vacant);
        for port in 0..self.plan.ports.len() {
            self.bring_in_line(port);
        }
        for slot in 0..self.installed.len() {
            if self.installed[slot].addresses.is_empty() || self.plan.routers[slot].vacant {
                continue;
            }
            // What is new is put there at the next request to install.
            let router = &plan.routers[slot];
            let wanted = Estate {
                addresses: self.assignments(slot),
                routes: router.routes.clone(),
                rules: router.rules.clone(),
            };
            let mut gone = std::mem::replace(&mut self.installed[slot], wanted);
            gone.leave(&self.installed[slot]);
            self.take_off(slot, gone);
        }
        self.furnish();
        self.place_statics();
    }
}
