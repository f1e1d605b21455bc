//! keepalived as the other node: election, failover and return, both ways
//! round, both versions.

use nix::sys::signal::Signal;
use vip::lab::pair::{NODE_A, NODE_B, Pair, VIRTUAL, VRID};
use vip::lab::{Host, LabError, PATIENCE, Process, now};
use vip_tests::Tested;
use vip_tests::peer::keepalived;
use vip_tests::scene::{fast, up, vip_program, wait_for_address};

/// Who runs on a host.
#[derive(Clone, Copy, PartialEq)]
enum Make {
    Vip,
    Keepalived,
}

impl Make {
    fn start(self, pair: &Pair, host: &Host, text: &str) -> Result<Process, LabError> {
        match self {
            Self::Vip => {
                let daemon = pair.start(host, text)?;
                up(&daemon)?;
                Ok(daemon)
            }
            Self::Keepalived => {
                let daemon = keepalived(host, text)?;
                daemon
                    .wait_for_line("Entering BACKUP STATE", PATIENCE)
                    .map_err(|error| LabError::TooLate {
                        what: format!("{error}; it said: {}", daemon.stderr()),
                        bound: PATIENCE,
                    })?;
                Ok(daemon)
            }
        }
    }
}

/// `owner` alone has the address, and only `owner` advertises.
fn settled(pair: &Pair, owner: &Host, other: &Host) -> Tested {
    wait_for_address(owner, VIRTUAL, true)?;
    wait_for_address(other, VIRTUAL, false)?;
    let since = now();
    let mut last = since;
    for _ in 0..3 {
        let port = owner.port();
        let next = pair
            .capture
            .wait_for("the owner's advert", since, PATIENCE, |frame| {
                frame.is_from(port) && frame.advert(VRID).is_some() && frame.stamp > last
            })?;
        last = next.stamp;
    }
    let port = other.port();
    let doubles = pair.capture.select(|frame| {
        frame.is_from(port) && frame.advert(VRID).is_some() && frame.stamp >= since
    });
    assert!(doubles.is_empty(), "both advertise: {doubles:?}");
    Ok(())
}

/// A has the higher priority.
fn elects_fails_over_and_returns(on_a: Make, on_b: Make, file_a: &str, file_b: &str) -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let Pair { a, b, .. } = &pair;
    let daemon_b = on_b.start(&pair, b, file_b)?;
    let daemon_a = on_a.start(&pair, a, file_a)?;
    settled(&pair, a, b)?;

    // A crash of the host.
    daemon_a.signal(Signal::SIGKILL);
    a.cut()?;
    wait_for_address(b, VIRTUAL, true)?;
    drop(daemon_a);
    a.boot()?;
    settled(&pair, b, a)?;

    // Back, and a planned leave.
    let daemon_a = on_a.start(&pair, a, file_a)?;
    settled(&pair, a, b)?;
    let left = now();
    daemon_a.signal(Signal::SIGTERM);
    let port = b.port();
    pair.capture
        .wait_for("A's leave at B's port", left, PATIENCE, |frame| {
            frame.is_to(port) && frame.advert(VRID) == Some(0)
        })?;
    assert_eq!(daemon_a.wait(PATIENCE)?.code, Some(0));
    settled(&pair, b, a)?;

    // Back once more, and the Backup leaves without anybody noticing.
    let _daemon_a = on_a.start(&pair, a, file_a)?;
    settled(&pair, a, b)?;
    daemon_b.signal(Signal::SIGTERM);
    assert_eq!(daemon_b.wait(PATIENCE)?.code, Some(0));
    settled(&pair, a, b)
}

#[test]
fn version_2_with_password_against_a_keepalived_backup() -> Tested {
    elects_fails_over_and_returns(Make::Vip, Make::Keepalived, NODE_A, NODE_B)
}

#[test]
fn version_2_with_password_against_a_keepalived_master() -> Tested {
    elects_fails_over_and_returns(Make::Keepalived, Make::Vip, NODE_A, NODE_B)
}

#[test]
fn version_3_against_a_keepalived_backup() -> Tested {
    elects_fails_over_and_returns(Make::Vip, Make::Keepalived, &fast(100), &fast(90))
}

#[test]
fn version_3_against_a_keepalived_master() -> Tested {
    elects_fails_over_and_returns(Make::Keepalived, Make::Vip, &fast(100), &fast(90))
}
