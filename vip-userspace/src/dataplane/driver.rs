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

/// `struct ethtool_drvinfo`, as far as it is read.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    /// Version, firmware, bus, ROM, reserved, and five counts.
    rest: [u8; 160],
}

const _: () = assert!(size_of::<DriverInfo>() == 196);

/// `struct ifreq` with a pointer in its union.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    data: *mut DriverInfo,
    rest: [u8; 16],
}

/// The name of the driver, if the device tells it (`ethtool -i`).
pub(super) fn name(interface: &str) -> Option<String> {
    const ETHTOOL_GDRVINFO: u32 = 3;
    const SIOCETHTOOL: libc::Ioctl = 0x8946;
    let mut info = DriverInfo {
        command: ETHTOOL_GDRVINFO,
        driver: [0; 32],
        rest: [0; 160],
    };
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        data: &raw mut info,
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
    // and the structure that it points to outlives the call.
    #[expect(unsafe_code, reason = "an ioctl that nobody wraps")]
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if result < 0 {
        return None;
    }
    let name = info.driver.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
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
        assert_eq!(name("no-such-device"), None);
        assert_eq!(name("a-name-longer-than-the-kernel-takes"), None);
    }
}
