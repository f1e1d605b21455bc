//! `cargo xtask docs`: writes the pages of docs/ that come out of the code.

use std::process::ExitCode;

use anyhow::Result;

use crate::shell;

/// Runs the tests that hold the pages against the code, and lets them write.
pub(crate) fn command() -> Result<ExitCode> {
    let mut cargo = shell::cargo();
    cargo
        .args(["test", "--package", "vip-userspace", "--lib"])
        .arg("the_page_in_docs_is_this_one")
        .env("VIP_RENEW_DOCS", "1");
    shell::run(&mut cargo)?;
    println!("docs/configuration.md and docs/metrics.md are up to date");
    Ok(ExitCode::SUCCESS)
}
