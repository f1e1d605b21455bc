//! What the two hooks have in common.

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
    fn len(&self) -> u32;
    /// The logical interface it came in by.
    fn ifindex(&self) -> u32;
    /// Whether a VLAN tag lies beside the frame. One that lies in it shows as
    /// its EtherType.
    fn is_tagged(&self) -> bool;
    /// Copies the first `len` bytes; `false` if they are not there.
    ///
    /// # Safety
    ///
    /// `len` bytes from `to` on can be written.
    unsafe fn load(&self, to: *mut u8, len: u32) -> bool;
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
    fn len(&self) -> u32 {
        // SAFETY: the context is the kernel's.
        (unsafe { bpf_xdp_get_buff_len(self.ctx) }) as u32
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
    unsafe fn load(&self, to: *mut u8, len: u32) -> bool {
        // SAFETY: the context is the kernel's, the buffer is the caller's word.
        unsafe { bpf_xdp_load_bytes(self.ctx, 0, to.cast::<c_void>(), len) == 0 }
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
    fn len(&self) -> u32 {
        self.skb.len()
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
    unsafe fn load(&self, to: *mut u8, len: u32) -> bool {
        // SAFETY: the context is the kernel's, the buffer is the caller's word.
        unsafe { bpf_skb_load_bytes(self.as_ptr(), 0, to.cast::<c_void>(), len) == 0 }
    }
}
