//! The advert that is known: one that is the same is noted and wakes nobody,
//! until none has come for so long that somebody must be told.
//!
//! A timer is not moved by each advert, which would cost more than all the rest:
//! it runs on, looks when the last one came, and goes on for what is left. So it
//! always says a silence in time, and an advert costs a comparison and a note.

use core::arch::asm;
use core::ffi::c_void;
use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::bindings::{BPF_F_MMAPABLE, bpf_timer};
use aya_ebpf::btf_maps;
use aya_ebpf::helpers::generated::{bpf_timer_init, bpf_timer_set_callback, bpf_timer_start};
use aya_ebpf::macros::{btf_map, map};
use aya_ebpf::maps::{Array, PerCpuArray};
use vip_common::layout::{
    EventHeader, EventKind, KNOWN_BYTES, Known, LARGE_FRAME, Last, Noted, RouterEntry,
    SilenceEvent, SilenceNews,
};
use vip_common::wire::{HEAD, admit, known};

use crate::classify::HeadWords;
use crate::maps::EVENTS;
use crate::packet::{Extent, Packet, opaque};
use crate::watch::now;

/// What the engine has lent, by router.
#[map]
static KNOWN: Array<Known> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// What came of it, by router.
#[map]
static LAST: Array<Last> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The timers, by router. Nobody writes them from outside: that would end them.
#[btf_map]
static TIMERS: btf_maps::Array<Watch, 1> = btf_maps::Array::new();

/// A frame, or as much of one as is looked at, which is too much for the stack: for
/// that long nobody else runs on the processor that could write here. (The kernels on
/// which somebody could are those without timers.)
#[map]
static FRAME: PerCpuArray<[u64; LARGE_FRAME / 8]> = PerCpuArray::with_max_entries(1, 0);

/// The timer of one router.
#[repr(C)]
pub struct Watch {
    timer: bpf_timer,
    /// The generation that it runs for; zero while it does not.
    runs_for: u64,
}

/// After how long to look again, in ns, where a silence could not be told or was
/// just ended.
const AGAIN: u64 = 100_000;

/// `CLOCK_MONOTONIC`, for a timer.
const MONOTONIC: u64 = 1;

/// Whether this is the advert that is known, and all is done that it takes. If
/// not, it is to be sent up.
#[inline(always)]
pub fn note<P: Packet>(
    packet: &P,
    head: &HeadWords,
    slot: u32,
    extent: Extent,
    stamp: u64,
) -> bool {
    let Some(known) = KNOWN.get_ptr_mut(slot) else {
        return false;
    };
    // SAFETY: the value lives while the program runs.
    if unsafe { addr_of!((*known).generation).read_volatile() } == 0 {
        return false;
    }
    // SAFETY: as above. What is read of it while it changes is of no generation
    // that is lent still, which is seen at the end.
    let (generation, words, mask) = unsafe {
        (
            read(addr_of_mut!((*known).generation)),
            addr_of!((*known).words).read_volatile(),
            addr_of!((*known).mask).read_volatile(),
        )
    };
    let Some(frame) = FRAME.get_ptr_mut(0) else {
        return false;
    };
    if words > head.len() as u64
        // SAFETY: as long as is said.
        && !unsafe { packet.load::<KNOWN_BYTES>(extent, frame.cast()) }
    {
        return false;
    }
    let here = |number: usize| match head.get(number) {
        Some(word) => *word,
        // SAFETY: as above.
        None => unsafe { addr_of!((*frame)[number]).read_volatile() },
    };
    // SAFETY: as above.
    let there = |number: usize| unsafe { addr_of!((*known).frame[number]).read_volatile() };
    if generation == 0 || !known::is_same(words, mask, here, there) {
        return false;
    }
    let (Some(last), Some(watch)) = (LAST.get_ptr_mut(slot), TIMERS.get_ptr_mut(slot)) else {
        return false;
    };
    // SAFETY: as above.
    let silence = unsafe { addr_of!((*known).silence).read_volatile() };
    write(last, generation, stamp)
        && is_watched(watch, generation, silence)
        // If it was withdrawn meanwhile, the engine may have looked for the last
        // time before this was noted. Then it is told; at worst twice.
        // SAFETY: as above.
        && unsafe { addr_of!((*known).generation).read_volatile() } == generation
}

/// Whom the router follows: an address in halves and a MAC; `None` for
/// nobody.
#[inline(always)]
pub fn followed(slot: u32) -> Option<([u64; 2], u64)> {
    let known = KNOWN.get_ptr(slot)?;
    // SAFETY: the value lives while the program runs. What is read while it changes
    // is at worst nobody's.
    let (source, mac) = unsafe {
        (
            addr_of!((*known).source).read_volatile(),
            addr_of!((*known).mac).read_volatile(),
        )
    };
    (source[1] != 0).then_some((source, mac))
}

/// Whether the advert that [`adds_up`] has just looked at is the same as the one that
/// was lent last, whether or not it is lent still.
#[inline(always)]
pub fn was_last(slot: u32) -> bool {
    let (Some(known), Some(frame)) = (KNOWN.get_ptr(slot), FRAME.get_ptr(0)) else {
        return false;
    };
    // SAFETY: the values live while the program runs. What is read while it changes is
    // at worst another advert.
    let (words, mask) = unsafe {
        (
            addr_of!((*known).words).read_volatile(),
            addr_of!((*known).mask).read_volatile(),
        )
    };
    // SAFETY: as above.
    let here = |number: usize| unsafe { addr_of!((*frame)[number]).read_volatile() };
    // SAFETY: as above.
    let there = |number: usize| unsafe { addr_of!((*known).frame[number]).read_volatile() };
    // Nothing was lent yet where there are no words.
    words != 0 && known::is_same(words, mask, here, there)
}

/// Whether the checksum of an advert that was let pass adds up. Leaves it where
/// [`was_last`] looks.
#[inline(always)]
pub fn adds_up<P: Packet>(
    packet: &P,
    head: &[u8; HEAD],
    router: &RouterEntry,
    extent: Extent,
) -> bool {
    let Some(frame) = FRAME.get_ptr_mut(0) else {
        return true;
    };
    // SAFETY: as long as is said.
    if !unsafe { packet.load::<LARGE_FRAME>(extent, frame.cast()) } {
        return false;
    }
    let words = frame.cast::<u16>();
    admit::adds_up(head, router, |at| {
        // The verifier must see the very number that is used compared.
        let number = opaque(at as u64 / 2);
        if number >= LARGE_FRAME as u64 / 2 {
            return 0;
        }
        // SAFETY: as was just seen.
        unsafe { words.add(number as usize).read_volatile() }
    })
}

/// Writes what came; `false` if another processor is just writing.
#[inline(always)]
fn write(last: *mut Last, generation: u64, stamp: u64) -> bool {
    // SAFETY: the value lives while the program runs, and whoever has made the turn
    // odd is the only one to write, in the record that nobody reads.
    unsafe {
        let cell = addr_of_mut!((*last).turn);
        let turn = take(cell);
        if turn & 1 != 0 {
            return false;
        }
        let standing = addr_of!((*last).noted)
            .cast::<Noted>()
            .add(Last::standing(turn));
        let (before, count) = if addr_of!((*standing).generation).read_volatile() == generation {
            (
                addr_of!((*standing).stamp).read_volatile(),
                addr_of!((*standing).count).read_volatile(),
            )
        } else {
            (0, 0)
        };
        let next = addr_of_mut!((*last).noted)
            .cast::<Noted>()
            .add(Last::next(turn));
        addr_of_mut!((*next).generation).write_volatile(generation);
        addr_of_mut!((*next).stamp).write_volatile(stamp);
        addr_of_mut!((*next).before).write_volatile(before);
        addr_of_mut!((*next).count).write_volatile(count + 1);
        fetch_add(cell, 1);
    }
    true
}

/// Whether the timer runs for what is lent; if it did not, it does now.
#[inline(always)]
fn is_watched(watch: *mut Watch, generation: u64, silence: u64) -> bool {
    // SAFETY: the value lives while the program runs.
    if unsafe { addr_of!((*watch).runs_for).read_volatile() } == generation {
        return true;
    }
    // Before it starts, so that one that has elapsed at once is seen to.
    // SAFETY: as above.
    unsafe { addr_of_mut!((*watch).runs_for).write_volatile(generation) };
    if start(watch, silence) {
        return true;
    }
    // SAFETY: as above.
    unsafe { addr_of_mut!((*watch).runs_for).write_volatile(0) };
    false
}

/// Makes the timer, if it was none, and starts it. The kernel makes one of memory that it
/// has at hand, and since 6.18 waits for none: where a thousand are wanted at once, right
/// after a start, there is none for most. Then the advert is told as ever, and the next one
/// tries again; it takes some ten seconds until all have theirs.
#[inline(never)]
fn start(watch: *mut Watch, silence: u64) -> bool {
    // SAFETY: the timer is of that map, and the callback has the signature that
    // the kernel calls.
    unsafe {
        let timer = addr_of_mut!((*watch).timer);
        // Fails where it has been made before.
        bpf_timer_init(
            timer,
            addr_of!(TIMERS).cast_mut().cast::<c_void>(),
            MONOTONIC,
        );
        bpf_timer_set_callback(timer, elapsed as *mut c_void) == 0
            && bpf_timer_start(timer, silence, 0) == 0
    }
}

/// The timer has elapsed: looks how long the silence is by now, and tells it or
/// goes on. Of what is lent no more, and of what is lent but has not come yet,
/// there is nothing to say.
unsafe extern "C" fn elapsed(_map: *mut c_void, key: *mut u32, watch: *mut Watch) -> i64 {
    // SAFETY: the kernel calls it with its key.
    let slot = unsafe { *key };
    // Before it looks: whoever notes one from now on starts the timer again.
    // SAFETY: the value lives while this runs.
    unsafe { exchange(addr_of_mut!((*watch).runs_for), 0) };
    let (Some(known), Some(last)) = (KNOWN.get_ptr_mut(slot), LAST.get_ptr_mut(slot)) else {
        return 0;
    };
    // SAFETY: as above.
    let (generation, silence) = unsafe {
        (
            read(addr_of_mut!((*known).generation)),
            addr_of!((*known).silence).read_volatile(),
        )
    };
    // SAFETY: as above; a record that was written anew meanwhile is seen by the
    // turn.
    let (noted, stamp, is_whole) = unsafe {
        let turn = read(addr_of_mut!((*last).turn));
        let standing = addr_of!((*last).noted)
            .cast::<Noted>()
            .add(Last::standing(turn));
        let noted = addr_of!((*standing).generation).read_volatile();
        let stamp = addr_of!((*standing).stamp).read_volatile();
        let after = read(addr_of_mut!((*last).turn));
        (noted, stamp, after >> 1 == turn >> 1)
    };
    if generation == 0 || (is_whole && noted != generation) {
        return 0;
    }
    let now = now();
    let age = now.saturating_sub(stamp);
    let rest = if !is_whole {
        AGAIN
    } else if age < silence {
        silence - age
    } else if tell(slot, now, generation) {
        return 0;
    } else {
        // The ring is full.
        AGAIN
    };
    // SAFETY: as above. It was made, or it could not have elapsed.
    unsafe {
        addr_of_mut!((*watch).runs_for).write_volatile(generation);
        bpf_timer_start(addr_of_mut!((*watch).timer), rest, 0);
    }
    0
}

/// Tells the silence and wakes the engine; `false` if the ring is full.
#[inline(always)]
fn tell(slot: u32, stamp: u64, generation: u64) -> bool {
    let Some(mut record) = EVENTS.reserve::<SilenceEvent>(0) else {
        return false;
    };
    record.write(SilenceEvent {
        header: EventHeader {
            stamp,
            slot,
            ifindex: 0,
            len: size_of::<SilenceNews>() as u32,
            kind: EventKind::Silence as u32,
        },
        news: SilenceNews { generation },
    });
    record.submit(0);
    true
}

/// Adds to a number and tells what it was, in one order with everything that any
/// processor does before and after.
///
/// # Safety
///
/// A number in a map, alive while the program runs. The same for the others.
#[inline(always)]
unsafe fn fetch_add(cell: *mut u64, mut number: u64) -> u64 {
    // SAFETY: the caller's word.
    unsafe {
        asm!("{number} = atomic_fetch_add((u64 *)({cell} + 0), {number})", cell = in(reg) cell, number = inout(reg) number);
    }
    number
}

/// Reads a number in that order.
#[inline(always)]
unsafe fn read(cell: *mut u64) -> u64 {
    // SAFETY: the caller's word.
    unsafe { fetch_add(cell, 0) }
}

/// Makes a number odd and tells what it was.
#[inline(always)]
unsafe fn take(cell: *mut u64) -> u64 {
    let mut number = 1;
    // SAFETY: the caller's word.
    unsafe {
        asm!("{number} = atomic_fetch_or((u64 *)({cell} + 0), {number})", cell = in(reg) cell, number = inout(reg) number);
    }
    number
}

/// Puts a number in place of what was there.
#[inline(always)]
unsafe fn exchange(cell: *mut u64, mut number: u64) {
    // SAFETY: the caller's word.
    unsafe {
        asm!("{number} = xchg_64({cell} + 0, {number})", cell = in(reg) cell, number = inout(reg) number);
    }
    let _ = number;
}
