//! The programs beside the NIC: they sit on tracepoints of the kernel and tell at
//! once what would else be found out at the next look. An object of its own, loaded
//! when something is watched that it can tell of.
#![no_std]
#![no_main]

mod listener;
mod process;

/// The kernel loads programs by their licence; this is the nearest word to ours
/// that it knows.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
