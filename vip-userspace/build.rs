//! Builds the programs in the kernel and leaves them where `dataplane` and `watch`
//! embed them.
//!
//! Without a compiler for eBPF it leaves an empty stub, so that `cargo check`
//! and an editor work on any machine; `dataplane::STUB` is true then and the
//! binary says so.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

#[path = "../xtask/src/toolchain.rs"]
#[expect(unreachable_pub, reason = "a module of xtask, used from here too")]
mod toolchain;

/// The programs of the package, and the names of their objects in `OUT_DIR`.
const OBJECTS: [(&str, &str); 3] = [
    ("vip", "vip.bpf.o"),
    ("vip-trace", "vip-trace.bpf.o"),
    ("vip-sights", "vip-sights.bpf.o"),
];

fn main() {
    // perf finds tracepoints by the place of another section: that is right where code and
    // data are as far from their places in the file as each other.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,separate-loadable-segments");
    println!("cargo::rustc-check-cfg=cfg(ebpf_stub)");
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let Some(workspace) = manifest.parent() else {
        fail("this package has no workspace above it");
    };
    let out = PathBuf::from(variable("OUT_DIR"));
    watch_sources(workspace);
    match toolchain::find(workspace) {
        Ok(rung) => {
            watch(rung.linker());
            watch(rung.rustc());
            build(&rung, workspace, &out);
        }
        Err(missing) => {
            watch_setup(workspace);
            println!("cargo::rustc-cfg=ebpf_stub");
            println!(
                "cargo::warning=no program at the NIC in this build: {missing} not found; \
                 `cargo xtask setup` installs it"
            );
            for (_, object) in OBJECTS {
                if let Err(error) = fs::write(out.join(object), []) {
                    fail(&format!("cannot write the stub object: {error}"));
                }
            }
        }
    }
}

/// Builds the eBPF package and copies the object.
fn build(rung: &toolchain::Rung, workspace: &Path, out: &Path) {
    let package = workspace.join("vip-ebpf");
    let target = toolchain::target(&variable("CARGO_CFG_TARGET_ENDIAN"));
    // Beside the profiles of the outer build, so that they share one object:
    // OUT_DIR is <target directory>/<profile>/build/<package>/out.
    let target_dir = out.ancestors().nth(4).unwrap_or(out).join("ebpf");
    let status = rung
        .cargo(Path::new(&variable("CARGO")))
        .current_dir(&package)
        .args([
            "build",
            "--release",
            "--locked",
            "-Z",
            "build-std=core",
            "--target",
            target,
        ])
        .arg("--target-dir")
        .arg(&target_dir)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!(
            "the eBPF program does not build with {rung}: {status}; what cargo said is above"
        )),
        Err(error) => fail(&format!("cannot run cargo for the eBPF program: {error}")),
    }
    for (program, object) in OBJECTS {
        let built = target_dir.join(target).join("release").join(program);
        if let Err(error) = fs::copy(&built, out.join(object)) {
            fail(&format!("cannot copy {}: {error}", built.display()));
        }
    }
}

/// Everything that the object is made of.
fn watch_sources(workspace: &Path) {
    for source in [
        "vip-userspace/build.rs",
        "xtask/src/toolchain.rs",
        "vip-ebpf/src",
        "vip-ebpf/Cargo.toml",
        "vip-ebpf/Cargo.lock",
        "vip-common/src/lib.rs",
        "vip-common/src/ids.rs",
        "vip-common/src/layout.rs",
        "vip-common/src/layout",
        "vip-common/src/reject.rs",
        "vip-common/src/time.rs",
        "vip-common/src/wire",
        "vip-common/Cargo.toml",
    ] {
        watch(&workspace.join(source));
    }
}

/// Where the tools will appear. cargo reruns a build script for ever when a
/// watched path does not exist, so the directory is made.
fn watch_setup(workspace: &Path) {
    let tools = workspace.join(toolchain::TOOLS).join("bin");
    if fs::create_dir_all(&tools).is_ok() {
        watch(&tools);
    }
    println!("cargo::rerun-if-env-changed=PATH");
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| fail(&format!("{name}: {error}")))
}

fn fail(why: &str) -> ! {
    println!("cargo::error={why}");
    process::exit(1);
}
