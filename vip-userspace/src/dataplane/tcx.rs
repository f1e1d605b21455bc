//! TCX ingress: our program before the other classifiers of the interface,
//! which are asked after it as if it were not there.

use super::ladder::Refusal;
use super::link::{BpfLink, Hook};
use super::object::Programs;

/// Attaches before the programs that are there.
pub(super) fn attach(programs: &Programs, ifindex: u32) -> Result<BpfLink, Refusal> {
    let program = programs.tcx().map_err(Refusal::Program)?;
    BpfLink::create(program, ifindex, Hook::TcxIngress).map_err(Refusal::Kernel)
}
