//! The files that people begin with: this project's two, and every sample that
//! Debian's keepalived package ships, where they are installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::trial::{Allowed, Trial};

/// Where Debian's package puts them.
const SHIPPED: [&str; 2] = ["/usr/share/doc/keepalived/samples", "/etc/keepalived"];

/// The files on which both differ, in what, and why.
const ALLOWED: &[(&str, &str, &str)] = &[
    (
        "keepalived/keepalived.conf.sample",
        "judged",
        "vrrp_garp_interval 0 means no spacing here; strict mode without authentication is a warning",
    ),
    (
        "keepalived/keepalived.conf.sample",
        "silent",
        "vrrp_garp_interval 0 means no spacing here",
    ),
    (
        "samples/keepalived.conf.SSL_GET",
        "judged",
        "MASTER does not go with AH, which is not supported: a warning with us",
    ),
    (
        "samples/keepalived.conf.SSL_GET",
        "read",
        "AH is not supported; the instance is FAULT",
    ),
    (
        "samples/keepalived.conf.conditional_conf",
        "silent",
        "a script without a command is told once, where it is defined",
    ),
    (
        "samples/keepalived.conf.fwmark",
        "judged",
        "keepalived looks into the load balancer's half; we do not",
    ),
    (
        "samples/keepalived.conf.track_interface",
        "judged",
        "keepalived cannot follow the link of a route without `dev`, and calls `or` and `gw` old; here that loses nothing",
    ),
    (
        "samples/keepalived.conf.track_interface",
        "silent",
        "keepalived cannot follow the link of a route without `dev`, and calls `or` and `gw` old; here that loses nothing",
    ),
    (
        "samples/keepalived.conf.vrrp.routes",
        "judged",
        "keepalived cannot follow the link of a route without `dev`, and calls `or` and `gw` old; here that loses nothing",
    ),
    (
        "samples/keepalived.conf.vrrp.routes",
        "silent",
        "keepalived cannot follow the link of a route without `dev`, and calls `or` and `gw` old; here that loses nothing",
    ),
    (
        "samples/keepalived.conf.vrrp.static_ipaddress",
        "judged",
        "keepalived cannot follow the link of a route without `dev`, and calls `or` and `gw` old; here that loses nothing",
    ),
    (
        "samples/keepalived.conf.vrrp.static_ipaddress",
        "silent",
        "keepalived cannot follow the link of a route without `dev`, and calls `or` and `gw` old; here that loses nothing",
    ),
];

/// The last two parts of a path: two of the files share their last one.
fn named(path: &Path) -> String {
    let parts: Vec<_> = path.iter().rev().take(2).collect();
    let parts: Vec<_> = parts
        .iter()
        .rev()
        .map(|part| part.to_string_lossy())
        .collect();
    parts.join("/")
}

fn allowed(name: &str) -> Result<Allowed> {
    let mut allowed = Allowed::default();
    for (_, what, why) in ALLOWED.iter().filter(|(file, ..)| *file == name) {
        let place = match *what {
            "judged" => &mut allowed.judged,
            "silent" => &mut allowed.silent,
            "read" => &mut allowed.read,
            other => bail!("{name}: what is {other}?"),
        };
        *place = Some((*why).to_owned());
    }
    Ok(allowed)
}

fn files() -> Result<Vec<PathBuf>> {
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("seed");
    let mut files = Vec::new();
    for directory in [seed.as_path()].into_iter().chain(SHIPPED.map(Path::new)) {
        let entries = fs::read_dir(directory)
            .with_context(|| format!("{}: is keepalived installed?", directory.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.contains(".conf") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[test]
fn shipped_files_are_read_as_keepalived_reads_them() -> Result<()> {
    let files = files()?;
    assert!(files.len() > 20, "the samples are not installed: {files:?}");
    let mut wrong = Vec::new();
    for path in &files {
        let name = named(path);
        let text = fs::read_to_string(path)?;
        let trial = Trial::of(&text, &[]).with_context(|| path.display().to_string())?;
        wrong.extend(trial.against(&name, &allowed(&name)?));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}
