//! `cargo xtask test --clean-room`: what a newcomer's machine does with this repository.
//!
//! A fresh Debian root of the host's release, with a C linker, the Rust toolchain copied in
//! and a clone of HEAD; in it the demo and then every test, each timed.
//!
//! It runs in a mount and process namespace of its own. When that ends, however it ends, the
//! kernel takes its processes and mounts with it, and nothing is left but a directory, which
//! the surrounding shell removes.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::{debian, shell};

/// Makes the directory "$1"-something, runs the rest in namespaces and removes it.
const AROUND: &str = r#"
set -u
room=$(mktemp -d "$1.XXXXXX") && chmod 755 "$room" || exit
shift
inner=
trap 'rm -rf --one-file-system "$room"' EXIT
trap '[ -z "$inner" ] || kill -KILL "$inner"; wait; exit 130' INT TERM HUP
# The first process of a namespace has to collect the orphans of the others; sh does.
setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child -- \
    sh -c '"$@"; exit $?' first "$@" "$room" &
inner=$!
wait "$inner"
"#;

/// Where the toolchain and the clone lie in the room.
const HOME: &str = "root";
const CLONE: &str = "root/vip";

/// The part that runs inside of the namespaces.
#[derive(clap::Args)]
pub(crate) struct Inside {
    room: PathBuf,
}

pub(crate) fn command() -> Result<ExitCode> {
    if shell::find("debootstrap").is_none() {
        if !debian::has_apt() {
            bail!(
                "the clean room is made by debootstrap, and this machine has no apt to install it with"
            );
        }
        println!("clean room: installing debootstrap");
        debian::install(&["debootstrap".to_owned()], &[])?;
    }
    // Not /tmp, which may lie in memory: a build fills some gigabytes.
    let place = env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
    let own = env::current_exe().context("cannot find this program's own file")?;
    let mut around = debian::as_root("env");
    around.arg(assignment("PATH", env::var_os("PATH").unwrap_or_default()));
    around.arg(assignment(
        "CARGO_MANIFEST_DIR",
        shell::workspace().join("xtask"),
    ));
    around.arg(assignment("HOST_SYSROOT", sysroot()?));
    around.args(["sh", "-c", AROUND, "clean-room"]);
    around
        .arg(place.join("vip-clean-room"))
        .arg(own)
        .arg("in-clean-room");
    // In our place: a signal to us is one to the shell that cleans up.
    Err(around.exec()).context("cannot start the clean room")
}

fn assignment(name: &str, value: impl Into<OsString>) -> OsString {
    let mut word = OsString::from(format!("{name}="));
    word.push(value.into());
    word
}

/// Asked before root takes over, since it may have another toolchain or none.
fn sysroot() -> Result<PathBuf> {
    let sysroot = shell::read(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(sysroot.trim()))
}

pub(crate) fn inside(inside: &Inside) -> Result<ExitCode> {
    let room = &inside.room;
    let begin = Instant::now();
    bootstrap(room)?;
    certificates(room)?;
    toolchain(room)?;
    clone(room)?;
    mounts(room)?;
    println!(
        "clean room: ready after {:.0} s",
        begin.elapsed().as_secs_f64()
    );

    let mut report = Vec::new();
    let mut good = true;
    for arguments in [&["xtask", "run"], &["xtask", "test"]] {
        println!("\n==== clean room: cargo {}", arguments.join(" "));
        let begin = Instant::now();
        let status = enter(room, "cargo", arguments).status();
        let status = status.context("cannot enter the clean room")?;
        report.push(format!(
            "clean room: cargo {} took {:.0} s and ended with {status}",
            arguments.join(" "),
            begin.elapsed().as_secs_f64()
        ));
        good &= status.success();
    }
    println!();
    for line in report {
        println!("{line}");
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A minimal Debian of the host's release, with the host's package sources.
fn bootstrap(room: &Path) -> Result<()> {
    let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let field = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    if field("ID=").as_deref() != Some("debian") {
        bail!("the clean room is a Debian of the host's release, and this host is not Debian");
    }
    let suite = field("VERSION_CODENAME=").context("/etc/os-release names no release")?;
    let sources = sources()?;
    let mirror = mirror(&sources, &suite)
        .with_context(|| format!("no package source of this host serves {suite}"))?;

    println!("clean room: Debian {suite}, minimal, with a C linker and git, from {mirror}");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args([
        "--variant=minbase",
        "--include=ca-certificates,gcc,libc6-dev,git",
    ]);
    debootstrap.arg(&suite).arg(room).arg(mirror);
    quietly(&mut debootstrap)?;

    for file in [
        "sources.list",
        "sources.list.d",
        "auth.conf.d",
        "keyrings",
        "trusted.gpg.d",
    ] {
        let target = room.join("etc/apt").join(file);
        if Path::new("/etc/apt").join(file).exists() {
            quietly(Command::new("rm").arg("-rf").arg(&target))?;
            copy(&Path::new("/etc/apt").join(file), &target)?;
        } else if file == "sources.list" {
            quietly(Command::new("rm").arg("-f").arg(&target))?;
        }
    }
    copy(
        Path::new("/usr/share/keyrings/."),
        &room.join("usr/share/keyrings"),
    )?;
    // How this host reaches its sources: proxies and the like.
    let settings = shell::read(Command::new("apt-config").arg("dump"))?;
    let access = settings
        .lines()
        .filter(|line| line.starts_with("Acquire::http"));
    let access: Vec<_> = access.collect();
    let host = room.join("etc/apt/apt.conf.d/90host");
    fs::write(&host, access.join("\n") + "\n")
        .with_context(|| format!("cannot write {}", host.display()))?;
    for file in ["resolv.conf", "hosts"] {
        // They may be links into places that the room does not have.
        let target = room.join("etc").join(file);
        quietly(Command::new("rm").arg("-f").arg(&target))?;
        fs::copy(Path::new("/etc").join(file), &target)
            .with_context(|| format!("cannot copy /etc/{file}"))?;
    }
    Ok(())
}

/// The text of all package sources of the host, in both of their forms.
fn sources() -> Result<String> {
    let mut text = fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
    let directory = fs::read_dir("/etc/apt/sources.list.d");
    for entry in directory.into_iter().flatten() {
        let path = entry.context("cannot list /etc/apt/sources.list.d")?.path();
        if path
            .extension()
            .is_some_and(|end| end == "list" || end == "sources")
        {
            text.push('\n');
            text.push_str(&fs::read_to_string(&path).unwrap_or_default());
            text.push('\n');
        }
    }
    Ok(text)
}

/// Where `suite` comes from: `deb [options] URI SUITE …`, or a paragraph with `URIs:` and
/// `Suites:`.
fn mirror(sources: &str, suite: &str) -> Option<String> {
    let one_line = sources.lines().find_map(|line| {
        let line = line.trim().strip_prefix("deb ")?.trim_start();
        let line = match line.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => line,
        };
        let mut words = line.split_whitespace();
        let uri = words.next()?;
        (words.next()? == suite).then(|| uri.to_owned())
    });
    one_line.or_else(|| {
        sources.split("\n\n").find_map(|paragraph| {
            let field = |name: &str| {
                let line = paragraph.lines().find_map(|line| line.strip_prefix(name));
                line.map(str::trim)
            };
            let serves = field("Suites:")?
                .split_whitespace()
                .any(|word| word == suite);
            let uri = field("URIs:")?.split_whitespace().next()?;
            serves.then(|| uri.to_owned())
        })
    })
}

/// The authorities that this host trusts, also where they are its own.
fn certificates(room: &Path) -> Result<()> {
    let own = Path::new("/usr/local/share/ca-certificates");
    if own.exists() {
        copy(
            &own.join("."),
            &room.join("usr/local/share/ca-certificates"),
        )?;
        quietly(&mut enter(room, "update-ca-certificates", &[]))?;
    }
    let bundle = "etc/ssl/certs/ca-certificates.crt";
    if Path::new("/").join(bundle).exists() {
        fs::copy(Path::new("/").join(bundle), room.join(bundle))
            .context("cannot copy the host's certificates")?;
    }
    Ok(())
}

/// The toolchain that builds us, without its manuals, and cargo's configuration, but not what
/// cargo has downloaded before.
fn toolchain(room: &Path) -> Result<()> {
    let sysroot = PathBuf::from(env::var_os("HOST_SYSROOT").context("HOST_SYSROOT is not set")?);
    println!("clean room: the Rust toolchain {}", sysroot.display());
    let target = room.join("opt/rust");
    for part in ["bin", "lib", "libexec"] {
        if sysroot.join(part).exists() {
            fs::create_dir_all(&target).context("cannot make the toolchain's directory")?;
            copy(&sysroot.join(part), &target.join(part))?;
        }
    }
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    for file in ["config.toml", "config"] {
        if let Some(file) = home.as_ref().map(|home| home.join(file))
            && file.exists()
        {
            let own = room.join(HOME).join(".cargo");
            fs::create_dir_all(&own).context("cannot make cargo's directory")?;
            copy(&file, &own)?;
        }
    }
    Ok(())
}

fn clone(room: &Path) -> Result<()> {
    let workspace = shell::workspace();
    let mut git = Command::new("git");
    git.args([
        "-c",
        "safe.directory=*",
        "clone",
        "--quiet",
        "--no-hardlinks",
    ]);
    shell::run(git.arg(&workspace).arg(room.join(CLONE)))?;
    let mut git = Command::new("git");
    git.args(["-c", "safe.directory=*", "-C"]).arg(&workspace);
    let changes = shell::read(git.args(["status", "--porcelain"]))?;
    if !changes.is_empty() {
        println!("clean room: the clone is HEAD, without the changes that are not committed");
    }
    Ok(())
}

fn mounts(room: &Path) -> Result<()> {
    let mount = |arguments: &[&str], at: &str| {
        shell::run(Command::new("mount").args(arguments).arg(room.join(at)))
    };
    // Onto itself: a root has to be a mount for those inside who change how it propagates.
    shell::run(Command::new("mount").arg("--bind").args([room, room]))?;
    mount(&["-t", "proc", "proc"], "proc")?;
    mount(&["--rbind", "/sys"], "sys")?;
    mount(&["--rbind", "/dev"], "dev")?;
    mount(&["-t", "tmpfs", "tmpfs"], "run")
}

/// A program in the room, with an environment of its own: what a fresh login has, and what
/// this host needs to reach the registries.
fn enter(room: &Path, program: &str, arguments: &[&str]) -> Command {
    let directory = if room.join(CLONE).exists() {
        CLONE
    } else {
        HOME
    };
    let mut command = Command::new("chroot");
    command.arg(room).args(["env", "--chdir"]);
    command.arg(Path::new("/").join(directory));
    command.arg(program).args(arguments);
    command.env_clear();
    command.env(
        "PATH",
        "/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    command.env("HOME", Path::new("/").join(HOME));
    command.env("LANG", "C.UTF-8").env("TERM", "dumb");
    for (name, value) in env::vars_os() {
        if name.to_str().is_some_and(is_about_access) {
            command.env(name, value);
        }
    }
    command
}

/// Whether a variable says how to reach a registry: proxies, certificates, cargo's sources.
fn is_about_access(name: &str) -> bool {
    let lower = name.to_lowercase();
    lower.ends_with("_proxy")
        || ["SSL_CERT_FILE", "SSL_CERT_DIR"].contains(&name)
        || [
            "CARGO_HTTP_",
            "CARGO_NET_",
            "CARGO_REGISTR",
            "CARGO_SOURCE_",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    shell::run(Command::new("cp").arg("-a").arg(from).arg(to))
}

/// Runs to the end; what it says is shown only when it fails.
fn quietly(command: &mut Command) -> Result<()> {
    let output = command.output();
    let output = output.with_context(|| format!("cannot start `{}`", shell::line(command)))?;
    if !output.status.success() {
        bail!(
            "`{}` ended with {}\n{}{}",
            shell::line(command),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mirror_in_either_form() {
        let list = "# deb http://no.example/debian trixie main\n\
                    deb [signed-by=/k.gpg] http://a.example/debian trixie main\n";
        assert_eq!(
            mirror(list, "trixie").as_deref(),
            Some("http://a.example/debian")
        );
        let paragraphs = "Types: deb\nURIs: http://s.example/security\nSuites: trixie-security\n\n\
                          Types: deb\nURIs: http://b.example/debian\nSuites: trixie trixie-updates\n";
        assert_eq!(
            mirror(paragraphs, "trixie").as_deref(),
            Some("http://b.example/debian")
        );
        assert_eq!(mirror(paragraphs, "sid"), None);
    }

    #[test]
    fn only_what_is_about_access_goes_in() {
        assert!(is_about_access("https_proxy"));
        assert!(is_about_access("CARGO_REGISTRIES_CRATES_IO_PROTOCOL"));
        assert!(!is_about_access("CARGO_TARGET_DIR"));
        assert!(!is_about_access("AWS_SECRET"));
    }
}
