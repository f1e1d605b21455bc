//! Where the daemon would listen on an interface.

use caps::Capability;
use nix::sys::utsname::uname;

use super::Report;
use crate::config::{Instance, Severity};
use crate::dataplane::{Port, Rung, Seen, forecast};
use crate::kernel::features::has_native_xdp;
use crate::kernel::{Inventory, Link};
use crate::privs;

/// The first release that has TCX.
const TCX_SINCE: (u32, u32) = (6, 6);

/// Says which rung the interface will give, and why no better one.
pub(super) fn judge(
    report: &mut Report<'_>,
    instance: &Instance,
    link: &Link,
    inventory: &mut Inventory,
) {
    let port = Port {
        name: link.name.clone(),
        ifindex: link.index,
        mac: link.mac,
        kind: link.kind.clone(),
        has_vlans: link.has_vlans,
        mtu: link.mtu,
        routers: Vec::new(),
        addresses: Vec::new(),
    };
    let may = |one| privs::has(one) || privs::has(Capability::CAP_SYS_ADMIN);
    let seen = Seen {
        bpf: may(Capability::CAP_BPF) && may(Capability::CAP_PERFMON),
        xdp_held: inventory
            .with_xdp()
            .is_ok_and(|held| held.contains(&link.index)),
        native: has_native_xdp(link.index),
        tcx: has_tcx(),
    };
    let (rung, why) = forecast(&port, seen);
    let name = &link.name;
    let message = match why.as_str() {
        "" => format!("vip would listen on {name} by {rung}"),
        why => format!("vip would listen on {name} by {rung} ({why})"),
    };
    let help = match rung {
        Rung::PacketSocket => "it elects as well as on the others; refused packets reach the stack",
        Rung::Native | Rung::Generic | Rung::Tcx => "",
    };
    report.of(Severity::Note, instance, "interface", message, help);
}

fn has_tcx() -> bool {
    uname().is_ok_and(|names| is_since(&names.release().to_string_lossy(), TCX_SINCE))
}

/// Whether a release, `6.12.3-amd64`, is this one or later. In doubt it is.
fn is_since(release: &str, (major, minor): (u32, u32)) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(a), Some(b)) => (a, b) >= (major, minor),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_as_numbers() {
        for (release, since) in [
            ("6.6.0-amd64", true),
            ("6.12", true),
            ("6.1.0-13-amd64", false),
            ("5.15.0", false),
            ("7.0-rc1", true),
            ("odd", true),
        ] {
            assert_eq!(is_since(release, TCX_SINCE), since, "{release}");
        }
    }
}
