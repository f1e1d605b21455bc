//! The programs on tracepoints of the kernel: what they have in common.
//!
//! They are raw tracepoints: those need no file system for tracing, which is not
//! mounted everywhere, and work in any namespace.

use std::io;

use aya::maps::{Map, MapData, RingBuf};
use aya::programs::{ProgramError, RawTracePoint};
use aya::{Ebpf, EbpfError, EbpfLoader};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::dataplane::refusal;

/// Built by build.rs, empty in a stub build.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/vip-trace.bpf.o"));

/// A program of the object and the tracepoint that it sits on; it goes when this does.
pub(super) struct Trace(Ebpf);

impl Trace {
    /// Loads the object and puts this program of it on this tracepoint.
    ///
    /// # Errors
    /// Why the kernel does not take it.
    pub(super) fn attach(program: &str, tracepoint: &str) -> Result<Self, String> {
        Self::attach_all(&[(program, tracepoint)])
    }

    /// The same with several programs, which share their maps.
    ///
    /// # Errors
    /// Why the kernel does not take one of them.
    pub(super) fn attach_all(programs: &[(&str, &str)]) -> Result<Self, String> {
        if OBJECT.is_empty() {
            return Err("this build has no programs for the kernel".to_owned());
        }
        let attach = || -> Result<Ebpf, EbpfError> {
            // No type of the running kernel is looked into.
            let mut object = EbpfLoader::new().btf(None).load(OBJECT)?;
            for (program, tracepoint) in programs {
                let program = object.program_mut(program).ok_or(ProgramError::NotLoaded)?;
                let program: &mut RawTracePoint = program.try_into()?;
                program.load()?;
                program.attach(tracepoint)?;
            }
            Ok(object)
        };
        attach().map(Self).map_err(|error| refusal(&error))
    }

    /// One of the object's maps, once.
    ///
    /// # Errors
    /// It has none of this name and kind.
    pub(super) fn map<M>(&mut self, name: &str) -> Result<M, String>
    where
        M: TryFrom<Map, Error = aya::maps::MapError>,
    {
        let map = self.0.take_map(name);
        let map = map.ok_or_else(|| format!("the object has no map {name}"))?;
        M::try_from(map).map_err(|error| format!("map {name}: {error}"))
    }
}

/// A ring that wakes whoever reads it.
pub(super) fn readable(ring: RingBuf<MapData>) -> io::Result<AsyncFd<RingBuf<MapData>>> {
    #[expect(unsafe_code, reason = "tokio cannot know that a descriptor stays open")]
    // SAFETY: the ring owns its map's descriptor and closes it when it is dropped.
    let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
    ring.map_err(io::Error::from)
}
