//! What `vip init` writes: keepalived finds nothing to say about it, and vip on
//! one node and keepalived on the other elect with it.

use vip::lab::pair::{ADDRESS_B, Pair, VIRTUAL};
use vip::lab::{Host, LabError, PATIENCE};
use vip_tests::Tested;
use vip_tests::peer::{keepalived, keepalived_program};
use vip_tests::scene::{up, vip_program, wait_for_address};

/// What `vip init` on A writes, for A and B.
fn written(pair: &Pair, options: &[&str]) -> Result<[String; 2], LabError> {
    let program = pair.program.to_string_lossy();
    let (address, peer) = (format!("{VIRTUAL}/24"), ADDRESS_B.to_string());
    #[rustfmt::skip]
    let mut argv = vec![
        &*program, "init", "--interface", "eth0", "--address", &address, "--peer", &peer,
        "--output", "/run", "--force",
    ];
    argv.extend(options);
    let done = pair.a.output(argv)?;
    assert_eq!(done.stderr, "", "a sound network leaves nothing to remark");
    done.success()?;
    Ok([
        read(pair, "/run/node-a.conf")?,
        read(pair, "/run/node-b.conf")?,
    ])
}

fn read(pair: &Pair, path: &str) -> Result<String, LabError> {
    pair.a.output(["cat", path])?.success()
}

/// Nothing but a good exit code counts, and silence.
fn keepalived_accepts(host: &Host, text: &str) -> Tested {
    host.write("/run/tried.conf", text)?;
    let tried = host.output([
        &*keepalived_program().to_string_lossy(),
        "--config-test",
        "--log-console",
        "--log-detail",
        "--use-file",
        "/run/tried.conf",
    ])?;
    assert_eq!(tried.code(), Some(0), "{}{text}", tried.stderr);
    assert_eq!(tried.stderr, "", "{text}");
    Ok(())
}

#[test]
fn keepalived_finds_nothing_to_say() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    for options in [
        &[][..],
        &["--version", "2"],
        &["--version", "2", "--nopreempt", "--interval", "2s"],
        &["--address", "192.168.8.101/24", "--interval", "10ms"],
        &["--nopreempt", "--name", "web-1.example", "--vrid", "255"],
    ] {
        let [a, b] = written(&pair, options)?;
        keepalived_accepts(&pair.a, &a)?;
        keepalived_accepts(&pair.b, &b)?;
    }
    Ok(())
}

#[test]
fn vip_and_keepalived_elect_with_it() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let [file_a, file_b] = written(&pair, &[])?;
    let _on_b = keepalived(&pair.b, &file_b)?;
    wait_for_address(&pair.b, VIRTUAL, true)?;
    let on_a = pair.start(&pair.a, &file_a)?;
    up(&on_a)?;
    wait_for_address(&pair.a, VIRTUAL, true)?;
    wait_for_address(&pair.b, VIRTUAL, false)?;
    on_a.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(on_a.wait(PATIENCE)?.code, Some(0));
    wait_for_address(&pair.b, VIRTUAL, true)
}
