//! A few reloads under the eyes of the other node; `cargo xtask test reloads` is
//! the long form, with the clock.

use vip_tests::Tested;
use vip_tests::reloads::run;
use vip_tests::scene::{FAST, vip_program};

#[test]
fn many_reloads_move_nothing() -> Tested {
    let report = run(&vip_program(), FAST, 10)?;
    assert!(report.is_calm(), "{report}");
    Ok(())
}
