//! Section 6.4.3, Active: serving the addresses.

use super::*;

/// An Active Router has the addresses, and so answers for them (ARP, neighbour
/// solicitations) and forwards what is sent to them, for as long as it is one.
/// (`accept` and `no_accept` are the kernel's part.)
#[test]
fn rfc9568_6_4_3_active_has_the_addresses() {
    let mut router = Router::active(one_second(128), OURS);
    assert_eq!(router.router.generation(), 1);
    for second in 5..50 {
        let actions = router.passed(second * 1000);
        let gives = |action: &Action| {
            matches!(
                action,
                Action::RemoveAddresses { .. } | Action::Withhold { .. }
            )
        };
        assert!(!actions.iter().any(gives));
    }
    assert!(!router.router.is_withheld());
}

/// Shutdown: Adver_Timer ends, an advert of priority zero is sent, Initialize.
/// The addresses stay until the next one has them, one interval and 100 ms at
/// most.
#[test]
fn rfc9568_6_4_3_shutdown_sends_priority_zero() {
    for [primary, ..] in FAMILIES {
        let mut router = Router::active(one_second(128), primary);
        assert_eq!(deeds(&router.told(4500, Input::ShutDown)), [advert(0)]);
        assert_eq!(router.name(), StateName::Initialize);
        let remove = Action::RemoveAddresses { generation: 1 };
        assert_eq!(router.passed(5599), []);
        assert_eq!(deeds(&router.passed(5600)), [remove]);
        assert_eq!(router.router.poll_timeout(), None);
    }
}

/// Adver_Timer fires: an advert, and the timer anew; on a grid, so that lateness
/// does not add up.
#[test]
fn rfc9568_6_4_3_adver_timer_sends_an_advert() {
    let mut router = Router::active(one_second(128), OURS);
    assert_eq!(router.passed(4999), []);
    assert_eq!(router.passed(5003), [advert(128)]);
    assert_eq!(router.router.poll_timeout(), Some(at(6000)));
    assert_eq!(router.passed(6000), [advert(128)]);
}

/// Priority zero: an advert at once, and Adver_Timer anew. Beyond the RFC, who
/// leaves hears that the addresses are here already, and keeps them no longer.
#[test]
fn rfc9568_6_4_3_priority_zero_is_answered() {
    for [primary, higher, lower] in FAMILIES {
        for source in [higher, lower] {
            let mut router = Router::active(one_second(128), primary);
            let once_more = Action::Announce { rounds: 1 };
            let answer = deeds(&router.heard(4600, source, 0));
            assert_eq!(answer, [advert(128), once_more]);
            assert_eq!(router.name(), StateName::Active);
            assert_eq!(router.router.poll_timeout(), Some(at(5600)));
        }
    }
}

/// A higher priority, whoever sends it: Adver_Timer ends, the interval is
/// learned, Active_Down_Timer is set, Backup. Nothing is sent.
#[test]
fn rfc9568_6_4_3_higher_priority_leads_to_backup() {
    for [primary, higher, lower] in FAMILIES {
        for source in [higher, lower] {
            let mut router = Router::active(one_second(128), primary);
            let actions = router.heard_at(4600, source, 129, centis(200));
            assert!(
                !actions
                    .iter()
                    .any(|action| matches!(action, Action::SendAdvert { .. }))
            );
            assert_eq!(router.name(), StateName::Backup);
            assert_eq!(router.as_backup().active_adver_interval, centis(200));
            assert_eq!(router.router.deadline(), Some(at(4600 + 7000)));
        }
    }
}

/// Equal priority and a higher address: the same.
#[test]
fn rfc9568_6_4_3_equal_priority_and_higher_address_lead_to_backup() {
    for [primary, higher, _] in FAMILIES {
        let mut router = Router::active(one_second(128), primary);
        let actions = router.heard(4600, higher, 128);
        let why = transition(&actions).map(|(.., why)| why);
        assert!(matches!(why, Some(Why::HigherAddress { .. })), "{why:?}");
        assert_eq!(router.name(), StateName::Backup);
    }
}

/// Addresses are compared as unsigned numbers, most significant byte first.
#[test]
fn rfc9568_6_4_3_addresses_are_compared_in_network_order() {
    let v4 = |bytes: [u8; 4]| IpAddr::from(bytes);
    for (ours, theirs, yields) in [
        (v4([10, 0, 0, 200]), v4([200, 0, 0, 1]), true),
        (v4([200, 0, 0, 1]), v4([10, 0, 0, 200]), false),
        (v4([10, 0, 0, 127]), v4([10, 0, 0, 128]), true),
        (v4([10, 1, 0, 0]), v4([10, 0, 255, 255]), false),
    ] {
        let mut router = Router::active(one_second(128), ours);
        router.heard(4600, theirs, 128);
        assert_eq!(
            router.name() == StateName::Backup,
            yields,
            "{ours} {theirs}"
        );
    }
}

/// A lower priority, or an equal one from a lower address, is discarded and
/// answered with an advert at once, so that the sender gives up and bridges
/// learn where the addresses are. (`lower_prio_no_advert` turns that off.)
#[test]
fn rfc9568_6_4_3_lower_priority_is_answered_and_discarded() {
    for [primary, higher, lower] in FAMILIES {
        for (source, priority) in [(higher, 127), (lower, 127), (lower, 128), (higher, 1)] {
            let mut router = Router::active(one_second(128), primary);
            let actions = router.heard_at(4600, source, priority, centis(200));
            assert_eq!(actions[0], advert(128));
            assert_eq!(router.name(), StateName::Active);
        }
    }
}

/// Preempt_Mode has no say here: whoever is outranked yields.
#[test]
fn rfc9568_6_4_3_preempt_mode_does_not_matter() {
    let mut params = one_second(128);
    params.preempt = false;
    let mut router = Router::active(params, OURS);
    router.heard(4600, LOWER, 129);
    assert_eq!(router.name(), StateName::Backup);
}

/// More than the letter: at most one answer per half interval, so that a flood
/// is not amplified; the last one is answered still.
#[test]
fn rfc9568_6_4_3_a_flood_is_not_amplified() {
    let mut router = Router::active(one_second(128), OURS);
    let mut answers = 0;
    for millis in 4100..4900 {
        answers += deeds(&router.heard(millis, LOWER, 1))
            .iter()
            .filter(|action| matches!(action, Action::SendAdvert { .. }))
            .count();
    }
    assert_eq!(answers, 2);
    assert_eq!(deeds(&router.passed(5100)).first(), Some(&advert(128)));
}
