//! The rules, one test each.

extern crate std;

use core::net::Ipv4Addr;
use core::time::Duration;
use std::vec::Vec;

use super::*;
use crate::ids::{Priority, Version, Vrid};
use crate::time::{Centis, MonoTime};

const SECOND: Duration = Duration::from_secs(1);
const OURS: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 5);
const THEIRS: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 6);

fn at(millis: u64) -> MonoTime {
    MonoTime::ZERO + Duration::from_millis(millis)
}

fn prio(priority: u8) -> Priority {
    Priority::from_wire(priority)
}

fn params(priority: u8) -> Params {
    Params {
        vrid: Vrid::new(51).unwrap(),
        version: Version::V3,
        priority: prio(priority),
        adver_interval: Centis::ONE_SECOND,
        preempt: true,
        down_timer_adverts: 3,
        garp: Garp::default(),
    }
}

fn drain(router: &mut VirtualRouter) -> Vec<Action> {
    core::iter::from_fn(|| router.poll_action()).collect()
}

fn input(router: &mut VirtualRouter, now: MonoTime, input: Input) -> Vec<Action> {
    router.handle_input(now, input);
    drain(router)
}

fn timeout(router: &mut VirtualRouter, now: MonoTime) -> Vec<Action> {
    router.handle_timeout(now);
    drain(router)
}

/// RFC 9568 section 6.4.2: the Active_Down_Timer fires.
#[test]
fn backup_takes_over_when_the_active_down_timer_fires() {
    let mut router = VirtualRouter::new(params(128));
    input(&mut router, at(0), Input::BecameAble { primary: OURS });
    assert_eq!(router.poll_timeout(), Some(at(1500)));
    assert_eq!(timeout(&mut router, at(1500)), [Action::ProveEar]);
    assert_eq!(input(&mut router, at(1501), Input::EarProven), []);
    assert_eq!(router.poll_timeout(), Some(at(3500)));
    assert_eq!(timeout(&mut router, at(3499)), []);
    assert_eq!(
        timeout(&mut router, at(3500)),
        [
            Action::SendAdvert {
                priority: prio(128)
            },
            Action::InstallAddresses { generation: 1 },
            Action::Report(Report::Transition {
                from: StateName::Backup,
                to: StateName::Active,
                why: Why::ActiveDownTimerExpired {
                    last_advert: None,
                    deadline: at(3500),
                },
            }),
        ]
    );
    assert_eq!(router.poll_timeout(), Some(at(3500) + SECOND));
    assert_eq!(
        router.active().map(|active| active.address),
        Some(OURS),
        "not {THEIRS}"
    );
}
