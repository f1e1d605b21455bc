//! Addresses: generations, announcements, and an installation that fails.

use super::*;

const ANNOUNCE: Action = Action::Announce { rounds: 5 };

fn schedule(rig: &Rig) -> (Option<MonoTime>, Option<MonoTime>) {
    let Addresses::Installed(announced) = &rig.as_active().addresses else {
        panic!("{:?} has no addresses", rig.router);
    };
    (announced.again, announced.refresh)
}

/// Nothing is announced before the kernel has acknowledged it.
#[test]
fn the_acknowledgement_is_announced() {
    let (mut rig, since) = Rig::active(params(128));
    assert!(matches!(rig.as_active().addresses, Addresses::Installing));
    assert_eq!(rig.input(since + 3, rig.installed()), [ANNOUNCE]);
    assert_eq!(rig.input(since + 4, rig.installed()), [], "once");
    assert_eq!(schedule(&rig), (Some(at(since + 5003)), None));
}

/// The burst is repeated after the delay, once.
#[test]
fn the_burst_is_repeated() {
    let mut params = params(128);
    params.garp.delay = Duration::from_millis(300);
    let (mut rig, since) = Rig::serving(params);
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 300)));
    assert_eq!(rig.timeout(since + 299), []);
    assert_eq!(rig.timeout(since + 300), [ANNOUNCE]);
    assert_eq!(schedule(&rig), (None, None));
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 1000)));
}

#[test]
fn without_a_delay_the_burst_is_not_repeated() {
    let mut params = params(128);
    params.garp.delay = Duration::ZERO;
    let (rig, _) = Rig::serving(params);
    assert_eq!(schedule(&rig), (None, None));
}

#[test]
fn without_rounds_nothing_is_announced() {
    let mut params = params(128);
    (params.garp.repeat, params.garp.lower_prio_repeat) = (0, 0);
    let (mut rig, since) = Rig::active(params);
    assert_eq!(rig.input(since, rig.installed()), []);
    assert_eq!(schedule(&rig), (None, None));
    assert_eq!(rig.hear(since + 5000, THEIRS, 1).len(), 2);
}

/// A refresh has a period and rounds of its own, on a grid without drift.
#[test]
fn the_announcement_is_refreshed() {
    let mut params = params(128);
    params.adver_interval = centis(4000);
    params.garp.delay = Duration::ZERO;
    params.garp.refresh = Some(Duration::from_millis(700));
    params.garp.refresh_repeat = 2;
    let (mut rig, since) = Rig::serving(params);
    let refresh = Action::Announce { rounds: 2 };
    assert_eq!(rig.timeout(since + 699), []);
    assert_eq!(rig.timeout(since + 700), [refresh]);
    assert_eq!(schedule(&rig), (None, Some(at(since + 1400))));
    assert_eq!(rig.timeout(since + 2099), [refresh]);
    assert_eq!(schedule(&rig), (None, Some(at(since + 2100))));
    assert_eq!(rig.timeout(since + 2800), [refresh]);
    assert_eq!(schedule(&rig), (None, Some(at(since + 3500))));
}

/// A burst and a refresh that fall together are one.
#[test]
fn burst_and_refresh_at_once_are_one_announcement() {
    let mut params = params(128);
    params.garp.refresh = Some(Duration::from_millis(2500));
    let (mut rig, since) = Rig::serving(params);
    assert_eq!(
        schedule(&rig),
        (Some(at(since + 5000)), Some(at(since + 2500)))
    );
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 1000)));
    let actions = rig.timeout(since + 2500);
    assert_eq!(actions, [advert(128), Action::Announce { rounds: 1 }]);
    assert_eq!(rig.timeout(since + 5000), [advert(128), ANNOUNCE]);
    assert_eq!(schedule(&rig), (None, Some(at(since + 7500))));
}

/// A refresh of nothing, or of no rounds, would never end: there is none.
#[test]
fn an_empty_refresh_is_none() {
    let mut params = params(128);
    params.garp.refresh = Some(Duration::ZERO);
    assert_eq!(schedule(&Rig::serving(params).0).1, None);
    params.garp.refresh = Some(SECOND);
    params.garp.refresh_repeat = 0;
    assert_eq!(schedule(&Rig::serving(params).0).1, None);
}

/// Yielded before the acknowledgement came: it is undone.
#[test]
fn an_acknowledgement_that_comes_too_late_is_undone() {
    let (mut rig, since) = Rig::active(params(128));
    let installed = rig.installed();
    rig.hear(since + 1, THEIRS, 200);
    let undo = [Action::RemoveAddresses { generation: 1 }];
    assert_eq!(rig.input(since + 2, installed), undo);
    rig.input(since + 3, Input::ShutDown);
    assert_eq!(rig.input(since + 4, installed), undo);
}

/// Active again before the old acknowledgement came: it says nothing about
/// the addresses wanted now, and must not remove them either.
#[test]
fn an_acknowledgement_of_another_generation_is_not_ours() {
    let (mut rig, since) = Rig::active(params(128));
    let old = rig.installed();
    rig.hear(since + 1, THEIRS, 200);
    let again = rig.take_over();
    assert_eq!(rig.router.generation(), 2);
    assert_eq!(rig.input(again + 1, old), []);
    let generation = 1;
    let failed = Input::AddressesFailed { generation };
    assert_eq!(rig.input(again + 2, failed), []);
    assert!(matches!(rig.as_active().addresses, Addresses::Installing));
    assert_eq!(rig.input(again + 3, rig.installed()), [ANNOUNCE]);
}

/// A removal that is done is what was expected.
#[test]
fn a_removal_needs_no_answer() {
    let (mut rig, since) = Rig::active(params(128));
    let generation = 1;
    let removed = Input::AddressesRemoved { generation };
    rig.hear(since + 1, THEIRS, 200);
    assert_eq!(rig.input(since + 2, removed), []);
    assert_eq!(rig.state(), StateName::Backup);
}

/// A failed installation is never a silent Active Router: it leaves, so that
/// another one serves, and comes back after a while.
#[test]
fn a_failed_installation_gives_up_the_role() {
    let (mut rig, since) = Rig::active(params(128));
    let generation = 1;
    let failed = Input::AddressesFailed { generation };
    let retry = at(since + 10_002);
    assert_eq!(
        rig.input(since + 2, failed),
        [
            RESIGN,
            Action::RemoveAddresses { generation: 1 },
            transition(
                StateName::Active,
                StateName::Initialize,
                Why::AddressesFailed { retry }
            ),
        ]
    );
    assert_eq!(rig.router.poll_timeout(), Some(retry));
    assert_eq!(rig.router.deadline(), Some(retry));
    assert_eq!(rig.input(since + 3, failed), [], "once");
    // The link was up all along; hearing so again does not mend it.
    rig.input(since + 4, Input::BecameAble { primary: OTHERS });
    assert_eq!(rig.router.primary(), OTHERS);
    assert_eq!(rig.timeout(since + 10_001), []);
    assert_eq!(
        rig.timeout(since + 10_002),
        [transition(
            StateName::Initialize,
            StateName::Backup,
            Why::Recovered {
                fault: Fault::AddressesNotInstalled,
            }
        )]
    );
    assert_eq!(rig.router.deadline(), Some(at(since + 13_502)));
}

/// Addresses that were there and are taken away count the same.
#[test]
fn addresses_lost_later_give_up_the_role() {
    let (mut rig, since) = Rig::serving(params(128));
    let generation = 1;
    let failed = Input::AddressesFailed { generation };
    assert_eq!(rig.input(since + 9000, failed).first(), Some(&RESIGN));
    assert_eq!(rig.router.poll_timeout(), Some(at(since + 19_000)));
}

/// Each failure in a row doubles the wait, up to 320 s; a success starts anew.
#[test]
fn failures_in_a_row_wait_longer() {
    let mut rig = Rig::backup(params(128));
    let mut waits = Vec::new();
    for round in 0..8 {
        let since = rig.take_over();
        if round == 7 {
            rig.input(since, rig.installed());
        }
        let generation = rig.router.generation();
        rig.input(since, Input::AddressesFailed { generation });
        let retry = rig.router.deadline().unwrap();
        waits.push(retry.since(at(since)).as_secs());
        rig.timeout(retry.as_nanos().div_ceil(1_000_000));
        assert_eq!(rig.state(), StateName::Backup);
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 320, 10]);
}

/// Another fault takes the place of the wait, and its end ends both.
#[test]
fn a_fault_while_waiting_replaces_the_wait() {
    let (mut rig, since) = Rig::active(params(128));
    let generation = 1;
    rig.input(since, Input::AddressesFailed { generation });
    let fault = Fault::AddressesNotInstalled;
    assert_eq!(
        rig.input(since + 1, Input::BecameUnable { fault }).len(),
        1,
        "the same fault, but no longer one that ends by itself"
    );
    assert_eq!(rig.router.poll_timeout(), None);
    let fault = Fault::LinkDown;
    rig.input(since + 2, Input::BecameUnable { fault });
    rig.input(since + 3, Input::BecameAble { primary: OURS });
    assert_eq!(rig.state(), StateName::Backup);
}

/// The owner comes back as Active, as at its start.
#[test]
fn the_owner_retries_as_active() {
    let mut rig = Rig::new(params(255));
    rig.input(0, Input::BecameAble { primary: OURS });
    let generation = 1;
    rig.input(5, Input::AddressesFailed { generation });
    assert_eq!(rig.timeout(10_004), []);
    assert_eq!(
        rig.timeout(10_005),
        [
            advert(255),
            Action::InstallAddresses { generation: 2 },
            transition(StateName::Initialize, StateName::Active, Why::AddressOwner),
        ]
    );
}
