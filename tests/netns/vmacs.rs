//! Interfaces with a virtual MAC that somebody else has to do with.

use std::net::Ipv4Addr;

use nix::sys::signal::Signal;
use vip::lab::pair::{ADDRESS_A, Pair, VIRTUAL};
use vip::lab::{Host, LabError, PATIENCE, now};
use vip_common::ids::MacAddr;
use vip_tests::Tested;
use vip_tests::scene::{Scene, fast, up, vip_program, wait_for_address};

const FILE: &str = "/run/vip.conf";
/// The MAC of the seed's virtual router.
const MAC: &str = "00:00:5e:00:01:33";

/// The configuration of a host with this priority and a virtual MAC.
fn virtual_mac(priority: u8) -> String {
    let line = "virtual_router_id 51\n";
    fast(priority).replace(line, &format!("{line}    use_vmac\n"))
}

fn elected() -> Result<Scene, LabError> {
    let pair = Pair::new(vip_program(), "auto")?;
    Scene::elect_on(pair, &virtual_mac(100), &virtual_mac(90))
}

fn shown(host: &Host, arguments: &str) -> Result<String, LabError> {
    host.output(["ip"].into_iter().chain(arguments.split(' ')))?
        .success()
}

fn has_link(host: &Host, name: &str) -> Result<bool, LabError> {
    let all = shown(host, "-o link")?;
    let begins = [format!(" {name}@"), format!(" {name}:")];
    Ok(begins.iter().any(|begin| all.contains(begin)))
}

/// Waits until what is shown says this.
fn wait_for_words(host: &Host, arguments: &str, words: &str) -> Tested {
    let end = now() + PATIENCE;
    loop {
        let text = shown(host, arguments).unwrap_or_default();
        if text.contains(words) {
            return Ok(());
        }
        assert!(now() < end, "no {words} in {text}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn it_follows_the_name_of_the_interface_below() -> Tested {
    let mut scene = elected()?;
    let host = scene.pair.a.clone();
    host.ip(&[
        "link set eth0 down",
        "link set eth0 name old0",
        "link set old0 up",
        &format!("addr del {ADDRESS_A}/24 dev old0"),
    ])?;
    scene.pair.wait_for_state(&host, "FAULT", PATIENCE)?;
    // The cable of before stays in the switch, at a port of another name.
    let port = format!("p-{}", host.name());
    scene.pair.lab.switch_ip(&[
        &format!("link set {port} down"),
        &format!("link set {port} name p-old"),
    ])?;
    scene.pair.lab.switch_ip(&["link set p-old up"])?;
    host.ip(&["link set old0 address 02:00:00:00:00:77"])?;
    scene.pair.a.connect()?;
    scene.settled()?;
    assert!(shown(&scene.pair.a, "link show vrrp.51")?.contains("vrrp.51@eth0"));
    assert!(shown(&scene.pair.a, "addr show vrrp.51")?.contains(&VIRTUAL.to_string()));
    assert_eq!(scene.owners()?, 1);
    Ok(())
}

#[test]
fn somebody_elses_of_the_same_name_is_a_fault_unless_it_is_the_same_and_up() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    pair.a.ip(&[format!(
        "link add link eth0 name vrrp.51 address {MAC} type macvlan mode private"
    )])?;
    let on_a = pair.start(&pair.a, &virtual_mac(100))?;
    let on_b = pair.start(&pair.b, &virtual_mac(90))?;
    up(&on_a)?;
    up(&on_b)?;
    pair.wait_for_state(&pair.b, "MASTER", PATIENCE)?;
    let faulty = |status: &serde_json::Value| {
        let one = &status["instances"][0];
        let named = one["reason"]
            .as_str()
            .is_some_and(|why| why.contains("vrrp.51"));
        one["state"] == "FAULT" && named
    };
    let status = pair.wait_for_status(&pair.a, "FAULT", PATIENCE, faulty)?;
    let heard = status["dataplane"].to_string();
    assert!(
        heard.contains("vrrp.51 is an interface of somebody else"),
        "{heard}"
    );
    assert!(!pair.a.has(VIRTUAL)?);

    // As a keepalived leaves it that was killed: up.
    pair.a.ip(&["link set vrrp.51 up"])?;
    let scene = Scene { on_a, on_b, pair };
    scene.settled()?;
    scene.pair.a.ip(&["link set vrrp.51 down"])?;
    scene
        .pair
        .wait_for_status(&scene.pair.a, "FAULT", PATIENCE, faulty)?;
    scene
        .pair
        .wait_for_state(&scene.pair.b, "MASTER", PATIENCE)?;
    wait_for_address(&scene.pair.a, VIRTUAL, false)?;
    Ok(())
}

#[test]
fn two_that_exchange_their_names_in_a_reload_exchange_their_macs() -> Tested {
    const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 101);
    let two = |priority: u8, first: &str, second: &str| {
        let one = virtual_mac(priority);
        let other = one
            .replace("VI_1", "VI_2")
            .replace("virtual_router_id 51", "virtual_router_id 52")
            .replace(&VIRTUAL.to_string(), &OTHER.to_string());
        one.replace("use_vmac", &format!("use_vmac {first}"))
            + &other.replace("use_vmac", &format!("use_vmac {second}"))
    };
    let pair = Pair::new(vip_program(), "auto")?;
    let scene = Scene::elect_on(pair, &two(100, "va", "vb"), &two(90, "va", "vb"))?;
    let a = &scene.pair.a;
    wait_for_address(a, OTHER, true)?;
    wait_for_words(a, "link show va", MAC)?;
    a.write(FILE, &two(100, "vb", "va"))?;
    let since = now();
    let reload = scene.pair.vip(a, &["reload"])?;
    assert_eq!(reload.wait(PATIENCE)?.code, Some(0), "{}", reload.stderr());
    wait_for_words(a, "link show va", "00:00:5e:00:01:34")?;
    wait_for_words(a, "link show vb", MAC)?;
    wait_for_words(a, "addr show vb", &VIRTUAL.to_string())?;
    wait_for_words(a, "addr show va", &OTHER.to_string())?;
    // From the first advert on each speaks by its own.
    let mac = MacAddr([0, 0, 0x5e, 0, 1, 51]);
    let own = scene.adverts_of(a, since);
    assert!(
        own.iter().all(|frame| frame.bytes[6..12] == mac.0),
        "{own:?}"
    );
    scene.settled()
}

#[test]
fn what_is_done_to_it_by_hand_is_undone() -> Tested {
    let scene = elected()?;
    let a = &scene.pair.a;
    let since = now();
    a.ip(&["link set vrrp.51 address 02:00:00:00:00:01"])?;
    let said = "(VI_1) its virtual MAC was changed by another program; put back";
    scene.on_a.wait_for_line_after(said, since, PATIENCE)?;
    wait_for_words(a, "link show vrrp.51", MAC)?;
    let status = scene.pair.status(a)?.unwrap_or_default();
    assert_eq!(
        status["instances"][0]["counters"]["addresses_put_back"], 1,
        "{status}"
    );
    scene.settled()?;

    a.ip(&["link set vrrp.51 down"])?;
    wait_for_words(a, "-o link show vrrp.51", ",UP,LOWER_UP>")?;
    scene.settled()?;

    // It may be gone before it can be set up again.
    a.ip(&["link set vrrp.51 down", "link set vrrp.51 name foo51"])?;
    wait_for_words(a, "link show vrrp.51", MAC)?;
    scene.settled()?;
    assert!(!has_link(a, "foo51")?);
    scene.on_a.signal(Signal::SIGTERM);
    scene.on_a.wait(PATIENCE)?;
    assert!(!has_link(a, "vrrp.51")?);
    Ok(())
}

#[test]
fn what_a_reload_has_removed_is_not_spoken_of_any_more() -> Tested {
    let scene = elected()?;
    let a = &scene.pair.a;
    let ports = |status: &serde_json::Value| status["dataplane"].to_string();
    let before = scene.pair.status(a)?.unwrap_or_default();
    assert!(ports(&before).contains("vrrp.51"), "{before}");
    a.write(FILE, &fast(100))?;
    let reload = scene.pair.vip(a, &["reload"])?;
    assert_eq!(reload.wait(PATIENCE)?.code, Some(0), "{}", reload.stderr());
    let gone = |status: &serde_json::Value| !ports(status).contains("vrrp.51");
    let after = scene
        .pair
        .wait_for_status(a, "no vrrp.51", PATIENCE, gone)?;
    assert!(ports(&after).contains("eth0"), "{after}");
    Ok(())
}
