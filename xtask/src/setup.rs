//! Finds what this machine lacks and installs it, saying what it does. Looking costs a few
//! file lookups, so that build, run and test can do it each time.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::{debian, shell, toolchain};

/// The release of bpf-linker that was checked; it knows LLVM 21 to 23.
const BPF_LINKER: &str = "0.13.0";

/// What the machine is wanted for; each includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Purpose {
    /// A linker and an eBPF compiler
    Build,
    /// And what `vip demo` uses
    Demo,
    /// And the daemons and tools that the tests talk to
    Test,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only name what is missing and the command that would install it
    #[arg(long)]
    no_install: bool,
    /// What for
    #[arg(
        long = "for",
        value_enum,
        value_name = "PURPOSE",
        default_value = "demo"
    )]
    purpose: Purpose,
}

/// A program that has to be there.
struct Need {
    purpose: Purpose,
    /// Looked for in PATH, or at its absolute place.
    program: &'static str,
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
    /// A service that comes along and must not start here.
    service: Option<&'static str>,
    why: &'static str,
}

const fn need(
    purpose: Purpose,
    program: &'static str,
    packages: &'static [&'static str],
    why: &'static str,
) -> Need {
    Need {
        purpose,
        program,
        packages,
        service: None,
        why,
    }
}

const NEEDS: &[Need] = &[
    need(Purpose::Build, "cc", &["gcc", "libc6-dev"], "the linker"),
    need(
        Purpose::Demo,
        "ip",
        &["iproute2"],
        "addresses as people see them",
    ),
    need(
        Purpose::Demo,
        "nft",
        &["nftables"],
        "the firewall on both hosts",
    ),
    need(Purpose::Test, "c++", &["g++"], "builds the fuzzer"),
    Need {
        service: Some("keepalived"),
        ..need(
            Purpose::Test,
            "keepalived",
            &["keepalived"],
            "the other router",
        )
    },
    Need {
        service: Some("frr"),
        ..need(
            Purpose::Test,
            "/usr/lib/frr/vrrpd",
            &["frr"],
            "one more router",
        )
    },
    Need {
        service: Some("postgresql"),
        ..need(
            Purpose::Test,
            "/usr/lib/postgresql/15/bin/postgres",
            &["postgresql-15"],
            "what a recipe keeps available",
        )
    },
    Need {
        service: Some("nginx"),
        ..need(
            Purpose::Test,
            "nginx",
            &["nginx"],
            "what another recipe keeps available",
        )
    },
    need(Purpose::Test, "ps", &["procps"], "finds what hangs"),
    need(
        Purpose::Test,
        "tshark",
        &["tshark"],
        "decodes what vip sends",
    ),
    Need {
        service: Some("prometheus"),
        ..need(
            Purpose::Test,
            "promtool",
            &["prometheus"],
            "reads the metrics",
        )
    },
    need(Purpose::Test, "tcpdump", &["tcpdump"], "listens beside vip"),
    need(Purpose::Test, "stress-ng", &["stress-ng"], "load"),
    need(Purpose::Test, "ping", &["iputils-ping"], "a client"),
    need(
        Purpose::Test,
        "arping",
        &["iputils-arping"],
        "asks who has the address",
    ),
    need(Purpose::Test, "ethtool", &["ethtool"], "settings of a port"),
    need(
        Purpose::Test,
        "capsh",
        &["libcap2-bin"],
        "runs vip with few capabilities",
    ),
];

impl Need {
    fn is_met(&self) -> bool {
        if self.program.starts_with('/') {
            Path::new(self.program).exists()
        } else {
            shell::find(self.program).is_some()
        }
    }
}

/// What is missing for a purpose.
struct Missing {
    programs: Vec<&'static Need>,
    ebpf: Option<toolchain::Missing>,
    /// Components of the Rust toolchain that the checks of the source use.
    components: Vec<&'static str>,
}

impl Missing {
    fn find(purpose: Purpose) -> Self {
        let wanted = NEEDS.iter().filter(|need| need.purpose <= purpose);
        let components = if purpose == Purpose::Test {
            missing_components()
        } else {
            Vec::new()
        };
        Self {
            programs: wanted.filter(|need| !need.is_met()).collect(),
            ebpf: toolchain::find(&shell::workspace()).err(),
            components,
        }
    }

    fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.ebpf.is_none() && self.components.is_empty()
    }

    fn packages(&self) -> Vec<String> {
        let packages = self.programs.iter().flat_map(|need| need.packages);
        packages.map(|package| (*package).to_owned()).collect()
    }
}

pub(crate) fn command(args: &Args) -> Result<ExitCode> {
    let missing = Missing::find(args.purpose);
    if missing.is_empty() {
        println!("setup: nothing is missing");
        return Ok(ExitCode::SUCCESS);
    }
    if args.no_install {
        tell(&missing);
        return Ok(ExitCode::FAILURE);
    }
    install(&missing)?;
    println!("setup: done");
    Ok(ExitCode::SUCCESS)
}

/// Sees to it that what `purpose` needs is there; silent where it is.
pub(crate) fn ensure(purpose: Purpose) -> Result<()> {
    let missing = Missing::find(purpose);
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

fn tell(missing: &Missing) {
    for need in &missing.programs {
        println!("missing: {} ({})", need.program, need.why);
    }
    if !missing.programs.is_empty() {
        println!("    {}", install_line(&missing.packages()));
    }
    for component in &missing.components {
        println!("missing: {component}, a component of the Rust toolchain");
        println!("    rustup component add {component}");
    }
    if let Some(lacking) = &missing.ebpf {
        println!("missing: {lacking} (the NIC program), in one of two ways");
        println!("    with rustup, where bpf-linker for the nightly's LLVM is in PATH:");
        println!("        rustup toolchain install nightly --component rust-src");
        match Compiler::of_distribution() {
            Ok(compiler) => {
                println!("    with the distribution's packages:");
                println!("        {}", install_line(&compiler.packages()));
                println!("        {}", shell::line(&compiler.build_linker()));
            }
            Err(reason) => println!("    with the distribution's packages: {reason:#}"),
        }
    }
}

fn install_line(packages: &[String]) -> String {
    if debian::has_apt() {
        debian::install_line(packages)
    } else {
        format!("what Debian calls {}", packages.join(" "))
    }
}

fn install(missing: &Missing) -> Result<()> {
    if !missing.programs.is_empty() {
        if !debian::has_apt() {
            tell(missing);
            bail!("something is missing, and this machine has no apt to install it with");
        }
        let names: Vec<_> = missing.programs.iter().map(|need| need.program).collect();
        println!("setup: missing {}", names.join(", "));
        let services: Vec<_> = missing.programs.iter().filter_map(|n| n.service).collect();
        install_packages(&missing.packages(), &services)?;
    }
    for component in &missing.components {
        println!("setup: rustup component add {component}");
        shell::run(Command::new("rustup").args(["component", "add", component]))?;
    }
    if let Some(lacking) = &missing.ebpf {
        println!("setup: missing {lacking} (the NIC program)");
        install_ebpf()?;
    }
    Ok(())
}

fn install_packages(packages: &[String], services: &[&str]) -> Result<()> {
    println!("setup: {}", debian::install_line(packages));
    if !services.is_empty() {
        println!(
            "setup: (their services are not started: {})",
            services.join(", ")
        );
    }
    debian::install(packages, services)
}

/// The components of the toolchain that is running us lie beside its cargo.
fn missing_components() -> Vec<&'static str> {
    let cargo = env::var_os("CARGO").map(PathBuf::from);
    let Some(directory) = cargo.as_deref().and_then(Path::parent) else {
        return Vec::new();
    };
    let components = [("rustfmt", "cargo-fmt"), ("clippy", "cargo-clippy")];
    let missing = components
        .iter()
        .filter(|(_, program)| !directory.join(program).exists());
    missing.map(|(component, _)| *component).collect()
}

/// First rustup's nightly where a bpf-linker waits for it, else the distribution's compiler.
fn install_ebpf() -> Result<()> {
    if shell::find("bpf-linker").is_some() && shell::find("rustup").is_some() {
        // Bounded: a machine without access to the toolchain server must not wait for it.
        let mut command = Command::new("timeout");
        command.args(["180", "rustup", "toolchain", "install", "nightly"]);
        command.args(["--profile", "minimal", "--component", "rust-src"]);
        command.arg("--no-self-update");
        println!("setup: {}", shell::line(&command));
        match shell::run(&mut command) {
            Ok(()) if toolchain::find(&shell::workspace()).is_ok() => return Ok(()),
            Ok(()) => {
                println!("setup: that nightly does not serve; taking the distribution's compiler")
            }
            Err(error) => println!("setup: {error:#}; taking the distribution's compiler"),
        }
    }
    let compiler = Compiler::of_distribution()?;
    install_packages(&compiler.packages(), &[])?;
    let mut build = compiler.build_linker();
    println!("setup: building the BPF linker: {}", shell::line(&build));
    shell::run(&mut build)?;
    match toolchain::find(&shell::workspace()) {
        Ok(_) => Ok(()),
        Err(lacking) => bail!("installed, and still missing: {lacking}"),
    }
}

/// A compiler and the core sources that belong to it, as Debian packages, and the LLVM that
/// the compiler is built on: bpf-linker has to read what the compiler writes.
struct Compiler {
    rustc: &'static str,
    sources: &'static str,
    llvm: u32,
}

impl Compiler {
    /// rustc-web is the newer compiler that Debian's stable releases build browsers with.
    const PAIRS: [(&'static str, &'static str); 2] =
        [("rustc-web", "rust-web-src"), ("rustc", "rust-src")];

    fn of_distribution() -> Result<Self> {
        if !debian::has_apt() {
            bail!("there is no apt on this machine");
        }
        let wanted = env!("CARGO_PKG_RUST_VERSION");
        let new_enough = || {
            Self::PAIRS.into_iter().find(|(rustc, _)| {
                debian::candidate(rustc).is_some_and(|candidate| is_at_least(&candidate, wanted))
            })
        };
        let pair = match new_enough() {
            Some(pair) => Some(pair),
            None => {
                println!("setup: fetching the package lists");
                debian::update()?;
                new_enough()
            }
        };
        let Some((rustc, sources)) = pair else {
            bail!("neither rustc-web nor rustc of at least {wanted} is known to apt");
        };
        let dependencies = debian::dependencies(rustc)?;
        let llvm = dependencies.iter().find_map(|package| llvm_of(package));
        let llvm = llvm.with_context(|| format!("{rustc} depends on no libllvm"))?;
        Ok(Self {
            rustc,
            sources,
            llvm,
        })
    }

    fn packages(&self) -> Vec<String> {
        let llvm = self.llvm;
        vec![
            self.rustc.to_owned(),
            self.sources.to_owned(),
            format!("llvm-{llvm}-dev"),
            format!("libpolly-{llvm}-dev"),
            "libzstd-dev".to_owned(),
            "g++".to_owned(),
        ]
    }

    /// Without LLVM_PREFIX its build finds another LLVM where there is one.
    fn build_linker(&self) -> Command {
        let llvm = self.llvm;
        let mut command = Command::new("env");
        command.arg(format!("LLVM_PREFIX=/usr/lib/llvm-{llvm}"));
        command.arg("cargo");
        command.args(["install", "--quiet", "--locked", "bpf-linker"]);
        command.args(["--version", BPF_LINKER]);
        command.args(["--no-default-features", "--features"]);
        command.arg(format!("llvm-{llvm}"));
        command
            .arg("--root")
            .arg(shell::workspace().join(toolchain::TOOLS));
        command
    }
}

/// Compares the leading numbers of two versions: `1.96.0+dfsg1-1~deb12u2` is at least `1.95`.
fn is_at_least(version: &str, wanted: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> {
        let text = text.split(|c: char| c != '.' && !c.is_ascii_digit()).next();
        let parts = text.unwrap_or_default().split('.');
        parts.map_while(|part| part.parse().ok()).collect()
    };
    numbers(version) >= numbers(wanted)
}

/// `libllvm22`, in some releases `libllvm17t64`.
fn llvm_of(package: &str) -> Option<u32> {
    let rest = package.strip_prefix("libllvm")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_versions_by_number() {
        assert!(is_at_least("1.96.0+dfsg1-1~deb12u2", "1.95"));
        assert!(is_at_least("1.100.0", "1.95"));
        assert!(is_at_least("1.95.0", "1.95"));
        assert!(!is_at_least("1.85.0+dfsg3-1", "1.95"));
        assert!(!is_at_least("1.63.0", "1.95"));
        assert!(!is_at_least("", "1.95"));
    }

    #[test]
    fn knows_the_llvm_of_a_compiler() {
        assert_eq!(llvm_of("libllvm22"), Some(22));
        assert_eq!(llvm_of("libllvm17t64"), Some(17));
        assert_eq!(llvm_of("llvm-22-dev"), None);
        assert_eq!(llvm_of("libllvm-dev"), None);
    }
}
