//! FRR's vrrpd as the other node: zebra and vrrpd started by hand, with their
//! sockets and files in the host's own `/run`.
//!
//! vrrpd wants an interface with the virtual router's MAC before it starts. The
//! addresses stay on it for good: zebra takes it down and up as the role
//! changes.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use vip::lab::pair::VRID;
use vip::lab::{Host, LabError, PATIENCE, Process};

use super::{VIRTUAL_MAC, Way, Wish};

/// Where Debian puts daemons that nobody starts by hand.
const PROGRAMS: &str = "/usr/lib/frr";
const RUN: &str = "/run/frr";
const FILE: &str = "/run/frr.conf";
/// The interface with the virtual MAC.
const INTERFACE: &str = "vrrp4-51";

/// The interface with the virtual MAC and the address, and a place to write.
///
/// # Errors
/// When the interface is there already, or FRR is not installed.
pub fn prepare(host: &Host, way: Way) -> Result<(), LabError> {
    host.run(|| {
        // It changes to a user of its own otherwise, and then no longer dies
        // with the thread that started it.
        may_run_as_root()?;
        fs::create_dir_all(RUN)?;
        // The address is on an interface that is down in a Backup: the others
        // must not answer for it.
        fs::write("/proc/sys/net/ipv4/conf/all/arp_ignore", "1")
    })?
    .map_err(|source| LabError::System {
        step: "make a host ready for FRR",
        source,
    })?;
    let mut mac = VIRTUAL_MAC;
    let is_v6 = way == Way::V3Ipv6;
    if is_v6 {
        mac.0[4] = 2;
    }
    let mut lines = vec![format!(
        "link add {INTERFACE} link eth0 address {mac} type macvlan mode bridge"
    )];
    if is_v6 {
        let [.., last] = host.address().octets();
        lines.extend([
            format!("link set {INTERFACE} addrgenmode none"),
            format!("addr add fe80::5e:{last}/64 dev {INTERFACE} nodad"),
            format!("addr add {}/64 dev {INTERFACE} nodad", way.address()),
        ]);
    } else {
        lines.push(format!("addr add {}/24 dev {INTERFACE}", way.address()));
    }
    lines.push(format!("link set {INTERFACE} up"));
    host.ip(&lines)
}

/// Its user in the group that may speak to its terminals, in this host only.
fn may_run_as_root() -> std::io::Result<()> {
    const GROUPS: &str = "/etc/group";
    const OURS: &str = "/run/group";
    let mut text = String::new();
    for line in fs::read_to_string(GROUPS)?.lines() {
        text.push_str(line);
        if line.starts_with("frrvty:") {
            text.push_str(if line.ends_with(':') { "root" } else { ",root" });
        }
        text.push('\n');
    }
    fs::write(OURS, text)?;
    let none: Option<&str> = None;
    mount(Some(OURS), GROUPS, none, MsFlags::MS_BIND, none)?;
    Ok(())
}

/// Starts zebra, then vrrpd.
pub(super) fn start(host: &Host, wish: &Wish<'_>) -> Result<(Process, Process), LabError> {
    host.write(FILE, &written(wish))?;
    let zebra = daemon(host, "zebra", "/dev/null")?;
    zebra.wait_for_line(" starting: vty", PATIENCE)?;
    let vrrpd = daemon(host, "vrrpd", FILE)?;
    Ok((zebra, vrrpd))
}

fn daemon(host: &Host, name: &str, file: &str) -> Result<Process, LabError> {
    let program = Path::new(PROGRAMS).join(name);
    host.spawn([
        &*program.to_string_lossy(),
        "--config_file",
        file,
        "--pid_file",
        &format!("{RUN}/{name}.pid"),
        "--socket",
        &format!("{RUN}/zserv.api"),
        "--vty_socket",
        RUN,
        "--vty_port",
        "0",
        "--user",
        "root",
        "--group",
        "root",
        "--log",
        "stdout",
    ])
}

fn written(wish: &Wish<'_>) -> String {
    let Wish { way, priority, .. } = *wish;
    let family = if way == Way::V3Ipv6 { "ipv6" } else { "ip" };
    format!(
        "interface eth0\n \
         vrrp {VRID} version {}\n \
         vrrp {VRID} priority {priority}\n \
         vrrp {VRID} advertisement-interval {}\n \
         vrrp {VRID} {family} {}\n\
         exit\n",
        way.version(),
        way.interval().as_millis(),
        way.address()
    )
}
