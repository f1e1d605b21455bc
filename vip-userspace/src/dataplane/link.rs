//! The `bpf_link` of an attached program, by the system calls themselves.
//!
//! aya falls back silently from a link to a netlink attachment, which would
//! replace somebody else's program and outlive the process; and it does not
//! tell the interface index that a link has lost. Both decide elections here.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_LINK_CREATE: libc::c_long = 28;

/// Where a program is hooked in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hook {
    /// In the driver.
    XdpNative,
    /// In the generic hook.
    XdpGeneric,
    /// At TCX ingress, before the programs that are there.
    TcxIngress,
    /// At TCX egress, behind the programs that are there: what goes out as it goes out.
    TcxEgress,
}

impl Hook {
    const fn attach_type(self) -> u32 {
        const BPF_XDP: u32 = 37;
        const BPF_TCX_INGRESS: u32 = 46;
        const BPF_TCX_EGRESS: u32 = 47;
        match self {
            Self::XdpNative | Self::XdpGeneric => BPF_XDP,
            Self::TcxIngress => BPF_TCX_INGRESS,
            Self::TcxEgress => BPF_TCX_EGRESS,
        }
    }

    const fn flags(self) -> u32 {
        const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
        const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
        const BPF_F_BEFORE: u32 = 1 << 3;
        const BPF_F_AFTER: u32 = 1 << 4;
        match self {
            Self::XdpNative => XDP_FLAGS_DRV_MODE,
            Self::XdpGeneric => XDP_FLAGS_SKB_MODE,
            Self::TcxIngress => BPF_F_BEFORE,
            Self::TcxEgress => BPF_F_AFTER,
        }
    }
}

/// An attached program; detached when dropped, also by the kernel when the
/// process dies.
#[derive(Debug)]
pub(crate) struct BpfLink(OwnedFd);

/// The part of `union bpf_attr` that creates a link.
#[repr(C)]
struct Create {
    program: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
    /// TCX: relative to which program, and which revision is expected; any.
    relative: u32,
    pad: u32,
    revision: u64,
}

/// The part of `union bpf_attr` that asks for information.
#[repr(C)]
struct GetInfo {
    fd: u32,
    len: u32,
    info: u64,
}

/// `struct bpf_link_info`, with the union that starts as XDP and TCX have it.
#[repr(C)]
#[derive(Default)]
struct Info {
    kind: u32,
    id: u32,
    program: u32,
    pad: u32,
    ifindex: u32,
    rest: [u32; 11],
}

impl BpfLink {
    /// Attaches a program. Never takes anything from anybody: an occupied XDP
    /// slot is EBUSY or EEXIST.
    pub(crate) fn create(program: BorrowedFd<'_>, ifindex: u32, hook: Hook) -> io::Result<Self> {
        let mut attr = Create {
            program: number(program.as_raw_fd())?,
            ifindex,
            attach_type: hook.attach_type(),
            flags: hook.flags(),
            relative: 0,
            pad: 0,
            revision: 0,
        };
        let fd = bpf(BPF_LINK_CREATE, &mut attr)?;
        let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: the kernel has just made this descriptor for us.
        #[expect(unsafe_code, reason = "a descriptor from a system call")]
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The interface that the program is attached to now; zero when it was
    /// detached or the interface went. May sleep on the kernel's netlink lock.
    pub(super) fn ifindex(&self) -> io::Result<u32> {
        let mut info = Info::default();
        let mut attr = GetInfo {
            fd: number(self.0.as_fd().as_raw_fd())?,
            len: number(size_of::<Info>())?,
            info: std::ptr::from_mut(&mut info).expose_provenance() as u64,
        };
        bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
        Ok(info.ifindex)
    }
}

fn number<T: TryInto<u32>>(value: T) -> io::Result<u32> {
    value
        .try_into()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

/// The system call `bpf`.
fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: `attr` is the kernel's structure for this command, as long as is
    // said; what it points to lives as long as the caller's frame.
    #[expect(unsafe_code, reason = "no safe wrapper exists for these commands")]
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attr),
            size_of::<T>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
