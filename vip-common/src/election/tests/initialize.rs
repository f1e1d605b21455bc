//! RFC 9568 section 6.4.1, and the ways into Initialize.

use super::*;

/// Nothing before the Startup event, and nothing on the wire is heeded.
#[test]
fn initialize_is_silent_and_deaf() {
    let mut rig = Rig::new(params(128));
    assert_eq!(rig.router.poll_timeout(), None);
    assert_eq!(rig.router.primary(), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    assert_eq!(rig.timeout(1_000_000), []);
    assert_eq!(rig.hear(1_000_001, THEIRS, 0), []);
    assert_eq!(rig.hear(1_000_002, THEIRS, 1), []);
    assert_eq!(rig.hear(1_000_003, THEIRS, 255), []);
    assert_eq!(rig.input(1_000_004, Input::EarProven), []);
    assert_eq!(rig.state(), StateName::Initialize);
    assert_eq!(rig.router.active(), None);
    assert_eq!(rig.router.deadline(), None);
}

/// 6.4.1, not the owner: Active_Adver_Interval is our own, the timer a whole
/// Active_Down_Interval; nothing is sent.
#[test]
fn startup_leads_to_backup_with_a_full_active_down_interval() {
    let mut rig = Rig::new(params(254));
    assert_eq!(
        rig.input(7, Input::BecameAble { primary: OURS }),
        [transition(
            StateName::Initialize,
            StateName::Backup,
            Why::Started
        )]
    );
    let whole = 3 * SECOND + SECOND * 2 / 256;
    assert_eq!(rig.router.deadline(), Some(at(7) + whole));
    assert_eq!(rig.as_backup().active_adver_interval, Centis::ONE_SECOND);
    assert_eq!(rig.as_backup().since, at(7));
    assert_eq!(rig.router.primary(), OURS);
    assert_eq!(rig.router.effective_priority(), prio(254));
    assert_eq!(rig.router.params(), &params(254));
    assert_eq!(rig.router.active(), None);
}

/// 6.4.1, the owner: an advert, the addresses, and Active, all at once.
#[test]
fn startup_of_the_owner_leads_to_active_at_once() {
    let mut rig = Rig::new(params(255));
    assert_eq!(
        rig.input(7, Input::BecameAble { primary: OURS }),
        [
            advert(255),
            Action::InstallAddresses { generation: 1 },
            transition(StateName::Initialize, StateName::Active, Why::AddressOwner),
        ]
    );
    assert_eq!(rig.router.poll_timeout(), Some(at(1007)));
}

#[test]
fn another_primary_address_is_taken_over_without_an_election() {
    let mut rig = Rig::backup(params(128));
    let deadline = rig.router.deadline();
    assert_eq!(rig.input(5, Input::BecameAble { primary: OTHERS }), []);
    assert_eq!(rig.router.primary(), OTHERS);
    assert_eq!(rig.router.deadline(), deadline);
    let since = rig.take_over();
    assert_eq!(rig.input(since, Input::BecameAble { primary: THEIRS }), []);
    assert_eq!(rig.router.primary(), THEIRS);
    assert_eq!(rig.router.active().unwrap().address, THEIRS);
    assert_eq!(rig.state(), StateName::Active);
}

/// A fault ends Backup without a word on the wire.
#[test]
fn backup_becomes_unable_and_able_again() {
    let mut rig = Rig::backup(params(128));
    let fault = Fault::EarDeaf;
    assert_eq!(
        rig.input(10, Input::BecameUnable { fault }),
        [transition(
            StateName::Backup,
            StateName::Initialize,
            Why::Fault(fault)
        )]
    );
    assert_eq!(rig.router.poll_timeout(), None);
    assert_eq!(
        rig.input(5000, Input::BecameAble { primary: OURS }),
        [transition(
            StateName::Initialize,
            StateName::Backup,
            Why::Recovered { fault }
        )]
    );
    assert_eq!(rig.router.deadline(), Some(at(8500)));
}

/// Another fault is news; the same one is not.
#[test]
fn a_fault_is_reported_when_it_changes() {
    let mut rig = Rig::new(params(128));
    let unable = |fault| Input::BecameUnable { fault };
    assert_eq!(
        rig.input(1, unable(Fault::NoInterface)),
        [transition(
            StateName::Initialize,
            StateName::Initialize,
            Why::Fault(Fault::NoInterface)
        )]
    );
    assert_eq!(rig.input(2, unable(Fault::NoInterface)), []);
    assert_eq!(
        rig.input(3, unable(Fault::LinkDown)),
        [transition(
            StateName::Initialize,
            StateName::Initialize,
            Why::Fault(Fault::LinkDown)
        )]
    );
}

/// A fault as Active: the leave is said where it still can be, and the
/// addresses go at once.
#[test]
fn active_becomes_unable() {
    let (mut rig, since) = Rig::serving(params(128));
    let fault = Fault::LinkDown;
    assert_eq!(
        rig.input(since + 10, Input::BecameUnable { fault }),
        [
            RESIGN,
            Action::RemoveAddresses { generation: 1 },
            transition(StateName::Active, StateName::Initialize, Why::Fault(fault)),
        ]
    );
    assert_eq!(rig.router.poll_timeout(), None);
    assert_eq!(rig.timeout(since + 100_000), []);
}

/// 6.4.2, Shutdown event.
#[test]
fn backup_shuts_down_without_a_word() {
    let mut rig = Rig::backup(params(128));
    assert_eq!(
        rig.input(10, Input::ShutDown),
        [transition(
            StateName::Backup,
            StateName::Initialize,
            Why::ShutDown
        )]
    );
}

/// 6.4.3, Shutdown event: an advert with priority 0.
#[test]
fn active_shuts_down_with_priority_zero() {
    let (mut rig, since) = Rig::serving(params(128));
    assert_eq!(
        rig.input(since + 10, Input::ShutDown),
        [
            RESIGN,
            transition(StateName::Active, StateName::Initialize, Why::ShutDown),
        ]
    );
}

#[test]
fn after_a_shut_down_nothing_brings_the_router_back() {
    let mut rig = Rig::backup(params(128));
    rig.input(10, Input::ShutDown);
    assert_eq!(rig.input(11, Input::BecameAble { primary: OURS }), []);
    let fault = Fault::LinkDown;
    assert_eq!(rig.input(12, Input::BecameUnable { fault }), []);
    assert_eq!(rig.input(13, Input::BecameAble { primary: OURS }), []);
    assert_eq!(rig.input(14, Input::ShutDown), []);
    assert_eq!(rig.state(), StateName::Initialize);
}
