//! What SIGUSR1 and SIGUSR2 write: the state and the statistics, as text, into
//! the runtime directory and never anywhere else.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use super::orders::replace;
use super::status::Status;
use super::text::render;

/// The state, on SIGUSR1: what `vip status` says, and the configuration as it
/// holds, without passwords.
pub const STATE: &str = "vip.data";
/// The statistics, on SIGUSR2: each counter of each instance.
pub const STATISTICS: &str = "vip.stats";

/// Writes the state; says where.
///
/// # Errors
/// The directory cannot be written.
pub fn state(runtime_dir: &Path, status: &Status, effective: &str) -> io::Result<PathBuf> {
    let text = format!(
        "vip {} (process {})\n\n{}\n{effective}",
        status.version,
        status.pid,
        render(status)
    );
    write(runtime_dir.join(STATE), &text)
}

/// Writes the statistics; says where.
///
/// # Errors
/// The directory cannot be written.
pub fn statistics(runtime_dir: &Path, status: &Status) -> io::Result<PathBuf> {
    let mut text = String::new();
    for instance in &status.instances {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}:", instance.name);
        for (name, count) in &instance.counters {
            let _ = writeln!(text, "  {name} {count}");
        }
        for peer in &instance.peers {
            let (address, taken, refused) = (peer.address, peer.accepted, peer.refused);
            let _ = writeln!(text, "  peer {address} accepted {taken} refused {refused}");
        }
    }
    write(runtime_dir.join(STATISTICS), &text)
}

fn write(path: PathBuf, text: &str) -> io::Result<PathBuf> {
    replace(&path, text.as_bytes())?;
    Ok(path)
}

/// Takes both away; what was never written is not there.
pub fn remove(runtime_dir: &Path) {
    for name in [STATE, STATISTICS] {
        let _ = std::fs::remove_file(runtime_dir.join(name));
    }
}
