//! A host: a namespace with a cable to the switch.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use vip_common::ids::MacAddr;

use super::namespace::{Finished, Namespace};
use super::process::Process;
use super::{LabError, PATIENCE, link};
use crate::dataplane::offload_tags;

/// A host with a NIC `eth0` on the switch. Cheap to clone; the host is gone
/// with the last clone and the last process in it.
#[derive(Clone)]
pub struct Host {
    inside: Arc<Namespace>,
    switch: Arc<Namespace>,
    port: u32,
    address: Ipv4Addr,
    prefix: u8,
    ipv6: bool,
}

impl Host {
    pub(super) fn plug_in(
        switch: &Arc<Namespace>,
        name: &str,
        address: Ipv4Addr,
        prefix: u8,
    ) -> Result<Self, LabError> {
        let inside = Arc::new(Namespace::new(name)?);
        let mut host = Self {
            inside,
            switch: Arc::clone(switch),
            port: 0,
            address,
            prefix,
            ipv6: false,
        };
        host.inside.ip_batch(&["link set lo up"])?;
        host.connect()?;
        Ok(host)
    }

    /// Makes the cable and the NIC at its end, brings both up, waits for
    /// carrier. Also for a host whose NIC has been taken away.
    ///
    /// # Errors
    /// When there is one already.
    pub fn connect(&mut self) -> Result<(), LabError> {
        let port = format!("p-{}", self.name());
        self.switch.ip_batch(&[
            &format!(
                "link add {port} type veth peer name eth0 address {} netns {}",
                self.mac(),
                self.inside.tid()
            ),
            &format!("link set {port} master br0 up"),
        ])?;
        self.port = self
            .switch
            .run(move || if_nametoindex(port.as_str()))?
            .map_err(LabError::system("find the port of the switch"))?;
        self.offload_tags(false)?;
        self.set_up()
    }

    /// Whether the cable carries the tags of VLANs beside the frames. A new one leaves
    /// them in, as on a real wire; those of containers as a rule do not.
    ///
    /// # Errors
    /// When the kernel does not take it.
    pub fn offload_tags(&self, offload: bool) -> Result<(), LabError> {
        let port = format!("p-{}", self.name());
        let here = self.inside.run(move || offload_tags("eth0", offload))?;
        let there = self.switch.run(move || offload_tags(&port, offload))?;
        Self::offloaded(here && there)
    }

    fn offloaded(done: bool) -> Result<(), LabError> {
        let refused = || io::Error::from(io::ErrorKind::Unsupported);
        done.then_some(())
            .ok_or_else(refused)
            .map_err(LabError::system(
                "set what a cable does with the tags of VLANs",
            ))
    }

    /// One more cable and NIC, both up, on another bridge of the switch. Returns
    /// the index of the port.
    pub(super) fn plug_into(
        &self,
        switch: &Arc<Namespace>,
        network: &'static str,
    ) -> Result<u32, LabError> {
        let port = format!("{network}-{}", self.name());
        switch.ip_batch(&[
            format!(
                "link add {port} type veth peer name {network} netns {}",
                self.inside.tid()
            ),
            format!("link set {port} master {network} up"),
        ])?;
        let (near, far) = (port.clone(), network);
        let there = switch.run(move || offload_tags(&near, false))?;
        let here = self.inside.run(move || offload_tags(far, false))?;
        Self::offloaded(here && there)?;
        self.inside.ip_batch(&[format!("link set {network} up")])?;
        self.wait_for_carrier(network)?;
        switch
            .run(move || if_nametoindex(port.as_str()))?
            .map_err(LabError::system("find the port of the switch"))
    }

    /// Sets the NIC up with the host's own addresses, of which those of IPv6 go
    /// when it is set down, and waits for carrier.
    ///
    /// # Errors
    /// When there is no NIC, no carrier comes, or the switch does not take it.
    pub fn set_up(&self) -> Result<(), LabError> {
        self.inside.ip_batch(&self.own_addresses())?;
        self.wait_for_carrier("eth0")?;
        self.wait_for_switch()
    }

    /// Waits until the switch forwards what the host sends. It hears of a carrier
    /// later than the host where one went and came within a second.
    fn wait_for_switch(&self) -> Result<(), LabError> {
        const FORWARDING: &str = "3";
        let state = format!("/sys/class/net/p-{}/brport/state", self.name());
        self.switch.run(move || {
            let end = Instant::now() + PATIENCE;
            while !fs::read_to_string(&state).is_ok_and(|now| now.trim() == FORWARDING) {
                if Instant::now() > end {
                    return Err(LabError::TooLate {
                        what: format!("{state} to be {FORWARDING}"),
                        bound: PATIENCE,
                    });
                }
                thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        })?
    }

    /// The lines of `ip` that set the NIC up with its own addresses.
    fn own_addresses(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.ipv6 {
            lines.push("link set eth0 addrgenmode none".into());
        }
        lines.push("link set eth0 up".into());
        lines.push(format!(
            "addr replace {}/{} dev eth0",
            self.address, self.prefix
        ));
        if self.ipv6 {
            for address in [self.link_local(), self.address6()] {
                lines.push(format!("addr replace {address}/64 dev eth0 nodad"));
            }
        }
        lines
    }

    /// Gives it IPv6: a link-local address and one in 2001:db8:8::/64, both
    /// ending like its IPv4 address, at once and without looking for
    /// duplicates or listening to routers.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn enable_ipv6(&mut self) -> Result<(), LabError> {
        self.run(|| {
            // None of its own making, which would be there before the setting is.
            fs::write("/proc/sys/net/ipv6/conf/eth0/addr_gen_mode", "1")?;
            for (name, value) in [
                ("accept_ra", "0"),
                ("accept_dad", "0"),
                ("disable_ipv6", "0"),
            ] {
                for interface in ["all", "default", "eth0"] {
                    fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/{name}"), value)?;
                }
            }
            std::io::Result::Ok(())
        })?
        .map_err(LabError::system("switch IPv6 on"))?;
        self.ipv6 = true;
        self.set_up()
    }

    /// Its link-local address once it has IPv6.
    #[must_use]
    pub fn link_local(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, self.number())
    }

    /// Its own address in 2001:db8:8::/64 once it has IPv6.
    #[must_use]
    pub fn address6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 8, 0, 0, 0, 0, self.number())
    }

    /// The last number of its address, written in the same digits.
    fn number(&self) -> u16 {
        let [.., last] = self.address.octets();
        u16::from_str_radix(&last.to_string(), 16).unwrap_or_default()
    }

    /// Takes the NIC and its cable away, as when a virtual machine loses its
    /// adapter.
    ///
    /// # Errors
    /// When there is none.
    pub fn disconnect(&self) -> Result<(), LabError> {
        self.inside.ip_batch(&["link del eth0"])
    }

    /// The name given to it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inside.name()
    }

    /// Its own address on `eth0`.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The link-layer address of `eth0`.
    #[must_use]
    pub fn mac(&self) -> MacAddr {
        let [a, b, c, d] = self.address.octets();
        MacAddr([2, 0, a, b, c, d])
    }

    /// The identity of its network namespace.
    #[must_use]
    pub fn namespace(&self) -> u64 {
        self.inside.identity()
    }

    /// The index of its port in the switch, as [`super::Frame`] names it.
    #[must_use]
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Runs `work` in a thread inside the host.
    ///
    /// # Errors
    /// When an earlier piece of work has panicked.
    pub fn run<R, F>(&self, work: F) -> Result<R, LabError>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        self.inside.run(work)
    }

    /// Starts a program in the host; it is killed when dropped, or when this
    /// process dies.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn<I, S>(&self, argv: I) -> Result<Process, LabError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.inside.spawn(argv)
    }

    /// Runs a program in the host to its end, at most [`PATIENCE`].
    ///
    /// # Errors
    /// When it cannot be started or does not end; not when it fails, which
    /// [`Finished`] says.
    pub fn output<I, S>(&self, argv: I) -> Result<Finished, LabError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.inside.output_with(argv, None)
    }

    /// Runs `ip` with each line as its arguments, in the host.
    ///
    /// # Errors
    /// When one of the lines fails; the rest is not tried.
    pub fn ip<S: AsRef<str>>(&self, lines: &[S]) -> Result<(), LabError> {
        self.inside.ip_batch(lines)
    }

    /// Writes a file as the host sees it; below `/run` nobody else sees it and
    /// it goes with the host.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, path: &str, text: &str) -> Result<(), LabError> {
        let (path, text) = (path.to_owned(), text.to_owned());
        self.run(move || fs::write(path, text))?
            .map_err(LabError::system("write a file of the host"))
    }

    /// A firewall that drops everything in both directions but ping and the
    /// host's own group reports. ARP is beyond its reach, as on any host.
    ///
    /// # Errors
    /// Without `nft`.
    pub fn firewall(&self) -> Result<(), LabError> {
        let rules = "table inet lab {\n\
             chain input { type filter hook input priority 0; policy drop;\n\
               iif lo accept\n\
               icmp type { echo-request, echo-reply } accept\n\
             }\n\
             chain forward { type filter hook forward priority 0; policy drop; }\n\
             chain output { type filter hook output priority 0; policy drop;\n\
               oif lo accept\n\
               icmp type { echo-request, echo-reply } accept\n\
               ip protocol igmp accept\n\
             }\n\
           }\n";
        self.inside
            .output_with(["nft", "-f", "-"], Some(rules.to_owned()))?
            .success()
            .map(drop)
    }

    /// Pulls the cable at the switch: `eth0` loses carrier at once.
    ///
    /// # Errors
    /// When the port is gone.
    pub fn cut(&self) -> Result<(), LabError> {
        self.set_port(false)
    }

    /// Puts the cable back.
    ///
    /// # Errors
    /// When the port is gone.
    pub fn mend(&self) -> Result<(), LabError> {
        self.set_port(true)
    }

    fn set_port(&self, up: bool) -> Result<(), LabError> {
        let port = self.port;
        self.switch.run(move || link::set_up(port, up))?
    }

    /// What a power cycle leaves of a host whose daemons are dead: its own
    /// address and an empty `/run`. Then the cable is put back.
    ///
    /// # Errors
    /// When `ip` fails or no carrier comes.
    pub fn boot(&self) -> Result<(), LabError> {
        self.run(empty_run)?
            .map_err(LabError::system("empty /run"))?;
        self.inside.ip_batch(&["addr flush dev eth0"])?;
        self.mend()?;
        self.set_up()
    }

    /// Waits until `interface` is up and has carrier.
    ///
    /// # Errors
    /// When it has not within [`PATIENCE`].
    pub fn wait_for_carrier(&self, interface: &'static str) -> Result<(), LabError> {
        self.run(move || {
            let end = Instant::now() + PATIENCE;
            while !running(interface) {
                if Instant::now() > end {
                    return Err(LabError::TooLate {
                        what: format!("carrier on {interface}"),
                        bound: PATIENCE,
                    });
                }
                thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        })?
    }

    /// All addresses with the interface that has them.
    ///
    /// # Errors
    /// When the kernel does not list them.
    pub fn addresses(&self) -> Result<Vec<(String, IpAddr)>, LabError> {
        self.list(InterfaceFlags::empty())
    }

    /// Whether one of its interfaces has `address`.
    ///
    /// # Errors
    /// As [`Host::addresses`].
    pub fn has(&self, address: impl Into<IpAddr>) -> Result<bool, LabError> {
        let address = address.into();
        Ok(self.addresses()?.iter().any(|(_, has)| *has == address))
    }

    /// Whether an interface that is up and running has `address`. FRR keeps its
    /// addresses and takes the interface down instead.
    ///
    /// # Errors
    /// As [`Host::addresses`].
    pub fn serves(&self, address: impl Into<IpAddr>) -> Result<bool, LabError> {
        let address = address.into();
        let all = self.list(RUNNING)?;
        Ok(all.iter().any(|(_, has)| *has == address))
    }

    /// The addresses of interfaces that have all of `flags`.
    fn list(&self, flags: InterfaceFlags) -> Result<Vec<(String, IpAddr)>, LabError> {
        self.run(move || {
            let all = getifaddrs()?.filter_map(|entry| {
                let storage = entry.address?;
                let v4 = storage.as_sockaddr_in().map(|found| found.ip().into());
                let v6 = || storage.as_sockaddr_in6().map(|found| found.ip().into());
                let address: IpAddr = v4.or_else(v6)?;
                entry
                    .flags
                    .contains(flags)
                    .then_some((entry.interface_name, address))
            });
            nix::Result::Ok(all.collect())
        })?
        .map_err(LabError::system("list addresses"))
    }

    /// The link-layer address that its ARP cache holds for `address`.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn neighbour(&self, address: Ipv4Addr) -> Result<Option<MacAddr>, LabError> {
        // /proc/net is the main thread's namespace, not this one's.
        let cache = self
            .run(|| fs::read_to_string("/proc/thread-self/net/arp"))?
            .map_err(LabError::system("read the ARP cache"))?;
        let address = address.to_string();
        Ok(cache.lines().skip(1).find_map(|line| {
            let mut words = line.split_whitespace();
            let found = words.next() == Some(address.as_str());
            let mac = words.nth(2)?;
            if found { parse_mac(mac) } else { None }
        }))
    }
}

/// Called in the host's thread, where `/run` is the host's own.
fn empty_run() -> std::io::Result<()> {
    for entry in fs::read_dir("/run")? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Administratively up, and with carrier.
const RUNNING: InterfaceFlags = InterfaceFlags::IFF_UP.union(InterfaceFlags::IFF_RUNNING);

fn running(interface: &str) -> bool {
    getifaddrs().is_ok_and(|mut all| {
        all.any(|entry| entry.interface_name == interface && entry.flags.contains(RUNNING))
    })
}

/// `None` for an incomplete entry too, which the kernel shows as zeros.
fn parse_mac(text: &str) -> Option<MacAddr> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    (mac != [0; 6] && parts.next().is_none()).then_some(MacAddr(mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_layer_addresses_are_read_and_incomplete_ones_are_not() {
        assert_eq!(
            parse_mac("02:00:c0:a8:08:04"),
            Some(MacAddr([2, 0, 0xc0, 0xa8, 8, 4]))
        );
        assert_eq!(parse_mac("00:00:00:00:00:00"), None);
        assert_eq!(parse_mac("02:00:c0:a8:08"), None);
        assert_eq!(parse_mac("02:00:c0:a8:08:04:05"), None);
    }
}
