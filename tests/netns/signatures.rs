//! `auth_hmac` between two nodes: what is not signed as it must be moves nothing
//! and is counted, and keys are changed without a move.
#![expect(
    clippy::expect_used,
    reason = "helpers of tests: what is missing is to be said at once"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vip::lab::pair::{Pair, VIRTUAL, VRID};
use vip::lab::{Host, PATIENCE, Wire, now};
use vip_common::ids::{Family, MacAddr, Priority, Version, Vrid};
use vip_common::time::Centis;
use vip_common::wire::hmac::{AntiReplay, Key, Serial, Signer, UtcStamp};
use vip_common::wire::vrrp::{AdvertFrame, Auth, ChecksumDialect, FrameSpec, TRAILER_LEN, group};
use vip_tests::Tested;
use vip_tests::scene::{Scene, fast, instance, last_state_lines, vip_program};

const FIRST: [u8; 32] = *b"the first secret of this cluster";
const SECOND: [u8; 32] = *b"the other secret of this cluster";

/// A node's file with these keys, the last of which signs.
fn signed(priority: u8, keys: &[(u8, [u8; 32])]) -> String {
    let mut block = String::from("    auth_hmac {\n        mode enforce\n");
    for (id, secret) in keys {
        let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        block += &format!("        key {id} hex:{digits}\n");
    }
    let (active, _) = keys[keys.len() - 1];
    block += &format!("        active_key {active}\n    }}\n");
    fast(priority).replace("    virtual_ipaddress", &(block + "    virtual_ipaddress"))
}

/// One who would win, if he were believed.
fn usurper(host: &Host) -> AdvertFrame {
    AdvertFrame::new(&FrameSpec {
        source_mac: host.mac(),
        destination_mac: MacAddr([0x01, 0x00, 0x5e, 0, 0, 18]),
        source: host.address().into(),
        destination: group(Family::V4),
        ttl: 255,
        vrid: Vrid::new(VRID).expect("not zero"),
        version: Version::V3,
        interval: Centis::new(10).expect("in range"),
        auth: Auth::None,
        addresses: &[VIRTUAL.into()],
        dialect: ChecksumDialect::PseudoHeader,
    })
    .expect("encodable")
}

fn signer(id: u8, secret: &[u8]) -> Signer {
    let key = Key::new(id, secret).expect("a good key");
    Signer::new(key, AntiReplay::Monotonic, Serial::ZERO)
}

/// So long ago.
fn ago(seconds: u64) -> UtcStamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or_default();
    UtcStamp::from_unix(since.saturating_sub(Duration::from_secs(seconds)))
}

#[test]
fn what_is_not_signed_as_it_must_be_moves_nothing_and_is_counted() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let keys = [(1, FIRST)];
    let scene = Scene::elect_on(pair, &signed(100, &keys), &signed(90, &keys))?;
    let Pair { a, b, client, .. } = &scene.pair;
    let port = a.port();
    let frame = scene
        .pair
        .capture
        .wait_for("a signed advert", now(), PATIENCE, |frame| {
            frame.is_from(port) && frame.advert(VRID).is_some()
        })?;
    assert_eq!(frame.bytes.len(), 34 + 8 + 4 + TRAILER_LEN);

    let since = now();
    let wire = Wire::open(client, "eth0")?;
    let mut frame = usurper(client);
    let winner = Priority::from_wire(254);
    let mut right = signer(1, &FIRST);
    // None of them would be heard at all without its trailer and a place in time.
    wire.send(frame.seal(1, winner))?;
    let mut odd = frame.seal_signed(2, winner, &mut right, ago(0)).to_vec();
    let trailer = odd.len() - TRAILER_LEN;
    odd[trailer] = 2;
    wire.send(&odd)?;
    let mut unknown = signer(9, &FIRST);
    wire.send(frame.seal_signed(3, winner, &mut unknown, ago(0)))?;
    let mut wrong = signer(1, &SECOND);
    wire.send(frame.seal_signed(4, winner, &mut wrong, ago(0)))?;
    let mut late = signer(1, &FIRST);
    wire.send(frame.seal_signed(5, winner, &mut late, ago(60)))?;
    // Right, but of one who would lose; then the same again.
    let loser = Priority::from_wire(1);
    let humble = frame.seal_signed(6, loser, &mut right, ago(0));
    wire.send(humble)?;
    wire.send(humble)?;

    for host in [a, b] {
        let status = scene
            .pair
            .wait_for_status(host, "a replay", PATIENCE, |status| {
                instance(status)["counters"]["rejected_hmac_replay"] == 1
            })?;
        for reason in [
            "missing",
            "malformed",
            "unknown_key",
            "invalid",
            "stale",
            "replay",
        ] {
            let counter = &instance(&status)["counters"][format!("rejected_hmac_{reason}")];
            assert_eq!(counter, 1, "{reason}: {status}");
        }
    }
    assert_eq!(last_state_lines(&scene.on_a, since), [""; 0]);
    assert_eq!(last_state_lines(&scene.on_b, since), [""; 0]);
    assert!(scene.adverts_of(b, since).is_empty());
    // Signed as it must be, the same moves A at once: the test can fail.
    let then = now();
    wire.send(frame.seal_signed(7, winner, &mut right, ago(0)))?;
    scene
        .on_a
        .wait_for_line_after("(VI_1) Entering BACKUP STATE", then, PATIENCE)
        .map(drop)
}

#[test]
fn another_key_backup_first_then_master_moves_nothing() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let first = [(1, FIRST)];
    let scene = Scene::elect_on(pair, &signed(100, &first), &signed(90, &first))?;
    let Pair { a, b, .. } = &scene.pair;
    let since = now();
    let reload = |host: &Host, text: &str| {
        host.write("/run/vip.conf", text)?;
        let command = scene.pair.vip(host, &["reload"])?;
        let ended = command.wait(PATIENCE)?;
        assert_eq!(ended.code, Some(0), "{}", command.stderr());
        Tested::Ok(())
    };
    let count = |status: &serde_json::Value, name: &str| {
        instance(status)["counters"][name].as_u64().unwrap_or(0)
    };
    // Another number, then the same number with another secret.
    for keys in [[(2, SECOND)], [(2, FIRST)]] {
        let status = scene.pair.status(b)?.unwrap_or_default();
        let before = count(&status, "accepted_by_former_secret");
        reload(b, &signed(90, &keys))?;
        scene
            .pair
            .wait_for_status(b, "the old key", PATIENCE, |status| {
                count(status, "accepted_by_former_secret") >= before + 2
            })?;
        reload(a, &signed(100, &keys))?;
        let heard = now();
        let peer = |status: &serde_json::Value| {
            let peer = &instance(status)["peers"][0];
            peer["accepted"].as_u64().unwrap_or(0)
        };
        let accepted = peer(&scene.pair.status(b)?.unwrap_or_default());
        scene
            .pair
            .wait_for_status(b, "the new key", PATIENCE, |status| {
                peer(status) >= accepted + 2
            })?;
        assert!(scene.adverts_of(a, heard).len() >= 2);
    }
    assert_eq!(last_state_lines(&scene.on_a, since), [""; 0]);
    assert_eq!(last_state_lines(&scene.on_b, since), [""; 0]);
    assert!(scene.adverts_of(b, since).is_empty());
    scene.settled()
}
