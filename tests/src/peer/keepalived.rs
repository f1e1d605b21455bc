//! keepalived as the other node.

use std::fs;

use vip::lab::{Host, LabError, Process};

const FILE: &str = "/run/keepalived.conf";
const PID: &str = "/run/keepalived.pid";
const VRRP_PID: &str = "/run/keepalived-vrrp.pid";

/// Starts keepalived with this configuration on a host, its log on stderr.
/// The host's own `/run` takes its pid files.
///
/// # Errors
/// When it is not installed.
pub fn keepalived(host: &Host, configuration: &str) -> Result<Process, LabError> {
    host.write(FILE, configuration)?;
    host.run(|| {
        // A killed one leaves them, and its child counts as running until
        // somebody has reaped it. Absent is as good.
        for file in [PID, VRRP_PID] {
            let _ = fs::remove_file(file);
        }
    })?;
    host.spawn([
        "keepalived",
        "--dont-fork",
        "--log-console",
        "--log-detail",
        "--no-syslog",
        "--vrrp",
        "--use-file",
        FILE,
        "--pid",
        PID,
        "--vrrp_pid",
        VRRP_PID,
    ])
}
