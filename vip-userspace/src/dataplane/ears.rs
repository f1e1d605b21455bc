//! The slow side: which interface is heard on which rung, and whether it still
//! is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aya::TestRunOptions;
use vip_common::layout::{AddressKey, RouterKey};

use super::driver::Device;
use super::ear::Ear;
use super::error::{Deaf, EarError};
use super::gauges::{Gauges, Maps};
use super::ladder::{self, Refusal};
use super::ledger::Ledger;
use super::link::BpfLink;
use super::logs::NicLog;
use super::object::{Addresses, Knowing, Loaded, Programs, Routers, Shared, with_sources};
use super::ring::RingEar;
use super::{Port, Rung, STUB, Wanted, packet, tcx, xdp};

/// The ears of this host. Dropping it detaches them all.
pub struct Ears {
    wanted: Wanted,
    capacity: u32,
    /// The loaded programs, or why there are none.
    nic: Result<Nic, String>,
    ledger: Arc<Ledger>,
    gauges: Gauges,
    attached: BTreeMap<u32, Attachment>,
}

struct Nic {
    programs: Programs,
    routers: Routers,
    addresses: Addresses,
}

struct Attachment {
    rung: Rung,
    why: String,
    hold: Hold,
    routers: Vec<RouterKey>,
    addresses: Vec<AddressKey>,
}

enum Hold {
    Link(BpfLink),
    Socket(packet::Hold),
}

/// Where an interface is heard.
pub struct Attached {
    /// The rung.
    pub rung: Rung,
    /// Why each higher rung could not be had, and what this one lacks; empty on the
    /// highest with everything.
    pub why: String,
    /// A packet socket's ear, for the engine to read: in place of an earlier one
    /// of the same interface, which is to be drained once more and dropped. On
    /// the other rungs the [`RingEar`] hears all.
    pub ear: Option<Box<dyn Ear>>,
}

/// What a program did with a frame that no NIC has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rehearsal {
    /// Whether the frame would have passed on to the stack.
    pub passed: bool,
    /// What one run cost, the kernel's own share included.
    pub cost: Duration,
}

impl Ears {
    /// Loads the programs with room for so many routers (their numbers go from
    /// zero to below `capacity`), and for so many addresses of all of them
    /// together. The second part is for the engine; there is none without
    /// programs.
    ///
    /// # Errors
    ///
    /// When a rung was asked for by name that takes a program, and there can be
    /// none; never with [`Wanted::Auto`] and [`Wanted::Off`].
    pub fn load(
        wanted: Wanted,
        capacity: u32,
        addresses: u32,
    ) -> Result<(Self, Option<RingEar>), EarError> {
        Self::load_by(wanted, capacity, addresses, Knowing::IfItCan)
    }

    /// The same as on a kernel that has no timers for programs (a real-time kernel,
    /// PREEMPT_RT): nothing can be lent to the ear ([`super::Memory::lend`]).
    ///
    /// # Errors
    ///
    /// As [`Ears::load`].
    pub fn load_forgetful(
        wanted: Wanted,
        capacity: u32,
        addresses: u32,
    ) -> Result<(Self, Option<RingEar>), EarError> {
        Self::load_by(wanted, capacity, addresses, Knowing::Never)
    }

    fn load_by(
        wanted: Wanted,
        capacity: u32,
        addresses: u32,
        knowing: Knowing,
    ) -> Result<(Self, Option<RingEar>), EarError> {
        let capacity = capacity.max(1);
        let ledger = Arc::new(Ledger::new(capacity));
        let mut ring = None;
        let mut maps = None;
        let nic = match wanted {
            Wanted::Off => Err("switched off".to_owned()),
            Wanted::Auto | Wanted::Native | Wanted::Generic | Wanted::Tcx if STUB => {
                Err("this build has no program for the NIC (cargo xtask setup)".to_owned())
            }
            Wanted::Auto | Wanted::Native | Wanted::Generic | Wanted::Tcx => {
                Programs::load(capacity, addresses, knowing).map(|loaded| {
                    let Loaded {
                        programs,
                        routers,
                        addresses,
                        engine_addresses,
                        refused,
                        claims,
                        counters,
                        events,
                        lent,
                    } = loaded;
                    ring = Some(RingEar::new(events, engine_addresses, lent));
                    maps = Some(Maps {
                        counters,
                        refused,
                        claims,
                    });
                    Nic {
                        programs,
                        routers,
                        addresses,
                    }
                })
            }
        };
        if let (Err(why), Some(rung)) = (&nic, ladder::explicit(wanted))
            && rung != Rung::PacketSocket
        {
            return Err(if STUB {
                EarError::Stub(rung)
            } else {
                EarError::Load {
                    rung,
                    why: why.clone(),
                }
            });
        }
        let ears = Self {
            wanted,
            capacity,
            nic,
            gauges: Gauges::new(maps, Arc::clone(&ledger)),
            ledger,
            attached: BTreeMap::new(),
        };
        Ok((ears, ring))
    }

    /// The counters, for everybody.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        self.gauges.clone()
    }

    /// The reader of what the programs log, once, for
    /// [`log_drain`](super::log_drain). Only needed when the log is at debug.
    pub fn take_log(&mut self) -> Option<NicLog> {
        self.nic.as_mut().ok()?.programs.take_log()
    }

    /// Listens on an interface, on the highest rung that can be had. On one that
    /// is attached already it takes over what changed in `port`; the rung stays,
    /// unless it is gone.
    ///
    /// # Errors
    ///
    /// When a rung asked for by name cannot be had, or no packet socket either.
    /// Nothing is attached then.
    pub fn attach(&mut self, port: &Port) -> Result<Attached, EarError> {
        if self.attached.contains_key(&port.ifindex) && self.prove(port.ifindex).is_err() {
            self.detach(port.ifindex);
        }
        // A port that is heard by a packet socket goes on to be.
        let mut no_program = self
            .attached
            .get(&port.ifindex)
            .and_then(|there| matches!(there.hold, Hold::Socket(_)).then(|| there.why.clone()));
        if let Ok(nic) = &mut self.nic {
            // The rules come before the program that judges by them.
            let known = self.attached.get(&port.ifindex);
            if let Err(error) = nic.enter(port, self.capacity, known) {
                // A program that knows half of the rules is not to be believed.
                self.detach(port.ifindex);
                self.forget(port);
                let EarError::Map { what, why, .. } = &error else {
                    return Err(error);
                };
                if self.wanted != Wanted::Auto {
                    return Err(error);
                }
                no_program = Some(format!("no program at the NIC: cannot {what}: {why}"));
            }
        }
        if let Some(attachment) = self.attached.get_mut(&port.ifindex)
            && let Hold::Link(_) = attachment.hold
        {
            attachment.remember(port);
            return Ok(Attached {
                rung: attachment.rung,
                why: attachment.why.clone(),
                ear: None,
            });
        }
        match self.climb(port, no_program) {
            Ok((mut attachment, ear)) => {
                attachment.remember(port);
                let attached = Attached {
                    rung: attachment.rung,
                    why: attachment.why.clone(),
                    ear,
                };
                self.attached.insert(port.ifindex, attachment);
                Ok(attached)
            }
            Err(error) => {
                self.attached.remove(&port.ifindex);
                self.forget(port);
                Err(error)
            }
        }
    }

    /// Takes the rules of a port out.
    fn forget(&mut self, port: &Port) {
        if let Ok(nic) = &mut self.nic {
            nic.leave(&keys(port), &addresses(port));
        }
    }

    /// Stops listening on an interface; nothing if it was not listened on.
    pub fn detach(&mut self, ifindex: u32) {
        let Some(attachment) = self.attached.remove(&ifindex) else {
            return;
        };
        let Attachment {
            rung: _,
            why: _,
            hold,
            routers,
            addresses,
        } = attachment;
        // The program first, then the rules that it judges by.
        drop(hold);
        if let Ok(nic) = &mut self.nic {
            nic.leave(&routers, &addresses);
        }
    }

    /// Asks the kernel whether we still hear an interface. May sleep on its
    /// netlink lock.
    ///
    /// # Errors
    ///
    /// Why a silence there cannot be vouched for.
    pub fn prove(&self, ifindex: u32) -> Result<(), Deaf> {
        let attachment = self.attached.get(&ifindex).ok_or(Deaf::NotAttached)?;
        match &attachment.hold {
            Hold::Socket(socket) => socket.prove(ifindex),
            Hold::Link(link) => match link.ifindex() {
                Ok(there) if there == ifindex => Ok(()),
                Ok(_) => Err(Deaf::Detached),
                Err(error) => Err(Deaf::Unknown(error)),
            },
        }
    }

    /// Enters the rules of a port without attaching to it, for [`Ears::rehearse`].
    /// They stay until the port is attached and detached.
    ///
    /// # Errors
    ///
    /// When there are no programs, or no room.
    pub fn enter(&mut self, port: &Port) -> Result<(), EarError> {
        let nic = self.nic.as_mut().map_err(|why| EarError::Map {
            interface: port.name.clone(),
            what: "enter rules",
            why: why.clone(),
        })?;
        nic.enter(port, self.capacity, None)
    }

    /// Has the kernel run the program of a rung on a frame, `repeat` times, as if
    /// it had come in by the loopback device (index 1). No NIC sees it, and
    /// everything else is real: rules, counters, ring.
    ///
    /// # Errors
    ///
    /// When there is no program of that rung.
    pub fn rehearse(&self, rung: Rung, frame: &[u8], repeat: u32) -> Result<Rehearsal, EarError> {
        const XDP_PASS: u32 = 2;
        /// "No opinion": the next program is asked.
        const TC_ACT_UNSPEC: u32 = u32::MAX;
        let failed = |why: String| EarError::Load { rung, why };
        let nic = self.nic.as_ref().map_err(|why| failed(why.clone()))?;
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat,
            ..TestRunOptions::default()
        };
        let (result, pass) = match rung {
            Rung::Native | Rung::Generic => (nic.programs.test_xdp(options), XDP_PASS),
            Rung::Tcx => (nic.programs.test_tcx(options), TC_ACT_UNSPEC),
            Rung::PacketSocket => (Err("it has no program".to_owned()), 0),
        };
        let result = result.map_err(failed)?;
        Ok(Rehearsal {
            passed: result.return_value == pass,
            cost: result.duration,
        })
    }

    /// Goes down the rungs until one holds; to the last one where there is a reason
    /// for having no program.
    fn climb(
        &self,
        port: &Port,
        no_program: Option<String>,
    ) -> Result<(Attachment, Option<Box<dyn Ear>>), EarError> {
        let explicit = ladder::explicit(self.wanted);
        let device = Device::of(&port.name);
        let mut reasons = Vec::new();
        let mut rung = match (&self.nic, explicit, no_program) {
            (_, Some(rung @ (Rung::Native | Rung::Generic)), _) => {
                // As it was told: whoever knows that there are no other VLANs may say so.
                if device.tags_beside {
                    reasons.push(ladder::tags_beside(&port.name));
                }
                rung
            }
            (_, Some(rung), _) => rung,
            (Err(why), None, _) => {
                reasons.push(why.clone());
                Rung::PacketSocket
            }
            (Ok(_), None, Some(why)) => {
                reasons.push(why);
                Rung::PacketSocket
            }
            (Ok(_), None, None) => {
                let (rung, why) = ladder::first(port, &device);
                reasons.extend(why);
                rung
            }
        };
        loop {
            if rung == Rung::PacketSocket {
                let (ear, hold) = packet::open(port, Arc::clone(&self.ledger))?;
                let attachment = Attachment::new(rung, &reasons, Hold::Socket(hold));
                return Ok((attachment, Some(Box::new(ear))));
            }
            let refusal = match self.try_rung(rung, port.ifindex) {
                Ok(link) => {
                    reasons.extend(self.forgetful());
                    let attachment = Attachment::new(rung, &reasons, Hold::Link(link));
                    return Ok((attachment, None));
                }
                Err(refusal) => refusal,
            };
            let why = refusal.words(rung, port);
            match ladder::below(rung, &refusal) {
                Some(next) if explicit.is_none() => {
                    reasons.push(format!("{rung}: {why}"));
                    rung = next;
                }
                _ => {
                    return Err(EarError::Attach {
                        rung,
                        interface: port.name.clone(),
                        why,
                    });
                }
            }
        }
    }

    /// Why adverts that are the same as before wake the engine too, if they do.
    fn forgetful(&self) -> Option<String> {
        let why = self.nic.as_ref().ok()?.programs.forgetful()?;
        Some(format!("every advert wakes the engine: {why}"))
    }

    fn try_rung(&self, rung: Rung, ifindex: u32) -> Result<BpfLink, Refusal> {
        let nic = self
            .nic
            .as_ref()
            .map_err(|why| Refusal::Program(why.clone()))?;
        match rung {
            Rung::Native => xdp::attach(&nic.programs, ifindex, true),
            Rung::Generic => xdp::attach(&nic.programs, ifindex, false),
            Rung::Tcx | Rung::PacketSocket => tcx::attach(&nic.programs, ifindex),
        }
    }
}

impl Nic {
    /// Enters what the program is to know of a port, and takes out what it had
    /// been told of it before and is no longer so.
    fn enter(
        &mut self,
        port: &Port,
        capacity: u32,
        known: Option<&Attachment>,
    ) -> Result<(), EarError> {
        let beyond = |slot: u32| EarError::Capacity {
            interface: port.name.clone(),
            slot,
            capacity,
        };
        let failed = |what, error: aya::maps::MapError| EarError::Map {
            interface: port.name.clone(),
            what,
            why: with_sources(&error),
        };
        for (_, entry) in &port.routers {
            if entry.slot >= capacity {
                return Err(beyond(entry.slot));
            }
        }
        if let Some(known) = known {
            // First, so that what comes finds the room of what goes.
            let routers = keys(port);
            let addresses = addresses(port);
            let gone = |key: &&RouterKey| !routers.contains(*key);
            let routers: Vec<_> = known.routers.iter().filter(gone).copied().collect();
            let gone = |key: &&AddressKey| !addresses.contains(*key);
            let addresses: Vec<_> = known.addresses.iter().filter(gone).copied().collect();
            self.leave(&routers, &addresses);
        }
        // What the engine has noted of a router's addresses, which is the same of
        // all, holds for those that come to them.
        let mut noted = BTreeMap::new();
        let mut new = Vec::new();
        for (key, entry) in &port.addresses {
            match self.addresses.get(&Shared(*key), 0) {
                Ok(Shared(there)) if (there.slot, there.own) == (entry.slot, entry.own) => {
                    noted.insert((there.slot, there.own), there);
                }
                _ => new.push((key, entry)),
            }
        }
        for (key, entry) in new {
            let entry = noted.get(&(entry.slot, entry.own)).unwrap_or(entry);
            self.addresses
                .insert(Shared(*key), Shared(*entry), 0)
                .map_err(|error| failed("enter an address", error))?;
        }
        for (key, entry) in &port.routers {
            self.routers
                .insert(Shared(*key), Shared(*entry), 0)
                .map_err(|error| failed("enter a router", error))?;
        }
        Ok(())
    }

    /// Takes out rules. What is not there is out.
    fn leave(&mut self, routers: &[RouterKey], addresses: &[AddressKey]) {
        for key in routers {
            let _ = self.routers.remove(&Shared(*key));
        }
        for key in addresses {
            let _ = self.addresses.remove(&Shared(*key));
        }
    }
}

impl Attachment {
    fn new(rung: Rung, reasons: &[String], hold: Hold) -> Self {
        Self {
            rung,
            why: reasons.join("; "),
            hold,
            routers: Vec::new(),
            addresses: Vec::new(),
        }
    }

    fn remember(&mut self, port: &Port) {
        self.routers = keys(port);
        self.addresses = addresses(port);
    }
}

fn keys(port: &Port) -> Vec<RouterKey> {
    port.routers.iter().map(|(key, _)| *key).collect()
}

fn addresses(port: &Port) -> Vec<AddressKey> {
    port.addresses.iter().map(|(key, _)| *key).collect()
}
