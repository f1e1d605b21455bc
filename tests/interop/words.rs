//! The transition lines of the log, held against keepalived's: alerts look for
//! them.

use nix::sys::signal::Signal;
use vip::lab::pair::{Pair, VIRTUAL};
use vip::lab::{LabError, PATIENCE, Process, now};
use vip_common::time::MonoTime;
use vip_tests::Tested;
use vip_tests::peer::keepalived;
use vip_tests::scene::{fast, last_state_lines, up, vip_program, wait_for_address};

/// The life of a Backup: alone it becomes master, gives way to a better one,
/// takes over from it, loses its cable and finds it again, and ends.
fn life(start: impl Fn(&Pair) -> Result<Process, LabError>) -> Result<Vec<String>, LabError> {
    let pair = Pair::new(vip_program(), "auto")?;
    let Pair { a, b, .. } = &pair;
    let subject = start(&pair)?;
    wait_for_address(b, VIRTUAL, true)?;
    let announced = format!("Sending gratuitous ARP on eth0 for {VIRTUAL}");
    subject.wait_for_line(&announced, PATIENCE)?;
    let better = pair.start(a, &fast(200))?;
    up(&better)?;
    wait_for_address(a, VIRTUAL, true)?;
    wait_for_address(b, VIRTUAL, false)?;
    let cut = now();
    better.signal(Signal::SIGKILL);
    a.cut()?;
    subject.wait_for_line_after("Entering MASTER STATE", cut, PATIENCE)?;
    wait_for_address(b, VIRTUAL, true)?;
    let pulled = now();
    b.cut()?;
    subject.wait_for_line_after("FAULT", pulled, PATIENCE)?;
    wait_for_address(b, VIRTUAL, false)?;
    let mended = now();
    b.mend()?;
    subject.wait_for_line_after("Entering MASTER STATE", mended, PATIENCE)?;
    Ok(last_state_lines(&subject, MonoTime::ZERO))
}

#[test]
fn the_same_life_is_told_in_the_same_words() -> Tested {
    let ours = life(|pair| pair.start(&pair.b, &fast(90)))?;
    let theirs = life(|pair| keepalived(&pair.b, &fast(90)))?;
    assert_eq!(ours, theirs);
    assert!(
        ours.contains(&"(VI_1) Entering MASTER STATE".to_owned()),
        "{ours:?}"
    );
    Ok(())
}
