//! Whether this process may do what vip does. Capabilities are asked, never the user id: a
//! container's root may lack them and an ordinary user may hold them.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::shell;

/// Bit numbers of `linux/capability.h`.
#[derive(Clone, Copy)]
pub(crate) enum Capability {
    NetAdmin = 12,
    NetRaw = 13,
    SysAdmin = 21,
    Perfmon = 38,
    Bpf = 39,
}

/// What the daemon wants on a host; with fewer it falls to a lower rung.
pub(crate) const DAEMON: &[Capability] = &[
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::Perfmon,
    Capability::Bpf,
];

/// What the laboratory wants too: network namespaces of its own.
pub(crate) const LABORATORY: &[Capability] = &[
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::SysAdmin,
    Capability::Perfmon,
    Capability::Bpf,
];

/// True when the effective set of this process holds all of `wanted`.
pub(crate) fn held(wanted: &[Capability]) -> Result<bool> {
    let status = std::fs::read_to_string("/proc/self/status")
        .context("cannot read /proc/self/status; is /proc mounted?")?;
    let set = effective(&status).context("/proc/self/status has no CapEff line")?;
    Ok(wanted.iter().all(|bit| set & (1 << *bit as u64) != 0))
}

fn effective(status: &str) -> Option<u64> {
    let hex = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(hex.trim(), 16).ok()
}

/// `program`, through sudo where this process lacks one of `wanted`. The environment goes
/// along: vip reads its settings from it. Without sudo it is started as we are, and says
/// itself what it lacks.
pub(crate) fn command(program: impl AsRef<OsStr>, wanted: &[Capability]) -> Result<Command> {
    if held(wanted)? || shell::find("sudo").is_none() {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("sudo");
    command.arg("-E").arg(program);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_effective_set() {
        let status = "CapPrm:\t000001fffeffffff\nCapEff:\t0000000000003000\n";
        assert_eq!(effective(status), Some(0x3000));
        assert_eq!(effective("CapPrm:\t0\n"), None);
    }
}
