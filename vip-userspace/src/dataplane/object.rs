//! The object with the programs: loading it, and its maps.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::{Array, HashMap, Map, MapData, RingBuf};
use aya::programs::{ProgramError, SchedClassifier, TestRun, TestRunOptions, TestRunResult, Xdp};
use aya::util::KernelVersion;
use aya::{Ebpf, EbpfError, EbpfLoader, Pod};
use caps::{CapSet, Capability};
use vip_common::layout::{
    AddressEntry, AddressKey, Claim, Counter, Known, Last, Refused, RefusedKey, RouterEntry,
    RouterKey,
};

use super::known::Lent;
use super::logs::NicLog;
use super::mapping::Mapping;

/// Built by build.rs, empty in a stub build.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/vip.bpf.o"));

/// The oldest kernel with all that the programs call (`bpf_xdp_load_bytes`).
const KERNEL: KernelVersion = KernelVersion::new(5, 18, 0);

/// Room for this many addresses at least. The kernel takes memory for those that there
/// are, and a little for each that there is room for.
const FEW_ADDRESSES: u32 = 512;

/// A type of the layout as aya wants it: [`Pod`] is not ours to implement on it.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Shared<T>(pub(super) T);

macro_rules! pods {
    ($($shared:ty),*) => { $(
        // SAFETY: `repr(C)` without padding, any bit pattern read is one that the
        // controller or the program wrote (asserted sizes in the layout).
        #[expect(unsafe_code, reason = "aya's mark for what may lie in a map")]
        unsafe impl Pod for Shared<$shared> {}
    )* };
}

pods!(
    RouterKey,
    RouterEntry,
    AddressKey,
    AddressEntry,
    Claim,
    RefusedKey,
    Refused
);

/// The map of the virtual routers.
pub(super) type Routers = HashMap<MapData, Shared<RouterKey>, Shared<RouterEntry>>;
/// The map of their addresses.
pub(super) type Addresses = HashMap<MapData, Shared<AddressKey>, Shared<AddressEntry>>;
/// The map of those who are refused.
pub(super) type RefusedSources = HashMap<MapData, Shared<RefusedKey>, Shared<Refused>>;
/// The map of strangers' claims.
pub(super) type Claims = Array<MapData, Shared<Claim>>;

/// The loaded programs. Their maps were handed out when they were loaded.
pub(super) struct Programs {
    object: Ebpf,
    /// The XDP program's name, or why it cannot be had.
    xdp: Result<&'static str, String>,
    /// The TCX program's name, or why it cannot be had.
    tcx: Result<&'static str, String>,
    /// Why no advert can be known, if none can.
    forgetful: Option<String>,
}

/// Whether programs are to be had that know an advert again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Knowing {
    /// If the kernel has timers for them.
    IfItCan,
    /// As on a kernel without.
    Never,
}

/// Loads one of the programs by its name.
type Load = fn(&mut Ebpf, &str) -> Result<(), EbpfError>;

/// Everything a load gives.
pub(super) struct Loaded {
    pub(super) programs: Programs,
    pub(super) routers: Routers,
    pub(super) addresses: Addresses,
    /// The same map, for the engine.
    pub(super) engine_addresses: Addresses,
    pub(super) refused: RefusedSources,
    pub(super) claims: Claims,
    pub(super) counters: Mapping,
    pub(super) events: RingBuf<MapData>,
    /// None where no advert can be known.
    pub(super) lent: Option<Lent>,
}

impl Programs {
    /// Loads the object with room for so many routers, and so many addresses of
    /// all of them together.
    ///
    /// # Errors
    ///
    /// A sentence why the kernel does not take any of it.
    pub(super) fn load(capacity: u32, addresses: u32, knowing: Knowing) -> Result<Loaded, String> {
        if OBJECT.is_empty() {
            return Err("this build has no program for the NIC".to_owned());
        }
        let level = log_level();
        let counters = capacity.saturating_mul(Counter::PER_ROUTER);
        // A reload may put all others in their place before they are gone.
        let addresses = addresses.saturating_mul(2).max(FEW_ADDRESSES);
        let mut object = EbpfLoader::new()
            // No type of the running kernel is looked into.
            .btf(None)
            .override_global(aya_log::LEVEL, &level, true)
            .map_max_entries("ROUTERS", capacity)
            .map_max_entries("ADDRESSES", addresses)
            .map_max_entries("CLAIMS", capacity)
            .map_max_entries("COUNTERS", counters)
            .map_max_entries("BUCKETS", capacity)
            .map_max_entries("KNOWN", capacity)
            .map_max_entries("LAST", capacity)
            .map_max_entries("TIMERS", capacity)
            .load(OBJECT)
            .map_err(|error| why_not(&error))?;
        let mut forgetful = (knowing == Knowing::Never).then(|| "not wanted".to_owned());
        let mut load = |load: Load, names: [&'static str; 2]| -> Result<_, String> {
            let [knows, plain] = names;
            let mut why = String::new();
            if knowing == Knowing::IfItCan {
                match load(&mut object, knows) {
                    Ok(()) => return Ok(knows),
                    Err(error) => why = format!("with a timer, {}", refusal(&error)),
                }
            }
            load(&mut object, plain).map_err(|error| why_not(&error))?;
            forgetful.get_or_insert(why);
            Ok(plain)
        };
        let xdp = load(load_xdp, ["vip_xdp", "vip_xdp_plain"]);
        let tcx = load(load_tcx, ["vip_tcx", "vip_tcx_plain"]);
        if let (Err(why), Err(_)) = (&xdp, &tcx) {
            return Err(why.clone());
        }
        let lent = match &forgetful {
            Some(_) => Err(()),
            None => lent(&mut object, capacity).map_err(|why| forgetful = Some(why)),
        };
        let counters = Mapping::of::<u64>(data(take(&mut object, "COUNTERS")?)?, counters)
            .map_err(not_shared)?;
        let addresses: MapData = data(take(&mut object, "ADDRESSES")?)?;
        Ok(Loaded {
            routers: typed(take(&mut object, "ROUTERS")?)?,
            engine_addresses: typed(Map::HashMap(again(&addresses)?))?,
            addresses: typed(Map::HashMap(addresses))?,
            refused: typed(take(&mut object, "REFUSED")?)?,
            claims: typed(take(&mut object, "CLAIMS")?)?,
            counters,
            events: typed(take(&mut object, "EVENTS")?)?,
            lent: lent.ok(),
            programs: Self {
                object,
                xdp,
                tcx,
                forgetful,
            },
        })
    }

    /// The XDP program.
    ///
    /// # Errors
    ///
    /// Why it could not be loaded.
    pub(super) fn xdp(&self) -> Result<BorrowedFd<'_>, String> {
        let name = self.xdp.clone()?;
        let fd = xdp(&self.object, name).and_then(Xdp::fd);
        fd.map(AsFd::as_fd).map_err(|error| error.to_string())
    }

    /// The TCX program.
    ///
    /// # Errors
    ///
    /// Why it could not be loaded.
    pub(super) fn tcx(&self) -> Result<BorrowedFd<'_>, String> {
        let name = self.tcx.clone()?;
        let fd = tcx(&self.object, name).and_then(SchedClassifier::fd);
        fd.map(AsFd::as_fd).map_err(|error| error.to_string())
    }

    /// Has the kernel run the XDP program on a frame.
    pub(super) fn test_xdp(&self, options: TestRunOptions<'_>) -> Result<TestRunResult, String> {
        let name = self.xdp.clone()?;
        let run = xdp(&self.object, name).and_then(|program| program.test_run(options));
        run.map_err(|error| with_sources(&error))
    }

    /// Has the kernel run the TCX program on a frame.
    pub(super) fn test_tcx(&self, options: TestRunOptions<'_>) -> Result<TestRunResult, String> {
        let name = self.tcx.clone()?;
        let run = tcx(&self.object, name).and_then(|program| program.test_run(options));
        run.map_err(|error| with_sources(&error))
    }

    /// Why every advert is told, also one that is the same as before; `None` if it
    /// can be known.
    pub(super) fn forgetful(&self) -> Option<&str> {
        self.forgetful.as_deref()
    }

    /// The reader of what the programs log, once.
    pub(super) fn take_log(&mut self) -> Option<NicLog> {
        aya_log::EbpfLogger::init(&mut self.object).ok()
    }
}

/// How much the programs shall log: debug if our log is at that level, else
/// nothing, and then the kernel removes the code.
fn log_level() -> u8 {
    if log::log_enabled!(log::Level::Debug) {
        aya_log::Level::Debug as u8
    } else {
        0
    }
}

fn xdp<'a>(object: &'a Ebpf, name: &str) -> Result<&'a Xdp, ProgramError> {
    object
        .program(name)
        .ok_or(ProgramError::NotLoaded)?
        .try_into()
}

fn tcx<'a>(object: &'a Ebpf, name: &str) -> Result<&'a SchedClassifier, ProgramError> {
    object
        .program(name)
        .ok_or(ProgramError::NotLoaded)?
        .try_into()
}

fn load_xdp(object: &mut Ebpf, name: &str) -> Result<(), EbpfError> {
    let program = object.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    <&mut Xdp>::try_from(program)?.load()?;
    Ok(())
}

fn load_tcx(object: &mut Ebpf, name: &str) -> Result<(), EbpfError> {
    let program = object.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    <&mut SchedClassifier>::try_from(program)?.load()?;
    Ok(())
}

fn take(object: &mut Ebpf, name: &str) -> Result<Map, String> {
    object
        .take_map(name)
        .ok_or_else(|| format!("the object has no map {name}"))
}

fn typed<M>(map: Map) -> Result<M, String>
where
    M: TryFrom<Map, Error = aya::maps::MapError>,
{
    M::try_from(map).map_err(|error| format!("a map is not as the layout says: {error}"))
}

/// What can be lent to so many routers.
fn lent(object: &mut Ebpf, capacity: u32) -> Result<Lent, String> {
    let known = data(take(object, "KNOWN")?)?;
    let known = Mapping::of::<Known>(known, capacity).map_err(not_shared)?;
    let last = data(take(object, "LAST")?)?;
    let last = Mapping::of::<Last>(last, capacity).map_err(not_shared)?;
    Ok(Lent::new(known, last, capacity))
}

fn not_shared(error: io::Error) -> String {
    format!("a map's memory cannot be shared: {error}")
}

/// The bare map of a hash map or an array.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "two kinds of map are meant, however many aya may know"
)]
fn data(map: Map) -> Result<MapData, String> {
    match map {
        Map::HashMap(data) | Map::Array(data) => Ok(data),
        _ => Err("a map is not of the kind that the layout says".to_owned()),
    }
}

/// Another handle on the same map.
fn again(map: &MapData) -> Result<MapData, String> {
    let fd: io::Result<OwnedFd> = map.fd().as_fd().try_clone_to_owned();
    let fd = fd.map_err(|error| format!("a map's descriptor: {error}"))?;
    MapData::from_fd(fd).map_err(|error| format!("a map's descriptor: {error}"))
}

/// Why the kernel does not take the object, in the order of what one can do
/// about it: capabilities, kernel, and then its own words.
fn why_not(error: &EbpfError) -> String {
    let missing = missing_capabilities();
    if !missing.is_empty() {
        return format!("missing {}", missing.join(", "));
    }
    if let Ok(running) = KernelVersion::current()
        && running < KERNEL
    {
        return format!("kernel {running} is older than {KERNEL}");
    }
    refusal(error)
}

/// Why the kernel does not take an object, in the kernel's own words.
pub(crate) fn refusal(error: &EbpfError) -> String {
    if let EbpfError::ProgramError(ProgramError::LoadError {
        io_error,
        verifier_log,
    }) = error
    {
        log::debug!("the kernel's verifier says:\n{verifier_log}");
        return format!("the kernel does not load the program: {io_error}");
    }
    with_sources(error)
}

/// An error's words with those of its sources, where they say more.
pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        let words = deeper.to_string();
        if !why.contains(&words) {
            why = format!("{why}: {words}");
        }
        source = deeper.source();
    }
    why
}

/// What this process lacks of the capabilities that BPF takes.
fn missing_capabilities() -> Vec<String> {
    [
        Capability::CAP_BPF,
        Capability::CAP_PERFMON,
        Capability::CAP_NET_ADMIN,
    ]
    .into_iter()
    .filter(|capability| !caps::has_cap(None, CapSet::Effective, *capability).unwrap_or(true))
    .map(|capability| capability.to_string())
    .collect()
}
