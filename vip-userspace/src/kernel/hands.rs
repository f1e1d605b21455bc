//! The hands: one real-time thread that asks the kernel for everything that
//! may sleep on a lock of its own (addresses, memberships, attaching the
//! ear), so that no takeover can hold up another router's adverts.
//!
//! The engine asks in [`Request`]s and hears of the result as an
//! [`Outcome`], which is one more input of the election; what a person should
//! read goes to the services as a [`Note`], through a queue that never waits.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use vip_common::ids::{Family, MacAddr};
use vip_common::time::MonoTime;

use crate::config;
use crate::dataplane::{Ear, Ears, Port, Rung};
use crate::engine::queue::{Receiver, Sender, Wake};
use crate::engine::rt;
use crate::engine::{LinkFacts, Own};
use crate::kernel::speakers::{AlreadyClaimed, RouterClaim, claim_router};
use crate::kernel::{
    Assignment, FrameSender, Inventory, Kernel, Link, Membership, Placed, UnicastSender,
};
use crate::plan::{PlacedAddress, Plan, RouterPlan, address_entry};

/// What the engine asks for.
#[derive(Clone, Debug)]
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
    /// What became of the address that a router must speak from, and of what
    /// sends to its peers.
    Source {
        /// The router.
        slot: usize,
        /// Whether the address is missing.
        missing: bool,
        /// For packets to its peers.
        to_peers: Option<UnicastSender>,
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

/// What a router has, or the host.
#[derive(PartialEq, Default, Debug)]
struct Estate {
    addresses: Vec<Assignment>,
    routes: Vec<config::Route>,
    rules: Vec<config::Rule>,
}

impl Estate {
    fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// Leaves out what another one has too.
    fn leave(&mut self, other: &Self) {
        self.addresses.retain(|one| !other.addresses.contains(one));
        self.routes.retain(|one| !other.routes.contains(one));
        self.rules.retain(|one| !other.rules.contains(one));
    }
}

/// What the kernel would not do of what it was asked to place.
fn complaints(placed: Placed) -> impl Iterator<Item = String> {
    let failures = placed.failures.into_iter();
    let failures = failures.map(|failure| format!("cannot add {failure}"));
    failures.chain(placed.unlisted)
}

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
    /// Interfaces with a virtual MAC that were made, by port, and their names.
    made: BTreeMap<usize, String>,
    /// What could not be furnished, so that it is told once.
    lacking: HashMap<usize, String>,
    /// Interfaces whose second addresses are promoted.
    promoting: BTreeSet<String>,
    /// The addresses that packets are refused to.
    refused: BTreeSet<IpAddr>,
    /// Routers that are gone from the plan and have left.
    forgotten: HashSet<usize>,
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
            promoting: BTreeSet::new(),
            refused: BTreeSet::new(),
            forgotten: HashSet::new(),
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
                // The kernel forgets routes by a link that goes down.
                for slot in 0..self.installed.len() {
                    if !self.installed[slot].is_empty() {
                        self.place_company(slot);
                    }
                }
                self.statics.routes.clear();
                self.place_statics();
                None
            }
            Request::Detach { port, ifindex } => {
                self.ears.detach(ifindex);
                self.held[port] = None;
                self.made.remove(&port);
                for estate in self.installed.iter_mut().chain([&mut self.statics]) {
                    estate.addresses.retain(|one| one.ifindex != ifindex);
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
                if let Some(router) = self.plan.routers.get(slot) {
                    self.bring_in_line(router.port);
                }
                self.furnish();
                None
            }
            Request::Stop => None,
        }
    }

    fn install(&mut self, slot: usize, generation: u32) -> Option<Outcome> {
        let wanted = self.assignments(slot);
        let done = self.kernel.install(&wanted);
        self.installed[slot].addresses = wanted;
        match done {
            Ok(installed) => {
                if let Some(why) = installed.unlisted {
                    (self.tell)(Note::Addresses { slot, why });
                }
                // Whoever is to be told of the addresses need not wait for the rest.
                let done = Outcome::Installed { slot, generation };
                if self.outcomes.send_patiently(done) {
                    self.place_company(slot);
                }
                None
            }
            Err(error) => {
                let why = error.to_string();
                (self.tell)(Note::Addresses { slot, why });
                Some(Outcome::NotInstalled { slot, generation })
            }
        }
    }

    /// Routes and rules that go with a router's addresses. The role does not hang
    /// on them, as in keepalived.
    fn place_company(&mut self, slot: usize) {
        let router = &self.plan.routers[slot];
        let estate = &mut self.installed[slot];
        estate.routes.clone_from(&router.routes);
        estate.rules.clone_from(&router.rules);
        let mut placed = Vec::new();
        if !estate.routes.is_empty() {
            placed.push(self.kernel.install_routes(&estate.routes));
        }
        if !estate.rules.is_empty() {
            placed.push(self.kernel.install_rules(&estate.rules));
        }
        for placed in placed {
            for why in complaints(placed) {
                (self.tell)(Note::Addresses { slot, why });
            }
        }
    }

    /// The addresses of a router on the interfaces that there are.
    fn assignments(&self, slot: usize) -> Vec<Assignment> {
        let ifindex_of = |port: usize| self.held[port].as_ref().map(|held| held.link.index);
        self.plan.routers[slot].assignments(ifindex_of)
    }

    fn remove(&mut self, slot: usize) {
        let gone = std::mem::take(&mut self.installed[slot]);
        self.take_off(slot, gone);
    }

    /// Takes away what was a router's, but for what another one has by now.
    fn take_off(&mut self, slot: usize, mut gone: Estate) {
        for kept in &self.installed {
            gone.leave(kept);
        }
        let mut failures = Vec::new();
        if !gone.rules.is_empty() {
            failures.extend(self.kernel.remove_rules(&gone.rules));
        }
        if !gone.routes.is_empty() {
            failures.extend(self.kernel.remove_routes(&gone.routes));
        }
        for failure in failures {
            let why = format!("cannot remove {failure}");
            (self.tell)(Note::Addresses { slot, why });
        }
        if gone.addresses.is_empty() {
            return;
        }
        if let Err(error) = self.kernel.remove(&gone.addresses) {
            let why = error.to_string();
            (self.tell)(Note::Addresses { slot, why });
        }
    }

    /// Puts what is always there onto the interfaces that there are, and takes off
    /// what is not to be there any more.
    fn place_statics(&mut self) {
        let plan = Arc::clone(&self.plan);
        let ifindex_of = |port: usize| self.held[port].as_ref().map(|held| held.link.index);
        let wanted = Estate {
            addresses: plan.statics.assignments(ifindex_of),
            routes: plan.statics.routes.clone(),
            rules: plan.statics.rules.clone(),
        };
        if self.statics == wanted {
            return;
        }
        let mut gone = std::mem::replace(&mut self.statics, wanted);
        gone.leave(&self.statics);
        let mut complaints_all = Vec::new();
        if let Err(error) = self.kernel.remove(&gone.addresses) {
            complaints_all.push(error.to_string());
        }
        let failures = self.kernel.remove_rules(&gone.rules);
        let failures = failures
            .into_iter()
            .chain(self.kernel.remove_routes(&gone.routes));
        complaints_all.extend(failures.map(|failure| format!("cannot remove {failure}")));
        if let Err(error) = self.kernel.install(&self.statics.addresses) {
            complaints_all.push(error.to_string());
        }
        complaints_all.extend(complaints(self.kernel.install_routes(&self.statics.routes)));
        complaints_all.extend(complaints(self.kernel.install_rules(&self.statics.rules)));
        for why in complaints_all {
            (self.tell)(Note::Statics { why });
        }
    }

    /// Goes by another plan, in which slots and ports keep their meaning, or are
    /// vacant.
    fn adopt(&mut self, plan: Arc<Plan>) {
        self.plan = plan;
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

    /// Tells the ears of a port what the plan says now.
    fn bring_in_line(&mut self, port: usize) {
        let Some(mut held) = self.held[port].take() else {
            return;
        };
        match self.listen(port, &mut held) {
            Ok(ear) => {
                self.held[port] = Some(held);
                if let Some(ear) = ear {
                    let _ = self.outcomes.send_patiently(Outcome::Hears { port, ear });
                }
            }
            Err(why) => {
                let why = format!("{}: {why}", held.link.name);
                (self.tell)(Note::CannotHear { port, why });
                let _ = self.outcomes.send_patiently(Outcome::Deaf { port });
            }
        }
    }

    fn look(&mut self, port: usize) -> Outcome {
        let plan = Arc::clone(&self.plan);
        let link = self.inventory.by_name(&plan.ports[port].name);
        let link = link.ok().flatten();
        Outcome::Looked {
            port,
            link: link.map(|link| facts(&plan, port, &link)),
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
        let own = own_addresses(&plan, port, &link);
        let others = others(&plan, port, &link);
        let sender =
            FrameSender::open(ifindex).map_err(|error| format!("{name}: cannot send: {error}"))?;
        let before = self.held[port]
            .take()
            .filter(|held| held.link.index == ifindex);
        let mac = link.mac;
        let mut held = match before {
            Some(held) => Held { link, own, ..held },
            None => Held {
                link,
                own,
                told: None,
                memberships: Vec::new(),
                claims: Vec::new(),
            },
        };
        let ear = self
            .listen(port, &mut held)
            .map_err(|why| format!("{name}: {why}"))?;
        self.held[port] = Some(held);
        self.furnish();
        self.place_statics();
        Ok(Attached {
            port,
            ifindex,
            mac,
            own,
            others,
            sender,
            ear,
        })
    }

    /// Has the ears hear what the plan wants to be heard on a port: nobody else
    /// runs our routers here, the groups are joined, the rules are told. The
    /// second time only what has changed is done.
    fn listen(&mut self, port: usize, held: &mut Held) -> Result<Option<Box<dyn Ear>>, String> {
        let plan = Arc::clone(&self.plan);
        let here = plan.ports[port].routers.iter().copied();
        let heard: Vec<usize> = here
            .filter(|slot| plan.routers[*slot].unusable.is_none() && !self.forgotten.contains(slot))
            .collect();
        held.claims.retain(|(slot, _)| heard.contains(slot));
        let mut groups: Vec<IpAddr> = Vec::new();
        for slot in heard {
            let router = &plan.routers[slot];
            if !held.claims.iter().any(|(claimed, _)| *claimed == slot) {
                match claim_router(held.link.index, router.family, router.params.vrid) {
                    Ok(claim) => held.claims.push((slot, claim)),
                    Err(error) => {
                        if let AlreadyClaimed::By { .. } = error {
                            (self.tell)(Note::Claimed { slot });
                        }
                        return Err(error.to_string());
                    }
                }
            }
            if router.unicast.is_none() && !groups.contains(&router.group) {
                groups.push(router.group);
            }
        }
        held.memberships.retain(|(group, _)| groups.contains(group));
        for group in groups {
            if held.memberships.iter().any(|(joined, _)| *joined == group) {
                continue;
            }
            let membership = Membership::join(group, held.link.index)
                .map_err(|error| format!("cannot join {group}: {error}"))?;
            held.memberships.push((group, membership));
        }

        self.look_at_sources(port, held);
        let wanted = listening(&plan, port, &held.link, held.own, &self.forgotten);
        if held.told.as_ref() == Some(&wanted) {
            return Ok(None);
        }
        if held.told.is_none() && wanted.routers.is_empty() && wanted.addresses.is_empty() {
            return Ok(None);
        }
        let known = held.told.is_some();
        let heard = self.ears.attach(&wanted).map_err(|error| {
            held.told = None;
            error.to_string()
        })?;
        held.told = Some(wanted);
        if !known {
            (self.tell)(Note::Hears {
                port,
                ifindex: held.link.index,
                rung: heard.rung,
                why: heard.why,
            });
        }
        Ok(heard.ear)
    }
}

impl Hands {
    /// Whether anybody needs a port still, who leaves included.
    fn is_needed(&self, port: usize) -> bool {
        let needed_by = &self.plan.ports[port].needed_by;
        needed_by.iter().any(|slot| !self.forgotten.contains(slot))
    }

    /// Sees to it that the interfaces with a virtual MAC are there, that packets to
    /// addresses that are not to be accepted are refused, and that switches stand as
    /// the plan wants them; takes back what it does not want any more.
    fn furnish(&mut self) {
        let plan = Arc::clone(&self.plan);
        self.make_vmacs(&plan);
        self.promote(&plan);
        let refusing = plan
            .routers
            .iter()
            .filter(|router| router.runs() && !router.accept && !router.params.is_owner());
        let refused: BTreeSet<IpAddr> = refusing
            .flat_map(RouterPlan::all_addresses)
            .map(|one| one.address)
            .collect();
        if refused != self.refused {
            match self.kernel.refuse_packets(&refused) {
                Ok(()) => self.refused = refused,
                Err(error) => self.lack(usize::MAX, &error.to_string()),
            }
        }
    }

    fn make_vmacs(&mut self, plan: &Plan) {
        let unwanted = self.made.iter().filter(|(port, name)| {
            let same = plan
                .ports
                .get(**port)
                .filter(|planned| planned.name == **name);
            same.is_none_or(|planned| planned.vmac.is_none() || !self.is_needed(**port))
        });
        let unwanted: Vec<usize> = unwanted.map(|(port, _)| *port).collect();
        for port in unwanted {
            if let Some(name) = self.made.remove(&port) {
                self.kernel.remove_vmac(&name);
            }
        }
        for (port, planned) in plan.ports.iter().enumerate() {
            let Some(made) = &planned.vmac else { continue };
            let Some(base) = &self.held[made.base] else {
                continue;
            };
            if self.made.contains_key(&port) || !self.is_needed(port) {
                continue;
            }
            match self
                .kernel
                .ensure_vmac(base.link.index, &made.vmac, &made.families)
            {
                Ok(_) => {
                    self.made.insert(port, planned.name.clone());
                    self.lacking.remove(&port);
                }
                Err(error) => self.lack(port, &error.to_string()),
            }
        }
    }

    fn promote(&mut self, plan: &Plan) {
        let mut wanted = BTreeSet::new();
        for router in &plan.routers {
            if router.runs() && router.promote_secondaries {
                wanted.extend(
                    router
                        .all_addresses()
                        .map(|one| plan.ports[one.port].name.clone()),
                );
            }
        }
        for name in self.promoting.difference(&wanted) {
            self.kernel.stop_promoting(name);
        }
        self.promoting.retain(|name| wanted.contains(name));
        for (port, planned) in plan.ports.iter().enumerate() {
            let name = &planned.name;
            let there = self.held[port].is_some();
            if !there || !wanted.contains(name) || self.promoting.contains(name) {
                continue;
            }
            match self.kernel.promote_secondaries(name) {
                Ok(()) => {
                    self.promoting.insert(name.clone());
                }
                Err(error) => self.lack(port, &error.to_string()),
            }
        }
    }

    /// Tells once what cannot be had; it is tried again each second.
    fn lack(&mut self, port: usize, why: &str) {
        if self.lacking.get(&port).is_none_or(|before| before != why) {
            self.lacking.insert(port, why.to_owned());
            let why = why.to_owned();
            (self.tell)(Note::Degraded { why });
        }
    }

    /// Tells of each router that speaks to peers, or must have its source, how it
    /// stands with that.
    fn look_at_sources(&mut self, port: usize, held: &Held) {
        let plan = Arc::clone(&self.plan);
        for slot in &plan.ports[port].routers {
            let router = &plan.routers[*slot];
            if !router.runs() || (router.unicast.is_none() && !router.track_source) {
                continue;
            }
            let source = router.source.or(held.own.of(router.family));
            let missing = source.is_none_or(|source| !held.link.has(source));
            let to_peers = match (&router.unicast, source) {
                (Some(unicast), Some(source)) => self.reach(*slot, unicast, source, &held.link),
                _ => None,
            };
            let _ = self.outcomes.send_patiently(Outcome::Source {
                slot: *slot,
                missing: missing && router.track_source,
                to_peers,
            });
        }
    }

    fn reach(
        &mut self,
        slot: usize,
        unicast: &config::Unicast,
        source: IpAddr,
        link: &Link,
    ) -> Option<UnicastSender> {
        // The kernel's routes lead to a peer, unless it is known on its link only.
        let link_local =
            |address: IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let mut all = unicast.peers.iter().map(|peer| peer.address);
        let ifindex = if link_local(source) || all.any(link_local) {
            link.index
        } else {
            0
        };
        match UnicastSender::open(source, ifindex) {
            Ok(sender) => Some(sender),
            Err(error) => {
                let why = format!("cannot speak to the peers from {source}: {error}");
                (self.tell)(Note::Addresses { slot, why });
                None
            }
        }
    }
}

/// What is listened for on a port of the plan, whose own addresses to speak from
/// are `own`; nothing for the slots that are `forgotten`.
#[must_use]
pub fn listening(
    plan: &Plan,
    port: usize,
    link: &Link,
    own: Own,
    forgotten: &HashSet<usize>,
) -> Port {
    let ifindex = link.index;
    let mut routers = Vec::new();
    let mut addresses = Vec::new();
    for slot in &plan.ports[port].needed_by {
        let router = &plan.routers[*slot];
        let number = u32::try_from(*slot).unwrap_or(u32::MAX);
        if router.unusable.is_some() || forgotten.contains(slot) {
            continue;
        }
        // Before there is an address to speak from it takes no part.
        if let Some(primary) = router.source.or(own.of(router.family))
            && router.port == port
        {
            let broadcast = [Some(primary), own.of(router.family)]
                .into_iter()
                .flatten()
                .find_map(|own| match own {
                    IpAddr::V4(own) => link.broadcast_of(own),
                    IpAddr::V6(_) => None,
                });
            routers.extend(router.entry(number, ifindex, primary, broadcast, link.mac));
        }
        // By a virtual MAC is spoken for what lives on an interface of its own.
        let own_mac = |one: &PlacedAddress| match &plan.ports[one.port].vmac {
            Some(made) => made.vmac.mac,
            None => link.mac,
        };
        let here = router.all_addresses().filter(|one| one.heard == port);
        addresses.extend(here.map(|one| address_entry(one.address, number, ifindex, own_mac(one))));
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

/// An interface as the engine needs it.
#[must_use]
pub fn facts(plan: &Plan, port: usize, link: &Link) -> LinkFacts {
    LinkFacts {
        ifindex: link.index,
        mac: link.mac,
        running: link.up && link.running,
        own: own_addresses(plan, port, link),
        others: others(plan, port, link),
    }
}

/// A number that changes with the addresses that are not ours to move, whether
/// one speaks from them or not.
fn others(plan: &Plan, port: usize, link: &Link) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    for (address, _) in &link.addresses {
        if !is_ours(plan, port, *address) {
            address.hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Whether an address of an interface is one that moves. An address owner
/// (priority 255) has its own.
fn is_ours(plan: &Plan, port: usize, address: IpAddr) -> bool {
    let slots = plan.ports[port].needed_by.iter();
    slots
        .map(|slot| &plan.routers[*slot])
        .filter(|router| !router.params.is_owner())
        .flat_map(RouterPlan::all_addresses)
        .any(|one| one.address == address)
}

/// The interface's own addresses to speak from: the first of each family that is
/// none of the virtual ones. An address owner (priority 255) speaks from the
/// address that it owns.
#[must_use]
pub fn own_addresses(plan: &Plan, port: usize, link: &Link) -> Own {
    let own = |family| link.own_address(family, |address| is_ours(plan, port, address));
    Own {
        v4: own(Family::V4).and_then(|address| match address {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        }),
        v6: own(Family::V6).and_then(|address| match address {
            IpAddr::V6(v6) => Some(v6),
            IpAddr::V4(_) => None,
        }),
    }
}
