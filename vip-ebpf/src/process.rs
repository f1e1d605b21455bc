//! Programs of watched names that begin, fork, change their name or end.

use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_probe_read_kernel_str_bytes,
};
use aya_ebpf::macros::{map, raw_tracepoint};
use aya_ebpf::maps::{HashMap, RingBuf};
use aya_ebpf::programs::RawTracePointContext;
use vip_common::layout::{
    ANY_PROCESS, PROCESS_BEGAN, PROCESS_ENDED, PROCESS_FORKED, PROCESS_NAME_BYTES,
    TRACE_RING_BYTES, WATCHED_PROCESSES,
};

type Name = [u8; PROCESS_NAME_BYTES];

/// The names that matter, as the kernel knows them.
#[map]
static NAMES: HashMap<Name, u8> = HashMap::with_max_entries(WATCHED_PROCESSES, 0);

/// What has happened, and to which process, as two `u32` in one `u64`. What finds no
/// room is found out at the next look.
#[map]
static PROCESSES: RingBuf = RingBuf::with_byte_size(TRACE_RING_BYTES, 0);

fn is_watched(name: &Name) -> bool {
    // SAFETY: the value is not used.
    unsafe { NAMES.get(name) }.is_some()
}

fn own_name() -> Option<Name> {
    bpf_get_current_comm().ok()
}

/// The process, where it is its first thread that runs: others begin and end without
/// anything being different.
fn process() -> Option<u32> {
    let both = bpf_get_current_pid_tgid();
    let (process, thread) = ((both >> 32) as u32, both as u32);
    (process == thread).then_some(process)
}

fn tell(what: u32, process: u32) {
    let record = u64::from(what) << 32 | u64::from(process);
    let _ = PROCESSES.output::<u64>(&record, 0);
}

/// On `sched_process_exec`: the process has its new name.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn vip_process_began(_: RawTracePointContext) -> i32 {
    if let (Some(name), Some(process)) = (own_name(), process())
        && (is_watched(&name) || is_watched(&ANY_PROCESS))
    {
        tell(PROCESS_BEGAN, process);
    }
    0
}

/// On `task_rename`, which is called with a task and the name that it will have:
/// somebody gets a watched name, or loses one.
#[raw_tracepoint(tracepoint = "task_rename")]
pub fn vip_process_renamed(context: RawTracePointContext) -> i32 {
    let Some(process) = process() else { return 0 };
    let mut then: Name = [0; PROCESS_NAME_BYTES];
    let name: *const u8 = context.arg(1);
    // SAFETY: a read that fails where there is nothing to read, and ends with the
    // string.
    let _ = unsafe { bpf_probe_read_kernel_str_bytes(name, &mut then) };
    if is_watched(&then) || own_name().is_some_and(|name| is_watched(&name)) {
        tell(PROCESS_BEGAN, process);
    }
    0
}

/// On `sched_process_fork`: there may be one more of a name.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
pub fn vip_process_forked(_: RawTracePointContext) -> i32 {
    if let Some(name) = own_name()
        && is_watched(&name)
    {
        tell(PROCESS_FORKED, (bpf_get_current_pid_tgid() >> 32) as u32);
    }
    0
}

/// On `sched_process_exit`: long before a large process has given back its memory,
/// which is when others learn of its end.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn vip_process_ended(_: RawTracePointContext) -> i32 {
    if let (Some(name), Some(process)) = (own_name(), process())
        && is_watched(&name)
    {
        tell(PROCESS_ENDED, process);
    }
    0
}
