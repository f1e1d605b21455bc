//! Section 6.4.1, Initialize: waiting for the Startup event.

use super::*;

/// Until the Startup event nothing is sent, no timer runs and no advert counts.
#[test]
fn rfc9568_6_4_1_initialize_waits_for_startup() {
    for priority in [100, 255] {
        let mut router = Router::new(one_second(priority));
        assert_eq!(router.router.poll_timeout(), None);
        for heard in [0, 1, 255] {
            assert_eq!(router.heard(10, HIGHER, heard), []);
        }
        assert_eq!(router.passed(1_000_000), []);
        assert_eq!(router.name(), StateName::Initialize);
    }
}

/// The address owner sends an advert at once.
#[test]
fn rfc9568_6_4_1_owner_sends_an_advert_at_startup() {
    let mut router = Router::new(one_second(255));
    let actions = router.told(5, Input::BecameAble { primary: OURS });
    assert_eq!(actions[0], advert(255));
}

/// ... tells the neighbours of each address, by gratuitous ARP or unsolicited
/// neighbour advertisements: as soon as the kernel has them, not before.
#[test]
fn rfc9568_6_4_1_owner_announces_its_addresses_at_startup() {
    for [primary, ..] in FAMILIES {
        let mut router = Router::new(one_second(255));
        let actions = router.told(5, Input::BecameAble { primary });
        assert_eq!(
            deeds(&actions)[1],
            Action::InstallAddresses { generation: 1 }
        );
        let actions = router.told(6, Input::AddressesInstalled { generation: 1 });
        assert_eq!(actions, [Action::Announce { rounds: 5 }]);
    }
}

/// ... sets Adver_Timer to Advertisement_Interval and is Active.
#[test]
fn rfc9568_6_4_1_owner_becomes_active_at_startup() {
    let mut router = Router::new(one_second(255));
    router.told(5, Input::BecameAble { primary: OURS });
    assert_eq!(router.name(), StateName::Active);
    assert_eq!(router.router.poll_timeout(), Some(at(1005)));
}

/// Anybody else takes its own interval for the Active Router's.
#[test]
fn rfc9568_6_4_1_others_assume_their_own_interval_at_startup() {
    let params = params(Version::V3, 128, centis(300));
    let router = Router::backup(params, OURS);
    assert_eq!(router.as_backup().active_adver_interval, centis(300));
}

/// ... sets Active_Down_Timer to Active_Down_Interval, sends nothing and is
/// Backup.
#[test]
fn rfc9568_6_4_1_others_become_backup_at_startup() {
    for [primary, ..] in FAMILIES {
        let mut router = Router::new(one_second(128));
        let actions = router.told(5, Input::BecameAble { primary });
        assert_eq!(deeds(&actions), []);
        assert_eq!(router.name(), StateName::Backup);
        assert_eq!(router.router.deadline(), Some(at(5 + 3500)));
    }
}

/// Section 6.1: Active_Down_Interval is three of the Active Router's intervals
/// and Skew_Time, which is the share of one interval that the priority lacks.
#[test]
fn rfc9568_6_1_active_down_interval_and_skew() {
    for (priority, interval, nanos) in [
        (1, 100, 3_996_093_750),
        (100, 100, 3_609_375_000),
        (254, 100, 3_007_812_500),
        (100, 1, 36_093_750),
        (128, 4095, 143_325_000_000),
    ] {
        let router = Router::backup(params(Version::V3, priority, centis(interval)), OURS);
        let down = Duration::from_nanos(nanos);
        assert_eq!(router.router.deadline(), Some(at(0) + down), "{priority}");
    }
}
