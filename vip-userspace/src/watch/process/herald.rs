//! The kernel's word of processes that begin, fork and end, from tracepoints: they
//! are the same in every network namespace, which the process connector is not.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aya::maps::{HashMap as NameMap, MapData, RingBuf};
use tokio::io::unix::AsyncFd;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;
use vip_common::layout::{
    ANY_PROCESS, PROCESS_BEGAN, PROCESS_ENDED, PROCESS_FORKED, PROCESS_NAME_BYTES,
};

use super::super::trace::{Trace, readable};

/// Events that a slow listener has not taken yet; he looks for himself then.
const ROOM: usize = 1024;
/// The first namespace of processes, in whose numbers the kernel speaks.
const FIRST_NAMESPACE: u64 = 0xefff_fffc;

/// What has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// This process may be another program, or have another name.
    Began(i32),
    /// There may be another process.
    Forked,
    /// This one is ending.
    Ended(i32),
    /// Nothing that matters.
    Nothing,
}

/// Tells of processes whose names are wanted.
pub(crate) struct Heralds {
    names: Mutex<Names>,
    events: broadcast::Sender<Event>,
    reader: AbortHandle,
    /// The programs are there for as long as this is.
    _trace: Trace,
}

struct Names {
    map: NameMap<MapData, Name, u8>,
    wanted: HashMap<Name, u32>,
}

/// A name as the kernel knows it.
type Name = [u8; PROCESS_NAME_BYTES];

impl Drop for Heralds {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Heralds {
    /// Puts the programs into the kernel.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub(super) fn start() -> Result<Arc<Self>, String> {
        let mut trace = Trace::attach_all(&[
            ("vip_process_began", "sched_process_exec"),
            ("vip_process_renamed", "task_rename"),
            ("vip_process_forked", "sched_process_fork"),
            ("vip_process_ended", "sched_process_exit"),
        ])?;
        let map = trace.map("NAMES")?;
        let ring: RingBuf<MapData> = trace.map("PROCESSES")?;
        let ring = readable(ring).map_err(|error| error.to_string())?;
        let (events, _) = broadcast::channel(ROOM);
        let own = std::fs::metadata("/proc/self/ns/pid").map(|about| about.ino());
        let numbers_are_ours = own.is_ok_and(|own| own == FIRST_NAMESPACE);
        let reader = tokio::spawn(read(ring, events.clone(), numbers_are_ours));
        let wanted = HashMap::new();
        Ok(Arc::new(Self {
            names: Mutex::new(Names { map, wanted }),
            events,
            reader: reader.abort_handle(),
            _trace: trace,
        }))
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Wants to hear of processes of this name; without one, of all programs that
    /// begin.
    ///
    /// # Errors
    /// The kernel takes no more names.
    pub(super) fn want(self: &Arc<Self>, name: Option<&[u8]>) -> Result<Wanted, String> {
        let name = name.map_or(ANY_PROCESS, as_kernel);
        let mut names = self.names();
        if !names.wanted.contains_key(&name) {
            let added = names.map.insert(name, 1, 0);
            added.map_err(|error| format!("the kernel takes no more names: {error}"))?;
        }
        *names.wanted.entry(name).or_insert(0) += 1;
        drop(names);
        Ok(Wanted {
            heralds: Arc::clone(self),
            name,
        })
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name, for as long as somebody wants to hear of it.
pub(super) struct Wanted {
    heralds: Arc<Heralds>,
    name: Name,
}

impl Drop for Wanted {
    fn drop(&mut self) {
        let mut names = self.heralds.names();
        let Some(count) = names.wanted.get_mut(&self.name) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            names.wanted.remove(&self.name);
            let _ = names.map.remove(&self.name);
        }
    }
}

/// A name as the kernel keeps it: cut, and with zeros behind it.
fn as_kernel(name: &[u8]) -> Name {
    let mut kernel = [0; PROCESS_NAME_BYTES];
    for (to, from) in kernel.iter_mut().zip(name).take(PROCESS_NAME_BYTES - 1) {
        *to = *from;
    }
    kernel
}

async fn read(
    mut ring: AsyncFd<RingBuf<MapData>>,
    events: broadcast::Sender<Event>,
    numbers_are_ours: bool,
) {
    while let Ok(mut ready) = ring.readable_mut().await {
        while let Some(record) = ready.get_inner_mut().next() {
            if let Some(event) = event(&record, numbers_are_ours) {
                // Without a listener nobody needs to hear it.
                let _ = events.send(event);
            }
        }
        ready.clear_ready();
    }
}

fn event(record: &[u8], numbers_are_ours: bool) -> Option<Event> {
    let record = u64::from_ne_bytes(record.try_into().ok()?);
    let process = i32::try_from(record & 0xffff_ffff).ok()?;
    match u32::try_from(record >> 32).ok()? {
        // In another namespace it has another number.
        PROCESS_BEGAN | PROCESS_ENDED if !numbers_are_ours => Some(Event::Forked),
        PROCESS_BEGAN => Some(Event::Began(process)),
        PROCESS_FORKED => Some(Event::Forked),
        PROCESS_ENDED => Some(Event::Ended(process)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_as_the_kernel_does() {
        assert_eq!(&as_kernel(b"sshd")[..6], b"sshd\0\0");
        assert_eq!(&as_kernel(b"a-name-that-is-longer"), b"a-name-that-is-\0");
    }

    #[test]
    fn numbers_of_another_namespace_are_not_believed() {
        let record = |what: u32| (u64::from(what) << 32 | 7).to_ne_bytes();
        for (what, ours, others) in [
            (PROCESS_BEGAN, Some(Event::Began(7)), Some(Event::Forked)),
            (PROCESS_FORKED, Some(Event::Forked), Some(Event::Forked)),
            (PROCESS_ENDED, Some(Event::Ended(7)), Some(Event::Forked)),
            (99, None, None),
        ] {
            assert_eq!(event(&record(what), true), ours);
            assert_eq!(event(&record(what), false), others);
        }
        assert_eq!(event(b"short", true), None);
    }
}
