//! Ports on which somebody begins or ceases to listen.

use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::macros::{map, raw_tracepoint};
use aya_ebpf::maps::{HashMap, RingBuf};
use aya_ebpf::programs::RawTracePointContext;
use vip_common::layout::{TRACE_RING_BYTES, WATCHED_PORTS};

/// `TCP_LISTEN`.
const LISTEN: i32 = 10;
/// `TCP_CLOSE`.
const CLOSE: i32 = 7;

/// Where a socket keeps its local port, in host order: behind two IPv4 addresses, a
/// hash and the other end's port, since Linux 3.8. The controller tries it out.
const LOCAL_PORT: usize = 14;

/// The ports that matter.
#[map]
static PORTS: HashMap<u16, u8> = HashMap::with_max_entries(WATCHED_PORTS, 0);

/// The ports on which something has changed, as `u32`. What finds no room is found
/// out at the next look.
#[map]
static LISTENERS: RingBuf = RingBuf::with_byte_size(TRACE_RING_BYTES, 0);

/// On `inet_sock_set_state`, which is called with a socket, its old and its new
/// state: when it ceases to listen it is not found by connections any more. A port that
/// the kernel chose itself has been forgotten by then: that end is found out at the next
/// look.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn vip_listener(context: RawTracePointContext) -> i32 {
    let (from, to): (i32, i32) = (context.arg(1), context.arg(2));
    // A connection that is accepted begins as a copy of its listener: from LISTEN to
    // SYN_RECV, which is no news of the listener itself.
    if to != LISTEN && !(from == LISTEN && to == CLOSE) {
        return 0;
    }
    let socket: *const u8 = context.arg(0);
    let port = socket.wrapping_add(LOCAL_PORT).cast::<u16>();
    // SAFETY: a read that fails where there is nothing to read.
    if let Ok(port) = unsafe { bpf_probe_read_kernel(port) }
        // SAFETY: the value is not used.
        && unsafe { PORTS.get(&port) }.is_some()
    {
        let _ = LISTENERS.output::<u32>(&u32::from(port), 0);
    }
    0
}
