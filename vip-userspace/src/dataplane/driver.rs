//! Which driver an interface has, and what is known of it.

use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Drivers that take the device down and up again, or rebuild its queues with
/// the carrier lost, when a first XDP program comes or the last one goes. For a
/// VRRP router this is an outage of its own making at each start, seconds long
/// on some, so `auto` does not do it; `--xdp native` does.
const RESETTING: [&str; 17] = [
    // Intel: the whole function is closed and opened, or reset and rebuilt.
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "ixgbevf",
    // NVIDIA: all channels are reopened; up to ten seconds were reported.
    "mlx4_en",
    "mlx5_core",
    // Close and open of the device to change its rings.
    "atlantic",
    "bnxt_en",
    "ena",
    "fsl_dpaa2_eth",
    "mvneta",
    "nfp",
    "qede",
    "st_gmac",
    "vmxnet3",
];

/// Whether attaching XDP natively interrupts the link.
pub(super) fn resets_on_attach(driver: &str) -> bool {
    RESETTING.contains(&driver)
}

/// What counts of a device where a program is to be attached to it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Device {
    /// Its driver, if it tells it (`ethtool -i`).
    pub(super) driver: Option<String>,
    /// Whether it may take the tag of a VLAN out of a frame and hand it over beside it
    /// (`rx-vlan-offload`), where XDP does not see it: a frame of another network looks like
    /// one of ours. Also where it does not say.
    pub(super) tags_beside: bool,
}

impl Device {
    /// Of this interface.
    pub(super) fn of(interface: &str) -> Self {
        let flags = vlan_flags(interface);
        Self {
            driver: name(interface),
            tags_beside: flags.is_none_or(|flags| flags & RX_VLAN != 0),
        }
    }
}

/// `struct ethtool_drvinfo`, as far as it is read.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    /// Version, firmware, bus, ROM, reserved, and five counts.
    rest: [u8; 160],
}

const _: () = assert!(size_of::<DriverInfo>() == 196);

/// `struct ethtool_value`.
#[repr(C)]
struct Flags {
    command: u32,
    value: u32,
}

const RX_VLAN: u32 = 1 << 8;
const TX_VLAN: u32 = 1 << 7;

/// `struct ifreq` with a pointer in its union.
#[repr(C)]
struct Request<T> {
    name: [u8; libc::IFNAMSIZ],
    data: *mut T,
    rest: [u8; 16],
}

/// Asks the driver of an interface, which answers in `data`: a structure that begins with
/// its command.
fn ethtool<T>(interface: &str, data: &mut T) -> Option<()> {
    const SIOCETHTOOL: libc::Ioctl = 0x8946;
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        data: &raw mut *data,
        rest: [0; 16],
    };
    let room = request.name.get_mut(..interface.len())?;
    room.copy_from_slice(interface.as_bytes());
    if request.name.last() != Some(&0) {
        return None;
    }
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .ok()?;
    // SAFETY: the request is the kernel's structure, its name ends with a zero,
    // and the structure that it points to is of its command and outlives the call.
    #[expect(unsafe_code, reason = "an ioctl that nobody wraps")]
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    (result >= 0).then_some(())
}

fn name(interface: &str) -> Option<String> {
    const ETHTOOL_GDRVINFO: u32 = 3;
    let mut info = DriverInfo {
        command: ETHTOOL_GDRVINFO,
        driver: [0; 32],
        rest: [0; 160],
    };
    ethtool(interface, &mut info)?;
    let name = info.driver.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

fn vlan_flags(interface: &str) -> Option<u32> {
    const ETHTOOL_GFLAGS: u32 = 0x25;
    let mut flags = Flags {
        command: ETHTOOL_GFLAGS,
        value: 0,
    };
    ethtool(interface, &mut flags)?;
    Some(flags.value)
}

/// Leaves the tags of VLANs in the frames, both ways, or lets the device handle them
/// (`ethtool -K … rxvlan … txvlan …`); whether it did.
#[must_use]
pub fn offload_tags(interface: &str, offload: bool) -> bool {
    const ETHTOOL_SFLAGS: u32 = 0x26;
    let both = RX_VLAN | TX_VLAN;
    let Some(before) = vlan_flags(interface) else {
        return false;
    };
    let mut flags = Flags {
        command: ETHTOOL_SFLAGS,
        value: if offload {
            before | both
        } else {
            before & !both
        },
    };
    ethtool(interface, &mut flags).is_some()
        && vlan_flags(interface).is_some_and(|now| now & both == if offload { both } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_devices_take_a_program_without_a_reset() {
        for driver in ["veth", "virtio_net", "tun", "e1000e"] {
            assert!(!resets_on_attach(driver));
        }
        assert!(resets_on_attach("mlx5_core"));
    }

    #[test]
    fn an_interface_that_is_not_there_has_no_driver() {
        let unknown = Device {
            driver: None,
            tags_beside: true,
        };
        for name in ["no-such-device", "a-name-longer-than-the-kernel-takes"] {
            assert_eq!(Device::of(name), unknown);
            assert!(!offload_tags(name, false));
        }
    }
}
