//! The interfaces of this network namespace.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// One interface as it is now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Whether it is up and has carrier.
    pub running: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// All that carry Ethernet frames, but for the loopback.
///
/// # Errors
/// When the kernel does not list them.
pub fn all() -> io::Result<Vec<Interface>> {
    let mut found: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in getifaddrs()? {
        if entry.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            continue;
        }
        let storage = entry.address.as_ref();
        let v4 = storage.and_then(|one| one.as_sockaddr_in());
        let v6 = storage.and_then(|one| one.as_sockaddr_in6());
        let address = v4
            .map(|one| IpAddr::from(one.ip()))
            .or_else(|| v6.map(|one| IpAddr::from(one.ip())));
        let one = found.entry(entry.interface_name.clone()).or_default();
        let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
        one.running = entry.flags.contains(up);
        one.addresses.extend(address);
        one.name = entry.interface_name;
    }
    let indexed = found.into_values().filter_map(|one| {
        // One that has gone meanwhile has none.
        let index = if_nametoindex(one.name.as_str()).ok()?;
        Some(Interface { index, ..one })
    });
    Ok(indexed.collect())
}
