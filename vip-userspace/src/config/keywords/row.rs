//! How a line of the table is written, and the reasons that several lines share.

use super::{AddressKey, AuthKey, GlobalKey, InstanceKey, Key, Keyword, Missing, Shape, Status};

pub(super) const fn k(name: &'static str, shape: Shape, status: Status) -> Keyword {
    Keyword {
        name,
        shape,
        status,
    }
}

pub(super) const fn global(key: GlobalKey) -> Status {
    Status::Does(Key::Global(key))
}

pub(super) const fn instance(key: InstanceKey) -> Status {
    Status::Does(Key::Instance(key))
}

pub(super) const fn auth(key: AuthKey) -> Status {
    Status::Does(Key::Auth(key))
}

pub(super) const fn address(key: AddressKey) -> Status {
    Status::Does(Key::Address(key))
}

/// Read for what is in it.
pub(super) const OPENS: Status = Status::Does(Key::Opens);

pub(super) const fn planned(why: &'static str) -> Status {
    Status::Planned(Missing::Harmless, why)
}

/// Planned, and to ignore it would change who holds the address.
pub(super) const fn planned_and_decides(why: &'static str) -> Status {
    Status::Planned(Missing::Decides, why)
}

pub(super) const fn not_supported(why: &'static str) -> Status {
    Status::NotSupported(Missing::Harmless, why)
}

/// Not supported, and to ignore it would change who holds the address.
pub(super) const fn not_supported_and_decides(why: &'static str) -> Status {
    Status::NotSupported(Missing::Decides, why)
}

/// A second, in the unit of [`Shape::Seconds`].
pub(super) const SECOND: u64 = 1_000_000;
/// The longest delay that is taken, a day; keepalived takes more.
pub(super) const DAY: u64 = 86_400 * SECOND;

pub(super) const OWN_PROCESS: &str = "it tunes keepalived's own processes";
pub(super) const OWN_FILES: &str = "it concerns files that keepalived writes for itself";
pub(super) const NO_FIREWALL: &str = "no firewall rules are made";
pub(super) const NO_MAIL: &str = "no mail is sent";
pub(super) const NO_SNMP: &str = "there is no SNMP agent";
pub(super) const NO_DBUS: &str = "there is no D-Bus service";
pub(super) const NO_FIFO: &str = "no state is written to a FIFO";
pub(super) const NO_SCRIPT: &str = "the script is not run";
pub(super) const NO_TRACK: &str = "nothing is tracked; the priority stays as configured";
pub(super) const NO_DELAY: &str = "there is no such delay";
pub(super) const NO_VMAC: &str = "a virtual MAC of its own (VMAC) is not built yet";
pub(super) const ONLY_VMAC: &str = "it only concerns a virtual MAC, which is not built yet";
pub(super) const ONLY_IPV6: &str = "it only concerns IPv6";
pub(super) const ONLY_UNICAST: &str = "it only concerns unicast, which is not built yet";
pub(super) const LIST_COUNTED: &str = "a different address list is accepted and counted";
pub(super) const INTERFACE_STATE: &str = "link state always comes from the kernel's own events";
