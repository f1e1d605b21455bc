//! Which rung an interface would get, as far as that can be told without attaching
//! anything to it.

use super::driver::Device;
use super::ladder::{self, Refusal};
use super::{Port, Rung, STUB};

/// What was seen of the host and of one interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Whether programs may be loaded.
    pub bpf: bool,
    /// Whether an XDP program is on the interface.
    pub xdp_held: bool,
    /// Whether the driver says that it has XDP; `None` where it is not asked
    /// (before Linux 6.3).
    pub native: Option<bool>,
    /// Whether the kernel has TCX.
    pub tcx: bool,
}

/// The rung that `--xdp auto` would take, and why none above it. The driver may
/// still refuse (for its MTU, say); then it would be one of those below.
#[must_use]
pub fn forecast(port: &Port, seen: Seen) -> (Rung, String) {
    let (rung, reasons) = descend(port, seen, STUB, &Device::of(&port.name));
    (rung, reasons.join("; "))
}

fn descend(port: &Port, seen: Seen, stub: bool, device: &Device) -> (Rung, Vec<String>) {
    if stub {
        let why = "this build has no program for the NIC".to_owned();
        return (Rung::PacketSocket, vec![why]);
    }
    if !seen.bpf {
        let why = "no BPF (it takes CAP_BPF and CAP_PERFMON)".to_owned();
        return (Rung::PacketSocket, vec![why]);
    }
    let (mut rung, why) = ladder::first(port, device);
    let mut reasons = Vec::from_iter(why);
    loop {
        let errno = match rung {
            Rung::Native | Rung::Generic if seen.xdp_held => libc::EBUSY,
            Rung::Native if seen.native == Some(false) => libc::EOPNOTSUPP,
            Rung::Tcx if !seen.tcx => libc::EINVAL,
            Rung::Native | Rung::Generic | Rung::Tcx | Rung::PacketSocket => {
                return (rung, reasons);
            }
        };
        let refusal = Refusal::Kernel(std::io::Error::from_raw_os_error(errno));
        reasons.push(format!("{rung}: {}", refusal.words(rung, port)));
        match ladder::below(rung, &refusal) {
            Some(next) => rung = next,
            None => return (rung, reasons),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vip_common::ids::MacAddr;

    const FINE: Seen = Seen {
        bpf: true,
        xdp_held: false,
        native: Some(true),
        tcx: true,
    };

    fn told(kind: Option<&str>, seen: Seen, driver: Option<&str>) -> (Rung, String) {
        let port = Port {
            name: "port".to_owned(),
            ifindex: 9,
            mac: MacAddr::ZERO,
            kind: kind.map(ToOwned::to_owned),
            has_vlans: false,
            mtu: 1500,
            routers: Vec::new(),
            addresses: Vec::new(),
        };
        let device = Device {
            driver: driver.map(str::to_owned),
            tags_beside: false,
        };
        let (rung, reasons) = descend(&port, seen, false, &device);
        (rung, reasons.join("; "))
    }

    #[test]
    fn the_same_ladder_as_the_one_that_is_climbed() {
        assert_eq!(told(None, FINE, None), (Rung::Native, String::new()));
        let blind = Seen {
            native: None,
            ..FINE
        };
        assert_eq!(told(None, blind, None).0, Rung::Native);
        let without = Seen {
            native: Some(false),
            ..FINE
        };
        assert_eq!(told(None, without, None).0, Rung::Generic);
        assert_eq!(told(None, FINE, Some("ixgbe")).0, Rung::Generic);
        let held = Seen {
            xdp_held: true,
            ..FINE
        };
        assert_eq!(told(None, held, None).0, Rung::Tcx);
        assert_eq!(told(None, held, Some("ixgbe")).0, Rung::Tcx);
        let old = Seen { tcx: false, ..held };
        let (rung, why) = told(None, old, None);
        assert_eq!(rung, Rung::PacketSocket);
        assert!(why.contains("left alone") && why.contains("TCX"), "{why}");
        assert_eq!(told(Some("vlan"), FINE, None).0, Rung::Tcx);
        let forbidden = Seen { bpf: false, ..FINE };
        assert_eq!(told(None, forbidden, None).0, Rung::PacketSocket);
    }
}
