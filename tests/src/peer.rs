//! keepalived as the other node.

use vip::lab::{Host, LabError, Process};

const FILE: &str = "/run/keepalived.conf";

/// Starts keepalived with this configuration on a host, its log on stderr.
/// The host's own `/run` takes its pid files.
///
/// # Errors
/// When it is not installed.
pub fn keepalived(host: &Host, configuration: &str) -> Result<Process, LabError> {
    host.write(FILE, configuration)?;
    host.spawn([
        "keepalived",
        "--dont-fork",
        "--log-console",
        "--log-detail",
        "--no-syslog",
        "--vrrp",
        "--use-file",
        FILE,
    ])
}
