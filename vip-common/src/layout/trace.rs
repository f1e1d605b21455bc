//! What `vip trace` and its programs share.
//!
//! | map | key → value | written by | read by |
//! |---|---|---|---|
//! | `KERNEL` | 0 → [`KernelShape`] | `vip trace` | programs |
//! | `CLAIMED` | [`super::Octets`] → 1 | `vip trace` | programs |
//! | `LOST` | 0 → `u64` | programs | `vip trace` |
//! | `SIGHTS` | ring of [`SightHeader`] + frame | programs | `vip trace` |

use super::{LARGE_FRAME, SMALL_FRAME};

/// Where a frame was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum SightKind {
    /// It came in: TCX ingress.
    In = 1,
    /// It goes out: TCX egress.
    Out = 2,
    /// It goes out past the queues and all hooks on them, as vip's own adverts do:
    /// `__dev_direct_xmit`.
    Direct = 3,
    /// The kernel has thrown it away: `skb:kfree_skb`.
    Dropped = 4,
}

impl SightKind {
    /// Back from its number in a record.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::In),
            2 => Some(Self::Out),
            3 => Some(Self::Direct),
            4 => Some(Self::Dropped),
            _ => None,
        }
    }
}

/// Head of a record; `len` bytes of the frame follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct SightHeader {
    /// When, in ns of `CLOCK_MONOTONIC`.
    pub stamp: u64,
    /// Where in the kernel it was thrown away; else zero.
    pub location: u64,
    /// Its interface.
    pub ifindex: u32,
    /// Bytes of the frame that follow, from the Ethernet header on. Of one that was
    /// not seen at a hook the header is zero but for the type.
    pub len: u32,
    /// How long the frame is.
    pub frame_len: u32,
    /// Why it was thrown away, as the running kernel numbers its reasons; else zero.
    pub reason: u32,
    /// [`SightKind`] as a number.
    pub kind: u32,
    /// Zero.
    pub pad: u32,
}

/// A record of a short frame.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SmallSight {
    /// The head.
    pub header: SightHeader,
    /// The frame.
    pub frame: [u8; SMALL_FRAME],
}

/// A record of a long frame.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct LargeSight {
    /// The head.
    pub header: SightHeader,
    /// The frame.
    pub frame: [u8; LARGE_FRAME],
}

/// Where the running kernel keeps what is read of a packet that is not at a hook:
/// offsets in bytes, as its type information has them. All zeros where that is not to
/// be had, and then nothing is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct KernelShape {
    /// The network namespace that is watched (`ns_common.inum`).
    pub namespace: u32,
    /// `sk_buff.head`, the buffer's address.
    pub head: u32,
    /// `sk_buff.network_header`, an offset in the buffer.
    pub network_header: u32,
    /// `sk_buff.tail`, an offset in the buffer.
    pub tail: u32,
    /// `sk_buff.protocol`.
    pub protocol: u32,
    /// `sk_buff.dev`.
    pub device: u32,
    /// `net_device.ifindex`.
    pub ifindex: u32,
    /// `net_device.nd_net`, a pointer to the namespace.
    pub net: u32,
    /// `net.ns.inum`.
    pub inum: u32,
    /// Zero.
    pub pad: u32,
}

/// Bytes of the ring; a power of two and a multiple of the page size.
pub const SIGHTS_RING_BYTES: u32 = 512 * 1024;

/// How many virtual addresses are watched for claims.
pub const CLAIMED_ADDRESSES: u32 = 4096;

const _: () = {
    assert!(size_of::<SightHeader>() == 40);
    assert!(size_of::<SmallSight>() == 40 + SMALL_FRAME);
    assert!(size_of::<LargeSight>() == 40 + LARGE_FRAME);
    assert!(size_of::<KernelShape>() == 40);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_as_it_is_written() {
        for kind in [
            SightKind::In,
            SightKind::Out,
            SightKind::Direct,
            SightKind::Dropped,
        ] {
            assert_eq!(SightKind::from_number(kind as u32), Some(kind));
        }
        assert_eq!(SightKind::from_number(0), None);
        assert_eq!(SightKind::from_number(5), None);
    }
}
