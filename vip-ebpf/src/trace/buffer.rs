//! A packet in the kernel's hands (`sk_buff`), not at a hook: what is read of it is
//! where the running kernel's own type information says.

use core::ptr::addr_of_mut;

use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel};
use vip_common::layout::SMALL_FRAME;
use vip_common::layout::trace::{KernelShape, SightHeader, SightKind, SmallSight};

use crate::maps::{KERNEL, SIGHTS, count_lost};

/// EtherTypes, as the kernel keeps them.
const IPV4: u16 = 0x0800_u16.to_be();
const IPV6: u16 = 0x86dd_u16.to_be();
/// IP protocol numbers.
const VRRP: u8 = 112;
const AH: u8 = 51;
/// Length of the Ethernet header, where the packet has left its own behind.
const ETHERNET: usize = 14;
/// How much of a packet is told.
const BODY: usize = SMALL_FRAME - ETHERNET;

/// What lies at an offset of something of the kernel's.
#[inline(always)]
pub fn read<T>(base: u64, offset: u32) -> Option<T> {
    let at = base.wrapping_add(u64::from(offset)) as *const T;
    // SAFETY: a read that fails where there is nothing to read.
    unsafe { bpf_probe_read_kernel(at) }.ok()
}

/// Tells of the packet at this address, if it is VRRP of the namespace that is watched.
#[inline(always)]
pub fn look(packet: u64, kind: SightKind, location: u64, reason: u32) {
    let _ = tell(packet, kind, location, reason);
}

#[inline(always)]
fn tell(packet: u64, kind: SightKind, location: u64, reason: u32) -> Option<()> {
    let shape: &KernelShape = KERNEL.get(0)?;
    if shape.namespace == 0 {
        return None;
    }
    let ethertype: u16 = read(packet, shape.protocol)?;
    let protocol_at = match ethertype {
        IPV4 => 9,
        IPV6 => 6,
        _ => return None,
    };
    let head: u64 = read(packet, shape.head)?;
    let network: u16 = read(packet, shape.network_header)?;
    let start = head.wrapping_add(u64::from(network));
    let protocol: u8 = read(start, protocol_at)?;
    if protocol != VRRP && protocol != AH {
        return None;
    }
    let device: u64 = read(packet, shape.device)?;
    if device == 0 {
        return None;
    }
    let net: u64 = read(device, shape.net)?;
    let namespace: u32 = read(net, shape.inum)?;
    if namespace != shape.namespace {
        return None;
    }
    let ifindex: u32 = read(device, shape.ifindex)?;
    let tail: u32 = read(packet, shape.tail)?;
    let len = tail.wrapping_sub(u32::from(network));

    let Some(mut record) = SIGHTS.reserve::<SmallSight>(0) else {
        count_lost();
        return None;
    };
    let at = record.as_mut_ptr();
    // SAFETY: the record is ours until it is submitted. Behind a packet lie the rest
    // of its buffer and what the kernel keeps there, which is longer than our room.
    let copied = unsafe {
        addr_of_mut!((*at).header).write(SightHeader {
            stamp: bpf_ktime_get_ns(),
            location,
            ifindex,
            len: len.min(BODY as u32).wrapping_add(ETHERNET as u32),
            frame_len: len.wrapping_add(ETHERNET as u32),
            reason,
            kind: kind as u32,
            pad: 0,
        });
        let frame = addr_of_mut!((*at).frame).cast::<u8>();
        frame.cast::<[u8; 12]>().write([0; 12]);
        frame
            .add(12)
            .cast::<[u8; 2]>()
            .write(ethertype.to_ne_bytes());
        let body = frame.add(ETHERNET);
        aya_ebpf::helpers::generated::bpf_probe_read_kernel(
            body.cast(),
            BODY as u32,
            start as *const _,
        ) == 0
    };
    if copied {
        record.submit(0);
    } else {
        record.discard(0);
    }
    Some(())
}
