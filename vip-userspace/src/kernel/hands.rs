//! The hands: one real-time thread that asks the kernel for everything that
//! may sleep on a lock of its own (addresses, memberships, attaching the
//! ear), so that no takeover can hold up another router's adverts.
//!
//! The engine asks in [`Request`]s and hears of the result as an
//! [`Outcome`], which is one more input of the election; what a person should
//! read goes to the services as a [`Note`], through a queue that never waits.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use vip_common::ids::MacAddr;
use vip_common::time::MonoTime;

use crate::dataplane::{Ear, Ears, Port, Rung};
use crate::engine::queue::{Receiver, Sender, Wake};
use crate::engine::rt;
use crate::kernel::speakers::{AlreadyClaimed, RouterClaim, claim_router};
use crate::kernel::{FrameSender, Inventory, Kernel, Link, Membership};
use crate::plan::Plan;

/// What the engine asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
        /// The interface's index.
        ifindex: u32,
        /// Comes back with the outcome.
        generation: u32,
    },
    /// Take them away.
    Remove {
        /// The router.
        slot: usize,
        /// The interface's index.
        ifindex: u32,
        /// Comes back with the outcome.
        generation: u32,
    },
    /// All done: let go of everything and end.
    Stop,
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
    /// The kernel does not have them any more.
    Removed {
        /// The router.
        slot: usize,
        /// Of the request.
        generation: u32,
    },
}

/// A port that hears and can speak.
pub struct Attached {
    /// The port.
    pub port: usize,
    /// The interface's index.
    pub ifindex: u32,
    /// Its link-layer address.
    pub mac: MacAddr,
    /// Its own address, if it has one.
    pub primary: Option<IpAddr>,
    /// How to speak on it.
    pub sender: FrameSender,
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

struct Held {
    ifindex: u32,
    /// What the NIC was last told, so that the same is not done twice.
    mac: MacAddr,
    primary: Option<Ipv4Addr>,
    memberships: Vec<Membership>,
    /// Kept so that no other vip of this host can run the same routers.
    _claims: Vec<RouterClaim>,
}

/// The thread's own.
pub struct Hands {
    plan: Arc<Plan>,
    kernel: Box<dyn Kernel>,
    inventory: Inventory,
    ears: Ears,
    held: Vec<Option<Held>>,
    /// Which routers' addresses were asked for and not given back, by interface.
    installed: Vec<Option<u32>>,
    requests: Receiver<Request>,
    wake: Wake,
    outcomes: Sender<Outcome>,
    tell: Tell,
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
        let installed = vec![None; plan.routers.len()];
        let (requests, wake) = requests;
        let inventory = Inventory::open()?;
        Ok(Self {
            plan,
            kernel,
            inventory,
            ears,
            held,
            installed,
            requests,
            wake,
            outcomes,
            tell,
        })
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
        if let Err(error) = rt::become_real_time(rt::HANDS_PRIORITY) {
            let why =
                format!("the thread that moves the addresses runs at ordinary priority: {error}");
            (self.tell)(Note::Degraded { why });
        }
        loop {
            self.wake.clear();
            while let Some(request) = self.requests.receive() {
                if request == Request::Stop {
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
        for port in 0..self.held.len() {
            if let Some(ifindex) = self.held[port].as_ref().map(|held| held.ifindex)
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
            if let Some(ifindex) = self.installed[slot] {
                self.remove(slot, ifindex);
            }
        }
    }

    fn perform(&mut self, request: Request) -> Option<Outcome> {
        match request {
            Request::Attach { port, ifindex } => Some(self.attach(port, ifindex)),
            Request::Rejoin { port } => {
                for membership in self.held[port].iter().flat_map(|held| &held.memberships) {
                    if let Err(error) = membership.renew() {
                        let why = format!("joining the group again failed: {error}");
                        (self.tell)(Note::Degraded { why });
                    }
                }
                None
            }
            Request::Detach { port, ifindex } => {
                self.ears.detach(ifindex);
                self.held[port] = None;
                for slot in &self.plan.ports[port].routers {
                    self.installed[*slot] = None;
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
            Request::Install {
                slot,
                ifindex,
                generation,
            } => {
                self.installed[slot] = Some(ifindex);
                match self
                    .kernel
                    .install(&self.plan.routers[slot].assignments(ifindex))
                {
                    Ok(installed) => {
                        if let Some(why) = installed.unlisted {
                            (self.tell)(Note::Addresses { slot, why });
                        }
                        Some(Outcome::Installed { slot, generation })
                    }
                    Err(error) => {
                        (self.tell)(Note::Addresses {
                            slot,
                            why: error.to_string(),
                        });
                        Some(Outcome::NotInstalled { slot, generation })
                    }
                }
            }
            Request::Remove {
                slot,
                ifindex,
                generation,
            } => {
                self.remove(slot, ifindex);
                Some(Outcome::Removed { slot, generation })
            }
            Request::Stop => None,
        }
    }

    fn remove(&mut self, slot: usize, ifindex: u32) {
        self.installed[slot] = None;
        if let Err(error) = self
            .kernel
            .remove(&self.plan.routers[slot].assignments(ifindex))
        {
            (self.tell)(Note::Addresses {
                slot,
                why: error.to_string(),
            });
        }
    }

    fn attach(&mut self, port: usize, ifindex: u32) -> Outcome {
        match self.try_attach(port, ifindex) {
            Ok(attached) => Outcome::Attached(Box::new(attached)),
            Err(why) => {
                (self.tell)(Note::CannotHear { port, why });
                Outcome::NotAttached { port, ifindex }
            }
        }
    }

    fn try_attach(&mut self, port: usize, ifindex: u32) -> Result<Attached, String> {
        let plan = Arc::clone(&self.plan);
        let name = &plan.ports[port].name;
        let link = self
            .inventory
            .by_name(name)
            .map_err(|error| format!("{name}: cannot be asked for: {error}"))?
            .filter(|link| link.index == ifindex)
            .ok_or_else(|| format!("{name} has gone"))?;
        let primary = primary_address(&plan, port, &link);
        let sender =
            FrameSender::open(ifindex).map_err(|error| format!("{name}: cannot send: {error}"))?;

        let held = self.held[port]
            .take()
            .filter(|held| held.ifindex == ifindex);
        let same = held
            .as_ref()
            .is_some_and(|held| held.mac == link.mac && held.primary == primary);
        let held = match held {
            Some(held) => Held {
                mac: link.mac,
                primary,
                ..held
            },
            None => self.join(port, &link, primary)?,
        };
        self.held[port] = Some(held);
        if same {
            return Ok(Attached {
                port,
                ifindex,
                mac: link.mac,
                primary: primary.map(IpAddr::V4),
                sender,
                ear: None,
            });
        }

        let wanted = listening(&plan, port, &link, primary);
        let ear = self.ears.attach(&wanted).map_err(|error| {
            self.held[port] = None;
            error.to_string()
        })?;
        (self.tell)(Note::Hears {
            port,
            ifindex,
            rung: ear.rung,
            why: ear.why,
        });
        Ok(Attached {
            port,
            ifindex,
            mac: link.mac,
            primary: primary.map(IpAddr::V4),
            sender,
            ear: ear.ear,
        })
    }

    /// What is done once per interface: nobody else runs our routers here,
    /// and the groups are joined.
    fn join(
        &mut self,
        port: usize,
        link: &Link,
        primary: Option<Ipv4Addr>,
    ) -> Result<Held, String> {
        let mut claims = Vec::new();
        let mut groups: Vec<Ipv4Addr> = Vec::new();
        for slot in &self.plan.ports[port].routers {
            let router = &self.plan.routers[*slot];
            if router.unusable.is_some() {
                continue;
            }
            match claim_router(link.index, router.params.vrid) {
                Ok(claim) => claims.push(claim),
                Err(error) => {
                    if let AlreadyClaimed::By { .. } = error {
                        (self.tell)(Note::Claimed { slot: *slot });
                    }
                    return Err(error.to_string());
                }
            }
            if !groups.contains(&router.group) {
                groups.push(router.group);
            }
        }
        let join = |group: &Ipv4Addr| {
            Membership::join(*group, link.index)
                .map_err(|error| format!("{}: cannot join {group}: {error}", link.name))
        };
        let memberships = groups.iter().map(join).collect::<Result<_, _>>()?;
        Ok(Held {
            ifindex: link.index,
            mac: link.mac,
            primary,
            memberships,
            _claims: claims,
        })
    }
}

/// What is listened for on a port of the plan, `primary` being the address to speak
/// from, if there is one.
#[must_use]
pub fn listening(plan: &Plan, port: usize, link: &Link, primary: Option<Ipv4Addr>) -> Port {
    let ifindex = link.index;
    let mut routers = Vec::new();
    let mut addresses = Vec::new();
    for slot in &plan.ports[port].routers {
        let router = &plan.routers[*slot];
        if router.unusable.is_some() {
            continue;
        }
        let number = u32::try_from(*slot).unwrap_or(u32::MAX);
        // Before there is an address to speak from it takes no part.
        let Some(own) = router.source.or(primary) else {
            continue;
        };
        let broadcast = [Some(own), primary]
            .into_iter()
            .flatten()
            .find_map(|own| link.broadcast_of(own));
        routers.push(router.entry(number, ifindex, own, broadcast, link.mac));
        addresses.extend(router.address_entries(number, ifindex, link.mac));
    }
    Port {
        name: link.name.clone(),
        ifindex,
        mac: link.mac,
        kind: link.kind.clone(),
        has_vlans: link.has_vlans,
        mtu: link.mtu,
        routers,
        addresses,
    }
}

/// The interface's own address: its first that is none of the virtual ones. An
/// address owner (priority 255) speaks from the address that it owns.
#[must_use]
pub fn primary_address(plan: &Plan, port: usize, link: &Link) -> Option<Ipv4Addr> {
    let ours = |address: Ipv4Addr| {
        let routers = plan.ports[port]
            .routers
            .iter()
            .map(|slot| &plan.routers[*slot]);
        routers
            .filter(|router| !router.params.is_owner())
            .flat_map(|router| router.all_addresses())
            .any(|one| one.address == address)
    };
    link.addresses
        .iter()
        .map(|(address, _)| *address)
        .find(|address| !ours(*address))
}
