//! Section 6.4.2, Backup: watching the Active Router.

use super::*;

/// A Backup does not have the addresses, and so neither answers for them (ARP,
/// neighbour solicitations) nor accepts what is sent to them; nor does it
/// announce or advertise anything.
#[test]
fn rfc9568_6_4_2_backup_has_no_addresses_and_says_nothing() {
    for [primary, higher, lower] in FAMILIES {
        let mut router = Router::backup(one_second(128), primary);
        for (millis, source, priority) in [
            (100, higher, 200),
            (200, lower, 128),
            (300, lower, 1),
            (400, higher, 0),
        ] {
            assert_eq!(deeds(&router.heard(millis, source, priority)), []);
        }
        assert_eq!(router.router.generation(), 0);
    }
}

/// What it had as Active it gives up; until the next one has it, for one interval
/// and 100 ms at most, it serves those who have not heard yet, and answers
/// nobody any more. That much more than the letter we do, so that a client
/// notices nothing.
#[test]
fn rfc9568_6_4_2_backup_gives_up_what_it_had() {
    let mut router = Router::active(one_second(128), OURS);
    let actions = router.heard(4500, HIGHER, 200);
    assert_eq!(deeds(&actions), [Action::Withhold { on: true }]);
    router.told(4501, Input::AddressClaimed { stamp: at(4501) });
    let remove = Action::RemoveAddresses { generation: 1 };
    assert_eq!(deeds(&router.passed(4521)), [remove]);
    // Without its claim:
    let mut router = Router::active(one_second(128), OURS);
    router.heard(4500, HIGHER, 200);
    router.passed(5550);
    assert!(router.passed(5600).contains(&remove));
}

/// Shutdown: the timer ends, nothing is sent, Initialize.
#[test]
fn rfc9568_6_4_2_shutdown_leads_to_initialize() {
    let mut router = Router::backup(one_second(128), OURS);
    let actions = router.told(100, Input::ShutDown);
    assert_eq!(deeds(&actions), []);
    assert_eq!(router.name(), StateName::Initialize);
    assert_eq!(router.router.poll_timeout(), None);
}

/// Active_Down_Timer fires: an advert, the addresses and, once they are there,
/// gratuitous ARP or unsolicited neighbour advertisements for each.
#[test]
fn rfc9568_6_4_2_down_timer_sends_an_advert_and_announces() {
    for [primary, ..] in FAMILIES {
        let mut router = Router::backup(one_second(128), primary);
        router.told(3400, Input::EarProven);
        let install = Action::InstallAddresses { generation: 1 };
        assert_eq!(deeds(&router.passed(3500)), [advert(128), install]);
        let actions = router.told(3501, Input::AddressesInstalled { generation: 1 });
        assert_eq!(actions, [Action::Announce { rounds: 5 }]);
    }
}

/// ... Adver_Timer is set to Advertisement_Interval, and we are Active. Not a
/// moment earlier.
#[test]
fn rfc9568_6_4_2_down_timer_leads_to_active() {
    let mut router = Router::backup(one_second(128), OURS);
    router.told(3400, Input::EarProven);
    assert_eq!(router.passed(3499), []);
    assert_eq!(router.name(), StateName::Backup);
    router.passed(3500);
    assert_eq!(router.name(), StateName::Active);
    assert_eq!(router.router.poll_timeout(), Some(at(4500)));
}

/// More than the letter: a silence is believed only where an advert would have
/// been heard.
#[test]
fn rfc9568_6_4_2_down_timer_needs_an_ear() {
    let mut router = Router::backup(one_second(128), OURS);
    assert_eq!(router.passed(1500), [Action::ProveEar]);
    assert_eq!(deeds(&router.passed(3500)), [Action::ProveEar]);
    assert_eq!(router.name(), StateName::Backup);
}

/// Priority zero: Active_Down_Timer is set to Skew_Time.
#[test]
fn rfc9568_6_4_2_priority_zero_leaves_skew_time() {
    for [primary, higher, _] in FAMILIES {
        let mut router = Router::backup(one_second(128), primary);
        router.heard(1000, higher, 200);
        router.heard(2000, higher, 0);
        assert_eq!(router.router.deadline(), Some(at(2500)));
        assert_eq!(router.passed(2500)[0], advert(128));
    }
}

/// Priority zero does not prolong a timer that would have ended before.
#[test]
fn rfc9568_6_4_2_priority_zero_prolongs_nothing() {
    let mut router = Router::backup(one_second(128), OURS);
    router.heard(1000, HIGHER, 0);
    router.heard(1400, HIGHER, 0);
    assert_eq!(router.router.deadline(), Some(at(1500)));
}

/// A priority at least ours: Active_Adver_Interval is the advert's, Skew_Time and
/// Active_Down_Interval follow it, and the timer starts anew.
#[test]
fn rfc9568_6_4_2_equal_or_higher_priority_restarts_the_timer() {
    for [primary, higher, lower] in FAMILIES {
        for (source, priority) in [(higher, 128), (lower, 128), (lower, 129), (higher, 255)] {
            let mut router = Router::backup(one_second(128), primary);
            router.heard_at(1000, source, priority, centis(200));
            assert_eq!(router.as_backup().active_adver_interval, centis(200));
            assert_eq!(router.router.deadline(), Some(at(1000 + 7000)));
        }
    }
}

/// Without Preempt_Mode a lower priority does the same.
#[test]
fn rfc9568_6_4_2_without_preempt_mode_any_priority_restarts_the_timer() {
    let mut params = one_second(128);
    params.preempt = false;
    let mut router = Router::backup(params, OURS);
    router.heard_at(1000, LOWER, 1, centis(200));
    assert_eq!(router.as_backup().active_adver_interval, centis(200));
    assert_eq!(router.router.deadline(), Some(at(1000 + 7000)));
}

/// With Preempt_Mode a lower priority is discarded: the timer runs on, nothing
/// is learned, and at its end we take over.
#[test]
fn rfc9568_6_4_2_with_preempt_mode_a_lower_priority_is_discarded() {
    for [primary, higher, _] in FAMILIES {
        let mut router = Router::backup(one_second(128), primary);
        for millis in [1000, 2000, 3000] {
            router.heard_at(millis, higher, 127, centis(200));
            assert_eq!(router.router.deadline(), Some(at(3500)));
        }
        assert_eq!(router.as_backup().active_adver_interval, Centis::ONE_SECOND);
        let actions = router.passed(3500);
        assert_eq!(actions[0], advert(128));
        let why = transition(&actions).map(|(.., why)| why);
        assert!(matches!(why, Some(Why::Preempting { .. })), "{why:?}");
    }
}

/// Section 6.1: the address owner preempts whatever Preempt_Mode says.
#[test]
fn rfc9568_6_1_the_owner_preempts_without_preempt_mode() {
    let mut params = one_second(255);
    params.preempt = false;
    let mut router = Router::new(params);
    router.told(4000, Input::BecameAble { primary: OURS });
    router.told(4001, Input::AddressesInstalled { generation: 1 });
    router.heard(4500, HIGHER, 255);
    assert_eq!(router.name(), StateName::Backup);
    let deadline = router.router.deadline();
    router.heard(5000, HIGHER, 254);
    assert_eq!(router.router.deadline(), deadline);
}
