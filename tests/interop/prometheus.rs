//! Debian's Prometheus asks two nodes: every query of the board finds data, and every
//! alert fires on the fault that it is for.
//!
//! The rules are those in `dist/`, with two changes: the times for which a condition
//! must hold (`for:`) are left out, and the windows of minutes are ten seconds. What the
//! times do, and what cannot be brought about here, `promtool test rules` shows on
//! series that are made up.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use vip::lab::pair::{FILE, Pair, VIRTUAL};
use vip::lab::{Host, LabError, PATIENCE, Process, Wire, forged_claim};
use vip_tests::Tested;
use vip_tests::scene::{fast, up, vip_program};
use vip_tests::scrape::get;

const RULES: &str = include_str!("../../dist/prometheus/vip.rules.yml");
const BOARD: &str = include_str!("../../dist/grafana/vip.json");
const PROMETHEUS: &str = "127.0.0.1:9090";
/// Alerts that a host may have reason for that is not ours to make.
const MAY_BE: &str = "VipOrdinaryScheduling";

/// The rules, quick.
fn rules() -> String {
    let lines = RULES.lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with("for: "));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    text.replace("[10m]", "[10s]").replace("[5m]", "[10s]")
}

fn alerts_there_are() -> BTreeSet<String> {
    let names = RULES.lines();
    let names = names.filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

/// What Prometheus answers to a question of its interface.
fn ask(client: &Host, path: &str) -> Result<Value, LabError> {
    let answer = get(client, PROMETHEUS, path, "*/*")?;
    let document = answer.and_then(|answer| serde_json::from_str(&answer.body).ok());
    Ok(document.unwrap_or_default())
}

fn query(client: &Host, expression: &str) -> Result<Value, LabError> {
    let encoded: String = expression
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    ask(client, &format!("/api/v1/query?query={encoded}"))
}

/// The alerts that fire, with the instance that they are about.
fn firing(client: &Host) -> Result<BTreeSet<(String, String)>, LabError> {
    let answer = ask(client, "/api/v1/alerts")?;
    let alerts = answer["data"]["alerts"].as_array().into_iter().flatten();
    let firing = alerts.filter(|one| one["state"] == "firing");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(firing
        .map(|one| {
            let labels = &one["labels"];
            (word(&labels["alertname"]), word(&labels["vrrp_instance"]))
        })
        .collect())
}

fn wait_for<T>(
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>, LabError>,
) -> Result<T, LabError> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > end {
            return Err(LabError::TooLate {
                what: what.to_owned(),
                bound: PATIENCE,
            });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until an alert fires about an instance, or about whatever for "".
fn fires(
    client: &Host,
    seen: &mut BTreeSet<String>,
    alert: &str,
    about: &str,
) -> Result<(), LabError> {
    wait_for(&format!("{alert} to fire about {about:?}"), || {
        let found = firing(client)?;
        let found = found
            .iter()
            .any(|(name, of)| name == alert && (about.is_empty() || of == about));
        Ok(found.then_some(()))
    })?;
    seen.insert(alert.to_owned());
    Ok(())
}

/// The second instance, which both nodes have: of this VRID, with this address.
fn second(priority: u8, vrid: u8, last: u8) -> String {
    fast(priority)
        .replace("VI_1", "VI_T")
        .replace("virtual_router_id 51", &format!("virtual_router_id {vrid}"))
        .replace(&VIRTUAL.to_string(), &format!("192.168.8.{last}"))
}

fn file(priority: u8) -> String {
    format!(
        "global_defs {{\n script_user root\n}}\n\
         vrrp_script chk {{\n script \"/bin/sh /run/chk.sh\"\n interval 0.2\n timeout 5\n}}\n{}{}",
        fast(priority).replace("priority", "track_script {\n chk weight -5\n }\n priority"),
        second(priority, 60, 111)
    )
}

fn start(pair: &Pair, host: &Host, file: &str, xdp: &str) -> Result<Process, LabError> {
    host.write(FILE, file)?;
    let at = format!("{}:9650", host.address());
    let running = pair.vip(host, &["run", "-f", FILE, "--xdp", xdp, "--metrics", &at])?;
    up(&running)?;
    Ok(running)
}

fn reload(pair: &Pair, host: &Host, file: &str) -> Result<Option<i32>, LabError> {
    host.write(FILE, file)?;
    let reloading = pair.vip(host, &["reload"])?;
    Ok(reloading.wait(PATIENCE)?.code)
}

/// Every query of the board finds something.
fn board_has_data(client: &Host) -> Tested {
    let board: Value = serde_json::from_str(BOARD).unwrap_or_default();
    let panels = board["panels"].as_array().into_iter().flatten();
    let targets = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| (&panel["title"], &target["expr"]))
    });
    let mut queries = 0;
    for (title, expression) in targets {
        let expression = expression.as_str().unwrap_or_default();
        let asked = expression
            .replace("$vrrp_instance", ".*")
            .replace("$__rate_interval", "5s");
        let found = |answer: &Value| {
            let rows = answer["data"]["result"].as_array();
            rows.is_some_and(|rows| !rows.is_empty())
        };
        wait_for(&format!("data for {title}: {asked}"), || {
            Ok(found(&query(client, &asked)?).then_some(()))
        })?;
        queries += 1;
    }
    assert!(queries >= 25, "{queries}");
    Ok(())
}

#[test]
fn the_rules_are_rules_and_wait_as_long_as_they_say() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/prometheus");
    for arguments in [
        ["check", "rules", "vip.rules.yml"],
        ["test", "rules", "vip.test.yml"],
    ] {
        let done = Command::new("promtool")
            .args(arguments)
            .current_dir(directory)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert!(done.status.success(), "{arguments:?}: {said}");
    }
}

#[test]
fn every_query_has_data_and_every_alert_fires() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let Pair { a, b, client, .. } = &pair;
    for host in [a, b] {
        host.write("/run/chk.sh", "exit 0\n")?;
    }
    let on_a = start(&pair, a, &file(100), "auto")?;
    pair.wait_for_state(a, "MASTER", PATIENCE)?;
    let on_b = start(&pair, b, &file(90), "auto")?;
    client.write("/run/vip.rules.yml", &rules())?;
    client.write(
        "/run/prometheus.yml",
        &format!(
            "global:\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\n  evaluation_interval: 500ms\n\
             rule_files: [/run/vip.rules.yml]\n\
             scrape_configs:\n  - job_name: vip\n    static_configs:\n      - targets: ['{}:9650', '{}:9650']\n",
            a.address(),
            b.address()
        ),
    )?;
    let _prometheus = client.spawn([
        "prometheus",
        "--config.file=/run/prometheus.yml",
        "--storage.tsdb.path=/run/prometheus",
        "--web.listen-address=127.0.0.1:9090",
        "--log.level=warn",
    ])?;

    // All is well.
    let quiet = wait_for("nothing to fire", || {
        let found: Vec<_> = firing(client)?
            .into_iter()
            .filter(|(name, _)| name != MAY_BE)
            .collect();
        Ok(found.is_empty().then_some(()))
    });
    assert!(quiet.is_ok(), "{:?}", firing(client)?);

    // The faults, one after the other.
    let mut seen = BTreeSet::new();
    a.write("/run/chk.sh", "exit 1\n")?;
    fires(client, &mut seen, "VipCheckFailing", "")?;

    assert_eq!(reload(&pair, b, "vrrp_instance nonsense {\n")?, Some(4));
    fires(client, &mut seen, "VipReloadFailed", "")?;

    // Both are master of their own router, which has one name.
    let other = file(90).replace("virtual_router_id 60", "virtual_router_id 61");
    let other = other.replace("192.168.8.111", "192.168.8.112");
    assert_eq!(reload(&pair, b, &other)?, Some(0));
    fires(client, &mut seen, "VipTwoMasters", "VI_T")?;

    let nowhere = second(100, 70, 113)
        .replace("VI_T", "VI_F")
        .replace("eth0", "eth9");
    assert_eq!(reload(&pair, a, &(file(100) + &nowhere))?, Some(0));
    fires(client, &mut seen, "VipFault", "VI_F")?;
    fires(client, &mut seen, "VipNoMaster", "VI_F")?;

    let wire = Wire::open(client, "eth0")?;
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        wire.send(&forged_claim(client.mac(), VIRTUAL))?;
        std::thread::sleep(Duration::from_millis(200));
    }
    fires(client, &mut seen, "VipAddressClaimed", "VI_1")?;

    // A is held up for as long as B just bears: three intervals and a skew of 65 ms.
    wait_for("adverts to be missing, and just in time", || {
        on_a.signal(Signal::SIGSTOP);
        std::thread::sleep(Duration::from_millis(265));
        on_a.signal(Signal::SIGCONT);
        std::thread::sleep(Duration::from_millis(300));
        let found = firing(client)?;
        let both = ["VipAdvertsLost", "VipCloseCall"]
            .iter()
            .all(|alert| found.contains(&((*alert).to_owned(), "VI_1".to_owned())));
        Ok(both.then_some(()))
    })?;
    seen.extend(["VipAdvertsLost".to_owned(), "VipCloseCall".to_owned()]);

    // Of a closest call there is something to be shown now.
    board_has_data(client)?;

    for _ in 0..3 {
        assert_eq!(
            pair.vip(b, &["take", "VI_1"])?.wait(PATIENCE)?.code,
            Some(0)
        );
        pair.wait_for_state(b, "MASTER", PATIENCE)?;
        assert_eq!(
            pair.vip(b, &["untake", "VI_1"])?.wait(PATIENCE)?.code,
            Some(0)
        );
        pair.wait_for_state(a, "MASTER", PATIENCE)?;
    }
    fires(client, &mut seen, "VipFlapping", "VI_1")?;

    on_b.signal(Signal::SIGTERM);
    on_b.wait(PATIENCE)?;
    let _on_b = start(&pair, b, &file(90), "off")?;
    fires(client, &mut seen, "VipFallbackRung", "")?;

    on_a.signal(Signal::SIGKILL);
    fires(client, &mut seen, "VipDown", "")?;

    // The rest is shown by the rules' own test.
    let mut rest = alerts_there_are();
    rest.retain(|alert| !seen.contains(alert));
    let made_up = [MAY_BE, "VipRingFull", "VipLogDropped"];
    assert_eq!(rest, made_up.map(str::to_owned).into());
    Ok(())
}
