//! tshark reads what we send: no complaint, right checksums.

use std::path::PathBuf;

use vip::lab::pair::{NODE_A, Pair, VIRTUAL, VRID};
use vip::lab::{LabError, PATIENCE};
use vip_common::time::MonoTime;
use vip_tests::Tested;
use vip_tests::scene::{fast, up, vip_program};

/// A file that is gone with the test.
struct Capture(PathBuf);

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// One line a frame: protocol, checksum states, what the decoder complains of.
fn decode(pair: &Pair, name: &str) -> Result<Vec<String>, LabError> {
    let port = pair.a.port();
    let written = pair.capture.pcap(|frame| {
        frame.is_from(port) && (frame.advert(VRID).is_some() || frame.announces(VIRTUAL))
    });
    let file = format!("vip-{name}-{}.pcap", std::process::id());
    let file = Capture(std::env::temp_dir().join(file));
    std::fs::write(&file.0, written).map_err(|source| LabError::System {
        step: "write a capture",
        source,
    })?;
    let path = file.0.display().to_string();
    let mut argv = vec![
        "tshark",
        "-n",
        "-r",
        &path,
        "-T",
        "fields",
        "-E",
        "separator=|",
    ];
    argv.extend(["-o", "ip.check_checksum:TRUE"]);
    for field in [
        "frame.protocols",
        "ip.checksum.status",
        "vrrp.checksum.status",
        "arp.isgratuitous",
        "_ws.expert.severity",
        "_ws.expert.message",
        "_ws.malformed",
    ] {
        argv.extend(["-e", field]);
    }
    let text = pair.client.output(argv)?.success()?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn is_read_without_complaint(name: &str, text: &str) -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let daemon = pair.start(&pair.a, text)?;
    up(&daemon)?;
    let port = pair.a.port();
    let mut after = MonoTime::ZERO;
    for _ in 0..3 {
        let frame = pair
            .capture
            .wait_for("an advert", after, PATIENCE, |frame| {
                frame.is_from(port) && frame.advert(VRID).is_some() && frame.stamp > after
            })?;
        after = frame.stamp;
    }
    pair.capture
        .wait_for("a gratuitous ARP", MonoTime::ZERO, PATIENCE, |frame| {
            frame.is_from(port) && frame.announces(VIRTUAL)
        })?;
    let lines = decode(&pair, name)?;
    let adverts = lines
        .iter()
        .filter(|line| line.starts_with("eth:ethertype:ip:vrrp"));
    let announcements = lines
        .iter()
        .filter(|line| line.starts_with("eth:ethertype:arp"));
    assert!(adverts.clone().count() >= 3, "{lines:?}");
    assert!(announcements.clone().count() >= 1, "{lines:?}");
    for line in adverts {
        assert_eq!(line, "eth:ethertype:ip:vrrp|1|1||||");
    }
    for line in announcements {
        assert!(
            line.ends_with("|||1|||") || line.ends_with("|||True|||"),
            "{line}"
        );
    }
    Ok(())
}

#[test]
fn version_2_with_password() -> Tested {
    is_read_without_complaint("v2", NODE_A)
}

#[test]
fn version_3() -> Tested {
    is_read_without_complaint("v3", &fast(100))
}
