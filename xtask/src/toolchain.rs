//! How the program at the NIC can be built on this machine.
//!
//! Shared by `cargo xtask` and by `vip-userspace/build.rs` (through `#[path]`),
//! so it uses nothing but `std`, installs nothing and writes nothing.
//!
//! There are two rungs, the first one that is complete is taken:
//!
//! 1. [`Rung::Nightly`]: a rustup nightly with the component `rust-src`, and
//!    bpf-linker;
//! 2. [`Rung::Distribution`]: Debian's `rustc-web` with the sources of `core`
//!    that belong to it (`rust-web-src`), and bpf-linker. Its `core` builds with
//!    no other compiler, so it is that pair or nothing.
//!
//! bpf-linker is looked for in `PATH`, and in `target/tools/bin` of the
//! workspace, where `cargo xtask setup` puts one that fits the second rung.
//!
//! [`find`] tells the rung, or everything that is [`Missing`]; [`Rung::cargo`]
//! is the command that builds with it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where `cargo xtask setup` installs tools, relative to the workspace.
pub const TOOLS: &str = "target/tools";

/// The toolchain of the first rung, as rustup knows it.
pub const NIGHTLY: &str = "nightly";

/// The distribution's compiler.
const DISTRIBUTION_RUSTC: &str = "/usr/bin/rustc";

/// The oldest release of the distribution's compiler that builds the program,
/// `1.N`: what aya-ebpf needs.
const DISTRIBUTION_MINOR: u32 = 90;

/// A complete way to build eBPF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rung {
    /// rustup's nightly with `rust-src`.
    Nightly {
        /// The compiler, for cargo to watch.
        rustc: PathBuf,
        /// bpf-linker.
        linker: PathBuf,
    },
    /// The distribution's compiler with its own sources of `core`.
    Distribution {
        /// The compiler.
        rustc: PathBuf,
        /// bpf-linker.
        linker: PathBuf,
    },
}

/// What each rung lacks; at least one thing of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// No bpf-linker; both rungs need it.
    pub linker: bool,
    /// rustup has no nightly (or there is no rustup).
    pub nightly: bool,
    /// The nightly has no `rust-src`; also set where there is no nightly.
    pub nightly_source: bool,
    /// No usable compiler of the distribution.
    pub distribution: bool,
    /// No sources of `core` in its sysroot; also set where there is no compiler.
    pub distribution_source: bool,
}

impl fmt::Display for Missing {
    /// A list for a person: what the nearer rung lacks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut missing = Vec::new();
        if self.linker {
            missing.push("bpf-linker");
        }
        let nightly = !self.nightly && !self.nightly_source;
        let distribution = !self.distribution && !self.distribution_source;
        if !nightly && !distribution {
            missing.push("a compiler for eBPF with the sources of `core`");
        }
        f.write_str(&missing.join(" and "))
    }
}

impl Rung {
    /// bpf-linker.
    pub fn linker(&self) -> &Path {
        match self {
            Self::Nightly { linker, .. } | Self::Distribution { linker, .. } => linker,
        }
    }

    /// The compiler.
    pub fn rustc(&self) -> &Path {
        match self {
            Self::Nightly { rustc, .. } | Self::Distribution { rustc, .. } => rustc,
        }
    }

    /// cargo, ready for the arguments of a build of the eBPF package with
    /// `-Z build-std=core`: the compiler chosen, the linker in `PATH`, BTF and
    /// debug information asked for, and nothing inherited of the cargo that may
    /// be running this one.
    ///
    /// `cargo` is the cargo to use with the distribution's compiler.
    pub fn cargo(&self, cargo: &Path) -> Command {
        let mut command = match self {
            Self::Nightly { .. } => {
                let mut command = Command::new("rustup");
                command.args(["run", NIGHTLY, "cargo"]);
                command
            }
            Self::Distribution { .. } => Command::new(cargo),
        };
        clean(&mut command);
        if let Self::Distribution { rustc, .. } = self {
            // The compiler is a stable release; its eBPF target and `-Z` are not.
            command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
        }
        command.env(
            "CARGO_ENCODED_RUSTFLAGS",
            "-Cdebuginfo=2\x1f-Clink-arg=--btf",
        );
        let mut path = Vec::from_iter(self.linker().parent().map(Path::to_path_buf));
        path.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        if let Ok(path) = std::env::join_paths(path) {
            command.env("PATH", path);
        }
        command
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nightly { .. } => f.write_str("rustup's nightly"),
            Self::Distribution { rustc, .. } => {
                write!(f, "the distribution's compiler ({})", rustc.display())
            }
        }
    }
}

/// The target of eBPF for a host of this byte order (`"big"` or `"little"`, as
/// cargo says in `CARGO_CFG_TARGET_ENDIAN`).
pub fn target(endian: &str) -> &'static str {
    if endian == "big" {
        "bpfeb-unknown-none"
    } else {
        "bpfel-unknown-none"
    }
}

/// The first complete rung, or what each of them lacks.
pub fn find(workspace: &Path) -> Result<Rung, Missing> {
    let ours = linker_of_setup(workspace);
    let other = linker_in_path();
    let nightly = nightly();
    let distribution = distribution();
    let has_source = |rustc: &Option<PathBuf>| rustc.as_deref().is_some_and(has_core_source);
    let missing = Missing {
        linker: ours.is_none() && other.is_none(),
        nightly: nightly.is_none(),
        nightly_source: !has_source(&nightly),
        distribution: distribution.is_none(),
        distribution_source: !has_source(&distribution),
    };
    let nightly = nightly.filter(|_| !missing.nightly_source);
    let distribution = distribution.filter(|_| !missing.distribution_source);
    let nightly_with = |linker: Option<PathBuf>| {
        let (rustc, linker) = (nightly.clone()?, linker?);
        Some(Rung::Nightly { rustc, linker })
    };
    let distribution_with = |linker: Option<PathBuf>| {
        let (rustc, linker) = (distribution.clone()?, linker?);
        Some(Rung::Distribution { rustc, linker })
    };
    // Ours is built with the LLVM of the distribution's compiler and may not
    // read what a newer nightly writes, so it serves a nightly last.
    nightly_with(other.clone())
        .or_else(|| distribution_with(ours.clone().or(other)))
        .or_else(|| nightly_with(ours))
        .ok_or(missing)
}

/// Takes away what an outer cargo or an outer clippy would impose on an inner
/// build for another target by another compiler.
fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let inherited = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_CFG_")
                || name.starts_with("CARGO_FEATURE_")
                || name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_PROFILE_")
                || name.starts_with("CARGO_TARGET_")
                || name.starts_with("CARGO_BUILD_")
                || name.starts_with("RUSTC")
                || name.starts_with("CLIPPY_")
                || [
                    "CARGO",
                    "CARGO_MANIFEST_DIR",
                    "CARGO_MANIFEST_PATH",
                    "CARGO_MAKEFLAGS",
                    "MAKEFLAGS",
                    "MFLAGS",
                    "CARGO_ENCODED_RUSTFLAGS",
                    "CARGO_INCREMENTAL",
                    "RUSTDOC",
                    "RUSTDOCFLAGS",
                    "RUSTFLAGS",
                    "RUSTUP_TOOLCHAIN",
                    "TARGET",
                    "HOST",
                    "PROFILE",
                    "OUT_DIR",
                    "OPT_LEVEL",
                    "DEBUG",
                    "NUM_JOBS",
                    "LD_LIBRARY_PATH",
                ]
                .contains(&name)
        });
        if inherited {
            command.env_remove(&name);
        }
    }
}

/// The bpf-linker that `cargo xtask setup` has built.
fn linker_of_setup(workspace: &Path) -> Option<PathBuf> {
    let linker = workspace.join(TOOLS).join("bin/bpf-linker");
    linker.is_file().then_some(linker)
}

/// The bpf-linker that was on this machine before.
fn linker_in_path() -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|directory| directory.join("bpf-linker"))
        .find(|candidate| candidate.is_file())
}

/// The compiler of rustup's nightly, without letting rustup install one.
fn nightly() -> Option<PathBuf> {
    let mut command = Command::new("rustup");
    command
        .args(["which", "--toolchain", NIGHTLY, "rustc"])
        .env("RUSTUP_AUTO_INSTALL", "0");
    output(&mut command).map(PathBuf::from)
}

/// The distribution's compiler, when it is new enough.
fn distribution() -> Option<PathBuf> {
    let rustc = PathBuf::from(DISTRIBUTION_RUSTC);
    let version = output(Command::new(&rustc).arg("--version"))?;
    let minor = version.strip_prefix("rustc 1.")?.split('.').next()?;
    (minor.parse::<u32>().ok()? >= DISTRIBUTION_MINOR).then_some(rustc)
}

fn has_core_source(rustc: &Path) -> bool {
    let Some(sysroot) = output(Command::new(rustc).args(["--print", "sysroot"])) else {
        return false;
    };
    Path::new(&sysroot)
        .join("lib/rustlib/src/rust/library/core/src/lib.rs")
        .is_file()
}

/// What a command says on its standard output, trimmed; `None` if it fails.
fn output(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
