//! Memory of a fixed size that one thread writes and others read.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use serde::Serialize;
use vip_common::election::VirtualRouter;
use vip_common::time::MonoTime;

use super::Event;

/// How many records there are, of 64 bytes each: a mebibyte.
const RECORDS: u64 = 16_384;
/// Words of a record: its number, its time, what it is, and what it says.
const WORDS: usize = 8;
const SAYS: usize = WORDS - 3;
/// Octets that a record says.
const OCTETS: usize = SAYS * 8;
/// The most octets of one entry, an election's; it takes several records.
const MOST: usize = 720;

/// What an entry is.
const EVENT: u64 = 0;
const ELECTION: u64 = 1;

/// The ring. One thread writes; whoever reads leaves out what is overwritten meanwhile.
pub struct Record {
    words: Box<[AtomicU64]>,
    /// How many records were ever written.
    head: AtomicU64,
}

/// What is read.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place among all that were ever written.
    pub place: u64,
    /// When it happened.
    pub at: MonoTime,
    /// The router's number; [`Record::ALL`] for what concerns all.
    pub slot: u32,
    /// What it is.
    pub kept: Kept,
}

/// What can be read.
#[derive(Clone, Debug)]
pub enum Kept {
    /// The election of the router as it was then.
    Election(Box<VirtualRouter>),
    /// Something that happened.
    Event(Event),
}

impl Default for Record {
    fn default() -> Self {
        Self::new()
    }
}

impl Record {
    /// In place of a router's number: all of them.
    pub const ALL: u32 = u32::MAX;

    /// An empty one. All of its memory is touched here, so that none of it is asked of
    /// the kernel later.
    #[must_use]
    pub fn new() -> Self {
        let count = usize::try_from(RECORDS).unwrap_or(0) * WORDS;
        let words: Box<[_]> = (0..count).map(|_| AtomicU64::new(u64::MAX)).collect();
        for record in words.chunks_exact(WORDS) {
            record[0].store(0, Ordering::Relaxed);
        }
        Self {
            words,
            head: AtomicU64::new(0),
        }
    }

    /// How many records were ever written.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// Whether what was written there stays for a while.
    pub(in crate::engine) fn is_young(&self, place: u64) -> bool {
        self.head().saturating_sub(place) < RECORDS / 2
    }

    /// Writes what happened. Only the engine may call it.
    pub(in crate::engine) fn put(&self, at: MonoTime, slot: u32, event: &Event) {
        self.write(at, slot, EVENT, event);
    }

    /// Writes how an election stands. Only the engine may call it.
    pub(in crate::engine) fn keep(&self, at: MonoTime, slot: u32, election: &VirtualRouter) {
        self.write(at, slot, ELECTION, election);
    }

    fn write(&self, at: MonoTime, slot: u32, kind: u64, what: &impl Serialize) {
        let mut octets = [0; MOST];
        // Whatever does not fit is left out; a test shows that all of it does.
        let Ok(used) = postcard::to_slice(what, &mut octets) else {
            return;
        };
        let count = used.len().div_ceil(OCTETS);
        for (part, octets) in used.chunks(OCTETS).enumerate() {
            let place = self.head.load(Ordering::Relaxed);
            let Some(record) = self.record(place) else {
                return;
            };
            record[0].store(0, Ordering::Relaxed);
            fence(Ordering::Release);
            record[1].store(at.as_nanos(), Ordering::Relaxed);
            let about = u64::from(slot)
                | kind << 32
                | (part as u64) << 40
                | (count as u64) << 48
                | (octets.len() as u64) << 56;
            record[2].store(about, Ordering::Relaxed);
            for (word, octets) in record[3..].iter().zip(octets.chunks(8)) {
                let mut filled = [0; 8];
                filled[..octets.len()].copy_from_slice(octets);
                word.store(u64::from_le_bytes(filled), Ordering::Relaxed);
            }
            record[0].store(place + 1, Ordering::Release);
            self.head.store(place + 1, Ordering::Release);
        }
    }

    fn record(&self, place: u64) -> Option<&[AtomicU64]> {
        let at = usize::try_from(place % RECORDS).ok()? * WORDS;
        self.words.get(at..at + WORDS)
    }

    /// The words of a record after its number, unless another one has taken its place.
    fn read(&self, place: u64) -> Option<[u64; WORDS - 1]> {
        let record = self.record(place)?;
        if record[0].load(Ordering::Acquire) != place + 1 {
            return None;
        }
        let mut words = [0; WORDS - 1];
        for (to, from) in words.iter_mut().zip(&record[1..]) {
            *to = from.load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        (record[0].load(Ordering::Relaxed) == place + 1).then_some(words)
    }

    /// What is there of the routers that are wanted, in the order in which it was written.
    #[must_use]
    pub fn look(&self, wanted: impl Fn(u32) -> bool) -> Vec<Entry> {
        let head = self.head();
        let mut found = Vec::new();
        let mut octets: Vec<u8> = Vec::with_capacity(MOST);
        let mut next = 0;
        for place in head.saturating_sub(RECORDS)..head {
            let Some([at, about, says @ ..]) = self.read(place) else {
                next = 0;
                continue;
            };
            let octet = |shift: u32| (about >> shift & 0xff) as usize;
            let (slot, part, count, len) = (about as u32, octet(40), octet(48), octet(56));
            if !wanted(slot) {
                next = 0;
                continue;
            }
            if part != next {
                next = 0;
                if part != 0 {
                    // Its beginning is gone.
                    continue;
                }
            }
            if part == 0 {
                octets.clear();
            }
            let said = says.iter().flat_map(|word| word.to_le_bytes());
            octets.extend(said.take(len.min(OCTETS)));
            if part + 1 < count {
                next = part + 1;
                continue;
            }
            next = 0;
            let kept = match (about >> 32) & 0xff {
                ELECTION => postcard::from_bytes(&octets)
                    .ok()
                    .map(|election| Kept::Election(Box::new(election))),
                _ => postcard::from_bytes(&octets).ok().map(Kept::Event),
            };
            found.extend(kept.map(|kept| Entry {
                place,
                at: MonoTime::from_nanos(at),
                slot,
                kept,
            }));
        }
        found
    }
}
