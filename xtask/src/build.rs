//! `cargo xtask build`: the binary `vip` with its NIC program inside.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::setup::{self, Purpose};
use crate::shell;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// With optimizations, into target/release
    #[arg(long)]
    release: bool,
}

pub(crate) fn command(args: &Args) -> Result<ExitCode> {
    setup::ensure(Purpose::Build)?;
    println!("{}", vip(args.release)?.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds vip and returns where it lies. Fails when it carries the stub that `cargo check`
/// makes do with where there is no eBPF compiler.
pub(crate) fn vip(release: bool) -> Result<PathBuf> {
    let mut cargo = shell::cargo();
    cargo.args(["build", "--package", "vip-userspace", "--bin", "vip"]);
    if release {
        cargo.arg("--release");
    }
    shell::run(&mut cargo)?;

    let vip = shell::artifacts(if release { "release" } else { "debug" })?.join("vip");
    let version = shell::read(Command::new(&vip).arg("--version"))?;
    if !has_nic_program(&version) {
        bail!(
            "{} was built without its NIC program; `cargo xtask setup --no-install` says what is missing",
            vip.display()
        );
    }
    Ok(vip)
}

fn has_nic_program(version: &str) -> bool {
    let line = version
        .lines()
        .find_map(|line| line.strip_prefix("NIC program: "));
    line.is_some_and(|what| what.starts_with("built in"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_stub() {
        assert!(has_nic_program("vip 0.1.0\nNIC program: built in\n"));
        assert!(!has_nic_program("vip 0.1.0\nNIC program: absent (stub)\n"));
        assert!(!has_nic_program("vip 0.1.0\n"));
    }
}
