//! What the host lets us do: capabilities are tested, never the user's number.

use caps::{CapSet, Capability};

use crate::error::{Exit, Failure};

/// Refuses to start without what every rung needs: moving addresses and
/// sending on the link.
///
/// # Errors
/// Exit code 5, naming the capabilities.
pub fn require() -> Result<(), Failure> {
    let needed = [Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW];
    let missing: Vec<String> = needed
        .iter()
        .filter(|one| !has(**one))
        .map(ToString::to_string)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Host,
        format!(
            "{} missing: vip moves addresses and sends on the link; run it as root, or give it the \
             capabilities (systemd: AmbientCapabilities=, a file: setcap)",
            missing.join(" and ")
        ),
    ))
}

/// Whether the process may use a capability now.
#[must_use]
pub fn has(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false)
}
