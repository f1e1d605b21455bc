//! What the two hooks have in common.

use core::arch::asm;
use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::{bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes};
use aya_ebpf::programs::{TcContext, XdpContext};

/// A frame at a hook.
pub trait Packet: EbpfContext {
    /// Where the part starts that can be read directly.
    fn start(&self) -> usize;
    /// Where that part ends.
    fn end(&self) -> usize;
    /// Length of the whole frame from the Ethernet header on.
    fn len(&self) -> u64;
    /// The logical interface it came in by.
    fn ifindex(&self) -> u32;
    /// Whether a VLAN tag lies beside the frame. One that lies in it shows as
    /// its EtherType.
    fn is_tagged(&self) -> bool;
    /// The kernel's copying of the first `len` bytes; not zero if it failed.
    ///
    /// # Safety
    ///
    /// `len` bytes from `to` on can be written.
    unsafe fn copy(&self, to: *mut c_void, len: u32) -> i64;

    /// Copies the frame's first bytes, `ROOM` at most; `false` if there are none.
    ///
    /// # Safety
    ///
    /// `ROOM` bytes from `to` on can be written.
    #[inline(always)]
    unsafe fn load<const ROOM: usize>(&self, to: *mut u8, frame_len: u64) -> bool {
        // The verifier must see the very number that is passed on compared with
        // each of its bounds.
        let mut len = opaque(frame_len);
        if len > ROOM as u64 {
            len = ROOM as u64;
        }
        let len = opaque(len);
        // SAFETY: `len` is at most `ROOM`.
        len != 0 && unsafe { self.copy(to.cast(), len as u32) } == 0
    }
}

/// A number that the compiler does not know the past of, so that it cannot
/// merge or move comparisons.
#[inline(always)]
fn opaque(mut number: u64) -> u64 {
    // SAFETY: moves a register to itself. No instruction at all would do, but
    // leaves two source lines at one place, which the kernel refuses.
    unsafe { asm!("{number} = {number}", number = inout(reg) number, options(nomem, nostack)) };
    number
}

impl Packet for XdpContext {
    #[inline(always)]
    fn start(&self) -> usize {
        self.data()
    }

    #[inline(always)]
    fn end(&self) -> usize {
        self.data_end()
    }

    #[inline(always)]
    fn len(&self) -> u64 {
        // SAFETY: the context is the kernel's.
        unsafe { bpf_xdp_get_buff_len(self.ctx) }
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.ingress_ifindex() as u32
    }

    #[inline(always)]
    fn is_tagged(&self) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut c_void, len: u32) -> i64 {
        // SAFETY: the context is the kernel's, the buffer is the caller's word.
        unsafe { bpf_xdp_load_bytes(self.ctx, 0, to, len) }
    }
}

impl Packet for TcContext {
    #[inline(always)]
    fn start(&self) -> usize {
        self.data()
    }

    #[inline(always)]
    fn end(&self) -> usize {
        self.data_end()
    }

    #[inline(always)]
    fn len(&self) -> u64 {
        u64::from(self.skb.len())
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        // SAFETY: the context is the kernel's.
        unsafe { (*self.skb.skb).ifindex }
    }

    #[inline(always)]
    fn is_tagged(&self) -> bool {
        // SAFETY: the context is the kernel's.
        unsafe { (*self.skb.skb).vlan_present != 0 }
    }

    #[inline(always)]
    unsafe fn copy(&self, to: *mut c_void, len: u32) -> i64 {
        // SAFETY: the context is the kernel's, the buffer is the caller's word.
        unsafe { bpf_skb_load_bytes(self.as_ptr(), 0, to, len) }
    }
}
