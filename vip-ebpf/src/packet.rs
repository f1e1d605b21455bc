//! What the two hooks have in common, and where they differ.

use core::arch::asm;
use core::ffi::c_void;
use core::mem::MaybeUninit;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::bpf_hdr_start_off::{BPF_HDR_START_MAC, BPF_HDR_START_NET};
use aya_ebpf::helpers::generated::{
    bpf_skb_load_bytes, bpf_skb_load_bytes_relative, bpf_xdp_get_buff_len, bpf_xdp_load_bytes,
};
use aya_ebpf::programs::{TcContext, XdpContext};

/// EtherTypes, as they lie in the frame.
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const ARP: [u8; 2] = [0x08, 0x06];
/// IP protocol numbers.
const VRRP: u8 = 112;
const AH: u8 = 51;
const ICMPV6: u8 = 58;
/// ICMPv6 types.
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Offsets in the packet, from the IP header on: the protocol in either family,
/// and the ICMPv6 type behind an IPv6 header.
const PROTOCOL_V4: usize = 9;
const PROTOCOL_V6: usize = 6;
const ICMP_TYPE: usize = 40;
/// Length of the Ethernet header.
const ETHERNET: usize = 14;

/// A frame at a hook.
pub trait Packet: EbpfContext {
    /// A glance, which nearly all traffic gets no more than: whether it is
    /// something else than VRRP, ARP or neighbour discovery, or tagged. What is
    /// too short to tell is looked at closely.
    fn is_ordinary(&self) -> bool;
    /// The logical interface it came in by.
    fn ifindex(&self) -> u32;
    /// How long it is.
    fn extent(&self) -> Extent;
    /// Copies the first `len` bytes, which are more than the Ethernet header;
    /// `false` if that failed.
    ///
    /// # Safety
    ///
    /// `len` bytes from `to` on can be written.
    unsafe fn copy(&self, extent: Extent, to: *mut u8, len: u64) -> bool;

    /// Copies the frame's first bytes, `ROOM` at most; `false` if there are none
    /// behind the Ethernet header.
    ///
    /// # Safety
    ///
    /// `ROOM` bytes from `to` on can be written.
    #[inline(always)]
    unsafe fn load<const ROOM: usize>(&self, extent: Extent, to: *mut u8) -> bool {
        // The verifier must see the very number that is passed on compared with
        // each of its bounds.
        let mut len = opaque(extent.len);
        if len > ROOM as u64 {
            len = ROOM as u64;
        }
        let len = opaque(len);
        // SAFETY: `len` is at most `ROOM`.
        len > ETHERNET as u64 && unsafe { self.copy(extent, to, len) }
    }
}

/// How long a frame is, and where its packet begins for the hook.
#[derive(Clone, Copy)]
pub struct Extent {
    /// Bytes from the Ethernet header on.
    pub len: u64,
    /// Offset of what follows the Ethernet header.
    body: u32,
}

/// A number that the compiler does not know the past of, so that it cannot
/// merge or move comparisons.
#[inline(always)]
pub fn opaque(mut number: u64) -> u64 {
    // SAFETY: moves a register to itself. No instruction at all would do, but
    // leaves two source lines at one place, which the kernel refuses.
    unsafe { asm!("{number} = {number}", number = inout(reg) number, options(nomem, nostack)) };
    number
}

/// One byte, read in place; `None` if it lies beyond the part of the frame that
/// can be.
#[inline(always)]
fn peek(start: usize, end: usize, at: usize) -> Option<u8> {
    if start + at + 1 > end {
        return None;
    }
    // SAFETY: the byte lies before the end, as was just seen.
    Some(unsafe { *((start + at) as *const u8) })
}

/// The EtherType, read in place.
#[inline(always)]
fn ether_type(start: usize, end: usize) -> Option<[u8; 2]> {
    if start + ETHERNET > end {
        return None;
    }
    // SAFETY: the bytes lie before the end, as was just seen.
    Some(unsafe { *((start + 12) as *const [u8; 2]) })
}

/// Whether a packet of this EtherType is none that we look at closely. `byte`
/// gives bytes from the IP header on, `None` where that is more than a glance.
#[inline(always)]
fn is_ordinary(kind: [u8; 2], byte: impl Fn(usize) -> Option<u8>) -> bool {
    match kind {
        IPV4 => !matches!(byte(PROTOCOL_V4), Some(VRRP | AH) | None),
        IPV6 => match byte(PROTOCOL_V6) {
            Some(VRRP | AH) | None => false,
            Some(ICMPV6) => !matches!(byte(ICMP_TYPE), Some(SOLICITATION | ADVERTISEMENT) | None),
            Some(_) => true,
        },
        ARP => false,
        // A VLAN tag in the frame shows as its own EtherType.
        _ => true,
    }
}

impl Packet for XdpContext {
    #[inline(always)]
    fn is_ordinary(&self) -> bool {
        let (start, end) = (self.data(), self.data_end());
        ether_type(start, end)
            .is_some_and(|kind| is_ordinary(kind, |at| peek(start, end, ETHERNET + at)))
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.ingress_ifindex() as u32
    }

    #[inline(always)]
    fn extent(&self) -> Extent {
        Extent {
            // SAFETY: the context is the kernel's.
            len: unsafe { bpf_xdp_get_buff_len(self.ctx) },
            body: ETHERNET as u32,
        }
    }

    #[inline(always)]
    unsafe fn copy(&self, _: Extent, to: *mut u8, len: u64) -> bool {
        // SAFETY: the context is the kernel's, the buffer is the caller's word.
        unsafe { bpf_xdp_load_bytes(self.ctx, 0, to.cast(), len as u32) == 0 }
    }
}

/// Normally the frame lies before this hook with its Ethernet header. Behind a
/// generic XDP program, anybody's, newer kernels (since 6.9) lose the header's
/// length and the hook sees the packet alone. The header is there still.
impl Packet for TcContext {
    #[inline(always)]
    fn is_ordinary(&self) -> bool {
        // SAFETY: the context is the kernel's.
        let (protocol, vlan_present) =
            unsafe { ((*self.skb.skb).protocol, (*self.skb.skb).vlan_present) };
        if vlan_present != 0 {
            return true;
        }
        let kind = (protocol as u16).to_ne_bytes();
        let (start, end) = (self.data(), self.data_end());
        if ether_type(start, end) == Some(kind) {
            return is_ordinary(kind, |at| peek(start, end, ETHERNET + at));
        }
        is_ordinary(kind, |at| {
            let mut byte = 0_u8;
            // SAFETY: one byte of the packet to one byte.
            let read = unsafe {
                let to = (&raw mut byte).cast();
                relative(self, BPF_HDR_START_NET, at as u32, to, 1)
            };
            read.then_some(byte)
        })
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        // SAFETY: the context is the kernel's.
        unsafe { (*self.skb.skb).ifindex }
    }

    #[inline(always)]
    fn extent(&self) -> Extent {
        let mut header = MaybeUninit::<[u8; 6]>::uninit();
        let mut first = MaybeUninit::<[u8; 6]>::uninit();
        // SAFETY: six bytes each: the destination MAC by the Ethernet header, and
        // what the hook sees first. What cannot be read the kernel makes zero.
        let (header, first) = unsafe {
            relative(self, BPF_HDR_START_MAC, 0, header.as_mut_ptr().cast(), 6);
            bpf_skb_load_bytes(self.as_ptr(), 0, first.as_mut_ptr().cast(), 6);
            (header.assume_init(), first.assume_init())
        };
        let len = u64::from(self.skb.len());
        if header == first {
            Extent {
                len,
                body: ETHERNET as u32,
            }
        } else {
            Extent {
                len: len + ETHERNET as u64,
                body: 0,
            }
        }
    }

    #[inline(always)]
    unsafe fn copy(&self, extent: Extent, to: *mut u8, len: u64) -> bool {
        // SAFETY: the context is the kernel's, the buffer is the caller's word:
        // the Ethernet header, and all but that many bytes behind it.
        unsafe {
            let body = to.add(ETHERNET).cast();
            let rest = opaque(len - ETHERNET as u64) as u32;
            relative(self, BPF_HDR_START_MAC, 0, to.cast(), ETHERNET as u32)
                && bpf_skb_load_bytes(self.as_ptr(), extent.body, body, rest) == 0
        }
    }
}

/// Copies from a header of the packet on, wherever the hook's view begins.
///
/// # Safety
///
/// `len` bytes from `to` on can be written.
#[inline(always)]
unsafe fn relative(
    packet: &TcContext,
    header: u32,
    offset: u32,
    to: *mut c_void,
    len: u32,
) -> bool {
    // SAFETY: the context is the kernel's, the buffer is the caller's word.
    unsafe { bpf_skb_load_bytes_relative(packet.as_ptr(), offset, to, len, header) == 0 }
}
