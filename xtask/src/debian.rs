//! Installing Debian packages without starting anything on the host.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// Installs the packages in "$@" as root. A `policy-rc.d` that forbids starting services
/// stands for the time of the installation, and the host's own comes back however it ends;
/// the services in $SERVICES do not start at the next boot either. The package lists are
/// fetched when a package is unknown or an installation failed for their age, once.
const INSTALL: &str = r#"
set -u
export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes LC_ALL=C
policy=/usr/sbin/policy-rc.d
aside=$policy.aside-by-xtask

# One at a time; and what a killed predecessor left is put right first.
exec 9</var/lib/dpkg && flock 9
restore() {
    if grep -qs placed-by-xtask "$policy"; then rm -f "$policy"; fi
    if [ -e "$aside" ] || [ -L "$aside" ]; then mv "$aside" "$policy"; fi
}
restore
trap restore EXIT
trap 'exit 130' INT TERM HUP
if [ -e "$policy" ] || [ -L "$policy" ]; then mv "$policy" "$aside" || exit; fi
printf '#!/bin/sh\n# placed-by-xtask\nexit 101\n' >"$policy" && chmod 755 "$policy" || exit

apt() { apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >/dev/null; }
install() { apt install --yes --no-install-recommends --no-remove "$@"; }
known() {
    for package; do
        apt-cache policy "$package" | grep -q 'Candidate: [^(]' || return 1
    done
}
if known "$@"; then install "$@" || { apt update && install "$@"; }
else apt update && install "$@"; fi || exit

if command -v systemctl >/dev/null; then
    for service in $SERVICES; do systemctl --quiet disable "$service" || :; done
fi
"#;

/// Whether packages come from apt here.
pub(crate) fn has_apt() -> bool {
    shell::find("apt-get").is_some()
}

/// The command a person would type for it.
pub(crate) fn install_line(packages: &[String]) -> String {
    let sudo = if is_root() || shell::find("sudo").is_none() {
        ""
    } else {
        "sudo "
    };
    format!(
        "{sudo}apt-get install --no-install-recommends {}",
        packages.join(" ")
    )
}

/// Installs `packages`; `services` are those among what they bring that must not run here.
pub(crate) fn install(packages: &[String], services: &[&str]) -> Result<()> {
    if !is_root() && shell::find("sudo").is_none() {
        bail!(
            "installing needs root and there is no sudo; as root: {}",
            install_line(packages)
        );
    }
    let services = format!("SERVICES={}", services.join(" "));
    let mut command = as_root("env");
    command.args([services.as_str(), "sh", "-c", INSTALL, "install"]);
    command.args(packages);
    let status = command.status().context("cannot start the installation")?;
    anyhow::ensure!(
        status.success(),
        "apt could not install {} ({status}); by hand: {}",
        packages.join(" "),
        install_line(packages)
    );
    Ok(())
}

/// Fetches the package lists.
pub(crate) fn update() -> Result<()> {
    let mut command = as_root("apt-get");
    command.args(["-qq", "-o", "DPkg::Lock::Timeout=300", "update"]);
    shell::run(&mut command)
}

/// The version that apt would install, as far as the lists on this machine know.
pub(crate) fn candidate(package: &str) -> Option<String> {
    let mut command = Command::new("apt-cache");
    command.env("LC_ALL", "C").args(["policy", package]);
    let policy = shell::read(&mut command).ok()?;
    let version = policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then(|| version.to_owned())
}

/// Everything that installing `package` brings with it.
pub(crate) fn dependencies(package: &str) -> Result<Vec<String>> {
    let mut command = Command::new("apt-cache");
    command.env("LC_ALL", "C").args([
        "depends",
        "--recurse",
        "--no-recommends",
        "--no-suggests",
        "--no-conflicts",
        "--no-breaks",
        "--no-replaces",
        "--no-enhances",
        package,
    ]);
    let tree = shell::read(&mut command)?;
    let packages = tree.lines().filter(|line| !line.starts_with(' '));
    Ok(packages.map(str::to_owned).collect())
}

/// dpkg asks for the user id and not for capabilities, so here it decides.
fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        let effective = status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:"))
            .and_then(|ids| ids.split_whitespace().nth(1));
        effective == Some("0")
    })
}

/// `program` as root.
pub(crate) fn as_root(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-E", program]);
    command
}
