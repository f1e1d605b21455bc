//! The adverts that the engine lends the program at the NIC, by shared memory and
//! without a system call ([`vip_common::layout::Known`]).

use std::mem::offset_of;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use vip_common::ids::MacAddr;
use vip_common::layout::{self, Last, Noted, octets};
use vip_common::time::MonoTime;
use vip_common::wire;

use super::ear::{Known, Memory, Repeats};
use super::mapping::Mapping;

/// The shortest silence that is watched for, in ns: far below any interval.
const LEAST: u64 = 1_000_000;

/// Attempts to read what came. One fails only while the program writes twice.
const ATTEMPTS: u32 = 64;

/// What is lent, and what came of it.
pub(super) struct Lent {
    known: Mapping,
    last: Mapping,
    /// What is or was last lent, by slot; zero for nothing.
    generations: Box<[AtomicU64]>,
    /// The last that was given to anybody.
    generation: AtomicU64,
}

/// Where a field of [`layout::Known`] lies in an element.
macro_rules! known {
    ($element:expr, $field:ident) => {
        $element.get(offset_of!(layout::Known, $field) / 8)
    };
}

impl Lent {
    /// Nothing, of so many routers. Everything is allocated here.
    pub(super) fn new(known: Mapping, last: Mapping, capacity: u32) -> Self {
        Self {
            known,
            last,
            generations: (0..capacity).map(|_| AtomicU64::new(0)).collect(),
            generation: AtomicU64::new(0),
        }
    }

    /// Only the engine lends, so that no two write at a time.
    fn put(&self, slot: u32, known: Option<Known<'_>>) -> Option<u64> {
        let element = self.known.element(slot)?;
        let generation = known!(element, generation)?;
        // In one order with the program's note of an advert: either it is there to
        // be read from now on, or the program finds this zero and sends it up.
        generation.swap(0, Ordering::SeqCst);
        // And seen before anything of what follows is.
        fence(Ordering::SeqCst);
        let known = known?;
        let silence = u64::try_from(known.silence.as_nanos()).unwrap_or(u64::MAX);
        // The kernel's timers take no more.
        let silence = silence.clamp(LEAST, i64::MAX as u64 / 2);
        let lent = wire::known::known(known.frame, silence)?;
        let mine = self.generations.get(slot as usize)?;
        let put = |cell: &AtomicU64, number| cell.store(number, Ordering::Relaxed);
        put(known!(element, silence)?, lent.silence);
        put(known!(element, words)?, lent.words);
        put(known!(element, mask)?, lent.mask);
        let fill = |offset: usize, words: &[u64]| {
            let cells = element.get(offset / 8..).unwrap_or_default();
            for (cell, word) in cells.iter().zip(words) {
                put(cell, *word);
            }
        };
        fill(offset_of!(layout::Known, frame), &lent.frame);
        let number = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        mine.store(number, Ordering::Release);
        generation.store(number, Ordering::Release);
        Some(number)
    }

    fn of(&self, slot: u32) -> Option<Repeats> {
        let generation = self.generations.get(slot as usize)?.load(Ordering::Acquire);
        let noted = self.noted(slot)?;
        let is_of_it = generation != 0 && noted.generation == generation;
        is_of_it.then(|| Repeats {
            lending: generation,
            stamp: MonoTime::from_nanos(noted.stamp),
            before: (noted.count > 1).then(|| MonoTime::from_nanos(noted.before)),
            count: noted.count,
        })
    }

    /// The record that stands, as a whole.
    fn noted(&self, slot: u32) -> Option<Noted> {
        const RECORD: usize = size_of::<Noted>() / 8;
        let element = self.last.element(slot)?;
        let (turn, records) = element.split_first()?;
        for _ in 0..ATTEMPTS {
            let before = turn.load(Ordering::SeqCst);
            let record = records.get(Last::standing(before) * RECORD..)?;
            let [generation, stamp, first, count] = record.first_chunk()?;
            let noted = Noted {
                generation: generation.load(Ordering::Relaxed),
                stamp: stamp.load(Ordering::Relaxed),
                before: first.load(Ordering::Relaxed),
                count: count.load(Ordering::Relaxed),
            };
            // All is read before the turn is again. The next record is written
            // elsewhere; this one only after that.
            fence(Ordering::Acquire);
            if turn.load(Ordering::Relaxed) >> 1 == before >> 1 {
                return Some(noted);
            }
        }
        None
    }

    /// Whether this is what is lent.
    pub(super) fn is_lent(&self, slot: u32, generation: u64) -> bool {
        let cell = self
            .known
            .element(slot)
            .and_then(|one| known!(one, generation));
        cell.is_some_and(|cell| cell.load(Ordering::Relaxed) == generation)
    }
}

impl Memory for Lent {
    fn lend(&self, slot: u32, known: Option<Known<'_>>) -> Option<u64> {
        self.put(slot, known)
    }

    fn repeats(&self, slot: u32) -> Option<Repeats> {
        self.of(slot)
    }

    fn follow(&self, slot: u32, who: Option<(IpAddr, MacAddr)>) {
        let (source, mac) = who.map_or(([0; 2], 0), |(address, mac)| {
            (layout::halves(&octets(address)), layout::mac_word(mac.0))
        });
        let Some(element) = self.known.element(slot) else {
            return;
        };
        let [first, second] = source;
        let places = [
            (offset_of!(layout::Known, source), first),
            (offset_of!(layout::Known, source) + 8, second),
            (offset_of!(layout::Known, mac), mac),
        ];
        for (offset, word) in places {
            if let Some(cell) = element.get(offset / 8) {
                cell.store(word, Ordering::Relaxed);
            }
        }
    }
}
