//! The memory that a map shares with its program.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use aya::maps::MapData;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// The elements of an array map, as numbers that the program may read and write
/// at any time.
pub(super) struct Mapping {
    start: NonNull<c_void>,
    /// In numbers.
    words: usize,
    /// Numbers of one element.
    stride: usize,
    /// The memory goes when the last who knows the map is gone.
    _map: MapData,
}

// SAFETY: the memory is the process's, and is only ever seen as atomic numbers.
#[expect(unsafe_code, reason = "a pointer to memory that any thread may use")]
unsafe impl Send for Mapping {}

// SAFETY: as above.
#[expect(unsafe_code, reason = "a pointer to memory that any thread may use")]
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Shares the memory of an array of so many elements of type `T`, which is made
    /// of nothing but words of eight bytes.
    pub(super) fn of<T>(map: MapData, elements: u32) -> io::Result<Self> {
        const { assert!(align_of::<T>() == 8 && size_of::<T>().is_multiple_of(8)) };
        let stride = size_of::<T>() / 8;
        let words = stride * elements as usize;
        let bytes = NonZeroUsize::new(words * 8).ok_or(io::ErrorKind::InvalidInput)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory, at an address of the kernel's choice; it refuses a map
        // that has less than that.
        #[expect(unsafe_code, reason = "shared memory has no safe wrapper")]
        let start = unsafe { mmap(None, bytes, protection, MapFlags::MAP_SHARED, map.fd(), 0) }?;
        Ok(Self {
            start,
            words,
            stride,
            _map: map,
        })
    }

    /// The numbers of one element; `None` beyond the last.
    pub(super) fn element(&self, slot: u32) -> Option<&[AtomicU64]> {
        // SAFETY: the memory is that long, begins with a page, holds zeros at first,
        // and goes with `self`. The other side, too, reads and writes whole numbers.
        #[expect(unsafe_code, reason = "memory that the kernel shares")]
        let all = unsafe {
            std::slice::from_raw_parts(self.start.cast::<AtomicU64>().as_ptr(), self.words)
        };
        let start = self.stride.checked_mul(slot as usize)?;
        all.get(start..)?.get(..self.stride)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the memory is ours, and what was lent of it has ended with the
        // borrow. It fails for no memory that was mapped.
        #[expect(unsafe_code, reason = "the counterpart of mmap")]
        let _ = unsafe { munmap(self.start, self.words * 8) };
    }
}
