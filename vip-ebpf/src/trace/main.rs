//! The programs of `vip trace`: they look at adverts, and at claims of the addresses
//! in them, on their way in and out, and at those that the kernel throws away. They
//! change nothing and pass everything. An object of its own, loaded while somebody
//! traces.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod buffer;
mod hook;
mod maps;
#[path = "../packet.rs"]
mod packet;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::TC_ACT_UNSPEC;
use aya_ebpf::macros::{classifier, fentry, raw_tracepoint};
use aya_ebpf::programs::{FEntryContext, RawTracePointContext, TcContext};
use vip_common::layout::trace::SightKind;

/// At TCX ingress.
#[classifier]
pub fn vip_sight_in(context: TcContext) -> i32 {
    hook::look(&context, SightKind::In);
    TC_ACT_UNSPEC
}

/// At TCX egress.
#[classifier]
pub fn vip_sight_out(context: TcContext) -> i32 {
    hook::look(&context, SightKind::Out);
    TC_ACT_UNSPEC
}

/// On `__dev_direct_xmit(skb, queue)`, by which packets go out that wait in no queue.
#[fentry(function = "__dev_direct_xmit")]
pub fn vip_sight_direct(context: FEntryContext) -> i32 {
    // The first argument, as a number: a typed pointer could not be added to.
    if let Some(packet) = buffer::read(context.as_ptr() as u64, 0) {
        buffer::look(packet, SightKind::Direct, 0, 0);
    }
    0
}

/// On `kfree_skb`, which is called with a packet, the place in the kernel, and since
/// Linux 5.17 a reason.
#[raw_tracepoint(tracepoint = "kfree_skb")]
pub fn vip_sight_dropped(context: RawTracePointContext) -> i32 {
    let (packet, location, reason): (u64, u64, u32) =
        (context.arg(0), context.arg(1), context.arg(2));
    buffer::look(packet, SightKind::Dropped, location, reason);
    0
}

/// The kernel loads programs by their licence; this is the nearest word to ours
/// that it knows.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
