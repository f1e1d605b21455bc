//! XDP: our program before the kernel's own packet handling.

use super::ladder::Refusal;
use super::link::{BpfLink, Hook};
use super::object::Programs;

/// Attaches to the driver, or to the generic hook.
pub(super) fn attach(programs: &Programs, ifindex: u32, native: bool) -> Result<BpfLink, Refusal> {
    let program = programs.xdp().map_err(Refusal::Program)?;
    let hook = if native {
        Hook::XdpNative
    } else {
        Hook::XdpGeneric
    };
    BpfLink::create(program, ifindex, hook).map_err(Refusal::Kernel)
}
