//! Which rung an interface gets: decisions only, so that they can be tested
//! without the devices.

use std::io;

use super::driver::{self, Device};
use super::{Port, Rung, Wanted};

/// Kinds of logical devices on which XDP is the wrong place: a tag lies in
/// metadata that XDP does not see, frames belong to another device than the one
/// they came in by, or each member would need its own program.
const LOGICAL: [&str; 7] = [
    "vlan", "bond", "bridge", "macvlan", "macvtap", "ipvlan", "team",
];

/// A rung that could not be had.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The kernel's answer to the attachment.
    Kernel(io::Error),
    /// The program was not loaded.
    Program(String),
}

/// The rung to try first under `auto`, and why not a higher one.
pub(super) fn first(port: &Port, device: &Device) -> (Rung, Option<String>) {
    if let Some(kind) = port.kind.as_deref().filter(|kind| LOGICAL.contains(kind)) {
        return (Rung::Tcx, Some(format!("no XDP on a {kind} device")));
    }
    if port.has_vlans {
        let why = "no XDP below VLAN devices: their tag may lie beside the frame".to_owned();
        return (Rung::Tcx, Some(why));
    }
    if device.tags_beside {
        return (
            Rung::Tcx,
            Some(format!("no XDP: {}", tags_beside(&port.name))),
        );
    }
    let driver = device.driver.as_deref();
    if let Some(driver) = driver.filter(|driver| driver::resets_on_attach(driver)) {
        return (
            Rung::Generic,
            Some(format!(
                "{}: driver {driver} resets the link on attaching",
                Rung::Native
            )),
        );
    }
    (Rung::Native, None)
}

/// Why XDP is the wrong place where the device takes tags out of the frames.
pub(super) fn tags_beside(interface: &str) -> String {
    format!(
        "the device hands the tags of VLANs over beside the frames, where XDP does not see them (rx-vlan-offload; 'ethtool -K {interface} rxvlan off' leaves them in)"
    )
}

/// The rung asked for by name; `None` for `auto`.
pub(super) const fn explicit(wanted: Wanted) -> Option<Rung> {
    match wanted {
        Wanted::Auto => None,
        Wanted::Native => Some(Rung::Native),
        Wanted::Generic => Some(Rung::Generic),
        Wanted::Tcx => Some(Rung::Tcx),
        Wanted::Off => Some(Rung::PacketSocket),
    }
}

/// The next rung after one that could not be had; `None` below the last.
pub(super) fn below(rung: Rung, refusal: &Refusal) -> Option<Rung> {
    match rung {
        // The kernel holds one XDP program per device, whatever the mode.
        Rung::Native if refusal.is_taken() => Some(Rung::Tcx),
        Rung::Native => Some(Rung::Generic),
        Rung::Generic => Some(Rung::Tcx),
        Rung::Tcx => Some(Rung::PacketSocket),
        Rung::PacketSocket => None,
    }
}

impl Refusal {
    /// Whether somebody else holds the XDP slot.
    fn is_taken(&self) -> bool {
        match self {
            Self::Kernel(error) => {
                matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST))
            }
            Self::Program(_) => false,
        }
    }

    /// Why, for the log and the status.
    pub(super) fn words(&self, rung: Rung, port: &Port) -> String {
        let error = match self {
            Self::Program(why) => return why.clone(),
            Self::Kernel(error) => error,
        };
        match error.raw_os_error() {
            Some(libc::EBUSY | libc::EEXIST) => {
                "another XDP program holds the interface and is left alone".to_owned()
            }
            Some(libc::EOPNOTSUPP) => "the driver has no XDP".to_owned(),
            Some(libc::ERANGE) => format!("MTU {} is more than the driver's XDP takes", port.mtu),
            Some(libc::EPERM | libc::EACCES) => {
                "not permitted (it takes CAP_NET_ADMIN and CAP_BPF)".to_owned()
            }
            Some(libc::EINVAL) if rung == Rung::Tcx => {
                "the kernel has no TCX (Linux 6.6 has) or does not take it here".to_owned()
            }
            _ => format!("the kernel says {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vip_common::ids::MacAddr;

    fn port(kind: Option<&str>, has_vlans: bool) -> Port {
        Port {
            name: "port".to_owned(),
            ifindex: 9,
            mac: MacAddr::ZERO,
            kind: kind.map(ToOwned::to_owned),
            has_vlans,
            mtu: 9000,
            routers: Vec::new(),
            addresses: Vec::new(),
        }
    }

    fn kernel(errno: i32) -> Refusal {
        Refusal::Kernel(io::Error::from_raw_os_error(errno))
    }

    fn driven(by: &str) -> Device {
        Device {
            driver: Some(by.to_owned()),
            tags_beside: false,
        }
    }

    #[test]
    fn plain_devices_start_at_the_top_and_logical_ones_at_tcx() {
        assert_eq!(first(&port(None, false), &driven("e1000e")).0, Rung::Native);
        assert_eq!(
            first(&port(Some("veth"), false), &driven("veth")).0,
            Rung::Native
        );
        for kind in LOGICAL {
            let (rung, why) = first(&port(Some(kind), false), &Device::default());
            assert_eq!(rung, Rung::Tcx);
            assert!(why.unwrap().contains(kind));
        }
        assert_eq!(first(&port(None, true), &driven("e1000e")).0, Rung::Tcx);
    }

    #[test]
    fn where_tags_lie_beside_the_frames_no_xdp_program_is_asked() {
        let strips = Device {
            tags_beside: true,
            ..driven("ixgbe")
        };
        let (rung, why) = first(&port(None, false), &strips);
        assert_eq!(rung, Rung::Tcx);
        assert!(why.unwrap().contains("ethtool -K port rxvlan off"));
    }

    #[test]
    fn a_driver_that_resets_the_link_is_not_taken_natively() {
        let (rung, why) = first(&port(None, false), &driven("ixgbe"));
        assert_eq!(rung, Rung::Generic);
        assert!(why.unwrap().contains("ixgbe"));
    }

    #[test]
    fn a_taken_slot_leads_to_tcx_and_anything_else_one_rung_down() {
        assert_eq!(below(Rung::Native, &kernel(libc::EBUSY)), Some(Rung::Tcx));
        assert_eq!(below(Rung::Native, &kernel(libc::EEXIST)), Some(Rung::Tcx));
        for errno in [libc::EOPNOTSUPP, libc::ERANGE, libc::EPERM, libc::EINVAL] {
            assert_eq!(below(Rung::Native, &kernel(errno)), Some(Rung::Generic));
        }
        assert_eq!(below(Rung::Generic, &kernel(libc::EBUSY)), Some(Rung::Tcx));
        assert_eq!(
            below(Rung::Tcx, &kernel(libc::EINVAL)),
            Some(Rung::PacketSocket)
        );
        assert_eq!(below(Rung::PacketSocket, &kernel(libc::EPERM)), None);
    }

    #[test]
    fn each_reason_says_what_it_is_about() {
        let words = |errno, rung| kernel(errno).words(rung, &port(None, false));
        assert!(words(libc::ERANGE, Rung::Native).contains("9000"));
        assert!(words(libc::EBUSY, Rung::Native).contains("left alone"));
        assert!(words(libc::EINVAL, Rung::Tcx).contains("TCX"));
        assert!(!words(libc::EINVAL, Rung::Native).contains("TCX"));
    }
}
