//! A short walk through random faults, moves and reloads; `cargo xtask test
//! chaos` is the long one.

use std::time::Duration;

use vip_tests::Tested;
use vip_tests::chaos::{Plan, run};
use vip_tests::scene::{FAST, vip_program};

/// The walk that is taken unless `VIP_TEST_SEED` names another.
const SEED: u64 = 4;
/// A machine that runs other tests at the same time is not judged by its
/// milliseconds: what lasts longer than this lasts for ever.
const PATIENT: Duration = Duration::from_secs(3);

#[test]
fn faults_moves_and_reloads() -> Tested {
    let seed = std::env::var("VIP_TEST_SEED");
    let plan = Plan {
        program: vip_program(),
        seed: seed.ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED),
        faults: 15,
        interval: FAST,
    };
    let mut report = run(&plan, |line| println!("{line}"))?;
    report.breaches.retain(|breach| breach.run.span() > PATIENT);
    assert!(report.is_good(), "{report}");
    Ok(())
}
