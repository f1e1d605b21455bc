//! Many addresses, announced while the last ones are still being added.

use std::net::Ipv4Addr;

use nix::sys::signal::Signal;
use vip::lab::pair::{Pair, VIRTUAL};
use vip::lab::{PATIENCE, now};
use vip_tests::Tested;
use vip_tests::scene::{Scene, fast, instance, vip_program};

const FURTHER: u8 = 150;

fn further() -> impl Iterator<Item = Ipv4Addr> {
    (1..=FURTHER).map(|last| Ipv4Addr::new(10, 9, 0, last))
}

fn with_many(priority: u8) -> String {
    let lines: String = further()
        .map(|address| format!("        {address}/32\n"))
        .collect();
    let mut file = fast(priority);
    let end = file.rfind('}').unwrap_or_default();
    file.insert_str(
        end,
        &format!("    virtual_ipaddress_excluded {{\n{lines}    }}\n"),
    );
    file
}

#[test]
fn each_of_many_addresses_is_announced_as_often_as_one_is() -> Tested {
    /// `vrrp_garp_master_repeat` where nothing is said, all at once.
    const ROUNDS: usize = 5;
    let pair = Pair::new(vip_program(), "auto")?;
    let scene = Scene::elect_on(pair, &with_many(100), &with_many(90))?;
    let killed = now();
    scene.on_a.signal(Signal::SIGKILL);
    scene.b_took_over(killed)?;
    let port = scene.pair.b.port();
    let status = scene.pair.wait_for_status(
        &scene.pair.b,
        "all of its announcements",
        PATIENCE,
        |status| {
            let announced = instance(status)["counters"]["gratuitous_arps_sent"].as_u64();
            announced >= Some((ROUNDS * (1 + usize::from(FURTHER))) as u64)
        },
    )?;
    let announced = scene
        .pair
        .capture
        .select(|frame| frame.is_from(port) && frame.stamp > killed);
    for address in std::iter::once(VIRTUAL).chain(further()) {
        let count = announced
            .iter()
            .filter(|frame| frame.announces(address))
            .count();
        assert_eq!(count, ROUNDS, "{address}; {status}");
        assert!(scene.pair.b.has(address)?, "{address}");
    }
    Ok(())
}
