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
    let links = xdp_links(process);
    for id in &links {
        let link = descriptor(LINK_GET_FD_BY_ID, *id, "open a BPF link")?;
        bpf(LINK_DETACH, link.as_raw_fd().cast_unsigned()).map_err(failed("detach a BPF link"))?;
    }
    Ok(links.len())
}

/// Has the kernel count the time of all BPF programs for as long as the descriptor
/// is open.
///
/// # Errors
/// Without CAP_SYS_ADMIN.
pub fn count_times() -> Result<OwnedFd, LabError> {
    const ENABLE_STATS: i32 = 32;
    const RUN_TIME: u32 = 0;
    descriptor(ENABLE_STATS, RUN_TIME, "count the time of BPF programs")
}

/// What the programs that a process holds have cost so far while
/// [times were counted](count_times): nanoseconds, and how often they ran.
#[must_use]
pub fn program_times(process: i32) -> (u64, u64) {
    let mut seen = Vec::new();
    let (mut nanos, mut runs) = (0, 0);
    for info in descriptors(process) {
        let number = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|number| number.trim().parse::<u64>().ok())
        };
        if let (Some(id), Some(time), Some(count)) = (
            number("prog_id:"),
            number("run_time_ns:"),
            number("run_cnt:"),
        ) && !seen.contains(&id)
        {
            seen.push(id);
            nanos += time;
            runs += count;
        }
    }
    (nanos, runs)
}

/// How many bytes the BPF maps and programs that a process holds take of the
/// kernel's memory.
#[must_use]
pub fn memory(process: i32) -> u64 {
    let mut seen = Vec::new();
    let mut bytes = 0;
    for info in descriptors(process) {
        let word = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name));
            line.map(|word| word.trim().to_owned())
        };
        let map = word("map_id:").map(|id| ("map", id));
        let which = map.or_else(|| word("prog_id:").map(|id| ("program", id)));
        if let (Some(which), Some(size)) = (which, word("memlock:"))
            && !seen.contains(&which)
        {
            seen.push(which);
            bytes += size.parse().unwrap_or(0);
        }
    }
    bytes
}

/// What the kernel says of each open descriptor of a process.
fn descriptors(process: i32) -> impl Iterator<Item = String> {
    fs::read_dir(format!("/proc/{process}/fdinfo"))
        .into_iter()
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
}

/// An XDP program of the kernel, to be run on frames that no NIC sees.
pub struct XdpProgram(OwnedFd);

impl XdpProgram {
    /// One that lets everything pass and does nothing else.
    ///
    /// # Errors
    /// Without CAP_BPF and CAP_NET_ADMIN.
    pub fn empty() -> Result<Self, LabError> {
        const PROG_LOAD: i32 = 5;
        const XDP: u32 = 6;
        /// `r0 = XDP_PASS; exit`, in the kernel's encoding on a machine of either
        /// byte order.
        const PROGRAM: [(u8, i32); 2] = [(0xb7, 2), (0x95, 0)];
        let mut code = Vec::new();
        for (operation, constant) in PROGRAM {
            code.extend([operation, 0, 0, 0]);
            code.extend(constant.to_ne_bytes());
        }
        let license = c"GPL";
        let mut attributes = Attributes::default();
        attributes.word(0, XDP);
        attributes.word(4, PROGRAM.len() as u32);
        attributes.address(8, code.as_ptr());
        attributes.address(16, license.as_ptr());
        let fd = attributes
            .command(PROG_LOAD)
            .map_err(failed("load an empty program"))?;
        Ok(Self(owned(fd)))
    }

    /// The one of this number, as [`xdp_programs`] gives it.
    ///
    /// # Errors
    /// When it is gone, or without CAP_SYS_ADMIN.
    pub fn of_number(id: u64) -> Result<Self, LabError> {
        const PROG_GET_FD_BY_ID: i32 = 13;
        let id = u32::try_from(id).unwrap_or(u32::MAX);
        descriptor(PROG_GET_FD_BY_ID, id, "open a BPF program").map(Self)
    }

    /// Runs it `repeat` times on a frame, as if it had come in by an interface of
    /// this thread's namespace. Returns its verdict and nanoseconds for one run.
    ///
    /// # Errors
    /// When the kernel refuses the frame, or there is no such interface.
    pub fn run(&self, frame: &[u8], ifindex: u32, repeat: u32) -> Result<(u32, u32), LabError> {
        const PROG_TEST_RUN: i32 = 10;
        let length = frame.len() as u32;
        // data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
        let context = [0, length, 0, ifindex, 0, 0_u32];
        let mut attributes = Attributes::default();
        attributes.word(0, self.0.as_raw_fd().cast_unsigned());
        attributes.word(8, length);
        attributes.address(16, frame.as_ptr());
        attributes.word(32, repeat);
        attributes.word(40, size_of_val(&context) as u32);
        attributes.address(48, context.as_ptr());
        attributes
            .command(PROG_TEST_RUN)
            .map_err(failed("run a BPF program on a frame"))?;
        Ok((attributes.0[1], attributes.0[9]))
    }
}

/// The attributes of a command of bpf(2), by their offsets in bytes.
#[derive(Default)]
#[repr(align(8))]
struct Attributes([u32; 32]);

impl Attributes {
    fn word(&mut self, at: usize, value: u32) {
        self.0[at / 4] = value;
    }

    fn address<T>(&mut self, at: usize, pointer: *const T) {
        let bytes = (pointer as u64).to_ne_bytes();
        for (word, half) in self.0[at / 4..].iter_mut().zip(bytes.chunks_exact(4)) {
            *word = half.try_into().map_or(0, u32::from_ne_bytes);
        }
    }

    /// The addresses must be of what lives until it returns.
    fn command(&mut self, number: i32) -> nix::Result<i32> {
        command(number, &mut self.0)
    }
}

fn failed(step: &'static str) -> impl FnOnce(Errno) -> LabError {
    move |errno| LabError::System {
        step,
        source: errno.into(),
    }
}

/// A command that makes a descriptor.
fn descriptor(number: i32, first: u32, step: &'static str) -> Result<OwnedFd, LabError> {
    bpf(number, first).map(owned).map_err(failed(step))
}

#[expect(unsafe_code, reason = "bpf(2) returns a raw descriptor")]
fn owned(fd: i32) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// The identities of a process's XDP links, as its descriptors tell.
fn xdp_links(process: &Process) -> Vec<u32> {
    descriptors(process.pid())
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
    // SAFETY: the attributes are live across the call and the size is theirs; the
    // addresses in them are of what their maker keeps until it returns.
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
