//! What an administrator could do to a program at the NIC with bpftool.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use serde_json::Value;
use vip::lab::{Host, LabError, Process};

/// The numbers of the programs in the XDP slots of a host's eth0.
///
/// # Errors
/// When `ip` fails.
pub fn xdp_programs(host: &Host) -> Result<Vec<u64>, LabError> {
    let shown = host
        .output(["ip", "-j", "link", "show", "dev", "eth0"])?
        .success()?;
    let shown: Value = serde_json::from_str(&shown).unwrap_or_default();
    let slot = &shown[0]["xdp"];
    let all = slot["attached"].as_array().cloned();
    Ok(all
        .unwrap_or_else(|| vec![slot.clone()])
        .iter()
        .filter_map(|program| program["prog"]["id"].as_u64())
        .collect())
}

/// How many programs of any kind are at a host's eth0, by hook; none where it
/// has no eth0.
///
/// # Errors
/// When the host does not tell.
pub fn programs_at_eth0(host: &Host) -> Result<Vec<(&'static str, usize)>, LabError> {
    /// BPF_TCX_INGRESS and BPF_TCX_EGRESS.
    const HOOKS: [(&str, u32); 2] = [("TCX ingress", 46), ("TCX egress", 47)];
    let mut all = vec![("XDP", xdp_programs(host)?.len())];
    for (name, hook) in HOOKS {
        let count = host
            .run(move || if_nametoindex("eth0").and_then(|index| attached(index, hook)))?
            .map_err(|errno| LabError::System {
                step: "ask for programs at eth0",
                source: errno.into(),
            })?;
        all.push((name, count));
    }
    Ok(all)
}

/// How many programs are at a hook of an interface of this namespace.
fn attached(index: u32, hook: u32) -> nix::Result<usize> {
    const PROG_QUERY: i32 = 16;
    /// Where the kernel writes the count: behind the interface, the hook, two
    /// kinds of flags and the address of a list that is not wanted.
    const COUNT: usize = 6;
    let mut attributes = [0_u32; 16];
    attributes[0] = index;
    attributes[1] = hook;
    command(PROG_QUERY, &mut attributes)?;
    Ok(attributes[COUNT] as usize)
}

/// Detaches all XDP links that a process holds, from outside; says how many.
///
/// # Errors
/// When the kernel refuses.
pub fn detach_xdp(process: &Process) -> Result<usize, LabError> {
    const LINK_GET_FD_BY_ID: i32 = 30;
    const LINK_DETACH: i32 = 34;
    let failed = |step: &'static str| {
        move |errno: Errno| LabError::System {
            step,
            source: errno.into(),
        }
    };
    let links = xdp_links(process);
    for id in &links {
        let fd = bpf(LINK_GET_FD_BY_ID, *id).map_err(failed("open a BPF link"))?;
        // SAFETY: the kernel has just made this descriptor for us.
        #[expect(unsafe_code, reason = "bpf(2) returns a raw descriptor")]
        let link = unsafe { OwnedFd::from_raw_fd(fd) };
        bpf(LINK_DETACH, link.as_raw_fd().cast_unsigned()).map_err(failed("detach a BPF link"))?;
    }
    Ok(links.len())
}

/// The identities of a process's XDP links, as its descriptors tell.
fn xdp_links(process: &Process) -> Vec<u32> {
    let descriptors = fs::read_dir(format!("/proc/{}/fdinfo", process.pid()));
    descriptors
        .into_iter()
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .filter(|info| info.contains("link_type:\txdp"))
        .filter_map(|info| {
            let line = info
                .lines()
                .find_map(|line| line.strip_prefix("link_id:"))?;
            line.trim().parse().ok()
        })
        .collect()
}

/// A command of bpf(2) whose attributes begin with one number and are zero
/// beyond it.
fn bpf(number: i32, first: u32) -> nix::Result<i32> {
    command(number, &mut [first, 0, 0, 0])
}

/// A command of bpf(2).
#[expect(unsafe_code, reason = "there is no wrapper for bpf(2) here")]
fn command(number: i32, attributes: &mut [u32]) -> nix::Result<i32> {
    // SAFETY: the attributes are live across the call and the size is theirs;
    // nothing in them is an address.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            number,
            attributes.as_mut_ptr(),
            size_of_val(attributes),
        )
    };
    Errno::result(result).map(|fd| fd as i32)
}
