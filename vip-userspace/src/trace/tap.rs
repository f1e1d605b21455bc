//! Where adverts are seen: programs at TCX, in and out, beside whatever else is there;
//! or a packet socket. And the programs that see what goes out past the hooks and what
//! the kernel throws away. All of it goes when the process does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::{Array, HashMap, MapData, RingBuf};
use aya::programs::{FEntry, ProgramError, RawTracePoint, SchedClassifier};
use aya::{Btf, Ebpf, EbpfError, EbpfLoader, Pod};
use serde::Serialize;
use vip_common::ids::MacAddr;
use vip_common::layout;
use vip_common::layout::trace::KernelShape;

use super::interfaces::Interface;
use super::sight::Sight;
use super::socket::Ear;
use crate::dataplane::packet::socket::{self, Wanted as Direction};
use crate::dataplane::{BpfLink, Hook, refusal};

/// Built by build.rs, empty in a stub build.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/vip-sights.bpf.o"));

/// Records that one drain reads at most: more than the ring holds.
const BOUND: usize = 4096;

/// The MACs that carry the groups of VRRP.
pub(super) const GROUPS: [MacAddr; 2] = [
    MacAddr([0x01, 0x00, 0x5e, 0x00, 0x00, 0x12]),
    MacAddr([0x33, 0x33, 0x00, 0x00, 0x00, 0x12]),
];

/// [`KernelShape`] as aya wants it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Shape(KernelShape);

// SAFETY: `repr(C)`, nothing but numbers, without padding (its size is asserted).
#[expect(unsafe_code, reason = "aya's mark for what may lie in a map")]
unsafe impl Pod for Shape {}

/// How adverts are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Wanted {
    /// The best that can be had on each interface.
    #[default]
    Auto,
    /// TCX or an error.
    Tcx,
    /// A packet socket: no BPF at all.
    PacketSocket,
}

/// Where an interface is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// TCX, in and out.
    Tcx,
    /// A packet socket.
    PacketSocket,
}

impl Rung {
    /// As text and JSON say it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::PacketSocket => "packet-socket",
        }
    }
}

/// An interface that is looked at, and where.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Tapped {
    /// Its name.
    pub interface: String,
    /// Where.
    pub rung: Rung,
    /// Why not at a better place.
    pub why: Option<String>,
}

impl fmt::Display for Tapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.interface, self.rung.word())?;
        match &self.why {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}

/// All that is attached.
pub struct Tap {
    wanted: Wanted,
    /// `Err` says why no program can be had.
    programs: Result<Programs, String>,
    ports: BTreeMap<u32, Attached>,
}

enum Attached {
    Tcx {
        _links: [BpfLink; 2],
        /// Has the device take frames to the groups; it hears nothing. `None` where
        /// that cannot be had: then only what others want is seen.
        _member: Option<OwnedFd>,
    },
    PacketSocket(Ear),
}

struct Programs {
    object: Ebpf,
    ring: RingBuf<MapData>,
    lost: Array<MapData, u64>,
    claimed: HashMap<MapData, layout::Octets, u8>,
    /// Why it is not seen what the kernel throws away, if it is not.
    drops: Result<(), String>,
    /// Why it is not seen what goes out past the hooks, if it is not.
    direct: Result<(), String>,
}

impl Programs {
    fn load(shape: &Result<KernelShape, String>) -> Result<Self, String> {
        if OBJECT.is_empty() {
            return Err("this build has no programs for the kernel".to_owned());
        }
        let refused = |error: EbpfError| refusal(&error);
        let mut object = EbpfLoader::new().btf(None).load(OBJECT).map_err(refused)?;
        for name in ["vip_sight_in", "vip_sight_out"] {
            let load = || -> Result<(), EbpfError> {
                let program = object.program_mut(name).ok_or(ProgramError::NotLoaded)?;
                <&mut SchedClassifier>::try_from(program)?.load()?;
                Ok(())
            };
            load_with(load)?;
        }
        let watches = shape.clone().and_then(|shape| {
            let mut kernel: Array<_, Shape> = map(object.map_mut("KERNEL"), "KERNEL")?;
            let set = kernel.set(0, Shape(shape), 0);
            set.map_err(|error| format!("map KERNEL: {error}"))
        });
        let drops = watches.clone().and_then(|()| see_drops(&mut object));
        let direct = watches.and_then(|()| see_direct(&mut object));
        Ok(Self {
            ring: map(object.take_map("SIGHTS"), "SIGHTS")?,
            lost: map(object.take_map("LOST"), "LOST")?,
            claimed: map(object.take_map("CLAIMED"), "CLAIMED")?,
            object,
            drops,
            direct,
        })
    }

    fn classifier(&self, name: &str) -> Result<BorrowedFd<'_>, String> {
        let program = self.object.program(name).ok_or(ProgramError::NotLoaded);
        let fd = program
            .and_then(<&SchedClassifier>::try_from)
            .and_then(SchedClassifier::fd);
        fd.map(AsFd::as_fd).map_err(|error| error.to_string())
    }

    fn attach(&self, ifindex: u32) -> Result<[BpfLink; 2], String> {
        let link = |name, hook| {
            let link = BpfLink::create(self.classifier(name)?, ifindex, hook);
            link.map_err(|error| format!("TCX: {error}"))
        };
        Ok([
            link("vip_sight_in", Hook::TcxIngress)?,
            link("vip_sight_out", Hook::TcxEgress)?,
        ])
    }
}

fn load_with(load: impl FnOnce() -> Result<(), EbpfError>) -> Result<(), String> {
    load().map_err(|error| refusal(&error))
}

fn map<M, T>(map: Option<T>, name: &str) -> Result<M, String>
where
    M: TryFrom<T, Error = aya::maps::MapError>,
{
    let map = map.ok_or_else(|| format!("the object has no map {name}"))?;
    M::try_from(map).map_err(|error| format!("map {name}: {error}"))
}

fn see_drops(object: &mut Ebpf) -> Result<(), String> {
    load_with(|| {
        let program = object.program_mut("vip_sight_dropped");
        let program: &mut RawTracePoint = program.ok_or(ProgramError::NotLoaded)?.try_into()?;
        program.load()?;
        program.attach("kfree_skb")?;
        Ok(())
    })
}

fn see_direct(object: &mut Ebpf) -> Result<(), String> {
    let btf = Btf::from_sys_fs().map_err(|error| error.to_string())?;
    load_with(|| {
        let program = object.program_mut("vip_sight_direct");
        let program: &mut FEntry = program.ok_or(ProgramError::NotLoaded)?.try_into()?;
        program.load("__dev_direct_xmit", &btf)?;
        program.attach()?;
        Ok(())
    })
}

impl Tap {
    /// Loads what can be had; nothing is attached to an interface yet.
    #[must_use]
    pub fn new(wanted: Wanted, shape: &Result<KernelShape, String>) -> Self {
        let programs = if wanted == Wanted::PacketSocket {
            Err("not wanted".to_owned())
        } else {
            Programs::load(shape)
        };
        Self {
            wanted,
            programs,
            ports: BTreeMap::new(),
        }
    }

    /// Why it is not seen what the kernel throws away, if it is not.
    ///
    /// # Errors
    /// The reason.
    pub fn sees_drops(&self) -> Result<(), String> {
        self.programs.as_ref().map_err(Clone::clone)?.drops.clone()
    }

    /// Why it is not seen what goes out past the hooks, if it is not.
    ///
    /// # Errors
    /// The reason.
    pub fn sees_direct(&self) -> Result<(), String> {
        self.programs.as_ref().map_err(Clone::clone)?.direct.clone()
    }

    /// Looks at one more interface.
    ///
    /// # Errors
    /// When it can be had on no rung that is wanted.
    pub fn attach(&mut self, interface: &Interface) -> Result<Tapped, String> {
        let groups = BTreeSet::from(GROUPS);
        let index = interface.index;
        let tcx = self.programs.as_ref().map_err(Clone::clone);
        let tcx = tcx.and_then(|programs| programs.attach(index));
        let (attached, rung, why) = match tcx {
            Ok(links) => {
                // It accepts nothing: "no" to every frame.
                let deaf = [socket::NOTHING];
                let member = socket::open_for(index, &deaf, &groups, Direction::Incoming).ok();
                let attached = Attached::Tcx {
                    _links: links,
                    _member: member,
                };
                (attached, Rung::Tcx, None)
            }
            Err(why) if self.wanted == Wanted::Tcx => return Err(why),
            Err(why) => {
                let ear = Ear::open(index, &groups)?;
                let why = (self.wanted == Wanted::Auto).then_some(why);
                (Attached::PacketSocket(ear), Rung::PacketSocket, why)
            }
        };
        self.ports.insert(index, attached);
        Ok(Tapped {
            interface: interface.name.clone(),
            rung,
            why,
        })
    }

    /// Lets go of interfaces that are not there any more.
    pub fn keep(&mut self, is_there: impl Fn(u32) -> bool) {
        self.ports.retain(|index, _| is_there(*index));
    }

    /// Whether it is looked at.
    #[must_use]
    pub fn has(&self, ifindex: u32) -> bool {
        self.ports.contains_key(&ifindex)
    }

    /// Tells the programs whose claims are of interest.
    pub fn watch_claims(&mut self, address: IpAddr) {
        if let Ok(programs) = &mut self.programs {
            // A full map is one address less that is looked at.
            let _ = programs.claimed.insert(layout::octets(address), 1, 0);
        }
    }

    /// How many sights found no room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let programs = self.programs.as_ref().ok();
        programs.map_or(0, |programs| programs.lost.get(&0, 0).unwrap_or(0))
    }

    /// What becomes readable when something was seen.
    #[must_use]
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let ring = self.programs.as_ref().ok().map(|one| one.ring.as_fd());
        let ears = self.ports.values().filter_map(|port| match port {
            Attached::PacketSocket(ear) => Some(ear.as_fd()),
            Attached::Tcx { .. } => None,
        });
        ring.into_iter().chain(ears).collect()
    }

    /// Takes what was seen, oldest first.
    pub fn drain(&mut self) -> Vec<Sight> {
        let mut seen = Vec::new();
        if let Ok(programs) = &mut self.programs {
            for _ in 0..BOUND {
                let Some(record) = programs.ring.next() else {
                    break;
                };
                seen.extend(Sight::read(&record));
            }
        }
        for port in self.ports.values_mut() {
            if let Attached::PacketSocket(ear) = port {
                ear.drain(&mut seen);
            }
        }
        // Two processors may have written in another order than they looked.
        seen.sort_by_key(|sight| sight.stamp);
        let ports = &self.ports;
        seen.retain(|sight| ports.contains_key(&sight.ifindex));
        seen
    }
}
