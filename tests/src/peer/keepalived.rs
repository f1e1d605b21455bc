//! keepalived as the other node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use vip::lab::{Host, LabError, Process};

const FILE: &str = "/run/keepalived.conf";
const PID: &str = "/run/keepalived.pid";
const VRRP_PID: &str = "/run/keepalived-vrrp.pid";

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// The keepalived that takes part: the one that was
/// [chosen](choose_keepalived), else `KEEPALIVED_PROGRAM`, else the host's own.
#[must_use]
pub fn keepalived_program() -> &'static Path {
    PROGRAM.get_or_init(|| {
        std::env::var_os("KEEPALIVED_PROGRAM").map_or_else(|| "keepalived".into(), Into::into)
    })
}

/// Has this keepalived take part from now on; the first choice counts.
pub fn choose_keepalived(program: PathBuf) {
    let _ = PROGRAM.set(program);
}

/// What it says of itself: `Keepalived v2.2.7 (01/16,2022)`.
#[must_use]
pub fn keepalived_says() -> String {
    let asked = Command::new(keepalived_program()).arg("--version").output();
    let said = asked.map(|output| [output.stderr, output.stdout].concat());
    let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
    said.lines().next().unwrap_or("unknown").trim().to_owned()
}

/// The number in [`keepalived_says`], of which every part counts.
#[must_use]
pub(super) fn version_of(said: &str) -> Option<(Vec<u32>, &str)> {
    let (_, from) = said.split_once(" v")?;
    let number = from.split(' ').next()?;
    let parts = number.split('.').map(|part| part.parse().ok());
    Some((parts.collect::<Option<_>>()?, number))
}

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
        &*keepalived_program().to_string_lossy(),
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
